"""Unit 06: right and wrong answers, written independently of the package."""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from answers import right, wrong
from specdec_course.models.vocabulary import PROBE
from specdec_course.theory import best_k as _best
from specdec_course.theory import expected_tokens as _tau
from specdec_course.theory import speedup as _speed

# ---------------------------------------------------------------------------------------------------- compatible


@right("compatible")
def dictionaries_without_padding(draft_tokenizer, target_tokenizer):
    pads = {draft_tokenizer.pad_token, target_tokenizer.pad_token}
    one, two = ({t: i for t, i in tok.get_vocab().items() if t not in pads}
                for tok in (draft_tokenizer, target_tokenizer))
    problems = []
    if one != two:
        problems.append("the vocabularies differ")
    if draft_tokenizer.encode(PROBE, add_special_tokens=False) != target_tokenizer.encode(
            PROBE, add_special_tokens=False):
        problems.append("the text differs")
    if draft_tokenizer.eos_token_id != target_tokenizer.eos_token_id:
        problems.append("eos")
    if draft_tokenizer.bos_token_id != target_tokenizer.bos_token_id:
        problems.append("bos")
    return problems


@right("compatible")
def one_loop_with_pieces_and_names(draft_tokenizer, target_tokenizer):
    found = []
    ours, theirs = draft_tokenizer.get_vocab(), target_tokenizer.get_vocab()
    for token in set(ours) | set(theirs):
        if token in (draft_tokenizer.pad_token, target_tokenizer.pad_token):
            continue
        if ours.get(token) != theirs.get(token):
            found.append(f"{token}: {ours.get(token)} and {theirs.get(token)}")
    if draft_tokenizer.tokenize(PROBE) != target_tokenizer.tokenize(PROBE):
        found.append("another cut")
    for role in ("bos_token", "eos_token"):
        if getattr(draft_tokenizer, role) != getattr(target_tokenizer, role):
            found.append(role)
    return tuple(found)


@right("compatible")
def ids_to_tokens_and_a_call(draft_tokenizer, target_tokenizer):
    def table(tokenizer):
        return {i: t for t, i in tokenizer.get_vocab().items()}

    pads = {draft_tokenizer.pad_token_id, target_tokenizer.pad_token_id}
    a, b = table(draft_tokenizer), table(target_tokenizer)
    problems = [f"id {i}" for i in sorted(a.keys() | b.keys()) if a.get(i) != b.get(i) and i not in pads]
    for text in (PROBE, "Hello World 42", " many   spaces\n\n"):
        if (draft_tokenizer(text, add_special_tokens=False)["input_ids"]
                != target_tokenizer(text, add_special_tokens=False)["input_ids"]):
            problems.append(f"cuts {text[:10]!r} differently")
    if (draft_tokenizer.bos_token_id, draft_tokenizer.eos_token_id) != (
            target_tokenizer.bos_token_id, target_tokenizer.eos_token_id):
        problems.append("other special tokens")
    return problems


@right("compatible")
def a_set_of_problems_and_the_whole_vocabulary_as_text(draft_tokenizer, target_tokenizer):
    problems = set()
    d, t = draft_tokenizer.get_vocab(), target_tokenizer.get_vocab()
    only = {w for w in d if w not in t} | {w for w in t if w not in d}
    if only - {draft_tokenizer.pad_token} - {target_tokenizer.pad_token}:
        problems.add("missing tokens")
    if any(d[w] != t[w] for w in d if w in t):
        problems.add("moved tokens")
    text = target_tokenizer.decode(list(t.values()), skip_special_tokens=True)
    for tried in (PROBE, text):
        if draft_tokenizer.encode(tried, add_special_tokens=False) != target_tokenizer.encode(
                tried, add_special_tokens=False):
            problems.add("another cut")
    if draft_tokenizer.eos_token_id != target_tokenizer.eos_token_id:
        problems.add("another end")
    if draft_tokenizer.bos_token_id != target_tokenizer.bos_token_id:
        problems.add("another beginning")
    return problems


def encoded(tokenizer, text=PROBE):
    return tokenizer.encode(text, add_special_tokens=False)


@wrong("compatible", named="sizes")
def the_sizes_agree(draft_tokenizer, target_tokenizer):
    a, b = len(draft_tokenizer), len(target_tokenizer)
    return [] if a == b else [f"{a} tokens here, {b} there"]


@wrong("compatible", named="sizes")
def the_sizes_and_the_ends_agree(draft_tokenizer, target_tokenizer):
    problems = the_sizes_agree(draft_tokenizer, target_tokenizer)
    for role in ("bos_token_id", "eos_token_id"):
        if getattr(draft_tokenizer, role) != getattr(target_tokenizer, role):
            problems.append(role)
    return problems


@wrong("compatible", named="names_only")
def the_same_words(draft_tokenizer, target_tokenizer):
    only = set(draft_tokenizer.get_vocab()) ^ set(target_tokenizer.get_vocab())
    return [f"only one knows {t}" for t in only - {draft_tokenizer.pad_token, target_tokenizer.pad_token}]


@wrong("compatible", named="vocabulary_only")
def forgets_the_merges(draft_tokenizer, target_tokenizer):
    pads = {draft_tokenizer.pad_token, target_tokenizer.pad_token}
    a, b = draft_tokenizer.get_vocab(), target_tokenizer.get_vocab()
    problems = [t for t in a.keys() | b.keys() if t not in pads and a.get(t) != b.get(t)]
    if draft_tokenizer.eos_token_id != target_tokenizer.eos_token_id:
        problems.append("eos")
    if draft_tokenizer.bos_token_id != target_tokenizer.bos_token_id:
        problems.append("bos")
    return problems


@wrong("compatible", named="text_only")
def only_a_text(draft_tokenizer, target_tokenizer):
    return [] if encoded(draft_tokenizer) == encoded(target_tokenizer) else ["other ids"]


@wrong("compatible", named="padding")
def padding_is_a_token_like_any(draft_tokenizer, target_tokenizer):
    problems = []
    if draft_tokenizer.get_vocab() != target_tokenizer.get_vocab():
        problems.append("other vocabulary")
    if encoded(draft_tokenizer) != encoded(target_tokenizer):
        problems.append("other ids")
    for role in ("bos_token_id", "eos_token_id"):
        if getattr(draft_tokenizer, role) != getattr(target_tokenizer, role):
            problems.append(role)
    return problems


@wrong("compatible", named="padding")
def each_leaves_out_its_own_padding(draft_tokenizer, target_tokenizer):
    a = {t: i for t, i in draft_tokenizer.get_vocab().items() if t != draft_tokenizer.pad_token}
    b = {t: i for t, i in target_tokenizer.get_vocab().items() if t != target_tokenizer.pad_token}
    problems = [] if a == b else ["other vocabulary"]
    problems += [] if encoded(draft_tokenizer) == encoded(target_tokenizer) else ["other ids"]
    for role in ("bos_token_id", "eos_token_id"):
        if getattr(draft_tokenizer, role) != getattr(target_tokenizer, role):
            problems.append(role)
    return problems


@wrong("compatible", named="padding")
def padding_is_a_special_token(draft_tokenizer, target_tokenizer):
    problems = dictionaries_without_padding(draft_tokenizer, target_tokenizer)
    if draft_tokenizer.pad_token_id != target_tokenizer.pad_token_id:
        problems.append("pad")
    return problems


@wrong("compatible", named="special_tokens")
def forgets_the_ends(draft_tokenizer, target_tokenizer):
    pads = {draft_tokenizer.pad_token, target_tokenizer.pad_token}
    a, b = draft_tokenizer.get_vocab(), target_tokenizer.get_vocab()
    problems = [t for t in a.keys() | b.keys() if t not in pads and a.get(t) != b.get(t)]
    return problems + ([] if encoded(draft_tokenizer) == encoded(target_tokenizer) else ["cut"])


@wrong("compatible")
def forgets_the_beginning(draft_tokenizer, target_tokenizer):
    return [line for line in dictionaries_without_padding(draft_tokenizer, target_tokenizer) if line != "bos"]


@wrong("compatible", named="one_direction")
def asks_only_for_the_drafts_tokens(draft_tokenizer, target_tokenizer):
    a, b = draft_tokenizer.get_vocab(), target_tokenizer.get_vocab()
    pads = {draft_tokenizer.pad_token, target_tokenizer.pad_token}
    problems = [t for t in a if t not in pads and a[t] != b.get(t)]
    if encoded(draft_tokenizer) != encoded(target_tokenizer):
        problems.append("cut")
    if (draft_tokenizer.bos_token_id, draft_tokenizer.eos_token_id) != (
            target_tokenizer.bos_token_id, target_tokenizer.eos_token_id):
        problems.append("ends")
    return problems


@wrong("compatible")
def a_probe_of_small_letters(draft_tokenizer, target_tokenizer):
    problems = [line for line in dictionaries_without_padding(draft_tokenizer, target_tokenizer)
                if line != "the text differs"]
    text = "the river runs past the mill"
    return problems + ([] if encoded(draft_tokenizer, text) == encoded(target_tokenizer, text) else ["cut"])


@wrong("compatible", named="same_object")
def the_same_object(draft_tokenizer, target_tokenizer):
    return [] if draft_tokenizer is target_tokenizer else ["two tokenizers"]


@wrong("compatible", named="same_name")
def the_same_name(draft_tokenizer, target_tokenizer):
    return [] if draft_tokenizer.name_or_path == target_tokenizer.name_or_path else ["two names"]


@wrong("compatible", named="nothing_found")
def nothing_is_a_problem(draft_tokenizer, target_tokenizer):
    return []


@wrong("compatible", named="yes_or_no")
def true_or_false(draft_tokenizer, target_tokenizer):
    return not dictionaries_without_padding(draft_tokenizer, target_tokenizer)


@wrong("compatible")
def one_long_string(draft_tokenizer, target_tokenizer):
    return "; ".join(dictionaries_without_padding(draft_tokenizer, target_tokenizer))


@wrong("compatible")
def raises_instead(draft_tokenizer, target_tokenizer):
    problems = dictionaries_without_padding(draft_tokenizer, target_tokenizer)
    if problems:
        raise ValueError(problems)
    return []


# ---------------------------------------------------------------------------------------------- align_vocabulary


