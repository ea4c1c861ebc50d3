"""Clocks: how long a forward pass takes, and how many tokens it takes for the same price.

Knows: how to time work that a device does behind the program's back, and what a latency curve says. Does not know:
what is being timed (see models), what a pass should cost (see theory). The first three functions are the answers of
unit 01, and stand there word for word.
"""

from __future__ import annotations

import copy
import os
import shutil
import time

import numpy as np
import torch


def time_call(fn, repeats=20, warmup=3, synchronize=None):
    """How long each of `repeats` calls of fn() takes, from an idle device to finished work.

    A GPU works behind the program's back: fn() returns when its work is *queued*. `synchronize()` is a barrier: it
    returns when everything queued so far is done. There has to be a barrier before the clock starts (whatever was
    queued earlier is not ours) and one before it stops. The barrier that ends one call may serve as the one before the
    next.

    Args:
        fn: a function without arguments. It is called exactly warmup + repeats times.
        repeats: how many calls to time, >= 1.
        warmup: calls made first and not timed: they compile, fill caches, reserve memory. May be 0.
        synchronize: function without arguments, the barrier (on CUDA: torch.cuda.synchronize). None: fn has finished
            when it returns, as on a CPU.

    Returns:
        ndarray [repeats]: seconds, one number per timed call, in the order of the calls.
    """
    wait = synchronize or (lambda: None)
    for _ in range(warmup):
        fn()
    wait()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        wait()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


def latency_profile(forward, lengths, vocab_size, repeats=20, seed=0):
    """The median time of a forward pass, for every number of tokens in `lengths`.

    Args:
        forward: a Forward: LongTensor [n] -> logits FloatTensor [n, V]. Every pass starts
            from scratch: it gets exactly n ids.
        lengths: the numbers of tokens to try, e.g. [1, 2, 4, 8].
        vocab_size: the ids are drawn at random from 0 ... vocab_size - 1, anew for every
            length (or for every call): no length's ids begin as another's do.
        repeats: timed calls per length, after at least one warm-up call of the same length.
        seed: the same seed draws the same ids, another seed others.

    Returns:
        dict {n: seconds}: for every length the median of its timed calls. (One call that
        the system interrupted spoils a mean; one that was lucky spoils a minimum.) Of an
        even number of calls, the mean of the two in the middle, or either of them.
    """
    generator = torch.Generator().manual_seed(seed)
    barrier = torch.cuda.synchronize if torch.cuda.is_available() else None
    profile = {}
    for n in lengths:
        ids = torch.randint(vocab_size, (n,), generator=generator)
        seconds = time_call(lambda ids=ids: forward(ids), repeats, synchronize=barrier)
        profile[n] = float(np.median(seconds))
    return profile


def flat_region(profile, tolerance=0.25):
    """The longest pass that costs almost the same as the shortest one: how many tokens are
    (nearly) free.

    Args:
        profile: dict {number of tokens: seconds}, in any order, not empty.
        tolerance: how much more than the shortest length's time still counts as "the same";
            exactly (1 + tolerance) times that time is inside.

    Returns:
        int: the longest length up to which *every* measured length is inside. A later
            length that is fast again, by luck or noise, does not count.
    """
    lengths = sorted(profile)
    limit = (1 + tolerance) * profile[lengths[0]]
    longest = lengths[0]
    for n in lengths:
        if profile[n] > limit:
            break
        longest = n
    return longest


def in_a_hurry() -> bool:
    """Whether nobody is there to look at a curve: nbgrader runs the notebook to mark it, or SPECDEC_QUICK is set."""
    return bool(os.environ.get("NBGRADER_EXECUTION") or os.environ.get("SPECDEC_QUICK"))


def affordable(forward, lengths, vocab_size, slowest=0.5, least=16):
    """The lengths that can be measured without trying the reader's patience: those up to the first whose pass takes
    more than `slowest` seconds (a tenth of that when in a hurry), and in any case those up to `least` tokens. A slow or
    busy machine gets a shorter curve."""
    limit = slowest / 10 if in_a_hurry() else slowest
    kept = []
    for n in lengths:
        kept.append(n)
        ids = torch.randint(vocab_size, (n,))
        if float(time_call(lambda ids=ids: forward(ids), repeats=1, warmup=1)[0]) > limit and n >= least:
            break
    return kept


def compiled(model, say=print):
    """The same model behind torch.compile, or None where it is not compiled (one line says why).

    On CUDA the whole pass becomes one graph that is replayed with a single launch. On a CPU only the repeated block
    is compiled, once for all layers: that takes a tenth of the time and brings nearly the same. The model that was
    passed in stays as it was. The compiler works in the first calls, not here: warm up.
    """
    if in_a_hurry():
        say("Not compiled: this notebook is only being marked.")
        return None
    if model.device.type == "cuda":
        return torch.compile(model, mode="reduce-overhead", fullgraph=True)
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl")):
        say("No C++ compiler on this machine, and torch.compile needs one on a CPU: only eager PyTorch is measured.")
        return None
    model = copy.deepcopy(model)
    try:
        for layer in model.get_decoder().layers:
            layer.compile(dynamic=True)
        with torch.no_grad():
            model(input_ids=torch.zeros(1, 2, dtype=torch.long), use_cache=False)
    except Exception as error:  # whatever the compiler lacks here (headers, a writable folder), the lesson goes on
        say(f"torch.compile fails on this machine ({type(error).__name__}): only eager PyTorch is measured.")
        return None
    return model


def measured_limits(n: int = 1024, megabytes: int = 256, seconds: float = 1.0) -> tuple[float, float]:
    """(operations per second, bytes per second) that this CPU reaches in float32: a matrix product, a long sum.

    The two walls of the roofline for a machine without a data sheet. The best of several tries: a limit is what can
    be reached, not what is usual.
    """
    a, b = torch.rand(n, n), torch.rand(n, n)
    x = torch.ones(megabytes * 250_000)
    share = seconds / 2
    return 2 * n**3 / _best(lambda: a @ b, share), 4 * len(x) / _best(x.sum, share)


def _best(fn, seconds: float) -> float:
    """The shortest of the calls that fit into `seconds`, at least three of them."""
    end, best, calls = time.perf_counter() + seconds, float("inf"), 0
    while calls < 3 or time.perf_counter() < end:
        best, calls = min(best, float(time_call(fn, repeats=1, warmup=0)[0])), calls + 1
    return best
