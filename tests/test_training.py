"""Training: what a run needs to survive, what it exports, and what the bundled pair must be."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specdec_course.common.paths import data_path, sha256_of
from specdec_course.common.whole import write_whole
from specdec_course.measure.names import on_names
from specdec_course.training import train
from specdec_course.training.attention import use_block_attention
from specdec_course.training.checkpoint import load_state, save_state
from specdec_course.training.classroom import Recipe, train_classroom
from specdec_course.training.export import export_pair, write_checksums
from specdec_course.training.loop import (
    agreement,
    distillation_loss,
    language_loss,
    optimizers_for,
    rate,
    token_losses,
    update,
)
from specdec_course.training.pair import grow, new_model
from specdec_course.training.report import as_table, put_into
from specdec_course.training.stages import STAGES
from specdec_course.training.text import encode_articles, repeats, windows
from specdec_course.training.tokenizer import END_OF_TEXT

SMALL = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1)
TINY = Recipe(
    school_steps=4, shallow_steps=4, steps=6, draft_steps=4, distil_steps=5, shallow_layers=1, school_length=32,
    school_tokens=64, shallow_length=32, shallow_tokens=64, deep_tokens=128, draft_tokens=128, length=32,
    long_length=64, articles=60, vocabulary=512, sampled_rows=3, compiled=False,
    target=SMALL | {"num_hidden_layers": 2}, draft=SMALL,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny run from start to end: (folder of the export, folder of the checkpoints)."""
    folder = tmp_path_factory.mktemp("whole")
    train_classroom(folder / "pair", work=folder / "work", recipe=TINY, device="cpu")
    return folder / "pair", folder / "work"


def weights(work) -> dict:
    return load_state(work / "state.pt")["models"]


def damaged(folder) -> list[str]:
    sums = json.loads((folder / "checksums.json").read_text())
    return [name for name, digest in sums.items() if not (folder / name).exists() or sha256_of(folder / name) != digest]


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name][key], other[name][key]) for name in one for key in one[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "stop", [("school", 3), ("shallow", 0), ("shallow", 2), ("deep", 0), ("deep", 4), ("draft", 2), ("distil", 2)]
)
def test_an_interrupted_run_ends_with_the_same_weights(trained, tmp_path, monkeypatch, stop):
    """At step 0 the kill falls between two stages: for "deep" that is where the target has just grown."""
    stage, at = stop
    step, field = STAGES[stage]

    def fails_once(run):
        if run.step == at:
            raise KeyboardInterrupt
        return step(run)

    monkeypatch.setitem(STAGES, stage, (fails_once, field))
    with pytest.raises(KeyboardInterrupt):
        train_classroom(tmp_path / "pair", work=tmp_path / "work", recipe=TINY, device="cpu", save_every=0)
    kept = load_state(tmp_path / "work" / "state.pt")
    if at:
        assert (kept["stage"], kept["step"]) == stop
    else:  # the last checkpoint is the end of the stage before
        assert list(STAGES).index(kept["stage"]) == list(STAGES).index(stage) - 1
    monkeypatch.setitem(STAGES, stage, (step, field))
    train_classroom(tmp_path / "pair", work=tmp_path / "work", recipe=TINY, device="cpu")
    assert same(weights(tmp_path / "work"), weights(trained[1]))
    logs = [json.loads((folder / "training.json").read_text())["log"] for folder in (tmp_path / "pair", trained[0])]
    assert [line["target_loss"] for line in logs[0]] == [line["target_loss"] for line in logs[1]]


