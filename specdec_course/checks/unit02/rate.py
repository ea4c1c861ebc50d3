"""Right and wrong in `hit_rate`: right guesses over guesses, on the text and with the table that are given."""

from __future__ import annotations

import numpy as np
import torch

from ...drafters.bigram import build_next_token_array as counted_at_once
from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import Subject
from .inputs import REAL, cycle, some

hit_rate = Exercise(
    "hit_rate",
    unit="02",
    points=1,
    difficulty=1,
    minutes=10,
    reference="specdec_course.drafters.bigram:hit_rate",
    hints=(
        "Take a text of four tokens. How many guesses can the table make about it, and which token judges each guess?",
        "`next_token_array[ids[:-1]]` are the guesses, `ids[1:]` is what really came. Compare, then average. A text of "
        "one token has no guess: return 0.0 before you divide.",
    ),
)


def _text_with_hits(rng, length: int, size: int) -> tuple[torch.Tensor, np.ndarray]:
    """A random table, and a text that follows it about two times out of five."""
    table = torch.randint(size, (size,), generator=rng)
    follow = torch.rand(length, generator=rng) < 0.4
    ids = torch.randint(size, (length,), generator=rng)
    for i in range(1, length):
        if follow[i]:
            ids[i] = table[ids[i - 1]]
    return ids, table.numpy().astype(np.int32)


def _text_with_spaces(rng) -> tuple[torch.Tensor, np.ndarray]:
    """A table that guesses 220, the default of build_next_token_array, rightly at two places of the text."""
    ids, table = _text_with_hits(rng, whole(30, 60, rng), 400)
    before, after = whole(0, 219, rng), (int(table[220]) + 1) % 400
    table[before] = 220
    return torch.cat([ids, torch.tensor([before, 220, before, 220, after])]), table


def _four_large_ids(rng) -> tuple[torch.Tensor, np.ndarray]:
    """Four ids that 16 bits do not hold, and the table of a real model that guesses the first two steps."""
    size = REAL[whole(0, 2, rng)]
    table, (first, second, third) = cycle(rng, size), some(rng, 3, 66_000, size)
    table[[first, second, third]] = second, third, first
    return torch.tensor([first, second, third, second]), table


def _rate(student: Subject, ids, table) -> float:
    rate = student.returned_float(ids, table)
    if not 0 <= rate <= 1:
        raise Wrong("A rate is a share, between 0 and 1: right guesses over all guesses.", mistake="not_a_share")
    return rate


def _counted_from(ids, table, denominator):
    hits = (torch.as_tensor(table)[ids[:-1]] == ids[1:]).sum().item() if len(ids) > 1 else 0
    return hits / denominator if denominator else 0.0


def _hits(ids, table):
    return (torch.as_tensor(table)[ids[:-1]] == ids[1:]).long()


def _chained(ids, table) -> float:
    guesses = [int(ids[0])]
    while len(guesses) < len(ids):
        guesses.append(int(table[guesses[-1]]))
    return (torch.tensor(guesses[1:]) == ids[1:]).double().mean().item()


def _without_220(ids, table) -> float:
    counted = torch.as_tensor(table)[ids[:-1]] != 220
    return (_hits(ids, table)[counted].sum() / max(1, int(counted.sum()))).item()


def _by_token(ids, table) -> float:
    hits, kinds = _hits(ids, table).double(), ids[:-1]
    return float(np.mean([hits[kinds == kind].mean().item() for kind in kinds.unique()]))


RULES = {
    "denominator": lambda ids, table: _counted_from(ids, table, len(ids)),
    "refitted": lambda ids, table: _counted_from(ids, counted_at_once(ids, len(table), 0), len(ids) - 1),
    "backwards": lambda ids, table: _counted_from(ids.flip(0), table, len(ids) - 1),
    "same_place": lambda ids, table: (torch.as_tensor(table)[ids] == ids).double().mean().item(),
    "same_place, of all but the first": lambda ids, table: RULES["same_place"](ids[1:], table),
    "same_place, of all but the last": lambda ids, table: RULES["same_place"](ids[:-1], table),
    "misses": lambda ids, table: 1 - _counted_from(ids, table, len(ids) - 1),
    "whole_division": lambda ids, table: _counted_from(ids, table, len(ids) - 1) // 1,
    "first_miss": lambda ids, table: _hits(ids, table).cumprod(0).double().mean().item(),
    "own_chain": lambda ids, table: _chained(ids, table),
    "per_token": lambda ids, table: _by_token(ids, table),
    "zero_is_nothing": lambda ids, table: _counted_from(ids, table, len(ids) - 1) - _hits(ids, table)[
        ids[1:] == 0].sum().item() / (len(ids) - 1),
    "zero_is_nothing,before": lambda ids, table: _counted_from(ids, table, len(ids) - 1) - _hits(ids, table)[
        ids[:-1] == 0].sum().item() / (len(ids) - 1),
    "skips_the_default": lambda ids, table: _without_220(ids, table),
    "skips_the_default, as misses": lambda ids, table: _hits(ids, table)[torch.as_tensor(table)[ids[:-1]] != 220].sum()
    .item() / (len(ids) - 1),
}


@hit_rate.part("divides the right guesses by the guesses", weight=2, rests_on=(
    "right guesses over guesses", "It is used as it is", "there are T - 1 guesses"))
