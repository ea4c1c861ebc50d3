"""`python -m specdec_course.measure.batches`: what speculation brings many texts at once, as measured and as computed.

Knows: how a round of a batch is timed, part by part and as a whole. Does not know: the loop (decoding.batch), the
formulas (decoding.serving).
"""

from __future__ import annotations

import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import torch

from ..cache.chosen import batch_of
from ..common.whole import write_text
from ..decoding.batch import Text, forget, generate_batch, play_round
from ..decoding.serving import batch_throughput
from ..drafters.batch import BatchDrafter, read_prompts
from ..drafters.draft import Draft
from ..sampling import Dice, Sampling
from ..theory import estimate_alpha
from .machine import machine

TOGETHER = 4  # rounds of a kind that are played one after the other
AT_WORK = 2  # rounds behind a prompt that are left out of what is measured: the draft model reads it there


def at_work(outputs, rows: int) -> tuple[float, float]:
    """(tokens per second, seconds of a round) of a batch while all its rows are filled: prompts that are read and rows
    that stay empty at the end are left out. Outputs of one call or, in a list, of several."""
    emitted, seconds, rounds = 0, 0.0, 0
    for one in [outputs] if hasattr(outputs, "passes") else outputs:
        since = 0
        for call in one.passes:
            since = since + 1 if call.emitted else 0
            if call.rows == rows and since >= AT_WORK:
                emitted, seconds, rounds = emitted + call.emitted, seconds + call.seconds, rounds + 1
    if not rounds:
        raise ValueError(f"no round of {rows} texts was played in full; give more prompts, or a longer budget")
    return emitted / seconds, seconds / rounds


def alpha_of(outputs) -> float:
    """The chance that a drafted token is accepted, from rounds that no end of a text has cut."""
    judged = [r for out in outputs for r in out.trace.rounds if r.emitted > r.accepted]
    return estimate_alpha([r.accepted for r in judged], [r.drafted for r in judged])


class Parts(NamedTuple):
    """Seconds of the parts of a round, medians: `plain`, the target's pass over one token of each text; `check`, over
    k + 1 of each; `draft`, a step of the draft model. With all that the host does beside them."""

    plain: float
    check: float
    draft: float


def seconds_of_parts(target, draft, texts, k: int, repeats: int = 4, sampling=Sampling()) -> Parts:
    """Times rounds of these texts (LongTensor [T] each, T >= 2), with and without a draft of k >= 1 tokens, by turns.

    Rounds of a kind are played several together, as they are in a call: a pass finds its weights in the processor's
    caches if the pass before it was the same. The drafts that the target checks are random: a pass takes as long
    whatever becomes of them.
    """
    draw, dice = torch.Generator().manual_seed(0), torch.Generator(device=target.device).manual_seed(0)
    size = target.config.get_text_config().vocab_size
    own = [Text(one.tolist(), len(one) + 10**9, Dice(dice), row) for row, one in enumerate(texts)]
    cached, drafter = batch_of(target, len(own)), BatchDrafter(draft, len(own), size)
    read_prompts(cached, own)
    seconds = {"plain": [], "check": [], "draft": []}

    def clock(name, call, turn):
        began = time.perf_counter()
        call()
        if turn:  # the first of several is not timed
            seconds[name].append(time.perf_counter() - began)

    def play(length):
        drafts = [Draft(torch.randint(size, (length,), generator=draw), None) for _ in own]
        play_round(cached, own, drafts, Sampling(), lambda ids, tokens: (tokens, False))
        forget(cached, own)

    for _ in range(repeats):
        for turn in range(TOGETHER):
            clock("plain", partial(play, 0), turn)
        for turn in range(TOGETHER):
            clock("draft", partial(drafter.propose, own, [k] * len(own), sampling), turn)
            clock("check", partial(play, k), turn)
            forget(drafter.cached, own)
    plain, check, drafting = (statistics.median(seconds[name]) for name in ("plain", "check", "draft"))
    return Parts(plain, check, drafting / k)


def profile_of(parts: dict[int, Parts], k: int) -> dict[int, float]:
    """{tokens in a pass: seconds} of {texts: Parts}: passes over one token of each text, and over k + 1 of each."""
    found = {batch * (k + 1): one.check for batch, one in parts.items()}
    return dict(sorted({**found, **{batch: one.plain for batch, one in parts.items()}}.items()))


