"""Writes submissions: notebooks with right answers, changed where a case wants it.

Knows: notebooks of the course and right answers to unit 03 that need nothing of each other. Does not know: attacks.
"""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path

from nbformat.v4 import new_code_cell

from specdec_course.grading.sample_class import filled_in

from . import UNIT, Expect, Ground, case

# Independent of each other: where one exercise is attacked, the others must not need it.
HONEST = {
    "accepted_length": """\
def accepted_length(draft, choice):
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n
""",
    "verify_greedy": """\
def verify_greedy(draft, logits):
    choice = logits.argmax(-1)
    agree = (draft == choice[: len(draft)]).long().cumprod(0)
    return choice[: int(agree.sum()) + 1]
""",
    "generate_speculative": """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))
        choice = target(torch.cat([ids, draft]))[len(ids) - 1 :].argmax(-1)
        n = int((draft == choice[: len(draft)]).long().cumprod(0).sum())
        new = choice[: n + 1]
        ends = (new == eos_token_id).nonzero().flatten().tolist() if eos_token_id is not None else []
        if ends:
            new = new[: ends[0] + 1]
        ids = torch.cat([ids, new])
        rounds.append(Round(len(draft), min(n, len(new)), len(new)))
        if ends:
            break
    return Decoded(ids, rounds)
""",
    "tokens_per_call": """\
def tokens_per_call(rounds):
    total = 0
    for r in rounds:
        total += r.emitted
    return total / len(rounds) if rounds else 0.0
""",
    "acceptance_rate": """\
def acceptance_rate(rounds):
    kept = drafted = 0
    for r in rounds:
        kept, drafted = kept + r.accepted, drafted + r.drafted
    return kept / drafted if drafted else 0.0
""",
}


# For attacks on the machinery, whatever its classes are called: its line out, and all that can ask outside.
MACHINERY = """\
import gc
import os
import socket
import stat


def line():
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return socket.socket(fileno=os.dup(number))
        except OSError:
            pass


def say(text, claimed=None):
    size = (len(text) if claimed is None else claimed).to_bytes(4, "little")
    line().sendall(size + bytes(4) + text)


def askers():
    return [thing for thing in gc.get_objects() if callable(getattr(type(thing), "ask", None))]


"""


def without_marks(source: str) -> str:
    """A solution as a student writes it: without nbgrader's marks around it."""
    return "\n".join(line for line in source.splitlines() if "### BEGIN" not in line and "### END" not in line) + "\n"


def solved(ground: Ground, **changed):
    """The students' notebook with right answers; `changed` holds the text of some, None where the stub stays."""
    given = {name: text for name, text in (ground.answers | changed).items() if text is not None}
    return filled_in(ground.release, given)


def stubs(ground: Ground):
    """The notebook as it was released."""
    return copy.deepcopy(ground.release)


def place(notebook, grade_id: str) -> int:
    """The index of the cell with this grade id."""
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
    return ids.index(grade_id)


def with_own_cell(notebook, before: str, source: str):
    """The same notebook with a cell of the student's own in front of the cell with the grade id `before`."""
    notebook.cells.insert(place(notebook, before), new_code_cell(source))
    return notebook


def hand_in(ground: Ground, notebook, name: str | None = None) -> Path:
    """Writes the notebook as the student's submission. As plain JSON: half of these are not valid notebooks."""
    text = notebook if isinstance(notebook, str) else json.dumps(notebook, indent=1)
    ground.folder.mkdir(parents=True, exist_ok=True)
    path = ground.folder / (name or f"{ground.unit}.ipynb")
    path.write_text(text, encoding="utf-8")
    return path


def filled(source: str, ground: Ground) -> str:
    """`source` with what the attacker knows put in for @COURSE@, @CLASS@, @BOOK@, @MATE@, @CANARY@ and @PORT@."""
    known = {"COURSE": ground.course, "CLASS": ground.class_root, "BOOK": ground.book, "MATE": ground.classmate,
             "CANARY": ground.canary, "PORT": ground.port, "UNIT": ground.unit}
    for name, value in known.items():
        source = source.replace(f"@{name}@", str(value))
    return source


def answers_with(exercise, number, title, source, expect=None, due=0, message=r"\S", unit=UNIT, harmful=False):
    """A submission in which `source` stands in the answer cell of `exercise`; it deserves `due` of the points."""
    points = {} if due == 1 else {exercise: due}

    @case(number, title, expect or Expect(points, message), unit, harmful)
    def build(ground):
        hand_in(ground, solved(ground, **{exercise: filled(source, ground)}))


def adds_a_cell(number, title, before, source, expect=None, message=r"\S", unit=UNIT, harmful=False):
    """A submission that is right, with a cell of the student's own in front of `before`."""

    @case(number, title, expect or Expect({}, message), unit, harmful)
    def build(ground):
        hand_in(ground, with_own_cell(solved(ground), before, filled(source, ground)))


accepted = partial(answers_with, "accepted_length")
greedy = partial(answers_with, "verify_greedy")
loop = partial(answers_with, "generate_speculative")
per_call = partial(answers_with, "tokens_per_call")
rate = partial(answers_with, "acceptance_rate")  # the last exercise: what it breaks, it breaks for itself
