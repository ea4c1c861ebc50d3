"""Around the marks: dropped exercises, more time, late policies, CSVs for platforms, the report's table, `build`."""

import copy
import csv
import io
import json
import shutil
from datetime import datetime, timedelta

import nbformat
import pytest
from click.testing import CliRunner

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from test_classroom import ROOT, UNIT, grade, hand_in, make_root, notebook
from test_feedback import a_class, assert_harmless
from test_feedback import exercise as row

from specdec_course.build import build
from specdec_course.build.release import release_text
from specdec_course.cli import main
from specdec_course.cli.classes import gradebook_of
from specdec_course.grading.nbgrader import gradebook as books
from specdec_course.grading.nbgrader import roster
from specdec_course.grading.nbgrader.export import FORMULA, wide_csv
from specdec_course.grading.nbgrader.late import PerDay
from specdec_course.grading.pages import report


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A graded class of three, in a course that this file may change."""
    place = tmp_path_factory.mktemp("marks")
    root = make_root(place)
    for student, number in (("ann", 7), ("bob", 8), ("=cem", 1)):
        hand_in(place / "submitted", student, notebook(f"number = {number}", "extra = 2"))
    grade(place, root)
    return place, root


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


# ---------------------------------------------------------------- exercises that come and go


def with_cells(root, change):
    """The course's unit without (or with more) cells, as `specdec build` would leave it."""
    path = root / "solutions" / UNIT / f"{UNIT}.ipynb"
    made = nbformat.read(path, as_version=4)
    made.cells = change(made.cells)
    nbformat.write(made, path)
    (root / "notebooks" / UNIT / f"{UNIT}.ipynb").write_text(release_text(made, root))


@pytest.mark.slow
def test_an_exercise_that_is_dropped_after_hand_ins_leaves_the_book_and_one_that_comes_back_is_there_again(course):
    place, root = course
    path = root / "solutions" / UNIT / f"{UNIT}.ipynb"
    before, told = path.read_text(), []
    with_cells(root, lambda cells: [cell for cell in cells if "extra" not in cell.id])
    grade(place, root, told, csv=place / "marks.csv")
    assert any("extra left the grade book" in line for line in told), told
    with books.opened(place / "gradebook.db") as book:
        assert [c.name for c in book.find_notebook(UNIT, UNIT).grade_cells] == ["grade_number"]
        assert book.find_submission(UNIT, "bob").score == 2
    told.clear()
    path.write_text(before)
    with_cells(root, lambda cells: cells)
    grade(place, root, told)
    assert any("extra came into the grade book" in line for line in told), told
    with books.opened(place / "gradebook.db") as book:
        assert book.find_submission(UNIT, "bob").score == 4  # the bonus makes up for two points
    told.clear()
    grade(place, root, told)
    assert not any("grade book" in line and "extra" in line for line in told)


# ---------------------------------------------------------------- time


@pytest.mark.slow
def test_more_time_is_kept_taken_back_and_counts(course):
    place, root = course
    path = place / "gradebook.db"
    with books.opened(path) as book:
        book.update_or_create_assignment(UNIT, duedate="2026-12-01 12:00:00 UTC")
    said = roster.extend(path, "bob", UNIT, roster.span("2d"))
    assert "due 2026-12-03 12:00 UTC" in said
    assert "due 2026-12-01 12:00" in roster.extend(path, "bob", UNIT, roster.span("0"))
    roster.extend(path, "dan", UNIT, roster.span("36h"))  # has handed in nothing yet
    roster.extend(path, "bob", UNIT, roster.span("1d"))
    with books.opened(path) as book:
        assert book.find_submission(UNIT, "dan").extension == timedelta(hours=36)
        for student, day in (("ann", 2), ("bob", 2)):
            book.find_submission(UNIT, student).timestamp = datetime(2026, 12, day, 11)
        book.db.commit()
        students, late = roster.standing(book)
        assert students == ["=cem", "ann", "bob", "dan"] and list(late) == [("ann", UNIT)]
        assert roster.in_words(late["ann", UNIT]["late"]) == "23 h 0 min"
    with pytest.raises(ValueError, match="nbgrader db assignment add 77_none"):
        roster.extend(path, "bob", "77_none", timedelta(1))


