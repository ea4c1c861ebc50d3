"""The conversation with a room: calls of a student's functions go in, questions to what was lent come out.

Knows: orders, things lent, limits of time. Does not know: which exercise is judged, how a room is made, what is right.
Nothing that comes out of the room is trusted: it is read as plain data, sizes are capped, and a thing that was not lent
cannot be asked.
"""

from __future__ import annotations

import secrets
import time

import torch

from ...checks import guard
from ...checks.errors import Wrong
from ...sampling import Dice, Sampling
from ..room import wire
from .mirror import exception_named, offers, restore
from .remote import Borrowed, Remote, class_of

PATIENCE = 6.0  # times the seconds of processor time that a call may take by the clock
DATA_LIMIT = 32 << 20  # bytes that one exercise, or cell, may send out in large pieces; each may be kept
ROW = 2 << 20  # bytes of a row of a real vocabulary, which a dice is rolled with, or which is to be filtered
TEXT = 2048  # ids, in whatever small type, that a thing which is lent is called with: a model takes their square
LARGEST = 1 << 20  # of a whole number that a thing which is lent is called with: so many draws, so long a draft
ASKS_AFTER_END = 200  # how often code that swallows the end of its call may ask on
GONE = ("Your code ended the process it runs in (os._exit, a crash in native code, or no memory left), or wrote where "
        "nothing may be written.")
SWALLOWS = "Your function was stopped: it never ends, and one of its `except` swallows what would end it."


class Ended(guard.Stopped):
    """The process in the room is gone."""


