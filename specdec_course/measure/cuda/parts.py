"""The parts that need one model or none: the card, latency, long contexts, equality of engines.

Knows: which figures make up their records, and how a record that was begun is gone on with. Does not know: in which
order parts run, where records lie.
"""

from __future__ import annotations

import torch

from ...cache.static import WIDTHS
from ..machine import machine
from . import card, engines, latency
from .bench import Bench, guarded
from .model_pool import collect
from .shapes import NAMES, PAIRS, parameters_of


def run_card(bench: Bench, record: dict, save) -> None:
    sheet = card.sheet_of(bench.card)
    record |= {
        "what": "copies (read and written), matrix products, launches",
        "statistic": "the best of 5 times 10 calls in a row, after a warm-up",
        "machine": machine(),
        "datasheet": sheet and {"of": sheet[0], "flops_per_second": sheet[1], "bytes_per_second": sheet[2]},
    }

    def walls():
        walls = record["measured"] = card.measured_walls(bench.device, bench.dtype, bench.quick)
        launch = 1e6 * walls["seconds_per_launch"]
        bench.say(f"{bench.card}: {walls['bytes_per_second'] / 1e9:.0f} GB/s copied, "
                  f"{walls['flops_per_second'] / 1e12:.1f} TFLOP/s, {launch:.1f} us a launch")

    guarded(bench, record, "walls", walls)
    record["finished"] = "measured" in record
    save()


def run_latency(bench: Bench, record: dict, save, name: str) -> None:
    (model,) = bench.pool.take(name)
    lengths, contexts = ((1, 2, 64), (96,)) if bench.quick else (latency.LENGTHS, latency.CONTEXTS)
    record |= {
        "model": f"{NAMES[name]}: exact shape, random weights; one sequence, no context",
        "parameters": parameters_of(bench.pool.shapes[name]),
        "statistic": latency.STATISTIC,
        "widths": f"compiled and captured passes are padded to one of {WIDTHS}; longer ones have their own length",
        "floors": latency.floors(model.config, lengths, contexts, bench.walls(), bench.dtype.itemsize),
    }
    role = "target" if any(name == target for _, target in PAIRS) else "draft"
    curves = {curve["engine"]: curve for curve in record.get("curves", [])}
    wanted = [engine for engine in latency.ENGINES if engine != "compiled" or bench.compiles]
    for engine in wanted:
        def curve(engine=engine):
            curve = latency.curve_of(model, engine, lengths, contexts, role, bench.say)
            label = f"{card.slug_of(bench.card).upper()}, {NAMES[name]}, {engine}"
            curves[curve["engine"]] = {"label": label, **curve}
            record["curves"] = list(curves.values())
            save()

        if latency.SAID[engine] not in curves:
            guarded(bench, record, engine, curve)
    record["finished"] = all(latency.SAID[engine] in curves for engine in wanted)
    save()


def run_context(bench: Bench, record: dict, save, name: str) -> None:
    (model,) = bench.pool.take(name)
    contexts = (96,) if bench.quick else latency.CONTEXTS
    record |= {
        "what": "one token's step after a long context, in the compiled engine",
        "model": f"{NAMES[name]}: exact shape, random weights; one sequence",
        "compiled_means": bench.compiled_means,
        "statistic": latency.STATISTIC,
        "floors": latency.floors(model.config, (1,), contexts, bench.walls(), bench.dtype.itemsize),
    }

    def measure():
        record["one_token_after"] = latency.context_of(model, contexts, bench.say)

    guarded(bench, record, "compiled", measure)
    record["finished"] = "one_token_after" in record
    save()


def run_equality(bench: Bench, record: dict, save) -> None:
    record |= {"what": "greedy texts, engine against engine", "statistic": engines.STATISTIC,
               "compiled_means": bench.compiled_means}
    half = bench.dtype if bench.dtype.itemsize == 2 else torch.bfloat16
    cases, new = engines.cases(half, bench.quick), 12 if bench.quick else engines.NEW_TOKENS
    done = record.setdefault("cases", {})
    for name, (shapes, dtype, more) in cases.items():
        def measure(name=name, shapes=shapes, dtype=dtype, more=more):
            target, draft = engines.made(shapes, bench.device, dtype, **more)
            done[name] = engines.compared(target, engines.texts_of(target, draft, new))
            parted = [f"{row['way']} at {row['differs_at']}" for row in done[name] if row["differs_at"] is not None]
            bench.say(f"{name}: " + ("; ".join(parted) if parted else "all texts equal"))
            save()

        if name not in done:
            guarded(bench, record, name, measure)
            collect()
    record["finished"] = len(done) == len(cases)
    save()
