"""`generate`: the decoding loop that people use, with key-value caches, for any target and any drafter.

Knows: budgets, end of text, rounds, which tokens each model still has to see. Does not know: how a draft is made
(drafters) or which of its tokens stay (verification).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from .cache import CachedModel
from .drafters import Draft
from .sampling import Dice, Sampling
from .trace import Round, Trace
from .verification import verify_greedy, verify_vectorised


@dataclass(frozen=True)
class Output:
    """What `generate` returns: `tokens` LongTensor [T_prompt + T_new] and the `trace` of its rounds."""

    tokens: torch.Tensor
    trace: Trace


def generate(
    target,
    prompt_ids,
    drafter=None,
    k: int = 4,
    sampling: Sampling = Sampling(),
    max_new_tokens: int = 128,
    eos_token_id: int | None = None,
    seed: int = 0,
) -> Output:
    """Decodes with a key-value cache; with a drafter, speculatively. The law of the text is the target's alone.

    One target call per round; the prompt goes through together with the first draft. At the start of every later
    round the target's cache holds exactly len(tokens) - 1 positions.

    Args:
        target: a Hugging Face causal language model.
        prompt_ids: LongTensor [T] or a list of ids, T >= 1.
        drafter: anything with `propose` (see drafters); None decodes plainly.
        k: draft length, >= 0. sampling: temperature and filters, for target and drafter alike.
        max_new_tokens, eos_token_id: the text ends at the budget or with the first eos_token_id, which is kept.
        seed: of all the randomness of this call.

    Raises ValueError for an empty prompt, ids outside the vocabulary, k < 0, a text longer than the model's context,
    NaN logits, and a drafter whose vocabulary is not the target's.
    """
    began = time.perf_counter()
    tokens = _checked_prompt(target, prompt_ids, k, max_new_tokens)
    dice = Dice(torch.Generator(device=tokens.device).manual_seed(seed))
    cached, trace, end = CachedModel(target), Trace(len(tokens)), len(tokens) + max_new_tokens
    vocab_size = target.config.get_text_config().vocab_size
    draft_calls = getattr(drafter, "calls", 0)
    while len(tokens) < end:
        ask = min(k, end - len(tokens) - 1)
        draft = drafter.propose(tokens, ask, sampling, dice) if drafter and ask > 0 else Draft(tokens[:0])
        n = _checked_draft(draft, ask, vocab_size)
        new = torch.cat([tokens[cached.length :], draft.ids])
        logits = _checked_logits(cached.append(new, last=n + 1))
        emitted = _verify(draft, logits, sampling, dice)
        accepted = len(emitted) - 1
        emitted = _until_eos(emitted, eos_token_id)
        tokens = torch.cat([tokens, emitted])
        cached.rollback(cached.length - (len(tokens) - 1))  # the newest token is fed in the next round
        trace.rounds.append(Round(n, min(accepted, len(emitted)), len(emitted)))
        if eos_token_id is not None and int(emitted[-1]) == eos_token_id:
            break
    trace.target_calls, trace.draft_calls = cached.calls, getattr(drafter, "calls", 0) - draft_calls
    trace.seconds = time.perf_counter() - began
    return Output(tokens, trace)


def _verify(draft: Draft, logits, sampling: Sampling, dice: Dice):
    """The round's tokens; a greedy round needs no probabilities."""
    if sampling.greedy:
        return verify_greedy(draft.ids, logits)
    return verify_vectorised(draft.ids, draft.probs, sampling(logits.float()), dice)


def _until_eos(emitted, eos_token_id):
    if eos_token_id is None:
        return emitted
    found = (emitted == eos_token_id).nonzero()
    return emitted[: int(found[0]) + 1] if len(found) else emitted


def _checked_prompt(target, prompt_ids, k, max_new_tokens):
    """The prompt as a LongTensor on the target's device, or a ValueError that says what is wrong with the request."""
    ids = torch.as_tensor(prompt_ids).to(target.device)
    if ids.dim() == 2 and len(ids) == 1:
        ids = ids[0]
    if ids.dim() != 1 or ids.numel() == 0:
        raise ValueError(
            f"the prompt has shape {tuple(ids.shape)}; expected at least one token id, shape [T]. "
            "For an empty text start with the tokenizer's bos or eos token"
        )
    if ids.is_floating_point() or ids.dtype == torch.bool:
        raise ValueError(f"the prompt's ids are of type {ids.dtype}; expected whole numbers (torch.long)")
    config = target.config.get_text_config()
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= config.vocab_size:
        raise ValueError(
            f"the prompt holds ids from {low} to {high}; the model's vocabulary has ids 0 to {config.vocab_size - 1}. "
            "Was the text encoded with another model's tokenizer?"
        )
    if k < 0:
        raise ValueError(f"k is {k}; expected a draft length >= 0 (0 decodes plainly)")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; expected a number >= 0")
    limit = getattr(config, "max_position_embeddings", None)
    if limit is not None and len(ids) + max_new_tokens > limit:
        raise ValueError(
            f"{len(ids)} prompt tokens and {max_new_tokens} new ones are {len(ids) + max_new_tokens}; the model's "
            f"context holds {limit}. Shorten the prompt or ask for at most {max(0, limit - len(ids))} new tokens"
        )
    return ids.long()


def _checked_draft(draft: Draft, ask: int, vocab_size: int) -> int:
    """The draft's length, or a ValueError if it is too long or was made for another vocabulary."""
    if len(draft.ids) > ask:
        raise ValueError(f"the drafter was asked for at most {ask} tokens and proposes {len(draft.ids)}")
    width = vocab_size if draft.probs is None else draft.probs.shape[-1]
    if width != vocab_size or (len(draft.ids) and not 0 <= int(draft.ids.min()) <= int(draft.ids.max()) < vocab_size):
        raise ValueError(
            f"the drafter proposes from another vocabulary than the target's {vocab_size} ids: "
            "draft and target must share one tokenizer"
        )
    return len(draft.ids)


def _checked_logits(logits):
    if torch.isnan(logits.amax(-1)).any():
        raise ValueError(
            "the target's logits hold NaN: its weights are damaged, or half precision overflowed. "
            "Try float32 (or bfloat16 instead of float16), and `specdec doctor` for the bundled files"
        )
    return logits
