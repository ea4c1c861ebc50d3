"""Surroundings in which nbgrader can be run from anywhere, quietly.

Knows: the folders nbgrader expects, the programs it starts, descriptors. Does not know: submissions or marks.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path


@contextlib.contextmanager
def workspace(submitted: Path, root: Path, feedback):
    """A folder of links that looks like the one course folder which nbgrader expects."""
    parts = {
        "solutions": root / "solutions",
        "submitted": submitted,
        "autograded": submitted.parent / "autograded",
    }
    if feedback is not None:
        parts["feedback"] = Path(feedback).resolve()
    with tempfile.TemporaryDirectory(prefix="specdec-grade-") as folder:
        for name, target in parts.items():
            if name != "solutions":
                target.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).symlink_to(target, target_is_directory=True)
        yield Path(folder)


@contextlib.contextmanager
def environment(jobs: int):
    """What kernels and helper programs inherit while `jobs` submissions are graded at a time.

    nbgrader starts `alembic` by name to make a grade book; it lies beside this Python, on PATH or not. And torch's
    threads must not outnumber the cores: they spin while they wait, which makes every notebook many times slower.
    """
    before = dict(os.environ)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before.get("PATH", "")])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def silenced():
    """Nothing that nbgrader's libraries or a student's kernel write reaches the terminal; marks are printed later.

    Descriptors and not sys.stdout, because a kernel inherits them: a student could print a fake table of marks.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept, null = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (*kept, null):
            os.close(descriptor)
