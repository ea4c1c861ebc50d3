"""A drafter without a model: what followed the newest token when it was last written.

Knows: token ids. Does not know: models, who verifies.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guess:
    """What a look back found: `ids`, the guessed tokens, and `seen_at`, where the newest token stood before (or -1)."""

    ids: list[int]
    seen_at: int


def last_seen(ids, token):
    """Where a token was last written.

    Args:
        ids: list of token ids. token: the id to look for.

    Returns:
        int: the last index at which it stands; -1 if it does not.
    """
    for at in range(len(ids) - 1, -1, -1):
        if ids[at] == token:
            return at
    return -1


def guess_repeat(ids, k):
    """Guesses that the text goes on as it did after the newest token's last occurrence.

    Args:
        ids: list of token ids, not empty. k: how many tokens to guess at most, >= 0.

    Returns:
        Guess(ids, seen_at): up to k tokens that followed the newest token where it stood before, and that index.
        Without an earlier occurrence: Guess([], -1).
    """
    at = last_seen(ids[:-1], ids[-1])
    return Guess(ids[at + 1 : at + 1 + k], at) if at >= 0 else Guess([], -1)
