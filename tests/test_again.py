"""No honest work is lost to a matter of form: what is judged twice, and which judgement counts."""

import nbformat
import pytest

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from boxed import house
from honest import ROOT, UNITS, Variant, in_a_notebook, notebook_of, right

from specdec_course import checks
from specdec_course.checks import follow
from specdec_course.checks.exercise import NOT_ATTEMPTED, RIGHT, WRONG, Report
from specdec_course.grading.again import compared
from specdec_course.grading.judge import grade_submission
from specdec_course.grading.recover import Submission

SECRET = b"the same questions each time"
UNIT = UNITS["03"]
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def open_house():
    with house() as opened:
        yield opened


def notebook(number, own=(), **texts):
    return notebook_of(Variant("", UNITS[number], texts, tuple(own)))


def without(number, name):
    """The course's own answers but one."""
    return {other: text for other, text in right(number).items() if other != name}


def graded(folder, house, root=ROOT, unit=UNIT):
    record, _ = grade_submission(folder, "ann", unit, root, house, SECRET)
    return record, {row["name"]: row for row in record["exercises"]}


def grade(made, house, folder, number="03", root=ROOT):
    nbformat.write(made, folder / f"{UNITS[number]}.ipynb")
    return graded(folder, house, root, UNITS[number])


# ---------------------------------------------------------------- an answer that calls an earlier one

CALLS = [  # as the course's own answers do
    ("01", "latency_profile", "time_call"), ("03", "verify_greedy", "accepted_length"),
    ("03", "generate_speculative", "verify_greedy"), ("03", "generate_speculative", "accepted_length"),
    ("04", "propose_stochastic", "next_token_distribution"), ("04", "verify_stochastic", "residual"),
    ("04", "verify_stochastic", "acceptance_probability"), ("04", "verify_block", "residual"),
    ("05", "CachedModel", "rollback"), ("06", "speedup", "expected_tokens"), ("06", "best_k", "speedup"),
    ("06", "choose_draft", "best_k"), ("06", "choose_draft", "expected_tokens"),
]  # fmt: skip
SLIPS = {  # one wrong word in the earlier answer
    "time_call": ("return ", "return 2 * "), "accepted_length": ("return ", "return 1 + "),
    "verify_greedy": ("return ", "return 1 * torch.flip(logits, [0]).argmax(-1)\n    return "),
    "next_token_distribution": ("return ", "return 1.5 * "), "residual": ("return ", "return p  # "),
    "acceptance_probability": ("return ", "return 0.5 * "), "rollback": ("def rollback(cache, n):", None),
    "expected_tokens": ("return ", "return 1 + "), "speedup": ("return ", "return 0 * "),
    "best_k": ("return ", "return 1 + "),
}  # fmt: skip


def spoiled(number, name):
    old, new = SLIPS[name]
    if new is None:
        return f"{old}\n    return cahce"
    head, _, body = right(number)[name].rpartition(old)
    return head + new + body


@slow
@pytest.mark.parametrize("how", ["left empty", "wrong"])
@pytest.mark.parametrize("number, later, earlier", CALLS, ids=lambda word: word)
def test_a_right_answer_keeps_its_points_whatever_the_earlier_answer_is_that_it_calls(
    number, later, earlier, how, open_house, tmp_path
):
    texts = without(number, earlier) | ({earlier: spoiled(number, earlier)} if how == "wrong" else {})
    _, rows = grade(notebook(number, **texts), open_house, tmp_path, number)
    assert rows[later]["state"] == RIGHT and rows[later]["points"] == rows[later]["maximum"], rows[later]["message"]
    assert rows[earlier]["state"] != RIGHT
    state = "not attempted yet" if how == "left empty" else "not right yet"
    assert f"{earlier}, which is {state}" in rows[later]["message"]
    assert "judged with the package's own in that place" in rows[later]["message"]
    for name in rows:
        assert name == earlier or rows[name]["state"] == RIGHT, rows[name]["message"]


@slow
def test_through_a_helper_of_the_students_own_the_earlier_answer_is_found(open_house, tmp_path):
    made = notebook("03", own=[("verify_greedy", "def leading(a, b):\n    return accepted_length(a, b)")],
                    verify_greedy=right("03")["verify_greedy"].replace("accepted_length(", "leading("))
    _, rows = grade(made, open_house, tmp_path)
    assert rows["verify_greedy"]["state"] == RIGHT
    assert "accepted_length, which is not attempted yet" in rows["verify_greedy"]["message"]


@slow
def test_an_earlier_answer_that_never_ends_takes_nothing_along(open_house, tmp_path):
    texts = right("03") | {"accepted_length": "def accepted_length(draft, choice):\n    while True:\n        pass"}
    nbformat.write(notebook("03", **texts), tmp_path / f"{UNIT}.ipynb")
    record, _ = grade_submission(tmp_path, "ann", UNIT, ROOT, open_house, SECRET, 2.0)
    states = {row["name"]: row["state"] for row in record["exercises"]}
    assert states.pop("accepted_length") == WRONG and set(states.values()) == {RIGHT}


