"""Measures what the text of the course quotes about the bigram: `python -m specdec_course.measure --help`.

Knows how prompts are cut from a text and what is written down with a figure. Does not know how text is decoded.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import torch

from .trace import Round, acceptance_rate, tokens_per_call
from .verification import accepted_length


def bigram_tokens_per_call(
    pair, fit_ids, test_ids, ks=(1, 2, 3, 4, 5, 6), prompts=40, prompt_length=64, new_tokens=128, seed=0, say=print
) -> dict:
    """Tokens per target call of a bigram at several draft lengths, greedy.

    The target writes every text once, alone; what a draft length would have made of it is then replayed, since
    greedy speculation writes the same text. On the first three prompts that is checked against `generate`.

    fit_ids, test_ids: LongTensor [T], the text that is counted and the text that the prompts are cut from
    ks: draft lengths. prompts, prompt_length, new_tokens: how many windows of how many tokens, how much to write
    returns: hit rate on `test_ids` and on the written texts, and per k tokens per call and acceptance rate
    raises: RuntimeError if `generate` writes another text or takes other rounds than the replay
    """
    from .corpora import sample_windows
    from .decoding import generate
    from .drafters import BigramDrafter
    from .drafters.bigram import hit_rate
    from .models import vocabulary_size

    drafter = BigramDrafter.fit(fit_ids, vocabulary_size(pair.target))
    texts = []
    for number, window in enumerate(sample_windows(test_ids, prompt_length, prompts, seed)):
        texts.append(generate(pair.target, window, max_new_tokens=new_tokens).tokens)
        if number < 3:
            out = generate(pair.target, window, drafter, k=4, max_new_tokens=new_tokens)
            rounds = replay(texts[-1], prompt_length, drafter, 4)
            if not torch.equal(out.tokens, texts[-1]) or out.trace.rounds != rounds:
                raise RuntimeError(f"prompt {number}: generate and the replay disagree")
        say(f"prompt {number + 1} of {prompts}")
    table = torch.tensor(drafter.next_token)
    written = [hit_rate(text[prompt_length - 1 :], table) for text in texts]
    by_k = {k: [r for text in texts for r in replay(text, prompt_length, drafter, k)] for k in ks}
    return {
        "hit_rate_on_test_text": round(hit_rate(test_ids, table), 4),
        "hit_rate_on_written_text": round(sum(written) / len(written), 4),
        "tokens_per_call": {k: round(tokens_per_call(rounds), 4) for k, rounds in by_k.items()},
        "acceptance_rate": {k: round(acceptance_rate(rounds), 4) for k, rounds in by_k.items()},
    }


def replay(text, start: int, drafter, k: int) -> list[Round]:
    """The rounds in which greedy speculation would have written text[start:], LongTensor [T], given text[:start]."""
    rounds, at = [], start
    while at < len(text):
        draft = drafter.propose(text[:at], min(k, len(text) - at - 1)).ids
        accepted = int(accepted_length(draft, text[at:]))
        rounds.append(Round(len(draft), accepted, accepted + 1))
        at += accepted + 1
    return rounds


@click.command()
@click.option("--pair", "name", default="smollm2", show_default=True, help="Name or folder of a pair of models.")
@click.option("--fit", default="wikitext-2", show_default=True, help="Text that the bigram counts.")
@click.option("--fit-split", default="validation", show_default=True)
@click.option("--test", default="wikitext-2", show_default=True, help="Text that the prompts are cut from.")
@click.option("--test-split", default="test", show_default=True)
@click.option("--prompts", default=40, show_default=True)
@click.option("--new-tokens", default=128, show_default=True)
@click.option("--json", "json_file", required=True, type=click.Path(dir_okay=False), help="Where the figures go.")
def main(name, fit, fit_split, test, test_split, prompts, new_tokens, json_file):
    """Tokens per target call of a bigram with a real model, greedy, k = 1 to 6."""
    from .benchmark import machine
    from .corpora import load_corpus
    from .models import load_pair

    pair = load_pair(name)
    fit_ids = load_corpus(fit, pair.tokenizer, split=fit_split)
    test_ids = load_corpus(test, pair.tokenizer, split=test_split)
    result = bigram_tokens_per_call(pair, fit_ids, test_ids, prompts=prompts, new_tokens=new_tokens)
    options = f"--fit {shown(fit)} --test {shown(test)} --prompts {prompts} --new-tokens {new_tokens}"
    record = {
        "what": "bigram drafter, greedy: tokens per target call by draft length k",
        "hardware": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "source": f"{name} ({pair.target.name_or_path.rsplit('/', 1)[-1]}, {pair.target.dtype})",
        "command": f"python -m specdec_course.measure --pair {name} {options} --json {Path(json_file).name}",
        "tokens_counted": len(fit_ids),
        "prompts": f"{prompts} random windows of 64 tokens of the test text, {new_tokens} new tokens each",
        **result,
    }
    Path(json_file).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def shown(text: str) -> str:
    """A corpus in a recorded command: its name, or the last two parts of its path."""
    return "/".join(Path(text).parts[-2:])


if __name__ == "__main__":
    main()
