"""Writes a file whole or not at all, whatever ends the process meanwhile.

Knows: a temporary name in the same folder, and renaming. Does not know: what is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, writer: Callable[[Path], object], sure: bool = True) -> Path:
    """`writer(temporary path)` fills a file in the same folder, which is made if need be; then it is renamed to `path`.

    On an error (a full disk, an interrupt) the temporary file is removed and `path` is as it was. A link that stands at
    `path` is replaced, not followed. `sure`: what was written survives a power cut. Returns `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)
    try:
        writer(temporary)
        if sure:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_bytes(path: Path, content: bytes, sure: bool = True) -> Path:
    """`write_whole` for bytes."""
    return write_whole(path, lambda temporary: temporary.write_bytes(content), sure)


def write_text(path: Path, text: str, sure: bool = True) -> Path:
    """`write_whole` for text: UTF-8, lines end as they stand."""
    return write_bytes(path, text.encode("utf-8"), sure)
