"""Unit 08: right answers written in other ways, and the mistakes that students make."""

import itertools
import random
from collections import Counter, defaultdict, deque
from functools import reduce

import numpy as np
import torch

from answers import right, wrong

LONG = torch.long

# build_ngram_tables -------------------------------------------------------------------------------------------------


def as_rows(train_data):
    first = train_data[0]
    rows = [train_data] if isinstance(first, int) or (hasattr(first, "dim") and first.dim() == 0) else train_data
    return [torch.as_tensor(row).tolist() for row in rows]


def best(counter):
    return min(counter, key=lambda token: (-counter[token], token))


@right("build_ngram_tables")
def table_by_table(train_data, n):
    tables = []
    for m in range(n):
        counts = defaultdict(Counter)
        for row in as_rows(train_data):
            for *context, token in zip(*(row[i:] for i in range(m + 1)), strict=False):
                counts[tuple(context)][token] += 1
        tables.append({context: best(after) for context, after in counts.items()})
    return tables


@right("build_ngram_tables")
def sorted_with_numpy(train_data, n):
    tables = []
    for m in range(n):
        grams = [row[i : i + m + 1] for row in as_rows(train_data) for i in range(len(row) - m)]
        if not grams:
            tables.append({})
            continue
        unique, counts = np.unique(np.array(grams), axis=0, return_counts=True)
        order = np.argsort(counts, kind="stable")  # the most frequent last; of equals the smallest has to be last
        order = sorted(range(len(counts)), key=lambda i: (counts[i], -unique[i][-1]))
        tables.append({tuple(unique[i][:-1]): unique[i][-1] for i in order})  # numpy integers, as keys and values
    return tables


@right("build_ngram_tables")
def a_window_that_slides(train_data, n):
    counts = [defaultdict(lambda: defaultdict(int)) for _ in range(n)]
    for row in as_rows(train_data):
        newest = deque(maxlen=n - 1) if n > 1 else deque(maxlen=0)
        for token in row:
            context = tuple(newest)
            for m in range(len(context) + 1):
                counts[m][context[len(context) - m :]][token] += 1
            newest.append(token)
    return tuple({key: max(sorted(after), key=after.get) for key, after in table.items()} for table in counts)


@right("build_ngram_tables")
def the_leader_is_kept_up_to_date(train_data, n):
    tables, counts = [{} for _ in range(n)], Counter()
    for row in as_rows(train_data):
        for end in range(1, len(row) + 1):
            for m in range(min(n, end)):
                context, token = tuple(row[end - 1 - m : end - 1]), row[end - 1]
                counts[context, token] += 1
                leader = tables[m].get(context, token)
                if (counts[context, token], -token) >= (counts[context, leader], -leader):
                    tables[m][context] = token
    return tables


@right("build_ngram_tables")
def zero_d_values_and_counters(train_data, n):
    tables = table_by_table(train_data, n)
    return [defaultdict(int, {context: torch.tensor(token) for context, token in table.items()}) for table in tables]


def counted_from(pairs, pick=best):
    def build(train_data, n):
        tables = []
        for m in range(n):
            counts = defaultdict(Counter)
            for row in as_rows(train_data):
                for context, token in pairs(row, m, n):
                    counts[tuple(context)][token] += 1
            tables.append({context: pick(after) for context, after in counts.items()})
        return tables

    return build


def all_pairs(row, m, n=None):
    return [(row[i - m : i], row[i]) for i in range(m, len(row))]


def wrong_tables(name, named, pairs=all_pairs, pick=best):
    function = counted_from(pairs, pick)
    function.__name__ = name
    return wrong("build_ngram_tables", named=named)(function)


wrong_tables("first_come", "tie", pick=lambda after: after.most_common(1)[0][0])
wrong_tables("the_rarest", "rarest", pick=lambda after: min(after, key=lambda token: (after[token], token)))
wrong_tables("the_smallest_id", "last_seen", pick=min)
wrong_tables("only_whole_ngrams", "beginnings_left_out", lambda row, m, n: [
    (row[i - m : i], row[i]) for i in range(n - 1, len(row))])
wrong_tables("no_first_token", "first_token_left_out", lambda row, m, n: [
    (row[i - m : i], row[i]) for i in range(max(1, m), len(row))])
wrong_tables("never_the_last_token", "last_left_out", lambda row, m, n: all_pairs(row[:-1], m))
wrong_tables(
    "two_further", "skips_one", lambda row, m, n: [(row[i - m : i], row[i + 1]) for i in range(m, len(row) - 1)]
)
wrong_tables("newest_first", "backwards", lambda row, m, n: [(c[::-1], token) for c, token in all_pairs(row, m)])
wrong_tables("pieces", "every_nth", lambda row, m, n: [(row[i - m : i], row[i]) for i in range(m, len(row), n)])
wrong_tables("looks_back", "what_came_before", lambda row, m, n: [
    (row[i : i + m], row[i - 1]) for i in range(1, len(row) - m + 1)])


@wrong("build_ngram_tables", named="across_rows")
def one_long_row(train_data, n):
    return table_by_table([torch.tensor([token for row in as_rows(train_data) for token in row])], n)


@wrong("build_ngram_tables", named="last_seen")
def writes_over(train_data, n):
    tables = [{} for _ in range(n)]
    for row in as_rows(train_data):
        for m in range(n):
            for context, token in all_pairs(row, m):
                tables[m][tuple(context)] = token
    return tables


@wrong("build_ngram_tables", named="tensor_keys")
def elements_of_a_tensor(train_data, n):
    counts = [defaultdict(Counter) for _ in range(n)]
    for row in [torch.tensor(row) for row in as_rows(train_data)]:
        for i in range(len(row)):
            for m in range(min(i, n - 1) + 1):
                counts[m][tuple(row[i - m : i])][int(row[i])] += 1
    return [{context: best(after) for context, after in table.items()} for table in counts]


@wrong("build_ngram_tables", named="no_tuples")
def a_number_for_one_token(train_data, n):
    tables = table_by_table(train_data, n)
    return [{(key[0] if len(key) == 1 else key): token for key, token in table.items()} for table in tables]


@wrong("build_ngram_tables", named="one_order_off")
def contexts_of_one_to_n(train_data, n):
    return table_by_table(train_data, n + 1)[1:] + [{}, {}][:1] if n > 1 else table_by_table(train_data, n + 1)


@wrong("build_ngram_tables", named="one_order_off")
def contexts_of_zero_to_n(train_data, n):
    return table_by_table(train_data, n + 1)


