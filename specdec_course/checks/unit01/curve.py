"""Unit 01: how a latency curve is measured.

Knows: what the check of `latency_profile` establishes and which mistakes it can name. Does not know: the scripted
model's insides (see stages.clocks), how a curve is read (region).
"""

from __future__ import annotations

import contextlib
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


@latency_profile.part("keeps the median of the timed calls under the right length", weight=2, rests_on=(
    "for every length the median of its timed calls", "after at least one warm-up call of the same length"))
def _(student, rng):
    lengths = [12, 1, 40]
    scale = dict(zip(lengths, (0.5, 1.5, 1.0), strict=True))
    begin = whole(0, len(SCRIPT) - 1, rng)

    def script(length, i):  # the first call of a length compiles
        turn = begin + i + lengths.index(length) if length in lengths else i  # nothing stands at one place in all
        return MS * (25 if i == 0 else SCRIPT[turn % len(SCRIPT)] * scale.get(length, 1))

    model = SlowModel(211, _stop, script)
    profile = _profile(student, model, lengths, repeats=len(SCRIPT))
    ended = time.perf_counter()
    _right_lengths(model, lengths, len(SCRIPT))
    try:
        _are_medians(profile, lengths, model, len(SCRIPT), ended)
    except Wrong as wrong:
        if _ignores_repeats(student.aside()):
            raise wrong.but(mistake="repeats_ignored", otherwise=None) from None
        raise


def _ignores_repeats(student) -> bool:
    """Whether a length is fed as often with repeats=2 as with repeats=9."""
    with contextlib.suppress(Wrong):
        few, many = (len(_fed(student, 97, [5], repeats=repeats)) for repeats in (2, 9))
        return few == many
    return False


@latency_profile.part("feeds every length, as often as repeats says", rests_on=(
    "timed calls per length, after at least one warm-up call", "it gets exactly n ids"))
def _(student, rng):
    lengths = [int(n) for n in torch.randperm(60, generator=rng)[:4] + 2]
    counts = []
    for repeats in (2, 6):
        model = SlowModel(97, _stop)
        _profile(student, model, lengths, repeats=repeats)
        _right_lengths(model, lengths, repeats)
        counts.append(sum(map(len, model.fed.values())))
    if counts[0] >= counts[1]:
        raise Wrong("With repeats=6 the model was not called more often than with repeats=2: where is repeats used?",
                    mistake="repeats_ignored" if counts[0] == counts[1] else None)


@latency_profile.part("draws its ids from the whole vocabulary, anew for every length, and by the seed", rests_on=(
    "the ids are drawn at random from 0 ... vocab_size - 1, anew for every", "the same seed draws the same ids"))
def _(student, rng):
    seed, fed = whole(1, 999, rng), []
    for this_seed in (seed, seed, seed + 1):
        model = SlowModel(5000, _stop)
        _profile(student, model, [3, 48], repeats=2, seed=this_seed)
        _right_lengths(model, [3, 48], 2)
        fed.append(model.fed)
    drawn = [token for row in fed[0][48] for token in row]
    if len(set(drawn)) < 20 or max(drawn) < 2500:
        what = "are all equal" if len(set(drawn)) == 1 else f"lie between {min(drawn)} and {max(drawn)}"
        raise Wrong(f"With a vocabulary of 5000, the 48 ids of a row {what}: draw them at random from 0 ... "
                    "vocab_size - 1, from all of them.")
    _whole_vocabulary(student, rng)
    if fed[0] != fed[1]:
        raise Wrong("Called twice with the same seed, other ids were fed: what decides which?", mistake="seedless")
    if fed[0] == fed[2]:
        raise Wrong("Called with two seeds, the same ids were fed: where is the seed used?", mistake="seedless")
    zero, again, default = (_fed(student, 5000, [16], **given) for given in ({"seed": 0}, {"seed": 0}, {"seed": None}))
    if zero != again:
        raise Wrong(f"Called twice with seed = {seed}, the same ids were fed; called twice with seed = 0, others.",
                    mistake="zero_is_no_seed")
    if zero != default:
        raise Wrong("Called without a seed, other ids were fed than with seed = 0, which is the default.")


