"""Unit 10: right answers written in other ways, and the mistakes that students make. Trees and their choice."""

import itertools
import math

import numpy as np
import torch

from answers import right, wrong

LONG = torch.long

# medusa_labels ------------------------------------------------------------------------------------------------------


@right("medusa_labels")
def slices_into_a_full_tensor(ids, n_heads):
    labels = torch.full((*ids.shape, n_heads), -100, dtype=LONG)
    length = ids.shape[-1]
    for i in range(n_heads):
        if length > 2 + i:
            labels[..., : length - 2 - i, i] = ids[..., 2 + i :]
    return labels


@right("medusa_labels")
def padded_and_unfolded(ids, n_heads):
    if n_heads == 0 or ids.shape[-1] == 0:
        return ids.new_zeros(*ids.shape, n_heads)
    padded = torch.nn.functional.pad(ids, (0, n_heads + 1), value=-100)
    return padded[..., 2:].unfold(-1, n_heads, 1)[..., : ids.shape[-1], :]


@right("medusa_labels")
def plain_loops(ids, n_heads):
    rows = ids.reshape(-1, ids.shape[-1]).tolist() if ids.numel() else []
    said = [[[row[t + 2 + i] if t + 2 + i < len(row) else -100 for i in range(n_heads)] for t in range(len(row))]
            for row in rows]
    return torch.tensor(said, dtype=LONG).reshape(*ids.shape, n_heads)


@right("medusa_labels")
def rolled_and_masked(ids, n_heads):
    columns = []
    for i in range(n_heads):
        moved = torch.roll(ids, -(2 + i), dims=-1)
        moved = moved.masked_fill(torch.arange(ids.shape[-1]) >= ids.shape[-1] - 2 - i, -100)
        columns.append(moved)
    return torch.stack(columns, dim=-1) if columns else ids.new_zeros(*ids.shape, 0)


@right("medusa_labels")
def with_numpy(ids, n_heads):
    array = ids.numpy()
    out = np.full((*array.shape, n_heads), -100, dtype=np.int64)
    for i in range(n_heads):
        tail = array[..., 2 + i :]
        out[..., : tail.shape[-1], i] = tail
    return out


def shifted_by(first, fill=-100):
    def answer(ids, n_heads):
        labels = torch.full((*ids.shape, n_heads), fill, dtype=LONG)
        for i in range(n_heads):
            tail = ids[..., first + i :]
            labels[..., : tail.shape[-1], i] = tail
        return labels

    return answer


def wrong_labels(name, named, function):
    function.__name__ = name
    return wrong("medusa_labels", named=named)(function)


wrong_labels("from_the_next_token_on", "one_early", shifted_by(1))
wrong_labels("three_ahead", "one_late", shifted_by(3))
wrong_labels("zeros_behind_the_end", "padded_with_a_token", shifted_by(2, 0))


@wrong("medusa_labels", named="all_alike")
def the_same_for_all(ids, n_heads):
    return shifted_by(2)(ids, 1).expand(*ids.shape, n_heads).clone()


@wrong("medusa_labels", named="wraps")
def roll_goes_round(ids, n_heads):
    return torch.stack([ids.roll(-2 - i, -1) for i in range(n_heads)], -1) if n_heads else ids.new_zeros(*ids.shape, 0)


@wrong("medusa_labels", named="heads_reversed")
def the_farthest_first(ids, n_heads):
    return shifted_by(2)(ids, n_heads).flip(-1)


@wrong("medusa_labels", named="across_rows")
def flattened(ids, n_heads):
    return shifted_by(2)(ids.flatten(), n_heads).reshape(*ids.shape, n_heads)


@wrong("medusa_labels", named="looks_back")
def from_behind(ids, n_heads):
    return torch.stack([ids.roll(2 + i, -1) for i in range(n_heads)], -1) if n_heads else ids.new_zeros(*ids.shape, 0)


@wrong("medusa_labels")
def heads_before_positions(ids, n_heads):
    return shifted_by(2)(ids, n_heads).movedim(-1, 0)


@wrong("medusa_labels")
def one_row_only(ids, n_heads):
    return slices_into_a_full_tensor(ids if ids.dim() == 1 else ids[0], n_heads)


@wrong("medusa_labels")
def minus_one_behind_the_end(ids, n_heads):
    return shifted_by(2, -1)(ids, n_heads)


@wrong("medusa_labels")
def short_texts_crash(ids, n_heads):
    return torch.stack([torch.cat([ids[..., 2 + i :], torch.full((*ids.shape[:-1], 2 + i), -100)], -1)
                        for i in range(n_heads)], -1)


# build_tree ---------------------------------------------------------------------------------------------------------


def refuse_unless_a_tree(choices):
    for i, path in enumerate(choices):
        if len(path) == 0 or path in choices[:i] or (len(path) > 1 and path[:-1] not in choices[:i]):
            raise ValueError(f"{path} is out of place")