@wrong("build_ngram_tables", named="longest_first")
def the_longest_in_front(train_data, n):
    return table_by_table(train_data, n)[::-1]


@wrong("build_ngram_tables", named="slow")
def searches_for_every_context(train_data, n):
    rows, tables = as_rows(train_data), []
    for m in range(n):
        table = {}
        for row in rows:
            for context, _ in all_pairs(row, m):
                if tuple(context) not in table:
                    after = Counter(token for other in rows for one, token in all_pairs(other, m) if one == context)
                    table[tuple(context)] = best(after)
        tables.append(table)
    return tables


def _tensors_of(train_data):
    return [train_data] if isinstance(train_data, torch.Tensor) and train_data.dim() == 1 else list(train_data)


@right("build_ngram_tables")
def a_tensor_for_each_context(train_data, n):
    """Slow on every machine, and one pass all the same."""
    counts = [defaultdict(Counter) for _ in range(n)]
    for row in _tensors_of(train_data):
        for i in range(len(row)):
            for m in range(min(i, n - 1) + 1):
                counts[m][tuple(int(token) for token in row[i - m : i])][int(row[i])] += 1
    return [{context: best(after) for context, after in one.items()} for one in counts]


@right("build_ngram_tables")
def unique_rows_of_torch(train_data, n):
    tables = []
    for m in range(n):
        pieces = [row.unfold(0, m + 1, 1) for row in _tensors_of(train_data) if len(row) > m]
        grams, numbers = torch.unique(torch.cat(pieces), dim=0, return_counts=True) if pieces else (torch.empty(0),) * 2
        table, most = {}, Counter()
        for (*context, token), number in zip(grams.tolist(), numbers.tolist(), strict=True):
            if number > most[tuple(context)]:
                table[tuple(context)], most[tuple(context)] = token, number
        tables.append(table)
    return tables


@wrong("build_ngram_tables", named="slow")
def all_pairs_for_each_context(train_data, n):
    rows, tables = as_rows(train_data), []
    for m in range(n):
        pairs, table = [pair for row in rows for pair in all_pairs(row, m)], {}
        for context in {tuple(one) for one, _ in pairs}:
            after = [token for one, token in pairs if tuple(one) == context]
            table[context] = min(set(after), key=lambda token: (-after.count(token), token))
        tables.append(table)
    return tables


@wrong("build_ngram_tables")
def windows_only(train_data, n):
    """Only the first row."""
    return table_by_table(train_data[:1], n)


@wrong("build_ngram_tables")
def shares_one_dict(train_data, n):
    return [dict(itertools.chain(*(table.items() for table in table_by_table(train_data, n))))] * n


@right("build_ngram_tables")
def grouped(train_data, n):
    tables = []
    for m in range(n):
        grams = sorted(tuple(row[i : i + m + 1]) for row in as_rows(train_data) for i in range(len(row) - m))
        best_of = {}
        for gram, same in itertools.groupby(grams):
            count = len(list(same))
            if count > best_of.get(gram[:-1], (0, 0))[0]:
                best_of[gram[:-1]] = count, gram[-1]
        tables.append({context: np.int64(token) for context, (_, token) in best_of.items()})
    return tables


wrong_tables("only_where_an_ngram_begins", "ends_left_out", lambda row, m, n: [
    (row[i : i + m], row[i + m]) for i in range(len(row) - n + 1)])
wrong_tables("the_largest_id", "tie", pick=lambda after: max(after, key=lambda token: (after[token], token)))


@wrong("build_ngram_tables", named="counts_left")
def counts_and_all(train_data, n):
    counts = [defaultdict(Counter) for _ in range(n)]
    for row in as_rows(train_data):
        for m in range(n):
            for context, token in all_pairs(row, m):
                counts[m][tuple(context)][token] += 1
    return counts


wrong_tables("minus_zero_of_the_row", "minus_zero", lambda row, m, n: [
    (row[:i][-m:], row[i]) for i in range(m, len(row))])


# draft_with_backoff -------------------------------------------------------------------------------------------------


@right("draft_with_backoff")
def with_next(context, tables, k):
    text = list(map(int, context))
    for _ in range(k):
        keys = (tuple(text[i:]) for i in range(max(0, len(text) - len(tables) + 1), len(text) + 1))
        guess = next((tables[len(key)][key] for key in keys if key in tables[len(key)]), None)
        if guess is None:
            break
        text.append(guess)
    return torch.tensor(text[len(context) :], dtype=LONG)


@right("draft_with_backoff")
def recursive(context, tables, k):
    context = torch.as_tensor(context, dtype=LONG)
    if k == 0:
        return torch.zeros(0, dtype=LONG)
    for m in reversed(range(len(tables))):
        key = tuple(context[-m:].tolist()) if m else ()
        if len(key) == m and key in tables[m]:
            guess = torch.tensor([tables[m][key]])
            return torch.cat([guess, recursive(torch.cat([context, guess]), tables, k - 1)])
    return torch.zeros(0, dtype=LONG)


@right("draft_with_backoff")
def one_table_of_all(context, tables, k):
    known = {key: token for table in tables for key, token in table.items()}  # keys tell their length themselves
    newest = deque(context.tolist(), maxlen=max(1, len(tables) - 1))
    draft = []
    while len(draft) < k:
        key = tuple(newest)
        while key and (key not in known or len(key) >= len(tables)):
            key = key[1:]
        if key not in known:
            break
        draft.append(known[key])
        newest.append(known[key])
    return torch.LongTensor(draft)


@right("draft_with_backoff")
def with_exceptions(context, tables, k):
    draft = torch.empty(k, dtype=LONG)
    text = context.tolist()
    for place in range(k):
        for m in range(len(tables) - 1, -1, -1):
            try:
                text.append(tables[m][tuple(text[i] for i in range(len(text) - m, len(text)) if len(text) >= m)])
            except KeyError:
                continue
            draft[place] = text[-1]
            break
        else:
            return draft[:place]
    return draft


def looked_up(name, named, keys, get=lambda table, key: table.get(key)):
    """A wrong back-off, whose every guess is the first that stands under one of keys(text, n, start)."""

    def draft_it(context, tables, k):
        text, start = context.tolist(), len(context)
        for _ in range(k):
            found = [get(tables[len(key)], key) for key in keys(text, len(tables), start) if len(key) < len(tables)]
            found = [one for one in found if one is not None]
            if not found:
                break
            text.append(found[0])
        return torch.tensor(text[start:], dtype=LONG)

    draft_it.__name__ = name
    return wrong("draft_with_backoff", named=named)(draft_it)


