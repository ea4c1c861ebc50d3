"""Answers in floats of any precision: a wrong rule is recognised by them though it rounds otherwise than a student.

Knows: how near is near. Does not know: exercises.
"""

from __future__ import annotations

import numpy as np

from ..ask import ask
from ..subject import Subject

CLOSE = 3e-4  # right answers in float32 are off by 5e-5 at position 1000, since angles are


class Near:
    """Numbers that equal others within CLOSE, large ones within a ten-thousandth; NaN equals NaN."""

    def __init__(self, numbers: np.ndarray):
        self.numbers = numbers

    def __eq__(self, other):
        mine, theirs = self.numbers, getattr(other, "numbers", None)
        return theirs is not None and mine.shape == theirs.shape and np.allclose(
            mine, theirs, rtol=1e-4, atol=CLOSE, equal_nan=True)

    __hash__ = None


def ask_nearly(student: Subject, read, cases, judge, rng) -> None:
    """As `ask`; but answers are written down as numbers that are near enough, not as these very numbers."""
    aside = student.aside()
    try:
        ask(aside, read, cases, judge, rng)
    finally:
        student.last = aside.last
        for one in aside.seen:
            student.seen.append(_near(one))


def _near(answer):
    try:
        numbers = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):  # no numbers, or an error of the student's function
        return answer
    return Near(numbers)
