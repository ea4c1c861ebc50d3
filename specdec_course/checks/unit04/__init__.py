"""The checks of unit 04, one module per exercise or few. Each knows what an answer must satisfy and what to name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .distribution import next_token_distribution
from .formulas import acceptance_probability
from .leftover import residual
from .formulas import expected_acceptance
from .draft import propose_stochastic
from .verification import verify_stochastic
from .block import verify_block

__all__ = [
    "acceptance_probability",
    "expected_acceptance",
    "next_token_distribution",
    "propose_stochastic",
    "residual",
    "verify_block",
    "verify_stochastic",
]
# What students' cells import in the grader's room, besides the answers that are lent.
CARRIED = {"sampling": ("Sampling", "Dice", "PredrawnDice", "exact_law"), "drafters": ("Draft",)}