def endings(text, n, shortest=0):
    return [tuple(text[len(text) - m :]) for m in range(min(n - 1, len(text)), shortest - 1, -1)]


looked_up("always_the_same_context", "not_chained", lambda text, n, start: endings(text[:start], n))
looked_up("short_ones_first", "shortest_first", lambda text, n, start: endings(text, n)[::-1])
looked_up("no_other_length", "no_backoff", lambda text, n, start: endings(text, n)[:1])
looked_up("one_step", "one_step_back", lambda text, n, start: endings(text, n)[:2])
looked_up("never_the_empty_one", "never_empty", lambda text, n, start: endings(text, n, 1))
looked_up("from_right_to_left", "backwards", lambda text, n, start: [key[::-1] for key in endings(text, n)])
looked_up("zero_is_false", "zero_is_nothing", lambda text, n, start: endings(text, n),
          lambda table, key: table.get(key) or None)


@wrong("draft_with_backoff", named="minus_zero")
def slices_from_minus_zero(context, tables, k):
    text, start = context.tolist(), len(context)
    while len(text) < start + k:
        for m in range(min(len(tables) - 1, len(text)), -1, -1):
            if tuple(text[-m:]) in tables[m]:
                text.append(tables[m][tuple(text[-m:])])
                break
        else:
            break
    return torch.tensor(text[start:], dtype=LONG)


@wrong("draft_with_backoff", named="needs_full_context")
def waits_for_a_full_context(context, tables, k):
    return with_next(context, tables, k if len(context) >= len(tables) - 1 else 0)


@wrong("draft_with_backoff", named="stops_backing_off")
def never_longer_again(context, tables, k):
    text, most = context.tolist(), len(tables) - 1
    for _ in range(k):
        while most >= 0 and (len(text) < most or tuple(text[len(text) - most :]) not in tables[most]):
            most -= 1
        if most < 0:
            break
        text.append(tables[most][tuple(text[len(text) - most :])])
    return torch.tensor(text[len(context) :], dtype=LONG)


@wrong("draft_with_backoff", named="with_context")
def text_and_draft(context, tables, k):
    return torch.cat([context, with_next(context, tables, k)])


@wrong("draft_with_backoff", named="float_ids")
def floats_when_empty(context, tables, k):
    return torch.tensor(with_next(context, tables, k).tolist())


@wrong("draft_with_backoff", named="no_tensor")
def a_plain_list(context, tables, k):
    return with_next(context, tables, k).tolist()


@wrong("draft_with_backoff", says="Not every context is known")
def trusts_every_key(context, tables, k):
    text = context.tolist()
    for _ in range(k):
        m = min(len(tables) - 1, len(text))
        text.append(tables[m][tuple(text[len(text) - m :])])
    return torch.tensor(text[len(context) :], dtype=LONG)


@wrong("draft_with_backoff")
def at_least_one_guess(context, tables, k):
    return with_next(context, tables, max(1, k))


@wrong("draft_with_backoff")
def keys_of_tensors(context, tables, k):
    text = context.clone()
    for _ in range(k):
        for m in range(min(len(tables) - 1, len(text)), -1, -1):
            if tuple(text[len(text) - m :]) in tables[m]:
                text = torch.cat([text, torch.tensor([tables[m][tuple(text[len(text) - m :])]])])
                break
        else:
            break
    return text[len(context) :]


@right("draft_with_backoff")
def newest_tokens_only(context, tables, k):
    newest, draft, unknown = deque(context.tolist(), maxlen=len(tables) - 1), [], object()
    while len(draft) < k:
        key = tuple(newest)
        asked = (tables[len(key) - less].get(key[less:], unknown) for less in range(len(key) + 1))
        guess = next((token for token in asked if token is not unknown), unknown)
        if guess is unknown:
            break
        draft.append(guess)
        newest.append(guess)
    return context.new_tensor(draft)


looked_up("never_the_longest", "one_short", lambda text, n, start: endings(text, max(1, n - 1)))


@wrong("draft_with_backoff")
def filled_up(context, tables, k):
    draft = with_next(context, tables, k).tolist()
    return torch.tensor((draft + [draft[-1] if draft else 0] * k)[:k], dtype=LONG)


# prompt_lookup ------------------------------------------------------------------------------------------------------


@right("prompt_lookup")
def two_loops(ids, k, max_ngram=3):
    text = ids.tolist()
    for n in range(max_ngram, 0, -1):
        for end in range(len(text) - 1, n - 1, -1):
            if text[end - n : end] == text[len(text) - n :]:
                return ids[end : end + k].clone()
    return ids.new_empty(0)


@right("prompt_lookup")
def one_pass_with_scores(ids, k, max_ngram=3):
    """How many tokens agree in front of every place; the best, and of these the last, wins."""
    text, best_place, best_n = ids.tolist(), 0, 0
    for end in range(1, len(text)):
        n = 0
        while n < min(max_ngram, end) and text[end - 1 - n] == text[-1 - n]:
            n += 1
        if n and n >= best_n:
            best_place, best_n = end, n
    return torch.tensor(text[best_place : best_place + k] if best_n else [], dtype=LONG)


@right("prompt_lookup")
def with_numpy_windows(ids, k, max_ngram=3):
    text = ids.numpy()
    for n in range(min(max_ngram, len(text) - 1), 0, -1):
        windows = np.lib.stride_tricks.sliding_window_view(text[:-1], n)
        hits = np.flatnonzero((windows == text[-n:]).all(1))
        if hits.size:
            return torch.from_numpy(text[hits[-1] + n :][:k].copy())
    return torch.zeros(0, dtype=LONG)


@right("prompt_lookup")
def with_a_dict(ids, k, max_ngram=3):
    seen = {}
    text = ids.tolist()
    for end in range(1, len(text)):
        for n in range(1, min(max_ngram, end) + 1):
            seen[tuple(text[end - n : end])] = end
    found = [seen[tuple(text[-n:])] for n in range(min(max_ngram, len(text)), 0, -1) if tuple(text[-n:]) in seen]
    return ids[found[0] : found[0] + k] if found else ids[:0]  # a view is fine


