"""The two statistics and the labels of tokens, on traces that can be checked by hand."""

import pytest
import torch

from specdec_course.trace import Decoded, Round, Trace, acceptance_rate, labels, tokens_per_call

FULL, REJECTED, CUT, EMPTY = Round(4, 4, 5), Round(4, 1, 2), Round(4, 3, 3), Round(0, 0, 1)


@pytest.mark.parametrize(
    ("rounds", "per_call", "rate"),
    [
        ([], 0.0, 0.0),
        ([EMPTY] * 3, 1.0, 0.0),
        ([FULL], 5.0, 1.0),
        ([FULL, REJECTED, CUT], 10 / 3, 8 / 12),
        ([EMPTY, Round(2, 0, 1), Round(6, 6, 7)], 3.0, 6 / 8),  # not the mean of the rates 0 and 1
    ],
)
def test_statistics_by_hand(rounds, per_call, rate):
    assert tokens_per_call(rounds) == pytest.approx(per_call)
    assert acceptance_rate(rounds) == pytest.approx(rate)


def test_every_emitted_token_has_a_label():
    assert labels([FULL, REJECTED, CUT, EMPTY]) == [
        *[(0, "accepted")] * 4, (0, "bonus"),
        (1, "accepted"), (1, "corrected"),
        *[(2, "accepted")] * 3,  # cut: the target's own token did not fit
        (3, "bonus"),
    ]
    assert labels([]) == []


def test_a_trace_sums_up_its_rounds():
    trace = Trace(prompt_length=7, rounds=[FULL, REJECTED], target_calls=2, draft_calls=8, seconds=0.5)
    assert trace.new_tokens == 7 and trace.tokens_per_second == 14
    assert trace.tokens_per_call == 3.5 and trace.acceptance_rate == 5 / 8
    assert Trace(prompt_length=7).tokens_per_second == 0.0


def test_rounds_and_results_compare_by_value_and_cannot_be_changed():
    assert Round(4, 1, 2) == REJECTED
    with pytest.raises(AttributeError):
        REJECTED.accepted = 2
    done = Decoded(torch.tensor([1, 2]), [FULL])
    with pytest.raises(AttributeError):
        done.ids = None
