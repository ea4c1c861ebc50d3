"""Slips of beginners in units 04 to 07: nearly right, one misunderstanding each; right answers in unusual forms."""

import numpy as np
import torch

from answers import right, wrong
from answers.slips import named_as
from specdec_course.models.vocabulary import PROBE
from specdec_course.sampling import Sampling
from specdec_course.theory import best_k, expected_tokens, speedup
from specdec_course.trace import Decoded, Round
from specdec_course.verification import acceptance_probability, residual, verify_greedy

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


def _top_k_where(removed):
    def next_token_distribution(logits, temperature, top_k=None, top_p=None):
        if temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float()
        scaled = logits / temperature
        if top_k is not None and top_k < scaled.shape[-1]:
            scaled = scaled.masked_fill(removed(scaled, top_k), -torch.inf)
        probs = scaled.softmax(-1)
        if top_p is not None:
            heights, order = probs.sort(-1, descending=True)
            keep = heights.cumsum(-1) - heights < top_p
            keep[..., 0] = True
            probs = torch.zeros_like(probs).scatter(-1, order, heights * keep)
        return probs / probs.sum(-1, keepdim=True)

    return next_token_distribution


for _name, _mistake, _removed in (
    ("removes_the_kth_too", "drops_kth", lambda z, k: z <= z.topk(k, -1).values[..., -1:]),
    ("keeps_the_next_as_well", "keeps_k_and_one", lambda z, k: z < z.topk(k + 1, -1).values[..., -1:]),
):
    wrong("next_token_distribution", named=_mistake)(named_as(_name, _top_k_where(_removed)))


@wrong("expected_acceptance", named="plain_sum")
def adds_the_chances_up(p, q):
    return float(torch.where(q > 0, (p / q).clamp(max=1), 0.0).sum())


for _name, _rule in (
    ("adds_a_hundred_millionth", lambda p, q: torch.clamp(p / (q + 1e-8), max=1.0)),
    ("limits_q_from_below", lambda p, q: (p / q.clamp(min=1e-6)).clamp(max=1.0)),
    ("adds_it_above_and_below", lambda p, q: torch.minimum((p + 1e-9) / (q + 1e-9), torch.ones_like(p))),
):
    wrong("acceptance_probability", named="epsilon")(named_as(_name, _rule))


def _none_below(limit):
    def residual(p, q):
        left = torch.relu(p - q)
        return p.clone() if left.sum() < limit else left / left.sum()

    return residual


for _limit in (1e-3, 1e-4):
    wrong("residual", named="small_is_none")(named_as(f"nothing_is_left_below_{_limit:g}", _none_below(_limit)))
for _limit in (1e-6, 1e-8):
    right("residual")(named_as(f"round_off_is_below_{_limit:g}", _none_below(_limit)))


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


@wrong("best_k", named="misses_zero")
def climbs_from_one(alpha, c, k_max=64):
    k = 1
    while k < k_max and speedup(alpha, k + 1, c) > speedup(alpha, k, c) + 1e-12:
        k += 1
    return k


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


# ---- both filters, an early end ------------------------------------------------------------------------------------


def _one_filter_at_most(name, first, second):
    def propose(draft, ids, k, sampling, dice):
        text, rows = ids, []
        for _ in range(k):
            given = {one: getattr(sampling, one) for one in (first, second) if getattr(sampling, one) is not None}
            kept = dict(list(given.items())[:1])
            rows.append(Sampling(sampling.temperature, **kept)(draft(text)[-1]))
            text = torch.cat([text, text.new_tensor([dice.roll(rows[-1])])])
        return text[len(ids) :], torch.stack(rows) if rows else torch.zeros(0, 0)

    propose.__name__ = name
    return propose


wrong("propose_stochastic", named="one_filter_only")(_one_filter_at_most("top_p_only_without_top_k", "top_k", "top_p"))
wrong("propose_stochastic", named="one_filter_only")(_one_filter_at_most("top_k_only_without_top_p", "top_p", "top_k"))


@wrong("generate_cached")
def takes_back_what_was_never_drafted(target, draft, ids, k, max_new_tokens, eos_token_id=None):
    text, rounds, end = ids, [], len(ids) + max_new_tokens
    while len(text) < end and not (rounds and int(text[-1]) == eos_token_id):
        planned, guessed = min(k, end - len(text) - 1), text[:0]
        for _ in range(planned):
            row = draft.append(torch.cat([text, guessed])[draft.length :])[-1]
            guessed = torch.cat([guessed, row.argmax().view(1)])
            if guessed[-1] == eos_token_id:
                break
        given = torch.cat([text, guessed])[target.length :]
        new = verify_greedy(guessed, target.append(given)[-len(guessed) - 1 :])
        accepted = len(new) - 1
        target.rollback(len(guessed) - accepted)
        draft.rollback(max(0, planned - 1 - accepted))
        if eos_token_id is not None and (new == eos_token_id).any():
            new = new[: int((new == eos_token_id).nonzero()[0]) + 1]
        rounds.append(Round(len(guessed), min(accepted, len(new)), len(new)))
        text = torch.cat([text, new])
    return Decoded(text, rounds)


