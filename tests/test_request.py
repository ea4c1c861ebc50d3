"""What people ask `generate` for: all shapes of prompts and of ends of text, and requests that no model can serve."""

import copy
import warnings

import pytest
import torch
from small_models import over_buffers, small_model, small_tokenizer
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BatchEncoding,
    BertConfig,
    BertLMHeadModel,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
)

from specdec_course import Sampling
from specdec_course.cache.chosen import difference, trusted
from specdec_course.cache.static import StaticModel
from specdec_course.decoding.ends import ends_of
from specdec_course.decoding.engine import generate
from specdec_course.drafters import ModelDrafter
from specdec_course.measure.equality import library_text
from specdec_course.measure.library import plain_settings

VOCAB, PROMPT = 41, [15, 26, 31, 7, 25]
TINY = dict(vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=128, initializer_range=0.3)  # fmt: skip


def ending(own, **config):
    """A small model whose generation_config names `own` as the end of the text."""
    model = small_model(VOCAB)
    model.generation_config = GenerationConfig(eos_token_id=own, pad_token_id=0, **config)
    return model


def free_text(n=30):
    return generate(small_model(VOCAB), PROMPT, max_new_tokens=n, eos_token_id=None).tokens.tolist()


# ends of text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [list, tuple, set, torch.tensor])
def test_several_ends_in_every_shape(shape):
    text = free_text()
    ends = [text[len(PROMPT) + 9], text[len(PROMPT) + 4]]
    first = next(i for i in range(len(PROMPT), len(text)) if text[i] in ends)
    model = small_model(VOCAB)
    for drafter in (None, ModelDrafter(model), ModelDrafter(small_model(VOCAB, seed=3))):
        out = generate(model, PROMPT, drafter, k=4, max_new_tokens=30, eos_token_id=shape(ends))
        assert out.tokens.tolist() == text[: first + 1]


