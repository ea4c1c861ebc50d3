"""More wrong rules for the exercises about numbers: a table (id, what the student reads, the rules that behave so).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right (the exercises' own files).
"""

from __future__ import annotations

from .. import observe
from ..ask import uniform, whole
from .alpha import _ratio, estimate_alpha
from .formula import _over, speedup
from .length import best_k, clear_best, speeds
from .tokens import expected_tokens, rate


def _tau(alpha, k):
    return rate(alpha, k, 0.0)


def _near(answer, wanted) -> bool:
    return abs(float(answer) - wanted) < 1e-4 * max(1.0, wanted)


for _id, _message, _rules in (
    ("swapped", "alpha and k have traded places: alpha is the chance, k the number of drafted tokens.",
     (lambda alpha, k: float(sum(k**i for i in range(int(alpha) + 1))),)),
    ("near_one",
     "Already somewhat below alpha = 1 you answer k + 1. That is right at 1 alone: 0.999 and a long draft give less.",
     tuple(lambda alpha, k, end=end: k + 1.0 if alpha > end else _tau(alpha, k)
           for end in (0.9, 0.95, 0.98, 0.989, 0.99, 0.995, 0.998))),
):
    expected_tokens.mistake(_id, _message, imitate=_rules)
expected_tokens.mistake(
    "own_limit",
    "From some k on your number stays the same, however long the draft: you stop adding at a length of your own.",
    observe=observe.ends_at(lambda rng: [(0.9999, k) for k in (1, 5, 500, 1000, whole(2000, 9000, rng))]))


def _same_k(rng) -> tuple:
    k = whole(300, 9000, rng)
    return (uniform(0.2, 0.5, rng), k), (uniform(0.6, 0.9, rng), k)


def _same_alpha(rng) -> tuple:
    alpha = uniform(0.3, 0.9, rng)
    return (alpha, 1), (alpha, 5)


expected_tokens.mistake("remembered", observe.MEMORY, observe=observe.from_memory(
    _same_k, _same_alpha, right=lambda answer, alpha, k: _near(answer, _tau(alpha, k))))
expected_tokens.help(r"math domain", "alpha may be 0, and 0 has no logarithm. The sum 1 + alpha + ... needs none.")


def _right_speed(change):
    return lambda alpha, k, c, verify_cost=1.0, overhead=0.0: change(rate(alpha, k, c, verify_cost, overhead))


for _id, _message, _rules in (
    ("side_by_side",
     "You let draft and target work at the same time: the longer of the two is all that you pay. In a round the pass "
     "begins when the draft is finished, so their times add up.",
     (_over(lambda k, c, v, o: max(k * c, v) + o), _over(lambda k, c, v, o: max(k * c, v + o)))),
    ("accepted_drafted_only",
     "You let the draft work for the accepted tokens only. It writes all k, and each costs c: which of them will stay "
     "is not known by then.",
     (lambda alpha, k, c, verify_cost=1.0, overhead=0.0: _tau(alpha, k) / (
         (_tau(alpha, k) - 1) * c + verify_cost + overhead),)),
    ("rounded", "You round. Two draft lengths may differ in the third decimal.",
     tuple(_right_speed(lambda speed, digits=digits: round(speed, digits)) for digits in (1, 2, 3))),
    ("cost_over_length", "You divide c by k. A round runs the draft k times, at c each: k times c.",
     (_over(lambda k, c, v, o: c / k + v + o), _over(lambda k, c, v, o: (k / c if c else 0.0) + v + o),
      _over(lambda k, c, v, o: (c / k if k else 0.0) + v + o))),
    ("per_drafted_too", "You divide by k as well. What a round brings is counted in tokens, not in tokens per drafted "
     "one. And k may be 0.",
     (lambda alpha, k, c, verify_cost=1.0, overhead=0.0: rate(alpha, k, c, verify_cost, overhead) / k,)),
):
    speedup.mistake(_id, _message, imitate=_rules)
speedup.mistake(
    "other_defaults",
    "Where verify_cost and overhead are left out you take other numbers than 1 and 0: look at the first line of the "
    "contract.",
    observe=observe.other_defaults(
        lambda rng: (uniform(0.3, 0.9, rng), whole(1, 9, rng), uniform(0.05, 0.5, rng)),
        {"verify_cost": 1.0, "overhead": 0.0}))


def _best_of(lengths=lambda k_max: range(k_max + 1), c_of=lambda c: c):
    def rule(alpha, c, k_max=64):
        return max(lengths(k_max), key=lambda k: (round(rate(alpha, k, c_of(c)), 12), -k), default=0)

    return rule


_right_k = _best_of()


