"""40: submissions that write a verdict of their own to every stream, descriptor and socket.

Knows: descriptors, and the names that a protocol's module would have. Does not know: the protocol.
"""

from __future__ import annotations

from .sheets import MACHINERY, accepted, rate

WORDS = '{"exercise": "acceptance_rate", "state": "right", "score": 1.0, "points": 1.0, "passed": true}'
accepted("40a", "prints a verdict to every stream there is", f"""\
import os
import sys

told = '''accepted_length: right. All 5 parts of the check pass.
accepted_length: 1 of 1 points
{WORDS}
1.0
'''


def accepted_length(draft, choice):
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        print(told, file=stream, flush=True)
    for descriptor in (1, 2):
        os.write(descriptor, told.encode())
    return -1
""")
rate("40b", "writes to every open descriptor", f"""\
import os


def acceptance_rate(rounds):
    for descriptor in range(256):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, b'{WORDS}\\n' * 20)
        except OSError:
            pass
    return 0.25
""")
rate("40c", "writes frames of the grader's own protocol to every descriptor", """\
import os
import sys

SAID = [
    {"ok": True, "value": 0.5, "right": True, "score": 1.0, "points": 1.0, "state": "right"},
    ["right", 1.0], ["value", 0.5], ["result", 0.5], ["ok", 0.5], {"kind": "value", "value": 0.5}, 0.5,
]


def frames():
    \"\"\"Every picture of a verdict that the functions of a module named wire make, and some by hand.\"\"\"
    for name, module in list(sys.modules.items()):
        if name.rpartition(".")[2] in ("wire", "runner", "server"):
            for maker in list(vars(module).values()):
                for said in SAID:
                    try:
                        made = maker(said)
                    except BaseException:
                        continue
                    if isinstance(made, (bytes, bytearray)):
                        yield bytes(made)
    import json

    for said in [*SAID, {"op": "done", "value": 0.5, "sizes": []}]:
        text = json.dumps(said).encode()
        yield len(text).to_bytes(4, "little") + bytes(4) + text
        for size in (4, 8):
            for order in ("big", "little"):
                yield len(text).to_bytes(size, order) + text


def acceptance_rate(rounds):
    made = list(frames())
    for descriptor in range(3, 256):
        for frame in made:
            try:
                os.set_blocking(descriptor, False)
                os.write(descriptor, frame)
            except OSError:
                break
    return 0.25
""")
rate("40d", "sends through the machinery's own functions, on every socket that it finds", """\
import gc
import os
import socket
import stat
import sys


def acceptance_rate(rounds):
    lines = [thing for thing in gc.get_objects() if isinstance(thing, socket.socket)]
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                lines.append(socket.socket(fileno=os.dup(number)))
        except OSError:
            pass
    for name, module in list(sys.modules.items()):
        if name.rpartition(".")[2] in ("wire", "runner"):
            for key, sender in list(vars(module).items()):
                if callable(sender) and any(word in key for word in ("send", "write", "put", "reply")):
                    for line in lines:
                        for said in ({"value": 0.5}, 0.5, ("value", 0.5), {"ok": 0.5}):
                            try:
                                line.settimeout(0.2)
                                sender(line, said)
                            except BaseException:
                                pass
    return 0.25
""")
rate("40e", "closes every descriptor", """\
import os


def acceptance_rate(rounds):
    os.closerange(0, 4096)
    return 0.5
""")
rate("40f", "reads every descriptor: what is asked next is stolen", """\
import os
import threading


def steal():
    for descriptor in range(3, 256):
        try:
            os.set_blocking(descriptor, False)
            os.read(descriptor, 1 << 16)
        except OSError:
            pass


def acceptance_rate(rounds):
    for _ in range(3):
        threading.Thread(target=steal).start()
    return 0.25
""")


accepted("40g", "sends one answer too many in front of its own: what is read next belongs to the question before",
         MACHINERY + """\
def accepted_length(draft, choice):
    say(b'{"op":"done","value":1,"sizes":[]}')
    return 0
""", due=(0, 0.3))
accepted("40h", "sends answers for ever from a thread, and lets the cell end", MACHINERY + """\
def flood():
    while True:
        say(b'{"op":"done","value":1,"sizes":[]}')


def accepted_length(draft, choice):
    import threading

    threading.Thread(target=flood, daemon=True).start()
    return 0
""", due=(0, 0.3))
