"""Hints on answers that are alike: authors who worked alone are left alone, copies in disguise are found."""

import inspect
import json
import random
import sys
import textwrap

import pytest
from answers import all_answers
from disguise import disguised

from specdec_course.checks import exercises
from specdec_course.grading.outcome import record_of
from specdec_course.grading.pages import similarity
from specdec_course.grading.recover import Submission

UNITS = sorted({exercise.unit for exercise in exercises().values()})


def source(answer):
    lines = textwrap.dedent(inspect.getsource(answer.function)).split("\n")
    return "\n".join(line for line in lines if not line.startswith("@"))


def variants(unit, right_only=True):
    """exercise -> the different texts of its answers, in order."""
    found = {name: {} for name in exercises(unit)}
    for answer in all_answers():
        if answer.exercise in found and (answer.right or not right_only):
            found[answer.exercise].setdefault(source(answer))
    return {name: list(texts) for name, texts in found.items()}


def projects():
    """The texts of the final project's answers, right or wrong, with the functions that they use; without those that
    are made of another. The longest is the first."""
    found = []
    for answer in all_answers():
        own = sys.modules[answer.function.__module__]
        if answer.exercise == "ProjectDrafter" and answer.function.__bases__ == (object,):
            text = source(answer)
            used = [f for name, f in vars(own).items() if inspect.isfunction(f) and f"{name}(" in text
                    and f.__module__ == own.__name__]  # fmt: skip
            found.append("\n".join([*map(inspect.getsource, used), text]))
    return {"ProjectDrafter": sorted(found, key=len, reverse=True)}


def handed_in(student, given):
    return {"student": student, "answers": given}


def crowd(forms, size, rng, but=None):
    """Students who each chose one of the forms of every exercise, never the form numbered in `but`."""
    pick = {name: [t for i, t in enumerate(texts) if but is None or i != but[name]] for name, texts in forms.items()}
    return [handed_in(f"s{i:03d}", {n: rng.choice(texts) for n, texts in pick.items()}) for i in range(size)]


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_authors_who_worked_alone_are_not_reported(unit):
    """Every author writes one form of each exercise, right or wrong, and no two the same."""
    forms = variants(unit, right_only=False)
    count = max(map(len, forms.values()))
    authors = [handed_in(f"a{i}", {n: t[i] for n, t in forms.items() if i < len(t)}) for i in range(count)]
    assert similarity.hints(authors) == []


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_a_copy_in_disguise_is_found_in_a_class_of_300_and_nobody_else_is_named(unit):
    """The class writes the forms that there are, each many times: right answers are alike by nature."""
    rng, forms, found = random.Random(7), variants(unit) if unit != "14" else projects(), 0
    for trial in range(3):
        own = {name: rng.randrange(len(texts)) if unit != "14" else 0 for name, texts in forms.items()}
        original = {name: texts[own[name]] for name, texts in forms.items()}
        copy = {name: disguised(text, trial) for name, text in original.items()}
        told = similarity.hints([*crowd(forms, 298, rng, own), handed_in("x", original), handed_in("y", copy)])
        assert all(hint["students"] == ["x", "y"] for hint in told)
        found += len(told)
    assert found >= 2


def test_what_chance_explains_is_not_reported():
    """60 rare forms of each of two exercises: among 300 students some share both without having met."""
    rng = random.Random(3)
    forms = []
    for _ in range(60):
        terms = [f"{rng.choice(['sin', 'cos', 'exp', 'log'])}(x, {rng.randrange(99)})" for _ in range(12)]
        forms.append(f"def f(x):\n    return {' + '.join(terms)}")
    class_ = [handed_in(f"s{i}", {"one": rng.choice(forms), "two": rng.choice(forms)}) for i in range(300)]
    both = [(r["answers"]["one"], r["answers"]["two"]) for r in class_]
    assert len(set(both)) < len(both), "some do share both"
    assert similarity.hints(class_) == []


@pytest.mark.parametrize("size", [0, 1, 2, 3, 12])
def test_a_copy_is_found_in_a_small_class_too(size):
    rng, forms = random.Random(1), variants("05")
    own = {name: 0 for name in forms}
    given = {name: texts[0] for name, texts in forms.items()}
    copy = {name: disguised(text, 5) for name, text in given.items()}
    told = similarity.hints([*crowd(forms, size, rng, own), handed_in("x", given), handed_in("y", copy)])
    assert ["x", "y"] in [hint["students"] for hint in told]


def test_short_answers_are_never_reported():
    line = "def acceptance_rate(rounds):\n    return sum(r.accepted for r in rounds) / sum(r.drafted for r in rounds)"
    names = ("accepted_length", "tokens_per_call", "acceptance_rate")
    same = {name: line.replace("acceptance_rate", name) for name in names}
    assert similarity.hints([handed_in("x", same), handed_in("y", same)]) == []


@pytest.mark.parametrize("unit", UNITS)
def test_the_courses_own_solution_in_common_says_nothing(unit):
    own = {name: inspect.getsource(e.solution) for name, e in exercises(unit).items()}
    assert similarity.hints([handed_in("x", own), handed_in("y", own)]) == []


def test_comments_names_layout_and_docstrings_do_not_count():
    plain = 'def f(a, b):\n    """Says much."""\n    total = [a, b]\n    return {"k": sum(total)}\n'
    other = "def f(one, two):  # mine\n\n    numbers = [\n        one,\n two,\n ]\n    return {'k': sum(numbers)}"
    assert similarity.grams(plain) == similarity.grams(other) != []
    assert similarity.grams(plain) != similarity.grams(plain.replace("sum", "max"))


@pytest.mark.parametrize("text", ["def f(:\n  '", "\0", "\ud800", "(" * 50_000, "'''", "\tx\n y", "x = " * 5000, "é≠✓"])
def test_text_that_is_no_python_is_compared_as_far_as_it_can_be_read(text):
    similarity.hints([handed_in("x", {"verify_greedy": text}), handed_in("y", {"verify_greedy": text + " "})])


def test_the_same_class_gives_the_same_hints():
    forms = variants("05")
    given = {name: texts[0] for name, texts in forms.items()}
    class_ = [*crowd(forms, 20, random.Random(2)), handed_in("x", given), handed_in("y", given)]
    assert json.dumps(similarity.hints(class_)) == json.dumps(similarity.hints(class_))


def test_where_only_the_beginning_of_an_answer_is_compared_the_instructor_is_told():
    """Thousands of characters of comment above a copy would hide it."""
    texts = {"accepted_length": "# filler\n" * 2000 + "def accepted_length(draft, choice):\n    return 0\n"}
    for length, flagged in ((18_000, 1), (9_000, 0)):
        answers = {name: text[-length:] for name, text in texts.items()}
        given = Submission("03_greedy_verification", (), (), None, answers, "key")
        flags = record_of("ann", "03_greedy_verification", given, {}, "full", [], [])["flags"]
        assert len(flags) == flagged and all("accepted_length" in flag for flag in flags)
