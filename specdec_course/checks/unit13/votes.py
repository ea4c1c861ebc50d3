"""Right and wrong in `vote_until`: who wins, and after how many chains that is certain.

Knows: this exercise. Does not know: chains of thought.
"""

from __future__ import annotations

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import counting
from .toys import two

vote_until = Exercise(
    "vote_until", unit="13", points=2, difficulty=3, minutes=15,
    reference="specdec_course.decoding.budget:vote_until",
    hints=(
        "Of 5 chains three have said 7, 7, 4. What is the worst that the two chains to come can do to 7? And after 7, "
        "7, 4, 7? Who wins if there are as many of both in the end?",
        "After each answer, with rest = most - used: the worst is that all the rest say the same rival. A rival that "
        "was given before the leader wins with as many votes, any other one needs more, and so does an answer that "
        "nobody has given yet, which would begin with no votes. If no rival can get there, stop.",
    ),
)


def winner_of(given):
    """The answer with most votes, of equals the one given first; None without votes."""
    votes = [one for one in given if one is not None]
    return min(votes, key=lambda one: (-votes.count(one), votes.index(one)), default=None)


def right_vote(given, most: int) -> tuple:
    """(winner, used), by trying the worst that may still come: all the rest agree on a rival, or on a new answer."""
    for used in range(1, most + 1):
        seen, rest = list(given[:used]), most - used
        leader = winner_of(seen)
        rivals = {one for one in seen if one is not None} | {object()}
        if leader is not None and all(winner_of(seen + [rival] * rest) == leader for rival in rivals - {leader}):
            return leader, used
    return winner_of(given[:most]), most


def asker(given):
    """A `think` that gives these answers in turn, and others behind them."""
    rest = iter(given)

    def think():
        return next(rest, 0)

    return counting(think, len(given) + 60)


def case(given, most: int) -> tuple:
    think = asker(given)
    return (think, most), (right_vote(given, most), think, list(given), most)


def as_answer(value):
    return None if value is None else values.as_int(value)


read = two(as_answer, values.as_int, "the winner and how many chains were asked for")


def shown(given) -> str:
    return ", ".join("none" if one is None else str(one) for one in given)


def judge(found, wanted):
    (winner, used), think, given, most = wanted
    mine, count = found
    said = f"With at most {most} chains that say {shown(given[:used])}"
    if count != used:
        late = count > used
        why = ("then nothing that may still come can change the winner" if late or used == most
               else f"after {count} the others that may still come could change the winner")
        return f"{said}, {used} {'are' if used > 1 else 'is'} needed: {why}. You say {count}."
    if mine != winner:
        return f"{said}, the winner is {winner}; your function says {mine}."
    return None


def judge_calls(found, wanted):
    (winner, used), think, given, most = wanted
    if found == (winner, used) and think.calls != used:
        return Wrong(f"Right, but you had the model think {think.calls} times and say that it was {used}.",
                     mistake="calls_often")
    return judge(found, wanted)


def drawn(rng, count: int, kinds: int, nones: int = 0) -> list:
    """Answers of so many kinds, some more frequent than others; nones: of ten answers so many are None."""
    names = [whole(10, 99, rng) for _ in range(kinds)]
    found = []
    for _ in range(count):
        found.append(None if whole(1, 10, rng) <= nones else names[min(whole(0, kinds, rng), kinds - 1)])
    return found


def hard(rng, most: int, early: bool, kinds: int = 3, nones: int = 0) -> list:
    """Answers after which the vote ends before the last chain, or only with it."""
    while True:
        given = drawn(rng, most, kinds, nones)
        if (right_vote(given, most)[1] < most) == early and len({*given} - {None}) > 1:
            return given


def tie(rng, most: int) -> list:
    """Answers of which two have most votes in the end, and the later one is not there first."""
    names = mixed(range(10, 99), rng)[:2]
    return mixed(names * (most // 2), rng)


@vote_until.part("gives the answer with most votes, of equals the first", weight=2, rests_on=(
    "the answer with most votes", "of several with as many, the one that was given first"))
def _(student, rng):
    cases = [case(hard(rng, n, False), n) for n in mixed((3, 4, 5, whole(6, 9, rng)), rng)]
    ties = [case(tie(rng, n), n) for n in mixed((2, 4, 6), rng)]
    ask(student, read, mixed([*cases, *ties], rng), judge, rng)


@vote_until.part("stops as soon as the rest cannot change the winner, and no sooner", weight=3, rests_on=(
    "Asking ends as soon as the winner is certain",))
def _(student, rng):
    cases = [case(hard(rng, n, True, whole(2, 4, rng)), n) for n in mixed((5, 6, 7, 8, 9, 12, whole(13, 20, rng)), rng)]
    close = [case(hard(rng, n, False, 2), n) for n in mixed((6, 8, 11), rng)]
    ask(student, read, mixed([*cases, *close], rng), judge, rng)


@vote_until.part("is right where chains give no answer, and for one chain", weight=1, rests_on=(
    "Every answer but None is a vote", "or None where nobody voted", "None among them",
    "how many chains at most, >= 1"))
def _(student, rng):
    n, m = whole(5, 9, rng), whole(6, 10, rng)
    cases = [case(hard(rng, n, True, 3, 3), n), case(hard(rng, m, False, 3, 4), m), case([None] * 3, 3),
             case([None, None, 7], 3), case([whole(10, 99, rng)], 1), case([None], 1),
             case([None, None, None, whole(10, 99, rng), whole(100, 199, rng)], 5)]
    ask(student, read, mixed(cases, rng), judge, rng)


@vote_until.part("has the model think as often as it says, and not once more", weight=1, rests_on=(
    "how many chains were asked for", "which costs a chain of thought"))
def _(student, rng):
    cases = [case(hard(rng, n, early), n) for n, early in mixed(((5, True), (6, True), (5, False), (9, True)), rng)]
    ask(student, read, cases, judge_calls, rng)


def _pair(place: int):
    def pair(student, rng):
        given = hard(rng, 7, True)
        if place:
            return student.read(read, asker([5, 5, 6, 6, 6, 6]), 3), student.read(read, asker([5, 5, 6, 6, 6, 6]), 6)
        return student.read(read, asker(given), 7), student.read(read, asker([one and one + 1 for one in given]), 7)

    return pair


vote_until.argument("think")(_pair(0))
vote_until.argument("most")(_pair(1))
