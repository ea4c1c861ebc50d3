"""From the bytes of a file to a list of cells, whatever has happened to the file on its way.

Knows: nbformat 3 and 4, text encodings, merge conflicts, huge outputs, scripts with cell marks. Does not know: what is
in a cell, exercises, where the file came from.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import warnings
from dataclasses import dataclass

from .damage import Unreadable, clean, printable, sides, what_is_broken, without_outputs

LARGE = 2_000_000  # bytes from which outputs are cut away before the file is parsed
MOST_LEFT = 8_000_000  # bytes that may be left after that
MOST_CELLS = 1_000
MOST_SCRIPT, LONGEST_MARK = 1_000_000, 2_000  # characters of a script, of one mark between its cells
_MARK = re.compile(r"^[ \t]*#[ \t]*(?:%%|In ?\[|<codecell>|<markdowncell>).*", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One cell as the student left it. `kind` is "code", "markdown" or "raw"; `grade_id` nbgrader's name of it."""

    source: str
    kind: str = "code"
    grade_id: str | None = None


@dataclass(frozen=True)
class Reading:
    """What a file says: its cells, and remarks for the student. `side`: of a merge conflict in the file, or ""."""

    cells: tuple[Cell, ...]
    remarks: tuple[str, ...]
    side: str = ""


def notebook_cells(data: bytes) -> tuple[list[Cell], list[str]]:
    """(cells, remarks) of a notebook file; of a merge conflict the first side that is a notebook. Raises Unreadable."""
    first = notebook_readings(data)[0]
    return list(first.cells), list(first.remarks)


def notebook_readings(data: bytes) -> list[Reading]:
    """All readings of a notebook file: one, or the sides of a merge conflict that are notebooks. Raises Unreadable."""
    remarks: list[str] = []
    if not data.strip():
        raise Unreadable("is empty")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
        remarks.append("The file was in UTF-16; notebooks are in UTF-8.")
    if len(data) > LARGE:
        data = without_outputs(data)
        if len(data) > MOST_LEFT:
            raise Unreadable(f"holds {len(data) / 1e6:.0f} MB even without its outputs; a notebook of the course: 0.1")
    return [_reading(side, notebook, remarks) for side, notebook in _parsed(_text(data, remarks))]


def _reading(side: str, notebook, before: list[str]) -> Reading:
    remarks = list(before)
    if not isinstance(notebook, dict) or not ({"cells", "worksheets"} & notebook.keys()):
        raise Unreadable('is JSON, but no notebook: expected an object with a list of "cells"')
    cells = _cells(_as_version_4(notebook, remarks), remarks)
    return Reading(tuple(cells), tuple(remarks), side)


def script_readings(data: bytes) -> list[Reading]:
    """The same for a notebook that was saved as a Python script, with `# %%` or `# In[1]:` between cells."""
    remarks: list[str] = []
    if not data.strip():
        raise Unreadable("is empty")
    if len(data) > MOST_SCRIPT:
        raise Unreadable(f"is a script of {len(data) / 1e6:.0f} MB; expected a notebook")
    text = clean(_text(data, remarks))
    marks = [mark.end() - mark.start() for mark in _MARK.finditer(text)]  # the reader below takes their number squared
    if len(marks) > MOST_CELLS:
        raise Unreadable(f"has {len(marks)} cells; at most {MOST_CELLS} are read")
    if max(marks, default=0) > LONGEST_MARK:
        raise Unreadable(f"has a line of {max(marks)} characters between two cells; expected `# %%`")
    return [_script(whose, side, remarks) for whose, side in sides(text) or [("", text)]]


def script_cells(data: bytes) -> tuple[list[Cell], list[str]]:
    """(cells, remarks) of a script; of a merge conflict in it the upper side. Raises Unreadable."""
    first = script_readings(data)[0]
    return list(first.cells), list(first.remarks)


