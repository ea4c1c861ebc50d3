"""A text drawn token by token: lines of words with coloured ground, shared by every picture that shows a text.

Knows: the font, how tokens are laid out in lines and drawn. Does not know: what a colour means, rounds, tables.
"""

from __future__ import annotations

import functools
import html

from .style import ACCEPTED, BONUS, CORRECTED, PROMPT, picture

FILL = {"accepted": ACCEPTED, "corrected": CORRECTED, "bonus": BONUS, "prompt": PROMPT}
CHAR_WIDTH = 0.602  # of a DejaVu Sans Mono character, in font sizes
FONT_SIZE = 10.5
GAP = 0.35  # characters between two tokens


def text_picture(tokens, width: float, above: float, below: float):
    """The tokens in lines, as a matplotlib Figure `width` inches wide with room for a legend at its foot.

    Args:
        tokens: (text, kind, number or None) each; kind is a key of FILL, a number stands above its token.
        above: room above a line of text, in heights of a letter. below: room for the legend, in inches.
    """
    columns = int(width * 72 / (FONT_SIZE * CHAR_WIDTH)) - 2
    lines = wrapped(tokens, columns)
    row = FONT_SIZE * (1.7 + above) / 72  # inches per line of text
    height = row * (len(lines) + 0.5) + below
    figure = picture(width, height)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.set_xlim(-1, columns + 1)
    axis.set_ylim(height / row, 0)
    for number, line in enumerate(lines):
        for column, token in line:
            _draw(axis, column, number + 0.5 + above / 3, *token)
    return figure


def text_page(tokens, legend, note: str = "") -> str:
    """The same text as HTML, which can be selected, searched and read aloud.

    Args:
        tokens: as for `text_picture`. legend: (kind, text) pairs. note: a line below the legend.
    """
    spans = []
    for text, kind, number in tokens:
        mark = "" if number is None else f'<sup style="opacity: .7; margin-left: .4em">{number}</sup>'
        shown = f'<span title="{kind}" style="{_ground(kind)}">{html.escape(text)}</span>'
        spans.append(f'<span style="white-space: pre">{mark}{shown}</span><wbr>')
    named = (f'<span style="{_ground(kind)}; margin-right: 1em">{html.escape(words)}</span>' for kind, words in legend)
    return (
        '<div style="max-width: 60em"><div style="font-family: monospace; white-space: pre-wrap; line-height: 2">'
        f'{"".join(spans)}</div><div style="font-size: 90%; line-height: 1.9">{" ".join(named)}<br>{html.escape(note)}'
        "</div></div>"
    )


def _ground(kind: str) -> str:
    """A tint and a line below: whole, dashed, double or thin, so that the kinds differ without their colours too."""
    line = {"accepted": "2px solid", "corrected": "2px dashed", "bonus": "4px double"}.get(kind, "1px dotted")
    return f"background: {FILL[kind]}40; border-bottom: {line} {FILL[kind]}; padding: 1px; margin-right: 1px"


def readable(piece: str) -> str:
    """A token as it can be drawn: line ends become arrows, what the font lacks a box; never empty."""
    known = _font_characters()
    piece = piece.replace("\r", "").replace("\n", "\u21b5").replace("\t", "\u21e5")
    return "".join(c if ord(c) in known else "\u25a1" for c in piece) or "\u00b7"


@functools.cache
def _font_characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans Mono")).get_charmap())


def wrapped(tokens, columns: int):
    """Lines of (column, token): a token stands on one line, a round's first token has room for its number."""
    lines, line, column = [], [], 0.0
    for token in tokens:
        text, _, begins = token
        size = min(len(text), columns)
        lead = 1.2 if begins is not None and line else GAP if line else 0.0  # rounds are set apart
        if line and column + lead + size > columns:
            lines.append(line)
            line, column, lead = [], 0.0, 0.0
        line.append((column + lead, (text[:columns], token[1], begins)))
        column += lead + size
    return [*lines, line] if line else lines or [[]]


def _draw(axis, column: float, y: float, text: str, kind: str, begins: int | None) -> None:
    from matplotlib.patches import Rectangle

    colour = FILL[kind]
    alpha = 0.16 if kind == "prompt" else 0.30
    left, width = column - 0.1, len(text) + 0.2
    axis.add_patch(Rectangle((left, y - 0.32), width, 0.62, facecolor=colour, alpha=alpha, linewidth=0))
    axis.add_patch(Rectangle((left, y + 0.24), width, 0.075, facecolor=colour, linewidth=0))
    for place, character in enumerate(text):  # one by one: the columns then hold whatever the renderer does
        if character != " ":
            axis.text(column + place + 0.5, y + 0.13, character, family="DejaVu Sans Mono", fontsize=FONT_SIZE,
                      ha="center", va="baseline", color="#555555" if kind == "prompt" else "#111111", parse_math=False)
    if begins is not None:
        axis.text(column - 0.1, y - 0.37, str(begins), fontsize=FONT_SIZE * 0.64, color="#666666", va="bottom")
