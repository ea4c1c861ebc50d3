"""Unit 04: drawing a draft, judged by the joint law of the tokens and by the q that is reported for them.

Knows: what `propose_stochastic` must return. Does not know: how the draft is verified.
"""

from __future__ import annotations

import numpy as np
import torch

from ...sampling import Dice, Sampling
from .. import values
from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..stages import toys
from ..subject import counting, reading
from .laws import DICE_HELP, random_states

TOLERANCE = 1e-4
REAL = 32_000  # tokens of a real vocabulary

propose_stochastic = Exercise(
    "propose_stochastic", unit="04", points=2, difficulty=3, minutes=15,
    reference="specdec_course.drafters.model:propose_stochastic",
    hints=(
        "What has to be handed to dice.roll, and what has to be reported as q? Is it the same tensor in your code?",
        "k times: row = next_token_distribution(draft(text)[-1], sampling.temperature, sampling.top_k, "
        "sampling.top_p); keep the row; token = dice.roll(row); append the token to a copy of the text. Return the new "
        "ids and torch.stack(rows), or torch.zeros(0, 0) when k = 0.",
    ),
)


def draft_of(student, forward, ids, k, sampling, dice):
    """(ids, q as an array [k, V]) that the student returned; Wrong when it is not that."""
    state = random_states()
    answer = student.quiet(counting(forward, 4 * k + 4), ids, k, sampling, dice)
    if random_states() != state:
        raise Wrong("Your function draws from torch's, numpy's or Python's own random numbers.",
                    mistake="own_randomness")
    with reading("a pair (ids, q)"):
        if len(answer) != 2:
            raise Wrong(f"Expected a pair (ids, q), your function returned {values.describe(answer)}.")
        tokens, q = values.as_ids(answer[0]), values.as_array(answer[1])
    dtype = getattr(answer[0], "dtype", None)
    if str(dtype).startswith(("float", "torch.float")):
        raise Wrong(f"Token ids are whole numbers, yours have the dtype {dtype}.", mistake="float_ids")
    if len(tokens) > k and tokens[: len(ids)] == ids.tolist():
        raise Wrong("The ids begin with the text so far.", mistake="returns_text")
    if len(tokens) < k:
        raise Wrong(f"The number of tokens asked for was {k}, and you returned {len(tokens)}.", mistake="drops_unsure")
    if len(tokens) != k:
        raise Wrong(f"The number of tokens asked for was {k}, and you returned {len(tokens)}.")
    return tokens, q


def expect_draft(student, rng, sampling, when, k=2, size=4) -> None:
    """Everything that must hold under one sampling setting: the law of the ids, the rows reported, and both agree."""
    ids = torch.randint(size, (3,), generator=rng)
    forward, reported = _restless(size, ids, rng), {}

    def one_draft(dice):
        tokens, q = draft_of(student, forward, ids, k, sampling, dice)
        if q.shape != (k, size):
            raise Wrong(f"{when}: q has to hold one row of {size} probabilities per drafted token, shape "
                        f"({k}, {size}); yours has shape {q.shape}.")
        reported[tuple(tokens)] = q
        return tokens

    law = student.law_of(one_draft)
    if len(law) == 1 and sampling.temperature and _own_dice(student, rng):
        raise Wrong(f"{when}: the draft is the same, whatever `dice` shows, and not the most probable one.",
                    mistake="own_randomness")
    student.seen.append([reported[text].tolist() for text in sorted(reported)])
    for q in reported.values():
        if not np.isfinite(q).all() or (q < -1e-6).any() or np.abs(q.sum(-1) - 1).max() > TOLERANCE:
            raise Wrong(f"{when}: the rows of q are not distributions: each has to be >= 0 and sum to 1.")
    claimed = {text: float(np.prod([row[x] for row, x in zip(q, text, strict=True)])) for text, q in reported.items()}
    if abs(sum(claimed.values()) - 1) > TOLERANCE:
        raise Wrong(f"{when}: the rows of q do not belong to the tokens. They say how probable each draft is, and over "
                    f"all drafts that can come these chances sum to {sum(claimed.values()):.3f}, not to 1.",
                    otherwise="q_not_drawn_from")
    if toys.difference(law, claimed) > TOLERANCE:
        raise Wrong(f"{when}: the tokens are not drawn from the q that you report. Over all drafts the total "
                    f"variation distance is {toys.total_variation(law, claimed):.2g}.", otherwise="q_not_drawn_from")
    for text, q in reported.items():
        for i in range(k):
            row = sampling(forward(torch.cat([ids, torch.tensor(text[:i], dtype=torch.long)]))[-1])
            right = row.double().numpy()
            if q[i][right == 0].any():
                raise Wrong(f"{when}: row {i} of q gives some probability to a token that a filter has removed.")
            if np.abs(q[i] - right).max() > TOLERANCE:
                raise Wrong(f"{when}: row {i} of q is not the draft's distribution for that place, after temperature "
                            "and filters. You do draw from it, so verification would still be right, but it is not "
                            "the distribution that was asked for.")


