"""Unit 04, first exercise: the distribution that a token is drawn from.

Knows: what is right and what is commonly wrong about temperature and filters. Does not know: the formulas of the accept
rule (`formulas`), drafting and verification, whose laws are worked out (`laws`, `block`).
"""

from __future__ import annotations

import numpy as np
import torch

from ..ask import mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from .wrong_rules import warp_rule

next_token_distribution = Exercise(
    "next_token_distribution", unit="04", points=2, difficulty=2, minutes=15,
    reference="specdec_course.sampling:next_token_distribution",
    lent=True,
    hints=(
        "Sort the probabilities, largest first. For each token: how much probability stands *in front of* it? For "
        "which values of that number does the token stay?",
        "T = 0: one_hot of the argmax. Else softmax(logits / T). top_k: set to 0 what is below the k-th largest of "
        "its row. top_p: after sorting, `ahead = cumsum - itself`; a token stays if ahead < top_p (the first always); "
        "scatter the decisions back to the unsorted places. Divide by the sum of the row after each filter.",
    ),
)


def random_distribution(size: int, rng: torch.Generator, spread: float = 1.0) -> torch.Tensor:
    return torch.softmax(spread * torch.randn(size, generator=rng), dim=-1)


def as_distribution(answer: np.ndarray, shape, when: str, unscaled: str | None = "not_rescaled") -> np.ndarray:
    """The answer, if it is rows of probabilities of this shape; else Wrong, with the mistake to suspect."""
    if answer.shape != tuple(shape):
        raise Wrong(f"{when}: expected an answer of shape {tuple(shape)}, yours has shape {answer.shape}.")
    if np.isnan(answer).any():
        raise Wrong(f"{when}: your answer holds NaN, which is what 0/0 gives, and infinity / infinity.",
                    otherwise="zero_over_zero")
    if (answer < -1e-6).any():
        raise Wrong(f"{when}: your answer holds negative probabilities.")
    sums = answer.sum(-1)
    if np.abs(sums - 1).max() > 1e-4:
        raise Wrong(f"{when}: a row of your answer sums to {float(sums.flat[np.abs(sums - 1).argmax()]):.4g}, not "
                    "to 1.", otherwise=unscaled)
    return answer


def expect_warp(student, logits, temperature, when, top_k=None, top_p=None) -> None:
    answer = student.array(logits, temperature, top_k, top_p)
    with student.shown():
        judge_warp(answer, logits, temperature, when, top_k, top_p)


def judge_warp(answer, logits, temperature, when, top_k, top_p) -> None:
    right = next_token_distribution.solution(logits, temperature, top_k, top_p).double().numpy()
    filtered = top_k is not None or top_p is not None
    answer = as_distribution(answer, right.shape, when, "not_rescaled" if filtered else None)
    if np.abs(answer - right).max() > 1e-4:
        kept, should = set(np.flatnonzero(answer > 1e-9)), set(np.flatnonzero(right > 1e-9))
        detail = ""
        if kept != should and answer.ndim == 1 and filtered:
            detail = f" You keep {len(kept)} tokens, of {len(should)} that should stay."
            if len(kept) == len(should):
                detail = f" You keep {len(kept)} tokens, as many as should stay, but not those."
        raise Wrong(f"{when}: the probabilities are not right.{detail}", mistake=_moved(answer, right))


def _moved(answer: np.ndarray, right: np.ndarray) -> str | None:
    """Whether all probabilities are right and stand at other places; in sorted order is a mistake of its own."""
    same = np.allclose(np.sort(answer, -1), np.sort(right, -1), atol=1e-5)
    return "moved" if same and (np.diff(answer, axis=-1) > 0).any() else None


FLOORS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # small numbers that people like


def far_below_zero(size: int, rng: torch.Generator, spread: float = 2.0) -> torch.Tensor:
    """Logits as models give them, no two of them alike."""
    steps = torch.randperm(size, generator=rng) - size / 2
    return spread * steps / size * 4 + 0.3 * spread * torch.rand((), generator=rng) - 25


def between_two_tokens(logits, kept: int, temperature: float = 1.0) -> float:
    """A top_p that `kept` tokens reach and one fewer do not, well away from both: round-off decides nothing."""
    heights = torch.softmax(logits.double() / temperature, -1).sort(descending=True).values.cumsum(-1)
    return float(heights[kept - 2] + heights[kept - 1]) / 2 if kept > 1 else float(heights[0]) / 2


