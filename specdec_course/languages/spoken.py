"""A message in the language that SPECDEC_LANGUAGE names: what is known is said, the rest stays English.

Knows: that a message was made of templates with holes, and how to find which. Does not know: what any of them means.
Nobody is stopped by it: a language that is not there, or a file that cannot be read, is English.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DEEPEST = 6  # messages within messages
LONGEST = 20_000  # characters; what is longer is no message of ours
FEW = 8  # letters: a template with fewer says so little that its holes are single words
ANY, WORD, ONE_SENTENCE = r"(.*?)", r"(\S+?)", r"((?:(?![.?!] [A-Z]).)*?)"  # what may stand in a hole
HOLE = re.compile(r"\{(\d+)\}")
SENTENCE = re.compile(r"(?<=[.?!:;])\s+")
MARK = re.compile(r"\s*[✓✗◐○] ")  # in front of a line of a list
STOPS = {".": "。", ":": "：", ";": "；"}  # behind what is a message without them
HAN = re.compile(r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]")


@dataclass(frozen=True)
class Template:
    """`pattern` matches what was made of it; `longest` is its longest piece of literal text; `holes` their numbers."""

    pattern: re.Pattern
    longest: str
    holes: tuple[int, ...]
    joined: frozenset[int]  # of the holes, those right behind another one
    weight: int
    said: str


def language() -> str:
    """The language that is asked for; "" is English."""
    return os.environ.get("SPECDEC_LANGUAGE", "")


def said(text: str) -> str:
    """The text, or as much of it as is known, in the language that is asked for."""
    wanted = language()
    if not wanted or wanted == "en" or len(text) > LONGEST:
        return text
    book = _book(wanted)
    return _lines(text, book, 0) if book else text


class Book:
    """All that can be said in a language."""

    def __init__(self, plain: dict[str, str], holed: dict[str, str]):
        self.plain = plain
        self.templates = sorted((one for pair in holed.items() if (one := _template(*pair))), key=lambda t: -t.weight)


@functools.cache
def _book(wanted: str) -> Book | None:
    path = FOLDER / f"{wanted}.po"
    if not re.fullmatch(r"\w+", wanted) or not path.is_file():
        return None
    try:
        from . import po

        plain, holed = po.messages(path)
    except (ImportError, ValueError):
        return None
    return Book({**_by_lines(plain), **plain}, {**_by_lines(holed), **holed})


def _by_lines(pairs: dict[str, str]) -> dict[str, str]:
    """Texts of several lines, line by line: a panel shows them one below the other."""
    found = {}
    for text, one in pairs.items():
        lines, others = text.split("\n"), one.split("\n")
        if len(lines) == len(others) > 1:
            found |= {a: b for a, b in zip(lines, others, strict=True) if a.strip() and HOLE.sub("", a).strip()}
    return found


def _template(text: str, one: str) -> Template | None:
    pieces = HOLE.split(text)  # literal, number, literal, number, ..., literal
    literal = [piece.replace("{{", "{").replace("}}", "}") for piece in pieces[::2]]
    letters = sum(map(str.isalpha, "".join(literal)))
    if not letters:
        return None
    pattern = re.escape(literal[0])
    for behind in literal[1:]:  # before the stop that ends a message no other message ends
        hole = WORD if letters < FEW else ANY if not behind or any(map(str.isalpha, behind)) else ONE_SENTENCE
        pattern += hole + re.escape(behind)
    holes = tuple(map(int, pieces[1::2]))
    joined = frozenset(n for n, before in zip(holes[1:], literal[1:], strict=False) if not before)
    weight = sum(map(len, literal))
    return Template(re.compile(pattern), max(literal, key=len), holes, joined, weight, one)


def _lines(text: str, book: Book, depth: int) -> str:
    """The whole text, else each of its lines."""
    whole = _known(text, book, depth)
    if whole is not None:
        return whole
    return "\n".join(_line(line, book, depth) for line in text.split("\n"))


def _line(line: str, book: Book, depth: int) -> str:
    mark = MARK.match(line)
    head = mark[0] if mark else ""
    return head + _sentences(line[len(head) :], book, depth)


def _sentences(line: str, book: Book, depth: int) -> str:
    """The longest run of sentences that is known, then the rest."""
    whole = _known(line, book, depth)
    if whole is not None:
        return whole
    ends = [found.span() for found in SENTENCE.finditer(line)]
    for end, begin in reversed(ends):
        first = _known(line[:end], book, depth)
        if first is not None:
            return _beside(first, _sentences(line[begin:], book, depth))
    if ends:
        end, begin = ends[0]
        rest = _sentences(line[begin:], book, depth)
        return line if rest == line[begin:] else _beside(line[:end], rest)
    return line


def _beside(first: str, second: str) -> str:
    """Two sentences, with a blank between them where one is written in letters."""
    tight = first and second and HAN.match(first[-1])
    return f"{first}{'' if tight else ' '}{second}"


def _known(text: str, book: Book, depth: int) -> str | None:
    """What a message is in the other language; None where it is none that is known. Blanks around it stay."""
    if text in book.plain:
        return book.plain[text]
    bare = text.strip()
    if not bare or depth > DEEPEST:
        return None
    if bare in book.plain:
        return text.replace(bare, book.plain[bare], 1)
    for one in book.templates:
        if one.longest in text and (found := one.pattern.fullmatch(text)):
            return _filled(one, list(found.groups()), book, depth + 1)
    if bare[-1] in STOPS and (inner := _known(bare[:-1], book, depth + 1)):
        return inner + (STOPS[bare[-1]] if HAN.match(inner[-1]) else bare[-1])
    return None


def _filled(one: Template, values: list[str], book: Book, depth: int) -> str:
    for place, hole in enumerate(one.holes):
        if hole in one.joined and not values[place - 1]:
            values[place - 1 : place + 1] = _parted(values[place], book, depth)
    filled = {hole: _lines(value, book, depth) for hole, value in zip(one.holes, values, strict=True)}
    text = HOLE.sub(lambda found: filled.get(int(found[1]), found[0]), one.said.replace("{{", "\0").replace("}}", "\1"))
    return text.replace("\0", "{").replace("\1", "}")


def _parted(text: str, book: Book, depth: int) -> list[str]:
    """What stood in two holes side by side: the second begins where the rest is known."""
    for found in re.finditer(r"(?<!^)[ \n]", text):
        if _known(text[found.start() :], book, depth + 1) is not None:
            return [text[: found.start()], text[found.start() :]]
    return [text, ""]
