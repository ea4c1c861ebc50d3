"""Unit 12: right answers written in other ways, and the mistakes that students make. Batches, and drafting ahead."""

import bisect
import math

import numpy as np
import torch

from answers import right, wrong

LONG = torch.long


def named_as(name, function):
    function.__name__ = name
    return function


# verify_batch -------------------------------------------------------------------------------------------------------


@right("verify_batch")
def row_after_row(draft, choice, lengths, active):
    counts, emitted = [], []
    for b in range(len(draft)):
        if not active[b]:
            counts.append(0)
            emitted.append(torch.empty(0, dtype=LONG))
            continue
        n = 0
        while n < int(lengths[b]) and int(draft[b, n]) == int(choice[b, n]):
            n += 1
        counts.append(n)
        emitted.append(choice[b, : n + 1].clone())
    return torch.tensor(counts, dtype=LONG), emitted


@right("verify_batch")
def with_numpy(draft, choice, lengths, active):
    d, c, n, a = (x.numpy() for x in (draft, choice, lengths, active))
    k = d.shape[1]
    wrong_here = (d != c[:, :k]) | (np.arange(k) >= n[:, None]) | ~a[:, None]
    stop = np.concatenate([wrong_here, np.ones((len(d), 1), bool)], 1).argmax(1)
    return stop, [c[b, : stop[b] + 1] if a[b] else c[b, :0] for b in range(len(d))]


@right("verify_batch")
def first_disagreement(draft, choice, lengths, active):
    k = draft.shape[1]
    places = torch.arange(k + 1).expand(len(draft), -1)
    differs = torch.nn.functional.pad(draft != choice[:, :k], (0, 1), value=True) | (places >= lengths[:, None])
    n = torch.where(differs, places, k + 1).amin(1)
    n = torch.where(active, n.clamp(min=0), torch.zeros_like(n))
    return n, [choice[b, : int(n[b]) + int(active[b])] for b in range(len(n))]


@right("verify_batch")
def cut_to_its_length_afterwards(draft, choice, lengths, active):
    run = (draft == choice[:, : draft.shape[1]]).long().cumprod(dim=-1).sum(dim=-1)
    n = torch.minimum(run, lengths.clamp(min=0)) * active
    return n, [c[: int(i) + 1] if a else c.new_empty(0) for i, c, a in zip(n, choice, active, strict=True)]


def leading(draft, own):
    if not draft or draft[0] != own[0]:
        return 0
    return 1 + leading(draft[1:], own[1:])


@right("verify_batch")
def by_recursion_over_lists(draft, choice, lengths, active):
    counts = [leading(d[:n], c) if a else 0 for d, c, n, a in zip(
        draft.tolist(), choice.tolist(), lengths.tolist(), active.tolist(), strict=True)]
    return counts, [c[: n + 1] if a else [] for c, n, a in zip(choice.tolist(), counts, active.tolist(), strict=True)]


@right("verify_batch")
def padding_overwritten(draft, choice, lengths, active):
    k = draft.shape[1]
    cleaned = draft.clone()
    cleaned[torch.arange(k)[None] >= lengths[:, None]] = -1
    cleaned[~active] = -1
    equal = (cleaned == choice[:, :k].masked_fill(cleaned == -1, 0)).int()
    n = equal.cumprod(1).sum(1, dtype=LONG)
    return n, tuple(choice[b][: n[b] + 1] if active[b] else choice[b][:0] for b in range(draft.shape[0]))


@right("verify_batch")
def only_the_active_rows_and_back(draft, choice, lengths, active):
    counts = torch.zeros(len(draft), dtype=LONG)
    emitted = [torch.zeros(0, dtype=LONG) for _ in draft]
    for b in active.nonzero().flatten().tolist():
        own = draft[b, : lengths[b]]
        same = own == choice[b, : lengths[b]]
        counts[b] = int(same.long().cumprod(0).sum()) if len(own) else 0
        emitted[b] = torch.cat([own[: counts[b]], choice[b, counts[b]].view(1)])
    return counts, emitted


def verified(agree=None, count=None, padded=False, idle=False, change=None, emit=None, total=None):
    """verify_batch as students write it, with something changed."""

    def answer(draft, choice, lengths, active):
        k, rows = draft.shape[1], len(draft)
        same = agree(draft, choice) if agree else draft == choice[:, :k]
        if not padded:
            same = same & (torch.arange(k)[None, :] < lengths[:, None])
        there = torch.ones(rows, dtype=torch.bool) if idle else active
        same = same & there[:, None]
        n = count(same) if count else same.long().cumprod(1).sum(1)
        n = change(n, lengths, there) if change else n
        emitted = []
        for b in range(rows):
            if not there[b]:
                emitted.append(choice[b, :0])
            elif emit:
                emitted.append(emit(draft[b], choice[b], int(n[b]), int(lengths[b])))
            else:
                emitted.append(choice[b, : n[b] + 1])
        return (total(n, there) if total else n), emitted

    return answer


