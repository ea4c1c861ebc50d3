"""The suite that measures GPUs, on a CPU with small models: everything but the lines that need CUDA. No test asserts a
time; what is timed is held against what must be true of it."""

import json
import warnings

import pytest
import torch

from specdec_course.cache import static
from specdec_course.decoding import drawn
from specdec_course.decoding.engine import generate
from specdec_course.figures import pairing
from specdec_course.measure import profiles
from specdec_course.measure.cuda import (
    card,
    clock,
    costs,
    cuda_records,
    drawing,
    engines,
    latency,
    library,
    model_pool,
    pair_parts,
    records,
    run,
    scripted,
    shapes,
    speed,
    suite,
    summary,
    texts,
)

TARGET, DRAFT = (("Qwen2", 64, 2, 4, 2, 16, 96, 300, False), ("Qwen2", 64, 1, 4, 2, 16, 96, 280, True))
FIRST = "/".join(shapes.PAIRS[0])


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """Few calls per figure, and the compiled engine without its compiler."""
    monkeypatch.setattr(clock, "BUDGET", 0.0)
    monkeypatch.setattr(static, "compiled_once", lambda method, **how: method)


@pytest.fixture(scope="module")
def pair():
    return [shapes.made_to_count(shapes.random_model(shape, "cpu", torch.float32)) for shape in (DRAFT, TARGET)]


@pytest.fixture
def text(pair):
    return generate(pair[1], texts.prompt_for(*pair, n=8), max_new_tokens=40).tokens


# --- shapes -----------------------------------------------------------------------------------------------------------

PUBLISHED = {  # parameters, as safetensors on the Hub count them
    "qwen2.5-0.5b": 494_032_768, "qwen2.5-3b": 3_085_938_688, "qwen2.5-7b": 7_615_616_512,
    "qwen3-0.6b": 596_049_920, "qwen3-8b": 8_190_735_360,
    "llama-3.2-1b": 1_235_814_400, "llama-3.2-3b": 3_212_749_824,
}  # fmt: skip


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_a_shape_has_as_many_parameters_as_its_maker_says(name):
    assert shapes.parameters_of(shapes.SHAPES[name]) == PUBLISHED[name]


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_the_models_made_have_the_parameters_that_are_counted(name):
    model = shapes.random_model(shapes.SHAPES[name], "meta", torch.bfloat16)
    assert sum(weight.numel() for weight in model.parameters()) == shapes.parameters_of(shapes.SHAPES[name])
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["Qwen2", "Qwen3", "Llama"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_model_made_to_count_counts_in_every_precision(family, dtype, tied):
    model = shapes.random_model((family, 64, 3, 4, 2, 16, 96, 300, tied), "cpu", dtype)
    written = generate(shapes.made_to_count(model), [5, 17], max_new_tokens=20).tokens[2:]
    assert written.tolist() == ([17] * 20 if tied else list(range(18, 38)))


# --- scripts and the drafters that follow them ------------------------------------------------------------------------


def rounds_by_hand(written, lines, start, k):
    """The rounds that greedy verification must take: leading agreement, then one token of the target's own."""
    at, rounds = start, []
    while at < len(written):
        n = min(k, len(written) - at - 1)
        right = (lines[at : at + n] == written[at : at + n]).long().cumprod(0).sum()
        rounds.append((n, int(right)))
        at += int(right) + 1
    return rounds


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8, 1.0])
def test_a_script_is_right_as_often_as_wanted(rate):
    written = torch.arange(20_000) % 90
    lines = texts.script(written, 100, rate, 97, seed=3)
    assert lines[:100].equal(written[:100]) and 0 <= int(lines.min()) <= int(lines.max()) < 97
    assert float((lines == written)[100:].float().mean()) == pytest.approx(rate, abs=0.02)
    assert lines.equal(texts.script(written, 100, rate, 97, seed=3))


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize(("rate", "k"), [(0.0, 3), (0.6, 1), (0.8, 4), (1.0, 12)])
def test_the_scripted_drafter_is_accepted_exactly_where_the_script_is_right(pair, text, engine, rate, k):
    draft, target = pair
    lines = texts.script(text, 8, rate, 280, seed=1)
    drafter = scripted.ScriptedDrafter(draft, lines)
    out = generate(target, text[:8], drafter, k, max_new_tokens=40, engine=engine)
    assert out.tokens.equal(text)
    assert [(r.drafted, r.accepted) for r in out.trace.rounds] == rounds_by_hand(text, lines, 8, k)
    assert out.trace.draft_calls >= sum(r.drafted for r in out.trace.rounds)  # the draft model has run for every token


