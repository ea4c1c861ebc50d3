"""Right and wrong in `shortest_correct`: which chains are worth learning from.

Knows: this exercise. Does not know: how anything is learned.
"""

from __future__ import annotations

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from .toys import drawn_ids

SIGNS = "+-"

shortest_correct = Exercise(
    "shortest_correct", unit="13", points=1, difficulty=1, minutes=8,
    reference="specdec_course.training.rewards:shortest_correct",
    hints=(
        "For each problem, which chains may be chosen at all? What happens to a problem that has none? What is to be "
        "done if the problem comes again later?",
        "Two dictionaries help, or one: problem -> best chain so far, None to begin with. Go through the samples once; "
        "a right chain replaces the best one only if it is strictly shorter. At the end leave out what is still None.",
    ),
)


def right_pairs(samples) -> list[tuple]:
    problems = list(dict.fromkeys(problem for problem, _, _ in samples))
    found = []
    for one in problems:
        chains = [chain for problem, chain, correct in samples if problem == one and correct]
        if chains:
            found.append((one, min(chains, key=len)))
    return found


def drawn_problem(rng) -> str:
    return f"{whole(10, 99, rng)}{SIGNS[whole(0, 1, rng)]}{whole(10, 99, rng)}?"


def drawn(rng, problems: int, each: int, right: int = 50, lengths=(3, 30)) -> list[tuple]:
    """Samples of so many problems, mixed up; right: of a hundred chains so many are right."""
    asked = []
    while len(asked) < problems:
        if (one := drawn_problem(rng)) not in asked:
            asked.append(one)
    return mixed([(one, drawn_ids(rng, whole(*lengths, rng), 20), whole(1, 100, rng) <= right)
                  for one in asked for _ in range(each)], rng)


def case(samples) -> tuple:
    return (samples,), (right_pairs(samples), samples)


def read(answer):
    if isinstance(answer, dict):
        raise Wrong("Expected a list of pairs (problem, chain), your function returned a dict.")
    try:
        pairs = [(problem, values.as_ids(chain)) for problem, chain in answer]
    except (TypeError, ValueError):
        raise Wrong("Expected a list of pairs (problem, chain), your function returned "
                    f"{values.describe(answer)}.") from None
    if strange := [one for one, _ in pairs if not isinstance(one, str)]:
        raise Wrong(f"Expected the problem, a str, as the first of each pair; yours is {values.describe(strange[0])}.")
    return pairs


def judge(found, wanted):
    right, samples = wanted
    mine, due = [one for one, _ in found], [one for one, _ in right]
    if sorted(mine) != sorted(due):
        lost, more = [one for one in due if one not in mine], [one for one in mine if one not in due]
        if lost:
            return f"{lost[0]} has a right chain, and is missing in your answer."
        return (f"{more[0]} has no right chain, and stands in your answer." if more
                else "A problem stands in your answer more than once.")
    for problem, chain in found:
        best = dict(right)[problem]
        if chain != best:
            lengths = ", ".join(f"{len(c)} ({'right' if ok else 'wrong'})" for p, c, ok in samples if p == problem)
            said = f"The chains of {problem} have these lengths: {lengths}. "
            if len(chain) != len(best):
                return f"{said}Yours has {len(chain)} tokens; the shortest right one has {len(best)}."
            return f"{said}Yours has as many tokens as it should, but it is not the first such right one."
    if mine != due:
        return "Your pairs are right; but they do not stand in the order in which the problems first come up."
    return None


@shortest_correct.part("takes the shortest right chain of every problem", weight=3, rests_on=(
    "its right chain of fewest tokens", "A problem without a right chain is left out",
    "Chains of one problem need not stand together"))
def _(student, rng):
    shapes = mixed(((2, 4), (3, 3), (5, 4), (whole(6, 12, rng), 5)), rng)
    cases = [case(drawn(rng, *shape)) for shape in shapes]
    ask(student, read, [*cases, case(drawn(rng, 6, 3, 25))], judge, rng)


@shortest_correct.part("takes the first of equals, in the order of the problems", weight=1, rests_on=(
    "the first of equals", "in the order in which the problems first stand in `samples`"))
def _(student, rng):
    cases = [case(drawn(rng, 4, 5, 70, (3, 4))), case(drawn(rng, 7, 2, 60, (2, 5)))]
    one, other = drawn(rng, 2, 1, 0)
    first_wrong = [(one[0], one[1], False), (other[0], other[1], True), (one[0], [*one[1], 1], True)]
    ask(student, read, [*cases, case(first_wrong)], judge, rng)


@shortest_correct.part("is right where there is nothing, or nothing right", weight=1, rests_on=("The list may be "
                                                                                                "empty",))
def _(student, rng):
    cases = [case([]), case(drawn(rng, 3, 2, 0)), case(drawn(rng, 2, 3, 100))]
    ask(student, read, cases, judge, rng)


@shortest_correct.argument("samples")
def _(student, rng):
    return tuple(student.read(read, drawn(rng, 3, 4, 70)) for _ in range(2))
