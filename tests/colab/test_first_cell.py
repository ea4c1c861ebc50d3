"""Every unit as a stranger opens it in Colab: one notebook, an empty folder, Colab's package versions, no course.

`make test-colab` runs this with the Python whose environment holds what Colab ships (constraints-colab.txt). The
wheel of the course lies in the folder, as if it had been uploaded. Not shown here: Colab's page, its GPU, its network.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from run_notebook import errors, noise, seconds

from specdec_course.grading.nbgrader.notebook import is_test, shown_value

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted(path.parent.name for path in ROOT.glob("notebooks/*/*.ipynb"))
OURS, ITS_OWN = "specdec_course", {"pip", "setuptools"}  # a new environment brings these along

# The names that notebooks use of google.colab, with the behaviour that needs no browser.
GOOGLE_COLAB = {
    "__init__.py": "from google.colab import drive, files, output, userdata\n",
    "drive.py": "def mount(mountpoint, **how):\n    print(f'Mounted at {mountpoint}')\n",
    "files.py": "def upload():\n    return {}\n\n\ndef download(filename):\n    pass\n",
    "output.py": "def enable_custom_widget_manager():\n    pass\n\n\ndef eval_js(script):\n    pass\n",
    "userdata.py": "def get(key):\n    raise KeyError(key)\n",
}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True)
    (built,) = folder.glob("*.whl")
    return built


class Environment:
    """A Python that sees what Colab ships, and into which alone the first cell can install."""

    def __init__(self, folder: Path):
        venv.create(folder, with_pip=True)
        self.python = folder / "bin" / "python"
        self.packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        # What is installed beside this test, without the course: an installation from its sources leaves a folder of
        # its name there, too.
        shipped = folder / "shipped"
        shipped.mkdir()
        for one in Path(sysconfig.get_path("purelib")).iterdir():
            if OURS not in one.name:
                (shipped / one.name).symlink_to(one)
        (self.packages / "shipped.pth").write_text(f"{shipped}\n")
        colab = self.packages / "google" / "colab"
        colab.mkdir(parents=True)
        for name, text in GOOGLE_COLAB.items():
            (colab / name).write_text(text)
        kernel = folder / "share" / "jupyter" / "kernels" / "python3"
        kernel.mkdir(parents=True, exist_ok=True)
        about = {"argv": [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                 "display_name": "Python 3", "language": "python"}
        (kernel / "kernel.json").write_text(json.dumps(about))
        self.data = kernel.parents[1]

    def installed(self) -> set[str]:
        found = importlib.metadata.distributions(path=[str(self.packages)])
        return {one.metadata["Name"].lower().replace("-", "_") for one in found} - ITS_OWN

    def without_the_course(self) -> None:
        subprocess.run([self.python, "-m", "pip", "uninstall", "--quiet", "--yes", OURS], check=True)


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("colab") / "environment")


@pytest.fixture
def colab(environment, monkeypatch):
    environment.without_the_course()
    monkeypatch.setenv("JUPYTER_PATH", str(environment.data))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(environment.data))
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab-external")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return environment


def run(unit, folder, colab) -> nbformat.NotebookNode:
    notebook = nbformat.read(ROOT / "notebooks" / unit / f"{unit}.ipynb", as_version=4)
    # Widgets' state and outputs are not in what students get: an upload begins clean.
    assert not any(cell.get("outputs") for cell in notebook.cells) and "widgets" not in notebook.metadata
    client = NotebookClient(notebook, timeout=1200, kernel_name="python3", record_timing=True, allow_errors=True,
                            resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel(env={**os.environ, "OMP_NUM_THREADS": "1"}):
        for place, cell in enumerate(notebook.cells):
            client.execute_cell(cell, place)
    return notebook


@pytest.mark.parametrize("unit", UNITS)
def test_one_notebook_and_the_wheel_are_enough(unit, wheel, colab, tmp_path, capsys):
    (tmp_path / wheel.name).symlink_to(wheel)
    assert OURS not in colab.installed()
    notebook = run(unit, tmp_path, colab)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    with capsys.disabled():
        print(f"\n{unit}: first cell {seconds(first):.0f} s, whole notebook "
              f"{sum(seconds(cell) for cell in notebook.cells if cell.cell_type == 'code'):.0f} s")
    assert errors(notebook) == []
    assert [line for line in noise(notebook) if "pip" not in line] == []
    tests = [cell for cell in notebook.cells if is_test(cell)]
    assert tests and [shown_value(cell) for cell in tests] == [0.0] * len(tests), "untouched work earns nothing"
    # Whatever else stands here now took the place of something that Colab ships.
    assert colab.installed() == {OURS}


def test_without_the_wheel_the_first_cell_says_what_to_do(colab, tmp_path):
    notebook = run(UNITS[0], tmp_path, colab)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    (said,) = [output for output in first.outputs if output.output_type == "error"]
    assert said.ename == "SystemExit" and "Ask your instructor" in said.evalue and ".whl" in said.evalue
    assert colab.installed() == set()
