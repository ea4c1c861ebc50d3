"""A draft that reads its target's states: what its rows read, what stays of a draft, and that nothing of it changes the
text."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from small_models import small_model, small_tokenizer

from specdec_course.cache import static
from specdec_course.cache.eager import EagerModel
from specdec_course.checks.stages import toys
from specdec_course.cli import main
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.decoding import engine
from specdec_course.decoding.engine import generate
from specdec_course.drafters import Context, EagleDrafter, ModelDrafter, drafter_of
from specdec_course.drafters import model as model_drafter
from specdec_course.drafters.named import named_drafter
from specdec_course.models import as_forward, load_pair
from specdec_course.models.eagle import eagle_head
from specdec_course.models.trimmed import reads
from specdec_course.sampling import Dice, Sampling, exact_law
from specdec_course.training.distil import Recipe, distil
from specdec_course.training.lessons import Lessons, columns_of, log_law, measure, rollout, step_loss
from specdec_course.training.written import Writer, Written

TINY = Recipe(layers=1, head=60, batches=5, rows=6, new=10, step_rows=4, passes=6, every=2, rate=0.3,
              kind="eagle", rollout=2)  # fmt: skip
ENGINES = ("eager", "compiled")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def head_for(target, tokens=None, **how):
    """An untrained head whose states are not the target's."""
    size = target.config.vocab_size
    draft = eagle_head(target, torch.arange(size) if tokens is None else torch.tensor(tokens), **how)
    with torch.no_grad():
        draft.fuse.weight.add_(0.3 * torch.randn(draft.fuse.weight.shape, generator=rng()))
    return draft


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(static, "compiled_once", lambda function, **how: function)


def after(target, ids):
    """A target's cache that holds all of ids but the newest, as a drafter finds it."""
    cached = EagerModel(target).begin(len(ids), (-1,))
    cached.append(ids[:-1])
    return Context(ids, cached)


def proposed(drafter, target, ids, k, sampling=None):
    return drafter.propose_from(after(target, ids), k, sampling or Sampling(1.0), Dice(rng(3)))


# what its rows read


@pytest.mark.parametrize("kind", ["llama", "qwen3", "qwen2"])
@pytest.mark.parametrize("how", ENGINES)
def test_the_first_guess_is_what_training_makes_of_the_targets_own_states(kind, how, uncompiled):
    target = small_model(64, kind, layers=3)
    draft, ids = head_for(target), torch.randint(64, (9,), generator=rng(1))
    drafter = EagleDrafter(draft)
    drafter.begin(64, 40, how)
    found = proposed(drafter, target, ids, 3).probs[0]
    states = target.model(input_ids=ids[None, :-1], use_cache=False).last_hidden_state
    states = torch.nn.functional.pad(states, (0, 0, 0, 1))  # of the newest token there is none yet
    (made,) = rollout(draft, ids[None], states, 1)
    assert torch.allclose(found, draft.lm_head(made)[0, -1].softmax(-1), atol=1e-5)


@pytest.mark.parametrize("how", ENGINES)
def test_further_guesses_read_what_the_row_before_made(how, uncompiled):
    """By hand: a whole text, whose last rows read the states that came out of the pass before."""
    target = small_model(64, layers=3)
    draft, ids = head_for(target), torch.randint(64, (6,), generator=rng(2))
    drafter = EagleDrafter(draft)
    drafter.begin(64, 40, how)
    made = proposed(drafter, target, ids, 3)
    text = torch.cat([ids, made.ids])
    reads = target.model(input_ids=ids[None, :-1], use_cache=False).last_hidden_state[0]
    reads = torch.cat([torch.zeros(1, 32), reads])
    for i in range(3):
        seen = len(ids) + i
        states = draft.model(inputs_embeds=draft.fused(text[None, :seen], reads[None]), use_cache=False)
        last = states.last_hidden_state[0, -1:]
        assert torch.allclose(made.probs[i], draft.lm_head(last)[0].softmax(-1), atol=1e-5)
        reads = torch.cat([reads, last])


@pytest.mark.parametrize("how", ENGINES)
@pytest.mark.parametrize("accepted", [0, 1, 2, 4])
def test_a_proposal_does_not_depend_on_the_drafts_before_it(how, accepted, uncompiled):
    """A cache that keeps rows made from guessed states drafts something else: slower, and nobody sees it."""
    target = small_model(64, layers=3)
    draft, ids = head_for(target), torch.randint(64, (6,), generator=rng(4))
    drafter, fresh = EagleDrafter(draft), EagleDrafter(head_for(target))
    drafter.begin(64, 40, how)
    for _ in range(3):
        guesses = proposed(drafter, target, ids, 4).ids
        correction = (guesses[accepted : accepted + 1] + 1) % 64 if accepted < 4 else torch.tensor([7])
        drafter.accepted(accepted)
        ids = torch.cat([ids, guesses[:accepted], correction])
    fresh.begin(64, 40, how)
    one, other = (proposed(x, target, ids, 4) for x in (drafter, fresh))
    assert torch.equal(one.ids, other.ids) and torch.allclose(one.probs, other.probs, atol=1e-5)


