"""A tiny grammar: sentences with choices and slots, compiled once and written many times.

`[a|b|c]` is a choice of equal chances (it may be nested, and one branch may be empty), `{name}` is a fact of the article.
This module knows the notation and nothing of towns or rivers; the templates and the facts come from elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKENS = re.compile(r"[\[\]|]|\{[a-z0-9_]+\}|[^\[\]|{}]+")


@dataclass(frozen=True)
class Slot:
    """A place in a sentence that a fact fills."""

    name: str


def parse(template: str) -> tuple:
    """Compile a template into a nested tuple: strings, `Slot`s, and lists of alternatives (each again a tuple)."""
    stack: list[list[list]] = [[[]]]  # one frame per open bracket; a frame is its alternatives so far
    for token in _TOKENS.findall(template):
        if token == "[":
            stack.append([[]])
        elif token == "|" and len(stack) > 1:
            stack[-1].append([])
        elif token == "]":
            if len(stack) == 1:
                raise ValueError(f"unbalanced ']' in the template {template!r}")
            choice = stack.pop()
            stack[-1][-1].append([tuple(branch) for branch in choice])
        else:
            stack[-1][-1].append(Slot(token[1:-1]) if token[0] == "{" else token)
    if len(stack) != 1:
        raise ValueError(f"unbalanced '[' in the template {template!r}")
    return tuple(stack[0][0])


def _expand(node: tuple, facts: dict[str, str], uniform, out: list[str]) -> None:
    for part in node:
        if type(part) is str:
            out.append(part)
        elif type(part) is Slot:
            out.append(facts[part.name])
        else:
            _expand(part[int(uniform() * len(part))], facts, uniform, out)


def write(node: tuple, facts: dict[str, str], uniform) -> str:
    """One sentence from a compiled template. `uniform()` draws from [0, 1); the first letter becomes a capital."""
    out: list[str] = []
    _expand(node, facts, uniform, out)
    sentence = " ".join("".join(out).split())
    return sentence[:1].upper() + sentence[1:]


def slots(node: tuple) -> set[str]:
    """Names of all the facts that a compiled template may ask for."""
    names: set[str] = set()
    for part in node:
        if type(part) is Slot:
            names.add(part.name)
        elif type(part) is list:
            names.update(*(slots(branch) for branch in part))
    return names


@dataclass(frozen=True)
class Plan:
    """What an article of one kind may say: one opener, some lead sentences, some sections of some sentences."""

    openers: tuple
    lead: tuple
    sections: tuple  # of (titles, sentences)


def read_plan(source: str) -> Plan:
    """Read a plan: `* opener`, `+ lead sentence`, `= Section title | another title`, `- sentence`; indented lines go on."""
    openers, lead, sections = [], [], []
    for line in re.sub(r"\n[ ]+", " ", source.strip()).split("\n"):
        mark, text = line[:1], line[2:].strip()
        if mark == "*":
            openers.append(parse(text))
        elif mark == "+":
            lead.append(parse(text))
        elif mark == "=":
            sections.append((tuple(parse(title.strip()) for title in text.split("|")), []))
        elif mark == "-":
            sections[-1][1].append(parse(text))
        elif line:
            raise ValueError(f"a plan's line must begin with one of * + = -, got {line!r}")
    return Plan(tuple(openers), tuple(lead), tuple((titles, tuple(body)) for titles, body in sections))
