"""Right and wrong in `sample_windows`: pieces of the text, seeded, from its first token to its last."""

from __future__ import annotations

from collections import Counter

import torch

from ..ask import whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import Subject
from ..values import describe
from .inputs import REAL, real_ids

sample_windows = Exercise(
    "sample_windows",
    unit="02",
    points=1,
    difficulty=1,
    minutes=10,
    reference="specdec_course.corpora:sample_windows",
    hints=(
        "A window is decided by where it starts. How many different starts are there in a text of T tokens, if the "
        "whole window has to fit? Try T = 5 and seqlen = 5 on paper.",
        "There are T - seqlen + 1 starts. Draw nsamples of them with a generator that you seed yourself "
        "(`torch.Generator().manual_seed(seed)` and `torch.randint(..., generator=generator)`), cut "
        "`ids[start : start + seqlen]` for each and `torch.stack` them. Before all that: raise the ValueError.",
    ),
)


def _windows(student: Subject, ids, seqlen: int, nsamples: int, seed: int) -> torch.Tensor:
    """The answer as a LongTensor [nsamples, seqlen], or Wrong."""
    answer = student(ids, seqlen, nsamples, seed)
    if not isinstance(answer, torch.Tensor) or answer.is_floating_point():
        raise Wrong(f"Return one LongTensor; your function returned {describe(answer)}. `torch.stack` joins rows.")
    kinds = len(ids) - seqlen + 1
    if tuple(answer.shape) == (kinds, seqlen) and len(answer) < nsamples and len(answer.unique(dim=0)) == kinds:
        raise Wrong(f"Asked for {nsamples} windows of a text that has {kinds} different ones, your function returned "
                    "each of them once.", mistake="without_replacement")
    if tuple(answer.shape) != (nsamples, seqlen):
        raise Wrong(
            f"Asked for {nsamples} windows of {seqlen} tokens, your function returned the shape "
            f"{tuple(answer.shape)}. Expected one row per window, [nsamples, seqlen]."
        )
    return answer


def _starts(windows: torch.Tensor, ids: torch.Tensor) -> list[int]:
    """Where each window begins in a text whose tokens are all different; Wrong if one is no piece of the text."""
    where = {token: i for i, token in enumerate(ids.tolist())}
    for row in windows.tolist():
        start = where.get(row[0], 0)
        if row != ids[start : start + len(row)].tolist():
            raise Wrong("A row of your answer is not a piece of the text: a window is seqlen tokens in a row, unmixed.")
    return [where[row[0]] for row in windows.tolist()]


@sample_windows.part("cuts windows that are pieces of the text", rests_on=(
    "Cut `nsamples` random windows of `seqlen` tokens out of one long text", "with replacement and may overlap",
    "each start from 0 to T - seqlen (included) is as likely"))
def _(student, rng):
    ids = real_ids(rng, 200, REAL[whole(0, 2, rng)])
    starts = _starts(_windows(student, ids, 7, 40, 3), ids)
    if len(set(starts)) > 1 and all(start % 7 == 0 for start in starts):
        raise Wrong("Every window begins at a multiple of seqlen.", mistake="blocks")
    if len(set(starts)) < 10:
        raise Wrong(
            "Nearly all of your windows begin at the same place. Is the generator seeded again for every window?",
            mistake="same_window",
        )
    for low, high in ((0, 65), (65, 130), (130, 194)):  # by chance less than once in a million
        if not any(low <= start < high for start in starts):
            raise Wrong(f"A text of 200 tokens has 194 starts for windows of 7. Of 40 windows none begins at {low} to "
                        f"{high - 1}.")


@sample_windows.part("lets the seed decide", rests_on="the same seed gives the same windows")
def _(student, rng):
    ids = torch.randperm(1000, generator=rng)
    seed = whole(1, 1000, rng)
    one, again, other, zero, zero_again = (
        _windows(student, ids, 5, 30, given).tolist() for given in (seed, seed, seed + 1, 0, 0))
    if one != again:
        raise Wrong("Two calls with the same seed gave different windows: seed your own generator from `seed`.",
                    mistake="seed_ignored")
    if one == other:
        raise Wrong("Two different seeds gave the same windows: the argument `seed` has to reach the generator.",
                    mistake="seed_ignored")
    if zero != zero_again:
        raise Wrong(f"Two calls with seed = {seed} gave the same windows, two calls with seed = 0 did not.",
                    mistake="zero_is_no_seed")


@sample_windows.part("begins at every start equally often, the last one too",
                     rests_on="each start from 0 to T - seqlen (included) is as likely")
