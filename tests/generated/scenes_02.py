"""Unit 02 at real vocabularies: ids up to 128255 and 151935, chains that come back, rows that are kept."""

import numpy as np
import torch

CLOSE = {"hit_rate": 1e-5, "bigram_probabilities": 1e-4}


def _windows(ids, seqlen, nsamples, seed):
    def scene(sample_windows):
        rows = sample_windows(ids, seqlen, nsamples, seed)
        again, other = sample_windows(ids, seqlen, nsamples, seed), sample_windows(ids, seqlen, nsamples, seed + 1)
        where = {token: i for i, token in enumerate(ids.tolist())}
        pieces = all(row == ids[where[row[0]] : where[row[0]] + seqlen].tolist() for row in rows.tolist())
        starts = [where[row[0]] for row in rows.tolist()]
        often = [starts.count(i) > 0.5 * nsamples / len(set(starts)) for i in range(len(ids) - seqlen + 1)]
        return [list(rows.shape), pieces, torch.equal(rows, again), torch.equal(rows, other),
                often if nsamples > 500 else len(set(starts)) > 5]

    return scene


def _refused(*args):
    def scene(sample_windows):
        try:
            return list(sample_windows(*args).shape)
        except ValueError:
            return "refused"

    return scene


TEXT = torch.randperm(128256, generator=torch.Generator().manual_seed(3))[:300]


def _entries(data, vocab_size, default, *asked):
    """The table's entries at these ids, its length and type."""
    def scene(build_next_token_array):
        table = build_next_token_array(data, vocab_size, default)
        return [[int(table[i]) for i in asked], len(table), str(table.dtype), int((table == default).sum())]

    return scene


def _text(length, vocab_size, seed, low=0):
    """A text in which each token has few followers, from low upwards; some twice as likely as others."""
    rng = torch.Generator().manual_seed(seed)
    tokens = low + torch.randperm(vocab_size - low, generator=rng)[:12]
    ids = [int(tokens[0])]
    for _ in range(length - 1):
        step = int(torch.tensor([0.6, 0.25, 0.15]).multinomial(1, generator=rng))
        ids.append(int(tokens[(tokens.tolist().index(ids[-1]) * 5 + (1, 3, 8)[step]) % 12]))
    return torch.tensor(ids)


LARGE = _text(600, 128256, 1)
HIGH = _text(600, 151936, 2, low=100_000)
ROWS = torch.stack([_text(40, 128256, 1)[i : i + 20] for i in range(12)])
EDGES = torch.tensor([[128255, 0, 128255, 0, 128255, 1], [0, 128255, 0, 1, 0, 1]])
KEYS = torch.tensor([[100_000, 120_000, 100_000, 120_000, 3, 50_001, 3, 50_001, 2, 1, 2, 100_001, 1, 2, 1, 50_000]])
TIES = torch.tensor([[5, 9, 5, 7, 5, 9, 5, 7, 3, 0, 3, 2]])


def _raises(function_args):
    def scene(function):
        try:
            function(*function_args)
            return "answered"
        except ValueError:
            return "refused"

    return scene



def _draft(table, start, k):
    def scene(draft_with_bigram):
        draft = draft_with_bigram(start, table, k)
        return [draft.tolist(), str(draft.dtype)]

    return scene


def _table(vocab_size, seed):
    return torch.randperm(vocab_size, generator=torch.Generator().manual_seed(seed)).numpy().astype(np.int32)


SHORT_CYCLE = np.array([1, 2, 0, 3, 0], dtype=np.int32)
REAL = _table(128256, 5)


def _rate(ids, table):
    return lambda hit_rate: float(hit_rate(torch.tensor(ids) if isinstance(ids, list) else ids, table))


def _followed_by(table, length, seed):
    rng = torch.Generator().manual_seed(seed)
    ids = [int(torch.randint(len(table), (), generator=rng))]
    for _ in range(length - 1):
        right = torch.rand((), generator=rng) < 0.4
        ids.append(int(table[ids[-1]]) if right else int(torch.randint(len(table), (), generator=rng)))
    return torch.tensor(ids)


