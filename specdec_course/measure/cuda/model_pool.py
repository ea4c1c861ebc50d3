"""The models in memory: made when first asked for, kept while there is room, so that what was compiled stays compiled.

Knows: memory. Does not know: what the models are for.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager

import torch

from ...cache import static
from ...models.sources import free_memory
from .shapes import SPARE, bytes_needed, made_to_count, random_model


class WillNotFit(Exception):
    """The models of a part need more memory than the card has."""


class ModelPool:
    """Models by name. `shapes` {name: shape}; `say` is told what is made and what is put away."""

    def __init__(self, shapes: dict, device, dtype, say=print):
        self.shapes, self.device, self.dtype, self.say = shapes, torch.device(device), dtype, say
        self.models = {}

    def take(self, *names) -> list:
        """The models of these names. Others are put away if room is needed; WillNotFit if that is not enough."""
        missing = [name for name in dict.fromkeys(names) if name not in self.models]
        needed = sum(bytes_needed(self.shapes[name], self.dtype.itemsize) for name in missing) + SPARE
        if missing and needed > free_memory(self.device):
            self.put_away(*(name for name in self.models if name not in names))
        free = free_memory(self.device)
        if missing and needed > free:
            raise WillNotFit(f"{' and '.join(missing)}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} are free")
        for name in missing:
            self.models[name] = made_to_count(random_model(self.shapes[name], self.device, self.dtype))
            self.say(f"made {name}")
        return [self.models[name] for name in names]

    def put_away(self, *names) -> None:
        """Forgets these models and everything compiled and captured for them. (Compiled code of the others goes with
        it, and is compiled again when it is next called.)"""
        for name in names:
            self.models.pop(name).__dict__.pop("_specdec_static", None)
            self.say(f"put away {name}")
        if names:
            release()


@contextmanager
def without_compiler():
    """While this is open, engine="compiled" leaves torch.compile out: on CUDA a pass is a graph of eager kernels."""
    before, static.compiled_once = static.compiled_once, lambda method, **how: method
    try:
        yield
    finally:
        static.compiled_once = before


def release() -> None:
    """Gives back the memory of what nobody holds any more: models, graphs, compiled code."""
    torch._dynamo.reset()
    collect()


def collect() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
