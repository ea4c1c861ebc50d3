"""The one writer of nbgrader's grade book: records in, `gradebook.db` and the graded notebooks out.

Knows: nbgrader's tables, and what formgrader, export and feedback read there. Does not know: how a record came about.
Writing the same records again changes nothing; a class is written in one transaction, so that a run that is killed
leaves the grade book as it was. What an instructor entered in formgrader stays.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from ...common.whole import write_bytes
from ..recover import files
from ..submissions import shown
from . import belongs, dropped, stamps, stock
from .workspace import environment

SMALL = 1000  # bytes of a file that nbgrader has put beside a submission


def write_book(path: Path, root: Path, records: list[dict], times: dict, show=print) -> None:
    """Write records into a grade book, which is made if it is not there.

    Args:
        root: the course's root.
        records: of units that the course has; each (student, unit) at most once.
        times: (student, unit) -> when it was handed in (UTC, without a zone), where that is known.
        show: where a line goes about a student whose marks could not be written, or whose penalty could not be found.

    Raises ValueError when nbgrader refuses a unit.
    """
    units = sorted({record["unit"] for record in records})
    belongs.refuse_another(path, root)
    with environment(1), opened(path) as book:
        for unit in units:
            for line in dropped.bring_up_to_date(book, unit, root / "solutions" / unit / f"{unit}.ipynb"):
                show(line)
        _register(path, root, units)
        _write_all(book, records, times, late_rule(root), show)


def write_notebook(submitted: Path, record: dict, content: bytes, timed: bool) -> None:
    """Write `autograded/<student>/<unit>/<unit>.ipynb` beside the folder of submissions. `timed`: its timestamp.txt can
    be read as a time; nbgrader stumbles over another."""
    unit, inside = record["unit"], Path(record["student"]) / record["unit"]
    target = submitted.parent / "autograded" / inside
    target.mkdir(parents=True, exist_ok=True)
    _write_if_new(target / f"{unit}.ipynb", content)
    # By the time, nbgrader sees that a newer submission was graded; with the secret, its feedback finds the student.
    for name in ([stamps.NAME] if timed else []) + ["submission_secret.txt"]:
        with contextlib.suppress(OSError, ValueError):
            _write_if_new(target / name, files.read(submitted / inside, name, SMALL))


@contextlib.contextmanager
def opened(path: Path):
    """nbgrader's Gradebook at this path. A new one appears complete: it is made beside it and renamed."""
    from nbgrader.api import Gradebook

    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with tempfile.TemporaryDirectory(prefix=".gradebook-", dir=path.parent) as folder, environment(1):
            with stock.silenced(), Gradebook(f"sqlite:///{folder}/new.db"):
                pass
            os.replace(f"{folder}/new.db", path)
    with Gradebook(database_url(path)) as book:
        yield book


def database_url(path: Path) -> str:
    """Another writer is waited for, for longer than SQLite's 5 seconds."""
    return f"sqlite:///{path.resolve()}?timeout=120"


def _register(path: Path, root: Path, units: list[str]) -> None:
    """Tell the grade book about the cells and points of the units, with nbgrader's own generate_assignment."""
    with tempfile.TemporaryDirectory(prefix="specdec-grade-") as folder:
        (Path(folder) / "solutions").symlink_to(root / "solutions", target_is_directory=True)
        for unit in units:
            stock.register_unit((folder, str(root), database_url(path)), unit)


def late_rule(root: Path):
    """nbgrader's rule for late submissions that the course's nbgrader_config.py names. ValueError if that is none."""
    from nbgrader.preprocessors import AssignLatePenalties

    from specdec_course.build.release import course_config

    config = course_config(root)
    try:
        rule = AssignLatePenalties(config=config)
        rule.init_plugin()
    except Exception as error:  # traitlets raises many kinds for a name that it cannot import
        raise ValueError(f"the rule for late submissions that nbgrader_config.py names cannot be had: {error}; a file "
                         f"of yours that holds it belongs into {root}") from error
    return rule.plugin_inst.late_submission_penalty


def _write_all(book, records: list[dict], times: dict, late_penalty, show) -> None:
    """All records in one transaction; if that fails, each in one of its own, so that what fails costs one student."""
    from sqlalchemy.exc import OperationalError

    try:
        for unit in sorted({record["unit"] for record in records}):
            _write_unit(book, unit, [record for record in records if record["unit"] == unit], times, late_penalty, show)
        book.db.commit()
    except OperationalError:  # a full disk, a book that is locked: no student's doing
        raise
    except Exception as error:
        book.db.rollback()
        for record in records if len(records) > 1 else ():
            _write_all(book, [record], times, late_penalty, show)
        if len(records) == 1:
            show(f"{_who(records[0])}: not written into the grade book ({_reason(error)})")


