"""Unit 01: what a forward pass should cost.

Knows: what the check of `forward_cost` establishes and which mistakes it can name. The costs are counted here from a
list of matrices, so that the package's formula is not compared with itself. Does not know: any model; the tests hold
the same count against the matrix products of a real one.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

from ..ask import whole
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


def _remark_on_none(student, config) -> None:
    """The configs of some models have a head_dim that is None; whoever stops there hears of it, and loses nothing."""
    try:
        _pair(student.aside(), SimpleNamespace(**{**vars(config), "head_dim": None}), 1)
    except Wrong:
        student.remark("In some real configs head_dim is there and is None. Your function stops with such a one: "
                       "`getattr(config, 'head_dim', None) or ...` covers both.")


# A number of the config, and the matrices whose share grows with it and with nothing else.
SHARES = (("vocab_size", "the LM head"), ("intermediate_size", "the MLP (gate, up and down)"),
          ("num_key_value_heads", "k and v"), ("num_attention_heads", "q and o"),
          ("num_hidden_layers", "the number of layers"))


@contextlib.contextmanager
def _blaming(student, config, n, place):
    """Adds to a Wrong whose share is wrong: each is asked for alone, by changing one number of the config."""
    try:
        yield
    except Wrong as wrong:
        with contextlib.suppress(Wrong):
            found = _wrong_share(student, config, n, place)
            wrong = wrong.but(message=f"{wrong.message} {found}" if found else wrong.message)
        raise wrong from None


def _wrong_share(student, config, n, place) -> str | None:
    truth = (_true_flops(config, n, 0), _true_bytes(config, n, 0, 2))[place]
    for name, what in SHARES:
        fixed = SimpleNamespace(**{**vars(config), "head_dim": _head_dim(config)})
        more = SimpleNamespace(**{**vars(fixed), name: 3 * getattr(fixed, name)})
        costs = [(_true_flops(c, n, 0), _true_bytes(c, n, 0, 2))[place] for c in (more, fixed)]
        mine = [_pair(student, c, n)[place] for c in (more, fixed)]
        due, grew = costs[0] - costs[1], mine[0] - mine[1]
        if abs(grew - due) > max(TOLERANCE * due, 1e-6 * truth):
            return f"What {what} adds is too {'large' if grew > due else 'small'}: three times {name} show it."
    return None


@forward_cost.part("counts the flops of the projections and the LM head", weight=1, rests_on=(
    "2 per multiply-add of the q, k, v, o, gate, up and down projections and the LM head for all n tokens",
    "hidden_size / num_attention_heads"))
def _(student, rng):
    for config in _models(rng):
        for n in (1, 7):
            flops, _ = _pair(student, config, n)
            with _blaming(student, config, n, 0):
                _close(flops, _true_flops(config, n, 0), "The flops are", f"for n_tokens={n} without context")
        _remark_on_none(student, config)
        config.num_key_value_heads = config.num_attention_heads
        flops, _ = _pair(student, config, 3)
        _close(flops, _true_flops(config, 3, 0), "The flops are", "for a model with as many KV heads as heads")


@forward_cost.part("counts the flops of attention, over the full width", weight=1, rests_on=(
    "the attention scores and the weighted sum over the full width context + n (causality is not subtracted)"))
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


@forward_cost.part("counts the bytes of every weight once, the LM head included, tied or not", weight=1, rests_on=(
    "those weights once (the LM head included", "It is read and multiplied all the same"))
def _(student, rng):
    for config in _models(rng):
        for n in (1, 4):
            _, read = _pair(student, config, n)
            with _blaming(student, config, n, 1):
                _close(read, _true_bytes(config, n, 0, 2), "The bytes are", "without context")
        config.tie_word_embeddings = not config.tie_word_embeddings
        _, other = _pair(student, config, 4)
        _close(other, _true_bytes(config, 4, 0, 2), "The bytes are", "when tie_word_embeddings is the other way round")


@forward_cost.part("counts the bytes of all keys and values, each bytes_per_param wide", weight=1, rests_on=(
    "keys and values of all layers for context + n positions", "used for weights, keys and values alike"))
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
        (_, few), (_, many) = (_pair(student, config, n) for n in (1, 2000))
        if many - few < (1 - TOLERANCE) * (_true_bytes(config, 2000, 0, 2) - _true_bytes(config, 1, 0, 2)):
            raise Wrong("The bytes are too small for 2000 tokens without context, beside those for one: the keys and "
                        "values of the new tokens are read as well.")


def _variant(layer_weights=None, flops=None, read=None):
    """forward_cost with one of its terms replaced: for imitating mistakes."""

    def wrong_cost(config, n_tokens, context=0, bytes_per_param=2):
        weights = (layer_weights or _weights)(config)
        extra = _true_flops(config, n_tokens, context) - 2 * n_tokens * _weights(config)
        keys = _true_bytes(config, n_tokens, context, 1) - _weights(config)
        operations = 2 * n_tokens * weights + (flops(config, n_tokens, context, extra) if flops else extra)
        return operations, bytes_per_param * (weights + (read(config, n_tokens, context, keys) if read else keys))

    return wrong_cost


def _one_layer(config):
    return _weights(SimpleNamespace(**{**vars(config), "num_hidden_layers": 1}))


def _without_gate(config):
    return _weights(config) - config.num_hidden_layers * config.hidden_size * config.intermediate_size


def _without_o(config):
    wide = config.num_attention_heads * _head_dim(config)
    return _weights(config) - config.num_hidden_layers * config.hidden_size * wide


def _head_for_the_last_token(config, n_tokens, context=0, bytes_per_param=2):
    spared = 2 * (n_tokens - 1) * config.hidden_size * config.vocab_size
    return _true_flops(config, n_tokens, context) - spared, _true_bytes(config, n_tokens, context, bytes_per_param)


def _without_head(config):
    return _weights(config) - config.hidden_size * config.vocab_size


def _all_heads(config):
    return _weights(SimpleNamespace(**{**vars(config), "num_key_value_heads": config.num_attention_heads}))


def _more_keys(config, n, context, keys):
    return keys * config.num_attention_heads // config.num_key_value_heads


def _of_the_context(config, n, context, whole):
    return whole * context // (context + n)


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
    "one_layer",
    "The matrices of one layer are counted once. A model has num_hidden_layers of them, each with its own weights.",
    imitate=_variant(layer_weights=_one_layer),
)
forward_cost.mistake(
    "forgets_gate",
    "One of the three matrices of the MLP is missing: gate and up both lead from hidden to intermediate, down leads "
    "back.",
    imitate=_variant(layer_weights=_without_gate),
)
forward_cost.mistake(
    "forgets_o",
    "The matrix o is missing: what the heads have found is led back to the hidden size, by heads * d x hidden weights.",
    imitate=_variant(layer_weights=_without_o),
)
forward_cost.mistake(
    "head_for_the_last_token",
    "The LM head is multiplied for one token only. A pass over n tokens answers for all n places (that is what "
    "speculation lives on): count it for every token.",
    imitate=_head_for_the_last_token,
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
    "attention_of_kv_heads",
    "Attention is multiplied for the KV heads only. Every query head has scores and sums of its own, also where some "
    "share one key-value head: only the bytes are fewer.",
    imitate=_variant(flops=lambda config, n, context, extra:
                     extra * config.num_key_value_heads // config.num_attention_heads),
)
forward_cost.mistake(
    "half_the_attention",
    "Half of attention is missing: there are two products per position, the score and the weighted sum. (And the "
    "contract does not subtract what the causal mask hides.)",
    imitate=_variant(flops=lambda config, n, context, extra: extra // 2),
)
forward_cost.mistake(
    "only_the_context",
    "The new tokens attend to themselves and to each other as well: the width is context + n_tokens, for the scores "
    "and for the keys and values that are read.",
    imitate=(_variant(flops=_of_the_context, read=_of_the_context), _variant(read=_of_the_context),
             _variant(flops=_of_the_context)),
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
forward_cost.help(r"AttributeError.*head_dim", "Not every config has head_dim. getattr(config, 'head_dim', None) gives "
                                               "None where it is absent.")
forward_cost.help(r"AttributeError", "The config's names are those listed in the docstring.")
