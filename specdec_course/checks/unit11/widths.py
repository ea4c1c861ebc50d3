"""Right and wrong in `cape_widths`: how many candidates stand where the draft is how sure.

Knows: this exercise. Does not know: trees.
"""

from __future__ import annotations

import math

import torch

from .. import values
from ..ask import ask, mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise

PARTS = 64  # bounds are multiples of 1/64: the same number in every precision
APART = 1e-3  # what is not at a bound is at least as far away

cape_widths = Exercise(
    "cape_widths", unit="11", points=2, difficulty=2, minutes=10,
    reference="specdec_course.drafters.widths:cape_widths",
    hints=(
        "With bounds (0.25, 0.75) there are three classes. In which one is a confidence of 0.75? How many bounds lie "
        "at or below it?",
        "The class of a confidence c is the number of bounds that it reaches: sum(c >= bound for bound in bounds). Its "
        "width is widths[class]. Before that refuse: bounds with low >= high, len(widths) != len(bounds) + 1, and any "
        "c for which 0 <= c <= 1 does not hold (it does not for NaN).",
    ),
)


def right_widths(confidence, bounds, widths) -> list[int]:
    found = []
    for number in confidence:
        i = 0
        while i < len(bounds) and number >= bounds[i]:
            i += 1
        found.append(widths[i])
    return found


def drawn_bounds(rng, count: int) -> tuple:
    return tuple(sorted((torch.randperm(PARTS - 1, generator=rng)[:count] + 1).div(PARTS).tolist()))


def drawn_widths(rng, count: int) -> tuple:
    """Different ones, mostly fewer for the surer; but the contract does not say so."""
    some = sorted((torch.randperm(12, generator=rng)[:count] + 1).tolist(), reverse=True)
    return tuple(some if whole(0, 2, rng) else mixed(some, rng))


def drawn_confidence(rng, bounds, k: int) -> list[float]:
    """Confidences of all classes, none near a bound."""
    edges, found = (0.0, *bounds, 1.0), []
    while len(found) < k:
        i = whole(0, len(edges) - 2, rng)
        found.append(round(uniform(edges[i] + 2 * APART, edges[i + 1] - 2 * APART, rng), 4))
    return found


def case(confidence, bounds, widths) -> tuple:
    return (confidence, bounds, widths), ((confidence, bounds, widths), right_widths(confidence, bounds, widths))


def judge(found, wanted):
    (confidence, bounds, widths), right = wanted
    if len(found) != len(right):
        return f"{len(right)} confidences were given, and your function returned {len(found)} widths."
    for number, mine, due in zip(confidence, found, right, strict=True):
        if mine != due:
            at = " It lies exactly at a bound, and belongs to the surer side." if number in bounds else ""
            return (f"With the bounds {list(bounds)} and the widths {list(widths)} your function gives {mine} to a "
                    f"confidence of {number}; it is in class {sum(number >= b for b in bounds)}.{at}")
    return None


def asked(student, cases, rng) -> None:
    ask(student, values.as_ids, cases, judge, rng)


@cape_widths.part("gives every position the width of its class", weight=3, rests_on=(
    "below bounds[0], from bounds[0] to below bounds[1], and so", "Class number i has widths[i] candidates",
    "Each position is judged by its own confidence alone"))
def _(student, rng):
    cases = []
    for count in mixed((1, 2, 3, 3, 5), rng):
        bounds = drawn_bounds(rng, count)
        cases.append(case(drawn_confidence(rng, bounds, whole(4, 12, rng)), bounds, drawn_widths(rng, count + 1)))
    bounds = drawn_bounds(rng, 2)
    asked(student, [*cases, case(drawn_confidence(rng, bounds, 1), bounds, drawn_widths(rng, 3))], rng)


@cape_widths.part("is right for a confidence at a bound, on the surer side", weight=2, rests_on=(
    "a confidence exactly at a bound belongs to the surer side", "list of k floats in [0, 1]"))
def _(student, rng):
    cases = []
    for count in mixed((1, 2, 3), rng):
        bounds = drawn_bounds(rng, count)
        cases.append(case(mixed([*bounds, 0.0, 1.0, *drawn_confidence(rng, bounds, 2)], rng), bounds,
                          drawn_widths(rng, count + 1)))
    bounds = drawn_bounds(rng, 2)
    asked(student, [*cases, case([bounds[whole(0, 1, rng)]], bounds, drawn_widths(rng, 3))], rng)


@cape_widths.part("is right for no positions, no bounds, and bounds at the ends", weight=1, rests_on=(
    "k may be 0", "it may be empty: then all is one class", "the last class begins at the last bound"))
def _(student, rng):
    bounds = drawn_bounds(rng, 2)
    cases = [case([], bounds, drawn_widths(rng, 3)), case([0.0, 0.5, 1.0], (), drawn_widths(rng, 1)),
             case([1.0, 0.0, 0.25], (0.0, 1.0), drawn_widths(rng, 3)), case([], (), (1,)),
             case([round(uniform(0, 1, rng), 3) for _ in range(3)], (), drawn_widths(rng, 1)),
             case([1.0, bounds[0], 0.0], (0.0, bounds[0], 1.0), drawn_widths(rng, 4))]
    asked(student, cases, rng)


@cape_widths.part("refuses bounds, widths and confidences that are none", weight=1, rests_on=(
    "Raises ValueError if the bounds do not ascend", "not len(bounds) + 1 widths",
    "for a confidence below 0, above 1 or NaN"))
def _(student, rng):
    bounds, widths = drawn_bounds(rng, 3), drawn_widths(rng, 4)
    right = drawn_confidence(rng, bounds, 3)
    low, high = round(uniform(-2, -0.01, rng), 3), round(uniform(1.01, 2, rng), 3)
    bad = {"bounds in another order": (right, bounds[::-1], widths),
           "two equal bounds": (right, (bounds[0], bounds[1], bounds[1]), widths),
           "as many widths as bounds": (right, bounds, widths[:-1]),
           "two widths more than bounds": (right, bounds, (*widths, 1)),
           "a confidence below 0": (mixed([*right, low], rng), bounds, widths),
           "a confidence above 1": (mixed([*right, high], rng), bounds, widths),
           "a confidence that is NaN": (mixed([*right, math.nan], rng), bounds, widths)}
    taken = [what for what in mixed(bad, rng) if not student.raises(ValueError, *bad[what])]
    if taken:
        nothing = {"otherwise": "refuses_nothing"} if len(taken) == len(bad) else {}
        raise Wrong(f"Given {taken[0]}, your function answers; it has to raise ValueError.", **nothing)
    student(right, bounds, widths)  # gets an answer: whether a right one, the other parts say
