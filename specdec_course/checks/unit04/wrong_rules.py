"""Wrong rules of verification that students and libraries have used, as functions (draft, q, p, dice) -> tokens.

Knows: what each rule does. Does not know: how a law is worked out or who compares it with what. Almost every rule
differs from the right one in one of three choices: when a drafted token stays, what a correction is drawn from, what
the bonus is drawn from. `token_rule` takes the three choices as functions.
"""

from __future__ import annotations

import torch


def ratio(p, q, x) -> float:
    return min(1.0, float(p[x]) / float(q[x])) if q[x] > 0 else float(p[x] > 0)


def uncovered(p, q, i):
    return scaled((p[i] - q[i]).clamp(min=0), p[i])


SMALL = (1e-2, 1e-3, 1e-4, 0.1, 0.05)


def uncovered_above(least, p, q, i):
    return uncovered(p, q, i) if (p[i] - q[i]).clamp(min=0).sum() > least else p[i]


def scaled(weights, otherwise):
    """weights that sum to 1, or `otherwise` when there are none."""
    return weights / weights.sum() if weights.sum() > 0 else otherwise


def token_rule(keep=None, correct=None, bonus=None):
    """The right rule with some of its choices replaced.

    keep(p_row, q_row, x, dice) -> bool; correct(p, q, i) -> distribution; bonus(p, q, k) -> distribution.
    """
    keep = keep or (lambda p, q, x, dice: dice.flip(ratio(p, q, x)))
    correct = correct or uncovered
    bonus = bonus or (lambda p, q, k: p[k])

    def rule(draft, q, p, dice):
        tokens = draft.tolist()
        for i, x in enumerate(tokens):
            if not keep(p[i], q[i], x, dice):
                return [*tokens[:i], dice.roll(correct(p, q, i))]
        return [*tokens, dice.roll(bonus(p, q, len(tokens)))]

    return rule


def inverted(p, q, x, dice):
    return dice.flip(min(1.0, float(q[x]) / max(float(p[x]), 1e-30)))


def is_argmax(p, q, x, dice):
    return x == int(p.argmax())


def agrees_with_a_sample(p, q, x, dice):
    return dice.roll(p) == x


def from_p(p, q, i):
    return p[i]


def absolute(p, q, i):
    return scaled((p[i] - q[i]).abs(), p[i])


def swapped(p, q, i):
    return scaled((q[i] - p[i]).clamp(min=0), p[i])


def argmax_of_p(p, q, i):
    return torch.nn.functional.one_hot(p[i].argmax(), p.shape[-1]).to(p)


def next_row_of_p(p, q, i):
    return scaled((p[i + 1] - q[i]).clamp(min=0), p[i + 1])


def last_row(p, q, i):
    return uncovered(p, q, len(q) - 1)


def first_row(p, q, i):
    return uncovered(p, q, 0)


def next_row(p, q, i):
    return scaled((p[i + 1] - q[min(i + 1, len(q) - 1)]).clamp(min=0), p[i + 1])


def bonus_from_q(p, q, k):
    return q[k - 1] if k else p[0]


def bonus_from_residual(p, q, k):
    return uncovered(p, q, k - 1) if k else p[0]


def bonus_from_late_residual(p, q, k):
    return scaled((p[k] - q[k - 1]).clamp(min=0), p[k]) if k else p[0]


def bonus_from_row_before(p, q, k):
    return p[max(k - 1, 0)]


def unscaled_inverse_cdf(draft, q, p, dice):
    """Draws the correction by running through the residual without scaling it: what is missing falls on the last."""
    tokens = draft.tolist()
    for i, x in enumerate(tokens):
        if not dice.flip(ratio(p[i], q[i], x)):
            weights = (p[i] - q[i]).clamp(min=0).tolist()
            weights[-1] += 1 - sum(weights)
            return [*tokens[:i], dice.roll(torch.tensor(weights))]
    return [*tokens, dice.roll(p[len(tokens)])]


def another_one(draft, q, p, dice):
    """The correction is drawn from p without the token that was rejected."""
    tokens = draft.tolist()
    for i, x in enumerate(tokens):
        if not dice.flip(ratio(p[i], q[i], x)):
            others = torch.arange(p.shape[-1]) != x
            return [*tokens[:i], dice.roll(scaled(p[i] * others, p[i]))]
    return [*tokens, dice.roll(p[len(tokens)])]


def judged_by_the_next_row(draft, q, p, dice):
    """Token i is judged, and corrected, by row i + 1 of p."""
    tokens = draft.tolist()
    for i, x in enumerate(tokens):
        if not dice.flip(ratio(p[i + 1], q[i], x)):
            return [*tokens[:i], dice.roll(scaled((p[i + 1] - q[i]).clamp(min=0), p[i + 1]))]
    return [*tokens, dice.roll(p[len(tokens)])]


def from_the_right(draft, q, p, dice):
    """Judges the last token first, and stops at the first one that stays."""
    tokens, kept = draft.tolist(), len(draft)
    for i in reversed(range(len(tokens))):
        if dice.flip(ratio(p[i], q[i], tokens[i])):
            break
        kept = i
    return [*tokens[:kept], dice.roll(p[kept] if kept == len(tokens) else uncovered(p, q, kept))]


def counts_the_heads(draft, q, p, dice):
    """Tosses every coin, and keeps as many tokens as coins said yes."""
    tokens = draft.tolist()
    kept = sum(dice.flip(ratio(p[i], q[i], x)) for i, x in enumerate(tokens))
    return [*tokens[:kept], dice.roll(p[kept] if kept == len(tokens) else uncovered(p, q, kept))]


