"""Wrong rules for `block_mask` and `cape_widths`: a table (id, what the student reads, the rules that behave so).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

import bisect
import math

import torch

from .blocks import block_mask
from .widths import cape_widths

# ----------------------------------------------------------------------------------------------------- block_mask


def mask_rule(may):
    """may(i, j, block), of tensors that broadcast; bad input is refused as it has to be."""

    def rule(length, block):
        if length < 0 or block < 1:
            raise ValueError
        places = torch.arange(length)
        return may(places[:, None], places[None, :], block).expand(length, length)

    return rule


_same_or_before = lambda i, j, b: j // b <= i // b  # noqa: E731

for _id, _message, _rules in (
    ("own_block", "Your mask shows the whole of a position's own block, even what comes after it. Only strictly "
     "earlier blocks.", (mask_rule(_same_or_before),)),
    ("own_block_before", "Your mask is the causal one: it shows what stands before a position in its own block, too. "
     "The target has not read that yet when the draft writes it.",
     (mask_rule(lambda i, j, b: (j < i) | (i < 0)), mask_rule(lambda i, j, b: j <= i))),
    ("window", "Your mask asks how far away a position is, block or more. It asks for the block: within one, all "
     "positions read the same.", (mask_rule(lambda i, j, b: i - j >= b), mask_rule(lambda i, j, b: i - j > b))),
    ("near", "Your mask shows what is nearer than a block. It shows strictly earlier blocks.",
     (mask_rule(lambda i, j, b: (i - j < b) & (j <= i)), mask_rule(lambda i, j, b: (i - j < b) & (j < i)))),
    ("transposed", "Your mask is transposed: positions read later blocks. Entry [i, j]: i reads, j is read.",
     (mask_rule(lambda i, j, b: j // b > i // b),)),
    ("inverted", "Your mask is turned round: True is what may be read.",
     (mask_rule(lambda i, j, b: j // b >= i // b),)),
    ("block_before_only", "Your mask shows the one block before. It shows all earlier blocks.",
     (mask_rule(lambda i, j, b: j // b == i // b - 1),)),
    ("own_block_only", "Your mask shows a position's own block, and nothing else. It shows all blocks before that.",
     (mask_rule(lambda i, j, b: j // b == i // b), mask_rule(lambda i, j, b: (j // b == i // b) & (j <= i)),
      mask_rule(lambda i, j, b: (j // b == i // b) & (j < i)))),
    ("other_blocks", "Your mask shows later blocks, too: all but a position's own. Only earlier ones.",
     (mask_rule(lambda i, j, b: j // b != i // b),)),
    ("counts_from_one", "Your blocks are shifted by one position: position i lies in block i // block, from 0 on.",
     (mask_rule(lambda i, j, b: (j + 1) // b < (i + 1) // b), mask_rule(lambda i, j, b: j // b < (i + 1) // b),
      mask_rule(lambda i, j, b: (j + 1) // b < i // b), mask_rule(lambda i, j, b: j // b < (i - 1) // b))),
    ("modulo", "You go by i % block, the place within the block. It is i // block that says which block it is.",
     (mask_rule(lambda i, j, b: j % b < i % b),)),
    ("number_of_blocks", "You cut the text into `block` blocks. It is blocks of `block` positions.",
     (lambda length, block: mask_rule(lambda i, j, b: j // max(1, -(-length // b)) < i // max(1, -(-length // b)))(
         length, block),
      lambda length, block: mask_rule(lambda i, j, b: j // max(1, length // b) < i // max(1, length // b))(
          length, block))),
    ("one_block_late", "Your mask leaves out the block just before, too.",
     (mask_rule(lambda i, j, b: j // b < i // b - 1),)),
):
    block_mask.mistake(_id, _message, imitate=_rules)
block_mask.help(r"(by zero|ZeroDivision)", "A block of 0 positions is refused, with ValueError, before anything is "
                "divided by it.")


# ---------------------------------------------------------------------------------------------------- cape_widths


def width_rule(place=bisect.bisect_right, change=None, refuse=True, turn=None, pick=None):
    """cape_widths with one thing changed. change(confidence): what is compared instead."""

    def rule(confidence, bounds, widths):
        bad = (any(a >= b for a, b in zip(bounds, bounds[1:], strict=False)) or len(widths) != len(bounds) + 1
               or not all(0 <= c <= 1 for c in confidence))
        if bad and refuse:
            raise ValueError
        compared = change(list(confidence)) if change else confidence
        classes = [min(place(bounds, c), len(widths) - 1) for c in compared]
        wide = turn(list(widths)) if turn else widths
        return pick(classes, wide) if pick else [wide[i] for i in classes]

    return rule


def _running(step):
    def change(confidence):
        found, so_far = [], None
        for number in confidence:
            so_far = number if so_far is None else step(so_far, number)
            found.append(so_far)
        return found
    return change


for _id, _message, _rules in (
    ("bound_to_the_less_sure", "A confidence exactly at a bound goes to the less sure side with you. It belongs to the "
     "surer one: compare with >=.", (width_rule(bisect.bisect_left),)),
    ("widths_reversed", "Your widths are turned round: widths[0] is for the least sure class.",
     (width_rule(turn=lambda w: w[::-1]), width_rule(bisect.bisect_left, turn=lambda w: w[::-1]))),
    ("product", "You judge a position by the product of all confidences up to it. Each counts alone.",
     (width_rule(change=_running(lambda a, b: a * b)),)),
    ("smallest_so_far", "You judge a position by the smallest or largest confidence so far. Each counts alone.",
     (width_rule(change=_running(min)), width_rule(change=_running(max)))),
    ("one_for_all", "All your positions have the same width, by the mean or the smallest of the confidences. Each "
     "counts alone.",
     (width_rule(change=lambda c: [sum(c) / len(c)] * len(c) if c else c),
      width_rule(change=lambda c: [min(c)] * len(c) if c else c),
      width_rule(change=lambda c: [max(c)] * len(c) if c else c), width_rule(change=lambda c: c[:1] * len(c)))),
    ("doubt_for_confidence", "You compare 1 - confidence with the bounds.",
     (width_rule(change=lambda c: [1 - x for x in c]),)),
    ("classes_for_widths", "You give back the numbers of the classes. Class number i has widths[i] candidates.",
     (width_rule(pick=lambda classes, wide: classes),)),
    ("class_too_high", "Your classes are one too high: below the first bound it is class 0.",
     (width_rule(lambda bounds, c: bisect.bisect_right(bounds, c) + 1),)),
    ("class_too_low", "Your classes are one too low: at the first bound it is class 1 already.",
     (width_rule(lambda bounds, c: max(0, bisect.bisect_right(bounds, c) - 1)),)),
    ("surest_never", "The surest class is never reached with you: from the last bound on a position has the last of "
     "the widths.", (width_rule(lambda bounds, c: max(0, min(bisect.bisect_right(bounds, c), len(bounds) - 1))),)),
    ("first_bound_only", "You look at one of the bounds only.",
     (width_rule(lambda bounds, c: int(bool(bounds) and c >= bounds[0])),
      width_rule(lambda bounds, c: len(bounds) * int(bool(bounds) and c >= bounds[-1])))),
    ("even_classes", "You cut [0, 1] into even classes. The bounds say where they begin.",
     (width_rule(lambda bounds, c: int(c * (len(bounds) + 1))),)),
    ("sorted", "Your widths come sorted, and not in the order of the positions.",
     (width_rule(change=sorted), width_rule(change=lambda c: sorted(c, reverse=True)))),
    ("summed", "You give back sums, or one number, and not the width of each position.",
     (width_rule(pick=lambda classes, wide: [sum(wide[i] for i in classes)]),
      width_rule(pick=lambda classes, wide: [sum(wide[i] for i in classes[: n + 1]) for n in range(len(classes))]),
      width_rule(pick=lambda classes, wide: [math.prod(wide[i] for i in classes[: n + 1])
                                            for n in range(len(classes))]))),
    ("refuses_nothing", "Nothing is refused: bounds that do not ascend, another number of widths, and confidences "
     "outside [0, 1] have to raise ValueError.", (width_rule(refuse=False),)),
):
    cape_widths.mistake(_id, _message, imitate=_rules)
