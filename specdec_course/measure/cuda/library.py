"""Part "library": Hugging Face's own `generate`, plain and assisted, at the same scripted acceptance and draft length.

Knows: how the library is run and counted. Does not know: our engine's speeds (speed), where records lie.
"""

from __future__ import annotations

import torch

from ...sampling import Sampling
from ..benchmark import library_way, speed
from .scripted import counted_calls, same_vocabulary, scripted_assistant
from .speed import LENGTHS, RATES
from .texts import script

FULL = tuple((4, rate) for rate in RATES) + tuple((k, 0.8) for k in LENGTHS if k != 4)
SHORT = ((4, 0.8), (2, 0.8), (8, 0.8))
STATISTIC = (
    "tokens per second of whole calls, one run per cell after a warm-up of 16 tokens; speedup: over the mean of the "
    "library's plain runs just before and after; ours_over_assisted, ours_over_plain: our whole call at equal k and "
    "alpha, over these two"
)


def plain_speed(target, text, start: int) -> float:
    """Tokens per second of the library's plain greedy `generate`."""
    return speed(library_way(target, None, None, Sampling(), len(text) - start)(text[:start], 0))


def assisted(target, draft, text, start: int, k: int, rate: float, seed=0) -> dict:
    """One assisted text: "tokens_per_second", "tokens_per_call", "same_text"."""
    size = min(target.config.vocab_size, draft.config.vocab_size)
    lines = script(text, start, rate, size, seed)
    way = library_way(target, draft, k, Sampling(), len(text) - start)
    with scripted_assistant(draft, lines), same_vocabulary(draft, target), counted_calls(target) as calls:
        out = way(text[:start], 0)
    return {
        "tokens_per_second": speed(out),
        "tokens_per_call": (len(out.tokens) - start) / len(calls),
        "same_text": torch.equal(out.tokens, text),
    }


def cell(target, draft, text, start: int, k: int, rate: float, ours: list[dict], before: float | None = None) -> dict:
    """An assisted text between two plain ones.

    Args:
        ours: rows of part "speed", to compare with. before: speed of a plain text decoded just now (else one is).
    """
    before = before or plain_speed(target, text, start)
    row = {"k": k, "alpha": rate, **assisted(target, draft, text, start, k, rate)}
    after = plain_speed(target, text, start)
    plain = (before + after) / 2
    row |= {"plain_tokens_per_second": plain, "plain_after": after, "speedup": row["tokens_per_second"] / plain}
    same = [one for one in ours if one["engine"] == "compiled" and (one["k"], one["alpha"]) == (k, rate)]
    if same:
        row["ours_over_assisted"] = same[0]["whole_call"] / row["tokens_per_second"]
        row["ours_over_plain"] = same[0]["whole_call"] / plain
    return row


def warm_up(target, draft, text, start: int) -> None:
    short = text[: start + 16]
    plain_speed(target, short, start)
    assisted(target, draft, short, start, 4, 0.8)
