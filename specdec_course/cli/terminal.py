"""Decoded text as a terminal shows it: coloured by what became of every token, and one line of figures.

Knows: traces, a tokenizer, rich's colours. Does not know: how the text was decoded.
"""

from __future__ import annotations

import click
from rich.text import Text

from ..models.vocabulary import texts_of
from ..trace import acceptance_rate, labels, tokens_per_call

COLOURS = {"accepted": "green", "corrected": "red", "bonus": "blue"}


def coloured(output, tokenizer) -> Text:
    """The prompt dimmed, then every new token green (accepted), red (corrected) or blue (bonus), and a legend."""
    start = output.trace.prompt_length
    pieces = list(texts_of(tokenizer, output.tokens.tolist()))
    text = Text("".join(pieces[:start]), style="dim")
    for (_, kind), piece in zip(labels(output.trace.rounds), pieces[start:], strict=True):
        text.append(piece, style=f"not dim {COLOURS[kind]}")
    return Text.assemble(text, "\n", legend())


def legend() -> Text:
    return Text.assemble("[", Text(", ").join(Text(kind, style=colour) for kind, colour in COLOURS.items()), "]")


def show_rounds(outputs, tokenizer):
    """Prints a text while it is decoded, a burst per round, in the colours of `coloured`; returns the last Output.

    outputs: what `generate_rounds` yields. Where nobody watches, in a pipe or a file, the text is written as it is.
    """
    from rich.console import Console

    console, shown, output = Console(soft_wrap=True, highlight=False), 0, None
    ids: list[int] = []
    pieces = texts_of(tokenizer, _growing(ids))
    for output in outputs:
        ids += output.tokens[len(ids) :].tolist()
        kinds = ["prompt"] * output.trace.prompt_length + [kind for _, kind in labels(output.trace.rounds)]
        for kind in kinds[shown:]:
            if console.is_terminal:
                console.print(Text(next(pieces), style=COLOURS.get(kind, "dim")), end="")
            else:
                click.echo(next(pieces), nl=False)
        shown = len(kinds)
    click.echo()
    if console.is_terminal:
        console.print(legend())
    return output


def _growing(ids):
    """The ids of a list that grows while it is read."""
    place = 0
    while True:
        yield ids[place]
        place += 1


def show(text: Text) -> None:
    """Prints to the terminal, with colours where it has them; lines are broken by the terminal alone."""
    from rich.console import Console

    Console(soft_wrap=True, highlight=False).print(text)


def summary(outputs) -> str:
    """One line: new tokens, tokens per target call, acceptance, tokens per second."""
    rounds = [r for out in outputs for r in out.trace.rounds]
    seconds = sum(out.trace.seconds for out in outputs)
    new = sum(r.emitted for r in rounds)
    speed = f"{new / seconds:.1f} tokens/s" if seconds else "no time taken"
    accepted = f", {acceptance_rate(rounds):.0%} of the draft accepted" if any(r.drafted for r in rounds) else ""
    return f"{new} new tokens, {tokens_per_call(rounds):.2f} tokens per target call{accepted}, {speed}"
