"""Unit 07: the drafter stops before the first token that it is not sure of.

Knows: what is right and commonly wrong in the rule, and that a rule which looks ahead changes the law of the text.
Does not know: where confidences come from.
"""

from __future__ import annotations

import bisect

import torch

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..stages import toys
from .texts import expect_targets_law, one_round

confident_prefix = Exercise(
    "confident_prefix", unit="07", points=2, difficulty=2, minutes=12,
    reference="specdec_course.decoding.adaptive:confident_prefix",
    lent=True,
    hints=(
        "The drafter stands at place i and may look at confidences 0 to i. It stops, or goes on. Once it has stopped, "
        "what do the confidences behind that place matter?",
        "Go through the confidences from the left; at the first one with confidence < threshold return its index. If "
        "there is none, return how many there are.",
    ),
)
LITTLE = 2.0**-16  # exact in single precision beside any of the thresholds; lost in half precision, and by rounding


def thresholds(rng) -> list[float]:
    """A low, a middling and a high one, in random order: sixteenths, so that "exactly on the threshold" means just
    that in every float type."""
    return mixed([whole(2, 5, rng) / 16, whole(7, 9, rng) / 16, whole(11, 14, rng) / 16], rng)


def lower_in_single(rng) -> float:
    """A threshold of two digits that single precision makes a little smaller: read so, it lies below itself."""
    while not float(torch.tensor(t := whole(51, 94, rng) / 100)) < t:
        pass
    return t


def sure(rng, n: int, threshold: float) -> list[float]:
    return (threshold + (1 - threshold) * (0.1 + 0.8 * torch.rand(n, generator=rng, dtype=torch.float64))).tolist()


def unsure(rng, n: int, threshold: float) -> list[float]:
    return (threshold * (0.1 + 0.8 * torch.rand(n, generator=rng, dtype=torch.float64))).tolist()


def expect_prefixes(student, rng, cases, message: str) -> None:
    """Cases (confidences, threshold, answer), as tensors and as lists in turn."""

    def judge(answer: int, wanted: tuple[int, int]) -> str | None:
        right, places = wanted
        side = "few" if answer < right else "many"
        return f"{message} Of {places} places you draft too {side}." if answer != right else None

    asked = [((torch.tensor(chances) if number % 2 else list(chances), threshold), (right, len(chances)))
             for number, (chances, threshold, right) in enumerate(cases)]
    ask(student, values.as_int, asked, judge, rng)


@confident_prefix.part("it stops before the first place that is not sure", weight=2, rests_on=(
    "the number of places in front of the first confidence below the threshold"))
def _(student, rng):
    cases = [(sure(rng, n, t) + unsure(rng, m, t), t, n)
             for t in thresholds(rng) for n, m in ((1, 3), (3, 1), (2, 2), (whole(1, 9, rng), whole(1, 9, rng)))]
    cases += [(sure(rng, n := whole(4, 9, rng), 0.5) + unsure(rng, 1, 0.5), 0.5, n) for _ in range(whole(0, 3, rng))]
    expect_prefixes(student, rng, cases, "The first confidences are above the threshold, the rest are below.")


@confident_prefix.part("what stands behind that place does not matter", weight=2, rests_on=(
    "Confidences behind that place do not matter: in a real draft they never come about."))
def _(student, rng):
    cases = [(sure(rng, n, t) + unsure(rng, 1, t) + sure(rng, m, t), t, n) for t in thresholds(rng)
             for n, m in ((0, 3), (1, 2), (2, 1), (3, 4), (whole(0, 6, rng), whole(1, 9, rng)))]
    for t in thresholds(rng)[: whole(1, 3, rng)]:
        first = whole(1, 4, rng)
        cases.append((sure(rng, first, t) + unsure(rng, 1, t) + sure(rng, 1, t) + unsure(rng, 2, t) + sure(rng, 1, t),
                      t, first))
    expect_prefixes(student, rng, cases, "A place is below the threshold, and behind it one is above again.")


@confident_prefix.part("sure at all places, at none, and no places", weight=1, rests_on=(
    "a sequence of n floats, n may be 0"))
def _(student, rng):
    cases = []
    for t in thresholds(rng):
        cases += [(sure(rng, n := whole(2, 7, rng), t), t, n), (unsure(rng, whole(2, 7, rng), t), t, 0)]
    cases += [(sure(rng, 1, 0.5), 0.5, 1)] * 2  # a list and a tensor
    cases += [(sure(rng, n := whole(2, 9, rng), 0.25), 0.25, n) for _ in range(whole(0, 3, rng))]
    expect_prefixes(student, rng, cases, "All confidences lie on the same side of the threshold.")
    for nothing in (torch.zeros(0), []):
        if student.returned_int(nothing, 0.5) != 0:
            raise Wrong("Without any place there is nothing to draft.")


