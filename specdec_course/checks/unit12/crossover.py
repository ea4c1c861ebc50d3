"""Right and wrong in `crossover_batch`: the first batch at which speculation does not pay.

Knows: this exercise. Does not know: what else is asked about throughput (worth).
"""

from __future__ import annotations

from .. import values
from ..ask import ask, mixed, uniform, whole, written_first
from ..errors import Wrong
from ..exercise import Exercise
from .worth import rate

CLEAR = 1e-6  # a gain as small as that is not asked about, unless it is exactly none

crossover_batch = Exercise(
    "crossover_batch", unit="12", points=2, difficulty=2, minutes=10,
    reference="specdec_course.decoding.serving:crossover_batch",
    answers_none=True,
    hints=(
        "Which two numbers do you compare for one batch? Which batches can you ask about, if the profile ends at 64 "
        "tokens and k is 3?",
        "For batch = 1, 2, ..., max(profile) // (k + 1): return the first with batch_throughput(batch, alpha, k, "
        "profile, c) <= batch_throughput(batch, alpha, 0, profile) * (1 + 1e-9). Return None behind the loop.",
    ),
)


def gains(alpha, k, profile, c=0.0) -> list[float]:
    """How many times as fast as plainly a batch of 1, 2, ... is, as far as the profile goes."""
    return [rate(batch, alpha, k, profile, c) / rate(batch, alpha, 0, profile)
            for batch in range(1, int(max(profile)) // (k + 1) + 1)]


def right_batch(alpha, k, profile, c=0.0) -> int | None:
    return next((i + 1 for i, gain in enumerate(gains(alpha, k, profile, c)) if gain <= 1 + 1e-9), None)


def is_clear(given) -> bool:
    return all(abs(gain - 1) > CLEAR for gain in gains(*given))


def kneed(rng, free: int, largest: int) -> dict[int, float]:
    """A profile as a processor has: nearly flat up to `free` tokens, then as steep as the tokens are many."""
    base, slope = uniform(2e-3, 2e-2, rng), uniform(0.8, 1.1, rng)
    at = sorted({1, free // 2 + 1, free, 2 * free, 4 * free, largest})
    found = {n: base * (1 + 0.1 * min(n, free) / free + slope * max(0, n - free) / free * uniform(0.97, 1.03, rng))
             for n in at}
    return {n: found[n] for n in mixed(found, rng)}


def read_batch(answer) -> int | None:
    return None if answer is None else values.as_int(answer)


def judge(found, wanted):
    right, message = wanted
    if found == right:
        return None
    if found is None:
        return (f"{message} Your function returned None: by that speculation pays for all batches, and here it does "
                "not. (Or is a `return` missing?)")
    if right is None:
        return f"{message} You answer {found}, but it pays for every batch that the profile tells of."
    return f"{message} You answer {found}, which is too {'large' if found > right else 'small'}."


def asked(student, cases, message: str, rng) -> None:
    with written_first("crossover_batch", "batch_throughput", "expected_tokens"):
        ask(student, read_batch, [(case, (right_batch(*case), message)) for case in cases], judge, rng)


def drawn(rng, count: int, draw) -> list[tuple]:
    """So many cases with a crossing inside, in which round-off cannot decide."""
    found = []
    while len(found) < count:
        given = draw()
        if right_batch(*given) not in (None, 1) and is_clear(given):
            found.append(given)
    return found


@crossover_batch.part("the first batch that is not faster", weight=3, rests_on=(
    "the smallest batch >= 1 whose `batch_throughput` with k is not above that with 0",))
def _(student, rng):
    def draw():
        free = whole(8, 40, rng)
        return uniform(0.3, 0.9, rng), whole(1, 5, rng), kneed(rng, free, 8 * free)

    def long():  # drafts of a dozen tokens, where a few less would be another batch
        free = whole(60, 90, rng)
        given = uniform(0.9, 0.97, rng), whole(14, 18, rng), kneed(rng, free, 8 * free)
        return given if right_batch(*given) != right_batch(given[0], 10, given[2]) else (0.0, 1, {1: 0.1, 9: 0.1})

    asked(student, [*drawn(rng, 7, draw), *drawn(rng, 2, long)], "Compare batch_throughput with k and with 0 for batch "
          "1, 2, 3, ...: your answer is not the first that is no faster.", rng)


@crossover_batch.part("what drafting costs counts, too", weight=2, rests_on=(
    "alpha, profile, c: as for `batch_throughput`",))
def _(student, rng):
    def draw():
        free, alpha = whole(8, 40, rng), uniform(0.5, 0.9, rng)
        given = (alpha, whole(1, 4, rng), kneed(rng, free, 8 * free), uniform(0.05, 0.3, rng))
        return given if right_batch(*given) != right_batch(*given[:3]) else (0.0, 1, {1: 0.1, 9: 0.1})

    asked(student, drawn(rng, 5, draw), "With c above 0 drafting takes time, and plain decoding does not draft.", rng)


@crossover_batch.part("None where it pays as far as the profile goes, 1 where it never pays", weight=2, rests_on=(
    "None if there is none among the batches that the profile tells of",
    "batch * (k + 1) <= its largest size"))
def _(student, rng):
    flat, k = uniform(0.01, 0.1, rng), whole(1, 5, rng)
    cases = [(uniform(0.2, 0.9, rng), k, {1: flat, whole(30, 90, rng): flat}), (0.9, 6, {1: flat, 5: flat}),
             (uniform(0.1, 0.3, rng), 3, {1: flat, 40: 40 * flat}), (0.5, 2, {2: flat}),
             (0.05, 4, {1: flat, 64: 1.5 * flat}, uniform(0.3, 0.9, rng))]
    batch = whole(3, 9, rng)  # the last that the profile tells of, and no other; then one token less
    reads = batch * (k + 1)
    wall = {1: flat, reads - 1: flat, reads: 9 * flat}
    cases += [(0.9, k, wall), (0.9, k, {1: flat, reads - 1: flat}), (0.9, k, {**wall, reads + k: 9 * flat})]
    asked(student, cases, "A batch can be asked about if batch * (k + 1) is not above the largest size of the profile.",
          rng)


@crossover_batch.part("equally fast does not pay, and a little faster does", weight=1, rests_on=(
    "equally fast does not pay", "what is above by less than one part in 10^9 is round-off"))
def _(student, rng):
    # Numbers for which round-off cannot decide: all are exact in binary.
    flat, k = 2.0 ** -whole(2, 6, rng), whole(1, 4, rng)
    wide, n = {1: flat, whole(20, 60, rng): flat}, 2 ** whole(2, 4, rng)
    cases = [(0.0, k, wide), (0.5, 1, wide, 0.5), (0.25, 1, wide, 0.25), (0.75, 1, wide, 0.75),
             (1.0, 1, {1: flat, n: flat, 2 * n: 2 * flat, 16 * n: 16 * flat}), (0.1, 2, {1: flat, 16 * n: 99 * flat})]
    for little in (uniform(1e-4, 3e-4, rng), uniform(1e-3, 3e-3, rng)):
        alpha, last = uniform(0.2, 0.8, rng), whole(2, 9, rng)
        wall = {1: flat, 2 * last: flat, 2 * last + 2: 3 * flat, 40: 9 * flat}
        cases.append((alpha, 1, wall, alpha - little))
    asked(student, cases, "In these cases speculation is at some batches exactly as fast as plain decoding, or faster "
                          "by less than a percent.", rng)


@crossover_batch.part("the smallest, where larger batches pay again", weight=1, rests_on=(
    "Larger batches may pay again: it is the smallest all the same",))
def _(student, rng):
    def draw():
        k, batch = whole(1, 3, rng), whole(2, 6, rng)
        reads, base = batch * (k + 1), uniform(0.01, 0.05, rng)
        later = 8 * reads
        bump = {1: base, reads - 1: 1.02 * base, reads: uniform(5, 6, rng) * base,
                reads + 1: uniform(5, 6, rng) * base}
        return uniform(0.7, 0.9, rng), k, {**bump, reads + 2: 1.1 * base, later: 1.2 * base}

    asked(student, drawn(rng, 4, draw), "One size of the profile is slow, and larger ones are fast again.", rng)


@crossover_batch.part("refuses a k below 1, and what makes no sense", weight=1, rests_on=(
    "Raises ValueError for k < 1, and what `batch_throughput` raises for bad input",))
def _(student, rng):
    profile = {1: 0.01, 8: 0.02, 64: 0.05}
    bad = {"k = 0": (0.5, 0, profile), "a k below 0": (0.5, -whole(1, 5, rng), profile),
           "an alpha above 1": (uniform(1.01, 2, rng), 2, profile), "an alpha below 0": (-0.1, 2, profile),
           "a c below 0": (0.5, 2, profile, -uniform(0.01, 0.5, rng)), "an empty profile": (0.5, 2, {}),
           "a time of 0 in the profile": (0.5, 2, {**profile, 16: 0.0}),
           "a size of 0 in the profile": (0.5, 2, {0: 0.01, **profile}),
           "an alpha above 1, and no batch to ask about": (1.5, 70, profile),
           "a c below 0, and no batch to ask about": (0.5, 70, profile, -0.1),
           "a time below 0, and no batch to ask about": (0.5, 70, {**profile, 16: -0.1})}
    with written_first("crossover_batch", "batch_throughput", "expected_tokens"):
        taken = [what for what in mixed(bad, rng) if not student.raises(ValueError, *bad[what])]
        if taken:
            nothing = {"otherwise": "refuses_nothing"} if len(taken) == len(bad) else {}
            raise Wrong(f"Given {taken[0]}, your function answers; it has to raise ValueError.", **nothing)
        student(0.5, 2, profile)  # gets an answer: whether a right one, the other parts say


KNEE = {1: 0.01, 30: 0.01, 60: 0.02, 300: 0.1}


def _pair(place: int, *two):
    def pair(student, rng):
        given = [0.7, 2, KNEE, 0.0]
        return tuple(student.read(read_batch, *given[:place], other, *given[place + 1 :]) for other in two)

    return pair


crossover_batch.argument("alpha")(_pair(0, 0.0, 0.7))
crossover_batch.argument("k")(_pair(1, 1, 9))
crossover_batch.argument("profile")(_pair(2, {1: 0.01, 60: 0.6}, KNEE))
crossover_batch.argument("c")(_pair(3, 0.0, 5.0))
