"""Right and wrong in `medusa_labels`: which token each head has to say at each position.

Knows: this exercise. Does not know: heads, losses.
"""

from __future__ import annotations

import torch

from ..ask import ask, mixed, whole
from ..exercise import Exercise
from ..values import as_array
from .trees import real_ids

medusa_labels = Exercise(
    "medusa_labels", unit="10", points=1, difficulty=1, minutes=10,
    reference="specdec_course.drafters.trees:medusa_labels",
    hints=(
        "The target's own head reads the state of position t and says token t + 1. Which token is left for the "
        "first of "
        "the new heads? And at the last position of a text: what can any head be asked?",
        "Make an answer of shape [..., T, n_heads] full of -100. For each head i the rows 0 ... T - 3 - i get "
        "ids[..., 2 + i :]; where T - 2 - i is not above 0 that head has no label at all.",
    ),
)  # fmt: skip
NONE = -100


def right_labels(ids, n_heads: int):
    """The labels as nested lists, for ids as a list or a list of lists."""
    if ids and isinstance(ids[0], list):
        return [right_labels(row, n_heads) for row in ids]
    return [[ids[t + 2 + i] if t + 2 + i < len(ids) else NONE for i in range(n_heads)] for t in range(len(ids))]


def case(ids: list, n_heads: int) -> tuple:
    """A question, and the answer with its shape: of an empty list a shape cannot be told."""
    tensor = torch.tensor(ids, dtype=torch.long)
    return (tensor, n_heads), (right_labels(ids, n_heads), (*tensor.shape, n_heads))


def judge_where(inside: bool, outside: bool):
    """A judge of the labels inside the text, of the places behind its end, or of both."""

    def judge(found, wanted):
        labels, shape = wanted
        if 0 in shape and found.size == 0:
            return None  # a list of nothing has no shape of its own
        if found.shape != shape:
            return f"Your answer has the shape {list(found.shape)}; expected {list(shape)}, [..., T, n_heads]."
        right = as_array(labels).reshape(shape)
        apart, ends = found != right, right == NONE
        if inside and (apart & ~ends).any():
            return "A label is not the token that this head has to say: head i, from 0, says token t + 2 + i."
        if outside and (apart & ends).any():
            return "Where the text has ended there is no label: the entry has to be -100."
        return None

    return judge


@medusa_labels.part(
    "asks head i for token t + 2 + i",
    weight=3,
    rests_on=("head i, counted from 0, says token t + 2 + i", "entry [t, i] is ids[t + 2 + i]"),
)
def _(student, rng):
    cases = [case(real_ids(rng, whole(n + 3, 20, rng)), n) for n in mixed((1, 2, 3, whole(4, 6, rng)), rng)]
    ask(student, as_array, [*cases, case(real_ids(rng, 5), 2)], judge_where(True, False), rng)


@medusa_labels.part(
    "has no label where the text has ended",
    weight=2,
    rests_on=("or -100 (which torch's losses leave out) where the text ends before that"),
)
def _(student, rng):
    cases = [case(real_ids(rng, length), n) for length, n in mixed(((6, 2), (4, 3), (3, 3), (2, 2), (1, 1)), rng)]
    ask(student, as_array, [*cases, case(real_ids(rng, 3), whole(4, 8, rng))], judge_where(True, True), rng)


@medusa_labels.part(
    "labels the rows of a batch, each by itself",
    weight=2,
    rests_on=("ids: LongTensor [..., T], texts", "LongTensor [..., T, n_heads]"),
)
def _(student, rng):
    cases = []
    for rows, length, n in mixed(((2, 6, 2), (3, 4, 4), (whole(2, 4, rng), whole(5, 9, rng), 3)), rng):
        ids = real_ids(rng, rows * length)
        cases.append(case([ids[r * length : (r + 1) * length] for r in range(rows)], n))
    ask(student, as_array, cases, judge_where(True, True), rng)


@medusa_labels.part(
    "takes an empty text, and no heads", weight=1, rests_on=("T may be 0", "how many heads there are, >= 0")
)
def _(student, rng):
    cases = [case([], whole(1, 4, rng)), case(real_ids(rng, whole(2, 5, rng)), 0), case(real_ids(rng, 4), 1)]
    ask(student, as_array, cases, judge_where(True, True), rng)
