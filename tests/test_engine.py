"""The check engine with a small exercise of its own: verdicts, silence, safety, naming."""

import contextlib
import io
import logging
import operator
import random
import sys
import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from specdec_course import checks
from specdec_course.checks import engine, guard, values
from specdec_course.checks.ask import ask, unless
from specdec_course.checks.engine import evaluate_exercise
from specdec_course.checks.errors import Wrong
from specdec_course.checks.exercise import Exercise
from specdec_course.checks.subject import counting


def doubling():
    """An exercise: return every number doubled."""
    exercise = Exercise("doubled", "99", 4, "specdec_course.theory:expected_tokens", ("How much is twice?", "Times 2."))

    @exercise.part("doubles", weight=3)
    def _(student, rng):
        x = torch.randint(1, 50, (4,), generator=rng)
        if student.ids(x) != [2 * v for v in x.tolist()]:
            raise Wrong("Some number was not doubled.")

    @exercise.part("empty")
    def _(student, rng):
        if student.ids(torch.tensor([], dtype=torch.long)) != []:
            raise Wrong("Nothing doubled is nothing.")

    exercise.mistake("squares", "You square; doubling is adding a number to itself.", imitate=lambda x: x**2)
    exercise.mistake("negates", "The sign is turned.", imitate=lambda x: -2 * x)
    exercise.help("TypeError", "Look at the types.")
    return exercise


def verdict(function, **kwargs):
    return evaluate_exercise(doubling(), function, **kwargs)


def test_a_right_answer_in_any_type_passes():
    for right in (lambda x: 2 * x, lambda x: [2 * v for v in x.tolist()], lambda x: 2 * x.numpy(),
                  lambda x: (2.0 * x), lambda x: tuple(x + x)):
        assert verdict(right).passed and verdict(right).score == 1.0


def test_partial_credit_is_the_weight_of_the_parts_that_pass():
    report = verdict(lambda x: 2 * x if len(x) else [0])
    assert (report.state, report.score, report.passed) == ("partly right", 0.75, False)
    assert report.parts == (("doubles", True), ("empty", False))


@given(st.integers(0, 10_000))
def test_a_wrong_rule_is_named_however_it_is_coded(seed):
    assert verdict(lambda x: [v * v for v in x.tolist()], seed=seed).diagnosis == "squares"
    assert verdict(lambda x: np.negative(x + x), seed=seed).diagnosis == "negates"
    assert verdict(lambda x: x + 51, seed=seed).diagnosis is None


def test_the_same_seed_asks_the_same_questions_and_another_seed_others():
    asked = []
    for seed in (3, 3, 4):
        verdict(lambda x: asked.append(x.tolist()) or 2 * x, seed=seed)
    assert asked[0] == asked[2] != asked[4]


@pytest.mark.parametrize("error", [NotImplementedError(), NotImplementedError("not attempted yet")])
def test_the_stub_is_a_state_of_its_own(error):
    def stub(x):
        raise error

    report = verdict(stub)
    assert (report.state, report.score, report.diagnosis) == ("not attempted", 0.0, None)


def test_a_real_not_implemented_error_is_an_error():
    def stops(x):
        raise NotImplementedError("aten::thing is not implemented for this device")

    assert verdict(stops).state == "wrong"


@pytest.mark.parametrize("bad, told", [
    (lambda x: None, "returned None"),
    (lambda x: "ab", "Expected"),
    (lambda x: x.reshape(2, -1), "one dimension"),
    (lambda x: x + 0.5, "whole numbers"),
    (lambda x: x + "a", "Look at the types"),
    (lambda x: sys.exit(3), "SystemExit"),
    (lambda x: undefined_name, "run the cells above"),  # noqa: F821
    (7, "not a function"),
])
def test_what_a_student_reads_when_it_goes_wrong(bad, told):
    report = verdict(bad)
    assert report.score < 1.0 and not report.passed
    assert told in report.message and "Traceback" not in report.message


def test_the_line_of_the_error_is_named():
    def mine(x):
        y = 2 * x
        return y[100]

    assert "line 3 of your function" in verdict(mine).message


def test_changing_the_input_in_place_is_found():
    report = verdict(lambda x: x.mul_(2))
    assert not report.passed and "in place" in report.message


@pytest.mark.parametrize("idle", [False, True])
def test_an_endless_loop_ends_whether_it_computes_or_sleeps(idle):
    def endless(x):
        while True:
            if idle:
                time.sleep(0.01)

    report = verdict(endless, seconds=0.3)
    assert not report.passed and "never ends" in report.message


