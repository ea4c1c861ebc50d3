"""What the bundled pair is like, measured: perplexity, acceptance, tokens per call, latency ratio, a sample text.

Knows how each figure is taken and how the table in data/README.md is written from them. Knows nothing of training.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from pathlib import Path

import torch

from specdec_course.common.paths import PACKAGE
from specdec_course.common.whole import write_text
from specdec_course.corpora.atlas import articles
from specdec_course.measure.names import on_names

from .loop import agreement, token_losses
from .text import encode_articles, windows

MEASUREMENTS = PACKAGE.parent / "data" / "measurements" / "classroom.json"
README = PACKAGE.parent / "data" / "README.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
COMMAND = "specdec train classroom --report"


def on_held_out_text(pair, batches: int = 6, length: int = 1000) -> dict:
    """Perplexity of both models and per-token alpha on windows of the test split, teacher-forced, float32.

    `by_position` is the target's perplexity on positions 0-249, 250-499, 500-749, 750-999 of the window.
    """
    ids, sums, parts = encode_articles(pair.tokenizer, 120, split="test"), [], []
    for step in range(batches):
        window = windows(ids, 2, length, 0, step)
        sums.append(agreement(pair.draft, pair.target, window, precise=True))
        with torch.no_grad():
            logits = pair.target(window[:, :-1], use_cache=False).logits.float()
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), window[:, 1:], reduction="none")
        parts.append(loss.reshape(2, 4, length // 4).mean((0, 2)))
    mean = {key: statistics.fmean(s[key] for s in sums) for key in sums[0]}
    return {
        "tokens": batches * 2 * length,
        "target_perplexity": round(math.exp(mean["target_loss"]), 3),
        "draft_perplexity": round(math.exp(mean["draft_loss"]), 3),
        "draft_behind_nats": round(mean["draft_loss"] - mean["target_loss"], 3),
        "alpha_greedy": round(mean["alpha_greedy"], 4),
        "alpha_sampled": round(mean["alpha_sampled"], 4),
        "target_perplexity_by_position": [round(math.exp(x), 3) for x in torch.stack(parts).mean(0).tolist()],
    }


def windows_of_512(pair, batches: int = 8) -> dict:
    """Perplexity of the target on 64 windows of 512 tokens, 32 of each held-out split, teacher-forced, float32."""
    losses = {}
    for split in ("test", "validation"):
        ids = encode_articles(pair.tokenizer, 400, split=split)
        with torch.no_grad():
            parts = [token_losses(pair.target, windows(ids, 4, 512, 0, step), precise=True) for step in range(batches)]
        losses[split] = torch.stack(parts).mean().item()
    return {f"target_perplexity_{split}": round(math.exp(loss), 3) for split, loss in losses.items()} | {
        "target_perplexity": round(math.exp(statistics.fmean(losses.values())), 3)
    }


def while_decoding(pair, prompts, k: int = 4, new_tokens: int = 160) -> dict:
    """Accepted/drafted and tokens per call on the target's own text: the draft at T = 0 and 1, the bigram at T = 0."""
    from specdec_course import Sampling, generate
    from specdec_course.drafters import BigramDrafter, ModelDrafter
    from specdec_course.drafters.bigram import hit_rate
    from specdec_course.trace import acceptance_rate, tokens_per_call

    counted = torch.from_numpy(encode_articles(pair.tokenizer, 2000).astype("int64"))
    held_out = torch.from_numpy(encode_articles(pair.tokenizer, 100, split="test").astype("int64"))
    bigram = BigramDrafter.fit(counted, len(pair.tokenizer))
    figures = {"k": k, "prompts": len(prompts), "new_tokens": new_tokens}
    figures["bigram_hit_rate_held_out"] = round(hit_rate(held_out, torch.as_tensor(bigram.next_token)), 4)
    for name, drafter, temperature in (
        ("draft_greedy", ModelDrafter(pair.draft), 0.0),
        ("draft_sampled", ModelDrafter(pair.draft), 1.0),
        ("bigram_greedy", bigram, 0.0),
    ):
        rounds = []
        for number, prompt in enumerate(prompts):
            sampling = Sampling(temperature=temperature)
            out = generate(pair.target, prompt, drafter, k, sampling, new_tokens, None, number)
            rounds += out.trace.rounds
        figures[name] = {
            "accepted_per_drafted": round(acceptance_rate(rounds), 4),
            "tokens_per_call": round(tokens_per_call(rounds), 4),
        }
    return figures


@torch.no_grad()
def latency_ratio(pair, context: int = 200, runs: int = 60) -> dict:
    """c = one cached step of the draft / one of the target (1 token, eager), and v = 5 tokens / 1 token of the target.

    The three are timed in turns, and the ratios are medians over the pairs of one turn.
    """
    from specdec_course.cache import CachedModel

    ids = torch.arange(1, context + 1)
    models = {"draft": CachedModel(pair.draft), "target": CachedModel(pair.target)}
    for cached in models.values():
        cached.append(ids)
    turns = []
    for _ in range(runs + 10):
        turn = {}
        for name, model, new in (("draft", "draft", 1), ("target", "target", 1), ("verify", "target", 5)):
            began = time.perf_counter()
            models[model].append(ids[:new])
            turn[name] = time.perf_counter() - began
            models[model].rollback(new)
        turns.append(turn)
    turns = turns[10:]  # the first ones warm up
    return {
        "threads": torch.get_num_threads(),
        "target_step_ms": round(1000 * statistics.median(t["target"] for t in turns), 3),
        "draft_step_ms": round(1000 * statistics.median(t["draft"] for t in turns), 3),
        "c": round(statistics.median(t["draft"] / t["target"] for t in turns), 4),
        "v5": round(statistics.median(t["verify"] / t["target"] for t in turns), 4),
    }