@right("prompt_lookup")
def as_a_string(ids, k, max_ngram=3):
    """Each token one character; rfind takes the most recent."""
    text = "".join(map(chr, (token + 70_000 for token in ids.tolist())))
    for n in range(min(max_ngram, len(text) - 1), 0, -1):
        place = text[:-1].rfind(text[-n:])
        if place >= 0:
            return ids[place + n : place + n + k]
    return ids[0:0]


def copied(
    name,
    named,
    lengths=lambda most, length: range(min(most, length - 1), 0, -1),
    keep=lambda starts, length, n, k: starts,
    follow=lambda text, start, n, k: text[start + n : start + n + k],
    pick=-1,
):
    """A prompt lookup that is wrong in one place; the arguments say where."""

    def lookup(ids, k, max_ngram=3):
        text = ids.tolist()
        for n in lengths(max_ngram, len(text)):
            starts = [start for start in range(len(text) - n) if text[start : start + n] == text[len(text) - n :]]
            starts = keep(starts, len(text), n, k)
            if starts:
                return torch.tensor(follow(text, starts[pick], n, k), dtype=LONG)
        return torch.empty(0, dtype=LONG)

    lookup.__name__ = name
    return wrong("prompt_lookup", named=named)(lookup)


copied("first_of_all", "oldest", pick=0)
copied("short_matches_first", "shortest_first", lambda most, length: range(1, min(most, length - 1) + 1))
copied("all_or_nothing", "longest_only", lambda most, length: [most] if most < length else [])
copied("two_at_least", "never_one", lambda most, length: range(min(most, length - 1), 1, -1))
copied("range_leaves_it_out", "one_short", lambda most, length: range(min(most - 1, length - 1), 0, -1))
copied("always_three", "max_ngram_ignored", lambda most, length: range(min(3, length - 1), 0, -1))
copied("as_long_as_it_goes", "any_length", lambda most, length: range(length - 1, 0, -1))
copied("keeps_apart", "no_overlap", keep=lambda starts, length, n, k: [s for s in starts if s + n <= length - n])
copied("from_its_start", "copies_the_match", follow=lambda text, start, n, k: text[start : start + k])
copied("skips_the_first", "one_too_far", follow=lambda text, start, n, k: text[start + n + 1 : start + n + 1 + k])
copied("all_that_follows", "k_ignored", follow=lambda text, start, n, k: text[start + n :])
copied(
    "only_with_k_tokens", "wants_k_tokens", keep=lambda starts, length, n, k: [s for s in starts if s + n + k <= length]
)
copied("goes_round", "past_the_end", follow=lambda text, start, n, k: (text[start + n :] * (k + 1))[:k])
copied(
    "filled_with_zeros",
    "past_the_end",
    follow=lambda text, start, n, k: (text[start + n : start + n + k] + [0] * k)[:k],
)


@wrong("prompt_lookup", named="matches_itself")
def finds_the_end(ids, k, max_ngram=3):
    text = ids.tolist()
    for n in range(min(max_ngram, len(text)), 0, -1):
        for start in range(len(text) - n, -1, -1):
            if text[start : start + n] == text[len(text) - n :]:
                return ids[start + n : start + n + k]
    return ids[:0]


@wrong("prompt_lookup", named="float_ids")
def empty_is_float(ids, k, max_ngram=3):
    return torch.tensor(two_loops(ids, k, max_ngram).tolist())


@wrong("prompt_lookup", named="no_tensor")
def a_list_of_ids(ids, k, max_ngram=3):
    return two_loops(ids, k, max_ngram).tolist()


KEPT = {}


@wrong("prompt_lookup", named="remembered")
def remembers_by_the_ending(ids, k, max_ngram=3):
    key = (len(ids), tuple(ids[-3:].tolist()), k, max_ngram)
    return KEPT.setdefault(key, two_loops(ids, k, max_ngram))


@wrong("prompt_lookup")
def sixteen_bits(ids, k, max_ngram=3):
    found = two_loops(ids.to(torch.int16).long(), k, max_ngram)
    return found


@right("prompt_lookup")
def z_of_the_text_read_backwards(ids, k, max_ngram=3):
    text = ids.tolist()[::-1]
    z, left, end, best_n, best_place = [0] * len(text), 0, 0, 0, 0
    for i in range(1, len(text)):
        z[i] = min(end - i, z[i - left]) if i < end else 0
        while i + z[i] < len(text) and text[z[i]] == text[i + z[i]]:
            z[i] += 1
        if i + z[i] > end:
            left, end = i, i + z[i]
        if min(z[i], max_ngram) > best_n:
            best_n, best_place = min(z[i], max_ngram), len(text) - i
    return ids[best_place : best_place + k] if best_n else ids[:0]


copied("one_start_missed", "starts_too_early", keep=lambda starts, length, n, k: [
    s for s in starts if s < length - n - 1])
copied("never_at_place_0", "beginning_left_out", keep=lambda starts, length, n, k: [s for s in starts if s > 0])


@wrong("prompt_lookup", named="default_not_3")
def two_if_nobody_says(ids, k, max_ngram=2):
    return two_loops(ids, k, max_ngram)


@wrong("prompt_lookup")
def repeats_the_last_token(ids, k, max_ngram=3):
    draft = two_loops(ids, k, max_ngram)
    return draft if len(draft) else ids[-1:].repeat(k)


# SuffixAutomaton ----------------------------------------------------------------------------------------------------


@right("SuffixAutomaton")
class WithStates:
    """Each state an object; the most recent end is kept along one link, the first one at clones."""

    class State:
        def __init__(self, length, end):
            self.length, self.end, self.link, self.next = length, end, None, {}

    def __init__(self, ids=()):
        self.root = self.last = self.State(0, 0)
        self.tokens = []
        for token in ids:
            self.extend(token)

    def extend(self, token):
        token = int(token)
        self.tokens.append(token)
        new, p = self.State(len(self.tokens), len(self.tokens)), self.last
        while p is not None and token not in p.next:
            p.next[token], p = new, p.link
        if p is None:
            new.link = self.root
        else:
            q = p.next[token]
            if q.length != p.length + 1:
                clone = self.State(p.length + 1, q.end)
                clone.next, clone.link = dict(q.next), q.link
                q.link = clone
                while p is not None and p.next.get(token) is q:
                    p.next[token], p = clone, p.link
                q = clone
            new.link = q
        self.last = new

    def propose(self, k):
        state = self.last.link
        if state is None or state.length == 0:
            return torch.empty(0, dtype=LONG)
        return torch.tensor(self.tokens[state.end : state.end + k], dtype=LONG)


