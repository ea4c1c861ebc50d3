"""39 and 42: answers that harm whoever reads them, and functions that change what they are given.

Knows: values that break serialisers and comparisons. Does not know: how answers travel.
"""

from __future__ import annotations

from . import MARK, Expect
from .sheets import MACHINERY, accepted, greedy, loop, per_call

TOO_MUCH = r"large|big|limit|too much|more than|cannot be read"

greedy("39a", "an answer whose unpickling runs a program", f"""\
import os


class Payload:
    def __reduce__(self):
        return os.system, ("touch /tmp/{MARK}-pickled ./{MARK}-pickled @CLASS@/{MARK}-pickled",)

    __reduce_ex__ = lambda self, protocol: self.__reduce__()


def verify_greedy(draft, logits):
    return Payload()
""")
HUGE = {
    "39b": ("80 GB by `expand`", "torch.zeros(1, dtype=torch.long).expand(10**10)"),
    "39c": ("80 GB by `as_strided`", "torch.as_strided(torch.zeros(1, dtype=torch.long), (10**5, 10**5), (0, 0))"),
    "39d": ("a tensor without data (meta)", "torch.empty(10**12, dtype=torch.long, device='meta')"),
    "39e": ("a sparse giant",
            "torch.sparse_coo_tensor(torch.zeros(1, 1).long(), torch.ones(1).long(), (10**12,))"),
    "39f": ("a broadcast numpy giant", "__import__('numpy').broadcast_to(__import__('numpy').int64(1), (10**11,))"),
    "39g": ("a list without end", "__import__('itertools').count()"),
}
for number, (what, made) in HUGE.items():
    greedy(number, f"a huge answer: {what}", f"def verify_greedy(draft, logits):\n    return {made}\n",
           message=TOO_MUCH if "0 GB" in what or "numpy" in what else r"\S")
greedy("39h", "a huge answer: 400 MB of real numbers", """\
def verify_greedy(draft, logits):
    return torch.zeros(50_000_000, dtype=torch.long)
""", message=TOO_MUCH)
accepted("39i", "a whole number of 30 million digits", """\
def accepted_length(draft, choice):
    return 1 << 100_000_000
""")
per_call("39j", "a number too large for a float", """\
def tokens_per_call(rounds):
    return 10**400
""")
greedy("39k", "a hundred thousand lists, each inside the other", """\
def verify_greedy(draft, logits):
    nested = []
    for _ in range(100_000):
        nested = [nested]
    return nested
""")
greedy("39l", "a list that holds itself", """\
def verify_greedy(draft, logits):
    ring = [1]
    ring.append(ring)
    return ring
""")
greedy("39m", "a container that says it holds 10**18 things, each another container", """\
class Mirror(list):
    def __len__(self):
        return 10**18

    def __iter__(self):
        while True:
            yield self

    def __getitem__(self, place):
        return self


def verify_greedy(draft, logits):
    return Mirror()
""")
greedy("39n", "tensors of odd kinds: complex, quantised, nested, with gradients, lazily conjugated", """\
import itertools

kinds = itertools.cycle([
    lambda: torch.zeros(3, dtype=torch.complex64).conj(),
    lambda: torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
    lambda: torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)]),
    lambda: torch.zeros(3, requires_grad=True) * 2,
    lambda: torch.zeros(3, dtype=torch.bfloat16),
    lambda: torch.zeros(0, 10**9),
])


def verify_greedy(draft, logits):
    return next(kinds)()
""", due=(0, 0.1))
accepted("39o", "an exception whose text is endless, raises, or is a huge class name", """\
class Endless(Exception):
    def __str__(self):
        raise Endless(self)

    __repr__ = __str__


Endless.__name__ = Endless.__qualname__ = "E" * 10_000_000


def accepted_length(draft, choice):
    raise Endless
""")
accepted("39p", "the machinery's own exceptions, raised by hand", """\
def accepted_length(draft, choice):
    for name in ("Wrong", "NotAttempted", "OutOfCalls", "Different"):
        try:
            engine = __import__("specdec_course.checks.engine", fromlist=["engine"])
            raise getattr(engine, name)("right")
        except (ImportError, AttributeError):
            pass

    class Wrong(AssertionError):
        message, mistake, otherwise, score, state = "accepted_length: right.", "right", None, 1.0, "right"

    raise Wrong("accepted_length: right. All 5 parts of the check pass.")
""")
accepted("39q", "raises BaseException, GeneratorExit, KeyboardInterrupt and MemoryError by turns", """\
import itertools

kinds = itertools.cycle([BaseException, GeneratorExit, KeyboardInterrupt, MemoryError, StopIteration, SystemError])


def accepted_length(draft, choice):
    raise next(kinds)("by turns")
""")
greedy("39r", "a range of a hundred million numbers", "def verify_greedy(draft, logits):\n    return range(10**8)\n",
       harmful=True)
