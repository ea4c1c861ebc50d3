"""Right and wrong answers to every exercise, written independently of the package: what the checks are tested with."""

import copy
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


    def __post_init__(self):
        code = self._code()
        object.__setattr__(self, "_defaults", copy.deepcopy(code.__defaults__) if _changeable(code) else None)

    def _code(self):
        return self.function.__init__ if isinstance(self.function, type) else self.function

    def as_written(self):
        """The function, with what it gathered in a list of its defaults forgotten."""
        if self._defaults is not None:
            self._code().__defaults__ = copy.deepcopy(self._defaults)
        return self.function


def _changeable(code) -> bool:
    return any(isinstance(one, (list, dict, set)) for one in getattr(code, "__defaults__", None) or ())


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
