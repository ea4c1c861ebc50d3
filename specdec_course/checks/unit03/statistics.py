"""tokens_per_call and acceptance_rate: what is right, and the mistakes that can be named.

Knows: these two exercises, on traces that a reader can check by hand. Does not know: how a trace comes about (loop),
how a verdict is reached or shown (engine).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

from ...trace import Round
from .. import values
from ..ask import ask, unless, whole, within
from ..exercise import Exercise

tokens_per_call = Exercise(
    "tokens_per_call", unit="03", points=1, difficulty=1, minutes=5,
    reference="specdec_course.trace:tokens_per_call",
    lent=True,
    hints=(
        "Plain decoding has exactly 1. What has to be divided by what?",
        "The sum of r.emitted over all rounds, divided by how many rounds there are; 0.0 for an empty list.",
    ),
)
acceptance_rate = Exercise(
    "acceptance_rate", unit="03", points=1, difficulty=1, minutes=5,
    reference="specdec_course.trace:acceptance_rate",
    lent=True,
    hints=(
        "Which tokens of a round did the drafter write, and which one did the target write itself?",
        "The sum of r.accepted divided by the sum of r.drafted, over all rounds together; 0.0 if nothing was drafted.",
    ),
)


def _ask_number(student, rng, cases, right: Callable, message: str) -> None:
    """Asks about these traces in a drawn order, with others among them; `right` counts in another way than students."""
    others = [_random_rounds(rng, count) for count in (whole(2, 9, rng) for _ in range(whole(2, 5, rng)))]
    asked = [((rounds,), right(rounds)) for rounds in [*cases, *others]]
    ask(student, values.as_float, asked, unless(within(1e-6), message), rng)


def _per_round(rounds) -> float:
    return float(torch.tensor([r.emitted for r in rounds]).double().mean()) if rounds else 0.0


def _kept(rounds) -> float:
    """Of all drafted tokens, one by one, the share that was kept."""
    fates = [i < r.accepted for r in rounds for i in range(r.drafted)]
    return sum(fates) / len(fates) if fates else 0.0


def _random_rounds(rng, count: int) -> list[Round]:
    rounds = []
    for _ in range(count):
        drafted = int(torch.randint(2, 7, (), generator=rng))
        accepted = int(torch.randint(drafted + 1, (), generator=rng))
        rounds.append(Round(drafted, accepted, accepted + 1))
    return [*rounds, Round(5, 2, 3)]  # never all alike


BY_HAND = [Round(4, 4, 5), Round(4, 1, 2), Round(3, 0, 1)]


def _cut(rng) -> list[list[Round]]:
    """Traces whose last round was cut: its own token found no room."""
    drawn = [[*_random_rounds(rng, whole(1, 4, rng)), Round(n + whole(0, 3, rng), n, n)] for n in (2, 5)]
    return [[Round(4, 4, 5), Round(4, 1, 2), Round(4, 3, 3)], *drawn]


def _undrafted(rng) -> list[Round]:
    return [Round(0, 0, 1)] * whole(2, 7, rng)


@tokens_per_call.part("divides the emitted tokens by the rounds", weight=2,
                      rests_on="the sum of `emitted` over the number of rounds")
def _(student, rng):
    _ask_number(student, rng, [BY_HAND, *(_random_rounds(rng, count) for count in (1, 4, 200))], _per_round,
                "Count on paper: three rounds that emit 5, 2 and 1 tokens. How many per round?")


@tokens_per_call.part("counts what a last round that was cut has emitted, and no more", weight=1,
                      rests_on="the sum of `emitted` over the number of rounds")
def _(student, rng):
    _ask_number(student, rng, _cut(rng), _per_round, "The last round was cut by the end of the text or by the budget.")


@tokens_per_call.part("counts rounds without a draft like all others, and answers 0 without any round", weight=1,
                      rests_on=("the sum of `emitted` over the number of rounds", "0.0 without any round"))
def _(student, rng):
    beside = [*_undrafted(rng), *_random_rounds(rng, whole(1, 4, rng))]
    _ask_number(student, rng, [_undrafted(rng), [], [Round(0, 0, 1), Round(4, 4, 5)], beside], _per_round,
                "A round without a draft is a target call too, and emits one token. Without any round: 0.0.")


def _share(part, whole):
    return lambda rounds: sum(map(part, rounds)) / max(1, sum(map(whole, rounds)))


def _by_drafted_rounds(rounds) -> float:
    calls = sum(r.drafted > 0 for r in rounds)
    return sum(r.emitted for r in rounds) / calls if calls else 0.0


def _rounded(right: Callable) -> tuple:
    """Answers that round to so many digits."""
    return tuple(lambda rounds, d=d: round(right(rounds), d) for d in (0, 1, 2, 3, 4))


tokens_per_call.mistake("rounded", "You round. Who prints a number may round it: return it as it is.",
                        imitate=_rounded(_share(lambda r: r.emitted, lambda r: 1)))
tokens_per_call.mistake(
    "accepted_only",
    "You count only the accepted tokens. The correction or the bonus is a token of the text as well, and the round "
    "paid for it: count everything that was emitted.",
    imitate=_share(lambda r: r.accepted, lambda r: 1),
)
tokens_per_call.mistake(
    "assumes_own_token",
    "You add one token to what each round accepted. A round that the budget or the end of the text cut short may have "
    "emitted no token of the target's own: `emitted` knows.",
    imitate=_share(lambda r: r.accepted + 1, lambda r: 1),
)
tokens_per_call.mistake(
    "undrafted_left_out",
    "You leave out the rounds that drafted nothing. Each of them was a target call as well, and emitted a token.",
    imitate=(_share(lambda r: r.emitted * (r.drafted > 0), lambda r: r.drafted > 0), _by_drafted_rounds,
             lambda rounds: _by_drafted_rounds(rounds) if any(r.drafted for r in rounds) else float(bool(rounds))),
)
tokens_per_call.mistake(
    "upside_down",
    "Your number is calls per token. Turn it over: more than 1 should mean faster.",
    imitate=lambda rounds: len(rounds) / max(1, sum(r.emitted for r in rounds)),
)
tokens_per_call.mistake(
    "per_drafted",
    "You divide by the number of drafted tokens. One target call judges them all: divide by the number of rounds.",
    imitate=_share(lambda r: r.emitted, lambda r: r.drafted),
)
tokens_per_call.mistake(
    "whole_division",
    "You divide with //, which throws away what is behind the point. The average of whole numbers need not be one.",
    imitate=lambda rounds: sum(r.emitted for r in rounds) // max(1, len(rounds)),
)
tokens_per_call.mistake(
    "total",
    "You answer how many tokens all rounds emitted together. Divide by how many rounds there were.",
    imitate=lambda rounds: sum(r.emitted for r in rounds),
)
tokens_per_call.mistake(
    "median",
    "You answer what the middle round emitted. The rounds that emit much or little count as well: take the average.",
    imitate=lambda rounds: statistics.median([r.emitted for r in rounds]) if rounds else 0.0,
)


@acceptance_rate.part("divides the accepted tokens by the drafted ones", weight=2,
                      rests_on="the sum of `accepted` over the sum of `drafted`")
def _(student, rng):
    _ask_number(student, rng, [BY_HAND, *(_random_rounds(rng, count) for count in (2, 5, 200))], _kept,
                "Count on paper: 4 of 4, 1 of 4 and 0 of 3 drafted tokens were accepted.")


@acceptance_rate.part("counts what a last round that was cut has accepted", weight=1,
                      rests_on="the sum of `accepted` over the sum of `drafted`")
def _(student, rng):
    _ask_number(student, rng, _cut(rng), _kept, "The last round was cut by the end of the text or by the budget.")


@acceptance_rate.part("counts no round without a draft, and answers 0 where nothing was drafted", weight=1,
                      rests_on="0.0 if nothing was drafted")
def _(student, rng):
    beside = [*_undrafted(rng), Round(4, 3, 4)]
    _ask_number(student, rng, [beside, _undrafted(rng), []], _kept,
                "A round without a draft adds nothing above or below the line. Nothing drafted: 0.0.")


def _mean_of_rates(rounds):
    rates = [r.accepted / r.drafted for r in rounds if r.drafted]
    return sum(rates) / len(rates) if rates else 0.0


acceptance_rate.mistake("rounded", "You round. Who prints a number may round it: return it as it is.",
                        imitate=_rounded(_share(lambda r: r.accepted, lambda r: r.drafted)))
acceptance_rate.mistake(
    "bonus_counted",
    "You count the target's own tokens as accepted. The correction and the bonus were never drafted, so nobody "
    "accepted them: a drafter that is always wrong must come out at 0.",
    imitate=(_share(lambda r: r.emitted, lambda r: r.drafted), _share(lambda r: r.emitted, lambda r: r.drafted + 1)),
)
acceptance_rate.mistake(
    "emitted_minus_one",
    "You take `emitted - 1` for the accepted tokens. A round that was cut short may have emitted no token of the "
    "target's own: `accepted` knows.",
    imitate=_share(lambda r: r.emitted - 1, lambda r: r.drafted),
)
acceptance_rate.mistake(
    "mean_of_rates",
    "You average the rates of the rounds. Then a guess in a short round weighs more than one in a long round: sum "
    "first, divide once.",
    imitate=_mean_of_rates,
)
acceptance_rate.mistake(
    "longest_draft",
    "You count the longest draft in every round. A round may have drafted fewer tokens: sum `drafted` itself.",
    imitate=lambda rounds: sum(r.accepted for r in rounds) / max(1, len(rounds) * max(
        (r.drafted for r in rounds), default=0)),
)
acceptance_rate.mistake(
    "per_emitted",
    "You divide by what was emitted. The correction and the bonus are among those, and nobody drafted them: divide by "
    "what was drafted.",
    imitate=_share(lambda r: r.accepted, lambda r: r.emitted),
)
acceptance_rate.mistake(
    "per_judged",
    "You divide by the tokens that were judged: the accepted ones, and one more where a round had a rejection. That "
    "number is alpha, which unit 06 asks for. Here it is the share of all that was drafted, judged or not.",
    imitate=(_share(lambda r: r.accepted, lambda r: r.accepted + (r.accepted < r.drafted)),
             _share(lambda r: r.accepted, lambda r: min(r.drafted, r.emitted))),
)
acceptance_rate.mistake(
    "rejected_share",
    "Your number is the share that was *not* accepted.",
    imitate=_share(lambda r: r.drafted - r.accepted, lambda r: r.drafted),
)
acceptance_rate.mistake(
    "full_rounds",
    "You count rounds, those that were accepted in full. Asked for is the share of the drafted tokens.",
    imitate=(lambda rounds: sum(r.accepted == r.drafted for r in rounds) / max(1, len(rounds)),
             _share(lambda r: r.accepted == r.drafted > 0, lambda r: r.drafted > 0)),
)
for _exercise in (tokens_per_call, acceptance_rate):
    _exercise.help(r"ZeroDivisionError", "What if there was no round, or nothing was drafted? Then the answer is 0.0.")
    _exercise.help(r"not subscriptable|no attribute", "A Round has three numbers: r.drafted, r.accepted, r.emitted.")
