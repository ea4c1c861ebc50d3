"""Grading a class around the judging of one submission: records, workers, grade book, shards, Dask, odd names."""

import ast
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from fake_judge import JUDGE
from hostile.synthetic import exercise_answers
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from specdec_course.build import unit_names
from specdec_course.build.release import release_text
from specdec_course.grading import fingerprint, records, schedule
from specdec_course.grading.classroom import few_unknown, grade_class, merge_records
from specdec_course.grading.nbgrader import gradebook as books
from specdec_course.grading.submissions import find_submissions, shown

ROOT = Path(__file__).resolve().parents[1]
UNIT = "91_numbers"
slow = pytest.mark.slow


def cell(name, source, **nbgrader):
    plain = {"grade_id": name, "grade": False, "solution": False, "locked": False, "schema_version": 3}
    return new_code_cell(source, id=name, metadata={"nbgrader": plain | nbgrader})


def test_cell(name, points):
    return cell(f"grade_{name}", f"print('{name}')", grade=True, locked=True, points=points)


test_cell.__test__ = False


def notebook(number, extra="extra = 0"):
    """Four points for `number`, and a bonus for `extra`."""
    cells = [
        new_markdown_cell("# Numbers <b>provided</b>", id="title"),
        cell("number", number, solution=True), test_cell("number", 4),
        cell("extra", extra, solution=True), test_cell("extra", 0),
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def solution():
    return notebook(*(f"### BEGIN SOLUTION\n{name} = 7\n### END SOLUTION" for name in ("number", "extra")))


def make_root(root, units=(UNIT,)):
    shutil.copy(ROOT / "nbgrader_config.py", root)
    for unit in units:
        for kind in ("solutions", "notebooks"):
            (root / kind / unit).mkdir(parents=True)
        nbformat.write(solution(), root / "solutions" / unit / f"{unit}.ipynb")
        (root / "notebooks" / unit / f"{unit}.ipynb").write_text(release_text(solution(), root))
    return root


def hand_in(submitted, student, text, unit=UNIT, name=None):
    folder = submitted / student / unit
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (name or f"{unit}.ipynb")).write_text(
        text if isinstance(text, str) else nbformat.writes(text), encoding="utf-8"
    )
    return folder


def simple_class(submitted, count):
    for number in range(count):
        hand_in(submitted, f"s{number:03d}", notebook(f"number = {number % 9}", f"extra = {number % 3}"))
    return submitted


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    return make_root(tmp_path_factory.mktemp("course") / "", (UNIT, "92_more"))


@pytest.fixture
def place(tmp_path):
    """A folder for one class."""
    return tmp_path


def grade(place, root, told=None, **options):
    show = told.append if told is not None else lambda line: None
    chosen = {"jobs": 1, "judge": JUDGE, "level": "full"} | options
    return grade_class(place / "submitted", place / "gradebook.db", root=root, show=show, **chosen)


def contents(folder):
    """The records of a folder: name -> bytes."""
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


MARKS = """
    select a.name, s.student_id, c.name, g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade
    from grade g join submitted_notebook n on g.notebook_id = n.id join submitted_assignment s on n.assignment_id = s.id
    join assignment a on s.assignment_id = a.id join base_cell c on g.cell_id = c.id order by 1, 2, 3
"""
COMMENTS = """
    select a.name, s.student_id, c.name, m.auto_comment, m.manual_comment, n.late_submission_penalty
    from comment m join submitted_notebook n on m.notebook_id = n.id join submitted_assignment s
    on n.assignment_id = s.id join assignment a on s.assignment_id = a.id join base_cell c on m.cell_id = c.id
    order by 1, 2, 3
"""
OTHERS = (
    "select id, first_name, last_name, email from student order by 1",
    "select name, duedate, course_id from assignment order by 1",
    "select b.name, b.type, n.name from base_cell b join notebook n on b.notebook_id = n.id order by 1, 2, 3",
    "select name, cell_type, locked, source, checksum from source_cell order by 1",
    "select id from course order by 1",
    "select version_num from alembic_version",
)


def dump(path):
    """All that a grade book says, without its random ids."""
    with contextlib.closing(sqlite3.connect(path)) as book:
        return [book.execute(query).fetchall() for query in (MARKS, COMMENTS, *OTHERS)]


