"""The checks of unit 09, one module per exercise. Each knows what an answer must satisfy and which mistakes to name."""

# ruff: noqa: I001 (the order of the course, which `progress` shows)
from .acceptance import acceptance_on
from .teacher import sample_teacher
from .labels import shift_labels
from .loss import distillation_loss
from .step import train_step
from . import wrong_losses, wrong_rules, wrong_texts  # noqa: F401

__all__ = ["acceptance_on", "distillation_loss", "sample_teacher", "shift_labels", "train_step"]
