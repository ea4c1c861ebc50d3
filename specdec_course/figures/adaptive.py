"""Pictures of unit 07: how far a draft gets along a text, what rules make of it, whom to trust, when to stop.

Knows: how these pictures look. Does not know: the rules, models, or where the numbers were measured.
"""

from __future__ import annotations

import math

from .style import ACCEPTED, BONUS, CORRECTED, PROMPT, P, Q, new_figure
from .tokens import readable


def reach_along_text(pieces, reach, limit: int = 72, title: str = ""):
    """For every place of a text, how many drafted tokens would be accepted if a round began there.

    Args:
        pieces: the tokens as strings, one per place. reach: for each, an int >= 0. limit: places shown; the title says
            so where there are more.
    """
    if not title and len(pieces) > limit:
        title = f"the first {limit} of {len(pieces)} places"
    shown, values = [readable(piece) for piece in pieces[:limit]], [int(n) for n in reach[:limit]]
    figure, axis = new_figure(11, 3.4)
    axis.bar(range(len(values)), values, 0.8, color=[ACCEPTED if n else CORRECTED for n in values])
    axis.plot([i for i, n in enumerate(values) if n == 0], [0] * values.count(0), linestyle="none", marker="v",
              color=CORRECTED, markersize=5, clip_on=False, label="0: the first guess would be rejected")
    axis.set_xticks(range(len(shown)), [text.replace("$", r"\$") for text in shown], rotation=90, fontsize=7.5)
    axis.set_xlim(-0.8, len(values) - 0.2)
    axis.set_ylim(0, max(values) * 1.15 + 1)
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set_ylabel("tokens accepted\nif a round began here")
    axis.set_title(title, loc="left", fontsize=11)
    axis.legend(frameon=False, fontsize=9, loc="upper right")
    axis.grid(False, axis="x")
    figure.alt = "Tokens accepted if a round began at this place: " + ", ".join(
        f"{piece.strip() or 'blank'} {n}" for piece, n in zip(shown, values, strict=True)
    )
    return figure


def rounds_along_text(played: dict, limit: int = 110):
    """What rules did on the same text: one row per rule, one block per round, as wide as the tokens that it emitted.

    Args:
        played: {name of the rule: list of Round}. limit: how many tokens of the text are shown, the same in all rows.
    """
    limit = min([limit, *(sum(r.emitted for r in rounds) for rounds in played.values())])
    figure, axes = new_figure(11, 1.5 * len(played) + 0.7, nrows=len(played), sharex=True, sharey=True, squeeze=False)
    top = max(r.drafted for rounds in played.values() for r in rounds)
    for axis, (name, rounds) in zip(axes[:, 0], played.items(), strict=True):
        place = count = 0
        for r in rounds:
            if place >= limit:
                break
            _block(axis, place, r)
            place, count = place + r.emitted, count + 1
        axis.set_title(f"{name}: {count} rounds for the first {limit} tokens", loc="left", fontsize=10)
        axis.set_xlim(0, limit)
        axis.set_ylim(0, top * 1.05)
        axis.grid(False, axis="x")
    axes[-1, 0].set_xlabel("place in the text")
    figure.supylabel("drafted tokens", fontsize=10)
    from matplotlib.patches import Patch

    axes[0, 0].legend(handles=[Patch(color=ACCEPTED, alpha=0.75, label="accepted"),
                               Patch(facecolor="white", edgecolor=CORRECTED, hatch="////", label="drafted in vain")],
                      loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9)
    figure.alt = "Accepted of drafted, round by round. " + " ".join(
        f"{name}: {', '.join(f'{r.accepted} of {r.drafted}' for r in rounds)}." for name, rounds in played.items()
    )
    return figure


def _block(axis, place: int, r) -> None:
    left, width = place + 0.06, r.emitted - 0.12
    axis.bar(left, r.accepted, width, align="edge", color=ACCEPTED, alpha=0.75, linewidth=0)
    if r.drafted > r.accepted:
        axis.bar(left, r.drafted - r.accepted, width, bottom=r.accepted, align="edge", color="white",
                 edgecolor=CORRECTED, hatch="////", linewidth=0.6)