for _name, _named, _change in (
    ("no_row_waits_less", "shortest_for_all",
     {"change": lambda n, lengths, there: torch.where(there, n[there].min() if there.any() else 0, 0)}),
    ("the_shortest_with_padding", "shortest_for_all",
     {"padded": True, "change": lambda n, lengths, there: torch.where(there, n[there].min() if there.any() else 0, 0)}),
    ("the_first_row_for_all", "shortest_for_all", {"change": lambda n, lengths, there: n[:1].expand(len(n))}),
    ("agreement_of_all_rows", "shortest_for_all",
     {"count": lambda same: same.all(0).long().cumprod(0).sum().expand(len(same))}),
    ("all_that_agree", "counts_all", {"count": lambda same: same.sum(1)}),
    ("all_that_agree_with_padding", "counts_all", {"count": lambda same: same.sum(1), "padded": True}),
    ("padding_as_well", "padding_counts", {"padded": True}),
    ("rows_without_text", "idle_rows", {"idle": True}),
    ("neither_length_nor_activity", "padding_counts", {"padded": True, "idle": True}),
    ("accepted_only", "no_own_token", {"emit": lambda d, c, n, length: c[:n]}),
    ("drafted_only", "no_own_token", {"emit": lambda d, c, n, length: d[:n]}),
    ("correction_but_no_bonus", "no_bonus", {"emit": lambda d, c, n, length: c[: n + 1] if n < length else c[:n]}),
    ("no_bonus_behind_k", "no_bonus", {"emit": lambda d, c, n, length: c[: n + 1] if n < len(d) else c[:n]}),
    ("bonus_at_k", "bonus_from_the_end",
     {"emit": lambda d, c, n, length: torch.cat([d[:n], c[n : n + 1] if n < length else c[-1:]])}),
    ("last_column_for_all", "bonus_from_the_end", {"emit": lambda d, c, n, length: torch.cat([d[:n], c[-1:]])}),
    ("token_at_its_length", "own_token_at_length",
     {"emit": lambda d, c, n, length: torch.cat([d[:n], c[length : length + 1]])}),
    ("rejected_token_too", "rejected_emitted",
     {"emit": lambda d, c, n, length: d[: n + 1] if n < length else c[: n + 1]}),
    ("two_of_its_own", "one_too_many", {"emit": lambda d, c, n, length: c[: n + 2]}),
    ("all_of_the_row", "whole_rows", {"emit": lambda d, c, n, length: c}),
    ("up_to_its_length", "whole_rows", {"emit": lambda d, c, n, length: c[: length + 1]}),
    ("counted_with_the_bonus", "counts_own_token", {"total": lambda n, there: n + there.long()}),
    ("one_column_on", "off_by_one", {"agree": lambda d, c: d == c[:, 1:]}),
    ("one_column_back_round_the_end", "off_by_one", {"agree": lambda d, c: d == c.roll(1, 1)[:, : d.shape[1]]}),
    ("one_column_back", "keeps_nothing",  # for the first token never agrees
     {"agree": lambda d, c: torch.cat([torch.zeros_like(d[:, :1]).bool(), d[:, 1:] == c[:, : d.shape[1] - 1]], 1)
      if d.shape[1] else d.bool()}),
    ("whole_drafts_only", "all_or_nothing",
     {"change": lambda n, lengths, there: torch.where((n == lengths) & there, n, torch.zeros_like(n))}),
    ("minus_one_for_idle", "idle_counted", {"total": lambda n, there: torch.where(there, n, -1)}),
    ("ids_in_16_bits", None, {"agree": lambda d, c: d.short() == c[:, : d.shape[1]].short()}),
    ("at_most_eight", None, {"change": lambda n, lengths, there: n.clamp(max=8)}),
):
    wrong("verify_batch", named=_named)(named_as(_name, verified(**_change)))


@wrong("verify_batch", named="rows_left_out")
def only_rows_with_a_text(draft, choice, lengths, active):
    n, emitted = verified()(draft, choice, lengths, active)
    return n, [row for row, there in zip(emitted, active, strict=True) if there]


@wrong("verify_batch", named="rows_left_out")
def active_rows_first(draft, choice, lengths, active):
    return verified()(draft[active], choice[active], lengths[active], active[active])


@wrong("verify_batch", named="idle_emits")
def a_token_for_everyone(draft, choice, lengths, active):
    n = verified()(draft, choice, lengths, active)[0]
    return n, [choice[b, : n[b] + 1] for b in range(len(n))]


@wrong("verify_batch")
def in_place(draft, choice, lengths, active):
    draft[~active] = -1
    return verified()(draft, choice, lengths, active)


@wrong("verify_batch")
def one_long_tensor(draft, choice, lengths, active):
    n, emitted = verified()(draft, choice, lengths, active)
    return n, torch.cat(emitted)


@wrong("verify_batch")
def only_the_numbers(draft, choice, lengths, active):
    return verified()(draft, choice, lengths, active)[0]


