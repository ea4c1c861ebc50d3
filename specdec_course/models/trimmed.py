"""Draft models that lean on their target: they read with its embedding, which is not stored again, and their head knows
some of the tokens only ("FR-Spec", Zhao et al. 2025). Every other token has the logit -inf, so q = 0: lossless.

Knows: how such a model is made of a target's first layers, stored (`config.json` has `trimmed_head`, the number of
tokens), loaded, and given its embedding. Does not know: training, decoding.
"""

from __future__ import annotations

import copy
import functools

import torch
from torch import nn


class TrimmedHead(nn.Module):
    """Hidden states [..., d] -> logits [..., V]: those of `tokens` LongTensor [n], ascending, and -inf for the rest."""

    def __init__(self, width: int, tokens: int, vocab_size: int):
        super().__init__()
        self.linear = nn.Linear(width, tokens, bias=False)
        self.register_buffer("tokens", torch.arange(tokens))
        self.vocab_size = vocab_size

    def forward(self, hidden):
        some = self.linear(hidden)
        everything = some.new_full((*some.shape[:-1], self.vocab_size), float("-inf"))
        return everything.index_copy(-1, self.tokens, some)


def is_trimmed(config) -> bool:
    """Whether a config is that of a draft model with a trimmed head."""
    return bool(getattr(config, "trimmed_head", None))


def reads(config) -> str:
    """What a draft with this config reads of its target beside the text: "states" (eagle), "keys_values" (glide),
    "both" (block), or nothing, ""."""
    kept = {"reads_features": "states", "reads_keys_values": "keys_values", "drafts_at_once": "both"}
    return next((what for name, what in kept.items() if getattr(config, name, False)), "")


@functools.cache
def _trimmed(base):
    """The class of transformers `base` (a causal language model), with a trimmed head and a borrowed embedding."""

    def __init__(self, config):
        base.__init__(self, config)
        self.lm_head = TrimmedHead(config.hidden_size, config.trimmed_head, config.vocab_size)

    return type(f"Trimmed{base.__name__}", (base,), {
        "__init__": __init__,
        "from_config": classmethod(lambda cls, config: cls._from_config(config)),
        "_tied_weights_keys": {},
        "_keys_to_ignore_on_load_missing": [r"embed_tokens\.weight"],
        "_keys_to_ignore_on_save": ["model.embed_tokens.weight"],
    })  # fmt: skip


def trimmed_class(config):
    """The class that loads a model with this config. ValueError for an architecture that is not built the usual way."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    base = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    if base is None:
        raise ValueError(f"{type(config).__name__} has no causal language model whose head could be trimmed")
    return _trimmed(base)


def check_body(draft) -> None:
    """ValueError unless the layers stand where drafts that read of their target expect them, in `model.layers`."""
    if not hasattr(getattr(draft, "model", None), "layers"):
        raise ValueError(f"a {draft.config.model_type} keeps its layers elsewhere than in model.layers: EAGLE "
                         "and GLIDE drafts are made of models like Llama and Qwen (specdec train distil asks for less)")


def borrow_embedding(draft, target) -> None:
    """Lets the draft read with the target's embedding. ValueError if its shape is not the draft's."""
    own, theirs = draft.get_input_embeddings(), target.get_input_embeddings()
    if own.weight.shape != theirs.weight.shape:
        raise ValueError(
            f"the draft reads with its target's embedding, {list(own.weight.shape)}, and this target's is "
            f"{list(theirs.weight.shape)}: it was made for another target"
        )
    draft.set_input_embeddings(theirs)


def check_layers(config, layers: int) -> None:
    """ValueError unless a draft of the first `layers` layers of a target with this config can be made."""
    trimmed_class(config)
    if not 1 <= layers < config.num_hidden_layers:
        raise ValueError(
            f"the target has {config.num_hidden_layers} layers, of which a draft can have 1 to "
            f"{config.num_hidden_layers - 1}, not {layers}"
        )


def first_layers(target, layers: int, tokens):
    """A draft of the target's own first `layers` layers, its last norm, and its head for `tokens` LongTensor [n],
    ascending. All weights are copies in float32, but the embedding, which is the target's. ValueError for more layers
    than the target has, or tokens that are not ids of it."""
    check_layers(target.config, layers)
    config = copy.deepcopy(target.config)
    if len(tokens) == 0 or not 0 <= int(tokens.min()) <= int(tokens.max()) < config.vocab_size:
        raise ValueError(f"the tokens of a trimmed head have to be ids of the target, 0 ... {config.vocab_size - 1}")
    config.num_hidden_layers, config.trimmed_head, config.tie_word_embeddings = layers, len(tokens), False
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    draft = trimmed_class(config)(config).float()
    theirs = target.state_dict()
    ours = {name: theirs[name] for name in draft.state_dict() if name in theirs and not name.startswith("lm_head")}
    ours["lm_head.linear.weight"] = target.get_output_embeddings().weight[tokens.to(target.device)]
    ours["lm_head.tokens"] = tokens
    draft.load_state_dict(ours, strict=True)
    borrow_embedding(draft, target)
    return draft.eval()