def _(student, rng):
    ids = torch.randperm(50, generator=rng)
    order = _starts(_windows(student, ids[:13], 9, 4000, whole(1, 1000, rng)), ids)
    starts = [order.count(i) for i in range(5)]
    if starts[4] == 0:
        raise Wrong("The very last window of the text never comes.", mistake="last_start")
    if min(starts) < 640:  # of 800; by chance less than once in 10^9
        inside = sum(starts[1:4]) / 3
        halved = all(0.4 * inside < starts[i] < 0.6 * inside for i in (0, 4))
        raise Wrong(f"Of 4,000 windows of a text with five starts, {starts} begin at them: each start should be as "
                    "likely.", mistake="rounded" if halved else None)
    if min(Counter(zip(order, order[1:], strict=False)).get((i, j), 0) for i in range(5) for j in range(5)) < 80:
        raise Wrong("Which window comes can be told from the one before it.", mistake="one_after_another")  # due: 160
    try:
        only = _windows(student, ids[:9], 9, 3, 0)
    except Wrong as wrong:
        what = "A text exactly as long as a window has one window, the text."
        raise wrong.but(message=f"{what} {wrong.message}") from None
    if _starts(only, ids) != [0, 0, 0]:
        raise Wrong("With a text exactly as long as a window there is one window: the text.")
    single = _starts(_windows(student, ids[:6], 1, 200, 4), ids)
    if set(single) != set(range(6)):
        raise Wrong("A window may be one token long (seqlen = 1): every token of the text is then a window.")


@sample_windows.part("refuses a text that is shorter than a window",
                     rests_on="ValueError when the text is shorter than one window")
def _(student, rng):
    ids = torch.randperm(50, generator=rng)
    for length in (4, 0):
        if not student.raises(ValueError, ids[:length], 5, 3, 0):
            raise Wrong(
                f"A text of {length} tokens has no window of 5, yet your function returned something. Raise a "
                "ValueError that says so: a short corpus should be noticed here, not three cells later.",
                mistake="short_text",
            )


sample_windows.mistake(
    "last_start",
    "Your windows never reach the end of the text: the last start is missing. A text of T tokens has "
    "T - seqlen + 1 starts, and torch.randint leaves its upper limit out.",
)
sample_windows.mistake(
    "rounded",
    "The first and the last window come half as often as the others, as they do where a random number is rounded to "
    "the nearest start: only half as many numbers lead to an end. torch.randint draws whole numbers evenly.",
)
sample_windows.mistake(
    "one_after_another",
    "Your windows follow a pattern: where one begins decides where the next one does. Draw every start at random, from "
    "a generator that `seed` has started.",
)
sample_windows.mistake(
    "without_replacement",
    "You draw without replacement, as torch.randperm does: no window comes twice, and after the last one there is none "
    "left. Draw each start by itself (torch.randint): a window may come again.",
)
sample_windows.mistake(
    "blocks",
    "You cut the text into blocks and choose among them. A window may begin at any token of the text, so windows may "
    "overlap: draw the starts from all T - seqlen + 1.",
)
sample_windows.mistake(
    "same_window",
    "All windows are (nearly) the same one. If you seed inside the loop, every draw starts over: seed once, then draw.",
)
sample_windows.mistake(
    "seed_ignored",
    "The windows do not depend on `seed` as they should: the same seed gives the same windows, another seed others. "
    "Make a generator of your own: `torch.Generator().manual_seed(seed)`.",
)
sample_windows.mistake(
    "zero_is_no_seed",
    "The seed 0 counts as no seed in your function. Python takes 0 for false (`seed or ...`, `if seed:`), but 0 is a "
    "seed like any other: hand it on as it is.",
)
sample_windows.mistake(
    "short_text", "A text shorter than one window slips through. Say it with a ValueError before drawing anything."
)
sample_windows.help(
    r"stack expects|equal size|shape mismatch|inhomogeneous",
    "Your windows differ in length: some start so late that the text ends first. Which start is the last one "
    "that leaves room for seqlen tokens?",
)
sample_windows.help(
    r"'from' to be less than|low >= high|empty range|from >= to",
    "There was nothing to draw from: in a text exactly as long as a window there is one start, 0. In a shorter one "
    "there is none, and your function should raise its own ValueError first.",
)
sample_windows.help(r"^AssertionError", "An `assert` raises another exception than the one that the contract asks for: "
                                        "write `if ...: raise ValueError(...)`.")
sample_windows.help(r"out of (bounds|range)", "A window reaches past the end of the text: look at the last start.")
sample_windows.help(r"non-empty list|non-empty TensorList|need at least one", "There are no windows to join.")
