"""A draft that looks into its target's cache: what its rows look at, and that nothing of it changes the text."""

import json

import pytest
import torch
from click.testing import CliRunner
from small_models import small_model, small_tokenizer

from specdec_course.cache import static
from specdec_course.cache.eager import EagerModel, layers_of
from specdec_course.checks.stages import toys
from specdec_course.cli import main
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.decoding import engine
from specdec_course.decoding.engine import generate
from specdec_course.drafters import Context, EagleDrafter, GlideDrafter, ModelDrafter, drafter_of
from specdec_course.drafters import model as model_drafter
from specdec_course.drafters.named import named_drafter
from specdec_course.models import as_forward, load_pair
from specdec_course.models.glide import glide_draft
from specdec_course.models.looking import block_mask, cross_attend
from specdec_course.models.trimmed import first_layers, reads
from specdec_course.sampling import Dice, Sampling, exact_law
from specdec_course.training.distil import Recipe, distil
from specdec_course.training.lessons import Lessons, columns_of, measure, step_loss
from specdec_course.training.written import Writer

TINY = Recipe(layers=1, head=60, batches=5, rows=6, new=10, step_rows=4, passes=6, every=2, rate=0.3,
              kind="glide", block=3)  # fmt: skip
ENGINES = ("eager", "compiled")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def draft_for(target, tokens=None, **how):
    """An untrained draft for which what it looks at matters."""
    size = target.config.vocab_size
    draft = glide_draft(target, torch.arange(size) if tokens is None else torch.tensor(tokens), **how)
    with torch.no_grad():
        for layer in draft.model.layers:
            for weight in (layer.look.output.weight, layer.look.query.weight):
                weight.copy_(torch.randn(weight.shape, generator=rng()))
    return draft


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(static, "compiled_once", lambda function, **how: function)


def proposed(drafter, target, ids, k, sampling=None):
    """A draft from a cache that holds all of ids but the newest."""
    cached = EagerModel(target).begin(len(ids))
    cached.append(ids[:-1])
    return drafter.propose_from(Context(ids, cached), k, sampling or Sampling(1.0), Dice(rng(3)))


def seen_by(draft, target, text, looks):
    """The draft's law behind a whole text, where row i looks at the target's first looks[i] positions: by hand."""
    cache = target.model(input_ids=text[None], use_cache=True).past_key_values
    keys, values = layers_of(cache)[-1]
    mask = torch.arange(len(text)) < torch.tensor(looks)[:, None]
    with draft.sight.showing(keys, values, mask):
        return draft(text[None]).logits[0, -1].softmax(-1)


# what its rows look at


