"""CachedModel: the steps that it is taken through, and what a student reads about each mistake.

Knows: this exercise. Right means: logits equal those from scratch, whatever was appended and taken back before, and
the model is fed only what is new. Does not know: how a step is judged (box).
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from .watched_model import VOCAB, WatchedModel, ids_of, tiny_model

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
CachedModel.help(r"too many indices|Dimension out of range|not enough values to unpack",
                 "The model wants input_ids with a batch axis, ids[None] of shape [1, T], and answers [1, T, V].")
CachedModel.help(r"NoneType.*(get_seq_length|crop|shape)|'NoneType' object",
                 "Before the first append there is no cache: it is None, and the length is 0.")
CachedModel.help(r"'tuple' object has no attribute", "past_key_values is a cache object; keep the object itself.")
CachedModel.help(r"size of tensor|must match|expand",
                 "Sizes do not fit. What has a size of its own (a mask, positions, a buffer) has to follow the text, "
                 "also after a rollback; without masks and positions the model works them out from the cache.")
CachedModel.help(r"missing \d+ required positional|takes \d+ positional",
                 "The methods are append(ids) and rollback(n).")


def _box(student, seed: int = 0) -> WatchedModel:
    model = tiny_model(seed)
    model.log.clear()
    return WatchedModel(student, model)


def _ids(rng):
    """A function count -> ids. A single id comes only once."""
    singles = iter(torch.randperm(VOCAB, generator=rng))
    return lambda count: next(singles).view(1) if count == 1 else ids_of(rng, count)


@CachedModel.part("one append: a row of logits for every id", weight=1, rests_on=(
    "Returns their logits, FloatTensor [T, V]",
    "Positions in the cache: 0 at first."))
def _(student, rng):
    for count in (whole(5, 9, rng), 1):
        box = _box(student)
        if box.length() != 0:
            raise Wrong("A new CachedModel has length 0.")
        box.append(ids_of(rng, count))
        box.check_length("after the first append")


@CachedModel.part("piece by piece: logits as from scratch, and only new ids are fed", weight=2, rests_on=(
    "in one call of the model",
    "the same as from scratch up to round-off",
    "the *new* ids only"))
def _(student, rng):
    box, ids = _box(student, seed=2), _ids(rng)
    for count in (whole(3, 6, rng), 1, 1, whole(2, 6, rng), 2, 1):
        box.append(ids(count))
        box.check_length(f"after an append of {count}")


@CachedModel.part("taken back, and continued with other ids", weight=2, rests_on=(
    "Forgets the last n positions; 0 changes nothing. The next ids continue where the cache then ends."))
def _(student, rng):
    box, ids = _box(student, seed=1), _ids(rng)
    box.append(ids(whole(6, 9, rng)))
    for back, count in ((2, 3), (3, 1), (0, 2), (1, whole(3, 5, rng)), (5, 2), (1, 1)):
        box.rollback(back)
        box.check_length(f"after a rollback by {back}")
        box.append(ids(count))
        box.check_length("after the append that followed a rollback")
    for back in (2, 3, 1):
        box.rollback(back)
        box.check_length(f"after a rollback by {back} that followed another one")
    again, other = ids_of(rng, 2)[:, None]
    for token in (again, again, other, again):  # the same id, each time behind another text
        box.append(token)


@CachedModel.part("a long text", weight=1, rests_on="It counts positions from the cache's length")
def _(student, rng):
    box, ids = _box(student, seed=3), _ids(rng)
    for count, back in ((whole(85, 95, rng), 0), (1, 1), (1, whole(20, 30, rng)), (20, 0), (3, 2), (1, 0)):
        box.append(ids(count))
        box.rollback(back)
        box.check_length("in a long text")


@CachedModel.part("taken back to nothing", weight=1, rests_on="Forgets the last n positions; 0 changes nothing.")
def _(student, rng):
    box, count = _box(student, seed=2), whole(4, 7, rng)
    box.rollback(0)
    box.append(ids_of(rng, count))
    box.rollback(count)
    box.check_length("after everything was taken back")
    box.append(ids_of(rng, 3))
    box.rollback(1)
    box.append(ids_of(rng, 2))


@CachedModel.part("nothing is shared: two at a time, and answers given earlier", weight=1, rests_on=(
    "Each CachedModel has a cache of its own, even if several share one model."))
def _(student, rng):
    first, other = _box(student), WatchedModel(student, tiny_model(0))
    third = WatchedModel(student, tiny_model(1))
    kept = []
    for count in (whole(3, 6, rng), 2, 1):
        for box in mixed((first, other, third), rng):
            answer = box.append(ids_of(rng, count))
            kept.append((answer, values.plain(answer)))
            box.check_length("while others are in use")
        other.rollback(1)
    if any(not values.same(values.plain(answer), was) for answer, was in kept):
        raise Wrong("Logits that were returned earlier have changed since: later appends write into them.",
                    mistake="buffer_returned")


@CachedModel.part("more than there is cannot be taken back, nor less than nothing", weight=1, rests_on=(
    "Raises ValueError when n is negative or there are fewer than n; nothing is changed then."))
def _(student, rng):
    box = _box(student, seed=3)
    for count, refused in ((0, 1), (4, 5), (2, whole(15, 30, rng)), (0, -1), (0, -6)):
        if count:
            box.append(ids_of(rng, count))
        if not student.method(box.made.rollback).raises(ValueError, refused):
            raise Wrong(f"{len(box.text)} positions are held, and rollback({refused}) raises no ValueError.",
                        mistake="not_refused" if refused > 0 else "negative")
        box.check_length("after a refused rollback")


for _id, _message in (
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
    ("drops_more", "Your rollback drops more positions than it is told to."),
    ("drops_fewer", "Your rollback drops fewer positions than it is told to."),
    ("refused_too_late", "A rollback that is refused has already changed the cache. Look at n first, then drop."),
    ("no_batch_axis", "The model wants input_ids with a batch axis, ids[None] of shape [1, T], and answers [1, T, V]."),
    ("no_row_axis",
     "A single id gets a row like any other: logits of shape [1, V]. Does a squeeze take that axis away?"),
    ("another_model", "Each CachedModel asks the model that it was made with: keep it in self, not in the class."),
    ("buffer_returned",
     "Your answers lie in a buffer that you write into again. The caller still reads what it was given: return new "
     "tensors. And a buffer of one size is too small for a longer text."),
    ("probabilities", "You answer probabilities. Asked for are the logits, as the model gives them."),
    ("log_probabilities", "You answer log-probabilities. Asked for are the logits, as the model gives them."),
    ("half", "Your numbers went through half precision, or bfloat16: digits are lost that decide between near ties."),
    ("answered_before",
     "An earlier answer is given again. The same ids behind another text, or other ids at the same place, have other "
     "logits: the model has to be asked."),
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
    ("negative", "A negative number cannot be taken back either: raise ValueError, and change nothing."),
):
    CachedModel.mistake(_id, _message)
