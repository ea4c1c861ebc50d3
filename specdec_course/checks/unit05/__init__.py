"""The checks of unit 05: taking back, a model with memory, the loop with two caches, static buffers and their size.

Each module says what it knows.
"""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .taking_back import rollback
from .memory import CachedModel
from .loop import generate_cached
from .buffers import kv_cache_bytes, static_mask
from . import habits, wrong_rules  # noqa: F401

__all__ = ["CachedModel", "generate_cached", "kv_cache_bytes", "rollback", "static_mask"]
CARRIED = {"checks.stages.caches": ("Lists", "Layers", "Strict")}  # into the grader's room: caches to take back
