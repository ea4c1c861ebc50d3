"""Right and wrong in `train_step`: the head after one step of gradient descent, and the loss before it.

Knows: the gradient of each loss, by autograd in double precision, of a head that is a plain matrix. Plain numbers go
to the student's function and come back: the gradient is made inside it.
"""

from __future__ import annotations

import numpy as np
import torch

from ...training.losses import distillation_loss as package_loss
from .. import values
from ..ask import ask, mixed, uniform, whole, written_first
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import reading
from .loss import KINDS

NO_LIMIT = 1e6  # a clip that is never reached

train_step = Exercise(
    "train_step", unit="09", points=2, difficulty=3, minutes=20,
    reference="specdec_course.training.taught:train_step",
    hints=(
        "Which tensor does autograd have to watch, and from where on? When you have its gradient: in which direction "
        "does the loss fall? And what does `clip` compare, single numbers or all of them together?",
        "weight = weight.detach().clone().requires_grad_(); loss = distillation_loss(features @ weight.T, teacher, "
        "mask, kind, temperature); loss.backward(); norm = float(weight.grad.norm()); scale = min(1.0, clip / norm) if "
        "norm > 0 else 1.0; return weight.detach() - rate * scale * weight.grad, loss.item().",
    ),
)


def gradient_of(weight, features, teacher, mask, kind="forward_kl", temperature=1.0):
    """(gradient of the loss, loss), in double precision."""
    with torch.enable_grad():
        own = weight.detach().double().clone().requires_grad_()
        loss = package_loss(features.double() @ own.T, teacher.double(), mask, kind, temperature)
        return torch.autograd.grad(loss, own)[0], loss.item()


def clipped(gradient, clip: float):
    norm = float(gradient.norm())
    return gradient * min(1.0, clip / norm) if norm > 0 else gradient


