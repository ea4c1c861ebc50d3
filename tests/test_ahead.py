"""Drafting while the target checks: the text is the target's, its law too, and the thread ends whatever happens."""

import json
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from small_models import small_model, small_seq2seq
from test_laws import ToyModel, rows_of, text_law

from specdec_course import Sampling, generate
from specdec_course.checks.stages import toys
from specdec_course.decoding import stream
from specdec_course.decoding.serving import overlap_timeline
from specdec_course.drafters import AheadDrafter, CapeDrafter, Drafter, FirstOf, ModelDrafter, SuffixDrafter, ahead
from specdec_course.measure.ahead import compared, halves, main, promised
from specdec_course.measure.prediction import Costs
from specdec_course.sampling import Dice

ROOT = Path(__file__).resolve().parents[1]
VOCAB = 41
PROMPTS = [[1], [1, 2, 3], [7, 7, 7, 7], list(range(30)), [40, 0, 13]]


def rng(seed):
    return torch.Generator().manual_seed(seed)


def at_work() -> list:
    return [one for one in threading.enumerate() if one.name.startswith("drafting ahead")]


def nearly(target):
    """A draft that is right most of the time: bets are won and lost."""
    draft = small_model(VOCAB)
    draft.load_state_dict(target.state_dict())
    noise = rng(5)
    for weight in draft.parameters():
        weight.data += 0.01 * torch.randn(weight.shape, generator=noise)
    return draft


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: f"{len(prompt)} tokens")
@pytest.mark.parametrize("k", [1, 2, 4, 7])
@pytest.mark.parametrize("kind", ["itself", "nearly", "a stranger"])
def test_the_text_is_the_targets_own(kind, k, prompt):
    target = small_model(VOCAB)
    draft = {"itself": lambda: target, "nearly": lambda: nearly(target),
             "a stranger": lambda: small_model(VOCAB, layers=1, seed=1)}[kind]()  # fmt: skip
    drafter = AheadDrafter(draft)
    alone = generate(target, prompt, max_new_tokens=40)
    behind = generate(target, prompt, ModelDrafter(draft), k, max_new_tokens=40)
    for _ in range(2):  # the second text finds what the first has left
        out = generate(target, prompt, drafter, k, max_new_tokens=40)
        assert torch.equal(out.tokens, alone.tokens) and out.trace.rounds == behind.trace.rounds
    if kind == "itself":
        assert drafter.won == drafter.bets > 0
    assert not at_work()


def test_bets_are_won_and_lost():
    target = small_model(VOCAB)
    drafter = AheadDrafter(nearly(target))
    for prompt in PROMPTS:
        generate(target, prompt, drafter, 2, max_new_tokens=60)
    assert 0 < drafter.won < drafter.bets


@pytest.mark.parametrize("place", range(1, 9))
def test_a_text_that_ends_inside_a_draft_ends_there(place):
    target = small_model(VOCAB)
    eos = int(generate(target, [1, 2, 3], max_new_tokens=10).tokens[2 + place])
    alone = generate(target, [1, 2, 3], max_new_tokens=40, eos_token_id=eos)
    out = generate(target, [1, 2, 3], AheadDrafter(target), 4, max_new_tokens=40, eos_token_id=eos)
    assert torch.equal(out.tokens, alone.tokens) and int(out.tokens[-1]) == eos and not at_work()


@pytest.mark.parametrize("sampling", [Sampling(1.0), Sampling(0.8, top_k=10, top_p=0.9)], ids=str)
def test_a_seed_gives_one_text_whatever_the_threads_do(sampling):
    target, texts = small_model(VOCAB), set()
    for _ in range(5):
        drafter = AheadDrafter(nearly(target))
        texts.add(tuple(generate(target, [1, 2], drafter, 3, sampling, 60, seed=4).tokens.tolist()))
        assert drafter.bets > 0
    assert len(texts) == 1


@pytest.mark.parametrize("k", ["auto", "heuristic"])
def test_a_draft_written_ahead_is_cut_where_less_is_asked_for(k):
    target = small_model(VOCAB)
    alone = generate(target, [5], max_new_tokens=80)
    assert torch.equal(generate(target, [5], AheadDrafter(nearly(target)), k, max_new_tokens=80).tokens, alone.tokens)


