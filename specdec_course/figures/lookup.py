"""Pictures of unit 08: a suffix automaton, how far a match is to be trusted, drafters on several kinds of text.

Knows: how these pictures look. Does not know: how anything was looked up or measured.
"""

from __future__ import annotations

import math

from .style import ACCEPTED, BONUS, CORRECTED, CYCLE, PROMPT, Q, new_figure, picture

INK = "#555555"


def automaton_states(automaton, names, title: str = ""):
    """The states of a suffix automaton: edges as arrows with their token, links dashed, the state to copy from ringed.

    Args:
        automaton: has lists `next`, `length`, `link`, `end` of its states and `last`, as the package's SuffixAutomaton.
        names: for each token of its alphabet, what stands at an arrow: a dict or a list.
    """
    figure = picture(10, 3.2, layout="constrained")
    axis = figure.subplots()
    axis.axis("off")
    own = [state for state in range(len(automaton.next)) if automaton.end[state] == automaton.length[state]]
    height = {state: 0.0 if state in own else 1.0 for state in range(len(automaton.next))}
    place = {state: (automaton.length[state], height[state]) for state in height}
    known = automaton.link[automaton.last]
    slope = 9.2 / (1.2 + max(automaton.length))  # inches of one step across, in those of one step up
    for state, edges in enumerate(automaton.next):
        for token, goal in edges.items():
            straight = height[goal] != height[state] or place[goal][0] - place[state][0] == 1
            _arrow(axis, place[state], place[goal], str(names[token]), straight, slope)
    for state, link in enumerate(automaton.link):
        if link >= 0:
            axis.annotate("", place[link], place[state], arrowprops=dict(
                arrowstyle="-|>", color=CORRECTED, linestyle=(0, (3, 3)), shrinkA=13, shrinkB=13, linewidth=1,
                connectionstyle="arc3,rad=0.35" if height[state] == height[link] else "arc3,rad=0.12"))
    for state, (x, y) in place.items():
        axis.plot([x], [y], "o", markersize=24, fillstyle="none", color=BONUS if y else INK, markeredgewidth=1.6)
        axis.text(x, y, f"{automaton.length[state]}", ha="center", va="center", fontsize=10, color=INK)
        if state == known and known > 0:
            axis.plot([x], [y], "o", markersize=31, fillstyle="none", color=ACCEPTED, markeredgewidth=2.4)
            beside = y + 0.3 if y else y - 0.36
            axis.text(x, beside, f"ended first at {automaton.end[state]}", ha="center", fontsize=9, color=ACCEPTED)
    axis.set_xlim(-0.6, max(x for x, _ in place.values()) + 0.6)
    axis.set_ylim(-1.15, 1.6)
    axis.set_title(title, loc="left", fontsize=11)
    figure.alt = f"{title}. States, each by the length of its longest string: " + "; ".join(
        f"state {state}, length {automaton.length[state]}, ended first at {automaton.end[state]}, link to "
        f"{automaton.link[state]}, edges " + (", ".join(f"{names[t]} to {g}" for t, g in edges.items()) or "none")
        for state, edges in enumerate(automaton.next))
    return figure


def _arrow(axis, start, goal, text: str, straight: bool, slope: float) -> None:
    bend = 0.0 if straight else 0.32
    axis.annotate("", goal, start, arrowprops=dict(
        arrowstyle="-|>", color=INK, shrinkA=13, shrinkB=13, linewidth=1.2, connectionstyle=f"arc3,rad={bend}"))
    x, y = (start[0] + goal[0]) / 2, (start[1] + goal[1]) / 2
    drop = slope * bend * (goal[0] - start[0]) / 2
    beside = 0.1 if start[1] == goal[1] else 0.2
    axis.text(x, y - drop + (beside if straight else -0.24), text, ha="center", va="center", fontsize=10, color=INK)


