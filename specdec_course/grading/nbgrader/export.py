"""Marks as CSV, in the format of `nbgrader export`.

Knows: the columns of nbgrader's CsvExportPlugin, what a spreadsheet does with a cell. Does not know: how marks came
about. It differs from nbgrader in two things: a value that holds a comma, a quote or a line break is quoted, where
nbgrader's file could not be read again; and a name that a spreadsheet would compute (`=...`) has a `'` before it.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from ...common.whole import write_text

COLUMNS = (
    "assignment duedate timestamp student_id last_name first_name email "
    "raw_score late_submission_penalty score max_score"
).split()
FORMULA = re.compile(r"(^|[;,|\t\r\n])(?=[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")  # behind what parts cells, too


def write_csv(book, path: Path) -> None:
    """Write all marks of an open nbgrader Gradebook: every student in every unit; not handed in is 0."""
    write_text(path, csv_text(book))


def csv_text(book) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for assignment in book.assignments:
        theirs = _submissions(book, assignment)
        for student in book.students:
            writer.writerow(["" if value is None else str(value) for value in _row(assignment, student, theirs)])
    return out.getvalue()


def wide_csv(book, key: str = "id", exercises: bool = False) -> tuple[str, list[str]]:
    """(one row per student: `key`, then the score of each unit, late penalties taken off; who has no such key).

    Args:
        key: "id" or "email": what a learning platform knows a student by.
        exercises: with a column for the points of each exercise, as unit:exercise.
    """
    units = [(assignment, _submissions(book, assignment)) for assignment in book.assignments]
    names = {a.name: [c.name for notebook in a.notebooks for c in notebook.grade_cells] for a, _ in units}
    out, without = io.StringIO(), []
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([key, *(column for a, _ in units for column in [
        a.name, *(f"{a.name}:{name.removeprefix('grade_')}" for name in names[a.name] if exercises)])])
    for student in book.students:
        who = student.email if key == "email" else student.id
        if not who:
            without.append(student.id)
            continue
        row = [_text(who)]
        for assignment, theirs in units:
            submission = theirs.get(student.id)
            row.append("" if submission is None else
                       round(max(0.0, submission.score - submission.late_submission_penalty), 4))
            if exercises:
                own = {g.name: g.score for n in submission.notebooks for g in n.grades} if submission else {}
                row += [own.get(name, "") for name in names[assignment.name]]
        writer.writerow(row)
    return out.getvalue(), without


def _submissions(book, assignment) -> dict:
    """The submissions of a unit by student, with their scores, in one query instead of one per student."""
    from nbgrader.api import SubmittedAssignment as Submission
    from sqlalchemy.orm import undefer

    scores = undefer(Submission.score), undefer(Submission.late_submission_penalty)
    query = book.db.query(Submission).filter(Submission.assignment_id == assignment.id).options(*scores)
    return {submission.student_id: submission for submission in query}


def _row(assignment, student, theirs: dict) -> list:
    submission = theirs.get(student.id)
    if submission is None:
        timestamp, raw, penalty, score = None, 0.0, 0.0, 0.0
    else:
        timestamp, raw, penalty = submission.timestamp, submission.score, submission.late_submission_penalty
        score = max(0.0, raw - penalty)
    who = [_text(one) for one in (student.id, student.last_name, student.first_name, student.email)]
    return [assignment.name, assignment.duedate, timestamp, *who, raw, penalty, score, assignment.max_score]


def _text(value: str | None) -> str | None:
    """A name as a spreadsheet may read it: one that begins like a formula would be computed, with whatever it calls."""
    return FORMULA.sub(r"\1'", value) if value else value
