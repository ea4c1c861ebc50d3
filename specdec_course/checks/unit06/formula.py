"""speedup: what is right, and the mistakes that can be named.

Knows: this exercise. Does not know: how the tokens of a round are counted (tokens), the best draft length (length), how
a verdict is reached or shown (engine).
"""

from __future__ import annotations

from ..ask import uniform, whole, written_first
from ..exercise import Exercise
from .tokens import HELP, NO_OWN, TOO_SHORT, ask_all, mean_of_round, rate

speedup = Exercise(
    "speedup", unit="06", points=1, difficulty=1, minutes=5,
    reference="specdec_course.theory:speedup",
    lent=True,
    largest=10_000,
    hints=(
        "What does a round bring? And what does it cost, if one step of the target costs 1? Who works how often in it?",
        "expected_tokens(alpha, k) divided by the time of the round: k * c for the draft, verify_cost for the target's "
        "pass, overhead for the rest.",
    ),
)
for _pattern, _text in HELP:
    speedup.help(_pattern, _text)


@speedup.part("tokens of a round over its time, where the target's curve is flat", weight=2, rests_on=(
    "the expected tokens of a round over its time, tau / (k c + v + o)"))
def _(student, rng):
    lengths = (1, 2, 3, 5, 8, *[whole(1, 9, rng)] * whole(0, 3, rng))
    cases = [(uniform(0.1, 0.95, rng), k, uniform(0.02, 0.6, rng)) for k in lengths]
    with written_first("speedup", "expected_tokens"):
        ask_all(student, rng, [(case, {}, mean_of_round(*case[:2]) / (case[1] * case[2] + 1)) for case in cases],
                "Try it by hand: alpha = 0.5, k = 2, c = 0.25. The round emits 1.75 tokens and takes 2 draft steps of "
                "0.25 and one pass of 1, together 1.5. Your function gives something else for some alpha, k and c.")


@speedup.part("a pass that costs more, and a busy host", weight=2, rests_on=(
    "verify_cost: v = T(k+1) / T(1)",
    "overhead: time of the host per round"))
def _(student, rng):
    cases = []
    for k in (1, 3, 4, 7):
        alpha, c = uniform(0.2, 0.95, rng), uniform(0.02, 0.5, rng)
        v, o = uniform(1.05, 2.5, rng), uniform(0.1, 0.7, rng)
        cases.append(((alpha, k, c), {"verify_cost": v}, rate(alpha, k, c, v)))
        cases.append(((alpha, k, c), {"overhead": o}, rate(alpha, k, c, 1.0, o)))
        cases.append(((alpha, k, c, v), {}, rate(alpha, k, c, v)))
        cases.append(((alpha, k, c, v, o), {}, rate(alpha, k, c, v, o)))
    cases.append(((0.8, 12, 1e-3, 4.0, 3.0), {}, rate(0.8, 12, 1e-3, 4.0, 3.0)))
    cases.append(((0.8, 3, 1.5, 0.9, 0.1), {}, rate(0.8, 3, 1.5, 0.9, 0.1)))  # a clock may say less than 1
    with written_first("speedup", "expected_tokens"):
        ask_all(student, rng, cases, "With verify_cost or overhead your function gives something else. Both are times "
                                     "of a whole round, in steps of the target.")


@speedup.part("nothing drafted", weight=1, rests_on="The formula holds for k = 0, too.")
def _(student, rng):
    alpha, c, v, o = (uniform(0.1, 0.9, rng) for _ in range(4))
    cases = [((alpha, 0, c), {}, 1.0), ((alpha, 0, c, 1 + v, o), {}, 1 / (1 + v + o))]
    cases.append(((alpha, 1, c), {}, (1 + alpha) / (1 + c)))  # tells rules apart that are wrong elsewhere
    with written_first("speedup", "expected_tokens"):
        ask_all(student, rng, cases, "With k = 0 the draft does nothing, but the round still has its pass and its "
                                     "overhead: the formula holds there, too.")


@speedup.part("the limits: a free perfect draft, a perfect one as slow as the target, a useless one", weight=1,
              rests_on=("0 <= alpha <= 1", "in steps of the target; >= 0."))
def _(student, rng):
    k, c = whole(2, 8, rng), uniform(0.05, 0.5, rng)
    cases = [((1.0, k, 0.0), {}, k + 1.0), ((1.0, k, 1.0), {}, 1.0), ((0.0, k, c), {}, 1 / (k * c + 1))]
    with written_first("speedup", "expected_tokens"):
        ask_all(student, rng, cases, "At one of the limits your number is off: a free and perfect draft is k + 1 times "
                                     "as fast, a perfect one that is as slow as the target gains nothing, a useless "
                                     "one costs k steps.")


def _over(time, tokens=lambda alpha, k: rate(alpha, k, 0.0)):
    return lambda alpha, k, c, verify_cost=1.0, overhead=0.0: tokens(alpha, k) / time(k, c, verify_cost, overhead)


