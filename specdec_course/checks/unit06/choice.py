"""choose_draft: what is right, and the mistakes that can be named.

Knows: this exercise; a choice is held against all candidates at all draft lengths, on lists that are traps for the
usual shortcuts. Does not know: the formulas' own checks (formula, length), how a verdict is reached or shown (engine).
"""

from __future__ import annotations

import functools

import torch

from ...theory import Candidate
from .. import values
from ..ask import mixed, uniform, whole, written_first
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import reading
from .length import clear_best, speeds
from .tokens import rate

choose_draft = Exercise(
    "choose_draft", unit="06", points=2, difficulty=2, minutes=10,
    reference="specdec_course.theory:choose_draft",
    hints=(
        "Each candidate deserves its own best draft length. Once you have given it that, what is the one number by "
        "which you compare them?",
        "Refuse an empty list. For every candidate: k = best_k(its alpha, its c), s = speedup(alpha, k, c). Return "
        "(name, k, s) of the candidate with the largest s.",
    ),
)


def _fastest(candidates) -> tuple[Candidate, int, float]:
    choices = [(speed, one, k) for one in candidates for k, speed in enumerate(speeds(one.alpha, one.c))]
    speed, one, k = max(choices, key=lambda choice: choice[0])
    return one, k, speed


def _clear(candidates) -> bool:
    """Whether something pays, and round-off can decide neither the candidate nor its draft length."""
    ranked = sorted((max(speeds(one.alpha, one.c)) for one in candidates), reverse=True)
    apart = len(ranked) == 1 or ranked[0] > ranked[1] * 1.002
    return ranked[0] > 1.05 and apart and all(clear_best(one.alpha, one.c) is not None for one in candidates)


def _names(rng, count: int) -> list[str]:
    return [f"model {number}" for number in mixed(range(10, 22), rng)[:count]]


def _family(rng, count: int) -> list[Candidate]:
    """Better drafts cost more, as in life; in random order, under names that say nothing."""
    while True:
        candidates, names = [], _names(rng, count)
        for place in torch.randperm(count, generator=rng).tolist():
            size = (place + 1) / count
            alpha = min(0.97, 0.35 + 0.55 * size ** uniform(0.2, 0.9, rng))
            candidates.append(Candidate(names.pop(), alpha, 0.015 + uniform(0.2, 0.7, rng) * size**1.5))
        if _clear(candidates):
            return candidates


def _obvious(rng) -> list[Candidate]:
    """The most accurate is the cheapest too: any rule that looks at the candidates at all finds it."""
    while True:
        name, *names = _names(rng, 4)
        best = Candidate(name, uniform(0.8, 0.9, rng), uniform(0.02, 0.05, rng))
        rest = [Candidate(name, uniform(0.4, 0.6, rng), uniform(0.1, 0.3, rng)) for name in names]
        if _clear([best, *rest]):
            return [rest[0], best, *rest[1:]]


def _misled(rng, scores) -> list[Candidate]:
    """Drafts of all kinds, among which each of the scores is largest for another one, and none of them the fastest;
    nor is that where alpha - c is largest."""
    names = _names(rng, 7)
    while True:
        candidates = [Candidate(names[0], uniform(0.02, 0.1, rng), uniform(0.005, 0.01, rng)),  # nearly free
                      Candidate(names[1], uniform(0.95, 0.98, rng), uniform(0.85, 0.93, rng))]  # nearly perfect
        for name in names[2:]:
            candidates.append(Candidate(name, uniform(0.3, 0.94, rng), uniform(0.012, 0.5, rng)))
        candidates = mixed(candidates, rng)
        difference, chosen = max(candidates, key=lambda one: one.alpha - one.c).name, set()
        for number, score in enumerate(scores, 1):  # the dearer scores come last, and are seldom reached
            chosen.add(max(candidates, key=score).name)
            if len(chosen) < number:
                break
        else:
            if _fastest(candidates)[0].name not in {difference, *chosen} and _clear(candidates):
                return candidates


def _turned(candidates, place: int) -> list[Candidate]:
    """The same candidates, the fastest at this place."""
    turn = candidates.index(_fastest(candidates)[0]) - place
    return candidates[turn:] + candidates[:turn]


def _ask_choice(student, candidates) -> tuple[str, int, float]:
    with written_first("choose_draft", "expected_tokens", "speedup", "best_k"):
        answer = student(candidates)
    with reading("a tuple (name, k, speedup)"):
        try:
            name, k, speed = answer
        except ValueError:
            message = f"Expected a tuple (name, k, speedup), your function returned {values.describe(answer)}."
            raise Wrong(message) from None
    if isinstance(k, str) or isinstance(speed, str) or (isinstance(k, float) and k % 1 and isinstance(speed, int)):
        raise Wrong("The three are there, in another order than the contract's: (name, k, speedup).")
    if isinstance(name, Candidate):
        raise Wrong("The first of the three should be the candidate's name, not the candidate.")
    return name, values.as_int(k), values.as_float(speed)