# Records


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_records_name_never_leaves_its_folder_and_names_one_submission_only(one, other):
    names = {records.record_name(student, UNIT) for student in (one, other)}
    assert len(names) == len({one, other})
    for name in names:
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") and len(name) < 128
        assert Path(name).name == name and name[0] not in ".-"
        assert Path("records", name).resolve().parent == Path("records").resolve()


def sample(student="ann", unit=UNIT, **changed):
    row = {"name": "number", "points": 2.0, "maximum": 4.0, "bonus": False, "state": "partly right", "message": ""}
    whole = records.not_graded(student, unit, "none", "key", "course", "full") | {"exercises": [row]}
    return whole | {"status": "graded", "problem": None, "points": 2.0, "maximum": 4.0} | changed


@pytest.mark.parametrize(
    "student", ["ann", "..", "../../etc", ".hidden", "b[ad]", "a\nb", "ü ♞ \u202e", "x" * 255, " ", "-rf"]
)
def test_a_record_is_read_as_it_was_written_whatever_the_student_is_called(tmp_path, student):
    record = sample(student)
    records.write_record(tmp_path, record, {"seconds": 1.5})
    assert records.read_record(tmp_path, student, UNIT) == record
    assert records.read_times(tmp_path, student, UNIT) == {"seconds": 1.5}
    assert {path.name for path in tmp_path.iterdir()} == {"times", records.record_name(student, UNIT)}
    assert records.read_folder(tmp_path) == ({(student, UNIT): record}, [])


def test_the_bytes_of_a_record_do_not_depend_on_the_order_in_which_it_was_built(tmp_path):
    record = sample()
    assert records.record_bytes(record) == records.record_bytes(dict(reversed(record.items())))


def test_a_record_that_is_cut_off_anywhere_counts_as_none(tmp_path):
    records.write_record(tmp_path, sample(), {})
    (path,) = tmp_path.glob("*.json")
    whole = path.read_bytes()
    for length in range(len(whole) - 2):
        path.write_bytes(whole[:length])
        assert records.read_record(tmp_path, "ann", UNIT) is None
    assert records.read_folder(tmp_path) == ({}, [path.name])


@pytest.mark.parametrize(
    "content", ["[]", "null", '{"format": 1}', "NaN", "[" * 100_000, json.dumps(sample(points="9")),
                json.dumps(sample(points=float("nan"))), json.dumps(sample(format=99)), json.dumps(sample("bob"))],
)  # fmt: skip
def test_what_is_no_record_of_this_submission_counts_as_none(tmp_path, content):
    (tmp_path / records.record_name("ann", UNIT)).write_text(content)
    assert records.read_record(tmp_path, "ann", UNIT) is None


def test_a_number_that_is_none_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        records.write_record(tmp_path, sample(points=float("nan")), {})
    assert not list(tmp_path.glob("*.json"))


def test_the_secret_is_made_once_and_is_for_its_owner_only(tmp_path):
    path = tmp_path / "book" / "grading.secret"
    secret = records.course_secret(path)
    assert len(secret) == 32 and records.course_secret(path) == secret and os.stat(path).st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="holds 5 bytes; expected a file of 32"):
        records.course_secret(path)


def test_two_gradings_of_one_folder_do_not_run_at_once_but_shards_do(tmp_path):
    with records.reserved(tmp_path), pytest.raises(ValueError, match="another specdec grade is at work"):
        with records.reserved(tmp_path):
            pass
    with records.reserved(tmp_path, shared=True), records.reserved(tmp_path, shared=True):
        pass


# Which submissions there are


def test_links_and_files_are_told_and_not_followed(tmp_path):
    submitted = tmp_path / "submitted"
    hand_in(submitted, "ann", notebook("number = 7"))
    hand_in(submitted, ".hidden", notebook("number = 7"))
    (submitted / "eve").symlink_to(submitted / "ann")
    (submitted / "bob").mkdir()
    (submitted / "bob" / UNIT).symlink_to(submitted / "ann" / UNIT)
    (submitted / "dan").mkdir()
    (submitted / "dan" / UNIT).write_text("a file")
    (submitted / "list.csv").write_text("not a student")
    (submitted / ".ipynb_checkpoints").mkdir()
    found, problems = find_submissions(submitted)
    assert found == [(".hidden", UNIT), ("ann", UNIT)]
    assert len(problems) == 3 and all(name in "\n".join(problems) for name in ("eve", "bob/91", "dan/91"))


