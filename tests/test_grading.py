"""`specdec grade --stock` on a course of plain numbers: damaged submissions, odd names, bonus points, feedback."""

import json
import shutil
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from specdec_course.grading.marks import Mark, marks_json, marks_table
from specdec_course.grading.nbgrader.notebook import BONUS, run_and_mark, run_notebook
from specdec_course.grading.nbgrader.stock import grade_class
from specdec_course.grading.submissions import find_submissions

ROOT = Path(__file__).resolve().parents[1]
UNIT = "91_numbers"
pytestmark = pytest.mark.slow
SHOW_BONUS = f"""display({{"{BONUS}": {{"points": bonus}}, "text/plain": "bonus"}}, raw=True)"""


def cell(name, source, **nbgrader):
    meta = {
        "grade_id": name,
        "grade": False,
        "solution": False,
        "locked": False,
        "schema_version": 3,
    } | nbgrader
    return new_code_cell(source, id=name, metadata={"nbgrader": meta})


def notebook(answer):
    """Two points for `number` close to 7, two more for it exactly, and a bonus of 1 for `bonus`."""
    return new_notebook(
        cells=[
            cell("answer", answer, solution=True),
            cell(
                "grade_answer", "2.0 * (number > 6) + 2.0 * (number == 7)", grade=True, locked=True, points=4
            ),
            cell("grade_bonus", SHOW_BONUS, grade=True, locked=True, points=0),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


RIGHT = "### BEGIN SOLUTION\nnumber, bonus = 7, 0\n### END SOLUTION"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A root with one unit, and a class of submissions, good and damaged."""
    root = tmp_path_factory.mktemp("course") / "a (root)+1"
    (root / "solutions" / UNIT).mkdir(parents=True)
    nbformat.write(notebook(RIGHT), root / "solutions" / UNIT / f"{UNIT}.ipynb")
    (root / "solutions" / UNIT / f"{UNIT}.py").write_text("secret = 7")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    for student, answer in {
        "ada": "number, bonus = 7, 0",
        "Bo ü 2": "number, bonus = 8, 0",
        "bonus": "number, bonus = 8, 1",
        "full and bonus": "number, bonus = 7, 1",
        "forger": "number, bonus = 8, 1e9",
        "reader": f"import os\nnumber, bonus = (7 if os.path.exists('{UNIT}.py') else 6), 0",
        "empty": "raise NotImplementedError",
        "loud": "import os\nos.write(1, b'FAKE MARKS')\nos.write(2, b'FAKE MARKS')\nnumber, bonus = 7, 0",
        "stops": "import sys\nnumber, bonus = 1, 0\nsys.exit(0)",
    }.items():
        hand_in(root, student, nbformat.writes(notebook(answer)))
    hand_in(
        root, "b[ad]a", nbformat.writes(notebook("number, bonus = 7, 0"))
    )  # as a pattern, it matches "bda"
    hand_in(root, "corrupt", '{"cells": [')
    hand_in(root, "renamed", nbformat.writes(notebook("number, bonus = 7, 0")), name=f"{UNIT} (1).ipynb")
    twice = notebook("number, bonus = 7, 0")
    twice.cells.append(twice.cells[1].copy())
    twice.cells[-1].id = "copy"
    hand_in(root, "duplicated", nbformat.writes(twice))
    return root


def hand_in(root, student, text, name=f"{UNIT}.ipynb"):
    folder = root / "submitted" / student / UNIT
    folder.mkdir(parents=True)
    (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def graded(course):
    told = []
    marks = grade_class(
        course / "submitted",
        course / "gradebook.db",
        course / "feedback",
        jobs=2,
        root=course,
        show=told.append,
    )
    return {mark.student: mark for mark in marks}, "\n".join(told)


@pytest.mark.parametrize(
    "student, points",
    [
        ("ada", 4),
        ("Bo ü 2", 2),
        ("bonus", 3),
        ("full and bonus", 4),
        ("forger", 2),
        ("empty", 0),
        ("stops", 0),
    ],
)
def test_points(graded, student, points):
    mark = graded[0][student]
    assert (mark.points, mark.maximum, mark.status) == (points, 4, "graded")


def test_the_solution_source_does_not_travel_to_the_students_folder(graded):
    assert graded[0]["reader"].points == 0


@pytest.mark.parametrize(
    "student, reason",
    [
        ("corrupt", "91_numbers.ipynb is not a readable notebook (NotJSONError)"),
        ("renamed", "91_numbers.ipynb is missing; in the folder: 91_numbers (1).ipynb"),
        ("duplicated", "there more than once: grade_answer"),
        ("b[ad]a", "NbGraderException: No notebooks"),
    ],
)
def test_a_damaged_submission_is_reported_and_stops_nobody(graded, student, reason):
    mark = graded[0][student]
    assert mark.points == 0 and mark.status.startswith("not graded: ") and reason in mark.status
    assert len(graded[0]) == 13


def test_table_and_warning_are_printed(graded):
    told = graded[1]
    assert "nbgrader's autograder runs the students' code" in told.splitlines()[0]
    assert "4 / 4  100 %" in told and "2 / 4   50 %" in told and "corrupt, 91_numbers: not graded" in told


def test_the_grade_book_is_nbgraders_and_feedback_is_written(course, graded):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        submission = book.find_submission(UNIT, "bonus")
        assert (submission.score, submission.max_score) == (3, 4)
        assert not any(grade.needs_manual_grade for grade in submission.notebooks[0].grades)
    page = course / "feedback" / "Bo ü 2" / UNIT / f"{UNIT}.html"
    assert "2.0" in page.read_text(encoding="utf-8")
    assert (course / "autograded" / "ada" / UNIT / f"{UNIT}.ipynb").is_file()


def test_grading_again_gives_the_same_marks_and_one_student_can_be_chosen(course, graded):
    marks = grade_class(
        course / "submitted",
        course / "gradebook.db",
        student="bonus",
        trust_students=True,
        root=course,
        show=None,
    )
    assert marks == [graded[0]["bonus"]]


def test_a_student_cannot_write_into_the_instructors_terminal(course, graded, capfd):
    grade_class(course / "submitted", course / "gradebook.db", student="loud", root=course)
    path = course / "submitted" / "loud" / UNIT / f"{UNIT}.ipynb"
    assert run_and_mark(path)[0][1] == 4
    told = capfd.readouterr()
    assert "loud" in told.out and "FAKE" not in told.out + told.err and told.err == ""


def test_an_unknown_unit_is_said(tmp_path, course):
    hand_in(tmp_path, "eve", "{}")
    shutil.move(tmp_path / "submitted" / "eve" / UNIT, tmp_path / "submitted" / "eve" / "92_other")
    (mark,) = grade_class(tmp_path / "submitted", tmp_path / "gradebook.db", root=course, show=None)
    assert mark == Mark("eve", "92_other", 0.0, 0.0, "not graded: the course has no such unit")


def test_what_cannot_be_done_is_refused(course, tmp_path):
    with pytest.raises(ValueError, match="nothing to grade .* unit '17'.*13 other"):
        find_submissions(course / "submitted", unit="17")
    with pytest.raises(ValueError, match="expected <student>/<unit>/<unit>.ipynb"):
        grade_class(tmp_path / "nowhere", tmp_path / "gradebook.db")
    with pytest.raises(ValueError, match="--shard does not go with --stock"):
        grade_class(course / "submitted", tmp_path / "g.db", shard="1/2")
    with pytest.raises(ValueError, match="jobs is 0"):
        grade_class(course / "submitted", tmp_path / "g.db", jobs=0)
    with pytest.raises(ValueError, match="no nbgrader_config.py"):
        (tmp_path / "solutions" / UNIT).mkdir(parents=True)
        (tmp_path / "solutions" / UNIT / f"{UNIT}.ipynb").write_text("{}")
        grade_class(course / "submitted", tmp_path / "g.db", root=tmp_path, show=None)


def test_tables_with_several_units():
    marks = [
        Mark("a", "01_x", 1.5, 10),
        Mark("a", "02_y", 10, 10),
        Mark("bob", "02_y", 0, 10, "not graded: why"),
    ]
    assert marks_table(marks).splitlines() == [
        "student             01_x            02_y             total",
        "-------  ---------------  --------------  ----------------",
        "a        1.5 / 10   15 %  10 / 10  100 %  11.5 / 20   58 %",
        "bob                    -   0 / 10    0 %     0 / 10    0 %",
        "bob, 02_y: not graded: why",
    ]
    assert json.loads(json.dumps(marks_json(marks)))[0] == {
        "student": "a", "unit": "01_x", "points": 1.5, "maximum": 10, "status": "graded", "percent": 15.0,
    }  # fmt: skip


# one notebook, for `specdec check`


def test_one_notebook_is_run_and_its_test_cells_are_read(tmp_path):
    path = tmp_path / "mine.ipynb"
    nbformat.write(notebook("number, bonus = 8, 1"), path)
    before = path.read_bytes()
    assert run_and_mark(path) == [
        ("answer", 2.0, 4.0, "nothing was said"),
        ("bonus", 1.0, 0.0, "nothing was said"),
    ]
    nbformat.write(notebook("raise KeyError('why')"), path)
    assert [mark[:3] for mark in run_and_mark(path)] == [("answer", 0.0, 4.0), ("bonus", 0.0, 0.0)]
    assert "NameError" in run_and_mark(path)[0][3]
    assert path.read_bytes() != before and nbformat.read(path, as_version=4).cells[0].outputs == []


def test_no_kernel_is_left_running():
    """Each holds half a gigabyte: a night of `specdec check` must not fill the memory."""
    before = set(psutil.Process().children())
    assert run_notebook(notebook("number, bonus = 8, 1")).cells[0].execution_count == 1
    assert [child for child in psutil.Process().children() if child not in before and child.is_running()] == []


def test_what_is_no_notebook_of_the_course_is_refused(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text("{")
    with pytest.raises(ValueError, match="not a readable notebook"):
        run_and_mark(path)
    nbformat.write(new_notebook(), path)
    with pytest.raises(ValueError, match="no test cells"):
        run_and_mark(path)


def test_a_kernel_that_dies_is_said(tmp_path):
    path = tmp_path / "x.ipynb"
    nbformat.write(notebook("import os\nos._exit(1)"), path)
    with pytest.raises(ValueError, match="ended its kernel"):
        run_and_mark(path)
