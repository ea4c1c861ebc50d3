"""The guess that a text repeats itself. Knows: what is right, and the newest token taken for an earlier one."""

from __future__ import annotations

from ...drafters.repeats import Guess
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import reading
from .seen import text_of, where

guess_repeat = Exercise(
    "guess_repeat", unit="15", points=6, difficulty=2, minutes=10,
    reference="specdec_course.drafters.repeats:guess_repeat",
    hints=(
        "The newest token always stands in the text: at its end. Which part of the text do you have to search?",
        "Search ids[:-1] for ids[-1] with last_seen; the guess are the k tokens behind the place that it finds.",
    ),
)  # fmt: skip


def expect(student, cases) -> None:
    guesses = [student(ids, k) for ids, k in cases]
    for (ids, k), guess in zip(cases, guesses, strict=True):
        at = where(ids[:-1], ids[-1])
        with reading("a Guess with .ids and .seen_at"):
            if int(guess.seen_at) != at or list(guess.ids) != (ids[at + 1 : at + 1 + k] if at >= 0 else []):
                raise Wrong(f"After a text of {len(ids)} tokens the guess of at most {k} is another.")


@guess_repeat.part("what followed the last time", weight=2)
def _(student, rng):
    expect(student, [(text_of(rng, n), k) for n in (12, 30) for k in (1, 3, 5)])


@guess_repeat.part("nothing to repeat, nothing asked for", weight=1)
def _(student, rng):
    expect(student, [(list(range(5)), 3), ([7], 2), (text_of(rng, 9) * 2, 0)])


guess_repeat.mistake(
    "finds_itself", "The newest token is found where it stands now: search the text before it.",
    lambda ids, k: Guess([], len(ids) - 1),
)
