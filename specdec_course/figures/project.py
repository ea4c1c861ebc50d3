"""Pictures of unit 14: how far drafts are right. Knows how these look; nothing of how drafts were made or counted."""

from __future__ import annotations

from .style import CYCLE, new_figure

MARKS = "os^Dv<>"


def kept_by_place(places: dict[str, list[tuple[int, int]]], title: str = ""):
    """Of the drafts that have a place, the share that is kept up to it: a line for each drafter.

    Args:
        places: by drafter, of each place in a draft (how many were drafted, how many of these were kept).
    """
    figure, axis = new_figure(7.0, 3.4)
    told = []
    for i, (name, counts) in enumerate(places.items()):
        shares = [kept / drafted for drafted, kept in counts if drafted]
        look = dict(marker=MARKS[i % len(MARKS)], color=CYCLE[i % len(CYCLE)], label=name)
        axis.plot(range(1, len(shares) + 1), shares, **look)
        told.append(f"{name}: " + ", ".join(f"{share:.0%}" for share in shares))
    axis.set_xlabel("place in the draft")
    axis.set_ylabel("kept up to here")
    axis.set_ylim(0, 1)
    axis.set_xticks(range(1, max(map(len, places.values()), default=1) + 1))
    axis.legend(frameon=False, fontsize=9)
    figure.alt = f"{title} Share of drafts kept, by place. " + "; ".join(told)
    return figure
