"""Formulas as MathML, which browsers draw themselves: no script, no fonts from elsewhere, in the page's own colour.

Knows: docutils' translator of LaTeX. Does not know: what a formula means.
"""

from __future__ import annotations

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import SphinxError


def mathml(tex: str, block: bool) -> str:
    """A formula as a <math> element. SphinxError for what the translator does not know."""
    try:
        return tex2mathml(tex.strip().replace(r"\dots", r"\ldots"), as_block=block)
    except MathError as error:
        raise SphinxError(f"the formula {tex.strip()!r} cannot be written as MathML: {error}") from None


def inline(writer, node) -> None:
    writer.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def block(writer, node) -> None:
    writer.body.append(f'<div class="formula">{mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode
