"""One round: the target reads what it has not seen and the draft, in one pass, and a verdict falls.

Knows: how the text and a draft, chain or tree, lie in the target's cache; when to wait for the device (once for a
chain). Does not know: budgets, how a draft is made (drafters), which of its tokens stay (verification).
"""

from __future__ import annotations

import torch

from ..drafters.draft import Draft, ancestors, depths
from ..sampling import Dice, Sampling
from ..verification import (
    verify_greedy_vectorised,
    verify_tree_greedy,
    verify_tree_stochastic,
    verify_vectorised,
)

DAMAGED = (
    "the target's logits hold NaN or infinity: its weights are damaged, or half precision overflowed. "
    "Try float32 (or bfloat16 instead of float16), and `specdec doctor` for the bundled files"
)


def verify_round(cached, missing, draft: Draft, sampling: Sampling, dice: Dice, usual=0) -> tuple[int, list[int]]:
    """One target call over what it has not seen and the draft: (how many drafted tokens stay, the tokens emitted).

    Of a chain the cache holds every token afterwards, of a tree only the path that stays.

    Args:
        cached: the target's cache. missing: LongTensor [m], m >= 1, what of the text it does not hold yet.
        usual: the draft length of most rounds; only of interest to a compiled engine.
    """
    if draft.parents is not None:
        return _verify_tree(cached, missing, draft, sampling, dice)
    n = len(draft.ids)
    new = torch.cat([missing.to(draft.ids.device, non_blocking=True), draft.ids])
    inputs = (draft.ids,) if draft.probs is None else (draft.ids, draft.probs)

    def judge(logits, dice, ids, probs=None):
        return _judge(ids, probs, logits, sampling, dice)

    draws, usual = 0 if sampling.greedy else n + 1, len(new) - n + usual
    verdict = cached.judged(judge, new, n + 1, dice, draws, inputs, usual, key=sampling)
    accepted, damaged, *tokens = verdict.tolist()  # here the device is waited for, and nowhere else in a round
    if damaged:
        raise ValueError(DAMAGED)
    return accepted, tokens[: accepted + 1]


def _judge(ids, probs, logits, sampling: Sampling, dice: Dice):
    """LongTensor [k + 3]: how many drafted tokens stay, whether the logits are damaged, the tokens of the round."""
    damaged = ~logits.amax(-1).isfinite().all()
    if sampling.greedy:  # no probabilities are needed
        tokens, accepted = verify_greedy_vectorised(ids, logits)
    else:
        tokens, accepted = verify_vectorised(ids, probs, sampling(logits.float()), dice)
    return torch.cat([torch.stack([accepted, damaged.long()]), tokens])


def _verify_tree(cached, missing, draft: Draft, sampling: Sampling, dice: Dice) -> tuple[int, list[int]]:
    """The same for a tree. Walking down it waits for the device at every token that is tried."""
    n, m = len(draft.ids), len(missing)
    new = torch.cat([missing.to(draft.ids.device, non_blocking=True), draft.ids])
    logits = cached.append(new, n + 1, *placed(draft.parents, m, cached.length, new.device))
    if not logits.amax(-1).isfinite().all():
        raise ValueError(DAMAGED)
    if sampling.greedy:
        path, tokens = verify_tree_greedy(draft, logits)
    else:
        path, tokens = verify_tree_stochastic(draft, draft.probs, sampling(logits.float()), dice)
    cached.keep([*range(m), *(m + i for i in path)])
    return len(path), tokens.tolist()


def placed(parents, m: int, length: int, device):
    """Where m new tokens of a text and a tree that hangs on the last of them stand, behind `length` that are held.

    Returns (positions LongTensor [m + n], mask BoolTensor [m + n, length + m + n]), as a cache's `append` takes them.
    """
    n = len(parents)
    positions = torch.cat([length + torch.arange(m), length + m - 1 + depths(parents)])
    mask = torch.ones(m + n, length + m + n, dtype=torch.bool)
    mask[:m, length:] = torch.ones(m, m + n, dtype=torch.bool).tril()
    mask[m:, length + m :] = ancestors(parents)
    return positions.to(device, non_blocking=True), mask.to(device, non_blocking=True)


def checked_draft(draft: Draft, ask: int, vocab_size: int, device) -> Draft:
    """The draft on the target's device, or a ValueError if it is too long or was made for another vocabulary."""
    n, parents = len(draft.ids), draft.parents if len(draft.ids) else None
    if parents is not None and len(parents) != n:
        raise ValueError(f"the drafter proposes a tree of {n} tokens with {len(parents)} parents; expected one each")
    longest = n if parents is None else int(depths(parents).max())
    if longest > ask:
        raise ValueError(f"the drafter was asked for at most {ask} tokens and proposes {longest}")
    outside = draft.probs is not None and draft.probs.shape[-1] != vocab_size
    if n and draft.ids.device.type == "cpu":  # elsewhere a model drew them, and looking would mean waiting
        outside |= not 0 <= int(draft.ids.min()) <= int(draft.ids.max()) < vocab_size
    if outside:
        raise ValueError(
            f"the drafter proposes from another vocabulary than the target's {vocab_size} ids: "
            "draft and target must share one tokenizer"
        )
    probs = None if draft.probs is None else draft.probs.to(device)
    return Draft(draft.ids.to(device, non_blocking=True), probs, parents)
