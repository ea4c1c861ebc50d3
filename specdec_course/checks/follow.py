"""An answer that calls an answer to an earlier exercise is judged by itself: a mistake there costs its own points, and
no others.

Knows: whose function may stand in the place of the student's, which exercises a function calls, what is said of two
judgements. Does not know: how functions are exchanged where an answer runs, how an answer is judged.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import inspect
import textwrap
import types
from collections.abc import Callable, Iterable
from dataclasses import replace

from .exercise import NOT_ATTEMPTED, PARTLY, RIGHT, WRONG, Exercise, Report

MOST = 300  # functions that are looked into


def leads_to(exercise: Exercise, judging: Exercise, order: Iterable[str]) -> bool:
    """Whether an answer may be built on this exercise's: it comes before it in the course, and is not most of it."""
    order = list(order)
    return order.index(exercise.name) < order.index(judging.name) and judging.name not in exercise.nearly


def called_by(function: Callable, names: Iterable[str]) -> dict[str, object]:
    """What a function of this process calls by one of these names, itself or through other functions of its module."""
    names, found, waiting, seen = set(names), {}, [function], set()
    own = getattr(function, "__name__", "")
    while waiting and len(seen) < MOST:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        for code, space in _codes(thing):
            for name in _globals_read(code):
                if name in names and name in space and name != own:
                    found.setdefault(name, space[name])
                if _of_module(space.get(name), space):
                    waiting.append(space[name])
    return found


def _of_module(thing, space: dict) -> bool:
    """Whether this is a function or class of that very module."""
    if isinstance(thing, type):
        return thing.__module__ == space.get("__name__")
    return any(its is space for _, its in _codes(thing))


def _codes(thing) -> list[tuple[types.CodeType, dict]]:
    """The code of a function, class or partial, with the globals it runs in."""
    if isinstance(thing, functools.partial):
        thing = thing.func
    if isinstance(thing, type):
        return [pair for one in vars(thing).values() for pair in _codes(getattr(one, "fget", None) or one)]
    with contextlib.suppress(ValueError):  # decorators that wrap each other in a circle
        thing = inspect.unwrap(getattr(thing, "__func__", thing))
    code = getattr(thing, "__code__", None)
    return [(code, thing.__globals__)] if isinstance(code, types.CodeType) else []


def _globals_read(code: types.CodeType) -> list[str]:
    own = [one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    inner = [name for const in code.co_consts if isinstance(const, types.CodeType) for name in _globals_read(const)]
    return own + inner


@contextlib.contextmanager
def exchanged(function: Callable, others: dict[str, Callable]):
    """Inside, these names stand for other functions in the module of `function`, in this process."""
    spaces = [space for _, space in _codes(function)]
    before = [(space, name, space[name]) for space in spaces[:1] for name in others if name in space]
    try:
        for space, name, _ in before:
            space[name] = others[name]
        yield
    finally:
        for space, name, kept in before:
            space[name] = kept


def left_standing(function: Callable) -> bool:
    """Whether a template's `raise NotImplementedError` still stands above the student's code, which never runs then."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):  # no source is kept, as of a function made by exec
        return False
    return any(
        isinstance(line, ast.Raise) and "NotImplementedError" in ast.dump(line) and node.body[number + 1 :]
        for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for number, line in enumerate(node.body)
    )  # fmt: skip


def joined(exercise: Exercise, first: Report, second: Report | None, blamed: dict[str, str], counts=True) -> Report:
    """One report of two judgements.

    Args:
        first: with the student's own functions; not right.
        second: with the package's in place of those that can be exchanged; None where none can.
        blamed: the earlier exercises that the answer calls and that are not right, with their states.
        counts: whether the second judgement gives the points.
    """
    calls = f"It calls your {_listed(blamed)}."
    if second is None and first.state == NOT_ATTEMPTED:
        return replace(first, state=WRONG, message=f"{exercise.name}: not right yet.\n{calls} Write that first.")
    if second is None:
        return replace(first, message=f"{first.message}\n{calls} That may be the cause: mend it first.")
    if second.state == NOT_ATTEMPTED or second.score < first.score:
        return second if second.state == NOT_ATTEMPTED else first
    head, _, rest = second.message.partition("\n")
    earned = f"{exercise.earned(second.score):g} of {exercise.points:g} points"
    if not counts and second.score > first.score:
        would = f"{exercise.earned(second.score):g} of {exercise.points:g}"
        text = f"{calls} With the package's own in that place it would earn {would} points: mend that first."
        state = WRONG if first.state == NOT_ATTEMPTED else first.state
        return replace(first, state=state, message=f"{exercise.name}: not right yet.\n{text}")
    note = f"{calls} It was judged with the package's own in that place, and earns {earned}."
    return replace(second, message="\n".join([head, note, *([rest] if rest else [])]))


def _listed(blamed: dict[str, str]) -> str:
    words = {NOT_ATTEMPTED: "not attempted yet", WRONG: "not right yet", PARTLY: "not right yet"}
    return ", and ".join(f"{name}, which is {words.get(state, state)}" for name, state in blamed.items())


def to_blame(called: Iterable[str], state_of: Callable[[str], str | None]) -> dict[str, str]:
    """Of the exercises that an answer calls, those that are not right, with their states; None: nothing is known."""
    states = {name: state_of(name) for name in called}
    return {name: state for name, state in states.items() if state not in (None, RIGHT)}
