"""Training text as one long row of ids, and the windows cut from it. Every window is a function of (seed, step), so
that a run which was interrupted goes on with the very windows that it would have seen."""

from __future__ import annotations

from itertools import islice

from specdec_course.corpora.atlas import articles

BLOCK = 2000  # articles tokenised at a time


def encode_articles(tokenizer, count: int, seed: int = 0, split: str = "train"):
    """`count` articles of Atlas as a numpy row of uint16 ids, `<|endoftext|>` after each."""
    import numpy as np

    source, rows = articles(seed=seed, count=count, split=split), []
    while block := list(islice(source, BLOCK)):
        for ids in tokenizer(block)["input_ids"]:
            rows.append(np.array([*ids, tokenizer.eos_token_id], dtype=np.uint16))
    return np.concatenate(rows) if rows else np.zeros(0, dtype=np.uint16)


def repeats(ids, batch: int, length: int, seed: int, step: int, shortest: int = 8, longest: int = 32):
    """LongTensor [batch, length + 1]: each window is one random segment of `ids`, of `shortest` to `longest` tokens,
    repeated to the window's end; fixed by (seed, step)."""
    import numpy as np
    import torch

    random, rows = np.random.default_rng((seed, step)), []
    for _ in range(batch):
        size = int(random.integers(shortest, longest + 1))
        start = int(random.integers(len(ids) - size))
        rows.append(np.resize(ids[start : start + size], length + 1))
    return torch.from_numpy(np.stack(rows).astype(np.int64))


def windows(ids, batch: int, length: int, seed: int, step: int):
    """LongTensor [batch, length + 1]: windows that start at random places of `ids`, fixed by (seed, step)."""
    import numpy as np
    import torch

    if len(ids) < length + 1:
        raise ValueError(f"the training text has {len(ids)} tokens, a window needs {length + 1}; ask for more articles")
    starts = np.random.default_rng((seed, step)).integers(len(ids) - length, size=batch)
    return torch.from_numpy(np.stack([ids[start : start + length + 1] for start in starts]).astype(np.int64))
