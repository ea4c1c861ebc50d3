"""Unit 01: right and wrong answers, written independently of the package."""

import statistics
import time
import timeit

import numpy as np
import torch

from answers import right, wrong
from specdec_course.measure import clocks

# ---------------------------------------------------------------------------------------------------- time_call


@right("time_call")
def two_barriers_per_call(fn, repeats=20, warmup=3, synchronize=None):
    result = np.empty(repeats)
    for i in range(warmup + repeats):
        if synchronize is not None:
            synchronize()
        t0 = time.monotonic()
        fn()
        if synchronize is not None:
            synchronize()
        t1 = time.monotonic()
        if i >= warmup:
            result[i - warmup] = t1 - t0
    return result


@right("time_call")
def wall_clock_and_a_list(fn, repeats=20, warmup=3, synchronize=None):
    for _ in range(warmup):
        fn()
        if synchronize:
            synchronize()
    out = []
    for _ in range(repeats):
        if synchronize:
            synchronize()
        begin = time.time()
        fn()
        if synchronize:
            synchronize()
        out += [time.time() - begin]
    return out


@right("time_call")
def with_timeit(fn, repeats=20, warmup=3, synchronize=None):
    barrier = synchronize if synchronize else lambda: None

    def once():
        fn()
        barrier()

    [fn() for _ in range(warmup)]
    barrier()
    return np.array(timeit.repeat(once, number=1, repeat=repeats))


@right("time_call")
def nanoseconds_in_a_tensor(fn, repeats=20, warmup=3, synchronize=None):
    def tick():
        if synchronize is not None:
            synchronize()
        return time.perf_counter_ns()

    for _ in range(warmup):
        fn()
    seconds = torch.zeros(repeats, dtype=torch.float64)
    for i in range(repeats):
        start = tick()
        fn()
        seconds[i] = (tick() - start) / 1e9
    return seconds


@right("time_call")
def one_chain_of_marks(fn, repeats=20, warmup=3, synchronize=None):
    for _ in range(warmup):
        fn()
    if synchronize:
        synchronize()
    marks = [time.perf_counter()]
    for _ in range(repeats):
        fn()
        if synchronize:
            synchronize()
        marks.append(time.perf_counter())
    return np.diff(marks)


@right("time_call")
def clock_runs_through_an_idle_barrier(fn, repeats=20, warmup=3, synchronize=None):
    synchronize = synchronize or (lambda: None)
    for _ in range(warmup):
        fn(), synchronize()
    synchronize()
    times = ()
    for _ in range(repeats):
        start = time.perf_counter()
        synchronize()
        fn()
        synchronize()
        synchronize()
        times += (np.float32(time.perf_counter() - start),)
    return times


@wrong("time_call", named="no_synchronisation")
def never_synchronises(fn, repeats=20, warmup=3, synchronize=None):
    for _ in range(warmup):
        fn()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


@wrong("time_call", named="no_synchronisation")
def mentions_the_barrier_without_calling_it(fn, repeats=20, warmup=3, synchronize=None):
    for _ in range(warmup):
        fn()
        synchronize  # noqa: B018
    return [timeit.timeit(fn, number=1) for _ in range(repeats)]


@wrong("time_call", says="no number (nan or inf)")
def never_looks_at_a_clock(fn, repeats=20, warmup=3, synchronize=None):
    """NaN is neither too short nor too long."""
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    for _ in range(repeats):
        fn()
        wait()
    return np.full(repeats, np.nan)


@wrong("time_call", named="no_barrier_after")
def barrier_only_before(fn, repeats=20, warmup=3, synchronize=None):
    for _ in range(warmup):
        fn()
    seconds = np.zeros(repeats)
    for i in range(repeats):
        if synchronize:
            synchronize()
        start = time.perf_counter()
        fn()
        seconds[i] = time.perf_counter() - start
    return seconds


