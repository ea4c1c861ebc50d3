"""Rows of a cache that keep their place or lose it, and masks as attention takes them.

Knows: tensors whose second-last dimension counts positions, the kinds of layers that a config names. Does not know:
models, drafts, rounds.
"""

from __future__ import annotations

import torch

ADDING = ("eager", "sdpa")  # kinds of attention that add a mask of numbers to their scores


def check_takes_masks(model, what: str, otherwise: str) -> None:
    """ValueError if a model cannot be handed a mask: `what` asks for it, `otherwise` says what one can do."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if getattr(model.config, "is_encoder_decoder", False) or kinds - {"full_attention", "sliding_attention"}:
        raise ValueError(
            f"{what} is for decoder-only models whose layers are all attention; {type(model).__name__} is not one. "
            f"{otherwise}"
        )
    attention = getattr(config, "_attn_implementation", None) or "sdpa"
    if attention not in ADDING:
        raise ValueError(
            f'{what} hands a mask to attention, and "{attention}" takes none. Load the model with '
            f'attn_implementation="sdpa". {otherwise}'
        )


def check_keeps_positions(model, role: str) -> None:
    """ValueError for a model that keeps a state instead of positions: what was rejected cannot be taken back."""
    if getattr(model, "_is_stateful", False):
        raise ValueError(
            f"the {role} is a {type(model).__name__}, which keeps one state instead of positions, and a state cannot "
            "be taken back; speculation needs attention in every layer. Use the model's own generate"
        )


def check_grown(model, before: int, after: int, n: int) -> None:
    """ValueError if a pass over n tokens did not add n positions to a cache that held `before`."""
    if after != before + n:
        raise ValueError(
            f"{type(model).__name__} keeps no cache that grows by a position per token: it held {before} positions, "
            f"and {after} after {n} more tokens. Speculation needs a decoder-only model that reads only what is new; "
            "an encoder (BERT) has to be loaded with is_decoder=True"
        )


def check_placed(positions, mask, held: int, n: int) -> None:
    """ValueError unless n new rows come with a position each, and a mask over what is held and over themselves."""
    shapes = [None if x is None else tuple(x.shape) for x in (positions, mask)]
    if shapes != [(n,), (n, held + n)]:
        raise ValueError(
            f"positions and mask have shapes {shapes[0]} and {shapes[1]}; for {n} tokens behind {held} that are held "
            f"expected ({n},) and ({n}, {held + n}), or neither of them for a chain"
        )


def checked_rows(rows, newest: int) -> list[int]:
    """The rows as a list of int, or a ValueError if they do not ascend within 0..newest - 1."""
    kept = torch.as_tensor(rows, dtype=torch.long).tolist()
    if any(b <= a for a, b in zip([-1, *kept], [*kept, newest], strict=True)):
        raise ValueError(f"the rows to keep are {kept}; expected ascending indices into the last {newest} appended")
    return kept


@torch.inference_mode()
def move_rows(tensors, first: int, rows: list[int]) -> None:
    """Moves the rows first + rows[i] to the places first + i, in place, in every tensor [..., R, d]. Rows that stand
    right already are left alone."""
    start = next((i for i, row in enumerate(rows) if row != i), len(rows))
    if start == len(rows):
        return
    index = first + torch.tensor(rows[start:])
    for tensor in tensors:
        index = index.to(tensor.device, non_blocking=True)
        tensor[..., first + start : first + len(rows), :] = tensor.index_select(-2, index)


def compact_cache(cache, path, start):
    """A cache without the branches of a tree that were rejected.

    Args:
        cache: list of (keys, values), a pair a layer, FloatTensor [..., R, d] each. The first `start` rows are the
            text's, the others a tree's nodes, in their order. Nothing of it is changed.
        path: the nodes that stay, a list of ascending indices into the tree (0 is row `start`), perhaps empty.
        start: rows of the text, 0 <= start <= R.

    Returns:
        list of (keys, values) with start + len(path) rows each: the text's, then those of the path. They are right
        where they come to stand, if every node was given the position that it has on its path.
    """
    rows = torch.tensor([*range(start), *(start + i for i in path)], dtype=torch.long)
    return [tuple(x.index_select(-2, rows.to(x.device)) for x in pair) for pair in cache]


def additive(mask, dtype):
    """BoolTensor -> the same as numbers to add to scores: 0 where True, the least number of the dtype where False.

    Not every attention reads a mask of bools as a mask: some add it, and then it shifts the scores by 0 and 1.
    """
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)


def masks_for(config, mask, own, held, dtype):
    """What a model takes as its attention_mask: one [1, 1, T, R], or one for each kind of layer where some look back
    only so far. For several texts side by side, [B, 1, T, R].

    Args:
        config: a text config; of interest are sliding_window and layer_types.
        mask: BoolTensor [T, R], True where a new row may attend. own: LongTensor [T], the positions of the new rows.
            Or, of several texts, [B, T, R] and [B, T]. held: LongTensor [R], the positions of all rows.
    """
    window, kinds = getattr(config, "sliding_window", None), getattr(config, "layer_types", None)
    mask = mask if mask.dim() == 3 else mask[None]
    whole = additive(mask, dtype)[:, None]
    if window is None or kinds is not None and "sliding_attention" not in kinds:
        return whole
    near = additive(mask & (held > own[..., None] - window), dtype)[:, None]
    return near if kinds is None else {"full_attention": whole, "sliding_attention": near}
