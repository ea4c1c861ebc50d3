"""One program for all layers that are alike: which are, what is left behind, and what happens when it is not so."""

import types

import pytest
import torch
from small_models import exact_in_half_precision, small_model
from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from specdec_course.cache import static
from specdec_course.cache.attention import shared_heads
from specdec_course.cache.close import close
from specdec_course.cache.regions import alike_layers, kinds_of_layers
from specdec_course.cache.static import static_model

VOCAB = 41
PROMPT = torch.arange(7)


def kinds(model):
    return list(kinds_of_layers(model).values())


def gemma(layers=4):
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    return Gemma2ForCausalLM(
        Gemma2Config(vocab_size=VOCAB, **shape, head_dim=8, num_hidden_layers=layers, sliding_window=8)
    )


@torch.inference_mode()
def logits(model, new):
    return model(torch.cat([PROMPT, new])[None]).logits[0, -len(new) :]


def test_layers_differ_in_more_than_their_weights_or_are_of_one_kind():
    assert kinds(small_model(VOCAB, layers=4)) == [0, 0, 0, 0]
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=3, n_head=4, eos_token_id=1))
    assert kinds(gpt2) == [0, 0, 0]
    assert kinds(gemma()) == [0, 1, 0, 1]  # windows in every second one


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: setattr(layer.self_attn, "scaling", 0.1),
        lambda layer: setattr(layer.self_attn, "sliding_window", 5),
        lambda layer: setattr(layer, "input_layernorm", torch.nn.LayerNorm(32)),
        lambda layer: setattr(layer.mlp.gate_proj, "bias", torch.nn.Parameter(torch.zeros(48))),
        lambda layer: layer.mlp.up_proj.half(),
        lambda layer: layer.register_buffer("mask", torch.zeros(3), persistent=False),
        lambda layer: layer.train(),
    ],
)
def test_one_change_makes_another_kind(change):
    model = small_model(VOCAB, layers=3)
    change(model.model.layers[1])
    assert kinds(model) == [0, 1, 0]


def test_what_has_no_number_or_stands_alone_is_left_alone():
    model = small_model(VOCAB, layers=3)
    del model.model.layers[2].self_attn.layer_idx
    assert kinds(model) == []
    for lonely in (small_model(VOCAB, layers=1), gemma(layers=2)):
        with alike_layers(lonely) as any_alike:
            assert not any_alike
            assert not any("forward" in vars(part) for part in lonely.modules())


def test_the_model_is_left_as_it_was():
    model = small_model(VOCAB, layers=3)
    before = [set(vars(layer)) for layer in model.model.layers]
    with pytest.raises(KeyError), alike_layers(model) as any_alike:
        assert any_alike and all("forward" in vars(layer) for layer in model.model.layers)
        raise KeyError
    assert [set(vars(layer)) for layer in model.model.layers] == before


def test_a_program_that_computes_something_else_is_not_used(monkeypatch):
    """First the one with regions is tried, then the whole, then the pass runs as it is, and a warning says so."""
    model, tried = small_model(VOCAB, layers=3), []

    def compiled_once(read, several_widths, sure):
        tried.append("forward" in vars(model.model.layers[0]))
        return lambda *inputs: read(*inputs).roll(1)

    monkeypatch.setattr(static, "compiled_once", compiled_once)
    cached = static_model(model).begin(60)
    cached.append(PROMPT)
    with pytest.warns(UserWarning, match="could not be compiled .*off by.* no faster"):
        got = cached.append(PROMPT[:3])
    expected = logits(model, PROMPT[:3])
    assert len(tried) == 2 and close(got, expected)
    cached.append(PROMPT[:3])
    assert len(tried) == 2, "it is tried once"


def test_a_compiler_that_fails_is_no_reason_to_stop(monkeypatch):
    def compiled_once(read, several_widths, sure):
        def refuses(*inputs):
            raise RuntimeError("no C++ compiler\nat line 7")

        return refuses

    monkeypatch.setattr(static, "compiled_once", compiled_once)
    cached = static_model(small_model(VOCAB)).begin(60)
    cached.append(PROMPT)
    with pytest.warns(UserWarning, match="RuntimeError: no C.. compiler[)]; it runs"):
        cached.append(PROMPT[:3])


def test_an_empty_library_that_a_killed_compilation_left_is_swept_away(monkeypatch, tmp_path):
    empty, whole = tmp_path / "kernel.main.so", tmp_path / "other.so"
    empty.touch(), whole.write_bytes(b"ELF")
    tried = []

    def compiled_once(read, several_widths, sure):
        def stumbles(*inputs):
            tried.append(sure)
            if empty.exists():
                raise ImportError(f"InductorError: {empty}: file too short\nwhile loading {whole}")
            return read(*inputs)

        return stumbles

    monkeypatch.setattr(static, "compiled_once", compiled_once)
    cached = static_model(small_model(VOCAB)).begin(60)
    cached.append(PROMPT)
    cached.append(PROMPT[:3])
    assert tried[:2] == [True, True] and not empty.exists() and whole.exists()


@pytest.mark.slow  # compiles twice
def test_layers_that_only_look_alike_are_found_out():
    """What a layer does may depend on its number, which no comparison of attributes tells."""
    model = exact_in_half_precision(small_model(VOCAB, layers=3))
    cls = type(model.model.layers[0])
    strange = type("Strange", (cls,), {"forward": lambda self, x, *a, **k: cls.forward(self, x, *a, **k)
                                       * (1.0 + self.self_attn.layer_idx)})  # fmt: skip
    for layer in model.model.layers:
        layer.__class__ = strange
    assert kinds(model) == [0, 0, 0]
    cached = static_model(model).begin(60)
    cached.append(PROMPT)
    got = cached.append(PROMPT[:3])
    assert close(got, logits(model, PROMPT[:3]))


@pytest.mark.parametrize("heads, shared, n", [(8, 4, 1), (9, 3, 5), (4, 4, 3), (6, 1, 2)])
def test_heads_that_share_keys_attend_as_in_transformers(heads, shared, n):
    module = types.SimpleNamespace(num_key_value_groups=heads // shared, is_causal=True)
    query, key, value = (torch.randn(1, h, t, 16) for h, t in ((heads, n), (shared, 30), (shared, 30)))
    mask = torch.zeros(1, 1, n, 30).masked_fill(torch.rand(1, 1, n, 30) < 0.4, torch.finfo(torch.float32).min)
    expected = sdpa_attention_forward(module, query, key, value, mask, scaling=0.3)[0]
    with shared_heads():
        got = ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, mask, scaling=0.3)[0]
    torch.testing.assert_close(got, expected)
    assert got.shape == expected.shape and got.is_contiguous()
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is sdpa_attention_forward