@right("build_tree")
def looked_up_in_the_list(choices):
    refuse_unless_a_tree(choices)
    parents = [choices.index(path[:-1]) if len(path) > 1 else -1 for path in choices]
    return torch.tensor(parents, dtype=LONG), torch.tensor([len(path) for path in choices], dtype=LONG)


@right("build_tree")
def depth_from_the_parent(choices):
    place, parents, depths = {}, [], []
    for i, (*above, rank) in enumerate(map(tuple, choices)) if () not in choices else iter(refused()):
        above = tuple(above)
        if (*above, rank) in place or (above and above not in place):
            raise ValueError("no tree")
        parents.append(place.get(above, -1))
        depths.append(1 if not above else depths[place[above]] + 1)
        place[(*above, rank)] = i
    return torch.tensor(parents).long(), torch.tensor(depths).long()


def refused():
    raise ValueError("an empty path")
    yield


@right("build_tree")
def compared_path_by_path(choices):
    parents = torch.full((len(choices),), -1, dtype=LONG)
    for i, path in enumerate(choices):
        before = [j for j in range(i) if choices[j] == path[:-1]]
        if not path or path in choices[:i] or (len(path) > 1 and not before):
            raise ValueError
        if len(path) > 1:
            parents[i] = before[0]
    return parents, torch.tensor(list(map(len, choices)), dtype=LONG)


@right("build_tree")
def texts_as_keys(choices):
    numbers = {"": -1}
    parents = []
    for i, path in enumerate(choices):
        name = "".join(f"/{rank}" for rank in path)
        above = "".join(f"/{rank}" for rank in path[:-1])
        if name in numbers:
            raise ValueError("twice, or empty")
        if above not in numbers:
            raise ValueError("its beginning is missing")
        parents.append(numbers[above])
        numbers[name] = i
    return np.array(parents, dtype=np.int64), np.array([len(path) for path in choices], dtype=np.int64)


@right("build_tree")
def lists_come_back(choices):
    parents, depths = looked_up_in_the_list(choices)
    return parents.tolist(), depths.tolist()


def tree_of(parent, depth=len, check=True):
    def answer(choices):
        if check:
            refuse_unless_a_tree(choices)
        parents = [parent(choices, path, i) for i, path in enumerate(choices)]
        return torch.tensor(parents, dtype=LONG), torch.tensor(list(map(depth, choices)), dtype=LONG)

    return answer


def own_parent(choices, path, i):
    return choices.index(path[:-1]) if path[:-1] in choices[:i] else -1


def wrong_tree(name, named, *how, **more):
    function = tree_of(*how, **more)
    function.__name__ = name
    return wrong("build_tree", named=named)(function)


wrong_tree("counts_the_root", "root_is_a_node", lambda c, path, i: own_parent(c, path, i) + 1)
wrong_tree("depths_from_zero", "depth_from_0", own_parent, lambda path: len(path) - 1)
wrong_tree("the_rank_above", "rank_for_index", lambda c, path, i: path[-2] if len(path) > 1 else -1)
wrong_tree("a_chain", "previous_node", lambda c, path, i: i - 1)
wrong_tree("never_refuses", "refuses_nothing", own_parent, check=False)
wrong_tree("ranks_as_depths", "rank_for_depth", own_parent, lambda path: path[-1] + 1)


@wrong("build_tree")
def lets_a_later_beginning_pass(choices):
    """Refuses three of the four: it is not told that nothing is refused."""
    paths = [tuple(path) for path in choices]
    known = {path: i for i, path in enumerate(paths)} | {(): -1}
    if () in paths or len(set(paths)) < len(paths) or any(path[:-1] not in known for path in paths):
        raise ValueError("no tree")
    return [known[path[:-1]] for path in paths], [len(path) for path in paths]


@wrong("build_tree", named="newest_above")
def the_newest_of_the_level_above(choices):
    refuse_unless_a_tree(choices)
    newest, parents = {0: -1}, []
    for i, path in enumerate(choices):
        parents.append(newest[len(path) - 1])
        newest[len(path)] = i
    return torch.tensor(parents, dtype=LONG), torch.tensor(list(map(len, choices)), dtype=LONG)


@wrong("build_tree", named="reordered")
def sorted_by_length(choices):
    refuse_unless_a_tree(choices)
    return looked_up_in_the_list(sorted(choices, key=lambda path: (len(path), path)))


@wrong("build_tree")
def a_missing_beginning_hangs_on_the_root(choices):
    if () in choices or len(set(choices)) < len(choices):
        raise ValueError
    return tree_of(own_parent, check=False)(choices)


@wrong("build_tree")
def answers_all_the_same(choices):
    return looked_up_in_the_list(choices) if len(set(choices)) == len(choices) else (choices, choices)


@wrong("build_tree")
def wants_at_least_one(choices):
    parents, depths = looked_up_in_the_list(choices)
    return parents, depths / depths.max() * depths.max().item() if len(depths) else depths.max()


# tree_attention_mask ------------------------------------------------------------------------------------------------


