"""Right and wrong in `route`: when the fast answer is taken, and what was spent.

Knows: this exercise. Does not know: how an answer is written.
"""

from __future__ import annotations

import math

from .. import values
from ..ask import ask, mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import counting
from .toys import drawn_ids, hashed, ids_in, times, two

SIZE = 50

route = Exercise(
    "route", unit="13", points=1, difficulty=1, minutes=8,
    reference="specdec_course.decoding.budget:route",
    hints=(
        "The whole answer is right only if each of its tokens is. What is the probability of all of them together? And "
        "what has been paid by the time that you know it?",
        "answer, probabilities = fast(prompt). If answer is not empty and math.prod(probabilities) >= threshold: "
        "return answer, len(answer). Else thought = slow(prompt), and what was spent is len(answer) + len(thought).",
    ),
)


def toys(rng, tokens: int, long: int, probabilities):
    """(fast, slow): what they write depends on the prompt."""
    salt = whole(0, 1 << 30, rng)

    def fast(prompt):
        prompt = ids_in(prompt)
        return [hashed(salt, prompt, i) % SIZE for i in range(tokens)], list(probabilities)

    def slow(prompt):
        prompt = ids_in(prompt)
        return [hashed(salt + 1, prompt, i) % SIZE for i in range(long)]

    return fast, slow


def case(rng, probabilities, threshold: float) -> tuple:
    prompt, long = drawn_ids(rng, whole(2, 9, rng), SIZE), whole(8, 30, rng)
    fast, slow = toys(rng, len(probabilities), long, probabilities)
    first, second = fast(prompt)[0], slow(prompt)
    sure = bool(first) and math.prod(probabilities) >= threshold
    wanted = (first, len(first)) if sure else (second, len(first) + len(second))
    asked = counting(fast, 20), counting(slow, 20)
    return (*asked, prompt, threshold), (wanted, first, second, probabilities, threshold, asked)


def drawn(rng, sure: bool, tokens: int) -> tuple:
    """Probabilities and a threshold on one side of their product, both far enough from it."""
    some = [round(uniform(0.35, 0.97, rng), 3) for _ in range(tokens)]
    product = math.prod(some)
    return some, product * uniform(0.6, 0.95, rng) if sure else product + uniform(0.08, 0.9,
                                                                                  rng) * (min(some) - product)


read = two(values.as_ids, values.as_int, "the answer and how many tokens were written")


def judge(found, wanted):
    (answer, spent), first, second, probabilities, threshold, _ = wanted
    mine, count = found
    given = (f"The fast answer has the probabilities {probabilities}: {math.prod(probabilities):.4f} in all; the "
             f"threshold is {threshold:.4f}.") if first else "The fast answer is empty."
    if mine != answer:
        which = "the fast answer" if mine == first else "the slow one" if mine == second else "neither answer"
        due = "the fast one" if answer == first else "the slow one"
        return f"{given} Your function returned {which}; it is {due} that is due."
    if count != spent:
        return f"{given} The answer is right, but you count {count} tokens; {spent} were written."
    return None


def judge_calls(found, wanted):
    (answer, spent), first, second, _, _, asked = wanted
    due = 1, int(answer != first)
    calls = asked[0].calls, asked[1].calls
    if found == (answer, spent) and calls != due:
        return Wrong(f"Right, but fast was asked {times(calls[0])} and slow {times(calls[1])}; {times(due[0])} and "
                     f"{times(due[1])} is enough: each call writes an answer.", mistake="calls_often")
    return judge(found, wanted)


@route.part("takes the fast answer where it is sure, and thinks where it is not", weight=3, rests_on=(
    "the product over its tokens", "is at least the threshold", "those of a fast answer that was not taken among them"))
def _(student, rng):
    kinds = mixed([(sure, n) for sure in (True, False) for n in (2, 3, 5)], rng)
    cases = [case(rng, *drawn(rng, *kind)) for kind in kinds]
    some = mixed([round(uniform(*ends, rng), 3) for ends in ((0.3, 0.5), (0.55, 0.7), (0.9, 0.98), (0.6, 0.7))], rng)
    marks = sorted((math.prod(some), some[0], some[-1], *some, sum(some) / 4, math.prod(some) ** 0.25))
    between = [case(rng, some, (low + high) / 2) for low, high in zip(marks, marks[1:], strict=False)
               if high - low > 0.002]  # what else might be taken for its confidence lies between
    ask(student, read, mixed([*cases, *between, case(rng, some, 1.5)], rng), judge, rng)


@route.part("is right for answers of one token and of none, and at both ends", weight=1, rests_on=(
    "The fast answer is taken if it is not empty",))
def _(student, rng):
    low = round(uniform(0.2, 0.8, rng), 3)
    cases = [case(rng, [], 0.0), case(rng, [], uniform(0.2, 0.9, rng)), case(rng, [low], low + 0.1),
             case(rng, [low], low - 0.1), case(rng, [1.0] * 3, 1.0), case(rng, [low, 0.5], 0.0),
             case(rng, [0.99, 0.98], 1.0), case(rng, [1.0], 1.1)]
    ask(student, read, mixed(cases, rng), judge, rng)


@route.part("asks fast once, and slow only where the fast answer is not taken", weight=1, rests_on=(
    "`slow` is asked once if the fast answer is not taken, else never",))
def _(student, rng):
    kinds = mixed([(sure, n) for sure in (True, False) for n in (1, 4)], rng)
    ask(student, read, [case(rng, *(drawn(rng, *kind) if kind[1] > 1 else ([0.5], 0.3 if kind[0] else 0.7)))
                        for kind in kinds], judge_calls, rng)


def _pair(place: int):
    def pair(student, rng):
        (fast, slow, prompt, _), _ = case(rng, [0.9, 0.8], 0.7)
        one = [fast, slow, prompt, 0.8 if place == 1 else 0.7]
        others = (*toys(rng, 2, 12, [0.9, 0.8]), [*prompt, 1], 0.75)
        other = [others[i] if i == place else x for i, x in enumerate(one)]
        return student.read(read, *one), student.read(read, *other)

    return pair


for _place, _name in enumerate(("fast", "slow", "prompt", "threshold")):
    route.argument(_name)(_pair(_place))
