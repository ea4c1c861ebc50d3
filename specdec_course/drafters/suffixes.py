"""A large text that stays as it is, indexed so that the longest match of any context is found at once.

Knows: suffix arrays. Does not know: models, how a draft is verified, texts that grow (automaton: some 400 bytes a
token, where this index takes 8).
"""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from struct import pack

import numpy as np
import torch

from .draft import Draft, Drafter

WIDTH = 4  # bytes of a token


class SuffixIndex:
    """All places of a text, sorted by what stands in front of them, read backwards.

    Contexts that end alike then stand side by side, and the longest match of a new one is a neighbour of the place
    where it would be sorted in: found by bisection, in O(log N).

    ids: LongTensor [N], the text. depth: how many tokens are read backwards, at most; no match is longer.
    """

    def __init__(self, ids, depth: int = 32):
        ids = np.asarray(ids, dtype=np.int64)
        if ids.ndim != 1 or len(ids) < 2 or ids.min() < 0 or ids.max() >= 1 << 31:
            raise ValueError(
                f"the text has shape {ids.shape}; expected one row of at least two ids, each from 0 to 2^31 - 1"
            )
        self.depth, self.size = depth, len(ids)
        self.text = ids.astype(np.int32)
        self.backwards = ids[::-1].astype(">u4").tobytes()  # big-endian: bytes compare as the numbers do
        places = sorted_places(ids, depth)
        tokens, first = np.unique(ids[places - 1], return_index=True)  # places behind one token stand side by side
        ends = [*first[1:].tolist(), len(places)]
        self.behind = dict(zip(tokens.tolist(), zip(first.tolist(), ends, strict=True), strict=True))
        self.places = memoryview(places)

    def longest_match(self, context) -> tuple[int, int]:
        """(n, place): the last n tokens of the context, a list of ids, stand right before `place`, and no more do.

        With n = 0 nothing matches, and the place is 0. Else something follows it.
        """
        low, high = self.behind.get(context[-1], (0, 0)) if context else (0, 0)
        if low == high:
            return 0, 0
        wanted = pack(f">{min(len(context), self.depth)}I", *context[: -self.depth - 1 : -1])
        at = bisect_left(self.places, wanted, low, high, key=self._before)
        near = self.places[max(low, at - 1) : min(high, at + 1)]
        return max([(self._alike(wanted, place), place) for place in near], key=itemgetter(0))

    def _before(self, place: int) -> bytes:
        """What stands in front of a place, read backwards."""
        start = WIDTH * (self.size - place)
        return self.backwards[start : start + WIDTH * self.depth]

    def _alike(self, wanted: bytes, place: int) -> int:
        """How many tokens these have in common from the start: up to the highest bit that differs."""
        here = self._before(place)
        size = min(len(here), len(wanted))
        differs = int.from_bytes(wanted[:size], "big") ^ int.from_bytes(here[:size], "big")
        return (8 * size - differs.bit_length()) // (8 * WIDTH)


def sorted_places(ids: np.ndarray, depth: int) -> np.ndarray:
    """The places 1 ... N - 1 of ids [N], int32, sorted by the (at least) `depth` tokens in front, read backwards.

    Several tokens are packed into one number and sorted at once; then each round sorts by twice as many, but only the
    places that are not told apart yet. In ordinary text these soon are few.
    """
    codes = np.searchsorted(np.unique(ids), ids) + 1  # 0: in front of the text stands nothing
    bits = int(codes.max()).bit_length()
    seen = max(1, min(63 // bits, depth, len(ids)))
    keys = np.zeros(len(ids) + 1, dtype=np.int64)  # of every place, the end of the text too
    for back in range(seen):
        keys[back + 1 :] += codes[: len(ids) - back] << bits * (seen - 1 - back)
    order = np.argsort(keys, kind="stable")
    rank = _ranks(keys[order], order, np.arange(len(order)), np.empty(len(order), dtype=np.int64))
    open_slots = _unsettled(rank[order], np.arange(len(order)))
    while seen < depth and len(open_slots):
        places = order[open_slots]
        further = np.where(places >= seen, rank[places - seen], -1)
        turned = np.lexsort((further, rank[places]))
        order[open_slots] = places = places[turned]
        pairs = rank[places] * (len(order) + 1) + further[turned] + 1
        rank = _ranks(pairs, places, open_slots, rank.copy())
        open_slots = _unsettled(rank[places], open_slots)
        seen *= 2
    return order[(order > 0) & (order < len(ids))].astype(np.int32)


def _ranks(keys, places, slots, rank):
    """Writes into `rank` for each place the first slot among those with an equal key; keys are in the slots' order."""
    first = np.concatenate([[True], keys[1:] != keys[:-1]])
    rank[places] = slots[first][np.cumsum(first) - 1]
    return rank


def _unsettled(ranks, slots):
    """The slots whose rank is shared; ranks are in the slots' order."""
    same = ranks[1:] == ranks[:-1]
    return slots[np.concatenate([same, [False]]) | np.concatenate([[False], same])]


class CorpusDrafter(Drafter):
    """Copies what followed the longest match of the newest tokens in a large text.

    index: a SuffixIndex of a text that was encoded with the target's tokenizer. at_least: a match of fewer tokens is
    not copied from.
    """

    varies = True

    def __init__(self, index: SuffixIndex, at_least: int = 2):
        if at_least < 1:
            raise ValueError(f"at_least is {at_least}; expected a match of at least 1 token")
        self.index, self.at_least = index, at_least

    def propose(self, ids, k, sampling=None, dice=None) -> Draft:
        n, place = self.index.longest_match(ids[-self.index.depth :].tolist())
        copied = self.index.text[place : place + k] if n >= self.at_least else self.index.text[:0]
        return Draft(torch.from_numpy(copied.astype(np.int64)).to(ids.device))