def _while_likely(more: int):
    """The last k with alpha^(k + more) above c."""
    return lambda alpha, c, k_max=64: next((k for k in range(k_max + 1) if k == k_max or alpha ** (k + 1 + more) <= c),
                                           k_max)


def _enough(gains):
    """The last k that is better than the best so far by enough."""

    def rule(alpha, c, k_max=64):
        found, best = speeds(alpha, c, k_max), 0
        for k in range(1, k_max + 1):
            best = k if gains(found[k], found[best]) else best
        return best

    return rule


def _climbs(step):
    def rule(alpha, c, k_max=64):
        found, k = speeds(alpha, c, k_max), 0
        while k < k_max and found[k + 1] > found[k] + step:
            k += 1
        return k

    return rule


for _id, _message, _rules in (
    ("returns_speed", "You return the largest speed-up. Asked for is the draft length that gives it.",
     (lambda alpha, c, k_max=64: max(speeds(alpha, c, k_max)),)),
    ("powers_of_two", "You try the powers of two only. The best draft may have any length from 0 to k_max.",
     tuple(_best_of(lambda k_max, end=end: [0, *(2**i for i in range(end) if 2**i <= k_max)])
           for end in (12, 7, 6, 5))),
    ("one_length",
     "You only ask whether drafting pays (alpha above c), and then answer a length of your own. How long the best "
     "draft is depends on alpha and c.",
     tuple(lambda alpha, c, k_max=64, k=k: 0 if alpha <= c else min(k, k_max) for k in (2, 3, 4, 5, 6, 8))
     + tuple(lambda alpha, c, k_max=64, k=k: 0 if alpha <= c else k for k in (1, 2, 3, 4, 5, 6, 8))),
    ("small_gains",
     "A longer draft that gains a little is not enough for you. Asked for is the fastest, however small its lead.",
     tuple(_enough(lambda new, old, by=by: new > old * by) for by in (1.001, 1.005, 1.01, 1.02, 1.05, 1.1))
     + tuple(_enough(lambda new, old, by=by: new > old + by) for by in (1e-4, 1e-3, 0.01, 0.02, 0.05))
     + tuple(map(_climbs, (1e-4, 1e-3, 0.01, 0.02, 0.05)))),
    ("free_is_all",
     "Where drafting costs nothing (c = 0) you answer k_max. With alpha = 0 all lengths are then equally fast, and the "
     "smallest of them is asked for.",
     (lambda alpha, c, k_max=64: k_max if c == 0 else _right_k(alpha, c, k_max),)),
    ("difference",
     "You draft as long as one more token is likelier to count than it costs (alpha^(k+1) above c), or, which comes to "
     "the same, where tau - k c is largest. Rounds of unequal length are compared by tokens per *time*: divide, do not "
     "subtract.",
     tuple(_while_likely(more) for more in (0, 1, -1))),
    ("sure_is_all",
     "Where the draft is always right (alpha = 1) you answer k_max. If it is as slow as the target, or slower, nothing "
     "is gained by it: 0.",
     (lambda alpha, c, k_max=64: k_max if alpha == 1 else _right_k(alpha, c, k_max),)),
    ("even_is_enough",
     "You draft where drafting is just as fast as not drafting. Of equally fast lengths the smallest is asked for.",
     (lambda alpha, c, k_max=64: 1 if k_max and not _right_k(alpha, c, k_max) and abs(rate(alpha, 1, c) - 1) < 1e-9
      else _right_k(alpha, c, k_max),)),
    ("clamped", "You cut c at a smallest value of your own. A draft may cost next to nothing, and is longer then.",
     tuple(_best_of(c_of=lambda c, low=low: max(c, low)) for low in (0.005, 0.01, 0.02, 0.05))),
):
    best_k.mistake(_id, _message, imitate=_rules)


def _same_candidate(rng) -> tuple:
    alpha, c, k_max = uniform(0.96, 0.99, rng), uniform(0.001, 0.003, rng), whole(2, 9, rng)
    return (alpha, c, k_max), (alpha, c, k_max + whole(1, 9, rng))


best_k.mistake("remembered", observe.MEMORY, observe=observe.from_memory(
    _same_candidate, right=lambda answer, *case: answer == clear_best(*case)))
best_k.help(r"ValueError", "If your function raises it itself: where nothing pays the answer is 0, and no error.")


def _alpha_of(keep=lambda a, d: True, lost=lambda a, d: a < d, then=lambda alpha: alpha):
    """The right estimate, of the rounds kept, with another count of rejections, or changed at the end."""

    def rule(accepted, drafted):
        pairs = [(a, d) for a, d in zip(accepted, drafted, strict=True) if keep(a, d)]
        yes, no = sum(a for a, _ in pairs), sum(lost(a, d) for a, d in pairs)
        return then(yes / (yes + no)) if yes + no else 0.0

    return rule