@right("SuffixAutomaton")
class SuffixTree:
    """Ukkonen's tree. What is left to insert after a token is just the longest ending that stood before."""

    def __init__(self, ids=()):
        self.text, self.start, self.stop, self.link, self.below = [], [0], [0], [0], [{}]
        self.node, self.edge, self.along, self.left = 0, 0, 0, 0
        deque(map(self.extend, ids.tolist() if torch.is_tensor(ids) else ids), maxlen=0)

    def new(self, start, stop=None):
        for one, value in ((self.start, start), (self.stop, stop), (self.link, 0), (self.below, {})):
            one.append(value)
        return len(self.start) - 1

    def extend(self, token):
        token = int(token)
        self.text.append(token)
        place, waiting = len(self.text) - 1, None
        self.left += 1
        while self.left:
            self.edge = place if self.along == 0 else self.edge
            child = self.below[self.node].get(self.text[self.edge])
            if child is None:
                self.below[self.node][self.text[self.edge]] = self.new(place)
                at = self.node
            else:
                long = (len(self.text) if self.stop[child] is None else self.stop[child]) - self.start[child]
                if self.along >= long:
                    self.node, self.edge, self.along = child, self.edge + long, self.along - long
                    continue
                if self.text[self.start[child] + self.along] == token:
                    self.along += 1
                    if waiting is not None:
                        self.link[waiting] = self.node
                    return
                at = self.new(self.start[child], self.start[child] + self.along)
                self.below[self.node][self.text[self.edge]] = at
                self.below[at][token] = self.new(place)
                self.start[child] += self.along
                self.below[at][self.text[self.start[child]]] = child
            if waiting is not None:
                self.link[waiting] = at
            waiting = at if child is not None else None
            self.left -= 1
            if self.node == 0 and self.along:
                self.along, self.edge = self.along - 1, place - self.left + 1
            elif self.node:
                self.node = self.link[self.node]

    def propose(self, k):
        if not self.left:
            return torch.zeros(0, dtype=LONG)
        place = self.start[self.below[self.node][self.text[self.edge]]] + self.along
        return torch.tensor(self.text[place : place + k], dtype=LONG)


@right("SuffixAutomaton")
class OneDictOfEdges:
    """All edges in one dict, keyed by state and token; the state's tokens in a list. Copies from the newest place it
    knows."""

    def __init__(self, ids=()):
        self.goal, self.tokens, self.size, self.shorter, self.seen = {}, [[]], [0], [None], [0]
        self.text, self.whole = [], 0
        for token in torch.as_tensor(ids).tolist() if len(ids) else ():
            self.extend(token)

    def add(self, size, seen):
        self.tokens.append([])
        self.size.append(size)
        self.shorter.append(0)
        self.seen.append(seen)
        return len(self.size) - 1

    def lead(self, state, token, goal):
        if (state, token) not in self.goal:
            self.tokens[state].append(token)
        self.goal[state, token] = goal

    def extend(self, token):
        token = token.item() if isinstance(token, torch.Tensor) else int(token)
        if self.text and self.shorter[self.whole]:
            self.seen[self.shorter[self.whole]] = len(self.text)  # it has ended here, too: a moment ago
        self.text.append(token)
        state, self.whole = self.whole, self.add(len(self.text), len(self.text))
        while state is not None and (state, token) not in self.goal:
            self.lead(state, token, self.whole)
            state = self.shorter[state]
        if state is None:
            return
        old = self.goal[state, token]
        if self.size[old] > self.size[state] + 1:
            twin = self.add(self.size[state] + 1, self.seen[old])
            for one in self.tokens[old]:
                self.lead(twin, one, self.goal[old, one])
            self.shorter[twin], self.shorter[old] = self.shorter[old], twin
            while state is not None and self.goal.get((state, token)) == old:
                self.goal[state, token] = twin
                state = self.shorter[state]
            old = twin
        self.shorter[self.whole] = old

    def propose(self, k):
        state = self.shorter[self.whole]
        return torch.LongTensor(self.text[self.seen[state] : self.seen[state] + k] if state else [])


def copies(name, named, find, tokens=lambda text, place, k: text[place : place + k]):
    """A class that keeps the text and looks through all of it."""

    class Looks:
        def __init__(self, ids=()):
            self.text = [int(token) for token in ids]

        def extend(self, token):
            self.text.append(int(token))

        def propose(self, k):
            place = find(self.text)
            return torch.tensor([] if place is None else tokens(self.text, place, k), dtype=LONG)

    Looks.__name__ = name
    return wrong("SuffixAutomaton", named=named)(Looks)


def longest(text, most=10**9, recent=True):
    best, place = 0, None
    for end in range(1, len(text)):
        n = 0
        while n < min(end, most) and text[end - 1 - n] == text[-1 - n]:
            n += 1
        if n > best or (recent and n == best and n):
            best, place = n, end
    return place


copies("LooksThroughAllOfIt", "slow", longest)
copies("TheFirstPlaceByLooking", "slow", lambda text: longest(text, recent=False))
copies("TheLastTokenOnly", "last_token_only", lambda text: longest(text, 1))
copies("AtMostThree", "limited", lambda text: longest(text, 3))
copies("AtMostEight", "limited", lambda text: longest(text, 8, recent=False))
copies("OneTooEarly", "one_too_early", longest, lambda text, place, k: text[place - 1 : place - 1 + k])
copies("OneTooFar", "one_too_far", longest, lambda text, place, k: text[place + 1 : place + 1 + k])
copies("AllThatFollows", "k_ignored", longest, lambda text, place, k: text[place:])
copies("GoesRound", "past_the_end", longest, lambda text, place, k: (text[place:] * (k + 1))[:k])
copies(
    "OnlyWithKTokens",
    "wants_k_tokens",
    longest,
    lambda text, place, k: text[place : place + k] if place + k <= len(text) else [],
)
copies("NeverSpeaks", "nothing", lambda text: None)


@wrong("SuffixAutomaton", named="slow")
class BuiltAnewEveryTime(WithStates):
    def propose(self, k):
        return WithStates(self.tokens).propose(k)


