"""Static key-value buffers: room for the whole text from the start, and a pointer to where it ends.

Knows: which rows of a buffer a token may look at. Does not know: models, drafts, rounds.
"""

from __future__ import annotations

import torch


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
