"""Decoded text as a terminal shows it: coloured by what became of every token, and one line of figures.

Knows: traces, a tokenizer, rich's colours. Does not know: how the text was decoded.
"""

from __future__ import annotations

from itertools import groupby

from rich.text import Text

from ..trace import acceptance_rate, labels, tokens_per_call

COLOURS = {"accepted": "green", "corrected": "red", "bonus": "blue"}


def coloured(output, tokenizer) -> Text:
    """The prompt dimmed, then every new token green (accepted), red (corrected) or blue (bonus), and a legend.

    Tokens are decoded together by run of equal colour: a character may span several tokens.
    """
    start = output.trace.prompt_length
    text = Text(tokenizer.decode(output.tokens[:start]), style="dim")
    kinds = [kind for _, kind in labels(output.trace.rounds)]
    for kind, run in groupby(zip(kinds, output.tokens[start:].tolist(), strict=True), key=lambda pair: pair[0]):
        text.append(tokenizer.decode([token for _, token in run]), style=f"not dim {COLOURS[kind]}")
    legend = Text(", ").join(Text(kind, style=colour) for kind, colour in COLOURS.items())
    return Text.assemble(text, "\n[", legend, "]")


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
