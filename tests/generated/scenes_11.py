"""Unit 11 on what drafts read in real targets: caches with groups, positions far into a text."""

import math

import torch


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


def _mask(length, block):
    return lambda block_mask: [torch.as_tensor(block_mask(length, block)).long().tolist()]


MASKS = [_mask(*pair) for pair in (
    (0, 3), (1, 1), (1, 4), (5, 1), (7, 3), (9, 3), (10, 4), (40, 7), (150, 16), (12, 50))]
MASKS += [_refused(-1, 2), _refused(4, 0), _refused(4, -3)]


def _attention(seed, n, m, heads, groups, width, first=0, share=0.6, base=None, empty=(), dtype=torch.float64):
    random = rng(seed)
    query = 1.5 * torch.randn(n, heads, width, generator=random, dtype=torch.float64).to(dtype)
    keys, values = (torch.randn(m, groups, width, generator=random, dtype=torch.float64).to(dtype) for _ in range(2))
    positions = torch.arange(first, first + n) if first is not None else torch.randint(1000, (n,), generator=random)
    mask = torch.rand(n, m, generator=random) < share
    mask[list(empty)] = False

    def scene(cross_attend):
        given = [x.clone() for x in (query, positions, keys, values, mask)]
        found = cross_attend(*given, *([base] if base else []))
        same = [torch.equal(a, b) for a, b in zip(given, (query, positions, keys, values, mask), strict=True)]
        return [found.double().tolist(), str(found.dtype), same]

    return scene


ATTENTIONS = [
    _attention(0, 3, 5, 1, 1, 4), _attention(1, 4, 7, 9, 3, 64, 37), _attention(2, 5, 6, 4, 1, 16, 900, empty=(0, 3)),
    _attention(3, 2, 0, 4, 2, 8, 5), _attention(4, 6, 9, 6, 2, 8, None, 1.0), _attention(5, 3, 150, 8, 8, 32, 150),
    _attention(6, 3, 5, 4, 2, 16, 60, base=1e6), _attention(7, 3, 5, 4, 2, 16, 300, base=500_000.0, empty=(1,)),
    _attention(8, 1, 1, 2, 1, 2, 3, 1.0), _attention(9, 4, 6, 4, 2, 16, 901, dtype=torch.bfloat16),
    _attention(10, 4, 6, 4, 2, 16, 20, dtype=torch.float32),
]


def _inputs(seed, length, width, dtype=torch.float32):
    random = rng(seed)
    features, embeddings = (torch.randn(length, width, generator=random).to(dtype) for _ in range(2))

    def scene(eagle_inputs):
        given = features.clone(), embeddings.clone()
        found = eagle_inputs(*given)
        return [found.double().tolist(), list(found.shape), str(found.dtype), torch.equal(given[0], features),
                torch.equal(given[1], embeddings)]

    return scene


INPUTS = [_inputs(seed, *shape) for seed, shape in enumerate(
    [(0, 4), (1, 1), (1, 6), (2, 3), (7, 5), (150, 64), (4, 3, torch.bfloat16), (4, 3, torch.float64)])]


def _rollout(seed, k, size=50, width=8, ties=False):
    random = rng(seed)
    turn = 1.3 * torch.linalg.qr(torch.randn(width, width, generator=random, dtype=torch.float64))[0]
    tokens, says = (torch.randn(size, width, generator=random, dtype=torch.float64) for _ in range(2))
    feature, token = torch.randn(width, generator=random), int(torch.randint(size, (), generator=random))

    def scene(eagle_rollout):
        calls = []

        def step(state, newest):
            calls.append(int(newest))
            made = torch.tanh(turn @ state.double() + 1.5 * tokens[int(newest)]).float()
            logits = (says @ made.double() - 20).float()
            if ties:
                logits[1::2] = logits[0 : size - 1 : 2]
            return logits, made

        given = feature.clone()
        found = eagle_rollout(step, given, token, k)
        return [found.tolist(), str(found.dtype), calls, torch.equal(given, feature)]

    return scene


ROLLOUTS = [_rollout(seed, k) for seed, k in enumerate((0, 1, 1, 2, 3, 5, 16))]
ROLLOUTS += [_rollout(8, 4, 50, 8, True), _rollout(9, 3, 50, 8, True), _rollout(10, 6, 4096, 64)]


def _widths(confidence, bounds, widths):
    return lambda cape_widths: [list(map(int, cape_widths(list(confidence), bounds, widths)))]


SIX = [0.0, 0.25, 0.3, 0.5, 0.75, 0.8, 0.9, 1.0]
WIDTHS = [
    _widths(SIX, (0.25, 0.5, 0.75), (7, 5, 3, 1)), _widths(SIX[::-1], (0.5,), (4, 2)), _widths(SIX, (), (3,)),
    _widths([], (0.5,), (4, 2)), _widths(SIX, (0.0, 1.0), (9, 4, 1)), _widths(SIX, (0.25, 0.75), (1, 6, 2)),
    _widths([0.2] * 5, (0.1, 0.2, 0.3, 0.4, 0.9), (8, 6, 5, 3, 2, 1)),
    *(_refused(*given) for given in (
        ([0.5], (0.5, 0.2), (3, 2, 1)), ([0.5], (0.2, 0.2), (3, 2, 1)), ([0.5], (0.2,), (3,)),
        ([0.5], (0.2,), (3, 2, 1)), ([0.5, -0.1], (0.2,), (3, 1)),
        ([0.5, 1.1], (0.2,), (3, 1)), ([math.nan], (0.2,), (3, 1)))),
]

SCENES = {"block_mask": MASKS, "cross_attend": ATTENTIONS, "eagle_inputs": INPUTS, "eagle_rollout": ROLLOUTS,
          "cape_widths": WIDTHS}
CLOSE = {"cross_attend": 2e-3}
