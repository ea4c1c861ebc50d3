"""best_k: what is right, and the mistakes that can be named.

Knows: this exercise; the right draft length is found by trying all. Does not know: what a speed-up is made of
(formula), how a verdict is reached or shown (engine).
"""

from __future__ import annotations

import functools

from .. import values
from ..ask import ask, uniform, whole, written_first
from ..exercise import Exercise
from .tokens import TOO_SHORT, rate

best_k = Exercise(
    "best_k", unit="06", points=1, difficulty=2, minutes=10,
    reference="specdec_course.theory:best_k",
    lent=True,
    largest=1_000,
    hints=(
        "How would you find it with pencil, paper and patience? Which draft length do people forget to try?",
        "Try k = 0, 1, ..., k_max, the last one included, and keep the k whose speedup(alpha, k, c) is larger than "
        "anything before it: larger, not equal.",
    ),
)


@functools.lru_cache(4096)  # every wrong rule that is tried out asks about the same candidates
def clear_best(alpha: float, c: float, k_max: int = 64) -> int | None:
    """The best draft length, all being tried; None where the second best is so close that round-off could decide."""
    ranked = sorted(zip(speeds(alpha, c, k_max), range(k_max + 1), strict=True), reverse=True)
    if len(ranked) > 1 and ranked[0][0] < ranked[1][0] * (1 + 1e-5):
        return None
    return ranked[0][1]


@functools.lru_cache(4096)
def speeds(alpha: float, c: float, k_max: int = 64) -> tuple[float, ...]:
    """The speed-ups at k = 0 ... k_max, where the target's curve is flat."""
    tau, found = 0.0, []
    for k in range(k_max + 1):
        tau += alpha**k
        found.append(tau / (k * c + 1))
    return tuple(found)


def _expect_k(student, rng, cases, message: str) -> None:
    def judge(answer: int, wanted: int) -> str | None:
        if answer == wanted:
            return None
        return f"{message} For one case you answer {answer}; of the fastest lengths {wanted} is the shortest."

    with written_first("best_k", "expected_tokens", "speedup"):
        ask(student, values.as_int, cases, judge, rng)


# The second line: a draft that costs next to nothing, and gains that are small and yet gains.
PEERS = {(0.5, 0.01): 5, (0.6, 0.05): 4, (0.8, 0.05): 8, (0.9, 0.1): 10, (0.7, 0.2): 3, (0.6, 0.3): 1, (0.95, 0.3): 8,
         (0.8, 0.003): 19, (0.7, 0.002): 14}


@best_k.part("the fastest of all draft lengths", weight=3, rests_on=(
    "The draft length with the largest `speedup(alpha, k, c)`."))
def _(student, rng):
    cases = list(PEERS.items())
    while (wanted := clear_best(*(case := (uniform(0.88, 0.92, rng), uniform(0.02, 0.03, rng))))) is None:
        pass
    cases.append((case, wanted))  # a long one: well above 10
    while len(cases) < 20 + rng.initial_seed() % 6:
        alpha = uniform(0.3, 0.95, rng)
        case = (alpha, uniform(0.02, 0.8, rng) * alpha)
        wanted = clear_best(*case)
        if wanted is not None:
            cases.append((case, wanted))
    _expect_k(student, rng, cases, "Print speedup(alpha, k, c) for k = 0, 1, 2, ...: it rises and falls.")


def _that_pay(rng) -> list[tuple]:
    """Some for which a draft of one token pays, and no other: most rules that are wrong elsewhere see that."""
    return [((0.5, uniform(0.39, 0.46, rng)), 1) for _ in range(whole(2, 5, rng))]


@best_k.part("no draft pays: 0", weight=2, rests_on="0 means: do not draft, nothing pays.")
def _(student, rng):
    cases = [((alpha, alpha + uniform(0.02, 0.5, rng)), 0)
             for alpha in (0.2, 0.5, 0.9, *[uniform(0.1, 0.9, rng)] * whole(0, 3, rng))]
    cases += [((0.0, 0.1), 0), ((0.818, 0.86), 0)]
    cases += _that_pay(rng)
    _expect_k(student, rng, cases, "A draft that is accepted less often than its step costs (alpha < c) only loses "
                                   "time.")


@best_k.part("equally fast: the smallest", weight=1, rests_on=(
    "Where several lengths are equally fast, the smallest of them."))
def _(student, rng):
    # Numbers for which round-off cannot decide, however tau is computed: (1 + alpha) / (1 + c) is exactly 1.
    cases = [((0.5, 0.5), 0), ((0.25, 0.25), 0), ((1.0, 1.0), 0), ((0.0, 0.0, whole(5, 20, rng)), 0), ((0.2, 0.6), 0)]
    cases += _that_pay(rng)
    _expect_k(student, rng, cases, "Drafting is exactly as fast as not drafting, or slower.")


@best_k.part("k_max: included, and never exceeded", weight=1, rests_on=(
    "the longest draft to consider, itself included; >= 0"))
