import json

import pytest
import torch
from click.testing import CliRunner
from small_models import TEXT, save, small_model, small_tokenizer

from specdec_course.decoding.engine import generate
from specdec_course.drafters import BigramDrafter
from specdec_course.measure import bigram as measure
from specdec_course.models import Pair
from specdec_course.trace import tokens_per_call


@pytest.fixture(scope="module")
def pair():
    tokenizer = small_tokenizer()
    return Pair("small", small_model(len(tokenizer)), None, tokenizer)


@pytest.mark.parametrize("k", [0, 1, 3, 6])
def test_the_replay_takes_the_rounds_of_generate(pair, k):
    """The bigram is fitted on the target's own text, so that runs of every length are accepted."""
    prompt = torch.tensor(pair.tokenizer.encode(TEXT))
    text = generate(pair.target, prompt, max_new_tokens=40).tokens
    drafter = BigramDrafter.fit(text, len(pair.tokenizer))
    out = generate(pair.target, prompt, drafter, k=k, max_new_tokens=40)
    assert torch.equal(out.tokens, text)
    assert measure.replay(text, len(prompt), drafter, k) == out.trace.rounds
    assert (tokens_per_call(out.trace.rounds) > 1) == (k > 0)


def test_a_replay_that_disagrees_is_no_measurement(pair, monkeypatch):
    monkeypatch.setattr(measure, "replay", lambda *args: [])
    ids = torch.tensor(pair.tokenizer.encode(TEXT * 5))
    with pytest.raises(RuntimeError, match="prompt 1"):
        measure.bigram_tokens_per_call(pair, ids, ids, [ids[:8]], new_tokens=8)


def test_beginnings_of_paragraphs(pair):
    long = [f" {i} " + "the river runs " * 40 for i in range(6)]
    text = "\n".join([" = Title = ", *long, " short "])
    chosen = measure.beginnings(text, pair.tokenizer, 3, 5)
    assert [pair.tokenizer.decode(ids)[:2] for ids in chosen] == [" 0", " 2", " 4"]
    assert all(len(ids) == 5 for ids in chosen)
    with pytest.raises(ValueError, match="6 paragraphs"):
        measure.beginnings(text, pair.tokenizer, 7, 5)


def test_ordinary_spelling(pair):
    line = " In 1 @,@ 500 <unk> , a well @-@ known ( 2 @.@ 5 m ) giant 's son , left . \n"
    plain = "In 1,500 Smith, a well-known (2.5 m) giant's son, left."
    assert measure.ordinary_spelling(line) == plain
    (ids,) = measure.beginnings(line.strip("\n") * 9, pair.tokenizer, 1, 9, plain=True)
    assert plain.startswith(pair.tokenizer.decode(ids))


@pytest.mark.parametrize("cut", ["windows", "beginnings", "plain"])
def test_what_is_written_down(pair, tmp_path, cut):
    save(tmp_path / "pair" / "target", pair.target, pair.tokenizer)
    (tmp_path / "text.txt").write_text((TEXT.replace("\n", "") * 9 + "\n") * 6)
    options = ["--pair", tmp_path / "pair", "--fit", tmp_path / "text.txt", "--test", tmp_path / "text.txt"]
    options += ["--cut", cut, "--prompts", "4", "--new-tokens", "8", "--json", tmp_path / "out.json"]
    done = CliRunner().invoke(measure.main, [str(option) for option in options])
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out.json").read_text())
    assert {"hardware", "date", "source", "command"} <= record.keys()
    assert list(record["tokens_per_call"]) == ["1", "2", "3", "4", "5", "6"]
    assert all(1 <= value <= int(k) + 1 for k, value in record["tokens_per_call"].items())
    assert 0 <= record["hit_rate_on_test_text"] <= 1
