"""Wrong automata: classes that behave as students' do, and what is read about each.

Knows: the exercise's methods, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import torch

from .automaton import SuffixAutomaton, places
from .texts import FLOATS, NO_TENSOR


def copying(find, told=True, tokens=lambda text, place, k: text[place : place + k]):
    """A class that copies from behind find(text), a place or None; `told`: whether `extend` is heard."""

    class Rule:
        def __init__(self, ids=()):
            self.text = [int(token) for token in ids]

        def extend(self, token):
            if told:
                self.text.append(int(token))

        def propose(self, k):
            place = find(self.text) if self.text else None
            return torch.tensor([] if place is None else tokens(self.text, place, k), dtype=torch.long)

    return Rule


def behind(text, n, pick):
    """The place behind a match of the last n tokens: the first or the last one (`pick` is 0 or -1)."""
    ending = text[len(text) - n :]
    found = [end for end in range(n, len(text)) if text[end - n : end] == ending] if 0 < n <= len(text) else []
    return found[pick] if found else None


def _at_most(most, pick):
    return lambda text: next((found for n in range(min(most, len(text) - 1), 0, -1)
                              if (found := behind(text, n, pick)) is not None), None)


def _longest(pick, least=1):
    def find(text):
        n, found = places(text)
        return found[pick] if n >= least else None

    return find


def _apart(pick):
    """The longest ending that stood before without overlapping itself."""
    def find(text):
        best = None
        for n in range(1, len(text) // 2 + 1):
            ending = text[len(text) - n :]
            found = [end for end in range(n, len(text) - n + 1) if text[end - n : end] == ending]
            best = found[pick] if found else best
        return best

    return find


def _both(make, **how):
    """The rule with the first and with the most recent of several places."""
    return tuple(copying(make(pick), **how) for pick in (0, -1))


class GoesOn:
    """Goes on with a match while it goes on, and begins anew with the last token alone where it does not."""

    def __init__(self, ids=()):
        self.text, self.place, self.behind = [], None, {}
        for token in ids:
            self.extend(token)

    def extend(self, token):
        token = int(token)
        goes_on = self.place is not None and self.text[self.place] == token
        self.place = self.place + 1 if goes_on else self.behind.get(token)
        self.text.append(token)
        self.behind[token] = len(self.text)

    def propose(self, k):
        return torch.tensor([] if self.place is None else self.text[self.place : self.place + k], dtype=torch.long)


def _at_its_length(text):
    n, _ = places(text)
    return n or None


def _shifted(by):
    return lambda text, place, k: text[max(0, place + by) : max(0, place + by) + k]


def _from_the_match(pick):
    def find(text):
        n, found = places(text)
        return found[pick] - n if found else None

    return find


def faulty(clone=True, end="kept", edges=dict, turned=-1, link=True, short=True):
    """A suffix automaton with one fault in how it clones; the arguments say where. `turned`: how many edges (-1: all).
    """

    class Rule:
        def __init__(self, ids=()):
            self.text, self.next, self.length, self.link, self.end = [], [{}], [0], [-1], [0]
            self.last = 0
            for token in ids:
                self.extend(token)

        def extend(self, token):
            token = int(token)
            self.text.append(token)
            new, size = self._state({}, len(self.text), 0, len(self.text)), len(self.text)
            state, self.last = self.last, new
            while state >= 0 and token not in self.next[state]:
                self.next[state][token] = new
                state = self.link[state]
            if state < 0:
                return
            old = self.next[state][token]
            if self.length[old] == self.length[state] + 1 or not clone:
                self.link[new] = old
                return
            length = self.length[state] + 1 if short else self.length[old]
            copied = self._state(edges(self.next[old]), length, self.link[old],
                                 self.end[old] if end == "kept" else size)
            self.link[new] = copied
            if link:
                self.link[old] = copied
            left = turned
            while left and state >= 0 and self.next[state].get(token) == old:
                self.next[state][token] = copied
                state, left = self.link[state], left - 1

        def _state(self, edges, length, link, end):
            for one, value in ((self.next, edges), (self.length, length), (self.link, link), (self.end, end)):
                one.append(value)
            return len(self.next) - 1

        def propose(self, k):
            known = self.link[self.last]
            place = self.end[known] if known > 0 else len(self.text)
            return torch.tensor(self.text[place : place + k], dtype=torch.long)

    return Rule


for _id, _message, _rules in (
    ("nothing", "Your automaton never proposes anything. Does the ending match itself? Behind the end of the text "
     "there is nothing to copy: what counts is where it stood before.",
     (copying(lambda text: None),)),
    ("last_token_only", "You look for the last token alone. The longest ending that stood before counts: two places "
     "that agree in many tokens go on alike more often.",
     _both(lambda pick: _at_most(1, pick))),
    ("limited", "Longer matches are not found: you look for a few tokens at most. However long an ending is, the "
     "longest one that stood before counts.",
     tuple(rule for most in (2, 3, 4, 5, 8, 10, 16, 32, 64)
           for rule in _both(lambda pick, most=most: _at_most(most, pick)))),
    ("never_one", "After short matches your draft is empty. Here every match counts, one of a single token too: "
     "whether it is worth asking is for others to say.",
     tuple(rule for least in (2, 3, 4) for rule in _both(lambda pick, least=least: _longest(pick, least)))),
    ("goes_on", "You follow one match as long as it goes on, and where it ends you begin anew with the last token. A "
     "shorter ending of it, longer than one token, may have stood elsewhere: the links lead there.",
     (GoesOn,)),
    ("length_not_end", "You copy from the place that the length of the match names. What followed it stands at `end`, "
     "the place behind the match.",
     (copying(_at_its_length),)),
    ("empty_matches", "Where the last token is new you copy from the beginning of the text. The empty ending stands "
     "everywhere, and that is no match.",
     _both(lambda pick: lambda text: _longest(pick)(text) or 0)),
    ("no_overlap", "A match that overlaps the ending is left out. In `a a a` the ending `a a` stood in the text "
     "before, one place further up.",
     _both(_apart)),
    ("copies_the_match", "Your draft begins with the match itself. Copy what stands behind it.",
     (copying(_from_the_match(0)), copying(_from_the_match(-1)))),
    ("one_too_early", "Your copy begins one token too early, with the last token of the match. `end` is the place "
     "*behind* it.",
     _both(_longest, tokens=_shifted(-1))),
    ("one_too_far", "Your copy begins one token too late. The first token behind the match is the first guess.",
     _both(_longest, tokens=_shifted(1))),
    ("k_ignored", "Your draft is longer than k tokens.",
     _both(_longest, tokens=lambda text, place, k: text[place:])),
    ("past_the_end", "Your copy goes on behind the end of the text. It ends there, with fewer than k tokens.",
     (*_both(_longest, tokens=lambda text, place, k: (text[place:] * (k + 1))[:k]),
      *_both(_longest, tokens=lambda text, place, k: (text[place : place + k] + [text[-1]] * k)[:k]),
      *_both(_longest, tokens=lambda text, place, k: (text[place : place + k] + [0] * k)[:k]))),
    ("wants_k_tokens", "You propose nothing where fewer than k tokens follow the match. It counts: the draft is "
     "shorter then.",
     _both(_longest, tokens=lambda text, place, k: text[place : place + k] if place + k <= len(text) else [])),
    ("not_extended", "What `extend` adds never counts: your automaton knows only the text that it began with. What "
     "has just been written is the best place to copy from.",
     _both(_longest, told=False)),
    ("no_clone", "You never clone a state. Where the state that you find has strings longer by more than one token, "
     "only the shorter ones of them end here: these need a state of their own, or matches are taken for longer than "
     "they are.",
     (faulty(clone=False),)),
    ("clone_end", "Your cloned state ends at the newest token. It takes over the `end` of the state that it is cloned "
     "from: its strings stood there before.",
     (faulty(end="newest"),)),
    ("clone_edges", "Your cloned state begins without edges. Its strings went on like those of the state that it is "
     "cloned from: copy the dict.",
     (faulty(edges=lambda old: {}),)),
    ("clone_length", "Your cloned state takes over the length of the old one. It holds the shorter strings only: its "
     "length is that of the state that leads to it, plus 1.",
     (faulty(short=False),)),
    ("same_edges", "Your cloned state and the old one share one dict of edges: what is added to one is added to the "
     "other. Give the clone a copy, `dict(...)` or `.copy()`.",
     (faulty(edges=lambda old: old),)),
    ("not_turned", "You clone a state, and edges of shorter strings still lead to the old one. They have to lead to "
     "the clone: go on along the links, and turn each edge that leads to the old state.",
     (faulty(turned=0), faulty(turned=1))),
    ("old_link", "After cloning, the old state's link stays what it was. It has to lead to the clone: that one holds "
     "its longest shorter endings now.",
     (faulty(link=False),)),
):
    SuffixAutomaton.mistake(_id, _message, imitate=_rules)
for _id, _message in (
    ("asking_changes", "Asking changes your automaton. What it proposes is a guess, not text: only `extend` adds to "
     "the text."),
    ("shared", "Two automata share something. What belongs to one is made in __init__ with self., not in the body of "
     "the class, nor as a default argument."),
    ("tensor_keys", "A token may come as a 0-d tensor, and two tensors of equal value are two keys of a dict. Begin "
     "with `token = int(token)`."),
    ("slow", "Right, but not in time. In every step something is done for each token of the text: a search through "
     "all of it, an index that is built anew, or a copy of it. With an automaton a step costs the same in a long text "
     "as in a short one; `append` makes a list longer without copying it."),
    ("slow_to_build", "Right, but the beginning of the text takes far too long: its time grows with the square of "
     "the text, or worse. Each token should take a constant time, on average."),
    ("float_ids", FLOATS),
    ("no_tensor", NO_TENSOR),
):
    SuffixAutomaton.mistake(_id, _message)
SuffixAutomaton.help(r"missing \d+ required positional|takes \d+ positional|unexpected keyword",
                     "The methods are __init__(self, ids=()), extend(self, token) and propose(self, k): is `self` "
                     "there?")
SuffixAutomaton.help(r"has no attribute", "What a method needs later has to be set in __init__: self.name = ...")
SuffixAutomaton.help(r"IndexError|out of range", "Nothing may have been told yet, and k may be larger than what is "
 "left of the text.")
SuffixAutomaton.help(r"KeyError", "Not every token has an edge from every state: ask first (`token in "
 "self.next[state]`).")
