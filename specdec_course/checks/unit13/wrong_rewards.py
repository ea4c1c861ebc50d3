"""Wrong rules for `length_reward` and `shortest_correct`: tables (id, what the student reads, the rules that behave
so).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

from .rewards import length_reward
from .shortest import shortest_correct

KINDS = ("lcpo_max", "kimi", "dast")


def _lcpo(n, good, budget, alpha, delta):
    return min(1.0, max(0.0, alpha * (budget - n) + delta)) if good else 0.0


def _kimi(n, good, low, high):
    one = 0.5 - (n - low) / (high - low) if high > low else 0.0
    return one if good else min(0.0, one)


def _dast(n, good, budget):
    over = (n - budget) / budget
    return max(-0.5 * over + 0.5, 0.1) if good else min(0.9 * over - 0.1, -0.1)


def rewarded(lcpo=_lcpo, kimi=_kimi, dast=_dast, ends=lambda lengths, correct: (min(lengths), max(lengths)),
             known=KINDS):
    """length_reward with one thing changed."""

    def rule(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
        if known and kind not in known:
            raise ValueError(kind)
        if not lengths:
            return []
        low, high = ends(lengths, correct)
        each = {"lcpo_max": lambda n, good: lcpo(n, good, budget, alpha, delta),
                "kimi": lambda n, good: kimi(n, good, low, high)}.get(kind, lambda n, good: dast(n, good, budget))
        return [float(each(n, good)) for n, good in zip(lengths, correct, strict=True)]

    return rule


def _of_right(lengths, correct):
    own = [n for n, good in zip(lengths, correct, strict=True) if good] or lengths
    return min(own), max(own)


def _raw_kimi(n, low, high):
    return 0.5 - (n - low) / (high - low) if high > low else 0.0


for _id, _message, _rules in (
    ("short_and_wrong",
     "Your rewards do not ask whether an answer is right: a short wrong one gets as much as a short right "
     "one. A model learns from that to answer fast, and wrongly.",
     (rewarded(lambda n, good, *more: _lcpo(n, True, *more), lambda n, good, low, high: _raw_kimi(n, low, high),
               lambda n, good, budget: _dast(n, True, budget)),)),
    ("lcpo_no_gate", '"lcpo_max" gives a wrong answer something with you. It gets 0, however short it is.',
     (rewarded(lambda n, good, *more: _lcpo(n, True, *more)),)),
    ("kimi_no_gate", '"kimi" gives a short wrong answer more than 0 with you. It gets l only where that is below 0.',
     (rewarded(kimi=lambda n, good, low, high: _raw_kimi(n, low, high)),)),
    ("kimi_wrong_is_zero", '"kimi" gives all wrong answers 0 with you. A long wrong one gets l, which is below 0.',
     (rewarded(kimi=lambda n, good, low, high: _raw_kimi(n, low, high) if good else 0.0),)),
    ("kimi_gate_max", '"kimi": you take the larger of 0 and l for a wrong answer. It is the smaller.',
     (rewarded(kimi=lambda n, good, low, high: (_raw_kimi(n, low, high) if good else max(0.0, _raw_kimi(n, low,
                                                                                                        high)))),)),
    ("kimi_right_only", '"kimi": your shortest and longest are those of the right answers. They are those of all.',
     (rewarded(ends=_of_right),)),
    ("kimi_rising",
     '"kimi": your l rises with the length. It falls, from 0.5 for the shortest to -0.5 for the longest.',
     (rewarded(kimi=lambda n, good, low, high: _kimi(low + high - n, good, low, high)),)),
    ("kimi_not_centred", '"kimi": your l goes from 1 to 0. It goes from 0.5 to -0.5.',
     (rewarded(kimi=lambda n, good, low, high: _raw_kimi(n, low, high) + 0.5 if good else
               min(0.0, _raw_kimi(n, low, high) + 0.5)),)),
    ("kimi_equal_lengths", '"kimi": where all answers are equally long, all get 0.',
     (rewarded(kimi=lambda n, good, low, high: (0.5 * good if high == low else _kimi(n, good, low, high))),)),
    ("lcpo_not_cut", '"lcpo_max": you do not cut the reward to 0 and 1.',
     (rewarded(lambda n, good, budget, alpha, delta: alpha * (budget - n) + delta if good else 0.0),
      rewarded(lambda n, good, budget, alpha, delta: max(0.0, alpha * (budget - n) + delta) if good else 0.0),
      rewarded(lambda n, good, budget, alpha, delta: min(1.0, alpha * (budget - n) + delta) if good else 0.0))),
    ("lcpo_rising", '"lcpo_max": your reward rises with the length.',
     (rewarded(lambda n, good, budget, alpha, delta: _lcpo(2 * budget - n, good, budget, alpha, delta)),)),
    ("lcpo_exact", '"lcpo_max": you take the distance from the budget. An answer below it is not punished: that is '
     '"exact".', (rewarded(lambda n, good, budget, alpha, delta: (
         min(1.0, max(0.0, delta - alpha * abs(budget - n))) if good else 0.0)),
      rewarded(lambda n, good, budget, alpha, delta: good - alpha * abs(budget - n)))),
    ("lcpo_no_delta", '"lcpo_max": delta is missing, or taken away.',
     (rewarded(lambda n, good, budget, alpha, delta: _lcpo(n, good, budget, alpha, 0.0)),
      rewarded(lambda n, good, budget, alpha, delta: _lcpo(n, good, budget, alpha, -delta)))),
    ("lcpo_own_numbers", '"lcpo_max": you do not use the alpha or the delta that you are given.',
     (rewarded(lambda n, good, budget, alpha, delta: _lcpo(n, good, budget, 0.0003, delta)),
      rewarded(lambda n, good, budget, alpha, delta: _lcpo(n, good, budget, alpha, 0.5)),
      rewarded(lambda n, good, budget, alpha, delta: _lcpo(n, good, budget, 0.0003, 0.5)))),
    ("dast_no_gate", '"dast" gives a wrong answer what a right one would get, with you.',
     (rewarded(dast=lambda n, good, budget: _dast(n, True, budget)),)),
    ("dast_wrong_falls",
     '"dast": your rewards of wrong answers fall with the length. They rise: a wrong answer should have '
     "thought longer.", (rewarded(dast=lambda n, good, budget: _dast(n if good else 2 * budget - n, good, budget)),)),
    ("dast_no_bounds", '"dast": your rewards have no bounds. Right answers get at least 0.1, wrong ones at most -0.1.',
     (rewarded(dast=lambda n, good, budget: (-0.5 * (n - budget) / budget + 0.5 if good
                                            else 0.9 * (n - budget) / budget - 0.1)),
      rewarded(dast=lambda n, good, budget: (-0.5 * (n - budget) / budget + 0.5 if good else _dast(n, good, budget))),
      rewarded(dast=lambda n, good, budget: (_dast(n, good, budget) if good else 0.9 * (n - budget) / budget - 0.1)))),
    ("dast_bounds_swapped", '"dast": you have min and max the wrong way round.',
     (rewarded(dast=lambda n, good, budget: (min(-0.5 * (n - budget) / budget + 0.5, 0.1) if good
                                            else max(0.9 * (n - budget) / budget - 0.1, -0.1))),)),
    ("dast_not_relative", '"dast": l is the distance from the budget divided by the budget.',
     (rewarded(dast=lambda n, good, budget: _dast(budget + (n - budget) * budget, good, budget)),
      rewarded(dast=lambda n, good, budget: _dast(budget + (n - budget) * budget / max(n, 1), good, budget)))),
    ("wrong_get_nothing", "Your wrong answers get 0 from all three rewards.",
     (rewarded(kimi=lambda n, good, low, high: _raw_kimi(n, low, high) if good else 0.0,
               dast=lambda n, good, budget: _dast(n, good, budget) if good else 0.0),)),
    ("any_kind", "Another kind has to raise ValueError.", (rewarded(known=None),)),
):
    length_reward.mistake(_id, _message, imitate=_rules)


# ----------------------------------------------------------------------------------------------- shortest_correct


def chosen(may=lambda ok: ok, better=lambda new, old: len(new) < len(old), order=lambda pairs, first: pairs,
           blank=False,
           keys=None):  # fmt: skip
    """shortest_correct with one thing changed."""

    def rule(samples):
        best, seen = {}, []
        for problem, chain, ok in samples:
            seen.append(problem)
            if may(ok) and (problem not in best or better(chain, best[problem])):
                best[problem] = chain
        first = list(dict.fromkeys(seen))
        pairs = [(one, best.get(one, [])) for one in first if one in best or blank]
        return order(pairs, [one for one, _, ok in samples if may(ok)])

    return rule


def _shortest_then_gate(samples):
    best = {}
    for problem, chain, ok in samples:
        if problem not in best or len(chain) < len(best[problem][0]):
            best[problem] = chain, ok
    return [(problem, chain) for problem, (chain, ok) in best.items() if ok]


def _by_first_right(pairs, right):
    places = list(dict.fromkeys(right))
    return sorted(pairs, key=lambda pair: places.index(pair[0]))


def _neighbours_only(samples):
    found, best = [], None
    for i, (problem, chain, ok) in enumerate(samples):
        if ok and (best is None or len(chain) < len(best)):
            best = chain
        if i + 1 == len(samples) or samples[i + 1][0] != problem:
            found, best = found + ([(problem, best)] if best is not None else []), None
    return found


for _id, _message, _rules in (
    ("short_and_wrong",
     "You take the shortest chain, right or wrong. A model that learns from it learns to be wrong fast.",
     (chosen(may=lambda ok: True),)),
    ("gate_afterwards",
     "You look for the shortest chain first and then whether it is right: a problem whose shortest chain is "
     "wrong is lost. Look among the right ones.", (_shortest_then_gate,)),
    ("longest", "You take the longest right chain.", (chosen(better=lambda new, old: len(new) > len(old)),)),
    ("first_right", "You take the first right chain, not the shortest.", (chosen(better=lambda new, old: False),)),
    ("last_right", "You take the last right chain, not the shortest.", (chosen(better=lambda new, old: True),)),
    ("last_of_equals", "Of equally short chains you take the last. It is the first.",
     (chosen(better=lambda new, old: len(new) <= len(old)),)),
    ("smallest_ids", "You compare the chains' ids, or their sums, and not how many they are.",
     (chosen(better=lambda new, old: list(new) < list(old)), chosen(better=lambda new, old: sum(new) < sum(old)))),
    ("wrong_ones", "You choose among the wrong chains.", (chosen(may=lambda ok: not ok),)),
    ("all_right", "You give all right chains. Of every problem it is one.",
     (lambda samples: [(problem, chain) for problem, chain, ok in samples if ok],)),
    ("empty_for_none", "A problem without a right chain stands in your answer. It is left out.", (chosen(blank=True),)),
    ("order_of_right",
     "Your pairs stand in the order of their right chains. It is the order in which the problems first come "
     "up.", (chosen(order=_by_first_right),)),
    ("sorted", "Your pairs are sorted. They stand in the order in which the problems first come up.",
     (chosen(order=lambda pairs, _: sorted(pairs)), chosen(order=lambda pairs, _: sorted(pairs,
                                                                                         key=lambda p: len(p[1]))))),
    ("neighbours_only", "You see only chains of a problem that stand together.", (_neighbours_only,)),
    ("one_for_all", "You give one chain for all problems together.",
     (lambda samples: (lambda found: [min(found, key=lambda pair: len(pair[1]))] if found else [])(chosen()(samples)),
      )),
):
    shortest_correct.mistake(_id, _message, imitate=_rules)
