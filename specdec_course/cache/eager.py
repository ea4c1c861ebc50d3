"""A model that remembers: append tokens, take the last ones back. As the course teaches it, and as the engine needs it.

Knows: Hugging Face's key-value caches, across the versions that the package supports. Does not know: drafts, rounds.
"""

from __future__ import annotations

from inspect import signature

import torch

from .rows import check_grown, check_placed, check_takes_masks, checked_rows, masks_for, move_rows


def rollback(cache, n):
    """Drops the last n positions of a key-value cache, in every layer, keys and values alike. In place.

    Args:
        cache: a transformers cache of any version. `cache.get_seq_length()` is the number of positions that it
            holds. `cache.crop(-n)` drops n of them, but crop(0) empties the cache in older versions, and a positive
            number means something else there and an error here. Keys and values are tensors [batch, heads,
            positions, d] per layer: `cache.layers[i].keys` and `.values`, or in old versions the lists
            `cache.key_cache` and `cache.value_cache`.
        n: how many positions to drop; 0 changes nothing, the cache's length empties it.

    Raises ValueError when n is negative or more than the cache holds; the cache is then as it was.
    """
    held = cache.get_seq_length()
    if not 0 <= n <= held:
        raise ValueError(f"cannot drop {n} positions from a cache that holds {held}; expected 0..{held}")
    if n == 0:
        return
    cache = getattr(cache, "self_attention_cache", cache)  # of an encoder-decoder: the other half is the source's
    _check_layers(cache, n)
    if hasattr(cache, "crop"):
        cache.crop(-n)  # a negative number drops that many; every version agrees on this one
    else:
        cache.key_cache = [keys[..., : held - n, :] for keys in cache.key_cache]
        cache.value_cache = [values[..., : held - n, :] for values in cache.value_cache]


def _check_layers(cache, n: int) -> None:
    """ValueError, before anything is changed, if one of the layers cannot go back n positions."""
    for layer in getattr(cache, "layers", ()):
        name = type(layer).__name__
        recording = getattr(layer, "record_past", False)
        if hasattr(layer, "recurrent_states") and not (recording and getattr(layer, "is_croppable", False)):
            raise ValueError(
                f"a {name} keeps one state instead of positions, and a state cannot be taken back; speculation needs "
                "a model with attention in every layer"
            )
        if not hasattr(layer, "crop"):
            raise ValueError(f"a {name} cannot be cropped: it is a fixed buffer, move its pointer back instead")
        window, seen = getattr(layer, "sliding_window", None), layer.get_seq_length()
        if window and layer.is_initialized:
            stored = layer.keys.shape[-2]
            if stored < seen and not (recording and stored - n >= window - 1):
                raise ValueError(
                    f"cannot go back {n} positions: a layer with a sliding window of {window} has forgotten what "
                    f"stood before its last {stored} positions. Begin with past_key_values=DynamicCache(), made "
                    "without a config: it forgets nothing (CachedModel does so)"
                )


class CachedModel:
    """A decoder-only model with its key-value cache: feed only what is new, take back what was rejected.

    `model(input_ids, past_key_values=cache, use_cache=True)` gets input_ids [1, T], the *new* ids only, and the
    cache of what came before (None at first). It answers an object with `.logits` [1, T, V] and
    `.past_key_values`: the cache, grown by T. It counts positions from the cache's length, as every causal language
    model of transformers does. Each CachedModel has a cache of its own, even if several share one model.
    """

    def __init__(self, model):
        self.model = model
        self.cache = None
        self.calls = 0

    @property
    def length(self) -> int:
        """Positions in the cache: 0 at first."""
        return 0 if self.cache is None else self.cache.get_seq_length()

    @torch.inference_mode()
    def append(self, ids, last: int | None = None):
        """Feeds `ids` LongTensor [T], T >= 1, after what the cache holds, in one call of the model.

        Returns their logits, FloatTensor [T, V], the same as from scratch up to round-off. With `last` (optional: the
        course's engine uses it, the check does not) only the last so many rows: a long prompt need not pay for the
        vocabulary.
        """
        keep = {} if last is None else {"logits_to_keep": last}
        cache = _new_cache(self.model) if self.cache is None else self.cache
        out = self.model(input_ids=ids[None], past_key_values=cache, use_cache=True, **keep)
        self.cache = out.past_key_values
        self.calls += 1
        return out.logits[0] if last is None else out.logits[0, -last:]  # some models answer with all rows anyway

    def rollback(self, n: int) -> None:
        """Forgets the last n positions; 0 changes nothing. The next ids continue where the cache then ends.

        Raises ValueError when n is negative or there are fewer than n; nothing is changed then.
        """
        if not 0 <= n <= self.length:
            raise ValueError(f"cannot roll back {n} positions; the cache holds {self.length}")
        if n:
            rollback(self.cache, n)


