"""`make demo`: the course in a minute. Builds it, grades a small class, decodes with the bundled pair."""

from __future__ import annotations

from pathlib import Path

import click

UNIT = "03_greedy_verification"


def run(root: Path) -> None:
    """Prints the grade book of a sample class and a table plain / bigram / draft model."""
    click.secho("1. The course: are the notebooks what their sources say?", bold=True)
    build_course(root)
    click.secho(f"\n2. A small class hands in unit {UNIT} and is marked.", bold=True)
    grade_sample_class(root, root / "demo")
    click.secho("\n3. The bundled pair writes, plainly and speculatively.", bold=True)
    decode()


def build_course(root: Path) -> None:
    from ..build import build

    changed = build(root)
    click.echo("\n".join(f"wrote {path}" for path in changed) or "every notebook is up to date")


def grade_sample_class(root: Path, folder: Path) -> None:
    """Submissions, grade book and pages stay in `folder`, to be looked at."""
    from ..grading import grade_class
    from ..grading.nbgrader import stock
    from ..grading.sample_class import write_sample_class

    write_sample_class(root, folder / "submitted", UNIT)
    what = {"root": root, "jobs": 2, "feedback": folder / "feedback", "show": click.echo}
    level = isolation_level()
    click.echo(f"isolation: {level}")
    if level == "full":
        grade_class(folder / "submitted", folder / "gradebook.db", regrade=True, level="full", **what)
        return
    click.echo("Students' code cannot be shut in here (specdec doctor --grading says why): stock nbgrader runs it.")
    # These submissions are our own, so that is no risk.
    stock.grade_class(folder / "submitted", folder / "gradebook.db", trust_students=True, **what)


def isolation_level() -> str:
    from ..grading.isolation.probes import isolation

    return isolation()[0]


def decode() -> None:
    from ..corpora import encode, held_out_prompts
    from ..corpora.atlas import atlas_text
    from ..decoding.engine import generate
    from ..drafters import BigramDrafter, ModelDrafter
    from ..measure.benchmark import as_table, compare
    from ..measure.machine import machine
    from ..measure.threads import choose_threads
    from ..models import load_pair, vocabulary_size
    from .terminal import coloured, show

    pair = load_pair("classroom")
    choose_threads(pair.target, say=click.echo)
    text = encode(atlas_text("train"), pair.tokenizer)
    prompts = held_out_prompts(pair.tokenizer, 4)
    drafters = {
        "plain": None,
        "bigram": BigramDrafter.fit(text, vocabulary_size(pair.target)),
        "draft model": ModelDrafter(pair.draft),
    }
    show(coloured(generate(pair.target, prompts[0], drafters["draft model"], max_new_tokens=96), pair.tokenizer))
    rows = compare(pair.target, prompts, drafters, k=4, max_new_tokens=128, repeats=3)
    click.echo(f"\n{machine()}; greedy, k = 4, {len(prompts)} prompts x 128 tokens, 3 alternating runs, medians")
    click.echo(as_table(rows))
    click.echo("All three wrote the same text." if all(row.same_text for row in rows) else "THE TEXTS DIFFER.")
