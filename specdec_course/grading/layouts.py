"""Work that lies elsewhere than in `<student>/<unit>/` is found by what is inside, and copied to where it belongs.

Knows: how people and learning platforms arrange and name what is handed in. Does not know: cells, marks. Files are
searched for names, and not parsed; nothing is moved or changed. What is not understood is said in one line.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..common.whole import write_bytes
from .recover import files, read_release
from .submissions import UNIT, entries, shown

LARGEST = 50_000_000  # bytes of a file that is copied
MOST_LINES = 40
MOST_NAMES, MOST_FILES = 20_000, 40  # names looked at in a file, files looked into of one student
MOST_COPIES = 20  # of files that would have one name
NOTEBOOK = re.compile(r"(\.ipynb[^/]*|\.py(\.txt)?)$", re.IGNORECASE)
ARCHIVE = re.compile(r"\.(zip|tar|tgz|gz|bz2|xz|7z|rar)$", re.IGNORECASE)
MOODLE = re.compile(r"(?P<who>.+)_assignsubmission_(file|onlinetext)_?", re.DOTALL)
CANVAS = re.compile(r"(?P<who>[^_]+)(_LATE)?_(?P<id>\d+)_\d+_.+", re.DOTALL)
NAMES = re.compile(rb'"grade_id"\s*:\s*"(?:grade_)?(\w{1,60})"|\b(?:def|class)[ \t]+(\w{1,60})')


class Found(NamedTuple):
    """A file that lies elsewhere: whose it is, of which unit, its path below the class's folder."""

    student: str
    unit: str
    path: str


def units_of(root: Path) -> dict[str, frozenset[str]]:
    """The course's units, with the names of their exercises."""
    found = {}
    for path in sorted(Path(root).glob("notebooks/*/*.ipynb")):
        if UNIT.fullmatch(path.stem) and path.parent.name == path.stem:
            try:
                found[path.stem] = frozenset(read_release(path).exercises)
            except ValueError:
                continue
    return found


def gather(submitted: Path, units: dict[str, frozenset[str]], wanted=lambda student, unit: True) -> tuple[list, set]:
    """Copy what lies elsewhere to `<submitted>/<student>/<unit>/`, under a name that says where it lay.

    Args:
        units: see `units_of`.
        wanted: whether a student's unit is to be graded now; of others nothing is said.

    Returns:
        (lines on what was taken and what was not, the (student, folder) that are no units but held work that was taken)
    """
    found, lines = _found(submitted, units)
    taken = set()
    for one in found:
        if wanted(one.student, one.unit):
            lines.append(_copied(submitted, one))
            person, _, rest = one.path.partition("/")
            taken.add((person, rest.partition("/")[0]))
    more = len(lines) - MOST_LINES
    return lines[:MOST_LINES] + ([f"and {more} more lines of this kind"] if more > 0 else []), taken


def _found(submitted: Path, units: dict) -> tuple[list[Found], list[str]]:
    found, lines = [], []
    for entry in entries(submitted):
        if entry.name.startswith(".") or entry.is_symlink() or re.search("[\ud800-\udfff]", entry.name):
            continue
        if entry.name in units:
            lines.append(f"{entry.name}: a folder of a unit where one of a student is expected; not looked into")
            continue
        try:
            own, said = (_of_person if entry.is_dir() else _of_file)(submitted, entry.name, units)
        except Exception as error:  # of one student: the others go on
            own, said = [], [f"{shown(entry.name)} cannot be looked through: {shown(str(error))[:200]}"]
        found += own
        lines += said
    return found, lines


def _of_person(submitted: Path, person: str, units: dict) -> tuple[list[Found], list[str]]:
    """What lies in a student's folder outside of the folders of units."""
    match = MOODLE.fullmatch(person)
    student = (match["who"].strip(" .") if match else "") or person
    names, _ = files.look(submitted / person)
    names = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
    right = {name.split("/")[0] for name in names if "/" in name} & units.keys()
    elsewhere = _first_notebooks([name for name in names if name.split("/")[0] not in right])
    found, lines = [], []
    for name in elsewhere:
        if NOTEBOOK.search(name) and not ARCHIVE.search(name):
            unit = _unit_of(submitted / person, name, units)
            if unit:
                found.append(Found(student, unit, f"{person}/{name}"))
            elif not name.lower().endswith((".py", ".py.txt")) and not UNIT.fullmatch(name.split("/")[0]):
                lines.append(f"{shown(f'{person}/{name}')}: of no unit of the course; not taken")
        elif ARCHIVE.search(name):
            lines.append(f"{shown(f'{person}/{name}')}: an archive, which is not opened; unpack it there")
    if len(whole := _students_inside(found, person)) > 1:
        inside = ", ".join(shown(name) for name in whole[:3])
        return [], [f"{shown(person)} holds the work of several people or attempts ({inside}, ...), and nothing in it "
                    f"was taken; expected <student>/<unit>/: give {shown(person)} itself as the folder of the class"]
    if student != person and right:  # Moodle's folder with a folder of the unit in it
        found += [Found(student, name.split("/")[0], f"{person}/{name}") for name in names
                  if name.split("/")[0] in right and NOTEBOOK.search(name)]
    if not found and not right and not lines and not any(UNIT.fullmatch(name.split("/")[0]) for name in names):
        there = ", ".join(shown(name) for name in names[:3]) or "nothing"
        lines.append(f"{shown(person)}: no notebook of a unit of the course; in the folder: {there}")
    return found, lines


