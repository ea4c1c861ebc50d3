"""A suffix automaton of the text as it grows, and the drafter that copies by it.

Knows: which ending of a text stood in it before, and where. Does not know: models, how a draft is verified. A text that
stays as it is has a smaller index (suffixes).
"""

from __future__ import annotations

import torch

from .draft import Draft, Drafter
from .lookup import going_round


class SuffixAutomaton:
    """Remembers a text token by token, and knows at any time the longest ending that stood in it before.

    ids: what the text begins with, a LongTensor [T] or any sequence of ids: the same as an `extend` with each of them.

    Neither `extend` nor `propose` takes longer because the text is long: on average over a text an `extend` takes a
    constant time (amortised O(1)), and a `propose` takes the time of its k tokens. So neither copies the whole text at
    every call. Two automata share nothing.
    """

    def __init__(self, ids=()):
        self.text = []
        self.next, self.length, self.link, self.end = [{}], [0], [-1], [0]  # of each state; state 0 is the empty text
        self.last = 0  # the state of the whole text
        for token in ids.tolist() if hasattr(ids, "tolist") else ids:
            self.extend(token)

    def extend(self, token):
        """The text grows by one token, an int (a 0-d tensor works too)."""
        token = int(token)
        self.text.append(token)
        after, length, link, end = self.next, self.length, self.link, self.end
        new, size = len(after), len(self.text)
        after.append({})
        length.append(size)
        end.append(size)
        state, self.last = self.last, new
        while state >= 0 and token not in after[state]:
            after[state][token] = new
            state = link[state]
        if state < 0:
            link.append(0)
            return
        old = after[state][token]
        if length[old] == length[state] + 1:
            link.append(old)
            return
        link.append(
            new + 1
        )  # the shorter ones of the old state's strings now end here too: they get a state of their own
        after.append(after[old].copy())
        length.append(length[state] + 1)
        link.append(link[old])
        end.append(end[old])
        link[old] = new + 1
        while state >= 0 and after[state].get(token) == old:
            after[state][token] = new + 1
            state = link[state]

    def propose(self, k):
        """A draft to follow the text, LongTensor [<= k]; nothing is changed by asking.

        Of the endings of the text that stood in it before, the longest one counts, however long it is. The draft
        is what followed it there: up to k tokens, or up to the end of the text where that comes first. If it stood in
        several places, any of them will do. An ending does not match itself, but the place further up may overlap it.
        If not even the last token stood in the text before, or nothing does yet, the draft is empty.
        """
        known = self.link[self.last]  # its longest string is the longest ending that stood before
        place = self.end[known] if known > 0 else len(self.text)
        return torch.tensor(self.text[place : place + k], dtype=torch.long)


def matched(automaton: SuffixAutomaton) -> int:
    """How many tokens the longest ending of the text has that stood in it before."""
    return ending(automaton)[1]


def ending(automaton: SuffixAutomaton) -> tuple[int, int]:
    """(state, length) of the longest ending of the text that stood in it before; (0, 0): none did."""
    state = max(0, automaton.link[automaton.last])
    return state, automaton.length[state]


def followed(automaton: SuffixAutomaton, state: int, length: int, token: int) -> tuple[int, int]:
    """(state, length) of the longest ending that stood in the text, when a match of this length is followed by a token
    that the text does not have yet; something follows it there."""
    after, link = automaton.next, automaton.link
    while state > 0 and token not in after[state]:
        state = link[state]
        length = automaton.length[state]
    if token not in after[state]:
        return 0, 0
    state, length = after[state][token], length + 1
    while state > 0 and automaton.end[state] == len(automaton.text):  # its first place is the end of the text
        state = link[state]
        length = automaton.length[state]
    return state, length


class SuffixDrafter(Drafter):
    """Copies what followed the longest ending of the text that stood in it before. Any length of match is found.

    at_least: a match of fewer tokens is not copied from. A copy that reaches the end of the text goes on into itself.
    """

    varies = True

    def __init__(self, at_least: int = 2):
        if at_least < 1:
            raise ValueError(f"at_least is {at_least}; expected a match of at least 1 token")
        self.at_least = at_least
        self.begin(0, 0, "eager")

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        self.automaton, self.known = SuffixAutomaton(), torch.empty(0, dtype=torch.long)

    def propose(self, ids, k, sampling=None, dice=None) -> Draft:
        ids = ids.cpu()
        if not torch.equal(ids[: len(self.known)], self.known):
            self.automaton, self.known = SuffixAutomaton(), ids[:0]
        for token in ids[len(self.known) :].tolist():
            self.automaton.extend(token)
        self.known = ids
        found = matched(self.automaton) >= self.at_least
        return Draft(going_round(self.automaton.propose(k), k) if found else ids[:0])
