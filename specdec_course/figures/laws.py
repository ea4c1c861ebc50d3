"""Pictures of unit 04: what accept and reject do to two distributions, laws of rules, acceptance along a text.

Knows: how these pictures look. Does not know: how a law is worked out or where the numbers were measured.
"""

from __future__ import annotations

from .style import ACCEPTED, BONUS, CORRECTED, PROMPT, RESIDUAL, P, Q, new_figure


def _probability(axis, top: float) -> None:
    axis.set_ylim(0, top)
    axis.set_ylabel("probability")


def _tokens(axis, names) -> None:
    axis.set_xticks(range(len(names)), names)
    axis.grid(False, axis="x")


def accept_and_correct(p, q, names=None):
    """Three panels: p and q side by side; p as overlap plus what is missing; q as overlap plus what is too much.

    Args:
        p, q: sequences of V probabilities. names: what to call the tokens.
    """
    p, q = [float(x) for x in p], [float(x) for x in q]
    names = names or [str(i) for i in range(len(p))]
    both = [min(a, b) for a, b in zip(p, q, strict=True)]
    figure, axes = new_figure(10, 3.7, ncols=3, sharey=True)
    places, top = range(len(p)), 1.38 * max(p + q)
    axes[0].bar([i - 0.2 for i in places], p, 0.38, color=P, label="p, the target")
    axes[0].bar([i + 0.2 for i in places], q, 0.38, color=Q, label="q, the drafter")
    axes[0].set_title("what is wanted, what is proposed", fontsize=10)
    axes[1].bar(places, both, 0.6, color=ACCEPTED, label=f"kept: min(p, q), in all {sum(both):.2f}")
    spare = [i for i in places if q[i] > both[i]]  # a bar of no height would still show its edge
    axes[1].bar(spare, [q[i] - both[i] for i in spare], 0.6, bottom=[both[i] for i in spare], color="white",
                edgecolor=CORRECTED, hatch="//", label=f"rejected: (q - p)+, in all {1 - sum(both):.2f}")
    axes[1].set_title("the proposals, as q makes them", fontsize=10)
    axes[2].bar(places, both, 0.6, color=ACCEPTED, label="kept: min(p, q)")
    axes[2].bar(places, [a - m for a, m in zip(p, both, strict=True)], 0.6, bottom=both, color=RESIDUAL,
                label=f"corrections: (p - q)+, in all {1 - sum(both):.2f}")
    axes[2].set_title("what comes out: p", fontsize=10)
    for axis in axes:
        _tokens(axis, names)
        _probability(axis, top)
        axis.legend(frameon=False, fontsize=8, loc="upper right")
    for axis in axes[1:]:
        axis.set_ylabel("")
    return figure


