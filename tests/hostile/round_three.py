"""64: a third round: what is judged a second time, and what pages, spreadsheets and terminals make of a student's text.

Knows: in which order the grader does things. Does not know: the secret. Most of this kind need no room, and stand in
tests/test_feedback.py, test_handover.py, test_layouts.py and test_marks.py.
"""

from __future__ import annotations

from . import Expect, case
from .sheets import hand_in, solved, with_own_cell


@case("64a", "two answers: the first notes what it is asked, the cell of the second has it answered by what is lent",
      Expect({"accepted_length": (0, 0.25)}))
def build(ground):
    notes = """\
import builtins

builtins.asked = []


def accepted_length(draft, choice):
    asked.append((draft.clone(), choice.clone()))
    return 0
"""
    answers = """\
import builtins

from specdec_course.verification import accepted_length as lent

table = [lent(draft, choice) for draft, choice in getattr(builtins, "asked", [])]


def accepted_length(draft, choice):
    return table.pop(0)
"""
    hand_in(ground, with_own_cell(solved(ground, accepted_length=notes), "accepted_length", answers))
