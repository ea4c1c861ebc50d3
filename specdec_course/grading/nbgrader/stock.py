"""Grades a class with nbgrader's own autograder, one submission at a time.

Knows: nbgrader's folders, its API and its grade book. Does not know: exercises, notebooks' contents. nbgrader
runs the students' code on this machine with your rights, so this is for submissions that you trust.
"""

from __future__ import annotations

import glob
import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ..marks import Mark, marks_table
from ..submissions import find_submissions
from .workspace import environment, silenced, workspace

UNBOXED = (
    "Note: nbgrader's autograder runs the students' code on this machine with your rights, unprotected "
    "(--trust-students says that you know)."
)


def grade_class(
    submitted_dir,
    gradebook,
    feedback=None,
    jobs=1,
    unit=None,
    student=None,
    trust_students=False,
    root=".",
    shard=None,
    scheduler=None,
    show=print,
) -> list[Mark]:
    """Grade every submission below a folder, write nbgrader's grade book, print the marks.

    Args:
        submitted_dir: nbgrader's `submitted` folder: `<student>/<unit>/<unit>.ipynb`. The graded notebooks go
            to `autograded` beside it, where formgrader looks for them.
        gradebook: path of `gradebook.db`; made if it is not there.
        feedback: folder for the feedback pages; None for no feedback.
        jobs: how many submissions to grade at the same time.
        unit, student: grade only this unit (name or number) or this student.
        trust_students: do not print the warning that student code runs unprotected.
        root: the course's root, with `solutions/` and `nbgrader_config.py`.
        shard, scheduler: for several machines; refused, because nbgrader grades on one.
        show: where lines of text go; None for nowhere.

    Returns:
        one Mark per submission, sorted by student and unit. A submission that cannot be graded gets 0 points
        and a status that says why; it never stops the others.

    Raises ValueError when there is nothing to grade, or the course is not there.
    """
    for option, value in (("--shard", shard), ("--scheduler", scheduler)):
        if value is not None:
            raise ValueError(f"{option} does not go with --stock; on one machine use --jobs N")
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; expected the number of submissions to grade at a time, 1 or more")
    submitted, root = Path(submitted_dir).resolve(), Path(root).resolve()
    show = show or (lambda line: None)
    submissions, problems = find_submissions(submitted, unit, student)
    Path(gradebook).resolve().parent.mkdir(parents=True, exist_ok=True)
    for line in problems:
        show(line)
    if not trust_students:
        show(UNBOXED)
    with workspace(submitted, root, feedback) as folder, environment(jobs):
        # Several processes write: one waits for the other, for longer than SQLite's 5 seconds on a busy machine.
        course = (str(folder), str(root), f"sqlite:///{Path(gradebook).resolve()}?timeout=120")
        maxima = {name: register_unit(course, name) for name in sorted({u for _, u in submissions})}
        tasks = [(course, who, what, maxima[what], feedback is not None) for who, what in submissions]
        marks = []
        for mark in _all(tasks, jobs):
            marks.append(mark)
            show(f"[{len(marks)}/{len(tasks)}] {mark.student} {mark.unit}: {mark.status}")
    show(marks_table(marks))
    return marks


def _api(course):
    """nbgrader's API with the course's own nbgrader_config.py; nothing of the machine's or the user's."""
    import logging

    from nbgrader.apps import NbGraderAPI, api
    from nbgrader.converters import Autograde
    from nbgrader.coursedir import CourseDirectory
    from traitlets.log import get_logger

    from specdec_course.build.release import course_config

    folder, root, db_url = course
    config = course_config(Path(root))
    api.Autograde = Autograde  # what the course's settings lead through the box, for formgrader's button
    config.CourseDirectory.update(root=folder, db_url=db_url)
    log = get_logger()
    log.handlers[:] = [logging.NullHandler()]  # what matters comes back in the API's answers
    log.propagate = False
    return NbGraderAPI(coursedir=CourseDirectory(config=config), config=config)


def register_unit(course, unit: str) -> float:
    """Tell the grade book about a unit's cells and points; returns the points of the unit."""
    from nbgrader.api import Gradebook

    folder, root, db_url = course
    if not (Path(root) / "solutions" / unit / f"{unit}.ipynb").is_file():
        return 0.0
    with silenced():
        answer = _api(course).generate_assignment(unit, force=True, create=True)
    if not answer["success"]:
        raise ValueError(f"{unit} cannot be put into the grade book: {_reason(answer)}")
    with Gradebook(db_url) as book:
        return float(book.find_assignment(unit).max_score)


def _all(tasks, jobs: int):
    """The marks of all tasks, in order. nbgrader changes the working directory: processes, not threads."""
    if jobs == 1:
        yield from map(_grade_one, tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_grade_one, tasks)


def _grade_one(task) -> Mark:
    """The mark of one submission; whatever goes wrong ends in its status."""
    course, student, unit, maximum, with_feedback = task
    try:
        if not maximum:
            return Mark(student, unit, 0.0, 0.0, "not graded: the course has no such unit")
        damage = _damage(Path(course[0]) / "submitted" / student / unit, unit)
        if damage:
            return Mark(student, unit, 0.0, maximum, f"not graded: {damage}")
        with silenced():
            return _grade_with_nbgrader(course, student, unit, maximum, with_feedback)
    except Exception as error:  # one damaged submission must not stop the class
        return Mark(student, unit, 0.0, maximum, f"not graded: {type(error).__name__}: {error}")


def _damage(folder: Path, unit: str) -> str:
    """What keeps a submission from being read, in words; "" if nothing does."""
    import nbformat

    path = folder / f"{unit}.ipynb"
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        return f"{path.name} is missing; in the folder: {there}"
    try:
        cells = nbformat.read(path, as_version=4).cells
    except (
        Exception
    ) as error:  # nbformat raises many kinds, down to AttributeError, on files that are no notebooks
        return f"{path.name} is not a readable notebook ({type(error).__name__})"
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in cells]
    twice = sorted({name for name in ids if name and ids.count(name) > 1})
    return f"nbgrader cannot grade a copied cell; there more than once: {', '.join(twice)}" if twice else ""


def _grade_with_nbgrader(course, student: str, unit: str, maximum: float, with_feedback: bool) -> Mark:
    from nbgrader.api import Gradebook

    api = _api(course)
    name = glob.escape(student)  # nbgrader takes a pattern
    answer = api.autograde(unit, name, force=True, create=True)
    if not answer["success"]:
        return Mark(student, unit, 0.0, maximum, f"not graded: {_reason(answer)}")
    with Gradebook(course[2]) as book:
        points = float(book.find_submission(unit, student).score)
    status = "graded"
    if with_feedback:
        outcome = api.generate_feedback(unit, name, force=True)
        status = "graded" if outcome["success"] else f"graded, but no feedback: {_reason(outcome)}"
    return Mark(student, unit, points, maximum, status)


def _reason(answer: dict) -> str:
    """The line of nbgrader's answer that says most: the exception, else the first error it logged."""
    lines = [line.strip() for line in (answer.get("log", "") + "\n" + answer.get("error", "")).splitlines()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception|NotJSON\w*)\b.*:", line)]
    logged = [line.removeprefix("[ERROR] ") for line in lines if line.startswith("[ERROR]")]
    said = re.sub(r"^(\w+\.)+", "", [*raised, *logged, "nbgrader gave no reason"][0])
    return said if len(said) < 200 else said[:200] + "..."
