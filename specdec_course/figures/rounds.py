"""What speculation did, round by round: the coloured strip of text, the histogram of accepted tokens, the time line.

Knows: which colour a token's part in its round has. Does not know: models, decoding, tokenizers (except that
`token_pieces` asks one to decode). A round is anything with .drafted, .accepted and .emitted.
"""

from __future__ import annotations

from collections import Counter

from ..models.vocabulary import texts_of
from ..trace import labels, tokens_per_call
from .style import ACCEPTED, BONUS, PROMPT, Q, new_figure
from .tokens import FILL, readable, text_page, text_picture

SMALL_NUMBERS = "small numbers: the round (one target call) that a token came in"
LEGEND = (
    ("prompt", "prompt"),
    ("accepted", "accepted: drafted, and the target agrees"),
    ("corrected", "corrected: the target's own, after a rejection"),
    ("bonus", "bonus: the target's own, after a full acceptance or no draft"),
)


def token_pieces(tokenizer, ids) -> list[str]:
    """The text that every token adds: list of str, one per id; a character of several tokens stands with its last."""
    return list(texts_of(tokenizer, ids))


def strip(pieces, rounds, prompt_pieces=(), width: float = 9.5):
    """The text with every token coloured by who wrote it, and the number of its round.

    Args:
        pieces: the text of each new token, in order (see `token_pieces`).
        rounds: list of Round; their `emitted` must add up to len(pieces).
        prompt_pieces: the prompt's tokens, shown grey before the rest. width: of the picture, in inches.

    Returns:
        matplotlib Figure. Raises ValueError when pieces and rounds do not fit together.
    """
    tokens = _coloured(pieces, rounds, prompt_pieces)
    figure = text_picture(tokens, width, above=0.75, below=0.62)
    kinds = {kind for _, kind, _ in tokens}
    _strip_legend(figure, kinds)
    figure.page = text_page(tokens, [(kind, text) for kind, text in LEGEND if kind in kinds], SMALL_NUMBERS)
    figure.alt = "The text, each token with who wrote it: " + " ".join(f"{t.strip()} ({kind})" for t, kind, _ in tokens)
    return figure


def _coloured(pieces, rounds, prompt_pieces) -> list[tuple[str, str, int | None]]:
    """(text, kind, number of the round where it begins a round, else None) for prompt and new tokens."""
    kinds = labels(rounds)
    if len(kinds) != len(pieces):
        raise ValueError(
            f"{len(pieces)} pieces of text, but the rounds emitted {len(kinds)} tokens; expected one piece per token: "
            "leave the prompt out of `pieces` (it goes into `prompt_pieces`)"
        )
    tokens = [(readable(piece), "prompt", None) for piece in prompt_pieces]
    before = None
    for piece, (number, kind) in zip(pieces, kinds, strict=True):
        tokens.append((readable(piece), kind, number + 1 if number != before else None))
        before = number
    return tokens


def _strip_legend(figure, kinds) -> None:
    from matplotlib.patches import Patch

    shown = [(FILL[kind], text) for kind, text in LEGEND if kind in kinds]
    handles = [Patch(facecolor=colour, alpha=0.55, label=text) for colour, text in shown]
    figure.legend(handles=handles, loc="lower center", ncols=2, frameon=False, fontsize=8.5,
                  title=SMALL_NUMBERS, title_fontsize=8.5)


