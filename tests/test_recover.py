"""Recovery: whatever happened to a notebook on its way, what the student wrote is found, run in order and judged."""

import ast
import copy
import hashlib
import json
import os
import socket
import sys
import types
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from specdec_course.grading.recover import files, read_submission
from specdec_course.grading.recover.code import plain_python
from specdec_course.grading.recover.course import Release
from specdec_course.grading.recover.damage import without_outputs
from specdec_course.grading.recover.formats import Cell
from specdec_course.grading.recover.plan import plan

ROOT = Path(__file__).resolve().parents[1]
UNITS = sorted(path.stem for path in (ROOT / "notebooks").glob("*/*.ipynb"))
UNIT = "03_greedy_verification"
NAMES = ["accepted_length", "verify_greedy", "generate_speculative", "tokens_per_call", "acceptance_rate"]
SOLVED = json.loads((ROOT / "solutions" / UNIT / f"{UNIT}.ipynb").read_text())
EMPTY = json.loads((ROOT / "notebooks" / UNIT / f"{UNIT}.ipynb").read_text())
quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


def release_of(unit):
    return ROOT / "notebooks" / unit / f"{unit}.ipynb"


def read(folder, unit=UNIT):
    return read_submission(folder, unit, release_of(unit))


def hand_in(folder, content, name=f"{UNIT}.ipynb"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read(folder)


def place_of(notebook, grade_id):
    return next(
        i for i, c in enumerate(notebook["cells"]) if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )


def cell_of(notebook, grade_id):
    return notebook["cells"][place_of(notebook, grade_id)]


def code(source, **metadata):
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], "execution_count": None}


def judged(submission):
    return [step.exercise for step in submission.steps if step.role == "judge"]


def run(submission):
    """What every exercise's name stands for when it is judged. As in a notebook, a cell that fails stops nothing."""
    space, found = {"get_ipython": None}, {}
    for step in submission.steps:
        if step.role == "judge":
            found[step.exercise] = space.get(step.exercise)
            continue
        try:
            exec(compile(step.source, f"cell {step.cell}", "exec"), space)
        except Exception as error:
            space["last_error"] = error
    return found


def right(found):
    """Which of the first, second and fourth exercise are answered rightly; a stub is not."""
    ids, rows = torch.tensor([1, 2]), torch.nn.functional.one_hot(torch.tensor([1, 3, 0]), 4).float()
    tries = {
        "accepted_length": lambda f: int(f(ids, torch.tensor([1, 3, 4]))) == 1,
        "verify_greedy": lambda f: f(ids, rows).tolist() == [1, 3],
        "tokens_per_call": lambda f: f([types.SimpleNamespace(emitted=3), types.SimpleNamespace(emitted=2)]) == 2.5,
    }
    done = set()
    for name, attempt in tries.items():
        try:
            done |= {name} if attempt(found[name]) else set()
        except Exception:
            continue
    return done


ALL = {"accepted_length", "verify_greedy", "tokens_per_call"}


# ---------------------------------------------------------------- the course's own notebooks


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", ["solutions", "notebooks"])
def test_a_whole_notebook_is_judged_in_course_order_without_any_demonstration_and_without_a_remark(
    unit, kind, tmp_path
):
    found = read_from(ROOT / kind / unit / f"{unit}.ipynb", unit, tmp_path)
    cells = json.loads(release_of(unit).read_text())["cells"]
    ids = [cell["metadata"]["nbgrader"]["grade_id"] for cell in cells if "nbgrader" in cell["metadata"]]
    exercises = [name for name in ids if not name.startswith("grade_")]
    assert found.problem is None and found.remarks == ()
    assert judged(found) == exercises
    assert [s.cell for s in found.steps if s.role == "provided"] == [1]  # the imports, and no demonstration
    assert sorted(found.answers) == (sorted(exercises) if kind == "solutions" else [])


def read_from(notebook, unit, folder):
    (folder / f"{unit}.ipynb").write_bytes(notebook.read_bytes())
    return read(folder, unit)


@pytest.mark.parametrize("unit", UNITS)
def test_the_steps_of_a_solved_notebook_define_every_function_and_install_nothing(unit, tmp_path):
    found = read_from(ROOT / "solutions" / unit / f"{unit}.ipynb", unit, tmp_path)
    space = {}
    for step in found.steps:
        if step.role == "judge":
            assert callable(space[step.exercise])
        else:
            assert "get_ipython" not in step.source
            exec(compile(step.source, "cell", "exec"), space)


def test_the_solved_notebook_is_right_and_the_release_is_not(tmp_path):
    assert right(run(hand_in(tmp_path, SOLVED))) == ALL
    assert right(run(hand_in(tmp_path, EMPTY))) == set()


def test_line_numbers_of_the_setup_stay(tmp_path):
    setup = next(step for step in hand_in(tmp_path, SOLVED).steps if step.role == "provided")
    assert len(setup.source.split("\n")) == len("".join(SOLVED["cells"][1]["source"]).split("\n"))
    assert "if False:" in setup.source


# ---------------------------------------------------------------- properties


@quick
@given(st.binary(max_size=400))
@example(b"[" * 100_000)
@example(b'{"cells":' * 50_000)
@example(b'{"cells": [' + b"1" * 5000 + b"]}")
@example(b'{"cells": [{"cell_type": "code", "source": ["\\ud800 \\u0000"], "metadata": 3}, 7, null]}')
@example(b'{"nbformat": 3, "worksheets": 5}')
@example(b'{"cells": {}}')
@example(b"\xff\xfe\x00")
@example(b"\xef\xbb\xbf")
@example(b"<<<<<<< a\n{\n=======\n[\n>>>>>>> b\n")
def test_arbitrary_bytes_never_raise(tmp_path_factory, data):
    for name in (f"{UNIT}.ipynb", "other.py"):
        folder = tmp_path_factory.mktemp("bytes")
        found = hand_in(folder, data, name)
        assert (found.problem is None) == bool(found.steps)
        assert len(found.key) == 64


