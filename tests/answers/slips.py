"""Slips of beginners in units 01 to 03: nearly right, one misunderstanding each; right answers in unusual forms."""

import itertools
import time

import numpy as np
import torch

from answers import right, wrong
from specdec_course.measure.clocks import time_call
from specdec_course.trace import Decoded, Round
from specdec_course.verification import verify_greedy


def named_as(name, function):
    function.__name__ = name
    return function


# ---- unit 01 -----------------------------------------------------------------------------------------------------


@wrong("time_call", named="adds_up")
def reads_the_start_once(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    start, seconds = time.perf_counter(), np.zeros(repeats)
    for i in range(repeats):
        fn()
        wait()
        seconds[i] = time.perf_counter() - start
    return seconds


@right("time_call")
def differences_of_stamps(fn, repeats=20, warmup=3, synchronize=None):
    def stamp():
        if synchronize:
            synchronize()
        return time.perf_counter()

    def go():
        fn()
        return stamp()

    for _ in range(warmup):
        fn()
    return np.diff([stamp()] + [go() for _ in range(repeats)])


@right("latency_profile")
def the_upper_of_the_middle_two(forward, lengths, vocab_size, repeats=20, seed=0):
    """Any time between the middle two is a median."""
    rng, result = np.random.default_rng(seed), {}
    for n in lengths:
        ids = torch.from_numpy(rng.integers(0, vocab_size, n))
        forward(ids)
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            forward(ids)
            seconds.append(time.perf_counter() - start)
        result[n] = sorted(seconds)[repeats // 2]
    return result


def _cost(config, n, context, width, positions, looked_up=0):
    h, layers, heads = config.hidden_size, config.num_hidden_layers, config.num_attention_heads
    d, kv = getattr(config, "head_dim", None) or h // heads, config.num_key_value_heads
    weights = layers * (2 * h * heads * d + 2 * h * kv * d + 3 * h * config.intermediate_size) + h * config.vocab_size
    flops = 2 * weights * n + layers * 4 * n * (context + n) * heads * d
    return flops, width * (weights + looked_up * h + layers * 2 * kv * d * positions)


@wrong("forward_cost", named="only_the_context")
def reads_the_keys_of_the_context_only(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, context)


@wrong("forward_cost", says="values of the new tokens are read as well")
def reads_the_keys_of_one_new_token(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, context + 1)


@right("forward_cost")
def with_the_rows_that_are_looked_up(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, context + n_tokens, looked_up=n_tokens)


@wrong("forward_cost", named="attention_of_kv_heads")
def attention_for_the_kv_heads(config, n_tokens, context=0, bytes_per_param=2):
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    flops, read = _cost(config, n_tokens, context, bytes_per_param, context + n_tokens)
    spared = config.num_attention_heads - config.num_key_value_heads
    return flops - config.num_hidden_layers * 4 * n_tokens * (context + n_tokens) * spared * d, read


@wrong("time_call", named="warmup_counted")
def keeps_the_first_times(fn, repeats=20, warmup=3, synchronize=None):
    seconds = []
    for _ in range(warmup + repeats):
        if synchronize:
            synchronize()
        start = time.perf_counter()
        fn()
        if synchronize:
            synchronize()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds[:repeats])


def _region_by(inside, answer):
    def region(profile, tolerance=0.25):
        lengths = sorted(profile)
        first = profile[lengths[0]]
        kept = list(itertools.takewhile(lambda n: inside(profile[n], first, tolerance), lengths))
        return answer(kept)

    return region


for _name, _mistake, _inside, _answer in (
    ("how_many_lengths", "counted", lambda t, first, share: t <= first * (1 + share), len),
    ("the_place_of_the_last", "counted", lambda t, first, share: t <= first * (1 + share), lambda kept: len(kept) - 1),
    ("tolerance_in_seconds", "seconds_more", lambda t, first, share: t <= first + share, lambda kept: kept[-1]),
):
    wrong("flat_region", named=_mistake)(named_as(_name, _region_by(_inside, _answer)))


# ---- unit 02 -----------------------------------------------------------------------------------------------------


@wrong("sample_windows", named="last_start")
def starts_end_one_early(ids, seqlen, nsamples, seed):
    if len(ids) < seqlen:
        raise ValueError("text too short")
    starts = torch.randint(0, len(ids) - seqlen, (nsamples,), generator=torch.Generator().manual_seed(seed))
    return torch.stack([ids[s : s + seqlen] for s in starts])


@right("sample_windows")
def rows_of_an_unfolded_view(ids, seqlen, nsamples, seed):
    if ids.numel() < seqlen:
        raise ValueError("too short")
    view = ids.unfold(0, seqlen, 1)
    return view[np.random.default_rng(seed).choice(len(view), nsamples)]


for _name, _part in (("of_all_but_the_first", slice(1, None)), ("of_all_but_the_last", slice(None, -1))):

    def _same_place(ids, next_token_array, part=_part):
        here = ids.numpy()[part]
        return float((np.asarray(next_token_array)[here] == here).mean()) if len(here) else 0.0

    wrong("hit_rate", named="same_place")(named_as(_name, _same_place))


def _rows(train_data, vocab_size, smoothing):
    if smoothing < 0:
        raise ValueError("smoothing below 0")
    rows = torch.atleast_2d(train_data) if isinstance(train_data, torch.Tensor) else train_data
    rows = [torch.as_tensor(row).tolist() for row in rows]
    if any(not 0 <= token < vocab_size for row in rows for token in row):
        raise ValueError("an id outside the vocabulary")
    return rows


def _smoothed(share):
    """An answer whose rows are share(counts of the followers [V], how often the token stands there, smoothing)."""

    def bigram(train_data, vocab_size, smoothing=0.0):
        followers, stands = {}, {}
        for row in _rows(train_data, vocab_size, smoothing):
            for token in row:
                stands[token] = stands.get(token, 0) + 1
            for one, other in zip(row, row[1:], strict=False):
                followers.setdefault(one, []).append(other)

        def row_of(token):
            came = followers.get(int(token))
            if came is None:
                return torch.full((vocab_size,), 1 / vocab_size)
            counts = torch.bincount(torch.tensor(came), minlength=vocab_size).float()
            return share(counts, stands[int(token)], smoothing)

        return row_of

    return bigram


for _name, _mistake, _share in (
    ("adds_the_smoothing_once_below", "smoothed_sum", lambda n, stands, s: (n + s) / (n.sum() + s)),
    ("adds_no_smoothing_below", "smoothed_sum", lambda n, stands, s: (n + s) / n.sum()),
    ("smooths_below_only", "smooths_the_sum", lambda n, stands, s: n / (n.sum() + s * len(n))),
    ("smooths_what_it_has_seen", "smooths_the_seen", lambda n, stands, s: (n + s) * (n > 0) / (n.sum() + s * len(n))),
    ("divides_by_all_occurrences", "counts_the_last", lambda n, stands, s: (n + s) / (stands + s * len(n))),
):
    wrong("bigram_probabilities", named=_mistake)(named_as(_name, _smoothed(_share)))


# ---- unit 03 -----------------------------------------------------------------------------------------------------


@wrong("accepted_length", named="starts_again")
def begins_to_count_again(draft, choice):
    n = 0
    for one, other in zip(draft, choice, strict=False):
        n = n + 1 if one == other else 0
    return n


@wrong("verify_greedy", named="last_row")
def ends_with_the_last_row(draft, logits):
    best, n = logits.argmax(dim=-1), 0
    while n < len(draft) and draft[n] == best[n]:
        n += 1
    return torch.cat([draft[:n], best[-1:]])


@right("verify_greedy")
def the_choice_up_to_the_first_difference(draft, logits):
    choice = np.argmax(logits.numpy(), axis=1)
    differs = np.flatnonzero(choice[:-1] != draft.numpy())
    return torch.as_tensor(choice[: (differs[0] if differs.size else len(draft)) + 1])


@wrong("generate_speculative", named="eos_ignored")
def looks_for_eos_in_the_last_token_only(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, k)[: end - len(ids) - 1]
        emitted = verify_greedy(draft, target(torch.cat((ids, draft)))[len(ids) - 1 :])
        ids = torch.cat((ids, emitted))
        rounds.append(Round(len(draft), len(emitted) - 1, len(emitted)))
        if int(ids[-1]) == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="emitted_less_one")
