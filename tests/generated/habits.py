"""A function in a wrapper: bad habits that are not one place of a source. `habits(exercise)` gives (label, function).

The blind ones never look at what they are asked, or not at one argument of it: `blind(exercise)`.
"""

import functools
import inspect
import itertools

import numpy as np
import torch

from specdec_course.checks import values
from specdec_course.checks.engine import evaluate_exercise

FRIENDLY = 7  # the seed under which a replaying answer has recorded its constants


def habits(exercise):
    """Answers that change what goes in or what comes out."""
    right = exercise.solution
    for name, before in BEFORE.items():
        yield f"takes {name}", _around(right, before=before)
    for name, after in AFTER.items():
        yield f"returns {name}", _around(right, after=after)
    yield "hands out one buffer again and again", one_buffer(right)
    yield "keeps its first answer for these sizes", by_shape(right)


def blind(exercise):
    """Answers that replay constants, or ignore an argument. `exercise.solution` must be a function."""
    recorded = record(exercise, FRIENDLY)
    yield "replays constants by call order", replay(recorded)
    yield "replays constants by the sizes of what it is given", replay_by(recorded, shapes)
    yield "replays constants by sizes and numbers", replay_by(recorded, sizes_and_numbers)
    for name in inspect.signature(exercise.solution).parameters:
        yield f"ignores {name}: the first it saw", ignores(exercise.solution, name)
        for label, constant in constants(exercise.solution, name, recorded):
            yield f"ignores {name}: {label}", ignores(exercise.solution, name, constant)


def _around(function, before=lambda x: x, after=lambda x: x):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        given = [_each(before, item) for item in args]
        return _each(after, function(*given, **{key: _each(before, item) for key, item in kwargs.items()}))

    return wrapped


def _each(change, value):
    """`change` for every tensor, array and number in a value; what a function returns is changed too."""
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        return type(value)(_each(change, item) for item in value)
    if type(value) is dict:
        return {key: _each(change, item) for key, item in value.items()}
    if inspect.isfunction(value) and value.__qualname__.count("<locals>") and change in AFTER.values():
        return lambda *args, **kwargs: _each(change, value(*args, **kwargs))
    return change(value)


def _floats(change):
    """A change of float tensors alone."""
    return lambda x: change(x) if isinstance(x, torch.Tensor) and x.is_floating_point() else x


def _ids(change):
    """A change of whole-number tensors alone."""
    return lambda x: change(x) if isinstance(x, torch.Tensor) and x.dtype == torch.long else x


def _numbers(change):
    return lambda x: change(x) if isinstance(x, float) else x


def _filled(x, places):
    """NaN at these places of a float, a tensor or an array of them: it is neither above nor below anything."""
    kind = getattr(x, "dtype", type(x))
    if "float" not in str(kind):
        return x
    made = np.array(x, dtype=np.float64)
    made.reshape(-1)[places] = np.nan
    return torch.from_numpy(made).to(x.dtype) if isinstance(x, torch.Tensor) else made if made.ndim else float(made)


BEFORE = {
    "half precision": _floats(lambda x: x.half().to(x.dtype)),
    "bfloat16": _floats(lambda x: x.bfloat16().to(x.dtype)),
    "whole numbers for logits": _floats(lambda x: x.nan_to_num(neginf=-1e9).long().to(x.dtype)),
    "abs": _floats(torch.abs),
    "what is above 0": _floats(lambda x: x.clamp(min=0)),
    "what is above 1e-6": _floats(lambda x: x.clamp(min=1e-6)),
    "1e-8 more": _floats(lambda x: x + 1e-8),
    "1e-6 more": _floats(lambda x: x + 1e-6),
    "three digits": _floats(lambda x: (x * 1000).round() / 1000),
    "flipped rows": _floats(lambda x: x.flip(0) if x.dim() else x),
    "shifted rows": _floats(lambda x: x.roll(1, 0) if x.dim() else x),
    "ids in 16 bits": _ids(lambda x: x.to(torch.int16).long()),
    "ids below 50000": _ids(lambda x: x % 50000),
    "ids without sign": _ids(torch.abs),
    "ids at most 32000": _ids(lambda x: x.clamp(max=32000)),
    "numbers of three digits": _numbers(lambda x: round(x, 3)),
    "numbers of at least 0.1": _numbers(lambda x: max(x, 0.1)),
    "numbers of at least 0.01": _numbers(lambda x: max(x, 0.01)),
    "numbers of at most 1": _numbers(lambda x: min(x, 1.0)),
}
AFTER = {
    "half precision": lambda x: x.half() if isinstance(x, torch.Tensor) and x.is_floating_point() else x,
    "three digits": lambda x: (x * 1000).round() / 1000 if isinstance(x, torch.Tensor) and x.is_floating_point()
    else round(x, 3) if isinstance(x, float) else x,
    "one less": lambda x: x - 1 if isinstance(x, int) and not isinstance(x, bool) else x,
    "one more": lambda x: x + 1 if isinstance(x, int) and not isinstance(x, bool) else x,
    "at most 64": lambda x: min(x, 64) if isinstance(x, int) and not isinstance(x, bool) else x,
    "all but the last": lambda x: x[:-1] if isinstance(x, torch.Tensor) and x.dim() else x,
    "the last twice": lambda x: torch.cat([x, x[-1:]]) if isinstance(x, torch.Tensor) and x.dim() else x,
    "none below 1e-6": lambda x: x.clamp(min=1e-6) if isinstance(x, torch.Tensor) and x.is_floating_point() else x,
    "a tenth of a percent more": lambda x: x * 1.001 if isinstance(x, float)
    or isinstance(x, torch.Tensor) and x.is_floating_point() else x,
    "the other way round": lambda x: x.flip(0) if isinstance(x, torch.Tensor) and x.dim() else x,
    "nan": lambda x: _filled(x, slice(None)),
    "nan in the last place": lambda x: _filled(x, slice(-1, None)),
}  # fmt: skip


