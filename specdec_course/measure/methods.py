"""`specdec bench --methods`: ways to decode faster that are often quoted side by side, measured side by side.

Knows: what each way is compared by: the wait of one reader, the tokens of the whole machine, what becomes of the text.
Does not know: how ways are timed in turns (benchmark), how any of them works.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from ..cache.chosen import batch_of
from ..corpora import load_corpus
from ..corpora import prompts as prompts_of
from ..decoding.batch import generate_batch
from ..decoding.engine import Output
from ..drafters import drafter_of
from ..drafters.named import named_drafter
from ..models import as_forward
from ..models.trimmed import reads
from ..sampling import Sampling
from .benchmark import own_way, paired_ratio, speed, timed
from .machine import machine

LENGTHS = (1, 2, 3, 4, 6, 8)  # draft lengths among which the best is looked for
WINDOWS, WINDOW = 8, 1000  # of held-out text, on which a loss is measured: so many, of so many tokens
ALONE = "target alone"


class Served(NamedTuple):
    """A group of texts, written one after the other or side by side: an Output of each, and the seconds of them all."""

    outputs: list[Output]
    seconds: float


class Way(NamedTuple):
    """A way to write a group of texts: `serve` (prompts, seed) -> Served; whether it is `lossless`; in a few words,
    where it `fits`."""

    serve: Callable[[list, int], Served]
    lossless: bool
    fits: str


class Loss(NamedTuple):
    """What becomes of a text that another model writes. nats: how many more per token this one pays for held-out text;
    same_tokens: the share of places in the target's own texts where its likeliest token is the target's."""

    nats: float
    same_tokens: float


@dataclass(frozen=True)
class Row:
    """One way. reader: of one text from its first step to its last; machine: of all texts of a group, together. Each
    has the `median` of tokens per second, `slowest` and `fastest` of the runs, and `speedup`, the median of the paired
    ratios to the first way. Of `texts` texts, `same` equal those of the first way; `loss`: of another model."""

    name: str
    reader: dict
    machine: dict
    texts: int
    same: int
    lossless: bool
    loss: Loss | None
    fits: str


def one_by_one(way) -> Callable[[list, int], Served]:
    """A function (prompt, seed) -> Output for a group of prompts, one after the other."""

    def serve(prompts, seed):
        began = time.perf_counter()
        outputs = [way(prompt, seed + i) for i, prompt in enumerate(prompts)]
        return Served(outputs, time.perf_counter() - began)

    return serve


def side_by_side(target, draft, k, sampling, max_new_tokens) -> Callable[[list, int], Served]:
    """The same for a static batch, with a draft model or without: all begin together, and no other text joins them."""

    def serve(prompts, seed):
        began = time.perf_counter()
        outputs = generate_batch(target, prompts, draft, k, sampling, max_new_tokens, None, seed, len(prompts))
        return Served(list(outputs), time.perf_counter() - began)

    return serve


def ways_of(pair, k: int | None, batch: int, sampling, max_new_tokens, engine, heads=None) -> tuple[dict, dict]:
    """({name: Way}, {name: why it is left out}); the target alone is first. k: the draft length, None without a draft.

    A batch is decoded in the eager engine: in another there is none, since it would be compared with what it is not.
    """
    target, draft, left_out = pair.target, pair.draft, {}

    def own(model, drafter, k=0):
        return one_by_one(own_way(model, drafter, k, sampling, max_new_tokens, engine))

    ways = {ALONE: Way(own(target, None), True, "what the others are measured by")}
    if draft is None:
        left_out["draft model"] = left_out["draft model alone"] = f"{pair.name} has no draft model"
    else:
        fits = "one reader or a few; a draft that is good and cheap"
        ways[f"draft model, k = {k}"] = Way(own(target, drafter_of(draft), k), True, fits)
    try:
        medusa = named_drafter("medusa", pair, heads=heads)
        ways["Medusa heads"] = Way(own(target, medusa, 4), True, "the same, where heads can be trained")
    except ValueError as error:
        left_out["Medusa heads"] = str(error)
    if draft is not None and (fault := cannot_write(draft)):
        left_out["draft model alone"] = fault
    elif draft is not None:
        ways["draft model alone"] = Way(own(draft, None), False, "where another text will do")
    reason = None if engine == "eager" else 'texts run side by side in the eager engine: --engine eager'
    try:
        reason or batch_of(target, batch)
    except ValueError as error:
        reason = str(error)
    if reason:
        left_out[f"batch of {batch}"] = reason
        return ways, left_out
    ways[f"batch of {batch}"] = Way(side_by_side(target, None, 0, sampling, max_new_tokens), True,
                                    "many readers, none in a hurry")  # fmt: skip
    if draft is not None and not cannot_write(draft):
        ways[f"batch of {batch}, draft model, k = {k}"] = Way(
            side_by_side(target, draft, k, sampling, max_new_tokens), True, "a few readers at once")
    return ways, left_out


def cannot_write(model) -> str | None:
    """Why a draft model writes no text alone, or None."""
    if reads(model.config):
        return "this draft reads its target's states, so it writes nothing alone"
    if getattr(model.config, "is_encoder_decoder", False):
        return "what an encoder-decoder loses is not measured"
    return None


def best_length(target, drafter, prompts, sampling, max_new_tokens, engine) -> int:
    """The fastest of LENGTHS, in a run of its own over these prompts."""
    runs = timed({k: own_way(target, drafter, k, sampling, max_new_tokens, engine) for k in LENGTHS}, prompts, 1)
    return max(runs, key=lambda k: paired_ratio(runs[k], runs[LENGTHS[0]]))


def loss_of(model, target, held_out, outputs) -> Loss:
    """What is lost if `model` writes in place of the target.

    Args:
        held_out: LongTensor [n, T], windows of text that neither was trained on. outputs: texts of the target, as
            Outputs.
    """
    paid = [_nats(as_forward(model)(row), row) - _nats(as_forward(target)(row), row) for row in held_out]
    same = []
    for out in outputs:
        theirs, own = (as_forward(one)(out.tokens).argmax(-1) for one in (model, target))
        same.append((theirs == own)[out.trace.prompt_length - 1 : -1])
    return Loss(float(torch.cat(paid).mean()), float(torch.cat(same).float().mean()))


def _nats(logits, row) -> torch.Tensor:
    """What each token of `row` LongTensor [T], but the first, costs: FloatTensor [T - 1]."""
    return torch.nn.functional.cross_entropy(logits[:-1], row[1:], reduction="none")


def windows_of(ids, *models) -> torch.Tensor:
    """LongTensor [n, T]: the first WINDOWS pieces of a text, as long as all models can read them. ValueError for a text
    that is shorter than one."""
    limits = [getattr(model.config.get_text_config(), "max_position_embeddings", None) for model in models]
    length = min(WINDOW, *(limit or WINDOW for limit in limits))
    if len(ids) < length:
        raise ValueError(f"the held-out text has {len(ids)} tokens; expected {length} at least: name a longer one with "
                         "--corpus")
    return ids[: min(WINDOWS, len(ids) // length) * length].view(-1, length)


def rows_of(ways: dict, runs: dict, losses: dict) -> list[Row]:
    """A Row of each way, from {name: list of Served}, the first of which is the baseline; losses: {name: Loss}."""
    base = next(iter(runs.values()))
    texts = [out for served in base for out in served.outputs]
    rows = []
    for name, served in runs.items():
        own = [out for one in served for out in one.outputs]
        same = sum(torch.equal(a.tokens, b.tokens) for a, b in zip(own, texts, strict=True))
        reader = spread(list(map(speed, own)), list(map(speed, texts)))
        whole = spread(list(map(throughput, served)), list(map(throughput, base)))
        rows.append(Row(name, reader, whole, len(own), same, ways[name].lossless, losses.get(name), ways[name].fits))
    return rows


def throughput(served: Served) -> float:
    """Tokens per second of the machine: of all texts, together."""
    return sum(len(out.tokens) - out.trace.prompt_length for out in served.outputs) / served.seconds


def spread(values, baseline) -> dict:
    """{median, slowest, fastest, speedup}: the speed-up is the median of the ratios, place by place."""
    ratios = [value / base for value, base in zip(values, baseline, strict=True)]
    return {"median": statistics.median(values), "slowest": min(values), "fastest": max(values),
            "speedup": statistics.median(ratios)}  # fmt: skip


def lost(row: dict, temperature: float) -> str:
    """What a way loses, in a few words. row: a Row as a dictionary."""
    if row["loss"]:
        nats, same = row["loss"]["nats"], row["loss"]["same_tokens"]
        return f"{nats:.2f} nats a token; {same:.0%} the same"
    if temperature:
        return "nothing: the same law" if row["lossless"] else "another law"
    if row["same"] == row["texts"]:
        return "nothing: same text"
    return f"{row['texts'] - row['same']} of {row['texts']} texts DIFFER"


def as_table(rows: list[dict], temperature: float) -> str:
    """The rows, as dictionaries, in two blocks: speeds, and what they cost."""
    width = 2 + max(len(row["name"]) for row in rows)
    lines = [f"{'':{width}}{'one reader':>34}{'the machine':>34}",
             f"{'':{width}}" + 2 * f"{'tokens/s':>10}{'range':>14}{'speed-up':>10}"]  # fmt: skip
    for row in rows:
        cells = [f"{one['median']:>10.1f}{one['slowest']:>8.0f}-{one['fastest']:<5.0f}{one['speedup']:>9.2f}x"
                 for one in (row["reader"], row["machine"])]  # fmt: skip
        lines.append(f"{row['name']:{width}}" + "".join(cells))
    said = [lost(row, temperature) for row in rows]
    second = 2 + max(map(len, said))
    lines += ["", f"{'':{width}}{'what is lost':{second}}where it fits"]
    lines += [f"{row['name']:{width}}{words:{second}}{row['fits']}" for row, words in zip(rows, said, strict=True)]
    return "\n".join(lines)


def methods(pair, named, k, prompts_file, limit, corpus, max_new_tokens, temperature, repeats, engine, batch, say,
            heads=None, note="") -> dict:  # fmt: skip
    """Measures, prints through `say` and returns the figures as plain dictionaries. k: None looks for the best one.
    named: {option of the command: its value}, which models and prompts these are."""
    sampling, chosen = Sampling(temperature), k
    prompts = prompts_of(pair.tokenizer, file=prompts_file, limit=limit)
    groups = [prompts[i : i + batch] for i in range(0, len(prompts) - batch + 1, batch)]
    if not groups:
        raise ValueError(f"a batch of {batch} texts and {len(prompts)} prompts; give more (--limit), or a smaller "
                         "--batch")
    hardware = machine() + (f"; {note}" if note else "")
    say(f"{hardware}; pair {pair.name} in {pair.target.dtype}, T = {temperature:g}, {len(groups) * batch} prompts x "
        f"{max_new_tokens} tokens, {repeats} alternating runs, medians; engine {engine}")
    if len(groups) * batch < len(prompts):
        say(f"{len(prompts) - len(groups) * batch} prompts are left out: they fill no batch of {batch}")
    if pair.draft is not None and k is None:
        k = best_length(pair.target, drafter_of(pair.draft), groups[0], sampling, max_new_tokens, engine)
        say(f"the draft model's best k here is {k}, of {', '.join(map(str, LENGTHS))}")
    ways, left_out = ways_of(pair, k, batch, sampling, max_new_tokens, engine, heads)
    for name, reason in left_out.items():
        say(f"left out: {name} ({reason})")
    losses, written = {}, "draft model alone" in ways
    if written:
        ids = load_corpus(corpus, pair.tokenizer, "test", say=lambda line: say(f"what is lost is measured on {line}"))
        held_out = windows_of(ids, pair.target, pair.draft)
    runs = timed({name: way.serve for name, way in ways.items()}, groups, repeats, lambda line: say(f"  {line}"))
    if written:
        texts = [out for served in runs[ALONE][: len(groups)] for out in served.outputs]
        losses["draft model alone"] = loss_of(pair.draft, pair.target, held_out, texts)
    rows = [asdict(row) | {"loss": row.loss and row.loss._asdict()} for row in rows_of(ways, runs, losses)]
    say(as_table(rows, temperature))
    options = " ".join(f"--{option} {Path(x).name if Path(x).exists() else x}" for option, x in named.items())
    asked = f"--k {chosen} " if chosen else ""
    return {
        "what": "ways to decode faster: what one reader gains, what the machine gains, what becomes of the text",
        "hardware": hardware, "source": "measured by `specdec bench --methods`",
        "command": f"specdec bench --methods {options} {asked}--limit {len(prompts)} --batch {batch} --max-new-tokens "
                   f"{max_new_tokens} --temperature {temperature:g} --repeats {repeats} --engine {engine} --json FILE",
        "pair": pair.name, "dtype": str(pair.target.dtype), "engine": engine, "k": k, "batch": batch,
        "temperature": temperature, "prompts": len(groups) * batch, "max_new_tokens": max_new_tokens,
        "repeats": repeats, "date": time.strftime("%Y-%m-%d"), "rows": rows, "left_out": left_out,
    }  # fmt: skip
