"""Pictures of unit 05: time against length, two caches round by round, acceptance along a text, masks, memory.

Knows: how these pictures look, and how a log of appends and rollbacks becomes rows of cells. Does not know: models,
caches, how anything was measured.
"""

from __future__ import annotations

from .style import ACCEPTED, BONUS, CORRECTED, CYCLE, PROMPT, new_figure, picture

HELD, KEPT, DROPPED, MISSING = "held", "kept", "dropped", "missing"


def time_by_length(lengths, curves):
    """Seconds per new token against the tokens that stand before it.

    Args:
        lengths: list of numbers of tokens. curves: {label: list of seconds}.

    Returns: matplotlib Figure; the time axis is logarithmic.
    """
    figure, axis = new_figure(7.4, 3.9)
    for (label, seconds), colour in zip(curves.items(), (CORRECTED, CYCLE[1], BONUS, ACCEPTED), strict=False):
        axis.plot(lengths, [1000 * s for s in seconds], marker="o", color=colour, label=label)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter("")
    axis.set_xlabel("tokens in the text")
    axis.set_ylabel("time per new token (ms)")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def rounds_of(notes):
    """A log of two caches, cut into rounds.

    Args:
        notes: (name, what, start, tokens) in order of time: name is "target" or "draft"; what is "append" (of tokens,
            behind `start` positions) or "rollback" (to `start` positions).

    Returns:
        a list with one dict {"target": cells, "draft": cells} per round; cells are (position, token, state) where the
        state is HELD (from before), KEPT (fed in this round) or DROPPED (fed and rolled back, or rolled back).
        A round ends when, after an append of the target, a model is fed again.
    """
    rounds, held = [], {"target": [], "draft": []}
    fed: dict = {"target": {}, "draft": {}}
    before = {name: list(tokens) for name, tokens in held.items()}
    judged = False

    def close():
        cells = {}
        for name in held:
            own = [(i, t, KEPT if i in fed[name] else HELD) for i, t in enumerate(held[name])]
            gone = {**dict(enumerate(before[name])), **fed[name]}
            own += [(i, t, DROPPED) for i, t in sorted(gone.items()) if i >= len(held[name])]
            cells[name] = own
        rounds.append(cells)

    for name, what, start, tokens in notes:
        if what == "append" and judged:
            close()
            before, fed, judged = {n: list(t) for n, t in held.items()}, {"target": {}, "draft": {}}, False
        held[name] = held[name][:start]
        if what == "append":
            held[name] += list(tokens)
            fed[name] |= {start + i: token for i, token in enumerate(tokens)}
            judged = name == "target"
    if judged:
        close()
    return rounds


def two_caches(notes, text, ends, first: int = 0):
    """The caches of target and draft, round by round, as rows of cells under the text.

    Args:
        notes: the log, as in `rounds_of`. text: the tokens as short strings, prompt and all.
        ends: for each round, how many tokens the text had after it. first: leave out this many positions.

    Returns: matplotlib Figure; "5 of 6" at the right of a row: positions in the cache, tokens in the text, after it.
    """
    rounds = rounds_of(notes)
    columns = 1 + max(cell[0] for r in rounds for cells in r.values() for cell in cells)
    columns = max(columns, *ends) - first
    figure = picture(min(11.0, max(7.6, 2.5 + 0.36 * columns)), 1.0 + 0.86 * len(rounds))
    axis = figure.add_axes((0, 0.06, 1, 0.94))
    axis.set_axis_off()
    axis.set_xlim(-5.6, columns + 2.6)
    axis.set_ylim(2.45 * len(rounds) + 0.25, -0.35)
    for number, (r, end) in enumerate(zip(rounds, ends, strict=False)):
        top = 2.45 * number
        axis.text(-5.4, top + 1.05, f"round {number + 1}", va="center", fontsize=9.5, weight="bold")
        for row, name in enumerate(("target", "draft")):
            y = top + 1.05 * row
            axis.text(-0.4, y + 0.5, name, ha="right", va="center", fontsize=9)
            for cell in _with_missing(r[name], text, end):
                if cell[0] >= first:
                    _cell(axis, cell[0] - first, y, *cell[1:])
            length = sum(state in (HELD, KEPT) for _, _, state in r[name])
            axis.text(columns + 0.3, y + 0.5, f"{length} of {end}", va="center", fontsize=9, color="#444444")
    _cells_legend(figure)
    figure.alt = "Two caches, round by round. " + " ".join(
        f"Round {n + 1}: target {_cells_words(r['target'], text, end)}; draft {_cells_words(r['draft'], text, end)}."
        for n, (r, end) in enumerate(zip(rounds, ends, strict=False))
    )
    return figure


