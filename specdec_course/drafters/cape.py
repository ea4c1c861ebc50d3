"""A chain with more candidates where its draft model is less sure: CaPE (Du et al. 2024).

Knows: how a chain becomes a tree, and what of it the model's cache may keep. Does not know: what the model computes,
how many candidates a confidence asks for (widths), how a tree is verified.
"""

from __future__ import annotations

import torch

from .draft import Draft, Drafter
from .model import ModelDrafter
from .widths import cape_widths

BUDGET = 8  # nodes of a tree; with the newest token they fill a compiled pass of 9
BOUNDS, WIDTHS = (0.4, 0.8), (3, 2, 1)  # of five tried with the bundled drafts none kept more


class CapeDrafter(Drafter):
    """Drafts with a model drafter (ModelDrafter, EagleDrafter, GlideDrafter), and puts other candidates beside its
    tokens: as many at each position as `cape_widths` says of the model's confidence there, and `budget` nodes in all;
    what is too much is left out from the end. Nothing is drafted behind the candidates: they cost rows of the target's
    pass, and no pass of the draft.

    Greedy, a candidate is one of the next likeliest tokens. With a temperature it is drawn from what its position's law
    leaves without the tokens before it. Both are exact.
    """

    def __init__(self, chain, bounds=BOUNDS, widths=WIDTHS, budget: int = BUDGET):
        if not isinstance(chain, ModelDrafter):
            raise ValueError(f"{type(chain).__name__} does not draft token by token with a model; expected a "
                             "ModelDrafter, EagleDrafter or GlideDrafter")
        cape_widths([], bounds, widths)
        if min(widths) < 1 or budget < 1:
            raise ValueError(f"widths {list(widths)} and a budget of {budget}; expected whole numbers from 1 on")
        self.chain, self.bounds, self.widths, self.nodes = chain, tuple(bounds), tuple(widths), budget
        self.chain.tells_laws, self.wants_hidden = True, chain.wants_hidden
        self.begun, self.drafted = 0, []

    @property
    def calls(self) -> int:
        return self.chain.calls

    @property
    def model(self):
        return self.chain.model

    def given(self, source_ids) -> CapeDrafter:
        return CapeDrafter(self.chain.given(source_ids), self.bounds, self.widths, self.nodes)

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        self.chain.begin(vocab_size, positions, engine)
        self.begun, self.drafted = 0, []

    def end(self) -> None:
        self.chain.end()

    def propose_from(self, context, k, sampling, dice) -> Draft:
        came = context.ids[self.begun : self.begun + len(self.drafted)].tolist()
        agree = (i for i, (one, other) in enumerate(zip(came, self.drafted, strict=False)) if one != other)
        self.chain.accepted(next(agree, len(came)))  # a candidate that came true has no row in the chain's cache
        chain = self.chain.propose_from(context, min(k, self.nodes), sampling, dice)
        self.begun, self.drafted = len(context.ids), chain.ids.tolist()
        if not self.drafted:
            return chain
        if chain.probs is None:
            raise ValueError("the chain came without the laws that its tokens are from, so nobody knows how sure it is")
        widths = self.fitting(cape_widths(chain.probs.amax(-1).tolist(), self.bounds, self.widths))
        return beside(chain, widths, dice, certain=sampling.greedy)

    def fitting(self, widths: list[int]) -> list[int]:
        """As many of these candidates as the budget has nodes for. What is decided at a position does not depend on
        those behind it: else the tokens would not be draws from their laws."""
        left, kept = self.nodes - len(widths), []
        for width in widths:
            kept.append(1 + min(width - 1, left))
            left -= kept[-1] - 1
        return kept


def beside(chain: Draft, widths: list[int], dice, certain: bool) -> Draft:
    """A chain and other candidates at its positions: widths[i] in all at position i, all of them children of the
    chain's token before. They stand behind it, so each chain token is the first of its siblings.

    chain: ids LongTensor [k], probs FloatTensor [k, V], what each was drawn from (or is the likeliest of). certain: the
    candidates are the next likeliest tokens, and nothing is said of laws; else drawn by `dice` without replacement.
    """
    ids, rows, parents = [chain.ids], [chain.probs], [*range(-1, len(chain.ids) - 1)]
    for i, width in enumerate(widths):
        row = chain.probs[i].index_fill(0, chain.ids[i], 0.0)
        for _ in range(width - 1):
            if not row.sum() > 0:
                break
            row = row / row.sum()
            ids.append(row.argmax(keepdim=True) if certain else dice.draw(row))
            rows.append(row[None])
            row = row.index_fill(0, ids[-1].to(row.device), 0.0)
            parents.append(i - 1)
    return Draft(torch.cat(ids), None if certain else torch.cat(rows), torch.tensor(parents, dtype=torch.long))
