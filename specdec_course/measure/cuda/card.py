"""The card: what it is called, in which precision it works, and its walls, measured and as the data sheet says.

Knows: names of cards, copies and matrix products. Does not know: models.
"""

from __future__ import annotations

import re

import torch

from ..clocks import time_call
from ..machine import machine
from ..profiles import DATASHEETS
from .clock import barrier, in_a_row

# (operations per second, bytes per second), dense half precision, from the makers' data sheets; the words that a card
# with this sheet has in its name. An instance of a divided card (MIG) has no sheet.
SHEETS = {name: limits for name, limits in DATASHEETS.items()} | {"NVIDIA H100 SXM": (989e12, 3350e9)}
WORDS = {
    "NVIDIA T4": {"T4"},
    "NVIDIA A100 80GB": {"A100", "80GB"},
    "NVIDIA RTX 4090": {"RTX", "4090"},
    "NVIDIA H200": {"H200"},
    "NVIDIA H100 SXM": {"H100", "HBM3"},
}
MAKERS = {"nvidia", "tesla", "geforce", "quadro", "graphics", "device"}


def name_of(device) -> str:
    """What the driver calls the device, or the processor's name."""
    return torch.cuda.get_device_name() if torch.device(device).type == "cuda" else machine().split(",")[0]


def slug_of(name: str) -> str:
    """A short name for files: "NVIDIA H100 80GB HBM3" is h100, "NVIDIA GeForce RTX 4090" rtx-4090."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name.lower()) if word and word not in MAKERS]
    number = next((i for i, word in enumerate(words) if re.search(r"\d", word)), 0)
    kinds = [word for word in words[number + 1 :] if word in {"pcie", "nvl", "super", "ti", "mig"}]
    return "-".join(words[: number + 1] + kinds) or "card"


def sheet_of(name: str):
    """(key, operations per second, bytes per second) of the card's data sheet, or None where we have none."""
    words = set(re.split(r"[^A-Za-z0-9]+", name.upper()))
    key = next((key for key, needed in WORDS.items() if needed <= words and "MIG" not in words), None)
    return None if key is None else (key, *SHEETS[key])


def dtype_of(device) -> torch.dtype:
    """bfloat16 where the card computes in it (compute capability 8.0 and later), else float16; float32 on a CPU."""
    if torch.device(device).type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability()[0] >= 8 else torch.float16


def measured_walls(device, dtype, quick=False) -> dict:
    """Copies and matrix products as fast as they go, and the time to launch a kernel.

    Returns:
        dict: "bytes_per_second" (a copy reads and writes), "flops_per_second" (the best of several square sizes),
        "seconds_per_launch" (a tiny kernel, many in a row, so the host is what is measured).
    """
    with torch.inference_mode():
        return {
            "bytes_per_second": copy_speed(device, 2**22 if quick else _gigabyte(device)),
            "flops_per_second": max(matmul_speed(device, dtype, n) for n in ((256,) if quick else (4096, 8192))),
            "seconds_per_launch": launch_seconds(device),
        }


def copy_speed(device, size: int, inner=10, repeats=5) -> float:
    """Bytes read and written per second by copies of `size` bytes."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    copy = torch.empty_like(source)
    seconds = time_call(lambda: [copy.copy_(source) for _ in range(inner)], repeats, 2, barrier(device))
    return 2 * size * inner / float(seconds.min())


def matmul_speed(device, dtype, n: int, inner=10, repeats=5) -> float:
    """Operations per second in products of random matrices [n, n]."""
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    c = torch.empty_like(a)
    seconds = time_call(lambda: [torch.mm(a, b, out=c) for _ in range(inner)], repeats, 2, barrier(device))
    return 2 * n**3 * inner / float(seconds.min())


def launch_seconds(device, calls=2000) -> float:
    x = torch.zeros(1, device=device)
    return in_a_row(lambda: x.add_(1), device, calls)


def _gigabyte(device) -> int:
    """A buffer far larger than any cache, but no more than an eighth of what is free."""
    return int(min(2e9, torch.cuda.mem_get_info()[0] / 8)) if torch.device(device).type == "cuda" else 10**8
