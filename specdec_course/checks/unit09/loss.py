"""Right and wrong in `distillation_loss`: four distances between two laws, their mean over what counts.

Knows: what each is, in double precision. Does not know: gradients (step), what people get wrong (wrong_losses).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .. import values
from ..ask import ask, mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise

KINDS = ("forward_kl", "reverse_kl", "tv", "cross_entropy")
REAL = 151_936  # ids of a real vocabulary

distillation_loss = Exercise(
    "distillation_loss", unit="09", points=3, difficulty=3, minutes=25,
    reference="specdec_course.training.losses:distillation_loss",
    hints=(
        "Take V = 2, p = (1, 0) and q = (0.5, 0.5) and calculate all four by hand. What do you do with 0 log 0? Which "
        "of the two laws stands in front of the logarithm, and which of them learns?",
        "log_q = (student / temperature).log_softmax(-1), log_p likewise of teacher.detach(). forward_kl: (p * "
        "torch.where(p > 0, log_p - log_q, 0.0)).sum(-1) with p = log_p.exp(); reverse_kl the same with both "
        "exchanged; tv: 1 - torch.minimum(p, q).sum(-1); cross_entropy: -log_q at log_p.argmax(-1) (gather). Then "
        "torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1).",
    ),
)


def log_law(logits, temperature: float) -> np.ndarray:
    scaled = logits.double().numpy() / temperature
    shifted = scaled - scaled.max(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def right_losses(student, teacher, kind: str, temperature: float) -> np.ndarray:
    """The loss of every position, float64, one row for each."""
    log_q, log_p = log_law(student, temperature), log_law(teacher, temperature)
    if kind == "tv":
        return np.maximum(np.exp(log_p) - np.exp(log_q), 0.0).sum(-1)
    if kind == "cross_entropy":
        return -np.take_along_axis(log_q, log_p.argmax(-1)[..., None], -1)[..., 0]
    weight, other = (log_p, log_q) if kind == "forward_kl" else (log_q, log_p)
    terms = np.zeros_like(weight)
    some = weight > -np.inf
    terms[some] = np.exp(weight[some]) * (weight[some] - other[some])
    return terms.sum(-1)


def right_loss(student, teacher, mask=None, kind="forward_kl", temperature=1.0) -> float:
    losses = right_losses(student, teacher, kind, temperature)
    losses = losses.ravel() if mask is None else losses[mask.numpy()]
    return float(losses.mean()) if losses.size else 0.0


def case(student, teacher, mask=None, *more) -> tuple:
    """A question and its answer. more: kind and temperature, or nothing: then they are left out."""
    given = (student, teacher) if mask is None and not more else (student, teacher, mask, *more)
    return given, right_loss(student, teacher, mask, *more)


def pair_of_laws(rng, shape, spread=None, apart=None, double=True):
    """Logits of draft and target, all of one sign now and then: `apart` from nearly the same law to nearly none in
    common."""
    spread = spread or uniform(0.3, 4.0, rng)
    apart = apart if apart is not None else uniform(0.2, 2.0, rng)
    kind = torch.float64 if double else torch.float32
    teacher = spread * torch.randn(*shape, generator=rng, dtype=torch.float64)
    student = teacher + apart * torch.randn(*shape, generator=rng, dtype=torch.float64)
    return (student - uniform(-30, 30, rng)).to(kind), (teacher - uniform(-30, 30, rng)).to(kind)


def spread_of_laws(rng) -> list:
    """Pairs whose TV goes from about 0.001 to above 0.999, of few tokens and of many; the first can be read."""
    n, v = whole(1, 5, rng), whole(3, 40, rng)
    pairs = [tuple(torch.tensor([[round(uniform(-2, 2, rng), 1) for _ in range(2)]], dtype=torch.float64)
                   for _ in range(2))]
    pairs += [pair_of_laws(rng, (n, v), apart=apart) for apart in (0.003, uniform(0.05, 0.3, rng), 1.0, 4.0)]
    far = 14 + 3 * torch.rand(1, 2, generator=rng, dtype=torch.float64)
    pairs.append((torch.cat([far, -far], 1), torch.cat([-far, far], 1)))
    pairs.append(pair_of_laws(rng, (whole(2, 3, rng), whole(2, 4, rng), whole(3, 20, rng))))
    return pairs


def read_loss(answer) -> float:
    try:
        loss = float(answer)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        shape = list(getattr(answer, "shape", []))
        said = f"has the shape {shape}" if shape else f"is {values.describe(answer)}"
        raise Wrong(f"The loss is one number, the mean over the positions that count; yours {said}.",
                    mistake="no_mean" if shape else None) from None
    if math.isnan(loss):
        raise Wrong("Your loss is NaN.", otherwise="zero_times_infinity")
    return loss


def judge(found: float, right: float) -> str | None:
    if found == right or math.isfinite(right) and abs(found - right) <= 3e-5 + 2e-4 * abs(right):
        return None
    if math.isinf(right):
        return "Here the loss is infinite: a token has weight, and the other law cannot say it. Yours is finite."
    if math.isinf(found):
        return "Your loss is infinite, and every token that has weight can be said by both laws."
    if found < -1e-6:
        return "Your loss is negative. All four are 0 or more."
    return f"Your loss is {'too large' if found > right else 'too small'}."


def _kind(name: str, weight: float, title: str, words: tuple[str, ...]) -> None:
    @distillation_loss.part(title, weight=weight, rests_on=words)
    def _(student, rng):
        cases = [case(*pair, None, name, 1.0) for pair in spread_of_laws(rng)]
        if name == "forward_kl":
            cases += [case(*pair) for pair in spread_of_laws(rng)]
        cases += [case(*pair_of_laws(rng, (3, 8), apart=apart), None, name) for apart in (1.0, 4.0)]
        if name == "cross_entropy":
            tied = torch.tensor([[1.0, 3.0, 0.5, 3.0]], dtype=torch.float64)
            cases.append(case(torch.randn(1, 4, generator=rng, dtype=torch.float64), tied, None, name, 1.0))
        ask(student, read_loss, cases, judge, rng)
        single = [pair_of_laws(rng, shape, spread=3.0, double=False) for shape in ((3, 7), (2, REAL))]
        ask(student.aside(), read_loss, [case(*pair, None, name, 1.0) for pair in single], judge)


_kind("forward_kl", 3, "forward_kl is KL(p || q), and what is meant where nothing else is said",
      ("KL(p || q), the sum over x of p(x) log(p(x) / q(x)), in nats", 'kind="forward_kl"'))
_kind("reverse_kl", 2, "reverse_kl is KL(q || p)", ("KL(q || p), the same with p and q exchanged",))
_kind("tv", 3, "tv is the chance of a rejection", ("1 - the sum of min(p(x), q(x))",))
_kind("cross_entropy", 2, "cross_entropy looks at the target's likeliest token",
      ("-log q(x) of the target's likeliest token x (the first, on a tie)",))


@distillation_loss.part("divides the logits of both by the temperature, and nothing else", weight=2, rests_on=(
    "divides the logits of both; there is no factor beside that",))
def _(student, rng):
    cases = []
    for kind in mixed(KINDS, rng):
        for temperature in mixed((uniform(0.2, 0.6, rng), uniform(1.7, 4.0, rng)), rng):
            shape = (whole(1, 4, rng), whole(3, 20, rng))
            cases.append(case(*pair_of_laws(rng, shape), None, kind, round(temperature, 2)))
    small = [torch.tensor([[0.0, round(uniform(0.5, 2, rng), 1)]], dtype=torch.float64) * sign for sign in (1, -1)]
    cases.append(case(*small, None, "tv", 2.0))
    ask(student, read_loss, cases, judge, rng)


@distillation_loss.part("takes the mean over the positions that count, and 0 if none does", weight=3, rests_on=(
    "the mean over the positions that count", "True where a position counts; None: all do",
    "If none counts, the loss is 0"))
def _(student, rng):
    cases = []
    for kind in mixed(KINDS, rng):
        for shape in ((whole(3, 9, rng),), (whole(2, 4, rng), whole(3, 6, rng))):
            mask = torch.rand(*shape, generator=rng) < uniform(0.3, 0.7, rng)
            mask.view(-1)[whole(0, mask.numel() - 1, rng)] = True
            cases.append(case(*pair_of_laws(rng, (*shape, whole(3, 12, rng))), mask, kind, 1.0))
        one = torch.zeros(5, dtype=torch.bool)
        one[whole(0, 4, rng)] = True
        cases.append(case(*pair_of_laws(rng, (5, 6)), one, kind, 1.0))
        cases.append(case(*pair_of_laws(rng, (3, 4)), torch.ones(3, dtype=torch.bool), kind, 1.0))
    pair = pair_of_laws(rng, (2, 2))
    cases.append(case(*pair, torch.tensor([True, False]), "tv", 1.0))
    ask(student, read_loss, cases, judge, rng)
    nobody = torch.zeros(whole(1, 4, rng), dtype=torch.bool)
    for kind in mixed(KINDS, rng):
        found = student(*pair_of_laws(rng, (len(nobody), 3)), nobody, kind, 1.0)
        if not abs(float(found)) < 1e-6:
            raise Wrong("No position counts: the loss is 0. Yours is not.", mistake="empty_mask", call=student.last)


def _zeros(rng) -> list:
    """Laws with zeros on one side or on both, and losses that are infinite."""
    cases, nothing = [], float("-inf")
    for kind in mixed(KINDS, rng):
        student, teacher = pair_of_laws(rng, (3, whole(6, 12, rng)))
        hidden = torch.rand(3, student.shape[-1], generator=rng) < 0.4
        hidden[torch.arange(3), teacher.argmax(-1)] = False
        both = [one.masked_fill(hidden, nothing) for one in (student, teacher)]
        cases.append(case(*both, None, kind, 1.0))  # a head that knows fewer tokens, and a law over the same
        filtered, trimmed = (student, both[1]), (both[0], teacher)
        cases.append(case(*(trimmed if kind == "reverse_kl" else filtered), None, kind, 1.0))
        cases.append(case(*trimmed, None, kind, 1.0))
        cases.append(case(*filtered, None, kind, 1.0))
        skipped = torch.tensor([False, True, True])
        best = torch.zeros_like(hidden)
        best[0, int(teacher[0].argmax())] = True
        cases.append(case(student.masked_fill(best, nothing), teacher, skipped, kind, 1.0))
        cases.append(case(student, teacher.masked_fill(best, nothing), skipped, kind, 1.0))
    p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.0, nothing], [0.0, round(uniform(-1, 1, rng), 1)]))
    cases += [case(q, p, None, "forward_kl", 1.0), case(p, q, None, "reverse_kl", 1.0), case(p, q, None, "tv", 1.0)]
    cases += [case(p, q, None, "forward_kl", 1.0), case(q, p, None, "reverse_kl", 1.0)]
    return cases


@distillation_loss.part("takes laws with zeros, on either side", weight=3, rests_on=(
    "A logit may be -inf: that token has probability 0", "is 0 counts as 0",
    "where the weight is above 0 and the other law is 0, the loss is infinite",
    "What stands at the others does not matter, not even where their loss would be infinite"))
def _(student, rng):
    ask(student, read_loss, _zeros(rng), judge, rng)


@distillation_loss.part("lets gradients flow into the draft", weight=1, rests_on=(
    "from which gradients flow into the student",))
def _(student, rng):
    for kind in mixed(KINDS, rng):
        draft, target = pair_of_laws(rng, (3, whole(4, 9, rng)))
        found = student(draft.requires_grad_(), target, torch.tensor([True, False, True]), kind, 1.0)
        if not values.flows(found):
            raise Wrong(f"{kind}: no gradient flows from your loss into the draft's logits: `backward()` would stop "
                        "with an error, and nothing would be learned.", mistake="no_gradient", call=student.last)


@distillation_loss.part("refuses another kind, another shape, a temperature of 0", weight=1, rests_on=(
    "Raises ValueError for another kind, a temperature that is not positive, and shapes that do not fit",))
def _(student, rng):
    one, other = pair_of_laws(rng, (3, 4))
    mask = torch.ones(3, dtype=torch.bool)
    asked = [((one, other, None, "kl", 1.0), "the kind 'kl'"), ((one, other, mask, "forward_kl", 0.0), "temperature 0"),
             ((one, other, mask, "tv", -1.0), "temperature -1"), ((one[:1], other, None, "tv", 1.0), "another shape"),
             ((one, other, mask[:1], "forward_kl", 1.0), "a mask of another shape")]
    for given, what in mixed(asked, rng):
        if not student.raises(ValueError, *given):
            raise Wrong(f"Your function takes {what}: refuse it with a ValueError.")
    if abs(read_loss(student(one, one.clone(), mask, "tv", 1.0))) > 1e-5:
        raise Wrong("Of two equal laws the loss is 0.")
