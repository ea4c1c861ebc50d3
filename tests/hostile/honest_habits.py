"""62: honest notebooks that do what a room refuses, or take their time: the answers are right and earn their points.

Knows: what students write around their answers. Does not know: limits.
"""

from __future__ import annotations

from nbformat.v4 import new_code_cell

from . import Expect, case
from .sheets import HONEST, accepted, adds_a_cell, greedy, hand_in, per_call, rate, solved, with_own_cell

TOLD = r"no files of yours"
SLOW = "import time\n\nend = time.process_time() + 100\nwhile time.process_time() < end:\n    pass\n"


def habit(answer, exercise, number, title, before="", after="", message=r"\S"):
    answer(number, title, before + HONEST[exercise] + after, Expect({}, message))


habit(accepted, "accepted_length", "62a", "a long experiment below a right answer, in its cell", after="\n" + SLOW,
      message="did not end in time")
habit(greedy, "verify_greedy", "62b", "a long experiment above a right answer, in its cell", before=SLOW + "\n\n",
      message="did not end in time")
habit(per_call, "tokens_per_call", "62c", "a helper, a constant and a class, then a long sweep with them", """\
from dataclasses import dataclass

ZERO = 0.0


@dataclass
class Sum:
    value: float = ZERO


def added(sums, more):
    sums.value += more
    return sums


""", """

def tokens_per_call(rounds, plain=tokens_per_call):
    sums = Sum()
    for one in rounds:
        added(sums, one.emitted)
    return sums.value / len(rounds) if rounds else ZERO


def sweep():
    while True:
        tokens_per_call([])


best = sweep()
""", "did not end in time")

REFUSED = {
    "62d": "cores = open('/proc/cpuinfo').read().count('processor')",
    "62e": "text = open('my_notes.txt').read()",
    "62f": "import subprocess\nprint(subprocess.run(['nproc'], capture_output=True).stdout)",
    "62g": "import urllib.request\npage = urllib.request.urlopen('https://example.org').read()",
    "62h": "import seaborn_that_is_not_here as sns\nsns.set_theme()",
    "62i": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('/home/figure.png')",
    "62j": "import torch as t\nweights = t.load('/content/drive/weights.pt')",
    "62k": "import socket\naddress = socket.gethostbyname('localhost.invalid')",
}
for key, line in REFUSED.items():
    habit(rate, "acceptance_rate", key, f"above a right answer: {line.splitlines()[-1]}", f"{line}\n\n\n",
          message=TOLD)

greedy("62l", "an answer whose repr raises", """\
class Verify:
    def __repr__(self):
        raise RuntimeError("look elsewhere")

    def __call__(self, draft, logits):
        choice = logits.argmax(-1)
        agree = (draft == choice[: len(draft)]).long().cumprod(0)
        return choice[: int(agree.sum()) + 1]


verify_greedy = Verify()
""", due=1)
accepted("62m", "an answer that is a dictionary of what it was asked", """\
class Memo(dict):
    def __call__(self, draft, choice):
        key = tuple(draft.tolist()), tuple(choice.tolist())
        if key not in self:
            n = 0
            while n < len(draft) and draft[n] == choice[n]:
                n += 1
            self[key] = n
        return self[key]


accepted_length = Memo()
""", due=1)
greedy("62n", "an answer made by functools.partial", """\
from functools import partial


def verified(scale, draft, logits):
    choice = (scale * logits).argmax(-1)
    agree = (draft == choice[: len(draft)]).long().cumprod(0)
    return choice[: int(agree.sum()) + 1]


verify_greedy = partial(verified, 1)
""", due=1)
per_call("62o", "an answer behind functools.cache, which takes rounds as a tuple", """\
from functools import cache


@cache
def summed(emitted):
    return sum(emitted)


def tokens_per_call(rounds):
    return summed(tuple(r.emitted for r in rounds)) / len(rounds) if rounds else 0.0
""", due=1)
adds_a_cell("62p", "a cell of its own that needs a file; another one builds on it", "verify_greedy",
            "notes = open('notes.txt').read()\n\n\ndef kept(n):\n    return n\n", Expect({}, TOLD))


@case("62q", "33 cells of experiments, each within its time, together far above it", Expect({}, "too long altogether"))
def many_experiments(ground):
    notebook = with_own_cell(solved(ground), "accepted_length", "import time\n")
    slow = "end = time.process_time() + 1.5\nwhile time.process_time() < end:\n    pass\n"
    notebook.cells[1:1] = [new_code_cell("import time")] + [new_code_cell(slow) for _ in range(33)]
    hand_in(ground, notebook)
