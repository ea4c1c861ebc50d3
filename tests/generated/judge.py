"""What the check makes of generated answers: which differ from the right one, which of those it fails, what is left."""

import contextlib
import inspect
from dataclasses import dataclass, field

from specdec_course.checks import guard
from specdec_course.checks.engine import evaluate_exercise, run_part
from specdec_course.checks.errors import Different, NotAttempted

from . import clock, differ
from .equal import EQUAL
from .habits import blind, habits
from .mutate import mutants

SEED = 0  # the notebook's


@dataclass
class Tally:
    """What became of the generated answers of one exercise."""

    exercise: str
    generated: int = 0
    different: int = 0
    caught: int = 0
    named: int = 0
    survivors: list[str] = field(default_factory=list)
    allowed: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def answers(exercise):
    """Every generated answer but the blind ones: (label, answer)."""
    yield from mutants(exercise.solution)
    if not inspect.isclass(exercise.solution):
        yield from habits(exercise)


def tally(exercise, named=False, only=None, seed=SEED, most=None) -> Tally:
    """Generates, sorts out what does not differ, and runs the check on the rest; `only` takes every so many-th, `most`
    so many in all."""
    only = only or most and -(-sum(1 for _ in answers(exercise)) // most)
    found, right = Tally(exercise.name), differ.outcomes(exercise, exercise.solution)
    assert right != ["no end"], f"{exercise.name}: the scenes take too long"
    for number, (label, answer) in enumerate(answers(exercise)):
        if only and number % only:
            continue
        found.generated += 1
        if differ.alike(differ.outcomes(exercise, answer), right, differ.close(exercise)):
            found.lines.append(f"same       {label}")
            continue
        found.different += 1
        reason = EQUAL.get((exercise.name, label))
        caught, diagnosis = verdict(exercise, answer, seed, named)
        found.caught += caught
        found.named += bool(diagnosis)
        found.lines.append(f"{'caught' if caught else 'SURVIVES':10} {label}{f'  [{diagnosis}]' if diagnosis else ''}")
        if not caught and reason:
            found.allowed.append((label, reason))
        elif not caught:
            found.survivors.append(label)
    return found


def verdict(exercise, answer, seed, named=False) -> tuple[bool, str | None]:
    """(whether the check fails it, the mistake it names). Without `named` the first part that fails is enough."""
    with clock.virtual():
        if named:
            report = evaluate_exercise(exercise, answer, seed)
            return not report.passed, report.diagnosis
        with guard.quiet(), guard.random_state(), contextlib.suppress(NotAttempted, Different):
            try:
                with guard.time_limit(20.0):
                    return any(run_part(exercise, part, answer, seed)[0] for part in exercise.parts), None
            except guard.Stopped:
                pass
    return True, None


def blind_scores(exercise, seeds=(0, 1, 12), only=1) -> list[tuple[str, float]]:
    """[(label, largest share of the points)] of the answers that never look; the right ones among them left out. `only`
    takes every so many-th."""
    if inspect.isclass(exercise.solution):
        return []
    right, scores = differ.outcomes(exercise, exercise.solution), []
    with clock.virtual():
        made = list(blind(exercise))
    for label, answer in made[::only]:
        if not label.startswith("replays"):
            if differ.alike(differ.outcomes(exercise, answer), right, differ.close(exercise)):
                continue
        with clock.virtual():
            fresh = [dict(blind(exercise))[label] for _ in seeds] if "first" in label else [answer] * len(seeds)
            reports = [evaluate_exercise(exercise, one, seed) for one, seed in zip(fresh, seeds, strict=True)]
            scores.append((label, max(report.score for report in reports)))
    return scores
