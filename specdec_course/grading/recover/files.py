"""What lies in a folder that a student handed in, read without trusting it.

Knows: links, FIFOs, device files, sizes, names that cannot be printed. Nothing outside the folder is ever opened, and
nothing but regular files. Does not know: notebooks.
"""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path

MOST_BYTES = 200_000_000  # of one file: a notebook of 40 MB is one whose outputs were not cleared
MOST_ENTRIES = 5_000  # of the whole folder; more is looked at by nobody
MOST_LISTED = 100_000  # of one folder; no more of their names are held
DEEPEST = 2  # folders below the one that was handed in

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: opening a FIFO must not wait


def shown(name: str) -> str:
    """A file's name for a sentence: printable, on one line, not too long."""
    text = "".join(c if c.isprintable() else "?" for c in name.encode("utf-8", "replace").decode())
    return text if len(text) <= 90 else f"{text[:60]}...{text[-20:]}"


def look(folder: Path) -> tuple[list[str], list[str]]:
    """(regular files, things that are not opened), as sorted paths relative to `folder`, with "/" between.

    A folder's own files come before what is below it, and notebooks before other files: of a folder with far too much
    in it, these are looked at. Raises OSError when the folder is not there, is a link, or may not be read.
    """
    files: list[str] = []
    odd: list[str] = []
    handle = os.open(folder, _FOLDER)
    try:
        _collect(handle, "", 0, files, odd, [MOST_ENTRIES])
    finally:
        os.close(handle)
    return sorted(files), sorted(odd)


def _collect(handle: int, prefix: str, depth: int, files: list[str], odd: list[str], left) -> None:
    """`left[0]`: how many entries may still be looked at."""
    folders = []
    with os.scandir(handle) as entries:
        there = sorted(islice(entries, MOST_LISTED), key=lambda entry: (not entry.name.endswith(".ipynb"), entry.name))
    there, left[0] = there[: left[0]], left[0] - min(left[0], len(there))
    for entry in there:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        else:
            (files if entry.is_file(follow_symlinks=False) else odd).append(prefix + entry.name)
    for name in folders if depth < DEEPEST and left[0] else ():
        _enter(handle, name, prefix + name, depth, files, odd, left)


def _enter(handle: int, last: str, name: str, depth: int, files: list[str], odd: list[str], left) -> None:
    try:
        inner = os.open(last, _FOLDER, dir_fd=handle)
    except OSError:
        odd.append(name)
        return
    try:
        _collect(inner, name + "/", depth + 1, files, odd, left)
    finally:
        os.close(inner)


def read(folder: Path, name: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file in a student's folder. Raises ValueError, in words that go on after its name, when it
    is none or larger than `most` bytes, and FileNotFoundError when it is not there."""
    *above, last = name.split("/")
    handles = [os.open(folder, _FOLDER)]
    try:
        for part in above:
            handles.append(os.open(part, _FOLDER, dir_fd=handles[-1]))
        if not stat.S_ISREG(os.stat(last, dir_fd=handles[-1], follow_symlinks=False).st_mode):
            raise ValueError("is no regular file (a link, or a device); links are not followed")
        handles.append(os.open(last, _FILE, dir_fd=handles[-1]))
        return _bytes(handles[-1], most)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"cannot be opened ({error.strerror})") from None
    finally:
        for handle in reversed(handles):
            os.close(handle)


def _bytes(handle: int, most: int) -> bytes:
    """Asked of the open file once more: between a look and an opening things can be exchanged."""
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("is no regular file (a link, or a device); links are not followed")
    if about.st_size > most:
        raise ValueError(
            f"is {about.st_size / 1e6:.0f} MB; at most {most / 1e6:.0f} MB are read. "
            "Clear the outputs (Edit, Clear all outputs), save, and hand it in again"
            if most >= 1e6 else f"holds {about.st_size} bytes; at most {most} are read"
        )
    with os.fdopen(os.dup(handle), "rb") as file:
        return file.read(about.st_size)
