"""A class of synthetic students, the same for the same seed: right, partly right, wrong, broken and hostile ones.

Knows: the answers of tests/answers as a student would write them into a cell, and the hostile submissions. Does not
know: grading. A course may have any number of students; about half of them have solved everything.
"""

from __future__ import annotations

import ast
import inspect
import random
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from answers import all_answers

from specdec_course.checks import exercises
from specdec_course.grading.sample_class import filled_in

from . import UNIT, Ground, all_cases
from .school import COURSE, MATES, release, right_answers
from .sheets import hand_in

SHARES = {"right": 0.50, "partly right": 0.25, "wrong": 0.10, "broken": 0.05, "hostile": 0.10}
HONEST_KINDS = ("right", "partly right", "wrong")
LOOPS = ("1a", "2a", "43a", "44b")  # a handful of those that end by their time only; each once
SLEEPERS = ("1b", "1c", "2b", "27d", "43b", "39w")  # and none of these


def kinds(count: int, seed: int) -> list[str]:
    """The kind of each student, in a mixed order."""
    found = [kind for kind, share in SHARES.items() for _ in range(round(share * count))]
    found = (found + ["right"] * count)[:count]
    random.Random(seed).shuffle(found)
    return found


def write_synthetic_class(submitted: Path, count: int, seed: int = 0, unit: str = UNIT, course: Path = COURSE):
    """Writes `<submitted>/<student>/<unit>/`; returns {student: kind}. Hostile ones are there for unit 03 only."""
    rng, students = random.Random(f"{seed} answers"), {}
    cases = [case for case in all_cases() if case.unit == unit and case.number not in (*LOOPS, *SLEEPERS)]
    broken = [case for case in cases if case.number[:2] in ("20", "21", "22", "23", "24", "25", "26", "45")]
    hostile = [case for case in cases if case not in broken and not case.harmful]
    loops = [case for case in all_cases() if case.unit == unit and case.number in LOOPS]
    root, mate = submitted.parent, submitted / MATES[0] / unit / f"{unit}.ipynb"
    ground = Ground(unit, release(course, unit), right_answers(course, unit), submitted, root, course,
                    root / "gradebook.db", mate, root / "canary.txt")
    for number, kind in enumerate(kinds(count, seed)):
        student = f"s{number:03d}-{kind.replace(' ', '-')}"
        own = replace(ground, folder=submitted / student / unit)
        chosen = {"broken": broken, "hostile": hostile}.get(kind)
        if kind == "hostile" and loops:
            loops.pop().build(own)
        elif chosen and not _needs_a_mate(case := rng.choice(chosen)):
            case.build(own)
        else:
            hand_in(own, filled_in(ground.release, some_answers(unit, kind, rng)))
        students[student] = kind
    return students


def write_honest(submitted: Path, count: int, seed: int = 0, unit: str = UNIT, course: Path = COURSE) -> dict:
    """Writes honest students only: {student: {exercise: (lowest, highest) share of its points that is right}}."""
    rng, dues, root = random.Random(f"{seed} honest"), {}, submitted.parent
    ground = Ground(unit, release(course, unit), right_answers(course, unit), submitted, root, course,
                    root / "gradebook.db", submitted, root / "canary.txt")
    for number, kind in enumerate(rng.choices(HONEST_KINDS, [SHARES[kind] for kind in HONEST_KINDS], k=count)):
        student, given = f"s{number:03d}-{kind.replace(' ', '-')}", some_answers(unit, kind, rng)
        hand_in(replace(ground, folder=submitted / student / unit), filled_in(ground.release, given))
        dues[student] = {name: (1.0, 1.0) if given.get(name) in rights else (0.0, 0.999 if name in given else 0.0)
                         for name, (rights, _) in exercise_answers(unit).items()}
    return dues


def _needs_a_mate(case) -> bool:
    return case.number in ("28a", "28f", "28h")


def some_answers(unit: str, kind: str, rng: random.Random) -> dict[str, str]:
    """Answers of one student: {exercise: text of the cell}; what is left out stays the stub."""
    given = {}
    for name, spread in exercise_answers(unit).items():
        rights, wrongs = spread
        good = kind not in ("partly right", "wrong") or (kind == "partly right" and rng.random() < 0.6)
        if good or not wrongs:
            given[name] = rng.choice(rights)
        elif rng.random() < 0.7:
            given[name] = rng.choice(wrongs)
    return given


@cache
def exercise_answers(unit: str) -> dict[str, tuple[list[str], list[str]]]:
    """{exercise: (right answers, wrong answers)} of a unit, as texts."""
    found = {name: ([], []) for name in exercises(unit)}
    for answer in all_answers():
        if answer.exercise in found and _written_out(answer.function):
            found[answer.exercise][0 if answer.right else 1].append(cell_text(answer.function, answer.exercise))
    return found


def _written_out(function) -> bool:
    """Whether the function has a text of its own; some mutants are made by a factory."""
    made = [node for node in _tree(function.__module__).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return function.__name__ in [node.name for node in made]


def cell_text(function, exercise: str) -> str:
    """A function of tests/answers as it stands in a notebook's cell: under the exercise's name, with its imports and
    the helpers that it uses."""
    tree = _tree(function.__module__)
    defined = {name: node for node in tree.body for name in _binds(node)}
    imports = {name: node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))
               and getattr(node, "module", None) != "answers"  # the marks: no student has them
               for name in (alias.asname or alias.name.partition(".")[0] for alias in node.names)}
    wanted, todo = [], [function.__name__]
    while todo:
        name = todo.pop()
        node = defined.get(name) or imports.get(name)
        if node is not None and node not in wanted:
            wanted.append(node)
            todo += [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    lines = []
    for node in tree.body:  # in the order of the file
        if node in wanted:
            lines.append(ast.unparse(_renamed(node, function.__name__, exercise)))
    return "\n\n".join(lines) + "\n"


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))


def _binds(node) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _renamed(node, old: str, new: str):
    """A copy of a top-level statement without the marks of tests/answers, `old` called `new`."""
    node = ast.parse(ast.unparse(node)).body[0]
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        node.decorator_list = [d for d in node.decorator_list if not _is_mark(d)]
        node.name = new if node.name == old else node.name
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id == old:
            inner.id = new
    return node


def _is_mark(decorator) -> bool:
    return isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") in ("right", "wrong")
