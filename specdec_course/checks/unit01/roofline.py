"""Unit 01: what a forward pass should cost.

Knows: what the checks of `forward_cost` and `roofline_latency` establish and which mistakes they can name. The costs
are counted here from a list of matrices, so that the package's formula is not compared with itself. Does not know:
any model; the tests hold the same count against the matrix products of a real one.
"""

from __future__ import annotations

from types import SimpleNamespace

from ..ask import uniform, whole
from ..errors import Wrong
from ..exercise import Exercise

TOLERANCE = 0.03  # biases, norms and looked-up rows are neglected in the contract; whoever counts them is right too

forward_cost = Exercise(
    "forward_cost",
    unit="01",
    points=3,
    difficulty=3,
    minutes=20,
    reference="specdec_course.theory:forward_cost",
    lent=True,
    nearly=("kv_cache_bytes",),  # with a context, less without
    hints=(
        "Write down the seven matrices of one layer with their two sizes. Which of them are narrower because several "
        "query heads share one key-value head? Which matrix stands outside the layers? And what is read besides "
        "weights?",
        "Per layer: q and o have hidden x heads*d weights each, k and v hidden x kv_heads*d, the three of the MLP "
        "hidden x intermediate; outside the layers hidden x vocab. Flops: 2 * n * all weights, plus layers * 4 * n * "
        "(context + n) * heads * d. Bytes: all weights once, plus layers * 2 * (context + n) * kv_heads * d.",
    ),
)


def _models(rng):
    """Two random small models that differ in all that a formula may forget: without head_dim and tied, and with one
    that is not hidden / heads and untied. Their proportions are fixed, so that every term weighs in every one."""
    for own_width in (False, True):
        d, unit = 16 * whole(1, 3, rng), whole(4, 6, rng)
        config = SimpleNamespace(
            hidden_size=6 * d,
            intermediate_size=2 * unit * d,
            num_hidden_layers=whole(3, 5, rng),
            num_attention_heads=6,
            num_key_value_heads=whole(1, 2, rng),
            vocab_size=(5 * unit + 7) * d,
            tie_word_embeddings=not own_width,
        )
        if own_width:
            config.head_dim = d + 16
        yield config


def _head_dim(config) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def _weights(config) -> int:
    """All weights that take part in a matrix product, matrix by matrix."""
    h, m, d = config.hidden_size, config.intermediate_size, _head_dim(config)
    q, kv = config.num_attention_heads * d, config.num_key_value_heads * d
    matrices = [(h, q), (h, kv), (h, kv), (q, h), (h, m), (h, m), (m, h)] * config.num_hidden_layers
    return sum(rows * columns for rows, columns in [*matrices, (h, config.vocab_size)])


def _true_flops(config, n, context) -> int:
    one_product = 2 * n * (context + n) * _head_dim(config)  # scores of one head; the weighted sum costs the same
    return 2 * n * _weights(config) + 2 * one_product * config.num_attention_heads * config.num_hidden_layers


def _true_bytes(config, n, context, width) -> int:
    keys = (context + n) * config.num_key_value_heads * _head_dim(config)
    return width * (_weights(config) + 2 * keys * config.num_hidden_layers)


def _pair(student, *args, **named):
    answer = student.array(*args, **named).reshape(-1)
    if len(answer) != 2:
        raise Wrong(f"Expected two numbers, (flops, bytes); {len(answer)} came back.")
    return float(answer[0]), float(answer[1])


def _close(value, truth, what, when):
    if truth and value / truth > 100:
        raise Wrong(f"{what} far too large {when}: is something counted for every token that is needed once?")
    if abs(value - truth) > TOLERANCE * truth:
        raise Wrong(f"{what} {'too large' if value > truth else 'too small'} {when}.")


@forward_cost.part("flops of the projections and the LM head", weight=1)
def _(student, rng):
    for config in _models(rng):
        for n in (1, 7):
            flops, _ = _pair(student, config, n)
            _close(flops, _true_flops(config, n, 0), "The flops are", f"for n_tokens={n} without context")
        config.num_key_value_heads = config.num_attention_heads
        flops, _ = _pair(student, config, 3)
        _close(flops, _true_flops(config, 3, 0), "The flops are", "for a model with as many KV heads as heads")


