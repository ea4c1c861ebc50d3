"""Right and wrong in `draft_with_backoff`: the longest context that is known, for every guess anew.

Knows: what a draft read off given tables is. Does not know: how tables are counted (tables).
"""

from __future__ import annotations

import torch

from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from .texts import FLOATS, NO_TENSOR, alphabet, as_draft, drawn_text, strangers

draft_with_backoff = Exercise(
    "draft_with_backoff", unit="08", points=2, difficulty=2, minutes=15,
    reference="specdec_course.drafters.lookup:draft_with_backoff",
    hints=(
        "Say the text ends with a, b, c and there are tables for up to two tokens. Which tuples do you look up, in "
        "which order? And once you have guessed d: which ones for the next guess?",
        "Keep the text as a list and append your guesses to it. For each guess: for m from min(n - 1, len(text)) down "
        "to 0, with key = tuple(text[len(text) - m:]); if key is in tables[m], append tables[m][key] and break. If no "
        "m has it, stop. (`text[-m:]` is the whole text for m = 0.)",
    ),
)


def right_draft(context: list[int], tables: list[dict], k: int) -> list[int]:
    text = list(context)
    while len(text) < len(context) + k:
        keys = [tuple(text[len(text) - m :]) for m in range(min(len(tables) - 1, len(text)), -1, -1)]
        known = [tables[len(key)][key] for key in keys if key in tables[len(key)]]
        if not known:
            break
        text.append(known[0])
    return text[len(context) :]


def drawn_tables(rng, ids: list[int], n: int, share: float, empty: bool = True) -> list[dict]:
    """Tables that know this share of the contexts that can be, each with a follower drawn for itself."""
    tables: list[dict] = [{(): ids[whole(0, len(ids) - 1, rng)]} if empty else {}]
    contexts = [()]
    for _ in range(1, n):
        contexts = [(*one, token) for one in contexts for token in ids]
        kept = torch.rand(len(contexts), generator=rng).tolist()
        follow = torch.randint(len(ids), (len(contexts),), generator=rng).tolist()
        tables.append({one: ids[to] for one, chance, to in zip(contexts, kept, follow, strict=True) if chance < share})
    return tables


def case(context: list[int], tables: list[dict], k: int) -> tuple:
    return (torch.tensor(context, dtype=torch.long), tables, k), right_draft(context, tables, k)


def judge(found: list[int], right: list[int]) -> str | Wrong | None:
    if found == right:
        return None
    if len(found) != len(right):
        many = "more" if len(found) > len(right) else "fewer"
        return f"Your draft has {many} tokens than the tables and k allow: {len(found)}."
    first = next(i for i, (a, b) in enumerate(zip(found, right, strict=True)) if a != b)
    return (f"Guess {first + 1} of your draft is {found[first]}. That is not what follows the longest context that the "
            "tables know there.")


def many(rng, count: int, n: int, share: float, **how) -> list[tuple]:
    cases = []
    for _ in range(count):
        ids = alphabet(rng, whole(3, 4, rng))
        text = drawn_text(rng, whole(n, 12, rng), ids)
        cases.append(case(text, drawn_tables(rng, ids, n, share, **how), whole(3, 9, rng)))
    return cases


def _guess_of_its_own(rng, n: int, known: int | None = None) -> tuple:
    """n tables, of which the first `known` ones (None: all) know the end of a text, each with another guess."""
    text, guesses = strangers(rng, n + 3, ()), strangers(rng, n, ())
    tables = [{tuple(text[len(text) - m :]): guess} for m, guess in enumerate(guesses)]
    return case(text, [*tables[:known], *({} for _ in tables[known or n :])], 1)


@draft_with_backoff.part("looks up the longest context first", weight=2, rests_on=(
    "For each guess the last n - 1 tokens are looked up in tables[n - 1]"))
def _(student, rng):
    cases = []
    for n in (2, 3, 3, 4, whole(3, 4, rng)):
        ids = alphabet(rng, 4)
        text = drawn_text(rng, whole(n, 9, rng), ids)
        cases.append(case(text, drawn_tables(rng, ids, n, 1.0), 1))
    cases.append(_guess_of_its_own(rng, whole(7, 10, rng)))
    one, other, third = strangers(rng, 3, ())  # tables that can be read at a glance
    cases.append(case([other, one], [{(): third}, {(one,): other}, {(other, one): one}], 1))
    ask(student, as_draft, cases, judge, rng)


