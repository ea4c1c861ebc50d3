"""Drafts from what the target made of the text: EAGLE (Li et al. 2024).

Knows: when the target's states are handed to the draft model, and that states which the draft made itself do not stay.
Does not know: what the model computes (models.eagle), how the draft is verified.
"""

from __future__ import annotations

from .draft import Draft
from .model import ModelDrafter


class EagleDrafter(ModelDrafter):
    """A ModelDrafter whose model reads the target's last hidden states, as far as the target has been.

    Of a draft's rows none stays, even where its tokens do: they were made from states that the draft guessed. The next
    proposal reads them again, with the target's own states. Before the first round there are none, so nothing is
    proposed there.
    """

    wants_hidden = (-1,)
    reads = "states"

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        self.model.features.begin(positions)
        super().begin(vocab_size, positions, engine)
        self.taken = 0

    def accepted(self, n: int) -> None:
        """All rows of this draft are read again."""

    def propose_from(self, context, k: int, sampling, dice) -> Draft:
        states = context.hidden(-1)
        if len(states) == 0:
            return Draft(context.ids[:0])
        self.model.features.take(states[self.taken :], self.taken)
        self.taken = len(states)
        return self.propose(context.ids, k, sampling, dice)
