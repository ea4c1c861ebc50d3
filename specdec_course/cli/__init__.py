"""The command line, `specdec`: `classes`, `learning`, `machine`, `marks`, `students` and `texts` hold the commands,
all work is done by the rooms below.

Nothing heavy is imported before a command runs, so that `specdec --help` answers at once.
"""

from . import classes, learning, machine, marks, students, texts  # noqa: F401 - they add their commands to the group
from .group import main

__all__ = ["main"]
