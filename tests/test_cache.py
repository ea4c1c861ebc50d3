"""Caches: what is taken back leaves no trace, in every layer and every kind of cache, or it is refused at once."""

import random
from pathlib import Path

import pytest
import torch
from small_models import SHAPE, small_model
from transformers import (
    DynamicCache,
    EncoderDecoderCache,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    MistralConfig,
    MistralForCausalLM,
    StaticCache,
    T5Config,
    T5ForConditionalGeneration,
)

from specdec_course.build.source import read_source
from specdec_course.cache import CachedModel, rollback
from specdec_course.cache.static import static_mask
from specdec_course.checks.stages import loops as scripted
from specdec_course.checks.stages.caches import Layers, Lists
from specdec_course.decoding import generate_cached, generate_speculative, greedy_decode
from specdec_course.figures.caches import acceptance_along, break_even, mask_picture, rounds_of, two_caches
from specdec_course.models import as_forward
from specdec_course.theory import forward_cost, kv_cache_bytes
from specdec_course.trace import Round, acceptance_rate

VOCAB = 41
PROMPT = torch.tensor([15, 26, 31, 7, 25])
UNIT = Path(__file__).resolve().parents[1] / "solutions/05_kv_cache/05_kv_cache.py"


def taught(name):
    """The teaching solution of the unit's notebook, where it is not the package's own text."""
    text = next(cell.text for cell in read_source(UNIT) if cell.name == name)
    space = {"torch": torch, "rollback": rollback}
    exec(text, space)
    return space[name]


def filled(cache, positions, layers=3, seed=0):
    torch.manual_seed(seed)
    before = [(torch.randn(1, 2, positions, 4), torch.randn(1, 2, positions, 4)) for _ in range(layers)]
    for i, (keys, values) in enumerate(before):
        cache.update(keys.clone(), values.clone(), i)
    return before


def held(cache):
    if hasattr(cache, "key_cache"):
        return list(zip(cache.key_cache, cache.value_cache, strict=True))
    return [(layer.keys, layer.values) for layer in cache.layers]


class NoCrop(Lists):
    """The oldest interface: lists, and no crop."""

    crop = property()


# rollback ------------------------------------------------------------------------------------------------------------


BOTH = pytest.mark.parametrize("whose", ["package", "taught"])


def either(whose, own):
    return own if whose == "package" else taught(own.__name__)


@BOTH
@pytest.mark.parametrize("make", [DynamicCache, Lists, Layers, NoCrop])
def test_the_last_positions_go_from_every_layer(make, whose):
    if make is NoCrop and whose == "taught":
        pytest.skip("the contract promises a crop")
    function = either(whose, rollback)
    for n in range(7):
        cache = make()
        before = filled(cache, 6)
        function(cache, n)
        for (keys, values), (old_keys, old_values) in zip(held(cache), before, strict=True):
            assert torch.equal(keys, old_keys[..., : 6 - n, :]) and torch.equal(values, old_values[..., : 6 - n, :])
        assert cache.get_seq_length() == 6 - n


@BOTH
@pytest.mark.parametrize("n", [-1, 7, 100])
def test_what_cannot_be_dropped_is_refused_and_nothing_changes(n, whose):
    function = either(whose, rollback)
    for make in (DynamicCache, Lists, Layers, NoCrop):
        cache = make()
        before = filled(cache, 6)
        with pytest.raises(ValueError, match="holds 6"):
            function(cache, n)
        for kept, old in zip(held(cache), before, strict=True):
            assert torch.equal(kept[0], old[0]) and torch.equal(kept[1], old[1])


def test_of_an_encoder_decoder_only_the_written_half_is_rolled_back():
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    filled(cache.self_attention_cache, 6)
    source = filled(cache.cross_attention_cache, 9)
    rollback(cache, 4)
    assert cache.get_seq_length() == 2
    for (keys, _), (old, _) in zip(held(cache.cross_attention_cache), source, strict=True):
        assert torch.equal(keys, old)


def test_a_rolled_back_t5_answers_as_from_scratch():
    torch.manual_seed(0)
    shape = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
    model = T5ForConditionalGeneration(T5Config(vocab_size=VOCAB, **shape)).eval()
    source, text, other = (torch.randint(1, VOCAB, (1, n)) for n in (7, 6, 3))
    with torch.no_grad():
        encoded = model.get_encoder()(source)
        out = model(encoder_outputs=encoded, decoder_input_ids=text, use_cache=True)
        rollback(out.past_key_values, 4)
        again = model(encoder_outputs=encoded, decoder_input_ids=other, past_key_values=out.past_key_values).logits
        whole = model(encoder_outputs=encoded, decoder_input_ids=torch.cat([text[:, :2], other], 1), use_cache=False)
    torch.testing.assert_close(again, whole.logits[:, 2:], rtol=1e-4, atol=1e-4)


