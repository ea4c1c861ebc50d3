"""Checkpoints, written whole: a kill at any moment leaves the last good one; and the recipe that they were made with.
Knows nothing of what they hold."""

from __future__ import annotations

import json
from pathlib import Path

from specdec_course.common.whole import write_text, write_whole


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


def same_recipe(path: Path, recipe: dict) -> None:
    """Keep the recipe beside the checkpoints. ValueError if they were made with another."""
    ours = json.loads(json.dumps(recipe))  # as it is read back: a tuple is a list then
    if not path.exists():
        write_text(path, json.dumps(ours, indent=1) + "\n")
    kept = json.loads(path.read_text())
    if changed := [key for key in ours if kept.get(key) != ours[key]]:
        raise ValueError(
            f"the run in {path.parent} was begun with another {', '.join(changed)}; "
            "take up the old recipe, or another work folder to begin anew"
        )
