"""The build of the course, on a sample unit of its own, and whether the real notebooks are up to date."""

import importlib
import json
import re
import shutil
import textwrap
import tomllib
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

pytest.importorskip("nbgrader", reason="the build needs the [instructor] extra")
from specdec_course.build import build, notebooks_of, unit_names
from specdec_course.build.exercise import solution_cell
from specdec_course.build.names import undefined
from specdec_course.build.notebook import FROM_WHEEL, SETUP
from specdec_course.build.release import leaks
from specdec_course.checks import exercises
from specdec_course.checks.exercise import Exercise

ROOT = Path(__file__).resolve().parents[1]
UNIT = "91_sample"

ANSWERS = '''
import math


def twice(number: int) -> int:
    """Twice the number.

    Returns:
        an int.
    """
    # the reason why this works
    total = sum([number, number], start=0)
    return total


def hidden_helper(number):
    return number


def calls_helper(number):
    """Calls a function that no student has."""
    return hidden_helper(number) + math.floor(number)


class Counter:
    """Counts.

    Attributes:
        n: how often.
    """

    step = 1

    def __init__(self, start=0):
        self.n = self._clean(start)

    def _clean(self, value):
        cleaned = max(0, int(value), self.step - 1)
        return cleaned

    @property
    def length(self) -> int:
        """How often."""
        return self.n

    def add(self, *, by=1):
        """Adds."""
        self.n = self.n + by * self.step - 0
'''

SOURCE = """\
# %% setup
import math

from specdec_course.checks import check, grade, hint

# %% [markdown]
# # Samples: *a title*
#
# **You will** double numbers.
#
# Some words.

# %%
prediction = 3

# %% exercise: twice

# %% [markdown]
# The same words.

# %% [markdown]
# The same words.

# %% exercise: Counter

# %%
print(prediction, math.pi)
"""


def registered(name, points=2, **fields):
    return Exercise(name, "91", points, f"sample_answers:{name}", ("", ""), **fields)


REGISTRY = {"twice": registered("twice"), "Counter": registered("Counter", points=3, minutes=20)}


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course with one unit in an empty folder; its reference answers are an importable module."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "sample_answers.py").write_text(ANSWERS)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    importlib.invalidate_caches()
    monkeypatch.delitem(importlib.sys.modules, "sample_answers", raising=False)
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.specdec]\ninstall = "specdec-course>=1"\n')
    source = tmp_path / "solutions" / UNIT / f"{UNIT}.py"
    source.parent.mkdir(parents=True)
    source.write_text(SOURCE)
    return tmp_path


def both(course, registry=REGISTRY):
    build(course, registry=registry)
    return tuple(
        nbformat.read(course / folder / UNIT / f"{UNIT}.ipynb", as_version=4)
        for folder in ("solutions", "notebooks")
    )


def by_id(notebook):
    return {cell.id: cell for cell in notebook.cells}


def edit(course, old, new):
    source = course / "solutions" / UNIT / f"{UNIT}.py"
    assert old in source.read_text()
    source.write_text(source.read_text().replace(old, new, 1))


# --- what the notebooks hold


def test_the_same_source_gives_the_same_bytes_and_a_second_build_writes_nothing(course):
    written = build(course, registry=REGISTRY)
    first = {path: (course / path).read_bytes() for path in written}
    assert [str(p) for p in written] == [f"solutions/{UNIT}/{UNIT}.ipynb", f"notebooks/{UNIT}/{UNIT}.ipynb"]
    assert build(course, registry=REGISTRY) == []
    for path in written:
        (course / path).unlink()
    build(course, registry=REGISTRY)
    assert {path: (course / path).read_bytes() for path in written} == first


def test_head_and_setup(course):
    solution, release = both(course)
    head, setup = release.cells[:2]
    assert head.source.startswith("# Samples: *a title*\n")
    assert "**Unit 91** · 2 exercises · 5 points · about 5 minutes to read, 30 for the exercises\n" in head.source
    assert head.source.count("**You will** double numbers.") == 1
    assert not any("You will" in cell.source for cell in release.cells[1:]), "it stands in the head, and only there"
    assert "Colab" in head.source and "github" not in head.source
    assert setup.id == "setup" and '%pip install -q "specdec-course>=1"' in setup.source
    assert setup.source.rstrip().endswith("from specdec_course.checks import check, grade, hint")
    assert solution.cells[:2] == release.cells[:2]
    assert [c for c in release.cells if c.source.startswith("# Samples")] == [head]


