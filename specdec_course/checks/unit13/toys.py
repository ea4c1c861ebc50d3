"""Toy writers for the loops of unit 13: whatever they say depends on all of the text that they are given.

Knows: texts of ids. Does not know: exercises, models.
"""

from __future__ import annotations

import zlib

from .. import values
from ..ask import whole
from ..errors import Wrong


def ids_in(text) -> list[int]:
    """A text as a list of ids, in whatever form it is handed over."""
    return values.as_ids(text)


def hashed(salt: int, text, place: int = 0) -> int:
    """A number that any change of the text changes."""
    return zlib.crc32(f"{salt} {place} {text}".encode())


def drawn_ids(rng, count: int, size: int, without: tuple = ()) -> list[int]:
    found = []
    while len(found) < count:
        token = whole(0, size - 1, rng)
        if token not in without:
            found.append(token)
    return found


def two(first, second, what: str):
    """Reads an answer of two things, each with its own reader."""

    def read(answer):
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise Wrong(f"Expected two things, {what}; your function returned {values.describe(answer)}.")
        return first(answer[0]), second(answer[1])

    return read


def times(count: int) -> str:
    return {0: "not at all", 1: "once"}.get(count, f"{count} times")
