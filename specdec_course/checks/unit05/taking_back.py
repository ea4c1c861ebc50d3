"""rollback: what is right on caches of this transformers and of others, and the mistakes that can be named.

Knows: how a cache is filled and read, this version's and those of `stages.caches`. Does not know: models, loops.
"""

from __future__ import annotations

import contextlib

import torch

from ..errors import Wrong
from ..exercise import Exercise
from ..stages.caches import Layers, Lists, Strict
from ..subject import reading

rollback = Exercise(
    "rollback", unit="05", points=1, difficulty=1, minutes=8,
    reference="specdec_course.cache:rollback",
    lent=True,
    hints=(
        "What does `keys[..., :-n, :]` give for n = 3? And for n = 0?",
        "Ask cache.get_seq_length() first, and raise ValueError if n is not in 0 ... that many. For n = 0 return at "
        "once. Everything else is cache.crop(-n): with a minus, it means 'drop n' in every version.",
    ),
)
rollback.help(r"'key_cache'|'value_cache'", "Only old versions have the lists key_cache and value_cache.")
rollback.help(r"has no attribute 'layers'", "Old versions have lists key_cache and value_cache instead of layers.")
rollback.help(r"ot subscriptable|values to unpack",
              "A cache is an object with layers, not a list of (key, value) pairs.")


BATCH_AND_HEADS, D = (2, 3), 4  # what stands before and behind the positions


def _current():
    from transformers import DynamicCache

    return DynamicCache()


def _fill(cache, rng, positions: int, layers: int = 3) -> list[torch.Tensor]:
    """Appends random keys and values to every layer; returns them, keys and values in turn."""
    new = [torch.randn(*BATCH_AND_HEADS, positions, D, generator=rng) for _ in range(2 * layers)]
    try:
        for i in range(layers):
            cache.update(new[2 * i].clone(), new[2 * i + 1].clone(), i)
    except Exception as error:  # whatever was done to its tensors
        raise Wrong(f"After your rollback the cache cannot be filled again ({type(error).__name__}).") from None
    return new


def _held(cache) -> list[torch.Tensor]:
    """What the cache holds, keys and values in turn; an emptied or forgotten layer holds nothing."""
    with reading("a cache whose layers hold keys and values, [batch, heads, positions, d]"):
        return [one if (*one.shape[:-2], one.shape[-1]) == (*BATCH_AND_HEADS, D) else _torn(one)
                for one in _tensors(cache)]


def _torn(one):
    raise Wrong(f"After your rollback a tensor has shape {list(one.shape)}. Only its positions, the last but one axis, "
                f"may become fewer; the others stay {BATCH_AND_HEADS} and {D}.", mistake="wrong_axis")


def _tensors(cache, layers: int = 3) -> list[torch.Tensor]:
    nothing, found = torch.zeros(*BATCH_AND_HEADS, 0, D), []
    for i in range(layers):
        if hasattr(cache, "layers"):
            layer = cache.layers[i] if i < len(cache.layers) else None
            pair = (getattr(layer, "keys", None), getattr(layer, "values", None))
        else:
            lists = (cache.key_cache, cache.value_cache)
            pair = tuple(one[i] if i < len(one) else None for one in lists)
        found += [nothing if one is None or _emptied(one) else one for one in pair]
    return found


def _emptied(one) -> bool:
    """Whether a tensor holds no position; one that lost its heads holds nothing either, and is torn."""
    return one.numel() == 0 and (one.dim() != 4 or one.shape[-2] == 0)


