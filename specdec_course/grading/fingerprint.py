"""What a mark depends on besides the submission, as one hash: where it is the same, a record still holds.

Knows: which code has a say in a mark, found by what imports what. Does not know: records, what the code does. Reads
source and imports none of it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from pathlib import Path

from ..common import source
from ..common.settings import setting
from .records import FORMAT
from .session.carried import definitions

CHECKS = f"{source.PACKAGE}.checks"
JUDGE = [f"{source.PACKAGE}.grading.judge", *source.modules_in("grading", "room")]
FIELDS = ("name", "unit", "points", "reference")  # of an exercise, where they stand without a name
SAYS = ("reference", "lent", "largest", "nearly")  # what lending depends on


@functools.cache
def course_hash(root: Path, unit: str) -> str:
    """The hash of all that marks of a unit depend on: its release, its checks, the judge, what is in the room, the
    answers that may be lent, with all that these import."""
    number = unit[:2]
    known = [one for one in declared() if one["unit"] <= number]
    used = [one["reference"].split(":") for one in known if one["unit"] == number or one.get("lent")]
    says = sorted([name, str(one.get("lent")), str(one.get("largest")), str(one.get("nearly"))]
                  for one, name in zip(known, (one["reference"].rpartition(":")[2] for one in known), strict=True))
    room = definitions(carried(), [one["reference"] for one in declared()])
    lies_there = [sorted(source.code(*one) for one in room.nodes), room.imports, sorted(room.answers)]
    code = source.digest([*JUDGE, f"{CHECKS}.unit{number}", *(source.home(*one)[0] for one in used)])
    release = Path(root) / "notebooks" / unit / f"{unit}.ipynb"
    content = release.read_bytes() if release.is_file() else b"not there"
    rules = [] if setting(root, "follow_on", True) else ["no points for what follows from an earlier mistake"]
    return hashlib.sha256(json.dumps([FORMAT, says, lies_there, code, *rules]).encode() + content).hexdigest()


def declared() -> list[dict]:
    """What the exercises of all units say of themselves, as far as it decides what is lent to whom."""
    return [
        {"unit": module.split(".unit")[1][:2], **_said(module, node)}
        for module in source.modules_in("checks") if module.startswith(f"{CHECKS}.unit")
        for node in (getattr(statement, "value", None) for statement in source.tree(module).body)
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Exercise"
    ]  # fmt: skip


def _said(module: str, call: ast.Call) -> dict:
    given = dict(zip(FIELDS, call.args, strict=False)) | {one.arg: one.value for one in call.keywords}
    try:
        return {name: ast.literal_eval(value) for name, value in given.items() if name in SAYS}
    except ValueError:
        raise ValueError(f"{module}, line {call.lineno}: {', '.join(SAYS)} of an exercise are read without running the "
                         "file; expected plain texts and numbers") from None


def carried() -> dict[str, tuple]:
    """What the units declare to be in the room, by module."""
    said = [source.bindings(module).get("CARRIED") for module in source.modules_in("checks")]
    found = {}
    for statement in filter(None, said):
        for module, names in ast.literal_eval(statement.value).items():
            found[module] = tuple(dict.fromkeys((*found.get(module, ()), *names)))
    return found
