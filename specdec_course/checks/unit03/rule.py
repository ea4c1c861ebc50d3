"""accepted_length and verify_greedy, the rule of one round: what is right, and the mistakes that can be named.

Knows: these two exercises. Does not know: the decoding loop (loop) and its statistics (statistics), how a verdict is
reached or shown (engine).
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import ask
from ..errors import Wrong
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
verify_greedy = Exercise(
    "verify_greedy", unit="03", points=2, difficulty=2, minutes=10,
    reference="specdec_course.verification:verify_greedy",
    lent=True,
    slip="""\
def verify_greedy(draft, logits):
    choice = logits.argmax(dim=-1)
    for i in range(len(draft)):
        if draft[i] != choice[i]:
            return torch.cat([draft[:i], choice[i : i + 1]])
    return draft
""",
    hints=(
        "After the accepted tokens comes exactly one more. In which row of `logits` does the target say it?",
        "choice = argmax of every row; n = accepted_length(draft, choice). Join draft[:n] and choice[n:n+1]. Row n "
        "is the correction if something was rejected, and the bonus if nothing was: the same line for both.",
    ),
)


def _case(rng, k: int, agree: int, later_matches: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """(draft [k], choice [k+1]) that agree in exactly the first `agree` places; later matches are added on request."""
    choice = torch.randperm(60, generator=rng)[: k + 1]
    draft = choice[:k].clone()
    draft[agree:] += 60
    if later_matches:
        draft[agree + 1 :] = choice[agree + 1 : k]
    return draft, choice


def _logits(choice, rng, size: int = 120, dtype=torch.float32) -> torch.Tensor:
    """Random logits whose largest entry in each row is `choice`."""
    logits = torch.randn(len(choice), size, generator=rng, dtype=dtype)
    logits[torch.arange(len(choice)), choice] = 9.0
    return logits


def _ask_lengths(student, cases) -> None:
    ask(student, values.as_int, [((draft, choice), agree) for draft, choice, agree in cases], _judge_length)


def _judge_length(answer: int, agree: int) -> str | None:
    if answer == agree:
        return None
    much = "many" if answer > agree else "few"
    return f"Your count is too {much}: it should stop right before the first disagreement."


@accepted_length.part("some tokens agree, then none does", weight=2)
def _(student, rng):
    _ask_lengths(student, [(*_case(rng, k, n), n) for k in range(1, 6) for n in range(k)])


@accepted_length.part("matches after the first disagreement do not count", weight=2)
def _(student, rng):
    _ask_lengths(student, [(*_case(rng, k, n, True), n) for k in range(2, 7) for n in range(k - 1)])


@accepted_length.part("the whole draft agrees", weight=1)
def _(student, rng):
    _ask_lengths(student, [(*_case(rng, k, k), k) for k in range(1, 7)])


@accepted_length.part("choice may be just as long as the draft, or longer", weight=1)
def _(student, rng):
    cases = []
    for n, extra in ((2, 0), (4, 0), (1, 3), (4, 3)):
        draft, choice = _case(rng, 4, n)
        cases.append((draft, torch.cat([choice[:4], choice[4:].repeat(extra)]), n))
    _ask_lengths(student, cases)


@accepted_length.part("an empty draft", weight=1)
def _(student, rng):
    choice = torch.randint(60, (1,), generator=rng)
    _ask_lengths(student, [(choice[:0], choice, 0), (choice[:0], choice[:0], 0)])


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
        lambda draft, choice: _leading_run(draft, choice) + 1,
        lambda draft, choice: min(len(draft), _leading_run(draft, choice) + 1),
    ),
)
accepted_length.mistake(
    "misses_full_agreement",
    "When the whole draft agrees you answer 0. argmax over \"where do they differ\" gives 0 both when they differ at "
    "place 0 and when they never differ: the second case needs a look of its own.",
    imitate=_first_true,
)


def _leading_run(draft, choice) -> int:
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n


for _pattern, _text in TENSOR_HELP:
    accepted_length.help(_pattern, _text)
    verify_greedy.help(_pattern, _text)


@verify_greedy.part("row i of the logits judges draft[i]", weight=2)
def _(student, rng):
    for choice in torch.randperm(60, generator=rng)[:12].split(6):  # two first tokens: no constant is right by luck
        logits = _logits(choice, rng)
        early = student.ids(torch.cat([choice[5:] + 60, choice[:4]]), logits)
        try:
            late = student.ids(choice[1:], logits)
        except Wrong as wrong:
            raise wrong.but(otherwise="off_by_one") from None
        if (len(late) > 2) != (len(early) > 2):
            raise Wrong("A draft whose tokens are all right, but one place off, was accepted.", mistake="off_by_one")
        if len(late) > 2:
            raise Wrong("A draft that is wrong from its first token on was accepted.", mistake="accepts_all")
        _same_round(early, (choice[5:] + 60).tolist(), choice.tolist(), 0)
        with student.shown():
            _same_round(late, choice[1:].tolist(), choice.tolist(), 0)


def _same_round(out: list[int], draft: list[int], choice: list[int], n: int) -> None:
    """Raises Wrong unless `out` is the first n of draft and the target's token at place n."""
    if out == draft[:n] + choice[n : n + 1]:
        return
    if n < len(draft) and out == draft[:n]:
        raise Wrong("When a token is rejected, your round ends without the target's own.", mistake="correction_dropped")
    if n < len(draft) and out[: n + 1] == draft[: n + 1]:
        raise Wrong("A token that the target disagrees with was emitted.", mistake="rejected_emitted")
    if n == len(draft) and out == draft:
        raise Wrong("After a draft that was accepted in full, your round stops.", mistake="no_bonus")
    if len(out) == n + 1 and out[:n] == draft[:n]:
        raise Wrong("The accepted tokens are right, but the last token of the round is not the target's own at that "
                    "place. In which row of the logits does the target judge the place after n accepted tokens?")
    raise Wrong(f"With {n} of {len(draft)} drafted tokens accepted, your round emits {len(out)} tokens, and not the "
                "right ones. Expected are the accepted tokens, then one of the target's own.")


