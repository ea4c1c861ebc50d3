"""Runs an exercise's check against a student's function and says what is wrong and why.

Knows: exercises made of parts, how to call a student's function safely, how to recognise a known mistake by what it
does, how to turn that into a mark. Does not know: any particular exercise (those stand in unit01, unit02, ...), how
a notebook shows a message (see `checks/__init__`), classes of students.

A part is a function `part(student, rng)` that raises Wrong when a law is broken. It draws its inputs from rng, so the
same seed asks the same questions: a wrong *rule* is recognised by giving the same answers as a known wrong rule.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
import re
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from ..sampling import exact_law
from . import guard, place, values

NOT_ATTEMPTED, RIGHT, PARTLY, WRONG = "not attempted", "right", "partly right", "wrong"


class Wrong(AssertionError):
    """A law is broken. `message` is read by the student; `mistake` is the id of a recognised mistake, if known;
    `otherwise` the id to name when no known wrong rule gives the same answers."""

    def __init__(self, message: str, mistake: str | None = None, otherwise: str | None = None):
        super().__init__(message)
        self.message, self.mistake, self.otherwise = message, mistake, otherwise


class NotAttempted(Exception):
    """The function is still the stub."""


class Different(BaseException):
    """A rule that is tried out gave another answer than the student: it need not be run to its end."""


class OutOfCalls(BaseException):
    """A counted function was called too often. A BaseException, so that a student's `except Exception` lets it by."""


@dataclass(frozen=True)
class Part:
    name: str
    weight: float
    run: Callable[[Subject, torch.Generator], None]


@dataclass(frozen=True)
class Mistake:
    id: str
    message: str
    imitate: tuple[Callable, ...] = ()


@dataclass(frozen=True)
class Report:
    """The verdict on one function. `score` in [0, 1]; `diagnosis` the id of the recognised mistake, or None;
    `message` what the student reads; `parts` (name, passed) in order."""

    exercise: str
    state: str
    score: float
    message: str
    diagnosis: str | None = None
    parts: tuple[tuple[str, bool], ...] = ()

    @property
    def passed(self) -> bool:
        return self.state == RIGHT


@dataclass
class Exercise:
    """One exercise: what it is worth, its hints, the parts of its check and the mistakes that it can name."""

    name: str
    unit: str
    points: float
    reference: str
    hints: tuple[str, str]
    difficulty: int = 2
    minutes: int = 10
    bonus: bool = False
    parts: list[Part] = field(default_factory=list)
    mistakes: dict[str, Mistake] = field(default_factory=dict)
    helps: list[tuple[str, str]] = field(default_factory=list)

    def part(self, name: str, weight: float = 1.0):
        """Decorator: adds `part(student, rng)` to the check."""

        def add(run):
            self.parts.append(Part(name, weight, run))
            return run

        return add

    def mistake(self, id: str, message: str, imitate: Callable | tuple[Callable, ...] | None = None) -> None:
        """Names a mistake; `imitate` is a wrong rule that behaves like it, or several (more specific ones first)."""
        rules = imitate if isinstance(imitate, tuple) else (imitate,) if imitate else ()
        self.mistakes[id] = Mistake(id, message, rules)

    def help(self, pattern: str, text: str) -> None:
        """Text shown under a student's own exception when `pattern` is found in "TypeName: message"."""
        self.helps.append((pattern, text))

    @property
    def solution(self) -> Callable:
        """The package's own function."""
        module, _, name = self.reference.partition(":")
        return getattr(importlib.import_module(module), name)


class Seen(list):
    """The answers of a function, in order. With `expected`, the first one that differs from it raises Different."""

    def __init__(self, expected: list | None = None):
        super().__init__()
        self.expected = expected

    def append(self, answer) -> None:
        place = len(self)
        super().append(answer)
        if self.expected is not None and not values.same([answer], self.expected[place : place + 1]):
            raise Different


