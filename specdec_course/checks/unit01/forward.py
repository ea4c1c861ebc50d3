"""Unit 01: what a forward pass should cost.

Knows: what the check of `forward_cost` establishes and which mistakes it can name. Does not know: how a pass is
counted, and miscounted (costs).
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

from ..ask import whole
from ..errors import Wrong
from ..exercise import Exercise
from . import costs
from .costs import head_dim, true_bytes, true_flops

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
            num_hidden_layers=whole(4, 5, rng),  # never as many as query heads share a KV head: 3 or 6
            num_attention_heads=6,
            num_key_value_heads=whole(1, 2, rng),
            vocab_size=(5 * unit + 7) * d,
            tie_word_embeddings=not own_width,
        )
        if own_width:
            config.head_dim = d + 16
        yield config


def _pair(student, *args, **named):
    answer = student.array(*args, **named).reshape(-1)
    if len(answer) != 2:
        raise Wrong(f"Expected two numbers, (flops, bytes); {len(answer)} came back.")
    return float(answer[0]), float(answer[1])


def _close(value, truth, what, when):
    if truth and value / truth > 100:
        raise Wrong(f"{what} far too large {when}: is something counted for every token that is needed once?")
    if abs(value - truth) > TOLERANCE * truth:
        raise Wrong(f"{what} too large {when}." if value > truth else f"{what} too small {when}.")


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
          ("num_hidden_layers", "what is multiplied by the number of layers"))


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
    truth = (true_flops(config, n, 0), true_bytes(config, n, 0, 2))[place]
    for name, what in SHARES:
        fixed = SimpleNamespace(**{**vars(config), "head_dim": head_dim(config)})
        more = SimpleNamespace(**{**vars(fixed), name: 3 * getattr(fixed, name)})
        costs = [(true_flops(c, n, 0), true_bytes(c, n, 0, 2))[place] for c in (more, fixed)]
        mine = [_pair(student, c, n)[place] for c in (more, fixed)]
        due, grew = costs[0] - costs[1], mine[0] - mine[1]
        if abs(grew - due) > max(TOLERANCE * due, 1e-6 * truth):
            much = "much" if grew > due else "little"
            return f"Three times as large a {name} makes your answer grow too {much}: look at {what}."
    return None


@forward_cost.part("counts the flops of the projections and the LM head", weight=1, rests_on=(
    "2 per multiply-add of the q, k, v, o, gate, up and down projections and the LM head for all n tokens",
    "hidden_size / num_attention_heads"))
def _(student, rng):
    for config in _models(rng):
        for n in (1, 7):
            flops, _ = _pair(student, config, n)
            with _blaming(student, config, n, 0):
                _close(flops, true_flops(config, n, 0), "The flops are", f"for n_tokens={n} without context")
        _remark_on_none(student, config)
        config.num_key_value_heads = config.num_attention_heads
        flops, _ = _pair(student, config, 3)
        _close(flops, true_flops(config, 3, 0), "The flops are", "for a model with as many KV heads as heads")


@forward_cost.part("counts the flops of attention, over the full width", weight=1, rests_on=(
    "the attention scores and the weighted sum over the full width context + n (causality is not subtracted)"))
def _(student, rng):
    for config in _models(rng):
        # Differences: whatever is wrong with the weights cancels, and costs its own part only.
        for n, context in ((1, 3000), (64, 5000)):
            with_context, without = _pair(student, config, n, context=context)[0], _pair(student, config, n)[0]
            due = true_flops(config, n, context) - true_flops(config, n, 0)
            _close(with_context - without, due, "What a context adds to the flops is",
                   f"for n_tokens={n} after a context of {context}")
        at_once, one_by_one = _pair(student, config, 2000)[0], 2000 * _pair(student, config, 1)[0]
        due = true_flops(config, 2000, 0) - 2000 * true_flops(config, 1, 0)
        _close(at_once - one_by_one, due, "What the tokens of one pass cost because they see each other is",
               "for 2000 tokens without context")


@forward_cost.part("counts the bytes of every weight once, the LM head included, tied or not", weight=1, rests_on=(
    "those weights once (the LM head included", "It is read and multiplied all the same"))
def _(student, rng):
    for config in _models(rng):
        for n in (1, 4):
            _, read = _pair(student, config, n)
            with _blaming(student, config, n, 1):
                _close(read, true_bytes(config, n, 0, 2), "The bytes are", "without context")
        config.tie_word_embeddings = not config.tie_word_embeddings
        _, other = _pair(student, config, 4)
        _close(other, true_bytes(config, 4, 0, 2), "The bytes are", "when tie_word_embeddings is the other way round")


@forward_cost.part("counts the bytes of all keys and values, each bytes_per_param wide", weight=1, rests_on=(
    "keys and values of all layers for context + n positions", "used for weights, keys and values alike"))
def _(student, rng):
    for config in _models(rng):
        for n, context, width in ((1, 4000, 2), (16, 9000, 4), (1, 2500, 1)):
            (_, read), (_, less) = (_pair(student, config, n, context=c, bytes_per_param=width) for c in (context, 0))
            due = true_bytes(config, n, context, width) - true_bytes(config, n, 0, width)
            _close(read - less, due, "What a context adds to the bytes is",
                   f"with a context of {context} and bytes_per_param={width}")
            _, twice = _pair(student, config, n, context=context, bytes_per_param=2 * width)
            _close(twice, 2 * read, "The bytes are",
                   f"with bytes_per_param={2 * width}, beside half of it: weights, keys and values all have this size")
        (_, few), (_, many) = (_pair(student, config, n) for n in (1, 2000))
        if many - few < (1 - TOLERANCE) * (true_bytes(config, 2000, 0, 2) - true_bytes(config, 1, 0, 2)):
            raise Wrong("The bytes are too small for 2000 tokens without context, beside those for one: the keys and "
                        "values of the new tokens are read as well.")


forward_cost.mistake(
    "forgets_lm_head",
    "The LM head is missing. Turning the last hidden state into one logit per word of the vocabulary is a matrix "
    "product too, and in a small model one of the largest. It is read and multiplied even when it is tied to the "
    "embedding.",
    imitate=costs.variant(layer_weights=costs.without_head),
)
forward_cost.mistake(
    "one_layer",
    "The matrices of one layer are counted once. A model has num_hidden_layers of them, each with its own weights.",
    imitate=costs.variant(layer_weights=costs.one_layer),
)
forward_cost.mistake(
    "forgets_gate",
    "One of the three matrices of the MLP is missing: gate and up both lead from hidden to intermediate, down leads "
    "back.",
    imitate=costs.variant(layer_weights=costs.without_gate),
)
forward_cost.mistake(
    "forgets_o",
    "The matrix o is missing: what the heads have found is led back to the hidden size, by heads * d x hidden weights.",
    imitate=costs.variant(layer_weights=costs.without_o),
)
forward_cost.mistake(
    "head_for_the_last_token",
    "The LM head is multiplied for one token only. A pass over n tokens answers for all n places (that is what "
    "speculation lives on): count it for every token.",
    imitate=costs.head_for_the_last_token,
)
forward_cost.mistake(
    "forgets_kv",
    "The keys and values are not read. Every pass reads those of all positions, its own included; after a long "
    "context that is as much as the weights.",
    imitate=costs.variant(read=lambda config, n, context, keys: 0),
)
forward_cost.mistake(
    "heads_for_kv_heads",
    "k and v are made as wide as q. In this model several query heads share one key-value head "
    "(num_key_value_heads): the matrices k and v, and the cache, are narrower.",
    imitate=(costs.variant(layer_weights=costs.all_heads, read=costs.more_keys),
             costs.variant(layer_weights=costs.all_heads)),
)
forward_cost.mistake(
    "cache_of_two_bytes",
    "Keys and values always count two bytes a number. They are as wide as the weights: bytes_per_param.",
    imitate=costs.cache_of_two_bytes,
)
forward_cost.mistake(
    "cache_of_all_heads",
    "The cache is counted for all query heads. Only num_key_value_heads of them have keys and values to store.",
    imitate=costs.variant(read=costs.more_keys),
)
forward_cost.mistake(
    "forgets_attention",
    "Scores and weighted sum are missing. Each token is compared with every position (one product of length d per "
    "head), and the values are summed with the result (as much again).",
    imitate=costs.variant(flops=lambda config, n, context, extra: 0),
)
forward_cost.mistake(
    "attention_of_kv_heads",
    "Attention is multiplied for the KV heads only. Every query head has scores and sums of its own, also where some "
    "share one key-value head: only the bytes are fewer.",
    imitate=costs.variant(flops=lambda config, n, context, extra:
                     extra * config.num_key_value_heads // config.num_attention_heads),
)
forward_cost.mistake(
    "attention_of_one_layer",
    "Scores and weighted sums are counted for one layer. Every layer has its own: num_hidden_layers times as many.",
    imitate=costs.variant(flops=lambda config, n, context, extra: extra // config.num_hidden_layers),
)
forward_cost.mistake(
    "half_the_attention",
    "Half of attention is missing: there are two products per position, the score and the weighted sum. (And the "
    "contract does not subtract what the causal mask hides.)",
    imitate=costs.variant(flops=lambda config, n, context, extra: extra // 2),
)
forward_cost.mistake(
    "only_the_context",
    "The new tokens attend to themselves and to each other as well: the width is context + n_tokens, for the scores "
    "and for the keys and values that are read.",
    imitate=(costs.variant(flops=costs.of_the_context, read=costs.of_the_context),
             costs.variant(read=costs.of_the_context), costs.variant(flops=costs.of_the_context)),
)
forward_cost.mistake(
    "multiply_add_is_two",
    "A factor of 2 is missing: one multiply-add is two operations, one times and one plus. The peak on a data sheet is "
    "counted that way too.",
    imitate=costs.half_flops,
)
forward_cost.mistake(
    "weights_per_token",
    "The weights are read anew for every token. They are read once for the whole pass and used for all its tokens: "
    "that is the whole reason why more tokens are nearly free.",
    imitate=costs.weights_per_token,
)
forward_cost.mistake(
    "ignores_head_dim",
    "config.head_dim is not used. Where a model has it, heads * head_dim need not be hidden_size (Qwen3 is such a "
    "model); only where it is absent, a head is hidden_size / num_attention_heads wide.",
    imitate=costs.own_head_dim,
)
forward_cost.mistake(
    "attention_of_hidden",
    "Scores and weighted sums are multiplied by hidden_size. Every head compares rows of length head_dim: the factor "
    "is heads * head_dim, which is hidden_size in many models and not in all.",
    imitate=costs.variant(flops=costs.attention_of_hidden),
)
forward_cost.mistake(
    "square_q_and_o",
    "q or o, or both, are counted as hidden x hidden. They lead from hidden to heads * head_dim and back, and that is "
    "hidden_size in many models, not in all.",
    imitate=tuple(costs.variant(layer_weights=costs.square(matrices), flops=flops)
                  for matrices in (2, 1) for flops in (None, costs.attention_of_hidden)),
)
forward_cost.mistake(
    "bytes_first",
    "Your two numbers come in the wrong order: the flops are asked for first, then the bytes.",
    imitate=costs.bytes_first,
)
forward_cost.mistake(
    "embedding_too",
    "The table of the vocabulary is counted twice. The embedding only looks up one row per token, which is neglected: "
    "of the two, the LM head alone is a matrix product.",
    imitate=costs.variant(layer_weights=costs.two_tables),
)
forward_cost.mistake(
    "projects_the_context",
    "The projections are counted for the context as well. Its keys and values are in the cache: only the n_tokens new "
    "ones go through the weights.",
    imitate=costs.variant(flops=costs.whole_text),
)
forward_cost.mistake(
    "only_the_new",
    "The new tokens attend to each other only. They attend to the whole context too: the width is context + n_tokens.",
    imitate=costs.variant(flops=costs.among_the_new),
)
forward_cost.mistake(
    "causal",
    "What the causal mask hides is taken off. The contract counts the full width context + n_tokens for every token: "
    "ordinary kernels multiply it and throw it away.",
    imitate=(costs.variant(flops=costs.causal(0)), costs.variant(flops=costs.causal(1))),
)
forward_cost.mistake(
    "keys_without_values",
    "Half of the cache is missing: every position has a key *and* a value in every layer.",
    imitate=costs.variant(read=lambda config, n, context, keys: keys // 2),
)
forward_cost.mistake(
    "cache_of_one_layer",
    "The keys and values of one layer are counted. Every layer has its own: num_hidden_layers times as many.",
    imitate=costs.variant(read=lambda config, n, context, keys: keys // config.num_hidden_layers),
)
forward_cost.help(r"AttributeError.*head_dim", "Not every config has head_dim. getattr(config, 'head_dim', None) gives "
                                               "None where it is absent.")
forward_cost.help(r"AttributeError", "The config's names are those listed in the docstring.")