@pytest.mark.parametrize("kind", ["llama", "qwen3", "qwen2"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("how", ENGINES)
def test_a_row_looks_at_what_the_target_has_read_before_it(kind, layers, how, uncompiled):
    target = small_model(64, kind, layers=3)
    draft, ids = draft_for(target, layers=layers), torch.randint(64, (9,), generator=rng(1))
    drafter = GlideDrafter(draft)
    drafter.begin(64, 40, how)
    made = proposed(drafter, target, ids, 3)
    for i in range(3):
        text = torch.cat([ids, made.ids[:i]])
        looks = [min(place, len(ids) - 1) for place in range(len(text))]
        assert torch.allclose(made.probs[i], seen_by(draft, target, text, looks), atol=1e-5)


@pytest.mark.parametrize("how", ENGINES)
def test_accepted_rows_stay_as_they_were_and_others_are_made_anew(how, uncompiled):
    target = small_model(64, layers=3)
    draft, ids = draft_for(target), torch.randint(64, (6,), generator=rng(4))
    drafter, looks = GlideDrafter(draft), [0, 1, 2, 3, 4, 5]
    drafter.begin(64, 40, how)
    for accepted in (2, 0, 3):
        made, known = proposed(drafter, target, ids, 4), len(ids) - 1
        assert torch.allclose(made.probs[0], seen_by(draft, target, ids, looks), atol=1e-5)
        drafter.accepted(accepted)
        ids = torch.cat([ids, made.ids[:accepted], torch.tensor([(int(made.ids[accepted]) + 1) % 64])])
        looks += [known] * accepted + [len(ids) - 1]


def test_a_text_of_blocks_looks_as_drafting_does():
    """Training cuts at fixed places; a round that begins at such a place looks at the same."""
    target = small_model(64, layers=3)
    draft, ids = draft_for(target), torch.randint(64, (12,), generator=rng(5))
    mask = block_mask(12, 4)
    assert mask.sum(1).tolist() == [0] * 4 + [4] * 4 + [8] * 4
    lessons = Lessons([Writer(target).write([ids[:2].tolist()], 8, torch.ones(1), 0, rng())], target, torch.arange(64),
                      reads="keys_values", block=4)  # fmt: skip
    batch = lessons.read([0])
    text = batch.ids[0]
    looks = [4 * (place // 4) for place in range(len(text))]
    with draft.sight.showing(*batch.sight):
        found = draft(text[None]).logits[0, -1].softmax(-1)
    assert torch.allclose(found, seen_by(draft, target, text, looks), atol=0.02)  # bfloat16 keys


def test_it_is_the_attention_that_the_unit_teaches():
    target = small_model(64, "llama", layers=2)
    look, config = draft_for(target).model.layers[0].look, target.config
    heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    places, states = torch.tensor([37, 38, 39]), torch.randn(1, 3, config.hidden_size, generator=rng(1))
    keys, values = (torch.randn(1, config.num_key_value_heads, 5, width, generator=rng(i)) for i in (2, 3))
    mask = torch.rand(3, 5, generator=rng(4)) < 0.6
    turned = target.model.rotary_emb(states, places[None])
    with torch.no_grad(), look.sight.showing(keys, values, torch.zeros(3, 5, dtype=torch.bool)):
        assert (look(states, turned, places) == 0).all()
    query = look.query_norm(look.query(look.norm(states)).unflatten(-1, (heads, width)))[0]
    own = cross_attend(query, places, keys[0].transpose(0, 1), values[0].transpose(0, 1), mask)
    scores = []  # the slot of zeros has the score 0: it takes a part of the weight
    for grown in (mask, torch.ones(3, 5, dtype=torch.bool)):
        with torch.no_grad(), look.sight.showing(keys, values, grown):
            scores.append(look(states, turned, places))
    padded = [torch.nn.functional.pad(x[0].transpose(0, 1), (0, 0, 0, 0, 1, 0)) for x in (keys, values)]
    sink = cross_attend(query, places, *padded, torch.nn.functional.pad(mask, (1, 0), value=True))
    assert torch.allclose(scores[0][0], look.output(sink.flatten(1)), atol=1e-5)
    assert not torch.allclose(own, sink, atol=1e-3) and not torch.allclose(*scores, atol=1e-3)


def test_to_begin_with_it_is_a_draft_of_the_first_layers():
    target, ids = small_model(64, "qwen3", layers=3), torch.randint(64, (1, 9), generator=rng(2))
    draft, plain = glide_draft(target, torch.arange(64), 2), first_layers(target, 2, torch.arange(64))
    with torch.no_grad():
        draft.sight.begin(20)
        assert torch.allclose(draft(ids).logits, plain(ids).logits, atol=1e-5)
    assert glide_draft(target, torch.arange(64), 1, 8).model.layers[0].layer.mlp.up_proj.weight.shape[0] == 8


@pytest.mark.parametrize("kind", ["gemma3", "olmo2", "gpt_neox", "gpt2", "phi"])
def test_layers_of_another_build_are_refused(kind):
    """Each of them would compute something else without a word: norms behind the attention, a parallel MLP."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    sizes |= {"intermediate_size": 64, "vocab_size": 64, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    names = {"gemma3": "gemma3_text", "olmo2": "olmo2", "gpt_neox": "gpt_neox", "gpt2": "gpt2", "phi": "phi"}
    config = AutoConfig.for_model(names[kind], **sizes)
    target = AutoModelForCausalLM.from_config(config).eval()
    with pytest.raises(ValueError, match="GLIDE knows such layers|keeps its layers elsewhere"):
        glide_draft(target, torch.arange(64))


def test_a_new_text_begins_with_nothing_of_the_last_one(uncompiled):
    target = small_model(64, layers=3)
    drafter, ids = GlideDrafter(draft_for(target)), torch.tensor([5, 6, 7])
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
    drafter, forward = GlideDrafter(draft_for(target, tokens)), as_forward(target)

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
    drafter = GlideDrafter(draft_for(target))
    alone = generate(target, [5, 6, 7], max_new_tokens=60).tokens
    rounds = []
    for how in ENGINES:
        for k in (1, 4):
            out = generate(target, [5, 6, 7], drafter, k, max_new_tokens=60, engine=how)
            assert torch.equal(out.tokens, alone) and drafter.cached.compiled == (how == "compiled")
            rounds.append([(one.drafted, one.accepted) for one in out.trace.rounds])
    assert rounds[0] == rounds[2] and rounds[1] == rounds[3]  # both engines draft the same


# how it is kept and named


def test_it_is_trained_stored_and_loaded_as_any_draft(tmp_path):
    tokenizer, place = small_tokenizer(), saved(tmp_path / "target")
    target = small_model(len(tokenizer), layers=3)
    distil(target, tokenizer, tmp_path / "draft", None, TINY, tmp_path / "work")
    pair = load_pair(target=place, draft=str(tmp_path / "draft"), say=lambda line: None)
    assert reads(pair.draft.config) == "keys_values" and isinstance(drafter_of(pair.draft), GlideDrafter)
    assert pair.draft.get_input_embeddings().weight is pair.target.get_input_embeddings().weight
    alone = generate(pair.target, [5, 6, 7], max_new_tokens=20).tokens
    assert torch.equal(generate(pair.target, [5, 6, 7], drafter_of(pair.draft), 3, max_new_tokens=20).tokens, alone)
    for wrong in (ModelDrafter, EagleDrafter):
        with pytest.raises(ValueError, match=r"keys and values: draft with it as GlideDrafter\(model\)"):
            wrong(pair.draft)
    with pytest.raises(ValueError, match="reads the text alone"):
        GlideDrafter(target)


def test_training_brings_the_law_nearer_and_looks_at_the_target():
    target = small_model(64, layers=3, seed=1)
    text = Writer(target).write([[5, 6, 7], [9, 4], [1]], 12, torch.tensor([0.0, 1.0, 1.0]), 0, rng())
    draft = glide_draft(target, torch.arange(64)).requires_grad_(True)
    draft.get_input_embeddings().requires_grad_(False)
    lessons = Lessons([text], target, columns_of(draft, target), reads="keys_values", block=3)
    batch = lessons.read([0, 1, 2])
    learn = [weight for weight in draft.parameters() if weight.requires_grad]
    optimizer, before = torch.optim.Adam(learn, lr=3e-3), measure(draft, lessons)["one_minus_tv"]
    for _ in range(60):
        optimizer.zero_grad()
        step_loss(draft, lessons, batch, "forward_kl")[0].backward()
        optimizer.step()
    assert measure(draft, lessons)["one_minus_tv"] > before + 0.05
    assert draft.model.layers[0].look.output.weight.abs().max() > 0.01


def saved(folder):
    tokenizer = small_tokenizer()
    small_model(len(tokenizer), layers=3).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_the_command_makes_a_draft_that_generate_takes(tmp_path):
    place, out = saved(tmp_path / "target"), str(tmp_path / "glide")
    few = ["--batches", "4", "--rows", "4", "--new", "8", "--passes", "1", "--head", "60", "--intermediate", "16"]
    ran = CliRunner().invoke(main, ["train", "glide", "--target", place, *few, "--out", out,
                                    "--work", str(tmp_path / "work")])  # fmt: skip
    assert ran.exit_code == 0, ran.output
    said = CliRunner().invoke(main, ["generate", "--target", place, "--draft", out, "--prompt", "The river",
                                     "--max-new-tokens", "12", "--verify"])  # fmt: skip
    assert said.exit_code == 0 and "1 of 1 texts equal" in said.output, said.output
    for option in (["--block", "0"], ["--block", "-1"]):
        ran = CliRunner().invoke(main, ["train", "glide", "--target", place, *option, "--out", out])
        assert ran.exit_code == 2 and "expected at least one token" in ran.output


# the one that comes with the course


def test_the_bundled_draft_is_small_and_good():
    files = [data_path("classroom", "glide") / name for name in ("config.json", "model.safetensors", "distilled.json")]
    assert sum(file.stat().st_size for file in files) < 3_000_000
    known = json.loads(data_path("classroom", "checksums.json").read_text())
    assert {f"glide/{file.name}" for file in files} <= set(known)
    pair = load_pair("classroom", say=lambda line: None)
    drafter, kept, drafted = named_drafter("glide", pair), 0, 0
    for prompt in held_out_prompts(pair.tokenizer, count=3):
        alone = generate(pair.target, prompt, max_new_tokens=40, eos_token_id=None).tokens
        out = generate(pair.target, prompt, drafter, 4, max_new_tokens=40, eos_token_id=None)
        assert torch.equal(out.tokens, alone)
        kept += sum(one.accepted for one in out.trace.rounds)
        drafted += sum(one.drafted for one in out.trace.rounds)
    assert kept > 0.3 * drafted  # a draft that knows nothing keeps one in 4,096
