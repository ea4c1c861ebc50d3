"""Static key-value buffers: room for the whole text from the start, and a pointer to where it ends.

Knows: which rows of a buffer a token may look at, how a Hugging Face model runs over such buffers in passes of fixed
shapes, and how such a pass is compiled and captured once. Does not know: drafts, rounds.
"""

from __future__ import annotations

import torch
from transformers.cache_utils import Cache, DynamicCache

from .graphs import Captured, compiled_once


def static_mask(length, n_new, max_length):
    """Which places of a static buffer each of the new tokens may attend to.

    The new tokens' keys and values are written to places length, length + 1, ... before attention looks at them.
    Places further on hold whatever an earlier text or a rejected draft has left there.

    Args:
        length: positions in the buffer before the new ones, an int (a 0-d tensor works too: the pointer of a graph).
        n_new: how many tokens are new, >= 0.
        max_length: places in the buffer, >= length + n_new.

    Returns:
        BoolTensor [n_new, max_length]: row i belongs to new token i and is True where it may look, which is
        everything up to and including its own place, length + i.
    """
    device = getattr(length, "device", None)
    own = length + torch.arange(n_new, device=device)
    return torch.arange(max_length, device=device) <= own[:, None]


WIDTHS = (1, 2, 5, 9, 17, 33)  # passes are padded to one of these: each is compiled, and on CUDA captured, once
SMALLEST_ROOM = 256


class Buffers(Cache):
    """What a model's attention layers see of the buffers: they hand in new keys and values, and get all rows back."""

    def __init__(self, keys, values, places):
        super().__init__(layers=[])
        self.keys, self.values, self.places = keys, values, places

    def update(self, key_states, value_states, layer_idx, *args, **kwargs):
        self.keys[layer_idx].index_copy_(2, self.places, key_states)
        self.values[layer_idx].index_copy_(2, self.places, value_states)
        return self.keys[layer_idx], self.values[layer_idx]

    def get_seq_length(self, layer_idx=0):
        return 0  # positions and masks are handed to the model ready-made


