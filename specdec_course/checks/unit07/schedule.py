"""Unit 07: the schedule that lengthens the draft after success and shortens it after failure.

Knows: what is right and commonly wrong in it, alone and over many rounds. Does not know: how confidence stops a draft
(confidence), the cost of a round (stop).
"""

from __future__ import annotations

import operator

from .. import values
from ..ask import ask, unless, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..stages import toys
from .texts import drawn, expect_targets_law, one_round

heuristic_schedule = Exercise(
    "heuristic_schedule", unit="07", points=1, difficulty=1, minutes=8,
    reference="specdec_course.decoding.adaptive:heuristic_schedule",
    lent=True,
    hints=(
        "Which two of the four numbers tell you whether something was rejected? And what would a draft length of 0 "
        "mean for all the rounds that follow?",
        "If n_accepted < n_drafted something was rejected: k - 1. Otherwise k + 2 (also when both are 0). Then cut: "
        "at least 1, at most k_max, as in max(1, min(..., k_max)).",
    ),
)


def expect_next(student, rng, cases, message: str) -> None:
    """Cases (k, n_accepted, n_drafted, k_max, right answer)."""
    asked = [(tuple(given), right) for *given, right in cases]
    ask(student, values.as_int, asked, unless(operator.eq, message), rng)


@heuristic_schedule.part("everything accepted: two more", weight=2, rests_on=(
    "If everything that was drafted was accepted: k + 2."))
def _(student, rng):
    far, k, short, long = whole(60, 90, rng), whole(4, 9, rng), whole(6, 12, rng), whole(21, 40, rng)
    some = whole(2, 5, rng)
    cases = [(1, 1, 1, far, 3), (k, k, k, far, k + 2), (long, long, long, far, long + 2)]
    cases += [(short, some, some, far, short + 2), (long, 1, 1, far, long + 2)]  # fewer were drafted than k allows
    for k in (whole(2, 40, rng) for _ in range(whole(1, 4, rng))):
        some = whole(1, k, rng)
        cases.append((k, some, some, far, k + 2))
    expect_next(student, rng, cases, "When all that was drafted was accepted, the next draft is longer by two.")


@heuristic_schedule.part("something rejected: one less", weight=2, rests_on="If something was rejected: k - 1.")
def _(student, rng):
    far, k, short, long = whole(60, 90, rng), whole(5, 9, rng), whole(6, 12, rng), whole(22, 40, rng)
    many, some = whole(11, 20, rng), whole(2, 5, rng)
    cases = [(k, 0, k, far, k - 1), (k, k - 1, k, far, k - 1), (2, 1, 2, far, 1), (long, many - 1, many, far, long - 1),
             (short, some - 1, some, far, short - 1), (short, 0, 1, far, short - 1)]
    for k in (whole(2, 40, rng) for _ in range(whole(1, 4, rng))):
        some = whole(1, k, rng)
        cases.append((k, whole(0, some - 1, rng), some, far, k - 1))
    expect_next(student, rng, cases, "When a drafted token was rejected, the next draft is shorter by one.")


@heuristic_schedule.part("always in 1..k_max", weight=2, rests_on="What leaves 1..k_max is cut to it")
def _(student, rng):
    cases = [(1, 0, 1, 1, 1), (1, 1, 1, 1, 1)]
    for end in (8, *(whole(5, 16, rng) for _ in range(whole(1, 3, rng)))):
        above, near = end + whole(3, 9, rng), end - 1  # above: k_max may have been lowered since
        cases += [(1, 0, 1, end, 1), (2, 0, 2, end, 1), (end, end, end, end, end), (near, near, near, end, end),
                  (end - 2, 1, 1, end, end), (above, 3, above, end, end), (above, above, above, end, end)]
    expect_next(student, rng, cases, "The step is taken, then the result is cut to 1..k_max.")


@heuristic_schedule.part("nothing drafted counts as not rejected", weight=1, rests_on=(
    "A round that drafted nothing saw no rejection: it counts as accepted in full."))
