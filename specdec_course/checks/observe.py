"""Mistakes that are seen by looking for them: a memory, chance, a limit or a default of the student's own.

Knows: how to ask questions so that the answers leave no other explanation. Does not know: exercises; what is right in
one is handed in.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from . import values
from .subject import Subject

ROUNDS = 4  # a coincidence would have to happen so often
MEMORY = (
    "It answers out of an earlier call. Asked two new questions one after the other it gives the first one's answer to "
    "both, whichever comes first: what is kept from one call to the next does not tell these questions apart.")
UNSTEADY = (
    "Asked the same again, your function gives another answer. It draws random numbers, or keeps something from one "
    "call to the next (a default argument such as `seen=[]` lives on). The answer may only come from the arguments.")


def from_memory(*pairs: Callable[[torch.Generator], tuple], right: Callable) -> Callable:
    """An `observe`: the student remembers answers by a part of the question only.

    Args:
        pairs: rng -> two questions, as tuples of arguments, that were never asked before and have different answers.
        right: right(answer, *question), whether that is the answer.
    """

    def repeats(student: Subject, one: tuple, other: tuple) -> bool:
        first, second = student(*one), student(*other)
        alike = values.same(values.plain(first), values.plain(second))
        return alike and right(first, *one) and not right(second, *other)

    def observe(student: Subject, rng: torch.Generator) -> bool:
        return any(all(repeats(student, *pair(rng)[:: 1 if turn % 2 else -1]) for turn in range(ROUNDS))
                   for pair in pairs)

    return observe


def unsteady(question: Callable[[torch.Generator], tuple]) -> Callable:
    """An `observe`: the same question gets different answers."""

    def observe(student: Subject, rng: torch.Generator) -> bool:
        asked = [question(rng) for _ in range(ROUNDS)]
        answers = [[values.plain(student(*one)) for one in asked] for _ in range(2)]
        return not values.same(*answers)

    return observe


def ends_at(questions: Callable[[torch.Generator], list[tuple]]) -> Callable:
    """An `observe`: of questions with larger and larger answers, the last ones get all the same, unlike the first."""

    def observe(student: Subject, rng: torch.Generator) -> bool:
        answers = [values.as_float(student(*one)) for one in questions(rng)]
        return answers[0] < answers[1] < answers[-3] == answers[-2] == answers[-1]

    return observe


def other_defaults(question: Callable[[torch.Generator], tuple], defaults: dict) -> Callable:
    """An `observe`: leaving out arguments is not the same as giving the defaults of the contract."""

    def observe(student: Subject, rng: torch.Generator) -> bool:
        asked = [question(rng) for _ in range(ROUNDS)]
        without = [values.plain(student(*one)) for one in asked]
        given = [values.plain(student(*one, **defaults)) for one in asked]
        return not values.same(without, given)

    return observe
