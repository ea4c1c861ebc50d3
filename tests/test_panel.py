"""What check, hint, grade, progress and solution show: the same in a notebook and in a terminal, and safe to show."""

import html
import re

import pytest

from specdec_course import checks
from specdec_course.checks import panel
from specdec_course.checks.exercise import NOT_ATTEMPTED, PARTLY, RIGHT, WRONG, Report

PARTS = (("stops at the first disagreement", True), ("answers 0 for an empty draft", False))
MESSAGE = """\
accepted_length: not right yet.
You count `every` match & <more>.
For example, called with draft = [1, 2], choice = [1, 3] it returned 7.
  ✓ stops at the first disagreement
  ✗ answers 0 for an empty draft"""


def words(page: str) -> str:
    """What a reader sees of a page, without blanks."""
    return re.sub(r"[\s\xa0]", "", html.unescape(re.sub(r"<[^>]*>", "", page)))


def slip(draft, choice):
    return int((draft == choice[: len(draft)]).sum())


def unwritten(draft, choice):
    raise NotImplementedError


def crashes(draft, choice):
    return draft.no_such_method()


@pytest.mark.parametrize("function", [slip, unwritten, crashes, "no function"])
def test_a_page_says_all_that_the_text_says(function):
    report = checks.evaluate("accepted_length", function)
    shown = panel.verdict(report)
    left_out = re.compile(r"[\s`]|For example,|it returned|It was called with|called with|\.$", flags=re.M)
    page = left_out.sub("", words(shown.page))
    for line in shown.text.split("\n"):
        name, colon, rest = line.partition("accepted_length: ")
        assert left_out.sub("", rest if colon else name) in page, line


def test_a_page_shows_state_example_and_parts():
    page = panel.verdict(Report("accepted_length", PARTLY, 0.5, MESSAGE, None, PARTS)).page
    assert "<code>every</code> match &amp; &lt;more&gt;" in page
    assert "<more>" not in page and "For example" not in page
    assert words(page).count("✓") == 1 and words(page).count("✗") == 1 and words(page).startswith("◐")
    assert "calledwithdraft=[1,2],choice=[1,3]itreturned7" in words(page)


def test_state_is_told_by_shape_and_by_words_too():
    shapes = {words(panel.points("f", state, 1, 2).page)[0] for state in (RIGHT, PARTLY, WRONG, NOT_ATTEMPTED)}
    assert len(shapes) == 4
    for state in (RIGHT, PARTLY, WRONG, NOT_ATTEMPTED):
        assert f'aria-label="{state}"' in panel.points("f", state, 1, 2).page


def test_lines_are_short_and_words_whole():
    text = f"{'word ' * 60}end\n  ✗ {'part ' * 40}"
    lines = panel.wrapped(text).split("\n")
    assert max(map(len, lines)) <= 90 and " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert panel.wrapped("x" * 200) == "x" * 200
    assert lines[-1].startswith("    part")


def test_a_page_needs_no_script_and_no_style_sheet():
    shown = [panel.verdict(Report("f", WRONG, 0.0, "f: <script>alert(1)</script>\n" + MESSAGE)),
             panel.hint("f", 1, "<b>?"), panel.hint("f", 2, "<b>"), panel.source("f", "m", "def f(): return a < b"),
             panel.standing([("03", 3, 10, [("f", RIGHT), ("g", WRONG)])]), panel.note("<i>")]
    for one in shown:
        assert not re.search(r"<(script|style|b>\?|i>)", one.page) and set(one._repr_mimebundle_()) == {
            "text/plain", "text/html"}
        opened = re.findall(r"<(\w+)[^>]*>", one.page)
        assert sorted(opened) == sorted(re.findall(r"</(\w+)>", one.page)), "every tag that opens is closed"


def test_after_a_crash_everywhere_there_is_one_line_not_a_list_of_crosses():
    report = checks.evaluate("accepted_length", crashes)
    assert "✗" not in report.message and "AttributeError" in report.message and "all" in report.message


def test_the_courses_own_answer_comes_without_its_contract():
    for name, exercise in checks.exercises().items():
        text = checks.without_docstring(checks.inspect.getsource(exercise.solution))
        assert '"""' not in text.split("\n")[1] and name in text.split("\n")[0]
        compile(text, name, "exec")
