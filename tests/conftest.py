"""Two lines at the end of the run: how many right answers passed, how many mutants failed, how many were named; and
the table of the hostile submissions.

And how tests are dealt out to processes.
"""

import os

import pytest

# Workers share two cores: one thread each. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(scope="session", autouse=True)
def nobodys_progress(tmp_path_factory):
    """What checks remember of a student's progress is not that of whoever runs the tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(autouse=True, scope="session")
def fewer_prompts():
    """The final project's drafters are tried on a third of the prompts: they are asked many times here."""
    from specdec_course.measure import project

    project.PROMPTS //= 3


def pytest_terminal_summary(terminalreporter):
    """Counts by unit, from the outcomes that the workers reported."""
    counts = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            if "test_answers.py::test_a_" in report.nodeid and report.when == "call":
                kind = "right answers passed" if "test_a_right" in report.nodeid else "mutants failed and named as due"
                good, total = counts.get(kind, (0, 0))
                counts[kind] = (good + (outcome == "passed"), total + 1)
    for kind, (good, total) in counts.items():
        terminalreporter.write_line(f"{kind}: {good} of {total}")
    hostile_table(terminalreporter)


def hostile_table(terminalreporter):
    """A line for each hostile submission: points due and got, what the student reads first, whether all is as due."""
    rows = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            found = dict(report.user_properties).get("row")
            if found and report.when == "call":
                rows.append([*found, "ok" if outcome == "passed" else "NOT OK"])
    rows.sort(key=lambda row: (int("".join(filter(str.isdigit, row[0]))), row[0]))
    for number, title, due, got, told, ok in rows:
        told = " ".join(told.split()).encode("ascii", "backslashreplace").decode()
        line = f"{number:>4} {title[:60]:60} {due:>6} {got:>5} {ok:6} {told[:90]}"
        terminalreporter.write_line(line.rstrip(), red=ok != "ok")
    if rows:
        good = sum(row[-1] == "ok" for row in rows)
        terminalreporter.write_line(f"hostile submissions marked and answered as due: {good} of {len(rows)}")


# Files whose tests look at one class of students, which is graded once and takes minutes: one process runs the file.
# (pytest-xdist's own xdist_group does not work with pytest 9.2: https://github.com/pytest-dev/pytest-xdist/issues/1386)
ONE_PROCESS = ("test_nbgrader.py", "test_grading.py", "test_hostile.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return file if file.endswith(ONE_PROCESS) else nodeid

    return Scheduler(config, log)


def pytest_collection_modifyitems(items):
    """The slow ones first, so that no process waits for the other in the end."""
    items.sort(key=lambda item: "slow" not in item.keywords)
