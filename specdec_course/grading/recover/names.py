"""Which names a cell binds and uses, so that only those provided cells are run whose names somebody needs.

Knows: Python's scopes. Does not know: notebooks, exercises, what the names are for.
"""

from __future__ import annotations

import ast
import re
import symtable
from dataclasses import dataclass

from .code import Plain

NONE: frozenset[str] = frozenset()
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^(\w+)[ \t]*=(?!=)", re.MULTILINE)


@dataclass(frozen=True)
class Names:
    """Global names of one cell. `binds`: set or deleted by it; `surely`: set whenever it runs to its end; `defines`: by
    `def` or `class`; `imports`: by an import; `changes`: changed in place; `now`: used while it runs; `later`: used
    when its functions are called."""

    binds: frozenset[str] = NONE
    surely: frozenset[str] = NONE
    defines: frozenset[str] = NONE
    imports: frozenset[str] = NONE
    changes: frozenset[str] = NONE
    now: frozenset[str] = NONE
    later: frozenset[str] = NONE


def defined_in(source: str) -> frozenset[str]:
    """What a cell seems to define, also where it does not parse."""
    return frozenset(_DEFINITION.findall(source))


def names_of(plain: Plain) -> Names:
    if plain.tree is None:  # it will not run; but this is the place where the student meant to define something
        defines = defined_in(plain.source)
        return Names(binds=defines | set(_ASSIGNMENT.findall(plain.source)), surely=defines, defines=defines)
    try:
        table = symtable.symtable(plain.source, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # what only the compiler finds, such as `return`
        defines = defined_in(plain.source)
        return Names(binds=defines, surely=defines, defines=defines)
    binds, now, later = set(), set(), set()
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            binds.add(symbol.get_name())
        if symbol.is_referenced():
            now.add(symbol.get_name())
    for scope, is_later in _scopes_below(table):
        for symbol in scope.get_symbols():
            if symbol.is_global():
                (later if is_later else now).update({symbol.get_name()} if symbol.is_referenced() else ())
    outside = list(_outside_functions(plain.tree))
    return Names(
        binds=frozenset(binds),
        surely=frozenset(name for line in plain.tree.body for name in _set_by(line)),
        defines=frozenset(node.name for node in outside if isinstance(node, (*_FUNCTIONS, ast.ClassDef))),
        imports=frozenset(name for node in outside for name in _imported(node)),
        changes=frozenset(_changed(outside)),
        now=frozenset(now),
        later=frozenset(later),
    )


def _scopes_below(table):
    """(scope, whether its code runs only when something is called) of all scopes inside a module."""
    waiting = [(child, False) for child in table.get_children()]
    while waiting:
        scope, is_later = waiting.pop()
        is_later = is_later or scope.get_type() == "function"
        yield scope, is_later
        waiting += [(child, is_later) for child in scope.get_children()]


def _outside_functions(tree: ast.Module):
    """All nodes whose code runs with the cell: bodies of functions and classes are left out."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _changed(outside: list[ast.AST]) -> set[str]:
    """Names of objects that are changed in place: `x[0] = 1`, `x.a = 1`, `x.append(1)`."""
    roots = set()
    for node in outside:
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            roots.add(_root(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            roots.add(_root(function) if isinstance(function, ast.Attribute) else "")
    return roots - {""}


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _set_by(line: ast.stmt) -> list[str]:
    """Names that a statement at the top of a cell is certain to set."""
    if isinstance(line, (*_FUNCTIONS, ast.ClassDef)):
        return [line.name]
    if isinstance(line, (ast.Import, ast.ImportFrom)):
        return _imported(line)
    targets = line.targets if isinstance(line, ast.Assign) else []
    if isinstance(line, ast.AnnAssign) and line.value is not None:
        targets = [line.target]
    return [
        node.id
        for target in targets
        for node in ast.walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def used_by_definitions(plain: Plain) -> dict[str, frozenset[str]]:
    """What each name that a cell sets at its top reads, in bodies too."""
    found: dict[str, frozenset[str]] = {}
    for line in plain.tree.body if plain.tree else ():
        read = frozenset(
            node.id for node in ast.walk(line) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        )
        for name in _set_by(line):
            found[name] = found.get(name, NONE) | read
    return found


def _imported(node: ast.AST) -> list[str]:
    names = node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else []
    return [(alias.asname or alias.name).partition(".")[0] for alias in names]


def only_imports(plain: Plain) -> bool:
    """Whether a cell only imports, sets the environment, says something, and asks in vain what must be installed."""
    return plain.tree is not None and all(
        isinstance(line, (ast.Import, ast.ImportFrom, ast.Pass))
        or (isinstance(line, ast.Expr)
            and (isinstance(line.value, ast.Constant) or _sets_environment(line.value) or _says(line.value)))
        or (isinstance(line, ast.If) and isinstance(line.test, ast.Constant) and not line.test.value)
        for line in plain.tree.body
    )


def _sets_environment(value: ast.expr) -> bool:
    """`os.environ.setdefault("A", "b")`, as setup cells have it."""
    function = value.func if isinstance(value, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr == "setdefault" and _root(function) == "os"


def _says(value: ast.expr) -> bool:
    """`print("Loading ...")`, as setup cells have it."""
    plain = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"
    return plain and all(isinstance(one, ast.Constant) for one in value.args) and not value.keywords


def called(plain: Plain) -> list[tuple[str, str]]:
    """(function, first argument) of every line of a cell that is nothing but such calls of plain names; else []."""
    lines = plain.tree.body if plain.tree else []
    found = []
    for line in lines:
        call = line.value if isinstance(line, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return []
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if not all(isinstance(value, (ast.Name, ast.Constant)) for value in given):
            return []
        first = given[0] if given else None
        named = first.id if isinstance(first, ast.Name) else getattr(first, "value", "")
        found.append((call.func.id, named if isinstance(named, str) else ""))
    return found