class Subject:
    """A student's function as a check sees it: called on copies, recorded, its exceptions made readable."""

    def __init__(self, function: Callable, exercise: Exercise, expected: list | None = None):
        self.function, self.exercise = function, exercise
        self.seen = Seen(expected)  # what the function answered, in order: the fingerprint a mistake is recognised by

    def __call__(self, *args, **kwargs):
        """The function's answer. Raises Wrong if it raises, or changes one of its arguments in place."""
        answer = self._call(*args, **kwargs)
        self.seen.append(values.plain(answer))
        return answer

    def ids(self, *args, **kwargs) -> list[int]:
        """The answer as a list of token ids."""
        return values.as_ids(self(*args, **kwargs))

    def returned_int(self, *args, **kwargs) -> int:
        return values.as_int(self(*args, **kwargs))

    def returned_float(self, *args, **kwargs) -> float:
        return values.as_float(self(*args, **kwargs))

    def array(self, *args, **kwargs) -> np.ndarray:
        """The answer as a numpy array of float64 or int64."""
        return values.as_array(self(*args, **kwargs))

    def raises(self, kind: type[Exception], *args, **kwargs) -> bool:
        """Whether the function refuses these arguments with an exception of this kind."""
        try:
            self.function(*values.copies(args), **values.copies(kwargs))
        except NotImplementedError as error:
            if _is_stub_error(error):
                raise NotAttempted from None
            return issubclass(NotImplementedError, kind)
        except kind:
            self.seen.append(kind.__name__)
            return True
        except Exception as error:
            raise self._own_exception(error) from None
        self.seen.append("no exception")
        return False

    def law(self, *args, **kwargs) -> dict:
        """The exact law {tuple of ids: probability} of the function's answer; the dice is passed as last argument."""
        law = self.law_of(lambda dice: tuple(values.as_ids(self._call(*args, dice, **kwargs))))
        return law

    def law_of(self, procedure: Callable) -> dict:
        """The exact law of `procedure(dice)`, which calls the student through `student.quiet`; recorded as one."""
        try:
            law = exact_law(procedure, limit=20_000)
        except ValueError as error:
            raise Wrong(f"The exact law of your function could not be worked out: {error}.") from None
        self.seen.append({key: p for key, p in sorted(law.items(), key=str) if p > 1e-6})  # below: round-off
        return law

    def quiet(self, *args, **kwargs):
        """As calling, without recording: for use inside `law_of`."""
        return self._call(*args, **kwargs)

    def does(self, *args, **kwargs) -> None:
        """Calls a function for what it does, not for what it answers; what it is given it may change."""
        self._guarded(args, kwargs)
        self.seen.append("no exception")

    def method(self, bound: Callable) -> Subject:
        """A method of an object that the student's class made, to be called as carefully as a function."""
        subject = Subject(bound, self.exercise)
        subject.seen = self.seen
        return subject

    def _call(self, *args, **kwargs):
        given, named = values.copies(args), values.copies(kwargs)
        answer = self._guarded(given, named)
        if answer is None or answer is Ellipsis:
            raise Wrong(f"{self.exercise.name} returned {answer}: is there a `return` at the end of every branch?")
        if not values.same((args, kwargs), (given, named)):
            raise Wrong(
                f"{self.exercise.name} changes one of its arguments in place. The caller still needs it as it was: "
                "work on a copy, or use an operation without a trailing underscore.",
                mistake="changes_input",
            )
        return answer

    def _guarded(self, args, kwargs):
        """The function's answer; whatever it raises becomes a verdict that can be read."""
        try:
            return self.function(*args, **kwargs)
        except (Wrong, NotAttempted):
            raise
        except NotImplementedError as error:
            if _is_stub_error(error):
                raise NotAttempted from None
            raise self._own_exception(error) from None
        except (Exception, SystemExit) as error:
            raise self._own_exception(error) from None

    def _own_exception(self, error: BaseException) -> Wrong:
        told = f"{type(error).__name__}: {error}".strip()
        self.seen.append(type(error).__name__)
        where = _student_line(error, self.function)
        text = f"Your function stopped with {told[:300]}{where}"
        for pattern, help_text in self.exercise.helps + GENERAL_HELP:
            if re.search(pattern, told):
                return Wrong(f"{text}\n{help_text}")
        return Wrong(text)


GENERAL_HELP = [
    (r"NotHereWhileGraded", "Something of the course's package is used that is not there while your work is graded: "
     "your answer has to stand on its own."),
    (r"NameError", "A name is used that this notebook has not defined: run the cells above, or check its spelling."),
    (r"UnboundLocalError", "A variable is read before it is set: look at the branch that skips its first line."),
    (r"unhashable|list indices must be", "Check the type: a tensor's `.tolist()` gives plain numbers."),
    (r"same device", "Two tensors live on different devices: make new tensors with `x.new_tensor(...)` or device=."),
    (r"RecursionError", "Your function calls itself without end."),
]


def _is_stub_error(error: NotImplementedError) -> bool:
    return "not attempted" in str(error) or not str(error)


def _student_line(error: BaseException, function: Callable) -> str:
    """" (line N of your function)" when the traceback passes through the student's code."""
    line = getattr(error, "student_line", None) or _traced_line(error, function)
    return f" (line {line[0]} of your function{f': `{line[1]}`' if line[1] else ''})" if line else ""


def _traced_line(error: BaseException, function: Callable) -> tuple[int, str] | None:
    with contextlib.suppress(ValueError):  # decorators that know what they wrap; a circle is an error
        function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code is not None and frame.filename == code.co_filename and frame.name == code.co_name:
            return (frame.lineno or 0) - code.co_firstlineno + 1, frame.line or ""
    return None


def raised_in(error: BaseException) -> str:
    """The name of the innermost function that the exception came out of."""
    return getattr(error, "raised_in", None) or traceback.extract_tb(error.__traceback__)[-1].name


def counting(function: Callable, limit: int):
    """`function` with a call counter in `.calls`; the call after `limit` ends the check: nothing loops for ever."""

    def counted(*args, **kwargs):
        counted.calls += 1
        if counted.calls > limit:
            raise OutOfCalls(f"called more than {limit} times")
        return function(*args, **kwargs)

    counted.calls = 0
    return counted


