"""What a caller of `generate` asks for, checked before the first token: the prompt and the budget.

Knows: the shapes in which people hold ids, and which requests a model cannot serve. Does not know: how a text is
decoded, what ends it (ends).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from numbers import Integral

import torch

from ..cache.rows import check_keeps_positions
from ..cache.static import WIDTHS


def checked_prompt(target, prompt_ids, max_new_tokens: int, engine: str, min_new_tokens: int = 0) -> torch.Tensor:
    """The prompt as a LongTensor [T] on the CPU, or a ValueError that says what is wrong with the request."""
    config = target.config.get_text_config()
    ids = _one_row(prompt_ids)
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= config.vocab_size:
        raise ValueError(
            f"the prompt holds ids from {low} to {high}; the model's vocabulary has ids 0 to {config.vocab_size - 1}. "
            "Was the text encoded with another model's tokenizer?"
        )
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; expected a number >= 0")
    if not 0 <= min_new_tokens <= max_new_tokens:
        raise ValueError(f"min_new_tokens is {min_new_tokens}; expected 0 to {max_new_tokens}, which is max_new_tokens")
    _check_context(config, len(ids), max_new_tokens, engine)
    return ids.long()


def _one_row(prompt_ids) -> torch.Tensor:
    """The ids as a tensor [T], T >= 1, out of a tensor, a list, or what a tokenizer returns."""
    if isinstance(prompt_ids, str):
        raise ValueError(
            "the prompt is a string; expected token ids. Encode it first: "
            'tokenizer(text, return_tensors="pt").input_ids'
        )
    if isinstance(prompt_ids, Mapping) or hasattr(prompt_ids, "input_ids"):  # a tokenizer's BatchEncoding
        _check_unpadded(prompt_ids)
        prompt_ids = prompt_ids["input_ids"]
    try:
        ids = torch.as_tensor(prompt_ids).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"the prompt is a {type(prompt_ids).__name__} that cannot be made a tensor; expected token ids, a "
            "LongTensor [T] or a list of whole numbers"
        ) from None
    if ids.dim() == 2 and len(ids) == 1:
        ids = ids[0]
    if ids.dim() == 2 and len(ids) > 1:
        raise ValueError(f"the prompt has {len(ids)} rows; one text is decoded at a time. Call generate for each row")
    if ids.dim() != 1 or ids.numel() == 0:
        raise ValueError(
            f"the prompt has shape {tuple(ids.shape)}; expected at least one token id, shape [T]. "
            "For an empty text start with the tokenizer's bos or eos token"
        )
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ValueError(f"the prompt's ids are of type {ids.dtype}; expected whole numbers (torch.long)")
    return ids


def _check_unpadded(encoding) -> None:
    mask = encoding["attention_mask"] if "attention_mask" in encoding else None
    if mask is not None and not torch.as_tensor(mask).bool().all():
        raise ValueError(
            "the prompt is padded: its attention_mask has zeros. Encode one text at a time, without padding"
        )


def _check_context(config, length: int, new: int, engine: str) -> None:
    limit = getattr(config, "max_position_embeddings", None)
    if limit is not None and 0 < limit < length + new:
        raise ValueError(
            f"{length} prompt tokens and {new} new ones are {length + new}; the model's "
            f"context holds {limit}. Shorten the prompt or ask for at most {max(0, limit - length)} new tokens"
        )
    turn = _turning_point(config)
    reach = length + new + (WIDTHS[-1] if engine == "compiled" else 0)
    if turn is not None and length <= turn < reach:
        raise ValueError(
            f"this model turns its positions by another rule beyond {turn} tokens (longrope), so what is cached up to "
            f"there does not fit what follows; this text would go from {length} to {length + new}"
            f"{f' (and {WIDTHS[-1]} more are reserved by the compiled engine)' if reach > length + new else ''}. "
            f"Ask for fewer new tokens, or begin with more than {turn} tokens"
        )


def _turning_point(config) -> int | None:
    """The length at which a model with "longrope" changes its frequencies (Phi-3), or None."""
    rope = getattr(config, "rope_parameters", None) or {}
    for kind in (rope, *(value for value in rope.values() if isinstance(value, Mapping))):
        if kind.get("rope_type") == "longrope":
            turn = kind.get("original_max_position_embeddings")
            return turn or getattr(config, "original_max_position_embeddings", None)
    return None


def fresh_seed(seed: int | None) -> int:
    """The seed; for None one that nobody chose."""
    return secrets.randbits(63) if seed is None else int(seed)


def checked_batch(target, prompts, k, sampling, max_new_tokens, seed, batch) -> list[tuple[torch.Tensor, int, int]]:
    """The prompt LongTensor [T], the budget and the seed of each text, or a ValueError that says what is wrong."""
    for name, value, least in (("k", k, 0), ("batch", batch, 1)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} is {value!r}; expected a whole number >= {least}")
    if sampling.processors:
        raise ValueError("processors look at one text at a time; decode with generate, or leave them out")
    if isinstance(prompts, (str, Mapping)) or hasattr(prompts, "input_ids"):
        raise ValueError(
            f"the prompts are a {type(prompts).__name__}; expected a list of prompts, LongTensor [T] or a list of ids "
            "each, of any lengths and without padding"
        )
    check_keeps_positions(target, "target")
    prompts = list(prompts)
    budgets = _one_each(max_new_tokens, len(prompts), "max_new_tokens")
    first = fresh_seed(None) // 2 if seed is None else seed
    seeds = _one_each(first, len(prompts), "seed", step=1)
    checked = []
    for i, (prompt, new) in enumerate(zip(prompts, budgets, strict=True)):
        try:
            checked.append(checked_prompt(target, prompt, new, "eager"))
        except ValueError as error:
            raise ValueError(f"prompt {i}: {error}") from None
    _check_one_side(target.config.get_text_config(), list(map(len, checked)))
    return list(zip(checked, budgets, seeds, strict=True))


def _one_each(value, n: int, name: str, step: int = 0) -> list[int]:
    """n whole numbers: a list of them as it is, one number as value, value + step, ..."""
    numbers = [value + step * i for i in range(n)] if isinstance(value, Integral) else value
    if not isinstance(numbers, (list, tuple)) or not all(isinstance(one, Integral) for one in numbers):
        raise ValueError(f"{name} is {value!r}; expected a whole number, or a list of one for each prompt")
    if len(numbers) != n:
        raise ValueError(f"{name} has {len(numbers)} entries for {n} prompts; expected one number, or one each")
    return [int(one) for one in numbers]


def _check_one_side(config, lengths: list[int]) -> None:
    """ValueError where some texts stay below the length at which a model turns its positions by another rule, and
    others lie beyond it: the longest in a batch decides for all."""
    turn = _turning_point(config)
    one_side = turn is None or all(n <= turn for n in lengths) or all(n - 1 > turn for n in lengths)
    if not one_side:  # - 1: a prompt is read up to its last token first
        raise ValueError(
            f"this model turns its positions by another rule beyond {turn} tokens (longrope), the same for all texts "
            f"of a batch; the prompts have {min(lengths)} to {max(lengths)} tokens. Decode the long ones by themselves"
        )
