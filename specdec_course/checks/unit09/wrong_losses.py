"""Wrong rules for the loss and for the step: a table (id, what the student reads, the rules that behave so).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

import math

import torch

from ...training.losses import check_kind, losses_of, mean_of
from .. import observe
from .loss import distillation_loss, pair_of_laws
from .step import setting, train_step


def loss_rule(losses=losses_of, reduce=mean_of, scales=(True, True), after=None, refuses=True, scale=torch.div):
    """A loss: losses(log_q, log_p, kind) of every position, reduced by reduce(losses, mask)."""

    def rule(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
        if refuses:
            check_kind(kind)
            if not temperature > 0 or student.shape != teacher.shape or (
                    mask is not None and mask.shape != student.shape[:-1]):
                raise ValueError("refused")
        logits = [scale(one, temperature) if scaled else one
                  for one, scaled in zip((student, teacher), scales, strict=True)]
        found = reduce(losses(*(one.log_softmax(-1) for one in logits), kind), mask)
        return after(found, temperature, kind) if after else found

    return rule


SWAP = {"forward_kl": "reverse_kl", "reverse_kl": "forward_kl"}


def _of_kind(name: str, other):
    """All kinds are right but one, which is other(log_q, log_p)."""
    return lambda log_q, log_p, kind: other(log_q, log_p) if kind == name else losses_of(log_q, log_p, kind)


def _of_kl(change):
    """change(weight, other) in place of both KL, in the right directions."""
    def losses(log_q, log_p, kind):
        if kind not in SWAP:
            return losses_of(log_q, log_p, kind)
        return change(*((log_p, log_q) if kind == "forward_kl" else (log_q, log_p)))

    return losses


def _kl_with(eps: float, where: str):
    """KL with a small number added, to the probabilities or to nothing but the divisor."""
    def change(weight, other):
        p, q = weight.exp(), other.exp()
        if where == "both":
            return (p * ((p + eps).log() - (q + eps).log())).sum(-1)
        if where == "clamped":
            return (p * (p.clamp(min=eps).log() - q.clamp(min=eps).log())).sum(-1)
        return (p * torch.log(p / (q + eps)).masked_fill(p == 0, 0.0)).sum(-1)

    return _of_kl(change)


def _finite(weight, other):
    """Terms where the other law is 0 are left out."""
    return (weight.exp() * torch.where((weight.exp() > 0) & (other.exp() > 0), weight - other, 0.0)).sum(-1)


def _log_p(log_q, log_p):
    return -torch.where(log_p.exp() > 0, log_p.exp() * log_q, 0.0).sum(-1)


def _at(pick):
    return lambda log_q, log_p: -log_q.gather(-1, pick(log_q, log_p)[..., None])[..., 0]


def _masked(reduce):
    """A reduction of the losses where the mask is; everything is masked in if there is none."""
    return lambda losses, mask: reduce(losses, torch.ones_like(losses, dtype=torch.bool) if mask is None else mask)


def _keep(losses, mask):
    return torch.where(mask, losses, 0.0)


_squared = lambda found, temperature, kind: found * temperature**2  # noqa: E731
_squared_kl = lambda found, temperature, kind: found * (temperature**2 if kind in SWAP else 1)  # noqa: E731

LOSSES = (
    ("direction", "Your two KL are exchanged: forward_kl is KL(p || q), with the target's p in front of the logarithm "
     "and as its weight. (F.kl_div(input, target) is KL(target || input), with the target *second*.)",
     ({"losses": lambda log_q, log_p, kind: losses_of(log_q, log_p, SWAP.get(kind, kind))},)),
    ("same_kl", "Your two KL are the same. KL is not symmetrical: reverse_kl exchanges p and q.",
     tuple({"losses": lambda a, b, kind, only=only: losses_of(a, b, only if kind in SWAP else kind)}
           for only in SWAP)),
    ("tv_doubled", "Your tv is twice the total variation distance: the sum of |p - q| counts every piece that was "
     "moved where it left and where it came to.",
     ({"losses": _of_kind("tv", lambda a, b: (a.exp() - b.exp()).abs().sum(-1))},)),
    ("tv_of_one_token", "Your tv is the largest difference of a single token. It is the sum over the vocabulary.",
     ({"losses": _of_kind("tv", lambda a, b: (a.exp() - b.exp()).abs().amax(-1))},)),
    ("tv_squared", "Your tv squares the differences.",
     ({"losses": _of_kind("tv", lambda a, b: (a.exp() - b.exp()).square().sum(-1))},
      {"losses": _of_kind("tv", lambda a, b: 0.5 * (a.exp() - b.exp()).square().sum(-1))})),
    ("acceptance", "Your tv is the acceptance, the sum of min(p, q). The loss is what is missing to 1: it has to fall.",
     ({"losses": _of_kind("tv", lambda a, b: torch.minimum(a.exp(), b.exp()).sum(-1))},)),
    ("entropy_left", "Your forward_kl is the cross-entropy -sum p log q. KL is that less the entropy of p, which makes "
     "it 0 where both laws are equal.",
     ({"losses": _of_kind("forward_kl", _log_p)},)),
    ("soft_cross_entropy", "Your cross_entropy weighs all tokens with p. Asked for is -log q of one: the "
     "target's likeliest.", ({"losses": _of_kind("cross_entropy", _log_p)},)),
    ("own_likeliest", "Your cross_entropy looks at the draft's own likeliest token. The target's is what it should "
     "say.",
     ({"losses": _of_kind("cross_entropy", _at(lambda a, b: a.argmax(-1)))},
      {"losses": _of_kind("cross_entropy", lambda a, b: -b.gather(-1, a.argmax(-1, keepdim=True))[..., 0])})),
    ("exchanged_entropy", "Your cross_entropy is -log p of a token. It is the draft that learns: -log q.",
     ({"losses": _of_kind("cross_entropy", lambda a, b: -b.amax(-1))},)),
    ("last_of_tied", "Of several likeliest tokens of the target your cross_entropy takes another than the first.",
     ({"losses": _of_kind("cross_entropy", _at(lambda a, b: b.shape[-1] - 1 - b.flip(-1).argmax(-1)))},)),
    ("no_logarithm", "One of the two laws is no logarithm where one is needed: F.kl_div takes log q as its first "
     "argument (and p, or log p with log_target=True).",
     ({"losses": _of_kl(lambda w, o: (w.exp() * torch.where(w.exp() > 0, w - o.exp(), 0.0)).sum(-1))},
      {"losses": _of_kl(lambda w, o: (w.exp() * (w.exp() - o)).sum(-1))})),
    ("mean_over_tokens", "You take the mean over the vocabulary. The loss of a position is the sum over its tokens: "
     "with a mean it would be V times smaller, for larger vocabularies more so.",
     ({"after": "tokens"}, {"after": "tokens of kl"})),
    ("sum_over_positions", "You add the losses of the positions. Their mean does not grow with the length of the text.",
     ({"reduce": _masked(lambda losses, mask: _keep(losses, mask).sum())},)),
    ("over_all", "You add what counts, and divide by the number of *all* positions. The more padding, the smaller "
     "would be the loss: divide by mask.sum().",
     ({"reduce": _masked(lambda losses, mask: _keep(losses, mask).mean())},
      {"reduce": _masked(lambda losses, mask: (losses * mask).mean())})),
    ("over_rows", "You divide by the number of rows of the first dimension (reduction=\"batchmean\" does). The mean is "
     "over all positions that count.",
     ({"reduce": _masked(lambda losses, mask: _keep(losses, mask).sum() / len(losses))},
      {"reduce": _masked(lambda losses, mask: losses[mask].sum() / max(1, len(losses)))})),
    ("mean_of_rows", "You take the mean of every row first, and then the mean of these. A row with few positions that "
     "count weighs as much then as one with many: add all of them, and divide once.",
     ({"reduce": _masked(lambda losses, mask: (_keep(losses, mask).sum(-1) / mask.sum(-1).clamp(min=1)).mean())},)),
    ("mask_ignored", "The mask does not reach your loss: prompt and padding count.",
     ({"reduce": lambda losses, mask: losses.mean()},)),
    ("mask_inverted", "Your mask is turned round: True is where a position counts.",
     ({"reduce": lambda losses, mask: mean_of(losses, None if mask is None else ~mask)},
      {"reduce": lambda losses, mask: mean_of(losses, None if mask is None or mask.all() else ~mask)})),
    ("mask_multiplied", "You multiply the losses by the mask. Infinity times 0 is NaN: choose with torch.where(mask, "
     "losses, 0.0), or by losses[mask].",
     ({"reduce": _masked(lambda losses, mask: (losses * mask).sum() / mask.sum().clamp(min=1))},)),
    ("t_squared", "You multiply by the square of the temperature, as Hinton et al. 2015 do to keep gradients of one "
     "size. Here the loss is that of the two laws, without another factor.",
     ({"after": _squared}, {"after": _squared_kl})),
    ("temperature_of_one", "Only one of the two is divided by the temperature. Both laws are taken at it.",
     ({"scales": (True, False)}, {"scales": (False, True)})),
    ("temperature_ignored", "The temperature does not reach your laws: divide the logits of both by it.",
     ({"scales": (False, False)},)),
    ("temperature_times", "You multiply by the temperature. Logits are divided by it.", ({"scale": torch.mul},)),
    ("epsilon", "You add a small number to the probabilities, or hold them above one, to keep away from log 0. Then a "
     "loss that is infinite comes out finite, and every other one is a little off: work with log_softmax, and leave "
     "out the terms whose weight is 0 with torch.where.",
     tuple({"losses": _kl_with(eps, where)} for eps in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-20, 1e-30)
           for where in ("both", "clamped", "divisor"))),
    ("infinite_left_out", "You leave out tokens that the other law cannot say although they have weight: the loss is "
     "infinite there. Only a *weight* of 0 makes a term 0.", ({"losses": _of_kl(_finite)},)),
    ("base_two", "Your logarithm is of base 2: that gives bits. Nats are asked for, torch.log.",
     ({"after": lambda found, t, kind: found / math.log(2) if kind != "tv" else found},
      {"after": lambda found, t, kind: found / math.log(2) if kind in SWAP else found})),
    ("negative", "The sign of your loss is turned round: a perfect draft has the smallest loss, 0.",
     ({"after": lambda found, t, kind: -found},)),
)


def _per_token(kinds):
    """The loss divided by V, for these kinds."""
    def rule(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
        return loss_rule()(student, teacher, mask, kind, temperature) / (student.shape[-1] if kind in kinds else 1)

    return rule


def _rules(options):
    if options.get("after") in ("tokens", "tokens of kl"):
        return (_per_token(("tv", *SWAP) if options["after"] == "tokens" else tuple(SWAP)),)
    return tuple(loss_rule(**options, refuses=refuses) for refuses in (True, False))


for _id, _message, _options in LOSSES:
    distillation_loss.mistake(_id, _message, imitate=tuple(rule for one in _options for rule in _rules(one)))
for _id, _message in (
    ("zero_times_infinity", "0 times infinity is NaN, and so is infinity less infinity: where a weight is 0, the term "
     "counts as 0. Choose with torch.where(p > 0, log_p - log_q, 0.0) *before* you multiply."),
    ("empty_mask", "Where no position counts, you divide by 0. Say mask.sum().clamp(min=1)."),
    ("no_mean", "You return a loss for every position. What a step needs is one number: their mean."),
    ("no_gradient", "Nothing can be learned from this loss: it has lost its way back to the draft's logits. Return the "
     "tensor that was calculated from `student`, without .item(), float(), .detach() or torch.no_grad() on the way."),
):
    distillation_loss.mistake(_id, _message)
distillation_loss.mistake("own_randomness", observe.UNSTEADY, observe=observe.unsteady(
    lambda rng: (*pair_of_laws(rng, (3, 5)), None, "forward_kl", 1.0)))
distillation_loss.help(r"indices should be|index tensor|mask.*shape|size of tensor", "The mask has one entry for every "
                       "position, the logits have V more: sum over the vocabulary first.")


# ----------------------------------------------------------------------------------------------------- train_step


def step_rule(loss=loss_rule(), move=None, clip=None, told=None, teach=None):
    """A step whose gradient is changed by clip(gradient, limit), whose weight goes by move(weight, gradient, rate)."""

    def rule(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip_to=1.0):
        with torch.enable_grad():
            own = weight.detach().clone().requires_grad_()
            found = loss(features @ own.T, teacher, mask, kind, temperature)
            gradient = torch.autograd.grad(found, own)[0]
        norm = float(gradient.norm())
        usual = gradient * min(1.0, clip_to / norm) if norm > 0 else gradient
        gradient = clip(gradient, clip_to, rate) if clip else usual
        new = move(weight, gradient, rate) if move else weight - rate * gradient
        return new, told(new, found, features, teacher, mask, kind, temperature) if told else found.item()

    return rule


def _length(norm_of):
    """Clipping by another length of the gradient."""
    return lambda g, limit, rate: g * min(1.0, limit / max(1e-30, float(norm_of(g))))


def _loss_after(new, found, features, teacher, mask, kind, temperature):
    return float(loss_rule()(features @ new.T, teacher, mask, kind, temperature))


def _only(**fixed):
    """A loss that ignores some of what it is given."""
    def loss(student, teacher, mask, kind, temperature):
        given = {"mask": mask, "kind": kind, "temperature": temperature} | fixed
        return loss_rule()(student, teacher, **given)

    return loss


for _id, _message, _options in (
    ("uphill", "Your step goes the wrong way. The gradient points to where the loss grows: subtract it.",
     ({"move": lambda w, g, rate: w + rate * g},)),
    ("gradient_returned", "You return the gradient. Asked for is the weight after the step.",
     ({"move": lambda w, g, rate: g}, {"move": lambda w, g, rate: -rate * g}, {"move": lambda w, g, rate: rate * g})),
    ("no_step", "Your weight comes back as it was: the step is missing, or it changed a copy.",
     ({"move": lambda w, g, rate: w},)),
    ("rate_ignored", "The rate does not reach your step.", ({"move": lambda w, g, rate: w - g},)),
    ("clip_ignored", "Your gradient is not clipped: where its norm is above `clip`, scale all of it down.",
     ({"clip": lambda g, limit, rate: g},)),
    ("clips_numbers", "You clip every number of the gradient by itself. That turns its direction: scale all of it by "
     "one factor, clip / norm.", ({"clip": lambda g, limit, rate: g.clamp(-limit, limit)},)),
    ("clips_always", "You bring every gradient to the length `clip`, short ones too. Only one that is longer is "
     "scaled.",
     ({"clip": lambda g, limit, rate: g * limit / max(1e-30, float(g.norm()))},)),
    ("clips_the_step", "You clip the step, rate times gradient. What is compared with `clip` is the gradient.",
     ({"clip": lambda g, limit, rate: g * min(1.0, limit / max(1e-30, rate * float(g.norm())))},)),
    ("another_norm", "You compare something else than the norm of the whole gradient with `clip`: the root of the sum "
     "of the squares of all its numbers. (torch.linalg.norm(g, 2) of a matrix is its largest singular value.)",
     ({"clip": _length(lambda g: g.abs().max())}, {"clip": _length(lambda g: g.abs().sum())},
      {"clip": _length(lambda g: g.square().sum())}, {"clip": _length(lambda g: g.square().mean().sqrt())},
      {"clip": _length(lambda g: torch.linalg.matrix_norm(g, 2))},
      {"clip": lambda g, limit, rate: g * (limit / g.norm(dim=-1, keepdim=True).clamp(min=1e-30)).clamp(max=1.0)})),
    ("loss_after", "You return the loss after the step. What is asked for is the one that the gradient belongs to.",
     ({"told": _loss_after},)),
    ("mask_ignored", "The mask does not reach your loss: all positions teach.", ({"loss": _only(mask=None)},)),
    ("kind_ignored", "The kind does not reach your loss.", ({"loss": _only(kind="forward_kl")},)),
    ("temperature_ignored", "The temperature does not reach your loss.", ({"loss": _only(temperature=1.0)},)),
    ("sum_over_positions", "You descend along the sum over the positions. The loss is their mean.",
     ({"loss": loss_rule(reduce=_masked(lambda losses, mask: _keep(losses, mask).sum()))},)),
    ("exchanged", "Draft and target are exchanged where you call distillation_loss: the draft's logits come first.",
     ({"loss": lambda s, t, mask, kind, temperature: loss_rule()(t, s, mask, kind, temperature)},)),
):
    train_step.mistake(_id, _message, imitate=tuple(step_rule(**one) for one in _options))
train_step.mistake("no_pair", "Return two things, the new weight and the loss: `return weight, loss`.")
train_step.mistake(
    "gradient_left", "The same step, asked for twice, gives two answers: something is left of the one before, such as "
    "a gradient that was not set to zero or an optimizer that lives on.", observe=observe.unsteady(
        lambda rng: (*setting(rng), "forward_kl", 1.0, 0.5, 1e6)))
train_step.help(r"does not require grad|no grad_fn", "There is nothing to go back along: `weight` has to be watched "
                "(`.requires_grad_()`) before features @ weight.T, and the loss has to stay a tensor (no .item(), no "
                "float) until after backward().")
train_step.help(r"leaf Variable|in-place operation", "Work on a copy of your own, weight.detach().clone(), and change "
                "it only under torch.no_grad().")
train_step.help(r"shapes cannot be multiplied|mat1 and mat2", "features is [N, d] and weight [V, d]: features @ "
                "weight.T.")
train_step.help(r"NoneType", "`.grad` is None until backward() was called, and only a leaf has one: the tensor that "
                "you called requires_grad_() on, not what was calculated from it.")
