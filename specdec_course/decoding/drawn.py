"""A round of many texts at once, with random numbers drawn beforehand: plain torch, and the measure of `kernel`.

Knows: which drafted tokens stay, and which token comes after them, for given numbers. Does not know: where the numbers
come from, ends of texts, and how the same is done in one launch (kernel).

B = texts, k = the longest draft, V = vocabulary.
"""

from __future__ import annotations

import torch


def verify_drawn(draft, q, p, numbers, lengths=None):
    """`verify_stochastic` for every text of a batch, with no randomness of its own.

    Args:
        draft: LongTensor [B, k], the drafted tokens; k may be 0. q: FloatTensor [B, k, V], what they were drawn from;
            or None if nothing was drawn: each row is then one-hot.
        p: FloatTensor [B, k+1, V], the target's distributions at these places, and one behind.
        numbers: DoubleTensor [B, k+1] in [0, 1), all independent: one for each drafted token, the last for the token
            that the text is given of the target's own.
        lengths: LongTensor [B], 0..k: how many tokens of a row are its draft, and what stands behind means nothing, in
            draft, q, p and numbers but for the last; None: all of them.

    Returns:
        (tokens LongTensor [B, k+1], n LongTensor [B]). Of text b, the n[b] tokens in front are accepted: as long as
        numbers[b, i] q(x) < p(x). tokens[b, n[b]] is its correction or bonus: the first token, by id, at which the
        cumulated weight exceeds numbers[b, k] times the whole. A weight is (p(x) - q(x))+ at the place of a rejection,
        p(x) behind a draft that was accepted in full, and where p and q are equal. A token of weight 0 is never drawn.
        Behind it stands -1. No input is changed.
    """
    check_shapes(draft, q, p, numbers, lengths)
    rows, k = draft.shape
    places = torch.arange(k + 1, device=draft.device)
    drafted = places[:k] < (k if lengths is None else lengths[:, None])
    ids = draft.where(drafted, 0)  # what stands behind a draft need not be an id
    p_draft = p[:, :k].gather(-1, ids[..., None])[..., 0].double()
    q_draft = 1.0 if q is None else q.gather(-1, ids[..., None])[..., 0].double()
    stays = (numbers[:, :k].double() * q_draft < p_draft) & drafted
    n = stays.long().cumprod(-1).sum(-1)
    each = torch.arange(rows, device=draft.device)
    row = p[each, n].double()
    if k:
        at = n.clamp(max=k - 1)  # of a draft that stayed whole there is no such place; what is found is not used
        if q is None:
            uncovered = row.scatter(-1, ids[each, at][:, None], 0.0)
        else:
            uncovered = (row - q[each, at].double()).clamp(min=0)
        rejected = n < (k if lengths is None else lengths)
        weights = torch.where((rejected & (uncovered.sum(-1) > 0))[:, None], uncovered, row)
    else:
        weights = row
    heights = weights.cumsum(-1)
    beyond = (heights > numbers[:, -1:].double() * heights[:, -1:]) & (weights > 0)
    last = weights.shape[-1] - 1 - (weights > 0).flip(-1).long().argmax(-1)  # where round-off leaves none beyond
    own = torch.where(beyond.any(-1), beyond.long().argmax(-1), last)
    padded = torch.nn.functional.pad(draft, (0, 1), value=-1)
    tokens = torch.where(places < n[:, None], padded, torch.where(places == n[:, None], own[:, None], -1))
    return tokens, n


def check_shapes(draft, q, p, numbers, lengths) -> None:
    """ValueError where the shapes do not belong together. Nothing of the content is looked at: that would mean waiting
    for the device."""
    rows, k = draft.shape if draft.dim() == 2 else (None, None)
    good = draft.dim() == 2 and p.dim() == 3 and tuple(p.shape[:2]) == (rows, k + 1) and p.shape[2] > 0
    good = good and (q is None or tuple(q.shape) == (rows, k, p.shape[2]))
    good = good and tuple(numbers.shape) == (rows, k + 1) and (lengths is None or tuple(lengths.shape) == (rows,))
    if not good:
        shapes = {"draft": draft, "q": q, "p": p, "numbers": numbers, "lengths": lengths}
        told = ", ".join(f"{name} {list(one.shape)}" for name, one in shapes.items() if one is not None)
        raise ValueError(f"got {told}; expected draft [B, k], q [B, k, V] or None, p [B, k+1, V], numbers [B, k+1], "
                         "lengths [B] or None")
