"""Time that passes only when somebody sleeps: inside `virtual()` every clock shows it, whatever the machine does."""

import contextlib
import time
from unittest import mock

NAMES = ("perf_counter", "monotonic", "time", "process_time", "thread_time")


class Virtual:
    def __init__(self):
        self.now = 1000.0

    def read(self) -> float:
        self.now += 1e-7  # to look at a clock takes a moment too
        return self.now

    def read_ns(self) -> int:
        return int(self.read() * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@contextlib.contextmanager
def virtual():
    """All clocks of `time` show one virtual time, and its sleep moves it; `process_time` stands still meanwhile."""
    clock, still = Virtual(), Virtual()
    with contextlib.ExitStack() as stack:
        for name in NAMES:
            shown = still if name in ("process_time", "thread_time") else clock
            stack.enter_context(mock.patch.object(time, name, shown.read))
            stack.enter_context(mock.patch.object(time, f"{name}_ns", shown.read_ns))
        stack.enter_context(mock.patch.object(time, "sleep", clock.sleep))
        yield clock
