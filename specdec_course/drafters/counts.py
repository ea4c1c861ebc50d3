"""What follows what in a text, counted: contexts of several tokens, in which names and numbers are one sign each.

Knows: how it is counted, how far a guess is to be trusted, how all of it lies in a file. Does not know: drafts, models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..common.whole import write_whole

FILE = "counts.safetensors"
MASK, MIX = 0xFFFFFFFFFFFFFFFF, 0x9E3779B97F4A7C15
LEAST = 2  # times that a token has to follow a context: once is chance
DOUBT = 2  # a guess that was right each of so many times is trusted by half
FINEST = 255  # a trust is kept in a byte
PIECE = 256  # tokens within which a name comes again
BURSTS = (1.25, 3.0)  # times as many pieces as it stands in would hold a name by chance: what counts as one
TRIAL = 300_000  # tokens on which that is chosen: nine tenths are counted, and then the last tenth is guessed


def longer(hashed, token):
    """The hash, of 64 bits, of a context with one more token in front: of arrays or of ints."""
    return (hashed + token + 1) * MIX & MASK


def words_of(tokenizer, vocab_size: int) -> list[str]:
    """The text of each id of a model, "" for those that its tokenizer does not have."""
    known = min(vocab_size, len(tokenizer))
    return [*tokenizer.batch_decode([[i] for i in range(known)]), *[""] * (vocab_size - known)]


def signs_of(ids, words, bursts: float) -> np.ndarray:
    """Each token's sign in a context, [V]: itself, or V for a piece of a name, V + 1 for a number.

    A piece of a name is a token that, where it stands once, stands again: by chance `bursts` times as many pieces of
    text would have it; or a rare one.

    Args:
        ids: [N], a text. words: V str, the text of each token.
    """
    ids, size = np.asarray(ids), len(words)
    pieces = ids[: len(ids) // PIECE * PIECE].reshape(-1, PIECE) if len(ids) >= PIECE else ids.reshape(1, -1)
    times = np.bincount(ids, minlength=size)
    holding = np.bincount(np.concatenate([np.unique(one) for one in pieces]), minlength=size)
    by_chance = len(pieces) * (1 - np.exp(-times / len(pieces)))
    rare = min(30, max(2, len(ids) // 20_000))
    signs = np.where((by_chance > bursts * holding) | (times < rare), size, np.arange(size))
    return np.where([word.strip().isdigit() for word in words], size + 1, signs)


class Counts:
    """What most often followed the contexts of a text, and how far that is to be trusted.

    A context is the newest token and 0 ... n - 1 signs before it (`signs_of`); a name or a number of several tokens is
    one of them. A token that followed it `times` of `total` is trusted times / total, and the less the fewer the times:
    times / (times + 2) of that. Contexts after which nothing stood twice are left out.

    known: {hash of a context: token and trust in one number}. signs: list of V ints.
    """

    def __init__(self, known: dict[int, int], signs: list[int], n: int):
        self.known, self.signs, self.n = known, signs, n

    @classmethod
    def of(cls, rows, words, n: int = 8) -> Counts:
        """Counted on texts: a LongTensor [N] or several, as a list; no context goes from one into the next.

        words: V str, the text of each token of the vocabulary. ValueError without a text, or with ids outside.
        """
        rows = [np.asarray(row, dtype=np.int64) for row in (rows if isinstance(rows, list) else [rows])]
        rows = [row for row in rows if row.ndim == 1 and len(row) > 1]
        ids = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        if n < 1 or not len(ids) or not 0 <= ids.min() <= ids.max() < len(words):
            raise ValueError(
                f"there are {len(ids)} tokens to count, of {len(words)}, and n is {n}; expected texts of two tokens or "
                "more, ids within the vocabulary, and n >= 1"
            )
        opens = np.zeros(len(ids), dtype=bool)  # where a text begins
        opens[np.cumsum([0, *map(len, rows[:-1])])] = True
        some, last = ids[:TRIAL], min(TRIAL, len(ids)) // 10
        learned = len(some) - last
        tried = [cls._counted(some[:learned], opens[:learned], signs_of(some, words, bursts), n) for bursts in BURSTS]
        hits = [one.hits(some.tolist(), learned) for one in tried]
        return cls._counted(ids, opens, signs_of(ids, words, BURSTS[int(np.argmax(hits))]), n)

    @classmethod
    def _counted(cls, ids, opens, signs, n: int) -> Counts:
        """Of ids [N], where opens [N] says where a text begins."""
        known, seen = {}, signs[ids]
        again = ~opens & (seen == np.roll(seen, 1)) & (seen >= len(signs))  # a name of several tokens is one sign
        skeleton, place = seen[~again].astype(np.uint64), np.cumsum(~again) - 1
        first = np.maximum.accumulate(np.where(opens, place, 0))  # of each token's text, the place where it begins
        ends = np.flatnonzero(~np.roll(opens, -1))  # the contexts that something follows
        ends, place, first = ends, place[ends], first[ends]
        hashed = longer(np.zeros(len(ends), dtype=np.uint64), ids[ends].astype(np.uint64))
        for back in range(n):
            if back:
                hashed = longer(hashed, skeleton[np.maximum(place - back, 0)])
            inside = place - back >= first
            known.update(_favourites(hashed[inside], ids[ends + 1][inside]))
        return cls(known, signs.tolist(), n)

    def guess(self, text: list[int], end: int) -> tuple[int, float]:
        """(token, trust) behind the longest context of text[:end] that is known; a trust of 0: none is."""
        size = len(self.signs)
        if end < 1 or text[end - 1] >= size:
            return 0, 0.0
        hashed, last, length = longer(0, text[end - 1]), self.signs[text[end - 1]], 1
        found = self.known.get(hashed, 0)
        for place in range(end - 2, -1, -1):
            token = text[place]
            if length == self.n or token >= size:
                break
            if (sign := self.signs[token]) != last or sign < size:
                hashed, last, length = longer(hashed, sign), sign, length + 1
                found = self.known.get(hashed, found)
        return found >> 8, (found & FINEST) / FINEST

    def hits(self, text: list[int], start: int = 1) -> int:
        """How many tokens of a text are guessed right, from place `start` on."""
        return sum(self.guess(text, place)[0] == text[place] for place in range(start, len(text)))

    def save(self, path) -> None:
        from safetensors.torch import save_file

        contexts = np.fromiter(self.known, dtype=np.uint64, count=len(self.known)).view(np.int64)
        order = np.argsort(contexts)
        values = np.fromiter(self.known.values(), dtype=np.int64, count=len(self.known))[order]
        tensors = {
            "contexts": contexts[order],
            "tokens": (values >> 8).astype(np.int32),
            "trust": (values & FINEST).astype(np.uint8),
            "signs": np.array(self.signs, dtype=np.int32),
        }
        tensors, about = {name: torch.from_numpy(array) for name, array in tensors.items()}, {"n": str(self.n)}
        write_whole(Path(path), lambda new: save_file(tensors, new, about))

    @classmethod
    def load(cls, path) -> Counts:
        """ValueError for a file that `save` did not write."""
        from safetensors import safe_open

        try:
            with safe_open(Path(path), "np") as file:
                one, n = {name: file.get_tensor(name) for name in file.keys()}, int(file.metadata()["n"])  # noqa: SIM118
            values = one["tokens"].astype(np.int64) << 8 | one["trust"]
            known = dict(zip(one["contexts"].view(np.uint64).tolist(), values.tolist(), strict=True))
        except Exception as error:
            raise ValueError(f"{path} holds no counts ({error}): make some with `specdec train counts`") from None
        return cls(known, one["signs"].tolist(), n)


def _favourites(contexts, follows):
    """(hash, token and trust in one number) of every context that something followed LEAST times."""
    order = np.lexsort((follows, contexts))
    contexts, follows = contexts[order], follows[order]
    new = np.diff(contexts, prepend=~contexts[:1]) != 0
    pairs = np.flatnonzero(new | (np.diff(follows, prepend=-1) != 0))
    times, owner = np.diff(pairs, append=len(contexts)), np.cumsum(new)[pairs]
    total = np.bincount(np.cumsum(new))
    best = np.lexsort((-times, owner))  # of each context its pairs, the most frequent first, then by the smallest id
    best = best[np.diff(owner[best], prepend=0) != 0]
    best = best[times[best] >= LEAST]
    trust = times[best] / total[owner[best]] * times[best] / (times[best] + DOUBT)
    values = follows[pairs[best]] << 8 | np.maximum(1, np.rint(FINEST * trust).astype(np.int64))
    return zip(contexts[pairs[best]].tolist(), values.tolist(), strict=True)
