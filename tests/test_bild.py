"""The lossy loop: its two limits are the two models alone; in between it is honest about what it loses."""

import pytest
import torch
from small_models import small_model

from specdec_course.decoding import greedy_decode
from specdec_course.decoding.bild import generate_bild, measure_loss
from specdec_course.models import as_forward

VOCAB = 60


@pytest.fixture(scope="module")
def pair():
    return small_model(VOCAB, layers=2, seed=1), small_model(VOCAB, layers=1, seed=2)


def prompt(seed=0, length=5):
    return torch.randint(VOCAB, (length,), generator=torch.Generator().manual_seed(seed))


def greedy(model, ids, new, eos=None):
    return greedy_decode(as_forward(model), ids, new, eos)


@pytest.mark.parametrize("eos", [None, 7, 11])
def test_without_fallback_the_text_is_the_small_models(pair, eos):
    target, draft = pair
    for seed in range(3):
        done = generate_bild(target, draft, prompt(seed), 0.0, 0.5, 20, eos)
        assert torch.equal(done.ids, greedy(draft, prompt(seed), 20, eos)) and done.rounds == []


@pytest.mark.parametrize("fallback", [1.1, 0.5])
@pytest.mark.parametrize("eos", [None, 7, 11])
def test_when_everything_is_redone_the_text_is_the_large_models(pair, fallback, eos):
    """With fallback 0.5 only stretches that end in doubt are checked; the rest of the last stretch is not."""
    target, draft = pair
    for seed in range(3):
        done = generate_bild(target, draft, prompt(seed), fallback, 1.1, 20, eos)
        seen = len(prompt(seed)) + sum(r.emitted for r in done.rounds)
        wanted = greedy(target, prompt(seed), 20, eos)
        assert torch.equal(done.ids[:seen], wanted[:seen])
        assert fallback < 1 or len(done.ids) == len(wanted)


def scratch(target, draft, ids, fallback, rollback, new, eos=None):
    """The same policy written down without caches, from the contract."""
    start, calls, end = len(ids), 0, len(ids) + new
    while len(ids) < end:
        p = draft(ids)[-1].softmax(-1)
        ids = torch.cat([ids, p.argmax()[None]])
        if p.max() < fallback:
            calls += 1
            rows = target(ids)[start - 1 :].softmax(-1)
            bad = [i for i in range(len(ids) - start) if rows[i, ids[start + i]] < rollback]
            keep = bad[0] if bad else len(ids) - start
            finished = not bad and (len(ids) == end or ids[-1] == eos)
            ids = ids if finished else torch.cat([ids[: start + keep], rows[keep].argmax()[None]])
            start = len(ids)
        if ids[-1] == eos:
            break
    return ids, calls


@pytest.mark.parametrize("fallback,rollback", [(0.9, 0.01), (0.6, 0.001), (0.5, 0.1), (1.1, 0.0), (0.8, 1.1)])
def test_the_caches_change_nothing(pair, fallback, rollback):
    target, draft = pair
    for seed in range(3):
        for eos in (None, 7):
            done = generate_bild(target, draft, prompt(seed), fallback, rollback, 25, eos)
            ids, calls = scratch(as_forward(target), as_forward(draft), prompt(seed), fallback, rollback, 25, eos)
            assert torch.equal(done.ids, ids) and len(done.rounds) == calls
            assert all(r.accepted <= r.drafted and r.accepted <= r.emitted <= r.accepted + 1 for r in done.rounds)


def test_a_prompt_that_ends_in_eos_and_a_budget_of_nothing(pair):
    target, draft = pair
    ids = torch.cat([prompt(), torch.tensor([7])])
    assert len(generate_bild(target, draft, ids, 1.1, 1.1, 3, eos_token_id=7).ids) > len(ids)
    assert torch.equal(generate_bild(target, draft, ids, 1.1, 1.1, 0).ids, ids)
    with pytest.raises(ValueError, match="prompt is empty"):
        generate_bild(target, draft, ids[:0], 0.5, 0.5, 3)


def test_the_targets_own_text_loses_nothing_and_another_one_does(pair):
    target, draft = pair
    own, other = greedy(target, prompt(), 20), greedy(draft, prompt(), 20)
    at_best = measure_loss(target, own, own, len(prompt()))
    assert (at_best.same_until, at_best.own_choice) == (20, 1.0)
    loss = measure_loss(target, other, own, len(prompt()))
    assert loss.own_choice < 1 and loss.log_likelihood < at_best.log_likelihood and loss.same_until < 20
    assert torch.equal(other[: 5 + loss.same_until], own[: 5 + loss.same_until])
    rows = as_forward(target)(other)[4:-1].log_softmax(-1)
    assert loss.log_likelihood == pytest.approx(float(rows[torch.arange(20), other[5:]].mean()), abs=1e-5)


def test_a_loss_needs_a_prompt_and_a_text(pair):
    with pytest.raises(ValueError, match="at least"):
        measure_loss(pair[0], prompt(), prompt(), 5)
