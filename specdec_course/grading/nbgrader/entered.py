"""What the grade book says of a submission beside the checks' own points: penalties, scores and comments by hand.

Knows: nbgrader's tables. Does not know: pages, records.
"""

from __future__ import annotations

from typing import NamedTuple


class Entered(NamedTuple):
    """`score`: all that counts, of `maximum`; `penalty`: points taken for being late; `by_hand`: (exercise, points);
    `comments`: (exercise, text)."""

    score: float
    maximum: float
    penalty: float
    by_hand: tuple[tuple[str, float], ...]
    comments: tuple[tuple[str, str], ...]


def entered(book, units: list[str]) -> dict[tuple[str, str], Entered]:
    """(student, unit) -> what an open Gradebook says, of these units."""
    found = {}
    for unit in units:
        notebook = book.find_notebook(unit, unit)
        cells = [*notebook.grade_cells, *notebook.solution_cells]
        names = {cell.id: cell.name.removeprefix("grade_") for cell in cells}
        for submission in notebook.assignment.submissions:
            own = [grade for one in submission.notebooks for grade in one.grades]
            comments = [comment for one in submission.notebooks for comment in one.comments]
            penalty = sum(one.late_submission_penalty or 0.0 for one in submission.notebooks)
            found[submission.student_id, unit] = Entered(
                max(0.0, float(submission.score) - penalty), float(submission.max_score), penalty,
                tuple((names[one.cell_id], float(one.manual_score)) for one in own if one.manual_score is not None),
                tuple((names[one.cell_id], one.manual_comment) for one in comments if one.manual_comment),
            )  # fmt: skip
    return found
