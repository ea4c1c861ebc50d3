"""Pictures of unit 13: accuracy against tokens, a model that learns to think less, what a thought costs.

Knows: how these pictures look. Does not know: how anything was measured.
"""

from __future__ import annotations

from .style import CYCLE, new_figure

MARKS = "os^Dv<>"
TICKS = (0, 5, 10, 20, 50, 100, 200, 500)  # tokens


def accuracy_against_tokens(rows: list[dict], tokens: str = "tokens", title: str = ""):
    """A panel for each kind of problems; a line for each strategy, a mark for each of its settings, with its interval.

    Args:
        rows: of the record of `measure.thinking`: "strategy", "setting", "steps", "accuracy", "low", "high" and numbers
            of tokens. tokens: which of these to draw: "tokens" or "large_tokens".
    """
    kinds = list(dict.fromkeys(str(row["steps"]) for row in rows))
    figure, axes = new_figure(10, 4.2, ncols=len(kinds), sharey=True, squeeze=False)
    names, told = list(dict.fromkeys(row["strategy"] for row in rows)), []
    for axis, kind in zip(axes[0], kinds, strict=True):
        for i, name in enumerate(names):
            own = [row for row in rows if row["strategy"] == name and str(row["steps"]) == kind]
            across, up = [row[tokens] for row in own], [row["accuracy"] for row in own]
            reach = [[row["accuracy"] - row["low"] for row in own], [row["high"] - row["accuracy"] for row in own]]
            axis.errorbar(across, up, reach, marker=MARKS[i % len(MARKS)], color=CYCLE[i % len(CYCLE)], label=name,
                          linewidth=1.2, elinewidth=0.7, capsize=2)  # fmt: skip
            told.append(f"problems of {kind} steps, {name}: " + ", ".join(
                f"{row['accuracy']:.0%} with {row[tokens]:.0f} tokens" for row in own))  # fmt: skip
        axis.set_title(f"problems of {kind.strip('[]').replace(', ', ' or ')} steps", loc="left", fontsize=10)
        axis.set_xlabel("tokens of the large model" if tokens == "large_tokens" else "tokens written, all together")
        axis.set_xscale("symlog", linthresh=10)  # a model that writes nothing is at 0
        axis.set_xticks(TICKS, [str(one) for one in TICKS])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("right answers")
    axes[0, 0].legend(frameon=False, fontsize=8, loc="lower right")  # no line comes there
    figure.alt = f"{title} Right answers against tokens. " + "; ".join(told)
    return figure


def learning_curves(logs: dict[str, list[dict]], title: str = ""):
    """Two panels, tokens and right answers by update, with a line for each reward that a model learned from."""
    figure, axes = new_figure(10, 3.3, ncols=2)
    told = []
    for (name, log), mark, colour in zip(logs.items(), MARKS, CYCLE, strict=False):
        for axis, what in zip(axes, ("length", "accuracy"), strict=True):
            axis.plot([row["update"] for row in log], [row[what] for row in log], marker=mark, color=colour, label=name)
        told.append(f"{name}: from {log[0]['length']:.0f} tokens and {log[0]['accuracy']:.0%} right to "
                    f"{log[-1]['length']:.0f} tokens and {log[-1]['accuracy']:.0%} right")  # fmt: skip
    for axis, what in zip(axes, ("tokens of a chain", "right answers"), strict=True):
        axis.set_xlabel("update")
        axis.set_ylabel(what)
        axis.set_ylim(bottom=0)
    axes[0].legend(frameon=False, fontsize=9)
    figure.alt = f"{title} " + "; ".join(told)
    return figure


def cost_of_thinking(costs: dict[str, dict[int, float]], title: str = ""):
    """What a thought costs by its length, in multiply-adds for each of its tokens: a line for each way."""
    figure, axis = new_figure(7.5, 3.6)
    told = []
    for (name, found), mark, colour in zip(costs.items(), MARKS, CYCLE, strict=False):
        axis.plot(list(found), [cost / tokens for tokens, cost in found.items()], marker=mark, color=colour, label=name)
        told.append(f"{name}: " + ", ".join(f"{cost / tokens:.3g} at {tokens}" for tokens, cost in found.items()))
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlabel("tokens of the thought")
    axis.set_ylabel("multiply-adds per token")
    axis.legend(frameon=False, fontsize=9)
    figure.alt = f"{title} Multiply-adds per token of a thought. " + "; ".join(told)
    return figure
