"""Drafters that look things up: against brute force, in the decoding loop, their laws, and what a token costs them."""

import json
import time
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_laws import ToyModel, rng, text_law

from specdec_course.checks.stages import toys
from specdec_course.cli import texts as cli
from specdec_course.decoding import generate
from specdec_course.drafters import (
    CorpusDrafter,
    Draft,
    Drafter,
    FirstOf,
    NgramDrafter,
    PromptLookupDrafter,
    SuffixAutomaton,
    SuffixDrafter,
    SuffixIndex,
    TrustedDrafter,
    named,
)
from specdec_course.drafters.automaton import matched
from specdec_course.drafters.counts import Counts
from specdec_course.drafters.lookup import (
    build_ngram_tables,
    combine,
    draft_with_backoff,
    going_round,
    prompt_lookup,
)
from specdec_course.drafters.suffixes import sorted_places
from specdec_course.sampling import Sampling

few = st.lists(st.integers(0, 2), max_size=40)
texts = st.one_of(few, st.lists(st.integers(0, 6), max_size=60), st.lists(st.integers(0, 1), max_size=60))


def rows_of_ids(*rows):
    return [torch.tensor(row, dtype=torch.long) for row in rows]


# tables and back-off ------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=5), st.integers(1, 4))
def test_tables_hold_what_followed_most_often(rows, n):
    tables = build_ngram_tables(rows_of_ids(*rows), n)
    assert len(tables) == n
    for m, table in enumerate(tables):
        grams = Counter(tuple(row[i : i + m + 1]) for row in rows for i in range(len(row) - m))
        assert set(table) == {gram[:-1] for gram in grams}
        for context, token in table.items():
            after = {gram[-1]: count for gram, count in grams.items() if gram[:-1] == context}
            assert token == min(after, key=lambda x, after=after: (-after[x], x))


@settings(deadline=None)
@given(texts.filter(len), few, st.integers(1, 4), st.integers(0, 6))
def test_each_guess_follows_the_longest_context_that_is_known(data, context, n, k):
    tables = build_ngram_tables(torch.tensor(data), n)
    text = list(context)
    for token in draft_with_backoff(torch.tensor(context, dtype=torch.long), tables, k).tolist():
        known = max(m for m in range(min(n, len(text) + 1)) if tuple(text[len(text) - m :]) in tables[m])
        assert token == tables[known][tuple(text[len(text) - known :])]
        text.append(token)
    assert len(text) == len(context) + k, "the most frequent token is always a guess"
    assert NgramDrafter(tables).propose(torch.tensor([1, *context]), k).ids.tolist() == draft_with_backoff(
        torch.tensor([1, *context]), tables, k).tolist()


def test_a_draft_ends_where_nothing_is_known():
    assert draft_with_backoff(torch.tensor([5]), [{}, {(5,): 0, (0,): 7}], 9).tolist() == [0, 7]


# copies -------------------------------------------------------------------------------------------------------------


def ends_of_matches(text, n):
    """The places behind all earlier matches of the last n tokens."""
    return [end for end in range(n, len(text)) if n and text[end - n : end] == text[len(text) - n :]]


@settings(deadline=None)
@given(texts, st.integers(0, 7), st.integers(1, 5))
def test_prompt_lookup_copies_from_the_most_recent_of_the_longest_matches(text, k, most):
    draft = prompt_lookup(torch.tensor(text, dtype=torch.long), k, most)
    lengths = [n for n in range(min(most, len(text)), 0, -1) if ends_of_matches(text, n)]
    place = ends_of_matches(text, lengths[0])[-1] if lengths else len(text)
    assert draft.dtype == torch.long and draft.tolist() == text[place : place + k]


