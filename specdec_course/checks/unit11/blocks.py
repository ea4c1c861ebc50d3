"""Right and wrong in `block_mask`: who may read whom while GLIDE's draft learns.

Knows: this exercise. Does not know: attention.
"""

from __future__ import annotations

from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..values import as_array

block_mask = Exercise(
    "block_mask", unit="11", points=1, difficulty=2, minutes=10,
    reference="specdec_course.models.looking:block_mask",
    hints=(
        "Blocks of 3: which positions lie in the block of position 7, and which of the target's may it read? May it "
        "read that of position 6, which stands before it?",
        "of = torch.arange(length) // block gives every position its block. Compare a row of it with a column of it: "
        "of[None, :] < of[:, None]. Look first whether length and block are what they have to be.",
    ),
)


def right_mask(length: int, block: int) -> list[list[bool]]:
    return [[j // block < i // block for j in range(length)] for i in range(length)]


def read_mask(answer):
    found = as_array(answer)
    if found.size and not set(found.flatten().tolist()) <= {0, 1}:
        raise Wrong("The mask holds other numbers than 0 and 1: return a BoolTensor, True where a position may read.")
    return found


def judge(found, wanted):
    length, block = wanted
    right = as_array(right_mask(length, block)).reshape(length, length)
    if found.shape != right.shape:
        return f"For {length} positions the mask has the shape [{length}, {length}]; yours has {list(found.shape)}."
    different = [(i, j) for i in range(length) for j in range(length) if (found[i, j] != 0) != (right[i, j] != 0)]
    if not different:
        return None
    i, j = different[0]
    says = "may" if found[i, j] else "may not"
    return (f"With {length} positions in blocks of {block}, position {i} lies in block {i // block} and position {j} "
            f"in block {j // block}: your mask says that {i} {says} read {j}.")


def asked(student, pairs, rng) -> None:
    ask(student, read_mask, [(pair, pair) for pair in pairs], judge, rng)


@block_mask.part("shows strictly earlier blocks, and nothing of a position's own", weight=3, rests_on=(
    "strictly earlier blocks than its own", "none of its own block, not even those before it",
    "entry [i, j] is True if position i may read position j"))
def _(student, rng):
    pairs = [(whole(8, 40, rng), block) for block in mixed((2, 3, 4, 5, 7), rng)]
    asked(student, [*pairs, (5, 2), (whole(100, 150, rng), whole(12, 30, rng))], rng)


@block_mask.part("is right for a last block that is shorter, and for lengths that are a multiple", weight=1, rests_on=(
    "Position i lies in block i // block; the last block may be shorter",))
def _(student, rng):
    block, blocks = whole(2, 6, rng), whole(2, 5, rng)
    asked(student, mixed(((blocks * block, block), (blocks * block + 1, block), (blocks * block + block - 1, block),
                          (block + 1, block)), rng), rng)


@block_mask.part("is right for blocks of one position, one block for all, and texts of no position", weight=2,
                 rests_on=(
    "BoolTensor [length, length]", "The rows of the first block are False throughout",
    "length: how many positions the text has, >= 0"))
def _(student, rng):
    length, more = whole(3, 12, rng), whole(1, 50, rng)
    asked(student, mixed(((length, 1), (length, length), (length, length + more), (1, 1), (0, whole(1, 9, rng)), (2, 1),
                          (whole(90, 150, rng), 1)), rng), rng)


@block_mask.part("refuses what is no length, or no block", weight=1, rests_on=(
    "Raises ValueError for a length below 0 and a block below 1",))
def _(student, rng):
    bad = [(whole(1, 9, rng), 0), (whole(1, 9, rng), -whole(1, 4, rng)), (-whole(2, 9, rng), whole(1, 4, rng)),
           (-1, whole(1, 4, rng))]
    taken = [pair for pair in mixed(bad, rng) if not student.raises(ValueError, *pair)]
    if taken:
        length, block = taken[0]
        raise Wrong(f"Given length = {length} and block = {block} your function answers; it has to raise ValueError.")
    student(whole(3, 9, rng), 2)  # gets an answer: whether a right one, the other parts say
