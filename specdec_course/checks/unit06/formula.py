"""expected_tokens and speedup: what is right, and the mistakes that can be named.

Knows: these two exercises. What they are held against is worked out from the rounds themselves, by trying every way
that the coins of a round can fall. Does not know: the best draft length (length), how a verdict is reached or shown
(engine).
"""

from __future__ import annotations

from ...sampling import exact_law
from .. import values
from ..ask import ask, mixed, uniform, unless, whole, written_first
from ..errors import Wrong
from ..exercise import Exercise

CLOSE = 1e-4  # relative: float32 is fine

expected_tokens = Exercise(
    "expected_tokens", unit="06", points=1, difficulty=1, minutes=5,
    reference="specdec_course.theory:expected_tokens",
    lent=True,
    largest=10_000,
    hints=(
        "With which probability does a round emit at least one token? At least two? At least k + 1? What do you get if "
        "you add these up?",
        "It is the sum of alpha**i for i from 0 to k, both included: k + 1 terms. As a fraction: "
        "(1 - alpha**(k + 1)) / (1 - alpha), and alpha = 1 needs a line of its own.",
    ),
)
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


def mean_of_round(alpha: float, k: int) -> float:
    """The tokens of a round on average: every way the coins of its k places can fall, weighted with its probability."""

    def emitted(dice):
        for place in range(k):
            if not dice.flip(alpha):
                return place + 1
        return k + 1

    return sum(tokens * probability for tokens, probability in exact_law(emitted).items())


def rate(alpha: float, k: int, c: float, v: float = 1.0, o: float = 0.0) -> float:
    return sum(alpha**i for i in range(k + 1)) / (k * c + v + o)


def _near(answer: float, wanted: float) -> bool:
    return abs(answer - wanted) <= CLOSE * max(1.0, abs(wanted))


def _ask(student, rng, cases, message: str) -> None:
    """Cases: (arguments, named arguments, what is right)."""
    asked = [(args, wanted, named) for args, named, wanted in cases]
    ask(student, values.as_float, asked, unless(_near, message), rng)


# ------------------------------------------------------------------------------------------------ expected_tokens

LEVIATHAN = {(0.6, 2): 1.96, (0.7, 3): 2.53, (0.8, 2): 2.44, (0.8, 5): 3.69, (0.9, 2): 2.71, (0.9, 10): 6.86}


@expected_tokens.part("every way that the coins of a round can fall", weight=2, rests_on=(
    "The round emits the accepted ones up to the first rejection, and then one token of the target's own"))
def _(student, rng):
    lengths = [1, 2, 3, 4, 6, 9, *(whole(1, 9, rng) for _ in range(whole(0, 3, rng)))]
    cases = [(uniform(0.05, 0.95, rng), k) for k in lengths]
    _ask(student, rng, [(case, {}, mean_of_round(*case)) for case in cases],
         "Try k = 1 by hand: with probability alpha the round emits 2 tokens, otherwise 1. What is that on average? "
         "Your function gives something else for some alpha and k.")


@expected_tokens.part("the table of Leviathan et al.", weight=1, rests_on="1 + alpha + ... + alpha^k")
def _(student, rng):
    table = mixed(LEVIATHAN.items(), rng)
    answers = [(student.returned_float(*case), wanted) for case, wanted in table]
    if any(abs(answer - wanted) > 0.0051 for answer, wanted in answers):
        raise Wrong("The paper's table of alpha and k comes out differently. (alpha = 0.8, k = 5: 3.69 tokens.)")


def _others(rng) -> list[tuple]:
    """Questions that tell rules apart which are wrong elsewhere."""
    return [((alpha, k), {}, rate(alpha, k, 0.0)) for k in (1, 3) for alpha in (uniform(0.2, 0.4, rng),)]


@expected_tokens.part("k = 0: one token, whatever alpha is", weight=1, rests_on="k: tokens drafted in a round, >= 0.")
def _(student, rng):
    ends = [0.0, 1.0, *(uniform(0.1, 0.9, rng) for _ in range(whole(1, 4, rng)))]
    _ask(student, rng, [((alpha, 0), {}, 1.0) for alpha in ends] + _others(rng),
         "Nothing drafted is plain decoding: exactly one token.")


@expected_tokens.part("the ends: never accepted, always accepted, nearly always", weight=2, rests_on=(
    "0 <= alpha <= 1; both ends included"))
def _(student, rng):
    k = whole(2, 9, rng)
    _ask(student, rng, [((0.0, k), {}, 1.0), *_others(rng)],
         "A draft that is never accepted leaves the target's own token: one.")
    _ask(student, rng, [((1.0, k), {}, k + 1.0), ((1.0, 1), {}, 2.0)],
         "A draft that is always accepted gives all k tokens and the bonus.")
    near_the_ends = ((0.999, k), (0.9995, 64), (0.001, k), (1e-3, 1), (0.99, whole(100, 200, rng)))
    _ask(student, rng, [((alpha, k), {}, rate(alpha, k, 0.0)) for alpha, k in near_the_ends],
         "Close to alpha = 1, or to 0, your number jumps.")