@settings(deadline=None)
@given(texts, st.integers(0, 7))
def test_the_automaton_copies_from_the_longest_ending_that_stood_before(text, k):
    automaton = SuffixAutomaton()
    for end, token in enumerate(text, 1):
        automaton.extend(token)
        lengths = [n for n in range(1, end) if ends_of_matches(text[:end], n)]
        longest = max(lengths, default=0)
        allowed = [text[place : min(place + k, end)] for place in ends_of_matches(text[:end], longest)] or [[]]
        assert automaton.propose(k).tolist() in allowed and matched(automaton) == longest
    assert SuffixAutomaton(torch.tensor(text, dtype=torch.long)).propose(k).tolist() == automaton.propose(k).tolist()


class Counted(dict):
    """Edges that count how often they are looked at or written."""

    steps = 0

    def __contains__(self, key):
        Counted.steps += 1
        return super().__contains__(key)

    def __setitem__(self, key, value):
        Counted.steps += 1
        super().__setitem__(key, value)

    def get(self, key, default=None):
        Counted.steps += 1
        return super().get(key, default)

    def copy(self):
        return Counted(self)


TEXTS = {
    "random, two tokens": lambda n: torch.randint(2, (n,), generator=rng(1)),
    "random, many tokens": lambda n: torch.randint(5000, (n,), generator=rng(2)),
    "one token": lambda n: torch.zeros(n, dtype=torch.long),
    "a period": lambda n: torch.arange(n) % 7,
    "half and half": lambda n: torch.cat([torch.zeros(n // 2), torch.ones(n - n // 2)]).long(),
    "a then b, again": lambda n: (torch.arange(n) % 40 == 39).long(),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_the_automaton_takes_a_constant_number_of_steps_a_token(kind, monkeypatch):
    """Counted, not timed: at most six edges looked at or written, and two states, for each token of any text."""
    steps = {}
    for n in (500, 8000):
        automaton, Counted.steps = SuffixAutomaton(), 0
        automaton.next[0] = Counted()
        for token in TEXTS[kind](n).tolist():
            automaton.extend(token)
            automaton.next[automaton.last] = Counted(automaton.next[automaton.last])
        steps[n] = Counted.steps / n
        assert len(automaton.next) <= 2 * n and sum(map(len, automaton.next)) <= 3 * n
    assert max(steps.values()) <= 12, steps


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(1, 9))
def test_a_copy_that_reaches_the_end_goes_round(draft, k):
    """As if it went on copying from the text with its own draft behind it."""
    text = [9, *draft]
    copied = []
    for i in range(k):
        copied.append((text + copied)[1 + i])
    assert going_round(torch.tensor(draft)[:k], k).tolist() == copied
    assert going_round(torch.tensor([]), k).tolist() == []


# a large text -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(texts.filter(lambda text: len(text) > 1), few, st.integers(1, 9))
def test_the_index_finds_the_longest_match(text, context, depth):
    index = SuffixIndex(torch.tensor(text), depth)
    n, place = index.longest_match(context)
    alike = [next((i for i in range(min(end, len(context), depth)) if text[end - 1 - i] != context[-1 - i]),
                  min(end, len(context), depth)) for end in range(1, len(text))]
    assert n == max(alike, default=0)
    assert 0 < place < len(text) and alike[place - 1] == n if n else place == 0


@settings(deadline=None)
@given(texts.filter(lambda text: len(text) > 1), st.integers(1, 20), st.sampled_from([1, 1000, 70_000]))
def test_places_are_sorted_by_what_stands_in_front_of_them(text, depth, factor):
    ids = factor * np.array(text)
    places = sorted_places(ids, depth).tolist()
    assert sorted(places) == list(range(1, len(text)))
    backwards = [ids[:place][::-1][:depth].tolist() for place in places]
    assert backwards == sorted(backwards)


def test_a_million_tokens_are_indexed_and_asked():
    """Printed, not asserted: seconds to index, median microseconds of a proposal."""
    ids = (torch.rand(1_000_000, generator=rng(3)) ** 3 * 49_152).long()
    ids[500_000:] = ids[:500_000].roll(7)  # long matches, too
    began = time.perf_counter()
    drafter = CorpusDrafter(SuffixIndex(ids))
    built, seconds = time.perf_counter() - began, []
    for place in torch.randint(100, 999_000, (500,), generator=rng(4)).tolist():
        began = time.perf_counter()
        draft = drafter.propose(ids[place - 60 : place], 8, None, None).ids
        seconds.append(time.perf_counter() - began)
        assert len(draft) == 8
    median = 1e6 * float(np.median(seconds))
    print(f"\n1,000,000 tokens: indexed in {built:.2f} s, median proposal {median:.0f} microseconds")


# drafters -----------------------------------------------------------------------------------------------------------

PROPOSERS = {
    "n-gram": lambda size: NgramDrafter.fit(torch.tensor([0, 1, 1, 0, 1, 0, 0, 1]) % size, 3),
    "prompt lookup": lambda size: PromptLookupDrafter(),
    "suffix": lambda size: SuffixDrafter(at_least=1),
    "corpus": lambda size: CorpusDrafter(SuffixIndex(torch.tensor([0, 1, 1, 0, 1, 0, 0, 1]) % size), at_least=1),
    "trusted": lambda size: TrustedDrafter(
        Counts.of(torch.tensor([0, 1, 1, 0, 1, 0, 0, 1]) % size, [str(i) for i in range(size)], 3), worth=0.05
    ),
    "combined": lambda size: FirstOf(SuffixDrafter(at_least=2), PromptLookupDrafter(), NgramDrafter([{(): 1}])),
}


@pytest.mark.parametrize("name", PROPOSERS)
@pytest.mark.parametrize(("size", "k", "new"), [(2, 2, 5), (3, 2, 3), (2, 3, 4)])
def test_the_law_of_the_text_stays_the_targets(monkeypatch, name, size, k, new):
    """What is copied depends on the text that was drawn so far: the law is exact all the same."""
    forward = toys.toy_forward(size, rng(20))
    for sampling in (Sampling(1.0), Sampling(0.7, top_k=2)):
        law = text_law(
            monkeypatch, ToyModel(forward, size), lambda: PROPOSERS[name](size), k, sampling, new, prompt=(0, 1, 0)
        )
        rows = lambda text, s=sampling: s(forward(torch.tensor((0, 1, 0, *text)))[-1])  # noqa: E731
        wanted = toys.target_law(rows, new)
        assert toys.difference(law, wanted) < 1e-5


@pytest.fixture(scope="module")
def target():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=256, initializer_range=0.2,
    )
    return transformers.Qwen3ForCausalLM(config).eval()


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("name", PROPOSERS)
def test_speculation_writes_the_targets_own_text(target, name, engine):
    for prompt in (torch.tensor([3, 1, 4, 1, 5, 1, 4, 1]), torch.tensor([7])):
        plain = generate(target, prompt, max_new_tokens=40, eos_token_id=None, engine=engine)
        drafter = PROPOSERS[name](50)
        for k in (1, 5):
            out = generate(target, prompt, drafter, k=k, max_new_tokens=40, eos_token_id=None, engine=engine)
            assert torch.equal(out.tokens, plain.tokens) and out.trace.draft_calls == 0
    assert out.trace.tokens_per_call >= 1


def test_one_drafter_serves_one_text_after_the_other():
    drafter = SuffixDrafter(at_least=1)
    for text in ([1, 2, 3, 1], [4, 5, 4], [4, 5, 4, 5], [1, 2, 1]):  # not told of a new text, as in a replay
        fresh = SuffixDrafter(at_least=1).propose(torch.tensor(text), 2).ids
        assert torch.equal(drafter.propose(torch.tensor(text), 2).ids, fresh)


def test_a_match_that_is_too_short_is_not_copied():
    text = torch.tensor([1, 2, 3, 9, 2, 3])
    assert SuffixDrafter(at_least=2).propose(text, 2).ids.tolist() == [9, 2]
    assert SuffixDrafter(at_least=3).propose(text, 2).ids.tolist() == []
    index = SuffixIndex(torch.tensor([5, 1, 2, 3, 4]))
    assert CorpusDrafter(index, at_least=2).propose(torch.tensor([9, 2, 3]), 5).ids.tolist() == [4]
    assert CorpusDrafter(index, at_least=3).propose(torch.tensor([9, 2, 3]), 5).ids.tolist() == []


class Spoken(Drafter):
    """Says so many tokens, and writes down what it is told."""

    def __init__(self, n, calls=0):
        self.n, self.told, self.calls = n, [], calls

    def begin(self, vocab_size, positions, engine):
        self.told.append(("begin", vocab_size, positions, engine))

    def propose(self, ids, k, sampling=None, dice=None):
        self.told.append(("propose", k))
        return Draft(torch.full((min(self.n, k),), self.n))

    def accepted(self, n):
        self.told.append(("accepted", n))


def test_the_first_that_speaks_is_heard_and_told_what_was_accepted():
    silent, one, other = Spoken(0, 2), Spoken(3, 5), Spoken(4)
    both = FirstOf(silent, one, other)
    both.begin(50, 9, "eager")
    assert both.propose(torch.tensor([1]), 2).ids.tolist() == [3, 3]
    both.accepted(1)
    assert one.told[1:] == [("propose", 2), ("accepted", 1)] and silent.told[1:] == [("propose", 2)]
    assert other.told == [("begin", 50, 9, "eager")] and both.calls == 7
    none = FirstOf(Spoken(0))
    assert len(none.propose(torch.tensor([1]), 2).ids) == 0
    none.accepted(0)
    functions = [lambda ids, k: ids[:0], lambda ids, k: ids[:k]]
    assert (
        combine(functions)(torch.tensor([1, 2]), 1).tolist() == [1] and combine([])(torch.tensor([1]), 1).tolist() == []
    )


def test_a_model_behind_a_copy_keeps_its_place(target):
    from specdec_course.drafters import ModelDrafter

    prompt = torch.tensor([3, 1, 4, 1, 5, 1, 4, 1])
    for engine in ("eager", "compiled"):
        plain = generate(target, prompt, max_new_tokens=60, eos_token_id=None, engine=engine)
        drafter = FirstOf(SuffixDrafter(at_least=4), ModelDrafter(target))
        out = generate(target, prompt, drafter, k=4, max_new_tokens=60, eos_token_id=None, engine=engine)
        assert torch.equal(out.tokens, plain.tokens) and out.trace.draft_calls > 0


def test_bad_arguments_are_refused_in_words():
    for make, words in (
        (lambda: NgramDrafter([]), "at least one dict"),
        (lambda: NgramDrafter.fit(torch.tensor(3)), "n >= 1"),
        (lambda: NgramDrafter.fit(torch.tensor([3]), 0), "n >= 1"),
        (lambda: PromptLookupDrafter(0), "at least 1"),
        (lambda: SuffixDrafter(0), "at least 1"),
        (lambda: FirstOf(), "at least one"),
        (lambda: SuffixIndex(torch.tensor([1])), "two ids"),
        (lambda: SuffixIndex(torch.tensor([-1, 2])), "2.31"),
        (lambda: CorpusDrafter(SuffixIndex(torch.tensor([1, 2])), 0), "at least 1"),
    ):
        with pytest.raises(ValueError, match=words):
            make()


def test_a_foreign_corpus_is_refused_by_name(target):
    drafter = CorpusDrafter(SuffixIndex(torch.tensor([3, 1, 4, 99, 99])), at_least=1)
    with pytest.raises(ValueError, match="another vocabulary"):
        generate(target, torch.tensor([3, 1, 4]), drafter, k=4, max_new_tokens=8)


# names --------------------------------------------------------------------------------------------------------------


def test_every_name_makes_a_drafter(tmp_path):
    from specdec_course import load_pair

    assert cli.DRAFTERS == named.NAMES
    pair = load_pair("classroom", say=lambda line: None)
    (tmp_path / "text.txt").write_text(" = A town = \n\n The town lies on a river . The town is old . \n" * 30)
    reading = ("medusa", "eagle", "glide", "cape", "parallel")  # these read what the target made
    for name in named.NAMES:
        drafter = named.named_drafter(name, pair, str(tmp_path / "text.txt"), say=lambda line: None)
        if name not in (*reading, "none"):
            draft = (
                drafter.propose(
                    pair.tokenizer(" The town lies on a river . The town", return_tensors="pt").input_ids[0],
                    3,
                    Sampling(0.0),
                    None,
                )
                if name != "model"
                else None
            )
            assert draft is None or len(draft.ids) == 3, name
    both = named.named_drafter("suffix+eagle", pair)
    assert [type(one).__name__ for one in both.drafters] == ["SuffixDrafter", "EagleDrafter"]
    for wrong in ("lookups", "suffix+lookups"):
        with pytest.raises(ValueError, match="no drafter 'lookups'"):
            named.named_drafter(wrong, pair)


# measurements and pictures ------------------------------------------------------------------------------------------


def test_a_replay_makes_the_rounds_of_the_loop(target):
    from specdec_course.measure.lookup import from_the_prompt, replayed, seconds_per_proposal

    prompt = torch.tensor([3, 1, 4, 1, 5, 1, 4, 1])
    texts, wanted = [], {"lookup": [], "suffix": []}
    drafters = {"lookup": PromptLookupDrafter(), "suffix": SuffixDrafter(at_least=1)}
    for start in (5, 8):
        for name, drafter in drafters.items():
            out = generate(target, prompt[:start], drafter, k=4, max_new_tokens=30, eos_token_id=None)
            wanted[name] += out.trace.rounds
        texts.append((out.tokens, start))
    assert replayed(texts, drafters, 4) == wanted
    assert seconds_per_proposal(drafters["suffix"], *texts[0], 4) > 0
    assert 0 <= from_the_prompt(texts, drafters["lookup"], 4) <= 1


def test_what_is_owed_to_the_prompt():
    from specdec_course.measure.lookup import from_the_prompt

    copied = torch.tensor([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6])
    assert from_the_prompt([(copied, 7)], PromptLookupDrafter(), 4) == 1
    own = torch.tensor([9, 8, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7])
    assert from_the_prompt([(own, 2)], PromptLookupDrafter(), 4) == 0
    loop = torch.tensor([9, 8, *[1, 2, 3] * 6])
    assert from_the_prompt([(loop, 2)], SuffixDrafter(), 4) == 0


def test_prompts_come_by_category(tmp_path):
    from specdec_course.measure.lookup import prompts_by_category

    lines = [json.dumps({"category": name, "turns": [f"{name} {i}"]}) for i in range(3) for name in ("rag", "qa")]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    assert prompts_by_category(tmp_path / "p.jsonl", ["qa"], 2) == {"qa": ["qa 0", "qa 1"]}
    with pytest.raises(ValueError, match="no category 'math', only qa, rag"):
        prompts_by_category(tmp_path / "p.jsonl", ["math"], 2)
    (tmp_path / "p.jsonl").write_text("no json")
    with pytest.raises(ValueError, match="one object a line"):
        prompts_by_category(tmp_path / "p.jsonl", ["qa"], 2)


@pytest.mark.slow
def test_the_command_measures_a_draft_beside_them_and_all_categories_in_one(tmp_path):
    from click.testing import CliRunner

    from specdec_course.common.paths import data_path
    from specdec_course.measure.lookup import main

    said = ["the river Ost , and the town on the river Ost", "the lake Orm"]
    lines = [json.dumps({"category": name, "turns": [text]}) for name, text in zip(("qa", "rag"), said, strict=True)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    options = "--pair classroom --category qa --category rag --no-chat --k 3 --new-tokens 12 --engine eager".split()
    options += ["--prompts", str(tmp_path / "p.jsonl"), "--json", str(tmp_path / "o.json"), "--repeats", "1"]
    done = CliRunner().invoke(main, [*options, "--draft", str(data_path("classroom", "eagle"))])
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "o.json").read_text())
    ways = ["target alone", "prompt lookup", "suffix automaton", "trusted copies", "draft",
            "suffix automaton, else draft"]
    assert [row["name"] for row in record["rows"]] == [f"{group}: {way}" for group in ("qa", "rag", "all")
                                                       for way in ways]  # fmt: skip
    assert all(row["same_text"] for row in record["rows"])
    assert "--draft eagle" in record["command"] and "and a draft" in record["what"]
    by = {row["name"]: row for row in record["rows"]}
    for way in ways:
        low, high = sorted(by[f"{group}: {way}"]["tokens_per_call"] for group in ("qa", "rag"))
        assert low <= by[f"all: {way}"]["tokens_per_call"] <= high


@pytest.mark.slow
def test_the_command_writes_a_record(tmp_path):
    from click.testing import CliRunner

    from specdec_course.measure.lookup import main

    said = " = Tarn = \n\n Tarn is a town on the river Ost . The town of Tarn lies on the river"
    (tmp_path / "p.jsonl").write_text(json.dumps({"category": "qa", "turns": [said]}))
    options = "--pair classroom --category qa --no-chat --k 3 --new-tokens 12 --engine eager --repeats 1".split()
    options += ["--prompts", str(tmp_path / "p.jsonl"), "--json", str(tmp_path / "o.json"), "--corpus", "atlas:30"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "o.json").read_text())
    assert [row["name"] for row in record["rows"]] == [
        "qa: target alone", "qa: prompt lookup", "qa: suffix automaton", "qa: trusted copies",
        "qa: trusted copies and counts"]
    assert all(row["same_text"] for row in record["rows"]) and {"hardware", "date", "source", "command"} <= set(record)
    assert all(row["seconds_per_proposal"] < 1 for row in record["rows"][1:])


