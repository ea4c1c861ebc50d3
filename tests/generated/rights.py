"""Right answers in other clothes: the package's own function as people write and return things. All of them must pass.

`kinds(exercise)` gives (label, function). What may be returned differs: where the contract names a type (a LongTensor,
a numpy array of int32), only what keeps that type.
"""

import functools
import inspect

import numpy as np
import torch

TYPED = ("sample_windows", "build_next_token_array", "draft_with_bigram")  # the contract names the type of the answer


def kinds(exercise):
    right = exercise.solution
    yield "a partial", functools.partial(right)
    yield "an object that can be called", _Callable(right)
    yield "a method", _Callable(right).method
    yield "a lambda over all arguments", lambda *args, **kwargs: right(*args, **kwargs)
    yield "a closure that remembers its calls", _remembering(right)
    yield "with its arguments by name", _by_name(right)
    yield "under no_grad", torch.no_grad()(right)
    yield "that prints and warns", _noisy(right)
    for label, change in RETURNS.items():
        if exercise.name not in TYPED or label in KEEP_TYPE:
            yield f"returns {label}", _returning(right, change)
    yield "takes views and copies of its own", _copying(right)


class _Callable:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def method(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def _remembering(function):
    calls = []

    def remembering(*args, **kwargs):
        calls.append(len(calls))
        return function(*args, **kwargs)

    return remembering


def _by_name(function):
    signature = inspect.signature(function)

    def named(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return function(**bound.arguments)

    return named


def _noisy(function):
    def noisy(*args, **kwargs):
        import sys
        import warnings

        print("working", file=sys.stderr)
        warnings.warn("nearly done", stacklevel=1)
        return function(*args, **kwargs)

    return noisy


def _returning(function, change):
    def returning(*args, **kwargs):
        return _changed(change, function(*args, **kwargs))

    return returning


def _changed(change, answer):
    if callable(answer):
        return lambda *args, **kwargs: _changed(change, answer(*args, **kwargs))
    if type(answer) is tuple:
        return tuple(_changed(change, item) for item in answer)
    if type(answer) is dict:
        return {key: _changed(change, item) for key, item in answer.items()}
    return change(answer)


def _copying(function):
    def copying(*args, **kwargs):
        own = [x.clone().contiguous().view(x.shape) if isinstance(x, torch.Tensor) else x for x in args]
        return function(*own, **kwargs)

    return copying


def _number(make):
    return lambda x: make(x) if isinstance(x, (int, float)) and not isinstance(x, bool) else x


def _tensor(make):
    return lambda x: make(x) if isinstance(x, torch.Tensor) else x


def _gap(x):
    """The same numbers with strangers between them in memory: a view that is not contiguous."""
    if x.dim() == 0:
        return x
    wide = torch.stack([x, torch.zeros_like(x)], dim=-1)
    return wide[..., 0]


RETURNS = {
    "numpy numbers": _number(np.asarray),
    "0-d tensors": _number(lambda x: torch.tensor(x, dtype=torch.float64 if isinstance(x, float) else torch.long)),
    "numpy scalars": _number(lambda x: np.float64(x) if isinstance(x, float) else np.int64(x)),
    "floats for whole numbers": _number(float),
    "numpy arrays": _tensor(lambda x: x.detach().numpy()),
    "lists": _tensor(torch.Tensor.tolist),
    "float64": _tensor(lambda x: x.double() if x.is_floating_point() else x),
    "tensors with a gradient": _tensor(lambda x: x.clone().requires_grad_() if x.is_floating_point() else x),
    "views with gaps": _tensor(_gap),
    "slices of a longer buffer": _tensor(lambda x: torch.cat([x, x])[: len(x)] if x.dim() else x),
}
KEEP_TYPE = ("views with gaps", "slices of a longer buffer", "0-d tensors")
