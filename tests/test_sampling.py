"""Dice, exact_law and next_token_distribution."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specdec_course.sampling import Dice, Sampling, exact_law, next_token_distribution

LOGITS = st.lists(st.floats(-8, 8), min_size=1, max_size=9).map(torch.tensor)
QUICK = settings(max_examples=60, deadline=None)


def test_exact_law_follows_every_branch():
    def two_coins(dice):
        first = dice.flip(0.5)
        return int(first) + int(dice.flip(0.9) if first else dice.flip(0.2))

    assert exact_law(two_coins) == pytest.approx({0: 0.4, 1: 0.15, 2: 0.45})


def test_impossible_branches_are_not_followed():
    law = exact_law(lambda dice: (dice.flip(1.0), dice.flip(0.0), dice.roll(torch.tensor([0.0, 1.0, 0.0]))))
    assert law == {(True, False, 1): 1.0}


@QUICK
@given(LOGITS, LOGITS)
def test_law_of_two_rolls_is_the_product(a, b):
    p, q = a.softmax(-1), b.softmax(-1)
    law = exact_law(lambda dice: torch.tensor([dice.roll(p), dice.roll(q)]))
    for (x, y), mass in law.items():
        assert mass == pytest.approx(float(p[x] * q[y]), abs=1e-6)
    assert math.fsum(law.values()) == pytest.approx(1.0, abs=1e-6)


def test_flips_and_draw_have_the_law_of_flip_and_roll():
    p = torch.tensor([0.2, 0.5, 0.3])
    assert exact_law(lambda dice: dice.draw(p)) == pytest.approx({(0,): 0.2, (1,): 0.5, (2,): 0.3})
    law = exact_law(lambda dice: dice.flips(torch.tensor([0.25, 0.5])))
    assert law[True, False] == pytest.approx(0.125)


def test_a_procedure_with_its_own_randomness_is_found_out():
    def cheats(dice):
        return dice.flip(0.5) and torch.rand(()) < 0.5 and dice.roll(torch.ones(3) / 3)

    with pytest.raises(ValueError, match="repeat itself"):
        for _ in range(50):
            exact_law(cheats)


def test_an_endless_procedure_ends():

    def endless(dice):
        for _ in range(40):
            dice.roll(torch.ones(4) / 4)

    with pytest.raises(ValueError, match="more than 200 branches"):
        exact_law(endless, limit=200)


def test_real_dice_follow_their_probabilities():
    dice = Dice(torch.Generator().manual_seed(3))
    n = 4000
    assert abs(sum(dice.flip(0.3) for _ in range(n)) / n - 0.3) < 0.03
    rolls = torch.tensor([dice.roll(torch.tensor([0.1, 0.6, 0.3])) for _ in range(n)])
    assert torch.allclose(rolls.bincount() / n, torch.tensor([0.1, 0.6, 0.3]), atol=0.03)
    flips = dice.flips(torch.full((n,), 0.3))
    assert abs(float(flips.float().mean()) - 0.3) < 0.03


def test_dice_repeat_with_their_seed():
    def rolls(seed):
        dice = Dice(torch.Generator().manual_seed(seed))
        return [dice.roll(torch.ones(50) / 50) for _ in range(8)]

    assert rolls(1) == rolls(1) != rolls(2)


@pytest.mark.parametrize("value", [math.nan, -0.1])
def test_flip_refuses_what_is_no_probability(value):
    with pytest.raises(ValueError, match="expected a probability"):
        Dice().flip(value)


def test_flip_takes_tensors_and_round_off():
    assert Dice().flip(torch.tensor(1.0000002)) is True
    assert Dice().flip(-1e-9) is False


@pytest.mark.parametrize("row", [[0.5, 0.6], [0.2, 0.2], [math.nan, 1.0], [1.5, -0.5]])
def test_roll_refuses_what_is_no_distribution(row):
    with pytest.raises(ValueError, match="normalise"):
        Dice().roll(torch.tensor(row))


def test_roll_takes_float_types_and_round_off():
    for dtype in (torch.float64, torch.float32):
        assert Dice().roll(torch.tensor([0.0, 1 + 1e-7], dtype=dtype)) == 1
    with pytest.raises(ValueError, match="one row"):
        Dice().roll(torch.ones(1, 1))


@QUICK
@given(LOGITS, st.floats(0.1, 4), st.integers(1, 10), st.floats(0, 1))
def test_filters_keep_the_likeliest_and_rescale(logits, temperature, top_k, top_p):
    before = logits.clone()
    plain = next_token_distribution(logits, temperature)
    probs = next_token_distribution(logits, temperature, top_k, top_p)
    assert torch.equal(before, logits)
    assert float(probs.sum()) == pytest.approx(1, abs=1e-5)
    kept = probs > 0
    assert kept.any()
    if not kept.all():
        assert plain[kept].min() >= plain[~kept].max() - 1e-6
    ratio = probs[kept] / plain[kept]
    assert torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-4)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.0, 1), (0.3, 1), (0.45, 1), (0.47, 2), (0.6, 2), (0.8, 3), (0.9, 4), (1.0, 4)]
)
def test_the_token_that_crosses_top_p_stays(top_p, kept):
    probs = next_token_distribution(torch.tensor([0.16, 0.46, 0.12, 0.26]).log(), 1.0, None, top_p)
    assert int((probs > 0).sum()) == kept


def test_order_is_temperature_then_top_k_then_top_p():
    logits = torch.tensor([0.4, 0.25, 0.15, 0.12, 0.08]).log()
    assert int((next_token_distribution(logits, 1.0, 2, 0.6) > 0).sum()) == 1
    assert int((next_token_distribution(logits, 0.5, None, 0.55) > 0).sum()) == 1


def test_rows_are_independent():
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    for args in ((0.0, None, None), (0.7, 3, None), (0.7, None, 0.6), (1.3, 4, 0.8)):
        whole = next_token_distribution(logits, *args)
        for i in range(2):
            for j in range(3):
                assert torch.allclose(whole[i, j], next_token_distribution(logits[i, j], *args), atol=1e-6)


def test_temperature_zero_takes_the_first_of_the_largest():
    assert next_token_distribution(torch.tensor([1.0, 3.0, 3.0]), 0.0, 2, 0.1).tolist() == [0, 1, 0]


@pytest.mark.parametrize("bad", [{"temperature": -1}, {"temperature": math.nan}, {"top_k": 0}, {"top_p": 1.2}])
def test_sampling_refuses_nonsense(bad):
    with pytest.raises(ValueError, match="expected"):
        Sampling(**bad)
