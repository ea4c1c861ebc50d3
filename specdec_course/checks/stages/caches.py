"""Interfaces that key-value caches had in the course of time, rebuilt as far as a rollback can see them.

Knows: how transformers 4.46, 4.57 and 5.18 let one read, fill and crop a cache. Does not know: exercises, models.
"""

from __future__ import annotations

import torch


class Lists:
    """A cache with the interface of transformers 4.46, as far as a rollback sees it."""

    def __init__(self):
        self.key_cache, self.value_cache, self._seen_tokens = [], [], 0

    def get_seq_length(self, layer_idx=0):
        return self.key_cache[layer_idx].shape[-2] if len(self.key_cache) > layer_idx else 0

    def crop(self, max_length):
        """Keeps max_length positions, or drops -max_length of them: 0 keeps none."""
        held = self.get_seq_length()
        keep = held + max_length if max_length < 0 else max_length
        if keep < held:
            self.key_cache = [keys[..., :keep, :] for keys in self.key_cache]
            self.value_cache = [values[..., :keep, :] for values in self.value_cache]
            self._seen_tokens = keep

    def update(self, keys, values, layer_idx):
        self._seen_tokens += keys.shape[-2] if layer_idx == 0 else 0
        if layer_idx == len(self.key_cache):
            self.key_cache.append(keys)
            self.value_cache.append(values)
        else:
            self.key_cache[layer_idx] = torch.cat([self.key_cache[layer_idx], keys], dim=-2)
            self.value_cache[layer_idx] = torch.cat([self.value_cache[layer_idx], values], dim=-2)


class Layer:
    """One layer of such a cache."""

    is_initialized = True

    def __init__(self, keys, values):
        self.keys, self.values = keys, values

    def get_seq_length(self):
        return self.keys.shape[-2]

    def crop(self, max_length):
        held = self.get_seq_length()
        keep = held + max_length if max_length < 0 else max_length
        if keep < held:
            self.keys, self.values = self.keys[..., :keep, :], self.values[..., :keep, :]


class Layers:
    """A cache with the interface of transformers 4.57: layers, and a crop that 0 empties."""

    def __init__(self):
        self.layers = []

    def get_seq_length(self, layer_idx=0):
        return self.layers[layer_idx].get_seq_length() if len(self.layers) > layer_idx else 0

    def crop(self, max_length):
        for layer in self.layers:
            layer.crop(max_length)

    def update(self, keys, values, layer_idx):
        if layer_idx == len(self.layers):
            self.layers.append(Layer(keys, values))
        else:
            layer = self.layers[layer_idx]
            layer.keys, layer.values = torch.cat([layer.keys, keys], -2), torch.cat([layer.values, values], -2)


class Strict(Layers):
    """The interface since transformers 5.18, whichever is installed: crop(0) does nothing, crop(+n) is an error."""

    def crop(self, tokens_to_remove):
        if tokens_to_remove > 0:
            raise ValueError(f"Calling `crop` with a positive value (`{tokens_to_remove}`) is not supported")
        if tokens_to_remove < 0:
            super().crop(tokens_to_remove)
