"""Unit 10 on trees as decoders have them: real ids, nodes behind deeper ones, laws with siblings, caches of layers."""

from types import SimpleNamespace

import torch

from specdec_course.sampling import exact_law

IDS = [0, 151_935, 65_541, 5, 100_000, 70_000, 32_768, 17, 9, 128_255, 3, 50_001]


def rng(seed):
    return torch.Generator().manual_seed(seed)


def parents_of(n, seed):
    random = rng(seed)
    return [int(torch.randint(-1, max(i, 1), (), generator=random)) if i else -1 for i in range(n)]


def choices_of(parents, ranks=range(20)):
    paths, seen = [], {}
    for parent in parents:
        rank = seen.get(parent, 0)
        seen[parent] = rank + 1
        paths.append((*(paths[parent] if parent >= 0 else ()), ranks[rank]))
    return paths


def _labels(ids, n_heads):
    def scene(medusa_labels):
        labels = medusa_labels(ids, n_heads)
        return [labels.tolist(), list(labels.shape)]

    return scene


TEXT = torch.tensor(IDS)
LABELS = [_labels(TEXT, n) for n in (1, 2, 4, 7)] + [_labels(TEXT[:length], 3) for length in (0, 1, 2, 3, 4, 5)]
LABELS += [_labels(TEXT.reshape(rows, -1), 3) for rows in (1, 2, 3, 4, 6)] + [_labels(TEXT, 0)]
LABELS += [_labels(TEXT.reshape(2, 2, 3), 2)]


def _built(choices):
    def scene(build_tree):
        parents, depths = build_tree(choices)
        return [parents.tolist(), depths.tolist()]

    return scene


def _refused(choices):
    def scene(build_tree):
        try:
            build_tree(choices)
        except ValueError:
            return "refused"
        except Exception as error:
            return type(error).__name__
        return "taken"

    return scene


TREES = [parents_of(n, n) for n in (1, 2, 3, 5, 9, 16, 30)] + [[-1, 0, 1, 2, 3], [-1] * 5, [-1, 0, -1, 2, 0]]
BUILT = [_built(choices_of(parents)) for parents in TREES] + [_built([])]
BUILT += [_built(choices_of(parents, [7, 3, 0, 9, *range(10, 40)])) for parents in TREES[2:6]]
BAD = [()], [(0,), (0,)], [(0, 0)], [(0, 0), (0,)], [(1,), (0, 0)], [(0,), (0, 1), (0, 1)], [(0,), ()]
BUILT += [_refused(bad) for bad in BAD]


def _masked(parents):
    return lambda tree_attention_mask: [
        [bool(x) for x in row] for row in tree_attention_mask(torch.tensor(parents, dtype=torch.long)).tolist()]


def _walked(parents, seed, size=40, agree=0.6):
    random = rng(seed)
    ids = torch.randint(size, (len(parents),), generator=random)
    logits = 2 * torch.randn(len(parents) + 1, size, generator=random) - 40
    for i, parent in enumerate(parents):
        if float(torch.rand((), generator=random)) < agree:
            logits[parent + 1, ids[i]] = float(logits[parent + 1].max()) + 1e-3

    def scene(verify_tree_greedy):
        tree = SimpleNamespace(ids=ids.clone(), parents=torch.tensor(parents, dtype=torch.long))
        path, tokens = verify_tree_greedy(tree, logits.clone())
        return [[int(i) for i in path], [int(x) for x in tokens]]

    return scene


WALKS = [_walked(parents, seed, agree=agree) for seed, parents in enumerate(TREES) for agree in (0.0, 0.6, 1.0)]
WALKS += [_walked([], 3), _walked([-1, -1, -1, 0, 1, 2], 4, size=2, agree=1.0), _walked(parents_of(12, 5), 6, size=3)]


def row(key, size, spread=1.5):
    return torch.softmax(spread * torch.randn(size, generator=rng(key)), -1)


def _law(parents, size, seed, replacement=True, certain=False, same=False, spread=1.5):
    """The exact law of (path, tokens) of a round, p and q depending on what stands above."""
    def above(text, other):
        return row(1 + seed + 977 * other + sum((i + 2) * (x + 1) * 31 for i, x in enumerate(text)), size, spread)

    def scene(verify):
        def once(dice):
            texts, ids, rows = {-1: ()}, [], []
            for i, parent in enumerate(parents):
                mass = above(texts[parent], 0 if same else 1).clone()
                if certain:
                    mass = torch.nn.functional.one_hot(mass.argsort(descending=True)[i % size], size).float()
                elif not replacement:
                    mass[[ids[j] for j in range(i) if parents[j] == parent]] = 0
                rows.append(mass / mass.sum())
                ids.append(dice.roll(rows[-1]))
                texts[i] = (*texts[parent], ids[-1])
            p = torch.stack([above(texts[i], 0) for i in range(-1, len(parents))])
            tree = SimpleNamespace(ids=torch.tensor(ids).long(), parents=torch.tensor(parents).long())
            path, tokens = verify(tree, None if certain or not rows else torch.stack(rows), p, dice)
            return [[int(i) for i in path], [int(x) for x in tokens]]

        return {str(key): chance for key, chance in exact_law(once, limit=20_000).items()}

    return scene