def test_thousands_of_folders_that_look_like_units_cost_a_line(tmp_path, root):
    """As records they would be columns of the table, rows of every student in the report."""
    hand_in(tmp_path, "ann", notebook("number = 7"))
    for number in range(3000):
        (tmp_path / "eve" / f"11_{number:04d}").mkdir(parents=True)
    (tmp_path / "bob" / "11_other").mkdir(parents=True)
    found, (line,) = few_unknown(find_submissions(tmp_path)[0], root)
    assert ("ann", UNIT) in found and ("bob", "11_other") in found and len(found) < 50
    assert line.startswith("eve: 3000 folders")


def test_a_name_that_is_no_text_is_told(tmp_path):
    hand_in(tmp_path, "ann", "")
    os.makedirs(os.fsencode(tmp_path) + b"/b\xff/" + UNIT.encode())
    found, (problem,) = find_submissions(tmp_path)
    assert found == [("ann", UNIT)] and "UTF-8" in problem
    problem.encode()


@given(st.text())
def test_a_name_is_printed_on_one_line_and_moves_no_cursor(text):
    assert shown(text).isprintable()


# Splitting a class


@given(st.integers(1, 9), st.lists(st.text(), max_size=30, unique=True))
def test_every_submission_is_in_exactly_one_shard(parts, students):
    for student in students:
        assert sum(schedule.in_shard(student, UNIT, (part, parts)) for part in range(1, parts + 1)) == 1


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2", "1 / 2", "²/2"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ValueError, match="expected i/n"):
        schedule.parse_shard(text)


# A class, graded


ODD = ["Bo ü 2", ".dot", "b[ad]a", "-rf", "per%cent", "☃", "tab\there", "line\nbreak", "\u202ertl", "'quote", "%s{0}"]


@slow
def test_odd_students_are_graded_like_all_others(place, root):
    for student in ODD:
        hand_in(place / "submitted", student, notebook("number = 7"))
    told = []
    found = grade(place, root, told)
    assert {record["student"]: record["points"] for record in found} == dict.fromkeys(ODD, 4.0)
    assert sorted({row[1] for row in dump(place / "gradebook.db")[0]}) == sorted(ODD)
    assert all(line.replace("\n", "").isprintable() for line in told)
    for student in ODD:
        nbformat.validate(nbformat.read(place / "autograded" / student / UNIT / f"{UNIT}.ipynb", 4))
    there = {path.name for path in place.iterdir()}
    assert there == {"autograded", "gradebook.db", "grading.secret", "records", "submitted"}


@slow
def test_a_second_run_grades_nothing_and_changes_nothing(place, root, monkeypatch):
    simple_class(place / "submitted", 6)
    hand_in(place / "submitted", "corrupt", '{"cells": [')
    hand_in(place / "submitted", "elsewhere", notebook("number = 7"), unit="99_gone")
    first = grade(place, root)
    before = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
    stamps = {p: p.stat().st_mtime_ns for p in before if "autograded" in p.parts or "records" in p.parts}
    monkeypatch.setenv("FAKE_JUDGE_LOG", str(place / "log"))
    assert grade(place, root) == first and not (place / "log").exists()
    assert {p: p.read_bytes() for p in before} == before
    assert {p: p.stat().st_mtime_ns for p in stamps if p.name != ".lock"} == {
        p: s for p, s in stamps.items() if p.name != ".lock"
    }
    problems = {record["student"]: record["problem"] for record in first if record["problem"]}
    assert set(problems) == {"corrupt", "elsewhere"} and "no such unit" in problems["elsewhere"]


