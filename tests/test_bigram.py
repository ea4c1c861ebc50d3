"""The bigram: tables, drafts, rates and rows against brute force; the drafter in the decoding loop; its pictures."""

from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specdec_course.checks import evaluate
from specdec_course.checks.cost import cost_of, times_slower
from specdec_course.corpora import sample_windows
from specdec_course.drafters import BigramDrafter
from specdec_course.drafters.bigram import (
    bigram_probabilities,
    build_next_token_array,
    draft_with_bigram,
    hit_rate,
)

V = 9
rows = st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=20), min_size=1, max_size=6)
windows = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, V - 1), min_size=n, max_size=n), min_size=1, max_size=6)
)


def counted(data) -> dict[int, Counter]:
    counts = defaultdict(Counter)
    for row in data:
        for one, other in zip(row[:-1], row[1:], strict=True):
            counts[one][other] += 1
    return counts


def table_by_hand(data, default) -> list[int]:
    counts = counted(data)
    return [min(counts[t], key=lambda x, t=t: (-counts[t][x], x)) if t in counts else default for t in range(V + 2)]


@settings(deadline=None)
@given(rows)
def test_the_table_is_the_brute_force_count_also_of_rows_of_different_length(data):
    given_rows = [torch.tensor(row) for row in data]
    table = build_next_token_array(given_rows, V + 2, V + 1)
    assert table.dtype == np.int32 and table.tolist() == table_by_hand(data, V + 1)


@settings(deadline=None)
@given(windows)
def test_windows_a_list_and_plain_lists_give_the_same_table(data):
    expected = table_by_hand(data, 3)
    for form in (torch.tensor(data), list(torch.tensor(data)), data, np.array(data)):
        assert build_next_token_array(form, V + 2, 3).tolist() == expected
    assert build_next_token_array(torch.tensor(data[0]), V + 2, 3).tolist() == table_by_hand(data[:1], 3)


@settings(deadline=None)
@given(rows, st.sampled_from([0.0, 0.25, 2.0]))
def test_rows_of_probabilities_are_the_smoothed_shares(data, smoothing):
    following = bigram_probabilities([torch.tensor(row) for row in data], V + 2, smoothing)
    counts = counted(data)
    for token in range(V + 2):
        total = sum(counts[token].values()) + smoothing * (V + 2)
        expected = [(counts[token][x] + smoothing) / total if total else 1 / (V + 2) for x in range(V + 2)]
        assert torch.allclose(following(token), torch.tensor(expected), atol=1e-6)
        assert following(torch.tensor(token)).sum() == pytest.approx(1, abs=1e-5)


@settings(deadline=None)
@given(st.lists(st.integers(0, V - 1), max_size=30), st.lists(st.integers(0, V - 1), min_size=V, max_size=V))
def test_the_hit_rate_counts_guesses(ids, table):
    hits = [table[a] == b for a, b in zip(ids[:-1], ids[1:], strict=True)]
    expected = sum(hits) / len(hits) if hits else 0.0
    assert hit_rate(torch.tensor(ids, dtype=torch.long), np.array(table, dtype=np.int32)) == pytest.approx(expected)


@settings(deadline=None)
@given(st.lists(st.integers(0, V - 1), min_size=V, max_size=V), st.integers(0, V - 1), st.integers(0, 8))
def test_a_draft_is_a_chain(table, last_token, k):
    draft = draft_with_bigram(torch.tensor(last_token), np.array(table, dtype=np.int32), k)
    assert draft.dtype == torch.long and draft.shape == (k,)
    text = [last_token, *draft.tolist()]
    assert all(table[a] == b for a, b in zip(text[:-1], text[1:], strict=True))
    proposed = BigramDrafter(np.array(table)).propose(torch.tensor([0, last_token]), k)
    assert proposed.probs is None and torch.equal(proposed.ids, draft)


@pytest.mark.parametrize("bad", ([[0, 5]], [[-1, 2]], [[7, 0]]))
def test_ids_outside_the_vocabulary_are_refused(bad):
    for count in (build_next_token_array, bigram_probabilities):
        with pytest.raises(ValueError, match="outside"):
            count(torch.tensor(bad), 5)


def test_negative_smoothing_is_refused():
    with pytest.raises(ValueError, match="smoothing"):
        bigram_probabilities(torch.tensor([[1, 2]]), 5, -0.1)


@pytest.mark.parametrize("table", (np.zeros((2, 2), int), np.array([]), np.array([0.5]), np.array([1, -1])))
def test_a_drafter_wants_a_table_of_ids(table):
    with pytest.raises(ValueError, match="next_token_array"):
        BigramDrafter(table)


def test_a_drafter_stays_silent_where_its_table_ends():
    drafter = BigramDrafter(np.array([1, 7, 0], dtype=np.int32))
    assert drafter.propose(torch.tensor([5]), 4).ids.tolist() == []
    assert drafter.propose(torch.tensor([0]), 4).ids.tolist() == [1, 7]  # 7 is beyond the table: no guess after it
    assert drafter.calls == 0


def test_fit_counts_a_text_and_gives_unseen_tokens_the_most_frequent_one():
    drafter = BigramDrafter.fit(torch.tensor([3, 1, 3, 2, 3, 2]), 6)
    assert drafter.next_token == [3, 3, 3, 2, 3, 3]
    for ids in (torch.tensor([]), torch.tensor([1]), torch.tensor(1)):
        with pytest.raises(ValueError, match="two tokens"):
            BigramDrafter.fit(ids, 6)


