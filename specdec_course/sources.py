"""Knows where the weights of a pair lie, or where they can be had from, and which size fits into memory.

Knows nothing about loading them.
"""

import functools
import json
import os
from pathlib import Path

import torch

from .hub import hub_reachable
from .nearest import did_you_mean
from .paths import RESTORE, cache_path, data_path, sha256_of

HUB_PAIRS = {  # target, draft (or None), parameters of both in 10^9; the largest first
    "smollm2": (("HuggingFaceTB/SmolLM2-135M-Instruct", None, 0.135),),
    "qwen2.5": (
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", 8.11),
        ("Qwen/Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", 3.58),
    ),
    "qwen3": (("Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B", 8.79), ("Qwen/Qwen3-4B", "Qwen/Qwen3-0.6B", 4.62)),
    "llama3.2": (("unsloth/Llama-3.2-3B", "unsloth/Llama-3.2-1B", 4.45),),
}
NAMES = ("classroom", *HUB_PAIRS)
ROOM_TO_WORK = 1.25  # memory as a multiple of the weights: caches, activations, what the allocator holds back


def places(name, device, dtype, say) -> tuple[str | Path, str | Path | None]:
    """Folders or Hub ids of the target and the draft (or None) of a named pair."""
    if name == "classroom":
        check_bundled()
        return data_path("classroom", "target"), data_path("classroom", "draft")
    if name in HUB_PAIRS:
        return from_hub_or_cache(name, device, dtype, say)
    if (Path(name) / "target").is_dir():
        draft = Path(name) / "draft"
        return Path(name) / "target", draft if draft.is_dir() else None
    raise ValueError(f"there is no pair {str(name)!r}." + did_you_mean(name, NAMES))


def from_hub_or_cache(name, device, dtype, say):
    """A pair of the Hub: from the Hub's cache, else what `specdec fetch` put aside, else from the Hub."""
    target, draft = choose(name, device, dtype, say)
    if not all(in_hub_cache(repository) for repository in filter(None, (target, draft))):
        if cache_path(name).is_dir():
            say(f"{name}: {target}, from {cache_path(name)}")
            return cache_path(name), None
        if not hub_reachable():
            hint = ", which can do without the Hub" if name == "smollm2" else " where there is a network"
            raise ValueError(
                f"{name} is not on this machine and the Hugging Face Hub does not answer. "
                f'Run `specdec fetch {name}`{hint}, or use the bundled pair, load_pair("classroom").'
            )
    return target, draft


def choose(name: str, device=None, dtype=None, say=print) -> tuple[str, str | None]:
    """The largest target of a named pair, with its draft, that fits in the memory that is free now."""
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    itemsize = (dtype or usual_dtype(device)).itemsize
    free = free_memory(device) / 1e9
    for target, draft, billions in HUB_PAIRS[name]:
        needed = billions * itemsize * ROOM_TO_WORK
        if needed <= free:
            beside = f" with {draft}" if draft else ""
            if len(HUB_PAIRS[name]) > 1:
                say(f"{name}: {target}{beside}, needs {needed:.1f} of the {free:.1f} GB free on {device}")
            return target, draft
    raise ValueError(
        f"{name} does not fit: its smallest pair needs {needed:.1f} GB on {device}, {free:.1f} are free. "
        'Restart the kernel to free memory, or use load_pair("smollm2") or load_pair("classroom").'
    )


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on the device now."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux: all memory there is, at least an upper bound
        known = hasattr(os, "sysconf")
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else 8 * 10**9


def usual_dtype(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16


def in_hub_cache(repository: str) -> bool:
    """Are the config and the weights of a Hub model on this machine?"""
    from huggingface_hub import try_to_load_from_cache

    def there(file):
        return isinstance(try_to_load_from_cache(repository, file), str)

    return there("config.json") and (there("model.safetensors") or there("model.safetensors.index.json"))


def check_place(place) -> None:
    """Raises ValueError unless a model can be had from `place`, a folder or a Hub id."""
    if Path(place).is_dir():
        if not (Path(place) / "config.json").is_file():
            raise ValueError(f"{place} has no config.json: expected a folder written by `save_pretrained`.")
    elif str(place).count("/") != 1 or str(place)[0] in "./~":
        raise ValueError(f"there is no folder {place}: expected one from `save_pretrained`, or a Hub id.")
    elif not in_hub_cache(place) and not hub_reachable():
        raise ValueError(
            f"{place} is neither a folder nor in the Hub's cache, and the Hugging Face Hub does not answer. "
            "Give the path of a folder, or try again with a network."
        )


@functools.cache
def check_bundled() -> None:
    """Raises ValueError unless the bundled pair is whole and unchanged; reads its files once per process."""
    problems = bundled_damage()
    if problems:
        raise ValueError(f"the bundled pair is damaged: {'; '.join(problems)}. {RESTORE}")


def bundled_damage() -> list[str]:
    """What is wrong with the bundled pair, a line per file; empty when every checksum is right."""
    problems = []
    checksums = json.loads(data_path("classroom", "checksums.json").read_text(encoding="utf-8"))
    for name, expected in checksums.items():
        path = data_path("classroom") / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif (found := sha256_of(path)) != expected:
            problems.append(f"{name} has SHA-256 {found[:12]}..., expected {expected[:12]}...")
    return problems
