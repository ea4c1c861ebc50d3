"""Right and wrong in `speculative_step`: which step stays, who writes what from which text, and where the thought ends.

Knows: toy writers and scores. Does not know: models.
"""

from __future__ import annotations

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import counting
from .toys import drawn_ids, hashed, ids_in, times, two

SIZE = 50

speculative_step = Exercise(
    "speculative_step", unit="13", points=2, difficulty=3, minutes=20,
    reference="specdec_course.decoding.budget:speculative_step",
    hints=(
        "A step of five tokens has the probabilities 0.99, 0.99, 0.02, 0.99, 0.99: is it right? What remains of a step "
        "that does not stay, and from which text does the large model then write?",
        "While len(kept) < max_steps: step = small(ids); stays = min(score(ids, step)) >= threshold; if not, step = "
        "large(ids), from the same ids. Note stays in kept, ids = ids + step, and stop if the last id is end.",
    ),
)
speculative_step.help(r"can only concatenate|unsupported operand", "Texts and steps are lists of ints: `ids + step` "
                      "makes a new list of both.")


class Toys:
    """small, large and score for one case: whatever they say depends on the text that they are given. verdicts: for
    each step, counted by the length of the thought, whether the small model's stays. Where `stops[i]` is "small" or
    "both", the small (and the large) model's step number i has `end` as its last id; with "inside" both have it in the
    middle."""

    def __init__(self, rng, prompt, threshold: float, verdicts, stops=None, exact: bool = False):
        self.salt, self.prompt, self.threshold = whole(0, 1 << 30, rng), prompt, threshold
        self.verdicts, self.stops, self.exact = list(verdicts), stops or {}, exact
        self.end = SIZE + whole(0, 9, rng)
        # How far into the thought step i begins does not tell its number, so the texts of all steps are played once.
        self.ids, self.kept, self.at = list(prompt), [], {}
        for i, stays in enumerate(self.verdicts):
            self.at[tuple(self.ids)] = i
            step = self.small(self.ids) if stays else self.large(self.ids)
            self.ids, self.kept = self.ids + step, [*self.kept, stays]
            if step[-1] == self.end:
                break

    def _step(self, text, writer: int):
        text = ids_in(text)
        i, seed = self.at.get(tuple(text)), self.salt + writer
        step = [hashed(seed, text, place) % SIZE for place in range(2 + hashed(seed, text) % 4)]
        stop = self.stops.get(i)
        if i is None:  # a text that does not come about: it ends some time
            stop = "both" if hashed(seed, text, 9) % 5 == 0 else None
        if stop == "inside":
            return [*step[:1], self.end, *step[1:]]
        return step + [self.end] if stop == "both" or stop == ("small" if writer == 0 else "large") else step

    def small(self, text):
        return self._step(text, 0)

    def large(self, text):
        return self._step(text, 1)

    def score(self, text, step):
        text, step = ids_in(text), ids_in(step)
        i = self.at.get(tuple(text))
        own = step == self.small(text)
        stays = self.verdicts[i] if i is not None and own else hashed(self.salt, (text, step)) % 2 == 0
        low, chance = self.threshold, [hashed(self.salt, (text, step), j) % 1000 / 1000 for j in range(len(step) + 3)]
        weak, kind = int(chance[-1] * len(step)), chance[-2]
        if stays and kind < 0.4 and not self.exact:
            return [0.98 + 0.019 * one for one in chance[: len(step)]]
        if not stays and kind < 0.4:  # most are weak
            found = [low * (0.3 + 0.4 * one) for one in chance[: len(step)]]
            found[weak] = low + (1 - low) * chance[-3] if kind < 0.3 else found[weak]
            return found
        found = [low + (0.999 - low) * (0.35 + 0.6 * one) for one in chance[: len(step)]]
        found[weak] = low if self.exact and stays else min(0.99, low * 1.05) if stays else low * 0.6
        return found


def case(rng, verdicts, stops=None, max_steps: int | None = None, exact: bool = False, threshold=None) -> tuple:
    prompt = drawn_ids(rng, whole(2, 7, rng), SIZE)
    threshold = whole(10, 48, rng) / 64 if threshold is None else threshold  # the same in every precision
    toys = Toys(rng, prompt, threshold, verdicts, stops, exact)
    asked = tuple(counting(one, 20 * len(toys.verdicts) + 60) for one in (toys.small, toys.large, toys.score))
    most = len(toys.kept) if max_steps is None else max_steps
    return (*asked, prompt, threshold, toys.end, most), (toys.ids, toys.kept, asked, prompt, toys)


def as_bools(answer) -> list[bool]:
    found = values.as_array(answer)
    if found.ndim != 1 or any(one not in (0, 1) for one in found.tolist()):
        raise Wrong("Expected a list of bools, one for each step, as the second thing; your function returned "
                    f"{values.describe(answer)}.")
    return [bool(one) for one in found]


read = two(values.as_ids, as_bools, "the text and a list of bools")


