"""How many candidates stand at each position of a proposal: CaPE (Du et al. 2024).

Knows: confidences, bounds. Does not know: who is how confident, how candidates become a tree (trees).
"""

from __future__ import annotations


def cape_widths(confidence, bounds, widths):
    """How many candidates to put at each position: few where the draft is sure, more where it is not.

    The confidence of a position is the largest probability that the draft gives there. Each position is judged by its
    own confidence alone. The bounds cut [0, 1] into classes: below bounds[0], from bounds[0] to below bounds[1], and so
    on; the last class begins at the last bound. So a confidence exactly at a bound belongs to the surer side.
    Class number i has widths[i] candidates.

    Args:
        confidence: list of k floats in [0, 1]; k may be 0.
        bounds: sequence of floats, each larger than the one before; it may be empty: then all is one class.
        widths: sequence of ints, one more than there are bounds, from the least sure class to the surest.

    Returns:
        list of k ints: the width of each position, in the order of the positions.

    Raises ValueError if the bounds do not ascend, if there are not len(bounds) + 1 widths, and for a confidence below
    0, above 1 or NaN.

    Source: Du et al. 2024, "GliDe with a CaPE", arXiv 2402.02082, who expand a proposal in this way. The bounds and
    widths are yours to choose.
    """
    if any(low >= high for low, high in zip(bounds, bounds[1:], strict=False)):
        raise ValueError(f"The bounds {list(bounds)} have to ascend")
    if len(widths) != len(bounds) + 1:
        raise ValueError(f"{len(bounds)} bounds make {len(bounds) + 1} classes; there are {len(widths)} widths")
    for number in confidence:
        if not 0 <= number <= 1:
            raise ValueError(f"A confidence is a probability, from 0 to 1; got {number}")
    return [widths[sum(number >= bound for bound in bounds)] for number in confidence]
