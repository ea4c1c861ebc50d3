"""accepted_length: what is right, and the mistakes that can be named; and cases that the rule of a round is asked, too.

Knows: this exercise. Does not know: the rule (rule), how a verdict is reached or shown (engine).
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import ask, mixed, whole
from ..exercise import Exercise
from ..stages.loop_words import TENSOR_HELP

accepted_length = Exercise(
    "accepted_length", unit="03", points=1, difficulty=1, minutes=5,
    reference="specdec_course.verification:accepted_length",
    lent=True,
    hints=(
        "Suppose the first guess is wrong and the second one happens to match. Is the second one worth anything?",
        "Compare `draft` with as much of `choice` as there is draft. Then count from the left and stop at the first "
        "disagreement: a loop with `break`, or `cumprod` on the comparison (as integers), summed.",
    ),
)


REAL = 151_936  # ids of a real model: more than 16 bits hold, and than most lists of round numbers
STEPS = (1, 65_536, 50_000, 32_768, 100_000)  # a wrong guess this far from the target's token: cut ids may look equal


def real_ids(rng, n: int) -> torch.Tensor:
    """n different ids, from the whole of a real vocabulary."""
    while len(ids := torch.randint(REAL, (n,), generator=rng).unique()) < n:
        pass
    return ids[torch.randperm(n, generator=rng)]


def case(rng, k: int, agree: int, later_matches=False, ids=real_ids, steps=STEPS) -> tuple[torch.Tensor, torch.Tensor]:
    """(draft [k], choice [k+1]) that agree in exactly the first `agree` places, and differ by `steps` from there on;
    later matches are added on request."""
    choice = ids(rng, k + 1)
    draft = choice[:k].clone()
    step = torch.tensor(steps * k, dtype=torch.long)[: k - agree]
    up = draft[agree:] + step
    draft[agree:] = torch.where(up < REAL, up, draft[agree:] - step) % REAL
    if later_matches:
        draft[agree + 1 :] = choice[agree + 1 : k]
    return draft, choice


def _from(i: int) -> tuple[int, ...]:
    """The steps, in turn: each comes first in some case."""
    return STEPS[i % len(STEPS) :] + STEPS[: i % len(STEPS)]


def _ask_lengths(student, rng, cases) -> None:
    """Asks the cases in a drawn order, with some others among them: no answer is right because of where it comes."""
    drawn = [(k, whole(1, k - 1, rng)) for k in (whole(2, 9, rng) for _ in range(whole(2, 6, rng)))]
    cases = [*cases, *((*case(rng, k, n, steps=(1,)), n) for k, n in drawn)]
    ask(student, values.as_int, [((draft, choice), agree) for draft, choice, agree in cases], _judge_length, rng)


def _judge_length(answer: int, agree: int) -> str | None:
    if answer == agree:
        return None
    much = "many" if answer > agree else "few"
    return f"Your count is too {much}: it should stop right before the first disagreement."


@accepted_length.part("stops right before the first disagreement", weight=2, rests_on=(
    "How many drafted tokens the target agrees with before it first disagrees", "draft: LongTensor [k]"))
def _(student, rng):
    pairs = [(k, n) for k in range(1, 6) for n in range(k)]
    _ask_lengths(student, rng, [(*case(rng, k, n, steps=_from(i)), n) for i, (k, n) in enumerate(pairs)])


@accepted_length.part("does not count matches after the first disagreement", weight=2,
                      rests_on="Matches after the first mismatch do not count")
def _(student, rng):
    pairs = [(k, n) for k in range(2, 7) for n in range(k - 1)]
    _ask_lengths(student, rng, [(*case(rng, k, n, True, steps=_from(i)), n) for i, (k, n) in enumerate(pairs)])


@accepted_length.part("counts a draft in full that agrees in full", weight=1,
                      rests_on="int in 0..k: the length of the leading run of agreement")
def _(student, rng):
    _ask_lengths(student, rng, [(*case(rng, k, k), k) for k in range(1, 7)])


@accepted_length.part("takes a choice that is just as long as the draft, or longer", weight=1,
                      rests_on="choice: LongTensor [>= k]")
def _(student, rng):
    cases = []
    for n, extra in ((2, 0), (4, 0), (1, 3), (4, 3)):
        draft, choice = case(rng, 4, n, steps=_from(1))
        cases.append((draft, torch.cat([choice[:4], choice[4:].repeat(extra)]), n))
    for k in (1, 3):  # what stands behind the draft in `choice` is the draft once more, or its last token
        draft, _ = case(rng, k, k)
        cases += [(draft, draft.repeat(3), k), (draft, torch.cat([draft, draft[-1:].repeat(3)]), k)]
    _ask_lengths(student, rng, cases)


@accepted_length.part("answers 0 for an empty draft", weight=1, rests_on="the drafted tokens; k may be 0")
def _(student, rng):
    nothing = real_ids(rng, 1)[:0]  # alone: what is wrong with a draft of some length is no fault of this one
    cases = [((nothing, real_ids(rng, length)), 0) for length in mixed(range(whole(3, 5, rng)), rng)]
    ask(student, values.as_int, cases, _judge_length)


def _counts_all(draft, choice):
    return int((draft == choice[: len(draft)]).sum())


def _first_true(draft, choice):
    return int((draft != choice[: len(draft)]).long().argmax()) if len(draft) else 0


accepted_length.mistake(
    "counts_all",
    "You count every match. Only the leading run counts: once the target disagrees, the rest of the draft continues "
    "a text that will not be written, so what matches there matches by accident.",
    imitate=_counts_all,
)
accepted_length.mistake(
    "one_too_many",
    "Your count is one higher than the number of tokens that agree. The target's own token (the correction or the "
    "bonus) is not part of the draft: do not count it here.",
    imitate=(
        lambda draft, choice: leading_run(draft, choice) + 1,
        lambda draft, choice: min(len(draft), leading_run(draft, choice) + 1),
    ),
)
accepted_length.mistake(
    "starts_again",
    "You count the matches behind the last disagreement, as when a count goes back to 0 there and starts again. It has "
    "to *stop* at the first disagreement: what comes behind does not matter any more.",
    imitate=lambda draft, choice: leading_run(draft.flip(0), choice[: len(draft)].flip(0)),
)
accepted_length.mistake(
    "misses_full_agreement",
    "When the whole draft agrees you answer 0. argmax over \"where do they differ\" gives 0 both when they differ at "
    "place 0 and when they never differ: the second case needs a look of its own.",
    imitate=_first_true,
)


for _id, _message, _rule in (
    ("all_or_nothing",
     "You answer 0 as soon as anything in the draft differs. What stands in front of the first disagreement was right "
     "and stays: count it.",
     lambda draft, choice: len(draft) if torch.equal(draft, choice[: len(draft)]) else 0),
    ("counts_differences",
     "You count the places where draft and choice differ. Asked for are those where they agree, up to the first that "
     "differs.",
     lambda draft, choice: int((draft != choice[: len(draft)]).sum())),
    ("last_match",
     "You answer where the last match stands. Matches behind the first disagreement are worth nothing: answer where "
     "that one stands.",
     lambda draft, choice: max([0, *((draft == choice[: len(draft)]).nonzero().flatten() + 1).tolist()])),
    ("next_place",
     "You compare every drafted token with the target's choice for the place after it. choice[i] is what the target "
     "wants at the place of draft[i].",
     lambda draft, choice: leading_run(draft[: len(choice) - 1], choice[1:])),
    ("never_the_last",
     "You never look at the last token of the draft. When all before it agree, it is asked like the others.",
     lambda draft, choice: leading_run(draft[:-1], choice)),
):
    accepted_length.mistake(_id, _message, _rule)


def leading_run(draft, choice) -> int:
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n


for _pattern, _text in TENSOR_HELP:
    accepted_length.help(_pattern, _text)
