"""Who is in a class and how each one stands, as nbgrader's grade book knows it; and more time for one student.

Knows: students, due dates, extensions. Does not know: how marks came about.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from . import gradebook

SPAN = re.compile(r"(\d{1,4}(?:\.\d)?) ?([mhdw])")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def standing(book) -> tuple[list[str], dict[tuple[str, str], dict]]:
    """(all students of an open grade book, (student, unit) -> {"late": seconds, "penalty": points} of the late)."""
    late = {}
    for assignment in book.assignments:
        for submission in assignment.submissions:
            if (seconds := submission.total_seconds_late) > 0:
                penalty = submission.late_submission_penalty or 0.0
                late[submission.student_id, assignment.name] = {"late": seconds, "penalty": penalty}
    return sorted(student.id for student in book.students), late


def in_words(seconds: float) -> str:
    """How late that is: "2 d 3 h", "50 min"."""
    minutes = max(1, round(seconds / 60))
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days} d" + (f" {hours} h" if hours else "")
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def span(text: str) -> timedelta:
    """ "2d", "36h", "90m", "1w" or "0" as a time. ValueError for anything else."""
    if text == "0":
        return timedelta()
    match = SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no span of time; expected a number and m, h, d or w, such as 2d, or 0 for none")
    return float(match[1]) * UNITS[match[2]]


def extend(path: Path, student: str, unit: str, more: timedelta) -> str:
    """Gives a student more time for a unit (0 takes it back); a line that says so. It replaces an earlier extension."""
    from nbgrader.api import MissingEntry

    with gradebook.opened(path) as book:
        try:
            due = book.find_assignment(unit).duedate
        except MissingEntry:
            raise ValueError(f"{path} knows no unit {unit} yet; set its date first: nbgrader db assignment add {unit} "
                             '--duedate "2026-12-01 12:00 UTC"') from None
        try:
            submission = book.find_submission(unit, student)
        except MissingEntry:
            book.update_or_create_student(student)
            submission = book.add_submission(unit, student)
        submission.extension = more or None
        book.db.commit()
    if due is None:
        return f"{student}, {unit}: kept, but the unit has no due date: nobody is late"
    return f"{student}, {unit}: due {due + more:%Y-%m-%d %H:%M} UTC; run specdec grade again, it reckons penalties anew"
