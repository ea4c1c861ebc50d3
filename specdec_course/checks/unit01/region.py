"""Unit 01: how a latency curve is read.

Knows: what the check of `flat_region` establishes and which mistakes it can name. Does not know: how a curve is
measured (curve).
"""

from __future__ import annotations

import torch

from ..ask import ask, mixed, uniform, whole
from ..exercise import Exercise
from ..values import as_int

flat_region = Exercise(
    "flat_region",
    unit="01",
    points=1,
    difficulty=1,
    minutes=5,
    reference="specdec_course.measure.clocks:flat_region",
    hints=(
        "Walk from the shortest length upwards. Which number is each time compared with, and what happens at the "
        "first one that is too slow?",
        "limit = (1 + tolerance) * profile[shortest]. Go through sorted(profile); keep the length while its time is "
        "<= limit, and leave the loop at the first that is above it.",
    ),
)


def _region(profile, tolerance=0.25):
    """What is right, said in another way than the package says it."""
    lengths = sorted(profile)
    slow = [i for i, n in enumerate(lengths) if profile[n] > profile[lengths[0]] * (1 + tolerance)]
    return lengths[slow[0] - 1] if slow else lengths[-1]


def _expect_regions(student, rng, cases) -> None:
    """Asks for the regions of these (curve, tolerance, what is special) in a drawn order, with others among them."""
    drawn = []
    for _ in range(whole(2, 5, rng)):
        curve = _rising(rng, whole(3, 9, rng))
        ends_inside = curve[max(curve)] / curve[min(curve)] - 1  # from this tolerance on; that has a part of its own
        drawn.append((curve, uniform(0.05, 0.95 * ends_inside, rng), "every time is longer than the one before"))
    asked = []
    for curve, tolerance, when in [*cases, *drawn]:
        given = (dict(curve),) if tolerance is None else (dict(curve), tolerance)
        asked.append((given, (_region(*given), when)))
    ask(student, as_int, asked, _judge_region, rng)


def _judge_region(answer: int, due: tuple[int, str]) -> str | None:
    return None if answer == due[0] else f"Wrong region for a curve in which {due[1]}."


def _rising(rng, count: int) -> dict[int, float]:
    """A measured curve, in order, without a dip and with nothing near a limit that anybody would ask for."""
    lengths = sorted(torch.randperm(900, generator=rng)[:count].add(1).tolist())
    base, curve = uniform(1e-3, 0.5, rng), {}
    for place, n in enumerate(lengths):
        curve[n] = base * (1 + 0.31 * place * uniform(0.9, 1.1, rng))
    return curve


@flat_region.part("ends at the first length that is too slow, whatever comes later", rests_on=(
    "the longest length up to which *every* measured length is inside",
    "A later length that is fast again, by luck or noise, does not count"))
def _(student, rng):
    cases = []
    for tolerance in mixed((0.25, 0.1, 0.6), rng):
        base, a, b, c, d = 2.0 ** -whole(4, 8, rng), *sorted(some_lengths(rng, 4))
        dip = {1: base, a: base * (1 + tolerance / 2), b: base * (1.3 + tolerance), c: base, d: base * 3}
        cases.append((dip, tolerance, "one length is too slow and a longer one fast again"))
    _expect_regions(student, rng, cases)


def some_lengths(rng, n: int) -> list[int]:
    return (torch.randperm(500, generator=rng)[:n] + 2).tolist()


@flat_region.part("counts a time exactly on the limit as inside, with the tolerance that is given", rests_on=(
    "exactly (1 + tolerance) times that time is inside", "tolerance=0.25"))
def _(student, rng):
    base, cases = 2.0 ** -whole(4, 8, rng), []  # powers of two: no round-off, however the comparison is written
    for tolerance in (0.25, 0.5, 1.0, 0.0625, 0.0, 3.0):
        a, b, c = sorted(some_lengths(rng, 3))
        curve = {1: base, a: base * (1 + tolerance), b: base * (1 + tolerance) * 1.03125, c: base * 8}
        cases.append((curve, tolerance, "one time lies exactly on the limit"))
    cases.append(({1: base, 4: base * 1.25, 16: base * 1.2502}, None, "the tolerance is the default"))
    cases.append(({1: base, 4: base * 1.25, 16: base * 1.375}, None, "the tolerance is the default"))
    _expect_regions(student, rng, cases)


@flat_region.part("compares every time with the shortest length's", rests_on=(
    "how much more than the shortest length's time still counts"))
def _(student, rng):
    base = 2.0 ** -whole(4, 8, rng)
    steps, a, b, c = whole(7, 10, rng), *sorted(some_lengths(rng, 3))
    creeps, dips = "every time is only a little more than the one before", "the second length is the fastest"
    _expect_regions(student, rng, [({1 << i: base * (1 + i / 8) for i in range(steps)}, 0.25, creeps),
                                   ({1 << i: base * (1 + i / 16) for i in range(9)}, 0.1, creeps),
                                   ({1: base, a: base * 0.875, b: base * 1.125, c: base * 2}, 0.25, dips),
                                   ({1: base, a: base * 0.5, b: base * 1.125, c: base * 2}, 0.25, dips)])


@flat_region.part("takes curves in any order, and a single point", rests_on=(
    "dict {number of tokens: seconds}, in any order, not empty"))
