"""A class full of hostile, broken and odd submissions is graded: right marks, clear words, nothing touched or left.

The class is graded once, by the grader that classes get; its first run is killed in the middle. Then one test a row.
The table of all rows is printed at the end of the run (conftest).
"""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
pytest.importorskip("specdec_course.grading.isolation.box")
from hostile import MARK, UNIT, all_cases
from hostile.school import COURSE, MATES, fingerprint, write_class
from hostile.verdict import complaints, due, first_line

from specdec_course.grading.classroom import grade_class

pytestmark = pytest.mark.slow
CASES = all_cases()
SECONDS = 2.0  # for one exercise; what is right needs a tenth of it
KILLED_AFTER = 6  # records, in the first run
PLACES = ("/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"), os.getcwd())  # where a submission would leave files


class Watch(threading.Thread):
    """Looks at the grader's processes while they work: who there was, and how much memory the grader itself took."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.peak, self.over = set(), 0, threading.Event()
        self.before = set(psutil.Process().children(recursive=True))

    def run(self):
        while not self.over.wait(0.1):
            for process in set(psutil.Process().children(recursive=True)) - self.before:
                try:
                    if any("resource_tracker" in word for word in process.cmdline()):
                        self.before.add(process)  # Python's own; it ends with this process
                        continue
                    self.seen.add(process)
                    if not any("server.py" in word for word in process.cmdline()):  # not a room
                        self.peak = max(self.peak, process.memory_info().rss)
                except psutil.Error:
                    pass

    def left(self, patience=10.0):
        """The processes that still run; they are given a moment to end."""
        self.over.set()
        self.join()
        return psutil.wait_procs(list(self.seen), timeout=patience)[1]


@pytest.fixture(scope="module")
def listener():
    """A server on this machine that a submission must not reach: (port, what was heard)."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0specdec-hostile-{port}")
        abstract.listen()

        def listen(line):
            while True:
                try:
                    guest, address = line.accept()
                except OSError:
                    return
                heard.append(address)
                guest.sendall(b"7")
                guest.close()

        for line in (door, abstract):
            threading.Thread(target=listen, args=(line,), daemon=True).start()
        yield port, heard
        abstract.close()


@pytest.fixture(scope="module")
def graded(tmp_path_factory, listener):
    """Everything that there is to know after the class was graded."""
    root = tmp_path_factory.mktemp("class")
    canaries = [f"canary-{secrets.token_hex(8)}" for _ in range(2)]
    (root / "canary.txt").write_text(canaries[0])
    submitted = write_class(root, CASES, port=listener[0])
    before = fingerprint(submitted)
    os.environ["SPECDEC_SECRET"] = canaries[1]
    litter = set(litter_there())
    watch, lines, start = Watch(), [], time.time()
    watch.start()
    try:
        first = killed_run(root)
        records = grade_class(submitted, root / "gradebook.db", root=COURSE, jobs=2, seconds=SECONDS,
                              feedback=root / "feedback", show=lines.append)
    finally:
        del os.environ["SPECDEC_SECRET"]
        left = watch.left()
    return {
        "root": root, "records": {record["student"]: record for record in records}, "lines": lines, "first": first,
        "before": before, "after": fingerprint(submitted), "left": left, "peak": watch.peak, "canaries": canaries,
        "litter": sorted(set(litter_there()) - litter), "seconds": time.time() - start,
        "secret": (root / "grading.secret").read_bytes().hex(),
    }  # fmt: skip


def litter_there():
    """Files that only a submission would have made."""
    for place in PLACES:
        yield from (os.path.join(place, name) for name in os.listdir(place) if MARK in name)


