"""All drafters side by side: which there are, and how often the token at each place of a draft is accepted."""

import pytest

from specdec_course.measure import ranking
from specdec_course.models import load_pair
from specdec_course.sampling import Sampling
from specdec_course.trace import Round


def test_a_place_counts_where_those_before_it_were_accepted():
    rounds = [Round(3, 0, 1), Round(3, 1, 2), Round(3, 1, 2), Round(3, 3, 4), Round(2, 2, 3), Round(0, 0, 1)]
    assert ranking.by_place(rounds, 3) == [3 / 4, 1 / 3, 1.0]  # shorter drafts would flatter the first places
    assert ranking.by_place([Round(2, 0, 1)], 2) == [0.0, None] and ranking.by_place([], 2) == [None, None]


@pytest.mark.slow
def test_every_chain_of_the_bundled_pair_can_be_ranked_and_costs_something():
    from specdec_course.corpora import held_out_prompts
    from specdec_course.decoding.engine import generate

    pair = load_pair("classroom", say=lambda line: None)
    drafters = ranking.drafters_of(pair, "atlas", lambda line: None)
    assert set(ranking.CHAINS) < set(drafters)
    prompt = held_out_prompts(pair.tokenizer, count=1)[0]
    out = generate(pair.target, prompt, max_new_tokens=24, eos_token_id=None)
    for name in ranking.CHAINS:
        costs = ranking.measure_costs(pair.target, drafters[name], out.tokens, len(prompt), Sampling(), "eager")
        draft, checking = ranking.in_steps(costs, 3)
        assert 0 < draft and 0 < checking
        assert ranking.in_steps(costs, 1000) is None


def test_ways_are_named_by_their_draft_length_where_there_are_several():
    one, two = object(), object()
    drafters = {"target alone": None, "draft model": one, "EAGLE": two}
    assert ranking.ways_of(drafters, (4,)) == {"target alone": (None, 4), "draft model": (one, 4), "EAGLE": (two, 4)}
    assert ranking.ways_of(drafters, (2, 3)) == {
        "target alone": (None, 2), "draft model, k = 2": (one, 2), "draft model, k = 3": (one, 3),
        "EAGLE, k = 2": (two, 2), "EAGLE, k = 3": (two, 3),
    }  # fmt: skip


def test_a_drafter_that_nobody_has_is_told_with_those_there_are(tmp_path):
    from click.testing import CliRunner

    for name, said in (("eagel", "no drafter is called 'eagel'; there are draft model, EAGLE"),
                       ("suffix+eagel", "there is no drafter 'eagel'; expected one of")):  # fmt: skip
        found = CliRunner().invoke(ranking.main, ["--drafter", name, "--json", str(tmp_path / "out.json")])
        assert found.exit_code == 2 and said in found.output


def test_only_the_chosen_ones_are_made():
    pair, said = load_pair("classroom", say=lambda line: None), []
    made = ranking.drafters_of(pair, "atlas", said.append, ["suffix+eagle", "EAGLE"])
    assert list(made) == ["target alone", "suffix+eagle", "EAGLE"] and not said, "nothing is counted in vain"