def with_a_fault(name, named, **faults):
    """The automaton of the course's own kind, with one fault; `faults` say where."""

    class Faulty:
        def __init__(self, ids=()):
            self.text, self.next, self.length, self.link, self.end, self.last = [], [{}], [0], [-1], [0], 0
            for token in ids:
                self.extend(int(token))

        def extend(self, token):
            token = int(token)
            self.text.append(token)
            new, size = len(self.next), len(self.text)
            self.next.append({})
            self.length.append(size)
            self.link.append(0)
            self.end.append(size)
            state, self.last = self.last, new
            while state != -1 and token not in self.next[state]:
                self.next[state][token] = new
                state = self.link[state]
            if state == -1:
                return
            old = self.next[state][token]
            if self.length[old] == self.length[state] + 1 or faults.get("no_clone"):
                self.link[new] = old
                return
            clone = len(self.next)
            self.next.append({} if faults.get("no_edges") else dict(self.next[old]))
            self.length.append(self.length[state] + 1)
            self.link.append(self.link[old])
            self.end.append(size if faults.get("new_end") else self.end[old])
            self.link[new] = clone
            if not faults.get("old_link"):
                self.link[old] = clone
            while not faults.get("not_turned") and state != -1 and self.next[state].get(token) == old:
                self.next[state][token] = clone
                state = self.link[state]

        def propose(self, k):
            known = self.link[self.last]
            place = self.end[known] if known > 0 else len(self.text)
            return torch.tensor(self.text[place : place + k], dtype=LONG)

    Faulty.__name__ = name
    return wrong("SuffixAutomaton", named=named)(Faulty)


with_a_fault("NeverClones", "no_clone", no_clone=True)
with_a_fault("ClonesEndNow", "clone_end", new_end=True)
with_a_fault("ClonesWithoutEdges", "clone_edges", no_edges=True)
with_a_fault("EdgesStay", "not_turned", not_turned=True)
with_a_fault("OldLinkStays", "old_link", old_link=True)


@wrong("SuffixAutomaton", named="tensor_keys")
class KeysAreTensors(WithStates):
    def extend(self, token):
        if torch.is_tensor(token):
            self.tokens.append(token)
            self.last = self.root
            return
        super().extend(token)


@wrong("SuffixAutomaton", named="asking_changes")
class GuessesAreText(WithStates):
    def propose(self, k):
        draft = super().propose(k)
        for token in draft[:1].tolist():
            self.extend(token)
        return draft


@wrong("SuffixAutomaton", named="not_extended")
class OnlyThePrompt(WithStates):
    def __init__(self, ids=()):
        super().__init__()
        for token in ids:
            super().extend(token)

    def extend(self, token):
        pass


@wrong("SuffixAutomaton", named="float_ids")
class FloatsWhenEmpty(WithStates):
    def propose(self, k):
        return torch.tensor(super().propose(k).tolist())


@wrong("SuffixAutomaton", named="shared")
class OneForAll(WithStates):
    kept = []

    def __init__(self, ids=()):
        if not OneForAll.kept or len(ids):
            super().__init__(ids)
            OneForAll.kept.append(self)
        self.__dict__ = OneForAll.kept[-1].__dict__


@right("SuffixAutomaton")
class CatchesUpWhenAsked(WithStates):
    def __init__(self, ids=()):
        super().__init__()
        self.waiting = [int(token) for token in ids]

    def extend(self, token):
        self.waiting.append(int(token))

    def propose(self, k):
        for token in self.waiting:
            super().extend(token)
        self.waiting = []
        return super().propose(k)


@wrong("SuffixAutomaton", named="goes_on")
class FollowsOneMatch:
    def __init__(self, ids=()):
        self.text, self.match, self.last_seen = [], None, {}
        for token in ids:
            self.extend(token)

    def extend(self, token):
        token = int(token)
        if self.match is not None and self.text[self.match] == token:
            self.match += 1
        else:
            self.match = self.last_seen.get(token)
        self.text.append(token)
        self.last_seen[token] = len(self.text)

    def propose(self, k):
        start = len(self.text) if self.match is None else self.match
        return torch.tensor(self.text[start : start + k], dtype=LONG)


@wrong("SuffixAutomaton", named="length_not_end")
class FromItsLength(WithStates):
    def propose(self, k):
        state = self.last.link
        start = state.length if state is not None and state.length else len(self.tokens)
        return torch.tensor(self.tokens[start : start + k], dtype=LONG)


@wrong("SuffixAutomaton", named="empty_matches")
class FromTheBeginning(WithStates):
    def propose(self, k):
        state = self.last.link or self.root
        return torch.tensor(self.tokens[state.end : state.end + k], dtype=LONG)


@wrong("SuffixAutomaton")
class AlwaysZeros:
    def __init__(self, ids=()):
        pass

    def extend(self, token):
        pass

    def propose(self, k):
        return torch.zeros(k, dtype=LONG)


# combine ------------------------------------------------------------------------------------------------------------


@right("combine")
def with_a_generator(drafters):
    def propose(ids, k):
        drafts = (drafter(ids, k) for drafter in drafters)
        return next((draft for draft in drafts if draft.numel()), ids[:0])

    return propose


@right("combine")
def two_at_a_time(drafters):
    """A drafter and all that stand behind it."""

    def joined(front, rest):
        def propose(ids, k):
            draft = front(ids, k)
            return draft if draft.shape[0] else rest(ids, k)

        return propose

    return reduce(lambda rest, front: joined(front, rest), reversed(drafters), lambda ids, k: torch.LongTensor())


@right("combine")
class AnObject:
    def __init__(self, drafters):
        self.drafters = tuple(drafters)

    def __call__(self, ids, k):
        for drafter in self.drafters:
            if len(draft := drafter(ids, k)):
                return draft
        return torch.zeros(0, dtype=LONG)


@right("combine")
def a_lambda(drafters):
    from functools import partial

    def first(drafters, ids, k):
        draft = torch.zeros(0, dtype=LONG)
        for drafter in drafters:
            draft = drafter(ids, k)
            if draft.tolist():
                break
        return draft

    return partial(first, list(drafters))


@wrong("combine", named="asks_all")
def asks_everybody(drafters):
    def propose(ids, k):
        drafts = [drafter(ids, k) for drafter in drafters]
        return next((draft for draft in drafts if len(draft)), ids[:0])

    return propose


@wrong("combine", named="longest")
def the_longest(drafters):
    return lambda ids, k: max((drafter(ids, k) for drafter in drafters), key=len, default=ids[:0])


@wrong("combine", named="last_one")
def the_last_that_speaks(drafters):
    return with_a_generator(drafters[::-1])


@wrong("combine", named="joined")
def all_in_a_row(drafters):
    return lambda ids, k: torch.cat([ids[:0], *(drafter(ids, k) for drafter in drafters)])[:k]


