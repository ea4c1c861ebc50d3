"""The course in another language: nothing is missing, code is one, a translation that fell behind is found out, and no
English is left in what a student reads."""

import json
import os
import random
import re
import shutil
from collections import Counter
from pathlib import Path

import nbformat
import polib
import pytest
from answers import all_answers
from markdown_it import MarkdownIt

pytest.importorskip("nbgrader", reason="the build needs the [instructor] extra")
from specdec_course.build import build, notebooks_of, wanted
from specdec_course.build.notebook import solution_notebook
from specdec_course.build.release import release_text
from specdec_course.build.translated import sayer
from specdec_course.checks import evaluate, exercises, panel
from specdec_course.languages import po, spoken, widths

ROOT = Path(__file__).resolve().parents[1]
CHINESE = "zh_CN"
SOURCES = [path for path in sorted(ROOT.glob("solutions/*/*.py")) if path.with_name(f"{CHINESE}.po").is_file()]
CATALOGUE = wanted.catalogue(CHINESE)
FILES = [CATALOGUE, *(path.with_name(f"{CHINESE}.po") for path in SOURCES)]
SAMPLE = os.environ.get("SPECDEC_SAMPLE", "0")  # another one draws other answers
AS_IN_ENGLISH = ("# {title}", "Calling `crop` with a positive value (`{0}`) is not supported")  # transformers' words

CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HOLE = re.compile(r"(?<!\{)\{\w+\}(?!\})")
NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w.,]*\s*(?:million|thousand|billion))")
ENGLISH = re.compile(r"(?:\b[A-Za-z][a-z'’]*[a-z]\b[ ,]+){3}[A-Za-z][a-z'’]+")  # four words and more
PYTHONS = re.compile(r"\b\w*(?:Error|Exception|Exit): .*")  # what Python says is not ours to translate


# ---- the translation is whole, and up to date


def test_the_documents_say_which_units_are_translated():
    assert tuple(path.stem[:2] for path in SOURCES) == wanted.UNITS
    units = [path.stem for path in sorted(ROOT.glob("solutions/*/*.py"))]
    assert units[: len(SOURCES)] == [path.stem for path in SOURCES]  # the first ones: nobody meets a gap
    last = wanted.UNITS[-1]
    of_translations = re.compile(r"[Uu]nits 01 to (\d\d)\b(?=[^.]*(?:Chinese|translated|zh_CN))")
    for name in ("README.md", "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/students.md",
                 "docs/instructors.md"):
        said = set(of_translations.findall((ROOT / name).read_text()))
        assert said == {last}, f"{name} speaks of units 01 to {said}; translated are those up to {last}"
    assert f"第 01 到 {last} 单元" in (ROOT / "docs/zh_CN.md").read_text()


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_every_text_has_its_translation(file):
    missing = [entry.msgid for entry in polib.pofile(str(file)) if not entry.translated()]
    assert not missing, f"{len(missing)} of {file.parent.name} have no translation, or a fuzzy one: {missing[:3]}"


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_a_translation_is_not_the_english_and_keeps_what_no_language_changes(file):
    faults = []
    for entry in polib.pofile(str(file)):
        if entry.translated() and entry.msgid not in AS_IN_ENGLISH:
            faults += [f"{what}: {entry.msgid!r} -> {entry.msgstr!r}" for what in changed(entry.msgid, entry.msgstr)]
    assert not faults, f"{len(faults)} faults, the first: " + "\n".join(faults[:5])


def changed(english: str, other: str) -> list[str]:
    """What the translation has lost or added of the things that are the same in all languages."""
    found = ["not translated"] if english == other else []
    for what, pattern in (("holes", HOLE), ("code", CODE), ("formulas", FORMULA), ("links", LINK)):
        if Counter(pattern.findall(english)) != Counter(pattern.findall(other)):
            found.append(what)
    bare, said = (LINK.sub("", HOLE.sub("", CODE.sub("", text))) for text in (english, other))
    lost = Counter(NUMBER.findall(bare)) - Counter(re.findall(r"\d+(?:[.,]\d+)*", said))
    return [*found, "numbers"] if lost else found


