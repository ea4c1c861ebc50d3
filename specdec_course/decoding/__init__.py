"""The loops: `lessons` has those that the course teaches, `engine` the one that people use, `generate`.

`rounds` has a round of it, `schedules` and `adaptive` say how far to guess ahead, `bild` is the lossy loop of a Big
Little Decoder. Knows nothing of how a draft is made (drafters) and which of its tokens stay (verification).
"""

from .lessons import generate_cached, generate_speculative, greedy_decode

__all__ = ["generate", "generate_cached", "generate_speculative", "greedy_decode"]


def __getattr__(name):
    if name == "generate":  # the engine brings transformers, which the lessons do without
        from .engine import generate

        return generate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
