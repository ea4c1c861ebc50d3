"""tokens_per_call and acceptance_rate: what is right, and the mistakes that can be named.

Knows: these two exercises, on traces that a reader can check by hand. Does not know: how a trace comes about (loop),
how a verdict is reached or shown (engine).
"""

from __future__ import annotations

import torch

from ...trace import Round
from .. import values
from ..ask import ask, unless, within
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


def _ask_number(student, cases, message: str) -> None:
    asked = [((rounds,), expected) for rounds, expected in cases]
    ask(student, values.as_float, asked, unless(within(1e-6), message))


def _random_rounds(rng, count: int) -> list[Round]:
    rounds = []
    for _ in range(count):
        drafted = int(torch.randint(2, 7, (), generator=rng))
        accepted = int(torch.randint(drafted + 1, (), generator=rng))
        rounds.append(Round(drafted, accepted, accepted + 1))
    return [*rounds, Round(5, 2, 3)]  # never all alike


CUT = [Round(4, 4, 5), Round(4, 1, 2), Round(4, 3, 3)]  # the last round was cut: its own token found no room


@tokens_per_call.part("a trace by hand, and random ones", weight=2)
def _(student, rng):
    cases = [([Round(4, 4, 5), Round(4, 1, 2), Round(3, 0, 1)], 8 / 3)]
    for count in (1, 4):
        rounds = _random_rounds(rng, count)
        cases.append((rounds, sum(r.emitted for r in rounds) / len(rounds)))
    _ask_number(student, cases, "Count on paper: three rounds that emit 5, 2 and 1 tokens. How many per round?")


@tokens_per_call.part("a last round that was cut", weight=1)
def _(student, rng):
    _ask_number(student, [(CUT, 10 / 3)], "The last round was cut by the end of the text or by the budget.")


@tokens_per_call.part("nothing drafted; no round at all", weight=1)
def _(student, rng):
    _ask_number(student, [([Round(0, 0, 1)] * 5, 1.0), ([], 0.0)],
                "Rounds without a draft emit one token each: that is plain decoding. Without any round: 0.0.")


def _share(part, whole):
    return lambda rounds: sum(map(part, rounds)) / max(1, sum(map(whole, rounds)))


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
    "upside_down",
    "Your number is calls per token. Turn it over: more than 1 should mean faster.",
    imitate=lambda rounds: len(rounds) / max(1, sum(r.emitted for r in rounds)),
)
tokens_per_call.mistake(
    "per_drafted",
    "You divide by the number of drafted tokens. One target call judges them all: divide by the number of rounds.",
    imitate=_share(lambda r: r.emitted, lambda r: r.drafted),
)


@acceptance_rate.part("a trace by hand, and random ones", weight=2)
def _(student, rng):
    cases = [([Round(4, 4, 5), Round(4, 1, 2), Round(2, 0, 1)], 0.5)]
    for count in (2, 5):
        rounds = _random_rounds(rng, count)
        cases.append((rounds, sum(r.accepted for r in rounds) / sum(r.drafted for r in rounds)))
    _ask_number(student, cases, "Count on paper: 4 of 4, 1 of 4 and 0 of 2 drafted tokens were accepted.")


@acceptance_rate.part("a last round that was cut", weight=1)
def _(student, rng):
    _ask_number(student, [(CUT, 8 / 12)], "The last round was cut by the end of the text or by the budget.")


@acceptance_rate.part("rounds without a draft; nothing drafted; no round at all", weight=1)
def _(student, rng):
    cases = [([Round(0, 0, 1), Round(4, 3, 4)], 0.75), ([Round(0, 0, 1)] * 3, 0.0), ([], 0.0)]
    _ask_number(student, cases, "A round without a draft adds nothing above or below the line. Nothing drafted: 0.0.")


def _mean_of_rates(rounds):
    rates = [r.accepted / r.drafted for r in rounds if r.drafted]
    return sum(rates) / len(rates) if rates else 0.0


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
for _exercise in (tokens_per_call, acceptance_rate):
    _exercise.help(r"ZeroDivisionError", "What if there was no round, or nothing was drafted? Then the answer is 0.0.")
    _exercise.help(r"not subscriptable|no attribute", "A Round has three numbers: r.drafted, r.accepted, r.emitted.")
