"""Distillation: what its losses are, what a run survives, and what a draft with a trimmed head may and may not say."""

import json
import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from small_models import small_model, small_tokenizer

from specdec_course.cache import static
from specdec_course.checks.stages import toys
from specdec_course.cli import main
from specdec_course.common.paths import data_path
from specdec_course.decoding import engine
from specdec_course.decoding.engine import generate
from specdec_course.drafters import ModelDrafter
from specdec_course.drafters import model as model_drafter
from specdec_course.models import as_forward, load_pair
from specdec_course.models.int8 import to_int8
from specdec_course.models.trimmed import borrow_embedding, first_layers
from specdec_course.sampling import Sampling, exact_law
from specdec_course.training import distil as distillation
from specdec_course.training import lessons as teaching
from specdec_course.training import train_distil, written
from specdec_course.training.checkpoint import load_state
from specdec_course.training.distil import Recipe, distil
from specdec_course.training.interrupts import deferred
from specdec_course.training.lessons import Lessons, columns_of, log_law, measure, states_of, step_loss
from specdec_course.training.losses import KINDS, distillation_loss, losses_of
from specdec_course.training.written import Writer, load_batch
from specdec_course.verification import acceptance_probability

TINY = Recipe(layers=1, head=60, batches=5, rows=6, new=10, step_rows=4, passes=3, every=2, rate=0.3)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def logits(*shape, seed=0, scale=3.0):
    return scale * torch.randn(*shape, generator=rng(seed), dtype=torch.double)


@pytest.fixture(scope="module")
def small():
    """A target, the files of its tokenizer, and a way to have another draft like it."""
    tokenizer = small_tokenizer()
    return SimpleNamespace(target=small_model(len(tokenizer), layers=3), tokenizer=tokenizer)


def learner(small, seed=1):
    return small_model(len(small.tokenizer), layers=1, seed=seed)


# losses


