"""Drafters by the names that a command line gives them. Knows which text a bigram is fitted on."""

from __future__ import annotations

from ..corpora import load_corpus
from ..models import vocabulary_size
from .bigram import BigramDrafter
from .model import ModelDrafter

NAMES = ("model", "bigram", "none")


def named_drafter(name: str, pair, corpus: str = "atlas", split: str = "train", say=print):
    """The drafter for a pair: its draft "model"; a "bigram" fitted on a corpus (a name or a file); or "none", which is
    None. ValueError for another name, and for a pair without a draft model."""
    if name == "none":
        return None
    if name == "model":
        if pair.draft is None:
            raise ValueError(f"{pair.name} has no draft model: give it one, or use the bigram, or no drafter (none)")
        return ModelDrafter(pair.draft)
    if name != "bigram":
        raise ValueError(f"there is no drafter {name!r}; expected one of {', '.join(map(repr, NAMES))}")
    ids = load_corpus(corpus, pair.tokenizer, split=split, say=lambda line: say(f"bigram fitted on {line}"))
    return BigramDrafter.fit(ids, vocabulary_size(pair.target))
