"""Drafters by the names that a command line gives them. Knows which of them are fitted on a text, and on which."""

from __future__ import annotations

from pathlib import Path

from ..common.paths import data_path
from ..corpora import load_corpus
from ..corpora.texts import NAMES as TEXTS
from ..models import vocabulary_size
from ..models.loading import load_draft
from ..models.trimmed import reads
from .automaton import SuffixDrafter
from .bigram import BigramDrafter
from .cape import CapeDrafter
from .counts import FILE, Counts, words_of
from .draft import Drafter
from .eagle import EagleDrafter
from .glide import GlideDrafter
from .heads import medusa_drafter
from .lookup import FirstOf, NgramDrafter, PromptLookupDrafter
from .model import ModelDrafter
from .parallel import ParallelDrafter
from .suffixes import CorpusDrafter, SuffixIndex
from .trusted import TrustedDrafter

NAMES = ("model", "bigram", "ngram", "lookup", "suffix", "corpus", "combined", "medusa", "eagle", "glide", "cape",
         "parallel", "trusted", "none")  # fmt: skip
FITTED = ("bigram", "ngram", "corpus", "combined", "trusted")  # on a text
MOST = 2_000_000  # tokens of it that are counted or indexed, the bigram's aside


def named_drafter(name: str, pair, corpus: str = "atlas", split: str = "train", say=print, heads=None):
    """The drafter for a pair, by its name. ValueError for another name, and for a pair without the models
    that it asks for.

    model: the pair's draft. bigram, ngram: counted on a corpus (a name or a file). lookup: prompt lookup. suffix: the
    longest ending that stood in the text before. corpus: the longest match in a corpus. combined: suffix, where it has
    three tokens to go by, then corpus, then ngram. medusa: the heads in the folder `heads`, or the bundled
    ones. eagle: the bundled draft that reads the target's states; glide: the one that looks into its cache; cape: this
    one, with more candidates where it is less sure; parallel: the one that guesses all of a draft in one pass. trusted:
    copies from the text and guesses from counts, as far as they can be trusted: the pair's own counts if the corpus is
    "atlas", those in the folder `corpus` that `specdec train counts` wrote, or counts of the corpus. none: None.
    Several, joined by "+", are asked in turn until one has a guess: suffix+eagle.
    """
    if "+" in name:
        return FirstOf(*(named_drafter(one, pair, corpus, split, say, heads) for one in name.split("+")))
    if name == "none":
        return None
    if name == "model":
        if pair.draft is None:
            raise ValueError(f"{pair.name} has no draft model: give it one, or use the bigram, or no drafter (none)")
        return drafter_of(pair.draft)
    if name == "medusa":
        folder = heads or bundled("medusa", pair)
        if folder is None:
            raise ValueError(f"{pair.name} has no Medusa heads: train some (specdec train medusa --target ...), and "
                             "name their folder (--heads)")
        return medusa_drafter(folder, pair.target)
    if name == "cape":
        return CapeDrafter(named_drafter("glide", pair))
    if name in ("eagle", "glide", "parallel"):
        folder = bundled(name, pair)
        if folder is None:
            raise ValueError(f"no draft of this kind ({name}) comes with {pair.name}: train one (specdec train {name} "
                             "--target ...) and name it as the draft (--draft)")
        return drafter_of(load_draft(folder, pair.target))
    if name not in NAMES:
        raise ValueError(f"there is no drafter {name!r}; expected one of {', '.join(map(repr, NAMES))}")
    if name == "lookup":
        return PromptLookupDrafter()
    if name == "suffix":
        return SuffixDrafter()
    folder = Path(corpus) if Path(corpus, FILE).is_file() else bundled("counts", pair) if corpus == "atlas" else None
    if name == "trusted" and folder:
        return TrustedDrafter(Counts.load(folder / FILE))
    if name == "trusted" and corpus not in TEXTS and Path(corpus).is_dir():
        raise ValueError(f"the folder {corpus} has no {FILE}: name one that `specdec train counts` wrote, or a text to "
                         "count")
    ids = load_corpus(corpus, pair.tokenizer, split=split, say=lambda line: say(f"{name} fitted on {line}"))
    return fitted_drafter(name, ids, vocabulary_size(pair.target), pair.tokenizer)


def drafter_of(model) -> Drafter:
    """The drafter for a draft model of any kind."""
    kinds = {"": ModelDrafter, "states": EagleDrafter, "keys_values": GlideDrafter, "both": ParallelDrafter}
    return kinds[reads(getattr(model, "config", None))](model)


def bundled(name: str, pair) -> Path | None:
    """The folder of what comes with a pair: "medusa", heads; "eagle", "glide", "parallel", a draft; "counts", of what
    its target writes. None: nothing."""
    own = {"classroom": ("eagle", "glide", "medusa", "parallel"), "smollm2": ("counts",)}
    kind = pair.name.split()[0]
    return data_path(kind, name) if name in own.get(kind, ()) else None


def fitted_drafter(name: str, ids, vocab_size: int, tokenizer=None):
    """One of `FITTED` for a text, LongTensor [T]; "trusted" wants the tokenizer, too."""
    if name == "bigram":
        return BigramDrafter.fit(ids, vocab_size)
    ids = ids[:MOST]
    if name == "trusted":
        return TrustedDrafter(Counts.of(ids, words_of(tokenizer, vocab_size)))
    if name == "ngram":
        return NgramDrafter.fit(ids)
    corpus = CorpusDrafter(SuffixIndex(ids), at_least=3 if name == "combined" else 2)
    return corpus if name == "corpus" else FirstOf(SuffixDrafter(at_least=3), corpus, NgramDrafter.fit(ids))
