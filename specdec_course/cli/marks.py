"""Commands about the marks of a class: `export` for learning platforms, `extend` for more time, `leaderboard` for a
page that a class may see. Knows options and how results are printed."""

from __future__ import annotations

from pathlib import Path

import click

from ..common.units import meant
from ..common.whole import write_text
from .classes import GRADEBOOK, RECORDS, ROOT, gradebook_of
from .group import main


def _book(root, given) -> Path:
    path = gradebook_of(root, given)
    if not path.is_file():
        raise ValueError(f"{path} is not there; expected the grade book that specdec grade wrote (--gradebook)")
    return path


@main.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--key", type=click.Choice(["id", "email"]), default="id", show_default=True,
              help="What the platform knows a student by.")
@click.option("--exercises", is_flag=True, help="A column for each exercise too.")
@GRADEBOOK
@ROOT
def export(file, key, exercises, gradebook, root):
    """Write the marks of all units to FILE (CSV): a row per student, as Canvas, Moodle and spreadsheets read it."""
    from ..grading.nbgrader.export import wide_csv
    from ..grading.nbgrader.gradebook import opened

    with opened(_book(root, gradebook)) as book:
        text, without = wide_csv(book, key, exercises)
    write_text(Path(file), text)
    click.echo(f"wrote {file}: {max(0, text.count(chr(10)) - 1)} students")
    if without:
        named = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
        click.echo(f"left out, because the grade book has no e-mail of theirs: {len(without)} ({named}); "
                   "nbgrader db student import FILE brings them")


@main.command()
@click.argument("student")
@click.argument("unit")
@click.argument("more")
@GRADEBOOK
@ROOT
def extend(student, unit, more, gradebook, root):
    """Give STUDENT more time for UNIT: MORE is 2d, 36h, 90m or 1w after its due date; 0 takes it back."""
    from ..grading.nbgrader import roster

    known = sorted(path.parent.name for path in Path(root).glob("notebooks/*/*.ipynb") if path.stem == path.parent.name)
    click.echo(roster.extend(_book(root, gradebook), student, meant(unit, known)[0], roster.span(more)))


@main.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--unit", default="14", show_default=True, help="Number or folder of the unit.")
@click.option("--names", type=click.Path(exists=True, dir_okay=False),
              help="CSV with the columns student and name: what shall be shown of whom.")
@click.option("--real", is_flag=True, help="Show the ids of students; else everybody without a name has an alias.")
@click.option("--aliases", type=click.Path(dir_okay=False), help="Write here (CSV), for you, who is who.")
@click.option("--title", default="Leaderboard", show_default=True)
@RECORDS
@GRADEBOOK
@ROOT
def leaderboard(file, unit, names, real, aliases, title, records_dir, gradebook, root):
    """Write FILE (HTML), a page for the class: what each drafter of the final project reached, under an alias."""
    from ..grading import records
    from ..grading.pages.leaderboard import leaderboard_page, read_names, rows, who_is_who

    book = gradebook_of(root, gradebook)
    folder = Path(records_dir) if records_dir else book.parent / "records"
    if not folder.is_dir():
        raise ValueError(f"{folder} is not there; expected the records that specdec grade wrote (--records)")
    own = [record for (_, its), record in records.read_folder(folder)[0].items() if its[:2] == f"{unit:0>2}"[:2]]
    secret = records.course_secret(book.parent / "grading.secret")
    found = rows(own, read_names(Path(names)) if names else {}, secret, real)
    write_text(Path(file), leaderboard_page(found, title, max((one["maximum"] for one in own), default=0)))
    if aliases:
        write_text(Path(aliases), who_is_who(found))
    click.echo(f"wrote {file}: {len(found)} of {len(own)} submissions of unit {unit[:2]} were measured")
