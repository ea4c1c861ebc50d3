"""What stock nbgrader makes of the hostile submissions: each is autograded alone, by an unprivileged user, in a copy of
the course that may be thrown away; bubblewrap keeps everything else read-only, and ends what is left.

Knows: how to shut such a run off, and how to read what became of the mark and of the class. Does not know: our grader.
Rows that could fill or stop the machine are left out. nbgrader is driven by `grading.nbgrader.stock`, one
submission at a time: alone, it would end the whole batch at some of them (a copied cell, for one).
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from specdec_course.checks import exercises

from . import UNIT, Case
from .school import COURSE, MATES, fingerprint, write_class
from .verdict import due

USER = 64_321  # nobody's number
ROW_SECONDS = 150
# Ends its parents and its group: those of the benchmark, if something is amiss. Sleeps for an hour, ten times over.
WORTH = {name: exercise.points for name, exercise in exercises(UNIT).items()}
LEFT_OUT = {"5b": "kills what it can see", "27d": "endless output"}
GRADE = """\
import json, os, sys
sys.path.insert(0, {course!r})
from specdec_course.grading.nbgrader.stock import grade_class
marks = grade_class({submitted!r}, {book!r}, student={student!r}, root={root!r}, trust_students=True, show=None)
print("MARK " + json.dumps([[m.points, m.maximum, m.status] for m in marks]))
"""


def course_copy(folder: Path) -> Path:
    """The part of the course that nbgrader needs, and what students like to look for; cells get 10 seconds."""
    root = folder / "course"
    for kind in ("solutions", "notebooks"):
        shutil.copytree(COURSE / kind / UNIT, root / kind / UNIT)
    shutil.copytree(COURSE / "tests" / "answers", root / "tests" / "answers")
    settings = (COURSE / "nbgrader_config.py").read_text()
    (root / "nbgrader_config.py").write_text(settings.replace("c.Execute.timeout = 300", "c.Execute.timeout = 10"))
    return root


def prepared(scratch: Path) -> Path:
    """A folder with a copy of the course and a class in which stock nbgrader has graded an honest classmate."""
    folder = scratch / "template"
    root, group = course_copy(folder), folder / "class"
    submitted = write_class(group, [], course=root)
    (group / "canary.txt").write_text("canary-0123456789abcdef")
    _give_away(folder)
    found = _graded(group, root, submitted, MATES[0])
    if not isinstance(found, list) or found[0] < sum(WORTH.values()):
        raise RuntimeError(f"stock nbgrader does not work here: for a right notebook it says {found}")
    return folder


def outcome(case: Case, template: Path) -> tuple[str, str]:
    """(what became of it, in two or three words; a detail) when stock nbgrader grades `case` after a classmate."""
    if case.harmful or case.number in LEFT_OUT:
        return "left out", LEFT_OUT.get(case.number, "could harm this machine")
    with tempfile.TemporaryDirectory(dir=template.parent) as name:
        folder = Path(name) / "row"
        shutil.copytree(template, folder, symlinks=True)
        root, group = folder / "course", folder / "class"
        submitted = write_class(group, [case], course=root)
        _give_away(Path(name))
        before, first = (fingerprint(group), fingerprint(root)), _marks(group)[MATES[0]]
        found = _graded(group, root, submitted, case.student)
        return judged(case, first, found, _marks(group), _touched(group, root, before))


def _give_away(folder: Path) -> None:
    for place, folders, files in os.walk(folder) if os.geteuid() == 0 else ():
        for entry in [place, *(os.path.join(place, one) for one in folders + files)]:
            os.chown(entry, USER, USER, follow_symlinks=False)


def _graded(group: Path, root: Path, submitted: Path, student: str):
    """[points, maximum, status] as stock nbgrader has it, or what went wrong, in words."""
    script = group.parent / "grade.py"
    script.write_text(GRADE.format(course=str(COURSE), submitted=str(submitted), book=str(group / "gradebook.db"),
                                   student=student, root=str(root)))
    try:
        done = subprocess.run([*shut_off(group.parent), sys.executable, str(script)], capture_output=True, text=True,
                              timeout=ROW_SECONDS)
        said = [line for line in done.stdout.splitlines() if line.startswith("MARK ")]
        return json.loads(said[-1][5:])[0] if said else f"it ended ({done.returncode}): {done.stderr[-80:]}"
    except subprocess.TimeoutExpired:
        return f"the grader hung for {ROW_SECONDS} s"


def shut_off(folder: Path) -> list[str]:
    """A command in front of another that gives it its own processes and network, and only `folder` to write to."""
    home = Path.home()
    needed = [Path(sys.base_prefix), Path(sys.prefix), COURSE]
    command = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--ro-bind", "/", "/"]
    command += ["--dev", "/dev", "--proc", "/proc", "--perms", "0755", "--tmpfs", str(home), "--tmpfs", "/tmp"]
    for place in needed:
        if place.is_relative_to(home) or place.is_relative_to("/tmp"):
            command += [*_parents(place, home), "--ro-bind", str(place), str(place)]
    command += [*_parents(folder, home), "--bind", str(folder), str(folder), "--chdir", str(folder), "--clearenv"]
    private = {"HOME": folder, "TMPDIR": folder, "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1",
               "MPLBACKEND": "agg", "SPECDEC_SECRET": "canary-fedcba9876543210"}
    for name, value in private.items():
        command += ["--setenv", name, str(value)]
    if os.geteuid() != 0:
        return [*command, "--"]
    ids = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    return [*command, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--", "setpriv", *ids]


def _parents(place: Path, home: Path) -> list[str]:
    """The folders above a place, where they are not there any more; everybody may pass through."""
    covered = [one for one in reversed(place.parents) if {home, Path("/tmp")} & set(one.parents)]
    return [word for one in covered for word in ("--perms", "0755", "--dir", str(one))]


def _marks(group: Path) -> dict[str, float] | str:
    """Points by student, as the grade book has them now; in words, if it cannot be read."""
    query = ("SELECT s.student_id, SUM(COALESCE(g.manual_score, g.auto_score, 0)) FROM grade g "
             "JOIN submitted_notebook n ON g.notebook_id = n.id JOIN submitted_assignment s ON n.assignment_id = s.id "
             "GROUP BY s.student_id")
    try:
        with sqlite3.connect(f"file:{group / 'gradebook.db'}?mode=ro", uri=True) as book:
            return dict(book.execute(query).fetchall())
    except sqlite3.Error as error:
        return f"the grade book is broken: {error}"


def _touched(group: Path, root: Path, before) -> list[str]:
    """What lies in the class and the course that was there before and is now gone or changed; the grade book apart."""
    after = fingerprint(group), fingerprint(root)
    found = []
    for was, now in zip(before, after, strict=True):
        found += [path for path in was if was[path] != now.get(path) and "gradebook.db" not in path
                  and "mode" not in path and "autograded" not in path]
    return found


def judged(case: Case, first, second, marks, touched) -> tuple[str, str]:
    """The outcome in words, worst first."""
    if isinstance(marks, str) or marks.get(MATES[0]) != first:
        return "class damaged", marks if isinstance(marks, str) else f"a classmate has {marks.get(MATES[0])} points now"
    if touched:
        return "class damaged", f"{len(touched)} files changed or gone"
    if isinstance(second, str):
        return ("lost" if case.expect.graded is not False else "batch stopped"), second
    points, maximum, status = second
    most = sum(due(case, name)[1] * worth for name, worth in WORTH.items())
    least = sum(due(case, name)[0] * worth for name, worth in WORTH.items())
    if points > most + 1e-6:
        return "marks forged", f"{points:g} points, due {most:g}"
    if points < least - 1e-6:
        return "lost", f"{points:g} points, due {least:g}: {status}"
    return "ok", f"{points:g} points"
