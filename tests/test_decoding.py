"""Speculation writes the target's own text, in as few calls as it says, with caches that hold what they should.

Random tiny models of two families stand in for real ones; "what the target alone would write" is always worked out
from scratch, without a cache.
"""

import functools

import pytest
import torch
from small_models import small_model

from specdec_course import Sampling
from specdec_course.cache import chosen
from specdec_course.cache.eager import EagerModel
from specdec_course.checks.stages import loops as scripted
from specdec_course.decoding import generate_speculative, greedy_decode
from specdec_course.decoding.engine import generate
from specdec_course.drafters import Draft, ModelDrafter
from specdec_course.models import as_forward
from specdec_course.trace import Round

VOCAB = scripted.VOCAB
PROMPT = torch.tensor([15, 26, 31, 7, 25])
KINDS = ("qwen3", "llama")


@functools.cache
def model(kind="qwen3", seed=0):
    return small_model(VOCAB, kind, layers=2, seed=seed)


@functools.cache
def forward(kind="qwen3"):
    """The target as a pure function, from scratch; texts that were asked for before are remembered."""
    from_scratch, known = as_forward(model(kind)), {}

    def remembered(ids):
        key = tuple(ids.tolist())
        if key not in known:
            known[key] = from_scratch(ids)
        return known[key]

    remembered.says = lambda text: int(remembered(torch.tensor(text))[-1].argmax())
    return remembered


@functools.cache
def alone(kind="qwen3", new=24):
    """The target's own greedy text, from scratch."""
    return greedy_decode(forward(kind), PROMPT, new)


class Scripted:
    """A drafter for `generate` out of a function (ids, k) -> ids."""

    def __init__(self, propose):
        self.answer, self.calls, self.asked = propose, 0, []

    def propose(self, ids, k, sampling, dice):
        self.asked.append(k)
        return Draft(self.answer(ids, k))


MAKERS = {
    "perfect": scripted.perfect,
    "wrong": scripted.always_wrong,
    "adversarial": scripted.adversarial,
    "short": scripted.short,
    "empty": scripted.empty,
    "moody": scripted.moody,
}


def drafter(name, kind="qwen3"):
    return Scripted(MAKERS[name](forward(kind)))


# the text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", range(9))
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_text_is_the_targets_own(kind, k):
    for name in MAKERS:
        out = generate(model(kind), PROMPT, drafter(name, kind), k=k, max_new_tokens=24)
        assert torch.equal(out.tokens, alone(kind)), name
    for seed in (0, 1):  # the target's twin and a stranger, both with a cache of their own
        out = generate(model(kind), PROMPT, ModelDrafter(model(kind, seed)), k=k, max_new_tokens=24)
        assert torch.equal(out.tokens, alone(kind)), f"model drafter {seed}"


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_hugging_face_generate(kind):
    options = {"do_sample": False, "max_new_tokens": 24, "eos_token_id": None, "pad_token_id": 0}
    theirs = model(kind).generate(PROMPT[None], **options)[0]
    for name in ("perfect", "adversarial"):
        assert torch.equal(generate(model(kind), PROMPT, drafter(name, kind), max_new_tokens=24).tokens, theirs)
    assert torch.equal(generate(model(kind), PROMPT, None, max_new_tokens=24).tokens, theirs)


@pytest.mark.parametrize("name", MAKERS)
def test_the_cached_loop_takes_the_same_rounds_as_the_one_the_course_teaches(name):
    for k in (0, 1, 4, 7):
        taught = generate_speculative(forward(), PROMPT, MAKERS[name](forward()), k, 23)
        fast = generate(model(), PROMPT, drafter(name), k=k, max_new_tokens=23)
        assert torch.equal(taught.ids, fast.tokens) and taught.rounds == fast.trace.rounds


def test_the_prompt_may_be_a_list_or_a_batch_of_one_and_is_not_changed():
    kept = PROMPT.clone()
    for prompt in (PROMPT, PROMPT.tolist(), PROMPT[None], PROMPT.int()):
        out = generate(model(), prompt, drafter("moody"), max_new_tokens=6)
        assert torch.equal(out.tokens, alone()[: len(kept) + 6])
    assert torch.equal(PROMPT, kept)


# calls and caches ----------------------------------------------------------------------------------------------------


class Watched(EagerModel):
    """The engine's cache that compares every answer with one from scratch, and notes how it was used."""

    def __init__(self, model):
        super().__init__(model)
        self.text, self.starts = PROMPT[:0], []

    def append(self, ids, last=None):
        self.starts.append(self.length)
        self.text = torch.cat([self.text, ids])
        logits = super().append(ids, last)
        scratch = as_forward(self.model)(self.text)[-len(logits) :]
        torch.testing.assert_close(logits, scratch, rtol=1e-4, atol=1e-4)
        assert self.length == len(self.text)
        return logits

    def rollback(self, n):
        super().rollback(n)
        self.text = self.text[: len(self.text) - n]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MAKERS)
