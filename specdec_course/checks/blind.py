"""Whether an answer looks at all that it is given.

Knows: how to change one argument of a question; where the right answer changes with it, an answer that looks at that
argument cannot stay the same for ever. One that remembers its answers by the other arguments stays the same too. Does
not know: exercises, or what an answer is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from . import example, values
from .ask import whole
from .errors import Call, NotAttempted, Wrong
from .exercise import Exercise
from .subject import Subject

LEAST, ENOUGH = 6, 60  # pairs of questions that the right answer tells apart
TRIES = 400
DRAWS = 4  # of a pair that an exercise declares


def ignored(exercise: Exercise, function: Callable, questions: list[dict],
            rng: torch.Generator) -> tuple[str, Call | None] | None:
    """The name of an argument that never reaches the function's answer, and a call that shows it, if it is known which;
    None where there is no such argument, or no telling.

    Args:
        questions: plain questions of the check, as {name of the argument: value}.
    """
    for name, pair in exercise.arguments.items():
        if _same_pair(exercise, function, pair, rng):
            return name, None
    for name in questions[0] if questions else ():
        if name not in exercise.arguments and (shown := _never_changes(exercise, function, questions, name, rng)):
            return name, shown
    return None


def _same_pair(exercise: Exercise, function: Callable, pair: Callable, rng: torch.Generator) -> bool:
    """Whether the function answers alike to both things of every pair that is drawn, where the right one does not: by
    chance two right answers may be the same once."""
    told = False
    for _ in range(DRAWS):
        before = rng.get_state()
        try:
            one, other = pair(Subject(function, exercise), rng)
        except (Wrong, NotAttempted):  # it does not get that far: no telling
            return False
        if not values.same(one, other):
            return False
        rng.set_state(before)
        told |= not values.same(*pair(Subject(exercise.solution, exercise), rng))
    return told


def _never_changes(exercise: Exercise, function: Callable, questions: list[dict], name: str, rng) -> Call | None:
    """The smallest question whose answer should have changed with this argument, if none ever did."""
    found = []
    for one, other in _told_apart(exercise.solution, questions, name, rng):
        answers = _answer(function, one), _answer(function, other)
        if any(isinstance(answer, Exception) for answer in answers):
            continue  # no answer, so it tells nothing
        if not values.same(*answers):
            return None
        found.append(Call(tuple(other.values()), {}, answers[1], returned=True))
    return min(found, key=example.size) if len(found) >= LEAST else None


def _told_apart(solution: Callable, questions: list[dict], name: str, rng) -> Iterator[tuple[dict, dict]]:
    """Up to ENOUGH pairs of questions that differ in one argument, and whose right answers differ."""
    found = 0
    for _ in range(TRIES):
        one, donor = (questions[whole(0, len(questions) - 1, rng)] for _ in range(2))
        value = donor[name]
        if isinstance(one[name], torch.Tensor) and one[name].dim() and whole(0, 1, rng):
            value = one[name].flip(-1)  # few questions have tensors of the same shape to give each other
        other = {**one, name: value}
        if values.same(one[name], other[name]) or found == ENOUGH:
            continue
        answers = _answer(solution, one), _answer(solution, other)
        if not values.same(*answers) and not any(isinstance(answer, Exception) for answer in answers):
            found += 1
            yield one, other


def _answer(function: Callable, question: dict):
    """What the function answers, in a plain form; an exception if it raises one, or answers with what cannot be read
    here and compared."""
    try:
        answer = function(*values.copies(tuple(question.values())))
        return values.plain(answer) if values.is_plain(answer) else TypeError(values.describe(answer))
    except Exception as error:
        return error
