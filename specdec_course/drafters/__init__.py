"""Cheap guessers of what the target will say next. Every drafter obeys one protocol, `Drafter`.

`draft` has the protocol and what is handed over, `bigram` the drafter that is a table, `model` the one that is a
small language model. Knows nothing of how a draft is verified.
"""

from .draft import Context, Draft, Drafter, as_drafter

__all__ = ["BigramDrafter", "Context", "Draft", "Drafter", "ModelDrafter", "as_drafter", "propose_stochastic"]


def __getattr__(name):
    if name == "BigramDrafter":
        from .bigram import BigramDrafter

        return BigramDrafter
    if name in ("ModelDrafter", "propose_stochastic"):  # they bring transformers
        from . import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
