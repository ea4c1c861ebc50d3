"""The checks of unit 08, one module per exercise. Each knows what an answer must satisfy and which mistakes to name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .tables import build_ngram_tables
from .backoff import draft_with_backoff
from .prompt import prompt_lookup
from .automaton import SuffixAutomaton
from .turns import combine
from . import wrong_rules  # noqa: F401

__all__ = ["SuffixAutomaton", "build_ngram_tables", "combine", "draft_with_backoff", "prompt_lookup"]