def test_a_loop_that_swallows_exceptions_runs_out_of_calls():
    exercise = Exercise("caller", "99", 1, "specdec_course.theory:speedup", ("?", "!"))

    @exercise.part("calls once")
    def _(student, rng):
        student(counting(lambda: 1, limit=10))

    def stubborn(fn):
        while True:
            try:
                fn()
            except Exception:
                continue

    report = evaluate_exercise(exercise, stubborn)
    assert not report.passed and "more than 10 times" in report.message


def test_output_and_warnings_are_silent_and_change_nothing(capfd):
    def noisy(x):
        print("hello")
        print("progress 50 %", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        import os

        os.write(2, b"from C++\n")
        return 2 * x

    assert verdict(noisy).passed
    told = capfd.readouterr()
    assert told.out == "" and told.err == ""


def test_the_random_state_of_the_notebook_is_kept():
    def reseeds(x):
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        return 2 * x

    before = torch.rand(1), np.random.rand(), random.random()
    states = torch.get_rng_state(), random.getstate()
    assert verdict(reseeds).passed
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert before


@pytest.fixture
def registered(monkeypatch):
    exercise = doubling()
    monkeypatch.setattr(checks, "_registry", lambda: {"doubled": exercise})
    monkeypatch.setattr(checks, "_last", {})
    return exercise


def test_grade_returns_plain_points(registered, capsys):
    def doubled(x):
        return 2 * x if len(x) else [0]

    points = checks.grade(doubled)
    assert type(points) is float and points == 3.0
    assert "3 of 4 points" in capsys.readouterr().out


def test_check_never_returns_and_progress_remembers(registered, capsys):
    def doubled(x):
        return 2 * x

    assert checks.check(doubled) is None
    assert "right" in capsys.readouterr().out
    checks.progress()
    assert "4 of 4 points" in capsys.readouterr().out


def test_hints_come_one_by_one(registered, capsys):
    def doubled(x):
        raise NotImplementedError

    checks.hint(doubled)
    asked = capsys.readouterr().out
    assert "Hint 1 of 2" in asked and "How much is twice?" in asked and "hint(doubled, 2)" in asked
    checks.hint(doubled, 2)
    told = capsys.readouterr().out
    assert "Hint 2 of 2" in told and "Times 2." in told and "hint(doubled, 2)" not in told
    with pytest.raises(ValueError, match="1 .*2"):
        checks.hint(doubled, 3)


def test_the_packages_own_function_is_no_answer(registered, capsys):
    assert checks.grade(registered.solution, "doubled") == 0.0
    assert "package's own" not in capsys.readouterr().out, "grade tells the points only"
    checks.check(registered.solution, "doubled")
    assert "package's own" in capsys.readouterr().out


def test_the_courses_answer_is_shown_after_ones_own(registered, capsys):
    def doubled(x):
        return [*x, *x][: len(x)]

    checks.solution(doubled)
    assert "return" not in capsys.readouterr().out

    def doubled(x):
        return [a + a for a in x]

    checks.solution(doubled)
    assert "def " in capsys.readouterr().out


def test_yours_falls_back_to_the_package_and_says_so(registered, capsys):
    def doubled(x):
        raise NotImplementedError

    assert checks.yours(doubled) is registered.solution
    assert "package's own" in capsys.readouterr().out


def test_an_unknown_exercise_is_told_with_the_nearest_name():
    with pytest.raises(ValueError, match="verify_greedy"):
        checks.evaluate("verify_gredy", lambda x: x)


@pytest.mark.parametrize("a, b, equal", [
    (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, float("nan")]), True),
    (torch.tensor([1.0]), torch.tensor([1.1]), False),
    ([1, [2.0, "a"]], (1, (2.0000000001, "a")), True),
    ({"a": 1}, {"b": 1}, False),
    (np.array([1, 2]), np.array([1, 2, 3]), False),
    (torch.tensor([1.0]).bfloat16(), torch.tensor([1.0]).bfloat16(), True),
    (torch.tensor([1.0]).bfloat16(), torch.tensor([1.1]).bfloat16(), False),
])
def test_sameness(a, b, equal):
    assert values.same(a, b) is equal


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_numbers_of_every_kind_are_read(x):
    for value in (x, np.float64(x), torch.tensor(x, dtype=torch.float64), np.array(x)):
        assert values.as_float(value) == x


def test_nan_is_not_a_number_to_give_back():
    with pytest.raises(engine.Wrong, match="divides by zero"):
        values.as_float(float("nan"))