@slow
def test_what_has_changed_is_graded_anew_and_nothing_else(place, root, tmp_path, monkeypatch):
    own_root = shutil.copytree(root, tmp_path / "root")
    simple_class(place / "submitted", 4)
    hand_in(place / "submitted", "s001", notebook("number = 7"), unit="92_more")
    grade(place, own_root)
    log = place / "log"
    monkeypatch.setenv("FAKE_JUDGE_LOG", str(log))

    def graded_again(**options):
        log.write_text("")
        grade(place, own_root, **options)
        return sorted(log.read_text().split())

    hand_in(place / "submitted", "s002", notebook("number = 7"))
    assert graded_again() == ["s002/91_numbers"]
    (place / "records" / records.record_name("s000", UNIT)).write_text("{")
    assert graded_again() == ["s000/91_numbers"]
    assert graded_again(regrade=True, student="s001") == ["s001/91_numbers", "s001/92_more"]
    assert graded_again(regrade=True, unit="92") == ["s001/92_more"]
    assert len(graded_again(level="none", trust_students=True)) == 5
    grade(place, own_root)
    release = own_root / "notebooks" / "92_more" / "92_more.ipynb"
    release.write_text(release.read_text() + "\n")
    fingerprint.course_hash.cache_clear()  # another run of the program
    assert graded_again() == ["s001/92_more"]
    assert len(contents(place / "records")) == 5


@slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_submission_that_kills_its_worker_or_breaks_the_judge_stops_nobody(place, root, jobs):
    simple_class(place / "submitted", 8)
    for student, text in {"s003a": "KILL", "s005a": "KILL", "s006a": "RAISE", "s006b": "NAN"}.items():
        hand_in(place / "submitted", student, notebook(f"number = 7  # {text}"))
    found = {record["student"]: record for record in grade(place, root, jobs=jobs)}
    assert len(found) == 12 and [found[f"s00{n}"]["points"] for n in range(8)] == [0, 1, 2, 0, 1, 2, 0, 4]
    for student, word in {"s003a": "died twice", "s005a": "died twice", "s006a": "failed", "s006b": "failed"}.items():
        record = found[student]
        assert record["status"] == "not graded" and word in record["problem"] and record["flags"]
        assert [row["name"] for row in record["exercises"]] == ["number", "extra"] and record["maximum"] == 4
    marks = {row[1]: row for row in dump(place / "gradebook.db")[0] if row[2] == "grade_number"}
    assert marks["s003a"][3] == 0 and marks["s003a"][6] == 1  # to be looked at by a person
    assert marks["s007"][3] == 4 and marks["s007"][6] == 0
    assert found["s003a"]["key"] and not found["s006a"]["key"]  # the first is settled, the second is tried again


# The grade book


@slow
def test_a_score_entered_by_hand_survives_and_is_to_be_seen_again_when_ours_changes(place, root):
    hand_in(place / "submitted", "ann", notebook("number = 8", "extra = 2"))
    grade(place, root)
    with books.opened(place / "gradebook.db") as book:
        one = book.find_grade("grade_number", UNIT, UNIT, "ann")
        one.manual_score, one.needs_manual_grade = 3.5, False
        book.find_comment("number", UNIT, UNIT, "ann").manual_comment = "well argued"
        book.db.commit()
    grade(place, root, regrade=True)
    score = {row[2]: row[3:] for row in dump(place / "gradebook.db")[0]}
    assert score["grade_number"] == (2.0, 3.5, None, 0) and score["grade_extra"] == (0.0, None, 0.5, 0)
    hand_in(place / "submitted", "ann", notebook("number = 7", "extra = 2"))
    grade(place, root)
    score = {row[2]: row[3:] for row in dump(place / "gradebook.db")[0]}
    assert score["grade_number"] == (4.0, 3.5, None, 1)
    assert ("well argued",) in [row[4:5] for row in dump(place / "gradebook.db")[1]]


@slow
def test_a_bonus_makes_up_for_lost_points_only(place, root):
    for student, answer in {"full": ("number = 7", "extra = 2"), "some": ("number = 8", "extra = 1")}.items():
        hand_in(place / "submitted", student, notebook(*answer))
    grade(place, root)
    with books.opened(place / "gradebook.db") as book:
        assert [book.find_submission(UNIT, student).score for student in ("full", "some")] == [4.0, 3.0]
        assert book.find_submission(UNIT, "some").max_score == 4.0


