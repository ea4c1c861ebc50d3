"""Many texts side by side: each is the text that it is alone, whatever stands beside it, before it and behind it."""

import pytest
import torch
from small_models import small_model, small_seq2seq
from test_request import longrope, mamba
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
)

from specdec_course import Sampling, generate
from specdec_course.cache.batch import SMALLEST, BatchModel
from specdec_course.cache.chosen import batch_of
from specdec_course.cache.close import close
from specdec_course.cache.eager import CachedModel
from specdec_course.checks.stages import toys
from specdec_course.decoding import generate_batch
from specdec_course.decoding.batch import Text, decode
from specdec_course.decoding.ends import end_rule
from specdec_course.drafters import ModelDrafter
from specdec_course.models import as_forward
from specdec_course.sampling import Dice, exact_law

VOCAB = 41
KINDS = ("llama", "qwen2", "qwen3")
LENGTHS, BUDGETS = (1, 9, 3, 30, 2, 70, 5, 12), (20, 3, 11, 40, 1, 7, 0, 25)  # joining and leaving at all times
SETTINGS = [Sampling(), Sampling(1.0), Sampling(0.8, top_k=10, top_p=0.9), Sampling(1.2, min_p=0.05)]


def rng(seed):
    return torch.Generator().manual_seed(seed)


def prompts_of(lengths=LENGTHS, seed=3, vocab=VOCAB):
    return [torch.randint(0, vocab, (n,), generator=rng(seed + n)) for n in lengths]


def sliding(window=5):
    torch.manual_seed(0)
    config = MistralConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, head_dim=8,
                           num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
                           sliding_window=window, initializer_range=0.3, eos_token_id=None)  # fmt: skip
    return MistralForCausalLM(config).eval()


def target_of(kind):
    return sliding() if kind == "sliding" else small_model(VOCAB, kind)


def assert_as_alone(outs, target, prompts, draft, budgets, seed=0, **how):
    """Tokens and rounds are those of `generate`; without a draft model its k says nothing."""
    for i, (out, prompt, new) in enumerate(zip(outs, prompts, budgets, strict=True)):
        drafter = None if draft is None else ModelDrafter(draft)
        alone = generate(target, prompt, drafter, max_new_tokens=new, seed=seed + i, **how)
        assert torch.equal(out.tokens, alone.tokens), f"text {i}"
        assert out.trace.rounds == alone.trace.rounds, f"text {i}"


# the cache -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "sliding"])
@pytest.mark.parametrize("seed", range(3))
def test_ragged_passes_and_rollbacks_are_those_of_each_text_alone(kind, seed):
    """Random tokens in random rows, taken back and cleared at random, past the point where buffers grow."""
    model, draw = target_of(kind), rng(seed)
    batch, alone = BatchModel(model, 4), [CachedModel(model) for _ in range(4)]
    for step in range(14):
        rows = torch.randperm(4, generator=draw)[: int(torch.randint(1, 5, (1,), generator=draw))]
        n = int(torch.randint(1, 9, (1,), generator=draw)) * (5 if step % 5 == 0 else 1)
        counts = torch.randint(0, n + 1, (len(rows),), generator=draw)
        ids = torch.randint(0, VOCAB, (len(rows), n), generator=draw)
        for line, count in enumerate(counts):
            ids[line, count:] = (-100, 10**9)[step % 2]  # padding may hold anything
        logits = batch.append(ids, counts, rows if step % 3 else rows.tolist())
        assert logits.shape == (len(rows), n, VOCAB)
        for line, (row, count) in enumerate(zip(rows.tolist(), counts.tolist(), strict=True)):
            if count:
                assert close(logits[line, :count], alone[row].append(ids[line, :count]))
        back = (batch.lengths * torch.rand(4, generator=draw) * 0.5).long()
        batch.rollback(back)
        for one, many in zip(alone, back.tolist(), strict=True):
            one.rollback(many)
        if step % 6 == 5:
            batch.clear(step % 4)
            alone[step % 4] = CachedModel(model)
        assert batch.lengths.tolist() == [one.length for one in alone]
    assert batch.calls == 14


def test_the_buffers_double_and_keep_what_they_hold():
    model, ids = small_model(VOCAB), prompts_of((2 * SMALLEST + 1,))[0]
    batch, whole = BatchModel(model, 2), CachedModel(model).append(ids)
    for at in range(0, len(ids), 10):
        piece = ids[at : at + 10]
        logits = batch.append(piece[None], torch.tensor([len(piece)]), rows=[1])
        assert close(logits[0], whole[at : at + 10])
    assert batch.places == 4 * SMALLEST and batch.lengths.tolist() == [0, len(ids)]


