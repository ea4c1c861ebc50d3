"""The checks of unit 10, one module per exercise or two. Each knows what an answer must satisfy and which mistakes to
name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .labels import medusa_labels
from .geometry import build_tree, tree_attention_mask
from .greedy import verify_tree_greedy
from .stochastic import verify_tree_stochastic
from .typical import typical_acceptance
from .best import best_tree
from .compact import compact_cache
from . import wrong_choices, wrong_laws, wrong_rules  # noqa: F401

__all__ = [
    "best_tree", "build_tree", "compact_cache", "medusa_labels", "tree_attention_mask", "typical_acceptance",
    "verify_tree_greedy", "verify_tree_stochastic",
]  # fmt: skip
