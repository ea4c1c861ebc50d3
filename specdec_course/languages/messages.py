"""Finds what a program says to its reader: the texts in its modules, from their syntax trees.

Knows: Python's strings, which of them are prose, and how one with holes becomes a template ("{0} of {1} points"). Does
not know: who reads them, or in which language.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..common.source import path_of, tree

NO_PROSE = ("rests_on", "slip", "reference", "imitate", "mistake", "otherwise")  # arguments that are no words
SILENT_CALLS = ("re.compile", "re.split", "re.search", "re.fullmatch", "re.sub", "getattr", "hasattr", "open")
WORDS = re.compile(r"[A-Za-z'’-]*[a-z][A-Za-z'’-]*")
CODE = re.compile(r"`[^`]*`|<[^<>]*>|&\w+;")


@dataclass(frozen=True)
class Message:
    """A text of a program: `holes` says whether `{0}` in it stands for something that is filled in."""

    text: str
    module: str
    holes: bool = False


def messages_of(module: str) -> list[Message]:
    """The messages of one module of this package, in the order of its text, each once."""
    source = path_of(module).read_text(encoding="utf-8").splitlines()
    found = [Message(text, module, holes) for _, text, holes in sorted(_texts(tree(module), source))]
    return list(dict.fromkeys(found))


def _texts(node: ast.AST, source: list[str]) -> Iterator[tuple[tuple[int, int], str, bool]]:
    """(place, template, whether it has holes) of all prose below a node."""
    if _is_text(node):
        text, holes = template(node)
        if _is_prose(text, holes) and not _is_raw(node, source):
            yield (node.lineno, node.col_offset), text, holes
    if isinstance(node, ast.IfExp):  # "many" or "few": words that are put into another text
        for branch in (node.body, node.orelse):
            if isinstance(branch, ast.Constant) and isinstance(branch.value, str) and WORDS.fullmatch(branch.value):
                if all(isinstance(getattr(one, "value", None), str) for one in (node.body, node.orelse)):
                    yield (branch.lineno, branch.col_offset), branch.value, False
    for child in _below(node):
        yield from _texts(child, source)


def _below(node: ast.AST) -> list[ast.AST]:
    """The children of a node that may hold messages of their own."""
    if _is_text(node):
        return _holes(node)
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        return [*body, *getattr(node, "decorator_list", [])]
    if isinstance(node, ast.keyword) and node.arg in NO_PROSE:
        return []
    if isinstance(node, ast.Call) and (ast.unparse(node.func) in SILENT_CALLS or _is_encoded(node.func)):
        return []
    if isinstance(node, ast.Compare):
        return []
    if isinstance(node, ast.Subscript):
        return [node.value]
    return list(ast.iter_child_nodes(node))


def _is_encoded(function: ast.expr) -> bool:
    """Whether this is `"...".encode`: bytes are for no reader."""
    return isinstance(function, ast.Attribute) and function.attr == "encode"


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or isinstance(node, ast.Constant) and isinstance(node.value, str)


def _pieces(node: ast.AST) -> list[str | ast.expr]:
    """The pieces of a text, in order: literal ones as they are read, and what is filled in."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _is_text(node):
        return [*_pieces(node.left), *_pieces(node.right)]
    if isinstance(node, ast.JoinedStr):
        return [piece for value in node.values for piece in _pieces(value)]
    if isinstance(node, ast.FormattedValue):
        return [node.value]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else [node]


def _holes(node: ast.AST) -> list[ast.expr]:
    return [piece for piece in _pieces(node) if not isinstance(piece, str)]


def template(node: ast.AST) -> tuple[str, bool]:
    """The template of a text, with numbered holes, and whether it has any; without, braces stand as they are."""
    pieces = _pieces(node)
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces), False
    text, number = "", 0
    for piece in pieces:
        if isinstance(piece, str):
            text += piece.replace("{", "{{").replace("}", "}}")
        else:
            text += f"{{{number}}}"
            number += 1
    return text, True


def _is_raw(node: ast.AST, source: list[str]) -> bool:
    """Whether a text is written as r"...": a pattern."""
    return isinstance(node, ast.Constant) and source[node.lineno - 1][node.col_offset] in "rR"


def _is_prose(text: str, holes: bool) -> bool:
    """Two words that are no code, or one beside a hole."""
    bare = CODE.sub(" ", text)
    words = [word for word in WORDS.findall(bare) if len(word) > 1 or word == "a"]
    return len(words) >= (1 if holes else 2) and (" " in text.strip() or holes)
