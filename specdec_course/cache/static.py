"""Static key-value buffers: rows for the whole text from the start, and a pointer to where it ends.

Knows: which rows of a buffer a token may look at, how a Hugging Face model runs over such buffers in passes of fixed
shapes, and how such a pass is compiled and captured once. Does not know: drafts, rounds.
"""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import ExitStack

import torch
from transformers.cache_utils import DynamicCache

from ..sampling import PredrawnDice
from .attention import shared_heads
from .close import apart, close
from .graphs import Captured, compiled_once, swept
from .linear import few_rows_fast
from .regions import Buffers, alike_layers
from .rows import check_placed, check_takes_masks, checked_rows, masks_for, move_rows

log = logging.getLogger("specdec_course")


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


WIDTHS = (1, 2, 3, 5, 9, 17, 33)  # passes are padded to one of these: each is compiled, and on CUDA captured, once
SMALLEST = 256  # rows


class StaticModel:
    """A decoder-only model over static buffers, compiled: the methods of EagerModel, and passes of fixed shapes.

    Nothing grows and nothing is copied when the text does: a pass writes its rows behind the pointer `length`, and a
    rollback moves the pointer. A pass over n tokens is padded to one of WIDTHS, so few shapes are ever compiled; what
    the padding writes lies behind the pointer, where no mask lets anybody look. A prompt, and whatever is longer than
    the widest of them, runs as it is, uncompiled.

    On a CPU torch.compile makes one program of a pass. On CUDA that program is captured as a graph besides, and
    replayed with a single launch (`replay`).
    """

    compiled = True

    def __init__(self, model):
        check_takes_masks(model, 'engine="compiled"', 'Use engine="eager"')
        config = model.config.get_text_config()
        self.model, self.config, self.device, self.dtype = model, config, model.device, model.dtype
        self.limit = getattr(config, "max_position_embeddings", None)
        self.calls = self.length = self.newest = self.largest_tree = 0
        self._buffers, self._programs, self._graphs = {}, {}, {}

    def begin(self, positions: int, wants_hidden=()) -> StaticModel:
        """Starts a new text that will have at most so many positions; the buffers of an earlier one are taken again.

        wants_hidden: the hidden states to keep, indices into what transformers returns for output_hidden_states.
        """
        self.length = self.newest = 0
        self.capacity = SMALLEST
        while self.capacity < positions + WIDTHS[-1]:
            self.capacity *= 2
        self.wants = tuple(wants_hidden)
        self.options = {"output_hidden_states": True} if self.wants else {}
        self.keys, self.values, self.states = self._buffers_for(self.capacity, self.wants)
        return self

    def append(self, ids, last: int | None = None, positions=None, mask=None):
        """Feeds `ids` LongTensor [T] behind the pointer; returns their logits [T, V], or only the `last` rows.

        positions LongTensor [T], mask BoolTensor [T, length + T]: of a tree, as EagerModel.append takes them.
        """
        n, placed, tree = len(ids), (), positions is not None or mask is not None
        self._check_fit(n, tree)
        width = self.width(n, self.largest_tree if tree else 0, tree)
        if tree:
            self.largest_tree = max(self.largest_tree, n)
            check_placed(positions, mask, self.length, n)
            placed = self._placed(positions, mask, width or n)
        with torch.inference_mode():
            if width is None:
                read = self._placed_pass if placed else self._pass if self.length else self._prefill
                logits = read(ids, self.pointer(), *placed, last=n if last is None else last)
            else:
                ids = torch.nn.functional.pad(ids, (0, width - n))
                logits = self.replay(("append", width, len(placed)), self.step, ids, self.pointer(), *placed)[:n]
        self.advance(n)
        return logits if last is None else logits[-last:]

    def judged(self, judge, ids, last, dice, draws, inputs=(), usual=0, key=None):
        """judge(logits, dice, *inputs), with the `last` rows of logits of a pass over ids: on CUDA, pass and judgement
        are one graph.

        Args:
            judge: a function of tensors that never waits for the device; `key` is what it depends on besides.
            draws: how many numbers it takes from the dice. usual: the size of most passes of this text (see width).
        """
        m, width = len(ids), self.width(len(ids), usual)
        if width is None:
            return judge(self.append(ids, last), dice, *inputs)

        def whole(ids, at, numbers, *inputs):
            return judge(self.step(ids, at)[m - last : m], PredrawnDice(numbers), *inputs)

        padded, numbers = torch.nn.functional.pad(ids, (0, width - m)), dice.numbers(draws, self.device)
        key = ("judged", width, m, last, len(inputs), key)
        outcome = self.replay(key, whole, padded, self.pointer(), numbers, *inputs)
        self.advance(m)
        return outcome

    def rollback(self, n: int) -> None:
        """Forgets the last n positions: the pointer moves, the rows stay where they are."""
        if not 0 <= n <= self.length:
            raise ValueError(f"cannot roll back {n} positions; the cache holds {self.length}")
        self.length -= n
        self.newest = max(0, self.newest - n)

    def keep(self, rows) -> None:
        """Of the rows appended last only these stay, ascending indices into them; see EagerModel.keep."""
        rows = checked_rows(rows, self.newest)
        move_rows([*self.keys, *self.values, *self.states.values()], self.length - self.newest, rows)
        self.rollback(self.newest - len(rows))

    def hidden(self, layer: int = -1):
        """The hidden states of all that is held, FloatTensor [length, width]; ValueError if begin was not told so."""
        if layer not in self.wants:
            raise ValueError(f"hidden states {layer} were not kept: a drafter names what it looks at in wants_hidden")
        return self.states[layer][: self.length]

    def keys_values(self, layer: int):
        """Keys and values of one layer, FloatTensor [heads, length, d] each: views on the buffers."""
        return self.keys[layer][0, :, : self.length], self.values[layer][0, :, : self.length]

    def advance(self, n: int, calls: int = 1) -> None:
        """Counts n positions that were written by `calls` passes."""
        self.length += n
        self.newest = n
        self.calls += calls

    def pointer(self):
        """`length` as the 0-d tensor that a pass reads, without waiting for the device."""
        return torch.full((), self.length, dtype=torch.long, device=self.device)

    def width(self, n: int, usual: int = 0, tree: bool = False) -> int | None:
        """The one of WIDTHS that a pass over n tokens is padded to; None if it runs uncompiled.

        usual: the size of most passes of this text; of trees, the largest so far. A shorter one takes its shape, unless
        its own is compiled already: a round that the end of the text cut short is not worth a compilation.
        """
        if self.length == 0 or n > WIDTHS[-1]:
            return None
        own, likely = (min(w for w in WIDTHS if w >= min(size, WIDTHS[-1])) for size in (n, max(n, usual)))
        return own if self._program_key(own, tree) in self._programs else likely

    def step(self, ids, at, *placed):
        """Logits of one compiled pass: ids LongTensor [T], T one of WIDTHS, written to the rows from `at` on."""
        key = self._program_key(len(ids), bool(placed))
        if key not in self._programs:
            read = self._placed_pass if placed else self._pass
            self._programs[key] = self._program(read, key[0] == "several", (ids, at, *placed))
        return self._programs[key](ids, at, *placed)

    def _program(self, read, several: bool, inputs):
        """`read`, compiled: one program for all layers that are alike, with attention and linear layers of ours; or, if
        that computes something else, whole and as it stands.

        What comes out is compared with `read` itself, once. If neither holds, `read` runs as it is.
        """
        expected, faults, began = read(*inputs), [], time.perf_counter()
        log.info("compiling %s for passes of %d tokens, once", type(self.model).__name__, len(inputs[0]))
        ways = [False] if several else [True, False]  # of several widths Dynamo asks again later
        while ways:
            alike = ways.pop(0)
            program = compiled_once(read, several_widths=several, sure=alike)
            try:
                with ExitStack() as traced:
                    for better in (shared_heads(), few_rows_fast(), alike_layers(self.model)) if alike else ():
                        traced.enter_context(better)
                    got = program(*inputs)
                if close(got, expected):
                    log.info("compiled in %.0f s", time.perf_counter() - began)
                    return program
                faults.append(f"its logits are off by {apart(got, expected):.2g} of their range")
            except Exception as error:  # whatever the compiler makes of a model
                faults.append(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}")
                ways = [alike, *ways] if swept(error) else ways
            log.info("compiled %s: %s", "layer by layer" if alike else "whole", faults[-1])
        warnings.warn(f"{type(self.model).__name__} could not be compiled ({faults[-1]}); it runs over static buffers "
                      "as it is: the same text, but no faster", stacklevel=2)  # fmt: skip
        return read

    def _program_key(self, width: int, tree: bool = False):
        """Which program runs a pass. On a CPU the width and the number of threads are compiled in. On CUDA a graph is
        captured for every width anyhow, so one program serves them all, except for the single token."""
        several = self.device.type == "cuda" and width > 1
        return "several" if several else width, tree, self.capacity, self.wants, torch.get_num_threads()

    def replay(self, key, function, *inputs):
        """function(*inputs), all tensors; on CUDA captured as one graph per `key` and buffers, and replayed."""
        if self.device.type != "cuda":
            return function(*inputs)
        key = (key, self.capacity, self.wants)
        if key not in self._graphs:
            self._graphs[key] = Captured(function, inputs)
        return self._graphs[key](*inputs)

    def _pass(self, ids, at, last=0):
        """Logits [T, V] of a pass over ids, whose keys and values are written to the rows from `at` on."""
        rows, held = at + torch.arange(len(ids), device=self.device), torch.arange(self.capacity, device=self.device)
        positions = rows if self.limit is None else rows.clamp(max=self.limit - 1)  # of padding, at the very end
        masks = masks_for(self.config, held <= rows[:, None], rows, held, self.dtype)
        return self._read(ids, positions, masks, Buffers(self.keys, self.values, rows), last)

    def _placed_pass(self, ids, at, positions, mask, last=0):
        """The same for a tree: positions LongTensor [T] and mask BoolTensor [T, capacity] say where its nodes stand."""
        rows, held = at + torch.arange(len(ids), device=self.device), torch.arange(self.capacity, device=self.device)
        masks = masks_for(self.config, mask, positions, held.index_copy(0, rows, positions), self.dtype)
        return self._read(ids, positions, masks, Buffers(self.keys, self.values, rows), last)

    def _prefill(self, ids, at, last=0):
        """The same for the first pass of a text, which sees only itself: the model masks it as it always does."""
        rows = torch.arange(len(ids), device=self.device)
        return self._read(ids, rows, None, Buffers(self.keys, self.values, rows, seen=len(ids)), last)

    def _read(self, ids, positions, masks, buffers, last):
        out = self.model(
            input_ids=ids[None], position_ids=positions[None], attention_mask=masks, past_key_values=buffers,
            use_cache=True, logits_to_keep=last, **self.options,
        )  # fmt: skip
        for layer, states in self.states.items():
            states.index_copy_(0, buffers.rows, out.hidden_states[layer][0])
        return out.logits[0]

    def _placed(self, positions, mask, width: int):
        """(positions [width], mask [width, capacity]): what is padding sees row 0, which has something in it."""
        n, held = mask.shape
        wide = torch.zeros(width, self.capacity, dtype=torch.bool, device=self.device)
        wide[:n, :held] = mask.to(self.device, non_blocking=True)
        wide[n:, 0] = True
        return torch.nn.functional.pad(positions.to(self.device, non_blocking=True), (0, width - n)), wide

    def _buffers_for(self, capacity: int, wants):
        """(keys, values, states): zeroed buffers, made once. Lists of [1, heads, capacity, d], one a layer, of the
        shapes that the model writes, and {layer: [capacity, width]} of the hidden states that are wanted."""
        missing = [(capacity, what) for what in ("keys", "values", *wants) if (capacity, what) not in self._buffers]
        if missing:
            shapes, token = DynamicCache(), torch.zeros(1, 1, dtype=torch.long, device=self.device)
            with torch.inference_mode():  # this pass also has the model install what records hidden states
                out = self.model(input_ids=token, past_key_values=shapes, **self.options)
                made = {"keys": [_buffer(layer.keys, capacity) for layer in shapes.layers],
                        "values": [_buffer(layer.values, capacity) for layer in shapes.layers],
                        **{layer: _buffer(out.hidden_states[layer][0], capacity) for layer in wants}}  # fmt: skip
            self._buffers |= {(capacity, what): made[what] for _, what in missing}
        keys, values, *states = (self._buffers[capacity, what] for what in ("keys", "values", *wants))
        return keys, values, dict(zip(wants, states, strict=True))

    def _check_fit(self, n: int, tree: bool) -> None:
        if n < 1:
            raise ValueError("there is nothing to append; expected at least one token id")
        if self.limit is not None and self.length + n > self.limit and not tree:
            raise ValueError(f"{self.length} positions and {n} more; the model's context holds {self.limit}")
        if self.length + (n if n > WIDTHS[-1] else WIDTHS[-1]) > self.capacity:
            raise ValueError(
                f"{self.length} positions and {n} more do not fit the {self.capacity} rows: call begin first; a "
                "drafter of trees says in `nodes` how large they are"
            )


def _buffer(like, rows: int):
    """Zeros of the shape of `like` [..., 1, d] with so many rows."""
    return torch.zeros(*like.shape[:-2], rows, like.shape[-1], dtype=like.dtype, device=like.device)


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