@pytest.mark.parametrize(("rate", "k"), [(0.0, 3), (0.6, 2), (0.8, 4), (1.0, 6)])
def test_the_librarys_assistant_follows_the_same_script(pair, text, rate, k):
    """Also for unequal vocabularies, which the library by itself refuses; one target call per round, as ours."""
    draft, target = pair
    lines = texts.script(text, 8, rate, 280, seed=0)
    row = library.assisted(target, draft, text, 8, k, rate)
    assert row["same_text"] and row["tokens_per_second"] > 0
    assert row["tokens_per_call"] == pytest.approx(40 / len(rounds_by_hand(text, lines, 8, k)))
    assert draft.config.vocab_size == 280 and not draft._forward_hooks and not target._forward_pre_hooks


def test_a_cell_of_the_library_is_held_against_ours(pair, text):
    ours = [{"engine": "eager", "k": 4, "alpha": 0.8, "whole_call": 1.0},
            {"engine": "compiled", "k": 4, "alpha": 0.8, "whole_call": 100.0}]
    row = library.cell(*pair[::-1], text, 8, 4, 0.8, ours)
    assert row["ours_over_assisted"] == pytest.approx(100 / row["tokens_per_second"])
    assert "ours_over_assisted" not in library.cell(*pair[::-1], text, 8, 2, 0.8, ours)


# --- speed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [3, "auto"])
def test_rows_of_speed_are_what_their_runs_say(pair, text, k):
    draft, target = pair
    told = {"plain": 2.0, "draft": {"3": 1.5}, "verify": {"3": 2.5}}  # as it comes back from a file
    runs = speed.runs_at(target, draft, text, 8, k, rates=(0.0, 1.0), seeds=(0,), repeats=2)
    wrong, right = speed.rows_of(runs, text, k, "compiled", told)
    assert wrong["same_text"] and right["same_text"]
    assert right["range"][0] <= right["tokens_per_second"] <= right["range"][1]
    if k == 3:  # "auto" goes by measured times: on a crowded machine it need not draft
        assert wrong["measured_alpha"] == 0 and wrong["tokens_per_call"] == 1 and right["measured_alpha"] == 1
        assert right["mean_k"] == pytest.approx(3, abs=0.3) and right["tokens_per_call"] > 3
        assert right["predicted"] == pytest.approx(4 / (1.5 / 2 + 2.5 / 2)) and wrong["predicted"] == pytest.approx(0.5)
        assert right["eta"] == pytest.approx(right["speedup"] / right["predicted"])
    else:
        assert "predicted" not in right


def test_without_costs_nothing_is_predicted(pair, text):
    runs = speed.runs_at(*pair[::-1], text, 8, 2, "eager", rates=(0.5,), seeds=(0,), repeats=1)
    (row,) = speed.rows_of(runs, text, 2, "eager", None)
    assert "eta" not in row and row["engine"] == "eager" and row["alpha"] == 0.5


def test_sweeps_go_forwards_and_backwards():
    order = []
    ways = {name: lambda name=name: order.append(name) or name for name in "abc"}
    assert speed.alternate(ways, repeats=2) == {"a": ["a", "a"], "b": ["b", "b"], "c": ["c", "c"]}
    assert "".join(order) == "abc" + "abc" + "cba"


