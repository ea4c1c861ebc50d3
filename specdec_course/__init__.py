"""Speculative decoding: the course and the package it builds up to.

Importing this loads no torch: every name arrives when it is first used.
"""

from importlib import import_module

from . import _moved

__version__ = "0.1.0"

_HOMES = {
    "load_pair": "models",
    "load_corpus": "corpora",
    "generate": "decoding",
    "Sampling": "sampling",
    "check": "checks",
    "hint": "checks",
    "grade": "checks",
    "progress": "checks",
    "yours": "checks",
}
__all__ = ["Sampling", "check", "generate", "grade", "hint", "load_corpus", "load_pair", "progress", "yours"]

_moved.install()


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOMES])
