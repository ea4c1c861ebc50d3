"""Unit 07: right answers written in other ways, and the mistakes that students make."""

import itertools
import math
import random
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce

import numpy as np
import torch

from answers import right, wrong

# heuristic_schedule -------------------------------------------------------------------------------------------------


@right("heuristic_schedule")
def with_branches(k, n_accepted, n_drafted, k_max):
    if n_drafted > 0 and n_accepted != n_drafted:
        k -= 1
    else:
        k += 2
    if k < 1:
        return 1
    if k > k_max:
        return k_max
    return k


@right("heuristic_schedule")
def with_clip(k, n_accepted, n_drafted, k_max):
    return np.clip(k + (2 if n_accepted >= n_drafted else -1), 1, k_max)  # a numpy integer


@right("heuristic_schedule")
def as_a_tensor(k, n_accepted, n_drafted, k_max):
    return torch.where(torch.tensor(n_accepted < n_drafted), k - 1, k + 2).clamp(1, k_max)


@right("heuristic_schedule")
def sorted_in_the_middle(k, n_accepted, n_drafted, k_max):
    rejected = n_drafted - n_accepted
    return sorted([1, k + 2 - 3 * bool(rejected), k_max])[1]


@right("heuristic_schedule")
def as_a_float(k, n_accepted, n_drafted, k_max):
    share = n_accepted / n_drafted if n_drafted else 1.0
    return float(min(k_max, k + 2) if share == 1.0 else max(1, min(k - 1, k_max)))


@wrong("heuristic_schedule", named="stuck_at_zero")
def falls_to_zero(k, n_accepted, n_drafted, k_max):
    return min(k_max, k + 2) if n_accepted == n_drafted else min(k_max, k - 1)


@wrong("heuristic_schedule", named="stuck_at_zero")
def not_below_zero(k, n_accepted, n_drafted, k_max):
    return int(np.clip(k + 2 if n_accepted == n_drafted else k - 1, 0, k_max))


@wrong("heuristic_schedule", named="unbounded")
def without_an_upper_end(k, n_accepted, n_drafted, k_max):
    return k + 2 if n_accepted == n_drafted else max(1, k - 1)


@wrong("heuristic_schedule", named="unbounded")
def without_any_end(k, n_accepted, n_drafted, k_max):
    return k + 2 if n_accepted == n_drafted else max(k - 1, 0)


@wrong("heuristic_schedule", named="judged_by_k")
def compares_with_k(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, k + 2 if n_accepted == k else k - 1))


@wrong("heuristic_schedule", named="any_acceptance")
def any_token_is_enough(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, k + 2 if n_accepted else k - 1))


@wrong("heuristic_schedule", named="nothing_is_failure")
def an_empty_draft_is_a_failure(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, k + 2 if n_accepted and n_accepted == n_drafted else k - 1))


@wrong("heuristic_schedule", says="n_drafted may be 0")
def divides(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, k + 2 if n_accepted / n_drafted == 1 else k - 1))


@wrong("heuristic_schedule", named="from_drafted")
def steps_from_what_was_drafted(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, n_drafted + 2 if n_accepted == n_drafted else n_drafted - 1))


@wrong("heuristic_schedule", named="from_drafted")
def steps_from_what_was_accepted(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, n_accepted + 2 if n_accepted == n_drafted else n_accepted - 1))


@wrong("heuristic_schedule", named="wrong_steps")
def one_up_two_down(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, k + 1 if n_accepted == n_drafted else k - 2))


@wrong("heuristic_schedule", named="wrong_steps")
def up_and_down_swapped(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, k + 2 if n_accepted < n_drafted else k - 1))


