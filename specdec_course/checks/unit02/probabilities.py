"""Right and wrong in `bigram_probabilities`: rows of conditional probability, from memory that fits."""

from __future__ import annotations

import numpy as np
import torch

from ..ask import mixed, uniform
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import Subject
from ..surroundings import cost_of
from ..values import as_array, describe
from .inputs import real_ids, skewed_text, some
from .table import followers, refuse_misplaced, rows_of

bigram_probabilities = Exercise(
    "bigram_probabilities",
    unit="02",
    points=3,
    difficulty=3,
    minutes=20,
    reference="specdec_course.drafters.bigram:bigram_probabilities",
    hints=(
        "You are asked for one row at a time. What do you need to remember about the token `t` to write its row when "
        "somebody asks, and how much of that is there for all tokens together?",
        "Remember the pairs, sorted by their first token (or a dict from each token to the counts of its followers, "
        "with plain numbers as keys). Return an inner function: it takes the followers of last_token, "
        "`torch.bincount(followers, minlength=vocab_size) + smoothing`, and divides by what that sums to; if that is "
        "0, the row is uniform.",
    ),
)


AXES = ("wrong_axis", "transposed", "tensor_keys")


def _rows(student: Subject, *args, **kwargs) -> Subject:
    """The function that the student's function returns, watched like the student's own."""
    function = student.quiet(*args, **kwargs)  # millions of rows in a dict would take long to write down
    student.last.answer, student.last.returned = type(function).__name__, True
    student.seen.append(student.last.answer)
    if not callable(function):
        raise Wrong(
            f"Return a function from the last token to a row of probabilities; yours returned {describe(function)}. "
            "Define one inside (`def next_distribution(last_token): ...`) and return it without calling it.",
            mistake="no_function",
        )
    rows = Subject(function, student.exercise)
    rows.seen = student.seen
    return rows


def _counts(rows: list[list[int]], vocab_size: int, smoothing: float, backwards: bool = False) -> np.ndarray:
    """[V, V] counts of (token, follower). For small vocabularies."""
    counts = np.full((vocab_size, vocab_size), float(smoothing))
    for token, came in followers(rows, backwards).items():
        counts[token] += np.bincount(came, minlength=vocab_size)
    return counts


def _followed(data) -> list[int]:
    """The tokens that something follows. What is due for the others is a part of its own."""
    return sorted(followers(rows_of(data)))


def _shares(counts: np.ndarray, axis: int = -1) -> np.ndarray:
    """Counts as shares of their sum along the axis; uniform where nothing was counted."""
    total = counts.sum(axis, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / counts.shape[-1])


def _near(row: np.ndarray, right: np.ndarray) -> bool:
    """Up to the round-off of float32; NaN is never near."""
    return np.allclose(row, right, rtol=2e-4, atol=1e-8)


def _compare(rows: Subject, data, tokens, vocab_size: int, smoothing: float, when: str, rules=()) -> None:
    """Wrong unless every one of these rows is right; `rules` are the wrong ones that can be told apart here."""
    counts = _counts(rows_of(data), vocab_size, smoothing)
    for token in tokens:
        row = as_array(rows(token))
        if row.shape != (vocab_size,):
            raise Wrong(f"A row has the shape {row.shape}; expected one probability per id, ({vocab_size},).")
        if not _near(row, right := _shares(counts)[int(token)]):
            if isinstance(token, torch.Tensor) and _near(as_array(rows(int(token))), right):
                raise Wrong(f"For {int(token)} the row is right, for tensor({int(token)}) it is not.",
                            mistake="token_as_tensor")
            _explain(row, int(token), counts, data, smoothing, rules)
            raise Wrong(f"A row is a distribution, but not the right one, {when}.")


