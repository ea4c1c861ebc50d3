"""How far a student has come, kept in a file between one session and the next, over all units.

Knows: where the file lies and how it reads. Does not know: exercises, or what a state is worth. It is a note to the
student, not a mark: a file that cannot be read or written is no reason to stop a check.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..common.whole import write_text
from .exercise import Report


def place() -> Path:
    """The file: in XDG_STATE_HOME where that is set, else in ~/.local/state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "specdec" / "progress.json"


def remember(report: Report) -> None:
    """Keeps the newest verdict on an exercise; not while nbgrader runs a student's notebook for somebody else."""
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        return
    kept = {name: {"state": state, "score": score} for name, (state, score) in recall().items()}
    kept[report.exercise] = {"state": report.state, "score": report.score}
    try:
        write_text(place(), json.dumps(kept, indent=1, sort_keys=True) + "\n", sure=False)
    except (OSError, RuntimeError):  # no home, or one that nothing can be written to
        pass


def recall() -> dict[str, tuple[str, float]]:
    """{exercise: (state, score)}, as far as the file says it in the right form."""
    try:
        found = json.loads(place().read_text(encoding="utf-8"))
        pairs = {name: (one["state"], float(one["score"])) for name, one in found.items()}
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {name: (state, score) for name, (state, score) in pairs.items()
            if isinstance(state, str) and 0.0 <= score <= 1.0}
