"""How a check asks: all its cases before the first verdict, with numbers drawn by its own generator.

Knows: that a wrong rule is recognised by all its answers, and that a student learns most from the smallest case that
went wrong. Does not know: exercises, or what is right.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import torch

from . import example
from .errors import NotAttempted, Wrong
from .subject import Subject, raised_in


def ask(student: Subject, read: Callable, cases: Iterable[tuple], judge: Callable,
        rng: torch.Generator | None = None) -> None:
    """Asks every case, then raises Wrong for the first answer that is not right, and shows the smallest such case.

    Args:
        read: what the answer is read with, such as `values.as_int`.
        cases: (arguments, what the judge needs) or (arguments, what the judge needs, named arguments).
        judge: `judge(answer, what it needs)` returns a text (or a Wrong) about an answer that is not right, else None.
        rng: draws the order in which the cases are asked. It says nothing then about what the answer is; the verdict
            goes by the order that is given here.
    """
    cases = list(cases)
    asked = [None] * len(cases)
    for place in mixed(range(len(cases)), rng) if rng else range(len(cases)):
        args, wanted, *named = cases[place]
        asked[place] = (student.read(read, *args, **dict(*named)), wanted, student.last)
    judged = [(judge(answer, wanted), call) for answer, wanted, call in asked]
    failed = [(found if isinstance(found, Wrong) else Wrong(found), call) for found, call in judged if found]
    if failed:
        first = failed[0][0]
        alike = [call for wrong, call in failed if wrong.message == first.message]
        raise first.but(call=min(alike, key=example.size))


def unless(right: Callable, message: str) -> Callable:
    """A judge with one text: what it says of every answer for which `right(answer, wanted)` does not hold."""
    return lambda answer, wanted: None if right(answer, wanted) else message


def within(close: float) -> Callable:
    """Whether an answer is as near as that to what is wanted."""
    return lambda answer, wanted: abs(answer - wanted) <= close


def mixed(things: Iterable, rng: torch.Generator) -> list:
    """The same things in a random order."""
    things = list(things)
    return [things[place] for place in torch.randperm(len(things), generator=rng).tolist()]


def uniform(low: float, high: float, rng: torch.Generator) -> float:
    """A random number between low and high."""
    return low + (high - low) * float(torch.rand((), generator=rng, dtype=torch.float64))


def whole(low: int, high: int, rng: torch.Generator) -> int:
    """A random whole number, both ends included."""
    return int(torch.randint(low, high + 1, (), generator=rng))


@contextlib.contextmanager
def written_first(name: str, *helpers: str):
    """Says that a helper is missing if a student's function stops in the stub of another exercise."""
    try:
        yield
    except NotAttempted as stop:
        inner = raised_in(stop.__context__)
        if inner not in helpers:
            raise
        raise Wrong(f"Your {name} calls {inner}, and that is not written yet. Write it first, or use the package's: "
                    f"`from specdec_course.theory import {inner}`.") from None
