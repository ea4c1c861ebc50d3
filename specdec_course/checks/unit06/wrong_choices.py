"""More wrong rules for the exercises about drafts, tokenizers and rows of logits: (id, what the student reads, rules).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right (the exercises' own files).
"""

from __future__ import annotations

import functools
import operator

from ...models.vocabulary import PROBE
from ...theory import Candidate
from .. import observe
from ..ask import uniform, whole
from . import tiny_tokenizers as tiny
from .choice import _best, _by, choose_draft
from .language import PLACES, _encoded, _facts, _listed, _roles, _vocabularies, compatible
from .length import clear_best, speeds
from .tiny_tokenizers import tokenizer
from .tokens import rate
from .width import INF, _pad, align_vocabulary


def _chosen(pool=lambda candidates: candidates, then=lambda one, k, speed, candidates: (one.name, k, speed)):
    """The right choice out of a part of the candidates, changed at the end."""

    def rule(candidates):
        if not candidates:
            raise ValueError
        one = max(pool(candidates), key=_best)
        k = clear_best(one.alpha, one.c) or 0
        return then(one, k, rate(one.alpha, k, one.c), candidates)

    return rule


def _length_of(place):
    return _chosen(then=lambda one, k, speed, all: (
        one.name, clear_best(all[place].alpha, all[place].c) or 0, speed))


def _at_the_length_of(place):
    """All at the draft length that is best for one of them."""

    def rule(candidates):
        if not candidates:
            raise ValueError
        k = clear_best(candidates[place].alpha, candidates[place].c) or 0
        one = max(candidates, key=lambda one: rate(one.alpha, k, one.c))
        return one.name, k, rate(one.alpha, k, one.c)

    return rule


for _id, _message, _rules in (
    ("length_for_all", "You find the best draft length of one candidate, the first or the last of the list, and "
     "compare all at that length. Each has its own best k.", (_at_the_length_of(0), _at_the_length_of(-1))),
    ("longest_draft",
     "You choose the candidate whose best draft is the longest. That says how far it may guess, not what it brings: a "
     "nearly free draft is long and may gain little.",
     (_by(lambda one: clear_best(one.alpha, one.c) or 0),)),
    ("tokens_as_speed", "Your third number is the tokens of a round, not the speed-up: divide by its time.",
     (_chosen(then=lambda one, k, speed, all: (one.name, k, rate(one.alpha, k, 0.0))),)),
    ("length_of_another",
     "Name and speed-up belong to the fastest candidate, the draft length to another one, the first or the last of the "
     "list. Does a variable of the loop keep its last value?",
     (_length_of(-1), _length_of(0))),
    ("rounded", "You round the speed-up. Two drafts may differ in the third decimal.",
     tuple(_chosen(then=lambda one, k, speed, all, digits=digits: (one.name, k, round(speed, digits)))
           for digits in (1, 2, 3))),
    ("by_name",
     "You choose the last name in the alphabet: of tuples, max compares what stands first. Give max a key, or put the "
     "speed-up first while you compare.", (_by(lambda one: one.name),)),
    ("one_left_out", "The first or the last candidate is never looked at. It may be the fastest.",
     (_chosen(pool=lambda all: all[:-1] or all), _chosen(pool=lambda all: all[1:] or all))),
    ("no_speed", "Where nothing pays your name and your k = 0 are fine, the third number is not: not drafting is as "
     "fast as plain decoding, 1.0.",
     tuple(_chosen(then=lambda one, k, speed, all, then=then: (one.name, k, speed if k else then))
           for then in (0.0, 0))),
):
    choose_draft.mistake(_id, _message, imitate=_rules)


def _same_names(rng) -> tuple:
    name = f"draft {whole(0, 10**9, rng)}"
    return (([Candidate(name, uniform(0.3, 0.5, rng), uniform(0.02, 0.05, rng))],),
            ([Candidate(name, uniform(0.7, 0.9, rng), uniform(0.02, 0.05, rng))],))


def _right_choice(answer, candidates) -> bool:
    found = speeds(candidates[0].alpha, candidates[0].c)
    return abs(float(answer[2]) - max(found)) < 1e-4


choose_draft.mistake("remembered", observe.MEMORY, observe=observe.from_memory(_same_names, right=_right_choice))
choose_draft.help(r"ZeroDivisionError", "A candidate may have alpha = 1, and 1 - alpha is 0 then; c may be 0, too.")


# ------------------------------------------------------------------------------------------------ compatible


def _moved_among(first: int):
    """A wrong rule: only the tokens with the smallest ids are compared."""

    def rule(draft, target):
        a, b = _facts(draft)[0], _facts(target)[0]
        words = sorted(a.keys() & b.keys(), key=a.get)[:first]
        return _listed(any(a[word] != b[word] for word in words), _vocabularies(draft, target)[1],
                       _encoded(draft) != _encoded(target), _roles(draft) != _roles(target))

    return rule