def test_every_stage_trains_its_own_model_only(trained, tmp_path, monkeypatch):
    """The target is finished before the draft begins, and the school leaves the draft as it was drawn."""
    seen = {}
    for stage, (step, field) in STAGES.items():

        def first(run, stage=stage, step=step):
            if run.step == 0:
                seen[stage] = {
                    name: {key: value.clone() for key, value in model.state_dict().items()}
                    for name, model in (("target", run.target), ("draft", run.draft))
                }
            return step(run)

        monkeypatch.setitem(STAGES, stage, (first, field))
    train_classroom(tmp_path / "pair", work=tmp_path / "work", recipe=TINY, device="cpu")
    end = weights(tmp_path / "work")
    assert same({"draft": seen["school"]["draft"]}, seen["draft"])
    assert same({"target": seen["draft"]["target"]}, end)
    for one, other in (("school", "shallow"), ("deep", "draft")):
        assert not same({"target": seen[one]["target"]}, seen[other])
    assert not same({"draft": seen["distil"]["draft"]}, end)


@pytest.mark.slow
def test_a_compiled_run_ends_with_the_same_weights_too(tmp_path, monkeypatch):
    recipe = replace(TINY, compiled=True)
    train_classroom(tmp_path / "whole", work=tmp_path / "one", recipe=recipe, device="cpu")
    step, field = STAGES["deep"]

    def fails_once(run):
        if run.step == 2:
            raise KeyboardInterrupt
        return step(run)

    monkeypatch.setitem(STAGES, "deep", (fails_once, field))
    with pytest.raises(KeyboardInterrupt):
        train_classroom(tmp_path / "pair", work=tmp_path / "other", recipe=recipe, device="cpu", save_every=0)
    monkeypatch.setitem(STAGES, "deep", (step, field))
    train_classroom(tmp_path / "pair", work=tmp_path / "other", recipe=recipe, device="cpu")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "other"))


def test_a_finished_run_is_not_trained_again(trained):
    before = weights(trained[1])
    train_classroom(trained[0], work=trained[1], recipe=TINY, device="cpu")
    assert same(weights(trained[1]), before)


def test_another_recipe_does_not_continue_a_run(trained):
    with pytest.raises(ValueError, match="another seed"):
        train_classroom(trained[0], work=trained[1], recipe=replace(TINY, seed=1), device="cpu")


def test_a_kill_while_a_checkpoint_is_written_leaves_the_last_one(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, {"step": 1})
    code = (
        "import sys, time, pathlib; from specdec_course.common.whole import write_whole\n"
        "def slow(part):\n"
        "    part.write_bytes(b'half'); print('writing', flush=True); time.sleep(60)\n"
        "write_whole(pathlib.Path(sys.argv[1]), slow)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert load_state(path) == {"step": 1}
    save_state(path, {"step": 2})
    assert load_state(path) == {"step": 2}


def test_a_full_disk_leaves_no_half_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("whole")

    def full(part):
        part.write_text("ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        write_whole(path, full)
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="delete it to begin anew"):
        load_state(tmp_path / "state.pt")
    assert load_state(tmp_path / "absent.pt") is None


def test_the_export_can_be_loaded_and_its_damage_is_found(trained, tmp_path):
    import shutil

    from specdec_course import load_pair

    pair = load_pair(str(trained[0]), device="cpu", dtype=torch.float32)
    kept = weights(trained[1])["target"]["model.norm.weight"]
    assert torch.allclose(pair.target.model.norm.weight, kept, atol=1e-3)
    assert damaged(trained[0]) == []
    copy = tmp_path / "copy"
    shutil.copytree(trained[0], copy)
    (copy / "draft" / "config.json").unlink()
    with open(copy / "target" / "model.safetensors", "r+b") as file:
        file.seek(500)
        file.write(b"\xff")
    assert damaged(copy) == ["draft/config.json", "target/model.safetensors"]


def test_an_export_replaces_the_old_one(trained, tmp_path):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(trained[0] / "tokenizer"))
    for seed in (0, 1):
        export_pair(*(new_model(SMALL, 512, seed + i) for i in (0, 10)), tokenizer, tmp_path)
        assert damaged(tmp_path) == [] and not list(tmp_path.glob(".export-*"))
    first = (tmp_path / "checksums.json").read_text()
    write_checksums(tmp_path)
    assert (tmp_path / "checksums.json").read_text() == first


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_survives_the_bundled_tokenizer(text):
    tokenizer = bundled_tokenizer()
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text and all(0 <= i < 4096 for i in ids)


