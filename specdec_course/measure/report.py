"""`specdec bench`: runs the standard ways of decoding, explains the speculative ones, prints both tables.

Knows: what belongs into the report and in which order it is measured. Does not know: how to time (benchmark), how to
explain (prediction).
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from ..corpora import load_corpus
from ..corpora import prompts as prompts_of
from ..drafters import drafter_of
from ..drafters.named import bundled, fitted_drafter, named_drafter
from ..models import vocabulary_size
from ..sampling import Sampling
from . import benchmark, prediction
from .machine import machine
from .prediction import mean_costs, measure_costs


def bench(
    pair, named, k, prompts_file, limit, corpus, max_new_tokens, temperature, repeats, engine, say, heads=None,
    note="",
) -> dict:
    """Measures, prints through `say` and returns the figures as plain dictionaries. named: {option of the command:
    its value}, which models and prompts these are."""
    sampling = Sampling(temperature)
    options = " ".join(f"--{option} {Path(x).name if Path(x).exists() else x}" for option, x in named.items())
    lookups = _lookups(pair, corpus, say)
    if heads or bundled("medusa", pair):
        lookups["Medusa tree"] = named_drafter("medusa", pair, heads=heads)
    for name, shown in {"eagle": "EAGLE", "glide": "GLIDE", "parallel": "parallel draft"}.items():
        if bundled(name, pair):
            lookups[shown] = named_drafter(name, pair)
    prompts = prompts_of(pair.tokenizer, file=prompts_file, limit=limit)
    ways = benchmark.standard_ways(pair, lookups, k, sampling, max_new_tokens, engine)
    say(f"{machine()}; pair {pair.name} in {pair.target.dtype}, T = {temperature:g}, {len(prompts)} prompts x "
        f"{max_new_tokens} tokens, {repeats} alternating runs, medians; engine {engine}")
    drafters = {f"bigram, k = {k}": lookups["bigram"]} | (
        {"draft model": drafter_of(pair.draft)} if pair.draft else {}
    )
    text = ways["target alone"](prompts[0], 0).tokens
    costs = {name: [] for name in drafters}

    def time_the_parts():
        for name, drafter in drafters.items():
            costs[name].append(measure_costs(pair.target, drafter, text, len(prompts[0]), sampling, engine))

    began = time.perf_counter()
    time_the_parts()
    runs = benchmark.timed(ways, prompts, repeats, lambda line: say(f"  {time.perf_counter() - began:5.0f} s  {line}"))
    time_the_parts()  # before and after: a machine that grows slower on the way spoils neither side
    rows = benchmark.rows_of(runs)
    assisted = runs.get(f"Hugging Face assisted, k = {k}")
    versus = assisted and {name: benchmark.paired_ratio(outputs, assisted) for name, outputs in runs.items()}
    say(benchmark.as_table(rows, versus))
    costs = {name: mean_costs(measured) for name, measured in costs.items()}
    explained = explain_rows(pair, drafters, runs, {row.name: row.speedup for row in rows}, costs, sampling)
    say("\nWhy (in units of one step of the target alone; eta = measured / predicted):")
    say(prediction.as_table(explained))
    losing = [row.name for row in rows[1:] if row.speedup < 1 and row.tokens_per_call > 1]
    if losing:
        say(f"slower than the target alone: {', '.join(losing)}")
    if sampling.greedy:
        same = all(row.same_text for row in rows)
        say("every text equals the target's own" if same else "TEXTS DIFFER from the target's own")
    return {
        "hardware": machine() + (f"; {note}" if note else ""), "source": "measured by `specdec bench`",
        "command": f"specdec bench {options} --k {k} --limit {len(prompts)} --max-new-tokens {max_new_tokens} "
                   f"--temperature {temperature:g} --repeats {repeats} --engine {engine} --json FILE",
        "pair": pair.name, "dtype": str(pair.target.dtype), "engine": engine, "k": k,
        "temperature": temperature, "prompts": len(prompts), "max_new_tokens": max_new_tokens, "repeats": repeats,
        "date": time.strftime("%Y-%m-%d"), "rows": [asdict(row) for row in rows], "versus_assisted": versus,
        "explained": [asdict(row) for row in explained],
    }


def _lookups(pair, corpus, say) -> dict:
    """The drafters without a model, by the names of their rows."""
    ids = load_corpus(corpus, pair.tokenizer, say=lambda line: say(f"bigram, n-gram and corpus: {line}"))
    fitted = {"bigram": "bigram", "n-gram": "ngram", "corpus": "corpus"}
    found = {row: fitted_drafter(name, ids, vocabulary_size(pair.target)) for row, name in fitted.items()}
    return found | {"prompt lookup": named_drafter("lookup", pair), "suffix automaton": named_drafter("suffix", pair)}


def explain_rows(pair, drafters, runs, speedups, costs, sampling) -> list[prediction.Explained]:
    """The reasons of every speculative row whose drafter's parts were timed, in the engine they were timed in."""
    rows = []
    for row in runs:
        name = row if row in drafters else "draft model"
        if not row.startswith(tuple(drafters)) or row.endswith("eager"):
            continue
        prompts = {tuple(out.tokens[: out.trace.prompt_length].tolist()): out for out in runs[row]}
        shared = prediction.overlap(pair.target, drafters[name], list(prompts.values()), sampling)
        rows.append(prediction.explain(row, runs[row], speedups[row], costs[name], shared))
    return rows