def sample_text(pair, new_tokens: int = 420, seed: int = 7) -> str:
    """An article that the target writes at temperature 0.7 after the title of a held-out one."""
    from specdec_course import Sampling, generate

    heading = next(articles(count=1, split="test")).split(" \n \n ")[0] + " \n \n"
    heading = [pair.tokenizer.eos_token_id, *pair.tokenizer.encode(heading)]
    sampling = Sampling(temperature=0.7)
    out = generate(pair.target, torch.tensor(heading), None, 0, sampling, new_tokens, pair.tokenizer.eos_token_id, seed)
    return pair.tokenizer.decode(out.tokens, skip_special_tokens=True)


def measure(pair) -> dict:
    """All the figures of a pair, with hardware, date and the command that makes them."""
    from specdec_course.corpora import held_out_prompts
    from specdec_course.measure.machine import machine

    count = {name: sum(p.numel() for p in getattr(pair, name).parameters()) for name in ("target", "draft")}
    return {
        "what": "the classroom pair on held-out Atlas",
        "hardware": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "source": "data/classroom, Atlas test split",
        "command": COMMAND,
        "parameters": count,
        "held_out": on_held_out_text(pair),
        "windows_of_512": windows_of_512(pair),
        "names": on_names(pair.tokenizer, {"target": pair.target, "draft": pair.draft}, 40),
        "decoding": while_decoding(pair, held_out_prompts(pair.tokenizer, 12)),
        "latency": latency_ratio(pair),
        "sample": sample_text(pair),
    }


def as_table(figures: dict, training: dict) -> str:
    """The figures as the Markdown that stands in data/README.md."""
    held, run, lat = figures["held_out"], figures["decoding"], figures["latency"]
    names, short = figures["names"], figures["windows_of_512"]
    size, end, before = figures["parameters"], training["log"][-1], training["before_distillation"]
    rows = [
        ("parameters, target / draft", f"{size['target']:,} / {size['draft']:,}"),
        ("perplexity per token, held-out Atlas, target / draft",
         f"{held['target_perplexity']} / {held['draft_perplexity']}"),
        ("perplexity per token of the target on windows of 512 tokens, test / validation",
         f"{short['target_perplexity_test']} / {short['target_perplexity_validation']}"),
        ("nats per token that the draft pays more than the target", f"{held['draft_behind_nats']}"),
        ("nats per later piece of a word, seen before in the article, target / draft",
         f"{names['target_seen']} / {names['draft_seen']}"),
        ("... not seen before", f"{names['target_new']} / {names['draft_new']}"),
        ("alpha per token, held-out text, T = 0 / T = 1 (mean 1 - TV)",
         f"{held['alpha_greedy']} / {held['alpha_sampled']}"),
        ("... on the validation split before distillation", f"{before['alpha_greedy']} / {before['alpha_sampled']}"),
        ("... on the validation split after distillation", f"{end['alpha_greedy']} / {end['alpha_sampled']}"),
        ("accepted / drafted while decoding, k = 4, T = 0 / T = 1",
         f"{run['draft_greedy']['accepted_per_drafted']} / {run['draft_sampled']['accepted_per_drafted']}"),
        ("tokens per target call with the draft, k = 4, T = 0 / T = 1",
         f"{run['draft_greedy']['tokens_per_call']} / {run['draft_sampled']['tokens_per_call']}"),
        ("tokens per target call with the bigram, k = 4, T = 0", f"{run['bigram_greedy']['tokens_per_call']}"),
        ("hit rate of the bigram on held-out text", f"{run['bigram_hit_rate_held_out']}"),
        ("one cached step, target / draft, eager", f"{lat['target_step_ms']} ms / {lat['draft_step_ms']} ms"),
        ("latency ratio c = draft step / target step", f"{lat['c']}"),
        ("verifying 5 tokens / decoding 1 (target)", f"{lat['v5']}"),
    ]  # fmt: skip
    lines = ["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    lines += ["", f"Measured with `{COMMAND}` on {figures['hardware']}, {figures['date']}.", ""]
    lines += ["A text of the target (temperature 0.7; the title was given):", "", "```text"]
    lines += [line.rstrip() for line in figures["sample"].strip().split("\n")] + ["```"]
    return "\n".join(lines)


def put_into(page: str, table: str) -> str:
    """The page with the text between the two marks replaced. ValueError if the marks are missing."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"data/README.md must hold {BEGIN!r} and {END!r} once each")
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def write_report(folder, measurements: Path = MEASUREMENTS, readme: Path = README) -> dict:
    """Measure the pair in `folder`, write the figures as JSON and into the README, print the table."""
    from specdec_course.models import load_pair

    training = json.loads((Path(folder) / "training.json").read_text(encoding="utf-8"))
    figures = measure(load_pair(str(folder), device="cpu", dtype=torch.float32))
    write_text(measurements, json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    table = as_table(figures, training)
    page = put_into(readme.read_text(encoding="utf-8"), table)
    write_text(readme, page)
    print(table)
    return figures
