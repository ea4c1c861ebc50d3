"""Right and wrong in `typical_acceptance`: a threshold of the position's own. Lossy, and said to be.

Knows: this exercise. Does not know: rounds.
"""

from __future__ import annotations

import math

import torch

from .. import observe
from ..ask import ask, mixed, uniform, whole
from ..exercise import Exercise
from ..values import as_array

typical_acceptance = Exercise(
    "typical_acceptance", unit="10", points=1, difficulty=2, minutes=10,
    reference="specdec_course.verification:typical_acceptance",
    hints=(
        "What is exp(-H) where p is certain, and what where it is uniform over 100 tokens? And where p(x) = 0: what is "
        "p(x) log p(x) to be, and what does torch make of it?",
        "entropy = -torch.special.xlogy(p, p).sum(-1, keepdim=True); threshold = (delta * torch.exp(-entropy)).clamp("
        "max=epsilon); return p > threshold. xlogy is 0 where p is 0.",
    ),
)  # fmt: skip
NEAR = 1e-4  # a probability that lies so near the threshold is not asked about


def thresholds(p: torch.Tensor, epsilon: float, delta: float) -> torch.Tensor:
    rows = p.double().reshape(-1, p.shape[-1]).tolist()
    found = [min(epsilon, delta * math.exp(sum(x * math.log(x) for x in row if x > 0))) for row in rows]
    return torch.tensor(found, dtype=torch.double).reshape(*p.shape[:-1], 1)


def drawn_rows(rng, *shape, spread=None) -> torch.Tensor:
    spread = uniform(0.5, 5.0, rng) if spread is None else spread
    return torch.softmax(spread * torch.randn(*shape, generator=rng, dtype=torch.double), -1).float()


def telling(rng, draw, epsilon: float = 0.09, delta: float = 0.3) -> tuple:
    """Rows of which no probability lies at the threshold, and where some token is kept and some is not."""
    while True:
        p = draw()
        apart = p.double() - thresholds(p, epsilon, delta)
        if (apart.abs() > NEAR).all() and (apart > 0).any() and (apart < 0).any():
            return p, epsilon, delta


def case(question: tuple, short: bool = False) -> tuple:
    p, epsilon, delta = question
    right = (p.double() > thresholds(p, epsilon, delta)).numpy()
    return ((p,) if short else question), right


def judge(found, right):
    if found.shape != right.shape:
        return (
            f"The answer has a yes or no for every probability, shape {list(right.shape)}; yours has "
            f"{list(found.shape)}."
        )
    found = found != 0
    if (found & ~right).any():
        return "A token is kept that is not above the threshold of its position."
    if (~found & right).any():
        return "A token is not kept that is above the threshold of its position."
    return None


@typical_acceptance.part(
    "keeps what is above the threshold of the position, and nothing else",
    weight=3,
    rests_on=("min(epsilon, delta * exp(-H))", "H is the entropy of p in nats"),
)
def _(student, rng):
    cases = []
    for _ in range(6):
        size = whole(5, 40, rng)
        cases.append(
            case(telling(rng, lambda size=size: drawn_rows(rng, size), uniform(0.05, 0.5, rng), uniform(0.2, 0.9, rng)))
        )
    for delta in (0.3, 0.9):  # where the entropy decides, and where epsilon does
        cases.append(case(telling(rng, lambda: drawn_rows(rng, 30, spread=0.7), 0.5, delta)))
        cases.append(case(telling(rng, lambda: drawn_rows(rng, 6, spread=4.0), 0.03, delta)))
    ask(student, as_array, cases, judge, rng)


@typical_acceptance.part(
    "keeps the same in a batch, by the threshold of every row",
    weight=2,
    rests_on="FloatTensor [..., V], the target's distributions",
)
def _(student, rng):
    cases = []
    for shape in ((4, 9), (2, 3, 7), (whole(2, 5, rng), 12)):
        # some rows are sure, some are not
        heat = torch.rand(*shape[:-1], 1, generator=rng, dtype=torch.double) * 6 + 0.3
        cases.append(
            case(
                telling(
                    rng,
                    lambda shape=shape, heat=heat: torch.softmax(
                        heat * torch.randn(*shape, generator=rng, dtype=torch.double), -1
                    ).float(),
                    0.4,
                    0.6,
                )
            )
        )
    ask(student, as_array, cases, judge, rng)


@typical_acceptance.part(
    "keeps the right ones where some probabilities are 0",
    weight=2,
    rests_on=("zeros are allowed", "A token with p = 0 adds nothing to the entropy", "is never kept"),
)
def _(student, rng):
    cases = []
    for keep in mixed((1, 2, 3, 5), rng):

        def draw(keep=keep):
            p = drawn_rows(rng, whole(6, 20, rng))
            p = p * (p >= p.sort(descending=True).values[keep - 1])
            return p / p.sum()

        cases.append(case(telling(rng, draw, uniform(0.1, 0.4, rng), uniform(0.3, 0.9, rng))))
        cases.append(case((draw(), 0.0, uniform(0.3, 0.9, rng))))  # a threshold of 0, and nothing is above it by 0
    ask(student, as_array, cases, judge, rng)


@typical_acceptance.part(
    "keeps the right ones where nobody names epsilon and delta: 0.09 and 0.3",
    weight=1,
    rests_on="epsilon=0.09, delta=0.3",
)
def _(student, rng):
    cases = []
    for spread in (0.5, 0.8, 1.5, 3.0):
        cases.append(case(telling(rng, lambda spread=spread: drawn_rows(rng, 3, 25, spread=spread)), short=True))
    for _ in range(3):  # a sure target, and a token a little above epsilon: delta does not decide there

        def draw():
            rest = torch.softmax(torch.randn(6, generator=rng), -1) * 0.04
            second = uniform(0.095, 0.14, rng)
            return torch.cat([torch.tensor([1 - second - 0.04, second]), rest])[torch.randperm(8, generator=rng)]

        cases.append(case(telling(rng, draw), short=True))
    ask(student, as_array, cases, judge, rng)


typical_acceptance.mistake("unsteady", observe.UNSTEADY, observe=observe.unsteady(lambda rng: (drawn_rows(rng, 9),)))
