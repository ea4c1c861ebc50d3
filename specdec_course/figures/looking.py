"""Pictures of unit 11: how often the first, the second, ... token of a draft is accepted.

Knows: how these pictures look. Does not know: how anything was drafted or measured.
"""

from __future__ import annotations

from .style import CYCLE, new_figure

MARKS = "os^Dv"


def accepted_by_place(shares: dict, title: str = ""):
    """How often a token of a draft is accepted, if those before it were: a panel for each kind of text.

    Args:
        shares: {kind of text: {drafter: shares, one for each place of a draft; None where there were no such drafts}}.
    """
    figure, axes = new_figure(10, 3.3, ncols=len(shares), sharey=True, squeeze=False)
    told = []
    for axis, (kind, drafters) in zip(axes[0], shares.items(), strict=True):
        for (name, found), mark, colour in zip(drafters.items(), MARKS, CYCLE, strict=False):
            places = [i + 1 for i, share in enumerate(found) if share is not None]
            axis.plot(places, [found[i - 1] for i in places], marker=mark, color=colour, label=name)
            told.append(f"{kind}, {name}: " + ", ".join(f"{found[i - 1]:.0%} at place {i}" for i in places))
        axis.set_title(kind, loc="left", fontsize=10)
        axis.set_xlabel("place in the draft")
        axis.set_xticks(range(1, 1 + max((len(found) for found in drafters.values()), default=1)))
    axes[0, 0].set_ylabel("accepted, if those before were")
    axes[0, 0].legend(frameon=False, fontsize=9)
    figure.alt = f"{title} How often a token of a draft is accepted, if those before it were. " + "; ".join(told)
    return figure