@right("tree_attention_mask")
def climbs_from_every_node(parents):
    n = len(parents)
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        at = i
        while at != -1:
            mask[i, at] = True
            at = int(parents[at])
    return mask


@right("tree_attention_mask")
def powers_of_the_step(parents):
    n = len(parents)
    step = torch.zeros(n, n)
    for i, parent in enumerate(parents.tolist()):
        if parent >= 0:
            step[i, parent] = 1.0
    reach, power = torch.eye(n), torch.eye(n)
    for _ in range(n):
        power = power @ step
        reach = reach + power
    return reach > 0


@right("tree_attention_mask")
def sets_of_ancestors(parents):
    above = []
    for i, parent in enumerate(parents.tolist()):
        above.append({i} | (above[parent] if parent >= 0 else set()))
    n = len(above)
    return torch.tensor([[j in row for j in range(n)] for row in above], dtype=torch.bool).reshape(n, n)


@right("tree_attention_mask")
def numbers_for_booleans(parents):
    return climbs_from_every_node(parents).int().numpy()


def mask_by(name, named, entry):
    def answer(parents):
        n, up = len(parents), climbs_from_every_node(parents)
        mask = [[bool(entry(up, parents.tolist(), i, j)) for j in range(n)] for i in range(n)]
        return torch.tensor(mask, dtype=torch.bool).reshape(n, n)

    answer.__name__ = name
    return wrong("tree_attention_mask", named=named)(answer)


mask_by("all_before", "causal", lambda up, parents, i, j: j <= i)
mask_by("columns_for_rows", "transposed", lambda up, parents, i, j: up[j, i])
mask_by("not_itself", "blind_to_itself", lambda up, parents, i, j: up[i, j] and i != j)
mask_by("one_step_up", "parent_only", lambda up, parents, i, j: j in (i, parents[i]))
mask_by("all_less_deep", "by_depth", lambda up, parents, i, j: i == j or up[j].sum() < up[i].sum())
mask_by("siblings_too", "sees_siblings", lambda up, parents, i, j: up[i, j] or parents[i] == parents[j])
mask_by("inverted", "hidden", lambda up, parents, i, j: not up[i, j])
mask_by("two_steps_up", None, lambda up, parents, i, j: j in (
    i, parents[i], parents[parents[i]] if parents[i] >= 0 else i))


@wrong("tree_attention_mask", named="with_root")
def root_in_front(parents):
    return torch.nn.functional.pad(climbs_from_every_node(parents), (1, 0, 1, 0), value=True)


@wrong("tree_attention_mask", named="minus_one")
def rows_of_the_parents(parents):
    mask = torch.eye(len(parents), dtype=torch.bool)
    for i in range(len(parents)):
        mask[i] = mask[i] | mask[parents[i]]
    return mask


@wrong("tree_attention_mask", named="minus_one")
def minus_one_is_the_last(parents):
    mask = torch.eye(len(parents), dtype=torch.bool)
    for i, parent in enumerate(parents.tolist()):
        mask[i] |= mask[parent]
        mask[i, parent] = True
    return mask


# typical_acceptance -------------------------------------------------------------------------------------------------


@wrong("typical_acceptance")
def at_the_threshold_too(p, epsilon=0.09, delta=0.3):
    entropy = torch.special.entr(p).sum(-1, keepdim=True)
    return p >= (delta * torch.exp(-entropy)).clamp(max=epsilon)


@right("typical_acceptance")
def with_where(p, epsilon=0.09, delta=0.3):
    terms = torch.where(p > 0, p * torch.log(p.clamp(min=1e-38)), torch.zeros_like(p))
    bound = torch.minimum(torch.full_like(terms.sum(-1), epsilon), delta * torch.exp(terms.sum(-1)))
    return p > bound.unsqueeze(-1)


@right("typical_acceptance")
def by_a_distribution(p, epsilon=0.09, delta=0.3):
    entropy = torch.special.entr(p.double()).sum(dim=-1, keepdim=True)
    return p > torch.clamp(delta * torch.exp(-entropy), max=epsilon)


@right("typical_acceptance")
def row_by_row(p, epsilon=0.09, delta=0.3):
    kept = torch.zeros(p.shape, dtype=torch.bool)
    for place in itertools.product(*map(range, p.shape[:-1])):
        row = p[place].tolist()
        entropy = -sum(x * math.log(x) for x in row if x > 0)
        bound = min(epsilon, delta * math.exp(-entropy))
        kept[place] = torch.tensor([x > bound for x in row])
    return kept


@right("typical_acceptance")
def log_of_nan_made_zero(p, epsilon=0.09, delta=0.3):
    with np.errstate(divide="ignore", invalid="ignore"):
        q = p.double().numpy()
        entropy = -np.nan_to_num(q * np.log(q)).sum(-1, keepdims=True)
    return q > np.minimum(epsilon, delta * np.exp(-entropy))


