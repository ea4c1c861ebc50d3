"""Every notebook runs from an empty folder: solutions earn all points, untouched ones run and earn none."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbclient", reason="running notebooks needs the [instructor] extra")
pytest.importorskip("nbgrader", reason="running notebooks needs the [instructor] extra")
from run_notebook import errors, noise

from specdec_course.build import unit_names
from specdec_course.checks import exercises
from specdec_course.grading.notebook import printed, run_notebook, shown_bonus, shown_value

ROOT = Path(__file__).resolve().parents[1]
UNITS = unit_names(ROOT)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def executed():
    """(folder, unit) -> the executed notebook; two run at a time, each on one thread."""
    places = [(folder, unit) for unit in UNITS for folder in ("solutions", "notebooks")]
    with ThreadPoolExecutor(2) as pool:
        runs = {p: pool.submit(run_notebook, ROOT / p[0] / p[1] / f"{p[1]}.ipynb", threads=1) for p in places}
        yield {place: run.result() for place, run in runs.items()}


def cells(notebook):
    return {cell.id: cell for cell in notebook.cells}


@pytest.mark.parametrize("unit", UNITS)
def test_every_solution_passes_its_check_and_earns_all_points(executed, unit):
    notebook = executed["solutions", unit]
    assert errors(notebook) == []
    here = cells(notebook)
    for name, exercise in exercises(unit).items():
        assert f"{name}: right." in printed(here[f"check_{name}"])
        test = here[f"grade_{name}"]
        earned = shown_bonus(test) if exercise.bonus else shown_value(test)
        assert earned == exercise.points
        assert not any(o.output_type == "stream" and o.name == "stderr" for o in test.outputs)


@pytest.mark.parametrize("unit", UNITS)
def test_the_untouched_notebook_runs_to_the_end_and_earns_nothing(executed, unit):
    notebook = executed["notebooks", unit]
    assert errors(notebook) == []
    here = cells(notebook)
    for name, exercise in exercises(unit).items():
        assert "not attempted yet" in printed(here[f"check_{name}"])
        test = here[f"grade_{name}"]
        assert "not attempted yet" in printed(test)
        assert shown_value(test) == 0 and shown_bonus(test) == 0
        assert any(o.output_type == "execute_result" for o in test.outputs) != exercise.bonus


@pytest.mark.parametrize("unit", UNITS)
def test_the_notebook_can_be_read_without_warnings(executed, unit):
    """Warnings and progress bars of libraries are noise to a reader."""
    assert noise(executed["solutions", unit]) == []
    assert noise(executed["notebooks", unit]) == []


@pytest.mark.parametrize("unit", UNITS)
def test_the_student_notebook_is_whole(unit):
    notebook = nbformat.read(ROOT / "notebooks" / unit / f"{unit}.ipynb", as_version=4)
    nbformat.validate(notebook)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert "%pip install" in first.source and 'find_spec("specdec_course") is None' in first.source
    texts = "\n".join(cell.source for cell in notebook.cells)
    assert "BEGIN SOLUTION" not in texts and "TODO" not in texts
    assert texts.count("# YOUR CODE HERE") >= len(exercises(unit))
    assert not re.search(r"/home/|/root/|/work/|/tmp/|[A-Z]:\\", texts)
