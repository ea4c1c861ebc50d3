"""Medusa: trees chosen by accuracy, heads that guess a tree, the law of the text, and heads that are trained here."""

import itertools
import json
import math
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from small_models import save, small_model, small_tokenizer
from test_trees import VOCAB, decoder, opinions, random_tree

from specdec_course.cache import static
from specdec_course.cache.chosen import cache_of
from specdec_course.cache.rows import compact_cache
from specdec_course.checks.stages import toys
from specdec_course.cli import main
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.decoding import engine, generate, greedy_decode
from specdec_course.decoding.rounds import placed
from specdec_course.drafters.heads import (
    MedusaDrafter,
    MedusaHeads,
    drawn_tree,
    load_heads,
    medusa_drafter,
    save_heads,
)
from specdec_course.drafters.named import named_drafter
from specdec_course.drafters.trees import best_tree, build_tree, expected_kept, medusa_labels, tree_attention_mask
from specdec_course.models import as_forward, load_pair
from specdec_course.sampling import Sampling, exact_law
from specdec_course.training.checkpoint import load_state
from specdec_course.training.heads import HeadsRun, Recipe, accuracies, sources, step_loss, train_heads
from specdec_course.verification import typical_acceptance, verify_tree_stochastic

PROMPT = torch.tensor([15, 26, 31, 7, 25])
TINY = Recipe(heads=2, batches=5, rows=6, new=10, step_rows=4, passes=3, every=2, rate=1.0)
ENGINES = ("eager", "compiled")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    monkeypatch.setattr(static, "compiled_once", lambda method, **how: method)


# trees ---------------------------------------------------------------------------------------------------------------


def test_labels_are_two_places_on_for_the_first_head():
    ids = torch.tensor([5, 6, 7, 8])
    assert medusa_labels(ids, 3).tolist() == [[7, 8, -100], [8, -100, -100], [-100] * 3, [-100] * 3]
    assert medusa_labels(torch.stack([ids, ids + 10]), 2)[1].tolist() == [[17, 18], [18, -100], [-100] * 2, [-100] * 2]
    assert medusa_labels(ids[:0], 2).shape == (0, 2) and medusa_labels(ids, 0).shape == (4, 0)


def test_a_tree_out_of_its_paths():
    parents, depths = build_tree([(0,), (1,), (0, 0), (1, 2), (0, 0, 1)])
    assert parents.tolist() == [-1, -1, 0, 1, 2] and depths.tolist() == [1, 1, 2, 2, 3]
    assert all(x.shape == (0,) and x.dtype == torch.long for x in build_tree([]))
    for bad, words in (([(0, 0)], "has to come before"), ([(0,), (0,)], "there already"), ([()], "the root")):
        with pytest.raises(ValueError, match=words):
            build_tree(bad)


def all_trees(heads, ranks, budget):
    """Every set of paths, closed under taking beginnings, of at most `budget` nodes."""
    nodes = [path for depth in range(1, heads + 1) for path in itertools.product(range(ranks), repeat=depth)]
    for size in range(budget + 1):
        for chosen in itertools.combinations(nodes, size):
            if all(path[:-1] in ((), *chosen) for path in chosen):
                yield chosen


@pytest.mark.parametrize("heads,ranks,budget", [(2, 2, 4), (3, 2, 4), (2, 3, 5), (1, 4, 2)])
def test_the_best_tree_is_the_best_of_all(heads, ranks, budget):
    for seed in range(6):
        accuracy = torch.rand(heads, ranks, generator=rng(seed)) / ranks  # the rows need not fall
        found = best_tree(accuracy, budget)
        build_tree(found)
        best = max(expected_kept(accuracy, tree) for tree in all_trees(heads, ranks, budget))
        assert len(found) == budget and expected_kept(accuracy, found) == pytest.approx(best)


def test_the_best_tree_leaves_out_what_cannot_be_right():
    assert best_tree([[0.6, 0.0], [0.0, 0.5]], 9) == [(0,), (0, 1)]
    assert best_tree([[0.6, 0.3]], 0) == [] and best_tree(torch.zeros(0, 0), 5) == []
    certain = best_tree(torch.ones(3, 1), 3)
    assert certain == [(0,), (0, 0), (0, 0, 0)] and expected_kept(torch.ones(3, 1), certain) == 3
    wide = best_tree(torch.full((2, 3), 0.1), 5)
    assert len(build_tree(wide)[0]) == 5 and {len(path) for path in wide[:3]} == {1}


