"""The exact shapes of the models that the course speaks of, filled with random numbers.

Knows: published hyper-parameters, how such a model is made on a device, how much memory it needs. Does not know: what
is measured with it. Latency does not depend on the values of weights; `made_to_count` gives a model of which it is
known, without rounding having a say, what it will write.
"""

from __future__ import annotations

import torch

# As their makers publish them (config.json of Qwen/Qwen2.5-0.5B, ... on the Hugging Face Hub): family, hidden size,
# layers, heads, key-value heads, head dimension, intermediate size, vocabulary, whether the embeddings are tied.
SHAPES = {
    "qwen2.5-0.5b": ("Qwen2", 896, 24, 14, 2, 64, 4864, 151936, True),
    "qwen2.5-3b": ("Qwen2", 2048, 36, 16, 2, 128, 11008, 151936, True),
    "qwen2.5-7b": ("Qwen2", 3584, 28, 28, 4, 128, 18944, 152064, False),
    "qwen3-0.6b": ("Qwen3", 1024, 28, 16, 8, 128, 3072, 151936, True),
    "qwen3-8b": ("Qwen3", 4096, 36, 32, 8, 128, 12288, 151936, False),
    "llama-3.2-1b": ("Llama", 2048, 16, 32, 8, 64, 8192, 128256, True),
    "llama-3.2-3b": ("Llama", 3072, 28, 24, 8, 128, 8192, 128256, True),
}
PAIRS = (  # (draft, target), the one that matters most first
    ("qwen2.5-0.5b", "qwen2.5-7b"),
    ("qwen3-0.6b", "qwen3-8b"),
    ("qwen2.5-0.5b", "qwen2.5-3b"),
    ("llama-3.2-1b", "llama-3.2-3b"),
)
NAMES = {
    "qwen2.5-0.5b": "Qwen2.5-0.5B", "qwen2.5-3b": "Qwen2.5-3B", "qwen2.5-7b": "Qwen2.5-7B",
    "qwen3-0.6b": "Qwen3-0.6B", "qwen3-8b": "Qwen3-8B",
    "llama-3.2-1b": "Llama-3.2-1B", "llama-3.2-3b": "Llama-3.2-3B",
}  # fmt: skip
LONGEST = 8192  # positions that the models are told to have: enough for what is measured here
ROOM_TO_WORK = 1.15  # weights, and this much of them besides for activations and buffers
SPARE = 2e9  # bytes for kernels, graphs and logits


def shrunk(shape) -> tuple:
    """A shape of the same family and kind that any machine runs in no time, for rehearsals: 2 layers of width 64."""
    family, *_, vocab, tied = shape
    return (family, 64, 2, 4, 2, 16, 96, 500 + vocab % 1000, tied)


def config_of(shape, **more):
    """The transformers config of a shape; `more` goes to its class."""
    import transformers

    family, hidden, layers, heads, kv_heads, head_dim, intermediate, vocab, tied = shape
    return getattr(transformers, f"{family}Config")(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
        head_dim=head_dim, intermediate_size=intermediate, vocab_size=vocab, tie_word_embeddings=tied,
        max_position_embeddings=LONGEST, bos_token_id=None, eos_token_id=None, pad_token_id=None, **more,
    )  # fmt: skip


def random_model(shape, device, dtype, seed=0, **more):
    """A model of that shape with random weights, made on the device in that dtype: nothing is loaded or copied."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config_of(shape, **more), dtype=dtype)
    model.requires_grad_(False)
    return model.eval()


@torch.no_grad()
def made_to_count(model, calm=0.02):
    """The same model, in place, with a text that rounding cannot change: after token n comes n + 1 where the embeddings
    are untied, and n again where they are tied.

    The embeddings get variance 1 and the layers add little to them (their output matrices are multiplied by `calm`).
    So the last hidden state is nearly the embedding of the token it came from, whose product with the output row of
    the successor is some sqrt(hidden size) times as large as with any other. Every matrix stays dense and random, and
    no pass has less to do.
    """
    embeddings = model.get_input_embeddings().weight
    embeddings.normal_()
    for layer in model.get_decoder().layers:
        layer.self_attn.o_proj.weight.mul_(calm)
        layer.mlp.down_proj.weight.mul_(calm)
    head = model.get_output_embeddings().weight
    if head.data_ptr() != embeddings.data_ptr():
        head.copy_(embeddings.roll(1, 0))
    return model


def parameters_of(shape) -> int:
    """Parameters of a shape: embeddings, projections and (in Qwen2) their biases, MLP, norms."""
    family, hidden, layers, heads, kv_heads, d, intermediate, vocab, tied = shape
    wide, narrow = heads * d, kv_heads * d
    layer = 2 * hidden * (wide + narrow) + 3 * hidden * intermediate + 2 * hidden
    layer += (wide + 2 * narrow) if family == "Qwen2" else 2 * d if family == "Qwen3" else 0
    return layers * layer + hidden * vocab * (1 if tied else 2) + hidden


def bytes_needed(shape, itemsize=2) -> float:
    """Memory that a model of that shape needs to be made and measured."""
    return parameters_of(shape) * itemsize * ROOM_TO_WORK
