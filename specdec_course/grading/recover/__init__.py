"""A damaged notebook becomes the steps in which it is run and judged: `read_submission`.

Knows: what is said of a folder in which there is none. The parts know more: `files` reads what cannot be trusted,
`formats` and `damage` make cells of it, `code`, `names` and `blank` understand cells, `course` knows what was given
out, `plan` says what is run and where it is judged, `versions` which of several files and readings comes first. Does
not know: how code is run, what is right. Nothing runs here.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

from . import files
from .course import read_release
from .plan import Step
from .versions import SCRIPTS, explained, versions

__all__ = ["Step", "Submission", "read_submission"]

MOST_REMARKS = 60


@dataclass(frozen=True)
class Submission:
    """What a student handed in. `problem`: why nothing of it can be graded, or None; `remarks`: what had to be
    recovered, for the student; `answers`: exercise -> text of its answer; `key`: hash of the file that was taken, or of
    all files whose versions are judged. `file`: hash of that one file, `title` its name; `others`: further versions,
    which count where they earn more."""

    unit: str
    steps: tuple[Step, ...]
    remarks: tuple[str, ...]
    problem: str | None
    answers: dict[str, str]
    key: str
    file: str = ""
    title: str = ""
    others: tuple[Submission, ...] = ()


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
    links = _not_opened(odd)
    judged, others = versions(Path(folder), unit, found, course)
    if not judged:
        broken = next((one for one in others if one.fault and not one.name.endswith(SCRIPTS)), None)
        if broken is None:
            return _nothing(unit, _no_notebook(unit, found, odd), [*found, *odd])
        return Submission(unit, (), tuple(links), f"{files.shown(broken.name)} {broken.fault}.", {}, broken.key)
    keys = list(dict.fromkeys(one.key for one in judged))
    key = keys[0] if len(keys) == 1 else _hash("\n".join(sorted(keys)).encode())
    made = [
        Submission(unit, one.steps, _some([*links, *explained(one, judged, others, unit, course), *one.remarks]), None,
                   one.answers, key, one.key, one.title)
        for one in judged
    ]  # fmt: skip
    return replace(made[0], others=tuple(made[1:]))


def _not_opened(odd: list[str]) -> list[str]:
    named = [name for name in odd if name.endswith(".ipynb")]
    if not named:
        return []
    return [f"Not opened, because links and devices are not followed: {', '.join(map(files.shown, named[:3]))}."]


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
