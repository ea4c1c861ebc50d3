"""Grades a class: finds the submissions, has each one judged in a box, keeps a record of each, writes the grade book.

Knows: the order of these steps, what is told on the way. Does not know: how a submission is judged, boxes, nbgrader.
A run that was stopped, by whatever means, goes on where it was when the same command is given again.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from pathlib import Path

from ..common import budget
from ..common.units import is_meant
from . import layouts, records, schedule
from .fingerprint import course_hash
from .handover import hand_over, refuse_what_cannot_be_written
from .marks import Mark, marks_table
from .schedule import FULL
from .submissions import find_submissions, shown

MOST_UNKNOWN = 20  # folders of a student that look like units and are none of the course


def grade_class(
    submitted_dir, gradebook, *, root=".", unit=None, student=None, jobs=None, regrade=False, shard=None,
    scheduler=None, records_dir=None, feedback=None, csv=None, seconds=budget.GRADED, secret=None, trust_students=False,
    show=print, bar=False, judge=schedule.JUDGE, level=None,
) -> list[dict]:
    """Grade every submission below a folder; returns their records, sorted by student and unit.

    Args:
        submitted_dir: nbgrader's `submitted` folder: `<student>/<unit>/<unit>.ipynb`. The graded notebooks go to
            `autograded` beside it, where formgrader looks for them.
        gradebook: path of `gradebook.db`; made if it is not there.
        root: the course's root, with `solutions/`, `notebooks/` and `nbgrader_config.py`.
        unit, student: only this unit (name or number), only this student.
        jobs: how many submissions at the same time; None for one per core.
        regrade: grade anew what has been graded.
        shard: "i/n", to grade part i of n and write its records only (see `merge_records`).
        scheduler: address of a Dask scheduler, whose workers see the same folders.
        records_dir: folder of the records; default: `records` beside the grade book.
        feedback: folder for the students' pages and the instructor's report.
        csv: file for the marks in the format of `nbgrader export`.
        seconds: processor time that a cell, or the check of one exercise, may take.
        secret: file with the course's secret; default: `grading.secret` beside the grade book, made once.
        trust_students: grade even where student code cannot be shut in.
        show: where lines of text go. bar: show a progress bar on stderr.
        level: the isolation level, where it is known already. judge: for tests.

    Raises ValueError when there is nothing to grade, the course is not there, the grade book is another course's, or
    student code cannot be shut in.
    """
    part = schedule.parse_shard(shard) if shard else None
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs is {jobs}; expected the number of submissions to grade at a time, 1 or more")
    submitted, root, gradebook = Path(submitted_dir).resolve(), _course_root(root), Path(gradebook).resolve()
    if submitted in (root, root / "notebooks", root / "solutions"):
        raise ValueError(f"{submitted} is the course itself; give the folder of the submissions, often 'submitted'")
    if part is None:
        refuse_what_cannot_be_written(gradebook, root)
    folder = Path(records_dir).resolve() if records_dir else gradebook.parent / "records"
    elsewhere = _gathered(submitted, root, unit, student, show)
    submissions, problems = find_submissions(submitted, unit, student)
    submissions, more = few_unknown([s for s in submissions if s not in elsewhere], root)
    submissions = [s for s in submissions if part is None or schedule.in_shard(*s, part)]
    for line in problems + more:
        show(line)
    key = records.course_secret(Path(secret) if secret else gradebook.parent / "grading.secret")
    with records.reserved(folder, shared=part is not None):
        at_most = jobs or cores()
        done, left = _split(submissions, submitted, root, folder, level or FULL, regrade, at_most)
        jobs = min(at_most, max(1, len(left)))
        first_look = left and level is None  # probing takes seconds; where all is graded nothing will run
        with schedule.warmed(jobs) if first_look and not scheduler else contextlib.nullcontext() as pool:
            if first_look:
                level = isolation_level(trust_students, show)
            if first_look and level != FULL:
                done, left = _split(submissions, submitted, root, folder, level, regrade, at_most)
            tasks = [
                schedule.Task(
                    str(submitted / who / what), who, what, str(root), course_hash(root, what), level, key,
                    seconds, judge,
                )
                for who, what in left
            ]  # fmt: skip
            found = _graded(done, tasks, folder, jobs, scheduler, pool, show, bar)
        if part is None:
            hand_over(found, submitted, root, gradebook, folder, feedback, csv, at_most, show)
    tell(found, show)
    show(f"records: {folder}; specdec merge makes the grade book" if part else _written(gradebook, feedback, csv))
    return found


def merge_records(
    sources, gradebook, *, submitted=None, root=".", records_dir=None, feedback=None, csv=None, show=print
) -> list[dict]:
    """Make one folder of records and a grade book out of what `--shard` wrote; returns the records, sorted.

    Args:
        sources: folders of records.
        submitted: the submissions, for their graded notebooks and the times they were handed in; None for neither.

    The other arguments are those of `grade_class`. Raises ValueError when two records of a submission differ.
    """
    root, gradebook = _course_root(root), Path(gradebook).resolve()
    folder = Path(records_dir).resolve() if records_dir else gradebook.parent / "records"
    for source in sources:
        if not Path(source).is_dir():
            raise ValueError(f"{source} is no folder; expected a folder of records that specdec grade --shard wrote")
    with records.reserved(folder):
        merged, remarks = records.merge_folders([Path(source) for source in sources], folder)
        for line in remarks:
            show(line)
        found = [merged[submission] for submission in sorted(merged)]
        if submitted is not None:
            there, problems = find_submissions(Path(submitted).resolve())
            there, more = few_unknown(there, root)
            missing = [f"{shown(who)}, {what}: no record" for who, what in there if (who, what) not in merged]
            for line in problems + more + missing:
                show(line)
        there = Path(submitted).resolve() if submitted else None
        hand_over(found, there, root, gradebook, folder, feedback, csv, cores(), show)
    tell(found, show)
    show(_written(gradebook, feedback, csv))
    return found


def _gathered(submitted: Path, root: Path, unit, student, show) -> set[tuple[str, str]]:
    """What lies elsewhere than expected is put where it belongs, and told; returns folders that are no submissions."""
    units = layouts.units_of(root)

    def wanted(who, what):
        return student in (None, who) and is_meant(what, unit)

    lines, taken = layouts.gather(submitted, units, wanted)
    for line in lines:
        show(line)
    return {one for one in taken if one[1] not in units}


def few_unknown(submissions: list[tuple[str, str]], root: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """(the submissions, without most of the folders of one student that are far too many; a line about each such)."""
    unknown: dict[str, list[str]] = {}
    for who, what in submissions:
        if not schedule.known_unit(root, what):
            unknown.setdefault(who, []).append(what)
    many = {who: units for who, units in unknown.items() if len(units) > MOST_UNKNOWN}
    left_out = {(who, what) for who, units in many.items() for what in units[MOST_UNKNOWN:]}
    return [one for one in submissions if one not in left_out], [
        f"{shown(who)}: {len(units)} folders of units that the course does not have; the first {MOST_UNKNOWN} are told"
        for who, units in many.items()
    ]


def cores() -> int:
    """The cores that this process may use, which on a shared machine are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def isolation_level(trust_students: bool, show) -> str:
    """The level at which student code is shut in here. ValueError below "full", unless the students are trusted."""
    from .isolation.probes import isolation

    if sys.platform != "linux":
        raise ValueError("grading in a box needs Linux (or WSL 2, or a container); elsewhere there is --stock")
    level, _ = isolation()
    if level != FULL and not trust_students:
        raise ValueError(
            f"student code cannot be shut in on this machine (isolation: {level}, needed: {FULL}); "
            "specdec doctor --grading says what is missing, --trust-students grades nevertheless"
        )
    show(f"isolation: {level}")
    newer = "" if sys.version_info >= (3, 12) else " (Colab has 3.12 or newer: better grade with that)"
    show(f"students' code runs in Python {platform.python_version()}{newer}")
    return level


