"""`python -m specdec_course.measure.ranking`: all drafters side by side, place by place, by tokens per call, by the
clock, and by what a draft costs.

Knows: which drafters are compared, how often the token at each place of a draft is accepted, what a draft and the pass
over it take. Does not know: how ways are timed (benchmark).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import click

from ..common.whole import write_text
from ..sampling import Sampling
from .benchmark import as_table, compile_widths, own_way, rows_of, timed
from .machine import machine
from .prediction import measure_costs

CHAINS = ("draft model", "EAGLE", "GLIDE", "parallel")  # trees and look-ups have no fixed places
BUNDLED = {"EAGLE": "eagle", "GLIDE": "glide", "parallel": "parallel", "Medusa tree": "medusa",
           "GLIDE with CaPE": "cape"}  # fmt: skip
UNTRAINED = ("lookup", "suffix", "combined", "trusted", "bigram")


def drafters_of(pair, corpus: str, say, chosen=()) -> dict:
    """{name: drafter} of the chosen ones, or of all that guess for this pair: its draft, what is bundled, what needs no
    training. Several that are asked in turn have a name, too, such as trusted+eagle. ValueError for one that is not
    there. Beside them the target alone, None."""
    from ..drafters.named import bundled, named_drafter

    there = {"draft model": "model"} if pair.draft is not None else {}
    there |= {words: name for words, name in BUNDLED.items() if bundled("glide" if name == "cape" else name, pair)}
    there |= {name: name for name in UNTRAINED}
    for one in chosen:
        if one not in there and "+" not in one:
            raise ValueError(f"no drafter is called {one!r}; there are {', '.join(there)}")
    names = {one: there.get(one, one) for one in chosen or there}
    return {"target alone": None} | {one: named_drafter(name, pair, corpus, say=say) for one, name in names.items()}


def by_place(rounds, k: int) -> list[float | None]:
    """Of the drafts that were k tokens long: how often the token at each place was accepted, if those before it were;
    None where none got so far."""
    whole = [one for one in rounds if one.drafted == k]
    reached = [[one for one in whole if one.accepted >= place] for place in range(k)]
    return [sum(one.accepted > place for one in some) / len(some) if some else None
            for place, some in enumerate(reached)]  # fmt: skip


def in_steps(costs, k: int) -> tuple[float, float] | None:
    """(a draft of k tokens, the pass that checks it) in the middle of a text, in steps of the target alone; None: the
    drafter had none so long."""
    if max(costs.draft, default=0) < k:
        return None
    return costs.drafting(k) / costs.plain, costs.checking(k) / costs.plain


def ways_of(drafters: dict, ks) -> dict[str, tuple]:
    """{name: (drafter, k)}: the target alone, each drafter with each draft length. Of several the name says which."""
    found = {}
    for name, drafter in drafters.items():
        for k in ks if drafter is not None else ks[:1]:
            found[f"{name}, k = {k}" if drafter is not None and len(ks) > 1 else name] = drafter, k
    return found


@click.command()
@click.option("--pair", "name", default="classroom", show_default=True, help="Name or folder of a pair of models.")
@click.option("--draft", type=click.Path(exists=True, file_okay=False), help="Another draft for its target.")
@click.option("--corpus", default="atlas", show_default=True, help="What the tables are counted on.")
@click.option("--prompts", "prompts_file", type=click.Path(exists=True, dir_okay=False), help="File of prompts.")
@click.option("--k", "ks", multiple=True, type=click.IntRange(1), default=(4,), show_default=True)
@click.option("--drafter", "chosen", multiple=True,
              help="Of all drafters this one, by its name in the table; or several in turn, as trusted+eagle.")
@click.option("--temperature", "temperatures", multiple=True, type=click.FloatRange(0), default=(0.0, 1.0),
              show_default=True)  # fmt: skip
@click.option("--limit", default=8, show_default=True, help="Prompts.")
@click.option("--new-tokens", default=96, show_default=True)
@click.option("--engine", type=click.Choice(["eager", "compiled"]), default="compiled", show_default=True)
@click.option("--repeats", default=1, show_default=True)
@click.option("--note", default="", help="What else is to be known of the machine.")
@click.option("--json", "json_file", required=True, type=click.Path(dir_okay=False), help="Where the figures go.")
def main(name, draft, corpus, prompts_file, ks, chosen, temperatures, limit, new_tokens, engine, repeats, note,
         json_file):  # fmt: skip
    """The drafters of a pair by turns, greedy and at temperature 1."""
    from ..corpora import prompts as prompts_of
    from ..models import load_pair
    from ..models.loading import load_draft

    pair = load_pair(name)
    pair = replace(pair, draft=load_draft(draft, pair.target)) if draft else pair
    prompts, rows = prompts_of(pair.tokenizer, file=prompts_file, limit=limit), []
    try:
        drafters = drafters_of(pair, corpus, click.echo, chosen)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    compile_widths(pair.target, prompts, max(ks), new_tokens, engine)
    for temperature in temperatures:
        sampling, compared = Sampling(temperature), ways_of(drafters, ks)
        ways = {one: own_way(pair.target, drafter, k, sampling, new_tokens, engine)
                for one, (drafter, k) in compared.items()}  # fmt: skip
        runs = timed(ways, prompts, repeats, click.echo)
        found = rows_of(runs)
        text = runs["target alone"][0].tokens
        costs = {one: measure_costs(pair.target, drafters[one], text, len(prompts[0]), sampling, engine)
                 for one in CHAINS if one in drafters}  # fmt: skip
        click.echo(f"T = {temperature:g}\n{as_table(found)}")
        for row in found:
            k, kind = compared[row.name][1], row.name.split(", k =")[0]
            rounds = [one for out in runs[row.name] for one in out.trace.rounds]
            takes = in_steps(costs[kind], k) if kind in CHAINS else None
            if takes:
                click.echo(f"{row.name}: a draft takes {takes[0]:.2f} steps, the pass over it {takes[1]:.2f}")
            rows.append(asdict(row) | {
                "name": f"T = {temperature:g}: {row.name}",
                "accepted_by_place": by_place(rounds, k) if kind in CHAINS else None,
                "draft_in_steps": takes and takes[0], "pass_in_steps": takes and takes[1],
            })  # fmt: skip
    given = {"--draft": draft and Path(draft).name, "--prompts": prompts_file and Path(prompts_file).name}
    options = "".join(f" {option} {value}" for option, value in given.items() if value)
    options += "".join(f' --drafter "{one}"' for one in chosen)
    options += "".join(f" --temperature {one:g}" for one in temperatures) if temperatures != (0.0, 1.0) else ""
    record = {
        "what": "all drafters of a pair against its target alone in the same engine",
        "hardware": machine() + (f"; {note}" if note else ""), "date": time.strftime("%Y-%m-%d"),
        "source": f"{pair.name} in {pair.target.dtype}, tables counted on {Path(corpus).name}",
        "command": f"python -m specdec_course.measure.ranking --pair {name}{options} --corpus {Path(corpus).name} "
                   f"{' '.join(f'--k {k}' for k in ks)} --limit {limit} --new-tokens {new_tokens} --engine {engine} "
                   f"--repeats {repeats} --json {Path(json_file).name}",
        "engine": engine, "k": ks[0] if len(ks) == 1 else list(ks), "rows": rows,
    }  # fmt: skip
    write_text(Path(json_file), json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
