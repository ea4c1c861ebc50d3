"""Text of notebooks that something has happened to: merge conflicts, cut-off files, outputs of many megabytes.

Knows: JSON as text. Does not know: cells, exercises.
"""

from __future__ import annotations

import json
import re


class Unreadable(ValueError):
    """No cells can be had from a file; the message goes on after its name: "is empty"."""


def clean(text: str) -> str:
    """Unix line ends, and nothing that cannot be written as UTF-8."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def printable(text: str) -> str:
    """The same text on one line, for a sentence."""
    return "".join(c if c.isprintable() else "?" for c in clean(text))


# A string (closed, or up to the end of the file) or a bracket. Possessive: no input makes it step back.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
MOST_TOKENS = 6_000_000  # of these: about 2 s; a notebook with 40 MB of output has half a million
_HEAVY = {b'"outputs"', b'"attachments"', b'"widgets"'}
_OPENS = re.compile(rb"\s*:\s*(?=[\[{])")


def without_outputs(data: bytes) -> bytes:
    """JSON text with the values of outputs, attachments and widgets emptied; every line keeps its number.

    Raises Unreadable when the text is made to cost time.
    """
    kept, start, depth, opened_at = [], 0, 0, None
    skipping = False
    for number, token in enumerate(_TOKEN.finditer(data)):
        if number > MOST_TOKENS:
            raise Unreadable("is large, and nearly all of it is quotes and brackets: no program writes such a notebook")
        text = token.group() if token.end() - token.start() < 20 else b""  # a long one is no key
        if not skipping:
            if text in _HEAVY and (colon := _OPENS.match(data, token.end())):
                skipping, depth, opened_at = True, 0, colon.end()
        elif text in (b"[", b"{"):
            depth += 1
        elif text in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                lines = data.count(b"\n", opened_at, token.start())
                kept += [data[start : opened_at + 1], b"\n" * lines]
                start, skipping = token.start(), False
    kept.append(data[start : opened_at + 1 if skipping else len(data)])
    return b"".join(kept)


def sides(text: str) -> list[tuple[str, str]]:
    """Both readings of a text with merge markers, the upper one first: (which, text). Whose they are, the markers do
    not say: a merge has one's own above, a rebase and a stash below. One reading where only the ends of conflicts are
    left, nothing where there are no markers."""
    if not re.search(r"^<{7}", text, re.MULTILINE):
        if not re.search(r"^>{7}", text, re.MULTILINE):
            return []
        beside = re.sub(r"^([>=|])\1{6}.*", "", text, flags=re.MULTILINE)
        return [("what stands beside the marks that were left", beside)]
    upper, lower, names = [], [], ["", ""]
    state = "both"
    for line in text.split("\n"):
        if line.startswith("<" * 7):
            state = "upper"
            names[0] = names[0] or line[7:].strip()
        elif line.startswith("|" * 7) and state != "both":
            state = "base"
        elif line.startswith("=" * 7) and state != "both":
            state = "lower"
        elif line.startswith(">" * 7) and state != "both":
            state = "both"
            names[1] = names[1] or line[7:].strip()
        else:
            upper += [line] if state in ("both", "upper") else []
            lower += [line] if state in ("both", "lower") else []
            continue
        upper.append("")  # an empty line for each marker: line numbers stay
        lower.append("")
    which = [f"its {place} side" + (f" (`{printable(name)[:40]}`)" if name else "")
             for place, name in zip(("upper", "lower"), names, strict=True)]
    return [(which[0], "\n".join(upper)), (which[1], "\n".join(lower))]


_LOOKS_LIKE = [("<", "a web page or XML"), ("%PDF", "a PDF"), ("PK\x03", "a zip archive"), ("{\\rtf", "a text")]


def what_is_broken(text: str, error: ValueError) -> str:
    """Where the JSON of a notebook is broken, and what that probably means."""
    if isinstance(error, Unreadable):
        return str(error)
    if not isinstance(error, json.JSONDecodeError):
        return "is not a readable notebook: it holds a number that is far too long"
    for start, kind in _LOOKS_LIKE:
        if text.startswith(start) and not text.startswith("<<<<<<<"):
            return f"is {kind}, not a notebook"
    if not text.lstrip().startswith("{"):
        return "is no notebook: a notebook is JSON text and begins with {"
    place = f"line {error.lineno}, column {error.colno}"
    marker = re.search(r"^<{7}", text, re.MULTILINE)
    if marker:
        number = text.count("\n", 0, marker.start()) + 1
        return (
            f"has an unresolved merge conflict (`<<<<<<<` in line {number}), and neither side is a whole notebook "
            f"({place}: {error.msg}). Resolve it, look at the notebook in Jupyter, and hand it in again"
        )
    rest = text[error.pos :].lstrip()
    if not rest or error.msg.startswith("Unterminated string"):
        return f"ends in the middle of the notebook ({place}): it was cut off while it was saved, copied or sent"
    if text[: error.pos].rstrip().endswith(",") and rest[0] in "]}":
        return f"is broken JSON at {place}: there is a comma before the `{rest[0]}`, where nothing follows"
    return f"is broken JSON at {place}: {error.msg}"