@pytest.mark.parametrize(("address", "leads_to"), [
    ("https://github.com/owner/a.name", "owner/a.name/blob/main"),
    ("https://github.com/owner/name.git", "owner/name/blob/main"),
    ("https://github.com/owner/name/tree/autumn/26", "owner/name/blob/autumn/26"),
])
def test_with_an_address_a_badge_opens_the_notebook_in_colab(course, address, leads_to):
    with (course / "pyproject.toml").open("a") as settings:
        settings.write(f'repository = "{address}"\n')
    head = both(course)[1].cells[0].source
    assert f"(https://colab.research.google.com/github/{leads_to}/notebooks/{UNIT}/{UNIT}.ipynb)" in head
    assert "Upload" not in head and "On your machine" in head


@pytest.mark.parametrize("address", ["github.com/owner/name", "https://gitlab.com/owner/name", "https://github.com/owner"])
def test_an_address_that_colab_cannot_open_is_refused(course, address):
    with (course / "pyproject.toml").open("a") as settings:
        settings.write(f'repository = "{address}"\n')
    with pytest.raises(ValueError, match="an address that Colab can open, like https://github.com/owner/name"):
        both(course)


def test_a_unit_leads_to_its_neighbours():
    """By links that hold in the folders as students have them."""
    units = sorted((ROOT / "notebooks").glob("[0-9]*"))
    for number, folder in enumerate(units):
        head = json.loads((folder / f"{folder.name}.ipynb").read_text())["cells"][0]["source"]
        near = {units[place].name for place in (number - 1, number + 1) if 0 <= place < len(units)}
        links = re.findall(r"\]\((\.\./[^)]*)\)", "".join(head))
        assert {(folder / link).resolve().parent.name for link in links} == near
        assert all((folder / link).is_file() for link in links)


def test_an_exercise_becomes_four_cells(course):
    solution, release = both(course)
    ids = [cell.id for cell in release.cells]
    at = ids.index("about_twice")
    assert ids[at : at + 4] == ["about_twice", "twice", "check_twice", "grade_twice"]
    cells = by_id(release)
    title, line = cells["about_twice"].source.split("\n\n")
    assert title == "### Exercise 91.1 · `twice`" and line == "2 points · difficulty ●●○○○ · about 10 minutes"
    assert cells["check_twice"].source == "check(twice)\n# hint(twice)\n# hint(twice, 2)"
    test = cells["grade_twice"]
    assert test.source == "grade(twice)" and test.metadata.nbgrader.points == 2
    assert (test.metadata.editable, test.metadata.deletable) == (False, False)
    assert (
        test.metadata.nbgrader.locked and test.metadata.nbgrader.grade and not test.metadata.nbgrader.solution
    )
    assert cells["twice"].metadata.nbgrader.solution and not cells["twice"].metadata.nbgrader.grade
    assert "editable" not in cells["twice"].metadata


def test_the_solution_cell_is_the_packages_function_and_the_release_its_contract(course):
    solution, release = both(course)
    namespace = {}
    exec(by_id(solution)["twice"].source, namespace)
    assert namespace["twice"](4) == 8
    stub = by_id(release)["twice"].source
    assert stub.endswith('    # YOUR CODE HERE\n    raise NotImplementedError("not attempted yet")')
    exec(stub, namespace)
    assert "Returns:\n        an int." in namespace["twice"].__doc__
    assert list(namespace["twice"].__annotations__) == ["number", "return"]
    with pytest.raises(NotImplementedError, match="not attempted yet"):
        namespace["twice"](4)


def test_a_class_keeps_its_contract_and_hides_its_private_methods(course):
    solution, release = both(course)
    namespace = {}
    exec(by_id(solution)["Counter"].source, namespace)
    counter = namespace["Counter"](5)
    counter.add(by=2)
    assert counter.length == 7
    stub = by_id(release)["Counter"].source
    exec(stub, namespace)
    assert "_clean" not in stub and stub.count("# YOUR CODE HERE") == 3
    assert isinstance(namespace["Counter"].length, property) and namespace["Counter"].step == 1
    assert "Adds." in namespace["Counter"].add.__doc__