def trust_by_length(lengths, right, bins=((1, 1), (2, 2), (3, 3), (4, 5), (6, 8), (9, 16), (17, 10**9))):
    """How often the first copied token was what came, by how many tokens agreed in front of it.

    Args:
        lengths: of each match, in tokens. right: for each, whether the first guess was right. bins: (from, to), both
            included.
    """
    groups = []
    for low, high in bins:
        group = [bool(good) for n, good in zip(lengths, right, strict=True) if low <= n <= high]
        if group:
            name = f"{low}" if low == high else f"{low} or more" if high >= 10**9 else f"{low}-{high}"
            groups.append((name, sum(group) / len(group), len(group)))
    figure, axes = new_figure(10, 3.3, ncols=2, width_ratios=[3, 2])
    names, shares, counts = zip(*groups, strict=True) if groups else ((), (), ())
    axes[0].plot(names, shares, color=ACCEPTED, marker="o")
    for name, share, n in groups:
        spread = math.sqrt(max(share * (1 - share), 0.25 / n) / n)
        axes[0].plot(
            [name, name], [max(0, share - spread), min(1, share + spread)], color=ACCEPTED, alpha=0.5, linewidth=3
        )
    axes[0].set_ylim(0, 1.04)
    axes[0].set_ylabel("share of first guesses that came")
    axes[1].bar(names, counts, 0.8, color=Q)
    axes[1].set_ylabel("places of the text")
    axes[1].grid(False, axis="x")
    for axis in axes:
        axis.set_xlabel("tokens that agree")
        axis.set_xticks(range(len(names)), [name.replace(" or more", "+") for name in names], fontsize=8)
    figure.alt = "First guesses that came, by the length of the match: " + ", ".join(
        f"{name} tokens {share:.0%} of {n}" for name, share, n in groups)
    return figure


def by_kind_of_text(results: dict, label: str = "tokens per target call"):
    """A panel for each kind of text: one bar for every drafter; the dashed line is plain decoding, 1.

    Args:
        results: {kind of text: {drafter: number}}.
    """
    rows = max(map(len, results.values()))
    figure, axes = new_figure(11, 0.4 * rows + 1.3, ncols=len(results), sharey=True, sharex=True, squeeze=False)
    for axis, (kind, found) in zip(axes[0], results.items(), strict=True):
        best = max(found.values())
        axis.barh(
            list(found),
            list(found.values()),
            0.68,
            alpha=0.85,
            color=[ACCEPTED if value == best else CYCLE[0] if value > 1.02 else PROMPT for value in found.values()],
        )
        for row, value in enumerate(found.values()):  # behind the dashed line, where a bar ends before it
            axis.annotate(f"{value:.2f}", (max(value, 1), row), xytext=(4, 0), textcoords="offset points", fontsize=9,
                          va="center")
        axis.axvline(1, color=INK, linestyle="--", linewidth=1.2)
        axis.set_title(kind, loc="left", fontsize=10)
        axis.grid(False, axis="y")
    axes[0, 0].set_xlim(0, 1.2 * max(max(found.values()) for found in results.values()))
    axes[0, 0].invert_yaxis()
    figure.supxlabel(label, fontsize=10)
    figure.alt = f"{label[0].upper()}{label[1:]}. " + " ".join(
        f"{kind}: " + ", ".join(f"{name} {value:.2f}" for name, value in found.items()) + "."
        for kind, found in results.items()
    )
    return figure


def time_by_length(curves: dict):
    """Microseconds per proposal against the length of the text, both on logarithmic scales.

    Args:
        curves: {way: {tokens of the text: seconds}}.
    """
    figure, axis = new_figure(7.5, 3.6)
    for (name, curve), marker in zip(curves.items(), "os^D", strict=False):
        axis.loglog(list(curve), [1e6 * seconds for seconds in curve.values()], marker=marker, label=name)
    axis.set_xlabel("tokens of the text")
    axis.set_ylabel("microseconds per token")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.legend(frameon=False, fontsize=9)
    return figure
