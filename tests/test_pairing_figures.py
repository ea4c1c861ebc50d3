"""Pictures of unit 06, and the list of what GPUs reached: there, or plainly not there."""

import json

import numpy as np
import pytest

from specdec_course.figures import pairing
from specdec_course.figures.pairing import pareto, recorded_pairings
from specdec_course.theory import best_k, speedup

POINTS = {"cheap": (0.3, 0.01), "beaten": (0.4, 0.3), "good": (0.7, 0.1), "dearer": (0.7, 0.2), "best": (1.0, 1.0)}


@pytest.fixture
def measurements(monkeypatch, tmp_path):
    """An empty folder in place of data/measurements."""
    monkeypatch.setattr(pairing, "data_path", lambda *parts: tmp_path)
    return tmp_path


def test_the_pareto_front_is_what_nobody_beats_in_both():
    assert pareto(POINTS) == ["cheap", "good", "best"]
    assert pareto({}) == [] and pareto({"only": (0.0, 2.0)}) == ["only"]


def test_every_picture_can_be_drawn():
    alphas, cs = np.linspace(0.05, 0.95, 9), np.geomspace(0.01, 1, 7)
    lengths = [[best_k(a, c, 16) for a in alphas] for c in cs]
    gains = [[speedup(a, best_k(a, c, 16), c) for a in alphas] for c in cs]
    sizes = {"a target": {0.5: {"0.5B": 1.4, "1.5B": 1.1}, 0.9: {"0.5B": 3.0, "1.5B": 2.0}}}
    record = {"pair": "a pair", "hardware": "a GPU", "rows": [{"name": "draft", "speedup": 2.1}]}
    for figure in (
        pairing.gain_map(alphas, cs, gains, lengths),
        pairing.gain_map(alphas, cs, gains, lengths, POINTS, "good"),
        pairing.censoring_figure((1, 2), [0.7, 0.6], [0.7, 0.7], [0.7, 0.6]),
        pairing.prediction_figure((5,), [1.5], [0.8], "one draft length"),
        pairing.predictions_figure({"eager": ((1, 5), [1.5, 1.2], [0.8, 1.1]), "compiled": ((4,), [2.0], [1.9])}, "x"),
        pairing.sizes_figure(sizes, {"a target": ("0.5B", 2.0)}),
        pairing.measured_figure([("a pair", "a GPU", 0.55)]),
        pairing.measured_figure([("a pair", "a GPU", 0.55)], [record]),
        pairing.costs_figure({f"pair {i}": {1: 1.2, 4: 1.5} for i in range(9)}, 0.7),
    ):
        assert len(figure._repr_png_()) > 5000


def test_where_nothing_was_recorded_it_says_so(measurements):
    said = []
    (measurements / "cuda_h100_card.json").write_text('{"kind": "card", "hardware": "NVIDIA H100"}', encoding="utf-8")
    assert recorded_pairings(said.append) == []
    assert len(said) == 1 and said[0].startswith("No pair has been measured on a GPU")


def test_speed_ups_are_listed_with_their_hardware_and_only_where_somebody_drafted(measurements):
    rows = [{"name": "plain", "speedup": 1.0, "tokens_per_call": 1.0}, {"name": "draft, k = 4", "speedup": 1.9}]
    record = {"pair": "qwen2.5", "hardware": "NVIDIA H100", "rows": rows}
    (measurements / "cuda_qwen2.5.json").write_text(json.dumps(record), encoding="utf-8")
    said = []
    (found,) = recorded_pairings(said.append)
    assert found["rows"] == rows[1:] and found["costs"] == []
    assert (found["pair"], found["hardware"], found["file"]) == ("qwen2.5", "NVIDIA H100", "cuda_qwen2.5.json")
    assert said == ["cuda_qwen2.5.json: qwen2.5, NVIDIA H100, 0 cost curves, 1 speed-ups"]


def test_costs_are_found_with_their_engine(measurements):
    curve = {"engine": "compiled", "plain": 0.003, "c": {"1": 0.1, "4": 0.08}, "v": {"1": 1.0, "4": 1.02}}
    record = {"kind": "costs", "part": "costs:qwen2.5-0.5b/qwen2.5-7b", "hardware": "NVIDIA H100", "engines": [curve]}
    (measurements / "cuda_h100_costs.json").write_text(json.dumps(record), encoding="utf-8")
    (found,) = recorded_pairings(lambda line: None)
    assert found["pair"] == "qwen2.5-0.5b/qwen2.5-7b" and found["rows"] == []
    assert found["costs"] == [{"engine": "compiled", "c": {1: 0.1, 4: 0.08}, "v": {1: 1.0, 4: 1.02}}]
