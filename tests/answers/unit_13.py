"""Unit 13: right answers written in other ways, and the mistakes that students make. Thinking fewer tokens."""

import itertools
import math
import statistics
from collections import Counter

import numpy as np
import torch

from answers import right, wrong

# force_budget --------------------------------------------------------------------------------------------------------


@right("force_budget")
def one_loop_with_a_phase(next_token, prompt, budget, mark, end, longest=8):
    ids, thought, answered, thinking = [*prompt], 0, 0, True
    while True:
        if thinking and thought == budget:
            ids, thinking = [*ids, mark], False
            continue
        if not thinking and answered == longest:
            return ids, thought
        token = next_token(ids)
        if thinking and token in {mark, end}:
            ids, thinking = [*ids, mark], False
        elif thinking:
            ids, thought = [*ids, token], thought + 1
        else:
            ids, answered = [*ids, token], answered + 1
            if token == end:
                return ids, thought


@right("force_budget")
def with_tensors(next_token, prompt, budget, mark, end, longest=8):
    ids = torch.tensor(prompt)
    for _ in range(budget):
        token = int(next_token(ids))
        if token == mark or token == end:
            break
        ids = torch.cat([ids, torch.tensor([token])])
    thought = len(ids) - len(prompt)
    ids = torch.cat([ids, torch.tensor([mark])])
    for _ in range(longest):
        ids = torch.cat([ids, torch.tensor([int(next_token(ids))])])
        if int(ids[-1]) == end:
            break
    return ids, thought


@right("force_budget")
def by_recursion(next_token, prompt, budget, mark, end, longest=8):
    def thinking(own):
        if len(own) == budget:
            return own
        token = next_token(prompt + own)
        return own if token in (mark, end) else thinking(own + [token])

    def answer(text, left):
        if not left:
            return text
        token = next_token(text)
        return text + [token] if token == end else answer(text + [token], left - 1)

    own = thinking([])
    return answer(prompt + own + [mark], longest), len(own)


@right("force_budget")
def with_iter_and_takewhile(next_token, prompt, budget, mark, end, longest=8):
    ids = list(prompt)

    def spoken():
        while True:
            token = next_token(tuple(ids))
            yield token

    for token in itertools.islice(spoken(), budget):
        if token in (mark, end):
            break
        ids += [token]
    thought = len(ids) - len(prompt)
    ids += [mark]
    for token in itertools.islice(spoken(), longest):
        ids += [token]
        if token == end:
            break
    return np.array(ids), np.int64(thought)


@wrong("force_budget", named="prompt_counted")
def counts_the_prompt(next_token, prompt, budget, mark, end, longest=8):
    ids = list(prompt)
    while len(ids) < budget:
        token = next_token(ids)
        if token in (mark, end):
            break
        ids.append(token)
    thought = len(ids) - len(prompt)
    ids.append(mark)
    for _ in range(longest):
        ids.append(next_token(ids))
        if ids[-1] == end:
            break
    return ids, thought


@wrong("force_budget", named="calls_often")
def asks_and_throws_away(next_token, prompt, budget, mark, end, longest=8):
    ids, thought = list(prompt), 0
    while True:
        token = next_token(ids)
        if token in (mark, end) or thought == budget:
            break
        ids.append(token)
        thought += 1
    ids.append(mark)
    for _ in range(longest):
        ids.append(next_token(ids))
        if ids[-1] == end:
            break
    return ids, thought


@wrong("force_budget", named="end_taken_for_thinking")
def an_end_is_a_thought(next_token, prompt, budget, mark, end, longest=8):
    ids, thought = list(prompt), 0
    while thought < budget and (token := next_token(ids)) != mark:
        ids.append(token)
        thought += 1
    ids.append(mark)
    for _ in range(longest):
        ids.append(next_token(ids))
        if ids[-1] == end:
            break
    return ids, thought


@wrong("force_budget", named="mark_not_forced")
def cut_and_no_more(next_token, prompt, budget, mark, end, longest=8):
    ids, thought = list(prompt), 0
    while thought < budget:
        token = next_token(ids)
        if token in (mark, end):
            break
        ids.append(token)
        thought += 1
    for _ in range(longest):
        ids.append(next_token(ids))
        if ids[-1] == end:
            break
    return ids, thought


