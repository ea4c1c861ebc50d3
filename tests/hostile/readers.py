"""12-14, 16: submissions that look for answers, marks and secrets in files and processes, or destroy what they find.

Knows: what a student who has read about the course would look for, and where. Does not know: what hides it. What is
deleted or overwritten lies in the class's own temporary folder, so that nothing is lost where nothing hides it.
"""

from __future__ import annotations

from . import Expect
from .sheets import accepted, greedy, per_call, rate

FOUND_NOTHING = r"not attempted|found nothing|FileNotFound|ModuleNotFound|ImportError|no module|PermissionError"
WALK = """\
import os
import time


def walk(*roots, seconds=1.5):
    \"\"\"Every file that can be found in this time.\"\"\"
    end = time.time() + seconds
    for root in roots:
        for folder, folders, files in os.walk(root, onerror=lambda error: None):
            folders[:] = [name for name in folders if name not in ("proc", "sys", "site-packages", "dist-packages")]
            for name in files:
                yield os.path.join(folder, name)
            if time.time() > end:
                break

"""
GIVE_UP = '\n\nraise NotImplementedError("found nothing")\n'

rate("12a", "SQL on the grade book, its place known", """\
import sqlite3

book = sqlite3.connect("file:@BOOK@?mode=rw", uri=True)
book.execute("UPDATE grade SET auto_score = 1000, manual_score = 1000, needs_manual_grade = 0")
book.commit()


def acceptance_rate(rounds):
    raise NotImplementedError("found nothing")
""")
rate("12b", "SQL on every database that can be found", WALK + """
import sqlite3

for path in walk("@CLASS@", "..", "/"):
    if path.endswith(".db") and path.startswith("@CLASS@"):
        with sqlite3.connect(path) as book:
            for (table,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                book.execute(f"DELETE FROM {table}")


def acceptance_rate(rounds):
    raise NotImplementedError("found nothing")
""")

greedy("13a", "runs the solution notebook, its place known", """\
import json

cells = json.load(open("@COURSE@/solutions/@UNIT@/@UNIT@.ipynb"))["cells"]
for cell in cells:
    if cell["metadata"].get("nbgrader", {}).get("grade_id") == "verify_greedy":
        exec("".join(cell["source"]))
""", message=FOUND_NOTHING)
greedy("13b", "looks for solutions, tests and sources everywhere", WALK + """
for path in walk("@COURSE@/solutions", "@COURSE@/tests", "@COURSE@", "..", "../..", "/srv", "/home", "/root", "/"):
    if path.endswith((".py", ".ipynb")):
        text = open(path, errors="replace").read()
        if "def verify_greedy" in text and "BEGIN SOLUTION" in text and path.endswith(".ipynb"):
            import json
            for cell in json.loads(text)["cells"]:
                if "def verify_greedy" in "".join(cell["source"]) and "BEGIN SOLUTION" in "".join(cell["source"]):
                    exec("".join(cell["source"]))
            break
        if path.endswith("verification.py") and "def verify_greedy" in text:
            exec(text.replace("from __future__ import annotations", ""))
            break
""", message=FOUND_NOTHING)
greedy("13c", "copies a classmate's answer", """\
import glob
import json

for path in ["@MATE@", *glob.glob("@CLASS@/*/*/*/*.ipynb"), *glob.glob("../../*/*/*.ipynb")]:
    for cell in json.load(open(path))["cells"]:
        source = "".join(cell["source"])
        if "def verify_greedy" in source and "not attempted" not in source:
            exec(source)
            break
""", message=FOUND_NOTHING)
accepted("13d", "tells /etc/passwd, the home directory and a known secret in its message", """\
import os
import pathlib


def look(path):
    try:
        path = pathlib.Path(path).expanduser()
        return path.read_text()[-150:] if path.is_file() else ", ".join(p.name for p in path.iterdir())[:100]
    except OSError as error:
        return type(error).__name__


def accepted_length(draft, choice):
    raise RuntimeError(" / ".join(map(look, ("@CANARY@", "/etc/passwd", "/etc/shadow", "@CLASS@"))))
""")
per_call("13e", "looks through other processes: memory, environment, descriptors", """\
import os
import re


def look():
    found = []
    for pid in os.listdir("/proc"):
        for what in ("environ", "cmdline", "maps"):
            try:
                text = open(f"/proc/{pid}/{what}", errors="replace").read()
                found += re.findall(r"canary-[0-9a-f]+|SPECDEC_SECRET=[^\\0]*|[^\\0 ]*gradebook[^\\0 ]*", text)
            except OSError:
                pass
        try:
            for number in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                found += [target] if any(word in target for word in ("gradebook", "solution", "submitted")) else []
        except OSError:
            pass
    return found


def tokens_per_call(rounds):
    raise RuntimeError(f"found {look()}")
""")
greedy("13f", "imports the tests' right answers and the checks' own rules", """\
import sys

sys.path[:0] = ["@COURSE@", "@COURSE@/tests", "..", "../.."]
try:
    from answers.unit_03 import row_by_row as verify_greedy
except ImportError:
    from specdec_course.checks.unit03 import length

    def verify_greedy(draft, logits):
        choice = logits.argmax(-1)
        return choice[: length.leading_run(draft, choice) + 1]
""", message=FOUND_NOTHING + "|package's own|is not (t)?here")

