"""A student's feedback: one page for one submission, made from its record.

Knows: what a student may read of a record and how to say it; where nbgrader looks for feedback. Does not know: how
the record came about, the answers (`record["answers"]`) and the flags, which are for the instructor.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from ... import checks
from ...checks.exercise import ticked
from ...common.whole import write_text
from ..recover import files
from . import page

SMALL = 1000  # bytes of a file that nbgrader has put beside a submission

LOOKS = {"right": "right", "partly right": "partly", "wrong": "wrong", "not attempted": "open",
         "not judged": "open"}


def write_feedback(record: dict, folder: Path, submitted: Path | None = None, entered=None) -> Path:
    """Writes `<folder>/<student>/<unit>/<unit>.html`, where `nbgrader release_feedback` takes it from; tells its path.

    Args:
        record: one submission's record, graded or not.
        folder: the folder of all feedback. A student id may hold anything: what a file name should not hold is
            written as %XX (`page.safe_name`).
        submitted: nbgrader's `submitted` folder. The exchange hides each student's page behind the secret that came
            with the submission; it is taken from there, with the time of handing in.
        entered: what the grade book says beside the checks (`nbgrader.entered.Entered`), where it says anything.
    """
    path = feedback_path(record, folder)
    came = Path(submitted) / record["student"] / record["unit"] if submitted is not None else None
    # release_feedback stops for the whole class where one of these is missing. A secret of our own is harmless: the
    # page then waits under a name that nobody asks for, as it must for a student who never used the exchange.
    for name, otherwise in (("timestamp.txt", ""), ("submission_secret.txt", secrets.token_hex(64))):
        found = _small_file(came, name) if came else None
        if found is not None or not (path.parent / name).is_file():
            write_text(path.parent / name, found or otherwise, sure=False)
    return write_text(path, feedback_page(record, entered), sure=False)


def feedback_path(record: dict, folder: Path) -> Path:
    """Where `write_feedback` puts the page of this record."""
    unit = page.safe_name(record["unit"])
    return Path(folder) / page.safe_name(record["student"]) / unit / f"{unit}.html"


def feedback_page(record: dict, entered=None) -> str:
    """The page of one submission as text: what was right, the named mistakes and the next step."""
    unit = page.plain(record["unit"], 200)
    title = unit_title(record["unit"])
    common = {
        "title": title,
        "student": page.plain(record["student"], 200),
        "key": page.plain(str(record.get("key", ""))[:12]),
        "remarks": list(record.get("remarks", [])),
        "instructor": from_the_instructor(record, entered) if entered is not None else [],
    }
    if record["status"] != "graded":
        problem = record.get("problem") or "The file could not be graded."
        return page.render("not_graded.html", f"Not graded: {title}", problem=problem, file=f"{unit}.ipynb", **common)
    exercises = [shown(exercise) for exercise in record["exercises"]]
    return page.render(
        "feedback.html",
        f"Feedback: {title}",
        points=record["points"] if entered is None else entered.score,
        maximum=record["maximum"] if entered is None else entered.maximum,
        tally=tally(exercises),
        bonus=about_bonus(record),
        todo=what_next(exercises),
        exercises=exercises,
        **common,
    )


def unit_title(unit: str) -> str:
    """ "03_greedy_verification" -> "Unit 03: greedy verification"."""
    head, _, rest = page.plain(unit, 200).partition("_")
    return f"Unit {head}: {rest.replace('_', ' ')}" if head.isdigit() and rest else f"Unit {head}"


def known_mistake(name: str, diagnosis: str | None) -> str | None:
    """The text of a named mistake; None if there is no such exercise or mistake."""
    known = checks.exercises().get(name)
    mistake = known.mistakes.get(diagnosis or "") if known else None
    return mistake.message if mistake else None


def shown(exercise: dict) -> dict:
    """What the page says about one exercise."""
    mistake, text = known_mistake(exercise["name"], exercise.get("diagnosis")), what_is_said(exercise)
    if mistake and mistake in text:
        text = text.replace(mistake, "", 1)
    else:
        mistake = None  # the message says it in its own words
    asked = exercise.get("parts", []) if exercise["state"] != "not attempted" else []  # of a blank nothing fails
    parts = [(page.plain(name, 300), bool(passes)) for name, passes in asked]
    return {
        "name": page.plain(exercise["name"], 200),
        "state": page.plain(exercise["state"], 40),
        "look": LOOKS.get(exercise["state"], "open"),
        "points": exercise["points"],
        "maximum": exercise["maximum"],
        "bonus": bool(exercise.get("bonus")),
        "mistake": mistake,
        "said": text.strip(),
        "parts": parts,
        "passing": sum(passes for _, passes in parts),
        "step": _step(exercise, parts),
    }


def what_is_said(exercise: dict) -> str:
    """The check's message without what the page shows in other ways: the verdict, and the list of parts."""
    name = exercise["name"]
    marks = {ticked(part, passes) for part, passes in exercise.get("parts", [])}
    heads = (f"{name}: not right yet.", f"{name}: right. All ", f"{name}: not attempted yet. Write your code")
    lines = [line for line in str(exercise["message"]).split("\n") if line not in marks]
    return "\n".join(lines[1:] if lines and lines[0].startswith(heads) else lines)


