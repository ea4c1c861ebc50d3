"""What is carried into the room: the runner, the yardstick of memory, and what the units declare. Taken from the
package's own source, so that there is one definition of each; no answer is among it.

Knows: files, the names of the package. Does not know: boxes, students, any single exercise.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from ast import literal_eval
from pathlib import Path

from ..._moved import MOVED
from ...checks import carried, cost, exercises
from ...common import source
from .carried import definitions

ROOM = Path(__file__).parents[1] / "room"
OUTSIDE = ("grading", "build")  # rooms of the package of whose names students' cells know nothing


def lendable() -> dict:
    """The exercises by reference, "specdec_course.module:name", that answers to other exercises may use."""
    return {exercise.reference: exercise for exercise in exercises().values() if exercise.lent}


@functools.cache
def files() -> dict[str, bytes]:
    """All files of the room by name, besides those of the box itself."""
    texts = {path.relative_to(ROOM).as_posix(): path.read_text() for path in ROOM.rglob("*.py")}
    del texts["__init__.py"]  # inside, they lie in /room by themselves
    texts["cost.py"] = inspect.getsource(cost)
    found = definitions(carried(), [one.reference for one in exercises().values()])
    texts["carried.py"] = found.text()
    texts["names.json"] = json.dumps({
        "carried": carried(), "answers": found.answers, "lendable": sorted(lendable()), "modules": modules(),
        "moved": MOVED,
    })
    return {name: text.encode() for name, text in texts.items()}


def modules() -> dict[str, list[str]]:
    """The public names that each module of the package offers: its `__all__` where it has one, else what it defines."""
    return {name: _offered(name) for name in source.modules_in() if not {*name.split(".")} & {*OUTSIDE}}


def _offered(module: str) -> list[str]:
    said = source.bindings(module).get("__all__")
    if said is not None:
        return literal_eval(said.value)
    return [name for node in source.tree(module).body for name in source.defined(node) if not name.startswith("_")]


@functools.cache
def shared_classes() -> dict[str, type]:
    """The classes that values may be of on both sides, by name."""
    homes = {name: importlib.import_module(f"{source.PACKAGE}.{module}")
             for module, names in carried().items() for name in names}
    found = {name: getattr(home, name) for name, home in homes.items()}
    return {name: thing for name, thing in found.items() if isinstance(thing, type)}