@slow
def test_hand_in_times_and_late_penalties_are_nbgraders(place, root, tmp_path):
    from datetime import datetime

    own_root = shutil.copytree(root, tmp_path / "root")
    with open(own_root / "nbgrader_config.py", "a") as config:
        config.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    for student, when in {"early": "2026-01-01 10:00:00 UTC", "late": "2026-01-03T12:00:00+02:00", "odd": "%%"}.items():
        folder = hand_in(place / "submitted", student, notebook("number = 7"))
        (folder / "timestamp.txt").write_text(when)
    grade(place, own_root)
    with books.opened(place / "gradebook.db") as book:
        book.find_assignment(UNIT).duedate = datetime(2026, 1, 2)
        book.db.commit()
    grade(place, own_root)
    with books.opened(place / "gradebook.db") as book:
        late = book.find_submission(UNIT, "late")
        assert late.timestamp == datetime(2026, 1, 3, 10) and late.late_submission_penalty == 4.0
        assert book.find_submission(UNIT, "early").late_submission_penalty == 0.0
        assert book.find_submission(UNIT, "odd").timestamp is None
    assert (place / "autograded" / "late" / UNIT / "timestamp.txt").is_file()


def nbgrader(place, *words):
    code = "import sys; from nbgrader.apps.nbgraderapp import main; sys.argv[0] = 'nbgrader'; main()"
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run([sys.executable, "-c", code, *words], cwd=place, env=env, capture_output=True, text=True)


@slow
def test_nbgraders_own_export_and_feedback_go_on_from_here(place, root):
    for name in ("solutions", "nbgrader_config.py"):
        (place / name).symlink_to(root / name)
    hand_in(place / "submitted", "ann", notebook("number = 7"))
    hand_in(place / "submitted", "Bo ü 2", notebook("number = 8", "extra = 1"))
    hand_in(place / "submitted", "corrupt", "{")
    hand_in(place / "submitted", "eve", spoiled())
    (place / "submitted" / "ann" / UNIT / "timestamp.txt").write_text("2026-01-01 10:00:00 UTC")
    (place / "submitted" / "ann" / UNIT / "submission_secret.txt").write_text("a secret of the exchange")
    hand_in(place / "submitted", "ann", notebook("number = 8"), unit="92_more")
    grade(place, root, csv=place / "ours" / "marks.csv")
    done = nbgrader(place, "export", "--to", "theirs.csv")
    assert done.returncode == 0, done.stderr
    assert (place / "ours" / "marks.csv").read_text() == (place / "theirs.csv").read_text()
    assert (place / "theirs.csv").read_text().count("\n") == 9
    done = nbgrader(place, "generate_feedback", UNIT)
    assert done.returncode == 0, done.stderr
    pages = {path.parts[-3]: path.read_text() for path in (place / "feedback").rglob("*.html")}
    assert set(pages) == {"ann", "Bo ü 2", "corrupt", "eve"}
    secret = place / "feedback" / "ann" / UNIT / "submission_secret.txt"
    assert secret.read_text() == "a secret of the exchange", "without it nbgrader's release_feedback stops"
    assert "number: 4 of 4 points" in pages["ann"] and "could not be graded" in pages["corrupt"]
    for page in pages.values():
        assert not re.search(r"<[^>]*(alert\(|onerror|onload|javascript:|evil\.example)|<script>\s*alert", page)


def spoiled():
    """A submission whose test cell is gone, whose answer is there twice, full of things that should not run."""
    text = "<script>alert(1)</script> <img src=x onerror=alert(2)>"
    spoiled = notebook("number = 7")
    picture = {"image/png": '"><script>alert(3)</script>', "text/html": text, "text/plain": "seen"}
    spoiled.cells[1].outputs = [
        new_output("display_data", picture), new_output("stream", text=text + "x" * 100_000),
        new_output("display_data", {"image/svg+xml": "<svg onload=alert(4)>", "application/javascript": "alert(5)"}),
        new_output("error", ename=text, evalue=text, traceback=[text]),
    ]  # fmt: skip
    spoiled.cells[1].id = '"><script>alert(6)</script>'
    del spoiled.cells[2]
    spoiled.cells += [spoiled.cells[1].copy(), new_markdown_cell(text), nbformat.v4.new_raw_cell(text)]
    loads = "[x](javascript:alert) ![y](https://evil.example/z.png)\n```\n<https://evil.example>\n````\n"
    spoiled.cells += [new_markdown_cell(loads), new_markdown_cell(f"``` {loads}")]
    return json.dumps(spoiled)


