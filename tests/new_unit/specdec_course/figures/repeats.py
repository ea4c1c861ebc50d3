"""Pictures of unit 15. Knows: how a look back is drawn. Does not know: how it is found."""

from __future__ import annotations

from .style import ACCEPTED, PROMPT, new_figure


def look_back(ids, seen_at: int):
    """A bar for each token; the one that is found is marked."""
    figure, axes = new_figure(6, 2)
    axes.bar(range(len(ids)), ids, color=[ACCEPTED if at == seen_at else PROMPT for at in range(len(ids))])
    return figure
