"""Finds names that a notebook uses and nobody has defined, before a student does.

Knows: Python's scopes, cell by cell in the order of the notebook. Does not know: what the names are for.
"""

from __future__ import annotations

import builtins
import symtable

# What IPython puts into every notebook.
ALWAYS = frozenset(dir(builtins)) | {"get_ipython", "display", "__name__"}


def undefined(codes: list[str]) -> list[tuple[int, str]]:
    """(number of the cell, name) of every name used in a cell that neither it nor an earlier cell defines.

    Args:
        codes: the texts of the code cells, in order; IPython magics are allowed.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    known, missing = set(ALWAYS), []
    for number, code in enumerate(codes):
        try:
            table = symtable.symtable(TransformerManager().transform_cell(code), f"cell {number}", "exec")
        except SyntaxError as error:
            wanted = "every code cell has to be valid Python or IPython"
            raise ValueError(f"code cell {number} does not parse, line {error.lineno}: {error.msg}; {wanted}") from None
        defined, used = _names(table)
        known |= defined
        missing += [(number, name) for name in sorted(used - known)]
    return missing


def _names(table) -> tuple[set[str], set[str]]:
    """Global names that a scope and the scopes in it (define, use)."""
    module = table.get_type() == "module"
    defined, used = set(), set()
    for symbol in table.get_symbols():
        if module or symbol.is_global():
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                defined.add(symbol.get_name())
            if symbol.is_referenced():
                used.add(symbol.get_name())
    for child in table.get_children():
        inner_defined, inner_used = _names(child)
        defined |= inner_defined
        used |= inner_used
    return defined, used