@draft_with_backoff.part("backs off to shorter ones where it is not known", weight=3, rests_on=(
    "if they are not there, the last n - 2 in tables[n - 2], and so on, in the end none at all in tables[0]"))
def _(student, rng):
    cases = [(args, right[:1]) for args, right in many(rng, 6, 4, 0.3) + many(rng, 4, 3, 0.15)]
    cases = [((context, tables, 1), right) for (context, tables, _), right in cases]
    n = whole(7, 10, rng)
    cases += [_guess_of_its_own(rng, n, known) for known in range(1, n)]
    for n in (3, 4):  # only the empty context knows anything
        ids = alphabet(rng, 4)
        cases.append(case(drawn_text(rng, 8, ids), [{(): ids[0]}, *({} for _ in range(n - 1))], 1))
    one, other, third = strangers(rng, 3, ())
    cases += [case([one, other], [{(): third}, {(other,): one}, {(one, one): other}], 1),
              case([one], [{(): third}, {(other,): one}], 1)]
    ask(student, as_draft, cases, judge, rng)


@draft_with_backoff.part("counts its own guesses as text", weight=2, rests_on="where earlier guesses count as text")
def _(student, rng):
    cases = many(rng, 5, 3, 0.6) + many(rng, 4, 4, 0.4) + many(rng, 3, 2, 0.7)
    ids = alphabet(rng, 4)  # a long way round
    ring = {(one,): other for one, other in zip(ids, ids[1:] + ids[:1], strict=True)}
    cases.append(case([ids[0]], [{}, ring], whole(20, 40, rng)))
    one, other, third = strangers(rng, 3, ())
    cases.append(case([one], [{(): third}, {(one,): other, (other,): third}], 3))
    ask(student, as_draft, cases, judge, rng)


@draft_with_backoff.part("ends where nobody knows what follows", weight=2, rests_on=(
    "If that is empty too, nobody knows what follows: the draft ends there"))
def _(student, rng):
    cases = many(rng, 6, 3, 0.3, empty=False) + many(rng, 4, 2, 0.5, empty=False)
    cases.append(case(strangers(rng, 4, ()), [{}, {}], 5))
    one, other, third = strangers(rng, 3, ())
    cases.append(case([one], [{}, {(one,): other}, {(one, other): third}], 6))
    ask(student, as_draft, cases, judge, rng)


@draft_with_backoff.part("takes short and empty texts, one table, and k = 0", weight=1, rests_on=(
    "it may be shorter than the longest context of the tables, or empty", "k: how many tokens to draft, >= 0",
    "list of n >= 1 dicts", "LongTensor [<= k]"))
def _(student, rng):
    cases = []
    for length in (0, 1, 2):
        ids = alphabet(rng, 3)
        cases.append(case(drawn_text(rng, length, ids), drawn_tables(rng, ids, 4, 0.7), whole(2, 6, rng)))
    ids = alphabet(rng, 3)
    cases += [case(drawn_text(rng, 5, ids), [{(): ids[1]}], whole(2, 5, rng)), case([], [{}], 3)]
    cases.append(case(drawn_text(rng, 5, ids), drawn_tables(rng, ids, 3, 0.7), 0))
    ask(student, as_draft, mixed(cases, rng), judge)



@draft_with_backoff.argument("context")
def _(student, rng):
    ids = alphabet(rng, 4)
    tables = [{(): ids[0]}, {(one,): one for one in ids}]
    return [[student(torch.tensor([one] * 3), tables, 3) for one in two] for two in (ids[:2], ids[2:])]


@draft_with_backoff.argument("tables")
def _(student, rng):
    ids = alphabet(rng, 4)
    text = torch.tensor(drawn_text(rng, 6, ids))
    return [[student(text, [{(): one}, {(two,): one for two in ids}], 3) for one in two] for two in (ids[:2], ids[2:])]


@draft_with_backoff.argument("k")
def _(student, rng):
    ids = alphabet(rng, 4)
    text, tables = torch.tensor(drawn_text(rng, 6, ids)), drawn_tables(rng, ids, 3, 1.0)
    return [[student(text, tables, k) for k in ks] for ks in ((2, 5), (3, 7))]


draft_with_backoff.mistake("float_ids", FLOATS)
draft_with_backoff.mistake("no_tensor", NO_TENSOR)
