"""Trees of guesses: which to make, and how they are told apart in one pass of the target. Pure functions.

Knows: choices (ranks along a path), parents, masks. Does not know: who guesses (heads), how a tree is verified
(verification), the cache that holds it.
"""

from __future__ import annotations

import heapq

import torch


def medusa_labels(ids, n_heads):
    """What every head has to say at every position of a text.

    The target's own head reads the state of position t and says token t + 1. Medusa's heads read the same state and
    say what comes after that: head i, counted from 0, says token t + 2 + i.

    Args:
        ids: LongTensor [..., T], texts; T may be 0. They are not changed.
        n_heads: how many heads there are, >= 0.

    Returns:
        LongTensor [..., T, n_heads]: entry [t, i] is ids[t + 2 + i], or -100 (which torch's losses leave out) where
        the text ends before that.

    Source: Cai et al. 2024, "Medusa", section 2.1.
    """
    length = ids.shape[-1]
    where = torch.arange(length, device=ids.device)[:, None] + 2 + torch.arange(n_heads, device=ids.device)
    if length == 0:
        return ids.new_empty(*ids.shape, n_heads)
    return torch.where(where < length, ids[..., where.clamp(max=length - 1)], -100)


def build_tree(choices):
    """A tree out of its paths.

    Args:
        choices: list of tuples of ranks, one for each node: (2,) is the third best guess for the next token, (2, 0) the
            best guess for the token after that one, and so on. They stand in any order in which a path comes after
            its beginnings.

    Returns:
        (parents, depths), LongTensor [n] each, in the order of the choices: parents[i] is the index of the node that
        choices[i] goes on from, -1 for the newest token of the text; depths[i] is how far node i is from there, 1 for
        its children. No choices give two empty tensors.

    Raises ValueError for an empty path, a path that comes twice, and one whose beginning does not come before it.
    """
    known = {(): -1}
    for i, path in enumerate(map(tuple, choices)):
        if path in known:
            raise ValueError(f"choices[{i}] is {path}, which is {'the root' if not path else 'there already'}")
        if path[:-1] not in known:
            raise ValueError(f"choices[{i}] is {path}; its beginning {path[:-1]} has to come before it")
        known[path] = i
    paths = list(known)[1:]
    parents, depths = [known[path[:-1]] for path in paths], [len(path) for path in paths]
    return torch.tensor(parents, dtype=torch.long), torch.tensor(depths, dtype=torch.long)


def tree_attention_mask(parents):
    """What each node of a tree may look at within the tree: itself and its ancestors, nobody else.

    Args:
        parents: LongTensor [n], parents[i] < i, or -1 for a child of the newest token of the text; n may be 0.

    Returns:
        BoolTensor [n, n]: True at (i, j) if node j is node i or stands above it. For a chain this is the causal mask.

    Source: Cai et al. 2024, "Medusa", section 2.1.2 (tree attention); Miao et al. 2023, "SpecInfer".
    """
    mask = torch.eye(len(parents), dtype=torch.bool)
    for i, parent in enumerate(parents.tolist()):
        if parent >= 0:
            mask[i] |= mask[parent]
    return mask


def best_tree(head_accuracy, budget):
    """The tree of at most `budget` nodes that is expected to keep most tokens, if the heads are right independently.

    A node is kept if every head on its path was right with the rank that the path names. So its chance is the product
    of their accuracies, and the expected number of tokens kept is the sum over all nodes.

    Args:
        head_accuracy: FloatTensor [heads, ranks]: how often the guess of this rank of this head is right. A row sums
            to 1 at most; it need not fall.
        budget: most nodes, >= 0.

    Returns:
        list of tuples of ranks, as `build_tree` takes them: the likeliest node first, and every path after its
        beginnings. Of equal chances any may come first. Nodes whose chance is 0 are left out, so there may be fewer.

    Source: Cai et al. 2024, "Medusa", section 2.3.3.
    """
    rows = torch.as_tensor(head_accuracy).double().tolist()
    waiting, chosen = [(-1.0, 0, ())], []  # chances are negated: the smallest comes off a heap first
    while waiting and len(chosen) <= budget:
        chance, depth, path = heapq.heappop(waiting)
        chosen.append(path)
        if depth < len(rows):
            for rank, accuracy in enumerate(rows[depth]):
                if chance * accuracy < 0:
                    heapq.heappush(waiting, (chance * accuracy, depth + 1, (*path, rank)))
    return chosen[1:]


def expected_kept(head_accuracy, choices) -> float:
    """How many tokens of this tree are kept on average, if the heads are right independently: what `best_tree` makes
    as large as it can be. head_accuracy: FloatTensor [heads, ranks]; choices: a list of tuples of ranks."""
    rows = torch.as_tensor(head_accuracy).double()
    return float(sum(rows[range(len(path)), path].prod() for path in map(list, choices)))