def _otherwise_right(cuts, pads=lambda draft, target: {draft.pad_token, target.pad_token}, alike=operator.eq):
    """The right rule with another look at how a text is cut, or at which tokens are excused."""

    def rule(draft, target):
        a, b = _facts(draft)[0], _facts(target)[0]
        unlike = any(a.get(word) != b.get(word) for word in (a.keys() | b.keys()) - pads(draft, target))
        return _listed(unlike, not alike(cuts(draft), cuts(target)), _roles(draft) != _roles(target))

    return rule


def _roles_that_differ(differ):
    """The right rule with another look at the special tokens."""
    return lambda draft, target: _listed(*_vocabularies(draft, target), _encoded(draft) != _encoded(target),
                                         *map(differ, _roles(draft), _roles(target)))


@functools.lru_cache(512)
def _ids(t, text: str) -> list[int]:
    return t.encode(text, add_special_tokens=False)


def _special(draft, target) -> set:
    return {word for word in _facts(draft)[0].keys() | _facts(target)[0].keys() if word.startswith("<")}


def _only(text: str):
    return _otherwise_right(lambda t: _ids(t, text))


for _id, _message, _rules in (
    ("always_a_problem", "You always find a problem, whatever the two tokenizers are.", (
        lambda draft, target: ["a problem"],)),
    ("nothing_found", "You never find a problem, whatever the two tokenizers are.", (lambda draft, target: [],)),
    ("same_object",
     "You ask whether both are one object. Two models come with a tokenizer each: equal ones are two objects. Compare "
     "what they hold.", (lambda draft, target: _listed(draft is not target), lambda draft, target: _listed(
         draft != target))),
    ("same_name",
     "You compare where the tokenizers come from. A draft and a target never have the same name, and may have the same "
     "tokens: compare what they hold.", (lambda draft, target: _listed(draft.name_or_path != target.name_or_path),)),
    ("special_excused",
     "You excuse every special token. Only padding is no problem: an added token that one of the two does not know, or "
     "that has another id, may be drafted or wanted like any other.", (_otherwise_right(_encoded, _special),)),
    ("blind_to_capitals",
     "What you compare of a text is the same where one of the two loses the capitals. The number of tokens does not "
     "show that, nor does a text in small letters: compare the ids of PROBE as it stands.",
     (_otherwise_right(lambda t: len(_encoded(t))), _only(PROBE.lower()))),
    ("part_of_text",
     "You compare a part of PROBE, or another text. Tokenizers may differ at a single kind of place: line ends, tabs, "
     "signs of other languages, digits, marks. PROBE has them all: compare all of its ids.",
     tuple(_only(part) for _, place, _ in PLACES for at in [PROBE.index(place)] for part in (PROBE[:at], PROBE[at:]))),
    ("no_order",
     "You compare which ids come in PROBE, not in which order or how often. The same ids in another order are another "
     "text: compare the lists.", (_otherwise_right(lambda t: set(_encoded(t))),
                                  _otherwise_right(lambda t: sorted(_encoded(t))))),
    ("shorter_decides",
     "You compare the ids of PROBE as far as the shorter row goes: `zip` stops there. What the other one has more is "
     "never looked at: compare the two lists.", (_otherwise_right(_encoded, alike=lambda one, other: all(
         i == j for i, j in zip(one, other, strict=False))),)),
    ("zero_special",
     "Special tokens are compared only where Python takes both ids for true, and it takes 0 for false, as it does "
     "None. Compare the two as they are.",
     (_roles_that_differ(lambda one, other: one and other and one != other),)),
    ("missing_special",
     "Where one of the two has no such token (None) and the other one has, you do not compare them. That is a problem "
     "too: the one waits for a token that the other never writes.",
     (_roles_that_differ(lambda one, other: None not in (one, other) and one != other),)),
    ("text_back",
     "You compare the text that comes back from the ids. Tokenizers that cut it in different places give the same text "
     "back: compare the ids.", (_otherwise_right(lambda t: t.decode(_encoded(t))),)),
    ("small_ids_only",
     "You compare the tokens with the first ids only. A large vocabulary may differ anywhere: go through all of it.",
     tuple(map(_moved_among, (100, 200, 256, 500, 1000)))),
    ("pad_token_compared",
     "You take padding for a problem. Nobody drafts a padding token: it only fills up rows of a batch, and the two may "
     "pad with different tokens.",
     (lambda draft, target: _listed(_otherwise_right(_encoded)(draft, target), draft.pad_token != target.pad_token),)),
):
    compatible.mistake(_id, _message, imitate=_rules)


