"""Frames over a socket: a tree of plain values, and raw buffers. Never pickle; every size has a limit.

Knows: how a value becomes JSON and bytes, and back into values of known types only. Does not know: calls, exercises,
which side it runs on. What cannot be carried by value (functions, objects) is left to `handle` and `resolve`.

Stands alone: it is carried into the room.
"""

from __future__ import annotations

import dataclasses
import json
import math
import socket
import struct
from collections import deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import torch

# What a hostile sender can make of one frame in the receiver's memory, as Python numbers, is a few hundred MB.
HEADER_LIMIT, BUFFER_LIMIT, NUMBERS_LIMIT, DEPTH_LIMIT, BUFFERS_LIMIT = 8 << 20, 16 << 20, 1 << 22, 60, 100_000
SMALL = 1 << 16  # bytes of a frame that nobody counts
KEYS_LIMIT, LAYERS_LIMIT, FIELDS_LIMIT, CLASSES_LIMIT = 10_000, 256, 100, 20  # of one dict, cache, class, frame
_HEAD = struct.Struct("<II")

DTYPES = {
    name: getattr(torch, name)
    for name in ("float64 float32 float16 bfloat16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool "
                 "complex64 complex128").split()
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class Unfit(ValueError):
    """A value that is too large, too deep, or of a kind that cannot be carried."""


class Closed(Exception):
    """The other side is gone, or speaks another language."""


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


def numbers_in(shape) -> int:
    """How many numbers or empty lists an array of this shape comes to, once it is a list."""
    return math.prod(max(1, size) for size in shape)


def _write_tensor(out: Encoder, value, depth):
    value = value.detach()
    if type(value) is not torch.Tensor:  # a subclass has opinions of its own about every operation
        value = value.as_subclass(torch.Tensor)
    out.room_for(value.shape, value.element_size())
    value = value if value.layout == torch.strided else value.to_dense()
    name = NAMES.get(value.dtype)
    if name is None or value.is_meta:
        raise Unfit(f"a tensor of {value.dtype} on {value.device}")
    value = value.cpu().contiguous()
    data = (value.view(torch.int16) if value.dtype == torch.bfloat16 else value).numpy().tobytes()
    return ["T", name, list(value.shape), out.buffer(data)]


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


class Decoder:
    """JSON to values. `resolve(form)` makes what has no plain form; `caches` collects key-value caches, in order.

    Whatever is read, it stays small: a buffer is read once, and dicts, classes and layers are counted.
    """

    readers = property(lambda self: _READERS)

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

    def remember(self, name: str, fields) -> tuple:
        """The name and fields of a class that has to be made: few in a frame, for classes are large."""
        _few(fields, FIELDS_LIMIT, "fields")
        self.made.add(key := (name[:60], tuple(str(field)[:60] for field in fields)))
        _few(self.made, CLASSES_LIMIT, "classes")
        return key


class RoomDecoder(Decoder):
    """Reads what a room has sent. It builds no tokenizers or configs: a check's stay as they are."""

    readers = property(lambda self: _FROM_ROOM)


def _few(things, limit: int, what: str) -> None:
    if len(things) > limit:
        raise Closed(f"more than {limit} {what}")


def _hashable(key):
    try:
        hash(key)
        return key
    except TypeError:
        return str(key)


def _read_tensor(got: Decoder, name, shape, place):
    dtype, data = DTYPES[name], got.raw(place)
    _fits(shape)
    if not data and math.prod(shape) == 0:  # else torch.empty would be memory as it was found, answers in it
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)


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
    if known is None:
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


_READERS = {
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
_FROM_ROOM = _READERS | dict.fromkeys(("tok", "=", "cfg"), lambda got, *_: None)


class Line:
    """One end of a socket on which frames go to and fro, one at a time.

    `idle` is called every 50 ms while nothing comes, so that a wait can be ended by raising from it. `size`: bytes of
    the newest frame; `taken`: of all large ones.
    """

    def __init__(self, sock, idle=None):
        self.sock, self.idle, self.held, self.size, self.taken = sock, idle, bytearray(), 0, 0
        if idle is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 50_000))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))

    def send(self, message: dict, buffers=()) -> None:
        """One frame: JSON, then the buffers. `message` holds plain JSON only."""
        message["sizes"] = [len(data) for data in buffers]
        text = json.dumps(message, separators=(",", ":")).encode()
        try:
            self.sock.sendall(b"".join((_HEAD.pack(len(text), sum(message["sizes"])), text, *buffers)))
        except OSError as error:
            raise Closed(str(error)) from None

    def receive(self) -> tuple[dict, list]:
        """The next frame. Raises Closed at the end, or on anything that is no frame."""
        length, total = _HEAD.unpack(self._take(_HEAD.size))
        if length > HEADER_LIMIT or total > BUFFER_LIMIT:
            raise Closed("a frame above the limit")
        self.size = length + total
        self.taken += self.size if self.size > SMALL else 0
        try:
            message = json.loads(self._take(length))
            sizes = message["sizes"]
            if len(sizes) > BUFFERS_LIMIT or any(type(n) is not int or n < 0 for n in sizes) or sum(sizes) != total:
                raise Closed("sizes that do not add up")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Closed(f"no frame ({type(error).__name__})") from None
        data, place, buffers = memoryview(self._take(total)), 0, []
        for size in sizes:
            buffers.append(data[place : place + size])
            place += size
        return message, buffers

    def _take(self, count: int) -> bytes:
        while len(self.held) < count:
            try:
                data = self.sock.recv(max(1 << 16, min(count - len(self.held), 1 << 24)))
            except BlockingIOError:
                self.idle()
                continue
            except OSError as error:
                raise Closed(str(error)) from None
            if not data:
                raise Closed("the other side is gone")
            self.held += data
        taken = bytes(memoryview(self.held)[:count])
        del self.held[:count]
        return taken