@pytest.mark.parametrize("seed", range(5))
def test_tv_is_one_minus_the_exact_acceptance(seed):
    """A token of q is accepted with min(1, p/q): the law of one attempt, enumerated."""
    p, q = logits(7, seed=seed).softmax(-1), logits(7, seed=seed + 100).softmax(-1)
    law = exact_law(lambda dice: dice.flip(acceptance_probability(p, q)[dice.roll(q)]))
    loss = losses_of(q.log(), p.log(), "tv")
    assert float(loss) == pytest.approx(law.get(False, 0.0), abs=1e-9)
    assert float(loss) == pytest.approx(float((p - q).abs().sum() / 2), abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_gradients_agree_with_finite_differences(kind, temperature):
    student, teacher = logits(4, 6, seed=1).requires_grad_(), logits(4, 6, seed=2)
    mask = torch.tensor([True, False, True, True])
    assert torch.autograd.gradcheck(lambda x: distillation_loss(x, teacher, mask, kind, temperature), student)


def test_the_gradient_of_forward_kl_is_q_minus_p():
    student, teacher = logits(6, seed=1).requires_grad_(), logits(6, seed=2)
    distillation_loss(student, teacher).backward()
    assert torch.allclose(student.grad, student.detach().softmax(-1) - teacher.softmax(-1))


def test_no_gradient_reaches_the_teacher():
    student, teacher = logits(3, 6, seed=1).requires_grad_(), logits(3, 6, seed=2).requires_grad_()
    for kind in KINDS:
        distillation_loss(student, teacher, kind=kind).backward()
    assert teacher.grad is None


@pytest.mark.parametrize("kind", ["forward_kl", "reverse_kl", "tv"])
def test_a_loss_is_zero_where_the_laws_are_equal_and_nowhere_else(kind):
    for seed in range(20):
        one, other = logits(9, seed=seed), logits(9, seed=seed + 50)
        assert abs(float(distillation_loss(one + 5, one, kind=kind))) < 1e-12  # a shift changes no law
        assert float(distillation_loss(other, one, kind=kind)) > 1e-3


def test_tokens_that_a_law_excludes():
    p = torch.tensor([0.5, 0.5, 0.0]).double()
    q = torch.tensor([0.25, 0.5, 0.25]).double()
    assert float(losses_of(q.log(), p.log(), "forward_kl")) == pytest.approx(0.5 * torch.tensor(2.0).log().item())
    assert float(losses_of(q.log(), p.log(), "reverse_kl")) == float("inf")
    assert float(losses_of(q.log(), p.log(), "tv")) == pytest.approx(0.25)
    student = q.log().clone().requires_grad_()
    distillation_loss(student, p.log()).backward()
    assert torch.allclose(student.grad, q - p)


def test_cross_entropy_asks_for_the_teachers_likeliest_token():
    student, teacher = logits(5, 8, seed=1), logits(5, 8, seed=2)
    wanted = torch.nn.functional.cross_entropy(student, teacher.argmax(-1))
    assert torch.allclose(distillation_loss(student, teacher, kind="cross_entropy"), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_leaves_out_what_it_hides(kind):
    student, teacher = logits(2, 3, 6, seed=1), logits(2, 3, 6, seed=2)
    mask = torch.tensor([[True, True, False], [False, False, True]])
    loss = distillation_loss(student, teacher, mask, kind)
    hidden = torch.where(mask[..., None], student, logits(2, 3, 6, seed=3))
    assert torch.equal(distillation_loss(hidden, teacher, mask, kind), loss)
    assert torch.allclose(distillation_loss(student[mask], teacher[mask], kind=kind), loss)
    assert float(distillation_loss(student, teacher, mask & False, kind)) == 0


def test_what_a_loss_refuses():
    x = logits(2, 3)
    with pytest.raises(ValueError, match="unknown loss 'kl'.*forward_kl"):
        distillation_loss(x, x, kind="kl")
    with pytest.raises(ValueError, match="temperature is 0"):
        distillation_loss(x, x, temperature=0)
    with pytest.raises(ValueError, match=r"shapes \[\[2, 3\], \[2, 4\]\]"):
        distillation_loss(x, logits(2, 4))
    with pytest.raises(ValueError, match="shapes"):
        distillation_loss(x, x, torch.ones(3).bool())


# text that a target writes


def test_what_is_kept_of_a_text_are_the_targets_laws(small):
    prompts = [[5, 6, 7], [9], [4, 8, 15, 16]]
    text = Writer(small.target).write(prompts, 12, torch.tensor([0.0, 0.0, 1.0]), 0, rng())
    head = small.target.get_output_embeddings().weight
    for row, prompt in enumerate(prompts):
        ids = text.ids[row, text.pads[row] :]
        assert ids[: len(prompt)].tolist() == prompt and len(ids) == len(prompt) + 12
        law = as_forward(small.target)(ids[:-1])[-12:].softmax(-1)
        kept = (text.hidden[row].float() @ head.T - text.mass[row][:, None]).exp()
        assert (law - kept).abs().max() < 0.05  # the body ran in half precision
        if row < 2:
            assert (law.gather(-1, ids[-12:, None])[:, 0] > law.amax(-1) - 0.05).all()


def test_a_draw_is_greedy_at_zero_and_follows_the_law_above():
    row = torch.tensor([[0.0, 1.0, -1.0, float("-inf")]])
    many = written.drawn(row.expand(20_000, -1), torch.ones(20_000), rng())
    shares = torch.bincount(many, minlength=4) / 20_000
    assert (shares - row[0].softmax(-1)).abs().max() < 0.02 and shares[3] == 0  # false alarm: 1e-7
    assert written.drawn(row.expand(50, -1), torch.zeros(50), rng()).tolist() == [1] * 50


def test_batches_are_written_once_and_depend_on_seed_and_number(small, tmp_path, monkeypatch):
    writer = Writer(small.target)
    written.write_all(writer, small.tokenizer, tmp_path / "a", 3, 4, 6)
    texts = [load_batch(written.batch_path(tmp_path / "a", number)).ids for number in range(3)]
    assert not torch.equal(texts[0], texts[1])
    written.batch_path(tmp_path / "a", 1).unlink()
    written.write_all(writer, small.tokenizer, tmp_path / "a", 3, 4, 6)
    again = [load_batch(written.batch_path(tmp_path / "a", number)).ids for number in range(3)]
    assert all(torch.equal(one, other) for one, other in zip(texts, again, strict=True))
    monkeypatch.setattr(Writer, "write", lambda *a: pytest.fail("written twice"))
    written.write_all(writer, small.tokenizer, tmp_path / "a", 3, 4, 6)


def test_a_chat_model_asks_itself_and_answers_without_the_template(small, tmp_path):
    tokenizer = small_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    )
    head = written.chat_head(tokenizer)
    assert tokenizer.decode(head).startswith("<|im_start|>user") and "QUESTION" not in tokenizer.decode(head)
    writer = Writer(small.target)
    written.written_batch(writer, tokenizer, tmp_path, 0, 4, 12, None, 0)
    prompts, opening = written.beginnings(small.target, tokenizer, tmp_path, 1, 4, None, 0)
    asked = written.questions(load_batch(written.batch_path(tmp_path, 0)), [])
    assert opening == 0 and all(prompt in asked for prompt in prompts)
    pieces = torch.arange(100, 300)
    prompts, _ = written.beginnings(small.target, tokenizer, tmp_path, 2, 4, pieces, 0)
    assert all(prompt == list(range(prompt[0], prompt[0] + len(prompt))) for prompt in prompts)


def test_a_full_disk_is_said_before_anything_is_written(small, tmp_path, monkeypatch):
    monkeypatch.setattr(written.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match="0.0 GB free.*make room, or name another folder with --work"):
        written.write_all(Writer(small.target), small.tokenizer, tmp_path, 1, 4, 6)
    assert list(tmp_path.iterdir()) == []


def test_a_head_that_is_no_plain_product_is_refused(small):
    capped = small_model(64)
    forward = capped.forward

    def softcapped(*args, **kwargs):
        out = forward(*args, **kwargs)
        out.logits = torch.tanh(out.logits)
        return out

    capped.forward = softcapped
    with pytest.raises(ValueError, match="not a plain product"):
        Writer(capped)


# runs


def run(small, folder, recipe=TINY, draft=None, **how):
    draft = learner(small) if draft is None else draft
    distil(small.target, small.tokenizer, folder / "out", draft, recipe, folder / "work", **how)
    return load_state(folder / "work" / "state.pt")


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return SimpleNamespace(state=run(small, folder), out=folder / "out")


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def without_seconds(log):
    return [{key: value for key, value in line.items() if key != "seconds"} for line in log]


@pytest.mark.parametrize("at", [1, 2, 5])
def test_an_interrupted_run_ends_with_the_same_weights(small, whole, tmp_path, monkeypatch, at):
    """SIGINT in the middle of a step: the step is finished, the state kept, and the rest is as if nothing had been."""
    learn = distillation.Run.learn

    def interrupted(run, done):
        if run.step == at:
            os.kill(os.getpid(), signal.SIGINT)
        return learn(run, done)

    monkeypatch.setattr(distillation.Run, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(small, tmp_path)
    assert load_state(tmp_path / "work" / "state.pt")["step"] == at + 1
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(distillation.Run, "learn", learn)
    state = run(small, tmp_path)
    assert same(state["weights"], whole.state["weights"]) and same(state["best"], whole.state["best"])
    assert without_seconds(state["logged"]) == without_seconds(whole.state["logged"])
    assert not same(state["weights"], dict(learner(small).named_parameters()))


def test_a_killed_run_goes_on_from_its_last_checkpoint(small, whole, tmp_path, monkeypatch):
    learn = distillation.Run.learn

    def killed(run, done):
        if run.step == 3:
            raise MemoryError
        return learn(run, done)

    monkeypatch.setattr(distillation.Run, "learn", killed)
    with pytest.raises(MemoryError):
        run(small, tmp_path, save_every=0)
    monkeypatch.setattr(distillation.Run, "learn", learn)
    assert same(run(small, tmp_path)["weights"], whole.state["weights"])


def test_an_interrupt_while_text_is_written_costs_nothing(small, whole, tmp_path, monkeypatch):
    write = Writer.write

    def interrupted(self, *args):
        os.kill(os.getpid(), signal.SIGINT)
        return write(self, *args)

    monkeypatch.setattr(Writer, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(small, tmp_path)
    assert [path.name for path in (tmp_path / "work").glob("*.pt")] == ["written-0000.pt"]
    monkeypatch.setattr(Writer, "write", write)
    assert same(run(small, tmp_path)["weights"], whole.state["weights"])


def test_a_second_interrupt_stops_at_once():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), deferred() as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_recipe_or_another_model_does_not_continue_a_run(small, tmp_path):
    run(small, tmp_path, replace(TINY, passes=1))
    with pytest.raises(ValueError, match="begun with another seed"):
        run(small, tmp_path, replace(TINY, passes=1, seed=1))
    with pytest.raises(ValueError, match="begun with another models"):
        run(small, tmp_path, replace(TINY, passes=1), draft=learner(small, seed=2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_toy_run_raises_one_minus_tv(small, tmp_path, kind):
    recipe = replace(TINY, loss=kind, batches=8, rows=12, step_rows=12, passes=40, every=20, rate=0.5, head=200)
    state = run(small, tmp_path, recipe)
    first, best = state["logged"][0], max(state["logged"], key=lambda line: line["one_minus_tv"])
    assert best["one_minus_tv"] > first["one_minus_tv"] + 0.02
    record = json.loads((tmp_path / "out" / "distilled.json").read_text())
    assert (record["before"], record["after"]) == (first, best)


def test_the_best_weights_are_what_is_written(small, tmp_path, monkeypatch):
    """The figures fall after the second look: the run ends early, and the draft of the second look is exported."""
    figures = iter([0.1, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1])
    seen = []

    def falling(draft, lessons):
        seen.append(draft.model.embed_tokens.weight.detach().clone())
        return {"one_minus_tv": next(figures), "alpha_greedy": 0.0}

    monkeypatch.setattr(distillation, "measure", falling)
    state = run(small, tmp_path, replace(TINY, patience=2, passes=20, rate=3.0))
    assert state["step"] == 6 and len(seen) == 4 and state["best_at"] == 2
    draft = load_pair(target=stored(small, tmp_path), draft=str(tmp_path / "out"), say=lambda line: None).draft
    assert torch.allclose(draft.model.embed_tokens.weight, seen[1], atol=1e-3)
    assert not torch.allclose(draft.model.embed_tokens.weight, seen[3], atol=1e-3)


def test_a_run_that_is_bounded_by_minutes_ends(small, tmp_path, monkeypatch):
    now = iter(range(10_000))
    monkeypatch.setattr(distillation.time, "perf_counter", lambda: float(next(now)))
    state = run(small, tmp_path, replace(TINY, patience=99), minutes=1, save_every=1e9)
    assert 20 < state["step"] <= 60 and state["seconds"] >= 60


# drafts with a trimmed head


def stored(small, folder):
    place = folder / "target"
    small.target.save_pretrained(place)
    small.tokenizer.save_pretrained(place)
    return str(place)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "qwen2"])
def test_its_tokens_have_the_logits_that_the_first_layers_give_them(kind):
    target = small_model(64, kind, layers=3)
    tokens = torch.tensor([0, 3, 5, 20, 63])
    draft = first_layers(target, 2, tokens)
    target.model.layers = target.model.layers[:2]
    target.config.num_hidden_layers = 2
    ids = torch.tensor([4, 9, 33])
    whole, some = as_forward(target)(ids), as_forward(draft)(ids)
    assert some.shape == whole.shape and torch.allclose(some[:, tokens], whole[:, tokens], atol=1e-5)
    rest = [i for i in range(64) if i not in tokens.tolist()]
    assert (some[:, rest] == float("-inf")).all()


def test_a_trimmed_draft_is_stored_without_the_embedding_and_loads_as_any_model(small, tmp_path):
    recipe = replace(TINY, passes=1)
    distil(small.target, small.tokenizer, tmp_path / "draft", None, recipe, tmp_path / "work")
    from safetensors import safe_open

    with safe_open(tmp_path / "draft" / "model.safetensors", "pt") as file:
        assert not [key for key in file.keys() if "embed" in key]
        assert file.get_tensor("lm_head.tokens").shape == (60,)
    place = stored(small, tmp_path)
    pair = load_pair(target=place, draft=str(tmp_path / "draft"), say=lambda line: None)
    assert pair.draft.get_input_embeddings().weight is pair.target.get_input_embeddings().weight
    assert len(pair.draft.model.layers) == 1
    text = generate(pair.target, [5, 6, 7], ModelDrafter(pair.draft), 3, max_new_tokens=20)
    assert torch.equal(text.tokens, generate(pair.target, [5, 6, 7], max_new_tokens=20).tokens)
    with pytest.raises(ValueError, match="writes no text by itself"):
        load_pair(target=str(tmp_path / "draft"), say=lambda line: None)
    wider = small_model(len(small.tokenizer) + 64)
    wider.save_pretrained(tmp_path / "wider")
    small.tokenizer.save_pretrained(tmp_path / "wider")
    with pytest.raises(ValueError, match="made for another target"):
        load_pair(target=str(tmp_path / "wider"), draft=str(tmp_path / "draft"), say=lambda line: None)


def test_a_trimmed_draft_keeps_to_its_tokens_in_eight_bits_too(small):
    draft = first_layers(small.target, 1, torch.tensor([1, 4, 7]))
    borrow_embedding(to_int8(draft), small.target)
    row = as_forward(draft)(torch.tensor([5, 6]))[-1]
    assert row.isfinite().nonzero()[:, 0].tolist() == [1, 4, 7]


@pytest.mark.parametrize("engine_name", ["eager", "compiled"])
@pytest.mark.parametrize(
    ("tokens", "sampling"),
    [([0, 2], Sampling(1.0)), ([1], Sampling(1.0)), ([0, 2], Sampling(0.7, top_k=2)),
     ([1, 2], Sampling(1.3, top_p=0.8)), ([0, 2], Sampling(1.0, min_p=0.4)), ([2], Sampling(0.0)),
     ([0, 1], Sampling(1.0, processors=(lambda ids, scores: scores / 2,)))],
)  # fmt: skip
def test_the_law_of_a_text_with_a_trimmed_draft_is_the_targets(monkeypatch, uncompiled, engine_name, tokens, sampling):
    target = small_model(3, "llama", layers=2, seed=4)
    drafter, forward = ModelDrafter(first_layers(target, 1, torch.tensor(tokens))), as_forward(target)

    def whole_text(dice):
        dice.numbers = lambda n, device: torch.empty(0)
        monkeypatch.setattr(engine, "Dice", lambda generator: dice)
        monkeypatch.setattr(static, "PredrawnDice", lambda numbers: dice)
        monkeypatch.setattr(model_drafter, "PredrawnDice", lambda numbers: dice)
        return generate(target, [0], drafter, 2, sampling, 3, engine=engine_name).tokens[1:]

    def law(text):
        ids = torch.tensor((0, *text))
        row = forward(ids)[-1]
        return sampling(sampling.processed(ids, row) if sampling.processors else row)

    assert toys.difference(exact_law(whole_text), toys.target_law(law, 3)) < 1e-5


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(static, "compiled_once", lambda function, **how: function)


def test_a_trimmed_draft_compiles():
    target = small_model(64, "llama", layers=3)
    drafter = ModelDrafter(first_layers(target, 2, torch.arange(0, 64, 2)))
    alone = generate(target, [5, 6, 7], max_new_tokens=24).tokens
    out = generate(target, [5, 6, 7], drafter, 3, max_new_tokens=24, engine="compiled")
    assert torch.equal(out.tokens, alone) and drafter.cached.compiled


def test_the_share_that_a_draft_could_keep_is_exact_with_a_trimmed_head(small):
    """measure's figures against both whole laws, token by token."""
    prompts = [[5, 6, 7], [9, 4]]
    text = Writer(small.target).write(prompts, 10, torch.tensor([0.0, 1.0]), 0, rng())
    draft = first_layers(small.target, 1, torch.arange(0, len(small.tokenizer), 3))
    lessons = Lessons([text], small.target, columns_of(draft, small.target))
    found, kept, same_token = measure(draft, lessons), [], []
    with torch.autocast("cpu", torch.bfloat16):
        assert lessons.law(lessons.read([0]), slice(None)).dtype == torch.float32
    for row in range(2):
        ids = text.ids[row, text.pads[row] : -1]
        p = (text.hidden[row].float() @ small.target.get_output_embeddings().weight.T).softmax(-1)
        q = as_forward(draft)(ids)[-10:].softmax(-1)
        kept.append(torch.minimum(p, q).sum(-1))
        same_token.append(p.argmax(-1) == q.argmax(-1))
    assert found["one_minus_tv"] == pytest.approx(float(torch.stack(kept).mean()), abs=0.02)
    assert found["alpha_greedy"] == pytest.approx(float(torch.stack(same_token).float().mean()), abs=0.051)
    softer = Lessons([text], small.target, lessons.columns, temperature=2.0)
    softer = softer.law(softer.read([0]), slice(None))
    whole = (text.hidden[:1].float() @ small.target.get_output_embeddings().weight.T / 2).log_softmax(-1)
    assert torch.allclose(softer, whole[0][..., lessons.columns], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_in_pieces_has_the_gradients_of_the_whole(small, monkeypatch, kind):
    text = Writer(small.target).write([[5, 6, 7], [9, 4]], 10, torch.tensor([0.0, 1.0]), 0, rng())
    draft = first_layers(small.target, 1, torch.arange(0, len(small.tokenizer), 3)).requires_grad_(True)
    draft.get_input_embeddings().requires_grad_(False)
    lessons = Lessons([text], small.target, columns_of(draft, small.target))
    batch, found = lessons.read([0, 1]), []
    for piece in (1 << 22, 3 * len(lessons.columns)):
        monkeypatch.setattr(teaching, "PIECE", piece)
        draft.zero_grad()
        loss, mean = step_loss(draft, lessons, batch, kind)
        loss.backward()
        found.append([weight.grad.clone() for weight in draft.parameters() if weight.requires_grad])
    draft.zero_grad()
    log_q = log_law(draft, states_of(draft, batch)[0], len(lessons.columns))
    whole = losses_of(log_q, lessons.law(batch, slice(None)), kind).mean()
    whole.backward()
    assert mean == pytest.approx(whole.item(), abs=1e-5)
    for weight, one, other in zip((w for w in draft.parameters() if w.requires_grad), *found, strict=True):
        assert torch.allclose(one, weight.grad, atol=1e-5) and torch.allclose(other, weight.grad, atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "tokens", "said"),
    [(3, [1], "1 to 2, not 3"), (0, [1], "1 to 2, not 0"), (1, [], "ids of the target"), (1, [-1, 5], "ids of the")],
)
def test_drafts_that_cannot_be_made(layers, tokens, said):
    with pytest.raises(ValueError, match=said):
        first_layers(small_model(64, layers=3), layers, torch.tensor(tokens, dtype=torch.long))


# the command


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--loss", "kl"], "unknown loss 'kl'"),
        (["--loss", "forward-kl"], "Did you mean 'forward_kl'"),
        (["--draft", "TARGET"], "the draft is the target"),
        (["--draft", "nowhere/draft"], "nowhere/draft"),
        (["--target", "clasroom"], "clasroom"),
        (["--layers", "12"], "of which a draft can have 1 to 11"),
        (["--batches", "3"], "3 are held out"),
        (["--temperature", "0"], "temperature is 0"),
        (["--out", "/proc/draft"], "GB free"),
        (["--draft", "OTHER"], "different tokenizers"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, options, said):
    other = small_tokenizer()
    small_model(len(other), layers=1).save_pretrained(tmp_path / "other")
    other.save_pretrained(tmp_path / "other")
    named = {"TARGET": str(data_path("classroom", "target")), "OTHER": str(tmp_path / "other")}
    options = [named.get(option, option) for option in options]
    where = [] if "--out" in options else ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, ["train", "distil", *options, *where, "--work", str(tmp_path / "work")])
    assert done.exit_code == 2, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("specdec: ")]
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.slow
def test_the_command_makes_a_draft_that_loads(tmp_path):
    small_how = dict(batches=4, rows=4, new=8, passes=1, layers=1, head=500)
    train_distil("classroom", str(tmp_path / "out"), work=str(tmp_path / "work"), say=lambda line: None, **small_how)
    target = str(data_path("classroom", "target"))
    pair = load_pair(target=target, draft=str(tmp_path / "out"), say=lambda line: None)
    assert pair.draft.lm_head.tokens.shape == (500,)