def _same_sizes(rng) -> tuple:
    size = whole(600, 3000, rng)
    one, same, other = (tokenizer(tiny.enlarged(size, *last))
                        for last in (("word590", "word595"), ("word590", "word595"), ("word595", "word590")))
    return (one, same), (one, other)


compatible.mistake("remembered", observe.MEMORY, observe=observe.from_memory(
    _same_sizes, right=lambda answer, one, other: bool(answer) == (one.get_vocab() != other.get_vocab())))


# ------------------------------------------------------------------------------------------ align_vocabulary


def _cuts_if(dead):
    """A wrong rule that cuts where dead(the columns to cut) says so."""

    def rule(logits, vocab_size):
        if logits.shape[-1] <= vocab_size:
            return _pad(-INF)(logits, vocab_size)
        if not bool(dead(logits[..., vocab_size:])):
            raise ValueError
        return logits[..., :vocab_size]

    return rule


def _one_too_early(asks):
    def rule(logits, vocab_size):
        if asks(logits.shape[-1], vocab_size) and bool((logits[..., vocab_size - 1 :] != -INF).any()):
            raise ValueError
        return _pad(-INF)(logits, vocab_size)

    return rule


def _rows(cut):
    return cut.reshape(-1, cut.shape[-1])


def _drops_dead_ones(logits, vocab_size):
    alive = (logits != -INF).reshape(-1, logits.shape[-1]).any(0)
    if logits.shape[-1] <= vocab_size or int(alive.sum()) > vocab_size:
        return _pad(-INF)(logits, vocab_size)
    return _pad(-INF)(logits[..., alive], vocab_size)


align_vocabulary.mistake(
    "looks_at_one_row",
    "You do not look at all of the columns to cut: only at one row, at one column, or whether anything in them is "
    "-inf. A single entry that is not -inf, in any row and any column, is a token that can be drawn there.",
    imitate=tuple(_cuts_if(dead) for dead in (
        lambda cut: (cut[..., 0] == -INF).all(), lambda cut: (cut[..., -1] == -INF).all(),
        lambda cut: (_rows(cut)[0] == -INF).all(), lambda cut: (_rows(cut)[-1] == -INF).all(),
        lambda cut: (cut == -INF).any(), lambda cut: (_rows(cut) == -INF).all(1).any(),
        lambda cut: (_rows(cut) == -INF).all(0).any())))
for _id, _message, _rules in (
    ("by_their_sum",
     "You look at the sum of what is to be cut, or at its smallest entry. One -inf makes that -inf, whatever stands "
     "beside it: each entry has to be -inf by itself.",
     (_cuts_if(lambda cut: cut.sum() == -INF), _cuts_if(lambda cut: (cut.sum(-1) == -INF).all()),
      _cuts_if(lambda cut: cut.min() == -INF))),
    ("sign",
     "You take a logit below 0 for dead. Logits may be negative, every one of them: only -inf gives the probability 0.",
     (_cuts_if(lambda cut: (cut < 0).all()), _cuts_if(lambda cut: cut.max() < 0))),
    ("zero_is_dead", "You take a logit of 0 for dead. exp(0) = 1: only -inf gives the probability 0.",
     (_cuts_if(lambda cut: (cut <= 0).all()), _cuts_if(lambda cut: ((cut == 0) | (cut == -INF)).all()))),
    ("surplus_let_go", "A surplus of one column is cut without a look. It has to be -inf like several.",
     (_cuts_if(lambda cut: cut.shape[-1] == 1 or (cut == -INF).all()),)),
    ("killed", "You make -inf of entries that were not. Improbable is not impossible: what stays keeps its value.",
     tuple(lambda logits, vocab_size, low=low: _pad(-INF)(logits, vocab_size).masked_fill(
         _pad(-INF)(logits, vocab_size) < low, -INF) for low in (-1e4, -1e9, -1e30, -3e38))),
    ("one_too_early",
     "The first column that you ask about stays: it is number vocab_size - 1. What has to go begins with number "
     "vocab_size, logits[..., vocab_size:].", (_one_too_early(lambda width, size: width > size),
                                               _one_too_early(lambda width, size: width >= size))),
    ("one_too_late",
     "The first column that has to go, number vocab_size, is cut without a look: counting begins at 0.",
     (_cuts_if(lambda cut: (cut[..., 1:] == -INF).all()),)),
    ("drops_dead_anywhere",
     "You drop dead columns wherever they stand. Then those behind them move to other ids. Only columns from "
     "vocab_size on may go.", (_drops_dead_ones,)),
):
    align_vocabulary.mistake(_id, _message, imitate=_rules)
