"""Grading: one notebook (`notebook`), or a class of students with nbgrader's own autograder (`stock`)."""

from .marks import Mark, marks_json, marks_table
from .stock import grade_class

__all__ = ["Mark", "grade_class", "marks_json", "marks_table"]