WHOLE = json.dumps(SOLVED).encode()


@quick
@given(st.integers(0, len(WHOLE)), st.integers(0, 300), st.binary(max_size=30))
def test_a_notebook_with_damaged_bytes_never_raises_and_is_judged_whole_or_not_at_all(
    tmp_path_factory, at, gone, new
):
    found = hand_in(tmp_path_factory.mktemp("cut"), WHOLE[:at] + new + WHOLE[at + gone :])
    assert found.problem is not None or sorted(judged(found)) == sorted(NAMES)


def changed_cells():
    """Lists of (cell of the solved notebook, what happens to it)."""
    things = st.sampled_from(
        ["keep", "keep", "keep", "bare", "markdown", "raw", "no text", "odd metadata", "other id"]
    )
    return st.lists(st.tuples(st.integers(0, len(SOLVED["cells"]) - 1), things), max_size=70)


def with_cells(chosen):
    notebook = copy.deepcopy(SOLVED)
    notebook["cells"] = []
    for number, thing in chosen:
        cell = copy.deepcopy(SOLVED["cells"][number])
        if thing == "bare":
            cell["metadata"] = {}
        elif thing in ("markdown", "raw"):
            cell["cell_type"] = thing
        elif thing == "no text":
            del cell["source"]
        elif thing == "odd metadata":
            cell["metadata"] = {"nbgrader": [1]}
        elif thing == "other id":
            cell["metadata"] = {"nbgrader": {"grade_id": "verify_greedy"}}
        notebook["cells"].append(cell)
    return notebook


@quick
@given(changed_cells())
@example([])
def test_shuffled_doubled_and_dropped_cells_are_judged_exactly_once(tmp_path_factory, chosen):
    found = hand_in(tmp_path_factory.mktemp("mixed"), with_cells(chosen))
    assert found.problem is None
    assert sorted(judged(found)) == sorted(NAMES)
    assert found.steps[-1].role == "judge"
    cells = [step.cell for step in found.steps if step.cell >= 0]
    assert cells == sorted(cells), "cells run in the order of the notebook"


@quick
@given(st.permutations(range(len(SOLVED["cells"]))))
def test_in_whatever_order_the_cells_are_the_answers_are_found(tmp_path_factory, order):
    notebook = {**SOLVED, "cells": [SOLVED["cells"][i] for i in order if i != 1]}
    notebook["cells"].insert(0, SOLVED["cells"][1])
    assert right(run(hand_in(tmp_path_factory.mktemp("order"), notebook))) == ALL


@quick
@given(st.integers(0, 3))
def test_reading_twice_gives_the_same(tmp_path_factory, _):
    folder = tmp_path_factory.mktemp("twice")
    assert hand_in(folder, SOLVED) == read(folder)


LINES = st.sampled_from(
    [
        "x = 1",
        "%pip install a",
        "!ls \\",
        "  -l",
        "a = !ls",
        "b = %pwd",
        "if x:",
        "    %cd /",
        "    y = 2",
        "x?",
        '"""',
        "%%bash",
        "%%time",
        "(",
        ")",
        "",
        "def f():",
        "    return 1",
        ">>> x",
        "... y",
        "\u202ex = 3",
        "x\u00a0= 4",
        "<<<<<<< HEAD",
        "=======",
        ">>>>>>> b",
        "\t",
        "'",
        "\\",
        "@",
        "%time x = 5",
        "%timeit x",
        "/f 1",
        ",f a",
        "In [1]: x",
        "\x0c",
        "\u2028",
        "é = '%pip'",
    ]
)


@quick
@given(st.lists(LINES, max_size=8).map("\n".join) | st.text(max_size=60))
def test_any_text_of_a_cell_becomes_plain_python_or_stays_broken_and_never_raises(source):
    plain = plain_python(source)
    assert (plain.tree is None) or ast.parse(plain.source)
    assert plain_python(plain.source).source == plain.source or plain.tree is None, "nothing is left to neutralise"


@pytest.mark.parametrize("path", sorted((ROOT / "specdec_course").glob("*.py")), ids=lambda path: path.stem)
def test_plain_python_stays_to_the_letter(path):
    plain = plain_python(path.read_text())
    assert plain.source == path.read_text() and plain.tree is not None
    assert plain.notes == ()


json_values = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=8) | st.just('"outputs": ['),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "outputs", "\\", '"', "text"]), inner)
    ),
    max_leaves=15,
)


def emptied(value):
    if isinstance(value, list):
        return [emptied(one) for one in value]
    if isinstance(value, dict):
        return {
            k: type(v)() if k == "outputs" and isinstance(v, (list, dict)) else emptied(v) for k, v in value.items()
        }
    return value


@quick
@given(json_values, st.sampled_from([None, 1]))
def test_cutting_away_outputs_changes_nothing_else_and_keeps_the_lines(value, indent):
    text = json.dumps(value, indent=indent).encode()
    cut = without_outputs(text)
    assert json.loads(cut) == emptied(value)
    assert cut.count(b"\n") == text.count(b"\n")


@quick
@given(st.binary(max_size=200))
@example(b'{"outputs": ["' + b'\\"' * 200_000)
def test_cutting_away_outputs_copes_with_any_bytes(data):
    assert len(without_outputs(data)) <= len(data)


