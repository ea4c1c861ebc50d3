"""Wrong rules for `verify_tree_stochastic`: the right one with one thing changed, and what a student reads of it.

Knows: this exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import torch

from .stochastic import verify_tree_stochastic


def uncovered(p, q):
    rest = (p - q).clamp(min=0)
    return rest / rest.sum() if rest.sum() > 0 else p.clone()


def coin(left, row, token, dice):
    return dice.flip(min(1.0, float(left[token]) / float(row[token])) if row[token] > 0 else float(left[token] > 0))


def tree_rule(
    keep=coin,
    after=lambda left, row, p: uncovered(left, row),
    last=lambda left, p, row: left,
    next_row=lambda i, depth: i + 1,
    first_only=False,
    siblings_stay=False,
    leaf=True,
    reverse=False,
):
    """A verify_tree_stochastic that is wrong in one place; the arguments say where.

    keep(left, row, token, dice): whether a child stays. after(left, row, p): what is left behind a rejection.
    last(left, p, row): what the last token is drawn from, with the row of p there, and q of the last rejected child.
    """

    def rule(tree, q, p, dice):
        ids, parents = tree.ids.tolist(), tree.parents.tolist()
        path, at, here, left, row, depth = [], -1, p[0], p[0], None, 0
        children = [i for i, parent in enumerate(parents) if parent == at]
        while children:
            i = children.pop(-1 if reverse else 0)
            row = torch.nn.functional.one_hot(tree.ids[i], p.shape[-1]).to(p.dtype) if q is None else q[i]
            if keep(left, row, ids[i], dice):
                path, at, depth = [*path, i], i, depth + 1
                here = left = p[min(next_row(i, depth), len(p) - 1)]
                row = None
                if not siblings_stay:
                    children = [j for j, parent in enumerate(parents) if parent == at]
            else:
                left = after(left, row, here)
                children = [] if first_only else children
        tokens = [ids[i] for i in path]
        if not leaf and path and at not in parents:
            return path, torch.tensor(tokens, dtype=torch.long)
        return path, torch.tensor([*tokens, dice.roll(last(left, here, row))], dtype=torch.long)

    return rule


def _inverted(left, row, token, dice):
    return dice.flip(min(1.0, float(row[token]) / float(left[token])) if left[token] > 0 else 0.0)


def _is_argmax(left, row, token, dice):
    return int(left.argmax()) == token


def _with_p(left, row, token, dice):
    return dice.flip(float(left[token]))


for _id, _message, _rules in (
    (
        "sibling_forgotten",
        "After a rejection the next sibling is judged by the whole p again. The one that was "
        "rejected "
        "had its chance: what its row of q covered is used up. Judge the next by the residual, and go on from there.",
        (
            tree_rule(after=lambda left, row, p: uncovered(p, row)),
            tree_rule(
                after=lambda left, row, p: left, last=lambda left, p, row: p if row is None else uncovered(p, row)
            ),
        ),
    ),
    (
        "correction_from_p",
        "The last token of a round is drawn from p although children were rejected. Draw it from what they have left.",
        (tree_rule(last=lambda left, p, row: p), tree_rule(after=lambda left, row, p: left)),
    ),
    (
        "one_child",
        "You try the first child only. The text is right, but the other guesses were made for nothing: where "
        "one is rejected, its next sibling is tried.",
        (tree_rule(first_only=True),),
    ),
    (
        "last_child_first",
        "You try siblings from the last to the first. Each row of q says what a token was drawn from "
        "after the siblings before it: try them in their order.",
        (tree_rule(reverse=True),),
    ),
    (
        "row_off",
        "You judge by the wrong row of p. Row 0 belongs to the root, row i + 1 to node i.",
        (tree_rule(next_row=lambda i, depth: i), tree_rule(next_row=lambda i, depth: depth)),
    ),
    (
        "stays_at_siblings",
        "After a token that is kept you go on with its siblings. Its children come next: the text "
        "has "
        "gone on behind it.",
        (tree_rule(siblings_stay=True),),
    ),
    (
        "no_bonus",
        "Where a path is kept down to a leaf nothing follows. The target has already said what comes "
        "behind it: "
        "draw one more token from that row of p.",
        (tree_rule(leaf=False),),
    ),
    (
        "ratio_inverted",
        "The coin is upside down: min(1, q/p). What was proposed too often has to be kept only sometimes.",
        (tree_rule(keep=_inverted),),
    ),
    (
        "argmax",
        "A node stays exactly if it is the target's most probable token. That is the greedy rule; here a "
        "token of "
        "probability 0.2 has to come out one time in five.",
        (tree_rule(keep=_is_argmax), tree_rule(keep=_is_argmax, last=lambda left, p, row: p)),
    ),
    (
        "kept_with_p",
        "A child stays with probability p, and a residual stands in for it otherwise. The residual "
        "belongs to "
        "the coin min(1, p/q): divide by what the child was drawn with.",
        (tree_rule(keep=_with_p),),
    ),
    (
        "residual_swapped",
        "The residual is taken the other way round, (q - p)+: what is left is what q had too much of.",
        (tree_rule(after=lambda left, row, p: uncovered(row, left)),),
    ),
    (
        "residual_absolute",
        "What is left behind a rejection is |p - q|. Where q is above p nothing is left: cut p - q off at 0.",
        (tree_rule(after=lambda left, row, p: (left - row).abs() / (left - row).abs().sum()),),
    ),
):
    verify_tree_stochastic.mistake(_id, _message, imitate=_rules)

for _id, _message in (
    (
        "own_randomness",
        "Your function does not take all its randomness from `dice`: dice.flip(probability) is a coin, "
        "dice.roll(probabilities) a draw.",
    ),
    (
        "tree_ignored",
        "The tree decides nothing: the tokens are drawn from p as if nobody had guessed. The text is "
        "right, "
        "but every round emits one token, and plain decoding does that without a tree.",
    ),
    (
        "no_last",
        "Your round emits the path alone. Behind it comes one token of the target's own, a correction or a bonus.",
    ),
    ("bottom_up", "Your path is upside down: it begins with a child of the root and goes downwards."),
    (
        "zero_over_zero",
        "A rejection by round-off, where p and q are equal, breaks your function: the residual is 0/0 "
        "there. `residual` of unit 04 deals with it.",
    ),
):
    verify_tree_stochastic.mistake(_id, _message)

for _pattern, _text in (
    (r"dice.roll got numbers that sum to nan", "The numbers are NaN: 0/0. Does the residual fall back where p = q?"),
    (r"dice.roll got numbers that sum", "Divide what is left by its sum before you roll."),
    (r"NoneType", "q is None where nothing was drawn: the row of node i is then one-hot at its token."),
    (r"Boolean value of Tensor", "acceptance_probability(left, row) has an entry per token: pick that of the node."),
    (r"out of bounds|out of range", "p has n + 1 rows: row 0 for the root, row i + 1 for node i. A tree may be empty."),
):
    verify_tree_stochastic.help(_pattern, _text)
