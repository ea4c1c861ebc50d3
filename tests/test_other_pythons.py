"""Code for another Python, saved as a script, or with a breakpoint in it: understood, or told in words."""

import sys
import types

import pytest

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from test_again import grade, notebook, open_house, right  # noqa: F401
from test_recover import ALL, SOLVED, hand_in, run
from test_recover import right as passes

from specdec_course.grading.recover import newer
from specdec_course.grading.recover.code import parsed, plain_python, with_bodies

OLD = types.SimpleNamespace(version_info=(3, 11))

LATER = [  # (since, code that Python 3.11 does not read)
    ("3.12", """text = f"{d["k"]}\""""), ("3.12", "text = f'{'a' if x else 'b'}'"),
    ("3.12", """print(f"{'\\n'.join(x)}")"""),
    ("3.12", """x = 1\ny = f"{"a"}" + f'{x}'"""), ("3.12", "text = rf'{d['k']} {x:>{width}}'"),
    ("3.12", 'text = f"{x  # what\n}"'), ("3.12", "type Ids = list[int]"), ("3.12", "type Pair[T] = tuple[T, T]"),
    ("3.12", "def first[T](x: list[T]) -> T:\n    return x[0]"), ("3.12", "class Box[T]:\n    pass"),
    ("3.12", "async def go[T](x): pass"), ("3.13", "class Box[T = int]:\n    pass"), ("3.14", 'text = t"{name}"'),
    ("3.14", "text = rt'{name}'"), ("3.14", "try:\n    pass\nexcept ValueError, TypeError:\n    pass"),
]  # fmt: skip
NOT_LATER = [
    "def f(x:\n    return 1", "f(x", "x = f'{a[0]}' + (", "print 'hello'", "type(x) == (", "class A(object:\n    pass",
    "text = f'{a} and {b}' 'c' (", "except_ = 1 (", "cat'x'", "x = it[0 (", "def f(x): return [x",
]


@pytest.mark.parametrize("since, source", LATER)
def test_newer_grammar_is_recognised(since, source, monkeypatch):
    monkeypatch.setattr(newer, "sys", OLD)
    found = newer.newer_grammar(f"import torch\n{source}\n")
    assert found and found[0] == since
    assert f"Python {since}" in newer.advice(source) and "runs Python 3.11" in newer.advice(source)
    if sys.version_info < (3, 12):
        assert parsed(source) is None


@pytest.mark.parametrize("source", NOT_LATER)
def test_an_ordinary_mistake_is_not_taken_for_it(source, monkeypatch):
    monkeypatch.setattr(newer, "sys", OLD)
    assert newer.newer_grammar(source) is None and newer.advice(source) == ""


def test_what_this_python_reads_is_not_called_newer(monkeypatch):
    monkeypatch.setattr(newer, "sys", types.SimpleNamespace(version_info=(3, 15)))
    assert not any(newer.newer_grammar(source) for _, source in LATER)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads it")
@pytest.mark.parametrize("line", [
    """print(f"{d["k"]}")""", "type Ids = list[int]", """if d:\n    print(f"{d["k"]}")""",
])  # fmt: skip
def test_a_line_that_a_later_python_reads_takes_no_definition_along(line):
    text = f"import math\n@cache\ndef f(x):\n    return math.pi\n\n# a remark\n{line}\nd = {{\n    1: 2,\n}}\n"
    plain = plain_python(text)
    assert plain.tree is not None and "def f(x)" in plain.source and "1: 2" in plain.source
    assert plain.notes == ("line 7 is written for a later Python than the grader's, and was left out.",)
    assert plain.source.split("\n")[:6] == text.split("\n")[:6]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads it")