VARIABLES = "abc"
LINE = st.one_of(
    st.builds("{} = {}".format, st.sampled_from(VARIABLES), st.integers(0, 9)),
    st.builds("{} = {} + {} + 1".format, *[st.sampled_from(VARIABLES)] * 3),
    st.builds("def f_{}():\n    return {} + 1".format, *[st.sampled_from(VARIABLES)] * 2),
    st.builds("def f_{}():\n    return f_{}_0() + {}".format, *[st.sampled_from(VARIABLES)] * 3),
    st.builds("{} = f_{}()".format, *[st.sampled_from(VARIABLES)] * 2),
    st.builds("if {} > 3:\n    {} = {}".format, *[st.sampled_from(VARIABLES)] * 3),
    st.builds("for {} in range({} % 3 + 1):\n    {} = 5".format, *[st.sampled_from(VARIABLES)] * 3),
    st.builds("box[{!r}] = {}".format, *[st.sampled_from(VARIABLES)] * 2),
    st.builds("{} = box.get({!r}, 0)".format, *[st.sampled_from(VARIABLES)] * 2),
    st.builds("{} += 1".format, st.sampled_from(VARIABLES)),
)
START = "a = b = c = 0\nbox = {}\n" + "".join(
    f"def f_{v}(): return 0\ndef f_{v}_0(): return {v}\n" for v in VARIABLES
)


@settings(quick, max_examples=600)
@given(st.lists(st.tuples(st.booleans(), LINE), max_size=12), st.sampled_from(VARIABLES), st.integers(0, 12))
def test_leaving_out_provided_cells_changes_no_answer(lines, used, at):
    """A program of random cells, some provided, some the student's: the answer is the same as when all of it runs."""
    texts = [START, *(f"{line}\n# {number}" for number, (_, line) in enumerate(lines))]
    provided = {texts[0], *(text for text, (given_out, _) in zip(texts[1:], lines, strict=True) if given_out)}
    answer = f"def goal():\n    return [{used}, f_{used}(), box]"
    texts.insert(min(at, len(texts) - 1) + 1, answer)
    cells = [Cell(text, grade_id="goal" if text == answer else None) for text in texts] + [
        Cell("grade(goal)", grade_id="grade_goal")
    ]
    release = Release(
        ("goal",),
        {"goal": "def goal(): ..."},
        {"goal": "grade(goal)"},
        frozenset(provided_texts(provided)),
        (),
        frozenset(),
    )
    steps, _, _ = plan(cells, release)
    whole, sliced = {}, {}
    for text in texts:
        exec(text, whole)
    for step in steps:
        exec(step.source, sliced)
    assert sliced["goal"]() == whole["goal"]()


def provided_texts(texts):
    return {"\n".join(line.rstrip() for line in text.strip().split("\n")) for text in texts}


# ---------------------------------------------------------------- a table of damages


def changed(change):
    """The solved notebook, changed; `change` may also answer another object."""
    notebook = copy.deepcopy(SOLVED)
    return change(notebook) or notebook


def stripped(notebook):
    for cell in notebook["cells"]:
        cell["metadata"] = {}


def without_tests(notebook):
    notebook["cells"] = [c for c in notebook["cells"] if not c["metadata"].get("nbgrader", {}).get("grade")]


def doubled_answer(notebook):
    at = place_of(notebook, "verify_greedy")
    notebook["cells"].insert(at, copy.deepcopy(cell_of(EMPTY, "verify_greedy")))


def doubled_then_emptied(notebook):
    at = place_of(notebook, "verify_greedy")
    notebook["cells"].insert(at + 1, copy.deepcopy(cell_of(EMPTY, "verify_greedy")))


def doubled_test(notebook):
    notebook["cells"].append(copy.deepcopy(cell_of(notebook, "grade_verify_greedy")))
    notebook["cells"].append(code("def verify_greedy(draft, logits):\n    return None"))


def changed_test(notebook):
    cell_of(notebook, "grade_verify_greedy")["source"] = "def verify_greedy(*_): return 1\n2.0"


def moved_test(notebook):
    cell = notebook["cells"].pop(place_of(notebook, "grade_verify_greedy"))
    notebook["cells"].insert(1, cell)


def reused_below(notebook):
    notebook["cells"] += [code("verify_greedy = None"), code("del accepted_length")]


def split_answer(notebook):
    at = place_of(notebook, "tokens_per_call")
    cell_of(notebook, "tokens_per_call")["source"] = (
        "def tokens_per_call(rounds):\n    return helper(rounds) / len(rounds)"
    )
    notebook["cells"].insert(at, code("def helper(rounds):\n    return sum(r.emitted for r in rounds)"))


def in_another_cell(notebook):
    """The template untouched, the answer in a cell below it."""
    at = place_of(notebook, "tokens_per_call")
    notebook["cells"].insert(at + 1, code(cell_of(notebook, "tokens_per_call")["source"]))
    notebook["cells"][at] = copy.deepcopy(cell_of(EMPTY, "tokens_per_call"))


def answer_cell_merged_with_its_test(notebook):
    at = place_of(notebook, "tokens_per_call")
    notebook["cells"][at]["source"] += ["\n\n", "check(tokens_per_call)\n", "grade(tokens_per_call)"]
    del notebook["cells"][at + 1 : at + 3]


def turned_into(kind):
    def change(notebook):
        cell_of(notebook, "verify_greedy")["cell_type"] = kind

    return change


def stub_in_code_and_answer_in_test(notebook):
    answer = "".join(cell_of(notebook, "verify_greedy")["source"])
    cell_of(notebook, "verify_greedy")["source"] = cell_of(EMPTY, "verify_greedy")["source"]
    cell_of(notebook, "grade_verify_greedy")["source"] = answer + "\ngrade(verify_greedy)"


