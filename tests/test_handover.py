"""After judging: what lies beside a notebook, or in its outputs, costs its own student at most, and a rerun goes on.

The judge is that of tests (`fake_judge`), so that no room is needed; all before and after it is the real thing.
"""

import base64
import csv
import hashlib
import json
import os
import socket
import sqlite3
from datetime import datetime

import pytest
from test_classroom import UNIT, grade, hand_in, make_root, notebook

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from specdec_course.grading import handover, records, schedule
from specdec_course.grading.nbgrader import autograded, entered, gradebook, stamps

slow = pytest.mark.slow
GOOD = "2026-01-02 03:04:05.123456 UTC"
STAMPS = {  # what somebody may write into timestamp.txt; none of it is a time that a course can be in
    "a huge hour": "12h999999999999999999999999999999999999",
    "a huge minute": "2026-01-02 12:" + "9" * 60,
    "a huge day": "2026-01-" + "9" * 40 + " 03:04:05 UTC",
    "the year 1": "0001-01-01 00:00:00 +14:00",
    "the year 99999": "99999-12-31 23:59:59 UTC",
    "the end of time, and a zone": "9999-12-31 23:59:59 -14:00",
    "no number": "nan inf -0 1e999",
    "many digits": "1" * 90,
    "half a character": b"2026-01-02 \xff\xed\xa0\x80",
    "nothing but dots": "." * 99,
    "far too long": "2026-01-02 03:04:05 UTC" + " " * 100_000,
    "nul": b"2026\0-01-02",
    "roman": "MMXXVI",
    "a zone that is a file": "2026-01-02 03:04:05 /etc/localtime",
    "a zone that is a file above": "2026-01-02 03:04:05 ../../../etc/localtime",
    "a huge offset": "2026-01-02 03:04:05 UTC+" + "9" * 30 + "x/",
    "the year 0": "0000-00-00 00:00:00 UTC",
}


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    return make_root(tmp_path_factory.mktemp("handover-course"))


def stamped(folder, text):
    (folder / "timestamp.txt").write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("name", STAMPS)
def test_what_is_no_time_is_told_and_never_raises(tmp_path, name):
    stamped(tmp_path, STAMPS[name])
    stamp, remark = stamps.handed_in(tmp_path)
    assert stamp is None and remark.startswith("timestamp.txt ") and "does not count as late" in remark
    assert remark.isprintable() and len(remark) < 400


@pytest.mark.parametrize(
    ("text", "stamp"),
    {
        GOOD: datetime(2026, 1, 2, 3, 4, 5, 123456), "2026-01-02T03:04:05+01:00": datetime(2026, 1, 2, 2, 4, 5),
        "2026-01-02 03:04:05 -0530": datetime(2026, 1, 2, 8, 34, 5), "2026-07-02 03:04": datetime(2026, 7, 2, 3, 4),
        "2026-07-02 03:04 Europe/Berlin": datetime(2026, 7, 2, 1, 4), "2026-07-02": datetime(2026, 7, 2),
        "2026-07-02 03:04:05Z": datetime(2026, 7, 2, 3, 4, 5), "2 Jul 2026 03:04 GMT": datetime(2026, 7, 2, 3, 4),
    }.items(),
)
def test_a_time_is_read(tmp_path, text, stamp):
    stamped(tmp_path, text + "\n")
    found, remark = stamps.handed_in(tmp_path)
    assert found == stamp and (remark == "" or text[-1].isdigit() and "was read as UTC" in remark)


@pytest.mark.parametrize("zone", ["", " ABC", " Mars/Olympus"])
def test_a_time_without_a_zone_that_is_known_is_told(tmp_path, zone):
    stamped(tmp_path, "2026-01-02 03:04:05" + zone)
    stamp, remark = stamps.handed_in(tmp_path)
    assert stamp == datetime(2026, 1, 2, 3, 4, 5) and "was read as UTC" in remark


def test_no_timestamp_at_all_is_no_remark(tmp_path):
    assert stamps.handed_in(tmp_path) == (None, "")


def odd_things(folder):
    """Where a small text is expected: a link, a pipe, a socket, a folder, a file of 10 GB with nothing in it."""
    yield os.symlink, "/etc/passwd", None
    yield None, None, os.mkfifo
    yield None, None, os.mkdir
    yield None, None, lambda path: open(path, "wb").truncate(10 << 30)
    yield None, None, lambda path: socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))


