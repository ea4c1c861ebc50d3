"""The `specdec_course` that students' code imports in the room: the data classes, and otherwise nothing that is an
answer. What a notebook's cells do with the rest (pictures, models, texts) comes to nothing here.

Knows: names. Does not know: the package's functions, but the few that are carried in because they are no exercise;
those of other exercises are lent by the checker, by name.

Stands alone: it is carried into the room.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.abc
import importlib.machinery
import json
import pathlib
import sys
import types

from absent import NotHereWhileGraded

PACKAGE = "specdec_course"
INERT_PACKAGES = (PACKAGE, "google.colab")


class _Module(types.ModuleType):
    """A module of the package: what was carried in, what is lent, and NotHereWhileGraded for everything else."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        own = self._finder.modules.get(self.__name__, ())  # what a package defines hides its module of that name
        if f"{self.__name__}.{name}" in self._finder.modules and name not in own:
            return importlib.import_module(f"{self.__name__}.{name}")
        return self._finder.thing(f"{self.__name__}:{name}")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """`modules`: what each module of the package defines, for `import *`; `lendable`: "module:name" of what is lent;
    `moved`: where the modules of older notebooks are now."""

    def __init__(self, lend, lendable, modules, moved):
        self.lend, self.lendable, self.modules, self.moved, self.carried = lend, lendable, modules, moved, {}

    def homes(self, module: str) -> list[str]:
        """Where the names of a module are, which may be that of an older notebook."""
        short = module.removeprefix(f"{PACKAGE}.")
        return [f"{PACKAGE}.{home}" for home in self.moved[short].split()] if short in self.moved else [module]

    def thing(self, full: str):
        module, _, name = full.partition(":")
        known = (f"{home}:{name}" for home in self.homes(module))
        full = next((one for one in known if one in self.lendable), full)
        return NotHereWhileGraded(full, self.lend(full) if full in self.lendable else None)

    def find_spec(self, name, path=None, target=None):
        if name == "google" or any(name == one or name.startswith(one + ".") for one in INERT_PACKAGES):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = _Module(spec.name)
        homes = self.homes(spec.name)
        carried = {name: kept for home in homes for name, kept in self.carried.get(home, {}).items()}
        names = [name for home in homes for name in self.modules.get(home, ())]
        module.__dict__.update(_finder=self, __all__=names or [*carried], **carried)
        return module

    def exec_module(self, module):
        pass


def install(lend) -> dict[str, type]:
    """Puts the stand-in where imports find it. `lend("module:name")` gives a function that asks the checker to call it.

    Returns the data classes that both sides know, by name.
    """
    import carried

    names, known = json.loads((pathlib.Path(__file__).parent / "names.json").read_text()), vars(carried)
    finder = _Finder(lend, frozenset(names["lendable"]), names["modules"], names["moved"])
    for module, kept in names["carried"].items():
        finder.carried.setdefault(f"{PACKAGE}.{module}", {}).update({name: known[name] for name in kept})
    checks = dict.fromkeys(("check", "hint", "progress", "solution"), _nothing)
    checks["grade"] = lambda function, exercise=None: NotHereWhileGraded("the points of grade()")
    checks["yours"] = _yours(finder)
    finder.carried[f"{PACKAGE}.checks"] = checks
    finder.carried[PACKAGE] = checks | {name: known[name] for name in names["modules"][PACKAGE] if name in known}
    known.update({name: finder.thing(full) for name, full in names["answers"].items()})
    sys.meta_path.insert(0, finder)
    shared = [known[name] for kept in names["carried"].values() for name in kept]
    classes = {kind.__name__: kind for kind in shared if isinstance(kind, type)}
    for kind in classes.values():
        if dataclasses.is_dataclass(kind) and "__call__" in vars(kind):
            _ask_the_check(kind)
    return classes


def _ask_the_check(kind) -> None:
    """Objects of this class that a check hands out ask the check when they are called (`asks`); those that a student's
    code makes do what the class says."""
    own = kind.__call__

    def call(self, *args, **kwargs):
        return own(self, *args, **kwargs) if self.asks is None else self.asks(*args, **kwargs)

    kind.asks, kind.__call__ = None, call


def _nothing(*args, **kwargs):
    return None


def _yours(finder):
    """What the package's `yours` is: a function that is not written yet is the package's, where that is lent."""
    known = {full.rpartition(":")[2]: full for full in finder.lendable}

    def yours(function, exercise=None):
        name = exercise or (function if isinstance(function, str) else getattr(function, "__name__", ""))
        if callable(function) and not _is_stub(function):
            return function
        return finder.thing(known.get(name, f"{PACKAGE}:{name}"))

    return yours


def _is_stub(function) -> bool:
    return "not attempted yet" in getattr(getattr(function, "__code__", None), "co_consts", ())


class _Shell:
    """IPython's shell, as far as magics need one: whatever is asked of it, nothing happens."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return [] if name.startswith("input_transformers") else _nothing


_shell = _Shell()


def display(*shown, display_id=None, **options):
    """IPython's `display`: shows nothing; with an id it gives something that can be told to update."""
    return _Shell() if display_id else None


def get_ipython():
    return _shell