def _cells_words(cells, text, end: int) -> str:
    """What a row shows, for those who do not see it."""
    by_state = {}
    for _, token, state, _ in _with_missing(cells, text, end):
        by_state.setdefault(state, []).append(token)
    return ", ".join(f"{state} {' '.join(tokens)}" for state, tokens in by_state.items())


def _with_missing(cells, text, end: int):
    """The cells, and those tokens of the text after the round that the cache does not hold.

    As (position, token, state, part): the part of its square that a cell fills. Where a token is missing and a rejected
    guess stood in its place, both are shown: the guess in the upper half, the token in the lower.
    """
    length = sum(state in (HELD, KEPT) for _, _, state in cells)
    missing = {i: text[i] for i in range(length, end)}
    shown = [(*cell, "upper" if cell[0] in missing else "all") for cell in cells]
    gone = {place for place, _, _ in cells}
    return shown + [(i, token, MISSING, "lower" if i in gone else "all") for i, token in missing.items()]


LOOK = {HELD: (PROMPT, 0.28), KEPT: (ACCEPTED, 0.55), DROPPED: (CORRECTED, 0.55), MISSING: ("white", 1.0)}


PART = {"all": (0.05, 0.9), "upper": (0.05, 0.43), "lower": (0.52, 0.43)}


def _cell(axis, x: float, y: float, token: str, state: str, part: str) -> None:
    from matplotlib.patches import Rectangle

    colour, alpha = LOOK[state]
    top, height = PART[part]
    look = {"edgecolor": "#777777", "linestyle": ":", "linewidth": 1.2} if state == MISSING else {"linewidth": 0}
    axis.add_patch(Rectangle((x + 0.05, y + top), 0.9, height, facecolor=colour, alpha=alpha, **look))
    axis.text(x + 0.5, y + top + 0.52 * height, token, ha="center", va="center", fontsize=9 if part == "all" else 7.5,
              parse_math=False, color="#777777" if state == MISSING else "#111111")
    if state == DROPPED:
        ends = [y + top + 0.9 * height, y + top + 0.1 * height]
        axis.plot([x + 0.15, x + 0.85], ends, color=CORRECTED, linewidth=1.3)


def _cells_legend(figure) -> None:
    from matplotlib.patches import Patch

    marks = ((HELD, "held from before"), (KEPT, "fed in this round, kept"), (DROPPED, "rolled back"),
            (MISSING, "in the text, not in the cache"))
    handles = [Patch(facecolor=LOOK[s][0], alpha=LOOK[s][1], edgecolor="#777777" if s == MISSING else "none",
                     linestyle=":" if s == MISSING else "-", label=text) for s, text in marks]
    figure.legend(handles=handles, loc="lower center", ncols=4, frameon=False, fontsize=8.5)


def acceptance_along(curves, window: int = 8):
    """The share of drafted tokens that were kept, over the last few rounds, along the text.

    Args:
        curves: {label: list of Round}. window: rounds to average over.

    Returns: matplotlib Figure.
    """
    figure, axis = new_figure(7.0, 3.3)
    for (label, rounds), colour in zip(curves.items(), (ACCEPTED, CORRECTED, BONUS), strict=False):
        tokens, shares, written = [], [], 0
        for i, r in enumerate(rounds):
            written += r.emitted
            recent = rounds[max(0, i + 1 - window) : i + 1]
            drafted = sum(x.drafted for x in recent)
            if drafted:
                tokens.append(written)
                shares.append(sum(x.accepted for x in recent) / drafted)
        axis.plot(tokens, shares, color=colour, label=label, linewidth=2)
    axis.set_ylim(-0.03, 1.06)
    axis.set_xlabel("tokens written")
    axis.set_ylabel(f"kept, over {window} rounds")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def mask_picture(mask, length: int):
    """A static mask as a grid: who may look where, and what stands there.

    Args:
        mask: [n_new, max_length] of truth values. length: positions in the buffer before the new ones.

    Returns: matplotlib Figure.
    """
    from matplotlib.patches import Patch, Rectangle

    rows = [[bool(value) for value in row] for row in mask]
    columns = len(rows[0])
    figure = picture(1.6 + 0.36 * columns, 1.25 + 0.36 * len(rows))
    axis = figure.add_axes((0.02, 0.2, 0.96, 0.72))
    axis.set_axis_off()
    axis.set_xlim(-2.6, columns)
    axis.set_ylim(len(rows), -1.1)
    axis.set_aspect("equal", anchor="W")
    for x in range(columns):
        axis.text(x + 0.5, -0.35, str(x), ha="center", fontsize=7.5, color="#666666")
    for y, row in enumerate(rows):
        axis.text(-0.2, y + 0.5, f"new {y}", ha="right", va="center", fontsize=8.5)
        for x, allowed in enumerate(row):
            stale = x >= length + len(rows)
            colour = ACCEPTED if allowed else "#F2F2F2"
            axis.add_patch(Rectangle((x + 0.05, y + 0.05), 0.9, 0.9, facecolor=colour, alpha=0.6 if allowed else 1,
                                     edgecolor=CORRECTED if stale else "none", linewidth=0,
                                     hatch="////" if stale else None))
    axis.plot([length, length], [-0.2, len(rows)], color=BONUS, linewidth=2)
    axis.text(length + 0.1, -0.72, "pointer", color=BONUS, fontsize=8.5, va="center")
    handles = [Patch(facecolor=ACCEPTED, alpha=0.6, label="may look"), Patch(facecolor="#F2F2F2", label="may not"),
               Patch(facecolor="#F2F2F2", edgecolor=CORRECTED, hatch="////", linewidth=0, label="leftovers")]
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=8.5)
    figure.alt = f"A mask; {length} positions hold text. " + " ".join(
        f"New {y} may look at {', '.join(str(x) for x, allowed in enumerate(row) if allowed) or 'nothing'}."
        for y, row in enumerate(rows)
    )
    return figure


