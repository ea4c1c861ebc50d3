"""Right and wrong in `best_tree`: the nodes that are worth most, from how often each guess of each head is right.

Knows: this exercise. Does not know: how accuracies are measured.
"""

from __future__ import annotations

import heapq

import torch

from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..values import as_int, describe

best_tree = Exercise(
    "best_tree", unit="10", points=1, difficulty=3, minutes=20,
    reference="specdec_course.drafters.trees:best_tree",
    hints=(
        "A path of three nodes: what is the chance that all three guesses on it are right? Can a node be worth more "
        "than "
        "the one that it hangs on?",
        "Keep a heap of (-chance, depth, path), which begins with (-1.0, 0, ()). Take the smallest off, note its path, "
        "and put in its children: path + (rank,) with chance * accuracy[depth][rank], where that is above 0. Stop "
        "after "
        "`budget` nodes; the root () does not count.",
    ),
)  # fmt: skip
CLOSE = 1e-6


def chance(rows, path) -> float:
    found = 1.0
    for row, rank in zip(rows, path, strict=False):
        found *= row[rank]
    return found


def right_chances(rows, budget: int) -> list[float]:
    """The chances of the best nodes, falling."""
    waiting, found = [(-1.0, ())], []
    while waiting and len(found) <= budget:
        worth, path = heapq.heappop(waiting)
        found.append(-worth)
        if len(path) < len(rows):
            for rank, accuracy in enumerate(rows[len(path)]):
                if worth * accuracy < 0:
                    heapq.heappush(waiting, (worth * accuracy, (*path, rank)))
    return found[1:]


def read_choices(answer) -> list[tuple[int, ...]]:
    if not isinstance(answer, (list, tuple)) or not all(isinstance(path, (tuple, list)) for path in answer):
        raise Wrong(f"Return a list of tuples of ranks; yours is {describe(answer)}.")
    return [tuple(map(as_int, path)) for path in answer]


def accuracies(rng, heads: int, ranks: int, falling: bool = True) -> torch.Tensor:
    """Rows that sum to less than 1, all chances apart from each other."""
    rows = torch.softmax(2.5 * torch.randn(heads, ranks + 1, generator=rng), -1)[:, :ranks]
    return rows.sort(dim=-1, descending=True).values if falling else rows


def case(accuracy: torch.Tensor, budget: int) -> tuple:
    return (accuracy, budget), (accuracy.double().tolist(), budget)


def judge(order: bool):
    def judged(paths, wanted):
        rows, budget = wanted
        right = right_chances(rows, budget)
        if () in paths:
            return Wrong(
                "The empty path stands in your answer: the root is the newest token of the text, which is "
                "there "
                "already.",
                otherwise="with_root",
            )
        if len(set(paths)) < len(paths):
            return "A path comes twice in your answer."
        if any(
            len(path) > len(rows) or not all(0 <= rank < len(row) for rank, row in zip(path, rows, strict=False))
            for path in paths
        ):
            return "A path names a head or a rank that there is not."
        if len(paths) > budget:
            return f"Your tree has {len(paths)} nodes; the budget is {budget}."
        for i, path in enumerate(paths):
            if path[:-1] and path[:-1] not in paths[:i]:
                return "A path comes before the one that it goes on from, or without it."
        chances = [chance(rows, path) for path in paths]
        if any(worth <= 0 for worth in chances):
            return "A node stands in your tree that can never be right: its chance is 0."
        if sum(chances) < sum(right) - CLOSE:
            return (
                f"Your tree of {len(paths)} nodes is expected to keep fewer tokens than the best one of at most "
                f"{budget}."
            )
        if order and any(b > a + CLOSE for a, b in zip(chances, chances[1:], strict=False)):
            return "The nodes do not come in the order of their chances, the likeliest first."
        return None

    return judged


@best_tree.part(
    "chooses the nodes that keep most tokens",
    weight=3,
    rests_on=("the expected number of tokens kept is the sum over all nodes", "the product of their accuracies"),
)
def _(student, rng):
    cases = [
        case(accuracies(rng, heads, ranks), budget)
        for heads, ranks, budget in mixed(
            ((2, 3, 4), (3, 3, 7), (4, 5, 16), (4, 10, whole(24, 64, rng)), (3, 2, 5), (1, 4, 2)), rng
        )
    ]
    ask(student, read_choices, cases, judge(False), rng)


@best_tree.part("goes by accuracies, not by ranks", weight=1, rests_on="A row sums to 1 at most; it need not fall")
def _(student, rng):
    cases = [
        case(accuracies(rng, heads, ranks, False), budget)
        for heads, ranks, budget in mixed(((2, 4, 5), (3, 4, whole(6, 12, rng)), (2, 6, 3)), rng)
    ]
    ask(student, read_choices, cases, judge(False), rng)


@best_tree.part(
    "names the likeliest node first, and every path after its beginnings",
    weight=1,
    rests_on=("the likeliest node first, and every path after its beginnings",),
)
def _(student, rng):
    cases = [
        case(accuracies(rng, whole(2, 4, rng), whole(2, 5, rng), falling), whole(5, 20, rng))
        for falling in (True, False, True)
    ]
    ask(student, read_choices, cases, judge(True), rng)


@best_tree.part(
    "takes budgets of 0, budgets beyond all nodes, and guesses that are never or always right",
    weight=1,
    rests_on=("most nodes, >= 0", "Nodes whose chance is 0 are left out, so there may be fewer"),
)
def _(student, rng):
    some = accuracies(rng, 3, 3)
    some[whole(0, 1, rng), whole(1, 2, rng)] = 0.0
    cases = [case(accuracies(rng, 2, 3), 0), case(accuracies(rng, 2, 2), whole(20, 40, rng)), case(some, 60),
             case(torch.ones(4, 1), whole(2, 3, rng)), case(some, 1)]  # fmt: skip
    ask(student, read_choices, cases, judge(True), rng)
