"""A value becomes JSON and buffers.

Knows: numbers, tensors, arrays, containers, records, caches, tokenizers and configs. Does not know: functions and other
objects; those are left to `handle`.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import torch

from .caches import layers_of
from .limits import BUFFER_LIMIT, BUFFERS_LIMIT, DEPTH_LIMIT, NAMES, NUMBERS_LIMIT, Unfit, numbers_in


class Encoder:
    """Values to JSON. `handle(value)` is asked for what has no plain form: JSON for it, or Unfit. `classes`: the
    dataclasses that both sides know, by name. `caches` collects key-value caches: they have an identity."""

    def __init__(self, handle, classes, known_caches=()):
        self.handle, self.classes = handle, classes
        self.buffers, self.bytes, self.caches, self.tokenizers = [], 0, [], []
        self.known = list(known_caches)

    def __call__(self, value, depth: int = 0):
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is int or kind is float or kind is str:
            return value
        if depth > DEPTH_LIMIT:
            raise Unfit(f"lists inside lists, more than {DEPTH_LIMIT} deep")
        write = _WRITERS.get(kind)
        if write is None and isinstance(value, (dict, list, tuple, set, frozenset)) and callable(value):
            return self.handle(value)  # a function that keeps what it was asked, say: it is there to be called
        if write is None:
            write = next((w for base, w in _BASES if isinstance(value, base)), _write_other)
        return write(self, value, depth + 1)

    def buffer(self, data: bytes) -> int:
        self.bytes += len(data)
        if self.bytes > BUFFER_LIMIT or len(self.buffers) >= BUFFERS_LIMIT:
            raise Unfit(f"more than {BUFFER_LIMIT >> 20} MB")
        self.buffers.append(data)
        return len(self.buffers) - 1

    def room_for(self, shape, width: int) -> None:
        """Unfit if an array of this shape is too large, before anything of it is written."""
        count = numbers_in(shape)
        if count > NUMBERS_LIMIT or self.bytes + count * width > BUFFER_LIMIT:
            raise Unfit(f"{math.prod(shape):,} numbers in the shape {list(shape)}")


def _write_tensor(out: Encoder, value, depth):
    watched, value = value.requires_grad, value.detach()
    if type(value) is not torch.Tensor:  # a subclass has opinions of its own about every operation
        value = value.as_subclass(torch.Tensor)
    out.room_for(value.shape, value.element_size())
    value = value if value.layout == torch.strided else value.to_dense()
    name = NAMES.get(value.dtype)
    if name is None or value.is_meta:
        raise Unfit(f"a tensor of {value.dtype} on {value.device}")
    value = value.cpu().contiguous()
    data = (value.view(torch.int16) if value.dtype == torch.bfloat16 else value).numpy().tobytes()
    return ["T", name, list(value.shape), out.buffer(data), *([True] if watched else [])]


def _write_array(out: Encoder, value, depth):
    if value.dtype.kind not in "biufc":
        out.room_for(value.shape, value.itemsize)
        return ["l", [out(item, depth) for item in value.tolist()]] if value.ndim else out(value.item(), depth)
    out.room_for(value.shape, value.itemsize)
    return ["A", value.dtype.str, list(value.shape), out.buffer(np.ascontiguousarray(value).tobytes())]


def _write_scalar(out: Encoder, value, depth):
    if value.dtype.kind not in "biuf":
        return str(value)
    value = value if value.itemsize <= 8 else np.float64(value)  # a long double's item is itself
    return ["N", value.dtype.str, out(value.item(), depth)]


def _write_tuple(out: Encoder, value, depth):
    fields = getattr(type(value), "_fields", None)
    if fields:
        return ["n", type(value).__name__, list(fields), [out(item, depth) for item in value]]
    return ["t", [out(item, depth) for item in value]]


def _write_dataclass(out: Encoder, value, depth):
    kind = type(value)
    if kind.__name__ not in out.classes and _behaves(kind):
        return _write_other(out, value, depth)
    fields = [[item.name, out(getattr(value, item.name), depth)] for item in dataclasses.fields(value)]
    more = getattr(value, "asks", value) if kind.__name__ in out.classes and "__call__" in vars(kind) else None
    return ["c", kind.__name__, fields, None if more is None else out.handle(more)]


ORDINARY = set("__init__ __repr__ __eq__ __hash__ __post_init__ __setattr__ __delattr__ __replace__".split())


@lru_cache(128)
def _behaves(kind: type) -> bool:
    """Whether a dataclass is more than its fields: it has methods or properties of its own."""
    return any(
        (callable(made) or isinstance(made, property)) and name not in ORDINARY
        for base in kind.__mro__[:-1] for name, made in vars(base).items()
    )


def _write_cache(out: Encoder, value, depth):
    for place, known in enumerate(out.known):
        if known is value:
            return ["k", place]
    out.caches.append(value)
    return ["K", type(value).__name__, [[out(keys, depth), out(values, depth)] for keys, values in layers_of(value)]]


def _write_tokenizer(out: Encoder, value, depth):
    for place, twin in enumerate(out.tokenizers):
        if twin is value:
            return ["=", place]
    out.tokenizers.append(value)
    roles = {name: getattr(value, name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    return ["tok", type(value).__name__, value.backend_tokenizer.to_str(), roles, str(value.name_or_path)]


def _write_output(out: Encoder, value, depth):
    return ["o", [[name, out(value[name], depth)] for name in value]]


def _write_other(out: Encoder, value, depth):
    write = _is_cache(value) or _is_tokenizer(value) or _is_output(value) or _is_config(value)
    return write(out, value, depth) if write else out.handle(value)


def _is_cache(value):
    held = callable(getattr(type(value), "get_seq_length", None))
    return _write_cache if held and (hasattr(value, "layers") or hasattr(value, "key_cache")) else None


def _is_tokenizer(value):
    return _write_tokenizer if hasattr(type(value), "backend_tokenizer") else None


def _is_output(value):
    return _write_output if "ModelOutput" in {base.__name__ for base in type(value).__mro__} else None


def _write_namespace(out: Encoder, value, depth):
    if any(map(callable, vars(value).values())):  # functions that may change it: an object, with an identity
        return out.handle(value)
    return ["m", [[name, out(item, depth)] for name, item in vars(value).items()]]


def _is_config(value):
    return _write_config if "PreTrainedConfig" in {base.__name__ for base in type(value).__mro__} else None


def _write_config(out: Encoder, value, depth):
    return ["cfg", type(value).__name__, value.to_json_string(use_diff=True)]


def _write_range(out: Encoder, value, depth):
    out.room_for([len(value)], 1)
    return ["r", value.start, value.stop, value.step]


def _write_generator(out: Encoder, value, depth):
    return ["G", out.buffer(value.get_state().numpy().tobytes())]


_WRITERS = {
    list: lambda out, v, d: ["l", [out(item, d) for item in v]],
    tuple: _write_tuple,
    dict: lambda out, v, d: ["d", [[out(key, d), out(item, d)] for key, item in v.items()]],
    torch.Tensor: _write_tensor,
    np.ndarray: _write_array,
    bytes: lambda out, v, d: ["b", out.buffer(v)],
    torch.dtype: lambda out, v, d: ["D", NAMES[v]] if v in NAMES else str(v),
    torch.device: lambda out, v, d: ["V", str(v)],
    torch.Generator: _write_generator,
    range: _write_range,
    type(...): lambda out, v, d: ["e"],
    Fraction: lambda out, v, d: ["q", v.numerator, v.denominator],
    Decimal: lambda out, v, d: float(v),
    deque: lambda out, v, d: ["Q", [out(item, d) for item in v]],
    SimpleNamespace: _write_namespace,
}
# Subclasses and relatives: read as what they are made of.
_BASES = (
    (torch.Tensor, _write_tensor),
    (np.ndarray, _write_array),
    (np.generic, _write_scalar),
    (bool, lambda out, v, d: bool(v)),
    (int, lambda out, v, d: int(v)),
    (float, lambda out, v, d: float(v)),
    (str, lambda out, v, d: str(v)),
    (tuple, _write_tuple),
    ((set, frozenset), lambda out, v, d: ["s", [out(item, d) for item in v]]),
)


def _write_mapping(out: Encoder, value, depth):
    found = _is_output(value)
    return found(out, value, depth) if found else ["d", [[out(k, depth), out(v, depth)] for k, v in value.items()]]


def _write_any(out: Encoder, value, depth):
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = _is_output(value)
        return (found or _write_dataclass)(out, value, depth)
    return _write_other(out, value, depth)


_BASES += ((dict, _write_mapping), (list, lambda out, v, d: ["l", [out(item, d) for item in v]]), (object, _write_any))
