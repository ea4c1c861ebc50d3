"""What a model is rewarded for that shall think less: length rewards, as their papers have them.

Knows: lengths in tokens, and whether an answer was right. Does not know: models, how a reward becomes a gradient
(thrift).
"""

from __future__ import annotations


def length_reward(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    """The rewards of several answers to one problem, for being right and short.

    Args:
        kind: "lcpo_max", "kimi" or "dast".
        lengths: list of n ints >= 0, the tokens that each answer took; n may be 0.
        correct: list of n bools.
        budget: how many tokens it should take, > 0. "kimi" does without.
        alpha, delta: of "lcpo_max" only.

    "lcpo_max": a right answer gets alpha (budget - length) + delta, or 0 if that is below 0, 1 if it is above 1. A
        wrong one gets 0.
    "kimi": l = 0.5 - (length - shortest) / (longest - shortest), shortest and longest over all n answers, right or
        wrong. A right answer gets l; a wrong one gets l where that is below 0, else 0. Where all n are equally long,
        all get 0.
    "dast": l = (length - budget) / budget. A right answer gets -0.5 l + 0.5, but at least 0.1. A wrong one gets
        0.9 l - 0.1, but at most -0.1.

    Returns:
        list of n floats.

    Raises ValueError for another kind.

    Source: Aggarwal and Welleck 2025, "L1: controlling how long a reasoning model thinks with reinforcement learning",
    arXiv 2503.04697, equation 2; Kimi Team 2025, "Kimi k1.5", arXiv 2501.12599, section 2.3.3; Shen et al. 2025, "DAST:
    difficulty-adaptive slow thinking for large reasoning models", arXiv 2503.04472.
    """
    if kind not in ("lcpo_max", "kimi", "dast"):
        raise ValueError(f"there is no reward {kind!r}; expected lcpo_max, kimi or dast")
    rewards, shortest, longest = [], min(lengths, default=0), max(lengths, default=0)
    for length, right in zip(lengths, correct, strict=True):
        if kind == "lcpo_max":
            reward = min(1.0, max(0.0, alpha * (budget - length) + delta)) if right else 0.0
        elif kind == "kimi":
            share = 0.5 - (length - shortest) / (longest - shortest) if longest > shortest else 0.0
            reward = share if right else min(0.0, share)
        else:
            over = (length - budget) / budget
            reward = max(-0.5 * over + 0.5, 0.1) if right else min(0.9 * over - 0.1, -0.1)
        rewards.append(float(reward))
    return rewards


def lcpo_exact(length, correct, budget, alpha=0.0003):
    """1 for a right answer, less alpha for every token too many or too few. A wrong one is not spared the second part.

    Source: Aggarwal and Welleck 2025, arXiv 2503.04697, equation 1.
    """
    return float(bool(correct)) - alpha * abs(budget - length)


def o1_pruner(length, correct, reference_length, reference_accuracy, weight=2.0):
    """How much shorter than the reference model's answers to this problem, plus `weight` times how much better.

    Args:
        length: tokens of the answer, > 0. correct: whether it is right.
        reference_length, reference_accuracy: means over answers of the model as it was before, to the same problem.

    Source: Luo et al. 2025, "O1-Pruner: length-harmonizing fine-tuning for o1-like reasoning pruning", arXiv
    2501.12570.
    """
    return reference_length / length - 1 + weight * (float(bool(correct)) - reference_accuracy)


def shortest_correct(samples):
    """Of many chains of thought the ones worth learning from: for every problem the shortest right one.

    Args:
        samples: list of (problem, chain, correct): a str; list of int, the tokens of thinking and answer that a model
            wrote, the prompt is not among them; bool. Chains of one problem need not stand together. The list may be
            empty.

    Returns:
        list of (problem, chain): every problem that has a right chain, once, in the order in which the problems first
        stand in `samples`, with its right chain of fewest tokens; the first of equals. A problem without a right chain
        is left out.

    Source: Kimi Team 2025, "Kimi k1.5", arXiv 2501.12599, section 2.4 (shortest rejection sampling).
    """
    best = {}
    for problem, chain, correct in samples:
        best.setdefault(problem, None)
        if correct and (best[problem] is None or len(chain) < len(best[problem])):
            best[problem] = chain
    return [(problem, list(chain)) for problem, chain in best.items() if chain is not None]
