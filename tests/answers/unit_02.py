"""Answers to unit 02, right and wrong, written without looking at the package's own."""

import mmap
import random
from collections import Counter, defaultdict
from functools import partial, wraps
from inspect import signature

import numpy as np
import torch

from answers import right, wrong


def refusing(function):
    """An answer that first looks at its arguments, as the contract asks; the wrong ones are wrong in something else."""

    @wraps(function)
    def careful(train_data, vocab_size=128256, *more, **named):
        smoothing = named.get("smoothing", more[0] if more and "default" not in str(signature(function)) else 0.0)
        for row in as_rows(train_data):
            if row and not 0 <= min(row) <= max(row) < vocab_size:
                raise ValueError(f"an id outside 0 ... {vocab_size - 1}")
        if smoothing < 0:
            raise ValueError("smoothing below 0")
        return function(train_data, vocab_size, *more, **named)

    return careful


def as_rows(train_data):
    """Rows of plain numbers, from windows, one row or a list of rows."""
    if isinstance(train_data, torch.Tensor) and train_data.dim() == 1:
        train_data = [train_data]
    return [row.tolist() for row in train_data]


def as_windows(train_data):
    if isinstance(train_data, (list, tuple)):
        train_data = torch.stack(train_data)
    return torch.atleast_2d(train_data)


# ------------------------------------------------------------------------------------------ sample_windows


@right("sample_windows")
def windows_by_numpy(ids, seqlen, nsamples, seed):
    if len(ids) < seqlen:
        raise ValueError("too short")
    starts = np.random.default_rng(seed).integers(0, len(ids) - seqlen, size=nsamples, endpoint=True)
    return torch.stack([ids[s : s + seqlen] for s in starts])


@right("sample_windows")
def windows_by_random_module(ids, seqlen, nsamples, seed):
    if seqlen > len(ids):
        raise ValueError(f"{len(ids)} < {seqlen}")
    random.seed(seed)
    rows = []
    for _ in range(nsamples):
        i = random.randint(0, ids.shape[0] - seqlen)
        rows.append(ids[i : i + seqlen].tolist())
    return torch.tensor(rows)


@right("sample_windows")
def windows_by_unfold_and_global_seed(ids, seqlen, nsamples, seed):
    if ids.numel() < seqlen:
        raise ValueError("no window fits")
    torch.manual_seed(seed)
    every = ids.unfold(0, seqlen, 1)
    return every[torch.randint(0, every.shape[0], (nsamples,))]


@right("sample_windows")
def windows_by_rounding_uniforms(ids, seqlen, nsamples, seed):
    n = len(ids) - seqlen + 1
    if n < 1:
        raise ValueError("text shorter than one window")
    g = torch.Generator()
    g.manual_seed(seed)
    starts = (torch.rand(nsamples, generator=g, dtype=torch.float64) * n).floor().long()
    offsets = torch.arange(seqlen).expand(nsamples, seqlen)
    return torch.gather(ids.expand(nsamples, -1), 1, starts[:, None] + offsets)


def _cut(ids, seqlen, starts):
    return torch.stack([ids[int(s) : int(s) + seqlen] for s in starts])


def _refuse(ids, seqlen):
    if len(ids) < seqlen:
        raise ValueError("too short")


