"""A student's function as a check sees it: called on copies, recorded, its exceptions made readable.

Knows: calls, exceptions, what students commonly stumble over in Python. Does not know: which exercise it is, or what is
right in it.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..sampling import exact_law
from . import values
from .errors import Call, Crash, Different, Done, NotAttempted, OutOfCalls, Wrong
from .exercise import Exercise
from .questions import plain_question

HERE = str(Path(__file__).parent)
NOTED = 200  # plain questions of a part


class Seen(list):
    """The answers of a function, in order. With `expected`, the first one that differs from it raises Different.
    `remarks` is what a student reads beside a right answer; `asked` are the questions, as far as they are plain;
    `figures` what was measured, by name."""

    def __init__(self, expected: list | None = None):
        super().__init__()
        self.expected, self.remarks, self.asked, self.figures = expected, [], [], {}

    def note(self, question: dict | None) -> None:
        """Keeps a question, to change a part of it and ask again."""
        if question and len(self.asked) < NOTED:
            self.asked.append(question)

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
        self.last: Call | None = None  # the newest call, for a check that wants to show it
        self.shows = True  # whether calls are worth showing: those of a method are not, without its object

    def __call__(self, *args, **kwargs):
        """The function's answer. Raises Wrong if it raises, or changes one of its arguments in place."""
        answer = self._call(*args, **kwargs)
        self.last.answer, self.last.returned = values.plain(answer), True
        self.seen.append(self.last.answer)
        return answer

    def ids(self, *args, **kwargs) -> list[int]:
        """The answer as a list of token ids."""
        return self.read(values.as_ids, *args, **kwargs)

    def returned_int(self, *args, **kwargs) -> int:
        return self.read(values.as_int, *args, **kwargs)

    def returned_float(self, *args, **kwargs) -> float:
        return self.read(values.as_float, *args, **kwargs)

    def array(self, *args, **kwargs) -> np.ndarray:
        """The answer as a numpy array of float64 or int64."""
        return self.read(values.as_array, *args, **kwargs)

    def read(self, read: Callable, *args, **kwargs):
        """The answer, read by `read`; where it cannot be, the student is shown the call."""
        answer = self(*args, **kwargs)
        if read is values.as_int and values.is_float(answer):
            self.remark("It returns a float, though. As an index or a size Python takes only an int: `int(...)`, or "
                        "`//` in the place of `/`.")
        with self.shown():
            return read(answer)

    @contextlib.contextmanager
    def shown(self):
        """A Wrong that is raised inside is about the newest call: the student is shown it."""
        try:
            yield
        except Wrong as wrong:
            raise wrong.but(call=wrong.call or self.last) from None

    def raises(self, kind: type[Exception], *args, **kwargs) -> bool:
        """Whether the function refuses these arguments with an exception of this kind."""
        self.last = Call(args, kwargs)
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
        return self.law_of(lambda dice: _few(values.as_ids(self._call(*args, dice, **kwargs))))

    def law_of(self, procedure: Callable, limit: int = 20_000) -> dict:
        """The exact law of `procedure(dice)`, which calls the student through `student.quiet`; recorded as one. limit:
        branches that are followed."""
        try:
            law = exact_law(procedure, limit=limit)
        except ValueError as error:
            raise Wrong(f"The exact law of your function could not be worked out: {error}.") from None
        self.seen.append({key: p for key, p in sorted(law.items(), key=str) if p > 1e-6})  # below: round-off
        return law

    def quiet(self, *args, **kwargs):
        """As calling, without recording: for use inside `law_of`."""
        return self._call(*args, **kwargs)

    def does(self, *args, **kwargs) -> None:
        """Calls a function for what it does, not for what it answers; what it is given it may change."""
        self.last = None  # it may have been changed by now
        self._guarded(args, kwargs)
        self.seen.append(Done("no exception"))

    def aside(self) -> Subject:
        """The same function, asked without being recorded."""
        return Subject(self.function, self.exercise)

    def remark(self, text: str) -> None:
        """Something to say about a right answer; it costs nothing."""
        self.seen.remarks.append(text)

    def method(self, bound: Callable) -> Subject:
        """A method of an object that the student's class made, to be called as carefully as a function."""
        subject = Subject(bound, self.exercise)
        subject.seen, subject.shows = self.seen, False
        return subject

    def _call(self, *args, **kwargs):
        given, named = values.copies(args), values.copies(kwargs)
        self.last = Call(args, kwargs)
        if self.shows and self.seen.expected is None:
            self.seen.note(plain_question(self.exercise.solution, self.last))
        answer = self._guarded(given, named)
        if answer is Ellipsis or answer is None and not self.exercise.answers_none:
            raise Wrong(f"{self.exercise.name} returned {answer}: is there a `return` at the end of every branch?")
        if not values.same((args, kwargs), (given, named)):
            changed = [one for one, before in zip((*given, *named.values()), (*args, *kwargs.values()), strict=True)
                       if not values.same(one, before)]
            lists = any(isinstance(one, (list, dict)) for one in changed)
            raise Wrong(f"{self.exercise.name} changes one of its arguments in place. The caller still needs it as it "
                        f"was: {NO_COPY['list' if lists else 'tensor']}.", mistake="changes_input")
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
        what = f"{type(error).__name__}: {error}".strip()
        self.seen.append(Crash(type(error).__name__))
        where = _student_line(error, self.function)
        text = f"Your function stopped with {what[:300]}{where}"
        for pattern, help_text in self.exercise.helps + GENERAL_HELP:
            if re.search(pattern, what):
                text = f"{text}\n{help_text}"
                break
        return Wrong(text, call=self.last if self.shows else None)


NO_COPY = {"list": "work on a copy, which sorted(...), list(...) or dict(...) make",
           "tensor": "work on a copy, or use an operation without a trailing underscore"}


def _few(ids: list[int]) -> tuple[int, ...]:
    """An outcome of a law; there may be thousands of them."""
    if len(ids) > 1000:
        raise Wrong(f"Your function returned {len(ids):,} ids, far more than were asked for.")
    return tuple(ids)


GENERAL_HELP = [
    (r"NotHereWhileGraded", "Something of the course's package is used that is not there while your work is graded: "
     "your answer has to stand on its own."),
    (r"NameError", "A name is used that this notebook has not defined: run the cells above, or check its spelling."),
    (r"UnboundLocalError", "A variable is read before it is set: a branch skips its first line, or the variable has "
     "the name of a function that you call (`total = total(...)`)."),
    (r"unhashable|list indices must be", "Check the type: a tensor's `.tolist()` gives plain numbers."),
    (r"same device", "Two tensors live on different devices: make new tensors with `x.new_tensor(...)` or device=."),
    (r"RecursionError", "Your function calls itself without end."),
    (r"input\(\)|EOFError|StdinNotImplemented", "Nobody answers an `input()` while a function is checked: what it "
     "needs has to come in its arguments."),
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
    if code is not None and code.co_filename.startswith(HERE):  # a step of the check around the student's class
        return None
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


@contextlib.contextmanager
def reading(what: str):
    """Turns a failure to read an answer's fields into a Wrong that says what was expected."""
    try:
        yield
    except (AttributeError, TypeError, KeyError, IndexError) as error:
        raise Wrong(f"Expected {what}; reading your answer failed with {type(error).__name__}: {error}.") from None