def _own_dice(student, rng) -> bool:
    """Whether no draft depends on the dice, for many models, and some drafts are not the most probable ones."""
    aside, sampling, greedy = student.aside(), Sampling(temperature=1.0), Sampling(temperature=0.0)
    other = 0
    for _ in range(12):
        forward, ids = toys.toy_forward(4, rng), torch.randint(4, (3,), generator=rng)
        laws = [aside.law_of(lambda dice, how=how, forward=forward, ids=ids: draft_of(
            aside, forward, ids, 2, how, dice)[0]) for how in (sampling, greedy)]
        if len(laws[0]) > 1:
            return False
        other += laws[0].keys() != laws[1].keys()
    return other > 0


def _expect_real_rows(student, rng) -> None:
    """The same with the vocabulary of a real model, where no law can be worked out: each row is the right one."""
    sampling, ids = Sampling(temperature=0.7, top_k=50), torch.randint(REAL, (3,), generator=rng)
    table, drawn = torch.randn(7, REAL, generator=rng) * 3 - 20, torch.Generator().manual_seed(whole(0, 10**6, rng))

    def forward(text):
        return table[text.cumsum(0) % 7]

    tokens, q = draft_of(student, forward, ids, 2, sampling, Dice(drawn))
    if q.shape != (2, REAL):
        raise Wrong(f"With {REAL:,} tokens in the vocabulary q has to have the shape {(2, REAL)}; yours: {q.shape}.")
    for i, token in enumerate(tokens):
        right = sampling(forward(torch.cat([ids, torch.tensor(tokens[:i], dtype=torch.long)]))[-1]).double().numpy()
        if np.abs(q[i] - right).max() > TOLERANCE or not right[token]:
            raise Wrong(f"With {REAL:,} tokens in the vocabulary, row {i} of q is not right, or nobody could have "
                        "drawn this token from it.")


def _restless(size, ids, rng):
    """A toy model whose likeliest token changes with the text: a draft that does not follow itself always shows."""
    while True:
        forward = toys.toy_forward(size, rng)
        first = forward(ids)[-1].argmax()[None]
        if forward(torch.cat([ids, first]))[-1].argmax() != first:
            return forward


@propose_stochastic.part("draws each token after the one before, from the row that it reports", weight=2, rests_on=(
    "Draws k tokens from the draft model, one after the other", "and reports what each was drawn from"))
def _(student, rng):
    expect_draft(student, rng, Sampling(temperature=1.0), "At temperature 1")
    expect_draft(student, rng, Sampling(temperature=1.0), "At temperature 1 with k = 3", k=3, size=3)


@propose_stochastic.part("is right with temperature and filters, in the draw and in q", weight=2, rests_on=(
    "sampling: has .temperature, .top_k, .top_p", "really drawn from, after temperature and filters"))
