"""Several texts side by side in one cache: a pointer for every row, so that no text waits for another.

Knows: which places of its own row a token may look at, how ragged rows go through a Hugging Face model in one pass.
Does not know: drafts, rounds, which text sits in which row.
"""

from __future__ import annotations

from inspect import signature

import torch
from transformers.cache_utils import Cache

from .rows import check_takes_masks, masks_for

SMALLEST = 64  # places of a row to begin with; they double when a text outgrows them


class BatchModel:
    """A decoder-only model with a key-value cache of `rows` texts: feed each what is new to it, take back what was
    rejected, give its row to another text.

    Per layer there is a buffer of keys and one of values, [rows, heads, places, d]. `lengths` LongTensor [rows], on
    the CPU, has a pointer for each row: what lies behind it is nothing, whatever it is, even NaN.
    """

    def __init__(self, model, rows: int):
        if rows < 1:
            raise ValueError(f"a batch of {rows} rows; expected at least 1")
        check_takes_masks(model, "a batch", "Decode its texts one by one, with generate")
        self.model, self.config, self.device = model, model.config.get_text_config(), model.device
        self.limit = getattr(self.config, "max_position_embeddings", None)
        self.can_leave_out = "logits_to_keep" in signature(getattr(model, "forward", model)).parameters
        self.lengths, self.calls, self.places = torch.zeros(rows, dtype=torch.long), 0, SMALLEST
        self.keys, self.values = {}, {}  # {layer: buffer}, made when the layer first writes

    @torch.inference_mode()
    def append(self, ids, counts, rows=None, last: int | None = None):
        """Feeds tokens behind the pointers of several rows, in one call of the model.

        Args:
            ids: LongTensor [R, n], n >= 1. The first counts[r] of line r are new tokens, the rest is padding, whatever
                it holds.
            counts: LongTensor [R], 0..n each. A line with none changes nothing.
            rows: LongTensor [R], which row each line goes to, all different; None: line r goes to row r, R = rows.
            last: only the logits of so many columns, the last ones; a prompt need not pay for the vocabulary.

        Returns:
            logits FloatTensor [R, n, V], or [R, last, V]. Those of padding mean nothing. The others are those of the
            row's text alone, up to round-off, whatever stands beside it.

        Raises ValueError for shapes that do not fit, and for a row that the model's context cannot hold.
        """
        counts, rows = torch.as_tensor(counts).cpu(), self._checked(ids, counts, rows)
        n, ends = ids.shape[1], self.lengths[rows] + counts
        self._make_room(int(ends.max()))
        real = torch.arange(n) < counts[:, None]
        positions = torch.minimum(self.lengths[rows, None] + torch.arange(n), (ends - 1).clamp(min=0)[:, None])
        seen = max(int(ends.max()), 1)
        held = torch.arange(seen)
        masks = masks_for(self.config, held <= positions[..., None], positions, held, self.model.dtype)
        options = {"logits_to_keep": last} if last is not None and self.can_leave_out else {}
        out = self.model(
            input_ids=ids.to(self.device).where(self._there(real), 0), position_ids=self._there(positions),
            attention_mask=self._there(masks), past_key_values=_Pass(self, rows, real, ends, seen), use_cache=True,
            **options,
        )  # fmt: skip
        self.lengths[rows] = ends
        self.calls += 1
        return out.logits if last is None else out.logits[:, -last:]

    def rollback(self, n) -> None:
        """Forgets the last n[b] positions of row b: LongTensor [rows]. ValueError, and nothing is changed, where a
        number is negative or more than the row holds."""
        n = torch.as_tensor(n).cpu()
        if n.shape != self.lengths.shape or bool((n < 0).any() or (n > self.lengths).any()):
            raise ValueError(f"cannot roll back {n.tolist()} positions; the rows hold {self.lengths.tolist()}")
        self.lengths = self.lengths - n

    def clear(self, row: int) -> None:
        """Empties a row for another text."""
        if not 0 <= row < len(self.lengths):
            raise ValueError(f"there is no row {row}; expected 0..{len(self.lengths) - 1}")
        self.lengths[row] = 0

    def _checked(self, ids, counts, rows) -> torch.Tensor:
        """The rows that the lines of ids go to, on the CPU, or a ValueError."""
        rows = torch.arange(len(self.lengths)) if rows is None else torch.as_tensor(rows, dtype=torch.long).cpu()
        lines, fits = len(rows), 0 <= int(rows.min()) and int(rows.max()) < len(self.lengths) if len(rows) else False
        if not fits or len(rows.unique()) < lines:
            raise ValueError(f"the rows are {rows.tolist()}; expected different ones of 0..{len(self.lengths) - 1}")
        counts = torch.as_tensor(counts)
        if ids.dim() != 2 or len(ids) != lines or ids.shape[1] < 1 or counts.shape != (lines,):
            raise ValueError(
                f"ids of shape {tuple(ids.shape)} and counts of shape {tuple(counts.shape)} for {lines} rows; "
                f"expected ({lines}, n) with n >= 1, and ({lines},)"
            )
        if int(counts.min()) < 0 or int(counts.max()) > ids.shape[1]:
            raise ValueError(f"counts are {counts.tolist()}; expected 0..{ids.shape[1]}, the width of ids")
        longest = int((self.lengths[rows] + counts.cpu()).max())
        if self.limit is not None and longest > self.limit:
            raise ValueError(f"a row would hold {longest} positions; the model's context holds {self.limit}")
        return rows

    def _make_room(self, places: int) -> None:
        """Doubles the places of a row until there are so many; what the buffers hold stays."""
        while self.places < places:
            self.places *= 2
        for buffers in (self.keys, self.values):
            for layer, old in buffers.items():
                if old.shape[2] < self.places:
                    buffers[layer] = old.new_zeros(*old.shape[:2], self.places, old.shape[3])
                    buffers[layer][:, :, : old.shape[2]] = old

    def _there(self, tensors):
        """A tensor, or a dictionary of them, on the model's device; nobody waits for it."""
        if isinstance(tensors, dict):
            return {name: self._there(one) for name, one in tensors.items()}
        return tensors.to(self.device, non_blocking=True)


