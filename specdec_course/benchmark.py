"""Side by side: the same prompts decoded in several ways, in one run, alternating.

Knows: how to time rows so that they can be compared (warm-up, pairs, medians). Does not know: what a good figure is.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass

import torch

from .engine import generate
from .sampling import Sampling
from .trace import acceptance_rate, tokens_per_call


@dataclass(frozen=True)
class Row:
    """One way of decoding. Speeds are medians over the runs, `slowest` and `fastest` their range; `speedup` is the
    median of the paired ratios to the first row; `same_text`: all of its texts equal the first row's."""

    name: str
    tokens_per_second: float
    slowest: float
    fastest: float
    tokens_per_call: float
    acceptance_rate: float
    speedup: float
    same_text: bool


def compare(
    target, prompts, drafters: dict, k: int = 4, sampling: Sampling = Sampling(), max_new_tokens: int = 128, repeats=3
) -> list[Row]:
    """Decodes every prompt with every drafter (None: plainly), `repeats` times in alternating order after a warm-up.

    Args:
        target: the model. prompts: a list of LongTensor [T]. drafters: {name of the row: drafter or None}; the first
        row is what the others are compared with. k, sampling, max_new_tokens: as in `generate`.

    Returns:
        a Row per drafter. At temperature 0 `same_text` is a test of losslessness; above it, texts may differ.
    """
    if not prompts:
        raise ValueError("there is no prompt to decode; expected at least one")
    names = list(drafters)
    runs = {name: [] for name in names}
    for name in names:  # warm-up: first calls allocate and choose kernels
        generate(target, prompts[0], drafters[name], k, sampling, min(16, max_new_tokens))
    for repeat in range(repeats):
        for number, prompt in enumerate(prompts):
            order = names if (repeat + number) % 2 == 0 else names[::-1]
            for name in order:
                runs[name].append(generate(target, prompt, drafters[name], k, sampling, max_new_tokens, seed=number))
    return [_row(name, runs[name], runs[names[0]]) for name in names]


def _row(name: str, outputs, baseline) -> Row:
    """Position i of every row's outputs belongs to the same prompt and repeat: the pairs of the ratio."""
    speeds = [out.trace.tokens_per_second for out in outputs]
    ratios = [
        out.trace.tokens_per_second / base.trace.tokens_per_second for out, base in zip(outputs, baseline, strict=True)
    ]
    rounds = [r for out in outputs for r in out.trace.rounds]
    return Row(
        name,
        statistics.median(speeds),
        min(speeds),
        max(speeds),
        tokens_per_call(rounds),
        acceptance_rate(rounds),
        statistics.median(ratios),
        all(torch.equal(out.tokens, base.tokens) for out, base in zip(outputs, baseline, strict=True)),
    )


def as_json(rows: list[Row]) -> list[dict]:
    """The rows as plain dictionaries."""
    return [asdict(row) for row in rows]


def as_table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    head = f"{'':24}{'tokens/s':>10}{'range':>16}{'tokens/call':>13}{'accepted':>10}{'speed-up':>10}"
    lines = [head]
    for row in rows:
        spread = f"{row.slowest:.0f}-{row.fastest:.0f}"
        accepted = f"{row.acceptance_rate:.0%}" if row.tokens_per_call > 1 or row.acceptance_rate else "-"
        lines.append(
            f"{row.name:24}{row.tokens_per_second:>10.1f}{spread:>16}{row.tokens_per_call:>13.2f}"
            f"{accepted:>10}{row.speedup:>9.2f}x"
        )
    return "\n".join(lines)
