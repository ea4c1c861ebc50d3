"""The models that write sums step by step, what they are taught, and the strategies on them."""

import itertools
import json
import random

import pytest
import torch
from click.testing import CliRunner

from specdec_course.cli import main
from specdec_course.common.paths import data_path, sha256_of
from specdec_course.corpora import sums
from specdec_course.decoding.budget import force_budget, vote_until
from specdec_course.decoding.chains import Writer, write_chains
from specdec_course.figures import thinking as pictures
from specdec_course.measure import thinking
from specdec_course.models import load_pair
from specdec_course.theory import thinking_cost
from specdec_course.training import reasoner
from specdec_course.training.rewards import lcpo_exact, length_reward, o1_pruner
from specdec_course.training.thrift import learn_thrift, log_probabilities


@pytest.fixture(scope="module")
def pair():
    return load_pair(str(data_path("reasoner")), say=lambda line: None)


# problems ------------------------------------------------------------------------------------------------------------


def test_problems_have_two_digits_everywhere_and_come_from_the_seed():
    drawn = sums.problems(300, (1, 2, 5, 9), 3)
    assert drawn == sums.problems(300, (1, 2, 5, 9), 3) != sums.problems(300, (1, 2, 5, 9), 4)
    for numbers in drawn:
        totals = list(itertools.accumulate(numbers))
        assert all(10 <= abs(number) <= 99 for number in numbers) and all(10 <= total <= 99 for total in totals)
    assert {len(numbers) for numbers in drawn} == {2, 3, 6, 10}
    with pytest.raises(ValueError, match="at least 1"):
        sums.problem(0, random.Random(0))


def test_right_steps_are_right_and_the_answer_is_read_behind_the_last_mark():
    assert sums.question([17, 48, -29]) == "17+48-29?"
    assert sums.steps_of([17, 48, -29]) == ["17+48=65;", "65-29=36;"]
    assert sums.steps_of([17, 48, -29], [False, True]) == ["17+48=65;", "65-29=36:36+29=65;"]
    assert sums.answer_in("17+48?17+48=65;#65") == 65 and sums.answer_in("17+48?#1#65") == 65
    assert [sums.answer_in(text) for text in ("17+48?", "17+48?#", "17+48?#6;", "")] == [None] * 4
    assert sums.is_right([17, 48], "#65") and not sums.is_right([17, 48], "17+48=65;#64")


def test_signs_and_ids_go_to_and_fro_and_the_tokenizer_has_the_same(pair):
    text = "17+48-29?17+48=65:65-48=17;#36"
    assert sums.decode(sums.encode(text)) == text
    assert pair.tokenizer(text).input_ids == sums.encode(text).tolist()
    assert pair.tokenizer.decode(sums.encode(text)) == text and pair.tokenizer.eos_token_id == sums.END
    assert len(pair.tokenizer) == sums.VOCAB == pair.target.config.vocab_size == pair.draft.config.vocab_size
    with pytest.raises(ValueError, match="'x' cannot be encoded"):
        sums.encode("1x")


# lessons -------------------------------------------------------------------------------------------------------------


def test_a_cut_is_never_learned_and_all_else_behind_the_question_is():
    recipe, rng, kinds = reasoner.Recipe(), random.Random(0), set()
    for _ in range(300):
        numbers = sums.problem(3, rng)
        ids, learned = reasoner.lesson(numbers, recipe, rng)
        text, asked = sums.decode(ids), sums.question(numbers)
        mark = text.index("#")
        chain = text[len(asked) : mark]
        whole = chain.count(";") == 3 and chain.endswith(";")
        kinds.add("whole" if whole else "cut" if chain or not learned[mark] else "at once")
        assert text.startswith(asked) and text.endswith(f"#{sum(numbers)}") and ids[-1] == sums.END
        due = [i >= len(asked) and (i != mark or whole or not chain and bool(learned[mark])) for i in range(len(ids))]
        assert learned.tolist() == due
    assert kinds == {"whole", "cut", "at once"}


def test_a_batch_is_a_function_of_seed_and_step():
    one, other = (reasoner.batch(reasoner.Recipe(seed=seed), 5) for seed in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, reasoner.batch(reasoner.Recipe(), 5), strict=True))
    assert one[0].shape != other[0].shape or not torch.equal(one[0], other[0])
    assert not (one[1] & (one[0] == 0).cumsum(1).sub(1).clamp(min=0).bool()).any(), "padding is not learned"


def test_an_interrupted_run_goes_on_and_ends_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(reasoner, "SHAPES", {
        name: dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1)
        for name in reasoner.SHAPES})
    recipe = reasoner.Recipe(steps=4, draft_steps=3, tokens=200)
    reasoner.train_reasoner(tmp_path / "whole", tmp_path / "work1", recipe)
    half = iter([False, True])
    folder = tmp_path / "work2"
    assert reasoner.teach("target", recipe, folder, "cpu", lambda: next(half)) is None
    assert (folder / "target.pt").is_file()
    reasoner.train_reasoner(tmp_path / "again", folder, recipe)
    for name in ("target", "draft"):
        one, other = (sha256_of(tmp_path / run / name / "model.safetensors") for run in ("whole", "again"))
        assert one == other
    with pytest.raises(ValueError, match="another steps"):
        reasoner.train_reasoner(tmp_path / "again", folder, reasoner.Recipe(steps=5, draft_steps=3, tokens=200))


