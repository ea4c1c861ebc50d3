"""Clocks, recorded curves and computed costs. No test asserts a time; the costs are held against a real model's."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specdec_course.checks.stages.clocks import Device, SlowModel
from specdec_course.common.paths import data_path
from specdec_course.figures import latency as figures
from specdec_course.measure import clocks, profiles
from specdec_course.measure.clocks import flat_region, latency_profile, time_call
from specdec_course.theory import forward_cost, roofline_latency


class Products:
    """Counts the multiply-adds of every matrix product that runs, and the numbers in the weights they use."""

    def __init__(self, model):
        self.flops, self.weights = 0, 0
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_hook(self.linear)

    def linear(self, module, inputs, output):
        self.flops += 2 * inputs[0].numel() * module.out_features
        self.weights += module.weight.numel()


def tiny(kind, **shape):
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        num_hidden_layers=2, vocab_size=131, max_position_embeddings=128, attn_implementation="eager", **shape
    )
    return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


MODELS = [
    ("Qwen3", dict(hidden_size=48, intermediate_size=80, num_attention_heads=4, num_key_value_heads=2, head_dim=16)),
    ("Qwen3", dict(hidden_size=32, intermediate_size=96, num_attention_heads=6, num_key_value_heads=1, head_dim=8,
                   tie_word_embeddings=True)),
    ("Llama", dict(hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=4)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "shape"), MODELS)
@pytest.mark.parametrize(("n", "context"), [(1, 0), (5, 0), (1, 37), (7, 23)])
def test_forward_cost_equals_what_a_real_model_computes_and_reads(kind, shape, n, context):
    """FLOPs by torch's own counter, weights by hooks, keys and values from the cache that the pass leaves behind."""
    from torch.utils.flop_counter import FlopCounterMode

    model = tiny(kind, **shape)
    with torch.inference_mode():
        past = model(torch.zeros(1, context, dtype=torch.long), use_cache=True).past_key_values if context else None
        products = Products(model)
        with FlopCounterMode(display=False) as counter:
            out = model(torch.zeros(1, n, dtype=torch.long), past_key_values=past, use_cache=True)
    cached = sum(layer.keys.numel() + layer.values.numel() for layer in out.past_key_values.layers)
    flops, read = forward_cost(model.config, n, context, bytes_per_param=4)
    assert read == 4 * (products.weights + cached)
    assert flops == pytest.approx(counter.get_total_flops(), rel=0.01)  # the counter also sees the rotary angles
    assert products.flops < flops


def test_forward_cost_works_for_configs_with_and_without_head_dim():
    shape = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, vocab_size=100)  # fmt: skip
    plain = forward_cost(SimpleNamespace(**shape), 3, 5)
    assert plain == forward_cost(SimpleNamespace(**shape, head_dim=None), 3, 5)
    assert plain == forward_cost(SimpleNamespace(**shape, head_dim=12), 3, 5)
    assert plain != forward_cost(SimpleNamespace(**shape, head_dim=16), 3, 5)


def test_the_notebooks_example_on_paper():
    config = SimpleNamespace(hidden_size=4, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
                             head_dim=2, intermediate_size=8, vocab_size=10)  # fmt: skip
    assert forward_cost(config, 3, context=5) == (1488, 432)


def test_the_free_width_of_a_chip_does_not_depend_on_the_model():
    """Half precision: the walls meet near peak / bandwidth tokens, for a small and for a large model."""
    for scale in (1, 8):
        config = SimpleNamespace(hidden_size=512 * scale, intermediate_size=2048 * scale, num_hidden_layers=16,
                                 num_attention_heads=8 * scale, num_key_value_heads=4, vocab_size=32000)  # fmt: skip
        for peak, bandwidth in profiles.DATASHEETS.values():
            costs = {n: forward_cost(config, n) for n in range(1, 400)}
            meet = next(n for n, (flops, read) in costs.items() if flops / peak > read / bandwidth)
            assert meet == pytest.approx(peak / bandwidth, rel=0.1)
            assert roofline_latency(*costs[1], peak, bandwidth) == costs[1][1] / bandwidth
            assert roofline_latency(*costs[399], peak, bandwidth) == costs[399][0] / peak


