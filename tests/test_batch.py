"""Many texts decoded side by side: each is what it is alone, whatever stands beside it, before it and behind it."""

import pytest
import torch
from small_models import small_model
from test_request import longrope
from transformers import MistralConfig, MistralForCausalLM

from specdec_course import Sampling, generate
from specdec_course.cache.chosen import batch_of
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
