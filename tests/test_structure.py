"""The house: floors, lazy imports, and files that must agree with each other."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "specdec_course"
FLOORS = [
    {"paths", "nearest", "machine"},
    {"sampling", "verification", "theory", "trace", "adaptive"},
    {"corpora", "atlas", "models", "sources", "cache", "profiling", "hub", "fetch", "convert", "gguf",
     "vocabulary", "static", "schedules", "conditioned"},
    {"drafters"},
    {"decoding", "engine", "bild", "training"},
    {"figures", "benchmark", "prediction", "report", "equality", "cuda_suite", "terminal", "doctor", "measure"},
    {"checks"},
    {"grading", "build"},
    {"cli", "demo"},
]


def floor_of(room):
    return next((level for level, rooms in enumerate(FLOORS) if room in rooms), None)


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    """The rooms of this package that a module imports, at the top or inside a function."""
    package = ("specdec_course", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = (*base, *(node.module.split(".") if node.module else ()))
            names = [parts] if len(parts) > 1 else [(*parts, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        else:
            continue
        for parts in names:
            if parts[0] == "specdec_course" and len(parts) > 1:
                yield parts[1]


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_its_own_floor_or_below(path):
    own = floor_of(room_of(path))
    assert own is not None, f"{room_of(path)} is on no floor: add it to FLOORS and to AGENTS.md"
    for room in imported_rooms(path):
        if (PACKAGE / room).with_suffix(".py").exists() or (PACKAGE / room).is_dir():
            assert floor_of(room) <= own, f"{path.name} imports {room}, which is above it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_what_it_knows(path):
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module begins with what it knows and does not"


@pytest.mark.parametrize("code", ["import specdec_course", "import specdec_course.cli"])
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    heavy = "torch transformers datasets matplotlib numpy pandas"
    told = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print([m for m in {heavy.split()} if m in sys.modules])"],
        capture_output=True, text=True, check=True,
    )
    assert told.stdout.strip() == "[]"


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def listed(lines):
    return {r.name.lower(): str(r.specifier) for r in map(Requirement, lines)}


def test_the_conda_environment_is_what_pyproject_says():
    text = (ROOT / "environment.yml").read_text()
    lines = re.findall(r"^ {6}- (\S+)$", text, flags=re.M)
    assert listed(line for line in lines if not line.startswith("-e")) == listed(
        project()["dependencies"] + project()["optional-dependencies"]["instructor"]
    )
    lowest = re.search(r">=([\d.]+)", project()["requires-python"]).group(1)
    assert f"python>={lowest}," in text


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-colab.txt"])
def test_the_pinned_versions_are_in_the_supported_ranges(file):
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
    pinned = {r.name.lower().replace("_", "-"): next(iter(r.specifier)).version for r in map(Requirement, lines)}
    for requirement in map(Requirement, project()["dependencies"]):
        assert requirement.specifier.contains(pinned[requirement.name.lower().replace("_", "-")]), requirement


def test_torch_is_pinned_once():
    assert "torch==2.13.0\n" in (ROOT / "constraints.txt").read_text()
