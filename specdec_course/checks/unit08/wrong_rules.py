"""Wrong rules for tables and back-off: a table (id, what the student reads, the rules that behave so).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

from collections import Counter

import torch

from . import wrong_automata, wrong_copies, wrong_turns  # noqa: F401
from .backoff import draft_with_backoff, right_draft
from .tables import build_ngram_tables, counted

# build_ngram_tables ----------------------------------------------------------------------------------------------


def rows_of(train_data) -> list[list[int]]:
    if torch.as_tensor(train_data[0]).dim() == 0:
        train_data = [train_data]
    return [torch.as_tensor(row).tolist() for row in train_data]


def _kept(pick):
    """Tables whose values are picked from the Counter of what followed (its keys in the order of the text)."""
    return lambda train_data, n: [
        {context: pick(after) for context, after in table.items()} for table in counted(rows_of(train_data), n)]


def _smallest(after: Counter) -> int:
    return min(after, key=lambda token: (-after[token], token))


def _of_rows(change):
    """The right tables of other rows."""
    return lambda train_data, n: _kept(_smallest)([torch.tensor(row) for row in change(rows_of(train_data))], n)


_joined = _of_rows(lambda rows: [[token for row in rows for token in row]])


def _grams(pairs):
    """Tables counted from (context, token) pairs: pairs(row, m) gives them."""
    def rule(train_data, n):
        tables = []
        for m in range(n):
            counts: dict = {}
            for row in rows_of(train_data):
                for context, token in pairs(row, m, n):
                    counts.setdefault(tuple(context), Counter())[token] += 1
            tables.append({context: _smallest(after) for context, after in counts.items()})
        return tables

    return rule


def _last_seen(train_data, n):
    tables: list[dict] = [{} for _ in range(n)]
    for row in rows_of(train_data):
        for i, token in enumerate(row):
            for m in range(min(i, n - 1) + 1):
                tables[m][tuple(row[i - m : i])] = token
    return tables


for _id, _message, _rules in (
    ("across_rows", "You count across the border of two rows. The last tokens of a row and the first of the next come "
     "from different places: they never stood side by side. Count within each row.",
     (_joined, lambda train_data, n: (_joined if isinstance(train_data, list) else _kept(_smallest))(train_data, n))),
    ("rarest", "You keep what followed least often. Asked for is what came most often.",
     (_kept(lambda after: min(after, key=lambda token: (after[token], token))),)),
    ("tie", "On a tie you do not take the smallest id. `Counter.most_common` and max with counts alone take the one "
     "that was seen first; sort by (-count, token).",
     (_kept(lambda after: max(after, key=after.get)),
      _kept(lambda after: max(after, key=lambda token: (after[token], token))),
      _kept(lambda after: max(reversed(list(after)), key=after.get)))),
    ("last_seen", "Your tables hold some follower of each context, not the one that came most often: nothing is "
     "counted, or every count is 1. Do you write each follower over the one before it, or use tensors as keys? (Two "
     "tensors of equal value are two keys.)",
     (_last_seen, _kept(lambda after: next(iter(after))), _kept(min), _kept(max))),
    ("first_token_left_out", "The first token of each row is missing under (). Nothing stands before it, and that "
     "is just what the empty context is: it counts there.",
     (_grams(lambda row, m, n: [(row[i - m : i], row[i]) for i in range(max(1, m), len(row))]),)),
    ("few_tokens", "Contexts longer than a few tokens are missing. With n tables they have up to n - 1 tokens, however "
     "large n is.",
     tuple(lambda train_data, n, most=most: _kept(_smallest)(train_data, n)[:most] + [{} for _ in range(most, n)]
           for most in (2, 3, 4, 5))),
    ("beginnings_left_out", "The beginnings of the rows are left out. A place near the beginning of a row has no "
     "context of n - 1 tokens, but shorter ones, and the empty one: they count there too.",
     (_grams(lambda row, m, n: [(row[i - m : i], row[i]) for i in range(n - 1, len(row))]),)),
    ("ends_left_out", "You count only where a whole n-gram begins. Near the end of a row there is no room for one, and "
     "shorter contexts are followed by something all the same.",
     (_grams(lambda row, m, n: [(row[i : i + m], row[i + m]) for i in range(len(row) - n + 1)]),)),
    ("last_left_out", "The last token of a row is not counted as what follows something.",
     (_of_rows(lambda rows: [row[:-1] for row in rows]),)),
    ("skips_one", "You count what comes two tokens behind the context. What follows it is the very next token.",
     (_grams(lambda row, m, n: [(row[i - m : i], row[i + 1]) for i in range(m, len(row) - 1)]),)),
    ("backwards", "Your contexts are turned round. The key is the context as it stands in the text, from left to "
     "right.",
     (_grams(lambda row, m, n: [(row[i - m : i][::-1], row[i]) for i in range(m, len(row))]),)),
    ("what_came_before", "Your tables look backwards: they name what came before the context.",
     (_grams(lambda row, m, n: [(row[i : i + m], row[i - 1]) for i in range(1, len(row) - m + 1)]),)),
    ("every_nth", "You cut the row into pieces of n tokens. Contexts overlap: there is one for every place.",
     (_grams(lambda row, m, n: [(row[i - m : i], row[i]) for i in range(m, len(row), n)]),
      _grams(lambda row, m, n: [(row[i - m : i], row[i]) for i in range(m, len(row), m + 1)]))),
):
    build_ngram_tables.mistake(_id, _message, imitate=_rules)


for _id, _message in (
    ("tensor_keys", "The keys of your tables hold tensors. Two tensors of equal value are two different keys, "
     "because Python hashes a tensor by its identity, so every context counts as new. Turn rows into plain numbers "
     "first: `.tolist()`."),
    ("no_tuples", "The keys have to be tuples of ints, also where a context is one token, `(token,)`, or none, `()`."),
    ("counts_left", "You return the counts. Of each context only the token is kept that came most often."),
    ("minus_zero", "For m = 0 the key is the empty tuple `()`. Does yours come from `row[-0:]`? That is the whole row: "
     "write `row[i - m : i]`."),
    ("one_order_off", "The number of tables is n: contexts of 0, 1, ..., n - 1 tokens. An n-gram has n tokens, and "
     "the last of them is the guess."),
    ("longest_first", "Your tables come in the wrong order. tables[m] is the table of contexts of m tokens: "
     "tables[0] that of the empty one."),
    ("slow", "Right, but slow: the time grows with the square of the text. Do you search the text for every context? "
     "Go through it once, and count at each place what follows the contexts that end there."),
):
    build_ngram_tables.mistake(_id, _message)
build_ngram_tables.help(r"too many indices|Dimension out of range|0-d tensor|not iterable|'int' object is not",
                        "train_data may be a single row [seqlen], windows [nsamples, seqlen], or a list of rows. "
                        "Bring them to one form first.")
build_ngram_tables.help(r"has no attribute '(tolist|shape|dim|size|unfold)'|list indices must be",
                        "train_data may be a list of rows: go through it row by row.")
build_ngram_tables.help(r"unhashable", "A key has to be a tuple: `tuple(row[i - m : i])` of a list of ints.")

# draft_with_backoff ----------------------------------------------------------------------------------------------


def _looked_up(keys, get=None):
    """A draft whose every guess is the first that is found under keys(text, n, start)."""
    get = get or (lambda table, key: table.get(key))

    def rule(context, tables, k):
        text, start = context.tolist(), len(context)
        while len(text) < start + k:
            found = [get(tables[m], key) for m, key in keys(text, len(tables), start)]
            found = [one for one in found if one is not None]
            if not found:
                break
            text.append(found[0])
        return torch.tensor(text[start:], dtype=torch.long)

    return rule


def _endings(text, n, shortest=0):
    return [(m, tuple(text[len(text) - m :])) for m in range(min(n - 1, len(text)), shortest - 1, -1)]


def _true_ones_first(context, tables, k):
    """What is found counts only if Python takes it for true; where nothing does, what was looked up last."""
    text, start = context.tolist(), len(context)
    while len(text) < start + k:
        found = [tables[m].get(key) for m, key in _endings(text, len(tables))]
        guess = next(filter(None, found), found[-1])
        if guess is None:
            break
        text.append(guess)
    return torch.tensor(text[start:], dtype=torch.long)


def _once(context, tables, k):
    """The first guess, and then what its own context says: no other is looked up anew."""
    first = right_draft(context.tolist(), tables, 1)
    return torch.tensor((first * k)[:k], dtype=torch.long)


def _stays_short(context, tables, k):
    text, start, most = context.tolist(), len(context), len(tables) - 1
    while len(text) < start + k:
        keys = [(m, key) for m, key in _endings(text, len(tables)) if m <= most and key in tables[m]]
        if not keys:
            break
        most = keys[0][0]
        text.append(tables[most][keys[0][1]])
    return torch.tensor(text[start:], dtype=torch.long)


def _whole_text(text, n, start):
    return [(m, tuple(text[-m:])) for m in range(min(n - 1, len(text)), -1, -1)]


for _id, _message, _rules in (
    ("not_chained", "All your guesses come from the same context. A guess is text for the next one: append it before "
     "you look up again.",
     (_once, _looked_up(lambda text, n, start: _endings(text[:start], n)))),
    ("forgets_the_text", "From the second guess on you look up your own guesses alone. They stand behind the text: the "
     "context of a guess may begin in it.",
     (_looked_up(lambda text, n, start: _endings(text[start:] or text, n)),)),
    ("shortest_first", "You begin with the shortest context. The longest one that is known counts: it has seen most.",
     (_looked_up(lambda text, n, start: _endings(text, n)[::-1]),
      _looked_up(lambda text, n, start: [*_endings(text, n, 1)[::-1], (0, ())]))),
    ("one_short", "You never ask the longest contexts, tables[n - 1]. With n tables, contexts of up to n - 1 tokens "
     "are known.",
     (_looked_up(lambda text, n, start: _endings(text, max(1, n - 1))),)),
    ("few_tokens", "You look up a few tokens at most. With n tables, contexts of up to n - 1 tokens are known, "
     "however large n is.",
     tuple(_looked_up(lambda text, n, start, most=most: _endings(text, min(n, most + 1))) for most in range(1, 6))),
    ("no_backoff", "You look up one length of context only. Where that is not known, shorter ones are asked, down to "
     "none.",
     (_looked_up(lambda text, n, start: _endings(text, n)[:1] if len(text) >= n - 1 else []),
      _looked_up(lambda text, n, start: _endings(text, n)[:1]))),
    ("one_step_back", "You back off by one step only. If the shorter context is not known either, a still shorter one "
     "is asked, and in the end the empty one.",
     (_looked_up(lambda text, n, start: _endings(text, n)[:2]),)),
    ("never_empty", "You never ask tables[0]. Where no context is known, the most frequent token of all is still a "
     "guess.",
     (_looked_up(lambda text, n, start: _endings(text, n, 1)),)),
    ("minus_zero", "For m = 0 you look up the whole text: `text[-0:]` is `text[0:]`. Write `text[len(text) - m:]`, or "
     "treat the empty context by itself.",
     (_looked_up(_whole_text),)),
    ("needs_full_context", "Where the text is shorter than n - 1 tokens you guess nothing. Shorter contexts are "
     "there: begin with the longest that the text has.",
     (lambda context, tables, k: torch.tensor(
         right_draft(context.tolist(), tables, k) if len(context) >= len(tables) - 1 else [], dtype=torch.long),)),
    ("zero_is_nothing", "You take the token 0 for no token: `if guess:` and `or` are false for 0. Ask whether the key "
     "is there: `if key in tables[m]`.",
     (_looked_up(lambda text, n, start: _endings(text, n), lambda table, key: table.get(key) or None),
      _true_ones_first)),
    ("stops_backing_off", "Once you have backed off, you stay with short contexts. Each guess begins anew with the "
     "longest one.",
     (_stays_short,)),
    ("backwards", "You read the context from right to left. A key is the context as it stands in the text.",
     (_looked_up(lambda text, n, start: [(m, key[::-1]) for m, key in _endings(text, n)]),)),
    ("with_context", "Your draft begins with the context. That stands in the text already; the draft is what comes "
     "behind it.",
     (lambda context, tables, k: torch.tensor([*context.tolist(), *right_draft(context.tolist(), tables, k)]).long(),)),
    ("beginning", "You look up the beginning of the text. What follows depends on its end.",
     (_looked_up(lambda text, n, start: [(m, tuple(text[:m])) for m in range(min(n - 1, len(text)), -1, -1)]),)),
):
    draft_with_backoff.mistake(_id, _message, imitate=_rules)


draft_with_backoff.help(r"KeyError", "Not every context is known: ask first whether it is there (`key in tables[m]`).")
draft_with_backoff.help(r"IndexError|out of range", "The text may be shorter than the longest context, even empty; "
                        "and there may be one table only.")
draft_with_backoff.help(r"unhashable", "A key is a tuple of ints: `tuple(text[len(text) - m:])`, with text a list.")
