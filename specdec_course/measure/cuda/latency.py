"""Part "latency": what a pass over 1, 2, 4, ... 1024 tokens takes, eager, captured, and compiled and captured.

Knows: the ways in which a pass can be run, floors of its time. Does not know: drafts, texts, where records lie.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch

from ...cache import CachedModel
from ...cache.static import WIDTHS, StaticModel, static_model
from ...theory import forward_cost, roofline_latency
from .clock import in_a_row, median_of
from .model_pool import collect, without_compiler

LENGTHS = tuple(2**i for i in range(11))
CONTEXTS = (1024, 4096)
COMPILED_LENGTHS = {"target": (1, 2, 4, 8, 16), "draft": (1, 2)}  # each is compiled for: only what decoding needs
POSITIONS = 223  # of every text in the compiled engine here: the smallest buffers, 256 rows, less the widest pass
ENGINES = ("eager", "captured", "compiled")
SAID = {"eager": "eager", "captured": "captured", "compiled": "torch.compile, captured"}
STATISTIC = (
    "median of 5 to 30 calls after 4 of warm-up, each from an idle device to finished work, the host included; "
    "quartiles beside it; in_a_row: seconds per call of 20 calls queued without waiting"
)


def curve_of(model, engine: str, lengths=LENGTHS, contexts=CONTEXTS, role="target", say=print) -> dict:
    """Times passes of one model in one engine.

    Args:
        engine: "eager": the model as it is, no cache. "captured": its own kernels as one CUDA graph per length, over
            static buffers behind one cached position. "compiled": the same behind torch.compile, which is what
            `generate(engine="compiled")` runs; lengths up to 33 padded to the next of static.WIDTHS.
        role: "target" or "draft": what the model will be in that engine. Fewer lengths are compiled for a draft.
        contexts: lengths of text behind which one token's pass is timed as well (not compiled: see `context_of`).

    Returns:
        dict: "engine", "seconds", "quartiles" {length: ...}, "one_token_after" {context: seconds}, "in_a_row" seconds.
    """
    device, curve = model.device, {"engine": SAID[engine], "seconds": {}, "quartiles": {}, "one_token_after": {}}
    with torch.inference_mode(), without_compiler() if engine == "captured" else nullcontext():
        pass_over = passes(model, engine, role)
        for n in [n for n in lengths if engine != "compiled" or n in COMPILED_LENGTHS[role]]:
            _note(curve, n, median_of(pass_over(n), device))
        curve["in_a_row"] = in_a_row(pass_over(1), device)
        for context in contexts if engine != "compiled" else ():
            curve["one_token_after"][context] = median_of(pass_over(1, context), device)["median"]
    say(f"{engine}: " + ", ".join(f"{n}: {1000 * t:.2f} ms" for n, t in curve["seconds"].items()))
    del pass_over
    collect()
    return curve


def _note(curve, n, seconds) -> None:
    curve["seconds"][n] = seconds["median"]
    curve["quartiles"][n] = [seconds["low"], seconds["high"]]


def passes(model, engine: str, role="target"):
    """A function (n, context=0) -> function without arguments that runs one pass over n tokens, again and again."""
    if engine == "eager":
        return lambda n, context=0: eager_pass(model, n, context)
    static = static_model(model, role) if engine == "compiled" else StaticModel(model)
    return lambda n, context=0: static_pass(static, n, context)


def eager_pass(model, n: int, context: int = 0):
    ids = some_ids(model, n)
    if context == 0:
        return lambda: model(input_ids=ids[None], use_cache=False)
    cached = CachedModel(model)
    cached.append(some_ids(model, context), last=1)

    def call():
        cached.append(ids, last=1)
        cached.rollback(n)

    return call


def static_pass(static: StaticModel, n: int, context: int = 0):
    """The pass over static buffers. What they hold does not matter, so the context is not read, only pointed behind."""
    at, ids = max(1, context), some_ids(static.model, n)
    static.begin(max(POSITIONS, at + n))

    def call():
        static.length = at
        if n <= WIDTHS[-1]:
            static.append(ids)
        else:  # `append` runs long passes as they are; here they are captured, each with its own length
            static.replay(("append", n), static.step, ids, static.pointer())

    return call


def some_ids(model, n: int):
    """LongTensor [n] on the model's device, always the same ones."""
    generator = torch.Generator().manual_seed(n)
    return torch.randint(model.config.vocab_size, (n,), generator=generator).to(model.device)


def context_of(model, contexts=CONTEXTS, say=print) -> dict:
    """{context: seconds} of one token's step, compiled: anew for each size of the buffers."""
    seconds, static = {}, StaticModel(model)
    with torch.inference_mode():
        for context in contexts:
            seconds[context] = median_of(static_pass(static, 1, context), model.device)["median"]
            say(f"one token after {context}, compiled: {1000 * seconds[context]:.2f} ms")
    return seconds


def floors(config, lengths, contexts, walls: dict, itemsize: int) -> dict:
    """The least time of each pass for every pair of walls.

    walls: {name: (operations per second, bytes per second)}.
    Returns {name: {"seconds": {n: seconds}, "one_token_after": {context: seconds}}}.
    """
    def floor(n, context, limits):
        return roofline_latency(*forward_cost(config, n, context, itemsize), *limits)

    return {
        name: {
            "seconds": {n: floor(n, 0, limits) for n in lengths},
            "one_token_after": {context: floor(1, context, limits) for context in contexts},
        }
        for name, limits in walls.items()
    }
