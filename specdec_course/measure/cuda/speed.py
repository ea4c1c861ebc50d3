"""Part "speed": tokens per second against acceptance and draft length, plain decoding in the same engine beside it.

Knows: how texts with a scripted acceptance are timed, and held against what the parts of a round cost. Does not know:
how those parts are timed (costs), where records lie.
"""

from __future__ import annotations

import statistics

import torch

from ...decoding.engine import generate
from ...decoding.schedules import schedule_for
from ...theory import estimate_alpha, expected_tokens
from ...trace import tokens_per_call
from .scripted import ScriptedDrafter
from .texts import script

RATES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
LENGTHS = (4, 2, 8, 6, 12)  # in the order of measuring: what matters most comes first
SHOWN = (0.6, 0.8, 0.9)  # rates that stand for the others in a picture
STATISTIC = (
    "tokens_per_second: from the second round on (the first reads the prompt), median of the runs; whole_call: with "
    "the prompt; speedup: median of the ratios to plain decoding in the same sweep, sweeps forwards and backwards in "
    "turn; predicted = expected_tokens(alpha, k) / (k c + v); eta = measured / predicted; predicted_from_rounds, "
    "eta_from_rounds: with the tokens per call that these texts had; overhead: a round beyond k c + v, in plain steps"
)


class Watched:
    """A schedule that also keeps every round but the first, and its seconds (see schedules.Schedule)."""

    def __init__(self, schedule):
        self.schedule, self.seconds, self.rounds = schedule, [], []
        self.ask = schedule.ask

    def learn(self, round, seconds) -> None:
        self.schedule.learn(round, seconds)
        if seconds is not None:
            self.seconds.append(seconds)
            self.rounds.append(round)


def decode(target, prompt, drafter, schedule, new_tokens: int, engine: str) -> dict:
    """One text: its tokens, its rounds from the second on and their seconds, tokens per second of these and in all."""
    watched = Watched(schedule)
    out = generate(target, prompt, drafter, watched, max_new_tokens=new_tokens, eos_token_id=None, engine=engine)
    emitted = sum(r.emitted for r in watched.rounds)
    return {
        "tokens": out.tokens,
        "rounds": watched.rounds,
        "seconds": watched.seconds,
        "speed": emitted / sum(watched.seconds) if watched.seconds else 0.0,
        "whole": out.trace.tokens_per_second,
    }


def ways_of(target, draft, text, start: int, k, seed: int, engine: str, rates) -> dict:
    """{name: function that decodes the text}: plainly, and at every rate with a script and a schedule of its own."""
    size, prompt, new = min(target.config.vocab_size, draft.config.vocab_size), text[:start], len(text) - start

    def way(rate):
        drafter = None if rate == "plain" else ScriptedDrafter(draft, script(text, start, rate, size, seed))
        schedule = schedule_for(k, {})
        return lambda: decode(target, prompt, drafter, schedule, new, engine)

    return {rate: way(rate) for rate in ("plain", *rates)}


def alternate(ways: dict, repeats: int, warmups: int = 1) -> dict:
    """{name: runs}: every way `repeats` times, forwards and backwards in turn. The warm-up decodes the very texts that
    are timed later, so every graph that they need has been captured."""
    for way in ways.values():
        for _ in range(warmups):
            way()
    runs = {name: [] for name in ways}
    for repeat in range(repeats):
        for name in list(ways) if repeat % 2 == 0 else list(ways)[::-1]:
            runs[name].append(ways[name]())
    return runs


def runs_at(target, draft, text, start, k, engine="compiled", rates=RATES, seeds=(0, 1), repeats=2) -> dict:
    """All runs at one draft length (an int, or "auto"), {"plain": ..., rate: ...}; equal places belong together."""
    runs: dict = {name: [] for name in ("plain", *rates)}
    for seed in seeds:
        ways = ways_of(target, draft, text, start, k, seed, engine, rates)
        for name, several in alternate(ways, repeats, warmups_for(engine, k)).items():
            runs[name] += several
    return runs


def warmups_for(engine: str, k) -> int:
    """A cost model has to learn first; eager decoding captures nothing, and the first round never counts."""
    return 0 if engine == "eager" else 2 if k == "auto" else 1


def rows_of(runs: dict, text, k, engine: str, costs: dict | None) -> list[dict]:
    """A row per rate. costs: what costs.costs_of told of the pair in this engine; None: nothing is predicted."""
    return [row_of(runs[rate], runs["plain"], text, rate, k, engine, costs) for rate in runs if rate != "plain"]


def row_of(runs, plain, text, rate: float, k, engine: str, costs) -> dict:
    rounds = [r for one in runs for r in one["rounds"]]
    judged = [r for r in rounds if r.emitted > r.accepted]  # the others were cut by the end of the text
    row = {
        "engine": engine,
        "k": k,
        "alpha": rate,
        **speeds_of(runs),
        "speedup": _paired(runs, plain, "speed"),
        "whole_call_speedup": _paired(runs, plain, "whole"),
        "tokens_per_call": tokens_per_call(rounds),
        "measured_alpha": estimate_alpha([r.accepted for r in judged], [r.drafted for r in judged]),
        "mean_k": statistics.mean(r.drafted for r in rounds) if rounds else 0.0,
        "same_text": all(torch.equal(one["tokens"], text) for one in runs),
    }
    return row | (prediction(row, runs, costs) if k != "auto" and costs else {})


def speeds_of(runs) -> dict:
    speeds = [one["speed"] for one in runs]
    return {
        "tokens_per_second": statistics.median(speeds),
        "range": [min(speeds), max(speeds)],
        "whole_call": statistics.median(one["whole"] for one in runs),
    }


def _paired(runs, plain, key: str) -> float:
    return statistics.median(one[key] / base[key] for one, base in zip(runs, plain, strict=True))


def prediction(row: dict, runs, costs: dict) -> dict:
    """What the parts of a round promise, and what became of it. Keys in `costs` are numbers or, from a file, text."""
    k = row["k"]
    cost = _at(costs["draft"], k) / costs["plain"] + _at(costs["verify"], k) / costs["plain"]
    full = [s for one in runs for r, s in zip(one["rounds"], one["seconds"], strict=True) if r.drafted == k]
    predicted, from_rounds = expected_tokens(row["alpha"], k) / cost, row["tokens_per_call"] / cost
    return {
        "predicted": predicted,
        "eta": row["speedup"] / predicted,
        "predicted_from_rounds": from_rounds,
        "eta_from_rounds": row["speedup"] / from_rounds,
        "overhead": statistics.median(full) / costs["plain"] - cost if full else None,
    }


def _at(by_k: dict, k: int) -> float:
    return by_k[k] if k in by_k else by_k[str(k)]


def best_rows(grid: list[dict], rates=SHOWN) -> list[dict]:
    """For each of these rates the row with the draft length that was fastest: "name", "speedup", "tokens_per_call"."""
    best_of = []
    for rate in rates:
        rows = [row for row in grid if row["alpha"] == rate and row["engine"] == "compiled" and row["k"] != "auto"]
        if rows:
            best = max(rows, key=lambda row: row["speedup"])
            best_of.append({"name": f"scripted alpha {rate:g}, best k = {best['k']}", **best})
    return best_of
