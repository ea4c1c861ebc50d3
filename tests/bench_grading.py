"""How fast classes are graded, by `specdec grade` and by stock nbgrader, and what each makes of hostile submissions.

    python tests/bench_grading.py [--students 300] [--pairs 12] [--rounds 2] [--all] [--hostile first|every|none]
                                  [--mixed ROW] [--json FOLDER]

Everything is measured on the same notebooks (setup, exercises, checks and test cells; `--full` keeps the pictures and
experiments, which stock nbgrader runs too). Nothing is excluded from a time: start, grade book and graded notebooks are
in it, for both graders.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil  # noqa: E402
from hostile import UNIT, all_cases, school, under_stock  # noqa: E402
from hostile.synthetic import HONEST_KINDS, write_honest, write_synthetic_class  # noqa: E402
from hostile.verdict import complaints  # noqa: E402

from specdec_course.grading import classroom  # noqa: E402
from specdec_course.grading.nbgrader import stock  # noqa: E402
from specdec_course.measure.machine import machine  # noqa: E402

SECONDS = 6.0  # for one exercise, as `specdec grade` has it


class Memory(threading.Thread):
    """The most memory that this process and all below it had at once, in bytes; shared pages are counted once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            total = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    pass
            self.peak = max(self.peak, total)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


class Clock:
    """Seconds on the wall, and processor seconds of this process and of all that it started and that ended."""

    def __enter__(self):
        self.began, self.cpu_began = time.perf_counter(), _cpu()
        return self

    def __exit__(self, *_):
        self.wall, self.cpu = time.perf_counter() - self.began, _cpu() - self.cpu_began


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ours(folder: Path, submitted: Path, jobs: int) -> tuple[Clock, dict[str, float], list[dict]]:
    """(times, points by student, records) of `specdec grade` on a class, from nothing."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        with Clock() as clock:
            records = classroom.grade_class(submitted, Path(place) / "gradebook.db", root=school.COURSE, jobs=jobs,
                                            seconds=SECONDS, show=lambda line: None)
        # The kernel counts no room for its parent, since nobody waits for it: the rooms' own clocks are added.
        times = [json.loads(path.read_text()) for path in Path(place).glob("records/times/*.json")]
        clock.cpu += sum(one["cpu"] for one in times)
        return clock, {r["student"]: r["points"] for r in records}, records


def theirs(folder: Path, submitted: Path, jobs: int) -> tuple[Clock, dict[str, float]]:
    """(times, points by student) of nbgrader's own autograder on the same class, from nothing."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        with Clock() as clock:
            marks = stock.grade_class(submitted, Path(place) / "gradebook.db", root=school.COURSE, jobs=jobs,
                                      trust_students=True, show=None)
        return clock, {mark.student: mark.points for mark in marks}


def linked(folder: Path, submitted: Path, students, name: str) -> Path:
    """A class of some of the students: copies, since links are not followed."""
    place = folder / name / "submitted"
    for student in students:
        shutil.copytree(submitted / student, place / student, symlinks=True)
    return place


def whole_class(folder: Path, count: int, seed: int, jobs: int, say) -> dict:
    """One unit of a mixed class."""
    submitted = folder / "class" / "submitted"
    students = write_synthetic_class(submitted, count, seed)
    with Memory() as memory:
        clock, points, records = ours(folder, submitted, jobs)
    seconds = clock.wall
    done = sum(record["status"] == "graded" for record in records)
    found = {
        "students": count, "jobs": jobs, "seconds": round(seconds, 2),
        "cpu_seconds": round(clock.cpu, 2),
        "submissions_per_second": round(count / seconds, 2),
        "peak_memory_MB": memory.peak >> 20, "records": len(records), "graded": done,
        "kinds": {kind: sum(k == kind for k in students.values()) for kind in dict.fromkeys(students.values())},
    }  # fmt: skip
    say(f"{count} students, one unit, {jobs} jobs: {seconds:.1f} s, {count / seconds:.1f} submissions/s, "
        f"{clock.cpu:.1f} processor seconds, "
        f"{memory.peak / 2**30:.2f} GB at most, {len(records)} records ({done} graded)")
    full = max(points.values())
    short = [student for student, kind in students.items() if kind == "right" and points[student] < full]
    if short:  # then their answers were not run, or not as they stand, and the time says nothing
        raise SystemExit(f"right students without full points, so this is no measurement: {', '.join(short[:5])}")
    return found | {"_points": points, "_students": students, "_submitted": submitted}