@wrong("verify_batch")
def padded_with_zeros(draft, choice, lengths, active):
    n, emitted = verified()(draft, choice, lengths, active)
    return n, [torch.nn.functional.pad(row, (0, choice.shape[1] - len(row))) for row in emitted]


@wrong("verify_batch")
def stops_where_k_is_0(draft, choice, lengths, active):
    draft[:, 0]
    return verified()(draft, choice, lengths, active)


# batch_throughput ---------------------------------------------------------------------------------------------------


def refused(batch, alpha, k, profile, c):
    if batch < 1:
        raise ValueError("a batch has at least one text")
    if not 0 <= alpha <= 1 or k < 0 or c < 0:
        raise ValueError("alpha is a chance; k and c are not below 0")
    if len(profile) == 0 or any(size <= 0 or time <= 0 for size, time in profile.items()):
        raise ValueError("no such profile")
    if batch * (k + 1) > max(profile):
        raise ValueError("not measured")


@right("batch_throughput")
def numpy_interp(batch, alpha, k, profile, c=0.0):
    refused(batch, alpha, k, profile, c)
    sizes = sorted(profile)
    T = lambda n: np.interp(n, sizes, [profile[s] for s in sizes])  # noqa: E731
    tau = k + 1 if alpha == 1 else (1 - alpha ** (k + 1)) / (1 - alpha)
    return batch * tau / (k * c * T(batch) + T(batch * (k + 1)))


@right("batch_throughput")
def by_bisection(batch, alpha, k, profile, c=0.0):
    refused(batch, alpha, k, profile, c)
    points = sorted(profile.items())

    def time(n):
        i = bisect.bisect_left(points, (n, -math.inf))
        if i == 0:
            return points[0][1]
        (a, s), (b, t) = points[i - 1], points[i]
        return (s * (b - n) + t * (n - a)) / (b - a)

    return sum(batch * alpha**i for i in range(k + 1)) / (time(batch * (k + 1)) + c * k * time(batch))


@right("batch_throughput")
def pairs_of_neighbours(batch, alpha, k, profile, c=0.0):
    refused(batch, alpha, k, profile, c)
    ordered = sorted(profile)

    def lookup(tokens):
        if tokens in profile:
            return profile[tokens]
        for low, high in zip(ordered, ordered[1:], strict=False):
            if low < tokens < high:
                return profile[low] + (profile[high] - profile[low]) / (high - low) * (tokens - low)
        return profile[ordered[0]]

    spent = lookup(batch * (k + 1))
    for _ in range(k):
        spent += c * lookup(batch)
    emitted = 1.0
    for _ in range(k):
        emitted = 1 + alpha * emitted
    return emitted * batch / spent


@right("batch_throughput")
def in_torch(batch, alpha, k, profile, c=0.0):
    refused(batch, alpha, k, profile, c)
    x = torch.tensor(sorted(profile), dtype=torch.float64)
    y = torch.tensor([profile[int(size)] for size in x], dtype=torch.float64)

    def T(n):
        j = int(torch.searchsorted(x, torch.tensor(float(n), dtype=torch.float64)))
        return y[0] if j == 0 else torch.lerp(y[j - 1], y[j], (n - x[j - 1]) / (x[j] - x[j - 1]))

    tokens = batch * (alpha ** torch.arange(k + 1, dtype=torch.float64)).sum()
    return tokens / (k * c * T(batch) + T(batch * (k + 1)))


@right("batch_throughput")
def single_precision(batch, alpha, k, profile, c=0.0):
    refused(batch, alpha, k, profile, c)
    sizes = np.array(sorted(profile), dtype=np.float32)
    times = np.array([profile[int(s)] for s in sizes], dtype=np.float32)
    tau = np.float32(alpha) ** np.arange(k + 1, dtype=np.float32)
    spent = np.float32(np.interp(batch * (k + 1), sizes, times)) + np.float32(k * c) * np.float32(
        np.interp(batch, sizes, times))
    return np.float32(batch) * tau.sum() / spent


@right("batch_throughput")
def everything_refused_in_the_end(batch, alpha, k, profile, c=0.0):
    sizes = sorted(profile) if profile else [0]
    fine = (batch >= 1) and (0 <= alpha <= 1) and (k >= 0) and (c >= 0) and sizes[0] > 0 and min(profile.values()) > 0
    if not (fine and batch * (k + 1) <= sizes[-1]):
        raise ValueError((batch, alpha, k, profile, c))
    return numpy_interp(batch, alpha, k, profile, c)


def mean_tokens(alpha, k):
    return sum(alpha**i for i in range(k + 1))


def between(profile, n):
    sizes = sorted(profile)
    return float(np.interp(n, sizes, [profile[s] for s in sizes]))