def _who(record: dict) -> str:
    return f"{shown(record['student'])}, {record['unit']}"


def _reason(error: Exception) -> str:
    return shown(f"{type(error).__name__}: {error}")[:200]


def _write_unit(book, unit: str, records: list[dict], times: dict, late_penalty, show) -> None:
    """Fill in all submissions of a unit. nbgrader's own functions would query and commit for each cell."""
    notebook = book.find_notebook(unit, unit)
    cells = {cell.id: cell for cell in notebook.grade_cells}
    answers = {cell.id: cell for cell in notebook.solution_cells}
    _add_students(book, [record["student"] for record in records])
    there = _submissions(book, notebook.assignment)
    for record in records:
        student = record["student"]
        submission = there.get(student) or _new_submission(book, notebook, student)
        submission.timestamp = times.get((student, unit)) or submission.timestamp
        (own,) = submission.notebooks
        _fill_in(own, record, cells, answers)
        late = submission.total_seconds_late
        score = sum(_score(grade) for grade in own.grades)
        try:
            penalty = late_penalty(student, score, late) if late > 0 else None
            own.late_submission_penalty = None if penalty is None else min(max(0.0, float(penalty)), score)
        except Exception as error:  # the instructor's own rule, asked about any student
            show(f"{_who(record)}: no penalty, because the rule for late submissions stopped ({_reason(error)})")


def _add_students(book, students: list[str]) -> None:
    from nbgrader.api import Student

    known = {student for (student,) in book.db.query(Student.id)}
    book.db.add_all(Student(id=student) for student in sorted(set(students) - known))
    book.db.flush()


def _submissions(book, assignment) -> dict:
    """The submissions that the grade book has of a unit, by student, with all that belongs to them."""
    from nbgrader.api import SubmittedAssignment as Submission
    from nbgrader.api import SubmittedNotebook
    from sqlalchemy.orm import selectinload

    inner = selectinload(Submission.notebooks)
    query = book.db.query(Submission).filter(Submission.assignment_id == assignment.id).options(
        inner.selectinload(SubmittedNotebook.grades), inner.selectinload(SubmittedNotebook.comments)
    )  # fmt: skip
    return {submission.student_id: submission for submission in query}


def _new_submission(book, notebook, student: str):
    """What nbgrader's add_submission makes: a submission with an empty grade and comment for every cell."""
    from nbgrader.api import Comment, Grade, SubmittedAssignment, SubmittedNotebook

    with book.db.no_autoflush:
        submission = SubmittedAssignment(assignment=notebook.assignment, student_id=student)
        own = SubmittedNotebook(notebook=notebook, assignment=submission)
        for cell in notebook.grade_cells:
            Grade(cell_id=cell.id, notebook=own)
        for cell in notebook.solution_cells:
            Comment(cell_id=cell.id, notebook=own)
    book.db.add(submission)
    return submission


def _fill_in(own, record: dict, cells: dict, answers: dict) -> None:
    """The scores of one submission. A cell of 0 points is a bonus cell: its points make up for what was lost.

    Args:
        cells, answers: the unit's test cells and its solution cells, by their ids.
    """
    earned = {exercise["name"]: exercise for exercise in record["exercises"]}
    by_hand = {cell.name for cell in answers.values()}
    bonus = []
    for grade in own.grades:
        cell = cells[grade.cell_id]
        points = earned.get(cell.name.removeprefix("grade_"), {"points": 0.0})["points"]
        if cell.name in by_hand:
            continue  # a written answer, which only a person can mark
        if not cell.max_score:
            bonus.append((grade, points))
            grade.extra_credit = None
        judged = earned.get(cell.name.removeprefix("grade_"), {}).get("state") != "not judged"
        _set_score(grade, min(points, cell.max_score), record["status"] == "graded" and judged)
    lost = sum(cell.max_score for cell in cells.values()) - sum(map(_score, own.grades))
    for grade, points in bonus:
        grade.extra_credit = min(points, max(0.0, lost))
        lost -= grade.extra_credit
    answered = {name for name, exercise in earned.items() if exercise.get("state") != "not attempted"}
    for comment in own.comments:
        comment.auto_comment = None if answers[comment.cell_id].name in answered else "No response."


def _set_score(grade, points: float, graded: bool) -> None:
    """A score entered by hand stays, and is to be looked at again when ours has changed beneath it."""
    if grade.manual_score is None:
        grade.needs_manual_grade = not graded
    elif grade.auto_score != points:
        grade.needs_manual_grade = True
    grade.auto_score = points


def _score(grade) -> float:
    """What nbgrader computes in SQL; here before it is written."""
    base = grade.manual_score if grade.manual_score is not None else grade.auto_score or 0.0
    return base + (grade.extra_credit or 0.0)


def _write_if_new(path: Path, content: bytes) -> None:
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass
    write_bytes(path, content, sure=False)
