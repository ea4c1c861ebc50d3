"""How translations are kept, found again at run time, and shown: PO files, blocks of prose, messages, lines."""

import os
import re
import subprocess
import sys

import polib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specdec_course.build.contract import contract_text
from specdec_course.build.translated import unbroken
from specdec_course.languages import po, spoken, widths
from specdec_course.languages.blocks import blocks, in_other_words

# ---- PO files


def texts(*given):
    return [po.Text(one, "text") for one in given]


def test_an_update_keeps_translations_and_drops_what_is_gone(tmp_path):
    file = tmp_path / "x.po"
    assert po.update(file, "xx", texts("one thing", "another thing", "zzz yy xxx"))
    book = polib.pofile(str(file))
    for entry in book:
        entry.msgstr = entry.msgid.upper()
    book[1].tcomment = "a translator's own note"
    book.save()
    assert po.update(file, "xx", texts("another thing", "one thing", "one more thing?"))
    book = polib.pofile(str(file))
    assert [entry.msgid for entry in book] == ["another thing", "one thing", "one more thing?"]
    assert [entry.msgstr for entry in book][:2] == ["ANOTHER THING", "ONE THING"]
    assert book[0].tcomment == "a translator's own note"
    assert not [entry for entry in book if entry.obsolete] and "zzz" not in file.read_text()
    assert po.translations(file) == {("text", "another thing"): "ANOTHER THING", ("text", "one thing"): "ONE THING"}


def test_an_update_loses_nothing_that_is_saved_meanwhile(tmp_path, monkeypatch):
    file = tmp_path / "x.po"
    po.update(file, "xx", texts("one thing"))
    real, saved = po._updated, []

    def while_somebody_saves(*given):
        if not saved:
            saved.append(file.write_text(file.read_text().replace('msgstr ""\n', 'msgstr "EINS"\n').replace(
                'msgid ""\nmsgstr "EINS"', 'msgid ""\nmsgstr ""')))
        return real(*given)

    monkeypatch.setattr(po, "_updated", while_somebody_saves)
    po.update(file, "xx", texts("one thing", "another"))
    assert po.translations(file) == {("text", "one thing"): "EINS"}


LINES = st.lists(st.text("ab `*", min_size=1).filter(str.strip), min_size=1)


@given(st.lists(LINES, min_size=1))
def test_blocks_put_together_are_the_text(given_lines):
    paragraphs = ["\n".join(lines) for lines in given_lines]
    text = "\n\n".join(paragraphs)
    if "```" not in text:
        assert blocks(text) == paragraphs and in_other_words(text, str) == text


def test_a_fence_and_a_table_are_one_block_each():
    text = "before\n\n```\na\n\nb\n```\n\n| a |\n|---|\n| b |\n\nafter"
    assert blocks(text) == ["before", "```\na\n\nb\n```", "| a |\n|---|\n| b |", "after"]


def test_a_contract_as_text():
    given, asked = "Args:\n    x, y: two_things,\n        large.\n    k: `a_b`.", "Returns:\n    int, one\n    of them."
    doc = f"What it * does.\n\n{given}\n\n{asked}"
    made = contract_text([("f", doc)], lambda kind, text: text.replace("large", "groß"))
    assert made == ("What it \\* does.\n\n**Args:**\n\n* `x`, `y`: two\\_things,\ngroß.\n* `k`: `a_b`.\n\n"
                    "**Returns:** int, one\nof them.")


def test_lines_of_chinese_are_joined_without_a_blank():
    assert unbroken("一行\n二行，\n`x` 三") == "一行二行，\n`x` 三"
    assert unbroken("```\n一\n二\n```") == "```\n一\n二\n```"
    assert unbroken("返回：\n    一行\n    二行") == "返回：\n    一行二行", "else its head is not set in bold"
    assert unbroken("一行：\n二行") == "一行：二行"


# ---- messages


BOOK = {"It is right.": "对。", "  first line\nsecond one here": "第一\n第二", "so many": "那么多", "a b": "甲乙"}
HOLED = {"{0} of {1} points": "{1} 分得 {0} 分", "{0}: not right yet.": "{0}：还不对。",
         "Stopped with {0}{1}": "停于 {0}{1}", " (line {0} of your code{1})": "（第 {0} 行{1}）",
         "We found {{}} in {0}, {1}.": "{1} 在 {0} 里找到 {{}}。"}


@pytest.mark.parametrize(("english", "other"), [
    ("It is right.", "对。"),
    ("2 of 3 points", "3 分得 2 分"),
    ("f: not right yet.\nIt is right. Really.", "f：还不对。\n对。Really."),
    ("Stopped with ValueError: 2 of 3 (line 4 of your code: `x = 1`)", "停于 ValueError: 2 of 3（第 4 行: `x = 1`）"),
    ("Stopped with ValueError: none", "停于 ValueError: none"),
    ("We found {} in 2 of 3 points, so many.", "那么多 在 3 分得 2 分 里找到 {}。"),
    ("  ✓ so many", "  ✓ 那么多"),
    ("We found {} in 1, 2. So it is 3. It is right.", "2 在 1 里找到 {}。So it is 3. 对。"),
    ("so many:", "那么多："),
    ("Nobody knows this. It is right.", "Nobody knows this. 对。"),
    ("second one here", "第二"),
    ("{0} of {1} points {", "{0} of {1} points {"),
    ("", ""),
])  # fmt: skip
def test_a_message_is_found_by_its_template(english, other):
    assert spoken._lines(english, spoken.Book({**spoken._by_lines(BOOK), **BOOK}, HOLED), 0) == other


@given(st.text())
def test_whatever_is_said_it_never_stops_anybody(text):
    book = spoken.Book(BOOK, HOLED)
    assert isinstance(spoken._lines(text, book, 0), str)


@pytest.mark.parametrize("language", ["", "en", "xx", "../../../etc/passwd", "zh_CN/../x"])
def test_without_a_language_that_is_there_all_is_english(language, monkeypatch):
    monkeypatch.setenv("SPECDEC_LANGUAGE", language)
    assert spoken.said("not attempted") == "not attempted"


def test_who_reads_english_pays_nothing():
    code = "from specdec_course.checks import panel; import sys; panel.note('right'); print('polib' in sys.modules)"
    plain = {key: value for key, value in os.environ.items() if key != "SPECDEC_LANGUAGE"}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain)
    assert told.stdout.strip() == "False"


MOST = 90


@given(st.text("ab c，。字句「」`xy.", max_size=400), st.integers(20, MOST))
@example("`.。。。。。。句句`。", 20)
@example("```` 。。。。，，，，", 20)
@example("一二三四五六七八（`a b`，`c d`）", 20)
def test_lines_fit_and_say_the_same(text, most):
    text = text.replace("\n", " ")
    rows = widths.filled(text, most, "  ").split("\n")
    assert re.sub(r"\s", "", "".join(rows)) == re.sub(r"\s", "", text)
    for row in rows:  # too wide only where nothing may be broken: code, and signs that may not begin a line
        assert widths.width(row) <= most or not re.search(r"[字句] ?[字句]", re.sub(r"`[^`]*`", "", row)), row
    assert not [row for row in rows[1:] if row.strip() and row.strip()[0] in "，。」"]
