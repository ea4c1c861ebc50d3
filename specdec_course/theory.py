"""Formulas: what speculation should bring, and what a forward pass should cost.

Knows: arithmetic on measured numbers. Does not know: models, clocks. Notation: k = draft length, alpha = chance that
a drafted token is accepted, c = time of one draft step / time of one target step, tau = tokens per target call.
"""

from __future__ import annotations


def expected_tokens(alpha: float, k: int) -> float:
    """tau = 1 + alpha + ... + alpha^k: the tokens that a round of k drafted tokens emits on average.

    Source: Leviathan et al. 2023, equation 1: (1 - alpha^(k+1)) / (1 - alpha), and k + 1 at alpha = 1.
    """
    return sum(alpha**i for i in range(k + 1))


def speedup(alpha: float, k: int, c: float, verify_cost: float = 1.0, overhead: float = 0.0) -> float:
    """Tokens per unit of time, relative to plain decoding: tau / (k c + v + o).

    Args:
        alpha, k, c: as above. verify_cost: v = T(k+1)/T(1), 1 where the latency curve is flat. overhead: host time
        per round in units of one target step.

    Source: Leviathan et al. 2023, theorem 3.8, with v and o added.
    """
    return expected_tokens(alpha, k) / (k * c + verify_cost + overhead)


def best_k(alpha: float, c: float, k_max: int = 64) -> int:
    """The draft length with the largest speed-up; the smallest of equals; 0 when drafting does not pay."""
    return max(range(k_max + 1), key=lambda k: (round(speedup(alpha, k, c), 12), -k))


def forward_cost(config, n_tokens, context=0, bytes_per_param=2):
    """What one forward pass computes and reads: n_tokens after `context` cached positions.

    Args:
        config: anything with Hugging Face's names: hidden_size, intermediate_size,
            num_hidden_layers, num_attention_heads, num_key_value_heads, vocab_size, and
            perhaps head_dim (where it is absent: hidden_size / num_attention_heads).
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