speedup.mistake(
    "draft_is_free",
    "You leave out what the draft costs. It is run k times in a round, at c each: that is the term that makes a slow "
    "draft useless, however good it is.",
    imitate=(_over(lambda k, c, v, o: v + o), _over(lambda k, c, v, o: v), _over(lambda k, c, v, o: 1.0)),
)
speedup.mistake(
    "one_draft_step",
    "You count one step of the draft per round. It writes its k tokens one after the other: k steps.",
    imitate=_over(lambda k, c, v, o: c + v + o),
)
speedup.mistake(
    "extra_draft_step",
    "You count k + 1 steps of the draft. The last token of a round is the target's own: nobody drafted it.",
    imitate=_over(lambda k, c, v, o: (k + 1) * c + v + o),
)
speedup.mistake(
    "verify_per_token",
    "You pay verify_cost once per token. It is the time of the whole pass over k + 1 tokens, and it is paid once.",
    imitate=(_over(lambda k, c, v, o: k * c + (k + 1) * v + o),
             _over(lambda k, c, v, o: k * (c + v) + o + (k == 0) * v)),
)
speedup.mistake(
    "overhead_per_token",
    "You pay the overhead for every drafted token. It is the time of the host per round.",
    imitate=_over(lambda k, c, v, o: k * (c + o) + v),
)
speedup.mistake(
    "forgets",
    "You leave out verify_cost or overhead: all three, draft, pass and host, take their time in every round.",
    imitate=(_over(lambda k, c, v, o: k * c + 1), _over(lambda k, c, v, o: k * c + 1 + o),
             _over(lambda k, c, v, o: k * c + v)),
)
def _brackets(time):
    """tau divided by a part of the round's time only, the rest added to the quotient: how `/` and `+` go without."""

    def rule(alpha, k, c, verify_cost=1.0, overhead=0.0):
        tau, (under, beside) = rate(alpha, k, 0.0), time(k, c, verify_cost, overhead)
        return tau / under + beside if under else tau / (verify_cost + overhead)

    return rule


speedup.mistake(
    "brackets",
    "Brackets are missing around the time of the round: `/` goes before `+`, so only a part of the time divides, and "
    "the rest is added to the quotient. It is tau / (k * c + verify_cost + overhead).",
    imitate=(_brackets(lambda k, c, v, o: (k * c, v + o)), _brackets(lambda k, c, v, o: (k * c + v, o)),
             lambda alpha, k, c, verify_cost=1.0, overhead=0.0: rate(alpha, k, 0.0) / k * c + verify_cost + overhead
             if k else 1 / (verify_cost + overhead)),
)
speedup.mistake(
    "upside_down",
    "Your number is time per token. Turn it over: more than 1 should mean faster.",
    imitate=lambda alpha, k, c, verify_cost=1.0, overhead=0.0: 1 / rate(alpha, k, c, verify_cost, overhead),
)
speedup.mistake(
    "wrong_tokens",
    "The time of the round is right, the number of its tokens is not. Run `check(expected_tokens)`.",
    imitate=tuple(_over(lambda k, c, v, o: k * c + v + o, tokens)
                  for tokens in (TOO_SHORT, NO_OWN, lambda alpha, k: 1 + k * alpha)),
)
speedup.mistake(
    "never_below_one",
    "You never answer less than 1. A round that costs more than it brings is slower than plain decoding: say so.",
    imitate=lambda alpha, k, c, verify_cost=1.0, overhead=0.0: max(1.0, rate(alpha, k, c, verify_cost, overhead)),
)
speedup.mistake(
    "no_draft_is_one",
    "With k = 0 you answer 1. The pass may cost more than one step, and the host takes its time all the same.",
    imitate=lambda alpha, k, c, verify_cost=1.0, overhead=0.0: rate(alpha, k, c, verify_cost, overhead) if k else 1.0,
)
speedup.mistake(
    "other_order",
    "verify_cost comes before overhead: look at the order and the defaults in the first line of the contract.",
    imitate=lambda alpha, k, c, overhead=0.0, verify_cost=1.0: rate(alpha, k, c, verify_cost, overhead),
)
speedup.mistake(
    "plain_pays_too",
    "You let plain decoding pay the overhead as well. The unit of time is one step of the target alone.",
    imitate=lambda alpha, k, c, verify_cost=1.0, overhead=0.0: (1 + overhead) * rate(
        alpha, k, c, verify_cost, overhead),
)
speedup.mistake(
    "per_drafted",
    "You divide by k as well. What a round brings is counted in tokens, not in tokens per drafted one.",
    imitate=lambda alpha, k, c, verify_cost=1.0, overhead=0.0: rate(alpha, k, c, verify_cost, overhead) / (k or 1),
)
speedup.mistake(
    "clamped",
    "You cut one of the numbers that you are given. A draft may be slower than the target (c above 1), and a clock may "
    "say that the pass takes less than one step.",
    imitate=(lambda alpha, k, c, verify_cost=1.0, overhead=0.0: rate(alpha, k, min(c, 1.0), verify_cost, overhead),
             lambda alpha, k, c, verify_cost=1.0, overhead=0.0: rate(alpha, k, c, max(verify_cost, 1.0), overhead)),
)
