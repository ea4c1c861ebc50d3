"""`make demo`: the course in two minutes. Builds it, grades a small class, decodes with the bundled pair."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

UNIT = "03_greedy_verification"


def run(root: Path) -> None:
    """Prints the grade book of a sample class and a table plain / bigram / draft model."""
    click.secho("1. The course: are the notebooks what their sources say?", bold=True)
    build_course(root)
    click.secho(f"\n2. A small class hands in unit {UNIT}; nbgrader marks it.", bold=True)
    grade_sample_class(root)
    click.secho("\n3. The bundled pair writes, plainly and speculatively.", bold=True)
    decode()


def build_course(root: Path) -> None:
    from .build import build

    changed = build(root)
    click.echo("\n".join(f"wrote {path}" for path in changed) or "every notebook is up to date")


def grade_sample_class(root: Path) -> None:
    from .grading import grade_class
    from .grading.sample_class import write_sample_class

    with tempfile.TemporaryDirectory() as folder:
        submitted = Path(folder) / "submitted"
        write_sample_class(root, submitted, UNIT)
        # These submissions are our own, so running them unboxed is no risk.
        grade_class(submitted, Path(folder) / "gradebook.db", jobs=2, root=root, trust_students=True, show=click.echo)


def decode() -> None:
    from .atlas import atlas_text
    from .benchmark import as_table, compare
    from .corpora import encode, held_out_prompts
    from .drafters import BigramDrafter, ModelDrafter
    from .engine import generate
    from .machine import machine
    from .models import load_pair, vocabulary_size
    from .terminal import coloured

    pair = load_pair("classroom")
    text = encode(atlas_text("train"), pair.tokenizer)
    prompts = held_out_prompts(pair.tokenizer, 4)
    drafters = {
        "plain": None,
        "bigram": BigramDrafter.fit(text, vocabulary_size(pair.target)),
        "draft model": ModelDrafter(pair.draft),
    }
    click.echo(coloured(generate(pair.target, prompts[0], drafters["draft model"], max_new_tokens=96), pair.tokenizer))
    rows = compare(pair.target, prompts, drafters, k=4, max_new_tokens=128, repeats=3)
    click.echo(f"\n{machine()}; greedy, k = 4, {len(prompts)} prompts x 128 tokens, 3 alternating runs, medians")
    click.echo(as_table(rows))
    click.echo("All three wrote the same text." if all(row.same_text for row in rows) else "THE TEXTS DIFFER.")
