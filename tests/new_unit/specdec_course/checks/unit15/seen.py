"""Where a token was seen last. Knows: what is right, and the first place taken for the last. Draws its texts."""

from __future__ import annotations

import torch

from ..errors import Wrong
from ..exercise import Exercise

last_seen = Exercise(
    "last_seen", unit="15", points=4, difficulty=1, minutes=5,
    reference="specdec_course.drafters.repeats:last_seen",
    lent=True,
    hints=(
        "A token may be written many times. From which end do you look?",
        "Go through the indices from the last to the first and return the first index that fits; after the loop, -1.",
    ),
    slip="def last_seen(ids, token):\n    return ids.index(token) if token in ids else -1\n",
)  # fmt: skip


def text_of(rng, n: int, vocabulary: int = 6) -> list[int]:
    return torch.randint(vocabulary, (n,), generator=rng).tolist()


def where(ids: list[int], token: int) -> int:
    return max((at for at, one in enumerate(ids) if one == token), default=-1)


@last_seen.part("the last of several places", weight=2)
def _(student, rng):
    asked = [(text_of(rng, n), token) for n in (8, 20, 40) for token in range(6)]
    found = [student.returned_int(*one) for one in asked]
    for (ids, token), at in zip(asked, found, strict=True):
        if at != where(ids, token):
            raise Wrong(f"In a text of {len(ids)} tokens you found another place than the last.")


@last_seen.part("a token that is not there, and no text at all", weight=1)
def _(student, rng):
    if any(student.returned_int(ids, 9) != -1 for ids in (text_of(rng, 5), [])):
        raise Wrong("A token that does not stand in the text was found.")


last_seen.mistake(
    "first_place", "You find the first place, and not the last: `index` looks from the front.",
    lambda ids, token: ids.index(token) if token in ids else -1,
)
