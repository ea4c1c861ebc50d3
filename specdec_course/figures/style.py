"""One look for all pictures. Knows colours (safe for colour-blind readers) and axes; nothing of the data."""

from .shown import picture_class

ACCEPTED, CORRECTED, BONUS, PROMPT = "#009E73", "#D55E00", "#0072B2", "#8A8A8A"
P, Q, RESIDUAL = "#0072B2", "#E69F00", "#CC79A7"
CYCLE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8A8A8A"]


def picture(width: float, height: float, **options):
    """An empty matplotlib Figure, in inches, that a notebook shows in its own theme (see `shown`)."""
    return picture_class()(figsize=(width, height), dpi=110, **options)


def new_figure(width: float = 7.0, height: float = 3.6, **grid):
    """(Figure, Axes or array of Axes) in the course's look; `grid` goes to Figure.subplots (nrows, ncols, ...)."""
    figure = picture(width, height, layout="constrained")
    axes = figure.subplots(**grid)
    for axis in getattr(axes, "flat", [axes]):
        tidy(axis)
    return figure, axes


def tidy(axis) -> None:
    """No box, a light grid, the course's colours."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(True, color="#E3E3E3", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.set_prop_cycle(color=CYCLE)
