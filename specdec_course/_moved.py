"""Import paths of version 0.1 that still work: `from specdec_course.profiling import time_call`.

Notebooks that were handed out, and other people's code, name modules by where they stood. Knows where they went; to be
deleted with the next release. Knows nothing of what is in them.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys

PACKAGE = __package__
MOVED = {  # old module -> where its names are now
    "adaptive": "decoding.adaptive",
    "atlas": "corpora.atlas",
    "benchmark": "measure.benchmark",
    "bild": "decoding.bild",
    "conditioned": "cache.conditioned",
    "convert": "models.convert",
    "cuda_suite": "measure.cuda",
    "demo": "cli.demo",
    "doctor": "cli.doctor",
    "engine": "decoding.engine",
    "equality": "measure.equality",
    "fetch": "models.fetch",
    "grading.bonus": "grading.nbgrader.bonus",
    "hub": "models.hub",
    "machine": "measure.machine",
    "nearest": "common.nearest",
    "paths": "common.paths",
    "prediction": "measure.prediction",
    "profiling": "measure.clocks measure.profiles",
    "report": "measure.report",
    "schedules": "decoding.schedules",
    "sources": "models.sources",
    "static": "cache.static",
    "terminal": "cli.terminal",
    "vocabulary": "models.vocabulary",
}


class _OldPaths(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for the old names: modules that are empty but for a `__getattr__` that asks the new ones."""

    def find_spec(self, name, path=None, target=None):
        package, _, old = name.partition(".")
        known = package == PACKAGE and old in MOVED
        return importlib.machinery.ModuleSpec(name, self) if known else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        homes = MOVED[module.__name__.partition(".")[2]].split()

        def get(name):
            if not name.startswith("__"):
                for home in homes:
                    found = importlib.import_module(f"{PACKAGE}.{home}")
                    if hasattr(found, name):
                        return getattr(found, name)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}; it is {homes[0]} now")

        module.__getattr__ = get
        module.__doc__ = f"Moved to {', '.join(f'{PACKAGE}.{home}' for home in homes)}."


def install() -> None:
    """Last of all finders: asked only for what is not there."""
    if not any(isinstance(finder, _OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(_OldPaths())