class Session:
    """`lend_package(name)` gives a function of the package that students may use, or raises; `classes` are the data
    classes that both sides know; `seconds` is the processor time of one exercise in the room."""

    def __init__(self, room, classes, lend_package, seconds: float):
        self.room, self.classes, self.lend_package, self.seconds = room, classes, lend_package, seconds
        self.lent, self.raised, self.given, self.pending, self.ended, self.found = [], [], {}, None, None, ""
        self.random, self.asks, self.depth, self.borrowed, self.absent = None, 0, 0, False, None
        self.line = wire.Line(room.socket, self._check_clock)
        self.start_clock()

    # -- limits ------------------------------------------------------------------------------------------------------

    def start_clock(self, seconds: float | None = None) -> None:
        """From now on the room has its seconds of processor time."""
        self.allowed = seconds or self.seconds
        self.cpu, self.wall, self.grace = self.room.cpu_seconds(), time.monotonic(), None
        self.line.taken = 0

    def _check_clock(self) -> None:
        now = time.monotonic()
        if self.grace is not None and now > self.grace:
            raise wire.Closed("the call did not end")
        if now - self.wall > PATIENCE * self.allowed or self.room.cpu_seconds() - self.cpu > self.allowed:
            self.ended = guard.OutOfTime(self.allowed)
            raise self.ended

    # -- orders ------------------------------------------------------------------------------------------------------

    def call(self, place: int, args, kwargs):
        """Calls a student's function. Changes that it makes to its arguments are made to `args` and `kwargs` too."""
        out = wire.Encoder(self._handle, self.classes)
        try:
            forms = {"args": [out(item) for item in args], "kwargs": [[k, out(v)] for k, v in kwargs.items()]}
        except wire.Unfit as error:
            raise TypeError(f"a check hands out what cannot be carried: {error}") from None
        reply, got, error = self._order({"op": "call", "place": place, **forms}, out)
        if "after" in reply:
            self._take_changes(reply, got, args, kwargs)
        if error is not None:
            raise error
        self.absent = None
        answer = self._read(got, reply.get("value"))
        if self.absent is not None:
            text = f"Your function returned {self.absent!r}; it is not there while your work is graded. Write yours."
            raise Wrong(text)
        if "overwritten" in reply:
            self._take_overwritten(reply, got, answer)
        return answer

    def _take_changes(self, reply, got, args, kwargs) -> None:
        """What the function did to its arguments is done to ours."""
        try:
            listed, named = reply["after"]
            forms = ["l", [["l", listed], ["d", named]]]
        except (TypeError, ValueError):
            forms = None
        now, named = self._read(self._rest(reply, got, "split"), forms) or ([], {})
        for ours, theirs in zip(args, now, strict=False):
            restore(ours, theirs)
        for name, theirs in named.items():
            restore(kwargs.get(name), theirs)

    def _take_overwritten(self, reply, got, answer) -> None:
        """An earlier answer has changed since, in the room; so does ours."""
        again = self._read(self._rest(reply, got, "beside"), ["d", reply["overwritten"]])
        for number, now in again.items():
            restore(self.given.get(number), now)
        if type(reply.get("number")) is int and isinstance(answer, torch.Tensor):
            self.given = {**dict(list(self.given.items())[-3:]), reply["number"]: answer}

    def _rest(self, reply, got, mark: str) -> wire.RoomDecoder:
        place = reply.get(mark)
        return wire.RoomDecoder(got.buffers[place:] if type(place) is int else [], self._resolve, self.classes)

    def order(self, op: str, **fields):
        reply, got, error = self._order({"op": op, **fields})
        if error is not None:
            raise error
        return self._read(got, reply.get("value"))

    def forget(self) -> bool:
        """A new exercise: what was lent for the last one cannot be asked any more. Returns whether the room is in step:
        an answer that is still on its way would be taken for the next one's, and does not know this word."""
        self.lent, self.raised, self.given, self.random, self.borrowed = [], [], {}, None, False
        word = secrets.token_hex(8)
        return self.order("forget", word=word) == word

    def find(self, name: str):
        """(whether the notebook has this name, its value)."""
        self.found = name
        reply, got, error = self._order({"op": "find", "name": name})
        if error is not None:
            raise guard.Stopped(f"Your {name} cannot be looked at: {type(error).__name__}: {str(error)[:200]}")
        form = reply.get("value")
        if isinstance(form, list) and form[:1] not in (["O"], ["P"]):
            form = "a value"  # no function: what it is made of need not be read
        return not reply.get("missing"), self._read(got, form)

    def _order(self, message, out=None):
        """(the room's reply, what reads its values, the student's exception or None). Raises `Stopped` once the room is
        of no use."""
        if self.ended is not None:
            raise self.ended
        self.depth += 1
        try:
            reply, data = self._conversation(message, out.buffers if out else [])
        except wire.Closed:
            self.ended = self.ended or (guard.Stopped(SWALLOWS) if self.pending is not None else Ended(GONE))
            raise self.ended from None
        except guard.Stopped as stop:  # in the middle of a frame, perhaps: what comes next would be read wrongly
            self.ended = self.ended or stop
            raise
        finally:
            self.depth -= 1
        if self.pending is not None:
            stop = self.pending
            if self.depth == 0:
                self.pending = self.grace = None
            raise stop
        self.random = reply.get("random", self.random)
        error = self._exception(reply) if reply.get("op") == "raised" else None
        return reply, wire.RoomDecoder(data, self._resolve, self.classes, out.caches if out else []), error

    def _conversation(self, message, buffers):
        self.line.send(message, buffers)
        while True:
            reply, data = self.line.receive()
            if self.line.taken > DATA_LIMIT:
                self.ended = Ended("Your code gave far more data than this needs.")
                raise self.ended
            if reply.get("op") in ("done", "raised"):
                return reply, data
            if reply.get("op") != "ask":
                raise wire.Closed("no reply")
            self._answer(reply, data)

    def _exception(self, reply) -> BaseException:
        """What the student's function raised; an exception that began out here comes back as itself."""
        origin, line = reply.get("origin"), reply.get("line")
        if reply.get("unfit") is True:
            what = str(reply.get("text"))[:200]
            return Wrong(f"What your function returned is too large, or of no kind that can be read: {what}.")
        if type(origin) is int and 0 <= origin < len(self.raised):
            error = self.raised[origin]
        else:
            error = exception_named(reply.get("mro"), str(reply.get("text", ""))[:2000])
        fits = isinstance(line, list) and len(line) == 2 and type(line[0]) is int
        error.student_line = (line[0], str(line[1])[:200]) if fits else None
        error.raised_in = str(reply.get("inner"))[:100]
        return error

    # -- what the room asks for --------------------------------------------------------------------------------------

    def _answer(self, ask, buffers) -> None:
        self.asks += 1
        if self.asks % 256 == 0 or time.monotonic() - self.wall > PATIENCE * self.allowed:
            self._check_clock()
        if self.pending is not None:
            self.spared -= 1
            if self.spared < 0:
                raise wire.Closed("the call did not end")
            self.line.send({"op": "unwind"})
            return
        try:
            reply, out = self._use(ask, buffers)
        except wire.Closed:
            raise
        except Exception as error:
            self.raised.append(error.with_traceback(None))  # it would keep all that was alive then
            error.__context__ = error.__cause__ = None
            reply, out = {"op": "error", "mro": [kind.__name__ for kind in type(error).__mro__],
                          "text": str(error)[:2000], "origin": len(self.raised) - 1}, []
        except BaseException as stop:
            if self.ended is not None:
                raise
            self.pending, self.spared, self.grace = stop, ASKS_AFTER_END, time.monotonic() + 2.0
            reply, out = {"op": "unwind"}, []
        self.line.send(reply, out)

    def _use(self, ask, buffers):
        got = wire.RoomDecoder(buffers, self._resolve, self.classes)
        place = ask.get("place")
        target = self.lend_package(place) if isinstance(place, str) else self.lent[_place(place, self.lent)]
        most = ROW if isinstance(target, (Dice, Sampling)) else wire.SMALL
        if not isinstance(place, str) and self.line.size > most:  # a toy would make gigabytes of it
            raise ValueError("what you were given was called with far more numbers than this needs")
        try:
            method = str(ask["method"])
            args = got.many(ask["args"])
            kwargs = {str(name): got(item) for name, item in ask["kwargs"]}
        except Exception as error:
            raise wire.Closed(f"no question ({type(error).__name__})") from None
        given = [*args, *kwargs.values()]
        if not isinstance(place, str) and any(type(one) is int and abs(one) > LARGEST for one in given):
            raise ValueError("what you were given was called with a number far larger than this needs")
        if not isinstance(place, str) and any(map(_is_long_text, given)):
            raise ValueError("what you were given was called with far more ids than this needs")
        methods, attributes = offers(target)
        if ask.get("read") is True:
            if method not in attributes:
                raise wire.Closed("asked for what is not lent")
            answer = getattr(target, method)
        elif method not in methods:
            raise wire.Closed("asked for what is not lent")
        else:
            answer = target(*args, **kwargs) if method == "__call__" else getattr(target, method)(*args, **kwargs)
        out = wire.Encoder(self._handle, self.classes, got.caches)
        reply = {"op": "reply", "value": out(answer)}
        if got.caches:
            reply["after"] = [[[out(keys), out(values)] for keys, values in wire.layers_of(one)] for one in got.caches]
        return reply, out.buffers

    # -- values ------------------------------------------------------------------------------------------------------

    def _handle(self, value):
        """A thing that is lent, or one of the student's that goes back."""
        if isinstance(value, Remote):
            return ["R", value._place]
        methods, attributes = offers(value)
        place = next((i for i, one in enumerate(self.lent) if one is value), None)
        if place is None:
            place = len(self.lent)
            self.lent.append(value)
        return ["H", place, list(methods), list(attributes), getattr(value, "__name__", type(value).__name__)]

    def _read(self, got: wire.RoomDecoder, form):
        try:
            return got(form)
        except Exception:
            self.ended = Ended("What your function returned could not be read.")
            raise self.ended from None

    def _resolve(self, form):
        if form[0] == "H":  # lent by us, and handed back
            return self.lent[_place(form[1], self.lent)]
        if form[0] == "O":
            place, name, is_callable, is_class, shown, traits = form[1:7]
            name, traits = str(name)[:60], frozenset(map(str, traits[:8]))
            kind = class_of(name if name.isidentifier() else "object", is_callable is True, traits)
            made = kind(self, int(place), str(shown)[:80])
            if is_class is True or is_callable is True:
                made.__dict__["__name__"] = name
            return made
        if form[0] == "P":
            self.absent = Borrowed(str(form[1]))
            return self.absent
        raise wire.Closed("unknown form")


def _is_long_text(value) -> bool:
    whole = isinstance(value, torch.Tensor) and not value.is_floating_point()
    return whole and value.dim() < 3 and value.numel() > TEXT  # a mask for each pair of places has more axes


def _place(place, things) -> int:
    if type(place) is not int or not 0 <= place < len(things):
        raise wire.Closed("no such thing was lent")
    return place