@pytest.mark.parametrize("text", ["""def f(x):\n    return f"{x["k"]}"\ny = 1""", """print(f"{d["k"]}")\ny = = 1"""])
def test_where_a_definition_or_another_mistake_is_in_the_way_all_stays(text):
    assert plain_python(text).source == text


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads it")
def test_the_student_and_the_instructor_are_told(open_house, tmp_path):  # noqa: F811
    text = right("03")["tokens_per_call"].rstrip() + '\n    print(f"{rounds["k"]}")'
    own = [("accepted_length", "type Number = int\nfor\n")] * 3
    record, rows = grade(notebook("03", own, **right("03") | {"tokens_per_call": text}), open_house, tmp_path)
    assert "looks like Python 3.12" in rows["tokens_per_call"]["message"]
    assert ["looks like Python 3.12" in flag for flag in record["flags"]] == [True]  # once: it hides no other flag


@pytest.mark.slow
@pytest.mark.parametrize("line", ["breakpoint()", "import pdb; pdb.set_trace()", "__import__('pdb').set_trace()"])
def test_a_breakpoint_that_was_left_in_the_code_costs_nothing(line, open_house, tmp_path):  # noqa: F811
    head, _, last = right("03")["accepted_length"].rstrip().rpartition("\n")
    text = f"{head}\n    {line}\n{last}"
    record, rows = grade(notebook("03", **right("03") | {"accepted_length": text}), open_house, tmp_path)
    assert record["points"] == record["maximum"], rows["accepted_length"]["message"]


@pytest.mark.slow
def test_an_input_is_told_by_name(open_house, tmp_path):  # noqa: F811
    text = "def accepted_length(draft, choice):\n    return int(input('how many? '))"
    _, rows = grade(notebook("03", accepted_length=text), open_house, tmp_path)
    assert "Nobody answers an `input()`" in rows["accepted_length"]["message"]


# Colab's "Download .py": one text, without marks; markdown as a string, magics as comments.


def as_colab_saves_it(setup='if importlib.util.find_spec("specdec_course") is None:\n    # %pip install -q "x"\n'):
    parts = ['# -*- coding: utf-8 -*-\n"""03_greedy_verification.ipynb\n\nAutomatically generated by Colab.\n"""\n']
    for number, cell in enumerate(SOLVED["cells"]):
        text = "".join(cell["source"])
        if number == 1:
            text = f"import importlib.util\n\n{setup}\nimport torch\nfrom specdec_course.checks import check, grade"
        parts.append(f'"""{text.replace(chr(34) * 3, "")}"""\n' if cell["cell_type"] == "markdown" else text + "\n")
        if cell["cell_type"] == "code" and "yours(" in text:
            parts.pop()  # demonstrations of the figures need the package
    return "\n".join(parts).encode()


@pytest.mark.parametrize("setup", [
    'if importlib.util.find_spec("specdec_course") is None:\n    # %pip install -q "x"\n',
    'if importlib.util.find_spec("specdec_course") is None:\n    pass\n    # !pip install x\n',
    'try:\n    # !pip install x\nexcept Exception:\n    # nothing\n\n', "",
], ids=["ours", "with pass", "try", "without"])  # fmt: skip
def test_a_script_from_colab_is_an_answer(setup, tmp_path):
    found = hand_in(tmp_path, as_colab_saves_it(setup), "03_greedy_verification.py")
    assert found.problem is None and len(found.answers) == 5
    assert all("SyntaxError" not in step.source for step in found.steps)
    assert parsed(found.steps[0].source) is not None


def test_headings_without_a_body_get_one_line_for_line():
    text = "if a:\n    # x\nb = 1\nfor i in b:\n    # y\n\n    # z\nelse:\n    # w\n\nwith c:\n    d()\n"
    filled = with_bodies(text)
    assert parsed(text) is None and parsed(filled) is not None
    assert filled.count("\n") == text.count("\n") and filled.split("\n")[2] == "b = 1"


def test_right_answers_of_a_percent_script_still_count(tmp_path):
    cells = ["# %%\n" + "".join(c["source"]) for c in SOLVED["cells"] if c["cell_type"] == "code"]
    text = "\n".join(one for one in cells if "find_spec" not in one)
    found = hand_in(tmp_path, ("# %%\nif 1:\n    # %pip install x\nimport torch\n" + text).encode(), "a.py")
    assert passes(run(found)) == ALL
