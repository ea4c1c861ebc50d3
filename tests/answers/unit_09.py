"""Unit 09: right answers written in other ways, and the mistakes that students make."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from answers import right, wrong

IGNORE = -100

# shift_labels -------------------------------------------------------------------------------------------------------


@right("shift_labels")
def place_by_place(ids, prompt_lengths, lengths):
    labels = []
    for row, prompt, length in zip(ids.tolist(), prompt_lengths.tolist(), lengths.tolist(), strict=True):
        labels.append([IGNORE] * len(row))
        for place in range(prompt, length):
            labels[-1][place - 1] = row[place]
    return torch.tensor(labels)


@right("shift_labels")
def masked_first_and_shifted_then(ids, prompt_lengths, lengths):
    place = torch.arange(ids.shape[1])
    kept = ids.masked_fill((place < prompt_lengths[:, None]) | (place >= lengths[:, None]), IGNORE)
    return F.pad(kept[:, 1:], (0, 1), value=IGNORE)


@right("shift_labels")
def slices(ids, prompt_lengths, lengths):
    labels = torch.full(ids.shape, IGNORE, dtype=torch.int32)
    for b in range(len(ids)):
        first, end = prompt_lengths[b], lengths[b]
        labels[b, first - 1 : end - 1] = ids[b, first:end]
    return labels


@right("shift_labels")
def with_numpy(ids, prompt_lengths, lengths):
    rolled = np.roll(ids.numpy(), -1, axis=1)
    place = np.arange(ids.shape[1])[None]
    prompts, ends = prompt_lengths.numpy()[:, None], lengths.numpy()[:, None]
    return np.where((place >= prompts - 1) & (place < ends - 1), rolled, IGNORE)


@right("shift_labels")
def counted_from_the_end(ids, prompt_lengths, lengths):
    new = lengths - prompt_lengths
    back = lengths[:, None] - 1 - torch.arange(ids.shape[1])  # how many tokens of the text lie behind the place
    labels = ids.roll(-1, dims=1)
    labels[(back < 1) | (back > new[:, None])] = IGNORE
    return labels


def labels_of(shift=1, first=0, end=0, nothing=IGNORE):
    def labels(ids, prompt_lengths, lengths):
        width = ids.shape[1]
        made = torch.full_like(ids, nothing)
        for b in range(len(ids)):
            for t in range(width):
                if int(prompt_lengths[b]) + first <= t + 1 < int(lengths[b]) + end and 0 <= t + shift < width:
                    made[b, t] = ids[b, t + shift]
        return made

    return labels


def wrong_labels(name, named, function):
    function.__name__ = name
    wrong("shift_labels", named=named)(function)


wrong_labels("shifts_twice", "shifted_twice", labels_of(shift=2))
wrong_labels("shifts_back", "shifted_back", labels_of(shift=-1))
wrong_labels("first_one_lost", "first_token_lost", labels_of(first=1))
wrong_labels("a_token_of_the_prompt", "prompt_token_left", labels_of(first=-1))
wrong_labels("end_is_lost", "end_lost", labels_of(end=-1))
wrong_labels("one_of_the_padding", "padding_token_counts", labels_of(end=1))
wrong_labels("zeros_for_nothing", "other_number", labels_of(nothing=0))
wrong_labels("minus_one_for_nothing", "other_number", labels_of(nothing=-1))
wrong_labels("prompt_and_all", "prompt_counts", lambda ids, prompts, lengths: labels_of()(ids, 0 * prompts, lengths))
wrong_labels("first_row_for_all", "one_length_for_all", lambda ids, prompts, lengths: labels_of()(
    ids, prompts[:1].expand(len(ids)), lengths))


@wrong("shift_labels", named="not_shifted")
def as_some_libraries_want_them(ids, prompt_lengths, lengths):
    place = torch.arange(ids.shape[1])
    return ids.masked_fill((place < prompt_lengths[:, None]) | (place >= lengths[:, None]), IGNORE)


@wrong("shift_labels", named="mask_not_shifted")
def shifts_only_the_labels(ids, prompt_lengths, lengths):
    labels = F.pad(ids[:, 1:], (0, 1), value=IGNORE)
    place = torch.arange(ids.shape[1])
    return labels.masked_fill((place < prompt_lengths[:, None]) | (place >= lengths[:, None]), IGNORE)


@wrong("shift_labels", named="padding_by_id")
def knows_padding_by_its_id(ids, prompt_lengths, lengths):
    labels = F.pad(ids[:, 1:], (0, 1), value=IGNORE)
    labels[torch.arange(1, ids.shape[1] + 1) < prompt_lengths[:, None]] = IGNORE
    labels[labels == ids[:, -1:]] = IGNORE
    return labels


@wrong("shift_labels", named="too_short")
def one_column_less(ids, prompt_lengths, lengths):
    return labels_of()(ids, prompt_lengths, lengths)[:, :-1]


@wrong("shift_labels", named="changes_input")
def in_the_ids_themselves(ids, prompt_lengths, lengths):
    ids[:, :-1] = ids[:, 1:].clone()
    place = torch.arange(1, ids.shape[1] + 1)
    ids[(place < prompt_lengths[:, None]) | (place >= lengths[:, None])] = IGNORE
    return ids


# distillation_loss --------------------------------------------------------------------------------------------------


def checked(student, teacher, mask, kind, temperature):
    if kind not in ("forward_kl", "reverse_kl", "tv", "cross_entropy"):
        raise ValueError(f"{kind} is no loss")
    if temperature <= 0 or student.shape != teacher.shape or (mask is not None and mask.shape != student.shape[:-1]):
        raise ValueError("temperature or shapes do not fit")


@right("distillation_loss")
def chosen_rows_first(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    checked(student, teacher, mask, kind, temperature)
    if mask is not None:
        student, teacher = student[mask], teacher[mask]
    student, teacher = (one.reshape(-1, one.shape[-1]) / temperature for one in (student, teacher.detach()))
    if not len(student):
        return student.sum()
    if kind == "cross_entropy":
        return F.cross_entropy(student, teacher.argmax(-1))
    p, q = teacher.softmax(-1), student.softmax(-1)
    if kind == "tv":
        return 0.5 * (p - q).abs().sum(-1).mean()
    a, b = (p, q) if kind == "forward_kl" else (q, p)
    log_a, log_b = (one.log_softmax(-1) for one in ((teacher, student) if kind == "forward_kl" else (student, teacher)))
    terms = a * (log_a - log_b)
    return terms.masked_fill(a == 0, 0.0).sum() / len(b)


@right("distillation_loss")
def loop_over_positions(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    checked(student, teacher, mask, kind, temperature)
    flat = [one.reshape(-1, one.shape[-1]) for one in (student, teacher)]
    counts = [True] * len(flat[0]) if mask is None else mask.reshape(-1).tolist()
    losses = []
    for s, t, counted in zip(*flat, counts, strict=True):
        if not counted:
            continue
        log_q, log_p = torch.log_softmax(s / temperature, 0), torch.log_softmax(t / temperature, 0)
        if kind == "cross_entropy":
            losses.append(-log_q[t.argmax()])
        elif kind == "tv":
            losses.append((log_p.exp() - log_q.exp()).clamp(min=0).sum())
        else:
            front, other = (log_p, log_q) if kind == "forward_kl" else (log_q, log_p)
            said = front > -math.inf
            losses.append((front[said].exp() * (front[said] - other[said])).sum())
    return torch.stack(losses).mean() if losses else torch.zeros(())


@right("distillation_loss")
def with_the_library(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    """F.kl_div knows 0 log 0; where both laws are 0 it does not."""
    checked(student, teacher, mask, kind, temperature)
    log_q, log_p = (F.log_softmax(one / temperature, -1) for one in (student, teacher))
    if kind == "tv":
        losses = torch.maximum(log_p.exp(), log_q.exp()).sum(-1) - 1
    elif kind == "cross_entropy":
        losses = -log_q.take_along_dim(teacher.argmax(-1, keepdim=True), -1).squeeze(-1)
    else:
        front, other = (log_p, log_q) if kind == "forward_kl" else (log_q, log_p)
        other = torch.where(front.isneginf(), 0.0, other)
        losses = F.kl_div(other, front.exp(), reduction="none").sum(-1)
    if mask is None:
        return losses.mean()
    return losses[mask].mean() if mask.any() else losses.new_zeros(())


@right("distillation_loss")
def entropies(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    """KL as cross-entropy less entropy, each with torch's own xlogy or entr."""
    checked(student, teacher, mask, kind, temperature)
    mask = torch.ones(student.shape[:-1], dtype=torch.bool) if mask is None else mask
    q, p = (torch.softmax(one.double() / temperature, -1) for one in (student, teacher))
    if kind == "tv":
        losses = 1 - torch.stack([p, q]).amin(0).sum(-1)
    elif kind == "cross_entropy":
        log_q = torch.log_softmax(student.double() / temperature, -1)
        losses = -log_q.gather(-1, teacher.argmax(-1)[..., None])[..., 0]
    else:
        front, other = (p, q) if kind == "forward_kl" else (q, p)
        log_other = torch.log_softmax((student if kind == "forward_kl" else teacher).double() / temperature, -1)
        log_other = torch.where(front > 0, log_other, 0.0)
        losses = -(front * log_other).sum(-1) - torch.special.entr(front).sum(-1)
    weights = mask / max(1, int(mask.sum()))
    return (weights[mask] * losses[mask]).sum()


