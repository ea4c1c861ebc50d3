"""The checks of unit 13, one module per exercise. Each knows what an answer must satisfy and which mistakes to name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .budgets import force_budget
from .routes import route
from .steps import speculative_step
from .votes import vote_until
from .rewards import length_reward
from .shortest import shortest_correct
from . import wrong_rewards, wrong_strategies  # noqa: F401

__all__ = ["force_budget", "length_reward", "route", "shortest_correct", "speculative_step", "vote_until"]
