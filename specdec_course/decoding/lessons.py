"""The loops as the course teaches them: a target alone, and speculation around it.

Knows: budgets, end of text, rounds, what two caches hold. Does not know: devices and engines (`generate` in engine is
the loop that people use), other drafters than a model (drafters), which tokens stay (verification).
"""

from __future__ import annotations

import torch

from ..trace import Decoded, Round
from ..verification import verify_greedy


def greedy_decode(target, ids, max_new_tokens, eos_token_id=None):
    """Plain greedy decoding without a cache: the text that speculation has to reproduce.

    Args:
        target: a Forward: LongTensor [T] -> logits FloatTensor [T, V].
        ids: LongTensor [T], the prompt. max_new_tokens: the budget. eos_token_id: stops after it; None never stops.

    Returns:
        LongTensor [T + new].
    """
    for _ in range(max_new_tokens):
        ids = torch.cat([ids, target(ids)[-1].argmax(-1, keepdim=True)])
        if eos_token_id is not None and ids[-1] == eos_token_id:
            break
    return ids


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    """Greedy speculative decoding without a cache. The text is the one that `target` alone would write.

    Args:
        target: a Forward: LongTensor [T] -> logits FloatTensor [T, V]. It is called exactly once per round.
        ids: LongTensor [T], the prompt, T >= 1. It is not changed.
        propose: function (ids, k) -> LongTensor [<= k]: a draft to follow ids; it may be shorter than k, or empty.
            You may ask for 0 tokens.
        k: how many tokens to ask for per round, >= 0.
        max_new_tokens: at most so many tokens are added; with 0 the target is not called.
        eos_token_id: the text ends with the first such token that is *emitted* (it is kept); None: there is none.

    Returns:
        Decoded(ids, rounds): the prompt with the new tokens, and a Round(drafted, accepted, emitted) per target
        call: `drafted` = sent to the target, `accepted` = of these, kept and emitted, `emitted` = all tokens that
        the round added.
    """
    rounds = []
    end = len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))  # one place is left for the target's own token
        logits = target(torch.cat([ids, draft]))
        emitted = verify_greedy(draft, logits[len(ids) - 1 :])
        accepted = len(emitted) - 1
        emitted = emitted[: end - len(ids)]
        if eos_token_id in emitted.tolist():
            emitted = emitted[: emitted.tolist().index(eos_token_id) + 1]
        ids = torch.cat([ids, emitted])
        rounds.append(Round(len(draft), min(accepted, len(emitted)), len(emitted)))
        if emitted[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


def generate_cached(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    """Greedy speculative decoding with two key-value caches. The text is the one that `target` alone would write.

    Every round, the draft model writes its own most probable continuation of the text, token by token, and the target
    judges it in one `append`. Both models are fed only what they have not seen: nothing goes in twice, except after
    it was rolled back. At the start of every round but the first, the target's cache holds all of the text but its
    newest token. So does the draft's, or one token fewer where it still lacks the last one that it drafted itself.

    Args:
        target, draft: two empty CachedModels, each with `append(ids [T]) -> logits [T, V]` (T >= 1), `rollback(n)`
            and `length`; for this call alone.
        ids: LongTensor [T], the prompt, T >= 1. It is not changed.
        k: how many tokens to draft per round, >= 0; fewer may be drafted where the budget leaves less room, or where
            the draft ends with eos_token_id.
        max_new_tokens: at most so many tokens are added.
        eos_token_id: the text ends with the first such token that is *emitted* (it is kept); None: there is none.

    Returns:
        Decoded(ids, rounds): the prompt with the new tokens, and a Round(drafted, accepted, emitted) per
        `target.append`, as in `generate_speculative`. The prompt may go in together with the first draft or in an
        append of its own, which need not be listed in `rounds`.
    """
    rounds = []
    end = len(ids) + max_new_tokens
    while len(ids) < end:
        text = ids
        for _ in range(min(k, end - len(ids) - 1)):  # one place is left for the target's own token
            logits = draft.append(text[draft.length :])  # whatever it lacks: one token, or two after full acceptance
            text = torch.cat([text, logits[-1].argmax(-1, keepdim=True)])
        drafted = text[len(ids) :]
        logits = target.append(text[target.length :])
        emitted = verify_greedy(drafted, logits[-len(drafted) - 1 :])
        accepted = len(emitted) - 1
        if eos_token_id in emitted.tolist():
            emitted = emitted[: emitted.tolist().index(eos_token_id) + 1]
        ids = torch.cat([ids, emitted])
        rounds.append(Round(len(drafted), min(accepted, len(emitted)), len(emitted)))
        for model in (target, draft):
            model.rollback(max(0, model.length - (len(ids) - 1)))
        if emitted[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)