@wrong("combine", named="only_the_first")
def whoever_comes_first(drafters):
    return lambda ids, k: drafters[0](ids, k) if drafters else ids[:0]


@wrong("combine", named="asks_twice")
def asks_and_asks_again(drafters):
    def propose(ids, k):
        for drafter in drafters:
            if len(drafter(ids, k)):
                return drafter(ids, k)
        return ids[:0]

    return propose


@wrong("combine", named="no_function")
def a_draft_at_once(drafters):
    return torch.empty(0, dtype=LONG)


@wrong("combine", named="float_ids")
def an_empty_float(drafters):
    inner = with_a_generator(drafters)
    return lambda ids, k: torch.tensor(inner(ids, k).tolist())


@wrong("combine", named="no_tensor")
def lists(drafters):
    inner = with_a_generator(drafters)
    return lambda ids, k: inner(ids, k).tolist()


@wrong("combine", says="does not ask whether a tensor is empty")
def truth_of_a_tensor(drafters):
    def propose(ids, k):
        for drafter in drafters:
            draft = drafter(ids, k)
            if draft:
                return draft
        return ids[:0]

    return propose


@wrong("combine", named="stays")
def stays_with_the_first_that_spoke(drafters):
    chosen = []

    def propose(ids, k):
        for drafter in chosen or drafters:
            draft = drafter(ids, k)
            if len(draft):
                chosen[:] = [drafter]
                return draft
        return ids[:0]

    return propose


@wrong("combine")
def asks_for_one_more(drafters):
    def propose(ids, k):
        for drafter in drafters:
            draft = drafter(ids, k + 1)
            if len(draft):
                return draft[:k]
        return ids[:0]

    return propose


@wrong("combine")
def none_when_silent(drafters):
    def propose(ids, k):
        for drafter in drafters:
            draft = drafter(ids, k)
            if len(draft):
                return draft

    return propose


@wrong("combine")
def anybody(drafters):
    return lambda ids, k: random.choice([*drafters, lambda ids, k: ids[:0]])(ids, k)


@right("combine")
def one_after_the_other(drafters):
    def propose(ids, k, place=0):
        if place == len(drafters):
            return ids[:0]
        draft = drafters[place](ids, k)
        return draft if draft.nelement() else propose(ids, k, place + 1)

    return propose


@wrong("combine", named="used_up")
def an_iterator(drafters):
    left = iter(drafters)
    return lambda ids, k: next((draft for draft in (drafter(ids, k) for drafter in left) if len(draft)), ids[:0])


def hears(name, named, heard):
    def joined(drafters):
        return lambda ids, k: next((d for d in (drafter(ids, k) for drafter in drafters) if heard(d, k)), ids[:0])

    joined.__name__ = name
    return wrong("combine", named=named)(joined)


hears("only_full_drafts", "wants_k_tokens", lambda draft, k: len(draft) == k)
hears("any_of_it", "zero_is_nothing", lambda draft, k: draft.any())
hears("the_sum_of_it", "zero_is_nothing", lambda draft, k: draft.sum() > 0)
hears("never_none", "only_the_first", lambda draft, k: draft is not None)


@wrong("combine", named="joined")
def fills_up_the_rest(drafters):
    def propose(ids, k):
        draft = ids[:0]
        for drafter in drafters:
            if len(draft) < k:
                draft = torch.cat([draft, drafter(torch.cat([ids, draft]), k - len(draft))])
        return draft

    return propose


@wrong("combine")
def zero_when_silent(drafters):
    inner = with_a_generator(drafters)
    return lambda ids, k: inner(ids, k) if len(inner(ids, k)) else torch.tensor([0])


def _ngrams(rows, n):
    counts = [defaultdict(Counter) for _ in range(n)]
    for row in rows:
        for i, token in enumerate(row):
            for m in range(min(i, n - 1) + 1):
                counts[m][tuple(row[i - m : i])][token] += 1
    return [{c: min(f, key=lambda x: (-f[x], x)) for c, f in one.items()} for one in counts]


@wrong("build_ngram_tables", named="across_rows")
def joins_a_list_of_rows(train_data, n):
    rows = [torch.cat(train_data)] if isinstance(train_data, list) else torch.atleast_2d(train_data)
    return _ngrams([row.tolist() for row in rows], n)


@wrong("draft_with_backoff", named="zero_is_nothing")
def the_first_true_guess(context, tables, k):
    text, start = context.tolist(), len(context)
    for _ in range(k):
        guess = None
        for m in range(min(len(tables) - 1, len(text)), -1, -1):
            guess = tables[m].get(tuple(text[len(text) - m :]))
            if guess:
                break
        if guess is None:
            break
        text.append(guess)
    return torch.tensor(text[start:], dtype=torch.long)


@wrong("draft_with_backoff", named="forgets_the_text")
def guesses_stand_alone(context, tables, k):
    draft = []
    while len(draft) < k:
        text = draft or context.tolist()
        keys = [(m, tuple(text[len(text) - m :])) for m in range(min(len(tables) - 1, len(text)), -1, -1)]
        found = [tables[m][key] for m, key in keys if key in tables[m]]
        if not found:
            break
        draft.append(found[0])
    return torch.tensor(draft, dtype=torch.long)


def _starts(text, n):
    return [s for s in range(len(text) - n) if text[s : s + n] == text[len(text) - n :]]


@wrong("prompt_lookup", named="prefers_k_tokens")
def rather_an_older_full_copy(ids, k, max_ngram=3):
    text = ids.tolist()
    for n in range(min(max_ngram, len(text) - 1), 0, -1):
        found = _starts(text, n)
        found = [s for s in found if s + n + k <= len(text)] or found
        if found:
            return ids[found[-1] + n : found[-1] + n + k].clone()
    return ids[:0].clone()


@wrong("prompt_lookup", named="needs_a_long_text")
def nothing_in_a_short_text(ids, k, max_ngram=3):
    text = ids.tolist()
    for n in range(max_ngram, 0, -1) if len(text) > max_ngram else ():
        if _starts(text, n):
            return ids[_starts(text, n)[-1] + n :][:k].clone()
    return ids[:0].clone()


@wrong("prompt_lookup", named="shortest_first")
def the_most_recent_place_of_any_length(ids, k, max_ngram=3):
    text = ids.tolist()
    for end in range(len(text) - 1, 0, -1):
        if any(text[end - n : end] == text[len(text) - n :] for n in range(1, min(max_ngram, end) + 1)):
            return ids[end : end + k].clone()
    return ids[:0].clone()