class StaticModel:
    """A decoder-only model over static buffers, compiled: the interface of CachedModel, and passes of fixed shapes.

    Nothing grows and nothing is copied when the text does: a pass writes its rows behind the pointer `length`, and a
    rollback moves the pointer. A pass over n tokens is padded to one of WIDTHS, so few shapes are ever compiled; what
    the padding writes lies behind the pointer, where no mask lets anybody look. A prompt, and whatever is longer than
    the widest of them, runs as it is, uncompiled.

    On a CPU torch.compile makes one program of a pass. On CUDA that program is captured as a graph besides, and
    replayed with a single launch (`replay`).
    """

    def __init__(self, model):
        config = model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if getattr(model.config, "is_encoder_decoder", False) or kinds - {"full_attention", "sliding_attention"}:
            raise ValueError(
                f'engine="compiled" is for decoder-only models whose layers are all attention; {type(model).__name__} '
                'is not one. Use engine="eager"'
            )
        self.model, self.device, self.calls, self.length = model, model.device, 0, 0
        self.limit = getattr(config, "max_position_embeddings", None)
        self.window = getattr(config, "sliding_window", None)
        self.kinds = getattr(config, "layer_types", None)
        self._rooms, self._programs, self._graphs = {}, {}, {}

    def begin(self, positions: int) -> StaticModel:
        """Starts a new text that will have at most so many positions; the buffers of an earlier one are taken again."""
        self.length = 0
        self.room = SMALLEST_ROOM
        while self.room < positions + WIDTHS[-1]:
            self.room *= 2
        if self.room not in self._rooms:
            self._rooms[self.room] = self._allocate(self.room)
        self.keys, self.values = self._rooms[self.room]
        return self

    def append(self, ids, last: int | None = None):
        """Feeds `ids` LongTensor [T] behind the pointer; returns their logits [T, V], or only the `last` rows."""
        n = len(ids)
        self._check_room(n)
        with torch.inference_mode():
            if self.width(n) is None:
                logits = self._pass(ids, self.pointer(), n if last is None else last)
            else:
                ids = torch.nn.functional.pad(ids, (0, self.width(n) - n))
                logits = self.replay(("append", len(ids)), self.step, ids, self.pointer())[:n]
        self.advance(n)
        return logits if last is None else logits[-last:]

    def rollback(self, n: int) -> None:
        """Forgets the last n positions: the pointer moves, the rows stay where they are."""
        if not 0 <= n <= self.length:
            raise ValueError(f"cannot roll back {n} positions; the cache holds {self.length}")
        self.length -= n

    def advance(self, n: int, calls: int = 1) -> None:
        """Counts n positions that were written by `calls` passes."""
        self.length += n
        self.calls += calls

    def pointer(self):
        """`length` as the 0-d tensor that a pass reads, without waiting for the device."""
        return torch.full((), self.length, dtype=torch.long, device=self.device)

    def width(self, n: int, usual: int = 0) -> int | None:
        """The one of WIDTHS that a pass over n tokens is padded to; None if it runs uncompiled.

        usual: the size of most passes of this text. A shorter one takes its shape, unless its own is compiled already:
        a round that the end of the text cut short is not worth a compilation.
        """
        if self.length == 0 or n > WIDTHS[-1]:
            return None
        own, likely = (min(w for w in WIDTHS if w >= min(size, WIDTHS[-1])) for size in (n, max(n, usual)))
        return own if self._program_key(own) in self._programs else likely

    def step(self, ids, at):
        """Logits of one compiled pass: ids LongTensor [T], T one of WIDTHS, written to the rows from `at` on."""
        key = self._program_key(len(ids))
        if key not in self._programs:
            self._programs[key] = compiled_once(self._pass, several_widths=key[0] == "several")
        return self._programs[key](ids, at)

    def _program_key(self, width: int):
        """Which program runs a pass. On a CPU the width and the number of threads are compiled in. On CUDA a graph is
        captured for every width anyhow, so one program serves them all, except for the single token."""
        several = self.device.type == "cuda" and width > 1
        return "several" if several else width, self.room, torch.get_num_threads()

    def replay(self, key, function, *inputs):
        """function(*inputs), all tensors; on CUDA captured as one graph per `key` and room, and replayed."""
        if self.device.type != "cuda":
            return function(*inputs)
        key = (key, self.room)
        if key not in self._graphs:
            self._graphs[key] = Captured(function, inputs)
        return self._graphs[key](*inputs)

    def _pass(self, ids, at, last=0):
        """Logits [T, V] of a pass over ids, whose keys and values are written to the rows from `at` on."""
        places = at + torch.arange(len(ids), device=self.device)
        mask = (torch.arange(self.room, device=self.device) <= places[:, None])[None, None]
        positions = places if self.limit is None else places.clamp(max=self.limit - 1)  # of padding, at the very end
        out = self.model(
            input_ids=ids[None], position_ids=positions[None], attention_mask=self._masks(mask, places),
            past_key_values=Buffers(self.keys, self.values, places), use_cache=True, logits_to_keep=last,
        )
        return out.logits[0]

    def _masks(self, mask, places):
        """The mask, or one for each kind of layer where some look back only so far."""
        if self.window is None or self.kinds is not None and "sliding_attention" not in self.kinds:
            return mask
        rows = torch.arange(self.room, device=self.device)
        near = mask & (rows > places[:, None] - self.window)[None, None]
        return near if self.kinds is None else {"full_attention": mask, "sliding_attention": near}

    def _allocate(self, room: int):
        """Zeroed keys and values, a buffer [1, heads, room, head_dim] a layer, of the shapes that the model writes."""
        shapes = DynamicCache()
        with torch.inference_mode():
            self.model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=self.device), past_key_values=shapes)
            kept = [(layer.keys, layer.values) for layer in shapes.layers]
            rows = [[torch.zeros(*x.shape[:2], room, x.shape[3], dtype=x.dtype, device=x.device) for x in pair]
                    for pair in kept]
        return [keys for keys, _ in rows], [values for _, values in rows]

    def _check_room(self, n: int) -> None:
        if n < 1:
            raise ValueError("there is nothing to append; expected at least one token id")
        if self.limit is not None and self.length + n > self.limit:
            raise ValueError(f"{self.length} positions and {n} more; the model's context holds {self.limit}")
        if self.length + (n if n > WIDTHS[-1] else WIDTHS[-1]) > self.room:
            raise ValueError(f"{self.length} positions and {n} more do not fit the {self.room} rows: call begin first")


def static_model(model, role: str = "target") -> StaticModel:
    """The StaticModel of this model: made once, kept with the model, so that what was compiled is compiled once.

    A model that drafts for itself needs two, which must not share buffers: one for each role.
    """
    kept = kept_with(model, "static")
    key = (role, model.device, model.dtype)
    if key not in kept:
        kept[key] = StaticModel(model)
    return kept[key]


class Kept(dict):
    """What is kept with a model, but does not travel with it: a copy of the model, or a saved one, starts without."""

    def __deepcopy__(self, memo):
        return Kept()

    def __reduce__(self):
        return Kept, ()


def kept_with(model, what: str) -> Kept:
    """A dictionary that lives as long as the model does."""
    return vars(model).setdefault(f"_specdec_{what}", Kept())