def _whole_vocabulary(student, rng) -> None:
    """Wrong unless every id of a small vocabulary comes, and no length's ids are the beginning of another's."""
    size = whole(6, 9, rng)
    model = SlowModel(size, _stop)
    lengths = [300, 24, 280]
    _profile(student, model, lengths, repeats=3, seed=whole(1, 999, rng))
    drawn = {token for calls in model.fed.values() for row in calls for token in row}
    if drawn != set(range(size)):  # with 600 ids or more, one fails to come by chance less than once in 10^29
        raise Wrong(f"With a vocabulary of {size} ids, {sorted(set(range(size)) - drawn)} never came: draw from all of "
                    "0 ... vocab_size - 1. (torch.randint leaves its upper limit out.)", mistake="ends_of_vocabulary")
    rows = [(n, row) for n in lengths for row in model.fed.get(n, ())]
    if any(m != n and row[:24] == other[:24] for n, row in rows for m, other in rows):
        raise Wrong("Draw the ids anew for every length.",
                    mistake="one_long_row")


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
        keys = list(answer)
        profile = {int(n): float(seconds) for n, seconds in answer.items()}
    if set(profile) != set(lengths):
        raise Wrong("The keys of your dict are not the lengths that were asked for.")
    if not all(n in answer for n in lengths):
        raise Wrong(f"The keys of your dict are of the type {type(keys[0]).__name__}, so that profile[1] finds nothing "
                    "in it: take the lengths themselves as keys, as numbers.", mistake="keys_of_another_type")
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
                f"With repeats={repeats}, length {n} was called just {repeats} times: there was no warm-up call of "
                "that length.",
                mistake="no_warmup",
            )


def _are_medians(profile, lengths, model, repeats, ended):
    """Wrong unless every number is the median of its length; a cause is named only if it explains all of them."""
    timed = {n: model.bounds(n, repeats, ended) for n in lengths}
    every = {n: model.bounds(n, None, ended) for n in lengths}
    if all(_between(profile[n], np.median, timed[n]) for n in lengths):
        return
    quantiles = [lambda times, share=share: np.quantile(times, share) for share in (0.75, 0.25, 0.9, 0.1)]
    another_quantile = any(all(_between(profile[n], one, timed[n]) for n in lengths) for one in quantiles)
    for mistake, statistic, bounds in (
        ("mean", np.mean, timed),
        ("minimum", np.min, timed),
        ("maximum", np.max, timed),
        ("no_warmup", np.median, every),
        ("mean", np.mean, every),
    ):
        if all(_between(profile[n], statistic, bounds[n]) for n in lengths):
            sure = mistake != "no_warmup" or not another_quantile
            raise Wrong("Your numbers are not the medians of their lengths' times.",
                        **{"mistake" if sure else "otherwise": mistake})
    for place in range(repeats):
        if all(_between(profile[n], lambda times, place=place: times[place], timed[n]) for n in lengths):
            raise Wrong("Your numbers are not the medians of their lengths' times.", mistake="unsorted")
    if another_quantile:
        raise Wrong("Your numbers are not the medians of their lengths' times.", mistake="quantile")
    if all(any(_between(profile[n], np.median, timed[other]) for other in lengths) for n in lengths):
        raise Wrong("A length carries the time of another length: check which number belongs to which key.",
                    mistake="another_length")
    for mistake, seconds in (
        *(("not_seconds", {n: profile[n] / unit for n in lengths}) for unit in (1e3, 1e6, 1e9)),
        ("per_token", {n: profile[n] * n for n in lengths}),
    ):
        if all(_between(seconds[n], np.median, timed[n]) for n in lengths):
            raise Wrong("Your numbers are no medians in seconds per pass.", mistake=mistake)
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
    "repeats_ignored",
    "Every length is called equally often, whatever `repeats` is. Hand it on to what times the calls: "
    "`time_call(..., repeats)`, or the loop of your own.",
)
latency_profile.mistake(
    "keys_of_another_type",
    "The lengths in your dict have become something else than numbers. The curve is looked up by number: "
    "`profile[16]`.",
)
latency_profile.mistake(
    "quantile",
    "You keep another quantile than the median: half of the timed calls should be faster than it, and half slower.",
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
    "You return the fastest call, or nearly so. It tells what can happen at best, not what usually happens, and it "
    "gets better the longer you measure. The contract asks for the middle one.",
)
latency_profile.mistake(
    "maximum",
    "You return the slowest call, or nearly so. One interruption by another program decides it then; the contract asks "
    "for the middle one.",
)
latency_profile.mistake(
    "unsorted",
    "Your number is the time of one and the same call, counted in the order of the calls. The median stands in the "
    "middle of the *sorted* times.",
)
latency_profile.mistake(
    "another_length",
    "The times are right, and stand under the wrong lengths. Keep each time under the length that was fed, inside the "
    "same turn of the loop.",
)
latency_profile.mistake(
    "not_seconds",
    "The unit is wrong: the contract asks for seconds. Milliseconds are for printing.",
)
latency_profile.mistake(
    "per_token",
    "You divide by the length. Asked for is the time of one pass, however many tokens it has: that it hardly grows "
    "with them is what the curve is to show.",
)


