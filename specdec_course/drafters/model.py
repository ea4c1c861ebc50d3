"""A small language model as the drafter.

Knows: how to draw a draft from a model, with and without a cache. Does not know: how the draft is verified.
"""

from __future__ import annotations

import torch

from ..cache import CachedModel
from ..sampling import next_token_distribution
from . import Draft


def propose_stochastic(draft, ids, k, sampling, dice):
    """Draws k tokens from the draft model, one after the other, and reports what each was drawn from.

    Args:
        draft: a Forward: LongTensor [T] -> logits FloatTensor [T, V].
        ids: LongTensor [T], the text so far. It is not changed.
        k: tokens to draw; 0 gives no ids, and q without rows.
        sampling: has .temperature, .top_k, .top_p, the same that the target is sampled with.
        dice: all the randomness. `dice.roll(probabilities [V]) -> int`.

    Returns:
        (LongTensor [k], FloatTensor [k, V]): the tokens, and for each the distribution that it was really drawn
        from, after temperature and filters.
    """
    rows = []
    text = ids
    for _ in range(k):
        logits = draft(text)[-1]
        rows.append(next_token_distribution(logits, sampling.temperature, sampling.top_k, sampling.top_p))
        text = torch.cat([text, text.new_tensor([dice.roll(rows[-1])])])
    return text[len(ids) :], torch.stack(rows) if rows else torch.zeros(0, 0)


class ModelDrafter:
    """Drafts with a causal language model that keeps its own cache.

    The cache follows the text by itself: whatever it holds beyond the common beginning with the text is rolled
    back, whatever is missing is fed with the next proposal. So a rejected draft costs nothing but the rollback, and
    after full acceptance the last drafted token (never fed so far) is caught up.
    """

    def __init__(self, model):
        if model is None:
            raise ValueError("this pair has no draft model; use another drafter (bigram), or a pair that has one")
        self.cached = CachedModel(model)
        self.fed = torch.empty(0, dtype=torch.long)

    @property
    def calls(self) -> int:
        return self.cached.calls

    def propose(self, ids, k, sampling, dice) -> Draft:
        missing = self._follow(ids)
        tokens, rows = [], []
        for _ in range(k):
            logits = self.cached.append(missing, last=1)[-1]
            self.fed = torch.cat([self.fed, missing])
            if sampling.greedy:
                missing = logits.argmax(-1, keepdim=True)
            else:
                rows.append(sampling(logits.float()))
                missing = dice.draw(rows[-1])
            tokens.append(missing)
        if not tokens:
            return Draft(ids[:0])
        return Draft(torch.cat(tokens), torch.stack(rows) if rows else None)

    def _follow(self, ids) -> torch.Tensor:
        """Rolls the cache back to its common beginning with ids; returns what of ids is still to be fed (>= 1)."""
        self.fed = self.fed.to(ids.device)
        shared = min(len(self.fed), len(ids) - 1)
        differs = (self.fed[:shared] != ids[:shared]).nonzero()
        keep = int(differs[0]) if len(differs) else shared
        self.cached.rollback(self.cached.length - keep)
        self.fed = self.fed[:keep]
        return ids[keep:]
