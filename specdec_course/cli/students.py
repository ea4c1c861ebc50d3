"""Commands for students: `notebooks`, `lab` and `progress`.

Knows: where the student notebooks lie, that nothing of a student's is ever overwritten, and what checks kept. Does not
know: what is in a notebook.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from ..common.paths import bundled
from ..common.units import meant
from ..common.whole import write_bytes
from .group import main

FOLDER = "specdec-notebooks"
WITHOUT_TOOLS = Path(__file__).parent / "lab"  # a configuration of JupyterLab: nbgrader's instructor tools are off


LANGUAGE = click.option("--language", help="In this language, such as zh_CN; default: English.")


@main.command()
@click.argument("folder", default=FOLDER, type=click.Path(file_okay=False, path_type=Path))
@click.option("--unit", help="Only this unit (number or folder).")
@LANGUAGE
def notebooks(folder, unit, language):
    """Write the student notebooks into FOLDER (specdec-notebooks). What is there already stays as it is."""
    for path, state in write_notebooks(folder, unit, language):
        click.echo(f"{state}: {path}")
    click.echo(f"Begin with `specdec lab {folder}`, or open them in Jupyter, VS Code or Colab. To hand one in, send "
               "your instructor its .ipynb file, or use your JupyterHub's Submit button.")


@main.command()
@click.argument("folder", default=FOLDER, type=click.Path(file_okay=False, path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@LANGUAGE
def lab(folder, options, language):
    """Open the student notebooks in JupyterLab, written into FOLDER (specdec-notebooks) where they are not there.

    OPTIONS behind -- are JupyterLab's: specdec lab FOLDER -- --no-browser --port 8899.
    """
    for path, state in write_notebooks(folder, None, language):
        click.echo(f"{state}: {path}")
    command = shutil.which("jupyter-lab", path=Path(sys.executable).parent) or shutil.which("jupyter-lab")
    if command is None:
        raise ValueError("JupyterLab is not installed: pip install jupyterlab. The notebooks are in "
                         f"{folder}; VS Code or Colab open them as well")
    settings = os.pathsep.join(filter(None, [str(WITHOUT_TOOLS), os.environ.get("JUPYTER_CONFIG_PATH")]))
    call = [command, "--notebook-dir", str(folder), *options]
    sys.exit(subprocess.call(call, env=os.environ | {"JUPYTER_CONFIG_PATH": settings}))


@main.command()
def progress():
    """Show how far you are in every unit, as your checks last saw it."""
    from ..checks import board, panel

    click.echo(panel.standing(board()).text)


def write_notebooks(folder: Path, unit: str | None, language: str | None = None) -> list[tuple[Path, str]]:
    """Copies each student notebook to <folder>/<unit>/<unit>.ipynb, unless there is one: (path, what was done). A unit
    that has not been translated comes in English."""
    source = bundled("notebooks")
    units = sorted(one.name for one in source.iterdir() if (one / f"{one.name}.ipynb").is_file())
    languages = sorted(one.name for one in source.iterdir() if one.is_dir() and any(one.glob("*/*.ipynb")))
    if language and language not in languages:
        raise ValueError(f"there are no notebooks in {language!r}; there are some in: {', '.join(languages)}; without "
                         "--language they are in English")
    done = []
    for name in meant(unit, units):
        here = source / (language or "") / name / f"{name}.ipynb"
        translated = here.is_file()
        fresh = (here if translated else source / name / f"{name}.ipynb").read_bytes()
        path = folder / name / f"{name}.ipynb"
        if path.exists() or path.is_symlink():
            same = path.is_file() and path.read_bytes() == fresh
            done.append((path, "there already" if same else "kept, with your work (for a new one rename it first)"))
        else:
            done.append((write_bytes(path, fresh), "wrote" if translated else "wrote, in English"))
    return done