def accepted_histogram(rounds, title: str = ""):
    """How many drafted tokens each round kept, and the tokens per call that come of it.

    Args:
        rounds: list of Round, at least one. Returns: matplotlib Figure.
    """
    if not rounds:
        raise ValueError("no rounds to show: decode at least one token first")
    longest = max(r.drafted for r in rounds)
    counts = Counter(r.accepted for r in rounds)
    figure, axis = new_figure(7.0, 3.7)
    heights = [counts[n] for n in range(longest + 1)]
    bars = axis.bar(range(longest + 1), heights, width=0.72, color=ACCEPTED, alpha=0.75)
    axis.bar_label(bars, [str(h) for h in heights], padding=3, fontsize=9, zorder=5)
    kept = sum(r.accepted for r in rounds) / len(rounds)
    axis.axvline(kept, color=BONUS, linestyle="--", linewidth=1.8)
    axis.annotate(f"mean: {kept:.2f} kept, and so {tokens_per_call(rounds):.2f} tokens per call",
                  (kept, max(heights) * 1.19), xytext=(5, 0), textcoords="offset points", fontsize=10, va="center",
                  **({"ha": "right", "xytext": (-5, 0)} if kept > longest * 0.5 else {}))
    axis.set_ylim(0, max(heights) * 1.3)
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set_xticks(range(longest + 1))
    axis.set_xlabel("drafted tokens that a round kept (the target's own token comes on top)")
    axis.set_ylabel("rounds")
    axis.grid(False, axis="x")
    axis.set_title(title or f"{len(rounds)} rounds", loc="left", fontsize=11)
    return figure


def timeline(rounds, draft_cost: float, check_cost: float = 1.0, limit: float = 26.0):
    """The first rounds on a clock whose unit is one plain target step, above the same target decoding alone.

    Args:
        rounds: list of Round. draft_cost: time of one drafted token, in target steps (c in the course's notation).
        check_cost: time of checking a draft, in target steps (v). limit: length of the picture, in target steps.

    Returns: matplotlib Figure. One block is one call of the target; the number in it is how many tokens it yielded.
    """
    figure, axis = new_figure(9.0, 2.7)
    clock, tokens, shown = 0.0, 0, 0
    for r in rounds:
        drafting, checking = r.drafted * draft_cost, check_cost if r.drafted else 1.0
        if clock + drafting + checking > limit:
            break
        if drafting:
            axis.barh(1, drafting, left=clock, height=0.55, color=Q, alpha=0.8, linewidth=0)
        _block(axis, 1, clock + drafting, checking, str(r.emitted))
        clock, tokens, shown = clock + drafting + checking, tokens + r.emitted, shown + 1
    for i in range(int(limit)):
        _block(axis, 0, i, 1.0, "1")
    axis.set_yticks([0, 1], ["target alone", "speculative"])
    axis.set_ylim(-0.55, 1.95)
    axis.set_xlim(0, limit)
    axis.grid(False)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("time, in steps of the target alone")
    which = "all" if shown == len(rounds) else f"the first {shown} of"
    figure.alt = (f"{which} {len(rounds)} rounds: {tokens} tokens in the time of {clock:.1f} plain steps, "
                  f"which give {int(clock)} tokens")
    axis.set_title(figure.alt, loc="left", fontsize=11)
    from matplotlib.patches import Patch

    axis.legend(handles=[Patch(color=Q, alpha=0.8, label="drafting"),
                         Patch(color=BONUS, alpha=0.55, label="one target call, and the tokens that it yields")],
                loc="upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def _block(axis, y: float, left: float, width: float, text: str) -> None:
    axis.barh(y, 0.94 * width, left=left + 0.03 * width, height=0.55, color=BONUS, alpha=0.55, linewidth=0)
    axis.text(left + 0.5 * width, y, text, ha="center", va="center", fontsize=8.5)


def tokens_against_k(measured: dict, perfect: bool = True):
    """Tokens per target call against the draft length k.

    Args:
        measured: {name of a drafter: {k: tokens per call}}. perfect: also the line k + 1 that no drafter can pass.

    Returns: matplotlib Figure.
    """
    figure, axis = new_figure(7.0, 3.7)
    ks = sorted({k for curve in measured.values() for k in curve})
    if perfect:
        axis.plot(ks, [k + 1 for k in ks], color=PROMPT, linestyle=":", label="a perfect drafter: k + 1")
    for name, curve in measured.items():
        axis.plot(list(curve), list(curve.values()), marker="o", label=name)
    axis.axhline(1, color="#BBBBBB", linewidth=1)
    top = max(value for curve in measured.values() for value in curve.values())
    axis.set_ylim(0.8, top * 1.45)
    axis.set_xticks(ks)
    axis.set_xlabel("k, tokens drafted per round")
    axis.set_ylabel("tokens per target call")
    axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=9)  # above: no curve there
    return figure
