"""The final project's drafter: a table of how sentences go on, whatever their names and numbers are, and copies of what
stood in the text before.

Knows: how both are learned within seconds and kept in few bytes. Does not know: models, how a draft is verified.
"""

from __future__ import annotations

import numpy as np
import torch


class ProjectDrafter:
    """Guesses what the bundled target will write: learns from texts within a minute, drafts from what it has learned.

    `train` runs once. What it returns is all that is carried on: the drafter is made of it in another process, anew for
    every text. Anything may be learned: counts, tables, the weights of a network. It is learned in `train`, from what
    that is given: nothing is brought along in the code that was learned elsewhere.
    """

    @staticmethod
    def train(texts, words, seconds):
        """Learns from texts.

        Args:
            texts: LongTensor [N, T], N pieces of the text that the target was trained on, as token ids.
            words: list of V str: the text of each token, with the space in front where it has one.
            seconds: how much may be used: 60 seconds of processor time.

        Returns:
            dict of tensors by name, of any shapes and types: all that the drafter will know. Together with the code
            of your notebook it has at most 1,500,000 bytes, at most 30,000 of them code; counted as they lie in
            memory: an int8 takes one byte, an int64 eight.
        """
        ids = texts.numpy()
        kinds = ProjectDrafter._kinds(ids, words)
        seen, again = kinds[ids], np.zeros(ids.shape, dtype=bool)
        again[:, 1:] = (seen[:, 1:] == seen[:, :-1]) & (seen[:, 1:] >= len(words))
        skeleton = seen[~again].astype(np.uint64)  # a name of several tokens is one sign
        place = (np.cumsum(~again) - 1).reshape(ids.shape)  # of each token's sign in the skeleton
        follows, guess, kept = ids[:, 1:], np.full(ids[:, 1:].shape, -1), []
        hashed = ProjectDrafter._longer(np.zeros(follows.shape, dtype=np.uint64), ids[:, :-1].astype(np.uint64))
        for n in range(8):  # contexts of the newest token and n signs before it
            if n:
                hashed = ProjectDrafter._longer(hashed, skeleton[np.maximum(place[:, :-1] - n, 0)])
            inside = place[:, :-1] - n >= place[:, :1]
            found = ProjectDrafter._worth_keeping(hashed[inside] >> np.uint64(33), follows[inside], guess[inside])
            guess[inside] = found.pop()
            kept.append(found)
        context, token, gain, rate = (np.concatenate(one) for one in zip(*kept, strict=True))
        best = np.argsort(-gain, kind="stable")[:180_000]  # 7 bytes each
        return {
            "context": torch.from_numpy(context[best].astype(np.int32)),
            "token": torch.from_numpy(token[best].astype(np.int16)),
            "rate": torch.from_numpy((255 * rate[best]).astype(np.uint8)),
            "kinds": torch.from_numpy(kinds.astype(np.int16)),
        }

    @staticmethod
    def _kinds(ids, words):
        """Each token's sign in a skeleton: itself, or V for a piece of a name, V + 1 for a number. A piece of a name is
        a token that, where it stands once, stands again more often than by chance; or a rare one."""
        pieces = ids.reshape(-1, 256) if ids.size % 256 == 0 else ids
        times = np.bincount(ids.ravel(), minlength=len(words))
        holding = np.bincount(np.concatenate([np.unique(one) for one in pieces]), minlength=len(words))
        by_chance = len(pieces) * (1 - np.exp(-times / len(pieces)))
        kinds = np.where((by_chance > 1.25 * holding) | (times < 30), len(words), np.arange(len(words)))
        return np.where([word.strip().isdigit() for word in words], len(words) + 1, kinds)

    @staticmethod
    def _longer(hashed, token):
        """The hash of a context with one more token in front: of 64 bits, of arrays or of ints."""
        return (hashed + token + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF

    @staticmethod
    def _worth_keeping(context, follows, guess):
        """[context, token, how many tokens it puts right, how often it is right] of the contexts whose most frequent
        successor is right at least twice more than the `guess` of a shorter context; and the guesses of all now."""
        pairs = context << np.uint64(13) | follows.astype(np.uint64)
        kinds, group, count = np.unique(pairs, return_inverse=True, return_counts=True)
        head = kinds >> np.uint64(13)
        first = np.flatnonzero(np.concatenate([[True], head[1:] != head[:-1]]))
        owner = np.repeat(np.arange(len(first)), np.diff(first, append=len(kinds)))
        best = np.lexsort((-count, owner))[first]  # of each context its most frequent successor
        token, right, total = (kinds[best] & np.uint64(8191)).astype(int), count[best], np.add.reduceat(count, first)
        where = owner[group]
        gain = right - np.bincount(where, guess == follows, len(first)).astype(int)
        good = gain >= 2
        guess = np.where(good[where], token[where], guess)
        return [*(one[good] for one in (head[first].astype(int), token, gain, (right - 0.5) / (total + 1))), guess]

    def __init__(self, state):
        """Gets ready to draft a text, with 2 seconds to be made in, on average.

        Args:
            state: dict of tensors: what `train` returned, and nothing else is left of the training.
        """
        values = zip(state["token"].tolist(), (state["rate"] / 255).tolist(), strict=True)
        self.table = dict(zip(state["context"].tolist(), values, strict=True))
        self.kinds = state["kinds"].tolist()
        self.copies = [0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9]  # trust in a copy, by the length of the match

    def propose(self, ids, k):
        """Guesses what comes next.

        Args:
            ids: LongTensor [T], the text so far. k: how many tokens to guess at most, >= 1.

        Returns:
            LongTensor [n], 0 <= n <= k: a draft of at most k tokens.
        """
        text = ids.tolist()
        for _ in range(k):
            token, rate = self._known(text)
            length, copied = self._copied(text)
            text.append(copied if self.copies[length] > rate else token)
        return torch.tensor(text[len(ids) :])

    def _known(self, text):
        """(token, how often it is right) behind the longest context that the table has."""
        skeleton, hashed = [], self._longer(0, text[-1])
        found = self.table.get(hashed >> 33, (0, 0.0))
        for token in reversed(text):
            sign = self.kinds[token]
            if skeleton and sign == skeleton[-1] and sign >= len(self.kinds):
                continue
            if skeleton:
                hashed = self._longer(hashed, sign)
                found = self.table.get(hashed >> 33, found)
            skeleton.append(sign)
            if len(skeleton) == 8:
                break
        return found

    def _copied(self, text):
        """(length, token) of the longest ending that stood in the text before, and what followed it there last."""
        best, token = 0, 0
        for at in range(len(text) - 2, -1, -1):
            n = 0
            while n < 8 and n <= at and text[at - n] == text[-1 - n]:
                n += 1
            if n > best:
                best, token = n, text[at + 1]
        return best, token