@slow
def test_a_graded_notebook_holds_every_marked_cell_once_and_our_points(place, root):
    hand_in(place / "submitted", "eve", spoiled())
    stripped = notebook("number = 8", "extra = 1")
    for one in stripped.cells:
        one.metadata = {}
    hand_in(place / "submitted", "stripped", stripped)
    hand_in(place / "submitted", "renamed", notebook("number = 7"), name=f"{UNIT} (1).ipynb")
    hand_in(place / "submitted", "nothing", "")
    hand_in(place / "submitted", "old", nbformat.writes(nbformat.convert(notebook("number = 7"), 3), version=3))
    points = {record["student"]: [row["points"] for row in record["exercises"]] for record in grade(place, root)}
    for student in ("eve", "stripped", "renamed", "nothing", "old"):
        path = place / "autograded" / student / UNIT / f"{UNIT}.ipynb"
        graded = nbformat.read(path, as_version=4)
        nbformat.validate(graded)
        marked = [one for one in graded.cells if "nbgrader" in one.metadata]
        names = [one.metadata.nbgrader.grade_id for one in marked]
        assert sorted(names) == ["extra", "grade_extra", "grade_number", "number"], student
        test = marked[names.index("grade_number")]
        assert test.outputs[-1].data["text/plain"] == str(points[student][0]), student
        assert path.stat().st_size < 100_000
        assert all(set(o.get("data", {})) <= {"text/plain", "application/vnd.specdec.bonus+json"}
                   for one in graded.cells for o in one.get("outputs", []))
    assert points["renamed"] == [4.0, 0.0] and points["nothing"] == [0.0, 0.0]


# Killed, split, on other machines


def start(place, root, jobs=2, seconds=0.02, **env):
    script = Path(__file__).with_name("fake_judge.py")
    line = [sys.executable, script, place / "submitted", place / "gradebook.db", root, str(jobs)]
    env = os.environ | {"FAKE_JUDGE_SECONDS": str(seconds), **env}
    return subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@slow