def worth(tokens=lambda B, alpha, k: B * mean_tokens(alpha, k), read=lambda B, k: B * (k + 1), time=between,
          draft=lambda T, B, k, c: k * c * T(B), turn=lambda n, s: n / s, check=refused):
    """batch_throughput as students write it, with something changed."""

    def answer(batch, alpha, k, profile, c=0.0):
        check(batch, alpha, k, profile, c)
        T = lambda n: time(profile, n)  # noqa: E731
        return turn(tokens(batch, alpha, k), draft(T, batch, k, c) + T(read(batch, k)))

    return answer


def line_from_the_first_two(profile, n):
    sizes = sorted(profile)
    if len(sizes) == 1:
        return profile[sizes[0]]
    i = min(max(bisect.bisect_left(sizes, n), 1), len(sizes) - 1)
    a, b = sizes[i - 1], sizes[i]
    return profile[a] + (n - a) * (profile[b] - profile[a]) / (b - a)


def all_but_the_end(batch, alpha, k, profile, c):
    refused(batch, alpha, k, {**profile, 10**9: 1.0} if profile else profile, c)


for _name, _named, _change in (
    ("the_tokens_of_one", "one_text", {"tokens": lambda B, alpha, k: mean_tokens(alpha, k)}),
    ("a_pass_for_one", "pass_of_one_text", {"read": lambda B, k: k + 1}),
    ("a_pass_over_the_newest", "pass_without_drafts", {"read": lambda B, k: B}),
    ("a_pass_over_the_drafts", "newest_not_read", {"read": lambda B, k: B * k}),
    ("batch_and_k", "batch_plus_k", {"read": lambda B, k: B + k}),
    ("everything_is_accepted", "all_accepted", {"tokens": lambda B, alpha, k: B * (k + 1)}),
    ("accepted_tokens_only", "own_token_missing", {"tokens": lambda B, alpha, k: B * (mean_tokens(alpha, k) - 1)}),
    ("k_terms", "too_few_terms", {"tokens": lambda B, alpha, k: B * (mean_tokens(alpha, k - 1) if k else 0.0)}),
    ("alpha_times_k", "each_counts_alone", {"tokens": lambda B, alpha, k: B * (1 + alpha * k)}),
    ("drafts_for_nothing", "draft_is_free", {"draft": lambda T, B, k, c: 0.0}),
    ("one_step_of_drafting", "one_draft_step", {"draft": lambda T, B, k, c: c * T(B) if k else 0.0}),
    ("k_plus_1_steps", "extra_draft_step", {"draft": lambda T, B, k, c: (k + 1) * c * T(B)}),
    ("drafts_one_text", "draft_of_one_text", {"draft": lambda T, B, k, c: k * c * T(1)}),
    ("drafts_over_the_pass", "draft_reads_the_pass", {"draft": lambda T, B, k, c: k * c * T(B * (k + 1))}),
    ("c_as_seconds", "c_in_seconds", {"draft": lambda T, B, k, c: k * c}),
    ("drafts_text_by_text", "draft_per_text", {"draft": lambda T, B, k, c: B * k * c * T(B)}),
    ("next_larger", "next_size", {"time": lambda p, n: p[min(s for s in p if s >= n)]}),
    ("next_smaller", "next_size", {"time": lambda p, n: p[max([s for s in p if s <= n], default=min(p))]}),
    ("in_proportion_below", "below_the_smallest",
     {"time": lambda p, n: between(p, n) * min(1.0, n / min(p))}),
    ("on_along_the_first_line", "below_the_smallest", {"time": line_from_the_first_two}),
    ("as_it_comes", "unsorted", {"time": lambda p, n: float(np.interp(n, list(p), list(p.values())))}),
    ("seconds_per_token", "upside_down", {"turn": lambda n, s: s / n}),
    ("not_per_second", "per_round", {"turn": lambda n, s: n}),
    ("the_last_time_for_longer", "beyond_the_largest", {"check": all_but_the_end}),
    ("a_bit_of_everything", None, {"turn": lambda n, s: n / (s + 1e-4)}),
    ("rounded", None, {"turn": lambda n, s: float(round(n / s))}),
):
    wrong("batch_throughput", named=_named)(named_as(_name, worth(**_change)))


@wrong("batch_throughput")
def sizes_of_the_profile_only(batch, alpha, k, profile, c=0.0):
    refused(batch, alpha, k, profile, c)
    return batch * mean_tokens(alpha, k) / (k * c * profile[batch] + profile[batch * (k + 1)])


@wrong("batch_throughput")
def division_of_the_batch(batch, alpha, k, profile, c=0.0):
    return worth()(batch, alpha, k, profile, c) / batch


@wrong("batch_throughput")
def an_empty_profile_is_an_index_error(batch, alpha, k, profile, c=0.0):
    sorted(profile)[0]
    return worth()(batch, alpha, k, profile, c)


@wrong("batch_throughput")
def times_are_not_looked_at(batch, alpha, k, profile, c=0.0):
    refused(batch, alpha, k, {size: 1.0 for size in profile}, c)
    return worth(check=lambda *given: None)(batch, alpha, k, profile, c)