def test_what_is_recorded_names_its_source_and_wrote_the_targets_own_text():
    from specdec_course.measure.lookup import recorded

    records = list(recorded())
    assert records
    for record in records:
        assert all(record[key] for key in ("hardware", "date", "source", "command", "k", "engine", "prompt_tokens"))
        for row in record["rows"]:
            assert row["same_text"] and row["tokens_per_call"] >= 1
            assert "target alone" in row["name"] or 0 <= row["copied_from_the_prompt"] <= 1


def test_a_record_is_shown_as_a_line_for_each_kind_of_prompt():
    from specdec_course.measure.lookup import as_grid

    alone = {"tokens_per_call": 1.0, "speedup": 1.0}
    row = {"tokens_per_call": 2.5, "speedup": 1.254, "copied_from_the_prompt": 0.756}
    rows = [alone | {"name": "qa: target alone"}, row | {"name": "qa: lookup"}, alone | {"name": "all: target alone"},
            row | {"name": "all: lookup", "speedup": 12.0}]  # fmt: skip
    head, first, last = as_grid({"rows": rows}).splitlines()
    assert head.split() == ["lookup"]
    assert first.split() == ["qa", "2.50", "1.25x", "76%"] and last.split() == ["all", "2.50", "12.00x", "76%"]
    assert len(head) == len(first) == len(last)


def test_pictures_say_what_they_show():
    from specdec_course.figures import lookup as figures

    page = figures.automaton_states(SuffixAutomaton([0, 1, 1]), "ab", "after a b b")
    assert "state 4, length 1, ended first at 2, link to 0" in page.alt and page._repr_png_()[:4] == b"\x89PNG"
    trust = figures.trust_by_length([1, 1, 2, 30], [True, False, True, True])
    assert "1 tokens 50% of 2, 2 tokens 100% of 1, 17 or more tokens 100% of 1" in trust.alt
    kinds = figures.by_kind_of_text({"new": {"a": 1.0, "b": 2.5}, "old": {"a": 4.0, "b": 1.1}})
    assert "new: a 1.00, b 2.50." in kinds.alt and len(kinds.axes) == 2
    assert len(figures.time_by_length({"a": {10: 1e-6, 100: 1e-5}}).axes[0].lines) == 1
