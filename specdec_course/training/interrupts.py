"""Ctrl-C at a good moment. Knows signals; nothing of what is interrupted."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import contextmanager

log = logging.getLogger("specdec_course")


@contextmanager
def deferred():
    """Within, the first SIGINT only makes what is yielded, a function without arguments, return True, so that the work
    can end at its next good moment; a second one interrupts at once. Outside of the main thread nothing is changed."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number, frame):
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        log.info("stopping at the next good moment; interrupt again to stop at once")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
