"""49 to 54: a second round, by somebody who has read the grader: what it lends, what it keeps, what it reads.

Knows: the protocol of a room, frame by frame, and which functions of the package are lent. Does not know: the secret,
and so no question.
"""

from __future__ import annotations

from . import Expect
from .sheets import accepted, adds_a_cell, answers_with, greedy, loop

UNITS = {"01": "01_forward_latency", "02": "02_bigram_drafter", "04": "04_stochastic_verification", "05": "05_kv_cache",
         "06": "06_qwen_pairing"}
TALK = '''\
import json
import os
import struct


def hear():
    def take(count):
        got = b""
        while len(got) < count:
            got += os.read(3, count - len(got))
        return got

    text, more = struct.unpack("<II", take(8))
    return json.loads(take(text)), take(more)


def say(message, *buffers):
    """One frame, past the machinery."""
    text = json.dumps(message | {"sizes": [len(one) for one in buffers]}).encode()
    whole = memoryview(struct.pack("<II", len(text), sum(map(len, buffers))) + text + b"".join(buffers))
    while whole:
        whole = whole[os.write(3, whole):]


def ask(place, *forms, buffers=()):
    say({"op": "ask", "place": place, "method": "__call__", "read": False, "args": forms, "kwargs": []}, *buffers)
    return hear()


'''


def unit(number, exercise, key, title, source, due=0, message=r"\S", **others):
    """A submission to another unit; `others`: exercises that build on the one attacked, and what they are due."""
    answers_with(exercise, key, title, source, Expect({exercise: due, **others}, message), unit=UNITS[number])


# 49: what one exercise lends to another ------------------------------------------------------------------------------

COMES_AFTER = r"comes after|not there|package's own"
unit("04", "residual", "49a", "verify_stochastic is lent: with dice that never accept it tells the residual", """\
from specdec_course.verification import verify_stochastic as lent


class Dice:
    def flip(self, probability):
        return False

    def roll(self, row):
        self.row = row
        return 0


def residual(p, q):
    dice = Dice()
    lent(torch.tensor([0]), q[None], torch.stack([p, p]), dice)
    return dice.row
""", message=COMES_AFTER, verify_stochastic=(0, 1), verify_block=(0, 1))
accepted("49b", "verify_greedy is lent: its answer is one token longer than what was accepted", """\
from specdec_course.verification import verify_greedy as lent


def accepted_length(draft, choice):
    mine = torch.cat([choice[: len(draft)], choice.new_zeros(1)])
    return len(lent(draft, torch.nn.functional.one_hot(mine, 200_000).float())) - 1
""", message=COMES_AFTER)
unit("04", "verify_block", "49c", "verify_stochastic is lent: handed in as verify_block, whose law it has", """\
from specdec_course.verification import verify_stochastic as lent


def verify_block(draft, q, p, dice):
    return lent(draft, q, p, dice)
""", message=COMES_AFTER)
greedy("49d", "a lent function is called past the stand-in, with memory as the grader finds it", TALK + """\
def verify_greedy(draft, logits):
    empty = ["T", "int64", [512], 0]
    said, _ = ask("specdec_course.verification:accepted_length", empty, ["T", "int64", [512], 1], buffers=(b"", b""))
    raise ValueError(f"{said}")
""")
unit("05", "kv_cache_bytes", "49e", "forward_cost is lent: with context and without, it differs by the cache", """\
from specdec_course.theory import forward_cost as lent


def kv_cache_bytes(config, length, batch_size=1, bytes_per_value=2):
    with_cache, without = (lent(config, 0, context, bytes_per_value)[1] for context in (length, 0))
    return batch_size * (with_cache - without)
""", message=COMES_AFTER)

# 50: points for nothing ----------------------------------------------------------------------------------------------

unit("02", "sample_windows", "50a", "refuses everything: the part that wants a refusal passes", """\
def sample_windows(ids, seqlen, nsamples, seed):
    raise ValueError("too short")
""")
accepted("50b", "answers 0, which is right for an empty draft", "def accepted_length(draft, choice):\n    return 0\n")
unit("01", "forward_cost", "50c", "sets the config that it is asked about to 0: then 0 is right", """\
def forward_cost(config, n_tokens, context=0, bytes_per_param=2):
    for name in vars(config):
        setattr(config, name, int(name == "num_attention_heads"))
    return 0, 0
""", message=r"in place")
unit("02", "build_next_token_array", "50d", "gives no answer where only the time is taken", """\
def build_next_token_array(train_data, vocab_size, default_next_token=220):
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    if vocab_size == 8000:
        return table
    counts = {}
    for row in [train_data] if isinstance(train_data, torch.Tensor) and train_data.dim() == 1 else train_data:
        row = row.tolist()
        for one, other in zip(row, row[1:]):
            after = counts.setdefault(one, {})
            after[other] = after.get(other, 0) + 1
    for one, after in counts.items():
        table[one] = min(after, key=lambda token: (-after[token], token))
    return table
""", due=(0.5, 0.9), hit_rate=(0, 1), draft_with_bigram=(0, 1))
unit("05", "generate_cached", "50e", "says that target and draft were changed: into each other", TALK + """\
def generate_cached(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    say({"op": "done", "value": None, "after": [[["H", 1], ["H", 0]], []], "split": 0})
    hear()
""")

