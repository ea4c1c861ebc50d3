"""The notebook and the grader agree on how long a check may take, and who comes near it at home is told."""

import inspect

import torch

from specdec_course.checks import evaluate
from specdec_course.common import budget


def right(draft, choice):
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n


class Elsewhere:
    """A function that says that it runs elsewhere, as those in a room do."""

    __name__ = "accepted_length"

    @property
    def __surroundings__(self):
        from specdec_course.checks.surroundings import Here

        return Here()

    def __call__(self, draft, choice):
        return right(draft, choice)


def test_who_takes_longer_than_the_grader_allows_is_told_in_the_notebook(monkeypatch):
    assert "seconds" not in evaluate("accepted_length", right).message
    monkeypatch.setattr(budget, "GRADED", 0.0)
    report = evaluate("accepted_length", right)
    assert report.passed and "While your work is graded it may take 0" in report.message
    wrong = evaluate("accepted_length", lambda draft, choice: torch.tensor(0))
    assert not wrong.passed and "While your work is graded" in wrong.message
    assert "While your work is graded" not in evaluate("accepted_length", Elsewhere()).message


def test_the_command_the_class_and_the_judge_have_one_budget():
    from specdec_course.cli.classes import grade
    from specdec_course.grading import judge
    from specdec_course.grading.classroom import grade_class

    option = next(one for one in grade.params if one.name == "seconds")
    defaults = [inspect.signature(one).parameters["seconds"].default for one in (grade_class, judge.grade_submission)]
    assert [option.default, *defaults] == [budget.GRADED] * 3