def _(student, rng):
    limit = whole(3, 12, rng)
    cases = [((1.0, 0.1, limit), limit), ((0.95, 0.01, limit), limit), ((0.9, 0.05, 0), 0), ((0.7, 0.05, 1), 1),
             ((0.95, 0.01), 40), ((1.0, 0.01), 64), ((0.8, 0.05, 200), 8), ((1.0, 0.0, limit), limit)]
    cases += [((1.0, 0.01, long), long) for long in [whole(65, 300, rng)] * whole(1, 3, rng)]
    _expect_k(student, rng, cases, "k_max is the longest draft that may be answered; 64 where nobody says otherwise.")


def _argmax(first=0, beyond=1, key=rate, last_of_equals=False, shift=0):
    def rule(alpha, c, k_max=64):
        lengths = list(range(first, k_max + beyond)) or [0]
        sign = 1 if last_of_equals else -1
        return max(lengths, key=lambda k: (round(key(alpha, k, c), 12), sign * k)) + shift

    return rule


def _first_that_pays(alpha, c, k_max=64):
    return next((k for k in range(1, k_max + 1) if rate(alpha, k, c) > 1), 0)


def _last_that_pays(alpha, c, k_max=64):
    return next((k for k in range(k_max, 0, -1) if rate(alpha, k, c) > 1), 0)


best_k.mistake(
    "never_drafts", "You always answer 0. Where alpha is above c a draft pays: try k = 1, 2, ... as well.",
    imitate=lambda alpha, c, k_max=64: 0,
)
best_k.mistake(
    "misses_zero",
    "You never answer 0. Not drafting at all is a draft length, too, and its speed-up is exactly 1: if nothing is "
    "above that, it is the answer.",
    imitate=(_argmax(first=1), lambda alpha, c, k_max=64: max(1, _argmax(first=1)(alpha, c, k_max))),
)
best_k.mistake(
    "most_tokens",
    "You look for the most tokens per round. They only ever grow with k. What you want is the most tokens per *time*, "
    "and time grows with k as well.",
    imitate=(_argmax(key=lambda alpha, k, c: rate(alpha, k, 0.0)), lambda alpha, c, k_max=64: k_max),
)
best_k.mistake(
    "index_not_length",
    "Your answer is one off: it looks like the place in a list that does not begin with k = 0.",
    imitate=(_argmax(first=1, shift=-1), lambda alpha, c, k_max=64: max(0, _argmax(first=1, shift=-1)(alpha, c, k_max)),
             _argmax(shift=1)),
)
best_k.mistake(
    "first_that_pays", "You stop at the first k that gains something. The next one may gain more: go on.",
    imitate=_first_that_pays,
)
best_k.mistake(
    "last_that_pays", "You answer the longest draft that still gains something. Asked for is the one that gains most.",
    imitate=_last_that_pays,
)
best_k.mistake(
    "largest_of_equals",
    "Of equally fast draft lengths you answer the largest. Take the smallest: less work for the same speed.",
    imitate=_argmax(last_of_equals=True),
)
best_k.mistake(
    "k_max_excluded", "You never try k_max itself: range(n) ends at n - 1.", imitate=_argmax(beyond=0),
)
best_k.mistake(
    "longest_if_it_pays",
    "Where drafting pays at all (alpha above c) you answer k_max. With every further token the chance that it counts "
    "is smaller, and its cost is the same: some length in between is best. If you do compare speed-ups, find out "
    "whether they rise without end.",
    imitate=lambda alpha, c, k_max=64: 0 if alpha <= c else k_max,
)
best_k.mistake(
    "pass_left_out",
    "You divide the tokens by the time of drafting alone, k c. A round also has the target's pass: k c + 1.",
    imitate=_argmax(key=lambda alpha, k, c: rate(alpha, k, 0.0) / max(k * c, 1e-9) if k else 1.0),
)
best_k.mistake(
    "rounded",
    "You compare rounded speed-ups, and then several lengths look equally fast. Compare them as they are.",
    imitate=tuple(_argmax(key=lambda alpha, k, c, n=n: round(rate(alpha, k, c), n)) for n in (1, 2, 3)),
)
best_k.mistake(
    "wrong_tokens",
    "Your search may be right, but the speed-ups it compares are not. Run `check(speedup)` and "
    "`check(expected_tokens)`.",
    imitate=_argmax(key=lambda alpha, k, c: TOO_SHORT(alpha, k) / (k * c + 1)),
)
best_k.mistake(
    "another_limit",
    "You look no further than a number of your own, or further than k_max. Try k = 0 ... k_max, with the k_max that "
    "you are given; 64 is only what it is where nobody says.",
    imitate=(lambda alpha, c, k_max=64: _argmax()(alpha, c, 64), lambda alpha, c, k_max=32: _argmax()(alpha, c, k_max),
             lambda alpha, c, k_max=100: _argmax()(alpha, c, k_max),
             lambda alpha, c, k_max=64: _argmax()(alpha, c, min(10, k_max)),
             lambda alpha, c, k_max=64: _argmax()(alpha, c, min(16, k_max))),
)
best_k.help(r"empty (sequence|iterable)|arg is an empty",
            "With k_max = 0 there is still one draft length to try: 0. And k_max itself is always one of them: where "
            "does your `range` end?")
best_k.help(r"ZeroDivisionError", "alpha = 1 is allowed, and so is c = 0: divide neither by 1 - alpha nor by c.")
