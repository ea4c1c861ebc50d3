"""What a mark depends on: of all the code, that which has a say, and no other."""

import shutil

import pytest

from specdec_course import checks
from specdec_course.common import source
from specdec_course.grading import fingerprint

UNITS = "01_forward_latency 03_greedy_verification 05_kv_cache".split()


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the package's source, and the hashes of three units in it."""
    leave_out = shutil.ignore_patterns("__pycache__", "*.txt", "*.json")
    folder = shutil.copytree(source.FOLDER, tmp_path_factory.mktemp("copy") / source.PACKAGE, ignore=leave_out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "FOLDER", folder)
        yield folder, hashes(folder)
    forget()


@pytest.fixture
def package(copied):
    """The copy; what a test does to it is undone."""
    folder, _ = copied
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    yield folder
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path not in before:
            path.unlink()
    for path, text in before.items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def forget():
    for module in (source, fingerprint):
        for thing in vars(module).values():
            if hasattr(thing, "cache_clear"):
                thing.cache_clear()


def hashes(folder):
    forget()
    return [fingerprint.course_hash(folder, unit) for unit in UNITS]


@pytest.fixture
def changed(copied):
    """The units whose records no longer hold, as things are now."""
    folder, before = copied
    return lambda: [unit[:2] for unit, old, new in zip(UNITS, before, hashes(folder), strict=True) if old != new]


def replaced(path, old, new, count=-1):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, count))


@pytest.mark.slow
@pytest.mark.parametrize("path, units", [
    ("measure/cuda/suite.py", []), ("measure/clocks.py", ["01", "03", "05"]),  # time_call is lent to all that follow
    ("grading/pages/page.py", []), ("grading/nbgrader/gradebook.py", []), ("grading/classroom.py", []),
    ("figures/tokens.py", []), ("cli/__init__.py", []), ("build/notebook.py", []), ("training/loop.py", []),
    ("verification.py", ["03", "05"]), ("decoding/lessons.py", ["03", "05"]),
    ("checks/unit03/statistics.py", ["03"]), ("checks/stages/loops.py", ["03", "05"]),
    ("checks/unit05/memory.py", ["05"]), ("checks/unit06/formula.py", []), ("checks/engine.py", ["01", "03", "05"]),
    ("checks/values.py", ["01", "03", "05"]),
    ("grading/judge.py", ["01", "03", "05"]), ("grading/recover/plan.py", ["01", "03", "05"]),
    ("grading/session/conversation.py", ["01", "03", "05"]), ("grading/room/runner.py", ["01", "03", "05"]),
    ("grading/room/wire/reading.py", ["01", "03", "05"]),
])  # fmt: skip
def test_a_record_holds_until_something_changes_that_its_marks_depend_on(package, changed, path, units):
    with open(package / path, "a") as file:
        file.write("\nLATER = 1\n")
    assert changed() == units


def test_what_is_lent_counts_in_the_units_that_follow(package, changed):
    replaced(package / "checks" / "unit03" / "rule.py", "lent=True", "lent=False")
    assert changed() == ["03", "05"]


def test_what_is_carried_counts_everywhere_for_it_lies_in_every_room(package, changed):
    replaced(package / "theory.py", "class Candidate(NamedTuple):", "class Candidate(NamedTuple):\n    more: int")
    assert changed() == ["01", "03", "05"]


def test_a_module_that_moves_or_is_explained_better_changes_nothing(package, changed):
    old, new = (package / "checks" / "unit03" / f"{name}.py" for name in ("statistics", "counts"))
    old.rename(new)
    replaced(package / "checks" / "unit03" / "__init__.py", "from .statistics import", "from .counts import")
    replaced(new, '"""', '"""Explained better. ', 1)
    new.write_text(new.read_text() + "# and a remark\n")
    replaced(package / "trace.py", '"""One target call: ', '"""One call of the target: ')  # of a class that is carried
    assert changed() == []


def test_the_release_counts(package, changed):
    release = package / "notebooks" / UNITS[1] / f"{UNITS[1]}.ipynb"
    release.parent.mkdir(parents=True, exist_ok=True)
    release.write_text("{}")
    assert changed() == ["03"]


def test_what_is_read_without_running_it_is_what_the_exercises_say():
    said = {one["reference"]: one for one in fingerprint.declared()}
    assert len(said) == len(checks.exercises())
    for exercise in checks.exercises().values():
        one = said[exercise.reference]
        assert one["unit"] == exercise.unit and one.get("lent", False) == exercise.lent
        assert one.get("nearly", ()) == exercise.nearly and one.get("largest", exercise.largest) == exercise.largest
    assert fingerprint.carried() == checks.carried()


def test_what_cannot_be_read_is_named(package):
    path = package / "checks" / "unit03" / "more.py"
    forget()
    path.write_text('HERE = "somewhere"\nmore = Exercise("more", "03", 1.0, HERE, ("", ""))\n')
    with pytest.raises(ValueError, match="unit03.more, line 2.*plain texts and numbers"):
        fingerprint.declared()
