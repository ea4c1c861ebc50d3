"""Two lines at the end of the run: how many right answers passed, how many mutants failed, how many were named.

And how tests are dealt out to processes.
"""

import os

import pytest

# Workers share two cores: one thread each. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")


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


# Files whose tests look at one class of students, which is graded once and takes minutes: one process runs the file.
# (pytest-xdist's own xdist_group does not work with pytest 9.2: https://github.com/pytest-dev/pytest-xdist/issues/1386)
ONE_PROCESS = ("test_nbgrader.py", "test_grading.py")


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
