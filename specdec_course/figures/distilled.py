"""Pictures of unit 09: what the losses look like and pull with, and what a draft gains by each.

Knows: how these pictures look. Does not know: how anything was learned or measured.
"""

from __future__ import annotations

from .style import CYCLE, PROMPT, new_figure

MARKS = "os^Dv"


def pull_of_losses(offsets, losses: dict, slopes: dict, best: float):
    """Two panels over one logit of the draft: the losses, and how hard each pulls the logit (its slope).

    Args:
        offsets: the values of the logit. losses, slopes: {loss: numbers, one for each offset}. best: where both laws
            are the same.
    """
    figure, axes = new_figure(10, 3.4, ncols=2)
    for axis, curves, label in zip(axes, (losses, slopes), ("loss", "slope of the loss"), strict=True):
        for (name, values), colour in zip(curves.items(), CYCLE, strict=False):
            axis.plot(offsets, values, color=colour, label=name)
        axis.axvline(best, color=PROMPT, linestyle="--", linewidth=1.1)
        axis.set_xlabel("logit of token 1 in the draft")
        axis.set_ylabel(label)
    axes[0].legend(frameon=False, fontsize=9)
    left, right = {name: curve[0] for name, curve in losses.items()}, {name: curve[0] for name, curve in slopes.items()}
    figure.alt = "Losses and slopes over one logit. At the left end, where the draft is furthest off: " + "; ".join(
        f"{name} {left[name]:.2f}, slope {right[name]:.2f}" for name in losses)
    return figure


def kept_by_step(curves: dict, before: float, label: str = "1 - TV on text that was not learned"):
    """What a draft gains step by step, a line for every way to learn; the dashed line is the draft before.

    Args:
        curves: {way: {step: share}}. before: the share at step 0.
    """
    figure, axis = new_figure(7.5, 3.6)
    for (name, curve), mark, colour in zip(curves.items(), MARKS, CYCLE, strict=False):
        steps = [0, *curve]
        axis.plot(steps, [before, *curve.values()], marker=mark, color=colour, label=name)
    axis.axhline(before, color=PROMPT, linestyle="--", linewidth=1.1)
    axis.set_xlabel("steps")
    axis.set_ylabel(label)
    axis.legend(frameon=False, fontsize=9)
    figure.alt = f"{label}, {before:.3f} before. After the last step: " + ", ".join(
        f"{name} {list(curve.values())[-1]:.3f}" for name, curve in curves.items())
    return figure
