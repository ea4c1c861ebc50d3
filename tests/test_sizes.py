"""Answers that are right as long as their input is small. A check that never asks beyond a size would pass them."""

import inspect

import pytest

from specdec_course import checks
from specdec_course.checks.engine import evaluate_exercise

FIRST, LAST = "the first", "the last"
SMALL = [  # (exercise, argument, what is seen of it, how much)
    ("sample_windows", "ids", FIRST, 64),
    ("sample_windows", "ids", LAST, 64),
    ("hit_rate", "ids", FIRST, 64),
    ("draft_with_bigram", "k", "at most", 10),
    ("tokens_per_call", "rounds", FIRST, 64),
    ("expected_tokens", "k", "at most", 10),
    ("best_k", "k_max", "at most", 10),
    ("estimate_alpha", "accepted", FIRST, 64),
    ("heuristic_schedule", "k", "at most", 10),
    ("bild_policy", "target_probability", FIRST, 8),
    ("build_ngram_tables", "n", "at most", 4),
    ("build_ngram_tables", "train_data", FIRST, 8),
    ("draft_with_backoff", "tables", FIRST, 4),
    ("draft_with_backoff", "k", "at most", 10),
    ("prompt_lookup", "ids", LAST, 128),
    ("prompt_lookup", "ids", LAST, 1000),
    ("prompt_lookup", "k", "at most", 10),
    ("prompt_lookup", "max_ngram", "at most", 8),
    ("combine", "drafters", FIRST, 8),
    ("combine", "drafters", LAST, 8),
    ("block_mask", "block", "at most", 10),
    ("crossover_batch", "k", "at most", 10),
    ("speculative_step", "max_steps", "at most", 10),
]


def cut(value, how: str, size: int):
    if how == "at most":
        return min(value, size)
    return value[:size] if how == FIRST else value[-size:]


@pytest.mark.parametrize(("name", "argument", "how", "size"), SMALL, ids=lambda one: str(one).replace(" ", "_"))
def test_what_lies_beyond_a_size_is_asked_about(name, argument, how, size):
    exercise = checks.exercise(name)
    signature = inspect.signature(exercise.solution)

    def small(*args, **named):
        given = signature.bind(*args, **named)
        if argument in given.arguments and not (how == "at most" and not isinstance(given.arguments[argument], int)):
            given.arguments[argument] = cut(given.arguments[argument], how, size)
        return exercise.solution(*given.args, **given.kwargs)

    small.__signature__ = signature
    for seed in range(3):
        assert not evaluate_exercise(exercise, small, seed).passed, f"passed at seed {seed}"
