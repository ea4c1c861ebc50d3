"""Notebooks as honest students write them earn in a room what they earn in a notebook of their own, and are told the
same."""

import re

import pytest

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
import nbformat
from boxed import house
from honest import ROOT, VARIANTS, in_a_notebook, notebook_of

from specdec_course.grading.judge import grade_submission, question_seed
from specdec_course.grading.nbgrader.notebook import run_and_mark
from specdec_course.grading.outcome import ADDRESS
from specdec_course.grading.recover import read_submission

SECRET = b"the same questions in both places"
# The same marks in other words: a room says why a cell has failed, and knows another Python's paths.
OTHER_WORDS = {
    "hints that name what is not imported", "a syntax error", "an indentation error", "scipy in the answer",
    "KeyboardInterrupt", "error below %%time", "the target: pickle", "accepted_length as a module",
    "verify_greedy as np.matrix", "verify_greedy as meta", "02 the table as object", "02 scipy-free sparse tensors",
}  # fmt: skip
BY_DESIGN = [one for one in VARIANTS if one.design]
ALIKE = [one for one in VARIANTS if not one.design and not one.whole]
KERNELS = ["06 speedup on yours", "a def below what fails in the same cell", "an asynchronous demonstration"]


@pytest.fixture(scope="module")
def open_house():
    with house() as opened:
        yield opened


def in_a_room(variant, house, folder):
    nbformat.write(notebook_of(variant), folder / f"{variant.unit}.ipynb")
    record, _ = grade_submission(folder, "ann", variant.unit, ROOT, house, SECRET)
    return {row["name"]: row for row in record["exercises"]}


@pytest.mark.slow
@pytest.mark.parametrize("variant", ALIKE[::4], ids=lambda variant: variant.name)
def test_an_honest_notebook_earns_in_a_room_what_it_earns_at_home(variant, open_house, tmp_path, monkeypatch):
    rows = in_a_room(variant, open_house, tmp_path)
    release = ROOT / "notebooks" / variant.unit / f"{variant.unit}.ipynb"
    key = read_submission(tmp_path, variant.unit, release).key
    monkeypatch.chdir(tmp_path)
    at_home = in_a_notebook(notebook_of(variant), lambda name: question_seed(SECRET, key, name))
    assert at_home
    for name, home in at_home.items():
        row = rows[name]
        same = (row["state"], row["score"], row["diagnosis"]) == (home["state"], home["score"], home["diagnosis"])
        assert same, (name, home["message"], row["message"])
        if variant.name not in OTHER_WORDS:
            assert row["message"] == ADDRESS.sub("", home["message"]), name


@pytest.mark.slow
@pytest.mark.parametrize("variant", BY_DESIGN, ids=lambda variant: variant.name)
def test_what_a_room_cannot_give_is_told_in_words(variant, open_house, tmp_path):
    rows = in_a_room(variant, open_house, tmp_path)
    assert any(re.search(variant.design, row["message"]) for row in rows.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_a_real_kernel_gives_the_same_points(name, open_house, tmp_path):
    (variant,) = [one for one in VARIANTS if one.name == name]
    rows = in_a_room(variant, open_house, tmp_path)
    marks = run_and_mark(tmp_path / f"{variant.unit}.ipynb")
    assert [(row["name"], row["points"]) for row in rows.values()] == [(name, points) for name, points, _, _ in marks]
    assert any(row["points"] for row in rows.values())