def as_lines(notebook):
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)


def as_text(notebook):
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])


def with_odd_metadata(notebook):
    cell_of(notebook, "verify_greedy")["metadata"]["nbgrader"] = ["no", "object"]
    notebook["metadata"] = "nothing"
    del notebook["cells"][3]["metadata"]


def without_ids(notebook):
    for cell in notebook["cells"]:
        del cell["id"]


def other_kernel(notebook):
    notebook["metadata"]["kernelspec"] = {"name": "julia-1.9", "display_name": "Julia"}


def version_3(notebook):
    cells = [
        {"cell_type": "code", "input": c["source"], "metadata": c["metadata"], "outputs": [], "language": "python"}
        if c["cell_type"] == "code"
        else {"cell_type": "markdown", "source": c["source"], "metadata": {}}
        for c in notebook["cells"]
    ]
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}


def byte_order_mark(notebook):
    return b"\xef\xbb\xbf" + json.dumps(notebook).encode()


def utf_16(notebook):
    return json.dumps(notebook, ensure_ascii=False).encode("utf-16")


def windows(notebook):
    return json.dumps(notebook, indent=1).replace("\n", "\r\n").replace("\\n", "\\r\\n").encode()


def marks_of_direction(notebook):
    cell = cell_of(notebook, "verify_greedy")
    cell["source"] = "\u200f\u202b" + "".join(cell["source"]).replace("    ", "\u00a0\u00a0\u00a0\u00a0")


def emoji(notebook):
    cell = cell_of(notebook, "verify_greedy")
    cell["source"] = (
        "# \U0001f600 \u202eabc\u202c\n" + "".join(cell["source"]) + "\nlast = '\U0001f468\u200d\U0001f469'"
    )


def conflict(mine, theirs):
    lines = json.dumps(SOLVED, indent=1).split("\n")
    at = next(i for i, line in enumerate(lines) if "execution_count" in line)
    mine, theirs = ([line if line is not None else lines[at]] for line in (mine, theirs))
    lines[at : at + 1] = ["<<<<<<< HEAD", *mine, "||||||| base", "nothing", "=======", *theirs, ">>>>>>> other"]
    return "\n".join(lines).encode()


def conflict_in_a_cell(notebook):
    cell = cell_of(notebook, "verify_greedy")
    cell["source"] = ["<<<<<<< HEAD\n", *cell["source"], "\n=======\n", "def verify_greedy(:\n", ">>>>>>> other"]


def without_setup(notebook):
    del notebook["cells"][1]


def colab(notebook):
    answer = cell_of(notebook, "verify_greedy")
    answer["source"] = "%%time\n" + "".join(answer["source"])
    notebook["cells"].insert(
        2,
        code(
            "from google.colab import drive, files\ndrive.mount('/content/drive')\nup = files.upload()\n"
            "!pip install \\\n   torch\n%cd /content\nif up is not None:\n    %matplotlib inline\nlisting = !ls\n"
            "folder = %pwd\ntorch.tensor?\n%timeit 1 + 1\n%time reached = 1\n"
        ),
    )
    notebook["cells"].insert(3, code("%%bash\nrm -rf /"))


def downloaded_from_colab(notebook):
    """File > Download .ipynb: nbformat 4.0, a cell's id among its metadata, outputs, what Colab notes beside them."""
    notebook |= {"nbformat": 4, "nbformat_minor": 0}
    notebook["metadata"] = {
        "accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3", "name": "python3"}, "language_info": {"name": "python"},
    }  # fmt: skip
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"] |= {"id": cell.pop("id", None) or f"xY_{number}zQ7kR"}
        if cell["cell_type"] == "code":
            address = {"base_uri": "https://localhost:8080/", "height": 35}
            shown = {"application/vnd.google.colaboratory.intrinsic+json": {"type": "string"}, "text/plain": ["'x'"]}
            result = {"data": shown, "execution_count": number, "metadata": {}, "output_type": "execute_result"}
            cell["metadata"] |= {"colab": address, "outputId": f"a1b2-{number}"}
            cell |= {"execution_count": number, "outputs": [result]}
    answer = cell_of(notebook, "verify_greedy")
    answer["metadata"].pop("outputId")
    answer["source"] = [f"{line}\n" for line in "".join(answer["source"]).split("\n")]


def gpu(notebook):
    cell = cell_of(notebook, "verify_greedy")
    cell["source"] = "def move(x):\n    return x.to('cuda:0')\n\n\n" + "".join(cell["source"])


def hints_opened(notebook):
    for name in NAMES:
        at = place_of(notebook, name) + 1
        notebook["cells"][at]["source"] = f"check({name})\nhint({name})\nhint({name}, 2)"


def nothing(notebook):
    return notebook


