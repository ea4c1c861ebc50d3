"""Lines of text that fit a width, in languages that write without blanks too.

Knows: how wide a character is, and which may not begin or end a line. Does not know: what is written.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata

NOT_FIRST, NOT_LAST = "，。、；：？！）》」』”’…·,.;:?!)]}", "（《「『“‘([{"
PIECE = re.compile(r"`[^`]*`|[`\u2e80-\u9fff\uff00-\uffef]|[^\s`\u2e80-\u9fff\uff00-\uffef]+|\s+")


def width(text: str) -> int:
    """The columns that a text takes: two for a Chinese character."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def filled(line: str, most: int, indent: str = "") -> str:
    """`line` on as many lines as it takes, none wider than `most`; those after the first are indented."""
    if width(line) == len(line):  # letters only: no word is broken
        return textwrap.fill(line, most, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
                             replace_whitespace=False, drop_whitespace=True)
    rows = [""]
    for piece in _unbreakable(PIECE.findall(line)):
        if width(rows[-1]) + width(piece.rstrip()) > most and rows[-1].strip():
            rows[-1] = rows[-1].rstrip()
            rows.append(indent + piece.lstrip())
        else:
            rows[-1] += piece
    return "\n".join(row.rstrip() for row in rows)


def _unbreakable(pieces: list[str]) -> list[str]:
    """Pieces between which a line may end."""
    found: list[str] = []
    for piece in pieces:
        if piece[0] in NOT_FIRST and len(found) > 1 and found[-1].isspace():  # a blank before it is no place to break
            found[-2:] = ["".join(found[-2:])]
        if found and (piece[0] in NOT_FIRST or found[-1][-1] in NOT_LAST):
            found[-1] += piece
        else:
            found.append(piece)
    return found
