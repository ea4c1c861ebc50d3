"""Texts that the checks of unit 08 ask about: few different tokens, so that pieces come again, with ids of real models.

Knows: how to draw them, how a draft is read. Does not know: exercises.
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import mixed, whole
from ..errors import Wrong

REAL = (128_256, 151_936, 152_064)  # ids that models really have: Llama 3, Qwen 3, Qwen 2.5


def alphabet(rng, size: int) -> list[int]:
    """`size` different ids of a real vocabulary; 0 is among them, and ids that 16 bits make equal."""
    vocab = REAL[whole(0, 2, rng)]
    low = whole(1, 30_000, rng)
    wanted = [0, low, low + 65_536, vocab - 1]
    while len(set(wanted)) < size:
        wanted.append(whole(1, vocab - 1, rng))
    return mixed(list(dict.fromkeys(wanted))[:size], rng)


def drawn_text(rng, length: int, ids: list[int]) -> list[int]:
    """A text over these ids in which each has a favourite follower, and pieces come again."""
    likes = torch.randint(len(ids), (len(ids), len(ids)), generator=rng).tolist()
    chance = torch.rand(length, generator=rng).tolist()
    stray = torch.randint(len(ids), (length,), generator=rng).tolist()
    text = [stray[0]] if length else []
    for i in range(1, length):
        before = text[-2] if i > 1 else 0
        text.append(likes[before][text[-1]] if chance[i] < 0.6 else stray[i])
    return [ids[i] for i in text]


def strangers(rng, n: int, others) -> list[int]:
    """n different ids that are not among the others."""
    found: list[int] = []
    while len(found) < n:
        one = whole(1, REAL[0] - 1, rng)
        if one not in found and one not in others:
            found.append(one)
    return found


def as_draft(answer) -> list[int]:
    """A draft as a list of ids, or Wrong: it has to be a LongTensor, for it is put behind the text and sent to a
    model."""
    if not isinstance(answer, torch.Tensor):
        raise Wrong(f"Return a LongTensor; your function returned {values.describe(answer)}.", mistake="no_tensor")
    if answer.dim() != 1:
        raise Wrong(f"A draft has the shape [number of tokens]; yours has {list(answer.shape)}.")
    if answer.is_floating_point():
        raise Wrong("Your draft holds floats.", mistake="float_ids")
    if answer.dtype != torch.long:
        raise Wrong(f"The ids are of type {answer.dtype}; models want torch.long.")
    return answer.tolist()


FLOATS = (
    "Your draft holds floats. `torch.tensor([])` of an empty list is a *float* tensor, and one such draft turns all "
    "ids that it is joined with into floats, which no model takes. Say `dtype=torch.long`.")
NO_TENSOR = (
    "A draft is put behind the text with `torch.cat` and sent to a model: return a LongTensor of ids, not a list."
)