rate("14a", "deletes its own folder, the class and whatever lies in /tmp", """\
import os
import shutil

outside = os.path.exists("@CANARY@")  # then it is not alone, and leaves the rest of the machine in peace
shutil.rmtree("@CLASS@", ignore_errors=True)
if not outside:
    for folder in (".", "/tmp", os.path.expanduser("~"), "/dev/shm"):
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def acceptance_rate(rounds):
    raise NotImplementedError("found nothing")
""")
rate("14b", "overwrites classmates' work and writes a record and a grade book of its own", """\
import glob
import json
import os


def acceptance_rate(rounds):
    for path in ["@MATE@", "@BOOK@", *glob.glob("@CLASS@/**/*", recursive=True)]:
        if os.path.isfile(path):
            open(path, "w").write(json.dumps({"status": "graded", "points": 10.0, "maximum": 10.0}))
    for name in ("records", "feedback", "autograded"):
        os.makedirs(f"@CLASS@/{name}", exist_ok=True)
        open(f"@CLASS@/{name}/h014b.json", "w").write('{"points": 10.0}')
    return 1.0
""")

accepted("16a", "tells its environment variables, arguments and parents in its message", """\
import os
import sys


def accepted_length(draft, choice):
    seen = [value for name, value in os.environ.items() if "SPECDEC" in name or "SECRET" in name or "TOKEN" in name]
    for name in ("/proc/1/environ", f"/proc/{os.getppid()}/environ", f"/proc/{os.getppid()}/cmdline"):
        try:
            seen.append(open(name).read()[-80:])
        except OSError:
            pass
    raise RuntimeError(f"{seen} {sys.argv[1:]}"[:250])
""")
per_call("16b", "guesses whether it is graded, and is wrong when it thinks so", """\
import os
import sys

signs = [
    "ipykernel" not in sys.modules,
    os.getpid() < 50,
    not os.path.exists("/proc/1/environ"),
    any("grade" in word or "bwrap" in word for word in sys.argv),
]


def tokens_per_call(rounds):
    return 0.5 if signs[0] else sum(r.emitted for r in rounds) / len(rounds) if rounds else 0.0
""", Expect({"tokens_per_call": (0, 0.5)}, rule="judged is what runs where it is judged"))
per_call("16c", "looks for the seed, the secret and the class in its environment and answers with them", """\
import os


def tokens_per_call(rounds):
    for name, value in os.environ.items():
        if name.startswith("SPECDEC") and value.replace(".", "").isdigit():
            return float(value)
    raise NotImplementedError("found nothing")
""")
