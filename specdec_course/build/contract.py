"""A docstring as text for a notebook: where the notebook is translated, the contract stands in the cell above the
exercise, since the code is the same in all languages.

Knows: how this course writes docstrings, and Markdown. Does not know: exercises, languages.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator

from ..languages.blocks import blocks, has_words

LISTS = ("Args:", "Attributes:")  # whose lines are entries, "name: what it is"
ENTRY = re.compile(r"((?:\*{0,2}[A-Za-z_][\w.]*)(?:[,，、] ?\*{0,2}[A-Za-z_][\w.]*)*)[:：]\s*(.*)")
SPECIAL = re.compile(r"([\\*_<$])")


def contracts(exercise) -> Iterator[tuple[str, str]]:
    """(name, docstring) of an exercise's function; of a class also of its public methods."""
    thing = exercise.solution
    yield exercise.name, inspect.getdoc(thing) or ""
    if inspect.isclass(thing):
        for name, member in vars(thing).items():
            method = member.fget if isinstance(member, property) else member
            if inspect.isfunction(method) and method.__doc__ and (name[0] != "_" or name.endswith("__")):
                yield f"{exercise.name}.{name}", inspect.getdoc(method)


def contract_text(parts: Iterable[tuple[str, str]], say: Callable[[str, str], str]) -> str:
    """The contracts of an exercise as Markdown.

    Args:
        parts: (name, docstring); the first is the exercise's, the others are its methods'.
        say: say(kind, block) is the block in another language.
    """
    found = []
    for number, (name, text) in enumerate(parts):
        found += [f"**`{name}`**"] if number else []
        for block in blocks(text):
            said = say(f"contract of {name}", block) if has_words(block) else block
            found.append(_marked(said, is_list=block.startswith(LISTS)))
    return "\n\n".join(found)


def _marked(text: str, is_list: bool) -> str:
    """One block: a section with its head, a list of entries, or a paragraph."""
    head, _, body = text.partition("\n")
    if head.rstrip().endswith((":", "：")) and body.startswith(" "):
        said = _entries(body) if is_list else _flowing(body.split("\n"))
        return f"**{_plain(head.strip())}**{' ' if not is_list else chr(10)}{said}"
    lines = text.split("\n")
    if lines[0].startswith(("* ", "- ")):
        return "\n".join(line[:2] + _plain(line[2:]) for line in lines)
    return _entries(text) if len(lines) > 1 and all(map(ENTRY.match, lines)) else _flowing(lines)


def _entries(body: str) -> str:
    """Lines "name: what it is", some going on below, as a list."""
    lines = [line for line in body.split("\n") if line.strip()]
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    items: list[list[str]] = []
    for line in lines:
        if items and line[margin] == " ":
            items[-1].append(line)
        else:
            items.append([line])
    return "\n" + "\n".join(f"* {_entry(item)}" for item in items)


def _entry(lines: list[str]) -> str:
    found = ENTRY.match(lines[0].strip())
    if not found:
        return _flowing(lines)
    names = re.sub(r"\*{0,2}[A-Za-z_][\w.]*", lambda one: f"`{one[0]}`", found[1])
    return f"{names}: {_flowing([found[2], *lines[1:]])}"


def _flowing(lines: list[str]) -> str:
    return "\n".join(_plain(line.strip()) for line in lines)


def _plain(text: str) -> str:
    """Text in which nothing but `code` means anything to Markdown."""
    pieces = re.split("(`[^`\n]+`)", text)
    return "".join(piece if place % 2 else SPECIAL.sub(r"\\\1", piece) for place, piece in enumerate(pieces))