@pytest.mark.parametrize("kind", range(5))
def test_what_is_no_small_file_is_not_opened(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    link, target, make = list(odd_things(tmp_path))[kind]
    path = tmp_path / "timestamp.txt"
    link(target, path) if link else make(path)
    stamp, remark = stamps.handed_in(tmp_path)
    assert stamp is None and "does not count as late" in remark


def outputs_of(repeated: str, megabytes: int) -> str:
    """A right notebook, and in its outputs one small thing again and again."""
    whole = notebook("number = 7")
    whole.cells[2].outputs = []
    text = json.dumps(whole)
    return text.replace('"outputs": []', f'"outputs": [{repeated * (megabytes * 1_000_000 // len(repeated))}{{}}]', 1)


@pytest.mark.parametrize("repeated", ['{"":0},', "[],", "1e9,", '"",', "[[[[]]]],"])
def test_outputs_made_to_fill_memory_are_not_parsed(tmp_path, repeated):
    data = outputs_of(repeated, 15).encode()
    assert autograded._with_outputs(data) is None
    assert len(autograded._with_outputs(outputs_of(repeated, 1)[: 10**6].encode()) or []) == 0  # cut off: no notebook


def test_honest_outputs_of_some_megabytes_are_shown():
    whole = notebook("number = 7")
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBOR" + "A" * 900_000}}
    whole.cells[2]["outputs"] = [picture] * 12
    cells = autograded._with_outputs(json.dumps(whole).encode())
    assert len(cells[2]["outputs"]) == 12


def png(width: int, height: int) -> str:
    """The beginning of a picture of so many pixels, in base64."""
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return base64.b64encode(head + bytes(60)).decode()


def test_pictures_that_unpack_to_gigabytes_are_not_shown(tmp_path):
    """A few hundred kilobytes of PNG can hold 60,000 x 60,000 points, or do so in a thousand small pictures."""
    whole = notebook("number = 7")
    given = [png(60_000, 60_000), png(900, 600), png(8000, 10_000), png(8000, 10_000), png(600, 400), "A" * 200]
    shown = {"output_type": "display_data", "metadata": {}}
    whole.cells[1]["outputs"] = [shown | {"data": {"image/png": one, "text/plain": "seen"}} for one in given]
    (tmp_path / "n.ipynb").write_text(json.dumps(whole))
    key = hashlib.sha256((tmp_path / "n.ipynb").read_bytes()).hexdigest()
    record = records.not_graded("ann", UNIT, "none", key)
    made = json.loads(autograded.autograded_bytes(tmp_path, json.loads(json.dumps(notebook("number = 7"))), record))
    outputs = next(cell["outputs"] for cell in made["cells"] if len(cell.get("outputs", ())) == len(given))
    assert [one["data"].get("image/png") for one in outputs] == [None, given[1], given[2], None, given[4], None]


DEEP = "[" * 100_000
BESIDE = {
    "bomb": lambda folder: (folder / f"{UNIT}.ipynb").write_text(outputs_of('{"":0},', 40)),
    "lists": lambda folder: (folder / f"{UNIT}.ipynb").write_text(outputs_of("[],", 20)),
    "deep": lambda folder: (folder / f"{UNIT}.ipynb").write_text(outputs_of(DEEP + "]" * 100_000 + ",", 1)),
    "digits": lambda folder: (folder / f"{UNIT}.ipynb").write_text(outputs_of("1" * 100_000 + ",", 1)),
    "nan": lambda folder: (folder / f"{UNIT}.ipynb").write_text(outputs_of("NaN,-Infinity,", 1)),
    "halves": lambda folder: (folder / f"{UNIT}.ipynb").write_text(outputs_of(r'"\ud800",', 1)),
    "sparse": lambda folder: open(folder / "timestamp.txt", "wb").truncate(10 << 30),
    "pipe": lambda folder: os.mkfifo(folder / "submission_secret.txt"),
    "many": lambda folder: [os.close(os.open(folder / f"{n}.txt", os.O_CREAT)) for n in range(20_000)],
    "names": lambda folder: [(folder / name).write_text("") for name in ("a\nb.ipynb", "x" * 255, "\u202e.ipynb")],
    "down": lambda folder: deeper(folder),
    "=1+1": lambda folder: stamped(folder, STAMPS["a huge hour"]),
    "day": lambda folder: stamped(folder, STAMPS["a huge day"]),
    "year": lambda folder: stamped(folder, STAMPS["the year 99999"]),
    "-rf": lambda folder: stamped(folder, GOOD),
}


FULL_MARKS_NOT_DUE = ("bomb", "lists", "deep", "digits")  # no program writes such a notebook


def deeper(folder, name="d" * 200, depth=40):
    """Folders in folders: a path to the last one is longer than the system takes."""
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=handle)
        inner = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)


