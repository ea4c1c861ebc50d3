"""Right and wrong in `batch_throughput`: tokens per second, from a measured profile.

Knows: this exercise, and profiles as clocks give them. Does not know: at which batch speculation stops paying
(crossover).
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import ask, mixed, uniform, whole, written_first
from ..errors import Wrong
from ..exercise import Exercise

CLOSE = 2e-5  # relative: float32 is fine

batch_throughput = Exercise(
    "batch_throughput", unit="12", points=2, difficulty=2, minutes=15,
    reference="specdec_course.decoding.serving:batch_throughput",
    lent=True,
    largest=10_000,
    hints=(
        "How many tokens does a whole batch emit in a round, on average? How many does the target read in its pass? "
        "Who else takes time, how often, and over how many tokens?",
        "tokens = batch * expected_tokens(alpha, k). seconds = k * c * T(batch) + T(batch * (k + 1)). For T, "
        "numpy.interp(n, sizes, times) takes sorted sizes, and is flat outside of them: right below the smallest, but "
        "above the largest you have to refuse first.",
    ),
)


def seconds(profile: dict, tokens: float) -> float:
    """The time of a pass, from the profile: on straight lines, flat below the smallest size."""
    sizes = sorted(profile)
    if tokens <= sizes[0]:
        return profile[sizes[0]]
    i = next(i for i, size in enumerate(sizes) if size >= tokens)
    left, right = sizes[i - 1], sizes[i]
    return profile[left] + (tokens - left) * (profile[right] - profile[left]) / (right - left)


def rate(batch, alpha, k, profile, c=0.0) -> float:
    return batch * sum(alpha**i for i in range(k + 1)) / (
        k * c * seconds(profile, batch) + seconds(profile, batch * (k + 1)))


def drawn_profile(rng, sizes) -> dict[int, float]:
    """Times that rise, no two gaps of them alike, in a mixed order of sizes."""
    time, found = uniform(2e-3, 2e-2, rng), {}
    for size in sorted(sizes):
        found[size] = time
        time *= uniform(1.05, 1.9, rng)
    return {size: found[size] for size in mixed(found, rng)}


def some_sizes(rng, count: int, low: int, high: int) -> list[int]:
    return (torch.randperm(high - low + 1, generator=rng)[:count] + low).tolist()


def judge(found, wanted):
    right, message = wanted
    return None if abs(found - right) <= CLOSE * right else message


def asked(student, cases, message: str, rng) -> None:
    with written_first("batch_throughput", "expected_tokens"):
        ask(student, values.as_float, [(case, (rate(*case), message)) for case in cases], judge, rng)


@batch_throughput.part("plain decoding: a token of each text per pass", weight=1, rests_on=(
    "with 0 the batch decodes plainly",))
def _(student, rng):
    cases = []
    for batch in mixed((1, 2, 8, whole(9, 60, rng)), rng):
        profile = drawn_profile(rng, {batch, *some_sizes(rng, 3, 61, 200)})
        cases.append((batch, uniform(0.1, 0.9, rng), 0, profile, *mixed(((), (uniform(0.1, 0.5, rng),)), rng)[0]))
    asked(student, cases, "With k = 0 every text gets one token per pass, and the pass reads one token of each. Your "
                          "function gives something else.", rng)


@batch_throughput.part("the tokens of a round over the time of a pass of batch * (k + 1) tokens", weight=3, rests_on=(
    "A pass of the target reads batch * (k + 1) tokens", "With 0 drafting costs nothing"))
def _(student, rng):
    cases = []
    for batch, k in mixed(((1, 4), (2, 3), (8, 2), (whole(3, 30, rng), whole(1, 7, rng)), (5, 5)), rng):
        sizes = {1, k + 1, batch, batch * k, batch * (k + 1), batch * (k + 2), *some_sizes(rng, 2, 1, 300)}
        cases.append((batch, uniform(0.1, 0.95, rng), k, drawn_profile(rng, sizes)))
    flat = {1: 0.25, 1000: 0.25}
    cases += [(whole(2, 40, rng), uniform(0.1, 0.95, rng), whole(1, 8, rng), flat) for _ in range(2)]
    asked(student, cases, "By hand: 8 texts, alpha = 0.5, k = 2, and every pass takes 0.5 s. A round brings 8 x 1.75 "
                          "tokens in 0.5 s, 28 a second. Where passes take different times, the target's reads 24 "
                          "tokens. Your function gives something else.", rng)


@batch_throughput.part("takes times between two sizes from the straight line, and below the smallest as they are there",
                       weight=2, rests_on=(
    "Between two sizes the seconds lie on the straight line from one to the other",
    "below the smallest size they are those of the smallest", "in any order, at least one entry"))
def _(student, rng):
    cases = []
    for batch, k in mixed(((3, 4), (4, 2), (7, 3), (whole(2, 9, rng), whole(1, 5, rng))), rng):
        reads = batch * (k + 1)
        below, above = whole(1, reads - 1, rng), whole(reads + 1, 4 * reads, rng)
        cases.append((batch, uniform(0.1, 0.95, rng), k, drawn_profile(rng, {below, above, above + whole(1, 99, rng)})))
        cases.append((batch, uniform(0.1, 0.95, rng), k, drawn_profile(rng, {reads + 1, reads + whole(2, 9, rng)})))
    cases += [(whole(1, 4, rng), uniform(0.1, 0.9, rng), 2, {whole(20, 90, rng): uniform(1e-3, 0.1, rng)})]
    asked(student, cases, "Halfway between 10 tokens in 1 s and 20 tokens in 3 s a pass takes 2 s; a pass of 5 tokens "
                          "takes 1 s there, as that of 10. For some sizes your function takes another time.", rng)


@batch_throughput.part("k steps of the draft over `batch` tokens take their time, too", weight=2, rests_on=(
    "Before it, k steps of the draft model read `batch` tokens each", "k * c * T(batch) + T(batch * (k + 1))",
    "in units of a pass of the target over as many tokens"))
def _(student, rng):
    cases = []
    for batch, k in mixed(((1, 4), (2, 3), (6, 2), (whole(3, 20, rng), whole(2, 7, rng)), (4, 1)), rng):
        sizes = {1, k, batch, batch * k, batch * (k + 1), *some_sizes(rng, 2, 1, 300)}
        cases.append((batch, uniform(0.1, 0.95, rng), k, drawn_profile(rng, sizes), uniform(0.05, 1.5, rng)))
    reads = 5 * 4
    cases.append((5, uniform(0.1, 0.9, rng), 3, drawn_profile(rng, {3, 9, reads + 7}), uniform(0.1, 0.5, rng)))
    asked(student, cases, "With c above 0 a round also takes k steps of the draft. A step takes c of the time that the "
                          "target takes over `batch` tokens. Your function gives something else.", rng)


@batch_throughput.part("is right at the ends: alpha 0 and 1, and the largest size of the profile", weight=1, rests_on=(
    "0 <= alpha <= 1", "where batch * (k + 1) is above its largest size"))
def _(student, rng):
    k, batch = whole(2, 6, rng), whole(2, 9, rng)
    profile = drawn_profile(rng, {1, batch, batch * (k + 1)})
    cases = [(batch, alpha, k, profile, c) for alpha in (0.0, 1.0) for c in (0.0, uniform(0.1, 0.4, rng))]
    cases += [(1, uniform(0.1, 0.9, rng), 0, {1: uniform(0.01, 0.1, rng)}),
              (batch, uniform(0.1, 0.9, rng), k, {batch * (k + 1): uniform(0.01, 0.1, rng)})]
    asked(student, cases, "At one of the ends your number is off: alpha = 0 brings one token of each text, alpha = 1 "
                          "brings k + 1, and a pass as large as the largest size of the profile is known.", rng)


@batch_throughput.part("refuses what makes no sense, and what was not measured", weight=1, rests_on=(
    "Raises ValueError for batch < 1, alpha outside 0..1, k < 0, c < 0",
    "a profile that is empty or has a size or a time that is not above 0", "nothing is known there"))
def _(student, rng):
    profile = {1: 0.01, 8: 0.02, 64: 0.05}
    far = {**profile, whole(100, 200, rng): -uniform(0.01, 0.1, rng)}
    bad = {"a batch of 0": (0, 0.5, 2, profile), "a batch below 0": (-whole(1, 9, rng), 0.5, 2, profile),
           "an alpha above 1": (2, uniform(1.01, 2, rng), 2, profile), "an alpha below 0": (2, -0.1, 2, profile),
           "a k below 0": (2, 0.5, -1, profile), "a c below 0": (2, 0.5, 2, profile, -uniform(0.01, 0.5, rng)),
           "a c below 0 with k = 0": (2, 0.5, 0, profile, -0.2), "an empty profile": (2, 0.5, 2, {}),
           "a size of 0 in the profile": (2, 0.5, 2, {0: 0.01, **profile}),
           "a time of 0 in the profile": (2, 0.5, 2, {**profile, 16: 0.0}),
           "a time below 0, at a size far away": (2, 0.5, 2, far),
           "a pass that is larger than the largest size": (whole(22, 40, rng), 0.5, 2, profile),
           "a pass that is larger by one token": (13, 0.5, 4, profile)}
    with written_first("batch_throughput", "expected_tokens"):
        taken = [what for what in mixed(bad, rng) if not student.raises(ValueError, *bad[what])]
        if taken:
            nothing = {"otherwise": "refuses_nothing"} if len(taken) == len(bad) else {}
            raise Wrong(f"Given {taken[0]}, your function answers; it has to raise ValueError.", **nothing)
        student(2, 0.5, 2, profile)  # gets an answer: whether a right one, the other parts say


def _pair(place: int, *two):
    def pair(student, rng):
        given = [4, 0.9, 3, {1: 0.01, 64: 0.05}, 0.5]
        return tuple(student.returned_float(*given[:place], other, *given[place + 1 :]) for other in two)

    return pair


batch_throughput.argument("batch")(_pair(0, 1, 16))
batch_throughput.argument("alpha")(_pair(1, 0.0, 1.0))
batch_throughput.argument("k")(_pair(2, 0, 7))
batch_throughput.argument("profile")(_pair(3, {1: 0.01, 64: 0.01}, {1: 0.02, 64: 0.9}))
batch_throughput.argument("c")(_pair(4, 0.0, 3.0))
