"""Whether two models speak one language: rows of unequal width, tokenizers beside those of test_models."""

import pytest
import torch
from small_models import small_tokenizer

from specdec_course.models.vocabulary import PROBE, align_vocabulary, compatible
from specdec_course.sampling import Sampling

INF = float("inf")


@pytest.fixture
def logits():
    return torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))


class TestAlign:
    def test_an_added_token_can_never_be_drawn(self, logits):
        wide = align_vocabulary(logits, 11)
        assert wide.shape == (2, 3, 11) and torch.equal(wide[..., :8], logits)
        for temperature in (0.3, 1.0, 100.0):
            warped = Sampling(temperature)(wide)
            assert (warped[..., 8:] == 0).all() and torch.allclose(warped[..., :8], Sampling(temperature)(logits))

    def test_there_and_back_again(self, logits):
        assert torch.equal(align_vocabulary(align_vocabulary(logits, 12), 8), logits)

    def test_the_same_width_changes_nothing(self, logits):
        assert torch.equal(align_vocabulary(logits, 8), logits)

    @pytest.mark.parametrize("value", [-1e30, 0.0, INF, float("nan")])
    def test_a_single_live_entry_is_not_cut(self, logits, value):
        logits[..., 6:] = -INF
        logits[1, 2, 7] = value
        with pytest.raises(ValueError, match="1 logits of the columns 6 to 7 are alive; expected -inf.*widen"):
            align_vocabulary(logits, 6)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
    def test_one_row_in_any_float_type(self, dtype):
        wide = align_vocabulary(torch.ones(4, dtype=dtype), 6)
        assert wide.dtype == dtype and wide.tolist() == [1, 1, 1, 1, -INF, -INF]


class TestProbe:
    def test_it_has_what_tokenizers_disagree_about(self):
        assert any(c.isupper() for c in PROBE) and any(c.isdigit() for c in PROBE) and not PROBE.isascii()
        assert all(part in PROBE for part in ("  ", "\n\n", "\t", "'t"))

    def test_every_problem_is_one_line_that_names_a_token_or_a_role(self):
        other = small_tokenizer("entirely other words to learn from", 300)
        other.bos_token = "<|endoftext|>"
        problems = compatible(other, small_tokenizer())
        assert len(problems) == 4 and all("\n" not in line and len(line) > 20 for line in problems)
        assert problems[-1] == "bos_token_id is 0 here and 1 there"
