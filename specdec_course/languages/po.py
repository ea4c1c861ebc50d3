"""Translations in gettext's PO files: what is to be translated, what has been, what has fallen behind.

Knows: polib, which is imported here and nowhere else. Does not know: where texts come from, or who reads them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..common.whole import write_bytes

ALIKE = 0.6  # a text that is new may be an old one, reworded, where they have this much in common
TRIES = 5


@dataclass(frozen=True)
class Text:
    """What is to be translated. `kind` says what it is to the reader, `note` where it stands; `holes`: has `{0}`s."""

    text: str
    kind: str = ""
    note: str = ""
    holes: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.text


def translations(path: Path) -> dict[tuple[str, str], str]:
    """{(kind, text): translation} of all that is translated and not marked as fallen behind ("fuzzy")."""
    return {(e.msgctxt or "", e.msgid): e.msgstr for e in _read(path) if e.translated()}


def messages(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """{text: translation} of what is said as it is, and of what has holes, whatever their kinds."""
    plain, holed = {}, {}
    for e in _read(path):
        if e.translated():
            (holed if "python-brace-format" in e.flags else plain)[e.msgid] = e.msgstr
    return plain, holed


def update(path: Path, language: str, wanted: Iterable[Text]) -> bool:
    """Brings a file up to date with what is to be translated, and says whether that changed it.

    Translations stay. A text that was reworded gets the translation of the nearest old one, marked fuzzy; what is no
    longer asked for is dropped. Whoever saves the file meanwhile loses nothing: it is then read again.
    """
    wanted = _once(wanted)
    for _ in range(TRIES):
        before = path.read_bytes() if path.is_file() else b""
        after = _updated(before, language, wanted).encode()
        if after == before:
            return False
        if (path.read_bytes() if path.is_file() else b"") == before:
            write_bytes(path, after)
            return True
    raise ValueError(f"{path} is being written by somebody else all the time; try again when they are done")


def _once(wanted: Iterable[Text]) -> list[Text]:
    """Each text once, with the notes of all its places."""
    found: dict[tuple[str, str], Text] = {}
    for one in wanted:
        old = found.get(one.key)
        notes = list(dict.fromkeys(filter(None, [*(old.note.split(", ") if old else []), one.note])))
        found[one.key] = Text(one.text, one.kind, ", ".join(notes), one.holes or bool(old and old.holes))
    return list(found.values())


def _read(path: Path):
    import polib

    try:
        return polib.pofile(str(path), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a PO file: {error}") from None


def _updated(before: bytes, language: str, wanted: list[Text]) -> str:
    import polib

    old = polib.pofile(before.decode()) if before else polib.POFile()
    kept = {(e.msgctxt or "", e.msgid): e for e in old if not e.obsolete}
    gone = [e for key, e in kept.items() if e.msgstr and key not in {one.key for one in wanted}]
    fresh = polib.POFile(wrapwidth=78)
    fresh.metadata = {"Language": language, "MIME-Version": "1.0", "Content-Type": "text/plain; charset=UTF-8",
                      "Content-Transfer-Encoding": "8bit"}
    for one in wanted:
        entry = polib.POEntry(msgid=one.text, msgctxt=one.kind or None, comment=one.note)
        if one.holes:
            entry.flags.append("python-brace-format")
        if one.key in kept:
            same = kept[one.key]
            entry.msgstr, entry.tcomment = same.msgstr, same.tcomment
            entry.previous_msgid = same.previous_msgid
            entry.flags += [flag for flag in same.flags if flag == "fuzzy"]
        elif nearest := _nearest(one, gone):
            entry.msgstr, entry.previous_msgid = nearest.msgstr, nearest.msgid
            entry.flags.append("fuzzy")
        fresh.append(entry)
    return str(fresh).rstrip("\n") + "\n"


def _nearest(one: Text, gone: list):
    """The old entry of the same kind whose text is most like this one, if any is like it at all."""
    alike = {id(e): difflib.SequenceMatcher(None, e.msgid, one.text, autojunk=False).ratio()
             for e in gone if (e.msgctxt or "") == one.kind}
    best = max((e for e in gone if id(e) in alike), key=lambda e: alike[id(e)], default=None)
    return best if best is not None and alike[id(best)] >= ALIKE else None