def test_the_best_length_stands_for_a_rate():
    def row(k, speedup, engine="compiled"):
        return {"engine": engine, "k": k, "alpha": 0.8, "speedup": speedup, "tokens_per_call": 2.0}

    (best,) = speed.best_rows([row(2, 1.5), row(4, 1.9), row("auto", 2.5), row(4, 3.0, "eager")])
    assert (best["k"], best["speedup"]) == (4, 1.9) and "0.8" in best["name"] and "4" in best["name"]


# --- latency and costs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", latency.ENGINES)
def test_a_curve_has_every_length_and_context(pair, engine):
    curve = latency.curve_of(pair[1], engine, (1, 2, 64, 256), (40,), say=lambda line: None)
    assert list(curve["seconds"]) == ([1, 2] if engine == "compiled" else [1, 2, 64, 256])
    assert list(curve["one_token_after"]) == ([] if engine == "compiled" else [40]) and curve["in_a_row"] > 0
    assert all(low <= curve["seconds"][n] <= high for n, (low, high) in curve["quartiles"].items())


@pytest.mark.parametrize("engine", latency.ENGINES)
@pytest.mark.parametrize(("n", "context"), [(1, 0), (5, 0), (64, 0), (300, 0), (1, 100)])
def test_a_pass_can_be_run_again_and_again_and_does_its_work_once_each_time(pair, engine, n, context):
    rows, model = [], pair[1]
    with torch.inference_mode():
        call = latency.passes(model, engine)(n, context)
        call()  # the first one compares what was compiled with the pass itself
        handle = model.lm_head.register_forward_hook(lambda module, args, out: rows.append(args[0].shape[1]))
        try:
            for _ in range(3):
                call()
        finally:
            handle.remove()
    width = next((w for w in static.WIDTHS if w >= n), n) if engine != "eager" else 1 if context else n
    assert rows == [width] * 3


def test_floors_are_the_roofline_of_the_whole_model():
    config = shapes.config_of(shapes.SHAPES["qwen2.5-7b"])
    told = latency.floors(config, (1, 1024), (4096,), {"sheet": (989e12, 3350e9)}, 2)["sheet"]
    weights = PUBLISHED["qwen2.5-7b"] - 152064 * 3584
    assert told["seconds"][1] == pytest.approx(2 * weights / 3350e9, rel=0.001)  # embeddings are looked up, not read
    assert told["seconds"][1024] == pytest.approx(2 * 1024 * weights / 989e12, rel=0.05)
    assert told["one_token_after"][4096] > told["seconds"][1]


@pytest.mark.parametrize("engine", costs.ENGINES)
def test_costs_are_in_steps_of_the_target(pair, engine):
    told = costs.costs_of(*pair, engine, (1, 4), say=lambda line: None)
    assert set(told["c"]) == set(told["v"]) == {1, 4} and told["engine"] == engine
    assert told["c"][4] == pytest.approx(told["draft"][4] / 4 / told["plain"])
    assert told["v"][4] == pytest.approx(told["verify"][4] / told["plain"])


def test_a_draft_is_timed_with_one_new_token_and_a_verification_with_k_more(pair):
    fed = {"draft": [], "target": []}
    handles = [
        model.get_input_embeddings().register_forward_hook(lambda module, args, out, name=name: fed[name].append(
            args[0].shape[1])) for name, model in zip(fed, pair, strict=True)
    ]  # fmt: skip
    with torch.inference_mode():
        costs.draft_seconds(*pair, "eager", (3,))
        costs.verify_seconds(pair[1], "eager", (3,))
    for handle in handles:
        handle.remove()
    assert fed["draft"][:3] == [32, 1, 1] and set(fed["draft"][1:]) == {1} and len(fed["draft"]) % 3 == 0
    assert fed["target"][0] == 31 and set(fed["target"][1:]) == {4}


