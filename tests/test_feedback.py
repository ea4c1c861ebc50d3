"""Feedback for students, the report for instructors: what they say, and that nothing in a record can act in them."""

import base64
import hashlib
import json
import os
import pwd
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specdec_course.checks import evaluate, exercises
from specdec_course.grading.pages import feedback, page, report

UNIT = "03_greedy_verification"
SECRET = "HIDDEN-FLAG-FOR-THE-INSTRUCTOR"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    '<a href="javascript:alert(1)">here</a><a href=//evil.example>there</a><a href=/root>everywhere</a>',
    "<svg onload=alert(1)><style>*{display:none}</style></svg>",
    "</style></title></details></main><base href=//evil.example><form action=//evil.example>",
    "{{ 7 * 7 }}{% raw %} <!-- ]]> &lt;script&gt; &#60;script&#62;",
    "`<b onclick=alert(1)>` and `",
    "\u202egnp.exe\u2066 \u200f right to left",
    "NUL \x00 BEL \x07 ESC \x1b[31m \ud800 lone \r\n\u2028",
    "emoji 🧑‍🏫🏴‍☠️ שלום مرحبا e\u0301",
    "tower " + "".join(chr(0x300 + n % 100) for n in range(60)) + " of accents",
]


def exercise(name="verify_greedy", **changes):
    given = {
        "name": name, "points": 1.0, "maximum": 2.0, "bonus": False, "state": "partly right", "score": 0.5,
        "diagnosis": None, "message": f"{name}: not right yet.\nThe bonus is missing.", "parts": [["the bonus", False]],
    }
    return given | changes


def record(**changes):
    given = {
        "format": 1, "student": "ann", "unit": UNIT, "key": "ab" * 32, "course": "c", "level": "full",
        "status": "graded", "problem": None, "points": 1.0, "maximum": 2.0, "exercises": [exercise()],
        "remarks": [], "flags": [SECRET], "answers": {"verify_greedy": "HIDDEN-ANSWER = 1"},
    }
    return given | changes


def judged(name, function, **changes):
    """An exercise of a record as the real check makes it."""
    verdict, worth = evaluate(name, function, seed=1), exercises()[name]
    made = exercise(
        name, points=worth.points * verdict.score, maximum=worth.points, bonus=worth.bonus, state=verdict.state,
        score=verdict.score, diagnosis=verdict.diagnosis, message=verdict.message, parts=[*map(list, verdict.parts)],
    )
    return made | changes


