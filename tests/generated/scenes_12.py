"""Unit 12 on what servers meet: ragged batches of real ids, measured profiles, blocks that come and go."""

import torch

PROFILE = {1: 0.006, 2: 0.0065, 8: 0.0082, 32: 0.015, 100: 0.04, 256: 0.1}
SHUFFLED = {size: PROFILE[size] for size in (32, 1, 256, 8, 100, 2)}
BUMP = {1: 0.02, 11: 0.0204, 12: 0.11, 13: 0.11, 14: 0.022, 90: 0.024}


def rng(seed):
    return torch.Generator().manual_seed(seed)


def _refused(*given):
    def scene(answer):
        try:
            found = answer(*given)
        except ValueError:
            return ["refused"]
        return [found]

    return scene


def _batch(seed, rows, k, agree=0.7, idle=0.3, whole=False, junk=False):
    draw = rng(seed)
    choice = torch.randint(0, 151_936, (rows, k + 1), generator=draw)
    draft = torch.where(torch.rand(rows, k, generator=draw) < agree, choice[:, :k], choice[:, 1:] + 65_536)
    lengths = torch.full((rows,), k) if whole else torch.randint(0, k + 1, (rows,), generator=draw)
    active = torch.rand(rows, generator=draw) >= idle
    if junk:
        lengths = torch.where(active, lengths, torch.randint(-5, 99, (rows,), generator=draw))
    inputs = draft, choice, lengths, active

    def scene(verify_batch):
        given = [one.clone() for one in inputs]
        n, emitted = verify_batch(*given)
        same = all(torch.equal(a, b) for a, b in zip(given, inputs, strict=True))
        return [list(map(int, n)), [[int(token) for token in row] for row in emitted], same]

    return scene


BATCHES = [
    _batch(0, 1, 4, 1.0, 0, True), _batch(1, 3, 4), _batch(2, 8, 5, 0.9), _batch(3, 5, 1), _batch(4, 4, 0),
    _batch(5, 6, 3, junk=True), _batch(6, 2, 6, 1.0, 1.0), _batch(7, 40, 12, 0.95, 0.1), _batch(8, 4, 7, 0.0, 0, True),
    _batch(9, 9, 20, 0.99, 0.0),
]


def _asks(*given, **named):
    return lambda function: [function(*given, **named)]


WORTH = [_asks(*given) for given in (
    (1, 0.7, 0, PROFILE), (1, 0.7, 4, PROFILE), (8, 0.7, 4, PROFILE, 0.1), (8, 0.0, 3, PROFILE, 0.3),
    (16, 1.0, 4, SHUFFLED, 0.05), (51, 0.9, 4, PROFILE), (2, 0.5, 3, {40: 0.02, 80: 0.05}, 0.2), (3, 0.6, 2, {9: 0.25}),
    (256, 0.5, 0, SHUFFLED, 0.7), (5, 0.85, 6, {1: 0.5, 1000: 0.5}), (7, 0.4, 1, SHUFFLED, 2.0), (64, 0.8, 3, PROFILE))]
WORTH += [_refused(*given) for given in (
    (0, 0.5, 2, PROFILE), (-3, 0.5, 2, PROFILE), (2, -0.01, 2, PROFILE), (2, 1.01, 2, PROFILE), (2, 0.5, -1, PROFILE),
    (2, 0.5, 2, PROFILE, -0.1), (2, 0.5, 2, {}), (2, 0.5, 2, {0: 0.1, 8: 0.2}), (2, 0.5, 2, {1: 0.0, 8: 0.2}),
    (2, 0.5, 2, {**PROFILE, 600: -1.0}), (52, 0.5, 4, PROFILE), (65, 0.5, 3, PROFILE), (2, 0.5, 0, PROFILE, -0.1))]


def _crossing(*given):
    return lambda crossover_batch: [crossover_batch(*given)]


CROSSINGS = [_crossing(*given) for given in (
    (0.7, 4, PROFILE), (0.7, 4, SHUFFLED, 0.1), (0.9, 2, PROFILE, 0.02), (0.5, 3, PROFILE), (0.3, 1, SHUFFLED),
    (0.0, 3, PROFILE), (0.9, 1, {1: 0.5, 60: 0.5}), (0.9, 8, {1: 0.5, 8: 0.5}), (0.5, 1, {1: 0.5, 60: 0.5}, 0.5),
    (0.5, 1, {1: 0.5, 60: 0.5}, 0.25), (0.8, 2, BUMP), (0.9, 2, {1: 0.1, 29: 0.1, 30: 2.0}), (0.2, 4, PROFILE, 0.4),
    (0.9, 2, {1: 0.1, 29: 0.1, 30: 2.0, 31: 2.0}), (0.95, 1, {1: 1.0, 64: 1.0, 6400: 100.0}))]
CROSSINGS += [_refused(*given) for given in (
    (0.5, 0, PROFILE), (0.5, -2, PROFILE), (1.5, 2, PROFILE), (-0.5, 2, PROFILE), (0.5, 2, {}),
    (0.5, 2, {0: 1.0, 9: 1.0}), (0.5, 2, PROFILE, -0.2),
    (1.5, 300, PROFILE), (0.5, 300, PROFILE, -0.2), (0.5, 300, {1: 0.1, 8: 0.0}))]


def _ahead(*given):
    def scene(overlap_timeline):
        timeline, total = overlap_timeline(*given)
        return [[[str(who), int(block), float(start), float(end), bool(kept)]
                 for who, block, start, end, kept in timeline], float(total)]

    return scene


T, F = True, False
TIMELINES = [_ahead(*given) for given in (
    (3, 5, [T, F, T]), (7.25, 2.5, [F, T, T, F, F]), (4, 4, [T, T, T]), (4.5, 4.5, [F, F]), (3, 5, []), (3, 5, [F]),
    (9, 5, [T]), (0, 5, [T, F, T]), (5, 0, [T, F, F, T]), (0, 0, [F, T]), (0.02, 30.5, [T, F] * 6),
    (30.5, 0.02, (F, T, T, F)))]
TIMELINES += [_refused(*given) for given in (
    (-1, 5, [T]), (1, -5, [T]), (float("inf"), 5, [T]), (1, float("inf"), [F]), (float("nan"), 5, []),
    (1, float("nan"), [T]), (3, 5, [T, None]), (3, 5, [2]), (3, 5, [T, F, "no"]))]

SCENES = {"verify_batch": BATCHES, "batch_throughput": WORTH, "crossover_batch": CROSSINGS,
          "overlap_timeline": TIMELINES}
CLOSE: dict[str, float] = {}
