"""The command line, `specdec`: `classes`, `marks`, `students`, `texts` and `machine` hold the commands,
all work is done by the rooms below.

Nothing heavy is imported before a command runs, so that `specdec --help` answers at once.
"""

from . import classes, machine, marks, students, texts  # noqa: F401 - they add their commands to the group
from .group import main

__all__ = ["main"]
