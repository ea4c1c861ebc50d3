"""A device and a model with a scripted speed, which write down when they were called. Clocks are judged with these.

Knows: sleeping for a scripted time, and between which two bounds an honest stopwatch must lie. The bounds come from
the same run, not from a table: on a slow or busy machine they widen by themselves, so no right answer fails there.
Does not know: exercises, messages.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

# A student may take any clock; some systems' clocks tick as rarely as every 16 ms.
TICK = max(time.get_clock_info(name).resolution for name in ("perf_counter", "monotonic", "time"))
SLACK = 1e-4 + 2 * TICK
MS = 1e-3 + 4 * TICK if TICK > 1e-4 else 1e-3  # the unit of all scripts: a millisecond where clocks are fine


@dataclass(frozen=True)
class Event:
    """One call of the device: when it began and ended, whether it did work then, what was still queued before."""

    kind: str  # "call" or "barrier"
    enter: float
    exit: float
    worked: bool
    queued: float


class Device:
    """Work that is queued by `call` and done at `synchronize`; with `asynchronous=False` it is done in `call`.

    `costs[i]` is what call i costs in seconds (the last one holds for all further calls); `backlog` is work that
    somebody else has queued before.
    """

    def __init__(self, costs, asynchronous=True, backlog=0.0):
        self.costs, self.asynchronous, self.queue = list(costs), asynchronous, backlog
        self.events: list[Event] = []
        self.began = time.perf_counter()

    def call(self):
        enter, queued = time.perf_counter(), self.queue
        cost = self.costs[min(len(self.calls), len(self.costs) - 1)]
        if self.asynchronous:
            self.queue += cost
        else:
            time.sleep(cost)
        self.events.append(Event("call", enter, time.perf_counter(), True, queued))

    def synchronize(self):
        enter, queued, self.queue = time.perf_counter(), self.queue, 0.0
        if queued:
            time.sleep(queued)
        self.events.append(Event("barrier", enter, time.perf_counter(), queued > 0, queued))

    @property
    def calls(self) -> list[Event]:
        return [event for event in self.events if event.kind == "call"]

    def bounds(self, call: Event, ended: float) -> tuple[float, float]:
        """The shortest and the longest time that an honest stopwatch can show for this call.

        It starts after the work before and before the call; it stops after the barrier (if the device needs one) and
        before the next work. Barriers without work are free: the clock may run through them.
        """
        place = self.events.index(call)
        before = [e.exit for e in self.events[:place] if e.worked]
        after = [e for e in self.events[place + 1 :] if e.worked]
        done = call.exit
        if self.asynchronous and after and after[0].kind == "barrier":
            done, after = after[0].exit, after[1:]
        return done - call.enter, (after[0].enter if after else ended) - (before[-1] if before else self.began)


class SlowModel:
    """A Forward that takes a scripted time and records the ids it was fed.

    Call i of a length sleeps `script(length, i)` seconds. `wrong` is called with a message when the ids are unfit.
    """

    def __init__(self, vocab_size, wrong, script=lambda length, i: 0.0):
        self.vocab_size, self.wrong, self.script = vocab_size, wrong, script
        self.fed: dict[int, list] = {}
        self.spans: list[tuple[int, float, float]] = []
        self.began = time.perf_counter()

    def forward(self, ids):
        enter = time.perf_counter()
        if not isinstance(ids, torch.Tensor) or ids.dim() != 1 or ids.dtype != torch.long:
            found = f"shape {tuple(ids.shape)}, {ids.dtype}" if isinstance(ids, torch.Tensor) else type(ids).__name__
            self.wrong(f"The model was fed {found}; a Forward takes one row of ids, a LongTensor of shape [n].")
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < self.vocab_size:
            self.wrong("The model was fed an id outside 0 ... vocab_size - 1: a real one would stop here.")
        calls = self.fed.setdefault(len(ids), [])
        delay = self.script(len(ids), len(calls))
        calls.append(ids.tolist())
        if delay:
            time.sleep(delay)
        logits = torch.zeros(len(ids), self.vocab_size)
        self.spans.append((len(ids), enter, time.perf_counter()))
        return logits

    def bounds(self, length, last, ended) -> tuple[np.ndarray, np.ndarray]:
        """Shortest and longest honest times of the last `last` calls of a length (all calls for last=None)."""
        exits = [self.began, *(exit for _, _, exit in self.spans)]
        enters = [*(enter for _, enter, _ in self.spans), ended]
        inner = [exit - enter for n, enter, exit in self.spans if n == length]
        outer = [enters[i + 1] - exits[i] for i, (n, _, _) in enumerate(self.spans) if n == length]
        keep = slice(None if last is None else -last, None)
        return np.array(inner[keep]), np.array(outer[keep])