@pytest.mark.parametrize("kind", ["qwen3", "sliding"])
@pytest.mark.parametrize("rows", [None, [2, 0, 1], [2, 1]])
@torch.inference_mode()
def test_whatever_lies_behind_the_pointers_does_not_matter(kind, rows):
    model, texts = target_of(kind), torch.stack(prompts_of((12, 12, 12)))
    found = []
    for poison in (0.0, float("nan"), float("inf"), 1e30):
        batch = BatchModel(model, 3)
        batch.append(texts, torch.tensor([12, 3, 7]))
        batch.rollback(torch.tensor([5, 0, 7]))
        for buffer in (*batch.keys.values(), *batch.values.values()):
            for row, length in enumerate(batch.lengths.tolist()):
                buffer[row, :, length:] = poison
        lines = [0, 1, 2] if rows is None else rows
        found.append(batch.append(texts[lines, :6], torch.tensor([6, 1, 0, 4])[lines], rows))
    for logits in found[1:]:
        assert torch.equal(logits, found[0])
    assert found[0].isfinite().all()


@torch.inference_mode()
def test_a_row_that_is_cleared_leaves_nothing_behind():
    """Another row that is longer has the model look at the places that the old text has filled."""
    model, (old, other, new) = small_model(VOCAB), prompts_of((40, 50, 8))
    used, fresh = BatchModel(model, 2), BatchModel(model, 2)
    used.append(old[None], torch.tensor([40]), rows=[0])
    for buffer in (*used.keys.values(), *used.values.values()):
        buffer[0] = float("nan")
    used.clear(0)
    for batch in (used, fresh):
        batch.append(other[None], torch.tensor([50]), rows=[1])
    lines = torch.stack([new, other[:8]])
    assert torch.equal(used.append(lines, torch.tensor([8, 8])), fresh.append(lines, torch.tensor([8, 8])))


@pytest.mark.parametrize("logits_to_keep", [True, False])
def test_a_prompt_need_not_pay_for_the_vocabulary(logits_to_keep):
    model, ids = small_model(VOCAB), torch.stack(prompts_of((9, 9)))
    batch, whole = BatchModel(model, 2), BatchModel(model, 2).append(ids, torch.tensor([9, 9]))
    batch.can_leave_out = logits_to_keep
    assert close(batch.append(ids, torch.tensor([9, 9]), last=2), whole[:, -2:])