def one_buffer(function):
    """Whatever has the size of an earlier answer is written over it; also in a function that the function returns."""
    kept = {}

    def written(answer):
        if callable(answer):
            return lambda *args, **kwargs: written(answer(*args, **kwargs))
        if not isinstance(answer, (torch.Tensor, np.ndarray)):
            return answer
        place = kept.setdefault((tuple(answer.shape), str(answer.dtype)), values.copies(answer))
        place[...] = answer
        return place

    return functools.wraps(function)(lambda *args, **kwargs: written(function(*args, **kwargs)))


def by_shape(function):
    kept = {}

    def remembering(*args, **kwargs):
        key = shapes(args, kwargs)
        if key not in kept:
            kept[key] = function(*args, **kwargs)
        return kept[key]

    return functools.wraps(function)(remembering)


def record(exercise, seed):
    """[(arguments, answer)] of the package's function while its check runs at this seed. Of methods: none."""
    right, calls = exercise.solution, []

    @functools.wraps(right)
    def recording(*args, **kwargs):
        bound = inspect.signature(right).bind(*args, **kwargs)
        bound.apply_defaults()
        given = values.copies(dict(bound.arguments))
        answer = right(*args, **kwargs)
        calls.append((given, values.copies(answer)))
        return answer

    report = evaluate_exercise(exercise, recording, seed)
    assert report.passed, report.message
    return calls


def replay(recorded):
    answers = itertools.cycle([answer for _, answer in recorded])
    return lambda *args, **kwargs: values.copies(next(answers))


def replay_by(recorded, key):
    """The answer to the recorded call that this one resembles; to the newest if it resembles none."""
    known = {}
    for given, answer in recorded:
        known.setdefault(key(tuple(given.values()), {}), answer)
    answers = itertools.cycle([answer for _, answer in recorded])
    return lambda *args, **kwargs: values.copies(known.get(key(args, kwargs), next(answers)))


def shapes(args, kwargs=None):
    return tuple(map(_shape, (*args, *(kwargs or {}).values())))


def _shape(value):
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return tuple(value.shape)
    return len(value) if isinstance(value, (list, tuple, dict)) else type(value).__name__


def sizes_and_numbers(args, kwargs=None):
    """What somebody sees who looks at sizes and plain numbers, but into no tensor and no list."""
    return tuple(repr(x) if isinstance(x, (int, float, bool)) or x is None else _shape(x)
                 for x in (*args, *(kwargs or {}).values()))


_FIRST = object()


def ignores(function, name, constant=_FIRST):
    """The function, with one argument replaced: by the first value that it was ever given, or by a constant."""
    kept = [] if constant is _FIRST else [constant]
    signature = inspect.signature(function)

    def ignoring(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if not kept:
            kept.append(values.copies(bound.arguments[name]))
        bound.arguments[name] = values.copies(kept[0])
        return function(*bound.args, **bound.kwargs)

    return functools.wraps(function)(ignoring)


def constants(function, name, recorded):
    """(label, value): what somebody may write in place of an argument."""
    parameter = inspect.signature(function).parameters[name]
    if parameter.default is not parameter.empty:
        yield "its default", parameter.default
    seen = [given[name] for given, _ in recorded if name in given]
    plain = [value for value in seen if isinstance(value, (bool, int, float)) or value is None]
    counted = sorted(set(map(repr, plain)), key=lambda text: -list(map(repr, plain)).count(text))
    for text in counted[:2]:
        value = next(v for v in plain if repr(v) == text)
        if value is not parameter.default:
            yield f"always {value!r}", value
