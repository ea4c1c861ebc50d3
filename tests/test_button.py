"""formgrader's Autograde button runs students' code in the box, too."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbgrader", reason="these tests need the [instructor] extra")
import nbformat
from nbgrader.api import Gradebook

from specdec_course.grading.isolation.probes import isolation
from specdec_course.grading.sample_class import answers, filled_in, without_demonstrations

ROOT = Path(__file__).resolve().parents[1]
UNIT = "03_greedy_verification"
PRESS = f"""
import json, sys
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config.loader import PyFileConfigLoader
config = PyFileConfigLoader("nbgrader_config.py", path=".").load_config()  # as formgrader reads it
api = NbGraderAPI(CourseDirectory(config=config), config=config)
print(json.dumps([api.autograde({UNIT!r}, student) for student in sys.argv[1:]]))
"""


@pytest.mark.slow
def test_the_autograde_button_runs_nothing_with_the_instructors_rights(tmp_path):
    course, proof = tmp_path / "course", tmp_path / "proof"
    for folder in ("solutions", "notebooks"):
        shutil.copytree(ROOT / folder / UNIT, course / folder / UNIT)
    shutil.copy(ROOT / "nbgrader_config.py", course)
    solution = nbformat.read(course / "solutions" / UNIT / f"{UNIT}.ipynb", 4)
    release = nbformat.read(course / "notebooks" / UNIT / f"{UNIT}.ipynb", 4)
    right = answers(solution)
    first = next(iter(right))
    right[first] = f"try:\n    open({str(proof)!r}, 'w').close()\nexcept Exception:\n    pass\n{right[first]}"
    folder = course / "submitted" / "ann" / UNIT
    folder.mkdir(parents=True)
    nbformat.write(without_demonstrations(filled_in(release, right)), folder / f"{UNIT}.ipynb")
    done = subprocess.run([sys.executable, "-c", PRESS, "ann", "nobody"], cwd=course, capture_output=True, text=True)
    ann, nobody = json.loads(done.stdout.strip().splitlines()[-1])
    assert ann["success"], ann
    assert not nobody["success"] and "nobody" in nobody["error"]
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        graded = book.find_submission(UNIT, "ann")
        assert graded.score == graded.max_score == 10
    if isolation()[0] == "full":
        assert not proof.exists()


def test_stock_grading_stays_nbgraders_own(tmp_path):
    """Whatever the course's settings have done to formgrader's button in this process."""
    from nbgrader.apps import api
    from nbgrader.converters import Autograde

    from specdec_course.grading.nbgrader import stock

    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    stock._api((str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path}/gradebook.db"))
    assert api.Autograde is Autograde
