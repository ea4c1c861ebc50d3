"""A small language model as the drafter.

Knows: how to draw a draft from a model, with and without a cache, and when to stop. Does not know: how the draft is
verified.
"""

from __future__ import annotations

import torch

from ..cache.chosen import cache_of
from ..cache.conditioned import Conditioned
from ..cache.rows import check_keeps_positions
from ..models.trimmed import reads
from ..sampling import PredrawnDice, next_token_distribution
from .draft import Draft, Drafter

KINDS = {
    "": ("the text alone", "ModelDrafter"),
    "states": ("its target's states", "EagleDrafter"),
    "keys_values": ("its target's keys and values", "GlideDrafter"),
    "both": ("its target's states, keys and values", "ParallelDrafter"),
}


def check_reads(model, what: str) -> None:
    """ValueError unless the model is a draft that reads this of its target (see models.trimmed.reads)."""
    found = reads(getattr(model, "config", None))
    if found != what:
        kind, drafter = KINDS[found]
        raise ValueError(f"a {type(model).__name__} reads {kind}: draft with it as {drafter}(model)")


def propose_stochastic(draft, ids, k, sampling, dice):
    """Draws k tokens from the draft model, one after the other, and reports what each was drawn from.

    Args:
        draft: a Forward: LongTensor [T] -> logits FloatTensor [T, V].
        ids: LongTensor [T], the text so far. It is not changed.
        k: tokens to draw; 0 gives no ids, and q without rows.
        sampling: has .temperature, .top_k, .top_p, the same that the target is sampled with.
        dice: all the randomness. `dice.roll(probabilities [V]) -> int`.

    Returns:
        (LongTensor [k], FloatTensor [k, V]): the tokens, and for each the distribution that it was really drawn
        from, after temperature and filters.
    """
    rows = []
    text = ids
    for _ in range(k):
        logits = draft(text)[-1]
        rows.append(next_token_distribution(logits, sampling.temperature, sampling.top_k, sampling.top_p))
        text = torch.cat([text, text.new_tensor([dice.roll(rows[-1])])])
    return text[len(ids) :], torch.stack(rows) if rows else torch.zeros(0, 0)