def wrong_threshold(name, named, function):
    function.__name__ = name
    return wrong("typical_acceptance", named=named)(function)


def entropy_of(p):
    return torch.special.entr(p).sum(-1, keepdim=True)


wrong_threshold("log2", "bits", lambda p, epsilon=0.09, delta=0.3:
                p > (delta * torch.exp(-entropy_of(p) / math.log(2))).clamp(max=epsilon))
wrong_threshold("the_larger", "max_for_min", lambda p, epsilon=0.09, delta=0.3:
                p > (delta * torch.exp(-entropy_of(p))).clamp(min=epsilon))
wrong_threshold("plus_h", None, lambda p, epsilon=0.09, delta=0.3:
                p > (delta * torch.exp(entropy_of(p))).clamp(max=epsilon))
wrong_threshold("just_epsilon", "epsilon_only", lambda p, epsilon=0.09, delta=0.3: p > epsilon)
wrong_threshold("just_delta", "delta_only", lambda p, epsilon=0.09, delta=0.3: p > delta * torch.exp(-entropy_of(p)))
wrong_threshold("one_sum", "whole_batch", lambda p, epsilon=0.09, delta=0.3:
                p > (delta * torch.exp(-torch.special.entr(p).sum())).clamp(max=epsilon))
wrong_threshold("zero_times_log_zero", "nan", lambda p, epsilon=0.09, delta=0.3:
                p > (delta * torch.exp((p * p.log()).sum(-1, keepdim=True))).clamp(max=epsilon))
wrong_threshold("what_falls_out", "likely_to_unlikely", lambda p, epsilon=0.09, delta=0.3:
                p <= (delta * torch.exp(-entropy_of(p))).clamp(max=epsilon))
wrong_threshold("other_way_round", "swapped", lambda p, epsilon=0.09, delta=0.3:
                p > (epsilon * torch.exp(-entropy_of(p))).clamp(max=delta))
wrong_threshold("other_defaults", None, lambda p, epsilon=0.1, delta=0.4:
                p > (delta * torch.exp(-entropy_of(p))).clamp(max=epsilon))
wrong_threshold("keeps_all", None, lambda p, epsilon=0.09, delta=0.3: torch.ones_like(p).bool())
wrong_threshold("only_the_likeliest", None, lambda p, epsilon=0.09, delta=0.3: p == p.amax(-1, keepdim=True))


# best_tree ----------------------------------------------------------------------------------------------------------


def numbers(head_accuracy):
    return torch.as_tensor(head_accuracy).double().tolist()


@right("best_tree")
def level_by_level_then_sorted(head_accuracy, budget):
    """Of every depth the best `budget` nodes are enough: no other can be among the best."""
    found, level = [], [(1.0, ())]
    for row in numbers(head_accuracy):
        level = [(worth * accuracy, (*path, rank)) for worth, path in level for rank, accuracy in enumerate(row)
                 if worth * accuracy > 0]
        level = sorted(level, key=lambda one: (-one[0], one[1]))[:budget]
        found += level
    found.sort(key=lambda one: (-one[0], len(one[1]), one[1]))
    return [path for _, path in found[:budget]]


@right("best_tree")
def greedy_frontier(head_accuracy, budget):
    rows, chosen = numbers(head_accuracy), []
    frontier = {(rank,): accuracy for rank, accuracy in enumerate(rows[0])} if rows else {}
    while len(chosen) < budget and frontier:
        path = max(frontier, key=frontier.get)
        worth = frontier.pop(path)
        if worth <= 0:
            break
        chosen.append(path)
        if len(path) < len(rows):
            frontier |= {(*path, rank): worth * accuracy for rank, accuracy in enumerate(rows[len(path)])}
    return chosen


@right("best_tree")
def bisected_threshold(head_accuracy, budget):
    """All nodes above a threshold, found by depth-first search; the threshold falls until there are enough."""
    rows = numbers(head_accuracy)

    def above(least):
        found, waiting = [], [(1.0, ())]
        while waiting:
            worth, path = waiting.pop()
            if len(path) < len(rows):
                more = [(worth * a, (*path, rank)) for rank, a in enumerate(rows[len(path)]) if worth * a >= least]
                found += more
                waiting += more
            if len(found) > 4000:
                break
        return found

    least = 1.0
    while len(above(least)) < budget and least > 1e-12:
        least *= 0.8
    found = sorted(above(least), key=lambda one: (-one[0], len(one[1])))
    return [path for _, path in found[:budget]]


@right("best_tree")
def lists_for_tuples(head_accuracy, budget):
    return [list(path) for path in greedy_frontier(head_accuracy, budget)]


def wrong_choice(name, named, function):
    function.__name__ = name
    return wrong("best_tree", named=named)(function)


wrong_choice("chain_of_firsts", "chain", lambda head_accuracy, budget: [(0,) * d for d in range(1, min(budget, len(
    head_accuracy)) + 1)])
wrong_choice("next_token_only", "first_level_only", lambda head_accuracy, budget: [
    (r,) for r in range(min(budget, len(head_accuracy[0])))])