def test_padding_needs_no_position_of_its_own():
    """GPT-2 has a table of positions: one behind its end would be an error."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=16)).eval()
    ids, batch, alone = prompts_of((16,))[0], BatchModel(model, 2), CachedModel(model).append
    batch.append(ids[None, :15], torch.tensor([15]), rows=[0])
    logits = batch.append(torch.stack([ids[-6:].roll(1), ids[:6]]), torch.tensor([1, 6]))
    whole = alone(ids)
    assert close(logits[0, :1], whole[15:]) and close(logits[1], whole[:6])
    prompts = [ids[:10], ids[:3]]
    outs = generate_batch(model, prompts, model, 3, max_new_tokens=[6, 13], eos_token_id=None)
    assert_as_alone(outs, model, prompts, model, [6, 13], k=3, eos_token_id=None)


@pytest.mark.parametrize("ids, counts, rows, said", [
    ((2, 3), [1], None, "ids of shape"),
    ((2, 3), [1, 1, 1], None, "ids of shape"),
    ((2, 0), [0, 0], None, "n >= 1"),
    ((6,), [1, 1], None, "ids of shape"),
    ((2, 3), [1, 4], None, r"expected 0\.\.3"),
    ((2, 3), [-1, 1], None, r"expected 0\.\.3"),
    ((2, 3), [1, 1], [0, 0], "different ones"),
    ((2, 3), [1, 1], [0, 2], r"different ones of 0\.\.1"),
    ((2, 3), [1, 1], [-1, 0], "different ones"),
    ((0, 3), [], [], "different ones"),
    ((1, 300), [300], [0], "context holds 256"),
])  # fmt: skip
def test_a_pass_that_does_not_fit_is_refused_and_changes_nothing(ids, counts, rows, said):
    batch = BatchModel(small_model(VOCAB), 2)
    batch.append(torch.zeros(2, 4, dtype=torch.long), torch.tensor([4, 2]))
    with pytest.raises(ValueError, match=said):
        batch.append(torch.zeros(ids, dtype=torch.long), torch.tensor(counts, dtype=torch.long), rows)
    assert batch.lengths.tolist() == [4, 2]


@pytest.mark.parametrize("n", [[1, 3], [-1, 0], [1], 2])
def test_more_than_a_row_holds_cannot_be_taken_back(n):
    batch = BatchModel(small_model(VOCAB), 2)
    batch.append(torch.zeros(2, 4, dtype=torch.long), torch.tensor([4, 2]))
    with pytest.raises(ValueError, match="cannot roll back"):
        batch.rollback(torch.tensor(n))
    with pytest.raises(ValueError, match="there is no row"):
        batch.clear(2)
    assert batch.lengths.tolist() == [4, 2]


def bloom():
    torch.manual_seed(0)
    return BloomForCausalLM(BloomConfig(vocab_size=VOCAB, hidden_size=32, n_layer=1, n_head=4)).eval()


@pytest.mark.parametrize("model, said", [
    (bloom, "reads texts side by side otherwise"),
    (mamba, "layers are all attention|keeps one state"),
    (small_seq2seq, "decoder-only"),
])  # fmt: skip
def test_a_model_that_cannot_read_texts_side_by_side_is_refused_in_words(model, said):
    model = model()
    with pytest.raises(ValueError, match=said):
        batch_of(model, 2)
    with pytest.raises(ValueError, match=said):
        generate_batch(model, [[1, 2], [3]])
    with pytest.raises(ValueError, match=said):
        generate_batch(small_model(VOCAB), [[1, 2], [3]], draft=model)


# the loop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "sliding"])
@pytest.mark.parametrize("drafter, k", [("none", 4), ("itself", 4), *(("a stranger", k) for k in (0, 1, 4))])
def test_each_of_eight_texts_is_what_it_is_alone(kind, drafter, k):
    target, prompts = target_of(kind), prompts_of()
    draft = {"none": None, "a stranger": small_model(VOCAB, layers=1, seed=1), "itself": target}[drafter]
    outs = generate_batch(target, prompts, draft, k, max_new_tokens=list(BUDGETS), batch=3)
    assert_as_alone(outs, target, prompts, draft, BUDGETS, k=k)


@pytest.mark.parametrize("sampling", SETTINGS[1:], ids=str)
@pytest.mark.parametrize("k", [0, 1, 4])
def test_a_sampled_text_is_that_of_its_seed(sampling, k):
    target, prompts, draft = small_model(VOCAB), prompts_of(), small_model(VOCAB, layers=1, seed=1)
    outs = generate_batch(target, prompts, draft, k, sampling, list(BUDGETS), seed=70, batch=5)
    assert_as_alone(outs, target, prompts, draft, BUDGETS, seed=70, k=k, sampling=sampling)


@pytest.mark.parametrize("sampling", SETTINGS[:2], ids=str)
def test_neither_the_size_of_a_batch_nor_its_order_changes_a_text(sampling):
    target, prompts, draft = small_model(VOCAB, "llama"), prompts_of(), small_model(VOCAB, seed=1)
    first = generate_batch(target, prompts, draft, 3, sampling, list(BUDGETS), batch=1)
    for batch in (2, 4, 8, 100):
        order = torch.randperm(8, generator=rng(batch)).tolist()
        outs = generate_batch(target, [prompts[i] for i in order], draft, 3, sampling, [BUDGETS[i] for i in order],
                              seed=order, batch=batch)  # fmt: skip
        for i, out in zip(order, outs, strict=True):
            assert torch.equal(out.tokens, first[i].tokens) and out.trace.rounds == first[i].trace.rounds


def test_a_text_ends_inside_a_round_and_a_rejected_end_ends_nothing():
    target, prompts = small_model(VOCAB), prompts_of()
    free = generate_batch(target, prompts, target, 4, max_new_tokens=30)
    inside = 0
    for place in (1, 2, 3, 7, 8):
        eos = int(free[3].tokens[LENGTHS[3] + place])
        outs = generate_batch(target, prompts, target, 4, max_new_tokens=30, eos_token_id=eos, batch=3)
        assert_as_alone(outs, target, prompts, target, [30] * 8, k=4, eos_token_id=eos)
        for out, whole in zip(outs, free, strict=True):
            assert torch.equal(out.tokens, whole.tokens[: len(out.tokens)])
            assert eos not in out.tokens[out.trace.prompt_length : -1]
            inside += out.trace.rounds[-1].emitted < 5 and int(out.tokens[-1]) == eos
    assert inside > 3
    stranger = small_model(VOCAB, layers=1, seed=1)
    ends = list(range(0, VOCAB, 6))
    outs = generate_batch(target, prompts, stranger, 4, max_new_tokens=30, eos_token_id=ends, batch=3)
    assert_as_alone(outs, target, prompts, stranger, [30] * 8, k=4, eos_token_id=ends)


def test_the_models_own_end_of_text_is_asked_for():
    target, prompts = small_model(VOCAB), prompts_of()
    target.generation_config.eos_token_id = int(generate_batch(target, prompts[:1], max_new_tokens=9)[0].tokens[5])
    outs = generate_batch(target, prompts, max_new_tokens=20)
    assert_as_alone(outs, target, prompts, None, [20] * 8)
    assert len(outs[0].tokens) < 21


@pytest.mark.parametrize("vocab", [30, 55])
@pytest.mark.parametrize("sampling", SETTINGS[:2], ids=str)
def test_a_draft_with_another_number_of_ids_drafts_what_it_can(vocab, sampling):
    """With fewer it falls silent where a text holds one that it does not know."""
    target, draft, prompts = small_model(VOCAB), small_model(vocab, seed=1), prompts_of()
    prompts[1] = prompts[1] % 30
    outs = generate_batch(target, prompts, draft, 3, sampling, 12, batch=3)
    assert_as_alone(outs, target, prompts, draft, [12] * 8, k=3, sampling=sampling)


def test_a_draft_with_a_shorter_context_falls_silent():
    target, draft, prompts = small_model(VOCAB), small_model(VOCAB), prompts_of()
    draft.config.max_position_embeddings = 24
    outs = generate_batch(target, prompts, draft, 4, max_new_tokens=30, batch=3)
    assert_as_alone(outs, target, prompts, draft, [30] * 8, k=4)
    assert [sum(r.drafted for r in out.trace.rounds) > 0 for out in outs] == [n < 24 for n in LENGTHS]


def law_of(target, draft, k, sampling, length, neighbours):
    """The exact law of the first text's new tokens, beside others that draw from dice of their own."""

    def procedure(dice):
        texts = [Text([0], 1 + length, dice)]
        texts += [Text(list(ids), len(ids) + new, Dice(rng(i))) for i, (ids, new) in enumerate(neighbours)]
        decode(target, texts, draft, k, sampling, end_rule(frozenset()), 2)
        return texts[0].ids[1:]

    return exact_law(procedure)


