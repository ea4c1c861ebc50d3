"""Hands back what was found out: graded notebooks, grade book, CSV, pages. A student's files cost that student alone.

Knows: which of this is made from what, and for whom. Does not know: how marks came about, what a page looks like.
Nothing that a student handed in is parsed in this process: that is done by processes with limits (`schedule`), and what
they bring back is small. Whatever goes wrong for one student is said in one line, and the others go on.
"""

from __future__ import annotations

import contextlib
import errno
import json
from pathlib import Path
from typing import NamedTuple

from . import records, schedule
from .submissions import shown

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # nobody's fault but the machine's: these end the run


class Handed(NamedTuple):
    """A submission and its record, as JSON: what a graded notebook is made of."""

    folder: schedule.Folder
    record: str


class Seen(NamedTuple):
    """What was read of it. `stamp`: when it was collected (UTC, without a zone), or None; `notebook`: the graded one;
    `remark`: what could not be read, or ""."""

    stamp: object
    notebook: bytes
    remark: str


def refuse_what_cannot_be_written(gradebook: Path, root: Path) -> None:
    """ValueError, before any work, if the grade book is another course's or none, or the course's settings stop."""
    from .nbgrader import belongs
    from .nbgrader import gradebook as book_of_marks

    belongs.refuse_another(gradebook, root)
    book_of_marks.late_rule(root)


def hand_over(found, submitted, root, gradebook, folder, feedback, csv, jobs: int, show) -> None:
    """Everything that is made from the records `found`, which lie in `folder`. `submitted`: None for no notebooks and
    no times. The other arguments are those of `classroom.grade_class`."""
    from .nbgrader import entered, export, roster
    from .nbgrader import gradebook as book_of_marks

    there = [record for record in found if schedule.known_unit(root, record["unit"])]
    stamps = _graded_notebooks(there, submitted, root, jobs, show) if submitted else {}
    book_of_marks.write_book(gradebook, root, there, stamps, show)
    if csv:
        with book_of_marks.opened(gradebook) as book:
            export.write_csv(book, Path(csv))
    if feedback:
        with book_of_marks.opened(gradebook) as book:
            students, late = roster.standing(book)
            said = entered.entered(book, sorted({record["unit"] for record in there}))
        late = {one: roster.in_words(its["late"]) for one, its in late.items()}
        write_pages(found, folder, Path(feedback), submitted, show, students, late, said)


def see(handed: Handed) -> Seen | None:
    """Read a submission again, for its graded notebook and its time. None if its folder is not there (any more)."""
    from .nbgrader import autograded, stamps

    path, unit, root = Path(handed.folder.path), handed.folder.unit, Path(handed.folder.root)
    if path.is_symlink() or not path.is_dir():
        return None
    release = json.loads((root / "notebooks" / unit / f"{unit}.ipynb").read_bytes())
    with schedule.limited(schedule.TO_READ):
        stamp, remark = stamps.handed_in(path)
        return Seen(stamp, autograded.autograded_bytes(path, release, json.loads(handed.record)), remark)


def _graded_notebooks(found: list[dict], submitted: Path, root: Path, jobs: int, show) -> dict:
    """Write a graded notebook for each record; returns (student, unit) -> when it was handed in, where known."""
    from .nbgrader import autograded, gradebook

    tasks, stamps = {}, {}
    for record in found:
        path = submitted / record["student"] / record["unit"]
        tasks[Handed(schedule.Folder(str(path), record["unit"], str(root)), json.dumps(record))] = record
    read = schedule.in_processes(list(tasks), max(1, min(jobs, len(tasks))), work=see, memory=schedule.READING)
    for task, seen in read:
        record = tasks[task]
        with _costs_one(record, "the graded notebook was not written", show):
            if isinstance(seen, BaseException):
                show(f"{_name(record)}: what was handed in could not be read again ({_reason(seen)}); the graded "
                     "notebook shows the marks alone, and it does not count as late")
                release = json.loads((root / "notebooks" / record["unit"] / f"{record['unit']}.ipynb").read_bytes())
                seen = Seen(None, autograded.autograded_bytes(None, release, record), "")
            if seen is None:
                continue
            if seen.remark:
                show(f"{_name(record)}: {seen.remark}")
            if seen.stamp is not None:
                stamps[record["student"], record["unit"]] = seen.stamp
            gradebook.write_notebook(submitted, record, seen.notebook, seen.stamp is not None)
    return stamps


def write_pages(found: list[dict], folder: Path, feedback: Path, submitted: Path | None = None, show=print, students=(),
                late: dict | None = None, said: dict | None = None) -> None:
    """A page for each of these students, where `nbgrader release_feedback` looks for it, and one for the instructor.

    That one is about all records in `folder`, and all `students`: who grades one student anew keeps the report of the
    class. `late`: (student, unit) -> how late, in words; `said`: -> what the grade book says beside the checks.
    """
    from .pages.feedback import write_feedback
    from .pages.report import write_report

    for record in found:
        with _costs_one(record, "the feedback page was not written", show):
            write_feedback(record, feedback, submitted, (said or {}).get((record["student"], record["unit"])))
    everyone = records.read_folder(folder)[0] | {(r["student"], r["unit"]): r for r in found}
    with _costs_one(None, "the report was not written", show):
        times = [records.read_times(folder, *one) for one in everyone]
        write_report(list(everyone.values()), times, feedback, None, students, late)


@contextlib.contextmanager
def _costs_one(record: dict | None, lost: str, show):
    """What goes wrong inside is said in one line. A full disk is nobody's file, and ends the run."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise
        show(f"{_name(record)}: {lost} ({_reason(error)})" if record else f"{lost} ({_reason(error)})")


def _name(record: dict) -> str:
    return f"{shown(record['student'])}, {record['unit']}"


def _reason(error: BaseException) -> str:
    return shown(f"{type(error).__name__}: {error}".strip().rstrip(":"))[:200]
