"""The definitions that are carried into the room, as one text: what the units declare, and what that is made of.

Knows: how a definition names others. Does not know: units, what is declared, the room. Reads source, imports nothing.
"""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from typing import NamedTuple

from ...common import source


class Definitions(NamedTuple):
    """`nodes`: (module, definition), each after those that it needs; `imports`: lines of what they use from elsewhere;
    `answers`: {name: reference} of the answers to exercises that they would use."""

    nodes: list[tuple[str, ast.stmt]]
    imports: list[str]
    answers: dict[str, str]

    def text(self) -> str:
        head = "\n".join(["from __future__ import annotations", *self.imports])
        return "\n\n\n".join([head, *(source.text(*one) for one in self.nodes)]) + "\n"


def definitions(carried: dict[str, tuple], references: list[str]) -> Definitions:
    """What is carried, with all that it uses.

    Args:
        carried: names by module, which is given without the package's name.
        references: "specdec_course.module:name" of the answers to exercises. None of them is carried: in the room its
            name stands for the function that is lent.

    Raises ValueError where two definitions have one name, or one cannot be found.
    """
    answers = {source.home(*reference.split(":")): reference for reference in references}
    found, imports, missed, after = {}, set(), {}, {}
    waiting = [(f"{source.PACKAGE}.{module}", name) for module, names in carried.items() for name in names]
    while waiting:
        module, name = source.home(*waiting.pop(0))
        if found.setdefault(name, module) != module:
            raise ValueError(f"{found[name]} and {module} both define {name}, which is carried: rename one of them")
        after.setdefault(module, set())
        for used in _names_used(module, name):
            there = source.home(module, used)
            if there in answers:
                missed[used] = answers[there]
            elif source.path_of(there[0]) is None:
                imports.add(_import(used, *there))
            elif used not in found:
                after[module] |= {there[0]} - {module}
                waiting.append((module, used))
    nodes = [(module, node) for module in TopologicalSorter(after).static_order()
             for node in source.tree(module).body if any(found.get(one) == module for one in source.defined(node))]
    return Definitions(nodes, sorted(imports), missed)


def _names_used(module: str, name: str) -> list[str]:
    """The names of its module that a definition uses."""
    known = source.bindings(module)
    if name not in known:
        raise ValueError(f"{module} defines no {name}, which is to be carried into the room")
    return sorted({one.id for one in ast.walk(known[name]) if isinstance(one, ast.Name)} & known.keys() - {name})


def _import(used: str, module: str, name: str | None) -> str:
    if name is None:
        return f"import {module}" if used == module else f"import {module} as {used}"
    return f"from {module} import {name}" if used == name else f"from {module} import {name} as {used}"
