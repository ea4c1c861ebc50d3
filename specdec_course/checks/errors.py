"""The ways in which a check ends early. Knows nothing else: every file of this folder may import it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Call:
    """One call of a student's function: its arguments, and what came back, in a plain form; `returned` is False where
    it raised an exception."""

    args: tuple
    kwargs: dict
    answer: object = None
    returned: bool = False


class Wrong(AssertionError):
    """A law is broken. `message` is read by the student; `mistake` is the id of a mistake that is certain; `otherwise`
    the id of one that would explain it; `call` the call that shows it (a `Call`), if it is known which."""

    def __init__(self, message: str, mistake: str | None = None, otherwise: str | None = None,
                 call: Call | None = None):
        super().__init__(message)
        self.message, self.mistake, self.otherwise, self.call = message, mistake, otherwise, call

    def but(self, **changed) -> Wrong:
        """The same, with some of it changed."""
        same = dict(message=self.message, mistake=self.mistake, otherwise=self.otherwise, call=self.call)
        return Wrong(**{**same, **changed})


class Crash(str):
    """The name of an exception that ended a call, among the answers that were seen: no answer, so no evidence."""


class Done(str):
    """What is seen of a call that is made for what it does, not for its answer."""


class NotAttempted(Exception):
    """The function is still the stub."""


class Different(BaseException):
    """A rule that is tried out gave another answer than the student: it need not be run to its end."""


class OutOfCalls(BaseException):
    """A counted function was called too often. A BaseException, so that a student's `except Exception` lets it by."""