@forward_cost.part("flops of attention, over the full width", weight=1)
def _(student, rng):
    for config in _models(rng):
        # Differences: whatever is wrong with the weights cancels, and costs its own part only.
        for n, context in ((1, 3000), (64, 5000)):
            with_context, without = _pair(student, config, n, context=context)[0], _pair(student, config, n)[0]
            due = _true_flops(config, n, context) - _true_flops(config, n, 0)
            _close(with_context - without, due, "What a context adds to the flops is",
                   f"for {n} tokens after a context of {context}")
        at_once, one_by_one = _pair(student, config, 2000)[0], 2000 * _pair(student, config, 1)[0]
        due = _true_flops(config, 2000, 0) - 2000 * _true_flops(config, 1, 0)
        _close(at_once - one_by_one, due, "What the tokens of one pass cost because they see each other is",
               "for 2000 tokens without context")


@forward_cost.part("bytes: every weight once, the LM head included, tied or not", weight=1)
def _(student, rng):
    for config in _models(rng):
        for n in (1, 4):
            _, read = _pair(student, config, n)
            _close(read, _true_bytes(config, n, 0, 2), "The bytes are", "without context")
        config.tie_word_embeddings = not config.tie_word_embeddings
        _, other = _pair(student, config, 4)
        _close(other, _true_bytes(config, 4, 0, 2), "The bytes are", "when tie_word_embeddings is the other way round")


@forward_cost.part("bytes: keys and values of all positions, of the KV heads; bytes_per_param", weight=1)
def _(student, rng):
    for config in _models(rng):
        for n, context, width in ((1, 4000, 2), (16, 9000, 4), (1, 2500, 1)):
            (_, read), (_, less) = (_pair(student, config, n, context=c, bytes_per_param=width) for c in (context, 0))
            due = _true_bytes(config, n, context, width) - _true_bytes(config, n, 0, width)
            _close(read - less, due, "What a context adds to the bytes is",
                   f"with a context of {context} and bytes_per_param={width}")
            _, twice = _pair(student, config, n, context=context, bytes_per_param=2 * width)
            _close(twice, 2 * read, "The bytes are",
                   f"with bytes_per_param={2 * width}, beside half of it: weights, keys and values all have this size")


def _variant(layer_weights=None, flops=None, read=None):
    """forward_cost with one of its terms replaced: for imitating mistakes."""

    def wrong_cost(config, n_tokens, context=0, bytes_per_param=2):
        weights = (layer_weights or _weights)(config)
        extra = _true_flops(config, n_tokens, context) - 2 * n_tokens * _weights(config)
        keys = _true_bytes(config, n_tokens, context, 1) - _weights(config)
        operations = 2 * n_tokens * weights + (flops(config, n_tokens, context, extra) if flops else extra)
        return operations, bytes_per_param * (weights + (read(config, n_tokens, context, keys) if read else keys))

    return wrong_cost


def _without_head(config):
    return _weights(config) - config.hidden_size * config.vocab_size


def _all_heads(config):
    return _weights(SimpleNamespace(**{**vars(config), "num_key_value_heads": config.num_attention_heads}))


def _more_keys(config, n, context, keys):
    return keys * config.num_attention_heads // config.num_key_value_heads


def _half_flops(config, n_tokens, context=0, bytes_per_param=2):
    return _true_flops(config, n_tokens, context) / 2, _true_bytes(config, n_tokens, context, bytes_per_param)


def _weights_per_token(config, n_tokens, context=0, bytes_per_param=2):
    keys = _true_bytes(config, n_tokens, context, 1) - _weights(config)
    return _true_flops(config, n_tokens, context), bytes_per_param * (n_tokens * _weights(config) + keys)


def _own_head_dim(config, n_tokens, context=0, bytes_per_param=2):
    plain = SimpleNamespace(**{**vars(config), "head_dim": None})
    return _true_flops(plain, n_tokens, context), _true_bytes(plain, n_tokens, context, bytes_per_param)