@wrong("batch_throughput", named="changes_input")
def sorts_the_profile_itself(batch, alpha, k, profile, c=0.0):
    found = worth()(batch, alpha, k, profile, c)
    profile.pop(max(profile))
    return found


@wrong("batch_throughput", named="refuses_nothing")
def takes_whatever_comes(batch, alpha, k, profile, c=0.0):
    if not profile or min(profile) <= 0 or min(profile.values()) <= 0:
        return 0.0
    return worth(check=lambda *given: None)(max(batch, 1), alpha, max(k, 0), profile, c)


# crossover_batch ----------------------------------------------------------------------------------------------------


def checked(alpha, k, profile, c):
    if k < 1:
        raise ValueError("nothing is drafted")
    refused(1, alpha, 0, profile, c)


def faster(batch, alpha, k, profile, c):
    """Whether it pays, without anybody's batch_throughput."""
    fast = mean_tokens(alpha, k) / (k * c * between(profile, batch) + between(profile, batch * (k + 1)))
    return fast * between(profile, batch) > 1 + 1e-9


@right("crossover_batch")
def asks_for_every_batch(alpha, k, profile, c=0.0):
    checked(alpha, k, profile, c)
    for batch in range(1, max(profile) // (k + 1) + 1):
        if not faster(batch, alpha, k, profile, c):
            return batch
    return None


@right("crossover_batch")
def falls_off_the_end(alpha, k, profile, c=0.0):
    checked(alpha, k, profile, c)
    batch = 1
    while batch * (k + 1) <= max(profile):
        if numpy_interp(batch, alpha, k, profile, c) <= numpy_interp(batch, alpha, 0, profile, c) * (1 + 1e-9):
            return batch
        batch += 1


@right("crossover_batch")
def all_at_once(alpha, k, profile, c=0.0):
    checked(alpha, k, profile, c)
    sizes = sorted(profile)
    batches = np.arange(1, sizes[-1] // (k + 1) + 1)
    times = [profile[s] for s in sizes]
    plain, wide = np.interp(batches, sizes, times), np.interp(batches * (k + 1), sizes, times)
    no = batches[mean_tokens(alpha, k) * plain <= (k * c * plain + wide) * (1 + 1e-9)]
    return no[0] if len(no) else None


@right("crossover_batch")
def by_recursion(alpha, k, profile, c=0.0, batch=1):
    checked(alpha, k, profile, c)
    if batch * (k + 1) > max(profile):
        return None
    return by_recursion(alpha, k, profile, c, batch + 1) if faster(batch, alpha, k, profile, c) else batch


@right("crossover_batch")
def a_generator(alpha, k, profile, c=0.0):
    checked(alpha, k, profile, c)
    batches = range(1, 1 + int(max(profile) / (k + 1)))
    return next((torch.tensor(b) for b in batches if not faster(b, alpha, k, profile, c)), None)


@right("crossover_batch")
def without_a_word_about_round_off(alpha, k, profile, c=0.0):
    checked(alpha, k, profile, c)
    for b in range(1, max(profile) // (k + 1) + 1):
        if worth()(b, alpha, k, profile, c) <= worth()(b, alpha, 0, profile, c):
            return b


def crossing(no=lambda b, *given: not faster(b, *given), first=1, more=0, found=lambda b, k: b, nothing=None,
             tried=lambda batches, profile, k: batches, check=checked, place=0):
    """crossover_batch as students write it, with something changed."""

    def answer(alpha, k, profile, c=0.0):
        check(alpha, k, profile, c)
        batches = tried(list(range(first, max(profile) // (k + 1) + 1 + more)), profile, k)
        stops = [b for b in batches if no(b, alpha, k, profile, c)]
        return found(stops[place], k) if stops else nothing(batches) if nothing else None

    return answer


for _name, _named, _change in (
    ("equal_is_enough", "equal_pays",
     {"no": lambda b, alpha, k, p, c: worth()(b, alpha, k, p, c) < worth()(b, alpha, 0, p) * (1 - 1e-9)}),
    ("the_one_before", "last_that_pays", {"found": lambda b, k: b - 1}),
    ("the_largest_that_pays", "last_that_pays", {"found": lambda b, k: b - 1, "nothing": lambda batches: len(batches)}),
    ("the_first_that_does", "first_that_pays", {"no": faster}),
    ("the_last_that_does_not", "last_that_does_not", {"place": -1}),
    ("against_a_single_text", "against_one_text",
     {"no": lambda b, alpha, k, p, c: worth()(b, alpha, k, p, c) <= worth()(1, alpha, 0, p) * (1 + 1e-9)}),
    ("by_the_pass_alone", "alpha_left_out",
     {"no": lambda b, alpha, k, p, c: between(p, b * (k + 1)) >= (k + 1) * between(p, b) * (1 - 1e-9)}),
    ("drafting_is_free", "draft_is_free", {"no": lambda b, alpha, k, p, c: not faster(b, alpha, k, p, 0.0)}),
    ("a_plain_round_of_k", "plain_drafts",
     {"no": lambda b, alpha, k, p, c: worth()(b, alpha, k, p, c) <= worth()(b, 0.0, k, p, c) * (1 + 1e-9)}),
    ("tokens_of_the_pass", "tokens_for_batch", {"found": lambda b, k: b * (k + 1)}),
    ("from_two_texts_on", "begins_at_two", {"first": 2}),
    ("without_the_last", "ends_too_early", {"more": -1}),
    ("powers_of_two", "some_batches_only", {"tried": lambda bs, p, k: [b for b in bs if b & (b - 1) == 0]}),
    ("sizes_of_the_profile", "some_batches_only", {"tried": lambda bs, p, k: [b for b in bs if b in p]}),
    ("one_more_than_known", "none_is_a_number", {"nothing": lambda batches: len(batches) + 1}),
    ("zero_for_none", "none_is_a_number", {"nothing": lambda batches: 0}),
    ("every_second", None, {"tried": lambda bs, p, k: bs[::2]}),
    ("a_percent_is_no_gain", None,
     {"no": lambda b, alpha, k, p, c: worth()(b, alpha, k, p, c) <= worth()(b, alpha, 0, p) * 1.01}),
    ("at_most_twenty", None, {"tried": lambda bs, p, k: bs[:20]}),
):
    wrong("crossover_batch", named=_named)(named_as(_name, crossing(**_change)))


@wrong("crossover_batch", named="by_halves")
def halves(alpha, k, profile, c=0.0):
    checked(alpha, k, profile, c)
    low, high = 1, max(profile) // (k + 1) + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if faster(middle, alpha, k, profile, c) else (low, middle)
    return low if low <= max(profile) // (k + 1) else None


@wrong("crossover_batch")
def never(alpha, k, profile, c=0.0):
    checked(alpha, k, profile, c)


@wrong("crossover_batch")
def runs_off_the_profile(alpha, k, profile, c=0.0):
    checked(alpha, k, profile, c)
    batch = 1
    while worth()(batch, alpha, k, profile, c) > worth()(batch, alpha, 0, profile) * (1 + 1e-9):
        batch += 1
    return batch


@wrong("crossover_batch")
def refuses_only_what_it_meets(alpha, k, profile, c=0.0):
    if k < 1:
        raise ValueError
    for b in range(1, max(profile, default=0) // (k + 1) + 1):
        if worth()(b, alpha, k, profile, c) <= worth()(b, alpha, 0, profile) * (1 + 1e-9):
            return b
    return None


@wrong("crossover_batch")
def its_throughput(alpha, k, profile, c=0.0):
    found = asks_for_every_batch(alpha, k, profile, c)
    return found and worth()(found, alpha, k, profile, c)


# overlap_timeline ---------------------------------------------------------------------------------------------------


def refuse(draft_ms, verify_ms, accepted):
    for ms in (draft_ms, verify_ms):
        if math.isnan(ms) or math.isinf(ms) or ms < 0:
            raise ValueError("a time in ms is 0 or more")
    for one in accepted:
        if one is not True and one is not False:
            raise ValueError("True or False")


@right("overlap_timeline")
def two_clocks(draft_ms, verify_ms, accepted):
    refuse(draft_ms, verify_ms, accepted)
    if len(accepted) == 0:
        return [], 0.0
    target, drafter = 0.0, draft_ms
    timeline = [("draft", 0, 0.0, draft_ms, True)]
    last = len(accepted) - 1
    for block, fine in enumerate(accepted):
        begins = max(target, drafter)
        target = begins + verify_ms
        timeline.append(("verify", block, begins, target, True))
        if block == last:
            continue
        if fine:
            drafter = begins + draft_ms
            timeline.append(("draft", block + 1, begins, drafter, True))
        else:
            timeline.append(("draft", block + 1, begins, begins + min(draft_ms, verify_ms), False))
            drafter = target + draft_ms
            timeline.append(("draft", block + 1, target, drafter, True))
    return timeline, target


@right("overlap_timeline")
def from_block_to_block(draft_ms, verify_ms, accepted):
    refuse(draft_ms, verify_ms, accepted)

    def go_on(block, start):
        """The entries from the check of this block on, which begins at start, and when all is over."""
        over = start + verify_ms
        here = [["verify", block, start, over, True]]
        if block + 1 == len(accepted):
            return here, over
        if accepted[block]:
            here += [["draft", block + 1, start, start + draft_ms, True]]
            rest, end = go_on(block + 1, max(over, start + draft_ms))
        else:
            here += [["draft", block + 1, start, min(start + draft_ms, over), False],
                     ["draft", block + 1, over, over + draft_ms, True]]
            rest, end = go_on(block + 1, over + draft_ms)
        return here + rest, end

    if not accepted:
        return [], 0
    entries, end = go_on(0, draft_ms)
    return [["draft", 0, 0, draft_ms, True], *entries], end


@right("overlap_timeline")
def starts_first(draft_ms, verify_ms, accepted):
    """When the checks begin stands in a list of its own; the entries are written down afterwards."""
    refuse(draft_ms, verify_ms, accepted)
    accepted = list(accepted)
    starts = np.zeros(len(accepted))
    for i in range(len(accepted)):
        if i == 0:
            starts[i] = draft_ms
        else:
            starts[i] = starts[i - 1] + (max(draft_ms, verify_ms) if accepted[i - 1] else draft_ms + verify_ms)
    entries = [("draft", 0, 0.0, draft_ms, True)] if accepted else []
    for i, start in enumerate(starts):
        entries.append(("verify", i, start, start + verify_ms, True))
        if i < len(accepted) - 1:
            if not accepted[i]:
                entries.append(("draft", i + 1, start, start + min(verify_ms, draft_ms), np.bool_(False)))
                start = start + verify_ms
            entries.append(("draft", i + 1, start, start + draft_ms, np.bool_(True)))
    return entries, float(starts[-1] + verify_ms) if accepted else 0.0


@right("overlap_timeline")
def a_queue_of_events(draft_ms, verify_ms, accepted):
    refuse(draft_ms, verify_ms, accepted)
    entries, now, total, waiting = [], 0.0, 0.0, list(enumerate(accepted))
    if waiting:
        entries.append(("draft", 0, now, now + draft_ms, True))
        now = draft_ms
    while waiting:
        i, fine = waiting.pop(0)
        ahead, total = now + draft_ms, now + verify_ms
        entries.append(("verify", i, now, total, 1))
        if waiting:
            entries += ([("draft", i + 1, now, ahead, 1)] if fine else
                        [("draft", i + 1, now, ahead if ahead < total else total, 0),
                         ("draft", i + 1, total, total + draft_ms, 1)])
        now = max(ahead, total) if fine else total + draft_ms
    return entries, torch.tensor(total)


def lines(begin=max, ahead=lambda start, over, drafted: start, stop=min, anew=lambda start, over, end: over, throw=True,
          listed=True, flag=False, verdict=lambda accepted, i: accepted[i], beyond=False, first=True, order=None,
          total=None, check=refuse, entry=lambda one: one):
    """overlap_timeline as students write it, with something changed."""

    def answer(draft_ms, verify_ms, accepted):
        check(draft_ms, verify_ms, accepted)
        out, over, ready = [], 0.0, draft_ms if first else 0.0
        for i in range(len(accepted)):
            if first and not i:
                out.append(("draft", 0, 0.0, ready, True))
            start = begin(over, ready)
            over = start + verify_ms
            out.append(("verify", i, start, over, True))
            if i + 1 < len(accepted) or beyond:
                at = ahead(start, over, ready)
                ready = at + draft_ms
                if throw and not verdict(accepted, i):
                    end = stop(ready, over)
                    out += [("draft", i + 1, at, end, flag)] * listed
                    at = anew(start, over, end)
                    ready = at + draft_ms
                out.append(("draft", i + 1, at, ready, True))
        out = order(out) if order else out
        return [entry(one) for one in out], total(out, over) if total else over

    return answer


right("overlap_timeline")(named_as("sorted_by_start", lines(order=lambda out: sorted(out, key=lambda one: one[2]))))
right("overlap_timeline")(named_as("sorted_by_block", lines(order=lambda out: sorted(out, key=lambda one: one[1]))))


for _name, _named, _change in (
    ("draft_after_check", "nothing_ahead", {"ahead": lambda start, over, drafted: over}),
    ("whatever_the_verdict", "rejection_ignored", {"throw": False}),
    ("thrown_away_and_forgotten", "not_listed", {"listed": False}),
    ("all_are_kept", "thrown_is_kept", {"flag": True}),
    ("goes_on_in_vain", "not_stopped", {"stop": lambda end, over: end}),
    ("goes_on_and_delays", "not_stopped",
     {"stop": lambda end, over: end, "anew": lambda start, over, end: max(end, over)}),
    ("until_the_check_is_over", "runs_to_the_check", {"stop": lambda end, over: over}),
    ("anew_at_once", "anew_too_early", {"anew": lambda start, over, end: end}),
    ("check_after_check", "check_does_not_wait_for_draft", {"begin": lambda over, ready: over or ready}),
    ("check_after_draft", "check_does_not_wait_for_check", {"begin": lambda over, ready: ready}),
    ("draft_after_draft", "ahead_of_ahead", {"ahead": lambda start, over, drafted: drafted}),
    ("the_next_verdict", "other_blocks_verdict",
     {"verdict": lambda accepted, i: accepted[i + 1] if i + 1 < len(accepted) else True}),
    ("the_verdict_before", "other_blocks_verdict", {"verdict": lambda accepted, i: accepted[i - 1] if i else True}),
    ("not_accepted", "turned_round", {"verdict": lambda accepted, i: not accepted[i]}),
    ("and_one_more", "one_draft_too_many", {"beyond": True}),
    ("checks_at_once", "first_draft_missing", {"first": False}),
    ("sorted_by_who", "other_order", {"order": lambda out: sorted(out, key=lambda one: one[0])}),
    ("sorted_by_start_and_end", "other_order", {"order": lambda out: sorted(out, key=lambda one: one[2:4])}),
    ("how_long", "durations", {"entry": lambda one: (*one[:3], one[3] - one[2], one[4])}),
    ("one_after_the_other", "sum_of_all", {"total": lambda out, over: sum(one[3] - one[2] for one in out)}),
    ("the_last_entry_but_one", None, {"total": lambda out, over: over + 0.01}),
    ("blocks_from_one", None, {"entry": lambda one: (one[0], one[1] + 1, *one[2:])}),
    ("target_for_verify", None, {"entry": lambda one: ("target" if one[0] == "verify" else one[0], *one[1:])}),
    ("without_kept", None, {"entry": lambda one: one[:4]}),
    ("whole_ms", None, {"entry": lambda one: (one[0], one[1], round(one[2]), round(one[3]), one[4])}),
):
    wrong("overlap_timeline", named=_named)(named_as(_name, lines(**_change)))


@wrong("overlap_timeline", named="nothing_ahead")
def one_line_only(draft_ms, verify_ms, accepted):
    refuse(draft_ms, verify_ms, accepted)
    out, now = [], 0.0
    for i in range(len(accepted)):
        drafted = now + draft_ms
        out += [("draft", i, now, drafted, True), ("verify", i, drafted, drafted + verify_ms, True)]
        now = drafted + verify_ms
    return out, now


@wrong("overlap_timeline", named="refuses_nothing")
def any_time_will_do(draft_ms, verify_ms, accepted):
    return lines(check=lambda *given: None)(draft_ms, verify_ms, accepted)


@wrong("overlap_timeline")
def an_error_without_blocks(draft_ms, verify_ms, accepted):
    timeline, _ = lines()(draft_ms, verify_ms, accepted)
    return timeline, timeline[-1][3]


@wrong("overlap_timeline")
def only_the_total(draft_ms, verify_ms, accepted):
    return lines()(draft_ms, verify_ms, accepted)[1]


@wrong("overlap_timeline")
def a_formula_without_a_timeline(draft_ms, verify_ms, accepted):
    refuse(draft_ms, verify_ms, accepted)
    return [], lines()(draft_ms, verify_ms, accepted)[1]


@wrong("overlap_timeline")
def nothing_of_no_length(draft_ms, verify_ms, accepted):
    timeline, total = lines()(draft_ms, verify_ms, accepted)
    return [one for one in timeline if one[3] > one[2]], total


@wrong("verify_batch", named="keeps_nothing")
def one_token_each_whatever_was_drafted(draft, choice, lengths, active):
    n = torch.zeros(len(draft), dtype=torch.long)
    return n, [row[: int(there)] for row, there in zip(choice, active, strict=True)]


@wrong("batch_throughput", named="draft_reads_the_pass")
def k_steps_are_one_pass(batch, alpha, k, profile, c=0.0):
    if batch < 1 or not 0 <= alpha <= 1 or k < 0 or c < 0 or not profile:
        raise ValueError("bad input")
    if min(profile) <= 0 or min(profile.values()) <= 0:
        raise ValueError("bad profile")
    points = sorted(profile.items())
    if batch * (k + 1) > points[-1][0]:
        raise ValueError("too many tokens")

    def seconds(n):
        if n <= points[0][0]:
            return points[0][1]
        for (a, s), (b, t) in zip(points[:-1], points[1:], strict=True):
            if a <= n <= b:
                return s + (t - s) * (n - a) / (b - a)

    drafting = c * seconds(batch * k) if k else 0.0
    tokens = batch * sum(alpha**i for i in range(k + 1))
    return tokens / (drafting + seconds(batch * (k + 1)))


@wrong("overlap_timeline", says="the last check ends at")
def checked_before_it_is_drafted(draft_ms, verify_ms, accepted):
    if not (0 <= draft_ms < math.inf and 0 <= verify_ms < math.inf):
        raise ValueError("times")
    for one in accepted:
        if not isinstance(one, bool):
            raise ValueError("accepted")
    timeline, now = [], 0.0
    for i in range(len(accepted)):
        if i == 0:
            timeline.append(("draft", 0, 0.0, float(draft_ms), True))
            now = float(draft_ms)
        end = now + verify_ms
        timeline.append(("verify", i, now, end, True))
        if i + 1 < len(accepted):
            if accepted[i]:
                timeline.append(("draft", i + 1, now, now + draft_ms, True))
                now = end
            else:
                timeline.append(("draft", i + 1, now, min(now + draft_ms, end), False))
                timeline.append(("draft", i + 1, end, end + draft_ms, True))
                now = end + draft_ms
        else:
            now = end
    return timeline, now
