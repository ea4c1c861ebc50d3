"""What is kept of a cell that takes too long: what it defines, on the lines where it stood."""

import ast

import pytest

from specdec_course.grading.recover.bare import bare

CELL = '''\
import torch, math
from functools import cache
EPS, table = 1e-9, {}
LOG = math.log(2)
device = torch.device("cpu")


@cache
def helper(n):
    return n


class Sum:
    value = 0


best = helper(10**9)
for n in range(10**9):
    helper(n)
try:
    import numba
except ImportError:
    numba = None
while True:
    pass
print(best); total = 0


def answer(x):
    return helper(x)
'''
LONG = '''\
run(
    1,
    2,
); kept = 1
'''


def test_what_a_cell_defines_stays_on_its_lines_and_what_it_does_goes():
    kept = bare(CELL, frozenset({"helper", "answer"}))
    was = {one.name: one.lineno for one in ast.parse(CELL).body if hasattr(one, "name")}
    now = {one.name: one.lineno for one in ast.parse(kept).body if hasattr(one, "name")}
    assert was == now
    space = {}
    exec(compile(kept, "cell", "exec"), space)
    assert set("torch cache EPS table LOG device helper Sum numba total answer".split()) <= set(space)
    assert "best" not in space and "n" not in space


@pytest.mark.parametrize(
    "text", ["", "while True:\n    pass", "run()", "x = own()", "x = [own(i) for i in range(3)]", "own().y = 1",
             "await x", "if own():\n    x = 1", "x = (y := 2)",
             "def f(:", "with open('x') as f:\n    pass", "'''a text'''"]
)  # fmt: skip
def test_where_nothing_is_defined_nothing_is_kept(text):
    assert bare(text, frozenset({"own"})) == ""


def test_statements_that_share_lines_are_parted():
    space = {}
    exec(bare(LONG), space)
    assert space["kept"] == 1


def test_a_function_that_is_called_in_another_cell_is_the_notebooks_own_too():
    assert bare("result = sweep()\nk = 3\n", frozenset({"sweep"})) == "pass\nk = 3\n"


def test_code_that_nests_beyond_all_reason_is_left_out():
    assert bare("run(\n); x = 1" + " + 1" * 2500) == ""
