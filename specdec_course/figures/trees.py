"""Pictures of unit 10: a tree of guesses, who may look at whom in it, how often heads are right, what a budget brings.

Knows: how these pictures look. Does not know: how anything was guessed or measured.
"""

from __future__ import annotations

from .style import ACCEPTED, CORRECTED, CYCLE, PROMPT, P, new_figure, picture

INK = "#555555"


def tree_of_guesses(parents, names, path=(), root: str = "the newest token", title: str = ""):
    """A tree from left to right, a level for each depth; the nodes of `path` are green.

    Args:
        parents: a sequence of n ints, -1 for the root. names: what stands at each node. path: indices of nodes.
    """
    parents, path = [int(x) for x in parents], set(map(int, path))
    depth = [0] * len(parents)
    for i, parent in enumerate(parents):
        depth[i] = 1 if parent < 0 else depth[parent] + 1
    height = _heights(parents)
    figure = picture(10, 0.3 * max(4, _leaves(parents)) + 0.7, layout="constrained")
    axis = figure.subplots()
    axis.axis("off")
    places = {-1: (0, height[-1])} | {i: (depth[i], height[i]) for i in range(len(parents))}
    for i, parent in enumerate(parents):  # from box to box: what stands in one shall not be crossed out
        (x, y), (goal, height_of_goal) = places[parent], places[i]
        axis.plot([x + 0.22, goal - 0.22], [y, height_of_goal], color=ACCEPTED if i in path else PROMPT,
                  linewidth=2.2 if i in path else 1)
    for i, (x, y) in places.items():
        text = root if i < 0 else str(names[i])
        edge = INK if i < 0 else ACCEPTED if i in path else PROMPT
        axis.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, bbox=dict(
            boxstyle="round,pad=0.25", facecolor="none", edgecolor=edge, linewidth=2 if i in path else 1))
    axis.set_xlim(-0.5, max(depth, default=0) + 0.5)
    axis.set_ylim(-0.7, max(height.values()) + 0.7)
    axis.set_title(title, loc="left", fontsize=11)
    figure.alt = f"{title}. " + "; ".join(
        f"node {i}, {names[i]!r}, hangs on "
        f"{'the root' if parent < 0 else f'node {parent}'}{', kept' if i in path else ''}"
        for i, parent in enumerate(parents))
    return figure


def _leaves(parents) -> int:
    return sum(i not in parents for i in range(len(parents)))


def _heights(parents) -> dict[int, float]:
    """Leaves one below the other, in the order of their branches; every other node in the middle of its children."""
    children = {i: [j for j, parent in enumerate(parents) if parent == i] for i in range(-1, len(parents))}
    found: dict[int, float] = {}

    def place(node: int, below: int) -> int:
        for child in children[node]:
            below = place(child, below)
        own = [found[child] for child in children[node]]
        found[node] = sum(own) / len(own) if own else float(below)
        return below if own else below - 1

    place(-1, _leaves(parents))
    return found


def who_sees_whom(mask, names, title: str = ""):
    """A mask as a square: a row for each node, filled where it may look.

    Args:
        mask: BoolTensor [n, n]. names: what stands at each node.
    """
    rows = [[bool(x) for x in row] for row in mask]
    n = len(rows)
    figure = picture(0.38 * n + 2.2, 0.34 * n + 1.2, layout="constrained")
    axis = figure.subplots()
    for i, row in enumerate(rows):
        for j, seen in enumerate(row):
            if seen:
                axis.add_patch(_rectangle((j - 0.46, i - 0.46), 0.92, 0.92, color=P))
    axis.set_xlim(-0.5, n - 0.5)
    axis.set_ylim(n - 0.5, -0.5)
    axis.set_xticks(range(n), [str(x) for x in names], rotation=60, ha="right", fontsize=8)
    axis.set_yticks(range(n), [str(x) for x in names], fontsize=8)
    axis.set_xticks([i - 0.5 for i in range(1, n)], minor=True)
    axis.set_yticks([i - 0.5 for i in range(1, n)], minor=True)
    axis.grid(True, which="minor", color="#E3E3E3", linewidth=0.7)
    axis.tick_params(which="minor", length=0)
    axis.set_title(title, loc="left", fontsize=11)
    figure.alt = f"{title}. " + "; ".join(
        f"{names[i]!r} (node {i}) sees " + ", ".join(str(j) for j in range(n) if rows[i][j]) for i in range(n))
    return figure


