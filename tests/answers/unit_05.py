"""Unit 05: right answers written in other ways, and the mistakes that students make."""

import copy
import itertools
from collections import namedtuple
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import torch
import transformers
from packaging.version import Version

from answers import right, wrong
from specdec_course.cache import CachedModel as _Cached
from specdec_course.cache.static import static_mask as _mask
from specdec_course.decoding import generate_cached as _reference
from specdec_course.trace import Decoded, Round
from specdec_course.verification import verify_greedy

# rollback -----------------------------------------------------------------------------------------------------------


def _too_many(cache, n):
    if n < 0 or n > cache.get_seq_length():
        raise ValueError(f"{n} positions cannot be dropped")


@right("rollback")
def crop_with_a_minus(cache, n):
    _too_many(cache, n)
    if n:
        cache.crop(-n)


@right("rollback")
def cut_by_hand(cache, n):
    keep = cache.get_seq_length() - n
    if not 0 <= keep <= cache.get_seq_length():
        raise ValueError("more than there is")
    if hasattr(cache, "layers"):
        for layer in cache.layers:
            layer.keys = layer.keys[..., :keep, :]
            layer.values = layer.values[..., :keep, :]
    else:
        for i in range(len(cache.key_cache)):
            cache.key_cache[i] = cache.key_cache[i][:, :, :keep]
            cache.value_cache[i] = cache.value_cache[i][:, :, :keep]


@right("rollback")
def layer_by_layer(cache, n):
    held = cache.get_seq_length()
    assert isinstance(n, int)
    if n > held or n < 0:
        raise ValueError("cannot drop that many")
    if n == 0:
        return None
    if hasattr(cache, "layers"):
        for layer in cache.layers:
            layer.crop(-n)
        return cache
    cache.key_cache = [k.narrow(2, 0, held - n).clone() for k in cache.key_cache]
    cache.value_cache = [v.narrow(2, 0, held - n).clone() for v in cache.value_cache]
    cache._seen_tokens = held - n
    return cache


@right("rollback")
def one_at_a_time(cache, n):
    _too_many(cache, n)
    for _ in range(n):
        cache.crop(-1)


@wrong("rollback", named="zero_empties")
def minus_zero(cache, n):
    _too_many(cache, n)
    if hasattr(cache, "key_cache"):
        cache.crop(-n)
        return
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[..., :-n, :], layer.values[..., :-n, :]


@wrong("rollback", named="zero_empties")
def crop_whatever_n_is(cache, n):
    _too_many(cache, n)
    cache.crop(-n)


# In transformers before 5.18 crop(+n) keeps n; from then on it is an error.
PLUS_IS_AN_ERROR = Version(transformers.__version__) >= Version("5.18")


@wrong("rollback", named="plus_n" if PLUS_IS_AN_ERROR else None)
def crop_to_the_rest(cache, n):
    _too_many(cache, n)
    cache.crop(cache.get_seq_length() - n)


@wrong("rollback", named="plus_n" if PLUS_IS_AN_ERROR else "keeps_n")
def crop_by_plus_n(cache, n):
    _too_many(cache, n)
    cache.crop(n)


@wrong("rollback", named="keeps_n")
def keeps_the_first_n(cache, n):
    _too_many(cache, n)
    if hasattr(cache, "key_cache"):
        cache.crop(n)
        return
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[..., :n, :], layer.values[..., :n, :]


@wrong("rollback")
def lists_of_older_versions_only(cache, n):
    _too_many(cache, n)
    keep = cache.get_seq_length() - n
    for i in range(len(cache.key_cache)):
        cache.key_cache[i] = cache.key_cache[i][..., :keep, :]
        cache.value_cache[i] = cache.value_cache[i][..., :keep, :]


@wrong("rollback")
def layers_only(cache, n):
    _too_many(cache, n)
    keep = cache.get_seq_length() - n
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[..., :keep, :], layer.values[..., :keep, :]


@wrong("rollback", named="one_too_many")
def drops_one_more(cache, n):
    _too_many(cache, n)
    if n:
        cache.crop(-min(n + 1, cache.get_seq_length()))


@wrong("rollback", named="one_too_few")
def drops_one_fewer(cache, n):
    _too_many(cache, n)
    if n > 1:
        cache.crop(-(n - 1))


@wrong("rollback", named="one_layer")
def only_the_first_layer(cache, n):
    _too_many(cache, n)
    if n and hasattr(cache, "layers"):
        cache.layers[0].crop(-n)
    elif n:
        cache.crop(-n)


@wrong("rollback", named="one_layer")
def forgets_the_last_layer(cache, n):
    _too_many(cache, n)
    for layer in cache.layers[:-1] if n else ():
        layer.crop(-n)


@wrong("rollback", named="one_of_two")
def keys_but_not_values(cache, n):
    _too_many(cache, n)
    for layer in cache.layers if n else ():
        layer.keys = layer.keys[..., :-n, :]


@wrong("rollback", named="nothing_dropped")
def slices_into_the_air(cache, n):
    _too_many(cache, n)
    for layer in getattr(cache, "layers", ()):
        keys = layer.keys[..., : cache.get_seq_length() - n, :]  # noqa: F841
        values = layer.values[..., : cache.get_seq_length() - n, :]  # noqa: F841


@wrong("rollback", named="nothing_dropped")
def cuts_a_copy(cache, n):
    _too_many(cache, n)
    cache = copy.deepcopy(cache)
    if n:
        cache.crop(-n)
    return cache


@wrong("rollback", named="empties")
def resets(cache, n):
    _too_many(cache, n)
    if n:
        cache.crop(-cache.get_seq_length())


@wrong("rollback", named="wrong_end")
def drops_the_first(cache, n):
    _too_many(cache, n)
    for layer in cache.layers if n else ():
        layer.keys, layer.values = layer.keys[..., n:, :], layer.values[..., n:, :]


@wrong("rollback", named="not_refused")
def never_refuses(cache, n):
    if n:
        cache.crop(-n)


@wrong("rollback", named="not_refused")
def drops_what_there_is(cache, n):
    if n:
        cache.crop(-min(n, cache.get_seq_length()))


@wrong("rollback", named="wrong_axis")
def wrong_axis(cache, n):
    _too_many(cache, n)
    for layer in cache.layers if n else ():
        layer.keys, layer.values = layer.keys[..., :-n], layer.values[..., :-n]


@wrong("rollback", says="not a list of")
def treats_it_as_pairs(cache, n):
    _too_many(cache, n)
    return tuple((k[..., :-n, :], v[..., :-n, :]) for k, v in cache)


@wrong("rollback", named="overwritten")
def zeroes_the_rows(cache, n):
    _too_many(cache, n)
    for layer in cache.layers if n else ():
        layer.keys[..., -n:, :] = 0
        layer.values[..., -n:, :] = 0


# CachedModel --------------------------------------------------------------------------------------------------------


def _drop(cache, n):
    if n:
        cache.crop(-n)


@right("CachedModel")
class OwnCache:
    """Makes the cache itself, and counts by itself."""

    def __init__(self, model):
        from transformers import DynamicCache

        self.model, self.cache, self.length = model, DynamicCache(), 0

    @torch.no_grad()
    def append(self, ids):
        self.length += len(ids)
        return self.model(ids.unsqueeze(0), past_key_values=self.cache, use_cache=True).logits.squeeze(0)

    def rollback(self, n):
        if n > self.length or n < 0:
            raise ValueError("not that many")
        if n > 0:
            self.cache.crop(-n)
            self.length -= n


@right("CachedModel")
class OwnPositions:
    """Gives positions and a mask explicitly; they follow the cache."""

    def __init__(self, model):
        self.model, self.past = model, None

    @property
    def length(self):
        return torch.tensor(0 if self.past is None else self.past.get_seq_length())

    def append(self, ids):
        start = int(self.length)
        with torch.inference_mode():
            out = self.model(
                input_ids=ids.view(1, -1),
                attention_mask=torch.ones(1, start + len(ids), dtype=torch.long),
                position_ids=torch.arange(start, start + len(ids))[None],
                past_key_values=self.past,
                use_cache=True,
            )
        self.past = out["past_key_values"]
        return out["logits"][0].numpy()

    def rollback(self, n):
        if not 0 <= n <= self.length:
            raise ValueError("out of range")
        for layer in self.past.layers if self.past is not None else ():
            layer.keys = layer.keys[..., : layer.keys.shape[-2] - n, :]
            layer.values = layer.values[..., : layer.values.shape[-2] - n, :]