def _distributions(data, vocab_size, smoothing, *asked):
    """Several rows of one answer, all kept until the last has come; each by its largest entries and its sum."""
    def scene(bigram_probabilities):
        rows = bigram_probabilities(data, vocab_size, smoothing)
        kept = [rows(token) for token in (*asked, torch.tensor(asked[0]))]
        return [[torch.as_tensor(row).topk(4).values.tolist(), sorted(torch.as_tensor(row).topk(1).indices.tolist()),
                 float(torch.as_tensor(row).sum()), len(row), float(row[0])] for row in kept]

    return scene


_A, _B = (int(LARGE[i]) for i in (3, 4))
SCENES = {
    "sample_windows": [_windows(TEXT, 7, 40, 3), _windows(TEXT[:13], 9, 1000, 1), _windows(TEXT[:9], 9, 6, 2),
                       _windows(TEXT[:20], 1, 2000, 4), _refused(TEXT[:4], 5, 3, 0), _refused(TEXT[:0], 1, 3, 0),
                       _refused(TEXT[:5], 5, 2, 0)],
    "build_next_token_array": [
        _entries(LARGE, 128256, 220, *LARGE.unique().tolist(), 0),
        _entries(HIGH[None], 151936, 5, *HIGH.unique().tolist()),
        _entries(ROWS, 128256, 7, *ROWS.unique().tolist()), _entries(list(ROWS), 128256, 7, *ROWS.unique().tolist()),
        _entries(EDGES, 128256, 220, 0, 1, 128255), _entries(KEYS, 128256, 220, *KEYS.unique().tolist()),
        _entries(TIES, 10, 9, *range(10)), _entries(torch.tensor([[4, 2]]), 5, 1, *range(5)),
        *(_raises((torch.tensor(x), 10)) for x in ([[1, 10]], [[10, 1]], [[1, -1]], [[-1, 2]], [[1, 2], [3, 11]],
                                                  [1, 2, 10], [[9, 9]])),
        lambda f: f(torch.tensor([[1, 2]]))[[1, 5, 128255]].tolist()],
    "draft_with_bigram": [_draft(REAL, 128255, 9), _draft(REAL, 0, 1), _draft(REAL, torch.tensor(77), 5),
                          _draft(SHORT_CYCLE, 0, 9), _draft(SHORT_CYCLE, 3, 4), _draft(SHORT_CYCLE, 4, 0),
                          _draft(SHORT_CYCLE, 4, 70)],
    "hit_rate": [_rate(_followed_by(REAL, n, 1), REAL) for n in (2, 3, 10, 3000)]
    + [_rate([3], SHORT_CYCLE), _rate(torch.tensor([], dtype=torch.long), SHORT_CYCLE),
       _rate([0, 1, 2, 0], SHORT_CYCLE), _rate([0, 0], SHORT_CYCLE), _rate([4, 0, 1, 1], SHORT_CYCLE)],
    "bigram_probabilities": [
        _distributions(LARGE, 128256, 0.0, _A, _B, 5), _distributions(HIGH[None], 151936, 0.0, *HIGH[:5].tolist()),
        _distributions(ROWS, 128256, 0.5, *ROWS[0, :4].tolist(), 1), _distributions(list(ROWS), 128256, 0.0,
                                                                                  *ROWS[:, -1].unique().tolist()),
        _distributions(EDGES, 128256, 0.0, 0, 1, 128255), _distributions(KEYS, 128256, 1e-3, 100_000, 3, 2, 1),
        _distributions(TIES, 10, 2.0, *range(10)),
        *(_raises((torch.tensor(x), 10, s)) for x, s in (([[1, 10]], 0.0), ([[10, 1]], 0.0), ([[1, -1]], 0.0),
                                                        ([[-1, 2]], 0.5), ([[1, 2], [3, 11]], 0.0), ([[1, 2]], -1.0),
                                                        ([[1, 2]], -1e-3), ([[9, 9]], 0.0)))],
}  # fmt: skip