def _script(side: str, text: str, before: list[str]) -> Reading:
    remarks = list(before)
    try:
        import jupytext

        notebook = jupytext.reads(text, fmt="py:percent")
    except Exception:  # of many kinds, on files that are no scripts; one cell holds all of it then
        return Reading((Cell(text),), tuple(remarks), side)
    return Reading(tuple(_cells(notebook, remarks)), tuple(remarks), side)


def _text(data: bytes, remarks: list[str]) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        remarks.append("The file was not in UTF-8; it was read as Latin-1, so some letters may look wrong.")
        return data.decode("latin-1")


def _parsed(text: str) -> list[tuple[str, object]]:
    """(side of a merge conflict or "", JSON) of each reading of a text that is JSON."""
    try:
        return [("", _loads(text))]
    except ValueError as error:
        first = error
    found = []
    for whose, side in sides(text):
        with contextlib.suppress(ValueError):
            found.append((whose, _loads(side)))
    if not found:
        raise Unreadable(what_is_broken(text, first))
    return found


def _loads(text: str):
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable("is nested far too deeply to be a notebook") from None


def _as_version_4(notebook: dict, remarks: list[str]) -> dict:
    version = notebook.get("nbformat")
    if "cells" in notebook and (not isinstance(version, int) or version >= 4):
        if not isinstance(version, int):
            remarks.append("The notebook did not say its format; it was read as nbformat 4.")
        return notebook
    remarks.append(f"The notebook was in the old format nbformat {version if isinstance(version, int) else 3}.")
    try:
        import nbformat

        with _quiet():
            return nbformat.convert(nbformat.from_dict(notebook), 4)
    except Exception as error:  # nbformat raises many kinds, down to AttributeError, on damaged files
        raise Unreadable(f"is in an old notebook format and cannot be converted ({type(error).__name__})") from None


@contextlib.contextmanager
def _quiet():
    """nbformat logs and warns of what it finds in a student's file: that belongs in no terminal of a grader."""
    log = logging.getLogger("traitlets")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before


def _cells(notebook: dict, remarks: list[str]) -> list[Cell]:
    cells = notebook["cells"] if isinstance(notebook["cells"], list) else None
    if cells is None:
        raise Unreadable('is JSON, but no notebook: its "cells" are no list')
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"has {len(cells)} cells; at most {MOST_CELLS} are read")
    damaged = [number for number, cell in enumerate(cells, start=1) if _damage(cell)]
    if damaged:
        remarks.append(f"Some cells were damaged; what could be read was used: {_numbers(damaged)}.")
    remarks += _other_language(notebook.get("metadata"))
    return [_cell(cell) if isinstance(cell, dict) else Cell("", "raw") for cell in cells]


def _damage(cell) -> bool:
    """Whether a cell is not as the format says; missing ids and outputs do not matter here."""
    return (
        not isinstance(cell, dict)
        or not isinstance(cell.get("metadata", {}), dict)
        or not isinstance(cell.get("source", ""), (str, list))
        or cell.get("cell_type") not in ("code", "markdown", "raw")
    )


def _cell(cell: dict) -> Cell:
    source = cell.get("source", "")
    parts = source if isinstance(source, list) else [source]
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = about.get("grade_id") if isinstance(about, dict) else None
    kind = cell.get("cell_type")
    return Cell(
        clean("".join(part for part in parts if isinstance(part, str))),
        kind if kind in ("markdown", "raw") else "code",
        grade_id if isinstance(grade_id, str) else None,
    )


def _numbers(numbers: list[int]) -> str:
    text = ("cell " if len(numbers) == 1 else "cells ") + ", ".join(map(str, numbers[:10]))
    return text + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")


def _other_language(metadata) -> list[str]:
    """A remark where the notebook asks for a kernel that is not Python."""
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    name = kernel.get("name") if isinstance(kernel, dict) else None
    if not isinstance(name, str) or "py" in name.lower() or kernel.get("language") == "python":
        return []
    return [f"The notebook asks for the kernel `{printable(name)[:40]}`; it was run with the course's Python."]
