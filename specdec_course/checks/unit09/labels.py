"""Right and wrong in `shift_labels`: the next token, where the target wrote it.

Knows: texts with prompts and padding. Does not know: losses, models.
"""

from __future__ import annotations

import numpy as np
import torch

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise

REAL = (4_096, 128_256, 151_936)  # sizes of vocabularies
NOTHING = -100

shift_labels = Exercise(
    "shift_labels", unit="09", points=1, difficulty=2, minutes=12,
    reference="specdec_course.training.taught:shift_labels",
    hints=(
        "Write down a text of five tokens whose first two are the prompt. Which rows of logits speak about the three "
        "others? Which is the first of these rows, and of what token is it the row?",
        "labels = torch.full_like(ids, -100); labels[:, :-1] = ids[:, 1:]. The label of place t stands at place t + 1: "
        "with place = torch.arange(T) + 1 keep those where place >= prompt_lengths[:, None] and "
        "place < lengths[:, None]; everything else becomes -100.",
    ),
)


def right_labels(ids, prompt_lengths, lengths) -> list[list[int]]:
    rows, ends = ids.tolist(), list(zip(prompt_lengths.tolist(), lengths.tolist(), strict=True))
    return [[row[t + 1] if prompt <= t + 1 < length else NOTHING for t in range(len(row))]
            for row, (prompt, length) in zip(rows, ends, strict=True)]


def case(rows, prompts, lengths) -> tuple:
    given = torch.tensor(rows, dtype=torch.long), torch.tensor(prompts), torch.tensor(lengths)
    return given, (given, right_labels(*given))


def drawn(rng, size: int, width: int, prompt=None, full=False) -> tuple:
    """Texts of all lengths in one batch; the id of the padding also stands in the texts, mostly at their ends."""
    vocab = REAL[whole(0, 2, rng)]
    pad = (0, vocab - 1, whole(1, 50, rng))[whole(0, 2, rng)]
    rows = torch.randint(vocab, (size, width), generator=rng)
    lengths = [width if full else whole(2, width, rng) for _ in range(size)]
    prompts = [min(prompt or whole(1, width - 1, rng), length - 1) for length in lengths]
    for row, length in zip(rows, lengths, strict=True):
        row[length:] = pad
        row[length - 1] = pad if whole(0, 2, rng) else row[length - 1]
        row[whole(0, length - 1, rng)] = pad
    return case(rows.tolist(), prompts, lengths)


def read_labels(answer) -> np.ndarray:
    if isinstance(answer, tuple) and len(answer) == 2:
        raise Wrong("Return the labels alone, not a pair: the mask is `labels != -100`.")
    labels = values.as_array(answer)
    if labels.dtype != np.int64:
        raise Wrong("Labels are ids, whole numbers; yours are floats. Keep the type of `ids`.", mistake="float_labels")
    return labels


def judge(found: np.ndarray, wanted):
    (ids, prompts, lengths), right = wanted
    right = np.array(right).reshape(ids.shape)
    if found.shape != right.shape:
        short = found.shape == (right.shape[0], right.shape[1] - 1)
        return Wrong(f"ids have the shape {list(right.shape)} and your labels {list(found.shape)}: a label for every "
                     "place.", mistake="too_short" if short else None)
    elsewhere = found[right == NOTHING]
    one = elsewhere[0] if elsewhere.size > 2 and np.unique(elsewhere).size == 1 else NOTHING
    if one != NOTHING and (found == right)[right != NOTHING].all():
        return Wrong(f"Where there is nothing to learn your label is always {one}, and it has to be -100.",
                     mistake="other_number")
    for b, t in np.argwhere(found != right).tolist():
        begin, end = int(prompts[b]), int(lengths[b])
        about = f"A text has a prompt of {begin} and {end} tokens in all, in a row of {ids.shape[1]}: at place {t} "
        if right[b, t] != NOTHING:
            said = "-100" if found[b, t] == NOTHING else "another token than the one behind that place"
            return about + f"your label is {said}, and the token behind it was written by the target."
        if found[b, t] < 0:
            return Wrong(f"{about}your label is {found[b, t]}. Where there is nothing to learn it is -100.",
                         mistake="other_number")
        why = "is padding" if t + 1 >= end else "is of the prompt"
        why = "does not exist" if t + 1 == ids.shape[1] else why
        return about + f"you give a label, but the token behind it {why}."
    return None


@shift_labels.part("labels every place with the token behind it", weight=3, rests_on=(
    "the label of place t is the id at t + 1", "The last column has no next token"))
def _(student, rng):
    cases = [drawn(rng, whole(1, 4, rng), whole(4, 30, rng), prompt=1, full=True) for _ in range(4)]
    first = whole(1, 9, rng)
    cases += [case([[first, first + 2, first + 1]], [1], [3]), case([[4, 4, 9, 9]], [1], [4])]
    ask(student, read_labels, cases, judge, rng)


@shift_labels.part("leaves out the prompt, and counts the first token behind it", weight=3, rests_on=(
    "The first token behind the prompt counts, too", "how many tokens of each text are its prompt, >= 1"))
def _(student, rng):
    cases = [drawn(rng, whole(1, 5, rng), whole(5, 30, rng), full=True) for _ in range(4)]
    for prompt in mixed((1, 2, 3), rng):
        cases.append(case([[whole(5, 99, rng) for _ in range(4)]], [prompt], [4]))
    ask(student, read_labels, cases, judge, rng)


@shift_labels.part("leaves out the padding by its place, and keeps the end of each text", weight=3, rests_on=(
    "Padding is known by its place alone", "and inside the text"))
def _(student, rng):
    cases = [drawn(rng, whole(2, 6, rng), whole(6, 40, rng)) for _ in range(6)]
    one, pad = whole(5, 99, rng), (0, 151_935)[whole(0, 1, rng)]
    cases += [case([[one, one + 1, pad, pad]], [1], [3]), case([[one, pad, one, pad]], [1], [2])]
    ask(student, read_labels, cases, judge, rng)


@shift_labels.part("takes texts without a word of the target's, and rows of one place", weight=1, rests_on=(
    "prompt_lengths <= lengths <= T", "It counts if the target wrote that token",
    "-100 wherever there is nothing to learn"))
def _(student, rng):
    n = whole(3, 9, rng)
    cases = [case([[7] * n, [whole(1, 99, rng) for _ in range(n)]], [n, whole(1, 2, rng)], [n, whole(2, n, rng)]),
             case([[8]], [1], [1]), case([[8, 9, 0]], [2], [2]),
             case([[whole(1, 99, rng)] * 1 for _ in range(3)], [1] * 3, [1] * 3)]
    cases += [drawn(rng, whole(2, 4, rng), whole(5, 12, rng))]
    ask(student, read_labels, cases, judge, rng)