# ---- what is seen of a mistake must be true of it ------------------------------------------------------------------


@right("next_token_distribution")
def ties_with_the_crossing_token_stay(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits)
    p = torch.softmax(logits.double() / temperature, -1)
    if top_k is not None:
        p = p * (p >= p.topk(min(top_k, p.shape[-1]), -1).values[..., -1:])
        p = p / p.sum(-1, keepdim=True)
    if top_p is not None:
        heights = p.sort(-1, descending=True).values
        needed = (heights.cumsum(-1) - heights < top_p).sum(-1, keepdim=True).clamp(min=1)
        p = p * (p >= heights.gather(-1, needed - 1))
        p = p / p.sum(-1, keepdim=True)
    return p


@wrong("acceptance_probability", says="is due")
def q_never_below_a_limit(p, q):
    ratio = torch.minimum(p / q.clamp(min=1e-9), torch.ones_like(p))
    return torch.where(q > 0, ratio, (p > 0).to(p))


@wrong("expected_acceptance", says="and you answer")
def largest_difference(p, q):
    return 1 - torch.dist(p, q, p=float("inf"))


@wrong("verify_stochastic", says="whatever the dice show")
def an_empty_draft_is_greedy(draft, q, p, dice):
    for i, x in enumerate(draft.tolist()):
        if not dice.flip(acceptance_probability(p[i], q[i])[x]):
            return torch.cat([draft[:i], draft.new_tensor([dice.roll(residual(p[i], q[i]))])])
    last = dice.roll(p[-1]) if len(draft) else int(p[-1].argmax())
    return torch.cat([draft, draft.new_tensor([last])])


@wrong("verify_stochastic", says="added to q")
def a_little_more_than_q(draft, q, p, dice):
    for i, x in enumerate(draft.tolist()):
        if not dice.flip(min(1.0, float(p[i, x]) / (float(q[i, x]) + 1e-6))):
            return torch.tensor([*draft[:i].tolist(), dice.roll(residual(p[i], q[i]))])
    return torch.tensor([*draft.tolist(), dice.roll(p[-1])])


@wrong("static_mask", says="another new one in front of it")
def the_text_and_itself(length, n_new, max_length):
    mask = torch.zeros(n_new, max_length, dtype=torch.bool)
    mask[:, :length] = True
    mask[range(n_new), range(length, length + n_new)] = True
    return mask


@wrong("kv_cache_bytes", says="hidden_size")
def works_the_default_out_first(config, length, batch=1, bytes_per_value=2):
    wide = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    wide = wide or config.hidden_size // config.num_attention_heads
    return 2 * wide * config.num_key_value_heads * config.num_hidden_layers * length * batch * bytes_per_value


@wrong("best_k")
def halves_between_two(alpha, c, k_max=64):
    low, high = 0, k_max
    while high - low > 2:
        one, other = low + (high - low) // 3, high - (high - low) // 3
        low, high = (one + 1, high) if speedup(alpha, one, c) < speedup(alpha, other, c) else (low, max(one, other - 1))
    return max((low, high), key=lambda k: speedup(alpha, k, c))


@wrong("estimate_alpha", says="returned 0.")
def each_kind_of_round_once(accepted, drafted):
    kinds = set(zip(accepted, drafted, strict=True))
    good, bad = sum(a for a, _ in kinds), sum(1 for a, d in kinds if a < d)
    return good / (good + bad) if good + bad else 0.0


def _in_single(values):
    return torch.tensor([float(x) for x in values], dtype=torch.float32).tolist()


@wrong("confident_prefix", named="single_precision")
def prefix_in_single(confidences, threshold):
    below = [i for i, x in enumerate(_in_single(confidences)) if x < threshold]
    return below[0] if below else len(confidences)


@wrong("bild_policy", named="single_precision")
def policy_in_single(draft_confidence, target_probability, fallback, rollback):
    mine, theirs = _in_single(draft_confidence), _in_single(target_probability)
    if not mine or mine[-1] >= fallback:
        return False, []
    first = next((i for i, x in enumerate(theirs) if x < rollback), len(mine))
    return True, list(range(first, len(mine)))


class _Fading:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life, self.good, self.bad = prior, half_life, 0.0, 0.0

    def update(self, accepted, rejected):
        bad = min(1, rejected)
        fade = self.fade(accepted, bad)
        self.good, self.bad = self.good * fade + accepted, self.bad * fade + bad

    @property
    def alpha(self):
        yes, no = self.prior[0] + self.good, self.prior[1] + self.bad
        return yes / (yes + no)


@wrong("AcceptanceTracker", says="12 judged tokens ago")
class InWholeHalfLives(_Fading):
    def fade(self, accepted, bad):
        return 0.5 ** ((accepted + bad) // self.half_life)


@wrong("AcceptanceTracker", says="is due")
class OneMoreThanAccepted(_Fading):
    def fade(self, accepted, bad):
        return 0.5 ** ((accepted + 1) / self.half_life) if accepted + bad else 1.0
