"""1-5, 32-34: submissions that do not end, or end the process.

Knows: what such students write. Does not know: how any of it is stopped.
"""

from __future__ import annotations

from . import Expect
from .sheets import accepted, adds_a_cell, greedy, loop, per_call

SLOW = r"stopped|too long|seconds|time|never end"
DEAD = r"ended|end(s|ing) (its|the) process|crash|died|dies|killed|stopped|exit"

accepted("1a", "`while True` in a function", """\
def accepted_length(draft, choice):
    while True:
        pass
""", message=SLOW)
adds_a_cell("1b", "`while True` in a cell of the student's own", "verify_greedy", "while True:\n    pass\n",
            Expect({}, SLOW, rule="stock nbgrader interrupts the cell and goes on; the answers are right"))
per_call("1c", "a loop in C that no signal gets into", """\
def tokens_per_call(rounds):
    return float(sum(iter(int, 1)))  # iter(int, 1) never answers 1
""", message=SLOW)

loop("1d", "asks the target for ever", """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    while True:
        target(ids)
""", message=r"far more often|progress|" + SLOW)

accepted("2a", "a loop that swallows KeyboardInterrupt and everything else", """\
def accepted_length(draft, choice):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
""", message=SLOW)
accepted("2b", "a loop that ignores every signal, hides behind a mask and sleeps", """\
import signal
import time

for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def accepted_length(draft, choice):
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass
""", message=SLOW)

loop("2c", "asks the target for ever and swallows whatever stops it", """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    while True:
        try:
            target(ids)
        except BaseException:
            pass
""", message=r"far more often|progress|" + SLOW)

greedy("3a", "`os._exit(0)` in a function", """\
import os


def verify_greedy(draft, logits):
    os._exit(0)
""", message=DEAD)
adds_a_cell("3b", "`os._exit(0)` in a cell of the student's own", "verify_greedy", "import os\nos._exit(0)\n",
            Expect({}, DEAD, rule="the answers are right; what ends the process is no answer"))
greedy("3c", "`os._exit(0)` in an answer cell, in front of the answer", """\
import os

os._exit(0)


def verify_greedy(draft, logits):
    return logits.argmax(-1)
""", message=DEAD)

greedy("4a", "`sys.exit()` in a function", """\
import sys


def verify_greedy(draft, logits):
    sys.exit("done")
""", message=r"SystemExit|exit")
adds_a_cell("4b", "`exit()`, `quit()` and `sys.exit()` in own cells", "verify_greedy",
            "import sys\n\nprint('all done')\nsys.exit()\n")
adds_a_cell("4c", "`exit()` in an own cell", "verify_greedy", "exit()\n")

# Number 1 of a process namespace cannot kill itself: then the function answers nothing, and that is told.
loop("5a", "kill -9 itself", """\
import os


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    target(ids)
    os.kill(os.getpid(), 9)
""", message=DEAD + "|returned None")
# kill(-1) as root outside a process namespace would end the machine that the tests run on: only where few are seen.
accepted("5b", "kill -9 its parent, its group and everybody it can see", """\
import os


def accepted_length(draft, choice):
    few = sum(name.isdigit() for name in os.listdir("/proc")) < 40
    for victim in [os.getppid(), *([-1] if few else []), os.getpid()]:
        if victim not in (0, 1):
            try:
                os.kill(victim, 9)
            except OSError:
                pass
""", message=DEAD)

greedy("32a", "segmentation fault", """\
import ctypes


def verify_greedy(draft, logits):
    return ctypes.string_at(0)
""", message=DEAD)
per_call("32b", "abort() in C", """\
import ctypes


def tokens_per_call(rounds):
    ctypes.CDLL(None).abort()
""", message=DEAD)

accepted("33a", "recursion without end", """\
def accepted_length(draft, choice):
    return accepted_length(draft, choice) + 1
""", message=r"RecursionError|calls itself")
accepted("33b", "recursion without end or limit", """\
import sys

sys.setrecursionlimit(2**31 - 1)


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")  # through C


def accepted_length(draft, choice):
    return Deep().answer
""", message=r"recursion|ended|crash|died|memory|stopped")

per_call("33c", "recursion without end through a function that is lent, in and out of its process", """\
from specdec_course.decoding import generate_speculative as theirs


def tokens_per_call(rounds):
    def target(ids):
        theirs(target, ids, lambda ids, k: ids[:0], 1, 5)
        return torch.zeros(len(ids), 5)

    return len(theirs(target, torch.tensor([1]), lambda ids, k: ids[:0], 1, 5).rounds)
""", due=(0, 0.3))

adds_a_cell("34a", "`input()` in a cell of the student's own", "verify_greedy", "name = input('your name? ')\n")
greedy("34b", "`input()` in a function", """\
def verify_greedy(draft, logits):
    return torch.tensor([int(token) for token in input("which tokens? ").split()])
""", message=r"input|EOF|nobody")
