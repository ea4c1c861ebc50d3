"""One submission is graded: its cells run in a room, every exercise is judged from outside, a record comes out.

Knows: steps, rooms, the checks, what a record holds. Does not know: how a notebook becomes steps (`recover`), how a
room is shut (`box`), how a call travels (`session`), what becomes of a record.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from .. import checks
from ..checks import follow, guard
from ..checks.engine import evaluate_exercise
from ..checks.exercise import NOT_ATTEMPTED, NOT_JUDGED, WRONG, Report
from ..checks.subject import GENERAL_HELP
from ..common import budget
from ..common.settings import setting
from . import again
from .outcome import printable, record_of
from .recover import Submission, read_submission
from .recover.bare import bare
from .recover.names import defined_in
from .recover.newer import advice, newer_grammar
from .renewal import SPENT, TOO_LONG, renewed, way
from .session.conversation import GONE, PATIENCE, Ended, Session
from .session.lending import lendable_to
from .session.payload import lendable, shared_classes
from .session.remote import Borrowed

RESTARTS = 12  # rooms that one submission may use up
ALTOGETHER, AWAKE = 20, 40  # times the seconds of one exercise: processor time of all, and their time by the clock
KEPT = "functions, classes, imports and plain assignments"
REFUSED = ("While your work is graded there are no files of yours, no network, no other programs and no further "
           "packages; what stands below was run all the same.")
TURNS = 2  # how often a submission may take the seconds that an exercise declares
LONG = 10  # times the seconds of one exercise after which no further version is judged
READING = 30.0  # seconds of processor time to understand what was handed in


def grade_submission(folder, student: str, unit: str, course_root, house, secret: bytes,
                     seconds: float = budget.GRADED):
    """(record, times) of one submission. Whatever the student's code does ends in the record.

    Args:
        folder: what was handed in. Nothing in it is trusted.
        house: an open `box.House`.
        secret: the inputs of the checks are drawn from it; the same submission is always asked the same questions.
        seconds: processor time that a cell, or an exercise's check, may take in the room.
    """
    began = time.perf_counter()
    release = Path(course_root) / "notebooks" / unit / f"{unit}.ipynb"
    submission = _read(Path(folder), unit, release)
    follow_on = setting(Path(course_root), "follow_on", True)
    found, cpu = [], 0.0
    for place, version in enumerate((submission, *submission.others)):
        with Sitting(version, house, secret, seconds, follow_on, place) as sitting:
            reports = {} if version.problem else sitting.reports()
        level = getattr(house, "level", "none")
        record = record_of(student, unit, version, reports, level, sitting.remarks, sitting.flags)
        found.append((record, sitting))
        cpu += sitting.cpu
        if all(report.passed for report in reports.values()) or time.perf_counter() - began > LONG * seconds:
            break
    judged = [(sitting.submission, record["points"]) for record, sitting in found]
    place, remarks, flags = again.compared(judged)
    record, sitting = found[place]
    record["remarks"] = [*map(printable, remarks), *record["remarks"]]
    record["flags"] += map(printable, flags)
    times = {"student": student, "unit": unit, "seconds": time.perf_counter() - began, "cpu": cpu,
             "by_exercise": sitting.times}
    return record, times


def _read(folder: Path, unit: str, release: Path) -> Submission:
    """What was handed in. Reading takes a second; a file that is made to take minutes is not read to its end."""
    try:
        with guard.time_limit(READING):
            return read_submission(folder, unit, release)
    except guard.OutOfTime:
        problem = f"What was handed in takes more than {READING:g} seconds to read; no notebook of the course does."
        return Submission(unit, (), (), problem, {}, "")


def question_seed(secret: bytes, key: str, exercise: str, turn: int = 0) -> int:
    """From which the inputs of a check are drawn: nobody who lacks the secret can know them beforehand."""
    told = f"{key} {exercise} {turn}" if turn else f"{key} {exercise}"
    return int.from_bytes(hmac.new(secret, told.encode(), hashlib.sha256).digest()[:4], "big") >> 1


class Sitting:
    """A submission at work. When its room is lost, a new one catches up: the cells so far are run again, without those
    that ended a room."""

    def __init__(self, submission: Submission, house, secret: bytes, seconds: float, follow_on: bool = True,
                 version: int = 0):
        self.submission, self.house, self.secret, self.seconds = submission, house, secret, seconds
        self.follow_on, self.version = follow_on, version
        self.room = self.session = self.judging = None
        self.ran, self.given_up, self.opened, self.cpu, self.bare, self.shares = [], {}, 0, 0.0, False, 1.0
        self.own = frozenset().union(*(defined_in(step.source) for step in submission.steps))
        self.times, self.flags, self.remarks, self.errors = {}, [], [], {}
        self.more = TURNS * sum(one.seconds for one in checks.exercises(submission.unit or "-").values())
        self.began = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._close()

    def reports(self) -> dict[str, Report]:
        found = {}
        for step in self.submission.steps:
            if step.exercise is None:
                self.ran.append(step)
                self.carry_out(step)
            else:
                began = time.perf_counter()
                found[step.exercise] = again.best(self, step, found)
                self.judging = None
                self.times[step.exercise] = time.perf_counter() - began
        return found

    # -- the room ----------------------------------------------------------------------------------------------------

    def _ready(self) -> bool:
        """A living room in which everything so far has run; False when too many have been lost, or too much time."""
        while self.session is None or self._late():
            if self._late() and not self.bare:
                self._leave_experiments_out()
                continue
            if self.opened >= RESTARTS or self._late():
                return False
            self.opened += 1
            self.room = self.house.open()
            self.session = Session(self.room, shared_classes(), self._lend, self.seconds)
            self.session.renew, self.session.way = partial(renewed, self), partial(way, self.house)
            for step in self.ran:
                self._run(step)
                if self.session is None:
                    break
        return True

    def _fresh(self) -> bool:
        """Whether there is a room that is ready for a new exercise, and says nothing but what it is asked."""
        for _ in range(2):
            if not self._ready():
                return False
            try:
                self.session.start_clock()
                if self.session.forget():
                    return True
                self._flag("wrote where nothing may be written, between two exercises")
            except (guard.Stopped, Exception):
                self._flag("ended its process between two exercises")
            self._close()
        return False

    def _late(self) -> bool:
        """Whether all cells and checks together have had their time: each alone has less, but there may be many."""
        cpu = self.cpu + (self.room.cpu_seconds() if self.room is not None else 0.0)
        allowed = self.seconds * self.shares
        awake = time.monotonic() - self.began
        return cpu > ALTOGETHER * allowed + self.more or awake > AWAKE * allowed + PATIENCE * self.more

    def _leave_experiments_out(self) -> None:
        """The answers are judged, though the cells have used up the time of all: in a new room with what the student's
        cells define, and half as much time again."""
        self._close()
        self.bare, self.shares = True, 1.5
        self.remarks.append(f"Your cells take too long altogether ({ALTOGETHER * self.seconds:g} seconds of processor "
                            f"time are there for all of them). The rest was judged with their {KEPT} alone.")
        self._flag("its cells take too long altogether; the rest was judged without its experiments")

    def _close(self) -> None:
        if self.room is not None:
            self.cpu += self.room.cpu_seconds()
            self.room.close()
        self.room = self.session = None

    def start_over(self) -> None:
        """The next exercise is judged in a new room, in which what is left of `ran` has run."""
        if self.room is not None:
            self.opened -= 1  # nobody's fault
        self._close()

    def carry_out(self, step) -> None:
        """Runs a step in the room that is there; without one, it is run in the next."""
        self.judging = None
        self._run(step)

    def _run(self, step) -> None:
        source = self._source(step)
        if self.session is None or not source or self._late():
            return
        try:
            self.session.start_clock()
            with guard.time_limit(self.seconds, PATIENCE):  # of what is lent to a cell, and runs out here
                self.session.order("run", source=source, cell=step.cell + 1)
            if step not in self.given_up:
                self.errors.pop(step, None)
        except guard.Stopped as stop:
            self._give_up(step, stop)
        except (Exception, SystemExit) as error:  # as in a notebook: the next cell is run nevertheless
            if isinstance(error, (OSError, ImportError)) and step.role in ("answer", "own"):
                self._remark(f"Cell {step.cell + 1} stopped with {type(error).__name__}: {str(error)[:100]}. {REFUSED}")
            line = getattr(error, "student_line", None)
            where = f" (line {line[0]}: `{line[1]}`)" if line else ""
            self.errors[step] = f"stopped with {type(error).__name__}: {str(error)[:300]}{where}"
            self.errors[step] += _help(error, step.source)
            if "SyntaxError" in type(error).__name__ and (found := newer_grammar(step.source)):
                self._flag(f"its code looks like Python {found[0]}, which is newer than the grader's")

    def _source(self, step) -> str:
        """What is run of a step; "" for nothing."""
        if step in self.given_up or not self.bare or step.role not in ("answer", "own"):
            return self.given_up.get(step, step.source)
        return bare(step.source, self.own)

    def _give_up(self, step, stop: guard.Stopped) -> None:
        """A cell that was stopped is not run again; of one that only takes long, what it defines is."""
        again = isinstance(stop, guard.OutOfTime) and step not in self.given_up and not self.bare
        self.given_up[step] = bare(step.source, self.own) if again else ""
        self.errors[step] = "was stopped: " + _of_cell(stop)
        rest = f". Its {KEPT} were run without the rest" if self.given_up[step] else " and left out"
        self._remark(f"Cell {step.cell + 1} was stopped{rest}: {_of_cell(stop)}")
        self._flag(f"cell {step.cell + 1} {_short(stop)}")
        self._close()

    def _remark(self, remark: str) -> None:
        if remark not in self.remarks:
            self.remarks.append(remark)

    def _flag(self, flag: str) -> None:
        if flag not in self.flags:
            self.flags.append(flag)

    # -- a judgement -------------------------------------------------------------------------------------------------

    def judged(self, name: str, instead: dict[str, str] | None = None, turn: int = 0) -> Report:
        """The verdict on an exercise as the notebook stands.

        Args:
            instead: names that stand for functions of the package meanwhile (references).
            turn: the number of an answer after the first. As with another version, it is asked other questions: its
                cell has run since the last ones were asked, and may have had them answered by what is lent to cells.
        """
        ready = self._fresh()
        self.judging = checks.exercise(name)
        if not ready:
            why = TOO_LONG if self._late() else SPENT
            self._flag(why)
            return Report(name, NOT_JUDGED, 0.0, f"{name}: not judged. {why}", None, self._all_missed())
        try:
            self.session.start_clock(max(self.seconds, self.judging.seconds))
            there, function = self.session.find(name)
            if not there:
                return self._undefined(name)
            if isinstance(function, Borrowed):
                self._flag(f"{name} is the package's own {name}")
                return checks.borrowed(name)
            if instead:
                self.session.order("put", names=instead)
            seed = question_seed(self.secret, self.submission.key, name, 10 * self.version + turn)
            report = evaluate_exercise(self.judging, function, seed)
        except guard.Stopped as stop:
            report = self._missed(name, str(stop))
        except Exception as error:  # the check met something it was never written for
            self._flag(f"the check of {name} stopped with {type(error).__name__}: {str(error)[:200]}")
            text = f"The check could not go on with what your code gave it ({type(error).__name__})."
            report = self._missed(name, text)
        if self.session.borrowed:
            self._flag(f"{name} calls the package's own {name}")
            report = checks.borrowed(name)
        if instead:
            self._put_back()
        if self.session is not None and self.session.ended is not None:
            self._flag(f"{name} {_short(self.session.ended)}")
            self._close()
        return replace(report, parts=report.parts or self._all_missed())

    def _put_back(self) -> None:
        """The student's own functions have their names again; where that cannot be had, the room is given up."""
        if self.session.ended is not None:
            return
        try:
            self.session.start_clock()
            self.session.order("put_back")
        except guard.Stopped:
            return
        except Exception:
            self._close()

    def _missed(self, name: str, text: str) -> Report:
        return Report(name, WRONG, 0.0, f"{name}: not right yet.\n{text}", None, self._all_missed())

    def _all_missed(self):
        return tuple((part.name, False) for part in self.judging.parts)

    def _undefined(self, name: str) -> Report:
        """No such name: an answer that was not written, or a cell that did not get that far."""
        cell = next((step for step in self.errors if step.role in ("answer", "own") and name in step.source), None)
        if cell is None:
            return Report(name, NOT_ATTEMPTED, 0.0, f"{name}: not attempted. No cell above the test defines it.")
        return self._missed(name, f"{name} is not defined, because the cell that defines it {self.errors[cell]}")

    def _lend(self, reference: str):
        """A function of the package for an answer that builds on it; the one that is to be written is refused, but not
        to a cell of the student's own that only compares."""
        exercise = lendable().get(reference)
        if exercise is None:
            raise ValueError(f"{reference} is not there while your work is graded")
        if self.judging is not None and reference == self.judging.reference:
            self.session.borrowed = True
            raise ValueError(f"{reference} is what you are asked to write")
        if self.judging is not None and not follow.leads_to(exercise, self.judging, checks.exercises()):
            raise ValueError(f"{reference} comes after {self.judging.name} in the course, and may hold its answer")

        def lent(*args, **kwargs):
            args, kwargs = lendable_to(exercise, args, kwargs)
            return exercise.solution(*args, **kwargs)

        return lent


def _help(error: BaseException, source: str) -> str:
    said = f"{type(error).__name__}: {error}"
    if "SyntaxError" in said and (text := advice(source)):
        return f"\n{text}"
    return next((f"\n{text}" for pattern, text in GENERAL_HELP if re.search(pattern, said)), "")


def _short(stop: guard.Stopped) -> str:
    if not isinstance(stop, Ended):
        return "ran out of time"
    return "ended its process" if str(stop) == GONE else f"was cut off: {stop}"


def _of_cell(stop: guard.Stopped) -> str:
    return "it ended its process." if isinstance(stop, Ended) else "it did not end in time."
