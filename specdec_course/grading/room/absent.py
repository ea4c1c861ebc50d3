"""Something of the course's package that is not in the room, and what becomes of code that uses it.

In a cell it does nothing, and gives more of itself: pictures, models and texts cost nobody a mark. In a function that
is judged its arithmetic is an error that names it, for an answer that is made of nothing would be told nothing.

Knows: nothing but names. Stands alone: it is carried into the room.
"""

from __future__ import annotations

import contextlib

_seen = {"uses": 0, "calls": 0, "judging": False}


def uses() -> int:
    """How often such a thing has been used so far."""
    return _seen["uses"]


def calls() -> int:
    """How often such a thing has been called so far: what came of it may be anywhere by now."""
    return _seen["calls"]


@contextlib.contextmanager
def judging():
    """Inside, a function of the student's is being judged."""
    before, _seen["judging"] = _seen["judging"], True
    try:
        yield
    finally:
        _seen["judging"] = before


class NotHereWhileGraded:
    """Something of the package that is not here."""

    __array_ufunc__ = None  # numpy leaves its operators to us

    def __init__(self, name: str, lend=None):
        _seen["uses"] += 1
        self.__dict__.update(_name=name, _lend=lend, __name__=name.rpartition(".")[2].rpartition(":")[2])

    def __call__(self, *args, **kwargs):
        if self._lend is not None:
            return self._lend(*args, **kwargs)
        _seen["calls"] += 1
        return NotHereWhileGraded(self._name + "()")

    def __mro_entries__(self, bases):
        """A class of the student's may be built on it; its objects are as absent."""
        return (type(self.__name__, (), {"__init__": lambda made, *args, **kwargs: _not_judged(self),
                                         "__getattr__": lambda made, name: getattr(self, name)}),)

    def __getattr__(self, name):
        if name.startswith("__") or name.startswith("_repr_") or name.startswith("_ipython_"):
            raise AttributeError(name)
        return NotHereWhileGraded(f"{self._name}.{name}")

    def __setattr__(self, name, value):
        pass

    def __setitem__(self, key, value):
        pass

    def __iter__(self):
        _seen["uses"] += 1
        return iter(())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def __getitem__(self, key):
        return NotHereWhileGraded(f"{self._name}[...]")

    def __contains__(self, item):
        return False

    def __len__(self):
        _seen["uses"] += 1
        return 0

    def __bool__(self):
        _seen["uses"] += 1
        return False

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError(f"{self!r} cannot be stored")

    def __format__(self, how):
        return repr(self)

    def __repr__(self):
        return f"<{self._name}, which is not here while your work is graded>"

    __hash__ = object.__hash__

    @classmethod
    def __torch_function__(cls, function, kinds, args=(), kwargs=None):
        if _seen["judging"]:
            raise TypeError(f"{getattr(function, '__name__', 'torch')}() was given a {cls.__name__}: {_first(args)!r}")
        return NotHereWhileGraded(f"{getattr(function, '__name__', 'torch')}(...)")


def _not_judged(thing) -> None:
    if _seen["judging"]:
        raise TypeError(f"built on a {type(thing).__name__}: {thing!r}")


def _first(args):
    """The first such thing among arguments, and in their lists."""
    for one in args:
        if isinstance(one, NotHereWhileGraded):
            return one
        if isinstance(one, (list, tuple)) and (found := _first(one)) is not None:
            return found
    return None


def _compared(self, other):
    return NotHereWhileGraded(f"({self._name} compared)")


def _reckoned(self, *others):
    return NotImplemented if _seen["judging"] else NotHereWhileGraded(f"({self._name} ...)")


def _negated(self, *more):
    if _seen["judging"]:
        raise TypeError(f"bad operand type: {type(self).__name__}, {self!r}")
    return NotHereWhileGraded(f"({self._name} ...)")


for _name in "eq ne lt le gt ge".split():
    setattr(NotHereWhileGraded, f"__{_name}__", _compared)
for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split():
    setattr(NotHereWhileGraded, f"__{_name}__", _reckoned)
    setattr(NotHereWhileGraded, f"__r{_name}__", _reckoned)
for _name in "neg pos abs invert round".split():
    setattr(NotHereWhileGraded, f"__{_name}__", _negated)
