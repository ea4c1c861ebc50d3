"""What lies in the room, and what is lent there: as units and exercises declare it."""

from types import SimpleNamespace

import pytest

from specdec_course import checks
from specdec_course.common import source
from specdec_course.grading.judge import Sitting
from specdec_course.grading.recover import Submission
from specdec_course.grading.session.carried import definitions

REFERENCES = [exercise.reference for exercise in checks.exercises().values()]


def test_what_a_definition_uses_comes_along_and_an_answer_does_not():
    found = definitions({"sampling": ("Sampling", "exact_law")}, REFERENCES)
    names = [node.name for _, node in found.nodes]
    assert {"Sampling", "exact_law", "_Replay", "Dice", "_coin", "_die", "_as_key"} <= set(names)
    assert names.index("Dice") < names.index("_Replay"), "a class stands behind the one that it is built on"
    assert found.answers == {"next_token_distribution": "specdec_course.sampling:next_token_distribution"}
    space = {}
    exec(compile(found.text(), "carried", "exec"), space)
    assert space["exact_law"](lambda dice: dice.flip(0.25)) == {True: 0.25, False: 0.75}
    assert "next_token_distribution" not in space


def test_a_name_that_a_package_passes_on_is_taken_from_where_it_is_defined():
    where = ("specdec_course.decoding.lessons", "greedy_decode")
    assert source.home("specdec_course.decoding", "greedy_decode") == where
    [(module, node)] = definitions({"decoding": ("greedy_decode",)}, REFERENCES).nodes
    assert (module, node.name) == where


@pytest.mark.parametrize("carried, message", [
    ({"sampling": ("Dyce",)}, "sampling defines no Dyce"),
    ({"sampling": ("Dice",), "never": ("Dice",)}, "no module specdec_course.never"),
    ({"common.source": ("PACKAGE",), "_moved": ("PACKAGE",)}, "both define PACKAGE"),
])  # fmt: skip
def test_a_wrong_declaration_says_what_is_wrong(carried, message):
    with pytest.raises(ValueError, match=message):
        definitions(carried, REFERENCES)


def lend(name, judging):
    sitting = Sitting(Submission("", (), (), None, {}, ""), None, b"", 1.0)
    sitting.session = SimpleNamespace(borrowed=False)
    sitting.judging = checks.exercise(judging)
    try:
        return sitting._lend(checks.exercise(name).reference)
    finally:
        lend.borrowed = sitting.session.borrowed


def test_an_earlier_answer_is_lent_as_its_exercise_declares():
    assert lend("expected_tokens", "speedup")(0.5, 2) == 1.75
    with pytest.raises(ValueError, match="a number above 10,000 is too large for expected_tokens"):
        lend("expected_tokens", "speedup")(0.5, 10_001)


@pytest.mark.parametrize("name, judging, message", [
    ("speedup", "expected_tokens", "comes after expected_tokens in the course"),
    ("verify_stochastic", "verify_block", "may hold its answer"),  # most of it
    ("generate_speculative", "generate_cached", "is not there while your work is graded"),  # its work has no bound
    ("verify_greedy", "verify_greedy", "is what you are asked to write"),
])  # fmt: skip
def test_what_is_not_lent_is_refused_in_words(name, judging, message):
    with pytest.raises(ValueError, match=message):
        lend(name, judging)
    assert lend.borrowed == (name == judging)


def test_what_exercises_declare_names_exercises_and_bounds_what_loops():
    for exercise in checks.exercises().values():
        assert all(checks.exercise(name) and exercise.lent for name in exercise.nearly)
        assert exercise.lent or exercise.largest == float("inf")
        if exercise.slip:
            space = {}
            exec(f"import torch\n{exercise.slip}", space)
            report = checks.evaluate(exercise.name, space[exercise.name], seed=1)
            assert not report.passed and report.diagnosis, report.message
