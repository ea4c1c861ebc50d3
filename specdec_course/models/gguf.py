"""Reads GGUF, the file format of llama.cpp: its metadata and its tensors as float32 arrays.

Knows the container (versions 2 and 3) and the number formats F32, F16, Q4_0, Q4_1 and Q8_0. Knows nothing
about models: what a tensor is for, the caller must know.

Source: the GGUF specification and ggml's block layouts. The package `gguf` reads the same, and the tests hold
this module against it; these lines of numpy spare every student one more installation.
"""

import struct
from typing import NamedTuple

import numpy as np

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
FORMATS = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 8: "Q8_0"}
BLOCKS = {  # how a block of numbers lies in the file, and how many numbers it holds
    "F32": (np.dtype("<f4"), 1),
    "F16": (np.dtype("<f2"), 1),
    "Q4_0": (np.dtype([("scale", "<f2"), ("codes", "u1", 16)]), 32),
    "Q4_1": (np.dtype([("scale", "<f2"), ("offset", "<f2"), ("codes", "u1", 16)]), 32),
    "Q8_0": (np.dtype([("scale", "<f2"), ("codes", "i1", 32)]), 32),
}


class Stored(NamedTuple):
    """A tensor as it lies in the file: number format, shape (outermost axis first), and its blocks."""

    kind: str
    shape: tuple[int, ...]
    blocks: np.ndarray


def read_gguf(data: bytes) -> tuple[dict, dict[str, Stored]]:
    """A whole GGUF file -> its metadata and its tensors by name. ValueError when it is not one."""
    if data[:4] != b"GGUF":
        raise ValueError("this is not a GGUF file: it does not begin with the letters GGUF.")
    reader = Reader(data, position=4)
    version, n_tensors, n_pairs = reader.scalar("I"), reader.scalar("Q"), reader.scalar("Q")
    if version not in (2, 3):
        raise ValueError(f"this GGUF file has version {version}, expected 2 or 3.")
    metadata = {}
    for _ in range(n_pairs):
        key = reader.string()
        metadata[key] = reader.value(reader.scalar("I"))
    described = [reader.tensor() for _ in range(n_tensors)]
    alignment = metadata.get("general.alignment", 32)
    start = -(-reader.position // alignment) * alignment
    return metadata, {name: stored(data, kind, shape, start + at) for name, kind, shape, at in described}


def stored(data: bytes, kind: str, shape: tuple[int, ...], position: int) -> Stored:
    layout, numbers_in_block = BLOCKS[kind]
    count = int(np.prod(shape)) // numbers_in_block
    return Stored(kind, shape, np.frombuffer(data, layout, count, position))


def dequantise(tensor: Stored) -> np.ndarray:
    """The numbers that the blocks stand for, float32 [shape].

    Q4_0: scale * (code - 8). Q4_1: scale * code + offset. Q8_0: scale * code. The 4-bit codes lie two to a
    byte: the low halves are numbers 0 to 15 of the block, the high halves 16 to 31.
    """
    kind, shape, blocks = tensor
    if kind in ("F32", "F16"):
        return blocks.astype(np.float32).reshape(shape)
    codes = blocks["codes"]
    if kind != "Q8_0":
        codes = np.concatenate([codes & 15, codes >> 4], axis=1)
    numbers = codes.astype(np.float32)
    if kind == "Q4_0":
        numbers -= 8
    numbers *= blocks["scale"].astype(np.float32)[:, None]
    if kind == "Q4_1":
        numbers += blocks["offset"].astype(np.float32)[:, None]
    return numbers.reshape(shape)


class Reader:
    """Walks through the header of a GGUF file; `position` is the next byte to read."""

    def __init__(self, data: bytes, position: int = 0):
        self.data, self.position = data, position

    def scalar(self, code: str):
        size = struct.calcsize("<" + code)
        self.position += size
        return struct.unpack_from("<" + code, self.data, self.position - size)[0]

    def string(self) -> str:
        length = self.scalar("Q")
        self.position += length
        return self.data[self.position - length : self.position].decode("utf-8")

    def value(self, kind: int):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            kind, length = self.scalar("I"), self.scalar("Q")
            return [self.value(kind) for _ in range(length)]
        return self.scalar(SCALARS[kind])

    def tensor(self) -> tuple[str, str, tuple[int, ...], int]:
        """Name, number format, shape (the file lists the innermost axis first), offset among the tensors."""
        name = self.string()
        shape = tuple(self.scalar("Q") for _ in range(self.scalar("I")))[::-1]
        kind, offset = self.scalar("I"), self.scalar("Q")
        if kind not in FORMATS:
            known = ", ".join(FORMATS.values())
            raise ValueError(f"tensor {name} has number format {kind}, expected one of {known}.")
        return name, FORMATS[kind], shape, offset
