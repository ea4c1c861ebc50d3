"""How a picture shows itself in a notebook: drawn in the page's own ink, so that it fits a light and a dark theme.

Knows: SVG as matplotlib writes it, words for what a figure holds. Does not know: what any picture is about.
"""

from __future__ import annotations

import functools
import html
import io
import re

PIXELS = 100  # of a page, per inch of a figure
FAINT = "#8080804d"  # light greys: seen on white and on black
MOST = 12  # points of a curve that are read out


@functools.cache
def picture_class():
    """matplotlib's Figure with the forms that notebooks ask for (matplotlib is loaded only when something is drawn)."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        alt = ""  # words for readers who do not see it; empty: what stands in the figure
        page = ""  # the same as HTML, where that says it better than a drawing

        def _repr_html_(self) -> str:
            return self.page or inline_svg(self)

        def _repr_png_(self) -> bytes:
            png = io.BytesIO()
            self.savefig(png, format="png", dpi=2 * PIXELS)
            return png.getvalue()

        def _repr_mimebundle_(self, include=None, exclude=None):
            width, _ = self.get_size_inches()
            data = {"text/html": self._repr_html_(), "image/png": self._repr_png_(), "text/plain": words(self)}
            return data, {"image/png": {"width": int(width * PIXELS)}}

    return Picture


def inline_svg(figure) -> str:
    """The figure as an <svg> for the middle of a page: transparent, greys in the page's own colour, with alt text."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    body = re.sub(r"<metadata>.*?</metadata>", "", out.getvalue(), flags=re.S)
    inner = _page_colours(body[body.index(">", body.index("<svg")) + 1 :])
    width, height = figure.get_size_inches()
    says = html.escape(words(figure), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{says}" viewBox="0 0 {width * 72:g} {height * 72:g}" width="{width * PIXELS:.0f}" '
        f'fill="currentColor" style="max-width: 100%; height: auto"><title>{says}</title>{inner}'
    )


def _page_colours(svg: str) -> str:
    """Grounds in white go; black and dark greys become the colour of the page's text; light greys turn faint."""
    svg = re.sub(r'(<path [^>]*style="fill: )#ffffff', r"\1none", svg)
    svg = re.sub(r'(<rect [^>]*fill=")#ffffff', r"\1none", svg)  # the ground of a hatching

    def fitted(found) -> str:
        levels = [int(found[1][i : i + 2], 16) for i in (0, 2, 4)]
        if max(levels) - min(levels) > 12 or min(levels) == 255:
            return found[0]
        return "currentColor" if max(levels) < 0x80 else FAINT if min(levels) > 0xB0 else found[0]

    return re.sub(r"(?<=[\s\"':])#([0-9a-f]{6})(?=[;\"\s])", fitted, svg)


def words(figure) -> str:
    """What the figure says, for those who do not see it: its own `alt`, or titles, axes, curves and bars."""
    if getattr(figure, "alt", ""):
        return figure.alt
    said = [_axis_words(axis) for axis in figure.axes if axis.axison]
    return "Picture. " + " ".join(filter(None, said)) if any(said) else "Picture."


def _axis_words(axis) -> str:
    title = axis.get_title() or axis.get_title(loc="left")
    parts = [title, _labelled("across", axis.get_xlabel()), _labelled("up", axis.get_ylabel())]
    names = _tick_names(axis)
    for line in axis.lines:
        points = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
        if not line.get_label().startswith("_") and points:
            step = -(-len(points) // MOST)
            said = ", ".join(f"{names.get(x, _short(x))}: {_short(y)}" for x, y in points[::step])
            level = len(points) == 2 and points[0][1] == points[1][1]
            parts.append(f"{line.get_label()}: " + (f"{_short(points[0][1])} all along" if level else said))
    for bars in axis.containers:
        label = bars.get_label()
        size = "get_width" if getattr(bars, "orientation", "") == "horizontal" else "get_height"
        sizes = [_short(getattr(bar, size)()) for bar in bars if hasattr(bar, size)]
        if 1 < len(sizes) <= 2 * MOST:
            parts.append(("bars" if label.startswith("_") else label) + ": " + ", ".join(sizes))
    return ". ".join(filter(None, parts)) + ("." if any(parts) else "")


def _tick_names(axis) -> dict:
    """What stands below a place of the axis, where that is not its number."""
    from matplotlib.ticker import FuncFormatter

    written = axis.xaxis.get_major_formatter()
    return {x: written(x) for x in axis.get_xticks() if isinstance(written, FuncFormatter) and written(x)}


def _labelled(direction: str, label: str) -> str:
    return f"{direction}: {label}" if label else ""


def _short(value) -> str:
    try:
        return f"{float(value):.3g}"
    except (TypeError, ValueError):
        return str(value)
