"""A page that a class may see: who reached what, where a check has measured something. Nobody stands on it by name
unless that is asked for.

Knows: records, how an alias is made, the order. Does not know: exercises, how anything was measured.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
from pathlib import Path

from ..nbgrader.export import FORMULA
from . import page

SHOWN = {"per_call": "tokens per call", "speedup": "cost-adjusted speed-up", "bytes": "kB"}
FIRST = "Amber Brisk Calm Deft Eager Fleet Gentle Hardy Keen Lively Merry Nimble Proud Quick Ready Steady".split()
SECOND = "Badger Crane Dolphin Egret Falcon Gecko Heron Ibis Jackal Kestrel Lynx Marten Newt Otter Puffin Raven".split()


def alias(student: str, secret: bytes) -> str:
    """A name that says nothing of the student to those who lack the secret: the same one each time."""
    drawn = hmac.new(secret, f"leaderboard {student}".encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    number = int.from_bytes(drawn[2:6], "big") % 100_000
    return f"{FIRST[drawn[0] % len(FIRST)]} {SECOND[drawn[1] % len(SECOND)]} {number:05}"


def rows(records: list[dict], named: dict[str, str], secret: bytes, real: bool = False) -> list[dict]:
    """A row for each student of whose work something was measured, the best first.

    Args:
        records: of one unit. named: {student: the name to be shown} for those who have chosen one. real: show the ids
            of the others; else each has an alias.
    """
    found = []
    for record in records:
        measured = next((one for one in record["exercises"] if _is_measured(one)), None)
        if measured is None:
            continue
        student = record["student"]
        name = named.get(student) or (student if real else alias(student, secret))
        figures = {key: float(measured["figures"][key]) for key in SHOWN}
        found.append({"student": student, "name": name, "points": float(record["points"]), **figures})
    found.sort(key=lambda row: (-row["points"], -row["per_call"], -row["speedup"], row["bytes"], row["name"]))
    places = {}
    for number, row in enumerate(found, start=1):  # who has the same points and figures has the same place
        row["place"] = places.setdefault((row["points"], *(row[key] for key in SHOWN)), number)
    return found


def _is_measured(exercise: dict) -> bool:
    figures = exercise.get("figures")
    return isinstance(figures, dict) and all(isinstance(figures.get(key), (int, float)) for key in SHOWN)


def leaderboard_page(found: list[dict], title: str, maximum: float) -> str:
    """The page of `rows`. It holds no student's id but where that is the name that is shown."""
    shown = [{key: value for key, value in row.items() if key != "student"} for row in found]
    return page.render("leaderboard.html", title, rows=shown, title=title, maximum=maximum, heads=[*SHOWN.values()])


def read_names(path: Path) -> dict[str, str]:
    """{student: name} of a CSV file with the columns student and name. ValueError for any other."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file)
        if not {"student", "name"} <= set(lines.fieldnames or ()):
            raise ValueError(f"{path} has the columns {lines.fieldnames}; expected student and name")
        return {line["student"]: line["name"] for line in lines if line["name"]}


def who_is_who(found: list[dict]) -> str:
    """CSV with the columns student and name, of `rows`: for the instructor alone, and what `read_names` reads."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student", "name"])
    writer.writerows([FORMULA.sub(r"\1'", row[key]) for key in ("student", "name")] for row in found)
    return out.getvalue()
