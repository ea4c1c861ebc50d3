"""verify_greedy, the rule of one round: what is right, and the mistakes that can be named.

Knows: this exercise. Does not know: the length of a run (length), the decoding loop (loop) and its statistics
(statistics), how a verdict is reached or shown (engine).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..ask import mixed
from ..errors import Wrong
from ..exercise import Exercise
from ..stages.loop_words import TENSOR_HELP
from .length import REAL, STEPS, case, leading_run, real_ids

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
for _pattern, _text in TENSOR_HELP:
    verify_greedy.help(_pattern, _text)


def _logits(choice, rng, size: int = REAL, dtype=torch.float32) -> torch.Tensor:
    """Logits as models give them: far below zero, and the largest of a row, at `choice`, only a hair above the next.
    The next has a smaller id where there is one, so that whoever takes the two for equal is wrong."""
    logits = 2 * torch.randn(len(choice), size, generator=rng, dtype=dtype).clamp(-4, 4) - 40
    places, most = torch.arange(len(choice)), logits.amax(-1)
    logits[places, torch.where(choice > 0, choice - 1, 1)] = most
    logits[places, choice] = most + 4e-4
    return logits


def _few(size: int) -> Callable:
    """Draws different ids of a small vocabulary."""
    return lambda rng, n: torch.randperm(size, generator=rng)[:n]


def _other(ids: torch.Tensor) -> torch.Tensor:
    """Ids of the same small vocabulary that none of the drawn ones (below SMALL) equals."""
    return ids + SMALL


SMALL = 60


@verify_greedy.part("judges draft[i] by row i of the logits", weight=2,
                    rests_on="Row i is the target's opinion of the token at the place of draft[i]")
def _(student, rng):
    for choice in _few(SMALL)(rng, 12).split(6):  # two first tokens: no constant is right by luck
        logits = _logits(choice, rng, 2 * SMALL)
        early = student.ids(torch.cat([_other(choice[5:]), choice[:4]]), logits)
        try:
            late = student.ids(choice[1:], logits)
        except Wrong as wrong:
            raise wrong.but(otherwise="off_by_one") from None
        if (len(late) > 2) != (len(early) > 2):
            raise Wrong("A draft whose tokens are all right, but one place off, was accepted.", mistake="off_by_one")
        if len(late) > 2:
            raise Wrong("A draft that is wrong from its first token on was accepted.", mistake="accepts_all")
        _same_round(early, _other(choice[5:]).tolist(), choice.tolist(), 0)
        with student.shown():
            _same_round(late, choice[1:].tolist(), choice.tolist(), 0)


def _same_round(out: list[int], draft: list[int], choice: list[int], n: int) -> None:
    """Raises Wrong unless `out` is the first n of draft and the target's token at place n."""
    if out == draft[:n] + choice[n : n + 1]:
        return
    if n < len(draft) and out == draft[:n] + choice[n : n + 2]:
        raise Wrong("After a disagreement your round emits two of the target's choices.", otherwise="two_of_its_own")
    if n < len(draft) and out == draft[:n]:
        raise Wrong("When a token is rejected, your round ends without the target's own.", mistake="correction_dropped")
    if n < len(draft) and out[: n + 1] == draft[: n + 1]:
        raise Wrong("A token that the target disagrees with was emitted.", mistake="rejected_emitted")
    if n == len(draft) and out == draft:
        raise Wrong("After a draft that was accepted in full, your round stops.", mistake="no_bonus")
    if len(out) == n + 1 and out[:n] == draft[:n]:
        raise Wrong("The accepted tokens are right, but the last token of the round is not the target's own at that "
                    "place. Which row of the logits judges the place after n accepted tokens, and which of its "
                    "entries is the largest? (Logits may all be negative, and two of them nearly equal.)")
    raise Wrong(f"With {n} of {len(draft)} drafted tokens accepted, your round has length {len(out)}, and not the "
                "right tokens. Expected are the accepted tokens, then one of the target's own.")


