"""Hugging Face's own `generate`, as it has to be asked if its texts are to be compared with ours.

Knows: what a checkpoint's generation_config may bring along (beams, penalties, forced and forbidden tokens, another
cache), each of which is another law or another way. Does not know: our own decoding.
"""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def plain_settings(*models):
    """Within, these models (None is left out) have an empty generation_config: nothing is read from the checkpoint."""
    from transformers import GenerationConfig

    models = [model for model in dict.fromkeys(models) if model is not None]
    before = [model.generation_config for model in models]
    try:
        for model, own in zip(models, before, strict=True):
            kept = {name: getattr(own, name, None) for name in ("decoder_start_token_id", "bos_token_id")}
            model.generation_config = GenerationConfig(**kept)
        yield
    finally:
        for model, own in zip(models, before, strict=True):
            model.generation_config = own
