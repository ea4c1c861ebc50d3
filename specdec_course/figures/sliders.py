"""A picture that follows sliders, where the page has widgets; everywhere else the picture at their first values.

Knows: ipywidgets (7 and 8), and how one output offers a page two forms of itself. Does not know: what is drawn.
"""

from __future__ import annotations

WIDGET = "application/vnd.jupyter.widget-view+json"


class Followed:
    """One output in all its forms: a page shows the richest that it can."""

    def __init__(self, first, box):
        self.first, self.box = first, box

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, metadata = self.first._repr_mimebundle_()
        if self.box is not None:
            data[WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        return data, metadata


def with_sliders(draw, **sliders) -> Followed:
    """Shows draw(**values), and draws it anew when a slider is moved, by mouse or keyboard.

    Args:
        draw: function of the values, by name -> a picture of this course.
        sliders: name=(lowest, first, highest, step); whole numbers where all four are.
    """
    first = draw(**{name: values[1] for name, values in sliders.items()})
    return Followed(first, _box(draw, sliders, first))


def _box(draw, sliders, first):
    """The sliders above the picture; None where there is no package of widgets, or no kernel to talk to."""
    try:
        import ipywidgets
        from IPython import get_ipython
    except ImportError:
        return None
    if getattr(get_ipython(), "kernel", None) is None:
        return None
    shown = ipywidgets.HTML(first._repr_html_())
    rows = {}
    for name, (low, start, high, step) in sliders.items():
        whole = all(isinstance(number, int) for number in (low, start, high, step))
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        rows[name] = kind(value=start, min=low, max=high, step=step, description=name, continuous_update=False)

    def follow(_):
        shown.value = draw(**{name: row.value for name, row in rows.items()})._repr_html_()

    for row in rows.values():
        row.observe(follow, names="value")
    return ipywidgets.VBox([*rows.values(), shown])