def test_whatever_a_schedule_may_ask_for_is_captured_beforehand(monkeypatch):
    made = [shapes.made_to_count(shapes.random_model(shape, "cpu", torch.float32)) for shape in (DRAFT, TARGET)]
    keys = []
    monkeypatch.setattr(static.StaticModel, "replay", lambda self, key, function, *inputs: keys.append(key) or function(
        *inputs))  # fmt: skip
    costs.capture_all(*made, (1, 2, 3, 4))
    captured = set(keys)
    keys.clear()
    written = generate(made[1], texts.prompt_for(*made), max_new_tokens=30, engine="compiled").tokens
    for seed, k in enumerate((1, 2, 3, 4)):
        drafter = scripted.ScriptedDrafter(made[0], texts.script(written, 32, 0.7, 280, seed))
        generate(made[1], written[:32], drafter, k, max_new_tokens=30, engine="compiled")
    assert keys and set(keys) <= captured


def test_a_median_lies_between_its_quartiles_and_calls_are_counted():
    calls = []
    told = clock.median_of(lambda: calls.append(1), "cpu", least=7)
    assert told["low"] <= told["median"] <= told["high"] and told["calls"] == 7 and len(calls) == 3 + 1 + 7
    assert clock.in_a_row(lambda: calls.append(1), "cpu", calls=4) >= 0 and len(calls) == 11 + 5


# --- equality ---------------------------------------------------------------------------------------------------------


def test_in_float32_no_way_of_decoding_changes_the_text():
    shape, dtype, more = engines.cases(torch.bfloat16)["Qwen3, small, float32"]
    target, draft = engines.made(shape, "cpu", dtype, **more)
    written = engines.texts_of(target, draft, 24)
    assert len(set(written["eager, plain"].tolist())) > 8  # a text in which something happens
    rows = engines.compared(target, written)
    assert len(rows) == 5 and all(row["differs_at"] is None for row in rows)


def test_where_texts_part_the_margin_is_told(pair, text):
    other = text.clone()
    other[20] = 0
    (row,) = engines.compared(pair[1], {"eager, plain": text, "mine": other})
    assert row["differs_at"] == 20 and row["margin_in_ulp"] > 1000


def test_the_wide_case_has_the_matrices_of_the_7b():
    (target, draft), dtype, _ = engines.cases(torch.bfloat16)["4 layers of Qwen2.5-7B, bfloat16"]
    assert target[2] == 4 and draft[2] == 2 and dtype == torch.bfloat16
    assert target[:2] + target[3:] == shapes.SHAPES["qwen2.5-7b"][:2] + shapes.SHAPES["qwen2.5-7b"][3:]


# --- card, records, summary -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "slug", "sheet"), [
    ("NVIDIA H100 80GB HBM3", "h100", "NVIDIA H100 SXM"),
    ("NVIDIA H100 PCIe", "h100-pcie", None),
    ("NVIDIA H200", "h200", "NVIDIA H200"),
    ("Tesla T4", "t4", "NVIDIA T4"),
    ("NVIDIA A100-SXM4-80GB", "a100", "NVIDIA A100 80GB"),
    ("NVIDIA A100-SXM4-40GB", "a100", None),
    ("NVIDIA GeForce RTX 4090", "rtx-4090", "NVIDIA RTX 4090"),
    ("NVIDIA L4", "l4", None),
    ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "h100-mig", None),
    ("Some Accelerator", "some", None),
])  # fmt: skip
def test_cards_get_short_names_and_their_own_data_sheet(name, slug, sheet):
    assert card.slug_of(name) == slug
    assert (card.sheet_of(name) or [None])[0] == sheet
    assert sheet is None or card.sheet_of(name)[1:] == card.SHEETS[sheet]


def test_walls_are_measured():
    told = card.measured_walls("cpu", torch.float32, quick=True)
    assert set(told) == {"bytes_per_second", "flops_per_second", "seconds_per_launch"} and min(told.values()) > 0


def test_records_are_written_whole_and_listed(tmp_path):
    path = records.file_of(tmp_path / "new", "cuda", "h100", f"costs:{FIRST}")
    assert path.name == "cuda_h100_costs_qwen2.5-0.5b_for_qwen2.5-7b.json" and records.read(path) is None
    records.write(path, {"kind": "costs", "c": {4: 1 / 3}, "rows": [(1, 2.0)]})
    assert records.read(path) == {"kind": "costs", "c": {"4": 0.333333}, "rows": [[1, 2.0]]}
    path.with_name("cuda_h100_card.json").write_text("{torn")
    assert [record["file"] for record in cuda_records(path.parent)] == [path.name]
    assert cuda_records(path.parent, kind="speed") == [] and not list(path.parent.glob("*.part"))
    assert isinstance(cuda_records(), list)


