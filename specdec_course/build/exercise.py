"""Writes the solution cell of an exercise from the package's own function or class.

Knows: how Python source splits into signature, docstring and body, and nbgrader's solution marks. The
signature and the docstring always come from the package, so a contract is written once; the body comes from
there too, or from a teaching solution. Does not know: what the exercise is about, points, notebooks.
"""

from __future__ import annotations

import ast
import io
import textwrap
import tokenize

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def solution_cell(name: str, package_source: str, teaching_source: str = "") -> str:
    """The text of the solution cell: the contract, and every body between nbgrader's marks.

    Args:
        name: the function's or class's name.
        package_source: its source in the package (`inspect.getsource`), with docstrings.
        teaching_source: another solution, the whole `def` or `class`; its bodies are then used.

    Raises ValueError when the source cannot stand alone in a notebook: a decorator, no docstring, a body on
    the `def` line, a helper beside the function, or a teaching solution whose arguments differ.
    """
    contract, lines = _parse(name, package_source, "the package's source")
    answer, answer_lines = contract, lines
    if teaching_source.strip():
        answer, answer_lines = _parse(name, teaching_source, "the teaching solution")
    if contract.decorator_list:
        raise ValueError(f"{name}: the package's function has a decorator, which the notebook could not show")
    if not ast.get_docstring(contract):
        raise ValueError(f"{name} has no docstring in the package; the docstring is the contract")
    write = _class_cell if isinstance(contract, ast.ClassDef) else _function_cell
    return "\n".join(write(name, contract, lines, answer, answer_lines))


def _parse(name: str, source: str, what: str):
    """(node, lines) of the only statement in `source`, which must define `name`."""
    source = textwrap.dedent(source)
    body = ast.parse(source).body
    if len(body) != 1 or getattr(body[0], "name", None) != name:
        raise ValueError(f"{name}: {what} must define {name} and nothing beside it; put helpers inside it")
    return body[0], source.splitlines()


def _function_cell(name, contract, lines, answer, answer_lines, also=()) -> list[str]:
    """Signature and docstring of `contract`, the body of `answer`; `also` is hidden with the body."""
    wanted, given = _arguments(contract), _arguments(answer)
    if wanted != given:
        raise ValueError(
            f"{name}: the teaching solution takes ({', '.join(given)}), the package ({', '.join(wanted)}); "
            "they must have the same arguments"
        )
    head = lines[_first_line(contract) - 1 : _body_start(name, contract, lines) - 1]
    body = answer_lines[_body_start(name, answer, answer_lines) - 1 : answer.end_lineno]
    margin = " " * (contract.col_offset + 4)
    return [*head, margin + BEGIN, *body, *also, margin + END]


def _class_cell(name, contract, lines, answer, answer_lines) -> list[str]:
    """Every public method keeps its contract; private ones hide in the region of the method before."""
    hidden = _private_methods(name, answer, answer_lines)
    answers = {item.name: item for item in answer.body if isinstance(item, ast.FunctionDef)}
    cell = lines[: contract.body[0].end_lineno]
    for item in contract.body[1:]:
        if not isinstance(item, ast.FunctionDef):
            cell += ["", *lines[item.lineno - 1 : item.end_lineno]]
        elif not _is_private(item):
            if item.name not in answers:
                raise ValueError(f"{name}: the teaching solution has no method {item.name}")
            method = answers[item.name]
            also = hidden.get(item.name, [])
            cell += ["", *_function_cell(f"{name}.{item.name}", item, lines, method, answer_lines, also)]
    return cell


def _private_methods(name, node: ast.ClassDef, lines: list[str]) -> dict[str, list[str]]:
    """The lines of the private methods that follow each public method."""
    hidden: dict[str, list[str]] = {}
    owner = None
    for item, before in zip(node.body, [None, *node.body], strict=False):
        if not isinstance(item, ast.FunctionDef):
            owner = None
        elif not _is_private(item):
            owner = item.name
        elif owner is None:
            raise ValueError(f"{name}: put {item.name} directly below a public method, to be hidden with it")
        else:
            hidden.setdefault(owner, []).extend(lines[before.end_lineno : item.end_lineno])
    return hidden


def _is_private(item: ast.FunctionDef) -> bool:
    return item.name.startswith("_") and not item.name.endswith("__")


def _arguments(node) -> list[str]:
    a = node.args
    named = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return named + ["*" + x.arg for x in (a.vararg, a.kwarg) if x]


def _first_line(node) -> int:
    return node.decorator_list[0].lineno if node.decorator_list else node.lineno


def _body_start(name: str, node, lines: list[str]) -> int:
    """The line (from 1) after the docstring, or after the signature where there is no docstring."""
    if ast.get_docstring(node):
        if len(node.body) == 1:
            raise ValueError(f"{name}: nothing follows the docstring")
        return node.body[0].end_lineno + 1
    end = _signature_end(node, lines)
    if node.body[0].lineno == end:
        raise ValueError(f"{name}: write the body on lines of its own, below the signature")
    return end + 1


def _signature_end(node, lines: list[str]) -> int:
    """The line (from 1) of the colon that ends the signature; comments below it belong to the body."""
    depth = 0
    code = textwrap.dedent("\n".join(lines[node.lineno - 1 :]))
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        depth += (token.string in ("(", "[", "{")) - (token.string in (")", "]", "}"))
        if token.string == ":" and depth == 0:
            return node.lineno - 1 + token.start[0]
    raise ValueError(f"{node.name} has a signature without an end")
