"""Ragged greedy verification, what a batch is worth, and drafting ahead: exact values, then properties."""

import itertools
import math
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from specdec_course.decoding.serving import batch_throughput, crossover_batch, overlap_timeline, verify_batch
from specdec_course.theory import expected_tokens, speedup
from specdec_course.verification import verify_greedy

# verify_batch --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 5))
def test_each_row_is_verified_as_if_it_were_alone(seed, rows, k):
    draw = torch.Generator().manual_seed(seed)
    draft, lengths = torch.randint(0, 3, (rows, k), generator=draw), torch.randint(0, k + 1, (rows,), generator=draw)
    logits, active = torch.randn(rows, k + 1, 3, generator=draw), torch.rand(rows, generator=draw) < 0.7
    choice = logits.argmax(-1)
    inputs = draft.clone(), choice.clone(), lengths.clone(), active.clone()
    accepted, emitted = verify_batch(draft, choice, lengths, active)
    assert all(torch.equal(a, b) for a, b in zip(inputs, (draft, choice, lengths, active), strict=True))
    assert accepted.shape == (rows,) and accepted.dtype == torch.long and len(emitted) == rows
    for b, n in enumerate(lengths.tolist()):
        due = verify_greedy(draft[b, :n], logits[b, : n + 1]) if active[b] else draft.new_empty(0)
        assert torch.equal(emitted[b], due) and int(accepted[b]) == max(0, len(due) - 1)


def test_padding_that_happens_to_agree_counts_for_nothing():
    draft, choice = torch.tensor([[4, 5, 6], [4, 5, 6], [4, 5, 6], [9, 5, 6]]), torch.tensor([[4, 5, 6, 7]] * 4)
    lengths, active = torch.tensor([1, 3, 0, 3]), torch.ones(4, dtype=torch.bool)
    accepted, emitted = verify_batch(draft, choice, lengths, active)
    assert accepted.tolist() == [1, 3, 0, 0]
    assert [one.tolist() for one in emitted] == [[4, 5], [4, 5, 6, 7], [4], [4]]


def test_a_row_without_a_text_may_hold_anything():
    draft, choice = torch.tensor([[1, 2], [-100, 10**9]]), torch.tensor([[1, 2, 3], [-100, 10**9, -1]])
    accepted, emitted = verify_batch(draft, choice, torch.tensor([2, 77]), torch.tensor([True, False]))
    assert accepted.tolist() == [2, 0] and [one.tolist() for one in emitted] == [[1, 2, 3], []]


# a batch and its worth -----------------------------------------------------------------------------------------------

FLAT = {1: 0.5, 1000: 0.5}
WALL = {1: 1.0, 64: 1.0, 6400: 100.0}  # free up to 64 tokens, then as many seconds as there are 64s


def test_throughput_by_hand():
    assert batch_throughput(1, 0.0, 0, FLAT) == pytest.approx(2)
    assert batch_throughput(8, 0.5, 2, FLAT) == pytest.approx(8 * 1.75 / 0.5)
    assert batch_throughput(8, 0.5, 2, FLAT, c=0.25) == pytest.approx(8 * 1.75 / (0.5 + 2 * 0.25 * 0.5))
    assert batch_throughput(32, 1.0, 3, WALL) == pytest.approx(32 * 4 / 2)
    assert batch_throughput(128, 1.0, 1, WALL, c=0.5) == pytest.approx(128 * 2 / (0.5 * 2 + 4))
    line = {10: 1.0, 20: 3.0}
    assert batch_throughput(4, 1.0, 3, line) == pytest.approx(16 / 2.2)
    assert batch_throughput(1, 1.0, 3, line) == pytest.approx(4 / 1.0)  # below the smallest size
    assert batch_throughput(5, 0.3, 3, line) == pytest.approx(5 * expected_tokens(0.3, 3) / 3)


@given(st.floats(0, 1), st.integers(0, 8), st.floats(0, 1), st.floats(1, 3))
def test_one_text_is_sped_up_as_the_formula_of_one_text_says(alpha, k, c, v):
    profile = {1: 0.02, k + 1: 0.02 * v} if k else {1: 0.02}
    ratio = batch_throughput(1, alpha, k, profile, c) / batch_throughput(1, alpha, 0, profile)
    assert ratio == pytest.approx(speedup(alpha, k, c, v if k else 1.0))


def test_the_batch_at_which_speculation_stops_paying_by_hand():
    assert crossover_batch(0.5, 1, WALL) == 48  # 1.5 B / (2 B / 64) is 48 a second, and plainly it is B
    assert crossover_batch(1.0, 1, WALL) == 64  # from there on a drafted token costs as much as any other
    assert crossover_batch(0.5, 1, FLAT) is None
    assert crossover_batch(0.0, 3, FLAT) == 1  # not above: exactly as fast does not pay
    assert crossover_batch(0.5, 1, FLAT, c=0.5) == 1 and crossover_batch(0.5, 1, FLAT, c=0.49) is None
    assert crossover_batch(0.9, 4, {1: 1.0, 4: 1.0}) is None  # not even one text fits
    assert crossover_batch(0.5, 1, {1: 1.0, 94: 94.0}) == 1 and crossover_batch(0.5, 1, {1: 1.0, 94: 1.0}) is None


