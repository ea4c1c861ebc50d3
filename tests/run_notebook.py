"""Runs a notebook the way Colab does: in an empty folder, with nothing but the installed package.

As a script: `python tests/run_notebook.py NOTEBOOK...` prints the time of every slow cell and every error.
"""

import copy
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient


class ThisPython(KernelSpecManager):
    """Whatever kernel a notebook asks for, it gets the Python that runs the tests, not a user's own."""

    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="this Python", language="python")


def run_notebook(notebook, timeout=600, threads=None):
    """An executed copy of `notebook`; cells that raise do not stop it, so look at the outputs.

    Args:
        notebook: an nbformat notebook, or the path of one.
        timeout: seconds per cell.
        threads: how many threads torch may use; None leaves that to torch.
    """
    if not isinstance(notebook, nbformat.NotebookNode):
        notebook = nbformat.read(notebook, as_version=4)
    executed = copy.deepcopy(notebook)
    env = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    with tempfile.TemporaryDirectory(prefix="empty-folder-") as folder:
        manager = AsyncKernelManager(kernel_spec_manager=ThisPython())
        client = NotebookClient(
            executed, km=manager, timeout=timeout, allow_errors=True, resources={"metadata": {"path": folder}}
        )
        client.execute(env=env)
    return executed


def errors(executed) -> list[str]:
    """Every exception that the notebook shows, as "cell: what"."""
    return [
        f"{cell.id}: {output.ename}: {output.evalue}"
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]


def shown(cell) -> str:
    """What a cell has printed to stdout."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def value(cell) -> str | None:
    """The value of a cell's last line as text, None if it has none."""
    values = [o.data["text/plain"] for o in cell.outputs if o.output_type == "execute_result"]
    return values[-1] if values else None


def seconds(cell) -> float:
    """How long a cell took."""
    from dateutil.parser import parse

    times = cell.metadata.get("execution", {})
    if "shell.execute_reply" not in times or "iopub.execute_input" not in times:
        return 0.0
    return (parse(times["shell.execute_reply"]) - parse(times["iopub.execute_input"])).total_seconds()


def main(paths):
    failed = False
    for path in map(Path, paths):
        start = time.perf_counter()
        executed = run_notebook(path)
        print(f"{path.name}: {time.perf_counter() - start:.1f} s")
        for cell in executed.cells:
            if cell.cell_type == "code" and seconds(cell) > 0.5:
                print(f"  {seconds(cell):6.1f} s  {cell.id}: {cell.source.splitlines()[0][:70]}")
        for cell in executed.cells:
            if cell.id.startswith("grade_"):
                print(f"  {cell.id}: {value(cell)} of {cell.metadata.nbgrader['points']}")
        for error in errors(executed):
            print(f"  ERROR {error}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
