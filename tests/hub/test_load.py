"""A whole class runs unit 03's checks in the same minute. `make hub-test ARGS="--load 30"` asks for it."""

import os
import statistics

import load
import machine
import nbformat
import pytest

from specdec_course.grading.sample_class import answers, filled_in

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes users of the system: run it as root")
NOTEBOOK = "03_greedy_verification/03_greedy_verification.ipynb"


def test_a_class_at_once(request, capsys):
    count = request.config.getoption("--load")
    if not count:
        pytest.skip('no load was asked for: make hub-test ARGS="--load 30"')
    right = answers(nbformat.read(machine.COURSE / "solutions" / NOTEBOOK, as_version=4))
    notebook = filled_in(nbformat.read(machine.COURSE / "notebooks" / NOTEBOOK, as_version=4), right)
    worth = {cell.id: cell.metadata.nbgrader.points for cell in notebook.cells if load.is_test(cell)}
    names = [f"sdc-load{number:02}" for number in range(1, count + 1)]
    with machine.hub(names) as hub:
        found = load.at_once(hub, names, notebook)
    seconds = sorted(found["checks"])
    with capsys.disabled():
        print(f"\n{count} students at once on {os.cpu_count()} cores: all kernels ready after {found['ready']:.0f} s, "
              f"all checks done {found['seconds']:.0f} s later\n"
              f"slowest check {seconds[-1][0]:.1f} s ({seconds[-1][2]}), median "
              f"{statistics.median(second for second, *_ in seconds):.2f} s\n"
              f"memory a student: at most {max(found['memory'].values()):.0f} MB; "
              f"all of them {found['machine']:.0f} MB")
    assert not found["wrong"]
    assert all(marks == worth for marks in found["marks"].values())
