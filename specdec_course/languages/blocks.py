"""Cuts prose into blocks that are translated one by one, and puts it together again.

Knows: blank lines, fences, docstrings. Does not know: languages, notebooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable

FENCE = re.compile(r"\s*(```|~~~)")
NO_WORDS = re.compile(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", re.DOTALL)


def blocks(text: str) -> list[str]:
    """The paragraphs, tables, lists and fences of a text: what blank lines keep apart, those inside a fence aside."""
    found, block, fenced = [], [], False
    for line in text.strip("\n").split("\n"):
        fenced ^= bool(FENCE.match(line))
        if line.strip() or fenced:
            block.append(line)
        elif block:
            found.append("\n".join(block))
            block = []
    return [*found, "\n".join(block)] if block else found


def has_words(block: str) -> bool:
    """Whether there is anything to translate: a letter outside code and formulas."""
    return bool(re.search(r"[^\W\d_]", NO_WORDS.sub("", block)))


def in_other_words(text: str, translate: Callable[[str], str]) -> str:
    """The text with every block that has words translated."""
    return "\n\n".join(translate(block) if has_words(block) else block for block in blocks(text))
