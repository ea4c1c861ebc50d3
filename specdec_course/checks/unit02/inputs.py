"""Small texts and tables that the checks of unit 02 ask about."""

from __future__ import annotations

import numpy as np
import torch

from ..ask import mixed, whole


def some(rng, n: int, low: int, high: int) -> list[int]:
    """n different numbers from low ... high - 1, in random order."""
    return [low + i for i in torch.randperm(high - low, generator=rng)[:n].tolist()]


REAL = (128_256, 151_936, 152_064)  # ids that models really have: Llama 3, Qwen 3, Qwen 2.5


def real_ids(rng, n: int, vocab_size: int) -> torch.Tensor:
    """n different ids of a real vocabulary: its ends, ids that 16 bits or a round number cut to others, any others."""
    ends = [0, 1, vocab_size - 1, vocab_size - 2, 65_536, 65_537, 100_000, 50_000, 50_001, 32_768]
    drawn = torch.randint(vocab_size, (4 * n,), generator=rng).tolist()
    ids = list(dict.fromkeys(ends[: n // 2] + drawn))[:n]
    return torch.tensor(ids)[torch.randperm(n, generator=rng)]


def misplaced_ids(rng, vocab_size: int) -> list[torch.Tensor]:
    """Windows with one id outside the vocabulary: too large or below zero, first, in the middle or last of a row."""
    found = []
    for bad in (vocab_size, vocab_size + whole(1, 60_000, rng), -1, -whole(2, vocab_size - 1, rng)):
        for column in (0, 2, 4):
            windows = torch.randint(vocab_size, (3, 5), generator=rng)
            windows[whole(0, 2, rng), column] = bad
            found.append(windows)
    return mixed(found, rng)


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