def test_one_call_per_round_and_a_cache_of_all_but_the_newest_token(monkeypatch, kind, name):
    made = []
    monkeypatch.setattr(chosen, "EagerModel", lambda model: made.append(Watched(model)) or made[-1])
    for k in (0, 1, 4):
        out = generate(model(kind), PROMPT, drafter(name, kind), k=k, max_new_tokens=15)
        lengths = [len(PROMPT)]
        for r in out.trace.rounds:
            lengths.append(lengths[-1] + r.emitted)
        assert made[-1].starts == [0] + [length - 1 for length in lengths[1:-1]]
        assert made[-1].length == lengths[-1] - 1 == len(out.tokens) - 1
        assert out.trace.target_calls == len(out.trace.rounds) == len(made[-1].starts)


def test_the_model_itself_is_called_once_per_round():
    calls = []
    hook = model().register_forward_hook(lambda *_: calls.append(1))
    try:
        out = generate(model(), PROMPT, Scripted(lambda ids, k: ids[-1:].repeat(k)), k=3, max_new_tokens=12)
    finally:
        hook.remove()
    assert len(calls) == len(out.trace.rounds) == out.trace.target_calls


def test_the_drafts_cache_follows_the_text(monkeypatch):
    """A stranger is rejected all the time, a twin never: both caches give scratch logits, and lag by one at most."""
    monkeypatch.setattr(chosen, "EagerModel", Watched)
    for seed in (0, 1):
        guesser = ModelDrafter(model(seed=seed))
        follow, lags = guesser._follow, []

        def watched_follow(ids, follow=follow, lags=lags, guesser=guesser):
            missing = follow(ids)
            lags.append(len(missing))
            assert guesser.cached.length == len(ids) - len(missing)
            return missing

        guesser._follow = watched_follow
        out = generate(model(), PROMPT, guesser, k=3, max_new_tokens=24)
        assert torch.equal(out.tokens, alone())
        assert lags[0] == len(PROMPT) and set(lags[1:]) <= {1, 2}


def test_a_twin_is_accepted_in_full_for_200_tokens():
    """The classic fault: after full acceptance the last drafted token never reaches the draft's cache."""
    twin = ModelDrafter(small_model(VOCAB))
    out = generate(model(), PROMPT, twin, k=4, max_new_tokens=200)
    assert out.trace.rounds == [Round(4, 4, 5)] * 40
    assert out.trace.draft_calls == 160 and out.trace.acceptance_rate == 1.0 and out.trace.tokens_per_call == 5.0


def test_a_drafter_can_be_used_for_one_text_after_another():
    guesser = ModelDrafter(small_model(VOCAB))
    for prompt in (PROMPT, PROMPT.flip(0), PROMPT[:2]):
        own = greedy_decode(forward(), prompt, 12)
        out = generate(model(), prompt, guesser, k=3, max_new_tokens=12)
        assert torch.equal(out.tokens, own) and out.trace.acceptance_rate == 1.0


