"""What a table of next tokens gets right: the map of hits, hits by size of text, tokens per call and speed by k.

Knows: how to draw them, and the recorded measurements of other pairs. Does not know: how anything was counted.
"""

from __future__ import annotations

import json
from math import log2

from ..common.paths import data_path
from .style import ACCEPTED, BONUS, CORRECTED, CYCLE, PROMPT, new_figure
from .tokens import FILL, readable, text_page, text_picture


def hit_map(pieces, hits, width: float = 9.5):
    """A text, every token coloured by whether the table foresaw it from the token before.

    Args:
        pieces: the text of each token, n strings (see `rounds.token_pieces`).
        hits: n - 1 truth values, one for every token but the first, which nobody guesses. width: in inches.

    Returns: matplotlib Figure. Raises ValueError when the two do not fit together.
    """
    hits = [bool(hit) for hit in hits]
    if len(pieces) != len(hits) + 1:
        raise ValueError(
            f"{len(pieces)} pieces of text and {len(hits)} hits; expected one hit for every piece but the first"
        )
    kinds = ["prompt", *("accepted" if hit else "corrected" for hit in hits)]
    tokens = [(readable(piece), kind, None) for piece, kind in zip(pieces, kinds, strict=True)]
    figure = text_picture(tokens, width, above=0.4, below=0.42)
    shown = [("accepted", f"foreseen ({sum(hits)} of {len(hits)})"), ("corrected", "not foreseen"),
             ("prompt", "the first: not guessed")]
    _legend(figure, shown)
    figure.page = text_page(tokens, shown)
    figure.alt = "The text; foreseen: " + " ".join(t.strip() for t, kind, _ in tokens if kind == "accepted")
    return figure


def _legend(figure, shown) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=FILL[kind], alpha=0.55, label=text) for kind, text in shown]
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=9)


def rates_by_size(sizes, held_out, fitted):
    """Hit rates against the number of tokens counted: on another text, and on the very text that was counted.

    Args:
        sizes, held_out, fitted: lists of equal length. Returns: matplotlib Figure.
    """
    figure, axis = new_figure(7.0, 3.6)
    axis.semilogx(sizes, fitted, marker="o", color=CORRECTED, label="on the text that was counted")
    axis.semilogx(sizes, held_out, marker="o", color=ACCEPTED, label="on a text it has never seen")
    axis.set_ylim(0, 1)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.set_xlabel("tokens counted")
    axis.set_ylabel("hit rate")
    axis.legend(frameon=False, loc="upper right")
    return figure


def recorded() -> dict[str, dict[int, float]]:
    """Bundled measurements of bigrams with other targets: {label: {k: tokens per call}}. Each file names its source."""
    found = {}
    for path in sorted(data_path("measurements").glob("*_bigram.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        label = record.get("label") or record["source"]
        hardware = record["hardware"].replace(" 1 threads", " 1 thread")
        found[f"{label}; {hardware}"] = {int(k): t for k, t in record["tokens_per_call"].items()}
    return found


def saturation(measured: dict, others: dict, alpha: float):
    """Tokens per target call against k: the chain of hits that would go on for ever, and what happens.

    Args:
        measured: {k: tokens per call}, measured here. others: {label: {k: tokens per call}}, recorded elsewhere.
        alpha: share of right first guesses; draws 1 + alpha + alpha^2 + ... as it grows with k.

    Returns: matplotlib Figure.
    """
    figure, axis = new_figure(8.0, 4.2)
    ks = sorted(measured)
    axis.plot(ks, [sum(alpha**i for i in range(k + 1)) for k in ks], color=PROMPT, linestyle=":",
              label=f"if every guess were right with chance {alpha:.2f}")
    axis.plot(ks, [measured[k] for k in ks], marker="o", color=BONUS, zorder=3,
              label="measured here, the classroom target")
    for (label, curve), colour, marker in zip(others.items(), CYCLE[1:], "sD^v*x", strict=False):
        curve = {k: t for k, t in curve.items() if k <= ks[-1]}
        axis.plot(list(curve), list(curve.values()), "--", marker=marker, markersize=5, color=colour, label=label)
    highest = max([*measured.values(), 1 / (1 - min(alpha, 0.9))])
    axis.set_ylim(1, 1 + (highest - 1) * 2.1)
    axis.set_xticks(ks)
    axis.set_xlabel("k, tokens drafted per round")
    axis.set_ylabel("tokens per target call")
    axis.legend(frameon=False, loc="upper left", fontsize=8)
    return figure


def speed_by_k(tokens_per_call: dict, speed: dict):
    """Two curves that part: tokens per call and the measured speed, both as multiples of plain decoding, against k.

    Args:
        tokens_per_call, speed: {k: multiple of plain decoding}. Returns: matplotlib Figure.
    """
    figure, axis = new_figure(7.0, 3.6)
    ks = sorted(speed)
    places = [log2(k) for k in ks]  # as wide as the step is
    axis.plot(places, [tokens_per_call[k] for k in ks], marker="o", color=BONUS, label="tokens per target call")
    axis.plot(places, [speed[k] for k in ks], marker="o", color=CORRECTED, label="speed, by the clock")
    axis.axhline(1, color="#444444", linewidth=1, linestyle=":")
    axis.text(places[-1], 1.02, "plain decoding", ha="right", va="bottom", fontsize=8.5, color="#444444")
    axis.set_ylim(0, 1.25 * max([*tokens_per_call.values(), *speed.values()]))
    axis.set_xticks(places, [str(k) for k in ks])
    axis.set_xlabel("k, tokens drafted per round")
    axis.set_ylabel("multiple of plain decoding")
    axis.legend(frameon=False, loc="lower left")
    return figure
