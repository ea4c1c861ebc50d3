"""Commands about the course and its classes: `build`, `grade`, `merge`, `check`, `demo`. Knows options and how results
are printed; grading and building are rooms of their own."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import click

from ..common import budget
from .group import JSON_OPTION, main, write_json


@main.command()
@click.option("--unit", "units", multiple=True, help="Only this unit (number or folder); may be repeated.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a notebook is not up to date.")
@click.option("--root", default=".", show_default=True, type=click.Path(file_okay=False), help="Root of the course.")
@click.option("--language", help="Build the notebooks of this language, such as zh_CN; default: English.")
@click.option("--update", is_flag=True, help="With --language: bring its PO files up to date, for translators.")
def build(units, check, root, language, update):
    """Rebuild the notebooks from solutions/<unit>/<unit>.py."""
    from ..build import build as build_course

    if update:
        _update_translations(Path(root), language)
        return
    changed = build_course(root, units or None, check, language=language or "")
    for path in changed:
        click.echo(f"{'stale' if check else 'wrote'}: {path}")
    if not changed:
        click.echo("every notebook is up to date")
    sys.exit(1 if check and changed else 0)


def _update_translations(root: Path, language: str | None) -> None:
    from ..build.wanted import update
    from ..checks import exercises

    if not language:
        raise ValueError("--update brings translations up to date: say of which language, as --language zh_CN")
    written = update(root, language, exercises())
    click.echo("\n".join(f"wrote: {path}" for path in written) or "every PO file asks for what the sources say")


GRADEBOOK = click.option(
    "--gradebook", type=click.Path(dir_okay=False),
    help="nbgrader's; default: what nbgrader_config.py says (CourseDirectory.db_url), else gradebook.db.",
)
ROOT = click.option("--root", default=".", show_default=True, type=click.Path(exists=True, file_okay=False))
RECORDS = click.option("--records", "records_dir", type=click.Path(file_okay=False),
                       help="Folder of the records; default: records beside the grade book.")
FEEDBACK = click.option("--feedback", type=click.Path(file_okay=False),
                        help="Folder for the students' pages and your report.")
CSV = click.option("--csv", type=click.Path(dir_okay=False), help="Write the marks here, as nbgrader export does.")
MARKS_JSON = click.option("--json", "json_file", type=click.Path(dir_okay=False),
                          help="Write the records here too; - for stdout, and nothing else there.")


def gradebook_of(root, given: str | None) -> Path:
    """The grade book that was given, else the one that the course's nbgrader_config.py names, else gradebook.db."""
    if given is not None:
        return Path(given)
    if not (Path(root) / "nbgrader_config.py").is_file():
        return Path("gradebook.db")  # what follows says that this is no course
    from ..build.release import course_config

    said = str(course_config(Path(root)).CourseDirectory.get("db_url", "") or "")
    if not said:
        return Path("gradebook.db")
    if not said.startswith("sqlite:///"):
        raise ValueError(f"nbgrader_config.py keeps the grade book at {said.split('@')[-1]!r}; specdec grade writes "
                         "SQLite files: expected sqlite:///gradebook.db, or --gradebook FILE, and nbgrader's own "
                         "export from there")
    return Path(root) / said.removeprefix("sqlite:///").partition("?")[0]


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
@click.option("--seconds", default=budget.GRADED, show_default=True, type=click.FloatRange(min=0.1),
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
    options["gradebook"] = gradebook_of(options["root"], options["gradebook"])
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

    options["gradebook"] = gradebook_of(options["root"], options["gradebook"])
    show = functools.partial(click.echo, err=json_file == "-")
    _write_records(json_file, merge_records(records, show=show, **options))


@main.command()
@click.argument("notebook", type=click.Path(exists=True, dir_okay=False))
@JSON_OPTION
@click.option("--gradescope", type=click.Path(dir_okay=False), help="Write the points as Gradescope's results.json.")
def check(notebook, json_file, gradescope):
    """Run NOTEBOOK in a fresh kernel and print the points of every exercise. The file is not changed.

    It runs with your rights: for your own notebook, or for people whom you trust.
    """
    from ..grading.nbgrader.notebook import run_and_mark

    click.echo(f"running {notebook} in a fresh kernel; with all its figures that takes minutes", err=True)

    def tell(number, cells):
        click.echo(f"\rcell {number} of {cells} ", nl=False, err=True)

    marks = run_and_mark(Path(notebook), tell if sys.stderr.isatty() else None)
    if sys.stderr.isatty():
        click.echo("\r" + " " * 30 + "\r", nl=False, err=True)
    for name, points, maximum, said in marks:
        click.echo(f"{name:28}{points:>6g} of {maximum:g}  {said}")
    click.echo(f"{'total':28}{sum(m[1] for m in marks):>6g} of {sum(m[2] for m in marks):g}")
    write_json(json_file, [dict(zip(("exercise", "points", "maximum", "said"), mark, strict=True)) for mark in marks])
    write_json(gradescope, None if gradescope is None else {"tests": [
        {"name": name, "score": points, "max_score": maximum, "output": said} for name, points, maximum, said in marks
    ]})  # fmt: skip


@main.command()
@click.option("--root", default=".", show_default=True, type=click.Path(exists=True, file_okay=False))
def demo(root):
    """Build the course, grade a small class with the real grader, decode with the bundled pair."""
    from .demo import run

    run(Path(root))
