"""`specdec bench --methods`: each way writes what it says it writes, and a loss is what cross entropy says."""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from small_models import small_model

from specdec_course import Sampling
from specdec_course.cli import main
from specdec_course.decoding.engine import Output
from specdec_course.measure import methods
from specdec_course.measure.methods import Loss, Row, Served, Way, loss_of, lost, rows_of, ways_of, windows_of
from specdec_course.models.loading import Pair
from specdec_course.trace import Round, Trace

ROOT = Path(__file__).resolve().parents[1]
VOCAB = 41
PROMPTS = [torch.tensor(one) for one in ([1, 2, 3], [4, 5], [6, 7, 8, 9], [10])]


def small_pair(draft=True, name="small"):
    return Pair(name, small_model(VOCAB), small_model(VOCAB, layers=1, seed=1) if draft else None, None)


def tokens(served):
    return [out.tokens.tolist() for out in served.outputs]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0)], ids=str)
def test_lossless_ways_write_the_targets_text_and_rows_of_a_batch_those_of_one_text(sampling):
    pair = small_pair()
    ways, left_out = ways_of(pair, 3, 4, sampling, 12, "eager")
    found = {name: way.serve(PROMPTS, 5) for name, way in ways.items()}
    assert list(ways) == ["target alone", "draft model, k = 3", "draft model alone", "batch of 4",
                          "batch of 4, draft model, k = 3"]  # fmt: skip
    assert list(left_out) == ["Medusa heads"] and "small has no Medusa heads" in left_out["Medusa heads"]
    assert tokens(found["batch of 4"]) == tokens(found["target alone"])
    assert tokens(found["batch of 4, draft model, k = 3"]) == tokens(found["draft model, k = 3"])
    if sampling.greedy:
        assert tokens(found["draft model, k = 3"]) == tokens(found["target alone"])
    assert tokens(found["draft model alone"]) != tokens(found["target alone"])
    assert [name for name, way in ways.items() if not way.lossless] == ["draft model alone"]
    for served in found.values():
        assert [len(out.tokens) - out.trace.prompt_length for out in served.outputs] == [12] * 4
        assert served.seconds >= max(out.trace.seconds for out in served.outputs)


def test_what_a_pair_cannot_give_is_left_out_and_said():
    ways, left_out = ways_of(small_pair(draft=False), None, 2, Sampling(), 4, "eager")
    assert list(ways) == ["target alone", "batch of 2"]
    assert left_out["draft model"] == left_out["draft model alone"] == "small has no draft model"
    ways, left_out = ways_of(small_pair(), 2, 2, Sampling(), 4, "compiled")
    assert not any(name.startswith("batch") for name in ways) and "--engine eager" in left_out["batch of 2"]


def test_a_loss_is_what_cross_entropy_says():
    target, draft = small_model(VOCAB), small_model(VOCAB, layers=1, seed=1)
    windows = torch.randint(VOCAB, (3, 9), generator=torch.Generator().manual_seed(0))
    texts = [Output(torch.tensor([3, 1, 4, 1, 5, 9]), Trace(2)), Output(torch.tensor([2, 7, 1]), Trace(1))]

    def logits(model, ids):
        with torch.no_grad():
            return model(input_ids=torch.tensor(ids)[None]).logits[0].double()

    paid = {target: [], draft: []}
    for model in paid:
        for row in windows.tolist():
            rows = logits(model, row).log_softmax(-1)
            paid[model] += [-float(rows[i, row[i + 1]]) for i in range(8)]
    nats = (sum(paid[draft]) - sum(paid[target])) / 24
    same = [int(logits(target, ids[:i])[-1].argmax()) == int(logits(draft, ids[:i])[-1].argmax())
            for ids, first in (([3, 1, 4, 1, 5, 9], 2), ([2, 7, 1], 1)) for i in range(first, len(ids))]  # fmt: skip
    found = loss_of(draft, target, windows, texts)
    assert found.nats == pytest.approx(nats, abs=1e-5) and found.same_tokens == pytest.approx(sum(same) / 6)
    assert loss_of(target, target, windows, texts) == Loss(0.0, 1.0)


def test_windows_are_as_long_as_both_models_can_read():
    target, draft = small_model(VOCAB), small_model(VOCAB, layers=1)
    draft.config.max_position_embeddings = 24
    ids = torch.arange(100)
    assert windows_of(ids, target, draft).tolist() == ids[:96].view(4, 24).tolist()
    with pytest.raises(ValueError, match="has 100 tokens; expected 256 at least"):
        windows_of(ids, target)


def served(lengths, seconds, whole, first=0):
    outs = [Output(torch.tensor([0] + [first] * n), Trace(1, [Round(0, 0, 1)] * n, seconds=s))
            for n, s in zip(lengths, seconds, strict=True)]  # fmt: skip
    return Served(outs, whole)


