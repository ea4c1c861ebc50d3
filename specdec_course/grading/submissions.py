"""Which submissions lie in a folder, and how a name that anybody could have chosen is printed.

Knows: nbgrader's `submitted/<student>/<unit>/`. Does not know: what is in a submission.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..common.units import is_meant

UNIT = re.compile(r"\d\d_[A-Za-z0-9_]+")


def find_submissions(submitted: Path, unit=None, student=None) -> tuple[list[tuple[str, str]], list[str]]:
    """(student, unit) of every submission, sorted, and a line about each thing that looks like one and is none.

    Links are not followed: one could lead to another student's work. Raises ValueError if there is no submission.
    """
    found, problems = [], []
    for person in entries(submitted):
        if person.is_symlink() or not person.is_dir():
            if person.is_symlink():
                problems.append(f"{shown(person.name)} is a link, and is not followed")
            continue
        if re.search("[\ud800-\udfff]", person.name):
            problems.append(f"{shown(person.name)} is no name in UTF-8, so it can be no student's id; rename it")
            continue
        for entry in entries(Path(person.path), problems):
            if not UNIT.fullmatch(entry.name):
                continue
            if entry.is_symlink() or not entry.is_dir():
                kind = "a link, and is not followed" if entry.is_symlink() else "a file; expected a folder"
                problems.append(f"{shown(person.name)}/{entry.name} is {kind}")
            else:
                found.append((person.name, entry.name))
    chosen = [s for s in found if is_meant(s[1], unit) and student in (None, s[0])]
    if not chosen:
        asked = "".join(f", {what} {value!r}" for what, value in (("unit", unit), ("student", student)) if value)
        raise ValueError(f"nothing to grade in {submitted}{asked}: {_instead(submitted, found)}")
    return sorted(chosen), problems


def _instead(submitted: Path, found: list[tuple[str, str]]) -> str:
    """What lies in a folder in which nothing was found that was asked for."""
    if found:
        units = sorted({unit for _, unit in found})
        there = ", ".join(units[:10])
        return f"found {len(found)} other submissions, of {there}; a unit is given by its number or folder"
    expected = "expected <student>/<unit>/<unit>.ipynb below it"
    if any(UNIT.fullmatch(entry.name) for entry in entries(submitted)):
        return f"{expected}; this looks like the folder of one student: give the one above it"
    return expected


def entries(folder: Path, problems: list | None = None) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except PermissionError as error:
        if problems is None:
            raise
        problems.append(f"{shown(folder.name)} cannot be read: {error.strerror}")
        return []


def shown(text: str) -> str:
    """Text of a student's as it may be printed: what moves the cursor or turns the line is shown by its number."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