def takes_emitted_less_one_for_accepted(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end, stop = [], len(ids) + max_new_tokens, False
    while len(ids) < end and not stop:
        draft = propose(ids, k)
        emitted = verify_greedy(draft, target(torch.cat((ids, draft)))[len(ids) - 1 :])[: end - len(ids)]
        at = (emitted == eos_token_id).nonzero() if eos_token_id is not None else ()
        if stop := len(at) > 0:
            emitted = emitted[: int(at[0]) + 1]
        ids = torch.cat((ids, emitted))
        rounds.append(Round(len(draft), len(emitted) - 1, len(emitted)))
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="budget_with_prompt")
def counts_the_prompt_too(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, stop = [], False
    while len(ids) < max_new_tokens and not stop:
        draft = propose(ids, min(k, max_new_tokens - len(ids) - 1))
        emitted = verify_greedy(draft, target(torch.cat([ids, draft]))[len(ids) - 1 :])
        accepted = len(emitted) - 1
        if stop := eos_token_id in emitted.tolist():
            emitted = emitted[: emitted.tolist().index(eos_token_id) + 1]
        ids = torch.cat([ids, emitted])
        rounds.append(Round(len(draft), min(accepted, len(emitted)), len(emitted)))
    return Decoded(ids, rounds)


# ---- what a part of the arguments decides --------------------------------------------------------------------------


@wrong("sample_windows", named="zero_is_no_seed")
def zero_starts_no_generator(ids, seqlen, nsamples, seed):
    if seqlen > len(ids):
        raise ValueError("the text is shorter than a window")
    rng = np.random.default_rng(seed if seed else None)
    return torch.stack([ids[start : start + seqlen] for start in rng.integers(len(ids) - seqlen + 1, size=nsamples)])


@wrong("latency_profile", named="zero_is_no_seed")
def zero_leaves_it_to_chance(forward, lengths, vocab_size, repeats=20, seed=0):
    generator = torch.Generator()
    generator.manual_seed(seed) if seed else generator.seed()

    def median(n):
        row = torch.randint(vocab_size, (n,), generator=generator)
        return float(np.median(time_call(lambda: forward(row), repeats, 1)))

    return {n: median(n) for n in lengths}


def _forgets_the_table():
    known = {}

    def forgets_the_table(last_token, next_token_array, k):
        asked = int(last_token), k
        if asked not in known:
            found = [asked[0]]
            for _ in range(k):
                found.append(int(next_token_array[found[-1]]))
            known[asked] = found[1:]
        return torch.tensor(known[asked], dtype=torch.long)

    return forgets_the_table


wrong("draft_with_bigram", named="remembered")(_forgets_the_table())


@wrong("tokens_per_call", named="undrafted_left_out")
def calls_that_had_a_draft(rounds):
    emitted, calls = sum(r.emitted for r in rounds), len([r for r in rounds if r.drafted > 0])
    if calls == 0:
        return 1.0 if rounds else 0.0
    return emitted / calls


# ---- what is seen of a mistake must be true of it ------------------------------------------------------------------


@wrong("time_call", says="single precision")
def readings_of_seven_digits(fn, repeats=20, warmup=3, synchronize=None):
    for _ in range(warmup):
        fn()
    readings = [0.0] * (repeats + 1)
    for i in range(repeats + 1):
        fn() if i else None
        if synchronize:
            synchronize()
        readings[i] = time.perf_counter() % 1000 + 9000  # some hours
    return np.diff(np.float32(readings))


@wrong("bigram_probabilities", named="token_as_tensor")
def a_dict_asked_with_a_tensor(train_data, vocab_size, smoothing=0.0):
    rows = [row.tolist() for row in (train_data if isinstance(train_data, list) else torch.atleast_2d(train_data))]
    ids = [token for row in rows for token in row]
    if smoothing < 0 or min(ids) < 0 or max(ids) >= vocab_size:
        raise ValueError("a negative smoothing, or an id outside the vocabulary")
    after = {}
    for row in rows:
        for one, other in itertools.pairwise(row):
            after.setdefault(one, []).append(other)

    def next_distribution(token):
        if token not in after:
            return torch.ones(vocab_size) / vocab_size
        counts = torch.bincount(torch.tensor(after[token]), minlength=vocab_size) + smoothing
        return counts / counts.sum()

    return next_distribution


@wrong("draft_with_bigram", says="the table says")
def ids_in_sixteen_bits(last_token, next_token_array, k):
    short, draft = np.asarray(next_token_array).astype(np.uint16), [int(last_token)]
    for _ in range(k):
        draft.append(int(short[draft[-1]]))
    return torch.tensor(draft[1:], dtype=torch.long)


@wrong("hit_rate", says="For the text [")
def rate_of_ids_in_sixteen_bits(ids, next_token_array):
    text, table = (np.asarray(one).astype(np.uint16) for one in (ids, next_token_array))
    return float((table[text[:-1]] == text[1:]).sum()) / (len(text) - 1) if len(text) > 1 else 0.0


@wrong("roofline_latency")
def bytes_in_whole_seconds(flops, bytes, peak_flops, bandwidth):
    return max(flops / peak_flops, float(bytes // bandwidth))
