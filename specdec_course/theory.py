"""Formulas: what speculation should bring, and what a forward pass should cost.

Knows: arithmetic on measured numbers. Does not know: models, clocks. Notation: k = draft length, alpha = chance that
a drafted token is accepted, c = time of one draft step / time of one target step, tau = tokens per target call.
"""

from __future__ import annotations

from typing import NamedTuple


def expected_tokens(alpha: float, k: int) -> float:
    """The tokens that a round of k drafted tokens emits on average: tau.

    Every drafted token that is judged is accepted with probability alpha, independently of
    the others. The round emits the accepted ones up to the first rejection, and then one
    token of the target's own: the correction, or the bonus when all k were accepted.

    Args:
        alpha: chance that a drafted token is accepted, 0 <= alpha <= 1; both ends included.
        k: tokens drafted in a round, >= 0.

    Returns:
        float, between 1 and k + 1: 1 + alpha + ... + alpha^k, which is
        (1 - alpha^(k+1)) / (1 - alpha) for alpha < 1.

    Source: Leviathan et al. 2023, equation 1.
    """
    return sum(alpha**i for i in range(k + 1))


def speedup(alpha: float, k: int, c: float, verify_cost: float = 1.0, overhead: float = 0.0) -> float:
    """How many times as fast as plain decoding a round of k drafted tokens is, on average.

    The unit of time is one step of the target alone, which emits one token. A round costs k
    steps of the draft, one pass of the target over k + 1 tokens, and whatever the host does
    in between.

    Args:
        alpha: chance that a drafted token is accepted, 0 <= alpha <= 1.
        k: tokens drafted in a round, >= 0.
        c: time of one draft step, in steps of the target; >= 0.
        verify_cost: v = T(k+1) / T(1), the time of the target's pass over k + 1 tokens, in
            steps of the target. 1 where its latency curve is flat.
        overhead: time of the host per round, in steps of the target.

    Returns:
        float: the expected tokens of a round over its time, tau / (k c + v + o). Above 1:
        faster than plain decoding. The formula holds for k = 0, too.

    Source: Leviathan et al. 2023, theorem 3.8, with v and o added.
    """
    return expected_tokens(alpha, k) / (k * c + verify_cost + overhead)


def best_k(alpha: float, c: float, k_max: int = 64) -> int:
    """The draft length with the largest `speedup(alpha, k, c)`.

    Args:
        alpha: chance that a drafted token is accepted, 0 <= alpha <= 1.
        c: time of one draft step, in steps of the target; >= 0.
        k_max: the longest draft to consider, itself included; >= 0.

    Returns:
        int, 0 ... k_max. 0 means: do not draft, nothing pays. Where several lengths are
        equally fast, the smallest of them.
    """
    best = 0
    for k in range(1, k_max + 1):
        if speedup(alpha, k, c) > speedup(alpha, best, c) + 1e-12:  # round-off is no gain
            best = k
    return best


def estimate_alpha(accepted: list[int], drafted: list[int]) -> float:
    """alpha from what happened: the value that makes the observed rounds most probable.

    A round judges its drafted tokens from the left, up to the first rejection. What stands
    behind a rejection was never judged: it says nothing about alpha, neither good nor bad.

    Args:
        accepted: for every round, how many drafted tokens were accepted.
        drafted: for every round, how many were drafted; accepted[i] <= drafted[i]. Where
            accepted[i] < drafted[i], exactly one token was judged and rejected. (A round
            that the end of the text cut short saw no rejection: the caller leaves it out.)

    Returns:
        float in [0, 1]: the maximum-likelihood estimate for a chance alpha per judged
        token, the same at every place. 0.0 when nothing was judged.
    """
    kept = sum(accepted)
    rejected = sum(a < d for a, d in zip(accepted, drafted, strict=True))
    judged = kept + rejected
    return kept / judged if judged else 0.0


class Candidate(NamedTuple):
    """A model that might draft: its name, its acceptance rate alpha, and its cost c per drafted token."""

    name: str
    alpha: float
    c: float


