"""Files that are either whole or absent: a checkpoint is written beside its place and then renamed, so that a kill at
any moment leaves the last good one. Knows nothing of what is in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, writer: Callable[[Path], None]) -> None:
    """Let `writer` fill a temporary file in the same folder, force it to disk, then rename it to `path`.

    On an error (a full disk, an interrupt) the temporary file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        writer(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_state(path: Path, state: dict) -> None:
    """Write a training state (tensors, numbers, strings, containers of these) whole."""
    import torch

    write_whole(path, lambda temporary: torch.save(state, temporary))


def load_state(path: Path) -> dict | None:
    """The last state that was written whole, or None if there is none. ValueError if the file is damaged."""
    import torch

    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"the checkpoint {path} cannot be read ({error}); delete it to begin anew") from error
