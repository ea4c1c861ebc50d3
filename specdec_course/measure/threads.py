"""How many threads a model is fastest with: on this machine, beside whatever else runs on it now.

Knows: how to time short passes with each number of threads. Does not know: who asks.
"""

from __future__ import annotations

import os
import statistics
import time
from contextlib import contextmanager

import torch

from ..cache.eager import EagerModel

WIDTHS = (1, 5)  # a step of plain decoding, and of verifying four drafted tokens
GAIN = 0.9  # more threads have to be faster than this share of the time with fewer: others need the cores, too


@contextmanager
def torch_threads(n: int):
    """Within, torch computes with n threads in this thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def thread_times(model, seconds: float = 1.0, rounds: int = 3) -> dict[int, float]:
    """{threads: seconds of a one-token and a five-token pass, together}, medians, for 1, 2, 4, ... threads.

    Takes about `seconds`, and at least so many rounds; every round tries each number once. Empty where there is nothing
    to choose or to try: on a GPU, for encoder-decoders, and for a model whose step alone takes a fifth of the time. The
    number of threads is afterwards what it was.
    """
    if model.device.type != "cpu" or getattr(model.config, "is_encoder_decoder", False):
        return {}
    cached, before = EagerModel(model).begin(64), torch.get_num_threads()
    cached.append(torch.zeros(20, dtype=torch.long))
    if _step(cached) > seconds / 5:
        return {}
    numbers = [2**i for i in range(cores().bit_length())] + [cores()]
    times, end = {n: [] for n in sorted(set(numbers)) if n <= cores()}, time.perf_counter() + seconds
    try:
        while time.perf_counter() < end or len(times[1]) < rounds:
            for n, measured in times.items():
                torch.set_num_threads(n)
                _step(cached)  # the first one wakes the threads
                measured.append(_step(cached))
    finally:
        torch.set_num_threads(before)
    return {n: statistics.median(measured) for n, measured in times.items()}


def _step(cached) -> float:
    began = time.perf_counter()
    for n in WIDTHS:
        cached.append(torch.zeros(n, dtype=torch.long))
        cached.rollback(n)
    return time.perf_counter() - began


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def best(times: dict[int, float]) -> int:
    """The number of threads to take: more only where they pay."""
    chosen = 1
    for n, measured in sorted(times.items()):
        if measured < GAIN * times[chosen]:
            chosen = n
    return chosen


def choose_threads(model, say=lambda line: None) -> None:
    """Gives torch the number of threads that this model is fastest with, unless OMP_NUM_THREADS says otherwise."""
    if "OMP_NUM_THREADS" in os.environ:
        return
    times = thread_times(model)
    if len(times) > 1:
        before = torch.get_num_threads()
        torch.set_num_threads(best(times))
        if torch.get_num_threads() != before:
            say(f"{torch.get_num_threads()} of {cores()} threads taken, the fewest that pay: a short step takes "
                f"{told(times)}. Set OMP_NUM_THREADS to choose yourself")


def told(times: dict[int, float]) -> str:
    return ", ".join(f"{1000 * seconds:.1f} ms with {n}" for n, seconds in times.items())
