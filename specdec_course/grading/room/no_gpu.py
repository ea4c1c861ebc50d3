"""Code that was written on a machine with a GPU runs here without one. Stands alone: it is carried into the room."""

from __future__ import annotations

import contextlib

import torch


@contextlib.contextmanager
def without_cuda(source: str):
    """Code that was written on a machine with a GPU runs here without one: "cuda" means the CPU."""
    if "cuda" in source:
        _cuda_means_cpu()
    yield


_cuda = []


def _cuda_means_cpu() -> None:
    if _cuda:
        return
    from torch.overrides import TorchFunctionMode

    def here(value):
        asked = isinstance(value, (str, torch.device)) and str(value).startswith("cuda")
        return torch.device("cpu") if asked else value

    class OnCpu(TorchFunctionMode):
        def __torch_function__(self, function, kinds, args=(), kwargs=None):
            if getattr(function, "__name__", "") == "cuda":
                return args[0]
            return function(*map(here, args), **{name: here(item) for name, item in (kwargs or {}).items()})

    torch.nn.Module.cuda = lambda self, device=None: self
    mode = OnCpu()
    mode.__enter__()
    _cuda.append(mode)
