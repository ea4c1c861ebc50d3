"""The rules that decide which drafted tokens stay. The heart of the course.

Knows: given a draft and what the target (p) and the drafter (q) thought of each position, which tokens are emitted.
Does not know: where p and q come from, caches, budgets, end-of-text. All functions are pure; no input is changed.

p is the target's distribution, q the drafter's, k the draft length. Row i of p and q belongs to draft[i]; p has one
row more, for the bonus token after a draft that was accepted in full.
"""

from __future__ import annotations

import torch


def accepted_length(draft, choice):
    """How many drafted tokens the target agrees with before it first disagrees.

    Args:
        draft: LongTensor [k], the drafted tokens; k may be 0.
        choice: LongTensor [>= k], the target's own token at each of those positions.

    Returns:
        int in 0..k: the length of the leading run of agreement. Matches after the first mismatch do not count:
        they were proposed for a text that is no longer there.
    """
    agrees = draft == choice[: len(draft)]
    return int(agrees.long().cumprod(0).sum())


def verify_greedy(draft, logits):
    """The tokens that one greedy round emits: the accepted part of the draft, then one token of the target's own.

    Args:
        draft: LongTensor [k], the drafted tokens; k may be 0.
        logits: FloatTensor [k+1, V]. Row i is the target's opinion of the token at the place of draft[i]; the last
            row is its opinion of the token after the whole draft.

    Returns:
        LongTensor [1..k+1]. After a disagreement the last token is the target's correction; after full acceptance
        it is the bonus token. On ties the target chooses the smallest id, as argmax does.

    Source: Stern et al. 2018, "Blockwise parallel decoding"; Leviathan et al. 2023 at temperature 0.
    """
    choice = logits.argmax(dim=-1)
    n = accepted_length(draft, choice)
    return torch.cat([draft[:n], choice[n : n + 1]])


def acceptance_probability(p, q):
    """For every token x: the probability of keeping x if the drafter proposes it, min(1, p(x)/q(x)).

    Args:
        p: FloatTensor [V], the target's distribution.
        q: FloatTensor [V], the drafter's distribution. Neither is changed.

    Returns:
        FloatTensor [V] in [0, 1], without NaN: 1 where q(x) = 0 < p(x), 0 where p(x) = 0 < q(x). Rare tokens count too:
        where p and q are both 1e-8, the answer is 1. Where both are 0, any probability will do.

    Source: Leviathan et al. 2023, section 2.3; Chen et al. 2023, algorithm 2.
    """
    return torch.where(q > 0, (p / q).clamp(max=1.0), (p > 0).to(p.dtype))


def residual(p, q):
    """The distribution that a correction is drawn from: the part of p that q did not cover, (p - q)+ normalised.

    Args:
        p: FloatTensor [V], the target's distribution.
        q: FloatTensor [V], the drafter's distribution. Neither is changed.

    Returns:
        FloatTensor [V] that sums to 1, however small the uncovered part is (a sum below 1e-6 may count as none).
        Where p = q nothing is left over; a rejection is then only round-off, and the answer is p itself. Where p and q
        differ by round-off alone (every q(x) a hair above or below p(x)), any distribution will do, but it has to be
        one: no NaN, nothing below 0.

    Source: Leviathan et al. 2023, section 2.3 and appendix A.1.
    """
    uncovered = (p - q).clamp(min=0)
    total = uncovered.sum()
    return uncovered / total if total > 0 else p.clone()


def expected_acceptance(p, q):
    """The chance that a token drawn from q is kept: the sum over x of min(p(x), q(x)), which is 1 - TV(p, q).

    Args:
        p: FloatTensor [V], the target's distribution.
        q: FloatTensor [V], the drafter's distribution. Neither is changed.

    Returns:
        float in [0, 1]. No lossless rule with one draft can do better. Tokens with p(x) = q(x) = 0 add nothing.

    Source: Leviathan et al. 2023, definition 3.4 and theorem 3.5.
    """
    return float(torch.minimum(p, q).sum())


