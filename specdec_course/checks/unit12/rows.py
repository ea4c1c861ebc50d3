"""Right and wrong in `verify_batch`: each row of a batch keeps its own number of drafted tokens.

Knows: this exercise. Does not know: models, or how a batch is decoded.
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise

REAL = (128_256, 151_936, 152_064)  # ids that models really have: Llama 3, Qwen 3, Qwen 2.5
EMPTY = -100  # what padding is often filled with; any number is allowed there

verify_batch = Exercise(
    "verify_batch", unit="12", points=3, difficulty=3, minutes=20,
    reference="specdec_course.decoding.serving:verify_batch",
    hints=(
        "Take one row alone, the first lengths[b] tokens of its draft, and verify it as in unit 03. What has to be "
        "left out of a comparison of whole tensors, so that every row comes out like that?",
        "agrees = (draft == choice[:, :k]) & (torch.arange(k) < lengths[:, None]) & active[:, None]. The leading run "
        "of a row is agrees.long().cumprod(1).sum(1). An active row emits choice[b, : n + 1]; any other row nothing.",
    ),
)


def right_rows(draft, choice, lengths, active) -> tuple[list[int], list[list[int]]]:
    """What is right, row by row and token by token."""
    counts, emitted = [], []
    for row, own, length, there in zip(draft.tolist(), choice.tolist(), lengths.tolist(), active.tolist(), strict=True):
        kept = 0
        while there and kept < length and row[kept] == own[kept]:
            kept += 1
        counts.append(kept)
        emitted.append(own[: kept + 1] if there else [])
    return counts, emitted


def read_rows(answer) -> tuple[list[int], list[list[int]]]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong(f"Return two things, n_accepted and emitted; yours is {values.describe(answer)}.")
    counts, emitted = answer
    if not isinstance(emitted, (tuple, list)) and not getattr(emitted, "ndim", 0):
        raise Wrong(f"`emitted` is a list of tensors, one for each row; yours is {values.describe(emitted)}.")
    return values.as_ids(counts), [values.as_ids(row) for row in emitted]


def batch_of(rng, agreeing, lengths, k: int, active=None, after: float = 0.5, size: int | None = None) -> tuple:
    """(draft, choice, lengths, active) in which row b agrees for `agreeing[b]` tokens, then once not, and behind that
    with the chance `after`. Padding agrees or not, at random."""
    rows, size = len(lengths), size or REAL[whole(0, 2, rng)]
    choice = torch.randint(0, size, (rows, k + 1), generator=rng)
    other = (choice[:, :k] + torch.randint(1, size, (rows, k), generator=rng)) % size
    same = torch.rand(rows, k, generator=rng) < after
    places = torch.arange(k)
    same |= places < torch.tensor(agreeing)[:, None]
    same &= places != torch.tensor(agreeing)[:, None]
    same |= places >= torch.tensor(lengths)[:, None]  # what stands behind a draft: here it always agrees
    active = [True] * rows if active is None else active
    return torch.where(same, choice[:, :k], other), choice, torch.tensor(lengths), torch.tensor(active)


def colliding(rng, rows: int, k: int) -> tuple:
    """Drafts that differ from the choice by a number under which ids fall together if they are cut short."""
    choice = torch.randint(0, 60_000, (rows, k + 1), generator=rng)
    shift = torch.tensor(mixed((65_536, 50_000, 32_768), rng) * rows)[:rows, None]
    return choice[:, :k] + shift, choice, torch.full((rows,), k), torch.ones(rows, dtype=torch.bool)


def ragged(rng, rows: int, k: int, whole_drafts=False, after: float = 0.5) -> tuple:
    """A random batch: other lengths and other runs in every row, some of them accepted in full."""
    lengths = [k if whole_drafts else whole(0, k, rng) for _ in range(rows)]
    return batch_of(rng, [whole(0, length, rng) for length in lengths], lengths, k, after=after)


def case(given, only_counts=False) -> tuple:
    return given, (given, right_rows(*given), only_counts)


def judge(found, wanted):
    given, (counts, emitted), only_counts = wanted
    draft, choice, lengths, active = (one.tolist() for one in given)
    mine, said = found
    if len(mine) != len(counts) or len(said) != len(counts):
        return (f"For a batch of {len(counts)} rows your n_accepted has {len(mine)} numbers and `emitted` {len(said)} "
                "rows: each has one for every row, active or not.")
    for b, (n, due) in enumerate(zip(mine, counts, strict=True)):
        if n != due and not active[b]:
            return f"Row {b} is not active, and your n_accepted says {n} for it. A row without a text accepts none."
        if n > lengths[b] and active[b]:
            return f"Row {b} has {lengths[b]} drafted tokens, and by your n_accepted {n} of them agree."
        if n != due:
            return (f"Row {b} holds the draft {draft[b][: lengths[b]]}, the target's own tokens there are "
                    f"{choice[b][: lengths[b] + 1]}. By your n_accepted {n} are accepted.")
    for b, (tokens, due) in enumerate(zip(said, emitted, strict=True)):
        if tokens == due or only_counts:
            continue
        if not active[b]:
            return f"Row {b} is not active, and emits {tokens} with you. A row without a text emits nothing."
        return (f"Row {b}, with {counts[b]} of its {lengths[b]} drafted tokens accepted, emits {tokens} with you. The "
                f"target's own tokens there are {choice[b][: lengths[b] + 1]}.")
    return None


def asked(student, batches, rng, only_counts=False) -> None:
    ask(student, read_rows, [case(one, only_counts) for one in batches], judge, rng)


@verify_batch.part("counts in every row what agrees before its first disagreement", weight=2, rests_on=(
    "how many of its drafted tokens agree with the target before the first that does not", "LongTensor [B, k]"))
def _(student, rng):
    batches = [ragged(rng, rows, k, True) for rows, k in mixed(((2, 3), (3, 4), (4, 2), (5, 6)), rng)]
    batches += [batch_of(rng, [0], [3], 3, after=1.0), batch_of(rng, [1, 3, 0], [4, 4, 4], 4, after=1.0),
                ragged(rng, whole(30, 60, rng), whole(7, 12, rng), True, 0.9), colliding(rng, 3, whole(1, 3, rng)),
                batch_of(rng, [long := whole(9, 30, rng), 0], [long, long], long)]
    # Two ids alone: a token often equals its neighbours, so whoever compares with those keeps some, and too many.
    batches += [batch_of(rng, [whole(0, 6, rng) for _ in range(8)], [6] * 8, 6, size=2) for _ in range(2)]
    asked(student, batches, rng, True)


@verify_batch.part("emits the target's own token behind what was accepted: the correction, or the bonus", weight=2,
                   rests_on=(
    "An active row has n_accepted[b] + 1 tokens: those that were accepted, then the target's own",))
def _(student, rng):
    batches = [batch_of(rng, [k] * rows, [k] * rows, k) for rows, k in ((1, 1), (2, 4))]
    batches += [batch_of(rng, [0] * 3, [3] * 3, 3), *(ragged(rng, whole(2, 6, rng), whole(1, 6, rng), True)
                                                       for _ in range(3))]
    asked(student, batches, rng)


@verify_batch.part("takes no notice of what stands behind a draft", weight=2, rests_on=(
    "whatever stands there counts for nothing, even where it equals the target's choice",
    "choice[b, lengths[b]] is the one after the whole draft of row b"))
def _(student, rng):
    batches = [batch_of(rng, [4, 1, 0, 2], [4, 1, 0, 2], 4), batch_of(rng, [2], [2], 5)]
    for rows, k in mixed(((3, 3), (4, 5), (6, 2)), rng):
        draft, choice, lengths, active = ragged(rng, rows, k)
        behind = torch.arange(k) >= lengths[:, None]
        batches += [(draft, choice, lengths, active), (draft.masked_fill(behind, EMPTY), choice, lengths, active)]
    asked(student, batches, rng)


@verify_batch.part("gives nothing to a row without a text, whatever it holds", weight=2, rests_on=(
    "for any other row 0", "Any other row has none, shape [0]", "what it holds, its length too, means nothing"))
def _(student, rng):
    batches = []
    for rows, k in mixed(((2, 2), (3, 4), (5, 3), (4, 6)), rng):
        there = mixed([True, False, *(bool(whole(0, 1, rng)) for _ in range(rows - 2))], rng)
        lengths = [whole(0, k, rng) for _ in range(rows)]
        draft, choice, lengths, active = batch_of(rng, lengths, lengths, k, there)
        junk = torch.randint(-9, 99, (rows,), generator=rng)
        batches += [(draft, choice, lengths, active), (draft, choice, torch.where(active, lengths, junk), active)]
    asked(student, batches, rng)


@verify_batch.part("is right for one row, no drafted tokens, and no text at all", weight=1, rests_on=(
    "k may be 0", "LongTensor [B], 0..k for each active row"))
def _(student, rng):
    batches = [batch_of(rng, [0] * rows, [0] * rows, 0) for rows in (1, whole(2, 5, rng))]
    batches += [batch_of(rng, [0, 0], [0, 0], 3), batch_of(rng, [2, 3], [2, 3], 3, [False, False]),
                batch_of(rng, [0, 0], [0, 0], 0, [False, True]), batch_of(rng, [1], [1], 1),
                batch_of(rng, [0], [2], 2), ragged(rng, 1, 6)]
    asked(student, batches, rng)


def _pair(place: int, other):
    """A batch whose three rows agree in full, and the same with one argument changed."""

    def pair(student, rng):
        given = list(batch_of(rng, [3, 3, 3], [3, 3, 3], 3))
        changed = [other(one) if i == place else one for i, one in enumerate(given)]
        return student.read(read_rows, *given), student.read(read_rows, *changed)

    return pair


verify_batch.argument("draft")(_pair(0, lambda draft: draft + 1))
verify_batch.argument("choice")(_pair(1, lambda choice: choice + 1))
verify_batch.argument("lengths")(_pair(2, torch.zeros_like))
verify_batch.argument("active")(_pair(3, torch.zeros_like))
