"""Makes the solution notebook of a unit: the instructor's version, with every solution in it.

Knows: the order of cells, nbgrader's metadata, the texts of headers, where a package is installed from. Does
not know: how an answer is judged (checks), what students get (release).
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable

from ..languages.blocks import in_other_words
from .contract import contract_text, contracts
from .exercise import solution_cell
from .names import undefined
from .source import Cell, read_source, split_title

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

SETUP = """\
# Setup: run this cell first. It installs the course if it is missing, and touches nothing else.
import importlib.util
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # where cores are shared, a thread that waits must not spin
if importlib.util.find_spec("specdec_course") is None:
{install}
{speaks}
print("{loading}")

{imports}"""
LOADING = "Loading the course: some ten seconds the first time."
FOLDED = {"jupyter": {"source_hidden": True}}  # Lab shows its first line; what is imported is nobody's first screen
SPEAKS = """
os.environ.setdefault("SPECDEC_LANGUAGE", "{language}")  # what checks and hints say"""
FROM_ADDRESS = """\
    %pip install -q "{address}\""""
FROM_WHEEL = """\
    wheel = max((name for name in os.listdir() if name.startswith("specdec_course-") and name.endswith(".whl")),
                default="")
    if not wheel:
        raise SystemExit("The course is not installed here. Ask your instructor for it, or put its file "
                         "specdec_course-...-py3-none-any.whl beside this notebook, and run this cell again.")
    %pip install -q {wheel}"""

HEAD = """\
# {title}

**Unit {unit}** · {count} exercises · {points} points{bonus} · about {reading} minutes to read, {minutes} for the \
exercises{beside}

{about}Write your code at `YOUR CODE HERE`, run it, then run the `check(...)` below it: it says what is wrong and why.
`hint(...)` helps, `grade(...)` shows your points, `progress()` how far you are, `solution(...)` the course's answer
once yours is right. Pictures use `yours(f)`: your own `f` once it is right, the course's until then.

{colab}
*On your machine:* open it in JupyterLab."""
BESIDE = {"before": " · before: [unit {unit}]({link})", "next": " · next: [unit {unit}]({link})"}
BONUS = " and {extra} bonus points"
EXERCISE = """\
### Exercise {number} · `{name}`

{points} · difficulty {dots} · about {minutes} minutes"""
POINT, POINTS = "{number} point", "{number} points"
BONUS_POINT, BONUS_POINTS = "{number} bonus point", "{number} bonus points"
UPLOAD = """\
*In Colab:* choose **File → Upload notebook** at [colab.research.google.com](https://colab.research.google.com)."""
BADGE = """\
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]\
(https://colab.research.google.com/github/{place}/blob/{branch}/{folder}/{unit}/{unit}.ipynb)"""


def as_it_is(kind: str, text: str) -> str:
    """What English says of a block of prose."""
    return text


def solution_notebook(path, exercises: dict, install: str, repository: str = "", language: str = "",
                      say: Callable[[str, str], str] = as_it_is):
    """The solution notebook of one unit.

    Args:
        path: the unit's source; the name of its folder is the unit's name and begins with its number.
        exercises: the unit's exercises by name, as `specdec_course.checks.exercises` gives them.
        install: what `pip install` gets when the package is missing; empty: a wheel that lies beside the notebook.
        repository: the GitHub address that Colab opens this notebook from, maybe with /tree/BRANCH; empty: none.
        language, say: of a translation, its code and `say(kind, block)`. All code cells are as in English, but for a
            line in the first one; text is translated, and contracts stand above their exercises.

    Returns:
        an nbformat notebook. The same source gives the same notebook, to the byte.

    Raises ValueError naming the file and what is wrong with it.
    """
    title, about, cells = split_title(read_source(path), path)
    _same_exercises(path, [cell.name for cell in cells if cell.kind == "exercise"], exercises)
    number = path.stem.split("_")[0]
    how = FROM_ADDRESS.format(address=install) if install else FROM_WHEEL
    speaks = SPEAKS.format(language=language) if language else ""

    def head_says(text: str) -> str:
        return in_other_words(text, lambda block: say("head of a notebook", block))

    def text_says(text: str) -> str:
        return in_other_words(text, lambda block: say("text", block))

    setup = SETUP.format(install=how, speaks=speaks, loading=head_says(LOADING), imports=cells[0].text.strip())
    colab, reading = _colab(repository, path.stem, language, head_says), _reading_minutes(cells[1:])
    title, about = text_says(f"# {title}").removeprefix("# "), text_says(about)
    head = _head(title, number, exercises, about, reading, _beside(path, language, head_says), colab, head_says)
    nodes = [_markdown("head", head), _code("setup", setup, FOLDED)]
    seen: dict[str, int] = {}
    place = 0
    for cell in cells[1:]:
        if cell.kind == "exercise":
            place += 1
            one = exercises[cell.name]
            header = _header(one, f"{int(number)}.{place}", head_says)
            contract = f"\n\n{contract_text(contracts(one), say)}" if language else ""
            nodes += _exercise_cells(one, header + contract, cell.text, path)
        elif cell.kind == "markdown":
            nodes.append(_markdown(_content_id(cell, seen), text_says(cell.text)))
        else:
            folded = FOLDED if cell.kind == "folded" else {}
            nodes.append(_code(_content_id(cell, seen), cell.text, folded))
    _all_defined(path, nodes)
    return _finished(nodes)