@pytest.mark.parametrize("sampling", [Sampling(1.0), Sampling(0.7, top_k=2)], ids=str)
@pytest.mark.parametrize("k", [0, 2])
def test_the_law_of_a_text_is_the_targets_whatever_its_neighbours_draw(sampling, k):
    target, draft = small_model(3, "llama", layers=1), small_model(3, "llama", layers=1, seed=1)
    forward = as_forward(target)
    rows = lambda text: sampling(forward(torch.tensor((0, *text)))[-1].float())  # noqa: E731
    due = toys.target_law(rows, 3)
    alone = law_of(target, draft, k, sampling, 3, [])
    beside = law_of(target, draft, k, sampling, 3, [([1, 2, 0, 1], 7), ([2], 1), ([1, 1], 4)])
    assert toys.difference(alone, due) < 1e-5 and toys.difference(beside, alone) < 1e-6
    assert sum(beside.values()) == pytest.approx(1, abs=1e-6)


def test_texts_with_one_prompt_differ_by_their_seeds():
    target = small_model(VOCAB)
    outs = generate_batch(target, [[5, 6]] * 4, sampling=Sampling(1.0), max_new_tokens=20, seed=9)
    assert len({tuple(out.tokens.tolist()) for out in outs}) == 4
    again = generate_batch(target, [[5, 6]] * 2, sampling=Sampling(1.0), max_new_tokens=20, seed=[12, 9])
    assert torch.equal(again[0].tokens, outs[3].tokens) and torch.equal(again[1].tokens, outs[0].tokens)
    free = [generate_batch(target, [[5, 6]], sampling=Sampling(1.0), max_new_tokens=20, seed=None) for _ in range(2)]
    assert not torch.equal(free[0][0].tokens, free[1][0].tokens)


