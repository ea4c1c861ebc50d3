"""A student's CachedModel under watch, on a real (tiny, random) Qwen3 that writes down what it is fed.

Knows: what the model may be fed, and what the logits have to be, after any appends and rollbacks. Does not know: which
appends and rollbacks (memory), how a student keeps the cache; only calls are looked at.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass

import numpy as np
import torch

from .. import values
from ..errors import Wrong
from ..subject import reading

VOCAB = 41


@dataclass
class Fed:
    """One call of the model: how many ids it got, how many positions the cache already held, the position given to
    the first id, the width of the attention mask (None without one)."""

    ids: int
    held: int
    first: int
    mask: int | None
    flat: bool = False  # the ids came without a batch axis


SEEDS = range(4)  # of all models that the parts use


@functools.cache
def tiny_model(seed: int):
    """A random Qwen3 with two layers. `.log` lists its calls, `.scratch(ids)` answers without a cache or a log."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    class Logged(Qwen3ForCausalLM):
        def forward(self, input_ids=None, attention_mask=None, position_ids=None, past_key_values=None, **options):
            held = 0 if past_key_values is None else int(past_key_values.get_seq_length())
            first = held if position_ids is None else int(position_ids.reshape(-1)[0])
            count = 0 if input_ids is None else input_ids.shape[-1]
            flat = attention_mask is not None and attention_mask.dim() == 2
            self.log.append(Fed(count, held, first, attention_mask.shape[-1] if flat else None,
                                input_ids is not None and input_ids.dim() == 1))
            return super().forward(input_ids, attention_mask, position_ids, past_key_values, **options)

        @torch.no_grad()
        def scratch(self, ids):
            return super().forward(ids[None], use_cache=False).logits[0]

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCAB, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=128, initializer_range=0.3, tie_word_embeddings=True,
    )
    model = Logged(config).eval().requires_grad_(False)
    model.log = []
    return model


def ids_of(rng, count: int) -> torch.Tensor:
    return torch.randint(VOCAB, (count,), generator=rng)


