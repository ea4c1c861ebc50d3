"""Grading classes of students. So far with nbgrader's own autograder; see `grade_class`."""
