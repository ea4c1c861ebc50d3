"""Tiny models and tokenizers in real file formats, for tests."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEXT = " = The river = \n \n The river runs past the mill in 1924 , and the mill runs by the river . \n"


def small_tokenizer(text=TEXT, size=320, pad=SPECIALS[0]):
    """A byte-level BPE tokenizer with SmolLM2's rules, trained on a few words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[*SPECIALS],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIALS[1],
        eos_token=SPECIALS[2],
        pad_token=pad,
        unk_token=SPECIALS[0],
    )


SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "tie_word_embeddings": True,
}


def small_model(vocab_size, kind="qwen3", layers=2, seed=0):
    """A random model in float32 whose weights are exact in half precision; its logits are far apart."""
    torch.manual_seed(seed)
    config, model = {"qwen3": (Qwen3Config, Qwen3ForCausalLM), "llama": (LlamaConfig, LlamaForCausalLM)}[kind]
    model = model(config(vocab_size=vocab_size, num_hidden_layers=layers, initializer_range=0.3, **SHAPE))
    for weight in model.parameters():  # not the model: its rotary frequencies must stay exact
        weight.data = weight.data.half().float()
    return model.eval()


def save(folder, model=None, tokenizer=None):
    """`save_pretrained` without its progress bar; returns the folder."""
    logging.disable_progress_bar()
    try:
        for part in (model, tokenizer):
            if part is not None:
                part.save_pretrained(folder)
    finally:
        logging.enable_progress_bar()
    return folder
