"""30, 31: right answers whose notebooks leave processes, threads and handlers behind.

Knows: ways to outlive a notebook. Does not know: how anything is ended.
"""

from __future__ import annotations

from . import MARK, Expect
from .sheets import accepted, adds_a_cell, per_call, rate

accepted("30a", "a background process in a new session; the answer is right", f"""\
import subprocess
import sys

try:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)", "{MARK}"], start_new_session=True)
except OSError:
    pass


def accepted_length(draft, choice):
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n
""", due=1)
rate("30b", "a daemon, forked twice, that keeps every descriptor; the answer is right", """\
import os
import time


def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(120)
        os._exit(0)


try:
    daemon()
except OSError:
    pass


def acceptance_rate(rounds):
    drafted = sum(r.drafted for r in rounds)
    return sum(r.accepted for r in rounds) / drafted if drafted else 0.0
""", due=1)
per_call("30c", "forks inside the function; the child answers too, and wrongly", """\
import os


def tokens_per_call(rounds):
    if os.fork() == 0:
        return 1e6
    os.wait()
    return 2e6
""")

accepted("31a", "threads that sleep for ever; the answer is right", """\
import threading
import time

for daemon in (True, False):
    threading.Thread(target=time.sleep, args=(3600,), daemon=daemon).start()


def accepted_length(draft, choice):
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n
""", due=1)
adds_a_cell("31b", "atexit handlers that hang, raise and exit", "verify_greedy", """\
import atexit
import os
import time

atexit.register(os._exit, 1)
atexit.register(time.sleep, 3600)
atexit.register(lambda: 1 / 0)
""")
rate("31c", "a thread that computes for ever beside a right answer", """\
import threading


def spin():
    while True:
        pass


threading.Thread(target=spin, daemon=True).start()


def acceptance_rate(rounds):
    drafted = sum(r.drafted for r in rounds)
    return sum(r.accepted for r in rounds) / drafted if drafted else 0.0
""", Expect({"acceptance_rate": (0, 1)}, r"", rule="right, if its thread leaves it the time"))
