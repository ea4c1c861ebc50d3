"""Wrong rules for `cross_attend`: a table (id, what the student reads, the rules that behave so).

Knows: this exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .attention import cross_attend, drawn, right_attention
from .near import CLOSE


def angles(positions, width, base=10_000.0):
    half = width // 2
    return positions.double()[:, None] * base ** (-torch.arange(half, dtype=torch.float64) / half)


def halves(x, angle, sign=1):
    """Pairs (i, i + D/2), turned by the angles [n, D/2]."""
    half = x.shape[-1] // 2
    cos, sin = angle.cos()[:, None], sign * angle.sin()[:, None]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def neighbours(x, angle):
    """Pairs (2i, 2i + 1)."""
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)


def no_plus(x, angle):
    """The two halves are swapped without the sign of rotate_half."""
    half = x.shape[-1] // 2
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return torch.cat([x[..., :half] * cos + x[..., half:] * sin, x[..., half:] * cos + x[..., :half] * sin], -1)


def two_minuses(x, angle):
    """(a * cos - b * sin, b * cos - a * sin): the second half has the wrong sign."""
    half = x.shape[-1] // 2
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return torch.cat([x[..., :half] * cos - x[..., half:] * sin, x[..., half:] * cos - x[..., :half] * sin], -1)


def attention(where=lambda positions: positions, angle=angles, turn=halves, turn_keys=False, turn_values=False,
              group=lambda head, heads, groups: head // (heads // groups), scale=lambda width, heads: math.sqrt(width),
              base_of=lambda base: base, hide=None, empty=None, swapped=False, from_keys=False, order=None,
              held_group=None):
    """cross_attend with one thing changed. hide(scores [n, H, m], mask): the weights."""

    def rule(query, positions, keys, held, mask, base=10_000.0):
        dtype, query, keys, held = query.dtype, query.double(), keys.double(), held.double()
        n, heads, width = query.shape
        groups, m = keys.shape[1], len(keys)
        query = turn(query, angle(where(positions), width, base_of(base)))
        places = torch.arange(m)
        keys = halves(keys, angles(places, width, base)) if turn_keys else keys
        held = halves(held, angles(places, width, base)) if turn_values else held
        of = torch.tensor([group(head, heads, groups) % groups for head in range(heads)], dtype=torch.long)
        of_held = [held_group(head, heads, groups) for head in range(heads)] if held_group else of
        k, v = keys[:, of], held[:, of_held]
        k, v = (v, k) if swapped else (k, k if from_keys else v)
        scores = torch.einsum("nhd,mhd->nhm", query, k) / scale(width, heads)
        allowed = mask[:, None]
        weights = hide(scores, allowed) if hide else torch.nan_to_num(
            scores.masked_fill(~allowed, -math.inf).softmax(-1), nan=0.0)
        answer = torch.einsum("nhm,mhd->nhd", weights, v)
        if m:
            answer = torch.where(mask.any(-1)[:, None, None], answer, answer if empty is None else empty)
        return (order(answer) if order else answer).to(dtype)

    return rule


def _softmax_over(axis):
    def hide(scores, allowed):
        return torch.nan_to_num(scores.masked_fill(~allowed, -math.inf).softmax(axis), nan=0.0)
    return hide


def _lowest(number):
    return lambda scores, allowed: torch.where(allowed, scores, number).softmax(-1)


def _plain_exponentials(dtype, least):
    """No largest score is taken off. least: what the sum is clamped to; 0: NaN is replaced by zeros."""
    def hide(scores, allowed):
        e = scores.to(dtype).exp() * allowed
        weights = e / e.sum(-1, keepdim=True).clamp_min(least)
        return (weights if least else weights.nan_to_num(0.0)).double()
    return hide


def _all_zeros(student, rng) -> bool:
    """Also where some keys may be read and others not: with full masks, zeros come of a mask turned round, too."""
    return not any(student.array(*drawn(rng, 4, 6, 2, 1, 8, 3)).any() for _ in range(3))


def _growing(positions, width, base=10_000.0):
    half = width // 2
    return positions.double()[:, None] * base ** (torch.arange(half, dtype=torch.float64) / half)


def _angle_grows(student, rng) -> bool:
    """With a small base: of large ones the angles are millions, which no two precisions turn alike."""
    given = (*drawn(rng, 4, 6, 2, 1, 4, 1), 4.0)
    wrong, right = attention(angle=_growing)(*given).numpy(), right_attention(*given)
    return np.abs(wrong - right).max() > 0.05 and np.allclose(student.array(*given), wrong, rtol=0, atol=CLOSE)


TABLE = (
    ("not_turned", "Your queries are not turned at all: the keys are, and a query that is not cannot tell how far away "
     "a key is.", ({"turn": lambda x, angle: x},)),
    ("begins_at_0", "Your rows count from 0. A row is turned by its position in the text, which `positions` says: the "
     "row of position 900 by the angle of 900.",
     ({"where": lambda p: torch.arange(len(p))}, {"where": lambda p: p - p[:1]})),
    ("counts_on", "You take the first position and count on from there. Each row has its own: go by `positions`.",
     ({"where": lambda p: p[:1] + torch.arange(len(p))}, {"where": lambda p: p[:1].expand(len(p))})),
    ("one_further", "Your queries are turned by one position too many, or too few.",
     ({"where": lambda p: p + 1}, {"where": lambda p: p - 1})),
    ("keys_turned_twice", "You turn the keys, too. They come out of the target's cache, turned by their positions "
     "already.",
     ({"turn_keys": True}, {"turn_keys": True, "where": lambda p: torch.arange(len(p))})),
    ("keys_not_queries", "You turn the keys, and not the queries. It is the other way round.",
     ({"turn_keys": True, "turn": lambda x, angle: x},)),
    ("values_turned", "You turn the values. Only queries and keys are turned.", ({"turn_values": True},)),
    ("neighbours", "Your pairs are (0, 1), (2, 3), and so on. Here number i and number i + D/2 are a pair.",
     ({"turn": neighbours},)),
    ("turned_back", "Your queries are turned the other way: the signs of the two sines are swapped.",
     ({"turn": lambda x, angle: halves(x, angle, -1)},)),
    ("no_minus", "Your first half is a * cos + b * sin: it is a * cos - b * sin.", ({"turn": no_plus},)),
    ("no_plus", "Your second half is b * cos - a * sin: it is b * cos + a * sin.", ({"turn": two_minuses},)),
    ("angle_half", "Your angles fall too slowly: the exponent of pair i is -2 * i / D, with D for the whole head.",
     ({"angle": lambda p, width, base: p.double()[:, None] * base ** (
         -torch.arange(width // 2, dtype=torch.float64) / width)},)),
    ("angle_double", "Your angles fall too fast: the exponent of pair i is -2 * i / D, with D for the whole head.",
     ({"angle": lambda p, width, base: p.double()[:, None] * base ** (
         -2 * torch.arange(width // 2, dtype=torch.float64) / (width // 2))},)),
    ("one_angle", "All your pairs have the same angle.",
     ({"angle": lambda p, width, base: p.double()[:, None].expand(-1, width // 2)},)),
    ("own_base", "Your base is always 10,000. It is an argument.", ({"base_of": lambda base: 10_000.0},)),
    ("group_modulo", "Head h reads group h % G with you. Heads that stand together share a group: h // (H // G).",
     ({"group": lambda h, heads, groups: h},)),
    ("group_divided", "Head h reads group h // G with you. It is h // (H // G): H // G heads to a group.",
     ({"group": lambda h, heads, groups: h // groups},)),
    ("groups_differ", "Head h reads keys of one group and values of another: one goes by h // (H // G), the other by "
     "h % G. Both are of group h // (H // G).",
     ({"held_group": lambda h, heads, groups: h % groups},
      {"group": lambda h, heads, groups: h, "held_group": lambda h, heads, groups: h // (heads // groups)})),
    ("first_group", "All your heads read the first group.", ({"group": lambda h, heads, groups: 0},)),
    ("not_scaled", "Your scores are the dot products themselves: divide them by the square root of D.",
     ({"scale": lambda width, heads: 1.0},)),
    ("scaled_by_d", "You divide the scores by D. It is the square root of D.",
     ({"scale": lambda width, heads: width},)),
    ("scaled_by_all", "You divide by the square root of another number than D, the width of one head.",
     ({"scale": lambda width, heads: math.sqrt(width * heads)}, {"scale": lambda width, heads: math.sqrt(heads)},
      {"scale": lambda width, heads: math.sqrt(width / 2)})),
    ("mask_ignored", "Your rows read all keys, whatever the mask says.",
     ({"hide": lambda scores, allowed: scores.softmax(-1)},)),
    ("mask_inverted", "Your mask is turned round: True means that a row *may* read a key.",
     ({"hide": lambda scores, allowed: _softmax_over(-1)(scores, ~allowed)},)),
    ("mask_after_softmax", "You mask the weights after the softmax, so that they no longer sum to 1. Mask the scores, "
     "with -inf.", ({"hide": lambda scores, allowed: scores.softmax(-1) * allowed},)),
    ("mask_zero", "A score of 0 is no mask: exp(0) is 1. A key that may not be read has the score -inf.",
     ({"hide": lambda scores, allowed: (scores * allowed).softmax(-1)},)),
    ("mask_added", "You add the mask to the scores: 0 and 1 hide nothing. A key that may not be read has the score "
     "-inf.",
     ({"hide": lambda scores, allowed: (scores + allowed.double()).softmax(-1)},)),
    ("empty_is_nan", "A row that may read nothing is NaN with you: a softmax over nothing but -inf. It has to be "
     "zeros.",
     ({"empty": math.nan},)),
    ("empty_is_mean", "A row that may read nothing gets the mean of all values with you: to a softmax a very low "
     "number everywhere is the same as any other everywhere. It has to be zeros.", ({"hide": _lowest(-1e9)},)),
    ("overflows", "Your weights are no softmax where scores are large: the exponential of a large score is infinity, "
     "or that of a very negative one 0. Take the largest score of its row off each score first, or let softmax do "
     "that.",
     tuple({"hide": _plain_exponentials(dtype, least)} for dtype in (torch.float32, torch.float64)
           for least in (1e-9, 0.0))),
    ("softmax_over_rows", "Your softmax runs over the rows, or over the heads. It runs over the keys.",
     ({"hide": _softmax_over(0)}, {"hide": _softmax_over(1)})),
    ("no_softmax", "Your weights are no softmax: they are the scores themselves, or do not sum to 1.",
     ({"hide": lambda scores, allowed: scores * allowed},
      {"hide": lambda scores, allowed: scores.exp() * allowed},
      {"hide": lambda scores, allowed: torch.sigmoid(scores) * allowed})),
    ("hardest", "You take the value of the best key alone. All that may be read count, by their weights.",
     ({"hide": lambda scores, allowed: torch.nn.functional.one_hot(
         scores.masked_fill(~allowed, -math.inf).argmax(-1), scores.shape[-1]).double() * allowed
       if scores.shape[-1] else scores},)),
    ("keys_for_values", "What you weigh are the keys. The values are what is read.", ({"from_keys": True},)),
    ("swapped", "Keys and values have changed places.", ({"swapped": True},)),
    ("heads_mixed", "Your answer has the right shape, but its heads are mixed up: that is what a view or reshape of "
     "other dimensions does. Use transpose or permute where dimensions change places.",
     ({"order": lambda x: x.transpose(0, 1).reshape(x.shape)},
      {"order": lambda x: x.transpose(1, 2).reshape(x.shape)})),
)
for _id, _message, _options in TABLE:
    cross_attend.mistake(_id, _message, imitate=tuple(attention(**one) for one in _options))
cross_attend.mistake("all_zeros", "Your answer is zeros throughout, also where keys may be read.", observe=_all_zeros)
cross_attend.mistake("angle_grows", "The exponent of your angles has the wrong sign: they grow from pair to pair, and "
                     "have to fall.", observe=_angle_grows)
cross_attend.mistake("other_dtype", "Your answer comes back in another dtype than the query's.")
cross_attend.help(r"must match the (existing )?size|must match the size", "Shapes that do not fit: angles are [n, "
                  "D/2], one for each row and pair, and are the same for all heads: [:, None, :]. The mask is [n, m].")
cross_attend.help(r"expected (scalar type|m1 and m2 to have|.*same dtype)|dtype.*(BFloat16|Double|Float)",
                  "Two tensors of different dtypes meet: bring query, keys and values to one, and the answer back to "
                  "the query's.")
cross_attend.help(r"unsupported ScalarType BFloat16|Got unsupported", "numpy has no bfloat16: .float() comes first.")