@expected_tokens.part("one more drafted token adds alpha^(k+1)", weight=1, rests_on="1 + alpha + ... + alpha^k")
def _(student, rng):
    for k in mixed((whole(1, 12, rng), whole(13, 20, rng), whole(21, 40, rng), 63), rng):
        alpha = uniform(0.9, 0.98, rng)
        more = student.returned_float(alpha, k + 1) - student.returned_float(alpha, k)
        if abs(more - alpha ** (k + 1)) > 5e-4:
            raise Wrong("From k to k + 1 drafted tokens the round should gain exactly the chance that all k + 1 are "
                        "accepted.")


def _geometric(first: int, last_of, divide=lambda alpha, k: 1.0):
    """(1 + alpha + ... ) with other ends of the sum, as a wrong rule."""
    return lambda alpha, k: sum(alpha**i for i in range(first, last_of(k) + 1)) / divide(alpha, k)


TOO_SHORT = _geometric(0, lambda k: k - 1)
NO_OWN = _geometric(1, lambda k: k)

expected_tokens.mistake(
    "one_term_short",
    "Your sum is one term short: it is (1 - alpha^k) / (1 - alpha). A round can emit k + 1 tokens, the bonus is one of "
    "them, so the last term is alpha^k and the exponent in the fraction k + 1.",
    imitate=TOO_SHORT,
)
expected_tokens.mistake(
    "no_own_token",
    "You count the accepted tokens only. Every round also emits one token of the target's own, the correction or the "
    "bonus: with k = 0 there is exactly that one.",
    imitate=NO_OWN,
)
expected_tokens.mistake(
    "counts_all",
    "You say 1 + k alpha: as if every drafted token had its chance. But the third one only counts if the first two "
    "were accepted: its chance to be emitted is alpha * alpha * alpha.",
    imitate=lambda alpha, k: 1 + k * alpha,
)
expected_tokens.mistake(
    "per_drafted",
    "You divide by k. Asked for is how many tokens a round emits, not how many per drafted token.",
    imitate=(_geometric(0, lambda k: k, lambda alpha, k: k or 1), _geometric(0, lambda k: k, lambda alpha, k: k + 1)),
)
expected_tokens.mistake(
    "endless",
    "You say 1 / (1 - alpha): the number for an endless draft. With k drafted tokens there are at most k + 1.",
    imitate=lambda alpha, k: 1 / (1 - alpha) if alpha < 1 else k + 1,
)
expected_tokens.mistake(
    "one_term_long", "Your sum is one term too long: k drafted tokens and one of the target's own are at most k + 1.",
    imitate=_geometric(0, lambda k: k + 1),
)
for _exercise in (expected_tokens, speedup):
    _exercise.help(r"ZeroDivisionError", "alpha = 1 is allowed, and 1 - alpha is then 0. What does a round emit when "
                                         "every drafted token is accepted?")
    _exercise.help(r"positional argument|unexpected keyword", "Look at the first line of the contract: the names and "
                                                              "the order of the arguments are part of it.")


# -------------------------------------------------------------------------------------------------------- speedup


@speedup.part("tokens of a round over its time, where the target's curve is flat", weight=2, rests_on=(
    "the expected tokens of a round over its time, tau / (k c + v + o)"))
def _(student, rng):
    lengths = (1, 2, 3, 5, 8, *[whole(1, 9, rng)] * whole(0, 3, rng))
    cases = [(uniform(0.1, 0.95, rng), k, uniform(0.02, 0.6, rng)) for k in lengths]
    with written_first("speedup", "expected_tokens"):
        _ask(student, rng, [(case, {}, mean_of_round(*case[:2]) / (case[1] * case[2] + 1)) for case in cases],
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
        _ask(student, rng, cases, "With verify_cost or overhead your function gives something else. Both are times "
                                  "of a whole round, in steps of the target.")


@speedup.part("nothing drafted", weight=1, rests_on="The formula holds for k = 0, too.")
def _(student, rng):
    alpha, c, v, o = (uniform(0.1, 0.9, rng) for _ in range(4))
    cases = [((alpha, 0, c), {}, 1.0), ((alpha, 0, c, 1 + v, o), {}, 1 / (1 + v + o))]
    cases.append(((alpha, 1, c), {}, (1 + alpha) / (1 + c)))  # tells rules apart that are wrong elsewhere
    with written_first("speedup", "expected_tokens"):
        _ask(student, rng, cases, "With k = 0 the draft does nothing, but the round still has its pass and its "
                                  "overhead: the formula holds there, too.")


@speedup.part("the limits: a free perfect draft, a perfect one as slow as the target, a useless one", weight=1,
              rests_on=("0 <= alpha <= 1", "in steps of the target; >= 0."))
def _(student, rng):
    k, c = whole(2, 8, rng), uniform(0.05, 0.5, rng)
    cases = [((1.0, k, 0.0), {}, k + 1.0), ((1.0, k, 1.0), {}, 1.0), ((0.0, k, c), {}, 1 / (k * c + 1))]
    with written_first("speedup", "expected_tokens"):
        _ask(student, rng, cases, "At one of the limits your number is off: a free and perfect draft is k + 1 times as "
                             "fast, a perfect one that is as slow as the target gains nothing, a useless one costs k "
                             "steps.")


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
