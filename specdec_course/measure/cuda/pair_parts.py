"""The parts that need a draft and a target: costs, speed, and the library's own generate.

Knows: which figures make up their records, and how a record that was begun is gone on with. Does not know: in which
order parts run, where records lie.
"""

from __future__ import annotations

import statistics

import torch

from . import costs, latency, library, speed
from .bench import Bench, guarded
from .shapes import NAMES
from .texts import PROMPT_TOKENS, prompt_for

SLOW = 0.012  # seconds of a target step from which on texts are half as long


def pair_of(bench: Bench, record: dict, pair: str, statistic: str):
    """The models (draft, target) of "draft/target"; what the record says of them."""
    draft, target = pair.split("/")
    record |= {
        "pair": f"{NAMES[target]} with {NAMES[draft]}",
        "target": NAMES[target],
        "draft": NAMES[draft],
        "compiled_means": bench.compiled_means,
        "statistic": statistic,
    }
    return bench.pool.take(draft, target)


def run_costs(bench: Bench, record: dict, save, pair: str) -> None:
    draft, target = pair_of(bench, record, pair, costs.STATISTIC)
    engines = record.setdefault("engines", {})
    for engine in costs.ENGINES:
        def measure(engine=engine):
            engines[engine] = costs.costs_of(draft, target, engine, (1, 2) if bench.quick else None, bench.say)
            save()

        if engine not in engines:
            guarded(bench, record, engine, measure)
    record["finished"] = len(engines) == len(costs.ENGINES)
    save()


def text_of(draft, target, engine: str, new_tokens: int):
    """The target's greedy text, LongTensor [32 + new_tokens], decoded plainly."""
    prompt = prompt_for(draft, target)
    return speed.decode(target, prompt, None, speed.schedule_for(0, {}), new_tokens, engine)["tokens"]


def run_speed(bench: Bench, record: dict, save, pair: str) -> None:
    draft, target = pair_of(bench, record, pair, speed.STATISTIC)
    known = (bench.read(f"costs:{pair}") or {}).get("engines", {})
    new = record.get("new_tokens") or new_tokens_for(bench, known)
    record |= {"new_tokens": new, "prompt_tokens": PROMPT_TOKENS}
    grid, plain = record.setdefault("grid", []), record.setdefault("plain", {})
    text = text_of(draft, target, "compiled", new)
    record["text_equals_eager"] = bool(torch.equal(text, text_of(draft, target, "eager", new)))
    blocks = blocks_of(bench.quick)
    for engine, k in blocks:
        def block(engine=engine, k=k):
            if k == "auto":
                costs.capture_all(draft, target)
            runs = speed.runs_at(target, draft, text, PROMPT_TOKENS, k, engine, **how_often(bench, engine, pair))
            rows = speed.rows_of(runs, text, k, engine, known.get(engine))
            grid.extend(rows)
            plain[f"{engine}, beside k = {k}"] = {"engine": engine, **speed.speeds_of(runs["plain"])}
            record["rows"] = speed.best_rows(grid)
            record["share_of_bandwidth"] = shares_of(bench, target, plain, PROMPT_TOKENS + new // 2)
            shown = ", ".join(f"{row['alpha']:g}: {row['speedup']:.2f}x" for row in rows)
            alone = speed.speeds_of(runs["plain"])["tokens_per_second"]
            bench.say(f"{engine}, k = {k}: plain {alone:.1f} tokens/s; by alpha {shown}")
            save()

        if not any((row["engine"], row["k"]) == (engine, k) for row in grid):
            guarded(bench, record, f"{engine}, k = {k}", block)
    record["finished"] = len({(row["engine"], row["k"]) for row in grid}) == len(blocks)
    save()


def blocks_of(quick: bool) -> list[tuple]:
    """(engine, k) in the order of measuring. Eager decoding is the case that loses: one k is enough to show it."""
    if quick:
        return [("compiled", 2), ("eager", 2)]
    return [("compiled", 4), ("eager", 4), *(("compiled", k) for k in (*speed.LENGTHS[1:], "auto"))]


def how_often(bench: Bench, engine: str, pair: str) -> dict:
    """Rates, scripts and repeats: all of them for the first pair, fewer scripts for the others, little for eager."""
    if bench.quick:
        return {"rates": (0.8,), "seeds": (0,), "repeats": 1}
    if engine == "eager":
        return {"rates": speed.SHOWN, "seeds": (0,), "repeats": 1}
    return {"seeds": (0, 1) if is_first(bench, pair) else (0,), "repeats": 2}


def is_first(bench: Bench, pair: str) -> bool:
    return pair == "/".join(bench.pairs[0])


def new_tokens_for(bench: Bench, known: dict) -> int:
    """128 tokens a text; half as many where the target is slow, a few in a rehearsal."""
    if bench.quick:
        return 12
    return 64 if known.get("compiled", {}).get("plain", 0) > SLOW else 128


def shares_of(bench: Bench, target, plain: dict, context: int) -> dict:
    """How much of the bandwidth plain compiled decoding uses: the least time of a step over the time it takes."""
    speeds = [curve["tokens_per_second"] for curve in plain.values() if curve["engine"] == "compiled"]
    floors = latency.floors(target.config, (), (context,), bench.walls(), bench.dtype.itemsize) if speeds else {}
    return {name: statistics.median(speeds) * floor["one_token_after"][context] for name, floor in floors.items()}


def run_library(bench: Bench, record: dict, save, pair: str) -> None:
    draft, target = pair_of(bench, record, pair, library.STATISTIC)
    ours = bench.read(f"speed:{pair}") or {}
    new = ours.get("new_tokens") or new_tokens_for(bench, {})
    record |= {"new_tokens": new, "prompt_tokens": PROMPT_TOKENS}
    text = text_of(draft, target, "eager", new)
    cells = ((2, 0.8),) if bench.quick else library.FULL if is_first(bench, pair) else library.SHORT
    done = record.setdefault("cells", [])
    begun = len(done)
    library.warm_up(target, draft, text, PROMPT_TOKENS)
    for k, rate in cells:
        def measure(k=k, rate=rate):
            before = done[-1]["plain_after"] if len(done) > begun else None
            cell = library.cell(target, draft, text, PROMPT_TOKENS, k, rate, ours.get("grid", []), before)
            done.append(cell)
            bench.say(f"assisted, k = {k}, alpha {rate:g}: {cell['tokens_per_second']:.1f} tokens/s, "
                      f"{cell['speedup']:.2f}x the library's plain {cell['plain_tokens_per_second']:.1f}")
            save()

        if not any((one["k"], one["alpha"]) == (k, rate) for one in done):
            guarded(bench, record, f"k = {k}, alpha = {rate:g}", measure)
    record["finished"] = len(done) == len(cells)
    save()
