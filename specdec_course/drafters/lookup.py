"""Drafters that look things up: in tables of what followed n tokens, or further up in the text itself.

Knows: n-gram tables with back-off, prompt lookup, how several drafters take turns. Does not know: models, how a
draft is verified, indexes that grow with the text (automaton) or hold a large one (suffixes).
"""

from __future__ import annotations

from collections import Counter, defaultdict

import torch

from .draft import Context, Draft, Drafter, as_drafter


def build_ngram_tables(train_data, n):
    """What most often follows each context of 0, 1, ..., n - 1 tokens.

    Args:
        train_data: LongTensor [nsamples, seqlen], one window of text per row. A single row,
            LongTensor [seqlen], or a list of such rows works too. Nothing is counted across rows:
            a context lies within one row, and so does what follows it.
        n: how many tokens an n-gram has, the guess included, >= 1. With n = 2 there are bigrams.

    Returns:
        list of n dicts. tables[m] has a key for every context of m tokens that was followed by
        something: a tuple of m plain ints. Its value is the token, an int, that followed it most
        often; on a tie the smallest id. tables[0] has one key, the empty tuple (): every token of
        the data follows it, the first of a row too, so its value is the most frequent token.
        One pass over the text is enough: the time grows with the text, not with its square.
    """
    rows = [train_data] if torch.as_tensor(train_data[0]).dim() == 0 else train_data
    counts = [defaultdict(Counter) for _ in range(n)]
    for row in rows:
        row = torch.as_tensor(row).tolist()
        for i, token in enumerate(row):
            for m in range(min(i, n - 1) + 1):
                counts[m][tuple(row[i - m : i])][token] += 1
    favourite = lambda after: min(after, key=lambda token: (-after[token], token))  # noqa: E731
    return [{context: favourite(after) for context, after in table.items()} for table in counts]


def draft_with_backoff(context, tables, k):
    """A draft of at most k tokens: each guess is what follows the longest context that is known.

    Args:
        context: LongTensor [T], the text so far; it may be shorter than the longest context of the
            tables, or empty. It is not changed.
        tables: list of n >= 1 dicts, as build_ngram_tables makes them: tables[m] has tuples of m
            ints as keys, and the token that follows as values.
        k: how many tokens to draft, >= 0.

    Returns:
        LongTensor [<= k]. For each guess the last n - 1 tokens are looked up in tables[n - 1], where
        earlier guesses count as text; if they are not there, the last n - 2 in tables[n - 2], and so
        on, in the end none at all in tables[0]. If that is empty too, nobody knows what follows:
        the draft ends there. `context` is not part of the draft.
    """
    text = context.tolist()
    start, end = len(text), len(text) + k
    while len(text) < end:
        for m in range(min(len(tables) - 1, len(text)), -1, -1):
            known = tuple(text[len(text) - m :])
            if known in tables[m]:
                text.append(tables[m][known])
                break
        else:
            break
    return torch.tensor(text[start:], dtype=torch.long)


def prompt_lookup(ids, k, max_ngram=3):
    """A draft that is copied from the text itself: what followed its newest tokens when they stood there before.

    Args:
        ids: LongTensor [T], the text so far, prompt and output. It is not changed.
        k: how many tokens to draft, >= 0.
        max_ngram: how many of the newest tokens are looked for, at most, >= 1.

    Returns:
        LongTensor [<= k]: the tokens that followed the match, up to k, or up to the end of the text
        where that comes first. The match is the longest one: first the last max_ngram tokens are
        looked for, then one fewer, down to the last token alone. Of several places the most recent
        one counts. The newest tokens do not match themselves, but a match may overlap them. Without
        a match the draft is empty.
    """
    for n in range(min(max_ngram, len(ids) - 1), 0, -1):
        windows = ids[:-1].unfold(0, n, 1)  # without the last token: each of them is followed by something
        found = (windows == ids[-n:]).all(-1).nonzero()
        if len(found):
            start = int(found[-1]) + n
            return ids[start : start + k].clone()
    return ids[:0].clone()


