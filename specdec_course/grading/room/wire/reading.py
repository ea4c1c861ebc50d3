"""JSON and buffers become a value again: one of a known type, and never a large one.

Knows: what `writing` writes, and that whoever sent it may mean harm. Does not know: functions and other objects; those
are left to `resolve`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import deque, namedtuple
from fractions import Fraction
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import torch

from .caches import fill_cache
from .limits import CLASSES_LIMIT, DTYPES, FIELDS_LIMIT, KEYS_LIMIT, LAYERS_LIMIT, NUMBERS_LIMIT, Closed, numbers_in


class Decoder:
    """JSON to values. `resolve(form)` makes what has no plain form; `caches` collects key-value caches, in order.

    Whatever is read, it stays small: a buffer is read once, and dicts, classes and layers are counted.
    """

    readers = property(lambda self: READERS)

    def __init__(self, buffers, resolve, classes, known_caches=()):
        self.buffers, self.resolve, self.classes = list(buffers), resolve, classes
        self.known, self.caches, self.tokenizers, self.made = list(known_caches), [], [], set()

    def __call__(self, form):
        if not isinstance(form, list):
            if isinstance(form, dict):
                raise Closed("a dict where a value was due")
            return form
        read = self.readers.get(form[0])
        return self.resolve(form) if read is None else read(self, *form[1:])

    def many(self, forms):
        return [self(form) for form in forms]

    def pairs(self, forms):
        _few(forms, KEYS_LIMIT, "keys")
        return {_hashable(self(key)): self(item) for key, item in forms}

    def raw(self, place: int) -> memoryview:
        """A buffer, once: a frame that names one buffer a thousand times would be a thousand times as large here."""
        if type(place) is not int or place < 0 or self.buffers[place] is None:
            raise Closed("no such buffer")
        data, self.buffers[place] = self.buffers[place], None
        return data

    def watched(self, made):
        """A tensor that gradients flow into, on the other side."""
        return made.requires_grad_() if made.is_floating_point() else made

    def remember(self, name: str, fields) -> tuple:
        """The name and fields of a class that has to be made: few in a frame, for classes are large."""
        _few(fields, FIELDS_LIMIT, "fields")
        self.made.add(key := (name[:60], tuple(str(field)[:60] for field in fields)))
        _few(self.made, CLASSES_LIMIT, "classes")
        return key


class RoomDecoder(Decoder):
    """Reads what a room has sent. It builds no tokenizers or configs: a check's stay as they are. Nor generators:
    torch takes a state that makes them read beyond their own memory."""

    readers = property(lambda self: _FROM_ROOM)

    def watched(self, made):
        """It stays plain numbers, for checks that change what they get; `values.flows` knows."""
        made.watched = True
        return made


def _few(things, limit: int, what: str) -> None:
    if len(things) > limit:
        raise Closed(f"more than {limit} {what}")


def _hashable(key):
    try:
        hash(key)
        return key
    except TypeError:
        return str(key)


def _read_tensor(got: Decoder, name, shape, place, watched=False):
    dtype, data = DTYPES[name], got.raw(place)
    _fits(shape)
    if not data and math.prod(shape) == 0:  # else torch.empty would be memory as it was found, answers in it
        made = torch.empty(shape, dtype=dtype)
    else:
        made = torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)
    return got.watched(made) if watched is True else made


def _fits(shape) -> None:
    if len(shape) > 16 or any(type(size) is not int or size < 0 for size in shape) or numbers_in(shape) > NUMBERS_LIMIT:
        raise Closed("a shape beyond the limits")


def _read_array(got: Decoder, dtype, shape, place):
    _fits(shape)
    return np.frombuffer(bytearray(got.raw(place)), dtype=_number_kind(dtype)).reshape(shape)


def _number_kind(name) -> np.dtype:
    kind = np.dtype(name) if type(name) is str and len(name) <= 4 else None
    if kind is None or kind.kind not in "biufc":
        raise Closed("an array of what are no numbers")
    return kind


def _read_scalar(got: Decoder, dtype, item):
    if type(item) not in (bool, int, float):
        raise Closed("a number that is none")
    return _number_kind(dtype).type(item)


def _read_fraction(got: Decoder, above, below):
    if type(above) is not int or type(below) is not int:  # Fraction("1e999999999") never ends
        raise Closed("a fraction of what are no whole numbers")
    return Fraction(above, below)


def _read_class(got: Decoder, name, fields, more):
    values = {str(key): got(item) for key, item in fields}
    known = got.classes.get(name)
    if not dataclasses.is_dataclass(known):  # a dice, say, is never sent: it is lent
        return _lookalike(*got.remember(str(name), values))(**values)
    made = known.__new__(known)
    for key, item in values.items():
        object.__setattr__(made, key, item)
    if more is not None and hasattr(known, "asks"):
        object.__setattr__(made, "asks", got(more))
    return made


@lru_cache(128)
def _lookalike(name: str, fields: tuple):
    return dataclasses.make_dataclass(name if name.isidentifier() else "Answer", fields)


@lru_cache(128)
def _tuple_class(name: str, fields: tuple):
    return namedtuple(name if name.isidentifier() else "Answer", fields, rename=True)


def _read_named(got: Decoder, name, fields, items):
    known = got.classes.get(name)
    same = getattr(known, "_fields", None) == tuple(fields)
    return (known if same else _tuple_class(*got.remember(str(name), fields)))(*got.many(items))


def _read_cache(got: Decoder, name, layers):
    _few(layers, LAYERS_LIMIT, "layers")
    pairs = [(got(keys), got(values)) for keys, values in layers]
    if not all(one is None or isinstance(one, torch.Tensor) for pair in pairs for one in pair):
        raise Closed("a cache of what are no tensors")
    made = got.classes[name]() if name in got.classes else _dynamic_cache()
    fill_cache(made, pairs)
    got.caches.append(made)
    return made


def _dynamic_cache():
    from transformers import DynamicCache

    return DynamicCache()


def _read_tokenizer(got: Decoder, name, text, roles, path):
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(text), name_or_path=path, **roles)
    if name != type(made).__name__:
        made.__class__ = type(str(name), (PreTrainedTokenizerFast,), {})
    got.tokenizers.append(made)
    return made


def _read_output(got: Decoder, fields):
    from transformers.modeling_outputs import CausalLMOutputWithPast

    return CausalLMOutputWithPast(**{name: got(item) for name, item in fields})


def _read_config(got: Decoder, name, text):
    import transformers

    return getattr(transformers, name)(**json.loads(text))


def _short(numbers: range) -> range:
    _fits([len(numbers)])
    return numbers


def _read_set(got: Decoder, items):
    _few(items, KEYS_LIMIT, "things in a set")
    return {_hashable(item) for item in got.many(items)}


def _read_generator(got: Decoder, place):
    made = torch.Generator()
    made.set_state(torch.frombuffer(bytearray(got.raw(place)), dtype=torch.uint8))
    return made


READERS = {
    "l": lambda got, items: got.many(items),
    "t": lambda got, items: tuple(got.many(items)),
    "Q": lambda got, items: deque(got.many(items)),
    "s": _read_set,
    "d": lambda got, pairs: got.pairs(pairs),
    "n": _read_named,
    "T": _read_tensor,
    "A": _read_array,
    "N": _read_scalar,
    "b": lambda got, place: bytes(got.raw(place)),
    "D": lambda got, name: DTYPES[name],
    "V": lambda got, name: torch.device(name),
    "G": _read_generator,
    "r": lambda got, start, stop, step: _short(range(start, stop, step)),
    "q": _read_fraction,
    "e": lambda got: ...,
    "m": lambda got, fields: SimpleNamespace(**{str(name): got(item) for name, item in fields}),
    "c": _read_class,
    "k": lambda got, place: got.known[place],
    "K": _read_cache,
    "=": lambda got, place: got.tokenizers[place],
    "tok": _read_tokenizer,
    "o": _read_output,
    "cfg": _read_config,
}
_FROM_ROOM = READERS | dict.fromkeys(("tok", "=", "cfg", "G"), lambda got, *_: None)
