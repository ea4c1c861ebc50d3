"""What a student calls: `check`, `hint`, `grade`, `progress`, `solution`, `yours`; and `evaluate`, which everything
rests on.

Knows: which exercises exist, and whether a notebook is there to show panels in. Does not know: how a verdict is reached
(see `engine`), how it looks (`panel`) or what is right in an exercise (see `unit01`, `unit02`, ...).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from dataclasses import replace

from ..common.nearest import did_you_mean
from ..common.source import without_docstring
from . import follow, kept, panel
from .engine import evaluate_exercise
from .exercise import NOT_ATTEMPTED, WRONG, Exercise, Report

_last: dict[str, Report] = {}  # the newest verdict per exercise in this session


@functools.cache
def _units() -> list:
    """The packages of all units, in the order of the course."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("unit"))
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


@functools.cache
def _registry() -> dict[str, Exercise]:
    return {one.name: one for unit in _units() for one in vars(unit).values() if isinstance(one, Exercise)}


def carried() -> dict[str, tuple[str, ...]]:
    """Names by module of the package (without "specdec_course."): what the units declare, as `CARRIED`, to be there
    while students' work is graded. Data classes and helpers; no answers."""
    found: dict[str, tuple[str, ...]] = {}
    for unit in _units():
        for module, names in getattr(unit, "CARRIED", {}).items():
            found[module] = tuple(dict.fromkeys((*found.get(module, ()), *names)))
    return found


def exercises(unit: str | None = None) -> dict[str, Exercise]:
    """All exercises by name, in course order; or those of one unit ("03" or "03_greedy_verification")."""
    return {name: e for name, e in _registry().items() if unit is None or e.unit == unit[:2]}


def exercise(name: str) -> Exercise:
    """The exercise of this name; ValueError with the nearest match if there is none."""
    try:
        return _registry()[name]
    except KeyError:
        raise ValueError(f"there is no exercise named {name!r}.{did_you_mean(name, _registry())}") from None


def evaluate(name: str, function, seed: int = 0) -> Report:
    """The verdict on `function` as an answer to exercise `name`: a Report. The same seed asks the same questions."""
    return evaluate_exercise(exercise(name), function, seed)


def _named(function, exercise_name: str | None) -> str:
    name = exercise_name or (function if isinstance(function, str) else getattr(function, "__name__", str(function)))
    if name == "<lambda>":
        raise ValueError("a lambda has no name, so there is no telling which exercise it answers; write it with def, "
                         "under the name of the exercise: `def expected_tokens(alpha, k):`, for one")
    return name


def _judge(function, name: str, seed: int) -> Report:
    """`evaluate` for a student's notebook, where the package's own function is no answer."""
    home = str(getattr(function, "__module__", "")).partition(".")[0]
    if home == __name__.partition(".")[0]:
        report = borrowed(name)
    else:
        report = evaluate(name, function, seed)
        report = report if report.passed or not callable(function) else _judged_by_itself(function, report, seed)
        if report.state == NOT_ATTEMPTED and follow.left_standing(function):
            message = (f"{name}: not attempted yet. The line `raise NotImplementedError` still stands above your code, "
                       "which is never reached: delete that line.")
            report = replace(report, message=message)
    _last[report.exercise] = report
    if _kernel_display() is not None:
        kept.remember(report)
    return report


def _judged_by_itself(function, report: Report, seed: int) -> Report:
    """The verdict where earlier answers that it calls may be to blame: the package's stand in their place."""
    judging = exercise(report.exercise)
    earlier = list(_registry())[: list(_registry()).index(judging.name)]
    called = follow.called_by(function, earlier)
    blamed = follow.to_blame(called, lambda name: _state(name, called[name], seed))
    instead = {name: _registry()[name].solution for name in blamed
               if _registry()[name].lent and follow.leads_to(_registry()[name], judging, _registry())}
    if not blamed:
        return report
    with follow.exchanged(function, instead):
        second = evaluate(judging.name, function, seed) if instead else None
    return follow.joined(judging, report, second, blamed)


def _state(name: str, function, seed: int) -> str | None:
    """How a function stands that another one calls, judged by itself as well; None for the package's own."""
    if str(getattr(function, "__module__", "")).partition(".")[0] == __name__.partition(".")[0]:
        return None
    report = evaluate(name, function, seed)
    return (report if report.passed or not callable(function) else _judged_by_itself(function, report, seed)).state


