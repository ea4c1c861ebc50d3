"""The instructor's report on a class: one page and the same figures as JSON.

Knows: how to count records (marks, states, named mistakes, flags, remarks) and times. Does not know: how a record came
about, how answers are compared (see `similarity`), the grade book.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from ...common.whole import write_text
from . import page, similarity
from .feedback import LOOKS, feedback_path, known_mistake, unit_title, what_is_said

NAMES = 40  # students named under one mistake
LONGEST_LIST = 200  # rows of a list
SLOWEST = 10
ANY_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


def write_report(records: list[dict], times: list[dict], folder: Path, feedback: Path | None = None, students=(),
                 late: dict | None = None) -> Path:
    """Writes `report.html` and `report.json` into `folder`; returns the path of the page.

    Args:
        records: one record per submission, graded or not.
        times: what each took: {"student", "unit", "seconds", "cpu", "by_exercise": {name: seconds}}; may be incomplete.
        folder: where the report goes.
        feedback: the folder of the students' pages, for links; `folder` itself if not given.
        students: everybody in the class, as far as the grade book knows; late: (student, unit) -> how late, in words.
    """
    folder = Path(folder)
    counted = figures(records, times, students, late)
    write_text(folder / "report.json", json.dumps(counted, indent=1, sort_keys=True) + "\n", sure=False)
    return write_text(folder / "report.html", report_page(counted, folder, feedback or folder), sure=False)


def figures(records: list[dict], times: list[dict], students=(), late: dict | None = None) -> dict:
    """All that the report says, as plain data."""
    records = sorted(records, key=lambda r: (r["unit"], r["student"]))
    graded = [r for r in records if r["status"] == "graded"]
    units = sorted({r["unit"] for r in records})
    return {
        "submissions": len(records),
        "graded": len(graded),
        "levels": dict(Counter(str(r.get("level")) for r in records)),
        "not graded": [
            _who(r) | {"problem": r.get("problem") or "no reason is given"} for r in records if r["status"] != "graded"
        ],
        "units": [_unit(unit, [r for r in graded if r["unit"] == unit]) for unit in units],
        "marks": _marks(records, units, students, late or {}),
        "slowest": _slowest(times),
        "flagged": [_who(r) | {"flags": list(r["flags"])} for r in records if r.get("flags")],
        "remarks": [
            {"remark": remark, "count": count}
            for remark, count in Counter(text for r in records for text in r.get("remarks", [])).most_common()
        ],
        "alike": [
            {"unit": unit, **hint}
            for unit in units
            for hint in similarity.hints([r for r in graded if r["unit"] == unit])
        ],
    }


def _who(record: dict) -> dict:
    return {"student": record["student"], "unit": record["unit"]}


def _marks(records: list[dict], units: list[str], students, late: dict) -> list[dict]:
    """Each student's points in every unit; None where nothing was handed in."""
    by_submission = {(r["student"], r["unit"]): r for r in records}
    rows = []
    for student in sorted({*students, *(r["student"] for r in records)}):
        own = {unit: by_submission.get((student, unit)) for unit in units}
        rows.append({"student": student, "units": {
            unit: record and {"points": record["points"], "maximum": record["maximum"], "status": record["status"],
                              "late": late.get((student, unit))}
            for unit, record in own.items()
        }})  # fmt: skip
    return rows


def _unit(unit: str, records: list[dict]) -> dict:
    """Marks and exercises of one unit, of what was graded."""
    points = np.array([r["points"] for r in records], dtype=float)
    maximum = max((float(r["maximum"]) for r in records), default=0.0)
    shares = np.clip(points / maximum, 0, 1) if maximum else points * 0
    bins = np.histogram(shares, bins=10, range=(0, 1))[0].tolist() if len(records) else [0] * 10
    quartiles = np.percentile(points, [25, 50, 75]).round(4).tolist() if len(records) else None
    by_name = defaultdict(list)
    for record in records:
        for exercise in record["exercises"]:
            by_name[exercise["name"]].append((record["student"], exercise))
    return {
        "unit": unit,
        "graded": len(records),
        "maximum": maximum,
        "mean": round(float(points.mean()), 4) if len(records) else None,
        "quartiles": quartiles,
        "histogram": bins,
        "exercises": [_exercise(name, given) for name, given in by_name.items()],
    }