def _(student, rng):
    settings = [(Sampling(temperature=0.5), "At temperature 0.5"),
                (Sampling(temperature=0.5, top_p=0.6), "At temperature 0.5 with top_p = 0.6"),
                (Sampling(temperature=2.0, top_k=2), "At temperature 2 with top_k = 2")]
    both = [(Sampling(temperature=1.0, top_k=3, top_p=0.5), "At temperature 1 with top_k = 3 and top_p = 0.5"),
            (Sampling(temperature=2.0, top_k=2, top_p=0.95), "At temperature 2 with top_k = 2 and top_p = 0.95")]
    for sampling, when in [*mixed(settings, rng), *mixed(both, rng)]:
        expect_draft(student, rng, sampling, when)
    _expect_real_rows(student, rng)


@propose_stochastic.part("is right at temperature 0 (one-hot rows), and for k = 0 (no rows)", weight=1, rests_on=(
    "k: tokens to draw; 0 gives no ids, and q without rows", "0 means greedy: all probability on the largest logit"))
def _(student, rng):
    expect_draft(student, rng, Sampling(temperature=0.0), "At temperature 0")
    forward = toys.toy_forward(4, rng)

    def nothing(dice):
        tokens, q = draft_of(student, forward, torch.tensor([1, 2]), 0, Sampling(temperature=1.0), dice)
        if len(q):
            raise Wrong("With k = 0, q has to have no rows.")
        return tokens

    student.law_of(nothing)


def _laws(student, rng, asked) -> list[dict]:
    """The laws of the ids for each (k, sampling) that is asked, with one model and one text."""
    forward, ids = toys.toy_forward(3, rng), torch.randint(3, (3,), generator=rng)
    return [student.law_of(lambda dice, given=given: values.as_ids(student.quiet(forward, ids, *given, dice)[0]))
            for given in asked]


@propose_stochastic.argument("k")
def _(student, rng):
    return _laws(student, rng, [(1, Sampling(1.0)), (2, Sampling(1.0))])


@propose_stochastic.argument("sampling")
def _(student, rng):
    return _laws(student, rng, [(2, Sampling(0.5)), (2, Sampling(1.5, top_k=2))])


def propose_rule(draw, report, chained=True, row=-1, feed=lambda text, ids: text):
    """A propose_stochastic that draws from draw(logits, sampling) and reports report(logits, sampling)."""

    def rule(draft, ids, k, sampling, dice):
        text, rows = ids, []
        for _ in range(k):
            logits = draft(feed(text if chained else ids, ids))[row]
            rows.append(report(logits, sampling))
            text = torch.cat([text, torch.tensor([dice.roll(draw(logits, sampling))])])
        return text[len(ids):], torch.stack(rows) if rows else torch.zeros(0, 0)

    return rule


def right(logits, s):
    return s(logits)


def no_top_p(logits, s):
    return Sampling(s.temperature, s.top_k, s.top_p if s.top_k is None else None)(logits)


def no_top_k(logits, s):
    return Sampling(s.temperature, s.top_k if s.top_p is None else None, s.top_p)(logits)


def largest(logits, s):
    return torch.nn.functional.one_hot(logits.argmax(), len(logits)).to(logits)


def plain(logits, s):
    return torch.softmax(logits, -1)


def only_temperature(logits, s):
    return Sampling(s.temperature)(logits)


def only_filters(logits, s):
    return Sampling(1.0, s.top_k, s.top_p)(logits)


propose_stochastic.mistake("own_randomness", (
    "Your function does not take all its randomness from `dice`: draw with dice.roll(probabilities), and make no "
    "generator or seed of your own."))
