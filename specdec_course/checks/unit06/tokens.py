"""expected_tokens: what is right, and the mistakes that can be named.

Knows: this exercise. What it is held against is worked out from the rounds themselves, by trying every way that the
coins of a round can fall. Does not know: what a round costs (formula), how a verdict is reached or shown (engine).
"""

from __future__ import annotations

from ...sampling import exact_law
from .. import values
from ..ask import ask, mixed, uniform, unless, whole
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


def ask_all(student, rng, cases, message: str, close: float = CLOSE) -> None:
    """Cases: (arguments, named arguments, what is right)."""
    asked = [(args, wanted, named) for args, named, wanted in cases]

    def near(answer: float, wanted: float) -> bool:
        return abs(answer - wanted) <= close * max(1.0, abs(wanted))

    ask(student, values.as_float, asked, unless(near, message), rng)


# ------------------------------------------------------------------------------------------------ expected_tokens

LEVIATHAN = {(0.6, 2): 1.96, (0.7, 3): 2.53, (0.8, 2): 2.44, (0.8, 5): 3.69, (0.9, 2): 2.71, (0.9, 10): 6.86}


@expected_tokens.part("every way that the coins of a round can fall", weight=2, rests_on=(
    "The round emits the accepted ones up to the first rejection, and then one token of the target's own"))
def _(student, rng):
    lengths = [1, 2, 3, 4, 6, 9, *(whole(1, 9, rng) for _ in range(whole(0, 3, rng)))]
    cases = [(uniform(0.05, 0.95, rng), k) for k in lengths]
    ask_all(student, rng, [(case, {}, mean_of_round(*case)) for case in cases],
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


@expected_tokens.part("the shortest drafts, down to k = 0", weight=1, rests_on="k: tokens drafted in a round, >= 0.")
def _(student, rng):
    ends = [0.0, 1.0, *(uniform(0.1, 0.9, rng) for _ in range(whole(1, 4, rng)))]
    ask_all(student, rng, [((alpha, 0), {}, 1.0) for alpha in ends] + _others(rng),
            "Nothing drafted is plain decoding: exactly one token.")


@expected_tokens.part("from never accepted to always accepted, both ends included", weight=2, rests_on=(
    "0 <= alpha <= 1; both ends included"))
def _(student, rng):
    k = whole(2, 9, rng)
    ask_all(student, rng, [((0.0, k), {}, 1.0), *_others(rng)],
            "A draft that is never accepted leaves the target's own token: one.")
    ask_all(student, rng, [((1.0, 200), {}, 201.0), ((1.0, k), {}, k + 1.0), ((1.0, 1), {}, 2.0)],
            "A draft that is always accepted gives all k tokens and the bonus, exactly.",
            close=3e-6)  # a sum of ones is exact
    near_the_ends = ((0.999, k), (0.9995, 64), (0.001, k), (1e-3, 1), (0.99, whole(100, 200, rng)))
    ask_all(student, rng, [((alpha, k), {}, rate(alpha, k, 0.0)) for alpha, k in near_the_ends],
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
    "You divide by k, or by k + 1. Asked for is how many tokens a round emits, not how many per drafted token.",
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
expected_tokens.mistake(
    "end_is_not_one",
    "Your line for alpha = 1 gives the wrong number. There every drafted token is accepted, and the bonus comes behind "
    "them: k + 1.",
    imitate=tuple(lambda alpha, k, at=at: at(k) if alpha == 1 else rate(alpha, k, 0.0)
                  for at in (lambda k: 1.0, lambda k: k, lambda k: 0.0)),
)
expected_tokens.mistake(
    "below_one",
    "You make alpha a little smaller where it is 1, so that nothing is divided by 0. A draft that is always right then "
    "gives less than k + 1 tokens, and the longer it is the less. alpha = 1 has a line of its own, or none is needed: "
    "the sum 1 + alpha + ... + alpha^k divides by nothing.",
    imitate=tuple(lambda alpha, k, less=less: rate(min(alpha, 1 - less), k, 0.0)
                  for less in (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)),
)
expected_tokens.mistake(
    "nothing_is_left_out",
    "You answer 0 where nothing is accepted or nothing was drafted. The target's own token is always there: 1.",
    imitate=(lambda alpha, k: rate(alpha, k, 0.0) if alpha else 0.0,
             lambda alpha, k: rate(alpha, k, 0.0) if k else 0.0),
)
expected_tokens.mistake(
    "all_or_nothing",
    "You let a round emit k + 1 tokens or 1. The first tokens of a draft stay when a later one is rejected: every "
    "number between 1 and k + 1 comes about.",
    imitate=lambda alpha, k: 1 + k * alpha**k,
)
def _by_outcome(full):
    """The mean over what a round may emit, with another weight, or another number of tokens, for full acceptance."""
    return lambda alpha, k: sum((i + 1) * alpha**i * (1 - alpha) for i in range(k)) + full(alpha, k)


expected_tokens.mistake(
    "full_acceptance",
    "Rounds with a rejection are weighed right; full acceptance is not. All k drafted tokens are accepted with the "
    "chance alpha^k, no token is rejected then, and the round emits k + 1.",
    imitate=tuple(map(_by_outcome, (
        lambda alpha, k: (k + 1) * alpha**k * (1 - alpha), lambda alpha, k: (k + 1) * alpha ** (k + 1),
        lambda alpha, k: alpha**k, lambda alpha, k: 0.0,
        lambda alpha, k: (k + 1) * alpha ** (k - 1) if k else 1.0, lambda alpha, k: (k + 1) * alpha))),
)
expected_tokens.mistake(
    "rounded",
    "You round. An average of whole numbers need not be one, and two draft lengths may differ in the third decimal.",
    imitate=tuple(lambda alpha, k, cut=cut: cut(rate(alpha, k, 0.0))
                  for cut in (round, int, lambda x: round(x, 1), lambda x: round(x, 2))),
)
expected_tokens.mistake(
    "added_below",
    "You add a small number to 1 - alpha, so that nothing is divided by 0. Close to alpha = 1 it is as large as what "
    "it is added to. The sum 1 + alpha + ... + alpha^k divides by nothing.",
    imitate=tuple(lambda alpha, k, eps=eps: (1 - alpha ** (k + 1)) / (1 - alpha + eps) for eps in (1e-3, 1e-2)),
)
HELP = (
    (r"ZeroDivisionError", "alpha = 1 is allowed, and 1 - alpha is then 0. What does a round emit when every drafted "
                           "token is accepted?"),
    (r"positional argument|unexpected keyword", "Look at the first line of the contract: the names and the order of "
                                                "the arguments are part of it."),
)
for _pattern, _text in HELP:
    expected_tokens.help(_pattern, _text)
