"""Unit 04: how a verification function is judged, by the exact joint law of what it emits.

Knows: how to work out that law for a student's function and what to say when it is not the target's. Does not know: how
verification is written, or which wrong rules there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from ...sampling import exact_law
from .. import values
from ..ask import mixed, uniform, whole
from ..errors import Wrong
from ..stages import toys
from ..subject import Subject
from ..surroundings import random_states
from . import wrong_rules
from .distribution import random_distribution

TOLERANCE = 1e-5
A_QUARTER = 0.25  # of what comparing with a draw from p would keep: a rule that keeps less than that hardly verifies


def round_law(student: Subject, target, drafter, k: int, emitted: list) -> dict:
    """The exact law of what one round emits, the draft drawn from the drafter by the same dice; `emitted` gets every
    way that the round can go, as `expect_kept` wants it."""
    used = []

    def one_round(dice):
        drawn = toys.draw_draft(drafter, k, dice)
        tokens = tuple(call_with(student, toys.verification_inputs(target, *drawn), dice, used))
        emitted.append((dice.probability, drawn[0][0] if k else None, tokens))
        return tokens

    law = student.law_of(one_round)
    student.dice_used = any(used)
    return law


def expect_kept(emitted: list[tuple[float, int, list[int]]], p, q, when: str) -> None:
    """Wrong if drafted tokens are never kept: the law of plain sampling is right, and nothing of it is verification.

    Args:
        emitted: (probability, first drafted token, emitted tokens) of every way that the round can go.
        p, q: the distributions of the first token.
    """
    agreement = float((p * q).sum())  # the chance that a draw from p equals the first drafted token
    by_the_coin = float(torch.minimum(p, q).sum())
    if by_the_coin < agreement + 1e-3:
        return  # a drafter that is certain: whatever verifies it agrees with it just as often
    kept = sum(chance for chance, _, tokens in emitted if len(tokens) > 1)
    same = sum(chance for chance, drafted, tokens in emitted if tokens[0] == drafted)  # without a bonus it is not seen
    if kept < A_QUARTER * agreement and same < agreement + A_QUARTER * (by_the_coin - agreement):
        raise Wrong(f"{when}: what your function emits has the right law, but it hardly ever keeps a drafted token "
                    f"(the first one {kept:.1%} of the time). Does the draft decide anything in it?",
                    mistake="draft_ignored")


def call_with(student: Subject, inputs, dice, used: list) -> list[int]:
    """The student's tokens; Wrong when they are not 1 to k + 1 ids of the vocabulary, or came from elsewhere."""
    state, taken = random_states(), len(dice.taken)
    emitted = values.as_ids(student.quiet(*inputs, dice))
    used.append(len(dice.taken) > taken)
    if random_states() != state:
        raise Wrong("Your function draws from torch's, numpy's or Python's own random numbers.",
                    mistake="own_randomness")
    k, vocab_size = len(inputs[0]), inputs[2].shape[-1]
    if not 1 <= len(emitted) <= k + 1:
        why = None if emitted else "correction_dropped" if k else "no_bonus"  # an empty draft has nothing to correct
        raise Wrong(f"With k = {k} your function emitted {len(emitted)}; a round emits at least 1 token and at most "
                    f"k + 1 = {k + 1}.", otherwise=why)
    if not all(0 <= token < vocab_size for token in emitted):
        raise Wrong("Your function returned something that is not a token of the vocabulary.")
    return emitted


def expect_joint(student, target, drafter, k, when) -> dict:
    """The joint law of k + 1 tokens must be the target's; returns the law of what the round emitted."""
    emitted = []
    law = round_law(student, target, drafter, k, emitted)
    whole, wanted = toys.completed(law, target, k + 1), toys.target_law(target, k + 1)
    if toys.difference(whole, wanted) > TOLERANCE:
        place = next((i for i in range(k + 1)
                      if toys.difference(toys.marginal(whole, i), toys.marginal(wanted, i)) > TOLERANCE), None)
        detail = ("every token alone has the right law, but not the tokens together" if place is None
                else f"the first token with a wrong law is number {place + 1} of {k + 1}")
        if len(law) == 1 and not k:
            raise Wrong(f"{when}: your function emits the token {next(iter(law))[0]}, whatever the dice show. It has "
                        "to be drawn from the row of p, with dice.roll.")
        raise Wrong(f"{when}: over k + 1 = {k + 1} places the joint law is not the target's (total variation "
                    f"distance {toys.total_variation(whole, wanted):.2g}); {detail}.",
                    otherwise=None if student.dice_used else "own_randomness")
    if k:
        expect_kept(emitted, target(()), drafter(()), when)
    return law


def round_off_part(student, rng):
    for share in mixed((5e-3, 5e-4, 5e-5), rng):
        p, q, after = _a_little_apart(share, rng)
        when = f"For p and q that differ by so little that {share:g} of the guesses are rejected"
        expect_joint(student, toys.fixed_rows(p, after), toys.fixed_rows(q), 1, when)
    while not 0 < (p := random_distribution(3, rng)).min() < 0.1:  # one unlikely token, for rules that drop such
        pass
    q = torch.nextafter(p, torch.tensor(2.0))
    with else_named("zero_over_zero", "where q is above p by round-off, everywhere"):
        expect_joint(student, toys.fixed_rows(p), toys.fixed_rows(q), 2, "With k = 2")
    lower, one = p.clone(), p.argmax()  # as likely a draft as any, and everything before it is kept for certain
    lower[one] = torch.nextafter(p[one], torch.tensor(0.0))
    with else_named("zero_over_zero", "where p = q, but for one probability of p that is lower by round-off"):
        expect_joint(student, toys.fixed_rows(p, lower, p), toys.fixed_rows(p), 2, "With k = 2")