@verify_greedy.part("emits the accepted tokens and then the correction", weight=2,
                    rests_on="After a disagreement the last token is the target's correction")
def _(student, rng):
    sizes = mixed([(3, 1), (1, 0), (4, 0), (5, 4), (6, 3)], rng)
    for (k, n), size in zip(sizes, mixed([300, 300, 300, 1000, REAL], rng), strict=True):
        real, half = size == REAL, size // 2
        draft, choice = case(rng, k, n, ids=real_ids if real else _few(half), steps=STEPS if real else (half,))
        out = student.ids(draft, _logits(choice, rng, size))
        with student.shown():
            _same_round(out, draft.tolist(), choice.tolist(), n)


@verify_greedy.part("emits the bonus after a draft that was accepted in full", weight=2,
                    rests_on="after full acceptance it is the bonus token")
def _(student, rng):
    for k, size in zip(mixed([3, 1, 6], rng), mixed([200, 200, REAL], rng), strict=True):
        draft, choice = case(rng, k, k, ids=real_ids if size == REAL else _few(size))
        out = student.ids(draft, _logits(choice, rng, size))
        with student.shown():
            _same_round(out, draft.tolist(), choice.tolist(), k)


@verify_greedy.part("emits nothing that matches only after a disagreement", weight=2,
                    rests_on="the accepted part of the draft, then one token of the target's own")
def _(student, rng):
    for k, n in mixed([(4, 1), (2, 0), (6, 2), (5, 0)], rng):
        draft, choice = case(rng, k, n, later_matches=True, ids=_few(SMALL), steps=(SMALL,))
        out = student.ids(draft, _logits(choice, rng, 2 * SMALL, dtype=torch.float64))
        if len(out) > n + 1:
            two = out == [*draft[:n].tolist(), *choice[n : n + 2].tolist()]
            with student.shown():
                raise Wrong("Your round goes on after a disagreement.",
                            otherwise="two_of_its_own" if two else "counts_all")
        with student.shown():
            _same_round(out, draft.tolist(), choice.tolist(), n)


@verify_greedy.part("emits one token of the target's own for an empty draft", weight=1,
                    rests_on=("the drafted tokens; k may be 0", "LongTensor [1..k+1]"))
def _(student, rng):
    for choice in torch.randperm(SMALL, generator=rng)[:2].split(1):
        out = student.ids(choice[:0], _logits(choice, rng, 2 * SMALL))
        if out != choice.tolist():
            raise Wrong("With an empty draft (k = 0) there is one row of logits, and the round is plain decoding: one "
                        f"token, the target's choice. The length of your round is {len(out)}.")
    answer = student.aside()(choice[:0], _logits(choice, rng, 2 * SMALL))
    if not isinstance(answer, torch.Tensor) or answer.is_floating_point():
        student.remark("It is no tensor of whole numbers, though. The loop of the next exercise joins the round to the "
                       "text with torch.cat, which needs one: torch.tensor(your_list).")


@verify_greedy.part("chooses the smallest id on a tie", weight=1,
                    rests_on="On ties the target chooses the smallest id, as argmax does")
def _(student, rng):
    logits = torch.full((3, 20), -9.0)
    one, a, b, c, d = torch.randperm(20, generator=rng)[:5].tolist()
    a, b, c, d = *sorted((a, b)), *sorted((c, d))
    logits[0, one] = logits[1, a] = logits[1, b] = logits[2, c] = logits[2, d] = -2.0
    for second in mixed((a, b), rng):
        out = student.ids(torch.tensor([one, second]), logits)
        if out != ([one, a] if second == b else [one, a, c]):
            raise Wrong("Two tokens have the same largest logit. The target's choice is then the smaller id, as "
                        "argmax gives it, and a draft that proposes the other one is rejected.")