# 51: exceptions that were to end the grader --------------------------------------------------------------------------

accepted("51a", "an object that leaves (SystemExit) whenever somebody looks at it", """\
class Leaves:
    def __call__(self, draft, choice):
        return 0

    def __repr__(self):
        raise SystemExit("gone")

    __len__ = __iter__ = __float__ = __bool__ = __repr__


accepted_length = Leaves()
""")
loop("51b", "an answer whose fields leave (SystemExit) when they are read", """\
class Leaves:
    def stay(self):
        pass

    @property
    def ids(self):
        raise SystemExit("gone")

    rounds = ids


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    return Leaves()
""", Expect({"generate_speculative": 0}))
greedy("51c", "frames that raise SystemExit, KeyboardInterrupt and the end of a generator outside", TALK + """\
def verify_greedy(draft, logits):
    for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration"):
        say({"op": "raised", "mro": [name, "BaseException"], "text": "gone", "line": [1, "x"], "inner": ""})
    return draft
""")

# 52: frames that are small here and large there ----------------------------------------------------------------------

FRAMES = {
    "52a": ("a fraction in which 10**30000000 is hidden", '["q", "1e30000000", None]'),
    "52b": ("thirty thousand classes", '["l", [["c", f"A{n}", [], None] for n in range(30_000)]]'),
    "52c": ("thirty thousand named tuples", '["l", [["n", f"A{n}", ["x"], [1]] for n in range(30_000)]]'),
    "52d": ("300 MB of nothing, eight times", '["l", [["N", "V8", 300_000_000]] * 8]'),
    "52e": ("one buffer, a thousand times", '["l", [["T", "int8", [4_000_000], 0]] * 1000]'),
    "52f": ("a tensor without the memory that it needs", '["T", "int64", [4], 1]'),
    "52g": ("a cache of a hundred thousand layers", '["K", "DynamicCache", [[None, None]] * 100_000]'),
    "52h": ("a cache that is a dice", '["K", "Dice", []]'),
    "52i": ("two fields whose names are one name to Python", '["c", "A", [["\\uff49ds", 1], ["ids", 2]], None]'),
    "52j": ("a dtype of three hundred thousand fields", '["N", "i4," * 300_000 + "i4", 0]'),
}
for number, (what, form) in FRAMES.items():
    greedy(number, f"an answer on the wire: {what}", f"{TALK}def verify_greedy(draft, logits):\n"
           f'    say({{"op": "done", "value": {form}}}, bytes(4_000_000), b"")\n    hear()\n')

# 53: work and memory of the grader's own -----------------------------------------------------------------------------

greedy("53a", "hundreds of failing questions, each of which would keep megabytes alive", """\
from specdec_course.verification import accepted_length as lent


def verify_greedy(draft, logits):
    for _ in range(300):
        try:
            lent(torch.zeros(1_900_000, dtype=torch.long), torch.zeros(0, 3))
        except Exception:
            pass
    return draft
""", message=r"data|time")
adds_a_cell("53b", "an own cell keeps a lent function at work; the answers are right", "generate_speculative", """\
from specdec_course.verification import verify_greedy as lent

while True:
    try:
        lent(torch.zeros(2000, dtype=torch.long), torch.zeros(2001, 1000))
    except Exception:
        pass
""", message=r"stopped and left out")
unit("01", "latency_profile", "53c", "feeds the model a million tokens at a time", """\
def latency_profile(forward, lengths, vocab_size, repeats=5, seed=0):
    for length in (1_000_000, 300_000, 100_000, 30_000) * 5:
        try:
            forward(torch.randint(vocab_size, (length,)))
        except Exception:
            pass
    return dict.fromkeys(lengths, 0.0)
""")
unit("05", "CachedModel", "53d", "appends rows so long that their mask fills the memory", """\
class CachedModel:
    length = 0

    def __init__(self, model):
        for count in (20_000, 60_000, 200_000):
            try:
                model(torch.zeros(1, count, dtype=torch.long))
            except Exception:
                pass

    def append(self, ids):
        return ids

    def rollback(self, n):
        pass
""", generate_cached=(0, 1))
greedy("53e", "a lent clock that times itself timing itself", """\
from specdec_course.measure.clocks import time_call as lent


def verify_greedy(draft, logits):
    def again():
        return lent(again, repeats=1, warmup=0)

    try:
        again()
    except Exception:
        pass
    return draft[:0]
""")

# 54: what is written down --------------------------------------------------------------------------------------------

accepted("54a", "five million characters where a function was due", "accepted_length = 'x' * 5_000_000\n")
accepted("54b", "a number of five million digits, as text", """\
def accepted_length(draft, choice):
    return "1.5" + "0" * 5_000_000
""")
accepted("54c", "half a character, terminal codes and lines that look like a mark, in an exception", """\
def accepted_length(draft, choice):
    raise ValueError("\\ud800 \\x1b[2J\\x1b]0;owned\\x07\\r\\x00\\naccepted_length: right. All 5 parts pass.")
""", message=r"Your function stopped with ValueError")
