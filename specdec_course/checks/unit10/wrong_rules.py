"""Wrong rules for labels, trees, masks and greedy paths: (id, what the student reads, the rules).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

import itertools

import torch

from .geometry import build_tree, right_mask, tree_attention_mask
from .greedy import verify_tree_greedy
from .labels import NONE, medusa_labels, right_labels
from .trees import add, depths_of, path_to

# medusa_labels ---------------------------------------------------------------------------------------------------


def _shifted(by, tail=None, order=1):
    """Labels shifted by by(i); behind the end stands `tail`, or what comes round from the beginning."""

    def rule(ids, n_heads):
        length = ids.shape[-1]
        columns = []
        for i in range(n_heads)[::order]:
            moved = ids.roll(-by(i), -1) if length else ids.clone()
            if tail is not None:
                moved[..., max(0, length - by(i)) :] = tail
            columns.append(moved)
        return torch.stack(columns, -1) if columns else ids.new_empty(*ids.shape, 0)

    return rule


def _one_long_row(ids, n_heads):
    return torch.tensor(right_labels(ids.flatten().tolist(), n_heads)).reshape(*ids.shape, n_heads)


add(
    medusa_labels,
    ("one_early", "Your heads are asked one token too early: the first of them for t + 1, which the target's own "
                  "head says "
     "already. Head i, from 0, says token t + 2 + i.", _shifted(lambda i: i + 1, NONE), _shifted(lambda i: i + 1)),
    ("one_late", "Your heads are asked one token too late: the first of them for t + 3.",
     _shifted(lambda i: i + 3, NONE)),
    ("all_alike", "All your heads are asked for the same token. Each looks one further ahead than the one before.",
     _shifted(lambda i: 2, NONE)),
    ("looks_back", "Your labels come from behind the position, not from ahead of it.",
     _shifted(lambda i: -i - 2), _shifted(lambda i: -i - 1)),
    ("wraps", "Behind the end of the text your labels begin at its beginning again: `roll` goes round. Put -100 there.",
     _shifted(lambda i: i + 2)),
    ("padded_with_a_token", "Where the text has ended you write a token (0, or the last one). A loss would learn "
                            "it: -100 is "
     "what torch leaves out.",
     _shifted(lambda i: i + 2, 0), _shifted(lambda i: i + 2, -1), _shifted(lambda i: i + 2, 1)),
    ("heads_reversed", "The heads stand in the wrong order: column 0 belongs to the head that looks least far ahead.",
     _shifted(lambda i: i + 2, NONE, -1)),
    ("across_rows", "Labels run from the end of one row of the batch into the next. Each row is a text by itself.",
     _one_long_row),
)  # fmt: skip
medusa_labels.help(
    r"size of tensor|shape|must match|Sizes of tensors",
    "A text may be shorter than a head looks ahead: the slice is empty then, and that head has no label.",
)
medusa_labels.help(
    r"index .* out of (range|bounds)|IndexError", "Position t has a label for head i only while t + 2 + i < T."
)

# build_tree ------------------------------------------------------------------------------------------------------


def _tree_of(parent=None, depth=len, check=True):
    """A tree with parent(known, path, i) and depth(path)."""
    parent = parent or (lambda known, path, i: known[path[:-1]])

    def rule(choices):
        known, parents, depths = {(): -1}, [], []
        for i, path in enumerate(map(tuple, choices)):
            if check and (path in known or path[:-1] not in known):
                raise ValueError("no tree")
            parents.append(parent(known, path, i) if path[:-1] in known else -1)
            depths.append(depth(path))
            known[path] = i
        return torch.tensor(parents, dtype=torch.long), torch.tensor(depths, dtype=torch.long)

    return rule


def _newest_above(choices):
    depths = [len(path) for path in choices]
    parents = [max((j for j in range(i) if depths[j] == depths[i] - 1), default=-1) for i in range(len(depths))]
    return torch.tensor(parents, dtype=torch.long), torch.tensor(depths, dtype=torch.long)


def _sorted_first(choices):
    return _tree_of()(sorted(choices, key=lambda path: (len(path), path)))


def _refusing(rule):
    """The same, by who refuses first what is no tree."""
    return lambda choices: (_tree_of()(choices), rule(choices))[1]


add(
    build_tree,
    ("root_is_a_node", "You count the root as a node: children of the newest token have the parent -1, and node i is "
     "choices[i].", _tree_of(lambda known, path, i: known[path[:-1]] + 1)),
    ("depth_from_0", "Your depths begin with 0. The newest token is at depth 0; its children are at 1.",
     _tree_of(depth=lambda path: len(path) - 1)),
    ("rank_for_index", "You take a rank for the number of a node. (3, 0) hangs on the node whose path is (3,), "
                       "wherever that "
     "stands.", _tree_of(lambda known, path, i: path[-2] if len(path) > 1 else -1)),
    ("previous_node", "You hang every node on the one before it. That is a chain.",
     _tree_of(lambda known, path, i: i - 1)),
    ("newest_above", "You hang a node on the newest one of the depth above. Its parent is the node whose path is "
                     "its own "
     "without the last rank.", _newest_above, _refusing(_newest_above)),
    ("reordered", "You sort the choices. Node i is choices[i]: answer in the order in which they were "
                  "given.", _sorted_first, _refusing(_sorted_first)),
    ("rank_for_depth", "You take a rank for a depth. The depth is the number of ranks in the path.",
     _tree_of(depth=lambda path: path[-1] + 1), _tree_of(depth=lambda path: path[-1])),
    ("refuses_nothing", "Nothing is refused. An empty path, a path that comes twice, and one whose beginning does "
                        "not come "
     "before it are no tree: raise ValueError.", _tree_of(check=False)),
)  # fmt: skip
build_tree.help(r"KeyError", "A path whose beginning is missing has to be refused with a ValueError, not a KeyError.")
build_tree.help(r"unhashable", "A path as a key has to be a tuple: `tuple(path)`.")

# tree_attention_mask ---------------------------------------------------------------------------------------------


def _mask(entry):
    """A mask with entry(parents, i, j)."""

    def rule(parents):
        parents, n = parents.tolist(), len(parents)
        return torch.tensor([[bool(entry(parents, i, j)) for j in range(n)] for i in range(n)]).reshape(n, n)

    return rule


def _above(parents, i, j):
    return j in path_to(parents, i)


def _last_for_none(marks):
    """What comes out where parents[i] = -1 is taken for an index: the last row, or the last column."""

    def rule(parents):
        mask = torch.eye(len(parents), dtype=torch.bool)
        for i, parent in enumerate(parents.tolist()):
            mask[i] |= mask[parent]
            mask[i, parent] |= marks
        return mask

    return rule


def _with_root(parents):
    mask = torch.tensor(right_mask(parents.tolist())).bool().reshape(len(parents), len(parents))
    return torch.nn.functional.pad(mask, (1, 0, 1, 0), value=True)


add(
    tree_attention_mask,
    ("causal", "Every node sees all nodes before it. Those of other branches belong to texts that exclude each other.",
     _mask(lambda parents, i, j: j <= i)),
    ("transposed", "Rows and columns are swapped: your nodes see what hangs below them.",
     _mask(lambda parents, i, j: _above(parents, j, i))),
    ("blind_to_itself", "A node does not see itself. Its own key and value are part of what it attends to.",
     _mask(lambda parents, i, j: i != j and _above(parents, i, j))),
    ("parent_only", "A node sees its parent, and nobody above that. All its ancestors are its text.",
     _mask(lambda parents, i, j: j == i or j == parents[i])),
    ("by_depth", "You go by depth: a node sees all nodes that are less deep, of other branches too.",
     _mask(lambda parents, i, j: j == i or depths_of(parents)[j] < depths_of(parents)[i])),
    ("sees_siblings", "A node sees its siblings. They are other guesses for the same place.",
     _mask(lambda parents, i, j: _above(parents, i, j) or parents[i] == parents[j])),
    ("minus_one", "A child of the root, whose parent is -1, sees the last node: as an index, -1 is the last one.",
     _last_for_none(False), _last_for_none(True)),
    ("hidden", "True and False are swapped: True is where a node may look.",
     _mask(lambda parents, i, j: not _above(parents, i, j))),
    ("with_root", "Your mask has a row and a column for the root. It is about the n nodes alone.", _with_root),
)  # fmt: skip

# verify_tree_greedy ----------------------------------------------------------------------------------------------


def _walked(row=lambda at: at + 1, pick=0, last=None, below=True, children=lambda found: found):
    def rule(tree, logits):
        choice, ids, parents = logits.argmax(-1).tolist(), tree.ids.tolist(), tree.parents.tolist()
        path, at = [], -1
        while True:
            nodes = children([i for i, parent in enumerate(parents) if parent == at and (below or i > at)])
            found = [i for i in nodes if ids[i] == choice[min(row(at), len(choice) - 1)]]
            if not found:
                break
            at = found[pick]
            path.append(at)
        tokens = [ids[i] for i in path]
        end = [choice[row(at)]] if last is None else last(choice, ids, path)
        return path, torch.tensor([*tokens, *end], dtype=torch.long)

    return rule


def _agreeing(tree, logits):
    choice, ids, parents = logits.argmax(-1).tolist(), tree.ids.tolist(), tree.parents.tolist()
    return ids, parents, choice, [ids[i] == choice[parents[i] + 1] for i in range(len(ids))]


def _most_matches(tree, logits):
    """The path with most nodes that agree, wherever they stand on it."""
    ids, parents, choice, good = _agreeing(tree, logits)
    best = max(range(-1, len(ids)), key=lambda i: (sum(good[j] for j in path_to(parents, i)), -i))
    path = path_to(parents, best)
    return path, torch.tensor([*(ids[i] for i in path), choice[best + 1]], dtype=torch.long)


def _all_that_agree(tree, logits):
    ids, parents, choice, good = _agreeing(tree, logits)
    path = [i for i in range(len(ids)) if good[i]]
    return path, torch.tensor([*(ids[i] for i in path), choice[(path[-1] if path else -1) + 1]], dtype=torch.long)


def _deepest_that_agrees(tree, logits):
    ids, parents, choice, good = _agreeing(tree, logits)
    depth = depths_of(parents)
    ends = [i for i in range(len(ids)) if good[i]]
    best = max(ends, key=lambda i: (depth[i], -i), default=-1)
    path = path_to(parents, best)
    return path, torch.tensor([*(ids[i] for i in path), choice[best + 1]], dtype=torch.long)


def _turned(tree, logits):
    path, tokens = _walked()(tree, logits)
    return path[::-1], tokens


def _rejected_too(tree, logits):
    """The first child is emitted where no child agrees."""
    path, tokens = _walked()(tree, logits)
    at = path[-1] if path else -1
    more = [i for i, parent in enumerate(tree.parents.tolist()) if parent == at][:1]
    return [*path, *more], torch.tensor([*tokens.tolist()[:-1], *(int(tree.ids[i]) for i in more), int(tokens[-1])])


add(
    verify_tree_greedy,
    ("row_off", "You look into the wrong row of the logits. Row 0 belongs to the root, row i + 1 to node i.",
     _walked(row=lambda at: max(at, 0)), _walked(row=lambda at: at + 2 if at >= 0 else 0)),
    ("row_by_depth", "You take row number depth of the logits, as for a chain. In a tree the row of node i is i + 1.",
     lambda tree, logits: _by_depth(tree, logits)),
    ("first_child_only", "You look at the first child only. Any of the children may hold the target's token.",
     _walked(children=lambda found: found[:1])),
    ("last_child_only", "You look at one child of each node only: with a dict from parent to child the last one is "
                        "left.",
     _walked(children=lambda found: found[-1:])),
    ("most_matches", "You take the path on which most nodes agree. A node that agrees below one that does not was "
                     "guessed "
     "for a text that is not there.", _most_matches, _deepest_that_agrees),
    ("all_that_agree", "Your path holds every node that agrees, wherever it stands. A path goes from the root "
                       "downwards, "
     "each node on the one before.", _all_that_agree),
    ("no_last", "Your round ends with the path. Behind it comes one token of the target's own.",
     _walked(last=lambda choice, ids, path: [])),
    ("last_from_root", "The last token does not come from the row of the last node on the path.",
     _walked(last=lambda choice, ids, path: choice[:1]), _walked(last=lambda choice, ids, path: choice[-1:])),
    ("bottom_up", "Your path is upside down: it begins with a child of the root.", _turned),
    ("last_of_equals", "Of siblings that hold the same token you take the last one. The first "
                       "counts.", _walked(pick=-1)),
    ("rejected_emitted", "A child that the target disagrees with is emitted.", _rejected_too),
)  # fmt: skip


def _by_depth(tree, logits):
    choice, ids, parents = logits.argmax(-1).tolist(), tree.ids.tolist(), tree.parents.tolist()
    path, at = [], -1
    for depth in itertools.count():
        found = [
            i for i, parent in enumerate(parents) if parent == at and ids[i] == choice[min(depth, len(choice) - 1)]
        ]
        if not found:
            return path, torch.tensor([*(ids[i] for i in path), choice[min(depth, len(choice) - 1)]], dtype=torch.long)
        at = found[0]
        path.append(at)


verify_tree_greedy.help(
    r"index .* out of (range|bounds)|IndexError",
    "logits has n + 1 rows: row 0 for the root, row i + 1 for node i. The tree may be empty.",
)