def all_or_none(correct):
    """One coin for the whole draft; the first token is corrected when it says no."""

    def rule(draft, q, p, dice):
        tokens, chance = draft.tolist(), 1.0
        for i, x in enumerate(tokens):
            chance *= ratio(p[i], q[i], x)
        if dice.flip(chance):
            return [*tokens, dice.roll(p[len(tokens)])]
        return [dice.roll(correct(p, q, 0))]

    return rule


def no_bonus(draft, q, p, dice):
    out = token_rule()(draft, q, p, dice)
    return out[: len(draft)] if len(draft) else out


def never_a_bonus(draft, q, p, dice):
    """Not even with an empty draft, whose round is then empty."""
    return token_rule()(draft, q, p, dice)[: len(draft)]


def goes_on_after_a_correction(draft, q, p, dice):
    """The loop does not stop at a rejection; later tokens are judged by rows for a text that is no longer there."""
    out = []
    for i, x in enumerate(draft.tolist()):
        out.append(x if dice.flip(ratio(p[i], q[i], x)) else dice.roll(uncovered(p, q, i)))
    return [*out, dice.roll(p[len(draft)])]


def drops_the_unsure(draft, q, p, dice, threshold=0.2):
    """A drawn token that the drafter was unsure of is thrown away before it is verified."""
    keep = 0
    for i, x in enumerate(draft.tolist()):
        if q[i, x] < threshold:
            break
        keep = i + 1
    return token_rule()(draft[:keep], q[:keep], p[: keep + 1], dice)


def one_token(rule):
    """A rule as a step(p, q, dice) -> int: draws one token from q, judges it, returns the first token emitted."""

    def step(p, q, dice):
        draft = torch.tensor([dice.roll(q)])
        return int(rule(draft, q[None], torch.stack([p, p]), dice)[0])

    return step


def drafts_by_argmax(p, q, dice):
    """The drafter takes its likeliest token, but is judged as if that had been drawn from q."""
    draft = q.argmax()[None]
    return int(token_rule()(draft, q[None], torch.stack([p, p]), dice)[0])


# What the picture of unit 04 shows beside the right rule: {name: step(p, q, dice) -> the first token}.
FAMOUS = {
    "coin upside down:\nmin(1, q/p)": one_token(token_rule(keep=inverted)),
    "correction drawn from p": one_token(token_rule(correct=from_p)),
    "correction from |p - q|": one_token(token_rule(correct=absolute)),
    "keeps only argmax p": one_token(token_rule(keep=is_argmax)),
    "drafts by argmax,\nreports softmax as q": drafts_by_argmax,
    "throws away drawn tokens\nwith q below 0.2": one_token(drops_the_unsure),
}


def warp_rule(temperature="divide", top_p="right", order="right", rows="apart", rescale=True, greedy=True):
    """A next_token_distribution that is wrong in one place; the arguments say where."""

    def normal(probs):
        return probs / probs.sum(-1, keepdim=True) if rescale else probs

    def heat(logits, t):
        dim = 0 if rows == "softmax over the first dimension" else -1
        return torch.softmax({"times": logits * t, "none": logits}.get(temperature, logits / t), dim)

    def keep_k(probs, k):
        if k is None:
            return probs
        if rows in ("together", "together in top_k"):
            kth = probs.flatten().topk(min(k, probs.numel())).values[-1]
        elif rows == "first dimension":
            kth = probs.topk(min(k, probs.shape[0]), dim=0).values[-1:]
        else:
            kth = probs.topk(min(k, probs.shape[-1]), dim=-1).values[..., -1:]
        kept = probs.masked_fill(probs < kth, 0)
        return kept if order == "not rescaled between" else normal(kept)

    def keep_p(probs, mass):
        if mass is None:
            return probs
        dim = 0 if rows == "first dimension" else -1
        flat = probs.flatten() if rows == "together" else probs
        ordered, places = flat.sort(dim=dim, descending=True, stable=True)
        reached = ordered.cumsum(dim)
        ahead = reached - ordered
        stays = {
            "drop": reached <= mass,
            "drop, but not the first": reached < mass,
            "each alone": ordered >= 1 - mass,
            "beside the largest": ordered >= (1 - mass) * ordered.amax(dim, keepdim=True),
            "more": ahead - ordered.roll(1, dim) < mass,
        }.get(top_p, ahead < mass)
        if top_p not in ("drop", "each alone"):
            stays = stays.index_fill(dim, torch.tensor([0]), True)
        if top_p == "mask in sorted order":
            return normal((flat * stays).reshape(probs.shape))
        if top_p.startswith("sorted"):
            return normal(ordered * stays)
        return normal((flat * torch.zeros_like(flat).scatter(dim, places, stays.to(flat))).reshape(probs.shape))

    def rule(logits, t, k=None, mass=None):
        if t == 0 and greedy:
            one_hot = torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits)
            sorts = top_p == "sorted, and at 0 too" and mass is not None
            return one_hot.sort(-1, descending=True).values if sorts else one_hot
        if order == "temperature last":
            return normal(keep_p(keep_k(torch.softmax(logits, -1), k), mass) ** (1 / t))
        if order == "filters first":
            cold = keep_p(keep_k(torch.softmax(logits, -1), k), mass)
            return heat(logits.masked_fill(cold == 0, -float("inf")), t)
        if order == "top_p first":
            return keep_k(keep_p(heat(logits, t), mass), k)
        probs = keep_p(keep_k(heat(logits, t), k), mass)
        return normal(probs) if order == "not rescaled between" else probs

    return rule
