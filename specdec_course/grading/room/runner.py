"""The room's side of the conversation: runs cells, calls what they defined, and asks outside when a model, a dice or
any other lent thing is used.

Knows: orders over one socket. Does not know: exercises, what is right, what an answer is worth. Whatever a student does
to this process can change what *their* functions answer, and nothing else: the verdict is reached outside.

Stands alone: it is carried into the room.
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import itertools
import linecache
import os
import pdb
import random
import sys
import threading
import traceback
import types

import absent
import cost
import numpy as np
import stand_in
import torch
import wire
from cells import Cells
from lent import lent
from no_gpu import without_cuda

CELL = "<cell {}>"


class Unwind(BaseException):
    """The checker has seen enough of this call. A BaseException, so that a student's `except Exception` lets it by."""


def serve(sock) -> None:
    """Carries out orders until the socket closes. Never returns."""
    try:
        Runner(sock).serve()
    finally:
        os._exit(0)


class Runner:
    def __init__(self, sock):
        self.line, self.lock = wire.Line(sock), threading.RLock()
        self.objects, self.places, self.lent, self.forms = [], {}, {}, {}
        self.notebook = _notebook()
        self.cells = Cells(self.notebook.__dict__)
        self.classes = stand_in.install(self.ask_package)
        self.watch, self.report_random = None, False
        self.given, self.answered, self.old, self.stood = [], 0, [], {}
        builtins.input, sys.breakpointhook = _nobody_answers, _no_debugger
        pdb.set_trace = _no_debugger
        torch.compile, torch.nn.Module.compile = _as_it_is, lambda self, *args, **options: None
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")
        random.seed(0), np.random.seed(0), torch.manual_seed(0)  # the same in every room: the same mark again

    def serve(self):
        while True:
            self.answer(*self.line.receive())

    # -- orders ------------------------------------------------------------------------------------------------------

    def answer(self, order, buffers):
        try:
            reply, out = getattr(self, "do_" + order["op"])(order, buffers)
        except Unwind:
            reply, out = {"op": "raised", "mro": ["Unwind"], "text": "", "origin": None}, []
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: the room goes on
            reply, out = self._raised(error, order), []
        self.line.send(reply, out)

    def do_run(self, order, buffers):
        """A cell. Its name stands in tracebacks; its lines are kept for messages."""
        name, source = CELL.format(order["cell"]), order["source"]
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        with without_cuda(source):
            self.cells.run(source, name)
        return {"op": "done"}, []

    def do_find(self, order, buffers):
        space = self.notebook.__dict__
        if order["name"] not in space:
            return {"op": "done", "missing": True}, []
        found = space[order["name"]]
        if callable(found):  # whatever else it is, such as a dict that keeps what it was asked
            return {"op": "done", "value": self.handle(found)}, []
        return self._done(found)

    def do_call(self, order, buffers):
        got = self._decoder(buffers)
        args = got.many(order["args"])
        kwargs = {name: got(item) for name, item in order["kwargs"]}
        function = self.called = self.objects[order["place"]]
        try:
            with absent.judging(), self.watch or contextlib.nullcontext():
                answer = function(*args, **kwargs)
            if self.watch is not None:
                self.kept.append(answer)
            reply, out = self._done(answer, got.caches)
            self._follow(answer, reply, out)
        except BaseException as error:  # what it did to its arguments counts even so
            reply, out = self._raised(error, order), []
        self._tell_changes(order, buffers, args, kwargs, reply, out)
        return reply, out

    def _tell_changes(self, order, buffers, args, kwargs, reply, out):
        """Adds to the reply what the arguments are now, if that is not what they were."""
        now = wire.Encoder(self.handle, self.classes)
        forms = [[now(item) for item in args], [[name, now(item)] for name, item in kwargs.items()]]
        if forms != [order["args"], order["kwargs"]] or now.buffers != [bytes(one) for one in buffers]:
            reply["after"], reply["split"] = forms, len(out)
            out += now.buffers

    def _follow(self, answer, reply, out):
        """An earlier answer may be a view of memory that the next call overwrites: such an answer is sent again, so
        that it changes out there as it does in here."""
        if not isinstance(answer, torch.Tensor) or answer.numel() > 1 << 20:
            return
        changed = wire.Encoder(self.handle, self.classes)
        reply["number"] = self.answered
        reply["overwritten"] = [
            [number, changed(one)] for number, one, before in self.given
            if one.shape == before.shape and not torch.equal(one, before)
        ]
        reply["beside"] = len(out)
        out += changed.buffers
        self.given = [*((n, one, one.detach().clone()) for n, one, _ in self.given[-3:]),
                      (self.answered, answer, answer.detach().clone())]
        self.answered += 1

    def do_put(self, order, buffers):
        """Names of the notebook stand for functions of the package now, until `put_back`."""
        space = self.notebook.__dict__
        self.stood = {name: space.get(name, self) for name in order["names"]}  # self: there is none
        space.update((name, self.ask_package(place)) for name, place in order["names"].items())
        return {"op": "done"}, []

    def do_put_back(self, order, buffers):
        for name, value in self.stood.items():
            self.notebook.__dict__[name] = value
            if value is self:
                del self.notebook.__dict__[name]
        self.stood = {}
        return {"op": "done"}, []

    def do_get(self, order, buffers):
        return self._done(getattr(self.objects[order["place"]], order["name"]))

    def do_plain(self, order, buffers):
        """One of the student's objects, as a number, an array or a list."""
        value, how = self.objects[order["place"]], order["how"]
        with self.watch or contextlib.nullcontext():
            plain = {"array": np.asarray, "float": float, "len": len, "list": _listed}[how](value)
        return self._done(plain)

    def do_watch(self, order, buffers):
        """Begins to watch what is used, or ends and tells the bytes, and how often torch was called."""
        if order["begin"]:
            self.watch, self.kept = cost.Watch(), []
            self.watch.begin()
            return {"op": "done"}, []
        watch, self.watch, self.kept = self.watch, None, self.kept
        return self._done(list(watch.end()))

    def do_random(self, order, buffers):
        self.report_random = True
        return {"op": "done", "value": _random_states()}, []

    def do_forget(self, order, buffers):
        """A new exercise: nothing of the last one's objects is needed any more."""
        self.old.append(self.lent)  # whoever kept one still has it: no new thing gets its id
        self.objects, self.places, self.lent, self.forms = [], {}, {}, {}
        self.report_random, self.watch = False, None
        self.given = []
        return {"op": "done", "value": order["word"]}, []

    def _done(self, value, caches=()):
        out = wire.Encoder(self.handle, self.classes, caches)
        reply = {"op": "done", "value": out(value)}
        if self.report_random:
            reply["random"] = _random_states()
        return reply, out.buffers

    def _raised(self, error, order):
        text = str(error.msg if isinstance(error, SyntaxError) else error)[:2000]
        if isinstance(error, RecursionError):
            text = "maximum recursion depth exceeded"
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<cell ")]
        called = getattr(self, "called", None)
        with contextlib.suppress(ValueError):  # a decorator that knows what it wraps; in a circle: an error
            called = inspect.unwrap(called)
        code = getattr(called, "__code__", None)
        line = None
        for frame in reversed(frames):
            if code is not None and (frame.filename, frame.name) == (code.co_filename, code.co_name):
                line = [frame.lineno - code.co_firstlineno + 1, (frame.line or "")[:200]]
                break
        if order["op"] == "run" and frames:
            line = [frames[0].lineno, (frames[0].line or "")[:200]]
        if isinstance(error, SyntaxError):
            line = [error.lineno or 0, (error.text or "").strip()[:200]]
        return {
            "op": "raised", "mro": [kind.__name__ for kind in type(error).__mro__], "text": text, "line": line,
            "inner": frames[-1].name if frames else None, "origin": getattr(error, "asked_of", None),
            "unfit": isinstance(error, wire.Unfit),
        }

    # -- questions ---------------------------------------------------------------------------------------------------

    def ask(self, place, method, args, kwargs, read=False):
        """Uses something lent. Meanwhile orders may come in: a lent function may call one of the student's."""
        with self.lock:
            out = wire.Encoder(self.handle, self.classes)
            forms = {"args": [out(item) for item in args], "kwargs": [[k, out(v)] for k, v in kwargs.items()]}
            self.line.send({"op": "ask", "place": place, "method": method, "read": read, **forms}, out.buffers)
            while True:
                message, buffers = self.line.receive()
                if message["op"] not in ("reply", "error", "unwind"):
                    self.answer(message, buffers)
                    continue
                if message["op"] == "unwind":
                    raise Unwind
                if message["op"] == "error":
                    raise _mirrored(message)
                got = self._decoder(buffers, out.caches)
                for cache, layers in zip(out.caches, message.get("after") or (), strict=False):
                    wire.fill_cache(cache, [(got(keys), got(values)) for keys, values in layers])
                return got(message["value"])

    def ask_package(self, name: str):
        """A function of the course's package, lent by name; the checker decides whether it is."""
        return lambda *args, **kwargs: self.ask(name, "__call__", args, kwargs)

    # -- values ------------------------------------------------------------------------------------------------------

    def handle(self, value):
        if id(value) in self.forms:
            return self.forms[id(value)]
        if isinstance(value, absent.NotHereWhileGraded):
            return ["P", value._name]
        place = self.places.get(id(value))
        if place is None:
            place = self.places[id(value)] = len(self.objects)
            self.objects.append(value)
        kind = type(value)
        return ["O", place, kind.__name__, callable(value), isinstance(value, type), _shown(value), _traits(kind)]

    def _decoder(self, buffers, caches=()):
        return wire.Decoder(buffers, self._resolve, self.classes, caches)

    def _resolve(self, form):
        if form[0] == "H":
            if form[1] not in self.lent:
                made = self.lent[form[1]] = lent(self.ask, self.classes, form)
                self.forms[id(made)] = form
            return self.lent[form[1]]
        if form[0] == "R":
            return self.objects[form[1]]
        raise wire.Closed(f"unknown form {form[0]!r}")


