"""estimate_alpha: what is right, and the mistakes that can be named.

Knows: this exercise; an estimate is held against the likelihood itself, and against drafters whose alpha is known. Does
not know: what alpha is good for (formula, choice), how a verdict is reached or shown (engine).
"""

from __future__ import annotations

import math

import torch

from .. import values
from ..ask import ask, mixed, uniform, unless, whole, within
from ..errors import Wrong
from ..exercise import Exercise

estimate_alpha = Exercise(
    "estimate_alpha", unit="06", points=2, difficulty=3, minutes=15,
    reference="specdec_course.theory:estimate_alpha",
    lent=True,
    hints=(
        "A round drafts 5 tokens, the first is accepted, the second rejected. Of how many tokens do you know whether "
        "the target would have taken them? And in a round of 5 where all were accepted?",
        "Judged are the accepted tokens, and one more in every round with accepted < drafted. alpha = accepted / "
        "judged, each summed over all rounds.",
    ),
)


def simulated(alpha: float, lengths, rng) -> tuple[list[int], list[int]]:
    """(accepted, drafted) of rounds whose every judged token is accepted with probability alpha."""
    drafted = list(lengths)
    coins = torch.rand(len(drafted), max(drafted), generator=rng) < alpha
    within = torch.arange(max(drafted)) < torch.tensor(drafted)[:, None]
    return (coins.int().cumprod(1) * within).sum(1).tolist(), drafted


def log_likelihood(alpha: float, accepted, drafted) -> float:
    """Of the rounds: alpha for every accepted token, 1 - alpha for the rejection that ended the round, if any."""
    total = 0.0
    for a, d in zip(accepted, drafted, strict=True):
        total += a * math.log(alpha) + (math.log1p(-alpha) if a < d else 0.0)
    return total


def most_probable(accepted, drafted) -> float:
    """The alpha that makes these rounds most probable, found by search: the likelihood has one peak."""
    low, high = 1e-9, 1 - 1e-9
    for _ in range(60):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        if log_likelihood(a, accepted, drafted) < log_likelihood(b, accepted, drafted):
            low = a
        else:
            high = b
    return (low + high) / 2


def _ask_alpha(student, rng, cases, message: str, close: float = 1e-4) -> None:
    ask(student, values.as_float, cases, unless(within(close), message), rng)


BY_HAND = ([1, 4, 0, 2], [4, 4, 4, 2])  # 7 accepted, two rejections: 7/9


@estimate_alpha.part("the alpha that makes the rounds most probable", weight=3, rests_on=(
    "the value that makes the observed rounds most probable"))
def _(student, rng):
    cases = [BY_HAND, ([1, 3, 1, 0], [4, 3, 4, 2]), ([2, 2, 2], [3, 3, 3])]
    for count in (6, 11, 30, *[whole(5, 40, rng)] * whole(0, 2, rng)):
        lengths = [whole(1, 7, rng) for _ in range(count)]
        accepted, drafted = simulated(uniform(0.4, 0.85, rng), lengths, rng)
        cases.append(([*accepted, 1, 3, 0], [*drafted, 4, 3, 2]))  # never all alike
    _ask_alpha(student, rng, [(case, most_probable(*case)) for case in cases],
               "For some rounds there is an alpha that makes them more probable than yours does. Count by hand in a "
               "case that goes wrong: how many drafted tokens were judged, and how many of these were accepted?")


@estimate_alpha.part("a drafter's own alpha, watched at k = 1, 2, 4, 8 and 16", weight=2, rests_on=(
    "a chance alpha per judged token, the same at every place"))