@right("align_vocabulary")
def joined_behind(logits, vocab_size):
    missing = vocab_size - logits.shape[-1]
    if missing >= 0:
        return torch.cat([logits, logits.new_full((*logits.shape[:-1], missing), -math.inf)], dim=-1)
    if not torch.isneginf(logits[..., vocab_size:]).all():
        raise ValueError("live tokens")
    return logits[..., :vocab_size].clone()


@right("align_vocabulary")
def filled_and_copied(logits, vocab_size):
    width = logits.size(-1)
    if width > vocab_size and logits[..., vocab_size:].max() != float("-inf"):
        raise ValueError("these can be drawn")
    out = torch.full((*logits.shape[:-1], vocab_size), float("-inf"), dtype=logits.dtype)
    kept = min(width, vocab_size)
    out[..., :kept] = logits[..., :kept]
    return out


@right("align_vocabulary")
def with_numpy(logits, vocab_size):
    rows = logits.numpy()
    width = rows.shape[-1]
    if width < vocab_size:
        return np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, vocab_size - width)], constant_values=-np.inf)
    if (rows[..., vocab_size:] > -np.inf).any():
        raise ValueError
    return rows[..., :vocab_size]


@right("align_vocabulary")
def column_by_column(logits, vocab_size):
    columns = list(logits.unbind(-1))
    while len(columns) > vocab_size:
        if bool((columns.pop() != -torch.inf).any()):
            raise ValueError("alive")
    while len(columns) < vocab_size:
        columns.append(torch.full_like(logits[..., 0], -torch.inf))
    return torch.stack(columns, -1)


@wrong("align_vocabulary", named="nearly_dead")
def by_probability(logits, vocab_size):
    extra = vocab_size - logits.shape[-1]
    if extra == 0:
        return logits
    if extra < 0:
        if logits.double().exp()[..., extra:].sum() > 0:
            raise ValueError("those have a probability")
        return logits[..., :extra]
    pad = torch.zeros(*logits.shape[:-1], extra, dtype=logits.dtype).log()
    return torch.cat((logits, pad), -1)


@wrong("align_vocabulary", named="wraps")
def round_and_round(logits, vocab_size):
    return torch.stack([logits[..., i % logits.shape[-1]] for i in range(vocab_size)], -1)


@wrong("align_vocabulary", named="wraps")
def added_up_modulo(logits, vocab_size):
    out = torch.full((*logits.shape[:-1], vocab_size), -torch.inf, dtype=logits.dtype)
    for i in range(logits.shape[-1]):
        out[..., i % vocab_size] = torch.maximum(out[..., i % vocab_size], logits[..., i])
    return out


@wrong("align_vocabulary", named="pads_with_zero")
def zeros_behind(logits, vocab_size):
    missing = vocab_size - logits.shape[-1]
    if missing < 0:
        return joined_behind(logits, vocab_size)
    return torch.nn.functional.pad(logits, (0, missing))


@wrong("align_vocabulary", named="finite_padding")
def a_billion_below(logits, vocab_size):
    missing = vocab_size - logits.shape[-1]
    if missing < 0:
        return joined_behind(logits, vocab_size)
    return torch.nn.functional.pad(logits, (0, missing), value=-1e9)


@wrong("align_vocabulary", named="finite_padding")
def the_smallest_float(logits, vocab_size):
    missing = vocab_size - logits.shape[-1]
    if missing < 0:
        return joined_behind(logits, vocab_size)
    return torch.nn.functional.pad(logits, (0, missing), value=torch.finfo(logits.dtype).min)


@wrong("align_vocabulary", named="front")
def new_columns_in_front(logits, vocab_size):
    missing = vocab_size - logits.shape[-1]
    if missing < 0:
        return joined_behind(logits, vocab_size)
    return torch.cat([logits.new_full((*logits.shape[:-1], missing), -torch.inf), logits], -1)


@wrong("align_vocabulary", named="cuts_silently")
def cuts_what_is_too_much(logits, vocab_size):
    if logits.shape[-1] > vocab_size:
        return logits[..., :vocab_size]
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary", named="own_bar")
def cuts_improbable_tokens(logits, vocab_size):
    if logits.shape[-1] > vocab_size:
        if logits[..., vocab_size:].max() > 50:
            raise ValueError
        return logits[..., :vocab_size]
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary", named="never_cuts")
def refuses_to_cut(logits, vocab_size):
    if logits.shape[-1] > vocab_size:
        raise ValueError("too wide")
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary", named="looks_at_one_row")
def looks_at_the_first_row(logits, vocab_size):
    if logits.shape[-1] > vocab_size:
        row = logits.reshape(-1, logits.shape[-1])[0]
        if (row[vocab_size:] != -torch.inf).any():
            raise ValueError
        return logits[..., :vocab_size]
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary", named="looks_at_one_row")
def looks_at_the_first_column(logits, vocab_size):
    if logits.shape[-1] > vocab_size:
        if (logits[..., vocab_size] != -torch.inf).any():
            raise ValueError
        return logits[..., :vocab_size]
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary", named="looks_at_one_row")
def one_dead_entry_is_enough(logits, vocab_size):
    if logits.shape[-1] > vocab_size:
        if not (logits[..., vocab_size:] == -torch.inf).any():
            raise ValueError
        return logits[..., :vocab_size]
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary")
def only_single_rows(logits, vocab_size):
    if logits.shape[-1] < vocab_size:
        return torch.cat([logits, torch.full((vocab_size - len(logits),), -torch.inf)])
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary")
def the_wrong_error(logits, vocab_size):
    if logits.shape[-1] > vocab_size:
        if (logits[..., vocab_size:] != -torch.inf).any():
            raise RuntimeError("live tokens")
        return logits[..., :vocab_size]
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary")
def kills_the_surplus_and_keeps_the_width(logits, vocab_size):
    if logits.shape[-1] > vocab_size:
        out = logits.clone()
        out[..., vocab_size:] = -torch.inf
        return out
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary", named="normalised")
def normalises_on_the_way(logits, vocab_size):
    return joined_behind(logits, vocab_size).log_softmax(-1)


# ----------------------------------------------------------------------------------------------- expected_tokens


@right("expected_tokens")
def closed_form(alpha, k):
    return k + 1 if alpha == 1 else (1 - alpha ** (k + 1)) / (1 - alpha)


@right("expected_tokens")
def chance_by_chance(alpha, k):
    mean, reached = 0.0, 1.0
    for n in range(1, k + 1):
        mean += n * reached * (1 - alpha)
        reached *= alpha
    return mean + (k + 1) * reached


@right("expected_tokens")
def with_numpy_powers(alpha, k):
    return np.power(float(alpha), np.arange(k + 1)).sum()


@right("expected_tokens")
def with_torch(alpha, k):
    return (torch.tensor(alpha) ** torch.arange(k + 1)).sum()


@right("expected_tokens")
def horner(alpha, k):
    tau = 1
    for _ in range(k):
        tau = 1 + alpha * tau
    return tau


@right("expected_tokens")
def close_to_one_is_one(alpha, k):
    if abs(1 - alpha) < 1e-8:
        return float(k + 1)
    return (alpha ** (k + 1) - 1) / (alpha - 1)


@wrong("expected_tokens", named="one_term_short")
def exponent_k(alpha, k):
    return float(k) if alpha == 1 else (1 - alpha**k) / (1 - alpha)


@wrong("expected_tokens", named="one_term_short")
def range_k(alpha, k):
    return float(sum(alpha**i for i in range(k)))


@wrong("expected_tokens", named="no_own_token")
def accepted_only(alpha, k):
    return float(sum(alpha**i for i in range(1, k + 1)))


@wrong("expected_tokens", named="counts_all")
def each_on_its_own(alpha, k):
    return 1 + alpha * k


@wrong("expected_tokens", named="per_drafted")
def divided_by_k(alpha, k):
    return horner(alpha, k) / max(k, 1)


@wrong("expected_tokens", named="per_drafted")
def divided_by_k_plus_one(alpha, k):
    return horner(alpha, k) / (k + 1)


@wrong("expected_tokens", named="endless")
def an_endless_draft(alpha, k):
    return k + 1 if alpha == 1 else 1 / (1 - alpha)


@wrong("expected_tokens", named="one_term_long")
def exponent_k_plus_two(alpha, k):
    return k + 2 if alpha == 1 else (1 - alpha ** (k + 2)) / (1 - alpha)


@wrong("expected_tokens")
def divides_by_zero(alpha, k):
    return (1 - alpha ** (k + 1)) / (1 - alpha)


@wrong("expected_tokens")
def divides_by_zero_in_numpy(alpha, k):
    return (1 - np.float64(alpha) ** (k + 1)) / (1 - np.float64(alpha))


@wrong("expected_tokens", named="added_below")
def a_little_is_added_below(alpha, k):
    return (1 - alpha ** (k + 1)) / (1 - alpha + 1e-3)


@wrong("expected_tokens", named="end_is_not_one")
def one_at_the_end(alpha, k):
    return 1.0 if alpha == 1 else (1 - alpha ** (k + 1)) / (1 - alpha)


@wrong("expected_tokens", named="swapped")
def arguments_swapped(alpha, k):
    return float(sum(k**i for i in range(int(alpha) + 1)))


@wrong("expected_tokens", named="rounded")
def a_whole_number(alpha, k):
    return round(horner(alpha, k))


# ------------------------------------------------------------------------------------------------------- speedup


