"""Unit 07: the two rules of a Big Little Decoder.

Knows: what is right and commonly wrong in them. Does not know: the loop around them (`decoding.bild`), or how
much the text loses.
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import reading
from .confidence import LITTLE, lower_in_single, sure, thresholds, unsure

bild_policy = Exercise(
    "bild_policy", unit="07", points=2, difficulty=2, minutes=15,
    reference="specdec_course.decoding.adaptive:bild_policy",
    hints=(
        "Two questions, two lists. Which single number decides whether the small model asks for help? And if the third "
        "of six tokens has to go, what do the fourth, fifth and sixth continue?",
        "hand_over: there is a confidence, and the last one is < fallback. If not, return False, []. Otherwise look in "
        "target_probability for the first index i whose value is < rollback; return True and list(range(i, n)), or "
        "True, [] if there is none.",
    ),
)


def decision(student, confidence, probability, fallback, rollback) -> tuple[bool, list[int]]:
    """(hand_over, positions_to_redo) of the student, whatever kind of bool and list they are."""
    answer = student(confidence, probability, fallback, rollback)
    with reading("a pair (hand_over, positions_to_redo)"):
        if len(answer) != 2:
            raise Wrong(f"Expected a pair (hand_over, positions_to_redo), yours is {values.describe(answer)}.")
        over, redo = answer
    number = values.as_float(over)
    if number not in (0.0, 1.0):
        raise Wrong(f"hand_over should be True or False; yours is {over!r}.")
    if isinstance(redo, (int, float)) or getattr(redo, "ndim", 1) == 0:
        raise Wrong("positions_to_redo should be a list of places, also when it is one place or none.")
    return number == 1.0, values.as_ids(redo)


def expect_decisions(student, rng, cases, message: str) -> None:
    """Cases (arguments, hand_over, positions); all are asked before the verdict, as lists and as tensors, in an order
    that is drawn."""
    answers = {}
    for number in mixed(range(len(cases)), rng):
        confidence, probability, fallback, rollback = cases[number][0]
        if number % 2:
            confidence = torch.tensor(confidence, dtype=torch.float64)
            probability = torch.tensor(probability, dtype=torch.float64)
        answers[number] = decision(student, confidence, probability, fallback, rollback), student.last
    for number, (_, over, redo) in enumerate(cases):
        (mine, places), call = answers[number]
        if mine != over:
            done = "hand over" if mine else "do not hand over"
            raise Wrong(f"{message} You {done} where the contract says otherwise.", call=call)
        if places != redo:
            what = f"Places that you redo: {len(places)}; that have to be redone: {len(redo)}."
            if len(places) == len(redo):
                what = "As many places are redone as should be, but not the right ones, or not in ascending order."
            raise Wrong(f"{message} {what}", call=call)


def _newest_unsure(rng, n: int, threshold: float) -> list[float]:
    """n confidences, of which only the newest is below the threshold."""
    return sure(rng, n - 1, threshold) + unsure(rng, 1, threshold)


@bild_policy.part("the newest token decides about the hand-over", weight=2, rests_on=(
    "fallback: the newest confidence below it hands over"))
def _(student, rng):
    cases = []
    for t in thresholds(rng):
        more = whole(2, 6, rng)
        cases += [((_newest_unsure(rng, n + 1, t), sure(rng, n + 1, t), t, t), True, []) for n in (0, 1, 4, more)]
        cases += [((unsure(rng, n, t) + sure(rng, 1, t), [], t, t), False, []) for n in (0, 1, 3, more)]
        cases += [((unsure(rng, n, t), sure(rng, n, t), t, t), True, []) for n in (3, more)]
        cases += [((sure(rng, 3, t), [], t, t), False, [])] * whole(1, 3, rng)
    expect_decisions(student, rng, cases, "No token has to be redone here.")


@bild_policy.part("from the first improbable token on, everything is redone", weight=3, rests_on=(
    "the first place where the large model's probability is below `rollback`, and all places behind it"))
def _(student, rng):
    low, _, high = sorted(thresholds(rng))
    shapes = [(2, 3), (0, 2), (3, 0), (1, 1), (0, 0), (whole(4, 7, rng), whole(9, 40, rng)),
              (whole(12, 40, rng), whole(2, 5, rng))]
    shapes += [(whole(0, 6, rng), whole(0, 6, rng)) for _ in range(whole(1, 4, rng))]
    cases = []
    for before, behind in shapes:
        n = before + 1 + behind
        chance = sure(rng, before, low) + unsure(rng, 1, low) + sure(rng, behind, low)
        cases.append(((_newest_unsure(rng, n, high), chance, high, low), True, list(range(before, n))))
    for first in (1, whole(2, 5, rng)):
        improbable, least = sorted(unsure(rng, 2, low), reverse=True)
        chance = [*sure(rng, first, low), improbable, *sure(rng, 1, low), least, *sure(rng, 2, low)]
        n = len(chance)
        cases.append(((_newest_unsure(rng, n, high), chance, high, low), True, list(range(first, n))))
    expect_decisions(student, rng, cases, "The large model finds a token improbable.")


@bild_policy.part("exactly on fallback, exactly on rollback", weight=1, rests_on=(
    "exactly on it does not",
    "one exactly on it stays"))
def _(student, rng):
    cases = []
    for t in thresholds(rng):
        cases += [(([*sure(rng, whole(0, 2, rng), t), t], [], t, 0.25), False, []),
                  ((unsure(rng, 3, 0.5), [t, 0.9375, t], 0.5, t), True, [])]
    little, n = 2.0 ** -whole(38, 44, rng), whole(2, 5, rng)  # as small as what a model gives a rare token
    cases += [((unsure(rng, n, 0.5), [little] * (n - 1) + [little / 2], 0.5, little), True, [n - 1]),
              ((unsure(rng, n, 0.5), [little] * n, 0.5, little), True, [])]
    for t in thresholds(rng):  # nothing is rounded: a little below is below
        cases += [((sure(rng, n, t) + [t - LITTLE], [], t, 0.25), True, []),
                  ((unsure(rng, 2, 0.5), [t, t - LITTLE], 0.5, t), True, [1])]
    t = lower_in_single(rng)
    cases += [(([*sure(rng, n, t), t], [], t, 0.25), False, []), ((unsure(rng, 2, t), [t, t], t, t), True, [])]
    expect_decisions(student, rng, cases, "A confidence exactly on fallback does not hand over, a probability exactly "
                     "on rollback stays.")


@bild_policy.part("no hand-over: nothing is redone", weight=1, rests_on="without a hand-over always")
def _(student, rng):
    cases = [((sure(rng, n, 0.5), unsure(rng, n, 0.5), 0.5, 0.5), False, []) for n in (3, whole(1, 7, rng))]
    cases += [(([], [], 0.5, 0.5), False, []), (([], [], 1.5, 1.5), False, [])]
    cases += [((unsure(rng, n, 0.5), sure(rng, n, 0.5), 0.5, 0.5), True, []) for n in (1, 2, 3)[: whole(2, 3, rng)]]
    expect_decisions(student, rng, cases, "Nothing is redone without a hand-over, and where nothing is written there "
                     "is nothing to hand over.")


@bild_policy.part("a hand-over before the large model has read: nothing to redo yet", weight=1, rests_on=(
    "Empty as long as the large model has not read them: then there is nothing to redo yet."))
def _(student, rng):
    cases = [((_newest_unsure(rng, n + 1, 0.5), [], 0.5, 0.5), True, []) for n in (0, 2, 3, whole(1, 7, rng))]
    cases += [((sure(rng, n, 0.5), [], 0.5, 0.5), False, []) for n in (1, 2, 3)[: whole(2, 3, rng)]]
    expect_decisions(student, rng, cases, "target_probability is empty.")


@bild_policy.part("the limits: always, never", weight=1, rests_on=(
    "the newest confidence below it hands over",
    "a token whose probability is below it is redone"))
def _(student, rng):
    n = whole(2, 7, rng)
    cases = [((sure(rng, n, 0.5), sure(rng, n, 0.5), 1.5, 1.5), True, list(range(n))),
             ((sure(rng, n, 0.5), unsure(rng, n, 0.5), 1.5, 0.0), True, []),
             (([0.9, 1.0], [1.0, 1.0], 1.5, 1.5), True, [0, 1]), (([1.0], [1.0], 1.0, 1.0), False, []),
             ((unsure(rng, n, 0.5), unsure(rng, n, 0.5), 0.0, 1.5), False, [])]
    expect_decisions(student, rng, cases, "fallback and rollback are so low or so high that they decide alone, or both "
                     "are 1.")


def policy_rule(newest="last", redo="from first", fallback_on=False, rollback_on=False, guarded=True, swap=False):
    """A bild_policy that is wrong in one place; the arguments say where."""

    def rule(draft_confidence, target_probability, fallback, rollback):
        mine, theirs = [float(x) for x in draft_confidence], [float(x) for x in target_probability]
        n = len(mine)
        if n == 0:
            return False, []
        number = {"last": mine[-1], "any": min(mine), "mean": sum(mine) / n, "first": mine[0], "all": max(mine)}[newest]
        over = number <= fallback if fallback_on else number < fallback
        judged, bar = (mine, rollback) if swap == "list" else (theirs, fallback if swap else rollback)
        bad = [i for i, x in enumerate(judged) if x < bar or rollback_on and x == bar]
        if guarded and not over or not bad:
            return over, [n - 1] if over and redo == "newest too" and theirs else []
        first = bad[0]
        places = {"from first": range(first, n), "only bad": bad, "only first": [first], "behind": range(first + 1, n),
                  "from last": range(bad[-1], n), "all": range(n), "good ones": range(first),
                  "newest too": range(first, n)}[redo]
        return over, list(places)

    return rule


bild_policy.mistake("only_the_bad", (
    "You redo only the tokens that the large model finds improbable. The tokens behind the first of them were written, "
    "and judged, as the continuation of a text that is about to change: they all have to go."
), imitate=(policy_rule(redo="only bad"), policy_rule(redo="only first")))
bild_policy.mistake("one_late", (
    "You begin to redo one place too late. The improbable token itself has to go, too."
), imitate=policy_rule(redo="behind"))
bild_policy.mistake("from_last_bad", (
    "You begin at the last improbable token. The first one counts: everything behind it falls with it."
), imitate=policy_rule(redo="from last"))
def _from_the_least(mine, theirs, fallback, rollback):
    over, places = policy_rule()(mine, theirs, fallback, rollback)
    chances = [float(x) for x in theirs]
    return over, list(range(chances.index(min(chances)), len(mine))) if places else []


bild_policy.mistake("from_the_least", (
    "You begin at the least probable token. Every token below `rollback` is to be redone, so it is the first of them "
    "that counts."), imitate=_from_the_least)
bild_policy.mistake("large_model_decides", (
    "The large model's newest probability decides about your hand-over. It is the small model that asks for help: its "
    "own newest confidence counts."), imitate=lambda mine, theirs, fallback, rollback: policy_rule()(
        [*mine[:-1], theirs[-1]] if len(theirs) and len(mine) else mine, theirs, fallback, rollback))
bild_policy.mistake("redoes_all", (
    "You redo everything since the last hand-over. What stands in front of the first improbable token stays."
), imitate=policy_rule(redo="all"))
bild_policy.mistake("keeps_swapped", (
    "You return the places that stay. Asked for are those that are redone."), imitate=policy_rule(redo="good ones"))
bild_policy.mistake("as_in_the_paper", (
    "You always redo the newest token, as the paper does. Here it stays if the large model finds it probable enough: "
    "only what is below `rollback` is redone, and what stands behind it."
), imitate=policy_rule(redo="newest too"))
bild_policy.mistake("any_doubt", (
    "An older token decides about your hand-over. The small model asks at the moment it is not sure: only the newest "
    "confidence counts. (The older ones were looked at when they were new.)"
), imitate=(policy_rule("any"), policy_rule("first"), policy_rule("mean"), policy_rule("all")))
bild_policy.mistake("redo_without_reading", (
    "You redo tokens without a hand-over. The large model is only asked when the small one hands over; until then "
    "everything stays."), imitate=policy_rule(guarded=False))
bild_policy.mistake("on_the_threshold", (
    "A number exactly on its threshold counts as below it in your function. Only what is *below* hands over, or is "
    "redone."), imitate=(
    policy_rule(fallback_on=True), policy_rule(rollback_on=True), policy_rule(fallback_on=True, rollback_on=True)))
bild_policy.mistake("wrong_list", (
    "Each number belongs to its own list: fallback to the small model's newest confidence, rollback to the large "
    "model's probabilities."), imitate=(policy_rule(swap=True), policy_rule(swap="list")))
def _changed(change):
    """The right policy with its places changed: change(places, how many tokens there are) -> places."""

    def rule(draft_confidence, target_probability, fallback, rollback):
        over, places = policy_rule()(draft_confidence, target_probability, fallback, rollback)
        return over, change(places, len(draft_confidence))

    return rule


bild_policy.mistake("turned_round", (
    "You hand over when the small model *is* sure, and go on when it is not. Its newest confidence below `fallback` "
    "means that it asks for help."), imitate=(
    lambda mine, theirs, fallback, rollback: policy_rule()([-float(x) for x in mine], theirs, -fallback, rollback),
    lambda mine, theirs, fallback, rollback: policy_rule()([float(x) < fallback for x in mine], theirs, 0.5, rollback),
))
bild_policy.mistake("one_place_too_many", (
    "Your list ends one place too late, behind the newest token. Places count from 0: the last one is n - 1."
), imitate=_changed(lambda places, n: [*places, n] if places else []))
bild_policy.mistake("newest_stays", (
    "You do not redo the newest token when it alone is improbable. It is judged like the others."
), imitate=_changed(lambda places, n: places if len(places) > 1 else []))
bild_policy.mistake("first_stays", (
    "The first place is never redone. When the first token is improbable, it goes with everything behind it."
), imitate=_changed(lambda places, n: [place for place in places if place]))
bild_policy.mistake("thresholds_swapped", (
    "You use fallback where rollback belongs, and the other way round: fallback is for the small model's newest "
    "confidence, rollback for the large model's probabilities."
), imitate=lambda mine, theirs, fallback, rollback: policy_rule()(mine, theirs, rollback, fallback))
bild_policy.help(r"out of bounds|out of range|empty", "Nothing may have been written yet, and target_probability may "
                 "be empty: the large model has not read yet, so there is nothing to redo.")
bild_policy.help(r"ambiguous|only one element", "An `if` needs one yes or no: look at one probability at a time.")
bild_policy.help(r"unsupported operand|not supported between|has no attribute", "Both may come as tensors or as lists "
                 "of floats: go through them one by one.")
bild_policy.help(r"StopIteration", "next(...) without a default stops when no token is improbable.")
