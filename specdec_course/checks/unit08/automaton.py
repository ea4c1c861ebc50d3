"""SuffixAutomaton: whatever text it is told, it copies from behind the longest ending that stood there before, in time.

Knows: what may be copied from a text, and how the cost of a token may grow with it. How a student finds it is not
looked at: a suffix tree, or hashes, would do. Does not know: which mistakes have a name (wrong_automata).
"""

from __future__ import annotations

import contextlib
import math

import torch

from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import Subject
from ..surroundings import cost_of, seconds
from .texts import alphabet, as_draft, drawn_text, strangers

SuffixAutomaton = Exercise(
    "SuffixAutomaton", unit="08", points=3, difficulty=5, minutes=50,
    reference="specdec_course.drafters.automaton:SuffixAutomaton",
    hints=(
        "Which state holds the longest string that ends here and has ended somewhere before? You have just set its "
        "link. And what do you have to remember of a state to know where it ended *first*?",
        "Lists per state: next (a dict), length, link, end; state 0 has length 0 and link -1. extend: a new state "
        "with length = end = T. From the old last state follow links, and set next[state][token] = new until a state "
        "has that token already. None had it: link[new] = 0. Its goal `old` has length[state] + 1: link[new] = old. "
        "Else clone old (a copy of its dict, its link and its end, length[state] + 1), link new and old to the clone, "
        "and turn the edges to old from here down to the clone. propose: s = link[last]; if length[s] > 0: "
        "text[end[s] : end[s] + k].",
    ),
)
SHORT = 2_000  # tokens of a text; what a token costs in it is compared with what it costs in longer ones
# (tokens, times that one may take longer to be taken in, and to be added and asked about). Caches are smaller than long
# texts, Python's garbage collector goes through all of one, logarithms grow. What is far too slow shows at the first.
LONGER = ((8_000, 3.5, 3.0), (60_000, 10.0, 4.0))
STEPS = 60
LONG = 40_000  # tokens of a text in which the memory is looked at that one more token asks for


def places(text: list[int]) -> tuple[int, list[int]]:
    """(how long the longest ending is that stood in the text before, the places behind it)."""
    best, found = 0, []
    for end in range(1, len(text)):
        n = 0
        while n < end and text[end - 1 - n] == text[-1 - n]:
            n += 1
        if n > best:
            best, found = n, []
        if n and n == best:
            found.append(end)
    return best, found


class Told:
    """A student's automaton and the text that it was told; its answers are judged by that text."""

    def __init__(self, student: Subject, ids=None):
        self.student, self.text = student, [] if ids is None else [int(token) for token in ids]
        self.made = student.quiet() if ids is None else student.quiet(ids)
        for name in ("extend", "propose"):
            if not callable(getattr(self.made, name, None)):
                raise Wrong(f"Your class has no method `{name}`.")

    def extend(self, *tokens) -> Told:
        for token in tokens:
            self.student.method(self.made.extend).does(token)
            self.text.append(int(token))
        return self

    def answer(self, k: int) -> list[int]:
        return as_draft(self.student.method(self.made.propose)(k))

    def expect(self, k: int) -> None:
        found, (n, behind) = self.answer(k), places(self.text)
        allowed = [self.text[place : place + k] for place in behind] or [[]]
        if found not in allowed:
            raise Wrong(self._why(found, n, allowed, k), mistake=self._habit(found, k))

    def _habit(self, found: list[int], k: int) -> str | None:
        """Whether a wrong answer comes of what was asked before, or of another automaton."""
        with contextlib.suppress(Wrong):
            if self.answer(k) != found:
                return "asking_changes"
            told = [one for one in range(1, len(self.text) + 3) if one not in self.text][:2]
            Told(self.student).extend(*told, told[0])
            if Told(self.student).answer(3)[:1] == told[1:]:
                return "shared"
            first, second = (50_001, 50_002), (60_001, 60_002)
            Told(self.student).extend(*first, first[0])
            if {*first} & {*Told(self.student).extend(*second, second[0]).answer(5_000)}:
                return "shared"
        return None

    def _why(self, found: list[int], n: int, allowed: list[list[int]], k: int) -> str:
        shown = f"After the text {' '.join(map(str, self.text))} propose({k}) answers {found}. " * (
            len(self.text) <= 12
        )
        ending = "the last token" if n == 1 else f"the last {n} tokens"
        if not n:
            return f"{shown}The last token never stood in the text before, and your draft has {len(found)} tokens."
        if not found:
            return f"{shown}Of a text of {len(self.text)} tokens {ending} stood in it before, and your draft is empty."
        if any(one[: len(found)] == found for one in allowed):
            return f"{shown}Your draft ends too early, after {len(found)} tokens: neither k nor the text ends there."
        if any(found[: len(one)] == one for one in allowed):
            return f"{shown}Your draft is longer than it may be: {len(found)} tokens."
        return f"{shown}Of the text {ending} stood in it before; your draft is not what followed there."


