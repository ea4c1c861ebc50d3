"""Right and wrong answers, run in a room of the grader instead of in this process."""

import importlib
import inspect

from specdec_course import checks
from specdec_course.checks.engine import evaluate_exercise
from specdec_course.grading.isolation.box import House
from specdec_course.grading.judge import Sitting
from specdec_course.grading.recover import Step, Submission
from specdec_course.grading.session import payload
from specdec_course.grading.session.carried import definitions

BASE_CLASS = "from specdec_course.cache import CachedModel as _Cached"  # a class cannot be lent: its text is given
FUTURE = "from __future__ import annotations"
EVERYTHING = sorted(exercise.reference for exercise in checks.exercises().values())
PRELUDE = f"import sys; sys.meta_path[0].lendable = {EVERYTHING}\n" + """\
def right(exercise, *more, **named): return lambda made: globals().setdefault(made.__name__, made)
wrong = right
"""


def house():
    return House(payload.files())


class Lending(Sitting):
    """The answers of the tests may use whatever the package has, what they are asked to write included."""

    def _late(self):  # one sitting serves a whole unit's answers
        return False

    def _lend(self, reference):
        module, _, name = reference.partition(":")
        return getattr(importlib.import_module(module), name)


def cell_of(module) -> Step:
    lines = inspect.getsource(importlib.import_module(module)).splitlines(keepends=True)
    text = "".join("\n" if line.startswith(("from answers import", BASE_CLASS)) else line for line in lines)
    classes = definitions({"cache": ("CachedModel",)}, []).text().replace(FUTURE, "") + "\n_Cached = CachedModel\n"
    return Step(PRELUDE + (classes if "_Cached" in text else "") + text, None, 0, "own")


class Boxed:
    """Judges answers of one module (a unit's) in a room; a lost room is opened anew."""

    def __init__(self, house, module):
        self.house, self.step = house, cell_of(module)
        self.sitting = None

    def __call__(self, answer, seed):
        if self.sitting is None or self.sitting.opened > 8:
            self.close()
            self.sitting = Lending(Submission("", (), (), None, {}, ""), self.house, b"", 10.0)
            self.sitting.ran.append(self.step)
        sitting = self.sitting
        assert sitting._ready()
        assert not sitting.errors, list(sitting.errors.values())
        sitting.judging = checks.exercise(answer.exercise)
        sitting.session.start_clock()
        sitting.session.forget()
        there, function = sitting.session.find(answer.function.__name__)
        assert there
        report = evaluate_exercise(sitting.judging, function, seed)
        if sitting.session.ended is not None:
            sitting._close()
        return report

    def close(self):
        if self.sitting is not None:
            self.sitting._close()
            self.sitting = None