def _expect_choices(student, lists, message: str) -> None:
    answers = [(_ask_choice(student, candidates), _fastest(candidates)) for candidates in lists]
    for (name, _, _), (one, _, _) in answers:
        if name != one.name:
            raise Wrong(message)
    for (_, k, speed), (_, wanted, best) in answers:
        if k != wanted:
            raise Wrong(f"The candidate is right, its draft length {k} is not the fastest of 0 to 64. Do all of these "
                        "count with you, and what does `check(best_k)` say?")
        if abs(speed - best) > 1e-4 * best:
            raise Wrong("Candidate and draft length are right. The third number should be the speed-up they give.")


def _by(score, length=lambda one: clear_best(one.alpha, one.c) or 0):
    """A wrong rule: the candidate with the largest score, and the draft length that it would then use."""

    def rule(candidates):
        if not candidates:
            raise ValueError
        one = max(candidates, key=score)
        return one.name, length(one), rate(one.alpha, length(one), one.c)

    return rule


def _best(one, first=0) -> float:
    return max(speeds(one.alpha, one.c)[first:])


def _speed_at(k):
    return lambda one: rate(one.alpha, k, one.c)


USUAL = (1, 2, 3, 4, 5, 8)  # draft lengths that people like
LENGTHS = (1, 2, 3, 4, 5, 6, 8)
SHORTCUTS = {  # what people look at instead of the speed-up
    "most_accurate": lambda one: one.alpha,
    "cheapest": lambda one: -one.c,
    "ratio": lambda one: one.alpha / one.c,
    "most_tokens": lambda one: rate(one.alpha, clear_best(one.alpha, one.c) or 0, 0.0),
}


# The traps of a seed are kept: every wrong rule that is tried out is asked about the same ones.


@functools.lru_cache(64)
def _misled_by_shortcuts(seed: int) -> list[list[Candidate]]:
    rng = torch.Generator().manual_seed(seed)
    lists = [_misled(rng, SHORTCUTS.values()) for _ in range(whole(6, 8, rng))]
    lists[:2] = _turned(lists[0], 6), _turned(lists[1], 0)
    for k in LENGTHS:  # each of these shortcuts misleads somewhere, too
        if all(max(one, key=_speed_at(k)) == _fastest(one)[0] for one in lists):
            lists.append(_misled(rng, [_speed_at(k)]))
    return mixed(lists, rng)


@functools.lru_cache(64)
def _misled_by_lengths(seed: int) -> list[list[Candidate]]:
    rng = torch.Generator().manual_seed(seed)
    lists = [_misled(rng, [_speed_at(k)]) for k in LENGTHS]
    lists[:2] = _turned(lists[0], 6), _turned(lists[1], 0)
    return mixed(lists + [_family(rng, n) for n in (2, 3, 8, *[4] * whole(0, 3, rng))], rng)


@choose_draft.part("neither the most accurate, nor the cheapest, nor the best ratio", weight=3, rests_on=(
    "the candidate and the k in 0 ... 64 whose `speedup(alpha, k, c)` is largest, and that speed-up"))
def _(student, rng):
    lists = _misled_by_shortcuts(rng.initial_seed())
    _expect_choices(student, lists, "One of your choices is not the fastest. What the best draft is depends on alpha "
                                    "and c together, through the speed-up at its own best k.")


@choose_draft.part("each candidate at its own draft length", weight=2, rests_on=(
    "the candidate and the k in 0 ... 64 whose `speedup(alpha, k, c)` is largest"))
def _(student, rng):
    lists = _misled_by_lengths(rng.initial_seed())
    _expect_choices(student, lists, "One of your choices is not the fastest: another candidate, at its own best draft "
                                    "length, is faster.")


@choose_draft.part("a single candidate; the order of the list does not matter", weight=1, rests_on=(
    "candidates: list of Candidate."))
def _(student, rng):
    candidates = _obvious(rng)
    turned = [candidates[i:] + candidates[:i] for i in mixed(range(4), rng)]
    message = "The same candidates in another order, and you choose another one."
    alone = [[one] for one in candidates[: whole(1, 3, rng)] if clear_best(one.alpha, one.c)]
    _expect_choices(student, [candidates[:1], *turned, *alone], message)


@choose_draft.part("drafts of up to 64 tokens, for a candidate that is always right", weight=1, rests_on=(
    "the k in 0 ... 64"))
