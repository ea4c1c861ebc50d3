"""Knows two things that error messages need: the nearest known name, and another error in one line."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error: " Did you mean 'classroom'?" for a name close to a known one, else all of them."""
    known = [str(word) for word in known]
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" There is: {', '.join(known)}." if known else ""


def first_line(error: Exception) -> str:
    """What went wrong below, in one line: "OSError: disk quota exceeded"."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])
