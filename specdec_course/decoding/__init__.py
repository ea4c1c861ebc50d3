"""The loops: `lessons` has those that the course teaches, `engine` the one that people use, `generate`.

`request` checks what it is asked for, `ends` knows what ends a text, `turns` sees to one text at a time, `rounds` has a
round of it, `schedules` and `adaptive` say how far to guess ahead, `bild` is the lossy loop of a Big Little Decoder.
Knows nothing of how a draft is made (drafters) and which of its tokens stay (verification).
"""

from .lessons import generate_cached, generate_speculative, greedy_decode

__all__ = ["generate", "generate_cached", "generate_speculative", "greedy_decode", "stream"]


def __getattr__(name):
    if name in ("generate", "stream"):  # the engine brings transformers, which the lessons do without
        from . import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
