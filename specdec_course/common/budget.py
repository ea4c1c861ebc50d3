"""How long things may take, where the notebook and the grader have to agree."""

GRADED = 6.0  # seconds of processor time for the check of an exercise, or a cell, while a class is graded (--seconds)
AT_HOME = 30.0  # for a check in a notebook: machines differ, and who needs more than GRADED there is told
