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
        pairing.sizes_figure(sizes, {"a target": ("0.5B", 2.0)}),
        pairing.measured_figure([("a pair", "a GPU", 0.55)]),
        pairing.measured_figure([("a pair", "a GPU", 0.55)], [record]),
    ):
        assert len(figure._repr_png_()) > 5000


def test_where_nothing_was_recorded_it_says_so(measurements):
    said = []
    assert recorded_pairings(said.append) == []
    assert len(said) == 1 and said[0].startswith("No measurements of a GPU")


def test_a_record_is_listed_with_its_hardware_and_only_its_speculative_rows(measurements):
    rows = [{"name": "plain", "speedup": 1.0, "tokens_per_call": 1.0}, {"name": "draft, k = 4", "speedup": 1.9}]
    record = {"pair": "qwen2.5", "hardware": "NVIDIA H100", "rows": rows}
    (measurements / "cuda_qwen2.5.json").write_text(json.dumps(record), encoding="utf-8")
    (measurements / "cuda_other.json").write_text("{}", encoding="utf-8")
    said = []
    other, found = recorded_pairings(said.append)
    assert found == {"file": "cuda_qwen2.5.json", "hardware": "NVIDIA H100", "pair": "qwen2.5", "rows": rows[1:]}
    assert other["rows"] == [] and len(said) == 2 and "NVIDIA H100, 1 speed-ups" in said[1]
