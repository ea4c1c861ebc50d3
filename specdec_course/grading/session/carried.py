"""The definitions that are carried into the room, as one text: what the units declare, and what that is made of.

Knows: how a definition names others. Does not know: units, what is declared, the room. Reads source, imports nothing.
"""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter

from ...common import source


def definitions(carried: dict[str, tuple], references: list[str]) -> tuple[str, dict[str, str]]:
    """(the text of what is carried and of what it uses, {name: reference} of the answers that it would use).

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
    texts = [ast.unparse(node) for module in TopologicalSorter(after).static_order()
             for node in source.tree(module).body if any(found.get(one) == module for one in source.defined(node))]
    return "\n\n\n".join(["\n".join(["from __future__ import annotations", *sorted(imports)]), *texts]) + "\n", missed


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