@slow
def test_a_wrong_answer_stays_wrong_and_an_untouched_one_not_attempted(open_house, tmp_path):
    made = notebook("03", verify_greedy="def verify_greedy(draft, logits):\n    return accepted_length(draft, draft)")
    _, rows = grade(made, open_house, tmp_path)
    assert rows["verify_greedy"]["points"] == 0 and "accepted_length, which is not" in rows["verify_greedy"]["message"]
    assert rows["generate_speculative"]["state"] == NOT_ATTEMPTED


@slow
def test_an_answer_that_cannot_be_lent_is_named(open_house, tmp_path):
    texts = without("04", "verify_stochastic") | {
        "verify_block": "def verify_block(draft, q, p, dice):\n    return verify_stochastic(draft, q, p, dice)"
    }
    _, rows = grade(notebook("04", **texts), open_house, tmp_path, "04")
    row = rows["verify_block"]
    assert row["state"] == WRONG and "It calls your verify_stochastic, which is not attempted yet" in row["message"]


@slow
def test_the_setting_takes_the_points_away_and_says_what_it_would_earn(open_house, tmp_path):
    root = tmp_path / "course"
    root.mkdir()
    (root / "notebooks").symlink_to(ROOT / "notebooks")
    (root / "pyproject.toml").write_text("[tool.specdec]\nfollow_on = false\n")
    folder = tmp_path / "work"
    folder.mkdir()
    texts = without("03", "accepted_length")
    _, rows = grade(notebook("03", **texts), open_house, folder, root=root)
    assert rows["verify_greedy"]["points"] == 0 and "it would earn 2 of 2 points" in rows["verify_greedy"]["message"]


@slow
@pytest.mark.parametrize("number, later, earlier", CALLS[:3] + CALLS[7:10], ids=lambda word: word)
def test_the_notebook_says_the_same(number, later, earlier):
    texts = without(number, earlier)
    found = in_a_notebook(notebook(number, **texts), lambda name: 3)
    assert found[later]["state"] == RIGHT and found[later]["score"] == 1.0
    assert f"It calls your {earlier}, which is not attempted yet" in found[later]["message"]
    assert found[earlier]["state"] == NOT_ATTEMPTED


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ((NOT_ATTEMPTED, 0), (RIGHT, 1), (RIGHT, 1)),
        ((WRONG, 0), (RIGHT, 1), (RIGHT, 1)),
        (("partly right", 0.5), (WRONG, 0.25), ("partly right", 0.5)),
        ((NOT_ATTEMPTED, 0), (NOT_ATTEMPTED, 0), (NOT_ATTEMPTED, 0)),
        ((NOT_ATTEMPTED, 0), (WRONG, 0), (WRONG, 0)),
        ((NOT_ATTEMPTED, 0), None, (WRONG, 0)),
    ],
)
def test_of_two_judgements_nobody_loses(first, second, expected):
    exercise = checks.exercise("verify_greedy")
    reports = [Report("verify_greedy", *one, "verify_greedy: so.\nmore") if one else None for one in (first, second)]
    found = follow.joined(exercise, *reports, {"accepted_length": NOT_ATTEMPTED})
    assert (found.state, found.score) == expected


def test_calls_are_found_in_functions_classes_partials_and_closures():
    space = {"__name__": "mine"}
    exec(
        "import functools\n"
        "def low(): return 1\n"
        "def middle(): return [low() for _ in range(2)]\n"
        "class Box:\n    def go(self):\n        return middle()\n    @property\n    def size(self): return other\n"
        "def top():\n    def inner():\n        return Box().go()\n    return inner\n"
        "part = functools.partial(top)\n"
        "def reads_an_attribute(x): return x.low\n"
        "other = 3\n",
        space,
    )
    for name in ("middle", "top", "Box", "part"):
        assert follow.called_by(space[name], ["low"]) == {"low": space["low"]}, name
    assert follow.called_by(space["reads_an_attribute"], ["low"]) == {}
    assert follow.called_by(space["low"], ["low"]) == {} and follow.called_by(len, ["low"]) == {}


# ---------------------------------------------------------------- several answers, several versions


def test_of_versions_the_best_counts_and_a_fuller_one_that_was_left_aside_is_flagged():
    one = Submission(UNIT, (), (), None, dict.fromkeys("12345", ""), "", title="a")
    two = Submission(UNIT, (), (), None, {"1": ""}, "", title="b")
    assert compared([(one, 3.0)]) == (0, [], [])
    assert compared([(one, 3.0), (two, 3.0)])[0] == 0 and compared([(one, 3.0), (two, 3.0)])[2] == []
    place, remarks, flags = compared([(one, 1.0), (two, 2.0)])
    assert place == 1 and "a: 5 answered, 1 points; b: 1 answered, 2 points" in remarks[0]
    assert flags == ["a answers more exercises than b, which was graded"]


