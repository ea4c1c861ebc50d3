"""One text at a time: models over static buffers and drafters with a cache hold the state of one text.

Knows: which thing is in use by whom. Does not know: what a text is.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import ExitStack, contextmanager

_turns: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_making = threading.Lock()


class _Turn:
    """A lock that knows its thread: another thread waits, the same one would wait for ever and is refused."""

    def __init__(self):
        self.lock, self.owner = threading.Lock(), None

    def __enter__(self):
        if self.owner == threading.get_ident():
            raise ValueError(
                "this model or drafter is in the middle of another text, which is still being streamed. Finish or "
                "close that stream first, or give the second text a model and a drafter of its own"
            )
        self.lock.acquire()
        self.owner = threading.get_ident()

    def __exit__(self, *error):
        self.owner = None
        self.lock.release()


@contextmanager
def turn_of(*things):
    """Within, these things (None is left out) serve the caller alone; other threads wait until it is over.

    ValueError where the caller's own thread has one of them in use. Taken in one order, so that two callers with the
    same things cannot wait for each other.
    """
    wanted = {id(thing): thing for thing in things if thing is not None}
    with ExitStack() as held:
        for _, thing in sorted(wanted.items()):
            held.enter_context(_turn(thing))
        yield


def _turn(thing) -> _Turn:
    with _making:
        return _turns.setdefault(thing, _Turn())
