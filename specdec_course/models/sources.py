"""Knows where the weights of a pair lie, or where they can be had from, and which size and dtype fit into memory.

Knows nothing about loading them.
"""

import functools
import json
import os
import re
from pathlib import Path

import torch

from ..common.nearest import did_you_mean
from ..common.paths import RESTORE, cache_path, data_path, sha256_of
from .hub import hub_reachable

HUB_PAIRS = {  # target, draft (or None), parameters of both in 10^9, rounded up; the largest first
    "smollm2": (
        ("HuggingFaceTB/SmolLM2-360M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct", 0.497),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", None, 0.135),
    ),
    "qwen2.5": (
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", 8.11),
        ("Qwen/Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", 3.58),
        ("Qwen/Qwen2.5-1.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", 2.04),
    ),
    "qwen3": (
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B", 8.79),
        ("Qwen/Qwen3-4B", "Qwen/Qwen3-0.6B", 4.62),
        ("Qwen/Qwen3-1.7B", "Qwen/Qwen3-0.6B", 2.32),
    ),
    "llama3.2": (("unsloth/Llama-3.2-3B", "unsloth/Llama-3.2-1B", 4.45),),
}
NAMES = ("classroom", *HUB_PAIRS)
ROOM_TO_WORK = 1.25  # memory as a multiple of the weights: caches, activations, what the allocator holds back
CGROUPS = (  # limit, use, statistics and the entry of the page cache that can be given back: version 2, version 1
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def places(name, device, dtype, say) -> tuple[str | Path, str | Path | None, torch.dtype | None]:
    """Folders or Hub ids of the target and the draft (or None) of a named pair, and the dtype (None: yet to choose)."""
    if name == "classroom":
        check_bundled()
        return data_path("classroom", "target"), data_path("classroom", "draft"), dtype or torch.float32
    if name in HUB_PAIRS:
        return from_hub_or_cache(name, device, dtype, say)
    if (Path(name) / "target").is_dir():
        draft = Path(name) / "draft"
        return Path(name) / "target", draft if draft.is_dir() else None, dtype
    raise ValueError(f"there is no pair {str(name)!r}." + did_you_mean(name, NAMES))


def from_hub_or_cache(name, device, dtype, say):
    """A pair of the Hub: the largest that fits of those in the Hub's cache, else what `specdec fetch` put aside,
    else the largest that fits, from the Hub."""
    chosen = choose(name, device, dtype, say, there=in_hub_cache)
    if chosen is not None:
        return chosen
    if cache_path(name).is_dir():
        say(f"{name}: {HUB_PAIRS[name][-1][0]}, from {cache_path(name)}")
        return cache_path(name), None, dtype
    if hub_reachable():
        return choose(name, device, dtype, say)
    hint = ", which can do without the Hub" if name == "smollm2" else " where there is a network"
    raise ValueError(
        f"{name} is not on this machine and the Hugging Face Hub does not answer. "
        f'Run `specdec fetch {name}`{hint}, or use the bundled pair, load_pair("classroom").'
    )


def choose(name: str, device=None, dtype=None, say=print, there=lambda repository: True):
    """The largest pair of a name that fits in the memory that is free now, and the dtype; says which, and why.

    A smaller pair in the usual dtype comes before a larger one in fewer bytes per number.

    there: tells of a Hub id whether it may be chosen
    returns: (target, draft or None, dtype); None if some pair fits but none that fits is `there`
    raises: ValueError if not even the smallest fits
    """
    device = usual_device(device)
    free = free_memory(device)
    dtypes = usual_dtypes(device, dtype)
    sizes = [(pair, kind, room_for(pair[2] * 1e9, kind)) for kind in dtypes for pair in HUB_PAIRS[name]]
    fitting = [size for size in sizes if size[2] <= free]
    if not fitting:
        raise ValueError(
            f"{name} does not fit: its smallest pair needs {sizes[-1][2] / 1e9:.1f} GB in {short(sizes[-1][1])} on "
            f"{device}, {free / 1e9:.1f} are free. Restart the kernel to free memory, or use "
            'load_pair("smollm2") or load_pair("classroom").'
        )
    chosen = next((size for size in fitting if all(map(there, filter(None, size[0][:2])))), None)
    if chosen is None:
        return None
    (target, draft, _), kind, needed = chosen
    beside = f" with {draft}" if draft else ""
    said = f"{name}: {target}{beside} in {short(kind)}, needs {needed / 1e9:.1f} of the {free / 1e9:.1f} GB free"
    say(f"{said} on {device}{why_not_larger(chosen, sizes, fitting)}")
    return target, draft, kind


def why_not_larger(chosen, sizes, fitting) -> str:
    """Why not the size that comes first, in a few words; empty if it is the one chosen."""
    (first, *_), kind, needed = sizes[0]
    if chosen == sizes[0]:
        return ""
    if sizes[0] in fitting:
        return f"; {first} fits too, but is not on this machine"
    return f"; {first} in {short(kind)} needs {needed / 1e9:.1f}"


def fitting_dtype(names, parameters: int, device, dtype=None, say=print) -> torch.dtype:
    """The dtype in which models of so many parameters fit in the free memory: the given one, else the usual.

    Says so when the usual dtype does not fit and one with fewer bytes per number does. Raises ValueError, with what
    is needed and what is free, when none fits.
    """
    free = free_memory(device)
    dtypes = usual_dtypes(device, dtype)
    for kind in dtypes:
        needed = room_for(parameters, kind)
        if needed <= free:
            if kind != dtypes[0]:
                say(
                    f"{names} in {short(kind)}, needs {needed / 1e9:.1f} of the {free / 1e9:.1f} GB free on {device}; "
                    f"{short(dtypes[0])} needs {room_for(parameters, dtypes[0]) / 1e9:.1f}"
                )
            return kind
    smaller = "" if kind.itemsize <= 2 else "ask for dtype=torch.bfloat16, "
    raise ValueError(
        f"{names} will not fit: {needed / 1e9:.1f} GB are needed in {short(kind)} on {device}, {free / 1e9:.1f} are "
        f"free. Restart the kernel to free memory, {smaller}or take smaller models."
    )


def room_for(parameters: float, dtype: torch.dtype) -> float:
    """Bytes that models of so many parameters need to be loaded and to work."""
    return parameters * dtype.itemsize * ROOM_TO_WORK


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on the device now, by this process."""
    if device.type == "cuda":
        kept_back = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept_back  # what torch holds unused it will use again
    return min(free_on_machine(), free_in_container())


def free_on_machine() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux: all memory there is, at least an upper bound
        known = hasattr(os, "sysconf")
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else 8 * 10**9


def free_in_container(groups=CGROUPS) -> float:
    """Bytes below the limit of the container that this runs in (a JupyterHub's, say); infinite without a limit.

    /proc/meminfo tells of the whole machine. Who goes by it in a container is killed without a word.
    """
    for folder, limit, used, idle in groups:
        try:
            statistics = dict(line.split() for line in (Path(folder) / "memory.stat").read_text().splitlines())
            most, now = (int((Path(folder) / file).read_text()) for file in (limit, used))
        except (OSError, ValueError):  # no such group, or the limit is the word "max"
            continue
        return most - now + int(statistics.get(idle, 0))
    return float("inf")


def usual_device(device=None) -> torch.device:
    """The device asked for, else CUDA if there is one, else the CPU. ValueError for one that is not there."""
    try:
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"there is no device {device!r}; expected \"cpu\", \"cuda\" or a torch.device.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError('torch finds no CUDA device here: leave out device="cuda", or see `specdec doctor`.')
    return device


def usual_dtypes(device: torch.device, dtype=None) -> list[torch.dtype]:
    """The dtypes to try, the best first: exact where memory allows, on a GPU what it computes fastest. Only the one
    that is asked for, if one is; ValueError if that is none."""
    if dtype is not None:
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"dtype is {dtype!r}; expected a torch.dtype, for example torch.bfloat16, or \"int8\".")
        return [dtype]
    if device.type != "cuda":
        return [torch.float32, torch.bfloat16]
    return [torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16]


def short(dtype: torch.dtype) -> str:
    """float32 for torch.float32."""
    return str(dtype).removeprefix("torch.")


def in_hub_cache(repository: str) -> bool:
    """Are the config and the weights of a Hub model, every shard of them, on this machine?"""
    folder = folder_of(repository)
    try:
        return folder is not None and all(file.is_file() for file in weight_files(folder))
    except ValueError:
        return False


def folder_of(place) -> Path | None:
    """The folder of a model on this machine, in the Hub's cache if `place` is a Hub id; None: there is none."""
    from huggingface_hub import try_to_load_from_cache

    if Path(place).is_dir():
        return Path(place)
    config = try_to_load_from_cache(str(place), "config.json")
    return Path(config).parent if isinstance(config, str) else None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that a model in the folder needs: the one, or the shards that an index names.

    They need not be there. Raises ValueError for an index that cannot be read.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file() or not index.is_file():
        return [whole]
    try:
        return [folder / shard for shard in sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index.name} is no index of shards") from error


def check_place(place) -> None:
    """Raises ValueError unless a model can be had from `place`, a folder or a Hub id."""
    if Path(place).is_dir():
        if not (Path(place) / "config.json").is_file():
            raise ValueError(f"{place} has no config.json: expected a folder written by `save_pretrained`.")
    elif not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", str(place)):
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
    return damage_in("classroom")


def damage_in(folder: str) -> list[str]:
    """What is wrong with the files of a folder of `data`, a line per file; empty when every checksum is right."""
    problems = []
    checksums = json.loads(data_path(folder, "checksums.json").read_text(encoding="utf-8"))
    for name, expected in checksums.items():
        path = data_path(folder) / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif (found := sha256_of(path)) != expected:
            problems.append(f"{name} has SHA-256 {found[:12]}..., expected {expected[:12]}...")
    return problems
