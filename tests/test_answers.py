"""Every right answer passes, every wrong one fails, every starred mistake is named; prints the counts."""

from collections import Counter

import pytest
from answers import all_answers

from specdec_course.checks import evaluate, exercises

ALL = all_answers()
SEEDS = (0, 1)
ONE_SEED = (0,)  # of exercises whose checks take long
BY_THE_CLOCK = ("time_call", "latency_profile", "build_next_token_array")  # a part of these is judged by measured time


def seeds_of(name, seeds=SEEDS):
    return ONE_SEED if exercises()[name].seconds else seeds


@pytest.mark.parametrize("answer", [a for a in ALL if a.right], ids=lambda a: a.id)
def test_a_right_answer_passes(answer):
    for seed in seeds_of(answer.exercise):
        report = evaluate(answer.exercise, answer.function, seed=seed)
        assert report.passed and report.score == 1.0, report.message


@pytest.mark.parametrize("answer", [a for a in ALL if not a.right], ids=lambda a: a.id)
def test_a_wrong_answer_fails_and_a_known_mistake_is_named(answer):
    scores = set()
    for seed in seeds_of(answer.exercise):
        report = evaluate(answer.exercise, answer.function, seed=seed)
        assert not report.passed and report.score < 1.0, f"a wrong answer passed at seed {seed}"
        if answer.named is not None:
            assert report.diagnosis == answer.named, report.message
        assert answer.says is None or answer.says in report.message, report.message
        assert "Traceback" not in report.message and "AssertionError" not in report.message
        assert len(report.message) > 40
        scores.add(report.score)
    if exercises()[answer.exercise].unit <= "04" and answer.exercise not in BY_THE_CLOCK:
        assert len(scores) == 1, f"two students with this answer get {scores}"


@pytest.mark.parametrize("name", exercises())
def test_the_package_passes_its_own_check(name):
    """At many seeds: a check that fails a right answer once in a hundred is a defect."""
    exercise = exercises()[name]
    for seed in seeds_of(name, range(12)):
        report = evaluate(name, exercise.solution, seed=seed)
        assert report.passed, report.message


@pytest.mark.parametrize("name", exercises())
def test_the_stub_is_not_attempted(name):
    def stub(*args, **kwargs):
        raise NotImplementedError("not attempted yet")

    report = evaluate(name, stub)
    assert report.state == "not attempted" and report.score == 0.0 and not report.passed
    assert "not attempted yet" in report.message


@pytest.mark.parametrize("name", exercises())
def test_an_exercise_is_complete(name):
    """Two hints, points, parts; at least three independent right answers and some wrong ones."""
    exercise = exercises()[name]
    assert len(exercise.hints) == 2 and all(len(h) > 20 for h in exercise.hints)
    assert exercise.points > 0 and exercise.parts
    counts = Counter(a.right for a in ALL if a.exercise == name)
    assert counts[True] >= 3, f"{name} has {counts[True]} right answers, needs 3"
    assert counts[False] >= 2, f"{name} has {counts[False]} wrong answers, needs 2"
