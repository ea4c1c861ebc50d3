"""What is carried into the room: the runner, the yardstick of memory, old caches' classes, and the data classes that
students import. Taken from the package's own source, so that there is one definition of each; no answer is among it.

Knows: files and names. Does not know: boxes, students.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import json
from pathlib import Path

from ..._moved import MOVED
from ...checks import cost, exercises
from ...checks.unit05 import interfaces

ROOM = Path(__file__).parents[1] / "room"
CARRIED = {
    "trace": ("Round", "Decoded"),
    "sampling": ("Sampling", "Dice", "Handed", "exact_law"),
    "theory": ("Candidate",),
    "decoding": ("greedy_decode",),
    "drafters": ("Draft",),
    "models.vocabulary": ("PROBE",),
}
HELPERS = {"sampling": ("_coin", "_die", "_Replay", "_as_key")}
LENT = frozenset(
    "time_call accepted_length verify_greedy tokens_per_call acceptance_rate next_token_distribution "
    "acceptance_probability residual expected_acceptance verify_stochastic rollback expected_tokens speedup "
    "roofline_latency confident_prefix best_k estimate_alpha kv_cache_bytes forward_cost optimal_stop "
    "heuristic_schedule".split()
)
TWINS = {  # (what is lent, what it would nearly answer)
    ("specdec_course.verification:verify_stochastic", "specdec_course.verification:verify_block"),
    ("specdec_course.theory:forward_cost", "specdec_course.theory:kv_cache_bytes"),  # with a context, less without
}
CACHES = ("Lists", "Layers", "Strict")
IMPORTS = """\
from __future__ import annotations
import math
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple
import torch
from interfaces import Layers, Lists, Strict
"""
SAMPLING = """
Sampling.asks = None  # one that a check hands out asks the check
Sampling.package = None  # one that a student's code makes: the package's next_token_distribution, where it is lent


def _distribution(self, logits):
    if self.asks is not None:
        return self.asks(logits)
    return Sampling.package(logits, self.temperature, self.top_k, self.top_p)


Sampling.__call__ = _distribution
"""


def lendable() -> frozenset[str]:
    """The package's functions, as "specdec_course.module:name", that answers to other exercises may use. They run
    outside: hence only those whose work is bounded by what they are given."""
    return frozenset(e.reference for e in exercises().values() if e.reference.rpartition(":")[2] in LENT)


@functools.cache
def files() -> dict[str, bytes]:
    """All files of the room by name, besides those of the box itself."""
    texts = {path.relative_to(ROOM).as_posix(): path.read_text() for path in ROOM.rglob("*.py")}
    del texts["__init__.py"]  # inside, they lie in /room by themselves
    texts |= {"cost.py": inspect.getsource(cost), "interfaces.py": inspect.getsource(interfaces)}
    texts["carried.py"] = "\n\n".join([IMPORTS, *_definitions(), SAMPLING])
    texts["names.json"] = json.dumps({
        "carried": CARRIED, "caches": CACHES, "lendable": sorted(lendable()), "modules": modules(),
        "moved": MOVED,
    })
    return {name: text.encode() for name, text in texts.items()}


def modules() -> dict[str, list[str]]:
    """The public names that each module of the package defines."""
    found, root = {}, ROOM.parents[1]
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if "grading" not in parts and "build" not in parts:
            found[name] = [one for one in _defined(ast.parse(path.read_text())) if not one.startswith("_")]
    return found


def _defined(tree: ast.Module):
    """The names that a module offers: its `__all__` where it has one, else what it defines."""
    for line in tree.body:
        if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", None) == "__all__":
            return ast.literal_eval(line.value)
    return _names(tree)


def _names(tree: ast.Module):
    for line in tree.body:
        if isinstance(line, (ast.FunctionDef, ast.ClassDef)):
            yield line.name
        for target in line.targets if isinstance(line, ast.Assign) else ():
            if isinstance(target, ast.Name):
                yield target.id


def _definitions():
    for module, names in CARRIED.items():
        home = importlib.import_module(f"specdec_course.{module}")
        for name in (*names, *HELPERS.get(module, ())):
            thing = getattr(home, name)
            yield f"{name} = {thing!r}" if isinstance(thing, str) else inspect.getsource(thing)


@functools.cache
def shared_classes() -> dict[str, type]:
    """The classes that values may be of on both sides, by name."""
    homes = {name: importlib.import_module(f"specdec_course.{module}") for module, names in CARRIED.items()
             for name in names}
    found = {name: getattr(home, name) for name, home in homes.items()}
    found |= {name: getattr(interfaces, name) for name in CACHES}
    return {name: thing for name, thing in found.items() if isinstance(thing, type)}
