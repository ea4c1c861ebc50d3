"""Which of several versions of a student's work is graded: of files of one unit, and of the sides of a merge conflict.

Knows: names that copies get, how many exercises a version answers. Does not know: what is right; where the judge finds
that another version earns more, that one counts (see `judge`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import files
from .course import Release, answered
from .damage import Unreadable
from .formats import Cell, notebook_readings, script_readings
from .plan import Step, plan

MOST_FILES = 12  # that are opened
MOST_JUDGED = 3  # versions of one submission
NOTEBOOK = ".ipynb"  # anywhere in a name: browsers, editors and git add endings to it
SCRIPTS = (".py", ".py.txt")
PACKED = (".zip", ".gz", ".7z", ".rar", ".xz", ".tar")


@dataclass(frozen=True)
class Version:
    """One reading of one file. `fault`: why it is none, or ""; `written`: the exercises for which something is written;
    `steps`, `answers`: see `plan`, once it was asked for."""

    name: str
    key: str
    side: str = ""
    cells: tuple[Cell, ...] = ()
    remarks: tuple[str, ...] = ()
    fault: str = ""
    written: frozenset[str] = frozenset()
    of_unit: bool = False
    steps: tuple[Step, ...] = ()
    answers: dict = field(default_factory=dict)

    @property
    def title(self) -> str:
        """For a sentence."""
        if not self.side:
            return files.shown(self.name)
        return f"the merge conflict in {files.shown(self.name)}, {self.side}"


def versions(folder: Path, unit: str, found: list[str], course: Release) -> tuple[list[Version], list[Version]]:
    """(the versions to judge, the fullest first; all others that were read).

    Versions are compared by the exercises that they answer: the one with the most comes first, of equals the one with
    the exact name. A version whose answers stand, word for word, in one that comes before it adds nothing and is not
    judged. When a file was written is not asked: copying changes that. Hidden copies, such as checkpoints, are looked
    at only where they could hold more.
    """
    exact = f"{unit}.ipynb"
    names = sorted((name for name in found if name != exact and rank(name, unit) is not None),
                   key=lambda name: rank(name, unit))
    visible = [name for name in names if not _is_hidden(name)]
    read = _read(folder, [exact] * (exact in found) + visible[:MOST_FILES], course)
    usable = _usable(read, exact)
    best = max((len(one.written) for one in usable), default=-1)
    if best < len(course.exercises):
        hidden = _read(folder, list(filter(_is_hidden, names))[:MOST_FILES], course)
        read += hidden
        usable += [one for one in _usable(hidden, exact) if len(one.written) > best]
    usable.sort(key=lambda one: (-len(one.written), one.name != exact))  # a stable order: else as they were found
    judged: list[Version] = []
    for one in usable[: 2 * MOST_JUDGED]:
        planned = _planned(one, course)
        if not judged or (planned.answers and not any(_holds(more, planned) for more in judged)):
            judged.append(planned)
    judged = judged[:MOST_JUDGED]
    places = {(one.name, one.side) for one in judged}
    return judged, [one for one in read if (one.name, one.side) not in places]


def _usable(read: list[Version], exact: str) -> list[Version]:
    """What can be judged; of the same bytes, once."""
    fine = [one for one in read if not one.fault and (one.of_unit or one.name == exact)]
    return list({(one.key, one.side): one for one in reversed(fine)}.values())[::-1]


def _holds(more: Version, less: Version) -> bool:
    """Whether all answers of one version stand in another."""
    return all(more.answers.get(name) == text for name, text in less.answers.items())


def _planned(one: Version, course: Release) -> Version:
    steps, remarks, answers = plan(list(one.cells), course)
    return replace(one, steps=steps, answers=answers, remarks=(*one.remarks, *remarks))


def _read(folder: Path, names: list[str], course: Release) -> list[Version]:
    return [version for name in names for version in _versions_of(folder, name, course)]


def _versions_of(folder: Path, name: str, course: Release) -> list[Version]:
    """The readings of a file; of a merge conflict also the two sides put together, where that answers more."""
    try:
        data = files.read(folder, name)
    except (ValueError, OSError) as error:
        return [Version(name, hashlib.sha256(b"").hexdigest(), fault=str(error))]
    key = hashlib.sha256(data).hexdigest()
    try:
        readings = (script_readings if name.lower().endswith(SCRIPTS) else notebook_readings)(data)
    except Unreadable as error:
        return [Version(name, key, fault=str(error))]
    sides = [Version(name, key, one.side, one.cells, one.remarks, "", *answered(list(one.cells), course))
             for one in readings]
    if len(sides) == 2:
        fuller, other = sorted(sides, key=lambda one: -len(one.written))
        if other.written - fuller.written:
            sides.append(_together(fuller, other, course))
    return sides


def _together(fuller: Version, other: Version, course: Release) -> Version:
    """The fuller side, with the answers of the other side to what it leaves open."""
    missing = other.written - fuller.written
    theirs = {cell.grade_id: cell for cell in other.cells if cell.grade_id in missing}
    cells = tuple(theirs.get(cell.grade_id, cell) for cell in fuller.cells)
    return replace(fuller, side="its two sides put together", cells=cells, written=answered(list(cells), course)[0])


def rank(name: str, unit: str):
    """Order in which files are looked at, None for what is no notebook: near before deep, notebooks before scripts, the
    unit's name in it before others."""
    lower = name.lower()
    parts = name.split("/")
    known = NOTEBOOK in parts[-1].lower() or lower.endswith((".json", *SCRIPTS))
    if parts[-1].startswith("._") or not known or lower.endswith(PACKED):  # "._": macOS's shadow of a file
        return None
    return lower.endswith(SCRIPTS), len(parts), unit not in name, not lower.endswith(".ipynb"), name


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def explained(taken: Version, judged: list[Version], others: list[Version], unit: str, course: Release) -> list[str]:
    """Remarks on why this version is graded, and on what was left aside for it."""
    exact, name = f"{unit}.ipynb", files.shown(taken.name)
    first = next((one for one in others if one.name == exact), None)
    remarks = []
    if taken.side:
        remarks.append(f"{name} has an unresolved merge conflict (`<<<<<<<`); {taken.side} was graded.")
    if first and taken.name != exact and (first.fault or not first.written):
        remarks.append(f"{exact} {first.fault or 'has nothing written in it'}; {name} was graded instead.")
    elif taken.name != exact:
        remarks.append(f"The notebook was found as {name}; its name should be {exact}.")
    if taken.name.endswith(SCRIPTS):
        remarks.append("It is a Python script, not a notebook; its cells were found by their marks.")
    beside = [one for one in [*judged, *others] if one is not taken and not one.fault and one.of_unit
              and not (one is first and not one.written) and not (_is_hidden(one.name) and one in others)]
    if beside:
        listed = "; ".join(f"{one.title}: {len(one.written)}" for one in beside[:4])
        more = f"; and {len(beside) - 4} more" if len(beside) > 4 else ""
        remarks.append(f"Of {len(beside) + 1} versions, {taken.title} was graded; exercises answered in it: "
                       f"{len(taken.written)} of {len(course.exercises)}. Left aside: {listed}{more}.")
    return remarks + _unused([one for one in others if one is not first])


def _unused(others: list[Version]) -> list[str]:
    """What lies beside the notebook and is none of this unit: modules of the student's own, other notebooks."""
    beside = [one for one in others if not one.of_unit and not _is_hidden(one.name)]
    scripts = [one for one in beside if one.name.endswith(SCRIPTS) and not one.fault]
    remarks = []
    if scripts:
        names = ", ".join(files.shown(one.name) for one in scripts[:3]) + (" and others" if len(scripts) > 3 else "")
        remarks.append(f"{names} beside the notebook: not used. Only the cells of the notebook are run; copy into a "
                       "cell what they import from there.")
    for one in [one for one in beside if one not in scripts][:3]:
        remarks.append(f"{files.shown(one.name)} was left aside: it {one.fault or 'is no notebook of this unit'}.")
    return remarks