class _Clones:
    """A suffix automaton whose cloning is written in `clone`."""

    def __init__(self, ids=()):
        self.next, self.length, self.link, self.end, self.last, self.text = [{}], [0], [-1], [0], 0, []
        for token in ids:
            self.extend(token)

    def state(self, edges, length, link, end):
        for one, value in ((self.next, edges), (self.length, length), (self.link, link), (self.end, end)):
            one.append(value)
        return len(self.next) - 1

    def clone(self, s, old, token):
        return self.state(dict(self.next[old]), self.length[s] + 1, self.link[old], self.end[old])

    def turn(self, s, old, new, token):
        while s >= 0 and self.next[s].get(token) == old:
            self.next[s][token], s = new, self.link[s]

    def extend(self, token):
        token = int(token)
        self.text.append(token)
        s, self.last = self.last, self.state({}, len(self.text), 0, len(self.text))
        while s >= 0 and token not in self.next[s]:
            self.next[s][token], s = self.last, self.link[s]
        if s < 0:
            return
        old = self.next[s][token]
        if self.length[old] > self.length[s] + 1:
            new = self.clone(s, old, token)
            self.turn(s, old, new, token)
            self.link[old] = old = new
        self.link[self.last] = old

    def propose(self, k):
        known = self.link[self.last]
        place = self.end[known] if known > 0 else len(self.text)
        return torch.tensor(self.text[place : place + k], dtype=torch.long)


@wrong("SuffixAutomaton", named="same_edges")
class ClonesWithTheSameDict(_Clones):
    def clone(self, s, old, token):
        return self.state(self.next[old], self.length[s] + 1, self.link[old], self.end[old])


@wrong("SuffixAutomaton", named="clone_length")
class ClonesAsLongAsTheOldState(_Clones):
    def clone(self, s, old, token):
        return self.state(dict(self.next[old]), self.length[old], self.link[old], self.end[old])


@wrong("SuffixAutomaton", named="not_turned")
class TurnsASingleEdge(_Clones):
    def turn(self, s, old, new, token):
        self.next[s][token] = new


@wrong("SuffixAutomaton", named="shared")
class OneTextForAll(_Clones):
    everything: list = []

    def __init__(self, ids=()):
        super().__init__()
        self.told = []
        self.text = self.everything
        for token in ids:
            self.extend(token)

    def extend(self, token):
        self.told.append(int(token))
        self.text, whole = list(self.told[:-1]), self.everything
        super().extend(token)
        whole.append(int(token))
        self.text = whole


def _keeps(name, begin, add, draft):
    """The automaton with a text kept in another way."""

    class Keeps(WithStates):
        def __init__(self, ids=()):
            self.kept = begin()
            super().__init__(ids)

        def extend(self, token):
            self.kept = add(self.kept, int(token), len(self.tokens))
            super().extend(token)

        def propose(self, k):
            state = self.last.link
            if state is None or state.length == 0:
                return torch.empty(0, dtype=LONG)
            return draft(self.kept, state.end, min(k, len(self.tokens) - state.end))

    Keeps.__name__ = name
    return Keeps


def _slice(kept, place, k):
    return kept[place : place + k]


def _doubled(kept, token, n):
    if n == len(kept):
        kept = torch.cat([kept, torch.zeros_like(kept)])
    kept[n] = token
    return kept


def _doubled_array(kept, token, n):
    if n == len(kept):
        kept = np.concatenate([kept, np.zeros_like(kept)])
    kept[n] = token
    return kept


right("SuffixAutomaton")(_keeps("KeepsATensorThatDoubles", lambda: torch.zeros(1, dtype=LONG), _doubled, _slice))
right("SuffixAutomaton")(
    _keeps("KeepsAnArrayThatDoubles", lambda: np.zeros(1, dtype=np.int64), _doubled_array,
           lambda kept, place, k: torch.from_numpy(kept)[place : place + k].clone())
)
wrong("SuffixAutomaton", named="slow")(
    _keeps("CopiesItsTensorEachTime", lambda: torch.zeros(0, dtype=LONG),
           lambda kept, token, n: torch.cat([kept, torch.tensor([token])]), _slice)
)
wrong("SuffixAutomaton", named="slow")(
    _keeps("CopiesItsListEachTime", list, lambda kept, token, n: [*kept, token],
           lambda kept, place, k: torch.tensor(kept[place : place + k], dtype=LONG))
)
wrong("SuffixAutomaton", named="slow")(
    _keeps("CopiesAShortTensorEachTime", lambda: torch.zeros(0, dtype=torch.int32),
           lambda kept, token, n: torch.cat([kept, torch.tensor([token], dtype=torch.int32)]),
           lambda kept, place, k: kept[place : place + k].long())
)


# what once got through: answers that are right up to some size --------------------------------------------------------


@wrong("build_ngram_tables", named="few_tokens")
def four_tables_are_enough(train_data, n):
    return table_by_table(train_data, min(n, 4)) + [{}] * (n - 4)


@wrong("draft_with_backoff", named="few_tokens")
def the_first_four_tables(context, tables, k):
    return with_next(context, tables[:4], k)


@wrong("prompt_lookup", named="window")
def the_newest_128_tokens(ids, k, max_ngram=3):
    return two_loops(ids[-128:], k, max_ngram)


@wrong("prompt_lookup", named="few_tokens")
def no_more_than_eight_are_looked_for(ids, k, max_ngram=3):
    return two_loops(ids, k, min(max_ngram, 8))


@wrong("prompt_lookup", named="k_limited")
def no_more_than_ten_are_copied(ids, k, max_ngram=3):
    return two_loops(ids, min(k, 10), max_ngram)


@wrong("SuffixAutomaton", named="never_one")
class SilentAfterOne(WithStates):
    def propose(self, k):
        link = self.last.link
        return super().propose(k if link is not None and link.length > 1 else 0)


@wrong("combine", named="only_some")
def two_of_them(drafters):
    def propose(ids, k):
        draft = drafters[0](ids, k) if drafters else ids[:0]
        return draft if len(draft) or len(drafters) < 2 else drafters[1](ids, k)

    return propose


@wrong("combine", named="only_some")
def eight_of_them(drafters):
    def propose(ids, k):
        return next((draft for one in drafters[:8] if len(draft := one(ids, k))), ids[:0])

    return propose
