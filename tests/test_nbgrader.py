"""Stock nbgrader, by its command line, on the real course: release, collect, autograde, feedback, export.

One unit goes through the whole chain with the sample class of `make demo` and a student whose right answers
are noisy; of the other units the solution and the untouched notebook are graded.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbgrader", reason="these tests need the [instructor] extra")
from specdec_course.build import unit_names
from specdec_course.checks import evaluate, exercises
from specdec_course.grading.sample_class import (
    answers,
    filled_in,
    typical_answers,
    without_demonstrations,
    write_sample_class,
)

ROOT = Path(__file__).resolve().parents[1]
UNIT = "03_greedy_verification"
OTHERS = [unit for unit in unit_names(ROOT) if unit != UNIT]
pytestmark = pytest.mark.slow

# Put before and into right answers. nbgrader gives 0 to a test cell with anything on stderr.
NOISE_ONCE = """
import logging, sys, warnings
from tqdm.auto import tqdm
old_log = logging.getLogger("made.earlier")
old_log.addHandler(logging.StreamHandler())
"""
NOISE_EVERY_CALL = """\
    warnings.warn("something is deprecated")
    for _ in tqdm(range(3)):
        print("progress", file=sys.stderr)
    os.write(2, b"a warning of a C++ library")
    old_log.warning("from a logger that was made earlier")
"""


def noisy(text: str) -> str:
    """A right answer that warns, logs and shows progress bars whenever it is called."""
    mark = "    ### BEGIN SOLUTION\n"
    assert mark in text
    return NOISE_ONCE + "import os\n" + text.replace(mark, NOISE_EVERY_CALL + mark)


def nbgrader(course, *arguments):
    """Run `nbgrader ...` in the course's folder; it must succeed."""
    bin_folder = str(Path(sys.executable).parent)
    env = os.environ | {
        "PATH": bin_folder + os.pathsep + os.environ["PATH"],
        "JUPYTER_PREFER_ENV_PATH": "1",
        "OMP_NUM_THREADS": "1",
        "HOME": str(course.parent),
    }
    command = [sys.executable, "-m", "nbgrader", *arguments, f"--Exchange.root={course.parent / 'exchange'}"]
    done = subprocess.run(command, cwd=course, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"nbgrader {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """A class in a fresh course folder, taken through nbgrader's whole chain. "*" stands for every unit."""
    place = tmp_path_factory.mktemp("class") / "course"
    for folder in ("solutions", "notebooks"):  # as in a clone, where the release is there already
        shutil.copytree(ROOT / folder, place / folder)
    shutil.copytree(place / "notebooks", place.parent / "built")
    shutil.copy(ROOT / "nbgrader_config.py", place)
    nbgrader(place, "generate_assignment", "*")
    nbgrader(place, "release_assignment", UNIT)
    for unit in OTHERS:
        for student, folder in (("perfect", "solutions"), ("empty", "notebooks")):
            hand_in(place / "submitted" / student / unit, read(place / folder / unit))

    handed_in = place.parent / "handed_in"
    write_sample_class(place, handed_in, UNIT)
    with_noise = {name: noisy(text) for name, text in right_answers(place).items()}
    hand_in(handed_in / "noisy" / UNIT, filled_in(read(place / "notebooks" / UNIT), with_noise))
    inbound = place.parent / "exchange" / "specdec" / "inbound"
    for folder in handed_in.iterdir():
        shutil.copytree(folder / UNIT, inbound / f"{folder.name}+{UNIT}+2026-01-02 03:04:05 UTC")

    nbgrader(place, "collect", UNIT)
    autograde(place)
    nbgrader(place, "generate_feedback", UNIT)
    nbgrader(place, "export")
    return place


def autograde(course):
    """On a crowded machine nbgrader may miss a kernel's message, wait for it in vain and drop the submission; it is
    then run again, as an instructor would do, and takes up only what it dropped. Anything else fails at once."""
    for attempt in range(4):
        try:
            return nbgrader(course, "autograde", "*")
        except AssertionError as error:
            if "Timeout waiting for IOPub output" not in str(error) or attempt == 3:
                raise


def read(folder):
    return nbformat.read(folder / f"{folder.name}.ipynb", as_version=4)


def hand_in(folder, notebook):
    """Without the demonstrations, which test_notebooks runs and which take most of the time."""
    folder.mkdir(parents=True)
    nbformat.write(without_demonstrations(notebook), folder / f"{folder.name}.ipynb")


def right_answers(course):
    return answers(read(course / "solutions" / UNIT))


@pytest.fixture(scope="session")
def exported(course):
    """(student, unit) -> the row that nbgrader exported."""
    with open(course / "grades.csv", newline="") as file:
        return {(row["student_id"], row["assignment"]): row for row in csv.DictReader(file)}


@pytest.mark.parametrize("unit", unit_names(ROOT))
def test_generate_assignment_writes_the_notebook_that_the_build_wrote(course, unit):
    made = course / "notebooks" / unit
    assert [path.name for path in made.iterdir()] == [f"{unit}.ipynb"], "the sources must not be released"
    built = course.parent / "built" / unit / f"{unit}.ipynb"
    assert (made / f"{unit}.ipynb").read_bytes() == built.read_bytes()


def test_release_puts_only_the_notebook_into_the_exchange(course):
    released = course.parent / "exchange" / "specdec" / "outbound" / UNIT
    assert [path.name for path in released.iterdir()] == [f"{UNIT}.ipynb"]


@pytest.mark.parametrize("unit", unit_names(ROOT))
def test_the_solution_earns_everything_and_the_untouched_notebook_nothing(exported, unit):
    maximum = sum(e.points for e in exercises(unit).values() if not e.bonus)
    for student, share in (("perfect", 1), ("empty", 0)):
        row = exported[student, unit]
        assert (float(row["score"]), float(row["max_score"])) == (share * maximum, maximum), student


def test_warnings_and_progress_bars_cost_nothing(exported):
    assert exported["noisy", UNIT]["score"] == exported["perfect", UNIT]["score"]


def test_tricks_earn_nothing_and_stop_nobody(exported):
    assert float(exported["hostile", UNIT]["score"]) == 0


def test_a_half_right_notebook_earns_its_partial_points(exported, course):
    given = typical_answers(right_answers(course))
    namespace = {}
    exec("import torch", namespace)
    expected = 0.0
    for name, exercise in exercises(UNIT).items():
        if name == "verify_greedy":
            exec(given[name], namespace)
            score = evaluate(name, namespace[name], seed=1).score
            assert 0 < score < 1
            expected += exercise.earned(score)
        elif name in given:
            expected += exercise.points
    assert float(exported["typical", UNIT]["score"]) == pytest.approx(expected, abs=1e-3)


def test_no_mark_waits_for_a_person(course):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        submissions = [s for unit in unit_names(ROOT) for s in book.assignment_submissions(unit)]
        assert len(submissions) == 5 + 2 * len(OTHERS)
        assert not any(s.needs_manual_grade for s in submissions)


def test_feedback_tells_the_student_what_is_wrong(course):
    page = (course / "feedback" / "typical" / UNIT / f"{UNIT}.html").read_text(encoding="utf-8")
    assert "verify_greedy</code> not right yet" in page and "generate_speculative</code> not attempted yet" in page


def test_no_source_lies_beside_a_students_notebook(course):
    assert len(list((course / "autograded").rglob("*.ipynb"))) == 5 + 2 * len(OTHERS)
    assert not list((course / "autograded").rglob("*.py"))
