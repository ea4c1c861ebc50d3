"""A student's function in a new room, for checks of what is left when all else is gone; and what the way there costs.

Knows: sittings, rooms, which cells are the student's. Does not know: exercises, what is right.
"""

from __future__ import annotations

import time
from statistics import fmean

from ..checks.errors import Wrong
from .session.conversation import Ended, Session
from .session.payload import shared_classes
from .session.remote import Borrowed

SPENT = "Your notebook has ended its process too often; the rest of it was not run."
TOO_LONG = "Your notebook takes too long altogether; the rest of it was not run."
NOTHING, CALLS = "def nothing(first, *others):\n    return first[:1]\n", 30


def renewed(sitting) -> tuple:
    """(the function that is being judged, the bytes of the student's cells): the function as a new room has it, in
    which the cells have run and nothing else has. The old room is gone, with all that ran in it."""
    name, judging, sitting.judging = sitting.session.found, sitting.judging, None
    sitting.start_over()
    ready, sitting.judging = sitting._ready(), judging
    if not ready:
        raise Ended(TOO_LONG if sitting._late() else SPENT)
    sitting.session.start_clock(max(sitting.seconds, judging.seconds))
    there, function = sitting.session.find(name)
    if not there or isinstance(function, Borrowed):
        raise Wrong(f"`{name}` is not there when your cells run a second time.")
    own = (step.source for step in sitting.ran if step.role in ("answer", "own"))
    return function, sum(len(source.encode(errors="replace")) for source in own)


def way(house, args: tuple) -> tuple[float, float]:
    """What a call with these arguments takes that does nothing, by the clock and by the processor: the mean of some,
    in a room that has no code of a student's in it."""
    taken = []
    with house.open() as room:
        session = Session(room, shared_classes(), None, 6.0)
        session.order("run", source=NOTHING, cell=0)
        _, nothing = session.find("nothing")
        for _ in range(CALLS):
            clock, processor = time.perf_counter(), room.cpu_seconds()
            nothing(*args)
            taken.append((time.perf_counter() - clock, room.cpu_seconds() - processor))
    return fmean(one for one, _ in taken), fmean(one for _, one in taken)