@wrong("force_budget")
def appends_to_the_prompt(next_token, prompt, budget, mark, end, longest=8):
    ids, thought = prompt, 0
    while thought < budget:
        token = next_token(ids)
        if token in (mark, end):
            break
        ids.append(token)
        thought += 1
    ids.append(mark)
    for _ in range(longest):
        ids.append(next_token(ids))
        if ids[-1] == end:
            break
    return ids, thought


@wrong("force_budget")
def stops_behind_the_budget_whatever_was_said(next_token, prompt, budget, mark, end, longest=8):
    ids = list(prompt)
    for _ in range(budget):
        ids.append(next_token(ids))
    return [*ids, mark, *[next_token([*ids, mark])]], budget


# route ---------------------------------------------------------------------------------------------------------------


@right("route")
def with_a_running_product(fast, slow, prompt, threshold):
    answer, probabilities = fast(prompt)
    sure = 1.0
    for one in probabilities:
        sure *= one
    if not answer or sure < threshold:
        thought = slow(prompt)
        return thought, len(thought) + len(answer)
    return answer, len(answer)


@right("route")
def with_logarithms(fast, slow, prompt, threshold):
    answer, probabilities = fast(prompt)
    spent = len(answer)
    sure = math.exp(math.fsum(map(math.log, probabilities)))
    if spent == 0 or sure < threshold:
        answer = slow(prompt)
        spent += len(answer)
    return answer, spent


@right("route")
def with_torch(fast, slow, prompt, threshold):
    answer, probabilities = fast(prompt)
    if len(answer) > 0 and torch.tensor(probabilities, dtype=torch.double).prod() >= threshold:
        return torch.tensor(answer), torch.tensor(len(answer))
    thought = slow(prompt)
    return torch.tensor(thought), torch.tensor(len(answer) + len(thought))


@wrong("route", named="fast_is_free")
def thinks_for_free(fast, slow, prompt, threshold):
    answer, probabilities = fast(prompt)
    if answer and math.prod(probabilities) >= threshold:
        return answer, len(answer)
    thought = slow(prompt)
    return thought, len(thought)


@wrong("route", named="mean")
def geometric_mean(fast, slow, prompt, threshold):
    answer, probabilities = fast(prompt)
    if answer and statistics.geometric_mean(probabilities) >= threshold:
        return answer, len(answer)
    thought = slow(prompt)
    return thought, len(answer) + len(thought)


@wrong("route", named="calls_often")
def always_asks_both(fast, slow, prompt, threshold):
    (answer, probabilities), thought = fast(prompt), slow(prompt)
    if answer and math.prod(probabilities) >= threshold:
        return answer, len(answer)
    return thought, len(answer) + len(thought)


@wrong("route", named="empty_is_sure")
def takes_nothing_for_sure(fast, slow, prompt, threshold):
    answer, probabilities = fast(prompt)
    if math.prod(probabilities) >= threshold:
        return answer, len(answer)
    thought = slow(prompt)
    return thought, len(answer) + len(thought)


@wrong("route")
def counts_the_prompt_too(fast, slow, prompt, threshold):
    answer, probabilities = fast(prompt)
    if answer and math.prod(probabilities) >= threshold:
        return answer, len(prompt) + len(answer)
    thought = slow(prompt)
    return thought, len(prompt) + len(answer) + len(thought)


@wrong("route")
def the_answer_alone(fast, slow, prompt, threshold):
    answer, probabilities = fast(prompt)
    return answer if answer and math.prod(probabilities) >= threshold else slow(prompt)


# speculative_step ----------------------------------------------------------------------------------------------------


@right("speculative_step")
def a_for_loop(small, large, score, ids, threshold, end, max_steps):
    ids, kept = list(ids), []
    for _ in range(max_steps):
        step = small(ids)
        ok = all(one >= threshold for one in score(ids, step))
        if not ok:
            step = large(ids)
        kept.append(ok)
        ids = ids + step
        if step[-1] == end:
            break
    return ids, kept