@pytest.mark.parametrize("engine", ["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def test_what_the_checkpoint_names_ends_the_text_where_the_caller_says_nothing(engine):
    text = free_text()
    own = [text[len(PROMPT) + 6], VOCAB - 1]
    model = ending(own)
    theirs = model.generate(torch.tensor([PROMPT]), max_new_tokens=30, do_sample=False)[0].tolist()
    assert generate(model, PROMPT, max_new_tokens=30, engine=engine).tokens.tolist() == theirs
    assert generate(model, PROMPT, max_new_tokens=30, eos_token_id=None, engine=engine).tokens.tolist() == text


def test_an_end_that_is_id_0_ends_too_and_none_never_does():
    model = small_model(VOCAB)
    assert ends_of(model, 0) == {0} and ends_of(model, None) == frozenset() and ends_of(model, []) == frozenset()
    assert ends_of(ending(0), "model") == {0} and ends_of(ending([3, 5]), "model") == {3, 5}
    assert ends_of(ending(None), "model") == frozenset()


def test_where_the_generation_config_is_silent_the_config_speaks():
    model = ending(None)
    model.config.eos_token_id = [7, 9]
    assert ends_of(model, "model") == {7, 9}


@pytest.mark.parametrize("bad", ["<|endoftext|>", 1.5, [0.5], True, [[1, 2]]])
def test_an_end_that_is_no_id_is_refused(bad):
    with pytest.raises(ValueError, match="eos_token_id is"):
        generate(small_model(VOCAB), PROMPT, eos_token_id=bad)


# prompts -------------------------------------------------------------------------------------------------------------


def test_what_a_tokenizer_returns_is_a_prompt():
    tokenizer = small_tokenizer()
    model = small_model(len(tokenizer))
    encoded = tokenizer("The river runs", return_tensors="pt")
    expected = generate(model, encoded.input_ids, max_new_tokens=8).tokens
    for prompt in (encoded, tokenizer("The river runs"), dict(encoded), encoded.input_ids[0], tuple(
        encoded.input_ids[0].tolist()
    )):
        assert torch.equal(generate(model, prompt, max_new_tokens=8).tokens, expected)


@pytest.mark.parametrize("bad, told", [
    ("The river", "is a string"),
    ([[1, 2], [3, 4]], "2 rows"),
    (torch.zeros(0), "at least one token"),
    ([1.0, 2.0], "whole numbers"),
    (["a", "b"], "cannot be made a tensor"),
    (None, "cannot be made a tensor"),
    ([[1, 2], [3]], "cannot be made a tensor"),
    (BatchEncoding({"input_ids": [[0, 1, 2]], "attention_mask": [[0, 1, 1]]}), "padded"),
    ({"input_ids": torch.tensor([[0, 1, 2]]), "attention_mask": torch.tensor([[1, 1, 0]])}, "padded"),
])
def test_what_is_no_prompt_is_refused_in_words(bad, told):
    with pytest.raises(ValueError, match=told):
        generate(small_model(VOCAB), bad, max_new_tokens=4)


def test_without_a_seed_every_text_is_another():
    model = small_model(VOCAB)
    texts = {tuple(generate(model, PROMPT, sampling=Sampling(2.0), max_new_tokens=20, seed=None).tokens.tolist())
             for _ in range(4)}
    assert len(texts) > 1


def test_a_model_as_the_drafter_is_told_how():
    with pytest.raises(ValueError, match=r"ModelDrafter\(model\)"):
        generate(small_model(VOCAB), PROMPT, small_model(VOCAB))


# logits that no text can be made of ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0)])
@pytest.mark.parametrize("drafted", [False, True])
def test_infinite_logits_are_an_error_not_a_text(value, sampling, drafted):
    model = small_model(VOCAB, tied=False)
    model.lm_head.weight.data[VOCAB - 1] = value
    drafter = ModelDrafter(small_model(VOCAB, seed=1)) if drafted else None
    with pytest.raises(ValueError, match="NaN or infinity"):
        generate(model, PROMPT, drafter, k=2, sampling=sampling, max_new_tokens=8)


def test_forbidden_tokens_are_no_damage():
    """Logits of -inf are how a model forbids a token."""
    model = small_model(VOCAB)
    head = model.lm_head

    class Forbidding(torch.nn.Module):
        def forward(self, hidden):
            logits = head(hidden)
            logits[..., 20:] = float("-inf")
            return logits

    model.lm_head = Forbidding()
    assert max(generate(model, PROMPT, max_new_tokens=12).tokens[len(PROMPT) :].tolist()) < 20


@pytest.mark.parametrize("temperature", [1e-4, 1e-20, 1e-38, 1e-45])
def test_a_tiny_temperature_is_greedy(temperature):
    model = small_model(VOCAB)
    greedy = generate(model, PROMPT, max_new_tokens=16).tokens
    for drafter in (None, ModelDrafter(small_model(VOCAB, seed=1))):
        out = generate(model, PROMPT, drafter, k=3, sampling=Sampling(temperature), max_new_tokens=16)
        assert torch.equal(out.tokens, greedy)


# models --------------------------------------------------------------------------------------------------------------


def longrope(original=32):
    torch.manual_seed(0)
    factors = [1.0] * 4
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": factors,
            "long_factor": [8.0] * 4, "original_max_position_embeddings": original}  # fmt: skip
    config = Phi3Config(**TINY, num_key_value_heads=4, pad_token_id=0, rope_parameters=rope,
                        original_max_position_embeddings=original)  # fmt: skip
    return Phi3ForCausalLM(config).eval()


@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_a_text_across_the_turning_point_of_longrope_is_refused(engine):
    model = longrope()
    with pytest.raises(ValueError, match="longrope"):
        generate(model, list(range(10)), max_new_tokens=40, engine=engine)
    with pytest.raises(ValueError, match="longrope"):
        generate(model, list(range(32)), max_new_tokens=1, engine=engine)


@pytest.mark.parametrize("length, new", [(10, 22), (33, 40)])
def test_on_either_side_of_it_longrope_is_right(length, new):
    model = longrope()
    prompt = torch.arange(length)
    theirs = library_text(model, prompt, new)
    for drafter in (None, ModelDrafter(model), ModelDrafter(longrope(16))):
        if drafter is None or drafter.model is model:
            out = generate(model, prompt, drafter, k=3, max_new_tokens=new, eos_token_id=None)
            assert torch.equal(out.tokens, theirs)


def mamba():
    torch.manual_seed(0)
    return MambaForCausalLM(MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4)).eval()


def test_a_model_that_keeps_a_state_is_refused_before_the_first_token():
    with pytest.raises(ValueError, match="the target is a Mamba.* keeps one state instead of positions"):
        generate(mamba(), [1, 2, 3], max_new_tokens=4)
    with pytest.raises(ValueError, match="the draft model is a Mamba"):
        ModelDrafter(mamba())


# the compiled engine looks before it is used -------------------------------------------------------------------------


