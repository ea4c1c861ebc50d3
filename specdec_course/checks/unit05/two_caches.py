"""A stage for loops with two caches: models with a memory of ids, and a log of what each was fed, and when.

Knows: how to play one decoding, and the ways in which a log can be read (the prompt may have had an append of its
own). Does not know: what is right in a log (faults), scenes (loop).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from ...trace import Round
from ..errors import OutOfCalls, Wrong
from ..stages.loops import Call, Play, check_ids, right_text, rounds_that_happened


def misled(target: Callable, period: int) -> Callable:
    """A draft model: the target's opinion, except after prefixes whose sum is a multiple of `period`. With 1 it is
    never right, and what it says always depends on every token before."""

    def draft(ids):
        logits = target(ids)
        wrong = (ids.cumsum(0) + torch.arange(len(ids))) % period == 0
        return torch.where(wrong[:, None], logits.roll(1, -1), logits)

    return draft


@dataclass
class Fed:
    """One append: where it began, the ids, and everything that the cache held after it."""

    start: int
    ids: list[int]
    text: list[int]


class Remembering:
    """A CachedModel made of a pure function. `events` gets (its name, Fed) with each append."""

    asked = 0  # appends of all of them together
    lent = ("append", "rollback"), ("length", "calls")  # what a boxed student's loop may use of it

    def __init__(self, name: str, forward: Callable, events: list, limit: int):
        self.name, self.forward, self.events, self.limit = name, forward, events, limit
        self.text, self.calls = torch.empty(0, dtype=torch.long), 0
        self.rolled: list[tuple[int, int]] = []  # (how many events there were before, by how many positions)

    @property
    def length(self) -> int:
        return len(self.text)

    def append(self, ids, last: int | None = None):
        self.calls += 1
        Remembering.asked += 1
        if self.calls > self.limit:
            raise OutOfCalls(f"called more than {self.limit} times")
        if isinstance(ids, torch.Tensor) and not ids.numel():
            self.events.append((self.name, Fed(len(self.text), [], self.text.tolist())))
        check_ids(ids)
        start, self.text = len(self.text), torch.cat([self.text, ids])
        self.events.append((self.name, Fed(start, ids.tolist(), self.text.tolist())))
        rows = self.forward(self.text)[start:]
        return rows if last is None else rows[-last:]

    def rollback(self, n: int) -> None:
        if not 0 <= n <= len(self.text):
            raise ValueError(f"cannot roll back {n} positions; the cache holds {len(self.text)}")
        self.rolled.append((len(self.events), n))
        self.text = self.text[: len(self.text) - n]


@dataclass
class Append(Call):
    """An append of the target (its `ids` are all that the cache held then), with the draft's appends before it."""

    start: int = 0
    draft_fed: list[Fed] = field(default_factory=list)


@dataclass
class CachedPlay(Play):
    """One decoding with two caches. `calls` are the target's appends; `prefilled`: the first was the prompt alone."""

    draft_model: Callable = None
    draft_calls: int = 0
    prefilled: bool = False

    @property
    def rounds(self) -> list[Round]:
        """As reported; where the prompt had an append of its own, a first round that says so need not be there."""
        found = super().rounds
        return found[1:] if self.prefilled and found[:1] == [Round(0, 0, 0)] else found


def play_cached(student, target, draft, prompt, k, budget, eos_id=None) -> CachedPlay:
    """Runs the student's loop with two watched models; an endless loop ends as `stuck`."""
    events: list = []
    truth, beyond = right_text(target, prompt, k, budget, eos_id)
    done = CachedPlay(target, prompt.tolist(), k, budget, eos_id, truth, beyond, draft_model=draft)
    limit = (budget + 2) * (k + 3) + 20
    models = [Remembering(name, forward, events, limit) for name, forward in (("target", target), ("draft", draft))]
    stopped = None
    try:
        done.answer = student(*models, prompt, k, budget, eos_id)
    except OutOfCalls:
        done.stuck = True
    except Wrong as wrong:
        stopped = wrong
    waiting: list[Fed] = []
    for name, fed in events:
        if not fed.ids:
            continue
        if name == "draft":
            waiting.append(fed)
        else:
            known = fed.start + 1 if fed.start else len(prompt)  # the text so far; what follows was drafted
            shown, drafted = fed.text[:known], fed.text[known:]
            done.calls.append(Append(fed.text, shown, draft=drafted, start=fed.start, draft_fed=waiting))
            waiting = []
    for name, fed in events if stopped else ():
        if fed_again(fed, done.prompt):
            raise Wrong(f"The {name} was fed the whole text when its cache held {fed.start} positions already.",
                        mistake="fed_twice")
    if stopped:
        raise _why_nothing_missing(done, *events[-1], stopped) if events and not events[-1][1].ids else stopped
    done.draft_calls = models[1].calls
    done.questions = done.draft_calls or int(len(truth) - len(prompt) <= 2)  # too short a text to ask for a draft
    done.offered = done.used = done.stuck
    return done


def fed_again(fed: Fed, prompt: list[int]) -> bool:
    """Whether a whole prompt went in where one stood already."""
    return len(prompt) > 1 and fed.start >= len(prompt) and fed.ids[: len(prompt)] == prompt


def _why_nothing_missing(done: CachedPlay, name: str, fed: Fed, stopped: Wrong) -> Wrong:
    """The loop was stopped by an append of no ids: did that cache hold a rejected token in place of the newest one?"""
    happened = rounds_that_happened(done)
    if not happened:
        return stopped
    end = happened[-1][1] + happened[-1][2].emitted
    went_wrong = done.calls[len(happened) :]  # the target itself may have been asked so for some rounds
    name, held = ("target", went_wrong[0].start) if went_wrong else (name, fed.start)
    if held != end:
        return stopped
    return stopped.but(message=f"A round began with {held} positions in the {name}'s cache, and the text had {end} "
                               "tokens. Then nothing is missing, and an append was called with no ids: an error.",
                       otherwise="keeps_newest")


def readings(done: CachedPlay) -> list[CachedPlay]:
    """The ways to read a log: every append is a round; or the first one only read the prompt, and perhaps gave the
    first token too, without being listed. The likelier one first."""
    ways = [done]
    first = done.calls[0].ids if done.calls else None
    if first is not None and first == done.prompt[: len(first)] and len(done.calls) > 1:
        rest = done.calls[1:]
        rest = [replace(rest[0], draft_fed=done.calls[0].draft_fed + rest[0].draft_fed), *rest[1:]]
        ways.append(replace(done, calls=rest, prefilled=True))
        if len(done.truth) > len(done.prompt):
            ways.append(replace(done, calls=rest, prompt=done.truth[: len(done.prompt) + 1], budget=done.budget - 1))
        if _listed(done) == len(done.calls) - 1:
            ways = [*ways[1:], ways[0]]
    return ways


def _listed(done: CachedPlay) -> int | None:
    try:
        return len(done.rounds)
    except Exception:  # an answer that cannot be read is judged elsewhere
        return None
