"""Atlas: the same text everywhere, in WikiText's format, with facts that hold within an article."""

import hashlib
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specdec_course.corpora.atlas import KINDS, SPLITS, articles, atlas_text, common_facts
from specdec_course.corpora.atlas.grammar import parse, read_plan, slots, write
from specdec_course.corpora.atlas.names import Stream, decimal, in_year, number, ordinal, region

seeds = st.integers(0, 10**6)
FIRST_50 = "89e38bae99c65bf3021984c2d12a0921306b4e5d22fe90f36ec94e3f4a7fa0ee"


def as_int(text: str) -> int:
    return int(text.replace(" @,@ ", ""))


def facts_of(kind: str, seed: int) -> tuple[str, dict]:
    stream = Stream(f"test/{seed}")
    world, neighbour = region(stream), region(stream)
    return KINDS[kind][1](stream, world, common_facts(stream, world, neighbour))


def test_the_text_is_the_same_on_every_machine():
    text = atlas_text("train", articles=50, seed=0)
    assert hashlib.sha256(text.encode()).hexdigest() == FIRST_50
    assert text == "".join(articles(0, 50)) == atlas_text(articles=50)


def test_a_longer_text_begins_with_the_shorter():
    assert atlas_text(articles=40).startswith(atlas_text(articles=30))


def test_splits_and_seeds_share_no_article_and_hardly_a_title():
    texts = {(split, seed): list(articles(seed, 420, split)) for split in SPLITS for seed in (0, 1)}
    titles = {key: {re.search(r"= (.+?) =", text).group(1) for text in some} for key, some in texts.items()}
    keys = list(texts)
    for i, one in enumerate(keys):
        for other in keys[i + 1 :]:
            assert not set(texts[one]) & set(texts[other])
            assert len(titles[one] & titles[other]) < 0.05 * len(titles[one])


@pytest.mark.parametrize("arguments", [{"split": "valid"}, {"articles": -1}])
def test_bad_requests_are_refused(arguments):
    with pytest.raises(ValueError):
        atlas_text(**arguments)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_the_format_is_wikitext(seed):
    for text in articles(seed, 14):
        lines = text.split("\n")
        assert lines.pop() == "" and all(line[:1] == " " and line[-1:] == " " for line in lines)
        assert lines[0] == lines[2] == " " and re.fullmatch(r" = [^=]+ = ", lines[1])
        bodies = [line for line in lines if line != " " and not line.startswith(" =")]
        headings = [line for line in lines if line.startswith(" = =")]
        assert 3 <= len(headings) <= 5 and all(re.fullmatch(r" = = [^=]+ = = ", line) for line in headings)
        assert all(line.endswith(" . ") and line[1].isupper() or line[1] in '"0123456789' for line in bodies)
        assert not re.search(r"[a-z][.,;]|\d,\d|\d\.\d|[\[\]{}|]|  ", "\n".join(bodies))


@pytest.mark.parametrize("kind", KINDS)
def test_every_template_finds_its_facts(kind):
    plan = KINDS[kind][0]
    nodes = [*plan.openers, *plan.lead, *(t for titles, body in plan.sections for t in (*titles, *body))]
    facts = facts_of(kind, 0)[1]
    assert set().union(*map(slots, nodes)) <= set(facts)
    assert len(plan.sections) >= 3 and len(nodes) >= 25


