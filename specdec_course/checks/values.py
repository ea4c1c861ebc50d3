"""Reads what a student's function returned, whatever kind of number or array it is.

Knows: Python, numpy and torch numbers and arrays; copies and comparisons of them. Does not know: exercises.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
from decimal import Decimal
from fractions import Fraction
from types import FunctionType, SimpleNamespace

import numpy as np
import torch

from .errors import Wrong


def as_int(value) -> int:
    """Python, numpy or 0-d tensor -> int; a float with a whole value is read as one."""
    number = as_float(value)
    if number != int(number):
        raise Wrong(f"Expected a whole number, your function returned {describe(value)}.")
    return int(number)


def is_float(value) -> bool:
    """Whether one number is a float, of Python, numpy or torch, whole or not."""
    if isinstance(value, torch.Tensor):
        return value.is_floating_point()
    return isinstance(value, float) or isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f"


def as_float(value) -> float:
    """Python, numpy or 0-d tensor -> float, or Wrong."""
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise Wrong(f"Expected one number, your function returned {describe(value)}.") from None
    if math.isnan(number) or math.isinf(number):
        raise Wrong(f"Your function returned {number}: somewhere it divides by zero.")
    return number


def flows(answer) -> bool:
    """Whether gradients flow out of an answer: a tensor that was made of watched ones, here or in the room."""
    return isinstance(answer, torch.Tensor) and (answer.requires_grad or getattr(answer, "watched", False) is True)


def as_array(value) -> np.ndarray:
    """Tensor, array, list or number -> numpy array of int64 (whole types) or float64."""
    try:
        if isinstance(value, torch.Tensor):
            value = _dense(value)
            value = value.double().numpy() if value.is_floating_point() else value.numpy()
        elif isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
            value = [as_array(item) for item in value]
        array = np.asarray(value)
        return array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise Wrong(f"Expected a tensor or array of numbers, your function returned {describe(value)}.") from None


def _dense(value: torch.Tensor) -> torch.Tensor:
    if value.layout != torch.strided and value.numel() > 1 << 24:
        raise Wrong(f"Your function returned {describe(value)}: far more numbers than this needs.")
    value = value.detach().cpu()
    return value if value.layout == torch.strided else value.to_dense()


def as_ids(value) -> list[int]:
    """Anything one-dimensional and whole -> list of token ids."""
    array = as_array(value)
    if array.ndim != 1:
        raise Wrong(f"Expected token ids in one dimension, your function returned {describe(value)}.")
    if array.size and not np.array_equal(array, np.round(array)):
        raise Wrong(f"Expected token ids (whole numbers), your function returned {describe(value)}.")
    return [int(token) for token in array]


def describe(value) -> str:
    """A short description for error messages: type and shape, not content."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}, dtype {value.dtype}"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of length {len(value)}"
    return f"{type(value).__name__} {value!r}"[:80]


def copies(value):
    """A copy to hand out: tensors and arrays are cloned, containers and plain records rebuilt; functions and other
    objects are passed on."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        flat = set(map(type, value)) <= {bool, int, float, str}  # thousands of numbers, often
        return type(value)(value) if flat else type(value)(copies(item) for item in value)
    if type(value) is dict:
        return {key: copies(item) for key, item in value.items()}
    if type(value) is SimpleNamespace or (dataclasses.is_dataclass(value) and not callable(value)):
        made = copy.copy(value)
        vars(made).update(copies(vars(value)))
        return made
    return value


def plain(value):
    """A comparable picture of an answer: nested lists, numbers, strings; dataclasses by their fields."""
    if isinstance(value, torch.Tensor):
        return _dense(value).tolist()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [plain(getattr(value, item.name)) for item in dataclasses.fields(value)]
    if isinstance(value, (list, tuple, range)):
        return [plain(item) for item in value]
    if isinstance(value, SimpleNamespace):
        value = vars(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    return float(value) if isinstance(value, (Fraction, Decimal)) else type(value).__name__


def is_plain(value) -> bool:
    """Whether a value is numbers and texts through and through: `plain` tells then all that it holds."""
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(map(is_plain, value)) and all(map(is_plain, value.values()))
    if isinstance(value, SimpleNamespace):
        return all(map(is_plain, vars(value).values()))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return all(is_plain(getattr(value, item.name)) for item in dataclasses.fields(value))
    known = (bool, int, float, str, range, Fraction, Decimal, torch.Tensor, np.ndarray, np.generic)
    return value is None or isinstance(value, known)


def _comparable(one) -> np.ndarray:
    if isinstance(one, torch.Tensor) and one.dtype == torch.bfloat16:  # which numpy does not know
        one = one.float()
    return np.asarray(one.detach() if isinstance(one, torch.Tensor) else one)


def same(a, b) -> bool:
    """Equality of nested values; floats up to 1e-6 relative, NaN equals NaN."""
    if isinstance(a, (torch.Tensor, np.ndarray)) or isinstance(b, (torch.Tensor, np.ndarray)):
        if type(a) is not type(b) or a.shape != b.shape:
            return False
        x, y = (_comparable(one) for one in (a, b))
        return bool(np.array_equal(x, y) or np.allclose(x, y, rtol=1e-6, atol=1e-6, equal_nan=True))
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b) > 500 and isinstance(a[0], float):
        with contextlib.suppress(TypeError, ValueError):  # not only numbers
            return same(np.array(a, dtype=np.float64), np.array(b, dtype=np.float64))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if type(a) is type(b) and set(map(type, a)) | set(map(type, b)) <= {bool, int, str}:
            return a == b
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if type(a) is SimpleNamespace and type(b) is SimpleNamespace:  # its own comparison stumbles over tensors
        return same(vars(a), vars(b))
    if isinstance(a, FunctionType) or isinstance(b, FunctionType):
        return a is b
    if isinstance(a, float) or isinstance(b, float):
        try:
            return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) or (math.isnan(a) and math.isnan(b))
        except (TypeError, OverflowError):
            return False
    try:
        return bool(a == b)
    except Exception:
        return a is b