@next_token_distribution.part("divides the logits by the temperature", weight=1, rests_on=(
    "temperature: divides the logits, however small it is", "logits: FloatTensor [..., V], one row per position"))
def _(student, rng):
    logits = 2 * torch.randn(7, generator=rng)
    for temperature in mixed((1.0, 0.5, 2.0, uniform(0.6, 1.9, rng)), rng):
        expect_warp(student, logits, temperature, f"At temperature {temperature:.4g}")
    for temperature in mixed((0.05, 0.002, 2e-4, 2e-6, 2e-9), rng):  # logits so close that more than one token stays
        near = temperature * 2 * torch.randn(6, generator=rng)
        expect_warp(student, near, temperature, f"At temperature {temperature}, with logits close together")
    expect_warp(student, torch.randn(2, 3, 5, generator=rng), 0.7, "With logits of shape [2, 3, 5]")
    large = torch.tensor([1000.0, 998.0, -float("inf"), 999.0])
    expect_warp(student, large, 1.0, "With logits near 1000, and one of minus infinity")
    expect_warp(student, far_below_zero(400, rng).double(), 1.0, "With 400 logits in float64, all far below 0")


@next_token_distribution.part("is greedy at temperature 0", weight=1,
                              rests_on="0 means greedy: all probability on the largest logit (the first, on a tie)")
def _(student, rng):
    logits = torch.randn(3, 6, generator=rng) - 20
    answer = student.array(logits, 0.0)
    if not np.isfinite(answer).all():
        raise Wrong("At temperature 0 your answer holds NaN or infinity.", mistake="zero_temperature")
    expect_warp(student, logits, 0.0, "At temperature 0")
    expect_warp(student, logits, 0.0, "At temperature 0 with top_k = 2 and top_p = 0.5", 2, 0.5)
    _expect_first_of_two(student, torch.tensor([0.5, 2.0, 2.0, -1.0]))


def _expect_first_of_two(student, logits) -> None:
    when = "At temperature 0, with two largest logits"
    answer = student.array(logits, 0.0)
    with student.shown():
        if np.allclose(answer, (logits == logits.max()) / 2, atol=1e-4):
            raise Wrong(f"{when}: they share the probability, and the first one should have all of it.",
                        mistake="tie_is_split")
        judge_warp(answer, logits, 0.0, when, None, None)


def _others_than_k(answer: np.ndarray, logits, k: int) -> str | None:
    """The mistake of an answer that keeps the first few of the k most probable tokens, but not k."""
    kept = (answer > 1e-9)[logits.argsort(descending=True).numpy()].tolist()
    for count, mistake in ((k - 1, "drops_kth"), (k + 1, "keeps_k_and_one")):
        if k < len(kept) and kept == [True] * count + [False] * (len(kept) - count):
            return mistake
    return None


@next_token_distribution.part("keeps the top_k most probable tokens of every row", weight=1, rests_on=(
    "top_k: keep the k most probable tokens; None keeps all, and so does a top_k above V", "After each filter"))
def _(student, rng):
    logits = torch.randn(8, generator=rng)
    for k in mixed((1, 3, 8, 20), rng):
        try:
            expect_warp(student, logits, 1.0, f"With top_k = {k} and 8 tokens", top_k=k)
        except Wrong as wrong:
            answer = wrong.call and np.asarray(wrong.call.answer)
            found = _others_than_k(answer, logits, k) if np.shape(answer) == (8,) else None
            raise wrong.but(mistake=wrong.mistake or found) from None
    expect_warp(student, far_below_zero(400, rng), 1.0, "With top_k = 50 and 400 tokens", top_k=50)
    rows = torch.randn(2, 3, 6, generator=rng) * torch.tensor([0.2, 1.0, 4.0])[:, None]
    expect_warp(student, rows, 1.0, "With top_k = 2 and six rows of logits", top_k=2)


@next_token_distribution.part("keeps the tokens that reach top_p together, and no more", weight=2, rests_on=(
    "keep the most probable tokens until their probabilities reach top_p", "top_p = 0 keeps just the first"))
