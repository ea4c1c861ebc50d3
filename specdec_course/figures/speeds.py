"""The picture of a benchmark: how fast every way was, and how fast it should have been.

Knows: the report of `specdec bench`. Does not know: how it was measured.
"""

from __future__ import annotations

from .style import ACCEPTED, PROMPT, P, new_figure


def speed_figure(report: dict):
    """Bars of tokens per second with their range; a black mark where the prediction is, for ways that have one."""
    rows = report["rows"][::-1]
    baseline = report["rows"][0]["tokens_per_second"]
    predicted = {row["name"]: row["predicted"] * baseline for row in report["explained"]}
    figure, axis = new_figure(8.0, 0.6 + 0.42 * len(rows))
    for place, row in enumerate(rows):
        colour = ACCEPTED if row["tokens_per_call"] > 1 else PROMPT if "Hugging Face" in row["name"] else P
        middle = row["tokens_per_second"]
        spread = [[middle - row["slowest"]], [row["fastest"] - middle]]
        axis.barh(place, middle, color=colour, height=0.65, xerr=spread, ecolor="#444444", error_kw={"linewidth": 0.8})
        axis.text(baseline * 0.02, place, f"{row['speedup']:.2f}x", va="center", color="white", fontsize=9)
        if row["name"] in predicted:
            axis.plot([predicted[row["name"]]] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1.6)
    axis.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axis.set_xlabel("tokens per second (bar: median, thin line: range, black mark: predicted)")
    axis.set_title(f"{report['hardware']}, T = {report['temperature']:g}", fontsize=9)
    axis.grid(axis="y", visible=False)
    return figure
