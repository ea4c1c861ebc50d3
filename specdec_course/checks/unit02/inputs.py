"""Small texts and tables that the checks of unit 02 ask about."""

from __future__ import annotations

import numpy as np
import torch


def some(rng, n: int, low: int, high: int) -> list[int]:
    """n different numbers from low ... high - 1, in random order."""
    return [low + i for i in torch.randperm(high - low, generator=rng)[:n].tolist()]


def skewed_text(rng, length: int, vocab_size: int) -> torch.Tensor:
    """Ids in which every token has a few followers, one of them clearly the most frequent."""
    likes = torch.randint(vocab_size, (vocab_size, 6), generator=rng)
    picks = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.05, 0.05]).multinomial(length, replacement=True, generator=rng)
    stray = torch.randint(vocab_size, (length,), generator=rng)
    ids = [0]
    for i in range(1, length):
        ids.append(int(likes[ids[-1], picks[i]]) if picks[i] < 5 else int(stray[i]))
    return torch.tensor(ids)


def cycle(rng, size: int) -> np.ndarray:
    """A table that visits all ids before it comes back."""
    order = some(rng, size, 0, size)
    table = np.empty(size, dtype=np.int32)
    table[order] = order[1:] + order[:1]
    return table
