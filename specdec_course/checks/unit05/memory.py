"""CachedModel: what is right, on a real (tiny, random) Qwen3 that writes down what it is fed, and the named mistakes.

Knows: this exercise. Right means: logits equal those from scratch, whatever was appended and taken back before, and
the model is fed only what is new. Does not know: how a student keeps the cache; only calls are looked at.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from .. import values
from ..engine import Exercise, Wrong, reading

VOCAB = 41

CachedModel = Exercise(
    "CachedModel", unit="05", points=3, difficulty=3, minutes=20,
    reference="specdec_course.cache:CachedModel",
    hints=(
        "What has to survive from one `append` to the next? Where does the model hand it to you, and where do you "
        "hand it back?",
        "Keep self.cache, None at first. append: out = self.model(input_ids=ids[None], past_key_values=self.cache, "
        "use_cache=True); self.cache = out.past_key_values; return out.logits[0]. length: the cache's "
        "get_seq_length(), or 0. rollback: refuse what is too much, then rollback(self.cache, n).",
    ),
)
CachedModel.help(r"too many indices|Dimension out of range|not enough values to unpack|dimension",
                 "The model wants input_ids with a batch axis, ids[None] of shape [1, T], and answers [1, T, V].")
CachedModel.help(r"NoneType.*(get_seq_length|crop|shape)|'NoneType' object",
                 "Before the first append there is no cache: it is None, and the length is 0.")
CachedModel.help(r"'tuple' object has no attribute", "past_key_values is a cache object; keep the object itself.")
CachedModel.help(r"size of tensor|must match|expand",
                 "Sizes do not fit: an attention mask or positions of your own have to follow the cache, also after a "
                 "rollback. Without them the model works them out from the cache.")
CachedModel.help(r"missing \d+ required positional|takes \d+ positional",
                 "The methods are append(ids) and rollback(n).")


@dataclass
class Fed:
    """One call of the model: how many ids it got, how many positions the cache already held, the position given to
    the first id, the width of the attention mask (None without one)."""

    ids: int
    held: int
    first: int
    mask: int | None


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
            self.log.append(Fed(count, held, first, attention_mask.shape[-1] if flat else None))
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


class Box:
    """A student's CachedModel under watch: every step is compared with the text that it should hold by now."""

    def __init__(self, student, model):
        self.student, self.model = student, model
        self.made = student.quiet(model)
        with reading("an object with append(ids), rollback(n) and length"):
            self.made.append, self.made.rollback  # noqa: B018
        self.text, self.just_rolled = torch.empty(0, dtype=torch.long), False

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
                        mistake="stale_length" if length > len(self.text) else None)

    def append(self, ids):
        """The student's logits, judged."""
        before = len(self.model.log)
        answer = self.student.method(self.made.append)(ids)
        self._judge_calls(self.model.log[before:], len(ids))
        self.text = torch.cat([self.text, ids])
        self._judge_logits(answer, self.model.log[-1], len(ids))
        self.just_rolled = False
        return answer

    def rollback(self, n: int) -> None:
        before = len(self.model.log)
        self.student.method(self.made.rollback).does(n)
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
            told = f"append got {new} new ids, and the model was fed {fed}."
            raise Wrong(told, mistake="fed_twice" if held else "no_cache")
        if fed < new:
            raise Wrong(f"append got {new} ids, but the model was fed only {fed}.")
        if len(calls) > 1:
            raise Wrong(f"One append of {new} ids called the model {len(calls)} times.", mistake="one_by_one")
        if held != len(self.text):
            told = f"The model was called with a cache of {held} positions where {len(self.text)} were due."
            if held > len(self.text):
                raise Wrong(told, mistake="not_rolled_back" if self.just_rolled else "shared")
            raise Wrong(told, mistake="not_kept" if held == 0 else None)
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
        if tuple(array.shape) in ((VOCAB,), (1, VOCAB), (1, 1, VOCAB)) and (array.dim() != 2 or new > 1):
            raise Wrong("append answers one row. It has to answer one for each appended id.", mistake="last_row")
        if tuple(array.shape) != (new, VOCAB):
            raise Wrong(f"append answers shape {list(array.shape)} for {new} ids; expected [{new}, V].")
        wanted = self.model.scratch(self.text)[-new:].double()
        if not torch.allclose(array.double(), wanted, atol=1e-3, rtol=1e-3):
            raise Wrong("The logits are not those that the model gives for the same text from scratch.")