@verify_greedy.part("is right about random drafts over two tokens", weight=1,
                    rests_on="The tokens that one greedy round emits")
def _(student, rng):
    for k in mixed((1, 2, 3, 4, 5, 6, 7, 8), rng):
        draft, choice = torch.randint(2, (k,), generator=rng), torch.randint(2, (k + 1,), generator=rng)
        for given in (draft, choice[:k].clone()):  # kept in full too, so that luck decides no point
            n = leading_run(given, choice)
            out = student.ids(given, _logits(choice, rng, size=5))
            try:
                with student.shown():
                    _same_round(out, given.tolist(), choice.tolist(), n)
            except Wrong as wrong:  # of two tokens, what is not the one is the other: that tells nothing
                raise wrong.but(mistake=None, otherwise=None) from None


@verify_greedy.argument("draft")
def _(student, rng):
    choice = _few(SMALL)(rng, 4)
    sure = _logits(choice, rng, 2 * SMALL).scatter(1, choice[:, None], 0.0)  # nearly certain: whoever compares sees it
    return [student.ids(draft, sure) for draft in (choice[:3], _other(choice[:3]))]


def _of(count: Callable, own: Callable) -> Callable:
    """A wrong rule: keeps count(draft, logits) of the draft, then own(n, k) says which of the target's choices."""

    def rule(draft, logits):
        n = count(draft, logits)
        return torch.cat([draft[:n], logits.argmax(-1)[slice(*own(n, len(draft)))]])

    return rule


def _run(draft, logits) -> int:
    return leading_run(draft, logits.argmax(-1))


def _matches(draft, logits) -> int:
    return int((draft == logits.argmax(-1)[: len(draft)]).sum())


def _above(limit: float) -> Callable:
    """Counts the drafted tokens that are more probable than this, up to the first that is not."""
    return lambda draft, logits: int((torch.softmax(logits, -1)[torch.arange(len(draft)), draft] > limit)
                                     .long().cumprod(0).sum())


def _row_n(n, k):
    return n, n + 1


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
    imitate=(_of(_matches, _row_n), lambda draft, logits: logits.argmax(-1)[: _matches(draft, logits) + 1]),
)
verify_greedy.mistake(
    "two_of_its_own",
    "You emit two of the target's own tokens after a rejection. The second was chosen for a text that holds the "
    "rejected token: a round ends with one, the correction or the bonus.",
    imitate=_of(_run, lambda n, k: (n, n + 2)),
)
verify_greedy.mistake(
    "keeps_probable",
    "A drafted token stays if it is probable enough in your rule. Greedy decoding takes the most probable token, "
    "whether that has 0.9 or 0.1: compare the drafted token with the largest entry of its row.",
    imitate=tuple(_of(_above(limit), _row_n) for limit in (0.5, 0.9, 0.3, 0.1)),
)
verify_greedy.mistake(
    "next_row",
    "After n accepted tokens the last token of your rounds comes from row n + 1. Row n has judged the guess that was "
    "rejected: the target's own token at that place stands in the same row.",
    imitate=(_of(_run, lambda n, k: (n + 1, n + 2)), _of(_run, lambda n, k: (min(n + 1, k), min(n + 1, k) + 1)),
             lambda draft, logits: torch.cat([draft[: _run(draft, logits)],
                                              logits.argmax(-1)[[_run(draft, logits) + 1]]])),
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
    "last_row",
    "The last token of your rounds always comes from the last row of `logits`. That row speaks about the place after "
    "the whole draft. After n accepted tokens the target's own comes from row n: the row that judged the rejected one.",
    imitate=lambda draft, logits: torch.cat([draft[: leading_run(draft, logits.argmax(-1))], logits[-1:].argmax(-1)]),
)
verify_greedy.mistake(
    "rejected_emitted",
    "You emit the token that was rejected. The target disagrees with it, so it must not reach the text: the target's "
    "own choice stands in its place.",
)