def _judge(cache, before: list[torch.Tensor], n: int) -> None:
    """Raises Wrong unless the cache holds what it held before, less the last n positions."""
    after, held = _held(cache), before[0].shape[-2]
    lengths = [one.shape[-2] for one in after]
    wanted = held - n
    if all(torch.equal(one, old[..., :wanted, :]) for one, old in zip(after, before, strict=True)):
        return
    if len(set(lengths)) > 1:
        raise _unequal(lengths, wanted)
    from_the_front = n and any(torch.equal(one, old[..., n:, :]) for one, old in zip(after, before, strict=True))
    if lengths[0] == wanted and not from_the_front:
        pairs = zip(after[1::2], before[::2], strict=True)
        copied = all(torch.equal(one, old[..., :wanted, :]) for one, old in pairs)
        raise Wrong("The number of positions is right, but keys or values at them are not what they were.",
                    mistake="keys_for_values" if copied else None)
    if lengths[0] == wanted:
        raise Wrong("The number of positions is right, but they are not the first ones: drop the *last* n.",
                    mistake="wrong_end")
    if n == 0:
        raise Wrong("A rollback by 0 has to leave everything as it is.",
                    mistake="zero_empties" if lengths[0] == 0 else None)
    if lengths[0] == held and not all(map(torch.equal, after, before)):
        raise Wrong(f"After a rollback by {n} the cache still holds all {held} positions, with other numbers in them.",
                    mistake="overwritten")
    for length, message, mistake in (
        (held, f"After a rollback by {n} the cache still holds all {held} positions.", "nothing_dropped"),
        (n, f"After a rollback by {n} of {held} the cache holds {n}: you keep n positions instead of dropping n.",
         "keeps_n"),
        (wanted - 1, f"A rollback by {n} drops {n + 1}.", "one_too_many"),
        (wanted + 1, f"A rollback by {n} drops {n - 1}.", "one_too_few"),
        (0, f"A rollback by {n} of {held} empties the cache.", "empties"),
        (held - 1, f"After a rollback by {n} of {held} the cache holds {held - 1} positions.", "always_one"),
    ):
        if lengths[0] == length:
            raise Wrong(message, mistake=mistake)
    raise Wrong(f"After a rollback by {n} of {held} the cache holds {lengths[0]} positions.")


def _unequal(lengths: list[int], wanted: int) -> Wrong:
    """Some tensors were cut and others were not."""
    keys, values = lengths[::2], lengths[1::2]
    if len(set(keys)) == 1 and len(set(values)) == 1:
        return Wrong("After your rollback there are more values than keys, or fewer: both have to be cut.",
                     mistake="one_of_two")
    return Wrong("After your rollback the layers hold different numbers of positions.",
                 mistake="one_layer" if wanted in lengths else None)


def _call(student, cache, n: int) -> None:
    """Rolls the cache back with the student's function."""
    held = cache.get_seq_length()
    try:
        student.does(cache, n)
    except Wrong as wrong:
        message = f"{wrong.message}\nThe cache holds {held} positions; n = {n} is allowed."
        raise Wrong(message, mistake="plus_n" if "positive value" in wrong.message else None) from None


@rollback.part("the last n positions go, in every layer, keys and values", weight=2, rests_on=(
    "Drops the last n positions of a key-value cache, in every layer, keys and values alike. In place."))
def _(student, rng):
    for held, n in ((8, 3), (9, 2), (6, 1), (8, 7)):
        cache = _current()
        before = _fill(cache, rng, held)
        _call(student, cache, n)
        _judge(cache, before, n)


@rollback.part("n = 0 changes nothing", weight=1, rests_on="n: how many positions to drop; 0 changes nothing")
def _(student, rng):
    for make in (_current, Lists, Layers):
        cache = make()
        before = _fill(cache, rng, 5)
        _call(student, cache, 0)
        _judge(cache, before, 0)
    cache = _current()
    before = _fill(cache, rng, 5)
    with contextlib.suppress(Wrong):  # what goes wrong there is another part's question
        _call(student, cache, 2)
    if all(map(torch.equal, _tensors(cache), before)):  # whoever never does anything leaves all as it is, too
        raise Wrong("After a rollback by 2 of 5 the cache still holds all 5 positions.", mistake="nothing_dropped")


