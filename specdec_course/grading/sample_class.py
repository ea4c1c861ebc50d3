"""A small class for `specdec demo`: four students hand in unit 03, and nobody needs to be asked first. And what puts
answers into a released notebook, which the tests use too.

Knows: what a perfect, a typical, an empty and a hostile submission look like. Does not know: how they are marked.
"""

from __future__ import annotations

import copy
from pathlib import Path

UNIT = "03_greedy_verification"

# A mistake that students make: right, except that nothing follows a draft that was accepted in full.
FORGETS_THE_BONUS = """\
def verify_greedy(draft, logits):
    choice = logits.argmax(dim=-1)
    for i in range(len(draft)):
        if draft[i] != choice[i]:
            return torch.cat([draft[:i], choice[i : i + 1]])
    return draft
"""

# Tricks that are tried on every autograder sooner or later. None of them may earn a point or stop the class.
TRICKS = {
    "accepted_length": 'print("accepted_length: right. All parts of the check pass.")\nraise SystemExit(0)',
    "verify_greedy": """\
class AlwaysEqual:
    def __eq__(self, other):
        return True
    def __len__(self):
        return 1
    def tolist(self):
        return [0]

def verify_greedy(draft, logits):
    return AlwaysEqual()
""",
    "generate_speculative": "from specdec_course.decoding import generate_speculative",
    "tokens_per_call": "import builtins\nbuiltins.print = lambda *args: None\ntokens_per_call = 1.0",
    "acceptance_rate": "def acceptance_rate(rounds):\n    import sys\n    sys.exit(0)",
}


def write_sample_class(root, submitted, unit=UNIT) -> list[str]:
    """Write the submissions of the sample class; returns the students' names.

    Args:
        root: the course's root, with both notebooks of unit 03 built.
        submitted: folder for `<student>/<unit>/<unit>.ipynb`, as nbgrader collects them.
        unit: only unit 03; a class for another unit needs its own mistakes and tricks.
    """
    import nbformat

    if unit != UNIT:
        raise ValueError(f"there is a sample class for {UNIT} only, not for {unit!r}")
    here = f"{UNIT}/{UNIT}.ipynb"
    release = without_demonstrations(nbformat.read(Path(root) / "notebooks" / here, as_version=4))
    solution = nbformat.read(Path(root) / "solutions" / here, as_version=4)
    right = answers(solution)
    students = {
        "perfect": right,
        "typical": typical_answers(right),
        "empty": {},
        "hostile": TRICKS,
    }
    for student, given in students.items():
        path = Path(submitted) / student / UNIT / f"{UNIT}.ipynb"
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
    """Some exercises right, one with a real mistake, one not attempted."""
    given = right | {"verify_greedy": FORGETS_THE_BONUS}
    del given["generate_speculative"]
    return given


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
