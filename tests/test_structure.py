"""The house: floors, lazy imports, and files that must agree with each other."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from specdec_course.checks import exercises

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "specdec_course"
FLOORS = [
    {"common", "languages", "_moved"},
    {"sampling", "verification", "theory", "trace"},
    {"corpora", "models", "cache"},
    {"drafters"},
    {"decoding"},
    {"measure"},
    {"training", "figures"},
    {"checks"},
    {"grading", "build"},
    {"cli"},
]
METHOD = {"sampling", "verification", "theory", "trace"}  # what people come to read: modules of their own, at the top
LONGEST = 350  # lines of a file
WORDS = {"residual", "speedup", "compatible"}  # exercises that are words of the language too


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


def test_only_the_method_stands_at_the_top():
    assert {path.stem for path in PACKAGE.glob("*.py")} == METHOD | {"__init__", "_moved"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_can_be_read_at_one_sitting(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def test_no_module_imports_itself_by_a_detour():
    """Not even late, inside a function: then none of the circle can be understood, tested or moved alone."""
    names = {module_name(path): path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in METHOD}
    uses = {name: {one for one in imported_modules(path) if one in names} - {name} for name, path in names.items()}
    while free := [name for name in uses if not uses[name] & uses.keys() or not any(name in u for u in uses.values())]:
        for name in free:
            del uses[name]
    assert not uses, f"imports go round in a circle among {sorted(uses)}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "grading").rglob("*.py")), ids=lambda path: path.stem)
def test_grading_knows_no_unit_and_no_exercise(path):
    """What the room needs of one, the exercise or its unit declares. Not even an import inside a function."""
    units = [one for one in imported_modules(path) if re.search(r"\bchecks\.unit", one)]
    assert not units, f"{path.name} imports {units}"
    names = {one.id for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Name)}
    texts = {one.value for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Constant)}
    words = {word for text in texts if isinstance(text, str) for word in re.findall(r"\w+", text)}
    known = {exercise.name for exercise in exercises().values()} & (names | words) - WORDS
    assert not known, f"{path.name} names {known}"


def module_name(path):
    parts = ("specdec_course", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path):
    """The modules that a module imports; of a package's names, those that are modules."""
    package = ("specdec_course", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            home = ".".join((*base, *(node.module.split(".") if node.module else ())))
            inner = {f"{home}.{alias.name}" for alias in node.names}
            found = {name for name in inner if (ROOT / Path(*name.split("."))).with_suffix(".py").exists()}
            yield from found
            if len(found) < len(inner):
                yield home
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", [one for one in MODULES if re.search(r"checks/unit\d\d/", str(one))],
                         ids=lambda path: str(path.relative_to(PACKAGE)))  # fmt: skip
def test_no_units_checks_lean_on_another_units(path):
    """What units share stands in `checks/stages`: then a unit can be changed, or left out, alone."""
    others = [one for one in imported_modules(path) if "checks.unit" in one and path.parent.name not in one]
    assert not others, f"imports {others}: what units share belongs in checks/stages"


OLD_PATHS = """
    profiling:time_call profiling:DATASHEETS profiling:flat_region benchmark:compare machine:machine static:static_model
    vocabulary:PROBE engine:generate atlas:articles adaptive:optimal_stop bild:generate_bild measure:replay
    sources:in_hub_cache paths:cache_path cache:CachedModel decoding:greedy_decode models:as_forward
    corpora:held_out_prompts drafters:ModelDrafter grading.bonus:SaveBonus checks:evaluate
""".split()


@pytest.mark.parametrize("path", OLD_PATHS)
def test_import_paths_of_the_first_version_still_work(path):
    module, _, name = path.partition(":")
    if module == "grading.bonus":
        pytest.importorskip("nbgrader")
    code = f"from specdec_course.{module} import {name}; import specdec_course.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_module_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("specdec_course.never")
    with pytest.raises(AttributeError, match="measure.clocks now"):
        _ = importlib.import_module("specdec_course.profiling").never


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
    lines = re.findall(r"^ {6}- (.+)$", text, flags=re.M)
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