def judge(found, wanted):
    ids, kept, _, prompt, toys = wanted
    mine, stayed = found
    if (mine, stayed) == (ids, kept):
        return None
    if mine[: len(prompt)] != prompt:
        return "Your text does not begin with the prompt, as it was given."
    starts = sorted(len(text) for text in toys.at)
    differs = next((i for i, (a, b) in enumerate(zip(mine, ids, strict=False)) if a != b), min(len(mine), len(ids)))
    if mine != ids and differs < len(ids):
        i = max(n for n, start in enumerate(starts) if start <= differs)
        text = ids[: starts[i]]
        least = min(toys.score(text, toys.small(text)))
        who = "the small model's stays" if kept[i] else "the large model writes it"
        return (f"Step number {i + 1}: the least probability that the large model gives to a token of the small "
                f"model's step "
                f"is {least:.4f}, the threshold is {toys.threshold:.4f}: {who}. Your text has something else there.")
    if mine != ids:
        return f"After step number {len(kept)} the thought is at its end; your text goes on."
    return f"Your text is right, but you say {stayed} of its steps; right is {kept}."


def judge_calls(found, wanted):
    ids, kept, asked, *_ = wanted
    due, calls = (len(kept), kept.count(False), len(kept)), tuple(one.calls for one in asked)
    if found == (ids, kept) and calls != due:
        said = ", ".join(f"{name} {times(n)} ({times(m)})"
                         for name, n, m in zip(("small", "large", "score"), calls, due, strict=True))
        return Wrong(f"Right, but you call {said}; in brackets what is enough. Each call is a pass of a model.",
                     mistake="calls_often")
    return judge(found, wanted)


def some(rng, count: int) -> list[bool]:
    """Verdicts of both kinds."""
    return mixed([True, False, *(bool(whole(0, 1, rng)) for _ in range(count - 2))], rng)


@speculative_step.part("keeps a step whose every token is probable enough, and has the others rewritten", weight=3,
                       rests_on=("the *least* of its probabilities is at least the threshold",
                                 "the large model then writes this step, from the text before it",
                                 "for every step whether the small model's stayed"))
def _(student, rng):
    cases = [case(rng, some(rng, n)) for n in mixed((2, 3, 4, whole(5, 8, rng), whole(12, 16, rng)), rng)]
    ask(student, read, [case(rng, [False]), case(rng, [True]), *cases], judge, rng)


@speculative_step.part("ends behind a step that stays and ends with `end`, and nowhere else", weight=2, rests_on=(
    "A step that stays and whose last id is `end` is the last step", "an `end` in it as well"))
def _(student, rng):
    n = whole(3, 6, rng)
    cases = []
    ends = [(True, "both"), (False, "small"), (False, "both"), (False, "large"), (True, "small")]
    for stays, stop in mixed([*ends, (True, "inside"), (False, "inside")], rng):
        at = whole(0, n - 2, rng)
        verdicts = [*some(rng, n)[:at], stays, *some(rng, n)]
        cases.append(case(rng, verdicts, {at: stop}, max_steps=len(verdicts)))
    ask(student, read, cases, judge, rng)


@speculative_step.part("is right for no steps, and where the least is exactly the threshold", weight=1, rests_on=(
    "at most so many steps, >= 0", "is at least the threshold: one wrong digit"))
def _(student, rng):
    cases = [case(rng, some(rng, 3), exact=True), case(rng, [True, True], exact=True), case(rng, [False]),
             case(rng, [True] * 3, exact=True, threshold=0.0)]
    none = case(rng, some(rng, 2), max_steps=0)
    ids, _, asked, prompt, toys = none[1]
    ask(student, read, [*cases, (none[0], (prompt, [], asked, prompt, toys))], judge, rng)


@speculative_step.part("has nobody write or score more than is needed", weight=1, rests_on=(
    "Its own steps are not scored, and it writes none where the small one's stays",))
def _(student, rng):
    cases = [case(rng, some(rng, n)) for n in mixed((2, 4, whole(5, 8, rng)), rng)]
    ask(student, read, cases, judge_calls, rng)


def _pair(place: int):
    def pair(student, rng):
        (small, large, score, prompt, threshold, end, most), (*_, toys) = case(rng, [False, True, False, True])
        one = [small, large, score, prompt, threshold, end, most]
        other = Toys(rng, prompt, threshold, [True, False, True, False])
        others = (other.small, other.large, lambda text, step: [1.0 for _ in ids_in(step)], [*prompt, 3], 0.0,
                  toys.ids[-1], most - 1)  # fmt: skip
        changed = [others[i] if i == place else x for i, x in enumerate(one)]
        if place == 5:  # the first step is the last one where `end` is what it ends with; one is rewritten, one stays
            (*kept, _, most), _ = case(rng, [True, False, True])
            pairs = [(one, [*one[:5], large(prompt)[-1], one[6]]),
                     ([*kept, end, most], [*kept, kept[0](kept[3])[-1], most])]
            return zip(*([student.read(read, *each) for each in pair] for pair in pairs), strict=True)
        return student.read(read, *one), student.read(read, *changed)

    return pair


for _place, _name in enumerate(("small", "large", "score", "ids", "threshold", "end", "max_steps")):
    speculative_step.argument(_name)(_pair(_place))
