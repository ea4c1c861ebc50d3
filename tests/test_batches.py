"""What a batch is measured to do, and what is computed from its parts; unit 12's functions on the bundled pair."""

import json
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from small_models import small_model

from specdec_course import generate
from specdec_course.decoding import generate_batch
from specdec_course.decoding.batch import Outputs, Pass
from specdec_course.decoding.serving import overlap_timeline
from specdec_course.figures.serving import kept_by_row, rows_over_passes, throughput_by_batch, two_lines
from specdec_course.measure.batches import (
    Parts,
    alpha_of,
    as_table,
    at_work,
    main,
    measured_rows,
    profile_of,
    seconds_of_parts,
)

ROOT = Path(__file__).resolve().parents[1]
VOCAB = 41
PROMPTS = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]


def test_every_pass_says_how_long_it_took():
    draft = small_model(VOCAB, layers=1, seed=1)
    outs = generate_batch(small_model(VOCAB), PROMPTS, draft, 3, max_new_tokens=12, batch=2)
    assert all(one.seconds > 0 for one in outs.passes)
    assert sum(one.seconds for one in outs.passes) >= max(out.trace.seconds for out in outs) * 0.99


def passes(*some) -> Outputs:
    outs = Outputs()
    outs.passes = [Pass(*one) for one in some]
    return outs


def test_prompts_rounds_behind_them_and_empty_rows_are_left_out():
    outs = passes((2, 40, 0, 9.0), (2, 6, 2, 5.0), (2, 6, 4, 1.0), (2, 6, 6, 1.0), (1, 9, 0, 7.0), (2, 6, 3, 5.0),
                  (2, 6, 2, 2.0), (1, 3, 1, 0.1))  # fmt: skip
    assert at_work(outs, 2) == (pytest.approx(12 / 4), pytest.approx(4 / 3))
    assert at_work([outs, outs], 2) == at_work(outs, 2)
    with pytest.raises(ValueError, match="no round of 3 texts"):
        at_work(outs, 3)


def test_a_profile_has_both_kinds_of_passes_in_order():
    parts = {8: Parts(0.3, 0.9, 0.01), 1: Parts(0.1, 0.2, 0.01)}
    assert list(profile_of(parts, 4).items()) == [(1, 0.1), (5, 0.2), (8, 0.3), (40, 0.9)]


def test_parts_of_a_round_are_timed_and_nothing_of_the_texts_is_touched():
    target, draft = small_model(VOCAB), small_model(VOCAB, layers=1, seed=1)
    texts = [torch.tensor(one) for one in PROMPTS]
    before = [one.clone() for one in texts]
    parts = seconds_of_parts(target, draft, texts, 2, repeats=1)
    assert min(parts) > 0 and all(map(torch.equal, before, texts))


def test_rows_are_those_of_the_batches_and_agree_with_each_other():
    target = small_model(VOCAB)
    rows, used = measured_rows(target, target, [torch.tensor(one) for one in PROMPTS], [1, 3], 2, 16, 2)
    assert [(row["batch"], row["k"]) for row in rows] == [(1, 0), (1, 2), (3, 0), (3, 2)]
    assert used["alpha"] == 1.0 and list(used["seconds"]) == [1, 3, 9] and set(used["draft_step_in_passes"]) == {1, 3}
    for row in rows:
        assert row["slowest"] <= row["measured"] <= row["fastest"] and row["computed"] > 0
        assert row["speedup"] == 1.0 or row["k"]
    assert as_table(rows).count("\n") == 4


def test_alpha_is_that_of_rounds_that_no_end_has_cut():
    target = small_model(VOCAB)
    stranger = generate_batch(target, PROMPTS, small_model(VOCAB, layers=1, seed=1), 3, max_new_tokens=12, batch=2)
    alone = [generate(target, torch.tensor(one), None, max_new_tokens=12) for one in PROMPTS]
    assert 0 <= alpha_of(stranger) < 1
    assert [a.tokens.tolist() for a in stranger] == [b.tokens.tolist() for b in alone]


@pytest.mark.slow
def test_the_command_writes_a_record_that_becomes_a_table(tmp_path):
    file = tmp_path / "record.json"
    told = CliRunner().invoke(main, ["--batch", "1", "--batch", "2", "--limit", "2", "--new-tokens", "16", "--repeats",
                                     "1", "--note", "a test", "--json", str(file)])  # fmt: skip
    assert told.exit_code == 0, told.output
    record = json.loads(file.read_text())
    assert "a test" in record["hardware"] and "record.json" in record["command"] and len(record["batches"]) == 4
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from parts.tables import section
    finally:
        sys.path.remove(str(ROOT / "docs"))
    made = section("classroom_batch", record)
    assert "| texts at once |" in made and made.count("x |") == 4 and str(tmp_path) not in made


@pytest.mark.parametrize("options, said", [
    (["--pair", "nobody"], "there is no pair"), (["--batch", "0"], "--batch"), (["--k", "0"], "--k"),
])  # fmt: skip
def test_what_cannot_be_measured_is_one_line_and_code_2(options, said, tmp_path):
    told = CliRunner().invoke(main, [*options, "--json", str(tmp_path / "none.json")])
    assert told.exit_code == 2 and said in told.output and "Traceback" not in told.output
    assert not (tmp_path / "none.json").exists()


def test_the_pictures_say_what_they_show():
    assert "text 0: 4, 0; text 1: 1, 2" in kept_by_row([[4, 1], [0, 2]], 4).alt
    ways = {"continuous": [Pass(2, 9, 0, 0.1), Pass(2, 4, 3, 0.1)], "static": [Pass(1, 2, 1, 0.1)]}
    assert "continuous: 2 calls, 2.0 texts in each; static: 1 calls" in rows_over_passes(ways).alt
    picture = throughput_by_batch({"plain": {1: 10.0, 8: 70.0}}, {"plain": {1: 11.0, 8: 72.0}})
    assert "plain, 8 texts: 70 measured, 72 computed" in picture.alt
    fast = two_lines({"fast": overlap_timeline(3, 5, [True, False, True])})
    assert "fast: 21 ms, 3 ms of drafting thrown away" in fast.alt
    assert "none: 0 ms" in two_lines({"none": overlap_timeline(3, 5, [])}).alt