@wrong("time_call", named="no_barrier_after")
def barrier_after_the_clock_was_read(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        seconds.append(time.perf_counter() - start)
        wait()
    return np.array(seconds)


@wrong("time_call", named="no_barrier_after")
def one_barrier_at_the_end(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        seconds.append(time.perf_counter() - start)
    wait()
    return seconds


@wrong("time_call", named="no_barrier_before")
def barrier_only_after(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        wait()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


@wrong("time_call", named="no_barrier_before")
def barrier_only_after_but_in_the_warm_up_too(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    seconds = []
    for i in range(warmup + repeats):
        start = time.perf_counter()
        fn()
        wait()
        if i >= warmup:
            seconds.append(time.perf_counter() - start)
    return np.array(seconds)


@wrong("time_call", named="older_work")
def clock_starts_before_the_barrier(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        wait()
        fn()
        wait()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


@wrong("time_call", named="warmup_counted")
def no_warmup(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    wait()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        wait()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


@wrong("time_call", named="warmup_counted")
def returns_the_warmup_too(fn, repeats=20, warmup=3, synchronize=None):
    seconds = []
    for _ in range(warmup + repeats):
        if synchronize:
            synchronize()
        start = time.perf_counter()
        fn()
        if synchronize:
            synchronize()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


@wrong("time_call", named="warmup_counted")
def drops_the_last_instead_of_the_first(fn, repeats=20, warmup=3, synchronize=None):
    return returns_the_warmup_too(fn, repeats, warmup, synchronize)[:repeats]


@wrong("time_call", named="one_time_divided")
def one_mean_for_all(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    start = time.perf_counter()
    for _ in range(repeats):
        fn()
        wait()
    return np.full(repeats, (time.perf_counter() - start) / repeats)


@wrong("time_call", says="there should be as many times; 1 came back")
def returns_the_mean(fn, repeats=20, warmup=3, synchronize=None):
    return float(np.mean(two_barriers_per_call(fn, repeats, warmup, synchronize)))


@wrong("time_call", named="adds_up")
def the_clock_is_never_restarted(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    start, seconds = time.perf_counter(), []
    for _ in range(repeats):
        fn()
        wait()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


@wrong("time_call", named="not_seconds")
def milliseconds(fn, repeats=20, warmup=3, synchronize=None):
    return 1000 * two_barriers_per_call(fn, repeats, warmup, synchronize)


@wrong("time_call", named="not_seconds")
def nanoseconds(fn, repeats=20, warmup=3, synchronize=None):
    return (1e9 * two_barriers_per_call(fn, repeats, warmup, synchronize)).astype(int)


@wrong("time_call", named="stands_still")
def cpu_time_stands_still(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        fn()
        wait()
        seconds.append(time.process_time() - start)
    return np.array(seconds)


@wrong("time_call", named="start_minus_stop")
def start_minus_stop(fn, repeats=20, warmup=3, synchronize=None):
    return -two_barriers_per_call(fn, repeats, warmup, synchronize)


@wrong("time_call", named="stands_still", says="read before fn() and once more after it?")
def clock_read_twice_after_the_call(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    seconds = []
    for _ in range(warmup + repeats):
        fn()
        wait()
        start = time.perf_counter()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds[warmup:])


@wrong("time_call", named="another_order")
def sorted_times(fn, repeats=20, warmup=3, synchronize=None):
    return np.sort(two_barriers_per_call(fn, repeats, warmup, synchronize))


@wrong("time_call", says="nothing but `repeats` changed")
def always_twenty(fn, repeats=20, warmup=3, synchronize=None):
    return two_barriers_per_call(fn, 20, warmup, synchronize)


@wrong("time_call", says="`synchronize` is None when")
def needs_a_barrier(fn, repeats=20, warmup=3, synchronize=None):
    for _ in range(warmup):
        fn()
    synchronize()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        synchronize()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


# ---------------------------------------------------------------------------------------------- latency_profile


def stopwatch(fn, repeats, warmup=2):
    for _ in range(warmup):
        fn()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        times.append(time.perf_counter() - start)
    return times


@right("latency_profile")
def numpy_ids_and_sorted_middle(forward, lengths, vocab_size, repeats=20, seed=0):
    rng = np.random.default_rng(seed)
    profile = {}
    for n in lengths:
        ids = torch.from_numpy(rng.integers(0, vocab_size, size=n))
        times = sorted(stopwatch(lambda ids=ids: forward(ids), repeats, warmup=1))
        profile[n] = times[len(times) // 2]
    return profile


@right("latency_profile")
def fresh_ids_for_every_call(forward, lengths, vocab_size, repeats=20, seed=0):
    torch.manual_seed(seed)
    answer = {}
    for n in lengths:
        batch = torch.randint(0, vocab_size, (repeats + 3, n))
        times = []
        for i, row in enumerate(batch):
            t = time.time()
            forward(row)
            if i >= 3:
                times.append(time.time() - t)
        answer[n] = statistics.median(times)
    return answer


@right("latency_profile")
def in_rounds_over_all_lengths(forward, lengths, vocab_size, repeats=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = {n: torch.randint(vocab_size, (n,), generator=generator) for n in lengths}
    for n in lengths:
        forward(rows[n])
    times = {n: [] for n in lengths}
    for _ in range(repeats):
        for n in lengths:
            times[n] += stopwatch(lambda n=n: forward(rows[n]), 1, warmup=0)
    return {n: torch.tensor(t, dtype=torch.float64).median() for n, t in times.items()}


@wrong("latency_profile", named="one_long_row")
def sorted_lengths_and_one_long_row(forward, lengths, vocab_size, repeats=20, seed=0):
    generator = torch.Generator()
    generator.manual_seed(seed)
    row = (torch.rand(max(lengths), generator=generator) * vocab_size).long()
    return {n: np.median(stopwatch(lambda n=n: forward(row[:n].clone()), repeats)) for n in sorted(lengths)}


@right("latency_profile")
def sorted_lengths_and_a_row_for_each(forward, lengths, vocab_size, repeats=20, seed=0):
    generator = torch.Generator()
    generator.manual_seed(seed)
    rows = {n: (torch.rand(n, generator=generator) * vocab_size).long() for n in sorted(lengths)}
    return {n: np.median(stopwatch(lambda n=n: forward(rows[n].clone()), repeats)) for n in rows}


@wrong("latency_profile", named="ends_of_vocabulary")
def never_the_last_id(forward, lengths, vocab_size, repeats=20, seed=0):
    return in_rounds_over_all_lengths(forward, lengths, vocab_size - 1, repeats, seed)


@wrong("latency_profile", named="ends_of_vocabulary")
def never_the_first_id(forward, lengths, vocab_size, repeats=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = {n: torch.randint(1, vocab_size, (n,), generator=generator) for n in lengths}
    return {n: np.median(stopwatch(lambda n=n: forward(rows[n]), repeats)) for n in rows}


def _profile(statistic, warmup=2, length=lambda n: n):
    def profiled(forward, lengths, vocab_size, repeats=20, seed=0):
        generator = torch.Generator().manual_seed(seed)
        profile = {}
        for n in lengths:
            ids = torch.randint(vocab_size, (length(n),), generator=generator)
            profile[n] = statistic(stopwatch(lambda ids=ids: forward(ids), repeats, warmup))
        return profile

    return profiled


@wrong("latency_profile", named="mean")
def mean_instead_of_median(*args, **named):
    return _profile(np.mean)(*args, **named)


@wrong("latency_profile", named="minimum")
def fastest_call(*args, **named):
    return _profile(min)(*args, **named)


@wrong("latency_profile", named="maximum")
def slowest_call(*args, **named):
    return _profile(max)(*args, **named)


@right("latency_profile")
def the_upper_of_the_two_in_the_middle(*args, **named):
    return _profile(lambda times: sorted(times)[len(times) // 2])(*args, **named)


@right("latency_profile")
def the_lower_of_the_two_in_the_middle(*args, **named):
    return _profile(lambda times: torch.tensor(times, dtype=torch.float64).median().item())(*args, **named)


@wrong("latency_profile", named="keys_of_another_type", says="of the type str")
def lengths_as_text(*args, **named):
    return {str(n): seconds for n, seconds in _profile(np.median)(*args, **named).items()}


@wrong("latency_profile", named="repeats_ignored")
def always_ten_calls(forward, lengths, vocab_size, repeats=20, seed=0):
    return _profile(np.median)(forward, lengths, vocab_size, 10, seed)


@wrong("latency_profile", named="repeats_ignored")
def the_default_of_repeats(forward, lengths, vocab_size, repeats=20, seed=0):
    return _profile(np.median)(forward, lengths, vocab_size, seed=seed)


@wrong("latency_profile", named="one_long_row", says="or of a generator that is made (or seeded) anew")
def a_generator_for_every_length(forward, lengths, vocab_size, repeats=20, seed=0):
    answer = {}
    for n in lengths:
        ids = torch.randint(vocab_size, (n,), generator=torch.Generator().manual_seed(seed))
        answer[n] = np.median(stopwatch(lambda ids=ids: forward(ids), repeats))
    return answer


@wrong("latency_profile", says="the 48 ids of a row lie between 0 and 47")
def counted_up_instead_of_drawn(forward, lengths, vocab_size, repeats=20, seed=0):
    rows = {n: torch.arange(n) % vocab_size for n in lengths}
    return {n: np.median(stopwatch(lambda n=n: forward(rows[n]), repeats)) for n in lengths}


@wrong("latency_profile")
def a_quartile(*args, **named):
    return _profile(lambda times: np.quantile(times, 0.75))(*args, **named)


@wrong("latency_profile", named="no_warmup")
def no_warmup_at_all(*args, **named):
    return _profile(np.median, warmup=0)(*args, **named)


@wrong("latency_profile", named="no_warmup")
def warmup_of_the_first_length_only(forward, lengths, vocab_size, repeats=20, seed=0):
    for _ in range(3):
        forward(torch.randint(vocab_size, (lengths[0],)))
    return _profile(np.median, warmup=0)(forward, lengths, vocab_size, repeats, seed)


@wrong("latency_profile", named="one_length")
def always_the_longest(forward, lengths, vocab_size, repeats=20, seed=0):
    return _profile(np.median, length=lambda n: max(lengths))(forward, lengths, vocab_size, repeats, seed)


@wrong("latency_profile", named="one_length")
def one_row_made_outside_the_loop(forward, lengths, vocab_size, repeats=20, seed=0):
    torch.manual_seed(seed)
    ids = torch.randint(vocab_size, (lengths[0],))
    return {n: float(np.median(stopwatch(lambda: forward(ids), repeats))) for n in lengths}


@wrong("latency_profile", named="another_length")
def times_in_sorted_order_keys_in_given_order(forward, lengths, vocab_size, repeats=20, seed=0):
    profile = _profile(np.median)(forward, sorted(lengths), vocab_size, repeats, seed)
    return dict(zip(lengths, profile.values(), strict=True))


@wrong("latency_profile", named="another_length")
def lengths_backwards(forward, lengths, vocab_size, repeats=20, seed=0):
    profile = _profile(np.median)(forward, lengths[::-1], vocab_size, repeats, seed)
    return dict(zip(lengths, profile.values(), strict=True))


@wrong("latency_profile", says="calls time_call, and that is not written yet")
def calls_an_unwritten_time_call(forward, lengths, vocab_size, repeats=20, seed=0):
    def time_call(*args):
        raise NotImplementedError("not attempted yet")

    return {n: np.median(time_call(forward, repeats)) for n in lengths}


@wrong("latency_profile", named="growing")
def the_text_grows(forward, lengths, vocab_size, repeats=20, seed=0):
    torch.manual_seed(seed)
    profile = {}
    for n in lengths:
        ids = torch.randint(vocab_size, (n,))
        times = []
        for i in range(repeats + 2):
            start = time.perf_counter()
            logits = forward(ids)
            if i > 1:
                times.append(time.perf_counter() - start)
            ids = torch.cat([ids, logits[-1].argmax(-1, keepdim=True)])
        profile[n] = float(np.median(times))
    return profile


@wrong("latency_profile", named="growing")
def earlier_lengths_stay_in_front(forward, lengths, vocab_size, repeats=20, seed=0):
    torch.manual_seed(seed)
    ids, profile = torch.zeros(0, dtype=torch.long), {}
    for n in lengths:
        ids = torch.cat([ids, torch.randint(vocab_size, (n,))])
        profile[n] = float(np.median(stopwatch(lambda ids=ids, n=n: (forward(ids), forward(ids[:n])), repeats)))
    return profile


@wrong("latency_profile", says="draw them at random from 0 ... vocab_size - 1")
def zeros_as_ids(forward, lengths, vocab_size, repeats=20, seed=0):
    return {n: np.median(stopwatch(lambda n=n: forward(torch.zeros(n).long()), repeats)) for n in lengths}


@wrong("latency_profile", named="seedless")
def unseeded_ids(forward, lengths, vocab_size, repeats=20, seed=0):
    rows = {n: torch.randint(vocab_size, (n,)) for n in lengths}
    return {n: np.median(stopwatch(lambda n=n: forward(rows[n]), repeats)) for n in lengths}


@wrong("latency_profile", named="seedless")
def seed_is_always_zero(forward, lengths, vocab_size, repeats=20, seed=0):
    return _profile(np.median)(forward, lengths, vocab_size, repeats, 0)


@wrong("latency_profile", says="an id outside 0 ... vocab_size - 1")
def one_id_too_many(forward, lengths, vocab_size, repeats=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    profile = {}
    for n in lengths:
        ids = torch.randint(vocab_size + 1, (n,), generator=generator)
        ids[0] = vocab_size
        profile[n] = np.median(stopwatch(lambda ids=ids: forward(ids), repeats))
    return profile


@wrong("latency_profile", says="takes one row of ids")
def a_batch_axis(forward, lengths, vocab_size, repeats=20, seed=0):
    torch.manual_seed(seed)
    rows = {n: torch.randint(vocab_size, (1, n)) for n in lengths}
    return {n: np.median(stopwatch(lambda n=n: forward(rows[n]), repeats)) for n in lengths}


@wrong("latency_profile", says="nothing but `repeats` changed")
def repeats_forgotten(forward, lengths, vocab_size, repeats=20, seed=0):
    return _profile(np.median)(forward, lengths, vocab_size, 7, seed)


@wrong("latency_profile", named="not_seconds")
def milliseconds_per_pass(*args, **named):
    return _profile(lambda times: 1000 * np.median(times))(*args, **named)


@wrong("latency_profile", named="per_token")
def per_token(forward, lengths, vocab_size, repeats=20, seed=0):
    return {n: t / n for n, t in _profile(np.median)(forward, lengths, vocab_size, repeats, seed).items()}


@wrong("latency_profile", says="Expected a dict {length: seconds}")
def a_list_of_times(*args, **named):
    return list(_profile(np.median)(*args, **named).values())


# -------------------------------------------------------------------------------------------------- flat_region


@right("flat_region")
def with_a_comparison_of_ratios(profile, tolerance=0.25):
    first, *rest = sorted(profile)
    answer = first
    for n in rest:
        if profile[n] / profile[first] - 1 > tolerance:
            return answer
        answer = n
    return answer


@right("flat_region")
def with_cumulative_and(profile, tolerance=0.25):
    lengths = np.array(sorted(profile))
    seconds = np.array([profile[n] for n in lengths])
    inside = np.logical_and.accumulate(seconds <= seconds[0] * (1 + tolerance))
    return lengths[inside][-1]


@right("flat_region")
def last_of_a_recursion(profile, tolerance=0.25):
    items = sorted(profile.items())
    base = items[0][1]

    def walk(i):
        if i + 1 == len(items) or items[i + 1][1] - base > tolerance * base:
            return items[i][0]
        return walk(i + 1)

    return walk(0)


@right("flat_region")
def by_the_first_bad_length(profile, tolerance=0.25):
    shortest = min(profile)
    bad = [n for n in profile if profile[n] > profile[shortest] * (1 + tolerance)]
    return torch.tensor(max(n for n in profile if not bad or n < min(bad)))


@wrong("flat_region", named="later_dip")
def later_dip_counts(profile, tolerance=0.25):
    best = base = None
    for n in sorted(profile):
        base = profile[n] if base is None else base
        if profile[n] <= base * (1 + tolerance):
            best = n
    return best


@wrong("flat_region", named="later_dip")
def numpy_mask_without_contiguity(profile, tolerance=0.25):
    lengths = np.array(sorted(profile))
    seconds = np.array([profile[n] for n in lengths])
    return int(lengths[seconds <= seconds[0] * (1 + tolerance)].max())


@wrong("flat_region", named="neighbour")
def compares_with_the_neighbour(profile, tolerance=0.25):
    lengths = sorted(profile)
    i = 0
    while i + 1 < len(lengths) and profile[lengths[i + 1]] / profile[lengths[i]] <= 1 + tolerance:
        i += 1
    return lengths[i]


@wrong("flat_region", named="fastest")
def compares_with_the_fastest(profile, tolerance=0.25):
    best = min(profile)
    limit = min(profile.values()) * (1 + tolerance)
    for n in sorted(profile):
        if profile[n] > limit:
            return best
        best = n
    return best


@wrong("flat_region", named="strict")
def limit_excluded(profile, tolerance=0.25):
    lengths = sorted(profile)
    best = lengths[0]
    for n in lengths[1:]:
        if not profile[n] < profile[lengths[0]] * (1 + tolerance):
            break
        best = n
    return best


@wrong("flat_region", named="one_too_far")
def first_slow_length(profile, tolerance=0.25):
    lengths = sorted(profile)
    slow = [n for n in lengths if profile[n] > profile[lengths[0]] * (1 + tolerance)]
    return slow[0] if slow else lengths[-1]


@wrong("flat_region", named="counted")
def counts_lengths(profile, tolerance=0.25):
    lengths = sorted(profile)
    count = 0
    while count < len(lengths) and profile[lengths[count]] <= profile[lengths[0]] * (1 + tolerance):
        count += 1
    return count


@wrong("flat_region", named="tolerance_ignored")
def tolerance_ignored(profile, tolerance=0.25):
    return with_a_comparison_of_ratios(profile)


@wrong("flat_region", named="unsorted")
def order_of_insertion(profile, tolerance=0.25):
    items = list(profile.items())
    best = items[0][0]
    for n, seconds in items:
        if seconds > items[0][1] * (1 + tolerance):
            return best
        best = n
    return best


@wrong("flat_region", named="factor")
def tolerance_is_the_factor(profile, tolerance=0.25):
    return with_a_comparison_of_ratios(profile, tolerance - 1)


@wrong("flat_region", named="longest")
def the_longest_of_all(profile, tolerance=0.25):
    return max(profile)


@wrong("flat_region", says="returned None")
def nothing_where_all_are_inside(profile, tolerance=0.25):
    lengths = sorted(profile)
    for before, n in zip(lengths, lengths[1:], strict=False):
        if profile[n] > (1 + tolerance) * profile[lengths[0]]:
            return before


@wrong("flat_region", named="both_sides")
def both_sides(profile, tolerance=0.25):
    lengths = sorted(profile)
    best = lengths[0]
    for n in lengths:
        if abs(profile[n] - profile[lengths[0]]) > tolerance * profile[lengths[0]]:
            return best
        best = n
    return best


# ------------------------------------------------------------------------------------------------- forward_cost


@right("forward_cost")
def matrix_by_matrix(config, n_tokens, context=0, bytes_per_param=2):
    d = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    flops = params = cache = 0
    for _ in range(config.num_hidden_layers):
        for width in (config.num_attention_heads, config.num_key_value_heads, config.num_key_value_heads):
            params += config.hidden_size * width * d
        params += config.num_attention_heads * d * config.hidden_size
        params += 3 * config.hidden_size * config.intermediate_size
        for _ in range(config.num_attention_heads):
            flops += 2 * n_tokens * d * (context + n_tokens) + 2 * n_tokens * (context + n_tokens) * d
        cache += 2 * (context + n_tokens) * config.num_key_value_heads * d
    params += config.vocab_size * config.hidden_size
    return flops + 2 * n_tokens * params, (params + cache) * bytes_per_param


@right("forward_cost")
def with_norms_and_looked_up_rows(config, n_tokens, context=0, bytes_per_param=2):
    h, d = config.hidden_size, getattr(config, "head_dim", None)
    d = d if d else h // config.num_attention_heads
    layer = h * d * (2 * config.num_attention_heads + 2 * config.num_key_value_heads) + 3 * h * config.intermediate_size
    matrices = config.num_hidden_layers * layer + h * config.vocab_size
    norms = (2 * config.num_hidden_layers + 1) * h
    attention = 4 * config.num_hidden_layers * n_tokens * (n_tokens + context) * config.num_attention_heads * d
    keys = 2 * config.num_hidden_layers * config.num_key_value_heads * d * (n_tokens + context)
    read = bytes_per_param * (matrices + norms + keys) + n_tokens * h * bytes_per_param
    return torch.tensor([2.0 * n_tokens * matrices + attention, read], dtype=torch.float64)


@right("forward_cost")
def in_floats_with_a_helper(config, n_tokens, context=0, bytes_per_param=2):
    head = (
        config.head_dim if hasattr(config, "head_dim") else config.hidden_size / config.num_attention_heads
    )

    def product(rows, inner, columns):
        return 2.0 * rows * inner * columns

    h, q, kv = config.hidden_size, config.num_attention_heads * head, config.num_key_value_heads * head
    shapes = [(h, q), (h, kv), (h, kv), (q, h), (h, config.intermediate_size), (h, config.intermediate_size)]
    shapes.append((config.intermediate_size, h))
    layer = sum(product(n_tokens, a, b) for a, b in shapes) + 2 * product(n_tokens, q, context + n_tokens)
    total = config.num_hidden_layers * layer + product(n_tokens, h, config.vocab_size)
    weights = config.num_hidden_layers * sum(a * b for a, b in shapes) + h * config.vocab_size
    return [total, bytes_per_param * (weights + config.num_hidden_layers * 2.0 * kv * (context + n_tokens))]


def _cost(config, n, context, width, *, head=1, cache_heads=None, kv_heads=None, attention=4, factor=2, keys=None,
          mlp=3, d=None, per_token=False):
    h, heads = config.hidden_size, config.num_attention_heads
    d = d or getattr(config, "head_dim", None) or h // heads
    kv = kv_heads or config.num_key_value_heads
    weights = config.num_hidden_layers * (2 * h * heads * d + 2 * h * kv * d + mlp * h * config.intermediate_size)
    weights += head * h * config.vocab_size
    flops = factor * n * weights + attention * factor // 2 * config.num_hidden_layers * n * (context + n) * heads * d
    positions = context + n if keys is None else keys
    cache = 2 * config.num_hidden_layers * (cache_heads or kv) * d * positions
    return flops, width * ((n if per_token else 1) * weights + cache)


@wrong("forward_cost", named="forgets_kv")
def no_cache_reads(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, keys=0)


@wrong("forward_cost", named="forgets_lm_head")
def no_lm_head(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, head=0)


@wrong("forward_cost", named="forgets_lm_head")
def no_lm_head_when_tied(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, head=0 if config.tie_word_embeddings else 1)


@wrong("forward_cost", named="embedding_too")
def embedding_counted_as_well(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, head=2)


@wrong("forward_cost", named="heads_for_kv_heads")
def heads_instead_of_kv_heads(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, kv_heads=config.num_attention_heads)


@wrong("forward_cost", named="heads_for_kv_heads")
def k_and_v_as_wide_as_q(config, n_tokens, context=0, bytes_per_param=2):
    heads, kv = config.num_attention_heads, config.num_key_value_heads
    return _cost(config, n_tokens, context, bytes_per_param, kv_heads=heads, cache_heads=kv)


@wrong("forward_cost", named="attention_of_one_layer")
def attention_in_one_layer(config, n_tokens, context=0, bytes_per_param=2):
    flops, read = _cost(config, n_tokens, context, bytes_per_param)
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    once = 4 * n_tokens * (context + n_tokens) * config.num_attention_heads * d
    return flops - (config.num_hidden_layers - 1) * once, read


@wrong("forward_cost", named="cache_of_all_heads")
def cache_for_every_head(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, cache_heads=config.num_attention_heads)


@wrong("forward_cost", named="forgets_attention")
def no_attention_scores(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, attention=0)


@wrong("forward_cost", named="half_the_attention")
def only_the_scores(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, attention=2)


@wrong("forward_cost", named="multiply_add_is_two")
def multiply_add_counted_once(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, factor=1)


@wrong("forward_cost")
def only_cached_positions_are_read(config, n_tokens, context=0, bytes_per_param=2):
    flops, _ = _cost(config, n_tokens, context, bytes_per_param)
    return flops, _cost(config, n_tokens, context, bytes_per_param, keys=context)[1] * 0.95


@wrong("forward_cost", named="only_the_new")
def square_of_the_new_tokens(config, n_tokens, context=0, bytes_per_param=2):
    flops, read = _cost(config, n_tokens, 0, bytes_per_param)
    return flops, _cost(config, n_tokens, context, bytes_per_param)[1]


@wrong("forward_cost", named="weights_per_token")
def weights_read_for_every_token(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, per_token=True)


@wrong("forward_cost", named="forgets_gate")
def two_mlp_matrices(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, mlp=2)


@wrong("forward_cost", named="ignores_head_dim")
def head_dim_from_hidden_size(config, n_tokens, context=0, bytes_per_param=2):
    d = config.hidden_size // config.num_attention_heads
    return _cost(config, n_tokens, context, bytes_per_param, d=d)


@wrong("forward_cost", says="Not every config has head_dim")
def head_dim_must_be_there(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, d=config.head_dim)


@wrong("forward_cost", says="nothing but `bytes_per_param` changed")
def always_half_precision(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, 2)


@wrong("forward_cost", says="weights, keys and values all have this size")
def weights_in_half_precision_whatever_is_asked(config, n_tokens, context=0, bytes_per_param=2):
    flops, read = _cost(config, n_tokens, context, bytes_per_param)
    return flops, read + (2 - bytes_per_param) * _cost(config, n_tokens, context, 1, keys=0)[1]


@wrong("forward_cost", named="projects_the_context")
def projections_of_the_whole_text(config, n_tokens, context=0, bytes_per_param=2):
    flops, read = _cost(config, n_tokens, context, bytes_per_param)
    return flops + 2 * context * _cost(config, n_tokens, 0, 1, keys=0)[1], read


@wrong("forward_cost", named="causal")
def causal_half(config, n_tokens, context=0, bytes_per_param=2):
    flops, read = _cost(config, n_tokens, context, bytes_per_param)
    heads = config.num_attention_heads
    d = getattr(config, "head_dim", None) or config.hidden_size // heads
    return flops - 2 * config.num_hidden_layers * n_tokens * n_tokens * heads * d, read


@wrong("forward_cost", named="keys_without_values")
def keys_without_values(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, keys=(context + n_tokens) / 2)


@wrong("forward_cost", named="cache_of_one_layer")
def cache_of_one_layer(config, n_tokens, context=0, bytes_per_param=2):
    keys = (context + n_tokens) / config.num_hidden_layers
    return _cost(config, n_tokens, context, bytes_per_param, keys=keys)


@wrong("forward_cost", named="bytes_first")
def bytes_first(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param)[::-1]


# --------------------------------------------------------------------------------------------- roofline_latency


@right("roofline_latency")
def the_larger_by_hand(flops, bytes, peak_flops, bandwidth):
    compute, memory = flops / peak_flops, bytes / bandwidth
    if compute > memory:
        return compute
    return memory


@right("roofline_latency")
def numpy_maximum(flops, bytes, peak_flops, bandwidth):
    return np.maximum(flops / peak_flops, bytes / bandwidth)


@right("roofline_latency")
def by_arithmetic_intensity(flops, bytes, peak_flops, bandwidth):
    reachable = min(peak_flops, bandwidth * flops / bytes)
    return torch.tensor(flops / reachable, dtype=torch.float64)


@wrong("roofline_latency", named="sum")
def adds_both(flops, bytes, peak_flops, bandwidth):
    return sum([bytes / bandwidth, flops / peak_flops])


@wrong("roofline_latency", named="minimum")
def the_smaller(flops, bytes, peak_flops, bandwidth):
    return sorted([bytes / bandwidth, flops / peak_flops])[0]


@wrong("roofline_latency", named="only_compute")
def compute_alone(flops, bytes, peak_flops, bandwidth):
    return flops / peak_flops


@wrong("roofline_latency", named="only_memory")
def memory_alone(flops, bytes, peak_flops, bandwidth):
    return bytes / bandwidth


@wrong("roofline_latency", named="swapped")
def crossed_units(flops, bytes, peak_flops, bandwidth):
    return max(bytes / peak_flops, flops / bandwidth)


@wrong("roofline_latency", named="whole_division")
def whole_division(flops, bytes, peak_flops, bandwidth):
    return max(flops // peak_flops, bytes // bandwidth)


@wrong("roofline_latency", named="smooth")
def smooth_maximum(flops, bytes, peak_flops, bandwidth):
    return ((flops / peak_flops) ** 2 + (bytes / bandwidth) ** 2) ** 0.5


@wrong("roofline_latency", named="upside_down")
def upside_down(flops, bytes, peak_flops, bandwidth):
    return max(peak_flops / flops, bandwidth / bytes)


@wrong("roofline_latency", named="unit")
def milliseconds_again(flops, bytes, peak_flops, bandwidth):
    return 1000 * max(flops / peak_flops, bytes / bandwidth)


@wrong("time_call", named="one_time_divided")
def all_calls_together(fn, repeats=20, warmup=3, synchronize=None):
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    start = time.perf_counter()
    for _ in range(repeats):
        fn()
    wait()
    return [(time.perf_counter() - start) / repeats] * repeats


def _counted(config, n, context, width, attention=None, q_and_o=None, kv_width=None):
    """The cost with another width in one place."""
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    h, q, kv = config.hidden_size, config.num_attention_heads * d, config.num_key_value_heads * d
    layer = 2 * h * (q_and_o or q) + 2 * h * kv + 3 * h * config.intermediate_size
    weights = config.num_hidden_layers * layer + h * config.vocab_size
    places = config.num_hidden_layers * (context + n)
    return 2 * n * weights + 4 * n * places * (attention or q), width * weights + 2 * places * kv * (kv_width or width)


@wrong("forward_cost", named="attention_of_hidden")
def attention_as_wide_as_hidden(config, n_tokens, context=0, bytes_per_param=2):
    return _counted(config, n_tokens, context, bytes_per_param, attention=config.hidden_size)


@wrong("forward_cost", named="square_q_and_o")
def square_matrices_q_and_o(config, n_tokens, context=0, bytes_per_param=2):
    return _counted(config, n_tokens, context, bytes_per_param, q_and_o=config.hidden_size)


@wrong("forward_cost", named="square_q_and_o")
def hidden_wherever_heads_stand(config, n_tokens, context=0, bytes_per_param=2):
    h = config.hidden_size
    return _counted(config, n_tokens, context, bytes_per_param, attention=h, q_and_o=h)


@wrong("forward_cost", named="cache_of_two_bytes")
def half_precision_cache_always(config, n_tokens, context=0, bytes_per_param=2):
    return _counted(config, n_tokens, context, bytes_per_param, kv_width=2)


@wrong("roofline_latency", named="larger_count")
def whatever_is_more(flops, bytes, peak_flops, bandwidth):
    return flops / peak_flops if flops > bytes else bytes / bandwidth


@wrong("time_call", named="one_time_divided", says="Do you time all calls together")
def five_milliseconds_always(fn, repeats=20, warmup=3, synchronize=None):
    for _ in range(warmup + repeats):
        fn()
    return np.full(repeats, 0.005)


# Outliers that are thrown away; one matrix; operations counted twice --------------------------------------------------


def _timed(fn, count, synchronize):
    wait, seconds = synchronize or (lambda: None), []
    wait()
    for _ in range(count):
        start = time.perf_counter()
        fn()
        wait()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


def _warmed(fn, warmup):
    for _ in range(warmup):
        fn()


@wrong("time_call", named="slowest_dropped")
def two_more_calls_and_the_slowest_dropped(fn, repeats=20, warmup=3, synchronize=None):
    _warmed(fn, warmup)
    seconds = _timed(fn, repeats + 2, synchronize)
    return seconds[np.sort(np.argsort(seconds)[:repeats])]


@wrong("time_call", named="slowest_dropped")
def the_slowest_dropped(fn, repeats=20, warmup=3, synchronize=None):
    _warmed(fn, warmup)
    seconds = _timed(fn, repeats, synchronize)
    return np.delete(seconds, np.argmax(seconds)) if repeats > 1 else seconds


@wrong("time_call", named="slowest_dropped")
def what_is_far_above_the_median_dropped(fn, repeats=20, warmup=3, synchronize=None):
    _warmed(fn, warmup)
    seconds = _timed(fn, repeats, synchronize)
    return seconds[seconds <= 1.5 * np.median(seconds)]


@wrong("time_call", named="slowest_dropped")
def the_slowest_becomes_the_median(fn, repeats=20, warmup=3, synchronize=None):
    _warmed(fn, warmup)
    seconds = _timed(fn, repeats, synchronize)
    seconds[np.argmax(seconds)] = np.median(seconds)
    return seconds


def _square_matrix(which):
    def count(config, n_tokens, context=0, bytes_per_param=2):
        h, layers, heads = config.hidden_size, config.num_hidden_layers, config.num_attention_heads
        d = getattr(config, "head_dim", None) or h // heads
        q, o = (h * h if name in which else h * heads * d for name in "qo")
        matrices = q + o + 2 * h * config.num_key_value_heads * d + 3 * h * config.intermediate_size
        weights, width = layers * matrices + h * config.vocab_size, context + n_tokens
        cache = layers * 2 * config.num_key_value_heads * d * width
        return 2 * n_tokens * weights + 4 * layers * n_tokens * width * heads * d, bytes_per_param * (weights + cache)

    return count


for _which in ("o", "q"):
    _square = _square_matrix(_which)
    _square.__name__ = f"hidden_squared_for_{_which}"
    wrong("forward_cost", named="square_q_and_o")(_square)


@wrong("roofline_latency", named="flops_doubled")
def operations_doubled(flops, bytes, peak_flops, bandwidth):
    return max(2 * flops / peak_flops, bytes / bandwidth)


@wrong("roofline_latency", named="bytes_doubled")
def bytes_doubled(flops, bytes, peak_flops, bandwidth):
    return max(flops / peak_flops, 2 * bytes / bandwidth)


@wrong("roofline_latency", named="flops_halved")
def a_multiply_add_is_one_operation(flops, bytes, peak_flops, bandwidth):
    return max(flops / 2 / peak_flops, bytes / bandwidth)


@wrong("roofline_latency", says="yours is 2 times the right one")
def twice_the_time(flops, bytes, peak_flops, bandwidth):
    return 2 * max(flops / peak_flops, bytes / bandwidth)


@wrong("roofline_latency", named="ridge_inverted")
def a_ridge_upside_down(flops, bytes, peak_flops, bandwidth):
    ridge = bandwidth / peak_flops
    if flops > ridge * bytes:  # compute bound
        return flops / peak_flops
    return bytes / bandwidth


@wrong("latency_profile", named="unsorted")
def the_call_in_the_middle_of_their_order(forward, lengths, vocab_size, repeats=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    profile = {}
    for n in lengths:
        ids = torch.randint(0, vocab_size, (n,), generator=generator)
        times = clocks.time_call(lambda ids=ids: forward(ids), repeats=repeats, warmup=2,
                                 synchronize=torch.cuda.synchronize if torch.cuda.is_available() else None)
        profile[n] = float(times[repeats // 2])
    return profile


@wrong("roofline_latency", named="rate")
def the_rate_of_the_pass(flops, bytes, peak_flops, bandwidth):
    intensity = flops / bytes
    attainable = min(peak_flops, intensity * bandwidth)
    return float(attainable)
