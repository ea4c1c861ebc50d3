"""Right and wrong in `verify_tree_stochastic`, by the exact joint law of what a round emits.

Knows: how that law is worked out, with trees whose siblings are drawn independently, without replacement, or not at
all. Does not know: how verification is written; comparing with one draw from p is right, too.
"""

from __future__ import annotations

import torch

from ..ask import mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..stages import toys
from ..surroundings import random_states
from .trees import as_round, as_tree, depths_of

verify_tree_stochastic = Exercise(
    "verify_tree_stochastic", unit="10", points=2, difficulty=5, minutes=40,
    reference="specdec_course.verification:verify_tree_stochastic",
    hints=(
        "The first child was rejected. What of p is still to be delivered, and which law does the second child have to "
        "be judged by: p, or that? And what do you draw from if all children were rejected?",
        "left = p[0]; children = those of -1. Take the first child i off the list, with row q[i] (one-hot without q). "
        "dice.flip(acceptance_probability(left, row)[id]): kept, then path gets i, left = p[i + 1], children = "
        "those of "
        "i. Rejected, then left = residual(left, row). No children left: the last token is dice.roll(left).",
    ),
)  # fmt: skip
TOLERANCE = 1e-5
A_QUARTER = 0.25  # of what comparing with a draw from p would keep
SMALL = ((-1, -1), (-1, -1, -1))


def grown(parents, rows, dice, replacement: bool):
    """(ids, q) of a tree of this shape: each token drawn from rows(the tokens above it), or from what the siblings
    before it have left of that row."""
    ids, probs, above = [], [], {-1: ()}
    for i, parent in enumerate(parents):
        row = rows(above[parent]).clone()
        if not replacement:
            row[[ids[j] for j in range(i) if parents[j] == parent]] = 0
        probs.append(row / row.sum())
        ids.append(dice.roll(probs[-1]))
        above[i] = (*above[parent], ids[-1])
    return ids, torch.stack(probs) if probs else None


def opinions(target, ids, parents) -> torch.Tensor:
    """p FloatTensor [n+1, V]."""
    above = [()]
    for token, parent in zip(ids, parents, strict=True):
        above.append((*above[parent + 1], token))
    return torch.stack([target(text) for text in above])


def one_round(student, tree, q, p, dice) -> tuple[list[int], tuple[int, ...]]:
    """What the student's round emits: (path, tokens), or Wrong where these are no path and its tokens."""
    state = random_states()
    path, tokens = as_round(student.quiet(tree, q, p, dice))
    if random_states() != state:
        raise Wrong(
            "Your function draws from torch's, numpy's or Python's own random numbers: take all of it from "
            "dice.flip and dice.roll.",
            mistake="own_randomness",
        )
    ids, parents = tree.ids.tolist(), tree.parents.tolist()
    if any(not 0 <= i < len(ids) for i in path) or [-1, *path][:-1] != [parents[i] for i in path]:
        raise Wrong(
            "Your path is no path of the tree: it begins with a child of the root, and each node on it hangs "
            "on the one before. It holds indices into the tree.",
            mistake=_odd_path(path, ids, parents),
        )
    if tokens[:-1] != [ids[i] for i in path] or len(tokens) != len(path) + 1:
        short = tokens == [ids[i] for i in path]
        leaf = path and path[-1] not in parents
        raise Wrong(
            "The tokens of a round are those on the path, and one more.",
            mistake=("no_bonus" if leaf else "no_last") if short else None,
        )
    if not 0 <= tokens[-1] < p.shape[-1]:
        raise Wrong("Your function returned something that is not a token of the vocabulary.")
    return path, tuple(tokens)


def _odd_path(path, ids, parents) -> str | None:
    if path[::-1] and [-1, *path[::-1]][:-1] == [parents[i] for i in path[::-1] if 0 <= i < len(ids)]:
        return "bottom_up"
    return None


def expect_law(student, target, parents, when: str, rows=None, replacement: bool = True, ids=None) -> list:
    """The law of as many tokens as the tree is deep, and one, has to be the target's. rows None: a tree of these ids,
    which nobody drew. Returns (probability, mass of p on the root's children, path, tokens) of all ways to go."""
    ways = []

    def procedure(dice):
        own, q = (ids, None) if rows is None else grown(parents, rows, dice, replacement)
        p = opinions(target, own, parents)
        path, tokens = one_round(student, as_tree(own, parents), q, p, dice)
        first = {token for token, parent in zip(own, parents, strict=True) if parent < 0}
        ways.append((dice.probability, float(p[0, list(first)].sum()) if first else 0.0, path, tokens))
        return tokens

    law, length = student.law_of(procedure), max([0, *depths_of(parents)]) + 1
    found, wanted = toys.completed(law, target, length), toys.target_law(target, length)
    if toys.difference(found, wanted) > TOLERANCE:
        place = next(
            (
                i
                for i in range(length)
                if toys.difference(toys.marginal(found, i), toys.marginal(wanted, i)) > TOLERANCE
            ),
            None,
        )
        detail = (
            "every token alone has the right law, but not the tokens together"
            if place is None
            else f"the first token with a wrong law is number {place + 1} of {length}"
        )
        raise Wrong(
            f"{when}: the joint law of {length} tokens is not the target's (total variation distance "
            f"{toys.total_variation(found, wanted):.2g}); {detail}."
        )
    return ways


