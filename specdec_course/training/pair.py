"""The two models of the classroom pair: Qwen3 architecture, deep and narrow against one layer. Only shapes and initial
weights; nothing of text or training."""

from __future__ import annotations

CONTEXT = 1024
TARGET = dict(
    hidden_size=256, intermediate_size=768, num_hidden_layers=12, num_attention_heads=8, num_key_value_heads=4
)
DRAFT = dict(hidden_size=128, intermediate_size=384, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2)


def new_model(shape: dict, vocab_size: int, seed: int):
    """A Qwen3ForCausalLM of the given shape with fresh weights drawn from `seed` (float32, on the CPU).

    Id 0 must be `<|endoftext|>`, as the tokenizer of this package has it.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=vocab_size,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        **shape,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)


def grow(model, layers: int, seed: int):
    """A new model of `layers` layers that computes what `model` computes: its layers, with new ones above them.

    The new layers start as the identity: what they would add to the stream (o_proj, down_proj) is zero. Their other
    matrices are drawn from `seed`, so that the first gradients find directions to go in.
    """
    import torch

    config = model.config
    shape = {key: getattr(config, key) for key in TARGET} | {"num_hidden_layers": layers}
    deep = new_model(shape, config.vocab_size, seed)
    with torch.no_grad():
        for layer in deep.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    for old, place in zip(model.model.layers, deep.model.layers, strict=False):
        place.load_state_dict(old.state_dict())
    deep.model.embed_tokens.load_state_dict(model.model.embed_tokens.state_dict())
    deep.model.norm.load_state_dict(model.model.norm.state_dict())
    return deep
