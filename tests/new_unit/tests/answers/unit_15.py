"""Right and wrong answers of unit 15."""

from answers import right, wrong
from specdec_course.drafters.repeats import Guess
from specdec_course.drafters.repeats import last_seen as seen


@right("last_seen")
def by_a_loop(ids, token):
    found = -1
    for at, one in enumerate(ids):
        if one == token:
            found = at
    return found


@right("last_seen")
def from_behind(ids, token):
    return len(ids) - 1 - ids[::-1].index(token) if token in ids else -1


@right("last_seen")
def by_max(ids, token):
    return max((at for at in range(len(ids)) if ids[at] == token), default=-1)


@wrong("last_seen", named="first_place")
def from_the_front(ids, token):
    return next((at for at, one in enumerate(ids) if one == token), -1)


@wrong("last_seen")
def always_the_end(ids, token):
    return len(ids) - 1


@right("guess_repeat")
def lends_last_seen(ids, k):
    at = seen(ids[:-1], ids[-1])
    return Guess([], -1) if at < 0 else Guess(ids[at + 1 : at + 1 + k], at)


@right("guess_repeat")
def by_hand(ids, k):
    for at in reversed(range(len(ids) - 1)):
        if ids[at] == ids[-1]:
            return Guess(seen_at=at, ids=ids[at + 1 :][:k])
    return Guess([], -1)


@right("guess_repeat")
def with_tuples(ids, k):
    at = max((i for i, one in enumerate(ids[:-1]) if one == ids[-1]), default=-1)
    return Guess(tuple(ids[at + 1 : at + 1 + k]) if at >= 0 else (), at)


@wrong("guess_repeat", named="finds_itself")
def searches_the_newest_too(ids, k):
    at = seen(ids, ids[-1])
    return Guess(ids[at + 1 : at + 1 + k], at)


@wrong("guess_repeat")
def one_too_many(ids, k):
    at = seen(ids[:-1], ids[-1])
    return Guess(ids[at + 1 : at + 2 + k], at) if at >= 0 else Guess([], -1)