def test_the_trace_of_a_batch_says_who_took_part():
    target, prompts = small_model(VOCAB), prompts_of()
    outs = generate_batch(target, prompts, target, 3, max_new_tokens=list(BUDGETS), batch=3)
    rounds = [one for one in outs.passes if one.emitted]
    assert sum(one.emitted for one in rounds) == sum(BUDGETS)
    assert all(one.rows <= one.emitted <= one.tokens and one.rows <= 3 for one in rounds)
    assert sum(one.rows for one in rounds) == sum(len(out.trace.rounds) for out in outs)
    assert sum(one.rows for one in outs.passes) == sum(out.trace.target_calls for out in outs)
    waits = [i for i, one in enumerate(outs.passes) if not one.emitted]
    assert waits[0] == 0 and waits[-1] > 3  # a prompt is read in the middle
    full = [one.rows == 3 for one in rounds]
    assert full == sorted(full, reverse=True)  # a free row is taken at once, as long as a text waits
    new = sum(one.tokens for one in outs.passes if not one.emitted)
    assert new == sum(n - 1 for n, budget in zip(LENGTHS, BUDGETS, strict=True) if budget)
    for out, budget in zip(outs, BUDGETS, strict=True):
        assert out.trace.new_tokens == budget and out.trace.draft_calls == sum(r.drafted for r in out.trace.rounds)
        assert (out.trace.seconds > 0) == (budget > 0)


def test_nothing_to_do_asks_nobody():
    outs = generate_batch(small_model(VOCAB), [[1, 2], [3]], max_new_tokens=0)
    assert [out.tokens.tolist() for out in outs] == [[1, 2], [3]] and outs.passes == []
    assert generate_batch(small_model(VOCAB), []) == []


def test_damaged_weights_are_named():
    target = small_model(VOCAB)
    batch_of(target, 2)
    target.model.norm.weight.data[0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity"):
        generate_batch(target, prompts_of())


@pytest.mark.parametrize("how, said", [
    ({"k": -1}, "k is -1"), ({"k": "auto"}, "k is 'auto'"), ({"k": True}, "k is True"), ({"batch": 0}, "batch is 0"),
    ({"batch": 2.5}, "batch is 2.5"), ({"max_new_tokens": [3]}, "1 entries for 2 prompts"),
    ({"max_new_tokens": [3, -1]}, "prompt 1: max_new_tokens is -1"), ({"max_new_tokens": 3.5}, "max_new_tokens is 3.5"),
    ({"seed": [1, 2, 3]}, "3 entries for 2 prompts"), ({"seed": "x"}, "seed is 'x'"),
    ({"sampling": Sampling(processors=[lambda ids, scores: scores])}, "processors look at one text"),
    ({"prompts": [[1], [VOCAB]]}, "prompt 1: .*vocabulary"), ({"prompts": [[1], []]}, "prompt 1: .*at least one"),
    ({"prompts": [1, 2]}, "prompt 0"), ({"prompts": "text"}, "expected a list of prompts"),
    ({"prompts": {"input_ids": [[1]]}}, "expected a list of prompts"),
    ({"prompts": [[1] * 200, [2]], "max_new_tokens": 60}, "prompt 0: .*context holds 256"),
    ({"draft": ModelDrafter(small_model(VOCAB))}, "the draft is a ModelDrafter"),
    ({"eos_token_id": "never"}, "eos_token_id is 'never'"),
])  # fmt: skip
def test_a_request_that_cannot_be_served_is_refused_in_words(how, said):
    how = {"prompts": [[1, 2], [3]], "max_new_tokens": 5, **how}
    with pytest.raises(ValueError, match=said):
        generate_batch(small_model(VOCAB), **how)


def test_texts_on_both_sides_of_longrope_are_refused_and_on_one_side_right():
    model = longrope()
    for prompts in ([[1] * 10, [2] * 40], [[1] * 33, [2] * 40]):
        with pytest.raises(ValueError, match="longrope"):
            generate_batch(model, prompts, max_new_tokens=5)
    for lengths in ((10, 20), (34, 40)):
        prompts = prompts_of(lengths)
        outs = generate_batch(model, prompts, model, 2, max_new_tokens=8, eos_token_id=None)
        assert_as_alone(outs, model, prompts, model, [8, 8], k=2, eos_token_id=None)
