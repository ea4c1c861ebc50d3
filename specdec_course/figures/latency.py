"""Pictures of unit 01: what a forward pass costs, measured and computed.

Knows: axes, labels, shading. Does not know: how anything was measured; it gets numbers and draws them.
"""

from __future__ import annotations

from .style import CYCLE, PROMPT, new_figure

TOKENS = (1, 4, 16, 64, 256, 1024)
GREYS = ("#3d3d3d", "#7a7a7a", "#a8977f")  # curves of other machines, to be told apart where they overlap


def latency_figure(measured, recorded=None, flat=None, tolerance=0.25):
    """Time of a forward pass against its number of tokens, both axes logarithmic.

    Args:
        measured: {label: {tokens: seconds}}, curves of this machine, drawn in colour.
        recorded: {label: {tokens: seconds}}, curves measured elsewhere, drawn in grey.
        flat: number of tokens up to which the first measured curve is flat: shaded. None: no shading.
        tolerance: of that flat region, for its caption.

    Returns:
        a matplotlib Figure.
    """
    figure, axis = new_figure(7.4, 4.4)
    if flat is not None:
        first = next(iter(measured))
        start = min(measured[first])
        axis.axvspan(start * 0.9, flat * 1.1, color=CYCLE[0], alpha=0.09, linewidth=0)
        axis.text(start, 0.02, f"flat up to {flat}:\nwithin {tolerance:.0%}\nof one token\n({first})",
                  fontsize=8, va="bottom", transform=axis.get_xaxis_transform())
    for (label, profile), color in zip(measured.items(), CYCLE, strict=False):
        _curve(axis, profile, label, color=color, marker="o", linewidth=2)
    for number, (label, profile) in enumerate((recorded or {}).items()):
        look = {"linestyle": ("--", ":", "-.")[number % 3], "marker": "s^D"[number % 3]}
        _curve(axis, profile, label, color=GREYS[number % 3], markersize=4, linewidth=1.3, **look)
    _log_tokens(axis)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(_plain)
    low, high = axis.get_ylim()
    axis.set_ylim(low / (1.8 if flat is None else 4), high)  # room for the caption of the flat region
    axis.set_ylabel("time of one forward pass (ms)")
    axis.set_title("More tokens in one pass: what do they cost?", fontsize=11, loc="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8.5)
    return figure


def walls_figure(title, tokens, compute_seconds, memory_seconds):
    """The two walls of a device for one model: time to compute and time to read, against tokens per pass.

    Args:
        title: names device and model, and that the lines are computed.
        tokens: list of numbers of tokens. compute_seconds, memory_seconds: as many seconds each.
    """
    figure, axis = new_figure(7.4, 4.0)
    compute, memory = ([1000 * s for s in seconds] for seconds in (compute_seconds, memory_seconds))
    roof = [max(pair) for pair in zip(compute, memory, strict=True)]
    axis.plot(tokens, roof, color="#222222", linewidth=6, alpha=0.15, label="the pass: whichever takes longer")
    axis.plot(tokens, memory, color=CYCLE[0], label="reading weights, keys and values")
    axis.plot(tokens, compute, color=CYCLE[4], label="multiplying and adding")
    meet = next((n for n, c, m in zip(tokens, compute, memory, strict=True) if c > m), None)
    if meet is not None:
        axis.axvline(meet, color=PROMPT, linewidth=1, linestyle=":")
        axis.text(meet * 1.08, min(compute), f"the walls meet\nat {meet} tokens", fontsize=8.5, color="#444444")
    _log_tokens(axis)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(_plain)
    axis.set_ylabel("least possible time (ms)")
    axis.set_title(title, fontsize=11, loc="left")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def roofline_figure(panels):
    """Computed lower bounds as lines and measured passes as dots, in milliseconds; a panel for each model.

    Args:
        panels: {title: (computed, measured)}, both {label: {tokens: seconds}}.
    """
    figure, axes = new_figure(10.0, 4.4, ncols=len(panels), squeeze=False)
    for axis, (title, (computed, measured)) in zip(axes.flat, panels.items(), strict=True):
        for (label, profile), color in zip(computed.items(), CYCLE, strict=False):
            _curve(axis, profile, label, color=color, linewidth=1.6)
        for (label, profile), mark in zip(measured.items(), "osD", strict=False):
            look = {"marker": mark, "markersize": 4, "linestyle": "--", "linewidth": 1.2}
            _curve(axis, profile, label, color="#222222", **look)
        _log_tokens(axis)
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(_plain)
        axis.set_title(title, fontsize=10, loc="left")
        axis.legend(loc="upper left", frameon=False, fontsize=8)
        low, high = axis.get_ylim()
        axis.set_ylim(low, high * (high / low) ** 0.45)  # room for the legend
    axes.flat[0].set_ylabel("time of one forward pass (ms)")
    return figure


def speedup_figure(rows):
    """Tokens per call and measured speed-up against the draft length.

    Args:
        rows: list of (k, tokens per call, speed-up), the first one k = 0 with 1.0 and 1.0.
    """
    figure, (left, right) = new_figure(7.4, 3.2, ncols=2)
    ks = [str(row[0]) for row in rows]
    for axis, column, title in ((left, 1, "tokens per target call"), (right, 2, "measured speed-up")):
        values = [row[column] for row in rows]
        colors = [CYCLE[0] if column == 1 else CYCLE[2] if value >= 1 else CYCLE[4] for value in values]
        colors[0] = PROMPT
        bars = axis.bar(ks, values, color=colors, width=0.65)
        axis.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
        axis.axhline(1, color="#444444", linewidth=0.9)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xlabel("draft length k")
        axis.margins(y=0.15)
        axis.grid(False, axis="x")
    return figure


def _curve(axis, profile, label, **look):
    lengths = sorted(profile)
    axis.plot(lengths, [1000 * profile[n] for n in lengths], label=label, **{"markersize": 5, **look})


def _log_tokens(axis):
    axis.set_xscale("log", base=2)
    axis.set_xticks(TOKENS, [str(n) for n in TOKENS])
    axis.set_xlabel("tokens in the pass")


def _plain(value, _position) -> str:
    """Axis labels without powers of ten."""
    return f"{value:g}"
