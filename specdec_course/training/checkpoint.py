"""Checkpoints, written whole: a kill at any moment leaves the last good one. Knows nothing of what they hold."""

from __future__ import annotations

from pathlib import Path

from specdec_course.common.whole import write_whole


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