def test_begun_records_have_tables_too():
    for kind in summary.TABLES:
        about = records.about(f"{kind}:x", kind, "a card", "bfloat16")
        assert "UNFINISHED" in summary.tables([about])


# --- the whole suite --------------------------------------------------------------------------------------------------


@pytest.fixture
def rehearse(tmp_path):
    said = []

    def run_it(**how):
        said.clear()
        return run(tmp_path, device="cpu", say=said.append, quick=True, **how), "\n".join(said)

    run_it.folder = tmp_path
    return run_it


@pytest.mark.slow
def test_a_rehearsal_measures_every_part_and_a_second_one_none(rehearse, monkeypatch):
    outcome, said = rehearse()
    assert outcome["done"] == suite.part_names(shapes.PAIRS[:1]) and not outcome["failed"] + outcome["left"], said
    told = [json.loads(path.read_text()) for path in sorted(rehearse.folder.glob("quick_*.json"))]
    assert len(told) == len(outcome["done"]) and all(record["finished"] for record in told)
    for record in told:
        assert all(record.get(key) for key in ("kind", "hardware", "precision", "date", "source", "command"))
        assert summary.TABLES[record["kind"]](record) in said

    monkeypatch.setattr(suite, "RUN", {kind: pytest.fail for kind in suite.RUN})
    outcome, said = rehearse()
    assert len(outcome["done"]) == len(told) == said.count("finished on")


@pytest.mark.slow
def test_the_readers_of_records_understand_these(rehearse, monkeypatch):
    rehearse(only=("latency", "costs", "speed"))
    for path in rehearse.folder.glob("quick_*.json"):
        path.rename(path.with_name(path.name.replace("quick_", "cuda_")))
    monkeypatch.setattr(profiles, "data_path", lambda *parts: rehearse.folder)
    monkeypatch.setattr(pairing, "data_path", lambda *parts: rehearse.folder)
    found = profiles.recorded_profiles()
    assert len(found) == 6 and all(1 in told["profile"] and told["label"] for told in found)
    costs_told, speed_told = pairing.recorded_pairings(lambda line: None)
    assert [told["engine"] for told in costs_told["costs"]] == ["compiled", "eager"] and costs_told["costs"][0]["c"][1]
    assert costs_told["pair"] == speed_told["pair"] == "Qwen2.5-7B with Qwen2.5-0.5B"
    assert [row["alpha"] for row in speed_told["rows"]] == [0.8]


@pytest.mark.slow
def test_a_figure_that_fails_costs_no_other_and_is_measured_the_next_time(rehearse, monkeypatch):
    curve_of = latency.curve_of
    broken = lambda model, engine, *rest: 1 / 0 if engine == "captured" else curve_of(model, engine, *rest)  # noqa: E731
    monkeypatch.setattr(latency, "curve_of", broken)
    outcome, said = rehearse(only=("latency:qwen2.5-7b", "costs"))
    assert outcome["failed"] == ["latency:qwen2.5-7b"] and outcome["done"] == [f"costs:{FIRST}"]
    record = records.read(next(rehearse.folder.glob("*latency*")))
    assert "ZeroDivisionError" in record["errors"]["captured"] and "FAILED" in said and "UNFINISHED" in said
    assert len(record["curves"]) == 2 and not record["finished"]

    measured = []
    monkeypatch.setattr(latency, "curve_of", lambda *args: measured.append(args[1]) or curve_of(*args))
    outcome, said = rehearse(only=("latency:qwen2.5-7b",))
    record = records.read(next(rehearse.folder.glob("*latency*")))
    assert outcome["done"] and measured == ["captured"] and len(record["curves"]) == 3 and record["errors"] == {}


