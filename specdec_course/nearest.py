"""Knows how to turn a mistyped name into a question. Used wherever a person types a name."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error: " Did you mean 'classroom'?" for a name close to a known one, else all of them."""
    known = [str(word) for word in known]
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" There is: {', '.join(known)}." if known else ""
