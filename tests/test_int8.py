"""Weights in eight bits: rounded as is said, the same bits for one row as for nine, and one and the same other model
for both engines and for the library."""

import pytest
import torch
from small_models import small_model
from torch import nn

from specdec_course import generate, load_pair
from specdec_course.cache import linear
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import ModelDrafter
from specdec_course.measure.equality import library_text
from specdec_course.models import as_forward
from specdec_course.models.int8 import Int8Linear, to_int8


def layer_of(inputs=77, outputs=50, bias=True, seed=0):
    rng = torch.Generator().manual_seed(seed)
    layer = nn.Linear(inputs, outputs, bias=bias)
    layer.weight.data = torch.randn(outputs, inputs, generator=rng) * torch.logspace(-6, 3, outputs)[:, None]
    layer.weight.data[3] = 0
    return layer.requires_grad_(False)


def test_each_weight_is_off_by_half_a_step_at_most_and_the_largest_by_nothing():
    layer = layer_of()
    small = Int8Linear(layer)
    assert small.weight.dtype == torch.int8 and int(small.weight.min()) >= -127
    made = small.weight.double() * small.scale.double()[:, None]
    off = (made - layer.weight.double()).abs()
    assert (off <= small.scale[:, None] * 0.5001).all() and (made[3] == 0).all()
    largest = layer.weight.abs().argmax(1, keepdim=True)
    assert torch.allclose(made.gather(1, largest), layer.weight.double().gather(1, largest), rtol=1e-6)


@pytest.mark.parametrize("inputs", [1, 16, 31, 32, 577])
@pytest.mark.parametrize("fast", [True, False])
def test_it_computes_with_the_rounded_weights(inputs, fast):
    small = Int8Linear(layer_of(inputs))
    small.fast = small.fast and fast
    rounded = small.weight.double() * small.scale.double()[:, None]
    for shape in ((inputs,), (1, inputs), (2, 9, inputs), (1, 5, inputs), (0, inputs)):
        x = torch.randn(shape)
        expected = x.double() @ rounded.T + small.bias.double()
        summed = x.double().abs() @ rounded.abs().T + small.bias.double().abs()  # what round-off is a share of
        assert ((small(x).double() - expected).abs() <= 1e-5 * summed).all()


@pytest.mark.skipif(not linear.available(), reason="no C++ compiler that can make it")
def test_a_row_has_the_same_bits_in_any_company():
    small, x = Int8Linear(layer_of(600, 4000)), torch.randn(9, 600)
    whole = small(x)
    assert all(torch.equal(small(x[:n]), whole[:n]) for n in range(1, 10))


@pytest.mark.filterwarnings("error:.*could not be compiled")
@pytest.mark.parametrize("tied", [True, False])
def test_both_engines_and_the_library_write_one_text(tied):
    target = to_int8(small_model(97, layers=3, tied=tied))
    draft = to_int8(small_model(97, layers=1, seed=1, tied=tied))
    assert target.get_input_embeddings().weight.is_floating_point()
    prompt = torch.tensor([5, 9, 11, 3, 60, 2])
    with torch.no_grad():
        expected = library_text(target, prompt, 40)
    for engine in ("eager", "compiled"):
        for drafter in (None, ModelDrafter(draft), ModelDrafter(target)):
            out = generate(target, prompt, drafter, 4, max_new_tokens=40, eos_token_id=None, engine=engine)
            assert torch.equal(out.tokens, expected), (engine, drafter)
    assert all(r.accepted == r.drafted for r in out.trace.rounds[:-1])  # a model agrees with itself


def test_the_classroom_pair_in_eight_bits_is_nearly_the_same_model():
    lines = []
    whole, small = load_pair("classroom"), load_pair("classroom", dtype="int8", say=lines.append)
    assert small.name == "classroom (int8)" and small.target.device.type == "cpu"
    assert not any(type(layer) is nn.Linear for layer in [*small.target.modules(), *small.draft.modules()])
    apart, worse = [], []
    for prompt in held_out_prompts(whole.tokenizer, 4):
        ids = generate(whole.target, prompt, max_new_tokens=64, eos_token_id=None).tokens
        p, q = (as_forward(one.target)(ids)[:-1].log_softmax(-1) for one in (whole, small))
        apart.append((p.exp() - q.exp()).abs().sum(-1).mean() / 2)
        worse.append((p - q).gather(1, ids[1:, None]).mean())
    assert 0 < float(torch.stack(apart).mean()) < 0.05  # another model, but close to it
    assert abs(float(torch.stack(worse).mean())) < 0.05


def test_what_cannot_be_rounded_is_refused_in_one_line():
    with pytest.raises(ValueError, match="models in float32 on a CPU; this one is in bfloat16 on cpu"):
        to_int8(small_model(50).bfloat16())
    with pytest.raises(ValueError, match="has no linear layers"):
        to_int8(to_int8(small_model(50)))
