"""Pictures of unit 12: what each row of a batch keeps, who sits in a batch, throughput by batch, drafting ahead.

Knows: how these pictures look. Does not know: how anything was decoded or measured.
"""

from __future__ import annotations

from .style import ACCEPTED, CORRECTED, CYCLE, PROMPT, P, Q, new_figure


def kept_by_row(counts, k: int, title: str = ""):
    """How many drafted tokens each row of a batch keeps in each round.

    Args:
        counts: one list for each round, with a number for each row, 0..k.
    """
    rows, rounds, token = len(counts[0]), len(counts), 0.94 / (k + 1)
    figure, axis = new_figure(0.9 + 0.52 * rounds, 0.9 + 0.36 * rows)
    for number, kept in enumerate(counts):
        for row, n in enumerate(kept):
            axis.barh(row, n * token, left=number, height=0.7, color=ACCEPTED, alpha=0.75, linewidth=0)
            axis.barh(row, token, left=number + n * token, height=0.7, color=CORRECTED, alpha=0.75, linewidth=0)
            axis.text(number + 0.47, row, str(n), ha="center", va="center", fontsize=8.5)
    axis.set_ylim(rows - 0.4, -0.6)
    axis.set_xlim(-0.05, rounds)
    axis.set_yticks(range(rows), [f"text {row}" for row in range(rows)])
    axis.set_xticks([n + 0.5 for n in range(rounds)], [str(n + 1) for n in range(rounds)])
    axis.set_xlabel("round (green: drafted and kept; orange: the target's own token)")
    axis.grid(False)
    axis.set_title(title, loc="left", fontsize=10)
    told = "; ".join(f"text {row}: {', '.join(str(kept[row]) for kept in counts)}" for row in range(rows))
    figure.alt = f"Drafted tokens kept in each round, of {k}. {told}"
    return figure


def rows_over_passes(ways: dict, title: str = ""):
    """How many texts take part in each call of the target, one panel for each way of serving them.

    Args:
        ways: {name: list of Pass}.
    """
    figure, axes = new_figure(9, 1.0 + 1.1 * len(ways), nrows=len(ways), sharex=True, sharey=True, squeeze=False)
    told = []
    for axis, (name, passes) in zip(axes[:, 0], ways.items(), strict=True):
        colours = [Q if not one.emitted else P for one in passes]
        axis.bar(range(1, len(passes) + 1), [one.rows for one in passes], width=1.0, color=colours, alpha=0.75)
        mean = sum(one.rows for one in passes) / len(passes)
        told.append(f"{name}: {len(passes)} calls, {mean:.1f} texts in each")
        axis.set_title(told[-1], loc="left", fontsize=10)
        axis.set_ylabel("texts")
        axis.yaxis.get_major_locator().set_params(integer=True)
    axes[-1, 0].set_xlabel("call of the target (orange: reads the prompts of new texts)")
    figure.alt = f"{title} Texts in each call of the target. " + "; ".join(told)
    return figure


def throughput_by_batch(measured: dict, computed: dict, title: str = ""):
    """Tokens per second over the number of texts side by side: marks are measured, lines are computed.

    Args:
        measured, computed: {name: {texts: tokens per second}}, with the same names.
    """
    figure, axis = new_figure(7.5, 3.9)
    told = []
    for (name, found), colour, mark in zip(measured.items(), CYCLE, "os^D", strict=False):
        line = computed[name]
        axis.plot(list(line), list(line.values()), color=colour, label=f"{name}, computed")
        axis.plot(list(found), list(found.values()), mark, color=colour, label=f"{name}, measured")
        told += [f"{name}, {n} texts: {found[n]:.0f} measured, {line[n]:.0f} computed" for n in found if n in line]
    ticks = sorted({n for found in measured.values() for n in found})
    axis.set_xscale("log", base=2)
    axis.set_xticks(ticks, [str(n) for n in ticks])
    axis.set_ylim(0)
    axis.set_xlabel("texts side by side")
    axis.set_ylabel("tokens per second, all texts")
    axis.legend(frameon=False, fontsize=9)
    axis.set_title(title, loc="left", fontsize=10)
    figure.alt = f"{title} Tokens per second. " + "; ".join(told)
    return figure


def two_lines(timelines: dict):
    """Who works when: a panel for each way, with the draft model's line above the target's.

    Args:
        timelines: {name: (timeline, total)}, as `overlap_timeline` returns them.
    """
    figure, axes = new_figure(9, 0.9 + 1.25 * len(timelines), nrows=len(timelines), sharex=True, squeeze=False)
    told = []
    for axis, (name, (timeline, total)) in zip(axes[:, 0], timelines.items(), strict=True):
        for who, block, start, end, kept in timeline:
            at = 1 if who == "draft" else 0
            colour = P if who == "verify" else Q if kept else PROMPT
            axis.barh(at, end - start, left=start, height=0.7, color=colour, alpha=0.75 if kept else 0.4,
                      edgecolor="white", linewidth=0.6, hatch="" if kept else "////")
            if end - start > 0.015 * max(total, 1e-9):
                axis.text((start + end) / 2, at, str(block), ha="center", va="center", fontsize=8)
        lost = sum(end - start for _, _, start, end, kept in timeline if not kept)
        told.append(f"{name}: {total:.0f} ms, {lost:.0f} ms of drafting thrown away")
        axis.set_title(told[-1], loc="left", fontsize=10)
        axis.set_yticks([0, 1], ["target", "draft"])
        axis.grid(False, axis="y")
    axes[-1, 0].set_xlabel("ms (numbers: blocks; hatched: thrown away)")
    figure.alt = "Who works when. " + "; ".join(told)
    return figure
