"""What the parts of the suite work with: the card, the models in memory, time, records of other parts, and errors.

Knows: how a part's figures are guarded, so that one that fails costs no other. Does not know: which figures there are.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch

from . import card
from .clock import Deadline
from .model_pool import ModelPool, collect
from .shapes import PAIRS


class TimeIsUp(Exception):
    """The time given has passed; what was measured is written, the rest is for the next run."""


@dataclass
class Bench:
    """Given to every part. `read` gives the record of another part of this card, or None; `quick`: a rehearsal;
    `compiles`: False where torch.compile does not work, or shall not be waited for."""

    device: torch.device
    dtype: torch.dtype
    pool: ModelPool
    deadline: Deadline
    say: Callable[[str], None]
    read: Callable[[str], dict | None]
    quick: bool = False
    compiles: bool = True
    pairs: tuple = PAIRS

    @property
    def card(self) -> str:
        return card.name_of(self.device)

    @property
    def compiled_means(self) -> str:
        """What engine="compiled" is in this run."""
        return "torch.compile and CUDA graphs" if self.compiles else "CUDA graphs of eager kernels, not compiled"

    def walls(self) -> dict:
        """{name: (operations per second, bytes per second)} of the card: "datasheet" if there is one, "measured"."""
        measured, sheet = (self.read("card") or {}).get("measured"), card.sheet_of(self.card)
        walls = {} if sheet is None else {"datasheet": sheet[1:]}
        return walls | ({"measured": (measured["flops_per_second"], measured["bytes_per_second"])} if measured else {})


def guarded(bench: Bench, record: dict, what: str, measure) -> None:
    """Runs measure(); if it fails, the error is noted under `what` and the part goes on with its next figure.

    Raises TimeIsUp instead of beginning when the time has passed.
    """
    if bench.deadline.over:
        raise TimeIsUp
    try:
        measure()
    except Exception as error:
        said = traceback.format_exception_only(error)[-1].strip()
        record.setdefault("errors", {})[what] = said[:2000]
        bench.say(f"FAILED: {record['part']}, {what}: {said.splitlines()[0]}")
        bench.say("".join(traceback.format_exception(error)[-4:]).rstrip())
        collect()
