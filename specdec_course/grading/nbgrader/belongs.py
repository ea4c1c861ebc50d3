"""Whether a file may be this course's grade book: asked before anything is graded.

Knows: SQLite, the tables of nbgrader that tell. Does not know: what is written there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

HEAD = b"SQLite format 3\0"
MOST_NAMES = 5  # assignments of another course that are named


def refuse_another(path: Path, root: Path) -> None:
    """ValueError if there is a file at `path` that is no grade book, or that of another course.

    Args:
        path: where the grade book is, or will be.
        root: the course's root; it has a folder in `solutions/` or `notebooks/` for each of its assignments.
    """
    if not path.exists():
        return
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the file of a grade book, often gradebook.db")
    with open(path, "rb") as file:
        head = file.read(len(HEAD))
    if head and head != HEAD:
        raise ValueError(f"{path} is no grade book (and no SQLite database at all); give another file, or move it away")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as book:
            tables = {name for (name,) in book.execute("select name from sqlite_master where type = 'table'")}
            names = [name for (name,) in book.execute("select name from assignment")] if "assignment" in tables else []
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} cannot be read as a grade book: {error}; move it away, or use a backup") from None
    if tables and "assignment" not in tables:
        raise ValueError(f"{path} is a database, but no grade book of nbgrader; give another file")
    own = [name for name in names if any((root / kind / name).is_dir() for kind in ("solutions", "notebooks"))]
    if names and not own:
        shown = ", ".join(sorted(names)[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
        raise ValueError(f"{path} is the grade book of another course: it has {shown}, and {root} has none of these; "
                         "give a file of this course's own (--gradebook)")
