"""Grades many submissions on any `concurrent.futures.Executor`: processes here, Dask's workers, a part of a class.

Knows: executors, workers that die, how to split a class. Does not know: how a submission is judged (a function named by
"module:function"), records' files, the grade book. Workers write nothing; results come back in any order.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import math
import multiprocessing
import os
import resource
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, ProcessPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from . import records
from .submissions import UNIT

FULL = "full"
JUDGE = "specdec_course.grading.judge:grade_submission"
MEMORY = 6 << 30  # bytes of its own that a worker may take: far above what it needs
READING = 2 << 30  # the same for one that only reads what was handed in
PATIENCE = 900.0  # seconds without any result after which the workers count as stuck; far above all time limits
SHARE, AT_LEAST, TO_READ = 40, 120, 60  # processor seconds of a worker: times --seconds, but no less; for reading alone


class Task(NamedTuple):
    """One submission to grade; plain data, so that it travels to any worker."""

    folder: str  # <submitted>/<student>/<unit>
    student: str
    unit: str
    root: str
    course: str
    level: str
    secret: bytes
    seconds: float
    judge: str = JUDGE


# In a worker

_own = threading.local()  # a worker's thread keeps one House: torch is imported in it once


def grade_task(task: Task) -> tuple[dict, dict]:
    """Grade one submission in this worker: (record, times). A house that broke down is built anew, once."""
    with limited(max(AT_LEAST, SHARE * task.seconds)):
        try:
            return _judge(task)
        except Exception:
            close_house()
            return _judge(task)


@contextlib.contextmanager
def limited(seconds: float):
    """The kernel ends this process when what runs inside takes so much processor time, wherever it is stuck. Only in a
    process of a pool of ours: Dask's workers, and this process, do more than that."""
    if not getattr(_own, "pool", False):
        yield
        return
    used, hard = sum(os.times()[:2]), resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


class Folder(NamedTuple):
    """What one student handed in for a unit, and the course that it belongs to."""

    path: str
    unit: str
    root: str


def content_key(folder: Folder) -> str:
    """The hash of what was handed in, as the judge's record has it; "" if the release is not readable."""
    from .recover import read_submission

    release = Path(folder.root) / "notebooks" / folder.unit / f"{folder.unit}.ipynb"
    with limited(TO_READ):
        try:
            return read_submission(Path(folder.path), folder.unit, release).key
        except (OSError, ValueError):
            return ""


def _judge(task: Task) -> tuple[dict, dict]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch comes: the cores are shared out among workers already
    module, _, name = task.judge.partition(":")
    judge = getattr(importlib.import_module(module), name)
    house = _house(task.level) if task.judge == JUDGE else None
    record, times = judge(
        Path(task.folder), task.student, task.unit, Path(task.root), house, task.secret, task.seconds
    )
    record = record | {"course": task.course, "level": task.level}
    records.record_bytes(record)  # what cannot be written is found here, where it costs one submission only
    return record, times


def _house(level: str):
    if getattr(_own, "house", None) is None:
        from .isolation.box import House
        from .session.payload import files

        _own.house = House(files(), level=level).__enter__()
        atexit.register(close_house)
    return _own.house


def close_house() -> None:
    """End this thread's house, whatever state it is in."""
    house, _own.house = getattr(_own, "house", None), None
    if house is not None:
        with contextlib.suppress(Exception):
            house.__exit__(None, None, None)


def _begin_worker(memory: int) -> None:
    """Ctrl-C is for the parent to handle; and a worker whose parent was killed must not stay behind."""
    _own.pool = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    parent = multiprocessing.parent_process()

    def follow():
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


# In the parent


def run(
    tasks: Iterable, executor: Executor, at_once: int = 1000, patience: float | None = None, work=grade_task
) -> Iterator[tuple]:
    """Run `work(task)` for all tasks on any executor; yields (task, its result or exception) as they come.

    Args:
        at_once: how many tasks are handed to the executor at a time.
        patience: kill this process's workers when nothing has come for so many seconds.

    When the executor breaks, the tasks that it held come with BrokenExecutor, and the others do not come.
    """
    waiting, running, broken = deque(tasks), {}, False
    while running or (waiting and not broken):
        while waiting and len(running) < at_once and not broken:
            try:
                running[executor.submit(work, waiting[0])] = waiting[0]
                waiting.popleft()
            except BrokenExecutor:
                broken = True
        done, _ = wait(running, timeout=patience, return_when=FIRST_COMPLETED)
        if running and not done:
            _kill_workers()
        for future in done:
            task, error = running.pop(future), future.exception()
            broken = broken or isinstance(error, BrokenExecutor)
            yield task, error or future.result()


