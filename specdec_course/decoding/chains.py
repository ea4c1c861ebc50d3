"""Chains of thought written by models: many side by side, or one token at a time for the loops of `budget`.

Knows: padding on the left, caches, which token ends a chain. Does not know: what a strategy decides, what is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from ..cache import CachedModel


@torch.inference_mode()
def write_chains(model, texts: Sequence[Sequence[int]], longest: int, stops: Sequence[int], temperature: float = 0.0,
                 seed: int = 0) -> list[list[int]]:  # fmt: skip
    """What a model writes behind each of these texts, side by side, as lists of ids without the texts.

    Each ends behind the first of `stops`, which it keeps, or after `longest` tokens. temperature 0: always the
    likeliest token; else all tokens of a step are drawn together, so a chain depends on its place among the others.
    """
    if not texts:
        return []
    if min(map(len, texts)) == 0:
        raise ValueError("one of the texts is empty; expected at least one token id in each")
    rng = torch.Generator().manual_seed(seed)
    rows = [torch.as_tensor(text, dtype=torch.long).flip(0) for text in texts]
    ids = pad_sequence(rows, batch_first=True).flip(1)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).flip(1)
    cache, written = None, torch.empty(len(texts), 0, dtype=torch.long)
    going, ends = torch.ones(len(texts), dtype=torch.bool), torch.tensor(list(stops))
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    for _ in range(longest):
        out = model(ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
        cache, logits = out.past_key_values, out.logits[:, -1].float()
        if temperature == 0:
            token = logits.argmax(-1)
        else:
            token = torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=rng)[:, 0]
        written = torch.cat([written, torch.where(going, token, -1)[:, None]], 1)
        going &= ~torch.isin(token, ends)
        if not going.any():
            break
        ids, positions = token[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return [[token for token in row if token >= 0] for row in written.tolist()]


class Writer:
    """A model that is asked about texts of which each goes on from much of the one before: its cache is kept."""

    def __init__(self, model):
        self.cached, self.ids = CachedModel(model), []

    def logits(self, ids: Sequence[int], last: int = 1) -> torch.Tensor:
        """The logits of the last so many positions of a text, FloatTensor [last, V]."""
        ids = [int(one) for one in ids]
        if len(ids) < last or last < 1:
            raise ValueError(f"a text of {len(ids)} tokens has no {last} last positions")
        same = next((i for i, (a, b) in enumerate(zip(ids, self.ids, strict=False)) if a != b), len(self.ids))
        same = min(same, len(ids) - last, len(self.ids))
        self.cached.rollback(len(self.ids) - same)
        found = self.cached.append(torch.tensor(ids[same:]), last=last)
        self.ids = ids
        return found.float()

    def next_token(self, ids: Sequence[int]) -> int:
        """The likeliest next token."""
        return int(self.logits(ids)[-1].argmax())

    def step(self, ids: Sequence[int], stops: Sequence[int], longest: int = 40) -> list[int]:
        """The likeliest tokens up to the first of `stops`, which is the last, or `longest` of them."""
        step = []
        while len(step) < longest and not (step and step[-1] in stops):
            step.append(self.next_token([*ids, *step]))
        return step

    def probabilities(self, ids: Sequence[int], step: Sequence[int]) -> list[float]:
        """What the model gives to each token of `step`, at least one, behind the text, in one pass."""
        laws = torch.softmax(self.logits([*ids, *step], len(step) + 1)[:-1], -1)
        return laws.gather(1, torch.tensor(list(step))[:, None])[:, 0].tolist()
