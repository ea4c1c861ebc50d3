"""Wrong rules for who is heard of several drafters.

Knows: the exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import torch

from .texts import FLOATS, NO_TENSOR
from .turns import combine


def _all_asked(choose):
    """A combination that asks everybody and chooses of their drafts: choose(drafts, k), or None."""

    def rule(drafters):
        def propose(ids, k):
            draft = choose([drafter(ids, k) for drafter in drafters], k)
            return ids[:0] if draft is None else draft

        return propose

    return rule


def _first(heard):
    """A combination that answers the first draft for which heard(draft, k) holds."""

    def rule(drafters):
        def propose(ids, k):
            return next((draft for draft in (drafter(ids, k) for drafter in drafters) if heard(draft, k)), ids[:0])

        return propose

    return rule


def _used_up(drafters):
    left = iter(drafters)
    return lambda ids, k: next((draft for draft in (drafter(ids, k) for drafter in left) if len(draft)), ids[:0])


def _stays(drafters):
    chosen: list = []

    def propose(ids, k):
        for drafter in chosen or drafters:
            if len(draft := drafter(ids, k)):
                chosen[:] = [drafter]
                return draft
        return ids[:0]

    return propose


def _fills_up(drafters):
    def propose(ids, k):
        text = ids
        for drafter in drafters:
            if len(text) < len(ids) + k:
                text = torch.cat([text, drafter(text, len(ids) + k - len(text))])
        return text[len(ids) :]

    return propose


for _id, _message, _rules in (
    ("no_function", "combine returns a function: one that is called in every round, with the text so far.", ()),
    ("asks_all", "You ask drafters behind the first that speaks. One of them may be a model, whose guess takes time "
     "and is then thrown away: return as soon as somebody has spoken.", ()),
    ("asks_twice", "You ask a drafter twice for one draft. Keep what it answers in a variable.", ()),
    ("longest", "You take the longest draft. The first drafter that has something to say is heard, however short: "
     "the order says whom to trust.",
     (_all_asked(lambda drafts, k: max(drafts, key=len, default=None)),)),
    ("last_one", "You take the last draft that is not empty. The first one counts.",
     (_all_asked(lambda drafts, k: next((draft for draft in reversed(drafts) if len(draft)), None)),
      lambda drafters: _first(lambda draft, k: len(draft))(drafters[::-1]))),
    ("joined", "You put several drafts together. What a drafter says follows the text, not another one's guess: "
     "answer one draft.",
     (_all_asked(lambda drafts, k: torch.cat(drafts)[:k] if drafts else None),
      _all_asked(lambda drafts, k: torch.cat(drafts) if drafts else None), _fills_up)),
    ("only_the_first", "You answer the first drafter even where it is silent. Then the next one is asked.",
     (_first(lambda draft, k: True), _all_asked(lambda drafts, k: next(iter(drafts), None)))),
    ("only_some", "You ask the first few drafters only. Where all of these are silent, the next one is asked, down "
     "to the last.",
     tuple(lambda drafters, most=most: _first(lambda draft, k: len(draft))(drafters[:most]) for most in (2, 3, 4, 8))),
    ("wants_k_tokens", "You hear only a drafter that says k tokens. One that says fewer is heard, too.",
     (_first(lambda draft, k: len(draft) == k),)),
    ("zero_is_nothing", "You take a draft of the token 0 for an empty one: ask for its length, not for its sum or "
     "whether any of it is true.",
     (_first(lambda draft, k: draft.any()), _first(lambda draft, k: draft.sum() > 0))),
    ("used_up", "The drafters are used up after a few drafts: an iterator is gone through once only. Begin with the "
     "first drafter every time.",
     (_used_up,)),
    ("stays", "You stay with the drafter that spoke first. Every time all are asked anew, in their order.",
     (_stays,)),
):
    combine.mistake(_id, _message, imitate=_rules)
combine.mistake("float_ids", FLOATS)
combine.mistake("no_tensor", NO_TENSOR)
combine.help(r"ambiguous|Boolean value",
             "`if draft:` does not ask whether a tensor is empty. Use `if len(draft) > 0:`.")
combine.help(r"IndexError|StopIteration|out of range|empty", "The list of drafters may be empty, and all of them may "
             "be silent.")
