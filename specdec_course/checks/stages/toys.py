"""Toy models over a vocabulary of two to four tokens, small enough that the law of a whole text can be written down.

Knows: how to make a toy model, the law of the text that it writes, and how to complete what a round emitted to a text
of fixed length. Does not know: exercises, students.

A law is a dict {tuple of ids: probability}. A text has the target's law when every tuple of k + 1 tokens does: a
round that emits fewer is completed by the target's own conditionals, as the rounds after it would.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable

import torch

Rows = Callable[[tuple[int, ...]], torch.Tensor]  # the tokens so far -> distribution of the next one, FloatTensor [V]


def toy_forward(vocab_size: int, rng: torch.Generator, spread: float = 1.0) -> Callable:
    """A Forward, Ids [T] -> Logits [T, V], whose next token depends on the last two tokens and on the position."""
    pairs = spread * torch.randn(vocab_size, vocab_size, vocab_size, generator=rng)
    places = spread * torch.randn(16, vocab_size, generator=rng)

    def forward(ids):
        before = torch.cat([ids[:1], ids[:-1]])
        return pairs[before, ids] + places[torch.arange(len(ids)) % 16]

    return forward


def toy_rows(vocab_size: int, rng: torch.Generator, spread: float = 1.0) -> Rows:
    """A toy model as rows of probabilities, with the beginning of the text as one more token in front."""
    forward, known = toy_forward(vocab_size, rng, spread), {}

    def row(text):
        if text not in known:
            known[text] = torch.softmax(forward(torch.tensor((0, *text)))[-1], dim=-1)
        return known[text]

    return row


def one_hot_rows(rows: Rows) -> Rows:
    """A drafter that does not draw: all probability on its first choice, as a bigram's."""
    return lambda text: torch.nn.functional.one_hot(rows(text).argmax(), len(rows(text))).to(rows(text))


def fixed_rows(*table) -> Rows:
    """Rows that depend on the position alone; the last one holds for all later positions."""
    rows = [torch.as_tensor(row, dtype=torch.float32) for row in table]
    return lambda text: rows[min(len(text), len(rows) - 1)]


def target_law(target: Rows, length: int) -> dict:
    """The law of the first `length` tokens that the target writes."""
    law = {(): 1.0}
    for _ in range(length):
        law = {(*text, x): mass * p for text, mass in law.items() for x, p in _possible(target(text))}
    return law


def _possible(row: torch.Tensor) -> list[tuple[int, float]]:
    """(token, probability) of the tokens that can come."""
    return [(x, p) for x, p in enumerate(row.tolist()) if p]


def draw_draft(drafter: Rows, k: int, dice) -> tuple[list[int], list[torch.Tensor]]:
    """k tokens drawn from the drafter by the same dice, and the rows that they were drawn from."""
    draft, rows = [], []
    for _ in range(k):
        rows.append(drafter(tuple(draft)))
        draft.append(dice.roll(rows[-1]))
    return draft, rows


def verification_inputs(target: Rows, draft: list[int], q_rows: list[torch.Tensor]):
    """(draft LongTensor [k], q FloatTensor [k, V], p FloatTensor [k+1, V]) as verify_stochastic wants them."""
    p = torch.stack([target(tuple(draft[:i])) for i in range(len(draft) + 1)])
    q = torch.stack(q_rows) if q_rows else p[:0]
    return torch.tensor(draft, dtype=torch.long), q, p


def completed(law: dict, target: Rows, length: int) -> dict:
    """The law of the first `length` tokens, when the target itself goes on after what a round emitted."""
    whole = defaultdict(float)
    for emitted, mass in law.items():
        rest = {emitted: mass}
        while rest and len(next(iter(rest))) < length:
            rest = {(*text, x): m * p for text, m in rest.items() for x, p in _possible(target(text))}
        for text, m in rest.items():
            whole[text] += m
    return dict(whole)


def marginal(law: dict, place: int = 0) -> dict:
    """The law of one token of the text."""
    single = defaultdict(float)
    for text, mass in law.items():
        single[text[place]] += mass
    return dict(single)


def difference(a: dict, b: dict) -> float:
    """The largest difference between two laws, over all texts."""
    return max((abs(a.get(text, 0.0) - b.get(text, 0.0)) for text in a.keys() | b.keys()), default=0.0)


def total_variation(a: dict, b: dict) -> float:
    """Half the sum of the differences: the probability that has to be moved to turn one law into the other."""
    return 0.5 * sum(abs(a.get(text, 0.0) - b.get(text, 0.0)) for text in a.keys() | b.keys())


def mean_length(law: dict) -> float:
    """Tokens that a round emits on average."""
    return sum(mass * len(text) for text, mass in law.items())


def texts(vocab_size: int, length: int) -> list[tuple[int, ...]]:
    """All texts of this length."""
    return list(itertools.product(range(vocab_size), repeat=length))