def _split(submissions, submitted, root, folder, level, regrade, jobs) -> tuple[dict, list[tuple[str, str]]]:
    """(the records that hold, by (student, unit); the submissions that are to be graded).

    A record holds if grading would give it again. What costs most, the hash of what was handed in, is asked last.
    """
    found, left, kept = {}, [], {}
    for student, unit in submissions:
        submission, record = (student, unit), records.read_record(folder, student, unit)
        if not schedule.known_unit(root, unit):
            found[submission] = records.not_graded(student, unit, "The course has no such unit.")
            if record != found[submission]:
                records.write_record(folder, found[submission], records.read_times(folder, student, unit))
        elif regrade or record is None or not record["key"]:
            left.append(submission)
        elif (record["course"], record["level"]) != (course_hash(root, unit), level):
            left.append(submission)
        else:
            kept[schedule.Folder(str(submitted / student / unit), unit, str(root))] = record
    now = schedule.keys(list(kept), jobs)
    for place, record in kept.items():
        submission = record["student"], record["unit"]
        if now.get(place) == record["key"]:
            found[submission] = record
        else:
            left.append(submission)
    return found, sorted(left)


def _graded(found: dict, tasks: list, folder: Path, jobs: int, scheduler, pool, show, bar) -> list[dict]:
    """All records, sorted: those in `found`, and of `tasks`, each kept as soon as it is there."""
    total = len(found) + len(tasks)
    if found:
        show(f"{len(found)} of {total} are graded already (--regrade grades them anew)")
    grading = contextlib.closing(schedule.grade(tasks, jobs, scheduler if tasks else None, pool))
    with grading as coming, progress(len(tasks), bar, show) as tick:
        try:
            for record, times in coming:
                records.write_record(folder, record, times)
                found[record["student"], record["unit"]] = record
                tick(record)
        except KeyboardInterrupt:
            show(f"stopped; {len(found)} of {total} are kept. The same command goes on from here.")
            sys.exit(130)
    return [found[submission] for submission in sorted(found)]


