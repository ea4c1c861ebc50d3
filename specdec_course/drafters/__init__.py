"""Cheap guessers of what the target will say next. Every drafter obeys one protocol, `Drafter`.

`draft` has the protocol and what is handed over; `bigram`, `lookup`, `automaton` and `suffixes` the drafters that look
things up, in a table, in the text itself, in a large one; `trusted` copies and guesses from `counts`, no further than
they can be trusted; `model` the one that is a small language model, `ahead` the
same in a thread that drafts while the target checks, `batch` for many texts at once; `eagle`, `glide`, `parallel` and
`heads` those that read what the target made of the text, `cape` candidates beside a chain, `trees` what heads guess in;
`named` all of them by name. Knows nothing of how a draft is verified.
"""

from .draft import Context, Draft, Drafter, as_drafter

__all__ = [
    "AheadDrafter", "BigramDrafter", "CapeDrafter", "Context", "CorpusDrafter", "Draft", "Drafter", "EagleDrafter",
    "FirstOf", "GlideDrafter", "MedusaDrafter", "ModelDrafter", "NgramDrafter", "ParallelDrafter",
    "PromptLookupDrafter", "SuffixAutomaton", "SuffixDrafter", "SuffixIndex", "TrustedDrafter", "as_drafter",
    "drafter_of", "propose_stochastic",
]  # fmt: skip


def __getattr__(name):
    if name in ("ModelDrafter", "propose_stochastic"):  # they bring transformers
        from . import model

        return getattr(model, name)
    if name == "CapeDrafter":
        from .cape import CapeDrafter

        return CapeDrafter
    if name == "AheadDrafter":
        from .ahead import AheadDrafter

        return AheadDrafter
    if name in ("EagleDrafter", "GlideDrafter", "ParallelDrafter", "drafter_of"):
        from . import named

        return getattr(named, name)
    if name in __all__:
        from .automaton import SuffixAutomaton, SuffixDrafter
        from .bigram import BigramDrafter
        from .heads import MedusaDrafter
        from .lookup import FirstOf, NgramDrafter, PromptLookupDrafter
        from .suffixes import CorpusDrafter, SuffixIndex
        from .trusted import TrustedDrafter

        known = (
            BigramDrafter,
            CorpusDrafter,
            FirstOf,
            MedusaDrafter,
            NgramDrafter,
            PromptLookupDrafter,
            SuffixAutomaton,
            SuffixDrafter,
            SuffixIndex,
            TrustedDrafter,
        )
        return {one.__name__: one for one in known}[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
