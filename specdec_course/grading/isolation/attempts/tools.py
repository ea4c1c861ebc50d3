"""What several attempts need."""

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)
ROOM = 3  # descriptor of the room's socket


def call(function: str, *arguments) -> int:
    """A function of libc; its failure as an OSError."""
    result = getattr(LIBC, function)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def stopped(action, *arguments) -> bool:
    try:
        action(*arguments)
    except OSError:
        return True
    return False


def make_file(path: str) -> None:
    with open(path, "w") as file:
        file.write("left behind")