@wrong("heuristic_schedule", named="doubles")
def doubles(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max, 2 * k if n_accepted == n_drafted else k // 2))


@wrong("heuristic_schedule", named="cut_first")
def cut_before_the_step(k, n_accepted, n_drafted, k_max):
    k = max(1, min(k, k_max))
    return k + 2 if n_accepted == n_drafted else k - 1


@wrong("heuristic_schedule", named="starts_again")
def starts_again_at_one(k, n_accepted, n_drafted, k_max):
    return min(k_max, k + 2) if n_accepted == n_drafted else 1


@wrong("heuristic_schedule", named="end_left_out")
def k_max_is_out_of_reach(k, n_accepted, n_drafted, k_max):
    return max(1, min(k_max - 1, k + 2 if n_accepted == n_drafted else k - 1))


@wrong("heuristic_schedule", named="step_left_out")
def stays_where_it_is_at_the_end(k, n_accepted, n_drafted, k_max):
    wanted = k + 2 if n_accepted == n_drafted else k - 1
    return wanted if 1 <= wanted <= k_max else k


@wrong("heuristic_schedule", named="own_randomness")
def tries_its_luck(k, n_accepted, n_drafted, k_max):
    return random.randint(1, k_max)


# confident_prefix ---------------------------------------------------------------------------------------------------


@right("confident_prefix")
def takewhile(confidences, threshold):
    return len(list(itertools.takewhile(lambda confidence: confidence >= threshold, confidences)))


@right("confident_prefix")
def cumprod(confidences, threshold):
    return (torch.as_tensor(confidences) >= threshold).long().cumprod(0).sum()  # a 0-d tensor


@right("confident_prefix")
def numpy_with_a_sentinel(confidences, threshold):
    return np.argmax(np.append(np.asarray(confidences), -np.inf) < threshold)


@right("confident_prefix")
def while_loop(confidences, threshold):
    n = 0
    while n < len(confidences) and not confidences[n] < threshold:
        n += 1
    return n


@right("confident_prefix")
def running_minimum(confidences, threshold):
    """The lowest confidence so far never rises: count those that are not below the threshold."""
    values = [float(c) for c in confidences]
    return sum(low >= threshold for low in itertools.accumulate(values, min))


@right("confident_prefix")
def first_of_the_bad_places(confidences, threshold):
    bad = (torch.as_tensor(confidences) < threshold).nonzero().flatten().tolist()
    return min(bad, default=len(confidences))


@right("confident_prefix")
def recursion(confidences, threshold):
    if len(confidences) == 0 or confidences[0] < threshold:
        return 0
    return 1 + recursion(confidences[1:], threshold)


@right("confident_prefix")
def bisection(confidences, threshold):
    low = list(itertools.accumulate((float(c) for c in confidences), min))
    return bisect_left([x < threshold for x in low], True)


@wrong("confident_prefix", named="counts_all")
def counts_every_sure_place(confidences, threshold):
    return sum(bool(c >= threshold) for c in confidences)


@wrong("confident_prefix", named="counts_all")
def counts_with_torch(confidences, threshold):
    return (torch.as_tensor(confidences) >= threshold).sum()


@wrong("confident_prefix", named="counts_all")
def up_to_the_last_sure_place(confidences, threshold):
    return max((i + 1 for i, c in enumerate(confidences) if c >= threshold), default=0)


@wrong("confident_prefix", named="stops_late")
def keeps_the_doubtful_one(confidences, threshold):
    for i, confidence in enumerate(confidences):
        if confidence < threshold:
            return i + 1
    return len(confidences)


@wrong("confident_prefix", named="drops_drawn")
def drops_the_last_sure_one(confidences, threshold):
    n = while_loop(confidences, threshold)
    return max(0, n - 1)


@wrong("confident_prefix", named="drops_drawn")
def drops_only_when_it_stops(confidences, threshold):
    n = while_loop(confidences, threshold)
    return n if n in (0, len(confidences)) else n - 1


@wrong("confident_prefix", named="drops_drawn")
def an_index_instead_of_a_number(confidences, threshold):
    last = -1
    for i, confidence in enumerate(confidences):
        if confidence < threshold:
            break
        last = i
    return max(last, 0)


@wrong("confident_prefix", named="no_doubt_no_draft")
def argmax_of_the_bad(confidences, threshold):
    bad = np.asarray(confidences) < threshold
    return int(bad.argmax()) if len(bad) else 0


@wrong("confident_prefix", says="There may be no place that is unsure")
def crashes_when_all_are_sure(confidences, threshold):
    return next(i for i, confidence in enumerate(confidences) if confidence < threshold)


@wrong("confident_prefix", says="may come as a tensor or as a list of floats")
def crashes_on_a_list(confidences, threshold):
    return int((confidences >= threshold).long().cumprod(0).sum())


@wrong("confident_prefix", named="stops_on_threshold")
def the_threshold_stops(confidences, threshold):
    return len(list(itertools.takewhile(lambda confidence: confidence > threshold, confidences)))


@wrong("confident_prefix", named="turned_round")
def stops_where_it_is_sure(confidences, threshold):
    return len(list(itertools.takewhile(lambda confidence: confidence < threshold, confidences)))


@wrong("confident_prefix", named="running")
def product_so_far(confidences, threshold):
    product, n = 1.0, 0
    for confidence in confidences:
        product *= float(confidence)
        if product < threshold:
            break
        n += 1
    return n


@wrong("confident_prefix", named="running")
def mean_so_far(confidences, threshold):
    total = 0.0
    for n, confidence in enumerate(confidences):
        total += float(confidence)
        if total / (n + 1) < threshold:
            return n
    return len(confidences)


@wrong("confident_prefix", named="at_least_one")
def at_least_one(confidences, threshold):
    return max(1, while_loop(confidences, threshold))


@wrong("confident_prefix", named="all_or_nothing")
def all_or_nothing(confidences, threshold):
    return len(confidences) if all(c >= threshold for c in confidences) else 0


@wrong("confident_prefix", says="is there a `return` at the end of every branch")
def forgets_the_end(confidences, threshold):
    for i, confidence in enumerate(confidences):
        if confidence < threshold:
            return i


@wrong("confident_prefix", says="Expected one number")
def returns_the_confidences(confidences, threshold):
    return confidences[: while_loop(confidences, threshold)]


# AcceptanceTracker --------------------------------------------------------------------------------------------------


@right("AcceptanceTracker")
class RewritesAnAttribute:
    """alpha is a plain attribute, set again by every update."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.a, self.b = prior
        self.half_life = half_life
        self.good = self.bad = 0.0
        self.alpha = self.a / (self.a + self.b)

    def update(self, accepted, rejected):
        bad = 1 if rejected > 0 else 0
        keep = math.exp(-math.log(2) * (accepted + bad) / self.half_life)
        self.good = self.good * keep + accepted
        self.bad = self.bad * keep + bad
        self.alpha = (self.a + self.good) / (self.a + self.b + self.good + self.bad)


@right("AcceptanceTracker")
class RemembersEveryRound:
    """Keeps all rounds and works the weights out when asked."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life, self.rounds = prior, half_life, []

    def update(self, accepted, rejected):
        self.rounds.append((accepted, int(rejected >= 1)))
        return self

    @property
    def alpha(self):
        a, b = self.prior
        later = 0
        for accepted, rejected in self.rounds[::-1]:
            weight = 2 ** (-later / self.half_life)
            a, b = a + weight * accepted, b + weight * rejected
            later += accepted + rejected
        return a / (a + b)


@right("AcceptanceTracker")
class WithATensor:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior = torch.tensor(prior, dtype=torch.float64)
        self.evidence = torch.zeros(2, dtype=torch.float64)
        self.half_life = half_life

    def update(self, accepted, rejected):
        new = torch.tensor([accepted, min(rejected, 1)], dtype=torch.float64)
        self.evidence.mul_(0.5 ** (new.sum() / self.half_life)).add_(new)

    @property
    def alpha(self):
        total = self.prior + self.evidence
        return total[0] / total.sum()


@right("AcceptanceTracker")
class WithNumpyAndAGrowingWeight:
    """Instead of old evidence fading, new evidence grows: the same after division."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life = np.array(prior, dtype=float), half_life
        self.sums, self.log_weight = np.zeros(2), 0.0

    def update(self, accepted, rejected):
        new = np.array([accepted, min(1, rejected)], dtype=float)
        self.log_weight += new.sum() / self.half_life
        self.sums += new * 2.0**self.log_weight

    @property
    def alpha(self):
        beta = self.prior + self.sums * 2.0**-self.log_weight
        return beta[0] / beta.sum()


@right("AcceptanceTracker")
class AlphaAndItsWeight:
    """Keeps the faded number of judged tokens and how many of them were accepted."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior_mean = prior[0] / sum(prior)
        self.prior_weight = sum(prior)
        self.half_life, self.judged, self.good = half_life, 0.0, 0.0

    def update(self, accepted, rejected):
        n = accepted + (rejected > 0)
        self.judged = self.judged * 0.5 ** (n / self.half_life) + n
        self.good = self.good * 0.5 ** (n / self.half_life) + accepted

    def __getattr__(self, name):
        if name != "alpha":
            raise AttributeError(name)
        return (self.prior_weight * self.prior_mean + self.good) / (self.prior_weight + self.judged)


class _Tracker:
    """A right tracker in pieces, for mutants to override."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.a, self.b = prior
        self.half_life, self.good, self.bad = half_life, 0.0, 0.0

    def fade(self, judged):
        factor = 0.5 ** (judged / self.half_life)
        self.good, self.bad = self.good * factor, self.bad * factor

    def update(self, accepted, rejected):
        rejected = min(rejected, 1)
        self.fade(accepted + rejected)
        self.good, self.bad = self.good + accepted, self.bad + rejected

    @property
    def alpha(self):
        return (self.a + self.good) / (self.a + self.b + self.good + self.bad)


@wrong("AcceptanceTracker", named="counts_censored")
class CountsWhatWasNeverJudged(_Tracker):
    def update(self, accepted, rejected):
        self.fade(accepted + rejected)
        self.good, self.bad = self.good + accepted, self.bad + rejected


@wrong("AcceptanceTracker", named="counts_censored")
class CountsItInTheSumOnly(_Tracker):
    def update(self, accepted, rejected):
        self.fade(accepted + min(rejected, 1))
        self.good, self.bad = self.good + accepted, self.bad + rejected


@wrong("AcceptanceTracker", named="fades_by_drafted")
class LetsItFade(_Tracker):
    def update(self, accepted, rejected):
        self.fade(accepted + rejected)
        self.good, self.bad = self.good + accepted, self.bad + min(rejected, 1)


@wrong("AcceptanceTracker", named="no_fading")
class NeverForgets(_Tracker):
    def fade(self, judged):
        pass


@wrong("AcceptanceTracker", named="prior_fades")
class ForgetsThePrior(_Tracker):
    def fade(self, judged):
        super().fade(judged)
        factor = 0.5 ** (judged / self.half_life)
        self.a, self.b = self.a * factor, self.b * factor


@wrong("AcceptanceTracker", named="prior_fades")
class StartsFromThePrior:
    """The usual way to write it: the two numbers begin at the prior and fade as a whole."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.a, self.b = prior
        self.half_life = half_life

    def update(self, accepted, rejected):
        rejected = min(rejected, 1)
        factor = 0.5 ** ((accepted + rejected) / self.half_life)
        self.a, self.b = self.a * factor + accepted, self.b * factor + rejected

    @property
    def alpha(self):
        return self.a / (self.a + self.b)


@wrong("AcceptanceTracker", named="fades_by_rounds")
class CountsTheHalfLifeInRounds(_Tracker):
    def fade(self, judged):
        super().fade(1)


@wrong("AcceptanceTracker", named="fades_the_new")
class FadesTheNewRoundToo(_Tracker):
    def update(self, accepted, rejected):
        rejected = min(rejected, 1)
        self.good, self.bad = self.good + accepted, self.bad + rejected
        self.fade(accepted + rejected)


@wrong("AcceptanceTracker", named="token_by_token")
class FadesAfterEveryToken(_Tracker):
    def update(self, accepted, rejected):
        for _ in range(accepted):
            super().update(1, 0)
        if rejected:
            super().update(0, 1)


@wrong("AcceptanceTracker", named="e_fold")
class UsesTheExponential(_Tracker):
    def fade(self, judged):
        factor = math.exp(-judged / self.half_life)
        self.good, self.bad = self.good * factor, self.bad * factor


@wrong("AcceptanceTracker", named="mode")
class MostProbableAlpha(_Tracker):
    @property
    def alpha(self):
        a, b = self.a + self.good, self.b + self.bad
        return (a - 1) / (a + b - 2) if a + b > 2 else 0.5


@wrong("AcceptanceTracker", named="no_prior")
class AlwaysOneAndOne(_Tracker):
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__((1.0, 1.0), half_life)


@wrong("AcceptanceTracker", named="no_prior")
class NoPriorAtAll(_Tracker):
    @property
    def alpha(self):
        return self.good / (self.good + self.bad)


@wrong("AcceptanceTracker", named="turned_round")
class ChanceOfARejection(_Tracker):
    @property
    def alpha(self):
        return 1 - super().alpha


@wrong("AcceptanceTracker", named="alpha_is_method")
class AlphaIsAMethod(_Tracker):
    def alpha(self):
        return 0.5


@wrong("AcceptanceTracker", says="and then no @property")
class SetsAPropertyToo(_Tracker):
    def update(self, accepted, rejected):
        super().update(accepted, rejected)
        self.alpha = self.good / (self.good + self.bad)


_evidence = [0.0, 0.0]


@wrong("AcceptanceTracker", named="shared")
class OneForAll(_Tracker):
    """The evidence is shared by all trackers."""

    def update(self, accepted, rejected):
        self.good, self.bad = _evidence
        super().update(accepted, rejected)
        _evidence[:] = self.good, self.bad

    @property
    def alpha(self):
        self.good, self.bad = _evidence
        return super().alpha


@wrong("AcceptanceTracker", named="window")
class OnlyTheLastRounds(_Tracker):
    """A window instead of fading."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__(prior, half_life)
        self.window = deque(maxlen=half_life if half_life < 1e6 else None)

    def update(self, accepted, rejected):
        self.window += [1] * accepted + [0] * min(rejected, 1)
        self.good, self.bad = sum(self.window), len(self.window) - sum(self.window)


@wrong("AcceptanceTracker", named="forgets_to_store")
class ForgetsToStore(_Tracker):
    def update(self, accepted, rejected):
        good, bad = self.good + accepted, self.bad + min(rejected, 1)
        return good / (good + bad)


@wrong("AcceptanceTracker", named="counts_rounds")
class CountsRoundsNotTokens(_Tracker):
    def update(self, accepted, rejected):
        super().update(0 if rejected else 1, 1 if rejected else 0)


@wrong("AcceptanceTracker", says="alpha has to exist before the first update too")
class NoAlphaBeforeTheFirstUpdate:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.inner = _Tracker(prior, half_life)

    def update(self, accepted, rejected):
        self.inner.update(accepted, rejected)
        self.alpha = self.inner.alpha


@wrong("AcceptanceTracker", named="always_rejected")
class FullAcceptanceIsARejectionToo(_Tracker):
    def update(self, accepted, rejected):
        super().update(accepted, 1)


@wrong("AcceptanceTracker", named="reading_changes")
class ReadingChangesIt(_Tracker):
    @property
    def alpha(self):
        answer = super().alpha
        self.good += 1e-2
        return answer


# optimal_stop -------------------------------------------------------------------------------------------------------


@right("optimal_stop")
def brute_force(survival, c, verify_cost=1.0, overhead=0.0):
    best, best_rate = 0, 1 / (1 + overhead)
    for k in range(1, len(survival) + 1):
        rate = (1 + sum(float(s) for s in survival[:k])) / (k * c + verify_cost + overhead)
        if rate > best_rate:
            best, best_rate = k, rate
    return best


@right("optimal_stop")
def with_numpy(survival, c, verify_cost=1.0, overhead=0.0):
    gained = 1 + np.concatenate([[0], np.cumsum(np.asarray(survival, dtype=float))])
    spent = np.arange(len(gained)) * c + verify_cost + overhead
    spent[0] = 1 + overhead
    return np.argmax(gained / spent)


@right("optimal_stop")
def with_torch_in_float32(survival, c, verify_cost=1.0, overhead=0.0):
    survival = torch.as_tensor(survival, dtype=torch.float32)
    k = torch.arange(len(survival) + 1)
    gained = 1 + torch.cat([torch.zeros(1), survival.cumsum(0)])
    spent = torch.where(k == 0, 1 + overhead, k * c + verify_cost + overhead)
    return (gained / spent).argmax()


@right("optimal_stop")
def marginal_with_division(survival, c, verify_cost=1.0, overhead=0.0):
    gained, spent, k = 1.0, verify_cost + overhead, 0
    for s in survival:
        if k >= 1 and c > 0 and s / c <= gained / spent or k >= 1 and s == 0:
            break
        gained, spent, k = gained + s, spent + c, k + 1
    return k if k and gained / spent > 1 / (1 + overhead) else 0


@right("optimal_stop")
def from_the_end(survival, c, verify_cost=1.0, overhead=0.0):
    def rate(k):
        return (1 + sum(survival[:k])) / (k * c + verify_cost + overhead) if k else 1 / (1 + overhead)

    best = len(survival)
    for k in range(len(survival) - 1, -1, -1):
        if rate(k) >= rate(best):
            best = k
    return best


@right("optimal_stop")
def in_exact_fractions(survival, c, verify_cost=1.0, overhead=0.0):
    c, v, o = Fraction(c), Fraction(verify_cost), Fraction(overhead)
    chances = [Fraction(float(s)) for s in survival]
    rates = [(1 + sum(chances[:k])) / (k * c + v + o) if k else 1 / (1 + o) for k in range(len(chances) + 1)]
    return rates.index(max(rates))


@wrong("optimal_stop", named="ignores_draft_cost")
def most_tokens_per_round(survival, c, verify_cost=1.0, overhead=0.0):
    return len(survival)


@wrong("optimal_stop", named="compares_with_c")
def while_survival_is_above_c(survival, c, verify_cost=1.0, overhead=0.0):
    return sum(float(s) > c for s in survival)


@wrong("optimal_stop", named="stops_at_zero")
def climbs_from_zero(survival, c, verify_cost=1.0, overhead=0.0):
    k = 0

    def rate(n):
        return (1 + float(sum(survival[:n]))) / (n * c + verify_cost + overhead) if n else 1 / (1 + overhead)

    while k < len(survival) and rate(k + 1) > rate(k):
        k += 1
    return k


@wrong("optimal_stop", named="zero_is_special")
def verifies_nothing_at_full_price(survival, c, verify_cost=1.0, overhead=0.0):
    rates = [(1 + float(sum(survival[:k]))) / (k * c + verify_cost + overhead) for k in range(len(survival) + 1)]
    return rates.index(max(rates))


@wrong("optimal_stop", named="zero_is_special")
def marginal_rule_from_zero(survival, c, verify_cost=1.0, overhead=0.0):
    gained, spent, k = 1.0, verify_cost + overhead, 0
    while k < len(survival) and float(survival[k]) * spent > c * gained:
        gained, spent, k = gained + float(survival[k]), spent + c, k + 1
    return k


@wrong("optimal_stop", named="never_zero")
def at_least_one_token(survival, c, verify_cost=1.0, overhead=0.0):
    return max(1, brute_force(survival, c, verify_cost, overhead)) if len(survival) else 0


@wrong("optimal_stop", named="never_zero")
def never_compares_with_zero(survival, c, verify_cost=1.0, overhead=0.0):
    rates = [(1 + float(sum(survival[:k]))) / (k * c + verify_cost + overhead) for k in range(1, len(survival) + 1)]
    return 1 + rates.index(max(rates)) if rates else 0


@wrong("optimal_stop", named="forgets_own_token")
def without_the_targets_token(survival, c, verify_cost=1.0, overhead=0.0):
    rates = [float(sum(survival[:k])) / (k * c + verify_cost + overhead) for k in range(1, len(survival) + 1)]
    return 1 + rates.index(max(rates)) if rates else 0


@wrong("optimal_stop", named="multiplies_survival")
def takes_survival_for_alpha(survival, c, verify_cost=1.0, overhead=0.0):
    return brute_force(np.cumprod([float(s) for s in survival]).tolist(), c, verify_cost, overhead)


@wrong("optimal_stop", named="last_survival_only")
def all_or_nothing_rounds(survival, c, verify_cost=1.0, overhead=0.0):
    rates = [1 / (1 + overhead)]
    for k, s in enumerate(survival, start=1):
        rates.append((1 + k * float(s)) / (k * c + verify_cost + overhead))
    return rates.index(max(rates))


@wrong("optimal_stop", named="ignores_overhead")
def overhead_left_out(survival, c, verify_cost=1.0, overhead=0.0):
    return brute_force(survival, c, verify_cost, 0.0)


@wrong("optimal_stop", named="ignores_verify_cost")
def verify_cost_left_out(survival, c, verify_cost=1.0, overhead=0.0):
    return brute_force(survival, c, 1.0, overhead)


@wrong("optimal_stop", named="largest_of_equals")
def goes_on_while_it_does_not_get_worse(survival, c, verify_cost=1.0, overhead=0.0):
    best, best_rate = 0, 1 / (1 + overhead)
    for k in range(1, len(survival) + 1):
        rate = (1 + sum(float(s) for s in survival[:k])) / (k * c + verify_cost + overhead)
        if rate >= best_rate:
            best, best_rate = k, rate
    return best


@wrong("optimal_stop", named="off_by_one")
def returns_the_index(survival, c, verify_cost=1.0, overhead=0.0):
    return max(0, brute_force(survival, c, verify_cost, overhead) - 1)


@wrong("optimal_stop", named="off_by_one")
def includes_the_first_loss(survival, c, verify_cost=1.0, overhead=0.0):
    return min(len(survival), brute_force(survival, c, verify_cost, overhead) + 1)


@wrong("optimal_stop", says="c may be 0")
def divides_by_c(survival, c, verify_cost=1.0, overhead=0.0):
    gained, spent, k = 1.0, verify_cost + overhead, 0
    for s in survival:
        if k >= 1 and float(s) / c <= gained / spent:
            break
        gained, spent, k = gained + float(s), spent + c, k + 1
    return k if k and gained / spent > 1 / (1 + overhead) else 0


@wrong("optimal_stop", named="gain_minus_cost")
def speaks_of_gain_minus_cost(survival, c, verify_cost=1.0, overhead=0.0):
    gains = [0.0] + [float(sum(survival[:k])) - k * c - (verify_cost - 1) for k in range(1, len(survival) + 1)]
    return gains.index(max(gains))


@wrong("optimal_stop", says="survival may be empty")
def crashes_without_places(survival, c, verify_cost=1.0, overhead=0.0):
    return 0 if survival[0] <= c else brute_force(survival, c, verify_cost, overhead)


@wrong("optimal_stop", says="Expected a whole number")
def returns_the_rate(survival, c, verify_cost=1.0, overhead=0.0):
    k = brute_force(survival, c, verify_cost, overhead)
    return (1 + float(sum(survival[:k]))) / (k * c + verify_cost + overhead)


@wrong("optimal_stop", named="one_place_late")
def sums_one_too_few(survival, c, verify_cost=1.0, overhead=0.0):
    rates = [1 / (1 + overhead)]
    for k in range(1, len(survival) + 1):
        rates.append((1 + float(sum(survival[: k - 1]))) / (k * c + verify_cost + overhead))
    return rates.index(max(rates))


# bild_policy --------------------------------------------------------------------------------------------------------


@right("bild_policy")
def two_loops(draft_confidence, target_probability, fallback, rollback):
    n = len(draft_confidence)
    if n == 0:
        return False, []
    if draft_confidence[n - 1] >= fallback:
        return False, []
    redo = []
    for i in range(len(target_probability)):
        if redo or target_probability[i] < rollback:
            redo.append(i)
    return True, redo


@right("bild_policy")
def with_numpy_arrays(draft_confidence, target_probability, fallback, rollback):
    mine, theirs = np.asarray(draft_confidence), np.asarray(target_probability)
    if mine.size == 0 or not mine[-1] < fallback:
        return np.bool_(False), np.zeros(0, dtype=int)
    bad = np.flatnonzero(theirs < rollback)
    return mine[-1] < fallback, np.arange(bad[0], mine.size) if bad.size else bad


@right("bild_policy")
def with_tensors(draft_confidence, target_probability, fallback, rollback):
    mine = torch.as_tensor(draft_confidence, dtype=torch.float64)
    theirs = torch.as_tensor(target_probability, dtype=torch.float64)
    over = (mine[-1:] < fallback).any()
    places = torch.arange(len(theirs))
    return over, places[((theirs < rollback).cumsum(0) > 0) & over]


@right("bild_policy")
def with_a_range(draft_confidence, target_probability, fallback, rollback):
    over = len(draft_confidence) > 0 and bool(draft_confidence[-1] < fallback)
    stays = len(list(itertools.takewhile(lambda p: p >= rollback, target_probability)))
    return over, range(stays, len(target_probability)) if over else range(0)


@right("bild_policy")
def with_a_tuple_and_an_int(draft_confidence, target_probability, fallback, rollback):
    if not len(draft_confidence) or draft_confidence[-1] >= fallback:
        return [0, ()]
    lowest = list(itertools.accumulate((float(p) for p in target_probability), min))
    return [1, tuple(i for i, low in enumerate(lowest) if low < rollback)]


def _over(confidence, fallback):
    return len(confidence) > 0 and bool(confidence[-1] < fallback)


def _first(probability, rollback):
    return next((i for i, p in enumerate(probability) if p < rollback), len(probability))


@wrong("bild_policy", named="only_the_bad")
def every_improbable_one(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    return True, [i for i, p in enumerate(target_probability) if p < rollback]


@wrong("bild_policy", named="only_the_bad")
def only_the_first_improbable_one(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    return True, [i for i, p in enumerate(target_probability) if p < rollback][:1]


@wrong("bild_policy", named="one_late")
def behind_the_improbable_one(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    return True, list(range(_first(target_probability, rollback) + 1, len(target_probability)))


@wrong("bild_policy", named="from_last_bad")
def from_the_last_improbable_one(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    first = len(target_probability)
    for i, p in enumerate(target_probability):
        if p < rollback:
            first = i
    return True, list(range(first, len(target_probability)))


@wrong("bild_policy", named="redoes_all")
def redoes_everything(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    bad = any(p < rollback for p in target_probability)
    return True, list(range(len(target_probability))) if bad else []


@wrong("bild_policy", named="keeps_swapped")
def what_stays(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    first = _first(target_probability, rollback)
    return True, list(range(first)) if first < len(target_probability) else []


@wrong("bild_policy", named="any_doubt")
def any_token_in_doubt(draft_confidence, target_probability, fallback, rollback):
    if not any(c < fallback for c in draft_confidence):
        return False, []
    return True, list(range(_first(target_probability, rollback), len(target_probability)))


@wrong("bild_policy", named="any_doubt")
def doubt_on_average(draft_confidence, target_probability, fallback, rollback):
    if len(draft_confidence) == 0 or sum(map(float, draft_confidence)) / len(draft_confidence) >= fallback:
        return False, []
    return True, list(range(_first(target_probability, rollback), len(target_probability)))


@wrong("bild_policy", named="any_doubt")
def the_oldest_decides(draft_confidence, target_probability, fallback, rollback):
    if len(draft_confidence) == 0 or draft_confidence[0] >= fallback:
        return False, []
    return True, list(range(_first(target_probability, rollback), len(target_probability)))


@wrong("bild_policy", named="redo_without_reading")
def redoes_at_any_time(draft_confidence, target_probability, fallback, rollback):
    return _over(draft_confidence, fallback), list(range(_first(target_probability, rollback), len(target_probability)))


@wrong("bild_policy", named="wrong_list")
def rollback_looks_at_the_small_model(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    return True, list(range(_first(draft_confidence, rollback), len(draft_confidence)))


@wrong("bild_policy", named="on_the_threshold")
def hands_over_on_the_threshold(draft_confidence, target_probability, fallback, rollback):
    if len(draft_confidence) == 0 or draft_confidence[-1] > fallback:
        return False, []
    return True, list(range(_first(target_probability, rollback), len(target_probability)))


@wrong("bild_policy", named="on_the_threshold")
def redoes_on_the_threshold(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    n = len(target_probability)
    return True, list(range(next((i for i, p in enumerate(target_probability) if p <= rollback), n), n))


@wrong("bild_policy", named="turned_round")
def turned_round(draft_confidence, target_probability, fallback, rollback):
    if len(draft_confidence) == 0 or draft_confidence[-1] < fallback:
        return False, []
    return True, list(range(_first(target_probability, rollback), len(target_probability)))


@wrong("bild_policy", says="Nothing may have been written yet")
def crashes_before_the_first_token(draft_confidence, target_probability, fallback, rollback):
    if draft_confidence[-1] >= fallback:
        return False, []
    return True, list(range(_first(target_probability, rollback), len(target_probability)))


@wrong("bild_policy", says="target_probability may be empty")
def crashes_when_nothing_was_read(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    bad = [i for i in range(len(draft_confidence)) if target_probability[i] < rollback]
    return True, list(range(bad[0], len(draft_confidence))) if bad else []


@wrong("bild_policy", says="should be a list of places, also when it is one place or none")
def the_first_place_instead_of_a_list(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, 0
    return True, _first(target_probability, rollback)


@wrong("bild_policy", says="Expected a pair (hand_over, positions_to_redo)")
def only_says_whether(draft_confidence, target_probability, fallback, rollback):
    return _over(draft_confidence, fallback)


@wrong("bild_policy", says="or not in ascending order")
def newest_first(draft_confidence, target_probability, fallback, rollback):
    if not _over(draft_confidence, fallback):
        return False, []
    n = len(target_probability)
    return True, list(range(n - 1, _first(target_probability, rollback) - 1, -1))


# A second look: other styles, near misses ----------------------------------------------------------------------------

# heuristic_schedule
@right("heuristic_schedule")
def with_asserts_and_prints(k, n_accepted, n_drafted, k_max):
    assert k_max >= 1, "no room"
    rejected = n_drafted - n_accepted
    print("k", k, "rejected", rejected)
    if rejected > 0:
        k -= 1
    if rejected == 0:
        k += 2
    while k > k_max:
        k -= 1
    while k < 1:
        k += 1
    print("->", k)
    return k


@right("heuristic_schedule")
def all_lengths_allowed(k, n_accepted, n_drafted, k_max):
    step = {True: 2, False: -1}[bool(n_accepted == n_drafted)]
    return min(range(1, k_max + 1), key=lambda length: abs(length - (k + step)))


@right("heuristic_schedule")
def numpy_where(k, n_accepted, n_drafted, k_max):
    return np.minimum(k_max, np.maximum(1, np.where(np.int64(n_accepted) < n_drafted, k - 1, k + 2)))


@right("heuristic_schedule")
def one_liner_with_a_bool(k, n_accepted, n_drafted, k_max):
    return min(k_max, max(1, k + 2 - 3 * (n_accepted < n_drafted)))


@wrong("heuristic_schedule", says="A round without a draft saw no rejection")
def empty_round_changes_nothing(k, n_accepted, n_drafted, k_max):
    if n_drafted == 0:
        return max(1, min(k, k_max))
    return max(1, min(k - 1 if n_accepted < n_drafted else k + 2, k_max))


@wrong("heuristic_schedule", named="uncut_on_the_way_down")
def upper_end_only_on_the_way_up(k, n_accepted, n_drafted, k_max):
    return max(1, k - 1) if n_accepted < n_drafted else min(k + 2, k_max)


@wrong("heuristic_schedule", named="partly_stays")
def partly_accepted_stays(k, n_accepted, n_drafted, k_max):
    if 0 < n_accepted < n_drafted:
        return max(1, min(k, k_max))
    return max(1, min(k - 1 if n_accepted < n_drafted else k + 2, k_max))


@wrong("heuristic_schedule", named="some_rejected")
def nearly_all_is_all(k, n_accepted, n_drafted, k_max):
    good = n_accepted >= n_drafted - 1 if n_drafted > 4 else n_accepted == n_drafted
    return max(1, min(k + 2 if good else k - 1, k_max))


@wrong("heuristic_schedule", named="two_at_least")
def two_at_least(k, n_accepted, n_drafted, k_max):
    return max(2, min(k - 1 if n_accepted < n_drafted else k + 2, k_max))


@wrong("heuristic_schedule", named="own_limit")
def never_more_than_twenty(k, n_accepted, n_drafted, k_max):
    return max(1, min(k - 1 if n_accepted < n_drafted else k + 2, k_max, 20))


@wrong("heuristic_schedule", named="own_randomness")
def keeps_its_own_k(k, n_accepted, n_drafted, k_max, kept=[]):
    kept.append(k)
    k = kept[0]
    kept[0] = max(1, min(k - 1 if n_accepted < n_drafted else k + 2, k_max))
    return kept[0]


@wrong("heuristic_schedule", named="first_step")
def one_step_up_from_one(k, n_accepted, n_drafted, k_max):
    return max(1, min(k - 1 if n_accepted < n_drafted else k + (1 if k == 1 else 2), k_max))


@wrong("heuristic_schedule", named="step_left_out")
def two_up_if_they_fit(k, n_accepted, n_drafted, k_max):
    if n_accepted < n_drafted:
        return max(1, min(k - 1, k_max))
    return k + 2 if k + 2 <= k_max else min(k, k_max)


@wrong("heuristic_schedule", named="some_rejected")
def shrinks_only_below_half(k, n_accepted, n_drafted, k_max):
    down = n_accepted * 10 < n_drafted * 9
    return max(1, min(k - 1 if down else k + 2, k_max))


# confident_prefix
@right("confident_prefix")
def for_with_a_counter(confidences, threshold):
    count = 0
    sure = True
    for c in confidences:
        if not (c >= threshold):
            sure = False
        if sure:
            count = count + 1
    return count


@right("confident_prefix")
def nonzero_in_torch(confidences, threshold):
    bad = torch.nonzero(torch.as_tensor(confidences, dtype=torch.float64).flatten() < threshold)
    return bad[0, 0] if len(bad) else torch.tensor(len(confidences))


@right("confident_prefix")
def from_the_right(confidences, threshold):
    confidences = list(confidences)
    n = len(confidences)
    for i in reversed(range(len(confidences))):
        if confidences[i] < threshold:
            n = i
    return n


@right("confident_prefix")
def accumulate_and(confidences, threshold):
    return sum(itertools.accumulate((bool(c >= threshold) for c in confidences), lambda a, b: a and b))


@right("confident_prefix")
def logical_and_accumulate(confidences, threshold):
    return np.logical_and.accumulate(np.asarray(confidences) >= threshold).sum()


@right("confident_prefix")
def floats_and_index(confidences, threshold):
    with torch.no_grad():
        flags = [float(c) < float(threshold) for c in confidences]
    return flags.index(True) if True in flags else len(flags)


@wrong("confident_prefix", named="sentinel")
def sentinel_of_zero(confidences, threshold):
    return int(np.argmax(np.append(np.asarray(confidences), 0.0) < threshold))


@wrong("confident_prefix", named="never_the_last")
def forgets_the_last_place(confidences, threshold):
    for i in range(len(confidences) - 1):
        if confidences[i] < threshold:
            return i
    return len(confidences)


@wrong("confident_prefix", named="rounded")
def rounded_to_two_places(confidences, threshold):
    for i, c in enumerate(confidences):
        if round(float(c), 2) < threshold:
            return i
    return len(confidences)


@wrong("confident_prefix", says="nothing is rounded")
def a_little_tolerance(confidences, threshold):
    for i, c in enumerate(confidences):
        if c < threshold - 1e-3:
            return i
    return len(confidences)


@wrong("confident_prefix", named="own_limit")
def not_more_than_sixteen(confidences, threshold):
    for i, c in enumerate(confidences[:16]):
        if c < threshold:
            return i
    return min(16, len(confidences))


@wrong("confident_prefix", named="as_if_sorted")
def halves_as_if_sorted(confidences, threshold):
    low, high = 0, len(confidences)
    while low < high:
        middle = (low + high) // 2
        if confidences[middle] >= threshold:
            low = middle + 1
        else:
            high = middle
    return low


@wrong("confident_prefix", named="counts_all")
def sorted_first(confidences, threshold):
    confidences = sorted(map(float, confidences), reverse=True)
    return next((i for i, c in enumerate(confidences) if c < threshold), len(confidences))


@wrong("confident_prefix", named="two_in_a_row")
def two_in_a_row(confidences, threshold):
    for i, c in enumerate(confidences):
        if c < threshold and (i + 1 == len(confidences) or confidences[i + 1] < threshold):
            return i
    return len(confidences)


@wrong("confident_prefix", says="There may be no place that is unsure")
def squeezed(confidences, threshold):
    bad = torch.as_tensor(confidences).squeeze() < threshold
    return int(bad.nonzero()[0]) if bad.any() else bad.shape[0]


@wrong("confident_prefix", named="changes_input")
def pops_what_it_has_seen(confidences, threshold):
    n = 0
    if isinstance(confidences, list):
        while confidences and confidences[0] >= threshold:
            confidences.pop(0)
            n += 1
        return n
    return next((i for i, c in enumerate(confidences) if c < threshold), len(confidences))


@wrong("confident_prefix", named="nothing_from_one")
def zero_for_a_threshold_of_one(confidences, threshold):
    if threshold >= 1:
        return 0
    return next((i for i, c in enumerate(confidences) if c < threshold), len(confidences))


# AcceptanceTracker
@right("AcceptanceTracker")
@dataclass
class AsADataclass:
    prior: tuple = (1.0, 1.0)
    half_life: float = 64
    good: float = field(default=0.0, init=False)
    bad: float = field(default=0.0, init=False)

    def update(self, accepted, rejected):
        one = 1 if rejected else 0
        keep = math.exp(-math.log(2) * (accepted + one) / self.half_life)
        self.good = self.good * keep + accepted
        self.bad = self.bad * keep + one

    @property
    def alpha(self):
        a, b = self.prior
        return (a + self.good) / (a + b + self.good + self.bad)


@right("AcceptanceTracker")
class WithSlots:
    __slots__ = ("_a", "_b", "_h", "_e")

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self._a, self._b = prior
        self._h = half_life
        self._e = np.zeros(2, dtype=np.float32)

    def update(self, accepted, rejected):
        new = np.array([accepted, min(1, rejected)], dtype=np.float32)
        self._e = self._e / 2 ** (new.sum() / self._h) + new
        return self.alpha

    @property
    def alpha(self):
        good, bad = self._e + np.array([self._a, self._b])
        return good / (good + bad)


@right("AcceptanceTracker")
class APlainAttribute:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life = list(prior), half_life
        self.seen = {"accepted": 0, "rejected": 0}
        self.alpha = prior[0] / sum(prior)

    def update(self, accepted, rejected):
        first_rejected = int(rejected > 0)
        for key in self.seen:
            self.seen[key] *= 0.5 ** ((accepted + first_rejected) / self.half_life)
        self.seen["accepted"] += accepted
        self.seen["rejected"] += first_rejected
        good = self.seen["accepted"] + self.prior[0]
        self.alpha = good / (good + self.seen["rejected"] + self.prior[1])
        print("alpha is now", self.alpha)


class _Evidence:
    def __init__(self):
        self.rounds = []

    def weight(self, i, half_life):
        later = sum(a + r for a, r in self.rounds[i + 1 :])
        return 2.0 ** (-later / half_life)


@right("AcceptanceTracker")
class SumsOverAllRoundsWithAHelper:
    """Keeps the rounds; every one is weighed by what was judged after it."""

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life, self.evidence = prior, half_life, _Evidence()

    def update(self, accepted, rejected):
        self.evidence.rounds.append((accepted, 1 if rejected >= 1 else 0))

    def __getattr__(self, name):
        if name != "alpha":
            raise AttributeError(name)
        weights = [self.evidence.weight(i, self.half_life) for i in range(len(self.evidence.rounds))]
        a = self.prior[0] + sum(w * r[0] for w, r in zip(weights, self.evidence.rounds, strict=True))
        b = self.prior[1] + sum(w * r[1] for w, r in zip(weights, self.evidence.rounds, strict=True))
        return torch.tensor(a / (a + b), dtype=torch.float64)


class _T:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life, self.A, self.R = prior, half_life, 0.0, 0.0

    def update(self, accepted, rejected):
        rejected = min(rejected, 1)
        fade = 0.5 ** ((accepted + rejected) / self.half_life)
        self.A, self.R = fade * self.A + accepted, fade * self.R + rejected

    @property
    def alpha(self):
        good, bad = self.prior[0] + self.A, self.prior[1] + self.R
        return good / (good + bad)


@wrong("AcceptanceTracker", named="half_life_ignored")
class HalfLifeIsAlwaysSixtyFour(_T):
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__(prior, 64)


@wrong("AcceptanceTracker", says="the prior (1, 1) and a half-life of 64 tokens")
class AnotherDefaultHalfLife(_T):
    def __init__(self, prior=(1.0, 1.0), half_life=32):
        super().__init__(prior, half_life)


@wrong("AcceptanceTracker", says="the prior (1, 1) and a half-life of 64 tokens")
class AnotherDefaultPrior(_T):
    def __init__(self, prior=(0.5, 0.5), half_life=64):
        super().__init__(prior, half_life)


@wrong("AcceptanceTracker", named="empty_is_rejected")
class AnEmptyRoundIsARejection(_T):
    def update(self, accepted, rejected):
        super().update(accepted, 1 if accepted == 0 else rejected)


@wrong("AcceptanceTracker", says="in a round that drafted nothing, nothing was judged")
class CrashesOnAnEmptyRound(_T):
    def update(self, accepted, rejected):
        share = accepted / (accepted + rejected)
        assert 0 <= share <= 1
        super().update(accepted, rejected)


@wrong("AcceptanceTracker", says="shows 2 acceptances and 1 rejection")
class OnlyExactlyOneRejected(_T):
    def update(self, accepted, rejected):
        super().update(accepted, 1 if rejected == 1 else 0)


@wrong("AcceptanceTracker", named="fades_by_accepted")
class FadesByAcceptedOnly(_T):
    def update(self, accepted, rejected):
        fade = 0.5 ** (accepted / self.half_life)
        self.A, self.R = fade * self.A + accepted, fade * self.R + min(1, rejected)


@wrong("AcceptanceTracker", named="one_judged_too_many")
class FadesByOneMoreEveryRound(_T):
    def update(self, accepted, rejected):
        fade = 0.5 ** ((accepted + 1) / self.half_life)
        self.A, self.R = fade * self.A + accepted, fade * self.R + min(1, rejected)


@wrong("AcceptanceTracker", named="rejections_stay")
class RejectionsNeverFade(_T):
    def update(self, accepted, rejected):
        rejected = min(rejected, 1)
        self.A, self.R = self.A * 0.5 ** ((accepted + rejected) / self.half_life) + accepted, self.R + rejected


@wrong("AcceptanceTracker", named="rounded")
class RoundsToTwoPlaces(_T):
    @property
    def alpha(self):
        return round(super().alpha, 2)


@wrong("AcceptanceTracker", named="shared")
class AddsToTheDefaultPrior:
    def __init__(self, prior=[1.0, 1.0], half_life=64):
        self.evidence, self.start, self.half_life = prior, list(prior), half_life

    def update(self, accepted, rejected):
        rejected = min(rejected, 1)
        fade = 0.5 ** ((accepted + rejected) / self.half_life)
        a, b = self.start
        if isinstance(self.evidence, tuple):
            self.evidence = list(self.evidence)
        self.evidence[0] = a + fade * (self.evidence[0] - a) + accepted
        self.evidence[1] = b + fade * (self.evidence[1] - b) + rejected

    @property
    def alpha(self):
        return self.evidence[0] / sum(self.evidence)


@wrong("AcceptanceTracker", named="read_once")
class AlphaIsReadOnce(_T):
    @property
    def alpha(self):
        if not hasattr(self, "_alpha"):
            self._alpha = super().alpha
        return self._alpha


@wrong("AcceptanceTracker", named="whole_numbers")
class WholeNumbersOnly(_T):
    def update(self, accepted, rejected):
        super().update(accepted, rejected)
        self.A, self.R = int(self.A), int(self.R)


@wrong("AcceptanceTracker", named="first_rounds_dropped")
class ForgetsBehindAHundredRounds(_T):
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__(prior, half_life)
        self.rounds = deque(maxlen=4)

    def update(self, accepted, rejected):
        self.rounds.append((accepted, rejected))
        self.A = self.R = 0.0
        for a, r in self.rounds:
            super().update(a, r)


# optimal_stop
@right("optimal_stop")
def list_of_rates(survival, c, verify_cost=1.0, overhead=0.0):
    rates = [1 / (1 + overhead)]
    total = 1.0
    for i, s in enumerate(survival, start=1):
        total += float(s)
        rates.append(total / (i * c + verify_cost + overhead))
    return rates.index(max(rates))


@right("optimal_stop")
def a_recursion(survival, c, verify_cost=1.0, overhead=0.0):
    survival = [float(s) for s in survival]

    def rate(k):
        if k == 0:
            return 1.0 / (1.0 + overhead)
        return (1 + sum(survival[:k])) / (k * c + verify_cost + overhead)

    def best(k):
        if k == 0:
            return 0
        before = best(k - 1)
        return k if rate(k) > rate(before) else before

    return best(len(survival))


@right("optimal_stop")
def max_with_a_key(survival, c, verify_cost=1.0, overhead=0.0):
    gains = list(itertools.accumulate([1.0, *map(float, survival)]))
    costs = [1.0 + overhead] + [verify_cost + overhead + c * k for k in range(1, len(gains))]
    return max(range(len(gains)), key=lambda k: (gains[k] / costs[k], -k))


@right("optimal_stop")
def cumsum_in_double(survival, c, verify_cost=1.0, overhead=0.0):
    with torch.no_grad():
        s = torch.as_tensor(survival).detach().clone().to(torch.float64)
        k = torch.arange(1, s.numel() + 1, dtype=torch.float64)
        rate = (1 + s.cumsum(0)) / (k * c + verify_cost + overhead)
        rate = torch.cat([torch.tensor([1.0 / (1.0 + overhead)], dtype=torch.float64), rate])
        return rate.argmax()


@right("optimal_stop")
def with_reduce(survival, c, verify_cost=1.0, overhead=0.0):
    def step(state, s):
        k, total, best, best_rate = state
        k, total = k + 1, total + s
        rate = total / (k * c + verify_cost + overhead)
        return (k, total, k, rate) if rate > best_rate else (k, total, best, best_rate)

    return reduce(step, survival, (0, 1.0, 0, 1 / (1 + overhead)))[2]


def _rates(survival, c, verify_cost, overhead, zero):
    total, rates = 1.0, [zero]
    for i, s in enumerate(survival, start=1):
        total += float(s)
        rates.append(total / (i * c + verify_cost + overhead))
    return rates


@wrong("optimal_stop", named="plain_step_free")
def zero_has_no_overhead(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival, c, verify_cost, overhead, 1.0)
    return rates.index(max(rates))


@wrong("optimal_stop", named="stops_at_zero")
def zero_is_compared_with_one_only(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
    if len(rates) < 2 or rates[1] <= rates[0]:
        return 0
    return rates.index(max(rates))


@wrong("optimal_stop", named="largest_of_equals")
def equal_to_zero_drafts_one(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
    if len(rates) == 1:
        return 0
    best = max(rates[1:])
    return rates.index(best, 1) if best >= rates[0] else 0


@wrong("optimal_stop", named="own_limit")
def not_more_than_ten(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival[:10], c, verify_cost, overhead, 1 / (1 + overhead))
    return rates.index(max(rates))


@wrong("optimal_stop", named="changes_input")
def sums_in_place(survival, c, verify_cost=1.0, overhead=0.0):
    if not isinstance(survival, torch.Tensor):
        survival = torch.tensor(survival, dtype=torch.float64)
    s = survival.cumsum_(0) if len(survival) else survival
    rates = [1 / (1 + overhead)] + [
        (1 + float(x)) / (i * c + verify_cost + overhead) for i, x in enumerate(s, start=1)]
    return rates.index(max(rates))


@wrong("optimal_stop", named="small_gains")
def gains_must_be_a_per_cent(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
    best = 0
    for k in range(1, len(rates)):
        if rates[k] > rates[best] * 1.01:
            best = k
    return best


@wrong("optimal_stop", named="free_is_all")
def zero_dies_at_once(survival, c, verify_cost=1.0, overhead=0.0):
    if c == 0:
        return len(survival)
    rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
    return rates.index(max(rates))


@wrong("optimal_stop", named="last_place_left_out")
def last_place_left_out(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival[:-1] if len(survival) > 1 else survival, c, verify_cost, overhead, 1 / (1 + overhead))
    return rates.index(max(rates))


@wrong("optimal_stop", named="overhead_per_token")
def overhead_once_per_draft_step(survival, c, verify_cost=1.0, overhead=0.0):
    total, rates = 1.0, [1 / (1 + overhead)]
    for i, s in enumerate(survival, start=1):
        total += float(s)
        rates.append(total / (i * (c + overhead) + verify_cost))
    return rates.index(max(rates))


@wrong("optimal_stop", named="remembered")
def remembers_the_rates(survival, c, verify_cost=1.0, overhead=0.0, memo={}):
    key = (len(survival), c)
    if key not in memo:
        rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
        memo[key] = rates.index(max(rates))
    return memo[key]


@wrong("optimal_stop", named="clamped")
def verify_cost_at_least_one_overhead_counts(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival, c, max(1.0, verify_cost), overhead, 1 / (1 + overhead))
    return rates.index(max(rates))


# bild_policy
@right("bild_policy")
def beginners_loop(draft_confidence, target_probability, fallback, rollback):
    if len(draft_confidence) == 0:
        return (False, [])
    newest = draft_confidence[len(draft_confidence) - 1]
    if newest < fallback:
        hand_over = True
    else:
        hand_over = False
    redo = []
    found = False
    if hand_over:
        for i in range(len(target_probability)):
            if target_probability[i] < rollback:
                found = True
            if found:
                redo.append(i)
    return hand_over, redo


@right("bild_policy")
def minimum_accumulate(draft_confidence, target_probability, fallback, rollback):
    hand_over = len(draft_confidence) > 0 and draft_confidence[-1] < fallback
    if not hand_over:
        return False, []
    worst = np.minimum.accumulate(np.asarray(target_probability, dtype=np.float64))
    return np.bool_(True), np.flatnonzero(worst < rollback)


@right("bild_policy")
def takewhile_from_the_front(draft_confidence, target_probability, fallback, rollback):
    if not len(draft_confidence) or draft_confidence[-1] >= fallback:
        return False, []
    kept = len(list(itertools.takewhile(lambda p: p >= rollback, target_probability)))
    return True, [*range(kept, len(target_probability))]


@right("bild_policy")
def cummin_in_torch(draft_confidence, target_probability, fallback, rollback):
    with torch.no_grad():
        c = torch.as_tensor(draft_confidence)
        t = torch.as_tensor(target_probability)
        hand = bool(c.numel()) and bool(c[-1] < fallback)
        if not hand or t.numel() == 0:
            return hand, torch.tensor([], dtype=torch.long)
        return torch.tensor(hand), (t.cummin(0).values < rollback).nonzero().flatten()


@right("bild_policy")
def any_before(draft_confidence, target_probability, fallback, rollback):
    hand = bool(list(draft_confidence)[-1:] and list(draft_confidence)[-1] < fallback)
    p = list(target_probability)
    return hand, [i for i in range(len(p)) if hand and any(x < rollback for x in p[: i + 1])]


def _bild(draft_confidence, target_probability, fallback, rollback):
    n = len(draft_confidence)
    hand = n > 0 and bool(draft_confidence[-1] < fallback)
    first = next((i for i, p in enumerate(target_probability) if p < rollback), n)
    return hand, first, n


@wrong("bild_policy", named="unread_is_redone")
def unread_means_redo_all(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    if not hand:
        return False, []
    return True, list(range(0 if len(target_probability) == 0 else first, n))


@wrong("bild_policy", says="there is nothing to hand over")
def hands_over_nothing(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    return (hand or n == 0), list(range(first, n)) if hand else []


@wrong("bild_policy", named="place_zero_is_none")
def first_or_n(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    return hand, list(range(first or n, n)) if hand else []


@wrong("bild_policy", named="one_place_too_many")
def one_place_too_many(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    return hand, list(range(first, n + 1)) if hand and first < n else []


@wrong("bild_policy", named="newest_stays")
def the_newest_is_never_redone(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    return hand, list(range(first, n)) if hand and first < n - 1 else []


@wrong("bild_policy", named="as_in_the_paper")
def the_newest_is_always_redone(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    return hand, list(range(min(first, n - 1), n)) if hand and len(target_probability) else []


@wrong("bild_policy", named="high_fallback_is_off")
def fallback_above_one_is_off(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, min(fallback, 1.0), rollback)
    return hand, list(range(first, n)) if hand else []


@wrong("bild_policy", named="high_rollback_is_off")
def rollback_above_one_is_off(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback if rollback <= 1 else 0)
    return hand, list(range(first, n)) if hand else []


@wrong("bild_policy", named="one_is_too_few")
def a_single_token_is_too_few(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    hand = hand and n > 1
    return hand, list(range(first, n)) if hand else []


@wrong("bild_policy", named="thresholds_swapped")
def thresholds_swapped(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, rollback, fallback)
    return hand, list(range(first, n)) if hand else []


@wrong("bild_policy", named="some_places_only")
def at_most_eight_places(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    return hand, list(range(first, n))[:8] if hand else []


@wrong("bild_policy", named="first_stays")
def the_first_place_always_stays(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    return hand, list(range(max(first, 1), n)) if hand else []


@wrong("bild_policy", named="changes_input")
def marks_what_it_has_read(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    if hand and n:
        draft_confidence[-1] = 1.0
    return hand, list(range(first, n)) if hand else []


@wrong("optimal_stop", named="plain_step_free")
def no_overhead_without_a_draft(survival, c, verify_cost=1.0, overhead=0.0):
    best, best_rate, gained = 0, 1.0, 1.0
    for k, s in enumerate(survival, start=1):
        gained += float(s)
        if gained / (k * c + verify_cost + overhead) > best_rate + 1e-12:
            best, best_rate = k, gained / (k * c + verify_cost + overhead)
    return best


@wrong("heuristic_schedule", named="step_left_out")
def two_more_or_none(k, n_accepted, n_drafted, k_max):
    if n_accepted < n_drafted:
        return max(1, min(k - 1, k_max))
    return k + 2 if k + 2 <= k_max else min(k, k_max)


def _with_the_newest(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, target_probability, fallback, rollback)
    return hand, list(range(min(first, n - 1), n)) if hand and len(target_probability) else []


@wrong("bild_policy", named="as_in_the_paper")
def the_large_model_always_writes_the_newest(draft_confidence, target_probability, fallback, rollback):
    return _with_the_newest(draft_confidence, target_probability, fallback, rollback)


@wrong("bild_policy", named="paper_only_bad")
def the_paper_and_only_the_bad_ones(draft_confidence, target_probability, fallback, rollback):
    hand, places = _with_the_newest(draft_confidence, target_probability, fallback, rollback)
    newest = len(draft_confidence) - 1
    return hand, [i for i in places if i == newest or target_probability[i] < rollback]


@wrong("bild_policy", named="rounded")
def rounds_to_three_places(draft_confidence, target_probability, fallback, rollback):
    mine, theirs = ([round(float(x), 3) for x in one] for one in (draft_confidence, target_probability))
    hand, first, n = _bild(mine, theirs, fallback, rollback)
    return hand, list(range(first, n)) if hand else []


@wrong("bild_policy", named="margin")
def below_by_a_margin(draft_confidence, target_probability, fallback, rollback):
    hand, first, n = _bild(draft_confidence, [x + 1e-8 for x in target_probability], fallback, rollback)
    return hand, list(range(first, n)) if hand else []


@wrong("confident_prefix", says="nothing is rounded")
def in_half_precision(confidences, threshold):
    sure = torch.as_tensor(confidences).half() >= threshold
    return int(sure.long().cumprod(0).sum())


@wrong("confident_prefix", says="nothing is rounded")
def rounds_to_four_places(confidences, threshold):
    return len(list(itertools.takewhile(lambda x: round(float(x), 4) >= threshold, confidences)))


@wrong("confident_prefix", says="nothing is rounded")
def allows_a_little_less(confidences, threshold):
    return len(list(itertools.takewhile(lambda x: float(x) >= threshold - 1e-4, confidences)))


@wrong("optimal_stop", named="least_c")
def a_step_costs_a_thousandth_at_least(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival, max(c, 1e-2), verify_cost, overhead, 1 / (1 + overhead))
    return rates.index(max(rates))


@wrong("optimal_stop", named="remembered")
def remembers_the_best_by_length(survival, c, verify_cost=1.0, overhead=0.0, memo={}):
    rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
    return memo.setdefault((len(survival), c, verify_cost), rates.index(max(rates)))


@wrong("optimal_stop", named="dear_check")
def no_draft_at_a_dear_check(survival, c, verify_cost=1.0, overhead=0.0):
    rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
    return rates.index(max(rates)) if verify_cost < 2 else 0


@wrong("AcceptanceTracker", named="prior_changed")
class AnEvenPrior(_T):
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__((sum(prior) / 2, sum(prior) / 2), half_life)


@wrong("AcceptanceTracker", named="prior_changed")
class APriorOfWholeNumbers(_T):
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__((round(prior[0]), round(prior[1])), half_life)


@wrong("AcceptanceTracker", named="shared")
class EvidenceOfTheClass(_T):
    A = R = 0.0

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life = prior, half_life

    def update(self, accepted, rejected):
        rejected = min(rejected, 1)
        fade = 0.5 ** ((accepted + rejected) / self.half_life)
        type(self).A, type(self).R = fade * self.A + accepted, fade * self.R + rejected


@wrong("bild_policy", named="rounded")
def in_brain_floats(draft_confidence, target_probability, fallback, rollback):
    mine, theirs = (torch.as_tensor(one).bfloat16() for one in (draft_confidence, target_probability))
    hand, first, n = _bild(mine, theirs, fallback, rollback)
    return hand, list(range(first, n)) if hand else []


@wrong("optimal_stop", named="other_defaults")
def a_dear_check_by_default(survival, c, verify_cost=2.0, overhead=0.0):
    rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
    return rates.index(max(rates))


@wrong("optimal_stop", named="other_defaults")
def a_busy_host_by_default(survival, c, verify_cost=1.0, overhead=0.5):
    rates = _rates(survival, c, verify_cost, overhead, 1 / (1 + overhead))
    return rates.index(max(rates))


@wrong("heuristic_schedule", named="up_from_drafted")
def two_more_than_were_drafted(k, n_accepted, n_drafted, k_max):
    return max(1, min(n_drafted + 2 if n_accepted == n_drafted else k - 1, k_max))


@wrong("AcceptanceTracker", named="fades_late")
class FadesByTheRoundBefore:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.a, self.b, self.half_life, self.before = *prior, half_life, 0
        self.yes = self.no = 0.0

    def update(self, accepted, rejected):
        factor, missed = 0.5 ** (self.before / self.half_life), int(rejected > 0)
        self.yes, self.no, self.before = self.yes * factor + accepted, self.no * factor + missed, accepted + missed

    @property
    def alpha(self):
        return (self.a + self.yes) / (self.a + self.yes + self.b + self.no)


@wrong("optimal_stop", named="one_step_free")
def first_step_for_nothing(survival, c, verify_cost=1.0, overhead=0.0):
    rates, total = [1 / (1 + overhead)], 1.0
    for k, s in enumerate(survival):
        total += float(s)
        rates.append(total / (k * c + verify_cost + overhead))
    return rates.index(max(rates))


@wrong("bild_policy", named="from_the_least")
def from_the_least_probable_on(draft_confidence, target_probability, fallback, rollback):
    if len(draft_confidence) == 0 or not draft_confidence[-1] < fallback:
        return False, []
    chances = [float(x) for x in target_probability]
    return True, list(range(chances.index(min(chances)), len(chances))) if chances and min(chances) < rollback else []


@wrong("bild_policy", named="large_model_decides")
def asks_the_large_model_whether_to_ask(draft_confidence, target_probability, fallback, rollback):
    newest = list(target_probability)[-1:] or list(draft_confidence)[-1:]
    if len(draft_confidence) == 0 or not newest[0] < fallback:
        return False, []
    first = next((i for i, x in enumerate(target_probability) if x < rollback), len(draft_confidence))
    return True, list(range(first, len(draft_confidence)))


@wrong("heuristic_schedule", named="cut_before")
def cut_before_the_step_and_after(k, n_accepted, n_drafted, k_max):
    k = max(1, min(k, k_max))
    k = k + 2 if n_accepted == n_drafted else k - 1
    return max(1, min(k, k_max))


@right("confident_prefix")
def a_list_as_a_float_tensor(confidences, threshold):
    c = torch.as_tensor(confidences, dtype=torch.float32)
    below = (c < threshold).nonzero()
    return int(below[0]) if len(below) else len(c)


@wrong("confident_prefix", named="margin")
def a_millionth_below_is_enough(confidences, threshold):
    n = 0
    while n < len(confidences) and float(confidences[n]) >= threshold - 1e-6:
        n += 1
    return n


@right("bild_policy")
def both_lists_as_float_tensors(draft_confidence, target_probability, fallback, rollback):
    c = torch.as_tensor(draft_confidence, dtype=torch.float32)
    t = torch.as_tensor(target_probability, dtype=torch.float32)
    if len(c) == 0 or not bool(c[-1] < fallback):
        return False, []
    bad = (t < rollback).nonzero()
    return True, list(range(int(bad[0]), len(c))) if len(bad) else []


@wrong("AcceptanceTracker", named="forgets_to_store")
class AlphaOfTheBeginning:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life, self.yes, self.no = prior, half_life, 0.0, 0.0
        a, b = prior
        self.alpha = (a + self.yes) / (a + b + self.yes + self.no)

    def update(self, accepted, rejected):
        r = min(rejected, 1)
        fade = 0.5 ** ((accepted + r) / self.half_life)
        self.yes = self.yes * fade + accepted
        self.no = self.no * fade + r


@wrong("confident_prefix", named="last_index")
def the_loop_variable_after_the_loop(confidences, threshold):
    i = 0
    for i, c in enumerate(confidences):  # noqa: B007 (that is the mistake)
        if c < threshold:
            break
    return i