def in_processes(tasks: list, jobs: int, work=grade_task, warm=None, memory: int = MEMORY) -> Iterator[tuple]:
    """`run` on `jobs` processes of this machine. Every task comes exactly once, whatever becomes of the workers.

    When a worker dies, each of the tasks that were in work is tried again, alone in a new process: a task that is alone
    when its process dies comes with BrokenExecutor, the others with their results.
    """
    left = dict.fromkeys(tasks)
    while left:
        suspects = []
        with contextlib.nullcontext(warm) if warm else _pool(min(jobs, len(left)), memory) as pool:
            warm = None  # once a worker of it has died, it is of no more use
            for task, outcome in run(list(left), pool, 2 * jobs, PATIENCE, work):
                del left[task]
                if isinstance(outcome, BrokenExecutor):
                    suspects.append(task)
                else:
                    yield task, outcome
        while suspects:
            with _pool(1, memory) as pool:
                for task, outcome in run(list(suspects), pool, 1, PATIENCE, work):
                    suspects.remove(task)
                    yield task, outcome


@contextlib.contextmanager
def warmed(jobs: int):
    """A pool whose workers already start, and build their houses, while something else is being seen to."""
    with _pool(jobs, MEMORY) as pool:
        for _ in range(jobs):
            pool.submit(_warm_up)
        yield pool


def _warm_up() -> None:
    importlib.import_module(JUDGE.partition(":")[0])
    _house(FULL)


@contextlib.contextmanager
def _pool(jobs: int, memory: int):
    """Processes that start afresh (`spawn`), so that they share nothing with this one; none stays behind."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker, initargs=(memory,))
    try:
        yield pool
    except BaseException:  # Ctrl-C as well: what is being graded now is dropped
        pool.shutdown(wait=False, cancel_futures=True)
        _kill_workers()
        raise
    pool.shutdown()


def _kill_workers() -> None:
    for child in multiprocessing.active_children():
        child.kill()


def on_dask(tasks: list, address: str, work=grade_task) -> Iterator[tuple]:
    """`run` on the workers of a Dask cluster, which see the same folders as this machine."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ValueError('--scheduler needs Dask: pip install "specdec_course[cluster]"') from None
    try:
        client = Client(address, timeout=20)
    except (OSError, TimeoutError, ValueError) as error:
        raise ValueError(f"no Dask scheduler answers at {address}: {error}") from None
    with client, client.get_executor() as executor:
        yield from run(tasks, executor, work=work)


def grade(tasks: list, jobs: int, scheduler: str | None = None, warm=None) -> Iterator[tuple]:
    """Grade all tasks; yields (record, times) in the order in which they get ready.

    Raises OSError when there is no box at all, before anything was graded: that is no submission's fault.
    """
    outcomes = on_dask(tasks, scheduler) if scheduler else in_processes(tasks, jobs, warm=warm)
    any_graded = False
    with contextlib.closing(outcomes):
        for task, outcome in outcomes:
            if type(outcome).__name__ == "BoxError" and not any_graded:
                raise outcome
            any_graded = any_graded or not isinstance(outcome, BaseException)
            yield failed(task, outcome) if isinstance(outcome, BaseException) else outcome


def failed(task: Task, error: BaseException) -> tuple[dict, dict]:
    """What is kept of a submission that the grader itself could not cope with: the class goes on."""
    killed = isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"
    if killed:
        problem = "The process that graded it died twice. Your instructor will look at it."
    else:
        problem = f"The grader failed ({type(error).__name__}). Your instructor will look at it."
    # A fault of the grader may be gone next time: without a key, the record never counts as done.
    folder = Folder(task.folder, task.unit, task.root)
    key = keys([folder], 1).get(folder, "") if killed else ""
    rows = exercise_rows(Path(task.root), task.unit)
    record = records.not_graded(task.student, task.unit, problem, key, task.course, task.level, rows)
    record["flags"] = ["its grading process died twice" if killed else f"{type(error).__name__}: {error}"[:500]]
    return record, {"student": task.student, "unit": task.unit, "seconds": 0.0, "cpu": 0.0, "by_exercise": {}}


def keys(folders: list[Folder], jobs: int) -> dict[Folder, str]:
    """The hash of each, read by processes of their own. What ends its process, or cannot be read, has none."""
    read = in_processes(folders, max(1, min(jobs, len(folders))), work=content_key, memory=READING)
    return {folder: key for folder, key in read if isinstance(key, str)}


def known_unit(root: Path, unit: str) -> bool:
    """Whether the course has this unit."""
    return bool(UNIT.fullmatch(unit)) and all(
        (root / kind / unit / f"{unit}.ipynb").is_file() for kind in ("solutions", "notebooks")
    )


def exercise_rows(root: Path, unit: str) -> list[tuple[str, float, bool]]:
    """(exercise, points, whether a bonus) of a unit, as its release notebook says; nbgrader knows a bonus as 0."""
    import json

    cells = json.loads((root / "notebooks" / unit / f"{unit}.ipynb").read_bytes())["cells"]
    tests = [cell["metadata"]["nbgrader"] for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade")]
    return [(t["grade_id"].removeprefix("grade_"), float(t["points"]), not t["points"]) for t in tests]


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/4" -> (2, 4). ValueError for anything else."""
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"--shard is {text!r}; expected i/n with i from 1 to n, for example 2/4")
    return int(part), int(parts)


def in_shard(student: str, unit: str, shard: tuple[int, int]) -> bool:
    """Whether a submission belongs to part i of n: the same answer on every machine."""
    return int(records.stable_hash(student, unit), 16) % shard[1] == shard[0] - 1