def test_nothing_that_changes_from_machine_to_machine(course):
    for notebook in both(course):
        assert notebook.metadata == {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        assert all(
            not c.outputs and c.execution_count is None for c in notebook.cells if c.cell_type == "code"
        )
        ids = [cell.id for cell in notebook.cells]
        assert len(set(ids)) == len(ids)


def test_one_more_cell_renames_no_other(course):
    before = {cell.id for cell in both(course)[1].cells}
    edit(course, "# %%\nprediction = 3", "# %%\nfirst = 1\n\n# %%\nprediction = 3")
    assert before < {cell.id for cell in both(course)[1].cells}


def test_a_teaching_solution_replaces_the_body_but_not_the_contract(course):
    edit(
        course,
        "# %% exercise: twice\n",
        "# %% exercise: twice\ndef twice(number):\n    # why\n    return number * 2\n",
    )
    solution, release = both(course)
    text = by_id(solution)["twice"].source
    assert (
        "def twice(number: int) -> int:" in text
        and "# why\n    return number * 2" in text
        and "sum(" not in text
    )
    assert "# why" not in by_id(release)["twice"].source


def test_a_bonus_exercise_cannot_cost_marks(course):
    registry = REGISTRY | {"Counter": registered("Counter", points=3, bonus=True)}
    cell = by_id(both(course, registry)[1])["grade_Counter"]
    assert cell.metadata.nbgrader.points == 0 and cell.source.endswith("grade(Counter);")
    head = both(course, registry)[1].cells[0].source
    assert "2 points and 3 bonus points" in head


# --- in sync, and no leak


def test_check_names_stale_files_and_writes_nothing(course):
    build(course, registry=REGISTRY)
    assert build(course, check=True, registry=REGISTRY) == []
    edit(course, "Some words", "Other words")
    stale = course / "notebooks" / UNIT / f"{UNIT}.ipynb"
    before = stale.read_bytes()
    (course / "notebooks" / "92_gone").mkdir()
    (course / "notebooks" / "92_gone" / "92_gone.ipynb").write_text("{}")
    assert [str(p) for p in build(course, check=True, registry=REGISTRY)] == [
        f"solutions/{UNIT}/{UNIT}.ipynb",
        f"notebooks/{UNIT}/{UNIT}.ipynb",
        "notebooks/92_gone/92_gone.ipynb",
    ]
    assert stale.read_bytes() == before


@pytest.mark.parametrize(
    "where",
    [
        "# %%\nx = [1, 2]\nnumber = 4\ntotal=sum([number,  number], start=0)\n",
        "# %% [markdown]\n# try `total = sum([number, number], start=0)`\n",
    ],
)
def test_a_solution_line_anywhere_in_the_release_stops_the_build(course, where):
    edit(course, "# %% exercise: twice", where + "\n# %% exercise: twice")
    with pytest.raises(ValueError, match=r"lines of a solution(.|\n)*total"):
        build(course, registry=REGISTRY)


def test_units_are_chosen_by_number_or_name(course):
    assert len(build(course, units=["91"], registry=REGISTRY)) == 2
    assert build(course, units=UNIT, registry=REGISTRY) == []
    with pytest.raises(ValueError, match="no unit '17'; there is: 91_sample"):
        build(course, units=["17"], registry=REGISTRY)


def test_of_a_folded_cell_lab_shows_the_first_line(course):
    edit(course, "# %%\nprediction", "# %% folded\n# What you expect.\nprediction")
    for path in build(course, registry=REGISTRY):
        cells = [cell for cell in nbformat.read(course / path, 4).cells if cell.metadata.get("jupyter")]
        assert [cell.source.splitlines()[0][:8] for cell in cells] == ["# Setup:", "# What y"]
        assert all(cell.metadata["jupyter"] == {"source_hidden": True} for cell in cells)


# --- sources that are wrong


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("# %% setup\n", "# %%\n", "must be `# %% setup`"),
        ("# %% exercise: twice", "# %% exersise: twice", "unknown marker `# %% exersise: twice`"),
        ("# %%\nprediction", "# %% folded\nprediction", "begins with 'prediction = 3'; expected a comment"),
        ("# # Samples: *a title*", "# Samples", "must open with the unit's title"),
        ("# %% exercise: twice", "# %%", "twice: registered in specdec_course.checks, but missing"),
        ("# %% exercise: Counter", "# %% exercise: twice", "twice: more than once in the source"),
        ("prediction, math", "predicted, math", "predicted in the cell"),
        ("import check, grade, hint", "import check, hint", "grade in the cell 'grade_twice'"),
        (
            "# %% exercise: twice\n",
            "# %% exercise: twice\ndef twice(n):\n    return 2 * n\n",
            "same arguments",
        ),
        (
            "# %% exercise: twice\n",
            "# %% exercise: twice\nx = 1\ndef twice(number):\n    return 2\n",
            "nothing beside",
        ),
        ("# %% exercise: twice\n", "# %% exercise: twice\ndef twice(number): return 2\n", "lines of its own"),
        ("# %% exercise: twice\n", "# %% exercise: twice\ndef twice(number:\n", "was never closed"),
    ],
)
def test_a_wrong_source_is_refused_with_the_reason(course, old, new, message):
    edit(course, old, new)
    with pytest.raises(ValueError, match=message) as error:
        build(course, registry=REGISTRY)
    assert f"{UNIT}.py" in str(error.value)
    assert not (course / "notebooks").exists()


