"""Decoded text as a terminal shows it: coloured by what became of every token, and one line of figures.

Knows: traces, a tokenizer, terminal colours. Does not know: how the text was decoded.
"""

from __future__ import annotations

import click

from ..trace import acceptance_rate, labels, tokens_per_call

COLOURS = {"accepted": "green", "corrected": "red", "bonus": "blue"}


def coloured(output, tokenizer) -> str:
    """The prompt dimmed, then every new token green (accepted), red (corrected) or blue (bonus), and a legend.

    Tokens are decoded together by run of equal colour: a character may span several tokens.
    """
    start = output.trace.prompt_length
    told = [kind for _, kind in labels(output.trace.rounds)]
    parts = [click.style(tokenizer.decode(output.tokens[:start]), dim=True)]
    tokens, run = output.tokens[start:].tolist(), []
    for i, token in enumerate(tokens):
        run.append(token)
        if i + 1 == len(tokens) or told[i + 1] != told[i]:
            parts.append(click.style(tokenizer.decode(run), fg=COLOURS[told[i]]))
            run = []
    legend = ", ".join(click.style(kind, fg=colour) for kind, colour in COLOURS.items())
    return "".join(parts) + f"\n[{legend}]"


def summary(outputs) -> str:
    """One line: new tokens, tokens per target call, acceptance, tokens per second."""
    rounds = [r for out in outputs for r in out.trace.rounds]
    seconds = sum(out.trace.seconds for out in outputs)
    new = sum(r.emitted for r in rounds)
    speed = f"{new / seconds:.1f} tokens/s" if seconds else "no time taken"
    accepted = f", {acceptance_rate(rounds):.0%} of the draft accepted" if any(r.drafted for r in rounds) else ""
    return f"{new} new tokens, {tokens_per_call(rounds):.2f} tokens per target call{accepted}, {speed}"