def killed_run(root: Path) -> int:
    """Starts to grade, kills the grader (-9) after a few records, and returns how many there were."""
    code = (f"import sys; sys.path.insert(0, {str(COURSE)!r})\n"
            "from specdec_course.grading.classroom import grade_class\n"
            f"grade_class({str(root / 'submitted')!r}, {str(root / 'gradebook.db')!r}, root={str(COURSE)!r}, jobs=2, "
            f"seconds={SECONDS}, feedback={str(root / 'feedback')!r})\n")
    script = root / "grade_it.py"
    script.write_text(f"if __name__ == '__main__':\n{re.sub('^', '    ', code, flags=re.M)}")
    grader = subprocess.Popen([sys.executable, script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while grader.poll() is None and time.time() < deadline and len(kept(root)) < KILLED_AFTER:
        time.sleep(0.05)
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    return len(kept(root))


def kept(root: Path) -> list[Path]:
    return list((root / "records").glob("*.json"))


def own_text(root: Path, case) -> str:
    """All that the student wrote, for telling apart what was leaked from what was brought along."""
    folder = root / "submitted" / case.student / case.unit
    files = [path for path in folder.glob("*") if path.is_file() and not path.is_symlink()] if folder.is_dir() else []
    return "\n".join(path.read_text(errors="replace") for path in files if path.stat().st_size < 5_000_000)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.number)
def test_the_mark_is_right_and_the_student_is_told_why(case, graded, record_property):
    record = graded["records"].get(case.student)
    if record is None:  # the class's list of submissions leaves out what is none, and says so
        said = [line for line in graded["lines"] if line.startswith(case.student)]
        record_property("row", [case.number, case.title, "none", "none", said[0] if said else ""])
        assert case.expect.graded is False and said, "no record, and no word about it"
        return
    low, high = (sum(due(case, row["name"])[end] * row["maximum"] for row in record["exercises"]) for end in (0, 1))
    told_due = f"{low:g}" if low == high else f"{low:g}-{high:g}"
    record_property("row", [case.number, case.title, told_due, f"{record['points']:g}", first_line(case, record)])
    secret_words = [*graded["canaries"], graded["secret"], str(graded["root"]), str(COURSE)]
    assert complaints(case, record, secret_words, own_text(graded["root"], case)) == []


def test_classmates_get_all_points_and_their_files_are_untouched(graded):
    for name in MATES:
        assert graded["records"][name]["points"] == 10.0, graded["records"][name]
    changed = {path for path in graded["before"].keys() | graded["after"].keys()
               if graded["before"].get(path) != graded["after"].get(path)}
    assert not changed
    assert not (graded["root"] / "imported").exists(), "a file beside a notebook was imported"


def test_48_the_grader_was_killed_and_went_on_where_it_was(graded, record_property):
    told = f"{graded['first']} records kept, {len(kept(graded['root']))} in the end"
    points = graded["records"][MATES[0]]["points"]
    record_property("row", ["48", "the grader killed (-9) in the middle", "10", f"{points:g}", told])
    assert KILLED_AFTER <= graded["first"] < len(CASES)
    assert any(re.match(rf"{graded['first']} of \d+ are graded already", line) for line in graded["lines"])
    found = [json.loads(path.read_text()) for path in kept(graded["root"])]
    assert len(found) == len({record["student"] for record in found}) == len(graded["records"])


def test_the_grade_book_says_what_the_records_say(graded):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded['root'] / 'gradebook.db'}") as book:
        there = {s.student.id: s.score for s in book.assignment_submissions(UNIT)}
    due_there = {name: record["points"] for name, record in graded["records"].items() if record["unit"] == UNIT}
    assert there.keys() == due_there.keys()
    assert there == pytest.approx(due_there, abs=1e-3)


def test_no_process_and_no_file_is_left(graded):
    assert graded["left"] == []
    assert graded["litter"] == []
    marked = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])
              if MARK in (process.info["cmdline"] or [])]
    assert not marked


def test_nobody_was_called_from_inside(graded, listener):
    assert listener[1] == []


def test_the_grader_itself_stays_small(graded):
    """A submission may take its room's memory, not the grader's."""
    assert graded["peak"] < 2 << 30


def test_pages_for_students_run_nothing(graded):
    pages = list((graded["root"] / "feedback").rglob("*.html"))
    assert len(pages) > len(CASES)
    for page in pages:
        text = page.read_text()
        assert "<script>alert" not in text and "onerror=alert(1)>" not in text and "javascript:" not in text, page