DAMAGES = {
    "nothing": (nothing, ALL, []),
    "metadata stripped": (stripped, ALL, ["had lost its mark"] * 5),
    "tests deleted": (without_tests, ALL, ["was missing; it was judged after its answer"] * 5),
    "answer cell doubled": (doubled_answer, ALL, []),
    "answer cell doubled, then an empty one": (doubled_then_emptied, ALL, []),
    "test cell doubled": (doubled_test, ALL, ["test cell of verify_greedy is there 2 times; the first one counts"]),
    "test cell changed": (changed_test, ALL, ["test cell of verify_greedy was changed"]),
    "test cell moved up": (moved_test, ALL, ["stands before its answer"]),
    "names reused below": (reused_below, ALL, []),
    "helpers in own cells": (split_answer, ALL, []),
    "answer in another cell": (in_another_cell, ALL, []),
    "answer and test merged": (answer_cell_merged_with_its_test, ALL, ["test cell of tokens_per_call was missing"]),
    "answer is a markdown cell": (turned_into("markdown"), ALL, ["verify_greedy stood in a markdown cell (cell 14)"]),
    "answer is a raw cell": (turned_into("raw"), ALL, ["verify_greedy stood in a raw cell (cell 14)"]),
    "answer in the test cell": (stub_in_code_and_answer_in_test, ALL, ["was changed", "stood in its test cell"]),
    "source as lines": (as_lines, ALL, []),
    "source as text": (as_text, ALL, []),
    "odd metadata": (with_odd_metadata, ALL, []),
    "no cell ids": (without_ids, ALL, []),
    "another kernel": (other_kernel, ALL, ["`julia-1.9`"]),
    "nbformat 3": (version_3, ALL, ["old format nbformat 3"]),
    "byte-order mark": (byte_order_mark, ALL, []),
    "UTF-16": (utf_16, ALL, ["UTF-16"]),
    "Windows line ends": (windows, ALL, []),
    "marks of direction": (marks_of_direction, ALL, ["Cell 14: invisible characters"]),
    "emoji": (emoji, ALL, []),
    "merge conflict, mine is whole": (lambda _: conflict(None, "}"), ALL, ["its upper side (`HEAD`) was graded"]),
    "merge conflict, theirs is whole": (lambda _: conflict("}", None), ALL, ["its lower side (`other`) was graded"]),
    "merge conflict in a cell": (conflict_in_a_cell, ALL, ["Cell 14: there is an unresolved merge conflict"]),
    "setup deleted": (without_setup, ALL, ["Imports of the course's first cell were missing"]),
    "downloaded from Colab": (downloaded_from_colab, ALL, []),
    "gpu": (gpu, ALL, ["Cell 14: it asks for a GPU"]),
    "hints opened": (hints_opened, ALL, []),
    "Colab": (
        colab,
        ALL,
        [
            "Cell 3: `!pip install     torch` was left out: nothing is installed in grading.",
            "Cell 3: `%cd /content` was left out.",
            "Cell 3: `%matplotlib inline` was left out.",
            "Cell 3: `!ls` was left out: no shell commands are run in grading.",
            "Cell 3: `%pwd` was left out.",
            "Cell 3: a question to IPython (`?`) was left out.",
            "Cell 3: `%timeit 1 + 1` was left out.",
            "Cell 3: `%time` was left out of `%time reached = 1`",
            "Cell 3: `google.colab` is not there in grading",
            "Cell 4: `%%bash`: cells like this are not run",
            "Cell 16: `%%time` was left out; the rest of the cell was run.",
        ],
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_notebook_is_judged_in_full_and_every_recovery_is_told(name, tmp_path):
    change, expected, told = DAMAGES[name]
    found = hand_in(tmp_path, changed(change))
    assert found.problem is None
    assert sorted(judged(found)) == sorted(NAMES)
    assert right(run(found)) == expected
    remarks = list(found.remarks)
    for text in told:
        hit = next((remark for remark in remarks if text in remark), None)
        assert hit, (text, found.remarks)
        remarks.remove(hit)
    if not told:
        assert not [r for r in remarks if "damaged" not in r]


def test_what_stands_around_colab_lines_runs_and_keeps_its_line(tmp_path, monkeypatch):
    inert = types.SimpleNamespace(mount=lambda *_: None, upload=lambda: {})
    google, module = types.ModuleType("google"), types.ModuleType("google.colab")
    module.drive = module.files = inert
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", module)
    found = hand_in(tmp_path, changed(colab))
    source = next(step.source for step in found.steps if step.cell == 2)
    space = {"torch": torch}
    exec(source, space)
    assert (space["reached"], space["listing"], space["folder"], space["up"]) == (1, [], None, {})
    assert source.split("\n")[12] == "reached = 1" and "get_ipython" not in source
    assert not [step for step in found.steps if "rm -rf" in step.source]
    answer = next(step for step in found.steps if step.cell == 15)
    assert answer.source.startswith("\ndef verify_greedy"), (
        "the line of the magic is empty now, the others have moved nowhere"
    )


def test_a_helper_module_written_by_a_cell_magic_is_written_where_the_code_runs(tmp_path, monkeypatch):
    plain = plain_python("%%writefile my_helper.py\ndef f():\n    return '%magic'")
    monkeypatch.chdir(tmp_path)
    exec(plain.source, {})
    assert (tmp_path / "my_helper.py").read_text() == "def f():\n    return '%magic'\n"


def test_a_test_cell_is_never_run_and_own_cells_after_the_last_judgement_are_not(tmp_path):
    notebook = copy.deepcopy(SOLVED)
    cell_of(notebook, "grade_acceptance_rate")["source"] = "never = 1"
    notebook["cells"].append(code("useless = 1"))
    text = "".join(step.source for step in hand_in(tmp_path, notebook).steps)
    assert "never" not in text and "useless" not in text


def test_a_demonstration_runs_only_when_an_own_cell_needs_a_name_from_it(tmp_path):
    notebook = copy.deepcopy(SOLVED)
    notebook["cells"].insert(place_of(notebook, "tokens_per_call"), code("mine = len(LETTERS) + len(done.rounds)"))
    found = hand_in(tmp_path, notebook)
    firsts = [step.source.split("\n")[0] for step in found.steps if step.role == "provided"]
    assert firsts[1:] == [
        "# The alphabet model, and what each of its rows says.",
        "def forgetful(ids, k):",
        "loop = yours(generate_speculative)",
    ]


def test_an_answer_with_a_syntax_error_is_still_the_answer(tmp_path):
    notebook = copy.deepcopy(SOLVED)
    stripped(notebook)
    at = place_of(SOLVED, "verify_greedy")
    notebook["cells"][at]["source"] = "def verify_greedy(draft, logits):\n    return ((\n"
    found = hand_in(tmp_path, notebook)
    step = next(step for step in found.steps if step.cell == at)
    assert step.role == "answer" and "verify_greedy" in found.answers
    assert right(run(found)) == ALL - {"verify_greedy"}


def test_an_exercise_that_is_nowhere_is_judged_last_and_told(tmp_path):
    notebook = copy.deepcopy(SOLVED)
    del notebook["cells"][place_of(notebook, "accepted_length") : place_of(notebook, "grade_accepted_length") + 1]
    found = hand_in(tmp_path, notebook)
    assert judged(found)[-1] == "accepted_length" and found.steps[-1].cell == -1
    assert "No cell of accepted_length was found in the notebook." in found.remarks
    assert "accepted_length" not in found.answers


def test_an_answer_below_its_test_cell_is_judged_there_when_the_template_stands_above(tmp_path):
    notebook = copy.deepcopy(SOLVED)
    answer = cell_of(notebook, "verify_greedy")["source"]
    at = place_of(notebook, "verify_greedy")
    notebook["cells"][at] = copy.deepcopy(cell_of(EMPTY, "verify_greedy"))
    notebook["cells"].insert(at + 3, code(answer))
    found = hand_in(tmp_path, notebook)
    assert any("verify_greedy is written below its test cell (in cell 17)" in remark for remark in found.remarks)
    assert right(run(found)) == ALL


def scripts():
    cells = [("".join(c["source"]), c["cell_type"]) for c in SOLVED["cells"]]
    percent = ["# %%\n" + s if kind == "code" else "# %% [markdown]\n# text" for s, kind in cells]
    export = [f"# In[{i}]:\n\n\n{s}" for i, (s, kind) in enumerate(cells) if kind == "code"]
    export = [
        s.replace('%pip install -q {wheel}', "get_ipython().run_line_magic('pip', 'install -q x')")
        for s in export
    ]
    plain = [s for s, kind in cells[:35] if kind == "code" and "%pip" not in s and "yours(" not in s]
    return {"percent": percent, "export": ["#!/usr/bin/env python\n# coding: utf-8", *export], "no marks": plain}


@pytest.mark.parametrize("kind", ["percent", "export"])
def test_a_script_is_recovered_cell_by_cell(kind, tmp_path):
    found = hand_in(tmp_path, "\n\n\n".join(scripts()[kind]).encode(), "my answers.py")
    assert found.problem is None and sorted(judged(found)) == sorted(NAMES)
    assert right(run(found)) == ALL
    assert any("Python script" in remark for remark in found.remarks)


def steps_of(cells, provided):
    """The steps of a course with one exercise, `goal`; `provided` are texts of cells that were given out."""
    release = Release(("goal",), {"goal": "stub"}, {"goal": "grade(goal)"}, frozenset(provided), (), frozenset())
    marked = [Cell(text, grade_id="goal" if text.startswith("def goal") else None) for text in cells]
    steps, _, _ = plan([*marked, Cell("grade(goal)", grade_id="grade_goal")], release)
    return [step.source for step in steps if step.role != "judge"]


@pytest.mark.parametrize(
    "cells, runs",
    [
        (["k = 1", "k = 2", "def goal(): return k"], [1, 2]),  # overwritten for certain
        (["k = 1", "if k: k = 2", "def goal(): return k"], [0, 1, 2]),  # perhaps overwritten
        (["k = 1", "k: int", "def goal(): return k"], [0, 1, 2]),
        (["k = 1", "del k", "def goal(): return k"], [0, 1, 2]),
        (["def goal(): return 1", "goal = print(goal)"], [0, 1]),  # a provided cell sets the name that is judged
        (["import torch", "torch.manual_seed(1)", "def goal(): return torch"], [0, 2]),
        (["x = []", "x.append(1)", "y = 1", "def goal(): return x"], [0, 1, 3]),
    ],
)
def test_provided_cells_run_as_far_as_they_are_needed(cells, runs):
    assert steps_of(cells, {text for text in cells if not text.startswith("def")}) == [cells[i] for i in runs]


def test_a_name_that_the_student_may_have_set_is_not_taken_for_set():
    cells = ["k = 1", "if k: k = 2", "def goal(): return k"]
    assert steps_of(cells, {"k = 1"}) == cells


def test_an_empty_template_below_the_answer_costs_nothing_when_there_is_no_test_cell(tmp_path):
    def change(notebook):
        doubled_then_emptied(notebook)
        del notebook["cells"][place_of(notebook, "grade_verify_greedy")]

    assert right(run(hand_in(tmp_path, changed(change)))) == ALL


def test_code_written_into_a_copy_of_a_test_cell_is_run_and_the_unchanged_copy_is_the_test(tmp_path):
    def change(notebook):
        split_answer(notebook)
        at = place_of(notebook, "tokens_per_call") - 1
        copied = copy.deepcopy(cell_of(notebook, "grade_tokens_per_call"))
        notebook["cells"][at] = copied | {"source": notebook["cells"][at]["source"]}

    found = hand_in(tmp_path, changed(change))
    assert right(run(found)) == ALL and sorted(found.answers) == sorted(NAMES)


def test_answers_are_told_apart_by_what_they_define_when_their_marks_were_exchanged(tmp_path):
    def change(notebook):
        cells = [cell_of(notebook, name) for name in ("tokens_per_call", "acceptance_rate")]
        cells[0]["metadata"], cells[1]["metadata"] = cells[1]["metadata"], cells[0]["metadata"]

    found = hand_in(tmp_path, changed(change))
    assert right(run(found)) == ALL
    assert found.answers == hand_in(tmp_path, SOLVED).answers


def test_an_answer_without_def_is_an_answer(tmp_path):
    def change(notebook):
        cell = cell_of(notebook, "tokens_per_call")
        cell["source"] = "tokens_per_call = lambda rounds: sum(r.emitted for r in rounds) / len(rounds)"

    found = hand_in(tmp_path, changed(change))
    assert right(run(found)) == ALL and "lambda" in found.answers["tokens_per_call"]


def test_an_import_added_to_the_setup_brings_no_remark_on_the_courses_own_lines(tmp_path):
    def change(notebook):
        notebook["cells"][1]["source"] = "".join(notebook["cells"][1]["source"]) + "\nimport math"

    found = hand_in(tmp_path, changed(change))
    assert found.steps[0].role == "own" and found.remarks == ()


@pytest.mark.parametrize(
    "source, expected",
    [
        ("ü = 'ä'; x = get_ipython().getoutput('ls'); y = 'ö'", "ü = 'ä'; x = []; y = 'ö'"),
        ("text = 'äöü€'\nx = !ls\ny = 1", "text = 'äöü€'\nx = []\ny = 1"),
        ("get_ipython().system(get_ipython().getoutput('ls'))", "None"),
        ("\n\n\n%cd x\ny = 1", "\n\n\nNone\ny = 1"),
        ("if 1:\n    !ls -l\nelse:\n    %cd x", "if 1:\n    None\nelse:\n    None"),
        ("  x = 1\n  y = 2", "x = 1\ny = 2"),
        (">>> x = 1\n>>> y = 2", "x = 1\ny = 2"),
        ("text = '''\n%cd x\n!ls\n'''", "text = '''\n%cd x\n!ls\n'''"),
        ("%%time\n%cd x\ny = 1", "\nNone\ny = 1"),
        ("%%capture out\ny = 1", "\ny = 1"),
        ("%%html\n<script>", "None"),
        ("x = %time 3 + 4", "x = 3 + 4"),
        ("%time !ls", "None"),
        (
            "import importlib.util\nif importlib.util.find_spec('a') is None:\n    !pip install a",
            "import importlib.util\nif False:\n    None",
        ),
    ],
)
def test_what_becomes_of_lines_that_are_not_python(source, expected):
    assert plain_python(source).source == expected


def test_a_notebook_made_to_cost_time_is_run_as_it_is():
    cells = [Cell("%a 'x\n" * 50) for _ in range(300)] + [Cell("def goal(): return 1")]
    release = Release(("goal",), {"goal": ""}, {"goal": ""}, frozenset(), (), frozenset())
    sources = [step.source for step in plan(cells, release)[0]]
    assert sources[0].startswith("None") and sources[299].startswith("%a")
    assert sources[300].startswith("def goal")


# ---------------------------------------------------------------- files that cannot be read


BROKEN = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\t\n", "is empty"),
    "no JSON": (b"hello", "begins with {"),
    "a web page": (b"<!DOCTYPE html><html></html>", "a web page"),
    "a zip": (b"PK\x03\x04....", "a zip archive"),
    "no notebook": (b'{"a": 1}', 'no notebook: expected an object with a list of "cells"'),
    "a list": (b"[1, 2]", "expected an object"),
    "cells are no list": (b'{"cells": 5, "nbformat": 4}', "are no list"),
    "deep": (b'{"cells": ' + b"[" * 200_000, "nested far too deeply"),
    "trailing comma": (b'{\n "cells": [\n  1,\n ]\n}', "at line 4, column 2: there is a comma before the `]`"),
    "truncated": (json.dumps(SOLVED, indent=1).encode()[:20_000], "it was cut off"),
    "no comma": (b'{\n "cells": [] "nbformat": 4\n}', "is broken JSON at line 2, column 14"),
    "conflict": (b'{\n<<<<<<< a\n"cells" [],\n=======\n"cells"\n>>>>>>> b\n"nbformat": 4}', "`<<<<<<<` in line 2"),
    "too many cells": (json.dumps({"cells": [{}] * 3000}).encode(), "at most 1000"),
    "much text": (json.dumps({"cells": [{"source": "x" * 9_000_000}]}).encode(), "even without its outputs"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_said_precisely(name, tmp_path):
    data, told = BROKEN[name]
    found = hand_in(tmp_path, data)
    assert told in found.problem and found.problem.startswith(f"{UNIT}.ipynb "), found.problem
    assert (found.steps, found.answers) == ((), {})
    assert found.key == hashlib.sha256(data).hexdigest()


@pytest.mark.slow
def test_forty_megabytes_of_output_cost_no_marks(tmp_path):
    notebook = copy.deepcopy(SOLVED)
    lines = [f'line {i} [{{}}] \\ " of a very long output of some tensor\n' for i in range(400_000)]
    notebook["cells"][5]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}]
    notebook["cells"][8]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 20_000_000}]
    found = hand_in(tmp_path, json.dumps(notebook, indent=1).encode())
    assert (tmp_path / f"{UNIT}.ipynb").stat().st_size > 40_000_000
    assert right(run(found)) == ALL and found.remarks == ()