@given(st.data())
def test_it_is_the_first_that_is_not_faster(data):
    sizes = data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=5, unique=True))
    profile = {size: data.draw(st.floats(0.5, 4)) for size in sizes}
    alpha, k, c = data.draw(st.floats(0, 1)), data.draw(st.integers(1, 5)), data.draw(st.floats(0, 0.5))
    gains = [batch_throughput(b, alpha, k, profile, c) / batch_throughput(b, alpha, 0, profile)
             for b in range(1, max(sizes) // (k + 1) + 1)]  # fmt: skip
    found = crossover_batch(alpha, k, profile, c)
    if found is None:
        assert all(gain > 1 for gain in gains)
    else:
        assert gains[found - 1] <= 1 + 2e-9 and all(gain > 1 for gain in gains[: found - 1])


@pytest.mark.parametrize("change", [
    {"alpha": -0.1}, {"alpha": 1.1}, {"alpha": math.nan}, {"k": -1}, {"c": -0.1}, {"c": math.nan}, {"profile": {}},
    {"profile": {0: 1.0, 9: 1.0}}, {"profile": {1: 0.0, 9: 1.0}}, {"profile": {1: 1.0, 9: math.nan}},
], ids=str)  # fmt: skip
def test_what_makes_no_sense_is_refused(change):
    asked = {"alpha": 0.5, "k": 2, "profile": {1: 1.0, 9: 1.0}, **change}
    with pytest.raises(ValueError, match="expected"):
        batch_throughput(batch=2, **asked)
    with pytest.raises(ValueError, match="expected"):
        crossover_batch(**asked)


def test_what_was_not_measured_is_not_made_up():
    with pytest.raises(ValueError, match="ends at 9"):
        batch_throughput(4, 0.5, 2, {1: 1.0, 9: 1.0})
    with pytest.raises(ValueError, match="batch is 0"):
        batch_throughput(0, 0.5, 2, {1: 1.0, 9: 1.0})
    with pytest.raises(ValueError, match="k is 0"):
        crossover_batch(0.5, 0, {1: 1.0, 9: 1.0})


# drafting ahead ------------------------------------------------------------------------------------------------------


def test_a_timeline_by_hand():
    timeline, total = overlap_timeline(3, 5, [True, False, True])
    assert timeline == [
        ("draft", 0, 0, 3, True),
        ("verify", 0, 3, 8, True), ("draft", 1, 3, 6, True),
        ("verify", 1, 8, 13, True), ("draft", 2, 8, 11, False), ("draft", 2, 13, 16, True),
        ("verify", 2, 16, 21, True),
    ]  # fmt: skip
    assert total == 21


def test_a_slow_draft_is_stopped_by_a_rejection_and_waited_for_otherwise():
    timeline, total = overlap_timeline(7, 2, [False, True, True])
    assert timeline == [
        ("draft", 0, 0, 7, True),
        ("verify", 0, 7, 9, True), ("draft", 1, 7, 9, False), ("draft", 1, 9, 16, True),
        ("verify", 1, 16, 18, True), ("draft", 2, 16, 23, True),
        ("verify", 2, 23, 25, True),
    ]  # fmt: skip
    assert total == 25


def test_no_blocks_take_no_time():
    assert overlap_timeline(3, 5, []) == ([], 0.0)


class Span(NamedTuple):
    """An entry of a timeline, by names."""

    who: str
    block: int
    start: float
    end: float
    kept: bool


DURATIONS = st.one_of(st.just(0.0), st.floats(0.1, 20))


@given(DURATIONS, DURATIONS, st.lists(st.booleans(), min_size=1, max_size=8))
def test_properties_of_every_timeline(draft_ms, verify_ms, accepted):
    timeline, total = overlap_timeline(draft_ms, verify_ms, accepted)
    timeline = [Span(*one) for one in timeline]
    n, kept = len(accepted), sum(accepted[:-1])
    assert total == pytest.approx(draft_ms + verify_ms + kept * max(draft_ms, verify_ms)
                                  + (n - 1 - kept) * (draft_ms + verify_ms))  # fmt: skip
    assert total <= n * (draft_ms + verify_ms) + 1e-9
    for who in ("draft", "verify"):  # one thing at a time
        spans = sorted((span.start, span.end) for span in timeline if span.who == who)
        assert all(end <= start + 1e-9 for (_, end), (start, _) in itertools.pairwise(spans))
    checks = [span for span in timeline if span.who == "verify"]
    drafts = [span for span in timeline if span.who == "draft" and span.kept]
    assert [span.block for span in checks] == [span.block for span in drafts] == list(range(n))
    assert all(draft.end <= check.start for draft, check in zip(drafts, checks, strict=True))
    assert all(span.end - span.start == pytest.approx(draft_ms) for span in drafts)
    assert sum(not span.kept for span in timeline) == n - 1 - kept


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 7))
def test_another_block_accepted_never_makes_it_later(accepted, at):
    better = [one or i == at for i, one in enumerate(accepted)]
    assert overlap_timeline(3.0, 5.0, better)[1] <= overlap_timeline(3.0, 5.0, accepted)[1]


@pytest.mark.parametrize("draft_ms, verify_ms, accepted, said", [
    (-1, 5, [True], "draft_ms is -1"), (3, math.inf, [True], "verify_ms is inf"), (math.nan, 5, [], "draft_ms is nan"),
    (3, 5, [True, 2], "expected a True or False"), (3, 5, [None], "expected a True or False"),
])  # fmt: skip
def test_times_that_make_no_sense_are_refused(draft_ms, verify_ms, accepted, said):
    with pytest.raises(ValueError, match=said):
        overlap_timeline(draft_ms, verify_ms, accepted)
