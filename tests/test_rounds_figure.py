"""The pictures of unit 03: nothing lost, nothing overlapping, whatever the tokens look like."""

import io
import warnings

import pytest

from specdec_course.figures.rounds import accepted_histogram, strip, timeline, tokens_against_k
from specdec_course.trace import Round

ROUNDS = [Round(4, 4, 5), Round(4, 1, 2), Round(0, 0, 1), Round(4, 3, 3)]
PIECES = [" the", " mill", "\n", "\n\n", "", " $x_1$", " <b>", "漢字", "\ufffd", " " * 3, "long" * 60]


def png(figure) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph or a bad layout is a warning
        figure.savefig(out, format="png")
    return out.getvalue()


def boxes(figure):
    """(x, y, width) of every token's box, from the coloured bars below them."""
    bars = [p for p in figure.axes[0].patches if p.get_height() < 0.1]
    return [(p.get_x(), p.get_y(), p.get_width()) for p in bars]


@pytest.mark.parametrize("width", [4, 9.5])
def test_every_token_has_one_box_and_no_two_overlap(width):
    figure = strip(PIECES, ROUNDS, prompt_pieces=[" Once", " upon"], width=width)
    assert png(figure)
    found = boxes(figure)
    assert len(found) == len(PIECES) + 2
    left, right = figure.axes[0].get_xlim()
    for (x, y, w), (next_x, next_y, _) in zip(found, found[1:], strict=False):
        assert next_y > y or next_x >= x + w - 1e-6
        assert left <= x and x + w <= right + 1.5


def test_rounds_are_numbered_once_each():
    small = [t.get_text() for t in strip(PIECES, ROUNDS).axes[0].texts if t.get_fontsize() < 8]
    assert small == ["1", "2", "3", "4"]


def test_pieces_have_to_fit_the_rounds():
    with pytest.raises(ValueError, match="one piece per token"):
        strip(PIECES[:-1], ROUNDS)


def test_an_empty_text_is_no_error():
    assert png(strip([], [])) and png(strip([], [], [" only", " a", " prompt"]))


def test_the_other_pictures_draw():
    assert png(accepted_histogram(ROUNDS)) and png(accepted_histogram([Round(0, 0, 1)]))
    assert png(timeline(ROUNDS, 0.2)) and png(timeline([], 0.2))
    assert png(tokens_against_k({"a": {1: 1.5, 2: 1.8}, "b": {1: 1.1, 2: 1.1}}))
    with pytest.raises(ValueError, match="no rounds"):
        accepted_histogram([])


def test_a_picture_shows_itself_in_a_notebook():
    assert accepted_histogram(ROUNDS)._repr_png_()[:4] == b"\x89PNG"
