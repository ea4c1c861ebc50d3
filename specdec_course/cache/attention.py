"""Attention of a few new rows over a long buffer, for models in which several heads share keys and values.

Knows: how transformers looks up the attention of a model. Does not know: buffers, programs.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS as FUNCTIONS

OTHERWISE = ("softcap", "position_bias", "cache")  # what only transformers' own knows


@contextmanager
def shared_heads():
    """Within, transformers' "sdpa" reads shared keys and values where they lie.

    Given a mask it would write them out again for every head, which for a long buffer costs more than the attention
    itself.
    """
    theirs = FUNCTIONS["sdpa"]

    def ours(module, query, key, value, attention_mask, scaling=None, **kwargs):
        heads, groups = query.shape[1], getattr(module, "num_key_value_groups", 1)
        shared = groups > 1 and heads == groups * key.shape[1]
        masked = attention_mask is not None and attention_mask.shape[1] == 1
        odd = kwargs.get("dropout") or any(kwargs.get(name) is not None for name in OTHERWISE)
        if odd or not (shared and masked):
            return theirs(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
        return _packed(query, key, value, attention_mask, scaling, groups), None

    FUNCTIONS["sdpa"] = ours
    try:
        yield
    finally:
        FUNCTIONS["sdpa"] = theirs


def _packed(query, key, value, mask, scaling, groups: int):
    """The heads of a group as further rows of one: query [B, H, T, d] becomes [B, H / groups, groups T, d].

    Returns the output as transformers wants it, [B, T, H, d].
    """
    batch, heads, n, _ = query.shape
    rows = query.reshape(batch, heads // groups, groups * n, -1)
    out = torch.nn.functional.scaled_dot_product_attention(
        rows, key, value, attn_mask=mask.repeat(1, 1, groups, 1), scale=scaling
    )
    return out.reshape(batch, heads, n, -1).transpose(1, 2).contiguous()
