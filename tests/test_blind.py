"""Answers that never look: what was noted down from another run of the check, and what leaves an argument out."""

import copy
import inspect
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch

from specdec_course.checks import blind, evaluate, exercises, values
from specdec_course.decoding import generate_cached, generate_speculative
from specdec_course.decoding.adaptive import AcceptanceTracker, bild_policy, heuristic_schedule, optimal_stop
from specdec_course.theory import best_k, estimate_alpha, kv_cache_bytes, speedup
from specdec_course.trace import Decoded

AT_MOST = 0.25
FUNCTIONS = [name for name, one in exercises().items() if one.unit >= "05" and not isinstance(one.solution, type)]


def noted(name, seed):
    """What the right function answers in a run of the check, in order."""
    answers, right = [], exercises()[name].solution

    def noting(*args, **kwargs):
        try:
            answers.append(right(*args, **kwargs))
        except Exception as error:
            answers.append(error)
            raise
        return copy.deepcopy(answers[-1])

    evaluate(name, noting, seed=seed)
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_answers_of_another_run_are_worth_little(name):
    answers = noted(name, seed=0)
    for seed in (1, 5):
        rest = iter(answers)

        def replay(*args, rest=rest):
            answer = next(rest)
            if isinstance(answer, Exception):
                raise answer
            return copy.deepcopy(answer)

        assert evaluate(name, replay, seed=seed).score <= AT_MOST


class OwnPrior(AcceptanceTracker):
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__((1.0, 1.0), half_life)


class OwnHalfLife(AcceptanceTracker):
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__(prior, 64)


LEFT_OUT = [
    ("generate_cached", "eos_token_id", lambda t, d, ids, k, n, eos=None: generate_cached(t, d, ids, k, n)),
    ("generate_cached", "k", lambda t, d, ids, k, n, eos=None: generate_cached(t, d, ids, 4, n, eos)),
    ("kv_cache_bytes", "batch", lambda config, n, batch=1, width=2: kv_cache_bytes(config, n, 1, width)),
    ("speedup", "overhead", lambda alpha, k, c, v=1.0, o=0.0: speedup(alpha, k, c, v)),
    ("speedup", "verify_cost", lambda alpha, k, c, v=1.0, o=0.0: speedup(alpha, k, c, 1.0, o)),
    ("best_k", "k_max", lambda alpha, c, k_max=64: best_k(alpha, c)),
    ("heuristic_schedule", "n_drafted", lambda k, n, drafted, k_max: heuristic_schedule(k, n, k, k_max)),
    ("optimal_stop", "overhead", lambda survival, c, v=1.0, o=0.0: optimal_stop(survival, c, v)),
    ("bild_policy", "rollback", lambda mine, theirs, fallback, rollback: bild_policy(mine, theirs, fallback, 0.3)),
    ("AcceptanceTracker", "prior", OwnPrior),
    ("AcceptanceTracker", "half_life", OwnHalfLife),
]


@pytest.mark.parametrize("name, argument, answer", LEFT_OUT, ids=lambda x: x if isinstance(x, str) else "")
def test_an_answer_that_leaves_an_argument_out_is_told_which(name, argument, answer):
    reports = [evaluate(name, answer, seed=seed) for seed in (0, 3)]
    assert all(report.score <= AT_MOST for report in reports)
    said = any(f"nothing but `{argument}` changed" in report.message for report in reports)
    assert said or all(report.score < AT_MOST for report in reports)


def test_nobody_is_told_that_who_looks():
    """Wrong, and looking at everything."""
    report = evaluate("speedup", lambda alpha, k, c, v=1.0, o=0.0: speedup(alpha, k, c, v, o) * (1.01 if k == 0 else 1))
    assert report.score > AT_MOST and "nothing but" not in report.message


def ends_where_a_round_ends(loop, place_of_ids):
    """What a loop answers, cut where the last token of a round ends the text: in the middle of one it is not seen."""

    def answer(target, one, other, k, max_new_tokens, eos_token_id=None):
        done = loop(target, one, other, k, max_new_tokens)
        place = len((one, other)[place_of_ids])
        for number, r in enumerate(done.rounds, 1):
            place += r.emitted
            if done.ids[place - 1] == eos_token_id:
                return Decoded(done.ids[:place], done.rounds[:number])
        return done

    return answer


@pytest.mark.slow
@pytest.mark.parametrize("name, loop, place_of_ids", [("generate_cached", generate_cached, 1),
                                                      ("generate_speculative", generate_speculative, 0)])
def test_an_argument_that_is_looked_at_now_and_then_is_not_called_left_out(name, loop, place_of_ids):
    for seed in (0, 1, 2):
        report = evaluate(name, ends_where_a_round_ends(loop, place_of_ids), seed=seed)
        assert not report.passed and report.score > AT_MOST, report.message
        assert "stays the same" not in report.message


@pytest.mark.parametrize("name", [name for name, one in exercises().items() if one.arguments and one.unit != "01"])
def test_by_chance_no_right_answer_is_said_to_leave_an_argument_out(name):
    """The two things of a pair may have one right answer now and then: 3 of 40 times for eagle_rollout's token."""
    for seed in range(25):
        rng = torch.Generator().manual_seed(seed)
        assert blind.ignored(exercises()[name], exercises()[name].solution, [], rng) is None, seed


ALL_FUNCTIONS = [name for name, one in exercises().items() if not isinstance(one.solution, type)]


def remembering(right, without=None):
    """`right`, which keeps what it answered and finds it again by its arguments; `without` one of them, and without
    what is no numbers or texts."""
    signature, kept = inspect.signature(right), {}

    def answer(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        key = repr([values.plain(value) for name, value in bound.arguments.items() if name != without])
        if key not in kept:
            try:
                kept[key] = right(*args, **kwargs)
            except Exception as error:
                kept[key] = error
        if isinstance(kept[key], Exception):
            raise kept[key]
        return copy.deepcopy(kept[key])

    return answer


# Given objects alone: what they hold is no part of a key. Such answers are wrong, and earn what some parts are worth.
OF_OBJECTS = ("compatible", "rollback", "sample_teacher")


@pytest.mark.parametrize("name", [name for name in ALL_FUNCTIONS if name not in OF_OBJECTS])
def test_answers_that_are_found_by_a_part_of_the_arguments_are_worth_little(name):
    for argument in inspect.signature(exercises()[name].solution).parameters:
        report = evaluate(name, remembering(exercises()[name].solution, argument), seed=2)
        assert report.score <= AT_MOST, f"{argument}: {report.message}"


def test_one_who_remembers_is_told_what_was_seen():
    report = evaluate("speedup", remembering(speedup, "alpha"), seed=1)
    assert report.score == AT_MOST and all(passed for _, passed in report.parts)
    assert "nothing but `alpha` changed" in report.message and "called with alpha = " in report.message
    assert "by all of the arguments" in report.message


@pytest.mark.parametrize("wrap", [Fraction, lambda alpha: SimpleNamespace(alpha=alpha), lambda alpha: {alpha}])
def test_who_answers_with_an_odd_type_is_not_told_that_it_never_changes(wrap):
    report = evaluate("estimate_alpha", lambda accepted, drafted: wrap(estimate_alpha(accepted, drafted)), seed=1)
    assert "never changed" not in report.message


@pytest.mark.parametrize("name", ["speedup", "best_k", "residual", "accepted_length", "prompt_lookup"])
def test_who_remembers_by_all_arguments_is_right(name):
    assert evaluate(name, remembering(exercises()[name].solution), seed=1).passed