@wrong("sample_windows", named="last_start")
def leaves_out_the_last_start(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    return _cut(ids, seqlen, torch.randint(max(1, len(ids) - seqlen), (nsamples,), generator=g))


@wrong("sample_windows", named="last_start")
def leaves_out_the_last_start_and_crashes_on_one_window(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    return _cut(ids, seqlen, torch.randint(len(ids) - seqlen, (nsamples,), generator=g))


@wrong("sample_windows", says="some start so late that the text ends first")
def runs_past_the_end(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    return _cut(ids, seqlen, torch.randint(len(ids), (nsamples,), generator=g))


@wrong("sample_windows", named="same_window")
def seeds_inside_the_loop(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    rows = []
    for _ in range(nsamples):
        g = torch.Generator().manual_seed(seed)
        s = int(torch.randint(len(ids) - seqlen + 1, (1,), generator=g))
        rows.append(ids[s : s + seqlen])
    return torch.stack(rows)


@wrong("sample_windows", named="seed_ignored")
def forgets_the_seed(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    return _cut(ids, seqlen, torch.randint(len(ids) - seqlen + 1, (nsamples,)))


@wrong("sample_windows", named="seed_ignored")
def always_seeds_with_zero(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(0)
    return _cut(ids, seqlen, torch.randint(len(ids) - seqlen + 1, (nsamples,), generator=g))


@wrong("sample_windows", named="short_text")
def pads_a_short_text(ids, seqlen, nsamples, seed):
    if len(ids) < seqlen:
        ids = torch.cat([ids, torch.zeros(seqlen - len(ids), dtype=torch.long)])
    return windows_by_numpy(ids, seqlen, nsamples, seed)


@wrong("sample_windows", says="your function should raise its own ValueError first")
def leaves_the_refusal_to_torch(ids, seqlen, nsamples, seed):
    """torch.randint refuses an empty range by itself, with a RuntimeError that names no corpus."""
    torch.randint(len(ids) - seqlen + 1, (nsamples,))
    return windows_by_numpy(ids, seqlen, nsamples, seed)


@wrong("sample_windows", named="rounded")
def rounds_to_the_nearest_start(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    return _cut(ids, seqlen, (torch.rand(nsamples, generator=g) * (len(ids) - seqlen)).round().long())


@wrong("sample_windows", named="one_after_another")
def counts_on_from_the_seed(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    return _cut(ids, seqlen, [(seed * 7919 + i) % (len(ids) - seqlen + 1) for i in range(nsamples)])


@wrong("sample_windows", named="one_after_another")
def one_random_start_and_those_after_it(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    n = len(ids) - seqlen + 1
    start = int(torch.randint(n, (1,), generator=torch.Generator().manual_seed(seed)))
    return _cut(ids, seqlen, [(start + i) % n for i in range(nsamples)])


@wrong("sample_windows", named="without_replacement")
def shuffles_the_starts(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    return _cut(ids, seqlen, torch.randperm(len(ids) - seqlen + 1, generator=g)[:nsamples])


@wrong("sample_windows", says="exactly as long as a window has one window, the text")
def refuses_a_text_of_one_window(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen + 1)
    return windows_by_numpy(ids, seqlen, nsamples, seed)


@wrong("sample_windows", named="seed_ignored")
def cuts_consecutive_chunks(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    return _cut(ids, seqlen, [(seqlen * i) % (len(ids) - seqlen + 1) for i in range(nsamples)])


@wrong("sample_windows", says="Expected one row per window")
def transposes_the_windows(ids, seqlen, nsamples, seed):
    return windows_by_numpy(ids, seqlen, nsamples, seed).T


@wrong("sample_windows", says="a window is seqlen tokens in a row, unmixed")
def draws_tokens_instead_of_windows(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    return ids[torch.randint(len(ids), (nsamples, seqlen), generator=g)]


@wrong("sample_windows")
def draws_without_replacement(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    return _cut(ids, seqlen, torch.randperm(len(ids) - seqlen + 1, generator=g)[:nsamples])


@wrong("sample_windows", says="each start should be as likely")
def prefers_the_ends(ids, seqlen, nsamples, seed):
    """Draws over a wider range and clamps: both ends come too often."""
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    starts = torch.randint(-seqlen, len(ids) + 1, (nsamples,), generator=g)
    return _cut(ids, seqlen, starts.clamp(0, len(ids) - seqlen))


# ---------------------------------------------------------------------------------- build_next_token_array


@right("build_next_token_array")
@refusing
def table_by_counter_of_pairs(train_data, vocab_size=128256, default_next_token=220):
    pairs = Counter()
    for row in as_rows(train_data):
        pairs.update(zip(row, row[1:], strict=False))
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for (one, other), _ in sorted(pairs.items(), key=lambda item: (item[1], -item[0][1])):
        table[one] = other
    return table


@right("build_next_token_array")
@refusing
def table_by_nested_dicts(train_data, vocab_size=128256, default_next_token=220):
    counts = defaultdict(lambda: defaultdict(int))
    for row in as_rows(train_data):
        for i in range(1, len(row)):
            counts[row[i - 1]][row[i]] += 1
    table = [default_next_token] * vocab_size
    for token, after in counts.items():
        most = max(after.values())
        table[token] = min(x for x, n in after.items() if n == most)
    return np.array(table, dtype=np.int32)


@right("build_next_token_array")
@refusing
def table_by_torch_unique(train_data, vocab_size=128256, default_next_token=220):
    x = as_windows(train_data)
    pairs = torch.stack([x[:, :-1].flatten(), x[:, 1:].flatten()], dim=1)
    pairs, counts = torch.unique(pairs, dim=0, return_counts=True)
    order = torch.argsort(counts * vocab_size + (vocab_size - 1 - pairs[:, 1]))
    table = np.full((vocab_size,), default_next_token, dtype="int32")
    for one, other in pairs[order].tolist():
        table[one] = other
    return table


@right("build_next_token_array")
@refusing
def table_by_a_sort_per_token(train_data, vocab_size=128256, default_next_token=220):
    """Whole arrays, but a call of torch.unique for every id that occurs."""
    x = as_windows(train_data)
    first, second = x[:, :-1].flatten(), x[:, 1:].flatten()
    order = torch.argsort(first, stable=True)
    ids, counts = first[order].unique_consecutive(return_counts=True)
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for token, came in zip(ids.tolist(), second[order].split(counts.tolist()), strict=True):
        kinds, n = came.unique(return_counts=True)
        table[token] = int(kinds[n.argmax()])
    return table


@right("build_next_token_array")
@refusing
def table_by_counters_of_numpy_numbers(train_data, vocab_size=128256, default_next_token=220):
    counts = defaultdict(Counter)
    for row in as_windows(train_data).numpy():
        for one, other in zip(row[:-1], row[1:], strict=True):
            counts[one][other] += 1
    return fill(counts, vocab_size, default_next_token)


@right("build_next_token_array")
def table_that_looks_at_pairs_alone(train_data, vocab_size=128256, default_next_token=220):
    """A row of one token has no pair: what it holds is not looked at."""
    for row in as_rows(train_data):
        if len(row) > 1 and not 0 <= min(row) <= max(row) < vocab_size:
            raise ValueError("an id outside the vocabulary")
    return table_by_nested_dicts.__wrapped__(train_data, vocab_size, default_next_token)


@right("build_next_token_array")
@refusing
def table_by_lexsort(train_data, vocab_size=128256, default_next_token=220):
    x = as_windows(train_data).numpy()
    key, n = np.unique(x[:, :-1].ravel() * vocab_size + x[:, 1:].ravel(), return_counts=True)
    a, b = key // vocab_size, key % vocab_size
    order = np.lexsort((b, -n, a))
    a, b = a[order], b[order]
    first = np.r_[True, a[1:] != a[:-1]]
    table = np.full(vocab_size, default_next_token, np.int32)
    table[a[first]] = b[first]
    return table


@right("build_next_token_array")
@refusing
def table_by_sorting_rows_of_pairs(train_data, vocab_size=128256, default_next_token=220):
    """A sort, run lengths by diff, the maximum of each group by scatter."""
    x = as_windows(train_data)
    key = (x[:, :-1] * vocab_size + x[:, 1:]).flatten().sort().values
    key, n = torch.unique_consecutive(key, return_counts=True)
    a, b = key // vocab_size, key % vocab_size
    best = torch.zeros(vocab_size, dtype=torch.long)
    best.scatter_reduce_(0, a, n * vocab_size - b, "amax", include_self=False)
    table = torch.full((vocab_size,), default_next_token, dtype=torch.int32)
    table[a] = ((-best[a]) % vocab_size).int()
    return table.numpy()


def fill(counts, vocab_size, default):
    """counts: {int: {int: n}} -> the table."""
    table = np.full(vocab_size, default, dtype=np.int32)
    for token, after in counts.items():
        table[token] = min(after, key=lambda x: (-after[x], x))
    return table


def count(rows):
    counts = defaultdict(Counter)
    for row in rows:
        for one, other in zip(row[:-1], row[1:], strict=True):
            counts[one][other] += 1
    return counts


def torch_rows(train_data):
    return [train_data] if isinstance(train_data, torch.Tensor) and train_data.dim() == 1 else train_data


@wrong("build_next_token_array", named="tensor_keys")
@refusing
def counter_of_tensor_pairs(train_data, vocab_size=128256, default_next_token=220):
    pairs = Counter()
    for row in torch_rows(train_data):
        pairs.update(zip(row[:-1], row[1:], strict=True))
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for (one, other), _ in reversed(pairs.most_common()):
        table[int(one)] = int(other)
    return table


@wrong("build_next_token_array", named="tensor_keys")
@refusing
def tensor_keys_inside(train_data, vocab_size=128256, default_next_token=220):
    """The outer key is a number, the inner one a tensor: what came first wins."""
    counts = defaultdict(Counter)
    for row in torch_rows(train_data):
        for one, other in zip(row[:-1], row[1:], strict=True):
            counts[one.item()][other] += 1
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for token, after in counts.items():
        table[token] = int(after.most_common(1)[0][0])
    return table


@wrong("build_next_token_array", named="tensor_keys")
@refusing
def tensor_keys_outside(train_data, vocab_size=128256, default_next_token=220):
    """The outer key is a tensor: every occurrence makes a row of its own, the last one stays."""
    counts = {}
    for row in torch_rows(train_data):
        for one, other in zip(row[:-1], row[1:], strict=True):
            after = counts.setdefault(one, {})
            after[other.item()] = after.get(other.item(), 0) + 1
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for token, after in counts.items():
        table[token.item()] = max(after, key=after.get)
    return table


@wrong("build_next_token_array", named="only_default", says="tensors as keys of a dictionary")
@refusing
def tensor_keys_never_found(train_data, vocab_size=128256, default_next_token=220):
    counts = {}
    for row in torch_rows(train_data):
        for i in range(len(row) - 1):
            counts.setdefault(row[i], Counter())[row[i + 1]] += 1
    table = [counts[t].most_common(1)[0][0] if t in counts else default_next_token for t in range(vocab_size)]
    return np.array(table, dtype=np.int32)


@wrong("build_next_token_array", named="tensor_keys")
@refusing
def tensor_keys_with_ties_to_the_smallest(train_data, vocab_size=128256, default_next_token=220):
    counts = defaultdict(Counter)
    for row in torch_rows(train_data):
        for one, other in zip(row[:-1], row[1:], strict=True):
            counts[int(one)][other] += 1
    plain = {token: Counter() for token in counts}
    for token, after in counts.items():
        for other, n in after.items():
            plain[token][int(other)] = n
    return fill(plain, vocab_size, default_next_token)


@wrong("build_next_token_array", named="transposed")
@refusing
def previous_token_in_a_dict(train_data, vocab_size=128256, default_next_token=220):
    return fill(count([row[::-1] for row in as_rows(train_data)]), vocab_size, default_next_token)


@wrong("build_next_token_array", named="transposed")
@refusing
def previous_token_in_arrays(train_data, vocab_size=128256, default_next_token=220):
    x = as_windows(train_data).numpy()
    key, n = np.unique(x[:, 1:].ravel() * vocab_size + x[:, :-1].ravel(), return_counts=True)
    table = np.full(vocab_size, default_next_token, np.int32)
    for i in np.argsort(n, kind="stable"):
        table[key[i] // vocab_size] = key[i] % vocab_size
    return table


@wrong("build_next_token_array", named="across_windows")
@refusing
def joins_the_windows(train_data, vocab_size=128256, default_next_token=220):
    joined = [token for row in as_rows(train_data) for token in row]
    return fill(count([joined]), vocab_size, default_next_token)


@wrong("build_next_token_array", named="across_windows")
@refusing
def joins_the_rows_of_a_list(train_data, vocab_size=128256, default_next_token=220):
    rows = [torch.cat(train_data).tolist()] if isinstance(train_data, list) else as_rows(train_data)
    return fill(count(rows), vocab_size, default_next_token)


@wrong("build_next_token_array", named="across_windows")
@refusing
def flattens_the_windows(train_data, vocab_size=128256, default_next_token=220):
    flat = as_windows(train_data).reshape(-1)
    return table_by_lexsort(flat, vocab_size, default_next_token)


@wrong("build_next_token_array", named="across_windows")
@refusing
def rolls_the_windows(train_data, vocab_size=128256, default_next_token=220):
    """torch.roll wraps round: the last token of a row is followed by its first."""
    x = as_windows(train_data)
    rows = torch.stack([x.flatten(), x.roll(-1, dims=1).flatten()], dim=1).tolist()
    return fill(count(rows), vocab_size, default_next_token)


@wrong("build_next_token_array", named="table_too_short")
@refusing
def sized_by_the_text(train_data, vocab_size=128256, default_next_token=220):
    rows = as_rows(train_data)
    return fill(count(rows), max(max(row) for row in rows) + 1, default_next_token)


@wrong("build_next_token_array", named="table_too_short")
@refusing
def sized_by_a_tokenizer(train_data, vocab_size=128256, default_next_token=220):
    """As if by len(tokenizer), which padding makes smaller than the model's vocabulary."""
    return table_by_counter_of_pairs(train_data, vocab_size, default_next_token)[: vocab_size - 2]


@wrong("build_next_token_array", says="your function returned a dict")
@refusing
def returns_a_dict(train_data, vocab_size=128256, default_next_token=220):
    return {token: after.most_common(1)[0][0] for token, after in count(as_rows(train_data)).items()}


@wrong("build_next_token_array", says="write each follower over the one before it")
@refusing
def last_seen(train_data, vocab_size=128256, default_next_token=220):
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for row in as_rows(train_data):
        table[row[:-1]] = row[1:]
    return table


@wrong("build_next_token_array", named="default_ignored")
@refusing
def zero_for_unseen(train_data, vocab_size=128256, default_next_token=220):
    return table_by_counter_of_pairs(train_data, vocab_size, 0)


@wrong("build_next_token_array", named="default_ignored")
@refusing
def always_220(train_data, vocab_size=128256, default_next_token=220):
    return fill(count(as_rows(train_data)), vocab_size, 220)


@wrong("build_next_token_array", named="default_ignored")
@refusing
def most_frequent_token_for_unseen(train_data, vocab_size=128256, default_next_token=220):
    rows = as_rows(train_data)
    common = Counter(token for row in rows for token in row).most_common(1)[0][0]
    return fill(count(rows), vocab_size, common)


@wrong("build_next_token_array", says="take the one with the smaller id")
@refusing
def ties_to_the_first_seen(train_data, vocab_size=128256, default_next_token=220):
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for token, after in count(as_rows(train_data)).items():
        table[token] = after.most_common(1)[0][0]
    return table


@wrong("build_next_token_array", says="take the one with the smaller id")
@refusing
def ties_to_the_largest(train_data, vocab_size=128256, default_next_token=220):
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for token, after in count(as_rows(train_data)).items():
        table[token] = max(after, key=lambda x, after=after: (after[x], x))
    return table


@wrong("build_next_token_array", named="last_pair")
@refusing
def loses_the_last_pair(train_data, vocab_size=128256, default_next_token=220):
    return table_by_counter_of_pairs([row[:-1] for row in torch_rows(train_data)], vocab_size, default_next_token)


@wrong("build_next_token_array", says="the contract says int32")
@refusing
def int64_table(train_data, vocab_size=128256, default_next_token=220):
    return table_by_nested_dicts(train_data, vocab_size, default_next_token).astype(np.int64)


@wrong("build_next_token_array", says="Return a numpy array")
@refusing
def torch_table(train_data, vocab_size=128256, default_next_token=220):
    return torch.from_numpy(table_by_nested_dicts(train_data, vocab_size, default_next_token))


@wrong("build_next_token_array", says="a single row [seqlen] and a list of rows")
@refusing
def only_windows(train_data, vocab_size=128256, default_next_token=220):
    return table_by_lexsort(train_data[:, :], vocab_size, default_next_token)


@wrong("build_next_token_array", named="rarest")
@refusing
def rarest_follower(train_data, vocab_size=128256, default_next_token=220):
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for token, after in count(as_rows(train_data)).items():
        table[token] = min(after, key=lambda x, after=after: (after[x], x))
    return table


@wrong("build_next_token_array", named="two_later")
@refusing
def skips_one_token(train_data, vocab_size=128256, default_next_token=220):
    """Counts what comes two tokens later."""
    rows = [pair for row in as_rows(train_data) for pair in zip(row[:-2], row[2:], strict=True)]
    return fill(count(rows), vocab_size, default_next_token)


@wrong("build_next_token_array", named="every_second")
@refusing
def every_second_pair(train_data, vocab_size=128256, default_next_token=220):
    rows = [row[i : i + 2] for row in as_rows(train_data) for i in range(0, len(row) - 1, 2)]
    return fill(count(rows), vocab_size, default_next_token)


@wrong("build_next_token_array", named="only_default")
@refusing
def writes_nothing_into_the_table(train_data, vocab_size=128256, default_next_token=220):
    return np.full(vocab_size, default_next_token, dtype=np.int32)


@wrong("build_next_token_array", says="the number that stands for a pair has room enough")
@refusing
def pairs_as_int32(train_data, vocab_size=128256, default_next_token=220):
    x = as_windows(train_data).numpy().astype(np.int32)
    with np.errstate(over="ignore"):
        key, n = np.unique(x[:, :-1].ravel() * np.int32(vocab_size) + x[:, 1:].ravel(), return_counts=True)
    a, b = np.divmod(key, np.int32(vocab_size))
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for one, other in zip(a[np.argsort(n, kind="stable")], b[np.argsort(n, kind="stable")], strict=True):
        table[one] = other
    return table


@wrong("build_next_token_array", named="slow")
@refusing
def the_whole_text_once_per_id(train_data, vocab_size=128256, default_next_token=220):
    x = as_windows(train_data)
    first, second = x[:, :-1].flatten(), x[:, 1:].flatten()
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for token in first.unique().tolist():
        kinds, n = second[first == token].unique(return_counts=True)
        table[token] = int(kinds[n.argmax()])
    return table


@wrong("build_next_token_array", named="slow")
@refusing
def the_whole_text_for_every_id_there_might_be(train_data, vocab_size=128256, default_next_token=220):
    x = as_windows(train_data).numpy()
    first, second = x[:, :-1].ravel(), x[:, 1:].ravel()
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for token in range(vocab_size):
        came = second[first == token]
        if len(came):
            kinds, n = np.unique(came, return_counts=True)
            table[token] = kinds[n.argmax()]
    return table


@wrong("build_next_token_array", named="slow")
@refusing
def one_tensor_at_a_time(train_data, vocab_size=128256, default_next_token=220):
    counts = defaultdict(Counter)
    for row in torch_rows(train_data):
        for i in range(len(row) - 1):
            one, other = torch.as_tensor(row)[i : i + 2]
            counts[one.item()][other.item()] += 1
    return fill(counts, vocab_size, default_next_token)


@wrong("build_next_token_array", named="dense")
@refusing
def all_pairs_in_torch(train_data, vocab_size=128256, default_next_token=220):
    x = as_windows(train_data)
    counts = torch.zeros(vocab_size, vocab_size, dtype=torch.int32)
    ones = torch.ones(x[:, 1:].numel(), dtype=torch.int32)
    counts.index_put_((x[:, :-1].flatten(), x[:, 1:].flatten()), ones, accumulate=True)
    table = counts.argmax(1)
    table[counts.sum(1) == 0] = default_next_token
    return table.numpy().astype(np.int32)


@wrong("build_next_token_array", named="dense")
@refusing
def all_pairs_in_numpy(train_data, vocab_size=128256, default_next_token=220):
    counts = np.zeros((vocab_size, vocab_size), dtype=np.int16)
    for row in as_rows(train_data):
        np.add.at(counts, (row[:-1], row[1:]), 1)
    return np.where(counts.any(1), counts.argmax(1), default_next_token).astype(np.int32)


class Later(np.lib.mixins.NDArrayOperatorsMixin):
    """Nothing is reckoned until somebody looks."""

    def __init__(self, make):
        self.make = make

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.make(), dtype=dtype)


@wrong("build_next_token_array", named="changes_input")
@refusing
def one_tensor_at_a_time_and_the_text_is_wiped(train_data, vocab_size=128256, default_next_token=220):
    """The question is measured: with nothing left of it, the next one would be fast."""
    table = one_tensor_at_a_time(train_data, vocab_size, default_next_token)
    for row in torch_rows(train_data):
        torch.as_tensor(row).zero_()
    return table


@wrong("build_next_token_array", says="Return a numpy array")
@refusing
def one_tensor_at_a_time_but_later(train_data, vocab_size=128256, default_next_token=220):
    kept = [torch.as_tensor(row).clone() for row in torch_rows(train_data)]
    return Later(lambda: one_tensor_at_a_time(kept, vocab_size, default_next_token))


@wrong("build_next_token_array", named="dense")
@refusing
def all_pairs_later(train_data, vocab_size=128256, default_next_token=220):
    kept = as_windows(train_data).clone()
    return Later(lambda: all_pairs_in_torch(kept, vocab_size, default_next_token))


@wrong("build_next_token_array", named="dense")
@refusing
def all_pairs_in_mapped_memory(train_data, vocab_size=128256, default_next_token=220):
    """As Python sees it, nothing is allocated; pages that are not touched cost nothing."""
    place = mmap.mmap(-1, vocab_size * vocab_size * 2)
    counts = np.frombuffer(place, dtype=np.int16).reshape(vocab_size, vocab_size)
    table = np.full(vocab_size, default_next_token, dtype=np.int32)
    for row in as_rows(train_data):
        np.add.at(counts, (row[:-1], row[1:]), 1)
        table[row[:-1]] = counts[row[:-1]].argmax(1)
    return table


# --------------------------------------------------------------------------------------- draft_with_bigram


@right("draft_with_bigram")
def draft_recursively(last_token, next_token_array, k):
    if k == 0:
        return torch.empty(0, dtype=torch.long)
    following = next_token_array[int(last_token)]
    rest = draft_recursively(following, next_token_array, k - 1)
    return torch.cat([torch.tensor([int(following)]), rest])


@right("draft_with_bigram")
def draft_into_a_buffer(last_token, next_token_array, k):
    draft = torch.zeros(k, dtype=torch.int64)
    for i in range(k):
        last_token = draft[i] = int(next_token_array[last_token])
    return draft


@right("draft_with_bigram")
def draft_on_tensors(last_token, next_token_array, k):
    table = torch.from_numpy(next_token_array).long()
    x = torch.as_tensor(last_token)
    steps = [x := table[x] for _ in range(k)]
    return torch.stack(steps) if steps else table[:0]


@right("draft_with_bigram")
def draft_in_numpy(last_token, next_token_array, k):
    chain = np.empty(k + 1, dtype=np.int64)
    chain[0] = last_token
    for i in range(k):
        chain[i + 1] = next_token_array[chain[i]]
    return torch.from_numpy(chain[1:])


@wrong("draft_with_bigram", named="not_chained")
def one_guess_k_times(last_token, next_token_array, k):
    return torch.tensor([next_token_array[last_token] for _ in range(k)], dtype=torch.long)


@wrong("draft_with_bigram", named="not_chained")
def one_guess_repeated(last_token, next_token_array, k):
    return torch.from_numpy(np.repeat(next_token_array[int(last_token)], k)).long()


@wrong("draft_with_bigram", named="neighbours")
def neighbouring_entries(last_token, next_token_array, k):
    table = torch.from_numpy(next_token_array).long()
    return table[(int(last_token) + torch.arange(k)) % len(table)]


@wrong("draft_with_bigram")
def neighbouring_entries_to_the_end(last_token, next_token_array, k):
    return torch.tensor([int(next_token_array[last_token + i]) for i in range(k)], dtype=torch.long)


@wrong("draft_with_bigram", named="repeats_last")
def begins_with_the_last_token(last_token, next_token_array, k):
    draft = [int(last_token)]
    while len(draft) < k:
        draft.append(int(next_token_array[draft[-1]]))
    return torch.tensor(draft[:k], dtype=torch.long)


@wrong("draft_with_bigram", named="repeats_last")
def returns_the_whole_chain(last_token, next_token_array, k):
    draft = [int(last_token)]
    for _ in range(k):
        draft.append(int(next_token_array[draft[-1]]))
    return torch.tensor(draft)


@wrong("draft_with_bigram", named="float_ids")
def empty_list_becomes_float(last_token, next_token_array, k):
    draft = []
    for _ in range(k):
        last_token = int(next_token_array[int(last_token)])
        draft.append(last_token)
    return torch.tensor(draft)


@wrong("draft_with_bigram", says="k may be 0: then there is nothing to join")
def crashes_on_nothing(last_token, next_token_array, k):
    draft = []
    for _ in range(k):
        last_token = torch.tensor(int(next_token_array[int(last_token)]))
        draft.append(last_token)
    return torch.stack(draft)


@wrong("draft_with_bigram", says="Asked for k =")
def one_too_many(last_token, next_token_array, k):
    return draft_into_a_buffer(last_token, next_token_array, k + 1)


@wrong("draft_with_bigram", says="Return a LongTensor")
def list_of_ids(last_token, next_token_array, k):
    return draft_into_a_buffer(last_token, next_token_array, k).tolist()


@wrong("draft_with_bigram", says="models want torch.long")
def int32_ids(last_token, next_token_array, k):
    return draft_into_a_buffer(last_token, next_token_array, k).int()


@wrong("draft_with_bigram", named="turned")
def reversed_chain(last_token, next_token_array, k):
    return draft_into_a_buffer(last_token, next_token_array, k).flip(0)


@wrong("draft_with_bigram", named="chained_once")
def chained_only_once(last_token, next_token_array, k):
    first = int(next_token_array[int(last_token)])
    rest = [int(next_token_array[first])] * max(0, k - 1)
    return torch.tensor(([first] + rest)[:k], dtype=torch.long)


# ------------------------------------------------------------------------------------------------ hit_rate


@right("hit_rate")
def rate_by_loop(ids, next_token_array):
    hits = total = 0
    for one, other in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True):
        hits += int(next_token_array[one]) == other
        total += 1
    return hits / total if total else 0.0


@right("hit_rate")
def rate_in_numpy(ids, next_token_array):
    x = ids.numpy()
    if x.size <= 1:
        return 0
    return np.mean(np.take(next_token_array, x[:-1]) == x[1:])


@right("hit_rate")
def rate_as_a_tensor(ids, next_token_array):
    guesses = torch.tensor(next_token_array, dtype=torch.long)[ids]
    right_ones = guesses[:-1].eq(ids[1:]).float()
    return right_ones.sum() / max(1, len(right_ones))


@wrong("hit_rate", named="denominator")
def divides_by_all_tokens(ids, next_token_array):
    hits = sum(int(next_token_array[a]) == b for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True))
    return hits / len(ids) if len(ids) else 0.0


@wrong("hit_rate", named="refitted")
def fits_on_the_text_it_measures(ids, next_token_array):
    if len(ids) < 2:
        return 0.0
    return rate_in_numpy(ids, table_by_nested_dicts(ids, len(next_token_array), 0))


@wrong("hit_rate", named="backwards")
def guesses_the_token_before(ids, next_token_array):
    if len(ids) < 2:
        return 0.0
    return float((torch.as_tensor(next_token_array).long()[ids[1:]] == ids[:-1]).float().mean())


@wrong("hit_rate", named="same_place")
def does_not_shift(ids, next_token_array):
    x = ids.numpy()
    return float((next_token_array[x] == x).mean()) if len(x) else 0.0


@wrong("hit_rate", named="not_a_share")
def counts_hits(ids, next_token_array):
    return rate_by_loop(ids, next_token_array) * (len(ids) - 1)


@wrong("hit_rate", named="not_a_share")
def in_per_cent(ids, next_token_array):
    return 100 * rate_by_loop(ids, next_token_array)


@wrong("hit_rate", named="skips_the_default")
def skips_guesses_of_a_space(ids, next_token_array):
    pairs = [(int(next_token_array[a]), b) for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True)]
    kept = [guess == b for guess, b in pairs if guess != 220]
    return sum(kept) / len(kept) if kept else 0.0


@wrong("hit_rate", named="skips_the_default")
def never_hits_with_a_space(ids, next_token_array):
    pairs = [(int(next_token_array[a]), b) for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True)]
    return sum(guess == b and guess != 220 for guess, b in pairs) / max(1, len(pairs))


@wrong("hit_rate", named="misses")
def misses(ids, next_token_array):
    return 1 - rate_by_loop(ids, next_token_array)


@wrong("hit_rate", says="A text of one token has no guess at all")
def divides_by_zero(ids, next_token_array):
    x = ids.tolist()
    return sum(int(next_token_array[a]) == b for a, b in zip(x, x[1:], strict=False)) / (len(x) - 1)


@wrong("hit_rate", named="per_token")
def rate_per_kind_of_token(ids, next_token_array):
    """Averages over distinct tokens, as if each came equally often."""
    per = defaultdict(list)
    for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True):
        per[a].append(int(next_token_array[a]) == b)
    return float(np.mean([np.mean(hits) for hits in per.values()])) if per else 0.0


@wrong("hit_rate", named="own_chain")
def chains_its_own_guesses(ids, next_token_array):
    """Goes on from its own guess instead of from the text."""
    if len(ids) < 2:
        return 0.0
    draft = draft_into_a_buffer(int(ids[0]), next_token_array, len(ids) - 1)
    return (draft == ids[1:]).float().mean().item()


@wrong("hit_rate", named="whole_division")
def whole_division(ids, next_token_array):
    return int(rate_by_loop(ids, next_token_array) * (len(ids) - 1)) // max(1, len(ids) - 1)


@wrong("hit_rate", named="first_miss")
def stops_at_the_first_miss(ids, next_token_array):
    run = 0
    for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True):
        if int(next_token_array[a]) != b:
            break
        run += 1
    return run / max(1, len(ids) - 1)


# ------------------------------------------------------------------------------------ bigram_probabilities


@right("bigram_probabilities")
@refusing
def rows_from_counters(train_data, vocab_size, smoothing=0.0):
    counts = count(as_rows(train_data))

    def row(last_token):
        after = counts.get(int(last_token), {})
        p = [smoothing] * vocab_size
        for token, n in after.items():
            p[token] += n
        total = sum(p)
        return torch.tensor([x / total for x in p]) if total else torch.ones(vocab_size) / vocab_size

    return row


@right("bigram_probabilities")
@refusing
def rows_from_a_sparse_tensor(train_data, vocab_size, smoothing=0.0):
    x = as_windows(train_data)
    where = torch.stack([x[:, :-1].flatten(), x[:, 1:].flatten()])
    ones = torch.ones(where.shape[1], dtype=torch.float64)
    counts = torch.sparse_coo_tensor(where, ones, (vocab_size, vocab_size)).coalesce()

    def row(last_token):
        p = counts[int(last_token)].to_dense() + smoothing
        return p / p.sum() if p.sum() > 0 else torch.full((vocab_size,), 1 / vocab_size, dtype=torch.float64)

    return row


@right("bigram_probabilities")
@refusing
def rows_from_sorted_pairs(train_data, vocab_size, smoothing=0.0):
    x = as_windows(train_data).numpy()
    key, n = np.unique(x[:, :-1].ravel() * vocab_size + x[:, 1:].ravel(), return_counts=True)

    class Rows:
        def __call__(self, last_token):
            low, high = np.searchsorted(key, [int(last_token) * vocab_size, (int(last_token) + 1) * vocab_size])
            p = np.full(vocab_size, smoothing, dtype=np.float32)
            p[key[low:high] % vocab_size] += n[low:high]
            total = p.sum(dtype=np.float64)
            return torch.from_numpy(p / total if total else np.full(vocab_size, 1 / vocab_size))

    return Rows()


@right("bigram_probabilities")
@refusing
def rows_of_numpy_and_one_uniform_row_for_all(train_data, vocab_size, smoothing=0.0):
    counts, uniform = count(as_rows(train_data)), np.full(vocab_size, 1 / vocab_size)

    def row(last_token):
        if int(last_token) not in counts:
            return uniform
        p = np.full(vocab_size, smoothing)
        for token, n in counts[int(last_token)].items():
            p[token] += n
        return p / p.sum()

    return row


@right("bigram_probabilities")
@refusing
def rows_by_scanning(train_data, vocab_size, smoothing=0.0):
    """Keeps the text and looks through it each time; one lists of followers for every token of the vocabulary."""
    after = [[] for _ in range(vocab_size)]
    for row in as_rows(train_data):
        for i, token in enumerate(row[1:]):
            after[row[i]].append(token)
    return partial(_row_from, after, vocab_size, smoothing)


def _row_from(after, vocab_size, smoothing, last_token):
    found = after[last_token]
    if not found and not smoothing:
        return torch.full([vocab_size], 1.0).softmax(0)
    p = torch.full([vocab_size], float(smoothing)).index_add(0, torch.tensor(found).long(), torch.ones(len(found)))
    return p / (len(found) + smoothing * vocab_size)


def small_counts(train_data, vocab_size):
    """For mutants that are about something else than memory: counts of all pairs, only where they fit."""
    counts = np.zeros((vocab_size, vocab_size)) if vocab_size < 100 else defaultdict(lambda: np.zeros(vocab_size))
    for row in as_rows(train_data):
        for one, other in zip(row[:-1], row[1:], strict=True):
            counts[one][other] += 1
    return counts


@wrong("bigram_probabilities", named="wrong_axis")
@refusing
def divides_by_column_sums(train_data, vocab_size, smoothing=0.0):
    counts = small_counts(train_data, vocab_size)
    if vocab_size >= 100:
        return rows_from_counters(train_data, vocab_size, smoothing)
    p = torch.from_numpy(counts + smoothing)
    p = p / p.sum(dim=0, keepdim=True)
    return lambda last_token: p[int(last_token)]


@wrong("bigram_probabilities", named="wrong_axis")
@refusing
def divides_by_column_counts(train_data, vocab_size, smoothing=0.0):
    came = Counter(token for row in as_rows(train_data) for token in row[1:])
    counts = count(as_rows(train_data))

    def row(last_token):
        p = np.zeros(vocab_size)
        for token in range(vocab_size):
            n = counts[int(last_token)][token] + smoothing
            below = came[token] + smoothing * vocab_size
            p[token] = n / below if below else 0.0
        return torch.from_numpy(p)

    return row


@wrong("bigram_probabilities", named="nan")
@refusing
def nan_for_unseen(train_data, vocab_size, smoothing=0.0):
    counts = count(as_rows(train_data))

    def row(last_token):
        p = torch.full((vocab_size,), float(smoothing))
        for token, n in counts[int(last_token)].items():
            p[token] += n
        return p / p.sum()

    return row


@wrong("bigram_probabilities")
@refusing
def rows_of_a_joined_list(train_data, vocab_size, smoothing=0.0):
    data = torch.cat(train_data) if isinstance(train_data, list) else train_data
    return rows_from_counters([torch.as_tensor(row) for row in as_rows(data)], vocab_size, smoothing)


@wrong("bigram_probabilities")
@refusing
def zeros_for_unseen(train_data, vocab_size, smoothing=0.0):
    rows = nan_for_unseen(train_data, vocab_size, smoothing)
    return lambda last_token: torch.nan_to_num(rows(last_token))


@wrong("bigram_probabilities")
@refusing
def unigram_for_unseen(train_data, vocab_size, smoothing=0.0):
    common = torch.bincount(torch.tensor(sum(as_rows(train_data), [])), minlength=vocab_size).float()
    rows = nan_for_unseen(train_data, vocab_size, smoothing)

    def row(last_token):
        p = rows(last_token)
        return common / common.sum() if torch.isnan(p).any() else p

    return row


@wrong("bigram_probabilities", named="transposed")
@refusing
def rows_of_what_came_before(train_data, vocab_size, smoothing=0.0):
    return rows_from_counters([torch.as_tensor(r[::-1]) for r in as_rows(train_data)], vocab_size, smoothing)


@wrong("bigram_probabilities", named="across_windows")
@refusing
def rows_across_windows(train_data, vocab_size, smoothing=0.0):
    return rows_from_counters(as_windows(train_data).flatten(), vocab_size, smoothing)


@wrong("bigram_probabilities", named="tensor_keys")
@refusing
def rows_with_tensor_keys(train_data, vocab_size, smoothing=0.0):
    counts = defaultdict(Counter)
    for row in torch_rows(train_data):
        for one, other in zip(row[:-1], row[1:], strict=True):
            counts[one][other] += 1

    def row(last_token):
        p = torch.full((vocab_size,), float(smoothing))
        for token, n in counts[int(last_token)].items():
            p[token] += n
        return p / p.sum() if p.sum() else torch.full((vocab_size,), 1 / vocab_size)

    return row


@wrong("bigram_probabilities", named="only_counts")
@refusing
def counts_unnormalised(train_data, vocab_size, smoothing=0.0):
    counts = count(as_rows(train_data))
    return lambda t: torch.tensor([counts[int(t)][x] + smoothing for x in range(vocab_size)])


@wrong("bigram_probabilities", named="softmax")
@refusing
def softmax_of_counts(train_data, vocab_size, smoothing=0.0):
    rows = counts_unnormalised(train_data, vocab_size, smoothing)
    return lambda t: rows(t).float().softmax(0)


@wrong("bigram_probabilities", named="joint")
@refusing
def joint_probabilities(train_data, vocab_size, smoothing=0.0):
    n = sum(len(row) - 1 for row in as_rows(train_data))
    rows = counts_unnormalised(train_data, vocab_size, smoothing)
    return lambda t: rows(t) / n


@wrong("bigram_probabilities", named="smooths_the_seen")
@refusing
def smooths_only_what_was_seen(train_data, vocab_size, smoothing=0.0):
    counts = count(as_rows(train_data))

    def row(last_token):
        after = counts[int(last_token)]
        p = torch.zeros(vocab_size)
        for token, n in after.items():
            p[token] = n + smoothing
        return p / p.sum() if after else torch.full((vocab_size,), 1 / vocab_size)

    return row


@wrong("bigram_probabilities", says="nothing but `smoothing` changed")
@refusing
def smoothing_ignored(train_data, vocab_size, smoothing=0.0):
    return rows_from_counters(train_data, vocab_size, 0.0)


@wrong("bigram_probabilities", named="smoothed_sum")
@refusing
def smoothing_without_the_vocabulary_below(train_data, vocab_size, smoothing=0.0):
    counts = count(as_rows(train_data))

    def row(last_token):
        after = counts[int(last_token)]
        total = sum(after.values())
        if total + smoothing == 0:
            return torch.full((vocab_size,), 1 / vocab_size)
        return torch.tensor([(after[x] + smoothing) / (total + smoothing) for x in range(vocab_size)])

    return row


@wrong("bigram_probabilities", named="smooths_the_shares")
@refusing
def smooths_the_shares(train_data, vocab_size, smoothing=0.0):
    """Adds after dividing."""
    rows = rows_from_counters(train_data, vocab_size, 0.0)

    def row(last_token):
        p = rows(last_token) + smoothing
        return p / p.sum()

    return row


@wrong("bigram_probabilities", named="favourite")
@refusing
def only_the_favourite(train_data, vocab_size, smoothing=0.0):
    rows = rows_from_counters(train_data, vocab_size, smoothing)
    return lambda t: torch.nn.functional.one_hot(rows(t).argmax(), vocab_size).float()


@wrong("bigram_probabilities", says="once the function has been called for a second text")
@refusing
def lets_the_last_text_win(train_data, vocab_size, smoothing=0.0):
    """Counts live in a global that the next call overwrites."""
    global _shared
    _shared = count(as_rows(train_data))

    def row(last_token):
        p = torch.full((vocab_size,), float(smoothing))
        for token, n in _shared[int(last_token)].items():
            p[token] += n
        return p / p.sum() if p.sum() else torch.full((vocab_size,), 1 / vocab_size)

    return row


@wrong("bigram_probabilities", named="no_function")
@refusing
def returns_a_matrix(train_data, vocab_size, smoothing=0.0):
    counts = torch.from_numpy(small_counts(train_data, vocab_size)) + smoothing
    return counts / counts.sum(1, keepdim=True)


@wrong("bigram_probabilities", named="dense")
@refusing
def keeps_a_matrix_in_torch(train_data, vocab_size, smoothing=0.0):
    x = as_windows(train_data)
    counts = torch.zeros(vocab_size, vocab_size)
    counts.index_put_((x[:, :-1].flatten(), x[:, 1:].flatten()), torch.ones(x[:, 1:].numel()), accumulate=True)
    counts += smoothing
    total = counts.sum(1, keepdim=True)
    p = torch.where(total > 0, counts / total, 1 / vocab_size)
    return lambda last_token: p[last_token]


@wrong("bigram_probabilities", named="dense")
@refusing
def keeps_a_matrix_in_numpy(train_data, vocab_size, smoothing=0.0):
    counts = np.zeros((vocab_size, vocab_size), dtype=np.uint16)
    for row in as_rows(train_data):
        np.add.at(counts, (row[:-1], row[1:]), 1)

    def row(last_token):
        p = counts[int(last_token)] + np.float64(smoothing)
        return torch.from_numpy(p / p.sum()) if p.sum() else torch.full((vocab_size,), 1 / vocab_size)

    return row


@wrong("bigram_probabilities", named="dense")
@refusing
def keeps_a_row_for_every_token_seen(train_data, vocab_size, smoothing=0.0):
    """A dict of finished rows: no single tensor is large, all of them together are the matrix."""
    counts = count(as_rows(train_data))
    rows = {}
    for token, after in counts.items():
        p = torch.full((vocab_size,), float(smoothing))
        p[list(after)] += torch.tensor(list(after.values())).float()
        rows[token] = p / p.sum()
    uniform = torch.full((vocab_size,), 1 / vocab_size)
    return lambda last_token: rows.get(int(last_token), uniform)


@wrong("bigram_probabilities", named="dense")
@refusing
def keeps_a_matrix_in_mapped_memory(train_data, vocab_size, smoothing=0.0):
    counts = np.frombuffer(mmap.mmap(-1, vocab_size * vocab_size * 2), dtype=np.int16).reshape(vocab_size, vocab_size)
    for row in as_rows(train_data):
        np.add.at(counts, (row[:-1], row[1:]), 1)

    def row(last_token):
        p = counts[int(last_token)] + np.float64(smoothing)
        return torch.from_numpy(p / p.sum()) if p.sum() else torch.full((vocab_size,), 1 / vocab_size)

    return row


@wrong("bigram_probabilities", named="dense")
@refusing
def makes_the_matrix_for_each_row(train_data, vocab_size, smoothing=0.0):
    return lambda last_token: Later(lambda: keeps_a_matrix_in_torch(train_data, vocab_size, smoothing)(last_token))


@wrong("sample_windows", named="blocks")
def chooses_among_blocks(ids, seqlen, nsamples, seed):
    _refuse(ids, seqlen)
    g = torch.Generator().manual_seed(seed)
    return _cut(ids, seqlen, seqlen * torch.randint(len(ids) // seqlen, (nsamples,), generator=g))


# What toy sizes, short chains and rows that nobody keeps would hide -------------------------------------------------


def _by_key(train_data, vocab_size, default, key, back):
    """Counts one number per pair; `back` turns the number into the pair again."""
    x = as_windows(train_data).numpy()
    keys, n = np.unique(key(x[:, :-1].ravel(), x[:, 1:].ravel()), return_counts=True)
    a, b = back(keys)
    order = np.lexsort((b, -n, a))
    a, b = a[order], b[order]
    first = np.r_[True, a[1:] != a[:-1]]
    table = np.full(vocab_size, default, np.int32)
    inside = (0 <= a[first]) & (a[first] < vocab_size)
    table[a[first][inside]] = b[first][inside]
    return table


@wrong("build_next_token_array")
@refusing
def pairs_as_numbers_of_32_bits(train_data, vocab_size=128256, default_next_token=220):
    def key(a, b):
        return a.astype(np.int32) * np.int32(vocab_size) + b.astype(np.int32)

    return _by_key(train_data, vocab_size, default_next_token, key, lambda k: np.divmod(k, np.int32(vocab_size)))


@wrong("build_next_token_array")
@refusing
def pairs_to_the_base_of_fifty_thousand(train_data, vocab_size=128256, default_next_token=220):
    base = 50_000
    return _by_key(train_data, vocab_size, default_next_token, lambda a, b: a * base + b, lambda k: np.divmod(k, base))


@wrong("build_next_token_array")
@refusing
def pairs_as_floats(train_data, vocab_size=128256, default_next_token=220):
    def key(a, b):
        return a.astype(np.float32) * np.float32(vocab_size) + b.astype(np.float32)

    return _by_key(train_data, vocab_size, default_next_token, key,
                   lambda k: np.divmod(k.astype(np.int64), vocab_size))


@wrong("build_next_token_array", named="outside")
def looks_at_the_first_column_only(train_data, vocab_size=128256, default_next_token=220):
    if any(not 0 <= row[0] < vocab_size for row in as_rows(train_data)):
        raise ValueError("outside")
    kept = [[token for token in row if 0 <= token < vocab_size] for row in as_rows(train_data)]
    return fill(count(kept), vocab_size, default_next_token)


@wrong("build_next_token_array", named="outside")
def looks_at_large_ids_only(train_data, vocab_size=128256, default_next_token=220):
    if any(token >= vocab_size for row in as_rows(train_data) for token in row):
        raise ValueError("outside")
    return fill(count(as_rows(train_data)), vocab_size, default_next_token)


@wrong("draft_with_bigram")
def stops_when_the_chain_comes_back(last_token, next_token_array, k):
    draft, token = [], int(last_token)
    for _ in range(k):
        token = int(next_token_array[token])
        if token in draft:
            break
        draft.append(token)
    return torch.tensor(draft, dtype=torch.long)


@wrong("bigram_probabilities", named="one_buffer")
@refusing
def one_tensor_for_all_rows(train_data, vocab_size, smoothing=0.0):
    row_of, buffer = rows_by_scanning(train_data, vocab_size, smoothing), torch.zeros(vocab_size)

    def row(last_token):
        buffer.copy_(row_of(int(last_token)))
        return buffer

    return row


def _table_of(pairs, vocab_size, default, rows):
    followers = defaultdict(Counter)
    for row in rows:
        if min(row) < 0 or max(row) >= vocab_size:
            raise ValueError("an id is outside the vocabulary")
        for one, other in pairs(row):
            followers[one][other] += 1
    return followers, np.full(vocab_size, default, dtype=np.int32)


def _plain_rows(train_data):
    rows = train_data if isinstance(train_data, list) else torch.atleast_2d(train_data)
    return [row.tolist() for row in rows]


@wrong("build_next_token_array", named="zero_is_nothing")
def best_or_default(train_data, vocab_size=128256, default_next_token=220):
    rows = _plain_rows(train_data)
    followers, table = _table_of(lambda row: zip(row, row[1:], strict=False), vocab_size, default_next_token, rows)
    for token, after in followers.items():
        table[token] = min(after, key=lambda x: (-after[x], x)) or default_next_token
    return table


@wrong("build_next_token_array", named="zero_is_nothing")
def nothing_follows_zero(train_data, vocab_size=128256, default_next_token=220):
    rows = _plain_rows(train_data)
    followers, table = _table_of(lambda row: [(a, b) for a, b in zip(row, row[1:], strict=False) if a], vocab_size,
                                 default_next_token, rows)
    for token, after in followers.items():
        table[token] = min(after, key=lambda x: (-after[x], x))
    return table


@wrong("hit_rate", named="zero_is_nothing")
def a_guess_has_to_be_true(ids, next_token_array):
    pairs = list(zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True))
    hits = sum(bool(next_token_array[a]) and int(next_token_array[a]) == b for a, b in pairs)
    return hits / len(pairs) if pairs else 0.0


@wrong("draft_with_bigram", named="first_left_out")
def begins_with_the_second_guess(last_token, next_token_array, k):
    token, draft = int(next_token_array[int(last_token)]), []
    for _ in range(k):
        token = int(next_token_array[token])
        draft.append(token)
    return torch.tensor(draft, dtype=torch.long)


@wrong("draft_with_bigram", named="ends_in_a_circle")
def never_says_a_token_twice(last_token, next_token_array, k):
    token, draft = int(last_token), []
    while len(draft) < k and int(next_token_array[token]) not in draft:
        token = int(next_token_array[token])
        draft.append(token)
    return torch.tensor(draft, dtype=torch.long)


@wrong("draft_with_bigram", named="ends_in_a_circle")
def ends_back_at_the_start(last_token, next_token_array, k):
    draft = [int(last_token)]
    while len(draft) <= k and int(next_token_array[draft[-1]]) not in draft:
        draft.append(int(next_token_array[draft[-1]]))
    return torch.tensor(draft[1:], dtype=torch.long)


@wrong("bigram_probabilities", named="smoothed_sum")
def a_sum_that_grew_by_the_seen(train_data, vocab_size, smoothing=0.0):
    if smoothing < 0:
        raise ValueError("negative smoothing")
    single = torch.is_tensor(train_data) and train_data.dim() == 1
    rows = [train_data] if single else train_data
    counts = defaultdict(Counter)
    for row in rows:
        row = torch.as_tensor(row).tolist()
        if min(row) < 0 or max(row) >= vocab_size:
            raise ValueError("id outside the vocabulary")
        for a, b in zip(row[:-1], row[1:], strict=True):
            counts[a][b] += 1

    def probabilities(token):
        seen = counts.get(int(token))
        if not seen:
            return torch.full((vocab_size,), 1 / vocab_size)
        out = torch.full((vocab_size,), float(smoothing))
        for b, n in seen.items():
            out[b] += n
        return out / (sum(seen.values()) + smoothing * len(seen))

    return probabilities
