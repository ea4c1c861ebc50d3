"""A unit's prose in another language, block by block, for the build.

Knows: where the translations lie, and that half a translation is none. Does not know: notebooks, what the texts are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..languages.po import translations
from .wanted import catalogue

HAN = r"\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef"  # letters and signs that are written without blanks
BROKEN = re.compile(rf"(?<=[{HAN}])\n *(?=[{HAN}])")


def is_known(language: str) -> None:
    """Raises ValueError if the course has not been translated into this language."""
    there = sorted(path.stem for path in catalogue("x").parent.glob("*.po"))
    if language not in there:
        raise ValueError(f"the course is not translated into {language!r}; there is: {', '.join(there)}")


def is_translated(source: Path, language: str) -> bool:
    """Whether a unit is among those that are translated at all: a file beside its source says so."""
    return source.with_name(f"{language}.po").is_file()


def sayer(source: Path, language: str) -> Callable[[str, str], str]:
    """say(kind, text): a block of this unit, or of what all units share, in `language`.

    It raises ValueError, in one line, for a block that is not translated, or whose translation is older than it.
    """
    own, shared = source.with_name(f"{language}.po"), catalogue(language)
    said = {**translations(shared), **translations(own)}

    def say(kind: str, text: str) -> str:
        try:
            return unbroken(said[kind, text])
        except KeyError:
            file = shared if kind.startswith("head") else own
            raise ValueError(
                f"{file}: {kind} {' '.join(text.split())[:70]!r} has no translation, or one that has fallen behind "
                f'("fuzzy"). `specdec build --language {language} --update`, then translate it'
            ) from None

    return say


def unbroken(text: str) -> str:
    """Paragraphs without the ends of lines that a page would show as blanks in the middle of a Chinese sentence."""
    if "```" in text or text.startswith("#"):
        return text
    head, _, body = text.partition("\n")
    if head.endswith("：") and body.startswith("    "):  # a section of a contract: its head stays a line of its own
        return f"{head}\n{BROKEN.sub('', body)}"
    return BROKEN.sub("", text)