wrong_choice("by_length", "unordered", lambda head_accuracy, budget: sorted(
    greedy_frontier(head_accuracy, budget), key=lambda path: (len(path), path)))
wrong_choice("root_counts", "one_node_too_few", lambda head_accuracy, budget: greedy_frontier(
    head_accuracy, max(0, budget - 1)))
wrong_choice("one_more", "one_node_too_many", lambda head_accuracy, budget: greedy_frontier(head_accuracy, budget + 1))
wrong_choice("root_in_the_answer", "with_root", lambda head_accuracy, budget: [
    (), *greedy_frontier(head_accuracy, budget)])
wrong_choice("all_there_is", None, lambda head_accuracy, budget: greedy_frontier(head_accuracy, 10**6))
wrong_choice("beam_of_two", None, lambda head_accuracy, budget: [
    p for p in greedy_frontier(head_accuracy, 4 * budget) if max(p) < 2][:budget])
wrong_choice("keeps_the_impossible", None, lambda head_accuracy, budget: level_by_level_then_sorted(
    torch.as_tensor(head_accuracy).double() + 1e-12, budget))


@wrong("best_tree")
def adds_instead_of_multiplying(head_accuracy, budget):
    rows, chosen = numbers(head_accuracy), []
    frontier = {(rank,): accuracy for rank, accuracy in enumerate(rows[0])}
    while len(chosen) < budget and frontier:
        path = max(frontier, key=frontier.get)
        worth = frontier.pop(path)
        chosen.append(path)
        if len(path) < len(rows):
            frontier |= {(*path, rank): worth + accuracy for rank, accuracy in enumerate(rows[len(path)])}
    return chosen


@wrong("best_tree")
def own_accuracy_alone(head_accuracy, budget):
    rows, chosen = numbers(head_accuracy), []
    frontier = {(rank,): accuracy for rank, accuracy in enumerate(rows[0])}
    while len(chosen) < budget and frontier:
        path = max(frontier, key=frontier.get)
        if frontier.pop(path) <= 0:
            break
        chosen.append(path)
        if len(path) < len(rows):
            frontier |= {(*path, rank): accuracy for rank, accuracy in enumerate(rows[len(path)])}
    return chosen


@wrong("best_tree")
def falling_rows_assumed(head_accuracy, budget):
    rows = [sorted(row, reverse=True) for row in numbers(head_accuracy)]
    return greedy_frontier(torch.tensor(rows), budget) if rows else []


# compact_cache ------------------------------------------------------------------------------------------------------


@right("compact_cache")
def cut_and_joined(cache, path, start):
    made = []
    for keys, values in cache:
        both = (torch.cat([x[..., :start, :], x[..., start:, :][..., path, :]], dim=-2) for x in (keys, values))
        made.append(tuple(both))
    return made


@right("compact_cache")
def a_mask_of_rows(cache, path, start):
    made = []
    for pair in cache:
        stays = torch.zeros(pair[0].shape[-2], dtype=torch.bool)
        stays[:start] = True
        for i in path:
            stays[start + i] = True
        made.append([x[..., stays, :] for x in pair])
    return made


@right("compact_cache")
def row_by_row_in_numpy(cache, path, start):
    def kept(x):
        rows = [x.numpy()[..., r, :] for r in (*range(start), *(start + i for i in path))]
        return np.stack(rows, -2) if rows else x.numpy()[..., :0, :]

    return [(kept(keys), kept(values)) for keys, values in cache]


@right("compact_cache")
def moved_in_a_copy(cache, path, start):
    made = []
    for keys, values in cache:
        keys, values = keys.clone(), values.clone()
        for place, i in enumerate(path):
            for x in (keys, values):
                x[..., start + place, :] = x[..., start + i, :]
        end = start + len(path)
        made.append((keys[..., :end, :], values[..., :end, :]))
    return tuple(made)


def wrong_rows(name, named, pick, layers=lambda cache: cache, pairs=(True, True)):
    def answer(cache, path, start):
        def kept(x, good):
            rows = pick(list(path), start, x.shape[-2])
            return x[..., rows if good else list(range(len(rows))), :]

        return [tuple(kept(x, good) for x, good in zip(pair, pairs, strict=True)) for pair in layers(cache)]

    answer.__name__ = name
    return wrong("compact_cache", named=named)(answer)


def due(path, start, length):
    return [*range(start), *(start + i for i in path)]


wrong_rows("cropped", "first_rows", lambda path, start, length: list(range(start + len(path))))
wrong_rows("the_newest", "last_rows", lambda path, start, length: [*range(start), *range(length - len(path), length)])
wrong_rows("numbers_of_nodes", "without_start", lambda path, start, length: [*range(start), *path])
wrong_rows("path_alone", "text_lost", lambda path, start, length: [start + i for i in path])
wrong_rows("root_has_a_row", "one_row_off", lambda path, start, length: [
    *range(start), *(min(start + i + 1, length - 1) for i in path)])
