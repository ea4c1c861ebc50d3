"""The pictures of unit 03: nothing lost, nothing overlapping, whatever the tokens look like."""

import io
import warnings

import pytest

from specdec_course.figures.bigram import speed_by_k
from specdec_course.figures.laws import accept_and_correct, acceptance_along_text, against_temperature
from specdec_course.figures.race import race
from specdec_course.figures.rounds import accepted_histogram, strip, timeline, tokens_against_k
from specdec_course.figures.shown import words
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


def test_the_dashed_line_stands_at_what_it_says():
    axis = accepted_histogram(ROUNDS).axes[0]
    (line,) = axis.lines
    assert line.get_xdata()[0] == 2.0  # (4 + 1 + 0 + 3) / 4 kept, though (5 + 2 + 1 + 3) / 4 were emitted
    assert "2.00 kept, and so 2.75 tokens per call" in [t.get_text() for t in axis.texts][-1]


def test_the_time_line_says_how_many_rounds_it_shows_and_charges_the_checking():
    assert "all 4 rounds: 11 tokens in the time of 6.4 plain steps" in timeline(ROUNDS, 0.2).alt
    assert "all 4 rounds: 11 tokens in the time of 7.9 plain steps" in timeline(ROUNDS, 0.2, 1.5).alt
    assert "the first 16 of 40 rounds" in timeline(ROUNDS * 10, 0.2).alt


def test_a_picture_shows_itself_in_a_notebook_in_the_theme_of_the_page():
    figure = accepted_histogram(ROUNDS)
    assert figure._repr_png_()[:4] == b"\x89PNG"
    shown, sizes = figure._repr_mimebundle_()
    page = shown["text/html"]
    assert page.startswith("<svg ") and "currentColor" in page and "#000000" not in page
    assert "#ffffff" not in page  # no white ground
    assert 'role="img"' in page and "bars: 1, 1, 0, 1, 1" in page.split("<title>")[1].split("</title>")[0]
    assert sizes["image/png"]["width"] == 700


def test_the_strip_is_text_that_can_be_selected():
    shown, _ = strip(PIECES, ROUNDS, prompt_pieces=["<i>"])._repr_mimebundle_()
    page = shown["text/html"]
    assert "&lt;i&gt;" in page and " mill" in page and "<svg" not in page and "background: #009E7340" in page
    assert page.count("<sup") == 4


def test_what_is_not_rejected_has_no_bar():
    bars = accept_and_correct([0.1, 0.9], [0.4, 0.6], "AB").axes[1].containers[1]
    assert [bar.get_height() for bar in bars] == pytest.approx([0.3])
    assert png(accept_and_correct([0.5, 0.5], [0.5, 0.5]))


def test_acceptance_along_a_text_is_read_out():
    figure = acceptance_along_text([" the", "\n", " $x"], [0.5, 1.0, 0.25])
    assert png(figure) and "the 0.50" in figure.alt and "$x 0.25" in figure.alt


def test_a_race_shows_every_token_when_its_round_was_over():
    shown = race({"alone": (["a", "<b>"], [Round(0, 0, 1)] * 2, 2.0), "fast": (["a", "<b>"], [Round(1, 1, 2)], 1.0)})
    page = shown._repr_html_()
    assert page.count("animation-delay: 1.00s") == 3 and page.count("animation-delay: 2.00s") == 1
    assert "&lt;b&gt;" in page and repr(shown) == "alone: 2 tokens in 2.0 s; fast: 2 tokens in 1.0 s"
    with pytest.raises(ValueError, match="one piece for each new token"):
        race({"alone": (["a"], [Round(0, 0, 1)] * 2, 2.0)})


def test_alt_text_names_what_stands_below_the_axis():
    said = words(speed_by_k({1: 1.3, 32: 1.4}, {1: 1.2, 32: 0.8}))
    assert "speed, by the clock: 1: 1.2, 32: 0.8" in said
    level = against_temperature([0.0, 1.0], {"a": [2.0, 3.0]}, [0.5, 0.6], [0.5, 0.6])
    assert "plain decoding: 1 all along" in words(level) and "a: 0: 2, 1: 3" in words(level)