def run_part(exercise: Exercise, part: Part, function: Callable, seed: int, expected: list | None = None):
    """Runs one part; returns what was wrong (None if nothing) and the list of what the function was seen to answer.

    With `expected` answers it raises Different as soon as the function answers something else.
    """
    student = Subject(function, exercise, expected)
    where = getattr(function, "__place__", None)
    rng = torch.Generator().manual_seed(zlib.crc32(f"{seed} {exercise.name} {part.name}".encode()))
    try:
        with place.at(where):
            part.run(student, rng)
    except Wrong as wrong:
        return wrong, student.seen
    except OutOfCalls as stop:
        return Wrong(
            f"The function you were given was {stop}, far more often than this needs: does your loop always make "
            "progress? Every round has to add at least one token.",
            mistake="endless" if "endless" in exercise.mistakes else None,
        ), [*student.seen, "out of calls"]
    except NotAttempted:
        raise
    except Exception as error:  # an answer of a form that the check was never written for
        return Wrong(
            f"What your function returned could not be read ({type(error).__name__}: {str(error)[:200]}). Is it of the "
            "type and shape that the docstring asks for?"
        ), student.seen
    return None, student.seen


def recognise(exercise: Exercise, part: Part, seen: list, seed: int) -> str | None:
    """The first known mistake that fails this part with exactly the answers that the student gave."""
    for mistake in exercise.mistakes.values():
        for rule in mistake.imitate:
            try:
                wrong, same_seen = run_part(exercise, part, rule, seed, seen)
            except Different:
                continue
            if wrong is not None and values.same(seen, same_seen):
                return mistake.id
    return None


def evaluate_exercise(exercise: Exercise, function: Callable, seed: int = 0, seconds: float = 30.0) -> Report:
    """The verdict on `function`: every part is run, output is silenced, random state is put back.

    `seconds` bounds the whole check, only so that an endless loop ends; it is far more than any right answer needs.
    """
    name = exercise.name
    if not callable(function):
        told = f"`{name}` is {repr(function)[:80]}, not a function: define it with `def {name}(...)`."
        return Report(name, WRONG, 0.0, told)
    results: list[tuple[Part, Wrong | None, list]] = []
    with guard.quiet(), guard.random_state():
        try:
            with guard.time_limit(seconds):
                for part in exercise.parts:
                    results.append((part, *run_part(exercise, part, function, seed)))
        except NotAttempted:
            text = f"{name}: not attempted yet. Write your code in its cell, run it, then run this check again."
            return Report(name, NOT_ATTEMPTED, 0.0, f"{text} For a first hint run `hint({name})`.")
        except guard.Stopped as stop:
            late = Wrong(str(stop))
            results += [(part, late, ["stopped"]) for part in exercise.parts[len(results) :]]
        return _verdict(exercise, results, _diagnose(exercise, results, seed))


def _diagnose(exercise: Exercise, results, seed: int) -> str | None:
    for part, wrong, seen in results:
        if wrong:
            found = wrong.mistake or recognise(exercise, part, seen, seed) or wrong.otherwise
            if found:
                return found
    return None


def _verdict(exercise: Exercise, results, diagnosis: str | None) -> Report:
    if any(wrong for _, wrong, _ in results) and _always_the_same(results):
        told = "Your function gives the same answer to all questions, or none at all."
        results = [(part, wrong or Wrong(told), seen) for part, wrong, seen in results]
    wrongs = [wrong for _, wrong, _ in results if wrong]
    total = math.fsum(part.weight for part, _, _ in results)
    score = math.fsum(part.weight for part, wrong, _ in results if not wrong) / total
    told = tuple((part.name, wrong is None) for part, wrong, _ in results)
    if not wrongs:
        return Report(exercise.name, RIGHT, 1.0, f"{exercise.name}: right. All {len(told)} parts of the check pass.",
                      None, told)
    lines = [f"{exercise.name}: not right yet."]
    mistake = exercise.mistakes.get(diagnosis or "")
    if mistake:
        lines.append(mistake.message)
    if not mistake or wrongs[0].message not in mistake.message:
        lines.append(wrongs[0].message)
    lines += [f"  {'ok ' if passed else 'NOT'} {name}" for name, passed in told]
    state = PARTLY if score > 0 else WRONG
    return Report(exercise.name, state, score, "\n".join(lines), diagnosis, told)


def _always_the_same(results) -> bool:
    """Whether the function was only ever seen to give one answer, or to refuse: `return 0` is right now and then, and
    to refuse what is wrong is worth something only if what is right gets an answer. Laws are no answers."""
    answers = [one for _, _, seen in results for one in seen if not isinstance(one, dict)]
    return len(answers) > 1 and all(values.same(one, answers[0]) for one in answers[1:])


@contextlib.contextmanager
def reading(what: str):
    """Turns a failure to read an answer's fields into a Wrong that says what was expected."""
    try:
        yield
    except (AttributeError, TypeError, KeyError, IndexError) as error:
        raise Wrong(f"Expected {what}; reading your answer failed with {type(error).__name__}: {error}.") from None
