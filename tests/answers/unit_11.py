"""Unit 11: right answers written in other ways, and the mistakes that students make. What a draft reads."""

import bisect
import math

import numpy as np
import torch
from torch.nn import functional as F

from answers import right, wrong

LONG = torch.long


def named_as(name, function):
    function.__name__ = name
    return function


# block_mask ---------------------------------------------------------------------------------------------------------


def refuse(length, block):
    if length < 0:
        raise ValueError("a length is 0 or more")
    if block < 1:
        raise ValueError("a block is 1 or more")


@right("block_mask")
def row_by_row(length, block):
    refuse(length, block)
    mask = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        mask[i, : i // block * block] = True
    return mask


@right("block_mask")
def where_the_block_begins(length, block):
    refuse(length, block)
    i = torch.arange(length)
    return i[None, :] < (i - i % block)[:, None]


@right("block_mask")
def plain_loops(length, block):
    refuse(length, block)
    return torch.tensor([[j // block < i // block for j in range(length)] for i in range(length)],
                        dtype=torch.bool).reshape(length, length)


@right("block_mask")
def with_numpy(length, block):
    refuse(length, block)
    of = np.arange(length) // block
    return np.less.outer(of, of).T


@right("block_mask")
def a_grown_triangle(length, block):
    refuse(length, block)
    blocks = -(-length // block)
    small = torch.tril(torch.ones(blocks, blocks, dtype=torch.bool), -1)
    return small.repeat_interleave(block, 0).repeat_interleave(block, 1)[:length, :length]


@right("block_mask")
def zeros_and_ones(length, block):
    return row_by_row(length, block).long()


@right("block_mask")
def as_lists(length, block):
    refuse(length, block)
    return [[j // block < i // block for j in range(length)] for i in range(length)] if length else torch.zeros(0, 0)


def mask_of(may, check=refuse):
    def answer(length, block):
        check(length, block)
        return torch.tensor([[bool(may(i, j, block)) for j in range(length)] for i in range(length)],
                            dtype=torch.bool).reshape(length, length)

    return answer


for _name, _named, _may in (
    ("up_to_its_own_block", "own_block", lambda i, j, b: j // b <= i // b),
    ("all_that_stands_before", "own_block_before", lambda i, j, b: j < i),
    ("causal", "own_block_before", lambda i, j, b: j <= i),
    ("a_block_away", "window", lambda i, j, b: i - j >= b),
    ("more_than_a_block_away", "window", lambda i, j, b: i - j > b),
    ("sliding_window", "near", lambda i, j, b: 0 <= i - j < b),
    ("the_other_way", "transposed", lambda i, j, b: j // b > i // b),
    ("true_for_hidden", "inverted", lambda i, j, b: j // b >= i // b),
    ("the_block_before", "block_before_only", lambda i, j, b: j // b == i // b - 1),
    ("its_own_block", "own_block_only", lambda i, j, b: j // b == i // b),
    ("other_blocks_too", "other_blocks", lambda i, j, b: j // b != i // b),
    ("positions_from_one", "counts_from_one", lambda i, j, b: (j + 1) // b < (i + 1) // b),
    ("place_within_the_block", "modulo", lambda i, j, b: j % b < i % b),
    ("without_the_last_block", "one_block_late", lambda i, j, b: j // b < i // b - 1),
    ("and_itself", None, lambda i, j, b: j // b < i // b or i == j),
    ("and_the_first_position", None, lambda i, j, b: j // b < i // b or j == 0),
):
    wrong("block_mask", named=_named)(named_as(_name, mask_of(_may)))


@wrong("block_mask", named="number_of_blocks")
def so_many_blocks(length, block):
    refuse(length, block)
    size = max(1, -(-length // block))
    return row_by_row(length, size)


@wrong("block_mask")
def whole_blocks_only(length, block):
    refuse(length, block)
    mask = row_by_row(length, block)
    mask[length // block * block :] = False
    return mask


@wrong("block_mask")
def refuses_no_block(length, block):
    return mask_of(lambda i, j, b: j // b < i // b, lambda length, block: None)(length, max(1, abs(block)))


@wrong("block_mask")
def another_exception(length, block):
    if length < 0 or block < 1:
        raise IndexError("no such block")
    return row_by_row(length, block)


@wrong("block_mask")
def minus_infinity_for_false(length, block):
    return torch.zeros(length, length).masked_fill(~row_by_row(length, block), -math.inf)


@wrong("block_mask")
def refuses_an_empty_text(length, block):
    if length < 1:
        raise ValueError
    return row_by_row(length, block)


@wrong("block_mask")
def for_a_batch_of_one(length, block):
    return row_by_row(length, block)[None]


# cross_attend -------------------------------------------------------------------------------------------------------


def turned(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angle = positions[:, None].float() * base ** (-torch.arange(half).float() / half)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat([-x[..., half:], x[..., :half]], -1)


@right("cross_attend")
def as_in_transformers(query, positions, keys, values, mask, base=10_000.0):
    n, heads, width = query.shape
    inverse = 1.0 / (base ** (torch.arange(0, width, 2, dtype=torch.int64).float() / width))
    frequencies = positions.float()[:, None] @ inverse[None, :]
    both = torch.cat([frequencies, frequencies], -1)
    cos, sin = both.cos()[:, None].to(query.dtype), both.sin()[:, None].to(query.dtype)
    turned = query * cos + rotate_half(query) * sin
    repeats = heads // keys.shape[1]
    k, v = keys.repeat_interleave(repeats, 1), values.repeat_interleave(repeats, 1)
    scores = turned.transpose(0, 1) @ k.permute(1, 2, 0) / math.sqrt(width)
    scores = scores.masked_fill(~mask[None], float("-inf"))
    weights = scores.float().softmax(-1).nan_to_num(0.0).to(query.dtype)
    return (weights @ v.transpose(0, 1)).transpose(0, 1)


@right("cross_attend")
def scaled_dot_product_attention(query, positions, keys, values, mask, base=10_000.0):
    q = turned(query.float(), positions, base).to(query.dtype).transpose(0, 1)[None]
    out = F.scaled_dot_product_attention(q, keys.transpose(0, 1)[None], values.transpose(0, 1)[None],
                                         attn_mask=mask[None, None], enable_gqa=True)
    out = out[0].transpose(0, 1)
    return torch.where(mask.any(-1)[:, None, None], out, torch.zeros_like(out))


@right("cross_attend")
def sdpa_with_repeated_keys(query, positions, keys, values, mask, base=10_000.0):
    q = turned(query.float(), positions, base).to(query.dtype).transpose(0, 1)
    times = query.shape[1] // keys.shape[1]
    k, v = (x.repeat_interleave(times, dim=1).transpose(0, 1) for x in (keys, values))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(0, 1)
    return torch.nan_to_num(out) * mask.any(-1)[:, None, None]


@right("cross_attend")
def loops_over_rows_and_heads(query, positions, keys, values, mask, base=10_000.0):
    n, heads, width = query.shape
    per_group = heads // keys.shape[1]
    out = torch.zeros_like(query)
    for i in range(n):
        allowed = mask[i].nonzero()[:, 0]
        if len(allowed) == 0:
            continue
        for h in range(heads):
            q = query[i, h].double().clone()
            for pair in range(width // 2):
                angle = float(positions[i]) * base ** (-2 * pair / width)
                a, b = float(q[pair]), float(q[pair + width // 2])
                q[pair] = a * math.cos(angle) - b * math.sin(angle)
                q[pair + width // 2] = b * math.cos(angle) + a * math.sin(angle)
            g = h // per_group
            weights = torch.softmax(keys[allowed, g].double() @ q / width**0.5, 0)
            out[i, h] = weights @ values[allowed, g].double()
    return out


@right("cross_attend")
def einsum_over_groups(query, positions, keys, values, mask, base=10_000.0):
    n, heads, width = query.shape
    groups = keys.shape[1]
    q = turned(query.float(), positions, base).reshape(n, groups, -1, width)
    scores = torch.einsum("ngrd,mgd->grnm", q, keys.float()) * width**-0.5
    scores = scores + torch.where(mask, 0.0, -math.inf)
    weights = torch.nan_to_num(torch.softmax(scores, -1))
    return torch.einsum("grnm,mgd->ngrd", weights, values.float()).reshape(n, heads, width).to(query.dtype)


@right("cross_attend")
def numpy_and_complex_numbers(query, positions, keys, values, mask, base=10_000.0):
    q, k, v = (x.double().numpy() for x in (query, keys, values))
    n, heads, width = q.shape
    half = width // 2
    spin = np.exp(1j * np.outer(positions.numpy(), base ** (-np.arange(half) / half)))[:, None]
    z = (q[..., :half] + 1j * q[..., half:]) * spin
    q = np.concatenate([z.real, z.imag], -1)
    times = heads // k.shape[1]
    scores = np.einsum("nhd,mhd->nhm", q, np.repeat(k, times, 1)) / np.sqrt(width)
    scores = np.where(mask.numpy()[:, None], scores, -np.inf)
    top = scores.max(-1, keepdims=True, initial=-1e30)
    e = np.exp(scores - top)
    total = e.sum(-1, keepdims=True)
    weights = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    return torch.from_numpy(np.einsum("nhm,mhd->nhd", weights, np.repeat(v, times, 1))).to(query.dtype)


@right("cross_attend")
def exponentials_by_hand(query, positions, keys, values, mask, base=10_000.0):
    wide = torch.float64
    q = turned(query.to(wide), positions, base)
    groups = torch.arange(query.shape[1]) // (query.shape[1] // keys.shape[1])
    scores = (q[:, None] * keys.to(wide)[None, :, groups]).sum(-1) / query.shape[-1] ** 0.5  # [n, m, H]
    e = (scores - scores.amax(1, keepdim=True)).exp() * mask[..., None] if scores.shape[1] else scores
    weights = e / e.sum(1, keepdim=True).clamp(min=1e-300)
    return (weights[..., None] * values.to(wide)[None, :, groups]).sum(1).to(query.dtype)


@right("cross_attend")
def one_group_at_a_time(query, positions, keys, values, mask, base=10_000.0):
    heads, groups = query.shape[1], keys.shape[1]
    q = turned(query.float(), positions, base)
    parts = []
    for g, part in enumerate(q.chunk(groups, dim=1)):
        scores = torch.einsum("nhd,md->nhm", part, keys[:, g].float()) / math.sqrt(query.shape[-1])
        scores[~mask[:, None].expand_as(scores)] = -torch.inf
        weights = scores.softmax(-1)
        weights[~mask.any(-1)] = 0.0
        parts.append(weights @ values[:, g].float())
    assert len(parts) * (heads // groups) == heads
    return torch.cat(parts, 1).to(query.dtype)


@right("cross_attend")
def an_empty_key_for_empty_rows(query, positions, keys, values, mask, base=10_000.0):
    """A key more, which only rows read that may read nothing else; its value is zero."""
    k = torch.cat([keys, torch.zeros_like(keys[:1]) if len(keys) else keys.new_zeros(1, *keys.shape[1:])])
    v = torch.cat([values, values.new_zeros(1, *values.shape[1:])])
    more = torch.cat([mask, ~mask.any(-1, keepdim=True)], -1)
    q = turned(query.float(), positions, base).to(query.dtype).transpose(0, 1)[None]
    k, v = k.transpose(0, 1)[None], v.transpose(0, 1)[None]
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=more[None, None], enable_gqa=True)
    return out[0].transpose(0, 1)


def pairs_of_neighbours(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angle = positions[:, None].float() * base ** (-torch.arange(half).float() / half)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).reshape(x.shape)


def attend(turn=turned, repeat=lambda x, times: x.repeat_interleave(times, 1), where=lambda p: p, turn_keys=None,
           scale=lambda width, heads: width**0.5, weigh=None, base_of=lambda base: base, after=lambda x, query: x):
    """cross_attend as students write it, in float32, with something changed."""

    def answer(query, positions, keys, values, mask, base=10_000.0):
        n, heads, width = query.shape
        q = turn(query.float(), where(positions), base_of(base))
        k = turn_keys(keys.float(), base) if turn_keys else keys.float()
        times = heads // keys.shape[1]
        k, v = repeat(k, times), repeat(values.float(), times)
        scores = torch.einsum("nhd,mhd->nhm", q, k) / scale(width, heads)
        if weigh:
            weights = weigh(scores, mask[:, None])
        else:
            weights = scores.masked_fill(~mask[:, None], -math.inf).softmax(-1).nan_to_num(0.0)
        return after(torch.einsum("nhm,mhd->nhd", weights, v), query).to(query.dtype)

    return answer


right("cross_attend")(named_as("repeated_and_einsum", attend()))


def with_angles(exponent):
    def turn(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None].float() * base ** exponent(torch.arange(half).float(), x.shape[-1])
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    return turn


def sines(first, second):
    def turn(x, positions, base):
        half = x.shape[-1] // 2
        angle = positions[:, None].float() * base ** (-torch.arange(half).float() / half)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos + first * b * sin, b * cos + second * a * sin], -1)

    return turn


_softmax = torch.Tensor.softmax
for _name, _named, _change in (
    ("queries_as_they_are", "not_turned", {"turn": lambda x, p, base: x}),
    ("rows_counted_from_zero", "begins_at_0", {"where": lambda p: torch.arange(len(p))}),
    ("relative_to_the_first", "begins_at_0", {"where": lambda p: p - p[:1]}),
    ("from_the_first_on", "counts_on", {"where": lambda p: p[:1] + torch.arange(len(p))}),
    ("all_at_the_first", "counts_on", {"where": lambda p: p[:1].expand(len(p))}),
    ("one_place_on", "one_further", {"where": lambda p: p + 1}),
    ("one_place_back", "one_further", {"where": lambda p: p - 1}),
    ("keys_turned_as_well", "keys_turned_twice",
     {"turn_keys": lambda k, base: turned(k, torch.arange(len(k)), base)}),
    ("keys_instead_of_queries", "keys_not_queries",
     {"turn": lambda x, p, base: x, "turn_keys": lambda k, base: turned(k, torch.arange(len(k)), base)}),
    ("even_and_odd", "neighbours", {"turn": pairs_of_neighbours}),
    ("the_other_direction", "turned_back", {"turn": sines(1, -1)}),
    ("two_pluses", "no_minus", {"turn": sines(1, 1)}),
    ("two_minuses", "no_plus", {"turn": sines(-1, -1)}),
    ("exponent_i_over_d", "angle_half", {"turn": with_angles(lambda i, width: -i / width)}),
    ("exponent_4i_over_d", "angle_double", {"turn": with_angles(lambda i, width: -4 * i / width)}),
    ("angles_that_grow", "angle_grows", {"turn": with_angles(lambda i, width: 2 * i / width)}),
    ("the_same_angle", "one_angle", {"turn": with_angles(lambda i, width: 0 * i)}),
    ("ten_thousand", "own_base", {"base_of": lambda base: 10_000.0}),
    ("keys_repeated_as_a_block", "group_modulo", {"repeat": lambda x, times: x.repeat(1, times, 1)}),
    ("divided_by_groups", "group_divided",
     {"repeat": lambda x, times: x[:, torch.arange(x.shape[1] * times) // x.shape[1] % x.shape[1]]}),
    ("the_first_group_for_all", "first_group",
     {"repeat": lambda x, times: x[:, :1].expand(-1, x.shape[1] * times, -1)}),
    ("no_scale", "not_scaled", {"scale": lambda width, heads: 1.0}),
    ("scale_of_d", "scaled_by_d", {"scale": lambda width, heads: width}),
    ("scale_of_all_heads", "scaled_by_all", {"scale": lambda width, heads: (width * heads) ** 0.5}),
    ("scale_of_half", "scaled_by_all", {"scale": lambda width, heads: (width / 2) ** 0.5}),
    ("no_mask", "mask_ignored", {"weigh": lambda s, m: s.softmax(-1)}),
    ("hides_what_may_be_read", "mask_inverted",
     {"weigh": lambda s, m: s.masked_fill(m, -math.inf).softmax(-1).nan_to_num(0.0)}),
    ("masked_afterwards", "mask_after_softmax", {"weigh": lambda s, m: s.softmax(-1) * m}),
    ("scores_of_zero", "mask_zero", {"weigh": lambda s, m: s.masked_fill(~m, 0.0).softmax(-1)}),
    ("a_mask_that_is_added", "mask_added", {"weigh": lambda s, m: (s + m).softmax(-1)}),
    ("nan_in_empty_rows", "empty_is_nan", {"weigh": lambda s, m: s.masked_fill(~m, -math.inf).softmax(-1)}),
    ("a_large_negative_number", "empty_is_mean", {"weigh": lambda s, m: s.masked_fill(~m, -1e9).softmax(-1)}),
    ("the_lowest_number", "empty_is_mean",
     {"weigh": lambda s, m: s.masked_fill(~m, torch.finfo(s.dtype).min).softmax(-1)}),
    ("no_largest_taken_off", "overflows",
     {"weigh": lambda s, m: (s.exp() * m) / (s.exp() * m).sum(-1, keepdim=True).clamp_min(1e-9)}),
    ("no_largest_in_float64", "overflows",
     {"weigh": lambda s, m: ((s.double().exp() * m) / (s.double().exp() * m).sum(-1, keepdim=True)).nan_to_num(
         0.0).float()}),
    ("zeros_throughout", "all_zeros", {"after": lambda x, query: 0 * x.nan_to_num()}),
    ("over_the_rows", "softmax_over_rows",
     {"weigh": lambda s, m: s.masked_fill(~m, -math.inf).softmax(0).nan_to_num(0.0)}),
    ("over_the_heads", "softmax_over_rows",
     {"weigh": lambda s, m: s.masked_fill(~m, -math.inf).softmax(1).nan_to_num(0.0)}),
    ("scores_as_weights", "no_softmax", {"weigh": lambda s, m: s * m}),
    ("sigmoids", "no_softmax", {"weigh": lambda s, m: s.sigmoid() * m}),
    ("a_view_too_early", "heads_mixed", {"after": lambda x, query: x.transpose(0, 1).reshape(x.shape)}),
    ("two_rows_less_precise", None, {"after": lambda x, query: x * 1.01}),
    ("minus_ten_for_hidden", None, {"weigh": lambda s, m: (s - 10.0 * ~m).softmax(-1) * m.any(-1, keepdim=True)}),
    ("epsilon_in_the_sum", None, {"weigh": lambda s, m: (s.exp() * m) / ((s.exp() * m).sum(-1, keepdim=True) + 0.1)}),
):
    wrong("cross_attend", named=_named)(named_as(_name, attend(**_change)))


@wrong("cross_attend", named="keys_for_values")
def keys_are_weighed(query, positions, keys, values, mask, base=10_000.0):
    return attend()(query, positions, keys, keys, mask, base)


@wrong("cross_attend", named="swapped")
def values_for_keys(query, positions, keys, values, mask, base=10_000.0):
    return attend()(query, positions, values, keys, mask, base)


@wrong("cross_attend", named="groups_differ")
def values_by_modulo(query, positions, keys, values, mask, base=10_000.0):
    heads, groups = query.shape[1], keys.shape[1]
    return attend(repeat=lambda x, times: x)(query, positions, keys.repeat_interleave(heads // groups, 1),
                                             values.repeat(1, heads // groups, 1), mask, base)


@wrong("cross_attend", named="values_turned")
def values_turned_too(query, positions, keys, values, mask, base=10_000.0):
    values = turned(values.float(), torch.arange(len(values)), base).to(values.dtype)
    return attend()(query, positions, keys, values, mask, base)


@wrong("cross_attend", named="other_dtype")
def always_float32(query, positions, keys, values, mask, base=10_000.0):
    return attend()(query.float(), positions, keys.float(), values.float(), mask, base)


@wrong("cross_attend")
def angles_in_the_querys_dtype(query, positions, keys, values, mask, base=10_000.0):
    half = query.shape[-1] // 2
    rates = base ** (-torch.arange(half, dtype=query.dtype) / half)
    angle = positions[:, None].to(query.dtype) * rates
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = query[..., :half], query[..., half:]
    q = torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
    return attend(turn=lambda x, p, base: q.float())(query, positions, keys, values, mask, base)


@wrong("cross_attend", named="changes_input")
def turned_in_place(query, positions, keys, values, mask, base=10_000.0):
    query.copy_(turned(query.float(), positions, base).to(query.dtype))
    return attend(turn=lambda x, p, base: x)(query, positions, keys, values, mask, base)


@wrong("cross_attend")
def stops_without_keys(query, positions, keys, values, mask, base=10_000.0):
    if not mask.any():
        raise ValueError("nothing to read")
    return attend()(query, positions, keys, values, mask, base)


@wrong("cross_attend")
def empty_rows_left_out(query, positions, keys, values, mask, base=10_000.0):
    return attend()(query, positions, keys, values, mask, base)[mask.any(-1)]


@wrong("cross_attend")
def heads_in_one_row(query, positions, keys, values, mask, base=10_000.0):
    return attend()(query, positions, keys, values, mask, base).flatten(1)


@wrong("cross_attend")
def all_heads_alike(query, positions, keys, values, mask, base=10_000.0):
    out = attend()(query, positions, keys, values, mask, base)
    return out[:, :1].expand_as(out).clone()


# eagle_inputs -------------------------------------------------------------------------------------------------------


@right("eagle_inputs")
def a_row_of_zeros_in_front(features, embeddings):
    zeros = torch.zeros(min(1, len(features)), features.shape[1], dtype=features.dtype)
    return torch.cat((torch.cat((zeros, features[:-1]), dim=0), embeddings), dim=1)


@right("eagle_inputs")
def rolled_and_cleared(features, embeddings):
    before = features.roll(1, dims=0)
    before[:1] = 0
    return torch.hstack([before, embeddings])


@right("eagle_inputs")
def row_after_row(features, embeddings):
    rows = [torch.cat([features[t - 1] if t else torch.zeros_like(features[0]), embeddings[t]])
            for t in range(len(features))]
    return torch.stack(rows) if rows else features.new_zeros(0, 2 * features.shape[1])


@right("eagle_inputs")
def padded(features, embeddings):
    return torch.cat([F.pad(features, (0, 0, 1, 0))[: len(features)], embeddings], -1)


@right("eagle_inputs")
def filled_in(features, embeddings):
    length, width = features.shape
    rows = features.new_zeros(length, 2 * width)
    rows[1:, :width] = features[:-1]
    rows[:, width:] = embeddings
    return rows


@right("eagle_inputs")
def numpy_and_back(features, embeddings):
    f, e = features.double().numpy(), embeddings.double().numpy()
    before = np.concatenate([np.zeros_like(f[:1]), f[:-1]])
    return torch.from_numpy(np.concatenate([before, e], 1)).to(features.dtype)


@right("eagle_inputs")
def a_matrix_that_shifts(features, embeddings):
    shift = torch.diag(torch.ones(max(0, len(features) - 1), dtype=features.dtype), -1) if len(features) else None
    before = shift @ features if len(features) else features
    return torch.cat([before, embeddings], -1)


def before(x):
    return torch.cat([torch.zeros_like(x[:1]), x[:-1]])


def behind(x):
    return torch.cat([x[1:], torch.zeros_like(x[:1])])


for _name, _named, _rule in (
    ("side_by_side", "not_shifted", lambda f, e: torch.cat([f, e], -1)),
    ("the_state_behind", "shifted_back", lambda f, e: torch.cat([behind(f), e], -1)),
    ("rolled_back", "shifted_back", lambda f, e: torch.cat([f.roll(-1, 0), e], -1)),
    ("two_places", "shifted_twice", lambda f, e: torch.cat([before(before(f)), e], -1)),
    ("tokens_moved_up", "embeddings_shifted", lambda f, e: torch.cat([f, behind(e)], -1)),
    ("tokens_moved_down", "embeddings_shifted", lambda f, e: torch.cat([f, before(e)], -1)),
    ("both_moved", "both_shifted", lambda f, e: torch.cat([before(f), before(e)], -1)),
    ("only_rolled", "goes_round", lambda f, e: torch.cat([f.roll(1, 0), e], -1)),
    ("the_first_twice", "first_repeated", lambda f, e: torch.cat([torch.cat([f[:1], f[:-1]]), e], -1)),
    ("ones_in_front", "ones_first", lambda f, e: torch.cat([torch.cat([torch.ones_like(f[:1]), f[:-1]]), e], -1)),
    ("nothing_in_the_first_row", "first_row_empty",
     lambda f, e: torch.cat([torch.zeros_like(f[:1].repeat(1, 2)), torch.cat([before(f), e], -1)[1:]])),
    ("token_first", "halves_swapped", lambda f, e: torch.cat([e, before(f)], -1)),
    ("token_first_not_shifted", "halves_swapped", lambda f, e: torch.cat([e, f], -1)),
    ("by_turns", "interleaved", lambda f, e: torch.stack([before(f), e], -1).flatten(1)),
    ("from_the_second_on", "first_left_out", lambda f, e: torch.cat([f[:-1], e[1:]], -1)),
    ("a_sum", "added", lambda f, e: before(f) + e),
    ("along_the_text", "below_each_other", lambda f, e: torch.cat([before(f), e])),
    ("as_pairs", "stacked", lambda f, e: torch.stack([before(f), e], 1)),
    ("as_double", "other_dtype", lambda f, e: torch.cat([before(f), e], -1).double()),
    ("as_float", "other_dtype", lambda f, e: torch.cat([before(f), e], -1).float()),
    ("normed", None, lambda f, e: torch.cat([F.layer_norm(before(f), f.shape[-1:]), e], -1)),
    ("one_row_more", None,
     lambda f, e: torch.cat([torch.cat([torch.zeros_like(f[:1]), f]), torch.cat([e, torch.zeros_like(e[:1])])], -1)),
    ("one_for_the_batch", None, lambda f, e: torch.cat([before(f), e], -1)[None]),
    ("summed_up", None, lambda f, e: torch.cat([before(f.cumsum(0)), e], -1)),
    ("needs_a_token", None, lambda f, e: torch.cat([torch.stack([torch.zeros_like(f[0]), *f[:-1]]), e], -1)),
):
    wrong("eagle_inputs", named=_named)(named_as(_name, _rule))


@wrong("eagle_inputs", named="changes_input")
def moved_in_place(features, embeddings):
    features[1:] = features[:-1].clone()
    features[:1] = 0
    return torch.cat([features, embeddings], -1)


@wrong("eagle_inputs")
def moved_in_place_one_by_one(features, embeddings):
    f = features.clone()
    for t in range(1, len(f)):
        f[t] = f[t - 1]  # which was overwritten a moment ago
    f[:1] = 0
    return torch.cat([f, embeddings], -1)


# eagle_rollout ------------------------------------------------------------------------------------------------------


@right("eagle_rollout")
def a_tensor_filled(step, feature, token, k):
    drafts = torch.zeros(k, dtype=LONG)
    state, newest = feature, token
    for i in range(k):
        logits, state = step(state, newest)
        newest = logits.argmax()
        drafts[i] = newest
    return drafts


@right("eagle_rollout")
def by_recursion(step, feature, token, k):
    if k == 0:
        return torch.zeros(0, dtype=LONG)
    logits, state = step(feature, token)
    best = int(torch.argmax(logits))
    return torch.cat([torch.tensor([best]), by_recursion(step, state, best, k - 1)])


@right("eagle_rollout")
def with_while(step, feature, token, k):
    out, state = [], feature.clone()
    while len(out) < k:
        logits, state = step(state, out[-1] if out else token)
        out.append(logits.max(-1).indices.item())
    return torch.LongTensor(out)


@right("eagle_rollout")
def numpy_for_the_best(step, feature, token, k):
    out = []
    for _ in range(k):
        logits, feature = step(feature, int(token))
        token = int(np.argmax(logits.numpy()))
        out.append(token)
    return np.array(out, dtype=np.int64)


@right("eagle_rollout")
def a_plain_list(step, feature, token, k):
    out = []
    for _ in range(k):
        answer = step(feature, torch.tensor([token]) if not out else torch.tensor([out[-1]]))
        feature = answer[1]
        row = answer[0].tolist()
        out.append(row.index(max(row)))
    return out


@right("eagle_rollout")
def all_in_one_list(step, feature, token, k):
    tokens, states = [token], [feature]
    for i in range(k):
        logits, state = step(states[i], tokens[i])
        states.append(state)
        tokens.append(torch.softmax(logits.double(), -1).argmax().item())
    return torch.tensor(tokens[1:], dtype=LONG)


def rolled(read_state=None, read_token=None, pick=None, before_loop=lambda feature: feature, count=lambda k: k,
           after=lambda drafts, token: drafts):
    def answer(step, feature, token, k):
        first, newest, drafts, states = before_loop(feature), token, [], []
        for _ in range(count(k)):
            state = states[-1] if states else first
            logits, made = step(read_state(first, states) if read_state else state,
                                read_token(newest, drafts) if read_token else drafts[-1] if drafts else newest)
            states.append(made)
            drafts.append(int(pick(logits) if pick else logits.argmax()))
        return torch.tensor(after(drafts, newest), dtype=LONG)

    return answer


for _name, _named, _change in (
    ("the_targets_state_each_time", "targets_state_again", {"read_state": lambda f, made: f}),
    ("the_state_before_that", "state_too_old", {"read_state": lambda f, made: made[-2] if len(made) > 1 else f}),
    ("stuck_at_its_first_state", "first_state", {"read_state": lambda f, made: made[0] if made else f}),
    ("states_summed", "states_added", {"read_state": lambda f, made: f + sum(made) if made else f}),
    ("residual_states", "states_added", {"read_state": lambda f, made: f + made[-1] if made else f}),
    ("averaged", "states_added", {"read_state": lambda f, made: (f + made[-1]) / 2 if made else f}),
    ("the_newest_token_each_time", "newest_token_again", {"read_token": lambda t, drafts: t}),
    ("a_token_late", "token_too_old", {"read_token": lambda t, drafts: drafts[-2] if len(drafts) > 1 else t}),
    ("the_same_call_again", "neither_again", {"read_state": lambda f, made: f, "read_token": lambda t, drafts: t}),
    ("with_the_newest_token", "newest_is_a_draft",
     {"after": lambda drafts, token: [int(token), *drafts][: len(drafts)]}),
    ("one_too_many", "one_less", {"count": lambda k: k + 1}),
    ("one_too_few", "one_less", {"count": lambda k: max(0, k - 1)}),
    ("argmin", "smallest", {"pick": lambda logits: logits.argmin()}),
    ("the_last_of_equals", "last_of_ties", {"pick": lambda logits: len(logits) - 1 - logits.flip(0).argmax()}),
    ("backwards", "reversed", {"after": lambda drafts, token: drafts[::-1]}),
    ("from_nothing", "nothing_to_begin_with", {"before_loop": torch.zeros_like}),
    ("the_second_best", None, {"pick": lambda logits: logits.topk(2).indices[1]}),
    ("at_least_one", None, {"count": lambda k: max(1, k)}),
    ("the_first_draft_twice", None, {"after": lambda drafts, token: drafts[:1] + drafts[:-1]}),
    ("the_first_token_read_twice", None, {"read_token": lambda t, drafts: drafts[0] if drafts else t}),
    ("states_without_size", None, {"read_state": lambda f, made: F.normalize(made[-1], dim=0) if made else f}),
    ("only_signs", None, {"read_state": lambda f, made: made[-1].sign() if made else f}),
):
    wrong("eagle_rollout", named=_named)(named_as(_name, rolled(**_change)))


@wrong("eagle_rollout", named="all_from_one_call")
def the_k_best_of_one_call(step, feature, token, k):
    logits, _ = step(feature, token)
    return logits.topk(k).indices


@wrong("eagle_rollout", named="calls_often")
def once_for_each_thing(step, feature, token, k):
    drafts = []
    for _ in range(k):
        logits = step(feature, token)[0]
        feature = step(feature, token)[1]
        token = int(logits.argmax())
        drafts.append(token)
    return torch.tensor(drafts, dtype=LONG)


@wrong("eagle_rollout", named="calls_often")
def one_call_in_advance(step, feature, token, k):
    logits, state = step(feature, token)
    drafts = []
    for _ in range(k):
        token = int(logits.argmax())
        drafts.append(token)
        logits, state = step(state, token)
    return torch.tensor(drafts, dtype=LONG)


@wrong("eagle_rollout", says="of equal logits it is the first")
def the_best_of_topk(step, feature, token, k):
    return rolled(pick=lambda logits: logits.topk(1).indices)(step, feature, token, k)


@wrong("eagle_rollout", says="The largest logit there is that of token")
def drawn_by_chance(step, feature, token, k):
    return rolled(pick=lambda logits: logits.add(torch.rand(len(logits)) * 9).argmax())(step, feature, token, k)


@wrong("eagle_rollout", says="k = 0")
def no_drafts_are_floats(step, feature, token, k):
    drafts = rolled()(step, feature, token, k)
    return drafts if k else torch.tensor([])


@wrong("eagle_rollout", says="your drafts are floats")
def floats_come_back(step, feature, token, k):
    return rolled()(step, feature, token, k).float()


@wrong("eagle_rollout")
def scalars_in_a_stack(step, feature, token, k):
    drafts = []
    for _ in range(k):
        logits, feature = step(feature, token)
        token = logits.argmax()
        drafts.append(token)
    return torch.stack(drafts)


@wrong("eagle_rollout", named="changes_input")
def into_the_given_state(step, feature, token, k):
    drafts = []
    for _ in range(k):
        logits, state = step(feature, token)
        feature.copy_(state)
        token = int(logits.argmax())
        drafts.append(token)
    return torch.tensor(drafts, dtype=LONG)


# cape_widths --------------------------------------------------------------------------------------------------------


def refuse_widths(confidence, bounds, widths):
    if list(bounds) != sorted(set(bounds)):
        raise ValueError("bounds ascend")
    if len(widths) - len(bounds) != 1:
        raise ValueError("one width more than bounds")
    if not all(0 <= c <= 1 for c in confidence):
        raise ValueError("a confidence is in [0, 1]")


@right("cape_widths")
def by_bisection(confidence, bounds, widths):
    refuse_widths(confidence, bounds, widths)
    return [widths[bisect.bisect_right(bounds, c)] for c in confidence]


@right("cape_widths")
def with_torch_bucketize(confidence, bounds, widths):
    refuse_widths(confidence, bounds, widths)
    c, b = torch.tensor(confidence, dtype=torch.float64), torch.tensor(bounds, dtype=torch.float64)
    return torch.tensor(widths)[torch.bucketize(c, b, right=True)]


@right("cape_widths")
def with_numpy_digitize(confidence, bounds, widths):
    c, b = np.asarray(confidence, dtype=float), np.asarray(bounds, dtype=float)
    if (np.diff(b) <= 0).any() or len(widths) != len(b) + 1 or not ((c >= 0) & (c <= 1)).all():
        raise ValueError
    return [int(w) for w in np.asarray(widths)[np.searchsorted(b, c, side="right")]]


@right("cape_widths")
def from_the_surest_down(confidence, bounds, widths):
    refuse_widths(confidence, bounds, widths)
    out = []
    for c in confidence:
        for bound, width in zip(reversed(bounds), reversed(widths), strict=False):
            if c >= bound:
                out.append(width)
                break
        else:
            out.append(widths[0])
    return out


@right("cape_widths")
def compared_all_with_all(confidence, bounds, widths):
    refuse_widths(confidence, bounds, widths)
    reached = torch.tensor(confidence)[:, None] >= torch.tensor(bounds)[None]
    return [widths[i] for i in reached.sum(1).tolist()]


@right("cape_widths")
def math_for_nan(confidence, bounds, widths):
    for i in range(1, len(bounds)):
        if not bounds[i] > bounds[i - 1]:
            raise ValueError(f"bound {i}")
    if len(widths) != 1 + len(bounds):
        raise ValueError("widths")
    for c in confidence:
        if math.isnan(c) or c < 0.0 or c > 1.0:
            raise ValueError(f"confidence {c}")
    return [next((widths[i] for i, bound in enumerate(bounds) if c < bound), widths[-1]) for c in confidence]


def widths_by(place, check=refuse_widths, change=lambda c: c, turn=lambda w: w):
    def answer(confidence, bounds, widths):
        check(confidence, bounds, widths)
        return [turn(widths)[min(place(bounds, c), len(widths) - 1)] for c in change(confidence)]

    return answer


def so_far(combine):
    def change(confidence):
        out = []
        for c in confidence:
            out.append(combine(out[-1], c) if out else c)
        return out

    return change


for _name, _named, _answer in (
    ("greater_than", "bound_to_the_less_sure", widths_by(bisect.bisect_left)),
    ("surest_first", "widths_reversed", widths_by(bisect.bisect_right, turn=lambda w: w[::-1])),
    ("survival", "product", widths_by(bisect.bisect_right, change=so_far(lambda a, b: a * b))),
    ("the_least_so_far", "smallest_so_far", widths_by(bisect.bisect_right, change=so_far(min))),
    ("the_mean", "one_for_all",
     widths_by(bisect.bisect_right, change=lambda c: [sum(c) / len(c)] * len(c) if c else c)),
    ("the_first_decides", "one_for_all", widths_by(bisect.bisect_right, change=lambda c: c[:1] * len(c))),
    ("doubt", "doubt_for_confidence", widths_by(bisect.bisect_right, change=lambda c: [1 - x for x in c])),
    ("next_class", "class_too_high", widths_by(lambda b, c: bisect.bisect_right(b, c) + 1)),
    ("class_before", "class_too_low", widths_by(lambda b, c: max(0, bisect.bisect_right(b, c) - 1))),
    ("only_the_first_bound", "first_bound_only", widths_by(lambda b, c: int(bool(b) and c >= b[0]))),
    ("the_surest_class_left_out", "surest_never",
     widths_by(lambda b, c: max(0, min(bisect.bisect_right(b, c), len(b) - 1)))),
    ("equal_classes", "even_classes", widths_by(lambda b, c: int(c * (len(b) + 1)))),
    ("in_order_of_size", "sorted", widths_by(bisect.bisect_right, change=sorted)),
    ("takes_everything", "refuses_nothing", widths_by(bisect.bisect_right, lambda *given: None)),
    ("the_nearest_bound", None,
     widths_by(lambda b, c: min(range(len(b)), key=lambda i: abs(b[i] - c)) + 1 if b else 0)),
):
    wrong("cape_widths", named=_named)(named_as(_name, _answer))


@wrong("cape_widths", named="classes_for_widths")
def the_classes(confidence, bounds, widths):
    refuse_widths(confidence, bounds, widths)
    return [bisect.bisect_right(bounds, c) for c in confidence]


@wrong("cape_widths", named="summed")
def all_candidates(confidence, bounds, widths):
    return [sum(by_bisection(confidence, bounds, widths))]


@wrong("cape_widths")
def nan_goes_through(confidence, bounds, widths):
    if any(c < 0 or c > 1 for c in confidence) or len(widths) != len(bounds) + 1 or list(bounds) != sorted(set(bounds)):
        raise ValueError
    return [widths[bisect.bisect_right(bounds, c)] for c in confidence]


@wrong("cape_widths")
def equal_bounds_go_through(confidence, bounds, widths):
    if not all(0 <= c <= 1 for c in confidence) or len(widths) != len(bounds) + 1 or list(bounds) != sorted(bounds):
        raise ValueError
    return [widths[bisect.bisect_right(bounds, c)] for c in confidence]


@wrong("cape_widths")
def widths_are_not_counted(confidence, bounds, widths):
    if not all(0 <= c <= 1 for c in confidence) or list(bounds) != sorted(set(bounds)):
        raise ValueError
    return [widths[min(bisect.bisect_right(bounds, c), len(widths) - 1)] for c in confidence]


@wrong("cape_widths")
def one_is_no_confidence(confidence, bounds, widths):
    if not all(0 <= c < 1 for c in confidence):
        raise ValueError
    return by_bisection(confidence, bounds, widths)


@wrong("cape_widths")
def never_more_than_before(confidence, bounds, widths):
    return [min(widths[: bisect.bisect_right(bounds, c) + 1]) for c in confidence] if not refuse_widths(
        confidence, bounds, widths) else None
