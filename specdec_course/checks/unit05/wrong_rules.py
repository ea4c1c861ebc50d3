"""Wrong rules for the mask and the bytes: a table (id, what the student reads, the rules that behave so).

Knows: these two exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right (buffers).
"""

from __future__ import annotations

import numpy as np

from .. import observe
from ..ask import whole
from .buffers import _config, _rule, kv_cache_bytes, static_mask


def _places(max_length: int) -> np.ndarray:
    return np.arange(max_length)[None]


def _own(length: int, n_new: int) -> np.ndarray:
    """The place of each new token, as a column."""
    return int(length) + np.arange(n_new)[:, None]


def _right(length, n_new, max_length) -> np.ndarray:
    return _places(max_length) <= _own(length, n_new)


def _without(column):
    def rule(length, n_new, max_length):
        mask = _right(length, n_new, max_length)
        mask[:, column] = False
        return mask

    return rule


def _window(width):
    return lambda length, n_new, max_length: _right(length, n_new, max_length) & ~_right(
        length - width, n_new, max_length)


for _id, _message, _rules in (
    ("not_itself", None,
     (lambda length, n_new, max_length: _places(max_length) < _own(length, n_new),)),
    ("not_causal", None,
     (lambda length, n_new, max_length: np.repeat(_places(max_length) < length + n_new, n_new, 0),)),
    ("stale", None,
     (lambda length, n_new, max_length: _places(max_length) <= 1 + _own(length, n_new),
      lambda length, n_new, max_length: np.repeat(_places(max_length) <= length + n_new, n_new, 0),
      lambda length, n_new, max_length: np.ones((n_new, max_length), bool))),
    ("at_the_end", "Your triangle stands at the end of the buffer. The new tokens stand right behind the text, at the "
     "places length, length + 1, ...: the diagonal moves to the right by length, wherever the buffer ends.",
     (lambda length, n_new, max_length: _right(max_length - n_new, n_new, max_length),
      lambda length, n_new, max_length: (_places(max_length) < length) | _right(max_length - n_new, n_new, max_length)
      & (_places(max_length) >= max_length - n_new))),
    ("no_past", None,
     (lambda length, n_new, max_length: _right(length, n_new, max_length) & (_places(max_length) >= length),)),
    ("first_place_hidden", "Nobody may look at place 0 in your mask. It holds the first token of the text, as good as "
     "any: places count from 0.", (_without(slice(0, 1)),)),
    ("last_place_hidden", "Nobody may look at the last place of the buffer in your mask. Where the buffer is full, a "
     "new token stands there: max_length may be just length + n_new.", (_without(slice(-1, None)),)),
    ("upside_down", "Your rows stand upside down. Row 0 belongs to the first new token, which sees the least.",
     (lambda length, n_new, max_length: _right(length, n_new, max_length)[::-1],)),
    ("empty_buffer", "In an empty buffer your new tokens do not see each other. The first tokens of a text are a text: "
     "each sees those before it.",
     (lambda length, n_new, max_length: _right(length, n_new, max_length) if length else np.eye(
         n_new, max_length, dtype=bool),)),
    ("window", "A token far on does not see the beginning of the text: your mask is a window. All of the text before "
     "it may be looked at.", tuple(map(_window, (8, 16, 32, 64, 128, 256)))),
    ("alone_is_different", "A new token that comes alone may look one place too far, several may not. The rule is the "
     "same for both: up to length + i.",
     (lambda length, n_new, max_length: _right(length + (n_new == 1), n_new, max_length),)),
):
    static_mask.mistake(_id, _message or static_mask.mistakes[_id].message, imitate=_rules)


def _same_shape(rng) -> tuple:
    n_new, max_length = whole(2, 5, rng), whole(200, 2000, rng)
    return (whole(1, 60, rng), n_new, max_length), (whole(70, 190, rng), n_new, max_length)


static_mask.mistake("remembered", observe.MEMORY, observe=observe.from_memory(
    _same_shape, right=lambda answer, *case: np.array_equal(np.asarray(answer), _right(*case))))
static_mask.help(r"non-empty|empty (sequence|TensorList)|at least one array",
                 "n_new may be 0: a mask of no rows, and of max_length columns all the same.")


def _then(change):
    return lambda config, length, batch=1, bytes_per_value=2: change(_rule()(config, length, batch, bytes_per_value))


def _length_as(change):
    return lambda config, length, batch=1, bytes_per_value=2: _rule()(config, change(length), batch, bytes_per_value)


for _id, _message, _rules in (
    ("other_unit", "You count in thousands or millions. Asked for are bytes.",
     tuple(_then(lambda number, unit=unit: number // unit) for unit in (10**3, 10**6, 10**9, 2**10, 2**20, 2**30))),
    ("overflows",
     "Your number is right up to two or four thousand million, and then begins again: it is kept in 32 bits. Count in "
     "plain Python numbers, or in 64 bits.",
     (_then(lambda number: (number + 2**31) % 2**32 - 2**31), _then(lambda number: number % 2**32))),
    ("one_at_least", "An empty cache takes no bytes. You count one position where there is none.",
     (_length_as(lambda length: max(1, length)),)),
    ("whole_pages", "You count positions up to a full page. Asked for is what the positions themselves take.",
     tuple(_length_as(lambda length, page=page: -(-length // page) * page) for page in (8, 16, 32, 64, 128, 256))),
):
    kv_cache_bytes.mistake(_id, _message, imitate=_rules)


def _same_layers(rng) -> tuple:
    layers = whole(1000, 10**6, rng)
    one, other = (_config(rng, num_hidden_layers=layers, num_key_value_heads=heads, head_dim=64) for heads in (2, 5))
    return (one, 10), (other, 10)


kv_cache_bytes.mistake("remembered", observe.MEMORY, observe=observe.from_memory(
    _same_layers, right=lambda answer, *case: int(answer) == _rule()(*case)))