@right("speculative_step")
def by_tensors(small, large, score, ids, threshold, end, max_steps):
    text, kept = torch.tensor(ids), []
    while len(kept) < max_steps:
        step = small(text)
        stays = bool(torch.tensor(score(text, step)).min() >= threshold)
        step = torch.tensor(step if stays else large(text))
        text, kept = torch.cat([text, step]), kept + [stays]
        if step[-1] == end:
            break
    return text, torch.tensor(kept, dtype=torch.bool)


@right("speculative_step")
def recursively(small, large, score, ids, threshold, end, max_steps):
    if max_steps == 0:
        return ids, []
    step = small(ids)
    stays = min(score(ids, step)) >= threshold
    text = ids + (step if stays else large(ids))
    if text[-1] == end:
        return text, [stays]
    rest, kept = recursively(small, large, score, text, threshold, end, max_steps - 1)
    return rest, [stays, *kept]


def loop(judge=min, rewrite=None, stop=None):
    def answer(small, large, score, ids, threshold, end, max_steps):
        ids, kept = list(ids), []
        while len(kept) < max_steps:
            step = small(ids)
            stays = judge(score(ids, step)) >= threshold
            kept.append(stays)
            own = step if stays else (rewrite or (lambda large, ids, step: large(ids)))(large, ids, step)
            ids = ids + own
            if (stop or (lambda step, own: own[-1]))(step, own) == end:
                break
        return ids, kept

    return answer


def under(name, function):
    function.__name__ = name
    return function


for _name, _named, _function in (
    ("by_the_mean", "mean", loop(statistics.fmean)),
    ("by_the_product", "product", loop(math.prod)),
    ("by_the_last_token", "one_token", loop(lambda p: p[-1])),
    ("behind_the_step", "goes_on_from_the_step", loop(rewrite=lambda large, ids, step: large(ids + step))),
    ("step_and_correction", "both_stay", loop(rewrite=lambda large, ids, step: step + large(ids))),
    ("stops_at_a_rejected_end", "rejected_end_stops", loop(stop=lambda step, own: step[-1])),
    ("prefix_of_the_step", None, loop(rewrite=lambda large, ids, step: step[:1] + large(ids + step[:1]))),
    ("end_anywhere", None, loop(stop=lambda step, own: own[0])),
):
    wrong("speculative_step", named=_named)(under(_name, _function))


@wrong("speculative_step", named="calls_often")
def scores_everything(small, large, score, ids, threshold, end, max_steps):
    ids, kept = list(ids), []
    while len(kept) < max_steps:
        step, other = small(ids), large(ids)
        kept.append(min(score(ids, step)) >= threshold)
        ids = ids + (step if kept[-1] else other)
        if ids[-1] == end:
            break
    return ids, kept


@wrong("speculative_step")
def the_text_without_the_prompt(small, large, score, ids, threshold, end, max_steps):
    text, kept = recursively(small, large, score, ids, threshold, end, max_steps)
    return text[len(ids):], kept


# vote_until ----------------------------------------------------------------------------------------------------------


@right("vote_until")
def with_a_counter(think, most):
    votes, first, used = Counter(), {}, 0
    while used < most:
        answer = think()
        used += 1
        if answer is not None:
            votes[answer] += 1
            first.setdefault(answer, used)
        if not votes:
            continue
        order = sorted(votes, key=lambda one: (-votes[one], first[one]))
        rest, best = most - used, order[0]
        can = [one for one in order[1:] if votes[one] + rest > votes[best]
               or votes[one] + rest == votes[best] and first[one] < first[best]]
        if not can and rest <= votes[best]:
            break
    return (min(votes, key=lambda one: (-votes[one], first[one])) if votes else None), used


@right("vote_until")
def by_trying_it_out(think, most):
    def winner(given):
        votes = [one for one in given if one is not None]
        return max(votes, key=lambda one: (votes.count(one), -votes.index(one))) if votes else None

    given = []
    while len(given) < most:
        given.append(think())
        rest = most - len(given)
        worst = {winner(given + [one] * rest) for one in {*given, "new"} - {None}}
        if len(worst) == 1 and worst == {winner(given)}:
            break
    return winner(given), len(given)