@slow
def test_a_class_full_of_odd_things_is_graded_handed_back_and_graded_again(tmp_path, root):
    for student, make in BESIDE.items():
        make(hand_in(tmp_path / "submitted", student, notebook("number = 7")))
    hand_in(tmp_path / "submitted", "zz", notebook("number = 7"))
    for _ in range(2):
        told = []
        options = {"feedback": tmp_path / "feedback", "csv": tmp_path / "marks.csv"}
        found = {record["student"]: record for record in grade(tmp_path, root, told, **options)}
        assert found.keys() == {*BESIDE, "zz"}
        assert {name: found[name]["points"] for name in found if name not in FULL_MARKS_NOT_DUE} == dict.fromkeys(
            [name for name in found if name not in FULL_MARKS_NOT_DUE], 4.0)
        assert all(found[name]["problem"] for name in found if not found[name]["points"])
        for student in found:
            assert (tmp_path / "autograded" / student / UNIT / f"{UNIT}.ipynb").stat().st_size < 40_000_000
        assert len(list((tmp_path / "feedback").rglob(f"{UNIT}.html"))) == len(found)
        for student in ("sparse", "=1+1", "day", "year"):
            assert any(line.startswith(f"{student}, {UNIT}: timestamp.txt ") for line in told), student
        assert not any("zz" in line and "could not" in line for line in told)
        assert all(line.count("\n") == 0 or line.startswith("student") for line in told)
    assert not list((tmp_path / "autograded" / "=1+1").rglob("timestamp.txt"))
    with sqlite3.connect(tmp_path / "gradebook.db") as book:
        times = dict(book.execute("select student_id, timestamp from submitted_assignment"))
    assert times["-rf"] == "2026-01-02 03:04:05.123456" and times["=1+1"] is None
    with open(tmp_path / "marks.csv", newline="") as file:
        names = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert names["'=1+1"] == names["'-rf"] == names["zz"] == 4.0


def kill_one(handed):
    """What `see` does, in a process that dies, or runs out of memory, at two students' files."""
    if "/ann/" in handed.folder.path:
        os.kill(os.getpid(), 9)
    if "/bob/" in handed.folder.path:
        raise MemoryError
    if "/cat/" in handed.folder.path:
        with schedule.limited(1):
            while True:
                pass
    return handover.see(handed)


@slow
def test_a_reader_that_dies_costs_one_student_the_look_of_a_notebook(tmp_path, root):
    for student in ("ann", "bob", "cat", "dan"):
        stamped(hand_in(tmp_path / "submitted", student, notebook("number = 7  # mine")), GOOD)
    records_there = grade(tmp_path, root)
    told = []
    whole = handover.see
    try:
        handover.see = kill_one
        there = handover._graded_notebooks(records_there, tmp_path / "submitted", root, 2, told.append)
    finally:
        handover.see = whole
    assert there.keys() == {("dan", UNIT)} and len(told) == 3
    assert all("could not be read again" in line for line in told)
    for student, own in {"ann": False, "bob": False, "cat": False, "dan": True}.items():
        text = (tmp_path / "autograded" / student / UNIT / f"{UNIT}.ipynb").read_text()
        assert ("# mine" in text) is own and "4 of 4 points" in text


