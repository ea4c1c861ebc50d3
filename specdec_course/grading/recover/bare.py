"""What a cell defines, without what it does: run in place of a cell that takes too long.

Knows: Python statements. Does not know: cells, clocks. Nothing runs here.
"""

from __future__ import annotations

import ast

from .code import edited, parsed

_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)
_ASSIGNS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
_WAITS = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)


def bare(source: str, own: frozenset[str] = frozenset()) -> str:
    """The same cell with its functions, classes, imports and plain assignments alone; "" if there is none of these.

    Lines keep their numbers where that is possible. `own`: functions of the notebook: an assignment that calls one is
    no plain one.
    """
    tree = parsed(source)
    kept = [line for line in tree.body if _stays(line, own)] if tree else []
    if not any(not isinstance(line, ast.Pass) for line in kept):
        return ""
    left_out = [line for line in tree.body if line not in kept]
    text = edited(source, [(line, "pass" + "\n" * (line.end_lineno - line.lineno)) for line in left_out])
    try:
        return text if parsed(text) is not None else ast.unparse(ast.Module(kept, []))
    except RecursionError:  # code that no person has written
        return ""


def _stays(line: ast.stmt, own: frozenset[str]) -> bool:
    if isinstance(line, _DEFINES):
        return True
    if isinstance(line, _ASSIGNS):
        return _is_plain(line, own)
    if isinstance(line, ast.If):
        return _is_plain(line.test, own) and all(_stays(one, own) for one in line.body + line.orelse)
    if isinstance(line, ast.Try):
        handled = [one for handler in line.handlers for one in handler.body]
        return all(_stays(one, own) for one in line.body + handled + line.orelse + line.finalbody)
    return False


def _is_plain(code: ast.AST, own: frozenset[str]) -> bool:
    """Whether this is quickly worked out: it calls nothing of the notebook's own, and waits for nothing."""
    nodes = list(ast.walk(code))
    called = {_root(node.func) for node in nodes if isinstance(node, ast.Call)}
    return not called & own and not any(isinstance(node, _WAITS) for node in nodes)


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""

