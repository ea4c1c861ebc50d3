"""The leaderboard: its order, its aliases, and that nobody stands on it by name unless that is asked for."""

import pytest
from click.testing import CliRunner

from specdec_course.cli import main
from specdec_course.grading import records
from specdec_course.grading.pages import leaderboard

SECRET = bytes(range(32))
UNIT = "14_final_project"


def record(student, points, tokens=None, speedup=1.0, size=100_000):
    figures = {} if tokens is None else {"figures": {"per_call": tokens, "speedup": speedup, "bytes": size}}
    row = {"name": "one", "points": points, "maximum": 10.0, "bonus": False, "state": "right", "message": "", **figures}
    return {
        "format": 1, "student": student, "unit": UNIT, "key": "k", "file": "f", "course": "", "level": "full",
        "status": "graded", "problem": None, "points": points, "maximum": 10.0, "exercises": [row], "remarks": [],
        "flags": [], "answers": {},
    }  # fmt: skip


CLASS = [record("ann", 6.0, 2.04, 1.9), record("bob", 10.0, 2.61, 2.5), record("cheat", 0.0),
         record("dee", 6.0, 2.1, 2.0), record("=eve()", 6.0, 2.1, 2.0)]  # fmt: skip


def test_the_best_come_first_and_equals_share_a_place():
    found = leaderboard.rows(CLASS, {}, SECRET, real=True)
    assert [row["name"] for row in found] == ["bob", "=eve()", "dee", "ann"]
    assert [row["place"] for row in found] == [1, 2, 2, 4]
    assert "cheat" not in [row["name"] for row in found], "of whom nothing was measured has no place"


def test_an_alias_is_the_same_each_time_and_nothing_without_the_secret():
    names = {leaderboard.alias(f"s{i}", SECRET) for i in range(300)}
    assert len(names) == 300 and leaderboard.alias("ann", SECRET) == leaderboard.alias("ann", SECRET)
    assert leaderboard.alias("ann", SECRET) != leaderboard.alias("ann", bytes(32))


def test_the_page_holds_no_ids_and_no_markup_of_others():
    named = {"ann": '<script>alert(1)</script>"', "bob": "Team Lookup"}
    page = leaderboard.leaderboard_page(leaderboard.rows(CLASS, named, SECRET), "Our <b>class</b>", 10.0)
    assert "Team Lookup" in page and "<script" not in page and "<b>" not in page
    assert not [student for student in ("ann", "bob", "dee", "eve", "cheat") if f">{student}" in page]
    assert "2.61" in page and "width=device-width" in page and 'content="light dark"' in page


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "records" / "times").mkdir(parents=True)
    for one in CLASS:
        records.write_record(tmp_path / "records", one, {})
    (tmp_path / "grading.secret").write_bytes(SECRET)
    return tmp_path


def asked(folder, *more):
    book = str(folder / "gradebook.db")
    return CliRunner().invoke(main, ["leaderboard", str(folder / "board.html"), "--gradebook", book, *more])


def test_the_command_writes_the_page_and_who_is_who(folder):
    done = asked(folder, "--aliases", str(folder / "who.csv"))
    assert done.exit_code == 0, done.output
    assert "4 of 5 submissions of unit 14 were measured" in done.output
    page = (folder / "board.html").read_text()
    assert leaderboard.alias("bob", SECRET) in page and ">bob<" not in page
    who = (folder / "who.csv").read_text().splitlines()
    assert who[0] == "student,name" and who[1] == f"bob,{leaderboard.alias('bob', SECRET)}"
    assert who[2].startswith("'=eve()"), "nothing that a spreadsheet would compute"
    asked(folder, "--names", str(folder / "who.csv"), "--real")
    assert leaderboard.alias("bob", SECRET) in (folder / "board.html").read_text()
    asked(folder, "--real")
    assert ">bob<" in (folder / "board.html").read_text()


def test_what_is_missing_is_said(folder):
    (folder / "names.csv").write_text("id;alias\n")
    done = asked(folder, "--names", str(folder / "names.csv"))
    assert done.exit_code == 2 and "expected student and name" in done.output
    done = asked(folder, "--records", str(folder / "nothing"))
    assert done.exit_code == 2 and "expected the records" in done.output


def test_an_empty_class_has_an_empty_page():
    assert "Nothing has been measured yet." in leaderboard.leaderboard_page([], "Leaderboard", 0)


def test_figures_pass_through_a_record(tmp_path):
    records.write_record(tmp_path, CLASS[0], {})
    kept = records.read_record(tmp_path, "ann", UNIT)
    assert kept["exercises"][0]["figures"] == CLASS[0]["exercises"][0]["figures"]