# ---------------------------------------------------------------- folders that are not to be trusted


@pytest.mark.parametrize(
    "name",
    [
        f"{UNIT} (1).ipynb",
        f"copy of {UNIT}.ipynb",
        "Untitled3.ipynb",
        f"work/deep/{UNIT}.ipynb",
        f"{UNIT}.ipynb.txt",
        "a\nb.ipynb",
        "x" * 249 + ".ipynb",
        "\u202e\U0001f600.ipynb",
        f"{UNIT}.IPYNB",
        f".ipynb_checkpoints/{UNIT}-checkpoint.ipynb",
    ],
)
def test_a_renamed_notebook_is_found_and_its_name_can_be_printed(name, tmp_path):
    found = hand_in(tmp_path, SOLVED, name)
    assert right(run(found)) == ALL
    assert len(found.remarks) == 1 and found.remarks[0].isprintable() and "was found as" in found.remarks[0]


@pytest.mark.parametrize("exact", [EMPTY, b"", b"{", {"cells": [], "nbformat": 4}])
def test_another_notebook_is_taken_when_the_exact_one_is_empty_or_broken(exact, tmp_path):
    hand_in(tmp_path, SOLVED, f"{UNIT} (1).ipynb")
    found = hand_in(tmp_path, exact)
    assert right(run(found)) == ALL
    assert f"{UNIT} (1).ipynb was graded instead" in found.remarks[0]