def combine(drafters):
    """One drafter made of several: the first that has something to say is heard.

    Args:
        drafters: a list of functions (ids LongTensor [T], k) -> LongTensor [<= k], the one that is
            trusted most in front. It may be empty.

    Returns:
        function (ids, k) -> LongTensor [<= k]. It asks the drafters in their order, each with the same
        ids and k, and answers the first draft that is not empty. The drafters behind that one are not
        asked: one of them may be a model. If nobody has a guess, the answer is an empty LongTensor.
    """

    def propose(ids, k):
        for drafter in drafters:
            draft = drafter(ids, k)
            if len(draft) > 0:
                return draft
        return torch.empty(0, dtype=torch.long)

    return propose


def going_round(draft, k):
    """A copy that has reached the end of the text, LongTensor [n], 0 < n < k, copies on: what it drafted is text too.

    What follows is then the draft again, and again: LongTensor [k]. An empty or full draft stays as it is.
    """
    return draft.repeat(-(-k // len(draft)))[:k] if 0 < len(draft) < k else draft


class NgramDrafter(Drafter):
    """Drafts with n-gram tables and back-off: no model, no forward pass, `calls` stays 0."""

    def __init__(self, tables):
        if not tables or not all(isinstance(table, dict) for table in tables):
            raise ValueError("tables must be a list of at least one dict, as build_ngram_tables makes it")
        self.tables = tables

    @classmethod
    def fit(cls, ids, n: int = 4) -> NgramDrafter:
        """A drafter from text: ids LongTensor [T] or windows [nsamples, T]. ValueError for n < 1 or without a token."""
        ids = torch.as_tensor(ids)
        if n < 1 or ids.dim() == 0 or ids.numel() == 0:
            raise ValueError(
                f"n is {n} and the text has shape {tuple(ids.shape)}; expected n >= 1 and at least a token"
            )
        return cls(build_ngram_tables(ids, n))

    def propose(self, ids, k, sampling=None, dice=None) -> Draft:
        newest = ids[max(0, len(ids) - len(self.tables) + 1) :]
        return Draft(draft_with_backoff(newest, self.tables, k).to(ids.device))


class PromptLookupDrafter(Drafter):
    """Copies what followed the newest tokens the last time that they stood in the text.

    max_ngram: as in `prompt_lookup`. A copy that reaches the end of the text goes on into itself.
    """

    varies = True

    def __init__(self, max_ngram: int = 3):
        if max_ngram < 1:
            raise ValueError(f"max_ngram is {max_ngram}; expected at least 1, the newest token alone")
        self.max_ngram = max_ngram

    def propose(self, ids, k, sampling=None, dice=None) -> Draft:
        return Draft(going_round(prompt_lookup(ids, k, self.max_ngram), k))


class FirstOf(Drafter):
    """Several drafters as one: the first that has a guess is heard, as in `combine`. Each follows the text by
    itself."""

    varies = True

    def __init__(self, *drafters):
        if not drafters:
            raise ValueError("there is no drafter to combine; expected at least one")
        self.drafters, self.heard = [as_drafter(one) for one in drafters], None
        self.wants_hidden = tuple(dict.fromkeys(layer for one in self.drafters for layer in one.wants_hidden))
        self.nodes = max(one.nodes for one in self.drafters)

    @property
    def calls(self) -> int:
        return sum(one.calls for one in self.drafters)

    @property
    def model(self):
        """The model that drafts, if one does: the loop keeps two texts from using it at once."""
        return next((one.model for one in self.drafters if getattr(one, "model", None) is not None), None)

    def given(self, source_ids) -> FirstOf:
        return FirstOf(*(one.given(source_ids) for one in self.drafters))

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        self.heard = None
        for one in self.drafters:
            one.begin(vocab_size, positions, engine)

    def end(self) -> None:
        for one in self.drafters:
            one.end()

    def propose(self, ids, k, sampling=None, dice=None) -> Draft:
        return self._first(lambda one: one.propose(ids, k, sampling, dice), ids)

    def propose_from(self, context: Context, k, sampling, dice) -> Draft:
        return self._first(lambda one: one.propose_from(context, k, sampling, dice), context.ids)

    def _first(self, ask, ids) -> Draft:
        for one in self.drafters:
            draft = ask(one)
            if len(draft.ids):
                self.heard = one
                return draft
        self.heard = None
        return Draft(ids[:0])

    def accepted(self, n: int) -> None:
        if self.heard is not None:
            self.heard.accepted(n)
