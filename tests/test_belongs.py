"""What an instructor brings along: a grade book of another course, files that are none, settings of their own."""

import sqlite3

import pytest
from test_classroom import UNIT, grade, hand_in, make_root, notebook

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from specdec_course.build.release import course_config
from specdec_course.grading.nbgrader import belongs, gradebook


@pytest.fixture
def root(tmp_path):
    (tmp_path / "course").mkdir()
    return make_root(tmp_path / "course")


def database(path, *commands):
    with sqlite3.connect(path) as book:
        for command in commands:
            book.execute(command)
    book.close()


def test_no_file_and_an_empty_one_may_become_a_grade_book(tmp_path, root):
    belongs.refuse_another(tmp_path / "new.db", root)
    (tmp_path / "empty.db").write_bytes(b"")
    belongs.refuse_another(tmp_path / "empty.db", root)


@pytest.mark.parametrize("content", [b"student,score\nann,4\n", b"\0" * 5000, b"SQLite format 3\0 and then nothing"])
def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path, root, content):
    (tmp_path / "marks.csv").write_bytes(content)
    with pytest.raises(ValueError, match="no grade book|cannot be read as a grade book") as error:
        belongs.refuse_another(tmp_path / "marks.csv", root)
    assert "\n" not in str(error.value) and (tmp_path / "marks.csv").read_bytes() == content


def test_a_database_of_something_else_and_a_folder_are_refused(tmp_path, root):
    database(tmp_path / "other.db", "create table songs (name text)")
    with pytest.raises(ValueError, match="no grade book of nbgrader"):
        belongs.refuse_another(tmp_path / "other.db", root)
    with pytest.raises(ValueError, match="is a folder"):
        belongs.refuse_another(root, root)


def test_another_courses_grade_book_is_refused_and_its_own_is_not(tmp_path, root):
    database(tmp_path / "b.db", "create table assignment (name text)", "insert into assignment values ('ps1'), ('ps2')")
    with pytest.raises(ValueError, match="of another course: it has ps1, ps2"):
        belongs.refuse_another(tmp_path / "b.db", root)
    database(tmp_path / "b.db", f"insert into assignment values ('{UNIT}')")  # an exam beside the units, say
    belongs.refuse_another(tmp_path / "b.db", root)


def test_settings_may_import_a_module_that_lies_beside_them(root):
    (root / "mysettings_of_a_test.py").write_text("LATE = 'late_of_a_test.Half'\n")
    (root / "late_of_a_test.py").write_text(
        "from nbgrader.plugins import BasePlugin\n\n\nclass Half(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n        return score / 2\n"
    )
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text() + "\nimport mysettings_of_a_test\n"
                      "c.AssignLatePenalties.plugin_class = mysettings_of_a_test.LATE\n")
    assert gradebook.late_rule(root)("ann", 4.0, 60) == 2.0


@pytest.mark.parametrize("line", ["import no_such_module_at_all", "1 / 0", "def f(:", "raise SystemExit"])
def test_settings_that_stop_are_told_in_one_line(root, line):
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text() + f"\n{line}\n")
    with pytest.raises(ValueError, match="nbgrader_config.py stopped with"):
        course_config(root)


def test_a_late_rule_that_is_not_there_is_told(root):
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text() + "\nc.AssignLatePenalties.plugin_class = 'nowhere_at_all.Rule'\n")
    with pytest.raises(ValueError, match="the rule for late submissions"):
        gradebook.late_rule(root)


@pytest.mark.slow
def test_nothing_is_graded_into_another_courses_book(tmp_path, root):
    hand_in(tmp_path / "submitted", "ann", notebook("number = 7"))
    database(tmp_path / "gradebook.db", "create table assignment (name text)", "insert into assignment values ('ps1')")
    with pytest.raises(ValueError, match="of another course"):
        grade(tmp_path, root)
    assert not (tmp_path / "records").exists()
