"""Code that its Python reads and the grader's does not: grammar that came later, recognised by its text.

Knows: what changed from Python to Python. Does not know: cells. Nothing is parsed here.
"""

from __future__ import annotations

import re
import sys

MOST_LINES, LONGEST_LINE = 3000, 600
NEWER = [  # (from which Python on, what it is, by what it is recognised)
    ((3, 14), "a template string", re.compile(r"""(?<![\w.'"])(?:[tT][rR]?|[rR][tT])["']""")),
    ((3, 14), "`except A, B:` without parentheses", re.compile(r"^\s*except\*?\s+[\w.]+\s*,\s*[\w., ]+:")),
    ((3, 13), "a default of a type parameter", re.compile(r"^\s*(?:(?:async\s+)?def|class)\s+\w+\s*\[[^\]]*=")),
    ((3, 12), "a type parameter", re.compile(r"^\s*(?:(?:async\s+)?def|class)\s+\w+\s*\[")),
    ((3, 12), "a `type` statement", re.compile(r"^\s*type\s+\w+\s*(?:\[[^\]]*\])?\s*=")),
    ((3, 12), "an f-string with its own quotes or a backslash inside the braces",
     re.compile(r"""(?<!\w)(?:[fF][rR]?|[rR][fF])(?:"[^"\n]*\{[^{}"\n]*(?:(?:"[^"\n]*"[^{}"\n]*)+\}|\\)|"""
                r"""'[^'\n]*\{[^{}'\n]*(?:(?:'[^'\n]*'[^{}'\n]*)+\}|\\))""")),
    ((3, 12), "an f-string with a line break or a comment inside the braces",
     re.compile(r"""(?<!\w)[fF](?:"(?!"")[^"\n{}]*|'(?!'')[^'\n{}]*)\{[^{}"'\n]*$""")),
]  # fmt: skip


def newer_grammar(source: str) -> tuple[str, str] | None:
    """("3.12", what) of code that does not parse and looks as if a later Python than this one would read it."""
    for line in source.split("\n")[:MOST_LINES]:
        for since, what, pattern in NEWER:
            if sys.version_info < since and pattern.search(line[:LONGEST_LINE]):
                return ".".join(map(str, since)), what
    return None


_GOES_ON = re.compile(r"[\s)\]}#]|(?:else|elif|except|finally)\b|$")


def older_part(source: str, reads) -> tuple[str, list[int]]:
    """(the source without those statements at its top that a later Python alone reads, the first lines of these). Where
    one of them is a definition, all stays as it is: it would be missed. `reads(text)`: whether this Python reads it."""
    lines = source.split("\n")
    if len(lines) > MOST_LINES:
        return source, []
    starts = [n for n, line in enumerate(lines)
              if not _GOES_ON.match(line) and not (n and lines[n - 1].startswith("@"))]
    left_out = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        text = "\n".join(lines[start:end])
        if reads(text):
            continue
        if re.match(r"@|(async\s+)?def\b|class\b", text) or newer_grammar(text) is None:
            return source, []
        left_out.append(start + 1)
        lines[start:end] = ["pass", *[""] * (end - start - 1)]
    return "\n".join(lines), left_out


def advice(source: str) -> str:
    """What to tell about a cell with a syntax error; "" where its grammar is no newer than this Python's."""
    found = newer_grammar(source)
    if found is None:
        return ""
    here = ".".join(map(str, sys.version_info[:2]))
    return (f"It looks like Python {found[0]} ({found[1]}), and the grader runs Python {here}. Write it in an older "
            f"form, which every Python reads, or ask your instructor to grade with Python {found[0]} or newer.")
