"""Medusa: a few small heads on the target's last hidden state, each of which guesses one token further ahead.

Knows: what the heads compute, how they are stored, how their guesses become a tree. Does not know: how heads are
trained (training.heads), how a tree is verified.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from .draft import Draft, Drafter
from .trees import best_tree, build_tree

BUDGET = 8  # nodes of a tree; with the newest token they fill a compiled pass of 9. On a GPU more may pay
CONFIG, WEIGHTS = "config.json", "model.safetensors"


class ResidualBlock(nn.Module):
    """x + SiLU(W x + b). It begins as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return x + nn.functional.silu(self.linear(x))


class MedusaHeads(nn.Module):
    """`count` heads: hidden states [..., d] -> what the target's own output layer, which all of them share, makes their
    logits of, [count, ..., d].

    A head is `blocks` residual blocks and a square matrix. (The paper's heads have an output layer each, as large
    as the target's; the matrix turns the shared one instead, for d x d numbers in place of V x d.)
    """

    def __init__(self, width: int, count: int = 4, blocks: int = 1):
        super().__init__()
        self.width, self.count, self.blocks = width, count, blocks
        self.heads = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)), nn.Linear(width, width, bias=False))
            for _ in range(count)
        )
        for head in self.heads:
            nn.init.eye_(head[-1].weight)

    def forward(self, hidden):
        return torch.stack([head(hidden) for head in self.heads])


class MedusaDrafter(Drafter):
    """Guesses with Medusa heads; proposes a tree (Cai et al. 2024, "Medusa").

    The target's cache holds all of the text but its newest token, so the last hidden state there is, is the one that
    the newest token itself was drawn from. Head i, counted from 0, says the token i + 2 places behind that state: the
    first one after the newest token, and so on. So no head knows the newest token, and none knows what the others
    have said: all nodes of one depth are drawn from one row. That is Medusa's price, and why it needs trees.

    Greedy, a node is the guess that its rank says. With a temperature it is `drawn` from its head's law, siblings
    without replacement, and reported with what it was drawn from; or, with drawn=False, again what its rank says,
    certain and so reported without a law. Both are exact. The first keeps more with the bundled heads.

    heads: MedusaHeads. lm_head: the target's output layer. choices: the tree, a list of tuples of ranks as `best_tree`
    returns it; sampled: another one for sampled texts. Processors change what the target says, not what the heads
    guess: the text stays exact.
    """

    wants_hidden = (-1,)

    def __init__(self, heads, lm_head, choices, sampled=None, drawn: bool = True):
        self.heads, self.lm_head, self.drawn, self.calls = heads, lm_head, drawn, 0
        self.trees = [[tuple(path) for path in tree] for tree in (choices, choices if sampled is None else sampled)]
        for tree in self.trees:
            build_tree(tree)  # a tree that is none is refused here
            if not tree or max(map(len, tree)) > heads.count:
                deep = max(map(len, tree), default=0)
                raise ValueError(
                    f"the tree has {len(tree)} nodes and {deep} levels; expected at least one node, and at most a "
                    f"level for each of the {heads.count} heads"
                )
        self.nodes = max(map(len, self.trees))

    def tree(self, greedy: bool, k: int) -> list[tuple]:
        """The choices for greedy or sampled texts, without what is deeper than k."""
        return [path for path in self.trees[0 if greedy else 1] if len(path) <= k]

    def propose_from(self, context, k, sampling, dice) -> Draft:
        states = context.hidden(-1)
        if k <= 0 or len(states) == 0:  # before the first round the target has not read anything
            return Draft(context.ids[:0])
        self.calls += 1
        logits = self.lm_head(self.heads(states[-1])).float()
        choices = self.tree(sampling.greedy, k)
        parents, depths = build_tree(choices)
        if self.drawn and not sampling.greedy:
            return drawn_tree(sampling(logits), parents, depths, dice)
        ranks = torch.tensor([path[-1] for path in choices], device=logits.device)
        best = logits.topk(min(int(ranks.max()) + 1, logits.shape[-1])).indices
        return Draft(best[(depths - 1).to(logits.device), ranks], None, parents)