# budget and end of text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("budget", [0, 1, 2, 3, 7, 13])
def test_the_budget_is_exact(name, budget):
    for k in (0, 1, 4, 8):
        guesser = drafter(name)
        out = generate(model(), PROMPT, guesser, k=k, max_new_tokens=budget)
        assert torch.equal(out.tokens, alone()[: len(PROMPT) + budget])
        assert sum(r.emitted for r in out.trace.rounds) == budget == out.trace.new_tokens
        assert all(0 < asked <= min(k, budget - 1) for asked in guesser.asked)
        if name == "perfect":
            assert len(out.trace.rounds) == -(-budget // (k + 1))
    assert out.trace.target_calls == (len(out.trace.rounds) if budget else 0)


def first_appearances(text):
    new = text[len(PROMPT) :].tolist()
    return [i for i, token in enumerate(new) if token not in new[:i] and token not in PROMPT.tolist()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_ends_with_the_first_eos_wherever_in_a_round_it_stands(kind):
    places = first_appearances(alone(kind))
    assert len({place % 5 for place in places[:8]}) == 5, "the text has to offer every offset of a round of 5"
    for place in places[:8]:
        end = len(PROMPT) + place + 1
        eos = int(alone(kind)[end - 1])
        for name in MAKERS:
            out = generate(model(kind), PROMPT, drafter(name, kind), k=4, max_new_tokens=24, eos_token_id=eos)
            assert torch.equal(out.tokens, alone(kind)[:end]), (place, name)
            assert sum(r.emitted for r in out.trace.rounds) == place + 1
            assert all(r.accepted <= min(r.drafted, r.emitted) for r in out.trace.rounds)


def test_an_eos_that_the_target_rejects_or_that_stands_in_the_prompt_does_not_end_the_text():
    unused = next(token for token in range(VOCAB) if token not in alone().tolist())
    for right in (0, 1, 3):
        propose = scripted.right_then_wrong(forward(), lambda length, right=right: right, unused)
        out = generate(model(), PROMPT, Scripted(propose), k=4, max_new_tokens=24, eos_token_id=unused)
        assert torch.equal(out.tokens, alone())
    prompt = torch.cat([torch.tensor([unused]), PROMPT])
    own = greedy_decode(forward(), prompt, 8)
    assert unused not in own[len(prompt) :]
    assert torch.equal(generate(model(), prompt, drafter("moody"), max_new_tokens=8, eos_token_id=unused).tokens, own)


def test_eos_may_be_token_0():
    eos_at_0 = scripted.toy_target(torch.Generator().manual_seed(0), eos_id=0, eos_at=9)
    done = generate_speculative(eos_at_0, PROMPT, scripted.perfect(eos_at_0), 3, 12, eos_token_id=0)
    assert len(done.ids) == 10 and done.ids[-1] == 0


@pytest.mark.parametrize("seed", range(5))
def test_what_a_toy_target_says_is_what_decoding_with_it_gives(seed):
    """The checks take the right text from `says`; the student's loop from the logits."""
    rng = torch.Generator().manual_seed(seed)
    prompt = scripted.prompt_ids(rng)
    for eos_id, eos_at in ((None, None), (7, None), (0, 6), (3, (4, 5, 9))):
        target = scripted.toy_target(rng, eos_id, eos_at)
        assert prompt.tolist() + scripted.alone(target, prompt, 12) == greedy_decode(target, prompt, 12).tolist()


def test_sampling_repeats_with_its_seed():
    texts = [
        generate(model(), PROMPT, drafter("moody"), 4, Sampling(1.0), max_new_tokens=16, seed=s).tokens.tolist()
        for s in (0, 0, 1)
    ]
    assert texts[0] == texts[1] != texts[2]


# bad input -----------------------------------------------------------------------------------------------------------


def refused(match, *args, **kwargs):
    with pytest.raises(ValueError, match=match):
        generate(*args, **kwargs)


def test_bad_requests_are_refused_in_words():
    ids = PROMPT
    refused("at least one token", model(), torch.empty(0, dtype=torch.long))
    refused("at least one token", model(), [])
    refused("2 rows", model(), torch.zeros(2, 3, dtype=torch.long))
    refused("whole numbers", model(), ids.float())
    refused("k is -1", model(), ids, k=-1)
    refused("max_new_tokens is -3", model(), ids, max_new_tokens=-3)
    refused(f"vocabulary has ids 0 to {VOCAB - 1}", model(), torch.tensor([1, VOCAB]))
    refused("ids from -1", model(), torch.tensor([-1, 1]))
    refused("context holds 256.*at most 251", model(), ids, max_new_tokens=252)
    assert len(generate(model(), ids, None, max_new_tokens=251).tokens) == 256


def test_nan_logits_are_refused_in_words():
    damaged = small_model(VOCAB)
    damaged.model.norm.weight.data[0] = float("nan")
    refused("NaN", damaged, PROMPT)
    refused("NaN", damaged, PROMPT, drafter("perfect"))


@pytest.mark.parametrize("token", [VOCAB, -1])
def test_a_drafter_that_speaks_another_vocabulary_is_refused(token):
    refused("vocabulary", model(), PROMPT, Scripted(lambda ids, k: torch.full((k,), token)))
    wide = Scripted(None)
    wide.propose = lambda ids, k, sampling, dice: Draft(ids[-1:], torch.full((1, VOCAB + 9), 1 / (VOCAB + 9)))
    refused("vocabulary", model(), PROMPT, wide, sampling=Sampling(1.0))


@pytest.mark.parametrize("extra", [9, -5])
def test_a_draft_model_may_have_more_or_fewer_rows_of_vocabulary_than_the_target(extra):
    """As Qwen2.5's 0.5B (151936) and 7B (152064) do: ids beyond the target's are never proposed."""
    guesser = ModelDrafter(small_model(VOCAB + extra, seed=3))
    out = generate(model(), PROMPT % (VOCAB - 5), guesser, k=4, max_new_tokens=24)
    assert torch.equal(out.tokens, greedy_decode(as_forward(model()), PROMPT % (VOCAB - 5), 24))
    sampled = generate(model(), PROMPT % (VOCAB - 5), guesser, 4, Sampling(1.0), max_new_tokens=24)
    assert len(sampled.tokens) == len(PROMPT) + 24 and int(sampled.tokens.max()) < VOCAB


def test_a_drafter_that_answers_with_more_than_it_was_asked_for_is_refused():
    refused("asked for", model(), PROMPT, Scripted(lambda ids, k: ids[-1:].repeat(k + 1)), k=3)
