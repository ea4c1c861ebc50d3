"""Right and wrong in `build_tree` and `tree_attention_mask`: who stands on whom, and who may look at whom.

Knows: these exercises. Does not know: what stands at the nodes.
"""

from __future__ import annotations

import torch

from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..values import as_array, as_ids
from .trees import choices_of, depths_of, drawn_parents, interesting, pair_of, path_to

build_tree = Exercise(
    "build_tree", unit="10", points=1, difficulty=2, minutes=15,
    reference="specdec_course.drafters.trees:build_tree",
    hints=(
        "Take the path (1, 0). Of which other path does its node hang? How do you find the number of that one?",
        "Keep a dict from path to number, which begins with {(): -1}. For the i-th path: the parent is "
        "known[path[:-1]], the depth len(path), and then known[path] = i. Look first whether path is in it already, "
        "and "
        "whether path[:-1] is.",
    ),
)  # fmt: skip
tree_attention_mask = Exercise(
    "tree_attention_mask", unit="10", points=1, difficulty=2, minutes=10,
    reference="specdec_course.drafters.trees:tree_attention_mask",
    hints=(
        "A node goes on from its parent. What may it see that the parent did not see? And may it see its sibling?",
        "Begin with torch.eye(n, dtype=torch.bool). For i from 0 on, if parents[i] >= 0: mask[i] |= mask[parents[i]]. "
        "Parents stand before their children, so the parent's row is complete by then.",
    ),
)  # fmt: skip


# build_tree ------------------------------------------------------------------------------------------------------


def read_tree(answer) -> tuple[list[int], list[int]]:
    parents, depths = pair_of(answer, "parents and depths")
    return as_ids(parents), as_ids(depths)


def judge(found, right):
    (parents, depths), (right_parents, right_depths) = found, right
    if len(parents) != len(right_parents) or len(depths) != len(right_depths):
        return (
            f"For {len(right_parents)} choices there are as many parents and depths; yours are {len(parents)} and "
            f"{len(depths)}."
        )
    if parents != right_parents:
        return "A node does not hang where its path says: choices[i] goes on from the path without its last rank."
    if depths != right_depths:
        return "A depth is wrong: children of the newest token have depth 1, their children 2, and so on."
    return None


def tree_case(parents: list[int], ranks=None) -> tuple:
    choices = choices_of(parents)
    if ranks:  # ranks need not be 0, 1, 2: a tree may have the third guess without the second
        choices = [tuple(ranks[rank] for rank in path) for path in choices]
    return (choices,), (parents, depths_of(parents))


@build_tree.part(
    "gives every node its parent and its depth",
    weight=3,
    rests_on=(
        "parents[i] is the index of the node that choices[i] goes on from",
        "depths[i] is how far node i is from there, 1 for its children",
    ),
)
def _(student, rng):
    cases = [tree_case(interesting(rng, whole(5, 24, rng))) for _ in range(5)]
    cases += [tree_case([-1, 0, -1]), tree_case(list(range(-1, 4))), tree_case([-1] * whole(2, 5, rng))]
    ask(student, read_tree, cases, judge, rng)


@build_tree.part(
    "gives both in whatever order and with whatever ranks",
    weight=2,
    rests_on=("They stand in any order in which a path comes after", "(2,) is the third best guess for the next token"),
)
def _(student, rng):
    cases = []
    for _ in range(5):
        ranks = mixed(range(12), rng)
        cases.append(tree_case(drawn_parents(rng, whole(6, 20, rng), deep=0.3), ranks))
    ask(student, read_tree, cases, judge, rng)


@build_tree.part("gives both for the smallest trees, and no nodes for no choices", weight=1, rests_on=(
    "No choices give two empty tensors"))
def _(student, rng):
    cases = [(([],), ([], [])), tree_case([-1]), tree_case([-1, 0])]
    ask(student, read_tree, cases, judge, rng)


