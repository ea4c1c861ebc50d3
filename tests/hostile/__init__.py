"""Submissions that try to break, fool or outlive the grader, and odd ones that are innocent: each a small builder.

Knows: which submissions there are, how each is written to disk and what each deserves. Does not know: how they are
graded (tests/test_hostile.py, tests/bench_grading.py).

The numbers are those of the list "What the test suite must throw at it"; a letter behind it is a variant. In every
submission all exercises but the attacked one are answered rightly, so a mark can be compared to the point. The
attacks mean it, but none could hurt the machine of somebody whose grader lets them out: bombs have a bound, and files
are deleted in the class's own temporary folder only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

UNIT = "03_greedy_verification"
MARK = "specdec-hostile"  # in the name of every file and process that a submission may leave behind


@dataclass(frozen=True)
class Expect:
    """What a submission deserves.

    `points`: the share of an exercise's points, or (lowest, highest) where several marks are right; an exercise that
    is not named is due in full, "*" stands for all. `message`: a pattern found in what the student reads about these
    exercises, in the remarks or in the problem. `graded`: False when nothing in it can be graded, None when both are
    right. `never`: a pattern that must not be found there. `rule`: why the mark is right, where that is not plain.
    """

    points: dict = field(default_factory=dict)
    message: str = r"\S"
    graded: bool | None = True
    rule: str = ""
    never: str = r"canary-[0-9a-f]"

    @property
    def innocent(self) -> bool:
        return not self.points and self.graded is True


@dataclass(frozen=True)
class Ground:
    """What a builder has at hand: the students' notebook, right answers, the folder to fill; and what a well-informed
    attacker may know: where the class, the course and the grade book lie, and a port on which the test listens."""

    unit: str
    release: object
    answers: dict
    folder: Path
    class_root: Path
    course: Path
    book: Path
    classmate: Path
    canary: Path
    port: int = 9


@dataclass(frozen=True)
class Case:
    number: str
    title: str
    expect: Expect
    build: Callable[[Ground], None]
    unit: str = UNIT
    harmful: bool = False  # it could slow down or fill the machine where nothing holds it

    @property
    def student(self) -> str:
        return STUDENTS.get(self.number, f"h{self.number.zfill(3)}")


# Names that a university really has, and names that somebody thought funny. (None in a row that stands first for its
# number: what another grader makes of that row must not be due to the name.)
STUDENTS = {
    "8b": "Zoë Müller-Ångström",
    "18e": ".dot",
    "20d": "a b  c",
    "21b": "李小龍",
    "22b": "o'brien; rm -rf ~",
    "29b": "<b>bold<b>",
    "35d": "-rf",
    "45b": "[a-z]*",
}

CASES: dict[str, Case] = {}


def case(number: str, title: str, expect: Expect, unit: str = UNIT, harmful: bool = False):
    """Decorator: enters `build(ground)` into the table."""

    def add(build):
        if number in CASES:
            raise ValueError(f"there are two submissions {number}: {CASES[number].title} and {title}")
        CASES[number] = Case(number, title, expect, build, unit, harmful)
        return build

    return add


def all_cases() -> list[Case]:
    """Every submission, in the order of the list."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return sorted(CASES.values(), key=lambda c: (int("".join(filter(str.isdigit, c.number))), c.number))
