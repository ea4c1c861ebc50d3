"""The checks of unit 03: the rule of one round, the loop around it, the statistics. Each module says what it knows."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .length import accepted_length
from .rule import verify_greedy
from .loop import generate_speculative
from .statistics import tokens_per_call, acceptance_rate

__all__ = ["acceptance_rate", "accepted_length", "generate_speculative", "tokens_per_call", "verify_greedy"]
# What students' cells import in the grader's room, besides the answers that are lent.
CARRIED = {"trace": ("Round", "Decoded"), "decoding": ("greedy_decode",)}