@right("vote_until")
def in_lists(think, most):
    names, counts = [], []
    for used in range(1, most + 1):
        answer = think()
        if answer is not None:
            if answer not in names:
                names.append(answer)
                counts.append(0)
            counts[names.index(answer)] += 1
        if counts:
            best = counts.index(max(counts))
            needed = [counts[best] - count + (i > best) for i, count in enumerate(counts) if i != best]
            needed.append(counts[best] + 1)
            if min(needed) > most - used:
                break
    return (names[best] if counts else None), used


def voting(done, none=False, pick=None):
    def answer(think, most):
        votes = {}
        for used in range(1, most + 1):  # noqa: B007
            one = think()
            if one is not None or none:
                votes[one] = votes.get(one, 0) + 1
            if votes and done(sorted(votes.values(), reverse=True) + [0], most - used, most):
                break
        return (pick or (lambda votes: max(votes, key=votes.get)))(votes) if votes else None, used

    return answer


for _name, _named, _function in (
    ("all_of_them", "never_early", voting(lambda v, rest, most: False)),
    ("absolute_majority", "majority_of_all", voting(lambda v, rest, most: 2 * v[0] > most)),
    ("lead_as_large_as_the_rest", "too_soon", voting(lambda v, rest, most: v[0] - v[1] >= rest)),
    ("lead_larger_than_the_rest", "too_late", voting(lambda v, rest, most: v[0] - v[1] > rest)),
    ("two_that_agree", "two_agree", voting(lambda v, rest, most: v[0] == 2)),
    ("whoever_leads", "first_answer", voting(lambda v, rest, most: v[0] > v[1])),
    ("half_of_what_came", None, voting(lambda v, rest, most: 2 * v[0] > most - rest)),
):
    wrong("vote_until", named=_named)(under(_name, _function))


@wrong("vote_until", named="none_votes")
def none_is_an_answer(think, most):
    def think_of_it():
        answer = think()
        return "none" if answer is None else answer

    winner, used = with_a_counter(think_of_it, most)
    return (None if winner == "none" else winner), used


@wrong("vote_until", named="calls_often")
def all_first_then_counts(think, most):
    given = iter([think() for _ in range(most)])
    return with_a_counter(lambda: next(given), most)


@wrong("vote_until")
def the_winner_alone(think, most):
    return with_a_counter(think, most)[0]


# length_reward -------------------------------------------------------------------------------------------------------


