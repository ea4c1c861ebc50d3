"""What a speed-up is explained with: the cost of a round, and the prediction made of it."""

import pytest
import torch

from specdec_course.cache.static import WIDTHS
from specdec_course.decoding.engine import Output
from specdec_course.measure.prediction import LENGTHS, Costs, explain, mean_costs
from specdec_course.trace import Round, Trace

DRAFT = {1: 0.1, 2: 0.2, 4: 0.4, 8: 0.8, 16: 1.6}
VERIFY = {1: 1.1, 2: 1.2, 4: 1.3, 8: 1.7, 16: 2.5}


def costs(padded):
    return Costs(plain=1.0, prefill=3.0, draft_prefill=0.5, draft=DRAFT, verify=VERIFY, padded=padded)


def test_a_padded_pass_costs_what_the_next_width_costs():
    assert [costs(True).checking(k) for k in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16)] == [
        1.0, 1.1, 1.2, 1.3, 1.3, 1.7, 1.7, 1.7, 1.7, 2.5, 2.5]
    assert costs(True).checking(20) == 2.5


def test_where_nothing_is_padded_the_line_between_two_lengths_counts():
    assert costs(False).checking(6) == pytest.approx(1.5)
    assert costs(False).checking(3) == pytest.approx(1.25)


@pytest.mark.parametrize("padded", [False, True])
def test_drafting_is_never_padded(padded):
    assert costs(padded).drafting(6) == pytest.approx(0.6)
    assert costs(padded).round(6) == pytest.approx(0.6 + (1.7 if padded else 1.5))


def test_the_measured_lengths_are_those_that_the_compiled_engine_pads_to():
    assert not [w for w in WIDTHS if 2 < w <= max(LENGTHS) and w - 1 not in LENGTHS]


@pytest.mark.parametrize("padded", [False, True])
def test_a_prediction_is_the_sum_of_its_rounds(padded):
    rounds = [Round(6, 6, 7), Round(6, 2, 3), Round(3, 0, 1), Round(0, 0, 1)]
    out = Output(torch.zeros(5 + 12, dtype=torch.long), Trace(5, rounds))
    check = costs(padded).checking
    spent = (3.0 + 0.5 + 0.6) + (0.6 + check(6)) + (0.3 + check(3)) + 1.0
    why = explain("a row", [out], 1.5, costs(padded), overlap=0.9)
    assert why.predicted == pytest.approx((3.0 + 11 * 1.0) / spent)
    assert why.eta == pytest.approx(1.5 / why.predicted)
    assert why.k == 5.0 and why.v == pytest.approx((check(6) * 2 + check(3)) / 3)


def test_of_several_texts_the_median_is_predicted_as_it_is_measured():
    def text(rounds, per_round):
        return Output(torch.zeros(5 + rounds * per_round, dtype=torch.long),
                      Trace(5, [Round(4, per_round - 1, per_round)] * rounds))

    outs = [text(30, 1), text(10, 3), text(6, 5)]  # one text takes most of the time
    single = [explain("a row", [out], 1.0, costs(True), overlap=0.9).predicted for out in outs]
    assert explain("a row", outs, 1.0, costs(True), overlap=0.9).predicted == sorted(single)[1]


def test_the_mean_of_costs_stays_padded():
    assert mean_costs([costs(True), costs(True)]) == costs(True)
    assert not mean_costs([costs(False)]).padded