forward_cost.mistake(
    "forgets_lm_head",
    "The LM head is missing. Turning the last hidden state into one logit per word of the vocabulary is a matrix "
    "product too, and in a small model one of the largest. It is read and multiplied even when it is tied to the "
    "embedding.",
    imitate=_variant(layer_weights=_without_head),
)
forward_cost.mistake(
    "forgets_kv",
    "The keys and values are not read. Every pass reads those of all positions, its own included; after a long "
    "context that is as much as the weights.",
    imitate=_variant(read=lambda config, n, context, keys: 0),
)
forward_cost.mistake(
    "heads_for_kv_heads",
    "All heads are given keys and values of their own. In this model several query heads share one key-value head "
    "(num_key_value_heads): k, v and the cache are narrower than q.",
    imitate=_variant(layer_weights=_all_heads, read=_more_keys),
)
forward_cost.mistake(
    "cache_of_all_heads",
    "The cache is counted for all query heads. Only num_key_value_heads of them have keys and values to store.",
    imitate=_variant(read=_more_keys),
)
forward_cost.mistake(
    "forgets_attention",
    "Scores and weighted sum are missing. Each token is compared with every position (one product of length d per "
    "head), and the values are summed with the result (as much again).",
    imitate=_variant(flops=lambda config, n, context, extra: 0),
)
forward_cost.mistake(
    "half_the_attention",
    "Half of attention is missing: there are two products per position, the score and the weighted sum. (And the "
    "contract does not subtract what the causal mask hides.)",
    imitate=_variant(flops=lambda config, n, context, extra: extra // 2),
)
forward_cost.mistake(
    "only_the_context",
    "The new tokens attend to themselves and to each other as well: the width is context + n_tokens.",
    imitate=_variant(
        flops=lambda config, n, context, extra: extra * context // (context + n),
        read=lambda config, n, context, keys: keys * context // (context + n),
    ),
)
forward_cost.mistake(
    "multiply_add_is_two",
    "A factor of 2 is missing: one multiply-add is two operations, one times and one plus. The peak on a data sheet is "
    "counted that way too.",
    imitate=_half_flops,
)
forward_cost.mistake(
    "weights_per_token",
    "The weights are read anew for every token. They are read once for the whole pass and used for all its tokens: "
    "that is the whole reason why more tokens are nearly free.",
    imitate=_weights_per_token,
)
forward_cost.mistake(
    "ignores_head_dim",
    "config.head_dim is not used. Where a model has it, heads * head_dim need not be hidden_size (Qwen3 is such a "
    "model); only where it is absent, a head is hidden_size / num_attention_heads wide.",
    imitate=_own_head_dim,
)
forward_cost.help(
    r"AttributeError.*head_dim",
    "Not every config has head_dim. getattr(config, 'head_dim', None) gives None where it is absent.",
)
forward_cost.help(r"AttributeError", "The config's names are those listed in the docstring.")

roofline_latency = Exercise(
    "roofline_latency",
    unit="01",
    points=1,
    difficulty=1,
    minutes=5,
    reference="specdec_course.theory:roofline_latency",
    lent=True,
    hints=(
        "A kitchen needs 10 minutes of cooking and 4 of carrying, and one person does each. When is dinner ready?",
        "Two divisions, flops / peak_flops and bytes / bandwidth, and the larger of the two.",
    ),
)


def _right_seconds(value, flops, read, peak, bandwidth) -> bool:
    truth = max(flops / peak, read / bandwidth)
    return abs(value - truth) <= 1e-6 * truth


def _two_passes(student, rng):
    """Asks for a pass that waits for memory and one that waits for arithmetic; whether each answer is right."""
    peak, bandwidth = uniform(1e13, 1e15, rng), uniform(1e11, 1e13, rng)
    compute, memory = (uniform(0.001, 0.1, rng) for _ in range(2))
    passes = [(0.1 * memory * peak, memory * bandwidth), (compute * peak, 0.1 * compute * bandwidth)]
    asked = [(flops, read, peak, bandwidth) for flops, read in passes]
    return [_right_seconds(student.returned_float(*one), *one) for one in asked]


@roofline_latency.part("a pass that waits for memory")
def _(student, rng):
    if not _two_passes(student, rng)[0]:
        raise Wrong("Wrong time for a pass that moves much and computes little.")


@roofline_latency.part("a pass that waits for arithmetic")
def _(student, rng):
    if not _two_passes(student, rng)[1]:
        raise Wrong("Wrong time for a pass that computes much and moves little.")


@roofline_latency.part("where the two walls meet, and whole numbers")
def _(student, rng):
    for one, what in (((600, 200, 3, 1), "needs as long for the one as for the other"),
                      ((1, 3, 2, 2), "is described in whole numbers")):  # fmt: skip
        if not _right_seconds(student.returned_float(*one), *one):
            raise Wrong(f"Wrong time for a pass that {what}.")


roofline_latency.mistake(
    "sum",
    "You add the two times. Arithmetic and memory work at the same moment: while one block of weights is multiplied, "
    "the next is already on its way.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: flops / peak_flops + bytes / bandwidth,
)
roofline_latency.mistake(
    "minimum",
    "You return the shorter time. The pass is over when both are done.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: min(flops / peak_flops, bytes / bandwidth),
)
roofline_latency.mistake(
    "only_compute",
    "Only the arithmetic is counted. At one token per pass a model hardly computes: it reads.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: flops / peak_flops,
)
roofline_latency.mistake(
    "only_memory",
    "Only the memory is counted. With enough tokens in a pass the arithmetic takes longer.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: bytes / bandwidth,
)
roofline_latency.mistake(
    "swapped",
    "The operations are divided by the bandwidth. Check the units: operations / (operations per second) = seconds.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: max(flops / bandwidth, bytes / peak_flops),
)