def drawn_tree(rows, parents, depths, dice) -> Draft:
    """A tree of this shape whose nodes of depth d are drawn from rows[d - 1] FloatTensor [V], siblings without
    replacement. Where siblings have taken all there was, there is one less, and what would hang below it."""
    left, place, ids, probs, above = {}, {-1: -1}, [], [], []
    for i, (parent, depth) in enumerate(zip(parents.tolist(), depths.tolist(), strict=True)):
        row = left.get(parent, rows[depth - 1])
        if parent not in place or not row.sum() > 0:
            continue
        probs.append(row / row.sum())
        ids.append(dice.draw(probs[-1]))
        left[parent] = row.index_fill(0, ids[-1].to(row.device), 0.0)
        place[i] = len(place) - 1
        above.append(place[parent])
    return Draft(torch.cat(ids), torch.stack(probs), torch.tensor(above, dtype=torch.long))


def signature(target) -> list[float]:
    """A few numbers by which a target's output layer is known again, also in another precision."""
    layer = target.get_output_embeddings()
    width = target.config.get_text_config().hidden_size
    with torch.inference_mode():
        probe = torch.arange(width, device=target.device).sin().to(target.dtype)
        logits = layer(probe[None])[0, :32].float()
        return [round(x, 4) for x in (logits - logits.mean()).tolist()]  # what all tokens share tells nothing


def save_heads(heads: MedusaHeads, folder: Path, target, accuracy: dict) -> None:
    """Writes heads in half precision, and beside them what `load_heads` has to know."""
    from safetensors.torch import save_file

    from ..common.whole import write_text, write_whole

    folder.mkdir(parents=True, exist_ok=True)
    half = {name: weight.detach().cpu().half().contiguous() for name, weight in heads.state_dict().items()}
    write_whole(folder / WEIGHTS, lambda temporary: save_file(half, temporary))
    (folder / WEIGHTS).chmod(0o644)
    config = {"kind": "medusa", "width": heads.width, "heads": heads.count, "blocks": heads.blocks,
              "signature": signature(target), "accuracy": accuracy}  # fmt: skip
    write_text(folder / CONFIG, json.dumps(config, indent=1) + "\n")


def load_heads(folder, target) -> tuple[MedusaHeads, dict]:
    """(the heads in a folder, their accuracy by kind of text), ready to guess for this target. ValueError if the folder
    holds none, or those of another target."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        heads = MedusaHeads(config["width"], config["heads"], config["blocks"])
        theirs, accuracy = config["signature"], config["accuracy"]
        heads.load_state_dict({name: weight.float() for name, weight in load_file(folder / WEIGHTS).items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"{folder} holds no Medusa heads that can be read ({error}); expected what `specdec train medusa` writes"
        ) from error
    known = target.config.get_text_config().hidden_size == heads.width
    if not known or not _alike(signature(target), theirs):
        raise ValueError(
            f"the heads in {folder} were trained for another target: they read its hidden states and share its output "
            "layer. Train some for this one: specdec train medusa --target ..."
        )
    return heads.to(target.device, target.dtype).eval().requires_grad_(False), accuracy


def _alike(ours: list[float], theirs: list[float]) -> bool:
    apart = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    return apart <= 0.1 * max(map(abs, theirs))


def medusa_drafter(folder, target, budget: int = BUDGET, drawn: bool = True) -> MedusaDrafter:
    """The drafter for a target with the heads in a folder, and the best trees of so many nodes for them."""
    heads, accuracy = load_heads(folder, target)
    trees = (best_tree(accuracy[kind], budget) for kind in ("greedy", "sampled"))
    return MedusaDrafter(heads, target.get_output_embeddings(), *trees, drawn=drawn)
