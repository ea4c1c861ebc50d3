"""A whole little speculative decoding on toy models, with a student's rule deciding how many tokens are drafted.

Knows: how to play rounds until a text is long enough, and how to hold the exact law of that text against the target's.
Does not know: which rules there are. Toy models and laws are those of unit 04.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ...verification import verify_stochastic
from ..errors import Wrong
from ..stages import toys
from ..subject import Subject

TOLERANCE = 1e-5


def one_round(target, drafter, text: tuple, draft: list, rows: list, dice) -> tuple[tuple, int]:
    """(the text after a round that verifies this draft, how many of the draft's tokens were accepted)."""
    p = torch.stack([target((*text, *draft[:i])) for i in range(len(draft) + 1)])
    q = torch.stack(rows) if rows else p[:0]
    emitted = verify_stochastic(torch.tensor(draft, dtype=torch.long), q, p, dice).tolist()
    return (*text, *emitted), len(emitted) - 1


def drawn(drafter, text: tuple, k: int, dice) -> tuple[list[int], list[torch.Tensor]]:
    """k tokens drawn after the text, and the rows that they were drawn from."""
    return toys.draw_draft(lambda more: drafter((*text, *more)), k, dice)


def expect_targets_law(student: Subject, procedure: Callable, target, length: int, when: str) -> None:
    """`procedure(dice)` writes at least `length` tokens: their exact joint law has to be the target's."""
    law = student.law_of(lambda dice: procedure(dice)[:length])
    wanted = toys.target_law(target, length)
    if toys.difference(law, wanted) > TOLERANCE:
        raise Wrong(f"{when}: the law of the first {length} tokens is no longer the target's (total variation distance "
                    f"{toys.total_variation(law, wanted):.3f}).")
