"""The checks of unit 11, one module per exercise. Each knows what an answer must satisfy and which mistakes to name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .inputs import eagle_inputs
from .rollout import eagle_rollout
from .blocks import block_mask
from .attention import cross_attend
from .widths import cape_widths
from . import wrong_attention, wrong_drafts, wrong_rules  # noqa: F401

__all__ = ["block_mask", "cape_widths", "cross_attend", "eagle_inputs", "eagle_rollout"]
