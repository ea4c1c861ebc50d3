"""The ways in which a check ends early. Knows nothing else: every file of this folder may import it."""

from __future__ import annotations


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
