"""Clocks for a device: medians with their spread, one call after the other or all at once.

Knows: when to wait for a device. Does not know: what is timed.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from ..clocks import time_call

BUDGET = 0.6  # seconds for one figure, where that allows enough calls


def barrier(device):
    """The function that returns when everything queued on the device is done; None for a CPU."""
    return torch.cuda.synchronize if torch.device(device).type == "cuda" else None


def median_of(fn, device, most=30, least=5) -> dict:
    """Times fn(), each call from an idle device to finished work, after a warm-up of 3 calls.

    Args:
        fn: function without arguments. most, least: calls timed; between them as many as BUDGET seconds allow.

    Returns:
        dict: "median", "low" and "high" (quartiles) in seconds, "calls".
    """
    once = float(time_call(fn, 1, 2, barrier(device))[0])
    calls = int(min(most, max(least, BUDGET / max(once, 1e-6))))
    seconds = time_call(fn, calls, 1, barrier(device))
    low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return {"median": float(middle), "low": float(low), "high": float(high), "calls": calls}


def in_a_row(fn, device, calls=20) -> float:
    """Seconds per call of many calls queued without waiting in between: what the device needs where the host does not
    hold it up, and what the host needs where it does."""
    wait = barrier(device) or (lambda: None)
    fn()
    wait()
    start = time.perf_counter()
    for _ in range(calls):
        fn()
    wait()
    return (time.perf_counter() - start) / calls


class Deadline:
    """Counts seconds from now on; `over` once more than `seconds` have passed (never, for None)."""

    def __init__(self, seconds: float | None = None):
        self.start, self.seconds = time.monotonic(), seconds

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    @property
    def over(self) -> bool:
        return self.seconds is not None and self.elapsed > self.seconds