def sliding(kind):
    torch.manual_seed(0)
    shape = {**SHAPE, "vocab_size": VOCAB, "num_hidden_layers": 2, "initializer_range": 0.3, "sliding_window": 6}
    if kind == "mistral":
        return MistralForCausalLM(MistralConfig(**shape)).eval()
    layers = ["full_attention", "sliding_attention"]
    return Gemma3ForCausalLM(Gemma3TextConfig(**shape, layer_types=layers)).eval()


@pytest.mark.parametrize("kind", ["mistral", "gemma3"])
def test_a_full_sliding_window_cannot_go_back_and_says_so_before_any_layer_changes(kind):
    model = sliding(kind)
    with torch.no_grad():
        cache = model(input_ids=torch.arange(11)[None], use_cache=True).past_key_values
    lengths = [keys.shape[-2] for keys, _ in held(cache)]
    rollback(cache, 0)
    with pytest.raises(ValueError, match="sliding window of 6"):
        rollback(cache, 2)
    assert [keys.shape[-2] for keys, _ in held(cache)] == lengths


@pytest.mark.parametrize("kind", ["mistral", "gemma3"])
def test_a_cached_model_with_a_sliding_window_can_be_rolled_back_any_way(kind):
    model = sliding(kind)
    for seed in range(3):
        agrees_with_scratch(CachedModel(model), as_forward(model), seed)


@pytest.mark.skipif(not hasattr(DynamicCache, "activate_past_recording"), reason="this transformers cannot record")
def test_a_recording_window_does_not_go_back_further_than_it_remembers():
    model = sliding("mistral")
    cache = DynamicCache(config=model.config)
    cache.activate_past_recording()
    with torch.no_grad():
        for ids in (torch.arange(12), torch.arange(3)):
            model(input_ids=ids[None], past_key_values=cache)
            rollback(cache, 2)
    with pytest.raises(ValueError, match="sliding window"):
        rollback(cache, 3)


def test_buffers_and_states_are_refused():
    cache = StaticCache(config=small_model(VOCAB).config, max_cache_len=16)
    filled(cache, 6, layers=2)
    with pytest.raises(ValueError, match="move its pointer"):
        rollback(cache, 2)

    class State:
        recurrent_states = {}

    mixed = DynamicCache()
    filled(mixed, 6)
    mixed.layers.append(State())
    with pytest.raises(ValueError, match="one state instead of positions"):
        rollback(mixed, 2)
    assert mixed.get_seq_length() == 6


# CachedModel ---------------------------------------------------------------------------------------------------------


def agrees_with_scratch(cached, forward, seed, steps=25):
    """Random appends and rollbacks; every answer is compared with one that knows no cache."""
    dice = random.Random(seed)
    text = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        new = torch.tensor([dice.randrange(VOCAB) for _ in range(dice.choice((1, 1, 2, 5)))])
        text = torch.cat([text, new])
        logits = cached.append(new)
        torch.testing.assert_close(logits, forward(text)[-len(new) :], rtol=1e-4, atol=1e-4)
        back = dice.randrange(min(len(text), 12) + 1) if dice.random() < 0.4 else 0
        cached.rollback(back)
        text = text[: len(text) - back]
        assert cached.length == len(text)


@BOTH
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_whatever_was_taken_back_the_logits_are_those_from_scratch(kind, whose):
    make = either(whose, CachedModel)
    model = small_model(VOCAB, kind)
    for seed in range(4):
        agrees_with_scratch(make(model), as_forward(model), seed)


@BOTH
def test_only_the_last_rows_on_request(whose):
    make = either(whose, CachedModel)
    model = small_model(VOCAB)
    torch.testing.assert_close(make(model).append(PROMPT, last=2), make(model).append(PROMPT)[-2:])
    assert make(model).append(PROMPT, 1).shape == (1, VOCAB)


@BOTH
def test_a_cached_model_refuses_what_it_does_not_hold(whose):
    cached = either(whose, CachedModel)(small_model(VOCAB))
    with pytest.raises(ValueError, match="holds 0"):
        cached.rollback(1)
    cached.append(PROMPT)
    for n in (-1, 6):
        with pytest.raises(ValueError, match="holds 5"):
            cached.rollback(n)
    assert cached.length == 5


# generate_cached -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 4, 7])
def test_two_caches_write_the_targets_own_text_in_the_rounds_of_the_loop_without(k):
    target, draft = small_model(VOCAB, seed=0), small_model(VOCAB, seed=1)
    done = generate_cached(CachedModel(target), CachedModel(draft), PROMPT, k, 23)
    assert torch.equal(done.ids, greedy_decode(as_forward(target), PROMPT, 23))

    def propose(ids, n):
        return greedy_decode(as_forward(draft), ids, n)[len(ids) :]

    assert done.rounds == generate_speculative(as_forward(target), PROMPT, propose, k, 23).rounds


def test_a_model_that_drafts_for_itself_is_accepted_to_the_end():
    model = small_model(VOCAB)
    done = generate_cached(CachedModel(model), CachedModel(model), PROMPT, 4, 120)
    assert acceptance_rate(done.rounds) == 1.0 and len(done.rounds) == 24