LAWS = [_law((-1,), 3, 1), _law((-1, -1), 3, 2), _law((-1, -1), 3, 3, False), _law((-1, -1, -1), 4, 4, False),
        _law((-1, -1, 0, 1), 2, 5), _law((-1, 0, -1), 3, 6), _law((-1, 0), 3, 7), _law((-1, -1, 0), 3, 8, certain=True),
        _law((), 4, 9), _law((-1, 0), 3, 10, same=True), _law((-1, -1), 4, 11, False, spread=5.0),
        _law((-1, -1, 0, 0), 2, 12, False), _law((-1, -1, -1), 4, 13, certain=True)]  # fmt: skip


def _typical(shape, seed, spread, *thresholds, kept=None):
    p = torch.softmax(spread * torch.randn(*shape, generator=rng(seed)), -1)
    if kept:
        p = p * (p >= p.sort(descending=True, dim=-1).values[..., kept - 1 : kept])
        p = p / p.sum(-1, keepdim=True)
    return lambda typical_acceptance: [bool(x) for x in torch.as_tensor(typical_acceptance(p, *thresholds)).flatten()]


TYPICAL = [_typical((30,), seed, spread) for seed in range(4) for spread in (0.3, 1.0, 2.0, 5.0)]
TYPICAL += [_typical((4, 25), seed, 1.5, 0.3, 0.7) for seed in range(4)]
TYPICAL += [_typical((2, 3, 12), 5, 2.0, 0.5, 0.5), _typical((200,), 6, 1.0, 0.02, 0.9)]
TYPICAL += [_typical((9,), 7, 3.0, 0.6, 0.95)]
TYPICAL += [_typical((12,), seed, 1.0, 0.4, 0.8, kept=kept) for seed, kept in ((8, 1), (9, 2), (10, 4))]
TYPICAL += [lambda typical_acceptance: [bool(x) for x in typical_acceptance(torch.tensor([1.0, 0.0, 0.0]))]]


def _best(accuracy, budget):
    def scene(best_tree):
        rows = torch.as_tensor(accuracy).double().tolist()
        paths = [tuple(int(rank) for rank in path) for path in best_tree(accuracy, budget)]
        worth = [torch.tensor([rows[i][rank] for i, rank in enumerate(path)]).prod().item() for path in paths]
        ordered = all(path[:-1] in ((), *paths[:i]) for i, path in enumerate(paths))
        return [len(paths), worth, ordered, len(set(paths)) == len(paths), () in paths]

    return scene


def accuracy_of(heads, ranks, seed, falling=True):
    rows = torch.softmax(2.5 * torch.randn(heads, ranks + 1, generator=rng(seed)), -1)[:, :ranks]
    return rows.sort(-1, descending=True).values if falling else rows


BEST = [_best(accuracy_of(heads, ranks, seed, seed % 2 == 0), budget) for seed, (heads, ranks, budget) in enumerate(
    [(1, 4, 2), (2, 3, 4), (3, 3, 8), (4, 10, 16), (4, 10, 64), (2, 2, 99), (3, 5, 1), (3, 5, 0), (5, 2, 30)])]
BEST += [_best(torch.tensor([[0.6, 0.0], [0.0, 0.5]]), 9), _best(torch.ones(4, 1), 3), _best(torch.zeros(2, 2), 4)]


def _compacted(start, path, nodes, layers=2, heads=(1, 2), width=3):
    cache = [tuple(torch.randn(*heads, start + nodes, width, generator=rng(10 * i + j)) for j in range(2))
             for i in range(layers)]

    def scene(compact_cache):
        made = compact_cache([tuple(x.clone() for x in pair) for pair in cache], list(path), start)
        return [[[x.tolist(), list(x.shape)] for x in pair] for pair in made]

    return scene


COMPACT = [_compacted(5, [1, 3, 4], 7), _compacted(3, [], 4), _compacted(1, [0], 1, 1), _compacted(0, [1, 2], 4),
           _compacted(4, [0, 1, 2], 3, 3), _compacted(6, [5], 9, 1, (3,), 1), _compacted(2, [0, 4], 6, 2, (), 2),
           _compacted(4, [], 0), _compacted(3, [2], 5, 5, (2, 2), 4)]  # fmt: skip
CLOSE: dict[str, float] = {}
SCENES = {
    "medusa_labels": LABELS,
    "build_tree": BUILT,
    "tree_attention_mask": [_masked(parents) for parents in (*TREES, [])],
    "verify_tree_greedy": WALKS,
    "verify_tree_stochastic": LAWS,
    "typical_acceptance": TYPICAL,
    "best_tree": BEST,
    "compact_cache": COMPACT,
}
