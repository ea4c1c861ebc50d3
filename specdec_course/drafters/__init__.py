"""Cheap guessers of what the target will say next. Every drafter obeys one protocol.

Knows: what a draft is. Does not know: how it will be verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True)
class Draft:
    """Proposed tokens `ids` LongTensor [n] and the distributions `probs` FloatTensor [n, V] that they were drawn
    from; None when nothing was drawn (the drafter is certain: each row would be one-hot)."""

    ids: torch.Tensor
    probs: torch.Tensor | None = None


class Drafter(Protocol):
    """Anything with `propose`. It may return fewer than k tokens, or none; `calls` counts its forward passes.

    A drafter that keeps something from round to round may have two methods more. `begin(vocab_size, positions,
    engine)` is called before a text, with the target's number of ids and the most positions the text will have.
    `accepted(n)` is called after a round: the first n tokens of the newest draft are in the text now.
    """

    calls: int

    def propose(self, ids: torch.Tensor, k: int, sampling, dice) -> Draft:
        """A draft of at most k tokens to follow `ids` LongTensor [T], on the CPU. Randomness comes from `dice` alone;
        the draft may lie on any device."""
        ...


def __getattr__(name):
    if name == "BigramDrafter":
        from .bigram import BigramDrafter

        return BigramDrafter
    if name in ("ModelDrafter", "propose_stochastic"):
        from . import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