def test_speculation_with_a_bigram_writes_the_targets_own_text():
    transformers = pytest.importorskip("transformers")
    from specdec_course import generate

    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=128,
    )
    target = transformers.Qwen3ForCausalLM(config).eval()
    prompt = torch.tensor([3, 1, 4])
    plain = generate(target, prompt, max_new_tokens=40)
    drafter = BigramDrafter.fit(plain.tokens, 50)
    out = generate(target, prompt, drafter, k=4, max_new_tokens=40)
    assert torch.equal(out.tokens, plain.tokens)
    assert out.trace.target_calls < plain.trace.target_calls and out.trace.draft_calls == 0


def test_memory_is_seen_in_numpy_torch_and_in_many_small_rows():
    n = 1000

    def many():
        return {i: torch.zeros(n) for i in range(n)}

    def sparse():
        where = torch.zeros(2, 1, dtype=torch.long)
        return torch.sparse_coo_tensor(where, torch.ones(1), (n, n), check_invariants=True)

    for make, expected in (
        (lambda: np.zeros((n, n), dtype=np.int8), n * n),
        (lambda: torch.zeros(n, n), 4 * n * n),
        (lambda: torch.empty(n, n, dtype=torch.int16), 2 * n * n),
        (many, 4 * n * n),
    ):
        assert cost_of(make)[1] >= expected
    for make in (lambda: torch.ones(n).expand(n, n), lambda: [torch.ones(n).sum() for _ in range(n)], sparse):
        assert cost_of(make)[1] < n * n
    kept, array, row = torch.zeros(n, n), np.zeros((n, n)), torch.zeros(3, n)
    for look in (lambda: kept[1, :5], lambda: kept.add_(1)[0], lambda: torch.from_numpy(array)[0, :5],
                 lambda: torch.add(row, 1, out=row)):
        assert cost_of(look)[1] < 3000, "what was there before was not asked for"
    assert cost_of(lambda: row.resize_(n, n))[1] >= 4 * n * n


def test_times_slower_is_a_ratio():
    def work(n):
        return lambda: sum(range(n))

    assert times_slower(work(4_000_000), work(40_000), enough=5) > 5
    assert times_slower(work(40_000), work(4_000_000), enough=5) < 1


def test_a_dense_table_is_refused_before_it_can_fill_the_machine():
    asked = []

    def dense(train_data, vocab_size, smoothing=0.0):
        asked.append(vocab_size)
        counts = torch.full((vocab_size, vocab_size), float(smoothing))
        for row in torch.atleast_2d(train_data) if torch.is_tensor(train_data) else train_data:
            counts.index_put_((row[:-1], row[1:]), torch.ones(len(row) - 1), accumulate=True)
        return lambda t: counts[t] / counts[t].sum() if counts[t].sum() else torch.full((vocab_size,), 1 / vocab_size)

    report = evaluate("bigram_probabilities", dense)
    assert report.diagnosis == "dense" and max(asked) < 10_000
    assert "GB" in report.message


def test_right_but_slow_is_told_so_and_keeps_most_of_its_points():
    def slow(train_data, vocab_size=128256, default_next_token=220):
        rows = [train_data] if torch.is_tensor(train_data) and train_data.dim() == 1 else list(train_data)
        counts = defaultdict(Counter)
        for row in rows:
            for i in range(len(row) - 1):
                pair = torch.stack([row[i], row[i + 1]]).clone()
                if pair.min() < 0 or pair.max() >= vocab_size:
                    raise ValueError("an id outside the vocabulary")
                counts[int(pair[0])][int(pair[1])] += 1
        table = np.full(vocab_size, default_next_token, dtype=np.int32)
        for token, after in counts.items():
            table[token] = min(after, key=lambda x: (-after[x], x))
        return table

    report = evaluate("build_next_token_array", slow)
    assert report.diagnosis == "slow" and 0.5 < report.score < 1
    assert "Right, but slow" in report.message


def test_windows_lie_in_the_text_and_reach_its_ends():
    ids = torch.arange(30)
    cut = sample_windows(ids, 6, 500, seed=1)
    assert cut.shape == (500, 6) and torch.equal(cut - cut[:, :1], torch.arange(6).expand(500, 6))
    assert {0, 24} <= set(cut[:, 0].tolist()) and cut.max() == 29


def test_pictures_are_drawn_and_refuse_what_does_not_fit():
    from specdec_course.figures import bigram as figures

    page = figures.hit_map(["a", " b", "\n", "$x$"], [True, False, True])
    assert page._repr_png_()[:4] == b"\x89PNG"
    legend = [text.get_text() for text in page.legends[0].get_texts()]
    assert "foreseen (2 of 3)" in legend
    with pytest.raises(ValueError, match="one hit for every piece"):
        figures.hit_map(["a", "b"], [True, False])
    lines = figures.rates_by_size([10, 100], [0.1, 0.2], [0.6, 0.3]).axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[0.6, 0.3], [0.1, 0.2]]
    chains = figures.saturation({1: 1.5, 2: 1.7}, {"other": {1: 1.1, 2: 1.2}}, 0.5).axes[0].lines
    assert list(chains[0].get_ydata()) == [1.5, 1.75] and len(chains) == 3
    assert len(figures.speed_by_k({1: 1.3, 8: 1.4}, {1: 1.2, 8: 0.8}).axes[0].lines) == 3


def test_recorded_measurements_name_their_source():
    import json

    from specdec_course.common.paths import data_path
    from specdec_course.figures.bigram import recorded

    curves = recorded()
    assert curves
    for curve in curves.values():
        assert set(range(1, 7)) <= set(curve) and all(1 <= tokens < 2 for tokens in curve.values())
    for path in data_path("measurements").glob("*_bigram.json"):
        assert {"hardware", "date", "source", "command"} <= set(json.loads(path.read_text()))