def _step(exercise: dict, parts: list[tuple[str, bool]]) -> str:
    name, state = exercise["name"], exercise["state"]
    if state == "right":
        return ""
    hints = f"Hints: `hint({name})`, which asks you a question, then `hint({name}, 2)`."
    if state == "not judged":
        return "Take out what runs long in your notebook, or write to your instructor."
    if state == "not attempted":
        return f"Write your code in the cell of `{name}`, run it, then run `check({name})`. {hints}"
    failing = next((part for part, passes in parts if not passes), None)
    first = f"Make this part pass first: {failing}. " if failing and len(parts) > 1 else ""
    return f"{first}Run `check({name})` after every change. {hints}"


def tally(exercises: list[dict]) -> str:
    """ "3 of 5 exercises are right, 1 partly right, 1 not attempted"; a bonus exercise is not counted."""
    states = [e["state"] for e in exercises if not e["bonus"]]
    others = [f"{states.count(state)} {state}" for state in list(LOOKS)[1:] if state in states]
    verb = "is" if states.count("right") == 1 else "are"
    return ", ".join([f"{states.count('right')} of {len(states)} exercises {verb} right", *others]) + "."


def from_the_instructor(record: dict, entered) -> list[str]:
    """What the grade book says beside the checks: points by hand, comments, a penalty for being late."""
    checked = {exercise["name"]: exercise["points"] for exercise in record["exercises"]}
    lines = [
        f"`{name}` was marked by hand: {page.number(points)} points"
        + (f" (the check gave {page.number(checked[name])})." if name in checked else ".")
        for name, points in entered.by_hand
    ]
    lines += [f"On `{name}`: {page.plain(text, 2000)}" for name, text in entered.comments]
    if entered.penalty:
        lines.append(f"It was handed in late: {page.number(entered.penalty)} points were taken, and "
                     f"{page.number(entered.score)} of {page.number(entered.maximum)} count.")
    return lines


def about_bonus(record: dict) -> list[str]:
    """How bonus points entered the total; nothing where the unit has no bonus exercise."""
    exercises = record["exercises"]
    if not any(e.get("bonus") for e in exercises):
        return []
    earned = sum(e["points"] for e in exercises if e.get("bonus"))
    ordinary = sum(e["points"] for e in exercises if not e.get("bonus"))
    used = max(0.0, record["points"] - ordinary)
    rule = "A bonus makes up for lost points; it lifts nobody above the maximum."
    if earned <= 0:
        return [f"This unit has a bonus exercise. {rule} Nobody needs it for full points."]
    counted = f"Bonus points earned: {page.number(earned)}; counted here: {page.number(used)}."
    return [f"Without the bonus it would be {page.number(ordinary)}. {counted} {rule}"]


def what_next(exercises: list[dict]) -> str:
    """The first exercise that is not right, and the smallest step; bonus exercises come last."""
    order = [e for e in exercises if not e["bonus"]] + [e for e in exercises if e["bonus"]]
    first = next((e for e in order if e["state"] != "right"), None)
    if first is None:
        return "Everything is right."
    if first["bonus"]:
        return f"All that counts is right. If you like a challenge, try the bonus: `{first['name']}`.\n{first['step']}"
    begin = "Begin with" if first["state"] == "not attempted" else "Go back to"
    return f"{begin} `{first['name']}`: it is {first['state']}.\n{first['step']} The second hint is nearly the answer."


def _small_file(folder: Path, name: str) -> str | None:
    """The text of a small plain file; None for anything else that a student may have put there (links, pipes)."""
    try:
        return files.read(folder, name, SMALL).decode("utf-8", "replace") or None
    except (OSError, ValueError):  # ValueError: a NUL in the name, too
        return None
