"""A small language model that drafts for many texts at once: one pass of it writes a token of every draft.

Knows: what the draft model has read of each text, and which texts it cannot draft for. Does not know: how a draft is
verified, who sits in which row.
"""

from __future__ import annotations

import torch
from torch.nn.utils.rnn import pad_sequence

from ..cache.batch import BatchModel
from ..cache.chosen import batch_of
from ..cache.rows import check_keeps_positions
from .draft import Draft
from .model import check_reads, fit_width


class BatchDrafter:
    """Drafts for up to `rows` texts, for a target with so many ids. `cached` is its cache: after a round, whatever of a
    text it holds beyond the common beginning has to be rolled back."""

    def __init__(self, model, rows: int, target_vocab_size: int):
        if not hasattr(model, "config"):
            raise ValueError(
                f"the draft is a {type(model).__name__}; expected a causal language model. Other drafters serve one "
                "text at a time: use generate"
            )
        check_reads(model, "")
        check_keeps_positions(model, "draft model")
        self.cached, self.target_vocab_size = batch_of(model, rows, "draft model"), target_vocab_size
        self.limit, self.vocab_size = self.cached.limit, self.cached.config.vocab_size

    def reach(self, text) -> int:
        """The most tokens that it can draft: it falls silent at the end of its context, and where a text holds ids
        that it does not know."""
        if max(text.ids) >= self.vocab_size:
            return 0
        return len(text.ids) if self.limit is None else max(0, self.limit - len(text.ids))

    @torch.inference_mode()
    def propose(self, texts, asked, sampling) -> list[Draft]:
        """A Draft for every text, of asked[i] tokens or as many as it can. A text has `ids`, list of int; its `row`;
        and its `dice`, the only randomness of its draft, taken as a ModelDrafter takes it."""
        left = [min(ask, self.reach(text)) for text, ask in zip(texts, asked, strict=True)]
        tokens, probs = [[] for _ in texts], [[] for _ in texts]
        going = [i for i, n in enumerate(left) if n > 0]
        read_prompts(self.cached, [texts[i] for i in going])
        feed = [torch.tensor(texts[i].ids[self.cached.lengths[texts[i].row] :]) for i in going]
        while going:
            counts, rows = torch.tensor([len(new) for new in feed]), torch.tensor([texts[i].row for i in going])
            logits = self.cached.append(pad_sequence(feed, batch_first=True), counts, rows)
            logits = fit_width(logits[torch.arange(len(going)), counts - 1], self.target_vocab_size)
            drawn, law = self._pick(logits, [texts[i].dice for i in going], sampling)
            for line, i in enumerate(going):
                tokens[i].append(drawn[line])
                probs[i] += [] if law is None else [law[line]]
            going = [i for i in going if len(tokens[i]) < left[i]]
            feed = [tokens[i][-1] for i in going]
        nothing = torch.empty(0, dtype=torch.long)
        return [Draft(torch.cat(drafted), torch.stack(law) if law else None) if drafted else Draft(nothing)
                for drafted, law in zip(tokens, probs, strict=True)]  # fmt: skip

    def _pick(self, logits, dice, sampling):
        """The next token of every line, LongTensor [1] each, and what they were drawn from, [R, V]; None if greedy."""
        if sampling.greedy:
            return logits.argmax(-1, keepdim=True), None
        law = sampling(logits.float())
        return [one.draw(row) for one, row in zip(dice, law, strict=True)], law


def read_prompts(cached: BatchModel, texts) -> list:
    """Reads texts of which the cache holds nothing, up to their last token, in one pass; returns those that it read.

    A round is then as wide as a draft, not as a prompt.
    """
    new = [text for text in texts if cached.lengths[text.row] == 0 and len(text.ids) > 1]
    if new:
        lines = [torch.tensor(text.ids[:-1]) for text in new]
        counts, rows = torch.tensor([len(line) for line in lines]), torch.tensor([text.row for text in new])
        cached.append(pad_sequence(lines, batch_first=True), counts, rows, last=1)
    return new
