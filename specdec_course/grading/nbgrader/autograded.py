"""The notebook that formgrader shows and `nbgrader generate_feedback` turns into a page: a submission with its marks.

Knows: nbformat, what nbgrader expects of a graded notebook, what in a student's notebook could do harm when shown.
Does not know: how marks came about. Nothing of a student's runs in the page or is loaded by it: outputs are cut to text
and pictures, the student's own markdown is shown as it was typed.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import json
import re
from pathlib import Path

from ..recover import files
from ..recover.formats import notebook_cells, script_cells
from .notebook import BONUS

TEXT, SOURCE, PICTURE, CELLS = 20_000, 200_000, 1_000_000, 1000  # characters of an output, a cell, a picture; cells
MOST_READ = 1_000_000_000  # bytes of files, in search of the one that was graded
LARGEST, THINGS = 20_000_000, 2_000_000  # bytes of a file, quotes and brackets in it, of which outputs are shown
PNG, SIGNATURE = "image/png", b"\x89PNG\r\n\x1a\n"
PIXELS = 100_000_000  # of all pictures together: a few hundred kilobytes can unpack to gigabytes where they are shown


def autograded_bytes(folder: Path | None, release: dict, record: dict) -> bytes:
    """The file of the graded notebook.

    Args:
        folder: the submission's folder. Without it, or without the file that was graded, the release is shown.
        release: the notebook that students got, as plain data.
        record: the submission's record.
    """
    cells = [_clean(cell) for cell in _submitted_cells(folder, record.get("file") or record["key"], release)[:CELLS]]
    _drop_huge_pictures(cells)
    provided = {_text(cell["source"]) for cell in release["cells"]}
    for cell in cells:
        if cell["cell_type"] != "code" and cell["source"] not in provided:
            cell["cell_type"], cell["source"] = "markdown", _verbatim(cell["source"])
    marked = _completed(_named(cells, release, record["answers"]), release)
    exercises = {exercise["name"]: exercise for exercise in record["exercises"]}
    for cell in marked:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["outputs"] = _verdict(cell, exercises, record["problem"])
    if record["problem"]:
        marked.insert(0, _note(f"This submission could not be graded: {record['problem']}"))
    for number, cell in enumerate(marked):
        cell["id"] = f"cell-{number}"
    notebook = {"cells": marked, "metadata": release["metadata"], "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(notebook, indent=1, sort_keys=True) + "\n").encode()


def _submitted_cells(folder: Path | None, key: str, release: dict) -> list[dict]:
    """The cells of the file that was graded; of the release if that is not there, or no cells can be had from it."""
    data = _graded_file(folder, key) if folder is not None else b""
    cells = _with_outputs(data)
    if not isinstance(cells, list):
        cells = _recovered(data) or release["cells"]
    return [cell for cell in cells if isinstance(cell, dict)]


def _with_outputs(data: bytes):
    """The cells of a notebook as they stand in the file; None where that is no notebook, or one made to fill memory."""
    if len(data) > LARGEST or sum(map(data.count, (b'"', b"[", b"{", b","))) > THINGS:
        return None
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
        return notebook["cells"] if notebook["nbformat"] == 4 else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _graded_file(folder: Path, key: str) -> bytes:
    """The content of the file in a student's folder that has this hash; b"" if there is none."""
    left = MOST_READ
    with contextlib.suppress(OSError):
        for name in sorted(files.look(folder)[0], key=lambda name: (not name.endswith(".ipynb"), name)):
            with contextlib.suppress(OSError, ValueError):
                data = files.read(folder, name)
                left -= len(data)
                if hashlib.sha256(data).hexdigest() == key:
                    return data
            if left < 0:
                break
    return b""


def _recovered(data: bytes) -> list[dict]:
    """The cells of a damaged or old notebook, or of a script; without outputs."""
    for read in (notebook_cells, script_cells):
        with contextlib.suppress(ValueError):
            return [
                {"cell_type": c.kind, "source": c.source, "metadata": {"nbgrader": {"grade_id": c.grade_id}}}
                for c in read(data)[0]
            ]
    return []


def _clean(cell: dict) -> dict:
    """A cell with nothing in it but text, plain outputs and the name that nbgrader gave it."""
    kind = cell.get("cell_type")
    metadata = cell.get("metadata")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = mark.get("grade_id") if isinstance(mark, dict) else None
    clean = {
        "cell_type": kind if kind in ("code", "markdown", "raw") else "raw",
        "metadata": {"nbgrader": {"grade_id": name}} if isinstance(name, str) else {},
        "source": _cut(cell.get("source"), SOURCE),
    }
    if kind == "code":
        outputs = cell.get("outputs")
        found = [_output(output) for output in (outputs[:100] if isinstance(outputs, list) else [])]
        clean |= {"execution_count": None, "outputs": [output for output in found if output]}
    return clean


