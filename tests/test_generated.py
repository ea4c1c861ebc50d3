"""A small fixed sample of the generated answers (see the package `generated`): `python tests/generated` runs all."""

import pytest
from generated import clock, differ, judge, rights
from generated.equal import EQUAL

from specdec_course.checks import exercises
from specdec_course.checks.engine import evaluate_exercise

SAMPLED = [e for e in exercises().values() if e.unit in ("01", "02", "03", "04")]
AT_MOST = 0.25  # of the points, for an answer that never looks at what it is asked, or not at one argument of it


@pytest.mark.slow
@pytest.mark.parametrize("exercise", SAMPLED, ids=lambda e: e.name)
def test_generated_answers_that_differ_are_caught(exercise):
    found = judge.tally(exercise, most=8)
    assert found.generated and not found.survivors, found.survivors


@pytest.mark.parametrize("exercise", SAMPLED, ids=lambda e: e.name)
def test_an_answer_that_never_looks_earns_a_quarter_at_most(exercise):
    scores = judge.blind_scores(exercise, seeds=(0,), only=4)
    assert scores and max(score for _, score in scores) <= AT_MOST, scores


@pytest.mark.parametrize("exercise", SAMPLED, ids=lambda e: e.name)
def test_the_scenes_are_played_to_the_end(exercise):
    """An exercise whose scenes break for the right answer would call every other answer the same."""
    outcomes = differ.outcomes(exercise, exercise.solution)
    assert len(outcomes) > 2 and "no end" not in outcomes
    assert not [one for one in outcomes if isinstance(one, str) and one.startswith("raises")], outcomes


def test_what_is_allowed_has_a_reason():
    names = exercises()
    assert all(name in names and len(reason) > 20 for (name, _), reason in EQUAL.items())


@pytest.mark.slow
@pytest.mark.parametrize("exercise", SAMPLED, ids=lambda e: e.name)
def test_a_right_answer_passes_in_whatever_clothes(exercise):
    for label, answer in rights.kinds(exercise):
        with clock.virtual():
            report = evaluate_exercise(exercise, answer, seed=3)
        assert report.passed, f"{label}: {report.message}"
