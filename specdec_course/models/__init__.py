"""Models from the bundled files, a folder or the Hub: whole, checked, and as pairs with one tokenizer.

`loading` loads, `sources` and `hub` know where from, `fetch` and `convert` bring them, `vocabulary` compares
tokenizers. Knows nothing of caches and decoding.
"""

from .loading import Pair, as_forward, load_pair, vocabulary_size

__all__ = ["Pair", "as_forward", "load_pair", "vocabulary_size"]
