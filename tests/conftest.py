"""Two lines at the end of the run: how many right answers passed, how many mutants failed, how many were named."""

import os

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
