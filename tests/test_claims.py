"""`docs/claims.md` says of every claim in the texts how it is known: each line quotes its sentence, and every sentence
with a figure about the world has a line.

What looks like a claim: a figure with a unit, or a comparison with a figure (`LOOKS`). Code, headings and questions are
none; nor is a sentence that begins as an instruction does (`NO_CLAIM`), nor an example whose figures are there to
calculate with (`EXAMPLE`), with the rest of its paragraph and the list or table below it.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIST = "docs/claims.md"
DOCUMENTS = [
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("solutions/*/*.py"))), "README.md", "data/README.md",
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/*.md")) if path.name != "claims.md"),
]  # fmt: skip
KINDS = ("computed", "measured", "sourced", "arithmetic", "by construction")

NUMBER = r"\d[\d.,]*(?: (?:to|or|and) \d[\d.,]*)?"
UNITS = (
    "%|x|ms|s|[kMG]B|GB/s|W|nats|bits|bytes|tokens?|tokens/s|times|seconds|minutes|hours|steps?|passes|calls|rounds|"
    "million|billion|per cent|parameters|layers|operations|articles|guesses"
)
COMPARED = "more than|less than|fewer than|below|above|at most|at least|up to|about|some|nearly|only|over|near|around"
LOOKS = re.compile(rf"{NUMBER} ?(?:{UNITS})(?![\w-])|\b(?:{COMPARED}) \d|\d %|\d\*{{0,2}}x\b")
EXAMPLE = re.compile(
    r"(?i)^\W*(?:(?:a |an )?(?:worked )?example\b|suppose |take (?:one |three |two )|say |count |think of )")
EXAMPLE_ABOVE = "an example"
NO_CLAIM = re.compile(r"^\W*(?:Predict|Let |Call |Try |Read |Now the |Before you |Go |Decide )")
ENDS = re.compile(r"(?<=[.!?])[\"*)]*\s+(?=[\"*(]*(?:[A-Z0-9]|`))")  # of sentences


def text_of(name: str) -> str:
    """What people read: of a unit's source its markdown cells, of other documents everything."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".py"):
        cells = re.findall(r"(?ms)^# %% \[markdown\]\n(.*?)(?=^# %%|\Z)", text)
        text = "\n\n".join(re.sub(r"(?m)^#(?: |$)", "", cell) for cell in cells)
    return text


def sentences(text: str):
    """(sentence, what stands above it): rows of a table come with its first row; what follows the words of an example,
    in its paragraph, its list or its table, comes with "an example"."""
    text = re.sub(r"(?ms)^```.*?^```$|<!--.*?-->|\$\$.*?\$\$|^#.*?$", "\n\n", text)
    example, top = False, ""  # top: the first row of this table
    for block in re.split(r"\n\s*\n", text):
        paragraph = False
        for part in re.split(r"(?m)^(?=\s*(?:[-*]|\d+\.) |\|)", block):
            one = " ".join(part.split())
            if not one:
                continue
            if one.startswith("|"):
                top = top or one
                yield one, EXAMPLE_ABOVE if example else top
                continue
            top, item = "", re.match(r"(?:[-*]|\d+\.) ", one)
            paragraph = paragraph or not item
            example = example and bool(item)
            for sentence in ENDS.split(one[item.end() if item else 0 :]):
                example = example or bool(EXAMPLE.match(sentence))
                yield sentence, EXAMPLE_ABOVE if example else ""
        top, example = "", example and paragraph


def plain(sentence: str) -> str:
    return re.sub(r"`[^`]*`|\$[^$]*\$", "", sentence)


def claims(text: str) -> list[tuple[str, str]]:
    """The sentences that look like a claim, each with the row above it (in a table) or nothing."""
    return [
        (sentence, above) for sentence, above in sentences(text)
        if LOOKS.search(plain(sentence)) and above != EXAMPLE_ABOVE
        and not sentence.rstrip('*")').endswith("?") and not NO_CLAIM.match(sentence)
    ]  # fmt: skip