def right_step(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    gradient, loss = gradient_of(weight, features, teacher, mask, kind, temperature)
    return (weight.double() - rate * clipped(gradient, clip)).numpy(), loss


def setting(rng, shape=None, double=True) -> tuple:
    """weight, features, teacher, mask of a head; the loss of one position is often much larger than the others'."""
    n, v, d = shape or (whole(3, 9, rng), whole(4, 12, rng), whole(2, 5, rng))
    kind = torch.float64 if double else torch.float32
    weight, features = (torch.randn(*size, generator=rng, dtype=torch.float64) for size in ((v, d), (n, d)))
    teacher = uniform(0.5, 3.0, rng) * torch.randn(n, v, generator=rng, dtype=torch.float64) - uniform(-20, 20, rng)
    mask = torch.rand(n, generator=rng) < 0.7
    mask[whole(0, n - 1, rng)] = True
    return weight.to(kind), features.to(kind), teacher.to(kind), mask


def case(given, *more) -> tuple:
    return (*given, *more), ((*given, *more), right_step(*given, *more))


def read_step(answer):
    with reading("a pair (weight, loss)"):
        if len(answer) != 2:
            raise Wrong(f"Expected a pair (weight, loss), your function returned {values.describe(answer)}.",
                        mistake="no_pair")
    weight, loss = values.as_array(answer[0]), values.as_array(answer[1])
    if loss.size != 1:
        raise Wrong(f"The loss, second of the pair, is one number; yours is {values.describe(answer[1])}.",
                    mistake="no_pair")
    return weight, float(loss.reshape(-1)[0])


def _close(found, right) -> bool:
    size = max(1e-3, float(np.abs(right).max()))
    return bool(np.abs(found - right).max() <= 1e-4 * size)


def judge(found, wanted):
    (weight, loss), (given, (right, right_loss)) = found, wanted
    old, rate = given[0].double().numpy(), given[6] if len(given) > 6 else 1.0
    if weight.shape != right.shape:
        return f"The weight has the shape {list(right.shape)}, yours comes back as {list(weight.shape)}."
    if not np.isfinite(weight).all():
        return "Your new weight holds NaN or infinity."
    moved, due = (old - weight) / rate, (old - right) / rate
    if not _close(moved, due):
        if np.abs(moved).max() < 1e-7:
            return "Your weight comes back as it was."
        if _close(-moved, due):
            return "Your weight goes uphill: the loss grows."
        far, asked = float(np.sqrt((moved**2).sum())), float(np.sqrt((due**2).sum()))
        same = float((moved * due).sum()) / max(1e-30, far * asked)
        if same > 0.9999:
            return f"Your step has the right direction, and is {'too long' if far > asked else 'too short'}."
        return "Your weight does not go along the gradient of this loss."
    if abs(loss - right_loss) > 1e-4 * max(0.1, abs(right_loss)):
        return "Your weight is right, and the loss that you return is not the one before the step."
    return None


def asked(student, cases, rng) -> None:
    with written_first("train_step", "distillation_loss"):
        ask(student, read_step, cases, judge, rng)


@train_step.part("goes against the gradient as far as rate says, and returns the loss", weight=4, rests_on=(
    "the new one is weight - rate * gradient", "the new weight, and the loss before the step"))
def _(student, rng):
    cases = [case(setting(rng), "forward_kl", 1.0, round(uniform(0.05, 3, rng), 2), NO_LIMIT) for _ in range(4)]
    cases.append(case(setting(rng, (1, 2, 1)), "forward_kl", 1.0, 0.5, NO_LIMIT))
    asked(student, cases, rng)
    asked(student.aside(), [case(setting(rng, shape, double=False), "forward_kl", 1.0, 2.0, NO_LIMIT)
                            for shape in ((5, 7, 3), (24, 4096, 16))], rng)


@train_step.part("shortens a gradient whose norm is above clip, and no other", weight=3, rests_on=(
    "the root of the sum of the squares of all its numbers", "is above clip, the whole gradient is scaled to that norm",
    "rate=1.0, clip=1.0"))
def _(student, rng):
    cases = []
    for share in mixed((0.05, 0.3, 0.8, 1.25, 3.0), rng):
        given = setting(rng)
        norm = float(gradient_of(*given)[0].norm())
        cases.append(case(given, "forward_kl", 1.0, round(uniform(0.2, 2, rng), 2), share * norm))
    for factor in (0.1, 6.0):  # what clip is when it is left out
        weight, features, teacher, mask = setting(rng)
        cases.append(case((weight, factor * features, teacher, mask)))
    asked(student, cases, rng)


@train_step.part("learns from the positions that count, and stays where none does", weight=2, rests_on=(
    "True where a position counts", "If no position counts, the weight stays as it is, and the loss is 0"))
def _(student, rng):
    cases = []
    for _ in range(3):
        weight, features, teacher, mask = setting(rng)
        mask[whole(0, len(mask) - 1, rng)] = False
        mask[0] = True
        cases.append(case((weight, features, teacher, mask), "forward_kl", 1.0, 1.0, NO_LIMIT))
    weight, features, teacher, mask = setting(rng)
    cases.append(case((weight, features, teacher, torch.zeros_like(mask)), "forward_kl", 1.0, 1.0, 1.0))
    cases.append(case((weight, features, teacher, torch.zeros_like(mask)), "tv", 2.0, 0.5, 0.1))
    asked(student, cases, rng)


@train_step.part("learns by each of the four losses, at each temperature", weight=2, rests_on=(
    "`distillation_loss(logits, teacher, mask, kind, temperature)`", "kind, temperature: of the loss"))
def _(student, rng):
    cases = []
    for kind in mixed(KINDS, rng):
        for temperature in mixed((1.0, round(uniform(0.3, 0.7, rng), 2), round(uniform(1.5, 4, rng), 2)), rng):
            cases.append(case(setting(rng), kind, temperature, round(uniform(0.2, 2, rng), 2), NO_LIMIT))
    given = setting(rng)
    cases.append((given[:4], ((*given, "forward_kl", 1.0, 1.0, 1.0), right_step(*given))))
    asked(student, cases, rng)


@train_step.part("begins every step anew", weight=1, rests_on=(
    "Every step begins with a gradient of its own", "It is not changed"))
def _(student, rng):
    weight, *rest = setting(rng)
    with written_first("train_step", "distillation_loss"):
        for _ in range(whole(3, 5, rng)):  # each step goes on from where the one before ended
            answer = student.read(read_step, weight, *rest, "forward_kl", 1.0, 0.5, NO_LIMIT)
            right = right_step(weight, *rest, "forward_kl", 1.0, 0.5, NO_LIMIT)
            wrong = judge(answer, ((weight, *rest, "forward_kl", 1.0, 0.5, NO_LIMIT), right))
            if wrong:
                raise Wrong(wrong, call=student.last)
            weight = torch.from_numpy(answer[0]).to(weight.dtype)
