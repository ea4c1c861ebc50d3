"""The trained pair as Hugging Face folders in half precision, with checksums. Knows the layout of data/classroom."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from specdec_course.common.paths import sha256_of
from specdec_course.common.whole import write_text
from specdec_course.models.loading import quiet

from .tokenizer import save_tokenizer

CHECKSUMS = "checksums.json"


def write_model(model, folder: Path) -> None:
    """Write a model in half precision, as `load_pair` reads it."""
    import copy

    import torch

    half = copy.deepcopy(model).to("cpu", torch.float16)
    half.set_attn_implementation("sdpa")
    half.config.dtype = torch.float16
    with quiet():
        half.save_pretrained(str(folder))


def export_pair(target, draft, tokenizer, folder: Path) -> None:
    """Write target/, draft/, tokenizer/ and checksums.json under `folder`; every file is replaced whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as scratch:
        fresh = Path(scratch)
        write_model(target, fresh / "target")
        write_model(draft, fresh / "draft")
        save_tokenizer(tokenizer, fresh / "tokenizer")
        for path in sorted(fresh.rglob("*")):
            if path.is_file():
                place = folder / path.relative_to(fresh)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.chmod(0o644)
                path.replace(place)
    write_checksums(folder)


def write_checksums(folder: Path) -> None:
    """checksums.json: {"target/model.safetensors": sha256, ...} for every exported file."""
    sums = {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.glob("*/*")) if path.is_file()}
    write_text(folder / CHECKSUMS, json.dumps(sums, indent=1) + "\n")