def test_the_command_trains_and_says_how_to_load(tmp_path, monkeypatch):
    monkeypatch.setattr(reasoner, "SHAPES", {
        name: dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1)
        for name in reasoner.SHAPES})
    out = tmp_path / "small"
    ran = CliRunner().invoke(main, ["train", "reasoner", "--out", str(out), "--work", str(tmp_path / "work"),
                                    "--steps", "1", "--draft-steps", "1"])
    assert ran.exit_code == 0 and f'load_pair("{out}")' in ran.output
    known = set(json.loads((out / "checksums.json").read_text()))
    assert known >= {"target/model.safetensors", "tokenizer/tokenizer.json"}
    assert load_pair(str(out), say=lambda line: None).draft is not None


# what is bundled -----------------------------------------------------------------------------------------------------


def test_the_bundled_models_are_small_whole_and_as_their_record_says(pair):
    folder = data_path("reasoner")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5e6
    checksums = json.loads((folder / "checksums.json").read_text())
    assert all(sha256_of(folder / name) == due for name, due in checksums.items())
    recipe = json.loads((folder / "training.json").read_text())["recipe"]
    assert reasoner.Recipe(**recipe) == reasoner.Recipe()


def test_the_large_model_is_better_than_the_small_one_and_thinking_than_none(pair):
    problems = sums.problems(80, 6, 7)

    def right(model, marked):
        texts = [sums.encode(sums.question(one) + "#" * marked).tolist() for one in problems]
        chains = write_chains(model, texts, 200, [sums.END])
        said = ["#" * marked + sums.decode(chain) for chain in chains]
        return sum(map(sums.is_right, problems, said))

    large, small = right(pair.target, False), right(pair.draft, False)
    assert large > small + 10 and small > right(pair.target, True) + 20
    assert large >= 64


# writing -------------------------------------------------------------------------------------------------------------


def test_chains_side_by_side_are_those_of_one_at_a_time(pair):
    problems = sums.problems(5, (1, 2, 3, 4, 5), 11)
    texts = [sums.encode(sums.question(one)).tolist() for one in problems]
    together = write_chains(pair.draft, texts, 120, [sums.END])
    writer = Writer(pair.draft)
    for text, chain in zip(texts, together, strict=True):
        assert writer.step(text, [sums.END], 120) == chain
        assert force_budget(writer.next_token, text, 120, sums.ANSWER, sums.END)[0] == text + chain
    one, other, third = (write_chains(pair.draft, texts, 40, [sums.END], 1.0, seed) for seed in (0, 0, 1))
    assert one == other != third
    assert write_chains(pair.draft, [], 10, [0]) == []
    with pytest.raises(ValueError, match="at least one token"):
        write_chains(pair.draft, [[1], []], 10, [0])


def test_a_writer_remembers_what_is_the_same_and_says_what_the_model_says(pair):
    writer, rng = Writer(pair.draft), random.Random(2)
    text = sums.encode("17+48-29?17+48=").tolist()
    for _ in range(12):
        ids = text[: rng.randint(2, len(text))] + [rng.randint(1, 16) for _ in range(rng.randint(0, 4))]
        due = pair.draft(torch.tensor([ids])).logits[0]
        assert torch.allclose(writer.logits(ids, 2), due[-2:], atol=1e-4)
    chances = writer.probabilities(text, sums.encode("65;").tolist())
    law = torch.softmax(pair.draft(torch.tensor([text + sums.encode("65;").tolist()])).logits[0], -1)
    assert chances == pytest.approx([float(law[len(text) - 1 + i, one]) for i, one in enumerate(sums.encode("65;"))],
                                    abs=1e-4)


# strategies, rewards, costs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", range(1, 6))
def test_a_vote_stops_exactly_when_no_future_can_change_the_winner(most):
    def winner(given):
        votes = [one for one in given if one is not None]
        return max(dict.fromkeys(votes), key=votes.count, default=None)

    say = (1, 2, 3, None)
    for given in itertools.product(say[: 4 if most < 5 else 3], repeat=most):
        found, used = vote_until(lambda rest=iter(given): next(rest), most)
        certain = [len({winner([*given[:n], *rest]) for rest in itertools.product((*say, 4), repeat=most - n)}) == 1
                   for n in range(1, most + 1)]  # fmt: skip
        assert (found, used) == (winner(given), certain.index(True) + 1)


