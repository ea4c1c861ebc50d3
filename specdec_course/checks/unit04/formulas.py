"""Unit 04: how often a token is kept, given that it was drafted, and on average.

Knows: what is right and what is commonly wrong in these two formulas. Does not know: what is drawn after a rejection
(`leftover`), the verification that is built from them.
"""

from __future__ import annotations

import numpy as np
import torch

from ..ask import mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from .distribution import random_distribution
from .leftover import EPSILONS, real_rows

acceptance_probability = Exercise(
    "acceptance_probability", unit="04", points=1, difficulty=1, minutes=5,
    reference="specdec_course.verification:acceptance_probability",
    lent=True,
    hints=(
        "The drafter proposes x with probability q(x), the target wants it with probability p(x). If it is proposed "
        "twice as often as it is wanted, how often may you keep it? And if it is proposed too rarely?",
        "min(1, p/q), elementwise. Where q is 0 the division gives inf or NaN: use torch.where(q > 0, ..., ...) with "
        "1 where p > 0 and 0 elsewhere.",
    ),
)


RARE = (1e-4, 1e-6, 1e-8, 1e-10, 1e-12)  # probabilities that rows of 150,000 tokens are full of


def with_rare_tokens(rng, dtype=torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """p and q in which most tokens are rare: as rare in both, rarer in p, rarer in q."""
    pairs = [(x * a, x * b) for x in RARE for a, b in ((1, 1), (1, uniform(2, 9, rng)), (uniform(2, 9, rng), 1))]
    p, q = torch.tensor(mixed(pairs, rng), dtype=torch.float64).T
    frequent = torch.tensor([0.7, 0.3], dtype=torch.float64)
    return tuple(torch.cat([row, frequent * (1 - row.sum())]).to(dtype) for row in (p, q))


@acceptance_probability.part("is min(1, p/q)", weight=2,
                             rests_on="the probability of keeping x if the drafter proposes it, min(1, p(x)/q(x))")
def _(student, rng):
    for size in mixed((3, 6, whole(4, 9, rng)), rng):
        p, q = random_distribution(size, rng), random_distribution(size, rng)
        _expect_acceptance(student, p, q, "For two random distributions p and q, all positive")


def _expect_acceptance(student, p, q, when: str, some=slice(None)) -> None:
    answer = student.array(p, q)
    with student.shown():
        if answer.shape != tuple(p.shape):
            raise Wrong(f"Expected one probability per token, shape {tuple(p.shape)}; yours has shape {answer.shape}.")
        if np.isnan(answer).any():
            elsewhere = np.isnan(answer[q.numpy() > 0]).any()
            raise Wrong(f"{when} your answer holds NaN.", mistake=None if elsewhere else "divides_by_zero")
        if (answer > 1 + 1e-6).any():
            raise Wrong("Some of your probabilities are larger than 1.", otherwise="not_clamped")
        right = np.where(q > 0, np.minimum(1, p.double() / q.double().clamp(min=1e-300)), (p > 0).double())
        if not np.allclose(answer[some], right[some], atol=1e-5):
            x = np.arange(len(right))[some][np.abs(answer - right)[some].argmax()]
            raise Wrong(f"{when}, the answer is not right: where p(x) = {p[x]:.3g} and q(x) = {q[x]:.3g}, yours is "
                        f"{answer[x]:.4g}, and {right[x]:.4g} is due.")


@acceptance_probability.part("counts rare tokens like all others", weight=1,
                             rests_on="Rare tokens count too: where p and q are both 1e-8, the answer is 1")
def _(student, rng):
    for dtype in mixed((torch.float32, torch.float64), rng):
        p, q = with_rare_tokens(rng, dtype)
        _expect_acceptance(student, p, q, "With tokens of probability 1e-4 to 1e-12")


@acceptance_probability.part("decides about tokens that p or q excludes", weight=1, rests_on=(
    "without NaN: 1 where q(x) = 0 < p(x), 0 where p(x) = 0", "Where both are 0, any probability will do"))
def _(student, rng):
    place = torch.randperm(4, generator=rng)
    share, other = uniform(0.2, 0.8, rng), uniform(0.2, 0.39, rng)
    p, q = torch.zeros(4), torch.zeros(4)
    p[place[:2]] = torch.tensor([share, 1 - share])
    q[place[1:3]] = torch.tensor([other, 1 - other])
    answer = student.array(p, q)
    if answer.shape != (4,):
        raise Wrong(f"Expected one probability per token, shape (4,); yours has shape {answer.shape}.")
    if np.isnan(answer).any() or not np.isfinite(answer).all():
        raise Wrong("Where q(x) = 0 your answer is not a number (NaN or infinity).", mistake="divides_by_zero")
    for at, due, what in ((0, 1.0, "q(x) = 0 and p(x) > 0: it can only be wanted more than it is proposed"),
                          (2, 0.0, "p(x) = 0 and q(x) > 0: the target never says it")):
        if abs(answer[place[at]] - due) > (1e-5 if due else 1e-9):
            raise Wrong(f"The answer is not right for a token with {what}. Yours is {answer[place[at]]:.4g}, and "
                        f"{due:g} is due.")
    kept, free = answer[place[1]], answer[place[3]]
    if abs(kept - min(1, (1 - share) / other)) > 1e-5 or not -1e-6 <= free <= 1 + 1e-6:
        raise Wrong("Not every entry of your answer is the probability between 0 and 1 that it should be.")


acceptance_probability.mistake("inverted", (
    "The ratio is upside down: this keeps min(1, q/p). A token that the drafter proposes *more* often than the target "
    "wants it (q > p) has to be thrown away sometimes, not one that it proposes too rarely."
), imitate=lambda p, q: torch.where(p > 0, (q / p).clamp(max=1), (q > 0).to(p)))
acceptance_probability.mistake("not_clamped", (
    "p/q is above 1 wherever the target wants a token more often than the drafter proposes it. A probability ends at "
    "1: that token is always kept."), imitate=lambda p, q: torch.where(q > 0, p / q, (p > 0).to(p)))
acceptance_probability.mistake("all_or_nothing", (
    "You keep a token exactly if p >= q. Where p < q it must still be kept with probability p/q, or the text says it "
    "too rarely."), imitate=lambda p, q: (p >= q).to(p))
acceptance_probability.mistake("overlap", (
    "This is min(p, q): how often a token is proposed *and* kept. Given that it was proposed, divide by q."
), imitate=torch.minimum)


def _kept_apart_from_zero(epsilon: float) -> tuple:
    """Ways to keep q away from 0, as wrong rules: by adding this number, and by a lower limit."""
    return (lambda p, q: (p / (q + epsilon)).clamp(max=1), lambda p, q: (p / q.clamp(min=epsilon)).clamp(max=1),
            lambda p, q: ((p + epsilon) / (q + epsilon)).clamp(max=1))


acceptance_probability.mistake("epsilon", (
    "You keep the division away from 0 with a small number. Real rows are full of tokens that are rarer than that: for "
    "them the small number decides, not p/q. Divide only where q > 0, and decide the others by themselves."
), imitate=tuple(rule for epsilon in EPSILONS for rule in _kept_apart_from_zero(epsilon)))
acceptance_probability.mistake("rare_is_zero", (
    "You take a small q(x) for 0. Real rows are full of tokens that are rarer than your limit: for them p/q counts as "
    "for all others. Only q(x) = 0 is another case."
), imitate=tuple(lambda p, q, e=e, other=other: torch.where(q > e, (p / q).clamp(max=1), other(p))
                 for e in (*EPSILONS, 1e-4) for other in (torch.ones_like, torch.zeros_like, lambda p: (p > 0).to(p))))
acceptance_probability.mistake("divides_by_zero", (
    "q(x) can be exactly 0: by underflow, or because a filter removed the token. Then p/q is inf or NaN. Decide those "
    "entries by themselves: 1 where p > 0, and 0 where p = 0."))
acceptance_probability.help(r"ZeroDivisionError", "q(x) can be exactly 0. Decide those entries by themselves.")
acceptance_probability.help(r"Boolean value of Tensor", "`min(1, tensor)` and `if tensor` want one number. For all "
                            "entries at once: `.clamp(max=1)`, `torch.where`.")


expected_acceptance = Exercise(
    "expected_acceptance", unit="04", points=1, difficulty=1, minutes=5,
    reference="specdec_course.verification:expected_acceptance",
    lent=True,
    hints=(
        "A token x is drawn with probability q(x), and then kept with probability min(1, p(x)/q(x)). What is the "
        "chance that both happen, and what if you do not care which x it was?",
        "The sum over x of min(p(x), q(x)), as a float. It equals 1 - TV(p, q), where TV is half the sum of |p - q|.",
    ),
)


def _expect_chance(student, p, q, message: str) -> None:
    answer = student.returned_float(p, q)
    with student.shown():
        due = float(torch.minimum(p.double(), q.double()).sum())
        if abs(answer - due) > (3e-5 if len(p) < 100 else 1e-4):
            rows = [", ".join(f"{chance:.4f}" for chance in row.tolist()) for row in (p, q)] if len(p) < 6 else []
            raise Wrong(f"{message} For p = ({rows[0]}) and q = ({rows[1]}) it is {due:.4f}, and you answer "
                        f"{answer:.4f}." if rows else message)


@expected_acceptance.part("is the chance that a token drawn from q is kept", weight=2,
                          rests_on="The chance that a token drawn from q is kept: the sum over x of min(p(x), q(x))")
def _(student, rng):
    for size in (4, *mixed((3, 5, 9, whole(4, 12, rng)), rng)):  # the first is shown
        p, q = random_distribution(size, rng), random_distribution(size, rng)
        while size == 4 and (p > q).sum() != 2:  # else one token makes all the difference
            q = random_distribution(size, rng)
        _expect_chance(student, p, q, f"For two random distributions over {size} tokens the answer is not right.")


@expected_acceptance.part("is right for equal, disjoint, one-hot and filtered distributions", weight=1, rests_on=(
    "float in [0, 1]", "Tokens with p(x) = q(x) = 0 add nothing"))
def _(student, rng):
    p, other = random_distribution(4, rng), random_distribution(4, rng)
    share = uniform(0.2, 0.8, rng)
    left, right = torch.tensor([share, 1 - share, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1 - share, share])
    certain = torch.nn.functional.one_hot(torch.randint(4, (), generator=rng), 4).float()
    cases = [(p, p, "When p = q every token is kept: the answer has to be 1."),
             (left, right, "When p and q have no token in common nothing is ever kept: the answer has to be 0."),
             (p, certain, "When q has all its probability on one token (a bigram), the answer is not right.")]
    for one, two, message in mixed(cases, rng):
        _expect_chance(student, one, two, message)
    zeros = torch.zeros(5)
    _expect_chance(student, torch.cat([p, zeros]), torch.cat([other, zeros]),
                   "Where p and q are both 0 for some tokens (as after a filter), the answer is not right.")


@expected_acceptance.part("is right over the 151,936 tokens of a real model, nearly all of them rare", weight=1,
                          rests_on="the sum over x of min(p(x), q(x))")
def _(student, rng):
    _expect_chance(student, *real_rows(rng), "For rows of 151,936 probabilities, most of them tiny and many 0, the "
                                             "answer is not right. Is something added to them or cut off?")


expected_acceptance.mistake("total_variation", (
    "This is the total variation distance itself, the chance of a *rejection*. Acceptance is 1 minus it."),
    imitate=lambda p, q: float((p - q).abs().sum() / 2))
expected_acceptance.mistake("no_half", (
    "1 minus the sum of |p - q| counts every difference twice: probability that is too high at one token is missing "
    "at another. TV is *half* that sum."), imitate=(
        lambda p, q: float(1 - (p - q).abs().sum()), lambda p, q: 1 - float(torch.dist(p, q, p=1)),
        lambda p, q: max(0.0, 1 - float((p - q).abs().sum())), lambda p, q: abs(1 - float((p - q).abs().sum()))))
expected_acceptance.mistake("plain_sum", (
    "You add up the chances of being kept, as if every token were proposed for certain. Token x is proposed with "
    "probability q(x): weigh it with that, which makes min(p(x), q(x)) of it."),
    imitate=(lambda p, q: float((p / q).clamp(max=1).sum()), lambda p, q: float((p / q)[q > 0].clamp(max=1).sum())))
expected_acceptance.mistake("plain_mean", (
    "You average the acceptance probability over the vocabulary as if all tokens were proposed equally often. Token x "
    "is proposed with probability q(x): weigh it with that."),
    imitate=(lambda p, q: float((p / q).clamp(max=1).mean()), lambda p, q: float((p / q)[q > 0].clamp(max=1).mean()),
             lambda p, q: float(torch.where(q > 0, (p / q).clamp(max=1), 1).mean()),
             lambda p, q: float(torch.where(q > 0, (p / q).clamp(max=1), (p > 0).to(p)).mean()),
             lambda p, q: float(torch.where(q > 0, (p / q).clamp(max=1), 0).mean())))
expected_acceptance.mistake("weighted_by_p", (
    "The acceptance probabilities are weighted with p. It is the drafter that proposes: weigh with q."),
    imitate=(lambda p, q: float((p * (p / q).clamp(max=1)).sum()),
             lambda p, q: float((p * torch.where(p >= q, 1, p / q)).sum()),
             lambda p, q: float((p.double() * (p.double() / q.double()).clamp(max=1))[q > 0].sum())))
expected_acceptance.mistake("collision", (
    "The sum of p times q is the chance that two independent draws agree. That is how often a rule keeps a token that "
    "compares it with a fresh sample of p; the coin min(1, p/q) keeps more."),
    imitate=lambda p, q: float((p * q).sum()))
expected_acceptance.help(r"ValueError: only one element|a Tensor with \d+ elements",
                         "The answer is one number for the whole pair of distributions: sum over the tokens.")
