"""What a loop does with its caches, seen by watching it in scenes of its own: how much it takes back, and when.

Knows: how a first round is watched, and which habits explain how much is taken back after it. Does not know: what is
right in a whole decoding (faults).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import OutOfCalls
from ..stages.loops import alone, prompt_ids, toy_target
from .loop import generate_cached
from .two_caches import Remembering, misled

SCENES, ENOUGH = 24, 3


@dataclass
class FirstRound:
    """How many tokens were drafted, and of these accepted; and how many positions each model then took back."""

    drafted: int
    accepted: int
    target: int
    draft: int

    @property
    def rejected(self) -> int:
        return self.drafted - self.accepted


def _pair(target: Callable, draft: Callable) -> tuple[list, list[Remembering]]:
    events: list = []
    return events, [Remembering(name, forward, events, 200) for name, forward in (("target", target), ("draft", draft))]


def _decode(student, models, prompt, k: int, budget: int):
    """The loop's answer, or None where something ended it."""
    try:
        return student.quiet(*models, prompt, k, budget, None)
    except (Exception, OutOfCalls):
        return None


def _first_round(student, rng, k: int) -> tuple[FirstRound | None, int]:
    """The first round of a scene, where the prompt went in with the first draft; and all that was ever taken back."""
    target, prompt = toy_target(rng), prompt_ids(rng)
    events, models = _pair(target, misled(target, 3))
    _decode(student, models, prompt, k, 3 * k)
    taken = sum(n for model in models for _, n in model.rolled)
    appends = [place for place, (name, fed) in enumerate(events) if name == "target" and fed.ids]
    if not appends:
        return None, taken
    first = events[appends[0]][1]
    drafted = first.text[len(prompt) :]
    if first.start or first.text[: len(prompt)] != prompt.tolist() or not drafted:
        return None, taken
    truth = alone(target, prompt, len(drafted))
    accepted = next((i for i, (a, b) in enumerate(zip(drafted, truth, strict=False)) if a != b), len(drafted))
    until = appends[1] if len(appends) > 1 else len(events)
    # The draft begins the next round before the target does: what it takes back is done before its next append.
    later = [place for place, (name, fed) in enumerate(events) if name == "draft" and place > appends[0]]
    ends = {"target": until, "draft": min([until, *later])}
    back = {model.name: sum(n for place, n in model.rolled if appends[0] < place <= ends[model.name])
            for model in models}
    return FirstRound(len(drafted), accepted, back["target"], back["draft"]), taken


def _watched(student, rng) -> Iterator[tuple[FirstRound, int]]:
    """First rounds that rejected something, each with all that was taken back in its scene."""
    for number in range(SCENES):
        one, taken = _first_round(student, rng, 3 + number % 4)
        if one and one.rejected:
            yield one, taken


def _always(holds: Callable[[FirstRound, int], bool], tells: Callable[[FirstRound], bool]) -> Callable:
    """An `observe`: holds(round, all taken back) is true every time, among others where it tells this habit apart."""

    def observe(student, rng) -> bool:
        telling = 0
        for one, taken in _watched(student, rng):
            if not holds(one, taken):
                return False
            telling += tells(one)
        return telling >= ENOUGH

    return observe


def _kept_when_none_accepted(one: FirstRound, taken: int) -> bool:
    usual = one.drafted - 1 - one.accepted  # the draft was never fed its last guess
    return one.target == one.rejected and one.draft == (usual if one.accepted else 0)


def _earlier_models(student, rng) -> bool:
    """Whether other models than those of the scene are asked, and these never."""
    target, before = toy_target(rng), Remembering.asked
    events, models = _pair(target, target)
    _decode(student, models, prompt_ids(rng), 3, 9)
    return not events and Remembering.asked > before


def _rounds_kept(student, rng) -> bool:
    """Whether the list of rounds is longer with every call of the same."""
    target, prompt, counts = toy_target(rng), prompt_ids(rng), []
    for _ in range(3):
        done = _decode(student, _pair(target, target)[1], prompt, 3, 9)
        counts.append(len(done["rounds"] if isinstance(done, dict) else done.rounds))
    return counts[0] < counts[1] < counts[2]


for _id, _message, _observe in (
    ("earlier_models",
     "Your loop works with the models of an earlier call, and never asks those that it is given. Is something kept in "
     "a default argument or a global?", _earlier_models),
    ("rounds_kept",
     "The list of rounds lives on from one call to the next, and grows. Begin with a new one in every call: a default "
     "argument `rounds=[]` is made only once.", _rounds_kept),
    ("never_rolls_back",
     "Nothing is ever taken back from your caches. What the target rejected stays in them, and everything after it "
     "stands behind words that are not in the text: roll both back to the text without its newest token.",
     _always(lambda one, taken: not taken, lambda one: True)),
    ("rolls_back_accepted",
     "You roll back by the number of tokens that were accepted. Those stay; what goes is what was rejected: drafted "
     "less accepted.",
     _always(lambda one, taken: one.target == one.accepted,
             lambda one: one.accepted not in (one.rejected, one.rejected - 1))),
    ("kept_when_none_accepted",
     "When nothing of a draft was accepted you do not roll the draft's cache back. That is just when all of it has to "
     "go.", _always(_kept_when_none_accepted, lambda one: not one.accepted and one.drafted > 1)),
    ("keeps_newest", None,
     _always(lambda one, taken: one.target == one.rejected - 1, lambda one: one.rejected > 1)),
):
    generate_cached.mistake(_id, _message or generate_cached.mistakes[_id].message, observe=_observe)
