"""A chain with more candidates where it is less sure: how many, what they are drawn from, what the cache keeps."""

import pytest
import torch
from small_models import small_model

from specdec_course.cache import static
from specdec_course.checks.stages import toys
from specdec_course.decoding import engine
from specdec_course.decoding.engine import generate
from specdec_course.drafters import Draft, EagleDrafter, GlideDrafter, ModelDrafter
from specdec_course.drafters import model as model_drafter
from specdec_course.drafters.cape import CapeDrafter, beside
from specdec_course.drafters.lookup import PromptLookupDrafter
from specdec_course.models import as_forward
from specdec_course.models.eagle import eagle_head
from specdec_course.models.glide import glide_draft
from specdec_course.models.trimmed import first_layers
from specdec_course.sampling import Dice, Sampling, exact_law

KINDS = {"model": (ModelDrafter, first_layers), "eagle": (EagleDrafter, eagle_head),
         "glide": (GlideDrafter, glide_draft)}  # fmt: skip
EVERYWHERE = {"bounds": (), "widths": (3,), "budget": 12}


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(static, "compiled_once", lambda function, **how: function)


def drafter_for(target, kind, tokens=None, **how):
    """Candidates beside an untrained draft of this kind, which says these tokens of its target."""
    drafter, make = KINDS[kind]
    tokens = torch.arange(target.config.vocab_size) if tokens is None else torch.tensor(tokens)
    draft = make(target, 1, tokens) if kind == "model" else make(target, tokens)
    return CapeDrafter(drafter(draft), **how)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["eager", "compiled"])
@pytest.mark.parametrize("tokens", [[0, 1, 2], [0, 2]])
def test_the_law_of_a_text_is_the_targets(monkeypatch, uncompiled, kind, how, tokens):
    target = small_model(3, "llama", layers=2, seed=4)
    forward = as_forward(target)

    for candidates in ({"bounds": (0.36, 0.45), "widths": (3, 2, 1), "budget": 4}, EVERYWHERE):
        drafter = drafter_for(target, kind, tokens, **candidates)

        def whole_text(dice, drafter=drafter):
            dice.numbers = lambda n, device: torch.empty(0)
            monkeypatch.setattr(engine, "Dice", lambda generator: dice)
            monkeypatch.setattr(static, "PredrawnDice", lambda numbers: dice)
            monkeypatch.setattr(model_drafter, "PredrawnDice", lambda numbers: dice)
            return generate(target, [0], drafter, 2, Sampling(1.0), 3, engine=how).tokens[1:]

        law = toys.target_law(lambda text: Sampling(1.0)(forward(torch.tensor((0, *text)))[-1]), 3)
        assert toys.difference(exact_law(whole_text), law) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_greedy_text_is_the_targets_and_candidates_are_kept(uncompiled, kind, how):
    target = small_model(24, layers=3, seed=2)
    alone = generate(target, [5, 6, 7], max_new_tokens=60, eos_token_id=None).tokens
    for k in (1, 3, 5):
        drafter = drafter_for(target, kind, **EVERYWHERE)
        out = generate(target, [5, 6, 7], drafter, k, max_new_tokens=60, engine=how, eos_token_id=None)
        chain = generate(target, [5, 6, 7], drafter_for(target, kind).chain, k, max_new_tokens=60, eos_token_id=None)
        assert torch.equal(out.tokens, alone)
        assert len(out.trace.rounds) < len(chain.trace.rounds)  # some candidates came true


@pytest.mark.parametrize("kind", ["model", "eagle"])  # rows of GLIDE stay as they were made
def test_a_draft_does_not_depend_on_the_rounds_before(uncompiled, kind):
    """Whether the last round kept the chain, a candidate or nothing: what is drafted is what a new drafter drafts."""
    target, seen = small_model(24, layers=3, seed=2), []

    class Watched(CapeDrafter):
        def propose_from(self, context, k, sampling, dice):
            draft = super().propose_from(context, k, sampling, dice)
            fresh = drafter_for(target, kind, **EVERYWHERE)
            fresh.begin(24, 80, "eager")
            seen.append((draft, fresh.propose_from(context, k, sampling, dice)))
            return draft

    drafter = Watched(drafter_for(target, kind).chain, **EVERYWHERE)
    out = generate(target, [5, 6, 7], drafter, 3, max_new_tokens=40, eos_token_id=None)
    assert len(seen) > 8 and len({one.accepted for one in out.trace.rounds}) > 1
    for ours, theirs in seen:
        assert torch.equal(ours.ids, theirs.ids) and (ours.parents is None or torch.equal(ours.parents, theirs.parents))


def test_candidates_hang_beside_the_chain():
    probs = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.1, 0.0, 0.9, 0.0], [0.25, 0.25, 0.3, 0.2]])
    chain = Draft(torch.tensor([0, 2, 2]), probs)
    greedy = beside(chain, [2, 3, 1], None, certain=True)
    assert greedy.ids.tolist() == [0, 2, 2, 1, 0] and greedy.parents.tolist() == [-1, 0, 1, -1, 0]
    assert greedy.probs is None  # position 1 has no third token
    drawn = beside(chain, [1, 1, 4], Dice(rng()), certain=False)
    assert sorted(drawn.ids[2:].tolist()) == [0, 1, 2, 3] and drawn.parents.tolist() == [-1, 0, 1, 1, 1, 1]
    for i in range(3, 6):
        taken = drawn.ids[2:i]
        assert (drawn.probs[i][taken] == 0).all()
        assert torch.allclose(drawn.probs[i], probs[2].index_fill(0, taken, 0) / probs[2].index_fill(0, taken, 0).sum())


def test_there_are_as_many_nodes_as_the_budget_allows_and_the_first_positions_come_first():
    drafter = drafter_for(small_model(24, layers=3), "model", widths=(3,), bounds=(), budget=8)
    assert [drafter.fitting([3] * n) for n in (2, 4, 8)] == [[3, 3], [3, 3, 1, 1], [1] * 8]
    assert drafter.nodes == 8


def test_only_chains_of_a_model_get_candidates():
    model = ModelDrafter(small_model(24, layers=1))
    with pytest.raises(ValueError, match="PromptLookupDrafter does not draft token by token"):
        CapeDrafter(PromptLookupDrafter())
    with pytest.raises(ValueError, match="there are 1 widths"):
        CapeDrafter(model, bounds=(0.5,), widths=(2,))
    with pytest.raises(ValueError, match="whole numbers from 1 on"):
        CapeDrafter(model, bounds=(0.5,), widths=(2, 0))
