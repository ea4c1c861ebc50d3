"""`python -m specdec_course.measure.medusa`: what Medusa's trees bring, beside a chain of the same heads.

Knows: which drafters are compared, at which temperatures. Does not know: how ways are timed (benchmark).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from ..common.whole import write_text
from ..sampling import Sampling
from .benchmark import as_table, own_way, rows_of, timed
from .machine import machine


def drafters_of(target, folder, budgets, temperature: float) -> dict:
    """{name: drafter}: the target alone, a chain of first guesses, the best tree of each budget; with a temperature
    also the chain and the largest tree of certain guesses, not drawn from the heads' laws."""
    from ..drafters.heads import MedusaDrafter, load_heads
    from ..drafters.trees import best_tree

    heads, accuracy = load_heads(folder, target)
    kind = "sampled" if temperature else "greedy"
    chain = [(0,) * depth for depth in range(1, heads.count + 1)]
    shapes = {f"chain of {heads.count}": chain} | {f"tree of {n}": best_tree(accuracy[kind], n) for n in budgets}
    head = target.get_output_embeddings()
    found = {name: MedusaDrafter(heads, head, shape) for name, shape in shapes.items()}
    if temperature:
        for name in (f"chain of {heads.count}", f"tree of {max(budgets)}"):
            found[f"{name}, certain"] = MedusaDrafter(heads, head, shapes[name], drawn=False)
    return {"target alone": None} | found


@click.command()
@click.option("--pair", "name", default="classroom", show_default=True, help="Name or folder of a pair of models.")
@click.option("--heads", "folder", type=click.Path(exists=True, file_okay=False), help="Folder of Medusa heads.")
@click.option("--budget", "budgets", multiple=True, type=int, default=(4, 8, 16, 32), show_default=True)
@click.option("--limit", default=8, show_default=True, help="Prompts: beginnings of held-out articles.")
@click.option("--new-tokens", default=96, show_default=True)
@click.option("--engine", type=click.Choice(["eager", "compiled"]), default="compiled", show_default=True)
@click.option("--repeats", default=1, show_default=True)
@click.option("--note", default="", help="What else is to be known of the machine.")
@click.option("--json", "json_file", required=True, type=click.Path(dir_okay=False), help="Where the figures go.")
def main(name, folder, budgets, limit, new_tokens, engine, repeats, note, json_file):
    """Trees and a chain of Medusa heads in turns, greedy and at temperature 1."""
    from ..corpora import prompts as prompts_of
    from ..drafters import ModelDrafter
    from ..drafters.named import bundled
    from ..models import load_pair

    pair = load_pair(name)
    prompts, rows = prompts_of(pair.tokenizer, limit=limit), []
    for temperature in (0.0, 1.0):
        drafters = drafters_of(pair.target, folder or bundled("medusa", pair), budgets, temperature)
        drafters |= {"draft model, k = 4": ModelDrafter(pair.draft)} if pair.draft else {}
        sampling = Sampling(temperature)
        ways = {one: own_way(pair.target, drafter, 4, sampling, new_tokens, engine)
                for one, drafter in drafters.items()}
        found = rows_of(timed(ways, prompts, repeats, click.echo))
        click.echo(f"T = {temperature:g}\n{as_table(found)}")
        rows += [asdict(row) | {"name": f"T = {temperature:g}: {row.name}"} for row in found]
    options = " ".join(f"--budget {n}" for n in budgets)
    record = {
        "what": "trees and a chain of Medusa heads, and the draft model, against the target alone in the same engine",
        "hardware": machine() + (f"; {note}" if note else ""), "date": time.strftime("%Y-%m-%d"),
        "source": f"{pair.name}, heads of {Path(folder or bundled('medusa', pair)).name}, run in {pair.target.dtype}",
        "command": f"python -m specdec_course.measure.medusa --pair {name} {options} --limit {limit} --new-tokens "
                   f"{new_tokens} --engine {engine} --repeats {repeats} --json {Path(json_file).name}",
        "engine": engine, "rows": rows,
    }  # fmt: skip
    write_text(Path(json_file), json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
