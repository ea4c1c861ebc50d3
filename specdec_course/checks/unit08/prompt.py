"""Right and wrong in `prompt_lookup`: the longest match, of these the most recent, and what followed it.

Knows: what is copied from a text. Does not know: indexes that find it faster (automaton).
"""

from __future__ import annotations

import torch

from ..ask import ask, mixed, whole
from ..exercise import Exercise
from .texts import FLOATS, NO_TENSOR, REAL, alphabet, as_draft, drawn_text, strangers

prompt_lookup = Exercise(
    "prompt_lookup", unit="08", points=2, difficulty=2, minutes=20,
    reference="specdec_course.drafters.lookup:prompt_lookup",
    hints=(
        "Take the text `a b c a b`. Where do the last two tokens stand, besides at the end? And the last three? What "
        "would you copy if the text were `a b a b a b`, with a match of two?",
        "For n from min(max_ngram, T - 1) down to 1: the pattern is ids[T - n :]. For start from T - n - 1 down to 0 "
        "(the most recent first; T - n would be the pattern itself): if ids[start : start + n] equals the pattern, "
        "return ids[start + n : start + n + k]. If nothing is found, ids[:0].",
    ),
)


def right_copy(text: list[int], k: int, max_ngram: int = 3) -> list[int]:
    for n in range(min(max_ngram, len(text) - 1), 0, -1):
        for start in range(len(text) - n - 1, -1, -1):
            if text[start : start + n] == text[len(text) - n :]:
                return text[start + n : start + n + k]
    return []


def case(text: list[int], k: int, max_ngram: int | None = 3) -> tuple:
    """A question and its answer; max_ngram None: the argument is left out."""
    more = () if max_ngram is None else (max_ngram,)
    return (torch.tensor(text, dtype=torch.long), k, *more), right_copy(text, k, *more)


def judge(found: list[int], right: list[int]) -> str | None:
    if found == right:
        return None
    if not right:
        return f"There is nothing to copy here, and your draft has {len(found)} tokens."
    if not found:
        return "There is a match further up, and your draft is empty."
    if found[: len(right)] == right:
        return f"Your draft is longer than it may be: {len(found)} tokens."
    if right[: len(found)] == found:
        return f"Your draft ends too early, after {len(found)} tokens."
    return "Your draft is not what followed the longest, and of these the most recent, match."


@prompt_lookup.part(
    "copies what followed the newest tokens further up",
    weight=3,
    rests_on=(
        "what followed its newest tokens when they stood there before",
        "LongTensor [<= k]: the tokens that followed the match",
    ),
)
def _(student, rng):
    cases = []
    for _ in range(whole(4, 6, rng)):  # one place only, and nothing else comes again
        n, k = whole(1, 3, rng), whole(1, 6, rng)
        tokens = strangers(rng, 22, ())
        at = whole(0, 8, rng)
        cases.append(case([*tokens, *tokens[at : at + n]], k))
    cases += [case(drawn_text(rng, whole(120, 300, rng), alphabet(rng, whole(6, 12, rng))), whole(2, 9, rng))
              for _ in range(6)]
    tokens = torch.randperm(REAL[0], generator=rng)[: whole(1100, 1200, rng)].tolist()  # a prompt worth copying from
    cases.append(case([*tokens, *tokens[5:8]], whole(30, 60, rng)))
    tokens = strangers(rng, 4, ())  # a text that can be read at a glance
    cases.append(case([*tokens, *tokens[:2]], 2))
    for _ in range(3):  # two texts that differ only in what followed
        tokens, n = strangers(rng, 20, ()), whole(1, 3, rng)
        for follow in (tokens[10:14], tokens[14:18]):
            cases.append(case([*tokens[:6], *follow, *tokens[6:8], *tokens[6 - n : 6]], 3))
    ask(student, as_draft, cases, judge, rng)


@prompt_lookup.part("takes the longest match, up to max_ngram tokens", weight=2, rests_on=(
    "first the last max_ngram tokens are looked for, then one fewer, down to the last token alone",
    "max_ngram: how many of the newest tokens are looked for, at most, >= 1"))
def _(student, rng):
    cases = []
    for most in mixed((1, 2, 3, 4, whole(5, 8, rng)), rng):
        tokens = strangers(rng, 40, ())
        ending = tokens[:9]
        text = tokens[9:12]
        for n in mixed(
            range(1, 10), rng
        ):  # the last n tokens of the ending stand somewhere, with a follower of their own
            text += [*ending[9 - n :], tokens[12 + n], tokens[30]]
        cases.append(case([*text, *ending], whole(1, 4, rng), most))
    cases += [
        case(drawn_text(rng, whole(60, 90, rng), alphabet(rng, 4)), whole(2, 6, rng), most) for most in (1, 2, 4, 6)
    ]
    ending, rest = strangers(rng, 40, ()), strangers(rng, 9, ())  # all of it, and its half once more
    cases += [case([rest[0], *ending, rest[1], *ending[20:], rest[2], *ending], 1, most) for most in (20, 21, 40, 60)]
    one, other, third, fourth = strangers(rng, 4, ())
    cases.append(case([one, other, third, other, fourth, one, other], 1, 2))
    ask(student, as_draft, cases, judge, rng)


