"""28: links, pipes, devices and folders where a notebook should be, and odd things beside it.

Knows: what a file system can hold. Does not know: what is opened.
"""

from __future__ import annotations

import os

from . import Expect, case
from .damage import NOTHING
from .sheets import hand_in, solved

LINK = r"link|not a (regular )?file|missing|no notebook|outside|special|device|pipe|folder|directory"


def strange(number, title, make, expect=None):
    """`make(path, ground)` puts something at the place of the notebook."""

    @case(number, title, expect or Expect(NOTHING, LINK, False))
    def build(ground):
        ground.folder.mkdir(parents=True, exist_ok=True)
        make(ground.folder / f"{ground.unit}.ipynb", ground)


strange("28a", "a link to a classmate's notebook", lambda path, ground: path.symlink_to(ground.classmate))
strange("28b", "a link to /etc/passwd", lambda path, ground: path.symlink_to("/etc/passwd"))
strange("28c", "a relative link out of the class: ../../../", lambda path, ground: path.symlink_to(
    os.path.relpath(ground.course / "solutions" / ground.unit / path.name, path.parent)))
strange("28d", "a FIFO in place of the notebook", lambda path, ground: os.mkfifo(path))
strange("28e", "a folder in place of the notebook", lambda path, ground: path.mkdir())
strange("28f", "a hard link to a classmate's notebook", lambda path, ground: os.link(ground.classmate, path),
        Expect({}, "", rule="a copy by another name: the similarity report's business"))


@case("28g", "a device in place of the notebook: /dev/zero", Expect(NOTHING, LINK, False))
def device(ground):
    ground.folder.mkdir(parents=True, exist_ok=True)
    path = ground.folder / f"{ground.unit}.ipynb"
    try:
        os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))
    except PermissionError:  # a normal user can only link to one
        path.symlink_to("/dev/zero")


@case("28h", "the unit's folder is a link to a classmate's", Expect(NOTHING, LINK, False))
def linked_folder(ground):
    ground.folder.parent.mkdir(parents=True, exist_ok=True)
    ground.folder.symlink_to(ground.classmate.parent, target_is_directory=True)


@case("28i", "beside a right notebook: names of 255 letters and with newlines, links, a FIFO", Expect({}, ""))
def strange_neighbours(ground):
    hand_in(ground, solved(ground))
    for name in ("x" * 255, "two\nlines.txt", "-rf", "a\\..\\b", "\u202etxt.exe", "ünï.ipynb.txt"):
        (ground.folder / name).write_text("nothing")
    (ground.folder / "link").symlink_to("/etc/shadow")
    (ground.folder / "self").symlink_to("self")
    (ground.folder / "up").symlink_to("../..", target_is_directory=True)
    os.mkfifo(ground.folder / "fifo")
    os.close(os.open(os.fsencode(ground.folder) + b"/\xff\xfe.txt", os.O_CREAT))


@case("28j", "beside a right notebook: json.py, torch.py, sitecustomize.py and more that would be imported",
      Expect({}, ""))
def shadows(ground):
    hand_in(ground, solved(ground))
    text = f"open({str(ground.class_root / 'imported')!r}, 'w').close()\nraise SystemExit('imported')\n"
    for name in ("json", "torch", "sitecustomize", "usercustomize", "numpy", "conftest", "specdec_course", "os"):
        (ground.folder / f"{name}.py").write_text(text)
    (ground.folder / "nbgrader_config.py").write_text(text)
    (ground.folder / "x.pth").write_text(f"import os; {text.splitlines()[0]}\n")
