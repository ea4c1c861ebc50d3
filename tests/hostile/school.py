"""Puts hostile submissions and two honest classmates into a class folder, as nbgrader collects them.

Knows: where submissions lie, and how to tell whether anything in a folder was touched. Does not know: grading.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path

import nbformat

from specdec_course.grading.sample_class import answers, filled_in, without_demonstrations

from . import UNIT, Case, Ground
from .sheets import HONEST, hand_in, without_marks

COURSE = Path(__file__).resolve().parents[2]
MATES = ("classmate", "zz last")


@functools.cache
def release(course: Path, unit: str):
    return without_demonstrations(nbformat.read(course / "notebooks" / unit / f"{unit}.ipynb", as_version=4))


@functools.cache
def right_answers(course: Path, unit: str) -> dict[str, str]:
    """Right answers: our own for unit 03, where they do not need each other, else the course's."""
    if unit == UNIT:
        return HONEST
    solution = nbformat.read(course / "solutions" / unit / f"{unit}.ipynb", as_version=4)
    return {name: without_marks(text) for name, text in answers(solution).items()}


def write_class(root: Path, cases: list[Case], course: Path = COURSE, port: int = 9) -> Path:
    """Writes `<root>/submitted/<student>/<unit>/` for two honest classmates and every case; returns `submitted`."""
    submitted = root / "submitted"
    mate = submitted / MATES[0] / UNIT / f"{UNIT}.ipynb"
    canary = root / "canary.txt"
    ground = Ground(UNIT, release(course, UNIT), right_answers(course, UNIT), mate.parent, root, course,
                    root / "gradebook.db", mate, canary, port)
    for name in MATES:
        hand_in(replace(ground, folder=submitted / name / UNIT), filled_in(ground.release, ground.answers))
    for case in cases:
        own = replace(ground, unit=case.unit, folder=submitted / case.student / case.unit,
                      release=release(course, case.unit), answers=right_answers(course, case.unit))
        case.build(own)
    return submitted


def fingerprint(folder: Path) -> dict[str, str]:
    """What every entry below a folder is: kind, rights and content, without following or opening anything odd."""
    found = {}
    for place, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = os.path.join(place, name)
            told = os.lstat(path)
            kind = f"{stat.filemode(told.st_mode)} {told.st_uid}"
            if stat.S_ISREG(told.st_mode):
                kind += " " + _content(path)
            elif stat.S_ISLNK(told.st_mode):
                kind += " -> " + repr(os.readlink(path))
            found[repr(path)] = kind
    return found


def _content(path: bytes) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
