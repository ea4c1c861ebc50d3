"""Whether an answer behaves otherwise than the package's own function, on inputs shaped like real ones."""

import importlib

import torch

from specdec_course.checks import guard, values
from specdec_course.checks.engine import evaluate_exercise

from . import clock

SECONDS = 5.0  # of processor time for all scenes of one answer: an endless loop is a difference


def scenes(exercise):
    """The scenes of an exercise: functions answer -> what came out of it."""
    try:
        found = importlib.import_module(f"generated.scenes_{exercise.unit}").SCENES.get(exercise.name, [])
    except ModuleNotFoundError:
        found = []
    return found or _asked_by_the_check(exercise)


def close(exercise) -> float:
    try:
        return importlib.import_module(f"generated.scenes_{exercise.unit}").CLOSE.get(exercise.name, 1e-4)
    except ModuleNotFoundError:
        return 1e-4


def outcomes(exercise, answer) -> list:
    """What comes out of every scene, in a plain form; an exception by its name."""
    with guard.quiet(), guard.random_state(), clock.virtual():
        try:
            with guard.time_limit(SECONDS, patience=4):
                return [_outcome(scene, answer) for scene in scenes(exercise)]
        except guard.Stopped:
            return ["no end"]


def _outcome(scene, answer):
    torch.manual_seed(0)
    try:
        return values.plain(scene(answer))
    except Exception as error:
        return f"raises {type(error).__name__}"


def alike(a, b, near: float) -> bool:
    """Equality of plain answers; floats up to `near`, relative to the larger of the two and 1e-3."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(alike(x, y, near) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        if any(isinstance(x, float) for x in (*a.values(), *b.values())):  # a law: what is not there has probability 0
            return all(alike(a.get(key, 0.0), b.get(key, 0.0), near) for key in a.keys() | b.keys())
        return a.keys() == b.keys() and all(alike(a[key], b[key], near) for key in a)
    if isinstance(a, float) or isinstance(b, float):
        try:
            if a != a and b != b:
                return True
            return a == b or abs(a - b) <= near * max(abs(a), abs(b), 1e-3)
        except TypeError:
            return False
    return type(a) is type(b) and a == b or (isinstance(a, (int, bool)) and isinstance(b, (int, bool)) and a == b)


def _asked_by_the_check(exercise, seeds=(101, 102)):
    """Scenes for an exercise that has none: its own check at other seeds, and which parts pass."""

    def scene(seed):
        return lambda answer: [[name, passed] for name, passed in evaluate_exercise(exercise, answer, seed).parts]

    return [scene(seed) for seed in seeds]