def _same_exercises(path, here: list[str], registered: dict) -> None:
    twice = sorted({name for name in here if here.count(name) > 1})
    unknown, missing = sorted(set(here) - set(registered)), sorted(set(registered) - set(here))
    for names, what in (
        (twice, "more than once in the source"),
        (unknown, "in the source, but not registered in specdec_course.checks for this unit"),
        (missing, "registered in specdec_course.checks, but missing in the source"),
    ):
        if names:
            raise ValueError(f"{path}: {', '.join(names)}: {what}")


def _reading_minutes(cells: list[Cell]) -> int:
    """An estimate, in steps of 5: 180 words of prose a minute, 5 seconds a line of given code."""
    words = sum(len(cell.text.split()) for cell in cells if cell.kind == "markdown")
    lines = sum(len(cell.text.splitlines()) for cell in cells if cell.kind in ("code", "folded"))
    return max(5, 5 * round((words / 180 + lines / 12) / 5))


def _beside(path, language: str, says: Callable[[str], str]) -> str:
    """Links to the units before and after this one; of a translation, to those that it has too."""
    folders = sorted(one.name for one in path.parent.parent.iterdir() if re.fullmatch(r"\d\d_\w+", one.name))
    folders = [one for one in folders if not language or (path.parent.parent / one / f"{language}.po").is_file()]
    here = folders.index(path.parent.name) if path.parent.name in folders else -1
    near = [(word, folders[place]) for word, place in (("before", here - 1), ("next", here + 1))
            if here >= 0 and 0 <= place < len(folders)]
    links = [(word, folder[:2], f"../{folder}/{folder}.ipynb") for word, folder in near]
    return "".join(says(BESIDE[word]).format(unit=number, link=link) for word, number, link in links)


def _head(title: str, number: str, exercises: dict, about: str, reading: int, beside: str, colab: str,
          says: Callable[[str], str]) -> str:
    extra = sum(e.points for e in exercises.values() if e.bonus)
    head = says(HEAD).format(
        title=title,
        unit=int(number),
        count=len(exercises),
        points=f"{unit_points(exercises):g}",
        bonus=says(BONUS).format(extra=f"{extra:g}") if extra else "",
        minutes=sum(e.minutes for e in exercises.values()),
        about=f"{about}\n\n" if about else "",
        reading=reading,
        beside=beside,
        colab=colab,
    )
    return head.replace("· 1 exercises ·", "· 1 exercise ·").replace("for the exercises", "for the exercise"
                        ) if len(exercises) == 1 else head  # fmt: skip


