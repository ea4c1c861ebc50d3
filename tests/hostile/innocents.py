"""8, 9, 27, 29, 35, 46: right answers in loud, odd or Colab-shaped notebooks. They must cost nothing.

Knows: habits of honest students, and what a prankster puts into outputs. Does not know: how notebooks are run.
"""

from __future__ import annotations

from . import Expect, case
from .sheets import HONEST, accepted, adds_a_cell, hand_in, loop, place, solved

QUIET = Expect({}, "")  # right; nothing need be said
MENDED = Expect({}, r"\w+ \w+")  # right; what was left out is said

accepted("8a", "correct code that warns at every call", "import warnings\n\n\n" + HONEST["accepted_length"].replace(
    "    n = 0\n", "    warnings.warn('careful', UserWarning)\n    torch.tensor(torch.zeros(2))\n    n = 0\n"), QUIET)
accepted("8b", "correct code where warnings are errors, and a logger writes to stderr", """\
import logging
import warnings

warnings.simplefilter("error")
logging.basicConfig(level=logging.DEBUG)
log = logging.getLogger("mine")


""" + HONEST["accepted_length"].replace("    n = 0\n", "    log.warning('called with %s', draft)\n    n = 0\n"), QUIET)
accepted("9", "correct code with tqdm on stderr", """\
from tqdm.auto import tqdm


def accepted_length(draft, choice):
    n = 0
    for i in tqdm(range(len(draft)), desc="drafted"):
        if draft[i] != choice[i]:
            break
        n += 1
    return n
""", QUIET)

accepted("27a", "40 MB of output from a right answer's cell and function", HONEST["accepted_length"].replace(
    "    n = 0\n", "    print('x' * 1_000_000)\n    n = 0\n") + """

for _ in range(40):
    print("y" * 1_000_000)
""", QUIET)


@case("27b", "40 MB of saved output in a right notebook", QUIET)
def saved_output(ground):
    notebook = solved(ground)
    cell = notebook.cells[place(notebook, "verify_greedy")]
    cell.execution_count = 1
    cell.outputs = [{"output_type": "stream", "name": "stdout", "text": "z" * 999 + "\n"}] * 40_000
    hand_in(ground, notebook)


accepted("27c", "an exception with a text of 40 MB", """\
def accepted_length(draft, choice):
    raise ValueError("no" * 20_000_000)
""", due=0, message="ValueError")
accepted("27d", "output without end, from threads, to every stream", """\
import os
import sys
import threading


def babble(descriptor):
    while True:
        os.write(descriptor, b"z" * 65536)


def accepted_length(draft, choice):
    for descriptor in (1, 2):
        threading.Thread(target=babble, args=(descriptor,), daemon=True).start()
    while True:
        print("x" * 65536)
""", due=0, message=r"output|stopped|long|seconds|time|ended")

SCRIPT = "<script>alert('specdec')</script><img src=x onerror=alert(1)>"


@case("29a", "`<script>` in markdown, outputs, names and file names of a right notebook", QUIET)
def scripts(ground):
    notebook = solved(ground)
    notebook.cells[0].source += f"\n\n{SCRIPT}\n\n[click](javascript:alert(1))"
    cell = notebook.cells[place(notebook, "accepted_length")]
    cell.source = f"# {SCRIPT}\nfrom IPython.display import HTML, display\n\ndisplay(HTML({SCRIPT!r}))\n" + cell.source
    cell.execution_count = 1
    cell.outputs = [{"output_type": "display_data", "metadata": {}, "data": {"text/html": SCRIPT}}]
    hand_in(ground, notebook)
    (ground.folder / "<script>alert(1)<").write_text("")


accepted("29b", "`<script>` in an exception's text and type", f"""\
kind = type("<script>alert(2)</script>", (Exception,), {{}})


def accepted_length(draft, choice):
    raise kind({SCRIPT!r})
""", due=0)

accepted("35a", "`!pip install`, `%pip`, `!ls`, `%%time` and friends in a right answer's cell", """\
!pip install -q torch numpy
%pip install specdec_course
%matplotlib inline
%load_ext autoreload
%autoreload 2
files = !ls
!nvidia-smi
%env OMP_NUM_THREADS=1

""" + HONEST["accepted_length"], MENDED)
adds_a_cell("35b", "Google Drive mounted, files uploaded, `%cd` into it", "accepted_length", """\
from google.colab import drive, files

drive.mount("/content/drive", force_remount=True)
uploaded = files.upload()
for name in uploaded.keys():
    print(name)
%cd /content/drive/MyDrive
!unzip -o data.zip
""", MENDED)
accepted("35c", "`%%time` on top of the cell, a `?` below", "%%time\n" + HONEST["accepted_length"] +
         "\naccepted_length?\n", QUIET)
accepted("35d", "`import google.colab` on top of the answer", """\
import google.colab
from google.colab import output, userdata
from google.colab.patches import cv2_imshow

""" + HONEST["accepted_length"], QUIET)
adds_a_cell("35e", "a cell of shell, one of HTML, one of javascript", "accepted_length", """\
%%bash
pip install torch
rm -rf sample_data
""", QUIET)
adds_a_cell("35f", "an installation by subprocess, os.system and get_ipython().system", "accepted_length", """\
import os
import subprocess
import sys

subprocess.run([sys.executable, "-m", "pip", "install", "torch"])
os.system("apt-get install -y nothing")
get_ipython().system("pip list")
get_ipython().run_line_magic("pip", "install torch")
""", QUIET)
adds_a_cell("35g", "half a thought: a syntax error in a cell of the student's own", "accepted_length",
            "for i in range(10)\n    print(i\n", QUIET)
adds_a_cell("35h", "top-level await and a function that is asynchronous", "accepted_length", """\
import asyncio

await asyncio.sleep(0)
asyncio.get_event_loop()
""", QUIET)

adds_a_cell("46a", "`.cuda()` in a demonstration of the student's own", "accepted_length", """\
model = torch.nn.Linear(2, 2).cuda()
x = torch.zeros(2, device="cuda")
""", QUIET)
loop("46b", "a right answer with `.cuda()` in it, on a machine without one",
     HONEST["generate_speculative"].replace("    rounds, end", "    ids = ids.cuda()\n    rounds, end"),
     Expect({"generate_speculative": (0, 1)}, "", rule="right where it was written; 0 must speak of CUDA"))
loop("46c", "the device chosen by what is there", "device = 'cuda' if torch.cuda.is_available() else 'cpu'\n\n\n"
     + HONEST["generate_speculative"].replace("    rounds, end", "    ids = ids.to(device)\n    rounds, end"), QUIET)
