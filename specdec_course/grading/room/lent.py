"""Things that a check lends: they stay outside, and look in the room like what they are.

Knows: how a lent function, model or dice has to look so that honest code can use it. Does not know: how a question
travels (`ask` does that). Stands alone: it is carried into the room.
"""

from __future__ import annotations

import torch


class Lent:
    """Something outside that a check lends: calls go out, and what comes back was made there."""

    def __init__(self, ask, classes, form):
        self.__dict__.update(_ask=ask, _classes=classes)
        self.__dict__.update(zip(("_place", "_methods", "_attributes", "_kind"), form[1:], strict=True))

    @property
    def __class__(self):
        """What `isinstance` is told."""
        return self._classes["Dice"] if "roll" in self._methods else type(self)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError(f"cannot pickle '{self._kind}' object")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._methods:
            return lambda *args, **kwargs: self._ask(self._place, name, args, kwargs)
        if name in self._attributes:
            return self._ask(self._place, name, (), {}, read=True)
        raise AttributeError(f"'{self._kind}' object has no attribute '{name}'")

    def __repr__(self):
        return f"<{self._kind}>"


class LentCallable(Lent):
    def __call__(self, *args, **kwargs):
        return self._ask(self._place, "__call__", args, kwargs)


class LentModel(torch.nn.Module):
    """A model that a check lends is a model here too: it can be moved, set to eval, asked for its parameters."""

    def __init__(self, lent):
        super().__init__()
        self.__dict__["_lent"], self.training = lent, False
        self.weight = torch.nn.Parameter(torch.zeros(0), requires_grad=False)

    def forward(self, *args, **kwargs):
        return self._lent(*args, **kwargs)

    def __getattr__(self, name):
        if name in self.__dict__["_lent"]._attributes:
            return getattr(self._lent, name)
        try:
            return super().__getattr__(name)
        except AttributeError as error:
            allowed = "while your work is graded, a model can be called, moved, and asked for its config"
            raise AttributeError(f"{error}: {allowed}") from None


def lent(ask, classes, form):
    """A thing that is lent. A mere function looks like one: it has a code, a signature, attributes of its own."""
    made = (LentCallable if "__call__" in form[2] else Lent)(ask, classes, form)
    if "forward" in form[2]:
        return type(form[4], (LentModel,), {})(made)
    if form[2] != ["__call__"] or form[3]:
        return made

    def function(*args, **kwargs):
        return made(*args, **kwargs)

    function.__name__ = function.__qualname__ = form[4]
    return function
