"""Latency curves: how they are recorded, those that came with the course, and what data sheets promise.

Knows: files in data/measurements, engines to measure a model in, shapes of Qwen2.5. Does not know: what a curve says
(see clocks, theory).
"""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import numpy as np
import torch

from ..common.paths import data_path
from ..models import as_forward
from .clocks import compiled, latency_profile
from .threads import torch_threads

# Peak of dense half-precision arithmetic (operations per second, the tensor cores) and memory bandwidth (bytes per
# second), as the makers' public data sheets give them. Walls that no program passes; most stay well below.
DATASHEETS = {
    "NVIDIA T4": (65e12, 320e9),
    "NVIDIA A100 80GB": (312e12, 2039e9),
    "NVIDIA RTX 4090": (165e12, 1008e9),
    "NVIDIA H200": (989e12, 4800e9),
}

# What forward_cost wants to know of the models of Qwen2.5, as their config.json gives it.
QWEN25 = {
    size: SimpleNamespace(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
                          num_key_value_heads=kv_heads, intermediate_size=intermediate, vocab_size=vocab)
    for size, hidden, layers, heads, kv_heads, intermediate, vocab in (
        ("0.5B", 896, 24, 14, 2, 4864, 151936), ("1.5B", 1536, 28, 12, 2, 8960, 151936),
        ("3B", 2048, 36, 16, 2, 11008, 151936), ("7B", 3584, 28, 28, 4, 18944, 152064),
        ("32B", 5120, 64, 40, 8, 27648, 152064))
}  # fmt: skip


def recorded_profiles() -> list[dict]:
    """The latency curves that come with the course, one dict each: "label", "hardware", "precision", "engine",
    "source", "command" and "profile" {tokens: seconds}. Measured ones only; what is computed is in `DATASHEETS`."""
    profiles = []
    for path in sorted(data_path("measurements").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("kind") == "latency":
            for curve in record.pop("curves"):
                profile = {int(n): float(seconds) for n, seconds in curve["seconds"].items()}
                profiles.append({**record, **curve, "profile": profile})
    return profiles


def telling_profiles() -> list[dict]:
    """Of the recorded curves those for a picture of all: with several per machine and model, the fastest engine's on a
    GPU (eager and compiled on a CPU, whose difference is the lesson), and of a GPU's models those with 3 billion
    parameters or more."""
    chosen: dict = {}
    for record in recorded_profiles():
        if record.get("parameters", 3e9) < 2.9e9:
            continue
        gpu = "NVIDIA" in record["hardware"]
        key = (record["hardware"], record["model"], None if gpu else record["engine"])
        longest = max(record["profile"])
        rank = (longest, -record["profile"][longest])
        if key not in chosen or rank > chosen[key][0]:
            chosen[key] = (rank, record)
    return [record for _, record in chosen.values()]


def record_profile(model, lengths, repeats=20, cpu_time=False, say=print) -> list[dict]:
    """Measures a model eager and compiled: the "curves" of a record in data/measurements.

    Args:
        model: a Hugging Face causal language model. lengths: numbers of tokens. repeats: timed calls per length.
        cpu_time: count the seconds in which the processor worked for us, with one thread. On a machine shared with
            others this is nearly the wall time that it would need alone.
    """
    size = model.config.get_text_config().vocab_size
    curves = []
    for engine, runner in (("eager", model), ("torch.compile", compiled(model, say))):
        if runner is not None:
            measure = _cpu_profile if cpu_time else latency_profile
            seconds = measure(as_forward(runner), lengths, size, repeats)
            say(f"{engine}: " + ", ".join(f"{n}: {1000 * t:.1f} ms" for n, t in seconds.items()))
            curves.append({"engine": engine, "seconds": {str(n): round(t, 6) for n, t in seconds.items()}})
    return curves


def _cpu_profile(forward, lengths, vocab_size, repeats):
    """`latency_profile` in CPU seconds of one thread."""
    profile = {}
    with torch_threads(1):
        for n in lengths:
            ids, spent = torch.randint(vocab_size, (n,)), []
            for i in range(3 + repeats):
                start = time.process_time()
                forward(ids)
                spent += [time.process_time() - start] if i >= 3 else []
            profile[n] = float(np.median(spent))
    return profile
