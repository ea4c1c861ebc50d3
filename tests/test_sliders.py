"""A picture with sliders: the static one everywhere, the live one where a kernel and widgets are there."""

import sys

import pytest

from specdec_course.figures.pairing import lengths_figure
from specdec_course.figures.sliders import WIDGET, with_sliders


def draw(alpha, k):
    return lengths_figure([alpha * n for n in range(9)], k)


def shown(**sliders):
    return with_sliders(draw, **sliders or {"alpha": (0.0, 0.5, 1.0, 0.1), "k": (0, 2, 8, 1)})


@pytest.fixture
def kernel(monkeypatch):
    ipywidgets = pytest.importorskip("ipywidgets")
    monkeypatch.setattr("IPython.get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    return ipywidgets


def test_without_a_kernel_it_is_the_picture_at_the_first_values():
    data, _ = shown()._repr_mimebundle_()
    assert WIDGET not in data and data["text/plain"].startswith("k = 2: 1.00x    best, k = 8: 4.00x.")
    assert "<svg" in data["text/html"] and data["image/png"].startswith(b"\x89PNG")


def test_without_the_package_of_widgets_too(kernel, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert WIDGET not in shown()._repr_mimebundle_()[0]


def test_a_slider_that_moves_draws_anew(kernel):
    followed = shown()
    alpha, k, page = followed.box.children
    assert isinstance(alpha, kernel.FloatSlider) and isinstance(k, kernel.IntSlider) and "k = 2: 1.00x" in page.value
    k.value = 4
    assert "k = 4: 2.00x" in page.value
    alpha.value = 1.0
    assert "k = 4: 4.00x" in page.value
    data, _ = followed._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == followed.box.model_id and "k = 2: 1.00x" in data["text/plain"]
