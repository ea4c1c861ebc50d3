"""Static key-value buffers: room for the whole text from the start, and a pointer to where it ends.

Knows: which rows of a buffer a token may look at. Does not know: models, drafts, rounds.
"""

from __future__ import annotations

import torch


def static_mask(length, n_new, max_length):
    """Which rows of a static buffer each of the new tokens may attend to.

    The new tokens' keys and values are written to rows length, length + 1, ... before attention looks at them. Rows
    further down hold whatever an earlier text or a rejected draft has left there.

    Args:
        length: positions in the buffer before the new ones (an int or a 0-d tensor).
        n_new: how many tokens are new, >= 0.
        max_length: rows of the buffer, >= length + n_new.

    Returns:
        BoolTensor [n_new, max_length], True where row i may look: at everything up to its own place, length + i.
    """
    rows = torch.arange(max_length)
    places = length + torch.arange(n_new)
    return rows <= places[:, None]
