"""Measures what the text of the course quotes about the bigram: `python -m specdec_course.measure --help`.

Knows how prompts are cut from a text and what is written down with a figure. Does not know how text is decoded.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import click
import torch

from ..sampling import Sampling
from ..trace import Round, acceptance_rate, tokens_per_call
from ..verification import accepted_length


def bigram_tokens_per_call(pair, fit_ids, test_ids, prompts, ks=(1, 2, 3, 4, 5, 6), new_tokens=128, say=print) -> dict:
    """Tokens per target call of a bigram at several draft lengths, greedy.

    The target writes every text once, alone, ten at a time; what a draft length would have made of it is then
    replayed, since greedy speculation writes the same text. On two prompts that is checked against `generate`.

    fit_ids, test_ids: LongTensor [T], the text that is counted, and another one for the hit rate
    prompts: list of LongTensor [T], all of one length. ks: draft lengths. new_tokens: to write after each prompt
    returns: hit rate on `test_ids` and on the written texts, and per k tokens per call and acceptance rate
    raises: RuntimeError if `generate` writes another text or takes other rounds than the replay
    """
    from ..decoding.engine import generate
    from ..drafters import BigramDrafter
    from ..drafters.bigram import hit_rate
    from ..models import vocabulary_size

    drafter = BigramDrafter.fit(fit_ids, vocabulary_size(pair.target))
    table = torch.tensor(drafter.next_token)
    written, by_k = [], {k: [] for k in ks}
    start = len(prompts[0])
    for number, text in enumerate(greedy_texts(pair.target, prompts, new_tokens), 1):
        if number <= 2:
            out = generate(pair.target, text[:start], drafter, k=4, max_new_tokens=new_tokens, eos_token_id=None)
            if not torch.equal(out.tokens, text) or out.trace.rounds != replay(text, start, drafter, 4):
                raise RuntimeError(f"prompt {number}: generate and the replay disagree")
        written.append(hit_rate(text[start - 1 :], table))
        for k in ks:
            by_k[k] += replay(text, start, drafter, k)
        say(f"prompt {number} of {len(prompts)}: {tokens_per_call(by_k[ks[0]]):.3f} at k = {ks[0]} so far")
    return {
        "hit_rate_on_test_text": round(hit_rate(test_ids, table), 4),
        "hit_rate_on_written_text": round(sum(written) / len(written), 4),
        "tokens_per_call": {k: round(tokens_per_call(rounds), 4) for k, rounds in by_k.items()},
        "acceptance_rate": {k: round(acceptance_rate(rounds), 4) for k, rounds in by_k.items()},
    }


def greedy_texts(target, prompts, new_tokens: int, batch=10) -> Iterator[torch.Tensor]:
    """Hugging Face's own greedy text for each prompt, LongTensor [T + new_tokens]; nothing stops it earlier."""
    for i in range(0, len(prompts), batch):
        ids = torch.stack(prompts[i : i + batch]).to(target.device)
        how = {"max_new_tokens": new_tokens, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
        yield from target.generate(ids, attention_mask=torch.ones_like(ids), **how)


def replay(text, start: int, drafter, k: int) -> list[Round]:
    """The rounds in which greedy speculation would have written text[start:], LongTensor [T], given text[:start]."""
    rounds, at = [], start
    while at < len(text):
        draft = drafter.propose(text[:at], min(k, len(text) - at - 1), Sampling(), None).ids.cpu()  # greedy: no dice
        accepted = int(accepted_length(draft, text[at:]))
        rounds.append(Round(len(draft), accepted, accepted + 1))
        at += accepted + 1
    return rounds


def beginnings(text: str, tokenizer, count: int, length: int, plain=False) -> list[torch.Tensor]:
    """The first `length` tokens of `count` paragraphs of at least 400 characters, spread evenly over a text.

    WikiText puts a space before every comma. A model goes on in the manner of its prompt, and the bigram, which
    counted WikiText, then guesses its spaces; `plain` gives the prompt in ordinary spelling instead.
    """
    paragraphs = [line for line in text.split("\n") if len(line) >= 400]
    if len(paragraphs) < count:
        raise ValueError(f"the text has {len(paragraphs)} paragraphs of 400 characters, expected at least {count}.")
    chosen = paragraphs[:: len(paragraphs) // count][:count]
    chosen = [ordinary_spelling(line) if plain else line for line in chosen]
    return [torch.tensor(tokenizer.encode(line)[:length], dtype=torch.long) for line in chosen]


def ordinary_spelling(line: str) -> str:
    """A line of WikiText as one would write it: `1 @,@ 500 <unk> , he said` becomes `1,500 Smith, he said`."""
    line = re.sub(r" @([-,.])@ ", r"\1", line.strip().replace("<unk>", "Smith"))
    return re.sub(r"\( ", "(", re.sub(r" ([.,;:)'])", r"\1", line))


LABELS = {
    "plain": "prompts in ordinary spelling",
    "beginnings": "prompts in WikiText's spelling",
    "windows": "prompts from anywhere in WikiText",
}


@click.command()
@click.option("--pair", "name", default="smollm2", show_default=True, help="Name or folder of a pair of models.")
@click.option("--fit", default="wikitext-2", show_default=True, help="Text that the bigram counts.")
@click.option("--fit-split", default="validation", show_default=True)
@click.option("--test", default="wikitext-2", show_default=True, help="Text that the prompts are cut from.")
@click.option("--test-split", default="test", show_default=True)
@click.option("--cut", type=click.Choice(list(LABELS)), default="plain", show_default=True,
              help="Prompts: beginnings of paragraphs in ordinary spelling, or as they are; or windows from anywhere.")
@click.option("--prompts", default=40, show_default=True, help="How many prompts.")
@click.option("--prompt-tokens", default=16, show_default=True)
@click.option("--new-tokens", default=64, show_default=True)
@click.option("--json", "json_file", required=True, type=click.Path(dir_okay=False), help="Where the figures go.")
def main(name, fit, fit_split, test, test_split, cut, prompts, prompt_tokens, new_tokens, json_file):
    """Tokens per target call of a bigram with a real model, greedy, k = 1 to 6."""
    from ..corpora import encode, load_corpus, read_text, sample_windows
    from ..models import load_pair
    from .machine import machine

    pair = load_pair(name)
    fit_ids = load_corpus(fit, pair.tokenizer, split=fit_split)
    text, said = read_text(test, test_split)
    test_ids = encode(text, pair.tokenizer)
    click.echo(said)
    if cut == "windows":
        chosen = list(sample_windows(test_ids, prompt_tokens, prompts, seed=0))
    else:
        chosen = beginnings(text, pair.tokenizer, prompts, prompt_tokens, plain=cut == "plain")
    result = bigram_tokens_per_call(pair, fit_ids, test_ids, chosen, new_tokens=new_tokens)
    options = f"--fit {shown(fit)} --test {shown(test)} --cut {cut} --prompts {prompts}"
    options += f" --prompt-tokens {prompt_tokens} --new-tokens {new_tokens}"
    record = {
        "what": "bigram drafter, greedy: tokens per target call by draft length k",
        "label": f"{name}, WikiText-2 bigram, {LABELS[cut]}",
        "hardware": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "source": f"{provenance(pair.target)}, run in {pair.target.dtype}",
        "command": f"python -m specdec_course.measure --pair {name} {options} --json {Path(json_file).name}",
        "tokens_counted": len(fit_ids),
        **result,
    }
    Path(json_file).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def provenance(model) -> str:
    """Where a model's weights came from, as `specdec fetch` wrote it down, else its folder's name or Hub id."""
    file = Path(model.name_or_path) / "source.json"
    if file.is_file():
        return json.loads(file.read_text(encoding="utf-8"))["source"]
    return Path(model.name_or_path).name if file.parent.is_dir() else model.name_or_path


def shown(text: str) -> str:
    """A corpus in a recorded command: its name, or the last two parts of its path."""
    return "/".join(Path(text).parts[-2:])

