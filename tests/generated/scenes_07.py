"""Unit 07 on survivals, confidences and rounds as a small model beside a large one has them."""

import torch

CLOSE = {"AcceptanceTracker": 1e-6}


def _asks(*args):
    return lambda function: function(*args)


LENGTHS = [_asks(k, n, d, k_max) for k, n, d, k_max in (
    (5, 5, 5, 16), (5, 3, 5, 16), (1, 0, 1, 16), (16, 16, 16, 16), (15, 15, 15, 16), (14, 14, 14, 16), (20, 3, 8, 16),
    (20, 8, 8, 16), (1, 1, 1, 1), (1, 0, 1, 1), (4, 0, 0, 16), (8, 4, 4, 16), (8, 3, 4, 16), (2, 1, 2, 2),
    (63, 63, 63, 64), (40, 1, 1, 128))]  # fmt: skip
CONFIDENCES = (
    [0.999996, 0.97, 0.41, 0.88, 0.02], [0.31, 0.99], [0.4, 0.4, 0.39999], [0.9] * 70 + [0.1], [1.0, 0.0], [],
    [5e-4, 0.7], [0.7001, 0.7, 0.6999, 0.9], [0.2])  # fmt: skip
PREFIXES = [_asks(kind(row), threshold) for row in CONFIDENCES for threshold in (0.0, 0.4, 0.7, 1.0, 1.2)
            for kind in (list, torch.tensor)]  # fmt: skip


def _alpha(rounds, *args, **named):
    def scene(AcceptanceTracker):
        tracker = AcceptanceTracker(*args, **named)
        other, seen = AcceptanceTracker(*args, **named), []
        for accepted, rejected in rounds:
            seen.append(float(tracker.alpha))
            tracker.update(accepted, rejected)
        return [*seen, float(tracker.alpha), float(other.alpha)]

    return scene


ROUNDS = [(4, 0), (1, 3), (0, 4), (0, 0), (16, 0), (3, 1), (2, 6), (0, 1), (5, 0)] * 3
TRACKED = [_alpha(ROUNDS), _alpha(ROUNDS, (4.0, 1.5), 20), _alpha(ROUNDS, prior=(0.7, 2.2), half_life=7), _alpha([]),
           _alpha([(8, 0)] * 40, (1.0, 1.0), 16), _alpha([(0, 5)] * 40, (3.0, 1.0), 16)]  # fmt: skip


def _rate(survival, *prices):
    """The rate that the answer reaches, and the answer where rates cannot be equal by round-off."""

    def scene(optimal_stop):
        k = int(optimal_stop(survival, *prices))
        c, v, o = (*prices, 1.0, 0.0)[:3] if len(prices) < 3 else prices
        if not 0 <= k <= len(survival):
            return "outside"
        gained = 1 + float(sum(float(s) for s in survival[:k]))
        return gained / (k * c + v + o) if k else 1 / (1 + o)

    return scene


def _powers(alpha, n):
    return [alpha ** (i + 1) for i in range(n)]


STOPS = [_rate(_powers(alpha, n), c, v, o) for alpha, n in ((0.93, 40), (0.8, 16), (0.62, 8), (0.3, 5), (0.8, 1))
         for c, v, o in ((0.05, 1.0, 0.0), (0.12, 1.3, 0.2), (0.4, 1.1, 0.6), (0.0, 1.0, 0.1), (0.06, 2.4, 0.0))]
STOPS += [_rate(torch.tensor(_powers(0.85, 12)), 0.1, 1.2, 0.1), _rate([], 0.1, 1.0, 0.0), _rate([0.9, 0.0, 0.0], 0.1),
          _rate([0.97, 0.96, 0.4, 0.1], 0.02, 1.1), _rate([1.0] * 9, 0.5, 1.0, 0.0)]  # fmt: skip
STOPS += [_asks([0.5], 0.5, 1.0, 0.0), _asks([1.0] * 3, 1.0, 1.0, 0.0), _asks([1.0, 0.5, 0.0], 0.0, 1.0, 0.0),
          _asks([1.0, 0.5, 0.25], 0.25, 0.75, 0.0)]  # fmt: skip


def _decides(*args):
    def scene(bild_policy):
        over, places = bild_policy(*args)
        return [bool(over), [int(place) for place in places]]

    return scene


READ = (([0.98, 0.7, 0.91, 0.2], [0.9, 0.03, 0.8, 0.5]), ([0.98, 0.7, 0.91, 0.2], [0.9, 0.3, 0.8, 1e-9]),
        ([0.1], [0.04]), ([0.1], [0.9]), ([0.1, 0.2], []), ([], []), ([0.2, 0.95], [0.01, 0.02]),
        ([0.9] * 12 + [0.4], [0.6] * 11 + [0.05, 0.7]), ([0.6, 0.55], [0.3, 0.3]), ([0.5, 0.6], [0.05, 0.3]))
POLICIES = [_decides(*(kind(x) for x in lists), f, r) for lists in READ for kind in (list, torch.tensor)
            for f, r in ((0.55, 0.05), (0.6, 0.3), (0.0, 1.5), (1.5, 1e-9))]  # fmt: skip
SCENES = {
    "heuristic_schedule": LENGTHS,
    "confident_prefix": PREFIXES,
    "AcceptanceTracker": TRACKED,
    "optimal_stop": STOPS,
    "bild_policy": POLICIES,
}