def _rectangle(*where, **how):
    from matplotlib.patches import Rectangle

    return Rectangle(*where, **how)


def right_by_rank(accuracy: dict, title: str = ""):
    """How often each head was right, with its first guess or with one of its first so many: a panel for each kind of
    text.

    Args:
        accuracy: {kind of text: [heads][ranks], shares}.
    """
    figure, axes = new_figure(10, 3.3, ncols=len(accuracy), sharey=True, squeeze=False)
    told = []
    for axis, (kind, heads) in zip(axes[0], accuracy.items(), strict=True):
        for i, shares in enumerate(heads):
            sums = [sum(shares[: rank + 1]) for rank in range(len(shares))]
            axis.plot(range(1, len(sums) + 1), sums, marker="o", markersize=4, color=CYCLE[i], label=f"head {i}")
            told.append(f"{kind}, head {i}: {sums[0]:.0%} with the first guess, {sums[-1]:.0%} with {len(sums)}")
        axis.set_title(kind, loc="left", fontsize=10)
        axis.set_xlabel("guesses that it may make")
        axis.set_ylim(0, 1)
        axis.set_xticks(range(1, max(map(len, heads)) + 1))
    axes[0, 0].set_ylabel("share of places where one is right")
    axes[0, 0].legend(frameon=False, fontsize=9)
    figure.alt = f"{title} " + "; ".join(told)
    return figure


def tokens_by_budget(curves: dict, measured: dict | None = None):
    """Tokens per target call against the nodes of the tree, as computed (lines) and as measured (crosses).

    Args:
        curves: {name: {nodes: tokens per call}}. measured: the same.
    """
    figure, axis = new_figure(7.5, 3.7)
    for (name, curve), colour in zip(curves.items(), CYCLE, strict=False):
        axis.plot(list(curve), list(curve.values()), color=colour, label=f"{name}, computed")
        found = (measured or {}).get(name, {})
        if found:
            axis.plot(list(found), list(found.values()), "x", markersize=9, markeredgewidth=2.2, color=colour,
                      label=f"{name}, measured")
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    axis.set_xlabel("nodes of the tree")
    axis.set_ylabel("tokens per target call")
    axis.legend(frameon=False, fontsize=9)
    figure.alt = "Tokens per target call by nodes. " + " ".join(
        f"{name}: " + ", ".join(f"{nodes} {value:.2f}" for nodes, value in curve.items()) + "."
        for name, curve in curves.items())
    return figure


def bars_of_law(laws: dict, names):
    """Laws side by side: a group of bars for each outcome.

    Args:
        laws: {name: probabilities}. names: of the outcomes.
    """
    figure, axis = new_figure(7.5, 3.2)
    width = 0.8 / len(laws)
    for i, (name, law) in enumerate(laws.items()):
        places = [x + (i - (len(laws) - 1) / 2) * width for x in range(len(names))]
        axis.bar(places, [float(x) for x in law], width * 0.92, color=(P, CORRECTED, *CYCLE[1:])[i], label=name)
    axis.set_xticks(range(len(names)), names)
    axis.grid(False, axis="x")
    axis.set_ylabel("probability")
    axis.legend(frameon=False, fontsize=9)
    figure.alt = "; ".join(
        f"{name}: " + ", ".join(f"{one} {float(x):.2f}" for one, x in zip(names, law, strict=True))
        for name, law in laws.items())
    return figure