def trust(confidences, accepted, bins: int = 10):
    """Two panels over the drafter's confidence: how often its guess is accepted, and how often it is that sure.

    Args:
        confidences: floats in [0, 1]. accepted: for each, whether the guess was accepted. bins: of equal width.
    """
    groups = [[] for _ in range(bins)]
    for confidence, good in zip(confidences, accepted, strict=True):
        groups[min(bins - 1, int(float(confidence) * bins))].append(bool(good))
    centres = [(i + 0.5) / bins for i in range(bins)]
    figure, axes = new_figure(10, 3.5, ncols=2, width_ratios=[3, 2])
    full = [(x, sum(g) / len(g), len(g)) for x, g in zip(centres, groups, strict=True) if g]
    axes[0].plot([0, 1], [0, 1], color=PROMPT, linestyle=":", label="accepted as often as it is sure")
    axes[0].plot([x for x, _, _ in full], [y for _, y, _ in full], color=ACCEPTED, marker="o", label="measured")
    for x, y, n in full:
        spread = math.sqrt(max(y * (1 - y), 0.25 / n) / n)
        axes[0].plot([x, x], [max(0, y - spread), min(1, y + spread)], color=ACCEPTED, alpha=0.5, linewidth=3)
    axes[0].set_ylabel("share of guesses accepted")
    axes[0].set_ylim(0, 1.04)
    axes[0].legend(frameon=False, fontsize=9, loc="lower right")
    axes[1].bar(centres, [len(g) for g in groups], 0.9 / bins, color=Q)
    axes[1].set_ylabel("guesses")
    axes[1].grid(False, axis="x")
    for axis in axes:
        axis.set_xlim(0, 1)
        axis.set_xlabel("the drafter's confidence in its guess")
    return figure


def alpha_along_text(places, curves: dict, judged=None):
    """What trackers with different half-lives thought of alpha as a text went on.

    Args:
        places: the place after each round. curves: {name: the estimates, one per round}. judged: (place, accepted)
            of every judged token, drawn as ticks at the top and at the bottom.
    """
    figure, axis = new_figure(10, 3.5)
    for good, height, colour in ((True, 1.0, ACCEPTED), (False, 0.0, CORRECTED)):
        at = [place for place, accepted in judged or () if accepted == good]
        axis.plot(at, [height] * len(at), "|", color=colour, markersize=9, clip_on=False,
                  label="an accepted token" if good else "a rejected token")
    for (name, values), colour in zip(curves.items(), (Q, BONUS, PROMPT), strict=False):
        axis.step(places, values, where="post", color=colour, linewidth=1.8, label=name)
    axis.set_ylim(0, 1)
    axis.set_xlabel("place in the text")
    axis.set_ylabel("alpha")
    axis.legend(frameon=False, fontsize=9, ncols=5, loc="lower left", bbox_to_anchor=(0, 1.02))
    return figure


