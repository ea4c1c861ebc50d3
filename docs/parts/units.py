"""The units as pages: each solution notebook is run once, its outputs are kept, and a page is made of them.

Knows: which cells are answers, what a page shows of a notebook, when outputs are out of date. Does not know: Sphinx.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import tempfile
from pathlib import Path

from specdec_course.common.source import without_docstring
from specdec_course.common.whole import write_text
from specdec_course.grading.nbgrader.notebook import is_test, run_notebook

MARKS = ("### BEGIN SOLUTION", "### END SOLUTION")
# Nothing on a page of files can answer a widget, and what a bonus earns is nbgrader's business.
NOT_SHOWN = ("application/vnd.jupyter.widget-view+json", "application/vnd.specdec.bonus+json")
BADGE = re.compile(r"!\[([^\]]*)\]\(https?://[^)]*\)")
DOWNLOAD = {"": "Download the student notebook", "zh_CN": "下载学生笔记本"}  # also: the languages that have pages
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}  # which knows `%pip`
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def names(root: Path) -> list[str]:
    """The folder names of all units that have both notebooks, in order."""
    found = (path.parent.name for path in root.glob("solutions/*/*.ipynb") if path.stem == path.parent.name)
    return sorted(name for name in found if (root / "notebooks" / name / f"{name}.ipynb").is_file())


def make(root: Path, to: Path, kept: Path, solutions: bool, execute: bool, say=print) -> list[Path]:
    """Writes `<to>/<unit>/<unit>.ipynb` for every unit, also in `<to>/<language>/`, and takes away what is of none.

    Args:
        root: the course's root. kept: the folder of executed notebooks.
        solutions: whether the course's own answers stand on the pages, folded.
        execute: run what was not run yet; else such a page has no outputs.

    Raises ValueError where a cell of a notebook stops with an error.
    """
    import nbformat

    written = []
    for name in names(root):
        source = nbformat.read(root / "solutions" / name / f"{name}.ipynb", as_version=4)
        release = nbformat.read(root / "notebooks" / name / f"{name}.ipynb", as_version=4)
        ran = with_outputs(name, source, kept, execute, say)
        written.append(write_changed(to / name / f"{name}.ipynb", nbformat.writes(page(name, ran, release, solutions))))
        for language in filter(None, DOWNLOAD):
            there = root / "notebooks" / language / name / f"{name}.ipynb"
            if there.is_file():
                words = in_words_of(ran, nbformat.read(there, as_version=4))
                made = nbformat.writes(page(name, words, release, solutions, language))
                written.append(write_changed(to / language / name / f"{name}.ipynb", made))
    for old in {*to.glob("*/*.ipynb"), *to.glob("*/*/*.ipynb")} - set(written):
        old.unlink()
    return written


def with_outputs(name: str, source, kept: Path, execute: bool, say=print):
    """The notebook with outputs: those that are kept if they are of this very code, else it is run."""
    import nbformat

    place = kept / f"{name}-{code_key(source)}.ipynb"
    if place.is_file():
        return _refreshed(source, nbformat.read(place, as_version=4))
    if not execute:
        return source
    say(f"running {name} (a few minutes; its outputs are kept until its code changes)")
    with tempfile.TemporaryDirectory(prefix="no-progress-") as state:
        before = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = state  # what its checks find out is nobody's progress
        try:
            ran = run_notebook(source, timeout=1800, threads=1)
        finally:
            os.environ.pop("XDG_STATE_HOME")
            os.environ.update({} if before is None else {"XDG_STATE_HOME": before})
    stopped = [f"cell {cell.id}: {out.ename}: {out.evalue}" for cell in ran.cells if cell.cell_type == "code"
               for out in cell.outputs if out.output_type == "error"]
    if stopped:
        raise ValueError(f"{name} does not run to its end, so it makes no page: {'; '.join(stopped)}")
    write_text(place, nbformat.writes(ran))
    for old in kept.glob(f"{name}-*.ipynb"):
        if old != place:
            old.unlink()
    return ran


def code_key(notebook) -> str:
    """A name for what a notebook runs: the same for two with the same code cells, in the same order."""
    codes = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\n# %%\n".join(codes).encode()).hexdigest()[:16]


def _refreshed(source, ran):
    """The outputs of one notebook in another with the same code, whose words may be newer."""
    fresh, codes = copy.deepcopy(source), [cell for cell in ran.cells if cell.cell_type == "code"]
    for cell, old in zip((cell for cell in fresh.cells if cell.cell_type == "code"), codes, strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    return fresh


def in_words_of(ran, translated):
    """An executed notebook with the text of its translation: cells have the same ids in all languages."""
    made, words = copy.deepcopy(ran), {cell.id: cell.source for cell in translated.cells}
    for cell in made.cells:
        if cell.cell_type == "markdown" or cell.id == "setup":
            cell.source = words[cell.id]
    return made


def page(name: str, ran, release, solutions: bool, language: str = ""):
    """What a reader gets of an executed notebook.

    Each exercise stands there as students get it; the course's own answer follows, folded, if `solutions`. Test cells
    are left out: their points are for grade books.
    """
    from nbformat.v4 import new_markdown_cell, new_notebook

    stubs = {cell.metadata.nbgrader.grade_id: cell.source for cell in release.cells
             if cell.get("metadata", {}).get("nbgrader", {}).get("solution")}
    cells = []
    for cell in map(_plain, (cell for cell in ran.cells if not is_test(cell))):
        exercise = cell.metadata.get("exercise")
        if exercise is None:
            cells.append(cell)
            continue
        asked, answer = copy.deepcopy(cell), cell
        asked.source, asked.outputs, asked.execution_count, asked.id = stubs[exercise], [], None, f"{cell.id}-asked"
        cells.append(asked)
        if solutions:
            answer.source = without_contract(answer.source)
            answer.metadata["tags"] = ["hide-input"]
            cells.append(answer)
    title, _, rest = cells[0].source.partition("\n")
    rest = BADGE.sub(r"\1", rest)  # a picture from elsewhere becomes words: the site loads nothing
    cells[0].source = f"# {int(name[:2])} · {title.removeprefix('# ')}\n{rest}"
    file = f"../../../notebooks/{name}/{name}.ipynb"
    file = f"../../../../notebooks/{language}/{name}/{name}.ipynb" if language else file
    cells.insert(1, new_markdown_cell(f"{{download}}`{DOWNLOAD[language]} <{file}>`", id="download"))
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": LANGUAGE})


def _plain(cell):
    """A cell with nothing but what a page shows; `exercise` in its metadata where it is an answer."""
    cell = copy.deepcopy(cell)
    about = cell.metadata.get("nbgrader", {})
    cell.metadata = {"exercise": about["grade_id"]} if about.get("solution") else {}
    if cell.cell_type == "code":
        cell.outputs = [kept for out in cell.outputs if (kept := _shown(out)) is not None]
    return cell


def _shown(output):
    """An output without what a page cannot show; None where nothing is left. What went to stderr is progress."""
    if output.output_type == "stream":
        return None if output.name == "stderr" else output
    if output.output_type not in ("display_data", "execute_result"):
        return output
    if NOT_SHOWN[1] in output.data:
        return None
    output.data = {kind: data for kind, data in output.data.items() if kind != NOT_SHOWN[0]}
    # HTML with inline SVG fits a light and a dark page; the PNG beside it does not, and weighs ten times as much
    if "text/html" in output.data:
        output.data = {kind: output.data[kind] for kind in ("text/html", "text/plain") if kind in output.data}
    return output if output.data else None


def without_contract(source: str) -> str:
    """An answer without nbgrader's marks and without the docstring, which stands above it on the page."""
    lines = [line for line in source.splitlines() if line.strip() not in MARKS]
    return re.sub(r"\n{3,}", "\n\n", without_docstring("\n".join(lines))).strip()


