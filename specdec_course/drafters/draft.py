"""What a drafter is, and what it hands over: a chain of guesses, or a tree of them.

Knows: the shape of a draft. Does not know: how one is made (bigram, model), how it is verified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .trees import tree_attention_mask


@dataclass(frozen=True)
class Draft:
    """Proposed tokens `ids` LongTensor [n] and the distributions `probs` FloatTensor [n, V] that they were drawn
    from; None when nothing was drawn (the drafter is certain: each row would be one-hot).

    parents: None for a chain, in which every token follows the one before it. For a tree LongTensor [n] on the CPU:
    token i follows token parents[i] < i, or with -1 the root, which is the newest token of the text. So parents stand
    before their children. Siblings (tokens with one parent) are tried in the order of their indices.

    The law of the text is exact if row i of `probs` is the distribution that token i was drawn from, given its
    ancestors and its siblings of smaller index. So siblings may be drawn independently, each from a row of its own,
    or without replacement: each row is then without the siblings before it, scaled to sum to 1. Whether there is a
    token i has to be decided before it is drawn. Without `probs` every tree is exact, however it came about.
    """

    ids: torch.Tensor
    probs: torch.Tensor | None = None
    parents: torch.Tensor | None = None


@dataclass(frozen=True)
class Context:
    """What a drafter may look at: the text `ids` LongTensor [T], on the CPU, and what the target made of it.

    target: the target's cache. It holds all of the text but the newest token, T - 1 rows; before the first round
    nothing, 0 rows. It is to be looked at only.
    """

    ids: torch.Tensor
    target: object

    def hidden(self, layer: int = -1) -> torch.Tensor:
        """The target's hidden states, FloatTensor [T - 1, width], of one that the drafter's `wants_hidden` names."""
        return self.target.hidden(layer)

    def keys_values(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The target's keys and values in one layer, FloatTensor [heads, T - 1, d] each: views, nothing is copied.
        Where a model turns its keys by their position (rotary embeddings), these are turned already."""
        return self.target.keys_values(layer)


class Drafter:
    """A drafter has to have `propose`; the rest it inherits. (One that only has `propose` need not be a Drafter.)

    calls: its forward passes so far. wants_hidden: which of the target's hidden states it looks at, as indices into
    what transformers returns for `output_hidden_states`: 0 the embeddings, -1 what the head reads. They are computed
    and kept for a drafter that names them only. nodes: the most tokens of a tree that it proposes; chains need none.
    varies: its drafts have any length up to k, often none: passes of every width are then worth a compilation.
    """

    calls = 0
    wants_hidden: tuple[int, ...] = ()
    nodes = 0
    varies = False

    def given(self, source_ids) -> Drafter:
        """The drafter for one source text, if the target is an encoder-decoder."""
        return self

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        """Called before a text, with the target's number of ids, the most positions that the text will have, and the
        engine, "eager" or "compiled"."""

    def propose(self, ids: torch.Tensor, k: int, sampling, dice) -> Draft:
        """A draft to follow `ids` LongTensor [T], on the CPU: at most k tokens, or a tree of which no path is longer.
        It may be shorter, or empty. Randomness comes from `dice` alone; the draft may lie on any device. The target
        draws by `sampling`; a drafter that draws as it does, processors included, is accepted more often."""
        return Draft(ids[:0])

    def propose_from(self, context: Context, k: int, sampling, dice) -> Draft:
        """The same for a drafter that looks at more than the text. The decoding loop calls this one."""
        return self.propose(context.ids, k, sampling, dice)

    def accepted(self, n: int) -> None:
        """Called after a round: n tokens of the newest draft are in the text now (of a tree, those of one path)."""

    def end(self) -> None:
        """Called after a text, however it ended: by an error, too, or because nobody reads on."""


class _Dressed(Drafter):
    """Something with `propose`, and perhaps some of the rest, as a Drafter."""

    def __init__(self, bare):
        self.bare, self.propose = bare, bare.propose
        for name in ("propose_from", "begin", "accepted", "end", "wants_hidden", "nodes", "varies"):
            own = getattr(bare, name, getattr(self, name))
            if callable(own) == callable(getattr(self, name)):  # what is called `end` there may be another thing
                setattr(self, name, own)

    @property
    def calls(self) -> int:
        return getattr(self.bare, "calls", 0)

    def given(self, source_ids) -> Drafter:
        return as_drafter(self.bare.given(source_ids)) if hasattr(self.bare, "given") else self


def as_drafter(thing) -> Drafter:
    """A Drafter, as it is; something else that has `propose`, dressed as one; for None one that never proposes.

    Raises ValueError for what has no `propose`.
    """
    if thing is None:
        return Drafter()
    if isinstance(thing, Drafter):
        return thing
    if not callable(getattr(thing, "propose", None)):
        raise ValueError(
            f"the drafter is a {type(thing).__name__}; expected something with propose(ids, k, sampling, dice). "
            "A model drafts as ModelDrafter(model)"
        )
    return _Dressed(thing)


def depths(parents) -> torch.Tensor:
    """How far each node of a tree is from the root: LongTensor [n] -> LongTensor [n], 1 for the root's children.

    After a text of T tokens a node of depth d has position T - 1 + d. ValueError if a parent does not stand before
    its child.
    """
    depth: list[int] = []
    for i, parent in enumerate(parents.tolist()):
        if not -1 <= parent < i:
            raise ValueError(
                f"parents[{i}] is {parent}; expected the index of a token before it, 0..{i - 1}, or -1 for the newest "
                "token of the text: parents stand before their children"
            )
        depth.append(1 if parent < 0 else depth[parent] + 1)
    return torch.tensor(depth, dtype=torch.long)


def paths(parents) -> list[list[int]]:
    """The tree as chains: for every leaf the indices of the nodes from the root's child down to it."""
    inner = set(parents.tolist())
    return [row.nonzero()[:, 0].tolist() for i, row in enumerate(tree_attention_mask(parents)) if i not in inner]
