"""60: what is read again after judging: times, secrets, outputs, a folder with far too much in it.

Knows: what lies beside a notebook. Does not know: who reads it (tests/test_handover.py has more of this kind).
"""

from __future__ import annotations

import json
import os

from . import Expect, case
from .damage import NOTHING
from .sheets import hand_in, solved

RIGHT = Expect({}, "")


def beside(number, title, make, expect=RIGHT):
    """A right notebook, and `make(folder)` puts something beside it."""

    @case(number, title, expect)
    def build(ground):
        hand_in(ground, solved(ground))
        make(ground.folder)


def _stamp(text):
    return lambda folder: (folder / "timestamp.txt").write_text(text)


beside("60a", "a time of handing in with 36 digits", _stamp("12h" + "9" * 36))
beside("60b", "a time of handing in at the end of time, in a zone", _stamp("9999-12-31 23:59:59 -14:00"))
beside("60c", "a time of handing in whose zone is a file", _stamp("2026-01-01 00:00:00 /etc/localtime"))
beside("60d", "a time of handing in of 1 GB", lambda folder: open(folder / "timestamp.txt", "wb").truncate(1 << 30))
beside("60e", "a FIFO for the secret of the exchange", lambda folder: os.mkfifo(folder / "submission_secret.txt"))
beside("60f", "20,000 files beside a right notebook",
       lambda folder: [os.close(os.open(folder / f"{n}.txt", os.O_CREAT)) for n in range(20_000)])


def filled(number, title, thing, megabytes, expect):
    """A right notebook with one small thing again and again in the outputs of a cell."""

    @case(number, title, expect)
    def build(ground):
        notebook = solved(ground)
        cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
        cell.outputs = []
        text = json.dumps(notebook)
        many = ",".join([thing] * (megabytes * 1_000_000 // (len(thing) + 1)))
        hand_in(ground, text.replace('"outputs": []', f'"outputs": [{many}]', 1))


filled("60g", "90 MB of small objects in the outputs", '{"":0}', 90, Expect(NOTHING, "quotes and brackets", False))
filled("60h", "12 MB of small objects in the outputs", '{"":0}', 12, RIGHT)
filled("60i", "40 MB of numbers in the outputs", "1e9", 40, RIGHT)
