"""Whether anything is written into a cell: a template is nobody's answer, whichever release it comes from.

Knows: what a template looks like (headings, docstrings, comments, `pass`, `...`, `raise NotImplementedError`). Does not
know: notebooks, exercises. Nothing is run here.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from .code import Plain, edited, parsed, with_bodies

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
MOST = 100_000  # characters; a longer cell is taken for written


def is_blank(source: str) -> bool:
    """Whether nothing is written into a cell."""
    return not written_names(source, frozenset({""}))


def written_names(source: str, names: frozenset[str]) -> frozenset[str]:
    """Which of these names a cell says something about: those that it defines with a body, and, where it does more than
    define, those that it does not define at all."""
    if len(source) > MOST:
        return names
    tree = parsed(source) or parsed(with_bodies(source + "\n"))
    if tree is None:
        return names
    bodies = {node.name: node for node in tree.body if isinstance(node, _DEFINITIONS)}
    says = any(map(_says, tree.body))
    return frozenset(name for name in names if (_says(bodies[name]) if name in bodies else says))


def _says(line: ast.stmt) -> bool:
    """Whether a statement is more than a template's."""
    if isinstance(line, _DEFINITIONS):
        return any(map(_says, line.body))
    if isinstance(line, (ast.Return, ast.Assign, ast.Expr, ast.AnnAssign)):
        return not (line.value is None or isinstance(line.value, ast.Constant) and (
            isinstance(line, ast.Expr) or line.value.value in (None, ...)))
    return not (isinstance(line, (ast.Pass, ast.Import, ast.ImportFrom)) or _refuses(line))


def _refuses(line: ast.stmt) -> bool:
    """`raise NotImplementedError`, with or without a text."""
    raised = line.exc if isinstance(line, ast.Raise) else None
    return getattr(getattr(raised, "func", raised), "id", "") == "NotImplementedError"


def reached(plain: Plain) -> Plain:
    """A cell without the template's `raise NotImplementedError` where the student's code stands below it: that code
    never ran, and is what was meant."""
    if plain.tree is None or "NotImplementedError" not in plain.source:
        return plain
    found = [
        (line, node.name) for node in ast.walk(plain.tree) if isinstance(node, _DEFINITIONS)
        for number, line in enumerate(node.body) if _refuses(line) and any(map(_says, node.body[number + 1 :]))
    ]  # fmt: skip
    if not found:
        return plain
    source = edited(plain.source, [(line, "pass") for line, _ in found])
    notes = [
        f"`raise NotImplementedError` still stood above the code of {name}, which never ran; it was left out. Delete "
        "that line." for name in dict.fromkeys(name for _, name in found)
    ]
    return replace(plain, source=source, notes=(*plain.notes, *notes), tree=parsed(source))