def _first_notebooks(names: list[str]) -> list[str]:
    """The names without the notebooks that are too many to be looked into."""
    many = [name for name in names if NOTEBOOK.search(name)][MOST_FILES:]
    left_out = set(many)
    return [name for name in names if name not in left_out]


def _students_inside(found: list[Found], person: str) -> list[str]:
    """Folders of a folder that hold a unit's folder each, as if they were students."""
    inside = defaultdict(set)
    for one in found:
        parts = one.path.removeprefix(f"{person}/").split("/")
        if len(parts) == 3 and UNIT.fullmatch(parts[1]):
            inside[one.unit].add(parts[0])
    return sorted(max(inside.values(), key=len, default=()))


def _of_file(submitted: Path, name: str, units: dict) -> tuple[list[Found], list[str]]:
    """A file that lies in no student's folder: its name may say whose it is."""
    if ARCHIVE.search(name):
        return [], [f"{shown(name)}: an archive, which is not opened; unpack it into {shown(name.split('.')[0])}/"]
    unit = _unit_of(submitted, name, units) if NOTEBOOK.search(name) else None
    if unit is None:
        kind = NOTEBOOK.search(name) and not name.lower().endswith((".py", ".py.txt"))
        return [], [f"{shown(name)}: of no unit of the course; not taken"] if kind else []
    student = _named_in(NOTEBOOK.sub("", name), unit)
    if not student:
        return [], [f"{shown(name)}: its name does not say whose it is; not taken. Put it into <student>/{unit}/"]
    return [Found(student, unit, name)], []


def _named_in(stem: str, unit: str) -> str:
    """The student that a flat file's name begins (or ends) with: "ann_03_x", "03_x_ann", Canvas's "doejane_71_93_x"."""
    if match := CANVAS.fullmatch(stem):
        return f"{match['who']}_{match['id']}"
    words = "[-_ .]+".join(map(re.escape, unit.split("_")))
    number = rf"(unit|chapter|week|hw|homework|ex|exercise)?[-_ ]*0?{int(unit[:2])}"
    for pattern in (words, rf"(?<![^-_ .]){number}(?![^-_ .].*)"):
        match = re.search(pattern, stem, re.IGNORECASE)
        if match:
            before, after = stem[: match.start()], re.sub(r"\s*\(\d+\)$", "", stem[match.end() :])
            return (before.strip("-_ .") or after.strip("-_ .")) if not (before and after.strip("-_ .")) else (
                before.strip("-_ ."))
    return ""


def _unit_of(folder: Path, name: str, units: dict[str, frozenset[str]]) -> str | None:
    """The unit of which a file has most names; where that is none or several, the one that its path names, or None."""
    data = files.read(folder, name, LARGEST)
    said = {(one[1] or one[2]).decode() for one in islice(NAMES.finditer(data), MOST_NAMES)}
    hits = {unit: len(said & names) for unit, names in units.items() if said & names}
    most = [unit for unit in hits if hits[unit] == max(hits.values())]
    if len(most) == 1:
        return most[0]
    parts = [re.sub(r"[-_ .]+", "_", part.lower()) for part in name.split("/")]
    return next((unit for unit in units if any(unit.lower() in part for part in parts)), None)


def _copied(submitted: Path, one: Found) -> str:
    """Put a file where it belongs; a line that says so."""
    folder, target = submitted / one.student / one.unit, one.path.replace("/", " - ")
    if one.path.startswith(f"{one.student}/"):
        target = one.path.removeprefix(f"{one.student}/").replace("/", " - ")
    name = target.encode("utf-8", "surrogateescape")[-200:].decode("utf-8", "replace")
    said = f"{shown(one.path)}: taken as {one.unit} of {shown(one.student)}"
    try:
        if folder.is_symlink() or folder.parent.is_symlink():
            raise OSError("a link is in the way")
        data = files.read(submitted, one.path, LARGEST)
        folder.mkdir(parents=True, exist_ok=True)
        if (path := _place(folder, name, data)) is not None:
            write_bytes(path, data, sure=False)
        _copy_stamp(submitted, one, folder)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"{shown(one.path)}: not taken ({shown(str(reason))}); copy it to {shown(one.student)}/{one.unit}/"
    return said


def _place(folder: Path, name: str, data: bytes) -> Path | None:
    """Where the file is put: never over another one, such as the hand-in of that name; None where it lies already."""
    for number in range(MOST_COPIES):
        path = folder / (f"copy {number} of {name}" if number else name)
        if not os.path.lexists(path):
            return path
        with contextlib.suppress(OSError, ValueError):
            if files.read(folder, path.name, LARGEST) == data:
                return None
    raise OSError("too many files of this name lie there")


def _copy_stamp(submitted: Path, one: Found, folder: Path) -> None:
    """The time of handing in that lies beside it, where there is none yet."""
    above = one.path.rpartition("/")[0]
    if above and not (folder / "timestamp.txt").exists():
        try:
            write_bytes(folder / "timestamp.txt", files.read(submitted, f"{above}/timestamp.txt", 1000), sure=False)
        except (OSError, ValueError):
            return
