"""HTML pages that hold text of people who may mean harm: one file each, no script, nothing loaded from anywhere.

Knows: `templates/`, two walls against markup in data (autoescaping, then nh3), a content security policy that lets
nothing run if both fall, file names for student ids of any kind. Does not know: marks, records.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import unicodedata
from pathlib import Path
from urllib.parse import quote

PAGES = Path(__file__).parent / "templates"
LONGEST = 4000  # characters of one text: a message of a megabyte helps nobody

TAGS = set("main header footer section h1 h2 h3 p ul ol li a code strong bdi span div details summary".split())
TAGS |= set("table caption thead tbody tr th td svg rect line text".split())
ATTRIBUTES = {
    "*": {"class", "id", "role", "aria-label", "aria-labelledby", "tabindex"},
    "a": {"href"},
    "details": {"open"},
    "th": {"scope"},
    "svg": {"viewBox"},
    "rect": {"x", "y", "width", "height"},
    "line": {"x1", "y1", "x2", "y2"},
    "text": {"x", "y", "text-anchor"},
}
LOCAL = re.compile(r"#[\w-]+|(\.\.?/)+[\w.%~/@-]*")  # links lead to this page or to a file beside it

# What has no shape of its own or turns the text around it: shown by its number, so that nobody is deceived.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKS = "".join(chr(c) for c in range(0x300, 0x2100) if unicodedata.category(chr(c)) in ("Mn", "Me"))
_STACKED = re.compile(f"([{_MARKS}]{{4}})[{_MARKS}]+")  # a tower of accents covers the lines above and below
OURS = ("report.html", "report.json")  # lie beside the students' folders


def plain(text, longest: int = LONGEST) -> str:
    """`text` as it may be shown: control characters and direction marks by number, cut where it is too long."""
    text = str(text)
    left_out = len(text) - longest
    text = text[:longest].replace("\r\n", "\n").replace("\r", "\n")
    text = _SURROGATE.sub("\ufffd", _INVISIBLE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text))
    text = _STACKED.sub(r"\1", text)
    return f"{text} [... {left_out} more characters are left out]" if left_out > 0 else text


def prose(text):
    """Paragraphs, one a line, with `backticks` as code: markup of ours around escaped text."""
    from markupsafe import Markup, escape

    lines = [line for line in plain(text).split("\n") if line.strip()]
    return Markup("\n").join(
        Markup("<p>") + Markup("").join(
            Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece)
            for place, piece in enumerate(re.split("`([^`]+)`", line))
        ) + Markup("</p>")
        for line in lines
    )


def number(value) -> str:
    """A figure of at most two decimals, without trailing zeros."""
    return f"{round(float(value), 2):g}"


def safe_name(text: str) -> str:
    """A file name for a student id or a unit of any kind: no two have the same one, and none leaves its folder."""
    raw = str(text).encode("utf-8", "surrogatepass")
    name = quote(raw, safe="@+ ").replace("~", "%7E")
    if name[:1] in (".", " ", "") or name in OURS:
        name = "%" + raw[:1].hex().upper() + name[1:]
    if name[-1:] in (".", " "):
        name = f"{name[:-1]}%{raw[-1:].hex().upper()}"
    return name if len(name) <= 120 else f"{name[:80]}%%{hashlib.sha256(raw).hexdigest()[:32]}"


def link(*names: str) -> str:
    """The address of a file, from where the page lies, by the names of the folders on the way as the disk has them."""
    return "/".join([".", *(quote(name, safe="") for name in names)])


@functools.cache
def _templates():
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(plain=plain, prose=prose, number=number)
    return environment


def _attribute(tag: str, name: str, value: str) -> str | None:
    return None if name == "href" and not LOCAL.fullmatch(value) else value


def clean(body: str) -> str:
    """The second wall: only the tags and attributes that our templates use, and links to files of our own."""
    import nh3

    return nh3.clean(
        body, tags=TAGS, attributes=ATTRIBUTES, attribute_filter=_attribute, url_schemes=set(), link_rel=None
    )


def render(template: str, tab: str, **values) -> str:
    """A whole page: the template's body behind both walls, in a shell that allows its own style sheet and no more."""
    from markupsafe import Markup

    body = clean(_templates().get_template(template).render(**values))
    style = (PAGES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    shell = _templates().get_template("shell.html")
    return shell.render(tab=plain(tab, 200), style=Markup(style), digest=digest, body=Markup(body))