def _(student, rng):
    end = whole(9, 20, rng)
    lengths = [1, 4, end - 1, end, *(whole(2, end, rng) for _ in range(whole(1, 4, rng)))]
    expect_next(student, rng, [(k, 0, 0, end, min(k + 2, end)) for k in lengths],
                "A round without a draft saw no rejection.")


@heuristic_schedule.part("many rounds: it recovers after a hard passage", weight=1, rests_on=(
    "a draft length of 0 could never show that drafting pays again"))
def _(student, rng):
    end = 2 * whole(3, 6, rng)  # even: from 1 in steps of two, the last one is cut
    k, seen, hard, easy = whole(3, end, rng), [], end + whole(1, 4, rng), end + whole(1, 4, rng)
    for rejected in [True] * hard + [False] * easy:
        k = student.returned_int(k, 0 if rejected else k, k, end)
        seen.append(k)
        if not 1 <= k <= end:
            raise Wrong(f"After {len(seen)} rounds the draft length is {k}; it has to stay in 1..{end}.",
                        otherwise="stuck_at_zero" if k < 1 else None)
    if seen[hard - 1] != 1 or seen[-1] != end:
        raise Wrong(f"After {hard} rounds of rejections the draft length is {seen[hard - 1]}, and after {easy} more of "
                    f"full acceptance {seen[-1]}, where k_max is {end}.")


@heuristic_schedule.part("the law of the text stays the target's", weight=1, rests_on="int in 1..k_max")
def _(student, rng):
    target, drafter = toys.toy_rows(2, rng), toys.toy_rows(2, rng)

    def three_tokens(dice):
        text, k = (), 1
        while len(text) < 3:
            text, accepted = one_round(target, drafter, text, *drawn(drafter, text, k, dice), dice)
            k = max(0, min(4, int(student.quiet(k, accepted, k, 3))))
        return text

    expect_targets_law(student, three_tokens, target, 3, "With your rule between the rounds of a toy decoding")


def schedule_rule(up=2, down=1, judged="drafted", low=1, high=True, nothing=True, base="k"):
    """A heuristic_schedule that is wrong in one place; the arguments say where."""

    def rule(k, n_accepted, n_drafted, k_max):
        good = {"drafted": n_accepted >= n_drafted, "k": n_accepted == k, "any": n_accepted > 0}[judged]
        good = good and (nothing or n_drafted > 0)
        start = {"k": k, "drafted": n_drafted, "accepted": n_accepted, "cut first": min(k, k_max)}[base]
        wanted = start + up if good else start - down
        return max(low, min(wanted, k_max) if high else wanted)

    return rule


def _steps(up, down):
    """Steps that depend on k and on what was drafted and accepted, and are cut as they should be."""
    return lambda k, n, d, k_max: max(1, min(down(k, n, d) if n < d else up(k, n, d), k_max))