def _(student, rng):
    asked = [_text_with_hits(rng, length, 15) for length in mixed((12, 40, 150, 300), rng)]
    asked += [_text_with_hits(rng, whole(20, 60, rng), size) for size in (15, REAL[whole(0, 2, rng)])]
    asked += [_text_with_spaces(rng), _four_large_ids(rng)]
    rates = [_rate(student, ids, table) for ids, table in asked]
    expected = [_counted_from(ids, table, len(ids) - 1) for ids, table in asked]
    if np.allclose(rates, expected, atol=1e-5):
        return
    for name, rule in RULES.items():
        if np.allclose(rates, [rule(ids, table) for ids, table in asked], atol=1e-5):
            raise Wrong("Your rate is off.", mistake=name.split(",")[0])
    off = [one for one in zip(asked, rates, expected, strict=True) if abs(one[1] - one[2]) > 1e-5]
    (ids, table), rate, due = min(off, key=lambda one: len(one[0][0]))
    text = f"the text {ids.tolist()}" if len(ids) < 9 else f"a text of {len(ids)} tokens"
    says = f" (the table says {table[ids[:-1]].tolist()} after the first ones)" if len(ids) < 9 else ""
    raise Wrong(f"Your rate is off. For {text}{says} it is {rate:.4f}, and {round(due * (len(ids) - 1))} of "
                f"{len(ids) - 1} guesses are right.")


@hit_rate.part("is 1 for a table that always knows, and 0 for one that never does", rests_on=(
    "float in [0, 1]: right guesses over guesses", "It is used as it is"))
def _(student, rng):
    table = cycle(rng, 12)
    walk = torch.tensor([0, *_walk(table, whole(15, 25, rng))])
    backwards = np.argsort(table).astype(np.int32)  # wrong everywhere; its own chain meets the text again
    answers = {}
    for name, (ids, given) in mixed({"knows": (walk, table), "never": (walk, backwards),
                                     "some": _text_with_hits(rng, 30, 15)}.items(), rng):
        answers[name] = _rate(student, ids, given)
    if abs(answers["knows"] - 1) > 1e-6:
        raise Wrong("The text follows the table at every step, so the rate is 1: what do you divide by?")
    if answers["never"] > 1e-6:
        raise Wrong("The table is wrong at every step, so the rate is 0. Do you measure the table that you were given?")
    if answers["some"] in (answers["knows"], answers["never"]):
        raise Wrong("A table that is right now and then has a rate between 0 and 1.")


def _walk(table, steps: int) -> list[int]:
    walk = [0]
    for _ in range(steps):
        walk.append(int(table[walk[-1]]))
    return walk[1:]


@hit_rate.part("takes texts of two, one and no tokens", rests_on="without any guess (T < 2) the rate is 0.0")
def _(student, rng):
    table = cycle(rng, 12)
    token = whole(0, 11, rng)
    for ids, expected in mixed((([token, int(table[token])], 1.0), ([token, token], 0.0), ([token], 0.0), ([], 0.0),
                                ([token, token, int(table[token])], 0.5)), rng):
        rate = _rate(student, torch.tensor(ids, dtype=torch.long), table)
        if abs(rate - expected) > 1e-6:
            raise Wrong(f"The rate of a text with len(ids) = {len(ids)} is wrong. How many guesses are there?")


hit_rate.mistake(
    "denominator",
    "You divide by the number of tokens. The first token of the text is not guessed by anybody: T tokens make T - 1 "
    "guesses. On a short text the difference shows.",
)
hit_rate.mistake(
    "refitted",
    "You measure another table than the one you were given: one fitted on the very text it is measured on. Such a "
    "table has seen the answers. Fit on one text, measure on another; here, use next_token_array as it is.",
)
hit_rate.mistake(
    "backwards",
    "You let the table guess the token *before*. The guess made at position t is judged by the token at t + 1.",
)
hit_rate.mistake(
    "same_place",
    "You compare the guess made at a token with that same token. The guess is about the next one: shift by one.",
)
hit_rate.mistake(
    "not_a_share", "Your rate is not a share between 0 and 1. Divide the right guesses by the number of guesses."
)
for _id, _message in (
    ("misses", "You count the wrong guesses. The rate is the share of those that are right."),
    ("whole_division", "You divide with //, which throws away what is behind the point: a rate is a share, divide with "
                       "/."),
    ("first_miss", "You stop counting at the first wrong guess. This text goes on whatever the table says: each of the "
                   "T - 1 guesses counts by itself."),
    ("own_chain", "You let the table go on from its own guess. Each guess is made from the token that really stands in "
                  "the text."),
    ("per_token", "You average the rates of the different tokens. Then a rare token weighs as much as a frequent one: "
                  "divide all right guesses by all guesses, once."),
    ("zero_is_nothing", "Right guesses that have to do with the token 0 are not counted: `if guess` is false for 0, as "
                        "for None. It is a token like any other."),
    ("skips_the_default", "You leave out the guesses that are 220. That is a token like any other, whatever table it "
                          "comes from: all T - 1 guesses are counted."),
):
    hit_rate.mistake(_id, _message)
hit_rate.help(
    r"size of tensor a|broadcast|shapes? mismatch|must match",
    "Guesses and truth differ in length: guesses start from all tokens but the last, the truth is all but the first.",
)
hit_rate.help(r"ZeroDivisionError|nan", "A text of one token has no guess at all: return 0.0 there.")
hit_rate.help(
    r"could not infer output dtype|Got: Bool|'bool' object has no attribute",
    "Averaging wants numbers: compare two tensors (or two arrays) of one kind, then `.float().mean()`.",
)
hit_rate.help(
    r"tensors used as indices must be|can't convert np|only integer tensors|invalid index",
    "The table is a numpy array, the text a tensor: make both one kind, e.g. `torch.as_tensor(next_token_array)`.",
)