def test_a_logger_made_earlier_reaches_the_screen_only_outside_a_check():
    screen = io.StringIO()
    with contextlib.redirect_stderr(screen):
        handler = logging.StreamHandler()  # keeps this stderr for good
        with guard.quiet():
            handler.emit(logging.makeLogRecord({"msg": "inside"}))
            handler.flush()
        handler.emit(logging.makeLogRecord({"msg": "outside"}))
    assert screen.getvalue() == "outside\n"

def halving():
    """An exercise with three parts: half of a number; what is odd is refused."""
    exercise = Exercise("halved", "99", 3, "specdec_course.theory:expected_tokens", ("What is a half?", "Divide by 2."))

    @exercise.part("even numbers")
    def _(student, rng):
        for x in (2, 8, 20):
            if student.returned_int(x) != x // 2:
                raise Wrong("Some number was not halved.")

    @exercise.part("zero")
    def _(student, rng):
        if student.returned_int(0) != 0:
            raise Wrong("Half of nothing is nothing.")

    @exercise.part("odd numbers are refused")
    def _(student, rng):
        if not student.raises(ValueError, 7):
            raise Wrong("Half of an odd number is no whole number.", otherwise="floor")

    exercise.mistake("one_over", "You divide by the number.", imitate=lambda x: 1 // 0 if x % 2 else 2 / x)
    exercise.mistake("floor", "You round down.", imitate=lambda x: x // 2)
    exercise.mistake("same", "You return the number itself.", imitate=lambda x: x)
    return exercise


def refusing(rule):
    def halved(x):
        if x % 2:
            raise ValueError("odd")
        return rule(x)

    return halved


@pytest.mark.parametrize("answer, named", [
    (lambda x: x, "same"),
    (refusing(lambda x: x), None),  # the answers are those of "same", but it passes a part that "same" fails
    (refusing(lambda x: 2 // x if x == 0 else x // 2), None),  # crashes on 0 as "one_over" does, and has nothing of it
    (lambda x: x // 2 if x else 1 // 0, None),  # what crashes first is not explained by what comes later
])
def test_a_mistake_is_named_only_if_nothing_that_was_seen_contradicts_it(answer, named):
    report = evaluate_exercise(halving(), answer)
    assert not report.passed and report.diagnosis == named, report.message


def test_the_student_sees_the_smallest_call_that_went_wrong_and_never_what_was_expected():
    exercise = Exercise("halved", "99", 1, "specdec_course.theory:expected_tokens", ("?", "!"))

    @exercise.part("halves")
    def _(student, rng):
        cases = [((torch.arange(9), 9), 4), ((torch.tensor([7, 8]), 2), 1), ((torch.arange(4), 4), 2)]
        ask(student, values.as_int, cases, unless(operator.eq, "Not the half."))

    report = evaluate_exercise(exercise, lambda x, n: 100 + n)
    assert "Not the half.\nFor example, called with alpha = [7, 8], k = 2 it returned 102." in report.message
    report = evaluate_exercise(exercise, lambda x, n: n // 2 if n > 4 else 1 // 0)
    assert "ZeroDivisionError" in report.message and "It was called with alpha = [7, 8], k = 2." in report.message


@pytest.mark.parametrize("answer", [[10**5000], "x" * 10**6, [[]] * 10**5, {1: 2}, float("inf"), object()])
def test_answers_that_cannot_be_shown_are_not_shown(answer):
    report = verdict(lambda x: answer)
    assert not report.passed and len(report.message) < 1500


def test_one_error_that_ends_every_part_is_said_once():
    message = verdict(lambda x: undefined_name).message  # noqa: F821
    assert "That ends all 2 parts" in message and "✗" not in message
    assert "✗ empty" in verdict(lambda x: 2 * x if len(x) else [0]).message


def test_the_example_belongs_to_the_mistake_that_is_named():
    """A draft that goes round holds floats where it is empty. An example of another part, of ints, would contradict."""

    def goes_round(ids, k, max_ngram=3):
        text = ids.tolist()
        for n in range(min(max_ngram, len(text) - 1), 0, -1):
            for start in range(len(text) - n - 1, -1, -1):
                if text[start : start + n] == text[len(text) - n :]:
                    copied = text[start + n :]
                    return torch.tensor((copied * (k + 1))[:k])
        return ids[:0]

    report = evaluate_exercise(checks.exercise("prompt_lookup"), goes_round)
    example = next(line for line in report.message.splitlines() if line.startswith("For example"))
    assert report.diagnosis == "float_ids" and "Your draft is longer" not in report.message
    assert "k = 0" in example and example.endswith("it returned [].")
