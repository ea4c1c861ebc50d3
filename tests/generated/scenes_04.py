"""Unit 04 with rows as models give them: logits below zero, rare tokens, filtered zeros, overlaps from 0.001 to 1."""

import torch

from specdec_course.sampling import Sampling, exact_law

CLOSE = {"residual": 1e-3}


def logits_like(seed, *shape, spread=3.0, mean=-12.0):
    return mean + spread * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def row(seed, size=12, spread=3.0):
    return torch.softmax(logits_like(seed, size, spread=spread), -1)


def filtered(seed, size=12):
    p = row(seed, size)
    p = p * (p >= p.sort(descending=True).values[4])
    return p / p.sum()


def _warped(logits, *args):
    return lambda next_token_distribution: next_token_distribution(logits, *args)


WARPS = [(1.0,), (0.05,), (0.3,), (2.5,), (0.0,), (1e-3,), (0.7, 3), (0.7, 1), (0.7, 40), (0.7, None, 0.3)]
WARPS += [(0.7, None, 0.9), (0.7, None, 0.0), (0.7, None, 1.0), (1.5, 5, 0.6), (0.2, 8, 0.95), (0.0, 2, 0.5)]
ROWS = (logits_like(1, 12), logits_like(2, 3, 12, spread=1.0), logits_like(3, 2, 2, 12, mean=30.0), logits_like(4, 400))
RARE = torch.tensor([1e-8, 1e-5, 0.3, 0.7 - 1e-5 - 1e-8]), torch.tensor([1e-8, 1e-6, 0.7, 0.3 - 1e-6 - 1e-8])
ZEROS = torch.tensor([0.5, 0.5, 0.0, 0.0]), torch.tensor([0.0, 0.4, 0.6, 0.0])
EQUAL_ROWS = row(8), row(8)


def mixed(share, size=12):
    """p and q that differ by just this share of their mass."""
    p, other = row(5, size, 1.0), row(6, size, 1.0)
    return p, (1 - share) * p + share * other


PAIRS = [(row(i), row(i + 20)) for i in range(4)]
PAIRS += [(filtered(1), filtered(2)), (filtered(3), row(3)), (row(4), filtered(4))]
PAIRS += [mixed(s) for s in (1e-3, 0.01, 0.05, 0.3, 1.0)] + [RARE, ZEROS, EQUAL_ROWS, (row(1, 2000), row(2, 2000))]
PAIRS += [(p.double(), q.double()) for p, q in (PAIRS[0], RARE)]
PAIRS += [(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])), (row(9, 3), torch.tensor([0.0, 1.0, 0.0]))]


def _of_pair(p, q):
    def scene(function):
        answer = function(p, q)
        if isinstance(answer, torch.Tensor) and answer.dim():
            both_zero = (p == 0) & (q == 0)
            return torch.where(both_zero & ~answer.isnan(), 0.0, answer)  # any probability will do there
        return float(answer)

    return scene


def forward_of(seed, size):
    rng = torch.Generator().manual_seed(seed)
    table = 2 * torch.randn(size, size, size, generator=rng) - 15
    return lambda ids: table[torch.cat([ids[:1], ids[:-1]]), ids]


def _drafted(k, size, *sampling):
    def scene(propose_stochastic):
        forward, reported = forward_of(k, size), {}

        def once(dice):
            ids, q = propose_stochastic(forward, torch.tensor([1, 0, 1]), k, Sampling(*sampling), dice)
            reported[str(ids.tolist())] = q.tolist()
            return ids

        return [{str(key): p for key, p in exact_law(once).items()}, reported]

    return scene


def rows_of(seed, size, k, spread):
    """p [k+1, V] that depend on the draft, and q [k, V]: functions of the tokens before."""
    def p(text):
        return row(seed + sum((i + 2) * (x + 1) for i, x in enumerate(text)), size, spread)

    def q(text):
        return row(1000 + seed + sum((i + 3) * (x + 1) for i, x in enumerate(text)), size, spread)

    return p, q


def _verified(size, k, seed, spread=1.5, same=False, certain=False, only=None):
    def scene(verify):
        p, q = rows_of(seed, size, k, spread)
        q = p if same else q

        def once(dice):
            draft, rows = [], []
            for _ in range(k):
                mass = q(draft)
                mass = torch.nn.functional.one_hot(mass.argmax(), size).float() if certain else mass
                rows.append(only(mass) if only else mass)
                draft.append(dice.roll(rows[-1]))
            ps = torch.stack([p(draft[:i]) for i in range(k + 1)])
            out = verify(torch.tensor(draft, dtype=torch.long), torch.stack(rows) if rows else ps[:0], ps, dice)
            return torch.as_tensor(out)

        return {str(key): p for key, p in exact_law(once, limit=20_000).items()}

    return scene


def without_rare(mass):
    kept = mass * (mass > mass.max() / 3)
    return kept / kept.sum()


LAWS = [_verified(2, 3, 1), _verified(3, 2, 2), _verified(4, 1, 3, 3.0), _verified(3, 0, 4),
        _verified(3, 2, 5, same=True), _verified(3, 2, 6, certain=True), _verified(4, 2, 7, only=without_rare),
        _verified(3, 1, 8, 0.05),
        _verified(3, 1, 9, 6.0)]  # fmt: skip
SCENES = {
    "next_token_distribution": [_warped(logits, *w) for logits in ROWS for w in WARPS]
    + [_warped(torch.tensor([1e3, 998.0, -torch.inf, 999.0]), 1.0), _warped(torch.tensor([-3.0, -1.0, -1.0]), 0.0)],
    "acceptance_probability": [_of_pair(p, q) for p, q in PAIRS],
    "residual": [_of_pair(p, q) for p, q in PAIRS],
    "expected_acceptance": [_of_pair(p, q) for p, q in PAIRS],
    "propose_stochastic": [_drafted(2, 4, 1.0), _drafted(3, 3, 1.0), _drafted(2, 4, 0.4, None, 0.6),
                           _drafted(2, 4, 2.0, 2), _drafted(2, 3, 0.0), _drafted(0, 4, 1.0),
                           _drafted(1, 4, 0.7, 3, 0.9)],
    "verify_stochastic": LAWS,
    "verify_block": LAWS,
}  # fmt: skip
