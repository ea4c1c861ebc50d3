"""Shows a call in one short line: "called with draft = [3, 5], choice = [3, 7, 1] it returned 2".

Knows: how numbers, lists and tensors are written so that a person reads them at a glance. Does not know: exercises, or
which call is worth showing.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable

import numpy as np
import torch

from . import values
from .errors import Call

NUMBERS = 8  # the longest list that is written out
WIDTH = 160  # of all arguments together


def sentence(call: Call, function: Callable) -> str | None:
    """A sentence about the call, with the names that `function` gives its arguments; None where it would be long."""
    try:
        return _sentence(call, function)
    except (ValueError, RecursionError):  # whole numbers of thousands of digits, lists nested without end
        return None


def _sentence(call: Call, function: Callable) -> str | None:
    given = ", ".join(f"{name}{shown(value)}" for name, value in _named(call, function))
    if not given or len(given) > WIDTH:
        return None
    if not call.returned:
        return f"It was called with {given}."
    answer = shown(call.answer)
    return f"For example, called with {given} it returned {answer.removeprefix(' = ')}." if " = " in answer else None


def size(call: Call) -> int:
    """How many numbers the call was given: the fewer, the easier to follow."""
    return sum(map(_count, (*call.args, *call.kwargs.values())))


def _named(call: Call, function: Callable) -> list[tuple[str, object]]:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"argument {place + 1}" for place in range(len(names), len(call.args))]
    return [*zip(names, call.args, strict=False), *call.kwargs.items()]


def shown(value) -> str:
    """" = 3", " = [0.1, 0.9]", " of shape [6, 120]", " of length 40"; nothing for what holds no numbers."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        count = value.numel() if isinstance(value, torch.Tensor) else value.size
        return f" of shape {list(value.shape)}" if count > NUMBERS else f" = {_written(values.plain(value))}"
    if isinstance(value, (list, tuple)) and _count(value) > NUMBERS:
        return f" of length {len(value)}"
    text = _written(value)
    return f" = {text}" if text else ""


def _written(value) -> str:
    if isinstance(value, dict) and len(value) <= NUMBERS:
        pairs = [(_written(key), _written(one)) for key, one in value.items()]
        return "{" + ", ".join(f"{key}: {one}" for key, one in pairs) + "}" if all(map(all, pairs)) else ""
    if isinstance(value, (list, tuple)):
        inner = ", ".join(_written(item) or "..." for item in value)
        return f"({inner}{',' * (len(value) == 1)})" if isinstance(value, tuple) else f"[{inner}]"
    if isinstance(value, torch.Tensor):
        return _written(values.plain(value)) if value.numel() <= NUMBERS else f"{list(value.shape)} numbers"
    if isinstance(value, float):
        return f"{value:.1f}" if value.is_integer() and abs(value) < 1e6 else _with_a_hair(value)
    known = isinstance(value, (bool, int, str)) or value is None or _is_record(value)
    return repr(value)[:60] if known else ""


def _with_a_hair(value: float) -> str:
    """Four digits; what is a hair beside them, by purpose and not by round-off, says so: 0.25 - 9e-13."""
    text = f"{value:.4g}"
    rest = value - float(text)
    if 1e-14 * abs(value) < abs(rest) < 1e-10 * abs(value):
        return f"{text} {'+' if rest > 0 else '-'} {abs(rest):.1g}"
    return text


def _is_record(value) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type) and not callable(value)


def _count(value) -> int:
    """Numbers in a tensor or in nested lists, keys of a dict; one that is empty counts as one."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return int(np.prod(value.shape)) or 1
    return sum(map(_count, value)) or 1 if isinstance(value, (list, tuple, dict)) else 1
