"""Counts of what a target writes: what `specdec train counts` does.

Knows: which texts are counted, how well they guess others. Does not know: how text is written (written), how it is
counted (drafters.counts).
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from ..common.paths import cache_path
from ..common.whole import write_text
from ..drafters.counts import FILE, Counts, words_of
from ..measure.machine import machine
from .checkpoint import same_recipe
from .distil import fingerprint
from .export import CHECKSUMS, write_checksums
from .interrupts import deferred
from .written import Writer, batch_path, check_room, load_batch, write_all

log = logging.getLogger("specdec_course")


def count_texts(
    target, tokenizer, out, name: str, batches: int = 24, rows: int = 96, new: int = 128, seed: int = 0, work=None,
    texts=None,
) -> Path:  # fmt: skip
    """The counts of `batches` batches of texts that the target writes, in the folder `out`, with a record beside them.

    name: of the target, for the record. work: where the texts are kept; what is there is not written again. texts:
    LongTensor [T], of which a third of the texts go on from pieces.
    """
    if batches < 2:
        raise ValueError(f"batches is {batches}; the last one is held out for a look, so there have to be two or more")
    out = Path(out)
    folder = Path(work) if work else cache_path("counts", out.name)
    recipe = {"batches": batches, "rows": rows, "new": new, "seed": seed}
    check_room(out.parent, 0)
    with deferred() as stopped:
        of_these = {"models": [fingerprint(target)], "texts": None if texts is None else len(texts)}
        same_recipe(folder / "recipe.json", recipe | of_these)
        write_all(Writer(target), tokenizer, folder, batches, rows, new, texts, seed, stopped)
    began, known = time.perf_counter(), words_of(tokenizer, target.config.get_text_config().vocab_size)
    written = [rows_of(load_batch(batch_path(folder, number))) for number in range(batches)]
    held_out = [row.tolist() for row in written[-1]]
    first = Counts.of([row for some in written[:-1] for row in some], known)
    right = sum(first.hits(row) for row in held_out) / sum(len(row) - 1 for row in held_out)
    everything = [row for some in written for row in some]
    counts = Counts.of(everything, known)
    out.mkdir(parents=True, exist_ok=True)
    counts.save(out / FILE)
    log.info("%d contexts of %d tokens, counted in %.1f s; of texts held out the first guess is right at %.3f",
             len(counts.known), sum(map(len, everything)), time.perf_counter() - began, right)
    record = {
        "what": "what most often followed each context of texts that the target wrote", "target": name,
        "recipe": recipe, "tokens": sum(map(len, everything)), "contexts": len(counts.known),
        "right_held_out": round(right, 4), "hardware": machine(), "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    write_text(out / "counted.json", json.dumps(record, indent=1) + "\n")
    if (out.parent / CHECKSUMS).is_file():
        write_checksums(out.parent)
    return out


def rows_of(batch) -> list:
    """The texts of a batch, LongTensor [n] each, without what they were padded with."""
    return [row[pad:] for row, pad in zip(batch.ids, batch.pads.tolist(), strict=True)]
