"""Landlock: which files this process may ever touch again, whatever else it gains. Called as three system calls.

Knows the kernel's interface up to version 6 of its rules, and asks the kernel which version it speaks.
"""

import ctypes
import os

CREATE, ADD, RESTRICT = 444, 445, 446  # the same numbers on every architecture
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
DEVICES = 1 << 6 | 1 << 9 | 1 << 11 | 1 << 15  # make character devices, sockets, block devices; device controls
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights on files each version knows
TCP, SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals outside
HIDDEN = {"proc", "tmp", "sys"}


class Rules(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("rights", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def call(*arguments) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result


def restrict_files(plan: dict) -> None:
    """Read what the box shows, write beneath /tmp, execute nothing; no TCP, no abstract sockets or signals outside."""
    version = call(CREATE, None, 0, 1)
    everything = (1 << FILE_RIGHTS.get(version, 16)) - 1
    rules = Rules(everything, TCP if version >= 4 else 0, SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = call(CREATE, ctypes.byref(rules), size, 0)
    try:
        for name in sorted(set(os.listdir("/")) - HIDDEN):
            allow(ruleset, f"/{name}", READ_FILE | READ_DIR | (WRITE_FILE if name == "dev" else 0))
        allow(ruleset, "/tmp", everything & ~DEVICES & ~EXECUTE)
        call(RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def allow(ruleset: int, folder: str, rights: int) -> None:
    descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        call(ADD, ruleset, 1, ctypes.byref(Beneath(rights, descriptor)), 0)
    finally:
        os.close(descriptor)
