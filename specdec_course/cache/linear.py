"""Linear layers for few rows, as fast as their weights can be read (linear.cpp).

Knows: how that layer is compiled for this processor, kept for the next process, and put in the place of torch's while a
pass is traced. Does not know: models. Where it cannot be compiled (no C++ compiler, Windows), torch's stays.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import platform
import subprocess
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils.cpp_extension import get_cxx_compiler, include_paths, library_paths

from ..common.paths import cache_path
from ..common.whole import write_whole

SOURCE = Path(__file__).with_name("linear.cpp")
ROWS = 9  # above, torch's own product, which works in blocks, is faster
FLAGS = ("-std=c++20", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC")
log = logging.getLogger("specdec_course")


@contextmanager
def few_rows_fast():
    """Within, a linear layer in float32 that is given up to ROWS rows on a CPU is ours."""
    theirs = torch.nn.functional.linear

    def ours(input, weight, bias=None):
        rows = input.numel() // max(1, input.shape[-1])
        fits = weight.dim() == 2 and weight.is_contiguous() and 0 < rows <= ROWS
        same = input.dtype == weight.dtype == torch.float32 and input.device.type == weight.device.type == "cpu"
        if not (fits and same):
            return theirs(input, weight, bias)
        out = torch.ops.specdec.few_rows(input.reshape(rows, -1).contiguous(), weight).reshape(*input.shape[:-1], -1)
        return out if bias is None else out + bias

    torch.nn.functional.linear = ours if available() else theirs
    try:
        yield
    finally:
        torch.nn.functional.linear = theirs


@functools.cache
def available() -> bool:
    """Whether the operators of linear.cpp are there: compiled if need be, loaded, and right on an example."""
    try:
        torch.ops.load_library(str(_library()))
        torch.library.register_fake("specdec::few_rows", lambda x, w: x.new_empty(x.shape[0], w.shape[0]))
        torch.library.register_fake("specdec::few_rows_int8", lambda x, w, s: x.new_empty(x.shape[0], w.shape[0]))
        x, w = torch.linspace(-1, 1, 3 * 77).reshape(3, 77), torch.linspace(-2, 1, 50 * 77).reshape(50, 77)
        return torch.allclose(torch.ops.specdec.few_rows(x, w), x @ w.T, atol=1e-3)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        log.info("linear layers stay torch's own: %s", str(error).splitlines()[0][:200] if str(error) else type(error))
        return False


def _library() -> Path:
    """The compiled file, in the user's cache; one for each source, torch, compiler and kind of processor."""
    compiler = get_cxx_compiler()
    what = [SOURCE.read_bytes(), torch.__version__, compiler, FLAGS, platform.platform(), _processor()]
    name = hashlib.sha256(repr(what).encode()).hexdigest()[:16]
    target = cache_path("compiled", f"linear-{name}.so")
    if not target.exists():
        write_whole(target, lambda path: _compile(compiler, path), sure=False)
    return target


def _compile(compiler: str, target: Path) -> None:
    places = [f"-I{path}" for path in include_paths()], [f"-L{path}" for path in library_paths()]
    command = [compiler, *FLAGS, *places[0], str(SOURCE), "-o", str(target), *places[1], "-ltorch_cpu", "-lc10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise OSError(f"{compiler} could not compile it: {done.stderr}")


def _processor() -> str:
    """What this processor can do: a home folder may be shared by machines of several kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return f"{platform.machine()} {platform.processor()}"
