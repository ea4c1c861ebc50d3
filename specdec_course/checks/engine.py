"""Runs an exercise's check against a student's function and says what is wrong and why.

Knows: how to run parts, how to recognise a known mistake by what it does, how to turn that into a mark. Does not know:
any particular exercise (those stand in unit01, unit02, ...), how a notebook shows a message (see `checks/__init__`),
classes of students.

A part is a function `part(student, rng)` that raises Wrong when a law is broken. It draws its inputs from rng, so the
same seed asks the same questions: a wrong *rule* is recognised by giving the same answers as a known wrong rule.
"""

from __future__ import annotations

import contextlib
import math
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

import torch

from ..common import budget
from . import blind, example, guard, surroundings, values
from .errors import Call, Crash, Different, Done, NotAttempted, OutOfCalls, Wrong
from .exercise import NOT_ATTEMPTED, PARTLY, RIGHT, WRONG, Exercise, Part, Report, ticked
from .subject import Subject


def run_part(exercise: Exercise, part: Part, function: Callable, seed: int, expected: list | None = None):
    """Runs one part; returns what was wrong (None if nothing) and the list of what the function was seen to answer.

    With `expected` answers it raises Different as soon as the function answers something else.
    """
    student = Subject(function, exercise, expected)
    rng = torch.Generator().manual_seed(zlib.crc32(f"{seed} {exercise.name} {part.name}".encode()))
    try:
        with surroundings.of(function):
            part.run(student, rng)
    except Wrong as wrong:
        return wrong, student.seen
    except OutOfCalls as stop:
        return Wrong(
            f"The function you were given was {stop}, far more often than this needs: does your loop always make "
            "progress? Every round has to add at least one token.",
            mistake="endless" if "endless" in exercise.mistakes else None,
        ), [*student.seen, "out of calls"]
    except NotAttempted:
        raise
    except Exception as error:  # an answer of a form that the check was never written for
        return Wrong(
            f"What your function returned could not be read ({type(error).__name__}: {str(error)[:200]}). Is it of the "
            "type and shape that the docstring asks for?"
        ), student.seen
    return None, student.seen


def recognise(exercise: Exercise, results: list[tuple], telling: list[tuple], seed: int, known: dict) -> str | None:
    """The first known mistake that passes and fails the same parts as the student, and in those that are `telling`
    gives the same answers. `known`: what was already found out about rules and parts."""

    def holds(test: Callable, result: tuple, rule: Callable) -> bool:
        key = test, result[0].name, rule
        if key not in known:
            known[key] = test(exercise, result, rule, seed)
        return known[key]

    others = [result for result in results if not any(result is one for one in telling)]
    for mistake in exercise.mistakes.values() if telling else ():
        for rule in mistake.imitate:
            if all(holds(_answers_alike, one, rule) for one in telling) and all(
                holds(_ends_alike, one, rule) for one in others
            ):
                return mistake.id
    return None


def _answers_alike(exercise: Exercise, result: tuple, rule: Callable, seed: int) -> bool:
    part, _, seen = result
    try:
        wrong, same_seen = run_part(exercise, part, rule, seed, seen)
    except Different:
        return False
    return wrong is not None and values.same(seen, same_seen)


def _ends_alike(exercise: Exercise, result: tuple, rule: Callable, seed: int) -> bool:
    part, wrong, _ = result
    return (run_part(exercise, part, rule, seed)[0] is None) == (wrong is None)


def evaluate_exercise(exercise: Exercise, function: Callable, seed: int = 0, seconds: float = budget.AT_HOME) -> Report:
    """The verdict on `function`: every part is run, output is silenced, random state is put back.

    `seconds` bounds the whole check, only so that an endless loop ends; it is far more than any right answer needs. Who
    comes near to what the grader allows is told in time.
    """
    name, began, seconds = exercise.name, time.process_time(), max(seconds, exercise.seconds)
    if not callable(function):
        message = f"`{name}` is {repr(function)[:80]}, not a function: define it with `def {name}(...)`."
        return Report(name, WRONG, 0.0, message)
    results: list[tuple[Part, Wrong | None, list]] = []
    with guard.quiet(), guard.random_state():
        try:
            with guard.time_limit(seconds):
                for part in exercise.parts:
                    results.append((part, *run_part(exercise, part, function, seed)))
        except NotAttempted:
            text = f"{name}: not attempted yet. Write your code in its cell, run it, then run this check again."
            return Report(name, NOT_ATTEMPTED, 0.0, f"{text} For a first hint run `hint({name})`.")
        except guard.Stopped as stop:
            late = Wrong(str(stop))
            results += [(part, late, ["stopped"]) for part in exercise.parts[len(results) :]]
        spent = time.process_time() - began  # to find a mistake's name may take longer: that is no fault of the answer
        found = _diagnose(exercise, results, function, seed, seconds)
        report = _verdict(exercise, results, *found, _ignored(exercise, results, function, seed, seconds))
    report = replace(report, figures={name: value for *_, seen in results
                                      for name, value in getattr(seen, "figures", {}).items()})
    there = hasattr(function, "__surroundings__")
    return report if there or exercise.seconds else _warned(report, spent)


