"""Part "kernel": a round's verdict for a batch of texts, in plain torch and by the fused kernel.

Knows: what both are given, how long each takes, whether they agree. Does not know: models; p and q are random.
"""

from __future__ import annotations

import torch

from ...decoding import drawn, kernel
from .bench import Bench, guarded
from .clock import median_of

TEXTS, K, VOCABULARY = (1, 8, 32, 128), 4, 151936
STATISTIC = (
    "medians of 5 to 30 calls after 4 of warm-up, each from an idle device to finished work, the host included; floor: "
    "reading one row of p and one of q for each text once, at the measured bandwidth of a copy"
)


def round_of(texts: int, vocabulary: int, device, seed=0):
    """(draft, q, p, numbers) of a batch: every second guess is likely to stay."""
    draw = torch.Generator(device=device).manual_seed(seed)
    logits = torch.randn(texts, K + 1, vocabulary, generator=draw, device=device)
    p = logits.softmax(-1)
    q = (logits[:, :K] + 0.5 * torch.randn(texts, K, vocabulary, generator=draw, device=device)).softmax(-1)
    draft = torch.multinomial(q.flatten(0, 1), 1, generator=draw).reshape(texts, K)
    return draft, q, p, torch.rand(texts, K + 1, generator=draw, device=device, dtype=torch.float64)


def timed_round(texts: int, vocabulary: int, device, fused=None) -> dict:
    """Seconds of one round both ways, and of how many texts the tokens differ. fused: the kernel; None where it cannot
    run: then what is asked of it is None, too."""
    given = round_of(texts, vocabulary, device)
    plain = median_of(lambda: drawn.verify_drawn(*given), device)["median"]
    found = {"texts": texts, "torch": plain, "kernel": None, "differing_texts": None}
    if fused is None:
        return found
    differs = (fused(*given)[0] != drawn.verify_drawn(*given)[0]).any(-1)
    return found | {"kernel": median_of(lambda: fused(*given), device)["median"], "differing_texts": int(differs.sum())}


def run_kernel(bench: Bench, record: dict, save) -> None:
    sizes, vocabulary = ((1, 3), 500) if bench.quick else (TEXTS, VOCABULARY)
    bandwidth = ((bench.read("card") or {}).get("measured") or {}).get("bytes_per_second")
    record |= {
        "what": f"accept, residual and draw for a batch: k = {K}, {vocabulary} ids, float32, random p and q",
        "statistic": STATISTIC,
    }
    fused = kernel.verify_drawn if bench.device.type == "cuda" else None  # no figure from the interpreter
    rows = {row["texts"]: row for row in record.get("rows", [])}
    for texts in sizes:
        def measure(texts=texts):
            floor = 2 * 4 * texts * vocabulary / bandwidth if bandwidth else None
            rows[texts] = timed_round(texts, vocabulary, bench.device, fused) | {"floor": floor}
            record["rows"] = list(rows.values())
            save()

        if texts not in rows:
            guarded(bench, record, f"{texts} texts", measure)
    record["finished"] = all(texts in rows for texts in sizes)
    save()
