"""Progress is kept from one session to the next, over all units, and never stops a check."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from click.testing import CliRunner

from specdec_course import checks
from specdec_course.checks import kept
from specdec_course.checks.exercise import PARTLY, RIGHT, Report
from specdec_course.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setattr(checks, "_last", {})
    return tmp_path


def report(name, state=RIGHT, score=1.0):
    return Report(name, state, score, "")


def test_what_is_remembered_is_recalled_and_the_newest_counts():
    kept.remember(report("residual", PARTLY, 0.5))
    kept.remember(report("verify_greedy"))
    kept.remember(report("residual"))
    assert kept.recall() == {"residual": (RIGHT, 1.0), "verify_greedy": (RIGHT, 1.0)}


@pytest.mark.parametrize("text", [
    "", "not json", "[]", "7", '{"a": 1}', '{"a": {"state": "right"}}', '{"a": {"state": 3, "score": 1}}',
    '{"a": {"state": "right", "score": 7}}', '{"a": {"state": "right", "score": "much"}}', "\ufffe",
])
def test_a_damaged_file_is_no_progress_and_is_written_anew(text):
    kept.place().parent.mkdir(parents=True)
    kept.place().write_text(text)
    assert kept.recall() == {}
    checks.board()
    kept.remember(report("residual"))
    assert kept.recall() == {"residual": (RIGHT, 1.0)}


def test_a_folder_that_cannot_be_written_to_stops_nothing(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    kept.remember(report("residual"))
    assert kept.recall() == {}


def test_no_home_stops_nothing(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(kept.Path, "home", nowhere)
    kept.remember(report("residual"))
    assert kept.recall() == {}


def test_while_a_class_is_graded_nothing_is_kept(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    kept.remember(report("residual"))
    assert not kept.place().exists()


def test_names_and_states_that_the_course_does_not_know_are_left_out():
    kept.remember(report("an_exercise_of_last_year"))
    kept.remember(report("residual", "a state of next year"))
    assert all(earned == 0 for _, earned, _, _ in checks.board())


def test_the_command_shows_every_unit():
    kept.remember(report("residual"))
    done = CliRunner().invoke(main, ["progress"])
    assert done.exit_code == 0
    worth = checks.exercises()["residual"].points
    assert f"Unit 04: {worth:g} of" in done.output and "✓ residual: right" in done.output
    assert "Unit 01: 0 of" in done.output and "Unit 07: 0 of" in done.output


CELLS = """\
from specdec_course.checks import check, progress

def accepted_length(draft_ids, target_ids):
    n = 0
    for one, other in zip(draft_ids.tolist(), target_ids.tolist()):
        if one != other:
            break
        n += 1
    return n

check(accepted_length)"""


@pytest.mark.slow
def test_a_restart_keeps_the_progress(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    outputs = []
    for source in (CELLS, "from specdec_course.checks import progress\nprogress()"):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
        outputs.append(json.dumps(notebook.cells[0].outputs, ensure_ascii=False))
    assert "Unit 03:" in outputs[1] and "✓ accepted_length: right" in outputs[1]


def test_a_script_keeps_nothing(tmp_path):
    """Outside a notebook nobody asked for a file."""
    code = CELLS + "\nfrom specdec_course.checks import kept\nprint(kept.place().exists())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {
        "XDG_STATE_HOME": str(tmp_path)})
    assert done.stdout.splitlines()[-1] == "False", done.stdout + done.stderr