def steepest_line(survival, c: float, verify_cost: float, overhead: float, k: int):
    """The marginal rule as a picture: tokens against time for every draft length, and the steepest line from the left.

    Args:
        survival: chances, never increasing. c, verify_cost, overhead: as in optimal_stop. k: the length to mark.
    """
    tokens, times = [1.0], [verify_cost + overhead]
    for s in survival:
        tokens.append(tokens[-1] + float(s))
        times.append(times[-1] + c)
    figure, axis = new_figure(7.5, 4.2)
    axis.plot(times[1:], tokens[1:], color=P, marker="o", markersize=4, label="a round with k drafted tokens")
    axis.plot([1 + overhead], [1], color=PROMPT, marker="s", linestyle="none", label="a plain step, k = 0")
    slope = tokens[k] / times[k] if k else 1 / (1 + overhead)
    at = (times[k], tokens[k]) if k else (1 + overhead, 1)
    end = max(times[-1] * 1.02, 1 + overhead)
    axis.plot([0, end], [0, slope * end], color=ACCEPTED, linewidth=1.5,
              label=f"the steepest line: {slope:.2f} tokens per step")
    axis.plot(*at, color=ACCEPTED, marker="o", markersize=11, fillstyle="none", markeredgewidth=2, linestyle="none")
    axis.annotate(f"k = {k}", at, xytext=(-8, 10), textcoords="offset points", ha="right", fontsize=11, color=ACCEPTED)
    axis.set_xlim(0, end)
    axis.set_ylim(0, max(tokens[-1], slope * times[k] if k else 1) * 1.25)
    axis.set_xlabel("time of the round, in plain target steps")
    axis.set_ylabel("tokens that it yields, on average")
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def rule_bars(results: dict, baseline: str):
    """The speed of rules, as a multiple of plain decoding, for one or several prices of drafting: one panel each.

    Args:
        results: {title of the panel: {name of the rule: speed}}. baseline: the rule whose speed is drawn as a line.
    """
    figure, axes = new_figure(11, 0.42 * max(map(len, results.values())) + 1.3, ncols=len(results), sharey=True,
                              squeeze=False)
    for axis, (title, speeds) in zip(axes[0], results.items(), strict=True):
        names = list(speeds)
        colours = [_verdict(speeds[name] / speeds[baseline]) for name in names]
        axis.barh(names, list(speeds.values()), 0.68, color=colours, alpha=0.8)
        for row, (name, speed) in enumerate(speeds.items()):
            caption = f"{speed:.2f}" + f"  ({speed / speeds[baseline] - 1:+.1%})" * (name != baseline)
            # Behind the dashed line, which would pass through the figures of a bar that ends before it.
            axis.annotate(caption, (max(speed, speeds[baseline]), row), xytext=(5, 0), textcoords="offset points",
                          fontsize=9, va="center")
        axis.axvline(speeds[baseline], color="#555555", linestyle="--", linewidth=1.2)
        axis.set_xlim(0, max(speeds.values()) * 1.32)
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_xlabel("times the speed of plain decoding")
        axis.grid(False, axis="y")
    axes[0, 0].invert_yaxis()
    return figure


def _verdict(ratio: float) -> str:
    """Grey within half a per cent of the baseline, else green or orange."""
    return PROMPT if abs(ratio - 1) < 0.005 else ACCEPTED if ratio > 1 else CORRECTED


def bild_tradeoff(points, lossless: dict):
    """What a Big Little Decoder saves and what it loses: target calls per token against the share of own choices.

    Args:
        points: list of (name, target calls per new token, share of the new tokens the target would have chosen).
        lossless: {name: target calls per token} of ways whose text is the target's own, drawn at share 1.
    """
    figure, axis = new_figure(8, 4.4)
    for number, (name, calls) in enumerate(lossless.items()):
        axis.plot([calls], [1], "D", color=ACCEPTED, label="lossless" if number == 0 else None, clip_on=False,
                  zorder=3)
        axis.annotate(name, (calls, 1), xytext=(0, 8), textcoords="offset points", fontsize=8.5, ha="center")
    axis.plot([calls for _, calls, _ in points], [share for _, _, share in points], "o", color=CORRECTED,
              label="Big Little Decoder (fallback, rollback)")
    low = min(share for _, _, share in points)
    for name, calls, share in points:
        # To the left of its point where another one is close on the right.
        crowded = any(0 < other - calls < 0.12 and abs(s - share) < 0.06 * (1 - low) for _, other, s in points)
        axis.annotate(name, (calls, share), xytext=(-7 if crowded else 7, -3), textcoords="offset points", fontsize=8.5,
                      ha="right" if crowded else "left")
    axis.set_xlim(-0.02, 1.1)
    axis.set_ylim(low - 0.12 * (1 - low) - 0.01, 1 + 0.16 * (1 - low) + 0.01)
    axis.set_xlabel("target calls per new token (fewer is faster)")
    axis.set_ylabel("share of tokens the target\nwould have chosen there")
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    return figure
