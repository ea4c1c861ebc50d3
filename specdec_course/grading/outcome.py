"""What a record says of one submission, in text that files, data bases and pages take.

Knows: reports, what of a student's text is kept. Does not know: how a report came about, where a record lies.
"""

from __future__ import annotations

import re

from .. import checks
from ..checks.exercise import NOT_ATTEMPTED, Report
from .recover import Submission

ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # in Python's names of objects; another one each time
NO_TEXT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, halves of characters
LONGEST_TEXT, LONGEST_SOURCE = 4000, 20_000  # characters of a message, of an answer's source
COMPARED = 10_000  # characters of an answer that are compared with others' answers
MOST_LINES = 100  # remarks, flags


def record_of(student: str, unit: str, submission: Submission, reports: dict[str, Report], level: str, remarks: list,
              flags: list) -> dict:
    """The record of a submission. `remarks`: what the student should know beside the reports; `flags`: what the
    instructor should look at."""
    rows = [_row(exercise, reports.get(name)) for name, exercise in checks.exercises(unit).items()]
    maximum = sum(row["maximum"] for row in rows if not row["bonus"])
    problem = submission.problem
    flags = [*flags, *(f"of the answer to {name} only the first {COMPARED:,} characters are compared with others'"
                       for name, source in submission.answers.items() if len(source) > COMPARED)]
    return {
        "format": 1, "student": student, "unit": unit, "key": submission.key, "file": submission.file,
        "course": "", "level": level,
        "status": "not graded" if problem else "graded", "problem": problem,
        "points": min(maximum, round(sum(row["points"] for row in rows), 4)), "maximum": maximum,
        "exercises": rows,
        "remarks": [printable(one) for one in (*submission.remarks, *remarks)][:MOST_LINES],
        "flags": [printable(flag) for flag in flags][:MOST_LINES],
        "answers": {name: printable(source, LONGEST_SOURCE) for name, source in submission.answers.items()},
    }  # fmt: skip


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text of a student's as it may stand in a record: never long, the same each time, and in characters that files and
    data bases take."""
    short = text if len(text) <= longest else f"{text[:longest]} ..."
    return NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", ADDRESS.sub("", short))


def _row(exercise, report: Report | None) -> dict:
    if report is None:
        report = Report(exercise.name, NOT_ATTEMPTED, 0.0, f"{exercise.name}: not judged.")
    return {
        "name": exercise.name, "points": exercise.earned(report.score), "maximum": float(exercise.points),
        "bonus": exercise.bonus,
        "state": report.state, "score": report.score, "diagnosis": report.diagnosis,
        "message": printable(report.message),
        "parts": [[name, passed] for name, passed in report.parts],
        **({"figures": report.figures} if report.figures else {}),
    }  # fmt: skip
