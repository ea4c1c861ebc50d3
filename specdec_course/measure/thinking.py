"""`python -m specdec_course.measure.thinking`: the four strategies of unit 13 on the bundled models that think,
accuracy against tokens.

Knows: which settings are compared, how sure a share is. Does not know: how a strategy decides (budget), which problems
there are (sums).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from ..common.paths import data_path
from ..common.whole import write_text
from ..corpora import sums
from ..decoding import budget as strategies
from ..decoding.chains import Writer, write_chains
from .machine import machine

LONGEST = 200  # tokens of a chain
BUDGETS = (0, 10, 20, 30, 40, 50, 60, 80)
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
STEPS_STAY = (0.01, 0.1, 0.3, 0.5, 0.9)
MOST = (1, 3, 5, 9)


def interval(hits: int, count: int) -> tuple[float, float]:
    """95 % confidence interval of a share: Wilson's, which is right for shares near 0 and 1, too."""
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def texts_of(problems) -> list[list[int]]:
    return [sums.encode(sums.question(one)).tolist() for one in problems]


def alone(model, problems, temperature: float = 0.0, seed: int = 0) -> list[tuple[bool, int, int]]:
    """A model by itself, on each problem: (right?, tokens, tokens of the large model, which are as many)."""
    chains = write_chains(model, texts_of(problems), LONGEST, [sums.END], temperature, seed)
    return [(sums.is_right(one, sums.decode(chain)), len(chain), len(chain))
            for one, chain in zip(problems, chains, strict=True)]  # fmt: skip


def with_budget(model, problems, budget: int, force_budget: Callable = strategies.force_budget) -> list[tuple]:
    writer, found = Writer(model), []
    for one, prompt in zip(problems, texts_of(problems), strict=True):
        ids, _ = force_budget(writer.next_token, prompt, budget, sums.ANSWER, sums.END)
        spent = len(ids) - len(prompt)
        found.append((sums.is_right(one, sums.decode(ids)), spent, spent))
    return found


def routed(model, problems, threshold: float, route: Callable = strategies.route) -> list[tuple]:
    writer, found = Writer(model), []

    def fast(prompt):
        """The mark, and the answer behind it. The mark is the caller's choice: it is sure."""
        step = writer.step([*prompt, sums.ANSWER], [sums.END], 8)
        return [sums.ANSWER, *step], [1.0, *writer.probabilities([*prompt, sums.ANSWER], step)]

    def slow(prompt):
        return writer.step(prompt, [sums.END], LONGEST)

    for one, prompt in zip(problems, texts_of(problems), strict=True):
        answer, spent = route(fast, slow, prompt, threshold)
        found.append((sums.is_right(one, sums.decode(answer)), spent, spent))
    return found


def in_steps(large, small, problems, threshold: float,
             speculative_step: Callable = strategies.speculative_step) -> list[tuple]:  # fmt: skip
    """Here the last number of each row is what the large model wrote; it read the rest in one pass a step."""
    writer, drafter, found = Writer(large), Writer(small), []
    stops = [sums.STEP, sums.END]
    for one, prompt in zip(problems, texts_of(problems), strict=True):
        written = {"small": 0, "large": 0}

        def small_step(ids, written=written):
            step = drafter.step(ids, stops)
            written["small"] += len(step)
            return step

        def large_step(ids, written=written):
            step = writer.step(ids, stops)
            written["large"] += len(step)
            return step

        ids, _ = speculative_step(small_step, large_step, writer.probabilities, prompt, threshold, sums.END, 20)
        found.append((sums.is_right(one, sums.decode(ids)), sum(written.values()), written["large"]))
    return found


def by_vote(model, problems, most: int, temperature: float = 1.0, seed: int = 0,
            vote_until: Callable = strategies.vote_until) -> list[tuple]:  # fmt: skip
    """The chains of all votes are written beforehand, side by side; those that no vote asked for are not counted."""
    prompts = [prompt for prompt in texts_of(problems) for _ in range(most)]
    chains = write_chains(model, prompts, LONGEST, [sums.END], temperature, seed)
    found = []
    for i, one in enumerate(problems):
        own = chains[i * most : (i + 1) * most]
        answers = iter([sums.answer_in(sums.decode(chain)) for chain in own])
        winner, used = vote_until(lambda answers=answers: next(answers), most)
        spent = sum(map(len, own[:used]))
        found.append((winner == sum(one), spent, spent))
    return found


def point(strategy: str, setting, outcomes, steps) -> dict:
    """A row of the record: one strategy at one setting."""
    hits, count = sum(right for right, _, _ in outcomes), len(outcomes)
    low, high = interval(hits, count)
    return {"strategy": strategy, "setting": setting, "steps": steps, "problems": count,
            "accuracy": round(hits / count, 4), "low": round(low, 4), "high": round(high, 4),
            "tokens": round(sum(one[1] for one in outcomes) / count, 2),
            "large_tokens": round(sum(one[2] for one in outcomes) / count, 2)}  # fmt: skip


def rows(large, small, problems, steps, seed: int = 0) -> Iterator[dict]:
    """All strategies at all settings on these problems, one row at a time."""
    yield point("large alone", "greedy", alone(large, problems), steps)
    small_alone = [(right, spent, 0) for right, spent, _ in alone(small, problems)]
    yield point("small alone", "greedy", small_alone, steps)
    for budget in BUDGETS:
        yield point("length budget", budget, with_budget(large, problems, budget), steps)
    for threshold in THRESHOLDS:
        yield point("fast or slow", threshold, routed(large, problems, threshold), steps)
    for threshold in STEPS_STAY:
        yield point("steps of the small model", threshold, in_steps(large, small, problems, threshold), steps)
    for name, model in (("large", large), ("small", small)):
        for most in MOST:
            outcomes = by_vote(model, problems, most, 1.0, seed)
            outcomes = outcomes if name == "large" else [(right, spent, 0) for right, spent, _ in outcomes]
            yield point(f"vote of the {name} model, T = 1", most, outcomes, steps)


@click.command()
@click.option("--models", default=None, help="Folder of the two models; default: the bundled ones.")
@click.option("--problems", "count", default=120, show_default=True, help="Of each kind.")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "json_file", required=True, type=click.Path(dir_okay=False), help="Where the figures go.")
def main(models, count, seed, json_file):
    """All four strategies, on problems of one or two steps and of five or six."""
    from ..models import load_pair

    pair, found, began = load_pair(str(models or data_path("reasoner"))), [], time.perf_counter()
    for steps in ((1, 2), (5, 6)):
        problems = sums.problems(count, steps, seed)
        for row in rows(pair.target, pair.draft, problems, list(steps), seed):
            found.append(row)
            click.echo(f"{row['steps']} {row['strategy']}, {row['setting']}: right {row['accuracy']:.1%} "
                       f"({row['low']:.1%} to {row['high']:.1%}), {row['tokens']:.1f} tokens, "
                       f"{row['large_tokens']:.1f} of the large model")  # fmt: skip
    record = {
        "what": "four strategies of thinking less: accuracy against tokens, with 95 % intervals (Wilson)",
        "hardware": machine(), "date": time.strftime("%Y-%m-%d"), "source": "data/reasoner, problems drawn from seed "
        f"{seed}", "command": "python -m specdec_course.measure.thinking --json FILE"
        f" --problems {count} --seed {seed}", "minutes": round((time.perf_counter() - began) / 60, 1), "rows": found,
    }  # fmt: skip
    write_text(Path(json_file), json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