def test_a_helper_that_stays_in_the_package_is_named(course):
    edit(course, "# %% exercise: Counter", "# %% exercise: calls_helper\n\n# %% exercise: Counter")
    with pytest.raises(ValueError, match="hidden_helper in the cell 'calls_helper'"):
        build(course, registry=REGISTRY | {"calls_helper": registered("calls_helper")})


@pytest.mark.parametrize(
    "source, message",
    [
        ("@cached\ndef f(x):\n    '''Doc.'''\n    return x", "has a decorator"),
        ("def f(x):\n    return x", "no docstring"),
        ("def f(x):\n    '''Doc.'''", "nothing follows the docstring"),
        ("class f:\n    '''Doc.'''\n    def _a(self):\n        return 1\n", "directly below a public method"),
    ],
)
def test_package_code_that_cannot_stand_in_a_notebook_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        solution_cell("f", source)


def test_a_signature_over_several_lines_and_comments_before_the_body():
    package = "def f(\n    x,\n    y={'a': 1},  # a comment: with a colon\n):\n    '''Doc.'''\n    return x\n"
    teaching = "def f(\n    x, y={'a': [1, 2][0:1]}\n):\n    # first\n\n    z = lambda: x\n    return z()\n"
    lines = solution_cell("f", package, teaching).splitlines()
    assert lines[-6:] == [
        "    ### BEGIN SOLUTION",
        "    # first",
        "",
        "    z = lambda: x",
        "    return z()",
        "    ### END SOLUTION",
    ]
    assert lines[2] == "    y={'a': 1},  # a comment: with a colon"


def test_undefined_names_follow_scopes_and_magics():
    code = """
    %timeit -n 1 len([])
    def f(a, b=late):
        global made
        made = [inner + a + missing for inner in range(3)]
        return made, kept
    class C:
        x = 1
        def m(self): return self, gone
    """
    names = undefined(
        [textwrap.dedent("kept = 1\nimport os.path as p"), textwrap.dedent(code), "print(made, f, C, p)"]
    )
    assert names == [(1, "gone"), (1, "late"), (1, "missing")]


def test_leaks_compare_what_lines_say_not_how_they_are_spaced():
    def note(*texts):
        cells = [nbformat.v4.new_code_cell(text, id=f"c{i}") for i, text in enumerate(texts)]
        return nbformat.v4.new_notebook(cells=cells)

    solution = note(
        "def f():\n    ### BEGIN SOLUTION\n    a = g(b, c) + 1  # why\n    return a\n    ### END SOLUTION"
    )
    assert leaks(solution, note("return a", "a = g(b, d) + 1")) == []
    assert leaks(solution, note("x = 1", "if y: a = g( b,c )+1")) == ["c1: if y: a = g( b,c )+1"]