def choose_draft(candidates) -> tuple[str, int, float]:
    """Which of several drafts makes decoding fastest, and with which draft length.

    Args:
        candidates: list of Candidate. Each has .name, .alpha (chance that a token it drafts
            is accepted) and .c (time of one step of it, in steps of the target).

    Returns:
        (name, k, speedup): the candidate and the k in 0 ... 64 whose `speedup(alpha, k, c)`
        is largest, and that speed-up; for the candidate's k, ties as in `best_k`. Of equally
        fast candidates any one. So when no draft pays: (the name of any of them, 0, 1.0).

    Raises ValueError when there are no candidates.
    """
    if not candidates:
        raise ValueError("there are no candidates; expected at least one Candidate(name, alpha, c)")
    choices = []
    for one in candidates:
        k = best_k(one.alpha, one.c)
        choices.append((one.name, k, speedup(one.alpha, k, one.c)))
    return max(choices, key=lambda choice: choice[2])


def forward_cost(config, n_tokens, context=0, bytes_per_param=2):
    """What one forward pass computes and reads: n_tokens after `context` cached positions.

    Args:
        config: anything with Hugging Face's names: hidden_size, intermediate_size,
            num_hidden_layers, num_attention_heads, num_key_value_heads, vocab_size, and
            perhaps head_dim (where it is absent, and better also where it is None:
            hidden_size / num_attention_heads).
        n_tokens: tokens in this pass.
        context: positions whose keys and values are already cached.
        bytes_per_param: 2 for half precision; used for weights, keys and values alike.

    Returns:
        (flops, bytes). flops: 2 per multiply-add of the q, k, v, o, gate, up and down
        projections and the LM head for all n tokens, plus the attention scores and the
        weighted sum over the full width context + n (causality is not subtracted). bytes:
        those weights once (the LM head included; looked-up embedding rows and norms
        neglected) plus keys and values of all layers for context + n positions.
    """
    h, layers, heads = config.hidden_size, config.num_hidden_layers, config.num_attention_heads
    kv_heads = config.num_key_value_heads
    d = getattr(config, "head_dim", None) or h // heads
    attention = 2 * h * heads * d + 2 * h * kv_heads * d  # q and o, then k and v: grouped heads make these smaller
    mlp = 3 * h * config.intermediate_size
    weights = layers * (attention + mlp) + h * config.vocab_size
    width = context + n_tokens
    flops = 2 * n_tokens * weights + layers * 2 * 2 * n_tokens * width * heads * d
    kv_cache = layers * 2 * kv_heads * d * width
    return flops, bytes_per_param * (weights + kv_cache)


def kv_cache_bytes(config, length, batch=1, bytes_per_value=2):
    """How much memory the keys and values of a text take: one key and one value per position, layer and KV head.

    Args:
        config: anything with Hugging Face's names: num_hidden_layers, num_key_value_heads, and either head_dim or
            (where it is absent or None) hidden_size and num_attention_heads, whose quotient it then is.
        length: positions per text. batch: texts side by side, each with a cache of its own.
        bytes_per_value: 2 for half precision, 4 for float32.

    Returns:
        int, bytes: a buffer takes no float as its size.
    """
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per_position = config.num_hidden_layers * 2 * config.num_key_value_heads * d
    return per_position * length * batch * bytes_per_value


def roofline_latency(flops, bytes, peak_flops, bandwidth):
    """The least time of a pass that does its arithmetic and moves its bytes side by side.

    Args:
        flops: floating-point operations of the pass. bytes: bytes it moves.
        peak_flops: operations per second of the device. bandwidth: bytes per second of it.

    Returns:
        float, seconds: the longer of the two times.

    Source: the roofline model, Williams et al. 2009.
    """
    return max(flops / peak_flops, bytes / bandwidth)


def thinking_cost(tokens: int, prompt: int, weights: float, width: int, layers: int, state: int | None = None,
                  latent: int = 0) -> float:  # fmt: skip
    """Multiply-adds that it takes to write a thought of so many tokens behind a prompt that has been read.

    Every pass multiplies by all weights once, and attends: to each position before it and to its own, 2 x width
    multiply-adds a layer for each (scores, and the sum of the values). So a thought of twice as many tokens attends
    four times as much. Linear attention keeps a state of fixed size in the place of the positions: each pass then
    costs the same.

    Args:
        tokens, prompt: how many, >= 0. weights: numbers in the model's matrices. width: of its queries, all heads
            together.
        state: None for attention to all positions; else so many positions' worth of state for linear attention, for one
            of one key and value of d numbers a head it is d.
        latent: passes before each token that write none: thoughts that stay inside. Each leaves keys and values, as a
            token does.
    """
    passes = tokens * (1 + latent)
    seen = passes * state if state is not None else passes * prompt + passes * (passes + 1) / 2
    return passes * weights + 2.0 * width * layers * seen
