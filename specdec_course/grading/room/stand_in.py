"""The `specdec_course` that students' code imports in the room: the data classes, and otherwise nothing that is an
answer. What a notebook's cells do with the rest (pictures, models, texts) comes to nothing here.

Knows: names. Does not know: any function of the package; those of other exercises are lent by the checker, by name.

Stands alone: it is carried into the room.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import pathlib
import sys
import types

PACKAGE = "specdec_course"
INERT_PACKAGES = (PACKAGE, "google.colab")


class NotHereWhileGraded:
    """Something of the package that is not here. Outside of a function it does nothing at all, and gives more of it."""

    def __init__(self, name: str, lend=None):
        self.__dict__.update(_name=name, _lend=lend, __name__=name.rpartition(".")[2].rpartition(":")[2])

    def __call__(self, *args, **kwargs):
        if self._lend is not None:
            return self._lend(*args, **kwargs)
        return NotHereWhileGraded(self._name + "()")

    def __mro_entries__(self, bases):
        return (object,)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return NotHereWhileGraded(f"{self._name}.{name}")

    def __setattr__(self, name, value):
        pass

    def __iter__(self):
        return iter(())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def __getitem__(self, key):
        return NotHereWhileGraded(f"{self._name}[...]")

    def __len__(self):
        return 0

    def __bool__(self):
        return False

    def __format__(self, how):
        return repr(self)

    def __repr__(self):
        return f"<{self._name}, which is not here while your work is graded>"


class _Module(types.ModuleType):
    """A module of the package: what was carried in, what is lent, and NotHereWhileGraded for everything else."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self.__name__}:{name}"
        return NotHereWhileGraded(full, self.__dict__["_lend"](full) if full in self.__dict__["_lendable"] else None)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, lend, lendable):
        self.lend, self.lendable, self.carried = lend, lendable, {}

    def find_spec(self, name, path=None, target=None):
        if name == "google" or any(name == one or name.startswith(one + ".") for one in INERT_PACKAGES):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = _Module(spec.name)
        module.__dict__.update(_lend=self.lend, _lendable=self.lendable, **self.carried.get(spec.name, {}))
        return module

    def exec_module(self, module):
        pass


def install(lend) -> dict[str, type]:
    """Puts the stand-in where imports find it. `lend("module:name")` gives a function that asks the checker to call it.

    Returns the data classes that both sides know, by name.
    """
    import carried

    names = json.loads((pathlib.Path(__file__).parent / "names.json").read_text())
    finder = _Finder(lend, frozenset(names["lendable"]))
    for module, kept in names["carried"].items():
        finder.carried.setdefault(f"{PACKAGE}.{module}", {}).update({name: vars(carried)[name] for name in kept})
    checks = dict.fromkeys(("check", "hint", "grade", "progress"), _nothing)
    checks["yours"] = lambda function, exercise=None: function
    finder.carried[f"{PACKAGE}.checks"] = checks
    finder.carried[PACKAGE] = checks | {"Sampling": carried.Sampling}
    sys.meta_path.insert(0, finder)
    shared = [*names["caches"], *(name for kept in names["carried"].values() for name in kept)]
    return {name: vars(carried)[name] for name in shared if isinstance(vars(carried)[name], type)}


def _nothing(*args, **kwargs):
    return None


class _Shell:
    """IPython's shell, as far as magics need one: whatever is asked of it, nothing happens."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return [] if name.startswith("input_transformers") else _nothing


_shell = _Shell()


def get_ipython():
    return _shell