wrong_rows("as_it_was", "all_rows", lambda path, start, length: list(range(length)))
wrong_rows("values_forgotten", "keys_only", due, pairs=(True, False))
wrong_rows("first_layer", "one_layer", due, lambda cache: cache[:1])
wrong_rows("path_in_front", "path_first", lambda path, start, length: [*(start + i for i in path), *range(start)])
wrong_rows("keys_forgotten", None, due, pairs=(False, True))


@wrong("compact_cache")
def moved_in_place(cache, path, start):
    for pair in cache:
        for x in pair:
            for place, i in enumerate(path):
                x[..., start + place, :] = x[..., start + i, :].clone()
    return [tuple(x[..., : start + len(path), :] for x in pair) for pair in cache]


@wrong("compact_cache")
def four_dimensions_only(cache, path, start):
    rows = due(path, start, None)
    return [(keys[:, :, rows], values[:, :, rows]) for keys, values in cache]


@wrong("compact_cache")
def keys_twice(cache, path, start):
    return [(keys[..., due(path, start, None), :],) * 2 for keys, _ in cache]




# verify_tree_greedy -------------------------------------------------------------------------------------------------


def children_of(tree, at):
    return [i for i, parent in enumerate(tree.parents.tolist()) if parent == at]


@right("verify_tree_greedy")
def recursive_descent(tree, logits):
    def below(at):
        token = int(logits[at + 1].argmax())
        for i in children_of(tree, at):
            if int(tree.ids[i]) == token:
                path, tokens = below(i)
                return [i, *path], [token, *tokens]
        return [], [token]

    path, tokens = below(-1)
    return path, torch.tensor(tokens, dtype=LONG)


@right("verify_tree_greedy")
def the_longest_chain_of_agreement(tree, logits):
    """A node is right if its token is the target's and its parent is right; the deepest right node ends the path."""
    choice, parents = logits.argmax(-1), tree.parents.tolist()
    length, first = [], {}
    for i, parent in enumerate(parents):
        above = 0 if parent < 0 else length[parent]
        good = int(tree.ids[i]) == int(choice[parent + 1]) and (parent < 0 or above > 0) and parent not in first
        length.append(above + 1 if good else 0)
        if good:
            first[parent] = i
    path, at = [], -1
    while at in first:
        at = first[at]
        path.append(at)
    return path, torch.cat([tree.ids[path], choice[at + 1][None]]) if path else choice[:1]


@right("verify_tree_greedy")
def a_dict_of_children(tree, logits):
    choice = logits.argmax(-1).tolist()
    follow = {}
    for i, (token, parent) in enumerate(zip(tree.ids.tolist(), tree.parents.tolist(), strict=True)):
        follow.setdefault((parent, token), i)
    path, at = [], -1
    while (at, choice[at + 1]) in follow:
        at = follow[at, choice[at + 1]]
        path.append(at)
    tokens = [*tree.ids[torch.tensor(path, dtype=LONG)].tolist(), choice[at + 1]]
    return torch.tensor(path, dtype=LONG), torch.tensor(tokens)


@right("verify_tree_greedy")
def masks_of_tensors(tree, logits):
    path, at, tokens = [], -1, []
    while True:
        token = logits[at + 1].argmax()
        tokens.append(token)
        hits = ((tree.parents == at) & (tree.ids == token)).nonzero()[:, 0]
        if len(hits) == 0:
            return path, torch.stack(tokens)
        at = int(hits[0])
        path.append(at)


def walked(row=lambda at, depth: at + 1, which=lambda tree, at: children_of(tree, at), end=True, pick=0):
    def answer(tree, logits):
        choice, ids = logits.argmax(-1).tolist(), tree.ids.tolist()
        path, at = [], -1
        while True:
            said = choice[min(row(at, len(path)), len(choice) - 1)]
            hits = [i for i in which(tree, at) if ids[i] == said]
            if not hits:
                break
            at = hits[pick]
            path.append(at)
        return path, torch.tensor([*(ids[i] for i in path), *([said] if end else [])], dtype=LONG)

    return answer


def wrong_walk(name, named, **how):
    function = walked(**how)
    function.__name__ = name
    return wrong("verify_tree_greedy", named=named)(function)


wrong_walk("rows_without_a_root", "row_off", row=lambda at, depth: max(at, 0))
wrong_walk("rows_of_a_chain", "row_by_depth", row=lambda at, depth: depth)
wrong_walk("one_child_only", "first_child_only", which=lambda tree, at: children_of(tree, at)[:1])
wrong_walk("newest_child_only", "last_child_only", which=lambda tree, at: children_of(tree, at)[-1:])
wrong_walk("without_a_last_token", "no_last", end=False)
wrong_walk("last_of_equal_siblings", "last_of_equals", pick=-1)
wrong_walk("any_node_that_is_deeper", None, which=lambda tree, at: range(at + 1, len(tree.ids)))