def _box(student, seed: int = 0) -> Box:
    model = tiny_model(seed)
    model.log.clear()
    return Box(student, model)


@CachedModel.part("one append: a row of logits for every id", weight=1)
def _(student, rng):
    for count in (6, 1):
        box = _box(student)
        if box.length() != 0:
            raise Wrong("A new CachedModel has length 0.")
        box.append(ids_of(rng, count))
        box.check_length("after the first append")


@CachedModel.part("piece by piece: logits as from scratch, and only new ids are fed", weight=2)
def _(student, rng):
    box = _box(student)
    for count in (5, 1, 1, 4, 2, 1):
        box.append(ids_of(rng, count))
        box.check_length(f"after an append of {count}")


@CachedModel.part("taken back, and continued with other ids", weight=2)
def _(student, rng):
    box = _box(student, seed=1)
    box.append(ids_of(rng, 7))
    for back, count in ((2, 3), (3, 1), (0, 2), (1, 4), (5, 2), (1, 1)):
        box.rollback(back)
        box.check_length(f"after a rollback by {back}")
        box.append(ids_of(rng, count))
        box.check_length("after the append that followed a rollback")


@CachedModel.part("taken back to nothing", weight=1)
def _(student, rng):
    box = _box(student)
    box.rollback(0)
    box.append(ids_of(rng, 5))
    box.rollback(5)
    box.check_length("after everything was taken back")
    box.append(ids_of(rng, 3))
    box.rollback(1)
    box.append(ids_of(rng, 2))


@CachedModel.part("nothing is shared: two at a time, and answers given earlier", weight=1)
def _(student, rng):
    first, other = _box(student), Box(student, tiny_model(0))
    third = Box(student, tiny_model(1))
    kept = []
    for count in (4, 2, 1):
        for box in (first, other, third):
            answer = box.append(ids_of(rng, count))
            kept.append((answer, values.plain(answer)))
            box.check_length("while others are in use")
        other.rollback(1)
    if any(not values.same(values.plain(answer), was) for answer, was in kept):
        raise Wrong("Logits that were returned earlier have changed since: later appends write into them.")


@CachedModel.part("more than there is cannot be taken back", weight=1)
def _(student, rng):
    box = _box(student)
    for count, too_many in ((0, 1), (4, 5), (2, 20)):
        if count:
            box.append(ids_of(rng, count))
        if not student.method(box.made.rollback).raises(ValueError, too_many):
            raise Wrong(f"{len(box.text)} positions are held, and rollback({too_many}) raises no ValueError.",
                        mistake="not_refused")
        box.check_length("after a refused rollback")


for _id, _told in (
    ("reset",
     "You throw the cache away and compute the text again. It gives the right logits, and costs what the cache was to "
     "save: every rejection then costs a pass over the whole text. Drop only the last n positions."),
    ("no_cache",
     "You feed the whole text again in every append. That is decoding without a cache: right, and slower with every "
     "token. Keep out.past_key_values, and feed only the new ids."),
    ("fed_twice",
     "You feed old ids on top of a cache that already holds them, so they stand in the text twice. With a cache, only "
     "the new ids go in."),
    ("one_by_one",
     "You feed the ids one at a time. One call for all of them costs hardly more than a call for one: that is what "
     "verification lives on."),
    ("not_kept",
     "The cache is not handed on. Keep out.past_key_values, and give it to the next call as past_key_values."),
    ("shared",
     "Something is shared that should not be. Each CachedModel needs a cache of its own: made in __init__, not in the "
     "class's body, not as a default argument, and not one per model."),
    ("not_rolled_back",
     "After a rollback the cache still holds the dropped positions, and the next ids come after them."),
    ("stale_length", "`length` does not follow the cache."),
    ("positions",
     "Positions count from the wrong place. The first new id stands where the cache ends, not at 0. (Leave "
     "position_ids out: the model then counts from the cache's length.)"),
    ("mask",
     "The attention mask does not follow the cache: after a rollback it has to be cropped too. (Leave it out: without "
     "padding nothing has to be masked.)"),
    ("batch_axis", "A batch of one goes in and comes out, but append answers without that axis: out.logits[0]."),
    ("last_row",
     "You return only the last row. A verification needs a row for each of its k+1 tokens: that is what one call "
     "gives us."),
    ("length_called", "`length` is a property."),
    ("not_refused", "More than the cache holds cannot be taken back: raise ValueError, and change nothing."),
):
    CachedModel.mistake(_id, _told)
