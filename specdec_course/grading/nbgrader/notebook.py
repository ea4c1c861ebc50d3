"""Runs one notebook in a fresh kernel and reads the points that its test cells show.

Knows: kernels, and what the outputs of a test cell mean. Does not know: classes, grade books, what is right.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BONUS = "application/vnd.specdec.bonus+json"  # the form in which `grade` shows the points of a bonus exercise


def run_notebook(notebook, timeout=600, threads=None, tell=None):
    """Execute a notebook the way Colab does: in an empty folder, with nothing but the installed package.

    Args:
        notebook: an nbformat notebook, or the path of one; it is not changed.
        timeout: seconds per cell.
        threads: how many threads torch may use; None leaves that to torch.
        tell: is called with the number of each cell (from 1) before it is run.

    Returns:
        an executed copy. Cells that raise do not stop it: look at the outputs.
    """
    import nbformat
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    if isinstance(notebook, (str, Path)):
        notebook = nbformat.read(notebook, as_version=4)
    executed = copy.deepcopy(notebook)
    env = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    with tempfile.TemporaryDirectory(prefix="empty-folder-") as folder:
        manager = AsyncKernelManager(kernel_spec_manager=_this_python())
        client = NotebookClient(
            executed,
            km=manager,
            timeout=timeout,
            iopub_timeout=120,
            allow_errors=True,
            resources={"metadata": {"path": folder}},
            on_cell_start=None if tell is None else lambda cell, cell_index: tell(cell_index + 1),
        )
        # What student code writes to the descriptors themselves is no output of a cell: it stays off the terminal.
        # The manager is ours, so nbclient would leave its kernel running.
        client.execute(cleanup_kc=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return executed


def _this_python():
    """Whatever kernel a notebook asks for, it gets the Python that runs this, not one of the user's own."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="this Python", language="python")

    return ThisPython()


def run_and_mark(path: Path, tell=None) -> list[tuple[str, float, float, str]]:
    """Execute a notebook and read its test cells: (exercise, points, maximum, the first line of what its check said).

    `tell` is called with (number of the cell that begins, number of all). The maximum of a bonus exercise is 0: 100 %
    needs none. Raises ValueError when the file is no notebook of the
    course, or its kernel dies.
    """
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises many kinds on files that are no notebooks
        raise ValueError(f"{path} is not a readable notebook ({type(error).__name__})") from error
    if not any(map(is_test, notebook.cells)):
        raise ValueError(f"{path} has no test cells; expected a notebook of the course, see notebooks/")
    try:
        executed = run_notebook(notebook, tell=tell and (lambda number: tell(number, len(notebook.cells))))
    except RuntimeError as error:  # nbclient's DeadKernelError
        raise ValueError(f"running {path} ended its kernel (out of memory, or a crash): {error}") from error
    checks = {cell.get("id", ""): cell for cell in executed.cells if cell.cell_type == "code"}
    return [_mark(cell, checks) for cell in executed.cells if is_test(cell)]


def is_test(cell) -> bool:
    """Whether this is a cell whose value is points."""
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade", False)


def _mark(cell, checks: dict) -> tuple[str, float, float, str]:
    maximum = float(cell.metadata.nbgrader["points"])
    name = cell.metadata.nbgrader["grade_id"].removeprefix("grade_")
    raised = [output for output in cell.outputs if output.output_type == "error"]
    if raised:
        return name, 0.0, maximum, f"{raised[0].ename}: {raised[0].evalue}"
    said = printed(checks.get(f"check_{name}", cell)).strip() or printed(cell).strip() or "nothing was said"
    points = min(shown_value(cell), maximum) if maximum else shown_bonus(cell)
    return name, points, maximum, said.splitlines()[0]


def printed(cell) -> str:
    """What an executed cell has written to stdout, and the text of what it has displayed."""
    shown = {"stream": lambda o: o.text if o.name == "stdout" else "",
             "display_data": lambda o: "" if BONUS in o.data else str(o.data.get("text/plain", "")) + "\n"}
    return "".join(shown[o.output_type](o) for o in cell.outputs if o.output_type in shown)


def shown_value(cell) -> float:
    """The value of an executed cell's last line as a number; 0.0 if it is none."""
    values = [o.data.get("text/plain", "") for o in cell.outputs if o.output_type == "execute_result"]
    try:
        return max(0.0, float(values[-1]))
    except (IndexError, ValueError):
        return 0.0


def shown_bonus(cell) -> float:
    """The bonus points that a test cell's output shows; 0.0 if none, or if they are not a sensible number."""
    for output in cell.get("outputs", []):
        bonus = output.get("data", {}).get(BONUS, {})
        points = bonus.get("points") if isinstance(bonus, dict) else None
        if isinstance(points, (int, float)) and 0 <= points < 100:
            return float(points)
    return 0.0