@wrong("verify_tree_greedy", named="bottom_up")
def from_the_leaf_upwards(tree, logits):
    path, tokens = recursive_descent(tree, logits)
    return path[::-1], tokens


@wrong("verify_tree_greedy", named="all_that_agree")
def every_match(tree, logits):
    choice, parents, ids = logits.argmax(-1).tolist(), tree.parents.tolist(), tree.ids.tolist()
    path = [i for i in range(len(ids)) if ids[i] == choice[parents[i] + 1]]
    return path, torch.tensor([*(ids[i] for i in path), choice[path[-1] + 1 if path else 0]], dtype=LONG)


@wrong("verify_tree_greedy", named="most_matches")
def the_best_score(tree, logits):
    choice, parents, ids = logits.argmax(-1).tolist(), tree.parents.tolist(), tree.ids.tolist()
    best, most = [], 0
    for node in range(len(ids)):
        path = [node]
        while parents[path[0]] >= 0:
            path.insert(0, parents[path[0]])
        score = sum(ids[i] == choice[parents[i] + 1] for i in path)
        if score > most:
            best, most = path, score
    return best, torch.tensor([*(ids[i] for i in best), choice[best[-1] + 1 if best else 0]], dtype=LONG)


@wrong("verify_tree_greedy")
def tokens_for_the_path(tree, logits):
    path, tokens = recursive_descent(tree, logits)
    return tokens[:-1].tolist(), tokens


@wrong("verify_tree_greedy")
def the_tokens_alone(tree, logits):
    return recursive_descent(tree, logits)[1]


@wrong("verify_tree_greedy")
def least_likely(tree, logits):
    return recursive_descent(tree, -logits)


# verify_tree_stochastic ---------------------------------------------------------------------------------------------


def rest_of(p, q):
    rest = (p - q).clamp(min=0)
    return rest / rest.sum() if rest.sum() > 0 else p.clone()


def row_of(tree, q, i, size):
    if q is not None:
        return q[i]
    row = torch.zeros(size)
    row[tree.ids[i]] = 1.0
    return row


@right("verify_tree_stochastic")
def recursion(tree, q, p, dice):
    def at_node(at):
        left = p[at + 1]
        for i in children_of(tree, at):
            token, row = int(tree.ids[i]), row_of(tree, q, i, p.shape[-1])
            chance = 1.0 if row[token] <= left[token] else float(left[token] / row[token])
            if dice.flip(chance):
                path, tokens = at_node(i)
                return [i, *path], [token, *tokens]
            left = rest_of(left, row)
        return [], [dice.roll(left)]

    path, tokens = at_node(-1)
    return path, torch.tensor(tokens, dtype=LONG)


@right("verify_tree_stochastic")
def compared_with_a_draw(tree, q, p, dice):
    """One draw from p at every node; a child that holds it is kept, and where none does it is the last token."""
    path, tokens, at = [], [], -1
    while True:
        tokens.append(dice.roll(p[at + 1]))
        hits = [i for i in children_of(tree, at) if int(tree.ids[i]) == tokens[-1]]
        if not hits:
            return path, torch.tensor(tokens, dtype=LONG)
        at = hits[0]
        path.append(at)


@right("verify_tree_stochastic")
def unscaled_leftovers(tree, q, p, dice):
    """What is left is kept as a mass, and scaled only where it is asked."""
    path, at = [], -1
    waiting, mass = children_of(tree, at), p[0].double()
    while waiting:
        i = waiting.pop(0)
        row = row_of(tree, q, i, p.shape[-1]).double()
        token, total = int(tree.ids[i]), float(mass.sum())
        if dice.flip(min(1.0, float(mass[token]) / (total * float(row[token])))):
            path.append(i)
            at, waiting, mass = i, children_of(tree, i), p[i + 1].double()
        else:
            rest = (mass - total * row).clamp(min=0)
            mass = rest if float(rest.sum()) > 1e-12 else mass
    tokens = [*tree.ids[path].tolist(), dice.roll(mass / mass.sum())] if path else [dice.roll(mass / mass.sum())]
    return path, torch.tensor(tokens, dtype=LONG)


@right("verify_tree_stochastic")
def plain_numbers(tree, q, p, dice):
    ids, parents, size = tree.ids.tolist(), tree.parents.tolist(), p.shape[-1]
    path, at, tokens = [], -1, []
    while True:
        left = p[at + 1].tolist()
        for i in [i for i in range(len(ids)) if parents[i] == at]:
            row = q[i].tolist() if q is not None else [float(x == ids[i]) for x in range(size)]
            if dice.flip(min(1.0, left[ids[i]] / row[ids[i]])):
                path.append(i)
                tokens.append(ids[i])
                at = i
                break
            rest = [max(0.0, a - b) for a, b in zip(left, row, strict=True)]
            left = [x / sum(rest) for x in rest] if sum(rest) > 0 else left
        else:
            return path, np.array([*tokens, dice.roll(torch.tensor(left, dtype=torch.double))])