def verify_stochastic(draft, q, p, dice):
    """The tokens that one round of speculative sampling emits. Their joint law is the target's, whatever q is.

    Args:
        draft: LongTensor [k], drawn from the rows of q; k may be 0.
        q: FloatTensor [k, V], the distributions that the draft was really drawn from (one-hot rows for a drafter
            that does not draw, such as a bigram).
        p: FloatTensor [k+1, V], the target's distributions at those positions, and one after the whole draft.
        dice: all the randomness. `dice.flip(probability) -> bool`, `dice.roll(probabilities [V]) -> int`.
        None of draft, q and p is changed.

    Returns:
        LongTensor [1..k+1]: the accepted part of the draft, then a correction (drawn from the residual of the
        position that was rejected) or, after full acceptance, a bonus token (drawn from the last row of p).
        The law has to be exact to 1e-5, also where p and q are equal up to round-off. And the draft has to be used:
        its first token is kept at least a quarter as often as a draw from p would happen to equal it, which is with
        probability 1/4 of the sum over x of p(x) q(x).

    Source: Leviathan et al. 2023, algorithm 1; Chen et al. 2023, algorithm 2.
    """
    for i, token in enumerate(draft.tolist()):
        if not dice.flip(acceptance_probability(p[i], q[i])[token]):
            correction = dice.roll(residual(p[i], q[i]))
            return torch.cat([draft[:i], draft.new_tensor([correction])])
    bonus = dice.roll(p[len(draft)])
    return torch.cat([draft, draft.new_tensor([bonus])])


def verify_block(draft, q, p, dice):
    """Block verification: the same joint law as `verify_stochastic`, and on average never fewer accepted tokens.

    Token verification judges each token alone. Here a prefix of the draft is judged as a whole: a token that was
    more probable under p than under q makes up for one that was less so. The longest prefix that passes stays: each has
    a coin of its own, tossed from the longest down to the first yes.

    Args:
        draft: LongTensor [k], drawn from the rows of q; k may be 0.
        q: FloatTensor [k, V], the distributions that the draft was drawn from.
        p: FloatTensor [k+1, V], the target's distributions, one row more than q.
        dice: all the randomness, as in `verify_stochastic`.

    Returns:
        LongTensor [1..k+1]: the accepted part of the draft, then a correction or the bonus token. Where p and q are
        equal up to round-off, some sums are 0: no 0/0 may come of it.

    Source: Sun et al. 2024, "Block verification accelerates speculative decoding", algorithm 2.
    """
    k = len(draft)
    weight = [1.0]  # weight[i]: how strongly the first i drafted tokens together are backed by p, at most 1
    for i, token in enumerate(draft.tolist()):
        weight.append(min(1.0, weight[-1] * float(p[i, token]) / max(float(q[i, token]), 1e-30)))
    for i in range(k, 0, -1):
        if i == k:
            passes = weight[k]
        else:
            uncovered = float((weight[i] * p[i] - q[i]).clamp(min=0).sum())
            passes = uncovered / (uncovered + 1 - weight[i]) if uncovered + 1 - weight[i] > 0 else 1.0
        if dice.flip(passes):
            last = p[k] if i == k else residual(weight[i] * p[i], q[i])
            return torch.cat([draft[:i], draft.new_tensor([dice.roll(last / last.sum())])])
    last = p[0] if k == 0 else residual(p[0], q[0])
    return draft.new_tensor([dice.roll(last)])


def verify_vectorised(draft, q, p, dice):
    """`verify_stochastic` for the decoding loop: no loop over positions, and nothing waits for the device.

    Args:
        draft: LongTensor [k]; q: FloatTensor [k, V], or None when the drafter did not draw (q is then one-hot and
            is never built); p: FloatTensor [k+1, V]; dice: a Dice.

    Returns:
        (tokens LongTensor [k+1], n LongTensor [] in 0..k): n drafted tokens are accepted, and the round emits
        tokens[:n+1], with the same law as `verify_stochastic`; what stands behind has no meaning.
    """
    k = len(draft)
    if k == 0:
        return dice.draw(p[0]), torch.zeros((), dtype=torch.long, device=p.device)
    p_draft = p[:k].gather(-1, draft[:, None])[:, 0]
    q_draft = 1.0 if q is None else q.gather(-1, draft[:, None])[:, 0].clamp(min=torch.finfo(p.dtype).tiny)
    n = dice.flips(p_draft / q_draft).long().cumprod(0).sum()
    row, rejected = p.index_select(0, n[None])[0], n.clamp(max=k - 1)[None]
    if q is None:
        uncovered = row.scatter(0, draft.index_select(0, rejected), 0.0)  # a one-hot q covers all of its token
    else:
        uncovered = (row - q.index_select(0, rejected)[0]).clamp(min=0)
    total = uncovered.sum()
    last = torch.where((n < k) & (total > 0), uncovered / total, row)  # the bonus, or p = q up to round-off: p itself
    places = torch.arange(k + 1, device=p.device)
    return torch.where(places == n, dice.draw(last), torch.nn.functional.pad(draft, (0, 1))), n