def test_a_draft_model_with_a_shorter_context_or_fewer_ids_falls_silent():
    target, short, narrow = small_model(VOCAB), small_model(VOCAB), small_model(30, seed=1)
    short.config.max_position_embeddings = 20
    alone = generate(target, [1, 2, 3], max_new_tokens=40)
    for draft in (short, narrow):
        out = generate(target, [1, 2, 3], AheadDrafter(draft), 4, max_new_tokens=40)
        assert torch.equal(out.tokens, alone.tokens)


def test_an_encoder_decoder_drafts_ahead_too():
    target, source = small_seq2seq(), [3, 4, 5, 6]
    alone = generate(target, source, max_new_tokens=20, eos_token_id=None)
    out = generate(target, source, AheadDrafter(small_seq2seq(layers=1, seed=9)), 3, max_new_tokens=20,
                   eos_token_id=None)  # fmt: skip
    assert torch.equal(out.tokens, alone.tokens) and not at_work()


# the law, exactly ----------------------------------------------------------------------------------------------------


class AtOnce:
    """A thread that does every task when it is given: drafts ahead are drawn before the verdict, as they really are."""

    def __init__(self, *how):
        pass

    def submit(self, function, *inputs):
        done = Future()
        done.set_result(function(*inputs))
        return done

    def shutdown(self, **how):
        pass


class Late(Future):
    """A task that is done when it is asked for, and never if it is called off."""

    def __init__(self, task):
        super().__init__()
        self.task = task

    def result(self, timeout=None):
        if not self.done():
            self.set_result(self.task())
        return super().result()


class Lazy(AtOnce):
    """A thread that begins a task as late as possible. (What returns nothing is done at once.)"""

    def submit(self, function, *inputs):
        done = Late(lambda: function(*inputs))
        if inputs[1].__name__ == "accepted":
            done.result()
        return done


@pytest.mark.parametrize("thread, size, k, new", [
    (AtOnce, 2, 1, 5), (Lazy, 2, 1, 5), (Lazy, 2, 2, 5), (Lazy, 3, 1, 4),
])  # fmt: skip
@pytest.mark.parametrize("sampling", [Sampling(1.0), Sampling(1.4, top_k=2)], ids=str)
def test_the_law_of_the_text_is_the_targets(monkeypatch, thread, size, k, new, sampling):
    forward, won = toys.toy_forward(size, rng(20)), []

    class Counted(AheadDrafter):
        def propose(self, ids, k, sampling, dice):
            monkeypatch.setattr(ahead, "PredrawnDice", lambda numbers: dice)
            dice.numbers = lambda n, device: None
            draft = super().propose(ids, k, sampling, dice)
            won.append(self.won)
            return draft

    monkeypatch.setattr(ahead, "ThreadPoolExecutor", thread)
    make = lambda: Counted(ToyModel(toys.toy_forward(size, rng(21)), size))  # noqa: E731
    law = text_law(monkeypatch, ToyModel(forward, size), make, k, sampling, new)
    assert toys.difference(law, toys.target_law(rows_of(forward, sampling), new)) < 1e-5
    assert any(won) and not all(won)


def test_to_choose_a_draft_by_its_own_tokens_would_be_seen(monkeypatch):
    """The test of the test: a draft that is kept only if its first token is 0 is no draw from q any more."""

    class Picky(AheadDrafter):
        def propose(self, ids, k, sampling, dice):
            monkeypatch.setattr(ahead, "PredrawnDice", lambda numbers: dice)
            dice.numbers = lambda n, device: None
            return super().propose(ids, k, sampling, dice)

        def _won(self, ids, k):
            draft = super()._won(ids, k)
            return None if draft is None or int(draft.ids[0]) else draft

    forward = toys.toy_forward(2, rng(20))
    monkeypatch.setattr(ahead, "ThreadPoolExecutor", Lazy)
    make = lambda: Picky(ToyModel(toys.toy_forward(2, rng(21)), 2))  # noqa: E731
    law = text_law(monkeypatch, ToyModel(forward, 2), make, 1, Sampling(1.0), 5)
    assert toys.total_variation(law, toys.target_law(rows_of(forward, Sampling(1.0)), 5)) > 1e-3