@confident_prefix.part("exactly on the threshold stays in", weight=1, rests_on=(
    "A confidence below it stops the draft; one exactly on it does not."))
def _(student, rng):
    cases = [([0.5], 0.5, 1)]
    for t in thresholds(rng):
        before = whole(1, 4, rng)
        cases.append((sure(rng, before, t) + [t] + sure(rng, 1, t) + unsure(rng, 1, t), t, before + 2))
    expect_prefixes(student, rng, cases, "Exactly on the threshold does not stop the draft.")
    cases = [([t] * before + [t + LITTLE, t - LITTLE, t - LITTLE, 0.0], t, before + 1)
             for t in thresholds(rng) for before in (1, whole(1, 5, rng))]
    expect_prefixes(student, rng, cases, f"A confidence {LITTLE:.6f} below the threshold is below it: nothing is "
                                         "rounded.")
    t = lower_in_single(rng)
    asked = [((sure(rng, n, t) + [t, 0.0], t), n + 1) for n in (0, 1, whole(2, 5, rng))]  # lists: exact as they are

    tiny = 2.0 ** -whole(34, 40, rng)  # beside it a margin of any size shows
    asked += [(([tiny] * n + [tiny / 2, 1.0], tiny), n) for n in (1, whole(2, 5, rng))]

    def judge(answer, wanted):
        right, message = wanted
        return None if answer == right else message

    messages = [f"A confidence in a list is exactly on the threshold {t}."] * 3
    messages += [f"A confidence in a list is half of the threshold, which is {tiny:.1g}."] * 2
    told = [(args, (right, message)) for (args, right), message in zip(asked, messages, strict=True)]
    ask(student, values.as_int, told, judge, rng)


@confident_prefix.part("a long draft; a threshold that nothing, or everything, is below", weight=1, rests_on=(
    "int in 0..n"))
def _(student, rng):
    cases = [(sure(rng, n, 0.5) + unsure(rng, 1, 0.5) + sure(rng, 9, 0.5), 0.5, n)
             for n in (whole(35, 60, rng), whole(35, 60, rng))]
    cases += [(sure(rng, n := whole(61, 90, rng), 0.25), 0.25, n)]
    expect_prefixes(student, rng, cases, "There are many places.")
    cases = [([0.7, 0.0, 0.2], 0.0, 3), ([0.0, 0.1], 0.0, 2), ([1.0, 1.0], 1.0, 2), ([1.0, 1.0, 0.5], 1.0, 2)]
    cases += [([1.0, 0.9], 1.5, 0), ([0.9, 1.0], 1.5, 0)]
    cases += [(unsure(rng, n := whole(2, 9, rng), 0.5), 0.0, n) for _ in range(whole(1, 4, rng))]
    expect_prefixes(student, rng, cases, "The threshold is 0 (nothing is below it), 1, or above 1 (everything is below "
                                         "it).")


@confident_prefix.part("the law of the text stays the target's", weight=2, rests_on=(
    "Confidences behind that place do not matter"))
def _(student, rng):
    """The draft is drawn whole, then cut to what the rule says: right only for a rule that never looks ahead."""
    rows = torch.tensor([[0.8, 0.2], [0.9, 0.1], [0.6, 0.4]], dtype=torch.float64)
    rows = torch.softmax(rows.log() + 0.1 * torch.randn(rows.shape, generator=rng, dtype=torch.float64), -1)
    target, doubtful = toys.toy_rows(2, rng), whole(0, 1, rng)

    def drafter(text):  # sure at first and after one of the two tokens, not sure after the other one
        return rows[1 + (text[-1] == doubtful)] if text else rows[0]

    def three_tokens(dice):
        draft, q = toys.draw_draft(drafter, 3, dice)
        kept = max(0, min(3, int(student.quiet(torch.stack(q).amax(-1), 0.7))))
        text, _ = one_round(target, drafter, (), draft[:kept], q[:kept], dice)
        while len(text) < 3:
            text = (*text, dice.roll(target(text)))
        return text

    expect_targets_law(student, three_tokens, target, 3, "Where a drafter keeps as many tokens as your function says")


def prefix_rule(count="prefix", shift=0, strict=False, turned=False, running=None):
    """A confident_prefix that is wrong in one place; the arguments say where."""

    def rule(confidences, threshold):
        values = torch.as_tensor(confidences, dtype=torch.float64)
        if running == "product":
            values = values.cumprod(0)
        if running == "mean":
            values = values.cumsum(0) / torch.arange(1, len(values) + 1)
        good = values > threshold if strict else values >= threshold
        good = ~good if turned else good
        n = len(good)
        prefix = int(good.long().cumprod(0).sum())
        if count == "all":
            prefix = int(good.sum())
        if count == "last":
            prefix = int(good.nonzero()[-1]) + 1 if good.any() else 0
        if count == "argmin":
            prefix = int(good.long().argmin()) if n else 0
        if count == "index":
            prefix = min(prefix, n - 1)
        if count == "less one" and 0 < prefix < n:
            prefix -= 1
        return max(0, min(n, prefix + shift))

    return rule


