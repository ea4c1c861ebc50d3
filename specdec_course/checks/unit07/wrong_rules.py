"""More wrong rules of this unit: a table (id, what the student reads, the rules that behave so), and what can be seen
by looking for it.

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right (the exercises' own files).
"""

from __future__ import annotations

import math
from collections import deque

import torch

from .. import observe
from ..ask import uniform, whole
from .bild import bild_policy, policy_rule
from .confidence import confident_prefix, prefix_rule
from .schedule import _usual_step, heuristic_schedule
from .stop import optimal_stop, powers, rates, stop_rule
from .tracker import AcceptanceTracker, counting, tracker_rule


class _FadesLate(tracker_rule()):
    judged = 0

    def update(self, accepted, rejected):
        now = accepted + min(rejected, 1)
        self.seen = [x * 0.5 ** (self.judged / self.half_life) for x in self.seen]
        self.seen = [self.seen[0] + accepted, self.seen[1] + min(rejected, 1)]
        self.judged = now


AcceptanceTracker.mistake("fades_late", (
    "Your evidence fades by what was judged in the round before. Older evidence fades by the tokens that are judged in "
    "*this* round, then this round is added."), imitate=_FadesLate)

# -------------------------------------------------------------------------------------------- heuristic_schedule

def _nearly(enough):
    """Steps that let a few rejections by: where enough(accepted, drafted), it is two more."""
    return lambda k, n, d, k_max: max(1, min(k + 2 if enough(n, d) else k - 1, k_max))


for _id, _message, _rules in (
    ("some_rejected",
     "You lengthen the draft although a token was rejected, as long as most were accepted. One rejection is enough: "
     "n_accepted < n_drafted means one less.",
     (*(_nearly(lambda n, d, most=most: n >= most * d) for most in (0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)),
      *(_nearly(lambda n, d, most=most: n > most * d) for most in (0.5, 0.75)),
      *(_nearly(lambda n, d, few=few: n >= d - 1 if d > few else n == d) for few in range(1, 9)))),
    ("first_step",
     "From k = 1 you take another step than from the others. Two more, whatever k is: 3.",
     (lambda k, n, d, k_max: min(2, k_max) if n >= d and k == 1 else _usual_step(k, n, d, k_max),)),
):
    heuristic_schedule.mistake(_id, _message, imitate=_rules)


def _round(rng) -> tuple:
    """All accepted: a length that is kept from call to call grows and grows."""
    k = whole(3, 99, rng)
    return k, k, k, 9999


heuristic_schedule.mistake("own_randomness", observe.UNSTEADY, observe=observe.unsteady(_round))
heuristic_schedule.mistake(
    "own_limit", "Your draft never gets longer than a number of your own, although k_max allows more.",
    observe=observe.ends_at(lambda rng: [(k, k, k, 400) for k in (1, 2, 200, 250, whole(260, 300, rng))]))


# ---------------------------------------------------------------------------------------------- confident_prefix


def _as_type(dtype):
    return lambda x: float(torch.tensor(x, dtype=dtype))


def _rounded(change):
    return lambda confidences, threshold: prefix_rule()([change(float(c)) for c in confidences], threshold)


for _id, _message, _rules in (
    ("sentinel",
     "You put a 0 behind the confidences, to be found where all are sure. With a threshold of 0 it is not below it: "
     "put something behind them that is below every threshold, or ask whether all are sure.",
     (lambda confidences, threshold: prefix_rule("argmin")([*confidences, 0.0], threshold),)),
    ("rounded", "You round the confidences. A little below the threshold is below it, and exactly on it is not.",
     tuple(_rounded(lambda c, digits=digits: round(c, digits)) for digits in (1, 2, 3))),
    ("single_precision",
     "You read the confidences in single precision, and compare them with a threshold in double. There 0.7 comes out "
     "below 0.7: compare the numbers as they come.", (_rounded(_as_type(torch.float)),)),
    ("margin", "You let the threshold be missed by a small number. Below it is below it, however little.",
     tuple(lambda confidences, threshold, by=by: prefix_rule()([float(c) for c in confidences], threshold - by)
           for by in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10))),
    ("nothing_from_one",
     "With a threshold of 1 you draft nothing. A confidence of exactly 1 is not below it: it goes on.",
     (lambda confidences, threshold: 0 if threshold >= 1 else prefix_rule()(confidences, threshold),)),
):
    confident_prefix.mistake(_id, _message, imitate=_rules)
