"""38: submissions that look for the checker in their own process, and change what they find of it.

Knows: frames, closures, the collector, and the names that machinery has. Does not know: what there is to be found.
"""

from __future__ import annotations

from . import Expect
from .sheets import MACHINERY, accepted, loop, rate

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
loop("38f", "reads private fields of what is lent, through the machinery", MACHINERY + """\
FIELDS = ["__closure__", "__globals__", "__code__", "__self__", "__class__", "__dict__", "__defaults__", "__wrapped__",
          "function", "truth", "expected", "beyond", "seen", "__subclasses__", "__reduce__", "calls"]


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    found = []
    for thing in askers():
        for place in range(4):
            for field in FIELDS:
                for read in (True, False):
                    try:
                        found.append((place, field, str(thing.ask(place, field, (), {}, read=read))[:40]))
                    except Exception:
                        pass
    raise RuntimeError(f"reached {found}" if found else "found nothing")
""", Expect({"generate_speculative": 0}, never=r"reached"))
