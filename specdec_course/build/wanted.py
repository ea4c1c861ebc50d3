"""What there is to translate: the prose of each unit, and what the course says of itself and of answers.

Knows: where a student meets words. Does not know: languages, or how translations are kept (`languages.po`).
"""

from __future__ import annotations

import re
from pathlib import Path

from ..common.source import modules_in
from ..languages import po
from ..languages.blocks import blocks, has_words
from ..languages.messages import messages_of
from ..languages.po import Text
from . import notebook
from .contract import contracts
from .source import read_source

CATALOGUE = Path(__file__).resolve().parents[1] / "languages"
UNITS = ("01", "02", "03", "04", "05", "06", "07", "08")  # those that are translated
PICTURES = ("specdec_course.checks.unit04.wrong_rules",)  # words in pictures, whose fonts know no other letters
ALSO = ("specdec_course.sampling",)  # what dice and laws say of a student's numbers, inside a message of a check
STATES = ("right", "wrong")  # single words, which no rule could tell from names
NEVER_SHOWN = ("out of calls", "no exception", "Sampling({0})", "mistake", "otherwise", "problems", "usable", "wraps",
               "word{0}", "same_place, of all but the first", "same_place, of all but the last", "from first",
               "from last", "only first", "only bad", "good ones", "newest too", "cut first")
TEMPLATES = (notebook.HEAD, notebook.BONUS, *notebook.BESIDE.values(), notebook.EXERCISE, notebook.POINT,
             notebook.POINTS, notebook.BONUS_POINT, notebook.BONUS_POINTS, notebook.UPLOAD,
             notebook.LOADING)  # fmt: skip


def catalogue(language: str) -> Path:
    """The file of what the course says in all units."""
    return CATALOGUE / f"{language}.po"


def of_unit(source: Path, exercises: dict) -> list[Text]:
    """The prose of one unit and the contracts of its exercises, in the order of its notebook, each with the heading it
    stands under."""
    found, place = [], ""
    for cell in read_source(source):
        if cell.kind == "markdown":
            for block in filter(has_words, blocks(cell.text)):
                place = f"under: {block.partition(chr(10))[0].lstrip('# ')}" if block.startswith("#") else place
                found.append(Text(block, "text", place))
        elif cell.kind == "exercise" and cell.name in exercises:
            found += [Text(block, f"contract of {name}", place)
                      for name, text in contracts(exercises[cell.name]) for block in filter(has_words, blocks(text))]
    return found


def of_course() -> list[Text]:
    """What stands at the head of notebooks and exercises, and all that checks can say of the units translated."""
    heads = [Text(block, "head of a notebook", "", "{" in block) for one in TEMPLATES for block in _cut(one)]
    said = [Text(one.text, "", one.module.removeprefix("specdec_course."), one.holes)
            for module in (*modules_in("checks"), *ALSO) if _is_translated(module) for one in messages_of(module)]
    states = [Text(one, "", "checks.exercise") for one in STATES]
    return [*heads, *states, *(one for one in said if one.text not in NEVER_SHOWN)]


def update(root: Path, language: str, registry: dict) -> list[Path]:
    """Brings every file of translations up to date with the sources; the files that it wrote."""
    files = {catalogue(language): of_course()}
    for source in sorted(root.glob("solutions/*/*.py")):
        if source.stem == source.parent.name and source.stem[:2] in UNITS:
            own = {name: one for name, one in registry.items() if one.unit == source.stem[:2]}
            files[source.with_name(f"{language}.po")] = of_unit(source, own)
    return [path for path, texts in files.items() if po.update(path, language, texts)]


def _cut(template: str) -> list[str]:
    """A template of a notebook's head in blocks; one without blank lines as it is, spaces at its ends included."""
    return blocks(template) if "\n\n" in template else [template]


def _is_translated(module: str) -> bool:
    unit = re.search(r"\.unit(\d\d)\b", module)
    return module not in PICTURES and (unit is None or unit[1] in UNITS)