def _(student, rng):
    shuffled = torch.randperm(5, generator=rng)
    logits = torch.tensor([0.46, 0.26, 0.16, 0.08, 0.04])[shuffled].log()
    for top_p in mixed((0.6, 0.3, 0.8, 0.95, 0.0, 1.0), rng):
        expect_top_p(student, logits, top_p)
    many = far_below_zero(400, rng)
    for kept in mixed((1, whole(2, 9, rng), whole(20, 60, rng)), rng):
        expect_top_p(student, many, between_two_tokens(many, kept))
    rows = torch.randn(2, 3, 6, generator=rng) * torch.tensor([0.2, 1.0, 3.0])[:, None]
    expect_warp(student, rows, 1.0, "With top_p = 0.7 and six rows of logits", top_p=0.7)


def expect_top_p(student, logits, top_p) -> None:
    """One row, so that the tokens kept can be compared: one too few and one too many have names."""
    right = next_token_distribution.solution(logits, 1.0, None, top_p)
    answer = student.array(logits, 1.0, None, top_p)
    if answer.shape == (len(logits),):
        if answer.sum() == 0 or np.isnan(answer).all():
            raise Wrong(f"With top_p = {top_p:.4g} no token is left at all.",
                        otherwise="drops_crossing")
        by_size = logits.argsort(descending=True).tolist()
        kept = (answer > 1e-9)[by_size].tolist()
        n, full = int((right > 0).sum()), len(by_size)
        when = f"With top_p = {top_p:.4g}, a row of {full} tokens"
        if kept == [True] * (n - 1) + [False] * (full - n + 1):
            raise Wrong(f"{when}: you keep one token too few.", otherwise="drops_crossing")
        if kept == [True] * (n + 1) + [False] * (full - n - 1):
            raise Wrong(f"{when}: you keep one token too many.", otherwise="keeps_one_more")
    expect_warp(student, logits, 1.0, f"With top_p = {top_p:.4g}", top_p=top_p)


@next_token_distribution.part("applies temperature, then top_k, then top_p", weight=1, rests_on=(
    "each to what the one before has left: temperature, top_k, top_p", "top_p looks at shares of what top_k has kept"))
def _(student, rng):
    logits = torch.tensor([0.4, 0.25, 0.15, 0.12, 0.08])[torch.randperm(5, generator=rng)].log()
    # 0.4 / (0.4 + 0.25) = 0.62: with top_k first, the best token alone reaches top_p = 0.6; without, it does not.
    expect_warp(student, logits, 1.0, "With top_k = 2 and top_p = 0.6 together", 2, 0.6)
    # At T = 0.5 the best token alone has 0.60; before the temperature it has 0.4.
    expect_warp(student, logits, 0.5, "With temperature 0.5 and top_p = 0.55 together", None, 0.55)
    expect_warp(student, torch.randn(3, 6, generator=rng), 0.7, "With temperature, top_k and top_p together", 4, 0.8)
    alike = 0.1 * torch.randn(3, 6, generator=rng)  # all four of top_k are needed to reach this top_p
    expect_warp(student, alike, 0.7, "With temperature, top_k and top_p together", 4, 0.95)


next_token_distribution.mistake("zero_temperature", (
    "Temperature 0 divides by zero. It means greedy: put all probability on the largest logit (the first, on a tie), "
    "and return before you divide."))
next_token_distribution.mistake("tie_is_split", (
    "At temperature 0 two equally large logits share the probability. Greedy takes one token, the first of them. A "
    "very small number in the place of 0 does not do that: treat 0 by itself, with argmax."))
next_token_distribution.mistake("drops_kth", (
    "top_k keeps one token too few. The k-th largest stays: remove what is *below* it, not the k-th itself."))
next_token_distribution.mistake("keeps_k_and_one", (
    "top_k keeps one token too many: k tokens stay, the k-th largest is the last of them."))
next_token_distribution.mistake("drops_crossing", (
    "top_p drops the token that crosses the threshold. It stays: the kept tokens together have to *reach* top_p. Ask "
    "how much probability stands in front of a token, without its own; a first token above top_p then stays by itself."
), imitate=(warp_rule(top_p="drop"), warp_rule(top_p="drop, but not the first")))
next_token_distribution.mistake("each_alone", (
    "top_p looks at each probability alone, or beside the largest, in your function. It is about sums: in the order of "
    "their size, tokens stay until what they have together reaches top_p."
), imitate=(warp_rule(top_p="each alone"), warp_rule(top_p="beside the largest")))
next_token_distribution.mistake("zero_is_none", (
    "You take top_p = 0 for no filter at all: `if top_p` is false for 0. No filter is None (`is not None`); 0 keeps "
    "just the first token."), imitate=lambda logits, t, k=None, mass=None: warp_rule()(logits, t, k, mass or None))
