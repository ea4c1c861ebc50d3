"""Drafters that look things up, on texts that repeat and texts that do not: `python -m specdec_course.measure.lookup`.

Knows: how such drafters are replayed on a text that is written already, prompts by category, what is written down
with a figure. Does not know: how text is decoded, how a draft is looked up.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click
import torch

from ..common.whole import write_text
from ..trace import Round
from .benchmark import Row, as_table, compile_widths, rows_of, timed
from .bigram import provenance, replay


def replayed(texts, drafters: dict, k: int) -> dict[str, list[Round]]:
    """The rounds that each drafter would have made of greedy texts that are written already.

    texts: list of (ids LongTensor [T], where the new tokens begin). drafters: {name: Drafter}.
    """
    found = {}
    for name, drafter in drafters.items():
        rounds = []
        for ids, start in texts:
            drafter.begin(int(ids.max()) + 1, len(ids), "eager")
            rounds += replay(ids, start, drafter, k)
        found[name] = rounds
    return found


def seconds_per_proposal(drafter, ids, start: int, k: int) -> float:
    """The median time of a proposal while a text is written from `start` on, a token at a time."""
    drafter.begin(int(ids.max()) + 1, len(ids), "eager")
    drafter.propose(ids[:start], k, None, None)  # it reads the prompt
    seconds = []
    for end in range(start + 1, len(ids)):
        text = ids[:end]
        began = time.perf_counter()
        drafter.propose(text, k, None, None)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def prompts_by_category(path, categories, limit: int) -> dict[str, list[str]]:
    """The first `limit` prompts of each category, in the order of a .jsonl file of {"category": ..., "turns": [...]}.

    Raises ValueError for a file without such lines, and for a category that it does not have.
    """
    found: dict[str, list[str]] = {}
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            found.setdefault(record["category"], []).append(record["turns"][0])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f'{path}: expected one object a line, {{"category": "...", "turns": ["..."]}} ({error})'
        ) from None
    missing = [name for name in categories if name not in found]
    if missing:
        raise ValueError(f"{path} has no category {missing[0]!r}, only {', '.join(sorted(found))}")
    return {name: found[name][:limit] for name in categories}


def runs_of(pair, prompts, drafters: dict, k: int, new_tokens: int, engine: str, repeats: int, say=print) -> dict:
    """{name of a way: its outputs}: prompts written plainly and with each drafter, in turns, the target alone first.

    prompts: list of LongTensor [T]. A text ends where the model's generation_config says so.
    """
    from ..decoding.engine import generate

    compile_widths(pair.target, prompts, k, new_tokens, engine)

    def way(drafter):
        return lambda prompt, seed: generate(pair.target, prompt, drafter, k, max_new_tokens=new_tokens, engine=engine)

    ways = {"target alone": way(None)} | {name: way(drafter) for name, drafter in drafters.items()}
    return timed(ways, prompts, repeats, say)


def figures_of(runs: dict, prompts, drafters: dict, k: int) -> list[dict]:
    """A row of figures for each way; of a drafter that looks at the text alone also what a proposal takes, and how much
    of what was kept stands in the prompt."""
    rows = [asdict(row) for row in rows_of(runs)]
    texts = [(out.tokens, out.trace.prompt_length) for out in runs["target alone"][: len(prompts)]]
    longest = max(texts, key=lambda text: len(text[0]))
    for row in rows[1:]:
        drafter = drafters[row["name"]]
        if getattr(drafter, "model", None) is None:
            row["seconds_per_proposal"] = seconds_per_proposal(drafter, *longest, k)
            row["copied_from_the_prompt"] = from_the_prompt(texts, drafter, k)
    return [{key: round(value, 7) if isinstance(value, float) else value for key, value in row.items()} for row in rows]


def from_the_prompt(texts, drafter, k: int) -> float:
    """The share of the accepted tokens that would also have been found with a prompt alone to look at.

    A small model likes to repeat itself, and what repeats is easily copied: this tells how much is owed to that. Each
    draft is asked for again behind the prompt and the newest tokens only, without the rest of the output.
    """
    accepted = owed = 0
    for ids, start in texts:
        at = start
        while at < len(ids):
            drafter.begin(int(ids.max()) + 1, len(ids), "eager")
            ask = min(k, len(ids) - at - 1)
            kept = _agreed(drafter.propose(ids[:at], ask, None, None).ids, ids[at:])
            alone = torch.cat([ids[:start], _newest(ids[max(start, at - 8) : at])])
            drafter.begin(int(ids.max()) + 1, len(ids), "eager")
            owed += min(kept, _agreed(drafter.propose(alone, ask, None, None).ids, ids[at:]))
            accepted += kept
            at += kept + 1
    return owed / accepted if accepted else 0.0


def _newest(ids):
    """The end of ids in which the last token stands once only, so that no ending is found within it."""
    before = (ids[:-1] == ids[-1:]).nonzero()
    return ids[int(before[-1]) + 1 :] if len(before) else ids


def _agreed(draft, truth) -> int:
    return next((i for i, (a, b) in enumerate(zip(draft.tolist(), truth.tolist(), strict=False)) if a != b), len(draft))


def recorded() -> list[dict]:
    """Bundled measurements of real models, each with its hardware, date and command; the oldest first."""
    from ..common.paths import data_path

    found = [json.loads(path.read_text(encoding="utf-8")) for path in data_path("measurements").glob("*_lookup_*.json")]
    return sorted(found, key=lambda record: (record["date"], record["command"]))


def as_grid(record) -> str:
    """A record as text: a line for each kind of prompt, a column for each drafter: tokens per call, speed-up, how much
    of what was kept stands in the prompt."""
    kinds: dict[str, dict[str, dict]] = {}
    for row in record["rows"]:
        kind, _, way = row["name"].partition(": ")
        kinds.setdefault(kind, {})[way] = row
    ways = list(next(iter(kinds.values())))[1:]  # the first is the target alone
    width = max(20, *(len(way) for way in ways)) + 2
    lines = [f"{'':16}" + "".join(f"{way:>{width}}" for way in ways)]
    for kind, rows in kinds.items():
        cells = (f"{row['tokens_per_call']:.2f} {row['speedup']:6.2f}x {row['copied_from_the_prompt']:5.0%}"
                 for row in (rows[way] for way in ways))  # fmt: skip
        lines.append(f"{kind:16}" + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines)


def drafters_for(pair, corpus: str | None = None, draft=None, confidence: float = 0.0) -> dict:
    """{name: drafter}: prompt lookup, the suffix automaton, copies as far as they can be trusted; and with counts, if
    some come with the pair or a corpus is named. With the folder of a draft also this, which ends where it is less sure
    than `confidence`, and both as one: the draft is asked where the text was never like this before."""
    from ..drafters import FirstOf, PromptLookupDrafter, SuffixDrafter, TrustedDrafter, drafter_of
    from ..drafters.named import bundled, named_drafter
    from ..models.loading import load_draft

    found = {"prompt lookup": PromptLookupDrafter(), "suffix automaton": SuffixDrafter(),
             "trusted copies": TrustedDrafter()}  # fmt: skip
    if corpus or bundled("counts", pair):
        found["trusted copies and counts"] = named_drafter("trusted", pair, corpus or "atlas", say=click.echo)
    if draft is None:
        return found
    target = pair.target
    kind = type(drafter_of(load_draft(draft, target)))
    one, other = (kind(load_draft(draft, target), confidence) for _ in range(2))
    return found | {"draft": one, "suffix automaton, else draft": FirstOf(SuffixDrafter(), other)}


@click.command()
@click.option("--pair", "name", default="smollm2", show_default=True, help="Name or folder of a pair of models.")
@click.option("--corpus", help="What is counted; default: the counts that come with the pair, if any do.")
@click.option("--draft", type=click.Path(exists=True, file_okay=False), help="Beside them a draft for its target.")
@click.option("--confidence", default=0.0, show_default=True, help="The draft ends where it is less sure.")
@click.option(
    "--prompts", "file", required=True, type=click.Path(dir_okay=False), help="Prompts with categories, .jsonl."
)
@click.option(
    "--category", "categories", multiple=True, default=("summarization", "rag", "translation"), show_default=True
)
@click.option("--limit", default=6, show_default=True, help="Prompts of each category.")
@click.option("--longest", default=900, show_default=True, help="Prompts of more tokens are left out.")
@click.option("--chat/--no-chat", default=True, show_default=True, help="In the tokenizer's chat template.")
@click.option("--k", default=8, show_default=True)
@click.option("--new-tokens", default=128, show_default=True)
@click.option("--engine", type=click.Choice(["eager", "compiled"]), default="compiled", show_default=True)
@click.option("--repeats", default=2, show_default=True)
@click.option("--json", "json_file", required=True, type=click.Path(dir_okay=False), help="Where the figures go.")
def main(name, corpus, draft, confidence, file, categories, limit, longest, chat, k, new_tokens, engine, repeats,
         json_file):
    """Prompt lookup and a suffix automaton with a real model, greedy, by category of prompts and in all."""
    from ..corpora import prompts as prompts_of
    from ..models import load_pair
    from .machine import machine

    pair = load_pair(name)
    drafters, about, everything, prompts, rows = drafters_for(pair, corpus, draft, confidence), {}, {}, [], []

    def shown(group, runs, texts):
        found = figures_of(runs, texts, drafters, k)
        click.echo(as_table([Row(**{name: row[name] for name in Row.__dataclass_fields__}) for row in found]))
        rows.extend(row | {"name": f"{group}: {row['name']}"} for row in found)

    for category, texts in prompts_by_category(file, categories, 10**9).items():
        chosen = (prompts_of(pair.tokenizer, text, chat=chat)[0] for text in texts)
        chosen = list(islice((ids for ids in chosen if len(ids) <= longest), limit))
        about[category] = [len(ids) for ids in chosen]
        click.echo(f"{category}: {len(chosen)} prompts of {min(about[category])} to {max(about[category])} tokens")
        runs = runs_of(pair, chosen, drafters, k, new_tokens, engine, repeats, click.echo)
        shown(category, runs, chosen)
        prompts += chosen
        everything = {way: everything.get(way, []) + outputs for way, outputs in runs.items()}
    if len(about) > 1:
        click.echo(f"in all: {len(prompts)} prompts")
        shown("all", everything, prompts)
    options = "".join(f" --category {category}" for category in categories)
    drafted = f" --corpus {Path(corpus).name}" if corpus else ""
    drafted += f" --draft {Path(draft).name} --confidence {confidence:g}" if draft else ""
    options = f"{drafted} --prompts {Path(file).name}{options}"
    record = {
        "what": f"drafters that look things up{' and a draft' if draft else ''}, greedy, against the target alone in "
                "the same engine",
        "label": f"{name}, {Path(file).absolute().parent.name} prompts",
        "hardware": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "source": f"{provenance(pair.target)}, run in {pair.target.dtype}",
        "command": f"python -m specdec_course.measure.lookup --pair {name}{options} "
        f"--limit {limit} --longest {longest} --{'' if chat else 'no-'}chat --k {k} --new-tokens {new_tokens} --engine "
        f"{engine} --repeats {repeats} --json {Path(json_file).name}",
        "k": k,
        "engine": engine,
        "prompt_tokens": about,
        "rows": rows,
    }  # fmt: skip
    write_text(Path(json_file), json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
