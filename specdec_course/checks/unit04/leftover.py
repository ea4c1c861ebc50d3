"""Unit 04: what is drawn from after a rejection, the part of p that q did not cover.

Knows: what is right and what is commonly wrong in `residual`. Does not know: the other formulas (`formulas`), the
verification that is built from them.
"""

from __future__ import annotations

import numpy as np
import torch

from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from .distribution import as_distribution, random_distribution
from .wrong_rules import scaled

EPSILONS = (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)  # small numbers that people like

residual = Exercise(
    "residual", unit="04", points=1, difficulty=2, minutes=5,
    reference="specdec_course.verification:residual",
    lent=True,
    hints=(
        "After the accepted tokens, how much of p(x) is still missing, for each x? Can that be negative?",
        "left = (p - q).clamp(min=0), divided by its sum; where the sum is 0 return p.",
    ),
)


@residual.part("is the part of p that q did not cover, scaled to sum to 1", weight=2,
               rests_on="the part of p that q did not cover, (p - q)+ normalised")
def _(student, rng):
    for size in mixed((3, 6, whole(4, 9, rng)), rng):
        p, q = far_apart(size, rng)
        expect_residual(student, p, q, "For two random distributions")
    while (p := random_distribution(4, rng)).max() > 0.7:
        pass
    certain = torch.nn.functional.one_hot(p.argmax(), 4).to(p)
    expect_residual(student, p, certain, "For a q that has all its probability on one token (a bigram)")