class ModelDrafter(Drafter):
    """Drafts with a causal language model that keeps its own cache.

    The cache follows the text by itself: whatever it holds beyond the common beginning with the text is rolled back,
    whatever is missing is fed with the next proposal. So a rejected draft costs nothing but the rollback, and after
    full acceptance the last drafted token (never fed so far) is caught up.

    confidence: with a number above 0 the draft ends before the first place where the model's largest probability is
        below it. It decides before a token is drawn there, so the law stays exact. It has to look at every step's
        probabilities, which on a GPU means waiting for every step.
    goes_on: a rule of your own in its place: a function of the largest probabilities of this draft so far, the one of
        the place in question last (list of float); the draft ends where it says False. Asked before a token is drawn.
    """

    reads = ""  # what of the target its model reads beside the text, see models.trimmed.reads
    tells_laws = False  # whether greedy drafts come with the law of each position too (cape)

    def __init__(self, model, confidence: float = 0.0, goes_on=None):
        if model is None:
            raise ValueError("this pair has no draft model; use another drafter (bigram), or a pair that has one")
        check_reads(model, self.reads)
        check_keeps_positions(model, "draft model")
        if not 0 <= confidence <= 1:
            raise ValueError(f"confidence is {confidence}; expected a probability between 0 and 1")
        self.model, self.confidence, self.calls = model, confidence, 0
        self.varies = bool(confidence or goes_on)
        self.goes_on = goes_on or ((lambda sure: sure[-1] >= confidence) if confidence else None)
        config = model.config.get_text_config()
        self.limit, self.vocab_size = getattr(config, "max_position_embeddings", None), config.vocab_size
        self.begin(self.vocab_size, 0, "eager")

    def given(self, source_ids) -> ModelDrafter:
        """The same drafter for one source text, if its model is an encoder-decoder."""
        return ModelDrafter(Conditioned(self.model, source_ids), self.confidence, self.goes_on)

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        """Starts a text of at most so many positions, for a target with so many ids, in one of the two engines."""
        self.target_vocab_size = vocab_size
        self.cached = cache_of(self.model, engine, "draft").begin(positions)
        self.write = self._at_once if self.cached.compiled and not self.goes_on else self._stepwise
        self.text, self.sure = torch.empty(0, dtype=torch.long), 0

    def accepted(self, n: int) -> None:
        """Of the newest draft, the first n tokens are in the text: their positions in the cache may stay."""
        self.sure = min(len(self.text) + n, self.cached.length)

    def propose(self, ids, k, sampling, dice) -> Draft:
        if self.limit is not None:
            k = min(k, self.limit - len(ids))  # a draft model with a shorter context than the target's falls silent
        if k <= 0 or int(ids.max()) >= self.vocab_size:  # a text with ids that it does not know: the same
            return Draft(ids[:0])
        missing = self._follow(ids)
        calls = self.cached.calls
        write = self._stepwise if sampling.processors else self.write  # a graph cannot hold them
        draft = write(missing, k, sampling, dice)
        self.calls += self.cached.calls - calls
        return draft

    def _follow(self, ids) -> torch.Tensor:
        """Rolls the cache back to its common beginning with ids; returns what of ids is still to be fed (>= 1)."""
        ids = ids.cpu()
        known = self.text[: len(ids)]
        keep = self.sure if torch.equal(known, ids[: len(known)]) else int((known != ids[: len(known)]).nonzero()[0])
        keep = min(keep, len(ids) - 1)
        self.cached.rollback(self.cached.length - keep)
        self.text, self.sure = ids, len(ids)
        return ids[keep:].to(self.model.device, non_blocking=True)

    def _stepwise(self, missing, k, sampling, dice) -> Draft:
        """One pass after the other; with a rule, as far as it goes on."""
        tokens, rows, sure = [], [], []
        while len(tokens) < k:
            logits = fit_width(self.cached.append(missing, last=1)[-1], self.target_vocab_size)
            if sampling.processors:
                logits = sampling.processed(torch.cat([self.text.to(missing.device), *tokens]), logits)
            if self.goes_on:
                sure.append(self._largest(logits, sampling))
                if not self.goes_on(sure):
                    break
            missing = self._pick(logits, sampling, dice, rows)
            tokens.append(missing)
        return _draft(tokens, rows, missing)

    def _at_once(self, missing, k, sampling, dice) -> Draft:
        """All k passes and draws as one function of tensors: on CUDA one graph, launched once."""
        static = self.cached
        width, m = static.width(len(missing)), len(missing)
        if width is None:  # a prompt, which is read as it is
            static.append(missing[:-1]) if m > 1 else None
            missing, width, m = missing[-1:], 1, 1
        padded = torch.nn.functional.pad(missing, (0, width - m))
        numbers = dice.numbers(0 if sampling.greedy else k, missing.device)

        def steps(ids, at, numbers):
            tokens, rows, predrawn, own = [], [], PredrawnDice(numbers), m
            for _ in range(k):
                logits = static.step(ids, at)[own - 1]
                at, own = at + own, 1
                ids = self._pick(logits, sampling, predrawn, rows)
                tokens.append(ids)
            return torch.cat(tokens), torch.stack(rows) if rows else None

        key = ("draft", k, m, width, sampling, self.target_vocab_size, self.tells_laws)
        with torch.inference_mode():
            drafted = static.replay(key, steps, padded, static.pointer(), numbers)
        static.advance(m + k - 1, calls=k)
        return Draft(*drafted)

    def _pick(self, logits, sampling, dice, rows):
        """The next token, LongTensor [1], from logits [V]; what it was drawn from is added to rows."""
        logits = fit_width(logits, self.target_vocab_size)
        if sampling.greedy:
            if self.tells_laws:
                rows.append(logits.float().softmax(-1))
            return logits.argmax(-1, keepdim=True)
        rows.append(sampling(logits.float()))
        return dice.draw(rows[-1])

    def _largest(self, logits, sampling) -> float:
        """The largest probability of the next token, after temperature and filters."""
        logits = fit_width(logits, self.target_vocab_size).float()
        probs = torch.softmax(logits, -1) if sampling.greedy else sampling(logits)
        return float(probs.max())


def fit_width(logits, vocab_size: int):
    """Logits [V_in] over the target's ids: padded with -inf, or without those that the target does not have.

    A drafter may propose from any distribution, so leaving ids out is lossless here: q is what remains.
    """
    missing = vocab_size - logits.shape[-1]
    if missing > 0:
        return torch.nn.functional.pad(logits, (0, missing), value=float("-inf"))
    return logits[..., :vocab_size]


def _draft(tokens, rows, like) -> Draft:
    if not tokens:
        return Draft(like[:0])
    return Draft(torch.cat(tokens), torch.stack(rows) if rows else None)