@pytest.mark.slow
def test_a_part_that_cannot_begin_costs_no_other(rehearse, monkeypatch):
    monkeypatch.setattr(library, "warm_up", lambda *args: 1 / 0)
    outcome, said = rehearse(only=("library", "equality"))
    assert outcome["failed"] == [f"library:{FIRST}"] and outcome["done"] == ["equality"] and "ZeroDivisionError" in said


@pytest.mark.slow
def test_a_speed_part_goes_on_where_it_was_cut(rehearse, monkeypatch):
    runs_at, seen = speed.runs_at, []

    def cut(*args, **how):
        seen.append(args[5])
        if seen == ["compiled", "eager"]:
            raise KeyboardInterrupt
        return runs_at(*args, **how)

    monkeypatch.setattr(speed, "runs_at", cut)
    with pytest.raises(KeyboardInterrupt):
        rehearse(only=("speed",))
    outcome, said = rehearse(only=("speed",))
    assert seen == ["compiled", "eager", "eager"] and outcome["done"]
    grid = records.read(next(rehearse.folder.glob("*speed*")))["grid"]
    assert [row["engine"] for row in grid] == ["compiled", "eager"] and "predicted" not in grid[0]  # no costs yet


@pytest.mark.slow
def test_when_time_is_up_the_rest_is_left_and_written_figures_stay(rehearse, monkeypatch):
    outcome, said = rehearse(seconds=0)
    assert outcome["done"] == [] and len(outcome["left"]) == 9 and "left" in said

    class Short(clock.Deadline):
        @property
        def over(self):
            self.asked = getattr(self, "asked", 0) + 1
            return self.asked > 2  # the part begins, one figure is measured

    monkeypatch.setattr(suite, "Deadline", Short)
    outcome, said = rehearse(only=("costs",))
    assert outcome["left"] == [f"costs:{FIRST}"]
    assert list(records.read(next(rehearse.folder.glob("*costs*")))["engines"]) == ["compiled"]


def test_models_too_large_for_the_card_are_skipped(rehearse, monkeypatch):
    monkeypatch.setattr(model_pool, "free_memory", lambda device: 1e6)
    outcome, said = rehearse(only=("card", "latency"))
    assert outcome["done"] == ["card"] and len(outcome["skipped"]) == 2 and "GB are needed" in said


def test_models_are_put_away_only_when_room_is_needed(monkeypatch):
    room, said = [1e12], []
    monkeypatch.setattr(model_pool, "free_memory", lambda device: room[0])
    held = model_pool.ModelPool({"a": TARGET, "b": DRAFT, "c": DRAFT}, "cpu", torch.float32, say=said.append)
    (a,) = held.take("a")
    assert held.take("a", "b")[0] is a and said == ["made a", "made b"]
    monkeypatch.setattr(model_pool, "release", lambda: room.__setitem__(0, 1e12))
    room[0] = 0.0
    held.take("b", "c")
    assert set(held.models) == {"b", "c"} and said[2:] == ["put away a", "made c"]
    room[0] = 0.0
    monkeypatch.setattr(model_pool, "release", lambda: None)
    with pytest.raises(model_pool.WillNotFit, match="a: .* GB are needed"):
        held.take("a")


@pytest.mark.slow
def test_without_a_compiler_passes_are_captured_as_they_are(rehearse, monkeypatch):
    monkeypatch.setattr(static, "compiled_once", lambda method, **how: pytest.fail("compiled"))
    monkeypatch.setattr(torch, "compile", lambda *args, **how: 1 / 0)
    outcome, said = rehearse(only=("latency", "costs", "equality", "context"))
    assert not outcome["failed"] and "torch.compile does not work here (ZeroDivisionError" in said
    (told, _) = cuda_like(rehearse.folder, "latency")
    assert [curve["engine"] for curve in told["curves"]] == ["eager", "captured"]
    assert "not compiled" in cuda_like(rehearse.folder, "costs")[0]["compiled_means"]


def cuda_like(folder, kind):
    return [records.read(path) for path in sorted(folder.glob(f"quick_*_{kind}*.json"))]