def _warned(report: Report, spent: float) -> Report:
    """The report of a check in a notebook, with a word where the grader would have stopped it."""
    if spent <= budget.GRADED:
        return report
    line = (f"This check took {spent:.1f} seconds of processor time. While your work is graded it may take "
            f"{budget.GRADED:g}, and is stopped then: find out what makes your function slow.")
    return replace(report, message=f"{report.message}\n{line}")


AT_MOST = 0.25  # of the points, for an answer that never looks at one of its arguments


def _ignored(exercise: Exercise, results: list[tuple], function: Callable, seed: int,
             seconds: float) -> tuple | None:
    """The argument that an answer ignores and a call that shows it, if it earned more than such an answer may: one
    that is right in every part, too, where it remembers its answers by the other arguments."""
    if _score(results) <= AT_MOST:
        return None
    rng = torch.Generator().manual_seed(zlib.crc32(f"{seed} {exercise.name} arguments".encode()))
    questions = [question for _, _, seen in results for question in getattr(seen, "asked", ())]
    if questions and any(wrong for _, wrong, _ in results):  # a part ends at what is wrong: there is more that it asks
        questions = [question for part in exercise.parts
                     for question in run_part(exercise, part, exercise.solution, seed)[1].asked]
    with contextlib.suppress(guard.Stopped, OutOfCalls), guard.time_limit(seconds), surroundings.of(function):
        return blind.ignored(exercise, function, questions, rng)
    return None


def _score(results: list[tuple]) -> float:
    total = math.fsum(part.weight for part, _, _ in results)
    return math.fsum(part.weight for part, wrong, _ in results if not wrong) / total


A_LOOK = 3.0  # seconds to look for one mistake


def _observed(exercise: Exercise, function: Callable, seed: int, seconds: float) -> str | None:
    """The first mistake that shows when it is looked for, with questions that no part asks."""
    limit = seconds if hasattr(function, "__surroundings__") else min(seconds, A_LOOK)  # a room has a clock of its own
    for mistake in exercise.mistakes.values():
        if mistake.observe is None:
            continue
        rng = torch.Generator().manual_seed(zlib.crc32(f"{seed} {exercise.name} {mistake.id}".encode()))
        with contextlib.suppress(Exception, guard.Stopped, OutOfCalls):  # it does not get that far: no telling
            with guard.time_limit(limit), surroundings.of(function):
                if mistake.observe(Subject(function, exercise), rng):
                    return mistake.id
    return None


SEEN, ALIKE, GUESS = "seen", "alike", "guess"  # how a mistake is known: by what was done, by all answers, or hardly


def _diagnose(exercise: Exercise, results: list[tuple], function: Callable, seed: int,
              seconds: float) -> tuple[str | None, str]:
    """The mistake to name, and how it is known. A guess is only what went wrong first suggests by itself: a rule that
    gives the same answers in one part and others in another is contradicted by what was seen.

    An exception is no evidence: functions that have nothing in common crash alike.
    """
    wrongs = [wrong for _, wrong, _ in results if wrong]
    if not wrongs or wrongs[0].mistake:
        return (wrongs[0].mistake if wrongs else None), SEEN
    telling = [(part, wrong, seen) for part, wrong, seen in results
               if wrong and not any(isinstance(one, Crash) for one in seen)]
    known: dict = {}
    ended = any("stopped" in seen[-1:] for _, _, seen in results)
    if alike := recognise(exercise, results, telling, seed, known):
        return alike, ALIKE
    seen = ((None if ended else _observed(exercise, function, seed, seconds))
            or next((w.mistake for w in wrongs if w.mistake and not _says_right(exercise, w.mistake)), None))
    return (seen, SEEN) if seen else (wrongs[0].otherwise, GUESS)


