"""A model that remembers: append tokens, take the last ones back.

Knows: Hugging Face's key-value caches, across the versions that the package supports. Does not know: drafts, rounds.
"""

from __future__ import annotations

import torch


def rollback(cache, n):
    """Drops the last n positions of a Hugging Face cache, in every layer.

    Args:
        cache: a DynamicCache, or an older object with `crop` or with lists `key_cache` and `value_cache`.
        n: how many positions to drop; 0 changes nothing, the cache's length empties it.

    Raises ValueError when n is negative or more than the cache holds.
    """
    held = cache.get_seq_length()
    if not 0 <= n <= held:
        raise ValueError(f"cannot drop {n} positions from a cache that holds {held}; expected 0..{held}")
    if n == 0:  # crop(0) empties the cache in older versions
        return
    if hasattr(cache, "crop"):
        cache.crop(-n)  # a negative number drops that many; every supported version agrees on this one
    else:
        cache.key_cache = [keys[..., : held - n, :] for keys in cache.key_cache]
        cache.value_cache = [values[..., : held - n, :] for values in cache.value_cache]


class CachedModel:
    """A decoder-only model with its key-value cache: feed only what is new, take back what was rejected.

    `model(input_ids [1, T], past_key_values=..., use_cache=True)` has to return an object with `.logits` and
    `.past_key_values`, as every Hugging Face causal language model does.
    """

    def __init__(self, model):
        self.model = model
        self.cache = None
        self.calls = 0

    @property
    def length(self) -> int:
        """Positions in the cache."""
        return 0 if self.cache is None else self.cache.get_seq_length()

    @torch.inference_mode()
    def append(self, ids, last: int | None = None):
        """Feeds `ids` LongTensor [T] after what the cache holds; returns their logits, FloatTensor [T, V].

        With `last`, only the last so many rows are computed: a long prompt need not pay for the vocabulary.
        """
        keep = {} if last is None else {"logits_to_keep": last}
        out = self.model(input_ids=ids[None], past_key_values=self.cache, use_cache=True, **keep)
        self.cache = out.past_key_values
        self.calls += 1
        return out.logits[0]

    def rollback(self, n: int) -> None:
        """Forgets the last n positions; ValueError when there are fewer."""
        if not 0 <= n <= self.length:
            raise ValueError(f"cannot roll back {n} positions; the cache holds {self.length}")
        if n:
            rollback(self.cache, n)
