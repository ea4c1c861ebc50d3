"""The checks of unit 15: where a token was seen last, and the guess that it is repeated."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .seen import last_seen
from .guess import guess_repeat

__all__ = ["guess_repeat", "last_seen"]
# What students' cells import in the grader's room, besides the answers that are lent.
CARRIED = {"drafters.repeats": ("Guess",)}
