"""The linear layer for few rows: torch's numbers, the same bits for one row as for nine, and torch's own elsewhere."""

import logging
import platform

import pytest
import torch
from torch import nn

from specdec_course.cache import linear
from specdec_course.cache.linear import ROWS, available, few_rows_fast

needs_compiler = pytest.mark.skipif(not available(), reason="no C++ compiler that can make it")


def few_rows(x, w):
    return torch.ops.specdec.few_rows(x, w)


@needs_compiler
@pytest.mark.parametrize("width", [1, 15, 16, 31, 32, 33, 64, 577, 1536])
@pytest.mark.parametrize("rows, outputs", [(1, 1), (1, 300), (2, 7), (3, 64), (4, 1), (5, 130), (9, 33), (12, 5)])
def test_it_is_the_product(rows, outputs, width):
    rng = torch.Generator().manual_seed(rows * width)
    x, w = torch.randn(rows, width, generator=rng), torch.randn(outputs, width, generator=rng)
    expected = x.double() @ w.double().T
    torch.testing.assert_close(few_rows(x, w).double(), expected, atol=3e-7 * width, rtol=1e-5)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_has_the_same_bits_in_any_company(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, w = torch.randn(9, 600), torch.randn(5000, 600)
        whole = few_rows(x, w)
        for n in range(1, 10):
            assert torch.equal(few_rows(x[:n], w), whole[:n])
            assert torch.equal(few_rows(x[9 - n :].contiguous(), w), whole[9 - n :])
    finally:
        torch.set_num_threads(before)


@needs_compiler
def test_infinity_and_nan_go_through():
    x, w = torch.ones(2, 40), torch.ones(3, 40)
    x[0, 7], w[2, 30] = float("inf"), float("nan")
    got = few_rows(x, w)
    assert got[0, :2].isinf().all() and got[:, 2].isnan().all() and got[1, :2].tolist() == [40.0, 40.0]


@needs_compiler
def test_only_what_it_is_for_goes_through_it(monkeypatch):
    seen = []

    def counted(x, w):
        seen.append(len(x))
        return x @ w.T

    monkeypatch.setattr(torch.ops.specdec, "few_rows", counted)
    layer, theirs = nn.Linear(8, 6), nn.functional.linear
    with few_rows_fast():
        for given in (torch.randn(ROWS, 8), torch.randn(1, 3, 8), torch.randn(8), torch.randn(3, 16)[:, ::2]):
            torch.testing.assert_close(layer(given), theirs(given, layer.weight, layer.bias))
        assert seen == [ROWS, 3, 1, 3]
        layer(torch.randn(ROWS + 1, 8)), layer(torch.randn(0, 8))
        nn.functional.linear(torch.randn(2, 6), layer.weight.T)  # weights that do not lie in order
        nn.Linear(8, 6, dtype=torch.bfloat16)(torch.randn(2, 8, dtype=torch.bfloat16))
        nn.Linear(8, 6, dtype=torch.float64)(torch.randn(2, 8, dtype=torch.float64))
    assert len(seen) == 4 and nn.functional.linear is theirs


def test_where_it_cannot_be_compiled_torchs_own_stays(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("SPECDEC_CACHE", str(tmp_path))
    monkeypatch.setattr(linear, "get_cxx_compiler", lambda: "false")
    fresh = linear.available.__wrapped__
    monkeypatch.setattr(linear, "available", fresh)
    with caplog.at_level(logging.INFO, logger="specdec_course"), few_rows_fast():
        assert not hasattr(nn.functional.linear, "__closure__")
    assert "linear layers stay torch's own: false could not compile it" in caplog.text
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    monkeypatch.setattr(linear, "get_cxx_compiler", lambda: "no-such-compiler")
    assert fresh() is False


@needs_compiler
def test_it_is_compiled_once_for_a_processor(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECDEC_CACHE", str(tmp_path))
    first = linear._library()
    monkeypatch.setattr(linear, "_compile", lambda *args: pytest.fail("compiled twice"))
    assert linear._library() == first and first.parent == tmp_path / "compiled"
    monkeypatch.setattr(linear, "_processor", lambda: "flags: another machine with the same home")
    with pytest.raises(pytest.fail.Exception):
        linear._library()


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags of another kind of processor")
@pytest.mark.parametrize("kind", ["x86-64", "haswell", "skylake-avx512"])
def test_it_can_be_compiled_for_older_and_newer_processors(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(linear, "FLAGS", tuple(f"-march={kind}" if "march" in flag else flag for flag in linear.FLAGS))
    linear._compile(linear.get_cxx_compiler(), tmp_path / "linear.so")
    assert (tmp_path / "linear.so").stat().st_size > 1000