def test_the_mask_is_who_stands_above():
    for seed in range(8):
        parents = random_tree(rng(seed), 2 * seed)
        mask = tree_attention_mask(parents)
        for i in range(len(parents)):
            above, at = set(), i
            while at >= 0:
                above.add(at)
                at = int(parents[at])
            assert set(mask[i].nonzero()[:, 0].tolist()) == above


# lossy, and said to be -----------------------------------------------------------------------------------------------


def test_typical_acceptance_keeps_what_is_typical():
    p = torch.tensor([[0.9, 0.06, 0.04, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0]])
    for row, kept in zip(p.tolist(), typical_acceptance(p).tolist(), strict=True):
        entropy = -sum(x * math.log(x) for x in row if x)
        assert kept == [x > min(0.09, 0.3 * math.exp(-entropy)) for x in row]
    assert not typical_acceptance(p)[0, 3] and typical_acceptance(p, epsilon=0.05)[0, 1]
    assert typical_acceptance(p[0]).shape == (4,)


def test_typical_acceptance_is_lossy():
    """The law of one round with a drafter that is certain of a token which p hardly ever writes."""
    p = torch.tensor([0.85, 0.15])

    def emitted(dice):
        return 1 if typical_acceptance(p)[1] else dice.roll(p)

    assert exact_law(emitted) == {1: 1.0}


# heads ---------------------------------------------------------------------------------------------------------------


def random_heads(width, count=3, blocks=2, seed=0, scale=0.5):
    heads = MedusaHeads(width, count, blocks)
    for i, weight in enumerate(heads.parameters()):
        weight.data = (scale * torch.randn(weight.shape, generator=rng(seed + i))).half().float()
    return heads.requires_grad_(False)


def test_untrained_heads_say_what_the_target_says():
    hidden = torch.randn(5, 8, generator=rng())
    assert torch.equal(MedusaHeads(8, 3, 2)(hidden), hidden.expand(3, 5, 8))


CHOICES = [(0,), (1,), (0, 0), (0, 2), (1, 0), (0, 0, 1)]


def drafter_for(target, drawn=False, choices=CHOICES, **how):
    return MedusaDrafter(random_heads(target.config.hidden_size, **how), target.lm_head, choices, drawn=drawn)


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("kind", ["qwen3", "llama", "mistral"])
@pytest.mark.parametrize("name", ENGINES)
def test_a_greedy_text_is_the_targets_own(name, kind, drawn):
    target = decoder(kind)
    for prompt in (PROMPT, PROMPT[:1]):
        alone = greedy_decode(as_forward(target), prompt, 30)
        for k in (1, 2, 5):
            drafter = drafter_for(target, drawn)
            out = generate(target, prompt, drafter, k, max_new_tokens=30, engine=name)
            assert torch.equal(out.tokens, alone) and out.trace.draft_calls == drafter.calls > 3
            drafted = max(r.drafted for r in out.trace.rounds)
            assert drafted == len([path for path in CHOICES if len(path) <= k])


def test_what_is_proposed_is_what_the_heads_say_of_the_state_that_wrote_the_newest_token():
    target = decoder()
    drafter, text = drafter_for(target), torch.arange(9) * 3 % VOCAB
    with torch.inference_mode():
        states = target(text[None, :-1], output_hidden_states=True).hidden_states[-1][0]
        best = target.lm_head(drafter.heads(states[-1])).topk(3).indices
    context = SimpleNamespace(ids=text, hidden=lambda layer: states)
    draft = drafter.propose_from(context, 9, Sampling(1.0), None)  # certain, also with a temperature
    assert draft.ids.tolist() == [int(best[len(path) - 1, path[-1]]) for path in CHOICES] and draft.probs is None
    assert draft.parents.tolist() == [-1, -1, 0, 0, 1, 2]
    assert len(drafter.propose_from(context, 1, Sampling(), None).ids) == 2
    empty = SimpleNamespace(ids=text, hidden=lambda layer: torch.empty(0, 0))
    assert len(drafter.propose_from(empty, 3, Sampling(), None).ids) == 0 and drafter.calls == 2


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("choices", [[(0,)], [(0,), (1,)], [(0,), (1,), (0, 0), (1, 0)], [(0,), (0, 0), (0, 1), (1,)]])
def test_the_joint_law_of_a_round_with_drawn_trees_is_the_targets(choices, size):
    """Siblings without replacement, rejected one after the other; every depth with one row for all its nodes."""
    target, (parents, depths) = toys.toy_rows(size, rng(size)), build_tree(choices)
    rows = torch.stack([toys.toy_rows(size, rng(9))((i,)) for i in range(2)])

    def one_round(dice):
        draft = drawn_tree(rows, parents, depths, dice)
        return verify_tree_stochastic(draft, draft.probs, opinions(target, draft), dice)[1]

    law = exact_law(one_round)
    assert toys.difference(toys.completed(law, target, 3), toys.target_law(target, 3)) < 1e-5


