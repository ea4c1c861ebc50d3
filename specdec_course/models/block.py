"""Draft models that guess several tokens in one pass, on what their target made of the text ("DFlash", Chen et al.
2026; simplified here: one layer of the target is looked into).

A pass reads a block of rows: the newest token, and blanks for the next ones. Every row reads the target's last state
beside it, sees the whole block, looks into the target's cache, and guesses the token behind its own place. So no guess
waits for another, and none knows what another said.

Knows: what the rows of a block read, whole texts cut into blocks, how such a model is made of a target's last layers
and stored (`config.json` has `drafts_at_once`). Does not know: training, decoding (drafters.parallel).
"""

from __future__ import annotations

import copy
import functools

import torch
from torch import nn
from torch.nn import functional as F

from .eagle import eagle_head
from .glide import check_usual, glide_class, inside
from .trimmed import borrow_embedding


@functools.cache
def _block(base):
    """The class of a draft `base`, whose layers look at their target, that reads blocks."""

    def __init__(self, config):
        base.__init__(self, config)
        self.fuse = nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.blank = nn.Parameter(torch.zeros(config.hidden_size))

    def at_once(self, token, state, place):
        """Logits [K, V] of the K tokens behind `token` LongTensor [1], which stands at `place` (0-d LongTensor).

        state: FloatTensor [d], the target's last hidden state of the position before."""
        size = self.config.drafts_at_once
        words = torch.cat([self.get_input_embeddings()(token), self.blank.expand(size - 1, -1)])
        places = place + torch.arange(size, device=token.device)
        return self.lm_head(self._read(words, state.expand_as(words), places, words.new_zeros(size, size))[0])

    def whole(self, ids, states, shift: int = 0):
        """Hidden states [B, L, d] of texts ids LongTensor [B, L] that are cut into blocks, the first one `shift` rows
        short: row i guesses token i + 1 from the first token of its block and `states` FloatTensor [B, L, d], the
        target's, before it."""
        rows, size = torch.arange(ids.shape[1], device=ids.device), self.config.drafts_at_once
        block = (rows + shift) // size
        start = (block * size - shift).clamp(min=0)
        words = torch.where((rows == start)[:, None], self.get_input_embeddings()(ids), self.blank.to(states.dtype))
        before = F.pad(states[:, :-1], (0, 0, 1, 0))[:, start]
        apart = words.new_zeros(len(rows), len(rows)).masked_fill(block != block[:, None], float("-inf"))
        return self._read(words, before, rows, apart)

    def _read(self, words, states, places, mask):
        """words, states [..., L, d] -> hidden states [B, L, d]; mask FloatTensor [L, L] is added to the scores."""
        both = self.fuse(torch.cat([states.to(words.dtype), words], -1))
        both = both if both.ndim == 3 else both[None]
        out = self.model(inputs_embeds=both, attention_mask=mask[None, None].to(both.dtype), position_ids=places[None],
                         use_cache=False)  # fmt: skip
        return out.last_hidden_state

    return type(base.__name__.replace("Glide", "Block"), (base,), {
        "__init__": __init__, "at_once": at_once, "whole": whole, "_read": _read,
        "from_config": classmethod(lambda cls, config: cls._from_config(config)),
    })  # fmt: skip


def block_class(config):
    """The class that loads a draft with this config. ValueError for an architecture that is not built the usual way."""
    return _block(glide_class(config))


def block_draft(target, tokens, size: int, layers: int = 1, intermediate: int | None = None):
    """A draft that guesses `size` tokens in one pass: the target's last `layers` layers, its last norm and its head for
    `tokens` LongTensor [n], ascending. To begin with it looks at nothing.

    intermediate: the width of its MLPs; None: the target's. ValueError for an architecture that is not built the usual
    way, more layers than the target has, or tokens that are not ids of it.
    """
    draft = eagle_head(target, tokens, layers, intermediate)
    config = copy.deepcopy(draft.config)
    del config.reads_features
    config.drafts_at_once = size
    made = block_class(config)(config).float()
    ours, theirs = made.state_dict(), {inside(name): weight for name, weight in draft.state_dict().items()}
    fitting = {name: weight for name, weight in theirs.items() if name in ours and ours[name].shape == weight.shape}
    made.load_state_dict(fitting, strict=False)
    for layer in made.model.layers:
        nn.init.zeros_(layer.look.output.weight)
    check_usual(made)
    borrow_embedding(made, target)
    return made.eval()
