"""61: time that is spent outside the room, where no clock of the room's runs: dripped frames, lent functions, reading.

Knows: what the grader does for a submission itself. Does not know: its limits.
"""

from __future__ import annotations

from . import Expect, case
from .damage import NOTHING
from .round_two import TALK, unit
from .sheets import adds_a_cell, greedy, hand_in

SLOW = r"time|long|seconds"
LEFT_OUT = r"was stopped.*did not end in time"

greedy("61a", "a reply that drips, a byte at a time, and never stands still", TALK + """\
import time


def verify_greedy(draft, logits):
    frame = struct.pack("<II", 1_000_000, 0) + b'{"op": "done", "value": "'
    os.write(3, frame)
    while True:
        os.write(3, b"x")
        time.sleep(0.01)
""", message=SLOW)
greedy("61b", "asks for much, and takes the answer a byte at a time", TALK + """\
import time


def verify_greedy(draft, logits):
    say({"op": "ask", "place": "specdec_course.verification:verify_greedy", "method": "__call__", "read": False,
         "args": [["T", "int64", [1], 0], ["T", "float32", [2, 1000000], 1]], "kwargs": []}, bytes(8), bytes(8_000_000))
    while os.read(3, 1):
        time.sleep(0.01)
""", message=r"package's own")
adds_a_cell("61c", "a lent clock times a nap, 4,000 times; the answers are right", "verify_greedy", """\
import time

from specdec_course.measure.clocks import time_call

time_call(lambda: time.sleep(0.04), 4000)
""", message=LEFT_OUT)
NUMBERS = {
    "61d": ("fractions of many digits", "from fractions import Fraction\n\nnumber = Fraction(3**2000, 5**2000)"),
    "61e": ("100,000 complex numbers", "import torch\n\nnumber = torch.ones(100_000, dtype=torch.complex128)"),
    "61f": ("a million numbers", "import torch\n\nnumber = torch.ones(1_000_000, dtype=torch.float64)"),
    "61g": ("a whole number of ten thousand digits", "number = 3**20_000"),
}
for key, (what, made) in NUMBERS.items():
    unit("06", "expected_tokens", key, f"a lent function is given {what}", f"""\
from specdec_course.theory import expected_tokens as lent

{made}
for _ in range(3):
    try:
        lent(number, 10_000)
    except Exception as error:
        print(error)


def expected_tokens(alpha, k):
    return sum(alpha**i for i in range(k + 1))
""", due=1)


def script(number, title, text, expect):
    @case(number, title, expect)
    def build(ground):
        hand_in(ground, text, name=f"{ground.unit}.py")


script("61h", "a script of 60,000 empty cells", "# %%\n" * 60_000, Expect(NOTHING, "no notebook", False))
script("61i", "a script whose one mark is a megabyte long", "# %% " + "%%" * 450_000,
       Expect(NOTHING, "no notebook", False))


# 63: work and memory of the grader's own, once more ------------------------------------------------------------------

unit("04", "verify_stochastic", "63a", "draws hundreds of millions of numbers at once", """\
def verify_stochastic(draft, q, p, dice):
    for count in (700_000_000, 70_000_000, 10**12):
        try:
            dice.numbers(count, "cpu")
        except Exception:
            pass
    return draft[:0]
""")
greedy("63b", "a lent function is given records that hold fractions of many digits", """\
from fractions import Fraction

from specdec_course.trace import Round, tokens_per_call as lent


def verify_greedy(draft, logits):
    rounds = [Round(1, 1, Fraction(7**n, 11**n)) for n in range(1, 1500)]
    try:
        lent(rounds)
    except Exception:
        pass
    return draft
""")
adds_a_cell("63c", "a cell that takes long and nests deeper than anybody looks; the answers are right", "verify_greedy",
            "import time\nwhile time.sleep(0) is None:\n    pass\nx = 1" + " + 1" * 700 + "; y = 2\n",
            message="did not end in time")