@pytest.mark.parametrize("file", FILES[1:], ids=lambda path: path.parent.name)
def test_a_page_shows_a_translation_in_the_same_form(file):
    """Stars beside Chinese signs are easily no emphasis: `**one。**two` shows its stars."""
    entries = [entry for entry in polib.pofile(str(file)) if entry.msgctxt == "text" and entry.translated()]
    other = [entry.msgstr for entry in entries if forms(entry.msgid) != forms(entry.msgstr)]
    assert not other, f"{len(other)} in another form, the first: {other[0]}"


def forms(text: str) -> Counter:
    """How often a text has emphasis, code, links, items, rows, headings."""
    tokens = MARKDOWN.parse(text)
    return Counter(one.type for token in tokens for one in (token, *(token.children or ())) if one.type in FORMS)


MARKDOWN = MarkdownIt("commonmark").enable("table")
FORMS = {f"{kind}_open" for kind in ("strong", "em", "link", "list_item", "tr", "td", "heading")} | {"code_inline"}


def test_a_translation_that_loses_something_is_found_out():
    assert forms("**One.** Two") == forms("**一**。二") != forms("**一。**二")
    assert changed("{0} of `x` is $p$, 3", "{0} `x` $p$ 三") == ["numbers"]
    assert changed("{0} of `x`", "`y` 的一个") == ["holes", "code"]
    assert changed("see [it](a.md)", "见[它](b.md)") == ["links"] and changed("the $p$", "这个") == ["formulas"]
    assert changed("It took {0} s.", "It took {0} s.") == ["not translated"]
    assert changed("10 million in 2 rows of `k`", "`k` 的 2 行里有 1000 万") == []


def test_the_files_ask_for_what_the_sources_say(tmp_path):
    """Else `specdec build --language zh_CN --update` has not been run since the English was changed."""
    asked = {CATALOGUE: wanted.of_course()}
    asked |= {path.with_name(f"{CHINESE}.po"): wanted.of_unit(path, exercises(path.stem[:2])) for path in SOURCES}
    for number, (file, texts) in enumerate(asked.items()):
        copy = tmp_path / f"{number}.po"
        keys = {(entry.msgctxt or "", entry.msgid) for entry in polib.pofile(str(file))}
        assert keys == {text.key for text in texts}, f"{file}: run `specdec build --language {CHINESE} --update`"
        shutil.copy(file, copy)
        po.update(copy, CHINESE, texts)
        assert not po.update(copy, CHINESE, texts), "a second update has nothing to do"


# ---- one code in all languages


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_translated_notebook_has_the_code_of_the_english_one(source):
    english, other = (nbformat.read(ROOT / "notebooks" / folder / source.stem / f"{source.stem}.ipynb", as_version=4)
                      for folder in ("", CHINESE))
    assert [cell.id for cell in english.cells] == [cell.id for cell in other.cells]
    for one, same in zip(english.cells, other.cells, strict=True):
        assert one.metadata == same.metadata or one.cell_type == "markdown"
        if one.id == "setup":
            lines, more = one.source.splitlines(), same.source.splitlines()
            said, loading = [line for line in more if line not in lines]
            assert f'"SPECDEC_LANGUAGE", "{CHINESE}"' in said and loading.startswith('print("')
            assert [line for line in more if line not in (said, loading)] == [
                line for line in lines if not line.startswith('print("')
            ]
        elif one.cell_type == "code":
            assert one.source == same.source
        else:
            text = LINK.sub("]", FORMULA.sub("", CODE.sub("", same.source)))
            text = re.sub(r"(?m)^来源：.*$|[\"“《].*?[\"”》]", "", text)  # names and titles of papers
            assert not (found := ENGLISH.search(text)), found


def anything(kind: str, text: str) -> str:
    """A translation of everything, for tests of what does not depend on the words."""
    return re.sub(r"(?<!\{)\b(the|a|an|of|you|your|is|it|to|and|about|point|points|next)\b", "字", text)


def translated(source: Path, say=anything):
    return solution_notebook(source, exercises(source.stem[:2]), "", "", CHINESE, say)