# errors and ends -----------------------------------------------------------------------------------------------------


class Breaks(torch.nn.Module):
    """A model that raises at its n-th pass."""

    def __init__(self, model, n, error):
        super().__init__()
        self.model, self.left, self.error = model, n, error
        self.config, self.generation_config, self.device, self.dtype = (
            model.config, model.generation_config, model.device, model.dtype)  # fmt: skip

    def forward(self, *inputs, logits_to_keep=0, **how):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.model(*inputs, logits_to_keep=logits_to_keep, **how)


@pytest.mark.parametrize("n", [1, 4, 5, 6, 9])
def test_an_error_in_the_drafting_thread_reaches_the_caller(n):
    target = small_model(VOCAB)
    drafter = AheadDrafter(Breaks(target, n, RuntimeError("the draft broke")))
    with pytest.raises(RuntimeError, match="the draft broke"):
        generate(target, [1, 2, 3], drafter, 3, max_new_tokens=40)
    assert not at_work()


def test_an_error_in_a_draft_that_was_lost_reaches_the_caller_too():
    target = small_model(VOCAB)
    with pytest.raises(RuntimeError, match="the draft broke"):
        stranger = Breaks(small_model(VOCAB, seed=1), 4, RuntimeError("the draft broke"))
        generate(target, [1, 2, 3], AheadDrafter(stranger), 3, max_new_tokens=40)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the target broke")], ids=repr)
def test_the_thread_ends_when_the_target_is_stopped_and_the_drafter_serves_again(error):
    target = small_model(VOCAB)
    drafter = AheadDrafter(target)
    with pytest.raises(type(error)):
        generate(Breaks(target, 3, error), [1, 2, 3], drafter, 3, max_new_tokens=40)
    assert not at_work()
    alone = generate(target, [4, 5], max_new_tokens=30)
    assert torch.equal(generate(target, [4, 5], drafter, 3, max_new_tokens=30).tokens, alone.tokens)


def test_the_thread_ends_with_a_stream_that_nobody_reads_on():
    target = small_model(VOCAB)
    tokens = stream(target, [1, 2, 3], AheadDrafter(target), k=3, max_new_tokens=40)
    next(tokens)
    assert at_work()
    tokens.close()
    assert not at_work()


INSIDE = {"first of two": lambda one: FirstOf(SuffixDrafter(at_least=3), one), "cape": CapeDrafter}


@pytest.mark.parametrize("dress", INSIDE.values(), ids=INSIDE)
def test_it_serves_inside_other_drafters_and_its_thread_ends_with_them(dress):
    target = small_model(VOCAB)
    alone = generate(target, [1, 2, 3], max_new_tokens=60)
    out = generate(target, [1, 2, 3], dress(AheadDrafter(nearly(target))), 3, max_new_tokens=60)
    assert torch.equal(out.tokens, alone.tokens) and not at_work()


def test_every_text_ends_with_its_drafter_told():
    ended = []

    class Told(Drafter):
        def end(self):
            ended.append(1)

    class Bare:
        def propose(self, ids, k, sampling, dice):
            return Drafter().propose(ids, k, sampling, dice)

        def end(self):
            ended.append(2)

    target = small_model(VOCAB)
    for drafter in (Told(), Bare()):
        generate(target, [1, 2], drafter, 2, max_new_tokens=3)
    assert ended == [1, 2]


def test_the_thread_has_its_own_number_of_torchs_threads():
    seen, before = [], torch.get_num_threads()

    class Seeing(AheadDrafter):
        def _step(self, *how):
            seen.append(torch.get_num_threads())
            return super()._step(*how)

    target = small_model(VOCAB)
    generate(target, [1, 2, 3], Seeing(target, threads=2), 2, max_new_tokens=12)
    assert set(seen) == {2} and torch.get_num_threads() == before