def test_a_class_that_was_killed_twenty_times_ends_like_one_that_was_not(tmp_path, root):
    """Killed while workers start, while they grade, while grade book and graded notebooks are written."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for place in (calm, killed):
        simple_class(place / "submitted", 60)
    grade(calm, root)
    (killed / "grading.secret").write_bytes((calm / "grading.secret").read_bytes())
    chance, seen = random.Random(5), [0]
    for _ in range(20):
        process = start(killed, root)
        aim = min(60, seen[-1] + chance.randrange(6))
        while process.poll() is None and len(contents(killed / "records")) < aim:
            time.sleep(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.2 if aim < 60 else 4))
        process.kill()
        process.wait()
        seen.append(len(contents(killed / "records")))
        assert all(json.loads(record) for record in contents(killed / "records").values())  # whole at any moment
    assert seen == sorted(seen) and len(set(seen)) > 5  # nothing that was kept is lost; many moments were hit
    assert start(killed, root).wait(120) == 0
    assert contents(killed / "records") == contents(calm / "records") and len(contents(calm / "records")) == 60
    assert dump(killed / "gradebook.db") == dump(calm / "gradebook.db")
    graded = [{p.relative_to(place): p.read_bytes() for p in (place / "autograded").rglob("*.ipynb")}
              for place in (calm, killed)]  # fmt: skip
    assert graded[0] == graded[1] and len(graded[0]) == 60


@slow
def test_no_worker_outlives_a_killed_parent(place, root):
    simple_class(place / "submitted", 10)
    log = place / "log"
    process = start(place, root, seconds=0.3, FAKE_JUDGE_LOG=str(log))
    while not log.exists():
        assert process.poll() is None
        time.sleep(0.05)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.wait()
    for _ in range(200):
        if not any(Path(f"/proc/{pid}").exists() for pid in workers):
            return
        time.sleep(0.05)
    raise AssertionError("workers are left behind")


def children(pid):
    tasks = Path(f"/proc/{pid}/task")
    if not (tasks / str(pid) / "children").exists():
        pytest.skip("needs Linux's /proc")
    return [child for task in tasks.iterdir() for child in (task / "children").read_text().split()]


@slow
def test_ctrl_c_keeps_what_there_is_and_says_how_to_go_on(place, root):
    simple_class(place / "submitted", 30)
    script = Path(__file__).with_name("fake_judge.py")
    env = os.environ | {"FAKE_JUDGE_SECONDS": "0.2"}
    process = subprocess.Popen(
        [sys.executable, script, place / "submitted", place / "gradebook.db", root, "2"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not contents(place / "records"):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    told, complaint = process.communicate(timeout=60)
    assert process.returncode == 130 and "The same command goes on from here" in told.splitlines()[-1]
    assert "Traceback" not in complaint
    assert 0 < len(contents(place / "records")) < 30


@slow
def test_shards_and_merge_give_what_one_machine_gives(tmp_path, root):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for place in (whole, parts):
        simple_class(place / "submitted", 12)
    grade(whole, root)
    folders = [parts / "one", parts / "two"]
    for number, folder in enumerate(folders, 1):
        grade(parts, root, shard=f"{number}/2", records_dir=folder)
        assert 0 < len(contents(folder)) < 12
    assert not (parts / "gradebook.db").exists()
    silent = {"root": root, "show": lambda line: None}
    found = merge_records(folders, parts / "gradebook.db", submitted=parts / "submitted", **silent)
    assert len(found) == 12 and contents(parts / "records") == contents(whole / "records")
    assert dump(parts / "gradebook.db") == dump(whole / "gradebook.db")
    assert len(list((parts / "records" / "times").iterdir())) == 12
    assert len(list((parts / "autograded").rglob("*.ipynb"))) == 12
    hand_in(parts / "submitted", "\x1b[2J", notebook("number = 7"))  # clears the screen where it is printed as it is
    told = []
    merge_records([parts / "records"], parts / "gradebook.db", root=root, submitted=parts / "submitted",
                  show=told.append)  # into itself
    assert f"\\x1b[2J, {UNIT}: no record" in told
    assert contents(parts / "records") == contents(whole / "records")


def test_records_that_contradict_each_other_are_not_merged(tmp_path):
    one, two, target = tmp_path / "one", tmp_path / "two", tmp_path / "target"
    records.write_record(one, sample(), {})
    records.write_record(two, sample(), {})
    records.write_record(two, sample("bob"), {})
    merged, remarks = records.merge_folders([one, two], target)
    assert set(merged) == {("ann", UNIT), ("bob", UNIT)} and not remarks
    assert contents(target).keys() == contents(two).keys()
    records.write_record(two, sample(points=1.0), {})
    with pytest.raises(ValueError) as error:
        records.merge_folders([one, two], target)
    assert all(str(folder / records.record_name("ann", UNIT)) in str(error.value) for folder in (one, two))
    (one / records.record_name("ann", UNIT)).write_text("{")
    merged, (remark,) = records.merge_folders([one, two], target)
    assert merged["ann", UNIT]["points"] == 1.0 and "not a whole record" in remark
    with pytest.raises(ValueError, match="no records in"):
        records.merge_folders([tmp_path / "empty"], target)


@slow
def test_two_dask_workers_give_what_one_process_gives(tmp_path, root):
    pytest.importorskip("distributed", reason="needs the [cluster] extra")
    local, spread = tmp_path / "local", tmp_path / "spread"
    for place in (local, spread):
        simple_class(place / "submitted", 10)
    grade(local, root)
    with cluster(tmp_path) as address:
        grade(spread, root, scheduler=address)
    assert contents(spread / "records") == contents(local / "records") and len(contents(local / "records")) == 10
    assert dump(spread / "gradebook.db") == dump(local / "gradebook.db")


@contextlib.contextmanager
def cluster(folder):
    """A Dask scheduler and two workers, each a process of its own, on the loopback interface."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    common = {"env": env, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "distributed.cli"]
    note = folder / "scheduler.json"
    modules = [["dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", note, "--no-dashboard"]]
    modules += 2 * [["dask_worker", "--scheduler-file", note, "--nthreads", "1", "--no-dashboard", "--no-nanny"]]
    processes = []
    try:
        for name, *options in modules:
            processes.append(subprocess.Popen([*dask[:2], f"distributed.cli.{name}", *options], **common))
            for _ in range(600):
                if note.exists() and note.read_text().strip().endswith("}"):
                    break
                time.sleep(0.1)
        address = json.loads(note.read_text())["address"]
        from distributed import Client

        with Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()


# The command line