def far_apart(size: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Two random distributions whose total variation distance is large."""
    while True:
        p, q = random_distribution(size, rng), random_distribution(size, rng)
        if (p - q).clamp(min=0).sum() > 0.3:
            return p, q


def expect_residual(student, p, q, when) -> None:
    left = (p.double() - q.double()).clamp(min=0)
    answer = student.array(p, q)
    with student.shown():
        off = np.abs(as_distribution(answer, p.shape, when) - (left / left.sum()).numpy())
        if off.max() > 1e-4 or off.sum() > 2e-3:
            x = int(off.argmax())
            raise Wrong(f"{when}, the residual is not right: where p(x) = {p[x]:.4g} and q(x) = {q[x]:.4g}, yours is "
                        f"{answer.reshape(-1)[x]:.4g}, and {(left / left.sum())[x]:.4g} is due.")


def that_differ_by(share: float, rng: torch.Generator, size: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """p and q, in float64, whose total variation distance is this; both exclude a token, as filters do."""
    p, q = (torch.cat([random_distribution(size, rng).double(), torch.zeros(1)]) for _ in range(2))
    distance = float((p - q).clamp(min=0).sum())
    if share > distance:  # apart first: each loses what the other likes more
        half = torch.arange(size + 1) < size // 2
        p, q = p * half, q * ~half
        p, q = p / p.sum(), q / q.sum()
        distance = 1.0
    return p, p + (q - p) * share / distance


@residual.part("is right whether p and q are near to each other or far apart", weight=1,
               rests_on="FloatTensor [V] that sums to 1, however small the uncovered part is")
def _(student, rng):
    _expect_small_residual(student, 3e-5, rng)
    for share in mixed((0.001, 0.004, 0.02, 0.1, 0.3, 0.8, 0.999), rng):
        p, q = that_differ_by(share, rng)
        expect_residual(student, p, q, f"For a p and q whose total variation distance is {share}")
    expect_residual(student, *real_rows(rng), "For rows of 151,936 probabilities, most of them tiny and many 0")


def _expect_small_residual(student, share: float, rng) -> None:
    """So little is no round-off yet, and the laws of this unit have to be exact to less. What single precision makes of
    it is let pass."""
    while True:
        p, q = that_differ_by(share, rng)
        if float(p[q >= p].sum()) > 0.5:  # p itself, where a residual is asked for, is wrong by more than that
            break
    when = f"For p and q whose total variation distance is {share:g}"
    left = (p - q).clamp(min=0)
    answer = student.array(p, q)
    with student.shown():
        off = np.abs(as_distribution(answer, p.shape, when) - (left / left.sum()).numpy()).sum() / 2
        if np.allclose(answer, p, atol=1e-5):
            raise Wrong(f"{when}, your answer is p.", mistake="small_is_none")
        if off > 0.3:
            raise Wrong(f"{when}, the residual is not right.")


def real_rows(rng) -> tuple[torch.Tensor, torch.Tensor]:
    """p and q as wide as real models', with much of their probability on tokens that are all rare, and many zeros."""
    p, q = (torch.softmax(2.5 * torch.randn(151_936, generator=rng).clamp(-4, 4), -1) for _ in range(2))
    p, q = (torch.where(row < 1e-7, 0, row) for row in (p, q))
    return p / p.sum(), q / q.sum()


@residual.part("is a distribution where p = q, exactly and up to round-off", weight=1, rests_on=(
    "the answer is p itself", "any distribution will do, but it has to be one: no NaN, nothing below 0"))
def _(student, rng):
    p = random_distribution(whole(4, 7, rng), rng)
    answer = as_distribution(student.array(p, p), p.shape, "When p and q are equal")
    if not np.allclose(answer, p, atol=1e-5):
        raise Wrong("When p and q are equal nothing is left over, and the answer has to be p itself.")
    q = torch.nextafter(p, torch.tensor(2.0))  # a hair above p everywhere: softmax in another order does that
    as_distribution(student.array(p, q), p.shape, "When q is above p by round-off, everywhere")
    as_distribution(student.array(q, p), p.shape, "When q is below p by round-off, everywhere")


def _sum_kept_from_zero(epsilon: float) -> tuple:
    return (lambda p, q: (p - q).clamp(min=0) / ((p - q).clamp(min=0).sum() + epsilon),
            lambda p, q: (p - q).clamp(min=0) / (p - q).clamp(min=0).sum().clamp(min=epsilon))


residual.mistake("absolute", (
    "This is |p - q|: it also gives back tokens that q covered too often. They need nothing more, so they must have "
    "probability 0 here: cut off at 0 instead of taking the absolute value."),
    imitate=lambda p, q: (p - q).abs() / (p - q).abs().sum() if (p != q).any() else p)
residual.mistake("swapped", (
    "This is (q - p)+: the tokens that the drafter proposes too *often*. The correction has to supply the ones that "
    "come too rarely, where p is above q."),
    imitate=(lambda p, q: scaled((q - p).clamp(min=0), p),
             lambda p, q: (q - p).clamp(min=0) / (q - p).clamp(min=0).sum() if (p != q).any() else p))
residual.mistake("q_not_taken_off", (
    "You keep all of p(x) where p is above q. Of that, accepted tokens have delivered q(x) already: only the "
    "difference p(x) - q(x) is still missing."),
    imitate=lambda p, q: scaled(torch.where(p > q, p, 0), p))
residual.mistake("just_p", (
    "This is p itself. Accepted tokens have already delivered a part of p: only what is still missing may be drawn "
    "now, or the likely tokens come too often."), imitate=lambda p, q: p.clone())
residual.mistake("small_is_none", (
    "You take a small leftover for none at all. However little is missing, the correction has to supply just that. "
    "Only where nothing is left, the answer is p."))
residual.mistake("softmax", (
    "A softmax turns every number, 0 included, into something above 0. Here the zeros have to stay: divide by the sum."
), imitate=(lambda p, q: torch.softmax((p - q).clamp(min=0), -1), lambda p, q: torch.softmax(p - q, -1),
            lambda p, q: torch.softmax((p - q).clamp(min=0), -1) if (p > q).any() else p,
            lambda p, q: torch.softmax(p - q, -1) if (p > q).any() else p))
residual.mistake("epsilon", (
    "You keep the division away from 0 with a small number. Where little is left over the answer then sums to less "
    "than 1, and where nothing is, to 0. Divide by the sum itself, and answer p where that is 0."
), imitate=tuple(rule for epsilon in EPSILONS for rule in _sum_kept_from_zero(epsilon)))
residual.mistake("not_rescaled", (
    "The residual has to sum to 1 before anybody can draw from it: divide by its sum."))
residual.mistake("zero_over_zero", (
    "When p = q nothing is left over and the sum is 0: 0/0 is NaN. A rejection can still happen there, by round-off. "
    "Return p in that case."))
residual.help(r"ZeroDivisionError", "When p = q the sum is 0. Return p in that case.")