confident_prefix.mistake(
    "own_limit", "Your draft never gets longer than a number of your own, however sure the drafter is.",
    observe=observe.ends_at(lambda rng: [([0.9] * n, 0.5) for n in (1, 3, 200, 250, whole(260, 300, rng))]))


# --------------------------------------------------------------------------------------------- AcceptanceTracker


class _Window(tracker_rule()):
    """The last judged tokens count, as many as the half-life says, and all of them alike."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__(prior, half_life)
        self.last = deque(maxlen=int(min(half_life, 10**6)))

    def update(self, accepted, rejected):
        self.last += [1] * accepted + [0] * min(rejected, 1)
        self.seen = [sum(self.last), len(self.last) - sum(self.last)]


class _Whole(tracker_rule()):
    def update(self, accepted, rejected):
        super().update(accepted, rejected)
        self.seen = [int(x) for x in self.seen]


class _OneMore(tracker_rule()):
    """Every round makes fade by one token more than was accepted, also where none was rejected."""

    def update(self, accepted, rejected):
        factor = 0.5 ** ((accepted + 1) / self.half_life)
        self.seen = [factor * self.seen[0] + accepted, factor * self.seen[1] + min(rejected, 1)]


def _prior_as(change):
    class Rule(tracker_rule()):
        def __init__(self, prior=(1.0, 1.0), half_life=64):
            super().__init__(change(*prior), half_life)

    return Rule


for _id, _message, _rules in (
    ("window",
     "You keep the last half_life tokens and drop what is older. Evidence is to fade: an older token counts less than "
     "a newer one, and none is dropped at once.", (_Window,)),
    ("whole_numbers", "You cut the evidence to whole numbers. What fades becomes 2.7 tokens, then 2.4, and so on.",
     (_Whole,)),
    ("one_judged_too_many",
     "You count a judged token too many where all were accepted. Evidence fades by accepted + min(rejected, 1): "
     "without a rejection that is `accepted` alone.", (_OneMore,)),
    ("prior_changed",
     "You do not take the prior as it is given, but rounded, or shared evenly between its two numbers. They need not "
     "be whole, nor equal.",
     (_prior_as(lambda a, b: (round(a), round(b))), _prior_as(lambda a, b: (int(a), int(b))),
      _prior_as(lambda a, b: ((a + b) / 2, (a + b) / 2)))),
    ("empty_is_rejected", "A round without a draft counts as a rejection in your tracker. Nothing was judged in it.",
     (counting(lambda accepted, rejected: (accepted, rejected if accepted else 1)),)),
):
    AcceptanceTracker.mistake(_id, _message, imitate=_rules)


def _first_forgotten(student, rng) -> bool:
    """Two trackers that were told the same but for their first round, and nothing fades: do they agree later on?"""
    later = [(whole(1, 5, rng), 1) for _ in range(40)]
    alphas = []
    for first in ((0, 1), (60, 0)):
        tracker = student.quiet(prior=(1.0, 1.0), half_life=1e9)
        for one in (first, *later):
            tracker.update(*one)
        alphas.append(float(tracker.alpha))
    return math.isclose(*alphas, rel_tol=1e-9)


def _second_knows(student, rng) -> bool:
    first, second = (student.quiet(prior=(1.0, 1.0), half_life=50) for _ in range(2))
    before = float(second.alpha), float(second.alpha)
    first.update(9, 0)
    return before[0] == before[1] and float(second.alpha) != before[0]


AcceptanceTracker.mistake(
    "first_rounds_dropped",
    "Rounds of some time ago are dropped. Told the same but for their first round, two of your trackers with a very "
    "long half-life agree after forty more: evidence is to fade by the half-life, and never to be thrown away.",
    observe=lambda student, rng: not _second_knows(student, rng) and _first_forgotten(student, rng)
    and not _tells_nothing(student, rng))


def _tells_nothing(student, rng) -> bool:
    """Whether not even the newest round reaches alpha."""
    tracker = student.quiet(prior=(1.0, 1.0), half_life=1e9)
    before = float(tracker.alpha)
    tracker.update(9, 0)
    return math.isclose(float(tracker.alpha), before)


# -------------------------------------------------------------------------------------------------- optimal_stop


def _enough(gains):
    """The last length that is better than the best so far by enough."""

    def rule(survival, c, verify_cost=1.0, overhead=0.0):
        found, best = rates(survival, c, verify_cost, overhead), 0
        for k in range(1, len(found)):
            best = k if gains(found[k], found[best]) else best
        return best

    return rule


def _dear(bar):
    return lambda survival, c, verify_cost=1.0, overhead=0.0: (
        stop_rule()(survival, c, verify_cost, overhead) if verify_cost < bar else 0)


for _id, _message, _rules in (
    ("small_gains",
     "A longer draft that gains a little is not enough for you. Asked for is the largest rate, however small its lead.",
     tuple(_enough(lambda new, old, by=by: new > old * by) for by in (1.001, 1.005, 1.01, 1.02, 1.05))
     + tuple(_enough(lambda new, old, by=by: new > old + by) for by in (1e-3, 0.01, 0.02, 0.05))),
    ("least_c", "You cut c at a smallest value of your own. A draft step may cost next to nothing.",
     tuple(lambda survival, c, *costs, low=low: stop_rule()(survival, max(c, low), *costs)
           for low in (0.001, 0.005, 0.01, 0.02, 0.05))),
    ("dear_check",
     "From some verify_cost on you answer 0, whatever the draft is worth. A good and long draft can pay for a dear "
     "check: compare the rates.", tuple(map(_dear, (1.5, 2, 2.5, 3)))),
    ("gain_minus_cost",
     "You look for the largest difference, tokens less time. Asked for is tokens per time: a rate is a quotient, and "
     "the longest draft that still gains is seldom the fastest.",
     (stop_rule(lambda g, k, c, v, o: g - k * c - v if k else 0.0),
      stop_rule(lambda g, k, c, v, o: g - k * c - v - o if k else -o))),
):
    optimal_stop.mistake(_id, _message, imitate=_rules)


def _draft(rng) -> tuple:
    """Places whose survival falls slowly, and a small price."""
    return powers(uniform(0.85, 0.95, rng), whole(20, 40, rng)), uniform(0.03, 0.06, rng)


def _same_but_survival(rng) -> tuple:
    n, c = whole(100, 900, rng), uniform(0.03, 0.06, rng)
    return (powers(0.95, n), c), (powers(0.5, n), c)


def _same_but_price(rng) -> tuple:
    survival, c = powers(0.9, whole(100, 900, rng)), uniform(0.03, 0.06, rng)
    return (survival, c, 1.0), (survival, c, 5.0)


def _same_but_overhead(rng) -> tuple:
    survival, c = powers(0.9, whole(100, 900, rng)), uniform(0.03, 0.06, rng)
    return (survival, c, 1.0, 0.0), (survival, c, 1.0, 4.0)


def _best_rate(answer, survival, c, verify_cost=1.0, overhead=0.0) -> bool:
    found = rates(survival, c, verify_cost, overhead)
    return 0 <= int(answer) < len(found) and found[int(answer)] >= max(found) * (1 - 1e-6)


optimal_stop.mistake("remembered", observe.MEMORY, observe=observe.from_memory(
    _same_but_survival, _same_but_price, _same_but_overhead, right=_best_rate))
optimal_stop.mistake(
    "other_defaults",
    "Where verify_cost and overhead are left out you take other numbers than 1 and 0: look at the first line of the "
    "contract.", observe=observe.other_defaults(_draft, {"verify_cost": 1.0, "overhead": 0.0}))
optimal_stop.mistake(
    "own_limit", "Your draft never gets longer than a number of your own, however much the next places are worth.",
    observe=observe.ends_at(lambda rng: [([1.0] * n, 0.01) for n in (1, 3, 200, 250, whole(260, 300, rng))]))


# --------------------------------------------------------------------------------------------------- bild_policy


def _changed(change=lambda x: x, fallback_as=lambda t: t, rollback_as=lambda t: t, theirs_as=None):
    """The right policy, that reads its numbers changed."""

    def rule(mine, theirs, fallback, rollback):
        return policy_rule()([change(float(x)) for x in mine], [(theirs_as or change)(float(x)) for x in theirs],
                             fallback_as(fallback), rollback_as(rollback))

    return rule


def _then(change):
    """The right policy with its answer changed: change(over, places, mine, theirs)."""

    def rule(mine, theirs, fallback, rollback):
        return change(*policy_rule()(mine, theirs, fallback, rollback), mine, theirs)

    return rule


def _paper_and_bad(mine, theirs, fallback, rollback):
    over, places = policy_rule(redo="newest too")(mine, theirs, fallback, rollback)
    return over, [i for i in places if i == len(mine) - 1 or float(theirs[i]) < rollback]


for _id, _message, _rules in (
    ("unread_is_redone",
     "Where target_probability is empty you redo everything. The large model has not read the tokens yet: there is "
     "nothing to redo.",
     (_then(lambda over, places, mine, theirs: (over, list(range(len(mine))) if over and not len(theirs) else places)),
      )),
    ("place_zero_is_none",
     "When the first improbable token stands at place 0 you redo nothing. Is there an `or`, or an `if first`? They "
     "take place 0 for 'there is none'.",
     (_then(lambda over, places, mine, theirs: (over, [] if 0 in places else places)),)),
    ("high_fallback_is_off",
     "With a fallback above 1 you do as if it were 1. Then everything is below it: even a confidence of 1 hands over.",
     (_changed(fallback_as=lambda t: min(t, 1.0)),)),
    ("high_rollback_is_off",
     "With a rollback above 1 you redo nothing, or do as if it were 1. Then everything is below it: all is redone.",
     (_changed(rollback_as=lambda t: t if t <= 1 else 0.0), _changed(rollback_as=lambda t: min(t, 1.0)))),
    ("one_is_too_few",
     "You do not hand over where only one token was written. One is enough to be in doubt about.",
     (_then(lambda over, places, mine, theirs: (over and len(mine) > 1, places if len(mine) > 1 else [])),)),
    ("some_places_only",
     "You redo a few places at most. Everything from the first improbable token on is redone, however much that is.",
     tuple(_then(lambda over, places, mine, theirs, most=most: (over, places[:most]))
           for most in (*range(2, 11), 16, 20, 32))),
    ("paper_only_bad",
     "You redo the newest token always, as the paper does, and of the others only the improbable ones. Redone is what "
     "stands at and behind the first improbable token, and nothing else.", (_paper_and_bad,)),
    ("rounded",
     "You round the numbers, or read them in a shorter float type. A little below its threshold is below it, and "
     "exactly on it is not.",
     (*(_changed(lambda x, digits=digits: round(x, digits)) for digits in (1, 2, 3, 4)),
      *(_changed(_as_type(dtype)) for dtype in (torch.half, torch.bfloat16)))),
    ("single_precision",
     "You read the numbers in single precision, and compare them with a threshold in double. There 0.7 comes out below "
     "0.7: compare the numbers as they come.", (_changed(_as_type(torch.float)),)),
    ("margin",
     "You add a small number before you compare, or take one away. Two numbers that are both small may differ by less: "
     "compare them as they are.",
     tuple(_changed(theirs_as=lambda x, by=by: x + by) for by in (1e-6, 1e-8, 1e-9, 1e-10, -1e-8, -1e-9))),
):
    bild_policy.mistake(_id, _message, imitate=_rules)