def _explain(row: np.ndarray, token: int, counts: np.ndarray, data, smoothing: float, names) -> None:
    """Raises Wrong with the name of the rule that gives this wrong row, or with what makes it no distribution."""
    size, rows = len(counts), rows_of(data)
    joined = [[id for row in rows for id in row]]
    with np.errstate(all="ignore"):
        by_column = counts[token] / counts.sum(0)
    rules = {
        "wrong_axis": [by_column, np.nan_to_num(by_column)],
        "transposed": [_shares(_counts(rows, size, smoothing, backwards=True))[token]],
        "across_windows": [_shares(_counts(joined, size, smoothing))[token]],
        "tensor_keys": [np.full(size, 1 / size)],
        "only_counts": [counts[token]],
        "softmax": [np.exp(counts[token]) / np.exp(counts[token]).sum()],
        "joint": [counts[token] / counts.sum()],
        "favourite": [np.eye(size)[counts[token].argmax()]],
        **_wrong_sums(counts[token], token, rows, smoothing),
    }
    for name in names:
        if any(np.allclose(row, wrong, atol=1e-4, equal_nan=True) for wrong in rules[name]):
            raise Wrong("A row is not the right one.", mistake=name)
    if not np.isfinite(row).all():
        raise Wrong("A row holds NaN or infinity.", mistake="nan")
    if abs(row.sum() - 1) > 1e-3 or row.min() < 0:
        raise Wrong(f"A row sums to {row.sum():.4g} with smallest entry {row.min():.3g}: no distribution.")


def _wrong_sums(smoothed: np.ndarray, token: int, rows: list[list[int]], smoothing: float) -> dict[str, list]:
    """A row of right counts that is divided by another sum than its own, by the name of the mistake."""
    counts = smoothed - smoothing
    came, stood, everywhere = smoothing * len(counts), sum(row.count(token) for row in rows), smoothed.sum()
    with np.errstate(all="ignore"):
        only_seen = np.where(counts > 0, smoothed, 0.0)
        return {
            "smoothed_sum": [smoothed / (counts.sum() + smoothing * n) for n in (1, 0, (counts > 0).sum())],
            "smooths_the_seen": [only_seen / everywhere, only_seen / only_seen.sum()],
            "counts_the_last": [smoothed / (stood + came)],
            "smooths_the_sum": [counts / everywhere],
            "smooths_the_shares": [_plus(counts / max(counts.sum(), 1), smoothing)],
        }


def _plus(shares: np.ndarray, smoothing: float) -> np.ndarray:
    return (shares + smoothing) / (shares + smoothing).sum()


SHAPES = ("only_counts", "softmax", "joint", "favourite")
SUMS = ("smooths_the_shares", "smoothed_sum", "smooths_the_seen", "smooths_the_sum", "counts_the_last")


@bigram_probabilities.part("gives the shares of what followed", weight=2, rests_on=(
    "The distribution of the next token given the last one, from counts", "last token (an int or 0-d tensor)"))
def _(student, rng):
    data = skewed_text(rng, 300, 10)[None]
    rows = _rows(student, data, 10)
    known = _followed(data)
    _compare(rows, data, [*known, torch.tensor(known[2]), known[2]], 10, 0.0, "without smoothing",
             (*AXES, "counts_the_last", *SHAPES))
    other = skewed_text(rng, 300, 10)[None]
    _rows(student, other, 10)
    _compare(rows, data, known[1:3], 10, 0.0, "once the function has been called for a second text")
    _rows_stay(rows, known[:3])


def _rows_stay(rows: Subject, tokens) -> None:
    """Wrong if a row changes when another one is asked for."""
    kept = [rows(token) for token in tokens]
    asked_again = [as_array(rows(token)) for token in tokens]
    if not all(np.allclose(as_array(row), again, atol=1e-6) for row, again in zip(kept, asked_again, strict=True)):
        raise Wrong("A row that your function has returned changes when the next one is asked for: all of them are the "
                    "same tensor. Make a new one for every question; a drafter keeps the rows of a whole draft.",
                    mistake="one_buffer")


@bigram_probabilities.part("adds the smoothing to every count",
                           rests_on="(n + smoothing) / (N + smoothing * vocab_size)")
def _(student, rng):
    data = skewed_text(rng, 60, 9)[None]
    for smoothing in mixed((0.5, 3.0, 0.02, 1.0), rng):
        rows = _rows(student, data, 12, smoothing=smoothing)
        _compare(rows, data, range(9), 12, smoothing, f"with smoothing = {smoothing}", SUMS)


@bigram_probabilities.part("gives a uniform row to tokens that nothing followed",
                           rests_on="A token that nothing followed gets a uniform row")
def _(student, rng):
    last, *others = some(rng, 6, 0, 20)
    data = torch.tensor([others + others, others[:3] + others[:2] + others[:4] + [last]])
    unseen = [token for token in range(23) if token not in others]
    for smoothing in (0.0, 0.25):
        rows = _rows(student, data, 23, smoothing)
        _compare(rows, data, unseen[:6] + [last, 22], 23, smoothing, "for a token that nothing followed")


