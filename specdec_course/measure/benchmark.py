"""Side by side: the same prompts decoded in several ways, in one run, alternating.

Knows: how to time ways of decoding so that they can be compared (warm-up, pairs, medians), and Hugging Face's own two
ways. Does not know: why a way is fast (prediction), what a good figure is.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ..cache.static import static_model
from ..decoding.engine import Output, generate
from ..sampling import Sampling
from ..trace import Trace, acceptance_rate, tokens_per_call
from .library import plain_settings


@dataclass(frozen=True)
class Row:
    """One way of decoding. Speeds are medians over the runs, `slowest` and `fastest` their range; `speedup` is the
    median of the paired ratios to the first row; `same_text`: all of its texts equal the first row's. `tokens_per_call`
    and `acceptance_rate` are 0 for a way that keeps no rounds; the rate is None where drafts are not counted."""

    name: str
    tokens_per_second: float
    slowest: float
    fastest: float
    tokens_per_call: float
    acceptance_rate: float | None
    speedup: float
    same_text: bool


def compare(
    target,
    prompts,
    drafters: dict,
    k=4,
    sampling: Sampling = Sampling(),
    max_new_tokens: int = 128,
    repeats=3,
    engine: str = "eager",
    say=lambda line: None,
) -> list[Row]:
    """Decodes every prompt with every drafter (None: plainly), `repeats` times in alternating order after a warm-up.

    Args:
        target: the model. prompts: a list of LongTensor [T]. drafters: {name of the row: drafter or None}; the first
        row is what the others are compared with. k, sampling, max_new_tokens, engine: as in `generate`. say: is told
        how far it is.

    Returns:
        a Row per drafter. At temperature 0 `same_text` is a test of losslessness; above it, texts may differ.
    """
    ways = {
        name: own_way(target, drafter, k, sampling, max_new_tokens, engine) for name, drafter in drafters.items()
    }
    return rows_of(timed(ways, prompts, repeats, say))


def own_way(target, drafter, k, sampling, max_new_tokens, engine="eager") -> Callable[[torch.Tensor, int], Output]:
    """`generate` as a function (prompt, seed) -> Output."""
    return lambda prompt, seed: generate(target, prompt, drafter, k, sampling, max_new_tokens, None, seed, engine)


def library_way(target, draft, k, sampling, max_new_tokens) -> Callable[[torch.Tensor, int], Output]:
    """Hugging Face's `generate` as such a function: plain without a draft, else assisted.

    k: draft length, the same in every round and without a look at the draft's confidence; None: the library's defaults.
    """
    how = {"max_new_tokens": max_new_tokens, "eos_token_id": None, "pad_token_id": 0}
    how |= {"do_sample": False} if sampling.greedy else {
        "do_sample": True, "temperature": sampling.temperature, "top_k": sampling.top_k or 0,
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p, "min_p": sampling.min_p,
    }

    if sampling.processors:
        from transformers import LogitsProcessorList

        how["logits_processor"] = LogitsProcessorList(sampling.processors)

    def run(prompt, seed):
        torch.manual_seed(seed)
        ids = prompt[None].to(target.device)
        began = time.perf_counter()
        with plain_settings(target, draft), assistant_settings(draft, k):
            out = target.generate(ids, attention_mask=torch.ones_like(ids), assistant_model=draft, **how)[0].cpu()
        return Output(out, Trace(len(prompt), seconds=time.perf_counter() - began))

    return run


@contextmanager
def assistant_settings(draft, k):
    """Draft length k in every round for Hugging Face's assisted generation; None leaves its defaults."""
    if draft is None or k is None:
        yield
        return
    wanted = {
        "num_assistant_tokens": k,
        "num_assistant_tokens_schedule": "constant",
        "assistant_confidence_threshold": 0.0,
    }
    config = draft.generation_config
    before = {name: getattr(config, name, None) for name in wanted}
    try:
        for name, value in wanted.items():
            setattr(config, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(config, name, value)


def compile_widths(target, prompts, k: int, new_tokens: int, engine: str) -> None:
    """Has the compiled engine compile every pass that texts on these prompts may need, before anything is timed: drafts
    that vary may have a length for the first time anywhere."""
    for prompt in prompts if engine == "compiled" else ():
        cached = static_model(target).begin(len(prompt) + new_tokens)
        cached.append(prompt.to(target.device), last=1)
        for n in range(1, min(k, new_tokens - 1) + 2):
            cached.append(prompt[:1].expand(n).to(target.device), last=1)
            cached.rollback(n)


def timed(ways: dict, prompts, repeats: int = 3, say=lambda line: None) -> dict[str, list[Output]]:
    """Runs every way on every prompt, `repeats` times, alternating; outputs by name, pairs at equal places.

    ways: {name: function (prompt, seed) -> Output}, or of anything else that is to be run in turns. The first prompt
    is run twice by every way before anything counts: first calls allocate, choose kernels and compile.
    """
    if not prompts:
        raise ValueError("there is no prompt to decode; expected at least one")
    names, runs = list(ways), {name: [] for name in ways}
    for name in names:
        for _ in range(2):
            ways[name](prompts[0], 0)
        say(f"warmed up: {name}")
    for repeat in range(repeats):
        for number, prompt in enumerate(prompts):
            order = names if (repeat + number) % 2 == 0 else names[::-1]
            for name in order:
                runs[name].append(ways[name](prompt, number))
        say(f"run {repeat + 1} of {repeats} done")
    return runs


def rows_of(runs: dict[str, list[Output]]) -> list[Row]:
    """A Row per way; the first one is the baseline."""
    baseline = next(iter(runs.values()))
    return [_row(name, outputs, baseline) for name, outputs in runs.items()]


def speed(out: Output) -> float:
    """New tokens per second of the whole call."""
    return (len(out.tokens) - out.trace.prompt_length) / out.trace.seconds


def paired_ratio(outputs, baseline) -> float:
    """The median of the ratios of speeds. Position i of both belongs to the same prompt and repeat."""
    return statistics.median(speed(out) / speed(base) for out, base in zip(outputs, baseline, strict=True))


def _row(name: str, outputs, baseline) -> Row:
    speeds = [speed(out) for out in outputs]
    rounds = [r for out in outputs for r in out.trace.rounds]
    return Row(
        name,
        statistics.median(speeds),
        min(speeds),
        max(speeds),
        tokens_per_call(rounds),
        acceptance_rate(rounds),
        paired_ratio(outputs, baseline),
        all(torch.equal(out.tokens, base.tokens) for out, base in zip(outputs, baseline, strict=True)),
    )


def standard_ways(pair, lookups: dict, k, sampling, max_new_tokens, engine="compiled") -> dict:
    """The ways that `specdec bench` compares, by name: the target alone in `engine` first. lookups: {name: drafter} of
    those that need no model."""
    from ..drafters import drafter_of

    def own(drafter, k=k, engine=engine):
        return own_way(pair.target, drafter, k, sampling, max_new_tokens, engine)

    def library(draft=None, k=None):
        return library_way(pair.target, draft, k, sampling, max_new_tokens)

    ways = {"target alone": own(None)}
    if engine != "eager":
        ways["target alone, eager"] = own(None, engine="eager")
    ways["Hugging Face generate"] = library()
    ways |= {f"{name}, k = {k}": own(drafter) for name, drafter in lookups.items()}
    if pair.draft is not None:
        ways |= {
            f"Hugging Face assisted, k = {k}": library(pair.draft, k),
            "Hugging Face assisted, defaults": library(pair.draft),
            f"draft model, k = {k}": own(drafter_of(pair.draft)),
            "draft model, auto": own(drafter_of(pair.draft), "auto"),
        }
        if engine != "eager":
            ways[f"draft model, k = {k}, eager"] = own(drafter_of(pair.draft), engine="eager")
    return ways


def as_table(rows: list[Row], versus: dict[str, float] | None = None) -> str:
    """The rows as aligned text; with `versus`, {name: ratio}, one more column: how a row compares with assisted."""
    width = max(24, 2 + max(len(row.name) for row in rows))
    lines = [f"{'':{width}}{'tokens/s':>10}{'range':>16}{'tokens/call':>13}{'accepted':>10}{'speed-up':>10}"]
    lines[0] += f"{'x assisted':>12}" if versus else ""
    for row in rows:
        spread = f"{row.slowest:.0f}-{row.fastest:.0f}"
        known = row.acceptance_rate or (row.tokens_per_call > 1 and row.acceptance_rate is not None)
        accepted = f"{row.acceptance_rate:.0%}" if known else "-"
        calls = f"{row.tokens_per_call:.2f}" if row.tokens_per_call else "-"
        lines.append(
            f"{row.name:{width}}{row.tokens_per_second:>10.1f}{spread:>16}{calls:>13}{accepted:>10}{row.speedup:>9.2f}x"
            + (f"{versus[row.name]:>11.2f}x" if versus else "")
        )
    return "\n".join(lines)
