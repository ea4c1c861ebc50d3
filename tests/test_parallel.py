"""A draft that guesses a block of tokens in one pass: what its rows read, and that nothing of it changes the text."""

import json

import pytest
import torch
from click.testing import CliRunner
from small_models import small_model, small_tokenizer

from specdec_course.cache.eager import EagerModel, layers_of
from specdec_course.checks.stages import toys
from specdec_course.cli import main
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.decoding import engine
from specdec_course.decoding.engine import generate
from specdec_course.drafters import Context, ModelDrafter, ParallelDrafter, drafter_of
from specdec_course.drafters.named import named_drafter
from specdec_course.models import as_forward, load_pair
from specdec_course.models.block import block_draft
from specdec_course.models.looking import block_mask
from specdec_course.models.trimmed import reads
from specdec_course.sampling import Dice, Sampling, exact_law
from specdec_course.training.distil import Recipe, distil
from specdec_course.training.lessons import Lessons, columns_of, measure, states_of, step_loss
from specdec_course.training.written import Writer

TINY = Recipe(layers=1, head=60, batches=5, rows=6, new=10, step_rows=4, passes=6, every=2, rate=0.3,
              kind="parallel", block=3)  # fmt: skip


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def draft_for(target, size=4, tokens=None, **how):
    """An untrained draft for which everything that it reads matters."""
    vocab = target.config.vocab_size
    draft = block_draft(target, torch.arange(vocab) if tokens is None else torch.tensor(tokens), size, **how)
    with torch.no_grad():
        draft.blank.copy_(torch.randn(draft.blank.shape, generator=rng(9)))
        draft.fuse.weight.add_(0.3 * torch.randn(draft.fuse.weight.shape, generator=rng()))
        for layer in draft.model.layers:
            for weight in (layer.look.output.weight, layer.look.query.weight):
                weight.copy_(torch.randn(weight.shape, generator=rng(1)))
    return draft


def context_of(target, ids):
    cached = EagerModel(target).begin(len(ids), (-1,))
    cached.append(ids[:-1])
    return Context(ids, cached)


def proposed(drafter, target, ids, k, sampling=None):
    return drafter.propose_from(context_of(target, ids), k, sampling or Sampling(1.0), Dice(rng(3)))


# what its rows read