def built(kind, **more):
    """A tiny model of a family, by the name of its model_type."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **more)
    return AutoModelForCausalLM.from_config(config).eval()


OLD = dict(vocab_size=97, n_positions=128, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3)
FAMILIES = {
    "llama": (TINY, True),
    "gemma2": (TINY | dict(head_dim=8, num_key_value_heads=2, sliding_window=64), True),
    "gpt2": (OLD, True),
    "gpt_neox": (TINY, True),
    "opt": (dict(vocab_size=97, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4,
                 max_position_embeddings=128, word_embed_proj_dim=32, init_std=0.3), None),
    "gptj": (OLD | dict(rotary_dim=4), True),
    "bloom": (dict(vocab_size=97, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.3), None),
    "gpt_neo": (dict(vocab_size=97, hidden_size=32, num_layers=2, num_heads=4, max_position_embeddings=128,
                     attention_types=[[["global", "local"], 1]], window_size=8, initializer_range=0.3), None),
    "falcon": (dict(vocab_size=97, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True,
                    initializer_range=0.3), None),
    "mpt": (dict(vocab_size=97, d_model=32, n_layers=2, n_heads=4, max_seq_len=128, initializer_range=0.3), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAMILIES)
def test_static_buffers_are_right_or_are_not_used(kind):
    """Compared without compiling: what a trusted model writes over buffers is what the library writes."""
    shape, expected = FAMILIES[kind]
    model = built(kind, **shape)
    prompt = torch.tensor([5, 17, 60, 2, 33, 9])
    theirs = library_text(model, prompt, 24)
    assert torch.equal(generate(model, prompt, ModelDrafter(model), k=3, max_new_tokens=24, eos_token_id=None).tokens,
                       theirs)  # fmt: skip
    try:
        static = StaticModel(model)
    except ValueError as refused:
        assert "Use engine=" in str(refused)
        return
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        good = trusted(static)
        again = trusted(static)
    assert good is again and len(said) == (0 if good else 1)
    assert expected is None or good is expected
    if good:
        assert over_buffers(static, prompt, 24) == theirs.tolist()


def test_a_model_that_buffers_do_not_suit_runs_eagerly_and_says_so_once():
    torch.manual_seed(0)

    class Peeks(LlamaForCausalLM):
        """Its logits depend on how many positions its cache says that it holds."""

        def forward(self, input_ids, past_key_values=None, **kwargs):
            held = 0 if past_key_values is None else past_key_values.get_seq_length()
            out = super().forward(input_ids, past_key_values=past_key_values, **kwargs)
            first = held + input_ids.shape[1] - out.logits.shape[1]
            rows = [row.roll((first + i) % 7) for i, row in enumerate(out.logits[0])]
            out.logits = torch.stack(rows)[None]
            return out

    model = Peeks(LlamaConfig(**TINY)).eval()
    eager = generate(model, PROMPT, max_new_tokens=12).tokens
    with pytest.warns(UserWarning, match="Peeks does not run over static buffers"):
        assert torch.equal(generate(model, PROMPT, max_new_tokens=12, engine="compiled").tokens, eager)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = generate(model, PROMPT, ModelDrafter(model), k=3, max_new_tokens=12, engine="compiled")
    assert torch.equal(out.tokens, eager)


def test_the_comparison_finds_masks_that_are_only_bools():
    """The fault that it is there for: a mask of bools, handed to attention that adds it."""
    model = LlamaForCausalLM._from_config(LlamaConfig(**TINY), attn_implementation="eager").eval()
    assert difference(StaticModel(model)) is None
    from specdec_course.cache import rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "additive", lambda mask, dtype: mask.to(dtype))
        assert "off by" in difference(StaticModel(copy.deepcopy(model)))


# the library, asked for the same law ---------------------------------------------------------------------------------


@pytest.mark.parametrize("brought", [
    {"num_beams": 3}, {"suppress_tokens": [1, 2, 3]}, {"repetition_penalty": 1.7}, {"forced_eos_token_id": 4},
    {"min_new_tokens": 9}, {"no_repeat_ngram_size": 2}, {"do_sample": True, "temperature": 0.3, "top_k": 5},
    {"bad_words_ids": [[5], [6]]}, {"cache_implementation": "static"}, {"eos_token_id": [1, 2, 3]},
])
def test_what_a_checkpoint_brings_along_changes_no_comparison(brought):
    model = small_model(VOCAB)
    plain = library_text(model, torch.tensor(PROMPT), 20)
    own = GenerationConfig(**{"pad_token_id": 0} | brought)
    model.generation_config = own
    assert torch.equal(library_text(model, torch.tensor(PROMPT), 20), plain)
    assert model.generation_config is own


def test_settings_come_back_after_an_error_too():
    model, own = small_model(VOCAB), GenerationConfig(num_beams=2)
    model.generation_config = own
    with pytest.raises(KeyError), plain_settings(model, None, model):
        assert model.generation_config.num_beams is None or model.generation_config.num_beams == 1
        raise KeyError
    assert model.generation_config is own


# what a model may do with a request that it does not know ------------------------------------------------------------


def test_a_model_that_answers_with_all_rows_all_the_same_is_read_at_the_right_one():
    """WhisperForCausalLM and TrOCRForCausalLM do not know logits_to_keep, and swallow it."""
    torch.manual_seed(0)

    class AllRows(LlamaForCausalLM):
        def forward(self, input_ids, logits_to_keep=0, **kwargs):
            return super().forward(input_ids, **kwargs)

    model = AllRows(LlamaConfig(**TINY)).eval()
    theirs = library_text(model, torch.tensor(PROMPT), 16)
    for drafter in (None, ModelDrafter(model)):
        out = generate(model, PROMPT, drafter, k=3, max_new_tokens=16, eos_token_id=None)
        assert torch.equal(out.tokens, theirs)


def test_a_model_without_a_growing_cache_is_refused():
    torch.manual_seed(0)
    bert = BertLMHeadModel(BertConfig(vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                                      num_attention_heads=4)).eval()  # fmt: skip
    with pytest.raises(ValueError, match="keeps no cache that grows by a position per token.*is_decoder=True"):
        generate(bert, PROMPT, max_new_tokens=4)


def test_a_context_of_minus_one_is_no_limit():
    model = small_model(VOCAB)
    model.config.max_position_embeddings = -1
    assert len(generate(model, PROMPT, max_new_tokens=8).tokens) == 13