def test_every_region_has_one_article_of_each_kind():
    assert len(list(articles(3, len(KINDS)))) == len(
        {re.search("= (.+) =", a).group(1) for a in articles(3, len(KINDS))}
    )


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_derived_facts_are_right(seed):
    for kind in ("painter", "engineer"):
        life = facts_of(kind, seed)[1]
        assert int(life["ydied"]) - int(life["yborn"]) == int(life["age"])
        assert in_year(life["bday"]) <= in_year(life["dday"])  # else the age would be a year less
    town = facts_of("town", seed)[1]
    assert as_int(town["pop"]) - as_int(town["pop0"]) == as_int(town["growth"])
    season = facts_of("season", seed)[1]
    won, drawn, lost = (int(season[key]) for key in ("won", "drawn", "lost"))
    assert int(season["played"]) == won + drawn + lost and int(season["points"]) == 3 * won + drawn
    battle = facts_of("battle", seed)[1]
    assert as_int(battle["deadall"]) == as_int(battle["dead1"]) + as_int(battle["dead2"])
    assert as_int(battle["dead2"]) < as_int(battle["men2"]) and as_int(battle["dead1"]) < as_int(battle["men1"])
    species = facts_of("species", seed)[1]
    assert as_int(species["adults0"]) - as_int(species["adults"]) == as_int(species["loss"])
    ship = facts_of("ship", seed)[1]
    years = [int(ship[key]) for key in ("ylaid", "ylaunch", "yserv", "ywar", "yref", "yend")]
    assert years == sorted(years)
    treaty = facts_of("treaty", seed)[1]
    assert int(treaty["y1"]) + int(treaty["years"]) == int(treaty["yend"])
    river = facts_of("river", seed)[1]
    assert abs(as_int(river["len"]) * 0.621371 - as_int(river["lenmi"])) <= 0.5


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_what_an_article_repeats_it_repeats_unchanged(seed):
    """The year of death, the population, the length: told several times, never two ways."""
    text = next(a for a in articles(seed, 14) if re.search(r"^ \n = [^=]+ = \n \n The [^=]*River|is a river in", a))
    lengths = set(
        re.findall(r"([\d @,]+) kilometres from its source|, ([\d @,]+) kilometres \( [\d @,]+ mi \) long", text)
    )
    assert len({one or other for one, other in lengths} - {""}) <= 2  # its own length, and its tributary's
    for article in articles(seed, 14):
        span = re.search(r"^ \n = ([^=]+) = \n \n \1 \( (?:[^)]* )?(\d{4}) – (?:[^)]* )?(\d{4}) \)", article)
        if not span:
            continue
        assert all(year == span[3] for year in re.findall(r"died (?:on|at) [^,.]*?(\d{4})", article))
        assert all(int(age) == int(span[3]) - int(span[2]) for age in re.findall(r" died [^.]*, aged (\d+)", article))


def test_articles_of_a_region_mention_each_other():
    first = list(articles(0, 14))
    titles = [re.search("= (.+?) =", text).group(1) for text in first]
    assert sum(any(title in text for j, text in enumerate(first) if j != i) for i, title in enumerate(titles)) >= 4


def test_the_grammar():
    draws = iter([0.9, 0.0])
    assert write(parse("a [b|{c} [d|e]] ."), {"c": "see"}, lambda: next(draws)) == "A see d ."
    for broken in ("a [b", "a ] b"):
        with pytest.raises(ValueError, match="unbalanced"):
            parse(broken)
    with pytest.raises(ValueError, match="must begin with"):
        read_plan("? what")
    plan = read_plan("* one\n  goes on\n= A | B\n- two")
    assert plan.openers == (("one goes on",),) and len(plan.sections[0][0]) == 2


def test_numbers_are_written_as_in_wikitext():
    assert number(1234567) == "1 @,@ 234 @,@ 567" and number(999) == "999" and decimal(3.54) == "3 @.@ 5"
    assert [ordinal(n) for n in (1, 2, 3, 11, 22, 113)] == ["1st", "2nd", "3rd", "11th", "22nd", "113th"]


def test_a_bigram_is_right_between_15_and_35_per_cent():
    """In the tokens of the bundled tokenizer, counted on one split and asked on another."""
    from transformers import PreTrainedTokenizerFast

    from specdec_course.common.paths import data_path
    from specdec_course.drafters.bigram import build_next_token_array, hit_rate
    from specdec_course.training.text import encode_articles

    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(data_path("classroom", "tokenizer")))
    train, test = (
        torch.from_numpy(encode_articles(tokenizer, count, split=split).astype("int64"))
        for count, split in ((1500, "train"), (150, "test"))
    )
    guesses = build_next_token_array(train[None], len(tokenizer), 0)
    assert 0.15 < hit_rate(test, guesses) < 0.35
