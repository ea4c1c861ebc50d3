"""LOSSY decoding: a Big Little Decoder. The small model writes, the large one mends what it finds improbable.

Knows: the loop around `bild_policy`, with a cache for each model, and how far its text is from the large model's own.
Does not know: speculative decoding. There the large model judges every token and the text is its own; here most tokens
are never compared with what it would have written, and the text is a mixture of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..cache import CachedModel
from ..trace import Decoded, Round
from .adaptive import bild_policy


@dataclass(frozen=True)
class Loss:
    """What a text lost against the target's greedy one. `same_until`: new tokens before the first that differs from
    it. `own_choice`: share of the new tokens that the target would have chosen itself after the text before them.
    `log_likelihood`: the target's mean log-probability of a new token, in nats."""

    same_until: int
    own_choice: float
    log_likelihood: float


def generate_bild(target, draft, ids, fallback, rollback, max_new_tokens, eos_token_id=None) -> Decoded:
    """LOSSY. The small model writes greedily; when unsure it has the large one check and mend what it wrote.

    Args:
        target, draft: Hugging Face causal language models with one vocabulary.
        ids: LongTensor [T], T >= 1. max_new_tokens, eos_token_id: the text ends at the budget or after this token.
        fallback: the small model hands over after a token whose probability, in its own eyes, is below it. 0: never,
            the text is the small model's. Above 1: after every token.
        rollback: the large model redoes from the first token whose probability, in its eyes, is below it. 0: never.
            Above 1: always; with fallback above 1, too, the text is the large model's greedy one.

    Returns:
        Decoded(ids, rounds): one Round per call of the large model, drafted = tokens that the small model had written
        since the last call, accepted = of these, kept. Tokens written after the last call belong to no round: the
        large model has never seen them.

    Source: Kim et al. 2023, "Speculative decoding with Big Little Decoder".
    """
    if len(ids) == 0:
        raise ValueError("the prompt is empty; expected at least one token id, shape [T]")
    small, large, rounds = CachedModel(draft), CachedModel(target), []
    end, confidences = len(ids) + max_new_tokens, []
    while len(ids) < end:
        confidence, token = _surest(small.append(ids[small.length :], last=1))
        ids = torch.cat([ids, token])
        confidences.append(confidence)
        hand_over, _ = bild_policy(confidences, (), fallback, rollback)
        if hand_over:
            ids, counts = _checked(large, ids, confidences, fallback, rollback, end, eos_token_id)
            small.rollback(max(0, small.length - (len(ids) - 1)))
            rounds.append(counts)
            confidences = []
        if int(ids[-1]) == eos_token_id:
            break
    return Decoded(ids, rounds)


def _surest(logits):
    """(largest probability, its token as LongTensor [1]) of a row of logits, FloatTensor [1, V]."""
    confidence, token = torch.softmax(logits.float(), -1).max(-1)
    return float(confidence), token


def _checked(large, ids, confidences, fallback, rollback, end, eos_token_id):
    """One call of the large model: (the mended text with one token of its own, the Round)."""
    n = len(confidences)
    start = len(ids) - n
    logits = large.append(ids[large.length :], last=n + 1)
    chances = torch.softmax(logits[:n].float(), -1).gather(1, ids[start:, None])[:, 0].tolist()
    _, redo = bild_policy(confidences, chances, fallback, rollback)
    kept = n - len(redo)
    own = logits[kept].argmax(-1, keepdim=True)
    ended = kept == n and (len(ids) == end or int(ids[-1]) == eos_token_id)  # there is no place for a token behind it
    ids = ids if ended else torch.cat([ids[: start + kept], own])
    large.rollback(large.length - (len(ids) - 1))
    return ids, Round(n, kept, len(ids) - start)


def measure_loss(target, ids, greedy_ids, prompt_length) -> Loss:
    """How far the text `ids` LongTensor [T] is from the target's own: a Loss.

    Args:
        target: a Hugging Face causal language model. greedy_ids: LongTensor, the same prompt with the target's greedy
            text. prompt_length: tokens of the prompt in both, >= 1; the text has to be longer.
    """
    new = ids[prompt_length:]
    if prompt_length < 1 or len(new) == 0:
        raise ValueError(f"the text has {len(ids)} tokens, its prompt {prompt_length}; expected at least 1 and 1 more")
    logits = CachedModel(target).append(ids, last=len(new) + 1)[:-1].float()
    shared = min(len(new), len(greedy_ids) - prompt_length)
    differs = (new[:shared] != greedy_ids[prompt_length:][:shared]).nonzero()
    return Loss(
        int(differs[0]) if len(differs) else shared,
        (logits.argmax(-1) == new).double().mean().item(),
        torch.log_softmax(logits, -1).gather(1, new[:, None]).mean().item(),
    )