@pytest.mark.parametrize("kind", ["llama", "qwen3", "qwen2"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_draft_is_what_training_makes_of_a_block(kind, layers):
    """A block in the middle of a text, as whole texts are read, and as the drafter reads it."""
    target = small_model(64, kind, layers=3)
    draft, ids = draft_for(target, layers=layers), torch.randint(64, (14,), generator=rng(2))
    drafter = ParallelDrafter(draft)
    with torch.no_grad():
        out = target.model(input_ids=ids[None], use_cache=True)
    for shift in range(4):
        mask = block_mask(14 + shift, 4)[shift:, shift:]
        with torch.no_grad(), draft.sight.showing(*layers_of(out.past_key_values)[-1], mask):
            logits = draft.lm_head(draft.whole(ids[None], out.last_hidden_state, shift))[0]
        begin = 8 - shift  # where a block begins
        drafter.begin(64, 40, "eager")
        found = proposed(drafter, target, ids[: begin + 1], 4)
        assert found.probs.shape == (4, 64)
        assert torch.allclose(found.probs, logits[begin : begin + 4].softmax(-1), atol=1e-5)


def test_every_guess_depends_on_the_text_and_on_no_other_guess():
    target = small_model(64, layers=3)
    drafter, ids = ParallelDrafter(draft_for(target)), torch.randint(64, (9,), generator=rng(1))
    drafter.begin(64, 40, "eager")
    rows = proposed(drafter, target, ids, 4).probs
    assert len({tuple(row.tolist()) for row in rows}) == 4  # every place has a law of its own
    for cut in (1, 2, 3):
        drafter.begin(64, 40, "eager")
        assert torch.equal(proposed(drafter, target, ids, cut).probs, rows[:cut])
    for place in (0, 4, 8):  # a token of the prompt, one in the middle, the newest
        other = ids.clone()
        other[place] = (other[place] + 1) % 64
        drafter.begin(64, 40, "eager")
        assert not torch.allclose(proposed(drafter, target, other, 4).probs, rows, atol=1e-4)


@pytest.mark.parametrize("accepted", [0, 1, 3])
def test_a_proposal_does_not_depend_on_the_drafts_before_it(accepted):
    target = small_model(64, layers=3)
    ids, drafter = torch.randint(64, (6,), generator=rng(4)), ParallelDrafter(draft_for(target))
    drafter.begin(64, 60, "eager")
    for _ in range(3):
        guesses = proposed(drafter, target, ids, 4).ids
        drafter.accepted(accepted)
        ids = torch.cat([ids, guesses[:accepted], (guesses[accepted : accepted + 1] + 1) % 64])
    fresh = ParallelDrafter(draft_for(target))
    fresh.begin(64, 60, "eager")
    one, other = (proposed(x, target, ids, 4) for x in (drafter, fresh))
    assert torch.equal(one.ids, other.ids) and torch.allclose(one.probs, other.probs, atol=1e-5)


def test_a_draft_is_no_longer_than_its_block_nor_than_its_positions():
    target = small_model(64, layers=2)
    drafter, ids = ParallelDrafter(draft_for(target, 3)), torch.arange(9)
    drafter.begin(64, 40, "eager")
    assert [len(proposed(drafter, target, ids, k).ids) for k in (0, 1, 3, 9)] == [0, 1, 3, 3]
    drafter.limit = 11  # positions 8, 9, 10: just so
    assert len(proposed(drafter, target, ids, 3).ids) == 3
    assert len(proposed(drafter, target, torch.arange(10), 3).ids) == 0


# nothing of it changes the text


@pytest.mark.parametrize(
    ("tokens", "sampling"),
    [([0, 1, 2], Sampling(1.0)), ([0, 2], Sampling(1.0)), ([0, 1, 2], Sampling(0.7, top_k=2)),
     ([0, 1, 2], Sampling(1.3, top_p=0.8)), ([2], Sampling(0.0)),
     ([0, 1, 2], Sampling(1.0, processors=(lambda ids, scores: scores / 2,)))],
)  # fmt: skip
def test_the_law_of_a_text_is_the_targets(monkeypatch, tokens, sampling):
    target = small_model(3, "llama", layers=2, seed=4)
    drafter, forward = ParallelDrafter(draft_for(target, 2, tokens)), as_forward(target)

    def whole_text(dice):
        dice.numbers = lambda n, device: torch.empty(0)
        monkeypatch.setattr(engine, "Dice", lambda generator: dice)
        return generate(target, [0], drafter, 2, sampling, 4, engine="eager").tokens[1:]

    def law(text):
        ids = torch.tensor((0, *text))
        row = forward(ids)[-1]
        return sampling(sampling.processed(ids, row) if sampling.processors else row)

    assert toys.difference(exact_law(whole_text), toys.target_law(law, 4)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_it_compiles_and_the_greedy_text_is_the_targets(kind):
    target = small_model(64, kind, layers=3)
    drafter = ParallelDrafter(draft_for(target))
    alone = generate(target, [5, 6, 7], max_new_tokens=60).tokens
    rounds = []
    for how in ("eager", "compiled"):
        for k in (1, 4):
            out = generate(target, [5, 6, 7], drafter, k, max_new_tokens=60, engine=how)
            assert torch.equal(out.tokens, alone)
            rounds.append([(one.drafted, one.accepted) for one in out.trace.rounds])
    assert rounds[:2] == rounds[2:]  # both engines draft the same
    assert drafter.programs and drafter.model.at_once not in drafter.programs.values()  # it did compile


# how it is kept and named


def saved(folder):
    tokenizer = small_tokenizer()
    small_model(len(tokenizer), layers=3).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_it_is_trained_stored_and_loaded_as_any_draft(tmp_path):
    tokenizer, place = small_tokenizer(), saved(tmp_path / "target")
    target = small_model(len(tokenizer), layers=3)
    distil(target, tokenizer, tmp_path / "draft", None, TINY, tmp_path / "work")
    pair = load_pair(target=place, draft=str(tmp_path / "draft"), say=lambda line: None)
    assert reads(pair.draft.config) == "both" and isinstance(drafter_of(pair.draft), ParallelDrafter)
    assert pair.draft.get_input_embeddings().weight is pair.target.get_input_embeddings().weight
    alone = generate(pair.target, [5, 6, 7], max_new_tokens=20).tokens
    assert torch.equal(generate(pair.target, [5, 6, 7], drafter_of(pair.draft), 3, max_new_tokens=20).tokens, alone)
    with pytest.raises(ValueError, match=r"states, keys and values: draft with it as ParallelDrafter\(model\)"):
        ModelDrafter(pair.draft)
    with pytest.raises(ValueError, match="reads the text alone"):
        ParallelDrafter(target)


def test_training_brings_the_law_nearer_at_every_place_of_a_block():
    target = small_model(64, layers=3, seed=1)
    text = Writer(target).write([[5, 6, 7], [9, 4], [1]], 12, torch.tensor([0.0, 1.0, 1.0]), 0, rng())
    draft = block_draft(target, torch.arange(64), 3).requires_grad_(True)
    draft.get_input_embeddings().requires_grad_(False)
    lessons = Lessons([text], target, columns_of(draft, target), reads="both", block=3)
    learn = [weight for weight in draft.parameters() if weight.requires_grad]
    optimizer, before = torch.optim.Adam(learn, lr=3e-3), measure(draft, lessons)["one_minus_tv"]
    for step in range(80):
        optimizer.zero_grad()
        step_loss(draft, lessons, lessons.read([0, 1, 2], shift=step % 3), "forward_kl")[0].backward()
        optimizer.step()
    assert measure(draft, lessons)["one_minus_tv"] > before + 0.05
    assert draft.blank.abs().max() > 0.001 and draft.model.layers[0].look.output.weight.abs().max() > 0.001
    batch = lessons.read([0, 1, 2])
    with torch.no_grad():
        (made,) = states_of(draft, batch)
        q, p = draft.lm_head(made).softmax(-1), lessons.law(batch, slice(None)).exp()
    kept = torch.minimum(p, q).sum(-1)
    places = batch.places.flatten() % 3
    assert all(kept[places == i].mean() > 0.3 for i in range(3))


def test_the_command_makes_a_draft_that_generate_takes(tmp_path):
    place, out = saved(tmp_path / "target"), str(tmp_path / "parallel")
    few = ["--batches", "4", "--rows", "4", "--new", "8", "--passes", "1", "--head", "60", "--intermediate", "16"]
    ran = CliRunner().invoke(main, ["train", "parallel", "--target", place, *few, "--out", out,
                                    "--work", str(tmp_path / "work")])  # fmt: skip
    assert ran.exit_code == 0, ran.output
    said = CliRunner().invoke(main, ["generate", "--target", place, "--draft", out, "--prompt", "The river",
                                     "--max-new-tokens", "12", "--verify"])  # fmt: skip
    assert said.exit_code == 0 and "1 of 1 texts equal" in said.output, said.output
    ran = CliRunner().invoke(main, ["train", "parallel", "--target", place, "--block", "0", "--out", out])
    assert ran.exit_code == 2 and "expected at least one token" in ran.output


# the one that comes with the course


def test_the_bundled_draft_is_small_and_good():
    names = ("config.json", "model.safetensors", "distilled.json")
    files = [data_path("classroom", "parallel", name) for name in names]
    assert sum(file.stat().st_size for file in files) < 3_000_000
    known = json.loads(data_path("classroom", "checksums.json").read_text())
    assert {f"parallel/{file.name}" for file in files} <= set(known)
    pair = load_pair("classroom", say=lambda line: None)
    drafter, kept, rounds = named_drafter("parallel", pair), 0, 0
    for prompt in held_out_prompts(pair.tokenizer, count=3):
        alone = generate(pair.target, prompt, max_new_tokens=40, eos_token_id=None).tokens
        out = generate(pair.target, prompt, drafter, 4, max_new_tokens=40, eos_token_id=None)
        assert torch.equal(out.tokens, alone)
        kept += sum(one.accepted for one in out.trace.rounds)
        rounds += len(out.trace.rounds)
    assert kept > 0.8 * rounds  # a draft that knows nothing keeps one in 4,096