@slow
def test_what_a_late_rule_stumbles_over_costs_no_mark(tmp_path, root):
    for student in ("ann", "bob"):
        hand_in(tmp_path / "submitted", student, notebook("number = 7"))
    found = grade(tmp_path, root)

    def rule(student, score, late):
        if student == "ann":
            raise KeyError(student)
        return float("nan")

    with gradebook.opened(tmp_path / "gradebook.db") as book:
        book.find_assignment(UNIT).duedate = datetime(2026, 1, 1)
        book.db.commit()
        told, times = [], {(r["student"], UNIT): datetime(2026, 1, 2) for r in found}
        gradebook._write_all(book, found, times, rule, told.append)
        assert [line.split(":")[0] for line in told] == [f"ann, {UNIT}"] and "KeyError" in told[0]
        assert {s.student_id: s.score for s in book.assignment_submissions(UNIT)} == {"ann": 4.0, "bob": 4.0}


@slow
def test_a_record_that_the_grade_book_refuses_costs_its_own_student(tmp_path, root):
    for student in ("ann", "bob"):
        hand_in(tmp_path / "submitted", student, notebook("number = 7"))
    found = grade(tmp_path, root)
    found[0]["exercises"][0]["points"] = -(10**400)  # no column takes it
    found[1]["exercises"][0]["points"] = 3.0
    told = []
    gradebook.write_book(tmp_path / "gradebook.db", root, found, {}, told.append)
    assert len(told) == 1 and told[0].startswith(f"ann, {UNIT}: not written into the grade book")
    with gradebook.opened(tmp_path / "gradebook.db") as book:
        assert {s.student_id: s.score for s in book.assignment_submissions(UNIT)} == {"ann": 4.0, "bob": 3.0}


@slow
def test_pages_say_what_the_grade_book_says_beside_the_checks(tmp_path, root):
    for student in ("ann", "bob"):
        stamped(hand_in(tmp_path / "submitted", student, notebook("number = 8", "extra = 0")), GOOD)
    found = grade(tmp_path, root)
    with gradebook.opened(tmp_path / "gradebook.db") as book:
        book.find_grade("grade_number", UNIT, UNIT, "ann").manual_score = 3.5
        book.find_comment("number", UNIT, UNIT, "ann").manual_comment = "well <b>argued</b>"
        book.find_submission_notebook(UNIT, UNIT, "ann").late_submission_penalty = 1.0
        book.db.commit()
        said = entered.entered(book, [UNIT])
    assert said["bob", UNIT].by_hand == said["bob", UNIT].comments == () and said["bob", UNIT].score == 2.0
    handover.write_pages(found, tmp_path / "records", tmp_path / "pages", None, print, said=said)
    ann, bob = ((tmp_path / "pages" / who / UNIT / f"{UNIT}.html").read_text() for who in ("ann", "bob"))
    assert "2.5 of 4 points" in ann and "marked by hand: 3.5 points (the check gave 2)" in ann
    assert "well &lt;b&gt;argued" in ann and "1 points were taken" in ann and "From your instructor" in ann
    assert "From your instructor" not in bob and "2 of 4 points" in bob


def test_a_page_that_cannot_be_made_costs_its_own_student(tmp_path):
    def record(student, message):
        row = {"name": "number", "points": 4.0, "maximum": 4.0, "bonus": False, "state": "right", "message": message}
        whole = records.not_graded(student, UNIT, "", "key", "course", "full")
        return whole | {"exercises": [row], "status": "graded", "problem": None, "points": 4.0, "maximum": 4.0}

    broken = record("ann", "fine") | {"points": None}
    told = []
    handover.write_pages([broken, record("bob", "\ud800 fine")], tmp_path, tmp_path / "pages", None, told.append)
    assert told[0].startswith(f"ann, {UNIT}: the feedback page was not written")
    assert (tmp_path / "pages" / "bob" / UNIT / f"{UNIT}.html").exists()


@pytest.mark.parametrize("field", ["remarks", "flags", "answers", "problem", "exercises"])
def test_what_would_trip_a_reader_of_records_counts_as_no_record(tmp_path, field):
    whole = records.not_graded("ann", UNIT, "none", "key", "course", "full", [("number", 4.0, False)])
    records.write_record(tmp_path, whole, {})
    assert records.read_record(tmp_path, "ann", UNIT) == whole
    for wrong in ({"a": 1}, [1], 7):
        records.write_record(tmp_path, whole | {field: wrong}, {})
        assert records.read_record(tmp_path, "ann", UNIT) is None