@pytest.mark.parametrize("text, hours", [("2d", 48), ("36h", 36), ("90m", 1.5), ("1w", 168), ("0", 0), ("1.5d", 36)])
def test_spans_of_time(text, hours):
    assert roster.span(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "2", "d", "2 days", "-1d", "1e9d", "2d3h"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(ValueError, match="such as 2d"):
        roster.span(text)


@pytest.mark.parametrize("seconds, words", [(10, "1 min"), (3600, "1 h 0 min"), (90000, "1 d 1 h"), (172800, "2 d")])
def test_how_late_in_words(seconds, words):
    assert roster.in_words(seconds) == words


@pytest.mark.parametrize("late, penalty", [(600, 0), (901, 1), (86400, 1), (86401, 2), (86400 * 30, 5)])
def test_the_late_policy_takes_a_share_for_each_day_and_no_more_than_half(late, penalty):
    assert PerDay().late_submission_penalty("ann", 10.0, late) == penalty


def test_the_late_policy_is_named_in_the_config_and_takes_its_numbers_from_there(tmp_path):
    own = (ROOT / "nbgrader_config.py").read_text()
    named = 'c.AssignLatePenalties.plugin_class = "specdec_course.grading.nbgrader.late.PerDay"\nc.PerDay.share = 0.2\n'
    (tmp_path / "nbgrader_config.py").write_text(f"{own}\n{named}")
    assert books.late_rule(tmp_path)("ann", 10.0, 90000) == 4.0


# ---------------------------------------------------------------- CSVs


@pytest.mark.slow
def test_a_row_for_each_student_by_id_or_by_mail(course, tmp_path):
    place, root = course
    with books.opened(place / "gradebook.db") as book:
        book.update_or_create_student("ann", email="ann@uni.edu")
        text, without = wide_csv(book, "email", exercises=True)
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [one["email"] for one in rows] == ["ann@uni.edu"] and "bob" in without
        assert float(rows[0][UNIT]) == 4 and float(rows[0][f"{UNIT}:number"]) == 4
        rows = list(csv.DictReader(io.StringIO(wide_csv(book)[0])))
        assert {one["id"] for one in rows} >= {"ann", "bob", "'=cem"} and list(rows[0]) == ["id", UNIT]
    done = run("export", tmp_path / "m.csv", "--key", "email", "--gradebook", place / "gradebook.db", "--root", root)
    assert done.exit_code == 0 and "1 students" in done.output and "left out" in done.output
    done = run("extend", "bob", "91", "2 days", "--gradebook", place / "gradebook.db", "--root", root)
    assert done.exit_code == 2 and "such as 2d" in done.output
    assert "specdec grade wrote" in run("export", "x.csv", "--gradebook", tmp_path / "none.db", "--root", root).output


@pytest.mark.parametrize("name, shown", [
    ("=1+1", "'=1+1"), ("\uff1d1+1", "'\uff1d1+1"), ("ann;=1+1", "ann;'=1+1"), ("ann\t@SUM(1)", "ann\t'@SUM(1)"),
    ("ann|-1", "ann|'-1"), ("o'brien-smith", "o'brien-smith"), ("a=b, c", "a=b, c"), ("doe@uni.edu", "doe@uni.edu"),
])  # fmt: skip
def test_a_name_is_no_formula_in_any_spreadsheet(name, shown):
    """Some part a file at semicolons or tabs, some take full-width signs for the narrow ones."""
    assert FORMULA.sub(r"\1'", name) == shown


# ---------------------------------------------------------------- which grade book


@pytest.mark.parametrize("said, expected", [
    ("", "gradebook.db"), ('c.CourseDirectory.db_url = "sqlite:///grades/term.db"', "grades/term.db"),
    ('c.CourseDirectory.db_url = "sqlite:////tmp/x.db?timeout=3"', "/tmp/x.db"),
])  # fmt: skip
def test_the_config_says_where_the_grade_book_is(said, expected, tmp_path):
    (tmp_path / "nbgrader_config.py").write_text(f"c = get_config()\n{said}\n")
    found = gradebook_of(tmp_path, None)
    assert found == (tmp_path / expected if said else gradebook_of("/nowhere", None))
    assert str(gradebook_of(tmp_path, "other.db")) == "other.db"


def test_a_grade_book_that_is_no_file_is_refused_without_its_password(tmp_path):
    (tmp_path / "nbgrader_config.py").write_text(
        'c = get_config()\nc.CourseDirectory.db_url = "postgresql://me:secret@host/db"'
    )
    with pytest.raises(ValueError, match="expected sqlite:///") as error:
        gradebook_of(tmp_path, None)
    assert "secret" not in str(error.value)


# ---------------------------------------------------------------- the report


def test_the_report_has_everybodys_marks_who_is_late_and_who_handed_in_nothing(tmp_path):
    records = a_class()
    unit = records[0]["unit"]
    path = report.write_report(records, [], tmp_path, None, ["ann", "zoe"], {("ann", unit): "2 d"})
    told = json.loads((tmp_path / "report.json").read_text())["marks"]
    assert [one["student"] for one in told] == ["ann", "bob", "cem", "dee", "eve", "zoe"]
    assert told[0]["units"][unit]["late"] == "2 d" and told[-1]["units"][unit] is None
    text = assert_harmless(path.read_text()).text
    assert "late by 2 d" in text and "nothing handed in" in text and "not graded" in text


def test_blanks_are_not_among_the_failing_parts_and_what_was_said_groups_the_unnamed():
    blank = row(state="not attempted", parts=[["first", False]])
    wrong = [row(state="wrong", parts=[["first", False]], message=f"verify_greedy: not right yet.\nOff by {n}. So.\nx")
             for n in (1, 2.5, 3)]
    given = copy.deepcopy(a_class()[:4])
    for record, one in zip(given, [blank, *wrong], strict=True):
        record["exercises"], record["status"] = [one], "graded"
    (counted,) = report.figures(given, [])["units"][0]["exercises"]
    assert counted["parts that fail"] == [{"part": "first", "count": 3}]
    assert [one["count"] for one in counted["mistakes"]] == [3] and "Off by" in counted["mistakes"][0]["text"]


# ---------------------------------------------------------------- build


def test_building_takes_a_number_as_grading_does_and_drops_no_question_by_hand(tmp_path):
    root = tmp_path / "course"
    unit = "03_greedy_verification"
    (root / "solutions").mkdir(parents=True)
    shutil.copytree(ROOT / "solutions" / unit, root / "solutions" / unit)
    for name in ("nbgrader_config.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for name in ("3", "03", unit):
        build(root, [name])
    with pytest.raises(ValueError, match="there is no unit '4'"):
        build(root, ["4"])
    path = root / "solutions" / unit / f"{unit}.ipynb"
    made = json.loads(path.read_text())
    mark = {"grade_id": "essay", "grade": True, "solution": True, "points": 3, "schema_version": 3, "locked": False}
    made["cells"].append({"cell_type": "markdown", "id": "essay", "metadata": {"nbgrader": mark}, "source": "Why?"})
    path.write_text(json.dumps(made))
    with pytest.raises(ValueError, match="marked by hand .* essay"):
        build(root, ["3"])
    assert build(root, ["3"], check=True) and "essay" in path.read_text()
