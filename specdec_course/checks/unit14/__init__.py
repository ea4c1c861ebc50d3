"""The check of unit 14, the final project: any drafter within the budgets, and what it is worth on hidden prompts."""

from .project import ProjectDrafter

__all__ = ["ProjectDrafter"]