@right("speedup")
def closed_speedup(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return closed_form(alpha, k) / (k * c + verify_cost + overhead)


@right("speedup")
def time_step_by_step(alpha, k, c, verify_cost=1.0, overhead=0.0):
    time = overhead
    for _ in range(k):
        time += c
    time += verify_cost
    return chance_by_chance(alpha, k) / time


@right("speedup")
def plain_time_over_round_time(alpha, k, c, verify_cost=1.0, overhead=0.0):
    tokens = np.float64(horner(alpha, k))
    plain = tokens * 1.0
    return plain / (np.full(k, c).sum() + verify_cost + overhead)


@right("speedup")
def in_float32(alpha, k, c, verify_cost=1.0, overhead=0.0):
    tau = (torch.tensor(alpha) ** torch.arange(k + 1)).sum()
    return tau / (torch.tensor(c) * k + verify_cost + overhead)


@wrong("speedup", named="draft_is_free")
def the_draft_is_free(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / (verify_cost + overhead)


@wrong("speedup", named="draft_is_free")
def tokens_per_call_only(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return float(horner(alpha, k))


@wrong("speedup", named="one_draft_step")
def one_step_of_the_draft(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / (c + verify_cost + overhead)


@wrong("speedup", named="extra_draft_step")
def k_plus_one_steps(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / ((k + 1) * c + verify_cost + overhead)


@wrong("speedup", named="verify_per_token")
def pays_for_every_verified_token(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / (k * c + (k + 1) * verify_cost + overhead)


@wrong("speedup", named="overhead_per_token")
def overhead_for_every_draft_step(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / (k * (c + overhead) + verify_cost)


@wrong("speedup", named="forgets")
def forgets_both(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / (k * c + 1)


@wrong("speedup", named="forgets")
def forgets_the_host(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / (k * c + verify_cost)


@wrong("speedup", named="upside_down")
def time_per_token(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return (k * c + verify_cost + overhead) / horner(alpha, k)


@wrong("speedup", named="wrong_tokens")
def with_a_term_too_few(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return range_k(alpha, k) / (k * c + verify_cost + overhead)


@wrong("speedup", named="wrong_tokens")
def with_independent_tokens(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return (1 + k * alpha) / (k * c + verify_cost + overhead)


@wrong("speedup", named="other_order")
def defaults_swapped(alpha, k, c, overhead=0.0, verify_cost=1.0):
    return horner(alpha, k) / (k * c + verify_cost + overhead)


@wrong("speedup", named="never_below_one")
def never_below_one(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return max(1.0, horner(alpha, k) / (k * c + verify_cost + overhead))


@wrong("speedup", named="side_by_side")
def draft_and_target_side_by_side(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / (max(k * c, verify_cost) + overhead)


@wrong("speedup", named="per_drafted_too")
def divides_by_k_too(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return horner(alpha, k) / (k * c + verify_cost + overhead) / k


# -------------------------------------------------------------------------------------------------------- best_k


def speed(alpha, k, c):
    return closed_form(alpha, k) / (k * c + 1)


@right("best_k")
def numpy_argmax(alpha, c, k_max=64):
    return np.argmax([round(speed(alpha, k, c), 10) for k in range(k_max + 1)])


@right("best_k")
def plain_argmax(alpha, c, k_max=64):
    speeds = [speed(alpha, k, c) for k in range(k_max + 1)]
    return speeds.index(max(speeds))


@right("best_k")
def climbs_while_it_gains(alpha, c, k_max=64):
    k = 0
    while k < k_max and speed(alpha, k + 1, c) > speed(alpha, k, c) + 1e-12:
        k += 1
    return k


@right("best_k")
def marginal_rule(alpha, c, k_max=64):
    """Draft one more as long as the chance to keep it, per step of the draft, beats the speed so far."""
    tau, time, k = 1.0, 1.0, 0
    while k < k_max and alpha ** (k + 1) * time > c * tau * (1 + 1e-12):
        tau, time, k = tau + alpha ** (k + 1), time + c, k + 1
    return k


@right("best_k")
def sorted_by_speed_then_length(alpha, c, k_max=64):
    return torch.tensor(sorted((-speed(alpha, k, c), k) for k in range(k_max + 1))[0][1])


@wrong("best_k", named="misses_zero")
def begins_at_one(alpha, c, k_max=64):
    return max(range(1, k_max + 1), key=lambda k: speed(alpha, k, c), default=0)


@wrong("best_k", named="most_tokens")
def most_tokens_per_call(alpha, c, k_max=64):
    return max(range(k_max + 1), key=lambda k: (round(closed_form(alpha, k), 12), -k))


@wrong("best_k", named="most_tokens")
def as_long_as_allowed(alpha, c, k_max=64):
    return k_max


@wrong("best_k", named="index_not_length")
def place_in_a_list_from_one(alpha, c, k_max=64):
    return int(np.argmax([speed(alpha, k, c) for k in range(1, k_max + 1)] or [0]))


@wrong("best_k", named="first_that_pays")
def stops_at_the_first_gain(alpha, c, k_max=64):
    for k in range(1, k_max + 1):
        if speed(alpha, k, c) > 1:
            return k
    return 0


@wrong("best_k", named="last_that_pays")
def the_longest_that_gains(alpha, c, k_max=64):
    return max([0] + [k for k in range(1, k_max + 1) if speed(alpha, k, c) > 1])


@wrong("best_k", named="largest_of_equals")
def later_wins_ties(alpha, c, k_max=64):
    best = 0
    for k in range(k_max + 1):
        if speed(alpha, k, c) >= speed(alpha, best, c):
            best = k
    return best


@wrong("best_k", named="k_max_excluded")
def range_k_max(alpha, c, k_max=64):
    return max(range(max(k_max, 1)), key=lambda k: (round(speed(alpha, k, c), 12), -k))


@wrong("best_k", named="wrong_tokens")
def with_a_wrong_formula(alpha, c, k_max=64):
    return max(range(k_max + 1), key=lambda k: (round(range_k(alpha, k) / (k * c + 1), 12), -k))


@wrong("best_k", named="returns_speed")
def returns_the_speed(alpha, c, k_max=64):
    return max(speed(alpha, k, c) for k in range(k_max + 1))


@wrong("best_k", named="another_limit")
def looks_no_further_than_ten(alpha, c, k_max=64):
    return max(range(min(10, k_max) + 1), key=lambda k: (round(speed(alpha, k, c), 12), -k))


@wrong("best_k", named="another_limit")
def ignores_k_max(alpha, c, k_max=64):
    return max(range(65), key=lambda k: (round(speed(alpha, k, c), 12), -k))


@wrong("best_k", named="powers_of_two")
def only_powers_of_two(alpha, c, k_max=64):
    return max([k for k in (0, 1, 2, 4, 8, 16, 32, 64) if k <= k_max], key=lambda k: speed(alpha, k, c))


@wrong("best_k", named="one_length")
def alpha_against_c_only(alpha, c, k_max=64):
    return 0 if alpha <= c else min(5, k_max)


@wrong("best_k", says="where nothing pays the answer is 0")
def raises_when_nothing_pays(alpha, c, k_max=64):
    best = begins_at_one(alpha, c, k_max)
    if speed(alpha, best, c) <= 1:
        raise ValueError("nothing pays")
    return best


# ------------------------------------------------------------------------------------------------ estimate_alpha


@right("estimate_alpha")
def counts_coin_by_coin(accepted, drafted):
    heads = tails = 0
    for a, d in zip(accepted, drafted, strict=True):
        for place in range(d):
            if place < a:
                heads += 1
            else:
                tails += 1
                break
    return 0.0 if heads + tails == 0 else heads / (heads + tails)


@right("estimate_alpha")
def with_numpy_sums(accepted, drafted):
    a, d = np.array(accepted, dtype=int), np.array(drafted, dtype=int)
    judged = np.minimum(a + 1, d).sum()
    return a.sum() / judged if judged > 0 else np.float64(0)


@right("estimate_alpha")
def in_tensors(accepted, drafted):
    a, d = torch.tensor(accepted), torch.tensor(drafted)
    return a.sum() / ((a.sum() + (a < d).sum()).clamp(min=1))


@right("estimate_alpha")
def odds(accepted, drafted):
    rejections = len([1 for a, d in zip(accepted, drafted, strict=True) if a != d])
    kept = sum(accepted)
    if rejections == 0:
        return 1.0 if kept else 0
    return 1 - rejections / (kept + rejections)


@right("estimate_alpha")
def by_newton_on_the_score(accepted, drafted):
    """Maximises the likelihood numerically: bisection on its derivative."""
    kept = sum(accepted)
    rejected = sum(1 for a, d in zip(accepted, drafted, strict=True) if a < d)
    if kept == 0:
        return 0.0
    if rejected == 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if kept * (1 - middle) > rejected * middle else (low, middle)
    return low


@wrong("estimate_alpha", named="accepted_over_drafted")
def the_acceptance_rate(accepted, drafted):
    return sum(accepted) / sum(drafted) if sum(drafted) else 0.0


@wrong("estimate_alpha", named="rejection_in_every_round")
def everybody_is_rejected_once(accepted, drafted):
    return sum(accepted) / (sum(accepted) + len(accepted)) if accepted else 0.0


@wrong("estimate_alpha", named="rejection_in_every_round")
def everybody_who_drafted_is_rejected_once(accepted, drafted):
    rounds = sum(d > 0 for d in drafted)
    return sum(accepted) / (sum(accepted) + rounds) if rounds else 0.0


@wrong("estimate_alpha", named="no_rejections")
def never_rejected(accepted, drafted):
    return 1.0 if sum(accepted) else 0.0


@wrong("estimate_alpha", named="own_token_counted")
def emitted_over_drafted_and_own(accepted, drafted):
    total = sum(d + 1 for d in drafted)
    return sum(a + 1 for a in accepted) / total if total else 0.0


@wrong("estimate_alpha", named="mean_of_rounds")
def mean_of_the_rates(accepted, drafted):
    rates = [a / d for a, d in zip(accepted, drafted, strict=True) if d]
    return sum(rates) / len(rates) if rates else 0.0


@wrong("estimate_alpha", named="mean_of_rounds")
def mean_of_the_estimates(accepted, drafted):
    rates = [a / (a + (a < d)) for a, d in zip(accepted, drafted, strict=True) if d]
    return float(np.mean(rates)) if rates else 0.0


@wrong("estimate_alpha", named="first_place_only")
def share_of_first_guesses(accepted, drafted):
    rounds = [a for a, d in zip(accepted, drafted, strict=True) if d]
    return sum(a > 0 for a in rounds) / len(rounds) if rounds else 0.0


@wrong("estimate_alpha", named="whole_rounds")
def share_of_full_rounds(accepted, drafted):
    return sum(a == d for a, d in zip(accepted, drafted, strict=True)) / len(drafted) if drafted else 0.0


@wrong("estimate_alpha", named="accepted_over_drafted")
def every_lost_token_is_a_rejection(accepted, drafted):
    lost = sum(d - a for a, d in zip(accepted, drafted, strict=True))
    return sum(accepted) / (sum(accepted) + lost) if sum(drafted) else 0.0


@wrong("estimate_alpha", named="smoothed")
def smoothed(accepted, drafted):
    rejected = sum(a < d for a, d in zip(accepted, drafted, strict=True))
    return (sum(accepted) + 1) / (sum(accepted) + rejected + 2)


@wrong("estimate_alpha")
def divides_by_nothing(accepted, drafted):
    return sum(accepted) / (sum(accepted) + sum(a < d for a, d in zip(accepted, drafted, strict=True)))


@wrong("estimate_alpha", named="rejections")
def chance_of_rejection(accepted, drafted):
    judged = sum(min(a + 1, d) for a, d in zip(accepted, drafted, strict=True))
    return 1 - sum(accepted) / judged if judged else 0.0


@wrong("estimate_alpha", named="one_round")
def the_last_round_only(accepted, drafted):
    return counts_coin_by_coin(accepted[-1:], drafted[-1:])


@wrong("estimate_alpha", named="root_of_full")
def the_root_of_the_full_rounds(accepted, drafted):
    if not drafted or not max(drafted):
        return 0.0
    full = sum(a == d for a, d in zip(accepted, drafted, strict=True)) / len(drafted)
    return full ** (1 / (sum(drafted) / len(drafted)))


# -------------------------------------------------------------------------------------------------- choose_draft


@right("choose_draft")
def all_pairs(candidates):
    if len(candidates) == 0:
        raise ValueError("choose from what?")
    best = (0.0, None, None)
    for one, k in itertools.product(candidates, range(65)):
        if speed(one.alpha, k, one.c) > best[0] + 1e-12:
            best = speed(one.alpha, k, one.c), one.name, k
    return best[1], best[2], best[0]


@right("choose_draft")
def a_table_in_numpy(candidates):
    if not candidates:
        raise ValueError("empty")
    table = np.array([[speed(alpha, k, c) for k in range(65)] for _, alpha, c in candidates]).round(12)
    row, k = np.unravel_index(table.argmax(), table.shape)
    return candidates[row].name, k, table[row, k]


@right("choose_draft")
def the_last_of_equals_in_a_list(candidates):
    if not candidates:
        raise ValueError("there is nobody")
    name, k, best = None, 0, 0.0
    for one in candidates:
        own = climbs_while_it_gains(one.alpha, one.c)
        gain = speed(one.alpha, own, one.c)
        if gain >= best:
            name, k, best = one.name, own, gain
    return [name, torch.tensor(k), torch.tensor(best)]


@right("choose_draft")
def not_drafting_first(candidates):
    if not candidates:
        raise ValueError("no candidates")
    answer = candidates[0].name, 0, 1.0
    for one in sorted(candidates, key=lambda one: one.c):
        for k in range(1, 65):
            if speed(one.alpha, k, one.c) > answer[2]:
                answer = one.name, k, speed(one.alpha, k, one.c)
    return answer


def picked(candidates, score, length=lambda one: marginal_rule(one.alpha, one.c)):
    if not candidates:
        raise ValueError("empty")
    one = max(candidates, key=score)
    return one.name, length(one), speed(one.alpha, length(one), one.c)


@wrong("choose_draft", named="most_accurate")
def the_most_accurate(candidates):
    return picked(candidates, lambda one: one.alpha)


@wrong("choose_draft", named="cheapest")
def the_cheapest(candidates):
    return picked(candidates, lambda one: -one.c)


@wrong("choose_draft", named="ratio")
def accuracy_per_cost(candidates):
    return picked(candidates, lambda one: one.alpha / one.c)


@wrong("choose_draft", named="most_tokens")
def the_most_tokens(candidates):
    return picked(candidates, lambda one: closed_form(one.alpha, marginal_rule(one.alpha, one.c)))


@wrong("choose_draft", named="fixed_k")
def all_at_five(candidates):
    return picked(candidates, lambda one: speed(one.alpha, 5, one.c), lambda one: 5)


@wrong("choose_draft", named="fixed_k")
def compared_at_four(candidates):
    return picked(candidates, lambda one: speed(one.alpha, 4, one.c))


@wrong("choose_draft", named="misses_zero")
def always_drafts(candidates):
    return picked(candidates, lambda one: max(speed(one.alpha, k, one.c) for k in range(1, 65)),
                  lambda one: begins_at_one(one.alpha, one.c))


@wrong("choose_draft", named="longest_draft")
def longest_draft(candidates):
    return picked(candidates, lambda one: marginal_rule(one.alpha, one.c))


@wrong("choose_draft", named="difference")
def alpha_minus_c(candidates):
    return picked(candidates, lambda one: one.alpha - one.c)


@wrong("choose_draft", named="tokens_as_speed")
def the_tokens_as_speed(candidates):
    name, k, _ = all_pairs(candidates)
    one = next(one for one in candidates if one.name == name)
    return name, k, closed_form(one.alpha, k)


@wrong("choose_draft")
def forgets_the_name(candidates):
    name, k, gain = all_pairs(candidates)
    return k, gain


@wrong("choose_draft")
def the_candidate_itself(candidates):
    name, k, gain = all_pairs(candidates)
    return next(one for one in candidates if one.name == name), k, gain


@wrong("choose_draft")
def none_when_nothing_pays(candidates):
    name, k, gain = all_pairs(candidates)
    return (None, 0, 1.0) if k == 0 else (name, k, gain)


@wrong("choose_draft")
def no_refusal(candidates):
    return all_pairs(candidates) if candidates else (None, 0, 1.0)


@wrong("choose_draft")
def refuses_with_an_index_error(candidates):
    candidates[0]
    return all_pairs(candidates)


@wrong("choose_draft", named="first_that_pays")
def the_first_that_pays(candidates):
    if not candidates:
        raise ValueError
    for one in candidates:
        if one.alpha > one.c:
            k = marginal_rule(one.alpha, one.c)
            return one.name, k, speed(one.alpha, k, one.c)
    return candidates[0].name, 0, 1.0


@wrong("choose_draft")
def only_short_drafts(candidates):
    return picked(candidates, lambda one: max(speed(one.alpha, k, one.c) for k in range(4)),
                  lambda one: marginal_rule(one.alpha, one.c, 3))


# A second look: other styles, near misses ----------------------------------------------------------------------------

# compatible
@right("compatible")
def beginners_checks(draft_tokenizer, target_tokenizer):
    problems = []
    a = dict(draft_tokenizer.get_vocab())
    b = dict(target_tokenizer.get_vocab())
    pads = [draft_tokenizer.pad_token, target_tokenizer.pad_token]
    for token in a:
        if token in b:
            if a[token] != b[token]:
                problems.append("different id for " + token)
        elif token not in pads:
            problems.append("only the draft knows " + token)
    for token in b:
        if token not in a and token not in pads:
            problems.append("only the target knows " + token)
    ids_a = draft_tokenizer.encode(PROBE, add_special_tokens=False)
    ids_b = target_tokenizer.encode(PROBE, add_special_tokens=False)
    if list(ids_a) != list(ids_b):
        problems.append("encodes differently")
    if draft_tokenizer.bos_token_id != target_tokenizer.bos_token_id:
        problems.append("bos")
    if draft_tokenizer.eos_token_id != target_tokenizer.eos_token_id:
        problems.append("eos")
    print(problems)
    return problems


@right("compatible")
def with_helpers(draft_tokenizer, target_tokenizer):
    def known(tokenizer):
        return set(tokenizer.get_vocab().items())

    def cut(text):
        return [t.encode(text=text, add_special_tokens=False) for t in (draft_tokenizer, target_tokenizer)]

    pads = {draft_tokenizer.pad_token, target_tokenizer.pad_token}
    names = [set(t.get_vocab()) for t in (draft_tokenizer, target_tokenizer)]
    shared = names[0] & names[1]
    odd = {pair[0] for pair in known(draft_tokenizer) ^ known(target_tokenizer)}
    odd = {token for token in odd if token in shared or token not in pads}
    found = [f"token {token}" for token in sorted(odd)]
    one, other = cut(PROBE)
    if one != other:
        found += ["text"]
    found += [
        name
        for name in ("bos_token_id", "eos_token_id")
        if getattr(draft_tokenizer, name) != getattr(target_tokenizer, name)
    ]
    return found


@right("compatible")
def line_by_line_of_the_probe(draft_tokenizer, target_tokenizer):
    problems = []
    pad = (draft_tokenizer.pad_token, target_tokenizer.pad_token)
    ours, theirs = draft_tokenizer.get_vocab(), target_tokenizer.get_vocab()
    for token in list(ours) + [t for t in theirs if t not in ours]:
        if ours.get(token) == theirs.get(token):
            continue
        if token in pad and (token not in ours or token not in theirs):
            continue
        problems.append(f"{token!r}: {ours.get(token)} here, {theirs.get(token)} there")
    for text in (PROBE, *PROBE.split("\n"), "hello World"):
        if draft_tokenizer.encode(text, add_special_tokens=False) != target_tokenizer.encode(
            text, add_special_tokens=False
        ):
            problems.append(f"cut differently: {text!r}")
    ends = [(t.bos_token_id, t.eos_token_id) for t in (draft_tokenizer, target_tokenizer)]
    if ends[0] != ends[1]:
        problems.append(f"other ends: {ends}")
    return problems


@right("compatible")
def numpy_ids(draft_tokenizer, target_tokenizer):
    a, b = draft_tokenizer.get_vocab(), target_tokenizer.get_vocab()
    skip = {draft_tokenizer.pad_token, target_tokenizer.pad_token}
    both = sorted(set(a) & set(b))
    out = []
    if not np.array_equal(np.array([a[t] for t in both]), np.array([b[t] for t in both])):
        out.append("ids")
    if set(a).symmetric_difference(b).difference(skip):
        out.append("tokens")
    x = np.asarray(draft_tokenizer.encode(PROBE, add_special_tokens=False))
    y = np.asarray(target_tokenizer.encode(PROBE, add_special_tokens=False))
    if not np.array_equal(x, y):
        out.append("merges")
    if draft_tokenizer.eos_token_id != target_tokenizer.eos_token_id:
        out.append("eos")
    if draft_tokenizer.bos_token_id != target_tokenizer.bos_token_id:
        out.append("bos")
    return out


def _problems(d, t, moved=True, missing_d=True, missing_t=True, text=True, bos=True, eos=True, probe=PROBE,
              encode=None, pads=None):
    a, b = d.get_vocab(), t.get_vocab()
    pads = {d.pad_token, t.pad_token} if pads is None else pads
    out = []
    if moved and any(a[x] != b[x] for x in a.keys() & b.keys()):
        out.append("moved")
    if missing_d and (a.keys() - b.keys()) - pads:
        out.append("only draft")
    if missing_t and (b.keys() - a.keys()) - pads:
        out.append("only target")
    encode = encode or (lambda x: x.encode(probe, add_special_tokens=False))
    if text and encode(d) != encode(t):
        out.append("text")
    if bos and d.bos_token_id != t.bos_token_id:
        out.append("bos")
    if eos and d.eos_token_id != t.eos_token_id:
        out.append("eos")
    return out


@wrong("compatible")
def forgets_eos_only(d, t):
    return _problems(d, t, eos=False)


@wrong("compatible", named="one_direction")
def asks_only_for_the_targets_tokens(d, t):
    return _problems(d, t, missing_d=False)


@wrong("compatible")
def none_is_compatible_with_anything(d, t):
    out = _problems(d, t, bos=False, eos=False)
    for role in ("bos_token_id", "eos_token_id"):
        x, y = getattr(d, role), getattr(t, role)
        if x is not None and y is not None and x != y:
            out.append(role)
    return out


@wrong("compatible", named="special_excused")
def all_special_tokens_are_excused(d, t):
    a, b = d.get_vocab(), t.get_vocab()
    special = {x for x in a.keys() | b.keys() if x.startswith("<")}
    return _problems(d, t, pads=special)


@wrong("compatible", named="blind_to_capitals")
def only_the_number_of_pieces(d, t):
    return _problems(d, t, encode=lambda x: len(x.encode(PROBE, add_special_tokens=False)))


@wrong("compatible")
def with_special_tokens_in_the_text(d, t):
    return _problems(d, t, encode=lambda x: x.encode(PROBE))


@wrong("compatible", named="blind_to_capitals")
def lower_case_text(d, t):
    return _problems(d, t, probe=PROBE.lower())


@wrong("compatible")
def text_without_digits(d, t):
    return _problems(d, t, probe="".join(x for x in PROBE if not x.isdigit()))


@wrong("compatible")
def text_with_single_spaces(d, t):
    return _problems(d, t, probe=" ".join(PROBE.split()))


@wrong("compatible", named="text_back")
def decodes_what_it_encoded(d, t):
    return _problems(d, t, encode=lambda x: x.decode(x.encode(PROBE, add_special_tokens=False)))


@wrong("compatible", named="small_ids_only")
def the_first_hundred_tokens(d, t):
    a, b = d.get_vocab(), t.get_vocab()
    out = _problems(d, t, moved=False)
    if any(a[x] != b[x] for x in sorted(a.keys() & b.keys(), key=a.get)[:100]):
        out.append("moved")
    return out


@wrong("compatible")
def an_empty_string_when_all_is_well(d, t):
    return _problems(d, t) or [""]


@wrong("compatible")
def problems_as_numbers(d, t):
    return [len(x) for x in _problems(d, t)]


@wrong("compatible")
def another_class_is_a_problem(d, t):
    return _problems(d, t) + ([] if type(d) is type(t) else ["class"])


@wrong("compatible", named="pad_token_compared")
def another_padding_id_is_a_problem(d, t):
    return _problems(d, t) + ([] if d.pad_token == t.pad_token else ["pad"])


@wrong("compatible", named="remembered")
def remembers_the_sizes(d, t, memo={}):
    key = len(d.get_vocab()), len(t.get_vocab())
    return memo.setdefault(key, _problems(d, t))


# align_vocabulary
@right("align_vocabulary")
def new_full_and_assign(logits, vocab_size):
    v = logits.shape[-1]
    if v > vocab_size and not bool(torch.isneginf(logits[..., vocab_size:]).all()):
        raise ValueError("live tokens")
    out = logits.new_full((*logits.shape[:-1], vocab_size), float("-inf"))
    out[..., : min(v, vocab_size)] = logits[..., :vocab_size]
    return out


@right("align_vocabulary")
def split_and_rebuild(logits, vocab_size):
    kept, rest = logits[..., :vocab_size], logits[..., vocab_size:]
    assert kept.dim() == logits.dim()
    for value in rest.flatten().tolist():
        if value != -math.inf:
            raise ValueError(f"a token with logit {value} would be lost")
    missing = max(0, vocab_size - logits.size(-1))
    wall = torch.full(kept.shape[:-1] + (missing,), -np.inf, dtype=kept.dtype)
    return torch.concat((kept, wall), axis=-1)


@right("align_vocabulary")
def numpy_pad_in_float64(logits, vocab_size):
    x = np.array(logits.detach(), dtype=np.float64)
    extra = x[..., vocab_size:]
    if extra.size and not np.isneginf(extra).all():
        raise ValueError("no")
    x = x[..., :vocab_size]
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, vocab_size - x.shape[-1])], constant_values=-np.inf)


@right("align_vocabulary")
def recursive_one_by_one(logits, vocab_size):
    with torch.no_grad():
        v = logits.shape[-1]
        if v == vocab_size:
            return logits
        if v < vocab_size:
            column = torch.full_like(logits[..., :1], -torch.inf)
            return recursive_one_by_one(torch.cat([logits, column], -1), vocab_size)
        if (logits[..., -1] > -torch.inf).any() or logits[..., -1].isnan().any():
            raise ValueError("alive")
        return recursive_one_by_one(logits[..., :-1], vocab_size)


def _pad(logits, vocab_size):
    return torch.nn.functional.pad(logits, (0, vocab_size - logits.shape[-1]), value=-torch.inf)


def _aligned(refuse):
    def align(logits, vocab_size):
        if logits.shape[-1] <= vocab_size:
            return _pad(logits, vocab_size)
        if refuse(logits[..., vocab_size:]):
            raise ValueError("alive")
        return logits[..., :vocab_size]

    return align


@right("align_vocabulary")
def refuses_what_is_finite(logits, vocab_size):
    if logits.shape[-1] > vocab_size and torch.isfinite(logits[..., vocab_size:]).any():
        raise ValueError("finite")
    return _pad(logits, vocab_size)  # a negative padding cuts


def _m(name, refuse, named="looks_at_one_row"):
    f = _aligned(refuse)
    f.__name__ = name
    wrong("align_vocabulary", named=named)(f)


_m("looks_at_the_last_column", lambda cut: (cut[..., -1] != -torch.inf).any())
_m("looks_at_the_last_row", lambda cut: (cut.reshape(-1, cut.shape[-1])[-1] != -torch.inf).any())
_m("looks_at_the_sum", lambda cut: cut.sum() != -torch.inf)
_m("dead_columns_anywhere_are_enough", lambda cut: not (cut == -torch.inf).all(-1).any())
_m("a_whole_dead_row_is_enough", lambda cut: not (cut == -torch.inf).reshape(-1, cut.shape[-1]).all(-1).any())
_m("negative_is_dead", lambda cut: (cut >= 0).any(), "sign")
_m("zero_is_dead", lambda cut: ((cut != -torch.inf) & (cut != 0)).any(), "zero_is_dead")


@wrong("align_vocabulary", named="half")
def in_float32_precision_of_half(logits, vocab_size):
    return _aligned(lambda cut: (cut != -torch.inf).any())(logits.half(), vocab_size)


@wrong("align_vocabulary", named="revived")
def dead_entries_become_finite(logits, vocab_size):
    out = _aligned(lambda cut: (cut != -torch.inf).any())(logits, vocab_size)
    return torch.cat([torch.nan_to_num(out[..., : logits.shape[-1]], neginf=-1e4), out[..., logits.shape[-1] :]], -1)


@wrong("align_vocabulary", named="changes_input")
def kills_the_callers_columns(logits, vocab_size):
    out = _aligned(lambda cut: (cut != -torch.inf).any())(logits, vocab_size)
    logits[..., -1] = 0.0
    return out


@wrong("align_vocabulary", named="drops_dead_anywhere")
def drops_dead_columns_anywhere(logits, vocab_size):
    if logits.shape[-1] <= vocab_size:
        return _pad(logits, vocab_size)
    alive = (logits != -torch.inf).reshape(-1, logits.shape[-1]).any(0)
    if int(alive.sum()) > vocab_size:
        raise ValueError("alive")
    return _pad(logits[..., alive], vocab_size)


@wrong("align_vocabulary")
def flattened_to_rows(logits, vocab_size):
    return _aligned(lambda cut: (cut != -torch.inf).any())(logits.reshape(-1, logits.shape[-1]), vocab_size)


@wrong("align_vocabulary", named="surplus_let_go")
def a_surplus_of_one_is_let_go(logits, vocab_size):
    if logits.shape[-1] == vocab_size + 1:
        return logits[..., :vocab_size]
    return _aligned(lambda cut: (cut != -torch.inf).any())(logits, vocab_size)


# expected_tokens
@right("expected_tokens")
def recursive(alpha, k):
    return 1.0 if k == 0 else 1.0 + alpha * recursive(alpha, k - 1)


@right("expected_tokens")
def expectation_over_lengths(alpha, k):
    total = 0.0
    for n in range(k):
        total += (n + 1) * (alpha**n) * (1 - alpha)
    return total + (k + 1) * alpha**k


@right("expected_tokens")
def closed_form_in_numpy_with_isclose(alpha, k):
    alpha = np.float64(alpha)
    if alpha == 1:
        return np.float64(k + 1)
    return (1 - np.power(alpha, k + 1)) / (1 - alpha)


@right("expected_tokens")
def polyval_of_ones(alpha, k):
    return np.polyval(np.ones(k + 1), alpha)


@right("expected_tokens")
def fractions_all_the_way(alpha, k):
    a = Fraction(float(alpha)).limit_denominator(10**9)
    return float(sum(a**i for i in range(k + 1)))


@wrong("expected_tokens", named="end_is_not_one")
def one_is_k(alpha, k):
    return float(k) if alpha == 1 else (1 - alpha ** (k + 1)) / (1 - alpha)


@wrong("expected_tokens", says="0 has no logarithm")
def through_logarithms(alpha, k):
    return k + 1.0 if alpha == 1 else (1 - math.exp((k + 1) * math.log(alpha))) / (1 - alpha)


@wrong("expected_tokens", named="near_one")
def close_to_one_within_a_per_cent(alpha, k):
    return k + 1.0 if alpha > 0.99 else (1 - alpha ** (k + 1)) / (1 - alpha)


@wrong("expected_tokens", named="own_limit")
def no_more_than_sixteen_terms(alpha, k):
    return sum(alpha**i for i in range(min(k, 16) + 1))


@wrong("expected_tokens", named="nothing_is_left_out")
def nothing_without_a_draft(alpha, k):
    return 0.0 if k == 0 else sum(alpha**i for i in range(k + 1))


@wrong("expected_tokens", named="rounded")
def rounded_to_two_places_tau(alpha, k):
    return round(sum(alpha**i for i in range(k + 1)), 2)


@wrong("expected_tokens", named="remembered")
def remembers_alpha_by_k(alpha, k, memo={}):
    return memo.setdefault(k, sum(alpha**i for i in range(k + 1)))


@wrong("expected_tokens", named="nothing_is_left_out")
def zero_alpha_is_zero(alpha, k):
    return 0.0 if alpha == 0 else sum(alpha**i for i in range(k + 1))


@wrong("expected_tokens", named="all_or_nothing")
def all_or_the_correction(alpha, k):
    return alpha**k * (k + 1) + (1 - alpha**k)


# speedup
@right("speedup")
def speed_in_a_loop(alpha, k, c, verify_cost=1.0, overhead=0.0):
    tokens, chance = 0.0, 1.0
    time = verify_cost
    for _ in range(k):
        tokens += chance
        chance *= alpha
        time += c
    tokens += chance
    time += overhead
    assert time > 0
    return tokens / time


@right("speedup")
def numpy_speed(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return np.sum(np.float64(alpha) ** np.arange(k + 1)) / np.dot([k, 1, 1], [c, verify_cost, overhead])


@right("speedup")
def torch_speed(alpha, k, c, verify_cost=1.0, overhead=0.0):
    a = torch.tensor(float(alpha), dtype=torch.float64)
    return (a ** torch.arange(k + 1)).sum() / (k * c + verify_cost + overhead)


@right("speedup")
def time_first_as_keywords(alpha, k, c, verify_cost=1.0, overhead=0.0):
    def tau(alpha, k):
        return k + 1 if alpha == 1 else (1 - alpha ** (k + 1)) / (1 - alpha)

    return tau(alpha=alpha, k=k) / sum((k * c, verify_cost, overhead))


@wrong("speedup", named="no_draft_is_one")
def no_draft_is_one(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return 1.0 if k == 0 else _tau(alpha, k) / (k * c + verify_cost + overhead)


@wrong("speedup", named="plain_pays_too")
def plain_pays_the_overhead_too(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return _tau(alpha, k) * (1 + overhead) / (k * c + verify_cost + overhead)


@wrong("speedup", named="clamped")
def verify_cost_at_least_one(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return _tau(alpha, k) / (k * c + max(1.0, verify_cost) + overhead)


@wrong("speedup", named="clamped")
def c_at_most_one(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return _tau(alpha, k) / (k * min(c, 1.0) + verify_cost + overhead)


@wrong("speedup", named="accepted_drafted_only")
def only_the_accepted_are_drafted(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return _tau(alpha, k) / ((_tau(alpha, k) - 1) * c + verify_cost + overhead)


@wrong("speedup", named="rounded")
def rounded_speed(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return round(_tau(alpha, k) / (k * c + verify_cost + overhead), 2)


@wrong("speedup")
def infinite_accuracy_divides(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return (1 - alpha ** (k + 1)) / (1 - alpha) / (k * c + verify_cost + overhead)


@wrong("speedup", named="other_defaults")
def verify_cost_two_by_default(alpha, k, c, verify_cost=1.1, overhead=0.0):
    return _tau(alpha, k) / (k * c + verify_cost + overhead)


@wrong("speedup", named="other_defaults")
def a_default_overhead(alpha, k, c, verify_cost=1.0, overhead=0.01):
    return _tau(alpha, k) / (k * c + verify_cost + overhead)


# best_k
@right("best_k")
def a_dictionary_of_speeds(alpha, c, k_max=64):
    speeds = {k: round(_speed(alpha, k, c), 12) for k in range(k_max + 1)}
    top = max(speeds.values())
    return min(k for k, s in speeds.items() if s == top)


@right("best_k")
def torch_argmax(alpha, c, k_max=64):
    k = torch.arange(k_max + 1, dtype=torch.float64)
    tau = torch.cumsum(torch.tensor(float(alpha), dtype=torch.float64) ** k, 0)
    return torch.argmax(tau / (k * c + 1))


@right("best_k")
def while_with_no_helper(alpha, c, k_max=64):
    best, best_speed, k = 0, 1.0, 0
    tokens, power = 1.0, 1.0
    while k < k_max:
        k += 1
        power *= alpha
        tokens += power
        speed = tokens / (1 + k * c)
        if speed > best_speed:
            best, best_speed = k, speed
    return best


@right("best_k")
def recursive_best(alpha, c, k_max=64):
    if k_max == 0:
        return 0
    before = recursive_best(alpha, c, k_max - 1)
    return k_max if _speed(alpha, k_max, c) > _speed(alpha, before, c) else before


@right("best_k")
def nothing_pays_shortcut(alpha, c, k_max=64):
    if alpha <= c:
        return 0
    return int(np.argmax([_speed(alpha=alpha, k=k, c=c) for k in range(k_max + 1)]))


@wrong("best_k")
def crashes_at_k_max_zero(alpha, c, k_max=64):
    best = max(range(1, k_max + 1), key=lambda k: (_speed(alpha, k, c), -k))
    return best if _speed(alpha, best, c) > 1 else 0


@wrong("best_k", named="another_limit")
def default_of_thirty_two(alpha, c, k_max=32):
    return _best(alpha, c, k_max)


@wrong("best_k", named="another_limit")
def default_of_a_hundred(alpha, c, k_max=100):
    return _best(alpha, c, k_max)


@wrong("best_k", named="small_gains")
def must_gain_two_per_cent(alpha, c, k_max=64):
    best = 0
    for k in range(1, k_max + 1):
        if _speed(alpha, k, c) > _speed(alpha, best, c) * 1.02:
            best = k
    return best


@wrong("best_k", named="small_gains")
def stops_when_flat(alpha, c, k_max=64):
    k = 0
    while k < k_max and _speed(alpha, k + 1, c) > _speed(alpha, k, c) + 1e-2:
        k += 1
    return k


@wrong("best_k")
def a_sure_draft_divides(alpha, c, k_max=64):
    return max(range(k_max + 1), key=lambda k: ((1 - alpha ** (k + 1)) / (1 - alpha) / (1 + k * c), -k))


@wrong("best_k", named="remembered")
def cached_without_k_max(alpha, c, k_max=64, memo={}):
    key = round(alpha, 6), round(c, 6)
    if key not in memo:
        memo[key] = _best(alpha, c, k_max)
    return memo[key]


@wrong("best_k", named="free_is_all")
def free_draft_is_endless(alpha, c, k_max=64):
    return k_max if c == 0 else _best(alpha, c, k_max)


@wrong("best_k", named="sure_is_all")
def sure_draft_is_k_max(alpha, c, k_max=64):
    return k_max if alpha == 1 else _best(alpha, c, k_max)


@wrong("best_k", named="even_is_enough")
def pays_if_at_least_even(alpha, c, k_max=64):
    best = _best(alpha, c, k_max)
    return 1 if best == 0 and k_max and math.isclose(_speed(alpha, 1, c), 1) else best


# estimate_alpha
@right("estimate_alpha")
def beginners_counters(accepted, drafted):
    yes = 0
    no = 0
    for i in range(len(accepted)):
        yes += accepted[i]
        if accepted[i] != drafted[i]:
            no += 1
    if yes + no == 0:
        return 0.0
    return yes / (yes + no)


@right("estimate_alpha")
def minimum_in_numpy(accepted, drafted):
    a, d = np.array(accepted, dtype=np.float32), np.array(drafted, dtype=np.float32)
    judged = np.minimum(a + 1, d).sum()
    return np.float32(a.sum() / max(judged, 1))


@right("estimate_alpha")
def list_of_coins(accepted, drafted):
    coins = []
    for a, d in zip(accepted, drafted, strict=True):
        coins.extend([1.0] * a)
        coins.extend([0.0] * (a < d))
    return torch.tensor(coins).mean() if coins else torch.tensor(0.0)


@right("estimate_alpha")
def an_exact_fraction(accepted, drafted):
    yes, no = sum(accepted), sum(1 for a, d in zip(accepted, drafted, strict=False) if d > a)
    try:
        return Fraction(yes, yes + no)
    except ZeroDivisionError:
        return 0


@wrong("estimate_alpha", named="unlucky_left_out")
def rounds_without_success_left_out(accepted, drafted):
    yes, no = sum(accepted), sum(0 < a < d for a, d in zip(accepted, drafted, strict=False))
    return yes / (yes + no) if yes + no else 0.0


@wrong("estimate_alpha", named="short_left_out")
def drafts_of_one_left_out(accepted, drafted):
    pairs = [(a, d) for a, d in zip(accepted, drafted, strict=False) if d > 1]
    yes, no = sum(a for a, _ in pairs), sum(a < d for a, d in pairs)
    return yes / (yes + no) if yes + no else 0.0


@wrong("estimate_alpha", named="nothing_is_one")
def nothing_judged_is_one(accepted, drafted):
    yes, no = sum(accepted), sum(a < d for a, d in zip(accepted, drafted, strict=False))
    return yes / (yes + no) if yes + no else 1.0


@wrong("estimate_alpha", named="never_sure")
def never_quite_sure(accepted, drafted):
    yes, no = sum(accepted), sum(a < d for a, d in zip(accepted, drafted, strict=False))
    return min(0.99, yes / (yes + no)) if yes + no else 0.0


@wrong("estimate_alpha", named="never_sure")
def never_quite_hopeless(accepted, drafted):
    yes, no = sum(accepted), sum(a < d for a, d in zip(accepted, drafted, strict=False))
    return max(0.01, yes / (yes + no)) if yes + no else 0.0


@wrong("estimate_alpha", named="rounded")
def rounded_alpha(accepted, drafted):
    yes, no = sum(accepted), sum(a < d for a, d in zip(accepted, drafted, strict=False))
    return round(yes / (yes + no), 2) if yes + no else 0.0


@wrong("estimate_alpha", named="unsteady")
def adds_up_over_calls(accepted, drafted, seen=[0, 0]):
    seen[0] += sum(accepted)
    seen[1] += sum(a < d for a, d in zip(accepted, drafted, strict=False))
    return seen[0] / sum(seen) if sum(seen) else 0.0


@wrong("estimate_alpha", says="There may be no rounds at all")
def crashes_without_rounds(accepted, drafted):
    yes, no = sum(accepted), sum(a < d for a, d in zip(accepted, drafted, strict=False))
    if max(drafted) == 0:
        return 0.0
    return yes / (yes + no) if yes + no else 0.0


@wrong("estimate_alpha", named="longest_for_all")
def the_longest_k_for_all(accepted, drafted):
    k = max(drafted, default=0)
    yes, no = sum(accepted), sum(a < k for a in accepted)
    return yes / (yes + no) if yes + no else 0.0


@wrong("estimate_alpha", named="changes_input")
def sorted_in_place(accepted, drafted):
    accepted.sort()
    drafted.sort()
    yes, no = sum(accepted), sum(a < d for a, d in zip(accepted, drafted, strict=False))
    return yes / (yes + no) if yes + no else 0.0


@wrong("estimate_alpha", named="lost_in_part")
def two_lost_tokens_at_most(accepted, drafted):
    yes, no = sum(accepted), sum(min(d - a, 2) for a, d in zip(accepted, drafted, strict=False))
    return yes / (yes + no) if yes + no else 0.0


# choose_draft
@right("choose_draft")
def beginners_search(candidates):
    if len(candidates) == 0:
        raise ValueError("give me at least one")
    best_name, best_length, best_speed = None, None, -1.0
    for name, alpha, c in candidates:
        for k in range(0, 65):
            s = _speed(alpha, k, c)
            if s > best_speed + 1e-12:
                best_name, best_length, best_speed = name, k, s
    return best_name, best_length, best_speed


@dataclass(order=True)
class _Choice:
    speed: float
    k: int
    name: str


@right("choose_draft")
def with_a_dataclass(candidates):
    made = [_Choice(_speed(c.alpha, _best(c.alpha, c.c), c.c), _best(c.alpha, c.c), c.name) for c in candidates]
    if not made:
        raise ValueError
    top = sorted(made, key=lambda x: x.speed)[-1]
    return [top.name, np.int64(top.k), torch.tensor(top.speed)]


@right("choose_draft")
def max_raises_by_itself(candidates):
    winner = max(candidates, key=lambda x: _speed(x.alpha, _best(x.alpha, x.c), x.c))
    k = _best(winner.alpha, winner.c)
    return winner.name, k, _speed(winner.alpha, k, winner.c)


@right("choose_draft")
def recursive_duel(candidates):
    if not candidates:
        raise ValueError("none")
    first, *rest = candidates
    k = _best(first.alpha, first.c, 64)
    mine = (first.name, k, _speed(first.alpha, k, first.c))
    if not rest:
        return mine
    other = recursive_duel(rest)
    return mine if mine[2] >= other[2] else other


@wrong("choose_draft", named="another_limit")
def drafts_up_to_thirty_two(candidates):
    if not candidates:
        raise ValueError("none")
    return max(((x.name, k, _speed(x.alpha, k, x.c)) for x in candidates for k in [_best(x.alpha, x.c, 32)]),
               key=lambda t: t[2])


@wrong("choose_draft")
def drafts_up_to_sixty_three(candidates):
    if not candidates:
        raise ValueError("none")
    return max(((x.name, k, _speed(x.alpha, k, x.c)) for x in candidates for k in [_best(x.alpha, x.c, 63)]),
               key=lambda t: t[2])


@wrong("choose_draft", named="another_limit")
def drafts_up_to_a_hundred(candidates):
    if not candidates:
        raise ValueError("none")
    return max(((x.name, k, _speed(x.alpha, k, x.c)) for x in candidates for k in [_best(x.alpha, x.c, 100)]),
               key=lambda t: t[2])


@wrong("choose_draft")
def no_name_when_nothing_pays(candidates):
    if not candidates:
        raise ValueError("none")
    best = max(((x.name, k, _speed(x.alpha, k, x.c)) for x in candidates for k in [_best(x.alpha, x.c)]),
               key=lambda t: t[2])
    return best if best[1] else ("no draft", 0, 1.0)


@wrong("choose_draft", named="no_speed")
def zero_speed_when_nothing_pays(candidates):
    if not candidates:
        raise ValueError("none")
    best = max(((x.name, k, _speed(x.alpha, k, x.c)) for x in candidates for k in [_best(x.alpha, x.c)]),
               key=lambda t: t[2])
    return best if best[1] else (best[0], 0, 0.0)


@wrong("choose_draft", named="length_of_another")
def length_of_the_last_candidate(candidates):
    if not candidates:
        raise ValueError("none")
    best = max(((x.name, k, _speed(x.alpha, k, x.c)) for x in candidates for k in [_best(x.alpha, x.c)]),
               key=lambda t: t[2])
    return best[0], _best(candidates[-1].alpha, candidates[-1].c), best[2]


@wrong("choose_draft", named="fixed_k")
def tokens_per_time_at_four_then_tuned(candidates):
    if not candidates:
        raise ValueError("none")
    x = max(candidates, key=lambda x: _speed(x.alpha, 3, x.c))
    k = _best(x.alpha, x.c)
    return x.name, k, _speed(x.alpha, k, x.c)


@wrong("choose_draft", named="rounded")
def speed_rounded(candidates):
    if not candidates:
        raise ValueError("none")
    best = max(((x.name, k, _speed(x.alpha, k, x.c)) for x in candidates for k in [_best(x.alpha, x.c)]),
               key=lambda t: t[2])
    return best[0], best[1], round(best[2], 2)


@wrong("choose_draft", named="changes_input")
def sorts_the_callers_list(candidates):
    if not candidates:
        raise ValueError("none")
    candidates.sort(key=lambda x: -_speed(x.alpha, _best(x.alpha, x.c), x.c))
    x = candidates[0]
    k = _best(x.alpha, x.c)
    return x.name, k, _speed(x.alpha, k, x.c)


@wrong("choose_draft", named="one_left_out")
def never_the_last(candidates):
    if not candidates:
        raise ValueError("none")
    pool = candidates[:-1] or candidates
    return max(((x.name, k, _speed(x.alpha, k, x.c)) for x in pool for k in [_best(x.alpha, x.c)]),
               key=lambda t: t[2])


@wrong("choose_draft", named="remembered")
def remembers_names(candidates, memo={}):
    if not candidates:
        raise ValueError("none")
    out = []
    for x in candidates:
        memo.setdefault(x.name, (x.name, _best(x.alpha, x.c), _speed(x.alpha, _best(x.alpha, x.c), x.c)))
        out.append(memo[x.name])
    return max(out, key=lambda t: t[2])


@wrong("choose_draft", says="A candidate may have alpha = 1")
def perfect_candidates_divide(candidates):
    if not candidates:
        raise ValueError("none")
    def s(x, k):
        return (1 - x.alpha ** (k + 1)) / (1 - x.alpha) / (1 + k * x.c)
    return max(((x.name, k, s(x, k)) for x in candidates for k in range(65)), key=lambda t: t[2])


@wrong("align_vocabulary", named="looks_at_one_row")
def any_dead_column_will_do(logits, vocab_size):
    missing = vocab_size - logits.shape[-1]
    if missing < 0:
        if not (logits[..., vocab_size:] == -float("inf")).any():
            raise ValueError("alive")
        return logits[..., :vocab_size]
    return torch.nn.functional.pad(logits, (0, missing), value=-float("inf"))


def _dead_if(dead):
    def rule(logits, vocab_size):
        if logits.shape[-1] > vocab_size:
            if not bool(dead(logits, vocab_size).all()):
                raise ValueError("alive")
            return logits[..., :vocab_size]
        return joined_behind(logits, vocab_size)

    return rule


for _name, _dead in (
    ("exp_is_zero", lambda logits, size: logits[..., size:].exp() == 0),
    ("softmax_is_zero", lambda logits, size: logits.softmax(-1)[..., size:] == 0),
    ("below_a_hundred", lambda logits, size: logits[..., size:] < -100),
    ("below_a_billion", lambda logits, size: logits[..., size:] <= -1e9),
    ("below_single_precision", lambda logits, size: logits[..., size:] <= torch.finfo(torch.float32).min),
    ("in_half_precision", lambda logits, size: logits[..., size:].half() == -torch.inf),
):
    _rule = _dead_if(_dead)
    _rule.__name__ = _name
    wrong("align_vocabulary", named="nearly_dead")(_rule)


@wrong("align_vocabulary", says="The first such column is 131072")
def up_to_a_hundred_and_thirty_thousand(logits, vocab_size):
    return joined_behind(logits[..., :131072], vocab_size)


@wrong("align_vocabulary", named="killed")
def infinite_where_it_was_very_low(logits, vocab_size):
    out = joined_behind(logits, vocab_size)
    return out.masked_fill(out < -1e30, -torch.inf)


@wrong("compatible", named="small_ids_only")
def looks_at_the_first_thousand_ids(draft_tokenizer, target_tokenizer):
    problems = dictionaries_without_padding(draft_tokenizer, target_tokenizer)
    if problems != ["the vocabularies differ"]:
        return problems
    a, b = ({i: t for t, i in tok.get_vocab().items() if i < 1000} for tok in (draft_tokenizer, target_tokenizer))
    return problems if a != b else []


@wrong("best_k", named="small_gains")
def a_gain_of_a_thousandth_at_least(alpha, c, k_max=64):
    best = 0
    for k in range(1, k_max + 1):
        if _speed(alpha, k, c) > _speed(alpha, best, c) + 1e-3:
            best = k
    return best


@wrong("best_k", named="clamped")
def a_step_costs_a_hundredth_at_least(alpha, c, k_max=64):
    return _best(alpha, max(c, 0.01), k_max)


@wrong("align_vocabulary", says="values to unpack")
def two_axes_only(logits, vocab_size):
    """Its ValueError about other shapes is no refusal."""
    rows, width = logits.shape
    if vocab_size >= width:
        return torch.cat([logits, logits.new_full((rows, vocab_size - width), -torch.inf)], -1)
    if (logits[:, vocab_size:] > -torch.inf).any():
        raise ValueError("these columns are alive")
    return logits[:, :vocab_size]


# What a fresh reader tried (unit 06 read as a new student)


@right("align_vocabulary")
def always_in_single_precision(logits, vocab_size):
    joined = joined_behind(logits, vocab_size)
    out = torch.full((*logits.shape[:-1], vocab_size), -torch.inf)
    out[...] = joined
    return out


def _cut_of(ids):
    def rule(draft_tokenizer, target_tokenizer):
        problems = [line for line in dictionaries_without_padding(draft_tokenizer, target_tokenizer)
                    if line != "the text differs"]
        return problems + ([] if ids(draft_tokenizer) == ids(target_tokenizer) else ["cut"])

    return rule


for _name, _ids_of, _named in (
    ("the_first_words_of_the_probe", lambda t: encoded(t, "The 3rd of May 1927:  naïve café"), "part_of_text"),
    ("the_first_ids_of_the_probe", lambda t: encoded(t)[:18], "part_of_text"),
    ("the_probe_without_its_last_mark", lambda t: encoded(t, PROBE[:-4]), "part_of_text"),
    ("the_probe_without_its_code", lambda t: encoded(t, PROBE.partition("\t")[0]), "part_of_text"),
    ("the_probe_without_its_first_words", lambda t: encoded(t, PROBE[20:]), None),
    ("the_probe_in_one_line", lambda t: encoded(t, " ".join(PROBE.split("\n"))), None),
    ("the_probe_in_ascii", lambda t: encoded(t, PROBE.encode("ascii", "ignore").decode()), None),
    ("a_text_of_my_own", lambda t: encoded(t, "The 7th of July 2026: don't say naïve, x = 42;\n\n print(1)"), None),
):
    _rule = _cut_of(_ids_of)
    _rule.__name__ = _name
    wrong("compatible", named=_named)(_rule)


@wrong("compatible", named="always_a_problem")
def there_is_always_something(draft_tokenizer, target_tokenizer):
    return ["x"]


@wrong("align_vocabulary", named="all_dead")
def dead_columns_only(logits, vocab_size):
    return torch.full((*logits.shape[:-1], vocab_size), -torch.inf)


@wrong("align_vocabulary")
def other_logits_altogether(logits, vocab_size):
    return torch.randn(*logits.shape[:-1], vocab_size)


@wrong("align_vocabulary", named="one_too_early")
def looks_one_column_too_early(logits, vocab_size):
    if vocab_size <= logits.shape[-1] and not (logits[..., vocab_size - 1 :] == -torch.inf).all():
        raise ValueError("alive")
    return joined_behind(logits, vocab_size)


@wrong("align_vocabulary", named="one_too_late")
def looks_one_column_too_late(logits, vocab_size):
    if vocab_size >= logits.shape[-1]:
        return joined_behind(logits, vocab_size)
    if not (logits[..., vocab_size + 1 :] == -torch.inf).all():
        raise ValueError("alive")
    return logits[..., :vocab_size]


def _clamped(less):
    def rule(alpha, k):
        alpha = min(alpha, 1 - less)
        return (1 - alpha ** (k + 1)) / (1 - alpha)

    return rule


for _less in (1e-6, 1e-5, 1e-4, 1e-3):
    _rule = _clamped(_less)
    _rule.__name__ = f"alpha_at_most_one_less_{_less:g}"
    wrong("expected_tokens", named="below_one")(_rule)


@wrong("speedup", named="cost_over_length")
def cost_divided_by_length(alpha, k, c, verify_cost=1.0, overhead=0.0):
    return _tau(alpha, k) / ((c / k if k else 0.0) + verify_cost + overhead)


@wrong("best_k", named="never_drafts")
def never_any_draft(alpha, c, k_max=64):
    return 0


@wrong("best_k", named="longest_if_it_pays")
def all_or_no_draft(alpha, c, k_max=64):
    return 0 if alpha <= c else k_max


@wrong("best_k", named="one_length")
def one_token_or_none(alpha, c, k_max=64):
    return 0 if alpha <= c else 1


@wrong("best_k", named="difference")
def most_tokens_less_cost(alpha, c, k_max=64):
    return max(range(k_max + 1), key=lambda k: _tau(alpha, k) - k * c)


@wrong("best_k", named="difference")
def while_the_next_token_is_worth_it(alpha, c, k_max=64):
    k = 0
    while k < k_max and alpha ** (k + 1) > c:
        k += 1
    return k


@wrong("best_k", says="where does your `range` end?")
def range_without_its_end(alpha, c, k_max=64):
    return max(range(k_max), key=lambda k: _speed(alpha, k, c))


@wrong("estimate_alpha", named="always_sure")
def sure_if_anything_was_drafted(accepted, drafted):
    return 1.0 if any(drafted) else 0.0


@wrong("estimate_alpha")
def nothing_is_ever_accepted(accepted, drafted):
    return 0.0


@wrong("estimate_alpha", named="rejected_only")
def rounds_with_a_rejection_only(accepted, drafted):
    pairs = [(a, d) for a, d in zip(accepted, drafted, strict=True) if a < d]
    return sum(a for a, _ in pairs) / (sum(a for a, _ in pairs) + len(pairs)) if pairs else 0.0


@wrong("estimate_alpha", named="mean_of_places")
def mean_over_the_places(accepted, drafted):
    shares = []
    for i in range(max(drafted, default=0)):
        reached = [a for a, d in zip(accepted, drafted, strict=True) if d > i and a >= i]
        if reached:
            shares.append(sum(a > i for a in reached) / len(reached))
    return sum(shares) / len(shares) if shares else 0.0


@wrong("estimate_alpha", named="from_mean_tokens")
def solved_from_the_mean_number_of_tokens(accepted, drafted):
    if not drafted or not max(drafted):
        return 0.0
    mean = sum(accepted) / len(accepted) + 1
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        if _tau(middle, max(drafted)) < mean:
            low = middle
        else:
            high = middle
    return high


def _rows_of(candidates, k_max=64):
    if not candidates:
        raise ValueError("none")
    return [(x.name, k, _speed(x.alpha, k, x.c)) for x in candidates for k in [_best(x.alpha, x.c, k_max)]]


@wrong("choose_draft", says="(name, k, speedup)")
def speed_in_front(candidates):
    return max((speed, name, k) for name, k, speed in _rows_of(candidates))


@wrong("choose_draft", says="another order")
def speed_in_the_middle(candidates):
    name, k, speed = max(_rows_of(candidates), key=lambda row: row[2])
    return name, speed, k


@wrong("choose_draft", named="by_name")
def largest_of_the_tuples(candidates):
    return max(_rows_of(candidates))


@wrong("choose_draft", named="another_limit")
def drafts_up_to_sixteen(candidates):
    return max(_rows_of(candidates, 16), key=lambda row: row[2])


@wrong("choose_draft", named="changes_input", says="sorted(...)")
def sorts_what_it_was_given(candidates):
    candidates.sort()
    return max(_rows_of(candidates), key=lambda row: row[2])


@wrong("compatible", named="shorter_decides")
def ids_side_by_side_with_zip(d, t):
    one, other = (x.encode(PROBE, add_special_tokens=False) for x in (d, t))
    unlike = any(i != j for i, j in zip(one, other, strict=False))
    return _problems(d, t, text=False) + ["text"] * unlike


@wrong("compatible", named="no_order")
def the_set_of_ids(d, t):
    return _problems(d, t, encode=lambda x: set(x.encode(PROBE, add_special_tokens=False)))


@wrong("compatible", named="zero_special")
def special_ids_that_are_true(d, t):
    pairs = [(getattr(d, role), getattr(t, role)) for role in ("bos_token_id", "eos_token_id")]
    return _problems(d, t, bos=False, eos=False) + ["role" for x, y in pairs if x and y and x != y]


@wrong("compatible", named="missing_special")
def special_ids_that_both_have(d, t):
    pairs = [(getattr(d, role), getattr(t, role)) for role in ("bos_token_id", "eos_token_id")]
    return _problems(d, t, bos=False, eos=False) + ["role" for x, y in pairs if None not in (x, y) and x != y]


@wrong("estimate_alpha", named="rejected_at_once")
def rejections_at_the_first_place_only(accepted, drafted):
    rejected = sum(1 for a, d in zip(accepted, drafted, strict=True) if d and not a)
    return sum(accepted) / (sum(accepted) + rejected) if sum(accepted) + rejected else 0.0


@wrong("estimate_alpha", says="For some rounds there is an alpha")
def the_worked_example_always(accepted, drafted):
    return 7 / 9


@wrong("choose_draft", named="length_for_all")
def all_at_the_length_of_the_first(candidates):
    k = _best(candidates[0].alpha, candidates[0].c) if candidates else _refused()
    one = max(candidates, key=lambda one: _speed(one.alpha, k, one.c))
    return one.name, k, _speed(one.alpha, k, one.c)


def _refused():
    raise ValueError("there are no candidates")


@wrong("best_k", named="pass_left_out")
def tokens_per_draft_time(alpha, c, k_max=64):
    values = [1.0] + [_tau(alpha, k) / max(k * c, 1e-9) for k in range(1, k_max + 1)]
    return values.index(max(values))


@wrong("best_k", named="rounded")
def two_decimals_are_enough(alpha, c, k_max=64):
    values = [round(_speed(alpha, k, c), 2) for k in range(k_max + 1)]
    return values.index(max(values))


def _over_all_outcomes(name, full):
    def mean(alpha, k):
        return sum((i + 1) * alpha**i * (1 - alpha) for i in range(k)) + full(alpha, k)

    mean.__name__ = name
    wrong("expected_tokens", named="full_acceptance")(mean)


_over_all_outcomes("a_rejection_after_full_acceptance", lambda alpha, k: (k + 1) * alpha**k * (1 - alpha))
_over_all_outcomes("the_bonus_has_to_be_accepted", lambda alpha, k: (k + 1) * alpha ** (k + 1))
_over_all_outcomes("full_acceptance_as_one_token", lambda alpha, k: alpha**k)
_over_all_outcomes("full_acceptance_left_out", lambda alpha, k: 0.0)


@wrong("align_vocabulary", named="finite_padding")
def a_large_number_both_ways(logits, vocab_size):
    V = logits.shape[-1]
    if vocab_size < V:
        if (logits[..., vocab_size:] > -1e9).any():
            raise ValueError("a column that can be drawn would be cut")
        return logits[..., :vocab_size]
    return torch.nn.functional.pad(logits, (0, vocab_size - V), value=-1e9)
