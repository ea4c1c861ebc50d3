"""A model that remembers: append tokens, take the last ones back.

Knows: Hugging Face's key-value caches, across the versions that the package supports. Does not know: drafts, rounds.
"""

from __future__ import annotations

import torch


def rollback(cache, n):
    """Drops the last n positions of a key-value cache, in every layer, keys and values alike. In place.

    Args:
        cache: a transformers cache of any version. `cache.get_seq_length()` is the number of positions that it
            holds. `cache.crop(-n)` drops n of them, but crop(0) empties the cache in older versions, and a positive
            number means something else there and an error here. Keys and values are tensors [batch, heads,
            positions, d] per layer: `cache.layers[i].keys` and `.values`, or in old versions the lists
            `cache.key_cache` and `cache.value_cache`.
        n: how many positions to drop; 0 changes nothing, the cache's length empties it.

    Raises ValueError when n is negative or more than the cache holds; the cache is then as it was.
    """
    held = cache.get_seq_length()
    if not 0 <= n <= held:
        raise ValueError(f"cannot drop {n} positions from a cache that holds {held}; expected 0..{held}")
    if n == 0:
        return
    cache = getattr(cache, "self_attention_cache", cache)  # of an encoder-decoder: the other half is the source's
    _check_layers(cache, n)
    if hasattr(cache, "crop"):
        cache.crop(-n)  # a negative number drops that many; every version agrees on this one
    else:
        cache.key_cache = [keys[..., : held - n, :] for keys in cache.key_cache]
        cache.value_cache = [values[..., : held - n, :] for values in cache.value_cache]


def _check_layers(cache, n: int) -> None:
    """ValueError, before anything is changed, if one of the layers cannot go back n positions."""
    for layer in getattr(cache, "layers", ()):
        name = type(layer).__name__
        recording = getattr(layer, "record_past", False)
        if hasattr(layer, "recurrent_states") and not (recording and getattr(layer, "is_croppable", False)):
            raise ValueError(
                f"a {name} keeps one state instead of positions, and a state cannot be taken back; speculation needs "
                "a model with attention in every layer"
            )
        if not hasattr(layer, "crop"):
            raise ValueError(f"a {name} cannot be cropped: it is a fixed buffer, move its pointer back instead")
        window, seen = getattr(layer, "sliding_window", None), layer.get_seq_length()
        if window and layer.is_initialized:
            stored = layer.keys.shape[-2]
            if stored < seen and not (recording and stored - n >= window - 1):
                raise ValueError(
                    f"cannot go back {n} positions: a layer with a sliding window of {window} has forgotten what "
                    f"stood before its last {stored} positions. Begin with past_key_values=DynamicCache(), made "
                    "without a config: it forgets nothing (CachedModel does so)"
                )


class CachedModel:
    """A decoder-only model with its key-value cache: feed only what is new, take back what was rejected.

    `model(input_ids, past_key_values=cache, use_cache=True)` gets input_ids [1, T], the *new* ids only, and the
    cache of what came before (None at first). It answers an object with `.logits` [1, T, V] and
    `.past_key_values`: the cache, grown by T. It counts positions from the cache's length, as every causal language
    model of transformers does. Each CachedModel has a cache of its own, even if several share one model.
    """

    def __init__(self, model):
        self.model = model
        self.cache = None
        self.calls = 0

    @property
    def length(self) -> int:
        """Positions in the cache: 0 at first."""
        return 0 if self.cache is None else self.cache.get_seq_length()

    @torch.inference_mode()
    def append(self, ids, last: int | None = None):
        """Feeds `ids` LongTensor [T], T >= 1, after what the cache holds, in one call of the model.

        Returns their logits, FloatTensor [T, V], the same as from scratch up to round-off. With `last` (optional: the
        course's engine uses it, the check does not) only the last so many rows: a long prompt need not pay for the
        vocabulary.
        """
        keep = {} if last is None else {"logits_to_keep": last}
        cache = _new_cache(self.model) if self.cache is None else self.cache
        out = self.model(input_ids=ids[None], past_key_values=cache, use_cache=True, **keep)
        self.cache = out.past_key_values
        self.calls += 1
        return out.logits[0]

    def rollback(self, n: int) -> None:
        """Forgets the last n positions; 0 changes nothing. The next ids continue where the cache then ends.

        Raises ValueError when n is negative or there are fewer than n; nothing is changed then.
        """
        if not 0 <= n <= self.length:
            raise ValueError(f"cannot roll back {n} positions; the cache holds {self.length}")
        if n:
            rollback(self.cache, n)


def _new_cache(model):
    """None: the model makes its own. For a model with sliding windows, a cache that keeps what slides out of them.

    A rollback may need it again. The masks see to it that nobody looks further back than the window.
    """
    from transformers import DynamicCache, PreTrainedConfig

    config = getattr(model, "config", None)
    if not isinstance(config, PreTrainedConfig):
        return None
    return DynamicCache() if any(DynamicCache(config=config.get_text_config()).is_sliding) else None