def test_it_can_be_asked_by_hand_and_again():
    target = small_model(VOCAB)
    drafter = AheadDrafter(target)
    drafter.begin(VOCAB, 40, "eager")
    ids, dice = torch.tensor([1, 2, 3]), Dice(rng(0))
    first = drafter.propose(ids, 3, Sampling(), dice)
    assert torch.equal(drafter.propose(ids, 3, Sampling(), dice).ids, first.ids)
    drafter.end()
    drafter.end()
    assert not at_work()


@pytest.mark.parametrize("make, message", [
    (lambda: AheadDrafter(small_model(VOCAB), threads=0), "threads is 0"),
    (lambda: AheadDrafter(None), "no draft model"),
    (lambda: generate(small_model(VOCAB), [1], AheadDrafter(small_model(VOCAB)), 2, engine="compiled"),
     'use engine="eager"'),
])  # fmt: skip
def test_what_it_cannot_do_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0)], ids=str)
def test_in_a_stream_of_its_own_the_text_is_the_same(sampling):
    target = small_model(VOCAB).cuda()
    draft = nearly(small_model(VOCAB)).cuda()
    one, other = (generate(target, [1, 2], drafter, 4, sampling, 100, seed=3)
                  for drafter in (AheadDrafter(draft), AheadDrafter(draft)))  # fmt: skip
    assert torch.equal(one.tokens, other.tokens)
    if sampling.greedy:
        assert torch.equal(one.tokens, generate(target, [1, 2], max_new_tokens=100).tokens)


# measured ------------------------------------------------------------------------------------------------------------


def costs(draft, check):
    return Costs(1.0, 1.0, 1.0, {2: 2 * draft}, {2: check})


def test_what_is_promised_is_the_timelines():
    behind, target, draft = costs(1.0, 4.0), costs(9.0, 5.0), costs(1.5, 9.0)
    found = promised(behind, target, draft, 2, [True, False, True])
    assert found == pytest.approx(3 * 6.0 / overlap_timeline(3.0, 5.0, [True, False, True])[1])
    assert promised(behind, behind, behind, 2, [True] * 100) == pytest.approx(6 / 4, rel=0.01)


@pytest.mark.parametrize("threads, due", [(1, (1, 1)), (2, (1, 1)), (3, (2, 1)), (16, (8, 8))])
def test_a_budget_of_threads_is_halved(threads, due):
    assert halves(threads) == due


def test_both_loops_write_the_same_texts_and_the_bets_are_counted():
    target, before = small_model(VOCAB), torch.get_num_threads()
    prompts = [torch.tensor(one) for one in PROMPTS[:3]]
    rows, told = compared(target, nearly(target), prompts, 2, 2, 20, 1)
    assert [row.name for row in rows] == ["one after the other", "ahead"] and all(row.same_text for row in rows)
    assert rows[0].tokens_per_call == rows[1].tokens_per_call and torch.get_num_threads() == before
    assert 0 < told["kept"] < 1 and told["target_threads"] == told["draft_threads"] == 1 and told["promised"] > 0
    assert compared(target, target, prompts[:1], 1, 1, 16, 1)[1]["kept"] > 0.5
    assert not at_work()


@pytest.mark.slow
def test_the_command_writes_a_record_that_becomes_a_table(tmp_path):
    file = tmp_path / "record.json"
    told = CliRunner().invoke(main, ["--limit", "1", "--new-tokens", "16", "--repeats", "1", "--threads", "1",
                                     "--note", "a test", "--json", str(file)])  # fmt: skip
    assert told.exit_code == 0, told.output
    record = json.loads(file.read_text())
    assert "a test" in record["hardware"] and len(record["rows"]) == 4 and len(record["timeline"]) == 2
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from parts.tables import section
    finally:
        sys.path.remove(str(ROOT / "docs"))
    made = section("classroom_ahead", record)
    assert "| drafts written ahead |" in made and "the target as its own draft, k = 1: ahead" in made


@pytest.mark.parametrize("options, said", [
    (["--pair", "nobody"], "there is no pair"), (["--threads", "0"], "--threads"),
])  # fmt: skip
def test_what_cannot_be_measured_is_one_line_and_code_2(options, said, tmp_path):
    told = CliRunner().invoke(main, [*options, "--json", str(tmp_path / "none.json")])
    assert told.exit_code == 2 and said in told.output and "Traceback" not in told.output
