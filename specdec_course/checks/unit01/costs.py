"""Unit 01: what a forward pass costs, counted matrix by matrix, and how it is miscounted.

Knows: the count, from a list of matrices, so that the package's formula is not compared with itself; wrong counts that
students hand in. Does not know: any model (the tests hold the same count against the matrix products of a real one),
which mistake is which (forward).
"""

from __future__ import annotations

from types import SimpleNamespace


def head_dim(config) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def all_weights(config) -> int:
    """All weights that take part in a matrix product, matrix by matrix."""
    h, m, d = config.hidden_size, config.intermediate_size, head_dim(config)
    q, kv = config.num_attention_heads * d, config.num_key_value_heads * d
    matrices = [(h, q), (h, kv), (h, kv), (q, h), (h, m), (h, m), (m, h)] * config.num_hidden_layers
    return sum(rows * columns for rows, columns in [*matrices, (h, config.vocab_size)])


def true_flops(config, n, context) -> int:
    one_product = 2 * n * (context + n) * head_dim(config)  # scores of one head; the weighted sum costs the same
    return 2 * n * all_weights(config) + 2 * one_product * config.num_attention_heads * config.num_hidden_layers


def true_bytes(config, n, context, width) -> int:
    keys = (context + n) * config.num_key_value_heads * head_dim(config)
    return width * (all_weights(config) + 2 * keys * config.num_hidden_layers)


def variant(layer_weights=None, flops=None, read=None):
    """forward_cost with one of its terms replaced: for imitating mistakes."""

    def wrong_cost(config, n_tokens, context=0, bytes_per_param=2):
        weights = (layer_weights or all_weights)(config)
        extra = true_flops(config, n_tokens, context) - 2 * n_tokens * all_weights(config)
        keys = true_bytes(config, n_tokens, context, 1) - all_weights(config)
        operations = 2 * n_tokens * weights + (flops(config, n_tokens, context, extra) if flops else extra)
        return operations, bytes_per_param * (weights + (read(config, n_tokens, context, keys) if read else keys))

    return wrong_cost


def one_layer(config):
    return all_weights(SimpleNamespace(**{**vars(config), "num_hidden_layers": 1}))


def without_gate(config):
    return all_weights(config) - config.num_hidden_layers * config.hidden_size * config.intermediate_size


def without_o(config):
    wide = config.num_attention_heads * head_dim(config)
    return all_weights(config) - config.num_hidden_layers * config.hidden_size * wide


def head_for_the_last_token(config, n_tokens, context=0, bytes_per_param=2):
    spared = 2 * (n_tokens - 1) * config.hidden_size * config.vocab_size
    return true_flops(config, n_tokens, context) - spared, true_bytes(config, n_tokens, context, bytes_per_param)


def without_head(config):
    return all_weights(config) - config.hidden_size * config.vocab_size


def all_heads(config):
    return all_weights(SimpleNamespace(**{**vars(config), "num_key_value_heads": config.num_attention_heads}))


def more_keys(config, n, context, keys):
    return keys * config.num_attention_heads // config.num_key_value_heads


def of_the_context(config, n, context, whole):
    return whole * context // (context + n)


def half_flops(config, n_tokens, context=0, bytes_per_param=2):
    return true_flops(config, n_tokens, context) / 2, true_bytes(config, n_tokens, context, bytes_per_param)


def cache_of_two_bytes(config, n_tokens, context=0, bytes_per_param=2):
    keys = true_bytes(config, n_tokens, context, 1) - all_weights(config)
    return true_flops(config, n_tokens, context), bytes_per_param * all_weights(config) + 2 * keys


def weights_per_token(config, n_tokens, context=0, bytes_per_param=2):
    keys = true_bytes(config, n_tokens, context, 1) - all_weights(config)
    return true_flops(config, n_tokens, context), bytes_per_param * (n_tokens * all_weights(config) + keys)


def own_head_dim(config, n_tokens, context=0, bytes_per_param=2):
    plain = SimpleNamespace(**{**vars(config), "head_dim": None})
    return true_flops(plain, n_tokens, context), true_bytes(plain, n_tokens, context, bytes_per_param)


def attention_of_hidden(config, n, context, extra):
    return extra * config.hidden_size // (config.num_attention_heads * head_dim(config))


def square(matrices):
    """q and o, or one of them, as wide as the hidden size."""

    def weights(config):
        more = config.hidden_size - config.num_attention_heads * head_dim(config)
        return all_weights(config) + matrices * config.num_hidden_layers * config.hidden_size * more

    return weights


def whole_text(config, n, context, extra):
    return extra + 2 * context * all_weights(config)


def among_the_new(config, n, context, extra):
    return extra * n // (context + n)


def causal(less):
    def flops(config, n, context, extra):
        hidden = n * (n - less)  # twice over: half of the square
        return extra - 2 * config.num_hidden_layers * hidden * config.num_attention_heads * head_dim(config)

    return flops


def bytes_first(config, n_tokens, context=0, bytes_per_param=2):
    return true_bytes(config, n_tokens, context, bytes_per_param), true_flops(config, n_tokens, context)


def two_tables(config):
    return all_weights(config) + config.hidden_size * config.vocab_size