def overview(root: Path) -> str:
    """A table of the units: title, what stands in the line below it (exercises, points, minutes)."""
    import nbformat

    rows = ["| unit | exercises | points | minutes to read, to write |", "|---|---|---|---|"]
    for name in names(root):
        head = nbformat.read(root / "notebooks" / name / f"{name}.ipynb", as_version=4).cells[0].source
        title = head.partition("\n")[0].removeprefix("# ")
        found = re.search(r"(\d+) exercises? · (.+?) · about (\d+) minutes to read, (\d+) for the exercises?", head)
        if not found:
            raise ValueError(f"notebooks/{name}: its head does not say exercises, points and minutes as others do")
        exercises, points, read, write = found.groups()
        points = points.replace(" bonus points", " bonus").replace(" points", "")
        link = f"[{int(name[:2])} · {title}](units/{name}/{name}.ipynb)"
        rows.append(f"| {link} | {exercises} | {points} | {read}, {write} |")
    return "\n".join(rows) + "\n"


def titles(root: Path, language: str) -> str:
    """A list of the units that there are in a language, by their titles."""
    import nbformat

    found = {name: root / "notebooks" / language / name / f"{name}.ipynb" for name in names(root)}
    heads = {name: nbformat.read(path, as_version=4).cells[0].source for name, path in found.items() if path.is_file()}
    return "".join(f"* [{int(name[:2])} · {head.partition(chr(10))[0].removeprefix('# ')}]"
                   f"(units/{language}/{name}/{name}.ipynb)\n" for name, head in heads.items())


def write_changed(path: Path, text: str) -> Path:
    """Writes a file unless it holds this text already: what did not change is not read again by Sphinx."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text, sure=False)
    return path
