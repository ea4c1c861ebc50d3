"""One round: the target reads what it has not seen and the draft, in one pass, and a verdict falls.

Knows: how the text and a draft, chain or tree, lie in the target's cache; when to wait for the device (once for a
chain; with a tree or processors, at every token that is tried). Does not know: budgets, how a draft is made (drafters),
which of its tokens stay (verification).
"""

from __future__ import annotations

import torch

from ..drafters.draft import Draft, depths
from ..drafters.trees import tree_attention_mask
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
FORBIDDEN = (
    "the processors, or min_new_tokens, leave no token that may come next: all logits are -inf, or one is NaN or "
    "infinite. Some token has to stay possible, whatever the text"
)


def verify_round(
    cached, text, draft: Draft, sampling: Sampling, dice: Dice, usual=0, logprobs=False
) -> tuple[int, list[int], list[float]]:
    """One target call over what it has not seen of the text and the draft: (how many drafted tokens stay, the tokens
    emitted, their log-probabilities if they are wanted).

    Of a chain the cache holds every token afterwards, of a tree only the path that stays.

    Args:
        cached: the target's cache. text: LongTensor [T], of which the cache does not hold the last token yet.
        usual: the draft length of most rounds; only of interest to a compiled engine.
        logprobs: whether the log-softmax of the target's logits is wanted at the tokens emitted.
    """
    n, m = len(draft.ids), len(text) - cached.length
    new = torch.cat([text[cached.length :].to(draft.ids.device, non_blocking=True), draft.ids])
    if draft.parents is not None or sampling.processors:
        return _walk(cached, text, draft, new, sampling, dice, m + usual, logprobs)
    inputs = (draft.ids,) if draft.probs is None else (draft.ids, draft.probs)

    def judge(logits, dice, ids, probs=None):
        return verdict_of(ids, probs, logits, sampling, dice, logprobs)

    draws = 0 if sampling.greedy else n + 1
    verdict = cached.judged(judge, new, n + 1, dice, draws, inputs, m + usual, key=(sampling, logprobs))
    accepted, damaged, *rest = verdict.tolist()  # here the device is waited for, and nowhere else in a round
    if damaged:
        raise ValueError(DAMAGED)
    emitted = int(accepted) + 1
    return emitted - 1, [int(token) for token in rest[:emitted]], rest[n + 1 :][:emitted]


def verdict_of(ids, probs, logits, sampling: Sampling, dice: Dice, logprobs: bool):
    """LongTensor [k + 3]: how many drafted tokens stay, whether the logits are damaged, the tokens of the round. With
    logprobs a DoubleTensor [2 k + 4], theirs behind them: one answer from the device."""
    damaged = ~logits.amax(-1).isfinite().all()
    if sampling.greedy:  # no probabilities are needed
        tokens, accepted = verify_greedy_vectorised(ids, logits)
    else:
        tokens, accepted = verify_vectorised(ids, probs, sampling(logits.float()), dice)
    verdict = torch.cat([torch.stack([accepted, damaged.long()]), tokens])
    return torch.cat([verdict.double(), logprobs_of(tokens, logits).double()]) if logprobs else verdict


def logprobs_of(tokens, logits):
    """LongTensor [n], FloatTensor [n, V] -> FloatTensor [n]: what the model itself gave to each token."""
    return logits.float().log_softmax(-1).gather(-1, tokens[:, None])[:, 0]


def _walk(cached, text, draft: Draft, new, sampling: Sampling, dice: Dice, usual: int, logprobs: bool):
    """The same for a tree, and with processors. Walking down waits for the device at every token that is tried."""
    n, m, tree = len(draft.ids), len(new) - len(draft.ids), draft
    if draft.parents is None:
        tree = Draft(draft.ids, draft.probs, torch.arange(n) - 1)
        logits = cached.judged(lambda logits, dice: logits, new, n + 1, dice, 0, (), usual, key="logits")
    else:
        logits = cached.append(new, n + 1, *placed(tree.parents, m, cached.length, new.device))
    if not logits.amax(-1).isfinite().all():
        raise ValueError(DAMAGED)
    if sampling.processors:
        path, tokens = verify_tree_stochastic(tree, tree.probs, _Processed(text, tree, logits, sampling), dice)
    elif sampling.greedy:
        path, tokens = verify_tree_greedy(tree, logits)
    else:
        path, tokens = verify_tree_stochastic(tree, tree.probs, sampling(logits.float()), dice)
    said = logprobs_of(tokens, logits[[0, *(i + 1 for i in path)]]).tolist() if logprobs else []
    if tree is draft:
        cached.keep([*range(m), *(m + i for i in path)])
    return len(path), tokens.tolist(), said


class _Processed:
    """The target's distributions after the text (row 0) and after token i of a tree (row i + 1), each made when it is
    asked for. So the processors see no token that was rejected: what they make of one need not make sense."""

    def __init__(self, text, tree: Draft, logits, sampling: Sampling):
        self.text, self.tree, self.logits, self.sampling = text, tree, logits, sampling
        self.shape, self.dtype = logits.shape, torch.float32

    def __getitem__(self, row: int):
        path = [] if row == 0 else tree_attention_mask(self.tree.parents)[row - 1].nonzero()[:, 0]
        logits = self.sampling.processed(torch.cat([self.text, self.tree.ids[path].cpu()]), self.logits[row])
        if not logits.amax().isfinite():
            raise ValueError(FORBIDDEN)
        return self.sampling(logits)


def placed(parents, m: int, length: int, device):
    """Where m new tokens of a text and a tree that hangs on the last of them stand, behind `length` that are held.

    Returns (positions LongTensor [m + n], mask BoolTensor [m + n, length + m + n]), as a cache's `append` takes them.
    """
    n = len(parents)
    positions = torch.cat([length + torch.arange(m), length + m - 1 + depths(parents)])
    mask = torch.ones(m + n, length + m + n, dtype=torch.bool)
    mask[:m, length:] = torch.ones(m, m + n, dtype=torch.bool).tril()
    mask[m:, length + m :] = tree_attention_mask(parents)
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