def _output(output) -> dict | None:
    """An output as text or a picture; None if nothing of it can be shown."""
    kind = output.get("output_type") if isinstance(output, dict) else None
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": _cut(output.get("text"), TEXT)}
    if kind == "error":
        lines = _text(output.get("traceback"), "\n")
        words = {name: _cut(output.get(name), TEXT) for name in ("ename", "evalue")}
        return {"output_type": "error", **words, "traceback": _cut(lines, TEXT).split("\n")}
    if kind in ("display_data", "execute_result") and isinstance(output.get("data"), dict):
        data = {"text/plain": _cut(output["data"].get("text/plain"), TEXT)}
        picture = re.sub(r"\s", "", _text(output["data"].get(PNG)))
        if 0 < len(picture) <= PICTURE and re.fullmatch(r"[A-Za-z0-9+/]{32,}=*", picture):
            data[PNG] = picture
        return {"output_type": "display_data", "data": data, "metadata": {}}
    return None


def _drop_huge_pictures(cells: list[dict]) -> None:
    left = PIXELS
    for output in [output for cell in cells for output in cell.get("outputs", ()) if PNG in output.get("data", {})]:
        size = _pixels(output["data"][PNG])
        if size > left:
            del output["data"][PNG]
        else:
            left -= size


def _pixels(picture: str) -> int:
    """How many pixels a picture in base64 says that it has; far too many where it is no PNG."""
    head = base64.b64decode(picture[:32])
    if head[:8] != SIGNATURE or head[12:16] != b"IHDR":
        return PIXELS + 1
    return int.from_bytes(head[16:20], "big") * int.from_bytes(head[20:24], "big")


def _text(value, joined_by: str = "") -> str:
    """Text of a notebook, which may be a list of lines. Half a character, which no file can hold, is replaced."""
    if isinstance(value, list):
        value = joined_by.join(line for line in value if isinstance(line, str))
    return re.sub("[\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) else ""


def _cut(value, most: int) -> str:
    text = _text(value)
    return text if len(text) <= most else f"{text[:most]}\n[... {len(text) - most} more characters are left out]"


def _named(cells: list[dict], release: dict, answers: dict[str, str]) -> list[dict]:
    """Each cell that nbgrader has a name for bears it once, with the metadata, and for a test the text, it had."""
    known, left = _marks(release), set(_marks(release))
    for cell in cells:
        name = cell["metadata"].pop("nbgrader", {}).get("grade_id")
        if name in left and cell["cell_type"] == known[name]["cell_type"]:
            left.remove(name)
            _mark(cell, known[name])
    for cell in cells:  # an answer whose cell has lost its name
        text = cell["source"].strip()
        found = [name for name in left if text and text == answers.get(name, "").strip()]
        if found and not cell["metadata"] and cell["cell_type"] == "code":
            left.remove(found[0])
            _mark(cell, known[found[0]])
    return cells


def _marks(release: dict) -> dict[str, dict]:
    """The release's cells that nbgrader knows, by name, in order."""
    return {
        cell["metadata"]["nbgrader"]["grade_id"]: cell for cell in release["cells"] if "nbgrader" in cell["metadata"]
    }


def _mark(cell: dict, origin: dict) -> None:
    cell["metadata"] = copy.deepcopy(origin["metadata"])
    if not origin["metadata"]["nbgrader"].get("solution"):
        cell["source"] = _text(origin["source"])


def _completed(cells: list[dict], release: dict) -> list[dict]:
    """With the cells that are missing, each behind the one that comes before it in the release's marked cells."""
    by_name = {_name(cell): cell for cell in cells if _name(cell)}
    before = None
    for name, origin in _marks(release).items():
        if name not in by_name:
            by_name[name] = _clean(origin)
            _mark(by_name[name], origin)
            at = len(cells) if before is None else next(i for i, c in enumerate(cells) if c is by_name[before]) + 1
            cells.insert(at, by_name[name])
        before = name
    return cells


def _name(cell: dict) -> str | None:
    return cell["metadata"].get("nbgrader", {}).get("grade_id")


def _verdict(cell: dict, exercises: dict[str, dict], problem: str | None) -> list[dict]:
    """The outputs of a test cell: what `grade` would have shown, from our record."""
    name = _name(cell).removeprefix("grade_")
    nothing = {"points": 0.0, "maximum": 0.0, "message": f"Not judged. {problem or ''}", "bonus": False}
    exercise = exercises.get(name, nothing)
    text = f"{_cut(exercise['message'], TEXT)}\n{name}: {exercise['points']:g} of {exercise['maximum']:g} points\n"
    outputs = [{"output_type": "stream", "name": "stdout", "text": text}]
    if exercise["bonus"]:
        shown = {BONUS: {"exercise": name, "points": exercise["points"]}}
        shown["text/plain"] = f"bonus: {exercise['points']:g} points"
        return [*outputs, {"output_type": "display_data", "data": shown, "metadata": {}}]
    value = {"text/plain": repr(float(exercise["points"]))}
    return [*outputs, {"output_type": "execute_result", "execution_count": None, "data": value, "metadata": {}}]


def _verbatim(text: str) -> str:
    """Markdown that shows `text` as it was typed: rendered, it could hold HTML, links, pictures from anywhere."""
    longest = max([2, *map(len, re.findall("`+", text))])
    return f"{'`' * (longest + 1)}text\n{text}\n{'`' * (longest + 1)}"


def _note(text: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": _verbatim(_text(text))}