@latency_profile.argument("forward")
def _(student, rng):
    models = [SlowModel(97, _stop, lambda length, i, cost=cost: cost) for cost in (MS, 4 * MS)]
    return [_profile(student, model, [2, 5], repeats=2, seed=1) for model in models]


@latency_profile.argument("vocab_size")
def _(student, rng):
    return [max(_fed(student, size, [64])) < 60 for size in (50, 5000)]


@latency_profile.argument("repeats")
def _(student, rng):
    return [len(_fed(student, 97, [5], repeats=repeats)) for repeats in (2, 9)]


@latency_profile.argument("seed")
def _(student, rng):
    return [_fed(student, 5000, [16], seed=seed) for seed in (whole(1, 99, rng), whole(100, 199, rng))]


@latency_profile.argument("lengths")
def _(student, rng):
    return [len(_fed(student, 97, [n])) for n in (3, 11)]


def _fed(student, vocab_size, lengths, **asked) -> list[int]:
    """All ids that the model is fed, one call after the other."""
    model = SlowModel(vocab_size, lambda message: None)
    asked = {"repeats": 2, "seed": 1, **asked}
    if asked["seed"] is None:  # left out
        del asked["seed"]
    student(model.forward, lengths, vocab_size, **asked)
    return [token for calls in model.fed.values() for row in calls for token in row] or [0]


latency_profile.mistake(
    "ends_of_vocabulary",
    "Some ids of the vocabulary never come. They are numbered 0 ... vocab_size - 1, and torch.randint(low, high, ...) "
    "leaves `high` out: `torch.randint(vocab_size, (n,), ...)` draws from all of them.",
)
latency_profile.mistake(
    "one_long_row",
    "The ids of one length are the beginning of another's. That comes of cutting all from one long row, or of a "
    "generator that is made (or seeded) anew for every length: make one before the loop, and draw inside it. A cache "
    "may know the beginning otherwise.",
)
latency_profile.mistake(
    "seedless",
    "The seed does not decide which ids are drawn. Make a generator from it (torch.Generator().manual_seed(seed)) and "
    "hand that to torch.randint.",
)
latency_profile.mistake(
    "zero_is_no_seed",
    "The seed 0 counts as no seed in your function. Python takes 0 for false (`seed or ...`, `if seed:`), but 0 is a "
    "seed like any other, and the default here: hand it on as it is.",
)
latency_profile.help(
    r"randint\(\)", "torch.randint(high, size, generator=...) wants the size as a tuple: (n,)."
)