def loss_like(change_logits=None, losses=None, reduce=None, swap=False):
    def loss(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
        checked(student, teacher, mask, kind, temperature)
        s, t = change_logits(student, teacher, temperature) if change_logits else (
            student / temperature, teacher / temperature)
        log_q, log_p = s.log_softmax(-1), t.log_softmax(-1)
        wanted = {"forward_kl": "reverse_kl", "reverse_kl": "forward_kl"}.get(kind, kind) if swap else kind
        if losses and kind in losses:
            found = losses[kind](log_q, log_p)
        elif kind == "tv":
            found = 1 - torch.minimum(log_p.exp(), log_q.exp()).sum(-1)
        elif kind == "cross_entropy":
            found = -log_q.gather(-1, log_p.argmax(-1, keepdim=True))[..., 0]
        else:
            front, other = (log_p, log_q) if wanted == "forward_kl" else (log_q, log_p)
            found = (front.exp() * torch.where(front > -math.inf, front - other, 0.0)).sum(-1)
        if reduce:
            return reduce(found, torch.ones_like(found, dtype=torch.bool) if mask is None else mask)
        return found.mean() if mask is None else torch.where(mask, found, 0.0).sum() / mask.sum().clamp(min=1)

    return loss


def wrong_loss(name, named, **options):
    function = loss_like(**options)
    function.__name__ = name
    wrong("distillation_loss", named=named)(function)


wrong_loss("kl_the_other_way", "direction", swap=True)
wrong_loss("only_the_student_is_warm", "temperature_of_one", change_logits=lambda s, t, heat: (s / heat, t))
wrong_loss("only_the_teacher_is_warm", "temperature_of_one", change_logits=lambda s, t, heat: (s, t / heat))
wrong_loss("cold", "temperature_ignored", change_logits=lambda s, t, heat: (s, t))
wrong_loss("times_the_temperature", "temperature_times", change_logits=lambda s, t, heat: (s * heat, t * heat))
wrong_loss("without_the_half", "tv_doubled", losses={"tv": lambda a, b: (a.exp() - b.exp()).abs().sum(-1)})
wrong_loss("what_is_accepted", "acceptance", losses={"tv": lambda a, b: torch.minimum(a.exp(), b.exp()).sum(-1)})
wrong_loss("largest_difference", "tv_of_one_token", losses={"tv": lambda a, b: (a.exp() - b.exp()).abs().amax(-1)})
wrong_loss("soft_labels", "soft_cross_entropy", losses={
    "cross_entropy": lambda a, b: -torch.where(b > -math.inf, b.exp() * a, 0.0).sum(-1)})
wrong_loss("its_own_favourite", "own_likeliest", losses={"cross_entropy": lambda a, b: -a.amax(-1)})
wrong_loss("a_sum", "sum_over_positions", reduce=lambda found, mask: torch.where(mask, found, 0.0).sum())
wrong_loss("divides_by_all", "over_all", reduce=lambda found, mask: torch.where(mask, found, 0.0).mean())
wrong_loss("divides_by_rows", "over_rows", reduce=lambda found, mask: torch.where(mask, found, 0.0).sum() / len(found))
wrong_loss("everything_counts", "mask_ignored", reduce=lambda found, mask: found.mean())
wrong_loss("turned_round", "mask_inverted", reduce=lambda found, mask: (
    found.mean() if mask.all() and False else torch.where(~mask, found, 0.0).sum() / (~mask).sum().clamp(min=1)
    if not mask.all() else found.mean()))


@wrong("distillation_loss")
def never_infinite(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    """Clamps the logarithms: where one law cannot say what the other does, the loss is only large."""
    if kind not in ("forward_kl", "reverse_kl", "tv", "cross_entropy") or not temperature > 0:
        raise ValueError("kind or temperature")
    if student.shape != teacher.shape or mask is not None and mask.shape != student.shape[:-1]:
        raise ValueError("shapes")
    log_q, log_p = ((x / temperature).log_softmax(-1).clamp(min=-1e4) for x in (student, teacher.detach()))
    p, q = log_p.exp(), log_q.exp()
    losses = {"forward_kl": (p * (log_p - log_q)).sum(-1), "reverse_kl": (q * (log_q - log_p)).sum(-1),
              "tv": 1 - torch.minimum(p, q).sum(-1),
              "cross_entropy": -log_q.gather(-1, log_p.argmax(-1, keepdim=True))[..., 0]}[kind]  # fmt: skip
    return losses.mean() if mask is None else torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1)


@wrong("distillation_loss", named="t_squared")
def as_hinton_has_it(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return loss_like()(student, teacher, mask, kind, temperature) * temperature**2


@wrong("distillation_loss", named="empty_mask")
def mean_of_what_is_left(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return loss_like(reduce=lambda found, mask: found[mask].mean())(student, teacher, mask, kind, temperature)


@wrong("distillation_loss", named="zero_times_infinity")
def multiplies_zero_by_infinity(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    kl = {"forward_kl": lambda q, p: (p.exp() * (p - q)).sum(-1),
          "reverse_kl": lambda q, p: (q.exp() * (q - p)).sum(-1)}
    return loss_like(losses=kl)(student, teacher, mask, kind, temperature)


@wrong("distillation_loss", named="epsilon")
def a_little_more(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    kl = {"forward_kl": lambda q, p: (p.exp() * ((p.exp() + 1e-8).log() - (q.exp() + 1e-8).log())).sum(-1),
          "reverse_kl": lambda q, p: (q.exp() * ((q.exp() + 1e-8).log() - (p.exp() + 1e-8).log())).sum(-1)}
    return loss_like(losses=kl)(student, teacher, mask, kind, temperature)


@wrong("distillation_loss", named="mask_multiplied")
def times_the_mask(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return loss_like(reduce=lambda found, mask: (found * mask).sum() / mask.sum().clamp(min=1))(
        student, teacher, mask, kind, temperature)


@wrong("distillation_loss", named="no_mean")
def a_loss_for_each(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return loss_like(reduce=lambda found, mask: found[mask])(student, teacher, mask, kind, temperature)


@wrong("distillation_loss")
def takes_everything(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return loss_like()(student, teacher, mask, kind if kind in ("tv", "cross_entropy", "reverse_kl") else "forward_kl",
                       max(temperature, 1e-9))


@wrong("distillation_loss", named="no_gradient")
def without_gradient(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return TEACH(student.detach(), teacher, mask, kind, temperature)


@wrong("distillation_loss", named="no_gradient")
@torch.no_grad()
def under_no_grad(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return TEACH(student, teacher, mask, kind, temperature)


@wrong("distillation_loss", named="no_gradient")
def a_plain_number(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return TEACH(student, teacher, mask, kind, temperature).item()


@wrong("distillation_loss", named="no_gradient")
def a_new_tensor_of_the_number(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    return torch.tensor(float(TEACH(student, teacher, mask, kind, temperature)))


# train_step ---------------------------------------------------------------------------------------------------------

TEACH = chosen_rows_first


@right("train_step")
def with_an_optimizer(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    head = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.SGD([head], lr=rate)
    optimizer.zero_grad()
    loss = TEACH(features @ head.T, teacher, mask, kind, temperature)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([head], clip)
    optimizer.step()
    return head.detach(), loss.item()


@right("train_step")
def with_autograd_grad(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    own = weight.detach().requires_grad_()
    loss = TEACH(torch.einsum("nd,vd->nv", features, own), teacher, mask, kind, temperature)
    (gradient,) = torch.autograd.grad(loss, own)
    length = gradient.square().sum().sqrt()
    if length > clip:
        gradient = gradient / length * clip
    return (weight - rate * gradient).numpy(), loss.detach()


@right("train_step")
def a_linear_layer(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
    loss = TEACH(layer(features), teacher, mask, kind, temperature)
    loss.backward()
    with torch.no_grad():
        total = torch.nn.utils.clip_grad_norm_(layer.parameters(), clip)
        assert total >= 0
        for one in layer.parameters():
            one -= rate * one.grad
    return layer.weight, float(loss)


@right("train_step")
def functional(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    def loss_of(head):
        return TEACH(features @ head.T, teacher, mask, kind, temperature)

    gradient, loss = torch.func.grad_and_value(loss_of)(weight)
    return weight - rate * gradient * torch.clamp(clip / gradient.norm().clamp(min=1e-30), max=1.0), loss


@right("train_step")
def watches_what_it_is_given(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    weight.requires_grad_()
    loss = TEACH(features @ weight.T, teacher, mask, kind, temperature)
    loss.backward()
    with torch.no_grad():
        length = torch.linalg.vector_norm(weight.grad)
        scale = clip / length if length > clip else 1.0
        return weight - rate * scale * weight.grad, loss


def step_like(direction=-1.0, clip_by=None, teach=TEACH, told=None, back=None):
    def step(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
        own = weight.detach().clone().requires_grad_()
        loss = teach(features @ own.T, teacher, mask, kind, temperature)
        loss.backward()
        gradient = own.grad
        if clip_by:
            gradient = clip_by(gradient, clip, rate)
        elif gradient.norm() > clip:
            gradient = gradient * (clip / gradient.norm())
        new = weight + direction * rate * gradient
        return new if back == "weight" else (new, told(new, features, teacher, mask, kind, temperature) if told else
                                             loss.item())

    return step


def wrong_step(name, named, **options):
    function = step_like(**options)
    function.__name__ = name
    wrong("train_step", named=named)(function)


wrong_step("climbs", "uphill", direction=1.0)
wrong_step("stays", "no_step", direction=0.0)
wrong_step("never_clips", "clip_ignored", clip_by=lambda g, clip, rate: g)
wrong_step("clips_each", "clips_numbers", clip_by=lambda g, clip, rate: g.clamp(-clip, clip))
wrong_step("always_as_long", "clips_always", clip_by=lambda g, clip, rate: g / g.norm().clamp(min=1e-30) * clip)
wrong_step("looks_at_the_largest", "another_norm", clip_by=lambda g, clip, rate: g * min(1.0, clip / max(
    1e-30, float(g.abs().max()))))
wrong_step("clips_rate_and_all", "clips_the_step", clip_by=lambda g, clip, rate: g * min(1.0, clip / max(
    1e-30, float((rate * g).norm()))))
wrong_step("weight_alone", "no_pair", back="weight")
wrong_step("loss_of_the_new_weight", "loss_after", told=lambda new, features, *more: float(TEACH(
    features @ new.T, *more)))
wrong_step("all_positions", "mask_ignored", teach=lambda s, t, mask, kind, heat: TEACH(s, t, None, kind, heat))
wrong_step("always_forward", "kind_ignored", teach=lambda s, t, mask, kind, heat: TEACH(s, t, mask, "forward_kl", heat))
wrong_step("always_at_one", "temperature_ignored", teach=lambda s, t, mask, kind, heat: TEACH(s, t, mask, kind, 1.0))
wrong_step("the_wrong_way_round", "exchanged", teach=lambda s, t, mask, kind, heat: loss_like()(t, s, mask, kind, heat))


KEPT = {}


@wrong("train_step", named="gradient_left")
def never_sets_it_to_zero(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    own = weight.detach().clone().requires_grad_()
    loss = TEACH(features @ own.T, teacher, mask, kind, temperature)
    loss.backward()
    total = KEPT[own.shape] = KEPT.get(own.shape, 0.0) + own.grad
    return weight - rate * total * min(1.0, clip / max(1e-30, float(total.norm()))), loss.item()


@wrong("train_step", named="changes_input")
def in_the_weight_itself(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    new, loss = step_like()(weight, features, teacher, mask, kind, temperature, rate, clip)
    weight.copy_(new)
    return weight, loss


@wrong("train_step")
def forgets_backward(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    own = weight.detach().clone().requires_grad_()
    loss = TEACH(features @ own.T, teacher, mask, kind, temperature)
    return weight - rate * own.grad, loss.item()


# acceptance_on ------------------------------------------------------------------------------------------------------


@right("acceptance_on")
def row_by_row(draft, target, ids, prompt_length=1, temperature=1.0):
    q_rows, p_rows = draft(ids), target(ids)
    shares = []
    for t in range(prompt_length - 1, len(ids) - 1):
        if temperature == 0:
            shares.append(float(q_rows[t].argmax() == p_rows[t].argmax()))
        else:
            p, q = (torch.softmax(rows[t] / temperature, 0) for rows in (p_rows, q_rows))
            shares.append(sum(min(a, b) for a, b in zip(p.tolist(), q.tolist(), strict=True)))
    return sum(shares) / len(shares) if shares else 0.0


@right("acceptance_on")
def half_of_the_differences(draft, target, ids, prompt_length=1, temperature=1.0):
    if prompt_length >= len(ids):
        return 0
    laws = []
    for model in (draft, target):
        logits = model(ids)[:-1][prompt_length - 1 :]
        hot = F.one_hot(logits.argmax(-1), logits.shape[-1]).double()
        laws.append(hot if temperature == 0 else torch.softmax(logits / temperature, -1).double())
    return 1 - 0.5 * (laws[0] - laws[1]).abs().sum(-1).mean()


@right("acceptance_on")
def in_numpy(draft, target, ids, prompt_length=1, temperature=1.0):
    total, places = 0.0, len(ids) - prompt_length
    p, q = (model(ids).double().numpy()[prompt_length - 1 : prompt_length - 1 + places] for model in (target, draft))
    for a, b in zip(p, q, strict=True):
        if temperature == 0:
            total += np.argmax(a) == np.argmax(b)
            continue
        a, b = (np.exp((x - x.max()) / temperature) for x in (a, b))
        total += np.minimum(a / a.sum(), b / b.sum()).sum()
    return np.float64(total / max(1, places))


@right("acceptance_on")
def as_an_expectation(draft, target, ids, prompt_length=1, temperature=1.0):
    """sum q min(1, p / q), as the text says it."""
    def law(logits):
        if temperature == 0:
            return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
        return (logits / temperature).softmax(-1)

    places = range(prompt_length - 1, len(ids) - 1)
    q, p = law(draft(ids)), law(target(ids))
    ratio = torch.where(q > 0, p / q, torch.zeros_like(q)).clamp(max=1.0)
    rows = (q * ratio).sum(-1)[list(places)]
    return rows.mean() if len(rows) else torch.tensor(0.0)


def accepted_like(value=None, first=-1, end=-1, heats=(True, True), many=False):
    def accepted(draft, target, ids, prompt_length=1, temperature=1.0):
        rows = slice(max(0, prompt_length + first), len(ids) + end)
        q, p = draft(ids)[rows], target(ids)[rows]
        if many:
            q = torch.cat([draft(ids[: i + 1])[-1:] for i in range(rows.start, rows.stop)] or [q])
        if len(p) == 0:
            return 0.0
        if temperature == 0:
            return float((p.argmax(-1) == q.argmax(-1)).double().mean())
        p, q = (torch.softmax(one / (temperature if warm else 1.0), -1)
                for one, warm in zip((p, q), heats, strict=True))
        if value:
            return float(value(p, q, ids[rows.start + 1 : rows.stop + 1]))
        return float(torch.minimum(p, q).sum(-1).mean())

    return accepted


def wrong_share(name, named, **options):
    function = accepted_like(**options)
    function.__name__ = name
    wrong("acceptance_on", named=named)(function)


wrong_share("what_is_rejected", "tv", value=lambda p, q, x: 1 - torch.minimum(p, q).sum(-1).mean())
wrong_share("no_half", "one_minus_two_tv", value=lambda p, q, x: 1 - (p - q).abs().sum(-1).mean())
wrong_share("both_draw_the_same", "meeting", value=lambda p, q, x: (p * q).sum(-1).mean())
wrong_share("same_favourite", "greedy_only", value=lambda p, q, x: (p.argmax(-1) == q.argmax(-1)).double().mean())
wrong_share("ratios_of_the_text", "tokens_of_the_text", value=lambda p, q, x: (
    p.gather(-1, x[:, None]) / q.gather(-1, x[:, None])).clamp(max=1).mean())
wrong_share("divided_by_v", "mean_over_tokens", value=lambda p, q, x: torch.minimum(p, q).mean())
wrong_share("all_added", "sum", value=lambda p, q, x: torch.minimum(p, q).sum())
wrong_share("prompt_and_text", "prompt_counts", first=-10**6)
wrong_share("begins_too_late", "row_too_late", first=0)
wrong_share("begins_too_early", "row_too_early", first=-2)
wrong_share("goes_on_to_the_end", "row_behind_the_text", end=0)
wrong_share("ends_too_early", "last_row_lost", end=-2)
wrong_share("rows_of_the_tokens", "shifted_rows", first=0, end=0)
wrong_share("warm_target", "temperature_of_one", heats=(True, False))
wrong_share("no_temperature", "temperature_ignored", heats=(False, False))
wrong_share("a_call_for_each_place", "calls_often", many=True)


@wrong("acceptance_on")
def asks_nobody(draft, target, ids, prompt_length=1, temperature=1.0):
    return 0.75 if prompt_length < len(ids) else 0.0


@wrong("acceptance_on", named="nearly_greedy")
def divides_by_a_little(draft, target, ids, prompt_length=1, temperature=1.0):
    return accepted_like()(draft, target, ids, prompt_length, max(temperature, 1e-6))


@wrong("acceptance_on")
def divides_by_nothing(draft, target, ids, prompt_length=1, temperature=1.0):
    p, q = (torch.softmax(model(ids)[prompt_length - 1 : -1] / temperature, -1) for model in (target, draft))
    return torch.minimum(p, q).sum() / len(p)


# sample_teacher -----------------------------------------------------------------------------------------------------


@right("sample_teacher")
def with_lists(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    texts = []
    for prompt in prompts:
        text = prompt.tolist()
        while len(text) < len(prompt) + n:
            row = target(torch.tensor(text))[-1]
            text.append(int(torch.argmax(row)) if not temperature else dice.roll((row / temperature).softmax(0)))
            if text[-1] == eos_token_id:
                break
        texts.append(torch.tensor(text, dtype=torch.long))
    return texts


@right("sample_teacher")
def all_prompts_in_turns(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    """A token for every text that is still open, and again."""
    texts, open_ = [prompt.clone() for prompt in prompts], set(range(len(prompts)))
    for _ in range(n):
        for place in sorted(open_):
            row = target(texts[place])[-1].double()
            law = F.one_hot(row.argmax(), len(row)).double() if temperature == 0 else F.softmax(row / temperature, 0)
            token = dice.roll(law)
            texts[place] = torch.cat([texts[place], texts[place].new_tensor([token])])
            if eos_token_id is not None and token == eos_token_id:
                open_.discard(place)
    return texts


@right("sample_teacher")
def recursive(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    def go_on(ids, left):
        if left == 0:
            return ids
        row = target(ids)[-1]
        token = row.argmax() if temperature == 0 else torch.tensor(dice.roll(torch.softmax(row / temperature, -1)))
        longer = torch.cat([ids, token.view(1)])
        return longer if int(token) == eos_token_id else go_on(longer, left - 1)

    return [go_on(prompt, n) for prompt in prompts]


@right("sample_teacher")
def token_by_token_with_coins(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    """Every token is asked in turn whether it is the one, with the chance that is left to it."""
    def drawn(law):
        left = 1.0
        for token, p in enumerate(law.tolist()):
            if p > 0 and dice.flip(min(1.0, p / left)):
                return token
            left = max(left - p, 1e-12)
        return int(law.argmax())

    texts = []
    for ids in prompts:
        buffer = torch.zeros(len(ids) + n, dtype=torch.long)
        buffer[: len(ids)] = ids
        end = len(ids)
        for _ in range(n):
            row = target(buffer[:end])[-1].double()
            buffer[end] = row.argmax() if temperature == 0 else drawn(torch.softmax(row / temperature, -1))
            end += 1
            if buffer[end - 1] == (-1 if eos_token_id is None else eos_token_id):
                break
        texts.append(buffer[:end])
    return tuple(texts)


def texts_like(row=-1, feed=None, law=None, n_of=None, stops=True, keeps=True, back=None):
    def texts(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
        made = []
        for prompt in prompts:
            ids = prompt
            for _ in range(n_of(n, prompt) if n_of else n):
                logits = target(feed(ids, prompt) if feed else ids)[row]
                if law:
                    token = dice.roll(law(logits, temperature))
                else:
                    token = int(logits.argmax()) if temperature == 0 else dice.roll(
                        torch.softmax(logits / temperature, -1))
                if token == eos_token_id and not keeps:
                    break
                ids = torch.cat([ids, torch.tensor([token])])
                if stops and token == eos_token_id:
                    break
            made.append(back(ids, prompt) if back else ids)
        return made

    return texts


def wrong_texts(name, named, **options):
    function = texts_like(**options)
    function.__name__ = name
    wrong("sample_teacher", named=named)(function)


wrong_texts("always_the_likeliest", "greedy", law=lambda row, heat: F.one_hot(row.argmax(), len(row)).double())
wrong_texts("first_row", "wrong_row", row=0)
wrong_texts("row_before_the_last", "wrong_row", row=-2)
wrong_texts("newest_token_alone", "last_token_only", feed=lambda ids, prompt: ids[-1:])
wrong_texts("prompt_again_and_again", "not_chained", feed=lambda ids, prompt: prompt)
wrong_texts("prompt_without_its_first", "prompt_cut", feed=lambda ids, prompt: ids[1:] if len(ids) > 1 else ids)
wrong_texts("never_ends", "eos_ignored", stops=False)
wrong_texts("drops_the_end", "eos_dropped", keeps=False)
wrong_texts("only_what_is_new", "new_tokens_only", back=lambda ids, prompt: ids[len(prompt):])
wrong_texts("prompt_included_in_n", "counts_the_prompt", n_of=lambda n, prompt: max(0, n - len(prompt)))
wrong_texts("one_more", "one_too_many", n_of=lambda n, prompt: n + 1)


@wrong("sample_teacher", named="temperature_ignored")
def not_warm(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    return texts_like()(target, prompts, n, dice, 1.0 if temperature else 0.0, eos_token_id)


@wrong("sample_teacher", named="own_randomness")
def draws_by_itself(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    made = []
    for ids in prompts:
        for _ in range(n):
            row = target(ids)[-1]
            law = torch.softmax(row / (temperature or 1.0), -1)
            token = row.argmax()[None] if temperature == 0 else torch.multinomial(law, 1)
            ids = torch.cat([ids, token])
            if int(token) == eos_token_id:
                break
        made.append(ids)
    return made


@wrong("sample_teacher", named="eos_of_the_prompt")
def while_it_does_not_end(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    made = []
    for prompt in prompts:
        ids = prompt
        while len(ids) < len(prompt) + n and int(ids[-1]) != eos_token_id:
            ids = texts_like()(target, [ids], 1, dice, temperature)[0]
        made.append(ids)
    return made


@wrong("sample_teacher", named="one_for_all")
def the_same_for_all(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    first = texts_like()(target, prompts[:1], n, dice, temperature, eos_token_id)[0][len(prompts[0]):]
    return [torch.cat([prompt, first]) for prompt in prompts]


@wrong("sample_teacher", named="no_list")
def joined(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    return torch.cat(texts_like()(target, prompts, n, dice, temperature, eos_token_id))
