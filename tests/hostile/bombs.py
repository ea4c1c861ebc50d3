"""6, 7, 43, 44, 47: submissions that take the machine's memory, processes, time or disk, at once or later.

Knows: bombs, each with a bound of its own. Does not know: how any of it is stopped.
"""

from __future__ import annotations

from . import MARK, Expect
from .endings import DEAD, SLOW
from .sheets import accepted, greedy, loop, per_call, rate

accepted("6a", "memory bomb in Python", """\
def accepted_length(draft, choice):
    kept = []
    for _ in range(80):  # 8 GB at most
        kept.append(bytearray(b"x") * 100_000_000)
    return len(kept)
""", message=r"memory|stopped after", harmful=True)  # whichever runs out first: to fill memory takes time
greedy("6b", "memory bomb in torch", """\
def verify_greedy(draft, logits):
    kept = [torch.empty(25_000_000) for _ in range(80)]  # 8 GB at most
    return torch.stack(kept).argmax(0)
""", message=r"memory", harmful=True)
greedy("6e", "memory bomb in torch that is filled: time may run out before memory does", """\
def verify_greedy(draft, logits):
    kept = [torch.ones(25_000_000) for _ in range(80)]  # 8 GB at most
    return torch.stack(kept).argmax(0)
""", message=r"memory|stopped after", harmful=True)
per_call("6c", "one request for more memory than any machine has", """\
def tokens_per_call(rounds):
    return torch.ones(10**15).mean()
""", message=r"memory|allocate")
accepted("6d", "memory bomb in the grader, by a function of the package that is lent", """\
from specdec_course.cache.static import static_mask


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

accepted("43c", "lets the grader compute for ever, by a function that is lent", """\
from specdec_course.corpora import sample_windows


def accepted_length(draft, choice):
    while True:
        try:
            sample_windows(torch.arange(10), 10, 1_000_000, 0)
        except Exception:
            pass
""", message=SLOW)

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
