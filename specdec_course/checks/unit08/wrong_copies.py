"""Wrong rules for prompt lookup: a table (id, what the student reads, the rules that behave so).

Knows: the exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import torch

from .. import observe
from ..ask import whole
from .prompt import prompt_lookup, right_copy
from .texts import strangers


def _copied(find, follow=lambda text, start, n, k: text[start + n : start + n + k], lengths=None):
    """A copy from behind find(places): `places` are the starts of all earlier matches of the longest ending."""
    lengths = lengths or (lambda most, length: range(min(most, length - 1), 0, -1))

    def rule(ids, k, max_ngram=3):
        text = ids.tolist()
        for n in lengths(max_ngram, len(text)):
            ending = text[len(text) - n :]
            starts = [s for s in range(len(text) - n) if text[s] == ending[0] and text[s : s + n] == ending]
            starts = find(starts, len(text), n, k)
            if starts:
                return torch.tensor(follow(text, starts[-1], n, k), dtype=torch.long)
        return torch.empty(0, dtype=torch.long)

    return rule


def _all(starts, *_):
    return starts


for _id, _message, _rules in (
    ("oldest", "Of several matches you take the first one in the text. The most recent one counts: the text is more "
     "like it was a moment ago than like its beginning.",
     (_copied(lambda starts, *_: starts[:1]),)),
    ("matches_itself", "Your draft is always empty. Do your newest tokens match themselves? Behind the end of the text "
     "there is nothing to copy: the last start that may match is T - n - 1.",
     (lambda ids, k, max_ngram=3: ids[:0],)),
    ("shortest_first", "A short match that is more recent decides before a longer one in your function. The longest "
     "one counts: first max_ngram tokens are looked for, then one fewer.",
     (_copied(_all, lengths=lambda most, length: range(1, min(most, length - 1) + 1)),)),
    ("needs_a_long_text", "In a text of no more than max_ngram tokens you look for nothing. Shorter endings may have "
     "stood there: begin with T - 1 tokens.",
     tuple(_copied(_all, lengths=lambda most, length, more=more: range(min(most, length - 1), 0, -1) if (
         length >= most + more) else []) for more in (1, 0))),
    ("longest_only", "You look for max_ngram tokens only. Where they never stood before, one fewer is looked for, "
     "down to one.",
     (_copied(_all, lengths=lambda most, length: [most] if most < length else []),)),
    ("never_one", "You never look for the last token alone. Matches of one token count too, where there is no longer "
     "one.",
     (_copied(_all, lengths=lambda most, length: range(min(most, length - 1), 1, -1)),)),
    ("one_short", "You look for one token fewer than max_ngram at most. range leaves its end out: max_ngram itself is "
     "allowed.",
     (_copied(_all, lengths=lambda most, length: range(min(most - 1, length - 1), 0, -1)),)),
    ("any_length", "You look for more than max_ngram tokens.",
     (_copied(_all, lengths=lambda most, length: range(length - 1, 0, -1)),)),
    ("few_tokens", "However large max_ngram is, you look for a few tokens at most.",
     tuple(_copied(_all, lengths=lambda most, length, limit=limit: range(min(most, limit, length - 1), 0, -1))
           for limit in (4, 5, 8, 10, 16))),
    ("window", "You look for a match in the newest part of the text only. It counts however far up it stands.",
     tuple(_copied(lambda starts, length, n, k, far=far: [s for s in starts if s >= length - far])
           for far in (64, 100, 128, 256, 512, 1024))),
    ("k_limited", "Your draft has a few tokens at most, however large k is.",
     tuple(_copied(_all, lambda text, start, n, k, most=most: text[start + n : start + n + min(k, most)])
           for most in (4, 5, 8, 10, 16))),
    ("max_ngram_ignored", "The argument max_ngram does not reach your answer: 3 is only what it is where nobody says.",
     (_copied(_all, lengths=lambda most, length: range(min(3, length - 1), 0, -1)),)),
    ("starts_too_early", "You begin one place too far up: the last start that may match is T - n - 1, and `range` "
     "leaves its end out.",
     (_copied(lambda starts, length, n, k: [s for s in starts if s < length - n - 1]),)),
    ("beginning_left_out", "You never look at the very beginning: a match may start at place 0.",
     (_copied(lambda starts, length, n, k: [s for s in starts if s > 0]),)),
    ("no_overlap", "A match that overlaps the newest tokens is left out. In `a b a b a b` the last two tokens stood "
     "two places further up, and that is the most recent match.",
     (_copied(lambda starts, length, n, k: [s for s in starts if s + n <= length - n]),
      _copied(lambda starts, length, n, k: [s for s in starts if s + n < length - n]))),
    ("copies_the_match", "Your draft begins with the match itself. Copy what comes behind it: from start + n.",
     (_copied(_all, lambda text, start, n, k: text[start : start + k]),)),
    ("one_too_far", "Your copy begins one token too late: the first token behind the match is left out.",
     (_copied(_all, lambda text, start, n, k: text[start + n + 1 : start + n + 1 + k]),)),
    ("one_too_early", "Your copy begins one token too early: with the last token of the match.",
     (_copied(_all, lambda text, start, n, k: text[start + n - 1 : start + n - 1 + k]),)),
    ("k_ignored", "Your copy is longer than k tokens.",
     (_copied(_all, lambda text, start, n, k: text[start + n :]),)),
    ("wants_k_tokens", "A match near the end of the text is left out, because fewer than k tokens follow it. It "
     "counts: the draft is shorter then.",
     (_copied(lambda starts, length, n, k: [s for s in starts if s + n + k <= length]),
      _copied(lambda starts, length, n, k: [s for s in starts if s + n + k < length]))),
    ("prefers_k_tokens", "You take an older match that k tokens follow before a more recent one that fewer follow. The "
     "most recent one counts: the draft is shorter then.",
     (_copied(lambda starts, length, n, k: [s for s in starts if s + n + k <= length] or starts),
      _copied(lambda starts, length, n, k: [s for s in starts if s + n + k <= length] or starts[:1]))),
    ("past_the_end", "Your copy goes on behind the end of the text. It ends there, with fewer than k tokens.",
     (_copied(_all, lambda text, start, n, k: [(text[start + n :] * (k + 1))[i] for i in range(k)]),
      _copied(_all, lambda text, start, n, k: (text[start + n : start + n + k] + [text[-1]] * k)[:k]),
      _copied(_all, lambda text, start, n, k: (text[start + n : start + n + k] + [0] * k)[:k]))),
    ("shortest_counts", "You leave out a match of the whole text but its first token. With T tokens the longest "
     "ending that can have stood before has T - 1.",
     (_copied(_all, lengths=lambda most, length: range(min(most, length - 2), 0, -1)),)),
):
    prompt_lookup.mistake(_id, _message, imitate=_rules)


def _same_size(rng) -> tuple:
    """Two texts of one length and with one ending, which was followed by something else in each."""
    body, ending = strangers(rng, whole(60, 90, rng), ()), strangers(rng, 12, ())
    one, other = (torch.tensor([*ending, follow, *body, *ending]) for follow in body[:2])
    return (one, 3), (other, 3)


def _three_for_the_default(rng) -> tuple:
    """A text in which 2, 3 and 4 tokens match at places of their own."""
    one, *more = strangers(rng, 9, ())
    ending = more[:3]
    return torch.tensor([one, *ending, more[3], *ending, more[4], *ending[1:], more[5], one, *ending]), 1


prompt_lookup.mistake("default_not_3", "Where max_ngram is left out it is 3: `def prompt_lookup(ids, k, max_ngram=3)`.",
                      observe=observe.other_defaults(_three_for_the_default, {"max_ngram": 3}))
prompt_lookup.mistake("remembered", observe.MEMORY, observe=observe.from_memory(
    _same_size, right=lambda answer, ids, k: answer.tolist() == right_copy(ids.tolist(), k)))
prompt_lookup.help(r"IndexError|out of (range|bounds)|maximum size for tensor|unfold",
                   "The text may be shorter than max_ngram: a match has at most T - 1 tokens, and there may be no "
                   "token at all.")
prompt_lookup.help(r"non-empty|expected a non-empty|empty", "There may be no match, and no text: then the draft is "
 "empty.")
prompt_lookup.help(r"ambiguous|only one element", "A comparison of tensors gives one truth value per place: use "
                   "torch.equal(a, b), (a == b).all(), or lists.")
