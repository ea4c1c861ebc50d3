"""Whatever a check asks stands in the text that the student reads: every part names the words that it rests on."""

import json
import re
from pathlib import Path

import pytest

from specdec_course.checks import exercises

ROOT = Path(__file__).parent.parent
# The units whose every part has to name its words.
EVERY_PART = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13")


def read_by_students(unit: str) -> str:
    """All cells of the notebook that students get, in one line."""
    (path,) = ROOT.glob(f"notebooks/{unit}_*/{unit}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return in_one_line("\n".join("".join(cell["source"]) for cell in cells))


def in_one_line(text: str) -> str:
    return re.sub(r"[\s#]+", " ", text)


PARTS = [(exercise, part) for exercise in exercises().values() for part in exercise.parts]


@pytest.mark.parametrize("exercise, part", PARTS, ids=lambda x: x.name.replace(" ", "_")[:60])
def test_what_a_part_asks_is_in_the_notebook(exercise, part):
    text = read_by_students(exercise.unit)
    missing = [words for words in part.rests_on if in_one_line(words) not in text]
    assert not missing, f"{exercise.name}, part {part.name!r}: the notebook does not say {missing}"
    assert part.rests_on or exercise.unit not in EVERY_PART, f"{exercise.name}, part {part.name!r} names no words"
