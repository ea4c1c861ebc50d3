"""A stage for decoding loops: toy targets, drafters whose every guess is planned, and a log of who was called.

Knows: how to play one decoding with a student's loop and read what came back, and what a round must do given what
was sent to the target. Does not know: which mistakes have names, or what a student reads (loop_faults, loop_words).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from ...trace import Round
from .. import values
from ..errors import OutOfCalls, Wrong
from ..subject import counting, reading

VOCAB = 41
MODULUS = 1009  # states of the toy target: a sum over the whole prefix, so every earlier token matters


def toy_target(rng, eos_id: int | None = None, eos_at: int | tuple[int, ...] | None = None) -> Callable:
    """A Forward, pure and causal: the logits of a position depend on all ids up to it, and on nothing else.

    Args:
        rng: decides the language. eos_id: never chosen, except at eos_at, the absolute position (from 0), or several,
            where the target wants it whatever stands before.

    Its `says` is the same in plain numbers: the token that follows a list of ids. What the stage has to know beforehand
    (the right text, what a drafter guesses) is a dozen times as many tokens as a student's loop asks for.
    """
    table = torch.randn(MODULUS, VOCAB, generator=rng)
    places = (eos_at,) if isinstance(eos_at, int) else eos_at or ()
    weights = torch.randint(1, MODULUS, (512,), generator=rng)
    if eos_id is not None:
        table[:, eos_id] = -20.0
    best, steps = table.argmax(-1).tolist(), weights.tolist()

    def says(text):
        state = sum((token + 1) * step for token, step in zip(text, steps, strict=False)) % MODULUS
        return eos_id if len(text) in places else best[state]

    def target(ids):
        check_ids(ids)
        length = ids.shape[0]
        state = ((ids + 1) * weights[:length]).cumsum(0) % MODULUS
        logits = table[state]  # a copy: taken by a list of rows
        for place in places:
            if 0 < place <= length:
                logits[place - 1, eos_id] = 20.0
        return logits

    target.says = says
    return target


def check_ids(ids) -> None:
    """What a real model would refuse, in clearer words."""
    if not isinstance(ids, torch.Tensor) or ids.dim() != 1 or len(ids) == 0:
        raise ValueError(f"expected ids of shape [T] with T >= 1 and no batch axis; got {values.describe(ids)}")
    if ids.is_floating_point():
        raise ValueError(f"expected whole numbers (torch.long); got {ids.dtype}")
    low, high = (int(end) for end in ids.aminmax())
    if low < 0 or high >= VOCAB:
        raise ValueError(f"expected ids from 0 to {VOCAB - 1}; got {low} to {high}")


def prompt_ids(rng, length: int = 4, low: int = 0, high: int = VOCAB) -> torch.Tensor:
    return torch.randint(low, high, (length,), generator=rng)


# Drafters. Each is made from the target, knows what it will say next, and is a pure function of (ids, k).


def alone(target, ids: torch.Tensor, n: int) -> list[int]:
    """The n tokens that greedy decoding adds to `ids` with a toy target alone."""
    text = ids.tolist()
    for _ in range(n):
        text.append(target.says(text))
    return text[len(ids) :]


def right_text(target, prompt, k: int, budget: int, eos_id: int | None) -> tuple[list[int], list[int]]:
    """What the target alone would write, and the same without regard for budget and end of text."""
    before, written = prompt.tolist(), alone(target, prompt, budget + k + 2)
    end = written.index(eos_id) + 1 if eos_id in written else budget
    return before + written[: min(end, budget)], before + written


def perfect(target) -> Callable:
    return lambda ids, k: torch.tensor(alone(target, ids, k), dtype=torch.long)


def empty(target) -> Callable:
    return lambda ids, k: ids[:0]


def right_then_wrong(target, right: Callable[[int], int], wrong_token: int | None = None) -> Callable:
    """Right for the first right(len(ids)) guesses, then one wrong token, and after it whatever the target would say
    in *that* text: matches that a leading run must not count."""

    def propose(ids, k):
        text = ids.tolist()
        for i in range(k):
            token = target.says(text)
            if i == right(len(ids)):
                token = (token + 1) % VOCAB if wrong_token is None else wrong_token
            text.append(token)
        return torch.tensor(text[len(ids) :], dtype=torch.long)

    return propose


def always_wrong(target) -> Callable:
    return right_then_wrong(target, lambda length: 0)


def adversarial(target) -> Callable:
    return right_then_wrong(target, lambda length: length * 7 % 5)


def short(target) -> Callable:
    """Answers with fewer tokens than it was asked for, sometimes with none."""
    return lambda ids, k: perfect(target)(ids, min(k, len(ids) * 5 % 3))


def moody(target) -> Callable:
    """Perfect, wrong, short and silent by turns."""
    moods = [perfect(target), always_wrong(target), short(target), adversarial(target), empty(target)]
    return lambda ids, k: moods[len(ids) % len(moods)](ids, k)


@dataclass
class Call:
    """One target call: the ids it got, the text that the drafter was shown for it and what the drafter answered;
    `shown` is None when the drafter was not asked since the call before."""

    ids: list[int]
    shown: list[int] | None = None
    asked: int = 0
    draft: list[int] = field(default_factory=list)

    @property
    def sends_what_was_shown(self) -> bool:
        """Whether the target got just the text that the drafter was shown, and (some of) its answer behind it."""
        return self.shown is not None and self.ids == (self.shown + self.draft)[: max(len(self.ids), len(self.shown))]


@dataclass
class Play:
    """One decoding: what was asked, what came out, who was called.

    `truth` is what the target alone would write, `beyond` the same without regard for budget and end of text. `stuck`
    is True when the loop did not end. `offered`: the drafter had an answer when there was room for one; `used`: some
    drafted token reached the target. `left_with`: what the drafter answered last, if no call of the target followed.
    """

    target: Callable
    prompt: list[int]
    k: int
    budget: int
    eos_id: int | None
    truth: list[int]
    beyond: list[int]
    calls: list[Call] = field(default_factory=list)
    questions: int = 0
    offered: bool = False
    used: bool = False
    stuck: bool = False
    left_with: list[int] | None = None
    answer: object = None

    @property
    def ids(self) -> list[int]:
        return values.as_ids(_field(self.answer, "ids", 0))

    @property
    def ended_by_eos(self) -> bool:
        return len(self.truth) > len(self.prompt) and self.truth[-1] == self.eos_id

    @property
    def rounds(self) -> list[Round]:
        with reading("a list of Round(drafted, accepted, emitted) as the second thing you return"):
            return [_as_round(r) for r in list(_field(self.answer, "rounds", 1))]


def _field(answer, name: str, place: int):
    if isinstance(answer, dict) and name in answer:
        return answer[name]
    if hasattr(answer, name):
        return getattr(answer, name)
    if isinstance(answer, (tuple, list)) and len(answer) == 2:
        return answer[place]
    raise Wrong(f"Return Decoded(ids, rounds); your function returned {values.describe(answer)}.")


def _as_round(r) -> Round:
    parts = [r[n] if isinstance(r, dict) else getattr(r, n, None) for n in ("drafted", "accepted", "emitted")]
    if parts[0] is None:
        parts = list(r)
    drafted, accepted, emitted = (values.as_int(part) for part in parts)
    return Round(drafted, accepted, emitted)


def play(student, target, propose, prompt, k, budget, eos_id=None) -> Play:
    """Runs the student's loop on a stage where every call is written down; an endless loop ends as `stuck`."""
    done = Play(target, prompt.tolist(), k, budget, eos_id, *right_text(target, prompt, k, budget, eos_id))
    newest, latest = Call([]), []  # the drafter's newest answer (`shown` until a target call takes it up); its text

    def watched_target(ids):
        logits = target(ids)
        given = ids.tolist()
        done.calls.append(replace(newest, ids=given))
        done.used |= len(newest.draft) > 0 and given[: len(latest) + 1] == [*latest, newest.draft[0]]
        newest.shown = None
        return logits

    def watched_propose(ids, k):
        check_ids(ids)
        draft = propose(ids, max(0, int(k)))
        newest.shown, newest.asked, newest.draft = ids.tolist(), int(k), draft.tolist()
        latest[:] = newest.shown
        done.questions += 1
        done.offered |= len(draft) > 0 and len(prompt) + budget - len(ids) > 1
        return draft

    limit = (budget + 2) * (k + 2) + 10
    try:
        done.answer = student(counting(watched_target, limit), prompt, counting(watched_propose, limit), k, budget,
                              eos_id)
    except OutOfCalls:
        done.stuck = True
    done.left_with = newest.draft if newest.shown is not None else None
    return done


def rounds_that_happened(done: Play) -> list[tuple[Call, int, Round]]:
    """For every target call: where the text ended before it, and what the round must count, given what was sent.

    Stops at the first call that does not continue the right text; calls after the end of the text are left out.
    """
    start, rounds = len(done.prompt), []
    for call in done.calls:
        if start >= len(done.truth) or call.ids[:start] != done.beyond[:start]:
            break
        draft = call.ids[start:]
        agreed = _leading_agreement(draft, done.beyond[start:])
        emitted = min(agreed + 1, len(done.truth) - start)
        rounds.append((call, start, Round(len(draft), min(agreed, emitted), emitted)))
        start += emitted
    return rounds


def rounds_are_complete(done: Play) -> bool:
    """Whether the rounds that happened account for every new token of the right text. Where they do not, a check that
    looks at each of them has looked at too few, and its silence means nothing."""
    return sum(counts.emitted for _, _, counts in rounds_that_happened(done)) == len(done.truth) - len(done.prompt)


def _leading_agreement(draft: list[int], choice: list[int]) -> int:
    for i, (drafted, chosen) in enumerate(zip(draft, choice, strict=False)):
        if drafted != chosen:
            return i
    return min(len(draft), len(choice))