@verify_greedy.part("a rejection: the accepted tokens, then the correction", weight=2)
def _(student, rng):
    for k, n in ((3, 1), (1, 0), (4, 0), (5, 4), (6, 3)):
        draft, choice = _case(rng, k, n)
        out = student.ids(draft, _logits(choice, rng))
        with student.shown():
            _same_round(out, draft.tolist(), choice.tolist(), n)


@verify_greedy.part("full acceptance: the bonus comes last", weight=2)
def _(student, rng):
    for k in (3, 1, 6):
        draft, choice = _case(rng, k, k)
        out = student.ids(draft, _logits(choice, rng))
        with student.shown():
            _same_round(out, draft.tolist(), choice.tolist(), k)


@verify_greedy.part("matches after the first disagreement do not count", weight=2)
def _(student, rng):
    for k, n in ((4, 1), (2, 0), (6, 2), (5, 0)):
        draft, choice = _case(rng, k, n, later_matches=True)
        out = student.ids(draft, _logits(choice, rng, dtype=torch.float64))
        if len(out) > n + 1:
            raise Wrong("Your round goes on after a disagreement.", mistake="counts_all")
        with student.shown():
            _same_round(out, draft.tolist(), choice.tolist(), n)


@verify_greedy.part("an empty draft: one token of the target's own", weight=1)
def _(student, rng):
    for choice in torch.randperm(60, generator=rng)[:2].split(1):
        out = student.ids(choice[:0], _logits(choice, rng))
        if out != choice.tolist():
            raise Wrong("With an empty draft (k = 0) there is one row of logits, and the round is plain decoding: one "
                        f"token, the target's choice. Your round emits {len(out)}.")


@verify_greedy.part("on a tie the target chooses the smallest id", weight=1)
def _(student, rng):
    logits = torch.zeros(3, 20)
    logits[0, 4] = logits[1, 7] = logits[1, 11] = logits[2, 9] = logits[2, 3] = 2.0
    for draft in (torch.tensor([4, 11]), torch.tensor([4, 7])):
        out = student.ids(draft, logits)
        if out != ([4, 7] if draft[1] == 11 else [4, 7, 3]):
            raise Wrong("Two tokens have the same largest logit. The target's choice is then the smaller id, as "
                        "argmax gives it, and a draft that proposes the other one is rejected.")


@verify_greedy.part("random drafts over a small vocabulary", weight=1)
def _(student, rng):
    for k in (1, 2, 3, 4, 5, 6, 7, 8):
        draft, choice = torch.randint(2, (k,), generator=rng), torch.randint(2, (k + 1,), generator=rng)
        for given in (draft, choice[:k].clone()):  # kept in full too, so that luck decides no point
            n = _leading_run(given, choice)
            out = student.ids(given, _logits(choice, rng, size=5))
            with student.shown():
                _same_round(out, given.tolist(), choice.tolist(), n)


verify_greedy.mistake(
    "off_by_one",
    "Your rows are off by one. Row i of `logits` is the target's opinion of the place where draft[i] stands: row 0 "
    "judges draft[0], row 1 judges draft[1], and the last row speaks about the place after the draft.",
)
verify_greedy.mistake(
    "accepts_all",
    "You emit the whole draft, or all of the target's choices, whatever they say. Every choice after the first "
    "disagreement was made for a text that holds the rejected token: it is worth nothing. Stop at the first one.",
)
verify_greedy.mistake(
    "counts_all",
    "You count every match. Only the leading run counts: what matches after the first disagreement continues a text "
    "that will not be written.",
)
verify_greedy.mistake(
    "no_bonus",
    "You throw the bonus away. When the whole draft is accepted, the last row of `logits` is the target's choice for "
    "the place after it: paid for and right. With a perfect drafter a round is then k+1 tokens long, not k.",
)
verify_greedy.mistake(
    "correction_dropped",
    "You drop the correction. Where the draft is rejected, the same row of `logits` says what the target wants there. "
    "Without it, a round whose first guess is wrong adds nothing, and the loop around it never ends.",
)
verify_greedy.mistake(
    "rejected_emitted",
    "You emit the token that was rejected. The target disagrees with it, so it must not reach the text: the target's "
    "own choice stands in its place.",
)
