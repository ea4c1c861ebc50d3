"""Slips of beginners in all units: nearly right, one misunderstanding each; and right answers in unusual forms."""

import time

import numpy as np
import torch

from answers import right, wrong
from specdec_course.models.vocabulary import PROBE
from specdec_course.theory import best_k, expected_tokens, speedup
from specdec_course.trace import Decoded, Round
from specdec_course.verification import verify_greedy

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


@wrong("forward_cost")
def reads_the_keys_of_one_new_token(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, context + 1)


@right("forward_cost")
def with_the_rows_that_are_looked_up(config, n_tokens, context=0, bytes_per_param=2):
    return _cost(config, n_tokens, context, bytes_per_param, context + n_tokens, looked_up=n_tokens)


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


def _named(name, function):
    function.__name__ = name
    return function


for _name, _mistake, _share in (
    ("adds_the_smoothing_once_below", "smoothed_sum", lambda n, stands, s: (n + s) / (n.sum() + s)),
    ("adds_no_smoothing_below", "smoothed_sum", lambda n, stands, s: (n + s) / n.sum()),
    ("smooths_below_only", "smooths_the_sum", lambda n, stands, s: n / (n.sum() + s * len(n))),
    ("smooths_what_it_has_seen", "smooths_the_seen", lambda n, stands, s: (n + s) * (n > 0) / (n.sum() + s * len(n))),
    ("divides_by_all_occurrences", "counts_the_last", lambda n, stands, s: (n + s) / (stands + s * len(n))),
):
    wrong("bigram_probabilities", named=_mistake)(_named(_name, _smoothed(_share)))


# ---- unit 03 -----------------------------------------------------------------------------------------------------


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


# ---- unit 04 -----------------------------------------------------------------------------------------------------


@wrong("next_token_distribution", named="tie_is_split")
def a_tiny_temperature_for_zero(logits, temperature, top_k=None, top_p=None):
    probs = torch.softmax(logits.double() / (temperature or 1e-6), -1)
    if top_k is not None and top_k < probs.shape[-1]:
        probs = probs * (probs >= probs.topk(top_k, -1).values[..., -1:])
        probs = probs / probs.sum(-1, keepdim=True)
    if top_p is not None:
        heights, order = probs.sort(-1, descending=True)
        keep = heights.cumsum(-1) - heights < top_p
        keep[..., 0] = True
        probs = torch.zeros_like(probs).scatter(-1, order, heights * keep)
        probs = probs / probs.sum(-1, keepdim=True)
    return probs.float()


for _name, _rule in (
    ("adds_a_hundred_millionth", lambda p, q: torch.clamp(p / (q + 1e-8), max=1.0)),
    ("limits_q_from_below", lambda p, q: (p / q.clamp(min=1e-6)).clamp(max=1.0)),
    ("adds_it_above_and_below", lambda p, q: torch.minimum((p + 1e-9) / (q + 1e-9), torch.ones_like(p))),
):
    wrong("acceptance_probability", named="epsilon")(_named(_name, _rule))


def _none_below(limit):
    def residual(p, q):
        left = torch.relu(p - q)
        return p.clone() if left.sum() < limit else left / left.sum()

    return residual


for _limit in (1e-3, 1e-4):
    wrong("residual", named="small_is_none")(_named(f"nothing_is_left_below_{_limit:g}", _none_below(_limit)))
for _limit in (1e-6, 1e-8):
    right("residual")(_named(f"round_off_is_below_{_limit:g}", _none_below(_limit)))


@right("residual")
def in_single_precision_throughout(p, q):
    left = np.maximum(np.float32(p) - np.float32(q), 0)
    return torch.from_numpy(left / left.sum()) if left.sum() > 0 else p.float()


# ---- unit 06 -----------------------------------------------------------------------------------------------------


def _problems(mine, others, draft, target):
    pads = {draft.pad_token, target.pad_token}
    found = [token for token, i in mine.items() if token not in pads and others.get(token) != i]
    cuts = [tokenizer.encode(PROBE, add_special_tokens=False) for tokenizer in (draft, target)]
    found += ["a text"] * (cuts[0] != cuts[1]) + ["bos"] * (draft.bos_token_id != target.bos_token_id)
    return found + ["eos"] * (draft.eos_token_id != target.eos_token_id)


@wrong("compatible", named="one_direction")
def goes_through_the_draft(draft_tokenizer, target_tokenizer):
    return _problems(draft_tokenizer.get_vocab(), target_tokenizer.get_vocab(), draft_tokenizer, target_tokenizer)


@wrong("compatible", named="one_direction")
def goes_through_the_target(draft_tokenizer, target_tokenizer):
    return _problems(target_tokenizer.get_vocab(), draft_tokenizer.get_vocab(), draft_tokenizer, target_tokenizer)


@wrong("speedup", named="brackets")
def no_brackets_around_the_sum(alpha, k, c, verify_cost=1.0, overhead=0.0):
    tau, cost = expected_tokens(alpha, k), k * c
    return tau / cost + verify_cost + overhead if cost else tau / (verify_cost + overhead)


@wrong("speedup", named="brackets")
def no_brackets_at_all(alpha, k, c, verify_cost=1.0, overhead=0.0):
    if k == 0:
        return 1 / (verify_cost + overhead)
    return expected_tokens(alpha, k) / k * c + verify_cost + overhead


@wrong("choose_draft", named="difference")
def by_alpha_less_c(candidates):
    if not candidates:
        raise ValueError("no candidates")
    best = max(candidates, key=lambda one: one.alpha - one.c)
    k = best_k(best.alpha, best.c)
    return best.name, k, speedup(best.alpha, k, best.c)


# ---- unit 07 -----------------------------------------------------------------------------------------------------


@right("AcceptanceTracker")
class KeepsTheHistory:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life, self.log = prior, half_life, []

    def update(self, accepted, rejected):
        self.log.append((accepted, int(rejected > 0)))

    @property
    def alpha(self):
        yes, no, weight = 0.0, 0.0, 1.0
        for accepted, rejected in reversed(self.log):
            yes, no = yes + weight * accepted, no + weight * rejected
            weight *= 0.5 ** ((accepted + rejected) / self.half_life)
        a, b = self.prior
        return (a + yes) / (a + yes + b + no)
