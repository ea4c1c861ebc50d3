"""Right and wrong answers to every exercise, written independently of the package: what the checks are tested with."""

import importlib
import pkgutil
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    exercise: str
    function: object
    right: bool
    named: str | None = None
    says: str | None = None

    @property
    def id(self):
        return f"{self.exercise}-{'right' if self.right else 'wrong'}-{self.function.__name__}"


ANSWERS: list[Answer] = []


def right(exercise):
    """Marks a correct answer: the check has to pass it."""

    def add(function):
        ANSWERS.append(Answer(exercise, function, True))
        return function

    return add


def wrong(exercise, named=None, says=None):
    """Marks a mutant: the check has to fail it, when `named` to recognise it as that mistake, and when `says` to state
    its cause in these words: where the first message does so, and no id is needed."""

    def add(function):
        ANSWERS.append(Answer(exercise, function, False, named, says))
        return function

    return add


def all_answers():
    """Every answer of every unit_NN module in this folder."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return ANSWERS
