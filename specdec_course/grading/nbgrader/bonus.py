"""Bonus points in nbgrader, which has none: they make up for points lost elsewhere in the unit.

Knows: where `grade` shows the points of a bonus exercise, and nbgrader's `extra_credit`. nbgrader adds that
to a cell's score in exports, feedback and formgrader. Does not know: which exercises there are.
"""

from __future__ import annotations

from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade

from .notebook import shown_bonus


class SaveBonus(NbGraderPreprocessor):
    """Runs in `nbgrader autograde` after SaveAutoGrades; nbgrader_config.py puts it there."""

    def preprocess(self, nb, resources):
        where = resources["nbgrader"]
        names = where["notebook"], where["assignment"], where["student"]
        with Gradebook(where["db_url"]) as book:
            # A test cell with 0 points is a bonus cell. Clear first: grading twice must not add twice.
            cells = [cell for cell in nb.cells if is_grade(cell) and not cell.metadata.nbgrader["points"]]
            grades = [book.find_grade(cell.metadata.nbgrader["grade_id"], *names) for cell in cells]
            for grade in grades:
                grade.extra_credit = None
            book.db.commit()
            for cell, grade in zip(cells, grades, strict=True):
                notebook = book.find_submission_notebook(*names)
                book.db.refresh(notebook)
                grade.extra_credit = min(shown_bonus(cell), max(0.0, notebook.max_score - notebook.score))
                book.db.commit()
        return nb, resources
