"""The loops as the course teaches them: a target alone, and speculation around it.

Knows: budgets, end of text, rounds. Does not know: devices and engines (`generate` in engine is the loop that people
use), how a draft is made (drafters), which of its tokens stay (verification).
"""

from __future__ import annotations

import torch

from .trace import Decoded, Round
from .verification import verify_greedy


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
