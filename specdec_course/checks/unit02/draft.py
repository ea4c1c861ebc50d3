"""Right and wrong in `draft_with_bigram`: each guess follows the one before."""

from __future__ import annotations

import numpy as np
import torch

from .. import observe, values
from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..values import describe
from .inputs import REAL, cycle, some

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


def _chain(table, start: int, k: int) -> list[int]:
    """What follows the start, k times over."""
    found = [start]
    for _ in range(k):
        found.append(int(table[found[-1]]))
    return found[1:]


def _expect_chain(student, table, start: int, k: int) -> None:
    draft = student.ids(start, table, k)
    with student.shown():
        if draft[:1] == [start] and int(table[start]) != start:
            raise Wrong("The draft begins with last_token.", mistake="repeats_last")
        if len(draft) != k:
            raise Wrong(f"Asked for k = {k} tokens, your function returned {len(draft)}.")
        steps = zip([start, *draft], draft, _chain(table, start, k), strict=False)
        for place, (before, guess, due) in enumerate(steps, start=1):
            if guess != due:
                raise Wrong(f"With k = {k} the draft does not follow the table from one guess to the next: the table "
                            f"says {due} after {before}, and guess {place} is {guess}.")


@draft_with_bigram.part("looks each guess up after the guess before it", weight=2, rests_on=(
    "each guess is looked up after the guess before it", "`last_token` is not part of it"))
def _(student, rng):
    for size in mixed([*(whole(8, 60, rng) for _ in range(whole(2, 4, rng))), REAL[whole(0, 2, rng)]], rng):
        table = cycle(rng, size)
        for start, k in zip(some(rng, 4, 0, size), mixed((1, 2, 7, whole(3, 7, rng)), rng), strict=True):
            _expect_chain(student, table, start, k)
    size = whole(8, 60, rng)
    (start,), k = some(rng, 1, 0, size), whole(3, 7, rng)
    for _ in range(3):  # the same token and k, whatever was asked before: the table decides
        _expect_chain(student, cycle(rng, size), start, k)


@draft_with_bigram.part("goes on when the table comes back to a token", weight=1, rests_on=(
    "LongTensor [k]; with k = 0 it is empty", "A draft of k tokens, read off the table"))
def _(student, rng):
    for length in mixed((1, 2, 3, 5), rng):  # the chain runs into a circle of so many tokens
        size = length + whole(2, 9, rng)
        order = some(rng, size, 0, size)
        table = np.empty(size, dtype=np.int32)
        table[order] = [*order[1:], order[-length]]
        for start in (order[0], order[-1]):
            _expect_chain(student, table, start, 2 * size + whole(0, 5, rng))


@draft_with_bigram.part("takes k = 0 and a 0-d tensor, and answers with a LongTensor", weight=1, rests_on=(
    "an int (a 0-d tensor works too)", "k: how many tokens to draft, >= 0", "LongTensor [k]; with k = 0 it is empty"))
def _(student, rng):
    table = cycle(rng, 20)
    one, (other,) = 19, some(rng, 1, 0, 19)  # after 19 there is no entry: who reads on side by side always stops
    for last_token, k in mixed(((torch.tensor(one), 3), (other, 3), (other, 0)), rng):
        draft = student(last_token, table, k)
        if not isinstance(draft, torch.Tensor):
            raise Wrong(f"Return a LongTensor; your function returned {describe(draft)}.")
        if tuple(draft.shape) != (k,):
            raise Wrong(f"With k = {k} the answer has the shape {tuple(draft.shape)}; expected [k].")
        if draft.is_floating_point():
            raise Wrong("Token ids are whole numbers.", mistake="float_ids")
        if draft.dtype != torch.long:
            raise Wrong(f"The ids are of type {draft.dtype}; models want torch.long (the table is int32: convert).")
        if k and not 0 <= int(draft.min()) <= int(draft.max()) < 20:
            raise Wrong("The draft holds something that is no entry of the table.")


def _not_chained(last_token, next_token_array, k):
    return torch.full((k,), int(next_token_array[int(last_token)]), dtype=torch.long)