@contextlib.contextmanager
def progress(total: int, bar: bool, show):
    """Yields a function that is told of each record: a bar with the time that is left, or plain lines."""
    if bar and total:
        from tqdm import tqdm

        with tqdm(total=total, unit="submission", file=sys.stderr, dynamic_ncols=True) as shown_bar:
            yield lambda record: shown_bar.update()
        return
    count = 0

    def line(record):
        nonlocal count
        count += 1
        points = f"{record['points']:g} of {record['maximum']:g}" if record["problem"] is None else "not graded"
        show(f"[{count}/{total}] {shown(record['student'])} {record['unit']}: {points}")

    yield line


def _written(gradebook: Path, feedback, csv) -> str:
    """Where to go on reading."""
    report = f"; report: {Path(feedback) / 'report.html'}" if feedback else ""
    return f"grade book: {gradebook}{report}" + (f"; marks: {csv}" if csv else "")


def tell(found: list[dict], show) -> None:
    """The marks as a table; below it what was recovered in submissions and what the instructor should look at."""
    if not found:
        show("no submission is in this part of the class")
        return
    show(marks_table([mark_of(record, shown) for record in found]))
    for record in found:
        for line in _few(record["remarks"]) + _few([f"LOOK: {flag}" for flag in record["flags"]]):
            show(f"{shown(record['student'])}, {record['unit']}: {shown(line)}")


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= 4 else [*lines[:3], f"and {len(lines) - 3} more"]


def mark_of(record: dict, name=str) -> Mark:
    status = "graded" if record["status"] == "graded" else f"not graded: {name(record['problem'] or '')}"
    return Mark(name(record["student"]), record["unit"], record["points"], record["maximum"], status)


def _course_root(root) -> Path:
    root = Path(root).resolve()
    if not (root / "nbgrader_config.py").is_file():
        raise ValueError(f"{root} is not the root of the course: there is no nbgrader_config.py in it")
    return root
