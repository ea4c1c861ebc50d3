"""What grading has found out, one JSON file per submission: written whole or not at all, and the same bytes each time.

Knows: where a record lies, when it still holds, how folders of records become one. Does not know: how a record came
about, or what becomes of it. A record holds no times, hosts or dates; those lie beside it in `times/`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from pathlib import Path

from ..common.whole import write_bytes, write_text

FORMAT = 1
LAYOUT = {"sort_keys": True, "indent": 1, "allow_nan": False}


def stable_hash(student: str, unit: str) -> str:
    """The same 64 hex digits on every machine for a submission, whatever characters its student's id holds."""
    return hashlib.sha256(json.dumps([student, unit]).encode()).hexdigest()


def record_name(student: str, unit: str) -> str:
    """A file name for a submission: readable, of harmless characters only, and different for each submission."""
    readable = "-".join(re.sub(r"[^A-Za-z0-9]+", "_", part)[:40] for part in (student, unit))
    return f"{readable}-{stable_hash(student, unit)[:20]}.json"


def record_bytes(record: dict) -> bytes:
    """The file of a record. ValueError if a number in it is none."""
    return (json.dumps(record, **LAYOUT) + "\n").encode()


def write_record(folder: Path, record: dict, times: dict) -> None:
    """Keep a record, and its times beside it; what was there for this submission is replaced."""
    name = record_name(record["student"], record["unit"])
    # The times first: a record that is there is then never without them.
    write_text(folder / "times" / name, json.dumps(times, **LAYOUT) + "\n", sure=False)
    write_bytes(folder / name, record_bytes(record))


def read_record(folder: Path, student: str, unit: str) -> dict | None:
    """The record of a submission; None if there is none, or the file is damaged or of another submission."""
    record = _whole(folder / record_name(student, unit))
    return record if record and (record["student"], record["unit"]) == (student, unit) else None


def read_times(folder: Path, student: str, unit: str) -> dict:
    """The times of a submission; without any, zeros."""
    with contextlib.suppress(OSError, ValueError):
        times = json.loads((folder / "times" / record_name(student, unit)).read_bytes())
        if isinstance(times, dict):
            return times
    return {"student": student, "unit": unit, "seconds": 0.0, "cpu": 0.0, "by_exercise": {}}


def read_folder(folder: Path) -> tuple[dict[tuple[str, str], dict], list[str]]:
    """All records of a folder by (student, unit), and the names of files that look like records and are none."""
    found, damaged = {}, []
    for path in sorted(folder.glob("*.json")):
        record = _whole(path)
        if record and path.name == record_name(record["student"], record["unit"]):
            found[record["student"], record["unit"]] = record
        else:
            damaged.append(path.name)
    return found, damaged


def _whole(path: Path) -> dict | None:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError, MemoryError):  # half written, or not ours
        return None
    return record if _is_record(record) else None


def _is_record(record) -> bool:
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        return False
    words = all(isinstance(record.get(name), str) for name in ("student", "unit", "key", "course", "level"))
    numbers = all(_number(record.get(name)) for name in ("points", "maximum"))
    rows, answers = record.get("exercises"), record.get("answers")
    fine = isinstance(rows, list) and all(isinstance(e, dict) and _is_row(e) for e in rows)
    lines = all(isinstance(record.get(name), list) and all(isinstance(line, str) for line in record[name])
                for name in ("remarks", "flags"))
    texts = isinstance(answers, dict) and all(isinstance(text, str) for text in answers.values())
    status = record.get("status") in ("graded", "not graded") and isinstance(record.get("problem"), (str, type(None)))
    return words and numbers and fine and lines and texts and status


def _is_row(row: dict) -> bool:
    """Whether this is what a record says of one exercise."""
    words = all(isinstance(row.get(name), str) for name in ("name", "state", "message"))
    return words and _number(row.get("points")) and _number(row.get("maximum")) and isinstance(row.get("bonus"), bool)


def _number(value) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def not_graded(student: str, unit: str, problem: str, key="", course="", level="", rows=()) -> dict:
    """The record of a submission that could not be judged.

    Args:
        problem: why, in words that the student may read.
        key: "" where trying again may help: such a record never counts as done.
        rows: (exercise, maximum, whether a bonus) of the unit.
    """
    exercises = [
        {
            "name": name, "points": 0.0, "maximum": float(maximum), "bonus": bonus, "state": "not attempted",
            "score": 0.0, "diagnosis": None, "message": f"Not judged: {problem}", "parts": [],
        }
        for name, maximum, bonus in rows
    ]  # fmt: skip
    return {
        "format": FORMAT, "student": student, "unit": unit, "key": key, "course": course, "level": level,
        "status": "not graded", "problem": problem, "points": 0.0,
        "maximum": float(sum(maximum for _, maximum, bonus in rows if not bonus)),
        "exercises": exercises, "remarks": [], "flags": [], "answers": {},
    }  # fmt: skip


def merge_folders(sources: list[Path], target: Path) -> tuple[dict[tuple[str, str], dict], list[str]]:
    """Copy the records of several folders into one.

    Returns the merged records by (student, unit), and lines about damaged files, which count as none. A record that
    lay in `target` before gives way. Raises ValueError when two sources differ about a submission, or hold nothing.
    """
    merged, origin, remarks = {}, {}, []
    for source in sources:
        found, damaged = read_folder(source)
        remarks += [f"{source / name} is not a whole record; left out" for name in damaged]
        for submission, record in found.items():
            name = record_name(*submission)
            if submission in merged and record != merged[submission]:
                raise ValueError(
                    f"two records of {submission[0]!r}, {submission[1]} differ: {origin[submission] / name} and "
                    f"{source / name}; remove the one that is out of date"
                )
            merged[submission], origin[submission] = record, origin.get(submission, source)
    if not merged:
        raise ValueError(f"no records in {', '.join(map(str, sources))}; expected folders that specdec grade wrote")
    for submission, record in merged.items():
        if origin[submission].resolve() != target.resolve():
            write_record(target, record, read_times(origin[submission], *submission))
    return merged, remarks


def course_secret(path: Path) -> bytes:
    """The secret from which the inputs of the checks are drawn: 32 random bytes, made once, for your eyes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(os.urandom(32))
        # A link and not a rename: of two shards that start at once, the second takes the secret of the first.
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
        part.unlink()
    secret = path.read_bytes()
    if not 32 <= len(secret) <= 4096:  # a notebook given by mistake would let its author work out the questions
        raise ValueError(f"{path} holds {len(secret)} bytes; expected a file of 32 to 4096 random bytes, such as the "
                         "grading.secret that is made beside the grade book")
    return secret


@contextlib.contextmanager
def reserved(folder: Path, shared: bool = False):
    """Nobody else writes to this folder of records meanwhile; shards, which grade different submissions, may."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another specdec grade is at work in {folder}; wait for it, or end it") from None
        yield