def test_a_row_that_is_used_up_gives_no_more_siblings():
    rows = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    parents, depths = build_tree([(0,), (1,), (2,), (2, 0), (1, 0), (1, 1)])
    target = toys.toy_rows(3, rng(5))

    def one_round(dice):
        draft = drawn_tree(rows, parents, depths, dice)
        assert draft.parents.tolist() == [-1, -1, 1] and draft.ids[2] == 0 and draft.ids[0] != draft.ids[1]
        return verify_tree_stochastic(draft, draft.probs, opinions(target, draft), dice)[1]

    assert toys.difference(toys.completed(exact_law(one_round), target, 3), toys.target_law(target, 3)) < 1e-5


@pytest.mark.parametrize("drawn", [False, True], ids=["certain", "drawn"])
@pytest.mark.parametrize("name", ENGINES)
def test_the_law_of_the_text_is_the_targets(monkeypatch, name, drawn):
    model = decoder("qwen3", vocab=2)
    forward, drafter = as_forward(model), drafter_for(model, drawn, [(0,), (1,), (0, 0)], count=2, scale=0.2)

    def whole_text(dice):
        dice.numbers = lambda n, device: torch.empty(0)
        monkeypatch.setattr(engine, "Dice", lambda generator: dice)
        monkeypatch.setattr(static, "PredrawnDice", lambda numbers: dice)
        return generate(model, [0], drafter, 2, Sampling(1.0), 4, engine=name).tokens[1:]

    wanted = toys.target_law(lambda text: Sampling(1.0)(forward(torch.tensor((0, *text)))[-1]), 4)
    assert toys.difference(exact_law(whole_text), wanted) < 1e-5


@pytest.mark.parametrize("name", ENGINES)
def test_a_cache_is_compacted_to_a_path_as_the_engine_keeps_it(name):
    model, parents, text = decoder(), torch.tensor([-1, -1, 0, 1, 3]), torch.arange(7)
    cached = cache_of(model, name).begin(40)
    cached.append(text)
    cached.append(torch.arange(5), None, *placed(parents, 0, 7, "cpu"))
    layers = [tuple(x.clone() for x in cached.keys_values(i)) for i in range(2)]
    for path in ([], [0, 2], [1, 3, 4]):
        got = compact_cache(layers, path, 7)
        assert [x.shape[-2] for pair in got for x in pair] == [7 + len(path)] * 4
        for pair, whole in zip(got, layers, strict=True):
            for ours, theirs in zip(pair, whole, strict=True):
                assert torch.equal(ours, theirs[:, [*range(7), *(7 + i for i in path)]])
    cached.keep([1, 3, 4])
    for i, pair in enumerate(got):
        assert all(map(torch.equal, pair, cached.keys_values(i)))


def test_what_a_drafter_refuses():
    target = decoder()
    deep = [(0,), (0, 0), (0, 0, 0), (0, 0, 0, 0)]
    for choices, words in (([], "0 nodes"), (deep, "4 levels"), ([(0, 0)], "before")):
        with pytest.raises(ValueError, match=words):
            drafter_for(target, choices=choices)


# files ---------------------------------------------------------------------------------------------------------------


