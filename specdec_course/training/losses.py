"""How far a draft's law q is from the target's law p: the losses of distillation, as functions of logits or laws.

Knows: probabilities. Does not know: models, text, files. A draft is accepted with probability sum(min(p, q)) = 1 - TV
(Leviathan et al. 2023), so "tv" is what speculation pays for; the others are easier to learn from. Which of them does
best depends on the pair (Zhou et al. 2024, "DistillSpec").
"""

from __future__ import annotations

import torch

from ..common.nearest import did_you_mean

KINDS = ("forward_kl", "reverse_kl", "tv", "cross_entropy")


def distillation_loss(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    """How far the draft's law q is from the target's law p: the mean over the positions that count.

    q = softmax(student / temperature) and p = softmax(teacher / temperature). The loss of one position is, by kind:

    forward_kl: KL(p || q), the sum over x of p(x) log(p(x) / q(x)), in nats. It has q cover all that p may say.
    reverse_kl: KL(q || p), the same with p and q exchanged. It keeps q where p is large.
    tv: 1 - the sum of min(p(x), q(x)): the chance that a token of q is rejected.
    cross_entropy: -log q(x) of the target's likeliest token x (the first, on a tie).

    A logit may be -inf: that token has probability 0. In both KL a term whose weight (the factor before the logarithm)
    is 0 counts as 0; where the weight is above 0 and the other law is 0, the loss is infinite, and so is the
    cross-entropy of a token that q cannot say.

    Args:
        student, teacher: logits FloatTensor [..., V] of draft and target. No gradient flows into the teacher.
        mask: BoolTensor [...], True where a position counts; None: all do. What stands at the others does not matter,
            not even where their loss would be infinite. If none counts, the loss is 0.
        kind: one of the four above. temperature: > 0, divides the logits of both; there is no factor beside that.

    Returns:
        FloatTensor, a scalar, from which gradients flow into the student.

    Raises ValueError for another kind, a temperature that is not positive, and shapes that do not fit.
    """
    if student.shape != teacher.shape or mask is not None and mask.shape != student.shape[:-1]:
        shapes = [list(x.shape) for x in (student, teacher, mask) if x is not None]
        raise ValueError(f"student, teacher and mask have shapes {shapes}; expected [..., V] twice and [...]")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; expected a number above 0")
    log_q = (student / temperature).log_softmax(-1)
    log_p = (teacher.detach() / temperature).log_softmax(-1)
    return mean_of(losses_of(log_q, log_p, kind), mask)


def losses_of(log_q, log_p, kind: str) -> torch.Tensor:
    """The loss at every position: log-probabilities FloatTensor [..., V] twice -> FloatTensor [...].

    forward_kl: KL(p || q), which has q cover all that p may say. reverse_kl: KL(q || p), which keeps q where p is
    large. tv: 1 - sum(min(p, q)), the chance that a token of q is rejected. cross_entropy: -log q of p's likeliest
    token.

    p may be the part of a law that q can say at all (a trimmed head): it then sums to less than 1. "tv" stays exact;
    "forward_kl" then is lowest at p scaled to sum to 1. ValueError for another kind.
    """
    check_kind(kind)
    if kind == "cross_entropy":
        return -log_q.gather(-1, log_p.argmax(-1, keepdim=True))[..., 0]
    if kind == "tv":
        return 1 - torch.minimum(log_p.exp(), log_q.exp()).sum(-1)
    weight, other = (log_p, log_q) if kind == "forward_kl" else (log_q, log_p)
    probs = weight.exp()
    return (probs * torch.where(probs > 0, weight - other, 0.0)).sum(-1)


def check_kind(kind: str) -> None:
    """ValueError unless `kind` is one of KINDS."""
    if kind not in KINDS:
        raise ValueError(f"unknown loss {kind!r}." + did_you_mean(kind, KINDS))


def mean_of(losses, mask=None) -> torch.Tensor:
    """The mean of losses FloatTensor [...] where mask is True; 0 if it is nowhere."""
    if mask is None:
        return losses.mean()
    return torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1)
