"""Reads a unit's source, `solutions/<unit>/<unit>.py`, into a list of cells.

Knows: jupytext's py:percent format and the markers of this course. Does not know: exercises' points,
nbgrader.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

MARKERS = "`# %% setup`, `# %% [markdown]`, `# %%`, `# %% folded` and `# %% exercise: NAME`"


@dataclass(frozen=True)
class Cell:
    """One cell of a source: `kind` is "setup", "markdown", "code", "folded" or "exercise"; `name` is the exercise's.

    Of a folded cell Lab shows the first line, a comment that says what it does, and the rest at a click: code that
    measures or draws, which nobody has to read to go on.
    """

    kind: str
    text: str
    name: str = ""


def read_source(path: Path) -> list[Cell]:
    """The cells of a unit's source, in order.

    Raises ValueError when the file is missing, a marker is unknown, or the first cell is not the setup.
    """
    import jupytext

    if not path.is_file():
        raise ValueError(f"{path} is missing: a unit is a folder with a source of the same name in it")
    cells = [_cell(node, path) for node in jupytext.read(path, fmt="py:percent").cells]
    if [number for number, cell in enumerate(cells) if cell.kind == "setup"] != [0]:
        raise ValueError(f"{path}: the first cell, and no other, must be `# %% setup` (the unit's imports)")
    return cells


def _cell(node, path: Path) -> Cell:
    if node.cell_type == "markdown":
        return Cell("markdown", node.source)
    # jupytext keeps what follows `# %%` as the cell's title; it has no other use here, so a misspelt marker
    # is found.
    title = node.metadata.get("title", "").strip()
    if node.cell_type != "code" or title not in ("", "setup", "folded") and not title.startswith("exercise:"):
        raise ValueError(f"{path}: unknown marker `# %% {title or node.cell_type}`; known are {MARKERS}")
    if title.startswith("exercise:"):
        return Cell("exercise", node.source, title.removeprefix("exercise:").strip())
    if title == "folded" and not node.source.startswith("# "):
        first = node.source.splitlines()[0]
        raise ValueError(f"{path}: a folded cell begins with {first!r}; expected a comment that says what the cell "
                         "does: its other lines are not seen")
    return Cell(title or "code", node.source)


OPENINGS = ("**You will**", "**You need**")  # of the paragraphs below the title that say what the unit is for


def split_title(cells: list[Cell], path: Path) -> tuple[str, str, list[Cell]]:
    """The unit's title (the level-1 heading that opens its first markdown cell), the paragraphs right below it that say
    what one will learn and need, and the cells without them."""
    for number, cell in enumerate(cells):
        if cell.kind == "markdown":
            heading, _, rest = cell.text.partition("\n")
            if heading.startswith("# "):
                paragraphs = re.split(r"\n\n+", rest.strip("\n"))
                about = [*itertools.takewhile(lambda one: one.startswith(OPENINGS), paragraphs)]
                text = "\n\n".join(paragraphs[len(about) :])
                kept = [Cell("markdown", text)] if text.strip() else []
                return heading[2:].strip(), "\n\n".join(about), cells[:number] + kept + cells[number + 1 :]
            break
    raise ValueError(f"{path}: the first markdown cell must open with the unit's title, `# # Title`")
