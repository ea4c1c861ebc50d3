"""Unit 01: how a latency curve is measured and read.

Knows: what the checks of `latency_profile` and `flat_region` establish and which mistakes they can name. Does not
know: the scripted model's insides (see stages.clocks).
"""

from __future__ import annotations

import time

import numpy as np
import torch

from ..ask import whole
from ..errors import NotAttempted, Wrong
from ..exercise import Exercise
from ..stages.clocks import MS, SLACK, SlowModel
from ..subject import raised_in, reading

latency_profile = Exercise(
    "latency_profile",
    unit="01",
    points=2,
    difficulty=2,
    minutes=10,
    reference="specdec_course.measure.clocks:latency_profile",
    hints=(
        "For one length: what must be drawn, what must be called how often, and which single number stands for many "
        "times if one of them was spoilt by another program?",
        "Make one torch.Generator with the seed. For every n: ids = torch.randint(vocab_size, (n,), "
        "generator=...); time forward(ids) with time_call; keep float(np.median(...)) under the key n.",
    ),
)
# Milliseconds: minimum 2, median 4, mean 12. Any five calls in a row see all of it, wherever they begin.
SCRIPT = (2, 12, 2, 40, 4)


@latency_profile.part("the median of the timed calls, under the right length", weight=2)
def _(student, rng):
    lengths = [12, 1, 40]
    scale = dict(zip(lengths, (0.5, 1.5, 1.0), strict=True))
    begin = whole(0, len(SCRIPT) - 1, rng)

    def script(length, i):  # the first call of a length compiles
        return MS * (25 if i == 0 else SCRIPT[(begin + i) % len(SCRIPT)] * scale.get(length, 1))

    model = SlowModel(211, _stop, script)
    profile = _profile(student, model, lengths, repeats=len(SCRIPT))
    ended = time.perf_counter()
    _right_lengths(model, lengths, len(SCRIPT))
    for length in lengths:
        _is_median(profile[length], length, model, len(SCRIPT), ended)


@latency_profile.part("every length is fed, and as often as repeats says")
def _(student, rng):
    lengths = [int(n) for n in torch.randperm(60, generator=rng)[:4] + 2]
    counts = []
    for repeats in (2, 6):
        model = SlowModel(97, _stop)
        _profile(student, model, lengths, repeats=repeats)
        _right_lengths(model, lengths, repeats)
        counts.append(sum(map(len, model.fed.values())))
    if counts[0] >= counts[1]:
        raise Wrong("With repeats=6 the model was not called more often than with repeats=2: where is repeats used?")


@latency_profile.part("ids are random, from the whole vocabulary, and follow the seed")
def _(student, rng):
    seed, fed = whole(1, 999, rng), []
    for this_seed in (seed, seed, seed + 1):
        model = SlowModel(5000, _stop)
        _profile(student, model, [3, 48], repeats=2, seed=this_seed)
        _right_lengths(model, [3, 48], 2)
        fed.append(model.fed)
    drawn = [token for row in fed[0][48] for token in row]
    if len(set(drawn)) < 20 or max(drawn) < 2500:
        raise Wrong(
            "The ids that were fed are not spread over the vocabulary: draw them at random from 0 ... vocab_size - 1. "
            "A row of equal tokens is not what the model meets in real work."
        )
    if fed[0] != fed[1]:
        raise Wrong("Called twice with the same seed, other ids were fed: what decides which?", mistake="seedless")
    if fed[0] == fed[2]:
        raise Wrong("Called with two seeds, the same ids were fed: where is the seed used?", mistake="seedless")


def _stop(message):
    raise Wrong(message)


def _profile(student, model, lengths, **options) -> dict[int, float]:
    """The student's answer as {int: float}; Wrong if it is anything else, or has other keys than `lengths`."""
    try:
        answer = student(model.forward, lengths, model.vocab_size, **options)
    except NotAttempted as stop:
        if raised_in(stop.__context__) != "time_call":
            raise
        raise Wrong(
            "Your latency_profile calls time_call, and that is not written yet. Write it first, or call "
            "clocks.time_call here, which is the package's own."
        ) from None
    with reading("a dict {length: seconds}"):
        profile = {int(n): float(seconds) for n, seconds in answer.items()}
    if set(profile) != set(lengths):
        raise Wrong("The keys of your dict are not the lengths that were asked for.")
    return profile


def _right_lengths(model, lengths, repeats):
    fed = set(model.fed)
    if fed != set(lengths):
        if len(fed) == 1:
            raise Wrong("The model was fed rows of one length only.", mistake="one_length")
        if len(fed) > len(lengths):
            raise Wrong("The model was fed rows of lengths that nobody asked for.", mistake="growing")
        raise Wrong("The model was fed other lengths than those asked for.")
    for n in lengths:
        if len(model.fed[n]) < repeats:
            raise Wrong(f"With repeats={repeats}, a length was timed only {len(model.fed[n])} times.")
        if len(model.fed[n]) == repeats:
            raise Wrong(
                f"With repeats={repeats}, every length was called just {repeats} times: there was no warm-up call of "
                "that length.",
                mistake="no_warmup",
            )