def test_the_bundled_tokenizer():
    tokenizer = bundled_tokenizer()
    assert len(tokenizer) == 4096 and tokenizer.encode(END_OF_TEXT) == [0]
    assert tokenizer.eos_token_id == tokenizer.bos_token_id == tokenizer.pad_token_id == 0
    digits = [t for t in tokenizer.get_vocab() if sum(c.isdigit() for c in t) > 2]
    assert not digits  # numbers are cut into groups of at most two


@cache
def bundled_tokenizer():
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(data_path("classroom", "tokenizer")))


def test_windows_depend_on_seed_and_step_only():
    ids = np.arange(1000, dtype=np.uint16)
    one = windows(ids, 4, 16, seed=1, step=5)
    assert one.shape == (4, 17) and torch.equal(one, windows(ids, 4, 16, seed=1, step=5))
    assert torch.equal(one[:, 1:], one[:, :-1] + 1)
    assert not torch.equal(one, windows(ids, 4, 16, seed=1, step=6))
    assert not torch.equal(one, windows(ids, 4, 16, seed=2, step=5))
    with pytest.raises(ValueError, match="more articles"):
        windows(ids[:16], 1, 16, 0, 0)


def test_the_school_repeats_one_segment_to_the_end():
    ids = np.arange(1000, dtype=np.uint16)  # all different: a repeat can only be a repeat
    rows = repeats(ids, 200, 64, seed=1, step=5)
    assert rows.shape == (200, 65) and torch.equal(rows, repeats(ids, 200, 64, seed=1, step=5))
    assert not torch.equal(rows, repeats(ids, 200, 64, seed=1, step=6))
    sizes = [len(set(row.tolist())) for row in rows]
    assert min(sizes) == 8 and max(sizes) == 32
    for row, size in zip(rows, sizes, strict=True):
        assert torch.equal(row[size:], row[:-size])
        assert torch.equal(row[1:size], row[: size - 1] + 1)  # a piece of the text, as it stands there


def test_a_model_grows_without_changing_what_it_computes():
    model = new_model(SMALL | {"num_hidden_layers": 2}, 64, 0)
    ids = torch.randint(64, (2, 20), generator=torch.Generator().manual_seed(0))
    deep = grow(model, 5, seed=1)
    assert deep.config.num_hidden_layers == len(deep.model.layers) == 5
    assert torch.equal(deep(ids).logits, model(ids).logits)
    assert same({"model": deep.state_dict()}, {"model": grow(model, 5, seed=1).state_dict()})
    assert deep.lm_head.weight is deep.model.embed_tokens.weight


def test_every_new_layer_learns():
    deep = grow(new_model(SMALL | {"num_hidden_layers": 2}, 64, 0), 5, seed=1)
    begun = {name: value.clone() for name, value in deep.state_dict().items()}
    window = torch.randint(64, (4, 17), generator=torch.Generator().manual_seed(0))
    optimizers = optimizers_for(deep)
    first = language_loss(deep, window).item()
    for _ in range(3):  # the first step moves only what was zero, the next ones all the rest
        update(deep, optimizers, language_loss(deep, window), 1.0)
    assert language_loss(deep, window).item() < first
    still = [name for name, value in deep.state_dict().items() if torch.equal(value, begun[name])]
    assert not still


def test_token_losses_are_the_parts_of_the_language_loss():
    model = new_model(SMALL, 64, 0)
    window = torch.randint(64, (3, 9), generator=torch.Generator().manual_seed(0))
    losses = token_losses(model, window)
    assert losses.shape == (3, 8)
    assert losses.mean().item() == pytest.approx(language_loss(model, window).item(), abs=1e-5)


