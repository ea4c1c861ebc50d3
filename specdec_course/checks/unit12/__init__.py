"""The checks of unit 12, one module per exercise. Each knows what an answer must satisfy and which mistakes to name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .rows import verify_batch
from .worth import batch_throughput
from .crossover import crossover_batch
from .ahead import overlap_timeline
from . import wrong_ahead, wrong_crossovers, wrong_rows, wrong_worth  # noqa: F401

__all__ = ["batch_throughput", "crossover_batch", "overlap_timeline", "verify_batch"]