def test_heads_are_read_as_they_were_written_and_only_by_their_target(tmp_path):
    target, heads = small_model(50), random_heads(32)
    accuracy = {"greedy": [[0.5, 0.1]] * 3, "sampled": [[0.2, 0.1]] * 3}
    save_heads(heads, tmp_path / "heads", target, accuracy)
    again, read = load_heads(tmp_path / "heads", target)
    assert read == accuracy and all(map(torch.equal, again.parameters(), heads.parameters()))
    drafter = medusa_drafter(tmp_path / "heads", target, budget=3)
    assert drafter.tree(True, 9) == [(0,), (0, 0), (0, 0, 0)] and drafter.nodes == 3
    with pytest.raises(ValueError, match="another target"):
        load_heads(tmp_path / "heads", small_model(50, seed=1))
    with pytest.raises(ValueError, match="no Medusa heads that can be read"):
        load_heads(tmp_path, target)
    (tmp_path / "heads" / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="no Medusa heads that can be read"):
        load_heads(tmp_path / "heads", target)


# training ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    tokenizer = small_tokenizer()
    return SimpleNamespace(target=small_model(len(tokenizer), layers=3), tokenizer=tokenizer)


def test_who_guesses_what_stands_where():
    for head, rows, origin in ((0, [1, 2, 4, 5], [0, 1, 3, 4]), (1, [2, 5], [0, 3]), (2, [], [])):
        assert [x.tolist() for x in sources(slice(0, 6), 3, head)] == [rows, origin]
    assert [x.tolist() for x in sources(slice(4, 6), 3, 0)] == [[0, 1], [3, 4]]


def trained(small, folder, recipe=TINY, **how):
    return train_heads(small.target, small.tokenizer, folder / "out", recipe, folder / "work", **how)


def test_training_makes_the_heads_better_and_writes_what_is_read(small, tmp_path):
    out = trained(small, tmp_path, Recipe(**{**vars(TINY), "passes": 60, "new": 24, "every": 20}))
    record = json.loads((out / "medusa.json").read_text())
    first, last = record["log"][0], record["log"][-1]
    assert last["loss"] < record["log"][1]["loss"]
    assert last["greedy"] + last["sampled"] > first["greedy"] + first["sampled"]
    drafter = medusa_drafter(out, small.target)
    prompt = torch.tensor([3, 4, 5])
    alone = greedy_decode(as_forward(small.target), prompt, 20)
    assert torch.equal(generate(small.target, prompt, drafter, 4, max_new_tokens=20).tokens, alone)


