"""Drafts by a model that looks into the target's cache: GLIDE (Du et al. 2024).

Knows: when the target's keys and values are handed to the draft model. Does not know: what the model computes
(models.glide), how the draft is verified.
"""

from __future__ import annotations

from .draft import Draft
from .model import ModelDrafter


class GlideDrafter(ModelDrafter):
    """A ModelDrafter whose model looks at the keys and values of the target's last layer, as far as it has been.

    The rows of accepted tokens stay as they were made, and looked at what the target had read by then: so it was
    trained, on blocks of tokens. Before the first round there is nothing to look at, so nothing is proposed there.
    """

    reads = "keys_values"

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        self.model.sight.begin(positions)
        super().begin(vocab_size, positions, engine)
        self.taken = 0

    def propose_from(self, context, k: int, sampling, dice) -> Draft:
        keys, values = context.keys_values(-1)
        if keys.shape[1] == 0:
            return Draft(context.ids[:0])
        self.model.sight.take(keys[:, self.taken :], values[:, self.taken :], self.taken)
        self.taken = keys.shape[1]
        return self.propose(context.ids, k, sampling, dice)