@bigram_probabilities.part("counts nothing across rows, and takes a single row or a list of rows",
                           rests_on=("nothing is counted across rows", "a single row, or a list of rows"))
def _(student, rng):
    windows = torch.stack([skewed_text(rng, 12, 8) for _ in range(20)])
    windows[:, 0], windows[:, -1], windows[3, 5], windows[3, 6] = 7, 6, 6, 1
    _compare(_rows(student, windows, 8), windows, _followed(windows), 8, 0.0, "with several windows",
             ["across_windows"])
    for data, same in ((windows[0], windows[:1]), (list(windows), windows)):
        _compare(_rows(student, data, 8), same, _followed(same), 8, 0.0, "for a single row or a list of rows")


@bigram_probabilities.part("refuses ids outside the vocabulary, and a smoothing below 0", weight=0.5, rests_on=(
    "ValueError: the data holds an id outside the vocabulary", "or smoothing is negative"))
def _(student, rng):
    fine = skewed_text(rng, 30, 12)[None]
    answered = as_array(_rows(student, fine, 14, 0.5)(_followed(fine)[0]))  # whether it is right, other parts ask
    if answered.shape != (14,):
        raise Wrong(f"A row has the shape {answered.shape}; expected one probability per id, (14,).")
    refuse_misplaced(student, lambda windows: (windows, 1000, 0.5), rng)
    for smoothing in (-1.0, -uniform(1e-3, 0.1, rng)):
        if not student.raises(ValueError, fine, 14, smoothing):
            raise Wrong("A smoothing below 0 would make probabilities below 0: raise a ValueError.")


@bigram_probabilities.part("keeps a vocabulary of 151,936 in little memory", rests_on=(
    "keeps only the pairs that occur: V x V numbers do not fit into memory"))
def _(student, rng):
    size = 4096
    text = torch.randperm(size, generator=rng)[None]  # every token is seen, once
    cost_of(lambda: _asked_once(student.quiet(text[:, :50], size)))  # what is imported on the way is not counted
    token = int(text[0, 1000])
    (_, row), used, _ = cost_of(lambda: _asked_once(student.quiet(text, size), token))
    if used > size * size / 2:
        raise Wrong("With 4,096 ids your function needs memory for each of the 17 million possible pairs.",
                    mistake="dense")
    if row.shape != (size,) or not _near(row, np.eye(1, size, int(text[0, 1001]))[0]):
        raise Wrong("With 4,096 ids a row is not the right one.")
    size = 151_936
    ids = real_ids(rng, 40, size)
    large = torch.cat([ids[skewed_text(rng, 500, 40)], torch.randint(size, (4000,), generator=rng)])[None]
    rows, known = _rows(student, large, size), followers(rows_of(large))
    for token in [*mixed([t for t in ids.tolist() if t in known], rng)[:5], int(large[0, 1000])]:
        row = as_array(rows.quiet(token))
        right = np.bincount(known[token], minlength=size) / len(known[token])
        if row.shape != (size,) or not _near(row, right):
            raise Wrong("With 151,936 ids a row is not the right one. Do your numbers have room for all pairs of ids?")


def _asked_once(function, token: int = 0) -> tuple:
    """The function, and a row of it that has been read: what is put off until somebody looks costs its memory here."""
    return function, as_array(function(token) if callable(function) else 0)


def _three_rows(student, data, *args) -> list:
    return [as_array(_rows(student, data, *args)(token)) for token in (1, 3, 8)]


@bigram_probabilities.argument("train_data")
def _(student, rng):
    return [_three_rows(student, skewed_text(rng, 200, 9)[None], 30, 0.5) for _ in range(2)]


@bigram_probabilities.argument("vocab_size")
def _(student, rng):
    data = skewed_text(rng, 200, 9)[None]
    return [_three_rows(student, data, size, 0.5) for size in (30, 37)]


@bigram_probabilities.argument("smoothing")
def _(student, rng):
    data = skewed_text(rng, 200, 9)[None]
    return [_three_rows(student, data, 30, smoothing) for smoothing in (0.5, 3.0)]


bigram_probabilities.mistake("token_as_tensor", "Your rows are right for an int, and not for a 0-d tensor: begin with "
                             "`int(last_token)`.")
