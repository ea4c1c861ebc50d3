"""Notebooks as honest students write them earn in a room what they earn in a notebook of their own."""

import pytest

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
import nbformat
from boxed import house
from honest import ROOT, VARIANTS, in_a_notebook, notebook_of

from specdec_course.grading.judge import grade_submission, question_seed
from specdec_course.grading.recover import read_submission

SECRET = b"the same questions in both places"


@pytest.fixture(scope="module")
def open_house():
    with house() as opened:
        yield opened


SAMPLE = [one for one in VARIANTS[::6] if one.design is None and not one.whole]


@pytest.mark.slow
@pytest.mark.parametrize("variant", SAMPLE, ids=lambda variant: variant.name)
def test_an_honest_notebook_earns_in_a_room_what_it_earns_at_home(variant, open_house, tmp_path, monkeypatch):
    nbformat.write(notebook_of(variant), tmp_path / f"{variant.unit}.ipynb")
    release = ROOT / "notebooks" / variant.unit / f"{variant.unit}.ipynb"
    key = read_submission(tmp_path, variant.unit, release).key
    record, _ = grade_submission(tmp_path, "ann", variant.unit, ROOT, open_house, SECRET)
    monkeypatch.chdir(tmp_path)
    at_home = in_a_notebook(notebook_of(variant), lambda name: question_seed(SECRET, key, name))
    for row in record["exercises"]:
        assert row["score"] == at_home[row["name"]]["score"], (row["name"], row["message"])
