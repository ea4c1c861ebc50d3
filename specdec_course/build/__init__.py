"""From a unit's source to its two notebooks: `solutions/<unit>/<unit>.py` -> `.ipynb` -> `notebooks/<unit>/`.

Knows: where the files of a course lie, and whether they are up to date. The steps are in `source` (reading),
`exercise` and `notebook` (the instructor's version), `release` (the students'). Needs the `[instructor]`
extra.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from ..common.settings import setting
from ..common.units import meant

__all__ = ["build", "unit_names"]


def build(root, units=None, check=False, registry=None, language: str = "") -> list[Path]:
    """Write every notebook of the course that is not up to date.

    Args:
        root: the course's root, with `solutions/`, `notebooks/`, `nbgrader_config.py` and `pyproject.toml`.
        units: folder names or numbers ("03_greedy_verification", "03"); None for all.
        check: write nothing, only say what would be written.
        registry: exercises by name; None for those of `specdec_course.checks`.
        language: build the students' notebooks of this language, such as "zh_CN", into `notebooks/<language>/`, and
            nothing else; only units that have been translated; "" is English.

    Returns:
        the files written (with `check`: those that are not up to date), relative to `root`. Notebooks without
        a source are named by `check` and never deleted.

    Raises ValueError naming the file and what is wrong with it, also when a solution leaks into the release.
    """
    root = Path(root).resolve()
    if registry is None:
        from specdec_course.checks import exercises

        registry = exercises()
    changed = []
    for unit in _chosen(root, units, language):
        for path, text in notebooks_of(root, unit, registry, language).items():
            if not path.is_file() or path.read_bytes() != text.encode():
                changed.append(path.relative_to(root))
                if not check:
                    _keeps_marked_cells(path, text)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(text.encode())
    if check and units is None:
        changed += _orphans(root, language)
    return changed


def notebooks_of(root: Path, unit: str, registry: dict, language: str = "") -> dict[Path, str]:
    """The text of both notebooks of one unit, by path; of a translation the students' one."""
    import nbformat

    from .notebook import as_it_is, folder_number, solution_notebook
    from .release import leaks, release_text
    from .translated import sayer

    number = folder_number(unit)
    exercises = {name: e for name, e in registry.items() if e.unit == number}
    source, repository = root / "solutions" / unit / f"{unit}.py", setting(root, "repository", "")
    say = sayer(source, language) if language else as_it_is
    solution = solution_notebook(source, exercises, _install_source(root), repository, language, say)
    release = release_text(solution, root)
    left = leaks(solution, nbformat.reads(release, as_version=4))
    if left:
        shown = "\n  ".join(left)
        raise ValueError(f"{source}: the students' notebook would show lines of a solution:\n  {shown}")
    if language:
        return {root / "notebooks" / language / unit / f"{unit}.ipynb": release}
    return {
        source.with_suffix(".ipynb"): nbformat.writes(solution) + "\n",
        root / "notebooks" / unit / f"{unit}.ipynb": release,
    }


def _keeps_marked_cells(path: Path, text: str) -> None:
    """Raises ValueError where a notebook holds questions that a person marks and its source does not make: somebody
    added them by hand, and they would be lost."""
    try:
        lost = sorted(_by_hand(path.read_text(encoding="utf-8")) - _by_hand(text))
    except (OSError, ValueError, KeyError, TypeError):  # no notebook yet, or none that holds anything
        return
    if lost:
        raise ValueError(f"{path} holds questions that are marked by hand and that its source does not make: "
                         f"{', '.join(lost)}. Building would drop them: give them an assignment of their own, which no "
                         "source makes, and delete them there")


def _by_hand(text: str) -> set[str]:
    """nbgrader's names of the cells of a notebook that a person marks."""
    marks = [cell["metadata"].get("nbgrader", {}) for cell in json.loads(text)["cells"]]
    return {about["grade_id"] for about in marks if about.get("task") or (about.get("grade") and about.get("solution"))}


def unit_names(root) -> list[str]:
    """The folder names of all units that have a source, in order."""
    return sorted(p.parent.name for p in Path(root).glob("solutions/*/*.py") if p.stem == p.parent.name)


def _chosen(root: Path, units, language: str) -> list[str]:
    known = unit_names(root)
    if known and language:
        from .translated import is_known, is_translated

        is_known(language)
        known = [unit for unit in known if is_translated(root / "solutions" / unit / f"{unit}.py", language)]
    if not known:
        raise ValueError(f"{root} is not the root of the course: it has no solutions/<unit>/<unit>.py")
    if units is None:
        return known
    wanted = [units] if isinstance(units, str) else list(units)
    return [unit for said in wanted for unit in meant(said, known)]


def _install_source(root: Path) -> str:
    """What the setup cell hands to pip: `install` in `[tool.specdec]` of pyproject.toml."""
    path = root / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["specdec"]["install"]
    except (OSError, KeyError) as error:
        raise ValueError(
            f"{path} does not say where the package is installed from; add\n[tool.specdec]\ninstall = '...'"
        ) from error


def _orphans(root: Path, language: str) -> list[Path]:
    """Notebooks that no source makes."""
    known = set(_chosen(root, None, language))
    if language:
        found = root.glob(f"notebooks/{language}/*/*.ipynb")
        return sorted(p.relative_to(root) for p in found if p.stem not in known or p.parent.name != p.stem)
    found = [*root.glob("notebooks/*/*.ipynb"), *root.glob("solutions/*/*.ipynb")]
    return sorted(p.relative_to(root) for p in found if p.stem not in known or p.parent.name != p.stem)
