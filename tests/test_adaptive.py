"""The rules of adaptive drafting against brute force and closed forms, and what they may and may not do to the law."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specdec_course.checks.stages import toys
from specdec_course.checks.unit07.texts import drawn, one_round
from specdec_course.decoding.adaptive import (
    AcceptanceTracker,
    bild_policy,
    confident_prefix,
    heuristic_schedule,
    optimal_stop,
)
from specdec_course.drafters import ModelDrafter
from specdec_course.figures import adaptive as figures
from specdec_course.measure.pairing import cost_of_drafting, cost_of_verifying, largest_trial, thinned
from specdec_course.measure.reach import CoinText, DraftedText
from specdec_course.models import load_pair
from specdec_course.sampling import Sampling, exact_law
from specdec_course.theory import best_k
from specdec_course.trace import Round

chances = st.lists(st.floats(0, 1), max_size=12)
costs = st.tuples(st.floats(0, 2), st.floats(0.25, 4), st.floats(0, 2))  # c, verify_cost, overhead


def rates(survival, c, verify_cost, overhead):
    later = [
        (1 + math.fsum(survival[:k])) / (k * c + verify_cost + overhead) for k in range(1, len(survival) + 1)
    ]
    return [1 / (1 + overhead), *later]


@settings(max_examples=500, deadline=None)
@given(chances, costs)
def test_the_marginal_rule_finds_the_best_of_all_lengths(survival, cost):
    survival = sorted(survival, reverse=True)
    k, every = optimal_stop(survival, *cost), rates(survival, *cost)
    assert every[k] >= max(every) - 1e-12
    assert k == 0 or every[k] >= max(every[:k]) - 1e-12


def test_of_equal_lengths_it_takes_the_smallest():
    assert optimal_stop([0.5], 0.5) == 0 and optimal_stop([1.0, 1.0], 1.0) == 0
    assert optimal_stop([1.0, 0.5, 0.25], 0.25, 0.75) == 1 and optimal_stop([1.0, 0.5, 0.0, 0.0], 0.0) == 2


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("c", [0.02, 0.05, 0.1, 0.3, 0.6])
def test_with_a_constant_alpha_it_is_the_best_k_of_unit_06(alpha, c):
    assert optimal_stop([alpha ** (i + 1) for i in range(64)], c) == best_k(alpha, c)


@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 10), st.integers(0, 10))
def test_the_schedule_stays_in_its_range_and_never_gets_stuck(k, k_max, accepted, more):
    after = heuristic_schedule(k, accepted, accepted + more, k_max)
    assert 1 <= after <= k_max
    for _ in range(k_max):
        after = heuristic_schedule(after, after, after, k_max)
    assert after == k_max


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0, 1))
def test_a_prefix_is_never_longer_than_what_is_confident(confidences, threshold):
    n = confident_prefix(confidences, threshold)
    assert all(c >= threshold for c in confidences[:n])
    assert n == len(confidences) or confidences[n] < threshold


def test_the_tracker_finds_a_constant_alpha_and_follows_a_change():
    generator = torch.Generator().manual_seed(0)
    tracker = AcceptanceTracker(half_life=128)
    for alpha in (0.8, 0.3):
        seen = []
        for number in range(1600):
            accepted = 0
            while accepted < 5 and torch.rand((), generator=generator) < alpha:
                accepted += 1
            tracker.update(accepted, 5 - accepted)
            if number >= 800:
                seen.append(tracker.alpha)
        assert sum(seen) / len(seen) == pytest.approx(alpha, abs=0.03)


def test_half_of_the_evidence_is_left_after_one_half_life():
    tracker = AcceptanceTracker(half_life=10)
    tracker.update(8, 0)
    tracker.update(9, 1)
    assert (tracker.accepted, tracker.rejected) == (pytest.approx(8 * 0.5 + 9), 1)


def test_the_policy_of_the_little_decoder():
    assert bild_policy([0.9, 0.2], [0.5, 0.01], 0.5, 0.1) == (True, [1])
    assert bild_policy([0.9, 0.2], [0.05, 0.9], 0.5, 0.1) == (True, [0, 1])
    assert bild_policy([0.2, 0.9], [0.05, 0.9], 0.5, 0.1) == (False, [])
    assert bild_policy([0.9, 0.2], [], 0.5, 0.1) == (True, [])


# Laws ---------------------------------------------------------------------------------------------------------------


def adaptive_text(target, drafter, length, next_k, dice):
    """A text written with draft lengths that `next_k(k, accepted, drafted)` chooses after every round."""
    text, k = (), 2
    while len(text) < length:
        text, accepted = one_round(target, drafter, text, *drawn(drafter, text, k, dice), dice)
        k = next_k(k, accepted, k)
    return text[:length]


def tracked(k, accepted, drafted):
    """Cost model on a tracker that has seen just this round."""
    tracker = AcceptanceTracker()
    tracker.update(accepted, drafted - accepted)
    return optimal_stop([tracker.alpha ** (i + 1) for i in range(3)], 0.2)


@pytest.mark.parametrize("next_k", [lambda k, a, d: heuristic_schedule(k, a, d, 3), tracked])
def test_a_draft_length_that_depends_on_earlier_rounds_leaves_the_law_alone(next_k):
    for seed in range(3):
        rng = torch.Generator().manual_seed(seed)
        target, drafter = toys.toy_rows(2, rng), toys.toy_rows(2, rng)
        law = exact_law(lambda dice, t=target, q=drafter: adaptive_text(t, q, 3, next_k, dice))
        assert toys.difference(law, toys.target_law(target, 3)) < 1e-6


def one_token(dice, look, drop):
    """One token of p = (.5, .3, .2) with q = (.6, .25, .15), threshold .2: looks "before" or "after" the draw."""
    target, drafter = toys.fixed_rows([0.5, 0.3, 0.2]), toys.fixed_rows([0.6, 0.25, 0.15])
    draft, q = toys.draw_draft(drafter, 1, dice)
    confidence = q[0].max() if look == "before" else q[0][draft[0]]
    kept = confident_prefix([confidence], 0.2) if drop else 1
    return one_round(target, drafter, (), draft[:kept], q[:kept], dice)[0][0]


def test_dropping_a_drawn_token_moves_the_law_and_stopping_before_the_draw_does_not():
    for look, drop, wanted in (
        ("before", True, (0.5, 0.3, 0.2)),
        ("after", False, (0.5, 0.3, 0.2)),
        ("after", True, (0.575, 0.345, 0.08)),
    ):
        law = exact_law(lambda dice, look=look, drop=drop: one_token(dice, look, drop))
        assert [law[i] for i in range(3)] == pytest.approx(wanted, abs=1e-6)


def test_a_draft_length_taken_from_the_round_itself_moves_the_law():
    """Whoever looks at which tokens were accepted, and only then decides how many had been drafted, changes the law."""
    rng = torch.Generator().manual_seed(0)
    target, drafter = toys.toy_rows(2, rng), toys.toy_rows(2, rng)

    def procedure(dice):
        text, accepted = one_round(target, drafter, (), *drawn(drafter, (), 1, dice), dice)
        if accepted == 0:  # "then let us say that nothing was drafted": the correction is dropped, p draws anew
            text = (dice.roll(target(())),)
        return text[:1]

    assert toys.difference(exact_law(procedure), toys.target_law(target, 1)) > 1e-3


# On the bundled pair --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair():
    return load_pair("classroom")


def test_a_drafter_asks_its_rule_before_each_token_and_drafts_no_further(pair):
    asked, ids = [], pair.tokenizer(" = Veldrin = \n", return_tensors="pt").input_ids[0]

    def two(sure):
        asked.append(list(sure))
        return len(sure) < 3

    draft = ModelDrafter(pair.draft, goes_on=two).propose(ids, 8, Sampling(), None).ids
    alone = ModelDrafter(pair.draft).propose(ids, 2, Sampling(), None).ids
    assert torch.equal(draft, alone) and [len(sure) for sure in asked] == [1, 2, 3]
    assert asked[1] == asked[2][:2] and all(0 < x <= 1 for x in asked[2])
    for threshold in (0.2, 0.9):
        given = ModelDrafter(pair.draft, confidence=threshold)
        rule = ModelDrafter(pair.draft, goes_on=lambda sure, threshold=threshold: sure[-1] >= threshold)
        assert torch.equal(given.propose(ids, 8, Sampling(), None).ids, rule.propose(ids, 8, Sampling(), None).ids)


def test_the_reach_is_what_a_round_that_begins_there_accepts(pair):
    text = DraftedText(pair, pair.tokenizer(" = Veldrin = \n", return_tensors="pt").input_ids[0], 4, new_tokens=12)
    assert len(text.reach) == len(text.sure) == len(text.ids) - text.start == 12
    for i, (reach, sure) in enumerate(zip(text.reach, text.sure, strict=True)):
        place = text.start + i
        guesses = ModelDrafter(pair.draft).propose(text.ids[:place], 4, Sampling(), None).ids
        truth = text.ids[place : place + 4]
        agree = (guesses[: len(truth)] == truth).long().cumprod(0).sum()
        assert reach == agree and len(sure) == 4


def test_costs_are_in_steps_of_the_target_and_the_trial_without_a_gpu_is_at_hand(pair):
    trial = largest_trial(pair, hurry=True)
    assert trial.pair is pair and trial.ks == (3, 5) and not trial.on_gpu and len(trial.prompts) == 2
    assert cost_of_drafting(pair.target, trial.drafter, trial.prompts[0], repeats=2) > 0
    costs = cost_of_verifying(pair.target, trial.prompts[0], (1, 3), repeats=2)
    assert set(costs) == {1, 3} and min(costs.values()) > 0


# Pictures -----------------------------------------------------------------------------------------------------------


def is_drawn(figure):
    return figure._repr_png_().startswith(b"\x89PNG")


def test_the_pictures_are_drawn_in_ordinary_and_in_empty_cases():
    rounds = [Round(4, 4, 5), Round(0, 0, 1), Round(3, 0, 1), Round(2, 2, 2)]
    assert is_drawn(figures.rounds_along_text({"one": rounds, "other": rounds[:1]}, limit=4))
    for reach in ([3, 2, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]):
        assert is_drawn(figures.reach_along_text([" a", "$5", "\n", ""], reach))
    assert is_drawn(figures.trust([0.0, 0.3, 1.0], [True, False, True]))
    curves = {"short": [0.5, 0.6], "long": [0.5, 0.4]}
    assert is_drawn(figures.alpha_along_text([1, 5], curves, [(0, True), (3, False)]))
    for k in (0, 1, 3):
        assert is_drawn(figures.steepest_line([0.8, 0.5, 0.1], 0.2, 1.3, 0.1, k))
    results = {"cheap": {"fixed": 2.0, "rule": 1.9}, "dear": {"fixed": 1.1, "rule": 1.2}}
    assert is_drawn(figures.rule_bars(results, "fixed"))
    assert is_drawn(figures.bild_tradeoff([("0, 0", 0.0, 1.0)], {"plain": 1.0}))
    assert is_drawn(figures.bild_tradeoff([("0, 0", 0.0, 0.6), ("1, 1", 1.0, 0.9)], {"plain": 1.0, "k = 4": 0.3}))


def test_a_text_of_coins_is_equally_hard_everywhere():
    assert CoinText(0.0, 4, places=9).reach == [0] * 9 and CoinText(1.0, 4, places=6).reach == [4, 4, 4, 3, 2, 1]
    reach = CoinText(0.8, 16).reach
    assert abs(sum(n > 0 for n in reach) / len(reach) - 0.8) < 0.02
    assert all(n == min(16, behind + 1) or n == 0 for n, behind in zip(reach, reach[1:], strict=False) if n < 16)


def test_a_thinned_model_keeps_layers_of_both_ends_and_leaves_the_whole_one_alone(pair):
    whole, thin = pair.target.model.layers, thinned(pair.target, 5)
    assert thin.config.num_hidden_layers == len(thin.model.layers) == 5 and len(whole) == 12
    for mine, place in zip(thin.model.layers, (0, 1, 2, 10, 11), strict=True):
        assert torch.equal(mine.mlp.down_proj.weight, whole[place].mlp.down_proj.weight)
    assert [layer.self_attn.layer_idx for layer in thin.model.layers] == [0, 1, 2, 3, 4]
