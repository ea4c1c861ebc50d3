"""Trees, ids and rows that the checks of unit 10 ask about, and how a path with its tokens is read.

Knows: how to draw them. Does not know: exercises.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch

from .. import values
from ..ask import mixed, whole
from ..errors import Wrong

REAL = (128_256, 151_936, 152_064)  # ids that models really have: Llama 3, Qwen 3, Qwen 2.5


def real_ids(rng, n: int) -> list[int]:
    """n different ids of a real vocabulary."""
    size, found = REAL[whole(0, 2, rng)], dict.fromkeys((0, whole(40_000, 60_000, rng)))
    while len(found) < n + 2:
        found[whole(1, size - 1, rng)] = None
    return mixed(found, rng)[:n]


def drawn_parents(rng, n: int, deep: float = 0.7) -> list[int]:
    """Parents of a random tree of n nodes: with this chance a node hangs on one of the newest three."""
    parents: list[int] = []
    for i in range(n):
        near = float(torch.rand((), generator=rng)) < deep
        parents.append(whole(max(-1, i - 3) if near else -1, i - 1, rng) if i else -1)
    return parents


def late_child(parents: list[int]) -> bool:
    """Whether a node stands behind one that is deeper, so that order and depth are two things; and some are deep."""
    depth = depths_of(parents)
    return max(depth, default=0) > 2 and any(b < a for a, b in zip(depth, depth[1:], strict=False))


def interesting(rng, n: int) -> list[int]:
    while not late_child(parents := drawn_parents(rng, n)):
        pass
    return parents


def depths_of(parents: list[int]) -> list[int]:
    depth: list[int] = []
    for parent in parents:
        depth.append(1 if parent < 0 else depth[parent] + 1)
    return depth


def path_to(parents: list[int], node: int) -> list[int]:
    """The nodes from a child of the root down to this one; -1: none."""
    path: list[int] = []
    while node >= 0:
        path.insert(0, node)
        node = parents[node]
    return path


def choices_of(parents: list[int]) -> list[tuple[int, ...]]:
    """The path of every node, each named by its rank among its siblings."""
    seen: dict[int, int] = {}
    paths: list[tuple[int, ...]] = []
    for parent in parents:
        rank = seen.get(parent, 0)
        seen[parent] = rank + 1
        paths.append((*(paths[parent] if parent >= 0 else ()), rank))
    return paths


def as_tree(ids, parents) -> SimpleNamespace:
    return SimpleNamespace(ids=torch.tensor(ids, dtype=torch.long), parents=torch.tensor(parents, dtype=torch.long))


def pair_of(answer, what: str) -> tuple:
    """An answer that has to be two things, or Wrong."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong(f"Return two things, {what}; yours is {values.describe(answer)}.")
    return tuple(answer)


def as_round(answer) -> tuple[list[int], list[int]]:
    """(path, tokens) as lists of ints."""
    path, tokens = pair_of(answer, "the path and the tokens")
    return values.as_ids(path), values.as_ids(tokens)


def add(exercise, *mistakes) -> None:
    """Mistakes of an exercise: (id, message, the wrong rules that behave so)."""
    for id, message, *rules in mistakes:
        exercise.mistake(id, message, imitate=tuple(rules))
