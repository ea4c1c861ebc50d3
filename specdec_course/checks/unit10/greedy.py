"""Right and wrong in `verify_tree_greedy`: the path down the tree that the target agrees with.

Knows: this exercise. Does not know: trees that are drawn (stochastic).
"""

from __future__ import annotations

import torch

from ..ask import ask, mixed, whole
from ..exercise import Exercise
from .trees import as_round, as_tree, depths_of, interesting, path_to

verify_tree_greedy = Exercise(
    "verify_tree_greedy", unit="10", points=2, difficulty=3, minutes=20,
    reference="specdec_course.verification:verify_tree_greedy",
    hints=(
        "You stand at the root, and row 0 says what the target would write. Which nodes do you look at, and what do "
        "you "
        "do if one of them holds that token? If none does?",
        "choice = logits.argmax(-1). With at = -1: the target's token is choice[at + 1]. Look for the first i with "
        "parents[i] == at and ids[i] == that token. There is one: append i to the path, at = i, again. There is none: "
        "return the path, and the ids on it with choice[at + 1] behind them.",
    ),
)  # fmt: skip


def walk(ids, parents, choice) -> tuple[list[int], list[int]]:
    """The right path and tokens, for choices by row."""
    path, at = [], -1
    while True:
        found = [i for i, parent in enumerate(parents) if parent == at and ids[i] == choice[at + 1]]
        if not found:
            return path, [*(ids[i] for i in path), choice[at + 1]]
        at = found[0]
        path.append(at)


def rows(choice, rng, size: int) -> torch.Tensor:
    """Logits as models give them: far below zero, the largest of a row at its choice, and the next a hair below."""
    logits = 2 * torch.randn(len(choice), size, generator=rng).clamp(-4, 4) - 40
    most, places, choice = logits.amax(-1), torch.arange(len(choice)), torch.tensor(choice)
    logits[places, torch.where(choice > 0, choice - 1, 1)] = most
    logits[places, choice] = most + 4e-4
    return logits


def scene(rng, parents: list[int], steps: int, size: int = 60) -> tuple:
    """A tree in which the target agrees with so many nodes of one path, and with many nodes where nobody asks."""
    ids = torch.randint(size, (len(parents),), generator=rng).tolist()
    for i, parent in enumerate(parents):  # siblings differ; the same token may well stand in another branch
        taken = [ids[j] for j in range(i) if parents[j] == parent]
        while ids[i] in taken:
            ids[i] = whole(0, size - 1, rng)
    depth = depths_of(parents)
    ends = [i for i in range(-1, len(parents)) if (0 if i < 0 else depth[i]) == steps]
    path = path_to(parents, mixed(ends, rng)[0])
    choice = [ids[whole(0, len(ids) - 1, rng)] if ids else whole(0, size - 1, rng) for _ in range(len(parents) + 1)]
    for i, parent in enumerate(parents):  # rows that nobody has to look at agree with their children
        if parent not in (-1, *path):
            choice[parent + 1] = ids[i]
    for above, node in zip([-1, *path], path, strict=False):
        choice[above + 1] = ids[node]
    last = path[-1] if path else -1
    below = {ids[i] for i, parent in enumerate(parents) if parent == last}
    while choice[last + 1] in below:
        choice[last + 1] = whole(0, size - 1, rng)
    return (as_tree(ids, parents), rows(choice, rng, size)), walk(ids, parents, choice)


def judge(found, right):
    (path, tokens), (right_path, right_tokens) = found, right
    if path == right_path and tokens == right_tokens:
        return None
    if path == right_path and tokens == right_tokens[:-1]:
        return "The path is right, but the round ends without the target's own token."
    if path == right_path:
        return "The path is right, and the tokens are not those on it and one of the target's own."
    if path == right_path[: len(path)]:
        return (
            f"Your path ends after {len(path)} nodes; the target agrees with {len(right_path)} of them, one "
            "below the other."
        )
    if path[: len(right_path)] == right_path:
        return (
            f"Your path goes on behind node number {len(right_path)} of it, where the target disagrees with all "
            "children."
        )
    return "Your path is not the one that the target agrees with from the root down."


@verify_tree_greedy.part(
    "goes down where the target agrees, and adds a token of the target's own",
    weight=3,
    rests_on=(
        "row i + 1 of the token after token i",
        "a list of indices into the tree, from a child of the root downwards",
        "the tokens on it and one of the target's own",
    ),
)
def _(student, rng):
    cases = [scene(rng, interesting(rng, whole(6, 20, rng)), steps) for steps in mixed((1, 2, 2, 3, 3, 0), rng)]
    ask(student, as_round, [*cases, scene(rng, [-1, -1, 1, 0], 2, 8)], judge, rng)


@verify_tree_greedy.part(
    "keeps a whole path, down to a leaf", weight=1, rests_on="the tokens on it and one of the target's own"
)
def _(student, rng):
    cases = []
    for _ in range(4):
        parents = interesting(rng, whole(6, 14, rng))
        cases.append(scene(rng, parents, max(depths_of(parents))))
    ask(student, as_round, [*cases, scene(rng, list(range(-1, whole(1, 5, rng))), 2)], judge, rng)


@verify_tree_greedy.part(
    "keeps nothing where the target disagrees with the root's children, and takes an empty tree",
    weight=1,
    rests_on="perhaps empty",
)
def _(student, rng):
    cases = [scene(rng, interesting(rng, whole(5, 12, rng)), 0) for _ in range(3)]
    ask(student, as_round, [*cases, scene(rng, [], 0), scene(rng, [-1], 0)], judge, rng)


@verify_tree_greedy.part(
    "takes the first of equal siblings, and real ids",
    weight=1,
    rests_on=("Of equal siblings the first is taken", "logits: FloatTensor [n+1, V]"),
)
def _(student, rng):
    cases = []
    for size in mixed((60, 60, 3000), rng):
        one, other, third = torch.randperm(size, generator=rng)[:3].tolist()
        ids, parents = [other, one, one, third, third, other], [-1, -1, -1, 1, 2, 1]
        choice = [one, other, third, other, third, one, other]
        cases.append(((as_tree(ids, parents), rows(choice, rng, size)), walk(ids, parents, choice)))
    ask(student, as_round, cases, judge, rng)