class Page(HTMLParser):
    """What a browser would find: tags, attributes, text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.headings = [], [], [], []
        self.feed(html)
        self.close()
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        self.texts.append(data)


def assert_harmless(html):
    """No script, no handler, no address but of files beside it; nothing but its own style sheet may be used."""
    html.encode()
    found = Page(html)
    allowed = page.TAGS | {"html", "head", "meta", "title", "style", "body"}
    assert set(found.tags) <= allowed
    for once in ("html", "head", "title", "style", "body", "main", "h1"):
        assert found.tags.count(once) == 1, once
    for tag, name, value in found.attributes:
        assert not name.startswith("on") and name not in ("style", "src", "action", "formaction", "srcdoc"), (tag, name)
        if name == "href":
            assert re.fullmatch(r"#unit-\d+|\./[\w.%~/-]*", value) and ".." not in value.split("/")[:2], value
    style = re.search("<style>(.*?)</style>", html, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(v for t, n, v in found.attributes if t == "meta" and n == "content" and "default-src" in v)
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style and "@import" not in style
    return found


def words(text):
    """The runs of letters and digits of a text: what must still be readable."""
    return re.findall(r"[a-zA-Z0-9]+", page.plain(text))


# What a student reads ------------------------------------------------------------------------------------------------


def stops_at_the_draft(draft, logits):
    choice = logits.argmax(-1)
    for i in range(len(draft)):
        if draft[i] != choice[i]:
            return choice[: i + 1]
    return draft


def test_a_named_mistake_the_parts_the_next_step_and_the_hints_stand_on_the_page():
    made = judged("verify_greedy", stops_at_the_draft)
    assert made["state"] == "partly right" and made["diagnosis"] == "no_bonus"
    text = assert_harmless(feedback.feedback_page(record(exercises=[made]))).text
    said = exercises()["verify_greedy"].mistakes["no_bonus"].message.replace("`", "")
    assert said in text and text.count(said) == 1
    for part, passes in made["parts"]:
        assert f"{'✓ passes' if passes else '✗ not yet'} {part}" in text
    failing = next(part for part, passes in made["parts"] if not passes)
    assert f"Make this part pass first: {failing}" in text
    assert "hint(verify_greedy)" in text and "hint(verify_greedy, 2)" in text
    again = "the check's own list is not shown a second time"
    assert "not right yet." not in text and "✗ " not in text.replace("✗ not yet ", ""), again


@pytest.mark.parametrize("state", ["right", "partly right", "wrong", "not attempted"])
def test_each_state_is_told_in_words_with_points_of_the_maximum(state):
    points = {"right": 2.0, "partly right": 0.5}.get(state, 0.0)
    text = Page(feedback.feedback_page(record(exercises=[exercise(state=state, points=points)]))).text
    assert f"{state} {points:g} of 2 points" in text


def test_what_to_do_next_is_the_first_exercise_that_is_not_right_and_never_a_bonus_before_the_rest():
    right, wrong = exercise("one", state="right"), exercise("two", state="wrong")
    bonus = exercise("extra", state="not attempted", bonus=True)
    todo = lambda *given: feedback.what_next([feedback.shown(e) for e in given])  # noqa: E731
    assert todo(bonus, right, wrong).startswith("Go back to `two`")
    assert todo(right, bonus, exercise("three", state="not attempted")).startswith("Begin with `three`")
    assert "bonus: `extra`" in todo(bonus, right)
    assert "Everything is right" in todo(right, exercise("extra", state="right", bonus=True))


def test_bonus_points_are_explained_as_making_up_for_lost_ones():
    given = [exercise(points=1.0), exercise("verify_block", bonus=True, state="right", points=2.0)]
    text = Page(feedback.feedback_page(record(exercises=given, points=2.0))).text
    assert "Without the bonus it would be 1. Bonus points earned: 2; counted here: 1." in text
    assert "makes up for lost points" in text
    assert "lost points" not in Page(feedback.feedback_page(record())).text


def test_what_is_for_the_instructor_only_stays_out_of_the_students_page():
    for status in ("graded", "not graded"):
        html = feedback.feedback_page(record(status=status))
        assert SECRET not in html and "HIDDEN-ANSWER" not in html


def test_recoveries_stand_above_the_exercises():
    text = Page(feedback.feedback_page(record(remarks=["The test cell of `x` was missing."]))).text
    assert text.index("The test cell of x was missing.") < text.index("Exercise by exercise")


def test_a_file_that_cannot_be_graded_gets_a_page_that_says_why_and_what_to_do():
    given = record(status="not graded", problem=f"`{UNIT}.ipynb` is empty.", exercises=[])
    text = assert_harmless(feedback.feedback_page(given)).text
    assert "Not graded" in text and f"{UNIT}.ipynb is empty." in text and "Hand the file in again" in text


def test_headings_form_an_outline_and_the_language_is_named():
    for html in (feedback.feedback_page(record(remarks=["x"])), feedback.feedback_page(record(status="not graded"))):
        found = Page(html)
        assert found.headings[0] == 1
        assert all(b - a <= 1 for a, b in zip(found.headings, found.headings[1:], strict=False))
        assert ("html", "lang", "en") in found.attributes


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(scheme):
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", (page.PAGES / "style.css").read_text().split("@media")[scheme]))
    pairs = [(ink, paper) for ink in ("ink", "soft", "link") for paper in ("paper", "card", "open-bg")]
    pairs += [(look, f"{look}-bg") for look in ("right", "partly", "wrong", "open")]
    pairs += [(look, "card") for look in ("right", "wrong")]
    for ink, paper in pairs:
        light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


# Nothing in a record acts --------------------------------------------------------------------------------------------


def spoiled(text):
    """A record with `text` wherever text can stand."""
    bad = exercise(text, message=text, parts=[[text, True], [text, False]], state="wrong", diagnosis=text)
    return record(
        student=text, unit=text, key=text, level=text, problem=text, remarks=[text], flags=[text],
        exercises=[bad, exercise(message=text)], answers={text: text, "verify_greedy": text},
    )


def all_pages(given, tmp_path):
    times = [{"student": given["student"], "unit": given["unit"], "seconds": 1.0, "cpu": None,
              "by_exercise": {given["student"]: 1.0}}]
    both = [given, given | {"status": "not graded"}]
    told = report.figures(both, times)
    json.dumps(told)
    return [feedback.feedback_page(r) for r in both] + [report.report_page(told, tmp_path, tmp_path)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(text, tmp_path):
    for html in all_pages(spoiled(text), tmp_path):
        found = assert_harmless(html)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200f\x00\x07\x1b]", html), "no direction mark reaches a page"
        assert not re.search("[\u0300-\u036f]{5}", html), "no tower of accents covers the lines around it"
        for word in words(text):
            assert word in found.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=40) | st.sampled_from(HOSTILE) | st.sampled_from("<>&\"'`/\n{}%"), max_size=6))
def test_whatever_stands_in_a_record_no_page_can_be_made_to_act(tmp_path, pieces):
    text = "".join(pieces)
    for html in all_pages(spoiled(text), tmp_path):
        found = assert_harmless(html)
        for word in words(text):
            assert word in "".join(found.texts)


def test_the_second_wall_stands_alone():
    """Without escaping, what is left of an attack is its text."""
    for text in HOSTILE:
        left = page.clean(text.encode("utf-8", "replace").decode())
        found = Page(left)
        assert set(found.tags) <= page.TAGS
        assert not any(n.startswith("on") or n in ("style", "src") for _, n, _ in found.attributes), left
        assert not any(n == "href" for _, n, _ in found.attributes)


@pytest.mark.parametrize("status", ["graded", "not graded"])
def test_every_page_has_passed_the_second_wall(status, tmp_path):
    """What the wall has once let through, it lets through unchanged."""
    given = record(status=status)
    for html in (feedback.feedback_page(given), report.write_report([given], [], tmp_path).read_text()):
        body = re.search("<body>\n(.*)\n</body>", html, re.S)[1]
        assert page.clean(body) == body


def test_a_message_of_a_megabyte_is_cut_with_a_note():
    html = feedback.feedback_page(record(exercises=[exercise(message="x" * 1_000_000)]))
    assert len(html) < 40_000 and "996000 more characters are left out" in html


# Files ---------------------------------------------------------------------------------------------------------------

IDS = ["", ".", "..", "../../etc/passwd", "/root", "a/b", "a\\b", "a\0b", "Ann O'Brien", "שלום", "x" * 300, "x" * 301,
       "-rf", "a\nb", "%2E", "ann.", "ann ", "\ud800", "~ann", "report.html", "report.json"]


def test_every_student_gets_a_folder_of_their_own_inside_the_folder(tmp_path):
    paths = [feedback.write_feedback(record(student=name), tmp_path / "pages") for name in IDS]
    assert len(set(paths)) == len(IDS)
    for path in paths:
        assert path.resolve().relative_to(tmp_path / "pages").parts[1:] == (UNIT, f"{UNIT}.html")
    assert len(list(tmp_path.rglob(f"{UNIT}.html"))) == len(IDS) and os.listdir(tmp_path) == ["pages"]
    report.write_report([record(student=name) for name in IDS], [], tmp_path / "pages")  # a file, whoever is called so


@given(st.lists(st.text(max_size=200), min_size=2, max_size=2, unique=True))
def test_two_ids_never_share_a_file_name(ids):
    names = [page.safe_name(name) for name in ids]
    assert names[0] != names[1]
    for name in names:
        assert re.fullmatch(r"[\w@+%. -]{1,255}", name, re.ASCII) and name[0] != "." and name[-1] not in ". "


def test_a_page_is_written_whole_or_not_at_all_and_never_through_a_link(tmp_path):
    path = feedback.write_feedback(record(), tmp_path)
    outside = tmp_path / "outside"
    outside.write_text("as it was")
    path.unlink()
    path.symlink_to(outside)
    feedback.write_feedback(record(), tmp_path)
    assert outside.read_text() == "as it was" and not path.is_symlink()
    left = {p.name for p in path.parent.iterdir()}
    assert left == {f"{UNIT}.html", "timestamp.txt", "submission_secret.txt"}, "nothing half-written is left behind"


def test_the_same_record_gives_the_same_bytes(tmp_path):
    first, second = (feedback.write_feedback(record(), tmp_path / name).read_bytes() for name in "ab")
    assert first == second


# nbgrader ------------------------------------------------------------------------------------------------------------


def test_a_secret_is_read_from_a_plain_file_only(tmp_path):
    came = tmp_path / "submitted" / "ann" / UNIT
    came.mkdir(parents=True)
    (tmp_path / "private").write_text("not theirs")
    (came / "submission_secret.txt").symlink_to(tmp_path / "private")
    os.mkfifo(came / "timestamp.txt")
    pipe = os.open(came / "timestamp.txt", os.O_RDWR)
    os.write(pipe, b"from a pipe")
    place = feedback.write_feedback(record(), tmp_path / "feedback", tmp_path / "submitted").parent
    kept = (place / "submission_secret.txt").read_text()
    os.close(pipe)
    (came / "timestamp.txt").unlink()
    (came / "timestamp.txt").mkdir()
    assert len(kept) == 128 and (place / "timestamp.txt").read_text() == ""
    feedback.write_feedback(record(), tmp_path / "feedback", tmp_path / "submitted")
    assert (place / "submission_secret.txt").read_text() == kept, "a released page keeps its address"


@pytest.mark.slow
def test_nbgraders_own_release_and_fetch_bring_our_page_to_the_student(tmp_path):
    """submit, collect, our page, release_feedback, fetch_feedback; students from outside the exchange stop nobody."""
    pytest.importorskip("nbgrader")
    student = pwd.getpwuid(os.getuid()).pw_name
    course, home = tmp_path / "course", tmp_path / "home"
    (tmp_path / "exchange").mkdir(mode=0o777)
    os.chmod(tmp_path / "exchange", 0o777)
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    for folder in (course / "release" / UNIT, course / "source" / UNIT, home / UNIT):
        folder.mkdir(parents=True)
        (folder / f"{UNIT}.ipynb").write_text(json.dumps(notebook))
    config = (
        "c = get_config()\nc.CourseDirectory.course_id = 'toy'\n"
        f"c.Exchange.root = {str(tmp_path / 'exchange')!r}\nc.Exchange.cache = {str(tmp_path / 'cache')!r}\n"
    )
    for folder in (course, home):
        (folder / "nbgrader_config.py").write_text(config)

    def nbgrader(where, *command):
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for `alembic`
        environment = os.environ | {"JUPYTER_NO_CONFIG": "1", "HOME": str(tmp_path), "PATH": programs}
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command], cwd=where, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done

    nbgrader(course, "release_assignment", UNIT)
    nbgrader(home, "submit", UNIT)
    nbgrader(course, "collect", UNIT)
    for who in (student, "by mail", "Zoë", ".hidden"):
        feedback.write_feedback(record(student=who), course / "feedback", course / "submitted")
    assert (course / "feedback" / student / UNIT / f"{UNIT}.html").is_file()
    nbgrader(course, "release_feedback", UNIT)
    nbgrader(home, "fetch_feedback", UNIT)
    fetched = list((home / UNIT / "feedback").rglob(f"{UNIT}.html"))
    assert len(fetched) == 1
    assert fetched[0].read_text() == feedback.feedback_page(record(student=student))


# The report ----------------------------------------------------------------------------------------------------------


def a_class():
    wrong = exercise(state="wrong", points=0.0, diagnosis="no_bonus")
    right = exercise(state="right", points=2.0, parts=[["the bonus", True]])
    return [
        record(student="ann", exercises=[right], points=2.0, flags=[]),
        record(student="bob", exercises=[wrong], points=0.0, flags=[], remarks=["mended"]),
        record(student="cem", exercises=[wrong], points=0.0, flags=["forked"], remarks=["mended"]),
        record(student="dee", exercises=[exercise(state="wrong", points=0.0)], points=0.0, flags=[]),
        record(student="eve", status="not graded", problem="it is empty", exercises=[], points=0.0, flags=[]),
    ]


def test_the_report_counts_what_the_records_hold(tmp_path):
    times = [{"student": s, "unit": UNIT, "seconds": t, "cpu": t, "by_exercise": {"verify_greedy": t}}
             for s, t in (("ann", 1.0), ("bob", 3.0))]
    path = report.write_report(a_class(), times, tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["submissions"], told["graded"]) == (5, 4)
    assert told["not graded"] == [{"student": "eve", "unit": UNIT, "problem": "it is empty"}]
    unit = told["units"][0]
    assert unit["histogram"] == [3, 0, 0, 0, 0, 0, 0, 0, 0, 1] and unit["quartiles"] == [0.0, 0.0, 0.5]
    counted = unit["exercises"][0]
    assert counted["states"] == dict.fromkeys(feedback.LOOKS, 0) | {"right": 1, "wrong": 3}
    assert counted["average"] == 0.5
    named = exercises()["verify_greedy"].mistakes["no_bonus"].message
    assert counted["mistakes"] == [
        {"mistake": "no_bonus", "text": named, "count": 2, "students": ["bob", "cem"]},
        {"mistake": None, "text": "The bonus is missing.", "count": 1, "students": ["dee"]},
    ]
    assert told["flagged"] == [{"student": "cem", "unit": UNIT, "flags": ["forked"]}]
    assert told["remarks"] == [{"remark": "mended", "count": 2}]
    assert [row["student"] for row in told["slowest"]] == ["bob", "ann"]
    text = assert_harmless(path.read_text()).text
    assert "it is empty" in text and "forked" in text and named.replace("`", "") in text


def test_links_of_the_report_lead_to_the_students_pages(tmp_path):
    records = [record(student=name, status="not graded") for name in IDS]
    for each in records:
        feedback.write_feedback(each, tmp_path / "feed back")
    path = report.write_report(records, [], tmp_path / "out", tmp_path / "feed back")
    hrefs = {value for _, name, value in Page(path.read_text()).attributes if name == "href" and value[0] != "#"}
    found = {(path.parent / unquote(href)).resolve() for href in hrefs}
    assert found == set((tmp_path / "feed back").rglob(f"{UNIT}.html"))


def test_an_empty_class_has_a_report_too(tmp_path):
    assert "0 submissions" in assert_harmless(report.write_report([], [], tmp_path).read_text()).text


def test_the_report_does_not_depend_on_the_order_of_the_records(tmp_path):
    one, other = (report.figures(records, []) for records in (a_class(), a_class()[::-1]))
    assert json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
