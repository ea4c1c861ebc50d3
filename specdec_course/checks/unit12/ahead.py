"""Right and wrong in `overlap_timeline`: who works when, if the next block is drafted while the last one is checked.

Knows: this exercise. Does not know: batches.
"""

from __future__ import annotations

import math

import torch

from .. import values
from ..ask import ask, mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise

overlap_timeline = Exercise(
    "overlap_timeline", unit="12", points=3, difficulty=3, minutes=25,
    reference="specdec_course.decoding.serving:overlap_timeline",
    hints=(
        "Draw two lines on paper, one for the draft model and one for the target. When may the check of a block begin? "
        "There are two things that it has to wait for. And when does the draft model learn that a block was rejected?",
        "Keep two times: over, when the last check ends, and ready, when the kept draft ends. For block i: start = "
        "max(over, ready), over = start + verify_ms, and ahead the draft from start to start + draft_ms. Rejected: "
        "that one ends at min(start + draft_ms, over), and a second one goes from over to over + draft_ms.",
    ),
)
RULES = {  # what decides about an entry, in the words of the contract
    "first": "Block 0 is drafted from 0 to draft_ms.",
    "check": "The check of block {i} begins when the kept draft of block {i} and the check before it are both over, "
             "and takes verify_ms.",
    "kept": "Block {j} was accepted: block {i} was drafted ahead from the start of that check on, for draft_ms, and is "
            "kept.",
    "thrown": "Block {j} was rejected: the draft of block {i} that was made ahead began with that check, ends with it "
              "at the latest, and is thrown away.",
    "anew": "Block {j} was rejected: block {i} is drafted anew from the end of that check on, for draft_ms.",
}


def right_timeline(draft_ms, verify_ms, accepted) -> tuple[list[tuple], float, list[str]]:
    """(timeline, total, which rule decides about each entry); the check of a block is worked out from both lines."""
    entries, why, checked, drafted = [], [], 0.0, 0.0
    for i in range(len(accepted)):
        if i == 0:
            drafted = draft_ms
            entries.append(("draft", 0, 0.0, drafted, True))
            why.append("first")
        begin = drafted if drafted > checked else checked
        checked, drafted = begin + verify_ms, begin + draft_ms
        entries.append(("verify", i, begin, checked, True))
        why.append("check")
        if i + 1 < len(accepted) and accepted[i]:
            entries.append(("draft", i + 1, begin, drafted, True))
            why.append("kept")
        elif i + 1 < len(accepted):
            entries.append(("draft", i + 1, begin, drafted if drafted < checked else checked, False))
            drafted = checked + draft_ms
            entries.append(("draft", i + 1, checked, drafted, True))
            why += ["thrown", "anew"]
    return entries, float(checked), why


def read_timeline(answer) -> tuple[list[tuple], float]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong(f"Return two things, the timeline and the total; yours is {values.describe(answer)}.")
    timeline, total = answer
    return read_entries(timeline), values.as_float(total)


