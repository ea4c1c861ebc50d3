"""Right and wrong in `build_ngram_tables`: what came most often after every context, within the rows, in one pass.

Knows: what tables of a text have to hold. Does not know: how a draft is read off them (backoff).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import torch

from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import Subject
from ..surroundings import seconds, times_slower
from ..values import as_int, describe
from .texts import REAL, alphabet, drawn_text, strangers

build_ngram_tables = Exercise(
    "build_ngram_tables", unit="08", points=2, difficulty=2, minutes=20,
    reference="specdec_course.drafters.lookup:build_ngram_tables",
    hints=(
        "Stand at place i of a row. Which contexts end right before it: which is the longest, which the shortest? And "
        "what do you have to add 1 to for each of them?",
        "Per m a dict from context to a Counter. For every row as a list of plain ints, every place i and every m "
        "from 0 to min(i, n - 1): counts[m][tuple(row[i - m : i])][row[i]] += 1. In the end keep of each Counter "
        "min(counter, key=lambda token: (-counter[token], token)).",
    ),
)
SHORT, LONG = 500, 4_000  # tokens of texts: what a token costs in them is compared
GROWS = 3  # times that a token may take in the long one; with the square of the text it takes nearly 8, else about 1
TOO_SLOW = 40  # times the plain counting below; a search for each context takes 230, a tensor for each of them 14


def counted(rows, n: int) -> list[dict]:
    """For every m the contexts of m tokens, each with a Counter of what followed."""
    counts = [defaultdict(Counter) for _ in range(n)]
    for row in rows:
        for i, token in enumerate(row):
            for m in range(min(i, n - 1) + 1):
                counts[m][tuple(row[i - m : i])][token] += 1
    return counts


def read_tables(answer, n: int) -> list[dict]:
    """The answer as a list of dicts from tuples of ints to ints, or Wrong."""
    if not isinstance(answer, (list, tuple)) or not all(isinstance(table, dict) for table in answer):
        raise Wrong(f"Return a list of dicts, one for each length of context; yours is {describe(answer)}.")
    if len(answer) != n:
        raise Wrong(f"With n = {n} there are {n} tables, for contexts of 0 to {n - 1} tokens; you returned "
                    f"{len(answer)}.", mistake="one_order_off" if len(answer) in (n - 1, n + 1) else None)
    if n > 1 and answer[0].keys() != {()} and () in answer[-1]:
        raise Wrong("The empty context stands in your last table.", mistake="longest_first")
    for m, table in enumerate(answer):
        for context in table:
            _check_key(context, m)
    if any(isinstance(one, dict) for table in answer for one in table.values()):
        raise Wrong("A value of your tables is a dict of counts; expected one token.", mistake="counts_left")
    return [{context: as_int(token) for context, token in table.items()} for table in answer]


def _check_key(context, m: int) -> None:
    if not isinstance(context, tuple):
        raise Wrong(f"A key of tables[{m}] is {describe(context)}; expected a tuple of {m} ints.", mistake="no_tuples")
    if any(isinstance(token, torch.Tensor) for token in context):
        raise Wrong("The keys of your tables hold tensors.", mistake="tensor_keys")
    if len(context) != m:
        raise Wrong(f"A key of tables[{m}] holds another number of tokens than {m}: it holds {len(context)}.",
                    mistake="minus_zero" if m == 0 else None)


def judge(answer, rows, n: int, ties: bool = False) -> Wrong | None:
    """What is wrong with tables of these rows, if anything. Which of several ids that came equally often is named
    counts with `ties` only: one slip costs one part."""
    for m, (found, right) in enumerate(zip(read_tables(answer, n), counted(rows, n), strict=True)):
        after = "the empty context" if m == 0 else "contexts of one token" if m == 1 else f"contexts of {m} tokens"
        if found.keys() - right.keys():
            key = next(iter(found.keys() - right.keys()))
            return Wrong(f"tables[{m}] has keys that stand nowhere in the data with something behind them, such as "
                         f"{key}.")
        if right.keys() - found.keys():
            key = next(key for key in right if key not in found)
            if m == 0:
                return Wrong("tables[0] has no key (), the empty context, though every token of the data follows it.")
            return Wrong(f"tables[{m}] lacks {after} that something follows in the data, such as {key}.")
        most = {context: max(counts.values()) for context, counts in right.items()}
        for context, token in found.items():
            said = f"For {after} your table names a token that"
            if right[context][token] < most[context]:
                return Wrong(f"{said} did not come most often: {token} for {context}.")
            if ties and token > min(x for x, count in right[context].items() if count == most[context]):
                return Wrong(f"{said} is not the smallest of those that came equally often: {token} for {context}.")
    return None


def ask(student: Subject, cases, ties: bool = False) -> None:
    """Cases (train_data, n, rows as lists): all are asked before the verdict, which is about the smallest wrong one."""
    judged = []
    for data, n, rows in cases:
        answer = student(data, n)
        with student.shown():
            wrong = judge(answer, rows, n, ties)
        judged.append((sum(map(len, rows)), wrong and wrong.but(call=student.last)))
    for _, wrong in sorted(((size, wrong) for size, wrong in judged if wrong), key=lambda one: one[0]):
        raise wrong


def windows(rng, count: int, length: int, size: int) -> list[list[int]]:
    ids = alphabet(rng, size)
    return [drawn_text(rng, length, ids) for _ in range(count)]


@build_ngram_tables.part("holds what came most often after every context", weight=3, rests_on=(
    "Its value is the token, an int, that followed it most often",
    "tables[m] has a key for every context of m tokens that was followed by something: a tuple of m plain ints"))
def _(student, rng):
    cases = []
    for n in mixed((2, 3, whole(6, 8, rng)), rng):
        rows = windows(rng, 1, whole(150, 260, rng), whole(4, 9, rng))
        cases.append((torch.tensor(rows), n, rows))
    one, other, third = strangers(rng, 3, ())
    short = [[one, other, one, other, third, one, other]]  # a table that can be read at a glance
    ask(student, mixed([*cases, (torch.tensor(short), 2, short)], rng))


@build_ngram_tables.part("on a tie names the smallest id", weight=1, rests_on="on a tie the smallest id")
def _(student, rng):
    cases = []
    for _ in range(whole(3, 5, rng)):
        ids = alphabet(rng, 5)
        row = mixed([ids[0], ids[1]] * 3 + [ids[0], ids[2]] * 3 + ids[3:], rng)
        cases.append((torch.tensor([row]), whole(1, 3, rng), [row]))
    rows = windows(rng, whole(4, 8, rng), whole(9, 14, rng), 4)
    one, *others = mixed(strangers(rng, 4, ()), rng)
    short = [[one, others[0], one, others[1], one, others[2]]]
    ask(student, mixed([*cases, (torch.tensor(rows), 3, rows), (torch.tensor(short), 2, short)], rng), ties=True)


@build_ngram_tables.part("counts nothing across two rows", weight=2, rests_on=(
    "Nothing is counted across rows", "a context lies within one row, and so does what follows it"))
def _(student, rng):
    ask(student, [(torch.tensor(rows), n, rows) for n in mixed((2, 3, 4), rng)
                  for rows in [windows(rng, whole(12, 20, rng), whole(5, 9, rng), 6)]])


@build_ngram_tables.part("begins every row with the empty context; n = 1, and rows shorter than n", weight=2, rests_on=(
    "every token of the data follows it, the first of a row too", "the guess included, >= 1"))
def _(student, rng):
    often, *others = strangers(rng, 9, ())
    rows = [
        [often, *mixed(others, rng)[: whole(4, 6, rng)]] for _ in range(whole(5, 8, rng))
    ]  # `often` only begins rows
    short = [[other] for other in others[:3]] + [others[3:5]]
    cases = [(list(map(torch.tensor, one)), n, one) for n in (1, 3) for one in (rows, [*rows, *short])]
    ask(student, mixed(cases, rng))


@build_ngram_tables.part("takes a single row, and a list of rows of any length", weight=1, rests_on=(
    "A single row, LongTensor [seqlen], or a list of such rows works too"))
def _(student, rng):
    one, *more = windows(rng, whole(10, 14, rng), whole(20, 40, rng), 5)
    uneven = [row[: whole(8, 20, rng)] for row in (one, *more)]
    cases = [
        (torch.tensor(one), 3, [one]),
        (list(map(torch.tensor, uneven)), 2, uneven),
        (torch.tensor([one]), 2, [one]),
    ]
    ask(student, mixed(cases, rng))


@build_ngram_tables.part("is right in a long text, and goes through it once", weight=1, rests_on=(
    "One pass over the text is enough: the time grows with the text, not with its square"))
def _(student, rng):
    rows, *given = (_many_ids(rng, 1000) for _ in range(6))
    ask(student, [(torch.tensor(rows), 3, rows)])  # speed counts once the answers are right
    answers: list = []
    ratio = times_slower(lambda: answers.append(student.quiet(torch.tensor(given[len(answers)]), 3)),
                         lambda: counted(given[0], 3), TOO_SLOW, repeats=len(given))
    _expect_right(answers, given)
    if ratio > TOO_SLOW:
        raise Wrong(f"A text of 1,000 tokens took {ratio:.0f} times as long as counting in one pass.",
                    mistake="slow")
    short = long = math.inf
    for _ in range(4):  # a single slow run says little: a crowded machine costs processor time, Python's clearing too
        short = min(short, _seconds_per_token(student, rng, SHORT))
        long = min(long, _seconds_per_token(student, rng, LONG))
        if long <= GROWS * short:
            return
    raise Wrong(f"In a text of {LONG:,} tokens each token took {long / short:.1f} times as long as in one of "
                f"{SHORT:,}.", mistake="slow")


def _many_ids(rng, length: int) -> list[list[int]]:
    """A text with more contexts the longer it is, of ids that no other has: nobody knows it yet. What its end has
    stands nowhere else."""
    ids = torch.randperm(REAL[0], generator=rng)[:2003]
    return [[*ids[(torch.rand(length - 3, generator=rng) ** 3 * 2000).long()].tolist(), *ids[2000:].tolist()]]


def _seconds_per_token(student: Subject, rng, length: int) -> float:
    rows, answers = _many_ids(rng, length), []
    data = torch.tensor(rows)
    spent = seconds(lambda: answers.append(student.quiet(data, 3)))
    _expect_right(answers, [rows])
    return spent / length


def _expect_right(answers: list, texts: list) -> None:
    for answer, rows in zip(answers, texts, strict=False):
        wrong = judge(answer, rows, 3)
        if wrong:
            raise wrong


@build_ngram_tables.argument("train_data")
def _(student, rng):
    return [student(torch.tensor(windows(rng, 1, 60, 5)), 2) for _ in range(2)]


@build_ngram_tables.argument("n")
def _(student, rng):
    data = torch.tensor(windows(rng, 1, 60, 5))
    return [student(data, n) for n in (2, 4)]