# --- the setup cell


@pytest.mark.parametrize("installed", [True, False])
def test_setup_installs_only_what_is_missing(course, monkeypatch, installed):
    from IPython.core.interactiveshell import InteractiveShell

    setup = by_id(both(course)[1])["setup"].source.replace("from specdec_course", "# from specdec_course")
    shell, asked = InteractiveShell(), []
    monkeypatch.setattr(shell, "run_line_magic", lambda name, line, *_, **__: asked.append((name, line)))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    shell.run_cell(setup).raise_error()
    assert asked == ([] if installed else [("pip", 'install -q "specdec-course>=1"')])


@pytest.mark.parametrize("files, installs", [
    ([], None),
    (["notes.whl", "specdec_course-0.1.0.tar.gz"], None),
    (["specdec_course-0.1.0-py3-none-any.whl"], "install -q specdec_course-0.1.0-py3-none-any.whl"),
    (["specdec_course-0.1.0-py3-none-any.whl", "specdec_course-0.2.0-py3-none-any.whl"],
     "install -q specdec_course-0.2.0-py3-none-any.whl"),
])
def test_without_an_address_a_wheel_beside_the_notebook_is_taken(tmp_path, monkeypatch, capsys, files, installs):
    """And nothing from an index: a name that nobody holds there is a name that anybody could take."""
    from IPython.core.interactiveshell import InteractiveShell

    for name in files:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    shell, asked = InteractiveShell(), []
    note = lambda name, line, *_, **__: asked.append(f"{name} {shell.var_expand(line)}")  # noqa: E731
    monkeypatch.setattr(shell, "run_line_magic", note)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    outcome = shell.run_cell(SETUP.format(install=FROM_WHEEL, speaks="", loading="", imports=""))
    if installs:
        outcome.raise_error()
        assert asked == [f"pip {installs}"]
    else:
        assert asked == [] and isinstance(outcome.error_in_exec, SystemExit)
        assert "beside this notebook" in str(outcome.error_in_exec)


def test_waiting_threads_do_not_spin_unless_the_user_wants_it(course):
    setup = by_id(both(course)[1])["setup"].source
    assert setup.index("OMP_WAIT_POLICY") < setup.index("specdec_course.checks")
    assert 'setdefault("OMP_WAIT_POLICY", "PASSIVE")' in setup


def test_installing_in_colab_changes_nothing_that_it_ships():
    """pip leaves an installed library alone when the course is content with its version."""
    lines = (ROOT / "constraints-colab.txt").read_text().splitlines()
    shipped = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    shipped["torch"] = "2.11.0"  # the file says what the tests install; Colab's own is older
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(shipped[requirement.name]), requirement


# --- the real course


@pytest.mark.parametrize("unit", unit_names(ROOT))
def test_the_notebooks_in_the_repository_are_up_to_date(unit):
    for path, text in notebooks_of(ROOT, unit, exercises()).items():
        assert path.is_file(), f"{path.relative_to(ROOT)} is missing: run `make course`"
        assert path.read_bytes() == text.encode(), (
            f"{path.relative_to(ROOT)} is out of date: run `make course`"
        )


@pytest.mark.parametrize("source", sorted(ROOT.glob("solutions/*/zh_CN.po")), ids=lambda path: path.parent.name)
def test_translated_notebooks_in_the_repository_are_up_to_date(source):
    ((path, text),) = notebooks_of(ROOT, source.parent.name, exercises(), "zh_CN").items()
    assert path.is_file() and path.read_bytes() == text.encode(), f"{path.relative_to(ROOT)}: run `make course`"


def test_no_notebook_without_a_source():
    notebooks = {p.stem for folder in ("notebooks", "solutions") for p in (ROOT / folder).glob("*/*.ipynb")}
    assert notebooks == set(unit_names(ROOT))


@pytest.mark.parametrize("unit", unit_names(ROOT))
def test_the_readme_names_every_unit_and_what_is_written_in_it(unit):
    rows = [line.split("|") for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| ")]
    row = next((row for row in rows if row[1].split() == unit.split("_", 1)), None)
    assert row, f"README.md has no row for {unit}"
    assert row[3].replace("`", " ").split() == list(exercises(unit))
