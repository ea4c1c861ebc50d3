"""An exercise as data: what it is worth, its hints, the parts of its check, the mistakes it can name; and a verdict.

Knows: how these are declared. Does not know: how a check is run (engine), what a student's function is (subject).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

NOT_ATTEMPTED, RIGHT, PARTLY, WRONG = "not attempted", "right", "partly right", "wrong"
NOT_JUDGED = "not judged"  # a class is graded, and there was no time left for this one


@dataclass(frozen=True)
class Part:
    """`rests_on`: words of the contract, or of the notebook around it, that ask for what this part checks."""

    name: str
    weight: float
    run: Callable  # (student: Subject, rng: torch.Generator) -> None
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """`imitate`: wrong rules that behave like it. `observe(student, rng)`: whether it is seen when looked for."""

    id: str
    message: str
    imitate: tuple[Callable, ...] = ()
    observe: Callable | None = None


@dataclass(frozen=True)
class Report:
    """The verdict on one function. `score` in [0, 1]; `diagnosis` the id of the recognised mistake, or None;
    `message` what the student reads; `parts` (name, passed) in order; `figures` what was measured, by name."""

    exercise: str
    state: str
    score: float
    message: str
    diagnosis: str | None = None
    parts: tuple[tuple[str, bool], ...] = ()
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.state == RIGHT


def ticked(name: str, passed: bool) -> str:
    """A line of the list of parts: a statement about the answer, with a tick or a cross."""
    return f"  {'✓' if passed else '✗'} {name}"


@dataclass(eq=False)
class Exercise:
    """One exercise: what it is worth, its hints, the parts of its check and the mistakes that it can name.

    While a class is graded, answers to later exercises may call the package's own function where it is `lent`. It runs
    outside the room: hence only functions whose work is bounded by what they are given, and `largest` is the largest
    number that they are asked about. Those of whose answers it is most (`nearly`, by name) do not get it.
    `answers_none`: None is an answer, and not a `return` that was forgotten.
    `seconds`: of processor time that its check may take, where that is more than others may (`common.budget`).
    """

    name: str
    unit: str
    points: float
    reference: str
    hints: tuple[str, str]
    difficulty: int = 2
    minutes: int = 10
    bonus: bool = False
    lent: bool = False
    largest: float = math.inf
    nearly: tuple[str, ...] = ()
    answers_none: bool = False
    seconds: float = 0.0
    slip: str = ""  # a wrong answer as students write it, as text: for sample classes
    parts: list[Part] = field(default_factory=list)
    mistakes: dict[str, Mistake] = field(default_factory=dict)
    helps: list[tuple[str, str]] = field(default_factory=list)
    arguments: dict[str, Callable] = field(default_factory=dict)

    def part(self, name: str, weight: float = 1.0, rests_on: str | tuple[str, ...] = ()):
        """Decorator: adds `part(student, rng)` to the check. `name` is a statement about an answer that passes it."""
        words = (rests_on,) if isinstance(rests_on, str) else tuple(rests_on)

        def add(run):
            self.parts.append(Part(name, weight, run, words))
            return run

        return add

    def argument(self, name: str):
        """Decorator: adds `pair(student, rng)`, two things that differ in every answer that looks at this argument.
        Only needed where an argument is no number or text (see `blind`)."""

        def add(pair):
            self.arguments[name] = pair
            return pair

        return add

    def mistake(self, id: str, message: str, imitate: Callable | tuple[Callable, ...] | None = None,
                observe: Callable | None = None) -> None:
        """Names a mistake; `imitate` is a wrong rule that behaves like it, or several (more specific ones first);
        `observe(student, rng)` asks questions of its own, and is true only of an answer with this mistake."""
        rules = imitate if isinstance(imitate, tuple) else (imitate,) if imitate else ()
        self.mistakes[id] = Mistake(id, message, rules, observe)

    def help(self, pattern: str, text: str) -> None:
        """Text shown under a student's own exception when `pattern` is found in "TypeName: message"."""
        self.helps.append((pattern, text))

    def earned(self, score: float) -> float:
        """The points for this share of the exercise: a plain float, with two decimals at most."""
        return float(min(self.points, max(0.0, round(self.points * score, 2))))

    @property
    def solution(self) -> Callable:
        """The package's own function."""
        module, _, name = self.reference.partition(":")
        return getattr(importlib.import_module(module), name)