_usual_step = _steps(lambda k, n, d: k + 2, lambda k, n, d: k - 1)
for _id, _message, _rules in (
    ("doubles", "You multiply and divide. The steps are two more and one less, whatever k is.",
     (_steps(lambda k, n, d: 2 * k, lambda k, n, d: k // 2), _steps(lambda k, n, d: 2 * k, lambda k, n, d: k - 1))),
    ("starts_again", "After a rejection you start again at 1. One rejected token says little: k - 1.",
     (_steps(lambda k, n, d: k + 2, lambda k, n, d: 1),)),
    ("cut_first", "You cut k and then take the step, which leads out of 1..k_max again. First the step, then the cut.",
     (lambda k, n, d, k_max: max(1, min(k, k_max)) + (-1 if n < d else 2),)),
    ("cut_before", "You cut k to k_max before the step as well. The step is taken from k as it is, and that may be "
     "larger than k_max: from 11 with k_max = 8 a rejection leads to 10, which is cut to 8, not to 7.",
     (lambda k, n, d, k_max: _usual_step(min(k, k_max), n, d, k_max),)),
    ("uncut_on_the_way_down", "After a rejection nothing is cut to k_max in your function. k may be larger than k_max, "
     "and k - 1 then too: the result is in 1..k_max always.",
     (lambda k, n, d, k_max: max(1, k - 1) if n < d else max(1, min(k + 2, k_max)),)),
    ("end_left_out", "Your draft never reaches k_max. The ends of 1..k_max belong to it.",
     (lambda k, n, d, k_max: max(1, min(k - 1 if n < d else k + 2, k_max - 1)),)),
    ("partly_stays", "Where only a part was accepted, k stays as it is. Something was rejected then: k - 1.",
     (_steps(lambda k, n, d: k + 2, lambda k, n, d: k - 1 if n == 0 else k),)),
    ("two_at_least", "Your draft is never shorter than 2. The ends of 1..k_max belong to it: 1 is allowed.",
     (lambda k, n, d, k_max: max(2, min(k - 1 if n < d else k + 2, k_max)),)),
):
    heuristic_schedule.mistake(_id, _message, imitate=_rules)
heuristic_schedule.mistake("stuck_at_zero", (
    "Your draft length falls to 0. Then nothing is drafted, nothing can be accepted, and nobody ever finds out that "
    "the text has become easy again. Keep it at 1 at least."),
    imitate=(schedule_rule(low=0), schedule_rule(low=-99)))
heuristic_schedule.mistake("unbounded", (
    "Your draft length grows beyond k_max. In a long easy passage it would grow without end, and one rejection would "
    "then throw a very long draft away."), imitate=(schedule_rule(high=False), schedule_rule(low=0, high=False)))
heuristic_schedule.mistake("step_left_out", (
    "Where the whole step does not fit, you take none. Near k_max the draft still grows, as far as it may: k_max."
), imitate=(lambda k, n, d, k_max: max(1, min(k_max, k - 1 if n < d else k + 2 if k + 2 <= k_max else k)),
            lambda k, n, d, k_max: wanted if 1 <= (wanted := k - 1 if n < d else k + 2) <= k_max else k))
heuristic_schedule.mistake("nothing_is_failure", (
    "A round that drafted nothing counts as a failure in your function. Nothing was rejected in it: k + 2. (If an "
    "empty draft shortened the next one, one silent round would make the next quieter still.)"
), imitate=schedule_rule(nothing=False))
heuristic_schedule.mistake("judged_by_k", (
    "You compare the accepted tokens with k. A draft may be shorter than k (the budget ends, the drafter was not sure, "
    "a table had no entry): if all that was *drafted* was accepted, nothing was rejected. Compare with n_drafted."
), imitate=schedule_rule(judged="k"))
heuristic_schedule.mistake("any_acceptance", (
    "You lengthen the draft as soon as any token was accepted. One rejected token means that the draft was too long: "
    "only when all of them were accepted is there reason to try more."), imitate=schedule_rule(judged="any"))
heuristic_schedule.mistake("from_drafted", (
    "You start from the number of tokens that were drafted, or accepted. The steps are taken from k, the draft length "
    "that was in force: a draft that was cut short for another reason says nothing about k."
), imitate=(schedule_rule(base="drafted"), schedule_rule(base="accepted")))
heuristic_schedule.mistake("up_from_drafted", (
    "After a round without a rejection you add two to the number of tokens that were drafted. The step is taken from "
    "k, the draft length that was in force: a draft may be shorter for another reason."
), imitate=_steps(lambda k, n, d: d + 2, lambda k, n, d: k - 1))
heuristic_schedule.mistake("wrong_steps", (
    "The steps are two up and one down. Up is the larger one: after an easy passage has begun, every round that drafts "
    "too little loses tokens that would have been free."
), imitate=(schedule_rule(up=1, down=2), schedule_rule(up=1), schedule_rule(down=2), schedule_rule(up=-1, down=-2)))
heuristic_schedule.help(r"ZeroDivisionError", "n_drafted may be 0. No need to divide: compare the two numbers.")