def verify_greedy_vectorised(draft, logits):
    """`verify_greedy` without waiting for the device: (tokens LongTensor [k+1], n LongTensor []), as above.

    Accepted tokens are the target's own choices, so its choices are all that is needed.
    """
    choice = logits.argmax(-1)
    return choice, (draft == choice[: len(draft)]).long().cumprod(0).sum()


def verify_tree_greedy(tree, logits):
    """The path down a tree of guesses that the target agrees with, and the tokens that the round emits.

    Args:
        tree: has `ids` LongTensor [n] and `parents` LongTensor [n], as a Draft: token i follows token parents[i] < i,
            or with -1 the root, the newest token of the text.
        logits: FloatTensor [n+1, V]. Row 0 is the target's opinion of the token after the root, row i + 1 of the token
            after token i.

    Returns:
        (path, tokens): a list of indices into the tree, from a child of the root downwards, perhaps empty; LongTensor
        [len(path)+1], the tokens on it and one of the target's own. Of equal siblings the first is taken.

    Source: Miao et al. 2023, "SpecInfer", algorithm 2 (greedy).
    """
    choice, ids, parents = logits.argmax(-1).tolist(), tree.ids.tolist(), tree.parents.tolist()
    path, at = [], -1
    while True:
        agrees = [i for i, parent in enumerate(parents) if parent == at and ids[i] == choice[at + 1]]
        if not agrees:
            return path, tree.ids.new_tensor([*(ids[i] for i in path), choice[at + 1]])
        at = agrees[0]
        path.append(at)


def verify_tree_stochastic(tree, q, p, dice):
    """Speculative sampling down a tree of guesses. The joint law of the emitted tokens is the target's.

    At every token, its children are tried in order. One that is rejected takes what its row of q covered away from
    p, and the next is judged by what is left. If none stays, the round's last token is drawn from what is left.

    Args:
        tree: `ids` and `parents` as in `verify_tree_greedy`.
        q: FloatTensor [n, V]: row i is the distribution that token i was drawn from, given its ancestors and the
            siblings before it (so siblings may be independent, or drawn without replacement); None if nothing was
            drawn: each row is one-hot.
        p: FloatTensor [n+1, V], the target's distributions: row 0 after the root, row i + 1 after token i.
        dice: all the randomness, as in `verify_stochastic`. Nothing of tree, q and p is changed.

    Returns:
        (path, tokens): indices into the tree from a child of the root downwards, perhaps none; LongTensor
        [len(path)+1], the tokens on it and a correction or bonus token. For a chain they have the law of those that
        `verify_stochastic` emits.
        The law has to be exact to 1e-5, also where p and q are equal up to round-off. And the tree has to be used:
        on average over the guesses, a child of the root is kept at least a quarter as often as a draw from p would
        be among the children, and at least just as often where q is None.

    Source: Miao et al. 2023, "SpecInfer", algorithm 3 (multi-step speculative sampling).
    """
    ids, parents = tree.ids.tolist(), tree.parents.tolist()
    path, at, left = [], -1, p[0]
    children = [i for i, parent in enumerate(parents) if parent == at]
    while children:
        i = children.pop(0)
        row = torch.nn.functional.one_hot(tree.ids[i], p.shape[-1]).to(p.dtype) if q is None else q[i]
        if dice.flip(acceptance_probability(left, row)[ids[i]]):
            path, at, left = [*path, i], i, p[i + 1]
            children = [j for j, parent in enumerate(parents) if parent == at]
        else:
            left = residual(left, row)
    return path, tree.ids.new_tensor([*(ids[i] for i in path), dice.roll(left)])


def typical_acceptance(p, epsilon=0.09, delta=0.3):
    """Which tokens Medusa's typical acceptance would keep. LOSSY: the text no longer has the target's law.

    A token is kept where its probability is above a threshold of the position's own, min(epsilon, delta * exp(-H)): H
    is the entropy of p in nats. Where the target is sure, few tokens are typical; where it wavers, many are. Nothing
    is drawn and no drafter is asked, so a typical token is kept although the target would hardly ever write it.

    Args:
        p: FloatTensor [..., V], the target's distributions; zeros are allowed. It is not changed.
        epsilon: the most that the threshold can be. delta: how it falls with the entropy.

    Returns:
        BoolTensor [..., V], True where a drafted token would be kept. A token with p = 0 adds nothing to the
        entropy (no NaN may come of it), and is never kept.

    Source: Cai et al. 2024, "Medusa", section 2.3.1; after Hewitt et al. 2022, "Truncation sampling".
    """
    entropy = -torch.special.xlogy(p, p).sum(-1, keepdim=True)
    return p > (delta * (-entropy).exp()).clamp(max=epsilon)
