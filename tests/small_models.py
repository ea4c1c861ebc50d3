"""Tiny models and tokenizers in real file formats, for tests."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)
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


DECODERS = {
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "llama": (LlamaConfig, LlamaForCausalLM),
}


def small_model(vocab_size, kind="qwen3", layers=2, seed=0, tied=True):
    """A random model in float32 whose weights are exact in half precision; its logits are far apart."""
    torch.manual_seed(seed)
    config, model = DECODERS[kind]
    shape = {**SHAPE, "tie_word_embeddings": tied}
    model = model(config(vocab_size=vocab_size, num_hidden_layers=layers, initializer_range=0.3, **shape))
    return exact_in_half_precision(model)


def exact_in_half_precision(model):
    """The model, ready for tests: no token of its small vocabulary ends a text, unless a test says so."""
    model.generation_config.eos_token_id = model.config.get_text_config().eos_token_id = None
    for weight in model.parameters():  # not the model: its rotary frequencies must stay exact
        weight.data = weight.data.half().float()
    return model.eval()


def over_buffers(static, prompt, new):
    """The greedy text over static buffers, token by token, uncompiled."""
    text = prompt.tolist()
    static.begin(len(text) + new)
    with torch.inference_mode():
        logits = static._prefill(prompt, static.pointer())
        static.advance(len(prompt))
        for _ in range(new):
            text.append(int(logits[-1].argmax()))
            logits = static._pass(torch.tensor(text[-1:]), static.pointer())
            static.advance(1)
    return text


SEQ2SEQ = {"t5": 4, "bart": 3, "marian": 6}  # seeds whose greedy texts do not get stuck early


def small_seq2seq(kind="t5", vocab_size=50, layers=2, decoder_layers=None, width=32, seed=None):
    """A random encoder-decoder model in float32 that begins its text with token 0."""
    torch.manual_seed(SEQ2SEQ[kind] if seed is None else seed)
    if kind == "t5":
        model = T5ForConditionalGeneration(T5Config(
            vocab_size=vocab_size, d_model=width, d_kv=width // 4, d_ff=width, num_heads=4, num_layers=layers,
            num_decoder_layers=decoder_layers, initializer_factor=0.5, decoder_start_token_id=0,
        ))  # fmt: skip
        model.decoder.block[-1].layer[1].EncDecAttention.o.weight.data *= 2  # else the source hardly matters
        last, boost = model.decoder.block[-1].layer[-1].DenseReluDense.wo, 40
    else:
        config = {"bart": BartConfig, "marian": MarianConfig}[kind]
        model = {"bart": BartForConditionalGeneration, "marian": MarianMTModel}[kind](config(
            vocab_size=vocab_size, d_model=width, encoder_layers=layers, decoder_layers=decoder_layers or layers,
            encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=width, decoder_ffn_dim=width,
            max_position_embeddings=128, init_std=0.15, decoder_start_token_id=0, bos_token_id=0, pad_token_id=1,
            eos_token_id=2, forced_eos_token_id=None,
        ))  # fmt: skip
        last, boost = model.model.decoder.layers[-1].fc2, 10
    last.weight.data *= boost  # else tied embeddings make a random decoder repeat its last token for ever
    return exact_in_half_precision(model)


def save(folder, model=None, tokenizer=None, **how):
    """`save_pretrained` without its progress bar; `how` goes to the model's, as max_shard_size. Returns the folder."""
    logging.disable_progress_bar()
    try:
        if model is not None:
            model.save_pretrained(folder, **how)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    finally:
        logging.enable_progress_bar()
    return folder