confident_prefix.mistake("at_least_one", (
    "You always draft one token. Where the first place is not sure, nothing is drafted: 0."
), imitate=lambda confidences, threshold: max(1, prefix_rule()(confidences, threshold)))
confident_prefix.mistake("all_or_nothing", (
    "You answer 0 as soon as any place is not sure. The places in front of the first such one are drafted: count them."
), imitate=lambda confidences, threshold: len(confidences) * (
    prefix_rule()(confidences, threshold) == len(confidences)))
confident_prefix.mistake("never_the_last", (
    "You never look at the last place. When all in front of it are sure, it is asked like the others."
), imitate=lambda confidences, threshold: prefix_rule()([*confidences[:-1], threshold], threshold)
    if len(confidences) else 0)
confident_prefix.mistake("as_if_sorted", (
    "You search as if the confidences were sorted, by halves. They come in any order: go through them from the front."
), imitate=lambda confidences, threshold: bisect.bisect([float(c) < threshold for c in confidences], False))
confident_prefix.mistake("two_in_a_row", (
    "You stop only where two places in a row are not sure. The first one stops the draft."
), imitate=lambda confidences, threshold: next(
    (i for i in range(len(confidences)) if all(float(c) < threshold for c in confidences[i : i + 2])),
    len(confidences)))
confident_prefix.mistake("counts_all", (
    "You count every place that is sure. Only the leading run counts: the drafter stops at the first place that is not "
    "sure, so it never gets to those behind. And a rule that looks behind that place looks at the future: it would "
    "keep or drop a token because of what was drawn after it, and that changes the law of the text."
), imitate=(prefix_rule("all"), prefix_rule("last")))
def _last_index(confidences, threshold):
    places = range(len(confidences))
    return next((i for i in places if confidences[i] < threshold), max(0, len(places) - 1))


confident_prefix.mistake("last_index", (
    "Where every place is sure you draft one token too few. Nothing has ended the loop there, so what you return is "
    "the last index: it is one less than the number of places."
), imitate=_last_index)
confident_prefix.mistake("drops_drawn", (
    "You draft one token too few: the last sure one is left out. To find out that the *next* place is not sure, that "
    "token had to be drawn; if it is dropped because of what follows, tokens that lead into doubt become rarer than "
    "the target wants. Stop before drawing, or keep the token."
), imitate=(prefix_rule(shift=-1), prefix_rule("less one"), prefix_rule("index"),
            prefix_rule("index", shift=-1)))
confident_prefix.mistake("stops_late", (
    "You draft one token too many: the first place that is not sure is included. The drafter stops *before* it. (The "
    "text would still be right, but this is just the token that the target will probably reject.)"
), imitate=prefix_rule(shift=1))
confident_prefix.mistake("no_doubt_no_draft", (
    "When every place is sure you answer 0. argmin (and argmax) give 0 both when the first place is the one and when "
    "there is none: the second case needs a look of its own."), imitate=prefix_rule("argmin"))
confident_prefix.mistake("stops_on_threshold", (
    "A confidence exactly on the threshold stops your draft. Only one *below* it does."),
    imitate=prefix_rule(strict=True))
confident_prefix.mistake("turned_round", (
    "Your comparison is the wrong way round: you stop at the first place that is sure."),
    imitate=(prefix_rule(turned=True), prefix_rule(turned=True, strict=True)))
confident_prefix.mistake("running", (
    "You compare a product or a mean of the confidences so far with the threshold. Here each place is judged by its "
    "own confidence. (The product is a good idea too: it estimates the chance that all of the draft survives. That "
    "is what optimal_stop takes.)"), imitate=(prefix_rule(running="product"), prefix_rule(running="mean")))
confident_prefix.help(r"ambiguous|only one element", "A comparison with a whole tensor gives one True or False per "
                      "place: look at one place at a time, or count the leading run with cumprod.")
confident_prefix.help(r"unsupported operand|not supported between", "The confidences may come as a tensor or as a list "
                      "of floats: go through them one by one, or make a tensor of them first.")
confident_prefix.help(r"out of bounds|out of range|non-empty|empty sequence|StopIteration|zero elements|numel",
                      "There may be no place that is unsure, and there may be no place at all.")
confident_prefix.help(r"has no attribute", "The confidences may come as a tensor or as a list of floats: "
                      "torch.as_tensor(confidences) makes one of either.")