some_profile = st.dictionaries(st.integers(1, 4096), st.floats(1e-4, 10.0), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(some_profile, st.floats(0.0, 2.0))
def test_flat_region_is_flat_all_the_way_and_cannot_be_longer(profile, tolerance):
    lengths, answer = sorted(profile), flat_region(profile, tolerance)
    limit = (1 + tolerance) * profile[lengths[0]]
    place = lengths.index(answer)
    assert all(profile[n] <= limit for n in lengths[: place + 1])
    assert place + 1 == len(lengths) or profile[lengths[place + 1]] > limit


def test_time_call_waits_for_the_device_on_both_sides():
    device = Device([0.004, 0.004, 0.001, 0.003], backlog=0.01)
    seconds = time_call(device.call, repeats=2, warmup=2, synchronize=device.synchronize)
    assert [event.kind for event in device.events] == ["call"] * 2 + ["barrier"] + ["call", "barrier"] * 2
    assert isinstance(seconds, np.ndarray) and seconds.shape == (2,)
    assert seconds[0] >= 0.001 and seconds[1] >= 0.003


def test_latency_profile_feeds_every_length_and_repeats_itself():
    fed = []
    for seed in (3, 3, 4):
        model = SlowModel(50, pytest.fail)
        assert list(latency_profile(model.forward, [4, 1, 9], 50, repeats=2, seed=seed)) == [4, 1, 9]
        fed.append(model.fed)
    assert fed[0] == fed[1] != fed[2]


def test_affordable_stops_behind_the_first_slow_length(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.delenv("SPECDEC_QUICK", raising=False)
    model = SlowModel(50, pytest.fail, script=lambda length, i: 0.02 if length >= 8 else 0.0)
    assert clocks.affordable(model.forward, [1, 8, 16, 32], 50, slowest=0.015, least=8) == [1, 8]
    assert clocks.affordable(model.forward, [1, 8, 16, 32], 50, slowest=0.015) == [1, 8, 16]
    assert clocks.affordable(model.forward, [1, 8, 16], 50, slowest=60) == [1, 8, 16]


def test_without_a_compiler_the_lesson_goes_on(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.delenv("SPECDEC_QUICK", raising=False)
    model = tiny(*MODELS[0][:1], **MODELS[0][1])
    said = []
    monkeypatch.setattr(clocks.shutil, "which", lambda name: None)
    assert clocks.compiled(model, said.append) is None
    monkeypatch.setattr(clocks.shutil, "which", lambda name: "/usr/bin/c++")
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *args, **named: 1 / 0)
    assert clocks.compiled(model, said.append) is None
    assert "compiler" in said[0] and "ZeroDivisionError" in said[1]


def test_no_compiling_while_a_notebook_is_marked(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    said = []
    assert clocks.in_a_hurry() and clocks.compiled(None, said.append) is None and len(said) == 1


@pytest.mark.slow
def test_the_compiled_model_says_what_the_eager_one_says(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.delenv("SPECDEC_QUICK", raising=False)
    model = tiny(*MODELS[0][:1], **MODELS[0][1])
    faster = clocks.compiled(model)
    if faster is None:
        pytest.skip("this machine cannot compile")
    for n in (1, 5):
        ids = torch.arange(n)[None]
        with torch.no_grad():
            torch.testing.assert_close(faster(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)


def test_every_record_says_where_it_comes_from():
    files = sorted(data_path("measurements").glob("*.json"))
    assert files
    for path in files:
        record = json.loads(path.read_text())
        assert all(record.get(key) for key in ("hardware", "date", "source", "command")), path.name


def test_the_recorded_t4_curve_is_the_published_one():
    t4 = next(r for r in profiles.recorded_profiles() if r["label"] == "T4, Llama-3.2-3B, compiled")
    assert 1 / t4["profile"][16] == pytest.approx(31.21, rel=1e-3) and flat_region(t4["profile"]) == 32


def test_of_many_recorded_curves_a_picture_shows_few(monkeypatch):
    def curve(hardware, model, engine, parameters, *seconds):
        return {"hardware": hardware, "model": model, "engine": engine, "parameters": parameters, "label": engine,
                "profile": {2**i: s for i, s in enumerate(seconds)}}

    suite = [curve("NVIDIA X", f"{size}B", engine, size * 1e9, 0.01, speed)
             for size in (0.5, 3, 7) for engine, speed in (("eager", 0.03), ("captured", 0.02))]
    suite.append(curve("NVIDIA X", "7B", "compiled, short", 7e9, 0.001))
    cpu = [curve("EPYC", "classroom", engine, 3e9, 0.01) for engine in ("eager", "torch.compile")]
    monkeypatch.setattr(profiles, "recorded_profiles", lambda: suite + cpu)
    chosen = [(r["model"], r["engine"]) for r in profiles.telling_profiles()]
    big = [("3B", "captured"), ("7B", "captured")]
    assert chosen == [*big, ("classroom", "eager"), ("classroom", "torch.compile")]


@pytest.mark.parametrize("cpu_time", [False, True])
def test_record_profile_measures_eager_and_says_so(monkeypatch, cpu_time):
    monkeypatch.setenv("SPECDEC_QUICK", "1")  # without compiling
    model, said = tiny(*MODELS[0][:1], **MODELS[0][1]), []
    (curve,) = profiles.record_profile(model, [1, 4], repeats=2, cpu_time=cpu_time, say=said.append)
    assert curve["engine"] == "eager" and set(curve["seconds"]) == {"1", "4"} and len(said) == 2


def test_measured_limits_are_positive():
    flops, bandwidth = clocks.measured_limits(n=64, megabytes=1, seconds=0.01)
    assert flops > 0 and bandwidth > 0


def test_figures_are_drawn_without_a_display():
    curve = {1: 0.01, 16: 0.011, 64: 0.03}
    drawn = [
        figures.latency_figure({"here": curve}, {"there": curve}, flat=16),
        figures.latency_figure({"here": curve}),
        figures.walls_figure("walls", [1, 2, 3], [1.0, 2.0, 3.0], [1.5, 1.5, 1.5]),
        figures.roofline_figure({"roof": ({"computed": curve}, {"measured": curve})}),
        figures.speedup_figure([(0, 1.0, 1.0), (4, 3.0, 0.8)]),
    ]
    assert all(figure.axes for figure in drawn)
    assert "flat up to 16" in drawn[0].axes[0].texts[0].get_text()
    drawn_ms = drawn[3].axes[0].lines[1].get_ydata()
    assert list(drawn_ms) == [10.0, 11.0, 30.0], "measured milliseconds, not shares of the first pass"