def test_names_are_counted_as_they_stand_in_the_article():
    """A model that is sure of nothing pays log V everywhere; the counts say what was seen before."""
    model = new_model(SMALL, 4096, 0)
    with torch.no_grad():
        model.model.norm.weight.zero_()
    got = on_names(bundled_tokenizer(), {"flat": model}, count=2)
    assert got["flat_seen"] == got["flat_new"] == pytest.approx(math.log(4096), abs=1e-3)
    assert got["pieces_seen"] > 20 and got["pieces_new"] > 20


def test_every_article_ends_with_the_end_of_text():
    ids = encode_articles(bundled_tokenizer(), 5)
    assert (ids == 0).sum() == 5 and ids[-1] == 0
    assert len(encode_articles(bundled_tokenizer(), 0)) == 0


def test_the_learning_rate_does_not_depend_on_the_length_until_it_falls():
    assert [rate(s, 1000, 0.25) for s in range(750)] == [rate(s, 2000, 0.25) for s in range(750)]
    assert rate(0, 1000, 0.25) < 0.02 and rate(500, 1000, 0.25) == 1.0
    falling = [rate(s, 1000, 0.25) for s in range(750, 1000)]
    assert falling == sorted(falling, reverse=True) and 0 < falling[-1] < 0.01


@pytest.mark.parametrize("length", [7, 128, 300])
def test_block_attention_is_causal_attention(length):
    model = new_model(SMALL | {"num_hidden_layers": 2}, 64, 0)
    ids = torch.randint(64, (2, length), generator=torch.Generator().manual_seed(0))
    model.set_attn_implementation("sdpa")
    expected = model(ids, use_cache=False).logits
    use_block_attention(model, "cpu")
    assert torch.allclose(model(ids, use_cache=False).logits, expected, atol=1e-5)
    cache = model(ids[:, :-1], use_cache=True).past_key_values
    with pytest.raises(ValueError, match="use sdpa to generate"):
        model(ids[:, -1:], past_key_values=cache)


def test_losses_fall_and_distillation_brings_the_laws_together():
    """A few steps on one window: the target learns it, then the draft learns the target."""
    target, draft = (new_model(SMALL, 64, seed) for seed in (0, 1))
    window = torch.randint(64, (4, 17), generator=torch.Generator().manual_seed(0))
    optimizers = optimizers_for(target)
    first = language_loss(target, window).item()
    for _ in range(25):
        update(target, optimizers, language_loss(target, window), 1.0)
    assert language_loss(target, window).item() < 0.7 * first
    before, optimizers = agreement(draft, target, window), optimizers_for(draft)
    frozen = {key: value.clone() for key, value in target.state_dict().items()}
    for _ in range(25):
        update(draft, optimizers, distillation_loss(draft, target, window), 1.0)
    assert agreement(draft, target, window)["alpha_sampled"] > before["alpha_sampled"] + 0.1
    assert all(torch.equal(value, frozen[key]) for key, value in target.state_dict().items())


def test_agreement_against_plain_arithmetic():
    target, draft = (new_model(SMALL, 64, seed).double() for seed in (0, 1))
    window = torch.randint(64, (1, 6), generator=torch.Generator().manual_seed(3))
    got = agreement(draft, target, window, precise=True)
    p, q = (model(window[:, :-1]).logits[0].softmax(-1) for model in (target, draft))
    assert got["alpha_sampled"] == pytest.approx(1 - (p - q).abs().sum(-1).mean().item() / 2, abs=1e-5)
    assert got["alpha_greedy"] == pytest.approx((p.argmax(-1) == q.argmax(-1)).double().mean().item())
    nats = -p[torch.arange(5), window[0, 1:]].log().mean().item()
    assert got["target_loss"] == pytest.approx(nats, abs=1e-5)