def expect_kept(ways: list, share: float, when: str) -> None:
    kept = sum(chance for chance, _, path, _ in ways if path)
    agreement = sum(chance * mass for chance, mass, _, _ in ways)
    if kept < share * agreement - 1e-6:
        raise Wrong(
            f"{when}: the text has the right law, but a child of the root is kept only {kept:.0%} of the time. "
            f"A draw from p alone would be among the children {agreement:.0%} of the time.",
            mistake="tree_ignored" if kept < 1e-6 else "one_child",
        )


def drawn_trees(student, rng, shapes, sizes, words: str, replacements=(True, False)) -> None:
    for parents in mixed(shapes, rng):
        for replacement in mixed(replacements, rng):
            size = mixed(sizes, rng)[0]
            target, drafter = toys.toy_rows(size, rng), toys.toy_rows(size, rng)
            how = "drawn independently" if replacement else "drawn without replacement"
            when = f"{words}, siblings {how}, {size} tokens" if len(set(parents)) < len(parents) else words
            ways = expect_law(student, target, parents, when, drafter, replacement)
            expect_kept(ways, A_QUARTER, when)


@verify_tree_stochastic.part(
    "emits a first token that has the law p, with one guess",
    weight=1,
    rests_on=("The joint law of the emitted tokens is the target's", "And the tree has to be used"),
)
def _(student, rng):
    drawn_trees(student, rng, [(-1,)], (2, 3, 4), "With one guess", (True,))
    drawn_trees(student, rng, [(-1,)], (3,), "With one guess", (True,))


@verify_tree_stochastic.part(
    "tries siblings one after the other, each by what is left of p",
    weight=3,
    rests_on=(
        "One that is rejected takes what its row of q covered away from p, and the next is judged by what is left",
        "siblings may be independent, or drawn without replacement",
    ),
)
def _(student, rng):
    drawn_trees(student, rng, SMALL, (3, 4), "With guesses for one place")


@verify_tree_stochastic.part(
    "goes down from a token that is kept, to its children",
    weight=2,
    rests_on=(
        "row 0 after the root, row i + 1 after token i",
        "indices into the tree from a child of the root downwards",
    ),
)
def _(student, rng):
    drawn_trees(student, rng, [(-1, -1, 0, 1), (-1, 0, -1), (-1, 0, 0)], (2, 3), "With a tree of two levels")


@verify_tree_stochastic.part(
    "has the law of `verify_stochastic` with a chain",
    weight=1,
    rests_on=("For a chain they have the law of those that `verify_stochastic` emits", "a correction or bonus token"),
)
def _(student, rng):
    drawn_trees(student, rng, [(-1, 0), (-1, 0, 1)], (2,), "With a chain", (True,))
    same = toys.toy_rows(3, rng)
    ways = expect_law(student, same, (-1, 0), "With a chain drawn from p itself", same)
    if max(len(tokens) for *_, tokens in ways) < 3:
        raise Wrong(
            "With a chain of two tokens drawn from p itself your function never emits three.", mistake="no_bonus"
        )


@verify_tree_stochastic.part(
    "takes trees that nobody drew, and uses every child",
    weight=2,
    rests_on=("None if nothing was drawn: each row is one-hot", "At every token, its children are tried in order"),
)
def _(student, rng):
    for parents in mixed([(-1, -1), (-1, -1, -1, 0), (-1, 0, -1, 2), ()], rng):
        size = whole(3, 4, rng)
        target = toys.toy_rows(size, rng)
        ids, seen = [], set()
        for parent in parents:
            ids.append(mixed([x for x in range(size) if (parent, x) not in seen], rng)[0])
            seen.add((parent, ids[-1]))
        when = f"With a tree of {len(parents)} nodes that nobody drew (q is None)"
        expect_kept(expect_law(student, target, parents, when, ids=ids), 1.0, when)
    target = toys.toy_rows(3, rng)
    expect_law(student, target, (-1, -1, 0), "With two siblings that are the same token, q None", ids=[1, 1, 0])


@verify_tree_stochastic.part(
    "is right over thousands of tokens, and where p and q are equal up to round-off",
    weight=1,
    rests_on="exact to 1e-5, also where p and q are equal up to round-off",
)
def _(student, rng):
    size = whole(3000, 3500, rng)
    places = torch.randperm(size, generator=rng)[:3]
    p, q = torch.zeros(size), torch.zeros(size)
    p[places[:2]] = torch.tensor([share := uniform(0.2, 0.4, rng), 1 - share])
    q[places] = torch.tensor([0.5, uniform(0.1, 0.2, rng), 0.0])
    q[places[2]] = 1 - q.sum()
    when = f"With rows of {size:,} probabilities, most of them 0"
    expect_law(student, toys.fixed_rows(p), (-1, -1), when, toys.fixed_rows(q), False)
    p = torch.softmax(torch.randn(3, generator=rng), -1)
    above = torch.nextafter(p, torch.tensor(2.0))
    for parents in mixed([(-1, -1), (-1, 0)], rng):
        when = "Where q is above p by round-off, everywhere"
        tree = as_tree([int(p.argmin())] * len(parents), parents)
        p_rows, q_rows = p.expand(len(parents) + 1, -1).clone(), above.expand(len(parents), -1).clone()
        law = student.law_of(lambda dice, tree=tree, q=q_rows, p=p_rows: one_round(student, tree, q, p, dice)[1])
        if any(mass != mass for mass in law.values()):
            raise Wrong(f"{when}: a probability of your round is NaN.", mistake="zero_over_zero")
