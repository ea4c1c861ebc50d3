"""Equal texts, excused differences, and those that nothing excuses."""

import pytest
import torch
from small_models import small_model

from specdec_course.measure.equality import first_difference, margin_in_ulp, ulp, verdict


def test_first_difference():
    a = torch.tensor([1, 2, 3])
    assert first_difference(a, a.clone()) is None
    assert first_difference(a, torch.tensor([1, 9, 3])) == 1
    assert first_difference(a, torch.tensor([1, 2])) == first_difference(torch.tensor([1, 2]), a) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [1.0, -1.5, 7.9, 16.0, 0.003])
def test_a_unit_of_the_last_place_leads_to_the_next_number(dtype, value):
    x = torch.tensor(abs(value), dtype=dtype)
    following = torch.nextafter(x, torch.tensor(float("inf"), dtype=dtype))
    assert ulp(float(x), dtype) == float(following.double() - x.double())


class Scripted(torch.nn.Module):
    """Two best logits at a given distance, whatever was read."""

    device = torch.device("cpu")

    def __init__(self, gap, dtype):
        super().__init__()
        self.best, self.dtype = torch.tensor([16.0, 16.0 - gap, 0.0]), dtype

    def forward(self, input_ids, use_cache):
        logits = self.best.to(self.dtype).expand(1, input_ids.shape[1], 3)
        return type("Out", (), {"logits": logits})


def test_in_half_precision_a_close_call_is_excused_and_a_clear_one_is_not():
    ours, theirs = torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1])
    assert margin_in_ulp(Scripted(0.25, torch.bfloat16), theirs, 2) == 2.0
    assert verdict(Scripted(0.25, torch.bfloat16), ours, theirs)[0]
    good, said = verdict(Scripted(0.375, torch.bfloat16), ours, theirs)
    assert not good and "DIFFERS at token 2, where the target's two best are 3.00 ulp apart" in said
    assert not verdict(Scripted(0.0, torch.float32), ours, theirs)[0]
    assert not verdict(Scripted(0.0, torch.bfloat16), ours, theirs[:2])[0]  # a text that ends early has no excuse


def test_equal_texts_are_equal():
    ids = torch.tensor([1, 2, 3])
    assert verdict(small_model(41), ids, ids) == (True, "equal to the library's")
