"""Answers to unit 04, right and wrong, written independently of the package and of the checks' own wrong rules."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F

from answers import right, wrong
from specdec_course.sampling import Dice, Sampling
from specdec_course.verification import acceptance_probability, residual

# ---- next_token_distribution -------------------------------------------------------------------------------------


def _row_by_row(logits, one):
    flat = logits.reshape(-1, logits.shape[-1])
    return torch.stack([one(row) for row in flat]).reshape(logits.shape)


def _plain_filters(row, temperature, top_k, top_p):
    """One row, Python lists only."""
    values = row.tolist()
    if temperature == 0:
        best = values.index(max(values))
        return [1.0 if i == best else 0.0 for i in range(len(values))]
    top = max(values)
    probs = [math.exp((v - top) / temperature) for v in values]
    probs = [x / sum(probs) for x in probs]
    order = sorted(range(len(probs)), key=lambda i: -probs[i])
    if top_k is not None:
        order = order[:top_k]
    mass = sum(probs[i] for i in order)
    kept, reached = [], 0.0
    for i in order:
        kept.append(i)
        reached += probs[i] / mass
        if top_p is not None and reached >= top_p:
            break
    total = sum(probs[i] for i in kept)
    return [probs[i] / total if i in kept else 0.0 for i in range(len(probs))]


@right("next_token_distribution")
def distribution_in_plain_python(logits, temperature, top_k=None, top_p=None):
    return _row_by_row(logits, lambda row: torch.tensor(_plain_filters(row, temperature, top_k, top_p)))


@right("next_token_distribution")
def distribution_in_numpy(logits, temperature, top_k=None, top_p=None):
    x = np.array(logits, dtype=np.float64)
    if temperature == 0:
        return np.eye(x.shape[-1])[x.argmax(-1)]
    x = np.exp((x - x.max(-1, keepdims=True)) / temperature)
    x /= x.sum(-1, keepdims=True)
    rank = (-x).argsort(-1).argsort(-1)
    if top_k is not None:
        x = np.where(rank < top_k, x, 0)
        x /= x.sum(-1, keepdims=True)
    if top_p is not None:
        ahead = np.array([[row[row > value].sum() for value in row] for row in x.reshape(-1, x.shape[-1])])
        x = np.where((ahead.reshape(x.shape) < top_p) | (rank == 0), x, 0)
    return x / x.sum(-1, keepdims=True)


@right("next_token_distribution")
def distribution_with_masked_logits(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        out = torch.zeros_like(logits)
        return out.scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    x = logits / temperature
    if top_k is not None and top_k < x.shape[-1]:
        x = x.masked_fill(x < torch.sort(x, descending=True).values[..., top_k - 1 : top_k], -torch.inf)
    if top_p is not None:
        ordered, places = torch.sort(x, descending=True)
        cumulative = ordered.softmax(-1).cumsum(-1)
        remove = cumulative >= top_p
        remove[..., 1:] = remove[..., :-1].clone()
        remove[..., 0] = False
        x = x.masked_fill(torch.zeros_like(remove).scatter(-1, places, remove), -torch.inf)
    return x.softmax(-1)


def _wrong_nucleus(logits, temperature, top_k, top_p, stays):
    """Right but for `stays(cumulative, ordered, top_p)`, which tokens of the sorted row stay."""
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    x = (logits / temperature).softmax(-1)
    if top_k is not None:
        values, places = x.topk(min(top_k, x.shape[-1]))
        x = torch.zeros_like(x).scatter(-1, places, values)
        x = x / x.sum(-1, keepdim=True)
    if top_p is not None:
        ordered, places = x.sort(descending=True)
        mask = stays(ordered.cumsum(-1), ordered, top_p)
        x = torch.zeros_like(x).scatter(-1, places, ordered * mask)
        x = x / x.sum(-1, keepdim=True)
    return x


@wrong("next_token_distribution", named="drops_crossing")
def nucleus_without_the_crossing_token(logits, temperature, top_k=None, top_p=None):
    return _wrong_nucleus(logits, temperature, top_k, top_p, lambda total, own, mass: total <= mass)


@wrong("next_token_distribution", named="drops_crossing")
def nucleus_that_only_guards_the_first(logits, temperature, top_k=None, top_p=None):
    def stays(total, own, mass):
        mask = total < mass
        mask[..., 0] = True
        return mask

    return _wrong_nucleus(logits, temperature, top_k, top_p, stays)


@wrong("next_token_distribution", named="keeps_one_more")
def nucleus_with_one_token_more(logits, temperature, top_k=None, top_p=None):
    def stays(total, own, mass):
        n = (total < mass).sum(-1, keepdim=True) + 2
        return torch.arange(total.shape[-1]).expand_as(total) < n

    return _wrong_nucleus(logits, temperature, top_k, top_p, stays)


@wrong("next_token_distribution", named="zero_temperature")
def divides_by_zero_temperature(logits, temperature, top_k=None, top_p=None):
    x = (logits / temperature).softmax(-1)
    return x


@wrong("next_token_distribution", named="tie_is_split")
def zero_temperature_keeps_all_ties(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        best = (logits == logits.max(-1, keepdim=True).values).float()
        return best / best.sum(-1, keepdim=True)
    return distribution_with_masked_logits(logits, temperature, top_k, top_p)


@wrong("next_token_distribution", named="times_temperature")
def multiplies_by_temperature(logits, temperature, top_k=None, top_p=None):
    return distribution_in_numpy(logits.double() * (temperature or 1) ** 2, temperature, top_k, top_p)


@wrong("next_token_distribution", named="times_temperature")
def multiplies_by_temperature_even_by_zero(logits, temperature, top_k=None, top_p=None):
    return distribution_in_numpy(logits * temperature, 1.0, top_k, top_p)


@wrong("next_token_distribution", named="ignores_temperature")
def temperature_on_the_probabilities(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        return distribution_in_numpy(logits, 0)
    x = F.softmax(logits, -1) / temperature
    return distribution_with_masked_logits((x / x.sum(-1, keepdim=True)).log(), 1.0, top_k, top_p)


@wrong("next_token_distribution", named="top_p_first")
def nucleus_before_top_k(logits, temperature, top_k=None, top_p=None):
    x = distribution_in_numpy(logits, temperature, None, top_p)
    return distribution_in_numpy(torch.tensor(x).log(), 1.0 if temperature else 0, top_k)


@wrong("next_token_distribution", named="whole_batch")
def one_threshold_for_all_rows(logits, temperature, top_k=None, top_p=None):
    x = torch.tensor(distribution_in_numpy(logits, temperature))
    if temperature and top_k is not None:
        cut = x.reshape(-1).sort(descending=True).values[: top_k][-1]
        x = torch.where(x >= cut, x, torch.zeros_like(x))
        x = x / x.sum(-1, keepdim=True)
    return torch.tensor(distribution_in_numpy(x.log(), 1.0, None, top_p))


@wrong("next_token_distribution", named="not_scattered")
def returns_the_sorted_row(logits, temperature, top_k=None, top_p=None):
    x = torch.tensor(distribution_in_numpy(logits, temperature, top_k, top_p))
    return x.sort(-1, descending=True).values if top_p is not None else x


@wrong("next_token_distribution", named="not_rescaled")
def forgets_to_rescale(logits, temperature, top_k=None, top_p=None):
    full = torch.tensor(distribution_in_numpy(logits, temperature))
    return full * (torch.tensor(distribution_in_numpy(logits, temperature, top_k, top_p)) > 0)


@wrong("next_token_distribution", named="filters_first")
def filters_the_cold_logits(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        return distribution_in_numpy(logits, 0)
    stay = torch.tensor(distribution_in_numpy(logits, 1.0, top_k, top_p)) > 0
    return logits.masked_fill(~stay, -1e30).div(temperature).softmax(-1)


@wrong("next_token_distribution", says="exp of a large logit is infinite")
def overflows(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        return distribution_in_numpy(logits, 0)
    x = torch.exp(logits / temperature)
    return distribution_in_numpy((x / x.sum(-1, keepdim=True)).log(), 1.0, top_k, top_p)


@wrong("next_token_distribution", named="changes_input")
def changes_the_logits(logits, temperature, top_k=None, top_p=None):
    if temperature:
        logits /= temperature
    return distribution_in_numpy(logits, min(temperature, 1.0) and 1.0, top_k, top_p)


# ---- the three formulas ------------------------------------------------------------------------------------------


@right("acceptance_probability")
def acceptance_one_by_one(p, q):
    return [1.0 if a >= b and a > 0 else (a / b if b > 0 else 0.0) for a, b in zip(p.tolist(), q.tolist(), strict=True)]


@right("acceptance_probability")
def acceptance_in_numpy(p, q):
    p, q = np.asarray(p), np.asarray(q)
    return np.minimum(1.0, np.divide(p, q, out=np.ones_like(p), where=q > 0))


@right("acceptance_probability")
def acceptance_by_nan_to_num(p, q):
    return torch.nan_to_num(p / q, nan=0.0, posinf=1.0).clamp(0, 1)


@wrong("acceptance_probability", named="inverted")
def ratio_upside_down(p, q):
    pairs = zip(p.tolist(), q.tolist(), strict=True)
    return torch.tensor([min(1.0, b / a) if a > 0 else float(b > 0) for a, b in pairs])


@wrong("acceptance_probability", named="divides_by_zero")
def ratio_without_care(p, q):
    return torch.minimum(p / q, torch.ones_like(p))


@wrong("acceptance_probability", named="not_clamped")
def ratio_above_one(p, q):
    return p / q.clamp(min=1e-9)


@wrong("acceptance_probability")
def small_number_under_the_line(p, q):
    return (p / (q + 0.01)).clamp(max=1)


@wrong("acceptance_probability", named="all_or_nothing")
def step_function(p, q):
    return torch.where(p >= q, 1.0, 0.0)


@wrong("acceptance_probability", named="overlap")
def numerator_only(p, q):
    return torch.stack([p, q]).amin(0)


@right("residual")
def residual_as_p_minus_overlap(p, q):
    left = p - torch.minimum(p, q)
    return p if left.sum() <= 0 else left / left.sum()


@right("residual")
def residual_in_numpy(p, q):
    left = np.maximum(np.asarray(p, dtype=np.float64) - np.asarray(q, dtype=np.float64), 0)
    return left / left.sum() if left.sum() > 1e-12 else np.array(p)


@right("residual")
def residual_with_relu_and_lists(p, q):
    left = [max(0.0, a - b) for a, b in zip(p.tolist(), q.tolist(), strict=True)]
    total = math.fsum(left)
    return torch.tensor([x / total for x in left]) if total > 1e-6 else p


@wrong("residual", named="absolute")
def residual_of_distances(p, q):
    gap = torch.where(p > q, p - q, q - p)
    return gap / gap.sum() if gap.sum() else p


@wrong("residual", named="swapped")
def residual_of_the_other_side(p, q):
    gap = F.relu(q - p)
    return gap / gap.sum() if gap.sum() else p


@wrong("residual", named="zero_over_zero")
def residual_without_fallback(p, q):
    return F.normalize(F.relu(p - q), p=1, dim=0, eps=0)


@wrong("residual", named="not_rescaled")
def residual_as_it_is(p, q):
    return F.relu(p - q)


@wrong("residual", says="the answer has to be p itself")
def residual_that_is_uniform_at_equality(p, q):
    gap = F.relu(p - q) + 1e-9
    return gap / gap.sum()


@wrong("residual", named="just_p")
def residual_forgotten(p, q):
    return p / p.sum()


@wrong("residual", named="softmax")
def residual_by_softmax(p, q):
    gap = (p - q).clamp_min(0).exp()
    return gap / gap.sum()


@wrong("residual")
def residual_without_the_likeliest_of_q(p, q):
    left = p.clone()
    left[q.argmax()] = 0
    return left / left.sum()


@right("expected_acceptance")
def overlap_by_total_variation(p, q):
    return 1 - float((p - q).abs().sum()) / 2


@right("expected_acceptance")
def overlap_in_numpy(p, q):
    return np.minimum(np.asarray(p), np.asarray(q)).sum()


@right("expected_acceptance")
def overlap_as_weighted_coins(p, q):
    return sum(b * min(1.0, a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True) if b > 0)


@wrong("expected_acceptance", named="total_variation")
def rejection_chance(p, q):
    return F.relu(p - q).sum()


@wrong("expected_acceptance", named="no_half")
def twice_the_distance(p, q):
    return 1 - torch.dist(p, q, p=1)


@wrong("expected_acceptance", named="weighted_by_p")
def weights_of_the_target(p, q):
    return sum(a * min(1.0, a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True) if b > 0)


@wrong("expected_acceptance", named="collision")
def chance_of_agreement(p, q):
    return torch.dot(p, q)


@wrong("expected_acceptance", named="plain_mean")
def mean_of_the_coins(p, q):
    return np.mean([min(1.0, a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True) if b > 0])


@wrong("expected_acceptance", says="Expected one number")
def one_per_token(p, q):
    return torch.minimum(p, q)


# ---- propose_stochastic ------------------------------------------------------------------------------------------


def _warped(logits, s):
    return distribution_with_masked_logits(logits, s.temperature, s.top_k, s.top_p)


def _drafting(draw, report, step=lambda text, ids: text):
    def propose(draft, ids, k, sampling, dice):
        text, q = ids.tolist(), []
        for _ in range(k):
            logits = draft(torch.tensor(step(text, ids.tolist())))[-1]
            q.append(report(logits, sampling))
            text.append(draw(logits, sampling, dice))
        return torch.tensor(text[len(ids) :], dtype=torch.long), torch.stack(q) if q else torch.empty(0, 4)

    return propose


@right("propose_stochastic")
def drafts_into_a_list(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: dice.roll(_warped(x, s)), _warped)(draft, ids, k, sampling, dice)


@right("propose_stochastic")
def drafts_in_numpy(draft, ids, k, sampling, dice):
    text = list(map(int, ids))
    q = []
    while len(q) < k:
        logits = draft(torch.tensor(text))[-1]
        q.append(distribution_in_numpy(logits, sampling.temperature, sampling.top_k, sampling.top_p))
        text.append(dice.roll(torch.from_numpy(q[-1])))
    return np.array(text[len(ids) :], dtype=int), np.array(q)


@right("propose_stochastic")
def drafts_recursively(draft, ids, k, sampling, dice):
    if k == 0:
        return ids.new_empty(0), torch.empty(0, draft(ids).shape[-1])
    row = sampling(draft(ids)[-1])
    token = ids.new_tensor([dice.roll(row)])
    later, rows = drafts_recursively(draft, torch.cat([ids, token]), k - 1, sampling, dice)
    return torch.cat([token, later]), torch.cat([row[None], rows])


@right("propose_stochastic")
def drafts_greedily_without_rolling(draft, ids, k, sampling, dice):
    """At temperature 0 there is nothing to roll."""
    text, q = ids.clone(), torch.zeros(k, draft(ids).shape[-1])
    for i in range(k):
        q[i] = _warped(draft(text)[-1], sampling)
        token = int(q[i].argmax()) if sampling.temperature == 0 else dice.roll(q[i])
        text = F.pad(text, (0, 1), value=token)
    return text[len(text) - k :], q


@wrong("propose_stochastic", named="argmax_as_softmax")
def argmax_with_its_softmax(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: int(x.argmax()), _warped)(draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="argmax_as_softmax")
def argmax_with_the_plain_softmax(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: x.tolist().index(max(x.tolist())), lambda x, s: F.softmax(x, 0))(
        draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="q_unfiltered")
def reports_before_the_filters(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: dice.roll(_warped(x, s)), lambda x, s: x.softmax(-1))(
        draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="q_unfiltered")
def reports_after_temperature_only(draft, ids, k, sampling, dice):
    def report(x, s):
        return _warped(x, type(s)(s.temperature))

    return _drafting(lambda x, s, dice: dice.roll(_warped(x, s)), report)(draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="sampling_ignored")
def forgets_the_temperature_altogether(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: dice.roll(x.softmax(-1)), lambda x, s: x.softmax(-1))(
        draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="sampling_ignored")
def forgets_top_p_and_top_k(draft, ids, k, sampling, dice):
    def row(x, s):
        return distribution_with_masked_logits(x, s.temperature)

    return _drafting(lambda x, s, dice: dice.roll(row(x, s)), row)(draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="drawn_unfiltered")
def draws_from_the_raw_softmax(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: dice.roll(x.softmax(-1)), _warped)(draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="not_chained")
def every_token_from_the_prompt(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: dice.roll(_warped(x, s)), _warped, lambda text, ids: ids)(
        draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="drops_unsure")
def drops_unlikely_tokens(draft, ids, k, sampling, dice):
    tokens, q = drafts_into_a_list(draft, ids, k, sampling, dice)
    sure = [float(q[i, x]) > 0.2 for i, x in enumerate(tokens)]
    n = sure.index(False) if False in sure else k
    return tokens[:n], q[:n]


@wrong("propose_stochastic", named="returns_text")
def returns_the_prompt_too(draft, ids, k, sampling, dice):
    tokens, q = drafts_into_a_list(draft, ids, k, sampling, dice)
    return torch.cat([ids, tokens]), q


@wrong("propose_stochastic", says="q has to hold one row of 4 probabilities per drafted token")
def reports_one_number_per_token(draft, ids, k, sampling, dice):
    tokens, q = drafts_into_a_list(draft, ids, k, sampling, dice)
    return tokens, q[torch.arange(k), tokens] if k else q


@wrong("propose_stochastic", named="own_randomness")
def draws_with_torch_multinomial(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: int(_warped(x, s).multinomial(1)), _warped)(draft, ids, k, sampling, dice)


@wrong("propose_stochastic", named="own_randomness")
def draws_with_a_generator_of_its_own(draft, ids, k, sampling, dice):
    own = Dice(torch.Generator().manual_seed(0))
    return drafts_into_a_list(draft, ids, k, sampling, own)


@wrong("propose_stochastic", says="the rows of q are not distributions")
def reports_logits(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: dice.roll(_warped(x, s)), lambda x, s: x)(draft, ids, k, sampling, dice)


@wrong("propose_stochastic", says="there is no row to stack")
def cannot_draft_nothing(draft, ids, k, sampling, dice):
    rows, text = [], ids
    for _ in range(k):
        rows.append(sampling(draft(text)[-1]))
        text = torch.cat([text, torch.tensor([dice.roll(rows[-1])])])
    return text[len(ids) :], torch.stack(rows)


# ---- verify_stochastic -------------------------------------------------------------------------------------------


def _share(p, q):
    """The acceptance coin for one token, as floats."""
    return 1.0 if q <= p and p > 0 else (p / q if q > 0 else 0.0)


def _rest(p, q):
    left = F.relu(p.double() - q.double())
    return left / left.sum() if left.sum() > 1e-9 else p.double() / p.double().sum()


@right("verify_stochastic")
@right("verify_block")
def blocks_by_one_roll(draft, q, p, dice):
    """Block verification: works out the law of the number kept, and rolls once for it."""
    k, weight, stay = len(draft), [1.0], []
    for i in range(k):
        a, b = float(p[i, draft[i]]), float(q[i, draft[i]])
        weight.append(min(1.0, weight[-1] * (a / b if b > 0 else float(a > 0))))
    for i in range(k + 1):
        left = float(F.relu(weight[i] * p[i].double() - q[i].double()).sum()) if i < k else 0.0
        slack = left + 1 - weight[i]
        stay.append(weight[k] if i == k else (left / slack if slack > 0 else 1.0))
    stay[0] = 1.0
    law, missed = [0.0] * (k + 1), 1.0
    for i in reversed(range(k + 1)):
        law[i], missed = missed * stay[i], missed * (1 - stay[i])
    n = dice.roll(torch.tensor(law, dtype=torch.float64))
    last = p[k].double() if n == k else _rest(weight[n] * p[n], q[n])
    return [*draft[:n].tolist(), dice.roll(last / last.sum())]


@right("verify_stochastic")
def emits_its_own_sample_and_compares(draft, q, p, dice):
    out = []
    for i in range(len(draft) + 1):
        out.append(dice.roll(p[i]))
        if i == len(draft) or out[-1] != draft[i]:
            return torch.tensor(out)


@right("verify_stochastic")
def tosses_all_coins_first(draft, q, p, dice):
    k = len(draft)
    coins = [dice.flip(_share(float(p[i, x]), float(q[i, x]))) for i, x in enumerate(draft.tolist())]
    n = coins.index(False) if False in coins else k
    last = dice.roll(p[k] if n == k else _rest(p[n], q[n]))
    return np.array([*draft.tolist()[:n], last])


@right("verify_stochastic")
def prepares_all_replacements_first(draft, q, p, dice):
    own = [dice.roll(_rest(p[i], q[i])) for i in range(len(draft))] + [dice.roll(p[-1])]
    n = 0
    while n < len(draft) and dice.flip(torch.tensor(_share(p[n][draft[n]].item(), q[n][draft[n]].item()))):
        n += 1
    return torch.cat([draft[:n], torch.tensor(own[n : n + 1])])


@right("verify_stochastic")
def verifies_recursively(draft, q, p, dice):
    if len(draft) == 0:
        return [dice.roll(p[0])]
    x = int(draft[0])
    if dice.flip(_share(float(p[0, x]), float(q[0, x]))):
        return [x, *verifies_recursively(draft[1:], q[1:], p[1:], dice)]
    return [dice.roll(_rest(p[0], q[0]))]


@right("verify_stochastic")
def rejects_with_the_complement(draft, q, p, dice):
    for i, x in enumerate(draft):
        over = float((q[i, x] - p[i, x]) / q[i, x]) if q[i, x] > 0 else 0.0
        if over > 0 and dice.flip(over):
            return torch.tensor([*draft[:i], dice.roll(_rest(p[i], q[i]))])
    return torch.tensor([*draft, dice.roll(p[len(draft)])])


def _loop(draft, q, p, dice, coin=None, fix=None, extra=None):
    """Token verification with a hole for each mistake."""
    k, out = len(draft), []
    for i in range(k):
        x = draft[i].item()
        ok = coin(i, x) if coin else dice.flip(_share(p[i, x].item(), q[i, x].item()))
        if not ok:
            return out + [fix(i, x) if fix else dice.roll(_rest(p[i], q[i]))]
        out.append(x)
    return out + [extra(k) if extra else dice.roll(p[k])]


def _norm(x):
    return x / x.sum()


@wrong("verify_stochastic", named="ratio_inverted")
def coin_upside_down(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: dice.flip(_share(q[i, x].item(), p[i, x].item())))


@wrong("verify_stochastic", named="ratio_inverted")
def coin_upside_down_vectorised(draft, q, p, dice):
    k = len(draft)
    coins = [dice.flip(c) for c in (q / p[:k].clamp(min=1e-20)).clamp(max=1)[torch.arange(k), draft]]
    n = next((i for i, c in enumerate(coins) if not c), k)
    last = p[k] if n == k else _rest(p[n], q[n])
    return torch.cat([draft[:n], torch.tensor([dice.roll(last)])])


@wrong("verify_stochastic", named="correction_from_p")
def corrects_with_p(draft, q, p, dice):
    return _loop(draft, q, p, dice, fix=lambda i, x: dice.roll(p[i]))


@wrong("verify_stochastic", named="correction_from_p")
def corrects_with_p_after_all_coins(draft, q, p, dice):
    k = len(draft)
    ratio = [_share(p[i, draft[i]].item(), q[i, draft[i]].item()) for i in range(k)]
    n = 0
    for r in ratio:
        if not dice.flip(r):
            break
        n += 1
    return draft[:n].tolist() + [dice.roll(p[n])]


@wrong("verify_stochastic", named="residual_absolute")
def corrects_with_distances(draft, q, p, dice):
    return _loop(draft, q, p, dice, fix=lambda i, x: dice.roll(_norm((p[i] - q[i]).abs())))


@wrong("verify_stochastic", named="residual_absolute")
def corrects_with_max_minus_min(draft, q, p, dice):
    gap = torch.maximum(p[: len(q)], q) - torch.minimum(p[: len(q)], q)
    return _loop(draft, q, p, dice, fix=lambda i, x: dice.roll(_norm(gap[i])))


@wrong("verify_stochastic", named="residual_swapped")
def corrects_with_q_minus_p(draft, q, p, dice):
    return _loop(draft, q, p, dice, fix=lambda i, x: dice.roll(_norm(F.relu(q[i] - p[i]))))


@wrong("verify_stochastic", named="residual_swapped")
def corrects_with_q_minus_overlap(draft, q, p, dice):
    return _loop(draft, q, p, dice, fix=lambda i, x: dice.roll(_norm(q[i] - torch.minimum(p[i], q[i]))))


@wrong("verify_stochastic", named="argmax")
def accepts_the_argmax_only(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: p[i].argmax() == x)


@wrong("verify_stochastic", named="argmax")
def greedy_round(draft, q, p, dice):
    choice = p.argmax(-1)
    n = int((draft == choice[: len(draft)]).long().cumprod(0).sum())
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_stochastic", named="argmax")
def argmax_then_sample(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: p[i, x] == p[i].max(), fix=lambda i, x: dice.roll(p[i]))


@wrong("verify_stochastic", named="second_sample")
def compares_then_samples_again(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: dice.roll(p[i]) == x, fix=lambda i, x: dice.roll(p[i]))


@wrong("verify_stochastic", named="second_sample")
def coin_is_p_then_samples(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: dice.flip(p[i, x]), fix=lambda i, x: dice.roll(p[i]))


@wrong("verify_stochastic", named="sample_and_residual")
def coin_is_p_then_residual(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: dice.flip(p[i, x].item()))


@wrong("verify_stochastic", named="unscaled")
def inverse_cdf_over_an_unscaled_residual(draft, q, p, dice):
    def search(i, x):
        left = F.relu(p[i] - q[i]).tolist()
        gone = 0.0
        for token, mass in enumerate(left[:-1]):
            if dice.flip(mass / (1 - gone)):
                return token
            gone += mass
        return len(left) - 1

    return _loop(draft, q, p, dice, fix=search)


@wrong("verify_stochastic", says="normalise before rolling")
def rolls_an_unscaled_residual(draft, q, p, dice):
    return _loop(draft, q, p, dice, fix=lambda i, x: dice.roll(F.relu(p[i] - q[i])))


@wrong("verify_stochastic", named="wrong_row")
def residual_of_the_last_position(draft, q, p, dice):
    k = len(draft)
    return _loop(draft, q, p, dice, fix=lambda i, x: dice.roll(_rest(p[k - 1], q[k - 1])))


@wrong("verify_stochastic", named="wrong_row")
def residual_of_the_first_position(draft, q, p, dice):
    return _loop(draft, q, p, dice, fix=lambda i, x: dice.roll(_rest(p[0], q[0])))


@wrong("verify_stochastic", named="bonus")
def bonus_drawn_from_q(draft, q, p, dice):
    return _loop(draft, q, p, dice, extra=lambda k: dice.roll(q[-1] if k else p[0]))


@wrong("verify_stochastic", named="bonus")
def bonus_drawn_from_the_residual_before(draft, q, p, dice):
    return _loop(draft, q, p, dice, extra=lambda k: dice.roll(_rest(p[k - 1], q[k - 1]) if k else p[0]))


@wrong("verify_stochastic", named="bonus")
def bonus_drawn_from_a_mixed_residual(draft, q, p, dice):
    return _loop(draft, q, p, dice, extra=lambda k: dice.roll(_rest(p[k], q[k - 1]) if k else p[0]))


@wrong("verify_stochastic", named="bonus")
def bonus_from_the_row_before(draft, q, p, dice):
    return _loop(draft, q, p, dice, extra=lambda k: dice.roll(p[max(0, k - 1)]))


@wrong("verify_stochastic", named="bonus")
def bonus_is_the_argmax(draft, q, p, dice):
    return _loop(draft, q, p, dice, extra=lambda k: int(p[k].argmax()))


@wrong("verify_stochastic", named="no_bonus")
def never_a_bonus(draft, q, p, dice):
    out = _loop(draft, q, p, dice)
    return out[: max(1, len(draft))]


@wrong("verify_stochastic", named="drops_unsure")
def drops_unsure_tokens_first(draft, q, p, dice):
    n = 0
    while n < len(draft) and q[n, draft[n]] >= 0.2:
        n += 1
    return _loop(draft[:n], q[:n], p[: n + 1], dice)


@wrong("verify_stochastic", named="own_randomness")
def reseeds_for_every_coin(draft, q, p, dice):
    def coin(i, x):
        own = torch.Generator().manual_seed(0)
        return torch.rand((), generator=own).item() < _share(p[i, x].item(), q[i, x].item())

    return _loop(draft, q, p, dice, coin=coin)


@wrong("verify_stochastic", named="own_randomness")
def reseeds_torch_for_every_coin(draft, q, p, dice):
    def coin(i, x):
        torch.manual_seed(i + 3)
        return torch.rand(1).item() < _share(p[i, x].item(), q[i, x].item())

    return _loop(draft, q, p, dice, coin=coin)


@wrong("verify_stochastic", named="own_randomness")
def tosses_with_torch_rand(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: torch.rand(1).item() < _share(p[i, x].item(), q[i, x].item()))


@wrong("verify_stochastic", named="own_randomness")
def tosses_with_python_random(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: random.random() < _share(p[i, x].item(), q[i, x].item()))


@wrong("verify_stochastic", named="own_randomness")
def makes_its_own_dice(draft, q, p, dice):
    return _loop(draft, q, p, Dice(torch.Generator().manual_seed(1)))


@wrong("verify_stochastic", says="from dice.flip and dice.roll only")
def uses_the_generator_of_the_dice(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: torch.rand((), generator=dice.generator) < p[i, x] / q[i, x])


@wrong("verify_stochastic")
def one_coin_for_the_whole_draft(draft, q, p, dice):
    kept = dice.flip(float(np.prod([_share(p[i, x].item(), q[i, x].item()) for i, x in enumerate(draft.tolist())])))
    return [*draft.tolist(), dice.roll(p[-1])] if kept else [dice.roll(_rest(p[0], q[0]) if len(draft) else p[0])]


@wrong("verify_stochastic", named="emits_rejected")
def emits_the_rejected_token(draft, q, p, dice):
    return _loop(draft, q, p, dice, fix=lambda i, x: x)


@wrong("verify_stochastic", named="emits_rejected")
def accepts_everything(draft, q, p, dice):
    return draft.tolist() + [dice.roll(p[-1])]


@wrong("verify_stochastic", named="correction_dropped")
def rejects_without_a_correction(draft, q, p, dice):
    out = []
    for i, x in enumerate(draft.tolist()):
        if not dice.flip(_share(p[i, x].item(), q[i, x].item())):
            return out
        out.append(x)
    return out + [dice.roll(p[-1])]


@wrong("verify_stochastic", named="goes_on")
def continues_after_a_rejection(draft, q, p, dice):
    out = []
    for i, x in enumerate(draft.tolist()):
        ok = dice.flip(_share(p[i, x].item(), q[i, x].item()))
        out += [x] if ok else [dice.roll(_rest(p[i], q[i]))]
    return out + [dice.roll(p[-1])]


@wrong("verify_stochastic", named="zero_over_zero")
def breaks_at_round_off(draft, q, p, dice):
    def fix(i, x):
        left = (p[i] - q[i]).clamp(min=0)
        return dice.roll(left / left.sum())

    return _loop(draft, q, p, dice, fix=fix)


@right("verify_stochastic")  # a drafted token was drawn from q: its q(x) is not 0
def divides_by_q_without_a_look(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: dice.flip((p[i, x] / q[i, x]).clamp(max=1)))


@right("verify_stochastic")
def at_half_the_acceptance(draft, q, p, dice):
    """The same law, fewer tokens kept: what is not kept comes back in the correction."""
    for i, x in enumerate(draft.tolist()):
        if not dice.flip(_share(p[i, x].item(), q[i, x].item()) / 2):
            left = p[i] - torch.minimum(p[i], q[i]) / 2
            return [*draft[:i].tolist(), dice.roll(left / left.sum())]
    return [*draft.tolist(), dice.roll(p[len(draft)])]


@wrong("verify_stochastic", named="draft_ignored")
def keeps_one_in_fifty(draft, q, p, dice):
    for i, x in enumerate(draft.tolist()):
        if not dice.flip(_share(p[i, x].item(), q[i, x].item()) / 50):
            left = p[i] - torch.minimum(p[i], q[i]) / 50
            return [*draft[:i].tolist(), dice.roll(left / left.sum())]
    return [*draft.tolist(), dice.roll(p[len(draft)])]


@wrong("verify_stochastic", named="all_or_nothing")
def keeps_only_underproposed_tokens(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: p[i, x].item() >= q[i, x].item())


@wrong("verify_stochastic", named="draft_ignored")
def ignores_the_draft(draft, q, p, dice):
    return [dice.roll(p[0])]


@wrong("verify_stochastic")
def samples_every_row_of_p(draft, q, p, dice):
    return [dice.roll(row) for row in p]


@wrong("verify_stochastic", says="is there a `return` at the end of every branch")
def forgets_to_return(draft, q, p, dice):
    _loop(draft, q, p, dice)


@wrong("verify_stochastic")
def rounds_the_coin(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: dice.flip(round(_share(p[i, x].item(), q[i, x].item()), 2)))


# ---- verify_block ------------------------------------------------------------------------------------------------


@right("verify_block")
def blocks_from_the_front(draft, q, p, dice):
    """A coin for every prefix; the longest that passes counts."""
    k, n, weight, at = len(draft), 0, 1.0, {0: 1.0}
    for i in range(1, k + 1):
        a, b = p[i - 1, draft[i - 1]].item(), q[i - 1, draft[i - 1]].item()
        weight = min(1.0, weight * (a / b if b > 0 else (1.0 if a > 0 else 0.0)))
        at[i] = weight
        if i == k:
            passes = weight
        else:
            left = F.relu(weight * p[i] - q[i]).sum().item()
            passes = 1.0 if left + 1 - weight < 1e-12 else left / (left + 1 - weight)
        n = i if dice.flip(passes) else n
    return torch.tensor([*draft[:n], dice.roll(p[k] / p[k].sum() if n == k else _rest(at[n] * p[n], q[n]))])


@right("verify_block")
def blocks_in_numpy(draft, q, p, dice):
    P, Q, x = p.double().numpy(), q.double().numpy(), draft.numpy()
    k = len(x)
    w = np.ones(k + 1)
    for i in range(k):
        w[i + 1] = min(1.0, w[i] * (P[i, x[i]] / Q[i, x[i]] if Q[i, x[i]] else float(P[i, x[i]] > 0)))
    left = [np.maximum(w[i] * P[i] - Q[i], 0) for i in range(k)]
    n = k
    while n:
        total = left[n].sum() if n < k else None
        chance = w[k] if n == k else 1.0 if total + 1 == w[n] else total / (total + 1 - w[n])
        if dice.flip(chance):
            break
        n -= 1
    row = P[k] if n == k else left[n] if left[n].sum() > 1e-9 else P[n]
    return np.append(x[:n], dice.roll(torch.tensor(row / row.sum())))


@wrong("verify_block", named="token_verification")
def token_verification(draft, q, p, dice):
    return verifies_recursively(draft, q, p, dice)


@wrong("verify_block", named="keeps_fewer")
def match_sampling(draft, q, p, dice):
    return emits_its_own_sample_and_compares(draft, q, p, dice)


def _block(draft, q, p, dice, cut=min, passes=None, last=None, forwards=False):
    k, w = len(draft), [1.0]
    for i, x in enumerate(draft.tolist()):
        w.append(cut(1.0, w[-1] * p[i, x].item() / q[i, x].item()))

    def chance(i):
        if i == k:
            return min(1.0, w[k])
        left = F.relu(min(1.0, w[i]) * p[i] - q[i]).sum().item()
        return left / max(left + 1 - min(1.0, w[i]), 1e-30)

    n = 0
    if forwards:
        while n < k and dice.flip((passes or chance)(n + 1)):
            n += 1
    else:
        n = next((i for i in range(k, 0, -1) if dice.flip(passes(w, i) if passes else chance(i))), 0)
    correction = None if n == k else last(w, n) if last else _rest(min(1.0, w[n]) * p[n], q[n])
    return [*draft[:n].tolist(), dice.roll(p[k] if n == k else correction)]


@wrong("verify_block", named="unweighted_residual")
def block_with_the_token_residual(draft, q, p, dice):
    return _block(draft, q, p, dice, last=lambda w, n: _rest(p[n], q[n]))


@wrong("verify_block", named="stops_at_first")
def block_that_stops_at_the_first_failure(draft, q, p, dice):
    return _block(draft, q, p, dice, forwards=True)


@wrong("verify_block", named="not_cut")
def block_that_saves_up_surplus(draft, q, p, dice):
    return _block(draft, q, p, dice, cut=lambda one, value: value)


@wrong("verify_block", named="coin_is_weight")
def block_with_the_weight_as_coin(draft, q, p, dice):
    return _block(draft, q, p, dice, passes=lambda w, i: w[i])


@wrong("verify_block", named="no_bonus")
def block_without_a_bonus(draft, q, p, dice):
    out = blocks_in_numpy(draft, q, p, dice)
    return out[: max(1, len(draft))]


@wrong("verify_block", named="own_randomness")
def block_with_its_own_coins(draft, q, p, dice):
    return _block(draft, q, p, dice, passes=lambda w, i: float(np.random.rand() < w[i]))


@wrong("verify_stochastic", named="no_bonus")
def empty_after_an_empty_draft(draft, q, p, dice):
    return _loop(draft, q, p, dice)[: len(draft)]


@right("verify_block")
def block_that_divides_by_q(draft, q, p, dice):
    """A drafted token was drawn from q, so its q(x) is not 0."""
    w = 1.0
    for i, x in enumerate(draft.tolist()):
        w = min(1.0, w * p[i, x].item() / q[i, x].item())
    return blocks_in_numpy(draft, q, p, dice)


@wrong("verify_block", named="no_bonus")
def block_that_ends_with_the_draft(draft, q, p, dice):
    return blocks_in_numpy(draft, q, p, dice)[: len(draft)]


# What frequent tokens, rows without zeros and one temperature would hide ---------------------------------------------


@wrong("next_token_distribution")
def never_colder_than_a_tenth(logits, temperature, top_k=None, top_p=None):
    return distribution_in_numpy(logits, max(temperature, 0.1) if temperature else 0, top_k, top_p)


@wrong("acceptance_probability", named="epsilon")
def adds_a_little_to_q(p, q):
    return torch.where(q > 0, (p / (q + 1e-8)).clamp(max=1), (p > 0).to(p))


@wrong("acceptance_probability", named="epsilon")
def no_q_below_a_millionth(p, q):
    return torch.where(q > 0, (p / q.clamp(min=1e-6)).clamp(max=1), (p > 0).to(p))


def _p_if_little_is_left(least):
    def rule(p, q):
        left = F.relu(p - q)
        return left / left.sum() if left.sum() > least else p.clone()

    return rule


@wrong("residual", named="small_is_none")
def p_if_a_hundredth_is_left(p, q):
    return _p_if_little_is_left(0.01)(p, q)


@wrong("residual", named="small_is_none")
def p_if_a_fifth_is_left(p, q):
    return _p_if_little_is_left(0.2)(p, q)


@wrong("expected_acceptance", says="somewhere it divides by zero")
def chance_that_is_nan_with_filtered_rows(p, q):
    return float((q * (p / q).clamp(max=1)).sum())


# What a fresh reader tried ------------------------------------------------------------------------------------------


def _little_is_nothing(least):
    def rule(draft, q, p, dice):
        def fix(i, x):
            left = F.relu(p[i] - q[i])
            return dice.roll(left / left.sum() if left.sum() > least else p[i])

        return _loop(draft, q, p, dice, fix=fix)

    return rule


@wrong("verify_stochastic", named="small_is_none")
def corrects_with_p_below_a_hundredth(draft, q, p, dice):
    return _little_is_nothing(1e-2)(draft, q, p, dice)


@wrong("verify_stochastic", named="small_is_none")
def corrects_with_p_below_a_thousandth(draft, q, p, dice):
    return _little_is_nothing(1e-3)(draft, q, p, dice)


@wrong("verify_stochastic")
def corrects_with_p_below_a_fifteen_thousandth(draft, q, p, dice):
    return _little_is_nothing(6.6e-5)(draft, q, p, dice)


@right("verify_stochastic")  # what is wrong with it is below 1e-5, which the contract lets pass
def corrects_with_p_below_a_millionth(draft, q, p, dice):
    return _little_is_nothing(1e-6)(draft, q, p, dice)


@wrong("verify_stochastic", named="no_coin")
def keeps_what_is_likely_enough(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: p[i, x].item() >= 0.3)


@wrong("verify_stochastic", says="does not depend on `dice`")
def keeps_what_is_likely_enough_for_some(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: p[i, x].item() >= 0.17)


def _little_is_nothing_in_a_block(least):
    def rule(draft, q, p, dice):
        def last(w, n):
            left = F.relu(min(1.0, w[n]) * p[n] - q[n])
            return left / left.sum() if left.sum() > least else p[n]

        return _block(draft, q, p, dice, last=last)

    return rule


@wrong("verify_block", named="small_is_none")
def block_with_p_below_a_hundredth(draft, q, p, dice):
    return _little_is_nothing_in_a_block(1e-2)(draft, q, p, dice)


@wrong("verify_block", named="small_is_none")
def block_with_p_below_a_thousandth(draft, q, p, dice):
    return _little_is_nothing_in_a_block(1e-3)(draft, q, p, dice)


@wrong("verify_block", named="zero_over_zero")
def block_that_divides_zero_by_zero(draft, q, p, dice):
    def coin(w, i):
        left = F.relu(w[i] * p[i] - q[i]).sum().item() if i < len(draft) else 0
        return w[i] if i == len(draft) else left / (left + 1 - w[i])

    return _block(draft, q, p, dice, passes=coin)


@wrong("propose_stochastic", named="float_ids")
def floats_for_an_empty_draft(draft, ids, k, sampling, dice):
    return drafts_into_a_list(draft, ids, k, sampling, dice) if k else (torch.tensor([]), torch.zeros(0, 0))


@wrong("propose_stochastic", named="wrong_row")
def asks_the_first_row(draft, ids, k, sampling, dice):
    return drafts_into_a_list(lambda text: draft(text)[:1], ids, k, sampling, dice)


@wrong("propose_stochastic", named="wrong_row")
def asks_the_last_row_but_one(draft, ids, k, sampling, dice):
    return drafts_into_a_list(lambda text: draft(text)[:-1], ids, k, sampling, dice)


@wrong("propose_stochastic", named="last_token_only")
def feeds_the_newest_token_alone(draft, ids, k, sampling, dice):
    return drafts_into_a_list(lambda text: draft(text[-1:]), ids, k, sampling, dice)


@right("next_token_distribution")  # a sum that hits top_p to the last bit: round-off may decide
def nucleus_that_ends_when_top_p_is_passed(logits, temperature, top_k=None, top_p=None):
    def stays(total, own, mass):
        mask = total - own <= mass
        return mask if mass else mask & (torch.arange(total.shape[-1]) == 0)

    return _wrong_nucleus(logits, temperature, top_k, top_p, stays)


@wrong("next_token_distribution", named="each_alone")
def nucleus_of_single_probabilities(logits, temperature, top_k=None, top_p=None):
    return _wrong_nucleus(logits, temperature, top_k, top_p, lambda total, own, mass: own >= 1 - mass)


@wrong("next_token_distribution", named="zero_is_none")
def top_p_zero_is_no_filter(logits, temperature, top_k=None, top_p=None):
    return distribution_in_numpy(logits, temperature, top_k, top_p if top_p else None)


@wrong("next_token_distribution", named="small_is_greedy")
def a_small_temperature_is_zero(logits, temperature, top_k=None, top_p=None):
    return distribution_in_numpy(logits, 0 if temperature < 0.01 else temperature, top_k, top_p)


@wrong("next_token_distribution", named="filters_first")
def temperature_on_what_is_left(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        return distribution_in_numpy(logits, 0)
    kept = torch.as_tensor(distribution_in_numpy(logits, 1.0, top_k, top_p)) ** (1 / temperature)
    return kept / kept.sum(-1, keepdim=True)


@wrong("next_token_distribution", named="softmax_over_rows")
def softmax_down_the_rows(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        return distribution_in_numpy(logits, 0)
    probs = torch.softmax(logits / temperature, 0)
    if top_k is not None:
        kth = probs.topk(min(top_k, probs.shape[-1]), -1).values[..., -1:]
        probs = probs.masked_fill(probs < kth, 0)
        probs = probs / probs.sum(-1, keepdim=True)
    if top_p is not None:
        ordered, places = probs.sort(-1, descending=True)
        keep = ordered.cumsum(-1) - ordered < top_p
        keep[..., 0] = True
        probs = probs * torch.zeros_like(probs).scatter(-1, places, keep.float())
        probs = probs / probs.sum(-1, keepdim=True)
    return probs


@wrong("acceptance_probability", says="Expected one probability per token")
def one_number_for_all_tokens(p, q):
    return torch.minimum(p, q).sum()


@wrong("residual", named="epsilon")
def residual_over_a_little_more(p, q):
    left = F.relu(p - q)
    return left / (left.sum() + 1e-8)


@wrong("acceptance_probability", named="rare_is_zero")
def rare_tokens_always_stay(p, q):
    return torch.where(q > 1e-6, (p / q.clamp(min=1e-6)).clamp(max=1), torch.ones_like(p))


@wrong("acceptance_probability", named="rare_is_zero")
def rare_tokens_never_stay(p, q):
    return torch.where(q > 1e-8, p / q, torch.zeros_like(p)).clamp(max=1)


@right("residual")  # a leftover below 1e-6 may count as none, the contract says
def residual_above_a_millionth(p, q):
    left = F.relu(p - q)
    return p.clone() if left.sum() < 1e-6 else left / left.sum()


@wrong("next_token_distribution", named="each_alone")
def min_p_in_the_place_of_top_p(logits, temperature, top_k=None, top_p=None):
    return _wrong_nucleus(logits, temperature, top_k, top_p,
                          lambda reached, ordered, top_p: ordered >= (1 - top_p) * ordered[..., :1])


@wrong("propose_stochastic", named="last_token_only")
def newest_token_after_the_first_step(draft, ids, k, sampling, dice):
    return _drafting(lambda x, s, dice: dice.roll(_warped(x, s)), _warped,
                     step=lambda text, ids: text if len(text) == len(ids) else text[-1:])(draft, ids, k, sampling, dice)


@wrong("verify_stochastic", named="another_one")
def corrects_with_any_other_token(draft, q, p, dice):
    def another(i, x):
        others = p[i].double().clone()
        others[x] = 0
        return dice.roll(_norm(others) if others.sum() > 0 else p[i])

    return _loop(draft, q, p, dice, fix=another)


@wrong("verify_stochastic", named="judged_by_the_next_row")
def rows_of_p_one_too_late(draft, q, p, dice):
    return _loop(draft, q, p, dice, coin=lambda i, x: dice.flip(_share(p[i + 1, x].item(), q[i, x].item())),
                 fix=lambda i, x: dice.roll(_rest(p[i + 1], q[i])))


@wrong("verify_stochastic", named="all_or_none")
def a_single_coin_for_the_draft(draft, q, p, dice):
    chance = 1.0
    for i, x in enumerate(draft.tolist()):
        chance *= _share(p[i, x].item(), q[i, x].item())
    return [*draft.tolist(), dice.roll(p[len(draft)])] if dice.flip(chance) else [dice.roll(_rest(p[0], q[0]))]


@wrong("residual", named="q_not_taken_off")
def p_where_it_is_above_q(p, q):
    left = torch.where(p > q, p, torch.zeros_like(p))
    if left.sum() == 0:
        return p.clone()
    return left / left.sum()


@wrong("expected_acceptance", named="no_half")
def no_half_and_never_below_zero(p, q):
    return max(0.0, float(1 - (p - q).abs().sum()))


@wrong("expected_acceptance", named="plain_mean")
def the_mean_with_one_where_q_is_zero(p, q):
    keep = torch.where(q > 0, torch.clamp(p / q, max=1.0), torch.ones_like(p))
    return float(keep.mean())


@wrong("verify_stochastic", named="rounded")
def a_coin_of_two_decimals(draft, q, p, dice):
    for i, x in enumerate(draft.tolist()):
        if not dice.flip(round(float(acceptance_probability(p[i], q[i])[x]), 2)):
            return torch.cat([draft[:i], torch.tensor([dice.roll(residual(p[i], q[i]))])])
    return torch.cat([draft, torch.tensor([dice.roll(p[-1])])])


@wrong("verify_stochastic", named="from_the_right")
def judges_from_the_right(draft, q, p, dice):
    n = len(draft)
    for i in reversed(range(len(draft))):
        if dice.flip(acceptance_probability(p[i], q[i])[int(draft[i])]):
            break
        n = i
    row = p[n] if n == len(draft) else residual(p[n], q[n])
    return torch.cat([draft[:n], torch.tensor([dice.roll(row)])])


@wrong("next_token_distribution", named="small_is_greedy")
def greedy_below_a_thousandth(logits, temperature, top_k=None, top_p=None):
    V = logits.shape[-1]
    if temperature < 1e-3:
        return torch.nn.functional.one_hot(logits.argmax(-1), V).to(logits.dtype)
    p = torch.softmax(logits / temperature, -1)
    if top_k is not None and top_k < V:
        kth = p.topk(top_k, -1).values[..., -1:]
        p = torch.where(p >= kth, p, torch.zeros_like(p))
        p = p / p.sum(-1, keepdim=True)
    if top_p is not None:
        s, order = p.sort(-1, descending=True)
        keep = (s.cumsum(-1) - s) < top_p
        keep[..., 0] = True
        p = torch.zeros_like(p).scatter(-1, order, torch.where(keep, s, torch.zeros_like(s)))
        p = p / p.sum(-1, keepdim=True)
    return p


@wrong("verify_stochastic", named="wrong_row")
def corrects_by_the_next_row_of_p(draft, q, p, dice):
    out = []
    for i, x in enumerate(draft.tolist()):
        if not dice.flip(acceptance_probability(p[i], q[i])[x]):
            out.append(dice.roll(residual(p[len(out) + 1], q[i])))
            return torch.tensor(out)
        out.append(x)
    out.append(dice.roll(p[len(draft)]))
    return torch.tensor(out)


@wrong("next_token_distribution", named="mask_not_scattered")
def a_mask_in_sorted_order(logits, temperature, top_k=None, top_p=None):
    V = logits.shape[-1]
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(-1), V).float()
    probs = torch.softmax((logits - logits.amax(-1, keepdim=True)) / temperature, -1)
    if top_k is not None:
        least = probs.topk(min(top_k, V), -1).values[..., -1:]
        probs = torch.where(probs >= least, probs, 0.0)
        probs = probs / probs.sum(-1, keepdim=True)
    if top_p is not None:
        ranked = probs.sort(-1, descending=True).values
        stay = (ranked.cumsum(-1) - ranked) < top_p
        stay[..., 0] = True
        probs = probs * stay
        probs = probs / probs.sum(-1, keepdim=True)
    return probs


@wrong("expected_acceptance", named="weighted_by_p")
def kept_where_p_is_larger_weighted_by_p(p, q):
    keep = torch.where(p >= q, torch.ones_like(p), p / q)
    return float((p * keep).sum().clamp(0, 1))


@wrong("verify_stochastic", named="counts_the_heads")
def as_many_as_coins_said_yes(draft, q, p, dice):
    k = len(draft)
    yes = []
    for i in range(k):
        x = int(draft[i])
        yes.append(dice.flip(acceptance_probability(p[i], q[i])[x]))
    n = sum(int(y) for y in yes)
    if n == k:
        last = dice.roll(p[k])
    else:
        last = dice.roll(residual(p[n], q[n]))
    return torch.cat([draft[:n], torch.tensor([last], dtype=torch.long)])


@wrong("propose_stochastic", named="not_chained")
def always_the_row_behind_the_prompt(draft, ids, k, sampling, dice):
    warp = Sampling(sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p)
    T = len(ids)
    text, tokens, rows = ids, [], []
    for _ in range(k):
        logits = draft(text)
        row = warp(logits[T - 1])
        token = dice.roll(row)
        tokens.append(token)
        rows.append(row)
        text = torch.cat([text, torch.tensor([token])])
    if k == 0:
        return torch.empty(0, dtype=torch.long), draft(ids)[:0]
    return torch.tensor(tokens, dtype=torch.long), torch.stack(rows)


@wrong("next_token_distribution", named="moved")
def gathered_by_the_order_of_sort(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        out = torch.zeros_like(logits)
        return out.scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    probs = torch.softmax((logits - logits.max(-1, keepdim=True).values) / temperature, -1)
    ordered, order = probs.sort(-1, descending=True)
    if top_k is not None:
        ordered[..., top_k:] = 0
        ordered = ordered / ordered.sum(-1, keepdim=True)
    if top_p is not None:
        before = ordered.cumsum(-1) - ordered
        drop = before >= top_p
        drop[..., 0] = False
        ordered = ordered.masked_fill(drop, 0)
        ordered = ordered / ordered.sum(-1, keepdim=True)
    return ordered.gather(-1, order)


@wrong("residual", named="softmax")
def a_softmax_of_the_rest(p, q):
    rest = (p - q).clamp(min=0)
    if rest.sum() <= 0:
        return p.clone()
    return torch.softmax(rest, dim=-1)