def _(student, rng):
    alpha = uniform(0.55, 0.85, rng)
    answers = {k: student.returned_float(*simulated(alpha, [k] * (6000 // k + 1500), rng))
               for k in mixed((1, 2, 4, 8, 16), rng)}
    off = [k for k in sorted(answers) if abs(answers[k] - alpha) > 0.05]  # more than five standard errors
    if off:
        raise Wrong("One drafter was watched at five draft lengths, and it is as good at each of them: every token "
                    f"that was judged had the chance {alpha:.3f}. For the rounds of k = {off[0]} your alpha is "
                    f"{answers[off[0]]:.3f}.")


def _rounds_like(accepted: int, judged: int, rng) -> tuple[list[int], list[int]]:
    """Rounds of one token, so many of which were judged and accepted, in random order."""
    return mixed([1] * accepted + [0] * (judged - accepted), rng), [1] * judged


@estimate_alpha.part("rounds that are accepted whole or rejected at once, and both together", weight=1, rests_on=(
    "Where accepted[i] < drafted[i], exactly one token was judged and rejected."))
def _(student, rng):
    k, some = whole(2, 6, rng), mixed((2, 5, 6), rng)[0]  # some / (some + 1) is no short decimal
    cases = [(([k] * 5, [k] * 5), 1.0), (([0] * 4, [k] * 4), 0.0), (([0, some], [some, some]), some / (some + 1))]
    cases += [(([k] * n, [k] * n), 1.0) for n in (1, *[whole(2, 9, rng)] * whole(0, 2, rng))]
    cases += [(([0] * n, [k] * n), 0.0) for n in (1, *[whole(2, 9, rng)] * whole(0, 2, rng))]
    _ask_alpha(student, rng, cases, "A drafter that was never rejected has alpha = 1, one that was rejected at once in "
                                    "every round 0.")


@estimate_alpha.part("with rounds that draft nothing among them, and where nothing is judged", weight=1, rests_on=(
    "0.0 when nothing was judged"))
def _(student, rng):
    n = whole(2, 5, rng)
    cases = [(([0, 2, 0, 1], [0, 3, 0, 1]), 3 / 4), (([], []), 0.0), (([0] * n, [0] * n), 0.0)]
    cases += [(([0, 5, 0, 1], [0, 9, 0, 1]), 6 / 7)]
    for judged in (7, 9, 11)[: whole(1, 3, rng)]:
        accepted, drafted = _rounds_like(good := whole(2, 5, rng), judged, rng)
        cases.append((([0, *accepted], [0, *drafted]), good / judged))
    _ask_alpha(student, rng, cases, "A round that drafted nothing has no rejection. Nothing judged at all: 0.0.")


def _ratio(above, below):
    def rule(accepted, drafted):
        pairs = list(zip(accepted, drafted, strict=True))
        total = sum(below(a, d) for a, d in pairs)
        return sum(above(a, d) for a, d in pairs) / total if total else 0.0

    return rule


def _mean_per_round(of):
    def rule(accepted, drafted):
        rates = [of(a, d) for a, d in zip(accepted, drafted, strict=True) if d]
        return sum(rates) / len(rates) if rates else 0.0

    return rule


estimate_alpha.mistake(
    "accepted_over_drafted",
    "You divide by what was drafted. Behind a rejection stand tokens that nobody judged; you count all of them as "
    "wrong. So your alpha is too low, and the lower the longer the draft. Divide by what was judged.",
    imitate=_ratio(lambda a, d: a, lambda a, d: d),
)
estimate_alpha.mistake(
    "rejection_in_every_round",
    "You count a rejection in every round. A round whose whole draft was accepted has none: there your alpha comes out "
    "below 1 even for a perfect drafter.",
    imitate=(_ratio(lambda a, d: a, lambda a, d: a + 1), _ratio(lambda a, d: a, lambda a, d: a + (d > 0))),
)
estimate_alpha.mistake(
    "no_rejections",
    "You leave the rejections out: then everything that was judged was accepted, always.",
    imitate=_ratio(lambda a, d: a, lambda a, d: a),
)
estimate_alpha.mistake(
    "rejected_at_once",
    "You count a rejection only where nothing was accepted. A round that accepted some tokens, and fewer than it "
    "drafted, has one, too: accepted[i] < drafted[i].",
    imitate=_ratio(lambda a, d: a, lambda a, d: a + (a == 0 and d > 0)),
)
estimate_alpha.mistake(
    "own_token_counted",
    "You count the target's own token as accepted. Nobody drafted it.",
    imitate=(_ratio(lambda a, d: a + 1, lambda a, d: d), _ratio(lambda a, d: a + 1, lambda a, d: d + 1),
             _ratio(lambda a, d: a + 1, lambda a, d: a + 1 + (a < d))),
)
estimate_alpha.mistake(
    "mean_of_rounds",
    "You average over rounds. Then a token judged in a short round weighs more than one in a long round: sum first, "
    "divide once.",
    imitate=(_mean_per_round(lambda a, d: a / d), _mean_per_round(lambda a, d: a / (a + (a < d)))),
)
estimate_alpha.mistake(
    "first_place_only",
    "You only look at the first token of each round. The later ones that were judged say just as much: use them all.",
    imitate=_ratio(lambda a, d: a > 0, lambda a, d: d > 0),
)
estimate_alpha.mistake(
    "whole_rounds",
    "You count whole rounds: how many were accepted in full. Asked for is the chance of a single token.",
    imitate=_ratio(lambda a, d: a == d, lambda a, d: 1),
)
estimate_alpha.mistake(
    "rejections",
    "Your number is the chance that a token is rejected. Asked for is the chance that it is accepted: 1 less yours.",
    imitate=(_ratio(lambda a, d: a < d, lambda a, d: a + (a < d)),
             lambda accepted, drafted: 1 - _ratio(lambda a, d: a, lambda a, d: a + (a < d))(accepted, drafted)),
)
estimate_alpha.mistake(
    "smoothed",
    "You count tokens that nobody has seen, as a smoothed estimate does. The most probable alpha is accepted over "
    "judged and nothing else: 1.0 where nothing was rejected.",
    imitate=tuple(lambda accepted, drafted, more=more: (sum(accepted) + more) / (
        sum(accepted) + sum(a < d for a, d in zip(accepted, drafted, strict=True)) + 2 * more) for more in (1, 0.5)),
)
estimate_alpha.mistake(
    "nothing_is_one",
    "Where nothing was judged you do not answer 0.0. Nothing is known about alpha then; the contract says 0.0.",
    imitate=tuple(lambda accepted, drafted, then=then: _ratio(lambda a, d: a, lambda a, d: a + (a < d))(
        accepted, drafted) if sum(drafted) else then for then in (1.0, 0.5)),
)
estimate_alpha.mistake(
    "rounded",
    "You round. Two drafts may differ in the third decimal, and the longest useful draft depends on it.",
    imitate=tuple(lambda accepted, drafted, digits=digits: round(_ratio(lambda a, d: a, lambda a, d: a + (a < d))(
        accepted, drafted), digits) for digits in (1, 2, 3)),
)
estimate_alpha.help(r"ZeroDivisionError", "What if nothing was judged: no rounds, or rounds without a draft? Then 0.0.")
estimate_alpha.help(r"unsupported operand|can only concatenate|'list' and",
                    "accepted and drafted are plain lists: go through them in pairs with zip.")