def test_a_notebook_in_another_language_is_the_english_one_in_other_words():
    source = SOURCES[2]
    english, other = solution_notebook(source, exercises("03"), ""), translated(source)
    assert [cell.id for cell in english.cells] == [cell.id for cell in other.cells]
    codes = [(a.source, b.source) for a, b in zip(english.cells, other.cells, strict=True) if a.cell_type == "code"]
    assert [a.id for a, b in zip(english.cells, other.cells, strict=True)
            if a.cell_type == "code" and a.source != b.source] == ["setup"] and len(codes) > 20  # fmt: skip
    about = next(cell.source for cell in other.cells if cell.id == "about_accepted_length")
    assert "* `draft`: LongTensor [k], 字 drafted tokens; k may be 0." in about


@pytest.mark.slow
def test_a_notebook_in_another_language_is_graded_as_the_english_one(tmp_path):
    pytest.importorskip("nbgrader")
    from boxed import house

    from specdec_course.grading.judge import grade_submission
    from specdec_course.grading.recover import read_submission

    source = SOURCES[2]
    course = tmp_path / "course"
    for folder in ("solutions", "notebooks"):
        shutil.copytree(ROOT / folder / source.stem, course / folder / source.stem)
    for file in ("nbgrader_config.py", "pyproject.toml"):
        shutil.copy(ROOT / file, course)
    made = translated(source)
    release = course / "notebooks" / CHINESE / source.stem / f"{source.stem}.ipynb"
    release.parent.mkdir(parents=True)
    release.write_text(release_text(made, course))
    found = {}
    with house() as opened:
        for language, path in (("English", source.with_suffix(".ipynb")), (CHINESE, None)):
            notebook = nbformat.read(path, as_version=4) if path else made
            for cell in notebook.cells:  # one right, one partly right, one that stops, the rest right
                if cell.id == "accepted_length":
                    cell.source = cell.source.replace("return ", "return 1 + 0 * ", 1)
                if cell.id == "tokens_per_call":
                    cell.source = cell.source.replace("### BEGIN SOLUTION", "raise KeyError('x')")
            folder = tmp_path / language
            folder.mkdir()
            nbformat.write(notebook, folder / f"{source.stem}.ipynb")
            read = read_submission(folder, source.stem, course / "notebooks" / source.stem / f"{source.stem}.ipynb")
            record, _ = grade_submission(folder, "ann", source.stem, course, opened, b"secret")
            rows = [(row["name"], row["points"], row["state"], row["diagnosis"]) for row in record["exercises"]]
            found[language] = (rows, record["remarks"], [(step.exercise, step.role, step.cell) for step in read.steps])
    assert found["English"] == found[CHINESE]
    assert len({row[2] for row in found[CHINESE][0]}) > 1


# ---- a translation that has fallen behind


def test_a_source_that_was_changed_without_its_translation_is_refused(tmp_path):
    """On a copy of the course: a paragraph is reworded, and the build names it; the update keeps what was there."""
    unit = SOURCES[0].stem
    shutil.copytree(SOURCES[0].parent, tmp_path / "solutions" / unit)
    for file in ("nbgrader_config.py", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path)
    source = tmp_path / "solutions" / unit / f"{unit}.py"
    file = source.with_name(f"{CHINESE}.po")
    fill(file)
    say = sayer_of_copies(source)
    solution_notebook(source, exercises("01"), "", "", CHINESE, say)
    source.write_text(source.read_text().replace("A model writes", "Any model writes").replace(
        "A language model writes one token per", "A language model writes a single token per"))
    with pytest.raises(ValueError, match="text 'A language model writes a single token per"):
        solution_notebook(source, exercises("01"), "", "", CHINESE, say)
    before = len(po.translations(file))
    assert po.update(file, CHINESE, wanted.of_unit(source, exercises("01")))
    (entry,) = [entry for entry in polib.pofile(str(file)) if "fuzzy" in entry.flags]
    assert "a single token" in entry.msgid and entry.msgstr and "one token per" in entry.previous_msgid
    assert len(po.translations(file)) == before - 1, "all others stay"
    with pytest.raises(ValueError, match="no translation, or one that has fallen behind"):
        solution_notebook(source, exercises("01"), "", "", CHINESE, sayer_of_copies(source))