@prompt_lookup.part(
    "takes the most recent of several matches", weight=2, rests_on="Of several places the most recent one counts"
)
def _(student, rng):
    cases = []
    for _ in range(whole(3, 5, rng)):
        tokens, n = strangers(rng, 20, ()), whole(1, 3, rng)
        text = []
        for turn in range(whole(2, 5, rng)):
            text += [*tokens[:n], *tokens[5 + 2 * turn : 7 + 2 * turn]]
        cases.append(case([*text, *tokens[:n]], whole(1, 5, rng)))
    one, other, third = strangers(rng, 3, ())
    cases.append(case([one, other, one, third, one], 1))
    ask(student, as_draft, cases, judge, rng)


@prompt_lookup.part("does not match the newest tokens with themselves; a match may overlap them", weight=2, rests_on=(
    "The newest tokens do not match themselves, but a match may overlap them"))
def _(student, rng):
    cases = []
    for period in (1, 2, whole(2, 3, rng)):
        ring = strangers(rng, period + 2, ())
        cases.append(
            case([*ring[period:], *(ring[:period] * 9)[: whole(5, 9, rng)]], whole(2, 6, rng), whole(3, 5, rng))
        )
    fresh = strangers(rng, whole(6, 12, rng), ())
    cases += [case(fresh, 4), case([*fresh, *fresh[-2:-1]], 4)]
    ask(student, as_draft, cases, judge, rng)


@prompt_lookup.part(
    "ends with the text", weight=1, rests_on="up to k, or up to the end of the text where that comes first"
)
def _(student, rng):
    cases = []
    for n in (1, 2, 3):
        tokens, rest = strangers(rng, 12, ()), whole(1, 5, rng)
        cases += [
            case([*tokens[: 4 + rest], *tokens[4 - n : 4]], k) for k in (rest + n, rest + n + 1, whole(15, 30, rng))
        ]
    ask(student, as_draft, cases, judge, rng)


@prompt_lookup.part(
    "takes the shortest texts, k = 0, and max_ngram left out or larger than the text",
    weight=1,
    rests_on=("how many tokens to draft, >= 0", "Without a match the draft is empty", "max_ngram=3"),
)
def _(student, rng):
    ids = alphabet(rng, 4)
    cases = [case(ids[:length], k) for length, k in ((0, 3), (1, 2), (2, 1))]
    cases += [case([ids[0]] * 2, 3), case([ids[0]] * 2, 3, whole(20, 40, rng)), case([ids[0], ids[1], ids[0]], 5, 50)]
    cases += [case(drawn_text(rng, whole(40, 60, rng), ids), 0)]
    tokens = strangers(rng, 20, ())
    four = [*tokens[:4], tokens[10], *tokens[1:4], tokens[11], tokens[12], *tokens[:4]]  # 4 match, and 3 more recently
    three = [*tokens[:3], tokens[10], *tokens[1:3], *tokens[:3]]  # 3 match, and 2 more recently
    cases += [case(four, 2, None), case(four, 2, 4), case(three, 1, None), case(drawn_text(rng, 80, ids), 4, None)]
    ask(student, as_draft, mixed(cases, rng), judge)


@prompt_lookup.argument("ids")
def _(student, rng):
    rows = [strangers(rng, 9, ()) for _ in range(4)]
    asked = [student(torch.tensor([*row, row[2]]), 3, 3) for row in rows]
    return asked[:2], asked[2:]


@prompt_lookup.argument("k")
def _(student, rng):
    row = strangers(rng, 12, ())
    return [[student(torch.tensor([*row, row[1]]), k, 3) for k in ks] for ks in ((1, 4), (3, 6))]


@prompt_lookup.argument("max_ngram")
def _(student, rng):
    tokens = strangers(rng, 20, ())
    text = [
        *tokens[:4],
        tokens[10],
        *tokens[1:4],
        tokens[11],
        *tokens[2:4],
        tokens[12],
        tokens[3],
        tokens[13],
        *tokens[:4],
    ]
    return [[student(torch.tensor(text), 1, most) for most in two] for two in ((1, 2), (3, 4))]


prompt_lookup.mistake("float_ids", FLOATS)
prompt_lookup.mistake("no_tensor", NO_TENSOR)
