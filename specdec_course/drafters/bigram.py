"""A drafter that is a table: after this token, that one.

Knows: how to count which token follows which, how to read a draft off the counts, how often that is right. Does
not know: models, how a draft is verified, where the text comes from.
"""

from __future__ import annotations

import numpy as np
import torch

from .draft import Draft, Drafter


def build_next_token_array(train_data, vocab_size=128256, default_next_token=220):
    """For every token of the vocabulary, the token that most often comes right after it.

    Args:
        train_data: LongTensor [nsamples, seqlen], one window of text per row. A single row,
            LongTensor [seqlen], or a list of such rows, all of one length, works too. The last
            token of a row is not followed by the first of the next row: the two come from
            different places.
        vocab_size: how many ids the *model* has. It may be larger than every id in the data.
        default_next_token: the entry of a token that nothing ever followed in the data.

    Returns:
        numpy array [vocab_size] of dtype int32. On a tie the smallest id wins. Two million tokens
        take a few seconds at most: count whole arrays (or plain numbers, but not one tensor per
        token), and only the pairs that occur: vocab_size x vocab_size numbers do not fit into
        memory.

    Raises:
        ValueError: the data holds an id outside the vocabulary, below 0 or above vocab_size - 1,
            at any place of a row (rows have two tokens or more).
    """
    rows = [train_data] if np.ndim(train_data[0]) == 0 else train_data
    rows = [np.asarray(row, dtype=np.int64) for row in rows]
    first = np.concatenate([row[:-1] for row in rows])
    second = np.concatenate([row[1:] for row in rows])
    if len(first) and not 0 <= min(first.min(), second.min()) <= max(first.max(), second.max()) < vocab_size:
        raise ValueError(
            f"train_data holds ids outside 0...{vocab_size - 1}: vocab_size must be that of the model, "
            "and the text must be encoded with its tokenizer"
        )
    pairs, counts = np.unique(first * vocab_size + second, return_counts=True)  # a pair is one number
    first, second = np.divmod(pairs, vocab_size)
    order = np.argsort(-counts, kind="stable")  # frequent pairs to the front; on a tie the smaller id
    seen, where = np.unique(first[order], return_index=True)  # the first place of each token
    next_token_array = np.full(vocab_size, default_next_token, dtype=np.int32)
    next_token_array[seen] = second[order[where]]
    return next_token_array


def draft_with_bigram(last_token, next_token_array, k):
    """A draft of k tokens, read off the table: each guess is looked up after the guess before it.

    Args:
        last_token: the newest token of the text, an int (a 0-d tensor works too).
        next_token_array: [V], for every token the guess of what comes next.
        k: how many tokens to draft, >= 0.

    Returns:
        LongTensor [k]; with k = 0 it is empty. `last_token` is not part of it.
    """
    draft = []
    token = int(last_token)
    for _ in range(k):
        token = int(next_token_array[token])
        draft.append(token)
    return torch.tensor(draft, dtype=torch.long)


def hit_rate(ids, next_token_array):
    """How often the table is right about the next token of a text.

    Args:
        ids: LongTensor [T], the text.
        next_token_array: [V], for every token the guess of what comes next. It is used as it is.

    Returns:
        float in [0, 1]: right guesses over guesses. The first token of the text is not guessed, so
        there are T - 1 guesses; without any guess (T < 2) the rate is 0.0.
    """
    if len(ids) < 2:
        return 0.0
    guesses = torch.as_tensor(next_token_array)[ids[:-1]]
    return (guesses == ids[1:]).double().mean().item()


def bigram_probabilities(train_data, vocab_size, smoothing=0.0):
    """The distribution of the next token given the last one, from counts.

    If `token` was followed N times in the data, n of them by x, then x has probability
    (n + smoothing) / (N + smoothing * vocab_size). A token that nothing followed gets a uniform row.

    Args:
        train_data: LongTensor [nsamples, seqlen], a single row, or a list of rows of one length (two
            tokens or more); nothing is counted across rows.
        vocab_size: the number V of ids the model has.
        smoothing: added to every count, >= 0.

    Returns:
        function: last token (an int or 0-d tensor) -> FloatTensor [V] that sums to 1 (float64 or a
        numpy array will do). It is asked for one row at a time, and keeps only the pairs that occur:
        V x V numbers do not fit into memory for a real vocabulary of 151,936. Rows from before stay as
        they are when another one is asked for.

    Raises:
        ValueError: the data holds an id outside the vocabulary (below 0 or above V - 1, at any place
            of a row), or smoothing is negative.
    """
    rows = [train_data] if np.ndim(train_data[0]) == 0 else train_data
    rows = [torch.as_tensor(row) for row in rows]
    first, second = torch.cat([row[:-1] for row in rows]), torch.cat([row[1:] for row in rows])
    if len(first) and not 0 <= min(first.min(), second.min()) <= max(first.max(), second.max()) < vocab_size:
        raise ValueError(f"train_data holds ids outside 0...{vocab_size - 1}: vocab_size is the model's")
    if smoothing < 0:
        raise ValueError(f"smoothing is {smoothing}; expected a number >= 0, it is added to every count")
    order = first.argsort(stable=True)  # all that followed token 0, then all that followed token 1, ...
    first, second = first[order].contiguous(), second[order]

    def next_distribution(last_token):
        token = int(last_token)
        begin, end = torch.searchsorted(first, torch.tensor([token, token + 1])).tolist()
        counts = torch.bincount(second[begin:end], minlength=vocab_size) + float(smoothing)
        total = end - begin + smoothing * vocab_size
        return counts / total if total > 0 else torch.full((vocab_size,), 1.0 / vocab_size)

    return next_distribution


class BigramDrafter(Drafter):
    """Drafts with a table of next tokens: no model, no forward pass, `calls` stays 0.

    A last token beyond the table (a special token, say, that the text it was counted on has not) gets no draft: the
    round then costs what plain decoding costs.
    """

    def __init__(self, next_token_array):
        table = np.asarray(next_token_array)
        if table.ndim != 1 or table.size == 0 or table.dtype.kind not in "iu" or table.min() < 0:
            raise ValueError(
                f"next_token_array has shape {table.shape} and dtype {table.dtype}; expected one id >= 0 per token of "
                "the vocabulary, shape [V], as build_next_token_array makes it"
            )
        self.next_token = table.tolist()

    @classmethod
    def fit(cls, ids, vocab_size) -> BigramDrafter:
        """A drafter from text: ids LongTensor [T] (or windows [n, T]), vocab_size the model's number of ids.

        A token that nothing followed gets the most frequent token of the text as its guess. ValueError without
        at least two tokens, or with ids outside the vocabulary.
        """
        ids = torch.as_tensor(ids)
        if ids.dim() == 0 or ids.shape[-1] < 2:
            raise ValueError(f"the text has shape {tuple(ids.shape)}; expected at least two tokens, to count one pair")
        most_frequent = int(ids.flatten().mode().values)
        return cls(build_next_token_array(ids, vocab_size, most_frequent))

    def propose(self, ids, k, sampling=None, dice=None) -> Draft:
        """At most k tokens to follow ids LongTensor [T]. Nothing is drawn: `probs` is None, each row is one-hot."""
        draft, token = [], int(ids[-1])
        while len(draft) < k and token < len(self.next_token):
            token = self.next_token[token]
            draft.append(token)
        return Draft(torch.tensor(draft, dtype=torch.long, device=ids.device))