def overhead(folder: Path, say, few: int = 4, many: int = 44) -> dict:
    """What one more submission costs that has nothing to check: untouched notebooks, one job, start subtracted."""
    from hostile.sheets import hand_in, stubs

    times = {}
    for count in (few, many):
        submitted = folder / f"empty {count}" / "submitted"
        for number in range(count):
            ground = under_ground(submitted, f"e{number:02d}")
            hand_in(ground, stubs(ground))
        times[count] = ours(folder, submitted, 1)[0]
    wall = (times[many].wall - times[few].wall) / (many - few)
    cpu = (times[many].cpu - times[few].cpu) / (many - few)
    start = times[few].wall - few * wall
    say(f"overhead: {1000 * wall:.0f} ms for one more untouched submission ({1000 * cpu:.0f} ms of processor time; one "
        f"job; record, grade book and graded notebook included); start and end {start:.1f} s")
    return {"overhead_ms": round(1000 * wall, 1), "overhead_cpu_ms": round(1000 * cpu, 1),
            "start_seconds": round(start, 2),
            "definition": f"({many} untouched submissions - {few}) / {many - few}, one job, all steps included"}


def under_ground(submitted: Path, student: str):
    from hostile import Ground

    release, answers = school.release(school.COURSE, UNIT), school.right_answers(school.COURSE, UNIT)
    root, nothing = submitted.parent, submitted / "nobody"
    return Ground(UNIT, release, answers, submitted / student / UNIT, root, school.COURSE, nothing, nothing, nothing)


def in_pairs(folder: Path, group: dict, pairs: int, rounds: int, say) -> dict:
    """Both graders on the same honest submissions, by turns; throughput, and whether the marks are the same."""
    honest = [s for s, kind in group["_students"].items() if kind in HONEST_KINDS][:pairs]
    submitted = linked(folder, group["_submitted"], honest, "pairs")
    ways = {"ours, 2 jobs": (ours, 2), "nbgrader, 1 job": (theirs, 1), "nbgrader, 2 jobs": (theirs, 2)}
    clocks, marks = {name: [] for name in ways}, {}
    for _ in range(rounds):
        for name, (grade, jobs) in ways.items():
            clock, marks[name], *_ = grade(folder, submitted, jobs)
            clocks[name].append(clock)
    differ = {s: got for s in honest if max(got := [marks[name][s] for name in ways]) - min(got) > 1e-3}
    if len(differ) > len(honest) // 2:  # then one of them did not grade
        raise SystemExit(f"marks of {len(differ)} of {len(honest)} submissions differ: no measurement: {differ}")
    wall, cpu = ({name: statistics.median(getattr(clock, what) for clock in all_of) / len(honest)
                  for name, all_of in clocks.items()} for what in ("wall", "cpu"))
    mine, mine_cpu = group["seconds"] / group["students"], group["cpu_seconds"] / group["students"]
    ratios = {
        "wall, whole class": wall["nbgrader, 1 job"] / mine,
        "wall, whole class, both on two": wall["nbgrader, 2 jobs"] / mine,
        "processor time, whole class": cpu["nbgrader, 1 job"] / mine_cpu,
        f"wall, a class of {len(honest)}": wall["nbgrader, 1 job"] / wall["ours, 2 jobs"],
        f"processor time, a class of {len(honest)}": cpu["nbgrader, 1 job"] / cpu["ours, 2 jobs"],
    }  # fmt: skip
    say(f"{len(honest)} honest submissions, {rounds} rounds by turns, all starts included; seconds for each:")
    for name in ways:
        say(f"  {name:26} {wall[name]:7.3f} on the wall {cpu[name]:7.3f} of processor time")
    say(f"  {'ours, in the whole class':26} {mine:7.3f} on the wall {mine_cpu:7.3f} of processor time")
    for name, ratio in ratios.items():
        say(f"  nbgrader / ours, {name:32} {ratio:6.1f}")
    say(f"  marks that differ: {differ or 'none'}")
    return {
        "submissions": len(honest), "rounds": rounds,
        "wall_seconds_each": _rounded(wall), "cpu_seconds_each": _rounded(cpu),
        "class_seconds_each": round(mine, 4), "class_cpu_seconds_each": round(mine_cpu, 4),
        "nbgrader_over_ours": _rounded(ratios), "marks_that_differ": differ,
    }  # fmt: skip


def _rounded(figures: dict) -> dict:
    return {name: round(value, 4) for name, value in figures.items()}


def all_marks(folder: Path, group: dict, say) -> dict:
    """Stock nbgrader's mark of every honest submission of the class beside ours."""
    honest = [s for s, kind in group["_students"].items() if kind in HONEST_KINDS]
    clock, points = theirs(folder, linked(folder, group["_submitted"], honest, "all"), 2)
    differ = {s: [group["_points"][s], points[s]] for s in honest if abs(points[s] - group["_points"][s]) > 1e-3}
    say(f"all {len(honest)} honest submissions, nbgrader {clock.wall:.0f} s: marks that differ: {differ or 'none'}")
    return {"submissions": len(honest), "nbgrader_seconds": round(clock.wall, 1), "marks_that_differ": differ}