def _of_the(rounds):
    return lambda accepted, drafted: _alpha_of()(accepted[rounds], drafted[rounds])


def _root(accepted, drafted):
    if not sum(drafted):
        return 0.0
    full = sum(a == d for a, d in zip(accepted, drafted, strict=True)) / len(drafted)
    return full ** (len(drafted) / sum(drafted))


def _mean_of_places(accepted, drafted):
    pairs, shares = list(zip(accepted, drafted, strict=True)), []
    for place in range(max(drafted, default=0)):
        judged = [a > place for a, d in pairs if place < d and a >= place]
        shares += [sum(judged) / len(judged)] if judged else []
    return sum(shares) / len(shares) if shares else 0.0


def _from_mean_tokens(length):
    def rule(accepted, drafted):
        if not sum(drafted):
            return 0.0
        k, wanted, low, high = length(drafted), 1 + sum(accepted) / len(accepted), 0.0, 1.0
        for _ in range(60):
            alpha = (low + high) / 2
            tokens = (1 - alpha ** (k + 1)) / (1 - alpha) if alpha < 1 else k + 1
            low, high = (alpha, high) if tokens < wanted else (low, alpha)
        return (low + high) / 2

    return rule


def _longest_for_all(accepted, drafted):
    return _ratio(lambda a, d: a, lambda a, d: a + (a < max(drafted)))(accepted, drafted)


for _id, _message, _rules in (
    ("one_round", "You look at one round only, the first or the last. Every round has something to say: sum over all.",
     (_of_the(slice(-1, None)), _of_the(slice(0, 1)))),
    ("root_of_full",
     "You take a root of the share of rounds that were accepted in full. That leaves out how far the others came, and "
     "with drafts of several lengths it is no chance of a token.", (_root,)),
    ("unlucky_left_out",
     "A round whose first token was rejected is left out. It shows one rejection, like any other.",
     (_alpha_of(lost=lambda a, d: 0 < a < d),)),
    ("rejected_only",
     "You count only the rounds that ended with a rejection. One that was accepted in full has no rejection, and its "
     "accepted tokens count like any other.", (_alpha_of(keep=lambda a, d: a < d),)),
    ("mean_of_places",
     "You work out a share for each place of the draft, and average these. Then a late place, which few rounds reach, "
     "weighs as much as the first: sum accepted and judged over all places, divide once.", (_mean_of_places,)),
    ("from_mean_tokens",
     "You look for the alpha whose expected number of tokens is the mean of what the rounds emitted. With drafts of "
     "several lengths that is another alpha than the most probable one: count accepted over judged.",
     tuple(map(_from_mean_tokens, (max, lambda drafted: sum(drafted) / len(drafted))))),
    ("always_sure", "You answer 1.0 wherever anything was drafted. Count what was judged, and what was accepted of it.",
     (lambda accepted, drafted: 1.0 if any(drafted) else 0.0,)),
    ("short_left_out", "Drafts of a single token are left out. Their token was judged like any other.",
     (_alpha_of(keep=lambda a, d: d > 1),)),
    ("never_sure", "Your alpha never reaches 1, or never 0. A drafter that was never rejected has alpha = 1.0 exactly.",
     tuple(_alpha_of(then=lambda alpha, low=low, high=high: min(high, max(low, alpha)))
           for e in (0.001, 0.005, 0.01, 0.02, 0.05) for low, high in ((0.0, 1 - e), (e, 1.0), (e, 1 - e)))),
    ("longest_for_all",
     "You hold every round against the longest draft. A round is judged by its own: accepted[i] against drafted[i].",
     (_longest_for_all,)),
    ("lost_in_part",
     "You count more than one rejection in a round. Behind the first rejected token nothing was judged: one at most.",
     tuple(_alpha_of(lost=lambda a, d, most=most: min(d - a, most)) for most in (2, 3, 4))),
):
    estimate_alpha.mistake(_id, _message, imitate=_rules)


def _some_rounds(rng) -> tuple:
    drafted = [whole(2, 6, rng) for _ in range(whole(3, 6, rng))]
    return [whole(0, d, rng) for d in drafted], drafted


estimate_alpha.mistake("unsteady", observe.UNSTEADY, observe=observe.unsteady(_some_rounds))
estimate_alpha.help(r"empty (sequence|iterable)|arg is an empty|out of range", "There may be no rounds at all: 0.0.")