@build_tree.part(
    "refuses what is no tree, and answers right what is one",
    weight=1,
    rests_on=(
        "Raises ValueError for an empty path, a path that comes twice, and one whose beginning does not come before it"
    ),
)
def _(student, rng):
    paths = choices_of(interesting(rng, whole(6, 10, rng)))
    first = next(i for i, path in enumerate(paths) if len(path) > 1)
    parent = paths.index(paths[first][:-1])
    swapped = [*paths]
    swapped[first], swapped[parent] = swapped[parent], swapped[first]
    bad = {"an empty path": [(), *paths], "a path that comes twice": [*paths, paths[whole(0, len(paths) - 1, rng)]],
           "a beginning that is missing": [path for i, path in enumerate(paths) if i != parent],
           "a beginning that comes later": swapped}  # fmt: skip
    taken = [what for what in mixed(bad, rng) if not student.raises(ValueError, bad[what])]
    if taken:
        nothing = {"otherwise": "refuses_nothing"} if len(taken) == len(bad) else {}
        said = f"Given {taken[0]}, your function answers as if that were a tree; it has to raise ValueError."
        raise Wrong(said, **nothing)
    with student.shown():
        wrong = judge(read_tree(student(paths)), tree_case_of(paths))
        if wrong:
            raise Wrong(wrong)


def tree_case_of(paths) -> tuple:
    known = {(): -1} | {path: i for i, path in enumerate(paths)}
    return [known[path[:-1]] for path in paths], [len(path) for path in paths]


# tree_attention_mask ---------------------------------------------------------------------------------------------


def right_mask(parents: list[int]) -> list[list[int]]:
    rows = [set(path_to(parents, i)) for i in range(len(parents))]
    return [[int(j in row) for j in range(len(parents))] for row in rows]


def mask_case(parents: list[int]) -> tuple:
    return (torch.tensor(parents, dtype=torch.long),), parents


def judge_mask(found, parents):
    n = len(parents)
    if found.shape != (n, n) and not (n == 0 and found.size == 0):
        return f"For {n} nodes the mask has the shape [{n}, {n}]; yours has {list(found.shape)}."
    right = as_array(right_mask(parents)).reshape(n, n)
    found = (found != 0).astype(right.dtype).reshape(n, n)
    if (right.diagonal() > found.diagonal()).any():
        return "A node does not see itself."
    if (found > right).any():
        return "A node sees another one that does not stand above it."
    if (found < right).any():
        return "A node does not see all that stands above it."
    return None


def read_mask(answer):
    found = as_array(answer)
    if found.dtype.kind == "f" and found.size and not set(found.flatten().tolist()) <= {0.0, 1.0}:
        raise Wrong("The mask holds other numbers than 0 and 1: return a BoolTensor, True where a node may look.")
    return found


@tree_attention_mask.part(
    "shows every node itself and all its ancestors",
    weight=3,
    rests_on=("itself and its ancestors, nobody else", "True at (i, j) if node j is node i or stands above it"),
)
def _(student, rng):
    cases = [mask_case(interesting(rng, whole(5, 30, rng))) for _ in range(5)]
    ask(student, read_mask, [*cases, mask_case([-1, 0, -1]), mask_case([-1, 0, 1, -1, 3])], judge_mask, rng)


@tree_attention_mask.part(
    "hides siblings, and other branches", weight=2, rests_on="itself and its ancestors, nobody else"
)
def _(student, rng):
    cases = [mask_case([-1] * whole(2, 6, rng)), mask_case([-1, -1, 0, 1, 2, 3]), mask_case([-1, 0, 0, 0])]
    ask(student, read_mask, [*cases, mask_case(drawn_parents(rng, 12, 0.0))], judge_mask, rng)


@tree_attention_mask.part(
    "is causal for a chain, and empty for no nodes",
    weight=1,
    rests_on=("For a chain this is the causal mask", "n may be 0"),
)
def _(student, rng):
    cases = [mask_case(list(range(-1, whole(6, 12, rng)))), mask_case([]), mask_case([-1])]
    ask(student, read_mask, cases, judge_mask, rng)
