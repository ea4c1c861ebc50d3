"""The same text written in several ways, side by side: its tokens appear as fast as they were written.

Knows: HTML and its clock. Does not know: models, decoding. A round is anything with .emitted.
"""

from __future__ import annotations

import html
import itertools

from .tokens import readable

_runs = itertools.count()

STYLE = """\
<style>
@keyframes {name} {{ from {{ opacity: 0; }} to {{ opacity: 1; }} }}
.{name} span {{ animation: {name} 60ms linear backwards; }}
@media (prefers-reduced-motion: reduce) {{ .{name} span {{ animation: none; }} }}
</style>"""


class Race:
    """What a notebook shows: `_repr_html_` in motion, and one line of text for where nothing moves."""

    def __init__(self, page: str, words: str):
        self.page, self.words = page, words

    def _repr_html_(self) -> str:
        return self.page

    def __repr__(self) -> str:
        return self.words


def race(lanes: dict, slower: float = 1.0) -> Race:
    """Texts that appear round by round, all starting at once.

    Args:
        lanes: {name: (pieces, rounds, seconds)}: the text of each new token, the list of Round that they came in, and
            how long all of it took; every round gets an equal share of that. slower: 2 shows it at half the speed.

    Raises ValueError when pieces and rounds do not fit together.
    """
    name = f"race{next(_runs)}"  # of its own in every output: a page may hold several
    columns = [_column(title, *lane, slower) for title, lane in lanes.items()]
    speed = "" if slower == 1 else f", shown {slower:g} times slower"
    said = "; ".join(
        f"{title}: {len(pieces)} tokens in {seconds:.1f} s" for title, (pieces, _, seconds) in lanes.items()
    )
    page = (
        f'{STYLE.format(name=name)}<div class="{name}" style="display: flex; gap: 2em; max-width: 70em">'
        f'{"".join(columns)}</div>'
    )
    return Race(page, said + speed)


def _column(title: str, pieces, rounds, seconds: float, slower: float) -> str:
    if sum(r.emitted for r in rounds) != len(pieces):
        raise ValueError(
            f"{title!r}: {len(pieces)} pieces of text, but the rounds emitted {sum(r.emitted for r in rounds)} tokens; "
            "expected one piece for each new token, without the prompt"
        )
    numbers = [number for number, r in enumerate(rounds, 1) for _ in range(r.emitted)]
    spans = (
        f'<span style="animation-delay: {slower * seconds * number / len(rounds):.2f}s">{html.escape(text)}</span>'
        for number, text in zip(numbers, map(readable, pieces), strict=True)
    )
    head = f"{html.escape(title)}: {len(pieces)} tokens in {seconds:.1f} s, {len(rounds)} calls of the large model"
    return (
        f'<div style="flex: 1"><b>{head}</b><div style="font-family: monospace; white-space: pre-wrap; '
        f'line-height: 1.6">{"".join(spans)}</div></div>'
    )
