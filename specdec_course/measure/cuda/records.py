"""Records of measurements: written whole, found again, listed.

Knows: files and what every record must say about itself. Does not know: what is measured.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from ...common.paths import data_path
from ...common.whole import write_text


def file_of(folder, prefix: str, card: str, part: str) -> Path:
    """`cuda_h100_latency_qwen2.5-7b.json` for the part `latency:qwen2.5-7b`."""
    return Path(folder) / f"{prefix}_{card}_{part.replace(':', '_').replace('/', '_for_')}.json"


def read(path: Path) -> dict | None:
    """The record of an earlier run, or None if there is none or it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write(path: Path, record: dict) -> None:
    """Writes the record whole: to a temporary name first, then renamed."""
    write_text(path, json.dumps(rounded(record), indent=1) + "\n")


def rounded(value):
    """Floats with six significant digits: no clock here knows more."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def about(part: str, kind: str, hardware: str, precision: str) -> dict:
    """What every record says of itself."""
    import torch
    import transformers

    return {
        "kind": kind,
        "hardware": hardware,
        "precision": precision,
        "date": time.strftime("%Y-%m-%d"),
        "source": "measured by the authors of this course; models of the exact shapes with random weights, made on the "
        "device (the time of a pass does not depend on what the weights are)",
        "software": f"torch {torch.__version__}, transformers {transformers.__version__}, CUDA {torch.version.cuda}",
        "command": f"specdec bench --cuda-suite --part {part}",
        "part": part,
        "finished": False,
    }


def cuda_records(folder=None, kind: str | None = None) -> list[dict]:
    """The recorded measurements of GPUs, by file name: each record, with its "file" added.

    Args:
        folder: where they lie; default: those that come with the course. kind: only records of this kind ("card",
            "kernel", "latency", "context", "costs", "speed", "library", "equality").
    """
    paths = sorted((data_path("measurements") if folder is None else Path(folder)).glob("cuda_*.json"))
    records = [{**record, "file": path.name} for path in paths if (record := read(path)) is not None]
    return [record for record in records if kind is None or record.get("kind") == kind]
