"""formgrader's Autograde button, led through the box: without this it runs a student's notebook with the instructor's
rights.

Knows: what formgrader calls for one student of one assignment. Does not know: how a submission is graded (`specdec
grade`, in a process of its own).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def lead_through_the_box() -> None:
    """From now on formgrader grades units of this course, in this process, as `specdec grade` does.

    Other assignments that stand in the same folder are nbgrader's to grade, as is `nbgrader autograde` in a shell.
    """
    from nbgrader.apps import api
    from nbgrader.converters import Autograde

    class BoxedAutograde(Autograde):
        def start(self):
            root, unit = Path(self.coursedir.root), self.coursedir.assignment_id
            if not (root / self.coursedir.source_directory / unit / f"{unit}.py").is_file():
                return super().start()
            return _grade(root, self.coursedir.submitted_directory, unit, self.coursedir.student_id, self.log.info)

    api.Autograde = BoxedAutograde


def _grade(root: Path, submitted: str, unit: str, student: str, say) -> None:
    """`specdec grade` for one submission; RuntimeError with its last line where it ends badly."""
    command = [sys.executable, "-m", "specdec_course.cli", "grade", submitted, "--unit", unit, "--student", student]
    done = subprocess.run(command, cwd=root, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = done.stdout.strip().splitlines()
    for line in lines:
        say(line)
    if done.returncode:
        raise RuntimeError(lines[-1] if lines else f"specdec grade ended with code {done.returncode}")
