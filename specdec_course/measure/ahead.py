"""`python -m specdec_course.measure.ahead`: what drafting while the target checks brings, and what a timeline promises.

Knows: how to run both loops in turns with one budget of threads. Does not know: how anything is drafted ahead
(drafters.ahead), the rules of a timeline (decoding.serving).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from ..common.whole import write_text
from ..decoding.serving import overlap_timeline
from ..drafters.ahead import AheadDrafter
from ..drafters.model import ModelDrafter
from ..sampling import Sampling
from .benchmark import as_table, own_way, rows_of, timed
from .machine import machine
from .prediction import Costs, measure_costs
from .threads import cores, torch_threads

BEHIND, AHEAD = "one after the other", "ahead"


class Noting(AheadDrafter):
    """An AheadDrafter that notes of every draft but a text's first whether it had been written ahead."""

    def __init__(self, model, threads=None):
        self.verdicts = []
        super().__init__(model, threads)

    def begin(self, *how):
        super().begin(*how)
        self.first = True

    def propose(self, ids, k, sampling, dice):
        before = self.won
        draft = super().propose(ids, k, sampling, dice)
        self.verdicts += [] if self.first else [self.won > before]
        self.first = False
        return draft


def halves(threads: int) -> tuple[int, int]:
    """(of the target, of the draft): what each has of a budget of threads; one at least, also where there is only one
    for both."""
    return max(1, threads - threads // 2), max(1, threads // 2)


def promised(behind: Costs, target: Costs, draft: Costs, k: int, verdicts) -> float:
    """How many times as fast drafting ahead should be, if neither side slowed the other down: rounds one after the
    other, with the times `behind`, over the timeline with the times of each side alone, with its share of the threads.
    verdicts: for every round, whether the next draft had been written ahead."""
    return len(verdicts) * behind.round(k) / overlap_timeline(draft.drafting(k), target.checking(k), verdicts)[1]


def compared(target, draft, prompts, k, threads, new_tokens, repeats, sampling=Sampling(), say=lambda line: None):
    """(rows of both loops, a dictionary of what the timeline promises)."""
    own, theirs = halves(threads)
    drafter, costs = Noting(draft, theirs), {}

    def within(n, way):
        def run(prompt, seed):
            with torch_threads(n):
                return way(prompt, seed)

        return run

    def way(one):
        return own_way(target, one, k, sampling, new_tokens)

    ways = {BEHIND: within(threads, way(ModelDrafter(draft))), AHEAD: within(own, way(drafter))}
    runs = timed(ways, prompts, repeats, say)
    text = runs[BEHIND][0].tokens
    for n in {threads, own, theirs}:
        with torch_threads(n):
            costs[n] = measure_costs(target, ModelDrafter(draft), text, len(prompts[0]), sampling, repeats=16)
    return rows_of(runs), {
        "k": k, "threads": threads, "target_threads": own, "draft_threads": theirs,
        "drafting_ms": 1000 * costs[theirs].drafting(k), "checking_ms": 1000 * costs[own].checking(k),
        "kept": sum(drafter.verdicts) / max(1, len(drafter.verdicts)),
        "promised": promised(costs[threads], costs[own], costs[theirs], k, drafter.verdicts),
    }  # fmt: skip


@click.command()
@click.option("--pair", "name", default="classroom", show_default=True, help="Name or folder of a pair of models.")
@click.option("--k", default=4, show_default=True, type=click.IntRange(min=1), help="Tokens drafted per round.")
@click.option("--threads", type=click.IntRange(min=1), help="In all; default: as many as there are cores. Each side "
              "gets half when both work at once.")  # fmt: skip
@click.option("--temperature", default=0.0, show_default=True)
@click.option("--limit", default=8, show_default=True, type=click.IntRange(min=1), help="Prompts.")
@click.option("--new-tokens", default=96, show_default=True, type=click.IntRange(min=16))
@click.option("--repeats", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--note", default="", help="What else is to be known of the machine.")
@click.option("--json", "json_file", required=True, type=click.Path(dir_okay=False), help="Where the figures go.")
def main(name, k, threads, temperature, limit, new_tokens, repeats, note, json_file):
    """Drafting while the target checks, beside one after the other: with the draft model, and with the target as its
    own draft, which is always right and as slow as the check: nobody could gain more."""
    from ..corpora import prompts as prompts_of
    from ..models import load_pair

    try:
        pair, threads, sampling = load_pair(name), threads or cores(), Sampling(temperature)
        if pair.draft is None:
            raise ValueError(f"the pair {name} has no draft model; expected one with two models")
        prompts = prompts_of(pair.tokenizer, limit=limit)
        rows, timeline = [], []
        for kind, draft, length in (("draft model", pair.draft, k), ("the target as its own draft", pair.target, 1)):
            found, told = compared(pair.target, draft, prompts, length, threads, new_tokens, repeats, sampling,
                                   click.echo)  # fmt: skip
            click.echo(f"{kind}, k = {length}\n{as_table(found)}")
            click.echo(f"{told['kept']:.0%} of the drafts had been written ahead; drafting {told['drafting_ms']:.1f} "
                       f"ms, checking {told['checking_ms']:.1f} ms; the timeline promises {told['promised']:.2f}x\n")
            rows += [asdict(row) | {"name": f"{kind}, k = {length}: {row.name}"} for row in found]
            timeline.append({"name": f"{kind}, k = {length}", "measured": found[1].speedup} | told)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    record = {
        "what": "drafting while the target checks, beside one after the other, with one budget of threads",
        "hardware": f"{machine()}; {threads} of torch's threads in all, on {cores()} of the cores"
                    + (f"; {note}" if note else ""),
        "date": time.strftime("%Y-%m-%d"), "source": f"{pair.name} in {pair.target.dtype}, eager",
        "command": f"python -m specdec_course.measure.ahead --pair {name} --k {k} --threads {threads} --temperature "
                   f"{temperature:g} --limit {limit} --new-tokens {new_tokens} --repeats {repeats} --json "
                   f"{Path(json_file).name}",
        "temperature": temperature, "rows": rows, "timeline": timeline,
    }  # fmt: skip
    write_text(Path(json_file), json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
