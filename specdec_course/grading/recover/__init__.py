"""A damaged notebook becomes the steps in which it is run and judged: `read_submission`.

Knows: which file in a student's folder is the notebook of a unit. The parts know more: `files` reads what cannot be
trusted, `formats` and `damage` make cells of it, `code` and `names` understand cells, `course` knows what was given
out, `plan` says what is run and where it is judged. Does not know: how code is run, what is right. Nothing runs here.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from . import files
from .course import Release, answered, read_release
from .damage import Unreadable
from .formats import Cell, notebook_cells, script_cells
from .plan import Step, plan

__all__ = ["Step", "Submission", "read_submission"]

MOST_CANDIDATES = 12
MOST_REMARKS = 60
NOTEBOOKS = (".ipynb", ".ipynb.txt", ".ipynb.json", ".json")  # browsers add endings when they download
SCRIPTS = (".py", ".py.txt")


@dataclass(frozen=True)
class Submission:
    """What a student handed in. `problem`: why nothing of it can be graded, or None; `remarks`: what had to be
    recovered, for the student; `answers`: exercise -> text of its answer; `key`: hash of the file that was taken."""

    unit: str
    steps: tuple[Step, ...]
    remarks: tuple[str, ...]
    problem: str | None
    answers: dict[str, str]
    key: str


@dataclass(frozen=True)
class Candidate:
    """A file that may be the notebook. `fault`: why it is none, or ""."""

    name: str
    key: str
    cells: tuple[Cell, ...] = ()
    remarks: tuple[str, ...] = ()
    fault: str = ""
    answered: int = 0
    of_unit: bool = False


def read_submission(folder: Path, unit: str, release: Path) -> Submission:
    """What a student handed in for a unit, as steps to run and places to judge.

    Args:
        folder: `<submitted>/<student>/<unit>/`. Nothing in it is trusted.
        unit: the unit's name, which is also the name that its notebook should have.
        release: path of the notebook that the students were given.

    Returns:
        a Submission, whatever lies in the folder. Without a `problem`, every exercise is judged in exactly one step.

    Raises ValueError only when the release notebook is not there or is none.
    """
    course = read_release(Path(release))
    try:
        found, odd = files.look(Path(folder))
    except OSError as error:
        why = "the folder is a link, and links are not followed" if os.path.islink(folder) else error.strerror
        return _nothing(unit, f"The folder of this unit cannot be read: {why}.", [])
    taken, remarks = _choose(Path(folder), unit, found, odd, course)
    if taken is None or taken.fault:
        if taken is None:
            return _nothing(unit, _no_notebook(unit, found, odd), [*found, *odd])
        return Submission(unit, (), tuple(remarks), f"{files.shown(taken.name)} {taken.fault}.", {}, taken.key)
    steps, more, answers = plan(list(taken.cells), course)
    return Submission(unit, steps, _some([*remarks, *taken.remarks, *more]), None, answers, taken.key)


def _some(remarks: list[str]) -> tuple[str, ...]:
    kept = list(dict.fromkeys(remarks))
    more = len(kept) - MOST_REMARKS
    return tuple(kept[:MOST_REMARKS] + ([f"And {more} more remarks of this kind."] if more > 0 else []))


def _nothing(unit: str, problem: str, names: list[str]) -> Submission:
    return Submission(unit, (), (), problem, {}, _hash("\n".join(sorted(names)).encode("utf-8", "surrogateescape")))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _no_notebook(unit: str, found: list[str], odd: list[str]) -> str:
    wanted = f"{unit}.ipynb"
    if wanted in odd:
        return f"{wanted} is a link or a device, and no regular file; hand in the notebook itself."
    names = [files.shown(name) for name in (*found, *odd)]
    there = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"There is no notebook of this unit: expected {wanted}; in the folder: {there or 'nothing'}."


def _choose(folder: Path, unit: str, found: list[str], odd: list[str], course: Release):
    """(the file that is graded or None, remarks on why it is this one).

    The exact name wins if anything is answered in it. Otherwise the notebook of this unit with the most answers; the
    first name in order among equals. When a file was written is not asked: copying changes that.
    """
    exact, remarks = f"{unit}.ipynb", []
    named = [name for name in odd if name.endswith(".ipynb")]
    if named:
        links = ", ".join(map(files.shown, named[:3]))
        remarks.append(f"Not opened, because links and devices are not followed: {links}.")
    others = sorted((name for name in found if name != exact and _rank(name, unit) is not None),
                    key=lambda name: _rank(name, unit))
    first = _candidate(folder, exact, course) if exact in found else None
    if first and not first.fault and first.answered:
        beside = [files.shown(name) for name in others if name.endswith(".ipynb") and "/" not in name][:3]
        if beside:
            remarks.append(f"Of several notebooks, {exact} was taken: it has the name that is asked for. "
                           f"Not looked at: {', '.join(beside)}.")
        return first, remarks
    tried = [_candidate(folder, name, course) for name in others[:MOST_CANDIDATES]]
    usable = [one for one in tried if not one.fault and one.of_unit and (one.answered or first is None or first.fault)]
    if not usable:
        broken = next((one for one in tried if one.fault and not one.name.endswith(SCRIPTS)), None)
        return first or broken, remarks
    best = max(usable, key=lambda one: one.answered)  # max takes the first of equals
    return best, [*remarks, *_why(best, first, usable, exact)]


def _why(best: Candidate, first: Candidate | None, usable: list[Candidate], exact: str) -> list[str]:
    name = files.shown(best.name)
    if first is not None:
        state = first.fault or "has nothing written in it"
        remarks = [f"{exact} {state}; {name} was graded instead."]
    else:
        remarks = [f"The notebook was found as {name}; its name should be {exact}."]
    if best.name.endswith(SCRIPTS):
        remarks.append("It is a Python script, not a notebook; its cells were found by their marks.")
    if len(usable) > 1:
        remarks.append(f"Of {len(usable)} files, the one with the most answers was taken.")
    return remarks


def _rank(name: str, unit: str):
    """Order in which files are tried, None for what is no notebook: near before deep, notebooks before scripts, the
    unit's name in it before others, hidden copies (checkpoints) last."""
    lower = name.lower()
    parts = name.split("/")
    if parts[-1].startswith("._") or not lower.endswith((*NOTEBOOKS, *SCRIPTS)):  # "._": macOS's shadow of a file
        return None
    hidden = any(part.startswith(".") for part in parts)
    return hidden, lower.endswith(SCRIPTS), len(parts), unit not in name, not lower.endswith(".ipynb"), name


def _candidate(folder: Path, name: str, course: Release) -> Candidate:
    try:
        data = files.read(folder, name)
    except (ValueError, OSError) as error:
        return Candidate(name, _hash(b""), fault=str(error))
    key = _hash(data)
    try:
        cells, remarks = (script_cells if name.lower().endswith(SCRIPTS) else notebook_cells)(data)
    except Unreadable as error:
        return Candidate(name, key, fault=str(error))
    return Candidate(name, key, tuple(cells), tuple(remarks), "", *answered(cells, course))
