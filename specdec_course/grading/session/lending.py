"""What a function of the package is given when a student's code calls it: plain numbers, and no more than it does fast.

Knows: kinds of numbers, and how the work of a lent function grows (`Exercise.largest`). Does not know: rooms, exercises
by name. A lent function runs outside the room, where no clock of the room's ends it.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections import deque
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import torch

BITS = 64  # of a whole number; larger ones are slow to reckon with
WORK = 10_000_000  # numbers given, times the largest of them, where the work grows with a number
LONGEST_TEXT = 1000
DEEPEST = 8  # lists inside lists


def lendable_to(exercise, args: tuple, kwargs: dict) -> tuple[list, dict]:
    """The arguments as the package's function gets them. ValueError, in words, for what it is not given."""
    args, kwargs = [plain(one) for one in args], {name: plain(one) for name, one in kwargs.items()}
    given = [*args, *kwargs.values()]
    if any(_as_index(one) > exercise.largest for one in given):
        raise ValueError(f"a number above {exercise.largest:,} is too large for {exercise.name}")
    if exercise.largest < math.inf and sum(map(_count, given)) * max(map(_as_index, given), default=1) > WORK:
        raise ValueError(f"{exercise.name} is given more numbers here than it can do while your work is graded")
    return args, kwargs


def plain(value, depth: int = 0):
    """The same value, made of numbers that are fast to reckon with: a fraction becomes a float."""
    if isinstance(value, (bool, type(None))):
        return value
    if isinstance(value, int) and value.bit_length() > BITS:
        raise ValueError(f"a whole number of {value.bit_length()} bits is too large while your work is graded")
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, (complex, np.complexfloating)) or _holds_complex(value):
        raise ValueError("complex numbers are nothing that the package's functions take")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ValueError(f"a text of {len(value)} characters is too long while your work is graded")
    if type(value) in (list, tuple) and depth < DEEPEST:
        return type(value)(plain(one, depth + 1) for one in value)
    _refuse_inside(value, depth)
    return value


def _refuse_inside(value, depth: int) -> None:
    """ValueError where a record, a dict or what else holds numbers has one that is slow to reckon with."""
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        inner = list(value)
    elif isinstance(value, SimpleNamespace) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        inner = list(vars(value).values()) if hasattr(value, "__dict__") else []
    else:
        return
    for one in inner if depth < DEEPEST else ():
        if isinstance(one, Fraction):
            raise ValueError("fractions are nothing that the package's functions take here")
        plain(one, depth + 1)
    if depth >= DEEPEST:
        raise ValueError("lists inside lists inside lists are nothing that the package's functions take")


def _holds_complex(value) -> bool:
    if isinstance(value, torch.Tensor):
        return value.is_complex()
    return isinstance(value, np.ndarray) and value.dtype.kind == "c"


def _count(value) -> int:
    """How many numbers a value holds."""
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, np.ndarray):
        return value.size
    return sum(map(_count, value)) if type(value) in (list, tuple) else 1


def _as_index(value) -> int:
    """How far a loop over `value` would go; 0 for what is no whole number."""
    try:
        return abs(operator.index(value))
    except (TypeError, RuntimeError, ValueError):  # a tensor of several numbers, of floats
        return 0
