"""A pass compiled once, and on CUDA captured once, for tensors of one shape.

Knows: torch.compile, CUDA graphs. Does not know: models, caches.
"""

from __future__ import annotations

import re
import types
from pathlib import Path

import torch


def compiled_once(method, several_widths: bool = False, sure: bool = False):
    """torch.compile for a bound method that will only ever be called with tensors of one shape.

    So none of Dynamo's questions whether the program still fits has to be asked: about the weights of a model of 12
    layers they take half a millisecond per call. The code object of its own keeps the program apart from those of
    other shapes and models, which Dynamo would otherwise file under one name. With `several_widths` the shapes may
    differ, and the questions are asked. `sure`: the compiler is not tried out first on what the processor says that it
    can do, which takes 7 s in a new process; the caller tries again if that goes wrong.
    """
    shared = method.__func__
    own = types.FunctionType(shared.__code__.replace(), shared.__globals__, shared.__name__, shared.__defaults__)
    options = {} if several_widths else {"guard_filter_fn": lambda guards: [False] * len(guards)}
    options |= {"cpp.vec_isa_ok": True} if sure else {}
    return torch.compile(
        types.MethodType(own, method.__self__), fullgraph=True, dynamic=several_widths, options=options
    )


def swept(error: Exception) -> bool:
    """Removes the empty library that an error of the compiler names, if it names one; whether it did.

    A compilation that was killed, or ran into a full disk, may leave one in torch's cache, and every later process
    would stumble over it.
    """
    for name in re.findall(r"(/\S+\.(?:so|dylib|pyd))", str(error)):
        if Path(name).is_file() and Path(name).stat().st_size == 0:
            Path(name).unlink()
            return True
    return False


class Captured:
    """A function of tensors as a CUDA graph: run twice to warm up (and compile), captured once, then replayed.

    The function must give the same outcome when it is run again on the same inputs: it may write to buffers, but only
    to places that the inputs name. Its outputs live in the graph's memory until the next replay.
    """

    def __init__(self, function, inputs):
        self.inputs = [x.clone() for x in inputs]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side), torch.inference_mode():
            for _ in range(2):
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph), torch.inference_mode():
            self.outputs = function(*self.inputs)

    def __call__(self, *inputs):
        for kept, given in zip(self.inputs, inputs, strict=True):
            kept.copy_(given, non_blocking=True)
        self.graph.replay()
        return self.outputs
