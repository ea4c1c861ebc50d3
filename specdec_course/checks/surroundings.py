"""Where a student's function runs: in this process, as in a notebook, or elsewhere, as in the grader.

Knows: what has to be asked there, because it cannot be seen from the function's answers: memory, processor
time, the state of the random numbers. Does not know: exercises, how the grader does it (it puts its own here).
"""

from __future__ import annotations

import contextlib
import inspect
import random
import time
from contextvars import ContextVar

import numpy as np
import torch

from . import cost


class Here:
    """This process."""

    def cost_of(self, call) -> tuple[object, int, int]:
        return cost.cost_of(call)

    def seconds(self, call) -> float:
        return cost.seconds(call)

    def renewed(self, function) -> tuple[object, int]:
        with contextlib.suppress(OSError, TypeError):  # no source is kept, as of a class made by exec
            return function, len(inspect.getsource(function).encode())
        return function, 0

    def processor(self) -> float:
        return time.process_time() - time.thread_time()  # what other threads do; of this one a clock is enough

    def way(self, *args) -> tuple[float, float]:
        return 0.0, 0.0

    def random_states(self):
        return torch.get_rng_state().numpy().tobytes(), random.getstate(), np.random.get_state()[1].tobytes()


_current: ContextVar = ContextVar("surroundings")
_here = Here()


@contextlib.contextmanager
def of(function):
    """Inside, this function is measured: where it says that it runs (`__surroundings__`), else in this process."""
    token = _current.set(getattr(function, "__surroundings__", None) or _here)
    try:
        yield
    finally:
        _current.reset(token)


def cost_of(call) -> tuple[object, int, int]:
    """(answer of call(), bytes, calls of torch) where `call` uses the student's function; see `cost.cost_of`."""
    return _current.get(_here).cost_of(call)


def times_slower(call, reference, enough: float, repeats: int = 5) -> float:
    """How many times the processor time of reference() call() takes; see `cost.times_slower`."""
    return cost.times_slower(call, reference, enough, repeats, _current.get(_here).seconds)


def seconds(call) -> float:
    """Processor time of call(), which uses the student's function: to compare it with another call of theirs."""
    return _current.get(_here).seconds(call)


def renewed(function) -> tuple[object, int]:
    """(the same function of the student's, bytes of code): where it runs elsewhere, in a new process in which the
    cells of the notebook have run, and nothing else; the bytes are those of the student's cells. Here the function as
    it is, and its own bytes, if they are known."""
    return _current.get(_here).renewed(function)


def processor() -> float:
    """Seconds that the processor has worked for the student's code so far, beside what a clock around a call sees."""
    return _current.get(_here).processor()


def way(*args) -> tuple[float, float]:
    """What a call with these arguments takes that does nothing: (seconds by the clock, seconds of the processor)."""
    return _current.get(_here).way(*args)


def random_states():
    """Something that changes when torch's, numpy's or Python's own random numbers are used by the student's code."""
    return _current.get(_here).random_states()
