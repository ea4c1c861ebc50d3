"""1-7, 30-34, 43, 44, 47: submissions that do not end, end the process, or take the machine.

Knows: what such students write. Does not know: how any of it is stopped. Every bomb has a bound of its own.
"""

from __future__ import annotations

from . import MARK, Expect
from .sheets import accepted, adds_a_cell, greedy, loop, per_call, rate

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

accepted("6a", "memory bomb in Python", """\
def accepted_length(draft, choice):
    kept = []
    for _ in range(80):  # 8 GB at most
        kept.append(bytearray(b"x") * 100_000_000)
    return len(kept)
""", message=r"memory", harmful=True)
greedy("6b", "memory bomb in torch", """\
def verify_greedy(draft, logits):
    kept = [torch.ones(25_000_000) for _ in range(80)]  # 8 GB at most
    return torch.stack(kept).argmax(0)
""", message=r"memory", harmful=True)
per_call("6c", "one request for more memory than any machine has", """\
def tokens_per_call(rounds):
    return torch.ones(10**15).mean()
""", message=r"memory|allocate")
accepted("6d", "memory bomb in the grader, by a function of the package that is lent", """\
from specdec_course.static import static_mask
from specdec_course.training import sample_windows


def accepted_length(draft, choice):
    static_mask(0, 60_000, 60_000)  # 3.6 GB where it runs
    return 0
""", due=(0, 0.15), harmful=True)

accepted("7", "fork bomb (of 1024)", """\
import os
import time


def accepted_length(draft, choice):
    for _ in range(10):
        os.fork()
    time.sleep(20)
""", harmful=True)

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

adds_a_cell("34a", "`input()` in a cell of the student's own", "verify_greedy", "name = input('your name? ')\n")
greedy("34b", "`input()` in a function", """\
def verify_greedy(draft, logits):
    return torch.tensor([int(token) for token in input("which tokens? ").split()])
""", message=r"input|EOF|nobody")

loop("43a", "right, but every call computes for a very long time", """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    for number in range(10**10):
        number * number
    return Decoded(ids, [])
""", message=SLOW)
greedy("43b", "right, but every call sleeps", """\
import time


def verify_greedy(draft, logits):
    time.sleep(2)
    choice = logits.argmax(-1)
    agree = (draft == choice[: len(draft)]).long().cumprod(0)
    return choice[: int(agree.sum()) + 1]
""", Expect({"verify_greedy": (0, 0.5)}, SLOW, rule="the parts that were answered before the time was up may count"))

accepted("44a", "right for ten calls, then wrong", """\
calls = 0


def accepted_length(draft, choice):
    global calls
    calls += 1
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n if calls <= 10 else 0
""", Expect({"accepted_length": (0, 0.5)}, rule="what came before the bomb may count"))
per_call("44b", "right for four calls, then it never ends", """\
calls = 0


def tokens_per_call(rounds):
    global calls
    calls += 1
    while calls > 4:
        pass
    return sum(r.emitted for r in rounds) / len(rounds) if rounds else 0.0
""", Expect({"tokens_per_call": (0, 0.75)}, SLOW, rule="what came before the bomb may count"))
per_call("44c", "right for four calls, then it ends the process", """\
import os

calls = 0


def tokens_per_call(rounds):
    global calls
    calls += 1
    if calls > 4:
        os._exit(0)
    return sum(r.emitted for r in rounds) / len(rounds) if rounds else 0.0
""", Expect({"tokens_per_call": (0, 0.75)}, DEAD, rule="what came before the bomb may count"))
rate("44d", "right in the first process that runs it, wrong in the second (a file says so)", f"""\
import os

seen = [os.path.exists(os.path.join(folder, "{MARK}-seen")) for folder in (".", "/tmp", "/dev/shm", "/var/tmp")]
for folder in (".", "/tmp", "/dev/shm", "/var/tmp"):
    try:
        open(os.path.join(folder, "{MARK}-seen"), "w").close()
    except OSError:
        pass


def acceptance_rate(rounds):
    if any(seen):
        return 0.0
    drafted = sum(r.drafted for r in rounds)
    return sum(r.accepted for r in rounds) / drafted if drafted else 0.0
""", due=1)

FILL = f"""\
import os


def fill(folder, megabytes=3000):
    block = os.urandom(1 << 20)
    with open(os.path.join(folder, "{MARK}-fill"), "wb") as file:
        for _ in range(megabytes):
            file.write(block)
"""
rate("47a", "fills the disk, here and in every other place for files", FILL + """

def acceptance_rate(rounds):
    for folder in ("/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), "."):
        try:
            fill(folder)
        except OSError as error:
            last = error
    raise last
""", harmful=True)
rate("47b", "a hundred thousand empty files", f"""\
import os


def acceptance_rate(rounds):
    for folder in ("/tmp", "/dev/shm", "."):
        for number in range(100_000):
            try:
                os.close(os.open(os.path.join(folder, f"{MARK}-{{number}}"), os.O_CREAT))
            except OSError:
                break
    raise OSError("no room for more files")
""", harmful=True)
