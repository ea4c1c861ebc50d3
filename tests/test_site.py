"""The site's sources hold together, and so does the built site where there is one (`make docs`, docs/_build/html).

Links lead somewhere, every page can be reached, the messages of the troubleshooting page are messages of the package.
"""

import ast
import html.parser
import re
import sys
import urllib.parse
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SITE = DOCS / "_build" / "html"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [*PAGES, *(path for path in sorted(ROOT.glob("*.md"))), ROOT / "data" / "README.md"]
UNITS = sorted(path.parent.name for path in ROOT.glob("solutions/*/*.ipynb"))


@pytest.fixture(scope="module")
def parts():
    """The folder `docs/parts` as a package; the test goes without Sphinx."""
    sys.path.insert(0, str(DOCS))
    try:
        import parts.reference
        import parts.tables
        import parts.units

        yield parts
    finally:
        sys.path.remove(str(DOCS))


# ---- sources


def test_the_picture_of_the_readme_is_what_the_pair_writes(parts):
    from parts import picture

    drawn, kept = (re.search('aria-label="([^"]*)"', svg)[1] for svg in (picture.picture(), picture.PLACE.read_text()))
    assert drawn == kept, "run python docs/parts/picture.py"
    said = re.search(r"(\d+) tokens in (\d+) passes", (ROOT / "README.md").read_text())
    calls, tokens = kept.count("(corrected)") + kept.count("(bonus)"), len(re.findall(r"\((?:accep|corr|bonus)", kept))
    assert (tokens, calls) == tuple(map(int, said.groups()))


