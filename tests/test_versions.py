"""Which version of a student's work counts: it is asked what is answered in each, of files and sides of a conflict."""

import copy
import json
import shutil
import subprocess

import pytest
from test_recover import ALL, EMPTY, NAMES, SOLVED, UNIT, cell_of, code, hand_in, place_of, right, run

from specdec_course.grading.recover.blank import is_blank, reached, written_names
from specdec_course.grading.recover.code import plain_python


def with_answers(*names, base=EMPTY):
    """The release with the course's answers to some exercises."""
    notebook = copy.deepcopy(base)
    for name in names:
        notebook["cells"][place_of(notebook, name)]["source"] = copy.deepcopy(cell_of(SOLVED, name)["source"])
    return notebook


# ---------------------------------------------------------------- merge conflicts, as git writes them

LABELS = {  # command -> what git writes above and below
    "merge": ("HEAD", "origin/main"), "pull --rebase": ("3f2a1bc (unit 3)", "my answers"),
    "stash pop": ("Updated upstream", "Stashed changes"), "rebase": ("HEAD", "parent of 1a2b3c (template)"),
}  # fmt: skip


def conflict(upper, lower, labels, style, folder, base=EMPTY):
    """What git leaves in a file that was changed on both sides."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    paths = []
    for name, notebook in (("upper", upper), ("base", base), ("lower", lower)):
        paths.append(folder / name)
        paths[-1].write_text(json.dumps(notebook, indent=1) + "\n")
    words = ["git", "merge-file", "-p", *(["--diff3"] if style == "diff3" else []),
             "-L", labels[0], "-L", "base", "-L", labels[1], *map(str, paths)]  # fmt: skip
    done = subprocess.run(words, capture_output=True)
    assert done.stdout.count(b"<<<<<<<") >= 1
    return done.stdout


def touched(notebook, word):
    """The same lines changed in every notebook, templates too, so that there is a conflict in every cell."""
    changed = copy.deepcopy(notebook)
    for cell in changed["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = word
            cell["source"] = "".join(cell["source"]).replace("# YOUR CODE HERE", f"# YOUR CODE GOES HERE ({word})")
    return changed


@pytest.mark.parametrize("style", ["merge", "diff3"])
@pytest.mark.parametrize("fuller", ["upper", "lower"])
@pytest.mark.parametrize("command", LABELS)
def test_of_a_conflict_the_side_with_more_answers_is_taken(command, fuller, style, tmp_path):
    sides = [touched(SOLVED, 1), touched(with_answers("tokens_per_call"), 2)]
    upper, lower = sides if fuller == "upper" else reversed(sides)
    found = hand_in(tmp_path / "in", conflict(upper, lower, LABELS[command], style, tmp_path))
    assert right(run(found)) == ALL and sorted(found.answers) == sorted(NAMES)
    label = LABELS[command][fuller == "lower"]
    assert any(f"its {fuller} side (`{label}`) was graded" in remark for remark in found.remarks), found.remarks
    assert any("exercises answered in it: 5 of 5" in remark for remark in found.remarks)


@pytest.mark.parametrize("style", ["merge", "diff3"])
@pytest.mark.parametrize("swapped", [False, True])
def test_where_each_side_answers_what_the_other_leaves_open_both_count(swapped, style, tmp_path):
    one = touched(with_answers("accepted_length", "verify_greedy", "generate_speculative"), 1)
    two = touched(with_answers("tokens_per_call", "acceptance_rate"), 2)
    upper, lower = (two, one) if swapped else (one, two)
    found = hand_in(tmp_path / "in", conflict(upper, lower, LABELS["merge"], style, tmp_path))
    assert right(run(found)) == ALL and any("put together" in remark for remark in found.remarks)


@pytest.mark.parametrize("left", ["=======\n{}>>>>>>> b", "{}>>>>>>> b", "||||||| base\n=======\n{}>>>>>>> b"])
def test_marks_that_were_left_over_in_the_file_or_a_cell_cost_nothing(left, tmp_path):
    lines = json.dumps(SOLVED, indent=1).split("\n")
    lines[30:31] = left.format(lines[30] + "\n").split("\n")
    assert right(run(hand_in(tmp_path / "file", "\n".join(lines).encode()))) == ALL
    notebook = copy.deepcopy(SOLVED)
    cell = cell_of(notebook, "verify_greedy")
    cell["source"] = left.format("".join(cell["source"]) + "\n")
    found = hand_in(tmp_path / "cell", notebook)
    assert right(run(found)) == ALL and any("unresolved merge conflict" in remark for remark in found.remarks)


def test_in_a_script_too(tmp_path):
    upper, lower = "def verify_greedy(draft, logits):\n    pass\n", "".join(cell_of(SOLVED, "verify_greedy")["source"])
    text = f"# %%\nimport torch\n<<<<<<< HEAD\n# %%\n{upper}\n=======\n# %%\n{lower}\n>>>>>>> b\n"
    found = hand_in(tmp_path, text.encode(), "mine.py")
    assert list(found.answers) == ["verify_greedy"]


# ---------------------------------------------------------------- several files

COPIES = [f"{UNIT}__20261128173250.ipynb", f"{UNIT} (1).ipynb", f"Copy of {UNIT}.ipynb", f"{UNIT}-Copy1.ipynb",
          f"{UNIT}.ipynb.txt", "final.ipynb", f"backup/{UNIT}.ipynb",
          f"{UNIT}.ipynb.bak", f"{UNIT}.ipynb~", f"{UNIT}.ipynb (1)", f"{UNIT}.ipynb.orig", f"{UNIT}.py"]  # fmt: skip


def as_script(notebook):
    return "\n".join(
        ("# %%\n" if c["cell_type"] == "code" else "# %% [markdown]\n# ") + "".join(c["source"]).split("\n# %%")[0]
        for c in notebook["cells"] if c["cell_type"] == "code"
    ).encode()


@pytest.mark.parametrize("name", COPIES)
def test_a_fuller_copy_beside_the_exact_name_is_taken_and_it_is_said(name, tmp_path):
    hand_in(tmp_path, as_script(SOLVED) if name.endswith(".py") else SOLVED, name)
    found = hand_in(tmp_path, with_answers("tokens_per_call"))
    assert right(run(found)) == ALL
    assert any(f"Of 2 versions, {name} was graded" in remark and f"Left aside: {UNIT}.ipynb: 1" in remark
               for remark in found.remarks), found.remarks


@pytest.mark.parametrize("name", COPIES[:6])
def test_the_exact_name_is_taken_where_a_copy_answers_less(name, tmp_path):
    hand_in(tmp_path, with_answers("tokens_per_call"), name)
    found = hand_in(tmp_path, SOLVED)
    assert right(run(found)) == ALL and found.title == f"{UNIT}.ipynb" and found.others == ()


def test_a_version_that_answers_something_else_is_judged_too(tmp_path):
    hand_in(tmp_path, with_answers("accepted_length", "verify_greedy"), "a.ipynb")
    found = hand_in(tmp_path, with_answers("tokens_per_call"))
    assert found.title == "a.ipynb" and [one.title for one in found.others] == [f"{UNIT}.ipynb"]
    assert len({found.key, found.file, found.others[0].file}) == 3 and found.others[0].key == found.key


def test_no_more_than_three_versions_are_judged_and_the_same_bytes_once(tmp_path):
    for number in range(8):
        notebook = with_answers("tokens_per_call")
        cell_of(notebook, "tokens_per_call")["source"] = f"def tokens_per_call(rounds):\n    return {number % 5 + 2}"
        hand_in(tmp_path, notebook, f"{number}.ipynb")
    found = hand_in(tmp_path, SOLVED)
    assert len(found.others) == 2 and len({one.file for one in (found, *found.others)}) == 3


def test_an_older_copy_with_the_same_answers_is_not_judged(tmp_path):
    hand_in(tmp_path, with_answers("tokens_per_call", "verify_greedy"), "a.ipynb")
    assert hand_in(tmp_path, SOLVED).others == ()


def test_a_checkpoint_counts_only_where_it_holds_more(tmp_path):
    checkpoint = f".ipynb_checkpoints/{UNIT}-checkpoint.ipynb"
    hand_in(tmp_path, SOLVED, checkpoint)
    found = hand_in(tmp_path, with_answers("tokens_per_call"))
    assert right(run(found)) == ALL and "checkpoint" in found.title
    wrong = with_answers(*NAMES)
    cell_of(wrong, "verify_greedy")["source"] = "def verify_greedy(draft, logits):\n    return draft"
    found = hand_in(tmp_path, wrong)
    assert found.title == f"{UNIT}.ipynb" and found.others == ()


def test_what_lies_beside_and_is_not_used_is_said(tmp_path):
    (tmp_path / "helper.py").write_text("def f():\n    return 1\n")
    (tmp_path / "notes.ipynb").write_text('{"cells": [], "nbformat": 4}')
    (tmp_path / "broken.ipynb").write_text("{")
    remarks = "\n".join(hand_in(tmp_path, SOLVED).remarks)
    assert "helper.py beside the notebook: not used" in remarks and "copy into a cell" in remarks
    assert "notes.ipynb was left aside: it is no notebook of this unit" in remarks
    assert "broken.ipynb was left aside: it ends in the middle" in remarks


# ---------------------------------------------------------------- templates

TEMPLATES = {
    "ours": '# YOUR CODE HERE\n    raise NotImplementedError("not attempted yet")',
    "nbgrader's": "# YOUR CODE HERE\n    raise NotImplementedError()", "another": "# YOUR CODE GOES HERE",
    "an older text": '"""An older docstring."""\n    # YOUR CODE HERE\n    raise NotImplementedError',
    "pass": "pass", "dots": "...", "return None": "return None  # TODO", "return": "return",
    "begin and end": "### BEGIN SOLUTION\n    ### END SOLUTION\n    pass",
    "a name": "result = None  # your code\n    return None",
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_of_any_release_is_no_answer_and_a_solved_copy_counts(name, tmp_path):
    templates = copy.deepcopy(EMPTY)
    for exercise in NAMES:
        head = "".join(cell_of(EMPTY, exercise)["source"]).split("\n")[0]
        cell_of(templates, exercise)["source"] = f"{head}\n    {TEMPLATES[name]}"
        assert is_blank(f"{head}\n    {TEMPLATES[name]}")
    hand_in(tmp_path, with_answers("tokens_per_call"), "mine.ipynb")
    found = hand_in(tmp_path, templates)
    assert right(run(found)) == {"tokens_per_call"} and found.title == "mine.ipynb"
    both = copy.deepcopy(templates)
    for exercise in NAMES:  # a solved copy of each cell above its template
        both["cells"].insert(place_of(both, exercise), code(cell_of(SOLVED, exercise)["source"]))
    assert right(run(hand_in(tmp_path / "both", both))) == ALL


@pytest.mark.parametrize(
    "source",
    ["def f(x):\n    return 1", "def f(x):\n    x.append(1)", "f = lambda: 0", "x = 0", "def f(x:\n    return 1",
     "class A:\n    def m(self):\n        return 2", "def f(): return 0",
     "def f(x):\n    if x:\n        raise NotImplementedError\n    return 0"],
)  # fmt: skip
def test_what_somebody_wrote_is_no_template(source):
    assert not is_blank(source)


def test_in_a_cell_of_several_exercises_each_is_looked_at_alone():
    text = "def a():\n    pass\ndef b():\n    return 1\nclass C:\n    def m(self):\n        raise NotImplementedError\n"
    assert written_names(text, frozenset("abC")) == {"b"}


def test_a_raise_left_above_code_goes_and_any_other_stays():
    text = "def f(x):\n    '''Doc.'''\n    raise NotImplementedError('not attempted yet')\n    return x\n"
    plain = reached(plain_python(text))
    assert "pass\n    return x" in plain.source and "code of f" in plain.notes[0]
    for same in ("def f(x):\n    raise NotImplementedError\n",
                 "def f(x):\n    return x\n    raise NotImplementedError\n",
                 "def f(x):\n    if x:\n        raise NotImplementedError\n    return 1\n"):  # fmt: skip
        assert reached(plain_python(same)).source == same