next_token_distribution.mistake("small_is_greedy", (
    "You take small temperatures for 0. Only 0 means greedy; by any other number the logits are divided."
), imitate=tuple(lambda logits, t, k=None, mass=None, least=least: warp_rule()(logits, 0 if t < least else t, k, mass)
                 for least in (0.01, 0.1, 0.005, *FLOORS)))
next_token_distribution.mistake("temperature_floor", (
    "You do not divide by the temperature itself where it is small: it is kept above some number, or one is added to "
    "it. Only 0 is treated by itself; by any other number the logits are divided, however small it is."
), imitate=tuple(lambda logits, t, k=None, mass=None, keep=keep, e=e: warp_rule()(logits, t and keep(t, e), k, mass)
                 for e in (0.01, *FLOORS) for keep in (max, lambda t, e: t + e)))
next_token_distribution.mistake("softmax_over_rows", (
    "Your softmax runs over the first dimension, and so over the positions. Each row is a distribution of its own: "
    "dim=-1."), imitate=warp_rule(rows="softmax over the first dimension"))
next_token_distribution.mistake("keeps_one_more", (
    "top_p keeps one token too many: after the token that crosses the threshold nothing more may stay. Compare the "
    "probability in front of a token with top_p; do not shift it once more."
), imitate=warp_rule(top_p="more"))
next_token_distribution.mistake("times_temperature", (
    "The logits are multiplied by the temperature; they have to be divided. A low temperature makes a distribution "
    "sharper, a high one flatter."), imitate=(
    warp_rule(temperature="times"), warp_rule(temperature="times", greedy=False)))
next_token_distribution.mistake("ignores_temperature", (
    "The temperature has no effect on your answer. Divide the *logits* by it, before softmax: probabilities that are "
    "divided by a number and then scaled to sum 1 are what they were."), imitate=warp_rule(temperature="none"))
next_token_distribution.mistake("filters_first", (
    "The filters look at the distribution before the temperature. The order is temperature, then top_k, then top_p: "
    "a filter sees what the step before has left."), imitate=(
    warp_rule(order="filters first"), warp_rule(order="temperature last")))
next_token_distribution.mistake("top_p_first", (
    "With both filters, top_p runs first in your function, or it counts the probabilities that top_k has removed. "
    "Apply top_k, rescale to sum 1, then apply top_p to the rest."
), imitate=(warp_rule(order="top_p first"), warp_rule(order="not rescaled between")))
next_token_distribution.mistake("whole_batch", (
    "A filter treats all rows as one long row. Every row has its own k-th largest token and its own running sum: "
    "work along the last dimension, dim=-1."), imitate=(
    warp_rule(rows="together"), warp_rule(rows="together in top_k"), warp_rule(rows="first dimension")))
next_token_distribution.mistake("not_scattered", (
    "The probabilities come back in sorted order. Put each one back into its own place: `scatter` with the indices "
    "that `sort` gave, or sort those indices."), imitate=(
    warp_rule(top_p="sorted"), warp_rule(top_p="sorted, and at 0 too")))
next_token_distribution.mistake("moved", (
    "The probabilities are right, and stand at the places of other tokens. `sort` gives for each rank the place that "
    "it came from: `scatter` puts it back there, while `gather` with the same indices does not."))
next_token_distribution.mistake("mask_not_scattered", (
    "Which tokens stay is worked out in sorted order, and applied to the unsorted ones. Put each True and False into "
    "its own place first: `scatter` with the indices that `sort` gave."
), imitate=warp_rule(top_p="mask in sorted order"))
next_token_distribution.mistake("not_rescaled", (
    "What is left after a filter does not sum to 1. Divide each row by its sum."), imitate=warp_rule(rescale=False))
next_token_distribution.mistake("zero_over_zero", (
    "Your answer holds NaN: somewhere 0 is divided by 0, or infinity by infinity. exp of a large logit is infinite "
    "(take the largest logit of the row from all of them first, or use softmax); a power of a small number may be 0."))
next_token_distribution.help(r"ZeroDivisionError", "Temperature 0 means greedy: treat it before you divide by it.")
next_token_distribution.help(r"selected index k out of range", "top_k may be larger than the vocabulary: then it keeps "
                             "everything. `min(top_k, V)` helps.")
next_token_distribution.help(r"must match the size|shape", "Logits may have any number of dimensions in front: [V], "
                             "[T, V], [B, T, V]. Use dim=-1 and keepdim=True.")