def _colab(repository: str, unit: str, language: str, says: Callable[[str], str]) -> str:
    """How this notebook comes into Colab: by one click, where it lies on GitHub; else by hand."""
    if not repository:
        return says(UPLOAD)
    address = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?(?:/tree/([\w./-]+))?", repository)
    if not address:
        raise ValueError(f"repository of [tool.specdec] is {repository!r}; expected an address that Colab can open, "
                         "like https://github.com/owner/name or https://github.com/owner/name/tree/branch")
    folder = f"notebooks/{language}" if language else "notebooks"
    return BADGE.format(place=address[1], branch=address[2] or "main", folder=folder, unit=unit)


def unit_points(exercises: dict) -> float:
    """What 100 % of a unit is: the points of its exercises, bonus left out."""
    return sum(e.points for e in exercises.values() if not e.bonus)


def _exercise_cells(exercise, about: str, teaching: str, path) -> list:
    name, points = exercise.name, 0 if exercise.bonus else exercise.points
    try:
        solution = solution_cell(name, inspect.getsource(exercise.solution), teaching)
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"{path}: {error}") from error
    return [
        _markdown(f"about_{name}", about),
        _code(name, solution, _nbgrader(name, solution=True)),
        _code(f"check_{name}", f"check({name})\n# hint({name})\n# hint({name}, 2)"),
        _code(f"grade_{name}", _test(exercise), _nbgrader(f"grade_{name}", points=points)),
    ]


def _header(exercise, number: str, says: Callable[[str], str]) -> str:
    dots = "●" * exercise.difficulty + "○" * (5 - exercise.difficulty)
    one, more = (BONUS_POINT, BONUS_POINTS) if exercise.bonus else (POINT, POINTS)
    points = says(one if exercise.points == 1 else more).format(number=f"{exercise.points:g}")
    return says(EXERCISE).format(number=number, name=exercise.name, points=points, dots=dots, minutes=exercise.minutes)


def _test(exercise) -> str:
    """nbgrader takes the value of a test cell's last line as the points.

    For a bonus the semicolon hides the value, because nbgrader drops a whole submission when a cell earns
    more than the cell's maximum, which for a bonus is 0; `specdec_course.grading.nbgrader.bonus` adds the points.
    """
    if exercise.bonus:
        return f"# Bonus: makes up for points lost elsewhere.\ngrade({exercise.name});"
    return f"grade({exercise.name})"


def _nbgrader(grade_id: str, solution: bool = False, points: float | None = None) -> dict:
    graded = points is not None
    meta = {"grade_id": grade_id, "solution": solution, "grade": graded, "locked": graded}
    meta |= {"schema_version": 3, "task": False} | ({"points": points} if graded else {})
    return {"nbgrader": meta}


def _content_id(cell: Cell, seen: dict[str, int]) -> str:
    """An id from what the cell says, so that one more cell does not rename all the cells below it."""
    key = hashlib.sha256(f"{cell.kind}\n{cell.text}".encode()).hexdigest()[:12]
    seen[key] = seen.get(key, 0) + 1
    return key if seen[key] == 1 else f"{key}-{seen[key]}"


def _markdown(cell_id: str, text: str):
    from nbformat.v4 import new_markdown_cell

    return new_markdown_cell(text, id=cell_id)


def _code(cell_id: str, text: str, metadata: dict | None = None):
    from nbformat.v4 import new_code_cell

    return new_code_cell(text, id=cell_id, metadata=metadata or {})


def _all_defined(path, nodes: list) -> None:
    codes = [node for node in nodes if node.cell_type == "code"]
    missing = undefined([node.source for node in codes])
    if missing:
        listed = "; ".join(f"{name} in the cell {codes[number].id!r}" for number, name in missing)
        raise ValueError(
            f"{path}: names that neither the setup cell imports nor an earlier cell defines: {listed}. "
            "Import them in the setup cell (a private helper of the package belongs inside its function)."
        )


def _finished(nodes: list):
    import nbformat
    from nbformat.v4 import new_notebook

    notebook = new_notebook(
        cells=nodes, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}}, nbformat_minor=5
    )
    nbformat.validate(notebook)
    return notebook


def folder_number(folder: str) -> str:
    """ "03" for "03_greedy_verification"; ValueError when the name does not begin with two digits."""
    if not re.fullmatch(r"\d\d_\w+", folder):
        raise ValueError(f"{folder}: a unit's folder is named like 03_greedy_verification")
    return folder[:2]