def _exercise(name: str, given: list[tuple[str, dict]]) -> dict:
    """How a class did in one exercise."""
    states = Counter(e["state"] for _, e in given)
    written = [e for _, e in given if e["state"] != "not attempted"]  # of a blank nothing fails: nothing is there
    failed = Counter(part for e in written for part, passes in e.get("parts", []) if not passes)
    return {
        "name": name,
        "submissions": len(given),
        "states": {state: states.get(state, 0) for state in LOOKS},
        "average": round(sum(e["points"] for _, e in given) / len(given), 4),
        "maximum": max(e["maximum"] for _, e in given),
        "bonus": any(e.get("bonus") for _, e in given),
        "parts that fail": [{"part": part, "count": count} for part, count in failed.most_common(5)],
        "mistakes": _mistakes(name, given),
    }


def _mistakes(name: str, given: list[tuple[str, dict]]) -> list[dict]:
    """The named mistakes, the most frequent first; then wrong answers that no mistake explains, by what was said."""
    students, texts, ids = defaultdict(list), {}, {}
    for student, e in given:
        if e["state"] in ("wrong", "partly right"):
            id, said = e.get("diagnosis") or "", page.plain(what_is_said(e), 400)
            key = id or ANY_NUMBER.sub("#", said.split("\n")[0])
            students[key].append(student)
            if key not in texts:  # what every check can name ("changes_input") is told in the message only
                texts[key], ids[key] = (id and known_mistake(name, id)) or (said if id else said.split("\n")[0]), id
    return [
        {"mistake": ids[key] or None, "text": texts[key] or None, "count": len(students[key]),
         "students": students[key]}
        for key in sorted(students, key=lambda key: (ids[key] == "", -len(students[key]), key))
    ]


def _slowest(times: list[dict]) -> list[dict]:
    """The submissions that took longest, with the exercise that took most of it."""
    longest = sorted(times, key=lambda t: (-t["seconds"], t["unit"], t["student"]))[:SLOWEST]
    rows = []
    for t in longest:
        spent = t.get("by_exercise") or {}
        most = max(spent, key=lambda name: (spent[name], name), default=None)
        rows.append(
            _who(t) | {
                "seconds": round(float(t["seconds"]), 3),
                "cpu": None if t.get("cpu") is None else round(float(t["cpu"]), 3),
                "exercise": most,
                "exercise seconds": None if most is None else round(float(spent[most]), 3),
            }
        )
    return rows


def report_page(counted: dict, folder: Path, feedback: Path) -> str:
    """The page of `figures`; links lead from `folder` to the students' pages below `feedback`."""
    way = Path(os.path.relpath(Path(feedback).resolve(), Path(folder).resolve())).parts

    def address(student: str, unit: str) -> str:
        return page.link(*way, *feedback_path({"student": student, "unit": unit}, Path()).parts)

    units = [unit | {"title": unit_title(unit["unit"]), "bars": _bars(unit["histogram"])} for unit in counted["units"]]
    return page.render(
        "report.html",
        "Class report",
        counted=counted,
        units=units,
        address=address,
        looks=LOOKS,
        names=NAMES,
        longest=LONGEST_LIST,
    )


def _bars(counts: list[int], width: int = 40, height: int = 90) -> list[dict]:
    """The histogram's bars in the picture's own units: x, y, width, height, count, label."""
    tallest = max(max(counts), 1)
    bars = []
    for place, count in enumerate(counts):
        tall = round(height * count / tallest, 1)
        bars.append(
            {"x": place * width + 14, "y": round(height - tall + 16, 1), "width": width - 4, "height": tall,
             "middle": place * width + 12 + width // 2, "count": count, "label": f"{10 * place}"}
        )
    return bars