def law_gallery(p, laws, names=None, columns: int = 4):
    """One small panel per rule: the law of the emitted token beside the target's.

    Args:
        p: the target's distribution, V probabilities. laws: {name of the rule: {token: probability}}, the right rule
            among them. names: what to call the tokens.
    """
    p = [float(x) for x in p]
    names = names or [str(i) for i in range(len(p))]
    rows = -(-len(laws) // columns)
    figure, axes = new_figure(10.5, 2.55 * rows + 0.4, nrows=rows, ncols=columns, sharey=True, squeeze=False)
    top = 1.3 * max([*p, *(mass for law in laws.values() for mass in law.values())])
    for axis, (name, law) in zip(axes.flat, laws.items(), strict=False):
        values = [law.get(i, 0.0) for i in range(len(p))]
        distance = 0.5 * sum(abs(a - b) for a, b in zip(p, values, strict=True))
        right = distance < 1e-5
        axis.bar([i - 0.2 for i in range(len(p))], p, 0.38, color=PROMPT, alpha=0.45, label="the target's law")
        axis.bar([i + 0.2 for i in range(len(p))], values, 0.38, color=ACCEPTED if right else CORRECTED,
                 label="the rule's law")
        axis.set_title(name, fontsize=9)
        axis.text(0.97, 0.93, f"TV = {distance:.3f}", transform=axis.transAxes, ha="right", va="top", fontsize=9,
                  color=ACCEPTED if right else CORRECTED, weight="bold")
        _tokens(axis, names)
        axis.set_ylim(0, top)
    free = list(axes.flat)[len(laws):]
    for axis in free:
        axis.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    handles += axes.flat[1].get_legend_handles_labels()[0][1:] if len(laws) > 1 else []
    labels = [labels[0], "the law of a right rule", "the law of a wrong rule"][: len(handles)]
    place = {"loc": "center"} if free else {"loc": "upper left", "ncols": 3}
    (free[0] if free else axes.flat[0]).legend(handles, labels, frameon=False, fontsize=9, **place)
    for axis in axes[:, 0]:
        axis.set_ylabel("probability")
    return figure


def acceptance_along_text(tokens, overlap, limit: int = 48):
    """A text, each token over a bar of its overlap 1 - TV(p, q): where the drafter knows what the target wants.

    Args:
        tokens: the tokens as strings. overlap: for each, the expected acceptance at its place.
    """
    shown = [text.replace("\n", "\\n") or "''" for text in tokens[:limit]]
    values = [float(x) for x in overlap[:limit]]
    figure, axis = new_figure(11, 3.2)
    named = zip(shown, values, strict=True)
    figure.alt = "1 - TV(p, q) for each token: " + ", ".join(f"{t.strip()} {v:.2f}" for t, v in named)
    axis.bar(range(len(values)), values, 0.8, color=[ACCEPTED if v >= 0.5 else CORRECTED for v in values])
    axis.axhline(sum(values) / len(values), color=PROMPT, linestyle="--", linewidth=1.2)
    axis.text(len(values) - 0.3, sum(values) / len(values), " mean\n here", va="center", fontsize=9, color="#555555")
    axis.set_xticks(range(len(shown)), [text.replace("$", r"\$") for text in shown], rotation=90, fontsize=8)
    axis.set_xlim(-0.7, len(values) + 1.6)
    axis.set_ylim(0, 1.02)
    axis.set_ylabel("1 - TV(p, q)")
    axis.grid(False, axis="x")
    return figure


def against_temperature(temperatures, tokens_per_call, ceiling, measured):
    """Two panels over temperature: tokens per target call of several drafters, and acceptance against 1 - TV.

    Args:
        temperatures: list. tokens_per_call: {name: list}. ceiling, measured: lists, mean 1 - TV and acceptance of the
            draft model.
    """
    figure, axes = new_figure(10, 3.6, ncols=2)
    for (name, values), colour in zip(tokens_per_call.items(), (BONUS, Q, ACCEPTED), strict=False):
        axes[0].plot(temperatures, values, "o-", color=colour, label=name)
    axes[0].axhline(1, color=PROMPT, linestyle="--", linewidth=1.2, label="plain decoding")
    axes[0].set_ylabel("tokens per target call")
    axes[0].set_ylim(bottom=0.9)
    axes[1].plot(temperatures, ceiling, "-", color=PROMPT, linewidth=5, alpha=0.5, label="mean 1 - TV(p, q)")
    axes[1].plot(temperatures, measured, "o", color=ACCEPTED, label="measured acceptance")
    axes[1].set_ylabel("per judged guess")
    axes[1].set_ylim(0, 1)
    for axis in axes:
        axis.set_xlabel("temperature")
        axis.legend(frameon=False, fontsize=9)
    return figure


def kept_by_rules(laws, k: int):
    """How many tokens a round emits, exactly, for several rules: grouped bars with their means.

    Args:
        laws: {name: {emitted tokens (a tuple): probability}}. k: the draft length.
    """
    figure, axis = new_figure(6.5, 3.2)
    width = 0.8 / len(laws)
    for number, ((name, law), colour) in enumerate(zip(laws.items(), (PROMPT, BONUS, ACCEPTED), strict=False)):
        chance = [sum(mass for text, mass in law.items() if len(text) == n) for n in range(1, k + 2)]
        mean = sum(n * c for n, c in enumerate(chance, 1)) - 1
        at = [n + (number - (len(laws) - 1) / 2) * width for n in range(k + 1)]
        axis.bar(at, chance, 0.92 * width, color=colour, label=f"{name}: {mean:.3f} kept on average")
    axis.set_xticks(range(k + 1))
    axis.set_xlabel("drafted tokens kept in a round")
    axis.set_ylim(0, 1.35 * max(p.get_height() for p in axis.patches))
    axis.set_ylabel("probability")
    axis.grid(False, axis="x")
    axis.legend(frameon=False, fontsize=9, loc="upper center")
    return figure
