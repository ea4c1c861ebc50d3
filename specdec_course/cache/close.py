"""Whether two computations of the same logits agree, up to round-off.

Knows: how far rows of logits may be apart in each precision. Does not know: models, caches.
"""

from __future__ import annotations

import torch

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}  # of the range of a row of logits; in half precision:
HALF = 5e-2


def close(got, expected) -> bool:
    """Whether logits [..., V] are the expected ones, of the same type, up to round-off."""
    return apart(got, expected) <= TOLERANCE.get(expected.dtype, HALF)


def apart(got, expected) -> float:
    """The largest difference of two rows of logits, in units of the expected row's range; inf where one is NaN."""
    got, expected = got.double(), expected.double()
    finite = expected.isfinite()
    if got.shape != expected.shape or not torch.equal(got.isfinite(), finite):
        return float("inf")
    low, high = (f(dim=-1, keepdim=True).values for f in (expected.masked_fill(~finite, 0).min, expected.max))
    gap = (got - expected).masked_fill(~finite, 0).abs() / (high - low).clamp(min=1e-12)
    return float(gap.max())