class WatchedModel:
    """A student's CachedModel under watch: every step is compared with the text that it should hold by now."""

    def __init__(self, student, model):
        self.student, self.model = student, model
        self.made = student.quiet(model)
        with reading("an object with append(ids), rollback(n) and length"):
            self.made.append, self.made.rollback  # noqa: B018
        self.text, self.just_rolled = torch.empty(0, dtype=torch.long), False
        self.answers: list[torch.Tensor] = []  # what append returned earlier

    def length(self) -> int:
        found = self.student.method(lambda: getattr(self.made, "length"))  # noqa: B009
        answer = found()
        if callable(answer):
            raise Wrong("`length` is to be read like a number, without parentheses: keep the @property above it.",
                        mistake="length_called")
        return values.as_int(answer)

    def check_length(self, when: str) -> None:
        length = self.length()
        if length != len(self.text):
            raise Wrong(f"`length` is {length} {when}; {len(self.text)} positions should be in the cache.",
                        mistake=self._why_length(length, "refused" in when))

    def _why_length(self, length: int, refused: bool) -> str | None:
        """Whether `length` or the cache is wrong: the model sees how many positions it is called with."""
        before = len(self.model.log)
        with contextlib.suppress(Wrong):
            self.student.aside().method(self.made.append).quiet(torch.tensor([1]))
        held = self.model.log[before].held if len(self.model.log) > before else None
        if held == len(self.text):
            return "stale_length"
        if held != length or not (self.just_rolled or refused):
            return None
        return "refused_too_late" if refused else "drops_more" if held < len(self.text) else "drops_fewer"

    def append(self, ids):
        """The student's logits, judged."""
        before, others = len(self.model.log), self._elsewhere()
        try:
            answer = self.student.method(self.made.append)(ids)
        except Wrong as wrong:
            flat = any(call.flat for call in self.model.log[before:])
            raise wrong.but(mistake="no_batch_axis" if flat else wrong.mistake) from None
        if len(self.model.log) == before and self._elsewhere() > others:
            raise Wrong("append called another model than the one that this CachedModel was made with.",
                        mistake="another_model")
        self._judge_calls(self.model.log[before:], len(ids))
        self.text = torch.cat([self.text, ids])
        self._judge_logits(answer, self.model.log[-1], len(ids))
        self.just_rolled = False
        self.answers.append(values.as_array(answer).copy())
        return answer

    def _elsewhere(self) -> int:
        """Calls of all other models."""
        return sum(len(model.log) for model in map(tiny_model, SEEDS) if model is not self.model)

    def rollback(self, n: int) -> None:
        before, held = len(self.model.log), len(self.text)
        try:
            self.student.method(self.made.rollback).does(n)
        except Wrong as wrong:
            more = f"{held} positions were held in all: rollback({n}) is allowed."
            raise wrong.but(message=f"{wrong.message}\n{more}") from None
        if len(self.model.log) > before:
            raise Wrong("Your rollback calls the model. What is to be kept is in the cache already.", mistake="reset")
        self.text, self.just_rolled = self.text[: len(self.text) - n], n > 0

    def _judge_calls(self, calls: list[Fed], new: int) -> None:
        """Was the model fed just the new ids, once, after the right number of positions?"""
        if not calls:
            raise Wrong("append did not call the model.")
        fed, held = sum(call.ids for call in calls), calls[0].held
        if not len(self.text) and held:
            raise Wrong("A new CachedModel began with a cache that already held positions.", mistake="shared")
        if fed > new:
            if self.just_rolled:
                raise Wrong("After a rollback, positions that were still valid are computed again.", mistake="reset")
            message = f"append got {new} new ids, and the model was fed {fed}."
            raise Wrong(message, mistake="fed_twice" if held else "no_cache")
        if fed < new:
            raise Wrong(f"append got {new} ids, but the model was fed only {fed}.")
        if len(calls) > 1:
            raise Wrong(f"One append of {new} ids called the model {len(calls)} times.", mistake="one_by_one")
        if held != len(self.text):
            message = f"The model was called with a cache of {held} positions where {len(self.text)} were due."
            if held > len(self.text):
                raise Wrong(message, mistake="not_rolled_back" if self.just_rolled else "shared")
            raise Wrong(message, mistake="not_kept" if held == 0 else None)
        if calls[0].first != held:
            raise Wrong(f"The first new id was given position {calls[0].first}; it stands at {held}.",
                        mistake="positions")
        if calls[0].mask not in (None, held + new):
            raise Wrong(f"The attention mask covers {calls[0].mask} positions; there are {held + new}.", mistake="mask")

    def _judge_logits(self, answer, call: Fed, new: int) -> None:
        array = torch.from_numpy(values.as_array(answer))
        if tuple(array.shape) == (1, new, VOCAB):
            raise Wrong(f"append answers {list(array.shape)}; expected [T, V], without the batch axis.",
                        mistake="batch_axis")
        if new == 1 and tuple(array.shape) == (VOCAB,):
            raise Wrong("For a single id append answers [V]; expected [1, V], a row for every id.",
                        mistake="no_row_axis")
        if tuple(array.shape) in ((VOCAB,), (1, VOCAB), (1, 1, VOCAB)) and (array.dim() != 2 or new > 1):
            raise Wrong("append answers one row. It has to answer one for each appended id.", mistake="last_row")
        if tuple(array.shape) != (new, VOCAB):
            raise Wrong(f"append answers shape {list(array.shape)} for {new} ids; expected [{new}, V].")
        wanted = self.model.scratch(self.text)[-new:].double()
        if not torch.allclose(array.double(), wanted, atol=1e-3, rtol=1e-3):
            raise self._why_other_logits(array.double(), wanted, new)

    def _why_other_logits(self, found: torch.Tensor, wanted: torch.Tensor, new: int) -> Wrong:
        text = "The logits are not those that the model gives for the same text from scratch."
        for mistake, change in OTHERS.items():
            if torch.allclose(found, change(wanted), atol=1e-3, rtol=1e-3):
                return Wrong(text, mistake=mistake)
        for mistake, dtype in (("half", torch.half), ("half", torch.bfloat16)):
            if torch.equal(found, found.to(dtype).double()) and torch.allclose(found, wanted, atol=0.1, rtol=0.05):
                return Wrong(text, mistake=mistake)
        if any(one.shape == tuple(found.shape) and np.array_equal(one, found.numpy()) for one in self.answers):
            return Wrong(f"{text} They are those of an earlier append, to the last digit.", mistake="answered_before")
        right = torch.isclose(found, wanted, atol=1e-3, rtol=1e-3).all(-1)
        place = len(self.text) - new + int((~right).nonzero()[0])
        return Wrong(f"{text} The first wrong row is that of position {place}, of {len(self.text)}.")


OTHERS = {
    "probabilities": lambda logits: logits.softmax(-1),
    "log_probabilities": lambda logits: logits.log_softmax(-1),
}
