"""The checks of unit 07, one module per kind of rule. Each knows what an answer must satisfy and what to name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .schedule import heuristic_schedule
from .confidence import confident_prefix
from .tracker import AcceptanceTracker
from .stop import optimal_stop
from .bild import bild_policy
from . import wrong_rules  # noqa: F401

__all__ = ["AcceptanceTracker", "bild_policy", "confident_prefix", "heuristic_schedule", "optimal_stop"]
