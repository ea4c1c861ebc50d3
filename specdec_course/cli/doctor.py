"""Looks at this machine and says in one line each what the course needs and whether it is there.

Knows the supported versions and the cure for what is missing. Changes nothing and never ends in an
exception: what an examination raises is a finding.
"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from ..common.nearest import first_line
from ..common.paths import RESTORE

OK, WARN, FAIL = "OK", "WARN", "FAIL"
LIBRARIES = {  # lowest supported version
    "torch": (2, 9),
    "transformers": (5, 10),
    "datasets": (4, 0),
    "numpy": (2, 0),
    "safetensors": (0, 4),
    "matplotlib": (3, 8),
    "tqdm": (4, 60),
    "ipython": (7, 34),
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, OK, WARN or FAIL, what was found, and the cure."""

    name: str
    state: str
    said: str
    cure: str = ""

    def __str__(self):
        said = f"{self.said.rstrip('.')}. {self.cure}" if self.cure else self.said
        return f"{self.state:<4}  {self.name:<12}  {said}"


def examine() -> list[Finding]:
    """All findings, in the order in which one would mend them. Takes a few seconds: torch is imported."""
    examinations = [("python", python), *((name, library(name)) for name in LIBRARIES)]
    examinations += [("device", device), ("bundled pair", bundled), ("hub", hub)]
    examinations += [("nbgrader", nbgrader), ("compiler", compiler), ("threads", threads)]
    return [finding(name, examination) for name, examination in examinations]


def exit_code(findings: list[Finding]) -> int:
    """1 if anything is FAIL, else 0: a warning is no reason to stop."""
    return int(any(found.state == FAIL for found in findings))


def finding(name: str, examination: Callable[[], tuple]) -> Finding:
    """Runs one examination, which answers (state, said) or (state, said, cure)."""
    try:
        return Finding(name, *examination())
    except Exception as error:
        if isinstance(error, ValueError):  # the course's own errors name their cure
            return Finding(name, FAIL, " ".join(str(error).split()))
        return Finding(name, FAIL, first_line(error), "Install the course in a fresh environment.")


def python():
    version, said = sys.version_info[:2], platform.python_version()
    if version < (3, 11):
        return FAIL, f"{said}, but the course needs 3.11 to 3.13", "Make an environment with Python 3.13."
    if version > (3, 13):
        return WARN, f"{said}, newer than the 3.11 to 3.13 that are tested", "If something breaks, take 3.13."
    return OK, said


def library(name: str) -> Callable[[], tuple]:
    """The examination of one library: is it there, and new enough? Only torch is imported."""

    def look():
        lowest = ".".join(map(str, LIBRARIES[name]))
        install = f'Run `python -m pip install "{name}>={lowest}"`.'
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            state = WARN if name == "ipython" else FAIL  # a grading machine may do without notebooks
            return state, f"not installed, {lowest} or newer expected", install
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        if numbers < LIBRARIES[name]:
            return FAIL, f"{version}, {lowest} or newer expected", install
        if name != "torch":
            return OK, version
        import torch

        return OK, f"{version}, {torch.get_num_threads()} threads"

    return look


def device():
    """The device that `load_pair` would take, after one small sum on it."""
    import torch

    from ..models.sources import free_memory

    name = "cuda" if torch.cuda.is_available() else "cpu"
    free = f"{free_memory(torch.device(name)) / 1e9:.1f} GB free"
    if name == "cuda":
        try:
            torch.ones(2, device="cuda").sum().item()
        except Exception as error:
            cure = "Install the torch build for its driver, or hide it: `export CUDA_VISIBLE_DEVICES=`."
            return FAIL, f"{torch.cuda.get_device_name()} does not compute: {first_line(error)}", cure
        return OK, f"CUDA, {torch.cuda.get_device_name()}, {free}"
    if torch.backends.mps.is_available():
        return OK, f'CPU, {os.cpu_count()} cores, {free}; MPS only if asked for: load_pair(device="mps")'
    if free_memory(torch.device("cpu")) < 2e9:
        return WARN, f"CPU, {os.cpu_count()} cores, {free}", "The course needs 2 GB: close other programs."
    return OK, f"CPU, {os.cpu_count()} cores, {free}"


def bundled():
    from ..models.sources import bundled_damage, damage_in

    problems = bundled_damage() + [f"{one}: {line}" for one in ("reasoner", "smollm2") for line in damage_in(one)]
    if not problems:
        return OK, "every checksum is right"
    return FAIL, "; ".join(problems), RESTORE


def hub():
    from ..models.hub import hub_reachable

    if hub_reachable():
        return OK, "the Hugging Face Hub answers"
    cure = "Atlas takes the place of WikiText-2; `specdec fetch smollm2` can do without the Hub."
    return WARN, "the Hugging Face Hub does not answer", cure


def nbgrader():
    try:
        return OK, metadata.version("nbgrader")
    except metadata.PackageNotFoundError:
        cure = 'Run `pip install "specdec_course[instructor]"`.'
        return WARN, "not installed; only instructors need it", cure


def compiler():
    """A C++ compiler, which torch.compile calls on the CPU."""
    names = filter(None, (os.environ.get("CXX"), "g++", "clang++", "c++", "cl"))
    found = next((path for path in map(shutil.which, names) if path), None)
    if found:
        return OK, f"{found}, for torch.compile"
    cure = "Install one: `apt-get install g++`, `xcode-select --install`, or Microsoft's Build Tools."
    return WARN, "none for C++, so torch.compile cannot work on the CPU (units 01 and 05 use it)", cure


def threads():
    """What the bundled target is fastest with, measured in a second."""
    import torch

    from ..measure.threads import best, cores, thread_times, told
    from ..models import load_pair

    times = thread_times(load_pair("classroom", device="cpu").target)
    said, chosen, now = f"a short step takes {told(times)} of {cores()}", best(times), torch.get_num_threads()
    waiting = os.environ.get("OMP_WAIT_POLICY", "").upper()
    if waiting == "ACTIVE":
        return WARN, said, "OMP_WAIT_POLICY=ACTIVE makes threads spin: beside one other program they are far slower."
    if chosen == now or "OMP_NUM_THREADS" in os.environ:
        return OK, f"{said}; torch takes {now}"
    return OK, f"{said}; torch takes {now}, specdec's commands {chosen}; in a notebook: torch.set_num_threads({chosen})"
