"""Encoder-decoder models (T5, BART, Marian) in the clothes of a decoder-only model.

Knows: how to run the encoder once, and the decoder as often as tokens are asked for. Does not know: drafts, rounds.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch


class Conditioned:
    """An encoder-decoder model together with one source text: a language model of what the decoder writes.

    Speculation never looks at the encoder: once the source is fixed, the decoder is a language model like any other,
    p(next token | source, tokens so far), and a draft has only to guess that one. Target and draft are given the same
    source, and the text begins with `start`:

        target, draft = Conditioned(pair.target, source_ids), Conditioned(pair.draft, source_ids)
        out = generate(target, target.start, ModelDrafter(draft), k=4)

    It is called as a decoder-only model is, with a cache or without one (`as_forward` works too). The cache of such a
    model has two parts: keys and values of the text so far, which grow and are rolled back, and those of the source,
    which never change.

    What is decoded is the model's own law. Settings for beam search, forced or forbidden tokens and penalties, which
    some checkpoints carry in their generation_config, are not applied.

    Args:
        model: a Hugging Face encoder-decoder model with a language modelling head.
        source_ids: LongTensor [S] (or a list, or [1, S]), S >= 1: the encoded source without padding, with the end of
            text that the tokenizer appends.

    Raises ValueError for a model without an encoder, and for a source that is empty, a batch, or of another vocabulary.
    """

    def __init__(self, model, source_ids):
        if not getattr(model.config, "is_encoder_decoder", False):
            raise ValueError(
                f"{type(model).__name__} is no encoder-decoder model: it takes no source. Give the text as the prompt, "
                "generate(model, prompt_ids)"
            )
        self.model, self.config = model, model.config
        source = _checked_source(source_ids, self.config.get_text_config().vocab_size).to(model.device)
        with torch.no_grad():
            self.encoded = model.get_encoder()(input_ids=source[None])

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def generation_config(self):
        return self.model.generation_config

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def start(self) -> torch.Tensor:
        """LongTensor [1]: the token that a decoder's text begins with. ValueError if the model names none."""
        for config in (self.model.generation_config, self.config):
            token = getattr(config, "decoder_start_token_id", None)
            if token is not None:
                return torch.tensor([token], device=self.device)
        raise ValueError(
            "the model's configs name no decoder_start_token_id: start the text with the token that its documentation "
            "gives, often the padding token, generate(target, [token_id], ...)"
        )

    def __call__(self, input_ids, past_key_values=None, use_cache=True, logits_to_keep=0):
        """One pass of the decoder, as a decoder-only model's: LongTensor [1, T] -> .logits [1, T, V], .past_key_values.

        logits_to_keep: only the last so many rows of logits; 0 gives them all.
        """
        out = self.model(
            encoder_outputs=self.encoded,
            decoder_input_ids=input_ids,
            past_key_values=_with_a_part_for_the_source(past_key_values),
            use_cache=use_cache,
        )
        return SimpleNamespace(logits=out.logits[:, -logits_to_keep:], past_key_values=out.past_key_values)


def _with_a_part_for_the_source(cache):
    """A cache of the text alone, as CachedModel makes for sliding windows, gets a second part for the source."""
    if cache is None or hasattr(cache, "cross_attention_cache"):
        return cache
    from transformers import DynamicCache, EncoderDecoderCache

    return EncoderDecoderCache(cache, DynamicCache())


def _checked_source(source_ids, vocab_size: int) -> torch.Tensor:
    source = torch.as_tensor(source_ids)
    if source.dim() == 2 and len(source) == 1:
        source = source[0]
    if source.dim() != 1 or source.numel() == 0 or source.is_floating_point():
        raise ValueError(
            f"the source has shape {tuple(source.shape)} and type {source.dtype}; expected the ids of one text, "
            "whole numbers of shape [S] with S >= 1"
        )
    low, high = int(source.min()), int(source.max())
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"the source holds ids from {low} to {high}; the model's vocabulary has ids 0 to {vocab_size - 1}. "
            "Was the text encoded with another model's tokenizer?"
        )
    return source.long()
