"""36, 37: submissions that get the answer from somebody else: the network, or the course's own package.

Knows: ways out, and where the package keeps its answers. Does not know: what stands in their way.
"""

from __future__ import annotations

from . import Expect
from .sheets import MACHINERY, accepted, adds_a_cell, loop

DIAL = """\
import socket


def ask():
    told = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", @PORT@)), (socket.AF_INET6, ("::1", @PORT@)),
                            (socket.AF_UNIX, "\\0specdec-hostile-@PORT@")):
        try:
            line = socket.socket(family)
            line.settimeout(0.5)
            line.connect(address)
            line.sendall(b"the draft")
            told.append(line.recv(100))
        except OSError:
            pass
    return told
"""
accepted("36a", "asks a server on this machine for the answer", DIAL + """

def accepted_length(draft, choice):
    return int(ask()[0])
""")
accepted("36b", "sends away what it is asked; the answer is right", DIAL + """
ask()


def accepted_length(draft, choice):
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n
""", due=1)
adds_a_cell("36c", "DNS, a download and UDP in an own cell; the answers are right", "verify_greedy", """\
import socket
import urllib.request

socket.setdefaulttimeout(1)
for attempt in (
    lambda: socket.getaddrinfo("example.com", 80),
    lambda: urllib.request.urlopen("http://127.0.0.1:@PORT@/answers", timeout=1),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", @PORT@)),
):
    try:
        attempt()
    except OSError as error:
        print(error)
""")

OWN = r"package's own|not attempted|write yours|no module named|is not (t)?here|cannot import"
loop("37a", "imports the reference instead of writing it",
     "from specdec_course.decoding import generate_speculative\n", message=OWN)
loop("37b", "hides the reference in a function of its own", """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    import importlib

    theirs = getattr(importlib.import_module("specdec_course." + "gnidoced"[::-1]), "generate_speculative")
    return theirs(target, ids, propose, k, max_new_tokens, eos_token_id)
""", message=OWN)
loop("37c", "takes the reference from `yours`", """\
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    raise NotImplementedError("not attempted yet")


generate_speculative = yours(generate_speculative)
generate_speculative.__module__ = "__main__"
""", message=OWN)
loop("37d", "takes the reference's text with inspect", """\
import inspect

import specdec_course.decoding as theirs

source = inspect.getsource(theirs.generate_speculative)
exec(source, vars(theirs) | globals())
exec(source)
""", message=OWN)
accepted("37e", "takes the reference from the registry of exercises", """\
from specdec_course.checks import exercise

solution = exercise("accepted_length").solution


def accepted_length(draft, choice):
    return solution(draft, choice)
""", message=OWN)
accepted("37f", "asks the machinery for the reference by its name, past the stand-in", MACHINERY + """\
def accepted_length(draft, choice):
    for thing in askers():
        for place in ("specdec_course.verification:accepted_length", "accepted_length", 0, 1):
            try:
                return thing.ask(place, "__call__", (draft, choice), {})
            except Exception:
                pass
    raise NotImplementedError("not attempted: nobody to ask")
""", message=OWN)
loop("37g", "takes greedy decoding from the package and guesses nothing",
     "from specdec_course.decoding import greedy_decode\n\n\n"
     "def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):\n"
     "    text = greedy_decode(target, ids, max_new_tokens, eos_token_id)\n"
     "    return Decoded(text, [Round(0, 0, 1)] * (len(text) - len(ids)))\n",
     Expect({"generate_speculative": (0, 0.3)}, rule="plain decoding is right where nothing is drafted"))
