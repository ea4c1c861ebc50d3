"""Wrong rules for thresholds, the choice of a tree and caches: (id, what the student reads, the rules).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

import itertools

import torch

from .best import best_tree, chance
from .compact import compact_cache
from .trees import add
from .typical import typical_acceptance

# typical_acceptance ----------------------------------------------------------------------------------------------


def _typical(entropy=None, threshold=None):
    entropy = entropy or (lambda p: -torch.special.xlogy(p, p).sum(-1, keepdim=True))
    threshold = threshold or (lambda h, epsilon, delta: (delta * (-h).exp()).clamp(max=epsilon))
    return lambda p, epsilon=0.09, delta=0.3: p > threshold(entropy(p), epsilon, delta)


add(
    typical_acceptance,
    ("bits", "Your entropy is in bits. It is asked for in nats: the natural logarithm.",
     _typical(lambda p: -(torch.special.xlogy(p, p) / 0.6931471805599453).sum(-1, keepdim=True))),
    ("max_for_min", "You take the larger of the two thresholds. The smaller one counts: epsilon is the most it can be.",
     _typical(threshold=lambda h, epsilon, delta: (delta * (-h).exp()).clamp(min=epsilon))),
    ("epsilon_only", "The entropy does not reach your threshold: it is epsilon everywhere.",
     _typical(threshold=lambda h, epsilon, delta: torch.full_like(h, epsilon))),
    ("sign", "The sign of the entropy is wrong: the threshold has to fall where the target wavers, delta * exp(-H).",
     _typical(threshold=lambda h, epsilon, delta: (delta * h.exp()).clamp(max=epsilon))),
    ("delta_only", "epsilon does not reach your threshold. It is min(epsilon, delta * exp(-H)).",
     _typical(threshold=lambda h, epsilon, delta: delta * (-h).exp())),
    ("whole_batch", "You sum the entropy over all rows. Every position has a threshold of its own: sum over the last "
     "dimension.", _typical(lambda p: -torch.special.xlogy(p, p).sum()),
     _typical(lambda p: -torch.special.xlogy(p, p).mean(-1, keepdim=True))),
    ("nan", "Where p is 0 your entropy is NaN: 0 * log 0. torch.special.xlogy(p, p) is 0 there.",
     _typical(lambda p: -(p * p.log()).sum(-1, keepdim=True))),
    ("likely_to_unlikely", "You answer what is *not* kept.",
     lambda p, epsilon=0.09, delta=0.3: ~_typical()(p, epsilon, delta)),
    ("swapped", "epsilon and delta are swapped.", lambda p, epsilon=0.09, delta=0.3: _typical()(p, delta, epsilon)),
)  # fmt: skip

# best_tree -------------------------------------------------------------------------------------------------------


def _nodes(rows):
    ranks = range(len(rows[0]) if rows else 0)
    return [path for depth in range(1, len(rows) + 1) for path in itertools.product(ranks, repeat=depth)]


def _closed(ordered, budget: int) -> list:
    """The first `budget` of these paths, each behind its beginnings."""
    chosen: list = []
    for path in ordered:
        for depth in range(1, len(path) + 1):
            if path[:depth] not in chosen and len(chosen) < budget:
                chosen.append(path[:depth])
    return chosen


def _chosen(worth, falling: bool = True):
    """The nodes of the largest worth(rows, path); few heads and ranks only."""

    def rule(head_accuracy, budget):
        rows = torch.as_tensor(head_accuracy).double().tolist()
        rows = [row[:4] for row in rows]
        nodes = sorted(
            _nodes(rows), key=lambda path: (-worth(rows, path) if falling else worth(rows, path), len(path), path)
        )
        return _closed([path for path in nodes if chance(rows, path) > 0], budget)

    return rule


def _chain(head_accuracy, budget):
    return [(0,) * depth for depth in range(1, min(budget, len(head_accuracy)) + 1)]


def _unordered(head_accuracy, budget):
    found = best_tree.solution(head_accuracy, budget)
    return sorted(found, key=lambda path: (len(path), path))


add(
    best_tree,
    ("unordered", "The tree is right, but not its order: the likeliest node comes first.", _unordered),
    ("chain", "Your tree is a chain of first guesses. A second guess for the next token is worth more than a first "
              "guess "
     "far ahead.", _chain),
    ("first_level_only", "All your nodes are guesses for the next token.",
     lambda head_accuracy, budget: [(rank,) for rank in range(min(budget, torch.as_tensor(head_accuracy).shape[-1]))]),
    ("not_multiplied", "You judge a node by the accuracy of its own guess. It is kept only if all guesses on its "
                       "path are "
     "right: multiply.", _chosen(lambda rows, path: rows[len(path) - 1][path[-1]])),
    ("summed", "You add the accuracies on a path. The chance that all of them are right is their product.",
     _chosen(lambda rows, path: sum(rows[i][rank] for i, rank in enumerate(path)))),
    ("by_rank", "You go by ranks: small ones first. What counts is how often a guess is right.",
     _chosen(lambda rows, path: -sum(path) - len(path))),
    ("one_node_too_few", "Your tree has one node less than the budget allows: the root does not count.",
     lambda head_accuracy, budget: best_tree.solution(head_accuracy, max(0, budget - 1))),
    ("one_node_too_many", "Your tree has one node more than the budget allows.",
     lambda head_accuracy, budget: best_tree.solution(head_accuracy, budget + 1)),
    ("with_root", "The empty path stands in your answer: the root is the newest token of the text, and no guess.",
     lambda head_accuracy, budget: [(), *best_tree.solution(head_accuracy, budget)],
     lambda head_accuracy, budget: [(), *best_tree.solution(head_accuracy, budget)][:budget]),
)  # fmt: skip

# compact_cache ---------------------------------------------------------------------------------------------------


def _rows(pick, layers=lambda cache: cache, which=(0, 1)):
    def rule(cache, path, start):
        made = []
        for pair in layers(cache):
            rows = [pick(list(path), start, x.shape[-2]) for x in pair]
            made.append(
                tuple(x[..., rows[n], :] if n in which else x[..., : len(rows[n]), :] for n, x in enumerate(pair))
            )
        return made

    return rule


def _right_rows(path, start, length):
    return [*range(start), *(start + i for i in path)]


add(
    compact_cache,
    ("first_rows", "You keep as many rows as the path is long, but the first ones of the tree. The path's own rows "
                   "may lie "
     "anywhere among them.", _rows(lambda path, start, length: [*range(start + len(path))])),
    ("last_rows", "You keep the last rows of the tree. The path's own rows may lie anywhere among them.",
     _rows(lambda path, start, length: [*range(start), *range(length - len(path), length)])),
    ("without_start", "You take the numbers of the path for rows of the cache. Node i stands in row start + i.",
     _rows(lambda path, start, length: [*range(start), *path])),
    ("text_lost", "The rows of the text are gone.", _rows(lambda path, start, length: [start + i for i in path])),
    ("one_row_off", "Your rows of the path are one off: node 0 stands in row `start`.",
     _rows(lambda path, start, length: [*range(start), *(min(start + i + 1, length - 1) for i in path)]),
     _rows(lambda path, start, length: [*range(start), *(max(0, start + i - 1) for i in path)])),
    ("all_rows", "The rejected branches are still there.", _rows(lambda path, start, length: [*range(length)])),
    ("keys_only", "Only the keys are right. Keys and values are kept together.", _rows(_right_rows, which=(0,))),
    ("one_layer", "Only one layer comes back. Every layer has rows of its own.",
     _rows(_right_rows, lambda cache: cache[:1])),
    ("path_first", "The rows of the path stand before those of the text.",
     _rows(lambda path, start, length: [*(start + i for i in path), *range(start)])),
)  # fmt: skip
compact_cache.help(
    r"index .* out of (range|bounds)|IndexError", "Rows are counted by the dimension before the last: [..., R, d]."
)