def _(student, rng):
    times = (0.01, 0.011, 0.012, 0.02, 0.03)  # no dip, no creeping, nothing on the limit: the order alone matters
    cases = []
    for order in ((4, 3, 2, 1, 0), (2, 0, 4, 1, 3), (0, 4, 2, 3, 1)):
        lengths = sorted(some_lengths(rng, 5))
        cases.append(({lengths[i]: times[i] for i in order}, 0.25, "the lengths do not come in sorted order"))
    n, more = sorted(some_lengths(rng, 2))
    for curve in ({n: 0.02}, {more: 0.02, n: 0.01}, {more: 0.011, n: 0.01}):
        cases.append((curve, 0.25, "there are one or two lengths"))
    cases.append(({length: 0.01 for length in some_lengths(rng, 3)}, 0.25, "all times are equal"))
    _expect_regions(student, rng, cases)


def _all_inside(profile, tolerance=0.25):
    return max(n for n in profile if profile[n] <= (1 + tolerance) * profile[min(profile)])


def _against_neighbour(profile, tolerance=0.25):
    lengths = sorted(profile)
    for a, b in zip(lengths, lengths[1:], strict=False):
        if profile[b] > (1 + tolerance) * profile[a]:
            return a
    return lengths[-1]


def _against_fastest(profile, tolerance=0.25):
    best = lengths = None
    lengths = sorted(profile)
    for n in lengths:
        if profile[n] > (1 + tolerance) * min(profile.values()):
            break
        best = n
    return lengths[0] if best is None else best


def _both_sides(profile, tolerance=0.25):
    best = first = min(profile)
    for n in sorted(profile):
        if abs(profile[n] - profile[first]) > tolerance * profile[first]:
            break
        best = n
    return best


def _strictly_inside(profile, tolerance=0.25):
    best = min(profile)
    for n in sorted(profile)[1:]:
        if profile[n] >= (1 + tolerance) * profile[min(profile)]:
            break
        best = n
    return best


def _first_outside(profile, tolerance=0.25):
    for n in sorted(profile):
        if profile[n] > (1 + tolerance) * profile[min(profile)]:
            return n
    return max(profile)


def _how_many(profile, tolerance=0.25):
    region = _region(profile, tolerance)
    return sum(n <= region for n in profile)


def _place(profile, tolerance=0.25):
    return _how_many(profile, tolerance) - 1


def _seconds_more(profile, tolerance=0.25):
    best, limit = min(profile), profile[min(profile)] + tolerance
    for n in sorted(profile):
        if profile[n] > limit:
            break
        best = n
    return best


def _in_given_order(profile, tolerance=0.25):
    lengths = list(profile)
    best = lengths[0]
    for n in lengths:
        if profile[n] > (1 + tolerance) * profile[lengths[0]]:
            break
        best = n
    return best


flat_region.mistake(
    "longest",
    "You return the longest length of all, whatever its time is. Asked for is the last one up to which all are inside.",
    imitate=lambda profile, tolerance=0.25: max(profile),
)
flat_region.mistake(
    "both_sides",
    "A length that is *faster* than the shortest ends your region. The limit is on one side only: what costs less is "
    "inside as well.",
    imitate=_both_sides,
)
flat_region.mistake(
    "tolerance_ignored",
    "Your answer does not depend on the tolerance: you compare with 1.25 whatever is asked. 0.25 is only what "
    "`tolerance` is when nobody names it.",
    imitate=lambda profile, tolerance=0.25: _region(profile),
)
flat_region.mistake(
    "factor",
    "You multiply by the tolerance itself. It says how much *more* may still count: the limit is (1 + tolerance) times "
    "the shortest length's time.",
    imitate=lambda profile, tolerance=0.25: _region(profile, tolerance - 1) if tolerance >= 1 else min(profile),
)
flat_region.mistake(
    "later_dip",
    "A dip further on is taken for flat. A long pass that is fast once, by luck or noise, does not make the lengths "
    "before it free: stop at the first length that is too slow.",
    imitate=_all_inside,
)
flat_region.mistake(
    "neighbour",
    "Each time is compared with the one before it. A curve that creeps up by 10 % at every step would be flat for "
    "ever. Compare with the shortest length.",
    imitate=_against_neighbour,
)
flat_region.mistake(
    "fastest",
    "The times are compared with the fastest one. The question is what more tokens cost than *one pass of the "
    "shortest length*, even if another length happened to be faster.",
    imitate=_against_fastest,
)
flat_region.mistake(
    "strict", "A time exactly on the limit is inside: <= and not <.", imitate=_strictly_inside
)
flat_region.mistake(
    "one_too_far",
    "You return the first length that is too slow. Asked for is the last one that is still inside.",
    imitate=_first_outside,
)
flat_region.mistake(
    "counted",
    "You count the lengths that are inside, or give the place of the last one. Asked for is that length itself, in "
    "tokens.",
    imitate=(_how_many, _place),
)
flat_region.mistake(
    "seconds_more",
    "You add the tolerance to a time, as if it were seconds. It is a share: (1 + tolerance) times the shortest "
    "length's time.",
    imitate=_seconds_more,
)
flat_region.mistake(
    "unsorted",
    "You go through the dict in the order in which it was filled. Lengths may have been measured in any order: sort "
    "them first.",
    imitate=_in_given_order,
)
