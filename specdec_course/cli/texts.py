"""Commands that decode and measure: `generate`, `bench`, `profile`. Knows options and how results are printed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from .group import JSON_OPTION, PAIR_OPTION, chosen_pair, main, model_options, write_json


class DraftLength(click.ParamType):
    """A number, or the name of a schedule."""

    name = "number|auto|heuristic"

    def convert(self, value, param, ctx):
        return int(value) if str(value).lstrip("-").isdigit() else value


K_OPTION = click.option("--k", default="4", type=DraftLength(), show_default=True, help="Draft length, or a schedule.")
DTYPE_OPTION = click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16", "int8"]),
    help="Precision; default: what suits the pair and the device. int8, on a CPU, rounds the weights: another model.",
)
HEADS_OPTION = click.option("--heads", type=click.Path(exists=True, file_okay=False),
                            help="Folder of Medusa heads; default: those of the bundled pair.")
DRAFTERS = (  # as drafters.named has them
    "model", "bigram", "ngram", "lookup", "suffix", "corpus", "combined", "medusa", "eagle", "glide", "cape",
    "parallel", "trusted", "none",
)  # fmt: skip


class DrafterName(click.ParamType):
    """A name of DRAFTERS, or several."""

    name = "drafter"

    def get_metavar(self, param, ctx=None):
        return f"[{'|'.join(DRAFTERS)}|A+B]"

    def convert(self, value, param, ctx):
        for one in value.split("+"):
            if one not in DRAFTERS:
                self.fail(f"there is no drafter {one!r}; expected {', '.join(DRAFTERS)}, or several joined by +", param,
                          ctx)
        return value


@main.command()
@model_options
@click.option(
    "--drafter",
    type=DrafterName(),
    default="model",
    show_default=True,
    help="Who guesses. Without a model: tables (bigram, ngram), copies from the text itself (lookup, suffix), "
    "from a corpus, or the three in turn (combined). medusa: a tree, by heads on the target's own states; "
    "eagle: a chain, by a draft that reads them; glide: by one that looks into its cache; "
    "cape: by this one, with more candidates where it is less sure; "
    "parallel: by one that guesses all of it in one pass; "
    "trusted: copies from the text and guesses from counts, as far as they can be trusted. "
    "Several, as suffix+model, are asked in turn until one has a guess.",
)
@HEADS_OPTION
@click.option("--corpus", default="atlas", show_default=True,
              help="Text for bigram, ngram, corpus, combined, trusted: atlas (atlas:4000 for 4000 articles), "
              "wikitext-2, a file; for trusted also a folder that `specdec train counts` wrote (smollm2 has its own).")
@click.option("--prompt", help="Text to continue.")
@click.option("--prompts", "prompts_file", type=click.Path(dir_okay=False), help="File of prompts (.jsonl or text).")
@click.option("--chat", is_flag=True, help="Put each prompt into the tokenizer's chat template, as what a user says.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many prompts.")
@K_OPTION
@click.option("--max-new-tokens", default=64, show_default=True)
@click.option("--min-new-tokens", default=0, show_default=True, help="No end of text before so many.")
@click.option("--stop", "stop_strings", multiple=True, metavar="TEXT",
              help="End behind the token that completes this text; \\n is a line break. May be repeated.")
@click.option("--temperature", default=0.0, show_default=True)
@click.option("--top-k", type=int)
@click.option("--top-p", type=float)
@click.option("--min-p", type=float, help="Keep tokens at least so many times as probable as the likeliest.")
@click.option("--repetition-penalty", type=click.FloatRange(min=0, min_open=True), metavar="FACTOR",
              help="Above 1: what is in the text already becomes less likely (as in Hugging Face's generate).")
@click.option("--seed", default=0, show_default=True)
@click.option("--engine", type=click.Choice(["eager", "compiled"]), default="eager", show_default=True)
@DTYPE_OPTION
@click.option("--ignore-eos", is_flag=True, help="Write on where the model would end the text.")
@click.option("--verify", is_flag=True, help="Compare every greedy text with Hugging Face's own generate.")
@JSON_OPTION
def generate(
    pair_name, target, draft, drafter, heads, corpus, prompt, prompts_file, chat, limit, k, max_new_tokens,
    min_new_tokens, stop_strings, repetition_penalty, seed, engine, dtype, ignore_eos, verify, json_file, **how
):
    """Continue prompts, speculatively; print the text coloured by round and the tokens per target call."""
    from ..corpora import prompts
    from ..decoding.ends import ends_of, law_until_end
    from ..decoding.engine import finished, generate_rounds
    from ..drafters.named import named_drafter
    from ..measure.equality import library_text, verdict
    from ..measure.machine import machine
    from ..sampling import Sampling
    from .terminal import show_rounds, summary

    sampling = Sampling(**how, processors=_penalties(repetition_penalty))
    if verify and not sampling.greedy:
        raise ValueError("--verify compares greedy texts; leave out --temperature")
    pair = chosen_pair(pair_name, target, draft, dtype=_dtype(dtype))
    proposer = named_drafter(drafter, pair, corpus, say=click.echo, heads=heads)
    eos = None if ignore_eos else sorted(ends_of(pair.target, "model"))
    ending = {"min_new_tokens": min_new_tokens, "tokenizer": pair.tokenizer,
              "stop_strings": [stop.replace("\\n", "\n") for stop in stop_strings]}
    outputs, equal = [], []
    for number, ids in enumerate(prompts(pair.tokenizer, prompt, prompts_file, limit, chat), 1):
        rounds = generate_rounds(pair.target, ids, proposer, k, sampling, max_new_tokens, eos, seed, engine, **ending)
        shown = prompts_file is None and prompt is not None
        outputs.append(show_rounds(rounds, pair.tokenizer) if shown else finished(rounds))
        said = ""
        if verify:
            asked = ending | {"repetition_penalty": repetition_penalty}
            asked = {name: value for name, value in asked.items() if value}
            theirs = library_text(pair.target, ids, max_new_tokens, eos, **asked).cpu()
            law = law_until_end(sampling, frozenset(eos or ()), len(ids), min_new_tokens)
            good, words = verdict(pair.target, outputs[-1].tokens, theirs, law(len(ids)))
            equal.append({"good": good, "said": words})
            said = f", {words}"
        click.echo(f"{number:4d}  {summary(outputs[-1:])}{said}")
    click.echo(f"{machine()}: {summary(outputs)}")
    if verify:
        same = sum(e["said"].startswith("equal") for e in equal)
        click.echo(f"{same} of {len(equal)} texts equal Hugging Face's generate, token for token"
                   + ("" if same == len(equal) else f"; {sum(e['good'] for e in equal) - same} part at a close call"))
    traces = [vars(out.trace) | {"rounds": [vars(r) for r in out.trace.rounds]} for out in outputs]
    write_json(json_file, {"machine": machine(), "k": k, "traces": traces, "equal": equal})
    sys.exit(0 if all(e["good"] for e in equal) else 1)


def _dtype(name: str | None):
    import torch

    return getattr(torch, name) if name else None


def _penalties(repetition_penalty) -> list:
    if repetition_penalty is None:
        return []
    from transformers import RepetitionPenaltyLogitsProcessor

    return [RepetitionPenaltyLogitsProcessor(repetition_penalty)]


@main.command()
@model_options
@click.option("--k", default=4, show_default=True, type=click.IntRange(min=1), help="Draft length of the fixed rows.")
@click.option("--prompts", "prompts_file", type=click.Path(dir_okay=False), help="File of prompts; default: Atlas.")
@click.option("--limit", default=4, show_default=True, type=click.IntRange(min=1))
@HEADS_OPTION
@click.option("--corpus", default="atlas", show_default=True, help="Text for bigram, n-gram and corpus.")
@click.option("--max-new-tokens", default=128, show_default=True, type=click.IntRange(min=2))
@click.option("--temperature", default=0.0, show_default=True)
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--engine", type=click.Choice(["eager", "compiled"]), default="compiled", show_default=True)
@DTYPE_OPTION
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a picture (.png) here.")
@click.option("--note", default="", help="What else is to be known of the machine: it goes into the figures.")
@click.option("--methods", is_flag=True,
              help="Measure instead speculation beside Medusa heads, the draft model alone, and several texts at once: "
              "for one reader, for the machine, and what is lost. k is the best unless --k says it; the engine is "
              "eager, in which alone texts run side by side, unless --engine says otherwise.")
@click.option("--batch", default=4, show_default=True, type=click.IntRange(min=1), help="For --methods: texts at once.")
@click.option("--server", "servers", multiple=True, metavar="URL",
              help="Measure instead a server with OpenAI's protocol; may be repeated, the first is what others are "
              "compared with. Takes --prompts, --limit, --max-new-tokens, --temperature, --repeats.")
@click.option("--model", metavar="NAME", help="Of the server's models this one; default: its first.")
@click.option("--chat", is_flag=True, help="Ask the server for chats: each prompt is what a user says.")
@click.option("--ignore-eos", is_flag=True,
              help="Send `ignore_eos`, so that every text is as long as asked (vLLM, SGLang).")
@click.option("--key-variable", metavar="NAME", help="The environment variable that holds the server's key.")
@click.option("--cuda-suite", is_flag=True, help="Measure instead all that needs a GPU; run again, it goes on.")
@click.option("--part", "parts", multiple=True, help="Of the suite only this part; may be repeated.")
@click.option("--seconds", type=click.IntRange(min=1), help="The suite begins nothing new after so many seconds.")
@click.option("--quick", is_flag=True, help="The suite with small models, to see that everything works.")
@click.option("--out", default="data/measurements", show_default=True, type=click.Path(file_okay=False),
              help="Folder of the suite's records.")
@JSON_OPTION
def bench(
    pair_name, target, draft, servers, model, chat, ignore_eos, key_variable, cuda_suite, parts, seconds, quick, out,
    dtype, json_file, plot, note, methods, batch, **how
):
    """Ways to decode side by side (ours, Hugging Face's), and why each is as fast as it is.

    With --server, servers instead: what of their speculation they count themselves.
    """
    _check_options(bool(servers), methods)
    if servers:
        asked = {"model": model, "chat": chat, "ignore_eos": ignore_eos, "key_variable": key_variable}
        _bench_servers(servers, json_file, asked, how)
        return
    if cuda_suite:
        from ..measure.cuda import run

        outcome = run(Path(out), say=click.echo, only=parts, seconds=seconds, quick=quick)
        write_json(json_file, outcome)
        sys.exit(1 if outcome["failed"] else 0)
    from ..measure.methods import methods as run_methods
    from ..measure.report import bench as run_bench

    pair = chosen_pair(pair_name, target, draft, dtype=_dtype(dtype))
    said = {"pair": None if target else pair_name, "target": target, "draft": draft, "dtype": dtype,
            "heads": how["heads"], "prompts": how["prompts_file"]}
    said = {name: value for name, value in said.items() if value}
    if methods:
        how |= {name: other for name, other in (("k", None), ("engine", "eager")) if _left_to_us(name)}
        write_json(json_file, run_methods(pair, said, batch=batch, note=note, say=click.echo, **how))
        return
    report = run_bench(pair, said, say=click.echo, note=note, **how)
    write_json(json_file, report)
    if plot:
        from ..figures.speeds import speed_figure

        speed_figure(report).savefig(plot)


OF_A_SERVER = ("model", "chat", "ignore_eos", "key_variable")
OF_THE_PACKAGE = ("pair_name", "target", "draft", "k", "heads", "corpus", "engine", "dtype", "plot", "note", "methods",
                  "batch", "cuda_suite", "parts", "seconds", "quick", "out")  # fmt: skip
OF_METHODS, NOT_OF_METHODS = ("batch",), ("plot", "cuda_suite", "parts", "seconds", "quick", "out")


def _check_options(server: bool, methods: bool) -> None:
    """ValueError for an option that means nothing with --server or --methods, or without it."""
    _refuse(OF_THE_PACKAGE if server else OF_A_SERVER,
            "{} does not go with --server: what that runs is said where it is started" if server
            else "{} is about a server: say which, with --server URL")  # fmt: skip
    if not server:
        _refuse(NOT_OF_METHODS if methods else OF_METHODS,
                "{} does not go with --methods: leave one of them out" if methods
                else "{} is about several texts at once: it goes with --methods")  # fmt: skip


def _refuse(names, said: str) -> None:
    for name in names:
        if not _left_to_us(name):
            options = click.get_current_context().command.params
            raise ValueError(said.format(next(one.opts[0] for one in options if one.name == name)))


def _left_to_us(name: str) -> bool:
    """Whether the user has not said this option."""
    return click.get_current_context().get_parameter_source(name) == click.core.ParameterSource.DEFAULT


def _bench_servers(servers, json_file, asked, how) -> None:
    """What was measured is printed and written even where a server fails on the way."""
    from ..common.paths import data_path
    from ..corpora import prompts
    from ..corpora.texts import read_prompts
    from ..measure.server import measure
    from ..models.loading import load_tokenizer

    variable = asked.pop("key_variable")
    if variable and not os.environ.get(variable):
        raise ValueError(f"the environment variable {variable} is empty; expected the server's key in it")
    if how["prompts_file"]:
        texts = read_prompts(how["prompts_file"], how["limit"])
    else:
        tokenizer = load_tokenizer(data_path("classroom", "tokenizer"))
        texts = [tokenizer.decode(ids) for ids in prompts(tokenizer, limit=how["limit"], chat=asked["chat"])]
    settings = {name: how[name] for name in ("max_new_tokens", "temperature", "repeats")}
    report = measure(servers, texts, **asked, **settings, key=variable and os.environ[variable], say=click.echo)
    write_json(json_file, report)
    if report["failure"]:
        raise ValueError(report["failure"])


@main.command()
@PAIR_OPTION
@click.option("--max-tokens", default=256, show_default=True, type=click.IntRange(min=1))
@click.option("--repeats", default=10, show_default=True, type=click.IntRange(min=1))
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a picture (.png) here.")
@click.option("--record", is_flag=True, help="Measure eager and compiled, as a record for data/measurements.")
@click.option("--cpu-time", is_flag=True, help="For --record: CPU seconds of one thread (a shared machine).")
@JSON_OPTION
def profile(pair_name, max_tokens, repeats, plot, record, cpu_time, json_file):
    """Time the target's forward pass over 1, 2, 4, ... tokens and name the free region."""
    from ..measure.clocks import flat_region, latency_profile
    from ..measure.machine import machine
    from ..measure.profiles import record_profile
    from ..models import as_forward, load_pair, vocabulary_size

    target = load_pair(pair_name, say=click.echo).target
    lengths = [2**i for i in range(max_tokens.bit_length())]
    if record:
        curves = record_profile(target, lengths, repeats, cpu_time, say=click.echo)
        write_json(json_file, {"kind": "latency", "hardware": machine(), "curves": curves})
        return
    seconds = latency_profile(as_forward(target), lengths, vocabulary_size(target), repeats)
    click.echo(machine())
    for length, time in seconds.items():
        click.echo(f"{length:6d} tokens {1000 * time:9.2f} ms {time / seconds[1]:7.2f} x one token")
    click.echo(f"free region: up to {flat_region(seconds)} tokens within 25 % of one token's time")
    write_json(json_file, {"machine": machine(), "seconds": seconds})
    if plot:
        from ..figures.latency import latency_figure

        latency_figure({machine(): seconds}).savefig(plot)