@slow
@pytest.mark.parametrize("exact", ["right", "wrong"])
def test_of_two_notebooks_with_as_many_answers_the_one_that_earns_more_counts(exact, open_house, tmp_path):
    wrong = right("03") | {"verify_greedy": "def verify_greedy(draft, logits):\n    return draft"}
    texts = [right("03"), wrong] if exact == "right" else [wrong, right("03")]
    nbformat.write(notebook("03", **texts[1]), tmp_path / f"{UNIT} (1).ipynb")
    record, _ = grade(notebook("03", **texts[0]), open_house, tmp_path)
    assert record["points"] == record["maximum"] and record["flags"] == []
    assert exact == "right" or "Several versions were judged" in record["remarks"][0]


RIGHT_ONE, WRONG_ONE = right("03")["verify_greedy"], "def verify_greedy(draft, logits):\n    return draft"
TWICE = {
    "right, then wrong": (RIGHT_ONE, WRONG_ONE), "wrong, then right": (WRONG_ONE, RIGHT_ONE),
    "right, then broken": (RIGHT_ONE, "def verify_greedy(draft, logits:\n    return draft"),
    "right, then endless": (RIGHT_ONE, "def verify_greedy(draft, logits):\n    while True:\n        pass"),
    "right, then a template": (RIGHT_ONE, "def verify_greedy(draft, logits):\n    # YOUR CODE GOES HERE\n    pass"),
    "a template, then right": ("def verify_greedy(draft, logits):\n    # YOUR CODE GOES HERE\n", RIGHT_ONE),
}  # fmt: skip


@slow
@pytest.mark.parametrize("where", ["two cells with one name", "a cell of its own", "below the test cell"])
@pytest.mark.parametrize("name", TWICE)
def test_of_two_answers_to_one_exercise_the_right_one_counts(name, where, open_house, tmp_path):
    made = notebook("03", **right("03") | {"verify_greedy": TWICE[name][0]})
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in made.cells]
    place = ids.index("verify_greedy")
    again = nbformat.v4.new_code_cell(TWICE[name][1])
    if where == "two cells with one name":
        again.metadata = made.cells[place].metadata
    made.cells.insert(ids.index("grade_verify_greedy") + 1 if where == "below the test cell" else place + 1, again)
    nbformat.write(made, tmp_path / f"{UNIT}.ipynb")
    record, _ = grade_submission(tmp_path, "ann", UNIT, ROOT, open_house, SECRET, 2.0)
    assert record["points"] == record["maximum"], [row["message"] for row in record["exercises"]]


@slow
@pytest.mark.parametrize("upper, lower", [(RIGHT_ONE, WRONG_ONE), (WRONG_ONE, RIGHT_ONE)], ids=["upper", "lower"])
@pytest.mark.parametrize("base", ["", "||||||| base\ndef verify_greedy(draft, logits):\n    pass\n"], ids=["", "diff3"])
def test_of_a_conflict_in_a_cell_the_right_side_counts(upper, lower, base, open_house, tmp_path):
    text = f"<<<<<<< Updated upstream\n{upper}\n{base}=======\n{lower}\n>>>>>>> Stashed changes\n"
    record, rows = grade(notebook("03", **right("03") | {"verify_greedy": text}), open_house, tmp_path)
    assert record["points"] == record["maximum"], rows["verify_greedy"]["message"]


@slow
def test_code_below_a_raise_that_was_left_standing_is_judged(open_house, tmp_path):
    texts = {}
    for name, text in right("03").items():
        head, quote, body = text.rpartition('"""')
        texts[name] = f'{head}{quote}\n    # YOUR CODE HERE\n    raise NotImplementedError("not attempted yet")\n{body}'
    record, _ = grade(notebook("03", **texts), open_house, tmp_path)
    assert record["points"] == record["maximum"]
    assert sum("still stood above the code" in remark for remark in record["remarks"]) == len(texts)


@slow
def test_the_notebook_names_the_line_that_was_left_standing():
    head, quote, body = right("03")["accepted_length"].rpartition('"""')
    text = f'{head}{quote}\n    # YOUR CODE HERE\n    raise NotImplementedError("not attempted yet")\n{body}'
    found = in_a_notebook(notebook("03", accepted_length=text), lambda name: 3)
    assert "delete that line" in found["accepted_length"]["message"]
    assert "delete that line" not in found["verify_greedy"]["message"]


@slow
def test_what_stands_in_the_notebook_is_there_again_for_the_next_exercise(open_house, tmp_path):
    """A helper that a second answer brings along is gone when that answer does not count."""
    made = notebook("03", **right("03") | {
        "accepted_length": "unit = 2\ndef accepted_length(draft, choice):\n    return unit",
        "tokens_per_call": "def tokens_per_call(r):\n    return unit / 2 * sum(x.emitted for x in r) / max(1, len(r))",
    })  # fmt: skip
    made.cells.insert(2, nbformat.v4.new_code_cell("unit = 5\ndef accepted_length(draft, choice):\n    return unit"))
    _, rows = grade(made, open_house, tmp_path)
    assert rows["accepted_length"]["state"] != RIGHT and rows["tokens_per_call"]["state"] == RIGHT
