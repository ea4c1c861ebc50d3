"""A judge for tests of everything around judging: it reads `number = 7` out of a submission and runs nothing.

Run as a program it grades a class with itself, so that a test can kill it:
`python fake_judge.py SUBMITTED GRADEBOOK ROOT JOBS`.
"""

import os
import re
import signal
import sys
import time
from pathlib import Path

from specdec_course.grading.recover import read_submission

JUDGE = "fake_judge:judge"


def judge(folder, student, unit, root, house, secret, seconds):
    """4 points for 7, 2 for anything else above 6; a bonus of what `extra` says."""
    release = Path(root) / "notebooks" / unit / f"{unit}.ipynb"
    submission = read_submission(Path(folder), unit, release)
    text = "\n".join(submission.answers.values())
    if "KILL" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "RAISE" in text:
        raise RuntimeError("no such thing")
    if "NAN" in text:
        return {"points": float("nan")}, {}
    time.sleep(float(os.environ.get("FAKE_JUDGE_SECONDS", "0")))
    if log := os.environ.get("FAKE_JUDGE_LOG"):
        with open(log, "a") as file:
            file.write(f"{student}/{unit}\n")
    number, extra = (_value(name, text) for name in ("number", "extra"))
    points = 4.0 if number == 7 else 2.0 if number > 6 else 0.0
    rows = [_row("number", points, 4.0, False), _row("extra", min(extra, 2.0), 2.0, True)]
    problem = submission.problem
    record = {
        "format": 1, "student": student, "unit": unit, "key": submission.key, "course": "", "level": "",
        "status": "not graded" if problem else "graded", "problem": problem,
        "points": min(4.0, sum(row["points"] for row in rows)), "maximum": 4.0, "exercises": rows,
        "remarks": list(submission.remarks), "flags": [], "answers": submission.answers,
    }  # fmt: skip
    times = {"student": student, "unit": unit, "seconds": time.time(), "cpu": 0.1, "by_exercise": {"number": 0.1}}
    return record, times


def _value(name, text):
    found = re.search(rf"^{name} = (\d+)", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _row(name, points, maximum, bonus):
    state = "right" if points == maximum else "partly right" if points else "wrong"
    return {
        "name": name, "points": points, "maximum": maximum, "bonus": bonus, "state": state,
        "score": points / maximum, "diagnosis": None, "message": f"{name}: {state}. <script>alert(1)</script>",
        "parts": [["all of it", points == maximum]],
    }  # fmt: skip


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background it is ignored
    from specdec_course.grading.classroom import grade_class

    submitted, gradebook, root, jobs = sys.argv[1:]
    grade_class(submitted, gradebook, root=root, jobs=int(jobs), judge=JUDGE, level="full")
