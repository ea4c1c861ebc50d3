"""Right and wrong in `cross_attend`: queries of one model over the keys and values of another.

Knows: the right attention, in double precision and by complex numbers. Does not know: models.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .. import values
from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from .near import CLOSE, ask_nearly

COARSE = 0.05  # of bfloat16: the length of the difference over that of the right answer. Right ones reach 0.006, angles
# in bfloat16 begin at 0.14.

cross_attend = Exercise(
    "cross_attend", unit="11", points=4, difficulty=4, minutes=30,
    reference="specdec_course.models.looking:cross_attend",
    hints=(
        "Take one row and one head first. By which angle is its pair number 0 turned, if the row stands at position "
        "900? Which group does head 5 of 9 read, if there are 3 groups? And what does a softmax say of a row in which "
        "everything is masked?",
        "half = D // 2; angle = positions[:, None].float() * base ** (-torch.arange(half) / half); turn the halves "
        "query[..., :half] and query[..., half:] with its cos and sin, [n, 1, half]. Then keys and values "
        ".repeat_interleave(H // G, dim=1); scores = einsum('nhd,mhd->nhm') / D ** 0.5, -inf where mask[:, None] is "
        "False; weights = softmax(-1).nan_to_num(0); einsum('nhm,mhd->nhd').",
    ),
)


def _turned(query: np.ndarray, positions, base: float) -> np.ndarray:
    half = query.shape[-1] // 2
    angle = positions.double().numpy()[:, None] * float(base) ** (-np.arange(half) / half)
    turned = (query[..., :half] + 1j * query[..., half:]) * np.exp(1j * angle)[:, None, :]
    return np.concatenate([turned.real, turned.imag], -1)


def right_attention(query, positions, keys, held, mask, base=10_000.0) -> np.ndarray:
    query, keys, held = (x.double().numpy() for x in (query, keys, held))
    n, heads, width = query.shape
    query = _turned(query, positions, base)
    answer = np.zeros((n, heads, width))
    for row, allowed in enumerate(mask.numpy()):
        if not allowed.any():
            continue
        for head in range(heads):
            group = head // (heads // keys.shape[1])
            scores = keys[allowed, group] @ query[row, head] / math.sqrt(width)
            weights = np.exp(scores - scores.max())
            answer[row, head] = (weights / weights.sum()) @ held[allowed, group]
    return answer


def drawn(rng, n: int, m: int, heads: int, groups: int, width: int, first: int | None = 0, share: float | None = 0.6,
          dtype=torch.float32) -> tuple:
    """Arguments without a base. first: the position of the first row, None: rows in any order. share: how many keys a
    row may read, on average, one at least; None: all."""
    query = 1.5 * torch.randn(n, heads, width, generator=rng, dtype=torch.float64)
    keys, held = (torch.randn(m, groups, width, generator=rng, dtype=torch.float64) for _ in range(2))
    positions = torch.randint(1000, (n,), generator=rng) if first is None else torch.arange(first, first + n)
    mask = torch.ones(n, m, dtype=torch.bool)
    if share is not None and m:
        mask = torch.rand(n, m, generator=rng) < share
        mask[torch.arange(n), torch.randint(m, (n,), generator=rng)] = True
    return query.to(dtype), positions, keys.to(dtype), held.to(dtype), mask


def case(given, *base) -> tuple:
    given = (*given, *base)
    return given, (given, right_attention(*given))


def judge(found, wanted):
    given, right = wanted
    positions, mask = given[1], given[4]
    if found.shape != right.shape:
        return f"The query has the shape {list(right.shape)}, and so has the answer; yours has {list(found.shape)}."
    for row in range(len(right)):
        reads = int(mask[row].sum())
        where = f"Row {row} (at position {int(positions[row])}) may read {reads or 'none'} of {mask.shape[1]} keys"
        if not np.isfinite(found[row]).all():
            return f"{where}, and your answer there holds NaN or infinity."
        off = np.abs(found[row] - right[row]).max(-1, initial=0.0)
        if off.max(initial=0.0) > CLOSE and not reads:
            return f"{where}: it has to be all zeros, and yours is not."
        if off.max(initial=0.0) > CLOSE:
            head, heads, groups = int(off.argmax()), right.shape[1], given[2].shape[1]
            return (f"{where}; head {head} of {heads} reads group {head // (heads // groups)} of {groups}. Your answer "
                    f"there is off by {off[head]:.2g} ({CLOSE:g} would be near enough).")
    return None


def with_large_scores(rng) -> tuple:
    """Arguments whose scores reach 1000, where exponentials overflow in any precision. In every row one key is far
    ahead of the others, so that a right answer is right to the last digit; and every row may read all keys, so that
    the largest score may be taken off before or after the mask."""
    while True:
        query, positions, keys, held, mask = drawn(rng, 2, 3, 2, 1, 4, whole(0, 9, rng), None)
        turned = _turned(query.double().numpy(), positions, 10_000.0)
        scores = np.sort(np.einsum("nhd,md->nhm", turned, keys[:, 0].double().numpy()) / 2, -1)
        if scores.max() > 0 and (scores[..., -1] - scores[..., -2]).min() > 0.05 * scores.max():
            return query * (1000 / scores.max()), positions, keys, held, mask


def asked(student, cases, rng) -> None:
    ask_nearly(student, values.as_array, cases, judge, rng)


@cross_attend.part("turns every query by the position of its row", weight=3, rests_on=(
    "it has to be turned by the position *in the text* of its own row, which need not begin at 0",
    "Number i and number i + D/2 of a head are a pair (a, b)", "its angle is z = x * base ** (-2 * i / D)"))
def _(student, rng):
    firsts = mixed((0, whole(1, 40, rng), 900, 900 + whole(1, 90, rng), None), rng)
    cases = [case(drawn(rng, whole(2, 5, rng), whole(3, 7, rng), 1, 1, width, first, None))
             for first, width in zip(firsts, mixed((4, 8, 8, 16, 64), rng), strict=True)]
    cases += [case(drawn(rng, 1, 2, 1, 1, 4, whole(1, 3, rng), None)) for _ in range(2)]
    asked(student, cases, rng)


@cross_attend.part("is right where a row may read some of many keys, and where scores are large", weight=2, rests_on=(
    "their dot product over the square root of D", "The softmax over the keys that the row may read",
    "True where a row may read a key",
    "A score may be large, 1000 or -1000"))
def _(student, rng):
    cases = [case(drawn(rng, whole(3, 6, rng), whole(4, 9, rng), 2, 2, width, None))
             for width in mixed((4, 6, 16), rng)]
    cases += [case(drawn(rng, 1, 3, 1, 1, 2)), case(drawn(rng, 1, 3, 1, 1, 2))]
    cases += [case(drawn(rng, whole(20, 40, rng), 150, 1, 1, 64, whole(0, 900, rng)))]
    cases += [case(with_large_scores(rng)) for _ in range(2)]
    asked(student, cases, rng)


@cross_attend.part("is right for groups of heads: every head reads its own", weight=2, rests_on=(
    "head h scores each key of group h // (H // G)", "weighs the values of the same group", "H is a multiple of G"))
def _(student, rng):
    shapes = mixed(((9, 3, 64), (4, 1, 16), (6, 3, 4), (8, 2, 8), (4, 4, 6)), rng)
    cases = [case(drawn(rng, whole(2, 5, rng), whole(3, 8, rng), *shape, whole(0, 900, rng))) for shape in shapes]
    cases += [case(drawn(rng, 1, 2, 4, 2, 2)), case(drawn(rng, 1, 2, 4, 2, 2)),
              case(drawn(rng, 12, whole(100, 150, rng), 9, 3, 64, 900))]
    asked(student, cases, rng)


@cross_attend.part("is right where rows may read nothing (zeros), and where there are no keys", weight=2, rests_on=(
    "A row that may read nothing is all zeros, never NaN", "m may be 0, where the target has read nothing yet"))
def _(student, rng):
    cases = []
    for heads, groups in mixed(((1, 1), (4, 2), (6, 3)), rng):
        given = drawn(rng, whole(4, 7, rng), whole(3, 6, rng), heads, groups, 8, whole(0, 900, rng))
        for row in torch.randperm(len(given[0]), generator=rng)[: whole(1, 3, rng)].tolist():
            given[4][row] = False
        cases.append(case(given))
    given = drawn(rng, 2, 3, 1, 1, 2)
    given[4][whole(0, 1, rng)] = False
    cases += [case(given), case(drawn(rng, whole(1, 3, rng), 0, 4, 2, 8))]
    asked(student, cases, rng)


@cross_attend.part("is right with the base that it is given", weight=1, rests_on=(
    "the base of the rotary embedding", "base=10_000.0"))
def _(student, rng):
    cases = [case(drawn(rng, whole(2, 4, rng), whole(3, 6, rng), 2, 1, width, whole(1, 900, rng), None), base)
             for base, width in zip(mixed((100.0, 10_000.0, 500_000.0, 1e6), rng), (4, 8, 16, 64), strict=True)]
    asked(student, [*cases, case(drawn(rng, 2, 3, 2, 1, 8, whole(5, 900, rng), None))], rng)


def read_in(dtype):
    def read(answer):
        if getattr(answer, "dtype", None) != dtype:
            raise Wrong(f"For queries of {str(dtype).removeprefix('torch.')} your function returned "
                        f"{values.describe(answer)}. The answer has the query's dtype.", mistake="other_dtype")
        return values.as_array(answer)

    return read


def judge_coarse(found, wanted):
    given, right = wanted
    if found.shape != right.shape or not np.isfinite(found).all():
        return judge(found, wanted)
    off = float(np.linalg.norm(found - right) / np.linalg.norm(right))
    if off > COARSE:
        return (f"In bfloat16, from position {int(given[1].min())} to {int(given[1].max())}, your answer is off by "
                f"{off:.0%} of its length ({COARSE:.0%} would be near enough): are angles computed in float32?")
    return None


@cross_attend.part("is right in float64, in bfloat16 at positions that it cannot tell apart, and keeps the dtype",
                   weight=1, rests_on=("It may be bfloat16", "angles are computed in float32 or better",
                                       "of the query's dtype"))
def _(student, rng):
    given = drawn(rng, whole(2, 5, rng), whole(3, 9, rng), 4, 2, 16, whole(0, 900, rng), dtype=torch.float64)
    ask_nearly(student, read_in(torch.float64), [case(given)], judge, rng)
    cases = [case(drawn(rng, whole(8, 14, rng), whole(5, 20, rng), heads, groups, 32, first, dtype=torch.bfloat16))
             for heads, groups, first in mixed(((4, 1, 0), (9, 3, 901), (2, 2, 931 + whole(0, 30, rng))), rng)]
    for given, wanted in cases:
        answer = student.aside().read(read_in(torch.bfloat16), *given)
        wrong = judge_coarse(answer, wanted)
        student.seen.append(wrong is None)
        if wrong:
            raise Wrong(wrong) if isinstance(wrong, str) else wrong


def _pair(place: int, other):
    """Two answers to questions that differ in one argument."""
    def pair(student, rng):
        given = drawn(rng, 4, 6, 4, 2, 8, whole(3, 90, rng))
        changed = [*given, 10_000.0]
        changed[place] = other(changed[place], rng)
        return student.array(*given, 10_000.0), student.array(*changed)

    return pair


for _place, _name, _other in (
    (0, "query", lambda x, rng: torch.randn(x.shape, generator=rng)),
    (1, "positions", lambda x, rng: x + whole(5, 90, rng)),
    (2, "keys", lambda x, rng: torch.randn(x.shape, generator=rng)),
    (3, "values", lambda x, rng: torch.randn(x.shape, generator=rng)),
    (4, "mask", lambda x, rng: torch.eye(*x.shape, dtype=torch.bool)),
    (5, "base", lambda x, rng: 30.0),
):
    cross_attend.argument(_name)(_pair(_place, _other))
