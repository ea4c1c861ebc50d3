"""What the course gave to the students: the cells of a release notebook, and which of a student's are still so.

Knows: nbgrader's marks in a release notebook. Does not know: files of students, what is run.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

from .blank import is_blank, reached, written_names
from .code import Plain, plain_python
from .damage import Unreadable
from .formats import Cell, notebook_cells
from .names import Names, called, defined_in, names_of, only_imports

TEST = "grade_"  # nbgrader's name of a test cell is this and the exercise's name
CHECKS = ("check", "hint", "grade", "progress", "solution")  # what a cell calls that only shows how far one is


@dataclass(frozen=True)
class Release:
    """A unit's notebook as it was given out. Texts are compared as `same` makes them."""

    exercises: tuple[str, ...]
    stubs: dict[str, str]  # exercise -> text of its answer cell before anything is written
    tests: dict[str, str]  # exercise -> text of its test cell
    provided: frozenset[str]  # texts of all other code cells
    setup: tuple[str, ...]  # cells that only import, as plain Python
    notes: frozenset[str]  # what is said of the course's own magics: told to nobody


def same(text: str) -> str:
    """A cell's text without what editors and uploads change: blanks at the ends of lines and of the cell."""
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def read_release(path: Path) -> Release:
    """The release notebook at `path`, and its translations, `<language>/<unit>/<unit>.ipynb` in the same folder, whose
    code cells were given out as well. Raises ValueError when it is no notebook of the course."""
    try:
        data = path.read_bytes()
        others = [one.read_bytes() for one in sorted(path.parent.parent.glob(f"[a-z]*/{path.parent.name}/{path.name}"))]
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); expected the unit's release notebook") from None
    release = _release(data, str(path))
    given = [_release(other, f"a translation of {path}").provided for other in others]
    return replace(release, provided=release.provided.union(*given)) if given else release


@functools.lru_cache(maxsize=64)
def _release(data: bytes, path: str) -> Release:
    try:
        cells, _ = notebook_cells(data)
    except Unreadable as error:
        raise ValueError(f"{path} {error}; run `specdec build`") from None
    tests = {c.grade_id.removeprefix(TEST): same(c.source) for c in cells if c.grade_id and c.grade_id.startswith(TEST)}
    stubs = {c.grade_id: same(c.source) for c in cells if c.grade_id in tests}
    if not stubs or stubs.keys() != tests.keys():
        raise ValueError(f"{path} is no release notebook: expected an answer cell and a test cell for every exercise")
    others = [c.source for c in cells if c.kind == "code" and c.grade_id is None]
    plains = [plain_python(source) for source in others]
    return Release(
        exercises=tuple(stubs),
        stubs=stubs,
        tests=tests,
        provided=frozenset(map(same, others)),
        setup=tuple(plain.source for plain in plains if plain.source.strip() and only_imports(plain)),
        notes=frozenset(note for plain in plains for note in plain.notes),
    )


@functools.lru_cache(maxsize=512)
def _provided(source: str) -> tuple[Plain, Names]:
    """Every student hands in the same provided cells: they are understood once."""
    plain = plain_python(source)
    return plain, names_of(plain)


@dataclass(frozen=True)
class Seen:
    """A cell and what it is. `role`: "answer" or "test" (of `exercise`), "provided", "own", "check" (calls of `check`
    and the like; `exercise` where that is `grade`), "text". `blank`: nothing was written into it."""

    cell: Cell
    role: str
    exercise: str | None
    plain: Plain
    names: Names
    blank: bool = False


def see(cell: Cell, release: Release, analyse: bool = True) -> Seen:
    """What a student's cell is. Without `analyse` its code is not looked into (far too much code in one notebook)."""
    text = same(cell.source)
    if cell.grade_id and cell.grade_id.removeprefix(TEST) in release.tests and cell.grade_id.startswith(TEST):
        return Seen(cell, "test", cell.grade_id.removeprefix(TEST), Plain(""), Names())
    if cell.kind != "code" or not text:
        return Seen(cell, "text", None, Plain(""), Names())
    if text in release.provided:
        plain, names = _provided(cell.source)
        return Seen(cell, "check" if _only_checks(plain) else "provided", None, plain, names)
    return see_code(cell, release, analyse)


def see_code(cell: Cell, release: Release, analyse: bool = True) -> Seen:
    """The same for a cell that holds the student's own code, whatever its kind and its marks say."""
    plain = reached(plain_python(cell.source)) if analyse else Plain(cell.source)
    names = names_of(plain)
    blank = same(cell.source) in release.stubs.values() or (analyse and is_blank(plain.source))
    if cell.grade_id in release.stubs:
        return Seen(cell, "answer", cell.grade_id, plain, names, blank)
    if _only_checks(plain):
        graded = [name for function, name in called(plain) if function == "grade" and name in release.tests]
        return Seen(cell, "check", graded[0] if graded else None, plain, names)
    defined = [name for name in release.exercises if name in names.defines]
    return Seen(cell, "answer" if defined else "own", defined[0] if defined else None, plain, names, blank)


def _only_checks(plain: Plain) -> bool:
    calls = called(plain)
    return bool(calls) and all(function in CHECKS for function, _ in calls)


def answered(cells: list[Cell], release: Release) -> tuple[frozenset[str], bool]:
    """(the exercises for which something is written, whether this is a notebook of the unit at all)."""
    written, known = set(), False
    for cell in cells:
        mark = {cell.grade_id} if cell.kind == "code" else set()
        names = frozenset({*mark, *defined_in(cell.source)} & release.stubs.keys())
        known = known or bool(names) or (cell.grade_id or "").removeprefix(TEST) in release.stubs
        if names and same(cell.source) not in release.stubs.values():
            written |= written_names(cell.source, names)
    return frozenset(written), known