def test_the_end_of_the_text_and_the_prompt_as_it_was():
    model, kept = small_model(VOCAB), PROMPT.clone()
    alone = greedy_decode(as_forward(model), PROMPT, 20)
    for eos in set(alone[5:].tolist()):
        done = generate_cached(CachedModel(model), CachedModel(model), PROMPT, 3, 20, eos)
        assert torch.equal(done.ids, greedy_decode(as_forward(model), PROMPT, 20, eos))
    assert torch.equal(PROMPT, kept)


def test_the_loop_runs_on_a_model_of_the_stage():
    target = scripted.toy_target(torch.Generator().manual_seed(0))
    with pytest.raises(AttributeError):
        generate_cached(target, target, PROMPT, 2, 4)  # plain functions have no memory


# buffers and bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length,n_new,capacity", [(0, 4, 9), (5, 1, 6), (3, 4, 20)])
def test_attention_over_a_dirty_buffer_is_causal_attention(length, n_new, capacity):
    torch.manual_seed(0)
    keys, values, query = torch.randn(capacity, 8), torch.randn(capacity, 8), torch.randn(length + n_new, 8)
    end = length + n_new
    clean = torch.nn.functional.scaled_dot_product_attention(
        query[None, None], keys[None, None, :end], values[None, None, :end], is_causal=True
    )[0, 0, length:]
    keys[end:], values[end:] = 1e4, -1e4  # leftovers: finite, because 0 times NaN is NaN in a full product
    for pointer in (length, torch.tensor(length)):
        mask = static_mask(pointer, n_new, capacity)
        dirty = torch.nn.functional.scaled_dot_product_attention(
            query[None, None, length:], keys[None, None], values[None, None], attn_mask=mask[None, None]
        )[0, 0]
        torch.testing.assert_close(dirty, clean)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_the_bytes_are_those_of_a_real_cache(kind):
    model = small_model(VOCAB, kind, layers=3)
    with torch.no_grad():
        cache = model(input_ids=PROMPT.repeat(2, 1), use_cache=True).past_key_values
    real = sum(one.numel() * one.element_size() for pair in held(cache) for one in pair)
    assert kv_cache_bytes(model.config, len(PROMPT), batch=2, bytes_per_value=4) == real


def test_the_bytes_that_a_pass_reads_grow_by_those_of_the_cache():
    config = small_model(VOCAB).config
    _, short = forward_cost(config, 1, context=10)
    _, long = forward_cost(config, 1, context=110)
    assert long - short == kv_cache_bytes(config, 100)


# pictures ------------------------------------------------------------------------------------------------------------

# Round 1: the target rejects c. Round 2: everything is accepted, and the draft lacks the token e that it wrote last.
NOTES = [
    ("draft", "append", 0, ["a", "b"]), ("draft", "append", 2, ["c"]), ("target", "append", 0, ["a", "b", "c", "d"]),
    ("target", "rollback", 2, []), ("draft", "rollback", 2, []),
    ("draft", "append", 2, ["x"]), ("target", "append", 2, ["x", "e"]),
]


def test_a_diary_becomes_rounds_of_cells():
    first, second = rounds_of(NOTES)
    assert first["target"] == [(0, "a", "kept"), (1, "b", "kept"), (2, "c", "dropped"), (3, "d", "dropped")]
    assert first["draft"] == [(0, "a", "kept"), (1, "b", "kept"), (2, "c", "dropped")]
    assert second["target"] == [(0, "a", "held"), (1, "b", "held"), (2, "x", "kept"), (3, "e", "kept")]
    assert second["draft"] == [(0, "a", "held"), (1, "b", "held"), (2, "x", "kept")]


def test_a_rollback_of_what_was_valid_shows_as_such():
    notes = [*NOTES, ("target", "rollback", 1, []), ("target", "append", 1, ["b"])]
    assert rounds_of(notes)[1]["target"][1:] == [(1, "b", "dropped"), (2, "x", "dropped"), (3, "e", "dropped")]


def test_the_newest_token_is_seen_where_a_rejected_guess_stood_in_its_place():
    notes = [("draft", "append", 0, ["a", "b"]), ("draft", "append", 2, ["c"]),
             ("target", "append", 0, ["a", "b", "c"]), ("target", "rollback", 2, []), ("draft", "rollback", 2, [])]
    figure = two_caches(notes, list("abx"), [3])
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown.count("x") == shown.count("c") == 2
    assert figure.alt.count("dropped c, missing x") == 2


def test_the_pictures_can_be_drawn():
    figure = two_caches(NOTES, list("abxef"), [3, 5])
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert "2 of 3" in shown and "4 of 5" in shown and "3 of 5" in shown
    assert mask_picture(static_mask(2, 2, 6), 2)._repr_png_()
    assert acceptance_along({"all": [Round(4, 4, 5)] * 3, "none drafted": [Round(0, 0, 1)]})._repr_png_()
    assert break_even(20.0, 0.01, 0.005)._repr_png_()
    assert break_even(20.0, 0.005, 0.01)._repr_png_()  # never even: the lines part