def _(student, rng):
    perfect = [Candidate(name, 1.0, uniform(0.005, 0.01, rng)) for name in _names(rng, whole(1, 3, rng))]
    family = [Candidate(f"a small {one.name}", one.alpha, one.c) for one in _family(rng, 2)]
    _expect_choices(student, mixed([*([one] for one in perfect), [*family, perfect[0]]], rng),
                    "A cheap candidate with alpha = 1 is fastest, at the longest draft that is allowed.")


@choose_draft.part("nothing pays", weight=2, rests_on="when no draft pays: (the name of any of them, 0, 1.0)")
def _(student, rng):
    lists = []
    for count in (1, 3, *[2] * whole(0, 2, rng)):
        lists.append([Candidate(name, alpha := uniform(0.1, 0.8, rng), alpha + uniform(0.05, 0.6, rng))
                      for name in _names(rng, count)])
    pays = [[Candidate(*_names(rng, 1), 0.5, uniform(0.39, 0.46, rng))] for _ in range(whole(1, 4, rng))]
    for candidates in mixed([*lists, *pays], rng):  # among others, so that 0 is not always the answer
        name, k, speed = _ask_choice(student, candidates)
        if candidates in lists and (k != 0 or abs(speed - 1) > 1e-6):
            raise Wrong("No candidate is faster than plain decoding (alpha < c for all of them): the answer is then "
                        "k = 0, with a speed-up of 1.0.", otherwise="misses_zero")
        if candidates in pays and k == 0:
            raise Wrong("With alpha = 0.5 and c below 0.5 a draft of one token pays, and your k is 0.")
        if name not in [one.name for one in candidates]:
            raise Wrong("When nothing pays, the name of any of the candidates is asked for.")


@choose_draft.part("no candidates: ValueError", weight=1, rests_on="Raises ValueError when there are no candidates.")
def _(student, rng):
    names = _names(rng, whole(1, 3, rng))
    for place in mixed(range(len(names) + 1), rng):
        if place == len(names):
            with written_first("choose_draft", "expected_tokens", "speedup", "best_k"):
                if not student.raises(ValueError, []):
                    raise Wrong("Without candidates there is nothing to choose from: raise ValueError.")
        elif _ask_choice(student, [Candidate(names[place], 0.8, 0.05)])[0] != names[place]:
            raise Wrong("With one candidate, its name is asked for.")


for _id, _message in (
    ("most_accurate",
     "You choose the candidate with the largest alpha. It is usually the largest one, and the slowest: what it gains "
     "in accepted tokens it loses in time."),
    ("cheapest",
     "You choose the candidate with the smallest c. A draft that costs nothing and is always wrong is worth nothing: "
     "the target's passes are wasted on it."),
    ("ratio",
     "You choose by alpha over c. A ratio prefers what is nearly free, however bad it is. Ask what comes out in the "
     "end: tokens per time."),
    ("most_tokens", "You choose the candidate with the most tokens per target call. Count the time as well."),
):
    choose_draft.mistake(_id, _message, imitate=_by(SHORTCUTS[_id]))
choose_draft.mistake(
    "difference",
    "You choose by alpha - c. Its sign says whether a draft pays at all, not how much it brings: compare speed-ups.",
    imitate=_by(lambda one: one.alpha - one.c),
)
choose_draft.mistake(
    "misses_zero",
    "You always draft. If the best of all speed-ups is below 1, the best draft length is 0: no draft at all.",
    imitate=_by(lambda one: _best(one, 1), lambda one: max(range(1, 65), key=lambda k: rate(one.alpha, k, one.c))),
)
choose_draft.mistake(
    "fixed_k",
    "You compare all candidates at one draft length. A cheap draft wants a long draft, a good but slow one a short "
    "one: give each its own best k first.",
    imitate=tuple(_by(_speed_at(k), lambda one, k=k: k) for k in USUAL) + tuple(_by(_speed_at(k)) for k in USUAL),
)
choose_draft.mistake(
    "another_limit", "Your drafts end at another length than 64. The k in 0 ... 64 is asked for.",
    imitate=tuple(_by(lambda one, most=most: max(speeds(one.alpha, one.c, most)),
                      lambda one, most=most: clear_best(one.alpha, one.c, most) or 0)
                  for most in (3, 5, 8, 10, 16, 20, 32, 63, 100)),
)
choose_draft.mistake(
    "first_that_pays", "You take the first candidate that pays at all. Another one may bring more: look at all.",
    imitate=lambda candidates: _by(lambda one: one.alpha > one.c)(candidates),
)
choose_draft.help(r"not subscriptable|indices must be|no attribute 'get'",
                  "A Candidate has three fields: one.name, one.alpha, one.c.")
choose_draft.help(r"empty (sequence|iterable)|arg is an empty", "The list is empty: raise ValueError yourself.")
