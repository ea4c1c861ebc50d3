"""Grading: a class, each submission in a box (`classroom`) or with nbgrader's own autograder (`stock`); or one notebook
(`notebook`)."""

from .marks import Mark, marks_json, marks_table

__all__ = ["Mark", "grade_class", "marks_json", "marks_table"]


def grade_class(submitted_dir, gradebook, **options) -> list[dict]:
    """`classroom.grade_class`, which needs Linux; the rest of this folder is imported everywhere."""
    from .classroom import grade_class as grade

    return grade(submitted_dir, gradebook, **options)