def fill(file: Path) -> None:
    """Translates all of a file, in some way."""
    book = polib.pofile(str(file))
    for entry in book:
        entry.msgstr, entry.flags = anything("", entry.msgid), []
    book.save()


def sayer_of_copies(source: Path):
    """What the build's own says of a unit, in an imaginary language for what all units share."""
    own = sayer(source, CHINESE)
    return lambda kind, text: anything(kind, text) if kind.startswith("head") else own(kind, text)


def test_a_language_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="not translated into 'xx'; there is: zh_CN"):
        build(ROOT, language="xx", check=True)


# ---- what a student reads


WRONG = [answer for answer in all_answers() if not answer.right and exercises()[answer.exercise].unit in wanted.UNITS]
NAMES = [name for name, one in exercises().items() if one.unit in wanted.UNITS]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_english_is_left_in_a_panel(name, monkeypatch):
    """A wrong answer of each exercise, drawn: its verdict; then what any answer may be told."""
    drawn = random.Random(f"{SAMPLE} {name}").choice([answer for answer in WRONG if answer.exercise == name])
    reports = [evaluate(name, drawn.function), evaluate(name, lambda *given, **named: None), evaluate(name, 3)]
    monkeypatch.setenv("SPECDEC_LANGUAGE", CHINESE)
    hints = [panel.hint(name, level + 1, text).text for level, text in enumerate(exercises()[name].hints)]
    lines = [spoken.said(line) for report in reports for line in report.message.split("\n")
             if not panel.EXAMPLE.fullmatch(line)]
    parts = [spoken.said(part.name) for part in exercises()[name].parts]
    left = [line for line in [*hints, *lines, *parts] if english_left(line)]
    assert not left, f"{drawn.function.__name__}: {left}"
    for report in reports:
        shown = panel.verdict(report)
        assert all(widths.width(row) <= panel.WIDTH or " " not in row.strip() for row in shown.text.split("\n"))


def english_left(text: str) -> str | None:
    found = ENGLISH.search(PYTHONS.sub("", CODE.sub("", " ".join(text.split()))))
    return found[0] if found else None


def test_all_of_a_panel_is_in_the_language(monkeypatch):
    monkeypatch.setenv("SPECDEC_LANGUAGE", CHINESE)
    rows = [("03", 1.0, 10.0, [("accepted_length", "right"), ("verify_greedy", "not attempted")])]
    shown = [panel.hint("f", 1, "x"), panel.points("f", "wrong", 1.0, 2.0), panel.standing(rows),
             panel.source("f", "m", "y"), panel.note("Nothing checked yet. Run a cell with check(...).")]
    for one in shown:
        assert not re.search(r"[a-z]{3,} [a-z]{3,}", CODE.sub("", one.text)), one.text


def test_notebooks_in_a_language_are_written_for_students(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from specdec_course.cli import main, students

    bundle = tmp_path / "bundle"
    for place in ("01_one/01_one", "07_seven/07_seven", "zh_CN/01_one/01_one"):
        (bundle / place).parent.mkdir(parents=True)
        (bundle / f"{place}.ipynb").write_text(json.dumps(place))
    monkeypatch.setattr(students, "bundled", lambda folder: bundle)
    told = CliRunner().invoke(main, ["notebooks", str(tmp_path / "mine"), "--language", CHINESE])
    assert told.exit_code == 0 and "wrote, in English: " in told.output
    assert json.loads((tmp_path / "mine/01_one/01_one.ipynb").read_text()) == "zh_CN/01_one/01_one"
    assert json.loads((tmp_path / "mine/07_seven/07_seven.ipynb").read_text()) == "07_seven/07_seven"
    refused = CliRunner().invoke(main, ["notebooks", str(tmp_path / "other"), "--language", "fr"])
    assert refused.exit_code == 2 and "zh_CN" in refused.output and not (tmp_path / "other").exists()


def test_the_build_writes_one_notebook_of_a_translated_unit():
    unit = SOURCES[0].stem
    made = notebooks_of(ROOT, unit, exercises(), CHINESE)
    assert [str(path.relative_to(ROOT)) for path in made] == [f"notebooks/zh_CN/{unit}/{unit}.ipynb"]
