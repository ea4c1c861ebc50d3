"""Pictures of unit 06: what a draft brings, as a map of alpha and c, against its size, predicted and measured.

Knows: how these pictures look, and which recorded GPU measurements of pairs come with the course. Does not know: the
formulas; it gets numbers and draws them.
"""

from __future__ import annotations

import json

from ..common.paths import data_path
from .style import ACCEPTED, BONUS, CORRECTED, CYCLE, PROMPT, new_figure

INK, LIGHT, WARM = "#16283C", "#E4EEFA", "#FBE9DD"  # on the map's own blue ground, whatever the page's theme is


def gain_map(alphas, cs, gains, lengths, points=None, chosen=None, title="Speed-up at the best draft length"):
    """The best speed-up over acceptance rate and cost of the draft, with the draft length that gives it.

    Args:
        alphas: A acceptance rates, rising. cs: C costs of a draft step, rising, all above 0 (logarithmic axis).
        gains, lengths: C rows of A numbers: the best speed-up there, and its draft length (0: nothing pays).
        The gains are those of a flat latency curve and an idle host: then the border of what pays is alpha = c.
        points: {label: (alpha, c)} to mark. chosen: the label that gets a star.
    """
    figure, axis = new_figure(8.6, 4.8)
    levels = [1.0, 1.25, 1.5, 2, 2.5, 3, 4, 6, 10]
    shades = axis.contourf(alphas, cs, gains, levels=levels, colors=_blues(len(levels)), extend="max")
    lines = axis.contour(alphas, cs, gains, levels=levels[1:], colors=INK, linewidths=0.6)
    for text in axis.clabel(lines, fmt="%gx", fontsize=8, inline=False):
        text.set_path_effects(_halo())
    border = [cs[0] * (cs[-1] / cs[0]) ** (i / 200) for i in range(201)]  # of alpha = c
    axis.fill_betweenx(border, alphas[0], [max(alphas[0], c) for c in border], facecolor="#F3D9CC",
                       edgecolor=CORRECTED, hatch="//", linewidth=0)
    axis.plot(border, border, color=CORRECTED, linewidth=1.6)
    axis.text(0.03, 0.95, "alpha below c: no draft pays, best k = 0", transform=axis.transAxes, va="top", fontsize=9,
              color="#9C3F00", bbox={"facecolor": WARM, "edgecolor": "none", "pad": 2})
    for row in range(len(cs) // 12, len(cs), max(1, len(cs) // 6)):
        for column in range(len(alphas) // 16, len(alphas) - 1, max(1, len(alphas) // 8)):
            if lengths[row][column] and alphas[column] > 1.3 * cs[row]:  # none on the border
                axis.text(alphas[column], cs[row], f"k={lengths[row][column]}", fontsize=7, color=INK,
                          ha="center", va="center", path_effects=_halo())
    axis.set_yscale("log")
    axis.set_xlim(alphas[0], alphas[-1])
    axis.set_ylim(cs[0], cs[-1])
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_xlabel("alpha, the chance that a drafted token is accepted")
    axis.set_ylabel("c, a draft step in steps of the target")
    axis.set_title(title + ("; dashed: the Pareto front" if len(points or {}) > 2 else ""), fontsize=11, loc="left")
    axis.grid(False)
    figure.colorbar(shades, ax=axis, label="times as fast as plain decoding", format="%g")
    if points:
        figure.draw_without_rendering()  # from here on it is known where a point lies
        _mark(axis, points, chosen)
    seen = [(row, column) for row in range(0, len(cs), max(1, len(cs) // 4))
            for column in range(0, len(alphas), max(1, len(alphas) // 4))]
    figure.alt = f"{title}. Best speed-up by alpha and c: " + "; ".join(
        f"alpha {alphas[column]:.2f}, c {cs[row]:.2f}: {gains[row][column]:.2f}x, k = {lengths[row][column]}"
        for row, column in seen
    )
    figure.alt += "".join(f". {name}: alpha {alpha:.2f}, c {c:.2f}" for name, (alpha, c) in (points or {}).items())
    return figure


def _blues(count: int) -> list:
    """So many blues, from light to dark, none of them white."""
    from matplotlib import colormaps

    return [colormaps["Blues"](0.12 + 0.6 * i / (count - 1)) for i in range(count)]


def _halo() -> list:
    """A light seam around letters, so that no line strikes them through."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground=LIGHT, alpha=0.9)]


def _mark(axis, points, chosen) -> None:
    """The points, the Pareto front as a line (nobody is both better and cheaper), and a star for the chosen one. What
    lies off the map is drawn at its edge, with its c."""
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    drawn = {name: (min(max(alpha, left), right), min(max(c, low), high)) for name, (alpha, c) in points.items()}
    if len(points) > 2:
        front = [drawn[name] for name in pareto(points)]
        axis.plot([alpha for alpha, _ in front], [c for _, c in front], color=INK, linewidth=1.3, linestyle="--",
                  zorder=4)
    texts = {name: name if drawn[name][1] == c else f"{name} (c = {c:.2g})" for name, (_, c) in points.items()}
    for name, (dx, dy, side) in _free_places(axis, drawn, texts).items():
        best = name == chosen
        axis.plot(*drawn[name], marker="*" if best else "o", markersize=17 if best else 7, zorder=5,
                  color=ACCEPTED if best else INK, markeredgecolor=LIGHT, clip_on=False)
        axis.annotate(texts[name], drawn[name], xytext=(dx, dy), textcoords="offset points", fontsize=8.5, ha=side,
                      va="center", zorder=6, color=INK, arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.5},
                      bbox={"facecolor": LIGHT, "edgecolor": "none", "alpha": 0.85, "pad": 1})


def _free_places(axis, drawn, texts) -> dict[str, tuple]:
    """For each point where its text may stand: (right, up, alignment), in typographic points from it. The nearest place
    on the map where it covers no point and no other text."""
    scale = 72 / axis.figure.dpi
    at = {name: scale * axis.transData.transform(point) for name, point in drawn.items()}
    (left, low), (right, high) = scale * axis.bbox.get_points()
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in at.values()]
    places = {}
    for name, (x, y) in at.items():
        width = 4.6 * len(texts[name])
        for dy, dx in sorted(PLACES, key=lambda place: abs(place[0]) + abs(place[1])):
            start = x + dx if dx > 0 else x + dx - width
            box = (start, y + dy - 6, start + width, y + dy + 6)
            inside = left < box[0] and box[2] < right and low < box[1] and box[3] < high
            if inside and not any(_overlap(box, other) for other in taken):
                break
        taken.append(box)
        places[name] = dx, dy, "left" if dx > 0 else "right"
    return places


PLACES = [(up, side) for up in range(-88, 89, 4) for side in (11, -11, 44, -44)]


def _overlap(one, other) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def pareto(points) -> list[str]:
    """The labels that no other one beats in both, by rising c. points: {label: (alpha, c)}."""
    front, best = [], -1.0
    for label in sorted(points, key=lambda name: (points[name][1], -points[name][0])):
        if points[label][0] > best:
            front.append(label)
            best = points[label][0]
    return front


def censoring_figure(ks, shares, estimates, formula=None):
    """Accepted over drafted falls with the draft length, alpha does not.

    Args:
        ks: draft lengths. shares: accepted / drafted at each. estimates: alpha at each.
        formula: what accepted / drafted should be for one constant alpha; None: not drawn.
    """
    figure, axis = new_figure(7.2, 3.8)
    axis.plot(ks, estimates, "o-", color=ACCEPTED, label="alpha: accepted / judged")
    axis.plot(ks, shares, "s-", color=CORRECTED, label="accepted / drafted")
    if formula is not None:
        axis.plot(ks, formula, color=PROMPT, linestyle="--", label="accepted / drafted, computed from one alpha")
    axis.set_xticks(ks)
    axis.set_ylim(0, 1)
    axis.set_xlabel("draft length k")
    axis.set_ylabel("per drafted token")
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def prediction_figure(ks, predicted, measured, title):
    """Predicted and measured speed-up against the draft length; below 1 is marked as a loss.

    Args:
        ks: draft lengths. predicted, measured: as many speed-ups. title: which pair, which machine.
    """
    figure, axis = new_figure(7.2, 3.8)
    axis.plot(ks, predicted, color=PROMPT, marker="o", markersize=4, label="predicted from alpha, c and v")
    axis.plot(ks, measured, color=BONUS, marker="o", linewidth=2, label="measured")
    axis.axhspan(0, 1, color=CORRECTED, alpha=0.08, linewidth=0, zorder=0)
    axis.text(ks[-1], 0.97, "slower than plain decoding", fontsize=8.5, color=CORRECTED, ha="right", va="top")
    axis.set_ylim(0, 1.15 * max([*predicted, *measured, 1.0]))
    axis.set_xticks(ks)
    axis.set_xlabel("draft length k")
    axis.set_ylabel("speed-up")
    axis.set_title(title, fontsize=10, loc="left")
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def predictions_figure(engines: dict, title: str):
    """Predicted and measured speed-ups side by side, for every engine and draft length; below 1 is a loss.

    Args:
        engines: {name: (draft lengths, predicted, measured)}, sequences of one length. title: which pair, machine.
    """
    bars = [(f"{name}\nk = {k}", *pair) for name, (ks, *both) in engines.items()
            for k, *pair in zip(ks, *both, strict=True)]
    figure, axis = new_figure(7.2, 3.6)
    for move, colour, label, place in ((-0.2, PROMPT, "predicted", 1), (0.2, BONUS, "measured", 2)):
        heights = [bar[place] for bar in bars]
        drawn = axis.bar([i + move for i in range(len(bars))], heights, 0.36, color=colour, label=label)
        axis.bar_label(drawn, [f"{height:.2f}x" for height in heights], padding=2, fontsize=8.5)
    axis.axhspan(0, 1, color=CORRECTED, alpha=0.08, linewidth=0, zorder=0)
    axis.set_xticks(range(len(bars)), [bar[0] for bar in bars], fontsize=9)
    axis.set_ylim(0, 1.2 * max([1.0, *(x for bar in bars for x in bar[1:])]))
    axis.set_ylabel("speed-up (shaded: a loss)")
    axis.set_title(title, fontsize=9, loc="left")
    axis.grid(False, axis="x")
    axis.legend(frameon=False, fontsize=9, ncols=2, loc="upper right")
    return figure


def sizes_figure(panels, chosen):
    """Speed-up against the size of the draft, one panel per target, one line per acceptance rate.

    Args:
        panels: {title: {alpha: {size's label: speed-up}}}, everything computed.
        chosen: {title: (label, speed-up)}: the choice among drafts whose alphas differ; gets a star.
    """
    figure, axes = new_figure(10.5, 3.9, ncols=len(panels), sharey=True, squeeze=False)
    for axis, (title, lines) in zip(axes.flat, panels.items(), strict=True):
        for (alpha, gains), colour in zip(lines.items(), CYCLE, strict=False):
            axis.plot(list(gains), list(gains.values()), "o-", color=colour, markersize=4, label=f"alpha {alpha:g}")
        label, gain = chosen[title]
        axis.plot(label, gain, marker="*", markersize=17, color="#222222", markeredgecolor="white", linestyle="none",
                  label="chosen, with the assumed alphas", zorder=5)
        axis.axhspan(0, 1, color=CORRECTED, alpha=0.08, linewidth=0, zorder=0)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xlabel("size of the draft")
        axis.margins(x=0.12)
    axes.flat[0].set_ylabel("speed-up at the best k, computed")
    axes.flat[0].set_ylim(bottom=0.8)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    return figure


def measured_figure(published, recorded=()):
    """Speed-ups that somebody measured, as bars around 1.

    Args:
        published: list of (label, hardware, speed-up), read in the authors' files.
        recorded: what `recorded_pairings` returns; each of its rows becomes a bar of another colour.
    """
    from matplotlib.patches import Patch

    bars = [(f"{label}\n{hardware}", gain, PROMPT) for label, hardware, gain in published]
    bars += [(f"{record['pair']}, {row['name']}\n{record['hardware']}", row["speedup"], BONUS)
             for record in recorded for row in record["rows"]]
    figure, axis = new_figure(8.6, 1.6 + 0.44 * len(bars))
    words = {PROMPT: "faster, measured by others", BONUS: "faster, recorded for the course",
             CORRECTED: "slower than plain decoding"}
    shown = {CORRECTED if gain < 1 else colour for _, gain, colour in bars}
    for place, (_, gain, colour) in enumerate(bars[::-1]):
        axis.barh(place, gain - 1, left=1, height=0.6, color=CORRECTED if gain < 1 else colour)
        axis.text(max(gain, 1) + 0.02, place, f"{gain:.2f}x", va="center", fontsize=9)
    axis.set_yticks(range(len(bars)), [label for label, _, _ in bars[::-1]], fontsize=8)
    axis.axvline(1, color="#222222", linewidth=1)
    axis.set_xlim(0.4, 1.15 * max(1.0, *(gain for _, gain, _ in bars)))
    axis.set_xlabel("times as fast as plain decoding in the same engine")
    axis.grid(False, axis="y")
    figure.legend(handles=[Patch(color=colour, label=words[colour]) for colour in words if colour in shown],
                  loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def costs_figure(curves, alpha: float):
    """Speed-up against the draft length, from costs that were measured on GPUs and an alpha that was not.

    Args:
        curves: {label: {k: speed-up}}. alpha: the acceptance rate that was taken for granted.
    """
    figure, axis = new_figure(8.6, 4.2)
    for number, (label, gains) in enumerate(curves.items()):
        axis.plot(list(gains), list(gains.values()), color=CYCLE[number % len(CYCLE)], marker="o", markersize=3.5,
                  linestyle=("-", "--", ":")[number // len(CYCLE) % 3], label=label)
    axis.axhline(1, color="#222222", linewidth=1)
    axis.set_xlabel("draft length k")
    axis.set_ylabel("speed-up")
    axis.set_title(f"From measured c and v; alpha = {alpha:g} is assumed", fontsize=11, loc="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def lengths_figure(gains, k: int):
    """Speed-up against the draft length: where k stands, and the best.

    Args:
        gains: list of speed-ups at k = 0, 1, 2, ... k: the length to mark.
    """
    figure, axis = new_figure(7.0, 3.4)
    best = max(range(len(gains)), key=gains.__getitem__)
    axis.plot(range(len(gains)), gains, color=CYCLE[0], marker="o", markersize=4)
    axis.axhline(1, color="#222222", linewidth=1)
    axis.plot(best, gains[best], marker="*", markersize=15, color=ACCEPTED)
    axis.plot(k, gains[k], marker="o", markersize=9, color=CORRECTED)
    axis.set_ylim(0, max(*gains, 1.0) * 1.15)
    axis.set_xticks(range(0, len(gains), 2))
    axis.set_xlabel("draft length k")
    axis.set_ylabel("speed-up")
    title = f"k = {k}: {gains[k]:.2f}x    best, k = {best}: {gains[best]:.2f}x"
    axis.set_title(title, fontsize=11, loc="left")
    figure.alt = title + ". " + ", ".join(f"k = {n}: {gain:.2f}x" for n, gain in enumerate(gains))
    return figure


def recorded_pairings(say=print) -> list[dict]:
    """The GPU measurements of pairs that come with the course, as `specdec bench --cuda-suite` writes them; says what
    there is, also when there is nothing.

    Returns:
        a dict for each file that is about a pair: "file", "hardware", "pair"; "costs", a list of dicts "engine", "c"
        and "v" ({k: a drafted token, a pass over k + 1 tokens, in plain steps}); "rows", a list of dicts "name" and
        "speedup" (only rows that speculate). Either list may be empty.
    """
    records = []
    for path in sorted(data_path("measurements").glob("cuda_*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        costs = [{"engine": one.get("engine", "engine not stated"), **{x: _by_k(one[x]) for x in "cv"}}
                 for one in _parts(record) if isinstance(one.get("c"), dict) and isinstance(one.get("v"), dict)]
        named = [one for one in _parts(record) if "name" in one and one.get("speedup")]
        rows = [one for one in named if one.get("tokens_per_call", 2) > 1]
        if costs or rows:
            pair = record.get("pair") or str(record.get("part", path.stem)).partition(":")[2] or path.stem
            hardware = str(record.get("hardware", "hardware not stated"))
            records.append({"file": path.name, "hardware": hardware, "pair": pair, "costs": costs, "rows": rows})
            say(f"{path.name}: {pair}, {hardware}, {len(costs)} cost curves, {len(rows)} speed-ups")
    if not records:
        say("No pair has been measured on a GPU for this course yet (no such data/measurements/cuda_*.json).")
    return records


def _by_k(costs: dict) -> dict[int, float]:
    return {int(k): float(value) for k, value in costs.items()}


def _parts(value):
    """Every dict inside a record, however deep."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _parts(item)
