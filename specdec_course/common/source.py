"""The package's own source, read and not imported: where a name is defined, what a module is made of.

Knows: files, Python's import statements, those inside functions too. Does not know: what any module is for.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import textwrap
import tokenize
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]
PACKAGE = FOLDER.name
DEFINITION = (ast.FunctionDef, ast.ClassDef)


@functools.cache
def path_of(module: str) -> Path | None:
    """The file of a module of this package; None for a module of others, or none."""
    if module.partition(".")[0] != PACKAGE:
        return None
    base = FOLDER.joinpath(*module.split(".")[1:])
    files = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in files if path.is_file()), None)


def modules_in(*parts: str) -> list[str]:
    """The names of all modules below a folder of the package, the package itself included."""
    found = sorted(FOLDER.joinpath(*parts).rglob("*.py"))
    names = [path.relative_to(FOLDER.parent).with_suffix("").parts for path in found]
    return [".".join(name[:-1] if name[-1] == "__init__" else name) for name in names]


@functools.cache
def tree(module: str) -> ast.Module:
    """The syntax tree of a module; ValueError if the package has no such module."""
    if path_of(module) is None:
        raise ValueError(f"{PACKAGE} has no module {module}: is the name in a reference or in CARRIED wrong?")
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


@functools.cache
def _nodes(module: str) -> list[ast.AST]:
    return list(ast.walk(tree(module)))


@functools.cache
def bindings(module: str) -> dict[str, ast.stmt]:
    """The statement that gives a name of a module its meaning. An import inside a function counts where the module
    says nothing else of the name: that is how a package offers what is heavy."""
    found = {}
    for node in [*_nodes(module), *tree(module).body]:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.partition(".")[0]: node for alias in node.names}
    return found | {name: node for node in tree(module).body for name in defined(node)}


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement defines: a function, a class, or what is assigned."""
    if isinstance(node, DEFINITION):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]


def origin(module: str, node: ast.ImportFrom) -> str:
    """The full name of the module that `from ... import ...` reads from."""
    parts = module.split(".")
    package = parts if path_of(module).name == "__init__.py" else parts[:-1]
    above = package[: len(package) - node.level + 1] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def home(module: str, name: str) -> tuple[str, str | None]:
    """(module, name) where a name of a module is defined, however often it is imported on the way; (module, None)
    where the name is that of a module. Other packages are not looked into."""
    node = bindings(module).get(name)
    if isinstance(node, ast.Import):
        return next(alias.name for alias in node.names if name in (alias.asname, alias.name.partition(".")[0])), None
    if isinstance(node, ast.ImportFrom):
        there = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
        source = origin(module, node)
        return home(source, there) if path_of(source) and (source, there) != (module, name) else (source, there)
    if node is None and path_of(f"{module}.{name}"):
        return f"{module}.{name}", None
    return module, name


@functools.cache
def links(module: str) -> list[tuple[str, str]]:
    """(module of this package, name there or "") of all that a module imports from the package."""
    found = set()
    for node in _nodes(module):
        if isinstance(node, ast.ImportFrom) and path_of(source := origin(module, node)):
            found |= {home(source, alias.name) if alias.name != "*" else (source, None) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {(alias.name, None) for alias in node.names}
    return sorted((there, name or "") for there, name in found if path_of(there))


def closure(modules: Iterable[str]) -> set[str]:
    """These modules and all of the package that they import, directly or not. A name that a package only passes on
    leads to where it is defined, and not to whatever else is passed on there."""
    found, waiting = set(), [module for module in modules if path_of(module)]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [there for there, _ in links(module)]
    return found


def digest(modules: Iterable[str]) -> str:
    """A hash of what these modules do, with all that they import. Names of files have no part in it, and neither have
    comments and docstrings: a module that is moved, or explained better, leaves it as it is."""
    texts = sorted(f"{_text(module)}\n{sorted((name, _short(there)) for there, name in links(module))}"
                   for module in closure(modules))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


@functools.cache
def _short(module: str) -> str:
    return hashlib.sha256(_text(module).encode()).hexdigest()


def _text(module: str) -> str:
    return "\n".join(line for line in _lines(module) if line)


def text(module: str, node: ast.stmt) -> str:
    """A statement of a module as it is written, with its decorators."""
    return "\n".join(path_of(module).read_text(encoding="utf-8").splitlines()[_first(node) : node.end_lineno])


def code(module: str, node: ast.stmt) -> str:
    """The same without comments and docstrings."""
    return "\n".join(line for line in _lines(module)[_first(node) : node.end_lineno] if line)


def _first(node: ast.stmt) -> int:
    return min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))]) - 1


@functools.cache
def _lines(module: str) -> list[str]:
    """A module's lines, empty where there were comments, docstrings and imports from the package only. Lines, for those
    are the same to every version of Python."""
    source = path_of(module).read_text(encoding="utf-8")
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in _nodes(module):
        if _is_docstring_of(node) or isinstance(node, ast.ImportFrom) and path_of(origin(module, node)):
            node = node.body[0] if hasattr(node, "body") else node
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return [line.rstrip() for line in lines]


def without_docstring(source: str) -> str:
    """The text of one function or class without its docstring; as it is where nothing else would be left."""
    lines = textwrap.dedent(source).rstrip().split("\n")
    (made,) = ast.parse("\n".join(lines)).body
    first = made.body[0]
    if ast.get_docstring(made) is not None and len(made.body) > 1:
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)


def _is_docstring_of(node: ast.AST) -> bool:
    return isinstance(node, (ast.Module, *DEFINITION)) and ast.get_docstring(node, clean=False) is not None
