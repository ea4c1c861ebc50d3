"""Right and wrong in `draft_with_bigram`: each guess follows the one before."""

from __future__ import annotations

import torch

from ..errors import Wrong
from ..exercise import Exercise
from ..values import describe
from .inputs import cycle, some

draft_with_bigram = Exercise(
    "draft_with_bigram",
    unit="02",
    points=1,
    difficulty=1,
    minutes=5,
    reference="specdec_course.drafters.bigram:draft_with_bigram",
    hints=(
        "The table knows what follows `last_token`. And what follows *that*?",
        "A loop of k steps: look up the current token, append what you find, and make it the current token. At the "
        "end `torch.tensor(draft, dtype=torch.long)`; the dtype matters when the list is empty.",
    ),
)


@draft_with_bigram.part("each guess follows the guess before", weight=2)
def _(student, rng):
    table = cycle(rng, 50)
    for start in some(rng, 4, 0, 50):
        for k in (1, 2, 7):
            expected, token = [], start
            for _ in range(k):
                token = int(table[token])
                expected.append(token)
            draft = student.ids(start, table, k)
            if draft[:1] == [start]:
                raise Wrong("The draft begins with last_token.", mistake="repeats_last")
            if len(draft) != k:
                raise Wrong(f"Asked for k = {k} tokens, your function returned {len(draft)}.")
            if draft != expected:
                raise Wrong(f"With k = {k} the draft does not follow the table from one guess to the next.")


@draft_with_bigram.part("k = 0, a 0-d tensor, a LongTensor as answer")
def _(student, rng):
    table = cycle(rng, 20)
    for last_token, k in ((torch.tensor(5), 3), (7, 3), (7, 0)):
        draft = student(last_token, table, k)
        if not isinstance(draft, torch.Tensor):
            raise Wrong(f"Return a LongTensor; your function returned {describe(draft)}.")
        if tuple(draft.shape) != (k,):
            raise Wrong(f"With k = {k} the answer has the shape {tuple(draft.shape)}; expected [k].")
        if draft.is_floating_point():
            raise Wrong("Token ids are whole numbers.", mistake="float_ids")
        if draft.dtype != torch.long:
            raise Wrong(f"The ids are of type {draft.dtype}; models want torch.long (the table is int32: convert).")


def _not_chained(last_token, next_token_array, k):
    return torch.full((k,), int(next_token_array[int(last_token)]), dtype=torch.long)


draft_with_bigram.mistake(
    "not_chained",
    "All your guesses come from last_token. The second guess has to follow the first: if the table says after `New` "
    "comes `York`, the next question is what comes after `York`.",
    imitate=_not_chained,
)
draft_with_bigram.mistake(
    "repeats_last",
    "Your draft begins with last_token itself. That one stands in the text already; the draft is what comes after it.",
)
draft_with_bigram.mistake(
    "float_ids",
    "Your draft holds floats. `torch.tensor([])` of an empty list is a *float* tensor, and one such draft turns "
    "all ids it is joined with into floats, which no model takes. Say `dtype=torch.long`.",
)
draft_with_bigram.help(
    r"non-empty|expected a non-empty|need at least one|empty", "k may be 0: then there is nothing to join."
)
draft_with_bigram.help(
    r"only integer tensors|can't convert np|only integer scalar|numpy\.int32|tensors used as indices",
    "Turn what you look up into a plain number with `int(...)`, and index with that.",
)
