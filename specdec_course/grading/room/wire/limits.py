"""How large, how deep and of what kind a value may be that is sent; and the two ways in which one can be unfit.

Knows: numbers. Does not know: how a value is written or read.
"""

from __future__ import annotations

import math
import struct

import torch

# What a hostile sender can make of one frame in the receiver's memory, as Python numbers, is a few hundred MB.
HEADER_LIMIT, BUFFER_LIMIT, NUMBERS_LIMIT, DEPTH_LIMIT, BUFFERS_LIMIT = 8 << 20, 16 << 20, 1 << 22, 60, 100_000
SMALL = 1 << 16  # bytes of a frame that nobody counts
KEYS_LIMIT, LAYERS_LIMIT, FIELDS_LIMIT, CLASSES_LIMIT = 10_000, 256, 100, 20  # of one dict, cache, class, frame
HEAD = struct.Struct("<II")  # a frame begins with the lengths of its JSON and of its buffers

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


def numbers_in(shape) -> int:
    """How many numbers or empty lists an array of this shape comes to, once it is a list."""
    return math.prod(max(1, size) for size in shape)