propose_stochastic.mistake("argmax_as_softmax", (
    "You draft the most probable token but report its softmax as q. Nothing was drawn from that softmax: the token was "
    "certain, so its q is one-hot. Verified against the wrong q, the likeliest tokens come out far too often (a major "
    "library did this for years). Draw with dice.roll from the row that you report."
), imitate=(propose_rule(largest, right), propose_rule(largest, plain)))
propose_stochastic.mistake("q_unfiltered", (
    "The token is drawn after temperature and filters, but the q that you report is from before them. q must be the "
    "distribution that was really drawn from: make the row once, roll it, and report that same row."
), imitate=(propose_rule(right, plain), propose_rule(right, only_temperature), propose_rule(right, only_filters),
            propose_rule(only_temperature, plain)))
propose_stochastic.mistake("drawn_unfiltered", (
    "You report a q after temperature and filters, but the token is drawn from before them. Roll the same row that you "
    "report."), imitate=(propose_rule(plain, right), propose_rule(only_temperature, right),
                         propose_rule(only_filters, right), propose_rule(plain, only_temperature)))
propose_stochastic.mistake("sampling_ignored", (
    "Temperature, top_k or top_p do not reach the drafter. Draw and q agree, so the text stays right, but the "
    "target is sampled with them: a drafter with other settings is rejected more often. Pass all three on to "
    "next_token_distribution."
), imitate=(propose_rule(plain, plain), propose_rule(only_temperature, only_temperature),
            propose_rule(only_filters, only_filters)))
propose_stochastic.mistake("one_filter_only", (
    "Where top_k and top_p are both given you apply only one of them, as `if ... elif ...` does. They are no "
    "alternatives: first top_k, then top_p on what it has left."
), imitate=(propose_rule(no_top_p, no_top_p), propose_rule(no_top_k, no_top_k)))
propose_stochastic.mistake("float_ids", (
    "Your ids are floats, and joined to the text they make floats of all its ids. torch.tensor([]) and torch.zeros(0) "
    "hold floats: with k = 0 return ids[:0]."))
propose_stochastic.mistake("wrong_row", (
    "The distribution does not come from the last row of the draft model's logits. Row i is about the token after "
    "place i: the next token is in the row of the last place, [-1]."
), imitate=(propose_rule(right, right, row=0), propose_rule(right, right, row=-2)))
propose_stochastic.mistake("last_token_only", (
    "The draft model gets the newest token alone. Without a cache it has to see the whole text at every step."
), imitate=(propose_rule(right, right, feed=lambda text, ids: text[-1:]),
            propose_rule(right, right, feed=lambda text, ids: text[-1:] if len(text) > len(ids) else ids)))
propose_stochastic.mistake("not_chained", (
    "Every token is drawn as if it were the first. Append each token to the text before you ask the draft model again, "
    "and take the last row of what it answers."
), imitate=propose_rule(right, right, chained=False))
propose_stochastic.mistake("drops_unsure", (
    "Fewer tokens come back than were asked for. A token that was drawn must be verified: if you drop the ones that "
    "the drafter was unsure of, rare tokens become rarer still."))
propose_stochastic.mistake("returns_text", (
    "You return the whole text. Only the k new tokens are asked for: cut off the first len(ids)."))
propose_stochastic.mistake("q_not_drawn_from", (
    "What you report as q is not the distribution that the tokens are drawn from. Verification divides by q: it needs "
    "the very row that was rolled."))
propose_stochastic.help(r"stack expects a non-empty", "With k = 0 there is no row to stack: return torch.zeros(0, 0).")
propose_stochastic.help(r"expected a non-empty list", "With k = 0 there is nothing to join: return ids[:0].")
propose_stochastic.help(r"'Sampling' object (is not|has no)", "sampling has .temperature, .top_k and .top_p.")
propose_stochastic.help(r"dice.roll got a tensor of shape", "`draft(text)` answers a row of logits per position: the "
                        "last row, [-1], is about the next token.")
for pattern, text in DICE_HELP:
    propose_stochastic.help(pattern, text)