def test_an_interrupted_run_ends_with_the_same_heads(small, tmp_path, monkeypatch):
    whole = load_weights(trained(small, tmp_path / "whole"))
    learn, seen = HeadsRun.learn, []

    def interrupted(run, done):
        seen.append(run.step)
        if len(seen) == 4:
            run.save()
            raise KeyboardInterrupt
        return learn(run, done)

    monkeypatch.setattr(HeadsRun, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(small, tmp_path / "cut")
    assert load_state(tmp_path / "cut" / "work" / "state.pt")["step"] == 3
    again = load_weights(trained(small, tmp_path / "cut"))
    assert seen[4] == 3 and all(torch.equal(whole[name], again[name]) for name in whole)
    with pytest.raises(ValueError, match="another blocks"):
        trained(small, tmp_path / "cut", Recipe(**{**vars(TINY), "blocks": 2}))


def load_weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_the_loss_is_the_weighted_divergence_from_the_targets_law(small, tmp_path):
    trained(small, tmp_path)
    run = HeadsRun(tmp_path / "work", TINY, small.target)
    run.draft = random_heads(32, count=2, blocks=1, scale=0.1).requires_grad_(True)
    batch = run.lessons.read([0, 3])
    loss, mean = step_loss(run.draft, run.lessons, batch, TINY.new)
    hidden, head = batch.hidden.view(2, TINY.new, -1), small.target.lm_head.weight
    law, wanted = (hidden @ head.T).log_softmax(-1), 0.0
    for i in range(2):
        said = (run.draft(hidden)[i] @ head.T).log_softmax(-1)
        p, q = law[:, i + 1 :], said[:, : -i - 1]
        wanted += 0.8**i / 1.8 * (p.exp() * (p - q)).sum() / (2 * TINY.new)
    assert mean == pytest.approx(wanted.item(), rel=1e-4)
    loss.backward()
    ours = [weight.grad.clone() for weight in run.draft.parameters()]
    run.draft.zero_grad()
    wanted.backward()
    for one, other in zip(ours, run.draft.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-3, atol=1e-5)


def test_accuracies_count_the_tokens_that_were_written(small, tmp_path):
    trained(small, tmp_path)
    run = HeadsRun(tmp_path / "work", TINY, small.target)
    heads = random_heads(32, count=2, blocks=1)
    batch, head = run.held_out[0], small.target.lm_head.weight.detach()
    got = accuracies(heads, head, [batch])
    for kind, first in (("greedy", 0), ("sampled", 1)):
        hits, asked = torch.zeros(2, 10), torch.zeros(2)
        for row in range(first, len(batch.ids), 2):
            new = batch.ids[row, -batch.new :].tolist()
            for j in range(batch.new):
                best = (heads(batch.hidden[row, j].float()) @ head.T).topk(10).indices.tolist()
                for i in range(2):
                    if j + 1 + i < batch.new:
                        asked[i] += 1
                        hits[i] += torch.tensor([token == new[j + 1 + i] for token in best[i]])
        torch.testing.assert_close(torch.tensor(got[kind]), hits / asked[:, None], atol=1e-4, rtol=0)


# commands, and what is bundled ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """A target as people have one, in a folder, and heads that the command trained for it."""
    place = tmp_path_factory.mktemp("medusa")
    save(place / "target", small.target, small.tokenizer)
    result = CliRunner().invoke(main, [
        "train", "medusa", "--target", str(place / "target"), "--out", str(place / "heads"), "--heads", "2",
        "--work", str(place / "work"), "--batches", "4", "--rows", "4", "--new", "12", "--passes", "2"])  # fmt: skip
    assert result.exit_code == 0, result.output
    return place


def test_the_commands_train_heads_and_guess_with_them(folder):
    target = ["--target", str(folder / "target")]
    how = ["--drafter", "medusa", "--prompt", "The river", "--max-new-tokens", "20"]
    said = CliRunner().invoke(main, ["generate", *target, *how, "--heads", str(folder / "heads"), "--verify"])
    assert said.exit_code == 0 and "1 of 1 texts equal" in said.output, said.output
    without = CliRunner().invoke(main, ["generate", *target, *how])
    assert without.exit_code == 2 and "target has no Medusa heads: train some" in without.output


def test_the_bundled_heads_are_small_and_good(pair):
    files = [data_path("classroom", "medusa") / name for name in ("config.json", "model.safetensors", "medusa.json")]
    assert sum(file.stat().st_size for file in files) < 3_000_000
    known = json.loads(data_path("classroom", "checksums.json").read_text())
    assert {f"medusa/{file.name}" for file in files} <= set(known)
    heads, accuracy = load_heads(data_path("classroom", "medusa"), pair.target)
    assert heads.count == 4
    for kind, least in (("greedy", 0.3), ("sampled", 0.2)):
        first = [row[0] for row in accuracy[kind]]
        assert first[0] > least and first == sorted(first, reverse=True)


@pytest.mark.parametrize("name", ENGINES)
def test_the_bundled_heads_write_the_targets_text_and_save_calls(pair, name):
    drafter = named_drafter("medusa", pair)
    for prompt in held_out_prompts(pair.tokenizer, count=2, length=30):
        alone = generate(pair.target, prompt, max_new_tokens=40, eos_token_id=None).tokens
        out = generate(pair.target, prompt, drafter, 4, max_new_tokens=40, eos_token_id=None, engine=name)
        assert torch.equal(out.tokens, alone) and out.trace.tokens_per_call > 1.3


def test_the_pair_in_eight_bits_takes_the_same_heads():
    pair = load_pair("classroom", dtype="int8", say=lambda line: None)
    (prompt,) = held_out_prompts(pair.tokenizer, count=1, length=30)
    out = generate(pair.target, prompt, named_drafter("medusa", pair), 4, max_new_tokens=16, eos_token_id=None)
    assert torch.equal(out.tokens, generate(pair.target, prompt, max_new_tokens=16, eos_token_id=None).tokens)


@pytest.fixture(scope="module")
def pair():
    return load_pair("classroom", device="cpu", say=lambda line: None)


@pytest.mark.parametrize("wrong", [{"heads": 0}, {"batches": 3}, {"rate": 0}])
def test_what_a_recipe_refuses(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)
