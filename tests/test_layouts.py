"""Work that lies elsewhere than nbgrader expects is found by what is inside, or a line says that it was not taken."""

import copy
import json
import os

import pytest
from test_recover import EMPTY, ROOT, SOLVED, UNIT, cell_of

from specdec_course.grading import layouts
from specdec_course.grading.recover import read_submission
from specdec_course.grading.submissions import find_submissions

UNITS = layouts.units_of(ROOT)
OTHER = "04_stochastic_verification"
TEXT = json.dumps(SOLVED)


def put(folder, path, text=TEXT):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)


def test_the_units_and_their_exercises_are_known():
    assert list(UNITS) == sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*"))
    assert "verify_greedy" in UNITS[UNIT]


LAYOUTS = {  # path below the class's folder -> student
    f"ann/{UNIT}.ipynb": "ann", "ann/Untitled3.ipynb": "ann", f"bea/{UNIT} (1)/{UNIT}.ipynb": "bea",
    f"cleo/unit03/{UNIT}.ipynb": "cleo", "cleo/Unit 3/work.ipynb": "cleo", f"eve/03/{UNIT}.ipynb": "eve",
    "eve/3/x.ipynb": "eve", f"fay/{UNIT.replace('_', '-')}/{UNIT.replace('_', '-')}.ipynb": "fay",
    "fay/03-greedy/nb.ipynb": "fay", f"Gil Example_12345_assignsubmission_file_/{UNIT}.ipynb": "Gil Example_12345",
    f"Gil_12345_assignsubmission_file/{UNIT}/{UNIT}.ipynb": "Gil_12345",
    f"hal/homework/deep/{UNIT}.ipynb": "hal", f"hal/{UNIT}_hal/{UNIT}.ipynb": "hal",
    f"ida_{UNIT}.ipynb": "ida", f"ida-{UNIT.replace('_', '-')}.ipynb": "ida", f"{UNIT}_ida.ipynb": "ida",
    f"jo.doe@uni.edu {UNIT} (1).ipynb": "jo.doe@uni.edu", "kim_unit03.ipynb": "kim", "kim hw3.ipynb": "kim",
    f"doejane_7123_99871_{UNIT}.ipynb": "doejane_7123", f"doejane_LATE_7123_99871_{UNIT}-2.ipynb": "doejane_7123",
    f"lea/03/{UNIT}.py": "lea", f"lea/{UNIT}.ipynb.txt": "lea", f"mo/{UNIT.upper()}/{UNIT}.ipynb": "mo",
    f"ann_7_assignsubmission_file__9_assignsubmission_file_/{UNIT}.ipynb": "ann_7_assignsubmission_file__9",
}  # fmt: skip


@pytest.mark.parametrize("path", LAYOUTS)
def test_the_work_is_found_and_graded_as_that_unit(path, tmp_path):
    text = "\n".join("# %%\n" + "".join(c["source"]) for c in SOLVED["cells"] if c["cell_type"] == "code")
    put(tmp_path, path, text if path.endswith(".py") else TEXT)
    student = LAYOUTS[path]
    lines, taken = layouts.gather(tmp_path, UNITS)
    assert any("taken as " + UNIT in line and student in line for line in lines), lines
    found = read_submission(tmp_path / student / UNIT, UNIT, ROOT / "notebooks" / UNIT / f"{UNIT}.ipynb")
    assert found.problem is None and len(found.answers) == 5
    assert (student, UNIT) in find_submissions(tmp_path)[0]
    assert (tmp_path / path).read_bytes()  # nothing is moved
    before = sorted(str(one) for one in tmp_path.rglob("*"))
    layouts.gather(tmp_path, UNITS)
    assert sorted(str(one) for one in tmp_path.rglob("*")) == before


def test_what_is_inside_decides_and_not_what_the_folder_is_called(tmp_path):
    put(tmp_path, f"ann/04/{OTHER}.ipynb")
    assert layouts.gather(tmp_path, UNITS)[0] == [f"ann/04/{OTHER}.ipynb: taken as {UNIT} of ann"]


def test_a_fuller_file_elsewhere_counts_beside_one_in_its_place(tmp_path):
    one = copy.deepcopy(EMPTY)
    cell_of(one, "tokens_per_call")["source"] = cell_of(SOLVED, "tokens_per_call")["source"]
    put(tmp_path, f"ann/{UNIT}/{UNIT}.ipynb", json.dumps(one))
    put(tmp_path, f"ann/{UNIT} (1)/{UNIT}.ipynb")
    layouts.gather(tmp_path, UNITS)
    found = read_submission(tmp_path / "ann" / UNIT, UNIT, ROOT / "notebooks" / UNIT / f"{UNIT}.ipynb")
    assert len(found.answers) == 5 and f"{UNIT} (1) - {UNIT}.ipynb" in found.title


