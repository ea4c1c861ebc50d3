"""What is judged a second time, so that nobody loses points to a matter of form: an exercise that is answered twice,
an answer that calls a wrong answer to an earlier exercise, a second version of the whole notebook.

Knows: which judgement counts, what is said of it. Does not know: how an answer is judged (`judge`), how versions are
found (`recover`), how two reports become one (`checks.follow`).
"""

from __future__ import annotations

from dataclasses import replace

from .. import checks
from ..checks import follow
from ..checks.exercise import Report
from .recover import Step


def best(sitting, step: Step, found: dict[str, Report]) -> Report:
    """The report on an exercise: on the answer that counts in the notebook; if that is not right, on another one that
    is written for it, where that earns more."""
    report = by_itself(sitting, step, found)
    for turn, (where, cell, source) in enumerate(step.others, start=1):
        if report.passed:
            break
        extra = Step(source, None, cell, "answer")
        sitting.ran.append(extra)
        sitting.carry_out(extra)
        second = by_itself(sitting, step, found, turn)
        if second.score > report.score:
            report = replace(second, message=_with_note(second.message, f"Of several answers, {where} was taken: it "
                                                        "earns the most."))
        else:
            sitting.ran.pop()
            sitting.start_over()
    return report


def by_itself(sitting, step: Step, found: dict[str, Report], turn: int = 0) -> Report:
    """The report on an exercise as it stands; where earlier answers that it calls are not right, with the package's
    functions in their place. `turn`: see `Sitting.judged`."""
    report = sitting.judged(step.exercise, turn=turn)
    cells = dict(step.calls)
    blamed = follow.to_blame(cells, lambda name: _state(found.get(name), cells[name]))
    if report.passed or report.diagnosis == "borrowed" or not blamed:
        return report
    judging, known = checks.exercise(step.exercise), checks.exercises()
    instead = {name: known[name].reference for name in blamed
               if known[name].lent and follow.leads_to(known[name], judging, known)}
    second = sitting.judged(step.exercise, instead, turn) if instead else None
    return follow.joined(judging, report, second, blamed, sitting.follow_on)


def _state(report: Report | None, cell: int) -> str | None:
    """How an earlier exercise stands when it is called; `cell`: where it was defined once more since."""
    if report is None:
        return None
    return f"right at its test cell, but defined again in cell {cell}" if cell and report.passed else report.state


def _with_note(message: str, note: str) -> str:
    head, _, rest = message.partition("\n")
    return "\n".join([head, note, *([rest] if rest else [])])


def compared(judged: list[tuple]) -> tuple[int, list[str], list[str]]:
    """(which version counts, remarks for the student, flags for the instructor).

    Args:
        judged: (submission, points) of each version, in the order in which they were found.
    """
    place = max(range(len(judged)), key=lambda i: judged[i][1])  # the first of equals
    if len(judged) == 1:
        return place, [], []
    taken, points = judged[place]
    said = "; ".join(f"{one.title}: {len(one.answers)} answered, {earned:g} points" for one, earned in judged)
    fuller = [one.title for one, _ in judged if len(one.answers) > len(taken.answers)]
    flags = [f"{', '.join(fuller)} answers more exercises than {taken.title}, which was graded"] if fuller else []
    return place, [f"Several versions were judged, and the best one counts. {said}."], flags