def without_code(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```$|`[^`\n]*`", "", text)


def slugs(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    heads = re.findall(r"(?m)^#+ +(.*)$", re.sub(r"(?ms)^```.*?^```$", "", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def made_by_build(path: Path) -> bool:
    """Whether `make docs` writes this page: a unit's, or one of the reference."""
    inside = path.relative_to(DOCS).parts if path.is_relative_to(DOCS) else ()
    return inside[:1] == ("api",) or (inside[:1] == ("units",) and inside[1] in UNITS)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_sources_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists() or made_by_build(there), f"{path.name} links to {target}, which is not there"
        if anchor and there.suffix == ".md":
            assert anchor in slugs(there), f"{path.name} links to {target}: {there.name} has no such heading"


@pytest.mark.parametrize("unit", UNITS)
def test_links_between_units_lead_to_units(unit):
    import nbformat

    for cell in nbformat.read(ROOT / "notebooks" / unit / f"{unit}.ipynb", as_version=4).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\((\.\.?/[^)\s]+)\)", cell.source):
                there = (ROOT / "notebooks" / unit / target).resolve()
                assert there.exists(), f"unit {unit} links to {target}, which is not there"


def test_every_page_stands_in_a_table_of_contents():
    trees = "\n".join(re.findall(r"(?ms)^```\{toctree\}\n(.*?)^```$", "\n".join(p.read_text() for p in PAGES)))
    listed = set(re.findall(r"(?m)^([\w/]+)$", trees))
    missing = {path.stem for path in PAGES} - listed - {"index"}
    assert not missing, f"add {sorted(missing)} to a toctree of docs/index.md: nobody would find these pages"
    gone = {name for name in listed if "/" not in name} - {path.stem for path in PAGES}
    assert not gone, f"docs/index.md lists {sorted(gone)}, which are not there"


def messages() -> list[str]:
    """The messages that the troubleshooting page explains, but for those of other programs."""
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8").partition("## Messages of others")[0]
    return [(one or two).strip() for two, one in re.findall(r"(?m)^(?:``(.+)``|`([^`\n]+)`)\n: ", text)]


def spoken() -> str:
    """All texts that the package can say, variable parts as "...", white space as one blank."""
    said = []
    for path in [*(ROOT / "specdec_course").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                said.append("".join(one.value if isinstance(one, ast.Constant) else "..." for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append(node.value)
    said.append((ROOT / "Makefile").read_text(encoding="utf-8"))
    return "\n".join(" ".join(re.sub(r'"\s*\n\s*"', "", one).split()) for one in said)


def test_the_messages_that_are_explained_are_messages_of_the_package():
    known, explained = spoken(), messages()
    assert len(explained) > 50
    for message in explained:
        for piece in filter(None, (piece.strip(" .,;:()") for piece in message.split("..."))):
            assert piece in known, f"troubleshooting.md explains {message!r}, but nothing says {piece!r} (any more)"


def test_git_sees_nothing_that_the_build_makes():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert {"docs/_build/", "docs/units/", "docs/api/"} <= set(ignored)


# ---- what is made of notebooks, records and docstrings


def notebooks(unit):
    import nbformat

    return [nbformat.read(ROOT / kind / unit / f"{unit}.ipynb", as_version=4) for kind in ("solutions", "notebooks")]


@pytest.mark.parametrize("unit", UNITS)
def test_a_page_without_solutions_holds_none(parts, unit):
    from specdec_course.build.release import leaks

    solution, release = notebooks(unit)
    bare = parts.units.page(unit, solution, release, solutions=False)
    assert leaks(solution, bare) == []
    assert any("YOUR CODE HERE" in cell.source for cell in bare.cells)
    with_them = parts.units.page(unit, solution, release, solutions=True)
    folded = [cell for cell in with_them.cells if "hide-input" in cell.metadata.get("tags", ())]
    assert len(folded) == len(with_them.cells) - len(bare.cells) > 0
    for cell in folded:
        assert "### BEGIN" not in cell.source
        compile(cell.source, unit, "exec")


def test_outputs_are_kept_until_the_code_changes(parts, tmp_path):
    """Words may change, and the page has the new words; code that was not run yet has no outputs where none may run."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    source = new_notebook(cells=[new_markdown_cell("old words"), new_code_cell("print(1)")])
    ran = new_notebook(cells=[new_markdown_cell("old words"), new_code_cell("print(1)", execution_count=1, outputs=[
        new_output("stream", name="stdout", text="1\n")])])
    nbformat.write(ran, tmp_path / f"unit-{parts.units.code_key(source)}.ipynb")
    source.cells[0].source = "new words"
    page = parts.units.with_outputs("unit", source, tmp_path, execute=False)
    assert (page.cells[0].source, page.cells[1].outputs[0].text) == ("new words", "1\n")
    source.cells[1].source = "print(2)"
    assert parts.units.with_outputs("unit", source, tmp_path, execute=False).cells[1].outputs == []


def test_a_unit_that_stops_makes_no_page(parts, tmp_path):
    from nbformat.v4 import new_code_cell, new_notebook

    broken = new_notebook(cells=[new_code_cell("1 / 0", id="here")])
    with pytest.raises(ValueError, match="here: ZeroDivisionError"):
        parts.units.with_outputs("unit", broken, tmp_path, execute=True, say=lambda line: None)
    assert not list(tmp_path.iterdir())


def test_outputs_that_a_page_cannot_show_are_left_out(parts):
    from nbformat.v4 import new_output

    widget = {"application/vnd.jupyter.widget-view+json": {}, "text/html": "<b>still</b>", "image/png": "big"}
    assert set(parts.units._shown(new_output("display_data", widget)).data) == {"text/html"}
    assert parts.units._shown(new_output("stream", name="stderr", text="loading")) is None
    assert parts.units._shown(new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}})) is None


def test_tables_have_the_figures_of_the_records(parts):
    found = parts.tables.records(ROOT / "data" / "measurements")
    page, front = parts.tables.all_tables(found), parts.tables.front_table(found)
    for name, record in found.items():
        assert f"`data/measurements/{name}.json`" in page
        assert str(record["hardware"]).replace("_", r"\_") in page
    for row in found[parts.tables.SPEEDS[0]]["rows"]:
        assert f"| {row['name']} | {row['tokens_per_second']:.0f} | {row['speedup']:.2f}x |" in front


def test_a_record_of_a_new_form_is_shown_name_by_name(parts):
    record = {"hardware": "a machine", "levels": {"one": 1.5, "two": [1, 2]}, "runs": [{"seconds": 3000}]}
    shown = parts.tables.section("something_new", record)
    assert "## something new" in shown
    assert "| levels, one | 1.5 |" in shown and "| levels, two | 1, 2 |" in shown
    assert "| runs 1, seconds | 3,000 |" in shown


def test_a_record_that_cannot_be_read_is_named(parts, tmp_path):
    (tmp_path / "half.json").write_text('{"hardware": ')
    with pytest.raises(ValueError, match=r"half\.json cannot be read"):
        parts.tables.records(tmp_path)


def test_docstrings_become_text_that_cannot_be_taken_for_markup(parts):
    said = """Text *with* stars, a name_ and `code`s.

    Args:
        one, two: what | they are,
            on two lines. **more: the rest

    Returns: a thing.
    """
    assert parts.reference.restructured(["k: a", "  number", "c, v: costs"]) == ["* **k**: a number", "",
                                                                                 "* **c, v**: costs", ""]
    assert parts.reference.restructured(said.split("\n")) == [
        r"Text \*with\* stars, a name\_ and ``code``\ s.", "", "**Args**", "",
        r"**one, two**: what \| they are, on two lines. \*\*more: the rest", "", "**Returns**: a thing.", "",
    ]  # fmt: skip


def test_the_reference_has_every_public_name_and_command(parts):
    import specdec_course

    pages = parts.reference.pages()
    for name in specdec_course.__all__:
        home = parts.reference.home_of(name)
        assert f":: specdec_course.{home}.{name}" in pages[f"{home}.md"]
    for command in ("grade", "lab", "bench", "doctor"):
        assert f"## specdec {command}\n" in pages["commands.md"]


def test_every_room_stands_in_the_reference(parts):
    rooms = {path.name for path in (ROOT / "specdec_course").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == {*parts.reference.ROOMS, *parts.reference.BEHIND}


# ---- the built site


class Page(html.parser.HTMLParser):
    """The ids of a page, its links, and what it loads by itself."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.loads = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.ids |= {about[key] for key in ("id", "name") if about.get(key)}
        if tag == "a" and about.get("href"):
            self.links.append(about["href"])
        if tag == "link" and about.get("rel") not in ("canonical", "search", "index", "next", "prev"):
            self.loads.append(about.get("href", ""))
        if tag in ("script", "img", "iframe", "source", "video") and about.get("src"):
            self.loads.append(about["src"])


@pytest.mark.skipif(not (SITE / "index.html").is_file(), reason="the site is not built: make docs")
def test_the_built_site_has_no_dead_link_and_loads_nothing_from_elsewhere():
    pages = {path.resolve(): Page(path) for path in SITE.rglob("*.html")}
    assert len(pages) > 20
    dead, foreign = [], []
    for path, page in pages.items():
        foreign += [f"{path.name}: {source}" for source in page.loads if re.match(r"(?:[a-z]+:)?//", source)]
        for link in [*page.links, *page.loads]:
            if re.match(r"(?:[a-z]+:)", link) or link.startswith("//"):
                continue
            file, _, anchor = link.partition("#")
            file = urllib.parse.unquote(file.partition("?")[0])
            there = (path.parent / file).resolve() if file else path
            if not there.is_file():
                dead.append(f"{path.relative_to(SITE.resolve())}: {link}")
            elif anchor and there in pages and urllib.parse.unquote(anchor) not in pages[there].ids:
                dead.append(f"{path.relative_to(SITE.resolve())}: {link} (no such place)")
    assert not dead, "\n".join(dead[:40])
    assert not foreign, "\n".join(foreign[:40])


@pytest.mark.skipif(not (SITE / "searchindex.js").is_file(), reason="the site is not built: make docs")
def test_the_search_index_knows_words_of_all_kinds_of_pages():
    index = (SITE / "searchindex.js").read_text(encoding="utf-8")
    for title in ("Troubleshooting, by message", "Glossary", "Measured tables", "Changelog", "specdec_course.decoding"):
        assert title in index
