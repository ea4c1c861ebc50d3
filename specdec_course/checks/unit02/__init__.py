"""The checks of unit 02, one module per exercise. Each knows what an answer must satisfy and which mistakes to name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .windows import sample_windows
from .table import build_next_token_array
from .rate import hit_rate
from .draft import draft_with_bigram
from .probabilities import bigram_probabilities

__all__ = ["bigram_probabilities", "build_next_token_array", "draft_with_bigram", "hit_rate", "sample_windows"]
