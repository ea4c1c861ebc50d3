"""Drafts of several tokens in one pass: a block-parallel draft model.

Knows: what is handed to the model, how its pass is compiled. Does not know: what it computes (models.block), how the
draft is verified.
"""

from __future__ import annotations

import logging

import torch

from ..cache.close import close
from ..cache.graphs import compiled_once
from .draft import Draft, Drafter
from .model import check_reads, fit_width

log = logging.getLogger("specdec_course")


class ParallelDrafter(Drafter):
    """Drafts with a model that guesses a block of tokens at once. Each is drawn from a law of its own, which knows the
    text and none of the other guesses: a draft costs one pass, however long it is, and its later tokens are right less
    often. It is no longer than the block that the model was made for.

    Before the first round the target has read nothing, so nothing is proposed there.
    """

    reads = "both"
    wants_hidden = (-1,)

    def __init__(self, model):
        check_reads(model, self.reads)
        self.model, self.calls, self.programs = model, 0, {}
        config = model.config.get_text_config()
        self.longest, self.limit = config.drafts_at_once, getattr(config, "max_position_embeddings", None)
        self.begin(config.vocab_size, 0, "eager")

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        self.target_vocab_size, self.compiled, self.taken = vocab_size, engine == "compiled", 0
        self.model.sight.begin(positions + self.longest)

    def propose_from(self, context, k: int, sampling, dice) -> Draft:
        keys, values = context.keys_values(-1)
        newest, known = len(context.ids) - 1, keys.shape[1]
        k = min(k, self.longest)
        if k <= 0 or known == 0 or (self.limit is not None and newest + self.longest > self.limit):
            return Draft(context.ids[:0])
        self.model.sight.take(keys[:, self.taken :], values[:, self.taken :], self.taken)
        self.taken, self.calls = known, self.calls + 1
        device = self.model.device
        place = torch.full((), newest, dtype=torch.long, device=device)
        token = context.ids[-1:].to(device, non_blocking=True)
        with torch.inference_mode():
            logits = self._pass(token, context.hidden(-1)[-1], place)
        logits = fit_width(logits[:k], self.target_vocab_size)
        if sampling.greedy:
            return Draft(logits.argmax(-1))
        rows = sampling(logits.float())
        return Draft(torch.cat([dice.draw(row) for row in rows]), rows)

    def _pass(self, *inputs):
        """Logits of the block: by a compiled program where the engine asks for it and it computes the same."""
        if not self.compiled:
            return self.model.at_once(*inputs)
        key = self.model.sight.keys.shape[2], torch.get_num_threads()
        if key not in self.programs:
            self.programs[key] = self._program(inputs)
        return self.programs[key](*inputs)

    def _program(self, inputs):
        expected = self.model.at_once(*inputs)
        try:
            program = compiled_once(self.model.at_once)
            if close(program(*inputs), expected):
                return program
            log.info("the compiled draft computes something else; it runs as it is")
        except Exception as error:  # whatever the compiler makes of a model
            log.info("the draft could not be compiled (%s); it runs as it is", type(error).__name__)
        return self.model.at_once