def borrowed(name: str) -> Report:
    """The verdict where the package's own function was handed in."""
    message = f"This is the package's own {name}. Write yours: it is by writing it that you will understand it."
    return Report(name, WRONG, 0.0, message, "borrowed")


def check(function, exercise: str | None = None) -> None:
    """Says whether your function is right and, if not, what is wrong and why. It never shows the expected value."""
    _show(panel.verdict(_judge(function, _named(function, exercise), seed=0)))


def hint(function, level: int = 1) -> None:
    """A hint: level 1 is a question, level 2 is nearly the answer."""
    hints = exercise(_named(function, None)).hints
    if level not in (1, 2):
        raise ValueError(f"hint level is {level!r}; expected 1 (a question) or 2 (nearly the answer)")
    _show(panel.hint(_named(function, None), level, hints[level - 1]))


def grade(function, exercise: str | None = None) -> float:
    """The points your function earns, as the last value of a test cell. A partly right answer earns a part.

    Always a plain float between 0 and the exercise's points: nbgrader reads it from the cell's output.
    """
    report = _judge(function, _named(function, exercise), seed=1)
    worth = _registry()[report.exercise]
    points = worth.earned(report.score)
    _forget_output()
    _show(panel.points(worth.name, report.state, points, worth.points))
    if worth.bonus:
        _show_bonus(worth.name, points)
    return points


def _show(shown: panel.Panel) -> None:
    """A panel in a notebook; elsewhere its text."""
    display = _kernel_display()
    if display is None:
        print(shown.text)
    else:
        display.display(shown)


def _kernel_display():
    """IPython.display inside a notebook kernel, else None."""
    try:
        from IPython import display, get_ipython
    except ImportError:
        return None
    return display if getattr(get_ipython(), "kernel", None) is not None else None


def _forget_output() -> None:
    """Drops what the cell has shown so far: nbgrader gives 0 to a cell with any text on stderr before the value."""
    display = _kernel_display()
    if display is not None:
        display.clear_output()


def _show_bonus(name: str, points: float) -> None:
    """Bonus points in machine-readable form; nbgrader itself has no automatic bonus (see grading/bonus)."""
    display = _kernel_display()
    if display is not None:
        shown = {"exercise": name, "points": points}
        bundle = {"application/vnd.specdec.bonus+json": shown, "text/plain": f"bonus: {points:g} points"}
        display.display(bundle, raw=True)


def progress() -> None:
    """A line for every exercise of the units that you have begun, in this session or before."""
    now = {_registry()[name].unit for name in _last}
    rows = [row for row in board() if row[0] in now or any(state != NOT_ATTEMPTED for _, state in row[-1])]
    _show(panel.standing(rows) if rows else panel.note("Nothing checked yet. Run a cell with check(...)."))


def board() -> list[tuple[str, float, float, list[tuple[str, str]]]]:
    """Where a student stands in every unit: (unit, points earned, of how many, [(exercise, state)])."""
    known = {name: pair for name, pair in kept.recall().items() if pair[0] in panel.LOOKS}
    known |= {name: (report.state, report.score) for name, report in _last.items()}
    rows = []
    for unit in sorted({e.unit for e in _registry().values()}):
        own = exercises(unit).values()
        worth = sum(e.points for e in own if not e.bonus)
        earned = sum(e.earned(known[e.name][1]) for e in own if e.name in known)
        earned = round(min(earned, worth), 2)  # a bonus makes up for what was lost
        rows.append((unit, earned, worth, [(e.name, known.get(e.name, (NOT_ATTEMPTED,))[0]) for e in own]))
    return rows


def solution(function) -> None:
    """The course's own answer, once yours passes its check: to compare, not to copy."""
    name = _named(function, None)
    own = exercise(name).solution
    if not _judge(function, name, seed=0).passed:
        _show(panel.note(f"First yours: `solution({name})` shows the course's own once `check({name})` passes."))
        return
    _show(panel.source(name, own.__module__, without_docstring(inspect.getsource(own))))


def yours(function, exercise: str | None = None):
    """Your function if it passes its check; else the package's own, with a line that says so.

    Pictures and experiments use it, so that they can be run before every exercise is solved.
    """
    report = evaluate(_named(function, exercise), function)
    if report.passed:
        return function
    _show(panel.note(f"`{report.exercise}` is {report.state}: the package's own is used here instead of yours."))
    return _registry()[report.exercise].solution