@right("CachedModel")
class KeepsTheText:
    """Keeps the ids as well; forgets the cache when everything is taken back."""

    def __init__(self, model):
        self.model, self.cache, self.ids = model, None, []

    def append(self, ids, last=None):
        with torch.no_grad():
            out = self.model(input_ids=torch.stack([ids]), past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        self.ids += ids.tolist()
        return out.logits[0, :] if last is None else out.logits[0, -last:]

    def rollback(self, n):
        if n < 0 or len(self.ids) < n:
            raise ValueError(n)
        if n == len(self.ids):
            self.cache, self.ids = None, []
        elif n:
            del self.ids[-n:]
            self.cache.crop(-n)

    length = property(lambda self: len(self.ids))


@right("CachedModel")
class RollsBackLate:
    """Notes how much is to be dropped, and drops it with the next append."""

    def __init__(self, model):
        self.model, self.cache, self.due = model, None, 0

    @property
    def length(self):
        return np.int64(self.cache.get_seq_length() if self.cache else 0) - self.due

    @torch.no_grad()
    def append(self, ids):
        if self.due:
            self.cache.crop(-int(self.due))
            self.due = 0
        out = self.model(input_ids=ids[None, :], past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[0].clone()

    def rollback(self, n):
        if n < 0 or n > self.length:
            raise ValueError("too many")
        self.due += n


class _Base:
    """A right one, whose methods the mutants replace."""

    def __init__(self, model):
        self.model, self.cache = model, None

    @property
    def length(self):
        return 0 if self.cache is None else self.cache.get_seq_length()

    @torch.no_grad()
    def append(self, ids):
        out = self.model(input_ids=ids[None], past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[0]

    def rollback(self, n):
        if not 0 <= n <= self.length:
            raise ValueError("too many")
        if n:
            _drop(self.cache, n)


@wrong("CachedModel", named="reset")
class ResetsInRollback(_Base):
    def __init__(self, model):
        super().__init__(model)
        self.text = torch.empty(0, dtype=torch.long)

    def append(self, ids):
        self.text = torch.cat([self.text, ids])
        return super().append(ids)

    def rollback(self, n):
        if not 0 <= n <= self.length:
            raise ValueError("too many")
        self.text = self.text[: len(self.text) - n]
        self.cache = None
        if len(self.text):
            super().append(self.text)


@wrong("CachedModel", named="reset")
class FeedsAgainAfterRollback(_Base):
    def __init__(self, model):
        super().__init__(model)
        self.text = torch.empty(0, dtype=torch.long)

    @property
    def length(self):
        return len(self.text)

    def append(self, ids):
        self.text = torch.cat([self.text, ids])
        new = ids if self.cache is not None else self.text
        return super().append(new)[-len(ids) :]

    def rollback(self, n):
        if not 0 <= n <= self.length:
            raise ValueError("too many")
        if n:
            self.text, self.cache = self.text[: len(self.text) - n], None


@wrong("CachedModel", named="no_cache")
class WithoutCache(_Base):
    def __init__(self, model):
        self.model, self.text = model, torch.empty(0, dtype=torch.long)

    @property
    def length(self):
        return len(self.text)

    @torch.no_grad()
    def append(self, ids):
        self.text = torch.cat([self.text, ids])
        return self.model(input_ids=self.text[None], use_cache=False).logits[0, -len(ids) :]

    def rollback(self, n):
        if not 0 <= n <= self.length:
            raise ValueError("too many")
        self.text = self.text[: len(self.text) - n]


@wrong("CachedModel", named="fed_twice")
class FeedsAllOnTop(_Base):
    def __init__(self, model):
        super().__init__(model)
        self.text = torch.empty(0, dtype=torch.long)

    def append(self, ids):
        self.text = torch.cat([self.text, ids])
        return super().append(self.text)[-len(ids) :]


@wrong("CachedModel", named="one_by_one")
class TokenByToken(_Base):
    def append(self, ids):
        return torch.cat([_Base.append(self, one[None]) for one in ids])


@wrong("CachedModel", named="not_kept")
class ForgetsTheCache(_Base):
    fed = 0
    length = property(lambda self: self.fed)

    @torch.no_grad()
    def append(self, ids):
        self.fed += len(ids)
        return self.model(input_ids=ids[None], use_cache=True).logits[0]

    def rollback(self, n):
        if n > self.fed:
            raise ValueError("too many")
        self.fed -= n


@wrong("CachedModel", named="shared")
class CacheOfTheClass(_Base):
    cache = None

    def __init__(self, model):
        self.model = model

    @torch.no_grad()
    def append(self, ids):
        out = self.model(input_ids=ids[None], past_key_values=type(self).cache, use_cache=True)
        type(self).cache = out.past_key_values
        return out.logits[0]


@wrong("CachedModel", named="shared")
class CacheAsADefault(_Base):
    def __init__(self, model, cache=[]):
        self.model, self.kept = model, cache

    @property
    def cache(self):
        return self.kept[0] if self.kept else None

    @torch.no_grad()
    def append(self, ids):
        out = self.model(input_ids=ids[None], past_key_values=self.cache, use_cache=True)
        self.kept[:] = [out.past_key_values]
        return out.logits[0]


@wrong("CachedModel", named="shared")
class CachePerModel(_Base):
    def __init__(self, model):
        self.model = model
        model.__dict__.setdefault("kept_by_mistake", None)
        model.kept_by_mistake = None

    cache = property(lambda self: self.model.kept_by_mistake)

    @torch.no_grad()
    def append(self, ids):
        out = self.model(input_ids=ids[None], past_key_values=self.cache, use_cache=True)
        self.model.kept_by_mistake = out.past_key_values
        return out.logits[0]


@wrong("CachedModel", named="positions")
class PositionsFromZero(_Base):
    @torch.no_grad()
    def append(self, ids):
        positions = torch.arange(len(ids))[None]
        out = self.model(input_ids=ids[None], position_ids=positions, past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[0]


@wrong("CachedModel", named="positions")
class PositionsRestartAfterARollback(_Base):
    start = 0

    @torch.no_grad()
    def append(self, ids):
        positions = torch.arange(self.start, self.start + len(ids))[None]
        self.start += len(ids)
        out = self.model(input_ids=ids[None], position_ids=positions, past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[0]

    def rollback(self, n):
        super().rollback(n)
        self.start = 0 if n else self.start


@wrong("CachedModel", named="mask")
class MaskNotCropped(_Base):
    def __init__(self, model):
        super().__init__(model)
        self.mask = torch.ones(1, 0, dtype=torch.long)

    @torch.no_grad()
    def append(self, ids):
        self.mask = torch.cat([self.mask, torch.ones(1, len(ids), dtype=torch.long)], 1)
        out = self.model(input_ids=ids[None], attention_mask=self.mask, past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[0]


@wrong("CachedModel", named="batch_axis")
class WithBatchAxis(_Base):
    def append(self, ids):
        return super().append(ids)[None]


@wrong("CachedModel", named="last_row")
class LastRowOnly(_Base):
    def append(self, ids):
        return super().append(ids)[-1]


@wrong("CachedModel", named="last_row")
class AlwaysOneRow(_Base):
    def append(self, ids):
        return super().append(ids)[-1:]


@wrong("CachedModel", named="not_rolled_back")
class RollbackOnPaper(_Base):
    dropped = 0

    @property
    def length(self):
        return (0 if self.cache is None else self.cache.get_seq_length()) - self.dropped

    def rollback(self, n):
        if n > self.length:
            raise ValueError("too many")
        self.dropped += n


@wrong("CachedModel", named="stale_length")
class LengthOnlyGrows(_Base):
    fed = 0
    length = property(lambda self: self.fed)

    def append(self, ids):
        self.fed += len(ids)
        return super().append(ids)


@wrong("CachedModel", named="drops_fewer")
class RollbackDoesNothing(_Base):
    def rollback(self, n):
        if n > self.length:
            raise ValueError("too many")


@wrong("CachedModel", named="drops_fewer")
class RollbackOneTooFew(_Base):
    def rollback(self, n):
        if n > self.length:
            raise ValueError("too many")
        super().rollback(max(0, n - 1))


@wrong("CachedModel", named="drops_more")
class RollbackOneTooMany(_Base):
    def rollback(self, n):
        super().rollback(n)
        if n and self.length:
            _drop(self.cache, 1)


@wrong("CachedModel", named="drops_more")
class RollbackKeepsN(_Base):
    def rollback(self, n):
        super().rollback(self.length - n if n else 0)


@wrong("CachedModel")
class CropsWhateverNIs(_Base):
    def rollback(self, n):
        if n > self.length:
            raise ValueError("too many")
        self.cache.crop(-n)


@wrong("CachedModel", named="length_called")
class LengthIsAMethod(_Base):
    def length(self):
        return 0 if self.cache is None else self.cache.get_seq_length()

    def rollback(self, n):
        if n > self.length():
            raise ValueError("too many")
        _drop(self.cache, n)


@wrong("CachedModel", named="not_refused")
class NeverRefuses(_Base):
    def rollback(self, n):
        if n and self.cache is not None:
            _drop(self.cache, min(n, self.length))


@wrong("CachedModel", named="refused_too_late")
class RefusesTooLate(_Base):
    def rollback(self, n):
        before = self.length
        if n and self.cache is not None:
            _drop(self.cache, min(n, before))
        if n > before:
            raise ValueError("too many")


@wrong("CachedModel")
class FailsWithoutACache(_Base):
    @property
    def length(self):
        return self.cache.get_seq_length()


@wrong("CachedModel", named="no_batch_axis")
class NoBatchAxisIn(_Base):
    def append(self, ids):
        return self.model(input_ids=ids, past_key_values=self.cache, use_cache=True).logits


@wrong("CachedModel")
class AppendWithoutReturn(_Base):
    def append(self, ids):
        super().append(ids)


@wrong("CachedModel", named="buffer_returned")
class OverwritesEarlierAnswers(_Base):
    def __init__(self, model):
        super().__init__(model)
        self.buffer = torch.zeros(64, 41)

    def append(self, ids):
        self.buffer[: len(ids)] = super().append(ids)
        return self.buffer[: len(ids)]


@wrong("CachedModel", named="probabilities")
class Probabilities(_Base):
    def append(self, ids):
        return super().append(ids).softmax(-1)


@wrong("CachedModel")
class FeedsTheLastIdOnly(_Base):
    def append(self, ids):
        return super().append(ids[-1:]).expand(len(ids), -1)


# generate_cached ----------------------------------------------------------------------------------------------------


def _verify(draft, logits):
    choice = logits.argmax(-1)
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return choice[: n + 1]


def _cut(out, room, eos_token_id):
    out = out[:room].tolist()
    if eos_token_id is not None and eos_token_id in out:
        out = out[: out.index(eos_token_id) + 1]
    return out


@right("generate_cached")
def prompt_in_its_own_append(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    """Both models read the prompt first, all but its last token; the draft catches up at once."""
    text, rounds = ids.tolist(), []
    if len(ids) > 1:
        target.append(ids[:-1])
        draft.append(ids[:-1])
    end = len(ids) + max_new_tokens
    while len(text) < end:
        tokens = [text[-1]]
        for _ in range(k):
            tokens.append(int(draft.append(torch.tensor(tokens[-1:]))[-1].argmax()))
        drafted = tokens[1:]
        out = _verify(torch.tensor(drafted, dtype=torch.long), target.append(torch.tensor(tokens)))
        accepted = len(out) - 1
        out = _cut(out, end - len(text), eos_token_id)
        rounds.append(Round(len(drafted), min(accepted, len(out)), len(out)))
        target.rollback(len(drafted) - accepted)
        if k and accepted == len(drafted):
            draft.append(torch.tensor(drafted[-1:]))  # nobody has asked what comes after it
        elif k:
            draft.rollback(len(drafted) - accepted - 1)
        else:
            draft.append(torch.tensor(tokens))  # stays in step although it drafts nothing
        text += out
        if out[-1] == eos_token_id:
            break
    return Decoded(torch.tensor(text), rounds)


@right("generate_cached")
def first_token_from_the_prompt(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    """The prompt's append gives the first token, listed as a round without a draft. One more draft step than needed,
    so that the last drafted token is in the cache."""
    rounds, end = [], len(ids) + max_new_tokens
    if max_new_tokens == 0:
        return ids, rounds
    first = target.append(ids)[-1].argmax().view(1)
    draft.append(ids)
    ids = torch.cat([ids, first])
    rounds.append(Round(0, 0, 1))
    while len(ids) < end and int(ids[-1]) != eos_token_id:
        ask, last, drafted = min(k, end - len(ids) - 1), ids[-1:], []
        for _ in range(ask + 1):
            last = draft.append(last)[-1].argmax().view(1)
            drafted.append(last)
        drafted = torch.cat(drafted)[:ask]
        out = _verify(drafted, target.append(torch.cat([ids[-1:], drafted])))
        n = len(out) - 1
        for model in (draft, target):
            model.rollback(ask - n)
        out = torch.tensor(_cut(out, end - len(ids), eos_token_id))
        ids = torch.cat([ids, out])
        rounds.append({"drafted": ask, "accepted": min(n, len(out)), "emitted": len(out)})
    return {"ids": ids, "rounds": rounds}


@right("generate_cached")
def first_token_not_listed(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    done = first_token_from_the_prompt(target, draft, ids, k, max_new_tokens, eos_token_id)
    return done if max_new_tokens == 0 else SimpleNamespace(ids=done["ids"], rounds=done["rounds"][1:])


Kept = namedtuple("Kept", "drafted accepted emitted")


@right("generate_cached")
def saves_the_prompts_last_row(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    """The target reads the whole prompt; its last row judges the first draft, which goes in alone."""
    rounds, text, end = [], ids.clone(), len(ids) + max_new_tokens
    saved = target.append(ids)[-1:] if max_new_tokens else None
    while len(text) < end:
        ask = min(k, end - len(text) - 1)
        drafted = text[:0]
        while len(drafted) < ask:
            have = torch.cat([text, drafted])
            drafted = torch.cat([drafted, draft.append(have[draft.length :])[-1].argmax(-1, keepdim=True)])
            if drafted[-1] == eos_token_id:
                break
        if saved is not None:
            rows = torch.cat([saved, target.append(drafted)]) if len(drafted) else saved
        else:
            rows = target.append(torch.cat([text[-1:], drafted]))
        alone = saved is not None and not len(drafted)
        saved = None
        out = _verify(drafted, rows)
        n = len(out) - 1
        out = torch.tensor(_cut(out, end - len(text), eos_token_id))
        text = torch.cat([text, out])
        if not alone or max_new_tokens:
            rounds.append(Kept(len(drafted), torch.tensor(min(n, len(out))), np.int64(len(out))))
        for model in (target, draft):
            extra = model.length - len(text) + 1
            if extra > 0:
                model.rollback(extra)
        if text[-1] == eos_token_id:
            break
    return Decoded(text, rounds)


@right("generate_cached")
def asks_for_k_and_cuts(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    rounds, start = [], len(ids)
    while len(ids) - start < max_new_tokens:
        whole = ids
        while len(whole) < len(ids) + k:
            row = draft.append(whole[draft.length :])[-1]
            whole = torch.cat([whole, torch.argmax(row, dim=0).reshape(1)])
        rows = target.append(whole[target.length :])[-k - 1 :]
        out = _verify(whole[len(ids) :], rows)
        accepted = len(out) - 1
        out = _cut(out, max_new_tokens - (len(ids) - start), eos_token_id)
        valid = len(ids) + accepted
        draft.rollback(max(draft.length - valid, 0))
        target.rollback(target.length - valid)
        ids = torch.cat([ids, torch.tensor(out)])
        rounds.append(Round(k, min(accepted, len(out)), len(out)))
        if out[-1] == eos_token_id:
            return Decoded(ids, rounds)
    return Decoded(ids, rounds)


def _loop(
    verify=_verify, draft_feed=lambda text, n: text[n:], target_feed=lambda text, n, k: text[n:], keep=None,
    keep_draft=None, own=lambda row: row.argmax(-1, keepdim=True), cut=True, find_eos="first", count="after",
    ask=lambda k, left: min(k, left - 1), drafted_as=lambda drafted, k: len(drafted), after=lambda *a: None,
):
    """A right loop with one screw loose: each mutant below turns one of them.

    keep(old length, accepted, drafted, emitted) says how many positions stay in a cache after a round.
    """

    def fits(model, n):
        model.rollback(max(0, model.length - max(0, n)))

    def generate(target, draft, ids, k, max_new_tokens, eos_token_id=None):
        start, rounds = len(ids), []
        while len(ids) < start + max_new_tokens:
            left = start + max_new_tokens - len(ids)
            text = ids
            for _ in range(ask(k, left)):
                row = draft.append(draft_feed(text, draft.length))[-1]
                text = torch.cat([text, own(row)])
            drafted = text[len(ids) :]
            rows = target.append(target_feed(text, target.length, len(drafted)))[-len(drafted) - 1 :]
            out = verify(drafted, rows).tolist()
            whole = len(out)
            if cut:
                out = out[:left]
            stop = False
            if find_eos == "first" and eos_token_id is not None and eos_token_id in out:
                out, stop = out[: out.index(eos_token_id) + 1], True
            elif find_eos == "last":
                stop = out[-1] == eos_token_id
            elif find_eos == "draft":
                if eos_token_id in out:
                    out = out[: out.index(eos_token_id) + 1]
                stop = eos_token_id in drafted.tolist() or eos_token_id in out
            old = len(ids)
            ids = torch.cat([ids, torch.tensor(out, dtype=torch.long)])
            n = len(ids) - 1
            fits(target, n if keep is None else keep(old, whole - 1, len(drafted), len(out)))
            fits(draft, n if keep_draft is None else keep_draft(old, whole - 1, len(drafted), len(out)))
            after(target, draft, ids)
            kept = whole - 1 if count == "before" else len(out) if count == "bonus" else min(whole - 1, len(out))
            emitted = whole if count == "before" else len(out)
            rounds.append(Round(drafted_as(drafted, k), kept, emitted))
            if stop:
                break
        return Decoded(ids, rounds)

    return generate


def _mutant(name, named=None, **loose):
    function = _loop(**loose)
    function.__name__ = name
    wrong("generate_cached", named=named)(function)


def _newest_only(text, n):
    return text if n == 0 else text[-1:]


_mutant("feeds_the_draft_only_the_newest_token", named="last_draft_token", draft_feed=_newest_only)
_mutant("keeps_all_that_was_drafted", keep=lambda old, accepted, drafted, emitted: old + drafted,
        named="target_not_rolled_back", target_feed=lambda text, n, k: text if n == 0 else text[-k - 1 :])
_mutant("keeps_one_too_many", named="target_not_rolled_back",
        keep=lambda old, accepted, drafted, emitted: old + emitted,
        target_feed=lambda text, n, k: text if n == 0 else text[-k - 1 :])
_mutant("keeps_one_too_few", named="rolled_back_too_far",
        keep=lambda old, accepted, drafted, emitted: old + emitted - 2)
_mutant("drops_all_that_was_drafted", named="rolled_back_too_far",
        keep=lambda old, accepted, drafted, emitted: old - 1)
_mutant("keeps_only_the_prompts_beginning", named="rolled_back_too_far", keep=lambda old, accepted, drafted, emitted: 1)
_mutant("empties_both_caches", named="reset", keep=lambda *a: 0, keep_draft=lambda *a: 0)
_mutant("empties_the_targets_cache", named="reset", keep=lambda *a: 0)
_mutant("empties_the_drafts_cache", named="reset", keep_draft=lambda *a: 0)
_mutant("draft_goes_back_one_more", named="rolled_back_too_far",
        keep_draft=lambda old, accepted, drafted, emitted: old + emitted - 2)
_mutant("draft_goes_back_to_where_it_began", named="rolled_back_too_far",
        keep_draft=lambda old, accepted, drafted, emitted: old - 1)
_mutant("never_rolls_the_draft_back", named="draft_not_rolled_back", keep_draft=lambda *a: 10**6,
        draft_feed=_newest_only)
_mutant("never_rolls_back_and_trusts_length", named="never_rolls_back", keep=lambda *a: 10**6,
        keep_draft=lambda *a: 10**6)
_mutant("feeds_the_whole_text_on_top", named="fed_twice", draft_feed=lambda text, n: text)
_mutant("feeds_the_whole_text_to_the_target", named="fed_twice", target_feed=lambda text, n, k: text)
_mutant("newest_token_never_fed", named="wrong_feed",
        target_feed=lambda text, n, k: text if n == 0 else text[len(text) - k :] if k else text[-1:])
_mutant("last_guess_taken_back_and_never_fed", named="draft_gap", draft_feed=_newest_only,
        keep_draft=lambda old, accepted, drafted, emitted: old + drafted - 2)
_mutant("the_two_newest_every_time", named="fed_twice", draft_feed=lambda text, n: text[-2:] if n else text)
_mutant("one_token_at_a_time", named="bonus_unfed", draft_feed=lambda text, n: text[n : n + 1] if n else text)
_mutant("drafts_from_the_first_row", own=lambda row: row.roll(-1).argmax(-1, keepdim=True), named="other_row")
_mutant("drafts_the_least_probable", own=lambda row: row.argmin(-1, keepdim=True), named="other_row")
_mutant("uncut", named="overshoots", cut=False, ask=lambda k, left: k)
_mutant("uncut_but_asks_for_what_is_left", named="overshoots", cut=False, ask=lambda k, left: min(k, left))
_mutant("eos_only_as_the_last_token", named="eos_ignored", find_eos="last")
_mutant("eos_never", named="eos_ignored", find_eos="never")
_mutant("eos_in_the_draft", named="rejected_eos_stops", find_eos="draft")
_mutant("counts_before_the_cut", named="cut_counted", count="before", ask=lambda k, left: k)
_mutant("counts_the_bonus", named="bonus_counted", count="bonus")
_mutant("reports_k", named="drafted_is_k", drafted_as=lambda drafted, k: k)
_mutant("asks_for_all_that_is_left", named="ignores_k", ask=lambda k, left: left - 1)
_mutant("drafts_one_token_whatever_k", named="short_drafts", ask=lambda k, left: min(1, k, left - 1))
_mutant("never_asks_the_draft", named="never_drafts", ask=lambda k, left: 0)
_mutant("believes_every_draft", verify=lambda d, rows: torch.cat([d, rows[-1:].argmax(-1)]), named="rejected_emitted")


def _no_bonus(draft, logits):
    out = _verify(draft, logits)
    return out[: len(draft)] if len(draft) and len(out) > len(draft) else out


def _no_correction(draft, logits):
    out = _verify(draft, logits)
    return out if len(out) == len(draft) + 1 else out[:-1]


_mutant("drops_the_bonus", named="no_bonus", verify=_no_bonus)
_mutant("drops_the_correction", named="correction_dropped", verify=_no_correction)


@wrong("generate_cached", named="reset")
def begins_anew_every_round(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        target.rollback(target.length)
        draft.rollback(draft.length)
        text = ids
        for _ in range(min(k, end - len(ids) - 1)):
            text = torch.cat([text, draft.append(text[draft.length :])[-1].argmax(-1, keepdim=True)])
        drafted = text[len(ids) :]
        out = _verify(drafted, target.append(text)[len(ids) - 1 :])
        n, out = len(out) - 1, _cut(out, end - len(ids), eos_token_id)
        rounds.append(Round(len(drafted), min(n, len(out)), len(out)))
        ids = torch.cat([ids, torch.tensor(out)])
        if out[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_cached", named="reset")
def new_draft_cache_every_token(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    class Anew:
        length = 0

        def append(self, text):
            draft.rollback(draft.length)
            return draft.append(text)

        def rollback(self, n):
            pass

    return asks_for_k_and_cuts(target, Anew(), ids, k, max_new_tokens, eos_token_id)


@wrong("generate_cached", named="many_calls")
def one_target_call_per_guess(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        text = ids
        for _ in range(min(k, end - len(ids) - 1)):
            text = torch.cat([text, draft.append(text[draft.length :])[-1].argmax(-1, keepdim=True)])
        out = []
        while True:
            known = torch.cat([ids, torch.tensor(out, dtype=torch.long)])
            out.append(int(target.append(known[target.length :])[-1].argmax()))
            place = len(ids) + len(out) - 1
            if place >= len(text) or out[-1] != int(text[place]) or out[-1] == eos_token_id:
                break
        drafted = len(text) - len(ids)
        n = sum(a == int(b) for a, b in zip(out, text[len(ids) :], strict=False))
        ids = torch.cat([ids, torch.tensor(out)])
        draft.rollback(max(0, draft.length - len(ids) + 1))
        rounds.append(Round(drafted, n, len(out)))
        if out[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_cached", named="drafts_with_target")
def drafts_with_the_target(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    return asks_for_k_and_cuts(target, target, ids, k, max_new_tokens, eos_token_id)


@wrong("generate_cached", named="never_drafts")
def plain_decoding_with_a_cache(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    rounds = []
    for _ in range(max_new_tokens):
        ids = torch.cat([ids, target.append(ids[target.length :])[-1:].argmax(-1)])
        rounds.append(Round(0, 0, 1))
        if ids[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_cached", named="drops_prompt")
def only_the_new_tokens(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    done = asks_for_k_and_cuts(target, draft, ids, k, max_new_tokens, eos_token_id)
    return Decoded(done.ids[len(ids) :], done.rounds)


@wrong("generate_cached", named="eos_zero")
def eos_zero_is_false(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    return asks_for_k_and_cuts(target, draft, ids, k, max_new_tokens, eos_token_id or None)


@wrong("generate_cached", named="stops_early")
def stops_before_the_last_token(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    return asks_for_k_and_cuts(target, draft, ids, k, max(0, max_new_tokens - 1), eos_token_id)


@wrong("generate_cached")
def returns_ids_only(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    return asks_for_k_and_cuts(target, draft, ids, k, max_new_tokens, eos_token_id).ids


@wrong("generate_cached")
def calls_the_models_as_functions(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    while True:
        ids = torch.cat([ids, target(ids)[-1:].argmax(-1)])


@wrong("generate_cached", named="rolls_back_accepted")
def rolls_back_by_what_was_accepted(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        text = ids
        for _ in range(min(k, end - len(ids) - 1)):
            text = torch.cat([text, draft.append(text[draft.length :])[-1].argmax(-1, keepdim=True)])
        drafted = text[len(ids) :]
        out = _verify(drafted, target.append(text[target.length :])[-len(drafted) - 1 :])
        n, out = len(out) - 1, _cut(out, end - len(ids), eos_token_id)
        target.rollback(n)
        draft.rollback(n)
        rounds.append(Round(len(drafted), min(n, len(out)), len(out)))
        ids = torch.cat([ids, torch.tensor(out)])
        if out[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_cached", says="the draft lacks the last token")
def subtracts_without_looking(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    """After full acceptance the draft is one short, and its rollback is by -1."""
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        text = ids
        for _ in range(min(k, end - len(ids) - 1)):
            text = torch.cat([text, draft.append(text[draft.length :])[-1].argmax(-1, keepdim=True)])
        drafted = text[len(ids) :]
        out = _verify(drafted, target.append(text[target.length :])[-len(drafted) - 1 :])
        n, out = len(out) - 1, _cut(out, end - len(ids), eos_token_id)
        rounds.append(Round(len(drafted), min(n, len(out)), len(out)))
        ids = torch.cat([ids, torch.tensor(out)])
        target.rollback(target.length - len(ids) + 1)
        draft.rollback(draft.length - len(ids) + 1)
        if out[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_cached", named="changes_input")
def writes_into_the_callers_ids(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    done = asks_for_k_and_cuts(target, draft, ids, k, max_new_tokens, eos_token_id)
    ids[-1] = 0 if int(ids[-1]) else 1
    return done


@wrong("generate_cached")
def loses_step_when_k_is_zero(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    """Divides by k."""
    done = asks_for_k_and_cuts(target, draft, ids, k, max_new_tokens, eos_token_id)
    return Decoded(done.ids, [Round(r.drafted, r.accepted * k // k, r.emitted) for r in done.rounds])


@wrong("generate_cached", named="earlier_models")
def remembers_the_last_call(target, draft, ids, k, max_new_tokens, eos_token_id=None, kept={}):
    """The caches of an earlier call are used again."""
    target, draft = kept.setdefault("models", (target, draft))
    return asks_for_k_and_cuts(target, draft, ids, k, max_new_tokens, eos_token_id)


@wrong("generate_cached", named="fed_twice")
def never_ends(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    while True:
        target.append(ids)


# static_mask --------------------------------------------------------------------------------------------------------


@right("static_mask")
def place_by_place(length, n_new, max_length):
    mask = torch.zeros(n_new, max_length, dtype=torch.bool)
    for i in range(n_new):
        mask[i, : length + i + 1] = True
    return mask


@right("static_mask")
def lower_triangle(length, n_new, max_length):
    return torch.ones(n_new, max_length).tril(diagonal=length).bool()


@right("static_mask")
def rows_of_the_whole_triangle(length, n_new, max_length):
    return np.tri(max_length, dtype=bool)[length : length + n_new]


@right("static_mask")
def past_and_new_side_by_side(length, n_new, max_length):
    past = torch.ones(n_new, length, dtype=torch.bool)
    new = ~torch.triu(torch.ones(n_new, n_new, dtype=torch.bool), 1)
    rest = torch.zeros(n_new, max_length - length - n_new, dtype=torch.bool)
    return torch.cat([past, new, rest], 1)


@right("static_mask")
def nested_lists(length, n_new, max_length):
    return [[place <= length + i for place in range(max_length)] for i in range(n_new)]


@wrong("static_mask", named="not_causal")
def everything_up_to_the_pointer(length, n_new, max_length):
    return (torch.arange(max_length) < length + n_new).expand(n_new, -1)


@wrong("static_mask", named="not_itself")
def strictly_before(length, n_new, max_length):
    return torch.arange(max_length)[None] < length + torch.arange(n_new)[:, None]


@wrong("static_mask", named="stale")
def one_too_far(length, n_new, max_length):
    return torch.arange(max_length)[None] <= length + 1 + torch.arange(n_new)[:, None]


@wrong("static_mask", named="stale")
def all_of_the_buffer(length, n_new, max_length):
    return torch.ones(n_new, max_length, dtype=torch.bool)


@wrong("static_mask", named="inverted")
def true_means_hidden(length, n_new, max_length):
    return ~place_by_place(length, n_new, max_length)


@wrong("static_mask", named="no_past")
def new_tokens_only(length, n_new, max_length):
    mask = place_by_place(length, n_new, max_length)
    mask[:, :length] = False
    return mask


@wrong("static_mask", named="no_offset")
def without_the_pointer(length, n_new, max_length):
    return torch.ones(n_new, max_length, dtype=torch.bool).tril()


@wrong("static_mask", named="transposed")
def columns_for_rows(length, n_new, max_length):
    return place_by_place(length, n_new, max_length).T


@wrong("static_mask", named="not_bool")
def additive(length, n_new, max_length):
    return torch.zeros(n_new, max_length).masked_fill(~place_by_place(length, n_new, max_length), -1e9)


@wrong("static_mask", named="not_bool")
def ones_and_zeros(length, n_new, max_length):
    return place_by_place(length, n_new, max_length).long()


@wrong("static_mask")
def with_a_batch_axis(length, n_new, max_length):
    return place_by_place(length, n_new, max_length)[None, None]


@wrong("static_mask", named="too_narrow")
def only_what_is_filled(length, n_new, max_length):
    return place_by_place(length, n_new, max_length)[:, : length + n_new]


@wrong("static_mask", named="first_place_hidden")
def never_the_first_place(length, n_new, max_length):
    mask = place_by_place(length, n_new, max_length)
    mask[:, 0] = False
    return mask


@wrong("static_mask", says="n_new may be 0")
def crashes_without_new_tokens(length, n_new, max_length):
    return torch.stack([torch.arange(max_length) <= length + i for i in range(n_new)])


# kv_cache_bytes -----------------------------------------------------------------------------------------------------


@right("kv_cache_bytes")
def shape_by_shape(config, length, batch=1, bytes_per_value=2):
    d = config.head_dim if getattr(config, "head_dim", None) else config.hidden_size // config.num_attention_heads
    shape = (batch, config.num_key_value_heads, length, d)
    total = 0
    for _layer in range(config.num_hidden_layers):
        for _tensor in range(2):
            total += int(np.prod(shape)) * bytes_per_value
    return total


@right("kv_cache_bytes")
def as_a_tensor(config, length, batch=1, bytes_per_value=2):
    fields = vars(config)
    d = fields.get("head_dim") or fields["hidden_size"] / fields["num_attention_heads"]
    factors = [2, config.num_hidden_layers, config.num_key_value_heads, d, length, batch, bytes_per_value]
    return torch.tensor(factors, dtype=torch.float64).prod().long()


@wrong("kv_cache_bytes", named="float")
def a_tensor_of_floats(config, length, batch=1, bytes_per_value=2):
    return as_a_tensor(config, length, batch, bytes_per_value).double()


@wrong("kv_cache_bytes", named="float")
def a_slash_for_two(config, length, batch=1, bytes_per_value=2):
    d = getattr(config, "head_dim", None) or config.hidden_size / config.num_attention_heads
    return config.num_hidden_layers * 2 * config.num_key_value_heads * d * length * batch * bytes_per_value


@right("kv_cache_bytes")
def through_the_width(config, length, batch=1, bytes_per_value=2):
    head = getattr(config, "head_dim", None)
    head = head if head is not None else config.hidden_size // config.num_attention_heads
    keys = np.int64(config.num_key_value_heads * head) * config.num_hidden_layers * length
    return (keys + keys) * bytes_per_value * batch


@right("kv_cache_bytes")
def measured_on_meta(config, length, batch=1, bytes_per_value=2):
    d = getattr(config, "head_dim", 0) or config.hidden_size // config.num_attention_heads
    one = torch.empty(batch, config.num_key_value_heads, length, d, device="meta")
    return one.numel() * 2 * config.num_hidden_layers * bytes_per_value


def _bytes(tensors=2, heads="num_key_value_heads", layers=True, dim="head_dim", use_batch=True, width=True, plus=0):
    def count(config, length, batch=1, bytes_per_value=2):
        d = getattr(config, "head_dim", None) if dim == "head_dim" else None
        d = d or config.hidden_size // config.num_attention_heads
        number = tensors * getattr(config, heads) * d * (length + plus)
        number *= config.num_hidden_layers if layers else 1
        return number * (batch if use_batch else 1) * (bytes_per_value if width else 1)

    return count


for _name, _named, _loose in (
    ("all_query_heads", "all_heads", {"heads": "num_attention_heads"}),
    ("keys_only", "one_tensor", {"tensors": 1}),
    ("a_single_layer", "one_layer", {"layers": False}),
    ("numbers_instead_of_bytes", "no_bytes", {"width": False}),
    ("no_batch", "no_batch", {"use_batch": False}),
    ("never_reads_head_dim", "own_head_dim", {"dim": "own"}),
    ("keys_values_and_queries", "queries_too", {"tensors": 3}),
    ("one_position_more", "one_position_more", {"plus": 1}),
):
    _count = _bytes(**_loose)
    _count.__name__ = _name
    wrong("kv_cache_bytes", named=_named)(_count)


@wrong("kv_cache_bytes", named="hidden_size")
def hidden_size_per_position(config, length, batch=1, bytes_per_value=2):
    return 2 * config.num_hidden_layers * config.hidden_size * length * batch * bytes_per_value


@wrong("kv_cache_bytes")
def needs_head_dim(config, length, batch=1, bytes_per_value=2):
    heads = config.num_key_value_heads * config.head_dim
    return 2 * config.num_hidden_layers * heads * length * batch * bytes_per_value


@wrong("kv_cache_bytes", named="other_unit")
def in_megabytes(config, length, batch=1, bytes_per_value=2):
    return shape_by_shape(config, length, batch, bytes_per_value) // 10**6


@wrong("kv_cache_bytes", named="own_bytes")
def always_two_bytes(config, length, batch=1, bytes_per_value=2):
    return shape_by_shape(config, length, batch, 2)


# A second look: other styles, near misses ----------------------------------------------------------------------------

# rollback
@right("rollback")
def crop_in_a_try(cache, n):
    n = int(n)
    if n not in range(cache.get_seq_length() + 1):
        raise ValueError(f"n = {n}")
    print("dropping", n)
    while n:
        cache.crop(-1 * n)
        n = 0


@right("rollback")
def contiguous_pieces_under_no_grad(cache, n):
    def shorter(x, keep):
        return torch.split(x, [keep, x.shape[2] - keep], dim=2)[0].contiguous()

    keep = cache.get_seq_length() - n
    if n < 0 or keep < 0:
        raise ValueError("outside of the cache")
    with torch.no_grad():
        for layer in getattr(cache, "layers", []):
            layer.keys, layer.values = shorter(layer.keys, keep), shorter(layer.values, keep)
        for name in ("key_cache", "value_cache"):
            if not hasattr(cache, "layers"):
                setattr(cache, name, [shorter(x, keep) for x in getattr(cache, name)])


@right("rollback")
def index_select_per_layer(cache, n):
    held = int(cache.get_seq_length())
    if not (n >= 0 and n <= held):
        raise ValueError("0 <= n <= length, please")
    if n == 0:
        return
    kept = torch.arange(held - n)
    try:
        layers = cache.layers
    except AttributeError:
        for i, (keys, values) in enumerate(zip(cache.key_cache, cache.value_cache, strict=True)):
            cache.key_cache[i], cache.value_cache[i] = keys[:, :, kept], values[:, :, kept]
        return
    for layer in layers:
        layer.keys = torch.index_select(layer.keys, -2, kept)
        layer.values = torch.index_select(layer.values, -2, kept)


@right("rollback")
def recursive_crop(cache, n):
    if n < 0 or n > cache.get_seq_length():
        raise ValueError("cannot")
    if n > 0:
        cache.crop(-1)
        recursive_crop(cache, n - 1)


@wrong("rollback", named="negative")
def negative_n_goes_by(cache, n):
    if n > cache.get_seq_length():
        raise ValueError("too many")
    if n > 0:
        cache.crop(-n)


@wrong("rollback", named="negative")
def the_absolute_value(cache, n):
    n = abs(n)
    if n > cache.get_seq_length():
        raise ValueError("too many")
    if n:
        cache.crop(-n)


@wrong("rollback")
def all_is_too_many(cache, n):
    if not 0 <= n < cache.get_seq_length():
        raise ValueError("too many")
    if n:
        cache.crop(-n)


@wrong("rollback")
def zero_is_refused(cache, n):
    if not 1 <= n <= cache.get_seq_length():
        raise ValueError("nothing to do")
    cache.crop(-n)


@wrong("rollback")
def refuses_with_an_index_error_here(cache, n):
    if not 0 <= n <= cache.get_seq_length():
        raise IndexError("too many")
    if n:
        cache.crop(-n)


@wrong("rollback")
def empties_and_then_refuses(cache, n):
    held = cache.get_seq_length()
    if 0 < n:
        cache.crop(-min(n, held))
    if not 0 <= n <= held:
        raise ValueError("too many")


def _pairs(cache):
    if hasattr(cache, "layers"):
        return [(layer.keys, layer.values) for layer in cache.layers]
    return list(zip(cache.key_cache, cache.value_cache, strict=False))


def _put(cache, pairs):
    if hasattr(cache, "layers"):
        for layer, (k, v) in zip(cache.layers, pairs, strict=False):
            layer.keys, layer.values = k, v
    else:
        cache.key_cache, cache.value_cache = [k for k, _ in pairs], [v for _, v in pairs]


@wrong("rollback", named="wrong_axis")
def first_row_of_the_batch(cache, n):
    _too_many(cache, n)
    keep = cache.get_seq_length() - n
    _put(cache, [(k[:1, :, :keep], v[:1, :, :keep]) for k, v in _pairs(cache)])


@wrong("rollback", named="wrong_axis")
def first_head_only(cache, n):
    _too_many(cache, n)
    keep = cache.get_seq_length() - n
    _put(cache, [(k[:, :1, :keep], v[:, :1, :keep]) for k, v in _pairs(cache)])


@wrong("rollback", named="wrong_end")
def values_from_the_wrong_end(cache, n):
    _too_many(cache, n)
    keep = cache.get_seq_length() - n
    _put(cache, [(k[:, :, :keep], v[:, :, n:]) for k, v in _pairs(cache)])


@wrong("rollback", named="one_layer")
def every_other_layer(cache, n):
    _too_many(cache, n)
    keep = cache.get_seq_length() - n
    _put(cache, [(k[:, :, :keep], v[:, :, :keep]) if i % 2 == 0 else (k, v) for i, (k, v) in enumerate(_pairs(cache))])


@wrong("rollback", named="always_one")
def one_position_whatever_n_is(cache, n):
    _too_many(cache, n)
    if n:
        cache.crop(-1)


@wrong("rollback", named="keys_for_values")
def values_copied_from_keys(cache, n):
    _too_many(cache, n)
    keep = cache.get_seq_length() - n
    _put(cache, [(k[:, :, :keep], k[:, :, :keep]) for k, v in _pairs(cache)])


# CachedModel
@right("CachedModel")
class TupleState:
    """State as one tuple, swapped on every change."""

    __slots__ = ("model", "state")

    def __init__(self, model):
        self.model = model
        self.state = (None, 0)

    @property
    def length(self):
        return self.state[1]

    def append(self, ids):
        cache, n = self.state
        with torch.no_grad():
            out = self.model(ids.reshape(1, -1), past_key_values=cache, use_cache=True)
        self.state = (out.past_key_values, n + len(ids))
        return out.logits.squeeze(0)

    def rollback(self, n):
        cache, held = self.state
        if n < 0 or n > held:
            raise ValueError("no")
        if n > 0:
            _drop(cache, n)
        self.state = (cache, held - n)


@right("CachedModel")
@dataclass
class DataclassModel:
    model: object
    past: object = None
    length: int = field(default=0)

    def append(self, ids):
        out = self.model(input_ids=ids.unsqueeze(0), past_key_values=self.past, use_cache=True)
        self.past = out["past_key_values"] if isinstance(out, dict) else out.past_key_values
        self.length += ids.shape[0]
        return out.logits[0].detach()

    def rollback(self, n):
        if not 0 <= n <= self.length:
            raise ValueError(n)
        if n == self.length:
            self.past, self.length = None, 0
        elif n:
            _drop(self.past, n)
            self.length -= n


@right("CachedModel")
class CountsByItselfWithNumpyInts:
    def __init__(self, model):
        self.model, self.kv, self._n = model, None, np.int64(0)

    length = property(lambda self: self._n)

    def append(self, ids):
        assert ids.ndim == 1 and len(ids) >= 1
        output = self.model(input_ids=ids.view(1, len(ids)), use_cache=True, past_key_values=self.kv)
        self.kv = output.past_key_values
        self._n = self._n + len(ids)
        return output.logits[0, :, :]

    def rollback(self, n):
        if n > self._n or n < 0:
            raise ValueError("n out of range")
        if n != 0:
            _drop(self.kv, int(n))
            self._n = self._n - n


@right("CachedModel")
class InheritsFromTheLength:
    def __init__(self, model):
        self.model = model
        self.cache = None

    def __getattr__(self, name):
        if name == "length":
            return self.cache.get_seq_length() if self.cache is not None else 0
        raise AttributeError(name)

    def append(self, ids):
        with torch.inference_mode():
            out = self.model(input_ids=torch.stack([ids]), past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[0].clone()

    def rollback(self, n):
        held = self.length
        if n == 0:
            return None
        if n < 0 or held < n:
            raise ValueError("out of range")
        _drop(self.cache, n)


class _C(_Cached):
    pass


@wrong("CachedModel", named="negative")
class NegativeGoesBy(_C):
    def rollback(self, n):
        if n > self.length:
            raise ValueError("too many")
        if n > 0:
            _drop(self.cache, n)


@wrong("CachedModel", says="positions were held in all")
class AllIsTooMany(_C):
    def rollback(self, n):
        if n and not 0 <= n < self.length:
            raise ValueError("too many")
        super().rollback(n)


@wrong("CachedModel", says="positions were held in all")
class OnlyTheLastAppend(_C):
    last = 0

    def append(self, ids):
        out = super().append(ids)
        self.last = len(ids)
        return out

    def rollback(self, n):
        if n > self.last:
            raise ValueError("that was an earlier append")
        super().rollback(n)
        self.last -= n


@wrong("CachedModel")
class ZeroNeedsACache(_C):
    def rollback(self, n):
        if not 0 <= n <= self.cache.get_seq_length():
            raise ValueError("too many")
        super().rollback(n)


@wrong("CachedModel", named="answered_before")
class RemembersAnswersById(_C):
    memo = None

    def append(self, ids):
        out = super().append(ids)
        self.memo = {} if self.memo is None else self.memo
        return self.memo.setdefault(tuple(ids.tolist()), out)


@wrong("CachedModel", named="answered_before")
class RemembersAnswersByPlace(_C):
    def append(self, ids):
        start = self.length
        out = super().append(ids)
        self.memo = getattr(self, "memo", {})
        return self.memo.setdefault((start, len(ids)), out)


@wrong("CachedModel", says="The first wrong row is that of position 64")
class WindowOfSixtyFour(_C):
    def append(self, ids):
        out = super().append(ids)
        return out + (torch.arange(len(out))[:, None] + self.length - len(ids) >= 64) * 0.1


@wrong("CachedModel", named="drops_fewer")
class SecondRollbackIsOneOff(_C):
    rolled = False

    def append(self, ids):
        self.rolled = False
        return super().append(ids)

    def rollback(self, n):
        super().rollback(n - 1 if self.rolled and n > 1 else n)
        self.rolled = True


@wrong("CachedModel", named="stale_length")
class LengthAfterZero(_C):
    def rollback(self, n):
        super().rollback(n)
        if n and not self.length:
            self.cache = _Base(self.model).cache if hasattr(_Base(self.model), "cache") else None
            self.broken = 1

    @property
    def length(self):
        return super().length + getattr(self, "broken", 0)


@wrong("CachedModel", named="half")
class HalfPrecision(_C):
    def append(self, ids):
        return super().append(ids).bfloat16().float()


@wrong("CachedModel", named="changes_input")
class ChangesTheIds(_C):
    def append(self, ids):
        out = super().append(ids)
        ids.zero_()
        return out


@wrong("CachedModel", named="no_row_axis")
class OneRowForOneToken(_C):
    def append(self, ids):
        out = super().append(ids)
        return out[0] if len(ids) == 1 else out


# generate_cached
@right("generate_cached")
def guarded_prefill(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    out, rounds, limit = ids.clone(), [], len(ids) + max_new_tokens
    if max_new_tokens <= 0:
        return Decoded(out, rounds)
    if len(ids) > 1:
        target.append(ids[:-1])
        draft.append(ids[:-1])
    while True:
        guesses = []
        fed = out[draft.length:]
        for _ in range(min(k, limit - len(out) - 1)):
            nxt = draft.append(fed)[-1].argmax()
            guesses.append(int(nxt))
            if guesses[-1] == eos_token_id:
                break
            fed = nxt.reshape(1)
        g = torch.tensor(guesses, dtype=torch.long)
        rows = target.append(torch.cat([out[target.length:], g]))[-len(guesses) - 1:]
        best = rows.argmax(-1).tolist()
        n = 0
        while n < len(guesses) and guesses[n] == best[n]:
            n += 1
        new = best[: n + 1]
        if eos_token_id is not None and eos_token_id in new:
            new = new[: new.index(eos_token_id) + 1]
        new = new[: limit - len(out)]
        out = torch.cat([out, torch.tensor(new, dtype=torch.long)])
        rounds.append(Round(len(guesses), min(n, len(new)), len(new)))
        for m in (target, draft):
            extra = m.length - (len(out) - 1)
            if extra > 0:
                m.rollback(extra)
        if len(out) >= limit or new[-1] == eos_token_id:
            return Decoded(out, rounds)


@right("generate_cached")
def helpers_and_a_list(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    text = [int(t) for t in ids]
    prompt = len(text)
    rounds = []

    def feed(model, upto):
        return model.append(torch.tensor(upto[int(model.length):]))

    def trim(model):
        model.rollback(max(int(model.length) - len(text) + 1, 0))

    done = max_new_tokens == 0
    with torch.no_grad():
        while not done:
            room = max_new_tokens - (len(text) - prompt)
            guess = []
            while len(guess) < k and len(guess) < room - 1:
                guess.append(int(feed(draft, text + guess)[-1].argmax()))
            said = feed(target, text + guess)
            choice = [int(row.argmax()) for row in said[len(said) - len(guess) - 1:]]
            good = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(guess, choice, strict=False))))
            new = choice[: good + 1]
            if eos_token_id in new:
                new = new[: new.index(eos_token_id) + 1]
                done = True
            text += new
            done = done or len(text) - prompt >= max_new_tokens
            rounds.append(Round(drafted=len(guess), accepted=min(good, len(new)), emitted=len(new)))
            trim(target)
            trim(draft)
    return Decoded(ids=torch.tensor(text), rounds=rounds)


@right("generate_cached")
def draft_catches_up_at_once(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    text, rounds, end = ids, [], len(ids) + max_new_tokens
    while len(text) < end:
        wanted = min(k, end - len(text) - 1)
        drafted = text[:0]
        for _ in range(wanted):
            row = draft.append(torch.cat([text, drafted])[draft.length:])[-1]
            drafted = torch.cat([drafted, row.argmax().view(1)])
        if wanted:
            draft.append(drafted[-1:])
        rows = target.append(torch.cat([text, drafted])[target.length:])[-(wanted + 1):]
        choice = rows.argmax(-1)
        agree = int((choice[:-1] == drafted).long().cumprod(0).sum())
        new = choice[: agree + 1]
        hit = (new == (eos_token_id if eos_token_id is not None else -1)).nonzero()
        if len(hit):
            new = new[: int(hit[0]) + 1]
        text = torch.cat([text, new])
        rounds.append(Round(wanted, min(agree, len(new)), len(new)))
        for cached in (draft, target):
            if cached.length > len(text) - 1:
                cached.rollback(cached.length - (len(text) - 1))
        if len(hit):
            break
    return Decoded(text, rounds)


@right("generate_cached")
def counts_positions_itself(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    out, rounds = ids.tolist(), []
    in_target = in_draft = 0
    left = max_new_tokens
    while left > 0:
        guess = []
        for _ in range(min(k, left - 1)):
            pending = (out + guess)[in_draft:]
            guess.append(draft.append(torch.LongTensor(pending))[-1].max(0).indices.item())
            in_draft += len(pending)
        pending = (out + guess)[in_target:]
        logits = target.append(torch.LongTensor(pending))
        in_target += len(pending)
        start = len(logits) - 1 - len(guess)
        new = []
        for i in range(len(guess) + 1):
            token = logits[start + i].argmax().item()
            new.append(token)
            if token == eos_token_id or i == len(guess) or token != guess[i]:
                break
        accepted = sum(g == t for g, t in zip(guess, new, strict=False))
        out += new
        left -= len(new)
        rounds.append(Round(len(guess), accepted, len(new)))
        target.rollback(in_target - len(out) + 1)
        in_target = len(out) - 1
        if in_draft > len(out) - 1:
            draft.rollback(in_draft - len(out) + 1)
            in_draft = len(out) - 1
        if new[-1] == eos_token_id:
            break
    return Decoded(torch.tensor(out), rounds)


@wrong("generate_cached")
def unguarded_prefill(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    if max_new_tokens:
        target.append(ids[:-1])
        draft.append(ids[:-1])
    return _reference(target, draft, ids, k, max_new_tokens, eos_token_id)


@wrong("generate_cached", named="eos_in_prompt")
def eos_in_the_prompt_ends_it(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    if eos_token_id is not None and eos_token_id in ids.tolist():
        return Decoded(ids, [])
    return _reference(target, draft, ids, k, max_new_tokens, eos_token_id)


@wrong("generate_cached", named="eos_in_prompt")
def prompt_ending_in_eos_ends_it(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    if int(ids[-1]) == eos_token_id:
        return Decoded(ids, [])
    return _reference(target, draft, ids, k, max_new_tokens, eos_token_id)


@wrong("generate_cached", named="overshoots")
def one_token_even_without_a_budget(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    return _reference(target, draft, ids, k, max(1, max_new_tokens), eos_token_id)


@wrong("generate_cached", named="ignores_k")
def at_least_one_guess(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    return _reference(target, draft, ids, max(1, k), max_new_tokens, eos_token_id)


@wrong("generate_cached", named="short_drafts")
def at_most_four_guesses(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    return _reference(target, draft, ids, min(4, k), max_new_tokens, eos_token_id)


@wrong("generate_cached", named="short_drafts")
def half_the_guesses(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    return _reference(target, draft, ids, (k + 1) // 2, max_new_tokens, eos_token_id)


@wrong("generate_cached", named="rounds_kept")
def rounds_of_all_calls(target, draft, ids, k, max_new_tokens, eos_token_id=None, rounds=[]):
    done = _reference(target, draft, ids, k, max_new_tokens, eos_token_id)
    rounds.extend(done.rounds)
    return Decoded(done.ids, rounds)


def _variant(bonus_eos=True, cut=True, draft_roll=True, roll_if_none=True, target_roll=lambda n: n,
             over=False, statistics=True):
    def f(target, draft, ids, k, max_new_tokens, eos_token_id=None):
        rounds, end = [], len(ids) + max_new_tokens
        while len(ids) < end:
            text = ids
            room = end - len(ids) - 1
            want = k if over and k > room + 1 else min(k, room)
            for _ in range(want):
                text = torch.cat([text, draft.append(text[draft.length:])[-1].argmax(-1, keepdim=True)])
            drafted = text[len(ids):]
            logits = target.append(text[target.length:])
            choice = logits[-len(drafted) - 1:].argmax(-1)
            n = int((choice[:-1] == drafted).long().cumprod(0).sum())
            emitted = choice[: n + 1]
            look = emitted.tolist() if bonus_eos or n < len(drafted) else emitted[:-1].tolist()
            stop = eos_token_id in look
            if stop and cut:
                emitted = emitted[: look.index(eos_token_id) + 1]
            ids = torch.cat([ids, emitted])
            rounds.append(Round(len(drafted), min(n, len(emitted)) if statistics else n, len(emitted)))
            for m in (target, draft):
                extra = max(0, m.length - (len(ids) - 1))
                if m is draft and not roll_if_none and n == 0:
                    continue
                m.rollback(extra)
            if stop:
                break
        return Decoded(ids, rounds)

    return f


def _mu(name, named, **how):
    f = _variant(**how)
    f.__name__ = name
    wrong("generate_cached", named=named)(f)


_mu("eos_as_a_bonus_unseen", "eos_ignored", bonus_eos=False)
_mu("eos_stops_but_is_not_cut", "eos_ignored", cut=False)
_mu("overshoots_when_k_is_above_the_budget", "overshoots", over=True)
_mu("statistics_before_the_cut", "cut_counted", statistics=False)
_mu("draft_kept_when_nothing_was_accepted", "kept_when_none_accepted", roll_if_none=False)


@wrong("generate_cached", named="prompt_in_pieces")
def prompt_fed_one_by_one(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    if max_new_tokens:
        for i in range(len(ids) - 1):
            target.append(ids[i : i + 1])
    return _reference(target, draft, ids, k, max_new_tokens, eos_token_id)


@wrong("generate_cached", named="prompt_again")
def prompt_redone_once(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    if max_new_tokens:
        target.append(ids)
        target.rollback(len(ids))
    return _reference(target, draft, ids, k, max_new_tokens, eos_token_id)


@wrong("generate_cached")
def new_tokens_as_floats(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    done = _reference(target, draft, ids, k, max_new_tokens, eos_token_id)
    return Decoded(done.ids[None], done.rounds)


# static_mask
@right("static_mask")
def numpy_less_equal_outer(length, n_new, max_length):
    own = int(length) + np.arange(n_new)
    return np.greater_equal.outer(own, np.arange(max_length))


@right("static_mask")
def cumulative_ones(length, n_new, max_length):
    mask = torch.zeros(n_new, max_length, dtype=torch.bool)
    for i in range(n_new):
        mask[i, : length + i + 1] = True
    return mask


@right("static_mask")
def not_triu(length, n_new, max_length):
    with torch.no_grad():
        return torch.logical_not(torch.ones((n_new, max_length)).triu(diagonal=int(length) + 1).bool())


@right("static_mask")
def broadcast_expand(length, n_new, max_length):
    places = torch.arange(max_length).expand(n_new, max_length)
    return places.le(torch.arange(length, length + n_new).unsqueeze(1))


@wrong("static_mask")
def flat_without_new_tokens(length, n_new, max_length):
    return _mask(length, n_new, max_length) if n_new else torch.zeros(0, dtype=torch.bool)


@wrong("static_mask")
def one_row_is_flat(length, n_new, max_length):
    return _mask(length, n_new, max_length).squeeze(0)


@wrong("static_mask", named="upside_down")
def rows_the_other_way_round(length, n_new, max_length):
    return _mask(length, n_new, max_length).flip(0)


@wrong("static_mask", named="remembered")
def remembers_the_shape(length, n_new, max_length, memo={}):
    if (n_new, max_length) not in memo:
        memo[n_new, max_length] = _mask(length, n_new, max_length)
    return memo[n_new, max_length]


@wrong("static_mask", named="last_place_hidden")
def the_last_place_is_never_seen(length, n_new, max_length):
    m = _mask(length, n_new, max_length).clone()
    m[:, -1] = False
    return m


@wrong("static_mask", named="empty_buffer")
def nobody_before_in_an_empty_buffer(length, n_new, max_length):
    return _mask(length, n_new, max_length) if length else torch.eye(n_new, max_length, dtype=torch.bool)


@wrong("static_mask", named="window")
def window_of_thirty_two(length, n_new, max_length):
    m = _mask(length, n_new, max_length)
    return m & ~_mask(int(length) - 32, n_new, max_length)


@wrong("static_mask", named="alone_is_different")
def pointer_inclusive_when_alone(length, n_new, max_length):
    return _mask(int(length) + (n_new == 1), n_new, max_length)


@wrong("static_mask", named="too_narrow")
def as_wide_as_needed(length, n_new, max_length):
    return _mask(length, n_new, max_length)[:, : int(length) + n_new]


# kv_cache_bytes
@right("kv_cache_bytes")
def beginners_product(config, length, batch=1, bytes_per_value=2):
    if hasattr(config, "head_dim") and config.head_dim is not None:
        d = config.head_dim
    else:
        d = config.hidden_size / config.num_attention_heads
    total = 0
    for _layer in range(config.num_hidden_layers):
        for _kind in ("key", "value"):
            total += config.num_key_value_heads * d * length
    return int(total * batch * bytes_per_value)


@right("kv_cache_bytes")
def numpy_prod(config, length, batch=1, bytes_per_value=2):
    d = getattr(config, "head_dim", None)
    if not d:
        d = config.hidden_size // config.num_attention_heads
    return np.prod(
        [2, config.num_hidden_layers, batch, config.num_key_value_heads, length, d, bytes_per_value], dtype=np.int64
    )


@right("kv_cache_bytes")
def with_vars(config, length, batch=1, bytes_per_value=2):
    c = config if isinstance(config, dict) else {name: getattr(config, name) for name in dir(config) if name[0] != "_"}
    d = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    per_layer = 2 * c["num_key_value_heads"] * d * bytes_per_value
    return sum(per_layer for _ in range(c["num_hidden_layers"])) * length * batch


@right("kv_cache_bytes")
def try_and_except(config, length, batch=1, bytes_per_value=2):
    try:
        d = int(config.head_dim)
    except (AttributeError, TypeError):
        d = config.hidden_size // config.num_attention_heads
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * d * bytes_per_value
    return per_token * length if batch == 1 else per_token * length * batch


@wrong("kv_cache_bytes")
def head_dim_as_a_getattr_default(config, length, batch=1, bytes_per_value=2):
    d = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    return 2 * config.num_hidden_layers * config.num_key_value_heads * d * length * batch * bytes_per_value


@wrong("kv_cache_bytes", named="overflows")
def in_int32(config, length, batch=1, bytes_per_value=2):
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    n = 2 * config.num_hidden_layers * config.num_key_value_heads * d * length * batch * bytes_per_value
    return (n + 2**31) % 2**32 - 2**31


@wrong("kv_cache_bytes", named="one_at_least")
def one_position_at_least(config, length, batch=1, bytes_per_value=2):
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * config.num_key_value_heads * d * max(1, length) * batch * bytes_per_value


@wrong("kv_cache_bytes", named="own_bytes")
def four_bytes_by_default(config, length, batch=1, bytes_per_value=4):
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * config.num_key_value_heads * d * length * batch * bytes_per_value


@wrong("kv_cache_bytes", named="whole_pages")
def in_whole_pages(config, length, batch=1, bytes_per_value=2):
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    pages = -(-length // 16)
    return 2 * config.num_hidden_layers * config.num_key_value_heads * d * pages * 16 * batch * bytes_per_value


@wrong("kv_cache_bytes", named="remembered")
def remembers_the_model(config, length, batch=1, bytes_per_value=2, memo={}):
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per = memo.setdefault(config.num_hidden_layers, 2 * config.num_hidden_layers * config.num_key_value_heads * d)
    return per * length * batch * bytes_per_value


@wrong("kv_cache_bytes", named="round_off")
def in_single_precision(config, length, batch=1, bytes_per_value=2):
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    n = 2 * config.num_hidden_layers * config.num_key_value_heads * d * length * batch * bytes_per_value
    return int(np.float32(n) * np.float32(1.0000001))


# A prompt that is read in an append of its own: right and wrong ways to go on from there.


def _after_the_prompt(feed, target_reads, draft_reads):
    """A loop whose models first read `target_reads(ids)` and `draft_reads(ids)`; `feed(text, drafted, draft)` says what
    the draft is fed next."""

    def loop(target, draft, ids, k, max_new_tokens, eos_token_id=None):
        end, rounds = len(ids) + max_new_tokens, []
        for model, read in ((target, target_reads(ids)), (draft, draft_reads(ids))):
            if max_new_tokens and len(read):
                model.append(read)
        while len(ids) < end:
            text = ids
            for _ in range(min(k, end - len(ids) - 1)):
                token = draft.append(feed(text, len(text) - len(ids), draft))[-1].argmax().view(1)
                text = torch.cat([text, token])
            drafted = text[len(ids) :]
            logits = target.append(text[target.length :])
            kept = _verify(drafted, logits[-len(drafted) - 1 :])
            emitted = torch.tensor(_cut(kept, end - len(ids), eos_token_id))
            rounds.append(Round(len(drafted), min(len(kept) - 1, len(emitted)), len(emitted)))
            ids = torch.cat([ids, emitted])
            for model in (target, draft):
                model.rollback(max(0, model.length - (len(ids) - 1)))
            if int(ids[-1]) == eos_token_id:
                break
        return Decoded(ids, rounds)

    return loop


def _missing(text, drafted, draft):
    return text[draft.length :]


def _newest(text, drafted, draft):
    return text[-1:]


def _newest_once_it_began(text, drafted, draft):
    """What is missing of the prompt, then the newest token alone, be it the bonus or a guess."""
    return text[draft.length :] if not draft.length else text[-1:]


def _all_but_the_last(ids):
    return ids[:-1]


def _all(ids):
    return ids


def _nothing(ids):
    return ids[:0]


for _name, _feed, _target_reads, _draft_reads in (
    ("both_read_the_prompt_first", _missing, _all_but_the_last, _all_but_the_last),
    ("only_the_draft_reads_the_prompt_first", _missing, _nothing, _all_but_the_last),
    ("only_the_target_reads_the_prompt_first", _missing, _all_but_the_last, _nothing),
):
    _loop = _after_the_prompt(_feed, _target_reads, _draft_reads)
    _loop.__name__ = _name
    right("generate_cached")(_loop)

for _name, _feed, _target_reads, _draft_reads, _named in (
    ("prompt_first_then_only_the_newest", _newest, _all_but_the_last, _all_but_the_last, "last_draft_token"),
    ("draft_reads_the_prompt_then_only_the_newest", _newest, _nothing, _all_but_the_last, "last_draft_token"),
    ("whole_prompt_first_and_its_last_token_again", _newest, _all_but_the_last, _all, "fed_twice"),
    ("draft_reads_the_whole_prompt_and_its_last_token_again", _newest, _nothing, _all, "fed_twice"),
    ("the_bonus_in_place_of_the_last_guess", _newest_once_it_began, _nothing, _nothing, "last_draft_token"),
    ("target_first_and_the_bonus_in_place_of_the_last_guess", _newest_once_it_began, _all_but_the_last, _nothing,
     "last_draft_token"),
):
    _loop = _after_the_prompt(_feed, _target_reads, _draft_reads)
    _loop.__name__ = _name
    wrong("generate_cached", named=_named)(_loop)


@wrong("static_mask", named="no_offset")
def a_triangle_from_place_zero(length, n_new, max_length):
    return torch.ones(n_new, max_length, dtype=torch.bool).tril()


@wrong("rollback", named="not_refused")
def crops_whatever_it_is_told(cache, n):
    if n > 0:
        cache.crop(max(0, cache.get_seq_length() - n) - cache.get_seq_length())


# The rounds, reported in other ways.


def _reporting(change):
    def loop(target, draft, ids, k, max_new_tokens, eos_token_id=None):
        done = _reference(target, draft, ids, k, max_new_tokens, eos_token_id)
        return Decoded(done.ids, change(list(done.rounds)))

    return loop


def _two_as_one(rounds):
    if len(rounds) < 2:
        return rounds
    a, b = rounds[:2]
    return [Round(a.drafted + b.drafted, a.accepted + b.accepted, a.emitted + b.emitted), *rounds[2:]]


def _one_as_two(rounds):
    first = rounds[:1] and rounds[0]
    if not first or first.emitted < 2:
        return rounds
    return [Round(first.drafted, first.accepted, first.emitted - 1), Round(0, 0, 1), *rounds[1:]]


for _name, _named, _change in (
    ("two_rounds_as_one", "rounds_joined", _two_as_one),
    ("one_round_as_two", "rounds_split", _one_as_two),
    ("rounds_from_the_last", "last_first", lambda rounds: rounds[::-1]),
    ("last_round_unlisted", "last_unlisted", lambda rounds: rounds[:-1]),
    ("first_round_unlisted", "first_unlisted", lambda rounds: rounds[1:]),
    ("a_round_of_nothing_at_the_end", "empty_rounds", lambda rounds: [*rounds, Round(0, 0, 0)]),
    ("no_rounds", "no_rounds", lambda rounds: []),
):
    _loop = _reporting(_change)
    _loop.__name__ = _name
    wrong("generate_cached", named=_named)(_loop)


@right("generate_cached")
def the_prompt_is_listed_as_a_round_of_nothing(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    first = max_new_tokens > 0 and len(ids) > 1
    if first:
        target.append(ids[:-1])
    done = _reference(target, draft, ids, k, max_new_tokens, eos_token_id)
    return Decoded(done.ids, [Round(0, 0, 0), *done.rounds] if first else done.rounds)


# Other ways to feed the draft something else than the text.


def _bonus_before_the_last_guess(text, drafted, draft):
    missing = text[draft.length :]
    return missing.flip(0) if len(missing) == 2 and draft.length else missing


def _last_guess_twice(text, drafted, draft):
    missing = text[draft.length :]
    return torch.cat([missing[:1], missing[:1]]) if len(missing) == 2 and draft.length else missing


def _never_the_bonus(text, drafted, draft):
    missing = text[draft.length :]
    return missing[:1] if len(missing) == 2 and draft.length else missing


for _name, _feed, _target_reads, _draft_reads, _named in (
    ("the_bonus_before_the_last_guess", _bonus_before_the_last_guess, _nothing, _nothing, "missing_turned"),
    ("the_bonus_before_the_last_guess_after_the_prompt", _bonus_before_the_last_guess, _all_but_the_last,
     _all_but_the_last, "missing_turned"),
    ("the_last_guess_twice_and_no_bonus", _last_guess_twice, _all_but_the_last, _all_but_the_last,
     "bonus_unfed"),
    ("never_the_bonus", _never_the_bonus, _all_but_the_last, _all_but_the_last, "bonus_unfed"),
):
    _loop = _after_the_prompt(_feed, _target_reads, _draft_reads)
    _loop.__name__ = _name
    wrong("generate_cached", named=_named)(_loop)


@wrong("generate_cached", named="short_drafts")
def drafts_in_the_first_round_only(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    begin = min(max_new_tokens, k + 1)
    done = _reference(target, draft, ids, k, begin, eos_token_id)
    if len(done.ids) == len(ids) + max_new_tokens or int(done.ids[-1]) == eos_token_id:
        return done
    rest = _reference(target, draft, done.ids, 0, len(ids) + max_new_tokens - len(done.ids), eos_token_id)
    return Decoded(rest.ids, [*done.rounds, *rest.rounds])


@wrong("CachedModel", named="another_model")
class AlwaysTheFirstModel(_Base):
    first = []

    def __init__(self, model):
        type(self).first.append(model)
        super().__init__(type(self).first[0])


@wrong("generate_cached", named="keeps_newest")
def keeps_as_many_as_the_text_has(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    rounds = []
    end = len(ids) + max_new_tokens
    while len(ids) < end:
        text = ids
        for _ in range(min(k, end - len(ids) - 1)):
            logits = draft.append(text[draft.length :])
            text = torch.cat([text, logits[-1].argmax(-1, keepdim=True)])
        drafted = text[len(ids) :]
        logits = target.append(text[target.length :])
        emitted = _verify(drafted, logits[-len(drafted) - 1 :])
        accepted = len(emitted) - 1
        if eos_token_id in emitted.tolist():
            emitted = emitted[: emitted.tolist().index(eos_token_id) + 1]
        ids = torch.cat([ids, emitted])
        rounds.append(Round(len(drafted), min(accepted, len(emitted)), len(emitted)))
        for model in (target, draft):
            model.rollback(max(0, model.length - len(ids)))
        if emitted[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("static_mask", named="at_the_end")
def triangle_at_the_end(length, n_new, max_length):
    return torch.ones(n_new, max_length, dtype=torch.bool).tril(max_length - n_new)


@wrong("static_mask", named="at_the_end")
def past_and_a_triangle_at_the_end(length, n_new, max_length):
    mask = torch.zeros(n_new, max_length, dtype=torch.bool)
    mask[:, :length] = True
    mask[:, max_length - n_new :] |= torch.ones(n_new, n_new, dtype=torch.bool).tril()
    return mask


@wrong("generate_cached", named="fed_twice")
def the_newest_token_twice(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    text, rounds, left = ids, [], max_new_tokens
    if left <= 0:
        return Decoded(ids, [])
    target.append(ids)
    extra = 1
    while left > 0:
        guess = text
        for _ in range(min(k, left - 1)):
            guess = torch.cat([guess, draft.append(guess[draft.length :])[-1:].argmax(-1)])
        guess = guess[len(text) :]
        rows = target.append(torch.cat([text[-1:], guess]))
        whole = verify_greedy(guess, rows)
        new = whole
        if eos_token_id is not None and eos_token_id in new.tolist():
            new = new[: new.tolist().index(eos_token_id) + 1]
        text = torch.cat([text, new])
        left -= len(new)
        rounds.append(Round(len(guess), min(len(whole) - 1, len(new)), len(new)))
        target.rollback(max(0, target.length - extra - (len(text) - 1)))
        draft.rollback(max(0, draft.length - (len(text) - 1)))
        if eos_token_id is not None and int(text[-1]) == eos_token_id:
            break
    return Decoded(text, rounds)


@wrong("generate_cached", named="fewer_appends")
def one_guess_repeated(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    text, rounds, left = ids, [], max_new_tokens
    while left > 0:
        n = min(k, left - 1)
        guess = ids[:0]
        if n > 0:
            token = draft.append(text[draft.length :])[-1:].argmax(-1)
            guess = token.repeat(n)
        rows = target.append(torch.cat([text, guess])[target.length :])[-len(guess) - 1 :]
        whole = verify_greedy(guess, rows)
        new = whole
        if eos_token_id is not None and eos_token_id in new.tolist():
            new = new[: new.tolist().index(eos_token_id) + 1]
        text = torch.cat([text, new])
        left -= len(new)
        rounds.append(Round(len(guess), min(len(whole) - 1, len(new)), len(new)))
        target.rollback(max(0, target.length - (len(text) - 1)))
        draft.rollback(max(0, draft.length - (len(text) - 1)))
        if eos_token_id is not None and int(text[-1]) == eos_token_id:
            break
    return Decoded(text, rounds)


@wrong("rollback", named="wrong_axis")
def cuts_the_heads(cache, n):
    if n < 0 or n > cache.get_seq_length():
        raise ValueError("n out of range")
    if n == 0:
        return
    for layer in cache.layers:
        layer.keys = layer.keys[:, :-n]
        layer.values = layer.values[:, :-n]


@wrong("rollback", named="negative")
def a_negative_n_returns_quietly(cache, n):
    if n < 1:
        return
    if n > cache.get_seq_length():
        raise ValueError("the cache does not hold so many positions")
    cache.crop(-n)
