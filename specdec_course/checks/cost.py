"""What a call costs: the memory it asks for, torch's functions that it calls, and how it compares with another in time.

Knows: tracemalloc, torch's allocations, a clock. Does not know: exercises, nor what is too much. Stands alone: the
grader carries this file into the room where students' code runs.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
import tracemalloc
import weakref

import numpy as np
import torch
from torch.overrides import TorchFunctionMode


class _Tensors(TorchFunctionMode):
    """Counts torch's functions, notes the largest tensor that is made inside, and which ones are still alive. A view
    of what a function was given is none that it made.
    Sparse tensors count by what they hold, not by their shape."""

    def __init__(self):
        super().__init__()
        self.calls, self.largest, self.made = 0, 0, []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        given = _memory((*args, *(kwargs or {}).values()))
        answer = func(*args, **(kwargs or {}))
        self.calls += 1
        for tensor in answer if isinstance(answer, (tuple, list)) else (answer,):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                place, size = tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()
                if size > given.get(place, -1):  # else a view of what was given, or that itself: nothing is new
                    self.largest = max(self.largest, size)
                    self.made.append(weakref.ref(tensor))
        return answer

    def alive(self) -> int:
        kept = [ref() for ref in self.made if ref() is not None]
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
        return sum(storages.values())


def _memory(things) -> dict[int, float]:
    """Where the memory of these begins, and how much it is; of arrays, which torch only borrows, it does not matter."""
    found = {}
    for thing in things:
        if isinstance(thing, torch.Tensor) and thing.layout == torch.strided:
            found[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, np.ndarray):
            found[thing.__array_interface__["data"][0]] = float("inf")
    return found


_watches, _hooks = [], []  # those that have begun; the hook is put up once, for it can never be taken away


def _heard(event: str, args: tuple) -> None:
    """Memory that is mapped is allocated by nobody: Python tells of it in other ways."""
    if event != "mmap.__new__" or not _watches:
        return
    with contextlib.suppress(OSError):
        _watches[-1].mapped += args[1] or os.fstat(args[0]).st_size


class Watch:
    """Between `begin` and `end`: the most that Python and numpy held at once, the largest tensor made inside `with`,
    all tensors that live on at the end, or what was mapped, whichever is most. The same on every machine: the system
    is not asked. And how many of torch's functions were called inside `with`."""

    def begin(self) -> None:
        if not _hooks:
            _hooks.append(sys.addaudithook(_heard))
        self.mapped = 0
        _watches.append(self)
        self.tensors, self.was_tracing = _Tensors(), tracemalloc.is_tracing()
        if not self.was_tracing:
            tracemalloc.start()
        self.before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()

    def __enter__(self):
        return self.tensors.__enter__()

    def __exit__(self, *error):
        return self.tensors.__exit__(*error)

    def end(self) -> tuple[int, int]:
        """(bytes, calls)."""
        _watches.remove(self)
        peak = tracemalloc.get_traced_memory()[1] - self.before
        if not self.was_tracing:
            tracemalloc.stop()
        return max(peak, self.tensors.largest, self.tensors.alive(), self.mapped), self.tensors.calls


def cost_of(call) -> tuple[object, int, int]:
    """(answer of call(), bytes, calls of torch's functions), as `Watch` counts them."""
    watch = Watch()
    watch.begin()
    try:
        with watch:
            answer = call()
    except BaseException:
        watch.end()
        raise
    return answer, *watch.end()


def times_slower(call, reference, enough: float, repeats: int = 5, seconds_of_call=None) -> float:
    """How many times the processor time of reference() call() takes: best of `repeats`, in turns, on one thread.

    Processor time, because other programs on the machine are no fault of the call. A first run below `enough` decides
    at once; one above it is tried again, for a single slow run says little: a crowded machine costs processor time too.
    Two runs far above it decide as well: who waits for them should not wait for five.
    """
    best, best_reference, threads = float("inf"), float("inf"), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for run in range(repeats):
            best_reference = min(best_reference, seconds(reference))
            best = min(best, (seconds_of_call or seconds)(call))
            ratio = best / max(best_reference, 1e-3)  # some clocks are coarse
            if ratio <= enough or ratio > 50 * enough or (run and ratio > 5 * enough):
                break
    finally:
        torch.set_num_threads(threads)
    return ratio


def seconds(call) -> float:
    """Processor time of call(), in this thread, without Python's garbage collection: the more a program has loaded,
    the longer that takes, and a call that makes many small things has it come often."""
    collects = gc.isenabled()
    gc.disable()
    try:
        began = time.thread_time()  # the process's clock ticks in steps of 4 ms while a time limit is set
        call()
        return time.thread_time() - began
    finally:
        if collects:
            gc.enable()
