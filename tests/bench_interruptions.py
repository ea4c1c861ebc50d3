"""The same class graded in one go, killed 20 times, in two shards, and on two Dask workers: are the records the same?

    python tests/bench_interruptions.py [--students 60] [--kills 20] [--seed 1]

With the real grader and its boxes, by `specdec grade` itself. Prints a line for each way; exit code 1 if one differs.
The tests do the same with a stand-in for the judge, in seconds (tests/test_classroom.py).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hostile import UNIT  # noqa: E402
from hostile.synthetic import write_synthetic_class  # noqa: E402
from test_classroom import contents, dump  # noqa: E402

from specdec_course.measure.machine import machine  # noqa: E402

SPECDEC = [Path(sys.executable).with_name("specdec")]


def grading(place: Path, *options) -> subprocess.Popen:
    line = [*SPECDEC, "grade", place / "submitted", "--gradebook", place / "gradebook.db", *options]
    return subprocess.Popen(list(map(str, line)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def copy(calm: Path, name: str) -> Path:
    """The same submissions and the same secret, not yet graded."""
    place = calm.parent / name
    place.mkdir()
    shutil.copytree(calm / "submitted", place / "submitted", symlinks=True)
    shutil.copy(calm / "grading.secret", place)
    return place


def kill_again_and_again(place: Path, kills: int, chance: random.Random, whole: float) -> list[int]:
    """How many records there were after each kill."""
    kept = []
    for _ in range(kills):
        process = grading(place)
        before, least = len(contents(place / "records")), chance.randrange(5)
        deadline = time.monotonic() + whole
        while process.poll() is None and time.monotonic() < deadline:
            if len(contents(place / "records")) >= before + least:
                break
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.5))
        process.kill()
        process.wait()
        kept.append(len(contents(place / "records")))
    return kept


def in_shards(place: Path) -> None:
    parts = [place / f"part{i}" for i in (1, 2)]
    for i, part in enumerate(parts, start=1):
        grading(place, "--shard", f"{i}/2", "--records", part, "--secret", place / "grading.secret").wait()
    line = [*SPECDEC, "merge", *parts, "--gradebook", place / "gradebook.db", "--submitted", place / "submitted"]
    subprocess.run(list(map(str, line)), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def on_dask(place: Path) -> None:
    """Two workers, each a process of its own with one thread, on a scheduler in a third process."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        grading(place, "--scheduler", cluster.scheduler_address).wait()


def differences(calm: Path, place: Path) -> dict[str, int]:
    """How many records differ in which field."""
    ours, theirs = contents(calm / "records"), contents(place / "records")
    pairs = [(json.loads(ours[name]), json.loads(theirs[name])) for name in ours.keys() & theirs.keys()]
    return dict(Counter(field for one, other in pairs for field in one if one[field] != other[field]))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("students", 60), ("kills", 20), ("seed", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    asked = options.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="specdec-interruptions-") as folder:
        calm = Path(folder) / "calm"
        write_synthetic_class(calm / "submitted", asked.students, asked.seed, UNIT)
        began = time.monotonic()
        assert grading(calm).wait() == 0
        whole = time.monotonic() - began
        print(f"in one go: {len(contents(calm / 'records'))} records of {asked.students} in {whole:.1f} s")
        places = [killed, sharded, dask] = [copy(calm, name) for name in ("killed", "shards", "dask")]
        kept = kill_again_and_again(killed, asked.kills, random.Random(asked.seed), whole)
        assert grading(killed).wait() == 0
        print(f"killed {asked.kills} times; records after each: {' '.join(map(str, kept))}")
        in_shards(sharded)
        on_dask(dask)
        same = True
        for place in places:
            records = contents(place / "records") == contents(calm / "records")
            book = dump(place / "gradebook.db") == dump(calm / "gradebook.db")
            same = same and records and book
            if not records:
                print(f"{place.name}: differs in {differences(calm, place)}")
            print(f"{place.name}: {len(contents(place / 'records'))} records, byte for byte the same: {records}; "
                  f"grade book the same: {book}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
