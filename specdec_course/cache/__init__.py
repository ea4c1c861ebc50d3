"""Models that remember: append tokens, take back what was rejected.

`eager` has the cache that grows (`CachedModel`), `static` the one with fixed buffers, `batch` that of several texts
side by side, `graphs` what compiles and captures a pass, `conditioned` the clothes for an encoder-decoder. Knows
nothing of drafts and rounds.
"""

from .eager import CachedModel, rollback

__all__ = ["CachedModel", "rollback"]
