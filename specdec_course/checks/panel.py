"""How what a student calls answers in a notebook: a panel, in the page's own colours, and the same in plain text.

Knows: how a verdict, a hint, points and the standing of a unit are laid out. Does not know: how a verdict is reached.
Plain HTML with its styles in place: no script and no style sheet, so that every notebook shows it, also one that is not
trusted; terminals, nbgrader and screen readers get the text.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from ..languages.spoken import said
from ..languages.widths import filled
from .exercise import NOT_ATTEMPTED, PARTLY, RIGHT, WRONG, Report, ticked

WIDTH = 90  # characters of a line
GREEN, AMBER, RED, GREY = "#2a9d5f", "#c77f0a", "#d64541", "#808080"  # seen on white and on black
LOOKS = {RIGHT: ("✓", GREEN), PARTLY: ("◐", AMBER), WRONG: ("✗", RED), NOT_ATTEMPTED: ("○", GREY)}
EXAMPLE = re.compile(
    r"For example, called with (?P<given>.*) it returned (?P<got>.*)\.|It was called with (?P<only>.*)\."
)


@dataclass(frozen=True)
class Panel:
    """`text` for a terminal, `page` for a notebook."""

    text: str
    page: str

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.text, "text/html": self.page}


def verdict(report: Report) -> Panel:
    """The verdict on a function: its state, what is wrong and why, the smallest failing input, and every part."""
    first, *lines = report.message.split("\n")
    marks = {ticked(name, passed) for name, passed in report.parts}
    named = re.fullmatch(rf"({re.escape(report.exercise)})(?:: |：)(.*)", said(first))
    if named:
        title, more = _first_sentence(named[2])
        lines = [more, *lines] if more and not report.passed else lines
        title = f"{_code(named[1])} {_prose(named[2] if report.passed else title)}"
    else:
        title = _prose(said(first))
    shown = "".join(_example(found) if (found := EXAMPLE.fullmatch(line)) else f"<div>{_prose(said(line))}</div>"
                    for line in lines if line not in marks)
    return Panel(wrapped(said(report.message)), _panel(report.state, title, shown + _parts(report)))


def _first_sentence(text: str) -> tuple[str, str]:
    """(the first sentence, the others)."""
    found = re.match(r"(.*?(?:\.(?= )|。)) *(.*)", text)
    return (found[1], found[2]) if found else (text, "")


def _parts(report: Report) -> str:
    """The list of parts, where the message has it."""
    if report.passed or not any(ticked(*part) in report.message for part in report.parts):
        return ""
    rows = "".join(
        f'<div style="padding-left: 1.6em; text-indent: -1.6em">{_icon(RIGHT if passed else WRONG)}'
        f"&nbsp; {_prose(said(name))}</div>" for name, passed in report.parts
    )
    return f'<div style="margin-top: .5em">{rows}</div>'


def _example(found: re.Match) -> str:
    rows = [(said("called with"), found["given"] or found["only"]), (said("it returned"), found["got"])]
    return (
        '<div style="font-family: monospace; overflow-wrap: anywhere; border: 1px solid #80808066; border-radius: 3px; '
        'padding: .3em .7em; margin: .4em 0">'
        + "".join(f'<div><span style="opacity: .7">{label}</span> {html.escape(value)}</div>'
                  for label, value in rows if value)
        + "</div>"
    )


def hint(name: str, level: int, text: str) -> Panel:
    """Hint 1, a question, or 2, nearly the answer."""
    kind = ("a question", "nearly the answer")[level - 1]
    again = f"Then, if you need it: hint({name}, 2)" if level == 1 else ""
    text, again = said(text), said(again)
    lines = [said(f"Hint {level} of 2 for {name}, {kind}:"), text, *([again] if again else [])]
    page = f"<div>{_prose(text)}</div>" + (f'<div style="opacity: .75">{_prose(again)}</div>' if again else "")
    title = said(f"Hint {level} of 2 for `{name}`, {kind}")
    return Panel(wrapped("\n".join(lines)), _panel(NOT_ATTEMPTED, _prose(title), page))


def points(name: str, state: str, earned: float, worth: float) -> Panel:
    """What an answer earns. The points only: `check` says why, unless it asks nothing that the answer gets wrong."""
    got = said(f"{earned:g} of {worth:g} points")
    why = "" if state == RIGHT else said(f" `check({name})` says why.")
    if state in (PARTLY, WRONG):
        why += said(" If it finds nothing wrong: this cell asks about other inputs.")
    stop, why_too = (".", why) if got.isascii() else ("。", why.strip())
    text = f"{name}: {got}{stop}{why_too.replace('`', '')}"
    return Panel(text, _panel(state, f"{_code(name)} {got}", _prose(why)))


def standing(units: list[tuple[str, float, float, list[tuple[str, str]]]]) -> Panel:
    """The units that were checked: (unit, points earned, of how many, [(exercise, state)])."""
    lines, pages = [], []
    for unit, earned, worth, states in units:
        title = said(f"Unit {unit}: {earned:g} of {worth:g} points, as last checked")
        lines += [title, *(f"  {LOOKS[state][0]} {name}: {said(state)}" for name, state in states)]
        bar = (f'<div style="background: #80808040; height: .5em; border-radius: 3px; margin: .3em 0">'
               f'<div style="background: {GREEN}; width: {earned / worth:.0%}; height: .5em; border-radius: 3px">'
               "</div></div>")
        rows = "".join(f'<div>{_icon(state)}&nbsp; {_code(name)} <span style="opacity: .75">{said(state)}</span></div>'
                       for name, state in states)
        pages.append(_panel(RIGHT if earned >= worth else PARTLY if earned else NOT_ATTEMPTED, title, bar + rows))
    return Panel("\n".join(lines), "".join(pages))


def source(name: str, module: str, text: str) -> Panel:
    """The course's own answer, for whoever has one."""
    title = said(f"The course's own {name} (in {module}); yours may be another and as good:")
    page = f'<pre style="background: none; color: inherit; margin: .3em 0; overflow-x: auto">{html.escape(text)}</pre>'
    return Panel(f"{title}\n\n{text}", _panel(RIGHT, _prose(title), page))


def note(text: str) -> Panel:
    """A line beside a result."""
    text = said(text)
    return Panel(wrapped(text), _panel(NOT_ATTEMPTED, _prose(text), ""))


def wrapped(text: str) -> str:
    """No line longer than WIDTH, no word broken; what belongs to a line of a list stands below its first word."""
    return "\n".join(filled(line, WIDTH, "    " if line[:2] == "  " else "") for line in text.split("\n"))


def _panel(state: str, title: str, page: str) -> str:
    colour = LOOKS.get(state, LOOKS[NOT_ATTEMPTED])[1]
    return (
        f'<div style="max-width: {WIDTH}ch; border-left: 4px solid {colour}; background: #8080801a; line-height: 1.5; '
        f'padding: .5em 1em; margin: .3em 0; border-radius: 3px"><div>{_icon(state)}&nbsp; '
        f"<b>{title}</b></div>{page}</div>"
    )


def _icon(state: str) -> str:
    shape, colour = LOOKS.get(state, LOOKS[NOT_ATTEMPTED])
    return f'<span role="img" aria-label="{said(state)}" style="color: {colour}; font-weight: bold">{shape}</span>'


def _code(name: str) -> str:
    return f"<code>{html.escape(name)}</code>"


def _prose(text: str) -> str:
    """Text with `backticks` as code."""
    pieces = re.split("`([^`\n]+)`", text)
    return "".join(_code(piece) if place % 2 else html.escape(piece) for place, piece in enumerate(pieces))
