"""Layers that are alike, compiled once: the program of a pass holds one layer and calls it for all of them.

Knows: which layers of a model differ in nothing but their weights, and how torch.compile is told so. Does not know:
what a layer computes. Whether it was told rightly is found out by comparing the program with the pass (see static).
"""

from __future__ import annotations

import functools
import types
from contextlib import contextmanager

import torch
from torch.compiler import nested_compile_region
from transformers.cache_utils import Cache

PLAIN = (bool, int, float, str, type(None), torch.dtype)
KINDS = 64  # more kinds of layers than this are not worth it


class Buffers(Cache):
    """What a model's attention layers see of the buffers: they hand in new keys and values, and get back all rows, or
    the first `seen` of them."""

    def __init__(self, keys, values, rows, seen: int | None = None):
        super().__init__(layers=[])
        self.keys, self.values, self.rows, self.seen = keys, values, rows, seen

    def update(self, key_states, value_states, layer_idx, *args, **kwargs):
        keys = self.keys[layer_idx].index_copy_(2, self.rows, key_states)
        values = self.values[layer_idx].index_copy_(2, self.rows, value_states)
        return (keys, values) if self.seen is None else (keys[:, :, : self.seen], values[:, :, : self.seen])

    def get_seq_length(self, layer_idx=0):
        return 0  # positions and masks are handed to the model ready-made, or nothing stands before what it reads


class OneLayer(Buffers):
    """The buffers of one layer, whichever it says it is."""

    def update(self, key_states, value_states, layer_idx, *args, **kwargs):
        return super().update(key_states, value_states, 0)


@contextmanager
def alike_layers(model):
    """Within, torch.compile traces one of all layers that are alike, and compiles it once. Yields whether there are
    any."""
    kinds = kinds_of_layers(model)
    worthwhile = len(set(kinds.values())) < len(kinds)
    try:
        for layer, kind in kinds.items() if worthwhile else ():
            layer._specdec_kind, layer._specdec_place = kind, _place(layer)
            layer.forward = types.MethodType(_through_region, layer)
        yield worthwhile
    finally:
        for layer in kinds if worthwhile else ():
            del layer.forward, layer._specdec_kind, layer._specdec_place


def kinds_of_layers(model) -> dict:
    """{layer: its kind, 0, 1, ...} of the model's stack; layers of one kind differ in weights and place only."""
    signatures, kinds = [], {}
    for stack in model.modules():
        layers = list(stack) if isinstance(stack, torch.nn.ModuleList) else []
        if len(layers) < 2 or any(_place(layer) is None for layer in layers):
            continue
        for layer in layers:
            signature = _signature(layer)
            signatures += [] if signature in signatures else [signature]
            kinds[layer] = signatures.index(signature)
    return kinds


def _place(layer) -> int | None:
    """The layer's own number, by which it finds its keys and values; None if there is not exactly one."""
    places = {part.layer_idx for part in layer.modules() if isinstance(getattr(part, "layer_idx", None), int)}
    return places.pop() if len(places) == 1 else None


def _signature(layer) -> list:
    """All that a layer's computation may depend on, but its weights and its number."""
    named = [*layer.named_parameters(), *layer.named_buffers()]
    tensors = [(name, x.shape, x.stride(), x.dtype) for name, x in named]
    parts = [
        (name, type(part), sorted((key, _comparable(value)) for key, value in vars(part).items() if _tells(key)))
        for name, part in layer.named_modules()
    ]
    return [tensors, parts]


def _tells(attribute: str) -> bool:
    return attribute != "layer_idx" and not attribute.startswith("_")


def _comparable(value) -> str:
    """Plain values and what is put together from them by what they are, everything else by its identity."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"{type(value)} of {[_comparable(x) for x in value]}"
    if isinstance(value, functools.partial):
        return f"partial of {_comparable([value.func, *value.args, *sorted(value.keywords.items())])}"
    return str(id(value))


def _through_region(self, *args, **kwargs):
    """Stands in for a layer's forward while it is traced."""
    given = {**dict(enumerate(args)), **kwargs}
    where = [name for name, value in given.items() if isinstance(value, Buffers)][0]
    buffers, place = given[where], self._specdec_place
    kwargs = {name: value for name, value in kwargs.items() if name != where}
    args = [None if i == where else value for i, value in enumerate(args)]
    return _region(self, where, args, kwargs, buffers.keys[place], buffers.values[place], buffers.rows)


def _kind(layer, *rest) -> int:
    return layer._specdec_kind


@nested_compile_region(max_reuse_entries=KINDS, reuse_hash_fn=_kind)
def _region(layer, where, args, kwargs, keys, values, rows):
    one = OneLayer([keys], [values], rows)
    if isinstance(where, int):
        args = [one if i == where else value for i, value in enumerate(args)]
    else:
        kwargs = {**kwargs, where: one}
    return type(layer).forward(layer, *args, **kwargs)
