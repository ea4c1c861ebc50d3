"""What a class has earned, as a table for people and as JSON.

Knows: marks. Does not know: how they came about.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Mark:
    """One submission: `points` of `maximum`; `status` is "graded" or says why it could not be graded."""

    student: str
    unit: str
    points: float
    maximum: float
    status: str = "graded"

    @property
    def percent(self) -> float:
        return 100 * self.points / self.maximum if self.maximum else 0.0


def marks_table(marks: list[Mark]) -> str:
    """Students down, units across, with a total; below it, why a submission could not be graded."""
    units = sorted({mark.unit for mark in marks})
    by_submission = {(mark.student, mark.unit): mark for mark in marks}
    rows = [["student", *units] + (["total"] if len(units) > 1 else [])]
    for student in sorted({mark.student for mark in marks}):
        own = [by_submission.get((student, unit)) for unit in units]
        row = [student, *(_shown(mark) for mark in own)]
        rows.append(row + ([_shown(_total(student, own))] if len(units) > 1 else []))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += [f"{m.student}, {m.unit}: {m.status}" for m in marks if m.status != "graded"]
    return "\n".join(lines)


def marks_json(marks: list[Mark]) -> list[dict]:
    """The same figures for programs: one object per submission."""
    return [asdict(mark) | {"percent": round(mark.percent, 2)} for mark in marks]


def _shown(mark: Mark | None) -> str:
    if mark is None:
        return "-"
    return f"{round(mark.points, 2):g} / {mark.maximum:g}  {mark.percent:3.0f} %"


def _total(student: str, own: list[Mark | None]) -> Mark:
    """A unit that was not handed in is left out of the total, as it is left out of the grade book."""
    there = [mark for mark in own if mark]
    return Mark(student, "total", sum(m.points for m in there), sum(m.maximum for m in there))
