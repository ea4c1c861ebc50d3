"""Every notebook runs from an empty folder: solutions earn all points, untouched ones run and earn none.

The student notebooks also run where nbgrader is not installed and every library is as old as in Colab
(`make test-colab`).
"""

import re
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbclient", reason="running notebooks needs nbclient and ipykernel")
from run_notebook import errors, noise

from specdec_course.build import unit_names
from specdec_course.checks import exercises
from specdec_course.grading.nbgrader.notebook import printed, run_notebook, shown_bonus, shown_value

ROOT = Path(__file__).resolve().parents[1]
UNITS = unit_names(ROOT)


def executed(folder, unit):
    """(the executed notebook, its cells by id); one thread, because the tests themselves run side by side."""
    notebook = run_notebook(ROOT / folder / unit / f"{unit}.ipynb", threads=1)
    return notebook, {cell.id: cell for cell in notebook.cells}


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_every_solution_passes_its_check_and_earns_all_points(unit):
    notebook, cells = executed("solutions", unit)
    assert errors(notebook) == []
    assert noise(notebook) == [], "warnings and progress bars are noise to a reader"
    for name, exercise in exercises(unit).items():
        assert f"{name}: right." in printed(cells[f"check_{name}"])
        test = cells[f"grade_{name}"]
        assert (shown_bonus(test) if exercise.bonus else shown_value(test)) == exercise.points


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("unit", UNITS)
def test_the_untouched_notebook_runs_to_the_end_and_earns_nothing(unit, monkeypatch):
    if find_spec("nbgrader"):  # in Colab's stead (see above) it takes its time
        monkeypatch.setenv("SPECDEC_QUICK", "1")
    notebook, cells = executed("notebooks", unit)
    assert errors(notebook) == []
    assert noise(notebook) == [], "warnings and progress bars are noise to a reader"
    for name, exercise in exercises(unit).items():
        assert "not attempted yet" in printed(cells[f"check_{name}"])
        test = cells[f"grade_{name}"]
        assert f"{name}: 0 of {exercise.points:g} points" in printed(test)
        assert shown_value(test) == 0 and shown_bonus(test) == 0
        # nbgrader gives all points to a test cell that shows no value; for a bonus, all points are none.
        assert any(o.output_type == "execute_result" for o in test.outputs) != exercise.bonus


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