def test_only_the_classroom_pair_can_be_trained(tmp_path):
    with pytest.raises(ValueError, match="only 'classroom'"):
        train("gpt", str(tmp_path))


# The bundled pair


def test_the_bundled_files_are_whole_and_small():
    folder = data_path("classroom")
    assert damaged(folder) == []
    names = set(json.loads((folder / "checksums.json").read_text()))
    assert {"target/model.safetensors", "draft/model.safetensors", "tokenizer/tokenizer.json"} <= names
    sizes = {part: sum(path.stat().st_size for path in (folder / part).iterdir())
             for part in ("target", "draft", "tokenizer", "medusa", "eagle", "glide", "parallel")}  # fmt: skip
    pair = [sizes.pop(part) for part in ("target", "draft", "tokenizer")]
    assert sum(pair) < 23_000_000 and sum(sizes.values()) < 10_000_000


@pytest.fixture(scope="module")
def pair():
    from specdec_course import load_pair

    return load_pair("classroom", device="cpu")


def test_the_bundled_models_have_the_stated_shapes(pair):
    sizes = [sum(p.numel() for p in model.parameters()) for model in (pair.target, pair.draft)]
    assert 9.5e6 < sizes[0] < 11e6 and 0.6e6 < sizes[1] < 0.8e6
    assert (pair.target.config.num_hidden_layers, pair.target.config.hidden_size) == (12, 256)
    assert (pair.draft.config.num_hidden_layers, pair.draft.config.hidden_size) == (1, 128)
    for model in (pair.target, pair.draft):
        assert model.config.model_type == "qwen3" and model.config.max_position_embeddings == 1024
        assert model.config.tie_word_embeddings and model.generation_config.eos_token_id == 0


def test_the_bundled_pair_behaves_like_a_pair(pair):
    """On held-out text: the target is better than the draft, which agrees with it often, not always."""
    ids = encode_articles(pair.tokenizer, 40, split="test")
    got = agreement(pair.draft, pair.target, windows(ids, 4, 1000, 0, 0), precise=True)
    recorded = json.loads(data_path("measurements", "classroom.json").read_text())["held_out"]
    assert math.exp(got["target_loss"]) == pytest.approx(recorded["target_perplexity"], rel=0.15)
    assert math.exp(got["draft_loss"]) == pytest.approx(recorded["draft_perplexity"], rel=0.15)
    assert got["draft_loss"] >= got["target_loss"] + 0.3
    assert 0.6 <= got["alpha_sampled"] <= 0.85 and 0.5 < got["alpha_greedy"] < 0.95


def test_the_bundled_target_copies_names_and_the_draft_does_not(pair):
    """As recorded on 40 articles, and live on a few."""
    recorded = json.loads(data_path("measurements", "classroom.json").read_text())["names"]
    got = on_names(pair.tokenizer, {"target": pair.target, "draft": pair.draft}, count=4)
    for names in (recorded, got):
        assert names["target_seen"] <= 0.8 and names["target_new"] >= names["target_seen"] + 2
        assert names["draft_seen"] >= 2.5


def test_the_recorded_figures_are_those_of_a_useful_pair():
    recorded = json.loads(data_path("measurements", "classroom.json").read_text())
    assert recorded["windows_of_512"]["target_perplexity"] <= 4.3
    assert 0.45 <= recorded["decoding"]["draft_greedy"]["accepted_per_drafted"] <= 0.70


def test_the_readme_shows_the_recorded_figures():
    page = data_path("README.md").read_text(encoding="utf-8")
    figures = json.loads(data_path("measurements", "classroom.json").read_text(encoding="utf-8"))
    training = json.loads(data_path("classroom", "training.json").read_text(encoding="utf-8"))
    assert put_into(page, as_table(figures, training)) == page
    assert {"hardware", "date", "source", "command"} <= set(figures)
    with pytest.raises(ValueError, match="once each"):
        put_into("a page without the marks", "table")
