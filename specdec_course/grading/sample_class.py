"""A small class for `specdec demo`: four students hand in a unit, and nobody needs to be asked first. And what puts
answers into a released notebook, which the tests use too.

Knows: what a perfect, a typical, an empty and a hostile submission look like. Does not know: how they are marked, any
single exercise.
"""

from __future__ import annotations

import copy
from itertools import cycle
from pathlib import Path

from .. import checks

# Tricks that are tried on every autograder sooner or later. None of them may earn a point or stop the class.
TRICKS = (
    'print("NAME: right. All parts of the check pass.")\nraise SystemExit(0)',
    """\
class AlwaysEqual:
    def __eq__(self, other):
        return True
    def __len__(self):
        return 1
    def tolist(self):
        return [0]

def NAME(*given):
    return AlwaysEqual()
""",
    "from MODULE import NAME",
    "import builtins\nbuiltins.print = lambda *args: None\nNAME = 1.0",
    "def NAME(*given):\n    import sys\n    sys.exit(0)",
)


def write_sample_class(root, submitted, unit: str) -> list[str]:
    """Write the submissions of the sample class; returns the students' names.

    Args:
        root: the course's root, with both notebooks of the unit built.
        submitted: folder for `<student>/<unit>/<unit>.ipynb`, as nbgrader collects them.
        unit: the name of the unit's folder.
    """
    import nbformat

    here = f"{unit}/{unit}.ipynb"
    release = without_demonstrations(nbformat.read(Path(root) / "notebooks" / here, as_version=4))
    right = answers(nbformat.read(Path(root) / "solutions" / here, as_version=4))
    students = {"perfect": right, "typical": typical_answers(right), "empty": {}, "hostile": tricks(list(right))}
    for student, given in students.items():
        path = Path(submitted) / student / unit / f"{unit}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(filled_in(release, given), path)
    return list(students)


def without_demonstrations(notebook):
    """A copy with the setup, the exercises and the text only: what counts for a mark, in a tenth of the time."""
    kept = copy.deepcopy(notebook)
    kept.cells = [cell for cell in kept.cells if cell.cell_type != "code" or _counts(cell)]
    return kept


def _counts(cell) -> bool:
    return "nbgrader" in cell.metadata or cell.id == "setup" or cell.id.startswith("check_")


def typical_answers(right: dict[str, str]) -> dict[str, str]:
    """Some exercises right, one with a real mistake (the first of whose slips is known), the next one not attempted."""
    names = list(right)
    slipped = next((name for name in names if checks.exercise(name).slip), names[0])
    given = right | {slipped: checks.exercise(slipped).slip or f"{slipped} = None"}
    return {name: text for name, text in given.items() if name not in names[names.index(slipped) + 1 :][:1]}


def tricks(names: list[str]) -> dict[str, str]:
    """An attempt to get points for nothing, by exercise."""
    modules = [checks.exercise(name).reference.partition(":")[0] for name in names]
    found = zip(names, modules, cycle(TRICKS), strict=False)
    return {name: trick.replace("NAME", name).replace("MODULE", module) for name, module, trick in found}


def answers(solution) -> dict[str, str]:
    """The text of every solution cell of a notebook, by exercise."""
    return {
        cell.metadata.nbgrader["grade_id"]: cell.source
        for cell in solution.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def filled_in(release, given: dict[str, str]):
    """A copy of the students' notebook with the answers in `given` written into their cells.

    Raises ValueError when there is no cell for one of the answers.
    """
    notebook = copy.deepcopy(release)
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    for name, text in given.items():
        if name not in cells:
            known = ", ".join(filter(None, cells))
            raise ValueError(f"the notebook has no cell for {name!r}; it has {known}")
        cells[name].source = text
    return notebook
