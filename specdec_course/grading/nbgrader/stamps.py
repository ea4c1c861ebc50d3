"""When a submission was collected: nbgrader's `timestamp.txt` beside it, read as what anybody may have written.

Knows: nbgrader's form of a time, and years that a course can be in. Does not know: late policies.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..recover import files

NAME = "timestamp.txt"
LONGEST = 100  # characters; nbgrader writes 30
YEARS = range(2000, 2100)
FORM = re.compile(r"(?P<time>.*?[0-9])\s*(?P<zone>[A-Za-z]+(?:/[A-Za-z_]+)*|[+-][0-9]{2}:?[0-9]{2})?", re.ASCII)


def handed_in(folder: Path) -> tuple[datetime | None, str]:
    """(when a submission was collected, in UTC without a zone; what is wrong with its timestamp.txt, or "").

    (None, "") where there is no such file, or nothing in it: it was not collected by nbgrader.
    """
    try:
        text = files.read(folder, NAME, LONGEST).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return None, ""
    except (ValueError, OSError) as error:
        return None, f"{NAME} {error}; it does not count as late"
    if not text:
        return None, ""
    stamp, known = _time(text)
    if stamp is None or stamp.year not in YEARS:
        return None, (f"{NAME} holds {files.shown(text)!r}, expected a time such as 2026-01-31 23:59:00 UTC; it does "
                      "not count as late. Correct or delete that file: formgrader reads it too")
    if not known:
        return stamp, f"{NAME} holds {files.shown(text)!r}, which names no zone that is known; it was read as UTC"
    return stamp, ""


def _time(text: str) -> tuple[datetime | None, bool]:
    """(the time in UTC, whether its zone is known). nbgrader would look for a zone's name as a file, wherever that is,
    and takes +0100 for 100 seconds."""
    from dateutil.parser import parse
    from dateutil.tz import gettz

    form = FORM.fullmatch(text)
    if form is None or not text.isprintable():
        return None, False
    try:
        stamp, zone = parse(form["time"]).replace(tzinfo=None), form["zone"]
        if zone and zone[0] in "+-":
            sign, hours, minutes = 1 if zone[0] == "+" else -1, int(zone[1:3]), int(zone[-2:])
            return stamp - sign * timedelta(hours=hours, minutes=minutes), True
        there = UTC if zone in ("UTC", "GMT", "Z") else gettz(zone) if zone else None
        return (stamp - there.utcoffset(stamp), True) if there else (stamp, False)
    except Exception:  # the parser guesses, and raises whatever it stumbles over, such as huge numbers
        return None, False
