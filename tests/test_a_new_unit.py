"""A unit costs six places: a method file, its checks, its source, its pictures, answers to test it with, and a row of
README.md. `tests/new_unit/` holds these and nothing else, as unit 15. Put into a copy of the course, the unit is built,
checked, graded and held to the course's own tests, and no other file is touched.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbgrader", reason="these tests need the [instructor] extra")

ROOT = Path(__file__).resolve().parents[1]
NEW = Path(__file__).parent / "new_unit"
UNIT = "15_repeats"
PLACES = """
    README.md solutions/15_repeats specdec_course/checks/unit15 specdec_course/drafters/repeats.py
    specdec_course/figures/repeats.py tests/answers/unit_15.py
""".split()
COPIED = "specdec_course tests solutions notebooks README.md AGENTS.md nbgrader_config.py pyproject.toml".split()
LEFT_OUT = shutil.ignore_patterns("__pycache__", "new_unit", ".*", "*.so")
OWN = "15_repeats or unit15 or repeats.py or last_seen or guess_repeat"
pytestmark = pytest.mark.slow


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The course with the unit in it, built."""
    root = tmp_path_factory.mktemp("course")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name, **({"ignore": LEFT_OUT} if (ROOT / name).is_dir() else {}))
    (root / "data").symlink_to(ROOT / "data")
    before = files_of(root)
    row = (NEW / "README.md").read_text()
    for name in PLACES[1:]:
        copy = shutil.copytree if (NEW / name).is_dir() else shutil.copy
        copy(NEW / name, root / name)
    readme = (root / "README.md").read_text()
    last = next(line for line in reversed(readme.splitlines(keepends=True)) if line.startswith("| 0"))
    (root / "README.md").write_text(readme.replace(last, last + row))
    python(root, "from specdec_course.build import build; build('.', units=['15'])")
    return root, before


def python(root, code, *arguments) -> str:
    """What Python prints in a process that has the copied package and no other."""
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-c", code, *arguments] if code else [sys.executable, *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_six_places_are_all_that_was_written(course):
    root, before = course
    assert {name for name in files_of(NEW) if not name.startswith(tuple(PLACES))} == set()
    changed = {name for name, content in files_of(root).items() if before.get(name) != content}
    made = (f"notebooks/{UNIT}/{UNIT}.ipynb",)  # what `specdec build` writes, besides the solution beside the source
    assert {name for name in changed if not name.startswith((*PLACES, *made))} == set()
    assert set(before) <= set(files_of(root))


def test_the_courses_own_tests_hold_for_it(course):
    """Answers in this process and in a room, notebooks, structure, recovery: all that the tests ask of every unit."""
    root, _ = course
    tests = "answers structure build notebooks room recover".split()
    told = python(root, "", "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-k", OWN,
                  *(f"tests/test_{name}.py" for name in tests))
    assert "passed" in told and "skipped" not in told, told[-3000:]


GRADE = """
import json, sys
from pathlib import Path
from specdec_course.grading import grade_class
from specdec_course.grading.sample_class import write_sample_class
write_sample_class(".", "submitted", sys.argv[1])
found = grade_class("submitted", "gradebook.db", root=".", jobs=1, feedback="feedback", csv="marks.csv",
                    show=lambda line: print(line, file=sys.stderr))
Path("found.json").write_text(json.dumps(found))
"""


def test_a_class_is_graded_in_the_box(course):
    root, _ = course
    python(root, GRADE, UNIT)
    found = {record["student"]: record for record in json.loads((root / "found.json").read_text())}
    points = {student: record["points"] for student, record in found.items()}
    assert points == {"perfect": 10, "typical": 1.33, "empty": 0, "hostile": 0}
    assert {record["level"] for record in found.values()} == {"full"}
    assert [row["diagnosis"] for row in found["typical"]["exercises"]] == ["first_place", None]
    assert "last_seen" in next((root / "feedback" / "typical").rglob("*.html")).read_text()
    assert UNIT in (root / "marks.csv").read_text()
