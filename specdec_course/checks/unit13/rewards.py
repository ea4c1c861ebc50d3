"""Right and wrong in `length_reward`: the three rewards, their gates and their ends.

Knows: this exercise. Does not know: how a model learns from it.
"""

from __future__ import annotations

import numpy as np

from .. import values
from ..ask import ask, mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise

CLOSE = 1e-5

length_reward = Exercise(
    "length_reward", unit="13", points=2, difficulty=2, minutes=15,
    reference="specdec_course.training.rewards:length_reward",
    hints=(
        "Write the three down for one right and one wrong answer of the same length. Which of them is the same for "
        "both? Which bound belongs to the right ones, which to the wrong ones?",
        "lcpo_max: min(1, max(0, alpha * (budget - n) + delta)) if right else 0. kimi: l if right else min(0, l), with "
        "0 for all where max(lengths) == min(lengths). dast: max(-0.5 * l + 0.5, 0.1) if right else min(0.9 * l - 0.1, "
        "-0.1). Any other kind raises ValueError.",
    ),
)
length_reward.help(r"ZeroDivisionError|division by zero", "Where all answers are equally long, longest - shortest is "
                   "0: the contract says what they get.")
length_reward.help(r"arg is an empty|iterable argument is empty", "There may be no answers at all: min(lengths, "
                                                                  "default=0).")


def right_rewards(kind, lengths, correct, budget=None, alpha=0.0003, delta=0.5) -> np.ndarray:
    n, good = np.asarray(lengths, dtype=np.float64), np.asarray(correct, dtype=bool)
    if not len(n):
        return n
    if kind == "lcpo_max":
        return np.where(good, np.clip(alpha * (budget - n) + delta, 0, 1), 0)
    if kind == "kimi":
        span = n.max() - n.min()
        one = 0.5 - (n - n.min()) / span if span else np.zeros(len(n))
        return np.where(good, one, np.minimum(0, one))
    one = (n - budget) / budget
    return np.where(good, np.maximum(-0.5 * one + 0.5, 0.1), np.minimum(0.9 * one - 0.1, -0.1))


def case(kind, lengths, correct, budget=None, **numbers) -> tuple:
    args = (kind, list(lengths), list(correct), *([] if budget is None else [budget]))
    right = right_rewards(*args, **numbers)
    return args, (right, args, numbers), numbers


def judge(found, wanted):
    right, (kind, lengths, correct, *budget), numbers = wanted
    if found.shape != right.shape:
        return (f"{len(right)} answers were given, and your function returned {list(found.shape)} numbers."
                if found.ndim == 1
                else f"Expected a list of {len(right)} floats; your answer has the shape {list(found.shape)}.")
    for length, good, mine, due in zip(lengths, correct, found, right, strict=True):
        if not abs(mine - due) <= CLOSE:
            what = f"a {'right' if good else 'wrong'} answer of {length} tokens"
            more = {"kimi": f"among lengths from {min(lengths)} to {max(lengths)}"}.get(kind,
                                                                                        f"with a budget of {budget}")
            more = more.replace("[", "").replace("]", "")
            numbers = "".join(f", {name} = {value}" for name, value in numbers.items())
            return f'"{kind}" gives {due:.5g} to {what} {more}{numbers}; yours gives {mine:.5g}.'
    return None


def read(answer):
    found = values.as_array(answer)
    return found.astype(np.float64)


def drawn(rng, count: int) -> tuple:
    """(lengths, correct), both kinds of answers among them."""
    lengths = [whole(20, 400, rng) for _ in range(count)]
    return lengths, mixed([True, False, *(bool(whole(0, 1, rng)) for _ in range(count - 2))], rng)


@length_reward.part("lcpo_max: right answers by what they leave of the budget, cut to 0 and 1; wrong ones 0", weight=3,
                    rests_on=("alpha (budget - length) + delta, or 0 if that is below 0, 1 if it is above 1",))
def _(student, rng):
    cases = []
    for count in mixed((2, 4, whole(5, 9, rng)), rng):
        numbers = {"alpha": round(uniform(0.001, 0.006, rng), 4), "delta": round(uniform(0.2, 0.8, rng), 3)}
        cases.append(case("lcpo_max", *drawn(rng, count), whole(60, 300, rng), **numbers))
    lengths, correct = [whole(500, 4000, rng) for _ in range(5)], [True, False, True, True, False]
    more = [case("lcpo_max", lengths, correct, whole(1500, 3000, rng)),
            case("lcpo_max", [1, 2000, 90], [True, True, False], 100, alpha=0.02)]
    ask(student, read, [*cases, *more], judge, rng)


@length_reward.part("kimi: by where a length lies among all, and nothing above 0 for wrong ones", weight=2, rests_on=(
    "shortest and longest over all n answers, right or wrong", "a wrong one gets l where that is below 0, else 0",
    "Where all n are equally long, all get 0"))
def _(student, rng):
    cases = [case("kimi", *drawn(rng, count)) for count in mixed((2, 3, 5, whole(6, 10, rng)), rng)]
    same = whole(20, 90, rng)
    low, high = whole(20, 50, rng), whole(200, 400, rng)
    more = [case("kimi", [same] * 3, [True, False, True]), case("kimi", [same], [True]),
            case("kimi", [low, high, whole(60, 190, rng), whole(60, 190, rng)], [False, False, True, True]),
            case("kimi", *drawn(rng, 4), whole(50, 200, rng))]
    ask(student, read, [*cases, *more], judge, rng)


@length_reward.part("dast: right answers fall with the length, wrong ones rise with it, each to its bound", weight=3,
                    rests_on=("-0.5 l + 0.5, but at least 0.1", "0.9 l - 0.1, but at most -0.1"))
def _(student, rng):
    cases = [case("dast", *drawn(rng, count), whole(60, 300, rng)) for count in mixed((2, 4, whole(5, 9, rng)), rng)]
    budget = whole(40, 100, rng)
    ends = [budget // 2, budget, 2 * budget - whole(1, 15, rng), 3 * budget]
    more = [case("dast", ends * 2, [True] * 4 + [False] * 4, budget), case("dast", [1, 2, 3, 4], [True] * 3 + [False],
                                                                           3)]
    ask(student, read, [*cases, *more], judge, rng)


@length_reward.part("gives no rewards for no answers, and refuses other kinds", weight=1, rests_on=(
    "n may be 0", "Raises ValueError for another kind"))
def _(student, rng):
    kinds = mixed(("lcpo_max", "kimi", "dast"), rng)
    some = [case(kind, *drawn(rng, 3), whole(60, 300, rng)) for kind in kinds]
    ask(student, read, [*(case(kind, [], [], 50) for kind in kinds), *some], judge, rng)
    for other in mixed(("lcpo", "grpo", "KIMI"), rng):
        if not student.raises(ValueError, other, *drawn(rng, 2), 50):
            raise Wrong(f'There is no reward "{other}": your function has to raise ValueError, and it answers.')