def toy_pair(size: int, k: int, rng, drafter_of=lambda target, other: other) -> tuple:
    """A toy target and a toy drafter for k guesses. What is left over for a correction is nothing, or more than a
    little: luck does not decide which parts a rule passes that is wrong where little is left."""
    while True:
        target = toys.toy_rows(size, rng)
        drafter = drafter_of(target, toys.toy_rows(size, rng))
        if all(left == 0 or left > 0.03 for left in _leftovers(target, drafter, k)):
            return target, drafter


def _leftovers(target, drafter, k: int, text=(), weight: float = 1.0) -> Iterator[float]:
    """What token and block verification leave over, behind every draft."""
    p, q = target(text), drafter(text)
    for share in {weight, 1.0}:
        yield float((share * p - q).clamp(min=0).sum())
    for x in q.nonzero().flatten().tolist() if len(text) + 1 < k else ():
        yield from _leftovers(target, drafter, k, (*text, x), min(1.0, weight * float(p[x] / q[x])))


def _a_little_apart(share: float, rng) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """p and q whose leftover is this share, all of it at a rare token: p itself in its place is wrong by nearly as
    much. And a certain row for the place after it, which lets nothing of that be lost in a larger law."""
    places = torch.randperm(4, generator=rng)
    q = torch.tensor([0.5, 0.05, 0.25, 0.2])[places]
    p = q.clone()
    p[places.argmin()] -= share  # where q is 0.5
    p[(places == 1).nonzero()[0, 0]] += share
    return p, q, torch.nn.functional.one_hot(places[0], 4).float()


def many_tokens_part(student, rng):
    """Rows of thousands of probabilities, nearly all 0 as after a filter: few ways for the round to go."""
    size = whole(6500, 7000, rng)  # a row that is rolled fits into one frame of the grader's, in float64 too
    ids = torch.randperm(size, generator=rng)[:3]
    p, q = torch.zeros(size), torch.zeros(size)
    share, other = uniform(0.2, 0.4, rng), uniform(0.6, 0.8, rng)
    p[ids[:2]] = torch.tensor([share, 1 - share])
    q[ids[[0, 2]]] = torch.tensor([other, 1 - other])
    p, q = toys.fixed_rows(p), toys.fixed_rows(q)
    expect_joint(student, p, q, 1, f"With rows of {size:,} probabilities, most of them 0")
    _many_rare_tokens(student, rng)


def _many_rare_tokens(student, rng):
    """Drafted tokens that are all rare: what is added to each q, or cut off from it, adds up over them."""
    many = whole(40, 45, rng)  # few enough for a rule that draws from p for each of them
    q = torch.full((many + 1,), uniform(0.4, 0.6, rng) / many)
    q[-1] = 1 - q[:-1].sum()
    p = q * uniform(0.7, 0.8, rng)
    p[-1] = 1 - p[:-1].sum()
    certain = torch.zeros(many + 1)
    certain[whole(0, many, rng)] = 1.0
    try:
        expect_joint(student, toys.fixed_rows(p, certain), toys.fixed_rows(q), 1, f"With {many} rare tokens")
    except Wrong as wrong:
        raise wrong.but(message=f"{wrong.message} Is a small number added to q before you divide by it, or are small "
                                "ones cut off? Over many rare tokens that adds up.") from None


def token_law(target, drafter, k: int) -> dict:
    """The exact law of what a round of token verification emits."""
    rule = wrong_rules.token_rule()

    def one_round(dice):
        drawn = toys.draw_draft(drafter, k, dice)
        return tuple(rule(*toys.verification_inputs(target, *drawn), dice))

    return exact_law(one_round)


@contextlib.contextmanager
def else_named(mistake: str, when: str):
    """Adds to a Wrong in which case it came up, and the mistake to name if no other is recognised."""
    try:
        yield
    except Wrong as wrong:
        raise wrong.but(message=f"{wrong.message} (That was {when}.)", otherwise=wrong.otherwise or mistake) from None


DICE_HELP = (
    (r"dice.roll got numbers that sum to nan",
     "The numbers are NaN: 0/0. Does the residual fall back to p where p = q?"),
    (r"dice.roll got numbers that sum", "Divide the probabilities by their sum before you roll."),
    (r"dice.flip got nan", "0/0: is a probability divided by a q that is 0 there?"),
    (r"object has no attribute '_?generator'",
     "Take randomness from dice.flip and dice.roll only, not from a generator."),
    (r"Boolean value of Tensor", "An `if` needs one yes or no. `acceptance_probability(p[i], q[i])` has an entry per "
     "token of the vocabulary: pick that of the drafted token."),
    (r"out of bounds|out of range", "p has k + 1 rows and q has k: the bonus is drawn from p alone. With k = 0, q has "
     "no row at all."),
    (r"zero-dimensional tensor.*cannot be concatenated", "torch.cat joins tensors with one dimension: make the last "
     "token one of shape [1] with `draft.new_tensor([token])`."),
    (r"expected Tensor as element", "torch.cat joins tensors: `draft.new_tensor([token])` makes one of a token."),
)