def memory_by_length(lengths, caches, weights=None):
    """Gigabytes of key-value caches against the length of the texts.

    Args:
        lengths: list of positions. caches: {label: list of bytes}. weights: (label, bytes) of a level line, or None.

    Returns: matplotlib Figure; both axes are logarithmic.
    """
    figure, axis = new_figure(7.4, 3.9)
    for (label, values), colour in zip(caches.items(), CYCLE, strict=False):
        axis.loglog(lengths, [v / 1e9 for v in values], marker="o", markersize=4, color=colour, label=label)
    if weights is not None:
        axis.axhline(weights[1] / 1e9, color="#444444", linestyle="--", linewidth=1.2)
        axis.text(lengths[0], weights[1] / 1e9 * 1.12, weights[0], fontsize=8.5, color="#444444")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_xticks(lengths)
    axis.minorticks_off()
    axis.set_xlabel("positions per text")
    axis.set_ylabel("GB")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def before_and_after(rows, baseline: str):
    """Milliseconds per token of several ways of decoding the same text, as bars with their speed-ups.

    Args:
        rows: {label: seconds per token}. baseline: the label that the others are compared with.

    Returns: matplotlib Figure.
    """
    figure, axis = new_figure(7.4, 0.9 + 0.46 * len(rows))
    labels, base = list(rows), rows[baseline]
    values = [1000 * rows[label] for label in labels]
    colours = [PROMPT if "alone" in label else ACCEPTED if rows[label] <= base else CORRECTED for label in labels]
    bars = axis.barh(range(len(labels)), values, color=colours, height=0.62, alpha=0.8)
    captions = [f"{value:.1f} ms   {base / rows[label]:.2f}x" for value, label in zip(values, labels, strict=True)]
    axis.bar_label(bars, captions, padding=4, fontsize=9)
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.3 * max(values))
    axis.set_xlabel(f"ms per token; x: speed relative to {baseline}")
    axis.grid(False, axis="y")
    return figure


def break_even(once: float, slow: float, fast: float, labels=("eager", "compiled")):
    """Seconds spent against tokens written: a start that costs, and steps that are cheaper afterwards.

    Args:
        once: seconds that the second way costs before its first token. slow, fast: seconds per token of the two.
        labels: their names.

    Returns: matplotlib Figure.
    """
    cross = once / (slow - fast) if slow > fast else None
    reach = 1.8 * cross if cross else 20_000
    figure, axis = new_figure(7.0, 3.3)
    axis.plot([0, reach], [0, slow * reach], color=CORRECTED, label=labels[0])
    axis.plot([0, reach], [once, once + fast * reach], color=ACCEPTED, label=labels[1])
    if cross:
        axis.axvline(cross, color=PROMPT, linestyle="--", linewidth=1.2)
        axis.text(cross * 1.02, 0.04 * slow * reach, f"even after {cross:,.0f} tokens", fontsize=9, color="#444444")
    axis.set_xlim(0, reach)
    axis.set_ylim(bottom=0)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.set_xlabel("tokens written since the program began")
    axis.set_ylabel("seconds")
    axis.legend(frameon=False, loc="upper left")
    return figure
