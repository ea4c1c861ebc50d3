"""Makes the notebook that students get out of the solution notebook, with nbgrader's own steps.

Knows: nbgrader's release pipeline and the course's `nbgrader_config.py`, so `nbgrader generate_assignment`
writes the same bytes; and how to prove that no solution is left. Does not know: exercises, sources.
"""

from __future__ import annotations

import io
import sys
import tokenize
from pathlib import Path

# A line with fewer tokens (`return best`, `k = len(draft)`) says too little to give a solution away.
TELLING = 8


def release_text(notebook, root: Path) -> str:
    """The student notebook as text: solutions replaced by the stub, test cells locked, checksums set.

    Args:
        notebook: the solution notebook (nbformat); it is not changed.
        root: the course's root, where nbgrader_config.py lies.
    """
    from nbconvert.exporters import NotebookExporter
    from nbgrader.converters import GenerateAssignment
    from nbgrader.preprocessors import SaveCells

    config = course_config(root)
    config.Exporter.default_preprocessors = []
    exporter = NotebookExporter(config=config)
    for step in GenerateAssignment.preprocessors.default_args[0]:
        if step is not SaveCells:  # it writes to the grade book; everything else only changes the notebook
            exporter.register_preprocessor(step)
    return exporter.from_notebook_node(notebook, resources={})[0]


def course_config(root: Path):
    """What the course's nbgrader_config.py says, as a traitlets Config. Modules beside it, such as a late policy of the
    course's own, can be imported from now on. ValueError if it is not there, or stops."""
    from traitlets.config.loader import PyFileConfigLoader

    if not (root / "nbgrader_config.py").is_file():
        raise ValueError(f"{root} is not the root of the course: there is no nbgrader_config.py in it")
    if str(root) not in sys.path:
        sys.path.append(str(root))  # at the end: nothing that lies there hides a library
    try:
        return PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    except (Exception, SystemExit) as error:  # it is a program, and may raise anything
        raise ValueError(f"{root / 'nbgrader_config.py'} stopped with {type(error).__name__}: {error}") from error


def leaks(solution, release) -> list[str]:
    """Lines of the solutions that can still be read in the release, as "cell: line"; empty if there are none.

    Args:
        solution, release: the two notebooks (nbformat).

    A line leaks when all of its tokens stand in one line of the release, spacing and comments apart. Lines
    that are too short to tell anything are left out.
    """
    secret = {line for cell in solution.cells for line in _solution_lines(cell.source)}
    found = []
    for cell in release.cells:
        for line in cell.source.splitlines():
            squeezed = "".join(line.split())
            found += [f"{cell.id}: {line.strip()}" for answer in secret if answer in squeezed]
    return sorted(set(found))


def _solution_lines(source: str) -> set[str]:
    """The telling lines between the solution marks of a cell, without spaces and comments."""
    inside, lines = False, set()
    for line in source.splitlines():
        if "### BEGIN SOLUTION" in line:
            inside = True
        elif "### END SOLUTION" in line:
            inside = False
        elif inside:
            tokens = _tokens(line.strip())
            if len(tokens) >= TELLING:
                lines.add("".join("".join(tokens).split()))
    return lines


# Tokens that are not part of what a line says.
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def _tokens(line: str) -> list[str]:
    tokens = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.type not in SILENT:
                tokens.append(token.string)
    except (tokenize.TokenError, IndentationError):
        pass  # a line of a statement that goes on below: the tokens up to its end are what we want
    return tokens