def test_a_new_text_begins_with_nothing_of_the_last_one(uncompiled):
    target = small_model(64, layers=3)
    drafter, ids = EagleDrafter(head_for(target)), torch.tensor([5, 6, 7])
    found = []
    for between in ([], [torch.arange(30)]):
        for other in between:
            drafter.begin(64, 300, "compiled")  # other buffers
            proposed(drafter, target, other, 4)
        drafter.begin(64, 40, "compiled")
        found.append(proposed(drafter, target, ids, 4).probs)
    assert torch.equal(*found)


# nothing of it changes the text


@pytest.mark.parametrize("how", ENGINES)
@pytest.mark.parametrize(
    ("tokens", "sampling"),
    [([0, 1, 2], Sampling(1.0)), ([0, 2], Sampling(1.0)), ([0, 1, 2], Sampling(0.7, top_k=2)),
     ([0, 1, 2], Sampling(1.3, top_p=0.8)), ([2], Sampling(0.0)),
     ([0, 1, 2], Sampling(1.0, processors=(lambda ids, scores: scores / 2,)))],
)  # fmt: skip
def test_the_law_of_a_text_is_the_targets(monkeypatch, uncompiled, how, tokens, sampling):
    target = small_model(3, "llama", layers=2, seed=4)
    drafter, forward = EagleDrafter(head_for(target, tokens)), as_forward(target)

    def whole_text(dice):
        dice.numbers = lambda n, device: torch.empty(0)
        monkeypatch.setattr(engine, "Dice", lambda generator: dice)
        monkeypatch.setattr(static, "PredrawnDice", lambda numbers: dice)
        monkeypatch.setattr(model_drafter, "PredrawnDice", lambda numbers: dice)
        return generate(target, [0], drafter, 2, sampling, 4, engine=how).tokens[1:]

    def law(text):
        ids = torch.tensor((0, *text))
        row = forward(ids)[-1]
        return sampling(sampling.processed(ids, row) if sampling.processors else row)

    assert toys.difference(exact_law(whole_text), toys.target_law(law, 4)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_it_compiles_and_the_greedy_text_is_the_targets(kind):
    target = small_model(64, kind, layers=3)
    drafter = EagleDrafter(head_for(target))
    alone = generate(target, [5, 6, 7], max_new_tokens=60).tokens
    for how in ENGINES:
        for k in (1, 4):
            out = generate(target, [5, 6, 7], drafter, k, max_new_tokens=60, engine=how)
            assert torch.equal(out.tokens, alone) and drafter.cached.compiled == (how == "compiled")


def test_before_the_first_round_there_is_nothing_to_read():
    target = small_model(64, "llama", layers=2)
    out = generate(target, [5, 6, 7], EagleDrafter(head_for(target)), 3, max_new_tokens=30)
    assert [one.drafted for one in out.trace.rounds[:2]] == [0, 3]


# how it is kept and named


def test_it_is_trained_stored_and_loaded_as_any_draft(tmp_path):
    tokenizer, place = small_tokenizer(), saved(tmp_path / "target")
    target = small_model(len(tokenizer), layers=3)
    distil(target, tokenizer, tmp_path / "draft", None, TINY, tmp_path / "work")
    pair = load_pair(target=place, draft=str(tmp_path / "draft"), say=lambda line: None)
    assert reads(pair.draft.config) == "states" and isinstance(drafter_of(pair.draft), EagleDrafter)
    assert pair.draft.get_input_embeddings().weight is pair.target.get_input_embeddings().weight
    alone = generate(pair.target, [5, 6, 7], max_new_tokens=20).tokens
    assert torch.equal(generate(pair.target, [5, 6, 7], drafter_of(pair.draft), 3, max_new_tokens=20).tokens, alone)
    with pytest.raises(ValueError, match="EagleDrafter"):
        ModelDrafter(pair.draft)
    with pytest.raises(ValueError, match="reads the text alone"):
        EagleDrafter(target)


def test_training_brings_the_law_nearer():
    """Its own texts, learned by heart: what counts is that every step of the rollout has gradients that help."""
    target = small_model(64, layers=3, seed=1)
    writer = Writer(target)
    text = writer.write([[5, 6, 7], [9, 4], [1]], 12, torch.tensor([0.0, 1.0, 1.0]), 0, rng())
    draft = head_for(target).requires_grad_(True)
    draft.get_input_embeddings().requires_grad_(False)
    lessons = Lessons([text], target, columns_of(draft, target), reads="states")
    batch = lessons.read([0, 1, 2])
    learn = [weight for weight in draft.parameters() if weight.requires_grad]
    optimizer, before = torch.optim.Adam(learn, lr=3e-3), measure(draft, lessons)["one_minus_tv"]

    def second_step():
        made = rollout(draft, batch.ids, batch.states, 2)[1]
        made = made.gather(1, batch.places[..., None].expand(-1, -1, 32)).flatten(0, 1)
        log_q = log_law(draft, made, 64)
        return float(torch.minimum(log_q.exp(), lessons.law(batch, slice(None)).exp()).sum(-1).mean())

    later = second_step()
    for _ in range(60):
        optimizer.zero_grad()
        step_loss(draft, lessons, batch, "forward_kl", steps=2)[0].backward()
        optimizer.step()
    assert measure(draft, lessons)["one_minus_tv"] > before + 0.05 and second_step() > later + 0.05


def test_the_states_beside_a_text_are_the_targets():
    target = small_model(64, layers=3)
    text = Writer(target).write([[5, 6, 7], [9, 4]], 6, torch.zeros(2), 0, rng())
    lessons = Lessons([text], target, torch.arange(64), reads="states")
    batch = lessons.read([0, 1])
    for row in range(2):
        ids = text.ids[row, text.pads[row] : -1]
        with torch.no_grad():
            own = target.model(input_ids=ids[None], use_cache=False).last_hidden_state[0]
        assert torch.allclose(batch.states[row, : len(ids)], own, atol=0.1)  # bfloat16


def test_texts_without_states_are_refused():
    target = small_model(64, layers=3)
    text = Writer(target).write([[5, 6, 7]], 6, torch.zeros(1), 0, rng())
    old = Written(text.ids, text.pads, text.hidden, text.mass)
    with pytest.raises(ValueError, match="without the target's states"):
        Lessons([old], target, torch.arange(64), reads="states")


# the command


def saved(folder):
    tokenizer = small_tokenizer()
    small_model(len(tokenizer), layers=3).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_the_command_makes_a_draft_that_generate_takes(tmp_path):
    place, out = saved(tmp_path / "target"), str(tmp_path / "eagle")
    few = ["--batches", "4", "--rows", "4", "--new", "8", "--passes", "1", "--head", "60", "--intermediate", "16"]
    ran = CliRunner().invoke(main, ["train", "eagle", "--target", place, *few, "--out", out,
                                    "--work", str(tmp_path / "work")])  # fmt: skip
    assert ran.exit_code == 0, ran.output
    assert f"--draft {out}" in ran.output
    said = CliRunner().invoke(main, ["generate", "--target", place, "--draft", out, "--prompt", "The river",
                                     "--max-new-tokens", "12", "--verify"])  # fmt: skip
    assert said.exit_code == 0 and "1 of 1 texts equal" in said.output, said.output


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--rollout", "0"], "--rollout is 0; expected at least one step"),
     (["--intermediate", "-1"], "intermediate is -1; expected 0 or more"),
     (["--layers", "3"], "a draft can have 1 to 2, not 3"),
     (["--loss", "kl"], "unknown loss 'kl'")],
)  # fmt: skip
def test_what_the_command_refuses_in_one_line(options, said, tmp_path):
    command = ["train", "eagle", "--target", saved(tmp_path / "target"), "--out", str(tmp_path / "out"), *options]
    ran = CliRunner().invoke(main, [*command, "--work", str(tmp_path / "work")])
    assert ran.exit_code == 2 and said in ran.output and "Traceback" not in ran.output


# the one that comes with the course


def test_the_bundled_draft_is_small_and_good():
    files = [data_path("classroom", "eagle") / name for name in ("config.json", "model.safetensors", "distilled.json")]
    assert sum(file.stat().st_size for file in files) < 3_000_000
    known = json.loads(data_path("classroom", "checksums.json").read_text())
    assert {f"eagle/{file.name}" for file in files} <= set(known)
    pair = load_pair("classroom", say=lambda line: None)
    drafter, kept, drafted = named_drafter("eagle", pair), 0, 0
    for prompt in held_out_prompts(pair.tokenizer, count=3):
        alone = generate(pair.target, prompt, max_new_tokens=40, eos_token_id=None).tokens
        out = generate(pair.target, prompt, drafter, 4, max_new_tokens=40, eos_token_id=None)
        assert torch.equal(out.tokens, alone)
        kept += sum(one.accepted for one in out.trace.rounds)
        drafted += sum(one.drafted for one in out.trace.rounds)
    assert kept > 0.3 * drafted  # a draft that knows nothing keeps one in 4,096
    with pytest.raises(ValueError, match=r"no draft of this kind \(eagle\) comes with"):
        named_drafter("eagle", replace(pair, name="another"))
