"""A student's function seen from outside: what a check calls as if it were here runs in the room.

Knows: how such a thing looks to a check, and what a check may measure of it. Does not know: how a call travels
(`session`), which exercise is judged, how a room is made.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

HIDDEN_MEMORY = 32 << 20  # bytes by which a process may grow without anything having been allocated


class Remote:
    """An object of the student's. Reading an attribute asks the room."""

    def __init__(self, session, place: int, shown: str):
        self.__dict__.update(_session=session, _place=place, _shown=shown)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session.order("get", place=self._place, name=name)

    def __repr__(self):
        return self._shown

    @property
    def __surroundings__(self):
        return Surroundings(self._session)


class RemoteCallable(Remote):
    """A function, class or method of the student's."""

    def __call__(self, *args, **kwargs):
        return self._session.call(self._place, args, kwargs)


def _as(how: str, read):
    """A method that asks the room for the object in a plain form; `read` makes sure that it is one."""
    return lambda self, *args, **kwargs: read(self._session.order("plain", place=self._place, how=how), *args)


def _array(given, *args):
    if not isinstance(given, (np.ndarray, list)):
        raise TypeError("expected an array")
    return np.asarray(given, *args[:1])


TRAITS = {  # what an object of the student's can be read as -> the methods that do so
    "float": {"__float__": _as("float", float)},
    "array": {"__array__": _as("array", _array)},
    "len": {"__len__": _as("len", int)},
    "list": {"__iter__": _as("list", lambda given: iter(list(given)))},
    "item": {"__getitem__": _as("list", lambda given, place: list(given)[place])},
}


@lru_cache(128)
def class_of(name: str, is_callable: bool, traits: frozenset) -> type:
    """The class of a student's object, seen from outside."""
    methods = {method: made for trait in traits if trait in TRAITS for method, made in TRAITS[trait].items()}
    return type(name, (RemoteCallable if is_callable else Remote,), methods)


class Borrowed:
    """Something of the package's own where an answer was due."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self):
        return f"the package's own {self.name[:100]}"


class Surroundings:
    """The room, as checks measure what a student's function costs in it (see `checks.surroundings`)."""

    def __init__(self, session):
        self.session = session

    def cost_of(self, call):
        """As counted inside; memory never less than the process is seen to grow from outside."""
        before = self.session.room.peak_bytes()
        self.session.order("watch", begin=True)
        try:
            answer = call()
        finally:
            counted = self.session.order("watch", begin=False)
            numbers = counted if isinstance(counted, (list, tuple)) else []
            bytes_, calls = numbers if [type(x) for x in numbers] == [int, int] else (0, 0)
        grown = self.session.room.peak_bytes() - before - HIDDEN_MEMORY
        return answer, max(bytes_, grown), calls

    def seconds(self, call) -> float:
        before = self.session.room.cpu_seconds()
        call()
        return self.session.room.cpu_seconds() - before

    def renewed(self, function):
        return self.session.renew()

    def processor(self) -> float:
        return self.session.room.cpu_seconds()

    def way(self, *args) -> tuple[float, float]:
        return self.session.way(args)

    def random_states(self):
        if self.session.random is None:
            self.session.random = self.session.order("random")
        return self.session.random