def without_a_line(text: str, quotes: list[str]) -> list[str]:
    return [s for s, above in claims(text) if not any(quote in s or quote in above for quote in quotes)]


def listed() -> dict[str, list[list[str]]]:
    """{document: rows of [quotation, kind, where]} of docs/claims.md."""
    rows: dict[str, list[list[str]]] = {}
    for line in (ROOT / LIST).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            rows[line[3:].strip()] = []
        elif line.startswith("|") and rows:
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if cells[0] != "sentence" and set(cells[0]) - set("- "):
                rows[list(rows)[-1]].append(cells)
    return rows


LISTED = listed()
KNOWN = {path.name for folder in ("specdec_course", "data/measurements") for path in (ROOT / folder).rglob("*.*")}
TESTS = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/test_*.py"))


def test_the_list_is_about_these_documents():
    assert set(LISTED) <= set(DOCUMENTS), f"{LIST} has a heading that is no document of the course"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_line_quotes_its_document_and_says_how_it_is_known(name):
    text = " ".join(text_of(name).split())
    for row in LISTED.get(name, []):
        assert len(row) == 3, f"{LIST}, {name}: expected quotation, kind and where: {row}"
        quote, kind, where = row
        assert quote in text, f"{LIST}: {name} does not say {quote!r} (any more): mend the line, or take it out"
        assert kind in KINDS and where, f"{LIST}, {quote!r}: how is it known, and where? Kinds: {KINDS}"
    quotes = [row[0] for row in LISTED.get(name, [])]
    assert len(set(quotes)) == len(quotes), f"{LIST}, {name}: a quotation stands twice"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_sentence_that_looks_like_a_claim_has_a_line(name):
    missing = without_a_line(text_of(name), [row[0] for row in LISTED.get(name, [])])
    assert not missing, (
        f"{name} claims something that {LIST} has no line for. Add one under '## {name}': the first words of the "
        f"sentence, how it is known ({', '.join(KINDS)}), and where. If you cannot say how, weaken the sentence or "
        "delete it. Sentences:\n" + "\n".join(f"  {sentence}" for sentence in missing)
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_and_tests_that_the_list_names_are_there(name):
    for quote, _, where in LISTED.get(name, []):
        for file in re.findall(r"`([^`\s]*\.(?:py|json|md))`", where):
            assert (ROOT / file).exists() or file in KNOWN, f"{LIST}, {quote!r}: there is no {file}"
        for test in re.findall(r"`(test_\w+)`", where):
            assert f"def {test}(" in TESTS, f"{LIST}, {quote!r}: there is no test called {test}"


SAMPLE = """
# Twice as fast: 2x

The draft is right 82 % of the time. It gains 1.5x on a T4. A pass took **12 ms**, at most 40.
Its cache holds more than 3 of them. It is cheap. How fast: 3x? Predict 2x.

Worked example: k = 3 gives 2 tokens. So 4 tokens come out.

| k | tokens |
|---|---|
| 2 | 5 tokens |

| system | speed-up |
|---|---|
| ours | **1.92x** |

- It needs 5 GB of memory.

```
this takes 3 s
```
"""


def test_a_new_claim_is_seen_and_what_claims_nothing_is_not():
    found = [sentence for sentence, _ in claims(SAMPLE)]
    assert found == [
        "The draft is right 82 % of the time.", "It gains 1.5x on a T4.", "A pass took **12 ms**, at most 40.",
        "Its cache holds more than 3 of them.", "| ours | **1.92x** |", "It needs 5 GB of memory.",
    ]  # fmt: skip
    quotes = ["The draft is right", "It gains 1.5x", "A pass took", "more than 3", "system | speed-up"]
    assert without_a_line(SAMPLE, quotes) == ["It needs 5 GB of memory."]