def _says_right(exercise: Exercise, mistake: str) -> bool:
    """Whether the mistake is only how long a right answer takes: it is nothing to tell one that is wrong elsewhere."""
    return exercise.mistakes[mistake].message.partition(",")[0] == "Right"


def _verdict(exercise: Exercise, results, diagnosis: str | None, known: str, ignored: tuple | None = None) -> Report:
    if any(wrong for _, wrong, _ in results) and _always_the_same(results):
        message = "Your function gives the same answer to all questions, or none at all."
        diagnosis = diagnosis if known != GUESS else None  # what would explain one part does not explain that
        results = [(part, wrong or Wrong(message), seen) for part, wrong, seen in results]
    wrongs = [wrong for _, wrong, _ in results if wrong]
    score = min(_score(results), AT_MOST) if ignored else _score(results)
    parts = tuple((part.name, wrong is None) for part, wrong, _ in results)
    if not wrongs and not ignored:
        remarks = dict.fromkeys(text for _, _, seen in results for text in getattr(seen, "remarks", ()))
        lines = [f"{exercise.name}: right. All {len(parts)} parts of the check pass.", *remarks]
        return Report(exercise.name, RIGHT, 1.0, "\n".join(lines), None, parts)
    lines = [f"{exercise.name}: not right yet."]
    if ignored and known == GUESS:  # nor what would explain it in an answer that looks at all its arguments
        diagnosis = None
    mistake = exercise.mistakes.get(diagnosis or "")
    if mistake:
        lines.append({SEEN: mistake.message, ALIKE: f"Its answers are those of this mistake: {mistake.message}",
                      GUESS: f"One thing that would explain it: {mistake.message}"}[known])
    # what went wrong first, or what shows the mistake that is named: another part's example would contradict it
    seen = (wrong for wrong in wrongs if mistake and known == SEEN and wrong.mistake == diagnosis)
    first = next(chain(seen, wrongs), None)
    if first and not (mistake and first.message in mistake.message):
        lines.append(first.message)
    shown = example.sentence(first.call, exercise.solution) if first and first.call else None
    lines += [shown] if shown else []
    if ignored:
        lines += _never_looked(exercise, *ignored, bool(wrongs))
    crashed = all(any(isinstance(one, Crash) for one in seen) for _, _, seen in results)
    if len({wrong.message for wrong in wrongs}) == 1 and 1 < len(wrongs) == len(parts):
        lines.append(f"  That ends all {len(parts)} parts of the check.")
    elif crashed and 1 < len(wrongs) == len(parts):
        lines.append(f"  All {len(parts)} parts of the check end with an error in your function.")
    else:
        crosses = sum(not passed for _, passed in parts)
        lines += ["One mistake can fail several parts:"] if crosses > 1 else []
        lines += [ticked(name, passed) for name, passed in parts]
    state = PARTLY if score > 0 else WRONG
    return Report(exercise.name, state, score, "\n".join(lines), diagnosis, parts)


def _never_looked(exercise: Exercise, name: str, call: Call | None, wrong: bool) -> list[str]:
    """What is said of an answer that never changes with one of its arguments; one that is not `wrong` in any part may
    remember what it answered before."""
    lines = [f"Asked again with nothing but `{name}` changed, your function never changed its answer. An answer that "
             f"does not change with one of its arguments earns at most {AT_MOST:.0%} of the points."]
    if wrong:
        return lines
    shown = call and example.sentence(call, exercise.solution)
    return [*lines, *([shown] if shown else []), "If it keeps answers of earlier calls, it has to find them by all of "
            "the arguments."]


def _always_the_same(results) -> bool:
    """Whether the function was only ever seen to give one answer, or to refuse: `return 0` is right now and then, and
    to refuse what is wrong is worth something only if what is right gets an answer. Laws are no answers; and what is
    called for what it does gives none."""
    answers = [one for _, _, seen in results for one in seen if not isinstance(one, dict)]
    if any(isinstance(one, Done) for one in answers):
        return False
    return len(answers) > 1 and all(values.same(one, answers[0]) for one in answers[1:])
