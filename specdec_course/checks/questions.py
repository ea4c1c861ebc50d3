"""A call as a question: what was asked, by the names of the arguments, where it is numbers and texts.

Knows: which values can be changed one by one and asked about again. Does not know: who asks, or what is right.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from . import example, values
from .errors import Call

LARGEST = 2000  # numbers in a question


def plain_question(function: Callable, call: Call) -> dict | None:
    """What was asked as {name of the argument: value}, defaults too; None where it is not numbers and texts alone, has
    too many of them, or is no question to `function`."""
    given = *call.args, *call.kwargs.values()
    if any(map(callable, given)) or not all(map(values.is_plain, given)) or example.size(call) > LARGEST:
        return None
    try:
        bound = inspect.signature(function).bind(*call.args, **call.kwargs)
    except TypeError:  # of a method, say
        return None
    bound.apply_defaults()
    return dict(bound.arguments)