class EagerModel(CachedModel):
    """A CachedModel for the decoding loop: it can also be fed a tree, keep a path of it, and be looked into.

    StaticModel has the same methods. What is added to a CachedModel costs a chain of tokens nothing.
    """

    compiled = False

    def __init__(self, model):
        super().__init__(model)
        self.can_leave_out = "logits_to_keep" in signature(getattr(model, "forward", model)).parameters
        self.begin()

    def begin(self, positions: int = 0, wants_hidden=()) -> EagerModel:
        """Starts a new text, of any length. wants_hidden: the hidden states to keep, indices into what transformers
        returns for output_hidden_states (-1: what the head reads)."""
        self.cache, self.newest, self.states = None, 0, dict.fromkeys(wants_hidden)
        return self

    @torch.inference_mode()
    def append(self, ids, last: int | None = None, positions=None, mask=None):
        """Feeds `ids` LongTensor [T], T >= 1, in one call of the model; returns logits [T, V], or the `last` rows.

        positions, mask: for a tree; a chain, in which every token follows all that is held, needs neither.
            positions LongTensor [T]: where each token stands in its text. mask BoolTensor [T, length + T], True where
            a row may attend: columns first for what is held, then for the new rows; each row has to see itself. What
            is held is taken for a text then, row i at position i.
        """
        options = {"logits_to_keep": last} if last is not None and self.can_leave_out else {}
        if positions is not None or mask is not None:
            check_placed(positions, mask, self.length, len(ids))
            options |= self._placed(positions, mask)
        if self.states:
            options["output_hidden_states"] = True
        held, cache = self.length, _new_cache(self.model) if self.cache is None else self.cache
        out = self.model(input_ids=ids[None], past_key_values=cache, use_cache=True, **options)
        self.cache, self.newest = getattr(out, "past_key_values", None), len(ids)
        check_grown(self.model, held, self.length, len(ids))
        self.calls += 1
        for layer, known in self.states.items():
            new = out.hidden_states[layer][0]
            self.states[layer] = new if known is None else torch.cat([known, new])
        return out.logits[0] if last is None else out.logits[0, -last:]

    def judged(self, judge, ids, last, dice, draws, inputs=(), usual=0, key=None):
        """judge(logits, dice, *inputs), with the `last` rows of logits of a pass over ids. The other arguments matter
        to a static cache, where the pass and the judgement can be one captured function."""
        return judge(self.append(ids, last), dice, *inputs)

    def rollback(self, n: int) -> None:
        super().rollback(n)
        self.newest = max(0, self.newest - n)
        for layer, known in self.states.items():
            self.states[layer] = None if known is None else known[: len(known) - n]

    def keep(self, rows) -> None:
        """Of the rows appended last only these stay, ascending indices into them; whatever was held before stays.

        A tree leaves a path this way. Keys that were turned by their position stay right: each row was appended with
        the position that it has on its path. ValueError for rows that there are not; nothing is changed then.
        """
        rows = checked_rows(rows, self.newest)
        if self.newest:
            move_rows(self._tensors(), self.length - self.newest, rows)
            self.rollback(self.newest - len(rows))

    def hidden(self, layer: int = -1):
        """The hidden states of all that is held, FloatTensor [length, width]; ValueError if begin was not told so."""
        if layer not in self.states:
            raise ValueError(f"hidden states {layer} were not kept: a drafter names what it looks at in wants_hidden")
        known = self.states[layer]
        return torch.empty(0, 0) if known is None else known

    def keys_values(self, layer: int):
        """Keys and values of one layer, FloatTensor [heads, length, d] each: views on the cache."""
        if self.cache is None:
            return torch.empty(0, 0, 0), torch.empty(0, 0, 0)
        keys, values = layers_of(self.cache)[layer]
        return keys[0], values[0]

    def _tensors(self):
        """Every tensor with a row per position."""
        return [*(x for pair in layers_of(self.cache) for x in pair), *self.states.values()]

    def _placed(self, positions, mask) -> dict:
        """How a model is told where the nodes of a tree stand and what they see."""
        check_takes_masks(self.model, "a tree of guesses", "Or let the drafter propose chains")
        held = torch.cat([torch.arange(self.length, device=positions.device), positions])
        masks = masks_for(self.model.config.get_text_config(), mask, positions, held, self.model.dtype)
        return {"position_ids": positions[None], "attention_mask": masks}


def layers_of(cache):
    """A list of (keys, values), a pair a layer, tensors [1, heads, positions, d], of a cache of any version."""
    cache = getattr(cache, "self_attention_cache", cache)
    if hasattr(cache, "layers"):
        return [(layer.keys, layer.values) for layer in cache.layers]
    return list(zip(cache.key_cache, cache.value_cache, strict=True))


def _new_cache(model):
    """None: the model makes its own. For a model with sliding windows, a cache that keeps what slides out of them.

    A rollback may need it again. The masks see to it that nobody looks further back than the window.
    """
    from transformers import DynamicCache, PreTrainedConfig

    config = getattr(model, "config", None)
    if not isinstance(config, PreTrainedConfig):
        return None
    return DynamicCache() if any(DynamicCache(config=config.get_text_config()).is_sliding) else None