def test_the_one_with_most_answers_is_taken_whatever_its_age(tmp_path):
    hand_in(tmp_path, EMPTY, "b.ipynb")
    hand_in(tmp_path, SOLVED, "c.ipynb")
    os.utime(tmp_path / "c.ipynb", (0, 0))
    found = hand_in(tmp_path, EMPTY, "d.ipynb")
    assert right(run(found)) == ALL and "Of 3 versions, c.ipynb was graded" in found.remarks[1]


def test_a_notebook_of_another_unit_is_none(tmp_path):
    path = ROOT / "solutions" / "01_forward_latency" / "01_forward_latency.ipynb"
    found = hand_in(tmp_path, path.read_bytes(), "01.ipynb")
    assert "There is no notebook of this unit" in found.problem and "01.ipynb" in found.problem


def test_links_pipes_and_devices_are_not_opened_and_the_folder_is_not_left(tmp_path):
    other, own = tmp_path / "bob" / UNIT, tmp_path / "ann" / UNIT
    hand_in(other, SOLVED)
    own.mkdir(parents=True)
    (own / f"{UNIT}.ipynb").symlink_to(other / f"{UNIT}.ipynb")
    (own / "passwd.ipynb").symlink_to("/etc/passwd")
    (own / "loop").symlink_to(own)
    (own / "all").symlink_to(other)
    os.mkfifo(own / "pipe.ipynb")
    (own / "json.py").write_text("raise SystemExit('imported')")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(own / "s.ipynb"))
        found = read(own)
    assert found.problem.startswith(f"{UNIT}.ipynb is a link or a device")
    assert found.steps == ()