FRAMES = {
    "39s": ("a frame with a tensor of 8 TB and no data",
            """b'{"op":"done","value":["T","int64",[1000000000000],0],"sizes":[0]}'"""),
    "39t": ("a frame that raises the checker's own exceptions",
            """b'{"op":"raised","mro":["Different","Wrong","AssertionError","BaseException"],"text":"right","sizes":[]}'"""),
    "39u": ("a frame of 20,000 lists inside each other",
            """b'{"op":"done","value":' + b'["l",[' * 20000 + b']]' * 20000 + b',"sizes":[]}'"""),
    "39v": ("a frame with a range of 10**15 and a fraction over 0",
            """b'{"op":"done","value":["l",[["r",0,1000000000000000,1],["q",1,0]]],"sizes":[]}'"""),
    "39x": ("a frame of five million empty lists",
            """b'{"op":"done","value":["l",[' + b'["l",[]],' * 5_000_000 + b'0]],"sizes":[]}'"""),
    "39y": ("a frame with a set of numbers that all have the same hash",
            """b'{"op":"done","value":["s",[' + ",".join(str(n * (2**61 - 1)) for n in range(60_000)).encode()"""
            """ + b']],"sizes":[]}'"""),
    "39z": ("a frame with a tokenizer made of rubbish",
            """b'{"op":"done","value":["tok","Rubbish","{\\\\"version\\\\": 1}",{},"x"],"sizes":[]}'"""),
    "39w": ("a frame that is half a frame, and then nothing", """b'{"op":"done","value":' + b' ' * 10**6"""),
}
for number, (what, frame) in FRAMES.items():
    size, after = (2 * 10**6, "    __import__('time').sleep(3600)\n") if number == "39w" else (None, "")
    greedy(number, what, f"{MACHINERY}def verify_greedy(draft, logits):\n    say({frame}, {size})\n{after}"
                         "    return draft\n", due=(0, 0.1))

IN_PLACE = r"in place"
greedy("42a", "zeroes its inputs, so that any answer is right for what is left of them", """\
def verify_greedy(draft, logits):
    draft.fill_(0)
    logits.zero_()
    return torch.zeros(len(draft) + 1, dtype=torch.long)
""", message=r"\S")
greedy("42b", "right, but it changes the logits in place", """\
def verify_greedy(draft, logits):
    logits -= logits.max()
    choice = logits.argmax(-1)
    agree = (draft == choice[: len(draft)]).long().cumprod(0)
    return choice[: int(agree.sum()) + 1]
""", message=IN_PLACE)
per_call("42c", "empties the list that it is given: 0.0 is right for what is left", """\
def tokens_per_call(rounds):
    rounds.clear()
    return 0.0
""", due=(0, 0.25))
loop("42d", "writes on the prompt, resizes it, and swaps the storage of the target's logits", """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    ids.resize_(1).fill_(0)
    rows = target(ids)
    rows.set_(torch.zeros(1, 41))
    return Decoded(ids, [])
""", Expect({"generate_speculative": 0}))
