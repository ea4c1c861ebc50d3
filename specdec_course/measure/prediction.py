"""Why a way of decoding is as fast as it is: what a round costs, what it should bring, and whether that was measured.

Knows: the parts of a round and their times, acceptance, the formulas of theory. Does not know: how ways are run side
by side (benchmark).
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from ..cache.chosen import cache_of
from ..decoding.engine import verify_round
from ..drafters import Context, Draft, as_drafter
from ..models import as_forward, vocabulary_size
from ..sampling import Dice, Sampling
from ..theory import estimate_alpha, expected_tokens

LENGTHS = (1, 2, 4, 8, 16)
TOGETHER = 5  # rounds of one length that are run one after the other; the first of them is not timed


@dataclass(frozen=True)
class Costs:
    """Seconds of the parts of a round, in the middle of a text: `plain`, a target step; `draft` and `verify` by draft
    length k; and of the first one, which reads the prompt: `prefill` of the target, `draft_prefill` of the drafter.
    `padded`: passes are padded to the widths of LENGTHS, as in the compiled engine: six tokens cost what eight do."""

    plain: float
    prefill: float
    draft_prefill: float
    draft: dict[int, float]
    verify: dict[int, float]
    padded: bool = False

    def round(self, k: float) -> float:
        """A round with k drafted tokens."""
        return self.drafting(k) + self.checking(k)

    def drafting(self, k: float) -> float:
        """Between the lengths that were measured, on the straight line; so in `checking`, where nothing is padded."""
        return float(np.interp(k, [0, *self.draft], [0.0, *self.draft.values()]))

    def checking(self, k: float) -> float:
        if self.padded:
            k = min((n for n in (0, *self.verify) if n >= k), default=k)
        return float(np.interp(k, [0, *self.verify], [self.plain, *self.verify.values()]))

    def whole(self, rounds) -> float:
        """A whole call that took these rounds."""
        first = self.prefill + (self.draft_prefill if rounds[0].drafted else 0.0) + self.drafting(rounds[0].drafted)
        return first + sum(self.round(r.drafted) for r in rounds[1:])


def measure_costs(target, drafter, text, prompt_length, sampling=Sampling(), engine="eager", repeats=40) -> Costs:
    """Times the parts of a round on one text, alternating between draft lengths; medians.

    Rounds of a length are run several together, as they are in a text: a pass finds its weights in the processor's
    caches if the pass before it was the same. (The bundled target on an Intel Xeon: 7.1 ms for a plain step between
    other rounds, 5.7 ms among plain steps.)

    Args:
        target, drafter: as in `generate`. text: LongTensor [T], a prompt and what was written after it.
        prompt_length: tokens of the prompt; the parts are timed half-way between its end and the end of the text.
    """
    middle, drafter = (prompt_length + len(text)) // 2, as_drafter(drafter)
    positions, wait = len(text) + max(LENGTHS) + 1, torch.cuda.synchronize if target.device.type == "cuda" else int
    dice = Dice(torch.Generator(device=target.device).manual_seed(0))
    nothing = Draft(torch.empty(0, dtype=torch.long, device=target.device))
    seconds: dict = {}

    def clock(key, call):
        began = time.perf_counter()
        answer = call()
        wait()
        if key is not None:
            seconds.setdefault(key, []).append(time.perf_counter() - began)
        return answer

    def asking(cached, end, k):
        return partial(drafter.propose_from, Context(text[:end], cached), k, sampling, dice)

    def verdict(draft, end, key):
        draft = Draft(draft.ids.to(target.device), draft.probs)
        clock(key, lambda: verify_round(cached, text[:end], draft, sampling, dice))
        cached.rollback(cached.length - (end - 1))

    with torch.inference_mode():
        for _ in range(4):
            cached = cache_of(target, engine).begin(positions, drafter.wants_hidden)
            verdict(nothing, prompt_length, "prefill")
            drafter.begin(vocabulary_size(target), positions, engine)
            clock("first draft", asking(cached, prompt_length, 1))
        cached.append(text[cached.length : middle - 1].to(target.device), last=1)
        for repeat in range(1 + -(-repeats // (TOGETHER - 1))):
            if repeat == 1:  # so far it was warming up
                seconds = {key: value for key, value in seconds.items() if isinstance(key, str)}
            for k in (0, *LENGTHS) if repeat % 2 else (*LENGTHS[::-1], 0):
                for turn in range(TOGETHER):
                    draft, ask = nothing, asking(cached, middle, k)
                    if k:
                        draft = clock(("draft", k) if turn else None, ask)
                    if len(draft.ids) == k:  # a drafter may answer with less
                        verdict(draft, middle, ("verify", k) if turn else None)
    median = {key: statistics.median(value[1:] if isinstance(key, str) else value) for key, value in seconds.items()}
    draft = {k: median["draft", k] for k in LENGTHS if ("verify", k) in median}
    return Costs(
        plain=median["verify", 0],
        prefill=median["prefill"],
        draft_prefill=max(0.0, median["first draft"] - draft.get(1, 0.0)),
        draft=draft,
        verify={k: median["verify", k] for k in draft},
        padded=engine == "compiled",
    )


@dataclass(frozen=True)
class Explained:
    """A speed-up and its reasons. alpha: chance that a judged token is accepted, from the rounds; overlap: 1 - mean TV
    on the prefixes of the texts, which alpha cannot exceed but by chance; c, v: cost of a drafted token and of checking
    a draft, in plain steps; predicted: from the rounds and the parts' times; eta = measured / predicted;
    best_k, best_speedup: by the formula, with this alpha and these times; ceiling: 1 / (1 - alpha), at c = 0, v = 1."""

    name: str
    k: float
    alpha: float
    overlap: float
    c: float
    v: float
    predicted: float
    measured: float
    eta: float
    best_k: int
    best_speedup: float
    ceiling: float


def explain(name, outputs, measured: float, costs: Costs, overlap: float) -> Explained:
    """The reasons of one row: its outputs, with rounds, and its measured speed-up over plain decoding, same engine.

    What is predicted is, like what was measured, the median of the ratios of single texts: where texts differ much, as
    sampled ones do, the ratio of all times together is another number.
    """
    rounds = [r for out in outputs for r in out.trace.rounds]
    judged = [r for r in rounds if r.emitted > r.accepted]  # the others were cut, not rejected
    alpha = estimate_alpha([r.accepted for r in judged], [r.drafted for r in judged])
    drafted = [r.drafted for r in rounds if r.drafted] or [0]
    k, v = statistics.mean(drafted), statistics.mean(map(costs.checking, drafted)) / costs.plain
    alone = [costs.prefill + (len(out.tokens) - out.trace.prompt_length - 1) * costs.plain for out in outputs]
    predicted = statistics.median(t / costs.whole(out.trace.rounds) for t, out in zip(alone, outputs, strict=True))
    lengths = range(max(costs.verify, default=0) + 1)
    rates = {n: expected_tokens(alpha, n) * costs.plain / costs.round(n) for n in lengths}
    best = max(rates, key=rates.get)
    return Explained(
        name, k, alpha, overlap, costs.drafting(k) / k / costs.plain if k else 0.0, v,
        predicted, measured, measured / predicted, best, rates[best], 1 / (1 - alpha) if alpha < 1 else float("inf"),
    )


def mean_costs(measured: list[Costs]) -> Costs:
    """The means of several measurements, part by part: taken before and after the runs, they cancel a slow drift."""

    def mean(values):
        return {k: statistics.mean(v[k] for v in values) for k in values[0]}

    plain, prefill, first = (statistics.mean(getattr(c, name) for c in measured)
                             for name in ("plain", "prefill", "draft_prefill"))
    draft, verify = mean([c.draft for c in measured]), mean([c.verify for c in measured])
    return Costs(plain, prefill, first, draft, verify, measured[0].padded)


def overlap(target, drafter, outputs, sampling=Sampling()) -> float:
    """1 - mean TV(p, q) over all prefixes of what was written: no lossless rule accepts more per token."""
    size, shared, drafter = vocabulary_size(target), [], as_drafter(drafter)
    dice = Dice(torch.Generator(device=target.device).manual_seed(0))
    for out in outputs:
        p = sampling(as_forward(target)(out.tokens))
        drafter.begin(size, len(out.tokens), "eager")
        for end in range(out.trace.prompt_length, len(out.tokens)):
            draft = drafter.propose(out.tokens[:end], 1, sampling, dice)
            if len(draft.ids):
                q = torch.nn.functional.one_hot(draft.ids[0].cpu(), size) if draft.probs is None else draft.probs[0]
                shared.append(float(torch.minimum(p[end - 1], q.to(p)).sum()))
    return statistics.mean(shared) if shared else 0.0


def as_table(rows: list[Explained]) -> str:
    """The reasons as aligned text."""
    width = max(24, 2 + max(len(row.name) for row in rows))
    heads = ("k", "alpha", "1-TV", "c", "v", "predicted", "measured", "eta", "best k", "at best", "ceiling")
    lines = [f"{'':{width}}" + "".join(f"{head:>{max(7, len(head) + 2)}}" for head in heads)]
    for row in rows:
        cells = (
            f"{row.k:.1f}", f"{row.alpha:.2f}", f"{row.overlap:.2f}", f"{row.c:.3f}", f"{row.v:.2f}",
            f"{row.predicted:.2f}x", f"{row.measured:.2f}x", f"{row.eta:.2f}", str(row.best_k),
            f"{row.best_speedup:.2f}x", f"{row.ceiling:.1f}x",
        )
        lines.append(
            f"{row.name:{width}}"
            + "".join(f"{cell:>{max(7, len(head) + 2)}}" for cell, head in zip(cells, heads, strict=True))
        )
    return "\n".join(lines)