def as_table(rows: list[dict]) -> str:
    """A line for each batch: tokens per second, computed and measured."""
    lines = [f"{'texts':>5} {'k':>3} {'computed':>9} {'measured':>9} {'measured/computed':>18} {'speed-up':>9}"]
    return "\n".join(lines + [
        f"{row['batch']:5} {row['k']:3} {row['computed']:9.0f} {row['measured']:9.0f} "
        f"{row['measured'] / row['computed']:18.2f} {row['speedup']:8.2f}x" for row in rows])  # fmt: skip


def measured_rows(target, draft, prompts, batches, k: int, new_tokens: int, repeats: int, sampling=Sampling(),
                  say=lambda line: None) -> tuple[list[dict], dict]:
    """(rows, what they were computed with): for each batch a row with and one without a draft.

    Parts of a round and whole calls are timed by turns, `repeats` times, and medians are taken. Every call has twice as
    many prompts as rows, at least, taken from `prompts` again and again.
    """
    found, calls, parts = {}, {}, {}
    for turn in range(repeats):
        for batch in batches:
            some = [prompts[i % len(prompts)] for i in range(max(2 * batch, 4))]
            for length in (0, k):
                outs = generate_batch(target, some, draft if length else None, k, sampling, new_tokens, None,
                                      list(range(len(some))), batch)  # fmt: skip
                calls.setdefault((batch, length), []).append(outs)
                found.setdefault((batch, length), []).append(at_work(outs, batch)[0])
            middle = [out.tokens[: -(new_tokens // 2)] for out in outs[:batch]]
            parts.setdefault(batch, []).append(seconds_of_parts(target, draft, middle, k, sampling=sampling))
            say(f"turn {turn + 1} of {repeats}, {batch} texts: "
                + ", ".join(f"{found[batch, n][-1]:.0f} tokens/s with k = {n}" for n in (0, k)))
    parts = {batch: Parts(*map(statistics.median, zip(*some, strict=True))) for batch, some in parts.items()}
    profile, alpha = profile_of(parts, k), alpha_of([out for n in batches for outs in calls[n, k] for out in outs])
    costs = {batch: one.draft / one.plain for batch, one in parts.items()}
    rows = []
    for batch in batches:
        for length in (0, k):
            measured = statistics.median(found[batch, length])
            rows.append({
                "batch": batch, "k": length, "computed": batch_throughput(batch, alpha, length, profile, costs[batch]),
                "measured": measured, "slowest": min(found[batch, length]), "fastest": max(found[batch, length]),
                "speedup": measured / statistics.median(found[batch, 0]),
            })  # fmt: skip
    return rows, {"alpha": alpha, "seconds": profile, "draft_step_in_passes": costs}


@click.command()
@click.option("--pair", "name", default="classroom", show_default=True, help="Name or folder of a pair of models.")
@click.option("--batch", "batches", multiple=True, type=click.IntRange(min=1), default=(1, 2, 4, 8), show_default=True)
@click.option("--k", default=4, show_default=True, type=click.IntRange(min=1), help="Tokens drafted per text.")
@click.option("--temperature", default=0.0, show_default=True)
@click.option("--limit", default=16, show_default=True, type=click.IntRange(min=1), help="Prompts.")
@click.option("--new-tokens", default=96, show_default=True, type=click.IntRange(min=16))
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--note", default="", help="What else is to be known of the machine.")
@click.option("--json", "json_file", required=True, type=click.Path(dir_okay=False), help="Where the figures go.")
def main(name, batches, k, temperature, limit, new_tokens, repeats, note, json_file):
    """Many texts at once, with the draft model and without: tokens per second as measured and as computed."""
    from ..corpora import prompts as prompts_of
    from ..models import load_pair

    try:
        pair = load_pair(name)
        if pair.draft is None:
            raise ValueError(f"the pair {name} has no draft model; expected one with two models")
        prompts = prompts_of(pair.tokenizer, limit=limit)
        rows, used = measured_rows(pair.target, pair.draft, prompts, sorted(set(batches)), k, new_tokens, repeats,
                                   Sampling(temperature), click.echo)  # fmt: skip
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(as_table(rows))
    options = " ".join(f"--batch {n}" for n in batches)
    record = {
        "what": "many texts side by side, with a draft model and without: tokens per second while all rows are filled",
        "hardware": machine() + (f"; {note}" if note else ""), "date": time.strftime("%Y-%m-%d"),
        "source": f"{pair.name} in {pair.target.dtype}, eager",
        "command": f"python -m specdec_course.measure.batches --pair {name} {options} --k {k} --temperature "
                   f"{temperature:g} --limit {limit} --new-tokens {new_tokens} --repeats {repeats} --json "
                   f"{Path(json_file).name}",
        "temperature": temperature, **used, "batches": rows,
    }  # fmt: skip
    write_text(Path(json_file), json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
