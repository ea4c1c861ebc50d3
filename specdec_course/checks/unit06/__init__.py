"""Unit 06, qwen_pairing: may it guess (language, width), what does it bring (tokens, formula, length, alpha), which."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .language import compatible
from .width import align_vocabulary
from .tokens import expected_tokens
from .formula import speedup
from .length import best_k
from .alpha import estimate_alpha
from .choice import choose_draft
from . import wrong_choices, wrong_rules  # noqa: F401

__all__ = [
    "align_vocabulary",
    "best_k",
    "choose_draft",
    "compatible",
    "estimate_alpha",
    "expected_tokens",
    "speedup",
]
# What students' cells import in the grader's room, besides the answers that are lent.
CARRIED = {"theory": ("Candidate",), "models.vocabulary": ("PROBE",)}