def read_total(answer) -> tuple[list[tuple], float]:
    """As `read_timeline`, and it does not look at the entries."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        return read_timeline(answer)
    return [], values.as_float(answer[1])


def read_entries(timeline) -> list[tuple]:
    if not isinstance(timeline, (tuple, list)):
        raise Wrong(f"The timeline is a list of (who, block, start, end, kept); yours is {values.describe(timeline)}.")
    return [read_entry(one) for one in timeline]


def read_entry(one) -> tuple:
    if not isinstance(one, (tuple, list)) or len(one) != 5:
        raise Wrong(f"An entry of the timeline is (who, block, start, end, kept); one of yours is "
                    f"{values.describe(one)}.")
    who, block, start, end, kept = one
    if who not in ("draft", "verify"):
        raise Wrong(f'who is "draft" or "verify"; one of yours is {values.describe(who)}.')
    flag = values.as_float(kept)
    if flag not in (0.0, 1.0):
        raise Wrong(f"kept is True or False; one of yours is {values.describe(kept)}.")
    return who, values.as_int(block), values.as_float(start), values.as_float(end), bool(flag)


def near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-5 * max(1.0, abs(b))


def alike(mine: tuple, due: tuple) -> bool:
    return mine[:2] == due[:2] and near(mine[2], due[2]) and near(mine[3], due[3]) and mine[4] == due[4]


def written(entry: tuple) -> str:
    who, block, start, end, kept = entry
    return f"({who}, block {block}, {start:.4g} to {end:.4g}, {'kept' if kept else 'thrown away'})"


def judge(found, wanted):
    given, only_total, ends = wanted
    entries, total, why = right_timeline(*given)
    mine, said = found
    times = f"With draft_ms = {given[0]:.4g}, verify_ms = {given[1]:.4g} and accepted = {list(given[2])}"
    if only_total:
        return None if near(said, total) else f"{times} your total is {said:.4g}; the last check ends at {total:.4g}."
    for place, (due, rule) in enumerate(zip(entries, why, strict=True)):
        if place >= len(mine):
            return f"{times} your timeline ends after {len(mine)} entries. {told(rule, due)}"
        if not alike(mine[place], due):
            return f"{times} entry {place} of your timeline is {written(mine[place])}. {told(rule, due)}"
    if len(mine) > len(entries) and ends:
        return f"{times} your timeline goes on behind the last check, with {written(mine[len(entries)])}."
    return None if near(said, total) else f"{times} your timeline is right, and your total, {said:.4g}, is not."


def told(rule: str, due: tuple) -> str:
    text = RULES[rule].format(i=due[1], j=due[1] - 1)
    return text if rule == "first" else f"Another one belongs there: {text[0].lower()}{text[1:]}"


def asked(student, cases, rng, only_total=False, ends=False) -> None:
    """ends: whether an entry behind the last check is a fault."""
    read = read_total if only_total else read_timeline
    ask(student, read, [(case, (case, only_total, ends)) for case in cases], judge, rng)


def bools(rng, count: int) -> list[bool]:
    return (torch.rand(count, generator=rng) < 0.6).tolist()


def fast_draft(rng) -> tuple[float, float]:
    """(draft_ms, verify_ms): the draft is done before the check is."""
    verify = uniform(5, 40, rng)
    return round(verify * uniform(0.2, 0.8, rng), 2), round(verify, 2)


def slow_draft(rng) -> tuple[float, float]:
    draft, verify = fast_draft(rng)[::-1]
    return draft, verify


def both(rng) -> list[bool]:
    """A number of blocks of which some are accepted and some are not, also in front of the last one."""
    while True:
        found = bools(rng, whole(3, 8, rng))
        if True in found[:-1] and False in found[:-1]:
            return found


@overlap_timeline.part("the total is when the last check is over", weight=2, rests_on=(
    "the ms when the last check is over",))
def _(student, rng):
    cases = [(*times(rng), both(rng)) for times in mixed((fast_draft, fast_draft, slow_draft, slow_draft), rng)]
    cases += [(3, 5, [True, False, True]), (*fast_draft(rng), [True] * 3), (*slow_draft(rng), [False] * 3)]
    asked(student, cases, rng, True)


@overlap_timeline.part("drafts ahead while the target checks, and keeps it where the block is accepted", weight=3,
                       rests_on=(
    "drafted ahead from the start of that check on, for draft_ms", "If accepted[i], it is kept",
    "begins when its kept draft and the check of block i are both over"))
def _(student, rng):
    cases = [(*times(rng), [True] * whole(2, 6, rng)) for times in mixed((fast_draft, slow_draft) * 2, rng)]
    same = round(uniform(4, 20, rng), 2)
    cases += [(same, same, [True] * 3), (*fast_draft(rng), [True, True, False])]
    asked(student, cases, rng)


@overlap_timeline.part("throws away what was drafted behind a rejected block, and drafts anew", weight=3, rests_on=(
    "one that is thrown away before the one that is kept", "kept is True but for a draft that is thrown away",
    "another follows from the end of the check on, for draft_ms", "accepted: a sequence of bools"))
def _(student, rng):
    cases = [(*fast_draft(rng), [False, True]), (*fast_draft(rng), [False] * whole(2, 5, rng)),
             *((*fast_draft(rng), both(rng)) for _ in range(3)), (*fast_draft(rng), tuple(both(rng)))]
    asked(student, cases, rng)


@overlap_timeline.part("stops a slow draft when its check is over", weight=1, rests_on=(
    "this draft ends with the check at the latest",))
def _(student, rng):
    cases = [(*slow_draft(rng), [False, True]), *((*slow_draft(rng), both(rng)) for _ in range(3)),
             (*fast_draft(rng), [False, False])]
    asked(student, cases, rng)


@overlap_timeline.part("ends with the last check, and is right for one block, none, and times of 0", weight=1,
                       rests_on=(
    "Block i + 1, if there is one, is drafted ahead", "0.0 without any block",
    "Spans of no length are listed as any others", "draft_ms: how long drafting a block takes, >= 0"))
def _(student, rng):
    ms = round(uniform(1, 30, rng), 2)
    cases = [(*fast_draft(rng), []), (*fast_draft(rng), [True]), (*slow_draft(rng), [False]), (0, ms, both(rng)),
             (ms, 0, both(rng)), (0, 0, [True, False]), (0.0, ms, [False])]
    asked(student, cases, rng, ends=True)


@overlap_timeline.part("refuses times and entries that are none", weight=1, rests_on=(
    "Raises ValueError for a time below 0 or not finite, and for an entry of `accepted` that is no bool",))
def _(student, rng):
    draft, verify = fast_draft(rng)
    little = round(uniform(0.01, 0.5, rng), 3)
    bad = {"a draft_ms below 0": (-little, verify, [True, True]), "a verify_ms below 0": (draft, -little, [True, True]),
           "an infinite draft_ms": (math.inf, verify, [True]), "an infinite verify_ms": (draft, math.inf, [False]),
           "a draft_ms that is NaN": (math.nan, verify, [True, False]),
           "a verify_ms that is NaN": (draft, math.nan, [True, False]),
           "None for a bool": (draft, verify, [True, None, True]), "a 2 for a bool": (draft, verify, [2, True]),
           "a text for a bool, in the last place": (draft, verify, [False, True, "yes"]),
           "a time below 0, and no block": (draft, -verify, [])}
    taken = [what for what in mixed(bad, rng) if not student.raises(ValueError, *bad[what])]
    if taken:
        nothing = {"otherwise": "refuses_nothing"} if len(taken) == len(bad) else {}
        raise Wrong(f"Given {taken[0]}, your function answers; it has to raise ValueError.", **nothing)
    student(draft, verify, [True, False])  # gets an answer: whether a right one, the other parts say


def _pair(place: int, *two):
    def pair(student, rng):
        given = [4.0, 10.0, [True, True, True]]
        return tuple(student.read(read_timeline, *given[:place], other, *given[place + 1 :]) for other in two)

    return pair


overlap_timeline.argument("draft_ms")(_pair(0, 4.0, 25.0))
overlap_timeline.argument("verify_ms")(_pair(1, 10.0, 30.0))
overlap_timeline.argument("accepted")(_pair(2, [True] * 3, [False] * 5))
