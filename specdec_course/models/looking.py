"""What drafts read inside their target, as unit 11 teaches it: the keys and values of blocks before (GLIDE), the last
hidden state of the position before (EAGLE). Pure functions of tensors.

Knows: masks, attention over states that another model made, whose state stands beside which token. Does not know:
models and their layers (eagle), training, how a draft is verified.
"""

from __future__ import annotations

import torch


def block_mask(length, block):
    """Which positions of the target each position of a text may read while GLIDE's draft learns.

    While it drafts, the draft sees the keys and values that the target made before the round began, and none of the
    round. So that learning is like that, a text is cut into blocks, and a position reads those of the target that lie
    in strictly earlier blocks than its own: none of its own block, not even those before it.

    Args:
        length: how many positions the text has, >= 0.
        block: positions per block, >= 1. Position i lies in block i // block; the last block may be shorter.

    Returns:
        BoolTensor [length, length]: entry [i, j] is True if position i may read position j. The rows of the first block
        are False throughout.

    Raises ValueError for a length below 0 and a block below 1.

    Source: Du et al. 2024, "GliDe with a CaPE", arXiv 2402.02082.
    """
    if length < 0 or block < 1:
        raise ValueError(f"A text of {length} positions in blocks of {block}: a length is 0 or more, a block 1 or more")
    of = torch.arange(length) // block
    return of[None, :] < of[:, None]


def cross_attend(query, positions, keys, values, mask, base=10_000.0):
    """Attention of a draft's queries over the keys and values that the target keeps in its cache.

    The target's keys are turned by their positions already (rotary embedding). A query is not: it has to be turned by
    the position *in the text* of its own row, which need not begin at 0. Number i and number i + D/2 of a head are a
    pair (a, b), i = 0 ... D/2 - 1; at position x its angle is z = x * base ** (-2 * i / D), and it becomes
    (a * cos z - b * sin z, b * cos z + a * sin z).

    Then head h scores each key of group h // (H // G): their dot product over the square root of D. The softmax over
    the keys that the row may read weighs the values of the same group. A score may be large, 1000 or -1000: no
    exponential overflows to infinity, and none that counts vanishes to 0.

    Args:
        query: FloatTensor [n, H, D], not turned yet; D is even.
        positions: LongTensor [n], where in the text each row stands.
        keys, values: FloatTensor [m, G, D], the target's; H is a multiple of G.
        mask: BoolTensor [n, m], True where a row may read a key.
        base: the base of the rotary embedding.

    Query, keys and values have one dtype. It may be bfloat16, which tells position 900 from 901 no more: angles are
    computed in float32 or better. n is 1 or more; m may be 0, where the target has read nothing yet. Nothing that is
    passed in is changed.

    Returns:
        FloatTensor [n, H, D] of the query's dtype. A row that may read nothing is all zeros, never NaN.

    Source: Du et al. 2024, "GliDe with a CaPE", arXiv 2402.02082. Su et al. 2021, "RoFormer" (the rotary embedding);
    Ainslie et al. 2023, "GQA" (groups of heads).
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    n, heads, width = query.shape
    groups, half = keys.shape[1], width // 2
    rates = base ** (-torch.arange(half, dtype=wide, device=query.device) / half)
    angles = positions[:, None, None].to(wide) * rates
    a, b, cos, sin = query[..., :half].to(wide), query[..., half:].to(wide), angles.cos(), angles.sin()
    turned = torch.cat([a * cos - b * sin, b * cos + a * sin], -1).view(n, groups, heads // groups, width)
    scores = torch.einsum("ngrd,mgd->ngrm", turned, keys.to(wide)) / width**0.5
    allowed = mask[:, None, None, :]
    # the lowest number and not -inf: a row of -inf is NaN in the softmax, and in its gradient even where it is replaced
    weights = scores.masked_fill(~allowed, torch.finfo(wide).min).softmax(-1) * allowed
    return torch.einsum("ngrm,mgd->ngrd", weights, values.to(wide)).reshape(n, heads, width).to(query.dtype)


def eagle_inputs(features, embeddings):
    """What the rows of an EAGLE draft read along a text: each token beside what the target made of the text before it.

    The target's state of position t - 1 is what token t was drawn from. So row t is that state, then the embedding of
    token t: it knows which token came of the state. Before the first token there is no state: its row has zeros there.

    Args:
        features: FloatTensor [T, d], the target's last hidden state of every position. That of the last position is
            read by no row: it belongs to the token that is not there yet.
        embeddings: FloatTensor [T, d], of the tokens of the same positions, in the same dtype. T may be 0.

    Returns:
        FloatTensor [T, 2 * d] of the same dtype: row t is features[t - 1], then embeddings[t]. Neither is changed.

    Source: Li et al. 2024, "EAGLE", arXiv 2401.15077.
    """
    before = torch.cat([torch.zeros_like(features[:1]), features[:-1]])
    return torch.cat([before, embeddings], -1)


def eagle_rollout(step, feature, token, k):
    """Draft k tokens greedily where the target has not been yet: each row reads the state that the draft made itself.

    The first row reads the target's state and the newest token. It answers with the logits of the token after it and
    with a state of its own. The next row reads that state and the token that was drafted from these logits, and so on.

    Args:
        step: step(feature FloatTensor [d], token int) -> (logits FloatTensor [V], state FloatTensor [d]). It is called
            exactly k times, in the order of the drafts; every call costs time. The token may be an int or a tensor
            with one id.
        feature: FloatTensor [d], the target's state of the position before the newest token. It is not changed.
        token: int, the newest token of the text. It is no draft.
        k: how many tokens to draft, >= 0.

    Returns:
        LongTensor [k]: the drafts. Each is the largest of its logits, the first on a tie.

    Source: Li et al. 2024, "EAGLE", arXiv 2401.15077.
    """
    drafts = []
    for _ in range(k):
        logits, feature = step(feature, token)
        token = int(logits.argmax())
        drafts.append(token)
    return torch.tensor(drafts, dtype=torch.long)
