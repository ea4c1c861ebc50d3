"""Counts and the drafter that trusts them, or a copy, as far as they go: against definitions written out in full."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lookup import target  # noqa: F401

from specdec_course import generate
from specdec_course.cli import main
from specdec_course.common.paths import data_path
from specdec_course.drafters import Draft, Drafter, FirstOf, TrustedDrafter, counts, named
from specdec_course.drafters.automaton import SuffixAutomaton, ending, followed
from specdec_course.drafters.counts import Counts, signs_of, words_of

WORDS = [" the", " a", " 1", " 27", " Ba", "mo", " river", "."]
TEXTS = st.lists(st.lists(st.integers(0, 7), max_size=60), min_size=1, max_size=4)


# counts -------------------------------------------------------------------------------------------------------------


def context_of(text, n, signs):
    """The newest token and at most n - 1 signs before it, the newest first; a class sign stands once for its run."""
    read, last = [text[-1]], signs[text[-1]]
    for token in reversed(text[:-1]):
        if len(read) == n:
            break
        if signs[token] != last or signs[token] < len(signs):
            read.append(signs[token])
            last = signs[token]
    return tuple(read)


def counted(rows, n, signs):
    """{context: (token, trust)} by counting one token at a time."""
    after = {}
    for row in rows:
        for end in range(1, len(row)):
            whole = context_of(row[:end], n, signs)
            for size in range(1, len(whole) + 1):
                after.setdefault(whole[:size], Counter())[row[end]] += 1
    found = {}
    for context, seen in after.items():
        times = max(seen.values())
        if times >= 2:
            found[context] = min(x for x in seen if seen[x] == times), times / sum(seen.values()) * times / (times + 2)
    return found


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.integers(1, 5), TEXTS)
def test_what_is_counted_is_what_followed(rows, n, asked):
    if max(map(len, rows)) < 2:
        with pytest.raises(ValueError, match="two tokens"):
            Counts.of([torch.tensor(row, dtype=torch.long) for row in rows], WORDS, n)
        return
    made = Counts.of([torch.tensor(row, dtype=torch.long) for row in rows], WORDS, n)
    known = counted(rows, n, made.signs)
    assert len(made.known) == len(known)
    for text in [*asked, *rows]:
        for end in range(len(text) + 1):
            token, trust = made.guess(text, end)
            longest = [(0, 0.0)]
            if end:
                whole = context_of(text[:end], n, made.signs)
                longest += [known[whole[:size]] for size in range(1, len(whole) + 1) if whole[:size] in known]
            assert token == longest[-1][0] and trust == pytest.approx(longest[-1][1], abs=1 / 255)


def test_names_and_numbers_are_one_sign_each():
    """A name stands often in one piece of text and in no other; a common word stands in all of them."""
    rng = np.random.default_rng(0)
    pieces = [np.where(rng.random(256) < 0.1, 4 + piece, rng.integers(0, 2, 256)) for piece in range(40)]
    words = [" the", " a", " 1", "2", *(f" Name{i}" for i in range(40)), " never"]
    signs = signs_of(np.concatenate(pieces), words, 1.25)
    assert signs[:2].tolist() == [0, 1] and signs[2:4].tolist() == [len(words) + 1] * 2
    assert set(signs[4:].tolist()) == {len(words)}
    assert len(signs_of(np.array([0, 1]), words, 1.25)) == len(words)


def test_no_context_goes_from_one_text_into_the_next():
    rows = [torch.tensor([0, 1]), torch.tensor([6, 7])] * 3
    apart, whole = Counts.of(rows, WORDS, 2), Counts.of(torch.cat(rows), WORDS, 2)
    assert apart.guess([1], 1) == (0, 0.0) and whole.guess([1], 1)[0] == 6
    assert apart.guess([6], 1)[0] == 7


def test_a_token_beyond_the_vocabulary_ends_a_context():
    made = Counts.of(torch.tensor([0, 1] * 9), WORDS)
    assert made.guess([0, 99], 2) == (0, 0.0) and made.guess([], 0) == (0, 0.0)
    assert made.guess([99, 0], 2) == made.guess([0], 1)


def test_what_lies_in_a_file_is_what_was_counted(tmp_path):
    made = Counts.of(torch.randint(8, (5000,), generator=torch.Generator().manual_seed(0)), WORDS, 3)
    made.save(tmp_path / "counts.safetensors")
    again = Counts.load(tmp_path / "counts.safetensors")
    assert (again.known, again.signs, again.n) == (made.known, made.signs, made.n)
    assert [path.name for path in tmp_path.iterdir()] == ["counts.safetensors"]
    (tmp_path / "text.txt").write_text("no counts")
    for wrong in ("text.txt", "nothing.safetensors"):
        with pytest.raises(ValueError, match="specdec train counts"):
            Counts.load(tmp_path / wrong)


def test_words_are_those_of_the_tokenizer():
    from specdec_course import load_pair

    pair = load_pair("classroom", say=lambda line: None)
    words = words_of(pair.tokenizer, 4100)
    assert len(words) == 4100 and words[len(pair.tokenizer) :] == [""] * (4100 - len(pair.tokenizer))
    assert words[500] == pair.tokenizer.decode([500])


# the automaton, asked further than its text goes --------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.lists(st.integers(0, 3), max_size=8))
def test_a_match_goes_on_over_what_is_only_drafted(text, draft):
    automaton = SuffixAutomaton(text)
    at, whole = ending(automaton), list(text)
    for token in draft:
        at = followed(automaton, *at, token)
        whole.append(token)
        places = [(n, end) for end in range(1, len(text)) for n in range(1, end + 1)
                  if whole[len(whole) - n :] == text[end - n : end]]  # fmt: skip
        assert at[1] == max((n for n, _ in places), default=0)
        if at[1]:
            assert (at[1], automaton.end[at[0]]) in places, "something follows it there"


# the drafter --------------------------------------------------------------------------------------------------------


def drafted(drafter, text, k=6):
    return drafter.propose(torch.tensor(text), k, None, None).ids.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=50), st.integers(0, 8), st.booleans())
def test_a_text_read_in_pieces_is_the_text_read_at_once(text, k, with_counts):
    made = Counts.of(torch.tensor([0, 1, 2, 0, 1, 3] * 5), WORDS, 3) if with_counts else None
    slow, fast = TrustedDrafter(made), TrustedDrafter(made)
    for end in range(1, len(text) + 1):
        assert len(drafted(slow, text[:end], k)) <= k
    assert drafted(slow, text, k) == drafted(fast, text, k)
    other = [4, *text]
    assert drafted(slow, other, k) == drafted(TrustedDrafter(made), other, k), "another text, though nobody said so"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_who_asks_for_more_certainty_gets_the_beginning_of_the_draft(text):
    drafts = [drafted(TrustedDrafter(None, worth), text, 8) for worth in (0.01, 0.1, 0.3, 0.7, 1)]
    for longer, shorter in zip(drafts, drafts[1:], strict=False):
        assert longer[: len(shorter)] == shorter
    assert drafts[-1] == []


def test_a_long_match_is_trusted_further_than_a_short_one():
    """By the rule n / (n + 2): of a match of one token one guess is worth 1/3 and the next 1/3 times 1/2."""
    assert drafted(TrustedDrafter(None, 0.2), [5, 6, 7, 8, 5]) == [6]
    assert drafted(TrustedDrafter(None, 0.15), [5, 6, 7, 8, 5]) == [6, 7]
    assert drafted(TrustedDrafter(None, 0.2), [5, 6, 7, 8, 9, 5, 6, 7]) == [8, 9, 5, 6]


def test_the_text_itself_tells_how_far_copies_can_be_trusted():
    fooled = [0]
    for i in range(1, 9):  # after 0 never comes what came after it before
        fooled += [i, 0]
    assert drafted(TrustedDrafter(None, 0.3), [0, 1, 0]) == [1]
    assert drafted(TrustedDrafter(None, 0.3), fooled) == []


def test_what_both_say_counts_more_than_what_one_says():
    made = Counts.of(torch.tensor([0, 1, 6] * 8), WORDS, 1)
    both, copy = TrustedDrafter(made, 0.45), TrustedDrafter(None, 0.45)
    text = [4, 0, 1, 5, 0]
    assert drafted(both, text, 1) == [1] and drafted(copy, text, 1) == []


class Noted(Drafter):
    varies = True

    def propose(self, ids, k, sampling=None, dice=None):
        return Draft(ids[:1] if len(ids) % 2 else ids[:0])


@pytest.mark.parametrize(("varies", "widths"), [(True, {1, 2}), (False, {9})])
def test_silent_rounds_are_as_narrow_as_plain_ones_where_drafts_vary(target, monkeypatch, varies, widths):  # noqa: F811
    """Else every round is as wide as the widest: a draft that is seldom there would cost its rows in every round."""
    import copy

    from specdec_course.cache.static import StaticModel

    seen, replay = set(), StaticModel.replay

    def noted(self, key, function, *inputs):
        seen.add(len(inputs[0]))
        return replay(self, key, function, *inputs)

    drafter = Noted()
    drafter.varies = varies
    monkeypatch.setattr(StaticModel, "replay", noted)
    monkeypatch.setattr(StaticModel, "_program", lambda self, read, several, inputs: read)
    fresh = copy.deepcopy(target)
    generate(fresh, torch.tensor([3, 1, 4]), drafter, k=8, max_new_tokens=20, eos_token_id=None, engine="compiled")
    assert seen == widths
    assert FirstOf(Noted()).varies and not Drafter.varies


def test_worth_is_a_probability():
    for worth in (0, -1, 1.5):
        with pytest.raises(ValueError, match="a row pays"):
            TrustedDrafter(None, worth)


# what comes with SmolLM2, and how it was made -----------------------------------------------------------------------


def test_the_bundled_counts_are_whole_and_load_fast():
    from specdec_course.models.sources import damage_in

    assert damage_in("smollm2") == []
    made = Counts.load(data_path("smollm2", "counts", counts.FILE))
    record = json.loads(data_path("smollm2", "counts", "counted.json").read_text())
    assert len(made.signs) == 49_152 and len(made.known) == record["contexts"]
    assert 0.2 < record["right_held_out"] < 0.4


def test_a_pair_with_counts_of_its_own_uses_them(tmp_path):
    from types import SimpleNamespace

    pair = SimpleNamespace(name="smollm2 (135M)", target=None, draft=None, tokenizer=None)
    own = named.named_drafter("trusted", pair)
    assert len(own.counts.signs) == 49_152
    Counts.of(torch.tensor([0, 1] * 9), WORDS).save(tmp_path / counts.FILE)
    assert len(named.named_drafter("trusted", pair, str(tmp_path)).counts.signs) == 8


def test_counts_of_what_a_target_writes_by_one_command(tmp_path, caplog):
    run = ["train", "counts", "--target", "classroom", "--batches", "2", "--rows", "4", "--new", "24", "--work",
           str(tmp_path / "work"), "--out", str(tmp_path / "counts")]  # fmt: skip
    first = CliRunner().invoke(main, run)
    assert first.exit_code == 0, first.output
    assert "--drafter trusted --corpus" in first.output
    record = json.loads((tmp_path / "counts" / "counted.json").read_text())
    assert record["recipe"] == {"batches": 2, "rows": 4, "new": 24, "seed": 0} and record["tokens"] == 2 * 4 * 25
    made = (tmp_path / "counts" / counts.FILE).read_bytes()
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("written-*")}
    again = CliRunner().invoke(main, run)
    assert again.exit_code == 0 and (tmp_path / "counts" / counts.FILE).read_bytes() == made
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("written-*")} == written
    too_few = CliRunner().invoke(main, ["train", "counts", "--batches", "1", "--out", str(tmp_path / "x")])
    assert too_few.exit_code == 2 and "two or more" in too_few.output


def test_a_corpus_may_be_so_many_articles():
    from specdec_course.corpora import read_text
    from specdec_course.corpora.atlas import atlas_text

    text, said = read_text("atlas:3", "validation")
    assert text == atlas_text("validation", 3) and said == "text: 3 articles of Atlas, validation"
    for wrong in ("atlas:0", "atlas:-1", "atlas:x"):
        with pytest.raises(ValueError):
            read_text(wrong)


def test_a_folder_without_counts_is_said_to_have_none(tmp_path):
    from types import SimpleNamespace

    from specdec_course.drafters.named import named_drafter

    with pytest.raises(ValueError, match=r"has no counts.safetensors: name one that `specdec train counts` wrote"):
        named_drafter("trusted", SimpleNamespace(name="classroom"), str(tmp_path))
