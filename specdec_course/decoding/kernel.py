"""`verify_drawn` in one launch: a Triton kernel that accepts, takes the residual and draws, for a batch of texts.

Knows: how one text's round is worked through block by block of the vocabulary, by one program. Does not know: what it
means (drawn has the contract, in plain torch). Nothing uses it unless it is called: it needs Triton and a GPU, or
Triton's interpreter, which is slow and there to check it.

In torch the same takes a dozen launches, each of which reads or writes [B, V] or [B, k, V]. Here of q and p only the
probabilities of the drafted tokens are read, and of each text one row, twice: to know its whole, and to find the place.
What that is worth on a card was not measured yet: `specdec bench --cuda-suite --part kernel` does it.
"""

from __future__ import annotations

import functools
import os

from .drawn import check_shapes

BLOCK = 4096  # ids that a program looks at together


def verify_drawn(draft, q, p, numbers, lengths=None, block=BLOCK):
    """See `drawn.verify_drawn`, whose arguments and answers these are, to the last token unless round-off of sums in
    float64 decides.

    block: how many ids are looked at together, a power of 2; the answer does not depend on it.

    Raises ValueError where Triton is missing, where tensors lie on a CPU and TRITON_INTERPRET=1 is not set, and for
    shapes that do not belong together.
    """
    check_shapes(draft, q, p, numbers, lengths)
    if block < 1 or block & (block - 1):
        raise ValueError(f"block is {block}; expected a power of 2")
    devices = {one.device for one in (draft, q, p, numbers, lengths) if one is not None}
    if len(devices) > 1:
        raise ValueError(f"the tensors lie on {', '.join(sorted(map(str, devices)))}; expected one device")
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if draft.device.type == "cpu" and not interpreted:
        raise ValueError(
            "on a CPU the kernel runs in Triton's interpreter only, to be checked, slowly: set TRITON_INTERPRET=1 "
            "before Python starts, or use decoding.drawn.verify_drawn"
        )
    program = _program(interpreted)
    rows, k = draft.shape
    tokens, n = draft.new_full((rows, k + 1), -1), draft.new_empty(rows)
    given = [draft, p if q is None else q, p, numbers.double(), n if lengths is None else lengths]
    strides = [stride for one in (given[0], given[1], given[2], given[3]) for stride in one.stride()]
    if rows:
        program[(rows,)](
            *given, tokens, n, *strides, k, p.shape[-1], PLACES=1 << k.bit_length(), BLOCK=block,
            DRAWN=q is not None, RAGGED=lengths is not None,
        )  # fmt: skip
    return tokens, n


@functools.cache
def _program(interpreted: bool):
    """The kernel, made when it is asked for: without Triton this module can still be imported, and read."""
    try:
        import triton
        import triton.language as tl
    except ImportError:
        raise ValueError(
            "the kernel needs Triton, which is not installed: pip install triton (torch for CUDA brings it along), or "
            "use decoding.drawn.verify_drawn, which is the same in plain torch"
        ) from None

    @triton.jit
    def one_text(
        draft, q, p, numbers, lengths, tokens, n_of,
        draft_b, draft_i, q_b, q_i, q_v, p_b, p_i, p_v, number_b, number_i, k, V,
        PLACES: tl.constexpr, BLOCK: tl.constexpr, DRAWN: tl.constexpr, RAGGED: tl.constexpr,
    ):  # fmt: skip
        b = tl.program_id(0).to(tl.int64)  # offsets outgrow 32 bits: B = 4096 texts of k = 4 over 151,936 ids do
        draft, p, numbers = draft + b * draft_b, p + b * p_b, numbers + b * number_b
        length = tl.load(lengths + b).to(tl.int32) if RAGGED else k

        # Which tokens stay: those before the first that does not. A minimum over places needs no order among threads.
        i = tl.arange(0, PLACES)
        drafted = i < length
        x = tl.load(draft + i * draft_i, mask=drafted, other=0)
        p_x = tl.load(p + i * p_i + x * p_v, mask=drafted, other=1.0).to(tl.float64)
        u = tl.load(numbers + i * number_i, mask=drafted, other=0.0)
        if DRAWN:
            u = u * tl.load(q + b * q_b + i * q_i + x * q_v, mask=drafted, other=1.0).to(tl.float64)
        n = tl.min(tl.where(drafted & (u >= p_x), i, length), axis=0)

        # What the last token is drawn from: sums of the row, and of what q left uncovered of it.
        rejected = n < length
        p, q = p + n * p_i, q + b * q_b + n * q_i
        token = tl.load(draft + n * draft_i, mask=rejected, other=-1)
        covering = tl.where(rejected, V, 0)  # so many ids of q count: behind the whole draft there is none
        whole, uncovered = tl.full((), 0.0, tl.float64), tl.full((), 0.0, tl.float64)
        for start in range(0, V, BLOCK):
            v = start + tl.arange(0, BLOCK)
            row = tl.load(p + v.to(tl.int64) * p_v, mask=v < V, other=0.0).to(tl.float64)
            whole += tl.sum(row, axis=0)
            if DRAWN:
                covered = tl.load(q + v.to(tl.int64) * q_v, mask=v < covering, other=0.0).to(tl.float64)
                uncovered += tl.sum(tl.maximum(row - covered, 0.0), axis=0)
            else:
                uncovered += tl.sum(tl.where(v == token, 0.0, row), axis=0)
        some = rejected & (uncovered > 0)  # else p itself: behind the whole draft, or where p and q are equal
        covering, token = tl.where(some, V, 0), tl.where(some, token, -1)
        reach = tl.load(numbers + k * number_i) * tl.where(some, uncovered, whole)

        # The first token whose height is beyond it, and should round-off leave none, the last that can be drawn.
        height, first, last = tl.full((), 0.0, tl.float64), V, 0
        for start in range(0, V, BLOCK):
            v = start + tl.arange(0, BLOCK)
            weight = tl.load(p + v.to(tl.int64) * p_v, mask=v < V, other=0.0).to(tl.float64)
            if DRAWN:
                covered = tl.load(q + v.to(tl.int64) * q_v, mask=v < covering, other=0.0).to(tl.float64)
                weight = tl.maximum(weight - covered, 0.0)
            else:
                weight = tl.where(v == token, 0.0, weight)
            beyond = (height + tl.cumsum(weight, axis=0) > reach) & (weight > 0)
            first = tl.minimum(first, tl.min(tl.where(beyond, v, V), axis=0))
            last = tl.maximum(last, tl.max(tl.where(weight > 0, v, 0), axis=0))
            height += tl.sum(weight, axis=0)
        own = tl.where(first < V, first, last)

        out = tokens + b * (k + 1)
        tl.store(out + i, x, mask=i < n)
        tl.store(out + n, own.to(tl.int64))
        tl.store(n_of + b, n.to(tl.int64))

    return one_text
