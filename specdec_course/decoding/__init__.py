"""The loops: `lessons` has those that the course teaches, `engine` the one that people use, `generate`, and `batch` the
one for many texts at once, `generate_batch`.

`request` checks what they are asked for, `ends` knows what ends a text, `turns` sees to one text at a time, `rounds`
has a round of it, `drawn` one of a whole batch (`kernel` the same in one launch on a GPU), `schedules` and `adaptive`
say how far to guess ahead, `serving` what a batch is worth, `bild` is the lossy loop of a Big Little Decoder. Knows
nothing of how a draft is made (drafters) and which of its tokens stay (verification).
"""

from .lessons import generate_cached, generate_speculative, greedy_decode

__all__ = ["generate", "generate_batch", "generate_cached", "generate_speculative", "greedy_decode", "stream"]


def __getattr__(name):
    if name in ("generate", "stream"):  # the engine brings transformers, which the lessons do without
        from . import engine

        return getattr(engine, name)
    if name == "generate_batch":
        from . import batch

        return batch.generate_batch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