@right("length_reward")
def by_numpy(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    n, ok = np.array(lengths, dtype=float), np.array(correct, dtype=bool)
    if kind == "lcpo_max":
        return ok * np.clip(alpha * (budget - n) + delta, 0, 1)
    if kind == "kimi":
        if len(n) == 0 or np.ptp(n) == 0:
            return np.zeros(len(n))
        share = 0.5 - (n - n.min()) / np.ptp(n)
        return np.where(ok, share, np.minimum(share, 0))
    if kind == "dast":
        share = n / budget - 1
        return np.where(ok, np.maximum(0.5 - share / 2, 0.1), np.minimum(0.9 * share - 0.1, -0.1))
    raise ValueError(kind)


@right("length_reward")
def by_torch(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    n, ok = torch.tensor(lengths, dtype=torch.double), torch.tensor(correct, dtype=torch.bool)
    if kind == "lcpo_max":
        return (alpha * (budget - n) + delta).clamp(0, 1) * ok
    if kind == "kimi":
        if len(n) == 0 or n.max() == n.min():
            return torch.zeros(len(n))
        share = 0.5 - (n - n.min()) / (n.max() - n.min())
        return torch.where(ok, share, share.clamp(max=0))
    if kind == "dast":
        share = (n - budget) / budget
        return torch.where(ok, (0.5 - 0.5 * share).clamp(min=0.1), (0.9 * share - 0.1).clamp(max=-0.1))
    raise ValueError(f"no reward is called {kind}")


@right("length_reward")
def one_function_each(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    def lcpo_max(n, ok):
        if not ok:
            return 0
        raw = alpha * (budget - n) + delta
        return 0 if raw < 0 else 1 if raw > 1 else raw

    def kimi(n, ok):
        low, high = min(lengths), max(lengths)
        if low == high:
            return 0
        raw = 0.5 - (n - low) / (high - low)
        return raw if ok or raw < 0 else 0

    def dast(n, ok):
        raw = (n - budget) / budget
        return max(0.1, 0.5 - 0.5 * raw) if ok else min(-0.1, 0.9 * raw - 0.1)

    rules = {"lcpo_max": lcpo_max, "kimi": kimi, "dast": dast}
    if kind not in rules:
        raise ValueError(f"{kind} is none of {sorted(rules)}")
    return [rules[kind](n, ok) for n, ok in zip(lengths, correct, strict=True)]


@wrong("length_reward", named="short_and_wrong")
def nobody_asks_whether_it_is_right(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    return by_numpy(kind, lengths, [True] * len(lengths), budget, alpha, delta)


@wrong("length_reward", named="kimi_right_only")
def spans_the_right_ones(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    own = [n for n, ok in zip(lengths, correct, strict=True) if ok] or lengths
    if kind != "kimi" or not lengths:
        return by_numpy(kind, lengths, correct, budget, alpha, delta)
    low, span = min(own), max(own) - min(own)
    raw = [0.5 - (n - low) / span if span else 0.0 for n in lengths]
    return [x if ok else min(0, x) for x, ok in zip(raw, correct, strict=True)]


@wrong("length_reward", named="lcpo_not_cut")
def may_be_anything(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    if kind == "lcpo_max":
        return [(alpha * (budget - n) + delta) * ok for n, ok in zip(lengths, correct, strict=True)]
    return by_numpy(kind, lengths, correct, budget, alpha, delta)


@wrong("length_reward", named="dast_bounds_swapped")
def min_for_max(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    if kind != "dast":
        return by_numpy(kind, lengths, correct, budget, alpha, delta)
    share = np.array(lengths) / budget - 1
    return np.where(correct, np.minimum(0.5 - share / 2, 0.1), np.maximum(0.9 * share - 0.1, -0.1))


@wrong("length_reward", named="any_kind")
def takes_any_kind_for_dast(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    return by_numpy(kind if kind in ("kimi", "lcpo_max") else "dast", lengths, correct, budget, alpha, delta)


@wrong("length_reward")
def divides_by_zero(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    if kind == "kimi":
        return [0.5 - (n - min(lengths)) / (max(lengths) - min(lengths)) for n in lengths]
    return by_numpy(kind, lengths, correct, budget, alpha, delta)


@wrong("length_reward")
def rounds(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5):
    return np.round(by_numpy(kind, lengths, correct, budget, alpha, delta), 2)


# shortest_correct ----------------------------------------------------------------------------------------------------


@right("shortest_correct")
def sorted_once(samples):
    right_ones = sorted((s for s in samples if s[2]), key=lambda s: len(s[1]))
    best = {}
    for problem, chain, _ in right_ones:
        best.setdefault(problem, chain)
    return [(problem, best[problem]) for problem in dict.fromkeys(s[0] for s in samples) if problem in best]


@right("shortest_correct")
def problem_by_problem(samples):
    seen, pairs = [], []
    for problem, _, _ in samples:
        if problem in seen:
            continue
        seen.append(problem)
        chains = [chain for other, chain, ok in samples if ok and other == problem]
        if chains:
            pairs.append([problem, torch.tensor(min(chains, key=len))])
    return pairs


@right("shortest_correct")
def grouped(samples):
    groups = {}
    for problem, chain, ok in samples:
        groups.setdefault(problem, []).append((not ok, len(chain), len(groups.get(problem, [])), chain))
    best = {problem: min(group, key=lambda one: one[:3]) for problem, group in groups.items()}
    return tuple((problem, chain) for problem, (bad, _, _, chain) in best.items() if not bad)


@wrong("shortest_correct", named="short_and_wrong")
def short_is_good(samples):
    return sorted_once([(problem, chain, True) for problem, chain, _ in samples])


@wrong("shortest_correct", named="gate_afterwards")
def filters_in_the_end(samples):
    groups = {}
    for one in samples:
        groups.setdefault(one[0], []).append(one)
    best = [min(group, key=lambda one: len(one[1])) for group in groups.values()]
    return [(problem, chain) for problem, chain, ok in best if ok]


@wrong("shortest_correct", named="order_of_right")
def in_order_of_the_right_ones(samples):
    best = {}
    for problem, chain, ok in samples:
        if ok and (problem not in best or len(chain) < len(best[problem])):
            best[problem] = chain
    return list(best.items())


@wrong("shortest_correct", named="neighbours_only")
def with_groupby(samples):
    pairs = []
    for problem, group in itertools.groupby(samples, key=lambda one: one[0]):
        chains = [chain for _, chain, ok in group if ok]
        if chains:
            pairs.append((problem, min(chains, key=len)))
    return pairs


@wrong("shortest_correct")
def lengths_for_chains(samples):
    return [(problem, [len(chain)]) for problem, chain in sorted_once(samples)]


@wrong("speculative_step", named="scored_behind_itself")
def scores_a_step_behind_itself(small, large, score, ids, threshold, end, max_steps):
    ids, kept = list(ids), []
    for _ in range(max_steps):
        before = len(ids)
        step = small(list(ids))
        ids += step
        if min(score(list(ids), step)) >= threshold:
            kept.append(True)
        else:
            del ids[before:]
            step = large(list(ids))
            ids += step
            kept.append(False)
        if step[-1] == end:
            break
    return ids, kept


@wrong("speculative_step", named="large_end_missed")
def only_a_kept_step_ends(small, large, score, ids, threshold, end, max_steps):
    text = list(ids)
    kept = []
    while len(kept) < max_steps:
        step = small(text[:])
        if min(score(text[:], step)) >= threshold:
            text = text + step
            kept.append(True)
            if step[-1] == end:
                break
        else:
            text = text + large(text[:])
            kept.append(False)
    return text, kept


@wrong("speculative_step", named="end_inside")
def ends_wherever_end_stands(small, large, score, ids, threshold, end, max_steps):
    out, kept = list(ids), []
    for _ in range(max_steps):
        step = small(list(out))
        good = min(score(list(out), step)) >= threshold
        if not good:
            step = large(list(out))
        out.extend(step)
        kept.append(good)
        if end in step:
            break
    return out, kept


@wrong("force_budget", says="Neither the mark is thinking")
def an_end_counts_as_a_thought(next_token, prompt, budget, mark, end, longest=8):
    ids = list(prompt)
    thought = 0
    while thought < budget:
        token = next_token(ids)
        if token == mark:
            break
        thought += 1
        if token == end:
            break
        ids.append(token)
    ids.append(mark)
    answered = 0
    while answered < longest:
        token = next_token(ids)
        ids.append(token)
        answered += 1
        if token == end:
            break
    return ids, thought


@wrong("force_budget", says="without the mark")
def the_mark_is_an_answer(next_token, prompt, budget, mark, end, longest=8):
    thinking = []
    while len(thinking) < budget:
        token = next_token(prompt + thinking)
        if token in (mark, end):
            break
        thinking.append(token)
    answer = [mark]
    while len(answer) < longest:
        token = next_token(prompt + thinking + answer)
        answer.append(token)
        if token == end:
            break
    return prompt + thinking + answer, len(thinking)


@wrong("force_budget", says="`end` is the last of them")
def the_end_of_the_answer_dropped(next_token, prompt, budget, mark, end, longest=8):
    ids = prompt[:]
    thought = 0
    while thought < budget:
        new = next_token(ids)
        if new == mark or new == end:
            break
        ids.append(new)
        thought += 1
    ids.append(mark)
    for _ in range(longest):
        new = next_token(ids)
        if new == end:
            break
        ids.append(new)
    return ids, thought