def test_a_reader_waits_for_a_text_and_the_machine_is_paid_for_all():
    ways = {name: Way(None, name != "small", "") for name in ("alone", "together", "small")}
    runs = {"alone": [served([4, 4], [1.0, 1.0], 2.0), served([4, 4], [1.0, 2.0], 3.0)],
            "together": [served([4, 4], [2.0, 2.0], 2.0), served([4, 4], [1.0, 2.0], 2.0)],
            "small": [served([4, 4], [0.5, 0.5], 1.0, 7), served([4, 4], [0.5, 0.5], 1.0, 7)]}  # fmt: skip
    alone, together, small = rows_of(ways, runs, {"small": Loss(0.7, 0.6)})
    assert alone.reader == {"median": 4.0, "slowest": 2.0, "fastest": 4.0, "speedup": 1.0}
    assert alone.machine["median"] == pytest.approx((4 + 8 / 3) / 2) and alone.machine["speedup"] == 1.0
    assert together.reader["speedup"] == 0.75  # the ratios are 0.5, 0.5, 1, 1
    assert together.machine["speedup"] == pytest.approx((1.0 + 1.5) / 2)
    assert (together.texts, together.same, small.same) == (4, 4, 0)
    assert [lost(as_row(one), 0.0) for one in (alone, small)] == [
        "nothing: same text", "0.70 nats a token; 60% the same"]  # fmt: skip
    other = {"loss": None, "texts": 4, "same": 3, "lossless": True}
    assert lost(other, 0.0) == "1 of 4 texts DIFFER" and lost(other, 1.0) == "nothing: the same law"


def as_row(row: Row) -> dict:
    return asdict(row) | {"loss": row.loss and row.loss._asdict()}


def run(*arguments):
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_measures_all_ways_and_writes_a_record_that_becomes_a_table(tmp_path):
    told = run("--methods", "--limit", 3, "--batch", 2, "--k", 2, "--max-new-tokens", 8, "--repeats", 1, "--note",
               "a test", "--json", tmp_path / "out.json")  # fmt: skip
    assert told.exit_code == 0, told.output
    assert told.output.count("nothing: same text") == 5 and "1 prompts are left out" in told.output
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["hardware"].endswith("a test") and record["engine"] == "eager" and record["k"] == 2
    assert [row["name"] for row in record["rows"]] == ["target alone", "draft model, k = 2", "Medusa heads",
        "draft model alone", "batch of 2", "batch of 2, draft model, k = 2"]  # fmt: skip
    alone = record["rows"][3]
    assert 0.3 < alone["loss"]["nats"] < 1.5 and 0.3 < alone["loss"]["same_tokens"] < 1
    assert all(math.isfinite(one["median"]) for row in record["rows"] for one in (row["reader"], row["machine"]))
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from parts.tables import section
    finally:
        sys.path.remove(str(ROOT / "docs"))
    made = section("classroom_methods", record)
    assert "| what is lost |" in made and made.count("nothing: same text") == 5 and "nats a token" in made


def test_the_best_draft_length_is_looked_for_unless_it_is_said(monkeypatch):
    asked = []

    def seen(pair, named, **how):
        asked.append({name: how[name] for name in ("k", "engine", "batch")})
        return {}

    monkeypatch.setattr(methods, "methods", seen)
    target = "--target", ROOT / "data/classroom/draft"
    assert run("--methods", *target).exit_code == 0
    assert run("--methods", *target, "--k", 4, "--engine", "compiled", "--batch", 2).exit_code == 0
    assert asked == [{"k": None, "engine": "eager", "batch": 4}, {"k": 4, "engine": "compiled", "batch": 2}]


@pytest.mark.parametrize("arguments, message", [
    (["--methods", "--server", "http://127.0.0.1:1"], "--methods does not go with --server"),
    (["--methods", "--cuda-suite"], "--cuda-suite does not go with --methods"),
    (["--methods", "--plot", "x.png"], "--plot does not go with --methods"),
    (["--batch", "2"], "--batch is about several texts at once"),
    (["--methods", "--batch", "0"], "--batch"),
    (["--methods", "--batch", "8", "--limit", "3"], "a batch of 8 texts and 3 prompts"),
])  # fmt: skip
def test_what_makes_no_sense_is_one_line_and_code_2(arguments, message):
    told = run(*arguments)
    assert told.exit_code == 2 and message in told.output and "Traceback" not in told.output


def test_the_best_length_is_one_of_those_that_were_tried():
    pair = small_pair()
    drafter = methods.drafter_of(pair.draft)
    assert methods.best_length(pair.target, drafter, PROMPTS[:1], Sampling(), 6, "eager") in methods.LENGTHS