def tree_rule(keep=None, leftover=None, last=None, row=lambda i, depth: i + 1, only=None, stay=False):
    def answer(tree, q, p, dice):
        path, at, here, left = [], -1, p[0], p[0]
        waiting = children_of(tree, at)
        while waiting:
            i = waiting.pop(0)
            mine, token = row_of(tree, q, i, p.shape[-1]), int(tree.ids[i])
            chance = keep(left, mine, token) if keep else min(1.0, float(left[token] / mine[token]))
            if dice.flip(chance):
                path.append(i)
                here = left = p[min(row(i, len(path)), len(p) - 1)]
                waiting = waiting if stay else children_of(tree, i)
            else:
                left = leftover(left, mine, here) if leftover else rest_of(left, mine)
                waiting = [] if only else waiting
        end = last(left, here) if last else left
        return path, torch.tensor([*(int(tree.ids[i]) for i in path), dice.roll(end)], dtype=LONG)

    return answer


def wrong_law(name, named, **how):
    function = tree_rule(**how)
    function.__name__ = name
    return wrong("verify_tree_stochastic", named=named)(function)


wrong_law("each_sibling_by_the_whole_p", "sibling_forgotten", leftover=lambda left, row, here: rest_of(here, row))
wrong_law("last_token_from_p", "correction_from_p", last=lambda left, here: here)
wrong_law("nothing_is_taken_away", "correction_from_p", leftover=lambda left, row, here: left)
wrong_law("only_the_first_child", "one_child", only=True)
wrong_law("row_of_the_node", "row_off", row=lambda i, depth: i)
wrong_law("row_of_the_depth", "row_off", row=lambda i, depth: depth)
wrong_law("siblings_of_the_kept_one", "stays_at_siblings", stay=True)
wrong_law("upside_down", "ratio_inverted",
          keep=lambda left, row, x: min(1.0, float(row[x] / left[x])) if left[x] > 0 else 0.0)
wrong_law("if_it_is_the_argmax", "argmax", keep=lambda left, row, x: float(int(left.argmax()) == x))
wrong_law("kept_with_p_itself", "kept_with_p", keep=lambda left, row, x: float(left[x]))
wrong_law("what_q_had_too_much_of", "residual_swapped", leftover=lambda left, row, here: rest_of(row, left))
wrong_law("absolute_differences", "residual_absolute",
          leftover=lambda left, row, here: (left - row).abs() / (left - row).abs().sum())


@wrong("verify_tree_stochastic", named="no_bonus")
def ends_at_a_leaf(tree, q, p, dice):
    path, tokens = recursion(tree, q, p, dice)
    return path, tokens[: len(path)] if path and not children_of(tree, path[-1]) else tokens


@wrong("verify_tree_stochastic", named="tree_ignored")
def plain_sampling(tree, q, p, dice):
    return [], torch.tensor([dice.roll(p[0])])


@wrong("verify_tree_stochastic", named="own_randomness")
def with_torch_random(tree, q, p, dice):
    class Own:
        def flip(self, chance):
            return bool(torch.rand(()) < chance)

        def roll(self, row):
            return dice.roll(row)

    return recursion(tree, q, p, Own())


@wrong("verify_tree_stochastic", named="bottom_up")
def path_upside_down(tree, q, p, dice):
    path, tokens = recursion(tree, q, p, dice)
    return path[::-1], tokens


@wrong("verify_tree_stochastic", named="last_child_first")
def siblings_backwards(tree, q, p, dice):
    def at_node(at):
        left = p[at + 1]
        for i in children_of(tree, at)[::-1]:
            token, row = int(tree.ids[i]), row_of(tree, q, i, p.shape[-1])
            if dice.flip(min(1.0, float(left[token] / row[token]))):
                path, tokens = at_node(i)
                return [i, *path], [token, *tokens]
            left = rest_of(left, row)
        return [], [dice.roll(left)]

    path, tokens = at_node(-1)
    return path, torch.tensor(tokens, dtype=LONG)


@wrong("verify_tree_stochastic")
def needs_q(tree, q, p, dice):
    return recursion(tree, q + 0, p, dice)


@wrong("verify_tree_stochastic")
def greedy_path(tree, q, p, dice):
    return recursive_descent(tree, p)


@wrong("verify_tree_stochastic")
def zero_over_zero(tree, q, p, dice):
    path, at, left = [], -1, p[0]
    waiting = children_of(tree, at)
    while waiting:
        i = waiting.pop(0)
        row, token = row_of(tree, q, i, p.shape[-1]), int(tree.ids[i])
        if dice.flip(min(1.0, float(left[token] / row[token]))):
            path.append(i)
            waiting, left = children_of(tree, i), p[i + 1]
        else:
            left = (left - row).clamp(min=0) / (left - row).clamp(min=0).sum()
    return path, torch.tensor([*(int(tree.ids[i]) for i in path), dice.roll(left)], dtype=LONG)
