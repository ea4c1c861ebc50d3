"""Clocks, benchmarks and what they are held against. Every figure names the hardware it was measured on.

`clocks` times calls, `profiles` keeps latency curves, `benchmark` compares ways of decoding in turns, `prediction` says
what they should have cost, `equality` whether two texts are one, `cuda` is the suite that needs a GPU.
"""


def __getattr__(name):
    if name == "replay":  # bigram brings the command line's library
        from .bigram import replay

        return replay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
