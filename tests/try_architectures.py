"""Every decoder-only architecture of the installed transformers that can be built tiny: is our text the library's?

    python tests/try_architectures.py [NAME ...] [--json FILE]

For each: greedy text in the eager engine, plain and with the model drafting for itself, against Hugging Face's own
generate; then whether the compiled engine takes the model, and if so its text over static buffers (uncompiled: what is
asked is whether it is right). Prints a line each, and the counts: equal, refused in words, not built, DIFFERENT.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import torch
import transformers
from small_models import over_buffers
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from specdec_course.cache.chosen import difference
from specdec_course.cache.static import StaticModel
from specdec_course.decoding.engine import generate
from specdec_course.drafters import ModelDrafter
from specdec_course.measure.equality import library_text

PROMPT, NEW = torch.tensor([5, 17, 60, 3, 33, 9]), 20
SIZES = {
    97: ("vocab_size",),
    32: ("hidden_size", "n_embd", "d_model", "embedding_size", "word_embed_proj_dim", "dim"),
    2: ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "num_key_value_heads",
        "num_experts_per_tok", "num_kv_heads", "moe_topk", "top_k_experts"),
    4: ("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads", "num_experts",
        "num_local_experts", "n_routed_experts"),
    8: ("head_dim", "v_head_dim", "qk_nope_head_dim", "qk_rope_head_dim", "rotary_dim", "attention_head_size"),
    48: ("intermediate_size", "ffn_dim", "n_inner", "d_ff", "decoder_ffn_dim", "moe_intermediate_size",
         "ffn_hidden_size", "shared_expert_intermediate_size", "kv_lora_rank", "q_lora_rank"),
    128: ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "max_sequence_length"),
    0: ("pad_token_id", "embd_pdrop", "attn_pdrop", "resid_pdrop", "first_k_dense_replace"),
    1: ("bos_token_id", "n_group", "topk_group"),
    0.3: ("initializer_range", "init_std", "initializer_factor"),
}  # fmt: skip
LARGEST = 3_000_000  # parameters
LATENT = ("head_dim", "v_head_dim", "qk_nope_head_dim", "qk_rope_head_dim", "kv_lora_rank", "q_lora_rank", "rotary_dim",
          "attention_head_size")  # fmt: skip
# Not every kind can be had in these sizes: names that are left alone, other values for names; tried in turn.
ATTEMPTS = (
    ((), {}),
    (("head_dim", "v_head_dim"), {}),
    (LATENT, {}),
    (LATENT, {"num_hidden_layers": 4, "num_layers": 4}),
    ((*LATENT, "num_key_value_heads", "initializer_range"), {"num_hidden_layers": 4}),
    (LATENT, {"is_decoder": True}),
    (LATENT, {"num_key_value_heads": 4, "num_hidden_layers": 8}),
)


def tiny(kind: str):
    """A model of this kind with random weights, or a ValueError if it cannot be made small by these names."""
    said = "not small enough by these names"
    for without, instead in ATTEMPTS:
        try:
            model = built(kind, without, instead)
            if model is not None:
                library_text(model, PROMPT, 3)
                return model
        except Exception as error:
            said = short(error)
    raise ValueError(said)


def built(kind: str, without, instead):
    config_class = CONFIG_MAPPING[kind]
    known = vars(config_class())
    sizes = {name: value for value, names in SIZES.items() for name in names if name not in without}
    wanted = {name: value for name, value in (sizes | instead).items() if name in known}
    config = config_class(**wanted | {"eos_token_id": None})
    with torch.device("meta"):
        if sum(p.numel() for p in AutoModelForCausalLM.from_config(config).parameters()) > LARGEST:
            return None
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    model.generation_config.eos_token_id = None
    return model


def short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:150]


def look(kind: str) -> tuple[str, str]:
    """(verdict, in words) of one architecture."""
    try:
        model = tiny(kind)
        theirs = library_text(model, PROMPT, NEW)
    except Exception as error:
        return "not built", short(error)
    said = []
    try:
        for name, drafter in (("plain", None), ("drafting for itself", ModelDrafter(model))):
            ours = generate(model, PROMPT, drafter, 3, max_new_tokens=NEW, eos_token_id=None).tokens
            if not torch.equal(ours, theirs):
                return "DIFFERENT", f"eager, {name}"
    except ValueError as refused:
        return "refused", short(refused)
    except Exception as error:
        return "BROKEN", f"eager: {short(error)}"
    try:
        static = StaticModel(model)
        fault = difference(static)
        if fault:
            said.append(f"compiled falls back: {fault}")
        elif over_buffers(static, PROMPT, NEW) != theirs.tolist():
            return "DIFFERENT", "compiled"
        else:
            said.append("compiled: equal")
    except ValueError as refused:
        said.append(f"compiled refused: {short(refused)}")
    return "equal", "; ".join(said)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    found = {}
    for kind in options.names or sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES):
        found[kind] = look(kind)
        print(f"{kind:28s} {found[kind][0]:10s} {found[kind][1]}", flush=True)
    counts: dict[str, int] = {}
    for verdict, _ in found.values():
        counts[verdict] = counts.get(verdict, 0) + 1
    print(f"transformers {transformers.__version__}: {len(found)} tried, {counts}")
    if options.json:
        options.json.write_text(json.dumps({"transformers": transformers.__version__, "found": found}, indent=1) + "\n")
    return int(any(verdict in ("DIFFERENT", "BROKEN") for verdict, _ in found.values()))


if __name__ == "__main__":
    sys.exit(main())
