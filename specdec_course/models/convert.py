"""Turns a GGUF file with a Llama model into a folder that transformers reads: config, weights, tokenizer.

Knows how llama.cpp names and lays out the tensors of a Llama, and how SmolLM2 cuts text into tokens. Knows nothing
about where the file comes from, nor of its container: that is read by the package `gguf`, of the extra [fetch].
"""

import importlib.util
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, PreTrainedTokenizerFast

from ..common.nearest import first_line

NEEDS_GGUF = 'reading a GGUF file needs the package gguf: pip install "specdec_course[fetch]", then try again'


def check_reader() -> None:
    """ValueError with the cure where the package that reads GGUF is missing."""
    if importlib.util.find_spec("gguf") is None:
        raise ValueError(NEEDS_GGUF)


def convert(file: Path, folder: Path, source: str) -> None:
    """A GGUF file with a Llama model -> the new `folder` with config, float16 safetensors and tokenizer.

    `source`, words that say where the file came from, goes into `source.json` there. ValueError if the file cannot be
    read, or without the package `gguf`.
    """
    metadata, tensors = read_gguf(file)
    config = llama_config(metadata)
    weights = {}
    for tensor in tensors:
        weights[huggingface_name(tensor.name)] = as_half(tensor, config.head_dim)
    folder.mkdir()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes it private; a class may share one cache
    config.save_pretrained(folder)
    byte_level_tokenizer(metadata).save_pretrained(folder)
    provenance = {
        "source": source,
        "license": metadata.get("general.license", "unknown"),
        "numbers": dict(Counter(tensor.tensor_type.name for tensor in tensors)),
        "stored_as": "float16",
        "date": time.strftime("%Y-%m-%d"),
    }
    (folder / "source.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")


def read_gguf(file: Path) -> tuple[dict, list]:
    """(metadata, tensors as the package `gguf` describes them) of a GGUF file. ValueError if it is damaged or none."""
    check_reader()
    from gguf import GGUFReader

    try:
        reader = GGUFReader(file)
        return {name: field.contents() for name, field in reader.fields.items()}, list(reader.tensors)
    except (ValueError, IndexError, KeyError, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"{Path(file).name} is no GGUF file that can be read: {first_line(error)}") from error


def as_half(tensor, head_dim: int) -> torch.Tensor:
    """The numbers of a GGUF tensor in half precision, in the order of rows that transformers has."""
    from gguf.quants import dequantize

    try:
        numbers = dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError as error:
        raise ValueError(f"tensor {tensor.name} has a number format that cannot be read: {error}") from error
    if tensor.name.endswith(("attn_q.weight", "attn_k.weight")):
        numbers = halves_first(numbers, head_dim)
    return torch.from_numpy(numbers.astype(np.float16)).contiguous()


def halves_first(weight, head_dim: int):
    """Rows of a query or key projection, from llama.cpp's order to that of transformers.

    Rotary embeddings turn pairs of rows. llama.cpp lays the two of a pair next to each other; transformers
    puts the first ones of a head into its first half and their partners into the second.
    [heads * head_dim, d] -> the same shape.
    """
    heads = weight.shape[0] // head_dim
    return weight.reshape(heads, head_dim // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def huggingface_name(name: str) -> str:
    """llama.cpp's name of a Llama tensor -> that of transformers, e.g. blk.3.attn_q.weight."""
    parts = {
        "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }  # fmt: skip
    *block, part, kind = name.split(".")
    prefix = f"model.layers.{block[1]}." if block else ""
    return f"{prefix}{parts[part]}.{kind}"


def llama_config(metadata: dict) -> LlamaConfig:
    """The transformers config of a Llama model, from the metadata of its GGUF file."""
    llama = {key.removeprefix("llama."): value for key, value in metadata.items() if key.startswith("llama.")}
    heads = llama["attention.head_count"]
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        dtype="float16",
        vocab_size=llama["vocab_size"],
        hidden_size=llama["embedding_length"],
        intermediate_size=llama["feed_forward_length"],
        num_hidden_layers=llama["block_count"],
        num_attention_heads=heads,
        num_key_value_heads=llama["attention.head_count_kv"],
        head_dim=llama["embedding_length"] // heads,
        max_position_embeddings=llama["context_length"],
        rms_norm_eps=round(llama["attention.layer_norm_rms_epsilon"], 9),  # 1e-5 as a float32
        rope_parameters={"rope_type": "default", "rope_theta": llama["rope.freq_base"]},
        tie_word_embeddings=True,
        bos_token_id=metadata["tokenizer.ggml.bos_token_id"],
        eos_token_id=metadata["tokenizer.ggml.eos_token_id"],
        pad_token_id=metadata["tokenizer.ggml.padding_token_id"],
    )


def byte_level_tokenizer(metadata: dict) -> PreTrainedTokenizerFast:
    """SmolLM2's tokenizer from the metadata of its GGUF file.

    Digits are split off one by one before the byte-level rule, as llama.cpp's pre-tokenizer "smollm" says;
    transformers' own reader of GGUF files leaves that out: then runs of spaces before numbers come out wrong.
    """
    ggml = {key.removeprefix("tokenizer.ggml."): value for key, value in metadata.items()}
    tokens = ggml["tokens"]
    merges = [tuple(merge.split(" ")) for merge in ggml["merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, ggml["token_type"], strict=True) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[ggml["bos_token_id"]],
        eos_token=tokens[ggml["eos_token_id"]],
        pad_token=tokens[ggml["padding_token_id"]],
        unk_token=tokens[ggml["unknown_token_id"]],
        chat_template=metadata["tokenizer.chat_template"],
        model_max_length=metadata["llama.context_length"],
    )
