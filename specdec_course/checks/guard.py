"""Keeps a student's code from disturbing the check: output silenced, random state kept, time limited.

Knows: file descriptors, warnings, signals. Does not know: exercises or marks. This is no sandbox: code that means
harm is the grader's business.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import sys
import threading
import warnings

import numpy as np
import torch


class Stopped(BaseException):
    """The check cannot go on with this function; the text says why. A BaseException, so that a student's
    `except Exception` lets it by."""


class OutOfTime(Stopped):
    """The time limit has passed."""

    def __init__(self, seconds: float):
        super().__init__(
            f"Your function was stopped after {seconds:g} seconds. Is there a loop that never ends, or one with far "
            "too much to do?"
        )


@contextlib.contextmanager
def quiet():
    """Nothing that runs inside reaches the screen: not print, warnings, progress bars, nor C++ on descriptor 2.

    stderr in a test cell costs all points in nbgrader, and loggers made earlier keep the old sys.stderr; hence the
    descriptor and the old objects as well as the names.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        with warnings.catch_warnings(), _muted(sys.stdout), _muted(sys.stderr):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


@contextlib.contextmanager
def _muted(stream):
    """Drops what is written to this very object, which loggers and progress bars made earlier still hold.

    In a kernel every such line is a message of its own; a flood of them loses messages, and nbgrader then drops the
    whole submission.
    """
    before = dict(vars(stream)) if hasattr(stream, "__dict__") else None
    try:
        stream.write, stream.flush = len, lambda: None
    except AttributeError:  # a stream written in C, such as a terminal's: there it costs nobody a mark
        before = None
    try:
        yield
    finally:
        for name in ("write", "flush") if before is not None else ():
            if name in before:
                setattr(stream, name, before[name])
            else:
                delattr(stream, name)


@contextlib.contextmanager
def random_state():
    """Whatever seeds are set inside, the random numbers of the notebook go on as if nothing had happened."""
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    grad = torch.is_grad_enabled()
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])
        torch.set_grad_enabled(grad)


@contextlib.contextmanager
def time_limit(seconds: float, patience: float = 10.0):
    """Raises OutOfTime after `seconds` of computing, or `patience` times as long on the wall clock.

    Computing time is what counts: on a crowded machine a right answer may take many times longer by the clock. Works
    where signals can (main thread, not Windows); elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(signum, frame):
        raise OutOfTime(seconds)

    alarms = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, patience * seconds))
    before = {number: signal.signal(number, stop) for number, _, _ in alarms}
    for _, timer, after in alarms:
        signal.setitimer(timer, after)
    try:
        yield
    finally:
        for number, timer, _ in alarms:
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