def _is_median(value, length, model, repeats, ended):
    timed, every = model.bounds(length, repeats, ended), model.bounds(length, None, ended)
    if _between(value, np.median, timed):
        return
    for mistake, statistic, bounds in (
        ("mean", np.mean, timed),
        ("minimum", np.min, timed),
        ("no_warmup", np.median, every),
        ("mean", np.mean, every),
    ):
        if _between(value, statistic, bounds):
            raise Wrong("One number is not the median of its length's times.", mistake=mistake)
    if any(_between(value, np.median, model.bounds(n, repeats, ended)) for n in model.fed if n != length):
        raise Wrong("A length carries the time of another length: check which number belongs to which key.")
    raise Wrong("One number is not the median of its length's timed calls. Seconds? Only the timed calls?")


def _between(value, statistic, bounds) -> bool:
    """Whether `value` can be this statistic of times that lie between these bounds (it grows with each of them)."""
    return statistic(bounds[0]) - SLACK <= value <= statistic(bounds[1]) + SLACK


latency_profile.mistake(
    "one_length",
    "Every pass has the same length: the curve would be flat for a reason that has nothing to do with the model. Where "
    "does the loop's length enter the ids?",
)
latency_profile.mistake(
    "growing",
    "The rows grow while you measure. Each repeat must start from scratch with exactly n tokens; a text (or a cache) "
    "that grows makes every later repeat slower than the one before.",
)
latency_profile.mistake(
    "no_warmup",
    "The first call of a length is counted. A compiled model compiles anew for a new length, and memory is reserved: "
    "that call belongs in the warm-up. `time_call` does this for you if you call it once per length.",
)
latency_profile.mistake(
    "mean",
    "You return a mean. In the check, one call in five was ten times slower, as happens whenever another program "
    "wakes up; it pulls the mean up by far. Which number stays where most of the times are?",
)
latency_profile.mistake(
    "minimum",
    "You return the fastest call. It tells what can happen at best, not what usually happens, and it gets better the "
    "longer you measure. The contract asks for the middle one.",
)
latency_profile.mistake(
    "seedless",
    "The seed does not decide which ids are drawn. Make a generator from it (torch.Generator().manual_seed(seed)) and "
    "hand that to torch.randint.",
)
latency_profile.help(
    r"randint\(\)", "torch.randint(high, size, generator=...) wants the size as a tuple: (n,)."
)


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


def _region(profile, tolerance):
    """What is right, said in another way than the package says it."""
    lengths = sorted(profile)
    slow = [i for i, n in enumerate(lengths) if profile[n] > profile[lengths[0]] * (1 + tolerance)]
    return lengths[slow[0] - 1] if slow else lengths[-1]


def _expect_region(student, profile, tolerance, when):
    if student.returned_int(profile, tolerance) != _region(profile, tolerance):
        raise Wrong(f"Wrong region for a curve in which {when}.")


@flat_region.part("a later dip does not count")
def _(student, rng):
    base = 2.0 ** -whole(4, 8, rng)
    dip = {1: base, 2: base * 1.125, 8: base * 1.5, 16: base, 32: base * 3}
    _expect_region(student, dip, 0.25, "one length is too slow and a longer one fast again")


@flat_region.part("exactly on the limit is inside; the tolerance is the one given")
def _(student, rng):
    base = 2.0 ** -whole(4, 8, rng)  # powers of two: no round-off, however the comparison is written
    for tolerance in (0.25, 0.5, 1.0):
        curve = {1: base, 4: base * (1 + tolerance), 16: base * (1 + tolerance) * 1.03125, 64: base * 8}
        _expect_region(student, curve, tolerance, "one time lies exactly on the limit")
    curve = {1: base, 4: base * 1.25, 16: base * 1.375}
    if student.returned_int(curve) != 4:
        raise Wrong("Wrong region with the default tolerance.")


@flat_region.part("every time is compared with the shortest length's")
def _(student, rng):
    base = 2.0 ** -whole(4, 8, rng)
    creeping = {1 << i: base * (1 + i / 8) for i in range(8)}
    _expect_region(student, creeping, 0.25, "every time is only a little more than the one before")
    dipping = {3: base, 5: base * 0.5, 9: base * 1.125, 17: base * 2}
    _expect_region(student, dipping, 0.25, "the second length is faster than the shortest one")


@flat_region.part("curves in the order in which they happened to be measured; a single point")
def _(student, rng):
    times = (0.01, 0.011, 0.012, 0.02, 0.03)  # no dip, no creeping, nothing on the limit: the order alone matters
    answers = []
    for order in ((4, 3, 2, 1, 0), (2, 0, 4, 1, 3), (0, 4, 2, 3, 1)):
        lengths = sorted(10 + int(n) for n in torch.randperm(500, generator=rng)[:5])
        curve = {lengths[i]: times[i] for i in order}
        answers.append((student.returned_int(curve), lengths[2]))
    if any(given != right for given, right in answers):
        raise Wrong("Wrong region for a curve whose lengths do not come in sorted order.")
    for curve in ({17: 0.02}, {12: 0.02, 5: 0.01}, {12: 0.011, 5: 0.01}):
        _expect_region(student, curve, 0.25, "there are one or two lengths")
    _expect_region(student, {n: 0.01 for n in (2, 4, 8)}, 0.25, "all times are equal")


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


def _in_given_order(profile, tolerance=0.25):
    lengths = list(profile)
    best = lengths[0]
    for n in lengths:
        if profile[n] > (1 + tolerance) * profile[lengths[0]]:
            break
        best = n
    return best


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
    "unsorted",
    "You go through the dict in the order in which it was filled. Lengths may have been measured in any order: sort "
    "them first.",
    imitate=_in_given_order,
)
