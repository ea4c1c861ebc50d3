"""Whether a wrong answer looks at all that it is given.

Knows: how to change one argument of a question; where the right answer changes with it, an answer that looks at that
argument cannot stay the same for ever. Does not know: exercises, or what an answer is worth.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from types import SimpleNamespace

import numpy as np
import torch

from . import example, values
from .ask import whole
from .errors import Call, NotAttempted, Wrong
from .exercise import Exercise
from .subject import Subject

LEAST, ENOUGH = 6, 60  # pairs of questions that the right answer tells apart
TRIES = 400
LARGEST = 2000  # numbers in a question


def ignored(exercise: Exercise, function: Callable, questions: list[dict], rng: torch.Generator) -> str | None:
    """The name of an argument that never reaches the function's answer; None where there is none, or no telling.

    Args:
        questions: plain questions of the check, as {name of the argument: value}.
    """
    for name, pair in exercise.arguments.items():
        if _same_pair(pair, Subject(function, exercise), rng):
            return name
    for name in questions[0] if questions else ():
        if name not in exercise.arguments and _never_changes(exercise, function, questions, name, rng):
            return name
    return None


def questions_to(solution: Callable, plain: list[dict]) -> Callable:
    """`solution`, which writes down in `plain` what it was asked, if that is numbers and texts, and not too large."""
    signature = inspect.signature(solution)

    def noting(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if all(map(_plain, bound.arguments.values())) and _size(bound.arguments) <= LARGEST:
            plain.append(values.copies(dict(bound.arguments)))
        return solution(*args, **kwargs)

    return noting


def _same_pair(pair: Callable, student: Subject, rng: torch.Generator) -> bool:
    try:
        one, other = pair(student, rng)
    except (Wrong, NotAttempted):  # it does not get that far: no telling
        return False
    return values.same(one, other)


def _never_changes(exercise: Exercise, function: Callable, questions: list[dict], name: str, rng) -> bool:
    found = 0
    for one, other in _told_apart(exercise.solution, questions, name, rng):
        answers = _answer(function, one), _answer(function, other)
        if any(isinstance(answer, Exception) for answer in answers):
            continue  # no answer, so it tells nothing
        if not values.same(*answers):
            return False
        found += 1
    return found >= LEAST


def _told_apart(solution: Callable, questions: list[dict], name: str, rng) -> Iterator[tuple[dict, dict]]:
    """Up to ENOUGH pairs of questions that differ in one argument, and whose right answers differ."""
    found = 0
    for _ in range(TRIES):
        one, donor = (questions[whole(0, len(questions) - 1, rng)] for _ in range(2))
        other = {**one, name: donor[name]}
        if values.same(one[name], other[name]) or found == ENOUGH:
            continue
        answers = _answer(solution, one), _answer(solution, other)
        if not values.same(*answers) and not any(isinstance(answer, Exception) for answer in answers):
            found += 1
            yield one, other


def _answer(function: Callable, question: dict):
    """What the function answers, in a plain form; an exception, if it raises one."""
    try:
        return values.plain(function(*values.copies(tuple(question.values()))))
    except Exception as error:
        return error


def _size(question: dict) -> int:
    return example.size(Call(tuple(question.values()), {}))


def _plain(value) -> bool:
    """Whether a value is numbers and texts through and through."""
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    if isinstance(value, SimpleNamespace) or is_dataclass(value) and not isinstance(value, type):
        return all(map(_plain, vars(value).values()))
    return value is None or isinstance(value, (bool, int, float, str, torch.Tensor, np.ndarray))