def test_what_was_handed_in_is_never_written_over(tmp_path):
    """An older draft with the very name of the hand-in, one folder above it."""
    put(tmp_path, f"ann/{UNIT}/{UNIT}.ipynb")
    for text in (json.dumps(EMPTY), json.dumps(EMPTY) + "\n"):
        put(tmp_path, f"ann/{UNIT}.ipynb", text)
        for _ in range(2):
            layouts.gather(tmp_path, UNITS)
            assert (tmp_path / "ann" / UNIT / f"{UNIT}.ipynb").read_text() == TEXT
    assert sorted(path.read_text() for path in (tmp_path / "ann" / UNIT).iterdir()) == sorted(
        [TEXT, json.dumps(EMPTY), json.dumps(EMPTY) + "\n"])


NOT_TAKEN = {
    f"{UNIT}.ipynb": "does not say whose it is", f"{UNIT} (2).ipynb": "does not say whose it is",
    "ann/other.ipynb": "of no unit of the course", "ann/work.zip": "an archive", "ann.zip": "an archive",
    "bea/essay.pdf": "no notebook of a unit of the course; in the folder: essay.pdf",
    f"{UNIT}/ann.ipynb": "a folder of a unit where one of a student is expected",
}  # fmt: skip


@pytest.mark.parametrize("path", NOT_TAKEN)
def test_what_is_not_taken_is_said(path, tmp_path):
    put(tmp_path, path, '{"cells": [], "nbformat": 4}' if "other" in path else TEXT)
    lines, taken = layouts.gather(tmp_path, UNITS)
    assert len(lines) == 1 and NOT_TAKEN[path] in lines[0], lines
    assert taken == set()


def test_a_class_in_a_folder_is_told_and_not_mixed(tmp_path):
    for student in ("ann", "bob"):
        put(tmp_path, f"group A/{student}/{UNIT}/{UNIT}.ipynb")
    (line,), _ = layouts.gather(tmp_path, UNITS)
    assert "give group A itself" in line and not (tmp_path / "group A" / UNIT).exists()


def test_nothing_is_said_of_a_class_that_is_as_it_should_be_and_of_other_units(tmp_path):
    put(tmp_path, f"ann/{UNIT}/{UNIT}.ipynb")
    put(tmp_path, f"ann/{UNIT}/helper.py", "def f(): pass")
    put(tmp_path, "ann/helper.py", "def f(): pass")
    put(tmp_path, "README.md", "hello")
    assert layouts.gather(tmp_path, UNITS) == ([], set())
    put(tmp_path, f"bob/03/{UNIT}.ipynb")
    assert layouts.gather(tmp_path, UNITS, lambda student, unit: unit == OTHER) == ([], set())


def test_a_time_of_handing_in_comes_along(tmp_path):
    put(tmp_path, f"ann/03/{UNIT}.ipynb")
    put(tmp_path, "ann/03/timestamp.txt", "2026-12-01 12:00:00 UTC")
    layouts.gather(tmp_path, UNITS)
    assert (tmp_path / "ann" / UNIT / "timestamp.txt").read_text().startswith("2026-12-01")


def test_links_are_not_followed_and_no_folder_is_left(tmp_path):
    secret = tmp_path / "outside"
    put(secret, f"{UNIT}.ipynb")
    place = tmp_path / "class"
    put(place, f".._assignsubmission_file_/{UNIT}.ipynb")
    (place / "ann").mkdir()
    (place / "ann" / "n.ipynb").symlink_to(secret / f"{UNIT}.ipynb")
    (place / "bob").symlink_to(secret)
    (place / "cleo").mkdir()
    (place / "cleo" / UNIT).symlink_to(secret)
    put(place, f"cleo/03/{UNIT}.ipynb")
    os.mkfifo(place / "dan.ipynb")
    lines, _ = layouts.gather(place, UNITS)
    assert any("cleo" in line and "not taken (a link is in the way)" in line for line in lines)
    assert any("dan.ipynb" in line for line in lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class", "outside"]
    assert sorted(path.name for path in secret.iterdir()) == [f"{UNIT}.ipynb"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    put(tmp_path, f"ann/03/{UNIT}.ipynb")
    (tmp_path / "ann").chmod(0o500)
    assert "copy it to" in layouts.gather(tmp_path, UNITS)[0][0]