bigram_probabilities.mistake(
    "transposed",
    "Your rows tell what came *before* the token. The row of `last_token` is about what comes after it.",
)
bigram_probabilities.mistake(
    "across_windows",
    "You count pairs across the border of two windows: the end of one and the start of the next never stood "
    "side by side in the text.",
)
bigram_probabilities.mistake(
    "wrong_axis",
    "You divide by the wrong sum. p(next | last) is a share of everything that followed `last`: divide the counts of "
    "one row by the sum of that row, not by the sums of the columns. Test yourself: every row must sum to 1.",
)
bigram_probabilities.mistake(
    "smoothed_sum",
    "The sum that you divide by is too small: every one of the vocab_size counts has grown by `smoothing`, so their "
    "sum has grown by smoothing * vocab_size.",
)
bigram_probabilities.mistake(
    "smooths_the_seen",
    "You smooth only what was seen. The others are what smoothing is for: every id gets `smoothing` added to its "
    "count, also where that is 0.",
)
bigram_probabilities.mistake(
    "smooths_the_sum",
    "You smooth the sum, but not the counts: n + smoothing stands above, N + smoothing * vocab_size below.",
)
for _id, _message in (
    ("only_counts", "Your rows are counts. Divide each by the sum of its row: a distribution sums to 1."),
    ("softmax", "You take the softmax of counts. A count of 5 against 4 is then 2.7 times as likely: the shares are "
                "the counts divided by their sum."),
    ("joint", "You divide by all pairs of the text. p(next | last) is a share of what followed `last` alone: divide by "
              "the sum of its own row."),
    ("favourite", "Your row gives everything to the token that came most often. Each follower gets its share."),
    ("smooths_the_shares", "You add the smoothing to the shares. It is added to the counts, before they are divided: "
                           "a token that was seen often is smoothed less."),
):
    bigram_probabilities.mistake(_id, _message)
bigram_probabilities.mistake(
    "counts_the_last",
    "You divide by how often the token stands in the data. N is how often it was *followed*: the last token of a row "
    "is followed by nothing, and does not count.",
)
bigram_probabilities.mistake(
    "nan",
    "A token that nothing followed has a count of zero, and 0/0 is NaN. We know nothing about what follows it, so "
    "every id is as likely: a uniform row.",
)
bigram_probabilities.mistake(
    "tensor_keys",
    "Every row is uniform, as if nothing had been counted. Do you use tensors as dictionary keys? Equal tensors are "
    "different keys (Python hashes a tensor by its identity), so what you stored is never found. Use `.tolist()`.",
)
bigram_probabilities.mistake(
    "no_function", "The answer of bigram_probabilities is itself a function, to be asked for one row at a time."
)
bigram_probabilities.mistake(
    "one_buffer",
    "All rows are one and the same tensor, which every question fills anew. Whoever keeps a row finds another one in "
    "it later. Make a new tensor for every row.",
)
bigram_probabilities.mistake(
    "outside",
    "Ids outside the vocabulary slip through. They mean that the text was encoded for another model. Compare the "
    "smallest id of all the data with 0 and the largest with vocab_size - 1, and raise a ValueError.",
)
bigram_probabilities.mistake(
    "dense",
    "You keep a number for every possible pair. With the 151,936 ids of Qwen that would be 23 billion numbers, 92 GB "
    "in float32, nearly all of them zero. Keep the pairs that occur, and write a row when it is asked for.",
)
bigram_probabilities.help(
    r"MemoryError|allocate|not enough memory|too large|maximum supported",
    "There is no room for vocab_size x vocab_size numbers. Keep only the pairs that occur; make a row when asked.",
)
bigram_probabilities.help(
    r"ZeroDivisionError", "A token that nothing followed has no counts to divide by: its row is uniform."
)
bigram_probabilities.help(
    r"KeyError", "A dictionary has no entry for some token: nothing ever followed it, and its row is uniform."
)
bigram_probabilities.help(
    r"too many indices|Dimension out of range|0-d tensor|not subscriptable|not iterable|"
    r"'list' object has no attribute|list indices must be|only integer tensors of a single element",
    "The data may be [nsamples, seqlen], a single row [seqlen], or a list of rows: bring all three to one form first. "
    "And last_token may be a 0-d tensor: `int(last_token)`.",
)
