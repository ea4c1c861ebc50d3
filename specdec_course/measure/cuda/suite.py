"""Runs the parts one after the other: what is finished is skipped, what fails is told and the next one goes on.

Knows: the order of the parts, records on disk, time limits. Does not know: what a part measures.
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager, nullcontext

import torch
from transformers.utils import logging

from ...common.nearest import did_you_mean
from ...models.sources import short, usual_device
from ..machine import machine
from . import drawing, pair_parts, parts
from .bench import Bench, TimeIsUp
from .card import dtype_of, name_of, slug_of
from .clock import Deadline
from .model_pool import ModelPool, WillNotFit, collect, without_compiler
from .records import about, file_of, read, write
from .shapes import PAIRS, SHAPES, shrunk
from .summary import tables

RUN = {
    "card": parts.run_card,
    "kernel": drawing.run_kernel,
    "latency": parts.run_latency,
    "costs": pair_parts.run_costs,
    "speed": pair_parts.run_speed,
    "library": pair_parts.run_library,
    "equality": parts.run_equality,
    "context": parts.run_context,
}


def part_names(pairs=PAIRS) -> list[str]:
    """All parts in the order in which they run: pair by pair, so that models are used while they are in memory."""
    names = ["card", "kernel"]
    for number, (draft, target) in enumerate(pairs):
        pair = f"{draft}/{target}"
        names += [f"latency:{target}", f"latency:{draft}", f"costs:{pair}", f"speed:{pair}", f"library:{pair}"]
        names += ["equality"] if number == 0 else []
    names += [f"context:{pairs[0][1]}"] if pairs else []
    return list(dict.fromkeys(names))


def chosen(names: list[str], wanted) -> list[str]:
    """The parts that a user means: whole names ("latency:qwen2.5-7b") or kinds ("latency"); all for none."""
    if not wanted:
        return names
    for one in wanted:
        if not any(one in (name, name.split(":")[0]) for name in names):
            raise ValueError(f"the suite has no part {one!r}.{did_you_mean(one, [*RUN, *names])}")
    return [name for name in names if name in wanted or name.split(":")[0] in wanted]


def run(
    out_dir="data/measurements", device=None, say=print, quick=False, only=(), seconds=None, compiles=True,
    again=False, pairs=PAIRS, shapes=None,
) -> dict:  # fmt: skip
    """Measures what needs a GPU and writes a record per part, `cuda_<card>_<part>.json`, then prints tables of them.

    Run again, it goes on where it ended: parts whose record is finished are skipped, figures that a record holds are
    not measured twice.

    Args:
        out_dir: folder of the records. device: default CUDA. say: told every line.
        quick: a rehearsal of every kind of part, with small models and few figures, on any device; its records are
            called `quick_...`, and no notebook reads them.
        only: names or kinds of parts (see part_names); empty: all. seconds: after so many no new figure is begun; the
            longest takes a minute or two. compiles: False leaves torch.compile out: graphs of eager kernels.
        again: measures finished parts again. pairs, shapes: see shapes.PAIRS and SHAPES.

    Returns:
        dict: "done", "skipped" (too large for the card), "failed", "left" (no time): lists of names of parts.

    Raises ValueError for an unknown part, and without a GPU unless `quick`.
    """
    device, deadline = usual_device(device), Deadline(seconds)
    check_device(device, quick)
    pairs = pairs[:1] if quick else pairs
    todo, dtype = chosen(part_names(pairs), only), dtype_of(device)
    shapes = shapes or ({name: shrunk(shape) for name, shape in SHAPES.items()} if quick else SHAPES)
    card, prefix = slug_of(name_of(device)), "quick" if quick else "cuda"

    def tell(line):
        say(f"[{deadline.elapsed:5.0f} s] {line}")

    def record_of(part):
        return read(file_of(out_dir, prefix, card, part))

    compiles = compiles and compiler_works(device, tell)
    pool = ModelPool(shapes, device, dtype, tell)
    bench = Bench(device, dtype, pool, deadline, tell, record_of, quick, compiles, pairs)
    tell(f"{machine()}; {short(dtype)}; {len(todo)} parts to {out_dir}")
    outcome = {"done": [], "skipped": [], "failed": [], "left": []}
    with quiet_library(), nullcontext() if compiles else without_compiler():
        for part in todo:
            outcome[run_part(bench, part, file_of(out_dir, prefix, card, part), again)].append(part)
    bench.pool.put_away(*list(bench.pool.models))
    say(tables([record for part in todo if (record := record_of(part))]))
    say("; ".join(f"{word}: {', '.join(names)}" for word, names in outcome.items() if names))
    return outcome


def check_device(device, quick: bool) -> None:
    if device.type != "cuda" and not quick:
        raise ValueError("the CUDA suite needs an NVIDIA GPU and torch finds none; --quick rehearses it on any machine")


@contextmanager
def quiet_library():
    """transformers warns of pairs and settings that are meant here."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def run_part(bench, part: str, path, again: bool) -> str:
    """Runs one part, unless its record is finished; "done", "skipped", "failed" or "left"."""
    kind, _, name = part.partition(":")
    record = None if again else read(path)
    if record and record.get("finished"):
        bench.say(f"{part}: finished on {record['date']}, skipped")
        return "done"
    if bench.deadline.over:
        return "left"
    fresh = about(part, kind, f"{name_of(bench.device)}", short(bench.dtype))
    record = fresh | (record or {}) | {"date": fresh["date"], "errors": {}}
    bench.say(f"{part} ...")
    try:
        RUN[kind](bench, record, lambda: write(path, record), *([name] if name else []))
    except WillNotFit as error:
        bench.say(f"{part}: skipped, {error}")
        return "skipped"
    except TimeIsUp:
        write(path, record)
        return "left"
    except Exception as error:
        bench.say(f"FAILED: {part}: " + "".join(traceback.format_exception(error)[-4:]).rstrip())
        collect()
        return "failed"
    return "done" if record["finished"] else "failed"


def compiler_works(device, say) -> bool:
    """Whether torch.compile makes a program here; says why not."""
    try:
        with torch.inference_mode():
            torch.compile(lambda x: x.sin() + 1, fullgraph=True)(torch.ones(8, device=device))
    except Exception as error:
        say(f"torch.compile does not work here ({type(error).__name__}: {str(error).strip().splitlines()[0][:200]}); "
            'engine "compiled" will be CUDA graphs of eager kernels')
        return False
    return True
