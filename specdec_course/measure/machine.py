"""Knows how to name the hardware that a figure was measured on. Knows nothing of figures."""

from __future__ import annotations

import os
import platform

import torch


def machine() -> str:
    """One line that names the hardware a figure was measured on."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    cores, threads = _counted(os.cpu_count(), "core"), _counted(torch.get_num_threads(), "thread")
    return f"{_processor()}, {cores}, {threads}, torch {torch.__version__}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
