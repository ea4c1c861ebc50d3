"""The commands that train: the bundled models, and drafts for any target. Know the words of the command line only."""

from __future__ import annotations

import click

from .group import main


@main.group()
def train():
    """Train the bundled models, or a draft of one kind or another for any target."""


SEED_OPTION = click.option("--seed", default=0, show_default=True)
DEVICE_OPTION = click.option("--device", help="cuda or cpu; default: CUDA if there is one.")
LOSS_OPTION = click.option(
    "--loss", default="forward_kl", show_default=True, help="forward_kl, reverse_kl, tv or cross_entropy."
)


def learns_from_its_target(whose: str, out: str, passes: int, rate: str):
    """The options of whatever learns from texts that its target writes. whose: what `--target` is to it; out: where it
    goes by default; passes, rate: the defaults, to be shown."""
    options = [
        click.option("--minutes", type=click.FloatRange(min=0, min_open=True),
                     help="Of learning, at most (the texts are written before); default: all texts several times."),
        click.option("--passes", type=int, help=f"How often each text is read; default: {passes}."),
        click.option("--rate", type=float, help=f"Factor on the learning rates; default: {rate}."),
    ]  # fmt: skip
    return lambda command: reads_its_target(whose, out)(with_options(options, command))


def with_options(options: list, command):
    for option in reversed(options):
        command = option(command)
    return command


def reads_its_target(whose: str, out: str):
    """The options of whatever is made of texts that its target writes."""
    options = [
        click.option("--target", default="classroom", show_default=True, metavar="NAME|ID|FOLDER",
                     help=f"{whose}: a pair by its name, or a model of your own."),
        click.option("--batches", type=int, help="Batches of texts that the target writes to learn from; default: 24."),
        click.option("--rows", type=int, help="Texts in a batch; default: 96."),
        click.option("--new", type=int, help="Tokens of a text; default: 128."),
        click.option("--texts", metavar="NAME|FILE", help="A third of the texts go on from pieces of this one."),
        click.option("--out", default=out, show_default=True, type=click.Path(file_okay=False), help="For the result."),
        click.option("--work", type=click.Path(file_okay=False),
                     help="For texts and checkpoints; an interrupted run goes on from there. Default: in your cache."),
        SEED_OPTION,
        DEVICE_OPTION,
    ]  # fmt: skip
    return lambda command: with_options(options, command)


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
@learns_from_its_target("Who teaches", out="distilled", passes=4, rate="0.3, and 1 for a new draft")
@click.option("--draft", metavar="ID|FOLDER",
              help="Who learns; default: the draft of the pair, or else the target's own first layers.")
@click.option("--layers", type=int, help="Make a new draft of so many of the target's first layers (default: 2) ...")
@click.option("--head", type=int, help="... which can say so many of the tokens that the target writes most.")
@LOSS_OPTION
@click.option("--temperature", type=float, help="Of both laws in the loss; default: 1.")
def distil(**options):
    """Teach a draft its target's law, on text that the target writes (resumable, seeded)."""
    from ..training import train_distil

    out = train_distil(say=click.echo, **options)
    click.echo(f'load_pair(target=..., draft="{out}"), or --target ... --draft {out}')


@train.command()
@learns_from_its_target("Whose heads", out="medusa", passes=6, rate="1")
@click.option("--heads", type=int, help="How many heads, each guessing a token further ahead; default: 4.")
@click.option("--blocks", type=int, help="Residual blocks in each; default: 1.")
def medusa(**options):
    """Train Medusa heads for a target, on text that the target writes (resumable, seeded)."""
    from ..training import train_medusa

    out = train_medusa(say=click.echo, **options)
    click.echo(f"specdec generate --drafter medusa --heads {out}")


OF_ITS_KIND = [
    click.option("--layers", type=int, help="Of the target's kind; default: 1."),
    click.option("--intermediate", type=int, help="Width of their MLPs; default: the target's."),
    click.option("--head", type=int, help="How many tokens it can say, those that the target writes most; "
                 "default: 8192."),
]  # fmt: skip


def of_its_kind(command):
    """The options of a draft that is made of the target's layers and reads something of the target."""
    return with_options(OF_ITS_KIND, command)


@train.command()
@reads_its_target("Whose texts are counted", out="counts")
def counts(**options):
    """Count what follows what in text that a target writes (resumable, seeded)."""
    from ..training import train_counts

    out = train_counts(say=click.echo, **options)
    click.echo(f"specdec generate --drafter trusted --corpus {out}")


def train_reader(kind: str, layers: int | None, **options) -> None:
    """Trains a draft of one of the kinds of `distil.Recipe`, and says how it is used."""
    from ..training import train_distil

    out = train_distil(say=click.echo, kind=kind, layers=layers or 1, **options)
    click.echo(f'load_pair(target=..., draft="{out}"), or --target ... --draft {out}')


@train.command()
@learns_from_its_target("Whose states it reads", out="eagle", passes=4, rate="1")
@of_its_kind
@click.option("--rollout", type=int, default=3, show_default=True,
              help="Steps that it goes on from its own states while it learns.")
@LOSS_OPTION
def eagle(layers, **options):
    """Train a draft that reads what its target made of the text (resumable, seeded)."""
    if options["rollout"] < 1:
        raise ValueError(f"--rollout is {options['rollout']}; expected at least one step")
    train_reader("eagle", layers, **options)


@train.command()
@learns_from_its_target("Whose cache it looks into", out="glide", passes=4, rate="1")
@of_its_kind
@click.option("--block", type=int, default=5, show_default=True,
              help="After how many tokens it looks again while it learns: about as many as a round brings.")
@LOSS_OPTION
def glide(layers, **options):
    """Train a draft that looks into its target's cache (resumable, seeded)."""
    if options["block"] < 1:
        raise ValueError(f"--block is {options['block']}; expected at least one token")
    train_reader("glide", layers, **options)


@train.command()
@learns_from_its_target("Whose states and cache it reads", out="parallel", passes=4, rate="1")
@of_its_kind
@click.option("--block", type=int, default=4, show_default=True, help="How many tokens it guesses in one pass.")
@LOSS_OPTION
def parallel(layers, **options):
    """Train a draft that guesses several tokens in one pass (resumable, seeded)."""
    if options["block"] < 1:
        raise ValueError(f"--block is {options['block']}; expected at least one token")
    train_reader("parallel", layers, **options)


@train.command()
@click.option("--out", default="data/reasoner", show_default=True, type=click.Path(file_okay=False))
@click.option("--work", type=click.Path(file_okay=False),
              help="Folder of the checkpoints; an interrupted run goes on from there. Default: in your cache.")
@click.option("--steps", type=click.IntRange(min=1), help="Of learning, for the large model; default: 1100.")
@click.option("--draft-steps", type=click.IntRange(min=1), help="The same for the small one; default: 1200.")
@SEED_OPTION
@DEVICE_OPTION
def reasoner(out, work, device, **recipe):
    """Train the two bundled models that write sums step by step (some minutes on one CPU core; resumable)."""
    from ..training.reasoner import Recipe, train_reasoner

    given = {name: value for name, value in recipe.items() if value is not None}
    if train_reasoner(out, work, Recipe(**given), device):
        click.echo(f'load_pair("{out}")')
