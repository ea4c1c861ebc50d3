"""Compares what the grader says about a submission with what the submission deserves.

Knows: records, as the grader writes them, and what a student reads of one. Does not know: how they came about.
"""

from __future__ import annotations

import json
import math
import re

from . import Case

LONGEST = 200_000  # bytes of a record: no submission may blow up the class's files


def due(case: Case, exercise: str) -> tuple[float, float]:
    """The lowest and the highest share of an exercise's points that is right."""
    share = case.expect.points.get(exercise, case.expect.points.get("*", 1.0))
    return share if isinstance(share, tuple) else (share, share)


def told(case: Case, record: dict) -> str:
    """What the student reads about what was attacked: remarks, the problem, and messages of these exercises."""
    attacked = [row["message"] for row in record["exercises"]
                if row["name"] in case.expect.points or "*" in case.expect.points]
    return "\n".join([record["problem"] or "", *record["remarks"], *attacked])


def first_line(case: Case, record: dict) -> str:
    """The line that says most, for the table."""
    lines = [line for line in told(case, record).splitlines() if line.strip() and not line.startswith("  ")]
    wanted = [line for line in lines if _asks(case) and _found(case.expect.message, line)]
    plain = [line for line in lines if not re.search(r": (not right yet|right)\.", line)]
    return (wanted or plain or lines or [""])[0]


def complaints(case: Case, record: dict, secrets=(), notebook: str = "") -> list[str]:
    """What is wrong with a record, in words; empty if nothing is. `secrets`: texts that must not be in what the student
    reads, unless they are in the student's own `notebook`."""
    expect, found = case.expect, []
    if expect.graded is not None and (record["status"] == "graded") != expect.graded:
        found.append(f"status {record['status']!r} ({record['problem']}), due: graded is {expect.graded}")
    found += [line for row in record["exercises"] if (line := _points(case, row))]
    found += _sound(record)
    said = told(case, record)
    if _asks(case) and not _found(expect.message, said):
        found.append(f"no word of /{expect.message}/ in {said[:300]!r}")
    everything = "\n".join([said, *(row["message"] for row in record["exercises"])])
    if expect.never and _found(expect.never, everything):
        found.append(f"/{expect.never}/ is told: {everything[:300]!r}")
    for word in ("the check could not go on", " object at 0x"):  # no word for a student, and another one at every run
        if word in everything.lower():
            found.append(f"{word!r} is told: {said[:200]!r}")
    for word in (*secrets, "Traceback"):
        if word in everything and word not in notebook:
            found.append(f"the student reads {word!r}")
    return found


def _asks(case: Case) -> bool:
    return case.expect.message not in ("", r"\S")


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _points(case: Case, row: dict) -> str:
    low, high = due(case, row["name"])
    earned = math.isclose(row["points"], round(row["score"] * row["maximum"], 2), abs_tol=1e-9)
    if earned and low - 1e-6 <= row["score"] <= high + 1e-6:
        return ""
    return (f"{row['name']}: {row['points']} of {row['maximum']} points (score {row['score']}), due {low} to {high}: "
            f"{row['message'][:300]!r}")


def _sound(record: dict) -> list[str]:
    """What holds for every record, whatever was handed in."""
    found = []
    earned = math.fsum(row["points"] for row in record["exercises"])
    if not 0 <= record["points"] <= record["maximum"] or not math.isclose(
            record["points"], min(earned, record["maximum"]), abs_tol=1e-3):
        found.append(f"{record['points']} of {record['maximum']} points, where the exercises have {earned}")
    if len(json.dumps(record, allow_nan=False)) > LONGEST:
        found.append(f"a record of {len(json.dumps(record))} bytes")
    found += [f"nothing is said about {row['name']}" for row in record["exercises"] if not row["message"].strip()]
    return found