class _Pass(Cache):
    """What a model's attention layers see of the buffers in one pass: they hand in new keys and values, and get back
    the rows of this pass as far as the longest goes."""

    def __init__(self, batch: BatchModel, rows, real, ends, seen: int):
        super().__init__(layers=[])
        self.batch, self.seen = batch, seen
        lines, columns = real.nonzero(as_tuple=True)  # of the new tokens; padding is written nowhere
        there = batch._there
        self.lines, self.columns = there(lines), there(columns)
        self.at = there(rows[lines]), there(batch.lengths[rows[lines]] + columns)
        self.rows = None if torch.equal(rows, torch.arange(len(batch.lengths))) else there(rows)
        self.first = int(ends.min())  # places in front of it are filled in every row
        self.holes = there(torch.arange(self.first, seen) >= ends[:, None])[:, None, :, None]

    def update(self, key_states, value_states, layer_idx, *args, **kwargs):
        batch = self.batch
        return self._written(batch.keys, key_states, layer_idx), self._written(batch.values, value_states, layer_idx)

    def _written(self, buffers, new, layer: int):
        """The buffer of a layer with the new tokens in it, of the rows of this pass: [R, heads, seen, d]."""
        if layer not in buffers:
            shape = len(self.batch.lengths), new.shape[1], self.batch.places, new.shape[3]
            buffers[layer] = new.new_zeros(shape)
        buffer = buffers[layer]
        buffer[self.at[0], :, self.at[1]] = new[self.lines, :, self.columns]
        shown = buffer[:, :, : self.seen]
        shown = shown if self.rows is None else shown.index_select(0, self.rows)
        # No mask is enough: 0 times NaN is NaN. So what an earlier text has left in front of a longer row is wiped.
        shown[:, :, self.first :].masked_fill_(self.holes, 0)
        return shown

    def get_seq_length(self, layer_idx=0):
        return 0  # positions and masks are handed to the model ready-made
