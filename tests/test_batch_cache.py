"""The cache of several texts side by side: each row is the cache that its text would have alone."""

import pytest
import torch
from small_models import small_model, small_seq2seq
from test_batch import KINDS, VOCAB, assert_as_alone, prompts_of, rng, target_of
from test_request import mamba
from transformers import BloomConfig, BloomForCausalLM, GPT2Config, GPT2LMHeadModel

from specdec_course.cache.batch import SMALLEST, BatchModel
from specdec_course.cache.chosen import batch_of
from specdec_course.cache.close import close
from specdec_course.cache.eager import CachedModel
from specdec_course.decoding import generate_batch


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
