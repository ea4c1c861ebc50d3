"""Formulas of speculation: held against rounds, tables of papers, and each other."""

import itertools
import math

import pytest
import torch

from specdec_course import sampling, theory
from specdec_course.theory import Candidate, best_k, choose_draft, estimate_alpha, expected_tokens, speedup

ALPHAS = (0.0, 0.1, 0.37, 0.5, 0.8, 0.95, 0.999, 1.0)


class TestExpectedTokens:
    @pytest.mark.parametrize("alpha", ALPHAS)
    @pytest.mark.parametrize("k", [0, 1, 2, 5, 9])
    def test_it_is_the_mean_of_a_rounds_exact_law(self, alpha, k):
        def emitted(dice):
            return next((place + 1 for place in range(k) if not dice.flip(alpha)), k + 1)

        law = sampling.exact_law(emitted)
        assert expected_tokens(alpha, k) == pytest.approx(sum(n * p for n, p in law.items()), rel=1e-6)

    @pytest.mark.parametrize("alpha, k, tau", [(0.6, 2, 1.96), (0.7, 3, 2.53), (0.8, 2, 2.44), (0.8, 5, 3.69),
                                               (0.9, 2, 2.71), (0.9, 10, 6.86)])  # fmt: skip
    def test_the_table_of_leviathan(self, alpha, k, tau):
        assert round(expected_tokens(alpha, k), 2) == tau

    def test_it_grows_with_alpha_and_with_k_up_to_its_ceiling(self):
        for alpha in ALPHAS[1:-1]:
            taus = [expected_tokens(alpha, k) for k in range(30)]
            assert taus == sorted(taus) and taus[-1] <= 1 / (1 - alpha) + 1e-12
        for k in range(1, 6):
            taus = [expected_tokens(alpha, k) for alpha in ALPHAS]
            assert taus == sorted(taus) and taus[0] == 1 and taus[-1] == k + 1


class TestSpeedup:
    def test_nothing_drafted_is_plain_decoding(self):
        assert all(speedup(alpha, 0, c) == 1 for alpha in ALPHAS for c in (0.0, 0.2, 3.0))

    def test_a_free_perfect_draft_and_one_as_slow_as_the_target(self):
        assert speedup(1.0, 4, 0.0) == 5 and speedup(1.0, 4, 1.0) == 1 and speedup(0.0, 4, 0.25) == 0.5

    def test_at_one_token_drafting_pays_exactly_if_alpha_is_above_c(self):
        for alpha, c in itertools.product(ALPHAS, ALPHAS):
            assert (speedup(alpha, 1, c) > 1) == (alpha > c)

    def test_every_cost_slows_down(self):
        base = speedup(0.8, 4, 0.1)
        assert base > speedup(0.8, 4, 0.11) and base > speedup(0.8, 4, 0.1, 1.1) and base > speedup(0.8, 4, 0.1, 1, 0.1)
        assert speedup(0.8, 4, 0.1, 1.1, 0.2) == pytest.approx(expected_tokens(0.8, 4) / 1.7)


class TestBestK:
    @pytest.mark.parametrize("c, row", [(0.01, (5, 7, 9, 14, 24, 40)), (0.05, (3, 4, 6, 8, 13, 21)),
                                        (0.1, (2, 3, 4, 6, 10, 15)), (0.2, (1, 2, 3, 4, 7, 10)),
                                        (0.3, (1, 1, 2, 3, 5, 8))])  # fmt: skip
    def test_a_table_worked_out_beforehand(self, c, row):
        """At (0.5, 0.2) k = 1 and k = 2 are equally fast: the smaller one."""
        assert tuple(best_k(alpha, c) for alpha in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)) == row

    def test_it_is_the_best_of_all(self):
        generator = torch.Generator().manual_seed(0)
        for alpha, c in torch.rand(200, 2, generator=generator, dtype=torch.float64).tolist():
            best = best_k(alpha, c, k_max=40)
            assert speedup(alpha, best, c) >= max(speedup(alpha, k, c) for k in range(41)) - 1e-9

    @pytest.mark.parametrize("alpha, c", [(0.5, 0.5), (0.25, 0.25), (1.0, 1.0), (0.0, 0.0), (0.3, 0.4), (0.818, 0.86)])
    def test_zero_where_nothing_is_gained(self, alpha, c):
        assert best_k(alpha, c) == 0

    def test_the_longest_allowed_is_allowed(self):
        assert best_k(1.0, 0.1, 7) == 7 and best_k(0.9, 0.01, 0) == 0 and best_k(1.0, 0.01) == 64


class TestEstimateAlpha:
    def test_it_is_where_the_likelihood_is_largest(self):
        accepted, drafted = [1, 4, 0, 2, 3, 0], [4, 4, 4, 2, 5, 0]

        def likelihood(alpha):
            return sum(a * math.log(alpha) + (math.log(1 - alpha) if a < d else 0)
                       for a, d in zip(accepted, drafted, strict=True))  # fmt: skip

        found = estimate_alpha(accepted, drafted)
        assert found == pytest.approx(10 / 13)
        assert all(likelihood(found) > likelihood(found + step) for step in (-0.05, -0.001, 0.001, 0.05))

    @pytest.mark.parametrize("k", [1, 3, 12])
    def test_a_longer_draft_does_not_change_it(self, k):
        coins = torch.rand(20_000, k, generator=torch.Generator().manual_seed(k)) < 0.7
        accepted = coins.int().cumprod(1).sum(1).tolist()
        assert estimate_alpha(accepted, [k] * len(accepted)) == pytest.approx(0.7, abs=0.015)

    def test_extremes_and_nothing(self):
        assert estimate_alpha([3, 3], [3, 3]) == 1 and estimate_alpha([0, 0], [3, 1]) == 0
        assert estimate_alpha([], []) == 0 and estimate_alpha([0], [0]) == 0

    def test_lists_of_unequal_length_are_refused(self):
        with pytest.raises(ValueError):
            estimate_alpha([1], [2, 2])


class TestChooseDraft:
    CANDIDATES = [Candidate("tiny", 0.35, 0.02), Candidate("small", 0.75, 0.08), Candidate("big", 0.9, 0.45)]

    def test_neither_the_cheapest_nor_the_most_accurate(self):
        name, k, gain = choose_draft(self.CANDIDATES)
        assert (name, k) == ("small", best_k(0.75, 0.08)) and gain == speedup(0.75, k, 0.08)

    def test_it_is_the_best_over_candidates_and_lengths(self):
        generator = torch.Generator().manual_seed(1)
        for _ in range(40):
            rows = torch.rand(4, 2, generator=generator, dtype=torch.float64).tolist()
            candidates = [Candidate(str(i), alpha, c) for i, (alpha, c) in enumerate(rows)]
            brute = max(speedup(one.alpha, k, one.c) for one in candidates for k in range(65))
            name, k, gain = choose_draft(candidates)
            assert gain == pytest.approx(brute) and gain == speedup(rows[int(name)][0], k, rows[int(name)][1])

    def test_nothing_pays(self):
        assert choose_draft([Candidate("eager", 0.818, 0.86)]) == ("eager", 0, 1.0)

    def test_no_candidates(self):
        with pytest.raises(ValueError, match="no candidates.*expected at least one"):
            choose_draft([])


def test_the_docstrings_of_the_exercises_are_contracts():
    for function in (expected_tokens, speedup, best_k, estimate_alpha, choose_draft):
        assert "Args:" in function.__doc__ and "Returns:" in function.__doc__, function.__name__
    assert theory.Candidate("a", 0.5, 0.1).alpha == 0.5