@rollback.part("n = all empties it, and it can be filled again", weight=1, rests_on="the cache's length empties it")
def _(student, rng):
    cache = _current()
    before = _fill(cache, rng, 6)
    _call(student, cache, 6)
    _judge(cache, before, 6)
    before = _fill(cache, rng, 4)
    _judge(cache, before, 0)
    _call(student, cache, 1)
    _judge(cache, before, 1)


@rollback.part("caches of other versions, older and newer", weight=1, rests_on="a transformers cache of any version")
def _(student, rng):
    for make in (Strict, Lists, Layers):
        for held, n in ((7, 2), (5, 5), (9, 6)):
            cache = make()
            before = _fill(cache, rng, held)
            _call(student, cache, n)
            _judge(cache, before, n)


@rollback.part("more than it holds is refused, and less than nothing", weight=1, rests_on=(
    "Raises ValueError when n is negative or more than the cache holds; the cache is then as it was."))
def _(student, rng):
    for held, n in ((4, 5), (3, 9), (4, -1), (5, -3)):
        cache = _current()
        before = _fill(cache, rng, held)
        if not _refuses(student, cache, n):
            raise Wrong(f"The cache holds {held} positions and {n} should be dropped: raise ValueError.",
                        mistake="not_refused" if n > 0 else "negative")
        if not all(torch.equal(one, old) for one, old in zip(_held(cache), before, strict=True)):
            raise Wrong("Your function raises ValueError, but it has already changed the cache by then. Look at n "
                        "first.")


def _refuses(student, cache, n: int) -> bool:
    """Whether the student's own words refuse n; what the cache itself raises about a wrong sign does not count."""
    try:
        return student.raises(ValueError, cache, n)
    except Wrong as wrong:
        raise Wrong(f"{wrong.message}\nFor n = {n} your function should raise a ValueError.") from None


for _id, _message in (
    ("zero_empties",
     "A rollback by 0 empties your cache. `keys[..., :-0, :]` is `keys[..., :0, :]`, which is nothing, and crop(0) "
     "empties the cache of older versions too. Treat n = 0 first."),
    ("keeps_n",
     "You keep n positions instead of dropping n. crop(+n) of older versions cuts the cache *to* n; crop(-n) drops n."),
    ("plus_n",
     "You call crop with a positive number. In old versions that meant 'keep so many', now it is an error. crop(-n) "
     "drops n, in every version."),
    ("one_too_many", "You drop one position too many."),
    ("one_too_few", "You drop one position too few."),
    ("nothing_dropped",
     "Nothing is dropped. Cut the positions, the last axis but one (`[..., :length, :]`). A slice is a new tensor, and "
     "a copy another cache: what is cut has to be put back into the layer that was given (`layer.keys = ...`)."),
    ("empties",
     "You throw everything away. Only the last n positions were wrong; the others were expensive to compute."),
    ("overwritten",
     "The last positions are overwritten, not dropped: they are still there, and count. Cut them off: "
     "`layer.keys = layer.keys[..., :length, :]`."),
    ("always_one", "You drop one position where n of them should go."),
    ("keys_for_values", "Your values are the keys. Each layer has two tensors: cut each of them, from itself."),
    ("wrong_end",
     "You drop the first positions, of the keys, the values or both. The rejected tokens are the newest ones, at the "
     "end."),
    ("one_layer",
     "You cut some layers and not others. Every layer has keys and values of its own, and all have to stay equally "
     "long."),
    ("wrong_axis",
     "You cut along another axis, or along one more. Keys are [batch, heads, positions, d]: `keys[..., :length, :]`."),
    ("one_of_two", "You cut the keys or the values, but not both."),
    ("not_refused",
     "More positions than the cache holds cannot be dropped. Something went wrong in the caller: say so with a "
     "ValueError instead of quietly doing something else."),
    ("negative",
     "A negative n is not refused. Look at both ends of 0 ... held: a question about `n > held` alone lets it by, and "
     "a `return` for n < 1 comes too early."),
):
    rollback.mistake(_id, _message)
