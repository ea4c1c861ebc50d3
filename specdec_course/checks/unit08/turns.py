"""Right and wrong in `combine`: the first drafter that has something to say, and nobody asked in vain.

Knows: drafters that write down what they are asked. Does not know: any real drafter.
"""

from __future__ import annotations

import torch

from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import Subject
from ..values import describe
from .texts import as_draft, strangers

combine = Exercise(
    "combine", unit="08", points=1, difficulty=1, minutes=8,
    reference="specdec_course.drafters.lookup:combine",
    hints=(
        "When is a drafter silent? And if the first one is not: is there any reason to ask the second, which may be a "
        "model that takes its time?",
        "Define propose(ids, k) inside: for each drafter in order draft = drafter(ids, k), and return it as soon as "
        "len(draft) > 0. Behind the loop return an empty LongTensor. Return propose itself, without calling it.",
    ),
)


class Scripted:
    """Drafters that answer as a script says, and write down who was asked what. `script[place]` holds the draft."""

    def __init__(self, rng, sizes):
        self.asked: list[tuple[int, list[int], int]] = []
        self.drafts = [torch.tensor(strangers(rng, n, ()), dtype=torch.long) for n in sizes]
        self.drafters = [self._made(place) for place in range(len(sizes))]

    def _made(self, place: int):
        def drafter(ids, k):
            self.asked.append((place, ids.tolist(), int(k)))
            return self.drafts[place][: max(0, int(k))].clone()

        return drafter


def _combined(student: Subject, drafters) -> Subject:
    """The function that the student's function returns, watched like the student's own."""
    function = student(drafters)
    if not callable(function):
        raise Wrong(f"Return a function (ids, k) -> draft; yours returned {describe(function)}. Define one inside "
                    "(`def propose(ids, k): ...`) and return it without calling it.", mistake="no_function")
    inner = Subject(function, student.exercise)
    inner.seen, inner.shows = student.seen, False
    return inner


def _expect(propose: Subject, script: Scripted, ids: list[int], k: int, asked_too: bool = True) -> None:
    """Asks once; the first drafter with something to say has to be heard, and (`asked_too`) nobody behind it asked."""
    script.asked.clear()
    found = as_draft(propose(torch.tensor(ids, dtype=torch.long), k))
    sizes = [min(k, len(draft)) for draft in script.drafts]
    first = next((place for place, size in enumerate(sizes) if size), None)
    right = [] if first is None else script.drafts[first][:k].tolist()
    asked = [place for place, _, _ in script.asked]
    said = "They have " + ", ".join(map(str, sizes)) + " tokens to offer" if sizes else "There are no drafters"
    if found != right:
        raise Wrong(f"{said}, and your answer is not the first draft that is not empty: it has {len(found)}.")
    if not asked_too:
        return
    if first is not None and any(place > first for place in asked):
        raise Wrong(f"{said}. Drafters behind the first that speaks are asked too.", mistake="asks_all")
    if asked != sorted(set(asked)):
        raise Wrong(f"{said}. One of them is asked twice, or they are asked in another order.",
                    mistake="asks_twice" if len(asked) > len(set(asked)) else None)
    if any(shown != ids or asked_k != k for _, shown, asked_k in script.asked):
        raise Wrong("A drafter is asked about another text, or for another k, than you were.")


@combine.part("hears the first that has something to say", weight=3, rests_on=(
    "answers the first draft that is not empty", "the one that is trusted most in front"))
def _(student, rng):
    for silent in mixed((0, 1, 2, whole(9, 14, rng)), rng):
        least = whole(1, 3, rng)  # the longest draft is neither the first nor the last
        script = Scripted(rng, [0] * silent + [least, 0, least + whole(2, 4, rng), least + 1])
        propose = _combined(student, script.drafters)
        _expect(propose, script, strangers(rng, whole(1, 9, rng), ()), whole(9, 20, rng), asked_too=False)
    script = Scripted(rng, [whole(1, 3, rng), *[0] * whole(9, 14, rng), 4])  # the first of many
    _expect(_combined(student, script.drafters), script, strangers(rng, 3, ()), whole(9, 20, rng), asked_too=False)


@combine.part("asks nobody behind the one that is heard, and each with the same text and k", weight=2, rests_on=(
    "The drafters behind that one are not asked", "each with the same ids and k"))
def _(student, rng):
    for sizes in mixed(([3, 5], [0, 0, 4, 1], [1, 0, 2], [0, 2, 0]), rng):
        script = Scripted(rng, sizes)
        propose = _combined(student, script.drafters)
        for _ in range(whole(1, 3, rng)):
            _expect(propose, script, strangers(rng, whole(1, 9, rng), ()), whole(1, 9, rng))


@combine.part("is silent where all are, also without drafters; the token 0 is something to say", weight=2, rests_on=(
    "If nobody has a guess, the answer is an empty LongTensor", "It may be empty",
    "answers the first draft that is not empty"))
def _(student, rng):
    for sizes in mixed(([0, 0, 0], [0] * whole(1, 5, rng), []), rng):
        script = Scripted(rng, sizes)
        _expect(_combined(student, script.drafters), script, strangers(rng, 5, ()), whole(1, 6, rng))
    script = Scripted(rng, [4, 2])
    _expect(_combined(student, script.drafters), script, strangers(rng, 3, ()), whole(1, 4, rng))
    script = Scripted(rng, [0, 0, 3])
    script.drafts[1] = torch.zeros(whole(1, 3, rng), dtype=torch.long)
    _expect(_combined(student, script.drafters), script, strangers(rng, 3, ()), whole(1, 4, rng))


@combine.part("asks anew every time, and keeps two combinations apart", weight=2, rests_on=(
    "It asks the drafters in their order",))
def _(student, rng):
    one, other = Scripted(rng, [2, 3, 4]), Scripted(rng, [0, 5, 1])
    first, second = _combined(student, one.drafters), _combined(student, other.drafters)
    for turn in range(whole(5, 8, rng)):  # who speaks changes from round to round
        for script, propose in mixed(((one, first), (other, second)), rng):
            script.drafts = [torch.tensor(strangers(rng, size, ()), dtype=torch.long)
                             for size in (whole(0, 1, rng) * whole(1, 4, rng) for _ in range(3))]
            _expect(propose, script, strangers(rng, 2 + turn, ()), whole(2, 6, rng))


@combine.argument("drafters")
def _(student, rng):
    scripts = [Scripted(rng, sizes) for sizes in ([0, 3], [4, 0], [2, 5], [0, 0])]
    said = [_combined(student, one.drafters)(torch.tensor([5, 6, 7]), 9) for one in scripts]
    return said[:2], said[2:]
