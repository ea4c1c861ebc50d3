"""A cell is run as IPython would run it: with `await` at its top, with imports from the future that last, with `_`.

Where something that is not here was used, in this cell or for what it builds on, and a statement then fails, what
stands below it is run all the same: with the whole package it would not have failed. So it is where a statement fails
for what a room refuses: files, other programs, the network, packages that are not here.

Knows: Python code. Does not know: exercises, sockets. Stands alone: it is carried into the room.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import inspect
import sys

import absent

FUTURE = __future__.annotations.compiler_flag
REFUSED = (OSError, ImportError)


class Cells:
    """Runs cells in one namespace, one after the other."""

    def __init__(self, space: dict):
        self.space, self.flags, self.loop = space, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, None
        sys.displayhook = self._keep

    def run(self, source: str, name: str) -> None:
        """Raises what the cell raises. `name` stands in tracebacks."""
        code = compile(source, name, "exec", self.flags, dont_inherit=True)  # all of it, or nothing runs
        self.flags |= code.co_flags & FUTURE
        lines = ast.parse(source, name).body
        shown = [lines.pop()] if lines and isinstance(lines[-1], ast.Expr) else []
        before = absent.uses()
        try:
            if lines:
                self._execute(ast.Module(lines, []), name)
            if shown:
                self._execute(ast.Interactive(shown), name)
        except Exception as error:
            if absent.uses() != before or absent.calls() or isinstance(error, REFUSED):
                self._go_on([*lines, *shown], name, _line_of(error, name))
            raise

    def _execute(self, tree, name: str) -> None:
        kind = "single" if isinstance(tree, ast.Interactive) else "exec"
        waiting = eval(compile(tree, name, kind, self.flags, dont_inherit=True), self.space)
        if inspect.iscoroutine(waiting):
            self.loop = self.loop or asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(waiting)

    def _go_on(self, lines: list, name: str, failed: int) -> None:
        """Runs what stands below the line that failed. Names that a failing statement would have set are not here."""
        for line in lines:
            first = min([line.lineno, *(one.lineno for one in getattr(line, "decorator_list", []))])
            if first > failed:
                try:
                    self._execute(ast.Module([line], []), name)
                    continue
                except Exception:  # noqa: S110
                    pass
            if first > failed or line.end_lineno >= failed:
                for bound in _set_by(line):
                    self.space.setdefault(bound, absent.NotHereWhileGraded(bound))

    def _keep(self, value) -> None:
        """What the last line of a cell shows is kept as `_`; nobody looks at it."""
        if value is not None:
            self.space["_"] = value


def _line_of(error: BaseException, name: str) -> int:
    """The line of the cell in which it failed."""
    found, trace = sys.maxsize, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == name and code.co_name == "<module>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _set_by(line: ast.stmt):
    if isinstance(line, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    for node in ast.walk(line):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((one.asname or one.name).partition(".")[0] for one in node.names if one.name != "*")