@SuffixAutomaton.part("copies what followed the longest ending that stood before", weight=3, rests_on=(
    "Of the endings of the text that stood in it before, the longest one counts",
    "The draft is what followed it there", "several places, any of them will do"))
def _(student, rng):
    ids = [alphabet(rng, size) for size in (2, 3, whole(4, 6, rng))]
    texts = [drawn_text(rng, whole(40, 60, rng), ids[2])]  # random ones are hard: their endings are of all lengths
    texts += [[few[i] for i in torch.randint(len(few), (300,), generator=rng).tolist()] for few in ids[:2]]
    for text in mixed(texts, rng):
        told = Told(student)
        for token in text:
            told.extend(token).expect(whole(1, 5, rng))


@SuffixAutomaton.part("finds an ending of any length", weight=2, rests_on="the longest one counts, however long it is")
def _(student, rng):
    for n in mixed((whole(12, 30, rng), whole(70, 120, rng)), rng):
        tokens = strangers(rng, n + 60, ())
        long, rest = tokens[:n], tokens[n:]
        text = [*rest[:9], *long, *rest[9:20]]
        for turn, part in enumerate(mixed((1, 2, 3, 5, 9, n // 2, n - 1), rng)):  # shorter endings come again later
            text += [*long[n - part :], *rest[20 + 3 * turn : 23 + 3 * turn]]
        told = Told(student).extend(*text, *long[:-2])
        for token in long[-2:]:
            told.extend(token).expect(whole(2, 6, rng))


@SuffixAutomaton.part("lets an ending overlap itself, and ends with the text", weight=2, rests_on=(
    "An ending does not match itself, but the place further up may overlap it",
    "up to k tokens, or up to the end of the text where that comes first"))
def _(student, rng):
    for period in mixed((1, 2, whole(3, 4, rng)), rng):
        ring = strangers(rng, period + 3, ())
        told = Told(student).extend(*ring[period:])
        for place in range(whole(9, 14, rng)):
            told.extend(ring[place % period]).expect(whole(1, 20, rng))


@SuffixAutomaton.part("takes a text to begin with, as a tensor or a list, and goes on from there", weight=1, rests_on=(
    "what the text begins with, a LongTensor [T] or any sequence of ids: the same as an `extend` with each of them"))
def _(student, rng):
    for make in mixed((list, torch.tensor, tuple), rng):
        text = drawn_text(rng, whole(40, 70, rng), alphabet(rng, 4))
        told = Told(student, make(text[:30]))
        told.expect(whole(2, 5, rng))
        for token in text[30:]:
            told.extend(token).expect(whole(2, 5, rng))
    Told(student, torch.empty(0, dtype=torch.long)).expect(3)


@SuffixAutomaton.part(
    "is not changed by asking; two are apart; nothing known, k = 0, a 0-d tensor",
    weight=2,
    rests_on=(
        "nothing is changed by asking",
        "Two automata share nothing",
        "or nothing does yet, the draft is empty",
        "(a 0-d tensor works too)",
        "LongTensor [<= k]",
    ),
)
def _(student, rng):
    told = Told(student)
    told.expect(whole(1, 4, rng))
    for token in strangers(rng, 4, ()):
        told.extend(token).expect(3)
    text = drawn_text(rng, 30, alphabet(rng, 3))
    one, other = Told(student), Told(student)
    for token, apart in zip(text, mixed(text, rng), strict=True):
        one.extend(token)
        other.extend(apart)
    for k in (4, 0, 2):
        first, again = one.answer(k), one.answer(k)
        if first != again:
            raise Wrong("Asked twice, your automaton gives two answers.", mistake="asking_changes")
        try:
            one.expect(k)
            other.expect(k)
        except Wrong as wrong:
            raise wrong.but(otherwise="shared") from None
    tensors = Told(student)
    for token in text:
        tensors.extend(torch.tensor(token))
    if not tensors.answer(3) and places(text)[0]:
        raise Wrong("Told the tokens as 0-d tensors, your automaton finds nothing again.", mistake="tensor_keys")
    tensors.expect(3)


@SuffixAutomaton.part("is right in a long text, and takes no longer for a token there", weight=3, rests_on=(
    "Neither `extend` nor `propose` takes longer because the text is long",))
def _(student, rng):
    expect_right(student, torch.randint(2, (SHORT,), generator=rng), strangers(rng, 2, (0, 1)))
    texts = {n: torch.randint(2, (n + STEPS,), generator=rng) for n in (SHORT, *(n for n, *_ in LONGER))}
    few, *many = LONGER
    _expect_in_time(student, texts, *few)
    _expect_no_copies(student, rng)  # only now: who is far too slow would build for minutes
    for one in many:
        _expect_in_time(student, texts, *one)


def _expect_in_time(student: Subject, texts: dict, n: int, to_build: float, to_go_on: float) -> None:
    whole_text, two = _costs(student, texts[n], n, 2)
    if two > whole_text / 5:
        raise Wrong(f"In a text of {n:,} tokens one more token and a draft take {two / 2 / whole_text:.0%} of the "
                    "time that it took to take in all of it.", mistake="slow")
    build = step = math.inf
    for _ in range(3):  # a single slow run says little: a crowded machine costs processor time, too
        (long, more), (few, one) = (_costs(student, texts[size], size, STEPS) for size in (n, SHORT))
        build, step = min(build, long / few * SHORT / n), min(step, more / one)
        if build < to_build and step < to_go_on:
            break
    else:
        slow = "one more token and a draft take" if step >= to_go_on else "each token of the beginning takes"
        raise Wrong(
            f"In a text of {n:,} tokens {slow} {max(build, step):.0f} times as long as in one of {SHORT:,}.",
            mistake="slow" if step >= to_go_on else "slow_to_build",
        )


def _expect_no_copies(student: Subject, rng) -> None:
    """A copy is fast: no clock tells it from what has to be done. The memory that it asks for does."""
    two = torch.tensor(alphabet(rng, 2))  # real ids: several bytes each, however they are kept
    ids = two[torch.randint(2, (LONG + 9,), generator=rng)]
    few, used = (_memory_of_a_step(student, ids, n) for n in (SHORT, LONG))
    if used > few + LONG:
        raise Wrong(f"In a text of {LONG:,} tokens one more token and a draft ask for {used:,} bytes of memory, in one "
                    f"of {SHORT:,} for {few:,}.", mistake="slow")


def expect_right(student: Subject, ids, new: list[int]) -> None:
    """Speed counts once the answers are right, in a text of this size too."""
    told = Told(student, ids)
    for token in (*ids[:5].tolist(), *new, *new):
        told.extend(token).expect(4)
    told.expect(2 * SHORT)


def _costs(student: Subject, text, n: int, steps: int) -> tuple[float, float]:
    """Seconds to take in n tokens, and for `steps` more, each with a question."""
    ids, new, made = text[:n].clone(), text[n : n + steps].tolist(), []

    def build():
        made.append(student.quiet(ids))
        student.method(made[0].propose).quiet(1)

    def go_on():
        for token in new:
            student.method(made[0].extend)._guarded((token,), {})
            student.method(made[0].propose).quiet(4)

    return seconds(build), seconds(go_on)


def _memory_of_a_step(student: Subject, ids, n: int) -> int:
    """Bytes that one more token and a draft ask for after n tokens: the least of nine, for what grows may have to be
    moved now and then."""
    made = student.quiet(ids[:n].clone())
    propose = student.method(made.propose)
    propose.quiet(1)  # whoever takes in the beginning only when asked has done so now

    def step(token):
        student.method(made.extend)._guarded((token,), {})
        propose.quiet(4)

    return min(cost_of(lambda token=token: step(token))[1] for token in ids[n : n + 9].tolist())


def _four(rng) -> list[list[int]]:
    """Four texts that end as they began, after matches of three tokens: who is silent after one has an answer, too."""
    return [[*row, *row[:3]] for row in (strangers(rng, 4, ()) for _ in range(4))]


@SuffixAutomaton.argument("ids")
def _(student, rng):
    said = [Told(student, text).answer(1) for text in _four(rng)]
    return said[:2], said[2:]


@SuffixAutomaton.argument("token")
def _(student, rng):
    said = [Told(student).extend(*text).answer(1) for text in _four(rng)]
    return said[:2], said[2:]


@SuffixAutomaton.argument("k")
def _(student, rng):
    told = Told(student).extend(*strangers(rng, 9, ()) * 2)
    return [[told.answer(k) for k in ks] for ks in ((1, 4), (3, 6))]