def test_rewards_fall_with_the_length_for_right_answers_and_never_pay_for_being_wrong():
    lengths = list(range(0, 400, 7))
    for kind in ("lcpo_max", "kimi", "dast"):
        good, bad = (length_reward(kind, lengths, [one] * len(lengths), 120, alpha=0.005) for one in (True, False))
        assert all(a >= b for a, b in itertools.pairwise(good))
        mixed = length_reward(kind, lengths * 2, [True] * len(lengths) + [False] * len(lengths), 120, alpha=0.005)
        half = len(lengths)
        assert max(bad) <= 0.0 and all(a >= b for a, b in zip(mixed[:half], mixed[half:], strict=True))
    assert lcpo_exact(100, True, 120, 0.01) == pytest.approx(0.8) == lcpo_exact(140, True, 120, 0.01)
    assert lcpo_exact(120, False, 120) == 0.0
    assert o1_pruner(50, True, 100, 0.5) == pytest.approx(2.0)
    assert o1_pruner(100, False, 100, 0.5) == pytest.approx(-1.0)


def test_costs_are_the_sum_over_tokens():
    by_token = sum(1000 + 2 * 8 * 3 * (20 + i) for i in range(1, 51))
    assert thinking_cost(50, 20, 1000, 8, 3) == by_token
    assert thinking_cost(50, 20, 1000, 8, 3, state=4) == 50 * (1000 + 2 * 8 * 3 * 4)
    assert thinking_cost(25, 20, 1000, 8, 3, latent=1) == by_token
    assert thinking_cost(0, 20, 1000, 8, 3) == 0


def test_log_probabilities_are_those_of_the_chains_alone(pair):
    prompts = [sums.encode("17+48?").tolist(), sums.encode("80-20-11?").tolist()]
    chains = [[*sums.encode("17+48=65;#65").tolist(), 0], [*sums.encode("#49").tolist(), 0]]
    found = log_probabilities(pair.draft, prompts, chains)
    for prompt, chain, mine in zip(prompts, chains, found, strict=True):
        law = torch.log_softmax(pair.draft(torch.tensor([prompt + chain])).logits[0], -1)
        assert float(mine) == pytest.approx(sum(float(law[len(prompt) - 1 + i, one]) for i, one in enumerate(chain)),
                                            abs=1e-3)


@pytest.mark.slow
def test_a_reward_that_asks_for_right_answers_shortens_them_and_one_that_does_not_ruins_them(pair):
    import copy

    def gated(lengths, correct):
        return [reward + good for reward, good in zip(length_reward("kimi", lengths, correct), correct, strict=True)]

    def last(reward):
        logged = learn_thrift(copy.deepcopy(pair.target), reward, (2, 3), 15, 8, 8, 3e-4)
        return [[sum(row[name] for row in part) / len(part) for name in ("length", "accuracy")]
                for part in (logged[:3], logged[-3:])]  # fmt: skip

    (length, accuracy), (later, better) = last(gated)
    assert later < length - 1 and better >= accuracy - 0.03
    (length, accuracy), (later, worse) = last(lambda lengths, correct: [1 - one / 100 for one in lengths])
    assert later < length / 2 and worse < 0.4


def test_an_interval_holds_the_share_and_is_narrower_for_more_problems():
    for hits, count in ((0, 10), (5, 10), (10, 10), (98, 100)):
        low, high = thinking.interval(hits, count)
        assert 0 <= low <= hits / count <= high <= 1 and high > low
        more = thinking.interval(10 * hits, 10 * count)
        assert more[1] - more[0] < high - low


def test_the_record_of_the_strategies_has_every_strategy(pair, tmp_path):
    problems = sums.problems(3, (1, 2), 5)
    small = dict(BUDGETS=(0, 9), THRESHOLDS=(0.5,), STEPS_STAY=(0.5,), MOST=(1, 3))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in small.items():
            patch.setattr(thinking, name, value)
        rows = list(thinking.rows(pair.target, pair.draft, problems, [1, 2]))
        told = CliRunner().invoke(thinking.main, ["--problems", "1", "--json", str(tmp_path / "record.json")])
    assert told.exit_code == 0 and len(json.loads((tmp_path / "record.json").read_text())["rows"]) == 20
    assert len({row["strategy"] for row in rows}) == 7 and len(rows) == 10
    for row in rows:
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 and row["large_tokens"] <= row["tokens"]
    known = json.loads((data_path("measurements", "reasoner_thinking.json")).read_text())["rows"]
    assert {row["strategy"] for row in known} == {row["strategy"] for row in rows}


def test_pictures_say_in_words_what_they_show():
    outcomes = [(True, 9, 9), (False, 11, 0)]
    rows = [thinking.point("vote", most, outcomes, steps) for most in (1, 3) for steps in ([1], [6])]
    assert "50% with 10 tokens" in pictures.accuracy_against_tokens(rows, title="Ways.").alt
    assert "50% with 4 tokens" in pictures.accuracy_against_tokens(rows, "large_tokens").alt
    log = [{"update": i, "length": 30 - i, "accuracy": 0.5, "reward": 0} for i in range(3)]
    assert "from 30 tokens and 50% right to 28 tokens" in pictures.learning_curves({"one": log}).alt
    assert "2 at 4" in pictures.cost_of_thinking({"one": {2: 2.0, 4: 8.0}}).alt