def test_a_round_of_a_batch_is_timed_both_ways_and_compared():
    given = drawing.round_of(3, 50, "cpu")
    assert [list(one.shape) for one in given] == [[3, 4], [3, 4, 50], [3, 5, 50], [3, 5]]
    row = drawing.timed_round(3, 50, "cpu", drawn.verify_drawn)
    assert row["kernel"] > 0 and row["torch"] > 0 and row["differing_texts"] == 0

    def wrong(*given):
        tokens, n = drawn.verify_drawn(*given)
        return tokens.index_fill(0, torch.tensor([1]), 7), n

    assert drawing.timed_round(3, 50, "cpu", wrong)["differing_texts"] == 1
    assert drawing.timed_round(3, 50, "cpu")["kernel"] is None


def test_parts_can_be_chosen_by_name_and_by_kind():
    names = suite.part_names()
    assert len(set(names)) == len(names) == 2 + 7 + 3 * 4 + 2
    assert suite.chosen(names, ()) == names and suite.chosen(names, ("equality",)) == ["equality"]
    assert len(suite.chosen(names, ("latency",))) == 7
    assert suite.chosen(names, ("speed", "card"))[0] == "card"
    with pytest.raises(ValueError, match="no part 'latencies'.*Did you mean 'latency'"):
        suite.chosen(names, ("latencies",))


def test_costs_come_before_the_speeds_that_they_predict():
    names = suite.part_names()
    for draft, target in shapes.PAIRS:
        order = [names.index(f"{kind}:{draft}/{target}") for kind in ("costs", "speed", "library")]
        assert order == sorted(order) and names.index(f"latency:{target}") < order[0]


def test_without_a_gpu_only_a_rehearsal_is_possible(tmp_path):
    with pytest.raises(ValueError, match="NVIDIA GPU"):
        run(tmp_path, device="cpu")


@pytest.mark.slow
def test_the_whole_suite_with_small_models_in_the_place_of_large_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "check_device", lambda device, quick: None)
    monkeypatch.setattr(pair_parts, "new_tokens_for", lambda *args: 16)
    cases, walls = engines.cases, card.measured_walls
    monkeypatch.setattr(card, "measured_walls", lambda device, dtype, quick: walls(device, dtype, quick=True))
    monkeypatch.setattr(engines, "cases", lambda half, quick: cases(half, quick=True))
    said, small = [], {name: shapes.shrunk(shape) for name, shape in shapes.SHAPES.items()}
    outcome = run(tmp_path, device="cpu", say=said.append, shapes=small)
    assert outcome["done"] == suite.part_names(), "\n".join(said)
    told = cuda_records(tmp_path)
    assert len(told) == len(outcome["done"]) and all(record["finished"] for record in told)
    for record in cuda_records(tmp_path, "speed"):
        assert {(row["engine"], row["k"]) for row in record["grid"]} == set(pair_parts.blocks_of(False))
        assert all(row["same_text"] for row in record["grid"]) and record["text_equals_eager"]
        assert all(row["eta"] > 0 for row in record["grid"] if row["k"] != "auto")
        assert [row["alpha"] for row in record["rows"]] == list(speed.SHOWN)
    first, *others = cuda_records(tmp_path, "library")
    assert sorted(len(record["cells"]) for record in (first, *others)) == [3, 3, 3, len(library.FULL)]
    curves = [curve for record in cuda_records(tmp_path, "latency") for curve in record["curves"]]
    assert all(set(curve["seconds"]) == {str(n) for n in latency.LENGTHS} for curve in curves[:2])


@pytest.mark.slow
def test_a_rehearsal_with_the_real_compiler(tmp_path, monkeypatch):
    monkeypatch.undo()
    if not suite.compiler_works("cpu", lambda line: None):
        pytest.skip("this machine cannot compile")
    said = []
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*could not be compiled")
        only = "latency", "costs", "speed", "equality"
        outcome = run(tmp_path, device="cpu", say=said.append, quick=True, only=only)
    assert not outcome["failed"], "\n".join(said)
    assert all(record["grid"][0]["same_text"] for record in cuda_like(tmp_path, "speed"))
