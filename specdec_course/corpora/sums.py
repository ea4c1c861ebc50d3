"""Problems for a model that thinks step by step: sums and differences of two-digit numbers, written one step at a time.

    17+48-29?17+48=65;65-29=36;#36

Every number and every total on the way has two digits.

Knows: problems, right chains of thought, and how signs become ids. Does not know: models. Everything is a function of a
seed. A step may be followed by its own check, `17+48=65:65-48=17;`, which never says anything new.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

END = 0  # begins nothing, ends every text, pads
SIGNS = "0123456789+-=:;?#"  # the sign at place i has the id i + 1
ASK, STEP, ANSWER = (SIGNS.index(sign) + 1 for sign in "?;#")
VOCAB = len(SIGNS) + 1
SMALLEST, LARGEST = 10, 99  # of all numbers, and of all totals on the way


def encode(text: str) -> torch.LongTensor:
    """A text of `SIGNS` as ids, LongTensor [T]. ValueError for any other sign."""
    if strange := set(text) - set(SIGNS):
        raise ValueError(f"{sorted(strange)[0]!r} cannot be encoded; a text of sums is made of {SIGNS}")
    return torch.tensor([SIGNS.index(sign) + 1 for sign in text], dtype=torch.long)


def decode(ids: Sequence[int] | torch.Tensor) -> str:
    """The text of these ids; what ends a text is left out."""
    return "".join(SIGNS[int(one) - 1] for one in ids if int(one) != END)


def problem(steps: int, rng: random.Random) -> list[int]:
    """The numbers that are to be added, `steps` + 1 of them; those that are taken away are negative."""
    if steps < 1:
        raise ValueError(f"a problem has {steps} steps; expected at least 1")
    numbers = [rng.randint(SMALLEST, LARGEST)]
    while len(numbers) <= steps:
        total = sum(numbers)
        next_total = rng.choice([one for one in range(SMALLEST, LARGEST + 1) if abs(one - total) >= SMALLEST])
        numbers.append(next_total - total)
    return numbers


def problems(count: int, steps: int | Sequence[int], seed: int) -> list[list[int]]:
    """`count` problems of so many steps, or of each of these numbers of steps in turn."""
    rng, steps = random.Random(seed), [steps] if isinstance(steps, int) else list(steps)
    return [problem(steps[i % len(steps)], rng) for i in range(count)]


def question(numbers: Sequence[int]) -> str:
    """What the model is asked: `17+48-29?`."""
    return f"{numbers[0]}{''.join(f'{number:+d}' for number in numbers[1:])}?"


def steps_of(numbers: Sequence[int], checked: Sequence[bool] = ()) -> list[str]:
    """The right steps, each with its `;`. checked: for each step whether its check is written; none where missing."""
    found, total = [], numbers[0]
    for i, number in enumerate(numbers[1:]):
        step = f"{total}{number:+d}={total + number}"
        if i < len(checked) and checked[i]:
            step += f":{total + number}{-number:+d}={total}"
        found.append(step + ";")
        total += number
    return found


def answer_in(text: str) -> int | None:
    """The number behind the last `#`; None where there is none."""
    _, mark, answer = text.rpartition("#")
    return int(answer) if mark and answer.isdigit() else None


def is_right(numbers: Sequence[int], text: str) -> bool:
    """Whether a text answers the problem rightly. What it says on the way does not count."""
    return answer_in(text) == sum(numbers)
