"""Brings the grade book's cells of a unit to what its notebook holds now, submissions or not, where nbgrader refuses.

Knows: nbgrader's tables of cells. Does not know: marks; those of a cell that is dropped go with it.
"""

from __future__ import annotations

from pathlib import Path


def bring_up_to_date(book, unit: str, solution: Path) -> list[str]:
    """Drop the cells that the solution notebook no longer has and add those that are new; lines that say so.

    Nothing is done where the grade book does not know the unit, or has no submissions of it: nbgrader does that itself.
    """
    import nbformat
    from nbgrader.api import Comment, Grade, MissingEntry
    from nbgrader.utils import is_grade, is_locked, is_solution

    try:
        notebook = book.find_notebook(unit, unit)
    except MissingEntry:
        return []
    if not notebook.submissions:
        return []
    cells = [cell for cell in nbformat.read(solution, as_version=4).cells if "nbgrader" in cell.metadata]
    named = {cell.metadata.nbgrader.get("grade_id"): cell for cell in cells}
    wanted = {
        "grade": [name for name, cell in named.items() if is_grade(cell)],
        "solution": [name for name, cell in named.items() if is_solution(cell)],
        "source": [name for name, cell in named.items() if is_grade(cell) or is_solution(cell) or is_locked(cell)],
    }
    there = {"grade": notebook.grade_cells, "solution": notebook.solution_cells, "source": notebook.source_cells}
    gone = [cell for kind, known in there.items() for cell in known if cell.name not in wanted[kind]]
    left = sorted({cell.name.removeprefix("grade_") for cell in gone})
    known = {kind: {cell.name for cell in found} for kind, found in there.items()}
    for cell in gone:
        for row in (Grade, Comment):
            book.db.query(row).filter(row.cell_id == cell.id).delete(synchronize_session="fetch")
        book.db.delete(cell)
    book.db.commit()
    book.db.expire_all()
    new = {kind: [name for name in wanted[kind] if name not in known[kind]] for kind in wanted}
    for name in new["grade"]:
        cell = named[name]
        book.add_grade_cell(name, unit, unit, max_score=float(cell.metadata.nbgrader["points"]), cell_type="code")
    for name in new["solution"]:
        book.add_solution_cell(name, unit, unit)
    for name in new["source"]:
        book.add_source_cell(name, unit, unit, cell_type=named[name].cell_type, source=named[name].source)
    _empty_rows(book, unit)
    added = sorted({name.removeprefix("grade_") for names in new.values() for name in names})
    lines = [f"{unit}: {', '.join(left)} left the grade book, scores too: the unit has it no more"] if left else []
    return lines + ([f"{unit}: {', '.join(added)} came into the grade book"] if added else [])


def _empty_rows(book, unit: str) -> None:
    """A grade and a comment for every cell of every submission, as nbgrader makes them for new submissions."""
    from nbgrader.api import Comment, Grade

    notebook = book.find_notebook(unit, unit)
    for submission in notebook.submissions:
        graded = {grade.cell_id for grade in submission.grades}
        commented = {comment.cell_id for comment in submission.comments}
        book.db.add_all(Grade(cell_id=c.id, notebook=submission) for c in notebook.grade_cells if c.id not in graded)
        book.db.add_all(
            Comment(cell_id=c.id, notebook=submission) for c in notebook.solution_cells if c.id not in commented
        )
    book.db.commit()