draft_with_bigram.mistake(
    "not_chained",
    "All your guesses come from last_token. The second guess has to follow the first: if the table says after `New` "
    "comes `York`, the next question is what comes after `York`.",
    imitate=_not_chained,
)
def _ends_in_a_circle(last_token, next_token_array, k):
    found = _chain(next_token_array, int(last_token), k)
    return torch.tensor(found[: next((i for i, one in enumerate(found) if one in found[:i]), k)], dtype=torch.long)


def _ends_at_the_start(last_token, next_token_array, k):
    found = [int(last_token), *_chain(next_token_array, int(last_token), k)]
    return torch.tensor(found[1 : next((i for i, one in enumerate(found) if one in found[:i]), k + 1)]).long()


draft_with_bigram.mistake(
    "ends_in_a_circle",
    "Your draft ends where a token comes again. A table goes round in circles, and the draft with it: k tokens are "
    "asked for.",
    imitate=(_ends_in_a_circle, _ends_at_the_start),
)
def _turned(last_token, next_token_array, k):
    return torch.tensor(_chain(next_token_array, int(last_token), k)[::-1], dtype=torch.long)


def _chained_once(last_token, next_token_array, k):
    first, second = _chain(next_token_array, int(last_token), 2)
    return torch.tensor([first, *[second] * k][:k], dtype=torch.long)


def _neighbours(last_token, next_token_array, k):
    places = (int(last_token) + np.arange(k)) % len(next_token_array)
    return torch.from_numpy(next_token_array[places]).long()


def _neighbours_to_the_end(last_token, next_token_array, k):
    return torch.tensor([int(next_token_array[int(last_token) + i]) for i in range(k)], dtype=torch.long)


def _first_left_out(last_token, next_token_array, k):
    return torch.tensor(_chain(next_token_array, int(last_token), k + 1)[1:], dtype=torch.long)


draft_with_bigram.mistake(
    "first_left_out",
    "Your draft begins with the second guess. The first one is what the table says comes after last_token: append a "
    "guess before you look up the next.",
    imitate=_first_left_out,
)
draft_with_bigram.mistake(
    "turned",
    "Your guesses come in the wrong order, the last one first. The draft is read from left to right, as a text.",
    imitate=_turned,
)
draft_with_bigram.mistake(
    "chained_once",
    "From the third guess on you look up the same token again. Inside the loop, make each guess the token that the "
    "next one is looked up after.",
    imitate=_chained_once,
)
draft_with_bigram.mistake(
    "neighbours",
    "You read entries that stand side by side in the table. The ids next to last_token have nothing to do with what "
    "follows it: look up the guess itself.",
    imitate=(_neighbours, _neighbours_to_the_end),
)
draft_with_bigram.mistake(
    "repeats_last",
    "Your draft begins with last_token itself. That one stands in the text already; the draft is what comes after it.",
)
def _two_tables(rng) -> tuple[tuple, tuple]:
    """The same token and k with two tables that never agree about what follows."""
    table, start, k = cycle(rng, 40), whole(0, 39, rng), whole(2, 9, rng)
    return (start, table, k), (start, np.argsort(table).astype(np.int32), k)  # the same circle, the other way round


draft_with_bigram.mistake("remembered", observe.MEMORY, observe=observe.from_memory(
    _two_tables, right=lambda answer, start, table, k: values.as_ids(answer) == _chain(table, start, k)))
draft_with_bigram.mistake(
    "float_ids",
    "Your draft holds floats. `torch.tensor([])` of an empty list is a *float* tensor, and one such draft turns "
    "all ids it is joined with into floats, which no model takes. Say `dtype=torch.long`.",
)
draft_with_bigram.help(
    r"IndexError.*out of (bounds|range)",
    "The table is asked about a number that is no token of it. Is it always a guess (or last_token) that you look up, "
    "and never a place?",
)
draft_with_bigram.help(
    r"non-empty|expected a non-empty|need at least one|empty", "k may be 0: then there is nothing to join."
)
draft_with_bigram.help(
    r"only integer tensors|can't convert np|only integer scalar|numpy\.int32|tensors used as indices",
    "Turn what you look up into a plain number with `int(...)`, and index with that.",
)