def test_beside_a_link_the_real_file_is_taken_and_the_link_told(tmp_path):
    (tmp_path / f"{UNIT}.ipynb").symlink_to("/etc/passwd")
    found = hand_in(tmp_path, SOLVED, "mine.ipynb")
    assert right(run(found)) == ALL
    assert f"not followed: {UNIT}.ipynb" in found.remarks[0]


def test_a_file_that_is_exchanged_for_a_link_after_the_look_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "real").write_text("x")
    (tmp_path / "n.ipynb").symlink_to(tmp_path / "real")
    regular = os.stat(tmp_path / "real")
    monkeypatch.setattr(files.os, "stat", lambda *_, **__: regular)
    with pytest.raises(ValueError, match="cannot be opened"):
        files.read(tmp_path, "n.ipynb")


def test_a_folder_that_is_a_link_or_missing_is_a_problem_not_an_error(tmp_path):
    hand_in(tmp_path / "bob", SOLVED)
    (tmp_path / "ann").symlink_to(tmp_path / "bob")
    assert "the folder is a link" in read(tmp_path / "ann").problem
    assert "No such file" in read(tmp_path / "carl").problem
    (tmp_path / "empty").mkdir()
    assert "in the folder: nothing" in read(tmp_path / "empty").problem


def test_a_file_of_a_terabyte_is_refused_without_being_read(tmp_path):
    path = tmp_path / f"{UNIT}.ipynb"
    path.touch()
    os.truncate(path, 10**12)
    assert "Clear the outputs" in read(tmp_path).problem


def test_a_device_file_is_not_read(tmp_path):
    try:
        os.mknod(tmp_path / f"{UNIT}.ipynb", 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero has no end
    except PermissionError:
        pytest.skip("only root makes device files")
    assert "is a link or a device" in read(tmp_path).problem


def test_a_folder_with_thousands_of_files_is_looked_at_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_ENTRIES", 50)
    for number in range(80):
        (tmp_path / f"{number}.txt").touch()
    names, odd = files.look(tmp_path)
    assert len(names) == 50 and odd == []


def test_the_key_follows_the_bytes_of_the_file_that_was_taken(tmp_path):
    first = hand_in(tmp_path, SOLVED)
    (tmp_path / "beside.txt").write_text("anything")
    assert read(tmp_path).key == first.key
    assert hand_in(tmp_path, EMPTY).key != first.key


def test_a_release_that_is_none_is_the_instructors_mistake(tmp_path):
    with pytest.raises(ValueError, match="release notebook"):
        read_submission(tmp_path, UNIT, tmp_path / "none.ipynb")
    (tmp_path / "r.ipynb").write_text('{"cells": [], "nbformat": 4}')
    with pytest.raises(ValueError, match="no release notebook"):
        read_submission(tmp_path, UNIT, tmp_path / "r.ipynb")
