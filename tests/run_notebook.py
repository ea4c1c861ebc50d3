"""For authors of units: `python tests/run_notebook.py NOTEBOOK...` prints slow cells, points and errors."""

import sys
import time
from pathlib import Path

from dateutil.parser import parse

from specdec_course.grading.nbgrader.notebook import is_test, run_notebook, shown_bonus, shown_value


def errors(executed) -> list[str]:
    """Every exception that the notebook shows, as "cell: what"."""
    return [
        f"{cell.id}: {output.ename}: {output.evalue}"
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]


def noise(executed) -> list[str]:
    """Whatever the notebook shows on stderr: warnings, progress bars."""
    return [
        f"{cell.id}: {output.text[:200]}"
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]


def seconds(cell) -> float:
    """How long a cell took."""
    times = cell.metadata.get("execution", {})
    if "shell.execute_reply" not in times or "iopub.execute_input" not in times:
        return 0.0
    return (parse(times["shell.execute_reply"]) - parse(times["iopub.execute_input"])).total_seconds()


def main(paths) -> int:
    failed = False
    for path in map(Path, paths):
        start = time.perf_counter()
        executed = run_notebook(path, timeout=3000, threads=1)
        print(f"{path}: {time.perf_counter() - start:.1f} s")
        for cell in executed.cells:
            if cell.cell_type == "code" and seconds(cell) > 0.5:
                print(f"  {seconds(cell):6.1f} s  {cell.id}: {cell.source.splitlines()[0][:70]}")
        for cell in filter(is_test, executed.cells):
            points, maximum = shown_value(cell), cell.metadata.nbgrader["points"]
            print(f"  {cell.id}: {points:g} of {maximum:g}, bonus {shown_bonus(cell):g}")
        for line in [f"ERROR {e}" for e in errors(executed)] + [f"STDERR {n}" for n in noise(executed)]:
            print(f"  {line}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