def mixed_class(folder: Path, honest: int, row: int, seed: int, jobs: int, say) -> dict:
    """Honest students, and all hostile submissions from a row on, in one class: is everybody's mark right?"""
    cases = [case for case in all_cases() if _row(case) >= row]
    submitted = school.write_class(folder / "mixed", cases)
    (folder / "mixed" / "canary.txt").write_text("canary-0123456789abcdef")
    dues = write_honest(submitted, honest, seed) | {mate: {} for mate in school.MATES}
    with Memory() as memory:
        clock, _, records = ours(folder, submitted, jobs)
    found = {record["student"]: record for record in records}
    # Marks alone: what a row expects to be told was written for the shorter budget of the tests.
    wrong = {case.student: [said for said in complaints(case, found[case.student]) if not said.startswith("no word of")]
             if case.student in found else [] if case.expect.graded is False else ["no record"] for case in cases}
    wrong |= {student: _not_due(found.get(student), due) for student, due in dues.items()}
    wrong = {student: said for student, said in wrong.items() if said}
    say(f"{len(dues)} honest and {len(cases)} hostile submissions, {jobs} jobs: {clock.wall:.0f} s, "
        f"{memory.peak / 2**30:.2f} GB at most, {len(records)} records; marks that are not right: {wrong or 'none'}")
    return {"honest": len(dues), "hostile": len(cases), "jobs": jobs, "seconds": round(clock.wall, 1),
            "cpu_seconds": round(clock.cpu, 1), "peak_memory_MB": memory.peak >> 20, "records": len(records),
            "marks_that_are_not_right": wrong}


def _row(case) -> int:
    return int("".join(filter(str.isdigit, case.number)))


def _not_due(record: dict | None, due: dict) -> list[str]:
    """What is wrong with the marks of an honest student; all of them are due where `due` names none."""
    if record is None or record["status"] != "graded":
        return ["not graded"]
    rows = {row["name"]: row["score"] for row in record["exercises"]}
    ends = {name: due.get(name, (1.0, 1.0)) for name in rows}
    return [f"{name}: {rows[name]}, due {low} to {high}" for name, (low, high) in ends.items()
            if not low <= rows[name] <= high]


def hostile_rows(folder: Path, which: str, say) -> list[dict]:
    """What stock nbgrader makes of each hostile submission (the first variant of each, or every one)."""
    cases, seen = [], set()
    for case in all_cases():
        base = case.number.rstrip("abcdefghijklmnopqrstuvwxyz")
        if case.unit == UNIT and (which == "every" or base not in seen):
            cases.append(case)
            seen.add(base)
    folder.chmod(0o755)
    rows, template = [], under_stock.prepared(folder)
    for case in cases:
        became, detail = under_stock.outcome(case, template)
        rows.append({"number": case.number, "title": case.title, "outcome": became, "detail": detail})
        say(f"{case.number:>4} {case.title[:64]:64} {became:14} {' '.join(detail.split())[:70]}")
    counts = {name: sum(row["outcome"] == name for row in rows) for name in dict.fromkeys(r["outcome"] for r in rows)}
    say("stock nbgrader: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return rows


def speed(folder: Path, asked, say) -> dict:
    """All that is timed."""
    group = whole_class(folder, asked.students, asked.seed, asked.jobs, say)
    found = {k: v for k, v in group.items() if not k.startswith("_")} | {"overhead": overhead(folder, say)}
    if asked.pairs:
        found["pairs"] = in_pairs(folder, group, asked.pairs, asked.rounds, say)
    if asked.all:
        found["all"] = all_marks(folder, group, say)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--students", type=int, default=300, help="0: nothing is timed")
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--pairs", type=int, default=12)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--all", action="store_true", help="stock nbgrader grades every honest submission (minutes)")
    options.add_argument("--hostile", choices=("first", "every", "none"), default="first")
    options.add_argument("--full", action="store_true", help="notebooks with their pictures and experiments")
    options.add_argument("--mixed", type=int, metavar="ROW", help="grade honest students among all hostile submissions "
                         "from this row on (0: all), and look at every mark; nothing else")
    options.add_argument("--json", type=Path, help="folder for records, for example data/measurements")
    asked = options.parse_args()
    if asked.full:
        school.without_demonstrations = lambda notebook: notebook
    with tempfile.TemporaryDirectory(prefix="specdec-bench-") as name:
        folder = Path(name)
        print(f"{machine()}; one unit ({UNIT})")
        if asked.mixed is not None:
            told = mixed_class(folder, asked.students, asked.mixed, asked.seed, asked.jobs, print)
            keep("mixed", told, asked.json)
            return
        if asked.students:
            keep("speed", speed(folder, asked, print), asked.json)
        if asked.hostile != "none":
            keep("hostile", {"rows": hostile_rows(folder, asked.hostile, print)}, asked.json)


def keep(part: str, told: dict, folder: Path | None) -> None:
    """Writes the record of one part as soon as it is there: the next may take long."""
    if folder is None:
        return
    record = {"what": f"grading: {part}", "hardware": machine(), "date": date.today().isoformat(),
              "source": "measured by make bench-grading",
              "command": " ".join(["python", "tests/bench_grading.py", *sys.argv[1:]])} | told
    path = folder / f"grading_{part}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
