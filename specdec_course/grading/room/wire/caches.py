"""Key-value caches of any version of transformers, as the tensors that they hold.

Knows: how a cache names its layers. Does not know: JSON, frames, which side it runs on.
"""

from __future__ import annotations

import torch


def fill_cache(cache, pairs) -> None:
    """Makes the cache hold exactly these (keys, values), one pair per layer; None where a layer holds nothing."""
    if hasattr(cache, "key_cache") and not hasattr(cache, "layers"):
        cache.key_cache, cache.value_cache = [a for a, _ in pairs], [b for _, b in pairs]
        cache._seen_tokens = pairs[0][0].shape[-2] if pairs and pairs[0][0] is not None else 0
        return
    cache.layers[len(pairs) :] = []
    for place, (keys, values) in enumerate(pairs):
        if place == len(cache.layers):
            empty = torch.zeros(1, 1, 0, 1)
            cache.update(empty if keys is None else keys, empty if values is None else values, place)
        layer = cache.layers[place]
        if hasattr(layer, "lazy_initialization"):  # a layer without tensors knows that it is
            if keys is not None and not layer.is_initialized:
                layer.lazy_initialization(keys, values)
            layer.is_initialized = keys is not None
        layer.keys, layer.values = keys, values


def layers_of(cache) -> list:
    if hasattr(cache, "key_cache") and not hasattr(cache, "layers"):
        return list(zip(cache.key_cache, cache.value_cache, strict=False))
    return [(getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in cache.layers]
