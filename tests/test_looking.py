"""What drafts read inside a target: unit 11's functions agree with the models and drafters of the package."""

import pytest
import torch
from transformers import DynamicCache

from specdec_course.cache.chosen import cache_of
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import Context, EagleDrafter
from specdec_course.figures.looking import accepted_by_place
from specdec_course.models import load_pair
from specdec_course.models.loading import load_draft
from specdec_course.models.looking import block_mask, cross_attend, eagle_inputs, eagle_rollout
from specdec_course.sampling import Dice, Sampling


@pytest.fixture(scope="module")
def pair():
    return load_pair("classroom", say=lambda line: None)


@pytest.fixture(scope="module")
def ids(pair):
    return held_out_prompts(pair.tokenizer, count=1, length=50)[0]


@torch.inference_mode()
def test_attention_over_the_targets_cache_is_what_its_last_layer_computes(pair, ids):
    last, seen = pair.target.model.layers[-1], {}
    watch = last.self_attn.o_proj.register_forward_pre_hook(lambda module, args: seen.update(answer=args[0][0]))
    hidden = pair.target(ids[None], output_hidden_states=True).hidden_states
    watch.remove()
    cached = cache_of(pair.target, "eager").begin()
    cached.append(ids)
    places = torch.arange(41, len(ids))
    heads = pair.target.config.num_attention_heads
    read = last.input_layernorm(hidden[-2][0, 41:])
    queries = last.self_attn.q_norm(last.self_attn.q_proj(read).view(len(read), heads, -1))
    keys, values = (x.transpose(0, 1) for x in cached.keys_values(pair.target.config.num_hidden_layers - 1))
    mask = torch.arange(len(ids))[None] <= places[:, None]
    due = seen["answer"][41:].view(len(read), heads, -1)
    assert torch.allclose(cross_attend(queries, places, keys, values, mask), due, atol=1e-5)


def test_rows_that_read_nothing_leave_gradients_finite():
    query, keys, values = (torch.randn(5, heads, 8, requires_grad=True) for heads in (4, 2, 2))
    answer = cross_attend(query, torch.arange(5), keys, values, block_mask(5, 2))
    assert torch.equal(answer[:2], torch.zeros(2, 4, 8))
    answer.square().sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in (query, keys, values))


@torch.inference_mode()
def test_a_draft_by_hand_is_the_draft_of_the_drafter(pair, ids):
    """eagle_inputs in front, eagle_rollout behind: token for token what EagleDrafter proposes."""
    eagle = load_draft(data_path("classroom", "eagle"), pair.target)
    embed, cache = eagle.get_input_embeddings(), DynamicCache()
    features = pair.target(ids[None, :-1], output_hidden_states=True).hidden_states[-1][0]
    eagle.model(inputs_embeds=eagle.fuse(eagle_inputs(features, embed(ids[:-1])))[None], past_key_values=cache,
                use_cache=True)  # fmt: skip

    def step(feature, token):
        row = eagle.fuse(torch.cat([feature, embed(torch.tensor(token))]))[None, None]
        at = torch.tensor([[cache.get_seq_length()]])
        made = eagle.model(inputs_embeds=row, position_ids=at, past_key_values=cache, use_cache=True)
        return eagle.lm_head(made.last_hidden_state[0, 0]), made.last_hidden_state[0, 0]

    by_hand = eagle_rollout(step, features[-1], int(ids[-1]), 5)
    drafter = EagleDrafter(eagle)
    drafter.begin(pair.target.config.vocab_size, 64, "eager")
    cached = cache_of(pair.target, "eager").begin(64, (-1,))
    cached.append(ids[:-1])
    draft = drafter.propose_from(Context(ids, cached), 5, Sampling(0.0), Dice(torch.Generator()))
    assert by_hand.tolist() == draft.ids.tolist()


def test_the_picture_says_what_it_shows_and_takes_places_without_drafts():
    figure = accepted_by_place({"T = 0": {"EAGLE": [0.5, None]}, "T = 1": {"EAGLE": [0.25, 1.0]}}, "Drafts.")
    assert "T = 0, EAGLE: 50% at place 1; T = 1, EAGLE: 25% at place 1, 100% at place 2" in figure.alt
