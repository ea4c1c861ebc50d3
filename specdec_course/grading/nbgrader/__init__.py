"""Everything that touches nbgrader: its grade book, its own autograder, its notebooks."""