def _shown(value) -> str:
    try:
        return repr(value)[:80]
    except Exception:  # it is looked at only where it is no answer
        return object.__repr__(value)


def _traits(kind) -> list[str]:
    """What objects of a class can be read as (see `do_plain`)."""
    def has(*names):
        return all(hasattr(kind, name) for name in names)

    if issubclass(kind, type) or kind is types.ModuleType:
        return []
    found = {
        "float": has("__float__") or has("__index__"), "len": has("__len__"),
        "array": has("__array__") or has("__len__", "__getitem__"), "list": has("__iter__") or has("__getitem__"),
        "item": has("__getitem__"),
    }
    return [name for name, there in found.items() if there]


def _listed(value) -> list:
    return list(itertools.islice(value, 1 << 16))


def _mirrored(message) -> BaseException:
    """The exception that was raised outside, as nearly as its class is known here."""
    base = next((getattr(builtins, name) for name in message["mro"]
                 if isinstance(getattr(builtins, name, None), type)), Exception)
    name = message["mro"][0]
    kind = base if base.__name__ == name else type(name, (base,), {})
    error = kind(message["text"])
    error.asked_of = message.get("origin")
    return error


def _notebook() -> types.ModuleType:
    """The notebook's own namespace, with what IPython would have put there."""
    module = types.ModuleType("__main__")
    module.__dict__.update(get_ipython=stand_in.get_ipython, display=stand_in.display, In=[""], Out={}, _="")
    sys.modules["__main__"] = module
    sys.path.insert(0, "")  # modules that a cell has written
    return module


def _nobody_answers(prompt=""):
    raise EOFError("input() is called, and nobody answers while your work is graded")


def _no_debugger(*args, **kwargs):
    """A breakpoint that was left in the code: nobody is there to look, and the code goes on."""


def _as_it_is(function=None, **options):
    """torch.compile, without a compiler: the same answers, a little later."""
    return (lambda later: later) if function is None else function


def _random_states() -> int:
    """A number that changes when torch's, Python's or numpy's own random numbers are used."""
    drawn = torch.get_rng_state().numpy().tobytes(), random.getstate(), np.random.get_state()[1].tobytes()
    return hash(drawn)