def specdec(*words):
    from click.testing import CliRunner

    from specdec_course.cli import main

    return CliRunner().invoke(main, [str(word) for word in words])


@slow
def test_what_cannot_be_done_is_one_line_and_exit_code_2(place, root, monkeypatch):
    hand_in(place / "submitted", "ann", notebook("number = 7"))
    base = ["grade", place / "submitted", "--gradebook", place / "g.db", "--root", root]
    monkeypatch.setattr("specdec_course.grading.classroom.isolation_level", lambda *_: "full")
    for words, reason in {
        ("--unit", "17"): "nothing to grade",
        ("--shard", "3/2"): "expected i/n",
        ("--stock", "--shard", "1/2"): "--shard does not go with --stock",
        ("--stock", "--records", place): "--records does not go with --stock",
        ("--root", place): "no nbgrader_config.py",
    }.items():
        done = specdec(*base, *words)
        assert done.exit_code == 2 and reason in done.stderr and done.stderr.count("\n") == 1, (words, done.output)
    for folder, reason in {root: "is the course itself", place / "submitted" / "ann": "give the one above it"}.items():
        done = specdec("grade", folder, *base[2:])
        assert done.exit_code == 2 and reason in done.stderr, done.output
    done = specdec("merge", place / "submitted", "--gradebook", place / "g.db", "--root", root)
    assert done.exit_code == 2 and "no records in" in done.stderr
    assert not (place / "g.db").exists()


@slow
def test_the_report_stays_about_the_class_when_one_student_is_graded_anew(place, root):
    for student in ("ann", "bob"):
        hand_in(place / "submitted", student, notebook("number = 7"))
    grade(place, root, feedback=place / "feedback")
    hand_in(place / "submitted", "ann", notebook("number = 8"))
    (record,) = grade(place, root, student="ann", feedback=place / "feedback")
    (unit,) = json.loads((place / "feedback" / "report.json").read_text())["units"]
    assert unit["graded"] == 2 and unit["mean"] == (4 + record["points"]) / 2 < 4


@slow
def test_json_on_stdout_has_nothing_else_there(place, root, monkeypatch):
    hand_in(place / "submitted", "ann", notebook("number = 7"))
    grade(place, root)
    done = specdec("merge", place / "records", "--gradebook", place / "g2.db", "--root", root, "--json", "-")
    (record,) = json.loads(done.stdout)
    assert (record["student"], record["points"], record["status"]) == ("ann", 4.0, "graded") and "answers" not in record
    assert done.exit_code == 0 and "4 / 4" in done.stderr
    done = specdec("merge", place / "records", "--gradebook", place / "g2.db", "--root", root, "--json", place / "j",
                   "--csv", place / "c")  # fmt: skip
    assert json.loads((place / "j").read_text()) == [record] and "ann" in (place / "c").read_text()


@slow
def test_grading_refuses_where_students_cannot_be_shut_in(place, root, monkeypatch):
    import types

    weak = types.SimpleNamespace(isolation=lambda: ("partial", []))
    monkeypatch.setitem(sys.modules, "specdec_course.grading.isolation.probes", weak)
    hand_in(place / "submitted", "ann", notebook("number = 7"))
    with pytest.raises(ValueError, match="cannot be shut in on this machine .isolation: partial"):
        grade(place, root, level=None)
    assert not contents(place / "records") and not (place / "gradebook.db").exists()
    (record,) = grade(place, root, level=None, trust_students=True)
    assert record["level"] == "partial"
    weak.isolation = None  # not asked where nothing is to be run
    grade(place, root, level="full")
    assert grade(place, root, level=None) != [record]


@pytest.mark.parametrize("unit", unit_names(ROOT))
def test_synthetic_students_import_nothing_that_only_the_tests_have(unit):
    """An import that fails ends the cell, and a class that was never run is graded fast."""
    rights, wrongs = zip(*exercise_answers(unit).values(), strict=True)
    texts = [text for group in (*rights, *wrongs) for text in group]
    trees = [node for text in texts for node in ast.walk(ast.parse(text))]
    names = {alias.name for node in trees if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in trees if isinstance(node, ast.ImportFrom)}
    assert len(texts) > 10 and "torch" in names
    here = Path(__file__).parent
    assert [name for name in names if Path(find_spec(name).origin or "/").is_relative_to(here)] == []
