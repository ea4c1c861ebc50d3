"""Right and wrong in `build_next_token_array`: what came most often, per token, within the rows, in time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import torch

from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..surroundings import cost_of, seconds
from ..values import as_array, describe
from .inputs import REAL, misplaced_ids, real_ids, skewed_text, some

build_next_token_array = Exercise(
    "build_next_token_array", unit="02", points=4, difficulty=3, minutes=25,
    reference="specdec_course.drafters.bigram:build_next_token_array",
    hints=(
        "Write all pairs (token, next token) of a small example as two columns. How could one number stand for a "
        "pair, so that equal pairs are equal numbers? And which cells of `windows` never are the first of a pair?",
        "`train_data[:, :-1]` and `train_data[:, 1:]` are the two columns. `first * vocab_size + second` is one number "
        "per pair; `np.unique(..., return_counts=True)` counts them, sorted. Order the counted pairs by count, largest "
        "first, with a *stable* sort; then `np.unique(first, return_index=True)` finds where each token comes first.",
    ),
)
DEFAULT_SIZE, DEFAULT_TOKEN = 128_256, 220  # of the signature
FEW, MANY = 20, 16_000  # ids of two texts, compared with each other and no clock of another program
GROWS = 30  # how many times as long the second may take: right answers were measured at 1 to 12, once through the whole
# text for every id at 72 and 148


def rows_of(train_data) -> list[list[int]]:
    return [row.tolist() for row in train_data]


def followers(rows: list[list[int]], backwards: bool = False) -> dict[int, list[int]]:
    """For every token what came next to it, in the order of the text."""
    found = defaultdict(list)
    for row in rows:
        for one, other in zip(row[:-1], row[1:], strict=True):
            found[other if backwards else one].append(one if backwards else other)
    return found


def _most_frequent(came: list[int], pick=max) -> set[int]:
    counts = Counter(came)
    wanted = pick(counts.values())
    return {token for token, n in counts.items() if n == wanted}


def _rules(rows, default) -> dict[str, list[dict[int, set[int]]]]:
    """For every mistake the tables it makes: token -> the entries it could give (several, on a tie)."""
    right, joined = followers(rows), [[token for row in rows for token in row]]
    as_if_once = (lambda c: {c[0]}, lambda c: {c[-1]}, lambda c: {min(c)}, lambda c: {max(c)})
    back = followers(rows, backwards=True)

    def counted(pairs):
        came = followers([pair for row in rows for pair in pairs(row)])
        return [{token: _most_frequent(came[token]) if token in came else {default} for token in right}]

    return {
        "only_default": [{token: {default} for token in right}],
        "transposed": [{token: _most_frequent(back[token]) if token in back else {default} for token in right}],
        "across_windows": [{token: _most_frequent(came) for token, came in followers(joined).items()}],
        "tensor_keys": [{token: pick(came) for token, came in right.items()} for pick in as_if_once],
        "rarest": [{token: _most_frequent(came, min) for token, came in right.items()}],
        "last_pair": counted(lambda row: [row[:-1]]),
        "two_later": counted(lambda row: list(zip(row[:-2], row[2:], strict=True))),
        "every_second": counted(lambda row: [row[i : i + 2] for i in range(0, len(row) - 1, 2)]),
    }


def _agrees(table: np.ndarray, rule: dict[int, set[int]]) -> bool:
    return all(token < len(table) and int(table[token]) in allowed for token, allowed in rule.items())


BY_HAND = "Check one of them by hand: print the pairs of a text of ten tokens."
LARGE = ("Are they right for small ids? Then ask whether the number that stands for a pair has room enough: 128,256 "
         "times 128,256 is 16 billion, and int32 ends at 2 billion.")


def _judge(table: np.ndarray, train_data, default: int, name_it: bool = False, advice: str = BY_HAND) -> None:
    """Wrong unless every followed token has one of its most frequent followers; can name the rule if it is known."""
    rows = rows_of(train_data)
    right = {token: _most_frequent(came) for token, came in followers(rows).items()}
    if _agrees(table, right):
        return
    for zero in ({token: best - {0} | ({default} if 0 in best else set()) for token, best in right.items()},
                 {token: best if token else {default} for token, best in right.items()}):
        if _agrees(table, zero):
            raise Wrong("An entry that has to do with the token 0 is the default.", mistake="zero_is_nothing")
    for name, tables in _rules(rows, default).items() if name_it else ():
        if any(_agrees(table, rule) for rule in tables):
            raise Wrong("Some entries are not the token that came most often.", mistake=name)
    if len(table) <= max(right):
        raise Wrong("Your table has no entry for some of the tokens in the data.", mistake="table_too_short")
    wrong = sum(int(table[token]) not in allowed for token, allowed in right.items())
    raise Wrong(
        f"For {wrong} of the {len(right)} tokens that are followed by something, your entry is not the token that "
        f"came most often. {advice}"
    )


def _with_a_last_pair(text, one: int, other: int) -> torch.Tensor:
    """The text, ended by a pair that comes nowhere else: whoever loses the last pair always misses an entry."""
    return torch.cat([text, torch.tensor([one, other])])


@build_next_token_array.part("holds the token that followed most often", weight=2,
                             rests_on="the token that most often comes right after it")
def _(student, rng):
    for length in (59, 601):
        windows = _with_a_last_pair(skewed_text(rng, length, 12), 12, 13)[None]
        _judge(student.array(windows, vocab_size=15, default_next_token=14), windows, 14, name_it=True)


@build_next_token_array.part("is right with the ids of real models, and with the default arguments", rests_on=(
    "vocab_size: how many ids the *model* has", "vocab_size=128256, default_next_token=220"))
def _(student, rng):
    for size in mixed(REAL, rng):
        ids, default = real_ids(rng, 14, size), whole(0, size - 1, rng)
        windows = ids[skewed_text(rng, 240, 14)].view(4, 60)
        named = dict(vocab_size=size, default_next_token=default)
        if size == DEFAULT_SIZE:
            named, default = {}, DEFAULT_TOKEN
        table = as_array(student.quiet(windows, **named))
        if table.shape != (size,):
            raise Wrong(f"For a model of {size} ids your table has the shape {table.shape}.")
        _judge(table, windows, default, advice=LARGE)
        unseen = np.ones(size, dtype=bool)
        unseen[windows[:, :-1].unique().numpy()] = False
        if (table[unseen] != default).any():
            raise Wrong("A token that nothing followed has to get default_next_token, whatever that is.",
                        mistake="default_ignored")


@build_next_token_array.part("counts no pair across two windows", rests_on=(
    "The last token of a row is not followed by the first of the next row"))
def _(student, rng):
    last, start, after, end, *others = some(rng, 12, 0, 28)
    filling = torch.tensor(others)[torch.randint(len(others), (14, 6), generator=rng)]
    windows = torch.cat([torch.full((14, 1), start), filling, torch.tensor([end, last]).expand(14, 2)], dim=1)
    windows[9, 3], windows[9, 4] = last, after
    table = student.array(windows, vocab_size=30, default_next_token=29)
    if last < len(table) and table[last] == start:
        raise Wrong("The last token of one window and the first of another were counted as a pair.",
                    mistake="across_windows")
    _judge(table, windows, 29, name_it=True)


@build_next_token_array.part("has one int32 entry per id, and the default for tokens that nothing followed", rests_on=(
    "numpy array [vocab_size] of dtype int32", "the entry of a token that nothing ever followed in the data"))
def _(student, rng):
    one, two, default, *_ = some(rng, 3, 20, 60)
    for windows in (torch.tensor([[one, two]]), skewed_text(rng, 40, 12)[None]):
        table = student(windows, vocab_size=97, default_next_token=default)
        if not isinstance(table, np.ndarray):
            raise Wrong(f"Return a numpy array; your function returned {describe(table)}. A tensor has `.numpy()`.")
        if table.shape != (97,):
            raise Wrong(
                f"vocab_size was 97, your table has the shape {table.shape}. The model has more ids than this text "
                "uses, and may answer with any of them.",
                mistake="table_too_short" if table.ndim == 1 and len(table) < 97 else None,
            )
        seen = followers(rows_of(windows))
        if len(windows[0]) == 2 and table[one] != two:
            raise Wrong("A row of two tokens holds one pair; your table does not know it. Is the last pair left out?")
        if any(table[token] != default for token in range(97) if token not in seen):
            raise Wrong("A token that nothing followed has to get default_next_token, whatever that is.",
                        mistake="default_ignored")
        if table.dtype != np.int32:
            raise Wrong(f"The entries are right, their type is {table.dtype}; the contract says int32.")


@build_next_token_array.part("is right on a tie: the smallest id", rests_on="On a tie the smallest id wins")
def _(student, rng):
    rows, expected = [], {}
    for token in (0, 1, 2, 3):
        small, middle, large, rare = sorted(some(rng, 3, 10, 40)) + [4 + token]
        rows += [[9, token, follower] for follower in (middle, small, large, rare, large, small, middle)]
        expected[token] = small
    windows = torch.tensor(rows)
    table = student.array(windows, vocab_size=41, default_next_token=40)
    _judge(table, windows, 40)
    if any(table[token] != small for token, small in expected.items()):
        raise Wrong(
            "Two followers are equally frequent, and you did not take the one with the smaller id. Any rule would "
            "do for speculation, but a fixed one makes tables comparable."
        )


@build_next_token_array.part("refuses ids outside the vocabulary", weight=0.5,
                             rests_on="ValueError: the data holds an id outside the vocabulary")
def _(student, rng):
    fine = skewed_text(rng, 30, 12)[None]
    answered = student.array(fine, vocab_size=14, default_next_token=13)  # whether it is right, other parts ask
    if answered.shape != (14,):
        raise Wrong(f"vocab_size was 14, your table has the shape {answered.shape}.")
    refuse_misplaced(student, lambda windows: (windows, 1000, 5), rng)


def refuse_misplaced(student, arguments, rng) -> None:
    """Wrong unless the function raises a ValueError for every text with an id that the vocabulary does not have."""
    for windows in misplaced_ids(rng, 1000):
        bad = int(windows[(windows < 0) | (windows > 999)])
        column = int(((windows < 0) | (windows > 999)).nonzero()[0, 1])
        where = {0: "as the first token of a row", 4: "as the last token of a row"}.get(column, "inside a row")
        what = f"With 1,000 ids in the vocabulary, the id {bad} stands {where}"
        try:
            refused = student.raises(ValueError, *arguments(windows))
        except Wrong as wrong:
            raise wrong.but(message=f"{what}: a ValueError should say so. {wrong.message}") from None
        if not refused:
            raise Wrong(f"{what}, and your function takes it. Raise a ValueError that says so: text and model do not "
                        "belong together. Look at every column, and at ids below 0 too.", mistake="outside")


@build_next_token_array.part("is right for a single row, and for a list of rows", rests_on=(
    "A single row, LongTensor [seqlen], or a list of such rows, all of one length, works too"))
def _(student, rng):
    # Each row begins with 11 and ends with 9, 10. Once 10 is followed by 8: whoever joins the rows of a list says 11.
    begin, texts = torch.tensor([11]), [skewed_text(rng, 50, 9) for _ in range(4)]
    windows = torch.stack([torch.cat([begin, _with_a_last_pair(text, 9, 10)]) for text in texts])
    windows[1, 20], windows[1, 21] = 10, 8
    for data, same in ((windows[0], windows[:1]), (list(windows), windows)):
        _judge(student.array(data, vocab_size=13, default_next_token=12), same, 12, name_it=True)


@build_next_token_array.part("counts two million tokens in time, and only the pairs that occur", rests_on=(
    "Two million tokens take a few seconds at most", "but not one tensor per token",
    "vocab_size x vocab_size numbers do not fit into memory"))
def _(student, rng):
    small = torch.randint(4096, (1, 3000), generator=rng)
    small[0, 1000] = 4095  # the largest id is among those that are asked about
    cost_of(lambda: student.quiet(small[:, :9], vocab_size=4096))  # what is imported on the way is not counted
    table, used, _ = cost_of(lambda: as_array(student.quiet(small, vocab_size=4096, default_next_token=0)))
    if used > 4096 * 4096 / 2:
        raise Wrong("With 4,096 ids your function needs memory for each of the 17 million possible pairs.",
                    mistake="dense")
    _judge(table, small, 0)  # speed counts once the answers are right
    text = (torch.rand(100, 200, generator=rng) ** 8 * 500).long()
    table, _, calls = cost_of(lambda: as_array(student.quiet(text.clone(), 500, 0)))
    _judge(table, text, 0)
    if calls >= text.numel():  # counted: by the clock it is close to slow functions of whole arrays
        raise Wrong(f"Your function calls torch {calls:,} times for a text of {text.numel():,} tokens.", mistake="slow")
    few = many = math.inf
    for _ in range(4):  # a single slow run says little: a crowded machine costs processor time
        few = min(few, _seconds(student, FEW, rng))
        many = min(many, _seconds(student, MANY, rng))
        if many <= GROWS * few:
            return
    raise Wrong(f"A text of 120,000 tokens with a vocabulary of {MANY:,} ids took {many / few:.0f} times as long as "
                f"one with {FEW}.", mistake="slow")


def _seconds(student, ids: int, rng) -> float:
    """How long the function takes for a text of a vocabulary of so many ids, whether it goes through those that occur
    or through all of them. It is a new text every time, and counts once the answer has been read: nothing can be kept
    for the next one, or put off until later."""
    text, tables = (torch.rand(600, 200, generator=rng) ** 8 * ids).long(), []
    spent = seconds(lambda: tables.append(as_array(student.quiet(text.clone(), ids, 0))))
    _judge(tables[0], text, 0)
    return spent


build_next_token_array.mistake(
    "across_windows",
    "You count pairs across the border of two windows. The last token of a window and the first of the next come from "
    "different places of the text: they never stood side by side. Make the pairs within each row.",
)
build_next_token_array.mistake(
    "transposed",
    "Your table looks backwards: it answers what came *before* a token. In the text `a b a b a c` the entry of `a` "
    "has to be `b`, because a is followed by b twice. Which half of the pair do you index the table with?",
)
build_next_token_array.mistake(
    "only_default",
    "Your table holds default_next_token everywhere. Either nothing that was counted is written into it, or it is "
    "never found again: tensors as keys of a dictionary, for one, are different keys even where they are equal "
    "(`.tolist()` gives plain numbers).",
)
build_next_token_array.mistake(
    "tensor_keys",
    "Your table behaves as if every pair had been seen exactly once: frequent followers do not win. Do you use tensors "
    "as keys of a dictionary or Counter? Two tensors of equal value are different keys, because Python hashes a "
    "tensor by its identity. Turn ids into plain numbers first (`.tolist()`), or count whole arrays. Or do you not "
    "count at all, and write each follower over the one before it?",
)
for _id, _message in (
    ("rarest", "You take the follower that came least often. Asked for is the one that came most often."),
    ("zero_is_nothing", "You take the token 0 for no token, as `if token` does, and as a table does that is asked "
                        "where it still holds 0. But 0 is a token like any other."),
    ("last_pair", "The last pair of a row is not counted. A row of n tokens holds n - 1 pairs."),
    ("two_later", "You count what comes two tokens later. A token's follower is the very next one."),
    ("every_second", "You count every second pair only. Each token but the last of a row is followed by something: "
                     "the pairs overlap."),
):
    build_next_token_array.mistake(_id, _message)
build_next_token_array.mistake(
    "table_too_short",
    "Your table is too short. Its length is vocab_size, the number of ids that the *model* can answer with, not the "
    "number of tokens in this text, nor the length of the tokenizer (many models pad their vocabulary).",
)
build_next_token_array.mistake(
    "default_ignored",
    "Tokens that nothing ever followed do not get default_next_token. Fill the table with it first, then write what "
    "you counted. A token that stands only at the end of a window has not been followed by anything.",
)
build_next_token_array.mistake(
    "dense",
    "You make a table of all possible pairs. With the 128,256 ids of Llama 3 that is 16 billion numbers, more than a "
    "computer holds. Nearly all of them are zero: count only the pairs that occur.",
)
build_next_token_array.mistake(
    "slow",
    "Right, but slow. WikiText-2 has two million tokens, and counting them should take a few seconds at most. Do you "
    "take one token at a time, each as a tensor of its own, or go through the whole text once for every id? Count "
    "whole arrays (`np.unique` of one number per pair), or loop over plain numbers (`.tolist()`).",
)
build_next_token_array.mistake(
    "outside",
    "Ids outside the vocabulary slip through. They mean that the text was encoded for another model, and the table "
    "would be wrong without a word. Before you count, compare the smallest id of all the data with 0 and the largest "
    "with vocab_size - 1, and raise a ValueError.",
)
build_next_token_array.help(
    r"IndexError.*(out of bounds|out of range)",
    "Your table or count has no place for some id: every id below vocab_size needs one, seen or not.",
)
build_next_token_array.help(
    r"too many indices|Dimension out of range|0-d tensor|not subscriptable|not iterable|dim\(\)",
    "The check also hands you a single row [seqlen] and a list of rows, not only [nsamples, seqlen]. Bring all three "
    "to one form first.",
)
build_next_token_array.help(
    r"'list' object has no attribute|list indices must be|only integer tensors of a single element|"
    r"only one element tensors",
    "train_data may be a list of rows: go through it row by row, or stack the rows first.",
)
build_next_token_array.help(
    r"MemoryError|allocate", "A table of all pairs, vocab_size x vocab_size, does not fit: count those that occur."
)
